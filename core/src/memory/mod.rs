//! A server and its clients in memory, under virtual time: for tests of what you build on a hub, and for ours.
//!
//! A [`World`] holds an [`Endpoint`] and moves bytes between it and scripted clients exactly as a driver does. Nothing
//! waits, no port is opened, and the same script gives the same bytes every time.
//!
//! ```
//! use chanson_core::{Channel, Hub, Mount, memory::World};
//! use std::time::Duration;
//!
//! let room = Channel::new("room:*").on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
//! let hub: Hub = Hub::builder().seed([7; 32]).mount(Mount::channels("/socket").channel(room)).build()?;
//!
//! let mut world = World::new(hub);
//! let a = world.connect("/socket/websocket?vsn=2.0.0");
//! let b = world.connect("/socket/websocket?vsn=2.0.0");
//! for client in [a, b] {
//!     world.send(client, r#"["1","1","room:a","phx_join",{}]"#);
//!     assert_eq!(world.recv(client), [r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#]);
//! }
//! world.send(a, r#"["1","2","room:a","new_msg",{"body":"hi"}]"#);
//! assert_eq!(world.recv(b), [r#"[null,null,"room:a","new_msg",{"body":"hi"}]"#]);
//!
//! world.run_for(Duration::from_secs(60)); // nobody says anything
//! assert_eq!((world.closed(a), world.closed(b)), (Some(1001), Some(1001)));
//! # Ok::<(), chanson_core::hub::BuildError>(())
//! ```

mod client;
mod link;
mod response;
mod steps;
#[cfg(test)]
mod tests;

use std::time::Duration;

pub use client::Incoming;
pub use response::HttpResponse;

use self::client::WebSocket;
use self::link::Link;
use crate::endpoint::{self, Endpoint};
use crate::hub::Hub;
use crate::id::ConnId;
use crate::random::Random;
use crate::time::Instant;
use crate::ws::Data;

/// A server and its clients.
///
/// After each call everything that can happen at that moment has happened. Names of clients and transports are the
/// world's that gave them; every method panics on another's.
pub struct World<S = ()> {
    endpoint: Endpoint<S>,
    app: S,
    now: Instant,
    pipes: Vec<Pipe>,
    /// Places in `pipes` by the index of the connection.
    by_conn: Vec<usize>,
    random: Random,
    socket_buffer: usize,
    latency: Duration,
    chunk: usize,
}

/// A WebSocket client of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Client(usize);

/// A transport of a [`World`], such as a TCP connection: bytes both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Transport(usize);

impl From<Client> for Transport {
    /// The transport that a client speaks over.
    fn from(client: Client) -> Self {
        Self(client.0)
    }
}

/// A transport and what is at its client's end.
struct Pipe {
    conn: Option<ConnId>,
    to_server: Link,
    to_client: Link,
    websocket: Option<WebSocket>,
    /// What came to a client without WebSocket.
    received: Vec<u8>,
    /// Whether the server may have something to write.
    wants_write: bool,
    paused: bool,
    /// Nothing gets through, and nobody knows.
    lost: bool,
    shut: bool,
}

impl World {
    /// A world without clients.
    pub fn new(hub: Hub) -> Self {
        Self::with_app(hub, ())
    }
}

impl<S> World<S> {
    /// A world without clients; `app` is lent to the hub's handlers.
    pub fn with_app(hub: Hub<S>, app: S) -> Self {
        Self::with_config(hub, endpoint::Config::default(), app)
    }

    /// The same with a configuration of the endpoint.
    pub fn with_config(hub: Hub<S>, config: endpoint::Config, app: S) -> Self {
        Self {
            endpoint: Endpoint::with_config(hub, config),
            app,
            now: Instant::ORIGIN,
            pipes: Vec::new(),
            by_conn: Vec::new(),
            random: Random::new([0x5a; 32]),
            socket_buffer: 64 * 1024,
            latency: Duration::ZERO,
            chunk: usize::MAX,
        }
    }

    // --- the weather ---

    /// So many bytes a transport holds on their way to a client; 64 KiB unless said otherwise. What does not fit waits in
    /// the endpoint.
    pub const fn socket_buffer(&mut self, bytes: usize) {
        self.socket_buffer = bytes;
    }

    /// From now on bytes take so long, each way; no time unless said otherwise.
    pub const fn latency(&mut self, latency: Duration) {
        self.latency = latency;
    }

    /// From now on both ends read and write at most so many bytes at a time. At least one.
    pub fn chunk(&mut self, bytes: usize) {
        self.chunk = bytes.max(1);
    }

    // --- clients ---

    /// Connects a client; virtual time passes only if there is latency.
    ///
    /// # Panics
    /// When it is refused, or not let in at once: see [`try_connect`](Self::try_connect) and [`dial`](Self::dial).
    #[track_caller]
    pub fn connect(&mut self, target: &str) -> Client {
        match self.try_connect(target, &[]) {
            Ok(client) => client,
            Err(response) => panic!("{target} was refused: {} {}", response.status, response.text()),
        }
    }

    /// Connects a client, with these headers besides the usual ones or instead of them.
    ///
    /// # Errors
    /// What it was refused with.
    ///
    /// # Panics
    /// When there is no answer at once: see [`dial`](Self::dial).
    #[track_caller]
    pub fn try_connect(&mut self, target: &str, headers: &[(&str, &str)]) -> Result<Client, HttpResponse> {
        let client = self.dial(target, headers);
        while self.websocket(client).is_undecided() && self.pass_to_arrival() {}
        match self.refusal(client) {
            Some(response) => Err(response.clone()),
            None if self.is_open(client) || self.closed(client).is_some_and(|_| self.opened(client).is_some()) => {
                Ok(client)
            }
            None => panic!("{target} was neither let in nor refused"),
        }
    }

    /// Begins to connect a client, for a server that decides later: see [`is_open`](Self::is_open),
    /// [`refusal`](Self::refusal) and [`closed`](Self::closed).
    pub fn dial(&mut self, target: &str, headers: &[(&str, &str)]) -> Client {
        let (websocket, request) = WebSocket::new(target, headers, &mut self.random);
        let at = self.open_pipe(Some(websocket));
        self.write_at(at, request);
        Client(at)
    }

    /// Whether messages flow.
    pub fn is_open(&self, client: Client) -> bool {
        self.websocket(client).is_open()
    }

    /// What the client was refused with.
    pub fn refusal(&self, client: Client) -> Option<&HttpResponse> {
        self.websocket(client).refusal()
    }

    /// The response that let the client in.
    pub fn opened(&self, client: Client) -> Option<&HttpResponse> {
        self.websocket(client).opened()
    }

    /// How the connection has ended, if it has: the code of the server's close frame (1005 if it had none), or 1006.
    pub fn closed(&self, client: Client) -> Option<u16> {
        self.websocket(client).closed()
    }

    /// The server's id of the client's connection, until its transport is gone.
    pub fn conn(&self, client: impl Into<Transport>) -> Option<ConnId> {
        self.pipes[client.into().0].conn
    }

    /// Sends a text message. Like all sends of a client it is ignored before the connection has opened.
    pub fn send(&mut self, client: Client, text: &str) {
        self.send_all(client, [text]);
    }

    /// Sends several text messages in one write.
    pub fn send_all<T: AsRef<str>>(&mut self, client: Client, texts: impl IntoIterator<Item = T>) {
        let mut bytes = Vec::new();
        for text in texts {
            client::message(Data::Text, text.as_ref().as_bytes(), &mut self.random, &mut bytes);
        }
        self.send_bytes(client, bytes);
    }

    /// Sends a binary message.
    pub fn send_binary(&mut self, client: Client, data: &[u8]) {
        let mut bytes = Vec::new();
        client::message(Data::Binary, data, &mut self.random, &mut bytes);
        self.send_bytes(client, bytes);
    }

    /// Sends a ping.
    pub fn ping(&mut self, client: Client, payload: &[u8]) {
        let mut bytes = Vec::new();
        client::ping(payload, &mut self.random, &mut bytes);
        self.send_bytes(client, bytes);
    }

    /// Sends a close frame; without a code if `code` is one that no such frame may have.
    pub fn close(&mut self, client: Client, code: u16) {
        let mut bytes = Vec::new();
        let Self { pipes, random, .. } = self;
        if let Some(websocket) = &mut pipes[client.0].websocket
            && websocket.is_upgraded()
        {
            websocket.close(code, random, &mut bytes);
        }
        self.send_bytes(client, bytes);
    }

    /// Breaks the client's transport; the server is told at once.
    pub fn cut(&mut self, client: impl Into<Transport>) {
        let pipe = &mut self.pipes[client.into().0];
        pipe.to_server.clear();
        pipe.to_client.clear();
        (pipe.shut, pipe.paused) = (true, false);
        if let Some(websocket) = &mut pipe.websocket {
            websocket.handle_end();
        }
        if let Some(conn) = pipe.conn.take() {
            // Neither reading nor writing works any more.
            self.endpoint.handle_eof(self.now, &mut self.app, conn);
            self.endpoint.handle_eof(self.now, &mut self.app, conn);
            self.endpoint.handle_close(self.now, &mut self.app, conn);
        }
        self.settle();
    }

    /// From now on nothing gets through between the client and the server, and nobody is told.
    pub fn lose(&mut self, client: impl Into<Transport>) {
        let pipe = &mut self.pipes[client.into().0];
        pipe.lost = true;
        pipe.to_server.clear();
    }

    /// The client reads no more, until [`resume`](Self::resume).
    pub fn pause(&mut self, client: impl Into<Transport>) {
        self.pipes[client.into().0].paused = true;
    }

    /// The client reads again.
    pub fn resume(&mut self, client: impl Into<Transport>) {
        self.pipes[client.into().0].paused = false;
        self.settle();
    }

    /// All text messages that have come and were not taken. What else came stays, for [`next`](Self::next).
    pub fn recv(&mut self, client: Client) -> Vec<String> {
        let inbox = &mut self.websocket_mut(client).inbox;
        let mut texts = Vec::new();
        for incoming in std::mem::take(inbox) {
            match incoming {
                Incoming::Text(text) => texts.push(text),
                other => inbox.push_back(other),
            }
        }
        texts
    }

    /// The next that has come and was not taken.
    pub fn next(&mut self, client: Client) -> Option<Incoming> {
        self.websocket_mut(client).inbox.pop_front()
    }

    // --- time ---

    /// Now.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time passes: what is due in it happens when it is due.
    ///
    /// # Panics
    /// When the endpoint breaks its promise that time limits move: a host that waits for them would spin.
    pub fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        self.settle();
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = next;
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Whether everything comes to rest without further input: time passes from one event to the next, at most `steps`
    /// times.
    pub fn quiet_within(&mut self, steps: usize) -> bool {
        self.settle();
        for _ in 0..steps {
            let Some(next) = self.next_event() else { return true };
            self.now = next;
            self.settle();
        }
        self.next_event().is_none()
    }

    // --- the server ---

    /// Does something with the hub, as the server's own program would. Where `now` is needed, ask before:
    ///
    /// ```
    /// # use chanson_core::{Hub, memory::World};
    /// # let mut world = World::new(Hub::builder().seed([7; 32]).build()?);
    /// let now = world.now();
    /// world.act(|hub, app| hub.shutdown(now, app));
    /// # Ok::<(), chanson_core::hub::BuildError>(())
    /// ```
    pub fn act<T>(&mut self, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        let result = self.endpoint.act(self.now, &mut self.app, act);
        self.settle();
        result
    }

    /// The hub, to ask.
    pub const fn hub(&self) -> &Hub<S> {
        self.endpoint.hub()
    }

    /// The endpoint, to ask.
    pub const fn endpoint(&self) -> &Endpoint<S> {
        &self.endpoint
    }

    /// The application's state.
    pub const fn app(&self) -> &S {
        &self.app
    }

    /// The application's state, to change.
    pub const fn app_mut(&mut self) -> &mut S {
        &mut self.app
    }

    /// Counters and gauges.
    pub fn stats(&self) -> endpoint::Stats {
        self.endpoint.stats()
    }

    // --- bytes ---

    /// Opens a transport and says nothing on it.
    pub fn open_transport(&mut self) -> Transport {
        let at = self.open_pipe(None);
        self.settle();
        Transport(at)
    }

    /// Sends bytes to the server, in one write.
    pub fn write(&mut self, transport: impl Into<Transport>, bytes: &[u8]) {
        self.write_at(transport.into().0, bytes.to_vec());
    }

    /// The client sends no more bytes, but still reads.
    pub fn end(&mut self, transport: impl Into<Transport>) {
        let due = self.now + self.latency;
        self.pipes[transport.into().0].to_server.end(due);
        self.settle();
    }

    /// All bytes that have come and were not taken. Nothing on the transport of a [`Client`], which reads them itself.
    pub fn read(&mut self, transport: Transport) -> Vec<u8> {
        std::mem::take(&mut self.pipes[transport.0].received)
    }

    /// Whether the transport has been shut down by the server, or cut.
    pub fn is_shut(&self, transport: impl Into<Transport>) -> bool {
        self.pipes[transport.into().0].shut
    }

    /// Sends an HTTP request on a transport of its own: the answer, if it has come.
    pub fn request(
        &mut self,
        method: &str,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Option<HttpResponse> {
        let transport = self.open_transport();
        let mut request = format!("{method} {target} HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in headers {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() {
            request.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        request.push_str("\r\n");
        let mut request = request.into_bytes();
        request.extend_from_slice(body);
        self.write(transport, &request);
        loop {
            let received = &self.pipes[transport.0].received;
            if let Some((response, _)) = HttpResponse::parse_answer(received, method == "HEAD") {
                return Some(response);
            }
            if !self.pass_to_arrival() {
                return None;
            }
        }
    }

    // --- inside ---

    fn websocket(&self, client: Client) -> &WebSocket {
        self.pipes[client.0].websocket.as_ref().expect("a client has a WebSocket")
    }

    fn websocket_mut(&mut self, client: Client) -> &mut WebSocket {
        self.pipes[client.0].websocket.as_mut().expect("a client has a WebSocket")
    }

    fn send_bytes(&mut self, client: Client, bytes: Vec<u8>) {
        if self.websocket(client).is_upgraded() {
            self.write_at(client.0, bytes);
        }
    }

    fn write_at(&mut self, at: usize, bytes: Vec<u8>) {
        let due = self.now + self.latency;
        if !self.pipes[at].lost {
            self.pipes[at].to_server.push(due, bytes);
        }
        self.settle();
    }
}

impl<S> std::fmt::Debug for World<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("World").field("now", &self.now).field("transports", &self.pipes.len()).finish_non_exhaustive()
    }
}
