//! The recorded conversations, as far as a sidekick has a part in them, and where ours says something else.

use std::fs;

use chanson_core::wire::ion::{self, Value};
use chanson_tests::tools::workspace;
use data_encoding::BASE64;
use serde::Deserialize;

/// A conversation.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) steps: Vec<Step>,
}

/// What happens next. All but the first and the last two is said by the sidekick.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    /// A client or the server says this.
    Write {
        conn: u32,
        bytes: Vec<u8>,
    },
    Upgraded {
        conn: u32,
        accept: String,
    },
    Response {
        conn: u32,
        status: u16,
        body: String,
    },
    Text {
        conn: u32,
        text: String,
    },
    Pong {
        conn: u32,
        payload: Vec<u8>,
    },
    Close {
        conn: u32,
        code: Option<u16>,
    },
    Closed {
        conn: u32,
    },
    /// It brings a client's message to the server.
    Call {
        target: String,
        headers: Vec<(String, String)>,
        body: String,
    },
    /// The server's answer to that.
    Answer {
        status: u16,
        body: String,
    },
    /// There is no answer.
    NoAnswer {
        reached: bool,
    },
}

/// All conversations in which a sidekick says something.
pub(crate) fn all() -> Vec<Scenario> {
    let folder = workspace().join("tests/data/covenant");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names = files.iter().filter(|file| file.file_stem().is_some_and(|stem| stem != "index"));
    let scenarios = names.map(|file| {
        let recorded: Recorded = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
        let steps = recorded.steps.into_iter().filter_map(RecordedStep::meaning).collect();
        ours(Scenario { name: recorded.scenario, steps })
    });
    scenarios.filter(|scenario| !scenario.steps.is_empty()).collect()
}

/// What ours does where the published one falls short.
fn ours(mut scenario: Scenario) -> Scenario {
    let steps = &mut scenario.steps;
    match &*scenario.name {
        // Nobody listens there.
        "mutation_sidekick_down" => steps.clear(),
        // An answer, where the published one closes the connection, or dies.
        "ws_wrong_path" | "http_bad_target" => {
            steps.pop();
            steps.push(Step::Response { conn: 1, status: 404, body: "Not Found".into() });
        }
        // Dies. Ours tells who sent the message, and lives.
        "send_server_down" | "send_server_hangs_up" => {
            let reached = scenario.name == "send_server_hangs_up";
            steps.retain(|step| !matches!(step, Step::Closed { .. } | Step::NoAnswer { .. }));
            let why = if reached { "the connection ended before the answer had come" } else { "cannot be reached" };
            steps.push(Step::NoAnswer { reached });
            steps.push(error(2, "chat", "room1", "server", &format!("Failed to send message to server: {why}")));
        }
        // A token is for its own channel, before and after it was used.
        "send_wrong_channel_used_token" => {
            let call = steps.iter().position(|step| matches!(step, Step::Call { .. })).unwrap();
            let answer = steps.iter().rposition(|step| matches!(step, Step::Answer { .. })).unwrap();
            let text = r#"{ "type": "error", "error": { "channel": "lobby", "params": {}, "fault": "client", "message": "Token channel mismatch" } }"#;
            steps.splice(call..=answer, [Step::Text { conn: 1, text: text.into() }]);
        }
        // The fault and the message of the server reach the client as they were given.
        "send_error_client" | "send_error_server" | "send_thrown" | "send_undefined_data" => {
            let given = steps.iter().find_map(|step| match step {
                Step::Answer { body, .. } => Some(ion::from_str::<ion::Object>(body).unwrap()),
                _ => None,
            });
            let given = given.unwrap();
            let of = |name| match given.get(name) {
                Some(Value::String(text)) => text.clone(),
                other => panic!("{name}: {other:?}"),
            };
            let told = steps.iter_mut().rev().find(|step| matches!(step, Step::Text { .. })).unwrap();
            *told = error(1, "chat", "room1", &of("fault"), &of("message"));
        }
        _ => {}
    }
    scenario
}

fn error(conn: u32, channel: &str, room: &str, fault: &str, message: &str) -> Step {
    let error = format!(
        r#"{{ "channel": "{channel}", "params": {{ "roomId": "{room}" }}, "fault": "{fault}", "message": {} }}"#,
        ion::to_string(message).unwrap()
    );
    Step::Text { conn, text: format!(r#"{{ "type": "error", "error": {error} }}"#) }
}

#[derive(Deserialize)]
struct Recorded {
    scenario: String,
    steps: Vec<RecordedStep>,
}

#[derive(Deserialize)]
struct RecordedStep {
    link: String,
    conn: u32,
    from: String,
    kind: String,
    raw: Option<String>,
    target: Option<String>,
    status: Option<u16>,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    opcode: Option<String>,
    text: Option<String>,
    code: Option<u16>,
}

impl RecordedStep {
    /// `None` for what does not concern a sidekick.
    fn meaning(self) -> Option<Step> {
        let conn = self.conn;
        let (from_sidekick, to_server) = (self.from == "sidekick", self.link == "sidekick->server");
        if self.link == "client->server" {
            return None;
        }
        let body = self.body.unwrap_or_default();
        let step = match (&*self.kind, from_sidekick) {
            ("http-request", true) => Step::Call { target: self.target?, headers: self.headers, body },
            ("http-response", false) => Step::Answer { status: self.status?, body },
            ("refused", false) if to_server => Step::NoAnswer { reached: true },
            ("closed", false) | ("refused", _) => return None,
            ("http-response", true) if self.status == Some(101) => {
                let accept = self.headers.into_iter().find(|(name, _)| name == "Sec-WebSocket-Accept")?.1;
                Step::Upgraded { conn, accept }
            }
            ("http-response", true) => Step::Response { conn, status: self.status?, body },
            ("closed", true) => Step::Closed { conn },
            ("ws-frame", true) => match self.opcode.as_deref() {
                Some("text") => Step::Text { conn, text: self.text? },
                Some("pong") => Step::Pong { conn, payload: self.text?.into_bytes() },
                Some("close") => Step::Close { conn, code: self.code },
                other => panic!("a frame of kind {other:?}"),
            },
            (_, false) => Step::Write { conn, bytes: BASE64.decode(self.raw?.as_bytes()).unwrap() },
            (kind, true) => panic!("the sidekick says {kind}"),
        };
        Some(step)
    }
}
