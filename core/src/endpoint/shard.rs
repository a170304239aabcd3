//! The sessions of one thread, when the hub is on another.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, IoSlice};

use super::mail::{Input, Inputs, Output, Outputs};
use super::sessions::{Answer, Sessions};
use super::{Config, Next, Stats};
use crate::deflate::Inflater;
use crate::error::CloseReason;
use crate::frame::Frame;
use crate::frame::memory::Joint;
use crate::http::RequestBuf;
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::session::Event;
use crate::time::Instant;

/// Some of the sessions of a hub, which is elsewhere: see [`Sharded`](super::Sharded). It reads, decodes, compresses, encrypts
/// and queues; what came goes to the hub in [`Inputs`], a batch a turn, and what the hub has to say comes back in [`Outputs`].
///
/// Its connections have ids of its own, dense from 0.
pub struct Shard {
    sessions: Sessions,
    lines: Vec<Line>,
    inputs: Inputs,
    /// Batches that were sent to the hub, and how many of them it has dealt with.
    sent: u64,
    handled: u64,
    /// Bytes of messages taken from the hub since what waits was last sent.
    portion: usize,
    /// Connections that have more to say than fitted.
    stalled: VecDeque<ConnId>,
    /// Connections whose end waits for answers to what came before it.
    ending: Vec<ConnId>,
    /// Lent to the session whose bytes are being read.
    buffer: Vec<u8>,
    inflater: Inflater,
    /// Frames are put together in it.
    joint: Joint,
}

/// What a connection has to do with the hub.
#[derive(Clone, Debug, Default)]
struct Line {
    /// The batch that its last message is in.
    said_in: u64,
    ending: Option<CloseReason>,
    stalled: bool,
    /// Whether the hub wants no more of it for now.
    paused: bool,
}

impl Shard {
    pub(super) fn new(capacity: &Capacity, config: Config) -> Self {
        let mut sessions = Sessions::new(capacity, config);
        sessions.defers_ends = true;
        Self {
            sessions,
            lines: Vec::new(),
            inputs: Inputs::default(),
            sent: 0,
            handled: 0,
            portion: 0,
            stalled: VecDeque::new(),
            ending: Vec::new(),
            buffer: Vec::new(),
            inflater: Inflater::default(),
            joint: Joint::default(),
        }
    }

    // --- what happened ---

    /// A transport came up, and the hub's thread gave it this id.
    pub fn handle_connect(&mut self, now: Instant, conn: ConnId) {
        self.sessions.tick(now);
        if self.lines.len() <= conn.index() {
            self.lines.resize_with(conn.index() + 1, Line::default);
        }
        self.lines[conn.index()] = Line::default();
        self.sessions.insert(conn);
    }

    /// Bytes came. Unknown connections are ignored.
    pub fn handle_bytes(&mut self, now: Instant, conn: ConnId, bytes: &[u8]) {
        self.sessions.tick(now);
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.sessions.take_in(conn, &mut buffer, bytes) {
            self.pump(conn);
        }
        self.sessions.take_back(conn, &mut buffer);
        self.buffer = buffer;
        self.finish();
    }

    /// As [`Endpoint::handle_buffer`](super::Endpoint::handle_buffer): the first `len` bytes of a buffer came.
    pub fn handle_buffer(&mut self, now: Instant, conn: ConnId, buffer: &mut Vec<u8>, len: usize) {
        if self.sessions.is_secure() {
            return self.handle_bytes(now, conn, &buffer[..len.min(buffer.len())]);
        }
        self.sessions.tick(now);
        if self.sessions.take_in_buffer(conn, buffer, len) {
            self.pump(conn);
        }
        self.sessions.take_back(conn, buffer);
        self.finish();
    }

    /// The peer sends no more; call it again when sending fails too.
    pub fn handle_eof(&mut self, now: Instant, conn: ConnId) {
        self.sessions.tick(now);
        let now = self.sessions.now;
        if let Some(entry) = self.sessions.get_mut(conn) {
            entry.session.handle_eof(now);
            self.pump(conn);
        }
        self.finish();
    }

    /// The transport is gone, whoever shut it down; so is the id, as soon as the hub knows.
    pub fn handle_close(&mut self, now: Instant, conn: ConnId) {
        self.sessions.tick(now);
        // It may have ended for a reason that there was no room for.
        let end = self.sessions.get_mut(conn).and_then(|entry| entry.session.take_end());
        if self.sessions.remove(conn) {
            self.inputs.entries.extend(end.map(|reason| Input::Ended(conn, reason)));
            self.inputs.entries.push_back(Input::Gone(conn));
        }
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.sessions.tick(now);
        let now = self.sessions.now;
        while let Some((at, conn)) = self.sessions.timers.pop_due(now) {
            if let Some(entry) = self.sessions.get_mut(conn).filter(|entry| entry.look_at == Some(at)) {
                entry.look_at = None;
                entry.session.handle_timeout(now);
                self.pump(conn);
            }
        }
        self.finish();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if !self.sessions.resumed.is_empty() {
            return Some(self.sessions.now);
        }
        self.sessions.timers.next()
    }

    /// What the hub has to say. It is taken in portions, so that peers who read do not look as if they did not: when this is
    /// true, send what waits, and call it again with the same.
    pub fn handle_outputs(&mut self, now: Instant, outputs: &mut Outputs) -> bool {
        self.sessions.tick(now);
        if self.is_portion_full() {
            // As in an endpoint: whoever has had no turn to send gets all of it, and may be a slow one by that.
            self.sessions.heedless = !self.sessions.touched.is_empty();
            (self.portion, self.sessions.held_back) = (0, false);
        }
        while !self.is_portion_full() {
            let Some(output) = outputs.entries.pop_front() else {
                self.take_answer(outputs.handled);
                break;
            };
            match output {
                Output::One(conn, frame) => {
                    self.portion += frame.bytes().len();
                    self.sessions.queue(conn, &frame);
                }
                Output::Many { to, frames } => {
                    self.portion += self.queue_all(outputs.conns_in(&to), outputs.frames_in(&frames));
                }
                Output::Answer(conn, answer) => {
                    self.portion += if let Answer::Respond(response) = &answer { response.bytes().len() } else { 0 };
                    self.sessions.answer(conn, answer);
                }
                Output::Close(conn, reason) => self.close(conn, reason),
                Output::Weigh => {
                    let heaviest = self.sessions.heaviest().map_or(0, |(_, queued)| queued);
                    self.inputs.entries.push_back(Input::Weight { queued: self.sessions.queued_by_living(), heaviest });
                }
                Output::Ask => self.inputs.entries.push_back(Input::Here),
                Output::Pause(conn) => self.pause(conn),
                Output::Unpause(conn) => self.unpause(conn),
                Output::Shed => {
                    self.sessions.shed();
                    self.tell_slow();
                    self.inputs.entries.push_back(Input::Shed);
                }
            }
        }
        self.sessions.heedless = false;
        self.sessions.deflater.forget();
        self.finish();
        self.is_portion_full()
    }

    // --- what to do ---

    /// What has come since the last time, for the hub. `None` when nothing has, or as long as the hub is too far behind: then
    /// the next [`Outputs`] end that.
    pub fn poll_inputs(&mut self) -> Option<Inputs> {
        let unanswered = self.sent - self.handled;
        if self.inputs.is_empty() || unanswered >= MAX_UNANSWERED {
            return None;
        }
        self.sent += 1;
        // The last that may be sent for now asks how far the hub has come.
        self.inputs.answer |= unanswered + 1 == MAX_UNANSWERED;
        Some(std::mem::take(&mut self.inputs))
    }

    /// Whether more can be taken in before [`poll_inputs`](Self::poll_inputs) is asked. If not, read from no connection.
    pub fn has_room(&self) -> bool {
        !self.inputs.is_full()
    }

    /// Goes on with connections that had come with more than there was room for. Half of the room is left for others, so that these
    /// come as soon as those. Once a turn, before anything is read.
    pub fn resume(&mut self, now: Instant) {
        self.sessions.tick(now);
        while !self.inputs.is_half_full()
            && let Some(conn) = self.stalled.pop_front()
        {
            if self.sessions.get(conn).is_some() {
                self.lines[conn.index()].stalled = false;
                self.pump_until(conn, Inputs::is_half_full);
            }
        }
        self.finish();
    }

    /// Whether [`resume`](Self::resume) has something to do.
    pub fn can_resume(&self) -> bool {
        !self.inputs.is_half_full() && !self.stalled.is_empty()
    }

    /// The next connection that has something to send, or is to be shut down: each once a turn.
    pub fn poll_writable(&mut self) -> Option<ConnId> {
        self.sessions.poll_writable()
    }

    /// Sends what a connection has pending, and says what is to be done then; as `Endpoint::transmit`.
    ///
    /// # Errors
    /// The transport has failed.
    pub fn transmit(
        &mut self,
        now: Instant,
        conn: ConnId,
        send: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Next> {
        self.sessions.tick(now);
        let mut next = self.sessions.transmit(conn, send)?;
        next.wants_bytes &= !self.waits(conn);
        Ok(next)
    }

    /// Whether to read from this connection.
    pub fn wants_bytes(&self, conn: ConnId) -> bool {
        !self.waits(conn) && self.sessions.get(conn).is_some_and(|entry| entry.session.wants_bytes())
    }

    /// Counters and gauges of these sessions, now; the hub's are nought.
    pub fn stats(&self) -> Stats {
        self.sessions.stats()
    }

    // --- inside ---

    /// Whether what waits is to be sent before more is taken from the hub.
    const fn is_portion_full(&self) -> bool {
        self.portion >= PORTION || self.sessions.held_back
    }

    /// Whether a connection can go on only when the hub has.
    fn waits(&self, conn: ConnId) -> bool {
        self.lines.get(conn.index()).is_none_or(|line| line.stalled || line.paused || line.ending.is_some())
    }

    fn pause(&mut self, conn: ConnId) {
        if self.sessions.get(conn).is_some() {
            self.lines[conn.index()].paused = true;
        }
    }

    fn unpause(&mut self, conn: ConnId) {
        if self.sessions.get(conn).is_some() {
            let line = &mut self.lines[conn.index()];
            line.paused = false;
            if !std::mem::replace(&mut line.stalled, true) {
                self.stalled.push_back(conn);
            }
        }
    }

    /// Takes what has come on a connection into the batch, as far as there is room.
    fn pump(&mut self, conn: ConnId) {
        self.pump_until(conn, Inputs::is_full);
    }

    fn pump_until(&mut self, conn: ConnId, is_enough: fn(&Inputs) -> bool) {
        let now = self.sessions.now;
        let Some(line) = self.lines.get_mut(conn.index()) else { return };
        loop {
            let Some(entry) = self.sessions.get_mut(conn) else { return };
            if line.ending.is_some() || line.stalled || line.paused {
                break;
            }
            if is_enough(&self.inputs) {
                line.stalled = true;
                self.stalled.push_back(conn);
                break;
            }
            entry.session.lend_inflater(&mut self.inflater);
            let Some(event) = entry.session.poll_event() else { break };
            match event {
                Event::Text(text) => self.inputs.text(conn, text),
                Event::Binary(data) => self.inputs.binary(conn, data),
                Event::Request(request) => self.inputs.request(conn, RequestBuf::new(&request)),
                Event::Alive => {
                    self.inputs.alive(conn);
                    continue;
                }
                Event::Closed(reason) => {
                    self.inputs.entries.push_back(Input::Ended(conn, reason));
                    continue;
                }
                Event::Ending(reason) if line.said_in <= self.handled => {
                    entry.session.end_deferred(now, reason);
                    continue;
                }
                Event::Ending(reason) => {
                    line.ending = Some(reason);
                    self.ending.push(conn);
                    self.inputs.answer = true;
                    break;
                }
                // These come to clients only.
                Event::Open { .. } | Event::Refused(_) => continue,
            }
            line.said_in = self.sent + 1;
        }
        if let Some(entry) = self.sessions.get_mut(conn) {
            entry.session.take_back_inflater(&mut self.inflater);
        }
        self.sessions.touch(conn);
        self.sessions.watch(conn);
    }

    /// Ends a turn, as an endpoint's.
    fn finish(&mut self) {
        while let Some(conn) = self.sessions.resume() {
            self.pump(conn);
        }
        self.tell_slow();
    }

    fn tell_slow(&mut self) {
        while let Some(conn) = self.sessions.slow.pop() {
            self.inputs.entries.push_back(Input::Slow(conn));
        }
    }

    /// The hub has come so far: ends that waited for that are answered.
    fn take_answer(&mut self, handled: u64) {
        self.handled = self.handled.max(handled);
        for conn in std::mem::take(&mut self.ending) {
            let (handled, now) = (self.handled, self.sessions.now);
            if self.sessions.get(conn).is_none() {
                continue;
            }
            let line = &mut self.lines[conn.index()];
            if line.said_in > handled {
                self.ending.push(conn);
                self.inputs.answer = true;
            } else if line.paused {
                // What it said is put off; when it is dealt with the hub says so.
                self.ending.push(conn);
            } else if let Some(reason) = line.ending.take()
                && let Some(entry) = self.sessions.get_mut(conn)
            {
                entry.session.end_deferred(now, reason);
                self.pump(conn);
            }
        }
    }

    /// The hub closes it. An end of the peer's that waited is behind that, and answers it.
    fn close(&mut self, conn: ConnId, reason: CloseReason) {
        self.sessions.close(conn, reason);
        let now = self.sessions.now;
        if let Some(ending) = self.lines.get_mut(conn.index()).and_then(|line| line.ending.take())
            && let Some(entry) = self.sessions.get_mut(conn)
        {
            entry.session.end_deferred(now, ending);
        }
    }

    /// Frames in a row to each of many connections; how many bytes they are.
    fn queue_all(&mut self, to: &[ConnId], frames: &[Frame]) -> usize {
        let bytes = frames.iter().map(|frame| frame.bytes().len()).sum();
        match frames {
            // A frame is compressed once for all that want it compressed, if all of them get it before the next one.
            _ if self.sessions.compressing > 0 => {
                frames.iter().for_each(|frame| to.iter().for_each(|conn| self.sessions.queue(*conn, frame)));
            }
            // Its count of references is not shared with other threads, which would take turns at it for every receiver.
            [frame] if to.len() >= COPIED_FOR => {
                let frame = frame.copy();
                to.iter().for_each(|conn| self.sessions.queue(*conn, &frame));
            }
            [frame] => to.iter().for_each(|conn| self.sessions.queue(*conn, frame)),
            frames => {
                let all = self.joint.join(frames);
                self.sessions.queue_all(to, &all, frames);
            }
        }
        bytes
    }
}

impl fmt::Debug for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shard").field("inputs", &self.inputs).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// With so many bytes of messages taken from the hub, what came of them is sent before more is taken.
const PORTION: usize = 256 << 10;

/// So many batches may be on their way to the hub, or not be answered yet: one that it works on, and one for then.
const MAX_UNANSWERED: u64 = 2;

/// A frame for so many receivers is worth a copy.
const COPIED_FOR: usize = 8;
