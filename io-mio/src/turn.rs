//! One turn of a single thread: wait, accept, read, commands, time, write.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chanson_core::ConnId;
use chanson_core::log::Level;
use mio::net::TcpStream;

use crate::door::Accepted;
use crate::server::{EVENTS, LISTENER, MAX_BUFFER, Stage};
use crate::single::Single;
use crate::sockets::{self, Got, Socket};
use crate::sys;

impl<S> Single<S> {
    pub(crate) fn turn(&mut self, app: &mut S, max_wait: Option<Duration>) -> io::Result<()> {
        if self.is_finished() {
            return Ok(());
        }
        self.wait(max_wait)?;
        self.now = self.now.max(self.now());
        self.rounds = 0;
        self.take_events();
        self.accept();
        self.read(app);
        self.obey(app);
        self.pass_time(app);
        self.flush(app);
        self.mind_the_end(app);
        self.stats.count_turn(self.now() - self.now);
        self.inbox.set_stats(self.stats());
        Ok(())
    }

    /// When the next turn is due though nothing happens.
    pub(crate) fn next_turn(&self) -> Option<chanson_core::time::Instant> {
        let drained = match self.stage {
            Stage::Running => None,
            Stage::Draining(until) => Some(until),
            Stage::Finished => return None,
        };
        if self.has_leftovers() {
            return Some(self.now);
        }
        self.endpoint.poll_timeout().into_iter().chain(self.door.deadline()).chain(drained).min()
    }

    /// Whether there is something to do that no event will tell of.
    fn has_leftovers(&self) -> bool {
        self.acted || self.sockets.waiting() > 0 || self.door.is_ready() || self.inbox.has_more()
    }

    fn wait(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        let due = self.next_turn().map(|due| due - self.now());
        let timeout = max_wait.into_iter().chain(due).min();
        sockets::wait(&mut self.poll, &mut self.events, timeout)
    }

    fn take_events(&mut self) {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            match event.token() {
                LISTENER => self.door.knock(),
                // The waker's token names no socket.
                _ => self.sockets.note(event),
            }
        }
        self.crowded = if count >= EVENTS { self.crowded + 1 } else { 0 };
    }

    fn accept(&mut self) {
        self.door.handle_timeout(self.now);
        for _ in 0..self.config.accepts_per_turn.max(1) {
            match self.door.accept(self.now) {
                Accepted::Socket(stream, peer) => self.admit(stream, peer),
                Accepted::Failed => self.cannot_accept(),
                Accepted::Nobody => return,
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        let Ok(id) = self.endpoint.handle_connect(self.now, Some(peer)) else {
            self.stats.turned_away += 1;
            return self.door.turn_away(self.now, stream, self.endpoint.busy());
        };
        sys::set_up(&stream, &self.config);
        match self.sockets.insert(self.poll.registry(), id, stream) {
            Ok(()) => self.stats.accepted += 1,
            Err(_) => {
                self.cannot_accept();
                self.dead.push(id);
            }
        }
    }

    fn cannot_accept(&mut self) {
        self.stats.accept_failures += 1;
        self.endpoint.log(
            self.now,
            Level::Warn,
            format_args!("a connection cannot be accepted: no file descriptor left?"),
        );
    }

    /// Reads from every socket that has something, each within its share.
    fn read(&mut self, app: &mut S) {
        for _ in 0..self.sockets.waiting() {
            let Some(id) = self.sockets.next() else { return };
            let mut share = self.config.read_per_turn.max(1);
            while let Some(count) = self.read_once(app, id, share) {
                share -= count;
                if share == 0 {
                    self.sockets.queue(id);
                    break;
                }
            }
        }
    }

    /// Reads once; how much came, if there may be more.
    fn read_once(&mut self, app: &mut S, id: ConnId, share: usize) -> Option<usize> {
        let socket = self.sockets.get_mut(id)?;
        if !socket.readable || !self.endpoint.wants_bytes(id) {
            return None;
        }
        // A handler that panicked has not given it back.
        self.buffer.resize(self.config.read_per_turn.clamp(1, MAX_BUFFER), 0);
        let room = self.buffer.len().min(share);
        match socket.read(&mut self.buffer[..room]) {
            Got::Bytes(count) => {
                let more = socket.readable;
                self.endpoint.handle_buffer(self.now, app, id, &mut self.buffer, count);
                self.took_in(app, count);
                return more.then_some(count);
            }
            Got::End => {
                self.endpoint.handle_eof(self.now, app, id);
                self.took_in(app, 0);
            }
            Got::Failed(_) => self.dead.push(id),
            Got::Nothing => {}
        }
        None
    }

    /// Many small inputs of one turn may all go to the same receivers. So that these do not look as if they did not read,
    /// what there is goes out in between.
    fn took_in(&mut self, app: &mut S, count: usize) {
        self.input += count;
        if self.input >= FLUSH_AFTER || self.endpoint.holds_back() {
            self.flush(app);
        }
    }

    /// Carries out what handles asked for.
    fn obey(&mut self, app: &mut S) {
        self.inbox.begin_turn(self.config.commands_per_turn);
        while let Some(bytes) = self.inbox.obey(self.now, &mut self.endpoint, app, &mut self.stats) {
            self.took_in(app, bytes);
        }
        while self.inbox.take_stop() {
            self.shutdown(app);
        }
    }

    /// Lets timers fire, but not as long as peers may have sent something that was not seen yet: after a pause of the whole
    /// process they would be taken for silent.
    fn pass_time(&mut self, app: &mut S) {
        let due = self.endpoint.poll_timeout().is_some_and(|due| due <= self.now);
        if due && !(1..=MAX_CROWDED).contains(&self.crowded) {
            self.endpoint.handle_timeout(self.now, app);
        }
    }

    /// Writes to each connection that is owed something, and takes leave of those that are over.
    pub(crate) fn flush(&mut self, app: &mut S) {
        (self.acted, self.input) = (false, 0);
        while let Some(id) = self.sockets.unblocked.pop() {
            self.write(id);
        }
        loop {
            while let Some(id) = self.endpoint.poll_writable() {
                self.write(id);
            }
            // Each end may be the last word to many, so what comes of it is sent before the next. None waits for what is held
            // back: there may be no end of that.
            if let Some(id) = self.dead.pop() {
                self.close(app, id);
            } else if self.endpoint.holds_back() && self.rounds < ROUNDS {
                self.rounds += 1;
                self.endpoint.resume(self.now, app);
            } else {
                return;
            }
        }
    }

    /// Writes for as long as there is something and the socket takes it: mostly one call.
    fn write(&mut self, id: ConnId) {
        let transmit = |socket: &mut Socket| self.endpoint.transmit(self.now, id, |slices| socket.write(slices));
        if !self.sockets.write(id, transmit) {
            self.dead.push(id);
        }
    }

    fn close(&mut self, app: &mut S, id: ConnId) {
        self.sockets.remove(self.poll.registry(), id);
        self.endpoint.handle_close(self.now, app, id);
    }

    // --- the end ---

    pub(crate) fn begin_to_end(&mut self, app: &mut S) {
        let now = self.now;
        self.door.close(self.poll.registry());
        self.endpoint.act(now, app, |hub, app| hub.shutdown(now, app));
        self.stage = Stage::Draining(now + self.config.drain);
        self.acted = true;
    }

    fn mind_the_end(&mut self, app: &mut S) {
        if let Stage::Draining(until) = self.stage
            && (self.sockets.len() == 0 || until <= self.now)
        {
            self.finish(app);
        }
    }

    /// Sends what sockets take without delay, and cuts what is left.
    pub(crate) fn finish(&mut self, app: &mut S) {
        self.flush(app);
        // The end is told behind what was held back, which is all that is still to be said.
        let until = self.now() + LAST_WORDS;
        while self.endpoint.holds_back() && self.now() < until {
            self.rounds = 0;
            self.flush(app);
        }
        let left: Vec<ConnId> = self.sockets.ids().collect();
        for id in left {
            self.close(app, id);
        }
        self.stage = Stage::Finished;
        self.inbox.close();
        self.inbox.set_stats(self.stats());
    }
}

/// How often in a turn what was held back goes on: who asks for more than is queued at a time shares the turn with the others.
const ROUNDS: u32 = 4;

/// How long what is held back goes on at the end, when nobody has to wait any more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// With so many bytes taken in, what came of them goes out before more is read.
const FLUSH_AFTER: usize = 256 << 10;

/// How many turns in a row timers are held up when there are more events than fit into one.
pub(crate) const MAX_CROWDED: u32 = 64;
