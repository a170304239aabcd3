//! How a driver treats its sockets.

use std::time::Duration;

use crate::endpoint;

/// How a server treats its sockets. What the protocol may use up is in `Capacity`, which the hub is built with.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Time limits at the byte level, and what happens to peers that do not read.
    pub endpoint: endpoint::Config,
    /// How many threads the event-loop driver has, from 1 to 1024. With one, the thread that calls `run` or `poll` does all. With
    /// more, that thread has the hub and accepts connections, and the others, which the server starts, have the sockets: they
    /// read, decode, compress, encrypt and write. 1. Of no meaning to the thread driver.
    pub threads: usize,
    /// How long a shutdown waits for peers to take what they are owed and to say goodbye. 5 s.
    pub drain: Duration,
    /// Connections that the operating system keeps until they are accepted; it may know a lower bound of its own. 1024.
    pub backlog: u32,
    /// Bytes read from one connection before the others have their turn. 80 KiB, so that the largest message of a mount with the
    /// default bound, 64 KiB, comes in one; the thread driver takes 8 KiB at most.
    pub read_per_turn: usize,
    /// Connections accepted in one turn, so that a burst of them does not starve those that are open. 128. Of no meaning
    /// to the thread driver, where connections are accepted one by one between all else.
    pub accepts_per_turn: usize,
    /// Commands of handles carried out in one turn. 256.
    pub commands_per_turn: usize,
    /// For how long the operating system tries to bring bytes to a peer that does not acknowledge them, or has no room for
    /// them, before it ends the connection (`TCP_USER_TIMEOUT`, where there is one: on Linux); to the millisecond. `None`: as
    /// long as the system likes, which is a quarter of an hour and more. 60 s.
    pub tcp_user_timeout: Option<Duration>,
    /// After how much silence of a peer the operating system asks whether it is still there (TCP keep-alive, to the second);
    /// `None`, as by default: never. Of use where connections have no idle timeout, and one whose peer has vanished without
    /// a word would stay for ever.
    pub tcp_keepalive: Option<Duration>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            endpoint: endpoint::Config::default(),
            threads: 1,
            drain: Duration::from_secs(5),
            backlog: 1024,
            read_per_turn: 80 << 10,
            accepts_per_turn: 128,
            commands_per_turn: 256,
            tcp_user_timeout: Some(Duration::from_secs(60)),
            tcp_keepalive: None,
        }
    }
}

#[cfg(feature = "tls")]
impl Config {
    /// The same with TLS on all connections. Keep a clone to change the certificates while the server runs.
    #[must_use]
    pub fn with_tls(mut self, acceptor: crate::tls::Acceptor) -> Self {
        self.endpoint = self.endpoint.with_tls(acceptor);
        self
    }
}

/// A setter for each field.
macro_rules! setters {
    ($($with:ident $field:ident $type:ty)*) => {
        impl Config {$(
            #[doc = concat!("The same with another [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
            #[must_use]
            pub fn $with(mut self, $field: $type) -> Self {
                self.$field = $field;
                self
            }
        )*}
    };
}

setters! {
    with_endpoint endpoint endpoint::Config
    with_threads threads usize
    with_drain drain Duration
    with_backlog backlog u32
    with_read_per_turn read_per_turn usize
    with_accepts_per_turn accepts_per_turn usize
    with_commands_per_turn commands_per_turn usize
    with_tcp_user_timeout tcp_user_timeout Option<Duration>
    with_tcp_keepalive tcp_keepalive Option<Duration>
}
