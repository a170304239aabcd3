//! A mount: a path with its protocol, its checks and its limits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Origin;
use crate::channel::{Channel, Failure, Outcome, Refuse};
use crate::connect::Connect;
use crate::deflate::Deflate;
use crate::error::CloseReason;
use crate::limits::RateLimit;
use crate::raw::Raw;

/// A path with its protocol (channels, or raw messages with callbacks), its checks and its limits.
///
/// A hub may have several; topics, presence and connections are the hub's, so mounts share rooms. Mounted at
/// `/socket`, both `/socket` and `/socket/websocket` are answered, since clients differ. A segment `:name` of the path
/// is a parameter.
///
/// ```
/// use std::time::Duration;
/// use chanson_core::{Channel, Mount, Origin};
///
/// let room = Channel::new("room:*");
/// let open: Mount<()> = Mount::channels("/socket").channel(room.clone());
/// let strict: Mount<()> = Mount::channels("/game/:shard")
///     .channel(room)
///     .origin(Origin::list(["game.example"]))
///     .max_message(4096)
///     .idle_timeout(Duration::from_secs(20));
/// ```
pub struct Mount<S = ()> {
    pub(super) path: Box<str>,
    pub(super) protocol: Protocol<S>,
    pub(super) on_connect: Option<Box<ConnectHandler<S>>>,
    pub(super) translate: Option<Box<Translate>>,
    pub(super) origin: Origin,
    pub(super) max_message: usize,
    pub(super) idle_timeout: Option<Duration>,
    pub(super) ticket_limit: Duration,
    pub(super) max_joins: Option<usize>,
    pub(super) websocket_only: bool,
    pub(super) rate_limit: Option<RateLimit>,
    pub(super) max_offences: u16,
    pub(super) deflate: Option<Deflate>,
    /// What was registered and is nothing for this protocol; said when the hub is built.
    pub(super) misplaced: Option<&'static str>,
}

pub(super) enum Protocol<S> {
    Channels(Vec<Channel<S>>),
    Raw(RawHandlers<S>),
}

pub(super) type ConnectHandler<S> = dyn Fn(&mut Connect<'_, S>) -> Result<(), Refuse> + Send + Sync;
type Translate = dyn Fn(&[u8]) -> Option<String> + Send + Sync;
type OpenHandler<S> = dyn Fn(&mut Raw<'_, S>) -> Result<(), Failure> + Send + Sync;
type TextHandler<S> = dyn Fn(&mut Raw<'_, S>, &str) -> Result<(), Failure> + Send + Sync;
type BinaryHandler<S> = dyn Fn(&mut Raw<'_, S>, &[u8]) -> Result<(), Failure> + Send + Sync;
type CloseHandler<S> = dyn Fn(&mut Raw<'_, S>, CloseReason) -> Result<(), Failure> + Send + Sync;

pub(super) struct RawHandlers<S> {
    pub(super) open: Option<Arc<OpenHandler<S>>>,
    pub(super) text: Option<Arc<TextHandler<S>>>,
    pub(super) binary: Option<Arc<BinaryHandler<S>>>,
    pub(super) close: Option<Arc<CloseHandler<S>>>,
}

impl<S> Mount<S> {
    /// Channels at this path.
    pub fn channels(path: &str) -> Self {
        Self::new(path, Protocol::Channels(Vec::new()))
    }

    /// A WebSocket without channels at this path; see `on_open`, `on_text`, `on_binary` and `on_close`.
    pub fn raw(path: &str) -> Self {
        Self::new(path, Protocol::Raw(RawHandlers { open: None, text: None, binary: None, close: None }))
    }

    fn new(path: &str, protocol: Protocol<S>) -> Self {
        Self {
            path: path.into(),
            protocol,
            on_connect: None,
            translate: None,
            origin: Origin::default(),
            max_message: 64 * 1024,
            idle_timeout: Some(Duration::from_secs(60)),
            ticket_limit: Duration::from_secs(30),
            max_joins: None,
            websocket_only: false,
            rate_limit: None,
            max_offences: 1000,
            deflate: None,
            misplaced: None,
        }
    }

    pub(super) const fn channel_count(&self) -> usize {
        match &self.protocol {
            Protocol::Channels(channels) => channels.len(),
            Protocol::Raw(_) => 0,
        }
    }

    /// Adds a channel. Of several whose patterns match a topic, the one added first serves it. On a raw mount
    /// the hub will not build.
    #[must_use]
    pub fn channel(mut self, channel: Channel<S>) -> Self {
        match &mut self.protocol {
            Protocol::Channels(channels) => channels.push(channel),
            Protocol::Raw(_) => self.misplaced = Some("channel"),
        }
        self
    }

    /// Decides who may connect, before the upgrade; a refusal is answered with HTTP 403, [`Refuse::failed`] with 500.
    #[must_use]
    pub fn on_connect<F>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Connect<'_, S>) -> Result<(), Refuse> + Send + Sync + 'static,
    {
        self.on_connect = Some(Box::new(handler));
        self
    }

    /// Understands the binary messages of clients that have more of them than `vsn` 2 has: gives the `vsn` 2 text
    /// message that one stands for, which then goes its usual way. `None` closes the connection (1011), as happens
    /// without this.
    ///
    /// ```
    /// use chanson_core::Mount;
    ///
    /// // Kind 7 is our own: a position in two bytes.
    /// let mount: Mount<()> = Mount::channels("/game").translate_binary(|data| match data {
    ///     [7, x, y] => Some(format!(r#"[null,null,"arena","move",{{"x":{x},"y":{y}}}]"#)),
    ///     _ => None,
    /// });
    /// ```
    #[must_use]
    pub fn translate_binary<F>(mut self, translate: F) -> Self
    where
        F: Fn(&[u8]) -> Option<String> + Send + Sync + 'static,
    {
        self.translate = Some(Box::new(translate));
        self
    }

    /// Which pages may connect; [`Origin::Same`] unless said otherwise.
    #[must_use]
    pub fn origin(mut self, origin: Origin) -> Self {
        self.origin = origin;
        self
    }

    /// Longest message to take, in bytes of payload, all fragments together; 64 KiB unless said otherwise. A longer
    /// one closes the connection with 1009.
    #[must_use]
    pub const fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = bytes;
        self
    }

    /// How long a peer may be silent before its connection is closed (1001); 60 s unless said otherwise. phoenix.js
    /// sends a heartbeat every 30 s. Nought switches it off.
    #[must_use]
    pub const fn idle_timeout(mut self, limit: Duration) -> Self {
        self.idle_timeout = if limit.is_zero() { None } else { Some(limit) };
        self
    }

    /// How long a deferred answer may take; 30 s unless said otherwise. After that a join or event is answered with
    /// the error `{"reason":"timeout"}`, a connect with 503.
    #[must_use]
    pub const fn ticket_limit(mut self, limit: Duration) -> Self {
        self.ticket_limit = limit;
        self
    }

    /// Most topics that one connection of this mount may join; never more than `Capacity::joins_per_connection`.
    #[must_use]
    pub const fn max_joins(mut self, joins: usize) -> Self {
        self.max_joins = Some(joins);
        self
    }

    /// Leaves requests that ask for no upgrade to the hook of plain requests (`Builder::on_request`). Without this they are
    /// refused here: 405 or 400.
    #[must_use]
    pub const fn websocket_only(mut self) -> Self {
        self.websocket_only = true;
        self
    }

    /// Limits the messages of each connection (heartbeats are free); off unless set.
    #[must_use]
    pub const fn rate_limit(mut self, limit: RateLimit) -> Self {
        self.rate_limit = Some(limit);
        self
    }

    /// How many messages in a row may be refused (topics or events that nobody serves, joins that are refused, messages beyond
    /// the rate limit) before the connection is closed with 1008; 1,000 unless said otherwise. A join or an event that a
    /// handler takes begins the count anew; heartbeats and leaves do not count. Nought switches it off.
    #[must_use]
    pub const fn max_offences(mut self, offences: u16) -> Self {
        self.max_offences = offences;
        self
    }

    /// Compresses messages (permessage-deflate) for the clients that offer it, as browsers do; off unless set. What a
    /// message of `max_message` bytes inflates to is bounded by the same limit.
    ///
    /// ```
    /// use chanson_core::Mount;
    /// use chanson_core::deflate::Deflate;
    ///
    /// let mount: Mount<()> = Mount::channels("/socket").deflate(Deflate::new());
    /// ```
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
        self
    }

    /// Raw mounts: a connection has opened. A handler that fails closes its connection (1011).
    #[must_use]
    pub fn on_open<F, O>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Raw<'_, S>) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        match &mut self.protocol {
            Protocol::Raw(raw) => raw.open = Some(Arc::new(move |socket| handler(socket).into_result())),
            Protocol::Channels(_) => self.misplaced = Some("on_open"),
        }
        self
    }

    /// Raw mounts: a text message came.
    #[must_use]
    pub fn on_text<F, O>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Raw<'_, S>, &str) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        match &mut self.protocol {
            Protocol::Raw(raw) => raw.text = Some(Arc::new(move |socket, text| handler(socket, text).into_result())),
            Protocol::Channels(_) => self.misplaced = Some("on_text"),
        }
        self
    }

    /// Raw mounts: a binary message came.
    #[must_use]
    pub fn on_binary<F, O>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Raw<'_, S>, &[u8]) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        match &mut self.protocol {
            Protocol::Raw(raw) => raw.binary = Some(Arc::new(move |socket, data| handler(socket, data).into_result())),
            Protocol::Channels(_) => self.misplaced = Some("on_binary"),
        }
        self
    }

    /// Raw mounts: a connection has ended; its subscriptions are gone already.
    #[must_use]
    pub fn on_close<F, O>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Raw<'_, S>, CloseReason) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        match &mut self.protocol {
            Protocol::Raw(raw) => raw.close = Some(Arc::new(move |socket, why| handler(socket, why).into_result())),
            Protocol::Channels(_) => self.misplaced = Some("on_close"),
        }
        self
    }
}

impl<S> fmt::Debug for Mount<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mount").field("path", &self.path).finish_non_exhaustive()
    }
}
