//! The way to the Sidekick: opening, losing, opening again, and whether the Sidekick is still there.
//!
//! There is one transport at a time: a new one is asked for when what the old one has to say has left.

use std::fmt;
use std::sync::Arc;

use super::timers::{Due, Timer};
use super::{Client, Config, ConnectError, Event, Output};
use crate::covenant::connection::{Reach, Wake};
use crate::error::{CloseReason, HandshakeError, PeerError};
use crate::frame::Kind;
use crate::random::Random;
use crate::session::{self, Session};
use crate::time::Instant;

/// The way to the Sidekick and all that is about it.
pub(super) struct Link {
    reach: Reach,
    transport: Transport,
    session_config: Arc<session::Config>,
    random: Random,
    /// Whether the application wants to be online.
    wanted: bool,
    /// Whether a transport is to be asked for as soon as there is none.
    due: bool,
    open: bool,
    /// How many times it was tried to connect again.
    tries: u32,
    /// For the transport to come up, or the next try.
    timer: Option<Timer>,
    ping: Option<Timer>,
    /// Whether anything has come since the last ping.
    alive: bool,
    /// Who is to be called when a Sidekick in this program has something to say.
    pub(super) wake: Option<Wake>,
    /// What was said to the upgrade, until the session's end.
    refusal: Option<ConnectError>,
}

enum Transport {
    None,
    /// It was asked for.
    Opening,
    /// A WebSocket is up: the handshake, then messages.
    Up(Box<Session>),
    /// The host carries messages.
    Messages,
    /// It is lost to us: what is left is to end it in good order.
    Ending(Box<Session>),
}

/// What has come; a message is in the inbox.
enum Came {
    Open,
    Refused(ConnectError),
    Text,
    Alive,
    Closed(CloseReason),
}

impl Link {
    pub(super) fn new(config: &Config, seed: [u8; 32]) -> Self {
        let session_config = session::Config::default()
            .with_handshake_timeout(config.connect_timeout)
            .with_close_timeout(config.close_timeout);
        Self {
            reach: config.sidekick.reach(),
            transport: Transport::None,
            session_config: Arc::new(session_config),
            random: Random::new(seed),
            wanted: false,
            due: false,
            open: false,
            tries: 0,
            timer: None,
            ping: None,
            alive: false,
            wake: None,
            refusal: None,
        }
    }

    pub(super) const fn is_open(&self) -> bool {
        self.open
    }

    pub(super) const fn is_nobody(&self) -> bool {
        matches!(self.reach, Reach::Nobody)
    }

    pub(super) const fn random(&mut self) -> &mut Random {
        &mut self.random
    }

    pub(super) fn session(&self) -> Option<&Session> {
        match &self.transport {
            Transport::Up(session) | Transport::Ending(session) => Some(session),
            Transport::None | Transport::Opening | Transport::Messages => None,
        }
    }

    pub(super) fn session_mut(&mut self) -> Option<&mut Session> {
        match &mut self.transport {
            Transport::Up(session) | Transport::Ending(session) => Some(session),
            Transport::None | Transport::Opening | Transport::Messages => None,
        }
    }

    /// What a Sidekick in this program has said next.
    fn hear(&mut self) -> Option<String> {
        match &mut self.reach {
            Reach::Internal(pipe) if self.open => pipe.hear(),
            _ => None,
        }
    }

    /// Whether a Sidekick in this program has closed the connection.
    fn was_closed(&self) -> bool {
        matches!(&self.reach, Reach::Internal(pipe) if self.open && !pipe.is_open())
    }

    /// Whether so much waits for the transport that nothing is to be put behind it.
    pub(super) fn is_full(&self, max: usize) -> bool {
        self.session().is_some_and(|session| session.queued_bytes() > 0 && session.queued_bytes() >= max)
    }

    /// What has come next on the transport in use; what still comes on one that ends is nobody's business.
    fn poll(&mut self, inbox: &mut String) -> Option<Came> {
        let session = match &mut self.transport {
            Transport::Up(session) => session,
            Transport::Ending(session) => {
                while session.poll_event().is_some() {}
                return None;
            }
            Transport::None | Transport::Opening | Transport::Messages => return None,
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
                inbox.push_str(text);
                Came::Text
            }
            session::Event::Closed(reason) | session::Event::Ending(reason) => Came::Closed(reason),
            // The Sidekick has no binary messages, and requests come to servers only.
            session::Event::Binary(_) | session::Event::Alive | session::Event::Request(_) => Came::Alive,
        })
    }
}

impl Client {
    /// Says it to the Sidekick, if it is reached.
    pub(super) fn say(&mut self, text: String) {
        match &mut self.link.transport {
            Transport::Up(session) if self.link.open => session.send(Kind::Text, text.as_bytes()),
            Transport::Messages if self.link.open => match &mut self.link.reach {
                Reach::Internal(pipe) => pipe.say(self.now, &text),
                _ => self.outputs.push_back(Output::Send(text)),
            },
            _ => {}
        }
    }

    /// Wants to be online.
    pub(super) fn want_link(&mut self) {
        if !self.link.wanted && !self.link.is_nobody() {
            self.link.wanted = true;
            self.link.due = true;
            self.link.tries = 0;
        }
        self.settle();
    }

    /// Wants it no more.
    pub(super) fn want_no_link(&mut self) {
        self.link.wanted = false;
        self.link.due = false;
        self.timers.clear(&mut self.link.timer);
        match &mut self.link.transport {
            Transport::Up(session) => {
                session.close(self.now, CloseReason::ByUs(1005));
                self.link.refusal = (!self.link.open).then_some(ConnectError::Cancelled);
                self.lose(CloseReason::ByUs(1005));
            }
            Transport::Opening | Transport::Messages => {
                self.drop_transport();
                self.link.refusal = (!self.link.open).then_some(ConnectError::Cancelled);
                self.lose(CloseReason::ByUs(1005));
            }
            Transport::None | Transport::Ending(_) => {}
        }
        self.settle();
    }

    /// The transport is up: asks for the upgrade, or goes on at once.
    pub(super) fn begin(&mut self) {
        let Transport::Opening = self.link.transport else { return };
        self.timers.clear(&mut self.link.timer);
        if let Reach::Socket { upgrade, host, tls, .. } = &self.link.reach {
            let mut seed = [0; 32];
            self.link.random.fill(&mut seed);
            let (config, max) = (&self.link.session_config, self.config.capacity.message_bytes);
            let mut session = Session::client(self.now, config, upgrade.clone(), max, seed);
            if let Some(connector) = self.config.connector.as_ref().filter(|_| *tls) {
                session = session.secured(connector.connect(host));
            }
            self.link.transport = Transport::Up(Box::new(session));
        } else {
            self.link.transport = Transport::Messages;
            self.opened();
        }
    }

    /// The transport has ended, one way or both.
    pub(super) fn end_transport(&mut self, both_ways: bool) {
        let now = self.now;
        match &mut self.link.transport {
            Transport::None => {}
            Transport::Opening => {
                self.timers.clear(&mut self.link.timer);
                self.drop_transport();
                self.link.refusal = Some(ConnectError::Transport);
                self.lose(CloseReason::TransportEof);
            }
            Transport::Messages => {
                self.drop_transport();
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
            self.link.alive = true;
            match came {
                Came::Open => self.opened(),
                Came::Refused(error) => self.link.refusal = Some(error),
                Came::Text => self.receive(&inbox),
                Came::Alive => {}
                Came::Closed(reason) => self.lose(reason),
            }
        }
        if inbox.capacity() > KEPT_INBOX {
            inbox = String::new();
        }
        self.inbox = inbox;
        self.settle();
    }

    /// Does what can be done at once, here or elsewhere in this program.
    pub(super) fn settle(&mut self) {
        loop {
            self.settle_transport();
            if let Some((call, answer)) = self.direct.pop_front() {
                self.answered(call, Ok(&answer));
            } else if let Some(text) = self.link.hear() {
                self.receive(&text);
            } else if self.link.was_closed() {
                self.end_transport(true);
            } else {
                break;
            }
        }
    }

    /// Shuts down a transport that is done with, and asks for the next one if it is due.
    fn settle_transport(&mut self) {
        if let Transport::Ending(session) = &self.link.transport
            && (session.is_finished() || self.link.due && session.queued_bytes() == 0)
        {
            self.drop_transport();
        }
        if let Transport::None = self.link.transport
            && std::mem::take(&mut self.link.due)
        {
            if let Reach::Internal(pipe) = &mut self.link.reach {
                if pipe.open(self.now, self.link.wake.clone()) {
                    self.link.transport = Transport::Messages;
                    self.opened();
                } else {
                    self.lose(CloseReason::TransportEof);
                }
                return;
            }
            self.link.transport = Transport::Opening;
            self.timers.set(&mut self.link.timer, self.now, self.config.connect_timeout, Due::Connect);
            self.outputs.push_back(match &self.link.reach {
                Reach::Socket { host, port, tls, .. } => {
                    let tls = *tls && self.config.connector.is_none();
                    Output::Connect { host: host.clone(), port: *port, tls }
                }
                _ => Output::Open,
            });
        }
    }

    /// The transport is no more.
    fn drop_transport(&mut self) {
        self.link.transport = Transport::None;
        if let Reach::Internal(pipe) = &mut self.link.reach {
            return pipe.close(self.now);
        }
        // What the driver has not been told needs no taking back.
        let asked = |output: &Output| matches!(output, Output::Connect { .. } | Output::Open);
        match self.outputs.iter().rposition(asked) {
            Some(index) => drop(self.outputs.remove(index)),
            None => self.outputs.push_back(Output::Close),
        }
        self.outputs.retain(|output| !matches!(output, Output::Send(_)));
    }

    /// Messages may flow.
    fn opened(&mut self) {
        self.link.open = true;
        self.link.tries = 0;
        self.link.alive = true;
        if let Transport::Up(_) = self.link.transport {
            self.timers.set(&mut self.link.ping, self.now, self.config.ping_interval, Due::Ping);
        }
        self.events.push_back(Event::Online);
        self.subscribe_all();
        self.listen_all();
    }

    /// The Sidekick is lost, or was not to be had. The transport, if there is one, ends by itself.
    fn lose(&mut self, reason: CloseReason) {
        let was_open = std::mem::take(&mut self.link.open);
        if let Transport::Up(session) = std::mem::replace(&mut self.link.transport, Transport::None) {
            self.link.transport = Transport::Ending(session);
        }
        self.timers.clear(&mut self.link.ping);
        let refusal = self.link.refusal.take();
        let retry_at = self.schedule_reconnect();
        self.events.push_back(if was_open {
            Event::Offline { reason, retry_at }
        } else {
            Event::ConnectFailed { error: refusal.unwrap_or_else(|| failure(reason)), retry_at }
        });
        if was_open {
            self.unsubscribed_all();
            self.lose_sends();
        }
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
            self.drop_transport();
            self.link.refusal = Some(ConnectError::Timeout);
            self.lose(CloseReason::TransportEof);
        }
    }

    /// Pings when all was quiet since the last time; when that was not answered either the connection is dead. (The original
    /// waits for the operating system to notice.)
    pub(super) fn ping_due(&mut self) {
        self.link.ping = None;
        let Transport::Up(session) = &mut self.link.transport else { return };
        if std::mem::take(&mut self.link.alive) {
            session.ping();
            self.timers.set(&mut self.link.ping, self.now, self.config.ping_interval, Due::Ping);
        } else {
            session.close_with(self.now, CloseReason::ByUs(1000), "ping timeout");
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
            Transport::Messages => "messages",
            Transport::Ending(_) => "ending",
        };
        f.debug_struct("Link").field("transport", &transport).field("open", &self.open).finish_non_exhaustive()
    }
}

/// Why there is no connection, when it was not said in HTTP.
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
