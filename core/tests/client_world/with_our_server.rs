//! Clients and our own server, joined by pipes in memory.

use std::collections::BTreeSet;
use std::io::IoSlice;
use std::time::Duration;

use chanson_core::client::{
    Backoff, Cause, ChannelId, Client, Closing, Config, ConnectError, Event, JoinError, Output, PushId,
};
use chanson_core::error::CloseReason;
use chanson_core::time::Instant;
use chanson_core::{Binary, Channel, ConnId, Endpoint, Hub, Mount, PayloadBuf, Refuse, Reply};
use proptest::prelude::*;
use serde_json::{Value, json};

struct World {
    server: Endpoint,
    now: Instant,
    peers: Vec<Peer>,
    /// How many bytes a transport takes at once.
    piece: usize,
}

struct Peer {
    client: Client,
    conn: Option<ConnId>,
    /// Whether nothing gets through any more, though nobody knows.
    silent: bool,
    events: Vec<Event>,
}

/// A room as in the examples, with events for what can go wrong.
fn hub() -> Hub {
    let room = Channel::new("room:*")
        .join(|socket, join| {
            if socket.topic() == "room:secret" {
                return Err(Refuse::reason("members only"));
            }
            let user = socket.assign("user").ok_or(Refuse::reason("who are you?"))?.to_owned();
            socket.push_presence_state()?;
            socket.track(&user, json!({ "online": true }))?;
            Ok(Reply::payload(join.payload))
        })
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .on("fail", |socket, msg| socket.reply_with("error", msg.payload))
        .on("silent", |_, _| ())
        .on("stop", |socket, _| socket.stop())
        .on("crash", |_, _| Err::<(), _>(chanson_core::error::CommandError::NotAllowed));
    let mount = Mount::channels("/socket").channel(room).on_connect(|connect| {
        let user = connect.auth_token().or(connect.param("user")).ok_or(Refuse::default())?.to_owned();
        connect.set_id(&user);
        connect.set_assign("user", &user)?;
        Ok(())
    });
    Hub::builder().seed([7; 32]).mount(mount).build().unwrap()
}

fn config(user: &str) -> Config {
    Config::new("ws://a.test:4000/socket").unwrap().with_param("user", user)
}

fn payload(value: &Value) -> PayloadBuf {
    PayloadBuf::from_serialize(value).unwrap()
}

/// So many bytes of what is pending.
macro_rules! taken {
    ($max:expr, |$slices:ident| $pending:expr) => {{
        let mut slices = [IoSlice::new(&[]); 32];
        let $slices = &mut slices;
        let count = $pending;
        slices[..count].iter().flat_map(|slice| slice.to_vec()).take($max).collect::<Vec<u8>>()
    }};
}

impl World {
    fn new() -> Self {
        Self { server: Endpoint::new(hub()), now: Instant::from_millis(1), peers: Vec::new(), piece: usize::MAX }
    }

    fn add(&mut self, config: Config) -> usize {
        let seed = [self.peers.len() as u8; 32];
        let mut client = Client::new(config, seed);
        client.connect(self.now);
        self.peers.push(Peer { client, conn: None, silent: false, events: Vec::new() });
        self.pump();
        self.peers.len() - 1
    }

    /// Someone in a room, with nothing left to read.
    fn joined(&mut self, user: &str, topic: &str) -> (usize, ChannelId) {
        let peer = self.add(config(user));
        let channel = self.peers[peer].client.join(self.now, topic, json!({ "hi": user })).unwrap();
        self.peers[peer].client.track_presence(channel).unwrap();
        let events = self.events(peer);
        assert_eq!(
            events[..2],
            [Event::Connected, Event::Joined { channel, response: payload(&json!({ "hi": user })) }]
        );
        self.peers.iter_mut().for_each(|peer| peer.events.clear());
        (peer, channel)
    }

    fn push(&mut self, peer: usize, channel: ChannelId, event: &str, payload: Value) -> PushId {
        let push = self.peers[peer].client.push(self.now, channel, event, payload).unwrap();
        self.pump();
        push
    }

    fn events(&mut self, peer: usize) -> Vec<Event> {
        self.pump();
        std::mem::take(&mut self.peers[peer].events)
    }

    /// Moves bytes until none move.
    fn pump(&mut self) {
        while (0..self.peers.len()).filter(|peer| self.turn(*peer)).count() > 0 {}
    }

    fn turn(&mut self, at: usize) -> bool {
        let (now, piece, server) = (self.now, self.piece, &mut self.server);
        let peer = &mut self.peers[at];
        let mut moved = false;
        while let Some(output) = peer.client.poll_output() {
            moved = true;
            match output {
                Output::Connect { host, port, tls } => {
                    assert_eq!((&*host, port, tls), ("a.test", 4000, false));
                    assert_eq!(peer.conn, None);
                    peer.conn = server.handle_connect(now, None).ok();
                    peer.client.handle_connected(now);
                }
                _ => {
                    if let Some(conn) = peer.conn.take() {
                        server.handle_close(now, &mut (), conn);
                    }
                }
            }
        }
        peer.events.extend(std::iter::from_fn(|| peer.client.poll_event()));
        let Some(conn) = peer.conn.filter(|_| !peer.silent) else { return moved };
        let up = taken!(piece, |slices| peer.client.pending(slices));
        if !up.is_empty() {
            peer.client.advance(now, up.len());
            server.handle_bytes(now, &mut (), conn, &up);
        }
        let down = taken!(piece, |slices| server.pending(conn, slices));
        if !down.is_empty() {
            server.advance(now, conn, down.len());
            peer.client.handle_bytes(now, &down);
        }
        let over = server.is_finished(conn);
        if over {
            peer.conn = None;
            server.handle_close(now, &mut (), conn);
            peer.client.handle_eof(now);
        }
        moved || over || !up.is_empty() || !down.is_empty()
    }

    fn run_for(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        self.pump();
        loop {
            let clients = self.peers.iter().filter_map(|peer| peer.client.poll_timeout());
            let Some(next) = clients.chain(self.server.poll_timeout()).min().filter(|next| *next <= end) else { break };
            self.now = self.now.max(next);
            let now = self.now;
            self.server.handle_timeout(now, &mut ());
            for peer in &mut self.peers {
                peer.client.handle_timeout(now);
            }
            self.pump();
        }
        self.now = end;
    }

    /// The transport breaks.
    fn cut(&mut self, at: usize) {
        let peer = &mut self.peers[at];
        peer.silent = false;
        if let Some(conn) = peer.conn.take() {
            self.server.handle_close(self.now, &mut (), conn);
            peer.client.handle_error(self.now);
        }
        self.pump();
    }

    /// The server ends at once, and another one takes its place.
    fn restart(&mut self) {
        self.server = Endpoint::new(hub());
        for peer in &mut self.peers {
            if peer.conn.take().is_some() {
                peer.client.handle_error(self.now);
            }
        }
        self.pump();
    }
}

/// The payloads of the messages of one name.
fn messages(events: &[Event], name: &str) -> Vec<Value> {
    let payloads = events.iter().filter_map(|event| match event {
        Event::Message { event, payload, .. } if **event == *name => payload.as_payload().parse().ok(),
        _ => None,
    });
    payloads.collect()
}

#[test]
fn pushes_are_answered_and_broadcasts_reach_everyone() {
    let mut world = World::new();
    let (ann, in_a) = world.joined("ann", "room:1");
    let (bob, _) = world.joined("bob", "room:1");
    let push = world.push(ann, in_a, "ping", json!({ "n": 1 }));
    let fail = world.push(ann, in_a, "fail", json!("no"));
    let events = world.events(ann);
    let ends: Vec<(PushId, bool)> = events
        .iter()
        .filter_map(|event| match event {
            Event::Reply { push, status, .. } => Some((*push, status.is_ok())),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(push, true), (fail, false)]);
    for n in 0..10 {
        world.push(ann, in_a, "new_msg", json!(n));
    }
    let expected: Vec<Value> = (0..10).map(|n| json!(n)).collect();
    for peer in [ann, bob] {
        let events = world.events(peer);
        assert_eq!(messages(&events, "new_msg"), expected);
    }
    let now = world.now;
    world.peers[ann].client.push(now, in_a, "new_msg", Binary(&[1, 2, 3])).unwrap();
    let raw = world.events(bob);
    assert!(matches!(&raw[..], [Event::Message { payload, .. }] if *payload == PayloadBuf::from_binary([1, 2, 3])));
}

#[test]
fn everyone_sees_who_is_there() {
    let mut world = World::new();
    let (ann, in_a) = world.joined("ann", "room:1");
    let (bob, in_b) = world.joined("bob", "room:1");
    let list = |world: &World, peer: usize, channel| -> Vec<String> {
        world.peers[peer].client.presence(channel).map(|(key, _)| key.to_owned()).collect()
    };
    assert_eq!(
        (list(&world, ann, in_a), list(&world, bob, in_b)),
        (vec!["ann".into(), "bob".into()], vec!["ann".into(), "bob".into()])
    );
    world.cut(bob);
    assert_eq!(list(&world, ann, in_a), ["ann"]);
    let events = world.events(ann);
    assert!(matches!(&events[..], [Event::PresenceLeave { key, .. }, Event::PresenceSync { .. }] if &**key == "bob"));
    world.run_for(10);
    assert_eq!(list(&world, ann, in_a), ["ann", "bob"], "and is back after ten milliseconds");
}

#[test]
fn a_server_that_restarts_is_found_again() {
    let mut world = World::new();
    let (ann, in_a) = world.joined("ann", "room:1");
    let silent = world.push(ann, in_a, "silent", json!({}));
    world.restart();
    let waits = world.push(ann, in_a, "ping", json!({ "waits": true }));
    let retry_at = Some(world.now + Duration::from_millis(10));
    assert_eq!(
        world.events(ann)[..2],
        [
            Event::Disconnected { reason: CloseReason::TransportEof, retry_at },
            Event::Errored { channel: in_a, cause: Cause::Connection },
        ]
    );
    world.run_for(10);
    let events = world.events(ann);
    assert_eq!(events[0], Event::Connected);
    assert_eq!(events[1], Event::Joined { channel: in_a, response: payload(&json!({ "hi": "ann" })) });
    assert!(events.iter().any(|event| matches!(event, Event::Reply { push, .. } if *push == waits)));
    world.run_for(10_000);
    assert_eq!(world.events(ann), [Event::Timeout { push: silent, channel: in_a }]);
}

#[test]
fn a_graceful_shutdown_is_come_back_from() {
    let mut world = World::new();
    let (ann, in_a) = world.joined("ann", "room:1");
    let now = world.now;
    world.server.act(now, &mut (), |hub, app| hub.shutdown(now, app));
    let events = world.events(ann);
    assert!(matches!(&events[0], Event::Disconnected { reason: CloseReason::ByPeer(1012), retry_at: Some(_) }));
    world.run_for(1000);
    let events = world.events(ann);
    let refused = Event::ConnectFailed { error: ConnectError::Refused { status: 503 }, retry_at: None };
    assert!(
        events.iter().any(|event| matches!((event, &refused),
        (Event::ConnectFailed { error: a, .. }, Event::ConnectFailed { error: b, .. }) if a == b)),
        "{events:?}"
    );
    world.restart();
    world.run_for(5000);
    assert!(world.peers[ann].client.is_joined(in_a));
    assert_eq!(world.server.hub().stats().joins, 1);
}

#[test]
fn heartbeats_keep_an_idle_connection_and_find_a_dead_one() {
    let mut world = World::new();
    let (ann, in_a) = world.joined("ann", "room:1");
    world.run_for(3_600_000);
    assert_eq!(world.events(ann), [], "an hour of silence");
    world.peers[ann].silent = true;
    world.run_for(60_000);
    let events = world.events(ann);
    assert!(matches!(&events[0], Event::Disconnected { reason: CloseReason::IdleTimeout, .. }), "{events:?}");
    world.peers[ann].silent = false;
    world.run_for(3_000);
    assert!(world.peers[ann].client.is_joined(in_a));
    world.run_for(60_000);
    assert_eq!(world.server.hub().stats().connections, 1, "the dead one is gone");
}

#[test]
fn crashes_refusals_and_closes() {
    let mut world = World::new();
    let (ann, in_a) = world.joined("ann", "room:1");
    let push = world.push(ann, in_a, "crash", json!({}));
    let events = world.events(ann);
    assert!(matches!(&events[..], [Event::Errored { cause: Cause::Server(_), .. }]), "{events:?}");
    world.run_for(1000);
    assert!(matches!(&world.events(ann)[0], Event::Joined { .. }), "a crash is joined again");
    world.run_for(9000);
    assert!(world.events(ann).contains(&Event::Timeout { push, channel: in_a }));

    let stop = world.push(ann, in_a, "stop", json!({}));
    let events = world.events(ann);
    assert_eq!(events[0], Event::Aborted { push: stop, channel: Some(in_a) });
    assert!(matches!(&events[1], Event::Closed { by: Closing::Server(_), .. }), "{events:?}");

    let now = world.now;
    let secret = world.peers[ann].client.join(now, "room:secret", json!({})).unwrap();
    let error = JoinError::Refused(payload(&json!({ "reason": "members only" })));
    assert_eq!(world.events(ann), [Event::JoinFailed { channel: secret, error }]);
    world.peers[ann].client.leave(now, secret).unwrap();
    world.run_for(60_000);
    assert_eq!(world.events(ann), [Event::Closed { channel: secret, by: Closing::Left }]);
    let stats = world.server.hub().stats();
    assert_eq!((stats.joins, stats.refused_joins, stats.undecodable), (0, 1, 0));
}

#[test]
fn tokens_and_disconnects() {
    let mut world = World::new();
    let nobody = world.add(Config::new("ws://a.test:4000/socket").unwrap());
    let refused = ConnectError::Refused { status: 403 };
    assert!(matches!(&world.events(nobody)[0], Event::ConnectFailed { error, .. } if *error == refused));
    let by_token = world.add(Config::new("ws://a.test:4000/socket").unwrap().with_auth_token("zoë?/+"));
    assert_eq!(world.events(by_token), [Event::Connected]);
    let now = world.now;
    assert_eq!(world.server.act(now, &mut (), |hub, app| hub.disconnect(now, app, "zoë?/+")), 1);
    let events = world.events(by_token);
    assert!(matches!(&events[..], [Event::Disconnected { reason: CloseReason::ByPeer(1001), .. }]), "{events:?}");
    let ping = {
        world.run_for(10);
        world.peers[by_token].client.ping(world.now).unwrap()
    };
    assert!(world.events(by_token).contains(&Event::Pong { ping, round_trip: Duration::ZERO }));
}

#[test]
fn many_clients_come_and_go_and_leave_nothing_behind() {
    let mut world = World::new();
    let peers: Vec<(usize, ChannelId)> = (0..20).map(|n| world.joined(&format!("user{n}"), "room:1")).collect();
    world.push(peers[3].0, peers[3].1, "new_msg", json!("to all"));
    for (peer, channel) in &peers {
        let events = world.events(*peer);
        assert_eq!(messages(&events, "new_msg"), ["to all"]);
        assert_eq!(world.peers[*peer].client.presence(*channel).count(), 20);
    }
    for (peer, channel) in peers {
        let now = world.now;
        if peer % 2 == 0 {
            world.peers[peer].client.leave(now, channel).unwrap();
        }
        world.peers[peer].client.disconnect(now);
    }
    world.run_for(10_000);
    let stats = world.server.hub().stats();
    assert_eq!((stats.connections, stats.joins, stats.presences, stats.topics), (0, 0, 0, 0));
    assert!(world.peers.iter().all(|peer| peer.client.poll_timeout().is_none()));
}

#[derive(Clone, Debug)]
enum Fault {
    Push(u8),
    Message(u8),
    Cut(u8),
    Silence(u8),
    Restart,
    Leave(u8),
    Join(u8),
    Run(u16),
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        6 => (0u8..3).prop_map(Fault::Push),
        4 => (0u8..3).prop_map(Fault::Message),
        2 => (0u8..3).prop_map(Fault::Cut),
        1 => (0u8..3).prop_map(Fault::Silence),
        1 => Just(Fault::Restart),
        2 => (0u8..3).prop_map(Fault::Leave),
        3 => (0u8..3).prop_map(Fault::Join),
        4 => (0u16..4000).prop_map(Fault::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Three clients, a network that fails at any byte, a server that restarts: each push has one end, nobody gets a message
    /// twice or out of order, and after a while of quiet everyone is where they want to be.
    #[test]
    fn it_all_comes_right_in_the_end(faults in prop::collection::vec(fault(), 0..60), piece in 1usize..400) {
        let mut world = World::new();
        world.piece = piece;
        let reconnect = Backoff::exponential(Duration::from_millis(20), Duration::from_secs(2)).with_jitter(50);
        let mut channels = [None; 3];
        let mut open: BTreeSet<(usize, PushId)> = BTreeSet::new();
        let (mut sent, mut last) = (0, [[0; 3]; 3]);
        for user in ["ann", "bob", "cy"] {
            world.add(config(user).with_reconnect(reconnect.clone()));
        }
        let quiet = [Fault::Join(0), Fault::Join(1), Fault::Join(2), Fault::Run(30_000), Fault::Run(60_000)];
        for fault in faults.iter().chain(&quiet) {
            let now = world.now;
            match fault {
                Fault::Push(at) | Fault::Message(at) => {
                    let at = usize::from(*at);
                    let name = if matches!(fault, Fault::Push(_)) { "ping" } else { "new_msg" };
                    sent += 1;
                    let client = &mut world.peers[at].client;
                    if let Some(push) = channels[at].and_then(|id| client.push(now, id, name, json!([at, sent])).ok()) {
                        open.insert((at, push));
                    }
                }
                Fault::Cut(at) => world.cut(usize::from(*at)),
                Fault::Silence(at) => world.peers[usize::from(*at)].silent = true,
                Fault::Restart => world.restart(),
                Fault::Leave(at) => {
                    let at = usize::from(*at);
                    let left = channels[at].take().map(|id| world.peers[at].client.leave(now, id));
                    prop_assert!(left.is_none_or(|left| left.is_ok()));
                }
                Fault::Join(at) if channels[usize::from(*at)].is_none() => {
                    let at = usize::from(*at);
                    let id = world.peers[at].client.join(now, "room:1", json!({})).unwrap();
                    world.peers[at].client.track_presence(id).unwrap();
                    channels[at] = Some(id);
                }
                Fault::Join(_) => {}
                Fault::Run(millis) => world.run_for(u64::from(*millis)),
            }
            for (at, last) in last.iter_mut().enumerate() {
                let silent = world.peers[at].silent;
                if silent && matches!(fault, Fault::Run(30_000)) {
                    world.cut(at);
                }
                let events = world.events(at);
                for number in messages(&events, "new_msg") {
                    let [from, number] = [0, 1].map(|at| number[at].as_u64().unwrap());
                    let last = &mut last[from as usize];
                    prop_assert!(number > *last, "once and in the order of its sender");
                    *last = number;
                }
                for event in events {
                    if let Event::Reply { push, .. } | Event::Timeout { push, .. } | Event::Aborted { push, .. } = event {
                        prop_assert!(open.remove(&(at, push)), "{push:?} ends once");
                    }
                }
            }
        }
        prop_assert!(open.is_empty(), "{open:?}");
        for (at, channel) in channels.iter().enumerate() {
            prop_assert!(world.peers[at].client.is_joined(channel.unwrap()));
            let mut present: Vec<_> = world.peers[at].client.presence(channel.unwrap()).map(|(key, _)| key).collect();
            present.sort_unstable();
            prop_assert_eq!(present, ["ann", "bob", "cy"]);
        }
        let stats = world.server.hub().stats();
        prop_assert_eq!((stats.connections, stats.joins, stats.presences, stats.undecodable), (3, 3, 3, 0));
    }
}
