//! The player against a server that says what it is told to say.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::scenario::{Frame, steps};

/// A server in memory: what it answers to a text is a script, but for heartbeats, which it knows.
#[derive(Default)]
struct Fake {
    answers: BTreeMap<&'static str, Vec<Vec<u8>>>,
    /// The answer to a handshake; `None` is the proper one.
    head: Option<String>,
    clock: Duration,
    /// When the server closes by itself.
    idle: Option<Duration>,
    opened: usize,
    cut: usize,
}

struct FakeConn {
    sent: Vec<u8>,
    open: bool,
    closing: bool,
    to_client: VecDeque<Received>,
    born: Duration,
}

fn server(opcode: u8, payload: &[u8]) -> Vec<u8> {
    client::frame(&Frame { fin: true, rsv: 0, opcode, mask: false, payload: payload.to_vec() })
}

fn says(text: &str) -> Vec<u8> {
    server(1, text.as_bytes())
}

fn closes(code: u16) -> Vec<u8> {
    server(8, &code.to_be_bytes())
}

impl Fake {
    fn answering(question: &'static str, answers: &[&str]) -> Self {
        Self { answers: BTreeMap::from([(question, answers.iter().map(|a| says(a)).collect())]), ..Self::default() }
    }

    fn take_frame(conn: &mut FakeConn) -> Option<(u8, Vec<u8>)> {
        use tungstenite::protocol::frame::FrameHeader;
        let mut cursor = std::io::Cursor::new(&conn.sent[..]);
        let (header, length) = FrameHeader::parse(&mut cursor).ok()??;
        let start = cursor.position() as usize;
        let end = start + length as usize;
        let payload = conn.sent.get(start..end)?;
        let mask = header.mask.expect("a client masks");
        let payload = payload.iter().zip(mask.iter().cycle()).map(|(a, b)| a ^ b).collect();
        conn.sent.drain(..end);
        Some((header.opcode.into(), payload))
    }
}

impl Transport for Fake {
    type Conn = FakeConn;

    fn connect(&mut self) -> FakeConn {
        self.opened += 1;
        FakeConn { sent: Vec::new(), open: false, closing: false, to_client: VecDeque::new(), born: self.clock }
    }

    fn send(&mut self, conn: &mut FakeConn, bytes: &[u8]) {
        conn.sent.extend_from_slice(bytes);
        if !conn.open {
            let accept = client::accept(client::KEY);
            let proper = format!("HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: {accept}\r\n\r\n");
            let head = self.head.clone().unwrap_or(proper);
            conn.to_client.push_back(Received::Bytes(head.into_bytes()));
            conn.sent.clear();
            conn.open = true;
            return;
        }
        while let Some((opcode, payload)) = Self::take_frame(conn) {
            let text = String::from_utf8_lossy(&payload);
            if opcode == 8 {
                if !conn.closing {
                    conn.to_client.push_back(Received::Bytes(server(8, &payload)));
                }
                conn.to_client.push_back(Received::End);
            } else if text.contains("heartbeat") {
                let reference = text.split('"').nth(1).expect("a ref");
                let answer = Dialect::V2.heartbeat(reference).1;
                conn.to_client.push_back(Received::Bytes(says(&answer)));
            } else if let Some(answers) = self.answers.get(text.as_ref()) {
                conn.closing |= answers.iter().any(|answer| answer[0] == 0x88);
                conn.to_client.extend(answers.iter().cloned().map(Received::Bytes));
            }
        }
    }

    fn receive(&mut self, conn: &mut FakeConn, within: Duration) -> Received {
        let (clock, waits) = (self.clock + within, conn.to_client.is_empty());
        if let Some(idle) = self.idle.take_if(|idle| waits && clock >= conn.born + *idle) {
            self.clock = conn.born + idle;
            conn.closing = true;
            return Received::Bytes(closes(1001));
        }
        match conn.to_client.pop_front() {
            Some(Received::End) => {
                conn.to_client.push_back(Received::End);
                Received::End
            }
            Some(received) => received,
            None => {
                self.clock += within;
                Received::Nothing
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.clock += time;
    }

    fn cut(&mut self, _conn: FakeConn) {
        self.cut += 1;
    }

    fn host(&self) -> String {
        "fake".into()
    }

    fn now(&self) -> Duration {
        self.clock
    }
}

fn scenario(lines: &str) -> Scenario {
    let lines = format!("{{\"conn\":\"a\",\"open\":\"/socket?vsn=2.0.0\"}}\n{lines}");
    Scenario { name: "test".into(), about: "a test".into(), steps: steps(&lines), variants: Vec::new() }
}

fn played(fake: &mut Fake, lines: &str) -> Result<(), Box<Failure>> {
    let result = play(fake, &scenario(lines), &Options::default());
    assert_eq!(fake.opened, fake.cut, "every connection is given back");
    result
}

fn fails(fake: &mut Fake, lines: &str) -> Failure {
    *played(fake, lines).expect_err("this server says something else")
}

const ASK: &str = r#"{"conn":"a","send":"q"}
    {"conn":"a","recv":"[1,{\"a\":1,\"b\":2}]"}"#;

#[test]
fn the_right_answer_passes_whatever_the_order_of_keys() {
    played(&mut Fake::answering("q", &[r#"[1, {"b":2,"a":1}]"#]), ASK).unwrap();
}

#[test]
fn a_wrong_answer_is_found() {
    let failure = fails(&mut Fake::answering("q", &["[1]"]), ASK);
    assert!(failure.step.starts_with("step 2"), "{failure}");
    assert_eq!((failure.expected.as_str(), failure.got.as_str()), (r#"[1,{"a":1,"b":2}]"#, "[1]"));
    let report = failure.to_string();
    assert!(report.contains("test: a test") && report.contains("a > q") && report.contains("a < [1]"), "{report}");
}

#[test]
fn a_missing_answer_is_found() {
    assert_eq!(fails(&mut Fake::default(), ASK).got, "nothing");
}

#[test]
fn answers_in_another_order_are_found() {
    let lines = r#"{"conn":"a","send":"q"}
        {"conn":"a","recv":"1"}
        {"conn":"a","recv":"2"}"#;
    played(&mut Fake::answering("q", &["1", "2"]), lines).unwrap();
    assert!(fails(&mut Fake::answering("q", &["2", "1"]), lines).step.starts_with("step 2"));
}

#[test]
fn one_answer_too_many_is_found_after_the_last_step() {
    let failure = fails(&mut Fake::answering("q", &[r#"[1,{"a":1,"b":2}]"#, "[3]"]), ASK);
    assert_eq!((failure.step.as_str(), failure.got.as_str()), ("after the last step", "on a: [3]"));
}

#[test]
fn one_answer_too_many_is_found_on_another_connection() {
    let lines = r#"{"conn":"b","open":"/socket?vsn=2.0.0"}
        {"conn":"b","send":"q"}
        {"conn":"a","send":"q"}
        {"conn":"a","recv":"1"}"#;
    let failure = fails(&mut Fake::answering("q", &["1"]), lines);
    assert_eq!(failure.got, "on b: 1");
}

#[test]
fn quiet_is_quiet() {
    let lines = r#"{"conn":"a","send":"q"}
        {"conn":"a","quiet_ms":200}"#;
    played(&mut Fake::default(), lines).unwrap();
    assert_eq!(fails(&mut Fake::answering("q", &["1"]), lines).got, "1");
}

#[test]
fn text_is_no_binary_and_binary_is_exact() {
    let lines = r#"{"conn":"a","send":"q"}
        {"conn":"a","recv_hex":"31"}"#;
    assert_eq!(fails(&mut Fake::answering("q", &["1"]), lines).expected, "binary 31");
    let binary = |bytes| Fake { answers: BTreeMap::from([("q", vec![server(2, bytes)])]), ..Fake::default() };
    played(&mut binary(b"1"), lines).unwrap();
    fails(&mut binary(b"2"), lines);
}

#[test]
fn the_close_code_counts() {
    let lines = r#"{"conn":"a","send":"q"}
        {"conn":"a","closed":{"code":1011,"reason":""}}"#;
    let closing = |code| Fake { answers: BTreeMap::from([("q", vec![closes(code)])]), ..Fake::default() };
    played(&mut closing(1011), lines).unwrap();
    assert_eq!(fails(&mut closing(1002), lines).got, "closed with 1002");
    assert_eq!(fails(&mut Fake::default(), lines).got, "nothing");
    assert!(fails(&mut closing(1011), ASK).got.starts_with("close 1011"));
}

#[test]
fn a_close_must_not_come_too_early() {
    let lines = r#"{"conn":"a","closed":{"code":1001,"reason":""},"after_ms":1500}"#;
    let idle = |ms| Fake { idle: Some(Duration::from_millis(ms)), ..Fake::default() };
    played(&mut idle(1500), lines).unwrap();
    played(&mut idle(2900), lines).unwrap();
    assert_eq!(fails(&mut idle(1300), lines).got, "closed after 1.3s");
}

#[test]
fn what_varies_must_be_there_and_stay_the_same() {
    let lines = r#"{"conn":"a","send":"q"}
        {"conn":"a","recv":"{\"r\":\"X\"}","vary":["/r"]}
        {"conn":"a","recv":"[\"X\",\"Y\"]","vary":["/0","/1"]}"#;
    played(&mut Fake::answering("q", &[r#"{"r":"p"}"#, r#"["p","q"]"#]), lines).unwrap();
    for wrong in [r#"["q","p"]"#, r#"["p","p"]"#, r#"["p",7]"#, r#"["p"]"#] {
        let failure = fails(&mut Fake::answering("q", &[r#"{"r":"p"}"#, wrong]), lines);
        assert!(failure.step.starts_with("step 3"), "{failure}");
    }
}

#[test]
fn what_must_be_verbatim_is_compared_byte_for_byte() {
    let lines = r#"{"conn":"a","send":"q"}
        {"conn":"a","recv":"[{\"s\":\"A\"}]","verbatim":"{\"s\":\"\\u0041\"}"}"#;
    played(&mut Fake::answering("q", &[r#"[{"s":"\u0041"}]"#]), lines).unwrap();
    assert!(fails(&mut Fake::answering("q", &[r#"[{"s":"A"}]"#]), lines).expected.contains("exactly"));
}

#[test]
fn a_variant_is_as_good_as_the_steps() {
    let mut scenario = scenario("{\"conn\":\"a\",\"send\":\"q\"}\n{\"conn\":\"a\",\"recv\":\"1\"}");
    let mut fake = Fake::answering("q", &["2"]);
    assert!(play(&mut fake, &scenario, &Options::default()).is_err());
    let mut other = scenario.steps.clone();
    other.truncate(2);
    other.extend(steps(r#"{"conn":"a","recv":"2"}"#));
    scenario.variants.push(other);
    play(&mut fake, &scenario, &Options::default()).unwrap();
}

#[test]
fn a_refusal_is_compared_by_status_and_an_unexpected_one_is_found() {
    let refused = || Fake { head: Some("HTTP/1.1 403 Forbidden\r\nX: y\r\n\r\n".into()), ..Fake::default() };
    let response = |status| format!(r#"{{"conn":"a","http_response":{{"status":{status},"headers":{{"x":"z"}}}}}}"#);
    played(&mut refused(), &response(403)).unwrap();
    assert_eq!(fails(&mut refused(), &response(404)).expected, "status 404");
    assert_eq!(fails(&mut refused(), ASK).expected, "status 101");
    fails(&mut Fake::default(), &response(403));
}

#[test]
fn an_upgrade_needs_the_right_key_and_no_unasked_subprotocol() {
    let wrong_key = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: x\r\n\r\n".to_owned();
    let failure = fails(&mut Fake { head: Some(wrong_key), ..Fake::default() }, "");
    assert!(failure.expected.starts_with("sec-websocket-accept"), "{failure}");
    let accept = client::accept(client::KEY);
    let chatty = format!("HTTP/1.1 101 X\r\nSec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: phx\r\n\r\n");
    let failure = fails(&mut Fake { head: Some(chatty), ..Fake::default() }, "");
    assert_eq!(failure.expected, "no sec-websocket-protocol");
}

#[test]
fn mounts_can_stand_elsewhere() {
    let options = Options { paths: vec![("/limited".into(), "/rates".into())], ..Options::default() };
    let mut fake = Fake::default();
    let log = Log { start: Duration::ZERO, lines: Vec::new(), late: false };
    let player = Player { transport: &mut fake, options: &options, conns: BTreeMap::new(), refs: Refs::default(), log };
    assert_eq!(player.mapped("/limited"), "/rates");
    assert_eq!(player.mapped("/limited/websocket?vsn=2.0.0"), "/rates/websocket?vsn=2.0.0");
    assert_eq!(player.mapped("/limited_disconnect"), "/limited_disconnect");
}
