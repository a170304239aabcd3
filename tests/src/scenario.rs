//! The recorded scenarios, as they stand in `data/phoenix`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Deserializer};

/// A recorded conversation of one or more clients with one server.
#[derive(Clone, Debug, Deserialize)]
pub struct Scenario {
    /// Its name, also that of its file.
    pub name: String,
    /// What it shows.
    pub about: String,
    /// What happened.
    pub steps: Vec<Step>,
    /// Other outcomes that are as good.
    #[serde(default)]
    pub variants: Vec<Vec<Step>>,
}

/// One step of a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(try_from = "Raw")]
pub struct Step {
    /// The connection it belongs to; empty for those that belong to none.
    pub conn: String,
    /// What happens.
    pub action: Action,
}

/// What happens in a step. The names are those of the files.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The client opens a WebSocket.
    Open {
        /// The request target.
        path: String,
        /// Further request headers.
        headers: Vec<(String, String)>,
        /// Headers that the answer must have.
        opened: BTreeMap<String, String>,
    },
    /// The client sends an HTTP request.
    Http(Request),
    /// The server answers an HTTP request or refuses a handshake.
    HttpResponse(Response),
    /// The client sends text frames, all in one write.
    Send(Vec<String>),
    /// The client sends a text frame in two writes.
    SendSplit(String, usize),
    /// The client sends a binary frame.
    SendBinary(Vec<u8>),
    /// The client sends a frame made to measure.
    SendFrame(Frame),
    /// The client sends bytes that are no frame.
    SendBytes(Vec<u8>),
    /// The client sends a close frame; `None` is one without a code.
    SendClose(Option<Close>),
    /// The client's TCP connection ends.
    Drop,
    /// The server sends text.
    Recv(Text),
    /// The server sends bytes.
    RecvBinary(Vec<u8>),
    /// The server sends a pong.
    RecvPong(Vec<u8>),
    /// The server closes.
    Closed {
        /// The code of its close frame; 1005 is a frame without code, 1006 an end without a frame.
        code: u16,
        /// How long after the client's last frame.
        after: Option<Duration>,
    },
    /// Nothing arrives for that long.
    Quiet(Duration),
    /// The client waits.
    Wait(Duration),
}

/// An HTTP request.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// `GET`, …
    pub method: String,
    /// The request target.
    pub path: String,
    /// Its headers but Host.
    pub headers: Vec<(String, String)>,
    /// Its body.
    #[serde(default)]
    pub body: String,
}

/// What must be true of an HTTP response.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Response {
    /// Its status.
    pub status: u16,
    /// Its headers, of which few are compared (see [`crate::player`]).
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Its body, which is free.
    #[serde(default)]
    pub body: String,
}

/// A frame made to measure.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// The FIN bit.
    pub fin: bool,
    /// The reserved bits; 4 is RSV1.
    pub rsv: u8,
    /// The opcode.
    pub opcode: u8,
    /// Whether it is masked.
    pub mask: bool,
    /// What it carries.
    pub payload: Vec<u8>,
}

/// A close frame's code and reason.
#[derive(Clone, Debug, Deserialize, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Close {
    /// The code.
    pub code: u16,
    /// The reason.
    pub reason: String,
}

/// Expected text.
#[derive(Clone, Debug, PartialEq)]
pub struct Text {
    /// The text, compared as JSON.
    pub json: String,
    /// JSON pointers to strings that differ from run to run.
    pub vary: Vec<String>,
    /// What must stand in it literally, byte for byte.
    pub verbatim: Option<String>,
}

impl Scenario {
    /// Reads a scenario's file.
    ///
    /// # Panics
    /// When the file is not there or not a scenario.
    pub fn load(folder: &str, name: &str) -> Self {
        read(&data(folder).join(format!("{name}.json")))
    }

    /// Adds steps, written as in the files, one a line.
    ///
    /// # Panics
    /// When a line is no step.
    pub fn then(&mut self, lines: &str) {
        self.steps.extend(steps(lines));
    }

    /// Whether the client's clock matters: an idle timeout runs against it.
    pub fn is_timed(&self) -> bool {
        self.steps.iter().any(|step| matches!(&step.action, Action::Open { path, .. } if path.starts_with("/short")))
    }
}

/// What `index.json` says of a scenario.
#[derive(Clone, Debug, Deserialize)]
pub struct Entry {
    /// The scenario's name.
    pub scenario: String,
    /// Whether we must do the same.
    pub must: bool,
}

/// The list of Phoenix scenarios.
pub fn phoenix_index() -> Vec<Entry> {
    read(&data("phoenix").join("index.json"))
}

/// Steps as they are written in the files, one a line.
///
/// # Panics
/// When a line is no step.
pub fn steps(lines: &str) -> Vec<Step> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e} in step {line}"))).collect()
}

/// A folder of recorded data.
pub fn data(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(folder)
}

/// Reads a JSON file.
///
/// # Panics
/// When it is not there or does not hold a `T`.
pub fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> T {
    let text = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_slice(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A step as it stands in a file: exactly one of the actions, and what belongs to it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Raw {
    conn: String,
    open: Option<String>,
    headers: Vec<(String, String)>,
    opened_headers: BTreeMap<String, String>,
    http: Option<Request>,
    http_response: Option<Response>,
    send: Option<String>,
    send_hex: Option<Hex>,
    send_fill: Option<Fill>,
    send_batch: Option<Vec<String>>,
    send_split: Option<String>,
    at: usize,
    send_frame: Option<RawFrame>,
    send_bytes_hex: Option<Hex>,
    send_ping_hex: Option<Hex>,
    #[serde(deserialize_with = "present")]
    send_close: Option<Option<Close>>,
    drop: Option<bool>,
    recv: Option<String>,
    vary: Vec<String>,
    verbatim: Option<String>,
    #[serde(rename = "rsv1_hex")]
    _compressed: Option<String>,
    recv_hex: Option<Hex>,
    recv_fill: Option<Fill>,
    recv_pong_hex: Option<Hex>,
    closed: Option<RawClosed>,
    after_ms: Option<u64>,
    quiet_ms: Option<u64>,
    wait_ms: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawFrame {
    fin: u8,
    rsv: u8,
    opcode: u8,
    mask: u8,
    payload_hex: Option<Hex>,
    payload_fill: Option<Fill>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClosed {
    code: u16,
    #[serde(default, rename = "reason")]
    _reason: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fill {
    head: String,
    char: char,
    count: usize,
    tail: String,
}

struct Hex(Vec<u8>);

impl Fill {
    fn text(&self) -> String {
        let mut text = self.head.clone();
        text.extend(std::iter::repeat_n(self.char, self.count));
        text + &self.tail
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).map(Self).map_err(serde::de::Error::custom)
    }
}

impl TryFrom<RawFrame> for Frame {
    type Error = &'static str;

    fn try_from(raw: RawFrame) -> Result<Self, Self::Error> {
        let payload = match (raw.payload_hex, raw.payload_fill) {
            (Some(Hex(bytes)), None) => bytes,
            (None, Some(fill)) => fill.text().into_bytes(),
            _ => return Err("a frame needs one of payload_hex and payload_fill"),
        };
        Ok(Self { fin: raw.fin != 0, rsv: raw.rsv, opcode: raw.opcode, mask: raw.mask != 0, payload })
    }
}

impl TryFrom<Raw> for Step {
    type Error = &'static str;

    fn try_from(raw: Raw) -> Result<Self, Self::Error> {
        let ping = |Hex(payload)| Frame { fin: true, rsv: 0, opcode: 9, mask: true, payload };
        let (vary, verbatim, at) = (raw.vary, raw.verbatim, raw.at);
        let (headers, opened) = (raw.headers, raw.opened_headers);
        let after = raw.after_ms.map(Duration::from_millis);
        let actions = [
            raw.open.map(|path| Action::Open { path, headers, opened }),
            raw.http.map(Action::Http),
            raw.http_response.map(Action::HttpResponse),
            raw.send.map(|text| Action::Send(vec![text])),
            raw.send_fill.map(|fill| Action::Send(vec![fill.text()])),
            raw.send_batch.map(Action::Send),
            raw.send_split.map(|text| Action::SendSplit(text, at)),
            raw.send_hex.map(|Hex(bytes)| Action::SendBinary(bytes)),
            raw.send_frame.map(Frame::try_from).transpose()?.map(Action::SendFrame),
            raw.send_ping_hex.map(|hex| Action::SendFrame(ping(hex))),
            raw.send_bytes_hex.map(|Hex(bytes)| Action::SendBytes(bytes)),
            raw.send_close.map(Action::SendClose),
            raw.drop.map(|_| Action::Drop),
            raw.recv.map(|json| Action::Recv(Text { json, vary, verbatim })),
            raw.recv_fill.map(|fill| Action::Recv(Text { json: fill.text(), vary: Vec::new(), verbatim: None })),
            raw.recv_hex.map(|Hex(bytes)| Action::RecvBinary(bytes)),
            raw.recv_pong_hex.map(|Hex(bytes)| Action::RecvPong(bytes)),
            raw.closed.map(|closed| Action::Closed { code: closed.code, after }),
            raw.quiet_ms.map(|ms| Action::Quiet(Duration::from_millis(ms))),
            raw.wait_ms.map(|ms| Action::Wait(Duration::from_millis(ms))),
        ];
        let mut actions = actions.into_iter().flatten();
        match (actions.next(), actions.next()) {
            (Some(action), None) => Ok(Self { conn: raw.conn, action }),
            (None, _) => Err("a step without an action"),
            _ => Err("a step with more than one action"),
        }
    }
}

/// Tells `null` from absent.
fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<Close>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recorded_file_is_understood() {
        let index = phoenix_index();
        assert!(index.len() > 200);
        for entry in index {
            let scenario = Scenario::load("phoenix", &entry.scenario);
            assert_eq!(scenario.name, entry.scenario);
            assert!(!scenario.steps.is_empty());
        }
    }

    #[test]
    fn a_close_without_code_is_told_from_no_close() {
        let step = steps(r#"{"conn":"a","send_close":null}"#).remove(0);
        assert_eq!(step.action, Action::SendClose(None));
    }

    #[test]
    fn a_step_is_one_action() {
        assert!(serde_json::from_str::<Step>(r#"{"conn":"a"}"#).is_err());
        assert!(serde_json::from_str::<Step>(r#"{"conn":"a","send":"x","recv":"y"}"#).is_err());
        assert!(serde_json::from_str::<Step>(r#"{"conn":"a","sent":"x"}"#).is_err());
    }
}
