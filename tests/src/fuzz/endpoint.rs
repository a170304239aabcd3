//! A server with several connections on which anything is said, in any order: it stays within its bounds, its clock moves,
//! and nothing is left when all have gone.

use std::io::IoSlice;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use chanson_core::endpoint::{Config, SlowConsumer};
use chanson_core::http::Response;
use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::time::Instant;
use chanson_core::ws::{self, Control, Data};
use chanson_core::{Accept, Capacity, Channel, ConnId, Endpoint, Hub, Mount, Refuse, Reply, Ticket, session};
use serde_json::json;

/// What happens, one thing after the other.
pub fn endpoint(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(policy) = input.arbitrary::<bool>() else { return };
    let mut world = World::new(if policy { SlowConsumer::Close } else { SlowConsumer::DropNewest });
    while let Ok(op) = input.arbitrary::<Op<'_>>() {
        if input.is_empty() && matches!(op, Op::End) {
            break;
        }
        world.act(&op);
        world.check();
    }
    world.end();
}

#[derive(Debug, Arbitrary)]
enum Op<'a> {
    End,
    Connect,
    /// Bytes as they are.
    Bytes(u8, &'a [u8]),
    Upgrade(u8, Vsn),
    /// A text message, in a frame.
    Text(u8, &'a str),
    Binary(u8, &'a [u8]),
    Control(u8, u8, &'a [u8]),
    /// A message that makes sense.
    Say {
        conn: u8,
        topic: u8,
        event: u8,
        number: u8,
        payload: u8,
    },
    /// The peer reads so many bytes.
    Read(u8, u16),
    ReadAll(u8),
    Eof(u8),
    Gone(u8),
    Pass(u16),
    Pump,
    Broadcast(u8, u8),
    Publish(u8),
    Answer(bool),
    Disconnect(u8),
    Shutdown,
}

#[derive(Clone, Copy, Debug, Arbitrary)]
enum Vsn {
    V1,
    V2,
    Raw,
    Missing,
}

struct World {
    endpoint: Endpoint<Later>,
    later: Later,
    conns: Vec<(ConnId, Vsn)>,
    now: Instant,
    capacity: Capacity,
}

/// What is answered later.
#[derive(Default)]
struct Later(Vec<(Wait, Ticket)>);

#[derive(Clone, Copy)]
enum Wait {
    Connect,
    Join,
    Request,
}

impl World {
    fn new(policy: SlowConsumer) -> Self {
        let capacity = capacity();
        let session = session::Config::default().with_max_head(1000).with_max_headers(12).with_max_body(500);
        let config = Config::default().with_session(session).with_slow_consumer(policy);
        let endpoint = Endpoint::with_config(hub(&capacity), config);
        Self { endpoint, later: Later::default(), conns: Vec::new(), now: Instant::ORIGIN, capacity }
    }

    fn act(&mut self, op: &Op<'_>) {
        match op {
            Op::End => {}
            Op::Connect => {
                let free = self.endpoint.stats().hub.connections < self.capacity.connections;
                match self.endpoint.handle_connect(self.now, None) {
                    Ok(conn) => self.conns.push((conn, Vsn::V2)),
                    Err(error) => assert!(!free, "refused without need: {error}"),
                }
            }
            Op::Bytes(number, bytes) => self.bytes(*number, bytes),
            Op::Upgrade(number, vsn) => {
                let Some(at) = self.at(*number) else { return };
                self.conns[at].1 = *vsn;
                let target = match vsn {
                    Vsn::V1 => "/socket/websocket?vsn=1.0.0",
                    Vsn::V2 => "/socket/websocket?vsn=2.0.0&user=ann",
                    Vsn::Raw => "/raw",
                    Vsn::Missing => "/socket?later=1",
                };
                self.bytes(
                    *number,
                    format!(
                        "GET {target} HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
                    )
                    .as_bytes(),
                );
            }
            Op::Text(number, text) => self.frame(*number, |out| ws::data(Data::Text, text.as_bytes(), MASK, out)),
            Op::Binary(number, data) => self.frame(*number, |out| ws::data(Data::Binary, data, MASK, out)),
            Op::Control(number, kind, data) => self.frame(*number, |out| match kind % 4 {
                0 => ws::control(Control::Ping, data, MASK, out),
                1 => ws::control(Control::Pong, data, MASK, out),
                2 => ws::control(Control::Close, data, MASK, out),
                _ => ws::close(1000, "", MASK, out),
            }),
            Op::Say { conn, topic, event, number, payload } => self.say(*conn, *topic, *event, *number, *payload),
            Op::Read(number, most) => self.read(*number, usize::from(*most)),
            Op::ReadAll(number) => self.read(*number, usize::MAX),
            Op::Eof(number) => {
                if let Some(at) = self.at(*number) {
                    self.endpoint.handle_eof(self.now, &mut self.later, self.conns[at].0);
                }
            }
            Op::Gone(number) => {
                if let Some(at) = self.at(*number) {
                    let (conn, _) = self.conns.swap_remove(at);
                    self.endpoint.handle_close(self.now, &mut self.later, conn);
                }
            }
            Op::Pass(time) => self.pass(Duration::from_millis(u64::from(*time) * 8)),
            Op::Pump => self.pass(Duration::ZERO),
            Op::Broadcast(topic, len) => {
                let payload = json!({ "pad": "x".repeat(usize::from(*len) * 4) });
                let result =
                    self.endpoint.act(self.now, &mut self.later, |hub, _| hub.broadcast(name(*topic), "said", payload));
                assert_eq!(result, Ok(()));
            }
            Op::Publish(topic) => {
                self.endpoint.act(self.now, &mut self.later, |hub, _| hub.pubsub().broadcast(name(*topic), "raw"));
            }
            Op::Answer(ok) => self.answer(*ok),
            Op::Disconnect(number) => {
                let id = format!("user{}", number % 2);
                let now = self.now;
                self.endpoint.act(now, &mut self.later, |hub, later| hub.disconnect(now, later, &id));
            }
            Op::Shutdown => {
                let now = self.now;
                self.endpoint.act(now, &mut self.later, |hub, later| hub.shutdown(now, later));
            }
        }
    }

    fn say(&mut self, conn: u8, topic: u8, event: u8, number: u8, payload: u8) {
        let Some(at) = self.at(conn) else { return };
        let (topic, event) = (name(topic), EVENTS[usize::from(event) % EVENTS.len()]);
        let join = if number % 8 == 7 { "null".to_owned() } else { format!("\"{}\"", number % 4) };
        let payload = ["{}", "{\"a\":1}", "[1,2]", "\"text\"", "null", "{\"user\":\"ann\"}"][usize::from(payload) % 6];
        let text = match self.conns[at].1 {
            Vsn::V2 => format!(r#"[{join},"{number}","{topic}","{event}",{payload}]"#),
            _ => {
                format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":{join},"join_ref":{join}}}"#)
            }
        };
        self.frame(conn, |out| ws::data(Data::Text, text.as_bytes(), MASK, out));
    }

    fn answer(&mut self, ok: bool) {
        let Some((wait, ticket)) = self.later.0.pop() else { return };
        let now = self.now;
        // The ticket may have died; that is an error and nothing more.
        self.endpoint.act(now, &mut self.later, |hub, later| match wait {
            Wait::Connect if ok => drop(hub.answer_connect(now, later, ticket, Ok(Accept::default()))),
            Wait::Connect => drop(hub.answer_connect(now, later, ticket, Err(Refuse::default()))),
            Wait::Join if ok => drop(hub.answer(now, later, ticket, Ok(Reply::empty()))),
            Wait::Join => drop(hub.answer(now, later, ticket, Err(Refuse::default()))),
            Wait::Request => drop(hub.answer_request(now, ticket, Response::new(200))),
        });
    }

    fn frame(&mut self, conn: u8, write: impl FnOnce(&mut Vec<u8>)) {
        let mut out = Vec::new();
        write(&mut out);
        self.bytes(conn, &out);
    }

    fn bytes(&mut self, number: u8, bytes: &[u8]) {
        if let Some(at) = self.at(number) {
            let conn = self.conns[at].0;
            if self.endpoint.wants_bytes(conn) {
                self.endpoint.handle_bytes(self.now, &mut self.later, conn, bytes);
            }
        }
    }

    fn read(&mut self, number: u8, most: usize) {
        let Some(at) = self.at(number) else { return };
        let conn = self.conns[at].0;
        let mut slices = [IoSlice::new(&[]); 8];
        let count = self.endpoint.pending(conn, &mut slices);
        let len: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        self.endpoint.advance(self.now, conn, len.min(most));
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.endpoint.handle_timeout(self.now, &mut self.later);
        let next = self.endpoint.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a timeout does not move: {next:?} at {:?}", self.now);
    }

    fn at(&self, number: u8) -> Option<usize> {
        usize::from(number).checked_rem(self.conns.len())
    }

    fn check(&mut self) {
        while let Some(conn) = self.endpoint.poll_writable() {
            assert!(self.conns.iter().any(|(known, _)| *known == conn), "{conn:?} has gone");
        }
        let (stats, most) = (self.endpoint.stats(), &self.capacity);
        let hub = stats.hub;
        assert_eq!(hub.connections, self.conns.len());
        assert!(hub.connections <= most.connections && hub.joins <= most.joins && hub.topics <= most.topics, "{hub:?}");
        assert!(hub.presences <= most.presences && hub.tickets <= most.tickets, "{hub:?}");
        let queued: usize = stats.queued_bytes;
        assert!(queued <= hub.connections * (most.queued_bytes_per_connection + LONGEST), "{stats:?}");
        assert!(queued <= most.queued_bytes + hub.connections * LONGEST, "{stats:?}");
    }

    /// All go, some in an orderly way.
    fn end(&mut self) {
        self.pass(Duration::from_secs(1));
        while let Some((conn, _)) = self.conns.pop() {
            if self.conns.len().is_multiple_of(2) {
                self.endpoint.handle_eof(self.now, &mut self.later, conn);
            }
            self.endpoint.handle_close(self.now, &mut self.later, conn);
        }
        self.check();
        let stats = self.endpoint.stats();
        let left = [stats.hub.joins, stats.hub.topics, stats.hub.presences, stats.hub.tickets, stats.queued_bytes];
        assert_eq!(left, [0; 5], "all have gone: {stats:?}");
        self.pass(Duration::from_secs(1000));
        assert_eq!(self.endpoint.poll_timeout(), None, "all have gone, and it waits");
    }
}

fn capacity() -> Capacity {
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

fn hub(capacity: &Capacity) -> Hub<Later> {
    let room = Channel::<Later>::new("room:*")
        .join(|socket, join| {
            if join.topic == "room:later" {
                let ticket = socket.defer()?;
                socket.app().0.push((Wait::Join, ticket));
                return Ok(Reply::Later);
            }
            socket.push_presence_state()?;
            socket.track("key", json!({ "n": 1 }))?;
            Ok(Reply::empty())
        })
        .leave(|socket, _| socket.broadcast("left", json!({})))
        .on("echo", |socket, msg| socket.reply(msg.payload))
        .on("say", |socket, msg| socket.broadcast("said", msg.payload))
        .on("whisper", |socket, msg| socket.broadcast_from("said", msg.payload))
        .on("stop", |socket, _| socket.stop())
        .on("crash", |_, _| Err::<(), _>("as told"))
        .on("later", |socket, _| {
            let ticket = socket.defer()?;
            socket.app().0.push((Wait::Join, ticket));
            Ok::<_, chanson_core::error::CommandError>(())
        });
    let any = Channel::new("any:*").on_any(|socket, msg| socket.push("again", msg.payload));
    let socket = Mount::channels("/socket")
        .channel(room)
        .channel(any)
        .on_connect(|connect| {
            connect.set_id("user1");
            if connect.param("later").is_some() {
                let ticket = connect.defer()?;
                connect.app().0.push((Wait::Connect, ticket));
            }
            Ok(())
        })
        .rate_limit(RateLimit { burst: 20, per_second: 2, action: RateAction::Drop })
        .max_message(1000);
    let raw = Mount::raw("/raw")
        .on_open(|raw| raw.subscribe("room:a"))
        .on_text(|raw, text| raw.broadcast("room:a", text))
        .on_binary(|raw, data| raw.send_binary(data))
        .rate_limit(RateLimit { burst: 20, per_second: 2, action: RateAction::Disconnect })
        .max_message(1000);
    Hub::builder()
        .seed([7; 32])
        .capacity(capacity.clone())
        .mount(socket)
        .mount(raw)
        .on_request(|http, request| {
            if request.path() == "/later" {
                let ticket = http.defer().ok()?;
                http.app().0.push((Wait::Request, ticket));
                return None;
            }
            Some(Response::new(200))
        })
        .build()
        .expect("the hub makes sense")
}

fn name(topic: u8) -> &'static str {
    ["room:a", "room:b", "any:a", "room:later", "phoenix", "nowhere"][usize::from(topic) % 6]
}

const EVENTS: [&str; 11] =
    ["phx_join", "phx_join", "echo", "say", "whisper", "stop", "crash", "later", "phx_leave", "heartbeat", "unmatched"];
const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);
/// More than the longest that is sent, and what is reserved for answers and close frames.
const LONGEST: usize = 4096;
