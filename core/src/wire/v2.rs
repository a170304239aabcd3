//! vsn 2 text: a JSON array `[join_ref, ref, topic, event, payload]`.
//! Source: phoenix lib/phoenix/socket/serializers/v2_json_serializer.ex (main, 2026-08-20).

use super::{DecodeError, Message, Ref, Text, text_field};
use crate::error::InvalidJson;
use crate::json::{self, Scanner};
use crate::payload::{Json, Payload};

pub(super) fn decode(text: &str) -> Result<Message<'_>, DecodeError> {
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
    out.push(b',');
    json::escape_into(out, text.event);
    out.push(b',');
    text.body.write(out);
    out.push(b']');
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
