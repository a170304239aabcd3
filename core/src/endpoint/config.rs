//! How an endpoint treats its connections.

use crate::session;
use crate::tls::Acceptor;

/// How an endpoint treats its connections.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Config {
    /// Time limits and bounds of each connection at the byte level.
    pub session: session::Config,
    /// What to do about a peer that does not read.
    pub slow_consumer: SlowConsumer,
    pub(crate) tls: Option<Acceptor>,
}

impl Config {
    /// With these limits for each connection.
    #[must_use]
    pub fn with_session(mut self, session: session::Config) -> Self {
        self.session = session;
        self
    }

    /// With this policy.
    #[must_use]
    pub const fn with_slow_consumer(mut self, policy: SlowConsumer) -> Self {
        self.slow_consumer = policy;
        self
    }

    /// With TLS on all connections.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, acceptor: Acceptor) -> Self {
        self.tls = Some(acceptor);
        self
    }
}

/// What to do about a peer that does not read, once `Capacity::queued_bytes_per_connection` wait for it, or it is the
/// one with most when `Capacity::queued_bytes` wait for all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum SlowConsumer {
    /// Close it with 1013 (try again later). What waits for it is dropped.
    #[default]
    Close,
    /// Drop what would come on top, whole messages, until it has read. Only the bound of the connection: at the bound
    /// of all it is closed.
    DropNewest,
}
