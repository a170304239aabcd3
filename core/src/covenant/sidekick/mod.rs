//! The Sidekick: holds the sockets of clients for a server that cannot, and tells them what the server has for them.
//!
//! A [`Sidekick`] is application state of a hub, beside whatever else the application has (`S: AsMut<Sidekick>`). Its
//! [`mount`] takes the clients' WebSockets, [`handle_request`] the server's requests, and its rooms are the hub's, in a space
//! that no topic of a client can name. So it stands on the same sessions, queues and bounds as everything else, and can be
//! mounted beside other things. What clients send is for the server: the host takes it by
//! [`poll_call`](Sidekick::poll_call), brings it there (`POST …?type=channel`), and gives back what came of it.
//!
//! ```
//! use chanson_core::covenant::sidekick::{self, Config, Sidekick};
//! use chanson_core::{Hub, memory::World};
//!
//! let hub = Hub::builder()
//!     .seed([7; 32])
//!     .mount(sidekick::mount("/socket"))
//!     .on_request(sidekick::handle_request)
//!     .build()?;
//! let mut world = World::with_app(hub, Sidekick::new(Config::new("secret")));
//!
//! // The server announces a client, which comes and sends something.
//! let secret = [("Authorization", "Bearer secret")];
//! let ann = r#"{ "token": "t1", "channel": "chat", "params": { "roomId": "r" }, "context": { "userId": "ann" } }"#;
//! assert_eq!(world.request("POST", "/connection", &secret, ann.as_bytes()).map(|answer| answer.status), Some(200));
//! let client = world.connect("/socket");
//! world.send(client, r#"{ "type": "subscribe", "token": "t1" }"#);
//! let hi = r#"{ "type": "send", "token": "t1", "channel": "chat", "params": { "roomId": "r" }, "data": "hi" }"#;
//! world.send(client, hi);
//!
//! // The host brings it to the server, whose answer is that it has taken it.
//! let call = world.app_mut().poll_call().expect("a message for the server");
//! assert_eq!(
//!     call.body,
//!     r#"{ "params": { "roomId": "r" }, "channel": "chat", "data": "hi", "context": { "userId": "ann" } }"#
//! );
//! world.act(|hub, sidekick| sidekick.handle_response(&mut hub.pubsub(), call.id, Ok(())));
//!
//! // The server has something for everybody in the room.
//! let message = r#"{ "channel": "chat", "params": { "roomId": "r" }, "data": "ann says hi" }"#;
//! world.request("POST", "/message", &secret, message.as_bytes());
//! assert_eq!(world.recv(client), [
//!     r#"{ "type": "subscribed", "channel": "chat", "params": { "roomId": "r" } }"#,
//!     r#"{ "type": "message", "channel": "chat", "params": { "roomId": "r" }, "data": "ann says hi" }"#,
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Time
//!
//! Nothing here needs a clock of its own: answers that are held back are the hub's timers, and tokens whose time has come are
//! not good any more, whether they are forgotten already or not. A host that wants them forgotten at once, and messages not to
//! wait for long for those before them, calls [`handle_timeout`](Sidekick::handle_timeout).
//!
//! # What it does, and where it is stricter than the original
//!
//! As `@covenant-rpc/server` 2.3.0 does it, but: tokens expire and are bounded in number; what a closed socket had is gone; a
//! token sends to its own channel and params, before and after it was used; params are the same in any order, and no two
//! rooms are one; two tokens of one room on one socket are two subscriptions with their own contexts, each message comes
//! once; the fault and message of a server's error reach the client as they were given; the messages of one token reach the
//! server in order, while it answers soon; no connection keeps the others' messages from it; everything is bounded.

mod calls;
mod config;
mod http;
mod socket;
mod tokens;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use self::calls::{Call, CallId};
use self::calls::{Calls, Sender};
pub use self::config::Config;
pub use self::http::handle_request;
use self::tokens::{Tokens, Use};
use super::contract::{Fault, Params};
use super::protocol::{ChannelError, ConnectionPayload, MessageError, Outgoing, ResourceUpdate, ServerMessage};
use crate::hub::{Mount, Origin, PubSub};
use crate::id::ConnId;
use crate::raw::Raw;
use crate::time::Instant;

/// A mount for the WebSockets of a sidekick's clients; the original has them at `/socket`.
///
/// Pages of any origin may connect (tokens say who they are, and a sidekick is rarely where the page came from), and silence
/// is no reason to close (these clients have no heartbeat); both can be set otherwise. Requests at this path that want no
/// WebSocket are the request hook's.
pub fn mount<S: AsMut<Sidekick>>(path: &str) -> Mount<S> {
    Mount::raw(path)
        .websocket_only()
        .origin(Origin::Any)
        .idle_timeout(Duration::ZERO)
        .on_text(|raw: &mut Raw<'_, S>, text| {
            let conn = raw.conn();
            let (app, mut hub) = raw.split();
            app.as_mut().handle_text(&mut hub, conn, text);
        })
        .on_binary(|raw: &mut Raw<'_, S>, data| {
            let conn = raw.conn();
            let (app, mut hub) = raw.split();
            app.as_mut().handle_binary(&mut hub, conn, data);
        })
        .on_close(|raw: &mut Raw<'_, S>, _| {
            let conn = raw.conn();
            raw.app().as_mut().handle_close(conn);
        })
}

/// Tokens, subscriptions, and messages on their way to the server; see the [module](self).
pub struct Sidekick {
    config: Config,
    tokens: Tokens,
    peers: BTreeMap<ConnId, Peer>,
    calls: Calls,
    counts: Counts,
}

/// What a connection has; forgotten when that is nothing.
#[derive(Debug, Default)]
struct Peer {
    /// The tokens that it has used.
    tokens: BTreeSet<Arc<str>>,
    /// How many of them are for each room.
    rooms: BTreeMap<Arc<str>, u32>,
    /// Its messages on their way to the server.
    calls: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    unauthorized: u64,
    expired: u64,
    failed: u64,
}

/// Counters and gauges of a [`Sidekick`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tokens that wait to be used.
    pub fresh_tokens: usize,
    /// Tokens in use.
    pub used_tokens: usize,
    /// Bytes kept for all of them.
    pub token_bytes: usize,
    /// Connections that have used a token or have sent something that is on its way.
    pub active_connections: usize,
    /// Messages on their way to the server, those that wait included.
    pub calls: usize,
    /// Bytes of those.
    pub call_bytes: usize,
    /// Requests with a wrong secret.
    pub unauthorized: u64,
    /// Tokens that nobody used in time.
    pub expired_tokens: u64,
    /// Messages that the server did not take or that did not reach it.
    pub failed_calls: u64,
}

/// Why something that the server wants is not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// The token is longer than [`Config::max_token`], or empty.
    TokenLength,
    /// The room's name, made of channel and params, is longer than `Capacity::topic_bytes`.
    RoomTooLong,
    /// A client uses this token already.
    TokenInUse,
    /// [`Config::tokens`] or [`Config::token_bytes`] is reached.
    TooManyTokens,
    /// The message would become longer than 16 MiB, more than ION is read or written at a time.
    MessageTooLong,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TokenLength => "The token is too long, or empty",
            Self::RoomTooLong => "Channel and params are too long",
            Self::TokenInUse => "The token is in use",
            Self::TooManyTokens => "Too many tokens are waiting",
            Self::MessageTooLong => "The message is too long",
        })
    }
}

impl std::error::Error for Refusal {}

impl Sidekick {
    /// One that knows nobody.
    pub fn new(config: Config) -> Self {
        Self {
            config,
            tokens: Tokens::default(),
            peers: BTreeMap::new(),
            calls: Calls::default(),
            counts: Counts::default(),
        }
    }

    // --- what the server wants; over HTTP by `handle_request` ---

    /// A client was let in, and will come with this token.
    ///
    /// # Errors
    /// See [`Refusal`]; the token is not good then.
    pub fn add_connection(&mut self, hub: &PubSub<'_>, payload: &ConnectionPayload<'_>) -> Result<(), Refusal> {
        self.handle_timeout(hub.now());
        if payload.token.is_empty() || payload.token.len() > self.config.max_token {
            return Err(Refusal::TokenLength);
        }
        let room = payload.params.room(&payload.channel);
        if room.len() > hub.capacity().topic_bytes {
            return Err(Refusal::RoomTooLong);
        }
        self.tokens.add(hub.now(), &self.config, payload, &room)
    }

    /// A message for all who are subscribed to its channel with its params. Encodes once; O(subscribers).
    ///
    /// # Errors
    /// [`Refusal::MessageTooLong`]: nobody was told. Where nobody is subscribed, no message is too long.
    pub fn post_message(&mut self, hub: &mut PubSub<'_>, message: &ServerMessage<'_>) -> Result<(), Refusal> {
        hub.tell_room(&message.params.room(&message.channel), || {
            let ServerMessage { channel, params, data } = message.clone();
            // Names and raw text can always be written, unless they are too long.
            Outgoing::Message { channel, params, data }.encode().map_err(|_| Refusal::MessageTooLong)
        })
    }

    /// Resources have changed: tells all who listen to them. For each, encodes once; O(listeners).
    pub fn update_resources(&mut self, hub: &mut PubSub<'_>, update: &ResourceUpdate<'_>) {
        for resource in &update.resources {
            let updated = || Outgoing::Updated { resource: resource.clone() }.encode();
            // A name that somebody listens to is no longer than `Capacity::topic_bytes`, and can always be written.
            drop(hub.tell_room(&resource_room(resource), updated));
        }
    }

    // --- what is for the server ---

    /// The next message to bring to the server, the body of what `SidekickToServer::send_message` describes. Every one has to
    /// get its result by [`handle_response`](Self::handle_response), whatever the order. `None` when nothing waits or
    /// [`Config::calls_out`] have no result yet. Connections take turns; of one token, one comes when those before it have their
    /// results, or after [`Config::order_wait`].
    pub fn poll_call(&mut self) -> Option<Call> {
        self.calls.poll(&self.config)
    }

    /// What came of a call, as `SidekickToServer::read` tells it, or a server in this program. An error is told the client
    /// that sent the message. More calls may be there afterwards.
    pub fn handle_response(&mut self, hub: &mut PubSub<'_>, id: CallId, result: Result<(), MessageError<'_>>) {
        let Some(Sender { conn, channel, params, .. }) = self.calls.finish(id) else { return };
        if let Some(peer) = self.peers.get_mut(&conn) {
            peer.calls -= 1;
            self.forget_if_idle(conn);
        }
        if let Err(MessageError { fault, message }) = result {
            self.counts.failed += 1;
            let error = ChannelError { channel: channel.into_string().into(), params, fault, message };
            tell(hub, conn, &Outgoing::Error(error));
        }
    }

    // --- time ---

    /// Forgets tokens that nobody has used in time, and lets go what has waited for [`Config::order_wait`]: there may be more
    /// calls afterwards.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.counts.expired += self.tokens.expire(now) as u64;
        self.calls.release(now);
    }

    /// When there is something to forget or to let go.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.tokens.next_expiry().into_iter().chain(self.calls.next_release()).min()
    }

    // --- getters ---

    /// Counters and gauges, now.
    pub fn stats(&self) -> Stats {
        Stats {
            fresh_tokens: self.tokens.fresh(),
            used_tokens: self.tokens.len() - self.tokens.fresh(),
            token_bytes: self.tokens.bytes(),
            active_connections: self.peers.len(),
            calls: self.calls.len(),
            call_bytes: self.calls.bytes(),
            unauthorized: self.counts.unauthorized,
            expired_tokens: self.counts.expired,
            failed_calls: self.counts.failed,
        }
    }

    /// How many connections are subscribed to a channel with these params.
    pub fn subscriber_count(&self, hub: &PubSub<'_>, channel: &str, params: &Params) -> usize {
        hub.room_count(&params.room(channel))
    }

    /// How many connections listen to a resource.
    pub fn listener_count(&self, hub: &PubSub<'_>, resource: &str) -> usize {
        hub.room_count(&resource_room(resource))
    }

    fn forget_if_idle(&mut self, conn: ConnId) {
        if self.peers.get(&conn).is_some_and(|peer| peer.tokens.is_empty() && peer.calls == 0) {
            self.peers.remove(&conn);
        }
    }
}

impl AsMut<Self> for Sidekick {
    fn as_mut(&mut self) -> &mut Self {
        self
    }
}

impl fmt::Debug for Sidekick {
    /// Says nothing of secrets, tokens and messages.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sidekick").field("config", &self.config).field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The room of those who listen to a resource. No room of a channel, which is a JSON array, has such a name.
fn resource_room(resource: &str) -> String {
    format!("resource:{resource}")
}

/// Whoever has gone meanwhile misses nothing.
fn tell(hub: &mut PubSub<'_>, conn: ConnId, message: &Outgoing<'_>) {
    if let Ok(text) = message.encode() {
        let _ = hub.send_text(conn, &text);
    }
}

fn error<'a>(channel: &'a str, params: Params, fault: Fault, message: &'a str) -> Outgoing<'a> {
    Outgoing::Error(ChannelError { channel: channel.into(), params, fault, message: message.into() })
}
