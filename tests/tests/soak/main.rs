//! Hours in minutes: churn, fan-out, slow readers and resets, for as long as it is told to, and nothing may grow. Run by
//! hand, in release:
//!
//! ```text
//! CHANSON_SOAK_MINUTES=30 cargo test --release -p chanson-tests --test soak -- --ignored --nocapture on_mio
//! ```

#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use chanson_tests::client::{close, handshake, text};
use chanson_tests::peer::{PATIENCE, Peer, Pinger, SOCKET};
use chanson_tests::process::Usage;
use chanson_tests::tools::{Host, Rooms, skipped};

/// The same as `on_each_host!`, but by hand only.
macro_rules! by_hand {
    ($($module:ident $host:ident)*) => {$(
        mod $module {
            #[test]
            #[ignore = "takes minutes: by hand"]
            fn nothing_grows() {
                super::nothing_grows(chanson_tests::tools::Host::$host);
            }
        }
    )*};
}

by_hand! { on_mio Mio on_threads Threads on_c C }

fn nothing_grows(host: Host) {
    let Some(mut rooms) = Rooms::start(host, &[]) else { return };
    let (address, pid) = (rooms.address(), rooms.child().id());
    let Some(first) = Usage::of(pid) else { return skipped("nothing is known of processes here") };
    let minutes = std::env::var("CHANSON_SOAK_MINUTES").ok().and_then(|text| text.parse().ok()).unwrap_or(1.0);
    let time = Duration::from_secs_f64(60.0 * minutes);

    let pinger = Pinger::start(address, "room:good");
    let over = AtomicBool::new(false);
    let samples = thread::scope(|scope| {
        for (count, work) in WORK {
            for _ in 0..*count {
                scope.spawn(|| {
                    while !over.load(Ordering::Relaxed) {
                        work(address, &over);
                    }
                });
            }
        }
        let samples = watch(pid, time);
        over.store(true, Ordering::Relaxed);
        samples
    });
    let pings = pinger.stop();

    // Warm-up is over after a quarter; then the last third is compared with the first.
    let steady = &samples[samples.len() / 4..];
    let third = steady.len() / 3;
    let peak = |samples: &[Usage]| samples.iter().map(|usage| usage.resident).max().unwrap();
    let (early, late) = (peak(&steady[..third]), peak(&steady[steady.len() - third..]));
    let start = Instant::now();
    while Usage::of(pid).unwrap().files > first.files {
        assert!(start.elapsed() < PATIENCE, "file descriptors: {:?}, at first {first:?}", Usage::of(pid));
        thread::sleep(Duration::from_millis(100));
    }
    let last = Usage::of(pid).unwrap();
    println!(
        "{host:?}, {minutes} min: resident at first {} kB, then at most {} kB, later {} kB, at last {} kB; files {} and {}; \
         {} pings, longest {:?}; {:?} computed",
        first.resident >> 10,
        early >> 10,
        late >> 10,
        last.resident >> 10,
        first.files,
        last.files,
        pings.count,
        pings.longest,
        last.computed
    );
    assert_eq!(pings.closed, None);
    assert!(late <= early + early / 10 + (4 << 20), "memory grows: from {early} to {late} bytes");
}

/// Looks at the process from time to time.
fn watch(pid: u32, time: Duration) -> Vec<Usage> {
    let (start, mut samples) = (Instant::now(), Vec::new());
    while start.elapsed() < time {
        thread::sleep(time / 200);
        samples.push(Usage::of(pid).unwrap());
        if samples.len() % 20 == 0 {
            let peak = samples[samples.len() - 20..].iter().map(|usage| usage.resident).max().unwrap();
            println!("{:.0?}: at most {} kB, {:?}", start.elapsed(), peak >> 10, samples.last().unwrap());
        }
    }
    samples
}

/// Something that goes on until it is over.
type Work = fn(SocketAddr, &AtomicBool);

/// What goes on, and how often at once.
const WORK: &[(usize, Work)] = &[
    (1, speaks),
    (20, listens),
    (3, comes_and_goes),
    (5, reads_slowly),
    (1, never_reads),
    (2, resets),
    (1, asks_by_http),
    (1, says_nonsense),
];

fn speaks(server: SocketAddr, over: &AtomicBool) {
    let mut peer = Peer::joined(server, "room:fan");
    // It goes on for a while when all is over, for those who listen to hear of it.
    let mut left = 400;
    for n in 0_u64.. {
        let size = [10, 100, 1000, 30_000][n as usize % 4];
        peer.send(&text(&format!(r#"["1","2","room:fan","from",{{"n":{n},"text":"{}"}}]"#, "x".repeat(size))));
        thread::sleep(Duration::from_millis(5));
        left -= u32::from(over.load(Ordering::Relaxed));
        if left == 0 {
            return;
        }
    }
}

fn listens(server: SocketAddr, over: &AtomicBool) {
    let mut peer = Peer::joined(server, "room:fan");
    while !over.load(Ordering::Relaxed) && peer.text().is_some() {}
}

/// Joins many topics and presence, says something, and leaves in one of three ways.
fn comes_and_goes(server: SocketAddr, over: &AtomicBool) {
    for n in 0.. {
        let mut peer = Peer::joined(server, "room:churn");
        let joins = (0..20).map(|t| text(&format!(r#"["{t}","{t}","room:{n}-{t}","phx_join",{{"user":"u{n}"}}]"#)));
        peer.send(&joins.collect::<Vec<_>>().concat());
        peer.send(&text(r#"["1","2","room:churn","new_msg",{"text":"hello"}]"#));
        while peer.text().is_some_and(|text| !text.contains(r#""new_msg""#)) {}
        match n % 3 {
            0 => _ = peer.send(&text(r#"["1","3","room:churn","phx_leave",{}]"#)),
            1 => _ = peer.send(&close(None)),
            _ => {}
        }
        thread::sleep(Duration::from_millis(5));
        if over.load(Ordering::Relaxed) {
            return;
        }
    }
}

/// So slowly that it is closed in the end.
fn reads_slowly(server: SocketAddr, over: &AtomicBool) {
    let peer = Peer::joined(server, "room:fan");
    let mut buffer = [0; 4096];
    while !over.load(Ordering::Relaxed) && std::io::Read::read(&mut peer.stream(), &mut buffer).is_ok_and(|n| n > 0) {
        thread::sleep(Duration::from_millis(20));
    }
}

fn never_reads(server: SocketAddr, over: &AtomicBool) {
    let mut peer = Peer::joined(server, "room:echo");
    let echo = text(&format!(r#"["1","2","room:echo","echo",{{"text":"{}"}}]"#, "x".repeat(60_000)));
    while !over.load(Ordering::Relaxed) && peer.send(&echo) {
        thread::sleep(Duration::from_millis(5));
    }
}

/// In the middle of a frame and with bytes unread.
fn resets(server: SocketAddr, _: &AtomicBool) {
    let mut peer = Peer::joined(server, "room:fan");
    peer.send(&text(r#"["1","2","room:fan","ping",{}]"#));
    peer.send(&[0x81, 0xfe, 0x10]);
    peer.stream().peek(&mut [0]).unwrap();
    thread::sleep(Duration::from_millis(5));
}

fn asks_by_http(server: SocketAddr, _: &AtomicBool) {
    let mut peer = Peer::connect(server);
    peer.send(&handshake("/socket/websocket?vsn=9", &server.to_string(), &[]).repeat(10));
    assert_eq!(peer.status(), Some(403));
    thread::sleep(Duration::from_millis(10));
}

fn says_nonsense(server: SocketAddr, _: &AtomicBool) {
    let mut peer = Peer::open(server, SOCKET);
    let reasons = [r#"["1","1","nothing","phx_join",{}]"#, r#"["1","2","room:a","ping",{}]"#, "nonsense"];
    reasons.iter().for_each(|message| _ = peer.send(&text(message)));
    assert_eq!(peer.close_code(), Some(1011));
    thread::sleep(Duration::from_millis(10));
}
