//! A thread that has sockets and their sessions, and no hub.

use std::io;
use std::sync::Arc;

use chanson_core::ConnId;
use chanson_core::driver::{Bell, Config, Stats};
use chanson_core::endpoint::Shard;
use chanson_core::time::Instant;
use crossbeam_channel::TryRecvError;
use mio::net::TcpStream;
use mio::{Events, Poll, Waker};

use super::link::{Batch, Ends, Shared};
use crate::server::{Clock, EVENTS, MAX_BUFFER, WAKER};
use crate::sockets::{self, Got, Socket, Sockets};
use crate::sys;
use crate::turn::MAX_CROWDED;

pub(super) struct Worker {
    index: usize,
    shard: Shard,
    poll: Poll,
    events: Events,
    sockets: Sockets,
    /// Connections whose socket failed or is to be closed.
    dead: Vec<ConnId>,
    config: Config,
    clock: Clock,
    now: Instant,
    buffer: Vec<u8>,
    /// How many turns in a row had more events than fit.
    crowded: u32,
    stats: Stats,
    /// What of all that waits the others know to be here.
    queued: usize,
    shared: Arc<Shared>,
    /// The last: when the hub's thread hears of the end, all else has gone.
    ends: Ends,
}

impl Worker {
    /// What a worker waits at, and how it is woken.
    pub(super) fn poll() -> io::Result<(Poll, Arc<Bell>)> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok((poll, Arc::new(Bell::new(move || waker.wake()))))
    }

    pub(super) fn new(
        index: usize,
        shard: Shard,
        config: Config,
        clock: Clock,
        poll: Poll,
        shared: Arc<Shared>,
        ends: Ends,
    ) -> Self {
        let buffer = vec![0; config.read_per_turn.clamp(1, MAX_BUFFER)];
        Self {
            index,
            shard,
            poll,
            events: Events::with_capacity(EVENTS),
            sockets: Sockets::default(),
            dead: Vec::new(),
            config,
            clock,
            now: Instant::ORIGIN,
            buffer,
            crowded: 0,
            stats: Stats::default(),
            queued: 0,
            shared,
            ends,
        }
    }

    /// Turns until the hub's end of the channels has gone.
    pub(super) fn run(mut self) -> io::Result<()> {
        while self.turn()? {}
        Ok(())
    }

    /// Whether another is to follow.
    fn turn(&mut self) -> io::Result<bool> {
        self.wait()?;
        self.now = self.now.max(self.clock.now());
        self.take_events();
        let goes_on = self.take_batches();
        self.shard.resume(self.now);
        self.read();
        self.pass_time();
        // The hub works on what has come while this thread writes.
        self.report();
        self.flush();
        self.report();
        self.stats.count_turn(self.clock.now() - self.now);
        self.stats.endpoint = self.shard.stats();
        self.shared.set_stats(self.index, self.stats);
        Ok(goes_on)
    }

    fn wait(&mut self) -> io::Result<()> {
        if !self.has_leftovers() {
            self.ends.bell.lie_down();
        }
        let timeout = match self.has_leftovers() {
            true => Some(std::time::Duration::ZERO),
            false => self.shard.poll_timeout().map(|due| due - self.clock.now()),
        };
        let waited = sockets::wait(&mut self.poll, &mut self.events, timeout);
        self.ends.bell.get_up();
        waited
    }

    /// Whether there is something to do that no event will tell of.
    fn has_leftovers(&self) -> bool {
        let can_read = self.sockets.waiting() > 0 && self.shard.has_room();
        can_read || self.shard.can_resume() || self.ends.has_come()
    }

    fn take_events(&mut self) {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            // The waker's token names no socket.
            self.sockets.note(event);
        }
        self.crowded = if count >= EVENTS { self.crowded + 1 } else { 0 };
    }

    /// Takes what the hub has sent; whether it may send more.
    fn take_batches(&mut self) -> bool {
        // As many as can wait, so that the sockets get their turn.
        for _ in 0..self.ends.from.capacity().unwrap_or(1) {
            let batch = match self.ends.from.try_recv() {
                Ok(batch) => batch,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            self.ends.made_room();
            self.take_batch(batch);
        }
        true
    }

    fn take_batch(&mut self, batch: Batch) {
        let Batch { connections, mut outputs } = batch;
        for (id, stream) in connections {
            self.admit(id, stream);
        }
        while self.shard.handle_outputs(self.now, &mut outputs) {
            self.flush();
        }
    }

    fn admit(&mut self, id: ConnId, stream: TcpStream) {
        sys::set_up(&stream, &self.config);
        self.shard.handle_connect(self.now, id);
        match self.sockets.insert(self.poll.registry(), id, stream) {
            Ok(()) => self.stats.accepted += 1,
            Err(_) => {
                self.stats.accept_failures += 1;
                self.dead.push(id);
            }
        }
    }

    /// Reads from every socket that has something, each within its share, as long as there is room for it.
    fn read(&mut self) {
        for _ in 0..self.sockets.waiting() {
            if !self.shard.has_room() {
                return;
            }
            let Some(id) = self.sockets.next() else { return };
            let mut share = self.config.read_per_turn.max(1);
            while let Some(count) = self.read_once(id, share) {
                share -= count;
                if share == 0 || !self.shard.has_room() {
                    self.sockets.queue(id);
                    break;
                }
            }
        }
    }

    /// Reads once; how much came, if there may be more.
    fn read_once(&mut self, id: ConnId, share: usize) -> Option<usize> {
        let socket = self.sockets.get_mut(id)?;
        if !socket.readable || !self.shard.wants_bytes(id) {
            return None;
        }
        let room = self.buffer.len().min(share);
        match socket.read(&mut self.buffer[..room]) {
            Got::Bytes(count) => {
                let more = socket.readable;
                self.shard.handle_buffer(self.now, id, &mut self.buffer, count);
                return more.then_some(count);
            }
            Got::End => self.shard.handle_eof(self.now, id),
            Got::Failed(_) => self.dead.push(id),
            Got::Nothing => {}
        }
        None
    }

    /// As the single thread: not as long as peers may have sent something that was not seen yet.
    fn pass_time(&mut self) {
        let due = self.shard.poll_timeout().is_some_and(|due| due <= self.now);
        if due && !(1..=MAX_CROWDED).contains(&self.crowded) {
            self.shard.handle_timeout(self.now);
        }
    }

    /// Writes to each connection that is owed something, and takes leave of those that are over.
    fn flush(&mut self) {
        while let Some(id) = self.sockets.unblocked.pop() {
            self.write(id);
        }
        while let Some(id) = self.shard.poll_writable() {
            self.write(id);
        }
        while let Some(id) = self.dead.pop() {
            self.sockets.remove(self.poll.registry(), id);
            self.shard.handle_close(self.now, id);
        }
    }

    /// Writes for as long as there is something and the socket takes it: mostly one call.
    fn write(&mut self, id: ConnId) {
        let transmit = |socket: &mut Socket| self.shard.transmit(self.now, id, |slices| socket.write(slices));
        if !self.sockets.write(id, transmit) {
            self.dead.push(id);
        }
    }

    /// Sends the hub what has come, and tells all how much waits.
    fn report(&mut self) {
        let queued = self.shard.stats().queued_bytes;
        let before = std::mem::replace(&mut self.queued, queued);
        let too_much = queued != before && self.shared.recount(before, queued);
        let inputs = self.shard.poll_inputs();
        if too_much || inputs.is_some() {
            // There is room for as many as a shard sends without an answer; without a hub nobody misses them.
            inputs.map(|inputs| self.ends.to.try_send(inputs));
            self.ends.hub.ring();
        }
    }
}
