//! Promises to answer later.

use slab::Slab;

use crate::http::Response;
use crate::id::{ConnId, Ticket};
use crate::time::Instant;
use crate::wire::RefBuf;

/// What a ticket answers.
#[derive(Debug)]
pub(crate) enum Promise {
    /// Whether a connection is let in.
    Connect { conn: ConnId },
    /// A join.
    Join { member: u32 },
    /// An event of a joined member: the ref to answer with.
    Event { member: u32, ref_: RefBuf },
    /// A plain HTTP request on this connection.
    Request { conn: ConnId },
    /// The same, and the answer is known; it is only to come later.
    Later { conn: ConnId, response: Box<Response> },
}

#[derive(Debug)]
struct Entry {
    conn: ConnId,
    generation: u32,
    deadline: Instant,
    promise: Promise,
}

/// The tickets that are out. Each is taken back when it is answered, when what it answers has gone, or at its deadline.
#[derive(Debug)]
pub(crate) struct Tickets {
    entries: Slab<Entry>,
    generation: u32,
    max: usize,
}

impl Tickets {
    pub(crate) const fn new(max: usize) -> Self {
        Self { entries: Slab::new(), generation: 0, max }
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// `None` at the bound.
    pub(crate) fn issue(&mut self, conn: ConnId, promise: Promise, deadline: Instant) -> Option<Ticket> {
        if self.entries.len() >= self.max {
            return None;
        }
        self.generation = self.generation.wrapping_add(1);
        let index = self.entries.insert(Entry { conn, generation: self.generation, deadline, promise });
        Some(Ticket::new(index as u32, self.generation))
    }

    pub(crate) fn get(&self, ticket: Ticket) -> Option<&Promise> {
        self.entry(ticket).map(|entry| &entry.promise)
    }

    pub(crate) fn deadline(&self, ticket: Ticket) -> Option<Instant> {
        self.entry(ticket).map(|entry| entry.deadline)
    }

    /// What it answers, and on whose connection.
    pub(crate) fn take(&mut self, ticket: Ticket) -> Option<(ConnId, Promise)> {
        self.entry(ticket)?;
        let Entry { conn, promise, .. } = self.entries.remove(ticket.index());
        Some((conn, promise))
    }

    fn entry(&self, ticket: Ticket) -> Option<&Entry> {
        self.entries.get(ticket.index()).filter(|entry| entry.generation == ticket.generation())
    }
}
