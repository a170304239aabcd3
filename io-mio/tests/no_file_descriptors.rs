//! A server that has run out of file descriptors waits, and goes on when there are some again.
//!
//! Alone in its file, since the limit is the whole process's.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use chanson_mio::Server;
use common::{Client, PATIENCE, hub, wait_until};
use rustix::process::{Resource, getrlimit, setrlimit};

#[test]
fn connections_wait_until_there_are_file_descriptors() {
    let server = Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let mut client = Client::joined(addr, "room:a");
    // The client's half exists already; none is left for the server's.
    let ask = |mut stream: TcpStream| {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
        stream
    };
    let socket = unconnected();
    let old = getrlimit(Resource::Nofile);
    let mut low = old;
    low.current = Some(0);
    setrlimit(Resource::Nofile, low).unwrap();
    rustix::net::connect(&socket, &addr).unwrap();
    let mut waiting = ask(socket.into());

    wait_until("the failure", || server.handle().stats().accept_failures > 0);
    let (start, failures) = (Instant::now(), server.handle().stats().accept_failures);
    let mut n = 2;
    while start.elapsed() < Duration::from_millis(300) {
        client.echo("room:a", n);
        n += 1;
    }
    let failures = server.handle().stats().accept_failures - failures;
    assert!((1..=30).contains(&failures), "it tries again, but does not spin: {failures}");

    setrlimit(Resource::Nofile, old).unwrap();
    let mut answer = String::new();
    waiting.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    client.echo("room:a", n);
}

fn unconnected() -> std::os::fd::OwnedFd {
    rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).unwrap()
}
