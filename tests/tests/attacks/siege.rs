//! A server, its good client, and what the server must hold on to whatever the others do.

use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chanson_tests::peer::{PATIENCE, Pinger};
use chanson_tests::process::Usage;
use chanson_tests::tools::{Host, Rooms};

/// Runs attacks against a rooms server, and checks that it has come to no harm: it lives, its good client had every answer
/// within a second, its memory has never grown beyond `memory` bytes, its file descriptors are those of before, and it does
/// not compute for nothing.
pub(crate) fn besiege(host: Host, flags: &[&str], memory: u64, attack: impl FnOnce(SocketAddr)) {
    if let Some(rooms) = Rooms::start(host, flags) {
        besiege_server(rooms, memory, attack);
    }
}

/// The same with a server that was started in some way of its own.
pub(crate) fn besiege_server(mut rooms: Rooms, memory: u64, attack: impl FnOnce(SocketAddr)) {
    let (address, pid) = (rooms.address(), rooms.child().id());
    let pinger = Pinger::start(address, "room:good");
    thread::sleep(Duration::from_millis(100));
    let before = Usage::of(pid);

    let over = AtomicBool::new(false);
    let peak = thread::scope(|scope| {
        let watch = scope.spawn(|| peak(pid, &over));
        let attacked = panic::catch_unwind(AssertUnwindSafe(|| attack(address)));
        over.store(true, Ordering::Relaxed);
        let peak = watch.join().unwrap();
        attacked.map(|()| peak).unwrap_or_else(|panic| panic::resume_unwind(panic))
    });

    let ended = rooms.child().try_wait().unwrap();
    assert!(ended.is_none(), "the server has ended: {ended:?}");
    if let Some(before) = before {
        let grown = peak.saturating_sub(before.resident);
        assert!(grown <= memory, "memory has grown by {grown} bytes");
        let start = Instant::now();
        while Usage::of(pid).unwrap().files > before.files {
            assert!(start.elapsed() < PATIENCE, "file descriptors are not given back: {:?}", Usage::of(pid));
            thread::sleep(Duration::from_millis(10));
        }
        assert_rests(pid);
    }
    let pings = pinger.stop();
    assert_eq!(pings.closed, None, "the good client was closed");
    assert!(pings.longest < SOON, "the good client waited for {:?}", pings.longest);
    assert!(pings.count > 0);
}

/// The most memory that was ever resident, looked at over and over.
fn peak(pid: u32, over: &AtomicBool) -> u64 {
    let mut peak = 0;
    while !over.load(Ordering::Relaxed) {
        peak = Usage::of(pid).map_or(0, |usage| usage.resident).max(peak);
        thread::sleep(Duration::from_millis(10));
    }
    peak
}

/// The server has next to nothing to do, so it computes next to nothing.
pub(crate) fn assert_rests(pid: u32) {
    if Usage::of(pid).is_none() {
        return;
    }
    let start = Instant::now();
    loop {
        let (from, before) = (Instant::now(), Usage::of(pid).unwrap());
        thread::sleep(Duration::from_millis(200));
        let computed = Usage::of(pid).unwrap().computed.saturating_sub(before.computed);
        if computed * 3 < from.elapsed() {
            return;
        }
        assert!(start.elapsed() < PATIENCE, "it spins: {computed:?} of {:?}", from.elapsed());
    }
}

/// Waits until something is so.
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// How long the good client waits at most.
const SOON: Duration = Duration::from_secs(1);

/// What a debug build of a server needs for a while is not counted as growth: buffers, tables, the allocator's own.
pub(crate) const LITTLE: u64 = 24 << 20;
