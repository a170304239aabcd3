//! vsn 2 binary frames: a kind, one byte for the size of each field, the fields, the data. Sizes count bytes.
//! Source: phoenix lib/phoenix/socket/serializers/v2_json_serializer.ex (main, 2026-08-20); of the client's form
//! assets/js/phoenix/serializer.js.

use std::borrow::Cow;

use super::{DecodeError, EncodeError, Message, Ref};
use crate::payload::Payload;

/// What a client sends: `0`, sizes of join_ref, ref, topic, event, then these and the data.
/// A join_ref or ref of size 0 is the empty string, not null. Source: conformance `binary_join_leave_heartbeat`.
pub(super) fn decode_client(data: &[u8]) -> Result<Message<'_>, DecodeError> {
    let ([join_ref, ref_, topic, event], data) = match data.split_first() {
        Some((&PUSH, rest)) => fields(rest)?,
        _ => return Err(DecodeError::MalformedBinary),
    };
    Ok(message(Ref::Text(join_ref), Ref::Text(ref_), topic, event, data))
}

/// What a server sends: a push, a reply or a broadcast. A reply also has a status and is a `phx_reply`.
/// An empty join_ref or ref stands for null, which is what a server makes of it.
pub(super) fn decode_server(data: &[u8]) -> Result<(Message<'_>, Option<&str>), DecodeError> {
    match data.split_first() {
        Some((&PUSH, rest)) => {
            let ([join_ref, topic, event], data) = fields(rest)?;
            Ok((message(or_null(join_ref), Ref::Null, topic, event, data), None))
        }
        Some((&REPLY, rest)) => {
            let ([join_ref, ref_, topic, status], data) = fields(rest)?;
            Ok((message(or_null(join_ref), or_null(ref_), topic, "phx_reply", data), Some(status)))
        }
        Some((&BROADCAST, rest)) => {
            let ([topic, event], data) = fields(rest)?;
            Ok((message(Ref::Null, Ref::Null, topic, event, data), None))
        }
        _ => Err(DecodeError::MalformedBinary),
    }
}

pub(super) fn encode_client(out: &mut Vec<u8>, message: &Message<'_>, data: &[u8]) -> Result<(), EncodeError> {
    let (join_ref, ref_) = (message.join_ref.plain()?, message.ref_.plain()?);
    write(out, PUSH, [&join_ref, &ref_, &message.topic, &message.event], data)
}

pub(super) fn encode_push(
    out: &mut Vec<u8>,
    join_ref: Ref<'_>,
    topic: &str,
    event: &str,
    data: &[u8],
) -> Result<(), EncodeError> {
    write(out, PUSH, [&join_ref.plain()?, topic, event], data)
}

pub(super) fn encode_reply(
    out: &mut Vec<u8>,
    (join_ref, ref_): (Ref<'_>, Ref<'_>),
    topic: &str,
    status: &str,
    data: &[u8],
) -> Result<(), EncodeError> {
    write(out, REPLY, [&join_ref.plain()?, &ref_.plain()?, topic, status], data)
}

/// A broadcast up to its data, which ends it.
pub(super) fn begin_broadcast(out: &mut Vec<u8>, topic: &str, event: &str) -> Result<(), EncodeError> {
    write(out, BROADCAST, [topic, event], &[])
}

const PUSH: u8 = 0;
const REPLY: u8 = 1;
const BROADCAST: u8 = 2;

/// The fields whose sizes stand at the front of `rest`, and the data behind them.
fn fields<const N: usize>(rest: &[u8]) -> Result<([&str; N], &[u8]), DecodeError> {
    let (sizes, mut rest) = rest.split_first_chunk::<N>().ok_or(DecodeError::MalformedBinary)?;
    let mut fields = [""; N];
    for (field, size) in fields.iter_mut().zip(sizes) {
        let (bytes, behind) = rest.split_at_checked(usize::from(*size)).ok_or(DecodeError::MalformedBinary)?;
        *field = std::str::from_utf8(bytes).map_err(|_| DecodeError::BinaryNotUtf8)?;
        rest = behind;
    }
    Ok((fields, rest))
}

/// Nothing is written unless all of it can be.
fn write<const N: usize>(out: &mut Vec<u8>, kind: u8, fields: [&str; N], data: &[u8]) -> Result<(), EncodeError> {
    let mut sizes = [0; N];
    for (size, field) in sizes.iter_mut().zip(fields) {
        *size = u8::try_from(field.len()).map_err(|_| EncodeError::TooLarge { len: field.len(), max: 255 })?;
    }
    out.push(kind);
    out.extend_from_slice(&sizes);
    fields.iter().for_each(|field| out.extend_from_slice(field.as_bytes()));
    out.extend_from_slice(data);
    Ok(())
}

fn or_null(text: &str) -> Ref<'_> {
    if text.is_empty() { Ref::Null } else { Ref::Text(text) }
}

fn message<'a>(join_ref: Ref<'a>, ref_: Ref<'a>, topic: &'a str, event: &'a str, data: &'a [u8]) -> Message<'a> {
    Message { join_ref, ref_, topic: Cow::Borrowed(topic), event: Cow::Borrowed(event), payload: Payload::Binary(data) }
}
