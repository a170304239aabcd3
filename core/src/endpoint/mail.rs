//! What the hub's thread and a thread with sessions send each other: a batch a turn, either way.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;

use super::sessions::Answer;
use crate::error::CloseReason;
use crate::frame::Frame;
use crate::http::RequestBuf;
use crate::id::ConnId;

/// What has come on the connections of a [`Shard`](super::Shard), in order, for [`Sharded`](super::Sharded).
#[derive(Default)]
pub struct Inputs {
    pub(super) entries: VecDeque<Input>,
    pub(super) texts: String,
    pub(super) binaries: Vec<u8>,
    /// Bytes of requests, whose buffers are their own.
    pub(super) requested: usize,
    /// Whether the shard waits for an answer that says how far the hub has come.
    pub(super) answer: bool,
}

pub(super) enum Input {
    Text(ConnId, Range<u32>),
    Binary(ConnId, Range<u32>),
    Request(ConnId, RequestBuf),
    /// The peer is alive.
    Alive(ConnId),
    /// The conversation is over; the transport is not.
    Ended(ConnId, CloseReason),
    /// The peer does not read.
    Slow(ConnId),
    /// The transport is gone.
    Gone(ConnId),
    /// Asked for by [`Output::Weigh`]: what waits in all, and for the connection with most.
    Weight {
        queued: usize,
        heaviest: usize,
    },
    /// [`Output::Shed`] is done.
    Shed,
    /// The answer to [`Output::Ask`].
    Here,
}

impl Input {
    /// Whose it is, if it has to stay behind what has come from that connection before. That a peer does not read is better known
    /// at once.
    pub(super) const fn sender(&self) -> Option<ConnId> {
        match self {
            Self::Text(conn, _)
            | Self::Binary(conn, _)
            | Self::Request(conn, _)
            | Self::Alive(conn)
            | Self::Ended(conn, _)
            | Self::Gone(conn) => Some(*conn),
            Self::Slow(_) | Self::Weight { .. } | Self::Shed | Self::Here => None,
        }
    }
}

impl Inputs {
    /// Bytes of messages and requests in it.
    pub const fn bytes(&self) -> usize {
        self.texts.len() + self.binaries.len() + self.requested
    }

    /// Whether there is nothing in it, and nobody waits for an answer to that.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && !self.answer
    }

    /// Whether the rest has to wait for the next one.
    pub(super) fn is_full(&self) -> bool {
        self.bytes() >= MAX_BYTES || self.entries.len() >= MAX_INPUTS
    }

    /// Whether it is half full.
    pub(super) fn is_half_full(&self) -> bool {
        self.bytes() >= MAX_BYTES / 2 || self.entries.len() >= MAX_INPUTS / 2
    }

    /// Takes over what is in another one.
    pub(super) fn push_from(&mut self, input: Input, other: &Self) {
        match input {
            Input::Text(conn, range) => self.text(conn, &other.texts[range.start as usize..range.end as usize]),
            Input::Binary(conn, range) => self.binary(conn, &other.binaries[range.start as usize..range.end as usize]),
            Input::Request(conn, request) => self.request(conn, request),
            Input::Alive(conn) => self.alive(conn),
            other => self.entries.push_back(other),
        }
    }

    pub(super) fn text(&mut self, conn: ConnId, text: &str) {
        let start = self.texts.len() as u32;
        self.texts.push_str(text);
        self.entries.push_back(Input::Text(conn, start..self.texts.len() as u32));
    }

    pub(super) fn binary(&mut self, conn: ConnId, data: &[u8]) {
        let start = self.binaries.len() as u32;
        self.binaries.extend_from_slice(data);
        self.entries.push_back(Input::Binary(conn, start..self.binaries.len() as u32));
    }

    pub(super) fn request(&mut self, conn: ConnId, request: RequestBuf) {
        self.requested += request.len();
        self.entries.push_back(Input::Request(conn, request));
    }

    /// Many pings in a row say no more than one.
    pub(super) fn alive(&mut self, conn: ConnId) {
        if !matches!(self.entries.back(), Some(Input::Alive(last)) if *last == conn) {
            self.entries.push_back(Input::Alive(conn));
        }
    }
}

impl fmt::Debug for Inputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inputs").field("entries", &self.entries.len()).field("bytes", &self.bytes()).finish()
    }
}

/// What the hub has to say to the connections of a [`Shard`](super::Shard), in order.
#[derive(Default)]
pub struct Outputs {
    pub(super) entries: VecDeque<Output>,
    pub(super) to: Vec<ConnId>,
    pub(super) frames: Vec<Frame>,
    /// How many [`Inputs`] of this shard the hub has dealt with; what came of them is in here, or was sent before.
    pub(super) handled: u64,
    weight: usize,
}

pub(super) enum Output {
    One(ConnId, Frame),
    /// Several frames, one behind the other, to each of several connections.
    Many {
        to: Range<u32>,
        frames: Range<u32>,
    },
    Answer(ConnId, Answer),
    Close(ConnId, CloseReason),
    /// More may wait in all than is allowed: how much is it here?
    Weigh,
    /// It is more, and the connection with most is here: that one does not read.
    Shed,
    /// To be answered with what has come until then.
    Ask,
    /// Something of it was put off: no more from this connection until that is dealt with.
    Pause(ConnId),
    /// It is.
    Unpause(ConnId),
}

impl Output {
    /// The same for the connection that is known by `conn`.
    pub(super) fn with_conn(self, conn: ConnId) -> Self {
        match self {
            Self::One(_, frame) => Self::One(conn, frame),
            Self::Answer(_, answer) => Self::Answer(conn, answer),
            Self::Close(_, reason) => Self::Close(conn, reason),
            other => other,
        }
    }
}

impl Outputs {
    /// About how many bytes it holds in memory. A frame for many connections counts once.
    pub const fn weight(&self) -> usize {
        self.weight
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(super) fn push(&mut self, output: Output) {
        self.weight += OVERHEAD
            + match &output {
                Output::One(_, frame) => frame.bytes().len(),
                Output::Many { to, frames } => {
                    let bytes: usize = self.frames_in(frames).iter().map(|frame| frame.bytes().len()).sum();
                    bytes + to.len() * size_of::<ConnId>()
                }
                Output::Answer(_, Answer::Respond(response)) => response.bytes().len(),
                _ => 0,
            };
        self.entries.push_back(output);
    }

    pub(super) fn frames_in(&self, range: &Range<u32>) -> &[Frame] {
        &self.frames[range.start as usize..range.end as usize]
    }

    pub(super) fn conns_in(&self, range: &Range<u32>) -> &[ConnId] {
        &self.to[range.start as usize..range.end as usize]
    }
}

impl fmt::Debug for Outputs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outputs").field("entries", &self.entries.len()).field("weight", &self.weight).finish()
    }
}

/// With so many bytes a batch is full; the message that makes it so is still in it. The hub looks at one batch of each shard in
/// turn, so this is for how long one shard's connections wait for another's.
const MAX_BYTES: usize = 64 << 10;

/// With so many entries likewise.
const MAX_INPUTS: usize = 2048;

/// What an entry counts as, beside its bytes.
const OVERHEAD: usize = 64;
