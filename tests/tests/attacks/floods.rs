//! Peers that send as much as they can, and those that never read.

use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use chanson_tests::client::{self, close, data, handshake, text};
use chanson_tests::on_each_host;
use chanson_tests::peer::{PATIENCE, Peer, SOCKET};
use chanson_tests::scenario::Frame;
use chanson_tests::tools::Host;

use crate::siege::{LITTLE, besiege};

/// A flood: it goes on until then.
type Flood = fn(SocketAddr, Until);

/// The end of a flood.
#[derive(Clone, Copy)]
struct Until(Instant);

impl Until {
    fn is_far(self) -> bool {
        Instant::now() < self.0
    }
}

/// Each wave is of floods of its own, all at once.
fn wave(host: Host, floods: &[Flood]) {
    // Threads of connections that are ending have their stacks still.
    let memory = if host == Host::Threads { 4 * LITTLE } else { LITTLE / 2 };
    besiege(host, &[], memory, |address| {
        let until = Until(Instant::now() + Duration::from_millis(1500));
        thread::scope(|scope| {
            floods.iter().for_each(|flood| _ = scope.spawn(move || flood(address, until)));
        });
    });
}

fn floods_of_frames(host: Host) {
    wave(host, &[pings_whose_pongs_are_never_read, pongs, tiny_fragments, empty_fragments]);
}

fn floods_of_messages(host: Host) {
    wave(host, &[echoes_that_are_never_read, unmatched_topics, unmatched_events, joins_and_leaves]);
}

fn floods_of_requests(host: Host) {
    wave(host, &[requests_whose_answers_are_never_read, nonsense, refused_upgrades, bodies]);
}

fn floods_of_connections(host: Host) {
    wave(host, &[come_and_go, resets, close_races, half_closes]);
}

// --- frames ---

fn pings_whose_pongs_are_never_read(server: SocketAddr, until: Until) {
    let mut peer = Peer::open(server, SOCKET);
    let pings = data(9, &[b'p'; 125]).repeat(200);
    while until.is_far() {
        assert!(peer.send(&pings), "pings do not end a connection");
    }
}

fn pongs(server: SocketAddr, until: Until) {
    let mut peer = Peer::open(server, SOCKET);
    let pongs = data(10, b"p").repeat(1000);
    while until.is_far() {
        assert!(peer.send(&pongs), "pongs do not end a connection");
    }
}

fn fragments(server: SocketAddr, until: Until, payload: &[u8]) {
    let part = |opcode| client::frame(&Frame { fin: false, rsv: 0, opcode, mask: true, payload: payload.to_vec() });
    while until.is_far() {
        let mut peer = Peer::open(server, SOCKET);
        peer.send(&part(2));
        let parts = part(0).repeat(1000);
        // Ends when they are too long a message.
        while until.is_far() && peer.send(&parts) {}
    }
}

fn tiny_fragments(server: SocketAddr, until: Until) {
    fragments(server, until, b"x");
}

fn empty_fragments(server: SocketAddr, until: Until) {
    fragments(server, until, b"");
}

// --- messages ---

fn echoes_that_are_never_read(server: SocketAddr, until: Until) {
    let echo = text(&format!(r#"["1","2","room:echo","echo",{{"text":"{}"}}]"#, "x".repeat(60_000)));
    while until.is_far() {
        let mut peer = Peer::joined(server, "room:echo");
        // Ends when the server has closed it for not reading.
        while until.is_far() && peer.send(&echo) {}
    }
}

/// Asks a hundred times at once, and takes the answers.
fn ask(server: SocketAddr, until: Until, message: &str, answer: &str) {
    let mut peer = Peer::joined(server, "room:ask");
    let messages = text(message).repeat(100);
    while until.is_far() {
        peer.send(&messages);
        for _ in 0..100 {
            let text = peer.text();
            assert!(text.as_ref().is_some_and(|text| text.contains(answer)), "{text:?}");
        }
    }
}

fn unmatched_topics(server: SocketAddr, until: Until) {
    ask(server, until, r#"["1","2","nothing","ping",{}]"#, "unmatched topic");
}

fn unmatched_events(server: SocketAddr, until: Until) {
    ask(server, until, r#"["1","2","room:ask","nothing",{}]"#, "unmatched event");
}

fn joins_and_leaves(server: SocketAddr, until: Until) {
    let mut peer = Peer::open(server, SOCKET);
    let join = text(r#"["5","5","presence:churn","phx_join",{"user":"eve"}]"#);
    let leave = text(r#"["5","6","presence:churn","phx_leave",{}]"#);
    while until.is_far() {
        peer.send(&[&join[..], &leave].concat());
        while !peer.text().is_some_and(|text| text.contains("phx_close")) {}
    }
}

// --- requests ---

fn requests_whose_answers_are_never_read(server: SocketAddr, until: Until) {
    let requests = format!("GET /health HTTP/1.1\r\nHost: {server}\r\n\r\n").repeat(500);
    while until.is_far() {
        let mut peer = Peer::connect(server);
        peer.stream().set_write_timeout(Some(Duration::from_millis(200))).unwrap();
        // Ends when the server reads no more.
        while until.is_far() && peer.send(requests.as_bytes()) {}
    }
}

fn nonsense(server: SocketAddr, until: Until) {
    for byte in (0..=255).cycle().take_while(|_| until.is_far()) {
        let mut peer = Peer::connect(server);
        peer.send(&[byte; 10_000]);
        let status = peer.status();
        assert!(matches!(status, None | Some(400 | 431)), "{byte}: {status:?}");
    }
}

fn refused_upgrades(server: SocketAddr, until: Until) {
    let request = handshake("/socket/websocket?vsn=9", &server.to_string(), &[]).repeat(20);
    while until.is_far() {
        let mut peer = Peer::connect(server);
        peer.send(&request);
        assert_eq!(peer.status(), Some(403));
    }
}

fn bodies(server: SocketAddr, until: Until) {
    let head = format!("POST /nothing HTTP/1.1\r\nHost: {server}\r\nContent-Length: 60000\r\n\r\n");
    let request = [head.as_bytes(), &[b'x'; 60_000]].concat();
    while until.is_far() {
        let mut peer = Peer::connect(server);
        peer.send(&request);
        assert_eq!(peer.status(), Some(404));
    }
}

// --- connections ---

fn come_and_go(server: SocketAddr, until: Until) {
    while until.is_far() {
        drop(Peer::connect(server));
    }
}

/// Goes with bytes unread, so it is a reset that the server sees: in the middle of a frame, of broadcasts to it, or of the
/// handshake.
fn resets(server: SocketAddr, until: Until) {
    let message = text(r#"["1","2","room:reset","new_msg",{}]"#).repeat(10);
    while until.is_far() {
        let mut peer = Peer::joined(server, "room:reset");
        peer.send(&message);
        peer.send(&message[..7]);
        peer.stream().peek(&mut [0]).unwrap();
        drop(peer);
        let mut peer = Peer::connect(server);
        peer.send(&handshake(SOCKET, &server.to_string(), &[]));
        peer.stream().peek(&mut [0]).unwrap();
        drop(peer);
    }
}

fn close_races(server: SocketAddr, until: Until) {
    while until.is_far() {
        let mut peer = Peer::joined(server, "room:race");
        peer.send(&[text(r#"["1","2","room:race","drop",{}]"#), close(None), data(9, b"late")].concat());
        peer.half_close();
        peer.drain();
    }
}

fn half_closes(server: SocketAddr, until: Until) {
    while until.is_far() {
        let mut peer = Peer::joined(server, "room:half");
        peer.send(&text(r#"["1","2","room:half","ping",{}]"#));
        peer.half_close();
        peer.drain();
        let mut peer = Peer::connect(server);
        peer.send(format!("GET /health HTTP/1.1\r\nHost: {server}\r\n\r\n").as_bytes());
        peer.half_close();
        assert_eq!(peer.status(), Some(200));
    }
}

// --- memory ---

/// What a subscriber that never reads costs is what may be queued for it, however much is said to it.
fn subscribers_that_never_read_cost_what_is_queued(host: Host) {
    const COUNT: usize = 20;
    besiege(host, &[], LITTLE + (COUNT << 20) as u64, |address| {
        let mut deaf: Vec<_> = (0..COUNT).map(|_| Peer::joined(address, "room:loud")).collect();
        let mut loud = Peer::joined(address, "room:loud");
        let message = text(&format!(r#"["1","2","room:loud","from",{{"text":"{}"}}]"#, "x".repeat(60_000)));
        let until = Until(Instant::now() + Duration::from_secs(3));
        while until.is_far() {
            assert!(loud.send(&message));
        }
        // Each was closed, behind what its socket had taken before.
        deaf.iter_mut().for_each(Peer::drain);
    });
}

/// Far more than the sockets hold for a peer that does not read.
fn pongs_that_are_never_read_are_not_kept(host: Host) {
    besiege(host, &[], LITTLE / 2, |address| {
        let mut peer = Peer::open(address, SOCKET);
        let pings = data(9, &[b'p'; 125]).repeat(8000);
        for _ in 0..40 {
            assert!(peer.send(&pings), "pings do not end a connection");
        }
    });
}

/// Each says that it will send two megabytes, and has not.
fn memory_is_for_what_has_come(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let mut peers: Vec<_> = (0..150).map(|_| Peer::open(address, SOCKET)).collect();
        for peer in &mut peers {
            peer.send(&[0x82, 0xff, 0, 0, 0, 0, 0, 0x1f, 0xff, 0xff, 0, 0, 0, 0, 1, 2, 3]);
        }
        let mut bodies: Vec<_> = (0..50).map(|_| Peer::connect(address)).collect();
        for peer in &mut bodies {
            peer.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 65000\r\n\r\nx");
        }
        thread::sleep(Duration::from_millis(500));
    });
}

/// Nobody is served better for sending more: a message of megabytes, over and over.
fn a_busy_connection_does_not_starve_others(host: Host) {
    besiege(host, &[], 2 * LITTLE, |address| {
        let message = text(&format!(r#"["1","2","room:busy","silent",{{"text":"{}"}}]"#, "x".repeat(1 << 20)));
        let small = text(r#"["1","2","room:busy","silent",{}]"#).repeat(1000);
        let until = Until(Instant::now() + Duration::from_millis(1500));
        thread::scope(|scope| {
            for message in [&message, &small] {
                scope.spawn(move || {
                    let mut peer = Peer::joined(address, "room:busy");
                    while until.is_far() {
                        assert!(peer.send(message));
                    }
                });
            }
        });
        assert!(until.0.elapsed() < PATIENCE);
    });
}

/// A topic with many subscribers on which somebody never stops to speak: who is in another one hears its own in time.
fn a_busy_topic_does_not_starve_others(host: Host) {
    besiege(host, &[], 2 * LITTLE, |address| {
        let message = text(&format!(r#"["1","2","room:busy","from",{{"text":"{}"}}]"#, "x".repeat(300))).repeat(5);
        let until = Until(Instant::now() + Duration::from_millis(1500));
        let listeners: Vec<_> = (0..20).map(|_| Peer::joined(address, "room:busy")).collect();
        thread::scope(|scope| {
            for mut listener in listeners {
                // Reads until it is closed: by the speaker's pace, or by itself.
                scope.spawn(move || while until.is_far() && listener.text().is_some() {});
            }
            scope.spawn(move || {
                let mut peer = Peer::joined(address, "room:busy");
                while until.is_far() && peer.send(&message) {}
                // Those who still listen hear of the end.
                peer.send(&message);
            });
        });
    });
}

on_each_host! {
    a_busy_topic_does_not_starve_others
    floods_of_frames
    floods_of_messages
    floods_of_requests
    floods_of_connections
    subscribers_that_never_read_cost_what_is_queued
    pongs_that_are_never_read_are_not_kept
    memory_is_for_what_has_come
    a_busy_connection_does_not_starve_others
}
