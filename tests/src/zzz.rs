//! The recorded scenarios of the zzz framework's channels: plain vsn-1 objects on `/socket`.
//!
//! They are told in the player's steps, with what ours does instead where it differs.

use std::time::Duration;

use serde::Deserialize;

use crate::scenario::{Action, Close, Frame, Request, Response, Scenario, Step, Text, data, read, steps};

/// The scenarios that the rooms server is asked.
pub fn over_rooms() -> Vec<Scenario> {
    names().into_iter().filter(|name| !RATES.contains(&name.as_str())).map(|name| load(&name)).collect()
}

/// Those that need two mounts with rate limits, `/limited` and `/limited_disconnect`: a burst of 5 messages and 1
/// more a second, above which the message is refused or the connection closed. The rooms server has no such mounts.
pub fn rate_limited() -> Vec<Scenario> {
    RATES.iter().map(|name| load(name)).collect()
}

/// Reads a scenario and tells it as ours is expected to go.
///
/// # Panics
/// When its file is not there or cannot be told.
pub fn load(name: &str) -> Scenario {
    let recorded: Recorded = read(&data("zzz").join(format!("{name}.json")));
    let row = DIFFERENT.iter().find(|(row, ..)| *row == name);
    let steps = match row.map(|row| row.1) {
        None => told(&recorded.steps).concat(),
        Some(Inserts(inserts)) => {
            let mut parts = told(&recorded.steps);
            for (before, lines) in inserts {
                parts[*before].splice(..0, steps(lines));
            }
            parts.concat()
        }
        Some(Then(keep, lines)) => {
            let mut steps = told(&recorded.steps[..keep]).concat();
            steps.extend(self::steps(lines));
            steps
        }
    };
    Scenario { name: format!("zzz/{name}"), about: recorded.about, steps, variants: Vec::new() }
}

fn names() -> Vec<String> {
    let index: Index = read(&data("zzz").join("index.json"));
    index.scenarios.into_iter().map(|entry| entry.scenario).collect()
}

/// The player's steps for each recorded one.
fn told(recorded: &[RecordedStep]) -> Vec<Vec<Step>> {
    let mut before = 0;
    let mut parts: Vec<Vec<Step>> = Vec::new();
    for step in recorded {
        let mut part = Vec::new();
        let gap = Duration::from_millis(step.ms.saturating_sub(before));
        if step.from == "client" && gap > PAUSE {
            part.push(Step { conn: String::new(), action: Action::Wait(gap) });
        }
        before = step.ms;
        let conn = step.conn.to_string();
        let already = |s: &Step| s.conn == conn && matches!(s.action, Action::Closed { .. });
        let ended = step.kind == "closed" && parts.iter().flatten().any(already);
        if !ended {
            part.push(Step { conn, action: step.action() });
        }
        parts.push(part);
    }
    parts
}

#[derive(Deserialize)]
struct Index {
    scenarios: Vec<IndexEntry>,
}

#[derive(Deserialize)]
struct IndexEntry {
    scenario: String,
}

#[derive(Deserialize)]
struct Recorded {
    about: String,
    steps: Vec<RecordedStep>,
}

#[derive(Deserialize)]
struct RecordedStep {
    ms: u64,
    conn: u32,
    from: String,
    kind: String,
    #[serde(default)]
    opcode: serde_json::Value,
    #[serde(default)]
    text: String,
    #[serde(default)]
    code: u16,
    #[serde(default)]
    for_ms: u64,
}

impl RecordedStep {
    fn action(&self) -> Action {
        let text = || Text { json: self.text.clone(), vary: Vec::new(), verbatim: None };
        let frame = |opcode| {
            let payload = self.text.clone().into_bytes();
            Action::SendFrame(Frame { fin: true, rsv: 0, opcode, mask: true, payload })
        };
        let opcode = self.opcode.as_u64().and_then(|n| u8::try_from(n).ok());
        match (self.from.as_str(), self.kind.as_str(), self.opcode.as_str()) {
            ("client", "http-request", _) => Action::Http(request(&self.text)),
            ("server", "http-response", _) => {
                let status = self.text.split(' ').nth(1).and_then(|status| status.parse().ok());
                Action::HttpResponse(Response { status: status.expect("a status"), ..Response::default() })
            }
            ("client", "ws-frame", Some("text")) => Action::Send(vec![self.text.clone()]),
            ("client", "ws-frame", Some("ping")) => frame(9),
            ("client", "ws-frame", Some("close")) => {
                Action::SendClose(Some(Close { code: self.code, reason: String::new() }))
            }
            ("client", "ws-frame", None) => frame(opcode.expect("an opcode")),
            // The recording does not have the bytes: the header of a frame of 17 MiB.
            ("client", "bytes", _) => Action::SendBytes(HEADER_OF_17_MIB.to_vec()),
            ("client", "reset", _) => Action::Drop,
            ("server", "ws-frame", Some("text")) => Action::Recv(text()),
            ("server", "ws-frame", Some("pong")) => Action::RecvPong(self.text.clone().into_bytes()),
            ("server", "ws-frame", Some("close")) => Action::Closed { code: self.code, after: None },
            ("server", "closed", _) => Action::Closed { code: 1006, after: None },
            ("server", "nothing", _) => Action::Quiet(Duration::from_millis(self.for_ms)),
            (from, kind, opcode) => panic!("what is a {kind} {opcode:?} from {from}?"),
        }
    }
}

fn request(text: &str) -> Request {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut headers);
    request.parse(text.as_bytes()).expect("a recorded request is HTTP");
    let headers = request.headers.iter().filter(|header| header.name != "Host");
    let headers = headers.map(|h| (h.name.to_owned(), String::from_utf8_lossy(h.value).into_owned())).collect();
    let (method, path) = (request.method.unwrap_or_default(), request.path.unwrap_or_default());
    Request { method: method.into(), path: path.into(), headers, body: String::new() }
}

/// What ours does in a scenario in which it differs.
#[derive(Clone, Copy)]
enum Ours {
    /// More happens: this, before the recorded step of that number.
    Inserts(&'static [(usize, &'static str)]),
    /// The same for so many recorded steps, and then this.
    Then(usize, &'static str),
}

use Ours::{Inserts, Then};

macro_rules! diff {
    ($conn:literal, joins $user:literal) => {
        concat!(
            r#"{"conn":""#,
            $conn,
            r#"","recv":"{\"topic\":\"room:a\",\"event\":\"presence_diff\",\"ref\":null,"#,
            r#"\"payload\":{\"joins\":{\""#,
            $user,
            r#"\":{\"metas\":[{\"user\":\""#,
            $user,
            r#"\",\"phx_ref\":\""#,
            $user,
            r#"\"}]}},\"leaves\":{}}}","vary":["/payload/joins/"#,
            $user,
            r#"/metas/0/phx_ref"]}"#,
            "\n"
        )
    };
    ($conn:literal, leaves $user:literal) => {
        concat!(
            r#"{"conn":""#,
            $conn,
            r#"","recv":"{\"topic\":\"room:a\",\"event\":\"presence_diff\",\"ref\":null,"#,
            r#"\"payload\":{\"leaves\":{\""#,
            $user,
            r#"\":{\"metas\":[{\"user\":\""#,
            $user,
            r#"\",\"phx_ref\":\""#,
            $user,
            r#"\"}]}},\"joins\":{}}}","vary":["/payload/leaves/"#,
            $user,
            r#"/metas/0/phx_ref"]}"#,
            "\n"
        )
    };
}

macro_rules! phx_close {
    ($conn:literal) => {
        concat!(
            r#"{"conn":""#,
            $conn,
            r#"","recv":"{\"topic\":\"room:a\",\"event\":\"phx_close\",\"payload\":{},\"ref\":null}"}"#,
            "\n"
        )
    };
}

/// A message that cannot be decoded, alone on a connection.
macro_rules! malformed {
    ($text:literal) => {
        concat!(
            r#"{"conn":"1","open":"/socket"}"#,
            "\n",
            r#"{"conn":"1","send":""#,
            $text,
            r#""}"#,
            "\n",
            r#"{"conn":"1","closed":{"code":1011}}"#,
            "\n"
        )
    };
}

const DIFFERENT: &[(&str, Ours, &str)] = &[
    ("join_twice", Inserts(&[(6, phx_close!("1"))]), "the join that a second one replaces is closed"),
    (
        "join_payload_null",
        Then(
            4,
            r#"{"conn":"1","send":"{\"topic\":\"room:b\",\"event\":\"phx_join\",\"ref\":\"2\"}"}
            {"conn":"1","closed":{"code":1011}}"#,
        ),
        "a payload may be null and may not be missing, as in Phoenix",
    ),
    ("leave", Inserts(&[(10, phx_close!("1"))]), "a leave is answered and then the topic closed"),
    (
        "ref_forms",
        Then(
            2,
            r#"{"conn":"1","send":"{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":null}"}
            {"conn":"1","recv":"{\"topic\":\"phoenix\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":null}"}
            {"conn":"1","send":"{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{},\"ref\":7}"}
            {"conn":"1","recv":"{\"topic\":\"phoenix\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":7}"}
            {"conn":"1","send":"{\"topic\":\"phoenix\",\"event\":\"heartbeat\",\"payload\":{}}"}
            {"conn":"1","closed":{"code":1011}}"#,
        ),
        "a ref comes back as it was sent; one that is missing is malformed, as in Phoenix",
    ),
    (
        "event_not_joined",
        Then(
            3,
            r#"{"conn":"1","recv":"{\"topic\":\"room:a\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"error\",\"response\":{\"reason\":\"unmatched topic\"}},\"ref\":\"1\"}"}"#,
        ),
        "a client must not wait for a timeout to learn that it has not joined",
    ),
    (
        "event_unknown",
        Then(
            5,
            r#"{"conn":"1","recv":"{\"topic\":\"room:a\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"error\",\"response\":{\"reason\":\"unmatched event\"}},\"ref\":\"2\"}"}"#,
        ),
        "a client must not wait for a timeout to learn of a typo",
    ),
    (
        "presence",
        Inserts(&[
            (8, diff!("1", joins "ann")),
            (10, concat!(diff!("1", joins "bob"), diff!("2", joins "bob"))),
            (12, concat!(diff!("1", joins "cyd"), diff!("2", joins "cyd"), diff!("3", joins "cyd"))),
            (16, concat!(phx_close!("2"), diff!("1", leaves "bob"), diff!("3", leaves "bob"))),
            (21, diff!("1", leaves "cyd")),
        ]),
        "who comes and goes is also told to all",
    ),
    (
        "abrupt_disconnect",
        Inserts(&[
            (6, diff!("1", joins "ann")),
            (8, concat!(diff!("1", joins "bob"), diff!("2", joins "bob"))),
            (9, diff!("1", leaves "bob")),
        ]),
        "who comes and goes is also told to all",
    ),
    (
        "workers_all_busy",
        Then(
            5,
            r#"{"conn":"3","http_response":{"status":101}}
            {"conn":"1","send_close":{"code":1000,"reason":""}}
            {"conn":"1","closed":{"code":1000}}"#,
        ),
        "an idle connection holds nothing that another could wait for",
    ),
    (
        "escaped_unicode_topic",
        Then(5, r#"{"conn":"1","recv":"{\"topic\":\"room:a\",\"event\":\"new_msg\",\"payload\":{},\"ref\":null}"}"#),
        "an escape is another spelling of the same topic",
    ),
    (
        "malformed_json",
        Then(
            0,
            concat!(
                malformed!(""),
                malformed!("{"),
                malformed!("nope"),
                malformed!("[]"),
                malformed!("null"),
                malformed!(r#"{\"topic\":\"room:a\"}"#),
                malformed!(r#"{\"event\":\"heartbeat\"}"#),
                malformed!(r#"junk \"topic\":\"phoenix\" \"event\":\"heartbeat\" junk"#),
            ),
        ),
        "what cannot be decoded closes its connection",
    ),
    ("frame_over_16_mib", Then(3, r#"{"conn":"1","closed":{"code":1009}}"#), "a client is told what was too big"),
];

/// Those that need mounts with rate limits.
const RATES: &[&str] = &["rate_limit_drop", "rate_limit_disconnect"];

/// A gap of more than this in the recording is a wait.
const PAUSE: Duration = Duration::from_millis(500);

const HEADER_OF_17_MIB: [u8; 14] = [0x81, 0xff, 0, 0, 0, 0, 0x01, 0x10, 0, 0, 0x37, 0xfa, 0x21, 0x3d];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_scenario_can_be_told() {
        let all = [over_rooms(), rate_limited()].concat();
        assert_eq!(all.len(), 26);
        assert!(all.iter().all(|scenario| !scenario.steps.is_empty()));
    }

    #[test]
    fn every_row_belongs_to_a_scenario() {
        let names = names();
        assert!(DIFFERENT.iter().all(|(row, ..)| names.iter().any(|name| name == row)));
    }

    #[test]
    fn a_close_frame_and_the_end_after_it_are_one_step() {
        let closes = |name| load(name).steps.iter().filter(|s| matches!(s.action, Action::Closed { .. })).count();
        assert_eq!(closes("server_close"), 1);
        assert_eq!(closes("presence"), 1);
    }

    #[test]
    fn long_pauses_of_the_client_are_kept() {
        let limited = load("rate_limit_drop");
        let waits = limited.steps.iter().filter(|step| matches!(step.action, Action::Wait(_))).count();
        assert_eq!(waits, 1);
    }
}
