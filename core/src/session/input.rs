//! Bytes that have come and are not used up.

use std::fmt;

/// A buffer whose used bytes are skipped, and moved away only when room is needed.
#[derive(Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    /// The bytes before this are used up.
    pub(super) start: usize,
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
    pub(super) fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.start)
    }

    /// Whether the bytes are in a caller's buffer.
    pub(super) const fn is_lent(&self) -> bool {
        self.lent
    }

    pub(super) fn append(&mut self, bytes: &[u8]) {
        if self.len() == 0 {
            self.clear();
        } else if self.start > 0 && self.bytes.capacity() - self.bytes.len() < bytes.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        self.bytes.extend_from_slice(bytes);
    }

    /// Throws away what waits.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    /// Gives memory back that nothing waits in.
    pub(super) fn release(&mut self) {
        if self.len() == 0 && !self.lent && self.bytes.capacity() > 0 {
            *self = Self::default();
        }
    }

    /// Takes the caller's buffer instead of an own one, unless something waits in that.
    pub(super) fn lend(&mut self, buffer: &mut Vec<u8>) {
        if self.len() == 0 && !self.lent {
            std::mem::swap(&mut self.bytes, buffer);
            self.clear();
            self.lent = true;
        }
    }

    /// Gives the caller's buffer back; what waits is kept in a buffer of its size.
    pub(super) fn take_back(&mut self, buffer: &mut Vec<u8>) {
        if self.lent {
            let rest = self.bytes.get(self.start..).unwrap_or_default().to_vec();
            std::mem::swap(&mut self.bytes, buffer);
            buffer.clear();
            self.bytes = rest;
            self.start = 0;
            self.lent = false;
        }
        self.release();
    }
}
