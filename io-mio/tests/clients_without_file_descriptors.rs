//! Clients that find no file descriptor try again, and those that have one go on.
//!
//! Alone in its file, since the limit is the whole process's.
#![cfg(unix)]
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::{Duration, Instant};

use chanson_core::client::{Backoff, Config, ConnectError, Event};
use chanson_core::{Channel, Hub, Mount};
use chanson_mio::{ClientId, Clients, Server};
use rustix::process::{Resource, getrlimit, setrlimit};
use serde_json::json;

fn next(clients: &mut Clients) -> (ClientId, Event) {
    let start = Instant::now();
    loop {
        if let Some(event) = clients.poll_event() {
            return event;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "no event comes");
        clients.poll(Duration::from_secs(1)).unwrap();
    }
}

#[test]
fn clients_wait_until_there_are_file_descriptors() {
    let room = Channel::new("room:*").on("echo", |socket, msg| socket.reply(msg.payload));
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let mut clients = Clients::new().unwrap();
    let config = Config::new(&format!("ws://{}/socket", server.local_addr())).unwrap();
    let config = config.with_reconnect(Backoff::steps([], Duration::from_millis(20)));
    let first = clients.add(config.clone()).unwrap();
    let room = clients.act(first, |client, now| client.join(now, "room:a", json!({}))).unwrap().unwrap();
    assert_eq!(next(&mut clients), (first, Event::Connected));
    assert!(matches!(next(&mut clients), (_, Event::Joined { .. })));

    let old = getrlimit(Resource::Nofile);
    let mut low = old;
    low.current = Some(0);
    setrlimit(Resource::Nofile, low).unwrap();
    let second = clients.add(config).unwrap();
    let (mut failures, mut answers) = (0, 0);
    while failures < 3 || answers < 3 {
        let push = clients.act(first, |client, now| client.push(now, room, "echo", json!({}))).unwrap();
        push.unwrap();
        match next(&mut clients) {
            (id, Event::Reply { .. }) if id == first => answers += 1,
            (id, Event::ConnectFailed { error: ConnectError::Transport, retry_at: Some(_) }) if id == second => {
                failures += 1;
            }
            event => panic!("{event:?}"),
        }
    }
    let error = clients.transport_error(second).unwrap();
    assert_eq!(error.raw_os_error(), Some(rustix::io::Errno::MFILE.raw_os_error()), "{error}");
    setrlimit(Resource::Nofile, old).unwrap();
    while next(&mut clients) != (second, Event::Connected) {}
}
