//! A client of either driver, and what is expected of it.

use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chanson_core::client::{Backoff, Capacity, Config, Event};
use chanson_mio::Clients;
use chanson_std::Client;
use chanson_std::client::JoinOptions;
use chanson_tests::process::Usage;
use chanson_tests::tools::Host;
use serde_json::json;

use crate::server::Server;

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

/// How much memory all of the process may have more than before: there are other tests in it.
const MEMORY: u64 = 256 << 20;

/// The deed is done to some connections of a client, which says each time that it has lost it or could not have it, and that it
/// tries again; then it joins.
#[track_caller]
pub(crate) fn survives(host: Host, deed: fn(&mut TcpStream)) {
    let server = Server::start(TIMES, deed);
    let events = events_until(host, server.address, |event| matches!(event, Event::Joined { .. }), TIMES);
    let losses = events.iter().filter(|event| is_loss(event)).count();
    assert!(losses >= TIMES, "{losses} losses in {:?}", kinds(&events));
    assert!(server.connections() > TIMES);
}

/// All that happens until the connection that is well has done what is waited for.
#[track_caller]
pub(crate) fn events_until(host: Host, server: SocketAddr, done: impl Fn(&Event) -> bool, losses: usize) -> Vec<Event> {
    let before = Usage::of(std::process::id());
    let events = match host {
        Host::Mio => on_mio(server, done, losses),
        Host::Threads => on_threads(server, done, losses),
        Host::C | Host::MioThreads => unreachable!("it has the client of io-mio"),
    };
    if let (Some(before), Some(after)) = (before, Usage::of(std::process::id())) {
        let more = after.resident.saturating_sub(before.resident);
        assert!(more < MEMORY, "{} MiB more than before", more >> 20);
    }
    events
}

fn config(server: SocketAddr) -> Config {
    Config::new(&format!("ws://{server}/socket"))
        .unwrap()
        .with_connect_timeout(Duration::from_secs(1))
        .with_timeout(Duration::from_secs(20))
        // What a presence costs is copied with each change of its key: the default is much for a test without optimization.
        .with_capacity(Capacity::default().with_presence_bytes(256 << 10))
        .with_close_timeout(Duration::from_millis(500))
        .with_reconnect(Backoff::steps([], Duration::from_millis(10)))
}

fn on_threads(server: SocketAddr, done: impl Fn(&Event) -> bool, losses: usize) -> Vec<Event> {
    let client = Client::connect(config(server)).unwrap();
    client.start_join("room:a", json!({}), &JoinOptions::default()).unwrap();
    let (reader, until, mut events) = (client.events(), Instant::now() + PATIENCE, Vec::new());
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let Some(event) = reader.recv_timeout(left) else { panic!("waited in vain: {:?}", kinds(&events)) };
        let over = done(&event) && lost(&events) >= losses;
        keep(&mut events, event);
        if over {
            break;
        }
    }
    assert_eq!(client.stats().callback_panics, 0);
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < Duration::from_secs(10), "it does not end: {:?}", start.elapsed());
    events
}

fn on_mio(server: SocketAddr, done: impl Fn(&Event) -> bool, losses: usize) -> Vec<Event> {
    let mut clients = Clients::new().unwrap();
    let id = clients.add(config(server)).unwrap();
    clients
        .act(id, |client, now| {
            let channel = client.join(now, "room:a", json!({})).unwrap();
            client.track_presence(channel).unwrap();
        })
        .unwrap();
    let (until, mut events) = (Instant::now() + PATIENCE, Vec::new());
    loop {
        clients.poll(Duration::from_millis(100)).unwrap();
        while let Some((_, event)) = clients.poll_event() {
            let over = done(&event) && lost(&events) >= losses;
            keep(&mut events, event);
            if over {
                return events;
            }
        }
        assert!(Instant::now() < until, "waited in vain: {:?}", kinds(&events));
    }
}

/// What is said of presences by the thousand is not kept.
fn keep(events: &mut Vec<Event>, event: Event) {
    if !matches!(
        event,
        Event::PresenceJoin { .. } | Event::PresenceLeave { .. } | Event::PresenceSync { .. } | Event::Message { .. }
    ) {
        events.push(event);
    }
}

fn is_loss(event: &Event) -> bool {
    matches!(event, Event::ConnectFailed { retry_at: Some(_), .. } | Event::Disconnected { retry_at: Some(_), .. })
}

fn lost(events: &[Event]) -> usize {
    events.iter().filter(|event| is_loss(event)).count()
}

fn kinds(events: &[Event]) -> Vec<String> {
    events.iter().map(|event| format!("{event:?}").chars().take(80).collect()).collect()
}

/// How many connections each deed is done to.
const TIMES: usize = 2;
