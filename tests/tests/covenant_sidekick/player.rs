//! Says what clients and the server said, and compares what the sidekick says.

use std::collections::BTreeMap;
use std::time::Duration;

use chanson_core::memory::HttpResponse;
use chanson_core::wire::ion::{self, Value};
use chanson_tests::client::{Incoming, Reader};
use chanson_tests::transport::{Received, Transport};

use crate::recorded::{Scenario, Step};

/// A sidekick, and the place of its server.
pub(crate) trait Stage: Transport {
    /// The next request that the sidekick makes of its server.
    fn call(&mut self) -> Option<Called>;

    /// Answers it; with `None` the connection ends without an answer.
    fn answer(&mut self, answer: Option<(u16, &str)>);

    /// From now on nobody listens where the server was.
    fn leave(&mut self);
}

pub(crate) struct Called {
    pub(crate) target: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

/// The client's end of a connection.
struct Conn<C> {
    conn: C,
    /// What has come and is no frame.
    bytes: Vec<u8>,
    reader: Reader,
    is_websocket: bool,
    ended: bool,
}

/// Plays it.
///
/// # Panics
/// When the sidekick says something else.
pub(crate) fn play<S: Stage>(stage: &mut S, scenario: &Scenario) {
    let mut conns = BTreeMap::new();
    // Where nobody listens for the message, nobody listens before it is sent.
    if scenario.steps.iter().any(|step| matches!(step, Step::NoAnswer { reached: false })) {
        stage.leave();
    }
    for (n, step) in scenario.steps.iter().enumerate() {
        let place = format!("{}, step {n}", scenario.name);
        match step {
            Step::Write { conn, bytes } => {
                let conn = conns.entry(*conn).or_insert_with(|| Conn::new(stage.connect()));
                stage.send(&mut conn.conn, bytes);
            }
            Step::Call { target, headers, body } => {
                let called = stage.call().unwrap_or_else(|| panic!("{place}: no request to the server"));
                assert_eq!(called.target, *target, "{place}");
                for name in ["Authorization", "Content-Type"] {
                    let recorded = headers.iter().find(|(each, _)| each == name);
                    let found = called.headers.iter().find(|(each, _)| each.eq_ignore_ascii_case(name));
                    assert_eq!(found.map(|(_, value)| value), recorded.map(|(_, value)| value), "{place}: {name}");
                }
                assert_same(&called.body, body, &place);
            }
            Step::Answer { status, body } => stage.answer(Some((*status, body))),
            Step::NoAnswer { reached: true } => {
                stage.call().unwrap_or_else(|| panic!("{place}: no request to the server"));
                stage.answer(None);
            }
            Step::NoAnswer { reached: false } => {}
            Step::Upgraded { conn, accept } => {
                let conn = conns.get_mut(conn).unwrap();
                let head = loop {
                    if let Some(head) = conn.reader.head().unwrap() {
                        break head;
                    }
                    conn.receive(stage, &place);
                };
                assert_eq!((head.status, &head.headers["sec-websocket-accept"]), (101, accept), "{place}");
                conn.is_websocket = true;
            }
            Step::Response { conn, status, body } => {
                let response = conns.get_mut(conn).unwrap().response(stage, &place);
                assert_eq!((response.status, response.text()), (*status, &**body), "{place}");
            }
            Step::Text { conn, text } => match conns.get_mut(conn).unwrap().incoming(stage, &place) {
                Incoming::Text(found) => assert_same(&found, text, &place),
                other => panic!("{place}: {other:?} and not {text}"),
            },
            Step::Pong { conn, payload } => {
                let found = conns.get_mut(conn).unwrap().incoming(stage, &place);
                assert_eq!(found, Incoming::Pong(payload.clone()), "{place}");
            }
            Step::Close { conn, code } => match conns.get_mut(conn).unwrap().incoming(stage, &place) {
                Incoming::Close(close) => assert_eq!(close.map(|close| close.code), *code, "{place}"),
                other => panic!("{place}: {other:?} and not a close frame"),
            },
            Step::Closed { conn } => conns.get_mut(conn).unwrap().end(stage, &place),
        }
    }
    for (n, conn) in &mut conns {
        let place = format!("{}, at the end on connection {n}", scenario.name);
        if conn.is_websocket && !conn.ended {
            assert_eq!(conn.reader.incoming(), None, "{place}");
        }
    }
    conns.into_values().for_each(|conn| stage.cut(conn.conn));
    // Whatever was said, it lives: somebody else is served.
    let mut conn = Conn::new(stage.connect());
    stage.send(&mut conn.conn, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(conn.response(stage, &scenario.name).status, 404, "{}", scenario.name);
}

impl<C> Conn<C> {
    fn new(conn: C) -> Self {
        Self { conn, bytes: Vec::new(), reader: Reader::default(), is_websocket: false, ended: false }
    }

    fn receive<S: Stage<Conn = C>>(&mut self, stage: &mut S, place: &str) {
        match stage.receive(&mut self.conn, PATIENCE) {
            Received::Bytes(bytes) => {
                self.reader.feed(&bytes);
                self.bytes.extend(bytes);
            }
            other => panic!("{place}: {other:?}, behind {:?}", String::from_utf8_lossy(&self.bytes)),
        }
    }

    fn response<S: Stage<Conn = C>>(&mut self, stage: &mut S, place: &str) -> HttpResponse {
        loop {
            if let Some((response, length)) = HttpResponse::parse(&self.bytes) {
                self.bytes.drain(..length);
                return response;
            }
            self.receive(stage, place);
        }
    }

    fn incoming<S: Stage<Conn = C>>(&mut self, stage: &mut S, place: &str) -> Incoming {
        loop {
            if let Some(incoming) = self.reader.incoming() {
                return incoming;
            }
            self.receive(stage, place);
        }
    }

    fn end<S: Stage<Conn = C>>(&mut self, stage: &mut S, place: &str) {
        let end = stage.receive(&mut self.conn, PATIENCE);
        assert_eq!(end, Received::End, "{place}");
        self.ended = true;
    }
}

/// Byte for byte, or as values whose order does not matter.
fn assert_same(found: &str, recorded: &str, place: &str) {
    if found != recorded {
        let value = |text| ion::from_str::<Value>(text).unwrap_or_else(|error| panic!("{place}: {error}: {text}"));
        assert_eq!(value(found), value(recorded), "{place}");
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
