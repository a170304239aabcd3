use std::time::Duration;

use super::*;
use chanson_core::error::{AnswerError, CommandError};
use chanson_core::{Accept, Capacity, ConnId, Refuse, Reply};
use serde_json::json;

/// A room whose joins, and events `later`, are put off.
fn channel() -> Channel<App> {
    room()
        .join(|socket, join| {
            if matches!(join.payload.parse(), Ok("now")) {
                return Ok(Reply::empty());
            }
            socket.push("welcome", json!({}))?;
            let ticket = socket.defer()?;
            let again = socket.defer().map(drop);
            assert_eq!(again, Err(CommandError::AlreadyAnswered));
            socket.push("behind", json!({}))?;
            socket.app().tickets.push(ticket);
            Ok(Reply::Later)
        })
        .on("later", |socket, _| {
            let ticket = socket.defer()?;
            assert_eq!(socket.reply(json!({})), Err(CommandError::AlreadyAnswered));
            socket.app().tickets.push(ticket);
            Ok::<_, CommandError>(())
        })
        .on("stop", |socket, _| socket.stop())
        .on("fail", |_, _| Err::<(), _>("fails"))
}

fn answer(world: &mut World<App>, ticket: Ticket, answer: Result<Reply, Refuse>) -> Result<(), AnswerError> {
    let now = world.now();
    world.act(|hub, app| hub.answer(now, app, ticket, answer))
}

/// One that has joined, and has an unanswered event with ref 2.
fn waiting(world: &mut World<App>) -> (Client, Ticket) {
    let a = world.connect(V2);
    world.send(a, r#"["1","1","room:a","phx_join","now"]"#);
    assert_eq!(world.recv(a), [joined("room:a")]);
    assert!(say(world, a, "later", "{}").is_empty());
    (a, *world.app().tickets.last().unwrap())
}

/// One whose join of room:a waits for its answer.
fn pending(world: &mut World<App>) -> (Client, Ticket) {
    let a = world.connect(V2);
    assert!(ask_join(world, a, "room:a").is_empty());
    (a, *world.app().tickets.last().unwrap())
}

const TIMEOUT: &str = r#"{"reason":"timeout"}"#;

// --- events ---

#[test]
fn an_event_is_answered_later() {
    let mut world = world(channel());
    let (a, ticket) = waiting(&mut world);
    assert_eq!(say(&mut world, a, "ping", "1"), [replied("ok", "1")], "nothing else waits for it");
    assert_eq!(answer(&mut world, ticket, Ok(Reply::json(&json!({ "n": 1 })))), Ok(()));
    assert_eq!(world.recv(a), [replied("ok", r#"{"n":1}"#)]);
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Err(AnswerError::Expired));
    assert_eq!(world.stats().hub.tickets, 0);
}

#[test]
fn an_event_is_refused_later() {
    let mut world = world(channel());
    let (a, ticket) = waiting(&mut world);
    assert_eq!(answer(&mut world, ticket, Err(Refuse::reason("no"))), Ok(()));
    assert_eq!(world.recv(a), [replied("error", r#"{"reason":"no"}"#)]);
    assert_eq!(world.stats().hub.joins, 1);
}

#[test]
fn an_event_that_nobody_answers_expires() {
    let mut world = world(channel());
    let (a, ticket) = waiting(&mut world);
    world.run_for(Duration::from_millis(29_999));
    assert!(world.recv(a).is_empty());
    world.run_for(Duration::from_millis(1));
    assert_eq!(world.recv(a), [replied("error", TIMEOUT)]);
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Err(AnswerError::Expired));
    assert_eq!((world.stats().hub.expired_tickets, world.stats().hub.tickets), (1, 0));
}

#[test]
fn the_time_limit_is_the_mounts() {
    let mount = Mount::channels("/socket").channel(channel()).ticket_limit(Duration::from_secs(3));
    let mut world = mounted(mount);
    let (a, _) = waiting(&mut world);
    world.run_for(Duration::from_secs(3));
    assert_eq!(world.recv(a), [replied("error", TIMEOUT)]);
}

#[test]
fn the_ticket_of_an_event_dies_with_its_join() {
    type End = fn(&mut World<App>, Client);
    let ends: [End; 6] = [
        |world, a| drop(say(world, a, "phx_leave", "{}")),
        |world, a| drop(say(world, a, "stop", "{}")),
        |world, a| drop(say(world, a, "fail", "{}")),
        |world, a| world.send(a, r#"["2","3","room:a","phx_join","now"]"#),
        |world, a| world.cut(a),
        |world, a| world.close(a, 1000),
    ];
    for (n, end) in ends.into_iter().enumerate() {
        let mut world = world(channel());
        let (a, ticket) = waiting(&mut world);
        end(&mut world, a);
        assert_eq!(world.stats().hub.tickets, 0, "end {n}");
        world.recv(a);
        assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Err(AnswerError::Expired), "end {n}");
        assert!(world.recv(a).is_empty(), "end {n}");
    }
}

#[test]
fn a_dead_ticket_never_answers_another_event() {
    let mut world = world(channel());
    let (a, old) = waiting(&mut world);
    answer(&mut world, old, Ok(Reply::empty())).unwrap();
    world.recv(a);
    say(&mut world, a, "later", "{}");
    assert_eq!(answer(&mut world, old, Ok(Reply::empty())), Err(AnswerError::Expired));
    assert_eq!(answer(&mut world, Ticket::from_bits(0), Ok(Reply::empty())), Err(AnswerError::Expired));
    assert!(world.recv(a).is_empty());
    let new = world.app().tickets[1];
    assert_eq!(answer(&mut world, Ticket::from_bits(new.to_bits()), Ok(Reply::empty())), Ok(()));
    assert_eq!(world.recv(a), [OK]);
}

#[test]
fn answers_come_in_the_order_in_which_they_are_given() {
    let mut world = world(channel());
    let (a, first) = waiting(&mut world);
    world.send(a, r#"["1","3","room:a","later",{}]"#);
    let second = world.app().tickets[1];
    answer(&mut world, second, Ok(Reply::empty())).unwrap();
    answer(&mut world, first, Ok(Reply::empty())).unwrap();
    assert_eq!(world.recv(a), [OK.replace(r#""2""#, r#""3""#), OK.into()]);
}

#[test]
fn an_answer_that_cannot_be_sent_leaves_the_ticket_alive() {
    let mut world = world(channel());
    let a = world.connect(V1);
    world.send(a, r#"{"topic":"room:a","event":"phx_join","payload":"now","ref":"1"}"#);
    world.send(a, r#"{"topic":"room:a","event":"later","payload":{},"ref":"2"}"#);
    world.recv(a);
    let ticket = world.app().tickets[0];
    let binary = answer(&mut world, ticket, Ok(Reply::binary([1])));
    assert_eq!(binary, Err(AnswerError::Refused(CommandError::BinaryUnsupported)));
    assert_eq!(answer(&mut world, ticket, Ok(Reply::Later)), Err(AnswerError::Refused(CommandError::NotAllowed)));
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Ok(()));
    assert_eq!(world.recv(a).len(), 1);
}

#[test]
fn a_ticket_answers_its_own_kind_only() {
    let mut world = world(channel());
    let (_, ticket) = waiting(&mut world);
    let now = world.now();
    let connect = world.act(|hub, app| hub.answer_connect(now, app, ticket, Ok(Accept::new())));
    let request = world.act(|hub, _| hub.answer_request(now, ticket, chanson_core::http::Response::new(200)));
    assert_eq!((connect, request), (Err(AnswerError::WrongKind), Err(AnswerError::WrongKind)));
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Ok(()));
}

#[test]
fn a_ticket_that_the_handler_took_and_did_not_need_is_dead() {
    let mut world = world(room().join(|socket, _| {
        let ticket = socket.defer()?;
        socket.app().tickets.push(ticket);
        Ok(Reply::empty())
    }));
    let a = member(&mut world);
    let ticket = world.app().tickets[0];
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Err(AnswerError::Expired));
    assert!(world.recv(a).is_empty());
}

// --- joins ---

#[test]
fn what_a_deferred_join_said_comes_behind_its_reply() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    assert_eq!((world.hub().subscriber_count("room:a"), world.stats().hub.joins), (0, 1));
    assert!(!world.hub().is_joined(world.conn(a).unwrap(), "room:a"));
    assert_eq!(answer(&mut world, ticket, Ok(Reply::json("yes"))), Ok(()));
    let reply = r#"["1","1","room:a","phx_reply",{"status":"ok","response":"yes"}]"#.to_owned();
    assert_eq!(world.recv(a), [reply, pushed("welcome", "{}"), pushed("behind", "{}")]);
    assert_eq!(world.hub().subscriber_count("room:a"), 1);
}

#[test]
fn a_join_that_is_pending_gets_no_broadcasts() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    world.act(|hub, _| hub.broadcast("room:a", "early", json!({}))).unwrap();
    assert!(world.recv(a).is_empty());
    answer(&mut world, ticket, Ok(Reply::empty())).unwrap();
    assert_eq!(world.recv(a).len(), 3);
}

#[test]
fn a_deferred_join_is_refused_with_nothing_of_what_it_said() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    world.send(a, r#"["1","2","room:a","ping",{}]"#);
    assert_eq!(answer(&mut world, ticket, Err(Refuse::default())), Ok(()));
    let unmatched = r#"[null,"2","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    assert_eq!(world.recv(a), [&*refused("room:a", "join rejected"), unmatched]);
    assert_eq!((world.stats().hub.joins, world.stats().hub.tickets, world.stats().hub.refused_joins), (0, 0, 1));
    assert!(world.app().log.is_empty());
}

#[test]
fn a_deferred_join_expires() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.recv(a), [refused("room:a", "timeout")]);
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Err(AnswerError::Expired));
    assert_eq!((world.stats().hub.joins, world.stats().hub.tickets), (0, 0));
}

#[test]
fn events_wait_for_their_join_in_order() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    for n in 2..=18 {
        world.send(a, &format!(r#"["1","{n}","room:a","ping",{n}]"#));
    }
    let pending = r#"["1","18","room:a","phx_reply",{"status":"error","response":{"reason":"join pending"}}]"#;
    assert_eq!(world.recv(a), [pending], "sixteen wait");
    answer(&mut world, ticket, Ok(Reply::empty())).unwrap();
    let expected: Vec<_> = [joined("room:a"), pushed("welcome", "{}"), pushed("behind", "{}")]
        .into_iter()
        .chain((2..=17).map(|n| format!(r#"["1","{n}","room:a","phx_reply",{{"status":"ok","response":{n}}}]"#)))
        .collect();
    assert_eq!(world.recv(a), expected);
}

#[test]
fn a_binary_event_waits_too() {
    let mut world = world(channel().on("bin", |socket, msg| socket.reply(json!(msg.payload.len()))));
    let (a, ticket) = pending(&mut world);
    world.send_binary(a, b"\x00\x01\x01\x06\x0312room:abin\xff\xfe");
    answer(&mut world, ticket, Ok(Reply::empty())).unwrap();
    assert_eq!(world.recv(a).last(), Some(&replied("ok", "2")));
}

#[test]
fn an_event_that_waited_may_end_the_join() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    world.send_all(a, [r#"["1","2","room:a","stop",{}]"#, r#"["1","3","room:a","ping",{}]"#]);
    answer(&mut world, ticket, Ok(Reply::empty())).unwrap();
    let unmatched = r#"[null,"3","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    let closed = r#"["1","1","room:a","phx_close",{}]"#;
    assert_eq!(world.recv(a)[3..], [closed, unmatched]);
}

#[test]
fn one_can_leave_while_the_join_is_pending() {
    let mut world = world(channel());
    let (a, ticket) = pending(&mut world);
    let got = say(&mut world, a, "phx_leave", "{}");
    assert_eq!(got, [OK, r#"["1","1","room:a","phx_close",{}]"#]);
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Err(AnswerError::Expired));
    assert!(world.recv(a).is_empty());
    assert_eq!((world.stats().hub.joins, world.stats().hub.tickets), (0, 0));
    assert!(world.app().log.is_empty(), "it never joined");
}

#[test]
fn events_that_waited_for_a_join_that_is_left_or_replaced_are_unmatched() {
    let unmatched = r#"[null,"9","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    let mut world = world(channel());
    let (a, _) = pending(&mut world);
    world.send(a, r#"["1","9","room:a","ping",{}]"#);
    assert_eq!(say(&mut world, a, "phx_leave", "{}").last().map(String::as_str), Some(unmatched));
    let (b, _) = pending(&mut world);
    world.send(b, r#"["1","9","room:a","ping",{}]"#);
    world.send(b, r#"["2","2","room:a","phx_join","now"]"#);
    let expected = [
        unmatched,
        r#"["2","2","room:a","phx_reply",{"status":"ok","response":{}}]"#,
        r#"["1","1","room:a","phx_close",{}]"#,
    ];
    assert_eq!(world.recv(b), expected);
}

#[test]
fn a_second_join_kills_the_ticket_of_a_pending_one() {
    let mut world = world(channel());
    let (a, old) = pending(&mut world);
    world.send(a, r#"["2","2","room:a","phx_join",{}]"#);
    let new = world.app().tickets[1];
    assert_eq!(answer(&mut world, old, Ok(Reply::json("old"))), Err(AnswerError::Expired));
    assert_eq!(answer(&mut world, new, Ok(Reply::json("new"))), Ok(()));
    let got = world.recv(a);
    assert_eq!(got[0], r#"["1","1","room:a","phx_close",{}]"#);
    assert_eq!(got[1], r#"["2","2","room:a","phx_reply",{"status":"ok","response":"new"}]"#);
}

#[test]
fn the_ticket_of_a_join_dies_with_the_connection_and_never_answers_the_next() {
    let mut world = world(channel());
    let (a, old) = pending(&mut world);
    world.cut(a);
    assert_eq!(world.stats().hub.tickets, 0);
    let (b, new) = pending(&mut world);
    assert_eq!(answer(&mut world, old, Ok(Reply::json("old"))), Err(AnswerError::Expired));
    assert!(world.recv(b).is_empty());
    assert_eq!(answer(&mut world, new, Ok(Reply::empty())), Ok(()));
}

#[test]
fn a_deferred_join_that_was_told_to_stop_stops_when_it_is_answered() {
    let mut world = world(room().join(|socket, _| {
        socket.stop();
        let ticket = socket.defer()?;
        socket.app().tickets.push(ticket);
        Ok(Reply::Later)
    }));
    let (a, ticket) = pending(&mut world);
    answer(&mut world, ticket, Ok(Reply::empty())).unwrap();
    assert_eq!(world.recv(a), [&*joined("room:a"), r#"["1","1","room:a","phx_close",{}]"#]);
}

// --- connects ---

fn deferring() -> World<App> {
    mounted(
        Mount::channels("/socket")
            .channel(room().on("who", |socket, _| {
                let who = json!([socket.id(), socket.assign("user"), socket.assign("role")]);
                socket.reply(who)
            }))
            .on_connect(|connect| {
                connect.set_assign("user", "early")?;
                connect.set_assign("role", "guest")?;
                let ticket = connect.defer()?;
                assert_eq!(connect.defer(), Err(CommandError::AlreadyAnswered));
                connect.app().tickets.push(ticket);
                Ok(())
            }),
    )
}

fn decide(world: &mut World<App>, decision: Result<Accept, Refuse>) -> Result<(), AnswerError> {
    let (now, ticket) = (world.now(), *world.app().tickets.last().unwrap());
    world.act(|hub, app| hub.answer_connect(now, app, ticket, decision))
}

#[test]
fn a_connect_is_accepted_later() {
    let mut world = deferring();
    let a = world.dial(V2, &[]);
    assert!(!world.is_open(a) && world.refusal(a).is_none());
    decide(&mut world, Ok(Accept::new().id("ann").assign("user", "ann"))).unwrap();
    assert!(world.is_open(a));
    join(&mut world, a, "room:a");
    assert_eq!(say(&mut world, a, "who", "{}"), [replied("ok", r#"["ann","ann","guest"]"#)]);
    assert_eq!(decide(&mut world, Ok(Accept::new())), Err(AnswerError::Expired));
    let now = world.now();
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "ann")), 1);
}

#[test]
fn a_connect_is_refused_later() {
    let mut world = deferring();
    let a = world.dial(V2, &[]);
    decide(&mut world, Err(Refuse::default())).unwrap();
    assert_eq!(world.refusal(a).map(|response| response.status), Some(403));
    assert_eq!((world.stats().hub.refused, world.stats().hub.opened), (1, 0));
}

#[test]
fn a_connect_that_nobody_decides_is_503() {
    let mut world = deferring();
    let a = world.dial(V2, &[]);
    world.run_for(Duration::from_secs(30));
    assert_eq!(world.refusal(a).map(|response| response.status), Some(503));
    assert_eq!(decide(&mut world, Ok(Accept::new())), Err(AnswerError::Expired));
}

#[test]
fn the_ticket_of_a_connect_dies_with_the_transport() {
    let mut world = deferring();
    let a = world.dial(V2, &[]);
    world.cut(a);
    assert_eq!(decide(&mut world, Ok(Accept::new())), Err(AnswerError::Expired));
    assert_eq!((world.stats().hub.tickets, world.stats().hub.connections), (0, 0));
}

#[test]
fn a_connect_that_is_pending_when_the_server_shuts_down_is_refused() {
    let mut world = deferring();
    let a = world.dial(V2, &[]);
    let now = world.now();
    world.act(|hub, app| hub.shutdown(now, app));
    world.run_for(Duration::from_secs(2));
    assert_eq!(world.refusal(a).map(|response| response.status), Some(503));
    assert_eq!((world.stats().hub.tickets, world.stats().hub.connections), (0, 0));
}

#[test]
fn a_join_does_not_fail_because_somebody_else_has_left_meanwhile() {
    let channel = room().join(|socket, join| {
        let Ok("later") = join.payload.parse() else {
            return Ok(Reply::empty());
        };
        let other = socket.app().log.pop().and_then(|bits| bits.parse().ok()).map(ConnId::from_bits);
        socket.push_to(other.unwrap(), "hello", json!({}))?;
        socket.on("room:b").push("hello", json!({}))?;
        let ticket = socket.defer()?;
        socket.app().tickets.push(ticket);
        Ok(Reply::Later)
    });
    let mut world = world(channel);
    let (a, b) = (world.connect(V2), world.connect(V2));
    join(&mut world, a, "room:a");
    join(&mut world, b, "room:b");
    let bits = world.conn(a).unwrap().to_bits();
    world.app_mut().log(bits);
    world.send(b, r#"["1","1","room:a","phx_join","later"]"#);
    world.send(a, r#"["1","2","room:a","phx_leave",{}]"#);
    world.send(b, r#"["1","2","room:b","phx_leave",{}]"#);
    world.recv(b);
    let ticket = world.app().tickets[0];
    assert_eq!(answer(&mut world, ticket, Ok(Reply::empty())), Ok(()));
    assert_eq!(world.recv(b), [joined("room:a")]);
    assert_eq!((world.stats().hub.crashes, world.stats().hub.joins), (0, 1));
}

#[test]
fn assigns_of_a_later_decision_are_bounded_too_and_none_is_dropped_in_silence() {
    let mount = Mount::channels("/socket").channel(room()).on_connect(|connect| {
        connect.set_assign("a", "1")?;
        let ticket = connect.defer()?;
        connect.app().tickets.push(ticket);
        Ok(())
    });
    let mut world = build(builder().mount(mount).capacity(Capacity::default().with_assigns_per_connection(2)));
    let a = world.dial(V2, &[]);
    let (now, ticket) = (world.now(), world.app().tickets[0]);
    let accept = Accept::new().assign("b", "2").assign("a", "3");
    let mut decide = |accept| world.act(|hub, app| hub.answer_connect(now, app, ticket, Ok(accept)));
    assert_eq!(decide(accept.clone().assign("c", "4")), Err(AnswerError::Refused(CommandError::Full)));
    assert_eq!(decide(accept.assign("b", "4")), Ok(()), "the same name again takes no room");
    assert!(world.is_open(a));
}

/// One client that has much answered later leaves room for the others.
#[test]
fn tickets_of_one_connection_are_bounded_and_come_back() {
    let capacity = Capacity::default().with_tickets_per_connection(2);
    let room = Channel::<Vec<Ticket>>::new("room:*").on("later", |socket, _| {
        let ticket = socket.defer()?;
        socket.app().push(ticket);
        Ok::<_, CommandError>(())
    });
    let hub = Hub::builder().seed([7; 32]).capacity(capacity).mount(Mount::channels("/socket").channel(room));
    let mut world = World::with_app(hub.build().unwrap(), Vec::new());
    let (greedy, other) = (world.connect("/socket?vsn=2.0.0"), world.connect("/socket?vsn=2.0.0"));
    for client in [greedy, other] {
        world.send(client, r#"["1","1","room:a","phx_join",{}]"#);
        world.send(client, r#"["1","2","room:a","later",{}]"#);
        world.recv(client);
    }
    world.send(greedy, r#"["1","3","room:a","later",{}]"#);
    let (now, ticket) = (world.now(), world.app()[0]);
    world.act(|hub, app| hub.answer(now, app, ticket, Ok(Reply::empty()))).unwrap();
    world.send(greedy, r#"["1","4","room:a","later",{}]"#);
    assert_eq!(world.recv(greedy).len(), 1, "answered once, deferred since");
    world.send(greedy, r#"["1","5","room:a","later",{}]"#);
    assert_eq!(world.recv(greedy), [r#"["1","1","room:a","phx_error",{"reason":"channel_crash"}]"#]);
    assert_eq!(world.stats().hub.tickets, 1, "those of the crashed join are gone, the other's is there");
}

/// What waits for joins is bounded in bytes, over all topics of a connection.
#[test]
fn bytes_that_wait_for_joins_are_bounded() {
    let capacity = Capacity::default().with_queued_bytes_per_connection(1000);
    let room = Channel::<Vec<Ticket>>::new("room:*")
        .join(|socket, _| {
            let ticket = socket.defer()?;
            socket.app().push(ticket);
            Ok(Reply::Later)
        })
        .on("ping", |socket, msg| socket.reply(msg.payload));
    let hub = Hub::builder().seed([7; 32]).capacity(capacity).mount(Mount::channels("/socket").channel(room));
    let mut world = World::with_app(hub.build().unwrap(), Vec::new());
    let client = world.connect("/socket?vsn=2.0.0");
    let ping = |topic: &str, bytes: usize| format!(r#"["1","2","room:{topic}","ping","{}"]"#, "x".repeat(bytes));
    for topic in ["a", "b"] {
        world.send(client, &format!(r#"["1","1","room:{topic}","phx_join",{{}}]"#));
    }
    world.send(client, &ping("a", 2000));
    assert_eq!(world.recv(client), [""; 0], "the first may be of any size");
    world.send(client, &ping("b", 10));
    assert!(world.recv(client)[0].contains("join pending"), "there is no room for a second");
    let (now, ticket) = (world.now(), world.app()[0]);
    world.act(|hub, app| hub.answer(now, app, ticket, Ok(Reply::empty()))).unwrap();
    assert_eq!(world.recv(client).len(), 2, "the join's reply and the ping's");
    world.send(client, &ping("b", 10));
    assert_eq!(world.recv(client), [""; 0], "there is room again");
}
