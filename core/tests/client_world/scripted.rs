//! A server that says what a test tells it to.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::time::Duration;

use chanson_core::client::{Client, Config, Event, Output};
use chanson_core::time::Instant;
use chanson_core::ws::{self, Control, Data, Decoder, Incoming, Role};
use serde_json::Value;

/// Something that the client did on the wire.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Sent {
    /// An upgrade request: its head.
    Open(String),
    Text(String),
    Binary(Vec<u8>),
    Close(u16, String),
    Pong(Vec<u8>),
    /// The transport was shut down by the client.
    Shut,
}

/// A client, the transport that it has, and the server's end of that.
pub(crate) struct Scripted {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    /// How many transports were opened.
    pub(crate) conns: usize,
    /// What the client did and nobody has looked at, by transport.
    pub(crate) sent: VecDeque<(usize, Sent)>,
    pub(crate) events: VecDeque<Event>,
    /// Whether transports come up.
    pub(crate) reachable: bool,
    /// All bytes that the client has sent.
    pub(crate) raw: Vec<u8>,
    server: Option<Server>,
}

struct Server {
    input: Vec<u8>,
    /// The key of the upgrade, once its request has come.
    key: Option<String>,
    decoder: Decoder,
}

impl Scripted {
    pub(crate) fn new(config: Config) -> Self {
        Self {
            client: Client::new(config, [7; 32]),
            now: Instant::from_millis(1000),
            conns: 0,
            sent: VecDeque::new(),
            events: VecDeque::new(),
            reachable: true,
            raw: Vec::new(),
            server: None,
        }
    }

    /// A client that is connected.
    pub(crate) fn connected(config: Config) -> Self {
        let mut world = Self::new(config);
        world.client.connect(world.now);
        assert!(matches!(world.next_sent(), Sent::Open(_)));
        world.accept();
        assert_eq!(world.next_event(), Event::Connected);
        world
    }

    /// Moves bytes and drains until nothing moves.
    pub(crate) fn pump(&mut self) {
        loop {
            let mut moved = false;
            while let Some(output) = self.client.poll_output() {
                moved = true;
                match output {
                    Output::Connect { .. } => self.connect(),
                    Output::Close => {
                        assert!(self.server.take().is_some() || !self.reachable, "a transport is shut down once");
                        self.sent.push_back((self.conns, Sent::Shut));
                    }
                    output => panic!("{output:?}"),
                }
            }
            self.events.extend(std::iter::from_fn(|| self.client.poll_event()));
            let mut slices = [IoSlice::new(&[]); 64];
            let count = self.client.pending(&mut slices);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            if !bytes.is_empty() {
                self.client.advance(self.now, bytes.len());
                self.take_in(&bytes);
                moved = true;
            }
            if !moved {
                return;
            }
        }
    }

    fn connect(&mut self) {
        assert!(self.server.is_none(), "one transport at a time");
        if !self.reachable {
            return self.client.handle_error(self.now);
        }
        self.conns += 1;
        self.server = Some(Server { input: Vec::new(), key: None, decoder: Decoder::new(Role::Server, 1 << 24) });
        self.client.handle_connected(self.now);
    }

    /// The server reads.
    fn take_in(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        let conn = self.conns;
        let Some(server) = &mut self.server else { return };
        server.input.extend_from_slice(bytes);
        if server.key.is_none() {
            let text = String::from_utf8(std::mem::take(&mut server.input)).unwrap();
            let (head, rest) = text.split_once("\r\n\r\n").expect("a request goes out in one piece");
            assert_eq!(rest, "");
            let key = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            server.key = Some(key.to_owned());
            self.sent.push_back((conn, Sent::Open(head.to_owned())));
            return;
        }
        let mut at = 0;
        while let (used, Some(item)) = server.decoder.decode(&mut server.input[at..]).unwrap() {
            let sent = match item {
                Incoming::Text(text) => Sent::Text(text.to_owned()),
                Incoming::Binary(data) => Sent::Binary(data.to_vec()),
                Incoming::Close { code, reason } => Sent::Close(code, reason.to_owned()),
                Incoming::Pong(payload) => Sent::Pong(payload.to_vec()),
                item => panic!("{item:?}"),
            };
            at += used;
            self.sent.push_back((conn, sent));
        }
        assert_eq!(at, server.input.len());
        server.input.clear();
    }

    pub(crate) fn has_transport(&mut self) -> bool {
        self.pump();
        self.server.is_some()
    }

    /// Whether an upgrade waits for its answer.
    pub(crate) fn is_asked(&mut self) -> bool {
        self.has_transport() && !self.client.is_connected()
    }

    // --- what the server says ---

    pub(crate) fn bytes(&mut self, bytes: &[u8]) {
        self.pump();
        assert!(self.server.is_some(), "the server has a transport to talk on");
        self.client.handle_bytes(self.now, bytes);
        self.pump();
    }

    /// The server's answer to the upgrade.
    pub(crate) fn agreement(&mut self, headers: &str) -> String {
        self.pump();
        let key = self.server.as_ref().and_then(|server| server.key.clone()).expect("an upgrade was asked for");
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
        )
    }

    pub(crate) fn accept(&mut self) {
        let agreement = self.agreement("");
        self.bytes(agreement.as_bytes());
    }

    pub(crate) fn text(&mut self, text: &str) {
        self.bytes(&frame(Data::Text, text.as_bytes()));
    }

    pub(crate) fn binary(&mut self, data: &[u8]) {
        self.bytes(&frame(Data::Binary, data));
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        let mut bytes = Vec::new();
        ws::close(code, reason, None, &mut bytes);
        self.bytes(&bytes);
    }

    pub(crate) fn ping(&mut self, payload: &[u8]) {
        let mut bytes = Vec::new();
        ws::control(Control::Ping, payload, None, &mut bytes);
        self.bytes(&bytes);
    }

    /// The transport breaks.
    pub(crate) fn drop_transport(&mut self) {
        self.client.handle_error(self.now);
        self.pump();
    }

    // --- time ---

    pub(crate) fn run_for(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        self.pump();
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) {
            self.fire(at);
        }
        self.now = end;
    }

    fn fire(&mut self, at: Instant) {
        self.now = self.now.max(at);
        self.client.handle_timeout(self.now);
        assert!(self.client.poll_timeout().is_none_or(|next| next > self.now), "a timeout that does not move");
        self.pump();
    }

    /// Lets time run, for at most five seconds, until `ready` gives something.
    fn until<T>(&mut self, ready: impl Fn(&mut Self) -> Option<T>) -> Option<T> {
        let end = self.now + Duration::from_secs(5);
        self.pump();
        loop {
            if let Some(found) = ready(self) {
                return Some(found);
            }
            let at = self.client.poll_timeout().filter(|at| *at <= end)?;
            self.fire(at);
        }
    }

    /// What the client does next on the wire, but for shutting down transports.
    pub(crate) fn next_sent(&mut self) -> Sent {
        self.next_sent_on().1
    }

    /// The same, with the transport.
    pub(crate) fn next_sent_on(&mut self) -> (usize, Sent) {
        let found = self.until(|world| {
            while world.sent.front().is_some_and(|(_, sent)| *sent == Sent::Shut) {
                world.sent.pop_front();
            }
            world.sent.pop_front()
        });
        found.unwrap_or_else(|| panic!("the client sends nothing; {:?}", self.events))
    }

    /// The next text, as JSON.
    pub(crate) fn next_json(&mut self) -> Value {
        match self.next_sent() {
            Sent::Text(text) => serde_json::from_str(&text).unwrap(),
            sent => panic!("{sent:?}"),
        }
    }

    pub(crate) fn next_event(&mut self) -> Event {
        self.until(|world| world.events.pop_front()).expect("an event comes")
    }

    /// What is written at the moment, without letting time run.
    pub(crate) fn sent_now(&mut self) -> Vec<Sent> {
        self.pump();
        self.sent.drain(..).map(|(_, sent)| sent).collect()
    }

    pub(crate) fn events_now(&mut self) -> Vec<Event> {
        self.pump();
        self.events.drain(..).collect()
    }
}

/// A frame from a server.
pub(crate) fn frame(kind: Data, payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    ws::data(kind, payload, None, &mut bytes);
    bytes
}
