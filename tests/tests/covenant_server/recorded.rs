//! The recorded conversations, as far as the server has a part in them, and where ours says something else.

use std::fs;

use chanson_tests::tools::workspace;
use serde::Deserialize;

/// A conversation.
#[derive(Clone, Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The secret that the server shows to the sidekick.
    pub(crate) sidekick_secret: String,
    /// Whether anybody listens where the sidekick should be.
    pub(crate) sidekick_listens: bool,
    pub(crate) steps: Vec<Step>,
}

#[derive(Clone, Debug)]
pub(crate) enum Step {
    /// A client or the sidekick asks the server.
    Ask { conn: u32, request: Http },
    /// The server answers.
    Response { conn: u32, status: u16, content_type: Option<String>, body: Body },
    /// The server asks the sidekick.
    Call { target: String, headers: Vec<(String, String)>, body: String },
    /// The sidekick answers.
    Answer { status: u16, body: String },
    /// The sidekick cannot be reached.
    NoAnswer,
}

/// A request as it was.
#[derive(Clone, Debug)]
pub(crate) struct Http {
    pub(crate) method: String,
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// What a body has to be.
#[derive(Clone, Debug)]
pub(crate) enum Body {
    Exactly(String),
    /// What follows is free.
    Begins(&'static str),
}

/// All conversations in which a server is asked something.
pub(crate) fn all() -> Vec<Scenario> {
    let folder = workspace().join("tests/data/covenant");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let names = files.iter().filter(|file| file.file_stem().is_some_and(|stem| stem != "index"));
    let recorded = names.map(|file| serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap());
    recorded.map(scenario).filter(|scenario| !scenario.steps.is_empty()).collect()
}

fn scenario(recorded: Recorded) -> Scenario {
    let mut scenario = Scenario {
        sidekick_secret: "sidekick-secret".to_owned(),
        sidekick_listens: true,
        steps: recorded.steps.into_iter().filter_map(RecordedStep::meaning).collect(),
        name: recorded.scenario,
    };
    for step in &scenario.steps {
        match step {
            Step::Call { headers, .. } => {
                let secret = headers.iter().find_map(|(name, value)| (name == "Authorization").then_some(value));
                scenario.sidekick_secret = secret.unwrap().strip_prefix("Bearer ").unwrap().to_owned();
            }
            Step::NoAnswer => scenario.sidekick_listens = false,
            _ => {}
        }
    }
    ours(&mut scenario);
    scenario
}

/// What ours does where the published one falls short, or where words are free.
fn ours(scenario: &mut Scenario) {
    let last = scenario.steps.iter_mut().rev().find_map(|step| match step {
        Step::Response { status, content_type, body, .. } => Some((status, content_type, body)),
        _ => None,
    });
    let Some((status, content_type, body)) = last else { return };
    match scenario.name.as_str() {
        "connect_missing_data" => *body = Body::Begins(MISSING_DATA),
        "connect_sidekick_refuses" => {
            *status = 400;
            *body = Body::Exactly(SIDEKICK_REFUSES.to_owned());
        }
        "procedure_unreadable_body" => {
            (*status, *content_type) = (400, Some("application/json".to_owned()));
            *body = Body::Exactly(UNREADABLE_CALL.to_owned());
        }
        "query_invalid_input" => *body = Body::Begins(INVALID_INPUT),
        "send_undefined_data" => *body = Body::Begins(UNDEFINED_DATA),
        "server_unknown_type" => {
            (*status, *content_type) = (404, Some("text/plain; charset=utf-8".to_owned()));
            *body = Body::Exactly("Not Found".to_owned());
        }
        // A message of another channel than the token's: no sidekick of ours brings one. Its context fits nobody there.
        "send_wrong_channel_used_token" => {
            (*status, *content_type) = (400, Some("application/json".to_owned()));
            *body = Body::Begins(r#"{ "fault": "server", "message": "Invalid message context: "#);
            let at = scenario.steps.iter().rposition(|step| matches!(step, Step::Call { .. })).unwrap();
            scenario.steps.drain(at..at + 2);
        }
        // The process lives on.
        "mutation_sidekick_down" => {
            let request = Http {
                method: "POST".to_owned(),
                target: "/api/covenant?type=procedure".to_owned(),
                headers: vec![("Host".to_owned(), "a".to_owned())],
                body: r#"{ "procedure": "todos", "inputs": null }"#.to_owned(),
            };
            let body = Body::Exactly(TWO_TODOS.to_owned());
            let content_type = Some("application/json".to_owned());
            scenario.steps.push(Step::Ask { conn: 99, request });
            scenario.steps.push(Step::Response { conn: 99, status: 201, content_type, body });
        }
        _ => {}
    }
}

const MISSING_DATA: &str = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "result": { "type": "ERROR", "error": { "channel": "chat", "params": { "roomId": "room1" }, "message": "Invalid connection request data: "#;
const SIDEKICK_REFUSES: &str = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "result": { "type": "ERROR", "error": { "channel": "chat", "params": { "roomId": "room1" }, "message": "Error posting connection from sidekick: 401 - Unauthorized", "fault": "server" } } }"#;
const UNREADABLE_CALL: &str = r#"{ "status": "ERR", "error": { "message": "Error parsing request body: Unexpected character 'n' at position 1", "code": 400 } }"#;
const INVALID_INPUT: &str = r#"{ "status": "ERR", "error": { "message": "Error parsing procedure inputs: mode: "#;
const UNDEFINED_DATA: &str = r#"{ "fault": "client", "message": "Invalid message data: "#;
const TWO_TODOS: &str = r#"{ "status": "OK", "data": [{ "id": 1, "text": "first" }, { "id": 2, "text": "milk" }], "resources": ["todo/list"] }"#;

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
    #[serde(default)]
    method: String,
    #[serde(default)]
    target: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

impl RecordedStep {
    fn meaning(self) -> Option<Step> {
        let Self { conn, method, target, status, headers, body, .. } = self;
        let kind = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
        let content_type = kind.map(|(_, value)| value.clone());
        Some(match (&*self.link, &*self.from, &*self.kind) {
            ("server->sidekick", "server", "http-request") => Step::Call { target, headers, body },
            ("server->sidekick", "sidekick", "http-response") => Step::Answer { status, body },
            ("server->sidekick", "sidekick", "refused") => Step::NoAnswer,
            ("client->server", "client", "http-request") | ("sidekick->server", "sidekick", "http-request") => {
                Step::Ask { conn, request: Http { method, target, headers, body } }
            }
            ("client->server" | "sidekick->server", "server", "http-response") => {
                Step::Response { conn, status, content_type, body: Body::Exactly(body) }
            }
            // The published server has crashed, or there was none.
            ("client->server" | "sidekick->server", "server", "closed" | "refused") | ("client->sidekick", ..) => {
                return None;
            }
            other => panic!("{other:?}"),
        })
    }
}
