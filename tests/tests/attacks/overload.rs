//! More connections than there is room for.

use std::net::SocketAddr;

use chanson_tests::on_each_host;
use chanson_tests::peer::{Peer, SOCKET};
use chanson_tests::process::Usage;
use chanson_tests::tools::{Host, Rooms, rooms, target};

use crate::siege::{LITTLE, assert_rests, besiege, besiege_server, wait_until};

fn connections_beyond_the_bound_are_answered_503(host: Host) {
    // One of them is the good client.
    besiege(host, &["--connections", "20"], LITTLE, |address| {
        let mut peers: Vec<_> = (1..20).map(|_| Peer::open(address, SOCKET)).collect();
        for _ in 0..200 {
            assert_eq!(health(address), Some(503));
        }
        peers.truncate(10);
        wait_until("room", || health(address) == Some(200));
        drop(peers);
    });
}

fn a_burst_of_connections_is_served(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let mut peers: Vec<_> = (0..200).map(|_| Peer::connect(address)).collect();
        let request = format!("GET /health HTTP/1.1\r\nHost: {address}\r\n\r\n");
        peers.iter_mut().for_each(|peer| assert!(peer.send(request.as_bytes())));
        peers.iter_mut().for_each(|peer| assert_eq!(peer.status(), Some(200)));
    });
}

/// Connections wait outside, and the server neither ends nor spins nor forgets who is inside.
#[cfg(unix)]
fn without_file_descriptors_nothing_spins(host: Host) {
    use std::os::unix::fs::PermissionsExt as _;

    let Some(program) = rooms(host) else { return };
    let script = target().join(format!("few-files-{host:?}-{}", std::process::id()));
    let limited = format!("#!/bin/sh\nulimit -n {FILES}\nexec '{}' \"$@\"\n", program.display());
    std::fs::write(&script, limited).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o700)).unwrap();
    let mut rooms = Rooms::start_binary(&script, &[]);
    std::fs::remove_file(&script).unwrap();
    let pid = rooms.child().id();
    besiege_server(rooms, LITTLE, |address| {
        let mut peers: Vec<_> = (0..100).map(|_| Peer::connect(address)).collect();
        let files = || Usage::of(pid).map_or(FILES, |usage| usage.files);
        wait_until("all file descriptors to be in use", || files() >= FILES);
        assert_rests(pid);
        // Who has come in is served; the others come in when some have left.
        let served = health_of(&mut peers[0]);
        assert_eq!(served, Some(200));
        peers.truncate(10);
        wait_until("room", || health(address) == Some(200));
    });
}

/// How many file descriptors a server has that has few.
#[cfg(unix)]
const FILES: usize = 48;

fn health(server: SocketAddr) -> Option<u16> {
    health_of(&mut Peer::connect(server))
}

fn health_of(peer: &mut Peer) -> Option<u16> {
    peer.send(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    peer.status()
}

on_each_host! {
    connections_beyond_the_bound_are_answered_503
    a_burst_of_connections_is_served
}

#[cfg(unix)]
mod few_files {
    chanson_tests::on_each_host! { nothing_spins }

    fn nothing_spins(host: chanson_tests::tools::Host) {
        super::without_file_descriptors_nothing_spins(host);
    }
}
