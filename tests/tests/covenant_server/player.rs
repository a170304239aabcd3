//! Says what clients and the sidekick said, and compares what the server says.

use chanson_core::covenant::protocol::ConnectionPayload;

use crate::recorded::{Body, Http, Scenario, Step};

/// A server, and the place of its sidekick.
pub(crate) trait Stage {
    /// Somebody asks the server.
    fn ask(&mut self, conn: u32, request: &Http);

    /// What the server answers.
    fn response(&mut self, conn: u32) -> Said;

    /// The next request that the server makes of its sidekick; `None` where it cannot be seen, since nobody listens.
    fn call(&mut self) -> Option<Said>;

    /// Answers the oldest of these; with `None` it cannot be reached.
    fn answer(&mut self, answer: Option<(u16, &str)>);
}

/// A request or an answer of the server.
pub(crate) struct Said {
    /// Of a request.
    pub(crate) target: String,
    /// Of an answer.
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Said {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(each, _)| each.eq_ignore_ascii_case(name));
        let (first, second) = (found.next(), found.next());
        assert!(second.is_none(), "{name} twice");
        first.map(|(_, value)| value.as_str())
    }
}

/// Plays it.
///
/// # Panics
/// When the server says something else.
pub(crate) fn play(stage: &mut impl Stage, scenario: &Scenario) {
    let mut tokens = Vec::new();
    for (n, step) in scenario.steps.iter().enumerate() {
        let place = format!("{}, step {n}", scenario.name);
        match step {
            Step::Ask { conn, request } => stage.ask(*conn, request),
            Step::Call { target, headers, body } => {
                let Some(said) = stage.call() else { continue };
                assert_eq!(said.target, *target, "{place}");
                for name in ["Authorization", "Content-Type"] {
                    let recorded = headers.iter().find(|(each, _)| each == name).map(|(_, value)| value.as_str());
                    assert_eq!(said.header(name), recorded, "{place}: {name}");
                }
                if target == "/connection" {
                    tokens.push((token(body), token(&said.body)));
                }
                assert_eq!(said.body, with_tokens(body, &tokens), "{place}");
            }
            Step::Answer { status, body } => stage.answer(Some((*status, body))),
            Step::NoAnswer => stage.answer(None),
            Step::Response { conn, status, content_type, body } => {
                let said = stage.response(*conn);
                match body {
                    Body::Exactly(body) => assert_eq!(said.body, with_tokens(body, &tokens), "{place}"),
                    Body::Begins(body) => assert!(said.body.starts_with(body), "{place}: {}", said.body),
                }
                assert_eq!((said.status, said.header("Content-Type")), (*status, content_type.as_deref()), "{place}");
            }
        }
    }
}

fn token(body: &str) -> String {
    ConnectionPayload::decode(body).unwrap().token.into_owned()
}

/// The recorded tokens replaced by those that were given out.
fn with_tokens(body: &str, tokens: &[(String, String)]) -> String {
    tokens.iter().fold(body.to_owned(), |body, (recorded, given)| body.replace(recorded, given))
}
