//! Many clients on one loop.

mod dial;
mod lookup;
mod table;
mod turn;

use std::collections::{BTreeSet, VecDeque};
use std::fmt;
use std::io;
use std::time::Duration;

use chanson_core::client::{Client, Config, Event, Output};
use chanson_core::error::CommandError;
use chanson_core::time::Instant;
use mio::{Events, Poll, Waker};

use self::dial::Dial;
use self::lookup::Lookups;
pub use self::table::ClientId;
use self::table::Table;
use crate::server::{EVENTS, WAKER};
use crate::sockets::Sockets;
use crate::sys;

/// Many clients of channels servers on one thread, as an event loop: for bots, load tests, gateways.
///
/// It turns when [`poll`](Self::poll) is called. One turn reads from every socket that has something, lets time pass, and
/// writes once to each that has something to send; what happened is then told by [`poll_event`](Self::poll_event). Nothing
/// a server does, and no lack of file descriptors, makes it fail: a client whose connection is lost or cannot be had says
/// so by an event and comes back by itself, as its [`Config`] says.
///
/// ```
/// use chanson_core::client::{Config, Event};
/// use chanson_core::{Channel, Hub, Mount};
/// use chanson_mio::{Clients, Server};
/// use serde_json::json;
///
/// let room = Channel::new("room:*").on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
/// let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
/// let server = Server::bind("127.0.0.1:0", hub)?.spawn()?;
///
/// let mut clients = Clients::new()?;
/// let config = Config::new(&format!("ws://{}/socket", server.local_addr()))?;
/// for _ in 0..10 {
///     let id = clients.add(config.clone())?;
///     clients.act(id, |client, now| client.join(now, "room:lobby", json!({})))??;
/// }
/// let (mut joined, mut heard) = (0, 0);
/// while heard < 10 {
///     clients.poll(None)?;
///     while let Some((id, event)) = clients.poll_event() {
///         match event {
///             Event::Joined { channel, .. } => {
///                 joined += 1;
///                 if joined == 10 {
///                     clients.act(id, |client, now| client.push(now, channel, "new_msg", json!("all here")))??;
///                 }
///             }
///             Event::Message { payload, .. } => {
///                 assert_eq!(payload.as_payload().json().unwrap().as_str(), r#""all here""#);
///                 heard += 1;
///             }
///             _ => {}
///         }
///     }
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// Names are looked up on threads of their own, which live as long as that takes; a numeric address needs none. Where a
/// name has several addresses they are tried in turn, each for its share of `Config::connect_timeout`. For
/// `wss://` it needs the feature `tls`.
pub struct Clients {
    table: Table<Entry>,
    poll: Poll,
    events: Events,
    sockets: Sockets<ClientId>,
    lookups: Lookups,
    /// When to look at whom: at most one entry for each.
    timers: BTreeSet<(Instant, ClientId)>,
    /// To be looked at in the end of the turn.
    touched: VecDeque<ClientId>,
    /// Those that may have events.
    listed: VecDeque<ClientId>,
    start: std::time::Instant,
    /// The time of this turn.
    now: Instant,
    /// What was read last; one for all sockets.
    buffer: Box<[u8]>,
    /// How many turns in a row had more events than fit.
    crowded: u32,
    /// Whether events of a client were taken since the last turn that is not read from because of them.
    taken: bool,
    /// Whom the system trusts, once that was asked for.
    #[cfg(feature = "tls")]
    roots: Option<chanson_core::tls::Connector>,
}

/// A client and what is known of it here.
struct Entry {
    client: Client,
    dial: Dial,
    connect_timeout: Duration,
    /// Why there was no transport, or none any more.
    error: Option<io::Error>,
    touched: bool,
    listed: bool,
    /// Whether there may be something to read, which waits until events are taken.
    held_up: bool,
    /// Its moment in `Clients::timers`.
    timer: Option<Instant>,
}

impl Clients {
    /// With so many bytes of events that were not taken, about, a client is read from no more. One read comes on top.
    pub const MAX_WAITING: usize = 1 << 20;

    /// A loop without clients.
    ///
    /// # Errors
    /// The operating system has no room for an event queue.
    pub fn new() -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        Ok(Self {
            table: Table::new(),
            poll,
            events: Events::with_capacity(EVENTS),
            sockets: Sockets::default(),
            lookups: Lookups::new(waker),
            timers: BTreeSet::new(),
            touched: VecDeque::new(),
            listed: VecDeque::new(),
            start: std::time::Instant::now(),
            now: Instant::ORIGIN,
            buffer: vec![0; turn::READ_PER_TURN].into_boxed_slice(),
            crowded: 0,
            taken: false,
            #[cfg(feature = "tls")]
            roots: None,
        })
    }

    /// Read once for all clients: it takes a while.
    #[cfg(feature = "tls")]
    fn roots(&mut self) -> Result<chanson_core::tls::Connector, AddError> {
        if self.roots.is_none() {
            self.roots = Some(chanson_core::tls::Connector::system().map_err(|_| AddError::NoRoots)?);
        }
        self.roots.clone().ok_or(AddError::NoRoots)
    }

    /// Adds a client, which begins to connect; [`Event::Connected`] or `ConnectFailed` follows. It may join and push at
    /// once: that waits for the connection.
    ///
    /// # Errors
    /// For a `wss://` address `WithoutTls` without the feature `tls`, and `NoRoots` with it when the system trusts nobody and
    /// `Config::with_tls` was not called; `NoRandomness` when the operating system has none to give.
    pub fn add(&mut self, config: Config) -> Result<ClientId, AddError> {
        self.tick();
        let seed = sys::seed().map_err(|_| AddError::NoRandomness)?;
        let connect_timeout = config.connect_timeout;
        #[cfg(feature = "tls")]
        let config = match config.wants_tls() {
            true => config.with_tls(self.roots()?),
            false => config,
        };
        let mut client = Client::new(config, seed);
        client.connect(self.now);
        let output = client.poll_output();
        if let Some(Output::Connect { tls: true, .. }) = output {
            return Err(AddError::WithoutTls);
        }
        let (dial, error) = (Dial::Idle, None);
        let entry =
            Entry { client, dial, connect_timeout, error, touched: false, listed: false, held_up: false, timer: None };
        let id = self.table.insert(entry);
        if let Some(Output::Connect { host, port, .. }) = output {
            self.dial(id, &host, port);
        }
        self.touch(id);
        Ok(id)
    }

    /// Removes a client at once: its connection is cut, its events are gone. To part in good order `disconnect` it first
    /// and remove it when [`is_settled`](Self::is_settled).
    ///
    /// # Errors
    /// `UnknownConn` when there is no such client (any more).
    pub fn remove(&mut self, id: ClientId) -> Result<(), CommandError> {
        let entry = self.table.remove(id).ok_or(CommandError::UnknownConn)?;
        self.sockets.remove(self.poll.registry(), id);
        if let Some(at) = entry.timer {
            self.timers.remove(&(at, id));
        }
        Ok(())
    }

    /// A client, to ask; `None` when there is no such client (any more).
    pub fn client(&self, id: ClientId) -> Option<&Client> {
        self.table.get(id).map(|entry| &entry.client)
    }

    /// Has a client do something: `join`, `push`, `leave`, `disconnect`, `connect`. What comes of it leaves with the next
    /// turn, which does not wait. The client's `handle_*` and `poll_*` methods are for this loop to call.
    ///
    /// # Errors
    /// `UnknownConn` when there is no such client (any more). What `act` itself gives, be it an error, is in the `Ok`.
    pub fn act<T>(&mut self, id: ClientId, act: impl FnOnce(&mut Client, Instant) -> T) -> Result<T, CommandError> {
        let now = self.now();
        let entry = self.table.get_mut(id).ok_or(CommandError::UnknownConn)?;
        let result = act(&mut entry.client, now);
        self.touch(id);
        self.list(id);
        Ok(result)
    }

    /// One turn: waits until something happens, but not longer than `max_wait` (a `Duration`; `None`: for as long as it
    /// takes), does what there is to do, and returns. With a wait of zero it never sleeps.
    ///
    /// # Errors
    /// The operating system refused to wait for events. Nothing that a server does is an error here.
    pub fn poll(&mut self, max_wait: impl Into<Option<Duration>>) -> io::Result<()> {
        self.turn(max_wait.into())
    }

    /// What happened, to whom: in order for each client. Drain until `None` after each turn: a client of whose events
    /// [`MAX_WAITING`](Self::MAX_WAITING) bytes wait is not read from until some are taken, and its server may take it for dead.
    pub fn poll_event(&mut self) -> Option<(ClientId, Event)> {
        while let Some(id) = self.listed.front().copied() {
            if let Some(entry) = self.table.get_mut(id) {
                if let Some(event) = entry.client.poll_event() {
                    self.took_from(id);
                    return Some((id, event));
                }
                entry.listed = false;
            }
            self.listed.pop_front();
        }
        None
    }

    /// When the next turn is due at the latest, even if nothing happens; `None`: never. For hosts that wait for
    /// themselves: see `as_raw_fd`.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next_turn()
    }

    /// Now, as these clients count: the time since this was made.
    pub fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// How many clients there are.
    pub const fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All clients.
    pub fn ids(&self) -> impl Iterator<Item = ClientId> {
        self.table.ids()
    }

    /// Whether the client has no socket now and is opening none; after `disconnect`: whether its connection has ended, to
    /// the last close frame. True for one that does not exist.
    pub fn is_settled(&self, id: ClientId) -> bool {
        self.table.get(id).is_none_or(|entry| matches!(entry.dial, Dial::Idle) && !entry.touched)
            && !self.sockets.contains(id)
    }

    /// What the operating system said when the client's transport last failed or could not be opened: connection refused,
    /// no such host, too many open files. `None` if it never did.
    pub fn transport_error(&self, id: ClientId) -> Option<&io::Error> {
        self.table.get(id)?.error.as_ref()
    }
}

#[cfg(unix)]
impl std::os::fd::AsRawFd for Clients {
    /// Becomes readable when a turn is due because something happened: wait for it in a loop of your own, together with
    /// [`poll_timeout`](Clients::poll_timeout), then call [`poll`](Clients::poll) with a wait of zero.
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.poll.as_raw_fd()
    }
}

impl fmt::Debug for Clients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (clients, sockets) = (self.len(), self.sockets.len());
        f.debug_struct("Clients").field("clients", &clients).field("sockets", &sockets).finish_non_exhaustive()
    }
}

/// Why a client was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AddError {
    /// The address is `wss://`, and there is no TLS in this build.
    WithoutTls,
    /// The address is `wss://`, and the operating system has no certificates of those it trusts.
    NoRoots,
    /// The operating system has no randomness to give.
    NoRandomness,
}

impl fmt::Display for AddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::WithoutTls => "wss:// needs TLS: built without tls",
            Self::NoRoots => "the system has no certificates of those it trusts",
            Self::NoRandomness => "the operating system has no randomness to give",
        })
    }
}

impl std::error::Error for AddError {}

#[cfg(test)]
mod tests;
