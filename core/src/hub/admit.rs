//! Connections come and go.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::mount::{Mount, Protocol};
use super::{Failed, Hub, PubSub, guard_decision, guard_outcome};
use crate::channel::{Failure, Leave, Refuse};
use crate::connect::{Accept, Connect, PROTOCOL};
use crate::error::{CloseReason, CommandError, PeerError};
use crate::http::{Request, Response, UpgradeError, extensions};
use crate::id::{ConnId, Ticket};
use crate::log::Level;
use crate::payload::ToPayload;
use crate::raw::Raw;
use crate::state::conns::{Phase, set};
use crate::state::outbox::Admitted;
use crate::state::stats::Stats;
use crate::state::tickets::Promise;
use crate::state::{State, Timer};
use crate::time::Instant;
use crate::wire::Vsn;

/// Whether a connection may open.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Admission {
    /// Yes: answer the upgrade; messages flow.
    Open(Admitted),
    /// The application decides later: `Output::Open` or `Output::Refuse` will say.
    Pending,
    /// No: answer the request with this.
    Refused(Response),
}

/// Which mount answers to a path, and what the path says to it.
pub(crate) struct Found {
    mount: usize,
    params: Vec<(String, String)>,
}

impl<S> Hub<S> {
    /// A transport came up; nothing is known of it yet. Every id handed out here is given back by
    /// [`handle_close`](Self::handle_close).
    ///
    /// # Errors
    /// `Full` when there are as many as `Capacity::connections`: answer 503 and close.
    pub fn handle_connect(&mut self, now: Instant, peer: Option<SocketAddr>) -> Result<ConnId, CommandError> {
        self.state.tick(now);
        let Some(conn) = self.state.conns.insert(self.state.now, peer) else {
            let max = self.state.capacity.connections;
            self.log(now, Level::Warn, format_args!("no room for another connection: there are {max}"));
            return Err(CommandError::Full);
        };
        Ok(conn)
    }

    /// Whether a mount answers to the path of this request.
    pub fn serves(&self, request: &Request<'_>) -> bool {
        self.served(request).is_some()
    }

    /// The mount that answers to it, to be handed to [`open_at`](Self::open_at): routes are matched once.
    pub(crate) fn served(&self, request: &Request<'_>) -> Option<Found> {
        let found = self.find_mount(request)?;
        let upgrades = !self.mounts[found.mount].mount.websocket_only || request.header("upgrade").is_some();
        upgrades.then_some(found)
    }

    fn find_mount(&self, request: &Request<'_>) -> Option<Found> {
        let mut params = Vec::new();
        let mount = self.mounts.iter().position(|served| served.route.matches(request.path(), &mut params))?;
        Some(Found { mount, params })
    }

    /// A connection wants to open: routes it to a mount and asks whether it may. The request's upgrade headers are the
    /// host's business, or the session's.
    pub fn handle_open(&mut self, now: Instant, app: &mut S, conn: ConnId, request: &Request<'_>) -> Admission {
        let found = self.find_mount(request);
        self.open_at(now, app, conn, request, found)
    }

    /// The same at the mount that was found already.
    pub(crate) fn open_at(
        &mut self,
        now: Instant,
        app: &mut S,
        conn: ConnId,
        request: &Request<'_>,
        found: Option<Found>,
    ) -> Admission {
        self.state.tick(now);
        let admission = self.admit(app, conn, request, found);
        match &admission {
            Admission::Open(_) => self.opened(app, conn),
            Admission::Refused(response) => {
                self.state.stats.refused += 1;
                let (path, status) = (request.path(), response.status());
                self.state.log(Level::Info, conn, format_args!("refused at {path:?} ({status})"));
            }
            Admission::Pending => {}
        }
        self.settle(app);
        admission
    }

    /// Something other than a message came from the peer: a ping, say. It counts as life.
    pub fn handle_alive(&mut self, now: Instant, conn: ConnId) {
        self.state.tick(now);
        if let Some(entry) = self.state.conns.get_mut(conn) {
            entry.last_heard = self.state.now;
        }
    }

    /// The transport is gone; so is the id. Leaves are run unless the hub closed the connection itself before.
    pub fn handle_close(&mut self, now: Instant, app: &mut S, conn: ConnId, reason: CloseReason) {
        self.handle_end(now, app, conn, reason);
        self.state.conns.remove(conn);
    }

    /// The peer has ended the conversation, but its transport is still there: leaves are run, the id stays taken until
    /// [`handle_close`](Self::handle_close).
    pub fn handle_end(&mut self, now: Instant, app: &mut S, conn: ConnId, reason: CloseReason) {
        self.state.tick(now);
        if !self.is_closed(conn) {
            self.end_conn(app, conn, reason);
        }
        self.settle(app);
    }

    /// An HTTP request that no mount takes. `None`: later, as `Output::Respond`. One request of a connection waits at a time:
    /// a host hands in the next when that one is answered. Another one is answered 503, and so is one of a connection that was
    /// closed.
    pub fn handle_request(
        &mut self,
        now: Instant,
        app: &mut S,
        conn: ConnId,
        request: &Request<'_>,
    ) -> Option<Response> {
        self.state.tick(now);
        if let Some(metrics) = &self.metrics
            && let Some(response) = metrics.answer(&self.state.stats(), request)
        {
            return Some(response);
        }
        let Some(handler) = &self.on_request else { return Some(Response::text(404, "not found")) };
        if !self.may_ask(conn) {
            return Some(Response::text(503, "not available"));
        }
        let mut http = HttpRequest { state: &mut self.state, app, conn, ticket: None };
        let answer = guard_outcome(|| handler(&mut http, request));
        let ticket = http.ticket;
        let answer = match answer {
            Ok(None) if ticket.is_some() => {
                if let Some(entry) = self.state.conns.get_mut(conn) {
                    entry.ticket = ticket;
                }
                None
            }
            Ok(None) => Some(Response::text(500, "no answer")),
            Ok(Some(response)) => {
                self.revoke(ticket);
                Some(response)
            }
            Err(failed) => {
                self.revoke(ticket);
                self.report(conn, request.path(), "request", &failed);
                Some(handler_failed())
            }
        };
        self.settle(app);
        answer
    }

    /// Whether a request of this connection can be answered: it is there, and no other request of it waits.
    fn may_ask(&self, conn: ConnId) -> bool {
        let Some(entry) = self.state.conns.get(conn).filter(|entry| entry.phase != Phase::Closed) else { return false };
        entry.ticket.is_none_or(|ticket| self.state.tickets.get(ticket).is_none())
    }

    /// Closes a connection from our side; the host hears of it.
    pub(super) fn close_now(&mut self, app: &mut S, conn: ConnId, reason: CloseReason) {
        if self.is_closed(conn) {
            return;
        }
        self.answer_pending(conn);
        self.state.outbox.close(conn, reason);
        self.end_conn(app, conn, reason);
    }

    /// Nobody will decide on the connect or the request of `conn` any more.
    fn answer_pending(&mut self, conn: ConnId) {
        let ticket = self.state.conns.get_mut(conn).and_then(|entry| entry.ticket.take());
        let response = || Response::text(503, "not available").close();
        match ticket.and_then(|ticket| self.state.redeem(ticket)) {
            Some(Promise::Connect { .. }) => {
                self.state.stats.refused += 1;
                self.state.outbox.refuse(conn, response());
            }
            Some(Promise::Request { .. } | Promise::Later { .. }) => self.state.outbox.respond(conn, response()),
            Some(Promise::Join { .. } | Promise::Event { .. }) | None => {}
        }
    }

    /// A deferred connect is decided.
    pub(super) fn decide(&mut self, app: &mut S, conn: ConnId, decision: Result<Accept, Response>) {
        let Some(entry) = self.state.conns.get_mut(conn) else { return };
        entry.ticket = None;
        match decision {
            Ok(accept) => {
                let max = self.state.capacity.assigns_per_connection;
                let assigns = &mut entry.details.get_or_insert_default().assigns;
                for (name, value) in &accept.assigns {
                    set(assigns, name, value, max);
                }
                if let Some(id) = &accept.id {
                    self.state.conns.set_user_id(conn, id);
                }
                let Some(admitted) = self.admitted(conn) else { return };
                self.state.outbox.open(conn, admitted);
                self.opened(app, conn);
            }
            Err(response) => {
                self.state.stats.refused += 1;
                self.reset(conn);
                self.state.outbox.refuse(conn, response);
            }
        }
    }

    fn admit(&mut self, app: &mut S, conn: ConnId, request: &Request<'_>, found: Option<Found>) -> Admission {
        let is_new = self.state.conns.get(conn).is_some_and(|entry| entry.phase == Phase::Connected);
        if self.stopping || !is_new || !self.may_ask(conn) {
            return Admission::Refused(Response::text(503, "not available"));
        }
        let Some(found) = found else { return Admission::Refused(Response::text(404, "not found")) };
        let mount = &self.mounts[found.mount].mount;
        let offers_token = request.protocols().any(|offered| offered == PROTOCOL);
        let forbidden = || Admission::Refused(forbidden(offers_token));
        if !mount.origin.allows_request(request) {
            return forbidden();
        }
        let (vsn, params) = query(mount, request, found.params);
        let Some(vsn) = vsn else { return forbidden() };
        if mount.deflate.is_some() && request.offered_extensions().is_some_and(|list| extensions(&list).is_none()) {
            return Admission::Refused(UpgradeError::Extensions.response());
        }
        let Some(entry) = self.state.conns.get_mut(conn) else { return forbidden() };
        (entry.mount, entry.vsn, entry.offers_token) = (found.mount as u16, vsn, offers_token);
        if !params.is_empty() {
            entry.details.get_or_insert_default().params = params;
        }
        let Some(handler) = &mount.on_connect else { return self.admit_now(conn) };

        let mut connect = Connect::new(&mut self.state, app, conn, request, mount.ticket_limit);
        let decision = guard_decision(|| handler(&mut connect));
        let ticket = connect.ticket();
        match (decision, ticket) {
            (Ok(Ok(())), None) => self.admit_now(conn),
            (Ok(Ok(())), Some(_)) => {
                if let Some(entry) = self.state.conns.get_mut(conn) {
                    (entry.phase, entry.ticket) = (Phase::Pending, ticket);
                }
                Admission::Pending
            }
            (Ok(Err(Refuse { .. })), ticket) => {
                self.revoke(ticket);
                self.reset(conn);
                forbidden()
            }
            (Err(failed), ticket) => {
                self.revoke(ticket);
                self.reset(conn);
                self.report(conn, request.path(), "connect", &failed);
                Admission::Refused(handler_failed())
            }
        }
    }

    fn admit_now(&self, conn: ConnId) -> Admission {
        let closed = || Admission::Refused(Response::text(503, "not available"));
        self.admitted(conn).map_or_else(closed, Admission::Open)
    }

    fn admitted(&self, conn: ConnId) -> Option<Admitted> {
        let entry = self.state.conns.get(conn)?;
        let protocol = entry.offers_token.then_some(PROTOCOL);
        let mount = &self.mount_of(conn)?.mount;
        Some(Admitted::new(protocol, mount.max_message, mount.deflate))
    }

    /// Messages flow from now on.
    fn opened(&mut self, app: &mut S, conn: ConnId) {
        let now = self.state.now;
        let Some(entry) = self.state.conns.get_mut(conn) else { return };
        (entry.phase, entry.last_heard) = (Phase::Open, now);
        self.state.stats.opened += 1;
        let path = &self.mounts[usize::from(entry.mount)].mount.path;
        self.state.journal.record(now, Level::Debug, Some(conn), format_args!("open at {path:?}"));
        let mount = &self.mounts[usize::from(entry.mount)].mount;
        if let Some(limit) = mount.idle_timeout {
            self.state.remind(now + limit, Timer::Idle(conn));
        }
        if let Protocol::Raw(handlers) = &mount.protocol
            && let Some(handler) = &handlers.open
        {
            let result = guard_outcome(|| handler(&mut Raw::new(&mut self.state, app, conn)));
            self.raw_outcome(conn, "open", result);
        }
    }

    /// A raw handler that failed takes its connection down.
    pub(super) fn raw_outcome(&mut self, conn: ConnId, event: &str, result: Result<(), Failed>) {
        if let Err(failed) = result {
            let path = self.mount_of(conn).map_or_else(Default::default, |served| served.mount.path.clone());
            self.report(conn, &path, event, &failed);
            self.state.close_later(conn, CloseReason::ByUs(1011));
        }
    }

    /// Forgets everything that a connection had but its slot: joins, subscriptions, tickets, id.
    fn end_conn(&mut self, app: &mut S, conn: ConnId, reason: CloseReason) {
        self.note_end(conn, reason);
        let Some(entry) = self.state.conns.get_mut(conn) else { return };
        let was_open = std::mem::replace(&mut entry.phase, Phase::Closed) == Phase::Open;
        let ticket = entry.ticket.take();
        self.revoke(ticket);
        self.state.pubsub.unsubscribe_all(conn);
        while let Some(member) = self.state.pubsub.any_of(conn) {
            match self.state.joins.get(member).is_some() {
                true => drop(self.end_join(app, member, Leave::Disconnected(reason))),
                false => self.state.pubsub.leave(member),
            }
        }
        if was_open
            && let Some(served) = self.mount_of(conn)
            && let Protocol::Raw(handlers) = &served.mount.protocol
            && let Some(handler) = handlers.close.clone()
        {
            let result = guard_outcome(|| handler(&mut Raw::new(&mut self.state, app, conn), reason));
            self.raw_outcome(conn, "close", result);
        }
        self.state.conns.clear_user_id(conn);
    }

    /// Counts and tells why a connection ended.
    fn note_end(&mut self, conn: ConnId, reason: CloseReason) {
        let stats = &mut self.state.stats;
        stats.closed += 1;
        let level = match reason {
            CloseReason::SlowConsumer => Level::Warn,
            CloseReason::Violation(error) => {
                match error {
                    PeerError::Protocol(_) | PeerError::InvalidUtf8 | PeerError::BadCompression => {
                        stats.protocol_errors += 1
                    }
                    PeerError::TooBig { .. } => stats.too_big += 1,
                    PeerError::BadRequest(_) => stats.bad_requests += 1,
                    PeerError::HandshakeTimeout => stats.handshake_timeouts += 1,
                    PeerError::TooManyOffences => stats.offenders += 1,
                    // Counted where they are found.
                    PeerError::Undecodable(_) | PeerError::RateLimited | PeerError::Tls(_) => {}
                }
                Level::Info
            }
            _ => Level::Debug,
        };
        self.state.log(level, conn, format_args!("{reason}"));
    }

    /// Back to a transport on which nothing is open, so that another request may come.
    fn reset(&mut self, conn: ConnId) {
        self.state.conns.clear_user_id(conn);
        if let Some(entry) = self.state.conns.get_mut(conn) {
            entry.phase = Phase::Connected;
            entry.details = None;
        }
    }

    pub(super) fn revoke(&mut self, ticket: Option<Ticket>) {
        if let Some(ticket) = ticket {
            self.state.redeem(ticket);
        }
    }
}

/// What the query says: the version, if it is one, and the parameters. The last `vsn` counts, none is 1.0.0; a raw mount
/// has none. Route parameters stand behind query parameters, where they count first.
/// Source: conformance `vsn_*` (phoenix 1.8.12).
fn query<S>(mount: &Mount<S>, request: &Request<'_>, route: Vec<(String, String)>) -> (Option<Vsn>, Params) {
    let mut given = None;
    let mut params = Params::new();
    for (name, value) in request.query_pairs() {
        match &*name {
            "vsn" => given = Some(value),
            _ => params.push((name.into(), value.into())),
        }
    }
    params.extend(route.into_iter().map(|(name, value)| (name.into(), value.into())));
    let vsn = match mount.protocol {
        Protocol::Channels(_) => Vsn::from_param(given.as_deref()),
        Protocol::Raw(_) => Some(Vsn::V1),
    };
    (vsn, params)
}

type Params = Vec<(Box<str>, Box<str>)>;

/// A refusal still names the subprotocol, as the reference server's does.
fn forbidden(offers_token: bool) -> Response {
    let response = Response::new(403);
    match offers_token {
        true => response.header("Sec-WebSocket-Protocol", PROTOCOL).expect("a fixed header is a valid one"),
        false => response,
    }
}

pub(super) fn handler_failed() -> Response {
    Response::text(500, "handler failed")
}

/// What a handler of plain HTTP requests may return: a response, `None` for later, or a `Result` of these whose error can be
/// shown.
pub trait Answer {
    /// The response; `None`: later.
    ///
    /// # Errors
    /// When the handler failed.
    fn into_answer(self) -> Result<Option<Response>, Failure>;
}

impl Answer for Response {
    fn into_answer(self) -> Result<Option<Response>, Failure> {
        Ok(Some(self))
    }
}

impl Answer for Option<Response> {
    fn into_answer(self) -> Result<Option<Response>, Failure> {
        Ok(self)
    }
}

impl<A: Answer, E: fmt::Display> Answer for Result<A, E> {
    fn into_answer(self) -> Result<Option<Response>, Failure> {
        self.map_err(Failure::new)?.into_answer()
    }
}

/// A plain HTTP request, as its handler may act on it.
pub struct HttpRequest<'a, S = ()> {
    state: &'a mut State,
    app: &'a mut S,
    conn: ConnId,
    ticket: Option<Ticket>,
}

impl<S> HttpRequest<'_, S> {
    /// The application's own state.
    pub const fn app(&mut self) -> &mut S {
        self.app
    }

    /// Puts the answer off: return `None`, and whoever has the ticket answers by `Hub::answer_request`, or a driver's
    /// handle. After 30 s without an answer it is 504.
    ///
    /// # Errors
    /// `AlreadyAnswered` the second time, `Full` when too many tickets are out.
    pub fn defer(&mut self) -> Result<Ticket, CommandError> {
        if self.ticket.is_some() {
            return Err(CommandError::AlreadyAnswered);
        }
        let ticket = self.state.issue(self.conn, Promise::Request { conn: self.conn }, REQUEST_LIMIT)?;
        self.ticket = Some(ticket);
        Ok(ticket)
    }

    /// Gives this answer when `delay` has passed, for which it holds a ticket and no thread: return `None`. Nothing comes of
    /// it when the connection closes before.
    ///
    /// # Errors
    /// As [`defer`](Self::defer).
    pub fn answer_after(&mut self, delay: Duration, response: Response) -> Result<(), CommandError> {
        if self.ticket.is_some() {
            return Err(CommandError::AlreadyAnswered);
        }
        let promise = Promise::Later { conn: self.conn, response: Box::new(response) };
        self.ticket = Some(self.state.issue(self.conn, promise, delay)?);
        Ok(())
    }

    /// The application's own state and the hub's publish and subscribe, both at once.
    pub const fn split(&mut self) -> (&mut S, PubSub<'_>) {
        (self.app, PubSub::new(self.state))
    }

    /// Sends an event to all who joined `topic`; nobody having done so is no error. So a POST reaches a room.
    ///
    /// # Errors
    /// As `Hub::broadcast`.
    pub fn broadcast(&mut self, topic: &str, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        self.state.broadcast_named(topic, None, event, &payload)
    }

    /// Sends text to all raw subscribers of `topic`.
    pub fn publish(&mut self, topic: &str, text: &str) {
        self.state.publish_raw(topic, None, text);
    }

    /// Closes all connections that have this id (1001) when the handler has returned; how many there are.
    pub fn disconnect(&mut self, id: &str) -> usize {
        self.state.disconnect_later(id)
    }

    /// How many connections `topic` has.
    pub fn subscriber_count(&self, topic: &str) -> usize {
        self.state.pubsub.subscriber_count(topic)
    }

    /// Counters and gauges, now.
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// The connection that the request came on.
    pub const fn conn(&self) -> ConnId {
        self.conn
    }

    /// The peer's address, where the host told it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.state.conns.get(self.conn)?.peer
    }

    /// Now, as the host counts.
    pub const fn now(&self) -> Instant {
        self.state.now
    }
}

impl<S> fmt::Debug for HttpRequest<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpRequest").field("conn", &self.conn).field("ticket", &self.ticket).finish_non_exhaustive()
    }
}

const REQUEST_LIMIT: Duration = Duration::from_secs(30);
