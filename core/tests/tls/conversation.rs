//! What works with TLS as without it, and what TLS adds: records, resumption, other certificates.

use chanson_core::Capacity;
use chanson_core::client::Event;
use chanson_core::error::CloseReason;
use chanson_core::time::Instant;
use serde_json::json;

use crate::world::{Authority, Peer, Server, records};

fn joined(server: &mut Server, authority: &Authority) -> Peer {
    let mut peer = Peer::new(server, authority.connector());
    let now = server.now;
    peer.client.join(now, "room:a", json!({})).unwrap();
    peer.talk(server);
    let events = peer.events();
    assert!(matches!(events[..], [Event::Connected, Event::Joined { .. }]), "{events:?}");
    peer
}

#[test]
fn messages_go_both_ways_however_the_bytes_are_cut() {
    let authority = Authority::new();
    for piece in [1, 2, 7, 100, 5000, usize::MAX] {
        let mut server = Server::new(Some(authority.acceptor()));
        let mut peer = Peer::new(&mut server, authority.connector());
        let now = server.now;
        let room = peer.client.join(now, "room:a", json!({})).unwrap();
        assert_eq!(server.endpoint.stats().tls_handshaking, 1);
        peer.talk_in(&mut server, piece);
        peer.events();
        let text = "x".repeat(3000);
        peer.client.push(now, room, "new_msg", json!(text)).unwrap();
        peer.talk_in(&mut server, piece);
        let heard = peer.events().into_iter().any(|event| match event {
            Event::Message { payload, .. } => payload.as_payload().json().unwrap().as_str().len() == 3002,
            _ => false,
        });
        assert!(heard, "{piece}");
        let stats = server.endpoint.stats();
        assert_eq!((stats.tls_handshaking, stats.tls_handshakes, stats.tls_failures), (0, 1, 0));
        assert_eq!(stats.queued_bytes, 0);
    }
}

#[test]
fn the_end_is_said_by_close_notify_both_ways() {
    let authority = Authority::new();
    let mut server = Server::new(Some(authority.acceptor()));
    let mut peer = joined(&mut server, &authority);
    let (now, conn) = (server.now, peer.conn);
    peer.client.disconnect(now);
    let up = peer.take(now);
    server.give(conn, &up);
    assert!(!server.endpoint.is_finished(conn), "the answer is owed");
    let down = server.take(conn);
    assert_eq!(records(&down), 2, "a close frame and close_notify, in one go");
    assert!(server.endpoint.is_finished(conn));
    peer.client.handle_bytes(now, &down);
    let up = peer.take(now);
    assert_eq!(records(&up), 1, "close_notify");
    assert!(peer.client.poll_output().is_some(), "the transport is to be closed");
}

#[test]
fn an_end_without_close_notify_is_the_end_of_the_transport() {
    let authority = Authority::new();
    let mut server = Server::new(Some(authority.acceptor()));
    let mut peer = joined(&mut server, &authority);
    peer.client.handle_eof(server.now);
    let events = peer.events();
    assert!(matches!(events[0], Event::Disconnected { reason: CloseReason::TransportEof, .. }), "{events:?}");
    server.endpoint.handle_eof(server.now, &mut (), peer.conn);
    assert!(server.logged("the transport ended"));
    // It is told all the same, but not waited for longer than for the end of any connection.
    assert!(!server.endpoint.is_finished(peer.conn));
    server.endpoint.handle_timeout(Instant::from_millis(2_000), &mut ());
    assert!(server.endpoint.is_finished(peer.conn));
}

#[test]
fn what_a_turn_owes_goes_into_few_records() {
    let authority = Authority::new();
    let mut server = Server::new(Some(authority.acceptor()));
    let mut peer = joined(&mut server, &authority);
    let now = server.now;
    for n in 0..200 {
        server.endpoint.act(now, &mut (), |hub, _| hub.broadcast("room:a", "tick", json!({ "n": n }))).unwrap();
    }
    let down = server.take(peer.conn);
    assert_eq!(records(&down), 1, "{} bytes", down.len());
    peer.client.handle_bytes(now, &down);
    assert_eq!(peer.events().len(), 200);
    let long = "x".repeat(40_000);
    server.endpoint.act(now, &mut (), |hub, _| hub.broadcast("room:a", "tick", json!(long))).unwrap();
    assert_eq!(records(&server.take(peer.conn)), 3);
}

#[test]
fn a_peer_that_does_not_read_is_closed_as_without_tls() {
    let authority = Authority::new();
    let mut capacity = Capacity::default();
    capacity.queued_bytes_per_connection = 200_000;
    let mut server = Server::with_capacity(Some(authority.acceptor()), capacity);
    let peer = joined(&mut server, &authority);
    let (now, long) = (server.now, "x".repeat(10_000));
    for _ in 0..40 {
        server.endpoint.act(now, &mut (), |hub, _| hub.broadcast("room:a", "tick", json!(long))).unwrap();
        // It takes next to nothing.
        server.take_some(peer.conn, 10);
    }
    let stats = server.endpoint.stats();
    assert_eq!(stats.slow_consumers, 1);
    assert!(stats.most_queued_bytes_of_one < 220_000, "{}", stats.most_queued_bytes_of_one);
    // What was encrypted is given its time, then the connection is over and nothing more is offered.
    server.now = Instant::from_millis(5_000);
    server.endpoint.handle_timeout(server.now, &mut ());
    assert!(server.endpoint.is_finished(peer.conn));
    assert_eq!(server.take(peer.conn), b"");
}

#[test]
fn sessions_are_resumed_also_beyond_a_change_of_certificates() {
    let authority = Authority::new();
    let (acceptor, connector) = (authority.acceptor(), authority.connector());
    let mut server = Server::new(Some(acceptor.clone()));
    let mut size = || {
        let mut peer = Peer::new(&mut server, connector.clone());
        peer.talk(&mut server);
        assert!(matches!(peer.events()[..], [Event::Connected]));
        peer.received.len()
    };
    let (full, resumed) = (size(), size());
    assert!(resumed + 300 < full, "no certificate is shown again: {resumed} of {full} bytes");
    acceptor.set([authority.identity(&["a.test", "b.test"])]).unwrap();
    assert!(size() + 300 < full);
}

#[test]
fn the_certificate_is_the_one_for_the_name_and_changes_while_connections_stay() {
    let authority = Authority::new();
    let acceptor =
        chanson_core::tls::Acceptor::new([authority.identity(&["a.test"]), authority.identity(&["*.b.test"])]).unwrap();
    let mut server = Server::new(Some(acceptor.clone()));
    for host in ["a.test", "www.b.test"] {
        let mut peer = Peer::to(host, &mut server, authority.connector());
        peer.talk(&mut server);
        assert!(matches!(peer.events()[..], [Event::Connected]), "{host}");
    }
    let mut old = joined(&mut server, &authority);
    acceptor.set([authority.identity(&["c.test"])]).unwrap();
    let mut peer = Peer::to("c.test", &mut server, authority.connector());
    peer.talk(&mut server);
    assert!(matches!(peer.events()[..], [Event::Connected]));
    let mut peer = Peer::to("a.test", &mut server, authority.connector());
    peer.talk(&mut server);
    assert!(peer.failure().is_some());
    let now = server.now;
    server.endpoint.act(now, &mut (), |hub, _| hub.broadcast("room:a", "tick", json!(1))).unwrap();
    old.talk(&mut server);
    assert_eq!(old.events().len(), 1);
}
