//! A client, without I/O: asks for tokens, subscribes, sends, calls procedures, listens to what they look at, and comes back
//! after a loss.
//!
//! A driver performs what [`Output`] says: it opens and closes the transport to the Sidekick and moves its bytes, and brings
//! requests to the server and answers back. The application says what it wants and reads [`Event`]s. Here the server and the
//! Sidekick are a few lines each:
//!
//! ```
//! use chanson_core::covenant::client::{Client, Config, Event, Output};
//! use chanson_core::covenant::connection::{Answer, HttpClientToServer, MessagesToSidekick};
//! use chanson_core::covenant::contract::Channel;
//! use chanson_core::time::Instant;
//! use std::collections::BTreeMap;
//!
//! struct Chat;
//!
//! impl Channel for Chat {
//!     const NAME: &str = "chat";
//!     type Params = BTreeMap<String, String>;
//!     type ClientMessage = String;
//!     type ServerMessage = String;
//!     type ConnectionRequest = String;
//!     type Context = ();
//! }
//!
//! let now = Instant::ORIGIN;
//! let server = HttpClientToServer::new("http://127.0.0.1:3000/api/covenant")?;
//! let mut client = Client::new(Config::new(server, MessagesToSidekick), [7; 32]);
//! client.open(now);
//! let room = BTreeMap::from([("roomId".to_owned(), "room1".to_owned())]);
//! client.connect::<Chat>(now, &room, &"let me in".into())?;
//!
//! while let Some(output) = client.poll_output() {
//!     match output {
//!         Output::Open => client.handle_connected(now),
//!         Output::Call { id, post } => {
//!             assert!(post.body().contains("let me in"));
//!             let body = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "result": { "type": "OK", "token": "t1" } }"#;
//!             client.handle_answer(now, id, Ok(&Answer::new(200, body)));
//!         }
//!         _ => {}
//!     }
//! }
//! assert_eq!(client.poll_event(), Some(Event::Online));
//! let Some(Event::Connected { token, .. }) = client.poll_event() else { panic!() };
//! client.subscribe(now, token)?;
//! assert_eq!(client.poll_output(), Some(Output::Send(r#"{ "type": "subscribe", "token": "t1" }"#.into())));
//!
//! client.handle_message(now, r#"{ "type": "subscribed", "channel": "chat", "params": { "roomId": "room1" } }"#);
//! client.handle_message(now, r#"{ "type": "message", "channel": "chat", "params": { "roomId": "room1" }, "data": "hi" }"#);
//! assert_eq!(client.poll_event(), Some(Event::Subscribed { token }));
//! let Some(Event::Message { data, .. }) = client.poll_event() else { panic!() };
//! assert_eq!(data.parse::<String>()?, "hi");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What holds
//!
//! - Every request and every message has one end, which is an event.
//! - After a loss subscriptions are made again, each with another token, which is asked for with the same data; to the
//!   application the token stays the same. Remote listeners fetch again what they may have missed.
//! - Messages that are sent while the Sidekick is not reached, or before a subscription is made again, wait in order, within
//!   [`Capacity`]; one that was sent when the connection broke is not sent again.
//! - An error of one channel is nothing to the messages of others. (In the original it fails all that are on their way.)
//! - What cannot be decoded is ignored and counted.
//!
//! Source: `@covenant-rpc/client` 2.1.0 `client.js`.

mod calls;
mod command;
mod config;
mod event;
mod grants;
mod link;
mod listens;
mod receive;
mod sends;
#[cfg(test)]
mod tests;
mod timers;

use std::collections::VecDeque;
use std::fmt;
use std::io::IoSlice;

use self::calls::Calls;
pub use self::config::{Capacity, Config};
pub use self::event::{
    CallId, CommandError, Event, ListenId, Output, ProcedureError, Returned, SendError, SendId, Token,
};
use self::grants::Grants;
use self::link::Link;
use self::listens::Listeners;
use self::sends::Sends;
use self::timers::{Due, Timers};
pub use crate::client::{Backoff, ConnectError};
use crate::covenant::connection::{Answer, CallError, Wake};
use crate::time::Instant;

/// A client of a Covenant server and its Sidekick.
///
/// After every call that takes `now`, drain [`poll_output`](Self::poll_output) and [`poll_event`](Self::poll_event), send
/// what is [`pending`](Self::pending), and call [`handle_timeout`](Self::handle_timeout) when
/// [`poll_timeout`](Self::poll_timeout) says. See the [module](self) for a whole conversation.
///
/// ```
/// use chanson_core::covenant::client::{Client, Config, Output};
/// use chanson_core::covenant::connection::{HttpClientToServer, HttpClientToSidekick};
/// use chanson_core::time::Instant;
///
/// let server = HttpClientToServer::new("http://example.org/api/covenant")?;
/// let sidekick = HttpClientToSidekick::new("https://sidekick.example.org")?;
/// let mut client = Client::new(Config::new(server, sidekick), [7; 32]);
/// client.open(Instant::ORIGIN);
/// let connect = Output::Connect { host: "sidekick.example.org".into(), port: 443, tls: true };
/// assert_eq!(client.poll_output(), Some(connect));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Client {
    config: Config,
    link: Link,
    calls: Calls,
    grants: Grants,
    sends: Sends,
    listeners: Listeners,
    timers: Timers,
    outputs: VecDeque<Output>,
    /// Answers of a server in this program.
    direct: VecDeque<(CallId, Answer)>,
    events: VecDeque<Event>,
    stats: Stats,
    now: Instant,
    /// The last id that was given.
    ids: u64,
    /// The message that is being handled.
    inbox: String,
}

/// What a client has dropped; see [`Client::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Messages of a channel that is not subscribed (any more).
    pub unrouted: u64,
    /// Messages that are none of the Sidekick's.
    pub undecodable: u64,
}

impl Client {
    /// A client that does nothing until it is told to. `seed` is for masks, keys and jitter: from the operating system, or
    /// fixed in a test.
    pub fn new(config: Config, seed: [u8; 32]) -> Self {
        let mut link = Link::new(&config, seed);
        Self {
            listeners: Listeners::new(link.random()),
            link,
            calls: Calls::default(),
            grants: Grants::default(),
            sends: Sends::default(),
            timers: Timers::default(),
            outputs: VecDeque::new(),
            direct: VecDeque::new(),
            events: VecDeque::new(),
            stats: Stats::default(),
            now: Instant::ORIGIN,
            ids: 0,
            inbox: String::new(),
            config,
        }
    }

    // --- what happened ---

    /// The transport that [`Output::Connect`] or [`Output::Open`] asked for is up (with TLS: after its handshake). Ignored
    /// when none was asked for.
    pub fn handle_connected(&mut self, now: Instant) {
        self.tick(now);
        self.begin();
        self.settle();
    }

    /// Bytes came from the Sidekick. Ignored when there is no transport.
    pub fn handle_bytes(&mut self, now: Instant, bytes: &[u8]) {
        self.tick(now);
        if let Some(session) = self.link.session_mut() {
            session.handle_bytes(now, bytes);
        }
        self.pump();
    }

    /// A message came from the Sidekick, where the host carries messages. Ignored when it does not, or is not connected.
    pub fn handle_message(&mut self, now: Instant, text: &str) {
        self.tick(now);
        if self.link.session().is_none() && self.link.is_open() {
            self.receive(text);
        }
        self.settle();
    }

    /// The Sidekick sends no more.
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

    /// What came of an [`Output::Call`]. Ignored when it has come to its end before, by its time limit.
    pub fn handle_answer(&mut self, now: Instant, call: CallId, result: Result<&Answer, CallError>) {
        self.tick(now);
        self.answered(call, result);
        self.settle();
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
                Due::Ping => self.ping_due(),
                Due::Call(call) => self.call_timed_out(call),
                Due::Send(send) => self.send_due(send),
                Due::Renew(token) => self.renewal_due(token),
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

    /// What to do. Drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// What to do next, without taking it.
    pub fn peek_output(&self) -> Option<&Output> {
        self.outputs.front()
    }

    /// What happened, one event after the other. Drain until `None`.
    pub fn poll_event(&mut self) -> Option<Event> {
        if self.events.is_empty() {
            // A Sidekick in this program may have said something meanwhile.
            self.settle();
        }
        self.events.pop_front()
    }

    /// Has `wake` called, on any thread, whenever a Sidekick in this program
    /// ([`internal`](crate::covenant::internal)) has something to say: [`poll_event`](Self::poll_event) then looks. It must
    /// not call this client. Without it the host polls when it likes. To be called before [`open`](Self::open).
    pub fn wake_by(&mut self, wake: Wake) {
        self.link.wake = Some(wake);
    }

    /// Bytes to send to the Sidekick: fills as many slices as there are, in order, and says how many. With TLS it is one at a
    /// time, and there may be more behind it: ask until there is none.
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

    /// Whether the Sidekick is reached.
    pub const fn is_online(&self) -> bool {
        self.link.is_open()
    }

    /// Whether the channel's messages come now.
    pub fn is_subscribed(&self, token: Token) -> bool {
        self.grants.is_subscribed(token)
    }

    /// How many messages have not had their end.
    pub fn open_sends(&self) -> usize {
        self.sends.len()
    }

    /// Counters.
    pub const fn stats(&self) -> Stats {
        self.stats
    }

    /// Time does not go backwards here.
    fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    const fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }
}

impl fmt::Debug for Client {
    /// Nothing of messages, which may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("link", &self.link)
            .field("tokens", &self.grants.len())
            .field("listeners", &self.listeners.len())
            .field("open_sends", &self.open_sends())
            .field("stats", &self.stats)
            .finish_non_exhaustive()
    }
}
