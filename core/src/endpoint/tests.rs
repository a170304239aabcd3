//! A hub and its shards, without threads: each test carries the batches itself.

mod greedy;

use std::io::{IoSlice, Write as _};
use std::time::Duration;

use super::{Config, Inputs, Outputs, Shard, Sharded};
use crate::channel::Channel;
use crate::hub::{Hub, Mount};
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::time::Instant;

const NOW: Instant = Instant::ORIGIN;

struct World {
    hub: Sharded,
    shards: Vec<Shard>,
}

type Client = (usize, ConnId);

impl World {
    fn new(shards: usize, capacity: Capacity) -> Self {
        let room = Channel::new("room:*")
            .on("echo", |socket, msg| socket.reply(msg.payload))
            .on("long", |socket, _| socket.reply(serde_json::json!("x".repeat(20_000))))
            .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
        let mount = Mount::channels("/socket").channel(room);
        let hub = Hub::builder().seed([7; 32]).capacity(capacity).mount(mount).build().unwrap();
        let (hub, shards) = Sharded::new(hub, Config::default(), shards);
        Self { hub, shards }
    }

    fn connect(&mut self) -> Client {
        let (shard, conn) = self.hub.handle_connect(NOW, None).unwrap();
        self.shards[shard].handle_connect(NOW, conn);
        (shard, conn)
    }

    /// One that has joined a topic and has read all that was said to it.
    fn join(&mut self, topic: &str) -> Client {
        let client = self.connect();
        self.bytes(
            client,
            b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        );
        self.turn();
        self.say(client, &format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
        self.turn();
        assert!(self.read(client).ends_with(r#""phx_reply",{"status":"ok","response":{}}]"#));
        client
    }

    fn bytes(&mut self, (shard, conn): Client, bytes: &[u8]) {
        self.shards[shard].handle_bytes(NOW, conn, bytes);
    }

    fn say(&mut self, client: Client, text: &str) {
        self.bytes(client, &frame(0x81, text.as_bytes()));
    }

    fn publish(&mut self, client: Client, topic: &str, text: &str) {
        self.say(client, &format!(r#"["1","2","{topic}","new_msg",{{"text":"{text}"}}]"#));
    }

    /// What has come goes to the hub and what comes of it to the shards, until there is no more.
    fn turn(&mut self) {
        loop {
            let mut any = false;
            for at in 0..self.shards.len() {
                while let Some(mut inputs) = self.shards[at].poll_inputs() {
                    any = true;
                    self.hub_takes(at, &mut inputs);
                }
                self.hub.resume(NOW, &mut (), at);
                any |= self.deliver(at);
                any |= self.hub.can_resume(at) || self.shards[at].can_resume();
                self.shards[at].resume(NOW);
            }
            if !any {
                return;
            }
        }
    }

    fn hub_takes(&mut self, at: usize, inputs: &mut Inputs) {
        while self.hub.handle_inputs(NOW, &mut (), at, inputs) {
            for at in 0..self.shards.len() {
                self.deliver(at);
            }
        }
    }

    fn deliver(&mut self, at: usize) -> bool {
        let Some(mut outputs) = self.hub.poll_outputs(at) else { return false };
        while self.shards[at].handle_outputs(NOW, &mut outputs) {}
        true
    }

    /// All that waits for a client, as text.
    fn read(&mut self, client: Client) -> String {
        String::from_utf8_lossy(&self.raw(client)).into_owned()
    }

    /// All that waits for a client.
    fn raw(&mut self, (shard, conn): Client) -> Vec<u8> {
        let mut all = Vec::new();
        let send = |slices: &[IoSlice<'_>]| all.write_vectored(slices);
        let next = self.shards[shard].transmit(NOW, conn, send).unwrap();
        assert!(!next.blocked);
        all
    }

    /// Sockets take all that waits in a shard.
    fn send(&mut self, at: usize) {
        while let Some(conn) = self.shards[at].poll_writable() {
            self.raw((at, conn));
        }
    }

    fn queued(&self) -> usize {
        self.shards.iter().map(|shard| shard.stats().queued_bytes).sum()
    }

    /// The transport is gone.
    fn gone(&mut self, (shard, conn): Client) {
        self.shards[shard].handle_close(NOW, conn);
        self.turn();
    }
}

/// A client's frame whose mask is noughts.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => {
            frame.push(0x80 | 126);
            frame.extend_from_slice(&(len as u16).to_be_bytes());
        }
    }
    frame.extend_from_slice(&[0; 4]);
    frame.extend_from_slice(payload);
    frame
}

/// Where one stands in the other.
fn place(all: &[u8], what: &[u8]) -> Option<usize> {
    all.windows(what.len()).position(|window| window == what)
}

#[test]
fn a_broadcast_is_one_entry_for_each_shard_and_one_frame() {
    let mut world = World::new(3, Capacity::default());
    let clients: Vec<Client> = (0..30).map(|_| world.join("room:a")).collect();
    assert!((0..3).all(|at| clients.iter().filter(|(shard, _)| *shard == at).count() == 10));
    let (at, _) = clients[4];
    world.publish(clients[4], "room:a", "one");
    world.publish(clients[4], "room:a", "two");
    let mut inputs = world.shards[at].poll_inputs().unwrap();
    assert!(!world.hub.handle_inputs(NOW, &mut (), at, &mut inputs));
    let outputs: Vec<Outputs> = (0..3).map(|at| world.hub.poll_outputs(at).unwrap()).collect();
    assert!(outputs.iter().all(|outputs| outputs.entries.len() == 1 && outputs.to.len() == 10));
    assert!(outputs.iter().all(|outputs| outputs.frames.len() == 2 && outputs.frames[0].is_same(&outputs.frames[0])));
    for (shard, mut outputs) in world.shards.iter_mut().zip(outputs) {
        while shard.handle_outputs(NOW, &mut outputs) {}
    }
    for client in clients {
        let heard = world.read(client);
        assert!(heard.find("one").unwrap() < heard.find("two").unwrap(), "{heard}");
    }
}

#[test]
fn what_was_asked_before_a_close_frame_is_answered_before_it() {
    for (close, answer) in [(frame(0x88, &[3, 232]), &b"\x88\x02\x03\xe8"[..]), (frame(0xf1, b""), b"\x88")] {
        let mut world = World::new(2, Capacity::default());
        let client = world.join("room:a");
        let ask = frame(0x81, br#"["1","2","room:a","echo",{"n":1}]"#);
        world.bytes(client, &[ask, close].concat());
        assert_eq!(world.read(client), "", "the answer is the hub's");
        assert!(!world.shards[client.0].wants_bytes(client.1));
        world.turn();
        let heard = world.raw(client);
        assert!(place(&heard, br#"{"n":1}"#).unwrap() < place(&heard, answer).unwrap(), "{}", heard.escape_ascii());
        world.turn();
        assert_eq!(world.hub.hub().stats().closed, 1);
    }
}

#[test]
fn a_close_of_ours_meets_one_of_theirs() {
    let mut world = World::new(1, Capacity::default());
    let client = world.join("room:a");
    let ask = frame(0x81, br#"["1","2","room:a","echo",{}]"#);
    world.bytes(client, &[ask, frame(0x88, &[3, 232])].concat());
    world.hub.act(NOW, &mut (), |hub, app| hub.shutdown(NOW, app));
    world.deliver(0);
    let mut said = Vec::new();
    let next = world.shards[0].transmit(NOW, client.1, |slices| said.write_vectored(slices)).unwrap();
    assert!(said.starts_with(b"\x88") && next.finished, "both have said goodbye");
    world.gone(client);
    assert_eq!((world.hub.connections(), world.hub.hub().stats().connections), (0, 0));
}

#[test]
fn capacity_is_exact_and_places_are_used_again() {
    let mut world = World::new(3, Capacity::default().with_connections(7));
    for _ in 0..50 {
        let clients: Vec<Client> = (0..7).map(|_| world.join("room:a")).collect();
        assert!(world.hub.handle_connect(NOW, None).is_err());
        assert_eq!(world.hub.hub().subscriber_count("room:a"), 7);
        clients.into_iter().for_each(|client| world.gone(client));
        assert_eq!((world.hub.connections(), world.hub.hub().subscriber_count("room:a")), (0, 0));
    }
    assert!((0..3).all(|at| world.hub.places(at) <= 3));
}

#[test]
fn what_is_under_way_for_one_that_has_gone_reaches_nobody_else() {
    let mut world = World::new(1, Capacity::default());
    let (first, other) = (world.join("room:a"), world.join("room:a"));
    world.publish(other, "room:a", "late");
    let mut inputs = world.shards[0].poll_inputs().unwrap();
    world.hub_takes(0, &mut inputs);
    world.shards[0].handle_close(NOW, first.1);
    let second = world.connect();
    assert_ne!(first.1.index(), second.1.index(), "the hub does not know yet that the place is free");
    world.turn();
    assert!(world.read(other).contains("late"));
    assert_eq!((world.read(first), world.read(second)), (String::new(), String::new()));
    let third = world.connect();
    assert_eq!(first.1.index(), third.1.index());
    assert_ne!(first.1, third.1);
}

#[test]
fn a_hub_that_is_behind_is_not_sent_more_than_a_few_batches() {
    let mut world = World::new(2, Capacity::default());
    let client @ (at, conn) = world.join("room:a");
    let mut batches = Vec::new();
    let text = "x".repeat(50_000);
    let mut said = 0;
    while world.shards[at].wants_bytes(conn) {
        world.say(client, &format!(r#"["1","2","room:a","echo",{{"n":{said},"text":"{text}"}}]"#));
        said += 1;
        batches.extend(world.shards[at].poll_inputs());
        world.shards[at].resume(NOW);
        assert!(said < 100, "there is an end");
    }
    assert!(batches.len() == 2 && batches[1].answer, "{}", batches.len());
    // What comes nevertheless stays where it is.
    for _ in 0..3 {
        world.say(client, &format!(r#"["1","2","room:a","echo",{{"n":{said}}}]"#));
        said += 1;
    }
    assert!(!world.shards[at].wants_bytes(conn) && !world.shards[at].can_resume());
    for mut inputs in batches {
        world.hub_takes(at, &mut inputs);
    }
    let mut heard = String::new();
    while world.deliver(at) {
        heard += &world.read(client);
        let next = world.shards[at].poll_inputs();
        next.into_iter().for_each(|mut inputs| world.hub_takes(at, &mut inputs));
        world.shards[at].resume(NOW);
    }
    world.turn();
    heard += &world.read(client);
    let order: Vec<usize> = (0..said).map(|n| heard.find(&format!(r#"{{"n":{n}"#)).unwrap()).collect();
    assert!(order.is_sorted() && world.shards[at].wants_bytes(conn));
}

#[test]
fn one_that_does_not_read_is_closed_and_counted() {
    let mut world = World::new(2, Capacity::default().with_queued_bytes_per_connection(10_000));
    let (speaker, reader, sleeper) = (world.join("room:a"), world.join("room:a"), world.join("room:a"));
    for _ in 0..50 {
        world.publish(speaker, "room:a", &"x".repeat(1000));
        world.turn();
        world.read(speaker);
        world.read(reader);
    }
    assert_eq!(world.hub.stats().slow_consumers, 1);
    assert!(place(&world.raw(sleeper), &1013_u16.to_be_bytes()).is_some());
    assert_eq!(world.hub.hub().subscriber_count("room:a"), 2);
}

#[test]
fn the_total_is_bounded_and_the_one_with_most_of_all_goes() {
    let mut world = World::new(2, Capacity::default().with_queued_bytes(100_000));
    let (speaker, most, less) = (world.join("room:a"), world.join("room:a"), world.join("room:b"));
    let bystanders: Vec<Client> = (0..5).map(|_| world.join("room:a")).collect();
    world.publish(less, "room:b", &"x".repeat(30_000));
    for _ in 0..40 {
        world.publish(speaker, "room:a", &"x".repeat(3000));
        world.turn();
        world.read(speaker);
        bystanders.iter().for_each(|client| drop(world.read(*client)));
        let queued = world.queued();
        world.hub.mind_the_total(queued);
        world.turn();
        assert!(world.queued() <= 104_000, "{}", world.queued());
    }
    assert_eq!(world.hub.stats().slow_consumers, 1);
    assert!(!world.hub.hub().is_joined(global(&world, most), "room:a"));
    assert!(world.read(less).contains("xxx"));
}

#[test]
fn the_total_is_that_of_those_too_that_have_said_goodbye() {
    let mut world = World::new(2, Capacity::default().with_queued_bytes(15_000));
    for _ in 0..20 {
        let client = world.join("room:a");
        world.say(client, &format!(r#"["1","2","room:a","echo",{{"text":"{}"}}]"#, "x".repeat(2000)));
        world.bytes(client, &frame(0x88, &[3, 232]));
        world.turn();
        world.hub.mind_the_total(world.queued());
        world.turn();
        assert!(world.queued() <= 15_000, "{}", world.queued());
    }
}

#[test]
fn why_a_connection_ended_is_known_though_a_batch_is_full() {
    let mut world = World::new(1, Capacity::default());
    let (speakers, silent) = ([(); 3].map(|()| world.join("room:a")), world.connect());
    for speaker in speakers {
        world.publish(speaker, "room:b", &"x".repeat(30_000));
    }
    assert!(!world.shards[0].has_room());
    world.shards[0].handle_timeout(NOW + Duration::from_secs(6));
    assert!(world.shards[0].transmit(NOW, silent.1, |_| Ok(0)).unwrap().finished);
    world.gone(silent);
    assert_eq!((world.hub.hub().stats().handshake_timeouts, world.hub.connections()), (1, 3));
}

fn global(world: &World, (shard, conn): Client) -> ConnId {
    world.hub.name(shard, conn).unwrap()
}

#[test]
fn shards_that_were_asked_are_waited_for() {
    let mut world = World::new(3, Capacity::default());
    let client = world.join("room:a");
    assert!(!world.hub.is_waiting());
    world.hub.ask();
    world.say(client, r#"["1","2","room:a","echo",{}]"#);
    assert!(world.hub.is_waiting());
    world.turn();
    assert!(!world.hub.is_waiting());
    assert!(world.read(client).contains("echo") || world.hub.hub().stats().received == 2);
}

#[test]
fn idle_connections_are_closed_wherever_they_are() {
    let mut world = World::new(2, Capacity::default());
    let clients = [world.join("room:a"), world.join("room:a")];
    let later = NOW + Duration::from_secs(59);
    world.bytes(clients[0], &frame(0x89, b"ping"));
    let mut inputs = world.shards[clients[0].0].poll_inputs().unwrap();
    while world.hub.handle_inputs(later, &mut (), clients[0].0, &mut inputs) {}
    world.hub.handle_timeout(NOW + Duration::from_secs(61), &mut ());
    world.turn();
    assert_eq!((world.hub.hub().stats().idle_timeouts, world.hub.hub().subscriber_count("room:a")), (1, 1));
    let silent = &1001_u16.to_be_bytes();
    assert!(place(&world.raw(clients[1]), silent).is_some() && place(&world.raw(clients[0]), silent).is_none());
}

#[test]
fn what_is_said_at_once_to_those_that_read_may_be_more_than_the_bounds() {
    let (one, all) = (Capacity::default().with_queued_bytes_per_connection(20_000), 20 * 1000);
    for capacity in [one, Capacity::default().with_queued_bytes(all)] {
        let mut world = World::new(2, capacity);
        for _ in 0..20 {
            world.join("room:a");
        }
        let text = serde_json::json!("x".repeat(1000));
        world
            .hub
            .act(NOW, &mut (), |hub, ()| (0..100).try_for_each(|_| hub.broadcast("room:a", "data", &text)))
            .unwrap();
        for at in 0..2 {
            let mut outputs = world.hub.poll_outputs(at).unwrap();
            while world.shards[at].handle_outputs(NOW, &mut outputs) {
                world.send(at);
            }
            world.hub.mind_the_total(world.queued());
            world.send(at);
        }
        world.turn();
        assert_eq!(world.hub.stats().slow_consumers, 0);
        let sent: u64 = world.shards.iter().map(|shard| shard.stats().bytes_out).sum();
        assert!(sent >= 20 * 100 * 1000, "{sent}");
    }
}
