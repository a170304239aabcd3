//! A connection's threads end with it, and all of them with the server.
//!
//! Alone in its file, since it counts the threads of the process.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chanson_core::limits::Capacity;
use chanson_core::{Channel, Hub, Mount};
use chanson_std::Server;

#[test]
fn no_thread_is_left() {
    let mount = Mount::channels("/socket").channel(Channel::new("room:*"));
    let hub = Hub::builder().capacity(Capacity::for_connections(1000)).mount(mount);
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    // The hub's and the acceptor.
    wait_for_threads(2);
    let addr = server.local_addr();
    let connect = |request: &[u8]| {
        let mut stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request).unwrap();
        stream
    };
    for _ in 0..3 {
        // Some end by themselves, some are asked to, some are cut; some say nothing.
        let mut asked: Vec<_> =
            (0..30).map(|_| connect(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")).collect();
        let open: Vec<_> = (0..30).map(|_| connect(UPGRADE)).collect();
        let silent: Vec<_> = (0..30).map(|_| connect(b"")).collect();
        asked.iter_mut().for_each(|stream| assert!(stream.read_to_end(&mut Vec::new()).unwrap() > 0));
        drop(asked);
        wait_for_threads(2 + 60 * 2);
        drop((open, silent));
        wait_for_threads(2);
    }

    let _open: Vec<_> = (0..30).map(|_| connect(UPGRADE)).collect();
    let _silent: Vec<_> = (0..30).map(|_| connect(b"")).collect();
    wait_for_threads(2 + 60 * 2);
    server.shutdown();
    server.shutdown();
    server.join().unwrap();
    wait_for_threads(0);

    // One that never ran, and whom somebody waits for.
    let server = Server::bind("127.0.0.1:0", Hub::<()>::builder()).unwrap();
    let _waiting = TcpStream::connect(server.local_addr()).unwrap();
    wait_for_threads(1);
    drop(server);
    wait_for_threads(0);
}

const UPGRADE: &[u8] = b"GET /socket/websocket HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

/// Those of servers, by the names that they give themselves when they begin.
fn threads() -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    names.filter(|name| name.starts_with("chanson")).count()
}

fn wait_for_threads(count: usize) {
    let start = Instant::now();
    while threads() != count {
        assert!(start.elapsed() < Duration::from_secs(20), "{} threads and not {count}", threads());
        std::thread::sleep(Duration::from_millis(1));
    }
}
