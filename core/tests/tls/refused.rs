//! What is no TLS, and who is not trusted.

use std::net::Ipv4Addr;

use chanson_core::client::ConnectError;
use chanson_core::error::TlsError;
use chanson_core::time::Instant;
use chanson_core::tls::{Acceptor, Connector, Identity};
use rcgen::{CertificateParams, date_time_ymd};

use crate::world::{Authority, Peer, Server, records};

/// What the client says about a server that shows this certificate, and what the server hears.
fn verdict(host: &str, chain: &str, key: &str, connector: Connector) -> TlsError {
    let identity = Identity::from_pem(chain.as_bytes(), key.as_bytes()).unwrap();
    let mut server = Server::new(Some(Acceptor::new([identity]).unwrap()));
    let mut peer = Peer::to(host, &mut server, connector);
    peer.talk(&mut server);
    assert!(server.logged("the peer ended TLS with alert"), "{:?}", server.log);
    let conn = peer.conn;
    assert!(server.endpoint.is_finished(conn));
    server.endpoint.handle_close(server.now, &mut (), conn);
    match peer.failure() {
        Some(ConnectError::Tls(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[test]
fn certificates_that_are_not_good_are_refused_for_what_is_wrong_with_them() {
    let authority = Authority::new();
    let check = |host: &str, names: &[&str], change: fn(&mut CertificateParams)| {
        let (chain, key) = authority.issue(names, change);
        verdict(host, &chain, &key, authority.connector())
    };
    assert_eq!(check("a.test", &["a.test"], |params| params.not_after = date_time_ymd(2020, 1, 1)), TlsError::Expired);
    assert_eq!(
        check("a.test", &["a.test"], |params| params.not_before = date_time_ymd(2999, 1, 1)),
        TlsError::NotValidYet
    );
    assert_eq!(check("b.test", &["a.test", "*.c.test"], |_| {}), TlsError::WrongHost);
    assert_eq!(check("127.0.0.1", &["a.test"], |_| {}), TlsError::WrongHost);
    let (chain, key) = Authority::new().issue(&["a.test"], |_| {});
    assert_eq!(verdict("a.test", &chain, &key, authority.connector()), TlsError::UnknownIssuer);
    let own = rcgen::generate_simple_self_signed(["a.test".to_owned()]).unwrap();
    let (chain, key) = (own.cert.pem(), own.signing_key.serialize_pem());
    assert_eq!(verdict("a.test", &chain, &key, authority.connector()), TlsError::UnknownIssuer);
}

#[test]
fn an_address_is_a_host_as_good_as_a_name() {
    let authority = Authority::new();
    let acceptor = Acceptor::new([authority.identity(&[&Ipv4Addr::LOCALHOST.to_string()])]).unwrap();
    let mut server = Server::new(Some(acceptor));
    let mut peer = Peer::to("127.0.0.1", &mut server, authority.connector());
    peer.talk(&mut server);
    assert!(peer.client.is_connected());
}

#[test]
fn only_the_dangerous_method_lets_a_bad_certificate_pass() {
    let own = rcgen::generate_simple_self_signed(["b.test".to_owned()]).unwrap();
    let identity = Identity::from_pem(own.cert.pem().as_bytes(), own.signing_key.serialize_pem().as_bytes()).unwrap();
    let mut server = Server::new(Some(Acceptor::new([identity]).unwrap()));
    let mut peer = Peer::new(&mut server, Connector::danger_accept_invalid_certs().unwrap());
    peer.talk(&mut server);
    assert!(peer.client.is_connected());
}

#[test]
fn plain_http_on_a_tls_port_ends_at_once() {
    let mut server = Server::new(Some(Authority::new().acceptor()));
    let conn = server.accept();
    server.give(conn, b"GET /socket HTTP/1.1\r\n");
    let answer = String::from_utf8(server.take(conn)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("this port speaks TLS"), "{answer}");
    assert!(server.endpoint.is_finished(conn));
    assert!(server.logged("a plain HTTP request on a port that speaks TLS"));
    server.endpoint.handle_close(server.now, &mut (), conn);
    let stats = server.endpoint.stats();
    assert_eq!((stats.tls_handshaking, stats.tls_handshakes, stats.tls_failures), (0, 0, 1));
}

#[test]
fn tls_on_a_plain_port_ends_at_once() {
    let authority = Authority::new();
    let mut server = Server::new(None);
    let mut peer = Peer::new(&mut server, authority.connector());
    peer.talk(&mut server);
    assert!(server.logged("a TLS handshake on a port without TLS"), "{:?}", server.log);
    assert_eq!(peer.failure(), Some(ConnectError::Tls(TlsError::NotTls)));
}

#[test]
fn garbage_ends_at_once() {
    let authority = Authority::new();
    for garbage in [
        &b"\0\0\0\0"[..],
        b"\x80\x2e\x01\x03\x01",
        // A record longer than there can be.
        b"\x16\x03\x01\xff\xff\x01",
        // Application data before the handshake.
        b"\x17\x03\x03\x00\x05hello",
        // A handshake message of 16 MiB.
        b"\x16\x03\x01\x00\x04\x01\xff\xff\xff",
        // An empty record, over and over.
        &b"\x16\x03\x01\x00\x00".repeat(1000),
        &b"\x17\x03\x03\x00\x00".repeat(1000),
    ] {
        let mut server = Server::new(Some(authority.acceptor()));
        let conn = server.accept();
        server.give(conn, garbage);
        server.take(conn);
        let line = server.log.lock().unwrap().last().cloned().unwrap_or_default();
        assert!(server.endpoint.is_finished(conn), "{}: {line}", garbage.escape_ascii());
        assert!(line.contains("closed for a violation: "), "{line}");
    }
}

#[test]
fn garbage_behind_the_handshake_ends_it_too() {
    let authority = Authority::new();
    let mut server = Server::new(Some(authority.acceptor()));
    let mut peer = Peer::new(&mut server, authority.connector());
    peer.talk(&mut server);
    assert!(peer.client.is_connected());
    server.give(peer.conn, b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    let alert = server.take(peer.conn);
    assert!(!alert.is_empty() && server.endpoint.is_finished(peer.conn));
    assert!(server.logged("a violation of TLS"), "{:?}", server.log);
}

#[test]
fn a_handshake_has_the_time_of_any_handshake() {
    let authority = Authority::new();
    let mut server = Server::new(Some(authority.acceptor()));
    let mut peer = Peer::new(&mut server, authority.connector());
    let hello = peer.take(server.now);
    for (second, byte) in hello.iter().enumerate().take(5) {
        server.now = Instant::from_millis(1_000 * second as u64);
        server.give(peer.conn, &[*byte]);
    }
    assert_eq!(server.endpoint.poll_timeout(), Some(Instant::from_millis(5_000)));
    server.now = Instant::from_millis(5_000);
    server.endpoint.handle_timeout(server.now, &mut ());
    assert!(server.logged("handshake timeout"));
    server.take(peer.conn);
    assert!(server.endpoint.is_finished(peer.conn));
    server.endpoint.handle_close(server.now, &mut (), peer.conn);
    let stats = server.endpoint.stats();
    assert_eq!((stats.tls_handshaking, stats.tls_handshakes, stats.tls_failures), (0, 0, 1));
}

#[test]
fn nothing_is_answered_behind_the_end() {
    let authority = Authority::new();
    let garbage = b"\x17\x03\x03\x00\x20aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    // The handshake took too long.
    let mut server = Server::new(Some(authority.acceptor()));
    let mut peer = Peer::new(&mut server, authority.connector());
    let hello = peer.take(server.now);
    server.give(peer.conn, &hello[..20]);
    server.now = Instant::from_millis(5_000);
    server.endpoint.handle_timeout(server.now, &mut ());
    server.give(peer.conn, &hello[20..]);
    server.give(peer.conn, garbage);
    assert_eq!(records(&server.take(peer.conn)), 1);
    server.give(peer.conn, garbage);
    assert_eq!(server.take(peer.conn), b"");

    // A server whom it does not trust answers a client that wants no more.
    let mut peer = Peer::new(&mut server, Authority::new().connector());
    let up = peer.take(server.now);
    peer.client.disconnect(server.now);
    server.give(peer.conn, &up);
    peer.client.handle_bytes(server.now, &server.take(peer.conn));
    assert_eq!(peer.failure(), Some(ConnectError::Cancelled));

    // Behind the close handshake.
    let mut peer = Peer::new(&mut server, authority.connector());
    peer.talk(&mut server);
    assert!(peer.client.is_connected());
    peer.client.disconnect(server.now);
    let up = peer.take(server.now);
    server.give(peer.conn, &up);
    assert_eq!(records(&server.take(peer.conn)), 2);
    server.give(peer.conn, garbage);
    assert_eq!(server.take(peer.conn), b"");
}

#[test]
fn records_that_are_too_long_end_it() {
    let authority = Authority::new();
    // RFC 5246 §6.2.3; version 1.3 allows less, which is found when all of it is there.
    for len in [(1_u16 << 14) + 2049, u16::MAX] {
        let mut server = Server::new(Some(authority.acceptor()));
        let mut peer = Peer::new(&mut server, authority.connector());
        peer.talk(&mut server);
        assert!(peer.client.is_connected());
        server.give(peer.conn, &[0x17, 3, 3]);
        server.give(peer.conn, &len.to_be_bytes());
        // It is not waited for: the header alone is wrong.
        server.take(peer.conn);
        assert!(server.endpoint.is_finished(peer.conn), "{len}");
        assert!(server.logged("a violation of TLS"), "{:?}", server.log);
    }
}
