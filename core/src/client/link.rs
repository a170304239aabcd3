//! The connection: opening, losing, opening again, and whether the server still answers.
//!
//! Source: phoenix.js 1.8.16 socket.js. There is one transport at a time: a new one is asked for when what the old one has
//! to say has left, be it only its close frame.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::timers::{Due, Timer};
use super::{Client, Config, ConnectError, Event, Output};
use crate::deflate::Deflater;
use crate::error::{CloseReason, HandshakeError, PeerError};
use crate::payload::{Json, Payload};
use crate::random::Random;
use crate::session::{self, Session};
use crate::time::Instant;
use crate::topic::PHOENIX;
use crate::wire::{self, Message, Ref, Vsn};

/// The connection and all that is about it.
pub(super) struct Link {
    transport: Transport,
    pub(super) outputs: VecDeque<Output>,
    session_config: Arc<session::Config>,
    random: Random,
    vsn: Vsn,
    /// Whether the application wants to be connected.
    wanted: bool,
    /// Whether a transport is to be asked for as soon as there is none.
    due: bool,
    open: bool,
    /// How many times it was tried to connect again.
    tries: u32,
    /// For the transport to come up, or the next try.
    timer: Option<Timer>,
    heartbeat: Option<Timer>,
    /// The ref of the heartbeat that is not answered.
    heartbeat_ref: Option<u64>,
    /// What the server said to the upgrade, until the session's end.
    refusal: Option<ConnectError>,
    /// Room that messages are written into.
    scratch: Vec<u8>,
    deflater: Deflater,
}

enum Transport {
    None,
    /// It was asked for.
    Opening,
    /// It is up: the handshake, then messages.
    Up(Box<Session>),
    /// It is lost to us: what is left is to end it in good order.
    Ending(Box<Session>),
}

/// What has come; a message is in the inbox.
enum Came {
    Open,
    Refused(ConnectError),
    Text,
    Binary,
    Alive,
    Closed(CloseReason),
}

impl Link {
    pub(super) fn new(config: &Config, seed: [u8; 32]) -> Self {
        let session_config = session::Config::default()
            .with_handshake_timeout(config.connect_timeout)
            .with_close_timeout(config.close_timeout);
        Self {
            transport: Transport::None,
            outputs: VecDeque::new(),
            session_config: Arc::new(session_config),
            random: Random::new(seed),
            vsn: config.vsn(),
            wanted: false,
            due: false,
            open: false,
            tries: 0,
            timer: None,
            heartbeat: None,
            heartbeat_ref: None,
            refusal: None,
            scratch: Vec::new(),
            deflater: Deflater::default(),
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.transport {
            Transport::Up(session) | Transport::Ending(session) => Some(session),
            Transport::None | Transport::Opening => None,
        }
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.transport {
            Transport::Up(session) | Transport::Ending(session) => Some(session),
            Transport::None | Transport::Opening => None,
        }
    }

    /// Sends a message, if the connection is open.
    pub(super) fn send(&mut self, join_ref: Option<u64>, ref_: u64, [topic, event]: [&str; 2], payload: Payload<'_>) {
        let (Transport::Up(session), true) = (&mut self.transport, self.open) else { return };
        let (join_ref, ref_) = (join_ref.map(|number| number.to_string()), ref_.to_string());
        let message = Message {
            // A vsn 1 client has no join_ref: a server that saw one in some messages would miss it in others.
            join_ref: join_ref.as_deref().filter(|_| self.vsn == Vsn::V2).map_or(Ref::Null, Ref::Text),
            ref_: Ref::Text(&ref_),
            topic: topic.into(),
            event: event.into(),
            payload,
        };
        self.scratch.clear();
        // What cannot be encoded was refused when it was given.
        if let Ok(kind) = wire::encode_message(self.vsn, &mut self.scratch, &message) {
            session.send_with(kind, &self.scratch, &mut self.deflater);
        }
    }

    /// Whether so much waits for the transport that nothing is to be put behind it.
    pub(super) fn is_full(&self, max: usize) -> bool {
        self.session().is_some_and(|session| session.queued_bytes() > 0 && session.queued_bytes() >= max)
    }

    /// The transport is no more.
    fn drop_transport(&mut self) {
        self.transport = Transport::None;
        // What the driver has not been told needs no taking back.
        match self.outputs.back() {
            Some(Output::Connect { .. }) => drop(self.outputs.pop_back()),
            _ => self.outputs.push_back(Output::Close),
        }
    }

    /// What has come next on the transport in use; what still comes on one that ends is nobody's business.
    fn poll(&mut self, inbox: &mut Vec<u8>) -> Option<Came> {
        let session = match &mut self.transport {
            Transport::Up(session) => session,
            Transport::Ending(session) => {
                while session.poll_event().is_some() {}
                return None;
            }
            Transport::None | Transport::Opening => return None,
        };
        inbox.clear();
        Some(match session.poll_event()? {
            session::Event::Open { .. } => Came::Open,
            session::Event::Refused(head) => Came::Refused(match head.status() {
                status @ 300..400 => {
                    let location = head.header("location").unwrap_or_default().into();
                    ConnectError::Redirect { status, location }
                }
                status => ConnectError::Refused { status },
            }),
            session::Event::Text(text) => {
                inbox.extend_from_slice(text.as_bytes());
                Came::Text
            }
            session::Event::Binary(data) => {
                inbox.extend_from_slice(data);
                Came::Binary
            }
            session::Event::Closed(reason) | session::Event::Ending(reason) => Came::Closed(reason),
            // Requests come to servers only.
            session::Event::Alive | session::Event::Request(_) => Came::Alive,
        })
    }
}

impl Client {
    /// Wants a connection.
    pub(super) fn want_connection(&mut self) {
        if !self.link.wanted {
            self.link.wanted = true;
            self.link.due = true;
            self.link.tries = 0;
        }
        self.settle();
    }

    /// Wants none any more. Source: conformance `disconnect_connect`: a close frame without a code, no leaves.
    pub(super) fn want_no_connection(&mut self) {
        let wanted = std::mem::take(&mut self.link.wanted);
        self.link.due = false;
        self.timers.clear(&mut self.link.timer);
        match &mut self.link.transport {
            Transport::Up(session) => {
                session.close(self.now, CloseReason::ByUs(1005));
                self.link.refusal = (!self.link.open).then_some(ConnectError::Cancelled);
                self.lose(CloseReason::ByUs(1005));
            }
            Transport::Opening => {
                self.link.drop_transport();
                self.link.refusal = Some(ConnectError::Cancelled);
                self.lose(CloseReason::ByUs(1005));
            }
            // The next try was waited for.
            Transport::None | Transport::Ending(_) if wanted => {
                self.events.push_back(Event::ConnectFailed { error: ConnectError::Cancelled, retry_at: None });
            }
            Transport::None | Transport::Ending(_) => {}
        }
        self.settle();
    }

    /// The transport is up: asks for the upgrade.
    pub(super) fn begin_upgrade(&mut self) {
        let Transport::Opening = self.link.transport else { return };
        self.timers.clear(&mut self.link.timer);
        let mut seed = [0; 32];
        self.link.random.fill(&mut seed);
        let (config, max) = (&self.link.session_config, self.config.capacity.message_bytes);
        let (upgrade, deflate) = (self.config.upgrade(), self.config.deflate());
        let mut session = Session::client_with(self.now, config, upgrade, max, seed, deflate);
        if let Some(connector) = self.config.connector() {
            session = session.secured(connector.connect(&self.config.url().host));
        }
        self.link.transport = Transport::Up(Box::new(session));
    }

    /// The transport has ended, one way or both.
    pub(super) fn end_transport(&mut self, both_ways: bool) {
        let now = self.now;
        match &mut self.link.transport {
            Transport::None => {}
            Transport::Opening => {
                self.timers.clear(&mut self.link.timer);
                self.link.drop_transport();
                self.link.refusal = Some(ConnectError::Transport);
                self.lose(CloseReason::TransportEof);
            }
            Transport::Up(session) | Transport::Ending(session) => {
                session.handle_eof(now);
                if both_ways {
                    session.handle_eof(now);
                }
            }
        }
    }

    /// Handles all that has come.
    pub(super) fn pump(&mut self) {
        let mut inbox = std::mem::take(&mut self.inbox);
        while let Some(came) = self.link.poll(&mut inbox) {
            match came {
                Came::Open => self.opened(),
                Came::Refused(error) => self.link.refusal = Some(error),
                Came::Text => self.receive_text(&inbox),
                Came::Binary => self.receive_binary(&inbox),
                Came::Alive => {}
                Came::Closed(reason) => self.lose(reason),
            }
        }
        if inbox.capacity() > KEPT_INBOX {
            inbox = Vec::new();
        }
        self.inbox = inbox;
        self.settle();
    }

    /// Shuts down a transport that is done with, and asks for the next one if it is due.
    pub(super) fn settle(&mut self) {
        if let Transport::Ending(session) = &self.link.transport
            && (session.is_finished() || self.link.due && session.queued_bytes() == 0)
        {
            self.link.drop_transport();
        }
        if let Transport::None = self.link.transport
            && std::mem::take(&mut self.link.due)
        {
            self.link.transport = Transport::Opening;
            self.timers.set(&mut self.link.timer, self.now, self.config.connect_timeout, Due::Connect);
            let (url, tls) = (self.config.url(), self.config.wants_tls());
            self.link.outputs.push_back(Output::Connect { host: url.host.clone(), port: url.port, tls });
        }
    }

    /// Messages may flow. First go the joins that were made meanwhile, then those that have to be made again.
    /// Source: phoenix.js `onConnOpen`.
    fn opened(&mut self) {
        self.link.open = true;
        self.link.tries = 0;
        self.timers.set(&mut self.link.heartbeat, self.now, self.config.heartbeat_interval, Due::Heartbeat);
        self.events.push_back(Event::Connected);
        self.join_all();
    }

    /// The connection is lost, or was not to be had. The transport, if there is one, ends by itself.
    fn lose(&mut self, reason: CloseReason) {
        let was_open = std::mem::take(&mut self.link.open);
        if let Transport::Up(session) = std::mem::replace(&mut self.link.transport, Transport::None) {
            self.link.transport = Transport::Ending(session);
        }
        self.timers.clear(&mut self.link.heartbeat);
        self.link.heartbeat_ref = None;
        let refusal = self.link.refusal.take();
        let retry_at = self.schedule_reconnect();
        self.events.push_back(if was_open {
            Event::Disconnected { reason, retry_at }
        } else {
            Event::ConnectFailed { error: refusal.unwrap_or_else(|| failure(reason)), retry_at }
        });
        self.error_all();
        self.abort_pings();
    }

    fn schedule_reconnect(&mut self) -> Option<Instant> {
        if !self.link.wanted {
            return None;
        }
        let delay = self.config.reconnect.delay(self.link.tries, &mut self.link.random);
        let Some(delay) = delay else {
            self.link.wanted = false;
            return None;
        };
        self.timers.set(&mut self.link.timer, self.now, delay, Due::Reconnect);
        self.link.timer.map(|timer| timer.at)
    }

    pub(super) fn reconnect(&mut self) {
        self.link.timer = None;
        self.link.tries = self.link.tries.saturating_add(1);
        self.link.due = true;
        self.settle();
    }

    pub(super) fn connect_timed_out(&mut self) {
        self.link.timer = None;
        if let Transport::Opening = self.link.transport {
            self.link.drop_transport();
            self.link.refusal = Some(ConnectError::Timeout);
            self.lose(CloseReason::TransportEof);
        }
    }

    // --- heartbeats ---

    /// Source: conformance `heartbeat`: join_ref null, a ref of the same counter, payload `{}`.
    pub(super) fn send_heartbeat(&mut self) {
        let ref_ = self.next_ref();
        self.link.heartbeat_ref = Some(ref_);
        self.link.send(None, ref_, [PHOENIX, "heartbeat"], Payload::Json(Json::EMPTY));
        self.timers.set(&mut self.link.heartbeat, self.now, self.config.heartbeat_interval, Due::HeartbeatTimeout);
    }

    /// Whether that answers the heartbeat; the next one then follows in its time.
    pub(super) fn heartbeat_answered(&mut self, ref_: Ref<'_>) {
        let Some(expected) = self.link.heartbeat_ref else { return };
        if ref_ == Ref::Text(&expected.to_string()) {
            self.link.heartbeat_ref = None;
            self.timers.set(&mut self.link.heartbeat, self.now, self.config.heartbeat_interval, Due::Heartbeat);
        }
    }

    /// Source: phoenix.js 1.8.16 socket.js `heartbeatTimeout`.
    pub(super) fn heartbeat_timed_out(&mut self) {
        self.link.heartbeat = None;
        if let Transport::Up(session) = &mut self.link.transport {
            session.close_with(self.now, CloseReason::ByUs(1000), "heartbeat timeout");
            self.lose(CloseReason::IdleTimeout);
        }
    }
}

impl fmt::Debug for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let transport = match self.transport {
            Transport::None => "none",
            Transport::Opening => "opening",
            Transport::Up(_) => "up",
            Transport::Ending(_) => "ending",
        };
        f.debug_struct("Link").field("transport", &transport).field("open", &self.open).finish_non_exhaustive()
    }
}

/// Why there is no connection, when the server did not say it in HTTP.
const fn failure(reason: CloseReason) -> ConnectError {
    match reason {
        CloseReason::Refused(error) => ConnectError::Handshake(error),
        CloseReason::Violation(PeerError::HandshakeTimeout) => ConnectError::Timeout,
        CloseReason::Violation(PeerError::Tls(error)) => ConnectError::Tls(error),
        CloseReason::Violation(_) => ConnectError::Handshake(HandshakeError::Malformed),
        _ => ConnectError::Transport,
    }
}

/// A larger inbox is given back when what came is handled.
const KEPT_INBOX: usize = 64 * 1024;
