//! Peers that take their time: how long each is waited for.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use chanson_tests::client::text;
use chanson_tests::on_each_host;
use chanson_tests::peer::{Peer, SOCKET};
use chanson_tests::tools::Host;

use crate::siege::{LITTLE, besiege};

/// What a peer does, how long it is waited for (in milliseconds), and with which status or close code that ends; none of
/// them is an end without a word.
type Case = (&'static str, fn(SocketAddr) -> Option<u16>, u64, Option<u16>);

fn nobody_is_waited_for_too_long(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        thread::scope(|scope| {
            for (what, wait, millis, end) in CASES {
                scope.spawn(move || {
                    let start = Instant::now();
                    assert_eq!(wait(address), *end, "{what}");
                    let (least, took) = (Duration::from_millis(*millis), start.elapsed());
                    // Timers of the server and of this thread are not the same.
                    assert!(took + Duration::from_millis(100) > least, "{what}: it was ended after {took:?}");
                    assert!(took < least * 2 + Duration::from_secs(5), "{what}: it was ended after {took:?}");
                });
            }
        });
    });
}

on_each_host! {
    nobody_is_waited_for_too_long
}

const CASES: &[Case] = &[
    ("it says nothing", |server| Peer::connect(server).status(), 5000, None),
    ("it says half a head", |server| after(server, b"GET / HTTP/1.1\r\nHost: a\r\n"), 5000, Some(408)),
    ("it drips a head", |server| drip(Peer::connect(server), b"GET / HTTP/1.1\r\nX: "), 5000, Some(408)),
    ("it says half a body", |server| after(server, HALF_A_BODY), 5000, Some(408)),
    ("it drips a body", |server| drip(Peer::connect(server), HALF_A_BODY), 5000, Some(408)),
    ("it drips chunks", |server| drip(Peer::connect(server), CHUNKED), 5000, Some(408)),
    ("it drips another request", |server| drip(served(server), b"GET / HTTP/1.1\r\nX: "), 5000, Some(408)),
    ("it has no other request", |server| served(server).status(), 15_000, None),
    ("it has upgraded and says nothing", |server| short(server, &[]), 1500, Some(1001)),
    ("it has begun a frame", |server| short(server, &[0x81, 0xfe]), 1500, Some(1001)),
    ("it drips a frame", |server| drip_frame(Peer::open(server, SHORT)), 1500, Some(1001)),
    ("it has joined and does not read", has_stopped, 3500, None),
];

const HALF_A_BODY: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nx";
const CHUNKED: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3e8\r\n";

/// Its heartbeats are waited for no longer than 1.5 s.
const SHORT: &str = "/short/websocket?vsn=2.0.0";

fn after(server: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut peer = Peer::connect(server);
    peer.send(bytes);
    peer.status()
}

fn short(server: SocketAddr, bytes: &[u8]) -> Option<u16> {
    let mut peer = Peer::open(server, SHORT);
    peer.send(bytes);
    peer.close_code()
}

/// Sends a byte from time to time, until the server has something to say.
fn drip(mut peer: Peer, bytes: &[u8]) -> Option<u16> {
    peer.send(bytes);
    let stream = peer.stream().try_clone().unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock) {
        peer.send(b"x");
        thread::sleep(Duration::from_millis(100));
    }
    stream.set_nonblocking(false).unwrap();
    peer.status()
}

fn drip_frame(mut peer: Peer) -> Option<u16> {
    peer.send(&[0x82, 0xfe, 0x7f, 0xff, 0, 0, 0, 0]);
    let stream = peer.stream().try_clone().unwrap();
    stream.set_nonblocking(true).unwrap();
    while stream.peek(&mut [0]).is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock) {
        peer.send(b"x");
        thread::sleep(Duration::from_millis(100));
    }
    stream.set_nonblocking(false).unwrap();
    peer.close_code()
}

/// A connection that has had an answer.
fn served(server: SocketAddr) -> Peer {
    let mut peer = Peer::connect(server);
    peer.send(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\nok") {
        let mut byte = [0];
        std::io::Read::read_exact(&mut peer.stream(), &mut byte).unwrap();
        answer.push(byte[0]);
    }
    peer
}

/// A peer without life: it never reads, so it never learns that it was closed, and does not say goodbye.
fn has_stopped(server: SocketAddr) -> Option<u16> {
    let mut peer = Peer::open(server, SHORT);
    peer.send(&text(r#"["1","1","room:dead","phx_join",{}]"#));
    let watcher = Peer::open(server, SOCKET);
    let ends = |mut watcher: Peer| {
        loop {
            watcher.send(&text(r#"["1","1","room:dead","phx_join",{}]"#));
            watcher.text();
            watcher.send(&text(r#"["1","2","room:dead","count",{}]"#));
            let count = watcher.text();
            watcher.send(&text(r#"["1","3","room:dead","phx_leave",{}]"#));
            watcher.text();
            watcher.text();
            if count.is_some_and(|text| text.contains(r#""count":1"#)) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
    };
    ends(watcher);
    // Its place is free; the socket is kept for as long as a goodbye is waited for.
    peer.close_code();
    peer.drain();
    None
}
