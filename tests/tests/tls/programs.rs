//! The clients among the examples with servers that have TLS, and whom they trust.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use chanson_tests::c;
use chanson_tests::tls::Authority;
use chanson_tests::tools::{Host, tls_example};
use chanson_tests::transport::{Received, Transport};

use crate::recorded::rooms;

/// A client that talks as it is told, and is ended with this value.
struct Talk {
    child: Child,
    said: Receiver<String>,
    /// What it has said so far, on stdout and on stderr, which do not wait for each other.
    seen: Vec<String>,
}

impl Talk {
    fn start(command: &mut Command) -> Self {
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let (sender, said) = mpsc::channel();
        let both: [Box<dyn Read + Send>; 2] =
            [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
        for output in both {
            let sender = sender.clone();
            std::thread::spawn(move || {
                let lines = BufReader::new(output).lines().map_while(Result::ok);
                lines.map_while(|line| sender.send(line).ok()).for_each(drop);
            });
        }
        Self { child, said, seen: Vec::new() }
    }

    fn types(&mut self, line: &str) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    /// Waits for a line that has this in it, unless it has come.
    fn says(&mut self, wanted: &str) {
        while !self.seen.iter().any(|line| line.contains(wanted)) {
            let line = self.said.recv_timeout(PATIENCE);
            let line = line.unwrap_or_else(|_| panic!("no {wanted:?} among {:?}", self.seen));
            self.seen.push(line);
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn url(server: SocketAddr) -> String {
    format!("wss://localhost:{}/socket", server.port())
}

#[test]
fn cli_trusts_a_file_or_the_system_and_nobody_else() {
    let (authority, other) = (Authority::new("cli"), Authority::new("cli-other"));
    let server = authority.rooms(&tls_example("chanson-mio", "chat"));
    let cli = tls_example("chanson-std", "cli");
    let start = |name: &str, set: &dyn Fn(&mut Command)| {
        let mut command = Command::new(&cli);
        set(command.arg(url(server.address())).args(["room:lobby", "--name", name]));
        Talk::start(&mut command)
    };
    let mut ann = start("ann", &|command| {
        command.arg("--ca").arg(authority.ca());
    });
    ann.says("-- here: ann");
    // What the system trusts can be said by the environment, where it is in files.
    if cfg!(all(unix, not(target_vendor = "apple"))) {
        let mut bob = start("bob", &|command| {
            command.env("SSL_CERT_FILE", authority.ca());
        });
        bob.says("-- here: ");
        bob.types("hello over TLS");
        ann.says("bob: hello over TLS");
        let mut eve = start("eve", &|command| {
            command.env("SSL_CERT_FILE", other.ca());
        });
        eve.says("-- no connection: the certificate is signed by nobody who is trusted");
    }
    let mut mallory = start("mallory", &|command| {
        command.arg("--ca").arg(other.ca());
    });
    mallory.says("-- no connection: the certificate is signed by nobody who is trusted");
    ann.types("goodbye");
    ann.says("ann: goodbye");
}

#[test]
fn bots_chat() {
    let authority = Authority::new("bots");
    let server = authority.rooms(&tls_example("chanson-mio", "rooms"));
    let mut bots = Command::new(tls_example("chanson-mio", "bots"));
    bots.arg("--url").arg(url(server.address())).arg("--ca").arg(authority.ca());
    let mut bots = Talk::start(bots.args(["--bots", "20", "--rooms", "2", "--seconds", "1"]));
    bots.says("20 of 20 bots in 2 rooms");
}

fn in_c(name: &str) -> Option<std::path::PathBuf> {
    cfg!(unix).then(|| c::tls_example(name)).flatten()
}

#[test]
fn the_client_in_c_trusts_a_file_and_nobody_else() {
    let Some(client) = in_c("client") else { return };
    let (authority, other) = (Authority::new("c"), Authority::new("c-other"));
    let server = authority.rooms(&rooms(Host::C).unwrap());
    let start = |ca: &Path| {
        let mut command = Command::new(&client);
        Talk::start(command.arg("--url").arg(url(server.address())).arg("--ca").arg(ca))
    };
    let mut client = start(&authority.ca());
    client.types("hello");
    client.says("-- joined room:lobby");
    client.says(r#"new_msg {"body":"hello"}"#);
    start(&other.ca()).says("-- not connected: the certificate is signed by nobody who is trusted");
}

#[test]
fn the_game_in_cpp_has_tls() {
    let Some(game) = in_c("game") else { return };
    let authority = Authority::new("game");
    let server = authority.rooms(&game);
    let mut transport = authority.transport(server.address());
    let mut conn = transport.connect();
    transport.send(&mut conn, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    let Received::Bytes(answer) = transport.receive(&mut conn, PATIENCE) else { panic!("no answer") };
    assert!(answer.starts_with(b"HTTP/1.1 404 "), "{}", answer.escape_ascii());
}

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
