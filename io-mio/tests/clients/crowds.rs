//! Many at once.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use chanson_core::client::Event;
use chanson_core::limits::Capacity;
use chanson_mio::{Clients, Server};
use serde_json::json;

use crate::common::{PATIENCE, World, config, hub, payload, server};

const CROWD: usize = 500;

#[test]
fn five_hundred_join_talk_lose_their_server_and_come_back() {
    let first = server();
    let addr = first.local_addr();
    let mut world = World::new();
    let config = config(addr).with_timeout(Duration::from_secs(60));
    let mut rooms = HashMap::new();
    for n in 0..CROWD {
        let id = world.add(config.clone());
        rooms.insert(id, world.act(id, |client, now| client.join(now, &format!("room:{}", n % 10), json!({}))));
    }
    expect(&mut world, |event| matches!(event, Event::Joined { .. }));
    world.turn_until("all are counted", |_| first.handle().stats().endpoint.hub.joins == CROWD);

    let some: Vec<_> = world.clients.ids().take(10).collect();
    for id in some {
        world.act(id, |client, now| client.push(now, rooms[&id], "new_msg", json!(id.index())));
    }
    expect(&mut world, |event| matches!(event, Event::Message { .. } if payload(event).is_u64()));

    first.shutdown();
    world.turn_until("the server's end", |_| first.is_finished());
    let second = Server::bind(addr, hub()).unwrap().spawn().unwrap();
    expect(&mut world, |event| matches!(event, Event::Joined { .. }));
    world.turn_until("all are counted again", |_| second.handle().stats().endpoint.hub.joins == CROWD);
    for id in world.clients.ids().collect::<Vec<_>>() {
        world.clients.act(id, |client, now| client.disconnect(now)).unwrap();
    }
    world.turn_until("the end", |world| world.clients.ids().all(|id| world.clients.is_settled(id)));
    world.turn_until("the end there", |_| second.handle().stats().endpoint.hub.connections == 0);
}

/// Waits until each client had such an event, once.
fn expect(world: &mut World, is_it: impl Fn(&Event) -> bool) {
    let mut seen = HashMap::new();
    while seen.len() < CROWD {
        let (id, event) = world.next();
        if is_it(&event) {
            assert_eq!(seen.insert(id, ()), None, "{id:?} {event:?}");
        }
    }
}

#[cfg(unix)]
#[test]
fn a_loop_of_ones_own_waits_for_it() {
    use mio::unix::SourceFd;
    use mio::{Events, Interest, Poll, Token};
    use std::os::fd::AsRawFd as _;

    let server = server();
    let mut world = World::new();
    let mut outer = Poll::new().unwrap();
    let fd = world.clients.as_raw_fd();
    outer.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
    let id = world.add(config(server.local_addr()));
    world.act(id, |client, now| client.join(now, "room:a", json!({})));
    let (mut events, mut joined) = (Events::with_capacity(4), false);
    while !joined {
        let due = world.clients.poll_timeout().expect("it has something to wait for");
        outer.poll(&mut events, Some(due - world.clients.now())).unwrap();
        world.clients.poll(Duration::ZERO).unwrap();
        while let Some((_, event)) = world.clients.poll_event() {
            assert!(!matches!(event, Event::ConnectFailed { .. }), "{event:?}");
            joined |= matches!(event, Event::Joined { .. });
        }
    }
}

/// However much the server says: it is the server that has to keep it.
#[test]
fn what_is_not_taken_is_not_read_without_end() {
    let capacity = Capacity::for_connections(10).with_queued_bytes_per_connection(64 << 20);
    let server = Server::bind("127.0.0.1:0", hub().capacity(capacity)).unwrap().spawn().unwrap();
    let mut world = World::new();
    let (id, _) = world.joined(config(server.local_addr()), "room:a");
    let (handle, text) = (server.handle(), "x".repeat(10_000));
    for n in 0..PIECES {
        while handle.broadcast("room:a", "n", json!([n, text])).is_err() {}
    }
    let waiting = |world: &World| world.clients.client(id).unwrap().waiting_bytes();
    let start = Instant::now();
    while waiting(&world) < Clients::MAX_WAITING {
        world.clients.poll(Duration::from_millis(10)).unwrap();
        assert!(start.elapsed() < PATIENCE);
    }
    for _ in 0..1000 {
        world.clients.poll(Duration::ZERO).unwrap();
    }
    assert!(waiting(&world) < Clients::MAX_WAITING + (256 << 10), "{}", waiting(&world));

    // One in each turn, and none is lost; the turns do not wait where something is there to be taken.
    for n in 0..PIECES {
        let event = loop {
            if let Some((_, event)) = world.clients.poll_event() {
                break event;
            }
            world.clients.poll(PATIENCE).unwrap();
        };
        assert!(matches!(event, Event::Message { .. }), "{event:?}");
        assert_eq!(payload(&event)[0], n);
        if waiting(&world) >= Clients::MAX_WAITING {
            world.clients.poll(PATIENCE * 10).unwrap();
        }
        assert!(start.elapsed() < PATIENCE * 2, "{n}");
    }
    assert_eq!(waiting(&world), 0);
}

/// 20 MB.
const PIECES: usize = 2000;
