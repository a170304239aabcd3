//! How a client ends.

use std::io::Read;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use chanson_std::Client;
use chanson_std::client::{Event, JoinError, PushError};
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;
use serde_json::json;

use crate::common::{PATIENCE, client, config, message, serve, wait_until};

fn what_was_sent_before_leaves_before(host: Host) {
    let server = serve(host);
    let listener = client(&server);
    listener.join("room:a", json!({})).unwrap();
    let speaker = client(&server);
    let room = speaker.join("room:a", json!({})).unwrap();
    for n in 0..500 {
        room.send("new_msg", json!([n, "x".repeat(500)])).unwrap();
    }
    drop(speaker);
    let events = listener.events();
    for n in 0..500 {
        assert!(message(&events).1.starts_with(&format!("[{n},")));
    }
    wait_until("one to be gone", || server.handle().stats().endpoint.hub.connections == 1);
}

fn whoever_waits_is_told(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let (room, events) = (client.join("room:a", json!({})).unwrap(), client.events());
    let pushing = std::thread::spawn({
        let room = room.clone();
        move || room.push("silent", json!({}))
    });
    wait_until("the push", || server.handle().stats().endpoint.hub.received >= 2);
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(pushing.join().unwrap(), Err(PushError::Ended));
    assert_eq!(room.push("echo", json!({})), Err(PushError::Ended));
    assert_eq!(room.send("echo", json!({})), Err(PushError::Ended));
    assert!(room.presence().is_empty() && !room.is_joined());
    room.leave();
    assert!(matches!(events.last(), Some(Event::Errored { .. })));
}

on_each_driver! {
    what_was_sent_before_leaves_before
    whoever_waits_is_told
}

#[test]
fn dropped_while_connecting() {
    // Nobody accepts: the transport comes up, the handshake does not.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    for _ in 0..20 {
        let (client, start) = (Client::connect(config(addr)).unwrap(), Instant::now());
        drop(client);
        assert!(start.elapsed() < PATIENCE);
    }
    let client = Client::connect(config(addr)).unwrap();
    let Err(JoinError::NotConnected(_)) = std::thread::scope(|scope| {
        let joining = scope.spawn(|| client.join("room:a", json!({})));
        wait_until("the join", || client.channel("room:a").is_some());
        client.disconnect();
        joining.join().unwrap()
    }) else {
        panic!()
    };
}

/// TEST-NET-1 (RFC 5737): nobody is there, and mostly nobody says so.
#[test]
fn dropped_while_nobody_answers() {
    let client = Client::connect(config("192.0.2.1:4000".parse().unwrap())).unwrap();
    drop(client.wait_connected(Duration::from_millis(100)));
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < PATIENCE);
}

#[test]
fn a_server_that_does_not_read_does_not_hold_up_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let client = Client::connect(config(addr).with_close_timeout(Duration::from_millis(100))).unwrap();
    let mut stream = listener.accept().unwrap().0;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    // It answers the upgrade and joins, and then nothing.
    let mut websocket = tungstenite::accept(stream.try_clone().unwrap()).unwrap();
    let room = client.start_join("room:a", json!({}), &chanson_std::client::JoinOptions::default()).unwrap();
    websocket.read().unwrap();
    let answer = r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#;
    websocket.send(tungstenite::Message::text(answer)).unwrap();
    wait_until("the join", || room.is_joined());
    let text = json!("x".repeat(60_000));
    // What the system takes, and what waits here.
    while room.send("new_msg", &text).is_ok() {}
    let start = Instant::now();
    drop(client);
    assert!(start.elapsed() < PATIENCE);
    // It was cut: there is an end, or an error.
    let mut buffer = vec![0; 1 << 20];
    while stream.read(&mut buffer).is_ok_and(|count| count > 0) {}
}
