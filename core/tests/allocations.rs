//! After warm-up, steady traffic allocates at most once per frame, never per delivery, and not for small frames to one.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::io::IoSlice;

use chanson_core::frame::Frame;
use chanson_core::http::Request;
use chanson_core::hub::Builder;
use chanson_core::time::Instant;
use chanson_core::ws::{self, Data};
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Json, Mount};

struct Counting;

thread_local! {
    /// Of this thread, so that tests beside each other do not count for each other.
    static COUNT: Cell<usize> = const { Cell::new(0) };
}

fn count() {
    // A thread that is going down has no counter any more; nobody asks for it either.
    let _ = COUNT.try_with(|count| count.set(count.get() + 1));
}

// SAFETY: every call is handed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        // SAFETY: `at` is from `System` with this layout, since `alloc` and `realloc` give nothing else.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// How often `act` allocates.
fn allocations(act: impl FnOnce()) -> usize {
    let before = COUNT.get();
    act();
    COUNT.get() - before
}

#[test]
fn the_counter_counts() {
    assert_eq!(allocations(|| drop(std::hint::black_box(Box::new(7)))), 1);
    assert_eq!(allocations(|| ()), 0);
}

#[test]
fn a_frame_by_itself_is_one_allocation() {
    for len in [0, 2, 200, 100_000] {
        let text = "x".repeat(len);
        assert_eq!(allocations(|| drop(std::hint::black_box(Frame::text(&text)))), 1, "{len}");
        assert_eq!(allocations(|| drop(std::hint::black_box(Frame::binary(text.as_bytes())))), 1, "{len}");
    }
}

const NOW: Instant = Instant::ORIGIN;
const SUBSCRIBERS: usize = 256;
const PAYLOAD: &str = r#"{"body":"So long, and thanks for all the fish."}"#;

fn hub() -> Hub {
    builder().build().unwrap()
}

fn builder() -> Builder {
    builder_for(SUBSCRIBERS)
}

fn builder_for(connections: usize) -> Builder {
    let room = Channel::new("room:*")
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
        .on("ping", |socket, msg| socket.reply(msg.payload));
    let capacity = Capacity::for_connections(connections);
    Hub::builder().seed([7; 32]).capacity(capacity).mount(Mount::channels("/socket").channel(room))
}

fn drain(hub: &mut Hub) -> usize {
    let mut delivered = 0;
    while let Some(output) = hub.poll_output() {
        if let chanson_core::Output::Deliver { to, .. } = output {
            delivered += to.len();
        }
    }
    delivered
}

/// Members of room:a; every eighth speaks version 1.
fn members(hub: &mut Hub) -> Vec<ConnId> {
    members_of(hub, SUBSCRIBERS)
}

fn members_of(hub: &mut Hub, count: usize) -> Vec<ConnId> {
    let member = |n: usize| {
        let conn = hub.handle_connect(NOW, None).unwrap();
        let (target, join) = match n % 8 {
            7 => ("/socket", r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#),
            _ => ("/socket?vsn=2.0.0", r#"["1","1","room:a","phx_join",{}]"#),
        };
        hub.handle_open(NOW, &mut (), conn, &Request::new("GET", target, &[], b""));
        hub.handle_text(NOW, &mut (), conn, join);
        conn
    };
    let members = (0..count).map(member).collect();
    drain(hub);
    members
}

#[test]
fn preallocation_takes_the_tables_beforehand() {
    let (mut grows, mut stands) = (hub(), builder().preallocate().build().unwrap());
    let growing = allocations(|| drop(members(&mut grows)));
    let standing = allocations(|| drop(members(&mut stands)));
    // Connections, members, two indexes of them: each would have been doubled six times and more.
    assert!(standing + 20 < growing, "{standing} and {growing}");
}

#[test]
fn a_broadcast_allocates_its_frames_and_nothing_for_a_delivery() {
    let mut hub = hub();
    members(&mut hub);
    let payload = Json::new(PAYLOAD).unwrap();
    let mut publish = |times: usize| {
        for _ in 0..times {
            hub.broadcast("room:a", "new_msg", payload).unwrap();
            assert_eq!(drain(&mut hub), SUBSCRIBERS);
        }
    };
    publish(10);
    // Two wire forms are in use, so there are two frames.
    assert!(allocations(|| publish(10_000)) <= 2 * 10_000);
}

#[test]
fn more_subscribers_are_no_more_allocations() {
    let of_a_hundred = |subscribers: usize| {
        let mut hub = builder_for(subscribers).build().unwrap();
        members_of(&mut hub, subscribers);
        let payload = Json::new(PAYLOAD).unwrap();
        let mut publish = || {
            hub.broadcast("room:a", "new_msg", payload).unwrap();
            assert_eq!(drain(&mut hub), subscribers);
        };
        publish();
        allocations(|| (0..100).for_each(|_| publish()))
    };
    // One frame for each of the two wire forms.
    assert_eq!((of_a_hundred(16), of_a_hundred(16_384)), (200, 200));
}

#[test]
fn an_event_that_is_broadcast_allocates_no_more_than_that() {
    let mut hub = hub();
    let sender = members(&mut hub)[0];
    let text = format!(r#"["1","2","room:a","new_msg",{PAYLOAD}]"#);
    let mut publish = |times: usize| {
        for _ in 0..times {
            hub.handle_text(NOW, &mut (), sender, &text);
            assert_eq!(drain(&mut hub), SUBSCRIBERS);
        }
    };
    publish(10);
    assert!(allocations(|| publish(10_000)) <= 2 * 10_000);
}

#[test]
fn a_small_reply_allocates_nothing() {
    let mut hub = hub();
    let sender = members(&mut hub)[0];
    let text = format!(r#"["1","2","room:a","ping",{PAYLOAD}]"#);
    let heartbeat = r#"[null,"3","phoenix","heartbeat",{}]"#;
    for message in [&*text, heartbeat] {
        let mut ask = |times: usize| {
            for _ in 0..times {
                hub.handle_text(NOW, &mut (), sender, message);
                assert_eq!(drain(&mut hub), 1);
            }
        };
        ask(10);
        assert_eq!(allocations(|| ask(10_000)), 0, "{message}");
    }
}

// --- through an endpoint, from bytes to bytes ---

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ws::data(Data::Text, text.as_bytes(), Some([1, 2, 3, 4]), &mut bytes);
    bytes
}

/// Sends all that is to be sent, as if the sockets took all of it; how many bytes.
fn write_all(endpoint: &mut Endpoint) -> usize {
    let mut written = 0;
    while let Some(conn) = endpoint.poll_writable() {
        loop {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = endpoint.pending(conn, &mut slices);
            let sent: usize = slices[..count].iter().map(|slice| slice.len()).sum();
            if sent == 0 {
                break;
            }
            endpoint.advance(NOW, conn, sent);
            written += sent;
        }
    }
    written
}

fn endpoint() -> (Endpoint, Vec<ConnId>) {
    let mut endpoint = Endpoint::new(hub());
    let request = b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let join = frame(r#"["1","1","room:a","phx_join",{}]"#);
    let mut conns = Vec::new();
    for _ in 0..SUBSCRIBERS {
        let conn = endpoint.handle_connect(NOW, None).unwrap();
        endpoint.handle_bytes(NOW, &mut (), conn, request);
        endpoint.handle_bytes(NOW, &mut (), conn, &join);
        write_all(&mut endpoint);
        conns.push(conn);
    }
    (endpoint, conns)
}

#[test]
fn through_an_endpoint_a_broadcast_allocates_its_frame() {
    let (mut endpoint, conns) = endpoint();
    let bytes = frame(&format!(r#"["1","2","room:a","new_msg",{PAYLOAD}]"#));
    let out = format!(r#"[null,null,"room:a","new_msg",{PAYLOAD}]"#).len() + 2;
    let mut publish = |times: usize| {
        for _ in 0..times {
            endpoint.handle_bytes(NOW, &mut (), conns[0], &bytes);
            assert_eq!(write_all(&mut endpoint), SUBSCRIBERS * out);
        }
    };
    publish(10);
    assert!(allocations(|| publish(10_000)) <= 10_000);
}

#[test]
fn through_an_endpoint_a_reply_allocates_its_frame_at_most() {
    let (mut endpoint, conns) = endpoint();
    for (pad, allocated) in [(0, 0), (600, 1)] {
        let bytes = frame(&format!(r#"["1","2","room:a","ping",{{"body":"{}"}}]"#, "x".repeat(pad)));
        let mut ask = |times: usize| {
            for _ in 0..times {
                endpoint.handle_bytes(NOW, &mut (), conns[0], &bytes);
                assert!(write_all(&mut endpoint) > pad);
            }
        };
        ask(10);
        assert_eq!(allocations(|| ask(10_000)), allocated * 10_000, "{pad}");
    }
}

#[test]
fn the_small_replies_of_a_turn_allocate_nothing() {
    let (mut endpoint, conns) = endpoint();
    let bytes = frame(&format!(r#"["1","2","room:a","ping",{PAYLOAD}]"#));
    let mut turn = || {
        conns.iter().take(100).for_each(|conn| endpoint.handle_bytes(NOW, &mut (), *conn, &bytes));
        assert!(write_all(&mut endpoint) > 0);
    };
    turn();
    assert_eq!(allocations(|| (0..100).for_each(|_| turn())), 0);
}

#[test]
fn a_command_of_the_application_is_no_different() {
    let (mut endpoint, _) = endpoint();
    let payload = Json::new(PAYLOAD).unwrap();
    let mut publish = |times: usize| {
        for _ in 0..times {
            endpoint.act(NOW, &mut (), |hub, ()| hub.broadcast("room:a", "new_msg", payload)).unwrap();
            assert!(write_all(&mut endpoint) > 0);
        }
    };
    publish(10);
    assert!(allocations(|| publish(10_000)) <= 10_000);
}
