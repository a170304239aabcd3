//! A client that is dropped leaves no thread and no socket. Alone in its process, whose threads it counts.
#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::fs;
use std::time::{Duration, Instant};

use chanson_core::{Channel, Hub, Mount};
use chanson_std::Client;
use chanson_std::client::Config;
use serde_json::json;

#[test]
fn a_hundred_clients_come_and_go() {
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(Channel::new("room:*")));
    let server = chanson_mio::Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let config = Config::new(&format!("ws://{}/socket", server.local_addr())).unwrap();
    let before = (count("task"), count("fd"));
    let clients: Vec<_> = (0..100).map(|_| Client::connect(config.clone()).unwrap()).collect();
    for client in &clients {
        client.join("room:a", json!({})).unwrap();
    }
    assert_eq!(count("task"), before.0 + 300);
    drop(clients);
    assert_eq!(count("task"), before.0);
    let patience = Instant::now() + Duration::from_secs(20);
    // The server has its end of them for a little longer.
    while count("fd") != before.1 {
        assert!(Instant::now() < patience);
        std::thread::sleep(Duration::from_millis(1));
    }
    // In every state.
    for n in 0..100 {
        let client = Client::connect(config.clone()).unwrap();
        if n % 3 == 0 {
            client.wait_connected(Duration::from_secs(20)).unwrap();
        }
        if n % 2 == 0 {
            client.disconnect();
        }
    }
    assert_eq!(count("task"), before.0);
}

fn count(what: &str) -> usize {
    fs::read_dir(format!("/proc/self/{what}")).unwrap().count()
}
