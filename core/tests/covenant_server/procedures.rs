//! Procedures: contexts, headers, codes, resources.

use chanson_core::covenant::server::{Server, To};
use chanson_core::http::Request;

use crate::common::*;

fn err(message: &str, code: u16) -> String {
    format!(r#"{{ "status": "ERR", "error": {{ "message": "{message}", "code": {code} }} }}"#)
}

#[test]
fn a_query_is_answered_and_nobody_else_is_told() {
    let mut world = world();
    let ok = |data: &str| (201, format!(r#"{{ "status": "OK", "data": "{data}", "resources": ["{data}"] }}"#));
    assert_eq!(world.ask("procedure", &procedure("ask", "hello", &[])), ok("hello"));
    assert_eq!(world.ask("procedure", &procedure("ask", "who", &[])), ok("ann"), "the request is at hand");
    let body = procedure("ask", "no type", &[]);
    let id = world.request(&Request::new("POST", "/", &[], body.as_bytes()));
    assert_eq!(world.response(id), ok("no type"), "what says nothing calls a procedure");
    world.at_rest();
}

#[test]
fn failures_have_their_code() {
    let mut world = world();
    for (act, lines, message, code) in [
        ("error", &["gone", "410"][..], "gone", 410),
        ("throw", &[], "thrown", 500),
        ("panic", &[], "panicked", 500),
        ("bad-resources", &[], "resources panic", 500),
    ] {
        assert_eq!(world.ask("procedure", &procedure("ask", act, lines)), (code, err(message, code)));
    }
    let log = ["procedure ask: thrown", "procedure ask: panicked", "procedure ask: resources panic"];
    assert_eq!(world.incidents(), log, "those that nobody meant");
    // What is no status of an answer with a body; the client goes by the code.
    for code in [0, 100, 199, 204, 205, 304, 600, 65535] {
        let (status, body) = world.ask("procedure", &procedure("ask", "error", &["odd", &code.to_string()]));
        assert_eq!((status, body), (500, err("odd", code)));
    }
    assert_eq!(world.ask("procedure", r#"{ "procedure": "nope" }"#), (404, err("Procedure nope not found", 404)));
    let (status, body) = world.ask("procedure", r#"{ "procedure": "ask", "inputs": { "do": 5 } }"#);
    assert!(status == 404 && body.contains(r#""message": "Error parsing procedure inputs: do: "#), "{body}");
    let (status, body) = world.ask("procedure", r#"{ "procedure": "ask" }"#);
    assert!(status == 404 && body.contains(r#""message": "Error parsing procedure inputs: : "#), "{body}");
    world.at_rest();
}

#[test]
fn what_cannot_be_read_is_400() {
    let mut world = world();
    for (body, why) in [
        ("{nope", "Unexpected character 'n' at position 1"),
        ("[1]", "Failed to parse body as a ProcedureRequestBody: [1]"),
        (r#"{ "procedure": 5 }"#, r#"Failed to parse body as a ProcedureRequestBody: {\"procedure\":5}"#),
    ] {
        let error = err(&format!("Error parsing request body: {why}"), 400);
        assert_eq!(world.ask("procedure", body), (400, error));
    }
}

#[test]
fn headers_are_set_replaced_and_deleted() {
    let mut world = world();
    let id = world.post("procedure", &procedure("ask", "headers", &["X-A:1", "x-a:2", "X-B: b"]));
    let response = world.whole_response(id);
    let headers: Vec<_> = response.headers().collect();
    assert_eq!(headers, [("Content-Type", "application/json"), ("x-a", "2"), ("X-B", "b")]);
    let id = world.post("procedure", &procedure("ask", "headers", &["content-type:text/ion"]));
    assert_eq!(world.whole_response(id).headers().collect::<Vec<_>>(), [("Content-Type", "text/ion")]);
    let id = world.post("procedure", &procedure("ask", "delete", &[]));
    assert_eq!(world.whole_response(id).headers().collect::<Vec<_>>(), [("Content-Type", "text/plain;charset=UTF-8")]);
    let id = world.post("procedure", &procedure("ask", "headers-error", &[]));
    let response = world.whole_response(id);
    assert_eq!((response.status(), response.headers().last()), (409, Some(("X-A", "1"))), "they stay when it fails");
    for bad in ["X A:1", "X-A:a\r\nX-B: b", "Content-Length:5", "Connection:close"] {
        let (status, _) = world.ask("procedure", &procedure("ask", "headers", &[bad]));
        assert_eq!(status, 500, "{bad:?} is the handler's mistake");
    }
}

#[test]
fn a_mutation_tells_what_has_changed_behind_its_answer() {
    let mut world = world();
    let id = world.post("procedure", &procedure("change", "x", &[]));
    assert_eq!(world.response(id), (201, r#"{ "status": "OK", "data": 1, "resources": [] }"#.to_owned()));
    let (call, to, body) = world.call();
    assert_eq!(
        (to, &*body),
        (To::Resources, r#"{ "resources": [] }"#),
        "even when that is nothing, as the original does"
    );
    world.answer(call, 200);
    world.at_rest();
}

#[test]
fn one_that_sends_is_answered_when_that_has_arrived() {
    let mut world = world();
    let id = world.post("procedure", &procedure("change", "x", &["a", "b"]));
    for text in ["a", "b"] {
        let (call, to, body) = world.call();
        assert!(to == To::Message && body.ends_with(&format!(r#""data": "{text}" }}"#)), "{body}");
        world.quiet();
        world.answer(call, 200);
    }
    assert_eq!(world.response(id).0, 201);
    assert_eq!(world.call().2, r#"{ "resources": ["a", "b"] }"#);
}

#[test]
fn one_that_fails_has_sent_nothing_and_changed_nothing() {
    let mut world = world();
    assert_eq!(world.ask("procedure", &procedure("change", "throw", &["a"])), (500, err("thrown", 500)));
    world.at_rest();
}

#[test]
fn contexts_and_derivations_are_made_of_each_call() {
    let (builder, log) = builder();
    let builder = builder.context_generator(|call| match call.request().header("x-user") {
        None => Err(call.error("who are you?", 401)),
        Some("panic") => panic!("in the generator"),
        Some(user) => Ok(user.to_owned()),
    });
    let builder = builder.derivation(|call| {
        call.set_header("X-Procedure", call.procedure())?;
        *call.app() += 100;
        let inputs = call.raw_inputs().map_or(0, |raw| raw.as_str().len());
        if call.ctx() == "eve" { Err("derivation".into()) } else { Ok((call.ctx().len(), inputs)) }
    });
    let mut server: Server<u32, String, (usize, usize)> = builder.build(sidekick()).unwrap();
    server
        .define_procedure::<Ask>(
            |call, say| Ok(format!("{} {} {:?}", say.act, call.ctx(), call.derived())),
            |done| vec![done.ctx.clone()],
        )
        .unwrap();
    let mut world = World::new(server, log);
    let body = procedure("ask", "hi", &[]);
    let mut ask = |headers: &[(&str, &str)]| {
        let id = world.request(&Request::new("POST", "/", headers, body.as_bytes()));
        let response = world.whole_response(id);
        let header = response.headers().find(|(name, _)| *name == "X-Procedure").is_some();
        (response.status(), String::from_utf8(response.bytes().to_vec()).unwrap(), header)
    };
    let ok = r#"{ "status": "OK", "data": "hi ann (3, 27)", "resources": ["ann"] }"#;
    assert_eq!(ask(&[("X-User", "ann")]), (201, ok.to_owned(), true));
    assert_eq!(ask(&[]), (401, err("who are you?", 401), false));
    assert_eq!(ask(&[("X-User", "panic")]), (500, err("in the generator", 500), false));
    assert_eq!(ask(&[("X-User", "eve")]), (500, err("derivation", 500), true));
    assert_eq!(world.app, 200);
}

#[test]
fn whoever_hears_of_incidents_gets_one_line_and_may_panic() {
    let (builder, log) = builder();
    let into = log.clone();
    let builder = builder.on_incident(move |incident| {
        into.lock().unwrap().push(incident.to_string());
        panic!("in the log");
    });
    let mut server: Server<u32> = builder.build(sidekick()).unwrap();
    let fail = |_: &mut chanson_core::covenant::server::Call<'_, u32>, _: &Say| Err("two\nlines\u{1b}".into());
    server.define_procedure::<Ask>(fail, |_| Vec::new()).unwrap();
    let mut world = World::new(server, Log::default());
    assert_eq!(world.ask("procedure", &procedure("ask", "x", &[])).0, 500);
    let line = log.lock().unwrap().pop();
    assert_eq!(line.as_deref(), Some(r"procedure ask: two\nlines\u{1b}"));
}
