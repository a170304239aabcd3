use std::time::Duration;

use super::*;
use chanson_core::memory::Incoming;
use serde_json::json;

const LIMIT: Duration = Duration::from_secs(60);
const ALMOST: Duration = Duration::from_millis(59_999);
const MOMENT: Duration = Duration::from_millis(1);

#[test]
fn a_peer_that_is_silent_for_a_minute_is_closed() {
    let mut world = world(room());
    let a = member(&mut world);
    world.run_for(ALMOST);
    assert_eq!(world.closed(a), None);
    world.run_for(MOMENT);
    assert_eq!(world.next(a), Some(Incoming::Closed { code: 1001, reason: String::new() }));
    assert_eq!(world.stats().hub.idle_timeouts, 1);
}

#[test]
fn whatever_the_peer_sends_is_life() {
    type Life = fn(&mut World<App>, Client);
    let lives: [Life; 5] = [
        |world, a| world.send(a, r#"[null,"1","phoenix","heartbeat",{}]"#),
        |world, a| world.send(a, r#"["9","1","room:a","stale",{}]"#),
        |world, a| world.ping(a, b""),
        |world, a| {
            // A pong that nobody asked for.
            let mut frame = Vec::new();
            chanson_core::ws::control(chanson_core::ws::Control::Pong, b"", Some([1, 2, 3, 4]), &mut frame);
            world.write(a, &frame);
        },
        |world, a| world.send_binary(a, b"\x00\x01\x01\x06\x0412room:aping"),
    ];
    for (n, life) in lives.into_iter().enumerate() {
        let mut world = world(room());
        let a = member(&mut world);
        for _ in 0..3 {
            world.run_for(ALMOST);
            life(&mut world, a);
        }
        world.run_for(ALMOST);
        assert_eq!(world.closed(a), None, "life {n}");
        world.run_for(MOMENT);
        assert_eq!(world.closed(a), Some(1001), "life {n}");
    }
}

#[test]
fn what_the_server_sends_is_no_life_nor_is_half_a_frame() {
    let mut world = world(room());
    let (a, b) = (member(&mut world), member(&mut world));
    world.run_for(Duration::from_secs(30));
    world.act(|hub, _| hub.broadcast("room:a", "tick", json!({}))).unwrap();
    world.write(b, &[0x81]);
    world.run_for(Duration::from_secs(30));
    assert_eq!((world.closed(a), world.closed(b)), (Some(1001), Some(1001)));
}

#[test]
fn the_limit_is_the_mounts() {
    let hub = builder()
        .mount(Mount::channels("/short").idle_timeout(Duration::from_millis(1500)))
        .mount(Mount::channels("/never").idle_timeout(Duration::ZERO));
    let mut world = build(hub);
    let (a, b) = (world.connect("/short"), world.connect("/never"));
    world.run_for(Duration::from_millis(1499));
    assert_eq!(world.closed(a), None);
    world.run_for(MOMENT);
    assert_eq!(world.closed(a), Some(1001));
    world.run_for(Duration::from_secs(1_000_000));
    assert_eq!(world.closed(b), None);
    assert!(world.endpoint().poll_timeout().is_none(), "nothing waits");
}

#[test]
fn raw_connections_have_the_limit_too() {
    let mut world = mounted(Mount::raw("/raw"));
    let a = world.connect("/raw");
    world.run_for(LIMIT);
    assert_eq!(world.closed(a), Some(1001));
}

#[test]
fn a_handshake_has_five_seconds() {
    let mut world = world(room());
    let (silent, slow) = (world.open_transport(), world.open_transport());
    for _ in 0..5 {
        world.write(slow, b"GET");
        world.run_for(Duration::from_secs(1));
    }
    assert!(world.is_shut(silent) && world.is_shut(slow));
    assert!(world.read(silent).is_empty());
    world.run_for(Duration::from_secs(5));
    assert_eq!(world.stats().hub.connections, 0);
}

#[test]
fn time_that_goes_backwards_stands_still() {
    use chanson_core::http::Request;
    use chanson_core::time::Instant;
    let mut hub = Hub::<()>::builder().seed([7; 32]).mount(Mount::channels("/socket")).build().unwrap();
    let conn = hub.handle_connect(Instant::from_millis(50_000), None).unwrap();
    hub.handle_open(Instant::from_millis(10), &mut (), conn, &Request::new("GET", "/socket", &[], b""));
    hub.handle_text(
        Instant::ORIGIN,
        &mut (),
        conn,
        r#"{"topic":"phoenix","event":"heartbeat","payload":{},"ref":"1"}"#,
    );
    hub.handle_timeout(Instant::from_millis(109_999), &mut ());
    assert!(hub.is_open(conn));
    hub.handle_timeout(Instant::from_millis(110_000), &mut ());
    assert!(!hub.is_open(conn));
}
