//! Bounds, and bytes that mean nothing.

use chanson_core::covenant::contract::{Contract, Kind, Procedure};
use chanson_core::covenant::server::{Config, Output, RequestId, SendError, Server};
use chanson_core::http::Request;
use chanson_core::wire::ion::{MAX_DEPTH, Value};
use proptest::prelude::*;

use crate::common::*;

fn bounded(config: Config) -> World {
    let (builder, log) = builder();
    let mut server: Server<u32> = builder.config(config).build(sidekick()).unwrap();
    define(&mut server);
    World::new(server, log)
}

#[test]
fn so_many_wait_for_the_sidekick_and_no_more() {
    let mut world = bounded(Config::default().with_waiting(2));
    let first = world.post("connect", &connect(r#"{ "do": "ann" }"#));
    let (call, ..) = world.call();
    world.post("connect", &connect(r#"{ "do": "ann" }"#));
    world.call();
    assert_eq!(world.ask("connect", &connect(r#"{ "do": "ann" }"#)).0, 503);
    assert_eq!(world.ask("procedure", &procedure("ask", "x", &[])).0, 503);
    assert_eq!(world.server.send_message::<Lobby>(world.now, &(), &1.0), Err(SendError::Full));
    assert_eq!(world.app, 2, "no handler ran");
    world.answer(call, 200);
    assert_eq!(world.response(first).0, 200);
    assert_eq!(world.ask("procedure", &procedure("ask", "x", &[])).0, 201);
    // What follows a mutation is not refused for others that wait.
    let id = world.post("procedure", &procedure("change", "x", &[]));
    assert_eq!(world.response(id).0, 201);
    world.call();
    assert_eq!(world.server.waiting(), 2);
}

#[test]
fn a_handler_sends_so_much_and_no_more() {
    let mut world = bounded(Config::default().with_sends_per_request(2));
    let id = world.post("procedure", &procedure("change", "x", &["a", "b"]));
    let (call, ..) = world.call();
    world.answer(call, 200);
    let (call, ..) = world.call();
    world.answer(call, 200);
    assert_eq!(world.response(id).0, 201);
    world.call();
    let (status, body) = world.ask("procedure", &procedure("change", "x", &["a", "b", "c"]));
    assert!(status == 500 && body.contains("too many messages wait to be sent"), "{body}");
}

#[test]
fn bodies_are_needed_and_bounded() {
    let mut world = bounded(Config::default().with_max_body(100));
    let mut ask = |method: &str, target: &str, headers: &[(&str, &str)], body: &[u8]| {
        let id = world.request(&Request::new(method, target, headers, body));
        world.response(id).0
    };
    assert_eq!(ask("POST", "/?type=connect", &[], b""), 411);
    assert_eq!(ask("POST", "/?type=connect", &[("Content-Length", "0")], b""), 500, "it is there, and no ION");
    assert_eq!(ask("POST", "/", &[("Transfer-Encoding", "chunked")], b""), 400);
    assert_eq!(ask("POST", "/", &[], &[b' '; 101]), 413);
    assert_eq!(ask("POST", "/", &[], &[b' '; 100]), 400);
    for method in ["GET", "PUT", "DELETE", "OPTIONS", "post"] {
        assert_eq!(ask(method, "/?type=connect", &[], b"{}"), 404, "{method}");
    }
    assert_eq!(ask("POST", "/?type=nope", &[], b"{}"), 404);
    assert_eq!(ask("POST", "/?type=", &[], b"{}"), 404);
    let marked = procedure("ask", "x", &[]);
    assert_eq!(
        ask("POST", "/", &[], format!("\u{feff}{marked}").as_bytes()),
        201,
        "a byte order mark is none of the text"
    );
    assert_eq!(ask("POST", "/?type=connect&type=procedure", &[], b"{}"), 500, "the first counts");
    assert_eq!(ask("POST", "/?%74ype=nope", &[], b"{}"), 404);
}

struct Deep;

impl Procedure for Deep {
    const NAME: &str = "deep";
    const KIND: Kind = Kind::Query;
    type Input = Value;
    type Output = Value;
}

/// Lists of lists and nothing else: a mistake in one is as deep as it is.
#[derive(serde::Serialize, serde::Deserialize)]
struct Tree(Vec<Tree>);

struct Trees;

impl Procedure for Trees {
    const NAME: &str = "tree";
    const KIND: Kind = Kind::Query;
    type Input = Tree;
    type Output = ();
}

/// As deep as ION may be, on the 2 MiB of stack that a thread has: read into a tree, written, and shown as JSON.
#[test]
fn nesting_is_no_danger() {
    let contract = Contract::new().procedure::<Deep>().unwrap();
    let contract = contract.procedure::<Trees>().unwrap();
    let mut server: Server<u32> = Server::builder(contract).seed([7; 32]).build(sidekick()).unwrap();
    server.define_procedure::<Deep>(|_, inputs| Ok(inputs.clone()), |_| Vec::new()).unwrap();
    server.define_procedure::<Trees>(|_, _| Ok(()), |_| Vec::new()).unwrap();
    let mut world = World::new(server, Log::default());
    for (open, close) in [("[", "]"), (r#"{ "a": "#, " }"), ("map { 1: ", " }"), ("set { ", " }")] {
        for depth in [MAX_DEPTH - 1, MAX_DEPTH, MAX_DEPTH + 1, 10_000] {
            let inputs = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let (status, _) = world.ask("procedure", &format!(r#"{{ "procedure": "deep", "inputs": {inputs} }}"#));
            assert_eq!(status, if depth < MAX_DEPTH { 201 } else { 400 }, "{open} {depth}");
            assert_eq!(world.ask("connect", &inputs).0, 500);
            assert_eq!(
                world.ask("procedure", &format!(r#"{{ "procedure": "tree", "inputs": {inputs} }}"#)).0,
                if depth < MAX_DEPTH { 404 } else { 400 }
            );
        }
    }
}

proptest! {
    /// Whatever comes, each request is answered once when its calls are, and nothing is left over.
    #[test]
    fn every_request_is_answered_once(
        requests in prop::collection::vec((0..4_usize, body()), 1..20),
        statuses in prop::collection::vec(prop::sample::select(vec![200_u16, 401, 500]), 64),
    ) {
        let mut world = world();
        let (mut answered, mut statuses) = (Vec::new(), statuses.into_iter().cycle());
        for (kind, body) in &requests {
            let kind = ["connect", "procedure", "channel", "other"][*kind];
            let target = format!("/?type={kind}");
            world.request(&Request::new("POST", &target, &[("Authorization", "Bearer s2")], body));
            let mut calls = Vec::new();
            loop {
                while let Some(output) = world.server.poll_output() {
                    match output {
                        Output::Respond { id, .. } => answered.push(id),
                        Output::Call { id, .. } => calls.push(id),
                        other => prop_assert!(false, "{other:?}"),
                    }
                }
                let Some(call) = calls.pop() else { break };
                world.answer(call, statuses.next().unwrap_or(200));
            }
        }
        let expected: Vec<_> = (1..=requests.len() as u64).map(RequestId).collect();
        prop_assert_eq!(answered, expected);
        prop_assert_eq!((world.server.waiting(), world.server.poll_timeout()), (0, None));
    }
}

/// Bodies that are nonsense, or nearly right.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let act = prop::sample::select(vec!["x", "throw", "panic", "reject", "error", "lines", "send", "number"]);
    let right = (0..3_usize, act).prop_map(|(kind, act)| {
        let data = format!(r#"{{ "do": "{act}", "lines": [{{ "text": "a" }}, {{ "text": "5" }}] }}"#);
        let name = ["ask", "change"][act.len() % 2];
        match kind {
            0 => connect(&data),
            1 => message(&data),
            _ => format!(r#"{{ "procedure": "{name}", "inputs": {data} }}"#),
        }
    });
    prop_oneof![
        right.clone().prop_map(String::into_bytes),
        (right, any::<prop::sample::Index>(), any::<u8>()).prop_map(|(text, at, byte)| {
            let mut bytes = text.into_bytes();
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        }),
        prop::collection::vec(any::<u8>(), 0..50),
    ]
}
