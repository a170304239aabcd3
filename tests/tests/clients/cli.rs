//! The terminal client, as a program: two of them talk in the chat example, survive its restart, and leave.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use chanson_tests::on_each_host;
use chanson_tests::tools::{Host, Rooms, example};

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

struct Cli {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it says on stdout and on stderr.
    said: Receiver<String>,
    told: Receiver<String>,
}

impl Cli {
    fn start(server: &Rooms, path: &str, args: &[&str]) -> Self {
        let mut child = Command::new(example("chanson-std", "cli"))
            .arg(format!("ws://{}{path}", server.address()))
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdin = child.stdin.take();
        let (said, told) = (lines(child.stdout.take().unwrap()), lines(child.stderr.take().unwrap()));
        Self { child, stdin, said, told }
    }

    fn chat(server: &Rooms, name: &str) -> Self {
        let mut cli = Self::start(server, "/socket", &["room:lobby", "--name", name]);
        cli.waits_for_told(|line| line.starts_with("-- here: "));
        cli
    }

    fn types(&mut self, line: &str) {
        writeln!(self.stdin.as_mut().unwrap(), "{line}").unwrap();
    }

    fn says(&self, expected: &str) {
        assert_eq!(self.said.recv_timeout(PATIENCE).as_deref(), Ok(expected));
    }

    fn tells(&mut self, expected: &str) {
        self.waits_for_told(|line| line == expected);
    }

    fn waits_for_told(&mut self, wanted: impl Fn(&str) -> bool) {
        let mut seen = Vec::new();
        while !seen.last().is_some_and(|line: &String| wanted(line)) {
            let line = self.told.recv_timeout(PATIENCE);
            seen.push(line.unwrap_or_else(|_| panic!("it is not told behind {seen:?}")));
        }
    }

    fn ends(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(start.elapsed() < PATIENCE);
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lines(from: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let lines = BufReader::new(from).lines().map_while(Result::ok);
        lines.map_while(|line| sender.send(line).ok()).for_each(drop);
    });
    receiver
}

#[test]
fn two_of_them_talk_and_survive_a_restart() {
    let mut server = Rooms::start_binary(&example("chanson-mio", "chat"), &[]);
    let mut ana = Cli::chat(&server, "ana");
    ana.types("is anybody there?");
    ana.says("ana: is anybody there?");
    let mut ben = Cli::chat(&server, "ben");
    ben.says("ana: is anybody there?");
    ana.tells("-- ben came");
    ben.types("I am \u{1b}[31mhere");
    // What a terminal would obey is not printed.
    for cli in [&ana, &ben] {
        cli.says("ben: I am \u{fffd}[31mhere");
    }
    ana.types(&"x".repeat(2001));
    ana.tells("-- refused: message too long");

    server = server.again(Rooms::stop);
    for cli in [&mut ana, &mut ben] {
        cli.waits_for_told(|line| line.starts_with("-- connection lost (1012); trying again in "));
    }
    // It waits for the connection.
    ana.types("that was short");
    for cli in [&mut ana, &mut ben] {
        cli.waits_for_told(|line| line.starts_with("-- here: "));
    }
    ana.says("ana: that was short");

    // Ctrl-D, when all is sent.
    ben.types("bye");
    ben.stdin = None;
    assert!(ben.ends().success());
    ana.tells("-- ben left");
    interrupt(&mut ana);
    drop(server);
}

/// Ctrl-C.
#[cfg(unix)]
fn interrupt(cli: &mut Cli) {
    let sent = Command::new("kill").args(["-INT", &cli.child.id().to_string()]).status();
    assert!(sent.unwrap().success());
    assert!(cli.ends().success());
}

#[cfg(not(unix))]
fn interrupt(_: &mut Cli) {}

#[test]
fn a_join_that_is_refused_is_the_end() {
    let server = Rooms::start_binary(&example("chanson-mio", "chat"), &[]);
    let mut cli = Cli::start(&server, "/socket", &["room:lobby"]);
    cli.tells("the server refuses the join: name required");
    assert_eq!(cli.ends().code(), Some(1));
    let mut cli = Cli::start(&server, "/nothing", &["room:lobby"]);
    cli.waits_for_told(|line| line.contains("the server refused the connection with status 404; trying again"));
    let mut cli = Cli::start(&server, "/socket", &["room:lobby", "--nonsense"]);
    cli.tells("no such flag: --nonsense");
    assert_eq!(cli.ends().code(), Some(2));
}

fn any_server_will_do(host: Host) {
    let Some(server) = Rooms::start(host, &[]) else { return };
    let mut cli = Cli::start(&server, "/socket", &["room:lobby", "--raw", "--params", r#"{"user":"ana"}"#]);
    cli.waits_for_told(|line| line == "-- joined room:lobby");
    cli.types(r#"no_such_event {"n":1}"#);
    let answer = std::iter::from_fn(|| cli.said.recv_timeout(PATIENCE).ok()).find(|line| line.starts_with("error "));
    assert!(answer.is_some());
}

on_each_host! {
    any_server_will_do
}
