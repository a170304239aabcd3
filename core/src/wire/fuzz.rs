//! What fuzz targets check of what is private: that the bytes which are written are those that are read. No part of the
//! API.

use super::{DecodeError, EncodeError, Message, Vsn, binary};
use crate::payload::Payload;

/// Reads a binary message from a server, on version 2; with the status if it is a reply.
pub fn decode_server_binary(data: &[u8]) -> Result<(Message<'_>, Option<&str>), DecodeError> {
    binary::decode_server(data)
}

/// Appends a message from a client.
pub fn encode_client(vsn: Vsn, out: &mut Vec<u8>, message: &Message<'_>) -> Result<(), EncodeError> {
    super::encode_message(vsn, out, message).map(drop)
}

/// Appends it as the push from a server that it is; as the reply when there is a status, as a broadcast without a
/// join_ref.
pub fn encode_server(
    vsn: Vsn,
    out: &mut Vec<u8>,
    message: &Message<'_>,
    status: Option<&str>,
) -> Result<(), EncodeError> {
    let Message { join_ref, ref_, topic, event, payload } = message;
    match status {
        Some(status) => super::encode_reply(vsn, out, *join_ref, *ref_, topic, status, *payload),
        None if join_ref.is_null() => super::encode_broadcast(vsn, out, topic, event, *payload),
        None => super::encode_push(vsn, out, *join_ref, topic, event, *payload),
    }
    .map(drop)
}

/// The bytes of a binary push from a server, whatever its join_ref.
pub fn encode_server_push(out: &mut Vec<u8>, message: &Message<'_>) -> Result<(), EncodeError> {
    match message.payload {
        Payload::Binary(_) => {
            super::encode_push(Vsn::V2, out, message.join_ref, &message.topic, &message.event, message.payload)
                .map(drop)
        }
        Payload::Json(_) => Err(EncodeError::BinaryUnsupported),
    }
}
