//! One who asks for much, on the drivers with one thread for hub and sockets or the hub alone.

use std::io::{Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use super::driver::Server;
use crate::common::{Client, room};
use chanson_core::{Hub, Mount};
use serde_json::json;

/// The answers to one who asks for more than is queued at a time, and takes them as they come, are given in turn with others'.
#[test]
fn others_are_served_beside_one_who_asks_for_long_answers_and_reads_them() {
    let channel = room().on("long", |socket, _| socket.reply(json!("x".repeat(60_000))));
    let server =
        Server::bind("127.0.0.1:0", Hub::builder().mount(Mount::channels("/socket").channel(channel))).unwrap();
    let server = server.spawn().unwrap();
    let addr = server.local_addr();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // What it asks is written by one thread and read by another; it may be closed for what it asks, too.
            let mut greedy = Client::joined(addr, "room:a");
            let stream = greedy.0.get_ref().try_clone().unwrap();
            let text = br#"["1","1","room:a","long",{}]"#;
            let frame = [&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], &text[..]].concat().repeat(1000);
            scope.spawn(move || while (&stream).write_all(&frame).is_ok() {});
            let mut bytes = vec![0; 64 * 1024];
            while let Ok(1..) = greedy.0.get_mut().read(&mut bytes)
                && !done.load(Ordering::Acquire)
            {
                std::thread::yield_now();
            }
            drop(greedy.0.get_ref().shutdown(std::net::Shutdown::Both));
        });
        let mut other = Client::joined(addr, "room:b");
        (2..60).for_each(|n| other.echo("room:b", n));
        done.store(true, Ordering::Release);
    });
}
