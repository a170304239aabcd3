//! RFC 6455 by the Autobahn|Testsuite: its client against the echo of every rooms server, and our client against its
//! server. A sample of its cases always, all of them by hand: `cargo test -p chanson-tests --test autobahn -- --ignored`.
#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader, IoSlice, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use chanson_core::frame::Frame;
use chanson_core::http::Upgrade;
use chanson_core::session::{Config, Event, Session};
use chanson_core::time::Instant;
use chanson_tests::tools::{Host, Rooms, require, skipped, workspace};

/// One or two of each kind that there is.
const SAMPLE: &[&str] = &[
    "1.1.6", "1.2.8", "2.6", "2.10", "3.2", "4.1.3", "5.9", "5.15", "5.18", "6.2.3", "6.3.2", "6.4.1", "7.1.2",
    "7.7.4", "7.9.5", "10.1.1",
];

fn a_sample_passes(host: Host) {
    check_server(host, &SAMPLE.iter().flat_map(|case| ["--cases", case]).collect::<Vec<_>>());
}

chanson_tests::on_each_host! { a_sample_passes }

macro_rules! by_hand {
    ($($module:ident $host:ident)*) => {$(
        mod $module {
            #[test]
            #[ignore = "all cases: by hand"]
            fn everything_passes() {
                super::check_server(chanson_tests::tools::Host::$host, &[]);
            }
        }
    )*};
}

by_hand! { all_on_mio Mio all_on_threads Threads all_on_c C }

#[test]
fn a_client_passes_a_sample() {
    check_client(&SAMPLE.iter().flat_map(|case| ["--cases", case]).collect::<Vec<_>>());
}

#[test]
#[ignore = "all cases: by hand"]
fn a_client_passes_everything() {
    check_client(&[]);
}

fn check_server(host: Host, cases: &[&str]) {
    let Some(mut kit) = kit() else { return };
    let Some(rooms) = Rooms::start(host, &[]) else { return };
    let output = kit.args(cases).arg(format!("ws://{}/echo", rooms.address())).output().unwrap();
    check(&output);
}

fn check_client(cases: &[&str]) {
    let Some(mut kit) = kit() else { return };
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    kit.args(["--server", "--listen", &address]).args(cases).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut server = kit.spawn().unwrap();
    if serves(&mut server) {
        let count = Client::open(&address, "/getCaseCount").hear_number();
        for case in 1..=count {
            Client::open(&address, &format!("/runCase?case={case}&agent=testee")).echo();
        }
    }
    // It writes its report then.
    Command::new("kill").arg(server.id().to_string()).status().unwrap();
    check(&server.wait_with_output().unwrap());
}

/// Waits until the kit says that it serves.
fn serves(server: &mut Child) -> bool {
    let lines = BufReader::new(server.stderr.take().unwrap()).lines();
    lines.map_while(Result::ok).any(|line| line.contains("fuzzing server at"))
}

/// The kit, if it can run here: it is, and there is a Python of the kind that the suite needs.
fn kit() -> Option<Command> {
    let python = require("python3")?;
    let script = workspace().join("tests/autobahn/run");
    let ready = Command::new(&python).arg(&script).arg("--install-only").output().unwrap();
    if !ready.status.success() {
        let why = format!("the Autobahn suite cannot run: {}", String::from_utf8_lossy(&ready.stderr));
        // Python 2.7 is in no distribution any more; without the right to make a place for it, CI cannot have it either.
        match why.contains("needs root") {
            true => eprintln!("SKIPPED: {why}"),
            false => skipped(&why),
        }
        return None;
    }
    Some(command(&python, &script))
}

fn command(python: &Path, script: &Path) -> Command {
    let mut command = Command::new(python);
    command.arg(script);
    command
}

/// What the kit found: nothing FAILED or UNCLEAN, and all ran.
fn check(output: &Output) {
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    println!("{said}");
    assert!(output.status.success() && said.contains(", 0 failed"), "{}\n{said}\n{complained}", output.status);
}

/// An echo on a session that is a client.
struct Client {
    session: Session,
    stream: TcpStream,
    start: std::time::Instant,
}

impl Client {
    fn open(address: &str, target: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let config = Arc::new(Config::default());
        let upgrade = Upgrade::new(address, target).unwrap();
        let session = Session::client(Instant::ORIGIN, &config, upgrade, 32 << 20, [7; 32]);
        let mut client = Self { session, stream, start: std::time::Instant::now() };
        client.flush();
        client
    }

    /// Gives every message back until the connection ends.
    fn echo(mut self) {
        self.run(|_| false);
    }

    /// The number that comes as a text.
    fn hear_number(mut self) -> usize {
        let mut number = None;
        self.run(|text| {
            number = text.parse().ok();
            true
        });
        number.unwrap()
    }

    fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap())
    }

    /// Answers every message with itself, unless `take` has taken it.
    fn run(&mut self, mut take: impl FnMut(&str) -> bool) {
        let mut buffer = vec![0; 64 << 10];
        while !self.session.is_finished() {
            match self.stream.read(&mut buffer) {
                Ok(0) => self.session.handle_eof(self.now()),
                Ok(count) => self.session.handle_bytes(self.now(), &buffer[..count]),
                // The suite has ended it, with something of ours unread.
                Err(_) => return,
            }
            let mut answers = Vec::new();
            while let Some(event) = self.session.poll_event() {
                match event {
                    Event::Text(text) if take(text) => {}
                    Event::Text(text) => answers.push(Frame::text(text)),
                    Event::Binary(data) => answers.push(Frame::binary(data)),
                    _ => {}
                }
                answers.drain(..).for_each(|frame| self.session.queue(&frame));
            }
            self.flush();
        }
    }

    fn flush(&mut self) {
        loop {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = self.session.pending(&mut slices);
            if count == 0 {
                return;
            }
            // Whoever has closed does not read any more, and is read to the end all the same.
            let sent = slices[..count].iter().map(|slice| slice.len()).sum();
            let written = slices[..count].iter().try_for_each(|slice| self.stream.write_all(slice));
            self.session.advance(self.now(), sent);
            if written.is_err() {
                return;
            }
        }
    }
}

/// The suite is silent for two seconds at most.
const PATIENCE: Duration = Duration::from_secs(20);
