//! One connection at the byte level: HTTP, then WebSocket, then messages, and back. It knows no hub.
//!
//! It is either end: a [`server`](Session::server)'s, which answers requests, or a [`client`](Session::client)'s, which
//! asks for an upgrade. Behind the upgrade the two differ in masks and in who ends the connection.
//!
//! ```
//! use std::io::IoSlice;
//! use std::sync::Arc;
//! use chanson_core::frame::Frame;
//! use chanson_core::session::{Config, Event, Session};
//! use chanson_core::time::Instant;
//!
//! let now = Instant::ORIGIN;
//! let mut session = Session::server(now, &Arc::new(Config::default()));
//! session.handle_bytes(now, b"GET /socket HTTP/1.1\r\nHost: example.org\r\nUpgrade: websocket\r\n\
//!     Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n");
//! let Some(Event::Request(request)) = session.poll_event() else { panic!() };
//! assert_eq!(request.path(), "/socket");
//!
//! session.upgrade(now, None, 64 * 1024)?;
//! session.queue(&Frame::text("hi"));
//! let mut slices = [IoSlice::new(&[]); 8];
//! let count = session.pending(&mut slices);
//! let sent = slices[..count].iter().map(|slice| slice.len()).sum(); // the socket took all of it
//! session.advance(now, sent);
//! # Ok::<(), chanson_core::http::UpgradeError>(())
//! ```

mod compressed;
mod config;
mod input;
mod machine;
mod outbox;
mod reading;
mod secure;
#[cfg(test)]
mod tests;

use std::io::{self, ErrorKind, IoSlice};
use std::sync::Arc;

pub use config::Config;
use input::Input;
use machine::{Machine, Phase};

use crate::deflate::{Compression, Deflate};
use crate::error::{CloseReason, CommandError};
use crate::frame::{Frame, Kind};
use crate::http::{Head, Request, Response, Upgrade, UpgradeError, extensions};
use crate::time::Instant;
use crate::tls;
use crate::ws::{Decoder, Role};

/// One connection: bytes in by [`handle_bytes`](Self::handle_bytes), events out by [`poll_event`](Self::poll_event); frames
/// in by [`queue`](Self::queue), bytes out by [`pending`](Self::pending) and [`advance`](Self::advance).
///
/// After every call that takes `now`, drain `poll_event` (with one exception: `handle_bytes` may be called several times in
/// a row), send what is pending, and look at [`is_finished`](Self::is_finished).
#[derive(Debug)]
pub struct Session {
    machine: Machine,
    input: Input,
    decoder: Decoder,
    /// What is between the machine's bytes and the wire, if anything is.
    tls: Option<Box<tls::Stream>>,
    /// What was agreed on to compress messages.
    compression: Option<Box<Compression>>,
}

/// What has come. Borrows the session until the next call on it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A whole HTTP request. Nothing else is read until it is answered, by [`Session::respond`] or [`Session::upgrade`], at
    /// once or later.
    Request(Request<'a>),
    /// To a client: the server has agreed to the upgrade, messages may flow.
    Open {
        /// The subprotocol that it has chosen of those offered.
        protocol: Option<&'a str>,
    },
    /// To a client: the server has answered the upgrade with something else. The end follows.
    Refused(Head<'a>),
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A ping or a pong: the peer is alive. A ping has been answered.
    Alive,
    /// The end, and why: exactly once, the last event, whether there was an upgrade or not. Bytes may still have to be
    /// sent: see [`Session::is_finished`].
    ///
    /// A plain HTTP connection that ends behind its last answer, as was agreed, is `ByUs(1000)`.
    Closed(CloseReason),
    /// Only where [ends are deferred](Session::defer_ends): the peer has ended the conversation or broke a rule, and nothing has
    /// been answered to that yet. Say [`end_deferred`](Session::end_deferred), and ask for no event before.
    Ending(CloseReason),
}

/// What became of what was to be sent; see [`Session::transmit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Transmitted {
    /// How many bytes the transport took.
    pub sent: usize,
    /// Whether it takes no more for now.
    pub blocked: bool,
}

impl Session {
    /// A connection that we accepted. The time for its handshake runs from now.
    pub fn server(now: Instant, config: &Arc<Config>) -> Self {
        // How long a message may be is said by `upgrade`; no frame is read before.
        Self::new(Machine::new(now, config), Decoder::new(Role::Server, 0))
    }

    /// A connection that we opened: asks for an upgrade, which waits in [`pending`](Self::pending). The time for its
    /// handshake runs from now.
    ///
    /// A message may have `max_message` bytes. From `seed`, which no one must know or use again, the key and the masks are
    /// drawn (RFC 6455 §5.3).
    ///
    /// ```
    /// use std::sync::Arc;
    /// use chanson_core::http::Upgrade;
    /// use chanson_core::session::{Config, Event, Session};
    /// use chanson_core::time::Instant;
    ///
    /// let (now, config) = (Instant::ORIGIN, Arc::new(Config::default()));
    /// let mut session = Session::client(now, &config, Upgrade::new("example.org", "/socket")?, 64 * 1024, [7; 32]);
    /// // … send what is pending …
    /// session.handle_bytes(now, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    /// assert!(matches!(session.poll_event(), Some(Event::Refused(head)) if head.status() == 403));
    /// assert!(matches!(session.poll_event(), Some(Event::Closed(_))));
    /// # Ok::<(), chanson_core::http::HeaderError>(())
    /// ```
    pub fn client(now: Instant, config: &Arc<Config>, upgrade: Upgrade, max_message: usize, seed: [u8; 32]) -> Self {
        Self::client_with(now, config, upgrade, max_message, seed, None)
    }

    /// The same with an offer to compress messages, which the server may accept or not.
    pub(crate) fn client_with(
        now: Instant,
        config: &Arc<Config>,
        upgrade: Upgrade,
        max_message: usize,
        seed: [u8; 32],
        deflate: Option<Deflate>,
    ) -> Self {
        let machine = Machine::client(now, config, upgrade, deflate, seed);
        Self::new(machine, Decoder::new(Role::Client, max_message))
    }

    fn new(machine: Machine, decoder: Decoder) -> Self {
        Self { machine, input: Input::default(), decoder, tls: None, compression: None }
    }

    /// Bytes came from the peer.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.machine.tick(now);
        if self.tls.is_some() {
            return self.decrypt(bytes);
        }
        if bytes.is_empty() || !self.machine.listens() {
            return self.forget();
        }
        self.machine.bytes_came();
        self.input.append(bytes);
        self.await_close();
    }

    /// The same for the first `len` bytes of a buffer, which is the session's until [`take_back`](Self::take_back): they are
    /// decoded where they stand, which spares a copy of them.
    ///
    /// ```
    /// # use std::sync::Arc;
    /// # use chanson_core::session::{Config, Event, Session};
    /// # use chanson_core::time::Instant;
    /// # let (now, config) = (Instant::ORIGIN, Arc::new(Config::default()));
    /// # let mut session = Session::server(now, &config);
    /// let mut buffer = vec![0; 4096]; // for all sessions, in turn
    /// # let mut socket = &b"GET / HTTP/1.1\r\nHost: a.test\r\n\r\n"[..];
    /// let len = std::io::Read::read(&mut socket, &mut buffer)?;
    /// session.handle_buffer(now, &mut buffer, len);
    /// while let Some(event) = session.poll_event() {
    ///     assert!(matches!(event, Event::Request(_)));
    /// }
    /// session.take_back(&mut buffer);
    /// assert_eq!(buffer.len(), 4096);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn handle_buffer(&mut self, now: Instant, buffer: &mut Vec<u8>, len: usize) {
        let bytes = &buffer[..len.min(buffer.len())];
        let is_plain = self.tls.is_none() && self.machine.listens() && !self.input.is_lent();
        if bytes.is_empty() || !is_plain || self.input.len() > 0 {
            return self.handle_bytes(now, bytes);
        }
        self.machine.tick(now);
        self.machine.bytes_came();
        self.input.lend(buffer, len);
        self.await_close();
    }

    /// The peer sends no more, or the transport failed.
    ///
    /// A request that came whole is still handed out and answered, for an HTTP client may close its sending side early. When
    /// sending fails, call this again: a second call ends everything.
    pub fn handle_eof(&mut self, now: Instant) {
        self.machine.tick(now);
        if self.transport_ended() {
            self.machine.eof_came();
        }
        self.forget();
    }

    /// Time has passed. Behind this [`poll_timeout`](Self::poll_timeout) is `None` or later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.machine.tick(now);
        self.machine.timeout();
        self.parting_timed_out();
        self.forget();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest. An open WebSocket has no time limit here.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.machine.deadline().or_else(|| self.parting_deadline())
    }

    /// What has come, one event after the other. Drain until `None`.
    #[inline]
    pub fn poll_event(&mut self) -> Option<Event<'_>> {
        if self.is_drained() { None } else { self.next_event() }
    }

    /// Whether all that has come was handed out and nothing is to be let go of: a short cut for what is asked once for each
    /// message. (An end that is to be told of is none of an open one.)
    #[inline]
    fn is_drained(&self) -> bool {
        self.is_open() && self.input.is_lent() && self.input.len() == 0 && !self.decoder.has_fragments()
    }

    fn next_event(&mut self) -> Option<Event<'_>> {
        self.part();
        if let Some(reason) = self.machine.take_closed() {
            return Some(Event::Closed(reason));
        }
        self.input.release();
        match self.machine.phase {
            Phase::Http(_) => self.poll_http(),
            Phase::Upgrading(_) => self.poll_upgrade(),
            Phase::Open(_) => self.poll_websocket(),
            _ => None,
        }
    }

    /// Whether to read from the peer: not while a request is unanswered and enough lies behind it, and not when all is
    /// over. What is handed in nevertheless is kept.
    pub fn wants_bytes(&self) -> bool {
        if self.machine.has_eof() {
            return false;
        }
        match self.machine.phase {
            Phase::Http(_) => self.machine.may_read() || self.input.len() < MAX_AHEAD,
            Phase::Upgrading(_) | Phase::Open(_) | Phase::Closing | Phase::Lingering => true,
            Phase::Flushing | Phase::Finished => false,
        }
    }

    /// Answers the pending request; the next one may then be read.
    ///
    /// # Errors
    /// [`CommandError::NotAllowed`] when none is pending: it was answered, or the connection has ended.
    pub fn respond(&mut self, now: Instant, response: &Response) -> Result<(), CommandError> {
        self.machine.tick(now);
        let answered = self.machine.respond(response, self.input.len() > 0);
        self.forget();
        if answered { Ok(()) } else { Err(CommandError::NotAllowed) }
    }

    /// Answers the pending request with 101 and goes on with WebSocket: bytes that have come behind the request are frames.
    /// A message may have `max_message` bytes.
    ///
    /// # Errors
    /// The request is no upgrade that can be accepted, `protocol` is no token, or no request is pending. Nothing has
    /// changed then: answer with [`UpgradeError::response`].
    pub fn upgrade(&mut self, now: Instant, protocol: Option<&str>, max_message: usize) -> Result<(), UpgradeError> {
        self.upgrade_with(now, protocol, max_message, None)
    }

    /// The same with messages compressed, if the client offers that in a way which `deflate` accepts. Queue with
    /// [`queue_with`](Self::queue_with) then; [`queue`](Self::queue) sends messages as they are, which is always allowed.
    ///
    /// # Errors
    /// Those of `upgrade`, and a malformed list of extensions.
    pub fn upgrade_with(
        &mut self,
        now: Instant,
        protocol: Option<&str>,
        max_message: usize,
        deflate: Option<&Deflate>,
    ) -> Result<(), UpgradeError> {
        self.machine.tick(now);
        let agreed = match (deflate, self.machine.offered_extensions()) {
            (Some(deflate), Some(offers)) => deflate.accept(&extensions(offers).ok_or(UpgradeError::Extensions)?),
            _ => None,
        };
        self.machine.upgrade(protocol, agreed.as_ref().map(|(_, extension)| &**extension))?;
        self.decoder = Decoder::new(Role::Server, max_message);
        if let Some((agreed, _)) = agreed {
            self.compress(agreed);
        }
        self.await_close();
        Ok(())
    }

    /// Sends a message as it is, behind all that is queued. O(1): the bytes are shared; of a client O(length), since a
    /// masked frame cannot be shared. Ignored unless [`is_open`](Self::is_open).
    pub fn queue(&mut self, frame: &Frame) {
        if self.machine.is_client() {
            let (kind, message) = frame.payload();
            self.send(kind, message);
        } else if self.is_open() {
            self.machine.outbox.push_frame(frame);
        }
    }

    /// Sends a message that is nobody else's, behind all that is queued. Ignored unless [`is_open`](Self::is_open).
    pub(crate) fn send(&mut self, kind: Kind, message: &[u8]) {
        if self.is_open() {
            self.machine.send(kind, message);
        }
    }

    /// How many bytes wait to be sent, headers and control frames included; about, with TLS.
    pub fn queued_bytes(&self) -> usize {
        let encrypted = self.tls.as_ref().map_or(0, |tls| tls.pending().len());
        self.machine.outbox.bytes().max(encrypted)
    }

    /// Drops the messages of which nothing has been sent yet, for a peer that reads too slowly.
    pub fn drop_queued(&mut self) {
        self.machine.outbox.drop_frames();
        if let Some(compression) = &mut self.compression {
            compression.forget_sent();
        }
    }

    /// Ends the connection: sends a close frame behind what is queued and waits for the peer's, for as long as
    /// `close_timeout`. Before the upgrade: what is queued is still sent, and a request that is pending may still be
    /// answered within that time.
    ///
    /// A client that is not open yet is finished at once.
    pub fn close(&mut self, now: Instant, reason: CloseReason) {
        self.close_with(now, reason, reason.text());
    }

    /// The same with this text in the close frame.
    pub(crate) fn close_with(&mut self, now: Instant, reason: CloseReason, text: &str) {
        self.machine.tick(now);
        self.machine.close(reason, text);
        self.await_close();
    }

    /// What is to be sent next: fills `slices` in order, and returns how many were filled. With TLS it is one at a time, and there
    /// may be more behind it: ask until there is none.
    pub fn pending<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
        if self.tls.is_some() {
            return self.encrypt(slices);
        }
        self.machine.outbox.fill(slices)
    }

    /// The next `n` pending bytes were handed to somebody who will say later, by [`advance`](Self::advance), that they have
    /// left: another thread, or an operating system that writes by itself. Until then they stay pending and are not taken
    /// back, as what a slow peer is owed may be. Whoever sends what is pending at once need not say it. Whether that is all there
    /// is to be sent for now: with TLS, what is pending may not be.
    pub fn commit(&mut self, n: usize) -> bool {
        // What is encrypted stays as it is.
        let all = match &self.tls {
            Some(tls) => n >= tls.pending().len(),
            None => {
                self.machine.outbox.commit(n);
                true
            }
        };
        all && self.machine.outbox.is_all_committed()
    }

    /// `n` bytes of what is pending have been sent.
    pub fn advance(&mut self, now: Instant, n: usize) {
        self.machine.tick(now);
        self.left(n);
    }

    #[inline]
    fn left(&mut self, n: usize) {
        match self.machine.phase {
            // Nothing else depends on it then.
            Phase::Open(_) if self.tls.is_none() => self.machine.outbox.advance(n),
            _ => self.left_by_machine(n),
        }
    }

    fn left_by_machine(&mut self, n: usize) {
        let n = self.tls.as_mut().map_or(n, |tls| tls.advance(n));
        self.machine.advance(n);
        self.forget();
    }

    /// Sends what is pending by `send`, which does with slices what `Write::write_vectored` does, until nothing is left or the
    /// transport takes no more (`WouldBlock`). In place of `pending` and `advance`, for a transport that is at hand: it costs
    /// less, since one piece, the rule where many are told the same, needs no room for more.
    ///
    /// # Errors
    /// The first of `send` that is neither `WouldBlock` nor `Interrupted`, or `WriteZero`. What was sent before is gone.
    pub fn transmit(
        &mut self,
        now: Instant,
        mut send: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Transmitted> {
        self.machine.tick(now);
        let mut sent = 0;
        let mut blocked = false;
        // With TLS something may be pending though nothing is queued.
        while !(blocked || self.machine.outbox.is_empty() && self.tls.is_none()) {
            let result = match self.machine.outbox.only() {
                Some(piece) if self.tls.is_none() => send(&[IoSlice::new(piece)]),
                _ => {
                    let mut slices = [IoSlice::new(&[]); SLICES];
                    match self.pending(&mut slices) {
                        0 => break,
                        count => send(&slices[..count]),
                    }
                }
            };
            match result {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => {
                    sent += n;
                    self.left(n);
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => blocked = true,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Transmitted { sent, blocked })
    }

    /// Whether there is nothing more to send or to wait for: shut the transport down.
    pub fn is_finished(&self) -> bool {
        matches!(self.machine.phase, Phase::Finished) && self.tls.as_ref().is_none_or(|tls| tls.is_done_sending())
    }

    /// Whether nothing more will be sent, though the peer's end is still waited for. A driver may shut down its sending side
    /// then, which spares the peer from waiting.
    pub fn is_done_sending(&self) -> bool {
        self.machine.is_ending()
            && self.machine.outbox.is_empty()
            && self.tls.as_ref().is_none_or(|tls| tls.is_done_sending())
    }

    /// Why it ended, if no event has said so.
    pub(crate) const fn take_end(&mut self) -> Option<CloseReason> {
        self.machine.take_closed()
    }

    /// Whether what it sends may be compressed.
    pub(crate) const fn is_compressing(&self) -> bool {
        self.compression.is_some()
    }

    /// Whether it is an open WebSocket, both ways.
    pub const fn is_open(&self) -> bool {
        matches!(self.machine.phase, Phase::Open(_)) && !self.machine.has_eof()
    }

    /// Whether it takes requests of HTTP, and has not become anything else.
    pub(crate) const fn is_http(&self) -> bool {
        matches!(self.machine.phase, Phase::Http(_))
    }

    /// Lends a buffer to the session for as long as it takes to hand in bytes and drain the events, so that an idle session
    /// need have none of its own. Many sessions can be lent the same one, in turn.
    pub fn lend(&mut self, buffer: &mut Vec<u8>) {
        self.input.lend(buffer, 0);
    }

    /// Takes back what was lent, as long as it was; its bytes are of no meaning. Those that are not used up stay in the session,
    /// in a buffer of just their size.
    pub fn take_back(&mut self, buffer: &mut Vec<u8>) {
        self.input.take_back(buffer);
    }

    /// For a session whose messages are answered by another thread: from now on an end that the peer brings about is
    /// [`Event::Ending`], so that what answers the messages before it can be queued before the answer to it, which
    /// [`end_deferred`](Self::end_deferred) gives.
    pub const fn defer_ends(&mut self) {
        self.machine.defers_ends = true;
    }

    /// Goes on with the end that [`Event::Ending`] told of: answers it, behind all that is queued, and then there are events
    /// again.
    pub fn end_deferred(&mut self, now: Instant, reason: CloseReason) {
        self.machine.tick(now);
        match reason {
            CloseReason::ByPeer(code) => self.machine.peer_closed(code),
            CloseReason::Violation(error) => self.machine.fail(error),
            _ => {}
        }
        self.forget();
    }
}

/// How many pieces are handed to a transport at a time.
const SLICES: usize = 64;

/// So many bytes may lie behind a request that is unanswered.
const MAX_AHEAD: usize = 16 * 1024;
