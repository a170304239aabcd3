//! One message, encoded once, to be sent to any number of connections.

use std::fmt;
use std::sync::Arc;

use tungstenite::protocol::frame::coding::{Data, OpCode};

/// One encoded message: a whole server-side WebSocket frame, header included. Cheap to clone (a reference count) and
/// `Send`.
///
/// ```
/// use chanson_core::frame::{Frame, Message};
///
/// let frame = Frame::text("hi");
/// assert_eq!(frame.message(), Message::Text("hi"));
/// assert_eq!(frame.bytes(), [0x81, 2, b'h', b'i']);
/// ```
#[derive(Clone)]
pub struct Frame {
    bytes: Arc<[u8]>,
    header: u8,
    text: bool,
    reserved: bool,
}

/// A whole WebSocket message, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

impl Frame {
    /// A text message.
    pub fn text(text: &str) -> Self {
        let mut scratch = FrameBuf::default();
        scratch.begin().extend_from_slice(text.as_bytes());
        scratch.finish(Kind::Text)
    }

    /// A binary message.
    pub fn binary(data: &[u8]) -> Self {
        let mut scratch = FrameBuf::default();
        scratch.begin().extend_from_slice(data);
        scratch.finish(Kind::Binary)
    }

    /// The bytes for the socket of a server: an unmasked, final frame with its header.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The message inside, for hosts with a WebSocket library of their own. O(length) for text.
    pub fn message(&self) -> Message<'_> {
        let payload = &self.bytes[usize::from(self.header)..];
        match self.text {
            true => Message::Text(std::str::from_utf8(payload).expect("text frames are built from str")),
            false => Message::Binary(payload),
        }
    }

    /// Several frames as one piece, for sending only: as a message it is none.
    pub(crate) fn concat(frames: &[Self], scratch: &mut Vec<u8>) -> Self {
        scratch.clear();
        frames.iter().for_each(|frame| scratch.extend_from_slice(frame.bytes()));
        Self { bytes: (&**scratch).into(), header: 0, text: false, reserved: false }
    }

    /// The same with bytes of its own.
    pub(crate) fn copy(&self) -> Self {
        Self { bytes: Arc::from(&*self.bytes), ..*self }
    }

    /// The message inside, as bytes.
    pub(crate) fn payload(&self) -> (Kind, &[u8]) {
        (if self.text { Kind::Text } else { Kind::Binary }, &self.bytes[usize::from(self.header)..])
    }

    /// Whether the other is a clone of this one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }

    /// Whether nobody else has it.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.bytes) == 1
    }

    /// Whether room is kept for it beyond the bound of a queue (replies to heartbeats).
    pub(crate) const fn is_reserved(&self) -> bool {
        self.reserved
    }

    pub(crate) fn into_reserved(mut self) -> Self {
        self.reserved = true;
        self
    }
}

impl fmt::Debug for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Frame({:?})", self.message())
    }
}

/// What kind of message the bytes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Binary,
}

impl Kind {
    /// How a frame says so.
    pub(crate) const fn opcode(self) -> Data {
        match self {
            Self::Text => Data::Text,
            Self::Binary => Data::Binary,
        }
    }
}

/// Room that frames are built in, used again for each: a finished frame costs one allocation of just its size.
#[derive(Debug, Default)]
pub(crate) struct FrameBuf {
    bytes: Vec<u8>,
}

impl FrameBuf {
    /// Starts a frame: append the message (for [`Kind::Text`]: UTF-8) to what this returns.
    pub(crate) fn begin(&mut self) -> &mut Vec<u8> {
        self.bytes.clear();
        self.bytes.extend_from_slice(&[0; MAX_HEADER]);
        &mut self.bytes
    }

    /// Puts the header before the message and hands the frame out.
    pub(crate) fn finish(&mut self, kind: Kind) -> Frame {
        let len = self.bytes.len() - MAX_HEADER;
        let first = FINAL | u8::from(OpCode::Data(kind.opcode()));
        // The shortest form of the length (RFC 6455 §5.2).
        let size: u8 = match len {
            0..=125 => 2,
            126..=0xffff => 4,
            _ => 10,
        };
        let start = MAX_HEADER - usize::from(size);
        match (size, &mut self.bytes[start..MAX_HEADER]) {
            (2, header) => header.copy_from_slice(&[first, len as u8]),
            (4, header) => {
                let [high, low] = (len as u16).to_be_bytes();
                header.copy_from_slice(&[first, 126, high, low]);
            }
            (_, header) => {
                header[..2].copy_from_slice(&[first, 127]);
                header[2..].copy_from_slice(&(len as u64).to_be_bytes());
            }
        }
        Frame { bytes: self.bytes[start..].into(), header: size, text: kind == Kind::Text, reserved: false }
    }
}

/// The first bit of a frame that is the whole of its message.
const FINAL: u8 = 0x80;

/// Two bytes, and eight for the longest form of the length; a server's frames have no mask.
const MAX_HEADER: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_shortest_form_of_the_length() {
        for (len, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = Frame::binary(&vec![7; len]);
            assert_eq!(frame.bytes().len(), header + len);
            assert_eq!(frame.message(), Message::Binary(&vec![7; len]));
        }
    }
}
