//! Bytes that are to leave: shared frames and small chunks of the session's own, in order.

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;
use std::sync::Arc;

use crate::frame::Frame;

/// A queue that bytes leave from the front, however many at a time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    /// Mostly there is one at most, so it has a place of its own: where it is needs no counting, and a connection that never
    /// has more allocates nothing for them.
    first: Option<Chunk>,
    /// Those behind the first; none if there is no first.
    others: VecDeque<Chunk>,
    /// How much of the first chunk has left.
    sent: usize,
    /// How many bytes behind that somebody has taken and will send.
    committed: usize,
    /// Bytes of all chunks, without what has left.
    bytes: usize,
    /// How many pongs wait.
    pongs: u32,
    /// Which chunk the newest pong is; of no meaning if none waits.
    newest_pong: u32,
}

enum Chunk {
    Frame(Frame),
    /// A compressed message; other connections have it too.
    Shared(Arc<[u8]>),
    /// A message masked or compressed for this connection alone.
    Alone(Box<[u8]>),
    /// Small messages for this connection alone, in one piece.
    #[expect(clippy::box_collection, reason = "a vector would make every chunk larger")]
    Joined(Box<Vec<u8>>),
    Pong(Box<[u8]>),
    /// An HTTP message, a ping or close frame: never dropped.
    Own(Box<[u8]>),
}

impl fmt::Debug for Chunk {
    /// Not the bytes: a request's headers may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes().len())
    }
}

impl Chunk {
    /// The same for what is no frame, which is rare.
    #[inline(never)]
    fn other_bytes(&self) -> &[u8] {
        self.bytes()
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Frame(frame) => frame.bytes(),
            Self::Shared(bytes) => bytes,
            Self::Joined(bytes) => bytes,
            Self::Alone(bytes) | Self::Pong(bytes) | Self::Own(bytes) => bytes,
        }
    }
}

impl Outbox {
    /// Bytes that wait.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Queues a message. Where nobody else gets it and such a one waits already, the two become one piece, so that many small
    /// ones cost the transport what one does.
    #[inline(always)]
    pub(super) fn push_frame(&mut self, frame: &Frame) {
        if !(self.first.is_some() && frame.is_alone() && self.join(frame.bytes())) {
            self.push(Chunk::Frame(frame.clone()));
        }
    }

    /// Puts the bytes into the last piece, if both are small and nothing of it is on its way. O(length).
    #[inline(never)]
    fn join(&mut self, bytes: &[u8]) -> bool {
        let last = self.others.back_mut().or(self.first.as_mut());
        let Some(last) = last.filter(|_| bytes.len() <= SMALL) else { return false };
        // Counted from the first chunk's first byte, as what is on its way is.
        let start = self.sent + self.bytes - last.bytes().len();
        if self.sent + self.committed > start {
            return false;
        }
        match last {
            Chunk::Joined(all) if all.len() + bytes.len() <= JOINED => all.extend_from_slice(bytes),
            Chunk::Frame(frame) if frame.bytes().len() <= SMALL => {
                let mut all = Vec::with_capacity(2 * (frame.bytes().len() + bytes.len()));
                all.extend_from_slice(frame.bytes());
                all.extend_from_slice(bytes);
                *last = Chunk::Joined(Box::new(all));
            }
            _ => return false,
        }
        self.bytes += bytes.len();
        true
    }

    pub(super) fn push_shared(&mut self, bytes: Arc<[u8]>) {
        self.push(Chunk::Shared(bytes));
    }

    pub(super) fn push_alone(&mut self, bytes: Vec<u8>) {
        self.push(Chunk::Alone(bytes.into_boxed_slice()));
    }

    pub(super) fn push_own(&mut self, bytes: Vec<u8>) {
        self.push(Chunk::Own(bytes.into_boxed_slice()));
    }

    /// Queues a pong. When [`MAX_PONGS`] wait it takes the place of the newest of them, unless that is on its way: only the
    /// most recent ping need be answered (RFC 6455 §5.5.3).
    pub(super) fn push_pong(&mut self, bytes: Vec<u8>) {
        let bytes = bytes.into_boxed_slice();
        if self.pongs >= MAX_PONGS {
            // It is not half sent, and it is one of the others: there are more pongs before it.
            if !self.is_committed(self.newest_pong as usize)
                && let Some(at) = (self.newest_pong as usize).checked_sub(1)
                && let Some(chunk @ Chunk::Pong(_)) = self.others.get_mut(at)
            {
                self.bytes = self.bytes + bytes.len() - chunk.bytes().len();
                *chunk = Chunk::Pong(bytes);
                return;
            }
        }
        self.pongs += 1;
        self.newest_pong = (usize::from(self.first.is_some()) + self.others.len()) as u32;
        self.push(Chunk::Pong(bytes));
    }

    /// The next `n` bytes are on their way: they stay as they are until they have left.
    pub(super) fn commit(&mut self, n: usize) {
        self.committed = self.committed.max(n.min(self.bytes));
    }

    /// Whether all that waits is on its way.
    pub(super) const fn is_all_committed(&self) -> bool {
        self.committed == self.bytes
    }

    /// Drops the messages of which nothing has left or is about to.
    pub(super) fn drop_frames(&mut self) {
        let mut on_their_way = self.sent + self.committed;
        let mut stays = |chunk: &mut Chunk| {
            let len = chunk.bytes().len();
            let stays = on_their_way > 0 || matches!(chunk, Chunk::Own(_) | Chunk::Pong(_));
            if let Chunk::Joined(all) = chunk
                && stays
            {
                all.truncate(end_of_message(all, on_their_way));
            }
            on_their_way = on_their_way.saturating_sub(len);
            stays
        };
        self.first = self.first.take_if(|chunk| stays(chunk));
        self.others.retain_mut(stays);
        if self.first.is_none() {
            self.first = self.others.pop_front();
        }
        self.bytes = self.chunks().map(|chunk| chunk.bytes().len()).sum::<usize>() - self.sent;
        let newest = self.chunks().enumerate().filter(|(_, chunk)| matches!(chunk, Chunk::Pong(_))).last();
        self.newest_pong = newest.map_or(0, |(at, _)| at as u32);
        self.shrink();
    }

    /// What is next, if all of it is in one piece.
    #[inline]
    pub(super) fn only(&self) -> Option<&[u8]> {
        let bytes = match self.first.as_ref().filter(|_| self.others.is_empty())? {
            Chunk::Frame(frame) => frame.bytes(),
            other => other.other_bytes(),
        };
        Some(&bytes[self.sent..])
    }

    /// Fills `slices` with what is next; returns how many were filled.
    pub(super) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, chunk) in slices.iter_mut().zip(self.chunks()) {
            let skip = if filled == 0 { self.sent } else { 0 };
            *slice = IoSlice::new(&chunk.bytes()[skip..]);
            filled += 1;
        }
        filled
    }

    /// `n` bytes have left; more than wait count as all of them.
    #[inline]
    pub(super) fn advance(&mut self, n: usize) {
        if n < self.bytes {
            return self.advance_in_part(n);
        }
        // All of it, which is the rule.
        (self.bytes, self.sent, self.committed) = (0, 0, 0);
        (self.pongs, self.newest_pong) = (0, 0);
        self.first = None;
        if self.others.capacity() > 0 {
            self.others.clear();
            self.shrink();
        }
    }

    fn advance_in_part(&mut self, n: usize) {
        let mut left = n;
        self.bytes -= left;
        self.committed = self.committed.saturating_sub(left);
        while let Some(chunk) = &self.first {
            let rest = chunk.bytes().len() - self.sent;
            if left < rest {
                self.sent += left;
                return;
            }
            left -= rest;
            self.sent = 0;
            self.newest_pong = self.newest_pong.saturating_sub(1);
            self.pongs -= u32::from(matches!(chunk, Chunk::Pong(_)));
            self.first = self.others.pop_front();
        }
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.others.capacity()
    }

    /// Whether some of that chunk is on its way.
    fn is_committed(&self, index: usize) -> bool {
        self.committed > 0
            && self.chunks().take(index).map(|chunk| chunk.bytes().len()).sum::<usize>() < self.sent + self.committed
    }

    fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        self.first.iter().chain(&self.others)
    }

    #[inline]
    fn push(&mut self, chunk: Chunk) {
        self.bytes += chunk.bytes().len();
        match &self.first {
            None => self.first = Some(chunk),
            Some(_) => self.others.push_back(chunk),
        }
    }

    /// Gives memory back, except for so little that a connection with steady traffic need not ask for it anew.
    fn shrink(&mut self) {
        if self.others.is_empty() && self.others.capacity() > KEPT_CHUNKS {
            self.others = VecDeque::new();
        }
    }
}

/// Where the message ends that the byte before `at` is of, of several small ones: a server's frames, which have no mask.
fn end_of_message(frames: &[u8], at: usize) -> usize {
    let mut end = 0;
    while end < at {
        end += match frames.get(end + 1..) {
            Some([126, high, low, ..]) => 4 + usize::from(u16::from_be_bytes([*high, *low])),
            Some([len, ..]) => 2 + usize::from(*len),
            _ => return frames.len(),
        };
    }
    end
}

/// A message of so many bytes is small; its length takes one byte or two.
const SMALL: usize = 512;

/// So many bytes of small messages go into one piece.
const JOINED: usize = 4096;

/// How many pongs wait at most.
const MAX_PONGS: u32 = 16;

/// Room for so many chunks is kept when the queue is empty.
const KEPT_CHUNKS: usize = 4;
