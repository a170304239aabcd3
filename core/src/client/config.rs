//! Where a client connects to, with what, and how patient it is.

use std::fmt;
use std::time::Duration;

use data_encoding::BASE64_NOPAD;

use super::Backoff;
use super::url::{Url, UrlError};
use crate::deflate::Deflate;
use crate::http::{HeaderError, Upgrade};
use crate::tls::Connector;
use crate::wire::Vsn;

/// Where a client connects to, with what, and how patient it is.
///
/// ```
/// use chanson_core::client::{Backoff, Config};
/// use std::time::Duration;
///
/// let config = Config::new("ws://127.0.0.1:4000/socket")?
///     .with_param("user", "ann")
///     .with_header("X-Trace", "7")?
///     .with_auth_token("secret")
///     .with_reconnect(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10)).with_jitter(30));
/// assert_eq!(config.timeout, Duration::from_secs(10));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
#[non_exhaustive]
pub struct Config {
    url: Url,
    vsn: Vsn,
    params: Vec<(Box<str>, Box<str>)>,
    headers: Vec<(Box<str>, Box<str>)>,
    auth_token: Option<Box<str>>,
    connector: Option<Connector>,
    deflate: Option<Deflate>,
    /// How long an answer to a join or a push is waited for. 10 s.
    pub timeout: Duration,
    /// How often a heartbeat is sent, and how long its answer is waited for. 30 s.
    pub heartbeat_interval: Duration,
    /// How long the transport may take to come up, and then as long again the handshake. 10 s.
    pub connect_timeout: Duration,
    /// How long the end of a closed connection is waited for. 2 s.
    pub close_timeout: Duration,
    /// When to try again after a connection was lost or refused. [`Backoff::RECONNECT`].
    pub reconnect: Backoff,
    /// When to try again after a join was refused, was not answered or has crashed. [`Backoff::REJOIN`].
    pub rejoin: Backoff,
    /// How much of everything is held.
    pub capacity: Capacity,
}

/// How much of everything a client holds at most. What reaches a bound is refused with `Full` or `TooLarge`, or said by an
/// event; nothing is dropped in silence.
///
/// ```
/// use chanson_core::client::Capacity;
///
/// let capacity = Capacity::default().with_channels(8).with_pushes(100);
/// assert_eq!(capacity.message_bytes, 8 << 20);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// Channels, joined or trying to. 256.
    pub channels: usize,
    /// Length of a topic in bytes. 1024.
    pub topic_bytes: usize,
    /// Length of an event's name in bytes. 1024.
    pub event_bytes: usize,
    /// Pushes that wait: for an answer, or to be sent once the channel is joined. 1024.
    pub pushes: usize,
    /// Bytes of payloads that wait to be sent once their channels are joined. 1 MiB.
    pub buffered_bytes: usize,
    /// Bytes that wait for the transport, beyond which pushes and joins are refused. A message is always taken when
    /// nothing waits. Heartbeats, leaves and joins made again are always taken: there are few of them until a heartbeat
    /// that is not answered ends the connection. 1 MiB.
    pub queued_bytes: usize,
    /// Length of a message from the server in bytes. 8 MiB.
    pub message_bytes: usize,
    /// Memory of one channel's presences, about; up to four times as much may wait to be told. 4 MiB.
    pub presence_bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            channels: 256,
            topic_bytes: 1024,
            event_bytes: 1024,
            pushes: 1024,
            buffered_bytes: 1 << 20,
            queued_bytes: 1 << 20,
            message_bytes: 8 << 20,
            presence_bytes: 4 << 20,
        }
    }
}

impl Config {
    /// A client of the server's socket at `url`: `ws://` or `wss://`, host, port, path. `/websocket` is appended to the
    /// path unless it ends so.
    ///
    /// # Errors
    /// The text is no such address.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self {
            url: Url::parse(url)?,
            vsn: Vsn::V2,
            params: Vec::new(),
            headers: Vec::new(),
            auth_token: None,
            connector: None,
            deflate: None,
            timeout: Duration::from_secs(10),
            heartbeat_interval: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            reconnect: Backoff::RECONNECT,
            rejoin: Backoff::REJOIN,
            capacity: Capacity::default(),
        })
    }

    /// With another version of the wire format. Version 2 by default; version 1 has no binary payloads.
    #[must_use]
    pub const fn with_vsn(mut self, vsn: Vsn) -> Self {
        self.vsn = vsn;
        self
    }

    /// With another parameter for the server's `on_connect`, in the query.
    #[must_use]
    pub fn with_param(mut self, name: &str, value: &str) -> Self {
        self.params.push((name.into(), value.into()));
        self
    }

    /// With another header in the upgrade request.
    ///
    /// # Errors
    /// The name is no token, the value holds control characters, or the handshake writes that header itself.
    pub fn with_header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        Upgrade::check_header(name, value)?;
        self.headers.push((name.into(), value.into()));
        Ok(self)
    }

    /// With a token for the server's `on_connect` that travels as a subprotocol, so that it stays out of URLs and logs.
    /// The server has to know of it (it answers with the subprotocol `phoenix`), or the handshake fails.
    #[must_use]
    pub fn with_auth_token(mut self, token: &str) -> Self {
        self.auth_token = Some(token.into());
        self
    }

    /// With whom to trust, where the address is `wss://`: the client then speaks TLS by itself, and its transport is a plain
    /// one.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, connector: Connector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Whether the address is `wss://` and the client cannot speak TLS by itself: whoever opens transports has to, or to
    /// give it a `Connector`.
    pub fn wants_tls(&self) -> bool {
        self.url.tls && self.connector.is_none()
    }

    /// How to speak TLS, if that is to be.
    pub(super) fn connector(&self) -> Option<&Connector> {
        self.connector.as_ref().filter(|_| self.url.tls)
    }

    /// Offers to compress messages (permessage-deflate); whether the server accepts makes no other difference. A client that
    /// does holds about 450 KiB for it.
    #[cfg(feature = "deflate")]
    #[must_use]
    pub const fn with_deflate(mut self, deflate: Deflate) -> Self {
        self.deflate = Some(deflate);
        self
    }

    pub(super) const fn deflate(&self) -> Option<Deflate> {
        self.deflate
    }

    pub(super) const fn vsn(&self) -> Vsn {
        self.vsn
    }

    pub(super) const fn url(&self) -> &Url {
        &self.url
    }

    /// Gives a parameter another value, or adds it.
    pub(super) fn set_param(&mut self, name: &str, value: &str) {
        match self.params.iter_mut().find(|(found, _)| **found == *name) {
            Some((_, found)) => *found = value.into(),
            None => self.params.push((name.into(), value.into())),
        }
    }

    pub(super) fn set_auth_token(&mut self, token: Option<&str>) {
        self.auth_token = token.map(Into::into);
    }

    /// What to ask the server for.
    pub(super) fn upgrade(&self) -> Upgrade {
        let vsn = match self.vsn {
            Vsn::V1 => "1.0.0",
            Vsn::V2 => "2.0.0",
        };
        let target = self.url.target(&self.params, vsn);
        let mut upgrade =
            Upgrade::new(&self.url.authority, &target).expect("the URL is checked, parameters are escaped");
        for (name, value) in &self.headers {
            upgrade = upgrade.header(name, value).expect("checked when it was given");
        }
        if let Some(token) = &self.auth_token {
            // Named base64url and written in btoa's alphabet: conformance `connect_auth_token`.
            let token = format!("base64url.bearer.phx.{}", BASE64_NOPAD.encode(token.as_bytes()));
            for protocol in ["phoenix", &token] {
                upgrade = upgrade.protocol(protocol).expect("base64 is a token, and a slash is let pass");
            }
        }
        upgrade
    }
}

impl fmt::Debug for Config {
    /// Nothing of params, headers and token, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("host", &self.url.authority)
            .field("vsn", &self.vsn)
            .field("timeout", &self.timeout)
            .field("heartbeat_interval", &self.heartbeat_interval)
            .field("reconnect", &self.reconnect)
            .field("rejoin", &self.rejoin)
            .field("capacity", &self.capacity)
            .finish_non_exhaustive()
    }
}

/// A setter for each field.
macro_rules! setters {
    ($to:ident: $($with:ident $field:ident $type:ty),* $(,)?) => {
        impl $to {$(
            #[doc = concat!("The same with another [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
            #[must_use]
            pub fn $with(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*}
    };
}

setters! { Config:
    with_timeout timeout Duration,
    with_heartbeat_interval heartbeat_interval Duration,
    with_connect_timeout connect_timeout Duration,
    with_close_timeout close_timeout Duration,
    with_reconnect reconnect Backoff,
    with_rejoin rejoin Backoff,
    with_capacity capacity Capacity,
}

setters! { Capacity:
    with_channels channels usize,
    with_topic_bytes topic_bytes usize,
    with_event_bytes event_bytes usize,
    with_pushes pushes usize,
    with_buffered_bytes buffered_bytes usize,
    with_queued_bytes queued_bytes usize,
    with_message_bytes message_bytes usize,
    with_presence_bytes presence_bytes usize,
}
