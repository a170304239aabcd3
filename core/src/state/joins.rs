//! What is known of a member that joined through a channel, beside its place in the topic.

use std::any::Any;
use std::collections::VecDeque;

use smallvec::SmallVec;

use super::State;
use crate::error::CommandError;
use crate::id::Ticket;
use crate::wire::RefBuf;

/// One join of one connection, from the request on.
pub(crate) struct Join {
    /// Which channel of the connection's mount.
    pub(crate) channel: u16,
    pub(crate) join_ref: RefBuf,
    /// While the decision is put off.
    pub(crate) pending: Option<Box<Pending>>,
    /// The application's own state for this join.
    pub(crate) state: Option<Box<dyn Any + Send>>,
    /// Events of it that will be answered later.
    pub(crate) tickets: SmallVec<[Ticket; 1]>,
}

impl Join {
    pub(crate) fn new(channel: u16, join_ref: RefBuf) -> Self {
        Self { channel, join_ref, pending: None, state: None, tickets: SmallVec::new() }
    }
}

/// What waits for the decision on a join.
pub(crate) struct Pending {
    pub(crate) ref_: RefBuf,
    pub(crate) ticket: Option<Ticket>,
    /// What the join handler said, to be done after the reply.
    pub(crate) effects: Vec<Effect>,
    /// Whether it said to stop.
    pub(crate) stop: bool,
    /// Messages that came meanwhile, as they came.
    pub(crate) waiting: VecDeque<Waiting>,
}

/// Something that a join handler wants done after the join's reply.
pub(crate) type Effect = Box<dyn FnOnce(&mut State, u32) -> Result<(), CommandError> + Send>;

/// A message that waits.
pub(crate) enum Waiting {
    Text(Box<str>),
    Binary(Box<[u8]>),
}

/// Joins by member number.
#[derive(Default)]
pub(crate) struct Joins {
    slots: Vec<Option<Join>>,
}

impl Joins {
    pub(crate) fn insert(&mut self, member: u32, join: Join) {
        let index = member as usize;
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        self.slots[index] = Some(join);
    }

    pub(crate) fn get(&self, member: u32) -> Option<&Join> {
        self.slots.get(member as usize)?.as_ref()
    }

    pub(crate) fn get_mut(&mut self, member: u32) -> Option<&mut Join> {
        self.slots.get_mut(member as usize)?.as_mut()
    }

    pub(crate) fn remove(&mut self, member: u32) -> Option<Join> {
        self.slots.get_mut(member as usize)?.take()
    }
}
