//! What the server did, written down by its own handlers: who joined when, what was published, what was answered.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::{Channel, ConnId, Event, Hub, Join, Json, Leave, Mount, Refuse, Reply, Socket, Ticket};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::options::{BURST, FOE_JOINS, OFFENCES, PER_SECOND, Shape};

/// The topics. In `seen:*` everybody is tracked.
pub(super) const TOPICS: [&str; 4] = ["room:a", "room:b", "seen:a", "seen:b"];

pub(super) fn topic_index(topic: &str) -> usize {
    TOPICS.iter().position(|name| *name == topic).unwrap_or(usize::MAX)
}

pub(super) fn is_tracked(topic: usize) -> bool {
    TOPICS.get(topic).is_some_and(|name| name.starts_with("seen"))
}

/// What a client pushes.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Said {
    pub(super) peer: usize,
    /// A number that this client gives to nothing else, and always a greater one.
    pub(super) tag: u32,
    pub(super) answer: Answer,
}

/// How a push is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Answer {
    Ok,
    Error,
    Later,
    Never,
}

/// The answer to a push.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) tag: u32,
    /// How much was published on the topic before.
    pub(super) after: usize,
}

/// The answer to a join.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(super) struct Welcome {
    pub(super) join: usize,
}

/// A broadcast: the how many-th on its topic, and something to carry.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Broadcast {
    pub(super) n: usize,
    pub(super) topic: usize,
    pub(super) pad: String,
}

impl Broadcast {
    fn new(topic: usize, n: usize) -> Self {
        Self { n, topic, pad: "x".repeat(pad(topic, n)) }
    }

    pub(super) fn is_whole(&self) -> bool {
        self.pad.len() == pad(self.topic, self.n) && self.pad.bytes().all(|byte| byte == b'x')
    }
}

/// Some broadcasts are long.
const fn pad(topic: usize, n: usize) -> usize {
    if n % 7 == 3 { 300 } else { (topic * 31 + n * 11) % 60 }
}

/// A join that the server accepted.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    pub(super) peer: usize,
    pub(super) topic: usize,
    /// Which server, and which connection there.
    pub(super) conn: (u32, ConnId),
    /// How much was published on the topic before it, and when it ended.
    pub(super) start: usize,
    pub(super) end: Option<usize>,
    pub(super) why: Option<Leave>,
    last_tag: u32,
}

/// What a connection is still to get, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Welcome { join: usize },
    Broadcast { topic: usize, n: usize },
    Answer { tag: u32 },
    End { topic: usize, crashed: bool, rejoined: bool },
}

/// The server's state of its own.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// For each broadcast the join that does not get it, if there is one.
    published: [Vec<Option<usize>>; TOPICS.len()],
    pub(super) joins: Vec<Joined>,
    pub(super) active: BTreeMap<(ConnId, usize), usize>,
    pub(super) owed: BTreeMap<ConnId, VecDeque<Owed>>,
    pub(super) tickets: VecDeque<(Ticket, ConnId, Answered)>,
    handled: BTreeSet<(usize, u32)>,
    /// Which server it is.
    pub(super) server: u32,
    /// Handlers that failed on purpose.
    pub(super) crashes: u64,
    /// What hostile clients have joined of their own, and how many of their messages came through.
    pub(super) foes: BTreeSet<(ConnId, String)>,
    pub(super) talked: BTreeMap<ConnId, u64>,
    /// How many of their texts are no messages.
    pub(super) nonsense: u64,
    /// Whether they have sent many heartbeats, for whose answers there is room of their own.
    pub(super) flooded: bool,
    /// What must not be.
    pub(super) wrong: Option<String>,
    /// After so many whispers one is said aloud: see `Mischief::Echo`.
    pub(super) echo: Option<usize>,
    pub(super) echoed: bool,
}

impl Ledger {
    /// The server is thrown away, and another one begins.
    pub(super) fn restart(&mut self) {
        for (_, join) in std::mem::take(&mut self.active) {
            self.end(join, None);
        }
        self.owed.clear();
        self.tickets.clear();
        self.foes.clear();
        self.talked.clear();
        self.flooded = false;
        (self.server, self.crashes) = (self.server + 1, 0);
    }

    pub(super) fn published(&self, topic: usize) -> usize {
        self.published[topic].len()
    }

    pub(super) fn was_handled(&self, peer: usize, tag: u32) -> bool {
        self.handled.contains(&(peer, tag))
    }

    /// Which broadcast is the next for this join, from the `from`-th on.
    pub(super) fn next(&self, join: usize, from: usize) -> Option<usize> {
        let Joined { topic, start, end, .. } = self.joins[join];
        let end = end.unwrap_or(self.published[topic].len());
        (from.max(start)..end).find(|n| self.published[topic][*n] != Some(join))
    }

    /// Whether some join of this connection gets that broadcast.
    pub(super) fn is_for(&self, conn: (u32, ConnId), topic: usize, n: usize) -> bool {
        let mut joins = self.joins.iter().enumerate().filter(|(_, join)| join.conn == conn && join.topic == topic);
        joins.any(|(at, _)| self.next(at, n) == Some(n))
    }

    /// The application publishes; what to send.
    pub(super) fn publish(&mut self, topic: usize, except: Option<usize>) -> Broadcast {
        let n = self.published[topic].len();
        self.published[topic].push(except);
        for ((conn, of), join) in &self.active {
            if *of == topic && Some(*join) != except {
                self.owed.entry(*conn).or_default().push_back(Owed::Broadcast { topic, n });
            }
        }
        Broadcast::new(topic, n)
    }

    /// How many joins a connection has.
    pub(super) fn joins_of(&self, conn: ConnId) -> usize {
        let of = |other: &ConnId| *other == conn;
        self.active.keys().filter(|(other, _)| of(other)).count()
            + self.foes.iter().filter(|(other, _)| of(other)).count()
    }

    fn echoes(&mut self) -> bool {
        let Some(patience) = &mut self.echo else { return false };
        let strikes = *patience == 0 && !self.echoed;
        *patience = patience.saturating_sub(1);
        self.echoed |= strikes;
        strikes
    }

    fn owe(&mut self, conn: ConnId, owed: Owed) {
        self.owed.entry(conn).or_default().push_back(owed);
    }

    pub(super) fn owe_answer(&mut self, conn: ConnId, tag: u32) {
        self.owe(conn, Owed::Answer { tag });
    }

    fn join(&mut self, conn: ConnId, topic: usize, peer: usize) -> Welcome {
        let (number, start) = (self.joins.len(), self.published[topic].len());
        let conn_of = (self.server, conn);
        self.joins.push(Joined { peer, topic, conn: conn_of, start, end: None, why: None, last_tag: 0 });
        if self.active.insert((conn, topic), number).is_some() {
            self.wrong.get_or_insert(format!("{conn:?} joined {} twice at a time", TOPICS[topic]));
        }
        self.owe(conn, Owed::Welcome { join: number });
        Welcome { join: number }
    }

    fn leave(&mut self, conn: ConnId, topic: usize, why: Leave) {
        let Some(join) = self.active.remove(&(conn, topic)) else {
            self.wrong.get_or_insert(format!("{conn:?} left {} without being there", TOPICS[topic]));
            return;
        };
        self.end(join, Some(why));
        if !matches!(why, Leave::Disconnected(_)) {
            let (crashed, rejoined) = (why == Leave::Crashed, why == Leave::Rejoined);
            self.owe(conn, Owed::End { topic, crashed, rejoined });
        }
    }

    fn end(&mut self, join: usize, why: Option<Leave>) {
        let published = self.published[self.joins[join].topic].len();
        (self.joins[join].end, self.joins[join].why) = (Some(published), why);
    }

    /// A push came; the join that it came on.
    fn handle(&mut self, conn: ConnId, topic: usize, said: Said) -> usize {
        let Some(number) = self.active.get(&(conn, topic)).copied() else {
            self.wrong.get_or_insert(format!("{said:?} came from {conn:?}, which is not in {}", TOPICS[topic]));
            return usize::MAX;
        };
        let join = &mut self.joins[number];
        if join.peer != said.peer || said.tag <= join.last_tag || !self.handled.insert((said.peer, said.tag)) {
            self.wrong.get_or_insert(format!("{said:?} came twice, late or from another client: {join:?}"));
        }
        join.last_tag = said.tag;
        number
    }
}

/// A hub whose handlers write all they do into a [`Ledger`].
pub(super) fn hub(seed: [u8; 32], shape: &Shape) -> Hub<Ledger> {
    let channel = |pattern: &str| {
        Channel::new(pattern)
            .join(join)
            .leave(leave)
            .on("say", |socket, msg| event(socket, msg, Act::Say))
            .on("whisper", |socket, msg| event(socket, msg, Act::Whisper))
            .on("ask", |socket, msg| event(socket, msg, Act::Ask))
            .on("stop", |socket, msg| event(socket, msg, Act::Stop))
            .on("crash", |socket, msg| event(socket, msg, Act::Crash))
    };
    let mount = |path: &str| {
        let mount = Mount::channels(path).channel(channel("room:*")).channel(channel("seen:*")).channel(foes());
        mount.idle_timeout(shape.idle_timeout).ticket_limit(shape.ticket_limit)
    };
    let rate = RateLimit { burst: BURST, per_second: PER_SECOND, action: RateAction::Drop };
    let limits = mount("/limits").rate_limit(rate).max_joins(FOE_JOINS).max_offences(OFFENCES).max_message(1000);
    Hub::builder()
        .seed(seed)
        .mount(mount("/socket"))
        .mount(limits)
        .capacity(shape.capacity.clone())
        .build()
        .expect("the hub makes sense")
}

/// Where hostile clients talk to each other.
fn foes() -> Channel<Ledger> {
    let count = |socket: &mut Socket<'_, Ledger>| {
        let conn = socket.conn();
        *socket.app().talked.entry(conn).or_default() += 1;
    };
    Channel::<Ledger>::new("foe:*")
        .join(|socket, join| {
            let at = (socket.conn(), join.topic.to_owned());
            socket.app().foes.insert(at);
            Ok(Reply::empty())
        })
        .leave(|socket, _| {
            let at = (socket.conn(), socket.topic().to_owned());
            if !socket.app().foes.remove(&at) {
                socket.app().wrong.get_or_insert(format!("{at:?} was left without being there"));
            }
        })
        .on("echo", move |socket, msg| {
            count(socket);
            socket.reply(msg.payload)
        })
        .on("say", move |socket, msg| {
            count(socket);
            socket.broadcast("again", msg.payload)
        })
}

fn join(socket: &mut Socket<'_, Ledger>, join: Join<'_>) -> Result<Reply, Refuse> {
    let (conn, topic) = (socket.conn(), topic_index(join.topic));
    let peer: usize = join.payload.parse().map_err(|_| Refuse::default())?;
    if is_tracked(topic) {
        socket.push_presence_state()?;
        socket.track(&format!("p{peer}"), json!({ "peer": peer }))?;
    }
    Ok(Reply::json(&socket.app().join(conn, topic, peer)))
}

/// Who leaves `room:b` does so with a last word to the others.
fn leave(socket: &mut Socket<'_, Ledger>, why: Leave) -> Result<(), String> {
    let (conn, topic) = (socket.conn(), topic_index(socket.topic()));
    socket.app().leave(conn, topic, why);
    if TOPICS.get(topic) != Some(&"room:b") {
        return Ok(());
    }
    let broadcast = socket.app().publish(topic, None);
    socket.broadcast("said", to_json(&broadcast).as_json()).map_err(|error| error.to_string())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Act {
    Say,
    Whisper,
    Ask,
    Stop,
    Crash,
}

fn event(socket: &mut Socket<'_, Ledger>, msg: Event<'_>, act: Act) -> Result<(), String> {
    let (conn, topic) = (socket.conn(), topic_index(msg.topic));
    let said: Said = match msg.payload.parse() {
        Ok(said) => said,
        Err(error) => {
            socket.app().crashes += 1;
            return Err(error.to_string());
        }
    };
    let join = socket.app().handle(conn, topic, said);
    let text = |error: &dyn std::fmt::Display| error.to_string();
    match act {
        Act::Say => {
            let broadcast = socket.app().publish(topic, None);
            socket.broadcast("said", to_json(&broadcast).as_json()).map_err(|error| text(&error))?;
        }
        Act::Whisper => {
            let broadcast = socket.app().publish(topic, Some(join));
            let payload = to_json(&broadcast);
            let result = match socket.app().echoes() {
                false => socket.broadcast_from("said", payload.as_json()),
                true => socket.broadcast("said", payload.as_json()),
            };
            result.map_err(|error| text(&error))?;
        }
        Act::Ask => {}
        Act::Stop => socket.stop(),
        Act::Crash => {
            socket.app().crashes += 1;
            return Err("as told".into());
        }
    }
    let answered = Answered { tag: said.tag, after: socket.app().published(topic) };
    let status = match said.answer {
        Answer::Ok => "ok",
        Answer::Error => "error",
        Answer::Never => return Ok(()),
        Answer::Later => {
            if let Ok(ticket) = socket.defer() {
                socket.app().tickets.push_back((ticket, conn, answered));
            }
            return Ok(());
        }
    };
    socket.app().owe_answer(conn, said.tag);
    socket.reply_with(status, to_json(&answered).as_json()).map_err(|error| text(&error))
}

/// JSON, written.
pub(super) struct Written(String);

impl Written {
    pub(super) fn as_json(&self) -> Json<'_> {
        Json::new(&self.0).expect("it was written as JSON")
    }
}

pub(super) fn to_json(value: &impl Serialize) -> Written {
    Written(serde_json::to_string(value).expect("it can be written as JSON"))
}
