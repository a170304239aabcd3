//! A hub in which most of what handlers can do is done, within bounds that are soon reached. Its handlers log what they are
//! called for and number what they say, so that two hosts of it can be compared.

use std::net::SocketAddr;

use chanson_core::endpoint::{Config, SlowConsumer};
use chanson_core::http::Response;
use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::{Capacity, Channel, ConnId, Hub, Mount, Payload, PayloadBuf, Raw, Reply, Socket, Ticket, session};
use serde_json::{Value, json};

/// What the handlers share: the application of the hub.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// What is answered later.
    pub(super) tickets: Vec<(u16, Wait, Ticket)>,
    /// What handlers of messages were called for, in order.
    pub(super) log: Vec<String>,
    /// What handlers of requests were called for, by the port of the peer.
    pub(super) asked: Vec<(u16, String)>,
    /// What the hub calls a connection, by the port of its peer.
    pub(super) names: Vec<(u16, ConnId)>,
    /// How many messages were numbered.
    stamps: u64,
}

/// What a ticket is for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wait {
    Connect,
    Join,
    Request,
}

impl Later {
    /// The number of the next message that the hub sends.
    pub(super) const fn stamp(&mut self) -> u64 {
        self.stamps += 1;
        self.stamps
    }

    /// The number of the last message that has one.
    pub(super) const fn stamps(&self) -> u64 {
        self.stamps
    }

    /// The last ticket of the youngest connection that has one. (Which ticket is the last of all may depend on the host: among
    /// connections that go on in the same turn no order is promised.)
    pub(super) fn pop(&mut self) -> Option<(Wait, Ticket)> {
        let at = (0..self.tickets.len()).max_by_key(|at| (self.tickets[*at].0, *at))?;
        let (_, wait, ticket) = self.tickets.remove(at);
        Some((wait, ticket))
    }

    /// For who does not compare anything.
    pub(super) fn forget(&mut self) {
        self.log.clear();
        self.asked.clear();
        self.names.clear();
    }

    /// A payload of a peer's with a number, if it is JSON.
    fn stamped(&mut self, payload: Payload<'_>) -> PayloadBuf {
        let Some(json) = payload.json() else { return payload.to_owned() };
        // Nobody else has a say in the numbers.
        let was = match json.as_str().contains("stamp") {
            true => Value::Null,
            false => json.parse().unwrap_or_default(),
        };
        PayloadBuf::from_serialize(&json!({ "stamp": self.stamp(), "was": was })).expect("it is JSON")
    }

    fn named(&mut self, peer: u16, conn: ConnId) {
        self.names.retain(|(known, _)| *known != peer);
        self.names.push((peer, conn));
    }
}

pub(super) fn capacity() -> Capacity {
    Capacity::default()
        .with_connections(4)
        .with_topics(3)
        .with_subscribers_per_topic(3)
        .with_joins_per_connection(2)
        .with_joins(5)
        .with_presences(3)
        .with_topic_bytes(20)
        .with_event_bytes(20)
        .with_ref_bytes(30)
        .with_tickets(3)
        .with_tickets_per_connection(2)
        .with_pending_events_per_join(2)
        .with_queued_bytes_per_connection(1500)
        .with_queued_bytes(4000)
}

pub(super) fn config(policy: SlowConsumer) -> Config {
    let session = session::Config::default().with_max_head(1000).with_max_headers(12).with_max_body(500);
    Config::default().with_session(session).with_slow_consumer(policy)
}

pub(super) fn hub(capacity: &Capacity) -> Hub<Later> {
    let socket = Mount::channels("/socket")
        .channel(room())
        .channel(any())
        .on_connect(|connect| {
            let (peer, conn) = (port(connect.peer()), connect.conn());
            connect.app().asked.push((peer, "connects".to_owned()));
            connect.app().named(peer, conn);
            connect.set_id("user1");
            if connect.param("later").is_some() {
                let ticket = connect.defer()?;
                connect.app().tickets.push((peer, Wait::Connect, ticket));
            }
            Ok(())
        })
        .rate_limit(RateLimit { burst: 20, per_second: 2, action: RateAction::Drop })
        .max_message(1000);
    Hub::builder()
        .seed([7; 32])
        .capacity(capacity.clone())
        .mount(socket)
        .mount(raw())
        .on_request(|http, request| {
            let peer = port(http.peer());
            http.app().asked.push((peer, format!("asks for {:?}", request.path())));
            if request.path() == "/later" {
                let ticket = http.defer().ok()?;
                http.app().tickets.push((peer, Wait::Request, ticket));
                return None;
            }
            Some(Response::new(200))
        })
        .build()
        .expect("the hub makes sense")
}

fn room() -> Channel<Later> {
    Channel::<Later>::new("room:*")
        .join(|socket, join| {
            let peer = port(socket.peer());
            socket.app().log.push(format!("{peer} joins {}", join.topic));
            if join.topic == "room:later" {
                let ticket = socket.defer()?;
                socket.app().tickets.push((peer, Wait::Join, ticket));
                return Ok(Reply::Later);
            }
            socket.push_presence_state()?;
            socket.track("key", json!({ "n": 1 }))?;
            Ok(Reply::empty())
        })
        .leave(|socket, why| {
            let (peer, topic) = (port(socket.peer()), socket.topic().to_owned());
            socket.app().log.push(format!("{peer} leaves {topic}: {why:?}"));
            let payload = json!({ "stamp": socket.app().stamp() });
            socket.broadcast("left", payload)
        })
        .on("echo", |socket, msg| {
            let payload = heard(socket, "echo", msg.payload);
            socket.reply(payload)
        })
        .on("say", |socket, msg| {
            let payload = heard(socket, "say", msg.payload);
            socket.broadcast("said", payload)
        })
        .on("whisper", |socket, msg| {
            let payload = heard(socket, "whisper", msg.payload);
            socket.broadcast_from("said", payload)
        })
        .on("stop", |socket, msg| {
            heard(socket, "stop", msg.payload);
            socket.stop();
        })
        .on("crash", |socket, msg| {
            heard(socket, "crash", msg.payload);
            Err::<(), _>("as told")
        })
        .on("later", |socket, msg| {
            heard(socket, "later", msg.payload);
            let (peer, ticket) = (port(socket.peer()), socket.defer()?);
            socket.app().tickets.push((peer, Wait::Join, ticket));
            Ok::<_, chanson_core::error::CommandError>(())
        })
}

fn any() -> Channel<Later> {
    Channel::new("any:*").on_any(|socket, msg| {
        let payload = heard(socket, "any", msg.payload);
        socket.push("again", payload)
    })
}

fn raw() -> Mount<Later> {
    Mount::raw("/raw")
        .on_open(|raw: &mut Raw<'_, Later>| {
            let (peer, conn) = (port(raw.peer()), raw.conn());
            raw.app().asked.push((peer, "opens".to_owned()));
            raw.app().named(peer, conn);
            raw.subscribe("room:a")
        })
        .on_text(|raw, text| {
            let peer = port(raw.peer());
            raw.app().log.push(format!("{peer} sends {} bytes of text", text.len()));
            let text = match text.contains("stamp") {
                true => "",
                false => text,
            };
            let text = format!("{}{text}", json!({ "stamp": raw.app().stamp() }));
            raw.broadcast("room:a", &text);
        })
        .on_binary(|raw, data| {
            let peer = port(raw.peer());
            raw.app().log.push(format!("{peer} sends {} bytes", data.len()));
            raw.send_binary(data)
        })
        .on_close(|raw, why| {
            let peer = port(raw.peer());
            raw.app().log.push(format!("{peer} has closed: {why:?}"));
        })
        .rate_limit(RateLimit { burst: 20, per_second: 2, action: RateAction::Disconnect })
        .max_message(1000)
}

fn heard(socket: &mut Socket<'_, Later>, event: &str, payload: Payload<'_>) -> PayloadBuf {
    let (peer, topic) = (port(socket.peer()), socket.topic().to_owned());
    let app = socket.app();
    app.log.push(format!("{peer} says {event} on {topic}"));
    app.stamped(payload)
}

/// Hosts tell connections apart by it.
fn port(peer: Option<SocketAddr>) -> u16 {
    peer.map_or(0, |peer| peer.port())
}

/// More than the longest that is sent, and what is reserved for answers and close frames.
pub(super) const LONGEST: usize = 4096;
