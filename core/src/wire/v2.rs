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

pub(super) fn encode(out: &mut Vec<u8>, join_ref: Ref<'_>, ref_: Ref<'_>, text: Text<'_>) {
    out.push(b'[');
    join_ref.write_json(out);
    out.push(b',');
    ref_.write_json(out);
    out.push(b',');
    json::escape_into(out, text.topic);
    match text.body {
        Body::Reply { .. } => out.extend_from_slice(b",\"phx_reply\","),
        Body::Json(_) => {
            out.push(b',');
            json::escape_into(out, text.event);
            out.push(b',');
        }
    }
    text.body.write(out);
    out.push(b']');
}

/// What clients write: five elements without white space between them, refs and names that are strings without escapes (or
/// refs that are null). `None` for all else, be it valid or not, which [`elements`] has to look at.
fn plain(text: &str) -> Option<Message<'_>> {
    let bytes = text.as_bytes();
    let join_ref = plain_ref_end(bytes, 0, b'[')?;
    let ref_ = plain_ref_end(bytes, join_ref, b',')?;
    let topic = plain_end(bytes, ref_, b',')?;
    let event = plain_end(bytes, topic, b',')?;
    let payload = json::value_end(bytes, event + 1)?;
    if bytes.get(event) != Some(&b',') || bytes.get(payload..) != Some(b"]") {
        return None;
    }
    Some(Message {
        join_ref: Ref::from_json(text.get(1..join_ref)?),
        ref_: Ref::from_json(text.get(join_ref + 1..ref_)?),
        topic: Cow::Borrowed(text.get(ref_ + 2..topic - 1)?),
        event: Cow::Borrowed(text.get(topic + 2..event - 1)?),
        payload: Payload::Json(Json::trusted(text.get(event + 1..payload)?)),
    })
}

/// Where a string without escapes ends that stands behind the byte `before`, which is at `at`.
#[inline]
fn plain_end(bytes: &[u8], at: usize, before: u8) -> Option<usize> {
    if bytes.get(at..at + 2)? != [before, b'"'] {
        return None;
    }
    let end = json::next_special(bytes, at + 2);
    (bytes.get(end) == Some(&b'"')).then_some(end + 1)
}

/// The same, or null.
#[inline]
fn plain_ref_end(bytes: &[u8], at: usize, before: u8) -> Option<usize> {
    let null = bytes.get(at) == Some(&before) && bytes.get(at + 1..at + 5) == Some(b"null");
    if null { Some(at + 5) } else { plain_end(bytes, at, before) }
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
