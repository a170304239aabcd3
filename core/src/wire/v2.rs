//! vsn 2 text: a JSON array `[join_ref, ref, topic, event, payload]`.
//! Source: phoenix lib/phoenix/socket/serializers/v2_json_serializer.ex (main, 2026-08-20).

use std::borrow::Cow;

use super::{Body, DecodeError, Message, Ref, Text, text_field};
use crate::error::InvalidJson;
use crate::json::{self, Scanner};
use crate::payload::{Json, Payload};

pub(super) fn decode(text: &str) -> Result<Message<'_>, DecodeError> {
    if let Some(message) = plain(text) {
        return Ok(message);
    }
    let [join_ref, ref_, topic, event, payload] = elements(text).map_err(|InvalidJson| shape_or_syntax(text))?;
    Ok(Message {
        join_ref: Ref::from_json(join_ref),
        ref_: Ref::from_json(ref_),
        topic: text_field(topic, DecodeError::TopicNotString)?,
        event: text_field(event, DecodeError::EventNotString)?,
        payload: Payload::Json(Json::trusted(payload)),
    })
}

#[inline(always)]
pub(super) fn encode(out: &mut Vec<u8>, join_ref: Ref<'_>, ref_: Ref<'_>, text: Text<'_>) {
    let Text { topic, event, body } = text;
    // Nothing to be escaped is the rule.
    if let (Some(join_ref), Some(ref_)) = (join_ref.as_json(), ref_.as_json())
        && json::is_plain(topic.as_bytes())
    {
        match body {
            Body::Reply { status: "ok", response } => {
                let before = "\",\"phx_reply\",{\"status\":\"ok\",\"response\":";
                return append(out, ["[", join_ref, ",", ref_, ",\"", topic, before, response.as_str(), "}]"]);
            }
            Body::Json(payload) if json::is_plain(event.as_bytes()) => {
                let parts = ["[", join_ref, ",", ref_, ",\"", topic, "\",\"", event, "\",", payload.as_str(), "]"];
                return append(out, parts);
            }
            _ => {}
        }
    }
    encode_escaped(out, join_ref, ref_, text);
}

#[cold]
fn encode_escaped(out: &mut Vec<u8>, join_ref: Ref<'_>, ref_: Ref<'_>, Text { topic, event, body }: Text<'_>) {
    begin_escaped(out, join_ref, ref_, topic, event);
    body.write(out);
    out.push(b']');
}

#[cold]
fn begin_escaped(out: &mut Vec<u8>, join_ref: Ref<'_>, ref_: Ref<'_>, topic: &str, event: &str) {
    out.push(b'[');
    join_ref.write_json(out);
    out.push(b',');
    ref_.write_json(out);
    out.push(b',');
    json::escape_into(out, topic);
    out.push(b',');
    json::escape_into(out, event);
    out.push(b',');
}

/// A broadcast up to its payload; and what is behind that.
pub(super) fn begin_broadcast(out: &mut Vec<u8>, topic: &str, event: &str) -> &'static [u8] {
    if json::is_plain(topic.as_bytes()) && json::is_plain(event.as_bytes()) {
        append(out, ["[null,null,\"", topic, "\",\"", event, "\","]);
    } else {
        begin_escaped(out, Ref::Null, Ref::Null, topic, event);
    }
    b"]"
}

/// With room made once for all.
#[inline(always)]
fn append<const N: usize>(out: &mut Vec<u8>, parts: [&str; N]) {
    out.reserve(parts.iter().map(|part| part.len()).sum());
    for part in parts {
        out.extend_from_slice(part.as_bytes());
    }
}

/// What clients write: five elements without white space between them, refs and names that are strings without escapes (or
/// refs that are null). `None` for all else, be it valid or not, which [`elements`] has to look at.
fn plain(text: &str) -> Option<Message<'_>> {
    let (join_ref, rest) = plain_ref(text.strip_prefix('[')?)?;
    let (ref_, rest) = plain_ref(rest)?;
    let (topic, rest) = plain_string(rest)?;
    let (event, rest) = plain_string(rest)?;
    let (payload, "]") = rest.split_at_checked(json::value_end(rest.as_bytes(), 0)?)? else { return None };
    Some(Message {
        join_ref,
        ref_,
        topic: Cow::Borrowed(topic),
        event: Cow::Borrowed(event),
        payload: Payload::Json(Json::trusted(payload)),
    })
}

/// What stands between the quotes of a string without escapes, and what is behind it and its comma.
#[inline(always)]
fn plain_string(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('"')?;
    let (string, rest) = inside.split_at_checked(json::plain_len(inside.as_bytes()))?;
    Some((string, rest.strip_prefix("\",")?))
}

/// The same of a ref, which may be null.
#[inline(always)]
fn plain_ref(text: &str) -> Option<(Ref<'_>, &str)> {
    if let Some(rest) = text.strip_prefix("null,") {
        return Some((Ref::Null, rest));
    }
    let inside = text.strip_prefix('"')?;
    let len = json::plain_len(inside.as_bytes());
    let rest = inside.get(len..)?.strip_prefix("\",")?;
    Some((Ref::Json(text.get(..len + 2)?), rest))
}

/// The first five elements; there may be more, which are ignored.
/// Source: the `[join_ref, ref, topic, event, payload | _]` of the serializer; conformance `array_long`.
fn elements(text: &str) -> Result<[&str; 5], InvalidJson> {
    let mut scanner = Scanner::new(text);
    let mut elements = [""; 5];
    let mut before = b'[';
    for element in &mut elements {
        scanner.expect(before)?;
        *element = scanner.value()?;
        before = b',';
    }
    while scanner.take(b',') {
        scanner.value()?;
    }
    scanner.expect(b']')?;
    scanner.end()?;
    Ok(elements)
}

/// Names what is wrong with a message that could not be read.
#[cold]
fn shape_or_syntax(text: &str) -> DecodeError {
    match json::validate(text) {
        Ok(()) => DecodeError::NotAnArrayOfFive,
        Err(InvalidJson) => DecodeError::MalformedJson,
    }
}
