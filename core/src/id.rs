//! Names for things that come and go: each carries a generation, so a stale one names nothing.

use std::fmt;

/// A connection. Its index is used again after the connection has gone, its generation is not: a stale id is
/// answered with `UnknownConn`, never with another client's connection.
///
/// In memory it is the number that [`to_bits`](Self::to_bits) gives, so that a list of ids can be lent to C as it is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(transparent)]
pub struct ConnId(u64);

impl ConnId {
    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        // The index first, so that ids are in the order of their slots.
        Self(((index as u64) << 32) | generation as u64)
    }

    /// A small number, dense from 0, that no two living connections share: good for indexing a host's own table.
    pub const fn index(self) -> usize {
        (self.0 >> 32) as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        self.0 as u32
    }

    /// The id as one number, for hosts that keep it in a C struct or an epoll token.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was an id names no connection.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for ConnId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnId({}v{})", self.index(), self.generation())
    }
}

/// A promise to answer later: a connect, a join, an event or an HTTP request (see `Socket::defer`).
///
/// It dies with what it answers (its join, its connection) or when its time limit has passed; answering with a dead
/// ticket is an error, never another's answer.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket {
    index: u32,
    generation: u32,
}

impl Ticket {
    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    pub(crate) const fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }

    /// The ticket as one number, for hosts that hand it to C or to another process.
    pub const fn to_bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was a ticket answers nothing.
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({}v{})", self.index, self.generation)
    }
}
