//! Clients, a server for them, and patience.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chanson_core::client::{Backoff, ChannelId, Client, Config, Event};
use chanson_core::error::CommandError;
use chanson_core::hub::Builder;
use chanson_core::limits::Capacity;
use chanson_core::{Channel, Hub, Mount, Refuse, Reply};
use chanson_mio::{ClientId, Clients, Running, Server};
use serde_json::{Value, json};

/// Nothing takes that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn hub() -> Builder {
    let room = Channel::new("room:*")
        .join(|_, join| {
            let params: Value = join.payload.parse().unwrap_or_default();
            if params["deny"] == true { Err(Refuse::reason("no")) } else { Ok(Reply::json(&params)) }
        })
        .on("echo", |socket, msg| socket.reply(msg.payload))
        .on("fail", |socket, _| socket.reply_with("error", json!({ "reason": "nope" })))
        .on("silent", |_, _| {})
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
    Hub::builder()
        .capacity(Capacity::for_connections(1000))
        .mount(Mount::channels("/socket").channel(room).max_message(16 << 20))
}

pub(crate) fn server() -> Running {
    Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap()
}

/// Comes back quickly.
pub(crate) fn config(addr: SocketAddr) -> Config {
    let config = Config::new(&format!("ws://{addr}/socket")).unwrap();
    config.with_reconnect(Backoff::steps([], Duration::from_millis(20)))
}

/// Does not come back.
pub(crate) fn once(config: Config) -> Config {
    config.with_reconnect(Backoff::RECONNECT.with_max_attempts(0))
}

pub(crate) struct World {
    pub(crate) clients: Clients,
    events: VecDeque<(ClientId, Event)>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self { clients: Clients::new().unwrap(), events: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, config: Config) -> ClientId {
        self.clients.add(config).unwrap()
    }

    /// A client that has joined a topic.
    pub(crate) fn joined(&mut self, config: Config, topic: &str) -> (ClientId, ChannelId) {
        let id = self.add(config);
        let channel = self.act(id, |client, now| client.join(now, topic, json!({})));
        assert_eq!(self.next_of(id), Event::Connected);
        assert!(matches!(self.next_of(id), Event::Joined { channel: joined, .. } if joined == channel));
        (id, channel)
    }

    pub(crate) fn act<T>(
        &mut self,
        id: ClientId,
        act: impl FnOnce(&mut Client, chanson_core::time::Instant) -> Result<T, CommandError>,
    ) -> T {
        self.clients.act(id, act).unwrap().unwrap()
    }

    /// One turn, and what happened in it.
    pub(crate) fn turn(&mut self, max_wait: Duration) {
        self.clients.poll(max_wait).unwrap();
        self.events.extend(std::iter::from_fn(|| self.clients.poll_event()));
    }

    /// The next event of a client.
    pub(crate) fn next_of(&mut self, id: ClientId) -> Event {
        let mut found = None;
        self.turn_until("an event", |world| {
            let place = world.events.iter().position(|(of, _)| *of == id);
            found = place.and_then(|place| world.events.remove(place));
            found.is_some()
        });
        found.unwrap().1
    }

    /// The next event of a client that is no failure to connect.
    pub(crate) fn next_success(&mut self, id: ClientId) -> Event {
        loop {
            match self.next_of(id) {
                Event::ConnectFailed { .. } => {}
                event => return event,
            }
        }
    }

    /// The next event, whose ever.
    pub(crate) fn next(&mut self) -> (ClientId, Event) {
        self.turn_until("an event", |world| !world.events.is_empty());
        self.events.pop_front().unwrap()
    }

    pub(crate) fn turn_until(&mut self, what: &str, mut condition: impl FnMut(&mut Self) -> bool) {
        let start = Instant::now();
        while !condition(self) {
            assert!(start.elapsed() < PATIENCE, "waited too long: {what}; {:?}", self.events);
            self.turn(Duration::from_millis(10));
        }
    }
}

/// What an event carries, as JSON.
pub(crate) fn payload(event: &Event) -> Value {
    match event {
        Event::Joined { response: payload, .. }
        | Event::Message { payload, .. }
        | Event::Reply { response: payload, .. } => payload.as_payload().parse().unwrap(),
        event => panic!("{event:?}"),
    }
}
