//! The published Covenant packages from npm, each with the originals of its counterparts and with ours: a client's
//! procedures, connections, messages, errors, listeners; secrets; and what each sees of the others.

use std::path::PathBuf;

use chanson_tests::script;
use chanson_tests::tools::{Rooms, binary, example, free_port};

/// A program, and whether it is the published one.
struct Program {
    path: PathBuf,
    flags: Vec<String>,
    original: bool,
}

impl Program {
    fn original(script: &str) -> Self {
        let flags = vec![script::js(script).display().to_string()];
        Self { path: script::bun_program(), flags, original: true }
    }

    fn ours(path: PathBuf) -> Self {
        Self { path, flags: Vec::new(), original: false }
    }

    fn start(&self, port: u16, flags: &[&str]) -> Rooms {
        let all: Vec<_> = self.flags.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        Rooms::start_on(port, &self.path, &all)
    }
}

/// The published client talks to that server, which has that sidekick.
fn talk(server: impl FnOnce() -> Program, sidekick: impl FnOnce() -> Program) {
    let Some(mut script) = script::bun("covenant.mjs") else { return };
    let (server, sidekick) = (server(), sidekick());
    let port = free_port();
    let server_url = format!("http://127.0.0.1:{port}/api/covenant");
    // Whoever has a wrong secret waits for the delay.
    let flags = ["--secret", "S1", "--auth-delay", "50", "--server-url", &server_url, "--server-secret", "S2"];
    let running_sidekick = sidekick.start(0, &flags);
    let sidekick_url = format!("http://{}", running_sidekick.address());
    let flags = ["--sidekick-url", &sidekick_url, "--server-secret", "S2", "--sidekick-secret"];
    let _server = server.start(port, &[&flags[..], &["S1"]].concat());
    let misled = server.start(0, &[&flags[..], &["wrong"]].concat());

    let misled_url = format!("http://{}/api/covenant", misled.address());
    script.args(["--server", &server_url, "--sidekick", &sidekick_url, "--misled-server", &misled_url]);
    script.args(["--sidekick-secret", "S1", "--server-secret", "S2"]);
    script.args(server.original.then_some("--original-server"));
    script.args(sidekick.original.then_some("--original-sidekick"));
    script::run_alone(script, || panic!("nothing is to be restarted"));
}

fn original_server() -> Program {
    Program::original("covenant_server.mjs")
}

fn original_sidekick() -> Program {
    Program::original("covenant_sidekick.mjs")
}

fn our_server() -> Program {
    Program::ours(example("chanson-std", "covenant_server"))
}

/// It keeps the order however slow this machine is.
fn our_sidekick() -> Program {
    let flags = ["--order-wait", "60000"].map(str::to_owned).to_vec();
    Program { flags, ..Program::ours(binary("chanson-mio", "covenant-sidekick")) }
}

#[test]
fn the_client_works_with_the_originals() {
    talk(original_server, original_sidekick);
}

#[test]
fn the_client_works_with_the_original_server_and_our_sidekick() {
    talk(original_server, our_sidekick);
}

#[test]
fn the_client_works_with_our_server_and_the_original_sidekick() {
    talk(our_server, original_sidekick);
}

#[test]
fn the_client_works_with_our_server_and_our_sidekick() {
    talk(our_server, our_sidekick);
}

/// One contract on two wires: the npm `phoenix` client and the Covenant client in the same rooms.
#[test]
fn the_client_and_phoenix_js_talk_in_one_room() {
    let Some(mut script) = script::bun("covenant_two_wires.mjs") else { return };
    let server = Rooms::start_binary(&example("chanson-std", "covenant_two_wires"), &[]);
    script.arg(server.address().to_string());
    script::run_alone(script, || panic!("nothing is to be restarted"));
}
