//! One message, encoded once, to be sent to any number of connections.

use std::sync::Arc;
use std::{fmt, iter};

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

/// Room that frames are built in, used again for each: a finished frame costs one allocation of just its size.
#[derive(Debug, Default)]
pub(crate) struct FrameBuf {
    bytes: Vec<u8>,
    slabs: Slabs,
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
        let header = self.put_header(kind);
        Frame::new(self.bytes[MAX_HEADER - usize::from(header)..].into(), header, kind)
    }

    /// The same for a frame that one connection gets, and so does not live long: a small one costs no allocation.
    pub(crate) fn finish_alone(&mut self, kind: Kind) -> Frame {
        let header = self.put_header(kind);
        let frame = &self.bytes[MAX_HEADER - usize::from(header)..];
        match self.slabs.put(frame) {
            Some(slab) => Frame { unused: (SLAB - frame.len()) as u32, lent: true, ..Frame::new(slab, header, kind) },
            None => Frame::new(frame.into(), header, kind),
        }
    }

    /// How long the header is.
    fn put_header(&mut self, kind: Kind) -> u8 {
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
        size
    }
}

/// The memory of the last piece that was made of several frames, to be used again.
#[derive(Default)]
pub(crate) struct Joint(Arc<[u8]>);

impl Joint {
    /// Several frames as one piece, for sending only: as a message it is none. O(length).
    pub(crate) fn join(&mut self, frames: &[Frame]) -> Frame {
        let len = frames.iter().map(|frame| frame.bytes().len()).sum();
        // What is too much of it would be held, too, for as long as the piece waits.
        if !(len..=len + len / 4).contains(&self.0.len()) || Arc::get_mut(&mut self.0).is_none() {
            self.0 = iter::repeat_n(0, len).collect();
        }
        let mut rest = Arc::get_mut(&mut self.0).unwrap_or_default();
        for frame in frames {
            let (part, behind) = rest.split_at_mut(frame.bytes().len());
            part.copy_from_slice(frame.bytes());
            rest = behind;
        }
        let unused = (self.0.len() - len) as u32;
        Frame { unused, lent: true, ..Frame::new(self.0.clone(), 0, Kind::Binary) }
    }
}

/// The memory of small frames that were sent, to be used again; those that were handed out first come first. A turn's replies
/// are all freed at its end, more than an allocator keeps at hand.
#[derive(Default)]
struct Slabs {
    slabs: Vec<Arc<[u8]>>,
    next: usize,
}

impl Slabs {
    /// A slab that begins with `frame`, if it is small and there is one to be had.
    fn put(&mut self, frame: &[u8]) -> Option<Arc<[u8]>> {
        if frame.len() > SLAB {
            return None;
        }
        let at = if self.next < self.slabs.len() { self.next } else { 0 };
        self.next = at + 1;
        if let Some(slab) = self.slabs.get_mut(at)
            && let Some(bytes) = Arc::get_mut(slab)
        {
            bytes[..frame.len()].copy_from_slice(frame);
            return Some(slab.clone());
        }
        self.more(at, frame)
    }

    /// The oldest one is in use, and so perhaps all are.
    #[cold]
    fn more(&mut self, at: usize, frame: &[u8]) -> Option<Arc<[u8]>> {
        if self.slabs.len() == MAX_SLABS {
            return None;
        }
        let mut bytes = [0; SLAB];
        bytes[..frame.len()].copy_from_slice(frame);
        let slab: Arc<[u8]> = bytes.into();
        // It is the newest now, so it stands before the oldest.
        self.slabs.insert(at, slab.clone());
        Some(slab)
    }
}

impl fmt::Debug for Slabs {
    /// Not the bytes: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slabs", self.slabs.len())
    }
}

/// A frame of so many bytes is small.
const SLAB: usize = 512;

/// So many slabs are kept at most.
const MAX_SLABS: usize = 128;

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

    #[test]
    fn memory_of_small_frames_is_used_again_once_nobody_has_them() {
        let mut frames = FrameBuf::default();
        let first = alone(&mut frames, "a longer one");
        let memory = address(&first);
        let second = alone(&mut frames, "two");
        let clone = first.clone();
        assert_eq!((first.message(), second.message()), (Message::Text("a longer one"), Message::Text("two")));
        assert!(second.is_alone() && !first.is_alone());
        drop((first, second));
        let third = alone(&mut frames, "three");
        assert_eq!((clone.message(), third.message()), (Message::Text("a longer one"), Message::Text("three")));
        assert_eq!(third.bytes(), *b"\x81\x05three");
        assert_ne!(address(&third), memory);
        drop(clone);
        let others: Vec<Frame> = (0..2).map(|_| alone(&mut frames, "x")).collect();
        assert!(others.iter().any(|frame| address(frame) == memory));
    }

    #[test]
    fn what_is_kept_is_bounded_and_nobody_can_hold_it_up() {
        let mut frames = FrameBuf::default();
        let held: Vec<Frame> = (0..1000).map(|n| alone(&mut frames, &n.to_string())).collect();
        assert!(held.iter().enumerate().all(|(n, frame)| frame.message() == Message::Text(&n.to_string())));
        assert!(held.iter().all(Frame::is_alone));
        assert_eq!(held.iter().filter(|frame| frame.lent).count(), MAX_SLABS);
        assert_eq!(frames.slabs.slabs.len(), MAX_SLABS);
        // One that is never let go of is in the way once a round.
        let stuck = held.into_iter().nth(77).unwrap();
        let slabs = (0..10 * MAX_SLABS).filter(|_| alone(&mut frames, "x").lent).count();
        assert_eq!(slabs, 10 * (MAX_SLABS - 1));
        assert_eq!(stuck.message(), Message::Text("77"));
        assert!(!alone(&mut frames, &"x".repeat(SLAB)).lent);
    }

    #[test]
    fn pieces_are_made_in_the_same_memory_once_nobody_has_it() {
        let mut joint = Joint::default();
        let mut join = |texts: &[&str]| joint.join(&texts.iter().map(|text| Frame::text(text)).collect::<Vec<_>>());
        let first = join(&["one", "two", "three"]);
        let memory = address(&first);
        assert_eq!(first.bytes(), b"\x81\x03one\x81\x03two\x81\x05three");
        let second = join(&["four", "five", "six"]);
        assert_eq!(first.bytes(), b"\x81\x03one\x81\x03two\x81\x05three", "somebody has it");
        assert_ne!(address(&second), memory);
        let memory = address(&second);
        drop((first, second));
        let shorter = join(&["a", "b", "one", "two"]);
        assert_eq!((address(&shorter), shorter.bytes()), (memory, &b"\x81\x01a\x81\x01b\x81\x03one\x81\x03two"[..]));
        drop(shorter);
        let small = join(&["a", "b"]);
        assert_eq!((small.bytes.len(), small.bytes()), (6, &b"\x81\x01a\x81\x01b"[..]), "most would be in vain");
    }

    fn alone(frames: &mut FrameBuf, text: &str) -> Frame {
        frames.begin().extend_from_slice(text.as_bytes());
        frames.finish_alone(Kind::Text)
    }

    fn address(frame: &Frame) -> *const u8 {
        frame.bytes.as_ptr()
    }
}
