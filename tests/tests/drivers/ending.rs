//! How a server ends.

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::driver::{Config, HandleError, Server};
use crate::common::{Client, PATIENCE, hub, wait_until};
use chanson_core::limits::Capacity;
use chanson_core::{Hub, endpoint, session};
use serde_json::json;

/// Peers that never say goodbye are waited for as long as it takes.
fn patient(drain: Duration) -> Config {
    let session = session::Config::default().with_close_timeout(PATIENCE * 10);
    Config::default().with_endpoint(endpoint::Config::default().with_session(session)).with_drain(drain)
}

#[test]
fn clients_are_told_1012_and_run_returns() {
    let mut server = Server::bind("127.0.0.1:0", hub()).unwrap();
    let (addr, handle) = (server.local_addr(), server.handle());
    let clients: Vec<_> = (0..10)
        .map(|_| {
            std::thread::spawn(move || {
                let mut client = Client::joined(addr, "room:a");
                client.close_code()
            })
        })
        .collect();
    let stopper = std::thread::spawn(move || {
        wait_until("joins", || handle.stats().endpoint.hub.joins == 10);
        handle.shutdown();
        handle
    });
    server.run().unwrap();
    assert!(server.is_finished());
    assert!(clients.into_iter().all(|client| client.join().unwrap() == 1012));
    assert!(TcpStream::connect(addr).is_err());
    let handle = stopper.join().unwrap();
    assert!(handle.is_closed());
    assert_eq!(handle.broadcast("room:a", "x", json!({})), Err(HandleError::Closed));
    assert_eq!(handle.stats().endpoint.hub.connections, 0);
    server.run().unwrap();
}

#[test]
fn what_was_said_before_is_sent_before() {
    let server = Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap();
    let mut client = Client::joined(server.local_addr(), "room:a");
    let handle = server.handle();
    for n in 0..1000 {
        handle.broadcast("room:a", "n", json!(n)).unwrap();
    }
    server.shutdown();
    for n in 0..1000 {
        assert_eq!(client.hear(), format!(r#"[null,null,"room:a","n",{n}]"#));
    }
    assert_eq!(client.close_code(), 1012);
    drop(client);
    server.join().unwrap();
}

#[test]
fn a_drain_has_an_end() {
    let server = Server::bind_with("127.0.0.1:0", hub(), patient(Duration::from_millis(100))).unwrap();
    let server = server.spawn().unwrap();
    let mut client = Client::joined(server.local_addr(), "room:a");
    server.shutdown();
    let start = Instant::now();
    server.join().unwrap();
    assert!(start.elapsed() >= Duration::from_millis(80) && start.elapsed() < PATIENCE);
    assert_eq!(client.close_code(), 1012);
}

#[test]
fn a_second_shutdown_cuts() {
    let server = Server::bind_with("127.0.0.1:0", hub(), patient(PATIENCE * 10)).unwrap().spawn().unwrap();
    let mut client = Client::joined(server.local_addr(), "room:a");
    server.shutdown();
    server.shutdown();
    let start = Instant::now();
    server.join().unwrap();
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(client.close_code(), 1012);
}

#[test]
fn a_pumped_server_is_aborted_at_once() {
    let mut server = Server::bind_with("127.0.0.1:0", hub(), patient(PATIENCE * 10)).unwrap();
    let addr = server.local_addr();
    let client = std::thread::spawn(move || Client::joined(addr, "room:a").close_code());
    let start = Instant::now();
    while server.hub().stats().joins == 0 {
        server.poll(Duration::from_millis(10)).unwrap();
        assert!(start.elapsed() < PATIENCE);
    }
    server.abort(&mut ());
    assert!(server.is_finished());
    assert_eq!(server.stats().endpoint.hub.connections, 0);
    assert_eq!(client.join().unwrap(), 1012);
}

/// Much more than may be queued at a time, so that some of it is held back when the end comes.
#[test]
fn what_was_said_at_once_is_told_before_the_end_and_so_is_the_end() {
    for abort in [true, false] {
        let hub = hub().capacity(Capacity::default().with_queued_bytes_per_connection(64 << 10));
        let mut server = Server::bind_with("127.0.0.1:0", hub, patient(PATIENCE * 10)).unwrap();
        let addr = server.local_addr();
        let client = std::thread::spawn(move || {
            let mut client = Client::joined(addr, "room:a");
            for n in 0..PIECES {
                assert!(client.hear().starts_with(&format!(r#"[null,null,"room:a","n",[{n},"#)), "{n}");
            }
            client.close_code()
        });
        while server.hub().stats().joins == 0 {
            server.poll(Duration::from_millis(10)).unwrap();
        }
        let text = "x".repeat(10_000);
        server.act(&mut (), |hub, ()| {
            (0..PIECES).for_each(|n| hub.broadcast("room:a", "n", json!([n, text])).unwrap());
        });
        if abort {
            server.abort(&mut ());
            assert!(server.is_finished());
        } else {
            server.shutdown(&mut ());
            server.run().unwrap();
        }
        assert_eq!(server.stats().endpoint.slow_consumers, 0);
        assert_eq!(client.join().unwrap(), 1012);
    }
}

/// 1 MB, which sockets take without delay.
const PIECES: usize = 100;

#[test]
fn an_idle_http_connection_does_not_hold_up_the_end() {
    let server = Server::bind_with("127.0.0.1:0", hub(), patient(PATIENCE * 10)).unwrap().spawn().unwrap();
    let mut idle = TcpStream::connect(server.local_addr()).unwrap();
    wait_until("the connection", || server.handle().stats().accepted == 1);
    let start = Instant::now();
    drop(server);
    assert!(start.elapsed() < PATIENCE);
    assert_eq!(idle.read(&mut [0; 100]).unwrap_or(0), 0);
}

#[test]
fn commands_beyond_the_bound_are_refused_by_name() {
    let hub = hub().capacity(Capacity::default().with_commands(3));
    let mut server = Server::bind("127.0.0.1:0", hub).unwrap();
    let handle = server.handle();
    for _ in 0..3 {
        handle.broadcast("room:a", "x", json!({})).unwrap();
    }
    assert_eq!(handle.broadcast("room:a", "x", json!({})), Err(HandleError::Full));
    assert_eq!(handle.subscriber_count("room:a").unwrap_err(), HandleError::Full);
    server.poll(Duration::ZERO).unwrap();
    let count = handle.subscriber_count("room:a").unwrap();
    drop(server);
    assert!(count.recv().is_err());
    assert!(handle.is_closed());
    assert_eq!(handle.disconnect("u"), Err(HandleError::Closed));
    handle.shutdown();
}

#[test]
fn few_commands_a_turn_are_all_carried_out() {
    let config = Config::default().with_commands_per_turn(1);
    let server = Server::bind_with("127.0.0.1:0", hub(), config).unwrap().spawn().unwrap();
    let handle = server.handle();
    let counts: Vec<_> = (0..100).map(|_| handle.subscriber_count("room:a").unwrap()).collect();
    for count in counts {
        assert_eq!(count.recv_timeout(PATIENCE), Ok(0));
    }
}

#[test]
fn a_hub_that_cannot_be_built_is_an_error_that_says_why() {
    let hub = Hub::<()>::builder().mount(chanson_core::Mount::channels("no path"));
    let error = Server::bind("127.0.0.1:0", hub).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(error.get_ref().unwrap().downcast_ref::<chanson_core::hub::BuildError>().is_some());
}

#[test]
fn an_address_that_is_taken_is_an_error() {
    let first = Server::bind("127.0.0.1:0", hub()).unwrap();
    let error = Server::bind(first.local_addr(), hub()).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    let text = format!("cannot listen on {}: ", first.local_addr());
    assert!(error.to_string().starts_with(&text), "{error}");
}
