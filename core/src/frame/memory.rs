//! The memory that frames are made in, which is used again.

use std::sync::Arc;
use std::{fmt, iter};

use tungstenite::protocol::frame::coding::OpCode;

use super::{Frame, Kind};

/// Room that frames are built in, used again for each: a finished frame costs one allocation of just its size, or none.
#[derive(Default)]
pub(crate) struct FrameBuf {
    bytes: Vec<u8>,
    slabs: Slabs,
    /// The memory of the last large frames for several connections, and where the last one is.
    large: [Memory; MAX_LARGE],
    next: usize,
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
        let header = self.put_header(kind, 0);
        Frame::new(self.bytes[MAX_HEADER - usize::from(header)..].into(), header, kind)
    }

    /// The same with two parts more at the end of the message, which are not copied twice where they are long.
    pub(crate) fn finish_with(&mut self, kind: Kind, body: &[u8], tail: &[u8]) -> Frame {
        let more = body.len() + tail.len();
        if self.bytes.len() + more <= SLAB {
            self.bytes.extend_from_slice(body);
            self.bytes.extend_from_slice(tail);
            return self.finish(kind);
        }
        let header = self.put_header(kind, more);
        let front = &self.bytes[MAX_HEADER - usize::from(header)..];
        if front.len() + more > MAX_KEPT {
            return Frame { lent: false, ..Memory::default().fill([front, body, tail].into_iter(), header, kind) };
        }
        self.next = (self.next + 1) % MAX_LARGE;
        self.large[self.next].fill([front, body, tail].into_iter(), header, kind)
    }

    /// The same for a frame that one connection gets, and so does not live long: a small one costs no allocation.
    pub(crate) fn finish_alone(&mut self, kind: Kind) -> Frame {
        let header = self.put_header(kind, 0);
        let frame = &self.bytes[MAX_HEADER - usize::from(header)..];
        match self.slabs.put(frame) {
            Some(slab) => Frame { unused: (SLAB - frame.len()) as u32, lent: true, ..Frame::new(slab, header, kind) },
            None => Frame::new(frame.into(), header, kind),
        }
    }

    /// Puts the header before the message, of which there are so many bytes more than have been appended; how long it is.
    fn put_header(&mut self, kind: Kind, more: usize) -> u8 {
        let len = self.bytes.len() - MAX_HEADER + more;
        let (header, size) = header(kind, len);
        if let Some(room) = self.bytes.first_chunk_mut() {
            *room = header;
        }
        size
    }
}

/// A frame of its own, in one allocation.
pub(super) fn single(kind: Kind, message: &[u8]) -> Frame {
    let (room, header) = header(kind, message.len());
    let front = &room[MAX_HEADER - usize::from(header)..];
    Frame { lent: false, ..Memory::default().fill([front, message].into_iter(), header, kind) }
}

/// The header of a frame of so many bytes, at the end of its room, where the message follows; and how long it is.
#[inline]
fn header(kind: Kind, len: usize) -> ([u8; MAX_HEADER], u8) {
    let first = FINAL | u8::from(OpCode::Data(kind.opcode()));
    let [.., high, low] = (len as u64).to_be_bytes();
    // The shortest form of the length (RFC 6455 §5.2).
    match len {
        0..=125 => ([0, 0, 0, 0, 0, 0, 0, 0, first, low], 2),
        126..=0xffff => ([0, 0, 0, 0, 0, 0, first, 126, high, low], 4),
        _ => {
            let [a, b, c, d, e, f, g, h] = (len as u64).to_be_bytes();
            ([first, 127, a, b, c, d, e, f, g, h], 10)
        }
    }
}

/// The memory of the last piece that was made of several frames, to be used again.
#[derive(Default)]
pub(crate) struct Joint(Memory);

impl Joint {
    /// Several frames as one piece, for sending only: as a message it is none. O(length).
    pub(crate) fn join(&mut self, frames: &[Frame]) -> Frame {
        self.0.fill(frames.iter().map(Frame::bytes), 0, Kind::Binary)
    }
}

/// Memory that a frame was made in, to be used again once nobody has it.
#[derive(Default)]
struct Memory(Arc<[u8]>);

impl Memory {
    /// A frame of these parts, one behind the other.
    fn fill<'a>(&mut self, parts: impl Iterator<Item = &'a [u8]> + Clone, header: u8, kind: Kind) -> Frame {
        let len = parts.clone().map(<[u8]>::len).sum();
        // What is too much of it would be held, too, for as long as the frame waits.
        if !(len..=len + len / 4).contains(&self.0.len()) || Arc::get_mut(&mut self.0).is_none() {
            self.0 = iter::repeat_n(0, len).collect();
        }
        let mut rest = Arc::get_mut(&mut self.0).unwrap_or_default();
        for part in parts {
            let (room, behind) = rest.split_at_mut(part.len());
            room.copy_from_slice(part);
            rest = behind;
        }
        let unused = (self.0.len() - len) as u32;
        Frame { unused, lent: true, ..Frame::new(self.0.clone(), header, kind) }
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

impl fmt::Debug for FrameBuf {
    /// Not the bytes: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} slabs", self.slabs.slabs.len())
    }
}

/// A frame of so many bytes is small.
const SLAB: usize = 512;

/// So many slabs are kept at most.
const MAX_SLABS: usize = 128;

/// The memory of so many larger frames is kept: as many as one publisher's turn is likely to have.
const MAX_LARGE: usize = 16;

/// What is larger than this is not kept.
const MAX_KEPT: usize = 8 << 10;

/// The first bit of a frame that is the whole of its message.
const FINAL: u8 = 0x80;

/// Two bytes, and eight for the longest form of the length; a server's frames have no mask.
const MAX_HEADER: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Message;

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

    #[test]
    fn a_frame_of_three_parts_is_the_one_of_all_of_them_whatever_its_length() {
        let mut frames = FrameBuf::default();
        for len in [0, 1, 120, 126, SLAB - 3, SLAB, SLAB + 1, MAX_KEPT - 6, MAX_KEPT, 0xffff, 0x1_0000] {
            for round in 0..2 * MAX_LARGE {
                let body = vec![round as u8; len];
                frames.begin().push(b'[');
                let frame = frames.finish_with(Kind::Binary, &body, b"]");
                let whole = [b"[", &*body, b"]"].concat();
                assert_eq!(frame.bytes(), Frame::binary(&whole).bytes(), "{len}");
                assert_eq!(frame.message(), Message::Binary(&whole));
            }
        }
    }

    #[test]
    fn memory_of_large_frames_for_several_is_used_again_and_bounded() {
        let mut frames = FrameBuf::default();
        let mut large = |len: usize| {
            frames.begin();
            frames.finish_with(Kind::Binary, &vec![len as u8; len], b"")
        };
        let turn: Vec<Frame> = (0..MAX_LARGE).map(|_| large(4000)).collect();
        let memory: Vec<_> = turn.iter().map(address).collect();
        let slow = turn[3].clone();
        drop(turn);
        // Of the same length or a little shorter, all but what somebody still has.
        let next: Vec<Frame> = (0..MAX_LARGE).map(|n| large(4000 - n)).collect();
        for (n, frame) in next.iter().enumerate() {
            assert_eq!(memory[n] == address(frame), n != 3);
            assert_eq!(frame.message(), Message::Binary(&vec![(4000 - n) as u8; 4000 - n]));
        }
        assert_eq!(slow.message(), Message::Binary(&[4000_usize as u8; 4000]));
        let held = |memory: &[Memory]| memory.iter().map(|memory| memory.0.len()).sum::<usize>();
        (0..100).for_each(|n| drop(large(MAX_KEPT - n)));
        (0..100).for_each(|n| drop(large(MAX_KEPT + n)));
        assert!(held(&frames.large) <= MAX_LARGE * MAX_KEPT);
    }

    fn alone(frames: &mut FrameBuf, text: &str) -> Frame {
        frames.begin().extend_from_slice(text.as_bytes());
        frames.finish_alone(Kind::Text)
    }

    fn address(frame: &Frame) -> *const u8 {
        frame.bytes.as_ptr()
    }
}
