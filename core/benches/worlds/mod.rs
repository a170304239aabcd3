//! Hubs and endpoints of a given size, for benches of how cost grows.
#![allow(dead_code, reason = "each bench uses a part of it")]

use std::time::Duration;

use chanson_core::error::CloseReason;
use chanson_core::http::Request;
use chanson_core::time::Instant;
use chanson_core::topic::{Pattern, Routes};
use chanson_core::ws::{self, Data};
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Json, Mount, Output, Reply};

/// A payload of 64 bytes.
pub(crate) const PAYLOAD: &str = r#"{"body":"So long, and thanks for all the fish.","id":4242424242}"#;
const _: () = assert!(PAYLOAD.len() == 64);

fn payload() -> Json<'static> {
    Json::new(PAYLOAD).expect("it is JSON")
}

/// A hub of at most so many connections, each of which may be in all topics.
///
/// In `room:*` there are the events `ping`, which is answered, and `new_msg`, which is broadcast; who joins `here:*` is
/// tracked under the string that the join carries, and asks for the state by `who`.
pub(crate) fn hub(connections: usize) -> Hub {
    let room = Channel::new("room:*")
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
    let here = Channel::new("here:*")
        .join(|socket, join| {
            let key: &str = join.payload.parse().expect("it is a string");
            socket.track(key, Json::EMPTY).expect("it is not tracked yet");
            Ok(Reply::empty())
        })
        .on("who", |socket, _| socket.push_presence_state());
    let capacity = Capacity::for_connections(connections);
    let mount = Mount::channels("/socket").channel(room).channel(here);
    Hub::builder().seed([7; 32]).capacity(capacity).mount(mount).build().expect("the hub makes sense")
}

/// A hub by itself, message level.
pub(crate) struct World {
    pub(crate) hub: Hub,
    pub(crate) now: Instant,
    payload: Json<'static>,
}

impl World {
    pub(crate) fn new(connections: usize) -> Self {
        Self { hub: hub(connections), now: Instant::ORIGIN, payload: payload() }
    }

    /// With so many connections in one topic.
    pub(crate) fn in_one_topic(subscribers: usize) -> Self {
        let mut world = Self::new(subscribers + SPARE);
        for _ in 0..subscribers {
            world.join_new("room:lobby");
        }
        world
    }

    /// With so many topics, a connection in each.
    pub(crate) fn in_topics_of_their_own(topics: usize) -> Self {
        let mut world = Self::new(topics + SPARE);
        for n in 0..topics {
            world.join_new(&format!("room:{n}"));
        }
        world
    }

    /// With so many present in one topic.
    pub(crate) fn all_present(present: usize) -> Self {
        let mut world = Self::new(present + SPARE);
        for n in 0..present {
            let conn = world.connect();
            world.handle(conn, &join_as(n));
            world.drain();
        }
        world
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        let conn = self.hub.handle_connect(self.now, None).expect("there is room");
        self.hub.handle_open(self.now, &mut (), conn, &Request::new("GET", "/socket?vsn=2.0.0", &[], b""));
        conn
    }

    pub(crate) fn join_new(&mut self, topic: &str) -> ConnId {
        let conn = self.connect();
        self.handle(conn, &message(topic, "phx_join", "{}"));
        self.drain();
        conn
    }

    pub(crate) fn handle(&mut self, conn: ConnId, text: &str) {
        self.hub.handle_text(self.now, &mut (), conn, text);
    }

    pub(crate) fn close(&mut self, conn: ConnId) {
        self.hub.handle_close(self.now, &mut (), conn, CloseReason::TransportEof);
    }

    pub(crate) fn broadcast(&mut self) -> usize {
        self.hub.broadcast("room:lobby", "new_msg", self.payload).expect("it is text");
        self.drain()
    }

    /// Tells others something, of whom there is one, so that the hub has to list anew to whom the next broadcast goes.
    pub(crate) fn broadcast_elsewhere(&mut self) {
        self.hub.broadcast("room:other", "new_msg", self.payload).expect("it is text");
        assert_eq!(self.drain(), 1);
    }

    /// Time passes; the timers that are due fire.
    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.hub.handle_timeout(self.now, &mut ());
        self.drain();
    }

    /// Takes all there is to do; how many deliveries that was.
    pub(crate) fn drain(&mut self) -> usize {
        let mut delivered = 0;
        while let Some(output) = self.hub.poll_output() {
            if let Output::Deliver { to, frame } = output {
                delivered += to.len();
                std::hint::black_box(frame);
            }
        }
        delivered
    }
}

/// A hub with its sessions, byte level.
pub(crate) struct Sockets {
    pub(crate) endpoint: Endpoint,
    pub(crate) conns: Vec<ConnId>,
    now: Instant,
    payload: Json<'static>,
}

impl Sockets {
    /// So many connections, all in one topic.
    pub(crate) fn in_one_topic(subscribers: usize) -> Self {
        let (endpoint, conns) = (Endpoint::new(hub(subscribers + SPARE)), Vec::new());
        let mut sockets = Self { endpoint, conns, now: Instant::ORIGIN, payload: payload() };
        let join = frame(&message("room:lobby", "phx_join", "{}"));
        for _ in 0..subscribers {
            let conn = sockets.connect();
            sockets.turn(conn, &join);
            sockets.conns.push(conn);
        }
        sockets
    }

    pub(crate) fn connect(&mut self) -> ConnId {
        let conn = self.endpoint.handle_connect(self.now, None).expect("there is room");
        self.turn(
            conn,
            b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
              Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        conn
    }

    /// Somebody comes, says all this, closes and is gone.
    pub(crate) fn visit(&mut self, frames: &[Vec<u8>]) {
        let conn = self.connect();
        for frame in frames {
            self.turn(conn, frame);
        }
        self.turn(conn, CLOSE);
        assert!(self.endpoint.is_finished(conn));
        self.endpoint.handle_close(self.now, &mut (), conn);
    }

    /// Bytes come, and what comes of them leaves; how many bytes.
    pub(crate) fn turn(&mut self, conn: ConnId, bytes: &[u8]) -> usize {
        self.take(conn, bytes);
        self.write_all()
    }

    /// Bytes come, and what comes of them waits.
    pub(crate) fn take(&mut self, conn: ConnId, bytes: &[u8]) {
        self.endpoint.handle_bytes(self.now, &mut (), conn, bytes);
    }

    pub(crate) fn broadcast(&mut self) -> usize {
        let payload = self.payload;
        let said = self.endpoint.act(self.now, &mut (), |hub, ()| hub.broadcast("room:lobby", "new_msg", payload));
        said.expect("it is text");
        self.write_all()
    }

    /// Sends all that is to be sent, as if the sockets took all of it.
    pub(crate) fn write_all(&mut self) -> usize {
        let mut written = 0;
        while let Some(conn) = self.endpoint.poll_writable() {
            let sent = self.endpoint.transmit(self.now, conn, |slices| {
                let len = std::hint::black_box(slices).iter().map(|slice| slice.len()).sum();
                written += len;
                Ok(len)
            });
            sent.expect("it takes all");
        }
        written
    }
}

/// So many patterns, each second one exact.
pub(crate) fn routes(patterns: usize) -> Routes {
    let text = |n: usize| if n.is_multiple_of(2) { format!("room{n}:*") } else { format!("exact:{n}") };
    let patterns: Vec<_> = (0..patterns).map(|n| Pattern::new(&text(n)).expect("it is a pattern")).collect();
    Routes::new(&patterns).expect("none shadows another")
}

pub(crate) fn message(topic: &str, event: &str, payload: &str) -> String {
    format!(r#"["4","12","{topic}","{event}",{payload}]"#)
}

/// The join of the one with this number, who is to be present.
pub(crate) fn join_as(n: usize) -> String {
    message("here:1", "phx_join", &format!(r#""user{n:06}""#))
}

pub(crate) const HEARTBEAT: &str = r#"[null,"99","phoenix","heartbeat",{}]"#;

/// A client's close frame: 1000, masked with zeros.
const CLOSE: &[u8] = &[0x88, 0x82, 0, 0, 0, 0, 0x03, 0xe8];

/// The text as a client sends it.
pub(crate) fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ws::data(Data::Text, text.as_bytes(), Some([1, 2, 3, 4]), &mut bytes);
    bytes
}

/// Room for connections beside those that are there from the beginning.
const SPARE: usize = 64;
