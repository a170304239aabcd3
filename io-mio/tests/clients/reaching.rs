//! Servers that are not there, are elsewhere, go away and come back, or are none.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use chanson_core::client::{Config, ConnectError, Event};
use chanson_core::error::CloseReason;
use chanson_mio::Server;
use serde_json::json;

use crate::common::{World, config, hub, once, payload, server};

#[test]
fn a_server_that_is_started_again_has_its_clients_back() {
    let first = server();
    let addr = first.local_addr();
    let mut world = World::new();
    let (id, room) = world.joined(config(addr), "room:a");
    first.shutdown();
    match world.next_of(id) {
        Event::Disconnected { reason, retry_at } => {
            assert_eq!((reason, retry_at.is_some()), (CloseReason::ByPeer(1012), true));
        }
        event => panic!("{event:?}"),
    }
    assert!(matches!(world.next_of(id), Event::Errored { .. }));
    world.turn_until("the server's end", |_| first.is_finished());
    let push = world.act(id, |client, now| client.push(now, room, "echo", json!({ "made": "offline" })));
    for _ in 0..3 {
        match world.next_of(id) {
            Event::ConnectFailed { error: ConnectError::Transport, retry_at: Some(_) } => {}
            event => panic!("{event:?}"),
        }
        assert_eq!(world.clients.transport_error(id).unwrap().kind(), std::io::ErrorKind::ConnectionRefused);
    }
    let _second = Server::bind(addr, hub()).unwrap().spawn().unwrap();
    assert_eq!(world.next_success(id), Event::Connected);
    assert!(matches!(world.next_of(id), Event::Joined { channel, .. } if channel == room));
    let event = world.next_of(id);
    assert_eq!(payload(&event), json!({ "made": "offline" }));
    assert!(matches!(event, Event::Reply { push: answered, .. } if answered == push));
}

#[test]
fn a_refused_connection_is_tried_again_as_often_as_is_said() {
    let addr = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut world = World::new();
    let config = config(addr);
    let reconnect = config.reconnect.clone().with_max_attempts(2);
    let id = world.add(config.with_reconnect(reconnect));
    for last in [false, false, true] {
        match world.next_of(id) {
            Event::ConnectFailed { error: ConnectError::Transport, retry_at } => assert_eq!(retry_at.is_none(), last),
            event => panic!("{event:?}"),
        }
    }
    assert!(world.clients.is_settled(id));
    assert_eq!(world.clients.poll_timeout(), None, "nothing is left to do");
}

#[test]
fn a_wrong_path_is_refused_with_its_status() {
    let server = server();
    let mut world = World::new();
    let url = format!("ws://{}/nothing", server.local_addr());
    let id = world.add(once(Config::new(&url).unwrap()));
    let error = ConnectError::Refused { status: 404 };
    assert_eq!(world.next_of(id), Event::ConnectFailed { error, retry_at: None });
    world.turn_until("the end", |world| world.clients.is_settled(id));
}

#[test]
fn a_name_is_looked_up() {
    let server = server();
    let mut world = World::new();
    let url = format!("ws://localhost:{}/socket", server.local_addr().port());
    let (id, room) = world.joined(once(Config::new(&url).unwrap()), "room:a");
    world.act(id, |client, now| client.push(now, room, "echo", json!(1)));
    assert_eq!(payload(&world.next_of(id)), json!(1));
}

/// A peer that says this once the request has come, and closes.
fn peer(says: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        if let Some(rest) = says.strip_prefix(b"upgrade ") {
            let request = String::from_utf8(request).unwrap();
            let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
            let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
            let head = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
            write!(stream, "{head}Sec-WebSocket-Accept: {accept}\r\n\r\n").unwrap();
            stream.write_all(rest).unwrap();
        } else {
            stream.write_all(says).unwrap();
        }
        // Until the client has gone, so that nothing is cut off by a reset.
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).ok();
    });
    addr
}

#[test]
fn peers_that_are_no_servers_disturb_nobody() {
    let server = server();
    let mut world = World::new();
    let (good, room) = world.joined(config(server.local_addr()), "room:a");
    for says in [
        &b""[..],
        b"\x00\xff\x16\x03garbage",
        b"SSH-2.0-OpenSSH_9.6\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n",
    ] {
        let id = world.add(once(config(peer(says))));
        let event = world.next_of(id);
        assert!(matches!(event, Event::ConnectFailed { retry_at: None, .. }), "{event:?}");
        world.turn_until("the end", |world| world.clients.is_settled(id));
    }
    for says in [&b"upgrade \xff\xff\xff\xff"[..], b"upgrade \x81\x03\xff\xff\xff", b"upgrade \x81\x02{]", b"upgrade "]
    {
        let id = world.add(once(config(peer(says))));
        assert_eq!(world.next_of(id), Event::Connected);
        let event = world.next_of(id);
        assert!(matches!(event, Event::Disconnected { retry_at: None, .. }), "{event:?}");
        world.turn_until("the end", |world| world.clients.is_settled(id));
    }
    world.act(good, |client, now| client.push(now, room, "echo", json!("still here")));
    assert_eq!(payload(&world.next_of(good)), json!("still here"));
}

#[test]
fn a_server_that_says_nothing_is_left_and_one_that_answers_is_kept() {
    let server = server();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut world = World::new();
    let config = config(listener.local_addr().unwrap());
    let id = world.add(once(config.clone().with_connect_timeout(Duration::from_millis(100))));
    let event = Event::ConnectFailed { error: ConnectError::Timeout, retry_at: None };
    assert_eq!(world.next_of(id), event, "it takes the connection and says nothing");

    let beats = Duration::from_millis(30);
    let (id, _) = world.joined(crate::common::config(server.local_addr()).with_heartbeat_interval(beats), "room:a");
    let until = world.clients.now() + 10 * beats;
    world.turn_until("some heartbeats", |world| world.clients.now() > until);
    assert!(world.clients.client(id).unwrap().is_connected(), "answered ones keep it");
}
