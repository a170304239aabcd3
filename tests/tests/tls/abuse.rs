//! Peers that speak no TLS, or never come to an end with it, while a good client is served.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use chanson_core::client::Config as ClientConfig;
use chanson_core::driver::{Config, Running};
use chanson_core::endpoint;
use chanson_std::Client;
use chanson_std::client::Channel;
use chanson_tests::on_each_driver;
use chanson_tests::tls::Authority;
use chanson_tests::tools::Host;
use serde_json::json;

use crate::common::serve;

/// A peer that says this, and listens.
struct Raw(TcpStream);

impl Raw {
    fn new(server: SocketAddr, says: &[u8]) -> Self {
        let mut stream = TcpStream::connect(server).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(says).unwrap();
        Self(stream)
    }

    /// What it hears until the end.
    fn hears(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        // Bytes that were not read may turn the end into a reset.
        let end = self.0.read_to_end(&mut all);
        assert!(!end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock), "there is no end");
        all
    }
}

fn good(server: &Running, authority: &Authority) -> (Client, Channel) {
    let url = format!("wss://localhost:{}/socket", server.local_addr().port());
    let client = Client::connect(ClientConfig::new(&url).unwrap().with_tls(authority.connector())).unwrap();
    let room = client.join("room:a", json!({})).unwrap();
    (client, room)
}

/// Waits until the counters say so.
fn wait(server: &Running, is: impl Fn(&endpoint::Stats) -> bool) {
    let until = Instant::now() + PATIENCE;
    loop {
        let stats = server.handle().stats().endpoint;
        if is(&stats) {
            return;
        }
        assert!(Instant::now() < until, "{stats:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// The beginning of a handshake.
const HELLO: &[u8] = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03";

fn who_says_something_else_is_out_at_once(host: Host) {
    let authority = Authority::new(&format!("else-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let (_client, room) = good(&server, &authority);
    let plain = Raw::new(server.local_addr(), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n").hears();
    assert!(plain.starts_with(b"HTTP/1.1 400 "), "{}", plain.escape_ascii());
    for garbage in [&b"\0\0\0\0"[..], b"\x16\x03\x01\xff\xff", b"\x17\x03\x03\x00\x05hello", b"SSH-2.0-x\r\n"] {
        Raw::new(server.local_addr(), garbage).hears();
        room.push("ping", json!({})).unwrap();
    }
    wait(&server, |stats| (stats.tls_handshaking, stats.tls_handshakes, stats.tls_failures) == (0, 1, 5));
}

fn tls_on_a_plain_port_is_out_at_once(host: Host) {
    let server = serve(host, Config::default());
    let start = Instant::now();
    Raw::new(server.local_addr(), HELLO).hears();
    // It is not the end of its time for a request.
    assert!(start.elapsed() < Duration::from_secs(5));
    wait(&server, |stats| stats.hub.closed == 1);
}

fn handshakes_that_do_not_end_are_counted_and_cut(host: Host) {
    let authority = Authority::new(&format!("slow-{host:?}"));
    let mut config = Config::default().with_tls(authority.acceptor());
    let time = Duration::from_secs(2);
    config.endpoint.session = config.endpoint.session.with_handshake_timeout(time);
    let server = serve(host, config);
    let (_client, room) = good(&server, &authority);
    let start = Instant::now();
    let mut peers: Vec<_> = (0..50).map(|_| Raw::new(server.local_addr(), HELLO)).collect();
    let mut most = 0;
    // However steadily they drip.
    while server.handle().stats().endpoint.tls_failures < 50 {
        assert!(start.elapsed() < PATIENCE);
        most = most.max(server.handle().stats().endpoint.tls_handshaking);
        peers.iter_mut().for_each(|peer| drop(peer.0.write_all(b"\0")));
        room.push("ping", json!({})).unwrap();
        thread::sleep(Duration::from_millis(20));
    }
    assert!(most > 0 && start.elapsed() >= time, "{most} at a time");
    peers.iter_mut().for_each(|peer| drop(peer.hears()));
    wait(&server, |stats| (stats.tls_handshaking, stats.tls_handshakes) == (0, 1));
    room.push("ping", json!({})).unwrap();
}

on_each_driver! {
    who_says_something_else_is_out_at_once
    tls_on_a_plain_port_is_out_at_once
    handshakes_that_do_not_end_are_counted_and_cut
}

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
