//! The Phoenix Channels wire protocol: what the bytes of one WebSocket message mean, in both versions.
//!
//! Decoding borrows from the input; the payload is validated but not parsed. Nothing here allocates unless a topic or
//! event has an escape in it.
//!
//! Covenant speaks another format, [`ion`].

mod binary;
#[doc(hidden)]
pub mod fuzz;
pub mod ion;
mod refs;
#[cfg(test)]
mod tests;
mod v1;
mod v2;

use std::borrow::Cow;
use std::fmt;

pub use refs::{Ref, RefBuf};

use crate::error::{CommandError, PeerError};
use crate::frame::Kind;
use crate::json;
use crate::payload::{Json, Payload};

/// The version of the wire format, chosen by the client's `vsn` parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Vsn {
    /// JSON objects.
    V1,
    /// JSON arrays, and binary frames.
    V2,
}

impl Vsn {
    /// Reads the `vsn` parameter of the request: any `1.0.x` and `2.0.x`, and version 1 when there is none. `None` for
    /// all else, which is to be refused with 403.
    /// Source: phoenix lib/phoenix/socket/transport.ex, `~> 1.0.0` and `~> 2.0.0` (main, 2026-08-20), and conformance `vsn_*`.
    ///
    /// ```
    /// use chanson_core::wire::Vsn;
    ///
    /// assert_eq!(Vsn::from_param(None), Some(Vsn::V1));
    /// assert_eq!(Vsn::from_param(Some("2.0.0")), Some(Vsn::V2));
    /// assert_eq!(Vsn::from_param(Some("2.1.0")), None);
    /// ```
    pub fn from_param(vsn: Option<&str>) -> Option<Self> {
        let Some(vsn) = vsn else { return Some(Self::V1) };
        let (version, build) = vsn.split_once('+').map_or((vsn, None), |(version, build)| (version, Some(build)));
        let (vsn, patch) = if let Some(patch) = version.strip_prefix("1.0.") {
            (Self::V1, patch)
        } else {
            (Self::V2, version.strip_prefix("2.0.")?)
        };
        let canonical = patch == "0" || !patch.starts_with('0');
        let digits = !patch.is_empty() && patch.bytes().all(|byte| byte.is_ascii_digit());
        (canonical && digits && build.is_none_or(is_build)).then_some(vsn)
    }
}

/// One message of a channel, borrowed from what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The ref of the join that the message belongs to.
    pub join_ref: Ref<'a>,
    /// Ties a reply to its push.
    pub ref_: Ref<'a>,
    /// The topic.
    pub topic: Cow<'a, str>,
    /// The event: `phx_join`, `phx_leave`, `heartbeat` or the application's own.
    pub event: Cow<'a, str>,
    /// Any JSON value, or bytes.
    pub payload: Payload<'a>,
}

/// Reads a text message. O(length).
///
/// ```
/// use chanson_core::wire::{Ref, Vsn, decode_text};
///
/// let message = decode_text(Vsn::V2, r#"["1","2","room:a","new_msg",{"body":"hi"}]"#)?;
/// assert_eq!(message.join_ref, Ref::Text("1"));
/// assert_eq!(message.event, "new_msg");
/// assert_eq!(message.payload.json().unwrap().as_str(), r#"{"body":"hi"}"#);
/// # Ok::<(), chanson_core::wire::DecodeError>(())
/// ```
///
/// # Errors
/// The first rule that it breaks; the peer is closed with 1011 and its [`reason`](DecodeError::reason).
pub fn decode_text(vsn: Vsn, text: &str) -> Result<Message<'_>, DecodeError> {
    match vsn {
        Vsn::V1 => v1::decode(text),
        Vsn::V2 => v2::decode(text),
    }
}

/// Reads a binary message from a client. On version 1 it is read as the JSON that text would be.
/// Source: conformance `v1_binary_json_on_v1`.
///
/// # Errors
/// As [`decode_text`].
pub fn decode_binary(vsn: Vsn, data: &[u8]) -> Result<Message<'_>, DecodeError> {
    match vsn {
        Vsn::V1 => v1::decode(std::str::from_utf8(data).map_err(|_| DecodeError::BinaryNotUtf8)?),
        Vsn::V2 => binary::decode_client(data),
    }
}

/// Reads a text message from a server; replies are events `phx_reply` whose payload holds the status.
pub(crate) fn decode_server_text(vsn: Vsn, text: &str) -> Result<Message<'_>, DecodeError> {
    decode_text(vsn, text)
}

/// Reads a binary message from a server; a reply is an event `phx_reply`, with its status beside the message.
pub(crate) fn decode_server_binary(vsn: Vsn, data: &[u8]) -> Result<(Message<'_>, Option<&str>), DecodeError> {
    match vsn {
        Vsn::V1 => decode_binary(vsn, data).map(|message| (message, None)),
        Vsn::V2 => binary::decode_server(data),
    }
}

/// Appends a push from server to client: no ref, but the ref of the join.
pub(crate) fn encode_push(
    vsn: Vsn,
    out: &mut Vec<u8>,
    join_ref: Ref<'_>,
    topic: &str,
    event: &str,
    payload: Payload<'_>,
) -> Result<Kind, EncodeError> {
    match payload {
        Payload::Json(payload) => Ok(encode_control(vsn, out, join_ref, Ref::Null, topic, event, payload)),
        Payload::Binary(data) => {
            binary_only_in(vsn)?;
            binary::encode_push(out, join_ref, topic, event, data).map(|()| Kind::Binary)
        }
    }
}

/// Appends a reply: `status` is `ok`, `error` or one of the application's own.
pub(crate) fn encode_reply(
    vsn: Vsn,
    out: &mut Vec<u8>,
    join_ref: Ref<'_>,
    ref_: Ref<'_>,
    topic: &str,
    status: &str,
    payload: Payload<'_>,
) -> Result<Kind, EncodeError> {
    match payload {
        Payload::Json(response) => {
            let body = Body::Reply { status, response };
            Ok(encode_text(vsn, out, join_ref, ref_, Text { topic, event: "phx_reply", body }))
        }
        Payload::Binary(data) => {
            binary_only_in(vsn)?;
            binary::encode_reply(out, (join_ref, ref_), topic, status, data).map(|()| Kind::Binary)
        }
    }
}

/// Appends what stands before the payload of a broadcast, and says what stands behind it: neither ref nor join_ref, the same bytes
/// for every subscriber.
pub(crate) fn begin_broadcast(
    vsn: Vsn,
    out: &mut Vec<u8>,
    topic: &str,
    event: &str,
    payload: Payload<'_>,
) -> Result<(Kind, &'static [u8]), EncodeError> {
    match (payload, vsn) {
        (Payload::Json(_), Vsn::V1) => Ok((Kind::Text, v1::begin_broadcast(out, topic, event))),
        (Payload::Json(_), Vsn::V2) => Ok((Kind::Text, v2::begin_broadcast(out, topic, event))),
        (Payload::Binary(_), vsn) => {
            binary_only_in(vsn)?;
            binary::begin_broadcast(out, topic, event).map(|()| (Kind::Binary, &[][..]))
        }
    }
}

/// Appends all of it.
pub(crate) fn encode_broadcast(
    vsn: Vsn,
    out: &mut Vec<u8>,
    topic: &str,
    event: &str,
    payload: Payload<'_>,
) -> Result<Kind, EncodeError> {
    let (kind, tail) = begin_broadcast(vsn, out, topic, event, payload)?;
    out.extend_from_slice(payload.bytes());
    out.extend_from_slice(tail);
    Ok(kind)
}

/// Appends any message that a server sends as text, `phx_close` and `phx_error` too: these have the join_ref as ref.
pub(crate) fn encode_control(
    vsn: Vsn,
    out: &mut Vec<u8>,
    join_ref: Ref<'_>,
    ref_: Ref<'_>,
    topic: &str,
    event: &str,
    payload: Json<'_>,
) -> Kind {
    encode_text(vsn, out, join_ref, ref_, Text { topic, event, body: Body::Json(payload) })
}

/// Appends a message from client to server.
pub(crate) fn encode_message(vsn: Vsn, out: &mut Vec<u8>, message: &Message<'_>) -> Result<Kind, EncodeError> {
    match message.payload {
        Payload::Json(payload) => {
            let text = Text { topic: &message.topic, event: &message.event, body: Body::Json(payload) };
            match vsn {
                Vsn::V1 => v1::encode(out, message.join_ref, message.ref_, text),
                Vsn::V2 => v2::encode(out, message.join_ref, message.ref_, text),
            }
            Ok(Kind::Text)
        }
        Payload::Binary(data) => {
            binary_only_in(vsn)?;
            binary::encode_client(out, message, data).map(|()| Kind::Binary)
        }
    }
}

/// A rule of the wire format that a message breaks. Its connection is closed with 1011.
/// Source: conformance `v1_bad_*`, `v2_bad_*` (the reference gives no reason text).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DecodeError {
    /// The text is no JSON value as RFC 8259 has it, or one nested too deep.
    MalformedJson,
    /// vsn 2: something else than an array, or one of fewer than five elements.
    NotAnArrayOfFive,
    /// vsn 1: something else than an object.
    NotAnObject,
    /// vsn 1: there is no `topic`.
    MissingTopic,
    /// vsn 1: there is no `event`.
    MissingEvent,
    /// vsn 1: there is no `payload`.
    MissingPayload,
    /// vsn 1: there is no `ref`, not even a null one.
    MissingRef,
    /// The topic is of another type. (The reference answers such a one "unmatched topic".)
    TopicNotString,
    /// The event is of another type.
    EventNotString,
    /// A topic or event with a lone surrogate escape.
    LoneSurrogate,
    /// A binary frame of an unknown kind, or shorter than its sizes say.
    MalformedBinary,
    /// A topic, event or ref in a binary frame (on vsn 1: all of it) that is not UTF-8.
    BinaryNotUtf8,
}

impl DecodeError {
    /// The short text for the close frame.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::MalformedJson => "malformed json",
            Self::NotAnArrayOfFive => "not an array of five",
            Self::NotAnObject => "not an object",
            Self::MissingTopic => "missing topic",
            Self::MissingEvent => "missing event",
            Self::MissingPayload => "missing payload",
            Self::MissingRef => "missing ref",
            Self::TopicNotString => "topic is not a string",
            Self::EventNotString => "event is not a string",
            Self::LoneSurrogate => "lone surrogate in topic or event",
            Self::MalformedBinary => "malformed binary",
            Self::BinaryNotUtf8 => "invalid utf-8 in binary",
        }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.reason())
    }
}

impl std::error::Error for DecodeError {}

impl From<DecodeError> for PeerError {
    fn from(error: DecodeError) -> Self {
        Self::Undecodable(error.reason())
    }
}

/// Why a message cannot be written in a version of the wire format. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// Bytes, which vsn 1 has no form for.
    BinaryUnsupported,
    /// A topic, event, status or ref of a binary frame that is longer than its size byte can say.
    TooLarge {
        /// Its length in bytes.
        len: usize,
        /// What a binary frame can carry.
        max: usize,
    },
    /// A ref that is an array, an object or no Unicode string, in a binary frame.
    RefNotText,
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::BinaryUnsupported => f.write_str("vsn 1 cannot carry binary data"),
            Self::TooLarge { len, max } => write!(f, "{len} bytes where a binary frame can carry {max}"),
            Self::RefNotText => f.write_str("the ref has no binary form"),
        }
    }
}

impl std::error::Error for EncodeError {}

impl From<EncodeError> for CommandError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLarge { len, max } => Self::TooLarge { len, max },
            EncodeError::BinaryUnsupported | EncodeError::RefNotText => Self::BinaryUnsupported,
        }
    }
}

/// What a text message holds besides the refs.
#[derive(Clone, Copy)]
struct Text<'a> {
    topic: &'a str,
    /// `phx_reply` for a reply.
    event: &'a str,
    body: Body<'a>,
}

#[derive(Clone, Copy)]
enum Body<'a> {
    Json(Json<'a>),
    Reply { status: &'a str, response: Json<'a> },
}

impl Body<'_> {
    fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Json(json) => out.extend_from_slice(json.as_str().as_bytes()),
            Self::Reply { status, response } => {
                match status {
                    "ok" => out.extend_from_slice(b"{\"status\":\"ok\",\"response\":"),
                    status => {
                        out.extend_from_slice(b"{\"status\":");
                        json::escape_into(out, status);
                        out.extend_from_slice(b",\"response\":");
                    }
                }
                out.extend_from_slice(response.as_str().as_bytes());
                out.push(b'}');
            }
        }
    }
}

/// A text message from a server, which on vsn 1 never has a join_ref.
#[inline(always)]
fn encode_text(vsn: Vsn, out: &mut Vec<u8>, join_ref: Ref<'_>, ref_: Ref<'_>, text: Text<'_>) -> Kind {
    match vsn {
        Vsn::V1 => v1::encode(out, Ref::Null, ref_, text),
        Vsn::V2 => v2::encode(out, join_ref, ref_, text),
    }
    Kind::Text
}

const fn binary_only_in(vsn: Vsn) -> Result<(), EncodeError> {
    match vsn {
        Vsn::V1 => Err(EncodeError::BinaryUnsupported),
        Vsn::V2 => Ok(()),
    }
}

/// The string that a JSON value is; `wrong_type` when it is something else.
fn text_field(value: &str, wrong_type: DecodeError) -> Result<Cow<'_, str>, DecodeError> {
    if !value.starts_with('"') {
        return Err(wrong_type);
    }
    json::unescape(value).ok_or(DecodeError::LoneSurrogate)
}

/// Build metadata of a version: identifiers between dots. Source: semver.org 2.0.0, item 10; Elixir's `Version`.
fn is_build(build: &str) -> bool {
    let is_identifier = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
    build.split('.').all(is_identifier)
}

/// What `benches/` measures of what is private. No part of the API.
#[doc(hidden)]
pub mod bench {
    use super::{Json, Payload, Ref, Vsn};

    /// Appends a reply.
    pub fn reply(vsn: Vsn, out: &mut Vec<u8>, refs: [Ref<'_>; 2], topic: &str, response: Json<'_>) -> bool {
        super::encode_reply(vsn, out, refs[0], refs[1], topic, "ok", Payload::Json(response)).is_ok()
    }

    /// Appends a broadcast.
    pub fn broadcast(vsn: Vsn, out: &mut Vec<u8>, topic: &str, event: &str, payload: Payload<'_>) -> bool {
        super::encode_broadcast(vsn, out, topic, event, payload).is_ok()
    }
}
