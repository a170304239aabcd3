//! What a sidekick is told when it is made.

use std::fmt;
use std::hint::black_box;
use std::time::Duration;

/// Secret, time limits and bounds of a [`Sidekick`](super::Sidekick). What is not bounded here is by the hub's
/// [`Capacity`](crate::Capacity): connections, rooms and resources of one connection, length of their names.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    pub(super) secret: Secret,
    /// How long the answer to a request with a wrong secret is held back. Default 3 s.
    pub auth_delay: Duration,
    /// How long a token is good for until it is used. Default 10 minutes.
    pub token_ttl: Duration,
    /// Tokens that wait to be used, at a time. Default 65,536.
    pub tokens: usize,
    /// Bytes that are kept for tokens, used or not: themselves, their channels, params and contexts. Default 64 MiB.
    pub token_bytes: usize,
    /// Length of a token. Default 256.
    pub max_token: usize,
    /// Tokens that one connection has used and not unsubscribed, at a time. Default 1024.
    pub subscriptions_per_connection: usize,
    /// Messages of clients that are on their way to the server or wait for it, at a time. Default 1024.
    pub calls: usize,
    /// Those of one connection. Default 64.
    pub calls_per_connection: usize,
    /// Bytes of those that wait. Default 16 MiB.
    pub call_bytes: usize,
}

impl Config {
    /// With the secret that the server shows. An empty one lets nobody in.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: Secret(secret.into()),
            auth_delay: Duration::from_secs(3),
            token_ttl: Duration::from_secs(600),
            tokens: 65_536,
            token_bytes: 64 << 20,
            max_token: 256,
            subscriptions_per_connection: 1024,
            calls: 1024,
            calls_per_connection: 64,
            call_bytes: 16 << 20,
        }
    }
}

/// A setter for each field.
macro_rules! setters {
    ($($with:ident $field:ident: $type:ty)*) => {
        impl Config {$(
            #[doc = concat!("The same with another [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
            #[must_use]
            pub const fn $with(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*}
    };
}

setters! {
    with_auth_delay auth_delay: Duration
    with_token_ttl token_ttl: Duration
    with_tokens tokens: usize
    with_token_bytes token_bytes: usize
    with_max_token max_token: usize
    with_subscriptions_per_connection subscriptions_per_connection: usize
    with_calls calls: usize
    with_calls_per_connection calls_per_connection: usize
    with_call_bytes call_bytes: usize
}

/// A secret: never shown, and compared without telling how much of it was right.
#[derive(Clone)]
pub(super) struct Secret(Box<str>);

impl Secret {
    /// Whether this is the value of an `Authorization` header that has the secret. Takes a time that depends on the length
    /// of `authorization` only.
    pub(super) fn admits(&self, authorization: &[u8]) -> bool {
        let (scheme, given) = authorization.split_at(authorization.len().min(SCHEME.len()));
        scheme == SCHEME && self.is(given)
    }

    fn is(&self, given: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        if secret.is_empty() {
            return false;
        }
        let mut differs = secret.len() ^ given.len();
        for (given, own) in given.iter().zip(secret.iter().cycle()) {
            differs |= usize::from(black_box(given ^ own));
        }
        black_box(differs) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_the_secret() {
        let config = Config::new("abc");
        assert!(config.secret.admits(b"Bearer abc"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a",
            "Bearer ab",
            "Bearer abd",
            "Bearer abcabc",
            "Bearer abc ",
            "bearer abc",
            "Bearer  abc",
            "Basic abc",
            "abc",
            "Bearer ABC",
            "Bearer abc\0",
        ] {
            assert!(!config.secret.admits(wrong.as_bytes()), "{wrong}");
        }
        assert!(!Config::new("").secret.admits(b"Bearer "));
    }

    #[test]
    fn it_is_never_shown() {
        assert!(!format!("{:?}", Config::new("hunter2")).contains("hunter2"));
    }
}
