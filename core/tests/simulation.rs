//! Random scripts against a model that says exactly what each client gets: every broadcast once for every subscriber,
//! in order, nothing behind a leave; every bound answered by name; nothing left when all have gone.
//!
//! `CHANSON_SEEDS=100000` runs that many scripts instead of a few hundred, `CHANSON_SEED=7` only that one.

use std::collections::BTreeSet;
use std::time::Duration;

use chanson_core::endpoint::{Config, SlowConsumer};
use chanson_core::error::AnswerError;
use chanson_core::memory::{Client, World};
use chanson_core::time::Instant;
use chanson_core::{Capacity, Channel, Hub, Mount, Refuse, Reply, Socket, Ticket};
use serde_json::json;

#[test]
fn clients_get_exactly_what_the_model_says() {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("CHANSON_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("CHANSON_SEEDS").unwrap_or(300),
    };
    for seed in seeds {
        let _named = Named(seed);
        run(seed, 150);
    }
}

#[test]
fn the_same_script_gives_the_same_bytes() {
    for seed in 0..10 {
        let _named = Named(seed);
        assert_eq!(run(seed, 150), run(seed, 150));
    }
}

/// Says which seed it was when a script fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("CHANSON_SEED={}", self.0);
        }
    }
}

const TOPICS: [&str; 5] = ["room:a", "room:b", "room:c", "seen:a", "seen:b"];
const CONNECTIONS: usize = 8;
const JOINS_PER_CONNECTION: usize = 3;
const JOINS: usize = 14;
const TOPICS_AT_A_TIME: usize = 4;
const SUBSCRIBERS: usize = 5;
const PRESENCES: usize = 4;
const TICKETS: usize = 3;
const IDLE: Duration = Duration::from_secs(60);
const TICKET_LIMIT: Duration = Duration::from_secs(30);

/// The script of this seed; all that the clients got.
fn run(seed: u64, steps: usize) -> Vec<Vec<String>> {
    let mut sim = Sim::new(seed);
    for _ in 0..steps {
        sim.step();
        sim.check();
    }
    sim.end()
}

fn hub() -> Hub<Vec<Ticket>> {
    let events = |channel: Channel<Vec<Ticket>>| {
        channel
            .on("all", |socket, msg| socket.broadcast("said", msg.payload))
            .on("others", |socket, msg| socket.broadcast_from("said", msg.payload))
            .on("ping", |socket, msg| socket.reply(msg.payload))
            .on("stop", |socket, _| socket.stop())
            .on("fail", |_, _| Err::<(), _>("as told"))
            .on("later", |socket, _| match socket.defer() {
                Ok(ticket) => {
                    socket.app().push(ticket);
                    Ok(())
                }
                Err(error) => socket.reply_with("error", json!({ "reason": error.to_string() })),
            })
    };
    let seen = Channel::new("seen:*").join(|socket: &mut Socket<'_, Vec<Ticket>>, join| {
        let key = join.payload.parse::<String>().map_err(|_| Refuse::default())?;
        socket.track(&key, json!({}))?;
        Ok(Reply::empty())
    });
    let capacity = Capacity::default()
        .with_connections(CONNECTIONS)
        .with_joins_per_connection(JOINS_PER_CONNECTION)
        .with_joins(JOINS)
        .with_topics(TOPICS_AT_A_TIME)
        .with_subscribers_per_topic(SUBSCRIBERS)
        .with_presences(PRESENCES)
        .with_tickets(TICKETS)
        .with_queued_bytes_per_connection(1500);
    let mount = Mount::channels("/socket").channel(events(Channel::new("room:*"))).channel(events(seen));
    let mount = mount.idle_timeout(IDLE).ticket_limit(TICKET_LIMIT);
    Hub::builder().seed([7; 32]).mount(mount).capacity(capacity).build().expect("the hub makes sense")
}

/// A script as it goes on, and what has to come of it.
struct Sim {
    world: World<Vec<Ticket>>,
    random: u64,
    users: Vec<User>,
    tickets: Vec<Waiting>,
    last_ref: u32,
}

/// A client, as the model sees it.
struct User {
    client: Client,
    index: usize,
    v2: bool,
    /// Whether the server takes it for open.
    alive: bool,
    paused: bool,
    lost: bool,
    /// Whether it was paused once, so that messages may have been dropped.
    lossy: bool,
    heard: Instant,
    /// The oldest first.
    joins: Vec<Joined>,
    expected: Vec<String>,
    received: Vec<String>,
}

struct Joined {
    topic: usize,
    ref_: u32,
    tracked: bool,
}

/// An event that was put off.
struct Waiting {
    ticket: Ticket,
    user: usize,
    join: u32,
    ref_: u32,
    deadline: Instant,
}

impl Sim {
    fn new(seed: u64) -> Self {
        let config = Config::default().with_slow_consumer(SlowConsumer::DropNewest);
        let mut sim = Self {
            world: World::with_config(hub(), config, Vec::new()),
            random: seed,
            users: Vec::new(),
            tickets: Vec::new(),
            last_ref: 0,
        };
        if sim.below(3) == 0 {
            let bytes = 1 + sim.below(40);
            sim.world.chunk(bytes);
        }
        sim.world.socket_buffer(200);
        sim
    }

    /// splitmix64.
    fn below(&mut self, end: usize) -> usize {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as usize
    }

    fn step(&mut self) {
        let alive: Vec<usize> = (0..self.users.len()).filter(|user| self.users[*user].alive).collect();
        if alive.len() < 2 || self.below(20) == 0 {
            return self.connect();
        }
        let user = alive[self.below(alive.len())];
        let topic = self.below(TOPICS.len());
        if self.users[user].lost {
            return self.pass(); // what it said would not arrive
        }
        match self.below(100) {
            0..25 => self.join(user, topic),
            25..33 => self.leave(user, topic),
            33..63 => self.event(user, topic),
            63..70 => self.outside(user, topic),
            70..75 => self.answer(),
            75..80 => self.heartbeat(user),
            80..84 => self.pause(user),
            84..89 => self.resume(user),
            89..91 => self.go(user),
            91..92 => self.users[user].lose(&mut self.world),
            _ => self.pass(),
        }
    }

    // --- what may happen ---

    fn connect(&mut self) {
        let full = self.world.stats().hub.connections >= CONNECTIONS;
        let v2 = self.below(4) > 0;
        let target = if v2 { "/socket?vsn=2.0.0" } else { "/socket" };
        match self.world.try_connect(target, &[]) {
            Ok(client) => {
                assert!(!full);
                let index = self.world.conn(client).expect("it is open").index();
                self.users.push(User::new(client, index, v2, self.world.now()));
            }
            Err(response) => assert_eq!((full, response.status), (true, 503)),
        }
    }

    fn join(&mut self, user: usize, topic: usize) {
        let ref_ = self.next_ref();
        let key = format!("\"u{user}\"");
        self.send(user, Some(ref_), ref_, TOPICS[topic], "phx_join", &key);
        let old = self.position(user, topic).map(|at| self.end_join(user, at));
        let tracked = TOPICS[topic].starts_with("seen");
        match self.refusal(user, topic, tracked) {
            Some(reason) => self.reply(user, Some(ref_), ref_, topic, "error", &format!(r#"{{"reason":"{reason}"}}"#)),
            None => {
                self.reply(user, Some(ref_), ref_, topic, "ok", "{}");
                self.users[user].joins.push(Joined { topic, ref_, tracked });
            }
        }
        if let Some(old) = old {
            self.users[user].expect(Some(old), Some(old), TOPICS[topic], "phx_close", "{}");
        }
        if tracked && self.position(user, topic).is_some() {
            self.diff(topic, &format!(r#"{{"joins":{},"leaves":{{}}}}"#, metas(user)));
        }
    }

    /// Why a join is refused, in the order in which it is looked at.
    fn refusal(&self, user: usize, topic: usize, tracked: bool) -> Option<&'static str> {
        let joins = || self.users.iter().flat_map(|user| &user.joins);
        let topics: BTreeSet<usize> = joins().map(|join| join.topic).collect();
        if self.users[user].joins.len() >= JOINS_PER_CONNECTION {
            Some("too many channels joined")
        } else if joins().count() >= JOINS {
            Some("too many joins")
        } else if topics.len() >= TOPICS_AT_A_TIME && !topics.contains(&topic) {
            Some("too many topics")
        } else if joins().filter(|join| join.topic == topic).count() >= SUBSCRIBERS {
            Some("topic full")
        } else if tracked && joins().filter(|join| join.tracked).count() >= PRESENCES {
            Some("at capacity")
        } else {
            None
        }
    }

    fn leave(&mut self, user: usize, topic: usize) {
        let ref_ = self.next_ref();
        let join = self.position(user, topic).map(|at| self.users[user].joins[at].ref_);
        self.send(user, Some(join.unwrap_or(0)), ref_, TOPICS[topic], "phx_leave", "{}");
        self.reply(user, Some(join.unwrap_or(0)), ref_, topic, "ok", "{}");
        if let Some(at) = self.position(user, topic) {
            let join = self.end_join(user, at);
            self.users[user].expect(Some(join), Some(join), TOPICS[topic], "phx_close", "{}");
        }
    }

    fn event(&mut self, user: usize, topic: usize) {
        let (ref_, payload) = (self.next_ref(), format!(r#"{{"n":{}}}"#, self.last_ref));
        let event =
            ["all", "all", "all", "others", "others", "ping", "later", "later", "stop", "fail", "typo"][self.below(11)];
        let joined = self.position(user, topic);
        let join = joined.map_or(0, |at| self.users[user].joins[at].ref_);
        let stale = self.below(10) == 0;
        let said = if stale { join + 1_000_000 } else { join };
        self.send(user, Some(said), ref_, TOPICS[topic], event, &payload);
        let Some(at) = joined else {
            return self.reply(user, None, ref_, topic, "error", r#"{"reason":"unmatched topic"}"#);
        };
        if stale && self.users[user].v2 {
            return;
        }
        match event {
            "all" => self.broadcast(topic, None, "said", &payload),
            "others" => self.broadcast(topic, Some(user), "said", &payload),
            "ping" => self.reply(user, Some(join), ref_, topic, "ok", &payload),
            "typo" => self.reply(user, Some(join), ref_, topic, "error", r#"{"reason":"unmatched event"}"#),
            "later" if self.tickets.len() >= TICKETS => {
                self.reply(user, Some(join), ref_, topic, "error", r#"{"reason":"at capacity"}"#)
            }
            "later" => {
                let ticket = *self.world.app().last().expect("it was put off");
                let deadline = self.world.now() + TICKET_LIMIT;
                self.tickets.push(Waiting { ticket, user, join, ref_, deadline });
            }
            end => {
                self.end_join(user, at);
                let (event, payload) = match end {
                    "stop" => ("phx_close", "{}"),
                    _ => ("phx_error", r#"{"reason":"channel_crash"}"#),
                };
                self.users[user].expect(Some(join), Some(join), TOPICS[topic], event, payload);
            }
        }
    }

    /// The application sends.
    fn outside(&mut self, user: usize, topic: usize) {
        let payload = json!({ "n": self.next_ref() });
        let conn = self.world.conn(self.users[user].client).expect("it is alive");
        match self.below(3) {
            0 => {
                self.world.act(|hub, _| hub.broadcast(TOPICS[topic], "news", &payload)).expect("it is text");
                self.broadcast(topic, None, "news", &payload.to_string());
            }
            1 => {
                let result = self.world.act(|hub, _| hub.broadcast_from(conn, TOPICS[topic], "news", &payload));
                result.expect("it is text");
                self.broadcast(topic, Some(user), "news", &payload.to_string());
            }
            _ => {
                let result = self.world.act(|hub, _| hub.push(conn, TOPICS[topic], "news", &payload));
                let joined = self.position(user, topic);
                assert_eq!(result.is_ok(), joined.is_some());
                if let Some(at) = joined {
                    let join = self.users[user].joins[at].ref_;
                    self.users[user].expect(Some(join), None, TOPICS[topic], "news", &payload.to_string());
                }
            }
        }
    }

    fn answer(&mut self) {
        let issued = self.world.app().len();
        if issued == 0 {
            return;
        }
        let newest = self.below(issued.min(5));
        let ticket = self.world.app()[issued - 1 - newest];
        let now = self.world.now();
        let result = self.world.act(|hub, app| hub.answer(now, app, ticket, Ok(Reply::empty())));
        match self.tickets.iter().position(|waiting| waiting.ticket == ticket) {
            None => assert_eq!(result, Err(AnswerError::Expired)),
            Some(at) => {
                assert_eq!(result, Ok(()));
                self.answered(at, "ok", "{}");
            }
        }
    }

    fn heartbeat(&mut self, user: usize) {
        let ref_ = self.next_ref();
        self.send(user, None, ref_, "phoenix", "heartbeat", "{}");
        let reply = r#"{"status":"ok","response":{}}"#;
        self.users[user].expect(None, Some(ref_), "phoenix", "phx_reply", reply);
    }

    fn pause(&mut self, user: usize) {
        self.world.pause(self.users[user].client);
        (self.users[user].paused, self.users[user].lossy) = (true, true);
    }

    fn resume(&mut self, user: usize) {
        self.world.resume(self.users[user].client);
        self.users[user].paused = false;
    }

    fn go(&mut self, user: usize) {
        let client = self.users[user].client;
        match self.below(2) {
            0 => self.world.cut(client),
            _ if self.users[user].lost => return,
            _ => self.world.close(client, 1000),
        }
        self.end_conn(user);
    }

    /// Time passes, and with it the patience of the server; at one moment first with tickets, then with connections.
    fn pass(&mut self) {
        let time = Duration::from_millis([1, 500, 5_000, 25_000, 70_000][self.below(5)]);
        let end = self.world.now() + time;
        self.world.run_for(time);
        loop {
            let idle = self.users.iter().enumerate().filter(|(_, user)| user.alive);
            let idle = idle.map(|(at, user)| (user.heard + IDLE, user.index, at)).min();
            let late = (0..self.tickets.len()).map(|at| (self.tickets[at].deadline, self.tickets[at].ticket, at)).min();
            match (idle.filter(|idle| idle.0 <= end), late.filter(|late| late.0 <= end)) {
                (Some(idle), late) if late.is_none_or(|late| idle.0 < late.0) => self.end_conn(idle.2),
                (_, Some(late)) => self.answered(late.2, "error", r#"{"reason":"timeout"}"#),
                _ => return,
            }
        }
    }

    // --- what comes of it ---

    fn next_ref(&mut self) -> u32 {
        self.last_ref += 1;
        self.last_ref
    }

    fn send(&mut self, user: usize, join_ref: Option<u32>, ref_: u32, topic: &str, event: &str, payload: &str) {
        let now = self.world.now();
        let user = &mut self.users[user];
        let text = user.encode(join_ref, Some(ref_), topic, event, payload);
        assert!(!user.lost);
        user.heard = now;
        self.world.send(user.client, &text);
    }

    fn reply(&mut self, user: usize, join_ref: Option<u32>, ref_: u32, topic: usize, status: &str, response: &str) {
        let payload = format!(r#"{{"status":"{status}","response":{response}}}"#);
        self.users[user].expect(join_ref, Some(ref_), TOPICS[topic], "phx_reply", &payload);
    }

    fn broadcast(&mut self, topic: usize, except: Option<usize>, event: &str, payload: &str) {
        for (at, user) in self.users.iter_mut().enumerate() {
            if Some(at) != except && user.joins.iter().any(|join| join.topic == topic) {
                user.expect(None, None, TOPICS[topic], event, payload);
            }
        }
    }

    fn diff(&mut self, topic: usize, diff: &str) {
        self.broadcast(topic, None, "presence_diff", diff);
    }

    fn answered(&mut self, at: usize, status: &str, response: &str) {
        let Waiting { user, join, ref_, .. } = self.tickets.remove(at);
        let topic = self.users[user].joins.iter().find(|other| other.ref_ == join).map(|join| join.topic);
        self.reply(user, Some(join), ref_, topic.expect("a ticket dies with its join"), status, response);
    }

    fn position(&self, user: usize, topic: usize) -> Option<usize> {
        self.users[user].joins.iter().position(|join| join.topic == topic)
    }

    /// The join is over and the others see it; its ref.
    fn end_join(&mut self, user: usize, at: usize) -> u32 {
        let Joined { topic, ref_, tracked } = self.users[user].joins.remove(at);
        self.tickets.retain(|waiting| waiting.join != ref_);
        if tracked {
            self.diff(topic, &format!(r#"{{"joins":{{}},"leaves":{}}}"#, metas(user)));
        }
        ref_
    }

    fn end_conn(&mut self, user: usize) {
        self.users[user].alive = false;
        while let Some(newest) = self.users[user].joins.len().checked_sub(1) {
            self.end_join(user, newest);
        }
    }

    // --- whether it did ---

    fn check(&mut self) {
        let stats = self.world.stats().hub;
        let joins = || self.users.iter().flat_map(|user| &user.joins);
        let topics: BTreeSet<usize> = joins().map(|join| join.topic).collect();
        assert_eq!(stats.joins, joins().count());
        assert_eq!(stats.topics, topics.len());
        assert_eq!(stats.presences, joins().filter(|join| join.tracked).count());
        assert_eq!(stats.tickets, self.tickets.len());
        assert!(stats.connections <= CONNECTIONS);
        for (at, topic) in TOPICS.iter().enumerate() {
            let members = joins().filter(|join| join.topic == at).count();
            assert_eq!(self.world.hub().subscriber_count(topic), members);
        }
        for user in &mut self.users {
            let texts = self.world.recv(user.client);
            user.received.extend(texts.iter().map(|text| without_refs(text)));
            user.check();
        }
    }

    /// All go, in some order; nothing may be left.
    fn end(mut self) -> Vec<Vec<String>> {
        for user in 0..self.users.len() {
            if self.users[user].alive && self.users[user].paused && !self.users[user].lost {
                self.resume(user);
            }
        }
        self.check();
        while let Some(user) = self.users.iter().position(|user| user.alive) {
            self.go(user);
            if self.users[user].alive {
                self.pass();
            }
            self.check();
        }
        self.world.run_for(Duration::from_secs(100));
        let stats = self.world.stats();
        assert_eq!((stats.hub.connections, stats.hub.topics, stats.hub.joins), (0, 0, 0));
        assert_eq!((stats.hub.presences, stats.hub.tickets, stats.queued_bytes), (0, 0, 0));
        assert_eq!(stats.slow_consumers, 0);
        assert!(self.world.quiet_within(0), "no timer is left");
        self.users.into_iter().map(|user| user.received).collect()
    }
}

impl User {
    fn new(client: Client, index: usize, v2: bool, heard: Instant) -> Self {
        let (joins, expected, received) = (Vec::new(), Vec::new(), Vec::new());
        Self {
            client,
            index,
            v2,
            alive: true,
            paused: false,
            lost: false,
            lossy: false,
            heard,
            joins,
            expected,
            received,
        }
    }

    fn lose(&mut self, world: &mut World<Vec<Ticket>>) {
        world.lose(self.client);
        self.lost = true;
    }

    fn encode(&self, join_ref: Option<u32>, ref_: Option<u32>, topic: &str, event: &str, payload: &str) -> String {
        let text = |ref_: Option<u32>| ref_.map_or("null".to_owned(), |ref_| format!("\"{ref_}\""));
        match self.v2 {
            true => format!(r#"[{},{},"{topic}","{event}",{payload}]"#, text(join_ref), text(ref_)),
            false => format!(r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":{}}}"#, text(ref_)),
        }
    }

    /// This is to come. Version 1 has no join_ref, so neither has what ends a join.
    fn expect(&mut self, join_ref: Option<u32>, ref_: Option<u32>, topic: &str, event: &str, payload: &str) {
        let ends = matches!(event, "phx_close" | "phx_error");
        let ref_ = ref_.filter(|_| self.v2 || !ends);
        let text = self.encode(join_ref, ref_, topic, event, payload);
        self.expected.push(text);
    }

    fn check(&self) {
        if !self.lossy && !self.lost {
            assert_eq!(self.received, self.expected);
        } else {
            // What was dropped is missing, all else is there in order and once.
            let mut expected = self.expected.iter();
            for text in &self.received {
                assert!(expected.any(|other| other == text), "{text} is too much");
            }
        }
    }
}

fn metas(user: usize) -> String {
    format!(r#"{{"u{user}":{{"metas":[{{"phx_ref":"?"}}]}}}}"#)
}

/// The `phx_ref` of a single meta is random.
fn without_refs(text: &str) -> String {
    match text.split_once(r#""phx_ref":""#) {
        Some((before, behind)) => format!(r#"{before}"phx_ref":"?{}"#, &behind[16..]),
        None => text.to_owned(),
    }
}
