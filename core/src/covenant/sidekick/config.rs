//! What a sidekick is told when it is made.

use std::time::Duration;

use crate::covenant::secret::Secret;

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
    /// Messages of clients that are on their way to the server or wait for it, at a time. One more is refused: its sender is
    /// told an error, with the fault `sidekick`. Default 65,536.
    pub calls: usize,
    /// Those of one connection. Default 4096.
    pub calls_per_connection: usize,
    /// Bytes of all of them; the first is taken however long it is. Default 64 MiB.
    pub call_bytes: usize,
    /// Bytes of those of one connection; the first is taken however long it is. Default 16 MiB.
    pub call_bytes_per_connection: usize,
    /// How many [`poll_call`](super::Sidekick::poll_call) gives out at a time, before there are results; at least one. One
    /// connection alone gets a quarter of them at most, so that others need not wait for it. Default 256.
    pub calls_out: usize,
    /// How long a message waits for those before it of its token to be answered, so that they reach the server in the order in
    /// which they were sent. Afterwards it sets out, behind them, and may overtake them: a slow server is not asked about one at
    /// a time. Zero: it waits for nothing, as in the original. `Duration::MAX`: the order is kept whatever it takes. Needs
    /// [`Sidekick::handle_timeout`](super::Sidekick::handle_timeout), without which the order is kept. Default 250 ms.
    pub order_wait: Duration,
}

impl Config {
    /// With the secret that the server shows. An empty one lets nobody in.
    pub fn new(secret: &str) -> Self {
        Self {
            secret: Secret::new(secret),
            auth_delay: Duration::from_secs(3),
            token_ttl: Duration::from_secs(600),
            tokens: 65_536,
            token_bytes: 64 << 20,
            max_token: 256,
            subscriptions_per_connection: 1024,
            calls: 65_536,
            calls_per_connection: 4096,
            call_bytes: 64 << 20,
            call_bytes_per_connection: 16 << 20,
            calls_out: 256,
            order_wait: Duration::from_millis(250),
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
    with_call_bytes_per_connection call_bytes_per_connection: usize
    with_calls_out calls_out: usize
    with_order_wait order_wait: Duration
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_never_shown() {
        assert!(!format!("{:?}", Config::new("hunter2")).contains("hunter2"));
    }
}
