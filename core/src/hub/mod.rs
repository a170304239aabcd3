//! The hub, at message level: connections, mounts, joins, routing, timers, deliveries.
//!
//! For hosts that have a WebSocket library of their own. The host says what happened (`handle_*`), then drains
//! [`poll_output`](Hub::poll_output):
//!
//! ```
//! use chanson_core::{Channel, Hub, Mount, Output, frame::Message, http::Request, time::Instant};
//!
//! let room = Channel::new("room:*").on("ping", |socket, msg| socket.reply(msg.payload));
//! let mut hub: Hub = Hub::builder().seed([7; 32]).mount(Mount::channels("/socket").channel(room)).build()?;
//! let (now, app) = (Instant::ORIGIN, &mut ());
//!
//! let conn = hub.handle_connect(now, None)?;
//! hub.handle_open(now, app, conn, &Request::new("GET", "/socket?vsn=2.0.0", &[], b""));
//! hub.handle_text(now, app, conn, r#"["1","1","room:a","phx_join",{}]"#);
//! hub.handle_text(now, app, conn, r#"["1","2","room:a","ping",{"n":1}]"#);
//!
//! let mut sent = Vec::new();
//! while let Some(output) = hub.poll_output() {
//!     match output {
//!         Output::Deliver { to, frame } => {
//!             assert_eq!(to, [conn]);
//!             if let Message::Text(text) = frame.message() { sent.push(text.to_owned()) }
//!         }
//!         Output::Close { .. } => unreachable!(),
//!         _ => {}
//!     }
//! }
//! assert_eq!(sent, [
//!     r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#,
//!     r#"["1","2","room:a","phx_reply",{"status":"ok","response":{"n":1}}]"#,
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod admit;
mod answer;
mod builder;
mod join;
mod message;
mod metrics;
mod mount;
mod origin;
mod pubsub;

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::admit::{Admission, Answer, HttpRequest};
pub use self::builder::{BuildError, Builder};
use self::metrics::Metrics;
pub use self::mount::Mount;
use self::mount::Protocol;
pub use self::origin::Origin;
pub use self::pubsub::PubSub;
use crate::channel::{Channel, Failure, Refuse};
use crate::error::{CloseReason, CommandError};
use crate::http::{Request, Response, Route};
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::log::Level;
use crate::payload::{Json, PayloadBuf, ToPayload};
use crate::pubsub::Audience;
use crate::quietly;
use crate::state::conns::Phase;
use crate::state::outbox::Output;
use crate::state::stats::Stats;
use crate::state::{State, Timer};
use crate::time::Instant;
use crate::topic::Routes;

/// Connections, topics and the handlers of an application, as one state machine without I/O.
///
/// `S` is the application's own state: every call that can run a handler borrows it.
pub struct Hub<S = ()> {
    mounts: Vec<Served<S>>,
    on_request: Option<Box<RequestHandler<S>>>,
    on_fault: Option<Box<FaultHandler>>,
    metrics: Option<Metrics>,
    state: State,
    stopping: bool,
}

/// A mount with what its patterns compile to.
struct Served<S> {
    mount: Mount<S>,
    route: Route,
    topics: Routes,
}

impl<S> Served<S> {
    fn channel(&self, index: u16) -> Option<&Channel<S>> {
        match &self.mount.protocol {
            Protocol::Channels(channels) => channels.get(usize::from(index)),
            Protocol::Raw(_) => None,
        }
    }
}

type RequestHandler<S> =
    dyn Fn(&mut HttpRequest<'_, S>, &Request<'_>) -> Result<Option<Response>, Failure> + Send + Sync;
type FaultHandler = dyn Fn(&Fault<'_>) + Send + Sync;

/// A handler that failed.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Fault<'a> {
    /// Whose message it was.
    pub conn: ConnId,
    /// The topic, or the path of a mount or of a request.
    pub place: &'a str,
    /// The event, or `phx_join`, `phx_leave`, `connect`, `open`, `message`, `close`, `request`; `answer` where the answer to an
    /// event that was deferred is that it failed.
    pub event: &'a str,
    /// The error's or the panic's text.
    pub text: &'a str,
    /// Whether it panicked.
    pub panicked: bool,
}

impl<S> Hub<S> {
    /// Starts building one.
    pub fn builder() -> Builder<S> {
        Builder::default()
    }

    /// Time passed: silent connections are closed, tickets that nobody answered expire. Call it at
    /// [`poll_timeout`](Self::poll_timeout) at the latest; too early does no harm.
    pub fn handle_timeout(&mut self, now: Instant, app: &mut S) {
        self.state.tick(now);
        while let Some((_, timer)) = self.state.timers.pop_due(self.state.now) {
            match timer {
                Timer::Idle(conn) => self.check_idle(conn),
                Timer::Ticket(ticket) => self.expire(app, ticket),
            }
        }
        self.settle(app);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` when nothing is waiting.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.timers.next()
    }

    /// What to do next. Drain it after each turn.
    pub fn poll_output(&mut self) -> Option<Output<'_>> {
        self.poll_delivery().map(|(output, _)| output)
    }

    /// Whether there is a next output.
    pub(crate) fn has_output(&self) -> bool {
        !self.state.outbox.is_empty()
    }

    /// About how many bytes of memory its deliveries take that nobody has asked for.
    pub(crate) const fn waiting(&self) -> usize {
        self.state.outbox.weight()
    }

    /// The next output, and to what audience it goes if it is a delivery.
    pub(crate) fn poll_delivery(&mut self) -> Option<(Output<'_>, Audience)> {
        self.state.outbox.poll()
    }

    // --- commands ---

    /// Sends an event to all who joined `topic`; nobody having done so is no error.
    ///
    /// # Errors
    /// `TooLarge` for names beyond 255 bytes in a binary message, `InvalidJson`.
    pub fn broadcast(&mut self, topic: &str, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        self.state.broadcast_named(topic, None, event, &payload)
    }

    /// Sends an event to all who joined `topic` but `conn`.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_from(
        &mut self,
        conn: ConnId,
        topic: &str,
        event: &str,
        payload: impl ToPayload,
    ) -> Result<(), CommandError> {
        self.state.broadcast_named(topic, Some(conn), event, &payload)
    }

    /// Sends an event to one connection in `topic`.
    ///
    /// # Errors
    /// `UnknownConn`, `NotJoined`, `BinaryUnsupported` for bytes to a `vsn` 1 client, `TooLarge`, `InvalidJson`.
    pub fn push(
        &mut self,
        conn: ConnId,
        topic: &str,
        event: &str,
        payload: impl ToPayload,
    ) -> Result<(), CommandError> {
        self.state.conns.open(conn).ok_or(CommandError::UnknownConn)?;
        let member = self.state.joined(conn, topic).ok_or(CommandError::NotJoined)?;
        let mut scratch = self.state.take_scratch();
        let result = payload.to_payload(&mut scratch).and_then(|payload| self.state.push(member, event, payload));
        self.state.give_scratch(scratch);
        result
    }

    /// Closes all connections that have this id (see `Connect::set_id`) with 1001; how many there were. Clients that were built
    /// to come back do so at once: who is to stay away is refused by `on_connect` from then on.
    pub fn disconnect(&mut self, now: Instant, app: &mut S, id: &str) -> usize {
        self.state.tick(now);
        let count = self.state.disconnect_later(id);
        self.settle(app);
        count
    }

    /// Closes one connection: `CloseReason::ByUs` says with what code, 4000 to 4999 for one of your own. A code that may not be
    /// sent is replaced by 1011.
    ///
    /// # Errors
    /// `UnknownConn`.
    pub fn close(&mut self, now: Instant, app: &mut S, conn: ConnId, reason: CloseReason) -> Result<(), CommandError> {
        self.state.tick(now);
        let known = self.state.close_later(conn, reason);
        self.settle(app);
        known.then_some(()).ok_or(CommandError::UnknownConn)
    }

    /// Closes every connection with 1012 (service restart: clients come back) and admits no more.
    pub fn shutdown(&mut self, now: Instant, app: &mut S) {
        self.state.tick(now);
        self.stopping = true;
        let conns: Vec<ConnId> = self.state.conns.ids().collect();
        for conn in conns {
            self.state.close_later(conn, CloseReason::ByUs(1012));
        }
        self.settle(app);
    }

    /// Topics without channels: subscribe connections and publish text.
    pub const fn pubsub(&mut self) -> PubSub<'_> {
        PubSub::new(&mut self.state)
    }

    // --- getters ---

    /// How many connections `topic` has, joined ones and raw subscribers.
    pub fn subscriber_count(&self, topic: &str) -> usize {
        self.state.pubsub.subscriber_count(topic)
    }

    /// Who is in `topic`: keys and metas, in the order in which they came.
    pub fn presence(&self, topic: &str) -> impl Iterator<Item = (&str, Json<'_>)> {
        self.state.pubsub.topic(topic).into_iter().flat_map(|topic| self.state.presences.list(topic))
    }

    /// Who is in `topic`, as `[{"key":…,"meta":{…}}, …]`.
    pub fn presence_list(&self, topic: &str) -> PayloadBuf {
        self.state.presence_list(topic)
    }

    /// Whether messages flow on this connection.
    pub fn is_open(&self, conn: ConnId) -> bool {
        self.state.conns.open(conn).is_some()
    }

    /// Whether this connection joined `topic`.
    pub fn is_joined(&self, conn: ConnId, topic: &str) -> bool {
        self.state.joined(conn, topic).is_some()
    }

    /// Counters and gauges, now.
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// The bounds it was built with.
    pub const fn capacity(&self) -> &Capacity {
        &self.state.capacity
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    pub const fn is_stopping(&self) -> bool {
        self.stopping
    }

    // --- what all of its parts need ---

    /// Has the hub's listener (see `Builder::on_log`) hear of something that happened to its host: a driver that runs out of
    /// file descriptors, say. Subject to the same limit of rate as the hub's own records.
    pub fn log(&mut self, now: Instant, level: Level, text: fmt::Arguments<'_>) {
        self.state.tick(now);
        self.state.journal.record(self.state.now, level, None, text);
    }

    /// Closes what handlers said to close, and what is said meanwhile.
    fn settle(&mut self, app: &mut S) {
        while let Some((conn, reason)) = self.state.closing.pop_front() {
            self.close_now(app, conn, reason);
        }
    }

    /// Looks whether the peer has been silent for too long, or when to look again.
    fn check_idle(&mut self, conn: ConnId) {
        let Some(entry) = self.state.conns.open(conn) else { return };
        let Some(limit) = self.mounts[usize::from(entry.mount)].mount.idle_timeout else { return };
        let deadline = entry.last_heard + limit;
        if deadline > self.state.now {
            self.state.remind(deadline, Timer::Idle(conn));
        } else {
            self.state.stats.idle_timeouts += 1;
            self.state.close_later(conn, CloseReason::IdleTimeout);
        }
    }

    fn mount_of(&self, conn: ConnId) -> Option<&Served<S>> {
        self.mounts.get(usize::from(self.state.conns.get(conn)?.mount))
    }

    /// Tells the application of a handler that failed.
    fn report(&mut self, conn: ConnId, place: &str, event: &str, failed: &Failed) {
        self.state.stats.crashes += 1;
        let how = if failed.panicked() { "panicked" } else { "failed" };
        let text = format_args!("the handler of {event:?} on {place:?} {how}: {}", failed.text());
        self.state.journal.record(self.state.now, Level::Error, Some(conn), text);
        if let Some(on_fault) = &self.on_fault {
            let fault = Fault { conn, place, event, text: failed.text(), panicked: failed.panicked() };
            // A panic while reporting a failure is a failure that nobody can be told of.
            quietly(|| on_fault(&fault));
        }
    }

    /// Whether it was closed, by whomever; also when there is no such connection.
    pub(crate) fn is_closed(&self, conn: ConnId) -> bool {
        self.state.conns.get(conn).is_none_or(|conn| conn.phase == Phase::Closed)
    }
}

impl<S> fmt::Debug for Hub<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mounts: Vec<&Mount<S>> = self.mounts.iter().map(|served| &served.mount).collect();
        f.debug_struct("Hub").field("mounts", &mounts).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// How a handler failed.
enum Failed {
    Error(Failure),
    /// With the panic's text.
    Panic(Box<str>),
}

impl Failed {
    fn text(&self) -> &str {
        match self {
            Self::Error(failure) => &failure.0,
            Self::Panic(text) => text,
        }
    }

    const fn panicked(&self) -> bool {
        matches!(self, Self::Panic(_))
    }
}

/// Runs a handler; a panic stops here. The tables stay whole, since handlers change them only through calls that do not
/// panic half-way.
fn guard<T>(handler: impl FnOnce() -> T) -> Result<T, Failed> {
    catch_unwind(AssertUnwindSafe(handler)).map_err(|panic| {
        let text = panic_text(&*panic).into();
        quietly(|| drop(panic));
        Failed::Panic(text)
    })
}

/// The same for a handler that may say that it failed.
fn guard_outcome<T>(handler: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failed> {
    guard(handler)?.map_err(Failed::Error)
}

/// The same for one that decides.
fn guard_decision<T>(handler: impl FnOnce() -> Result<T, Refuse>) -> Result<Result<T, Refuse>, Failed> {
    let decision = guard(handler)?;
    match decision.as_ref().err().and_then(Refuse::failure) {
        Some(failure) => Err(Failed::Error(failure.clone())),
        None => Ok(decision),
    }
}

pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => text,
        (None, Some(text)) => text,
        (None, None) => "panic",
    }
}
