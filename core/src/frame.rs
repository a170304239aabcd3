//! One message, encoded once, to be sent to any number of connections.

pub(crate) mod memory;

use std::fmt;
use std::sync::Arc;

use tungstenite::protocol::frame::coding::Data;

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
    /// How many of the last bytes are of no meaning: memory that is used again has room for more.
    unused: u32,
    header: u8,
    text: bool,
    reserved: bool,
    /// Whether the memory is to be used again: who does that has it, too.
    lent: bool,
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
        memory::single(Kind::Text, text.as_bytes())
    }

    /// A binary message.
    pub fn binary(data: &[u8]) -> Self {
        memory::single(Kind::Binary, data)
    }

    /// The bytes for the socket of a server: an unmasked, final frame with its header.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.bytes.len() - self.unused as usize]
    }

    /// The message inside, for hosts with a WebSocket library of their own. O(length) for text.
    pub fn message(&self) -> Message<'_> {
        let (kind, payload) = self.payload();
        match kind {
            Kind::Text => Message::Text(std::str::from_utf8(payload).expect("text frames are built from str")),
            Kind::Binary => Message::Binary(payload),
        }
    }

    fn new(bytes: Arc<[u8]>, header: u8, kind: Kind) -> Self {
        Self { bytes, unused: 0, header, text: kind == Kind::Text, reserved: false, lent: false }
    }

    /// The same with bytes of its own.
    pub(crate) fn copy(&self) -> Self {
        Self { bytes: Arc::from(self.bytes()), unused: 0, lent: false, ..*self }
    }

    /// The message inside, as bytes.
    pub(crate) fn payload(&self) -> (Kind, &[u8]) {
        (if self.text { Kind::Text } else { Kind::Binary }, &self.bytes()[usize::from(self.header)..])
    }

    /// Whether the other is a clone of this one.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.bytes, &other.bytes)
    }

    /// Whether nobody else has it.
    pub(crate) fn is_alone(&self) -> bool {
        Arc::strong_count(&self.bytes) <= 1 + usize::from(self.lent)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_has_the_shortest_form_of_the_length() {
        for (len, header) in [(0, 2), (125, 2), (126, 4), (65_535, 4), (65_536, 10)] {
            let frame = Frame::binary(&vec![7; len]);
            assert_eq!(frame.bytes().len(), header + len);
            assert_eq!(frame.message(), Message::Binary(&vec![7; len]));
            assert!(frame.is_alone() && !frame.clone().is_alone());
        }
    }
}
