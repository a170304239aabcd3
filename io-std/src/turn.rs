//! One turn of the hub's thread: wait, take what came, commands, time, hand out what is to be sent.

use std::io::IoSlice;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use chanson_core::ConnId;
use chanson_core::log::Level;
use chanson_core::time::Instant;
use crossbeam_channel::select;

use crate::conns::{Gone, Needs};
use crate::server::{Server, Stage};
use crate::sys;
use crate::threads::{Input, Sent};

impl<S> Server<S> {
    pub(crate) fn turn(&mut self, app: &mut S, max_wait: Option<Duration>) {
        if self.is_finished() {
            return;
        }
        self.rounds = 0;
        let woke = self.wait(app, max_wait);
        self.tick();
        self.take_sent();
        self.take_inputs(app);
        self.obey(app);
        self.pass_time(app);
        self.flush(app);
        self.mind_the_end(app);
        self.conns.reap();
        self.stats.count_turn(self.now() - woke);
        self.inbox.set_stats(self.stats());
    }

    /// When the next turn is due though nothing happens.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let drained = match self.stage {
            Stage::Running => None,
            Stage::Draining(until) => Some(until),
            Stage::Finished => return None,
        };
        if self.acted || self.inbox.has_more() {
            return Some(self.now);
        }
        let timer = self.endpoint.poll_timeout().map(|due| self.held_up.map_or(due, |until| due.max(until)));
        timer.into_iter().chain(self.door.deadline()).chain(drained).min()
    }

    /// Waits until something happens, and takes it; when that was.
    fn wait(&mut self, app: &mut S, max_wait: Option<Duration>) -> Instant {
        let due = self.next_turn().map(|due| due - self.now());
        let timeout = max_wait.into_iter().chain(due).min().unwrap_or(FOREVER);
        let Some(channels) = &self.channels else { return self.now };
        select! {
            recv(channels.sent.1) -> sent => {
                self.tick();
                let woke = self.now;
                sent.into_iter().for_each(|sent| self.note_sent(sent));
                woke
            }
            recv(channels.inputs.1) -> input => {
                self.tick();
                let woke = self.now;
                input.into_iter().for_each(|input| self.take_input(app, input));
                woke
            }
            default(timeout) => self.now(),
        }
    }

    pub(crate) fn tick(&mut self) {
        self.now = self.now.max(self.now());
    }

    /// What writers have done comes first, for it makes room.
    fn take_sent(&mut self) {
        while let Some(Ok(sent)) = self.channels.as_ref().map(|channels| channels.sent.1.try_recv()) {
            self.note_sent(sent);
        }
    }

    fn note_sent(&mut self, sent: Sent) {
        let Sent { conn, count, batch, failed } = sent;
        if !self.conns.contains(conn) {
            return;
        }
        self.endpoint.advance(self.now, conn, count);
        if failed {
            self.dead.push(conn);
        } else if let Some(batch) = batch {
            self.conns.came_back(conn, batch);
            self.write(conn);
        }
    }

    fn take_inputs(&mut self, app: &mut S) {
        for _ in 0..INPUTS {
            let Some(Ok(input)) = self.channels.as_ref().map(|channels| channels.inputs.1.try_recv()) else { return };
            self.take_input(app, input);
        }
    }

    fn take_input(&mut self, app: &mut S, input: Input) {
        match input {
            Input::Accepted(stream, peer) => self.admit(app, stream, peer),
            Input::AcceptFailed => {
                self.stats.accept_failures += 1;
                let text = format_args!("a connection cannot be accepted: no file descriptor left?");
                self.endpoint.log(self.now, Level::Warn, text);
            }
            Input::Bytes(conn, mut buffer, count) => {
                self.endpoint.handle_buffer(self.now, app, conn, &mut buffer, count);
                self.conns.lend(conn, buffer, self.endpoint.wants_bytes(conn));
                self.took_in(app, count);
            }
            Input::Eof(conn) => {
                self.endpoint.handle_eof(self.now, app, conn);
                self.took_in(app, 0);
            }
            Input::Failed(conn) => self.dead.push(conn),
            Input::Wake => {}
        }
    }

    fn admit(&mut self, app: &mut S, stream: TcpStream, peer: SocketAddr) {
        let stream = Arc::new(stream);
        if self.stage != Stage::Running {
            return;
        }
        let Ok(id) = self.endpoint.handle_connect(self.now, Some(peer)) else {
            self.stats.turned_away += 1;
            return self.door.turn_away(self.now, stream, self.endpoint.busy());
        };
        // Without it small messages may come late; a socket that cannot have it works all the same.
        drop(stream.set_nodelay(true));
        if let Some(after) = self.config.tcp_keepalive {
            drop(sys::keep_alive(&stream, after));
        }
        if let Some(timeout) = self.config.tcp_user_timeout {
            drop(sys::give_up_after(&stream, timeout));
        }
        sys::let_writes_return(&stream);
        let Some(channels) = &self.channels else { return };
        let (inputs, sent) = (&channels.inputs.0, &channels.sent.0);
        let buffer = self.config.read_per_turn.clamp(1, MAX_BUFFER);
        let needs = Needs { inputs, sent, stack: self.stack, max_threads: self.max_threads, buffer };
        if self.conns.insert(id, &stream, &needs) {
            self.stats.accepted += 1;
        } else {
            self.stats.accept_failures += 1;
            self.endpoint.log(self.now, Level::Warn, format_args!("no thread left for a connection"));
            self.endpoint.handle_close(self.now, app, id);
            self.door.turn_away(self.now, stream, self.endpoint.busy());
        }
    }

    /// Input may be turned into output faster than writers get their turn. So that peers do not look as if they did not read,
    /// writers catch up in between.
    fn took_in(&mut self, app: &mut S, count: usize) {
        self.input += count;
        if self.input >= CATCH_UP_AFTER {
            self.flush(app);
            self.catch_up();
            self.flush(app);
            self.input = 0;
        } else if self.endpoint.holds_back() {
            self.flush(app);
        }
    }

    /// Waits for writers that make progress, and for none of them for long.
    fn catch_up(&mut self) {
        self.wait_for_writers(|server| server.conns.behind() > 0);
        self.conns.give_up_waiting();
    }

    fn wait_for_writers(&mut self, more: impl Fn(&Self) -> bool) {
        let until = self.now() + CATCH_UP_WITHIN;
        while more(self) && self.now() < until {
            let Some(channels) = &self.channels else { return };
            let Ok(sent) = channels.sent.1.recv_timeout(STALL.min(until - self.now())) else { break };
            self.tick();
            self.note_sent(sent);
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

    /// Lets timers fire. When that comes late, the whole process may have slept, and peers may have sent something that
    /// readers have not seen yet: they get a moment for it, else all peers would be taken for silent.
    fn pass_time(&mut self, app: &mut S) {
        self.door.handle_timeout(self.now);
        let Some(due) = self.endpoint.poll_timeout().filter(|due| *due <= self.now) else { return };
        match self.held_up {
            None if self.now - due > LATE => self.held_up = Some(self.now + GRACE),
            Some(until) if self.now < until => {}
            _ => {
                self.held_up = None;
                self.endpoint.handle_timeout(self.now, app);
            }
        }
    }

    /// Hands each connection what it is owed, and takes leave of those that are over.
    pub(crate) fn flush(&mut self, app: &mut S) {
        self.acted = false;
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
                self.catch_up();
                self.endpoint.resume(self.now, app);
            } else {
                break;
            }
        }
        if self.conns.behind() == 0 {
            self.input = 0;
        }
    }

    /// Sends what the socket takes at once. The rest is the writer's, who waits for the peer so that nobody else does.
    fn write(&mut self, id: ConnId) {
        let Some(stream) = self.conns.idle(id) else { return self.pass_on(id) };
        match self.endpoint.transmit(self.now, id, |slices| sys::send_at_once(stream, slices)) {
            Ok(next) if next.finished => self.dead.push(id),
            Ok(next) if !next.blocked => {
                self.conns.level(id);
                self.go_on(id, next.done_sending, next.wants_bytes);
            }
            // When the socket has failed, the writer learns of it, too, and says so behind what was read before.
            _ => self.pass_on(id),
        }
    }

    /// Gives the writer a batch, if it has none.
    fn pass_on(&mut self, id: ConnId) {
        if !self.conns.contains(id) {
            return;
        }
        if self.endpoint.is_finished(id) {
            return self.dead.push(id);
        }
        let endpoint = &mut self.endpoint;
        let written = self.conns.write(id, |batch| {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = endpoint.pending(id, &mut slices);
            for slice in &slices[..count] {
                batch.extend_from_slice(&slice[..slice.len().min(BATCH - batch.len())]);
            }
            endpoint.commit(id, batch.len())
        });
        match written {
            Ok(()) => self.go_on(id, self.endpoint.is_done_sending(id), self.endpoint.wants_bytes(id)),
            Err(Gone) => self.dead.push(id),
        }
    }

    /// What is to be done once more is sent.
    fn go_on(&mut self, id: ConnId, done_sending: bool, wants_bytes: bool) {
        if done_sending {
            self.conns.shut(id);
        }
        if wants_bytes {
            self.conns.lend_held(id);
        }
    }

    fn close(&mut self, app: &mut S, id: ConnId) {
        self.conns.remove(id);
        self.endpoint.handle_close(self.now, app, id);
    }

    // --- the end ---

    pub(crate) fn begin_to_end(&mut self, app: &mut S) {
        let now = self.now;
        self.door.close();
        self.endpoint.act(now, app, |hub, app| hub.shutdown(now, app));
        self.stage = Stage::Draining(now + self.config.drain);
        self.acted = true;
    }

    fn mind_the_end(&mut self, app: &mut S) {
        if let Stage::Draining(until) = self.stage
            && (self.conns.len() == 0 || until <= self.now)
        {
            self.finish(app);
        }
    }

    /// Sends what peers take without delay, cuts what is left, and ends all threads.
    pub(crate) fn finish(&mut self, app: &mut S) {
        self.flush(app);
        // The end is told behind what was held back, which is all that is still to be said.
        let until = self.now() + LAST_WORDS;
        while self.endpoint.holds_back() && self.now() < until {
            self.rounds = 0;
            self.flush(app);
        }
        self.wait_for_writers(|server| server.conns.busy() > 0);
        let left: Vec<ConnId> = self.conns.ids().collect();
        for id in left {
            self.close(app, id);
        }
        self.stage = Stage::Finished;
        self.inbox.close();
        self.end_threads();
        self.inbox.set_stats(self.stats());
    }

    /// The sockets are cut and the channels have only one end, so nothing is left to wait for.
    pub(crate) fn end_threads(&mut self) {
        let left: Vec<ConnId> = self.conns.ids().collect();
        left.into_iter().for_each(|id| self.conns.remove(id));
        self.channels = None;
        self.door.join();
        self.conns.join();
    }
}

/// A wait without end.
const FOREVER: Duration = Duration::from_secs(3600);

/// Inputs taken in one turn.
const INPUTS: usize = 1024;

/// Bytes read at a time at most.
const MAX_BUFFER: usize = 8 << 10;

/// Pending pieces looked at for one batch.
const SLICES: usize = 256;

/// Bytes handed to a writer at a time.
const BATCH: usize = 64 << 10;

/// How often in a turn what was held back goes on, for which writers are waited for; then others have their turn.
const ROUNDS: u32 = 8;

/// How long what is held back goes on at the end, when nobody has to wait any more.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// With so many bytes taken in, writers that are behind are waited for.
const CATCH_UP_AFTER: usize = 256 << 10;

/// How long in all.
const CATCH_UP_WITHIN: Duration = Duration::from_millis(100);

/// How long without any progress.
const STALL: Duration = Duration::from_millis(20);

/// Timers that fire so late are held up once.
const LATE: Duration = Duration::from_millis(200);

/// For so long.
const GRACE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};

    use chanson_core::Hub;

    use super::*;

    const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";

    fn ask(server: &mut Server) -> String {
        let mut stream = TcpStream::connect(server.local_addr()).unwrap();
        let client = std::thread::spawn(move || {
            stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
            stream.write_all(GET).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        });
        while !client.is_finished() {
            server.poll(Duration::from_millis(10)).unwrap();
        }
        client.join().unwrap()
    }

    #[test]
    fn without_threads_connections_are_answered_503_until_there_are_some() {
        let mut server = Server::bind("127.0.0.1:0", Hub::builder()).unwrap();
        let stack = std::mem::replace(&mut server.stack, usize::MAX >> 8);
        for n in 1..=3 {
            assert!(ask(&mut server).starts_with("HTTP/1.1 503 "));
            assert_eq!((server.stats().accept_failures, server.stats().accepted), (n, 0));
        }
        server.stack = stack;
        server.max_threads = 1;
        assert!(ask(&mut server).starts_with("HTTP/1.1 503 "));
        assert_eq!((server.stats().accept_failures, server.stats().accepted), (4, 0));
        server.max_threads = 2;
        assert!(ask(&mut server).starts_with("HTTP/1.1 404 "));
        assert_eq!(server.stats().accepted, 1);
    }
}
