//! Peers that send more than they may, against servers in this process: the rooms server has no such bounds.

use std::net::SocketAddr;

use chanson_core::driver::Running;
use chanson_core::hub::Builder;
use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::{Channel, Hub, Mount};
use chanson_tests::client::text;
use chanson_tests::peer::{Peer, Pinger};

/// Ten at once, then one a second.
fn limit(action: RateAction) -> RateLimit {
    RateLimit { burst: 10, per_second: 1, action }
}

fn hub() -> Builder {
    let room = || Channel::new("room:*").on("ping", |socket, msg| socket.reply(msg.payload));
    let mount = |path: &str| Mount::channels(path).channel(room());
    Hub::builder()
        .mount(mount("/socket"))
        .mount(mount("/dropping").rate_limit(limit(RateAction::Drop)).max_offences(0))
        .mount(mount("/cutting").rate_limit(limit(RateAction::Disconnect)))
}

fn check(server: &Running) {
    let address = server.local_addr();
    let pinger = Pinger::start(address, "room:good");
    what_is_too_much_is_dropped_by_name(address);
    who_sends_too_much_is_closed(address);
    who_is_refused_too_often_is_closed(address);
    let stats = server.handle().stats();
    assert!(stats.endpoint.hub.rate_limited >= 100, "{stats:?}");
    assert_eq!(pinger.stop().closed, None);
}

#[test]
fn rates_are_kept_on_mio() {
    check(&chanson_mio::Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap());
}

#[test]
fn rates_are_kept_on_threads() {
    check(&chanson_std::Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap());
}

fn pings(count: usize) -> Vec<u8> {
    text(r#"["1","2","room:a","ping",{}]"#).repeat(count)
}

fn what_is_too_much_is_dropped_by_name(server: SocketAddr) {
    let mut peer = Peer::open(server, "/dropping/websocket?vsn=2.0.0");
    peer.send(&text(r#"["1","1","room:a","phx_join",{}]"#));
    peer.send(&pings(200));
    let answers: Vec<_> = (0..201).map(|_| peer.text().unwrap()).collect();
    let limited = answers.iter().filter(|answer| answer.contains(r#""reason":"rate_limited""#)).count();
    assert!((100..=191).contains(&limited), "{limited}");
}

fn who_sends_too_much_is_closed(server: SocketAddr) {
    let mut peer = Peer::open(server, "/cutting/websocket?vsn=2.0.0");
    peer.send(&pings(200));
    assert_eq!(peer.close_code(), Some(1008));
}

fn who_is_refused_too_often_is_closed(server: SocketAddr) {
    let mut peer = Peer::open(server, "/socket/websocket?vsn=2.0.0");
    let nonsense = text(r#"["1","2","nothing","ping",{}]"#).repeat(999);
    peer.send(&nonsense);
    for _ in 0..999 {
        assert!(peer.text().unwrap().contains("unmatched topic"));
    }
    // One good message, and it counts from the beginning.
    peer.send(&text(r#"["1","1","room:a","phx_join",{}]"#));
    assert!(peer.text().unwrap().contains(r#""status":"ok""#));
    peer.send(&nonsense);
    for _ in 0..999 {
        assert!(peer.text().unwrap().contains("unmatched topic"));
    }
    peer.send(&nonsense);
    assert_eq!(peer.close_code(), Some(1008));
}
