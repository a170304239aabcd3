//! The channels' wire formats: what is read is what was written, and JSON is JSON.

use chanson_core::wire::{self, DecodeError, Message, Ref, RefBuf, Vsn};
use chanson_core::{Json, Payload};
use serde::de::IgnoredAny;

/// A text message of version 1.
pub fn wire_v1(data: &[u8]) {
    text(Vsn::V1, data);
}

/// A text message of version 2.
pub fn wire_v2(data: &[u8]) {
    text(Vsn::V2, data);
}

/// A binary message of version 2, from a client and from a server.
pub fn wire_binary(data: &[u8]) {
    match wire::decode_binary(Vsn::V2, data) {
        Ok(message) => {
            refs(&message);
            assert_eq!(client_bytes(Vsn::V2, &message).as_deref(), Some(data));
        }
        Err(error) => assert!(matches!(error, DecodeError::MalformedBinary | DecodeError::BinaryNotUtf8), "{error}"),
    }
    if let Ok((message, status)) = wire::fuzz::decode_server_binary(data) {
        refs(&message);
        let mut out = Vec::new();
        match data[0] {
            0 => wire::fuzz::encode_server_push(&mut out, &message),
            _ => wire::fuzz::encode_server(Vsn::V2, &mut out, &message, status),
        }
        .expect("it came so");
        assert_eq!(out, data);
    }
}

fn text(vsn: Vsn, data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let is_json = serde_json::from_str::<IgnoredAny>(text).is_ok();
    if Json::new(text).is_ok() {
        assert!(is_json, "taken for JSON");
    } else {
        assert!(!is_json || is_deep(text), "not taken for JSON");
    }
    let decoded = wire::decode_text(vsn, text);
    if vsn == Vsn::V1 {
        assert_eq!(decoded, wire::decode_binary(vsn, data));
    }
    let message = match decoded {
        Ok(message) => message,
        Err(error) => {
            assert!(error.reason().len() <= 123, "it fits no close frame");
            assert!(error != DecodeError::MalformedJson || !is_json || is_deep(text), "{error}");
            return;
        }
    };
    assert!(is_json, "read what is no JSON");
    refs(&message);
    let written = client_bytes(vsn, &message).expect("JSON can be written in any version");
    assert_eq!(wire::decode_text(vsn, as_str(&written)).as_ref(), Ok(&message), "as a client writes it");
    for out_vsn in [Vsn::V1, Vsn::V2] {
        let mut out = Vec::new();
        wire::fuzz::encode_server(out_vsn, &mut out, &message, None).expect("JSON can be written in any version");
        let pushed = wire::decode_text(out_vsn, as_str(&out)).expect("it was written so");
        assert_eq!((&pushed.topic, &pushed.event, pushed.payload), (&message.topic, &message.event, message.payload));
        assert!(pushed.join_ref == message.join_ref || out_vsn == Vsn::V1 && pushed.join_ref.is_null());

        // The event serves as any status.
        out.clear();
        wire::fuzz::encode_server(out_vsn, &mut out, &message, Some(&message.event)).expect("the same");
        let reply = wire::decode_text(out_vsn, as_str(&out)).expect("it was written so");
        assert_eq!((reply.ref_, &*reply.event, &reply.topic), (message.ref_, "phx_reply", &message.topic));
        let Payload::Json(body) = reply.payload else { panic!("text holds JSON") };
        assert!(body.as_str().ends_with(&format!(",\"response\":{}}}", payload(&message))));
    }
}

fn client_bytes(vsn: Vsn, message: &Message<'_>) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    wire::fuzz::encode_client(vsn, &mut out, message).ok().map(|()| out)
}

/// Refs are equal to themselves, in every form in which they are kept.
fn refs(message: &Message<'_>) {
    for kept in [message.join_ref, message.ref_] {
        // A number beyond all bounds is equal to none, by value, but is to itself, by spelling.
        assert_eq!(RefBuf::from(kept).as_ref(), kept);
        assert_eq!(kept.is_null(), kept == Ref::Null);
    }
}

fn payload<'a>(message: &Message<'a>) -> &'a str {
    match message.payload {
        Payload::Json(json) => json.as_str(),
        Payload::Binary(_) => panic!("text holds JSON"),
    }
}

/// Whether more brackets are open at a time, in strings or not, than JSON may be nested.
fn is_deep(text: &str) -> bool {
    let mut depth = 0_usize;
    text.bytes().any(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth > 128
    })
}

fn as_str(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text is written")
}
