//! Neither the address sanitizer, nor the one for undefined behaviour, nor valgrind finds anything in our programs.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use chanson_tests::c::{examples, program};
use chanson_tests::tools::{require, workspace};
use tungstenite::{Message, WebSocket};

/// Who looks for mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Eye {
    Sanitizers,
    Valgrind,
}

impl Eye {
    /// Builds a program to be run under it; `None` when something is missing.
    fn build(self, name: &str, sources: &[PathBuf]) -> Option<PathBuf> {
        match self {
            Self::Sanitizers => {
                let flags =
                    ["-O1", "-fno-omit-frame-pointer", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
                program(&format!("{name}-sanitized"), sources, &flags)
            }
            Self::Valgrind => require("valgrind").and_then(|_| program(&format!("{name}-plain"), sources, &["-O1"])),
        }
    }

    /// How to run it: it fails when something is found, what is still reachable at the end not counted.
    fn command(self, binary: &Path) -> Command {
        match self {
            Self::Sanitizers => {
                let mut command = Command::new(binary);
                command.env("ASAN_OPTIONS", "detect_leaks=1:detect_stack_use_after_return=1");
                command.env("UBSAN_OPTIONS", "print_stacktrace=1");
                command
            }
            Self::Valgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
                command.arg("--errors-for-leak-kinds=definite,indirect,possible").arg(binary);
                command
            }
        }
    }
}

/// A server in a process of its own, which ends with this value.
pub(crate) struct Program {
    child: Child,
    address: SocketAddr,
    told: Option<JoinHandle<String>>,
}

impl Program {
    /// Starts one that says where it listens.
    fn start(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let told = read_all(child.stderr.take().unwrap());
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        read_all(stdout);
        let Some(address) = line.trim().strip_prefix("listening on ").and_then(|address| address.parse().ok()) else {
            let _ = child.kill();
            let _ = child.wait();
            panic!("{command:?} said {line:?}\n{}", told.join().unwrap());
        };
        Self { child, address, told: Some(told) }
    }

    /// Starts one that listens there and does not say so.
    pub(crate) fn silent(binary: &Path, address: SocketAddr) -> Self {
        let mut child = Command::new(binary).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let told = read_all(child.stderr.take().unwrap());
        let deadline = Instant::now() + PATIENCE;
        while TcpStream::connect(address).is_err() {
            assert!(child.try_wait().unwrap().is_none(), "it has ended");
            assert!(Instant::now() < deadline, "nobody listens on {address}");
            thread::sleep(Duration::from_millis(5));
        }
        Self { child, address, told: Some(told) }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Ends it as an operator does; it has to end well, and with nothing found.
    fn ends_well(mut self) {
        let asked = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(asked.success());
        let status = ended(&mut self.child);
        let told = self.told.take().unwrap().join().unwrap();
        assert!(status.success(), "{status}\n{told}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let (true, Some(told)) = (thread::panicking(), self.told.take()) {
            eprintln!("the program's stderr:\n{}", told.join().unwrap_or_default());
        }
    }
}

fn ended(child: &mut Child) -> std::process::ExitStatus {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status;
        }
        if Instant::now() > deadline {
            let _ = child.kill();
            let _ = child.wait();
            panic!("it does not end");
        }
        thread::sleep(Duration::from_millis(5));
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> JoinHandle<String> {
    thread::spawn(move || {
        let mut text = Vec::new();
        // What could be read is what is shown.
        let _ = from.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    })
}

/// Nothing takes that long unless it is broken, even under valgrind on a busy machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// A client that joined a topic.
struct Client(WebSocket<TcpStream>);

impl Client {
    fn join(address: SocketAddr, topic: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let url = format!("ws://{address}/socket/websocket?vsn=2.0.0&name=ann&user_id=ann");
        let mut client = Self(tungstenite::client(url, stream).unwrap().0);
        client.say(topic, "phx_join", "{}");
        client.hears(|text| text.contains("phx_reply") && text.contains(r#""status":"ok""#));
        client
    }

    fn say(&mut self, topic: &str, event: &str, payload: &str) {
        let text = format!(r#"["1","2","{topic}","{event}",{payload}]"#);
        self.0.send(Message::text(text)).unwrap();
    }

    fn hears(&mut self, wanted: impl Fn(&str) -> bool) {
        loop {
            if let Message::Text(text) = self.0.read().unwrap()
                && wanted(text.as_str())
            {
                return;
            }
        }
    }
}

/// Two clients join; what one says the other hears.
pub(crate) fn chat(address: SocketAddr, topic: &str, event: &str) {
    let (mut ann, mut bob) = (Client::join(address, topic), Client::join(address, topic));
    ann.say(topic, event, r#"{"body":"good morning"}"#);
    bob.hears(|text| text.contains(event) && text.contains("good morning"));
    bob.say(topic, event, r#"{"body":"good evening"}"#);
    ann.hears(|text| text.contains(event) && text.contains("good evening"));
    // One says goodbye, the other is just gone.
    ann.0.close(None).unwrap();
    while ann.0.read().is_ok() {}
}

fn test_program(eye: Eye, name: &str, arguments: &[&str]) {
    let folder = workspace().join("ffi/tests/c");
    let source = ["c", "cpp"].map(|extension| folder.join(format!("{name}.{extension}")));
    run_program(eye, name, &[source.into_iter().find(|file| file.exists()).unwrap()], arguments);
}

fn run_program(eye: Eye, name: &str, sources: &[PathBuf], arguments: &[&str]) {
    let Some(binary) = eye.build(name, sources) else { return };
    let mut command = eye.command(&binary);
    let mut child = command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (said, told) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
    let status = ended(&mut child);
    let (said, told) = (said.join().unwrap(), told.join().unwrap());
    assert!(status.success() && said == "OK\n", "{status}\n{said}\n{told}");
}

/// Starts an example on a port of its own choice.
fn example(eye: Eye, name: &str, arguments: &[&str]) -> Option<Program> {
    let (_, sources) = examples().into_iter().find(|(example, _)| example == name).unwrap();
    let mut command = eye.command(&eye.build(name, &sources)?);
    command.args(["--port", "0"]).args(arguments);
    Some(Program::start(command))
}

fn cycles(eye: Eye) {
    // Valgrind is fifty times slower.
    let count = if eye == Eye::Sanitizers { ["10000", "10000"] } else { ["1000", "50"] };
    test_program(eye, "cycles", &count);
}

fn closures(eye: Eye) {
    test_program(eye, "closures", &[]);
}

fn tcp(eye: Eye) {
    test_program(eye, "tcp", &[]);
}

fn channels(eye: Eye) {
    let sources = ["ffi/tests/c/channels.c", "ffi/examples/rooms_channels.c"].map(|source| workspace().join(source));
    run_program(eye, "channels", &sources, &[]);
}

fn rooms(eye: Eye) {
    let Some(server) = example(eye, "rooms", &[]) else { return };
    chat(server.address(), "room:lobby", "new_msg");
    let mut plain = TcpStream::connect(server.address()).unwrap();
    plain.write_all(b"GET /nothing HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    plain.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 "), "{answer}");
    // One is there when it ends.
    let mut last = Client::join(server.address(), "room:lobby");
    server.ends_well();
    while last.0.read().is_ok() {}
}

fn game(eye: Eye) {
    let Some(server) = example(eye, "game", &["--report", "1"]) else { return };
    let mut player = Client::join(server.address(), "game:1");
    player.say("game:1", "right", "{}");
    let (mut ticks, mut x) = (0, 0);
    while ticks < 30 || x <= 500 {
        // 2, three lengths, topic and event in front of the data; then tick, number, x, y.
        if let Message::Binary(bytes) = player.0.read().unwrap() {
            let state = bytes.strip_prefix(b"\x02\x06\x05game:1state").unwrap_or_else(|| panic!("{bytes:?}"));
            assert_eq!(state.len(), 12);
            (ticks, x) = (ticks + 1, u16::from_le_bytes([state[8], state[9]]));
        }
    }
    server.ends_well();
    while player.0.read().is_ok() {}
}

/// The client talks in the rooms server, and hears itself.
fn client(eye: Eye) {
    let Some(server) = example(eye, "rooms", &[]) else { return };
    let (_, sources) = examples().into_iter().find(|(example, _)| example == "client").unwrap();
    let Some(binary) = eye.build("client", &sources) else { return };
    let mut other = Client::join(server.address(), "room:lobby");
    let mut command = eye.command(&binary);
    command.arg("--url").arg(format!("ws://{}/socket", server.address())).args(["--topic", "room:lobby"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (said, told) = (read_all(child.stdout.take().unwrap()), read_all(child.stderr.take().unwrap()));
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"good \"morning\"\n\nlong ").unwrap();
    // What others say while it is typed: it has joined by then, since it is heard.
    other.hears(|text| text.contains(r#"{"body":"good \"morning\""}"#));
    other.say("room:lobby", "new_msg", r#"{"body":"from elsewhere"}"#);
    stdin.write_all(&[b'x'; 5000]).unwrap();
    stdin.write_all(b"\x01\nlast, without an end").unwrap();
    other.hears(|text| text.contains(r"xx\u0001"));
    drop(stdin);
    let status = ended(&mut child);
    let (said, told) = (said.join().unwrap(), told.join().unwrap());
    assert!(status.success(), "{status}\n{said}\n{told}");
    assert!(told.contains("-- joined room:lobby"), "{told}");
    for wanted in [r#"new_msg {"body":"good \"morning\""}"#, "from elsewhere", "last, without an end"] {
        assert!(said.contains(wanted), "{wanted} is not in {said}");
    }
    server.ends_well();
}

macro_rules! under_each_eye {
    ($($test:ident)*) => {
        mod under_sanitizers {$(
            #[test]
            fn $test() {
                super::$test(super::Eye::Sanitizers);
            }
        )*}
        mod under_valgrind {$(
            #[test]
            fn $test() {
                super::$test(super::Eye::Valgrind);
            }
        )*}
    };
}

under_each_eye! {
    cycles
    closures
    tcp
    channels
    rooms
    game
    client
}
