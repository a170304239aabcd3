//! Scripts that node runs against a server of ours: the real JavaScript clients, and the browser.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::tools::{Rooms, require, skipped, workspace};

/// Where the scripts and their packages are, installed. `None` when there is no node to run them, or no way to install
/// the packages (see [`skipped`]).
pub fn scripts() -> Option<&'static Path> {
    static SCRIPTS: OnceLock<Option<PathBuf>> = OnceLock::new();
    let ready = SCRIPTS.get_or_init(|| {
        let (_, npm) = (require("node")?, require("npm")?);
        let folder = workspace().join("tests/js");
        let marker = folder.join("node_modules/.package-lock.json");
        let stamp = |file: &Path| file.metadata().and_then(|meta| meta.modified()).ok();
        let fresh =
            stamp(&marker).is_some_and(|made| stamp(&folder.join("package-lock.json")).is_some_and(|l| l <= made));
        let installed = fresh || {
            let install = Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder).output();
            install.is_ok_and(|output| output.status.success())
        };
        installed.then_some(folder)
    });
    if ready.is_none() {
        skipped("this needs node, npm and the packages of tests/js (`npm ci` there)");
    }
    ready.as_deref()
}

/// Runs a script to its end. When it prints `RESTART`, the server is stopped, started again on the same port, and the
/// script told so.
///
/// # Panics
/// When the script fails, or takes longer than two minutes (ten times what is expected).
pub fn run(script: &str, args: &[&str], mut server: Rooms, restart: impl Fn(Rooms) -> Rooms) {
    let Some(folder) = scripts() else { return };
    let mut node = Command::new("node");
    node.arg(script).args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = node.spawn().expect("node starts");
    let mut stdin = child.stdin.take().expect("it is piped");
    let lines = lines(child.stdout.take().expect("it is piped"));
    let errors = lines_of(child.stderr.take().expect("it is piped"));
    let deadline = Instant::now() + LIMIT;
    let mut said = Vec::new();
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line == "RESTART" => {
                server = restart(server);
                stdin.write_all(b"RESTARTED\n").expect("the script listens");
            }
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                end(&mut child);
                panic!(
                    "{script} did not end in {LIMIT:?}:\n{}\n{}",
                    said.join("\n"),
                    errors.join().unwrap_or_default()
                );
            }
        }
    }
    let status = child.wait().expect("it has ended");
    let ok = status.success() && said.last().is_some_and(|line| line == "OK");
    assert!(ok, "{script} {args:?}: {status}\n{}\n{}", said.join("\n"), errors.join().unwrap_or_default());
}

fn end(child: &mut Child) {
    // It may have ended just now, which is as good.
    let _ = child.kill();
    let _ = child.wait();
}

fn lines(from: impl Read + Send + 'static) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let lines = BufReader::new(from).lines().map_while(Result::ok);
        lines.map_while(|line| sender.send(line).ok()).for_each(drop);
    });
    receiver
}

fn lines_of(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut text = String::new();
        // What could be read is what is shown.
        let _ = from.read_to_string(&mut text);
        text
    })
}

const LIMIT: Duration = Duration::from_secs(120);
