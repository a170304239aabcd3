//! Who is let in, and what becomes of what they send.

use chanson_core::covenant::contract::Fault;
use chanson_core::covenant::protocol::{ConnectionPayload, ForwardedMessage, MessageError};
use chanson_core::covenant::server::{Output, RequestId, To};
use chanson_core::http::Request;

use crate::common::*;

fn refused(message: &str, fault: &str) -> (u16, String) {
    let error = format!(r#"{{ "channel": "chat", "params": {PARAMS}, "message": "{message}", "fault": "{fault}" }}"#);
    let result = format!(r#"{{ "type": "ERROR", "error": {error} }}"#);
    (400, format!(r#"{{ "channel": "chat", "params": {PARAMS}, "result": {result} }}"#))
}

#[test]
fn a_client_gets_its_token_when_the_sidekick_has_it() {
    let mut world = world();
    let id = world.post("connect", &connect(r#"{ "do": "ann" }"#));
    let (call, to, body) = world.call();
    world.quiet();
    let payload = ConnectionPayload::decode(&body).unwrap();
    assert_eq!((to, &*payload.channel), (To::Connection, "chat"));
    assert_eq!(payload.context.unwrap().as_str(), r#""ann""#);
    world.answer(call, 200);
    let token = &payload.token;
    let body =
        format!(r#"{{ "channel": "chat", "params": {PARAMS}, "result": {{ "type": "OK", "token": "{token}" }} }}"#);
    assert_eq!(world.response(id), (200, body));
    world.at_rest();
    assert_eq!(world.app, 1, "the application's state is at hand");
    world.post("connect", &connect(r#"{ "do": "ann" }"#));
    let (_, _, other) = world.call();
    assert_ne!(ConnectionPayload::decode(&other).unwrap().token, *token);
}

#[test]
fn refusals_keep_their_reason_and_cause() {
    let mut world = world();
    assert_eq!(world.ask("connect", &connect(r#"{ "do": "reject" }"#)), refused("not you", "client"));
    assert_eq!(world.ask("connect", &connect(r#"{ "do": "reject-server" }"#)), refused("not now", "server"));
    assert_eq!(world.ask("connect", &connect(r#"{ "do": "reject-sidekick" }"#)), refused("odd", "sidekick"));
    assert!(world.incidents().is_empty(), "a refusal is none");
    world.at_rest();
}

#[test]
fn what_does_not_fit_names_the_field() {
    let mut world = world();
    let data = |path: &str| refused(&format!("Invalid connection request data: {path}"), "client").1;
    for (body, begins) in [
        (connect("{}"), data("do: missing field")),
        (connect(r#"{ "do": 1 }"#), data("do: ")),
        (connect(r#"{ "do": "x", "lines": [{ "text": "" }, {}] }"#), data("lines,1,text: missing field")),
        (connect(r#"{ "do": "x", "lines": [{ "text": null }] }"#), data("lines,0,text: ")),
        (connect("null"), data(": ")),
        (connect(r#"map { "do": "x" }"#), data(": ")),
        (format!(r#"{{ "channel": "chat", "params": {PARAMS} }}"#), data(": ")),
    ] {
        let begins = begins.split(r#"", "fault""#).next().unwrap();
        let (status, answer) = world.ask("connect", &body);
        assert!(status == 400 && answer.starts_with(begins), "{body}: {answer}");
        assert!(answer.ends_with(r#", "fault": "client" } } }"#), "{answer}");
        assert!(!answer.contains("at position"), "{answer}");
    }
    let (status, answer) = world.ask("channel", &message(r#"{ "do": "x", "lines": 5 }"#));
    assert!(
        status == 400 && answer.starts_with(r#"{ "fault": "client", "message": "Invalid message data: lines: "#),
        "{answer}"
    );
    assert_eq!(world.app, 0, "no handler ran");
}

#[test]
fn params_are_those_of_the_channel() {
    let mut world = world();
    let connect = |params: &str| format!(r#"{{ "channel": "chat", "params": {params}, "data": {{ "do": "a" }} }}"#);
    for (params, why) in [
        ("{}", "org: missing field"),
        (r#"{ "org": "a" }"#, "roomId: missing field"),
        (r#"{ "roomId": "r", "org": "a", "x": "y" }"#, "x: not a param of this channel"),
    ] {
        let (status, answer) = world.ask("connect", &connect(params));
        let why = format!(r#""message": "Invalid connection request params: {why}", "fault": "client""#);
        assert!(status == 400 && answer.contains(&why), "{answer}");
        assert!(answer.contains(&format!(r#""params": {params}"#)), "they come back as they came: {answer}");
    }
    world.post("connect", &connect(r#"{ "roomId": "r", "org": "a" }"#));
    assert!(world.call().2.contains(r#""params": { "roomId": "r", "org": "a" }"#), "any order will do");
    let lobby = r#"{ "channel": "lobby", "params": { "x": "y" }, "data": 1 }"#;
    assert!(world.ask("connect", lobby).1.contains("x: not a param of this channel"));
    let wrong = r#"{ "channel": "chat", "params": { "org": "a" }, "data": { "do": "a" }, "context": "ann" }"#;
    let expected = r#"{ "fault": "client", "message": "Invalid message params: roomId: missing field" }"#;
    assert_eq!(world.ask("channel", wrong), (400, expected.to_owned()));
    for params in ["[]", "5", r#"{ "org": 1, "roomId": "r" }"#, "null"] {
        let (status, answer) = world.ask("connect", &connect(params));
        assert!(status == 500 && answer.starts_with(r#"{ "error": "Invalid connection request: {"#), "{answer}");
    }
}

#[test]
fn handlers_that_fail_are_answered_and_it_goes_on() {
    let mut world = world();
    for (act, text) in [
        ("throw", "thrown"),
        ("panic", "panicked"),
        ("panic-string", "panicked with panic-string"),
        ("number", "invalid digit found in string"),
    ] {
        let data = format!(r#"{{ "do": "{act}" }}"#);
        assert_eq!(world.ask("connect", &connect(&data)), (500, format!(r#"{{ "error": "{text}" }}"#)));
        let told = format!(r#"{{ "fault": "server", "message": "{text}" }}"#);
        assert_eq!(world.ask("channel", &message(&data)), (400, told));
        assert_eq!(world.incidents(), [format!("channel chat: {text}"), format!("channel chat: {text}")]);
    }
    assert_eq!(world.ask("channel", &message(r#"{ "do": "quiet" }"#)), (204, String::new()));
    world.at_rest();
}

#[test]
fn errors_keep_their_reason_and_whose_fault_it_is() {
    let mut world = world();
    let told = |fault, text| (400, format!(r#"{{ "fault": "{fault}", "message": "{text}" }}"#));
    assert_eq!(world.ask("channel", &message(r#"{ "do": "error" }"#)), told("client", "too loud"));
    assert_eq!(world.ask("channel", &message(r#"{ "do": "error-sidekick" }"#)), told("server", "odd"));
    let context = message(r#"{ "do": "x" }"#).replace(r#""ann""#, "5");
    let (status, answer) = world.ask("channel", &context);
    assert!(
        status == 400 && answer.starts_with(r#"{ "fault": "server", "message": "Invalid message context: : "#),
        "{answer}"
    );
}

#[test]
fn channels_that_are_not_there() {
    let mut world = world();
    let (status, answer) = world.ask("connect", r#"{ "channel": "nope", "params": {}, "data": 1 }"#);
    assert_eq!(status, 400);
    assert!(answer.contains(r#""message": "Channel nope not found", "fault": "server""#), "{answer}");
    let told = r#"{ "fault": "server", "message": "Channel nope not found" }"#;
    assert_eq!(world.ask("channel", r#"{ "channel": "nope", "params": {} }"#), (400, told.to_owned()));
}

#[test]
fn a_message_is_answered_when_its_own_have_arrived_in_order() {
    let mut world = world();
    let id = world.post("channel", &message(r#"{ "do": "lines", "lines": [{ "text": "a" }, { "text": "b" }] }"#));
    for text in ["a", "b"] {
        let (call, to, body) = world.call();
        world.quiet();
        let expected = format!(r#"{{ "channel": "chat", "params": {PARAMS}, "data": "{text}" }}"#);
        assert_eq!((to, body), (To::Message, expected));
        world.answer(call, 200);
    }
    assert_eq!(world.response(id), (204, String::new()));
    world.at_rest();
}

/// For the published sidekick another order of params is another room.
#[test]
fn params_go_to_their_own_room_in_the_order_in_which_they_came() {
    let mut world = world();
    let turned = r#"{ "roomId": "r", "org": "acme" }"#;
    let body = message(r#"{ "do": "context" }"#).replace(PARAMS, turned);
    world.post("channel", &body);
    assert_eq!(world.call().2, format!(r#"{{ "channel": "chat", "params": {turned}, "data": "ann" }}"#));
    world.post("connect", &connect(r#"{ "do": "send" }"#).replace(PARAMS, turned));
    assert!(world.call().2.contains(turned));
}

#[test]
fn what_was_left_out_is_nothing() {
    let mut world = world();
    world.post("connect", r#"{ "channel": "lobby", "params": {} }"#);
    let (_, _, body) = world.call();
    assert!(body.ends_with(r#""params": {}, "context": null }"#), "{body}");
    world.post("channel", r#"{ "channel": "lobby", "params": {}, "data": null }"#);
    assert_eq!(world.call().2, r#"{ "channel": "lobby", "params": {}, "data": NaN }"#);
    let (status, answer) = world.ask("channel", r#"{ "channel": "lobby", "params": {} }"#);
    assert!(status == 400 && answer.contains("Invalid message data: : "), "data is needed: {answer}");
}

#[test]
fn without_the_secret_nobody_speaks_for_clients() {
    let (body, mut world) = (message(r#"{ "do": "quiet" }"#), world());
    for headers in [&[][..], &[("Authorization", "Bearer s3")], &[("Authorization", "s2")], &[("X", "Bearer s2")]] {
        let id = world.request(&Request::new("POST", "/?type=channel", headers, body.as_bytes()));
        assert_eq!(world.response(id), (401, "Key didn't match".to_owned()));
    }
    assert_eq!(world.app, 0);
    let mut server =
        chanson_core::covenant::server::Server::builder(contract()).seed([7; 32]).build(sidekick()).unwrap();
    define(&mut server);
    let mut open = World::new(server, Log::default());
    for header in ["Bearer s2", "Bearer ", "Bearer", ""] {
        let headers = [("Authorization", header)];
        let id = open.request(&Request::new("POST", "/?type=channel", &headers, body.as_bytes()));
        assert_eq!(open.response(id).0, 401, "without a secret of its own it takes none");
    }
}

#[test]
fn a_message_may_come_by_another_way_than_http() {
    let mut world = world();
    let mut process = |text: &str| {
        let message = ForwardedMessage::decode(text).unwrap();
        world.server.process_channel_message(world.now, &mut world.app, RequestId(5), &message);
        world.next()
    };
    let id = RequestId(5);
    assert_eq!(process(&message(r#"{ "do": "quiet" }"#)), Output::Processed { id, result: Ok(()) });
    let error = MessageError { fault: Fault::Client, message: "too loud".into() };
    assert_eq!(process(&message(r#"{ "do": "error" }"#)), Output::Processed { id, result: Err(error) });
    let Output::Call { id: call, .. } = process(&message(r#"{ "do": "context" }"#)) else { panic!() };
    world.answer(call, 200);
    assert_eq!(world.next(), Output::Processed { id, result: Ok(()) });
    world.at_rest();
}
