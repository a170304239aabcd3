//! The states of a session and all that leads from one to another.

use std::sync::Arc;

use super::Config;
use super::outbox::Outbox;
use crate::deflate::Deflate;
use crate::error::{CloseReason, HandshakeError, PeerError};
use crate::frame::Kind;
use crate::http::{
    CONTINUE, Handshake, Limits, Persistence, Reader, Response, Upgrade, UpgradeError, switching_protocols,
};
use crate::random::Random;
use crate::time::Instant;
use crate::ws;

/// The state machine: all but the input and the frames that are read from it.
#[derive(Debug)]
pub(super) struct Machine {
    config: Arc<Config>,
    pub(super) phase: Phase,
    pub(super) outbox: Outbox,
    /// The end that is to be told.
    closed: Option<CloseReason>,
    /// [`NEVER`] if there is none.
    deadline: Instant,
    now: Instant,
    /// Whether the peer sends no more.
    eof: bool,
    /// Whether we opened the connection.
    client: bool,
    /// Whether an end that the peer brings about waits until somebody says so.
    pub(super) defers_ends: bool,
}

#[derive(Debug)]
pub(super) enum Phase {
    /// Requests and responses.
    Http(Box<Exchange>),
    /// Our request for an upgrade is on its way or answered in part: we are the client.
    Upgrading(Box<Upgrading>),
    /// WebSocket, both ways.
    Open(Masks),
    /// Our close frame is queued; the peer's is awaited, and what comes before it is thrown away.
    Closing,
    /// The last bytes are queued. What comes is thrown away until the peer ends the connection: ending it first, with
    /// bytes unread, could destroy them on their way (RFC 9112 §9.6).
    Lingering,
    /// The last bytes are queued; it is over as soon as they have left.
    Flushing,
    Finished,
}

/// Where a client draws the mask of each frame from; a server masks nothing.
type Masks = Option<Box<Random>>;

/// What a client has before the upgrade.
#[derive(Debug)]
pub(super) struct Upgrading {
    pub(super) handshake: Handshake,
    /// The compression that was offered.
    pub(super) deflate: Option<Deflate>,
    masks: Masks,
}

/// What only a server has before the upgrade.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    pub(super) reader: Reader,
    /// Whether bytes of the request have come.
    begun: bool,
    /// Whether an earlier request was answered.
    served: bool,
    /// `close` was called; the request that waits may still be answered.
    closing: Option<CloseReason>,
}

impl Machine {
    pub(super) fn new(now: Instant, config: &Arc<Config>) -> Self {
        Self {
            config: Arc::clone(config),
            phase: Phase::Http(Box::default()),
            outbox: Outbox::default(),
            closed: None,
            deadline: now + config.handshake_timeout,
            now,
            eof: false,
            client: false,
            defers_ends: false,
        }
    }

    pub(super) fn client(
        now: Instant,
        config: &Arc<Config>,
        mut upgrade: Upgrade,
        deflate: Option<Deflate>,
        seed: [u8; 32],
    ) -> Self {
        upgrade.extensions = deflate.map(|deflate| deflate.offer().into_boxed_str());
        let mut random = Random::new(seed);
        let mut nonce = [0; 16];
        random.fill(&mut nonce);
        let (handshake, request) = Handshake::new(upgrade, nonce);
        let mut machine = Self::new(now, config);
        machine.phase = Phase::Upgrading(Box::new(Upgrading { handshake, deflate, masks: Some(Box::new(random)) }));
        machine.client = true;
        machine.outbox.push_own(request);
        machine
    }

    /// Time only goes forward.
    pub(super) fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(super) fn limits(&self) -> Limits {
        Limits { head: self.config.max_head, headers: self.config.max_headers, body: self.config.max_body }
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        (self.deadline != NEVER).then_some(self.deadline)
    }

    /// The end, once.
    pub(super) const fn take_closed(&mut self) -> Option<CloseReason> {
        self.closed.take()
    }

    /// Whether what comes in is still of use.
    pub(super) const fn listens(&self) -> bool {
        matches!(self.phase, Phase::Http(_) | Phase::Upgrading(_) | Phase::Open(_) | Phase::Closing) && !self.eof
    }

    /// Whether nothing will be queued any more.
    pub(super) const fn is_ending(&self) -> bool {
        matches!(self.phase, Phase::Lingering | Phase::Flushing | Phase::Finished)
    }

    pub(super) const fn has_eof(&self) -> bool {
        self.eof
    }

    /// Whether a request is whole and waits for its answer.
    pub(super) fn is_pending(&self) -> bool {
        matches!(&self.phase, Phase::Http(exchange) if exchange.reader.is_complete())
    }

    /// Whether the next request may be read: the one before is answered, and not too much of answers waits.
    pub(super) fn may_read(&self) -> bool {
        !self.is_pending() && self.outbox.bytes() < MAX_BACKLOG
    }

    // ---- before the upgrade

    /// Bytes have come. The time for a request runs from its first byte; for the first request it runs already.
    pub(super) fn bytes_came(&mut self) {
        let Phase::Http(exchange) = &mut self.phase else { return };
        if exchange.begun || exchange.reader.is_complete() {
            return;
        }
        exchange.begun = true;
        if exchange.served {
            self.deadline = self.now + self.config.handshake_timeout;
        }
    }

    /// The client waits for it before it sends the body.
    pub(super) fn send_continue(&mut self) {
        self.outbox.push_own(CONTINUE.to_vec());
    }

    /// A request is whole: for as long as it is not answered, no time runs.
    pub(super) fn request_came(&mut self) {
        self.deadline = if self.eof { self.now + self.config.close_timeout } else { NEVER };
    }

    /// A request cannot be read: it is answered, and that is the end.
    pub(super) fn refuse(&mut self, status: u16, error: PeerError) {
        let response = Response::text(status, error.reason());
        self.outbox.push_own(response.encode(false, Persistence::Close));
        self.end(Phase::Lingering, CloseReason::Violation(error));
    }

    /// Answers the request that waits; whether one did. `more`: bytes behind it have come.
    pub(super) fn respond(&mut self, response: &Response, more: bool) -> bool {
        if !self.is_pending() {
            return false;
        }
        let Phase::Http(exchange) = &mut self.phase else { return false };
        let facts = exchange.reader.facts();
        let persistence = match facts.keep_alive && !response.ends_connection() && exchange.closing.is_none() {
            false => Persistence::Close,
            true if facts.http10 => Persistence::KeepAlive,
            true => Persistence::Implicit,
        };
        self.outbox.push_own(response.encode(facts.head, persistence));
        exchange.reader.reset();
        exchange.served = true;
        exchange.begun = more;
        let closing = exchange.closing;
        if persistence == Persistence::Close {
            // What has come behind the request is not going to be read: see `Lingering`.
            let phase = if more { Phase::Lingering } else { Phase::Flushing };
            self.end(phase, closing.unwrap_or(CloseReason::ByUs(1000)));
        } else {
            self.restart_exchange();
        }
        true
    }

    /// The extensions that the request which waits offers.
    pub(super) fn offered_extensions(&self) -> Option<&str> {
        let Phase::Http(exchange) = &self.phase else { return None };
        exchange.reader.facts().extensions.as_deref()
    }

    /// Answers the request that waits with 101.
    pub(super) fn upgrade(&mut self, protocol: Option<&str>, extension: Option<&str>) -> Result<(), UpgradeError> {
        let Phase::Http(exchange) = &mut self.phase else { return Err(UpgradeError::NotPending) };
        if !exchange.reader.is_complete() {
            return Err(UpgradeError::NotPending);
        }
        let key = exchange.reader.facts().key?;
        let accept = tungstenite::handshake::derive_accept_key(&key);
        let response = switching_protocols(&accept, protocol, extension).ok_or(UpgradeError::Protocol)?;
        let closing = exchange.closing;
        self.outbox.push_own(response);
        self.phase = Phase::Open(None);
        self.deadline = NEVER;
        if let Some(reason) = closing {
            self.close(reason, reason.text());
        }
        Ok(())
    }

    /// The server has agreed to our upgrade.
    pub(super) fn upgraded(&mut self) {
        if let Phase::Upgrading(upgrading) = &mut self.phase {
            self.phase = Phase::Open(upgrading.masks.take());
            self.deadline = NEVER;
        }
    }

    /// The server has not agreed to our upgrade.
    pub(super) fn refused(&mut self, error: HandshakeError) {
        self.end(Phase::Finished, CloseReason::Refused(error));
    }

    // ---- WebSocket

    /// Queues a message as a frame of this connection alone.
    pub(super) fn send(&mut self, kind: Kind, message: &[u8]) {
        let (mask, mut frame) = (self.mask(), Vec::new());
        ws::data(kind.opcode(), message, mask, &mut frame);
        self.outbox.push_alone(frame);
    }

    /// A fresh key for the next frame (RFC 6455 §5.3).
    pub(super) fn mask(&mut self) -> Option<[u8; 4]> {
        let Phase::Open(Some(random)) = &mut self.phase else { return None };
        let mut key = [0; 4];
        random.fill(&mut key);
        Some(key)
    }

    pub(super) const fn is_client(&self) -> bool {
        self.client
    }

    /// A ping came.
    pub(super) fn pong(&mut self, payload: &[u8]) {
        let mut frame = Vec::new();
        ws::control(ws::Control::Pong, payload, self.mask(), &mut frame);
        self.outbox.push_pong(frame);
    }

    /// Asks whether the peer is there.
    pub(super) fn ping(&mut self) {
        let mut frame = Vec::new();
        ws::control(ws::Control::Ping, &[], self.mask(), &mut frame);
        self.outbox.push_own(frame);
    }

    /// The peer's close frame came: it is answered with its own code, and then the server is the one to end the
    /// connection, which a client waits for (RFC 6455 §5.5.1, §7.1.1).
    pub(super) fn peer_closed(&mut self, code: u16) {
        let last = if self.is_client() { Phase::Lingering } else { Phase::Flushing };
        match self.phase {
            Phase::Open(_) => {
                self.queue_close(code, "");
                self.end(last, CloseReason::ByPeer(code));
            }
            Phase::Closing => self.enter(last),
            _ => {}
        }
    }

    /// Whether an end that comes now is to wait.
    pub(super) const fn defers(&self) -> bool {
        self.defers_ends && matches!(self.phase, Phase::Open(_))
    }

    /// The peer broke a rule (RFC 6455 §7.1.7). Behind our close frame there is nothing more to say.
    pub(super) fn fail(&mut self, error: PeerError) {
        match self.phase {
            Phase::Open(_) => {
                self.queue_close(error.code(), error.reason());
                self.end(Phase::Lingering, CloseReason::Violation(error));
            }
            Phase::Closing => self.enter(Phase::Lingering),
            _ => {}
        }
    }

    /// The application ends the connection.
    pub(super) fn close(&mut self, reason: CloseReason, text: &str) {
        match &mut self.phase {
            Phase::Http(exchange) if exchange.reader.is_complete() => {
                if exchange.closing.is_none() {
                    exchange.closing = Some(reason);
                    self.deadline = self.now + self.config.close_timeout;
                }
            }
            Phase::Http(_) => self.end(Phase::Flushing, reason),
            Phase::Upgrading(_) => self.end(Phase::Finished, reason),
            Phase::Open(_) => {
                self.queue_close(reason.code(), text);
                self.end(Phase::Closing, reason);
            }
            Phase::Closing | Phase::Lingering | Phase::Flushing | Phase::Finished => {}
        }
    }

    fn queue_close(&mut self, code: u16, reason: &str) {
        let mut frame = Vec::new();
        ws::close(code, reason, self.mask(), &mut frame);
        self.outbox.push_own(frame);
    }

    // ---- the end

    /// What carries the connection has failed: nothing of this can be said to the peer here.
    pub(super) fn break_off(&mut self, reason: CloseReason) {
        if !matches!(self.phase, Phase::Finished) {
            let told = self.is_ending() || matches!(self.phase, Phase::Closing);
            self.enter(Phase::Finished);
            if !told {
                self.closed = Some(reason);
            }
        }
    }

    /// When an end that begins now is waited for no longer.
    pub(super) fn close_by(&self) -> Instant {
        self.now + self.config.close_timeout
    }

    pub(super) const fn now(&self) -> Instant {
        self.now
    }

    /// The peer sends no more. Before the upgrade it may still read, so what it asked for is answered; a second call says
    /// that it does not.
    pub(super) fn eof_came(&mut self) {
        let again = std::mem::replace(&mut self.eof, true);
        match &self.phase {
            Phase::Http(_) if again => self.end(Phase::Finished, CloseReason::TransportEof),
            Phase::Http(_) if self.is_pending() => self.deadline = self.now + self.config.close_timeout,
            // What has come before is still to be read.
            Phase::Http(_) | Phase::Upgrading(_) | Phase::Open(_) => {}
            // An answer to an HTTP client may still be on its way.
            Phase::Lingering | Phase::Flushing if !again => self.enter(Phase::Flushing),
            Phase::Closing | Phase::Lingering | Phase::Flushing | Phase::Finished => self.enter(Phase::Finished),
        }
    }

    /// All that came before the end is read.
    pub(super) fn ran_dry(&mut self) {
        if !self.eof {
            return;
        }
        match self.phase {
            Phase::Http(_) => self.end(Phase::Flushing, CloseReason::TransportEof),
            Phase::Upgrading(_) | Phase::Open(_) => self.end(Phase::Finished, CloseReason::TransportEof),
            _ => {}
        }
    }

    /// Bytes have left.
    pub(super) fn advance(&mut self, n: usize) {
        let n = n.min(self.outbox.bytes());
        if n == 0 {
            return;
        }
        let held = self.outbox.bytes() >= MAX_BACKLOG;
        self.outbox.advance(n);
        match &self.phase {
            // While the peer reads it is not idle; but a request that has begun has its time from its first byte.
            Phase::Http(exchange) if !exchange.reader.is_complete() && (held || !exchange.begun) => {
                self.restart_exchange()
            }
            Phase::Closing | Phase::Lingering if self.outbox.is_empty() => {
                self.deadline = self.now + self.config.close_timeout;
            }
            Phase::Flushing if self.outbox.is_empty() => self.enter(Phase::Finished),
            Phase::Closing | Phase::Lingering | Phase::Flushing => self.extend_deadline(n),
            Phase::Http(_) | Phase::Upgrading(_) | Phase::Open(_) | Phase::Finished => {}
        }
    }

    /// Time has passed: does what is due, until nothing is.
    pub(super) fn timeout(&mut self) {
        while self.deadline().is_some_and(|deadline| deadline <= self.now) {
            self.deadline = NEVER;
            match &self.phase {
                Phase::Http(exchange) if exchange.reader.is_complete() => {
                    let reason = exchange.closing.unwrap_or(CloseReason::TransportEof);
                    self.end(Phase::Finished, reason);
                }
                Phase::Http(exchange) if exchange.begun => self.refuse(408, PeerError::HandshakeTimeout),
                Phase::Http(exchange) if exchange.served => self.end(Phase::Finished, CloseReason::IdleTimeout),
                Phase::Http(_) | Phase::Upgrading(_) => {
                    self.end(Phase::Finished, CloseReason::Violation(PeerError::HandshakeTimeout));
                }
                Phase::Open(_) => {}
                Phase::Closing | Phase::Lingering | Phase::Flushing | Phase::Finished => self.enter(Phase::Finished),
            }
        }
    }

    /// The time for the next request, or for the rest of it, runs anew.
    fn restart_exchange(&mut self) {
        let Phase::Http(exchange) = &self.phase else { return };
        if exchange.served {
            let after = if exchange.begun { self.config.handshake_timeout } else { self.config.keep_alive_timeout };
            self.deadline = self.now + after;
        }
    }

    /// Each byte that leaves buys time, so that a slow reader gets what it is owed; one that only pretends to read does
    /// not live on that.
    fn extend_deadline(&mut self, n: usize) {
        let Some(deadline) = self.deadline() else { return };
        let bought = self.config.close_timeout / BYTES_PER_TIMEOUT * n.min(BYTES_PER_TIMEOUT as usize) as u32;
        self.deadline = (deadline + bought).min(self.now + self.config.close_timeout);
    }

    /// Enters a state behind which no event comes but the end.
    fn end(&mut self, phase: Phase, reason: CloseReason) {
        self.closed = Some(reason);
        self.enter(phase);
    }

    fn enter(&mut self, phase: Phase) {
        let phase = match phase {
            // Nothing more comes, so there is nothing to wait for.
            Phase::Lingering if self.eof => Phase::Flushing,
            Phase::Closing if self.eof => Phase::Finished,
            phase => phase,
        };
        let over = match phase {
            Phase::Finished => true,
            Phase::Flushing => self.outbox.is_empty(),
            Phase::Http(_) | Phase::Upgrading(_) | Phase::Open(_) | Phase::Closing | Phase::Lingering => false,
        };
        if over {
            self.phase = Phase::Finished;
            self.outbox.clear();
            self.deadline = NEVER;
        } else {
            self.phase = phase;
            self.deadline = self.now + self.config.close_timeout;
        }
    }
}

/// The last moment there is: time does not get beyond it.
const NEVER: Instant = Instant::from_nanos(u64::MAX);

/// With so many bytes of answers waiting, the next pipelined request is not read.
const MAX_BACKLOG: usize = 64 * 1024;

/// So many bytes buy a whole `close_timeout`.
const BYTES_PER_TIMEOUT: u32 = 16 * 1024;
