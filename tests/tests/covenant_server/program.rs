//! The example as an operator and a careless client meet it.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};
use std::time::Instant;

use crate::over_tcp::{OverTcp, PATIENCE, binary};
use crate::player::Stage as _;
use crate::recorded::Http;

const CONNECT: &str = r#"{ "channel": "chat", "params": { "roomId": "r" }, "data": { "token": "ann" } }"#;

/// What the program says to these bytes until it closes.
fn say(stage: &OverTcp, bytes: &[u8]) -> String {
    let mut stream = stage.connect();
    stream.write_all(bytes).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).unwrap();
    said
}

fn post(stage: &OverTcp, target: &str, headers: &str, body: &str) -> String {
    let len = body.len();
    let head =
        format!("POST {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{headers}Content-Length: {len}\r\n\r\n");
    say(stage, [head.as_bytes(), body.as_bytes()].concat().as_slice())
}

fn request(body: &str, kind: &str) -> Http {
    let (method, target) = ("POST".to_owned(), format!("/api/covenant?type={kind}"));
    Http { method, target, headers: vec![("Host".to_owned(), "a".to_owned())], body: body.to_owned() }
}

#[test]
fn what_is_no_request_for_it_is_answered_by_status() {
    let stage = OverTcp::start("s", false);
    let line = "HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    for (bytes, status) in [
        (format!("POST /api/covenant?type=connect {line}\r\n"), 411),
        (format!("POST /api/covenant {line}Content-Length: 99999999\r\n\r\n"), 413),
        (format!("POST /api/covenant {line}Transfer-Encoding: chunked\r\n\r\n200000\r\n"), 413),
        (format!("POST /api/covenants {line}Content-Length: 2\r\n\r\n{{}}"), 404),
        (format!("POST / {line}Content-Length: 2\r\n\r\n{{}}"), 404),
        (format!("GET /api/covenant?type=connect {line}\r\n"), 404),
        (format!("PUT /api/covenant?type=connect {line}Content-Length: 2\r\n\r\n{{}}"), 404),
        (format!("POST /api/covenant?type=channel {line}Content-Length: 2\r\n\r\n{{}}"), 401),
        (format!("POST /api/covenant?type=procedure {line}Content-Length: 2\r\n\r\n{{}}"), 400),
        (format!("POST /api/covenant?type= {line}Content-Length: 2\r\n\r\n{{}}"), 404),
        ("POST /api/covenant HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}".to_owned(), 400),
        ("NONSENSE\r\n\r\n".to_owned(), 400),
    ] {
        let said = say(&stage, bytes.as_bytes());
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{bytes:?}: {said}");
    }
    let chunked = format!("POST /api/covenant {line}Transfer-Encoding: chunked\r\n\r\n5\r\n{{nope\r\n0\r\n\r\n");
    assert!(say(&stage, chunked.as_bytes()).contains("Unexpected character 'n' at position 1"));
    let not_utf8 = [format!("POST /api/covenant {line}Content-Length: 3\r\n\r\n").as_bytes(), b"\"\xff\""].concat();
    let stream = String::from_utf8(say(&stage, &not_utf8).into_bytes()).unwrap();
    assert!(stream.starts_with("HTTP/1.1 400 "), "{stream}");
}

#[test]
fn the_sidekick_has_to_show_the_secret() {
    let stage = OverTcp::start("s", false);
    let body = r#"{ "channel": "chat", "params": { "roomId": "r" }, "data": { "text": "error-client" }, "context": { "userId": "a" } }"#;
    for (headers, status) in [
        ("", 401),
        ("Authorization: Bearer wrong\r\n", 401),
        ("Authorization: Bearer \r\n", 401),
        ("Authorization: server-secret\r\n", 401),
        ("Authorization: Bearer server-secret2\r\n", 401),
        ("Authorization: Bearer server-secret\r\n", 400),
        ("AUTHORIZATION: Bearer server-secret\r\n", 400),
    ] {
        let said = post(&stage, "/api/covenant?type=channel", headers, body);
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{headers:?}: {said}");
        assert_eq!(said.contains("client fault requested"), status == 400, "{said}");
    }
}

#[test]
fn without_a_sidekick_clients_are_told_and_it_goes_on() {
    let stage = OverTcp::start("s", false);
    let said = post(&stage, "/api/covenant?type=connect", "", CONNECT);
    assert!(said.starts_with("HTTP/1.1 400 "), "{said}");
    assert!(said.contains(r#""type": "ERROR""#) && said.contains(r#""fault": "server""#), "{said}");
    let announce = r#"{ "procedure": "announce", "inputs": { "roomId": "r", "message": "m" } }"#;
    let said = post(&stage, "/api/covenant", "", announce);
    assert!(said.starts_with("HTTP/1.1 500 ") && said.contains(r#""status": "ERR""#), "{said}");
    let add = r#"{ "procedure": "addTodo", "inputs": { "text": "milk" } }"#;
    for id in 2..5 {
        let said = post(&stage, "/api/covenant", "", add);
        assert!(said.starts_with("HTTP/1.1 201 ") && said.contains(&format!(r#""id": {id}"#)), "{said}");
    }
}

#[test]
fn a_sidekick_that_hangs_up_is_one_that_does_not_answer() {
    let mut stage = OverTcp::start("s", true);
    stage.ask(1, &request(CONNECT, "connect"));
    assert_eq!(stage.call().unwrap().target, "/connection");
    stage.answer(None);
    let said = stage.response(1);
    assert!(said.status == 400 && said.body.contains(r#""fault": "server""#), "{}", said.body);
}

#[test]
fn one_that_waits_for_the_sidekick_holds_up_nobody() {
    let mut stage = OverTcp::start("s", true);
    for conn in 0..10 {
        stage.ask(conn, &request(CONNECT, "connect"));
    }
    for _ in 0..10 {
        stage.call().unwrap();
    }
    stage.ask(10, &request(r#"{ "procedure": "todos", "inputs": null }"#, "procedure"));
    assert_eq!(stage.response(10).status, 201);
    for _ in 0..10 {
        stage.answer(Some((200, "OK")));
    }
    for conn in 0..10 {
        assert_eq!(stage.response(conn).status, 200);
    }
}

#[test]
#[cfg(unix)]
fn told_to_end_it_answers_who_has_asked_and_ends() {
    let mut stage = OverTcp::start("s", true);
    stage.ask(1, &request(CONNECT, "connect"));
    stage.call().unwrap();
    terminate(&mut stage);
    wait_for_the_end(&stage);
    stage.answer(Some((200, "OK")));
    assert_eq!(stage.response(1).status, 200);
    assert!(stage.program.child().wait().unwrap().success());
}

#[test]
fn told_to_end_twice_it_does_not_wait_for_those_who_have_asked() {
    let mut stage = OverTcp::start("s", true);
    stage.ask(1, &request(CONNECT, "connect"));
    stage.call().unwrap();
    terminate(&mut stage);
    wait_for_the_end(&stage);
    assert!(stage.program.child().try_wait().unwrap().is_none(), "it waits for the Sidekick's answer");
    terminate(&mut stage);
    let start = Instant::now();
    assert!(stage.program.child().wait().unwrap().success());
    assert!(start.elapsed() < PATIENCE);
}

fn terminate(stage: &mut OverTcp) {
    let id = stage.program.child().id().to_string();
    assert!(Command::new("kill").arg(id).status().unwrap().success());
}

/// As soon as it takes no more, it is ending.
fn wait_for_the_end(stage: &OverTcp) {
    let begin = Instant::now();
    while !post(stage, "/api/covenant", "", "{}").starts_with("HTTP/1.1 503 ") {
        assert!(begin.elapsed() < PATIENCE, "it still takes requests");
    }
}

#[test]
fn flags_are_explained_and_mistakes_named() {
    let run = |args: &[&str]| Command::new(binary()).args(args).stdin(Stdio::null()).output().unwrap();
    let help = run(&["--help"]);
    let text = String::from_utf8(help.stdout).unwrap();
    assert!(help.status.success());
    for flag in ["--port", "--sidekick-url", "--sidekick-secret", "--server-secret"] {
        assert!(text.contains(flag), "{flag}");
    }
    for (args, word) in [
        (&["--port", "70000"][..], "70000"),
        (&["--nope", "1"], "--nope"),
        (&["--port"], "--port"),
        (&["--sidekick-url", "ftp://a"], "Url"),
        (&["--sidekick-url", "https://a"], "TLS"),
        (&["--sidekick-secret", "a\nb"], "Header"),
    ] {
        let ran = run(args);
        let text = String::from_utf8(ran.stderr).unwrap();
        assert!(!ran.status.success() && text.contains(word), "{args:?}: {text}");
    }
}
