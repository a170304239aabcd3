//! What has come from connections that ask for more than their share, until it is their turn again.

use std::collections::VecDeque;

use super::mail::{Input, Inputs};
use crate::id::ConnId;

/// By connection of a shard: what of it the hub has put off, in order. All that follows from such a connection goes behind that,
/// and the shard sends no more of it, so that at most what was under way then is kept.
#[derive(Default)]
pub(super) struct Backlogs {
    /// By the index of the shard's id.
    of: Vec<Option<Box<Inputs>>>,
    /// Who has one; the first has its turn first.
    turns: VecDeque<ConnId>,
}

impl Backlogs {
    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// All who have one.
    pub(super) fn conns(&self) -> impl Iterator<Item = ConnId> {
        self.turns.iter().copied()
    }

    /// The backlog of a connection, if it has one.
    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Inputs> {
        self.of.get_mut(conn.index())?.as_deref_mut()
    }

    /// Begins one with what is left from this connection in a batch; whether there was anything.
    pub(super) fn begin(&mut self, conn: ConnId, entries: &mut VecDeque<Input>, batch: &Inputs) -> bool {
        let is_its = |input: &Input| input.sender() == Some(conn);
        if !entries.iter().any(is_its) {
            return false;
        }
        let mut backlog = Box::<Inputs>::default();
        for input in std::mem::take(entries) {
            match is_its(&input) {
                true => backlog.push_from(input, batch),
                false => entries.push_back(input),
            }
        }
        self.put_back(conn, backlog);
        true
    }

    /// Whose turn it is, and all that is put off of it; to be [put back](Self::put_back) unless it is dealt with.
    pub(super) fn take_next(&mut self) -> Option<(ConnId, Box<Inputs>)> {
        let conn = self.turns.pop_front()?;
        Some((conn, self.of.get_mut(conn.index())?.take()?))
    }

    /// It has another turn behind all others.
    pub(super) fn put_back(&mut self, conn: ConnId, backlog: Box<Inputs>) {
        if self.of.len() <= conn.index() {
            self.of.resize_with(conn.index() + 1, || None);
        }
        self.of[conn.index()] = Some(backlog);
        self.turns.push_back(conn);
    }
}
