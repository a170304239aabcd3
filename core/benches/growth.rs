//! How does cost grow with what there is? Broadcasts linearly in subscribers, all else not at all. (`instructions` counts the
//! same; here caches have their say.)

#[path = "worlds/mod.rs"]
mod worlds;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use worlds::{HEARTBEAT, PAYLOAD, Sockets, World, frame, join_as, message, routes};

fn main() {
    divan::main();
}

const JOINED: [usize; 5] = [10, 100, 1000, 10_000, 100_000];
const CONNECTED: [usize; 4] = [10, 100, 1000, 20_000];
const SUBSCRIBED: [usize; 6] = [16, 64, 256, 1024, 4096, 16_384];

#[divan::bench(args = SUBSCRIBED)]
fn broadcast_to(bencher: Bencher<'_, '_>, subscribers: usize) {
    let mut world = World::in_one_topic(subscribers);
    bencher.counter(ItemsCount::new(subscribers)).bench_local(|| world.broadcast());
}

#[divan::bench(args = SUBSCRIBED)]
fn broadcast_to_the_bytes_of(bencher: Bencher<'_, '_>, subscribers: usize) {
    let mut sockets = Sockets::in_one_topic(subscribers);
    bencher.counter(ItemsCount::new(subscribers)).bench_local(|| sockets.broadcast());
}

#[divan::bench(args = JOINED)]
fn join_and_leave_with_subscribers(bencher: Bencher<'_, '_>, subscribers: usize) {
    join_and_leave(bencher, World::in_one_topic(subscribers));
}

#[divan::bench(args = JOINED)]
fn join_and_leave_among_topics(bencher: Bencher<'_, '_>, topics: usize) {
    join_and_leave(bencher, World::in_topics_of_their_own(topics));
}

fn join_and_leave(bencher: Bencher<'_, '_>, mut world: World) {
    let (join, leave) = (message("room:lobby", "phx_join", "{}"), message("room:lobby", "phx_leave", "{}"));
    let conn = world.connect();
    bencher.bench_local(|| {
        world.handle(conn, black_box(&join));
        world.handle(conn, black_box(&leave));
        world.drain()
    });
}

#[divan::bench(args = JOINED)]
fn connect_join_and_disconnect_with_subscribers(bencher: Bencher<'_, '_>, subscribers: usize) {
    come_and_go(bencher, World::in_one_topic(subscribers));
}

#[divan::bench(args = JOINED)]
fn connect_join_and_disconnect_among_topics(bencher: Bencher<'_, '_>, topics: usize) {
    come_and_go(bencher, World::in_topics_of_their_own(topics));
}

fn come_and_go(bencher: Bencher<'_, '_>, mut world: World) {
    bencher.bench_local(|| {
        let conn = world.join_new("room:lobby");
        world.close(conn);
    });
}

/// Of one connection after the other.
#[divan::bench(args = CONNECTED)]
fn heartbeat(bencher: Bencher<'_, '_>, connections: usize) {
    let mut sockets = Sockets::in_one_topic(connections);
    let (bytes, mut next) = (frame(HEARTBEAT), 0);
    bencher.bench_local(|| {
        next = (next + 7919) % connections;
        sockets.turn(sockets.conns[next], black_box(&bytes))
    });
}

/// Each connection talks once a minute, at a moment of its own; for each the time till the next one does.
#[divan::bench(args = CONNECTED)]
fn heartbeat_and_timer(bencher: Bencher<'_, '_>, connections: usize) {
    let mut world = World::new(connections);
    let step = std::time::Duration::from_secs(30) / connections as u32;
    let conns: Vec<_> = std::iter::repeat_with(|| (world.pass(step), world.connect()).1).take(connections).collect();
    let mut all = conns.iter().cycle();
    bencher.bench_local(|| {
        world.pass(step);
        world.handle(*all.next().expect("it is endless"), HEARTBEAT);
        world.drain()
    });
    assert_eq!(world.hub.stats().connections, connections);
}

#[divan::bench(args = [1, 2, 10, 50, 200])]
fn route_among_patterns(bencher: Bencher<'_, '_>, patterns: usize) {
    let routes = routes(patterns);
    bencher.bench_local(|| ["room0:lobby", "exact:1", "unknown:1"].map(|topic| routes.find(black_box(topic))));
}

const PRESENT: [usize; 4] = [10, 100, 1000, 10_000];

/// One more is tracked, and goes; all that are there hear of both.
#[divan::bench(args = PRESENT)]
fn presence_join_and_leave(bencher: Bencher<'_, '_>, present: usize) {
    let mut world = World::all_present(present);
    let (conn, join, leave) = (world.connect(), join_as(present), message("here:1", "phx_leave", "{}"));
    bencher.bench_local(|| {
        world.handle(conn, black_box(&join));
        world.handle(conn, black_box(&leave));
        world.drain()
    });
}

#[divan::bench(args = PRESENT)]
fn presence_state_of(bencher: Bencher<'_, '_>, present: usize) {
    let mut world = World::all_present(present);
    let conn = world.connect();
    world.handle(conn, &join_as(present));
    let who = message("here:1", "who", "{}");
    bencher.counter(ItemsCount::new(present)).bench_local(|| {
        world.handle(conn, black_box(&who));
        world.drain()
    });
}

/// From the bytes of the frame to those of the reply's.
#[divan::bench(args = CONNECTED)]
fn event_with_64_bytes_and_its_reply(bencher: Bencher<'_, '_>, connections: usize) {
    let mut sockets = Sockets::in_one_topic(connections);
    let (bytes, mut next) = (frame(&message("room:lobby", "ping", PAYLOAD)), 0);
    bencher.bench_local(|| {
        next = (next + 7919) % connections;
        sockets.turn(sockets.conns[next], black_box(&bytes))
    });
}
