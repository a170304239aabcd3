//! vsn 1: a JSON object with `topic`, `event`, `payload`, `ref` and, from some clients, `join_ref`.
//! Source: phoenix lib/phoenix/socket/serializers/v1_json_serializer.ex (main, 2026-08-20).

use super::{DecodeError, Message, Ref, Text, text_field};
use crate::error::InvalidJson;
use crate::json::{self, Scanner};
use crate::payload::{Json, Payload};

pub(super) fn decode(text: &str) -> Result<Message<'_>, DecodeError> {
    let fields = Fields::read(text).map_err(|InvalidJson| shape_or_syntax(text))?;
    Ok(Message {
        join_ref: fields.join_ref.map_or(Ref::Null, Ref::from_json),
        ref_: Ref::from_json(fields.ref_.ok_or(DecodeError::MissingRef)?),
        topic: text_field(fields.topic.ok_or(DecodeError::MissingTopic)?, DecodeError::TopicNotString)?,
        event: text_field(fields.event.ok_or(DecodeError::MissingEvent)?, DecodeError::EventNotString)?,
        payload: Payload::Json(Json::trusted(fields.payload.ok_or(DecodeError::MissingPayload)?)),
    })
}

/// A broadcast up to its payload; and what is behind that.
pub(super) fn begin_broadcast(out: &mut Vec<u8>, topic: &str, event: &str) -> &'static [u8] {
    begin(out, topic, event);
    b",\"ref\":null}"
}

fn begin(out: &mut Vec<u8>, topic: &str, event: &str) {
    out.extend_from_slice(b"{\"topic\":");
    json::escape_into(out, topic);
    out.extend_from_slice(b",\"event\":");
    json::escape_into(out, event);
    out.extend_from_slice(b",\"payload\":");
}

/// A server never sends the `join_ref`; a client that has one may.
pub(super) fn encode(out: &mut Vec<u8>, join_ref: Ref<'_>, ref_: Ref<'_>, text: Text<'_>) {
    begin(out, text.topic, text.event);
    text.body.write(out);
    out.extend_from_slice(b",\"ref\":");
    ref_.write_json(out);
    if !join_ref.is_null() {
        out.extend_from_slice(b",\"join_ref\":");
        join_ref.write_json(out);
    }
    out.push(b'}');
}

/// The text of each field that was there. Unknown ones are skipped; of several with one name the first counts.
/// Source: conformance `payload_duplicate_keys` (how Jason builds its maps).
#[derive(Default)]
struct Fields<'a> {
    join_ref: Option<&'a str>,
    ref_: Option<&'a str>,
    topic: Option<&'a str>,
    event: Option<&'a str>,
    payload: Option<&'a str>,
}

impl<'a> Fields<'a> {
    fn read(text: &'a str) -> Result<Self, InvalidJson> {
        let mut fields = Self::default();
        let mut scanner = Scanner::new(text);
        scanner.expect(b'{')?;
        if !scanner.take(b'}') {
            loop {
                let key = scanner.string()?;
                scanner.expect(b':')?;
                let value = scanner.value()?;
                if let Some(field) = fields.named(key) {
                    field.get_or_insert(value);
                }
                if !scanner.take(b',') {
                    break;
                }
            }
            scanner.expect(b'}')?;
        }
        scanner.end()?;
        Ok(fields)
    }

    /// The field whose name is this string literal.
    fn named(&mut self, literal: &str) -> Option<&mut Option<&'a str>> {
        match json::unescape(literal)?.as_ref() {
            "topic" => Some(&mut self.topic),
            "event" => Some(&mut self.event),
            "payload" => Some(&mut self.payload),
            "ref" => Some(&mut self.ref_),
            "join_ref" => Some(&mut self.join_ref),
            _ => None,
        }
    }
}

/// Names what is wrong with a message that could not be read.
#[cold]
fn shape_or_syntax(text: &str) -> DecodeError {
    match json::validate(text) {
        Ok(()) => DecodeError::NotAnObject,
        Err(InvalidJson) => DecodeError::MalformedJson,
    }
}
