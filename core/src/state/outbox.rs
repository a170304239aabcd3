//! What is to be done next, in order.

use std::collections::VecDeque;
use std::ops::Range;

use crate::deflate::Deflate;
use crate::error::CloseReason;
use crate::frame::Frame;
use crate::http::Response;
use crate::id::ConnId;
use crate::pubsub::Audience;

/// What the host has to do; see `Hub::poll_output`.
#[derive(Debug)]
#[non_exhaustive]
pub enum Output<'a> {
    /// Send this frame to each of these connections.
    Deliver {
        /// To whom. Fixed when it was published.
        to: &'a [ConnId],
        /// What: encoded once, whatever the number of receivers.
        frame: &'a Frame,
    },
    /// A connection whose admission had been put off is admitted: answer its upgrade.
    Open {
        /// Which.
        conn: ConnId,
        /// How to answer.
        admitted: Admitted,
    },
    /// A connection whose admission had been put off is refused: answer its request with this.
    Refuse {
        /// Which.
        conn: ConnId,
        /// The answer.
        response: &'a Response,
    },
    /// An HTTP request whose answer had been put off is answered.
    Respond {
        /// On which connection.
        conn: ConnId,
        /// The answer.
        response: &'a Response,
    },
    /// Close this connection. Nothing more is delivered to it; tell the hub by `handle_close` when it is gone.
    Close {
        /// Which.
        conn: ConnId,
        /// Why; has the code and the text for the close frame.
        reason: CloseReason,
    },
}

/// How to answer the upgrade of a connection that is let in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Admitted {
    /// The subprotocol to name in the answer, if any.
    pub protocol: Option<&'static str>,
    /// Longest message to take from it, in bytes.
    pub max_message: usize,
    /// The compression to accept if it is offered.
    pub deflate: Option<Deflate>,
}

impl Admitted {
    pub(crate) const fn new(protocol: Option<&'static str>, max_message: usize, deflate: Option<Deflate>) -> Self {
        Self { protocol, max_message, deflate }
    }
}

#[derive(Debug)]
enum Entry {
    One(ConnId, Frame),
    Many(Range<usize>, Audience, Frame),
    Open(ConnId, Admitted),
    Refuse(ConnId, Response),
    Respond(ConnId, Response),
    Close(ConnId, CloseReason),
}

/// The queue of outputs. Receivers of broadcasts stand in one long list, used again once all is drained, so a delivery
/// allocates nothing; and while the audience is the one of the broadcast before, they stand there already.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: VecDeque<Entry>,
    targets: Vec<ConnId>,
    /// Who stands last in the list, and where.
    last: (Audience, Range<usize>),
    /// How many times in a row the list has begun anew while its memory was much too large.
    spacious: u8,
    /// Bytes of the frames that are to be delivered.
    bytes: usize,
    /// Whether the first of the queue has been handed out; it is dropped when the next one is.
    lent: bool,
}

impl Outbox {
    pub(crate) fn deliver(&mut self, to: ConnId, frame: Frame) {
        self.bytes += frame.bytes().len();
        self.queue.push_back(Entry::One(to, frame));
    }

    /// To all of `to`, which are called `audience`, but the one at `skip`.
    pub(crate) fn deliver_all(&mut self, to: &[ConnId], audience: Audience, skip: Option<usize>, frame: Frame) {
        let audience = if skip.is_some() { Audience::UNKNOWN } else { audience };
        if !self.last.0.is(audience) {
            self.last = (audience, self.put(to, skip));
        }
        self.bytes += frame.bytes().len();
        self.queue.push_back(Entry::Many(self.last.1.clone(), audience, frame));
    }

    fn put(&mut self, to: &[ConnId], skip: Option<usize>) -> Range<usize> {
        if self.queue.is_empty() {
            if self.targets.capacity() > KEPT {
                self.mind_the_memory(to.len());
            }
            self.targets.clear();
        }
        let start = self.targets.len();
        match skip {
            Some(at) => {
                self.targets.extend_from_slice(&to[..at]);
                self.targets.extend_from_slice(&to[at + 1..]);
            }
            None => self.targets.extend_from_slice(to),
        }
        start..self.targets.len()
    }

    /// Gives the memory of a large audience back when many smaller ones have come since; `next` is the size of the one that comes.
    #[cold]
    fn mind_the_memory(&mut self, next: usize) {
        let needed = self.targets.len().max(next);
        self.spacious = if needed > self.targets.capacity() / 4 { 0 } else { self.spacious + 1 };
        if self.spacious == PATIENCE {
            (self.targets, self.spacious) = (Vec::with_capacity(KEPT.max(2 * needed)), 0);
        }
    }

    /// About how many bytes of memory its deliveries take.
    pub(crate) const fn weight(&self) -> usize {
        self.bytes + self.targets.len() * size_of::<ConnId>()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn open(&mut self, conn: ConnId, admitted: Admitted) {
        self.queue.push_back(Entry::Open(conn, admitted));
    }

    pub(crate) fn refuse(&mut self, conn: ConnId, response: Response) {
        self.queue.push_back(Entry::Refuse(conn, response));
    }

    pub(crate) fn respond(&mut self, conn: ConnId, response: Response) {
        self.queue.push_back(Entry::Respond(conn, response));
    }

    pub(crate) fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.queue.push_back(Entry::Close(conn, reason));
    }

    /// The next output, and to what audience it goes if it is a delivery.
    pub(crate) fn poll(&mut self) -> Option<(Output<'_>, Audience)> {
        if self.lent
            && let Some(Entry::One(_, frame) | Entry::Many(_, _, frame)) = self.queue.pop_front()
        {
            self.bytes -= frame.bytes().len();
        }
        self.lent = !self.queue.is_empty();
        let current = self.queue.front()?;
        let mut to_audience = Audience::UNKNOWN;
        let output = match current {
            Entry::One(to, frame) => Output::Deliver { to: std::slice::from_ref(to), frame },
            Entry::Many(range, audience, frame) => {
                to_audience = *audience;
                Output::Deliver { to: &self.targets[range.clone()], frame }
            }
            Entry::Open(conn, admitted) => Output::Open { conn: *conn, admitted: *admitted },
            Entry::Refuse(conn, response) => Output::Refuse { conn: *conn, response },
            Entry::Respond(conn, response) => Output::Respond { conn: *conn, response },
            Entry::Close(conn, reason) => Output::Close { conn: *conn, reason: *reason },
        };
        Some((output, to_audience))
    }
}

/// The memory of so many receivers is kept, whatever is needed of it.
const KEPT: usize = 4096;

/// So many times in a row much less has to be needed than there is.
const PATIENCE: u8 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::Frame;

    #[test]
    fn the_memory_of_a_large_audience_is_given_back_once_it_is_long_since() {
        let mut outbox = Outbox::default();
        let everybody: Vec<ConnId> = (0..100_000).map(ConnId::from_bits).collect();
        let tell = |outbox: &mut Outbox, count: usize| {
            outbox.deliver_all(&everybody[..count], Audience::UNKNOWN, None, Frame::text("x"));
            let Some((Output::Deliver { to, .. }, _)) = outbox.poll() else { panic!("it is a delivery") };
            assert_eq!(to, &everybody[..count]);
            assert!(outbox.poll().is_none());
            outbox.targets.capacity()
        };
        assert!(tell(&mut outbox, 100_000) >= 100_000);
        // A large one now and then keeps it.
        for _ in 0..5 {
            (0..PATIENCE - 2).for_each(|_| assert!(tell(&mut outbox, 10) >= 100_000));
            assert!(tell(&mut outbox, 100_000) >= 100_000);
        }
        let capacity = (0..PATIENCE + 1).map(|_| tell(&mut outbox, 3000)).last();
        assert!((6000..20_000).contains(&capacity.unwrap()), "{capacity:?}");
        let capacity = (0..PATIENCE + 1).map(|_| tell(&mut outbox, 10)).last();
        assert_eq!(capacity, Some(KEPT));
    }
}
