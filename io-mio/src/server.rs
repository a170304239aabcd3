//! The server, as a program sees it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::time::Duration;

use chanson_core::Hub;
use chanson_core::driver::{self, Config, Handle, IntoHub, Running, Stats};
use chanson_core::time::Instant;
use mio::Token;
use mio::net::TcpListener;

use crate::many::Many;
use crate::single::Single;
use crate::sys;

/// A hub and its sockets, as an event loop.
///
/// It turns when [`poll_with`](Self::poll_with) is called, or over and over in [`run_with`](Self::run_with). One turn reads
/// from every socket that has something, lets the hub do its work, and then writes to each connection once, whatever
/// was said to it in that turn. Peers never make it fail.
///
/// With [`Config::threads`] the sockets are on other threads, which turn by themselves, and a turn here is the hub's: see
/// [Several threads](crate#several-threads).
pub struct Server<S = ()> {
    engine: Engine<S>,
    addr: SocketAddr,
}

enum Engine<S> {
    Single(Box<Single<S>>),
    Many(Box<Many<S>>),
}

/// The same of either.
macro_rules! on {
    ($server:expr, $engine:ident => $does:expr) => {
        match $server {
            Engine::Single($engine) => $does,
            Engine::Many($engine) => $does,
        }
    };
}

/// How far it is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    /// No more connections come in; those that are there have until then.
    Draining(Instant),
    Finished,
}

/// Time since a server was made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(std::time::Instant);

impl Clock {
    pub(crate) fn new() -> Self {
        Self(std::time::Instant::now())
    }

    pub(crate) fn now(self) -> Instant {
        Instant::from_nanos(u64::try_from(self.0.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }
}

impl<S> Server<S> {
    /// Listens at `addr`, with the default configuration. Port 0 is any free one. `hub` is a hub, or the builder of one, which
    /// gets its seed from the operating system.
    ///
    /// # Errors
    /// The address is none, or cannot be had: the error names it. `InvalidInput` with a `BuildError` in it when the hub cannot be
    /// built.
    pub fn bind(addr: impl ToSocketAddrs, hub: impl IntoHub<S>) -> io::Result<Self> {
        Self::bind_with(addr, hub, Config::default())
    }

    /// The same with a configuration.
    ///
    /// # Errors
    /// As [`bind`](Self::bind).
    pub fn bind_with(addr: impl ToSocketAddrs, hub: impl IntoHub<S>, config: Config) -> io::Result<Self> {
        let hub = hub.into_hub(sys::seed)?;
        let listener = driver::listen(addr.to_socket_addrs()?, |addr| sys::listen(addr, config.backlog))?;
        Self::from_listener(listener, hub, config)
    }

    /// Takes a listener that is there already: inherited from a parent process, or with options of its own.
    ///
    /// # Errors
    /// The operating system has no room for an event queue, or no thread to give; the hub cannot be built; `InvalidInput` for a
    /// number of threads that is none.
    pub fn from_listener(listener: std::net::TcpListener, hub: impl IntoHub<S>, config: Config) -> io::Result<Self> {
        let hub = hub.into_hub(sys::seed)?;
        if !(1..=MAX_THREADS).contains(&config.threads) {
            let text = format!("{} threads: there can be from 1 to {MAX_THREADS}", config.threads);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        }
        listener.set_nonblocking(true)?;
        let (addr, listener) = (listener.local_addr()?, TcpListener::from_std(listener));
        let engine = match config.threads {
            1 => Engine::Single(Box::new(Single::new(listener, hub, config)?)),
            _ => Engine::Many(Box::new(Many::new(listener, hub, config)?)),
        };
        Ok(Self { engine, addr })
    }

    /// Where it listens (or did).
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// A handle, for other threads.
    pub fn handle(&self) -> Handle {
        on!(&self.engine, engine => engine.inbox.handle())
    }

    /// One turn: waits until something happens, but not longer than `max_wait` (a `Duration`; `None`: for as long as it
    /// takes), does what there is to do, and returns. With a wait of zero it never sleeps. So it returns often where much happens:
    /// see [`run_until_with`](Self::run_until_with) for a loop with a pace of its own.
    ///
    /// # Errors
    /// The operating system refused to wait for events, here or on another of the server's threads. Nothing that a peer does
    /// is an error here.
    pub fn poll_with(&mut self, app: &mut S, max_wait: impl Into<Option<Duration>>) -> io::Result<()> {
        on!(&mut self.engine, engine => engine.turn(app, max_wait.into()))
    }

    /// Turns until it was shut down and has ended.
    ///
    /// # Errors
    /// As [`poll_with`](Self::poll_with).
    pub fn run_with(&mut self, app: &mut S) -> io::Result<()> {
        while !self.is_finished() {
            on!(&mut self.engine, engine => engine.turn(app, None))?;
        }
        Ok(())
    }

    /// Turns until `until` (see [`now`](Self::now)), however much happens before, or until the server was shut down and has ended:
    /// what is between two ticks of a loop that has its own pace. At least once, if the moment has come already.
    ///
    /// ```no_run
    /// # use chanson_core::{Hub, Mount};
    /// use std::time::Duration;
    /// use chanson_mio::Server;
    ///
    /// struct Game { tick: u64 }
    ///
    /// let hub = Hub::builder().mount(Mount::channels("/socket"));
    /// let (mut server, mut game) = (Server::bind("127.0.0.1:4000", hub)?, Game { tick: 0 });
    /// let mut next = server.now();
    /// while !server.is_finished() {
    ///     next += Duration::from_nanos(1_000_000_000 / 60);
    ///     server.run_until_with(&mut game, next)?;
    ///     game.tick += 1; // sixty times a second
    ///     // A number can always be told.
    ///     server.act(&mut game, |hub, game| hub.broadcast("game:1", "tick", serde_json::json!(game.tick))).ok();
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`poll_with`](Self::poll_with).
    pub fn run_until_with(&mut self, app: &mut S, until: Instant) -> io::Result<()> {
        loop {
            self.poll_with(app, until - self.now())?;
            if self.is_finished() || self.now() >= until {
                return Ok(());
            }
        }
    }

    /// Runs on a thread of its own, which has the application's state until the server ends.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn spawn_with(mut self, mut app: S) -> io::Result<Running<S>>
    where
        S: Send + 'static,
    {
        let (handle, addr) = (self.handle(), self.addr);
        let thread = std::thread::Builder::new().name("chanson".into()).spawn(move || {
            let result = self.run_with(&mut app);
            (app, result)
        })?;
        Ok(Running::new(handle, addr, thread))
    }

    /// The hub, to ask; see [`act`](Self::act) to have it do something.
    pub fn hub(&self) -> &Hub<S> {
        match &self.engine {
            Engine::Single(engine) => engine.endpoint.hub(),
            Engine::Many(engine) => engine.sharded.hub(),
        }
    }

    /// Does something with the hub, between turns. What comes of it leaves at the end of the next turn, together with all else
    /// that its receivers are owed by then; that turn does not wait, whatever it may. A loop that acts and polls in turns is paced by
    /// [`run_until_with`](Self::run_until_with).
    ///
    /// With several threads it waits for those that have sockets when they are so far behind that more than
    /// `Capacity::queued_bytes` would have to be kept for them.
    pub fn act<T>(&mut self, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        on!(&mut self.engine, engine => engine.act(app, act))
    }

    /// Now, as this server's hub counts: the time since the server was made.
    pub fn now(&self) -> Instant {
        on!(&self.engine, engine => engine.now())
    }

    /// When the next turn is due at the latest, even if nothing happens; `None`: never. For hosts that wait for
    /// themselves: see `as_raw_fd`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        on!(&self.engine, engine => engine.next_turn())
    }

    /// Counters and gauges, now.
    pub fn stats(&self) -> Stats {
        on!(&self.engine, engine => engine.stats())
    }

    /// Begins to end: the listener is closed, every connection is told 1012 (service restart: clients come back), and what
    /// they are owed is sent in the turns that follow, within [`Config::drain`]. Then they are cut, and the server
    /// [has ended](Self::is_finished). Called once more, it cuts at once.
    pub fn shutdown(&mut self, app: &mut S) {
        on!(&mut self.engine, engine => engine.shutdown(app));
    }

    /// Ends at once: connections are told 1012 if they take it without delay, and cut.
    pub fn abort(&mut self, app: &mut S) {
        self.shutdown(app);
        self.shutdown(app);
    }

    /// Whether it was shut down and has ended. Turns do nothing then.
    pub fn is_finished(&self) -> bool {
        on!(&self.engine, engine => engine.is_finished())
    }
}

impl Server<()> {
    /// One turn, as [`poll_with`](Self::poll_with).
    ///
    /// # Errors
    /// As there.
    pub fn poll(&mut self, max_wait: impl Into<Option<Duration>>) -> io::Result<()> {
        self.poll_with(&mut (), max_wait)
    }

    /// Turns until it was shut down and has ended.
    ///
    /// # Errors
    /// As [`poll_with`](Self::poll_with).
    pub fn run(&mut self) -> io::Result<()> {
        self.run_with(&mut ())
    }

    /// Turns until `until`, as [`run_until_with`](Self::run_until_with).
    ///
    /// # Errors
    /// As [`poll_with`](Self::poll_with).
    pub fn run_until(&mut self, until: Instant) -> io::Result<()> {
        self.run_until_with(&mut (), until)
    }

    /// Runs on a thread of its own.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn spawn(self) -> io::Result<Running> {
        self.spawn_with(())
    }
}

#[cfg(unix)]
impl<S> std::os::fd::AsRawFd for Server<S> {
    /// Becomes readable when a turn is due because something happened: wait for it in a loop of your own, together with
    /// [`poll_timeout`](Server::poll_timeout), then call [`poll_with`](Server::poll_with) with a wait of zero.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        on!(&self.engine, engine => engine.poll.as_raw_fd())
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (stage, connections) = on!(&self.engine, engine => (engine.stage, engine.connections()));
        f.debug_struct("Server")
            .field("addr", &self.addr)
            .field("stage", &stage)
            .field("connections", &connections)
            .finish_non_exhaustive()
    }
}

pub(crate) const LISTENER: Token = Token(0);
pub(crate) const WAKER: Token = Token(1);

/// Events taken in one turn.
pub(crate) const EVENTS: usize = 1024;

/// Bytes read at a time at most.
pub(crate) const MAX_BUFFER: usize = 80 << 10;

/// More threads than this would only be in each other's way.
const MAX_THREADS: usize = 1024;
