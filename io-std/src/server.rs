//! The server, as a program sees it.

use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::time::Duration;

use chanson_core::driver::{self, Config, Handle, Inbox, IntoHub, Running, Stats};
use chanson_core::time::Instant;
use chanson_core::{ConnId, Endpoint, Hub};
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::conns::Conns;
use crate::door::Door;
use crate::sys;
use crate::threads::{Input, Sent};

/// A hub on one thread, and two threads for each connection.
///
/// The hub's thread is the one that calls [`run_with`](Self::run_with), or [`poll_with`](Self::poll_with) over and over.
/// Threads for connections are started and ended as these come and go; when the system has none to give, a connection is
/// answered 503. Peers never make it fail.
pub struct Server<S = ()> {
    pub(crate) endpoint: Endpoint<S>,
    pub(crate) door: Door,
    pub(crate) conns: Conns,
    /// Connections whose socket failed.
    pub(crate) dead: Vec<ConnId>,
    /// `None` at the end, by which threads learn of it.
    pub(crate) channels: Option<Channels>,
    pub(crate) inbox: Inbox,
    addr: SocketAddr,
    pub(crate) config: Config,
    /// Bytes of stack of each thread.
    pub(crate) stack: usize,
    /// How many of them there may be.
    pub(crate) max_threads: usize,
    start: std::time::Instant,
    /// The time of this turn.
    pub(crate) now: Instant,
    pub(crate) stage: Stage,
    /// Bytes that came in since writers last had all there was.
    pub(crate) input: usize,
    /// How often what was held back went on in this turn.
    pub(crate) rounds: u32,
    /// Whether something was done between turns that may have led to output.
    pub(crate) acted: bool,
    /// Until when timers do not fire, since they are late.
    pub(crate) held_up: Option<Instant>,
    pub(crate) stats: Stats,
}

/// From the threads of connections to the hub's.
pub(crate) struct Channels {
    pub(crate) inputs: (Sender<Input>, Receiver<Input>),
    pub(crate) sent: (Sender<Sent>, Receiver<Sent>),
}

/// How far it is from its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Running,
    /// No more connections come in; those that are there have until then.
    Draining(Instant),
    Finished,
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
    /// The operating system has no thread to give; the hub cannot be built.
    pub fn from_listener(listener: TcpListener, hub: impl IntoHub<S>, config: Config) -> io::Result<Self> {
        let mut hub = hub.into_hub(sys::seed)?;
        let addr = listener.local_addr()?;
        let channels = Channels { inputs: bounded(WAITING), sent: bounded(WAITING) };
        let wake = channels.inputs.0.clone();
        let inbox = Inbox::new(hub.capacity().commands, move || {
            // When it is full, the server has something to turn for.
            drop(wake.try_send(Input::Wake));
            Ok(())
        });
        inbox.write_metrics(&mut hub);
        Ok(Self {
            endpoint: Endpoint::with_config(hub, config.endpoint.clone()),
            door: Door::open(listener, channels.inputs.0.clone(), STACK)?,
            conns: Conns::default(),
            dead: Vec::new(),
            channels: Some(channels),
            inbox,
            addr,
            config,
            stack: STACK,
            max_threads: sys::max_threads(),
            start: std::time::Instant::now(),
            now: Instant::ORIGIN,
            stage: Stage::Running,
            input: 0,
            rounds: 0,
            acted: false,
            held_up: None,
            stats: Stats::default(),
        })
    }

    /// Where it listens (or did).
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// A handle, for other threads.
    pub fn handle(&self) -> Handle {
        self.inbox.handle()
    }

    /// One turn: waits until something happens, but not longer than `max_wait` (a `Duration`; `None`: for as long as it
    /// takes), does what there is to do, and returns. With a wait of zero it never sleeps. So it returns often where much happens:
    /// see [`run_until_with`](Self::run_until_with) for a loop with a pace of its own.
    ///
    /// # Errors
    /// None so far; other drivers have some. Nothing that a peer does is an error here.
    pub fn poll_with(&mut self, app: &mut S, max_wait: impl Into<Option<Duration>>) -> io::Result<()> {
        self.turn(app, max_wait.into());
        Ok(())
    }

    /// Turns until it was shut down and has ended.
    ///
    /// # Errors
    /// As [`poll_with`](Self::poll_with).
    pub fn run_with(&mut self, app: &mut S) -> io::Result<()> {
        while !self.is_finished() {
            self.turn(app, None);
        }
        Ok(())
    }

    /// Turns until `until` (see [`now`](Self::now)), however much happens before, or until the server was shut down and has ended:
    /// what is between two ticks of a loop that has its own pace. At least once, if the moment has come already.
    ///
    /// ```no_run
    /// # use chanson_core::{Hub, Mount};
    /// use std::time::Duration;
    /// use chanson_std::Server;
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
    pub const fn hub(&self) -> &Hub<S> {
        self.endpoint.hub()
    }

    /// Does something with the hub, between turns. What comes of it leaves at the end of the next turn, together with all else
    /// that its receivers are owed by then; that turn does not wait, whatever it may. A loop that acts and polls in turns is paced by
    /// [`run_until_with`](Self::run_until_with).
    pub fn act<T>(&mut self, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        let now = self.now();
        let result = self.endpoint.act(now, app, act);
        // A host that says much between two turns does so at the speed of its peers.
        if self.endpoint.holds_back() {
            self.rounds = 0;
            self.flush(app);
        }
        self.acted = true;
        result
    }

    /// Now, as this server's hub counts: the time since the server was made.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// When the next turn is due at the latest, even if nothing happens; `None`: never.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_turn()
    }

    /// Counters and gauges, now.
    pub fn stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.endpoint = self.endpoint.stats();
        stats
    }

    /// Begins to end: the listener is closed, every connection is told 1012 (service restart: clients come back), and what
    /// they are owed is sent in the turns that follow, within [`Config::drain`]. Then they are cut, and the server
    /// [has ended](Self::is_finished). Called once more, it cuts at once.
    pub fn shutdown(&mut self, app: &mut S) {
        self.now = self.now.max(self.now());
        match self.stage {
            Stage::Running => self.begin_to_end(app),
            Stage::Draining(_) => self.finish(app),
            Stage::Finished => {}
        }
    }

    /// Ends at once: connections are told 1012 if they take it without delay, and cut.
    pub fn abort(&mut self, app: &mut S) {
        self.shutdown(app);
        self.shutdown(app);
    }

    /// Whether it was shut down and has ended. Turns do nothing then.
    pub fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
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

impl<S> Drop for Server<S> {
    fn drop(&mut self) {
        self.end_threads();
    }
}

impl<S> fmt::Debug for Server<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (addr, stage, connections) = (&self.addr, &self.stage, self.conns.len());
        f.debug_struct("Server")
            .field("addr", addr)
            .field("stage", stage)
            .field("connections", &connections)
            .finish_non_exhaustive()
    }
}

/// Inputs, and reports of writers, that wait for the hub's thread; beyond, their threads wait.
const WAITING: usize = 1024;

/// Bytes of stack of each thread; they hardly call anything. A page or two of it are ever touched.
const STACK: usize = 64 << 10;
