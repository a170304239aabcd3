//! Our clients with our servers.

use std::time::Duration;

use chanson_core::client::{Config as ClientConfig, ConnectError, Event};
use chanson_core::deflate::Deflate;
use chanson_core::driver::Config;
use chanson_core::error::TlsError;
use chanson_core::tls::{Acceptor, Connector};
use chanson_mio::Clients;
use chanson_std::Client;
use chanson_tests::on_each_driver;
use chanson_tests::tls::{Authority, identity};
use chanson_tests::tools::Host;
use serde_json::json;

use crate::common::serve;

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);

fn config(host: &str, port: u16, connector: Connector) -> ClientConfig {
    ClientConfig::new(&format!("wss://{host}:{port}/socket")).unwrap().with_tls(connector)
}

fn the_blocking_client_talks(host: Host) {
    let authority = Authority::new(&format!("blocking-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    for name in ["localhost", "127.0.0.1"] {
        let client = Client::connect(config(name, server.local_addr().port(), authority.connector())).unwrap();
        let room = client.join("room:a", json!({})).unwrap();
        for len in [1, 1000, 20_000, 60_000] {
            let text = "x".repeat(len);
            let reply = room.push("ping", json!(text)).unwrap();
            assert_eq!(reply.response.as_payload().json().unwrap().as_str().len(), len + 2);
        }
    }
}

/// More than may wait for a connection.
fn much_is_said_at_once_to_one_that_reads(host: Host) {
    let authority = Authority::new(&format!("much-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let client = Client::connect(config("localhost", server.local_addr().port(), authority.connector())).unwrap();
    let room = client.join("room:a", json!({})).unwrap();
    let events = client.events();
    room.send("much", json!({})).unwrap();
    let mut count = 0;
    while count < 60 {
        match events.recv_timeout(PATIENCE).unwrap() {
            Event::Message { event, .. } if &*event == "piece" => count += 1,
            Event::Disconnected { reason, .. } => panic!("{reason:?} behind {count}"),
            _ => {}
        }
    }
}

fn many_clients_on_one_loop_talk(host: Host) {
    let authority = Authority::new(&format!("loop-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let mut clients = Clients::new().unwrap();
    let config = config("localhost", server.local_addr().port(), authority.connector());
    for _ in 0..20 {
        let id = clients.add(config.clone()).unwrap();
        clients.act(id, |client, now| client.join(now, "room:a", json!({}))).unwrap().unwrap();
    }
    let (mut joined, mut heard) = (0, 0);
    let end = std::time::Instant::now() + PATIENCE;
    while heard < 20 {
        assert!(std::time::Instant::now() < end, "{joined} joined, {heard} heard");
        clients.poll(Duration::from_millis(100)).unwrap();
        while let Some((id, event)) = clients.poll_event() {
            match event {
                Event::Joined { channel, .. } => {
                    joined += 1;
                    if joined == 20 {
                        let text = "x".repeat(50_000);
                        clients
                            .act(id, |client, now| client.push(now, channel, "new_msg", json!(text)))
                            .unwrap()
                            .unwrap();
                    }
                }
                Event::Message { .. } => heard += 1,
                Event::Connected | Event::Reply { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(server.handle().stats().endpoint.tls_handshakes, 20);
}

fn a_server_that_is_not_trusted_is_told_apart(host: Host) {
    let (authority, other) = (Authority::new(&format!("a-{host:?}")), Authority::new(&format!("b-{host:?}")));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let client = Client::connect(config("localhost", server.local_addr().port(), other.connector())).unwrap();
    let error = client.wait_connected(PATIENCE / 20).unwrap_err();
    assert_eq!(error.error, Some(ConnectError::Tls(TlsError::UnknownIssuer)));
    let acceptor = Acceptor::new([identity(&authority.issue(&["elsewhere.test"]))]).unwrap();
    let server = serve(host, Config::default().with_tls(acceptor));
    let client = Client::connect(config("localhost", server.local_addr().port(), authority.connector())).unwrap();
    let error = client.wait_connected(PATIENCE / 20).unwrap_err();
    assert_eq!(error.error, Some(ConnectError::Tls(TlsError::WrongHost)));
}

fn certificates_change_while_connections_stay(host: Host) {
    let authority = Authority::new(&format!("change-{host:?}"));
    let acceptor = authority.acceptor();
    let server = serve(host, Config::default().with_tls(acceptor.clone()));
    let connect = || Client::connect(config("localhost", server.local_addr().port(), authority.connector())).unwrap();
    let old = connect();
    let room = old.join("room:a", json!({})).unwrap();
    acceptor.set([identity(&authority.issue(&["elsewhere.test"]))]).unwrap();
    let error = connect().wait_connected(PATIENCE / 20).unwrap_err();
    assert_eq!(error.error, Some(ConnectError::Tls(TlsError::WrongHost)));
    acceptor
        .set([identity(&authority.issue(&["elsewhere.test"])), identity(&authority.issue(&["localhost"]))])
        .unwrap();
    connect().wait_connected(PATIENCE).unwrap();
    room.push("ping", json!({})).unwrap();
}

fn a_shutdown_says_goodbye(host: Host) {
    let authority = Authority::new(&format!("bye-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let client = Client::connect(config("localhost", server.local_addr().port(), authority.connector())).unwrap();
    client.wait_connected(PATIENCE).unwrap();
    let events = client.events();
    server.handle().shutdown();
    let mut seen = Vec::new();
    for event in events {
        if let Event::Disconnected { reason, .. } = event {
            assert_eq!(reason.code(), 1012);
            return;
        }
        seen.push(event);
    }
    panic!("{seen:?}");
}

/// What a list of players looks like.
fn long() -> serde_json::Value {
    let player = |n: u64| json!({ "id": n, "name": format!("player {n}"), "alive": n.is_multiple_of(3) });
    json!({ "players": (0..80).map(player).collect::<Vec<_>>() })
}

fn a_broadcast_is_compressed_once_and_encrypted_for_each(host: Host) {
    let authority = Authority::new(&format!("deflate-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let config = config("localhost", server.local_addr().port(), authority.connector());
    let client = |deflate| {
        let config = if deflate { config.clone().with_deflate(Deflate::new()) } else { config.clone() };
        let client = Client::connect(config).unwrap();
        let room = client.join("room:a", json!({})).unwrap();
        (client, room)
    };
    let clients: Vec<_> = (0..10).map(|n| client(n != 0)).collect();
    let events: Vec<_> = clients.iter().map(|(client, _)| client.events()).collect();
    let before = server.handle().stats().endpoint;
    server.handle().broadcast("room:a", "state", long()).unwrap();
    for events in events {
        let heard = events.into_iter().find_map(|event| match event {
            Event::Message { payload, .. } => Some(payload.as_payload().parse::<serde_json::Value>().unwrap()),
            _ => None,
        });
        assert_eq!(heard, Some(long()));
    }
    let until = std::time::Instant::now() + PATIENCE;
    let len = long().to_string().len() as u64;
    loop {
        let stats = server.handle().stats().endpoint;
        let (compressions, sent) = (stats.compressions - before.compressions, stats.bytes_out - before.bytes_out);
        // One has it whole, nine at less than half of that.
        if compressions == 1 && (len..len + 9 * len / 2).contains(&sent) {
            break;
        }
        assert!(std::time::Instant::now() < until, "{compressions} compressions, {sent} bytes of {len} each");
        std::thread::sleep(Duration::from_millis(10));
    }
}

on_each_driver! {
    a_broadcast_is_compressed_once_and_encrypted_for_each
    the_blocking_client_talks
    many_clients_on_one_loop_talk
    much_is_said_at_once_to_one_that_reads
    a_server_that_is_not_trusted_is_told_apart
    certificates_change_while_connections_stay
    a_shutdown_says_goodbye
}

chanson_tests::on_host! {
    on_mio_threads MioThreads
    the_blocking_client_talks
    much_is_said_at_once_to_one_that_reads
    certificates_change_while_connections_stay
    a_shutdown_says_goodbye
}
