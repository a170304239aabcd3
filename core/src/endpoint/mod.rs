//! A hub and its sessions together, at byte level: what a single-threaded driver or a C host holds.
//!
//! The host has transports (sockets, pipes, TLS streams) and moves bytes: what came goes in by
//! [`handle_bytes`](Endpoint::handle_bytes); after each turn [`poll_writable`](Endpoint::poll_writable) names the
//! connections that have something to send, or are to be shut down; and [`handle_timeout`](Endpoint::handle_timeout) is due when
//! [`poll_timeout`](Endpoint::poll_timeout) says so, which may be at once.
//!
//! ```
//! use std::io::IoSlice;
//! use chanson_core::{Channel, Endpoint, Hub, Mount, time::Instant};
//!
//! let hub: Hub = Hub::builder()
//!     .seed([7; 32])
//!     .mount(Mount::channels("/socket").channel(Channel::new("room:*")))
//!     .build()?;
//! let mut endpoint = Endpoint::new(hub);
//! let (now, app) = (Instant::ORIGIN, &mut ());
//!
//! let conn = endpoint.handle_connect(now, None)?;
//! endpoint.handle_bytes(now, app, conn, b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a.test\r\nConnection: Upgrade\r\n\
//!     Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
//!
//! let mut socket = Vec::new(); // stands for a socket
//! while let Some(conn) = endpoint.poll_writable() {
//!     loop {
//!         let mut slices = [IoSlice::new(&[]); 16];
//!         let count = endpoint.pending(conn, &mut slices);
//!         let sent = slices[..count].iter().map(|slice| { socket.extend_from_slice(slice); slice.len() }).sum();
//!         if sent == 0 {
//!             break;
//!         }
//!         endpoint.advance(now, conn, sent);
//!     }
//!     if endpoint.is_finished(conn) {
//!         endpoint.handle_close(now, app, conn);
//!     }
//! }
//! assert!(socket.starts_with(b"HTTP/1.1 101 Switching Protocols\r\n"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod backlog;
mod config;
mod load;
mod mail;
mod run;
mod sessions;
mod shard;
mod sharded;
mod stats;
#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IoSlice};
use std::net::SocketAddr;

pub use self::config::{Config, SlowConsumer};
pub use self::mail::{Inputs, Outputs};
use self::run::Run;
use self::sessions::{Answer, Sessions};
pub use self::shard::Shard;
pub use self::sharded::Sharded;
pub use self::stats::Stats;
use crate::deflate::Inflater;
use crate::error::{CloseReason, CommandError};
use crate::http::Request;
use crate::hub::{Admission, Hub};
use crate::id::ConnId;
use crate::log::Level;
use crate::session::Event;
use crate::state::outbox::Output;
use crate::time::Instant;

/// What to do with a connection behind [`Endpoint::transmit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Next {
    /// The transport takes no more for now: send again when it does.
    pub blocked: bool,
    /// See [`Endpoint::is_finished`].
    pub finished: bool,
    /// See [`Endpoint::is_done_sending`].
    pub done_sending: bool,
    /// See [`Endpoint::wants_bytes`].
    pub wants_bytes: bool,
}

/// A hub and its sessions, by connection.
pub struct Endpoint<S = ()> {
    hub: Hub<S>,
    sessions: Sessions,
    run: Run,
    /// Lent to the session whose bytes are being read, unless the host lends one, so that an idle one needs no buffer of its own.
    buffer: Vec<u8>,
    /// Lent in the same way.
    inflater: Inflater,
}

impl<S> Endpoint<S> {
    /// With the default configuration.
    pub fn new(hub: Hub<S>) -> Self {
        Self::with_config(hub, Config::default())
    }

    /// With a configuration. The bounds of queues are the hub's (`Capacity`).
    pub fn with_config(hub: Hub<S>, config: Config) -> Self {
        let sessions = Sessions::new(hub.capacity(), config);
        let (run, buffer, inflater) = (Run::default(), Vec::new(), Inflater::default());
        Self { hub, sessions, run, buffer, inflater }
    }

    // --- what happened ---

    /// A transport came up.
    ///
    /// # Errors
    /// `Full` at `Capacity::connections`; [`busy`](Self::busy) is the answer to give before closing the transport.
    pub fn handle_connect(&mut self, now: Instant, peer: Option<SocketAddr>) -> Result<ConnId, CommandError> {
        let conn = self.hub.handle_connect(now, peer)?;
        self.sessions.tick(now);
        self.sessions.insert(conn);
        Ok(conn)
    }

    /// Bytes came. Unknown connections are ignored.
    pub fn handle_bytes(&mut self, now: Instant, app: &mut S, conn: ConnId, bytes: &[u8]) {
        self.begin_reading(now, conn);
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.sessions.take_in(conn, &mut buffer, bytes) {
            self.pump(app, conn);
        }
        self.sessions.take_back(conn, &mut buffer);
        self.buffer = buffer;
        self.finish_reading(app);
    }

    /// The same for the first `len` bytes of a buffer, which are decoded where they stand, if they can be: it spares a copy of
    /// them. The buffer keeps its length, and what is in it is of no meaning then.
    ///
    /// ```
    /// # use chanson_core::{Endpoint, Hub, time::Instant};
    /// # use std::io::Read as _;
    /// # let mut endpoint: Endpoint = Endpoint::new(Hub::builder().seed([7; 32]).build()?);
    /// # let now = Instant::ORIGIN;
    /// # let conn = endpoint.handle_connect(now, None)?;
    /// let mut buffer = vec![0; 64 * 1024]; // for all connections
    /// # let mut socket = &b"GET / HTTP/1.0\r\n\r\n"[..];
    /// let len = socket.read(&mut buffer)?;
    /// endpoint.handle_buffer(now, &mut (), conn, &mut buffer, len);
    /// assert_eq!(endpoint.poll_writable(), Some(conn));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn handle_buffer(&mut self, now: Instant, app: &mut S, conn: ConnId, buffer: &mut Vec<u8>, len: usize) {
        if self.sessions.is_secure() {
            return self.handle_bytes(now, app, conn, &buffer[..len.min(buffer.len())]);
        }
        self.begin_reading(now, conn);
        if self.sessions.take_in_buffer(conn, buffer, len) {
            self.pump(app, conn);
        }
        self.sessions.take_back(conn, buffer);
        self.finish_reading(app);
    }

    /// The peer sends no more; call it again when sending fails too.
    pub fn handle_eof(&mut self, now: Instant, app: &mut S, conn: ConnId) {
        self.begin_turn(now);
        let now = self.sessions.now;
        if let Some(entry) = self.sessions.get_mut(conn) {
            entry.session.handle_eof(now);
            self.pump(app, conn);
        }
        self.finish_turn(app);
    }

    /// The transport is gone, whoever shut it down; so is the id. What is [held back](Self::holds_back) does not go on by this.
    pub fn handle_close(&mut self, now: Instant, app: &mut S, conn: ConnId) {
        self.sessions.tick(now);
        let now = self.sessions.now;
        // It may have ended for another reason that the hub was not told of, since something was held back.
        let end = self.sessions.get_mut(conn).and_then(|entry| entry.session.take_end());
        if self.sessions.remove(conn) {
            self.hub.handle_close(now, app, conn, end.unwrap_or(CloseReason::TransportEof));
        }
        self.finish_turn(app);
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant, app: &mut S) {
        self.begin_turn(now);
        let now = self.sessions.now;
        while let Some((at, conn)) = self.sessions.timers.pop_due(now) {
            if let Some(entry) = self.sessions.get_mut(conn).filter(|entry| entry.look_at == Some(at)) {
                entry.look_at = None;
                entry.session.handle_timeout(now);
                self.pump(app, conn);
                // The next one may say goodbye by itself, which stands behind what it is told.
                self.run.flush(&mut self.sessions);
            }
        }
        self.hub.handle_timeout(now, app);
        self.finish_turn(app);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` when nothing is waiting.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let resumes = !self.sessions.held_back && !self.sessions.resumed.is_empty();
        let is_next = self.sessions.held_back && self.sessions.touched.is_empty();
        let at_once = resumes || is_next || !self.run.is_empty() || !self.sessions.slow.is_empty();
        // A timer may be late by then, which a driver wants to know.
        let timers = self.sessions.timers.next().into_iter().chain(self.hub.poll_timeout());
        timers.chain(at_once.then_some(self.sessions.now)).min()
    }

    /// Does something with the hub and sends what comes of it: broadcasts, answers, `disconnect`, `shutdown`.
    ///
    /// ```
    /// # use chanson_core::{Endpoint, Hub, time::Instant};
    /// # let mut endpoint: Endpoint = Endpoint::new(Hub::builder().seed([7; 32]).build()?);
    /// # let now = Instant::ORIGIN;
    /// endpoint.act(now, &mut (), |hub, _| hub.broadcast("room:a", "tick", serde_json::json!({ "n": 1 })))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn act<T>(&mut self, now: Instant, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        self.go_on_at(now);
        if self.sessions.held_back && self.hub.waiting() > self.hub.capacity().queued_bytes {
            // More is said each time than transports take by then. Now they have not had their turn, so all of it is queued.
            self.go_on();
        }
        let result = act(&mut self.hub, app);
        self.finish_reading(app);
        result
    }

    /// Whether something is held back, since nearly as much was said to a connection at a time as may wait for it (or to all):
    /// so that a peer that reads is not taken for one that does not, send what is pending before there is more, then
    /// [`resume`](Self::resume). [`poll_timeout`](Self::poll_timeout) is due at once then, and a host that heeds it need not
    /// know of this.
    pub const fn holds_back(&self) -> bool {
        self.sessions.held_back
    }

    /// Goes on with what was held back. `act` and `handle_*` (but `handle_close`) do so, too; if what was pending had not been
    /// sent before, all that was held back is queued, and what is more than may wait makes its receiver a slow one; so it is when
    /// an `act` finds more held back than `Capacity::queued_bytes`.
    ///
    /// ```
    /// # use chanson_core::{Endpoint, Hub, time::Instant};
    /// # let mut endpoint: Endpoint = Endpoint::new(Hub::builder().seed([7; 32]).build()?);
    /// # let (now, app) = (Instant::ORIGIN, &mut ());
    /// # fn send(_: &mut Endpoint, _: chanson_core::ConnId) {}
    /// loop {
    ///     while let Some(conn) = endpoint.poll_writable() {
    ///         send(&mut endpoint, conn);
    ///     }
    ///     if !endpoint.holds_back() {
    ///         break;
    ///     }
    ///     endpoint.resume(now, app);
    /// }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn resume(&mut self, now: Instant, app: &mut S) {
        self.begin_turn(now);
        self.finish_turn(app);
    }

    // --- what to do ---

    /// The next connection that has something to send, or is to be shut down: each once a turn.
    pub fn poll_writable(&mut self) -> Option<ConnId> {
        self.end_run();
        self.sessions.poll_writable()
    }

    /// Bytes to send: fills as many slices as there are, in order, and says how many. 0 also for an unknown connection. With
    /// TLS this is where they are encrypted, so ask once all is said that there is to say in a turn; and it is one slice at a time,
    /// behind which there may be more: ask until there is none.
    pub fn pending<'a>(&'a mut self, conn: ConnId, slices: &mut [IoSlice<'a>]) -> usize {
        self.end_run();
        self.sessions.get_mut(conn).map_or(0, |entry| entry.session.pending(slices))
    }

    /// The next `n` pending bytes were handed to somebody who will send them: they stay pending, but as they are, until
    /// [`advance`](Self::advance) says that they have left. Whether that is all there is to be sent for now. See
    /// `Session::commit`.
    pub fn commit(&mut self, conn: ConnId, n: usize) -> bool {
        self.sessions.get_mut(conn).is_none_or(|entry| entry.session.commit(n))
    }

    /// That many of the pending bytes have left. If more can be read because of that (pipelined requests behind long
    /// answers), [`poll_timeout`](Self::poll_timeout) is due at once.
    pub fn advance(&mut self, now: Instant, conn: ConnId, sent: usize) {
        self.sessions.tick(now);
        self.sessions.advance(conn, sent);
    }

    /// Sends what a connection has pending by `send`, which does with slices what `Write::write_vectored` does, and says what
    /// is to be done then. In place of [`pending`](Self::pending), [`advance`](Self::advance) and the questions below, for a
    /// transport that is at hand: the connection is looked up once.
    ///
    /// # Errors
    /// See `Session::transmit`: the transport has failed.
    ///
    /// ```
    /// # use chanson_core::{Endpoint, Hub, time::Instant};
    /// # use std::io::Write as _;
    /// # let mut endpoint: Endpoint = Endpoint::new(Hub::builder().seed([7; 32]).build()?);
    /// # let now = Instant::ORIGIN;
    /// # let conn = endpoint.handle_connect(now, None)?;
    /// # endpoint.handle_bytes(now, &mut (), conn, b"GET / HTTP/1.0\r\n\r\n");
    /// let mut socket = Vec::new(); // stands for a socket
    /// let next = endpoint.transmit(now, conn, |slices| socket.write_vectored(slices))?;
    /// assert!(socket.starts_with(b"HTTP/1.1 404 Not Found"));
    /// assert!(next.finished);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn transmit(
        &mut self,
        now: Instant,
        conn: ConnId,
        send: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Next> {
        self.end_run();
        self.sessions.tick(now);
        self.sessions.transmit(conn, send)
    }

    /// Whether there is such a connection (still).
    pub fn has(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some()
    }

    /// Whether all is said on this connection: shut its transport down, then [`handle_close`](Self::handle_close). True
    /// for an unknown connection.
    pub fn is_finished(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_none_or(|entry| entry.session.is_finished())
    }

    /// Whether nothing more will be sent on this connection though the peer's end is still waited for: a driver may shut
    /// its sending side down, which spares the peer from waiting.
    pub fn is_done_sending(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|entry| entry.session.is_done_sending())
    }

    /// Whether to read from this connection. Not while an earlier request of it waits for its answer and enough lies
    /// behind it, nor while it is held back.
    pub fn wants_bytes(&self, conn: ConnId) -> bool {
        self.sessions.get(conn).is_some_and(|entry| !entry.held_back && entry.session.wants_bytes())
    }

    /// The answer to give to a transport that is one too many, before it is closed: [`BUSY`], or with TLS nothing, for it could not
    /// be read. A TCP socket that is closed at once, with the request unread, is reset, and the answer may be lost by that:
    /// shut its sending side down and keep it for a moment, in a [`Leaving`](crate::driver::Leaving) for instance.
    pub const fn busy(&self) -> &'static [u8] {
        if self.sessions.is_secure() { b"" } else { BUSY }
    }

    /// Has the hub's listener hear of something that happened to the host. See `Hub::log`.
    pub fn log(&mut self, now: Instant, level: Level, text: fmt::Arguments<'_>) {
        self.hub.log(now, level, text);
    }

    // --- getters ---

    /// The hub, to ask; see [`act`](Self::act) to have it do something.
    pub const fn hub(&self) -> &Hub<S> {
        &self.hub
    }

    /// Counters and gauges, now.
    pub fn stats(&self) -> Stats {
        Stats { hub: self.hub.stats(), ..self.sessions.stats() }
    }

    // --- inside ---

    /// Takes what has come on a connection to the hub, and what that makes to all sessions, one event after the other:
    /// an answer to a message stands before the answer to the close frame behind it.
    fn pump(&mut self, app: &mut S, conn: ConnId) {
        let now = self.sessions.now;
        loop {
            if self.sessions.held_back {
                self.sessions.hold_back(conn);
                break;
            }
            let Some(entry) = self.sessions.get_mut(conn) else { return };
            entry.session.lend_inflater(&mut self.inflater);
            let Some(event) = entry.session.poll_event() else { break };
            match event {
                Event::Text(text) => self.hub.handle_text(now, app, conn, text),
                Event::Binary(data) => self.hub.handle_binary(now, app, conn, data),
                Event::Alive => self.hub.handle_alive(now, conn),
                Event::Closed(reason) => self.hub.handle_end(now, app, conn, reason),
                Event::Request(request) => {
                    if let Some(answer) = answer(&mut self.hub, now, app, conn, &request) {
                        entry.answer(now, answer);
                        self.sessions.note_compression(conn);
                    }
                }
                // These come to clients only, and where ends are deferred.
                Event::Open { .. } | Event::Refused(_) | Event::Ending(_) => {}
            }
            self.drain(Some(conn));
        }
        if let Some(entry) = self.sessions.get_mut(conn) {
            entry.session.take_back_inflater(&mut self.inflater);
        }
        self.sessions.touch(conn);
        self.sessions.watch(conn);
    }

    /// Begins a turn: what waits comes first, as does what the last one held back.
    #[inline]
    fn begin_turn(&mut self, now: Instant) {
        self.go_on_at(now);
        self.run.flush(&mut self.sessions);
    }

    /// Goes on with what the last turn held back.
    #[inline]
    fn go_on_at(&mut self, now: Instant) {
        self.sessions.tick(now);
        if self.sessions.held_back {
            self.go_on();
        }
    }

    /// Begins a turn in which a connection is read: broadcasts go on waiting for more of their kind, but for what it is to be told
    /// of them.
    #[inline]
    fn begin_reading(&mut self, now: Instant, conn: ConnId) {
        if self.run.is_empty() {
            return self.begin_turn(now);
        }
        self.sessions.tick(now);
        // One that takes requests is told no broadcasts.
        if !self.sessions.is_http(conn) {
            self.run.meet(&mut self.sessions, conn);
        }
    }

    /// Ends what came of bytes, or of the host: broadcasts go on waiting, until somebody asks what there is to send.
    #[inline]
    fn finish_reading(&mut self, app: &mut S) {
        self.drain(None);
        // What is large is counted at once, so that what is too much for its receivers is held back in time.
        if self.run.is_empty() || self.run.is_large(&self.sessions) {
            return self.finish_turn(app);
        }
        self.sessions.mind_the_total();
        if self.sessions.held_back || !self.sessions.slow.is_empty() || !self.sessions.resumed.is_empty() {
            self.finish_turn(app);
        }
    }

    /// Broadcasts wait no longer for more of their kind.
    #[inline]
    fn end_run(&mut self) {
        if !self.run.is_empty() {
            self.run.flush(&mut self.sessions);
            self.sessions.mind_the_total();
        }
    }

    /// Whoever has had no turn to send gets all of it now, and may be a slow one by that.
    #[cold]
    fn go_on(&mut self) {
        self.sessions.held_back = false;
        self.sessions.heedless = !self.sessions.touched.is_empty();
        self.drain(None);
        self.run.flush(&mut self.sessions);
        self.sessions.heedless = false;
    }

    /// Ends a turn: sends what the hub has to send, until nothing more comes of it or it is held back.
    fn finish_turn(&mut self, app: &mut S) {
        loop {
            self.drain(None);
            self.run.flush(&mut self.sessions);
            self.sessions.mind_the_total();
            if let Some(conn) = self.sessions.slow.pop() {
                self.close_slow(app, conn);
            } else if !self.sessions.held_back
                && let Some(conn) = self.sessions.resume()
            {
                self.pump(app, conn);
            } else {
                return;
            }
        }
    }

    fn close_slow(&mut self, app: &mut S, conn: ConnId) {
        let now = self.sessions.now;
        self.sessions.stats.slow_consumers += 1;
        if self.hub.close(now, app, conn, CloseReason::SlowConsumer).is_err() {
            // To the hub it has ended before: what is left of it is its queue.
            self.sessions.close(conn, CloseReason::SlowConsumer);
        }
    }

    /// The hub's outputs go to the sessions, but for a run of broadcasts at their end, which may go on. `current` is the
    /// connection whose bytes are being read.
    #[inline]
    fn drain(&mut self, current: Option<ConnId>) {
        // Mostly it is asked when nothing is there.
        if self.hub.has_output() {
            self.take_outputs(current);
        }
    }

    fn take_outputs(&mut self, current: Option<ConnId>) {
        let (hub, sessions, run) = (&mut self.hub, &mut self.sessions, &mut self.run);
        while !sessions.held_back
            && let Some((output, audience)) = hub.poll_delivery()
        {
            if let Output::Deliver { to, frame } = output {
                run.add(sessions, current, to, audience, frame);
                continue;
            }
            run.flush(sessions);
            match output {
                Output::Deliver { .. } => {}
                Output::Open { conn, admitted } => sessions.answer(conn, Answer::Upgrade(admitted)),
                Output::Refuse { conn, response } | Output::Respond { conn, response } => {
                    sessions.answer(conn, Answer::Respond(response.clone()));
                }
                Output::Close { conn, reason } => sessions.close(conn, reason),
            }
        }
        sessions.deflater.forget();
    }
}

/// What has a hub that can be told to do something: an [`Endpoint`], or a [`Sharded`] one.
pub trait Act<S> {
    /// As [`Endpoint::act`].
    fn act<T>(&mut self, now: Instant, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T;
}

impl<S> Act<S> for Endpoint<S> {
    fn act<T>(&mut self, now: Instant, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        Self::act(self, now, app, act)
    }
}

impl<S> Act<S> for Sharded<S> {
    fn act<T>(&mut self, now: Instant, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        Self::act(self, now, app, act)
    }
}

impl<S> fmt::Debug for Endpoint<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint").field("hub", &self.hub).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// What the hub answers to a request; `None`: later.
fn answer<S>(hub: &mut Hub<S>, now: Instant, app: &mut S, conn: ConnId, request: &Request<'_>) -> Option<Answer> {
    let Some(found) = hub.served(request) else {
        return hub.handle_request(now, app, conn, request).map(Answer::Respond);
    };
    if let Err(error) = request.websocket() {
        return Some(Answer::Respond(error.response()));
    }
    match hub.open_at(now, app, conn, request, Some(found)) {
        Admission::Open(admitted) => Some(Answer::Upgrade(admitted)),
        Admission::Refused(response) => Some(Answer::Respond(response)),
        Admission::Pending => None,
    }
}

/// The answer to give to a transport that is one too many, before it is closed.
pub const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
