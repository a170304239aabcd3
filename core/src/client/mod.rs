//! A client of a channels server, without I/O: joins, pushes and their replies, heartbeats, coming back after a loss.
//!
//! It does on the wire what phoenix.js 1.8.16 does, frame by frame (`tests/data/phoenix_js`), and knows no socket. A driver
//! opens and closes the transport as [`Output`] says, moves bytes and tells the time; the application says what it wants
//! and reads [`Event`]s. Here the transport is an [`Endpoint`](crate::Endpoint) in memory:
//!
//! ```
//! use std::io::IoSlice;
//! use chanson_core::client::{Client, Config, Event, Output};
//! use chanson_core::{Channel, Endpoint, Hub, Mount, time::Instant};
//! use serde_json::json;
//!
//! let room = Channel::new("room:*").on("ping", |socket, msg| socket.reply(msg.payload));
//! let hub: Hub = Hub::builder().seed([7; 32]).mount(Mount::channels("/socket").channel(room)).build()?;
//! let (mut server, mut conn) = (Endpoint::new(hub), None);
//!
//! let now = Instant::ORIGIN;
//! let mut client = Client::new(Config::new("ws://example.org/socket")?, [8; 32]);
//! client.connect(now);
//! let room = client.join(now, "room:lobby", json!({}))?;
//! let ping = client.push(now, room, "ping", json!({ "n": 1 }))?; // waits for the join
//!
//! let mut events = Vec::new();
//! loop {
//!     while let Some(output) = client.poll_output() {
//!         if let Output::Connect { .. } = output {
//!             conn = Some(server.handle_connect(now, None)?);
//!             client.handle_connected(now);
//!         }
//!     }
//!     let Some(conn) = conn else { break };
//!     let mut slices = [IoSlice::new(&[]); 16];
//!     let count = client.pending(&mut slices);
//!     let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
//!     client.advance(now, bytes.len());
//!     server.handle_bytes(now, &mut (), conn, &bytes);
//!
//!     let mut slices = [IoSlice::new(&[]); 16];
//!     let count = server.pending(conn, &mut slices);
//!     let answer: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
//!     server.advance(now, conn, answer.len());
//!     client.handle_bytes(now, &answer);
//!     while let Some(event) = client.poll_event() {
//!         events.push(event);
//!     }
//!     if bytes.is_empty() && answer.is_empty() {
//!         break; // with real sockets: wait for bytes, or until client.poll_timeout()
//!     }
//! }
//! assert_eq!(events[0], Event::Connected);
//! assert!(matches!(&events[1], Event::Joined { channel, .. } if *channel == room));
//! assert!(matches!(&events[2], Event::Reply { push, status, .. } if *push == ping && status.is_ok()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - A push has one end: [`Event::Reply`], [`Event::Timeout`] or [`Event::Aborted`].
//! - A push made before the join is done or while there is no connection waits, in order, and goes out behind the join; its
//!   time runs meanwhile, and anew when it is sent. One that was sent when the connection broke is not sent again.
//! - Channels that were joined join again after a loss, with the same params; one that is refused tries again.
//! - A message with another `join_ref` than the channel's is dropped: it is of an earlier join.
//! - A heartbeat that is not answered closes the connection (1000, "heartbeat timeout"), and a new one is opened.
//! - [`disconnect`](Client::disconnect) sends a close frame and no leaves; channels and pushes stay for the next
//!   [`connect`](Client::connect).
//! - What cannot be decoded is ignored and counted, as a browser does.

mod backoff;
mod channels;
mod command;
mod config;
mod event;
mod link;
mod object;
mod presence;
mod pushes;
mod receive;
pub(crate) mod timers;
pub(crate) mod url;
mod waiting;

use std::fmt;
use std::io::IoSlice;

pub use self::backoff::Backoff;
use self::channels::{Channels, State};
pub use self::config::{Capacity, Config};
pub use self::event::{Cause, ChannelId, Closing, ConnectError, Event, JoinError, Output, PushId, Status};
use self::link::Link;
pub use self::presence::Presence;
use self::pushes::Pushes;
use self::timers::{Due, Timers};
pub use self::url::UrlError;
use self::waiting::Waiting;
use crate::time::Instant;

/// A client: one connection at a time, any number of channels on it.
///
/// What waits for `poll_event` has no bound of its own: it is what one call has made of the bytes that it was given, about
/// an event for each message. So hand in no more than a read's worth (64 KiB, say) before you drain; a host that drains later
/// reads no more when enough [waits](Self::waiting_bytes).
///
/// After every call that takes `now`, drain [`poll_output`](Self::poll_output) and [`poll_event`](Self::poll_event), send
/// what is [`pending`](Self::pending), and call [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says. See the [module](self) for a whole loop.
///
/// ```
/// use chanson_core::client::{Client, Config, Output};
/// use chanson_core::time::Instant;
///
/// let mut client = Client::new(Config::new("wss://example.org/socket")?, [7; 32]);
/// client.connect(Instant::ORIGIN);
/// let connect = Output::Connect { host: "example.org".into(), port: 443, tls: true };
/// assert_eq!(client.poll_output(), Some(connect));
/// // The driver opens it, says `handle_connected`, and moves bytes.
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    config: Config,
    link: Link,
    channels: Channels,
    pushes: Pushes,
    timers: Timers<Due>,
    events: Waiting,
    /// What copies of presences in `events` need, about.
    told_presences: usize,
    stats: Stats,
    now: Instant,
    /// The last ref that was used: one counter for joins, leaves, pushes and heartbeats.
    refs: u64,
    /// Room that payloads are written into.
    scratch: Vec<u8>,
    /// The message that is being handled.
    inbox: Vec<u8>,
}

/// What a client has dropped; see [`Client::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages of an earlier join.
    pub stale: u64,
    /// Messages of a topic without a channel.
    pub unrouted: u64,
    /// Replies to nothing that waits: it had timed out, or there was one already.
    pub late_replies: u64,
    /// Messages that are no channels messages.
    pub undecodable: u64,
}

impl Client {
    /// A client that does nothing until [`connect`](Self::connect). `seed` is for masks, keys and jitter: from the operating
    /// system, or fixed in a test.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        Self {
            link: Link::new(&config, seed),
            channels: Channels::default(),
            pushes: Pushes::default(),
            timers: Timers::default(),
            events: Waiting::default(),
            told_presences: 0,
            stats: Stats::default(),
            now: Instant::ORIGIN,
            refs: 0,
            scratch: Vec::new(),
            inbox: Vec::new(),
            config,
        }
    }

    // --- what happened ---

    /// The transport that [`Output::Connect`] asked for is up (where the host speaks TLS: after its handshake). Ignored when none
    /// was asked for.
    pub fn handle_connected(&mut self, now: Instant) {
        self.tick(now);
        self.begin_upgrade();
        self.pump();
    }

    /// Bytes came. Ignored when there is no transport. All that they say is handled at once; the events wait for
    /// [`poll_event`](Self::poll_event), about as many as there were messages.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.tick(now);
        if let Some(session) = self.link.session_mut() {
            session.handle_bytes(now, bytes);
        }
        self.pump();
    }

    /// The server sends no more.
    pub fn handle_eof(&mut self, now: Instant) {
        self.tick(now);
        self.end_transport(false);
        self.pump();
    }

    /// The transport could not be opened, or failed.
    pub fn handle_error(&mut self, now: Instant) {
        self.tick(now);
        self.end_transport(true);
        self.pump();
    }

    /// Time has passed. Behind this [`poll_timeout`](Self::poll_timeout) is `None` or later than `now`.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        let now = self.now;
        if let Some(session) = self.link.session_mut() {
            session.handle_timeout(now);
        }
        self.pump();
        while let Some(due) = self.timers.pop_due(now) {
            match due {
                Due::Connect => self.connect_timed_out(),
                Due::Reconnect => self.reconnect(),
                Due::Heartbeat => self.send_heartbeat(),
                Due::HeartbeatTimeout => self.heartbeat_timed_out(),
                Due::JoinTimeout(channel) => self.join_timed_out(channel),
                Due::Rejoin(channel) => self.rejoin_due(channel),
                Due::Push(push) => self.push_timed_out(push),
            }
        }
        self.settle();
    }

    // --- what to do ---

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None` when nothing is waiting.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let session = self.link.session().and_then(|session| session.poll_timeout());
        self.timers.next().into_iter().chain(session).min()
    }

    /// What to do with the transport. Drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.link.outputs.pop_front()
    }

    /// What happened, one event after the other. Drain until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.told_presences -= receive::told_presences(&event);
        Some(event)
    }

    /// Bytes to send: fills as many slices as there are, in order, and says how many. With TLS it is one at a time, and there may
    /// be more behind it: ask until there is none.
    pub fn pending<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
        self.link.session_mut().map_or(0, |session| session.pending(slices))
    }

    /// The next `n` pending bytes were handed to another thread, which will say later that they have left: until
    /// [`advance`](Self::advance) they stay pending, and as they are. See `Session::commit`.
    pub fn commit(&mut self, n: usize) {
        if let Some(session) = self.link.session_mut() {
            session.commit(n);
        }
    }

    /// `n` bytes of what is pending have been sent.
    pub fn advance(&mut self, now: Instant, n: usize) {
        self.tick(now);
        let now = self.now;
        if let Some(session) = self.link.session_mut() {
            session.advance(now, n);
        }
        self.settle();
    }

    // --- getters ---

    /// Whether messages flow.
    pub const fn is_connected(&self) -> bool {
        self.link.is_open()
    }

    /// Whether the channel is joined now, so that a push goes out at once.
    pub fn is_joined(&self, channel: ChannelId) -> bool {
        self.channels.get(channel).is_some_and(|channel| channel.state == State::Joined)
    }

    /// The channel of a topic: joined, or trying to be.
    pub fn channel(&self, topic: &str) -> Option<ChannelId> {
        self.channels.find(topic)
    }

    /// The topic of a channel; `None` when it has closed.
    pub fn topic(&self, channel: ChannelId) -> Option<&str> {
        self.channels.get(channel).map(|channel| &*channel.topic)
    }

    /// Who is there, in the order in which they came. Empty unless presence is [tracked](Self::track_presence) and the
    /// server has sent its state.
    pub fn presence(&self, channel: ChannelId) -> impl Iterator<Item = (&str, &Presence)> {
        let roster = self.channels.get(channel).and_then(|channel| channel.roster.as_ref());
        roster.into_iter().flat_map(presence::Roster::iter)
    }

    /// How many pushes and pings have not had their end.
    pub fn open_pushes(&self) -> usize {
        self.pushes.len()
    }

    /// How many bytes wait to be sent, headers and control frames included.
    pub fn queued_bytes(&self) -> usize {
        self.link.session().map_or(0, |session| session.queued_bytes())
    }

    /// Bytes of memory that events take which wait for [`poll_event`](Self::poll_event), about.
    pub const fn waiting_bytes(&self) -> usize {
        self.events.bytes()
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Time does not go backwards here.
    fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn next_ref(&mut self) -> u64 {
        self.refs += 1;
        self.refs
    }
}

impl fmt::Debug for Client {
    /// Nothing of what channels and pushes carry, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("config", &self.config)
            .field("link", &self.link)
            .field("channels", &self.channels.len())
            .field("open_pushes", &self.open_pushes())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
