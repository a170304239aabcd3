//! The chat example, as a program: alone, and with our Sidekick.

use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

use chanson_tests::tools::{Rooms, binary, example, free_port};

/// What it prints, sorted: each hears on a thread of its own.
fn chat(flags: &[&str]) -> Vec<String> {
    let program = example("chanson-std", "covenant_chat");
    let mut child =
        Command::new(program).args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let lines = format!("ann hello\nbob hi ann\n/announce soup is ready\nmallory let me in\nann {}\n", "x".repeat(501));
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let mut said = String::new();
    child.stdout.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    let mut said: Vec<_> = said.lines().map(str::to_owned).collect();
    said.sort_unstable();
    said
}

const EXPECTED: [&str; 7] = [
    "ann hears ann: hello",
    "ann hears bob: hi ann",
    "ann hears system: soup is ready",
    "ann is told: chat: Message too long (fault: client)",
    "bob hears bob: hi ann",
    "bob hears system: soup is ready",
    "mallory is not let in: Invalid token",
];

#[test]
fn alone() {
    assert_eq!(chat(&[]), EXPECTED);
}

#[test]
fn with_a_sidekick_of_its_own() {
    let port = free_port().to_string();
    let url = format!("http://127.0.0.1:{port}/api/covenant");
    let flags = ["--secret", "S", "--server-url", &url, "--server-secret", "T"];
    let sidekick = Rooms::start_binary(&binary("chanson-mio", "covenant-sidekick"), &flags);
    let sidekick_url = format!("http://{}", sidekick.address());
    assert_eq!(
        chat(&["--port", &port, "--sidekick", &sidekick_url, "--secret", "S", "--server-secret", "T"]),
        EXPECTED
    );
}
