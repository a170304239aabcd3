//! A transport between a client and the server, and all that can go wrong with it.

use std::collections::VecDeque;
use std::time::Duration;

use chanson_core::ConnId;
use chanson_core::time::Instant;

use super::mischief::Meddler;
use super::random::Random;
use super::tap::Tap;

/// Bytes on their way in one direction, and the end behind them.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    segments: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    last: Instant,
    end: Option<Instant>,
    told: bool,
    /// How many more bytes arrive before the wire breaks.
    pub(super) breaks_after: Option<usize>,
    /// When its reader learns that the wire is broken.
    pub(super) reset: Option<Instant>,
}

impl Pipe {
    /// Sends bytes that arrive at `due`, or behind what was sent before if that arrives later. None behind the end.
    pub(super) fn push(&mut self, due: Instant, bytes: Vec<u8>) {
        if !bytes.is_empty() && self.end.is_none() && self.reset.is_none() {
            self.last = self.last.max(due);
            self.bytes += bytes.len();
            self.segments.push_back((self.last, bytes));
        }
    }

    pub(super) fn end(&mut self, due: Instant) {
        self.end.get_or_insert(self.last.max(due));
    }

    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    pub(super) const fn len(&self) -> usize {
        self.bytes
    }

    /// Takes what has arrived, at most `max` bytes and none from where the wire breaks.
    pub(super) fn take(&mut self, now: Instant, max: usize) -> Vec<u8> {
        let max = max.min(self.breaks_after.unwrap_or(usize::MAX));
        let mut taken = Vec::new();
        while let Some((due, segment)) = self.segments.front_mut() {
            let room = max - taken.len();
            if *due > now || room == 0 {
                break;
            }
            if segment.len() > room {
                taken.extend(segment.drain(..room));
                break;
            }
            taken.append(segment);
            self.segments.pop_front();
        }
        self.bytes -= taken.len();
        if let Some(left) = &mut self.breaks_after {
            *left -= taken.len();
        }
        taken
    }

    /// Whether the end has arrived; said once.
    pub(super) fn take_end(&mut self, now: Instant) -> bool {
        let arrived = !self.told && self.segments.is_empty() && self.end.is_some_and(|end| end <= now);
        self.told |= arrived;
        arrived
    }

    pub(super) fn take_reset(&mut self, now: Instant) -> bool {
        self.reset.take_if(|at| *at <= now).is_some()
    }

    /// When something arrives that has not arrived yet.
    pub(super) fn next_after(&self, now: Instant) -> Option<Instant> {
        let arrival = self.segments.iter().map(|(due, _)| *due).find(|due| *due > now);
        let end = self.end.filter(|end| !self.told && *end > now);
        arrival.into_iter().chain(end).chain(self.reset.filter(|at| *at > now)).min()
    }
}

/// What is between the server and the wire.
pub(super) type Listeners = (Option<Tap>, Option<Meddler>);

/// A transport.
pub(super) struct Wire {
    /// No two have the same.
    pub(super) serial: u64,
    pub(super) peer: usize,
    /// When it comes up, until it has.
    pub(super) opens: Option<Instant>,
    /// The server's end, until that is closed.
    pub(super) conn: Option<ConnId>,
    /// Whether the client has not let go of it.
    pub(super) held: bool,
    /// Whether the client may still be told of it.
    pub(super) readable: bool,
    pub(super) to_server: Pipe,
    pub(super) to_client: Pipe,
    pub(super) delay: Duration,
    /// Both ends read and write at most so many bytes at a time.
    pub(super) chunk: usize,
    /// How many bytes there is room for, each way.
    pub(super) buffer: usize,
    /// Nothing gets through, and nobody knows.
    pub(super) lost: bool,
    pub(super) wants_write: bool,
    /// Listens to the server.
    pub(super) tap: Option<Tap>,
    pub(super) meddler: Option<Meddler>,
}

impl Wire {
    /// One that comes up some time after `now`; how it is, is drawn.
    pub(super) fn new(
        serial: u64,
        peer: usize,
        now: Instant,
        storm: usize,
        random: &mut Random,
        listeners: Listeners,
    ) -> Self {
        let delay = Duration::from_millis(random.pick(&[0, 0, 1, 20, 20, 150, 400]));
        let mut breaks = || (random.below(20) < storm).then(|| random.below(2500));
        let (to_server, to_client) = (breaks(), breaks());
        Self {
            serial,
            peer,
            opens: Some(now + delay),
            conn: None,
            held: true,
            readable: true,
            to_server: Pipe { breaks_after: to_server, ..Pipe::default() },
            to_client: Pipe { breaks_after: to_client, ..Pipe::default() },
            delay,
            chunk: random.pick(&[usize::MAX, usize::MAX, usize::MAX, 300, 40, 7]),
            buffer: random.pick(&[256, 1000, 4000, 64_000]),
            lost: random.below(60) < storm,
            wants_write: false,
            tap: listeners.0,
            meddler: listeners.1,
        }
    }

    /// Nothing more happens to it by itself, and it is wide.
    pub(super) fn mend(&mut self) {
        (self.to_server.breaks_after, self.to_client.breaks_after) = (None, None);
        (self.chunk, self.buffer) = (usize::MAX, 64_000);
        self.lost &= self.opens.is_none();
    }

    /// Breaks: each end is told at its time, what is on its way until then arrives or not.
    pub(super) fn cut(&mut self, now: Instant, random: &mut Random) {
        for pipe in [&mut self.to_server, &mut self.to_client] {
            if random.once_in(2) {
                pipe.clear();
            }
            let after = if random.once_in(2) { Duration::ZERO } else { self.delay };
            (pipe.breaks_after, pipe.reset) = (None, Some(now + after));
        }
    }

    /// Whether it breaks now.
    pub(super) fn breaks(&self) -> bool {
        self.to_server.breaks_after == Some(0) || self.to_client.breaks_after == Some(0)
    }

    pub(super) const fn is_gone(&self) -> bool {
        !self.held && self.conn.is_none()
    }

    /// When something happens on it, later than now; `reads`: whether its client does.
    pub(super) fn next_after(&self, now: Instant, reads: bool) -> Option<Instant> {
        let opens = self.opens.filter(|at| *at > now && !self.lost);
        if self.lost {
            return None;
        }
        let to_server = self.conn.and_then(|_| self.to_server.next_after(now));
        let to_client = self.to_client.next_after(now).filter(|_| reads && self.held && self.readable);
        opens.into_iter().chain(to_server).chain(to_client).min()
    }
}
