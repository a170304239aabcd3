//! What does a broadcast of 4 kB of JSON to 1,000 subscribers cost up to the bytes of each socket: plain, compressed once
//! for all, and compressed for each with context takeover?

use std::io::IoSlice;

use chanson_core::deflate::Deflate;
use chanson_core::time::Instant;
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Mount};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

const NOW: Instant = Instant::ORIGIN;
const SUBSCRIBERS: usize = 1000;

/// What the mounts are, and which of them.
const MOUNTS: [&str; 5] = ["/plain", "/level-1", "/level-6", "/level-9", "/takeover-6"];

fn hub() -> Hub {
    let mount = |path: &str| Mount::channels(path).channel(Channel::new("room:*"));
    let level = |path: &str, level| mount(path).deflate(Deflate::new().level(level));
    Hub::builder()
        .seed([7; 32])
        .capacity(Capacity::for_connections(SUBSCRIBERS))
        .mount(mount("/plain"))
        .mount(level("/level-1", 1))
        .mount(level("/level-6", 6))
        .mount(level("/level-9", 9))
        .mount(mount("/takeover-6").deflate(Deflate::new().server_context_takeover(true)))
        .build()
        .expect("the hub makes sense")
}

/// About 4 kB as an application has it: a list of things that have the same fields.
fn payload() -> Value {
    let thing = |n: u64| {
        let number = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        json!({
            "id": number >> 20,
            "name": format!("player {}", number % 1000),
            "position": [(number >> 8) as u16, (number >> 24) as u16],
            "alive": !number.is_multiple_of(3),
        })
    };
    json!({ "players": (0..52).map(thing).collect::<Vec<_>>() })
}

fn join(endpoint: &mut Endpoint, path: &str) -> ConnId {
    let conn = endpoint.handle_connect(NOW, None).expect("there is room");
    let request = format!(
        "GET {path}?vsn=2.0.0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
    );
    endpoint.handle_bytes(NOW, &mut (), conn, request.as_bytes());
    let message = br#"["1","1","room:a","phx_join",{}]"#;
    let frame = [&[0x81, 0x80 | message.len() as u8, 0, 0, 0, 0], &message[..]].concat();
    endpoint.handle_bytes(NOW, &mut (), conn, &frame);
    conn
}

/// Everybody takes what waits; how many bytes that was.
fn take_all(endpoint: &mut Endpoint) -> usize {
    let mut bytes = 0;
    while let Some(conn) = endpoint.poll_writable() {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = endpoint.pending(conn, &mut slices);
        let sent = black_box(&slices[..count]).iter().map(|slice| slice.len()).sum();
        endpoint.advance(NOW, conn, sent);
        bytes += sent;
    }
    bytes
}

#[divan::bench(args = MOUNTS)]
fn broadcast_4_kb_to_1000(bencher: Bencher<'_, '_>, path: &str) {
    let mut endpoint = Endpoint::new(hub());
    for _ in 0..SUBSCRIBERS {
        join(&mut endpoint, path);
    }
    take_all(&mut endpoint);
    let payload = payload();
    let mut broadcast = || {
        endpoint.act(NOW, &mut (), |hub, _| hub.broadcast("room:a", "state", &payload)).expect("there is room");
        take_all(&mut endpoint)
    };
    // With takeover the first is longer than those that refer to it.
    broadcast();
    let bytes = broadcast();
    bencher.counter(ItemsCount::new(SUBSCRIBERS)).counter(BytesCount::new(bytes)).bench_local(broadcast);
    println!("{path}: {} bytes on the wire for each", bytes / SUBSCRIBERS);
}
