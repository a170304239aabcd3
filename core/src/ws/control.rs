//! Encoding of frames that are not shared: control frames of both roles and a client's data frames.
//!
//! A server passes no mask; a client passes a fresh, unpredictable key for each frame (RFC 6455 §5.3).

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::mask;

/// The longest payload of a control frame (RFC 6455 §5.5).
pub const MAX_CONTROL: usize = 125;

/// Appends a control frame. What is longer than [`MAX_CONTROL`] is cut off, because no such frame may be sent.
pub fn control(kind: Control, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    frame(OpCode::Control(kind), false, &payload[..payload.len().min(MAX_CONTROL)], mask, out);
}

/// Appends a close frame. A code that may not be sent ([`is_valid_close_code`]) gives a frame without one, and a reason
/// that is too long is cut at a character.
pub fn close(code: u16, reason: &str, mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    if !is_valid_close_code(code) {
        return control(Control::Close, &[], mask, out);
    }
    let end = (0..=reason.len().min(MAX_CONTROL - 2)).rev().find(|end| reason.is_char_boundary(*end)).unwrap_or(0);
    let mut payload = [0; MAX_CONTROL];
    payload[..2].copy_from_slice(&code.to_be_bytes());
    payload[2..2 + end].copy_from_slice(&reason.as_bytes()[..end]);
    control(Control::Close, &payload[..2 + end], mask, out);
}

/// Appends a whole message as one data frame.
pub fn data(kind: Data, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    frame(OpCode::Data(kind), false, payload, mask, out);
}

/// Appends a whole message, compressed, as one data frame with RSV1 set (RFC 7692 §6).
pub fn compressed(kind: Data, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    frame(OpCode::Data(kind), true, payload, mask, out);
}

/// Whether a close frame may carry this code: defined by RFC 6455 §7.4.1 or registered with IANA (1012 to 1014), or one
/// of the ranges for libraries and applications.
pub const fn is_valid_close_code(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

fn frame(opcode: OpCode, rsv1: bool, payload: &[u8], mask: Option<[u8; 4]>, out: &mut Vec<u8>) {
    let header = FrameHeader { opcode, rsv1, mask, ..FrameHeader::default() };
    let len = payload.len() as u64;
    // No more than is needed: most frames are kept as they are until they have left.
    out.reserve_exact(header.len(len) + payload.len());
    header.format(len, out).expect("writing to a Vec does not fail");
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = mask {
        mask::apply(key, 0, &mut out[start..]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn close_frames() {
        let encode = |code, reason: &str, mask| {
            let mut out = Vec::new();
            close(code, reason, mask, &mut out);
            out
        };
        assert_eq!(encode(1001, "", None), [0x88, 2, 3, 0xe9]);
        assert_eq!(encode(1002, "no", None), [0x88, 4, 3, 0xea, b'n', b'o']);
        assert_eq!(encode(1001, "", Some([1, 2, 3, 4])), [0x88, 0x82, 1, 2, 3, 4, 3 ^ 1, 0xe9 ^ 2]);
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            assert_eq!(encode(code, "unsaid", None), [0x88, 0], "{code}");
        }
        let long = encode(1000, &"é".repeat(100), None);
        assert_eq!(long.len(), 2 + 2 + 122, "cut at a character");
        assert!(std::str::from_utf8(&long[4..]).is_ok());
    }

    #[test]
    fn a_control_frame_is_never_too_long() {
        let mut out = Vec::new();
        control(Control::Ping, &[7; 200], None, &mut out);
        assert_eq!(out.len(), 2 + MAX_CONTROL);
        assert_eq!(out[..2], [0x89, 125]);
    }
}
