//! The hub as a host with a WebSocket library of its own uses it.

use chanson_core::error::{CloseReason, CommandError};
use chanson_core::frame::Message;
use chanson_core::http::{Request, Response};
use chanson_core::hub::Admission;
use chanson_core::time::Instant;
use chanson_core::{Accept, Capacity, Channel, ConnId, Hub, Mount, Output, Refuse, Ticket};

const NOW: Instant = Instant::ORIGIN;

fn hub() -> Hub<Vec<Ticket>> {
    let mount = Mount::channels("/socket").channel(Channel::<Vec<Ticket>>::new("room:*").on("all", |socket, msg| {
        assert_eq!(socket.peer(), None, "the host did not tell");
        socket.broadcast("all", msg.payload)
    }));
    let mount = mount.on_connect(|connect| {
        if connect.param("refuse").is_some() {
            return Err(Refuse::default());
        }
        if connect.param("later").is_some() {
            let ticket = connect.defer()?;
            connect.app().push(ticket);
        }
        Ok(())
    });
    let hub = Hub::builder().seed([7; 32]).mount(mount).on_request(|http, _| {
        let ticket = http.defer().ok();
        http.app().extend(ticket);
        None
    });
    hub.capacity(Capacity::default().with_connections(2)).build().unwrap()
}

/// What there is to do, in words.
fn outputs<S>(hub: &mut Hub<S>) -> Vec<String> {
    let mut words = Vec::new();
    while let Some(output) = hub.poll_output() {
        words.push(match output {
            Output::Deliver { to, frame } => match frame.message() {
                Message::Text(text) => format!("{to:?} {text}"),
                Message::Binary(data) => format!("{to:?} {data:?}"),
            },
            Output::Open { conn, admitted } => format!("open {conn:?} {}", admitted.max_message),
            Output::Refuse { conn, response } => format!("refuse {conn:?} {}", response.status()),
            Output::Respond { conn, response } => format!("respond {conn:?} {}", response.status()),
            Output::Close { conn, reason } => format!("close {conn:?} {} {}", reason.code(), reason.text()),
            _ => unreachable!(),
        });
    }
    words
}

fn open(hub: &mut Hub<Vec<Ticket>>, app: &mut Vec<Ticket>, target: &str) -> (ConnId, Admission) {
    let conn = hub.handle_connect(NOW, None).unwrap();
    let admission = hub.handle_open(NOW, app, conn, &Request::new("GET", target, &[], b""));
    (conn, admission)
}

#[test]
fn a_broadcast_is_one_delivery_to_all_of_a_version() {
    let (mut hub, mut app) = (hub(), Vec::new());
    let conns = [0, 1].map(|_| open(&mut hub, &mut app, "/socket?vsn=2.0.0").0);
    for conn in conns {
        hub.handle_text(NOW, &mut app, conn, r#"["1","1","room:a","phx_join",{}]"#);
    }
    outputs(&mut hub);
    hub.handle_text(NOW, &mut app, conns[0], r#"["1","2","room:a","all",{}]"#);
    assert_eq!(outputs(&mut hub), [format!(r#"{conns:?} [null,null,"room:a","all",{{}}]"#)]);
}

#[test]
fn admissions() {
    let (mut hub, mut app) = (hub(), Vec::new());
    let (conn, admission) = open(&mut hub, &mut app, "/socket");
    assert!(matches!(admission, Admission::Open(admitted) if admitted.max_message == 65_536));
    let again = hub.handle_open(NOW, &mut app, conn, &Request::new("GET", "/socket", &[], b""));
    assert!(matches!(again, Admission::Refused(response) if response.status() == 503));
    assert!(hub.is_open(conn), "and nothing has changed");
    let (_, admission) = open(&mut hub, &mut app, "/socket?refuse");
    assert!(matches!(admission, Admission::Refused(response) if response.status() == 403));
    assert_eq!(hub.handle_connect(NOW, None), Err(CommandError::Full));
}

#[test]
fn what_was_put_off_comes_as_an_output() {
    let (mut hub, mut app) = (hub(), Vec::new());
    let (a, admission) = open(&mut hub, &mut app, "/socket?later");
    assert!(matches!(admission, Admission::Pending));
    hub.handle_text(NOW, &mut app, a, r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#);
    assert!(outputs(&mut hub).is_empty(), "nothing is open yet");
    let ticket = app[0];
    hub.answer_connect(NOW, &mut app, ticket, Ok(Accept::new())).unwrap();
    assert_eq!(outputs(&mut hub), [format!("open {a:?} 65536")]);
    let (b, _) = open(&mut hub, &mut app, "/socket?later");
    let ticket = app[1];
    hub.answer_connect(NOW, &mut app, ticket, Err(Refuse::default())).unwrap();
    assert_eq!(outputs(&mut hub), [format!("refuse {b:?} 403")]);
    assert!(hub.handle_request(NOW, &mut app, b, &Request::new("GET", "/", &[], b"")).is_none());
    hub.answer_request(NOW, app[2], Response::new(204)).unwrap();
    assert_eq!(outputs(&mut hub), [format!("respond {b:?} 204")]);
}

#[test]
fn a_closed_connection_hears_nothing_and_its_slot_is_free_when_the_host_says_so() {
    let (mut hub, mut app) = (hub(), Vec::new());
    let (a, _) = open(&mut hub, &mut app, "/socket?vsn=2.0.0");
    hub.handle_text(NOW, &mut app, a, r#"["1","1","room:a","phx_join",{}]"#);
    outputs(&mut hub);
    hub.close(NOW, &mut app, a, CloseReason::ByUs(1001)).unwrap();
    assert_eq!(hub.close(NOW, &mut app, a, CloseReason::ByUs(1001)), Err(CommandError::UnknownConn));
    hub.broadcast("room:a", "all", chanson_core::Json::EMPTY).unwrap();
    hub.handle_text(NOW, &mut app, a, r#"["1","1","room:a","phx_join",{}]"#);
    assert_eq!(outputs(&mut hub), [format!("close {a:?} 1001 ")]);
    assert_eq!(hub.stats().connections, 1);
    hub.handle_close(NOW, &mut app, a, CloseReason::TransportEof);
    assert_eq!(hub.stats().connections, 0);
    let (b, _) = open(&mut hub, &mut app, "/socket");
    assert_eq!((b.index(), a == b), (a.index(), false));
}

#[test]
fn a_closed_connection_has_no_id_any_more() {
    let mount = Mount::channels("/socket").on_connect(|connect| {
        connect.set_id("ann");
        Ok(())
    });
    let mut hub: Hub = Hub::builder().seed([7; 32]).mount(mount).build().unwrap();
    let conn = hub.handle_connect(NOW, None).unwrap();
    hub.handle_open(NOW, &mut (), conn, &Request::new("GET", "/socket", &[], b""));
    hub.handle_end(NOW, &mut (), conn, CloseReason::ByPeer(1000));
    assert_eq!(hub.disconnect(NOW, &mut (), "ann"), 0);
}

#[test]
fn a_host_that_stops_draining_half_way_loses_nothing() {
    let (mut hub, mut app) = (hub(), Vec::new());
    let (a, _) = open(&mut hub, &mut app, "/socket?vsn=2.0.0");
    hub.handle_text(NOW, &mut app, a, r#"["1","1","room:a","phx_join",{}]"#);
    for n in 0..5 {
        hub.broadcast("room:a", "n", serde_json::json!(n)).unwrap();
        assert!(hub.poll_output().is_some());
    }
    hub.broadcast("room:a", "n", serde_json::json!(5)).unwrap();
    let rest: Vec<_> = outputs(&mut hub);
    assert_eq!(rest, [4, 5].map(|n| format!(r#"[{a:?}] [null,null,"room:a","n",{n}]"#)));
}

#[test]
fn without_a_handler_for_requests_they_are_404() {
    let mut hub: Hub = Hub::builder().seed([7; 32]).mount(Mount::channels("/socket")).build().unwrap();
    let conn = hub.handle_connect(NOW, None).unwrap();
    let request = Request::new("GET", "/x", &[], b"");
    assert!(!hub.serves(&request) && hub.serves(&Request::new("GET", "/socket", &[], b"")));
    assert_eq!(hub.handle_request(NOW, &mut (), conn, &request).map(|response| response.status()), Some(404));
}

/// Leaving handlers speak up in the other topics that the connection was in.
#[test]
fn nothing_is_delivered_to_a_connection_that_has_ended_by_what_its_own_leave_handlers_say() {
    let channel = Channel::<()>::new("room:*").leave(|socket, _| {
        for topic in ["room:a", "room:b", "room:c"] {
            socket.on(topic).broadcast("left", chanson_core::Json::EMPTY)?;
        }
        assert!(!["room:a", "room:b", "room:c"].iter().any(|topic| socket.is_joined(topic)));
        Ok::<_, CommandError>(())
    });
    let hub = Hub::builder().seed([7; 32]).mount(Mount::channels("/socket").channel(channel));
    let mut hub = hub.build().unwrap();
    let (a, b) = (hub.handle_connect(NOW, None).unwrap(), hub.handle_connect(NOW, None).unwrap());
    for conn in [a, b] {
        hub.handle_open(NOW, &mut (), conn, &Request::new("GET", "/socket?vsn=2.0.0", &[], b""));
        for topic in ["room:a", "room:b", "room:c"] {
            hub.handle_text(NOW, &mut (), conn, &format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
        }
    }
    outputs(&mut hub);
    hub.close(NOW, &mut (), a, CloseReason::ByUs(1001)).unwrap();
    let said = outputs(&mut hub);
    assert_eq!(said.len(), 1 + 9);
    assert_eq!(said[0], format!("close {a:?} 1001 "));
    assert!(said[1..].iter().all(|line| line.starts_with(&format!("[{b:?}] "))), "{said:#?}");
    hub.handle_close(NOW, &mut (), b, CloseReason::TransportEof);
    assert_eq!(outputs(&mut hub), [""; 0], "a transport that has gone takes nothing");
    assert_eq!((hub.stats().joins, hub.stats().topics, hub.stats().crashes), (0, 0, 0));
}

#[test]
fn one_request_of_a_connection_waits_at_a_time_and_none_of_one_that_is_closed() {
    let mut hub = hub();
    let (mut app, request) = (Vec::new(), Request::new("GET", "/", &[], b""));
    let status = |answer: Option<Response>| answer.map(|response| response.status());
    let conn = hub.handle_connect(NOW, None).unwrap();
    assert_eq!(status(hub.handle_request(NOW, &mut app, conn, &request)), None, "it waits");
    assert_eq!(status(hub.handle_request(NOW, &mut app, conn, &request)), Some(503));
    let upgrade = Request::new("GET", "/socket/websocket?vsn=2.0.0&later", &[], b"");
    assert!(matches!(hub.handle_open(NOW, &mut app, conn, &upgrade), Admission::Refused(_)));
    assert_eq!((app.len(), hub.stats().tickets), (1, 1));
    hub.answer_request(NOW, app[0], Response::new(200)).unwrap();
    assert_eq!(status(hub.handle_request(NOW, &mut app, conn, &request)), None, "the next");

    hub.close(NOW, &mut app, conn, CloseReason::ByUs(1001)).unwrap();
    assert_eq!(hub.stats().tickets, 0);
    assert_eq!(status(hub.handle_request(NOW, &mut app, conn, &request)), Some(503), "it has only its transport left");
    hub.handle_close(NOW, &mut app, conn, CloseReason::TransportEof);
    assert_eq!(status(hub.handle_request(NOW, &mut app, conn, &request)), Some(503), "nor that");
    assert_eq!((app.len(), hub.stats().tickets), (2, 0));
}
