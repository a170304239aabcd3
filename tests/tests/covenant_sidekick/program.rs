//! The program as an operator meets it.

use std::io::Read as _;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use chanson_tests::client::{self, Incoming, Reader};
use chanson_tests::tools::{Rooms, binary};
use chanson_tests::transport::{Received, Tcp, TcpConn, Transport as _};

use crate::server::{Server, answer};

fn run(args: &[&str], env: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary("chanson-mio", "covenant-sidekick"));
    for name in ["PORT", "SECRET", "AUTH_DELAY", "SERVER_URL", "SERVER_SECRET", "SERVER_CA", "TLS_CERT", "TLS_KEY"] {
        command.env_remove(format!("SIDEKICK_{name}"));
    }
    command.args(args).envs(env.iter().copied()).stdin(Stdio::null()).output().unwrap()
}

pub(crate) fn start(flags: &[&str]) -> Rooms {
    Rooms::start_binary(&binary("chanson-mio", "covenant-sidekick"), &[&["--secret", "S"], flags].concat())
}

pub(crate) fn post(tcp: &mut Tcp, path: &str, secret: &str, body: &str) -> u16 {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\nConnection: close\r\n");
    let mut conn = tcp.connect();
    tcp.send(&mut conn, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
    let mut answer = Vec::new();
    while let Received::Bytes(bytes) = tcp.receive(&mut conn, PATIENCE) {
        answer.extend(bytes);
    }
    std::str::from_utf8(&answer).unwrap().split(' ').nth(1).unwrap().parse().unwrap()
}

/// A client's WebSocket.
pub(crate) struct Socket {
    pub(crate) conn: TcpConn,
    reader: Reader,
}

impl Socket {
    pub(crate) fn open(tcp: &mut Tcp) -> Self {
        let mut conn = tcp.connect();
        tcp.send(&mut conn, &client::handshake("/socket", "a", &[]));
        let mut socket = Self { conn, reader: Reader::default() };
        while socket.reader.head().unwrap().is_none() {
            socket.receive(tcp);
        }
        socket
    }

    fn receive(&mut self, tcp: &mut Tcp) {
        match tcp.receive(&mut self.conn, PATIENCE) {
            Received::Bytes(bytes) => self.reader.feed(&bytes),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn say(&mut self, tcp: &mut Tcp, text: &str) {
        tcp.send(&mut self.conn, &client::text(text));
    }

    pub(crate) fn hear(&mut self, tcp: &mut Tcp) -> Incoming {
        loop {
            if let Some(incoming) = self.reader.incoming() {
                return incoming;
            }
            self.receive(tcp);
        }
    }

    pub(crate) fn hear_text(&mut self, tcp: &mut Tcp) -> String {
        match self.hear(tcp) {
            Incoming::Text(text) => text,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn connection(token: &str) -> String {
    format!(r#"{{ "token": "{token}", "channel": "c", "params": {{}}, "context": 1 }}"#)
}

/// Announces a client and brings it into its room.
pub(crate) fn subscriber(tcp: &mut Tcp, token: &str) -> Socket {
    assert_eq!(post(tcp, "/connection", "S", &connection(token)), 200);
    let mut socket = Socket::open(tcp);
    socket.say(tcp, &format!(r#"{{ "type": "subscribe", "token": "{token}" }}"#));
    assert!(socket.hear_text(tcp).contains("subscribed"));
    socket
}

pub(crate) fn send(tcp: &mut Tcp, socket: &mut Socket, token: &str, data: &str) {
    let send = format!(r#"{{ "type": "send", "token": "{token}", "channel": "c", "params": {{}}, "data": {data} }}"#);
    socket.say(tcp, &send);
}

#[test]
fn what_is_wrong_is_said_on_stderr() {
    for (args, env, said) in [
        (&[][..], &[][..], "Error: Secret key is required."),
        (&["--port", "x"], &[("SIDEKICK_SECRET", "S")], "Error: --port must be a valid port number (1-65535)"),
        (&["--secret", "S"], &[("SIDEKICK_AUTH_DELAY", "-5")], "Error: --auth-delay must be a non-negative number"),
        (&["--secret", "S", "--server-url", "ftp://a"], &[], "Error: --server-url"),
        (&["--secret", "S", "--host", "256.0.0.1"], &[], "Error: "),
        (&["--secret", "S", "--max-message", "15728641"], &[], "Error: --max-message must be at most 15728640"),
        (&["--what"], &[], "error: unknown option '--what'"),
    ] {
        let output = run(args, env);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(stderr.starts_with(said) && output.stdout.is_empty(), "{args:?}: {stderr}");
    }
}

#[test]
fn help_names_every_option_and_variable() {
    let output = run(&["--help"], &[]);
    let help = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success());
    for word in [
        "--port",
        "--secret",
        "--auth-delay",
        "--server-url",
        "--server-secret",
        "--server-ca",
        "--tls-cert",
        "--tls-key",
        "--host",
        "--max-connections",
        "--max-message",
        "--max-queued",
        "--max-rooms",
        "--max-pending ",
        "--max-pending-bytes",
        "--max-in-flight ",
        "--order-wait",
        "--token-ttl",
        "--drain",
        "SIDEKICK_PORT",
        "SIDEKICK_SECRET",
        "SIDEKICK_AUTH_DELAY",
        "SIDEKICK_SERVER_URL",
        "SIDEKICK_SERVER_SECRET",
        "SIDEKICK_SERVER_CA",
        "SIDEKICK_TLS_CERT",
        "SIDEKICK_TLS_KEY",
        "The original",
    ] {
        assert!(help.contains(word), "{word}");
    }
}

#[test]
fn the_environment_is_used_and_no_secret_is_printed() {
    let mut command = Command::new(binary("chanson-mio", "covenant-sidekick"));
    command.env("SIDEKICK_PORT", "0").env("SIDEKICK_SECRET", "hush1").env("SIDEKICK_SERVER_URL", "http://127.0.0.1:1/");
    command.env("SIDEKICK_SERVER_SECRET", "hush2").env("SIDEKICK_AUTH_DELAY", "0");
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut stdout, mut line) = (child.stdout.take().unwrap(), Vec::new());
    while !line.ends_with(b"\n") {
        let mut byte = [0];
        stdout.read_exact(&mut byte).unwrap();
        line.extend(byte);
    }
    let line = String::from_utf8(line).unwrap();
    let mut tcp = Tcp::new(line.strip_prefix("listening on ").unwrap().trim().parse().unwrap());
    assert_eq!(post(&mut tcp, "/connection", "wrong", &connection("t")), 401);
    assert_eq!(post(&mut tcp, "/connection", "hush1", &connection("t")), 200);
    let mut socket = Socket::open(&mut tcp);
    send(&mut tcp, &mut socket, "t", "1");
    assert!(socket.hear_text(&mut tcp).contains("cannot be reached"));
    child.kill().unwrap();
    let mut rest = String::new();
    stdout.read_to_string(&mut rest).unwrap();
    child.stderr.take().unwrap().read_to_string(&mut rest).unwrap();
    child.wait().unwrap();
    assert!(!line.contains("hush") && !rest.contains("hush"), "{line}{rest}");
}

#[test]
fn a_wrong_secret_waits_alone() {
    let program = start(&["--auth-delay", "400"]);
    let (mut tcp, address) = (program.tcp(), program.address());
    let waiting = std::thread::spawn(move || {
        let (mut tcp, start) = (Tcp::new(address), Instant::now());
        (post(&mut tcp, "/message", "wrong", "{}"), start.elapsed())
    });
    let mut others = 0;
    while !waiting.is_finished() {
        assert_eq!(post(&mut tcp, "/resources", "S", r#"{"resources":[]}"#), 200);
        others += 1;
    }
    let (status, elapsed) = waiting.join().unwrap();
    assert!(status == 401 && elapsed >= Duration::from_millis(400) && others > 1, "{status} {elapsed:?} {others}");
}

#[test]
fn one_connection_too_many_is_answered() {
    let program = start(&["--max-connections", "1"]);
    let mut tcp = program.tcp();
    let _socket = Socket::open(&mut tcp);
    assert_eq!(post(&mut tcp, "/resources", "S", r#"{"resources":[]}"#), 503);
}

#[test]
fn tokens_expire_by_the_clock() {
    let program = start(&["--token-ttl", "50ms"]);
    let mut tcp = program.tcp();
    assert_eq!(post(&mut tcp, "/connection", "S", &connection("t")), 200);
    std::thread::sleep(Duration::from_millis(60));
    let mut socket = Socket::open(&mut tcp);
    socket.say(&mut tcp, r#"{ "type": "subscribe", "token": "t" }"#);
    assert!(socket.hear_text(&mut tcp).contains("Inputted invalid token for subscription"));
}

#[test]
fn too_long_is_answered_by_kind() {
    let program = start(&["--max-message", "1000"]);
    let mut tcp = program.tcp();
    let long = format!(r#"{{ "channel": "c", "params": {{}}, "data": "{}" }}"#, "x".repeat(1000));
    assert_eq!(post(&mut tcp, "/message", "S", &long), 413);
    let mut socket = Socket::open(&mut tcp);
    socket.say(&mut tcp, &long);
    assert!(matches!(socket.hear(&mut tcp), Incoming::Close(Some(close)) if close.code == 1009));
}

#[test]
fn a_long_message_goes_both_ways() {
    let server = Server::start(|_, body| {
        let data = body.matches("xx").count() * 2;
        answer("400 Bad Request", &format!(r#"{{ "fault": "client", "message": "{data}" }}"#))
    });
    let program = start(&["--max-message", "15728640", "--server-url", &server.url("/")]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    let long = "x".repeat(15_000_000);
    send(&mut tcp, &mut socket, "t", &format!("\"{long}\""));
    assert!(socket.hear_text(&mut tcp).contains(r#""message": "15000000""#));
    let body = format!(r#"{{ "channel": "c", "params": {{}}, "data": "{long}" }}"#);
    assert_eq!(post(&mut tcp, "/message", "S", &body), 200);
    assert!(socket.hear_text(&mut tcp).contains(&long));
}

#[test]
fn a_client_that_reads_outlives_some_long_messages_at_once() {
    let program = start(&["--max-message", "1000000"]);
    let (mut tcp, address) = (program.tcp(), program.address());
    let mut socket = subscriber(&mut tcp, "t");
    let body = format!(r#"{{ "channel": "c", "params": {{}}, "data": "{}" }}"#, "x".repeat(900_000));
    // Nothing is read until all have been told.
    for _ in 0..4 {
        assert_eq!(post(&mut Tcp::new(address), "/message", "S", &body), 200);
    }
    for _ in 0..4 {
        assert!(socket.hear_text(&mut tcp).contains("xxx"));
    }
}

#[test]
fn rooms_and_resources_of_a_connection_are_as_many_as_the_flag_says() {
    let program = start(&["--max-rooms", "2"]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    socket.say(&mut tcp, r#"{ "type": "listen", "resources": ["a"] }"#);
    assert!(socket.hear_text(&mut tcp).contains("listening"));
    socket.say(&mut tcp, r#"{ "type": "listen", "resources": ["b"] }"#);
    assert!(socket.hear_text(&mut tcp).contains("Too many resources are listened to"));
}

/// Waits until the program has said that on stderr.
pub(crate) fn hear_on_stderr(program: &Rooms, what: &str) {
    let start = Instant::now();
    while !program.stderr().contains(what) {
        assert!(start.elapsed() < PATIENCE, "{what:?} is not said, but {:?}", program.stderr());
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn who_breaks_a_rule_is_seen_on_stderr() {
    let program = start(&["--auth-delay", "0"]);
    let mut tcp = program.tcp();
    for _ in 0..20 {
        assert_eq!(post(&mut tcp, "/message", "hush", "{}"), 401);
    }
    hear_on_stderr(&program, "requests with a wrong secret: 1");
    let mut conn = tcp.connect();
    tcp.send(&mut conn, b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    hear_on_stderr(&program, "a TLS handshake on a port without TLS");
    let said = program.stderr();
    assert!(said.lines().count() < 10 && !said.contains("hush"), "{said}");
}

#[cfg(unix)]
#[test]
fn a_second_signal_ends_it_at_once() {
    let mut program = start(&["--drain", "600000"]);
    let mut tcp = program.tcp();
    // It reads what it is told and does not say goodbye.
    let mut socket = Socket::open(&mut tcp);
    signal(&program);
    assert!(matches!(socket.hear(&mut tcp), Incoming::Close(Some(close)) if close.code == 1012));
    signal(&program);
    let start = Instant::now();
    assert!(program.child().wait().unwrap().success());
    assert!(start.elapsed() < PATIENCE);
}

#[cfg(unix)]
pub(crate) fn signal(program: &Rooms) {
    let pid = rustix::process::Pid::from_raw(program.id().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
