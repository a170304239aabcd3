//! A sidekick stands on every driver.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::driver::Server;
use crate::common::exchange;
use chanson_core::Hub;
use chanson_core::covenant::sidekick::{self, Config, Sidekick};

fn post(addr: SocketAddr, path: &str, secret: &str, body: &str) -> String {
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nAuthorization: Bearer {secret}\r\n");
    exchange(addr, format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

#[test]
fn a_sidekick_serves_clients_and_holds_wrong_secrets_back() {
    let delay = Duration::from_millis(300);
    let sidekick = Sidekick::new(Config::new("S").with_auth_delay(delay));
    let hub = Hub::builder().mount(sidekick::mount("/socket")).on_request(sidekick::handle_request);
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn_with(sidekick).unwrap();
    let addr = server.local_addr();
    let wrong = std::thread::spawn(move || {
        let start = Instant::now();
        (post(addr, "/message", "wrong", "{}"), start.elapsed())
    });
    let token = r#"{ "token": "t", "channel": "c", "params": {}, "context": null }"#;
    assert!(post(addr, "/connection", "S", token).ends_with("OK"));
    let (mut client, _) = tungstenite::connect(format!("ws://{addr}/socket")).unwrap();
    client.send(r#"{ "type": "subscribe", "token": "t" }"#.into()).unwrap();
    let mut hear = || client.read().unwrap().into_text().unwrap().as_str().to_owned();
    assert_eq!(hear(), r#"{ "type": "subscribed", "channel": "c", "params": {} }"#);
    assert!(post(addr, "/message", "S", r#"{ "channel": "c", "params": {}, "data": 1 }"#).ends_with("OK"));
    assert_eq!(hear(), r#"{ "type": "message", "channel": "c", "params": {}, "data": 1 }"#);
    let (answer, elapsed) = wrong.join().unwrap();
    assert!(answer.starts_with("HTTP/1.1 401 ") && elapsed >= delay, "{answer} after {elapsed:?}");
}
