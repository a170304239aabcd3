//! What connections hold that agreed on compression.
#![cfg(feature = "deflate")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::IoSlice;

use chanson_core::deflate::Deflate;
use chanson_core::time::Instant;
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Mount};
use serde_json::json;

struct Counting;

thread_local! {
    /// Bytes that this thread holds, so that tests beside each other do not count for each other.
    static HELD: Cell<isize> = const { Cell::new(0) };
}

fn count(bytes: isize) {
    let _ = HELD.try_with(|held| held.set(held.get() + bytes));
}

// SAFETY: every call is handed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: `at` is from `System` with this layout, since `alloc` and `realloc` give nothing else.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const NOW: Instant = Instant::ORIGIN;
const CONNECTIONS: usize = 32;

fn sent(endpoint: &mut Endpoint) {
    while let Some(conn) = endpoint.poll_writable() {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = endpoint.pending(conn, &mut slices);
        let sent = slices[..count].iter().map(|slice| slice.len()).sum();
        endpoint.advance(NOW, conn, sent);
    }
}

fn say(endpoint: &mut Endpoint, conn: ConnId, first: u8, message: &[u8]) {
    let mut frame = vec![first, 0x80 | 126];
    frame.extend((message.len() as u16).to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(message);
    if message.len() < 126 {
        frame.splice(1..4, [0x80 | message.len() as u8]);
    }
    endpoint.handle_bytes(NOW, &mut (), conn, &frame);
}

/// Bytes that a server holds for so many connections, to which long messages have gone and from which they have come.
fn held_for(connections: usize, deflate: Option<Deflate>) -> isize {
    let before = HELD.get();
    let mut mount = Mount::channels("/socket").channel(Channel::new("room:*").on("big", |_, _| {}));
    if let Some(deflate) = deflate {
        mount = mount.deflate(deflate);
    }
    // The tables have the same size, however many there are.
    let capacity = Capacity::for_connections(2 * CONNECTIONS);
    let hub: Hub = Hub::builder().seed([7; 32]).capacity(capacity).mount(mount).preallocate().build().unwrap();
    let mut endpoint = Endpoint::new(hub);
    let noise: String = (0..40_000u64).map(|n| char::from(b'a' + (n * n % 23 + n / 7 % 3) as u8)).collect();
    let message = format!(r#"["1","2","room:a","big",{}]"#, json!(&noise));
    // Stored as it is, in a block.
    let len = message.len() as u16;
    let stored = [&[0][..], &len.to_le_bytes(), &(!len).to_le_bytes(), message.as_bytes(), &[0]].concat();
    for _ in 0..connections {
        let conn = endpoint.handle_connect(NOW, None).unwrap();
        let request = b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";
        endpoint.handle_bytes(NOW, &mut (), conn, request);
        say(&mut endpoint, conn, 0x81, br#"["1","1","room:a","phx_join",{}]"#);
        match deflate {
            Some(_) => say(&mut endpoint, conn, 0xc1, &stored),
            None => say(&mut endpoint, conn, 0x81, message.as_bytes()),
        }
        sent(&mut endpoint);
    }
    endpoint.act(NOW, &mut (), |hub, _| hub.broadcast("room:a", "news", json!(noise))).unwrap();
    sent(&mut endpoint);
    let stats = endpoint.stats();
    assert_eq!((stats.hub.closed, stats.hub.received, stats.queued_bytes), (0, 2 * connections as u64, 0));
    assert_eq!(stats.compressed > 0, deflate.is_some());
    drop((noise, message, stored));
    HELD.get() - before
}

/// Bytes that a server holds for each idle connection, and beside that for all of them together.
fn held(deflate: Option<Deflate>) -> (isize, isize) {
    let (some, twice) = (held_for(CONNECTIONS, deflate), held_for(2 * CONNECTIONS, deflate));
    let each = (twice - some) / CONNECTIONS as isize;
    (each, twice - each * 2 * CONNECTIONS as isize)
}

#[test]
fn an_idle_connection_holds_windows_with_takeover_and_nothing_without() {
    let (plain, shared_plain) = held(None);
    let (without, shared) = held(Some(Deflate::new()));
    println!("{plain} bytes plain, {without} compressed; {} shared", shared - shared_plain);
    assert!(without - plain <= 200, "{without} {plain}");
    assert!(shared - shared_plain < 700_000, "{shared} {shared_plain}");
    for bits in [9, 12, 15] {
        let deflate = Deflate::new().server_window_bits(bits).client_window_bits(bits);
        let (held, _) = held(Some(deflate.server_context_takeover(true).client_context_takeover(true)));
        println!("{held} bytes with takeover and windows of {bits} bits");
        assert_eq!((held - without) & !31, 2 << bits, "{held} {without}");
    }
}
