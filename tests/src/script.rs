//! Scripts in other languages that talk to a server of ours: other people's clients, and the browser.
//!
//! A script prints `ok NAME` for each check and `OK` at the end. Where the server has to restart, it prints `RESTART` and
//! waits for the line `RESTARTED`.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use crate::tools::{Rooms, require, skipped, target, workspace};

/// A script of `tests/js`, with the packages that it needs installed. `None` when there is no node to run it, or no way
/// to install the packages (see [`skipped`]).
pub fn node(script: &str) -> Option<Command> {
    ready(installed_node(), &js(script), JS)
}

/// A script of `tests/js` that runs on bun, which is one of the packages there: some packages' modules name each other in
/// a way that node does not read. `None` as for [`node`].
pub fn bun(script: &str) -> Option<Command> {
    ready(installed_node().map(|_| bun_program()).as_deref(), &js(script), JS)
}

/// The program that runs [`bun`] scripts, where it is installed; it is called so on every system.
pub fn bun_program() -> PathBuf {
    js("node_modules/bun/bin/bun.exe")
}

/// A file of `tests/js`.
pub fn js(file: &str) -> PathBuf {
    workspace().join("tests/js").join(file)
}

/// Node, when the packages of `tests/js` are installed or could be.
fn installed_node() -> Option<&'static Path> {
    static NODE: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = js("");
    let node = NODE.get_or_init(|| {
        let (node, npm) = (require("node")?, require("npm")?);
        let marker = folder.join("node_modules/.package-lock.json");
        let stamp = |file: &Path| file.metadata().and_then(|meta| meta.modified()).ok();
        let fresh =
            stamp(&marker).is_some_and(|made| stamp(&folder.join("package-lock.json")).is_some_and(|l| l <= made));
        let install = || succeeds(Command::new(npm).args(["ci", "--no-audit", "--no-fund"]).current_dir(&folder));
        (fresh || install()).then_some(node)
    });
    node.as_deref()
}

/// A script of `tests/python`, with the packages that it needs in an environment of their own in the target folder.
/// `None` when there is no python to run it, or no way to install the packages (see [`skipped`]).
pub fn python(script: &str) -> Option<Command> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let folder = workspace().join("tests/python");
    let python = PYTHON.get_or_init(|| {
        let system = require("python3")?;
        let environment = target().join("python");
        let python = environment.join(if cfg!(windows) { "Scripts/python.exe" } else { "bin/python" });
        let (wanted, installed) = (folder.join("requirements.txt"), environment.join("requirements.txt"));
        let fresh = || fs::read(&wanted).is_ok_and(|wanted| fs::read(&installed).is_ok_and(|had| had == wanted));
        let install = || {
            succeeds(Command::new(system).args(["-m", "venv", "--clear"]).arg(&environment))
                && succeeds(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&wanted))
                && fs::copy(&wanted, &installed).is_ok()
        };
        (fresh() || install()).then_some(python)
    });
    ready(python.as_deref(), &folder.join(script), "python3 with venv and pip, and the packages of tests/python")
}

fn ready(program: Option<&Path>, script: &Path, needs: &str) -> Option<Command> {
    let Some(program) = program else {
        skipped(&format!("this needs {needs}"));
        return None;
    };
    let mut command = Command::new(program);
    command.arg(script);
    Some(command)
}

/// Whether it could be run and succeeded; what it said is shown when it did not.
fn succeeds(command: &mut Command) -> bool {
    let output = match command.output() {
        Ok(output) if output.status.success() => return true,
        Ok(output) => format!("{}\n{}", output.status, String::from_utf8_lossy(&output.stderr)),
        Err(error) => error.to_string(),
    };
    eprintln!("{command:?}: {output}");
    false
}

/// Runs a script to its end. When it prints `RESTART`, `end` ends the server, which is started again on the same port,
/// and the script told so.
///
/// # Panics
/// When the script fails, or takes longer than two minutes (ten times what is expected).
pub fn run(script: Command, server: Rooms, end: impl Fn(Rooms)) {
    let mut server = Some(server);
    run_alone(script, || server = server.take().map(|server| server.again(&end)));
}

/// Runs a script to its end. When it prints `RESTART`, `restart` is called, and the script told so.
///
/// # Panics
/// As [`run`].
pub fn run_alone(mut script: Command, mut restart: impl FnMut()) {
    let mut child = script
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|e| panic!("{script:?}: {e}"));
    let mut stdin = child.stdin.take().expect("it is piped");
    let lines = lines(child.stdout.take().expect("it is piped"));
    let errors = lines_of(child.stderr.take().expect("it is piped"));
    let deadline = Instant::now() + LIMIT;
    let mut said = Vec::new();
    let in_time = loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if line == "RESTART" => {
                restart();
                stdin.write_all(b"RESTARTED\n").expect("the script listens");
            }
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Disconnected) => break true,
            Err(RecvTimeoutError::Timeout) => break false,
        }
    };
    if !in_time {
        // It may have ended just now, which is as good.
        let _ = child.kill();
    }
    let status = child.wait().expect("it has ended");
    let ok = in_time && status.success() && said.last().is_some_and(|line| line == "OK");
    let why = if in_time { status.to_string() } else { format!("no end in {LIMIT:?}") };
    assert!(ok, "{script:?}: {why}\n{}\n{}", said.join("\n"), errors.join().unwrap_or_default());
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

/// What scripts of `tests/js` need.
const JS: &str = "node, npm and the packages of tests/js (`npm ci` there)";
