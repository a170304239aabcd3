//! What is behind the handles of hubs, endpoints and servers: they differ in who moves the bytes, not in what they say.

use chanson_core::time::Instant;
use chanson_core::{Endpoint, Hub};

use crate::connect::chanson_connect;
use crate::endpoint::Users;
use crate::http::chanson_http;
use crate::hub::Lent;
use crate::raw::chanson_raw;
use crate::slot::Pinned;
use crate::socket::chanson_socket;

/// The application's state, as the hub knows it: what its callbacks are handed.
pub(crate) struct App {
    pub(crate) connect: Pinned<chanson_connect>,
    pub(crate) socket: Pinned<chanson_socket>,
    pub(crate) raw: Pinned<chanson_raw>,
    pub(crate) http: Pinned<chanson_http>,
}

impl App {
    pub(crate) fn new() -> Self {
        Self { connect: Pinned::new(), socket: Pinned::new(), raw: Pinned::new(), http: Pinned::new() }
    }
}

/// A hub and who moves its bytes.
pub(crate) enum Level {
    /// The host, message by message.
    Hub(Box<Hub<App>>),
    /// The host, byte by byte.
    Endpoint(Box<Endpoint<App>>, Users),
    /// The event loop.
    #[cfg(feature = "server")]
    Server(Box<chanson_mio::Server<App>>),
}

/// What is behind a handle.
pub(crate) struct Core {
    // Before the slots: what it drops may run callbacks no more, but has been lent them.
    pub(crate) level: Level,
    pub(crate) app: App,
    /// The latest time that the host told.
    pub(crate) now: Instant,
    /// What was lent to the host until its next call.
    pub(crate) lent: Lent,
}

impl Core {
    pub(crate) fn new(level: Level) -> Self {
        Self { level, app: App::new(), now: Instant::ORIGIN, lent: Lent::default() }
    }

    /// The host says what time it is. It does not go backwards here.
    pub(crate) fn tick(&mut self, now_ms: u64) -> Instant {
        self.now = self.now.max(Instant::from_millis(now_ms));
        self.now
    }

    /// The hub, to ask.
    pub(crate) fn hub(&self) -> &Hub<App> {
        match &self.level {
            Level::Hub(hub) => hub,
            Level::Endpoint(endpoint, _) => endpoint.hub(),
            #[cfg(feature = "server")]
            Level::Server(server) => server.hub(),
        }
    }

    /// Has the hub do something; what comes of it goes where this level's outputs go.
    pub(crate) fn act<T>(&mut self, act: impl FnOnce(&mut Hub<App>, &mut App, Instant) -> T) -> T {
        let now = self.now;
        match &mut self.level {
            Level::Hub(hub) => act(hub, &mut self.app, now),
            Level::Endpoint(endpoint, _) => endpoint.act(now, &mut self.app, |hub, app| act(hub, app, now)),
            #[cfg(feature = "server")]
            Level::Server(server) => {
                let now = server.now();
                server.act(&mut self.app, |hub, app| act(hub, app, now))
            }
        }
    }
}
