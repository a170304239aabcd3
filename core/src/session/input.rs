//! Bytes that have come and are not used up.

use std::fmt;

/// A buffer whose used bytes are skipped, and moved away only when room is needed.
#[derive(Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    /// The bytes before this are used up.
    pub(super) start: usize,
    /// Those from here on are of no meaning.
    pub(super) end: usize,
    /// Whether `bytes` is the caller's.
    lent: bool,
}

impl fmt::Debug for Input {
    /// Not the bytes: a request's headers may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl Input {
    /// How many bytes wait.
    pub(super) const fn len(&self) -> usize {
        self.end - self.start
    }

    /// What waits.
    pub(super) fn fresh(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// Whether the bytes are in a caller's buffer.
    pub(super) const fn is_lent(&self) -> bool {
        self.lent
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.len() == 0 {
            self.clear();
        }
        self.bytes.truncate(self.end);
        if self.start > 0 && self.bytes.capacity() - self.end < bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
        self.end = self.bytes.len();
    }

    /// Throws away what waits.
    pub(super) const fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
    }

    /// Gives memory back that nothing waits in.
    pub(super) fn release(&mut self) {
        if self.len() == 0 && !self.lent && self.bytes.capacity() > 0 {
            *self = Self::default();
        }
    }

    /// Takes the caller's buffer and what is in its first `len` bytes, instead of an own one; not if something waits in that.
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>, len: usize) {
        if self.len() == 0 && !self.lent {
            std::mem::swap(&mut self.bytes, buffer);
            (self.start, self.end) = (0, len.min(self.bytes.len()));
            self.lent = true;
        }
    }

    /// Gives the caller's buffer back; what waits is kept in a buffer of its size.
    pub(super) fn take_back(&mut self, buffer: &mut Vec<u8>) {
        if self.lent {
            let rest = self.fresh().to_vec();
            std::mem::swap(&mut self.bytes, buffer);
            *self = Self { start: 0, end: rest.len(), bytes: rest, lent: false };
        }
        self.release();
    }
}
