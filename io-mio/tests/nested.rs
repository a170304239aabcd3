//! A server inside another loop: waited for by its file descriptor, pumped when it is due.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::os::fd::AsRawFd;
use std::time::{Duration, Instant};

use chanson_mio::Server;
use common::{Client, PATIENCE, hub};
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

#[test]
fn a_loop_around_it_learns_when_it_is_due() {
    let mut server = Server::bind("127.0.0.1:0", hub()).unwrap();
    let (addr, fd) = (server.local_addr(), server.as_raw_fd());
    let client = std::thread::spawn(move || {
        let mut client = Client::joined(addr, "room:a");
        for n in 2..200 {
            client.echo("room:a", n);
        }
    });
    let (mut poll, mut events) = (Poll::new().unwrap(), Events::with_capacity(8));
    poll.registry().register(&mut SourceFd(&fd), Token(0), Interest::READABLE).unwrap();
    let (start, mut turns) = (Instant::now(), 0);
    while !client.is_finished() {
        assert!(start.elapsed() < PATIENCE);
        let due = server.poll_timeout().map_or(Duration::from_millis(20), |due| due - server.now());
        poll.poll(&mut events, Some(due.min(Duration::from_millis(20)))).unwrap();
        server.poll(Duration::ZERO).unwrap();
        turns += 1;
    }
    client.join().unwrap();
    assert!(turns < 3000, "it is not spun: {turns}");
}
