//! Server, Sidekick and clients in one program, joined in memory: for tests without a socket, and for a program that is all
//! of them.
//!
//! The documents' example of the original, in Rust:
//!
//! ```
//! use chanson_core::covenant::client::{Client, Config, Event};
//! use chanson_core::covenant::connection::DirectClientToServer;
//! use chanson_core::covenant::contract::{Channel, Contract};
//! use chanson_core::covenant::internal::{InternalServer, InternalSidekick};
//! use chanson_core::covenant::server::Server;
//! use chanson_core::time::Instant;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Room { room_id: String }
//! #[derive(Serialize, Deserialize)]
//! struct Login { token: String }
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct User { user_id: String }
//! #[derive(Serialize, Deserialize)]
//! struct Say { text: String }
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Said { sender_id: String, text: String }
//!
//! struct Chat;
//! impl Channel for Chat {
//!     const NAME: &str = "chat";
//!     type Params = Room;
//!     type ClientMessage = Say;
//!     type ServerMessage = Said;
//!     type ConnectionRequest = Login;
//!     type Context = User;
//! }
//!
//! let sidekick = InternalSidekick::new([1; 32]);
//!
//! let mut server = Server::<()>::builder(Contract::new().channel::<Chat>()?)
//!     .seed([2; 32])
//!     .build(sidekick.connection_from_server())?;
//! server.define_channel::<Chat>(
//!     |_, login| Ok(User { user_id: login.token }),
//!     |message, say| {
//!         let said = Said { sender_id: message.context().user_id.clone(), text: say.text };
//!         Ok(message.send_message::<Chat>(message.params(), &said)?)
//!     },
//! )?;
//! let server = InternalServer::new(server, ());
//! let process = server.clone();
//! sidekick.set_server_callback(move |now, message| process.process_channel_message(now, message));
//!
//! let config = Config::new(DirectClientToServer::new(&server), sidekick.connection_from_client());
//! let mut client = Client::new(config, [3; 32]);
//!
//! // All of it happens at once, so the event is there when the call is over.
//! let (now, room) = (Instant::ORIGIN, Room { room_id: "room1".into() });
//! client.open(now);
//! assert_eq!(client.poll_event(), Some(Event::Online));
//! client.connect::<Chat>(now, &room, &Login { token: "ann".into() })?;
//! let Some(Event::Connected { token, .. }) = client.poll_event() else { panic!() };
//! client.subscribe(now, token)?;
//! assert_eq!(client.poll_event(), Some(Event::Subscribed { token }));
//! client.send::<Chat>(now, token, &Say { text: "Hello!".into() })?;
//! let Some(Event::Message { data, .. }) = client.poll_event() else { panic!() };
//! assert_eq!(data.as_str(), r#"{ "senderId": "ann", "text": "Hello!" }"#);
//!
//! // From anywhere:
//! server.send_message::<Chat>(now, &room, &Said { sender_id: "system".into(), text: "soup".into() })?;
//! let Some(Event::Message { data, .. }) = client.poll_event() else { panic!() };
//! assert_eq!(data.parse::<Said>()?.text, "soup");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod line;
mod server;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use self::line::InternalClientToSidekick;
pub use self::server::{InternalServer, NotSent};
use super::connection::{DirectServerToSidekick, Post, ServerToSidekick, Wake};
use super::contract::Fault;
use super::protocol::{ForwardedMessage, MessageError};
use super::sidekick::{self, CallId, Sidekick};
use crate::error::CloseReason;
use crate::frame;
use crate::http::{Request, Response};
use crate::hub::{Admission, BuildError, Hub};
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::state::outbox;
use crate::time::Instant;

/// A Sidekick in the program of its server and clients. A handle: clones are the same Sidekick.
///
/// What is done on one of its connections is done when the call is over: a message that a client sends has been through the
/// server, and what that sent lies at all clients that are subscribed. See the [module](self) for an example.
#[derive(Clone)]
pub struct InternalSidekick {
    shared: Arc<Shared>,
}

struct Shared {
    core: Mutex<Core>,
    callback: Mutex<Option<Arc<ServerCallback>>>,
}

struct Core {
    hub: Hub<Sidekick>,
    sidekick: Sidekick,
    inboxes: BTreeMap<ConnId, Inbox>,
}

/// What waits for a client.
#[derive(Default)]
struct Inbox {
    texts: VecDeque<String>,
    bytes: usize,
    wake: Option<Wake>,
    /// It did not hear for so long that it was closed.
    closed: bool,
}

/// What the server does with a message of a client.
type ServerCallback = dyn Fn(Instant, &ForwardedMessage<'_>) -> Result<(), MessageError<'static>> + Send + Sync;

impl InternalSidekick {
    /// One that knows nobody, with default bounds. `seed` is for the keys of its tables: from the operating system, or fixed
    /// in a test.
    pub fn new(seed: [u8; 32]) -> Self {
        // The server is at hand: to keep the order of messages costs nothing.
        let config = sidekick::Config::new("").with_order_wait(Duration::MAX);
        let made = Self::with_config(seed, config, Capacity::for_connections(1024));
        made.expect("the defaults fit together")
    }

    /// One with other bounds.
    ///
    /// # Errors
    /// The bounds do not fit together.
    pub fn with_config(seed: [u8; 32], config: sidekick::Config, capacity: Capacity) -> Result<Self, BuildError> {
        let hub = Hub::builder().seed(seed).capacity(capacity).mount(sidekick::mount("/socket")).build()?;
        let core = Core { hub, sidekick: Sidekick::new(config), inboxes: BTreeMap::new() };
        Ok(Self { shared: Arc::new(Shared { core: Mutex::new(core), callback: Mutex::default() }) })
    }

    /// Says what the server does with messages of clients: [`InternalServer::process_channel_message`], mostly. Until then
    /// they are answered with an error.
    ///
    /// A callback that holds the server, which holds its Sidekick, keeps both for as long as the program runs: set one that
    /// holds nothing where they are to go before.
    pub fn set_server_callback(
        &self,
        callback: impl Fn(Instant, &ForwardedMessage<'_>) -> Result<(), MessageError<'static>> + Send + Sync + 'static,
    ) {
        *lock(&self.shared.callback) = Some(Arc::new(callback));
    }

    /// How the server reaches it.
    pub fn connection_from_server(&self) -> InternalServerToSidekick {
        InternalServerToSidekick(self.clone())
    }

    /// How a client reaches it. One connection is for one client.
    pub fn connection_from_client(&self) -> InternalClientToSidekick {
        InternalClientToSidekick(self.clone())
    }

    /// Counters and gauges.
    pub fn stats(&self) -> sidekick::Stats {
        self.lock().sidekick.stats()
    }

    fn lock(&self) -> MutexGuard<'_, Core> {
        lock(&self.shared.core)
    }

    /// What the server asks, in the words of HTTP.
    fn post(&self, path: &str, body: &str) -> Response {
        let mut core = self.lock();
        let Core { hub, sidekick, .. } = &mut *core;
        let response = sidekick.handle_post(&mut hub.pubsub(), path, body);
        let wakes = core.deliver();
        drop(core);
        wakes.iter().for_each(|wake| wake());
        response
    }

    fn open(&self, now: Instant, wake: Option<Wake>) -> Option<ConnId> {
        let mut core = self.lock();
        let Core { hub, sidekick, inboxes } = &mut *core;
        let conn = hub.handle_connect(now, None).ok()?;
        let request = Request::new("GET", "/socket", &[("Upgrade", "websocket")], b"");
        let Admission::Open(_) = hub.handle_open(now, sidekick, conn, &request) else {
            hub.handle_close(now, sidekick, conn, CloseReason::TransportEof);
            return None;
        };
        inboxes.insert(conn, Inbox { wake, ..Inbox::default() });
        Some(conn)
    }

    fn close(&self, now: Instant, conn: ConnId) {
        let mut core = self.lock();
        let Core { hub, sidekick, inboxes } = &mut *core;
        inboxes.remove(&conn);
        hub.handle_close(now, sidekick, conn, CloseReason::ByPeer(1005));
        core.deliver();
    }

    fn say(&self, now: Instant, conn: ConnId, text: &str) {
        let mut core = self.lock();
        let Core { hub, sidekick, .. } = &mut *core;
        sidekick.handle_timeout(now);
        hub.handle_text(now, sidekick, conn, text);
        let mut wakes = core.deliver();
        // The server may want to send something meanwhile, so it is asked without the lock.
        while let Some(call) = core.sidekick.poll_call() {
            drop(core);
            wakes.drain(..).for_each(|wake| wake());
            let result = self.ask_server(now, &call.body);
            core = self.lock();
            wakes = core.answer(call.id, result);
        }
        drop(core);
        wakes.iter().for_each(|wake| wake());
    }

    fn ask_server(&self, now: Instant, body: &str) -> Result<(), MessageError<'static>> {
        let failed = |message: &'static str| MessageError { fault: Fault::Server, message: message.into() };
        let callback = lock(&self.shared.callback).clone();
        // Source: @covenant-rpc/server 2.3.0 `sidekick/internal.js`.
        let callback = callback.ok_or_else(|| failed("Server connection not initialized"))?;
        let message = ForwardedMessage::decode(body).map_err(|_| failed("The message cannot be read"))?;
        callback(now, &message)
    }

    fn hear(&self, conn: ConnId) -> Heard {
        let mut core = self.lock();
        let Some(inbox) = core.inboxes.get_mut(&conn) else { return Heard::End };
        match inbox.texts.pop_front() {
            Some(text) => {
                inbox.bytes -= text.len();
                Heard::Text(text)
            }
            None if inbox.closed => Heard::End,
            None => Heard::Nothing,
        }
    }
}

enum Heard {
    Text(String),
    Nothing,
    End,
}

impl Core {
    /// What the hub has for clients; whom to wake for it.
    fn deliver(&mut self) -> Vec<Wake> {
        let mut wakes = Vec::new();
        let max = self.hub.pubsub().capacity().queued_bytes_per_connection;
        while let Some(output) = self.hub.poll_output() {
            match output {
                outbox::Output::Deliver { to, frame } => {
                    let frame::Message::Text(text) = frame.message() else { continue };
                    for conn in to {
                        let Some(inbox) = self.inboxes.get_mut(conn) else { continue };
                        if inbox.texts.is_empty() {
                            wakes.extend(inbox.wake.clone());
                        }
                        // As with sockets: a text is always taken when nothing waits.
                        if inbox.bytes > 0 && inbox.bytes + text.len() > max {
                            inbox.closed = true;
                        }
                        if !inbox.closed {
                            inbox.bytes += text.len();
                            inbox.texts.push_back(text.to_owned());
                        }
                    }
                }
                outbox::Output::Close { conn, .. } => {
                    if let Some(inbox) = self.inboxes.get_mut(&conn) {
                        inbox.closed = true;
                        wakes.extend(inbox.wake.clone());
                    }
                }
                _ => {}
            }
        }
        wakes
    }

    fn answer(&mut self, call: CallId, result: Result<(), MessageError<'_>>) -> Vec<Wake> {
        self.sidekick.handle_response(&mut self.hub.pubsub(), call, result);
        self.deliver()
    }
}

impl fmt::Debug for InternalSidekick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalSidekick").finish_non_exhaustive()
    }
}

/// How the server reaches an [`InternalSidekick`]: there is nothing that a driver has to do.
#[derive(Clone, Debug)]
pub struct InternalServerToSidekick(InternalSidekick);

impl InternalServerToSidekick {
    /// Done, or what nobody can do: the server learns that way that the Sidekick did not take it.
    fn post(
        &self,
        path: &str,
        body: &str,
        refused: impl FnOnce(&DirectServerToSidekick) -> Option<Post>,
    ) -> Option<Post> {
        if self.0.post(path, body).status() == 200 { None } else { refused(&DirectServerToSidekick) }
    }
}

impl ServerToSidekick for InternalServerToSidekick {
    fn add_connection(&self, body: String) -> Option<Post> {
        self.post("/connection", &body, |direct| direct.add_connection(String::new()))
    }

    fn post_message(&self, body: String) -> Option<Post> {
        self.post("/message", &body, |direct| direct.post_message(String::new()))
    }

    fn update(&self, body: String) -> Option<Post> {
        self.post("/resources", &body, |direct| direct.update(String::new()))
    }
}

/// A panic elsewhere has gone through the program's panic hook, and left nothing half done that matters here.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
