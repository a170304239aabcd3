//! A Sidekick that refuses, hangs up, is late or is not there.

use std::time::Duration;

use chanson_core::covenant::connection::{CallError, EmptyServerToSidekick};
use chanson_core::covenant::server::{CallId, Output, SendError, Server, SidekickError, To};

use crate::common::*;

#[test]
fn a_client_that_the_sidekick_does_not_know_is_not_let_in() {
    for (status, text) in [
        (Some(401), "Error posting connection from sidekick: 401 - Unauthorized"),
        (Some(302), "Error posting connection from sidekick: 302 - Found"),
        (None, "Error posting connection to sidekick: the connection ended before the answer had come"),
    ] {
        let mut world = world();
        let id = world.post("connect", &connect(r#"{ "do": "ann" }"#));
        let (call, ..) = world.call();
        match status {
            Some(status) => world.answer(call, status),
            None => world.fail(call, CallError::HungUp),
        }
        let (status, body) = world.response(id);
        assert!(status == 400 && body.contains(&format!(r#""message": "{text}", "fault": "server""#)), "{body}");
        assert_eq!(world.incidents(), [format!("channel chat: {text}")]);
        world.at_rest();
    }
}

#[test]
fn what_waits_on_a_message_fails_with_it() {
    let mut world = world();
    let id = world.post("channel", &message(r#"{ "do": "lines", "lines": [{ "text": "a" }, { "text": "b" }] }"#));
    let (call, ..) = world.call();
    world.answer(call, 500);
    let text = "Error posting message from sidekick: 500 - Internal Server Error";
    assert_eq!(world.response(id), (400, format!(r#"{{ "fault": "server", "message": "{text}" }}"#)));
    world.at_rest();

    let id = world.post("procedure", &procedure("change", "x", &["a"]));
    let (call, ..) = world.call();
    world.fail(call, CallError::Unreachable);
    let (status, body) = world.response(id);
    assert!(status == 500 && body.contains("Error posting message to sidekick: cannot be reached"), "{body}");
    world.at_rest();

    let id = world.post("connect", &connect(r#"{ "do": "send" }"#));
    let (call, to, _) = world.call();
    assert_eq!(to, To::Message, "what on_connect sends goes first");
    world.answer(call, 200);
    let (call, to, _) = world.call();
    assert_eq!(to, To::Connection);
    world.answer(call, 200);
    assert_eq!(world.response(id).0, 200);
}

#[test]
fn nobody_waits_for_the_news_of_a_mutation() {
    let mut world = world();
    let id = world.post("procedure", &procedure("change", "x", &[]));
    assert_eq!(world.response(id).0, 201);
    let (call, ..) = world.call();
    world.fail(call, CallError::Unreachable);
    assert_eq!(world.incidents(), ["procedure change: Error posting resources to sidekick: cannot be reached"]);
    world.at_rest();
}

#[test]
fn a_late_answer_is_none() {
    let mut world = world();
    let id = world.post("connect", &connect(r#"{ "do": "ann" }"#));
    let (call, ..) = world.call();
    assert_eq!(world.server.poll_timeout(), Some(world.now + Duration::from_secs(10)));
    world.pass(Duration::from_millis(9_999));
    world.quiet();
    world.pass(Duration::from_millis(1));
    let (status, body) = world.response(id);
    assert!(status == 400 && body.contains("Error posting connection to sidekick: no answer in time"), "{body}");
    world.at_rest();
    world.answer(call, 200);
    world.at_rest();
    world.answer(CallId::from_bits(u64::MAX), 200);
    world.at_rest();
}

#[test]
fn time_limits_are_each_calls_own() {
    let mut world = world();
    let first = world.post("connect", &connect(r#"{ "do": "ann" }"#));
    world.call();
    world.pass(Duration::from_secs(6));
    let second = world.post("channel", &message(r#"{ "do": "lines", "lines": [{ "text": "a" }, { "text": "b" }] }"#));
    let (a, ..) = world.call();
    world.pass(Duration::from_secs(4));
    assert_eq!(world.response(first).0, 400);
    world.answer(a, 200);
    let (b, ..) = world.call();
    world.pass(Duration::from_secs(9));
    world.answer(b, 200);
    assert_eq!(world.response(second).0, 204, "the second message had 10 s of its own");
    world.at_rest();
}

#[test]
fn time_that_goes_backwards_stands_still() {
    let mut world = world();
    world.pass(Duration::from_secs(100));
    let late = world.now;
    world.now = chanson_core::time::Instant::ORIGIN;
    world.post("connect", &connect(r#"{ "do": "ann" }"#));
    assert_eq!(world.server.poll_timeout(), Some(late + Duration::from_secs(10)));
}

#[test]
fn a_server_without_a_sidekick_needs_none() {
    let (builder, log) = builder();
    let mut server: Server<u32> = builder.build(EmptyServerToSidekick).unwrap();
    define(&mut server);
    let mut world = World::new(server, log);
    assert_eq!(world.ask("connect", &connect(r#"{ "do": "ann" }"#)).0, 200);
    assert_eq!(world.ask("procedure", &procedure("change", "x", &["a"])).0, 201);
    assert_eq!(world.ask("channel", &message(r#"{ "do": "context" }"#)).0, 204);
    world.at_rest();
}

#[test]
fn messages_of_the_applications_own() {
    let mut world = world();
    let id = world.server.send_message::<Chat>(world.now, &room("r"), &"hi".into()).unwrap();
    let (call, to, body) = world.call();
    assert_eq!((to, body), (To::Message, format!(r#"{{ "channel": "chat", "params": {PARAMS}, "data": "hi" }}"#)));
    let other = world.server.send_message::<Lobby>(world.now, &(), &f64::INFINITY).unwrap();
    let (second, _, body) = world.call();
    assert_eq!(body, r#"{ "channel": "lobby", "params": {}, "data": Infinity }"#);
    world.answer(second, 503);
    let result = Err(SidekickError::Refused(To::Message, 503));
    assert_eq!(world.next(), Output::Sent { id: other, result });
    world.answer(call, 200);
    assert_eq!(world.next(), Output::Sent { id, result: Ok(()) });
    world.at_rest();
    let long = room(&"x".repeat(5000));
    let refused = world.server.send_message::<Chat>(world.now, &long, &"hi".into());
    assert!(matches!(refused, Err(SendError::Params(_))));
    world.at_rest();
}
