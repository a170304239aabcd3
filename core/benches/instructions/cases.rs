//! What is counted, and how much it may be.

use std::hint::black_box;
use std::time::Duration;

use chanson_core::ws::{Decoder, Incoming, Role};

use super::Count;
use crate::worlds::{HEARTBEAT, PAYLOAD, Sockets, World, frame, join_as, message, routes};

/// What is held against a count. About a fifth above what was counted, so that a compiler may have its moods.
pub(crate) enum Ceiling {
    /// Of a unit of work, at every size.
    Each(&'static str, f64),
    /// How many more it is at the largest size for each one more of the size.
    Slope(&'static str, f64),
    /// How many times as many it is at the largest size as at the smallest.
    Growth(&'static str, f64),
}

use Ceiling::{Each, Growth, Slope};

/// Name and ceiling; the names are what has to be true.
pub(crate) const CEILINGS: &[(&str, Ceiling)] = &[
    ("a broadcast in the hub, for each subscriber", Slope(BROADCAST, 20.0)),
    ("a broadcast in the hub, its fixed part", Each(BROADCAST_TO_ONE, 1350.0)),
    ("a broadcast to the bytes of each socket, for each", Slope(BROADCAST_BYTES, 360.0)),
    ("an event of 64 bytes: from its frame to its reply's", Each(EVENT_FRAMES, 2500.0)),
    ("an event of 64 bytes and its reply, bytes to bytes", Each(EVENT, 3650.0)),
    ("an event of 64 bytes, its reply encoded and queued", Each(EVENT_IN, 3600.0)),
    ("an event of 64 bytes and its reply are flat", Growth(EVENT, 1.1)),
    ("an event with a payload of 64 bytes, bytes to bytes", Each(EVENT_BIGGER, 4050.0)),
    ("a heartbeat and its reply, bytes to bytes", Each(HEARTBEAT_BYTES, 2800.0)),
    ("a heartbeat and its reply are flat", Growth(HEARTBEAT_BYTES, 1.1)),
    ("a connection that joins, leaves and closes, bytes to bytes", Each(VISIT, 26_500.0)),
    ("a connection that joins, leaves and closes is flat", Growth(VISIT, 1.1)),
    ("the timer of a connection that talks", Each(CHECK, 350.0)),
    ("the timer of a connection that talks is flat", Growth(CHECK, 1.3)),
    ("the timers of one moment", Each(CHECK_AT_ONCE, 290.0)),
    ("the timers of one moment are flat", Growth(CHECK_AT_ONCE, 1.15)),
    ("the timer of a silent connection", Each(EXPIRE, 750.0)),
    ("the timer of a silent connection is flat", Growth(EXPIRE, 1.15)),
    ("a join is flat in subscribers", Growth(JOIN_ONE, 1.1)),
    ("a leave is flat in subscribers", Growth(LEAVE_ONE, 1.1)),
    ("a disconnect is flat in subscribers", Growth(CLOSE_ONE, 1.1)),
    ("a join is flat in topics", Growth(JOIN_OWN, 1.1)),
    ("a leave is flat in topics", Growth(LEAVE_OWN, 1.1)),
    ("a disconnect is flat in topics", Growth(CLOSE_OWN, 1.1)),
    ("routing of an exact topic", Growth(EXACT, 1.6)),
    ("routing of a prefix", Growth(PREFIX, 1.8)),
    ("routing of what no pattern takes", Each(NOWHERE, 380.0)),
    ("a join that is tracked, for each who is told", Slope(TRACK, 20.0)),
    ("a leave of one who is tracked, for each who is told", Slope(UNTRACK, 20.0)),
    ("presence_state, for each who is present", Slope(STATE, 780.0)),
];

const BROADCAST: &str = "hub: broadcast to N subscribers";
const BROADCAST_TO_ONE: &str = "hub: broadcast to one subscriber";
const BROADCAST_BYTES: &str = "endpoint: broadcast to N subscribers, to the bytes of each";
const EVENT_FRAMES: &str = "hub: event of 64 bytes, from its frame to the frame of the reply";
const EVENT: &str = "endpoint: event of 64 bytes to its handler and the reply, N connections";
const EVENT_IN: &str = "endpoint: the same, but the reply waits in its queue";
const EVENT_BIGGER: &str = "endpoint: the same with a payload of 64 bytes";
const HEARTBEAT_BYTES: &str = "endpoint: heartbeat, N connections";
const VISIT: &str = "endpoint: upgrade, join, leave and close, N connections";
const CHECK: &str = "hub: timer of a connection that has talked, N connections";
const CHECK_AT_ONCE: &str = "hub: the same, but all at one moment";
const EXPIRE: &str = "hub: timer of a connection that was silent, N connections";
const JOIN_ONE: &str = "hub: join of a topic with N subscribers";
const LEAVE_ONE: &str = "hub: leave of a topic with N subscribers";
const CLOSE_ONE: &str = "hub: disconnect from a topic with N subscribers";
const JOIN_OWN: &str = "hub: join of a topic among N topics";
const LEAVE_OWN: &str = "hub: leave of a topic among N topics";
const CLOSE_OWN: &str = "hub: disconnect from a topic among N topics";
const EXACT: &str = "routes: exact topic, N patterns";
const PREFIX: &str = "routes: prefix, N patterns";
const NOWHERE: &str = "routes: no pattern, N patterns";
const TRACK: &str = "hub: join that is tracked, N present";
const UNTRACK: &str = "hub: leave of one who is tracked, N present";
const STATE: &str = "hub: presence_state of N present";

impl Ceiling {
    pub(crate) const fn max(&self) -> f64 {
        match self {
            Each(_, max) | Slope(_, max) | Growth(_, max) => *max,
        }
    }

    /// The figure that it is for.
    ///
    /// # Panics
    /// When its series was not counted.
    pub(crate) fn of(&self, counts: &[Count]) -> f64 {
        let (Each(name, _) | Slope(name, _) | Growth(name, _)) = self;
        let series: Vec<&Count> = counts.iter().filter(|count| count.series == *name).collect();
        let [first, .., last] = series[..] else {
            return series.first().unwrap_or_else(|| panic!("{name} was not counted")).instructions;
        };
        match self {
            Each(..) => series.iter().map(|count| count.instructions).fold(0.0, f64::max),
            Slope(..) => (last.instructions - first.instructions) / (last.size - first.size) as f64,
            Growth(..) => last.instructions / first.instructions,
        }
    }
}

/// Runs everything; called in the process that is counted.
pub(crate) fn run() {
    broadcasts();
    bytes();
    timers();
    joins();
    routing();
    presence();
}

/// Counts `work`, which does so many units of work, and says what it was.
fn count(series: &str, size: usize, units: usize, mut work: impl FnMut()) {
    measured(&mut work);
    println!("{series}\t{size}\t{units}");
}

/// What is counted is what happens in here.
#[inline(never)]
fn measured(work: &mut dyn FnMut()) {
    work();
    // Or it would be left before `work` is done.
    black_box(());
}

fn again<T>(times: usize, mut act: impl FnMut() -> T) {
    for _ in 0..times {
        black_box(act());
    }
}

/// What callgrind calls it.
pub(crate) const MEASURED: &str = concat!(module_path!(), "::measured");

fn broadcasts() {
    for size in [16, 256, 4096, 16_384] {
        let mut world = World::in_one_topic(size);
        world.join_new("room:other");
        world.broadcast();
        world.broadcast_elsewhere();
        count(BROADCAST, size, 1, || assert_eq!(world.broadcast(), size));
    }
    let mut world = World::in_one_topic(1);
    world.broadcast();
    count(BROADCAST_TO_ONE, 1, 10, || again(10, || world.broadcast()));
}

fn bytes() {
    let text = message("room:lobby", "ping", r#"{"body":"so long and thanks for"}"#);
    assert_eq!(text.len(), 64);
    let (event, heartbeat) = (frame(&text), frame(HEARTBEAT));
    framed(&event);
    let bigger = frame(&message("room:lobby", "ping", PAYLOAD));
    for size in [10, 1000, 20_000] {
        let mut sockets = Sockets::in_one_topic(size);
        sockets.broadcast();
        count(BROADCAST_BYTES, size, 1, || again(1, || sockets.broadcast()));
        let conn = sockets.conns[size / 2];
        count(EVENT_IN, size, 100, || again(100, || sockets.take(conn, &event)));
        sockets.write_all();
        let topic = "room:visited";
        let frames = ["phx_join", "phx_leave"].map(|event| frame(&message(topic, event, "{}")));
        sockets.visit(&frames);
        count(VISIT, size, 10, || again(10, || sockets.visit(&frames)));
        for (series, bytes) in [(EVENT, &event), (EVENT_BIGGER, &bigger), (HEARTBEAT_BYTES, &heartbeat)] {
            sockets.turn(conn, bytes);
            count(series, size, 100, || again(100, || sockets.turn(conn, bytes)));
        }
    }
}

/// What a message costs where somebody else's loop has the bytes: unmasked, decoded, routed, answered, encoded.
fn framed(event: &[u8]) {
    let mut world = World::in_one_topic(9);
    let conn = world.join_new("room:lobby");
    let mut decoder = Decoder::new(Role::Server, 64 * 1024);
    let mut input = vec![0; event.len()];
    let mut turn = || {
        input.copy_from_slice(event);
        match decoder.decode(&mut input) {
            Ok((_, Some(Incoming::Text(text)))) => world.handle(conn, text),
            other => panic!("{other:?}"),
        }
        world.drain()
    };
    assert_eq!(turn(), 1);
    count(EVENT_FRAMES, 10, 100, || again(100, &mut turn));
}

/// Timers fire at moments of their own: first those of connections that have talked, then those of the same, silent now.
/// Then all of them at one moment.
fn timers() {
    for size in [10, 1000, 20_000] {
        let mut world = World::new(size);
        let conns: Vec<_> = (0..size).map(|_| later(&mut world, size).connect()).collect();
        let talk = |world: &mut World| {
            conns.iter().for_each(|conn| later(world, size).handle(*conn, HEARTBEAT));
            world.drain();
        };
        // All are heard in the half minute before their timers are due. Once to grow what has to grow.
        talk(&mut world);
        world.pass(HALF);
        talk(&mut world);
        count(CHECK, size, size, || world.pass(Duration::ZERO));
        assert_eq!(world.hub.stats().idle_timeouts, 0);
        count(EXPIRE, size, size, || world.pass(MINUTE));
        assert_eq!(world.hub.stats().idle_timeouts, size as u64);
    }
    for size in [10, 1000, 20_000] {
        let mut world = World::new(size);
        let conns: Vec<_> = (0..size).map(|_| world.connect()).collect();
        for round in 0..2 {
            world.now += HALF;
            conns.iter().for_each(|conn| world.handle(*conn, HEARTBEAT));
            world.drain();
            let mut fire = || world.pass(HALF);
            if round == 0 { fire() } else { count(CHECK_AT_ONCE, size, size, fire) }
        }
        assert_eq!(world.hub.stats().connections, size);
    }
}

/// A little later, such that so many times are half a minute.
fn later(world: &mut World, size: usize) -> &mut World {
    world.now += HALF / size as u32;
    world
}

const MINUTE: Duration = Duration::from_secs(60);
const HALF: Duration = Duration::from_secs(30);

fn joins() {
    let (join, leave) = (message("room:lobby", "phx_join", "{}"), message("room:lobby", "phx_leave", "{}"));
    for size in [10, 1000, 100_000] {
        let mut world = World::in_one_topic(size);
        come_and_go(&mut world, size, [JOIN_ONE, LEAVE_ONE, CLOSE_ONE], &join, &leave);
    }
    for size in [10, 1000, 100_000] {
        let mut world = World::in_topics_of_their_own(size);
        come_and_go(&mut world, size, [JOIN_OWN, LEAVE_OWN, CLOSE_OWN], &join, &leave);
    }
}

/// Some more join, leave, join again and disconnect.
fn come_and_go(world: &mut World, size: usize, series: [&str; 3], join: &str, leave: &str) {
    for round in 0..2 {
        let conns: Vec<_> = (0..MORE).map(|_| world.connect()).collect();
        let all = |world: &mut World, text: &str| {
            for conn in &conns {
                world.handle(*conn, text);
                world.drain();
            }
        };
        // The first round grows what has to grow.
        if round == 0 {
            all(world, join);
            all(world, leave);
            all(world, join);
            conns.iter().for_each(|conn| world.close(*conn));
            continue;
        }
        count(series[0], size, MORE, || all(world, join));
        count(series[1], size, MORE, || all(world, leave));
        all(world, join);
        count(series[2], size, MORE, || conns.iter().for_each(|conn| world.close(*conn)));
        world.drain();
    }
}

fn routing() {
    for size in [1, 2, 10, 200] {
        let routes = routes(size);
        for (series, topic) in [(EXACT, "exact:1"), (PREFIX, "room0:lobby"), (NOWHERE, "unknown:1")] {
            if size == 1 && series == EXACT {
                continue;
            }
            count(series, size, 100, || again(100, || routes.find(black_box(topic))));
        }
    }
}

fn presence() {
    let (leave, who) = (message("here:1", "phx_leave", "{}"), message("here:1", "who", "{}"));
    for size in [10, 1000, 10_000] {
        let mut world = World::all_present(size);
        let conn = world.connect();
        let join = join_as(size);
        let mut handle = |text: &str| {
            world.handle(conn, text);
            world.drain()
        };
        // Once to grow what has to grow.
        for text in [&join, &who, &leave] {
            handle(text);
        }
        count(TRACK, size, 1, || assert_eq!(handle(&join), 1 + size + 1));
        count(STATE, size, 1, || assert_eq!(handle(&who), 1));
        count(UNTRACK, size, 1, || assert_eq!(handle(&leave), size + 2));
    }
}

/// How many come and go.
const MORE: usize = 10;
