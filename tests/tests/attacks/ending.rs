//! A server that ends while it is attacked.
#![cfg(unix)]

use std::net::SocketAddr;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chanson_tests::client::text;
use chanson_tests::on_each_host;
use chanson_tests::peer::{PATIENCE, Peer, Pinger, SOCKET};
use chanson_tests::tools::{Host, Rooms};

use crate::siege::wait_until;

/// The good client is told 1012, and the server has ended within its grace time, whoever does not want it to.
fn the_end_comes_in_time_under_attack(host: Host) {
    let Some(mut rooms) = Rooms::start(host, &["--drain-ms", "1500"]) else { return };
    let address = rooms.address();
    let pinger = Pinger::start(address, "room:good");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for attack in [never_reads, keeps_asking, keeps_connecting] {
            let over = &over;
            scope.spawn(move || attack(address, over));
        }
        let _silent: Vec<_> = (0..20).map(|_| Peer::connect(address)).collect();
        let _open: Vec<_> = (0..20).map(|_| Peer::open(address, SOCKET)).collect();
        thread::sleep(Duration::from_millis(300));
        let start = Instant::now();
        terminate(&rooms.child().id());
        wait_until("the good client's end", || pinger.is_over());
        let status = rooms.child().wait().unwrap();
        over.store(true, Ordering::Relaxed);
        assert!(status.success(), "{status}");
        assert!(start.elapsed() < Duration::from_secs(8), "it took {:?}", start.elapsed());
    });
    let pings = pinger.stop();
    assert_eq!(pings.closed, Some(1012));
}

fn never_reads(server: SocketAddr, over: &AtomicBool) {
    let Ok(mut peer) = Peer::try_connect(server) else { return };
    peer.send(&chanson_tests::client::handshake(SOCKET, &server.to_string(), &[]));
    peer.send(&text(r#"["1","1","room:loud","phx_join",{}]"#));
    let message = text(&format!(r#"["1","2","room:loud","new_msg",{{"text":"{}"}}]"#, "x".repeat(10_000)));
    while !over.load(Ordering::Relaxed) && peer.send(&message) {
        thread::sleep(Duration::from_millis(1));
    }
}

fn keeps_asking(server: SocketAddr, over: &AtomicBool) {
    let Ok(mut peer) = Peer::try_connect(server) else { return };
    let requests = format!("GET /health HTTP/1.1\r\nHost: {server}\r\n\r\n").repeat(100);
    while !over.load(Ordering::Relaxed) && peer.send(requests.as_bytes()) && peer.status().is_some() {}
}

fn keeps_connecting(server: SocketAddr, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) && Peer::try_connect(server).is_ok() {}
}

/// The first waits for a client that has been told and says nothing; the second does not.
fn a_second_signal_cuts(host: Host) {
    let mut took = Vec::new();
    // A machine that is busy elsewhere may be late for any one of them.
    for _ in 0..3 {
        let Some(mut rooms) = Rooms::start(host, &["--drain-ms", "60000"]) else { return };
        let mut peer = Peer::open(rooms.address(), SOCKET);
        terminate(&rooms.child().id());
        assert_eq!(peer.close_code(), Some(1012));
        assert!(Peer::try_connect(rooms.address()).is_err(), "nobody else is let in");
        thread::sleep(Duration::from_millis(100));
        assert!(rooms.child().try_wait().unwrap().is_none(), "it waits for a goodbye");
        let start = Instant::now();
        terminate(&rooms.child().id());
        assert!(rooms.child().wait().unwrap().success());
        assert!(start.elapsed() < PATIENCE);
        peer.drain();
        if start.elapsed() < Duration::from_millis(1500) {
            return;
        }
        took.push(start.elapsed());
    }
    panic!("a second signal waits for goodbyes, too: {took:?}");
}

fn terminate(pid: &u32) {
    assert!(Command::new("kill").arg(pid.to_string()).status().unwrap().success());
}

on_each_host! {
    the_end_comes_in_time_under_attack
    a_second_signal_cuts
}
