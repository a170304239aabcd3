use std::io::IoSlice;

use super::*;
use chanson_core::endpoint::{Config, SlowConsumer};
use chanson_core::time::Instant;
use chanson_core::{Capacity, ConnId, Endpoint, Json};

/// A broadcast of this has 1004 bytes as a frame.
fn kilobyte() -> String {
    let around = broadcast("data", r#""""#).len();
    format!("\"{}\"", "x".repeat(1000 - around))
}

fn slow(policy: SlowConsumer, capacity: Capacity) -> World<App> {
    let hub = builder().mount(Mount::channels("/socket").channel(room())).capacity(capacity).build().unwrap();
    let mut world = World::with_config(hub, Config::default().with_slow_consumer(policy), App::default());
    world.socket_buffer(0);
    world
}

/// Members that do not read from now on.
fn members(world: &mut World<App>, count: usize) -> Vec<Client> {
    world.socket_buffer(1 << 20);
    let members = (0..count).map(|_| member(world)).collect();
    world.socket_buffer(0);
    members
}

fn publish(world: &mut World<App>, topic: &str, count: usize) {
    let text = kilobyte();
    let payload = Json::new(&text).unwrap();
    world.act(|hub, _| (0..count).try_for_each(|_| hub.broadcast(topic, "data", payload))).unwrap();
}

fn read_on(world: &mut World<App>, client: Client) {
    world.socket_buffer(usize::MAX);
    world.resume(client);
}

#[test]
fn what_waits_beyond_the_bound_closes_the_connection() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(3 * 1004));
    let a = members(&mut world, 1)[0];
    publish(&mut world, "room:a", 3);
    assert_eq!((world.hub().subscriber_count("room:a"), world.stats().queued_bytes), (1, 3 * 1004));
    publish(&mut world, "room:a", 1);
    assert_eq!(world.hub().subscriber_count("room:a"), 0);
    assert_eq!((world.stats().slow_consumers, world.app().log.len()), (1, 1));
    assert_eq!(world.app().log, ["room:a Disconnected(SlowConsumer)"]);
    read_on(&mut world, a);
    assert_eq!((world.closed(a), world.recv(a)), (Some(1013), vec![]), "what waited is dropped");
}

#[test]
fn what_is_said_at_once_to_one_that_reads_may_be_any_amount() {
    for policy in [SlowConsumer::Close, SlowConsumer::DropNewest] {
        let mut world = slow(policy, Capacity::default().with_queued_bytes_per_connection(4 * 1004));
        world.socket_buffer(usize::MAX);
        let (a, b) = (member(&mut world), member(&mut world));
        publish(&mut world, "room:a", 50);
        assert_eq!((world.recv(a).len(), world.recv(b).len()), (50, 50));
        // Each is answered with as many bytes as two of them have.
        let text = "x".repeat(2000);
        let asked = (0..50).map(|n| format!(r#"["1","{n}","room:a","ping","{text}"]"#));
        world.send_all(a, asked);
        assert_eq!((world.recv(a).len(), world.closed(a), world.closed(b)), (50, None, None));
        let stats = world.stats();
        assert_eq!((stats.slow_consumers, stats.dropped), (0, 0));
        assert!(stats.most_queued_bytes_of_one <= 5 * 1004, "{}", stats.most_queued_bytes_of_one);
    }
}

/// An endpoint without a driver, and connections that have joined `room:a`.
struct Bare(Endpoint<App>, Vec<ConnId>);

impl Bare {
    fn new(policy: SlowConsumer, capacity: Capacity, members: usize) -> Self {
        let hub = builder().mount(Mount::channels("/socket").channel(room())).capacity(capacity).build().unwrap();
        let mut bare = Self(Endpoint::with_config(hub, Config::default().with_slow_consumer(policy)), Vec::new());
        for _ in 0..members {
            let conn = bare.0.handle_connect(Instant::ORIGIN, None).unwrap();
            bare.1.push(conn);
            let join = masked(r#"["1","1","room:a","phx_join",{}]"#);
            bare.0.handle_bytes(Instant::ORIGIN, &mut App::default(), conn, &[UPGRADE, &join].concat());
            bare.send();
        }
        assert_eq!(bare.0.hub().subscriber_count("room:a"), members);
        bare
    }

    fn publish(&mut self, count: usize) {
        let text = kilobyte();
        let payload = Json::new(&text).unwrap();
        let publish = |hub: &mut Hub<App>| (0..count).try_for_each(|_| hub.broadcast("room:a", "data", payload));
        self.0.act(Instant::ORIGIN, &mut App::default(), |hub, _| publish(hub)).unwrap();
    }

    /// Sends all that is pending; how many bytes.
    fn send(&mut self) -> usize {
        let mut sent = 0;
        while let Some(conn) = self.0.poll_writable() {
            sent += self.send_to(conn);
        }
        sent
    }

    fn send_to(&mut self, conn: ConnId) -> usize {
        let mut sent = 0;
        let next = self.0.transmit(Instant::ORIGIN, conn, |slices: &[IoSlice<'_>]| {
            let all = slices.iter().map(|slice| slice.len()).sum();
            sent += all;
            Ok(all)
        });
        assert!(!next.unwrap().blocked);
        sent
    }
}

/// A frame with that text, masked with zeros.
pub(super) fn masked(text: &str) -> Vec<u8> {
    let len = text.len() as u16;
    let header = match len {
        ..126 => vec![0x81, 0x80 | len as u8],
        _ => [&[0x81, 0xfe], &len.to_be_bytes()[..]].concat(),
    };
    [&header[..], &[0; 4], text.as_bytes()].concat()
}

/// Asks for an answer of that text.
fn ping(text: &str) -> Vec<u8> {
    masked(&format!(r#"["1","2","room:a","ping","{text}"]"#))
}

pub(super) const UPGRADE: &[u8] =
    b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_host_that_never_sends_is_owed_no_more_than_the_bound() {
    let capacity = Capacity::default().with_queued_bytes_per_connection(4 * 1004);
    let mut bare = Bare::new(SlowConsumer::DropNewest, capacity, 1);
    for _ in 0..50 {
        bare.publish(3);
        assert!(bare.0.stats().queued_bytes <= 4 * 1004);
    }
    assert!(bare.0.stats().dropped >= 50 * 3 - 4 - 3);
}

#[test]
fn a_host_that_sends_and_knows_nothing_of_what_is_held_back_says_most_of_the_bound_each_time() {
    let capacity = Capacity::default().with_queued_bytes_per_connection(100 * 1004);
    let mut bare = Bare::new(SlowConsumer::Close, capacity, 3);
    let sent = (0..100).fold(0, |sent, _| {
        bare.publish(70);
        sent + bare.send()
    });
    assert_eq!((sent, bare.0.holds_back(), bare.0.stats().slow_consumers), (100 * 70 * 3 * 1004, false, 0));
}

#[test]
fn a_host_that_says_more_each_time_than_is_sent_by_then_is_bounded() {
    let capacity = Capacity::default().with_queued_bytes_per_connection(10_000).with_queued_bytes(200_000);
    for policy in [SlowConsumer::Close, SlowConsumer::DropNewest] {
        let mut bare = Bare::new(policy, capacity.clone(), 2);
        // So much is kept, for the peers read; and then no more.
        for times in 1..=4 {
            bare.publish(100);
            bare.send();
            let stats = bare.0.stats();
            assert_eq!(stats.slow_consumers > 0 || stats.dropped > 0, times == 4, "{times}: {stats:?}");
        }
        while bare.0.holds_back() {
            bare.0.resume(Instant::ORIGIN, &mut App::default());
            bare.send();
        }
        assert_eq!(bare.0.stats().queued_bytes, 0);
    }
}

#[test]
fn one_whose_long_answers_are_held_back_goes_on_in_turn_with_others() {
    let mut bare = Bare::new(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(10_000), 4);
    let [greedy, second, third] = [0, 1, 2].map(|at| bare.1[at]);
    let long = ping(&"x".repeat(2000)).repeat(50);
    bare.0.handle_bytes(Instant::ORIGIN, &mut App::default(), greedy, &long);
    assert!(bare.0.holds_back() && !bare.0.wants_bytes(greedy));
    // What others say while it is told of the first answers is kept, and is not behind all of the others.
    bare.0.handle_bytes(Instant::ORIGIN, &mut App::default(), second, &ping("second"));
    assert!(bare.send_to(greedy) >= 7500);
    bare.0.handle_bytes(Instant::ORIGIN, &mut App::default(), third, &ping("third"));
    for other in [second, third] {
        assert!(bare.0.pending(other, &mut [IoSlice::new(&[])]) > 0);
    }
    let mut rounds = 0;
    bare.send();
    // That somebody goes is not their turn.
    let gone = bare.1[3];
    bare.0.handle_close(Instant::ORIGIN, &mut App::default(), gone);
    assert!(bare.0.poll_writable().is_none() && bare.0.holds_back());
    assert_eq!(bare.0.hub().subscriber_count("room:a"), 3);
    while bare.0.holds_back() {
        bare.0.resume(Instant::ORIGIN, &mut App::default());
        bare.send();
        rounds += 1;
    }
    assert!(rounds > 5 && bare.0.wants_bytes(greedy));
    assert_eq!(bare.0.stats().slow_consumers, 0);
}

#[test]
fn only_as_many_as_needed_are_closed_for_the_bound_of_all_while_something_is_held_back() {
    for of_one in [1_000_000, 3900] {
        let capacity = Capacity::default().with_queued_bytes_per_connection(of_one).with_queued_bytes(15_000);
        let mut bare = Bare::new(SlowConsumer::Close, capacity, 10);
        // Told, and nothing is taken.
        bare.publish(1);
        while bare.0.poll_writable().is_some() {}
        bare.publish(1);
        while bare.0.poll_writable().is_some() {}
        while bare.0.holds_back() {
            bare.0.resume(Instant::ORIGIN, &mut App::default());
            while bare.0.poll_writable().is_some() {}
        }
        assert!((3..=6).contains(&bare.0.stats().slow_consumers), "{:?}", bare.0.stats());
    }
}

#[test]
fn what_is_said_at_once_to_many_that_read_may_be_more_than_the_bound_of_all() {
    let mut bare = Bare::new(SlowConsumer::Close, Capacity::default().with_queued_bytes(100_000), 10);
    bare.publish(100);
    let mut sent = bare.send();
    while bare.0.holds_back() {
        bare.0.resume(Instant::ORIGIN, &mut App::default());
        sent += bare.send();
    }
    assert_eq!((sent, bare.0.stats().slow_consumers), (100 * 10 * 1004, 0));
    assert!(bare.0.stats().most_queued_bytes <= 100_000);
}

#[test]
fn those_that_read_are_not_harmed_by_one_that_does_not() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(2000));
    world.socket_buffer(100);
    let (a, b) = (member(&mut world), member(&mut world));
    world.pause(a);
    publish(&mut world, "room:a", 2);
    publish(&mut world, "room:a", 2);
    world.resume(a);
    assert_eq!((world.closed(a), world.closed(b), world.recv(b).len()), (Some(1013), None, 4));
}

#[test]
fn a_frame_of_any_length_is_taken_into_an_empty_queue() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(0));
    let a = members(&mut world, 1)[0];
    publish(&mut world, "room:a", 1);
    assert_eq!(world.stats().queued_bytes, 1004);
    read_on(&mut world, a);
    assert_eq!((world.recv(a).len(), world.closed(a)), (1, None));
}

#[test]
fn the_newest_are_dropped_whole_where_that_is_asked() {
    let mut world = slow(SlowConsumer::DropNewest, Capacity::default().with_queued_bytes_per_connection(2 * 1004));
    let a = members(&mut world, 1)[0];
    publish(&mut world, "room:a", 5);
    assert_eq!((world.stats().dropped, world.stats().queued_bytes), (3, 2 * 1004));
    read_on(&mut world, a);
    assert_eq!((world.recv(a).len(), world.closed(a)), (2, None));
    publish(&mut world, "room:a", 1);
    assert_eq!(world.recv(a).len(), 1, "it reads again");
    assert_eq!(world.stats().slow_consumers, 0);
}

#[test]
fn beyond_the_bound_of_all_the_largest_queue_is_closed_and_no_other() {
    for policy in [SlowConsumer::Close, SlowConsumer::DropNewest] {
        let mut world = slow(policy, Capacity::default().with_queued_bytes(10 * 1004));
        let all = members(&mut world, 4);
        world.socket_buffer(1 << 20);
        join(&mut world, all[2], "room:b");
        world.socket_buffer(0);
        publish(&mut world, "room:b", 3);
        publish(&mut world, "room:a", 1);
        assert_eq!((world.stats().queued_bytes, world.stats().slow_consumers), (7 * 1004, 0));
        publish(&mut world, "room:a", 1);
        assert_eq!(world.stats().slow_consumers, 1, "{policy:?}");
        let open: Vec<_> = all.iter().map(|client| world.hub().is_open(world.conn(*client).unwrap())).collect();
        assert_eq!(open, [true, true, false, true], "{policy:?}");
        assert!(world.stats().queued_bytes < 7 * 1004);
    }
}

#[test]
fn replies_to_heartbeats_pongs_and_closes_have_room_of_their_own() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(2 * 1004));
    let a = members(&mut world, 1)[0];
    publish(&mut world, "room:a", 2);
    for n in 0..50 {
        world.send(a, &format!(r#"[null,"{n}","phoenix","heartbeat",{{}}]"#));
        world.ping(a, b"x");
    }
    let now = world.now();
    world.act(|hub, app| hub.shutdown(now, app));
    assert_eq!(world.stats().slow_consumers, 0);
    read_on(&mut world, a);
    assert_eq!((world.recv(a).len(), world.closed(a)), (2 + 50, Some(1012)));
}

#[test]
fn heartbeats_behind_a_frame_far_beyond_the_bound_have_their_room_too() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(1000));
    let a = members(&mut world, 1)[0];
    let long = format!("\"{}\"", "x".repeat(100_000));
    world.act(|hub, _| hub.broadcast("room:a", "data", Json::new(&long).unwrap())).unwrap();
    world.send(a, r#"[null,"1","phoenix","heartbeat",{}]"#);
    assert_eq!(world.stats().slow_consumers, 0);
    read_on(&mut world, a);
    assert_eq!(world.recv(a).len(), 2);
}

#[test]
fn one_that_never_reads_the_close_frame_is_cut() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(1000));
    let a = members(&mut world, 1)[0];
    publish(&mut world, "room:a", 2);
    assert!(world.conn(a).is_some());
    world.run_for(std::time::Duration::from_secs(2));
    assert!(world.conn(a).is_none());
    assert_eq!((world.stats().hub.connections, world.stats().queued_bytes), (0, 0));
}

#[test]
fn what_waited_for_a_transport_that_is_gone_counts_no_more() {
    let mut endpoint = Endpoint::new(builder().build().unwrap());
    let (now, app) = (Instant::ORIGIN, &mut App::default());
    let conn = endpoint.handle_connect(now, None).unwrap();
    endpoint.handle_bytes(now, app, conn, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(endpoint.stats().queued_bytes > 0);
    endpoint.handle_close(now, app, conn);
    assert_eq!(endpoint.stats().queued_bytes, 0);
    assert!(endpoint.is_finished(conn) && endpoint.poll_writable().is_none());
}

/// One read may bring many messages, and the hub's outputs are taken after each of them.
#[test]
fn one_too_many_in_all_costs_one_connection_however_much_comes_in_one_read() {
    let mut world = slow(SlowConsumer::Close, Capacity::default().with_queued_bytes(10 * 1004));
    let all = members(&mut world, 4);
    world.socket_buffer(1 << 20);
    let speaker = world.connect(V2);
    join(&mut world, all[2], "room:b");
    world.socket_buffer(0);
    publish(&mut world, "room:b", 6);
    publish(&mut world, "room:a", 1);
    assert_eq!((world.stats().queued_bytes, world.stats().slow_consumers), (10 * 1004, 0));
    let heartbeats = (0..5).map(|n| format!(r#"[null,"{n}","phoenix","heartbeat",{{}}]"#));
    world.send_all(speaker, heartbeats);
    assert_eq!(world.stats().slow_consumers, 1);
    let open = all.iter().filter(|client| world.hub().is_open(world.conn(**client).unwrap())).count();
    assert_eq!(open, 3);
}

#[test]
fn the_bound_of_all_is_that_of_those_too_that_have_said_goodbye_and_do_not_read() {
    let mut bare = Bare::new(SlowConsumer::Close, Capacity::default().with_queued_bytes(15_000), 20);
    for at in 0..20 {
        let conn = bare.1[at];
        bare.0.handle_bytes(Instant::ORIGIN, &mut App::default(), conn, &ping(&"x".repeat(2000)));
        bare.0.handle_bytes(Instant::ORIGIN, &mut App::default(), conn, &[0x88, 0x80, 0, 0, 0, 0]);
        while bare.0.poll_writable().is_some() {}
        assert!(bare.0.stats().queued_bytes <= 15_000, "{at}: {:?}", bare.0.stats().queued_bytes);
    }
}

#[test]
fn why_a_connection_ended_is_known_though_something_is_held_back() {
    let mut bare = Bare::new(SlowConsumer::Close, Capacity::default().with_queued_bytes_per_connection(10_000), 1);
    let silent = bare.0.handle_connect(Instant::ORIGIN, None).unwrap();
    bare.publish(100);
    bare.send();
    let later = Instant::from_millis(6000);
    bare.0.handle_timeout(later, &mut App::default());
    assert!(bare.0.holds_back() && bare.0.is_finished(silent));
    bare.0.handle_close(later, &mut App::default(), silent);
    assert_eq!(bare.0.stats().hub.handshake_timeouts, 1);
}
