//! Answers that handlers put off.

use std::time::Duration;

use chanson_core::covenant::contract::Fault;
use chanson_core::covenant::protocol::ForwardedMessage;
use chanson_core::covenant::server::{Config, Deferred, Output, RequestId, Server, To};
use chanson_core::error::AnswerError;

use crate::common::*;

/// Puts off every answer, and keeps the promise in the application's state.
fn putting_off(config: Config) -> World {
    let (builder, log) = builder();
    let mut server: Server<u32> = builder.config(config).build(sidekick()).unwrap();
    let keep = |app: &mut u32, deferred: Deferred| *app = u32::try_from(deferred.to_bits()).unwrap();
    server
        .define_channel::<Chat>(
            move |client, say| {
                let deferred = client.defer();
                keep(client.app(), deferred);
                if say.act == "send" {
                    client.send_message::<Chat>(client.params(), &"first".into())?;
                }
                Err(deferred.into())
            },
            move |message, _| {
                let deferred = message.defer();
                keep(message.app(), deferred);
                Err(deferred.into())
            },
        )
        .unwrap();
    server.define_channel::<Lobby>(|_, _| Err(Deferred::from_bits(1).into()), |_, ()| Ok(())).unwrap();
    server
        .define_procedure::<Ask>(
            move |call, say| {
                let deferred = call.defer();
                keep(call.app(), deferred);
                match &*say.act {
                    "at once" => Ok("after all".into()),
                    "panic" => panic!("panicked"),
                    _ => Err(deferred.into()),
                }
            },
            |_| Vec::new(),
        )
        .unwrap();
    server
        .define_procedure::<Change>(
            move |call, _| {
                call.set_header("X-A", "1")?;
                let deferred = call.defer();
                keep(call.app(), deferred);
                Err(deferred.into())
            },
            |_| panic!("what has changed is said with the answer"),
        )
        .unwrap();
    World::new(server, log)
}

fn promise(world: &World) -> Deferred {
    Deferred::from_bits(world.app.into())
}

#[test]
fn each_kind_is_answered_as_its_handler_would_have() {
    let mut world = putting_off(Config::default());
    let id = world.post("connect", &connect(r#"{ "do": "send" }"#));
    world.quiet();
    assert_eq!(world.server.waiting(), 1);
    let deferred = promise(&world);
    world.server.answer_connection::<Chat>(world.now, deferred, Ok("ann".into())).unwrap();
    let (call, to, body) = world.call();
    assert!(to == To::Message && body.contains("first"), "what it sent before goes first");
    world.answer(call, 200);
    let (call, to, body) = world.call();
    assert!(to == To::Connection && body.ends_with(r#""context": "ann" }"#), "{body}");
    world.answer(call, 200);
    assert_eq!(world.response(id).0, 200);

    let id = world.post("procedure", &procedure("change", "x", &[]));
    let answer = Ok((7, vec!["a".to_owned()]));
    world.server.answer_procedure::<Change>(world.now, promise(&world), answer).unwrap();
    let response = world.whole_response(id);
    assert_eq!(response.headers().last(), Some(("X-A", "1")));
    assert_eq!(response.bytes(), br#"{ "status": "OK", "data": 7, "resources": ["a"] }"#);
    let (call, to, body) = world.call();
    assert_eq!((to, &*body), (To::Resources, r#"{ "resources": ["a"] }"#));
    world.answer(call, 200);

    let id = world.post("channel", &message(r#"{ "do": "x" }"#));
    world.server.answer_message(world.now, promise(&world), Ok(())).unwrap();
    assert_eq!(world.response(id), (204, String::new()));
    let direct = message(r#"{ "do": "x" }"#);
    let direct = ForwardedMessage::decode(&direct).unwrap();
    world.server.process_channel_message(world.now, &mut world.app, RequestId(50), &direct);
    world.server.answer_message(world.now, promise(&world), Ok(())).unwrap();
    assert_eq!(world.next(), Output::Processed { id: RequestId(50), result: Ok(()) });
    world.at_rest();
}

#[test]
fn failures_come_later_too() {
    let mut world = putting_off(Config::default());
    let id = world.post("connect", &connect(r#"{ "do": "x" }"#));
    world.server.answer_connection::<Chat>(world.now, promise(&world), Err("no database".into())).unwrap();
    assert_eq!(world.response(id), (500, r#"{ "error": "no database" }"#.to_owned()));
    let id = world.post("connect", &connect(r#"{ "do": "x" }"#));
    let refusal = chanson_core::covenant::server::reject("not you", Fault::Client);
    world.server.answer_connection::<Chat>(world.now, promise(&world), Err(refusal)).unwrap();
    assert!(world.response(id).1.contains(r#""message": "not you", "fault": "client""#));
    let id = world.post("procedure", &procedure("ask", "x", &[]));
    let error = chanson_core::covenant::server::error("gone", 410);
    world.server.answer_procedure::<Ask>(world.now, promise(&world), Err(error)).unwrap();
    assert_eq!(world.response(id).0, 410);
    let id = world.post("channel", &message(r#"{ "do": "x" }"#));
    world.server.answer_message(world.now, promise(&world), Err("no".into())).unwrap();
    assert_eq!(world.response(id), (400, r#"{ "fault": "server", "message": "no" }"#.to_owned()));
    world.at_rest();
}

#[test]
fn a_promise_is_kept_once_in_time_and_for_what_it_was_made() {
    let mut world = putting_off(Config::default());
    let id = world.post("procedure", &procedure("ask", "x", &[]));
    let deferred = promise(&world);
    let now = world.now;
    let server = &mut world.server;
    assert_eq!(server.answer_message(now, deferred, Ok(())), Err(AnswerError::WrongKind));
    assert_eq!(server.answer_connection::<Chat>(now, deferred, Ok(String::new())), Err(AnswerError::WrongKind));
    assert_eq!(server.answer_procedure::<Change>(now, deferred, Ok((1, vec![]))), Err(AnswerError::WrongKind));
    let mut answer = || server.answer_procedure::<Ask>(now, deferred, Ok(("late".into(), vec![])));
    assert_eq!((answer(), answer()), (Ok(()), Err(AnswerError::Expired)));
    assert_eq!(world.response(id).0, 201);
    assert_eq!(world.ask("procedure", &procedure("ask", "at once", &[])).0, 201);
    let deferred = promise(&world);
    let late = world.server.answer_procedure::<Ask>(now, deferred, Ok((String::new(), vec![])));
    assert_eq!(late, Err(AnswerError::Expired), "it answered itself");
    assert_eq!(world.ask("procedure", &procedure("ask", "panic", &[])).0, 500);
    let (status, body) = world.ask("connect", r#"{ "channel": "lobby", "params": {} }"#);
    assert_eq!((status, &*body), (500, r#"{ "error": "the answer comes later" }"#), "a promise of another's is none");
    world.at_rest();
}

#[test]
fn whoever_waits_too_long_is_told() {
    let mut world = putting_off(Config::default().with_answer_limit(Duration::from_secs(5)));
    let first = world.post("procedure", &procedure("ask", "x", &[]));
    let deferred = promise(&world);
    world.pass(Duration::from_secs(2));
    let second = world.post("connect", &connect(r#"{ "do": "x" }"#));
    world.pass(Duration::from_millis(2_999));
    world.quiet();
    world.pass(Duration::from_millis(1));
    let body = r#"{ "status": "ERR", "error": { "message": "no answer in time", "code": 504 } }"#;
    assert_eq!(world.response(first), (504, body.to_owned()));
    world.quiet();
    let late = world.server.answer_procedure::<Ask>(world.now, deferred, Ok((String::new(), vec![])));
    assert_eq!(late, Err(AnswerError::Expired));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.response(second), (500, r#"{ "error": "no answer in time" }"#.to_owned()));
    world.at_rest();
}

#[test]
fn what_was_put_off_counts_as_waiting() {
    let mut world = putting_off(Config::default().with_waiting(1));
    let id = world.post("procedure", &procedure("ask", "x", &[]));
    assert_eq!(world.ask("procedure", &procedure("ask", "x", &[])).0, 503);
    world.server.answer_procedure::<Ask>(world.now, promise(&world), Ok((String::new(), vec![]))).unwrap();
    assert_eq!(world.response(id).0, 201);
    world.at_rest();
}
