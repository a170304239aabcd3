//! Some who ask for much, on one thread for all, so that they read as fast as they are told.

use std::io::{Read, Write};
use std::time::Duration;

use super::driver::Server;
use crate::common::{Client, room, wait_until};
use chanson_core::{Hub, Mount};
use serde_json::json;

#[test]
fn those_that_leave_are_noticed_beside_some_who_ask_for_long_answers_and_read_them() {
    let channel = room().on("long", |socket, _| socket.reply(json!("x".repeat(60_000))));
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(channel));
    let mut server = Server::bind("127.0.0.1:0", hub).unwrap();
    let addr = server.local_addr();
    let joining = std::thread::spawn(move || [(); 3].map(|()| Client::joined(addr, "room:a")));
    while !joining.is_finished() {
        server.poll(Duration::from_millis(10)).unwrap();
    }
    let [leaving, first, second] = joining.join().unwrap();
    // More than there is time for.
    let long = br#"["1","1","room:a","long",{}]"#;
    let long = [&[0x81, 0x80 | long.len() as u8, 0, 0, 0, 0], &long[..]].concat();
    let mut greedy = [first, second].map(|client| (client.0.into_inner(), long.repeat(100_000), 0));
    greedy.iter().for_each(|(socket, ..)| socket.set_nonblocking(true).unwrap());
    let mut bytes = vec![0; 1 << 20];
    let mut turn = |server: &mut Server| {
        for (socket, asked, at) in &mut greedy {
            while let Ok(count @ 1..) = socket.write(&asked[*at..]) {
                *at += count;
            }
            while let Ok(1..) = socket.read(&mut bytes) {}
        }
        server.poll(Duration::from_millis(1)).unwrap();
        server.stats().endpoint.hub.connections
    };
    assert!((0..20).all(|_| turn(&mut server) == 3));
    drop(leaving);
    wait_until("the end of one", || turn(&mut server) == 2);
    assert_eq!(server.stats().endpoint.slow_consumers, 0);
}
