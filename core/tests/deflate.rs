//! Compressed mounts: what a whole server does about them. (What is agreed on and how it is compressed is tested inside.)
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::io::IoSlice;

use chanson_core::client::{self, Client};
use chanson_core::deflate::Deflate;
use chanson_core::endpoint::{Config, Endpoint, SlowConsumer};
use chanson_core::limits::Capacity;
use chanson_core::memory::World;
use chanson_core::time::Instant;
use chanson_core::{Channel, ConnId, Hub, Mount};
use serde_json::json;

const NOW: Instant = Instant::ORIGIN;

const OFFER: &str = "permessage-deflate; client_max_window_bits";

fn mount(path: &str) -> Mount {
    Mount::channels(path).channel(Channel::new("room:*").on("echo", |socket, msg| socket.reply(msg.payload)))
}

fn takeover() -> Deflate {
    Deflate::new().threshold(0).server_context_takeover(true).client_context_takeover(true)
}

/// A hub with a plain mount, one that compresses, and one that does so with context takeover.
fn hub(capacity: Capacity) -> Hub {
    let hub = Hub::builder().seed([7; 32]).capacity(capacity).mount(mount("/plain"));
    hub.mount(mount("/deflate").deflate(Deflate::new())).mount(mount("/takeover").deflate(takeover())).build().unwrap()
}

struct Server {
    endpoint: Endpoint,
}

impl Server {
    fn new() -> Self {
        Self { endpoint: Endpoint::new(hub(Capacity::for_connections(2000))) }
    }

    /// A connection that has joined `room:a`; what it was answered is gone.
    fn join(&mut self, path: &str, offer: &str) -> ConnId {
        let conn = self.endpoint.handle_connect(NOW, None).unwrap();
        let request = format!(
            "GET {path}?vsn=2.0.0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n{offer}\r\n"
        );
        self.endpoint.handle_bytes(NOW, &mut (), conn, request.as_bytes());
        self.endpoint.handle_bytes(NOW, &mut (), conn, &text(r#"["1","1","room:a","phx_join",{}]"#));
        assert!(self.endpoint.hub().subscriber_count("room:a") > 0);
        self.sent(conn);
        conn
    }

    fn broadcast(&mut self, len: usize) {
        let payload = json!({ "text": "so many words ".repeat(len / 14) });
        self.endpoint.act(NOW, &mut (), |hub, _| hub.broadcast("room:a", "news", payload)).unwrap();
    }

    /// What waits for the connection, which takes it.
    fn sent(&mut self, conn: ConnId) -> Vec<u8> {
        let mut out = Vec::new();
        loop {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = self.endpoint.pending(conn, &mut slices);
            let sent = slices[..count].iter().map(|slice| slice.len()).sum();
            slices[..count].iter().for_each(|slice| out.extend_from_slice(slice));
            if sent == 0 {
                return out;
            }
            self.endpoint.advance(NOW, conn, sent);
        }
    }
}

fn text(message: &str) -> Vec<u8> {
    assert!(message.len() < 126);
    let mut frame = vec![0x81, 0x80 | message.len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(message.as_bytes());
    frame
}

fn header(offer: &str) -> String {
    format!("Sec-WebSocket-Extensions: {offer}\r\n")
}

#[test]
fn a_broadcast_is_compressed_once_for_all_that_agreed_on_the_same() {
    let mut server = Server::new();
    let compressed: Vec<_> = (0..1000).map(|_| server.join("/deflate", &header(OFFER))).collect();
    let small = server.join("/deflate", &header("permessage-deflate; server_max_window_bits=9"));
    let not_offered = server.join("/deflate", "");
    let plain = server.join("/plain", &header(OFFER));
    assert_eq!(server.endpoint.stats().compressions, 0, "replies are below the threshold");
    server.broadcast(4000);
    let stats = server.endpoint.stats();
    assert_eq!((stats.compressions, stats.compressed), (2, 1001));

    let frame = server.sent(compressed[0]);
    assert!(frame[0] == 0xc1 && frame.len() < 150, "{}", frame.len());
    assert!(compressed[1..].iter().all(|conn| server.sent(*conn) == frame));
    let whole = server.sent(plain);
    assert!(whole[0] == 0x81 && whole.len() > 4000);
    assert_eq!(server.sent(not_offered), whole);
    assert_eq!(server.sent(small)[0], 0xc1);
    assert!(stats.bytes_saved > 1001 * (whole.len() - 200) as u64);
    assert!(stats.to_prometheus().contains("\nchanson_compressions_total 2\n"));

    server.broadcast(100);
    assert_eq!(server.endpoint.stats().compressions, 2, "below the threshold");
    assert_eq!(server.sent(compressed[0])[0], 0x81);
}

#[test]
fn with_takeover_each_connection_has_a_compression_of_its_own() {
    let mut server = Server::new();
    let conns: Vec<_> = (0..3).map(|_| server.join("/takeover", &header(OFFER))).collect();
    let before = server.endpoint.stats().compressions;
    server.broadcast(4000);
    let first = conns.iter().map(|conn| server.sent(*conn).len()).max();
    server.broadcast(4000);
    let second = conns.iter().map(|conn| server.sent(*conn).len()).max();
    assert_eq!(server.endpoint.stats().compressions, before + 6);
    assert!(second.unwrap() + 30 < first.unwrap(), "it refers to the first: {second:?} {first:?}");
}

/// What is not taken into a queue is not compressed either, so that nothing refers to it.
#[test]
fn messages_dropped_for_a_slow_reader_leave_the_rest_readable() {
    let mut capacity = Capacity::for_connections(10);
    capacity.queued_bytes_per_connection = 100;
    let config = Config::default().with_slow_consumer(SlowConsumer::DropNewest);
    let mut server = Server { endpoint: Endpoint::with_config(hub(capacity), config) };
    let upgrade = client::Config::new("ws://h/takeover").unwrap().with_deflate(takeover());
    let mut client = Client::new(upgrade, [7; 32]);
    client.connect(NOW);
    assert!(matches!(client.poll_output(), Some(client::Output::Connect { .. })));
    client.handle_connected(NOW);
    client.join(NOW, "room:a", json!({})).unwrap();
    let conn = server.endpoint.handle_connect(NOW, None).unwrap();
    let (mut news, mut sent) = (0, 0);
    for turn in 0..20 {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = client.pending(&mut slices);
        let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        client.advance(NOW, bytes.len());
        server.endpoint.handle_bytes(NOW, &mut (), conn, &bytes);
        if turn > 4 {
            for n in 0..10 {
                let noise: String =
                    (0..30).map(|at| char::from(b'a' + ((at * at * 7 + n * at + turn) % 26) as u8)).collect();
                server.endpoint.act(NOW, &mut (), |hub, _| hub.broadcast("room:a", "news", json!(noise))).unwrap();
                sent += 1;
            }
        }
        let bytes = server.sent(conn);
        client.handle_bytes(NOW, &bytes);
        while let Some(event) = client.poll_event() {
            match event {
                client::Event::Message { .. } => news += 1,
                client::Event::Disconnected { .. } | client::Event::ConnectFailed { .. } => panic!("{event:?}"),
                _ => {}
            }
        }
    }
    let dropped = server.endpoint.stats().dropped;
    assert!(dropped > 10 && news > 20, "{dropped} dropped, {news} came");
    assert_eq!(news + dropped, sent);
}

#[test]
fn a_malformed_offer_is_refused_where_it_would_be_looked_at() {
    let mut world = World::new(hub(Capacity::default()));
    for (path, malformed) in [("/deflate", "permessage-deflate; ;"), ("/takeover", "=")] {
        let refused = world.try_connect(path, &[("Sec-WebSocket-Extensions", malformed)]);
        assert_eq!(refused.map_err(|response| response.status), Err(400));
    }
    assert!(world.try_connect("/plain", &[("Sec-WebSocket-Extensions", "=")]).is_ok());
    assert!(world.try_connect("/deflate", &[("Sec-WebSocket-Extensions", "permessage-deflate; unknown")]).is_ok());
}

#[test]
fn data_that_cannot_be_inflated_closes_with_1007() {
    let mut server = Server::new();
    let conn = server.join("/deflate", &header(OFFER));
    server.endpoint.handle_bytes(NOW, &mut (), conn, &[0xc1, 0x83, 0, 0, 0, 0, 0xff, 0xff, 0xff]);
    assert_eq!(server.sent(conn)[..4], [0x88, 25, 0x03, 0xef]);
    assert_eq!(server.endpoint.stats().hub.protocol_errors, 1);
}
