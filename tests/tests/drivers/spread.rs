//! What is promised of one hub, with connections on several threads.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::sync::Barrier;
use std::thread;

use crate::common::{Client, hub, wait_until};
use chanson_core::driver::Running;
use chanson_core::limits::Capacity;
use chanson_mio::{Config, Server};

fn serve(threads: usize, capacity: Capacity) -> Running {
    let config = Config::default().with_threads(threads);
    Server::bind_with("127.0.0.1:0", hub().capacity(capacity), config).unwrap().spawn().unwrap()
}

#[test]
fn all_hear_the_same_in_the_same_order() {
    const SPEAKERS: usize = 6;
    const EACH: usize = 200;
    let server = serve(4, Capacity::default());
    let addr = server.local_addr();
    let ready = Barrier::new(2 * SPEAKERS);
    let heard: Vec<Vec<String>> = thread::scope(|scope| {
        for speaker in 0..SPEAKERS {
            let ready = &ready;
            scope.spawn(move || {
                let mut client = Client::joined(addr, "room:a");
                ready.wait();
                for n in 0..EACH {
                    client.say(&format!(r#"["1","2","room:a","new_msg",{{"by":{speaker},"n":{n}}}]"#));
                }
                (0..SPEAKERS * EACH).for_each(|_| drop(client.hear()));
            });
        }
        let listeners: Vec<_> = (0..SPEAKERS)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = Client::joined(addr, "room:a");
                    ready.wait();
                    (0..SPEAKERS * EACH).map(|_| client.hear()).collect()
                })
            })
            .collect();
        listeners.into_iter().map(|listener| listener.join().unwrap()).collect()
    });
    assert!(heard.iter().all(|all| *all == heard[0]), "one hub, one order");
    let mut next = BTreeMap::<String, usize>::new();
    for message in &heard[0] {
        let (by, n) = message.split_once(r#""n":"#).unwrap();
        let next = next.entry(by.to_owned()).or_default();
        assert_eq!(n.trim_end_matches("}]"), next.to_string(), "in the order in which each has said it");
        *next += 1;
    }
    assert_eq!(next.len(), SPEAKERS);
}

#[test]
fn a_topic_takes_as_many_as_it_may_however_many_come_at_once() {
    let server = serve(4, Capacity::default().with_subscribers_per_topic(10));
    let addr = server.local_addr();
    let ready = &Barrier::new(40);
    let clients: Vec<(bool, Client)> = thread::scope(|scope| {
        let joining = (0..40).map(|_| {
            scope.spawn(move || {
                let mut client = Client::connect(addr);
                ready.wait();
                client.say(r#"["1","1","room:a","phx_join",{}]"#);
                let answer = client.hear();
                assert!(answer.contains(r#""status":"ok""#) || answer.contains("topic full"), "{answer}");
                (answer.contains(r#""status":"ok""#), client)
            })
        });
        let joining: Vec<_> = joining.collect();
        joining.into_iter().map(|joining| joining.join().unwrap()).collect()
    });
    assert_eq!(clients.iter().filter(|(joined, _)| *joined).count(), 10);
    assert_eq!(server.handle().stats().endpoint.hub.joins, 10);
    drop(clients);
    wait_until("their end", || server.handle().stats().endpoint.hub.connections == 0);
}

#[test]
fn counters_are_of_all_threads() {
    let server = serve(3, Capacity::default());
    let mut clients: Vec<_> = (0..6).map(|_| Client::joined(server.local_addr(), "room:a")).collect();
    for (n, client) in clients.iter_mut().enumerate() {
        client.echo("room:a", n);
    }
    let stats = || server.handle().stats();
    wait_until("the last turns", || stats().endpoint.queued_bytes == 0 && stats().accepted == 6);
    let stats = stats();
    assert_eq!((stats.endpoint.hub.connections, stats.endpoint.hub.joins), (6, 6));
    // Each asked for the upgrade, joined and said something, and was answered.
    assert!(stats.endpoint.bytes_in > 6 * 200 && stats.endpoint.bytes_out > 6 * 200, "{stats:?}");
    assert!(stats.turns > 6 && stats.endpoint.most_queued_bytes > 0 && stats.endpoint.most_queued_bytes_of_one > 0);
    let text = stats.to_prometheus();
    assert!(text.contains("chanson_accepted_total 6\n"), "{text}");
}

#[test]
fn a_number_of_threads_that_is_none_is_refused() {
    for threads in [0, 1025, usize::MAX] {
        let refused = Server::bind_with("127.0.0.1:0", hub(), Config::default().with_threads(threads)).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::InvalidInput);
        assert!(refused.to_string().contains("from 1 to 1024"), "{refused}");
    }
}

#[test]
fn a_server_that_never_turned_ends_its_threads() {
    for threads in 2..6 {
        drop(Server::bind_with("127.0.0.1:0", hub(), Config::default().with_threads(threads)).unwrap());
    }
}
