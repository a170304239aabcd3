//! What the server asks, and what others try.

use super::*;
use chanson_core::memory::Transport;
use std::time::Duration;

fn read(world: &mut World<Sidekick>, transport: Transport) -> Vec<u16> {
    let bytes = world.read(transport);
    let mut rest = &bytes[..];
    let answers = std::iter::from_fn(|| {
        let (answer, len) = HttpResponse::parse(rest)?;
        rest = &rest[len..];
        Some(answer.status)
    });
    answers.collect()
}

#[test]
fn a_wrong_secret_is_told_after_a_while_which_holds_nobody_up() {
    let mut world = world();
    let wrong: Vec<Transport> = (0..20).map(|_| world.open_transport()).collect();
    for (n, transport) in wrong.iter().enumerate() {
        let header = ["", "Authorization: Bearer secre\r\n", "Authorization: Bearer secrets\r\n"][n % 3];
        let path = ["connection", "message", "resources"][n % 3];
        let head = format!("POST /{path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n{header}\r\n{{nope");
        world.write(*transport, head.as_bytes());
    }
    world.run_for(Duration::from_millis(2999));
    assert!(wrong.iter().all(|transport| world.read(*transport).is_empty()));
    announce(&mut world, "t1", CHAT, "ann");
    world.run_for(Duration::from_millis(1));
    for transport in &wrong {
        let bytes = world.read(*transport);
        let (answer, _) = HttpResponse::parse(&bytes).unwrap();
        assert_eq!((answer.status, answer.text()), (401, "Key didn't match"));
    }
    assert_eq!((stats(&world).unauthorized, stats(&world).fresh_tokens), (20, 1));
    assert_eq!(world.stats().hub.tickets, 0);
}

#[test]
fn trying_many_secrets_at_once_is_no_quicker() {
    let mut world = world_with(config(), Capacity::default().with_tickets(1));
    let (first, second) = (world.open_transport(), world.open_transport());
    for transport in [first, second] {
        world.write(transport, b"POST /message HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n{}");
    }
    assert_eq!(read(&mut world, second), [503]);
    message(&mut world, CHAT, "1");
    world.run_for(Duration::from_secs(3));
    assert_eq!(read(&mut world, first), [401]);
}

#[test]
fn the_delay_can_be_nothing() {
    let mut world = world_with(config().with_auth_delay(Duration::ZERO), Capacity::default());
    assert_eq!(world.request("POST", "/connection", &[], b"{}").unwrap().status, 401);
    assert_eq!(world.request("POST", "/connection", &[("authorization", "Bearer nope")], b"{}").unwrap().status, 401);
}

#[test]
fn an_empty_secret_lets_nobody_in() {
    let mut world = world_with(Config::new("").with_auth_delay(Duration::ZERO), Capacity::default());
    assert_eq!(world.request("POST", "/connection", &[("Authorization", "Bearer ")], b"{}").unwrap().status, 401);
}

#[test]
fn what_cannot_be_read_is_answered_as_recorded() {
    let mut world = world();
    let ion = "Error parsing ION: Error: Unexpected character 'n' at position 1";
    let schema = |what| format!("Did not recieve {what} in correct schema");
    for (path, body, words) in [
        ("/connection", "{nope", ion),
        ("/message", "{nope", ion),
        ("/message", "\"é\" n", "Error parsing ION: Error: something follows the value at position 5"),
        ("/resources", "{nope", "Invalid JSON"),
        ("/resources", r#"{ "resources": [], "x": NaN }"#, "Invalid JSON"),
        ("/resources", "set {}", "Invalid JSON"),
        ("/resources", "{}", "Invalid body schema"),
        ("/resources", r#"{ "resources": [1] }"#, "Invalid body schema"),
        ("/connection", "{}", &schema("payload")),
        ("/connection", r#"{ "token": 1, "channel": "c", "params": {} }"#, &schema("payload")),
        ("/connection", r#"{ "token": "t", "channel": "c", "params": { "a": null } }"#, &schema("payload")),
        ("/message", "[]", &schema("message")),
        ("/message", r#"{ "channel": "c" }"#, &schema("message")),
    ] {
        let answer = post(&mut world, path, body);
        assert_eq!((answer.status, answer.text()), (400, words), "{path} {body}");
    }
    let answer = world.request("POST", "/message", &[SECRET], b"{\"\xff\": 1}").unwrap();
    assert_eq!((answer.status, answer.text()), (400, "The body is not UTF-8"));
    assert_eq!(stats(&world), Stats::default());
}

#[test]
fn other_paths_and_methods_are_not_found_and_a_query_does_not_matter() {
    let mut world = world();
    for (method, target) in [
        ("POST", "/nothing"),
        ("POST", "/socket"),
        ("POST", "//"),
        ("POST", "/connection/"),
        ("GET", "/connection"),
        ("PUT", "/message"),
        ("DELETE", "/resources"),
        ("GET", "/"),
        ("GET", "/socket"),
    ] {
        let answer = world.request(method, target, &[SECRET], b"{}").unwrap();
        assert_eq!((answer.status, answer.text()), (404, "Not Found"), "{method} {target}");
    }
    post_ok(&mut world, "/resources?x=1", r#"{"resources":[]}"#);
    assert_eq!(world.try_connect("/other", &[]).unwrap_err().status, 404);
}

#[test]
fn a_body_has_a_length_and_is_not_too_long() {
    let mut world = world();
    let transport = world.open_transport();
    world.write(transport, b"POST /message HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n\r\n");
    assert_eq!(read(&mut world, transport), [411]);
    let long = format!(r#"{{ {CHAT}, "data": "{}" }}"#, "x".repeat(64 << 10));
    assert_eq!(post(&mut world, "/message", &long).status, 413);
    message(&mut world, CHAT, "1");
}

/// A character in two pieces is one character, in a body and in a message, and chunks are put together.
#[test]
fn what_comes_in_pieces_arrives_whole() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    let body = format!(r#"{{ {CHAT}, "data": "漢😀" }}"#).into_bytes();
    let cut = body.len() - 5;
    let head = "POST /message HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer secret\r\n";
    let transport = world.open_transport();
    world.write(transport, format!("{head}Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    world.write(transport, &body[..cut]);
    world.write(transport, &body[cut..]);
    world.write(transport, format!("{head}Transfer-Encoding: chunked\r\n\r\n{cut:x}\r\n").as_bytes());
    world.write(transport, &body[..cut]);
    world.write(transport, b"\r\n5\r\n");
    world.write(transport, &body[cut..]);
    world.write(transport, b"\r\n0\r\n\r\n");
    assert_eq!(read(&mut world, transport), [200, 200]);
    let expected = format!(r#"{{ "type": "message", {CHAT}, "data": "漢😀" }}"#);
    assert_eq!(world.recv(ann), [expected.clone(), expected]);
    world.chunk(1);
    send(&mut world, ann, "t1", CHAT, r#""漢😀""#);
    assert!(calls(&mut world)[0].body.contains("漢😀"));
}

#[test]
fn nothing_secret_is_shown() {
    let mut world = world();
    let ann = subscriber(&mut world, "token-1");
    send(&mut world, ann, "token-1", CHAT, r#""psst""#);
    let calls = calls(&mut world);
    let shown = format!("{:?} {calls:?}", world.app());
    assert!(!shown.contains("secret\"") && !shown.contains("token-1") && !shown.contains("psst"), "{shown}");
}
