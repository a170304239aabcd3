//! What a session may take, in time and in bytes.

use std::time::Duration;

/// Bounds of a session. Sessions share one: `Arc<Config>`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Config {
    /// How long a request may take to come, from the opening of the connection or, for a later one, from its first
    /// byte. In all, however steadily it drips. 5 s.
    pub handshake_timeout: Duration,
    /// Bytes that the head of a request may have. 8 KiB.
    pub max_head: usize,
    /// Headers that a request may have. 64.
    pub max_headers: usize,
    /// Bytes that the body of a request may have. 64 KiB.
    pub max_body: usize,
    /// How long a connection without WebSocket may be idle between two requests. 15 s.
    pub keep_alive_timeout: Duration,
    /// How long the end is waited for: the peer's close frame, its end of the connection, or that it reads what it
    /// is still owed. 2 s.
    pub close_timeout: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            handshake_timeout: Duration::from_secs(5),
            max_head: 8 * 1024,
            max_headers: 64,
            max_body: 64 * 1024,
            keep_alive_timeout: Duration::from_secs(15),
            close_timeout: Duration::from_secs(2),
        }
    }
}

impl Config {
    /// Sets [`handshake_timeout`](Self::handshake_timeout).
    #[must_use]
    pub const fn with_handshake_timeout(mut self, timeout: Duration) -> Self {
        self.handshake_timeout = timeout;
        self
    }

    /// Sets [`max_head`](Self::max_head).
    #[must_use]
    pub const fn with_max_head(mut self, bytes: usize) -> Self {
        self.max_head = bytes;
        self
    }

    /// Sets [`max_headers`](Self::max_headers).
    #[must_use]
    pub const fn with_max_headers(mut self, count: usize) -> Self {
        self.max_headers = count;
        self
    }

    /// Sets [`max_body`](Self::max_body).
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// Sets [`keep_alive_timeout`](Self::keep_alive_timeout).
    #[must_use]
    pub const fn with_keep_alive_timeout(mut self, timeout: Duration) -> Self {
        self.keep_alive_timeout = timeout;
        self
    }

    /// Sets [`close_timeout`](Self::close_timeout).
    #[must_use]
    pub const fn with_close_timeout(mut self, timeout: Duration) -> Self {
        self.close_timeout = timeout;
        self
    }
}
