//! How a client reaches the Sidekick.

use std::fmt;
use std::sync::Arc;

use super::UrlError;
use crate::client;
use crate::http::Upgrade;
use crate::time::Instant;

/// How a client reaches the Sidekick.
pub trait ClientToSidekick: fmt::Debug + Send + 'static {
    /// Which way that is; asked once, by the client that it is for.
    fn reach(&self) -> Reach;
}

/// A way to the Sidekick.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reach {
    /// There is no Sidekick.
    Nobody,
    /// By a WebSocket.
    Socket {
        /// A name or an address; IPv6 without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
        /// Whether it is `https://`.
        tls: bool,
        /// What to ask it for.
        upgrade: Upgrade,
    },
    /// By something of the host's that carries whole messages: a WebSocket library, say.
    Messages,
    /// It is in this program.
    Internal(Box<dyn Pipe>),
}

/// A connection to a Sidekick in this program.
pub trait Pipe: fmt::Debug + Send {
    /// Opens it; whether that could be. Whenever there is something to hear again, `wake` is called, on any thread.
    fn open(&mut self, now: Instant, wake: Option<Wake>) -> bool;

    /// Says something to the Sidekick.
    fn say(&mut self, now: Instant, text: &str);

    /// What the Sidekick has said next.
    fn hear(&mut self) -> Option<String>;

    /// Whether it is open: the Sidekick may have closed it.
    fn is_open(&self) -> bool;

    /// Closes it.
    fn close(&mut self, now: Instant);
}

/// What is called when there is something to do.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A Sidekick somewhere, by WebSocket: `httpClientToSidekick` of the original.
///
/// ```
/// use chanson_core::covenant::connection::{ClientToSidekick, HttpClientToSidekick, Reach};
///
/// let Reach::Socket { host, port, upgrade, .. } = HttpClientToSidekick::new("http://127.0.0.1:3001")?.reach() else { panic!() };
/// assert_eq!((&*host, port, upgrade.target()), ("127.0.0.1", 3001, "/socket"));
/// # Ok::<(), chanson_core::covenant::connection::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClientToSidekick {
    host: Box<str>,
    port: u16,
    tls: bool,
    upgrade: Upgrade,
}

impl HttpClientToSidekick {
    /// The Sidekick at that address, `http://`, `https://`, `ws://` or `wss://`. Of the path nothing is used, as the original
    /// does: the socket is at `/socket`.
    ///
    /// # Errors
    /// It is no address.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return Err(UrlError::Scheme),
        };
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let url = client::url::Url::parse(&format!("{scheme}://{authority}")).map_err(|error| match error {
            client::UrlError::Port => UrlError::Port,
            client::UrlError::Character => UrlError::Character,
            _ => UrlError::Host,
        })?;
        let upgrade = Upgrade::new(&url.authority, "/socket").map_err(|_| UrlError::Host)?;
        Ok(Self { host: url.host, port: url.port, tls: url.tls, upgrade })
    }
}

impl ClientToSidekick for HttpClientToSidekick {
    fn reach(&self) -> Reach {
        let Self { host, port, tls, upgrade } = self.clone();
        Reach::Socket { host, port, tls, upgrade }
    }
}

/// No Sidekick: `emptyClientToSidekick` of the original. A mutation still refetches the listeners of the same client;
/// channels cannot be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmptyClientToSidekick;

impl ClientToSidekick for EmptyClientToSidekick {
    fn reach(&self) -> Reach {
        Reach::Nobody
    }
}

/// A Sidekick that the host has a WebSocket of its own to: the host carries the messages, see
/// [`Output::Send`](crate::covenant::client::Output::Send).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessagesToSidekick;

impl ClientToSidekick for MessagesToSidekick {
    fn reach(&self) -> Reach {
        Reach::Messages
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_sidekicks() {
        for (text, expected) in [
            ("http://a.test", ("a.test", 80, false)),
            ("HTTPS://a.test/path?query#fragment", ("a.test", 443, true)),
            ("ws://[::1]:8080/socket", ("::1", 8080, false)),
            ("wss://a:1", ("a", 1, true)),
        ] {
            let Reach::Socket { host, port, tls, upgrade } = HttpClientToSidekick::new(text).unwrap().reach() else {
                panic!("{text}");
            };
            assert_eq!(
                (&*host, port, tls, upgrade.target()),
                (expected.0, expected.1, expected.2, "/socket"),
                "{text}"
            );
        }
        for (text, error) in [
            ("a.test", UrlError::Scheme),
            ("ftp://a.test", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http://user@a", UrlError::Host),
            ("http://a:0", UrlError::Port),
            ("http://a b", UrlError::Character),
        ] {
            assert_eq!(HttpClientToSidekick::new(text), Err(error), "{text}");
        }
    }
}
