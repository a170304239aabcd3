//! What happens to a server with several connections, whatever kind of endpoint it is.

use arbitrary::Arbitrary;
use chanson_core::endpoint::Act;
use chanson_core::http::Response;
use chanson_core::time::Instant;
use chanson_core::ws::{self, Control, Data};
use chanson_core::{Accept, Refuse, Reply};
use serde_json::json;

use super::rooms::{Later, Wait};

#[derive(Debug, Arbitrary)]
pub(super) enum Op<'a> {
    End,
    Connect,
    /// Bytes as they are.
    Bytes(u8, &'a [u8]),
    Upgrade(u8, Vsn),
    /// A text message, in a frame.
    Text(u8, &'a str),
    Binary(u8, &'a [u8]),
    Control(u8, u8, &'a [u8]),
    /// A message that makes sense.
    Say {
        conn: u8,
        topic: u8,
        event: u8,
        number: u8,
        payload: u8,
    },
    /// The peer reads so many bytes.
    Read(u8, u16),
    ReadAll(u8),
    Eof(u8),
    Gone(u8),
    Pass(u16),
    Pump,
    Broadcast(u8, u8),
    Publish(u8),
    Answer(bool),
    Disconnect(u8),
    Shutdown,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
pub(super) enum Vsn {
    V1,
    V2,
    Raw,
    Missing,
}

impl Op<'_> {
    /// What comes on which connection, of those whose `vsn` these are; `None` if that is not what happens. An upgrade changes it.
    pub(super) fn bytes(&self, vsn: impl Fn(u8) -> Option<Vsn>) -> Option<(u8, Vec<u8>)> {
        let mut out = Vec::new();
        let number = match self {
            Op::Bytes(number, bytes) => {
                out.extend_from_slice(bytes);
                *number
            }
            Op::Upgrade(number, vsn) => {
                out = upgrade(*vsn);
                *number
            }
            Op::Text(number, text) => {
                ws::data(Data::Text, text.as_bytes(), MASK, &mut out);
                *number
            }
            Op::Binary(number, data) => {
                ws::data(Data::Binary, data, MASK, &mut out);
                *number
            }
            Op::Control(number, kind, data) => {
                match kind % 4 {
                    0 => ws::control(Control::Ping, data, MASK, &mut out),
                    1 => ws::control(Control::Pong, data, MASK, &mut out),
                    2 => ws::control(Control::Close, data, MASK, &mut out),
                    _ => ws::close(1000, "", MASK, &mut out),
                }
                *number
            }
            Op::Say { conn, topic, event, number, payload } => {
                let text = say(vsn(*conn)?, *topic, *event, *number, *payload);
                ws::data(Data::Text, text.as_bytes(), MASK, &mut out);
                *conn
            }
            _ => return None,
        };
        Some((number, out))
    }

    /// Has the hub do it, if it is for the hub.
    pub(super) fn act(&self, endpoint: &mut impl Act<Later>, now: Instant, later: &mut Later) {
        match self {
            Op::Broadcast(topic, len) => {
                let payload = json!({ "stamp": later.stamp(), "was": "x".repeat(usize::from(*len) * 4) });
                let result = endpoint.act(now, later, |hub, _| hub.broadcast(name(*topic), "said", payload));
                assert_eq!(result, Ok(()));
            }
            Op::Publish(topic) => {
                let text = json!({ "stamp": later.stamp() }).to_string();
                endpoint.act(now, later, |hub, _| hub.pubsub().broadcast(name(*topic), &text));
            }
            Op::Answer(ok) => {
                let Some((wait, ticket)) = later.pop() else { return };
                // The ticket may have died; that is an error and nothing more.
                endpoint.act(now, later, |hub, later| match wait {
                    Wait::Connect if *ok => drop(hub.answer_connect(now, later, ticket, Ok(Accept::default()))),
                    Wait::Connect => drop(hub.answer_connect(now, later, ticket, Err(Refuse::default()))),
                    Wait::Join if *ok => drop(hub.answer(now, later, ticket, Ok(Reply::empty()))),
                    Wait::Join => drop(hub.answer(now, later, ticket, Err(Refuse::default()))),
                    Wait::Request => drop(hub.answer_request(now, ticket, Response::new(200))),
                });
            }
            Op::Disconnect(number) => {
                let id = format!("user{}", number % 2);
                endpoint.act(now, later, |hub, later| hub.disconnect(now, later, &id));
            }
            Op::Shutdown => endpoint.act(now, later, |hub, later| hub.shutdown(now, later)),
            _ => {}
        }
    }
}

fn upgrade(vsn: Vsn) -> Vec<u8> {
    let target = match vsn {
        Vsn::V1 => "/socket/websocket?vsn=1.0.0",
        Vsn::V2 => "/socket/websocket?vsn=2.0.0&user=ann",
        Vsn::Raw => "/raw",
        Vsn::Missing => "/socket?later=1",
    };
    format!(
        "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    .into_bytes()
}

fn say(vsn: Vsn, topic: u8, event: u8, number: u8, payload: u8) -> String {
    let (topic, event) = (name(topic), EVENTS[usize::from(event) % EVENTS.len()]);
    let join = if number % 8 == 7 { "null".to_owned() } else { format!("\"{}\"", number % 4) };
    let payload = ["{}", "{\"a\":1}", "[1,2]", "\"text\"", "null", "{\"user\":\"ann\"}"][usize::from(payload) % 6];
    match vsn {
        Vsn::V2 => format!(r#"[{join},"{number}","{topic}","{event}",{payload}]"#),
        _ => {
            format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":{join},"join_ref":{join}}}"#)
        }
    }
}

pub(super) fn name(topic: u8) -> &'static str {
    ["room:a", "room:b", "any:a", "room:later", "phoenix", "nowhere"][usize::from(topic) % 6]
}

const EVENTS: [&str; 11] =
    ["phx_join", "phx_join", "echo", "say", "whisper", "stop", "crash", "later", "phx_leave", "heartbeat", "unmatched"];
const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);
