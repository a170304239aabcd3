use std::time::Duration;

use super::*;
use chanson_core::error::{AnswerError, CommandError};
use chanson_core::http::Response;
use chanson_core::memory::{HttpResponse, Transport};

fn hooked() -> World<App> {
    let hub =
        builder().mount(Mount::channels("/socket").channel(room())).on_request(|http, request| match request.path() {
            "/later" => {
                let ticket = http.defer().ok()?;
                assert_eq!(http.defer(), Err(CommandError::AlreadyAnswered));
                http.app().tickets.push(ticket);
                None
            }
            "/slow" => {
                let delay = Duration::from_secs(60);
                http.answer_after(delay, Response::text(401, "no")).ok()?;
                assert_eq!(http.answer_after(delay, Response::new(200)), Err(CommandError::AlreadyAnswered));
                assert_eq!(http.defer(), Err(CommandError::AlreadyAnswered));
                None
            }
            "/nothing" => None,
            "/panic" => panic!("request panics"),
            "/close" => Some(Response::text(200, "bye").close()),
            "/facts" => {
                let stats = http.stats();
                let facts = (
                    http.subscriber_count("room:a"),
                    stats.joins,
                    http.peer().is_some(),
                    http.conn().index(),
                    http.now(),
                );
                Some(Response::text(200, &format!("{facts:?}")))
            }
            "/both" => {
                let ticket = http.defer().ok()?;
                http.app().tickets.push(ticket);
                Some(Response::text(200, "at once"))
            }
            path => {
                let text = format!("{} {path} {} {:?}", request.method(), request.body().len(), request.header("x-a"));
                Some(Response::text(200, &text))
            }
        });
    build(hub)
}

fn ask(world: &mut World<App>, transport: Transport, path: &str) {
    world.write(transport, format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
}

fn read_all(world: &mut World<App>, transport: Transport) -> Vec<HttpResponse> {
    let bytes = world.read(transport);
    let mut rest = &bytes[..];
    let mut responses = Vec::new();
    while let Some((response, len)) = HttpResponse::parse(rest) {
        responses.push(response);
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
    responses
}

fn answer(world: &mut World<App>, ticket: Ticket, text: &str) -> Result<(), AnswerError> {
    let now = world.now();
    world.act(|hub, _| hub.answer_request(now, ticket, Response::text(200, text)))
}

#[test]
fn the_hook_sees_the_request() {
    let mut world = hooked();
    let response = world.request("POST", "/x?y", &[("X-A", "1")], b"body").unwrap();
    assert_eq!((response.status, response.text()), (200, r#"POST /x 4 Some("1")"#));
    member(&mut world);
    assert_eq!(world.request("GET", "/facts", &[], b"").unwrap().text(), "(1, 1, true, 2, Instant(0ns))");
}

#[test]
fn without_a_hook_it_is_404() {
    let mut world = world(room());
    assert_eq!(world.request("GET", "/", &[], b"").unwrap().status, 404);
}

#[test]
fn a_hook_that_panics_or_has_no_answer_is_500() {
    let mut world = hooked();
    assert_eq!(world.request("GET", "/panic", &[], b"").unwrap().status, 500);
    assert_eq!(world.request("GET", "/nothing", &[], b"").unwrap().status, 500);
    assert_eq!(world.stats().hub.crashes, 1);
}

#[test]
fn a_connection_is_kept_for_the_next_request() {
    let mut world = hooked();
    let t = world.open_transport();
    for path in ["/1", "/panic", "/2"] {
        ask(&mut world, t, path);
        assert_eq!(read_all(&mut world, t).len(), 1);
        assert!(!world.is_shut(t));
    }
    ask(&mut world, t, "/close");
    assert_eq!(read_all(&mut world, t)[0].header("connection"), Some("close"));
    assert!(world.is_shut(t));
}

#[test]
fn pipelined_requests_are_answered_in_order_though_the_first_is_put_off() {
    let mut world = hooked();
    let t = world.open_transport();
    for path in ["/later", "/2", "/later", "/4"] {
        ask(&mut world, t, path);
    }
    assert!(world.read(t).is_empty());
    let ticket = world.app().tickets[0];
    answer(&mut world, ticket, "1").unwrap();
    let texts: Vec<_> = read_all(&mut world, t).iter().map(|r| r.text().to_owned()).collect();
    assert_eq!(texts, ["1", "GET /2 0 None"]);
    assert_eq!(answer(&mut world, ticket, "1"), Err(AnswerError::Expired));
    let ticket = world.app().tickets[1];
    answer(&mut world, ticket, "3").unwrap();
    assert_eq!(read_all(&mut world, t).len(), 2);
}

#[test]
fn pipelined_requests_with_long_answers_are_all_answered() {
    let page = "x".repeat(10_000);
    let mut world = build(builder().on_request(move |_, _| Response::text(200, &page)));
    let t = world.open_transport();
    world.socket_buffer(1000);
    world.write(t, "GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(100).as_bytes());
    assert_eq!(read_all(&mut world, t).len(), 100);
}

#[test]
fn a_request_that_nobody_answers_is_504() {
    let mut world = hooked();
    let t = world.open_transport();
    ask(&mut world, t, "/later");
    world.run_for(Duration::from_millis(29_999));
    assert!(world.read(t).is_empty());
    world.run_for(Duration::from_millis(1));
    assert_eq!(read_all(&mut world, t)[0].status, 504);
    let ticket = world.app().tickets[0];
    assert_eq!(answer(&mut world, ticket, "late"), Err(AnswerError::Expired));
    ask(&mut world, t, "/next");
    assert_eq!(read_all(&mut world, t)[0].status, 200);
}

#[test]
fn the_ticket_of_a_request_dies_with_the_transport_or_an_answer() {
    let mut world = hooked();
    let t = world.open_transport();
    ask(&mut world, t, "/later");
    world.cut(t);
    ask_other(&mut world);
    for ticket in world.app().tickets.clone() {
        assert_eq!(answer(&mut world, ticket, "late"), Err(AnswerError::Expired));
    }
    assert_eq!(world.stats().hub.tickets, 0);
}

fn ask_other(world: &mut World<App>) {
    assert_eq!(world.request("GET", "/both", &[], b"").unwrap().text(), "at once");
}

#[test]
fn a_request_that_waits_when_the_server_shuts_down_is_503() {
    let mut world = hooked();
    let t = world.open_transport();
    ask(&mut world, t, "/later");
    let now = world.now();
    world.act(|hub, app| hub.shutdown(now, app));
    assert_eq!(read_all(&mut world, t)[0].status, 503);
    assert!(world.is_shut(t));
    assert_eq!((world.stats().hub.tickets, world.stats().hub.connections), (0, 0));
}

#[test]
fn an_upgrade_may_follow_a_request_on_the_same_connection() {
    let mut world = hooked();
    let t = world.open_transport();
    ask(&mut world, t, "/1");
    read_all(&mut world, t);
    world.write(
        t,
        b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    let response = String::from_utf8(world.read(t)).unwrap();
    assert!(response.contains("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"), "{response}");
}

#[test]
fn a_request_speaks_to_rooms_and_ends_connections() {
    let mount = Mount::channels("/socket").channel(room()).on_connect(|connect| {
        connect.set_id("ann");
        Ok(())
    });
    let feed = Mount::raw("/feed").on_open(|raw| raw.subscribe("feed"));
    let hub = builder().mount(mount).mount(feed).on_request(|http, request| {
        let text = std::str::from_utf8(request.body()).unwrap_or_default();
        http.publish("feed", text);
        let count = http.disconnect("ann");
        match http.broadcast("room:a", "news", serde_json::json!({ "text": text })) {
            Ok(()) => Response::text(200, &count.to_string()),
            Err(_) => Response::new(500),
        }
    });
    let mut world = build(hub);
    let (a, feed, transport) = (member(&mut world), world.connect("/feed"), world.open_transport());
    world.write(transport, b"POST /news HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi");
    assert_eq!(world.recv(feed), ["hi"]);
    assert_eq!(world.recv(a), [broadcast("news", r#"{"text":"hi"}"#)]);
    assert_eq!((world.closed(a), world.closed(feed)), (Some(1001), None));
    assert!(world.read(transport).ends_with(b"1"));
}

#[test]
fn an_answer_that_is_known_can_be_held_back() {
    let mut world = hooked();
    let (slow, other) = (world.open_transport(), world.open_transport());
    ask(&mut world, slow, "/slow");
    ask(&mut world, slow, "/x");
    ask(&mut world, other, "/x");
    assert_eq!(read_all(&mut world, other).len(), 1, "nobody else waits for it");
    world.run_for(Duration::from_millis(59_999));
    assert!(read_all(&mut world, slow).is_empty());
    world.run_for(Duration::from_millis(1));
    let answers: Vec<_> = read_all(&mut world, slow).iter().map(|answer| answer.status).collect();
    assert_eq!(answers, [401, 200]);
    assert_eq!((world.stats().hub.tickets, world.stats().hub.expired_tickets), (0, 0));
}

#[test]
fn an_answer_that_is_held_back_goes_with_its_connection() {
    let mut world = hooked();
    let (gone, stopped) = (world.open_transport(), world.open_transport());
    ask(&mut world, gone, "/slow");
    ask(&mut world, stopped, "/slow");
    assert_eq!(world.stats().hub.tickets, 2);
    world.cut(gone);
    assert_eq!(world.stats().hub.tickets, 1);
    let now = world.now();
    world.act(|hub, app| hub.shutdown(now, app));
    assert_eq!(read_all(&mut world, stopped)[0].status, 503);
    assert_eq!(world.stats().hub.tickets, 0);
    assert!(world.quiet_within(10));
}
