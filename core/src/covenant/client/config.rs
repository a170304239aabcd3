//! Whom a client talks to, and how patient it is.

use std::time::Duration;

use super::Backoff;
use crate::covenant::connection::{ClientToServer, ClientToSidekick, Reach};
use crate::tls::Connector;

/// Whom a client talks to, and how patient it is.
///
/// ```
/// use chanson_core::covenant::client::Config;
/// use chanson_core::covenant::connection::{HttpClientToServer, HttpClientToSidekick};
/// use std::time::Duration;
///
/// let server = HttpClientToServer::new("http://127.0.0.1:3000/api/covenant")?;
/// let sidekick = HttpClientToSidekick::new("http://127.0.0.1:3001")?;
/// let config = Config::new(server, sidekick).with_call_timeout(Duration::from_secs(5));
/// assert_eq!(config.error_window, Duration::from_millis(100));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub struct Config {
    pub(super) server: Box<dyn ClientToServer>,
    pub(super) sidekick: Box<dyn ClientToSidekick>,
    pub(super) connector: Option<Connector>,
    /// How long the server's answer to a request is waited for. 30 s.
    pub call_timeout: Duration,
    /// How long a message may wait for the Sidekick. 10 s.
    pub send_timeout: Duration,
    /// How long an error is waited for behind a message: when none has come it counts as sent. 100 ms, as the original; at
    /// nought nothing is waited for.
    pub error_window: Duration,
    /// How often the Sidekick is pinged when it says nothing, and how long its answer is waited for. 30 s.
    pub ping_interval: Duration,
    /// How long the transport may take to come up, and then as long again the handshake. 10 s.
    pub connect_timeout: Duration,
    /// How long the end of a closed connection is waited for. 2 s.
    pub close_timeout: Duration,
    /// When to try again after the Sidekick was lost or not reached. [`Backoff::RECONNECT`].
    pub reconnect: Backoff,
    /// When to ask again for a token that a subscription needs to be made again. [`Backoff::REJOIN`].
    pub renew: Backoff,
    /// How much of everything is held.
    pub capacity: Capacity,
}

/// How much of everything a client holds at most. What reaches a bound is refused with `Full` or `TooLarge`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// Tokens: of every connection to a channel that was not unsubscribed or released. 256.
    pub tokens: usize,
    /// Requests to the server that are not answered. (Besides one for each token and each listener.) 256.
    pub calls: usize,
    /// Messages that have not had their end. 4096.
    pub sends: usize,
    /// Bytes of messages that wait for the Sidekick. A message is always taken when nothing waits. 1 MiB.
    pub buffered_bytes: usize,
    /// Length of what is sent in one message or asked in one request, in bytes. 60 KiB: a bit less than what our own Sidekick
    /// and server take if they are not told otherwise.
    pub send_bytes: usize,
    /// Bytes that wait for the transport, beyond which messages are refused. 1 MiB.
    pub queued_bytes: usize,
    /// Listeners. 256.
    pub listeners: usize,
    /// Resources that one listener's query may name; one that names more is in error. 256.
    pub resources: usize,
    /// Length of a message from the Sidekick in bytes. 8 MiB.
    pub message_bytes: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            tokens: 256,
            calls: 256,
            sends: 4096,
            buffered_bytes: 1 << 20,
            send_bytes: 60 << 10,
            queued_bytes: 1 << 20,
            listeners: 256,
            resources: 256,
            message_bytes: 8 << 20,
        }
    }
}

impl Config {
    /// A client of that server and that Sidekick.
    pub fn new(server: impl ClientToServer, sidekick: impl ClientToSidekick) -> Self {
        Self {
            server: Box::new(server),
            sidekick: Box::new(sidekick),
            connector: None,
            call_timeout: Duration::from_secs(30),
            send_timeout: Duration::from_secs(10),
            error_window: Duration::from_millis(100),
            ping_interval: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(2),
            reconnect: Backoff::RECONNECT,
            renew: Backoff::REJOIN,
            capacity: Capacity::default(),
        }
    }

    /// With whom to trust, where the Sidekick's address is `https://`: the client then speaks TLS by itself, and its transport
    /// is a plain one. (What the server is asked is for the host to perform.)
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, connector: Connector) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Whether the Sidekick's address is `https://` and `with_tls` was not called, so that the host has to
    /// bring the TLS.
    pub fn wants_tls(&self) -> bool {
        self.connector.is_none() && matches!(self.sidekick.reach(), Reach::Socket { tls: true, .. })
    }

    /// What [`with_tls`](Self::with_tls) was given.
    #[cfg(feature = "tls")]
    pub const fn connector(&self) -> Option<&Connector> {
        self.connector.as_ref()
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
    with_call_timeout call_timeout Duration,
    with_send_timeout send_timeout Duration,
    with_error_window error_window Duration,
    with_ping_interval ping_interval Duration,
    with_connect_timeout connect_timeout Duration,
    with_close_timeout close_timeout Duration,
    with_reconnect reconnect Backoff,
    with_renew renew Backoff,
    with_capacity capacity Capacity,
}

setters! { Capacity:
    with_tokens tokens usize,
    with_calls calls usize,
    with_sends sends usize,
    with_buffered_bytes buffered_bytes usize,
    with_send_bytes send_bytes usize,
    with_queued_bytes queued_bytes usize,
    with_listeners listeners usize,
    with_resources resources usize,
    with_message_bytes message_bytes usize,
}
