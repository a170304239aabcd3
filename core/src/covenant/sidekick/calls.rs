//! Messages of clients on their way to the server. Those of one token go one after the other, each when the one before it
//! is answered, so that they reach the server in the order in which they were sent; those of different tokens do not wait
//! for one another.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

use crate::covenant::contract::Params;
use crate::id::ConnId;

/// Names a [`Call`], for as long as the sidekick lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// The id as a number.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was an id names no call.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A message of a client that has to be brought to the server, see [`Sidekick::poll_call`](super::Sidekick::poll_call).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// By which its result is given back.
    pub id: CallId,
    /// The message as ION, the body of `POST …?type=channel`: a
    /// [`ForwardedMessage`](crate::covenant::protocol::ForwardedMessage).
    pub body: String,
}

impl fmt::Debug for Call {
    /// Says nothing of what the client sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).field("len", &self.body.len()).finish()
    }
}

/// Whose call it is, and what to name when it fails.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) conn: ConnId,
    pub(super) channel: Box<str>,
    pub(super) params: Params,
}

#[derive(Debug)]
struct Pending {
    sender: Sender,
    /// The token's serial.
    lane: u64,
    bytes: usize,
    /// Whether it was given out. Nobody can have a result for one that was not.
    is_out: bool,
}

/// Calls that were given out or will be.
#[derive(Debug, Default)]
pub(super) struct Calls {
    pending: BTreeMap<CallId, Pending>,
    /// What waits behind a call that is out, by token. A lane is there as long as a call of it is out.
    lanes: BTreeMap<u64, VecDeque<Call>>,
    ready: VecDeque<Call>,
    bytes: usize,
    next: u64,
}

impl Calls {
    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn add(&mut self, lane: u64, sender: Sender, body: String) {
        let id = CallId(self.next);
        self.next += 1;
        self.bytes += body.len();
        self.pending.insert(id, Pending { sender, lane, bytes: body.len(), is_out: false });
        let call = Call { id, body };
        match self.lanes.get_mut(&lane) {
            Some(waiting) => waiting.push_back(call),
            None => {
                self.lanes.insert(lane, VecDeque::new());
                self.ready.push_back(call);
            }
        }
    }

    pub(super) fn poll(&mut self) -> Option<Call> {
        let call = self.ready.pop_front()?;
        if let Some(pending) = self.pending.get_mut(&call.id) {
            pending.is_out = true;
        }
        Some(call)
    }

    /// The call has its result: whose it was. The next of its lane may go. `None` when it is not out.
    pub(super) fn finish(&mut self, id: CallId) -> Option<Sender> {
        self.pending.get(&id).filter(|pending| pending.is_out)?;
        let Pending { sender, lane, bytes, .. } = self.pending.remove(&id)?;
        self.bytes -= bytes;
        match self.lanes.get_mut(&lane).and_then(VecDeque::pop_front) {
            Some(next) => self.ready.push_back(next),
            None => drop(self.lanes.remove(&lane)),
        }
        Some(sender)
    }
}
