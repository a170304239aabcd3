//! One who asks for long answers without end, and reads them, beside a quiet one on the same thread.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::driver::Server;
use crate::common::{Client, room, wait_until};
use chanson_core::{Hub, Mount};
use serde_json::json;

#[test]
fn a_quiet_one_is_answered_between_long_answers_to_another() {
    let channel = room().on("long", |socket, _| socket.reply(json!("x".repeat(60_000))));
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(channel));
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let (greedy, mut quiet) = (Client::joined(addr, "room:a"), Client::joined(addr, "room:b"));
    let (got, done) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| ask(&greedy.0.into_inner(), &got, &done));
        let _done = Done(&done);
        wait_until("some answers", || got.load(Ordering::Relaxed) > MUCH);
        let waited: Vec<usize> = (0..20)
            .map(|n| {
                let before = got.load(Ordering::Relaxed);
                quiet.echo("room:b", n);
                got.load(Ordering::Relaxed) - before
            })
            .collect();
        assert!(waited.iter().all(|bytes| *bytes < MUCH), "the other one got so much first: {waited:?}");
    });
    assert_eq!(server.handle().stats().endpoint.slow_consumers, 0);
}

/// Whatever happens, the other one ends.
struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Asks as much as the server takes, and reads; how many bytes it has got.
fn ask(mut socket: &TcpStream, got: &AtomicUsize, done: &AtomicBool) {
    let long = br#"["1","1","room:a","long",{}]"#;
    let long = [&[0x81, 0x80 | long.len() as u8, 0, 0, 0, 0], &long[..]].concat();
    let (questions, mut at, mut bytes) = (long.repeat(1000), 0, vec![0; 1 << 20]);
    socket.set_nonblocking(true).unwrap();
    while !done.load(Ordering::Relaxed) {
        while let Ok(count @ 1..) = socket.write(&questions[at..]) {
            at = (at + count) % questions.len();
        }
        while let Ok(count @ 1..) = socket.read(&mut bytes) {
            got.fetch_add(count, Ordering::Relaxed);
        }
    }
}

/// More than sockets and threads may have on their way, and far less than all that was asked for.
const MUCH: usize = 32 << 20;
