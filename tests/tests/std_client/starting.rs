//! What is no server, or not one for us.

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::TcpListener;

use chanson_core::error::HandshakeError;
use chanson_core::{Channel, Hub, Mount, Refuse};
use chanson_std::client::{
    Backoff, Config, ConnectError, Events, JoinError, NotConnected, PushError, Reply, StartError,
};
use chanson_std::{Client, client};
use serde_json::json;
use std::time::Duration;

use crate::common::{PATIENCE, config};

fn once(config: Config) -> Client {
    Client::connect(config.with_reconnect(Backoff::steps([], Duration::ZERO).with_max_attempts(0))).unwrap()
}

/// What a client says to a server that answers like this.
fn answered(answer: &'static [u8]) -> NotConnected {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    let server = std::thread::spawn(move || {
        let mut stream = listener.accept().unwrap().0;
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            request.push(byte[0]);
        }
        stream.write_all(answer).unwrap();
    });
    let error = once(config(addr)).wait_connected(PATIENCE).unwrap_err();
    server.join().unwrap();
    error
}

#[test]
fn refusals_and_redirects_are_errors_of_their_own() {
    let error = answered(b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(error.error, Some(ConnectError::Refused { status: 503 }));
    assert_eq!(error.to_string(), "the server refused the connection with status 503");
    let error = answered(b"HTTP/1.1 302 Found\r\nLocation: ws://elsewhere/\r\n\r\n");
    assert_eq!(error.error, Some(ConnectError::Redirect { status: 302, location: "ws://elsewhere/".into() }));
    let error = answered(
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: no\r\n\r\n",
    );
    assert_eq!(error.error, Some(ConnectError::Handshake(HandshakeError::Accept)));
    let error = answered(b"220 mail.example.org ESMTP\r\n");
    assert_eq!(error.error, Some(ConnectError::Handshake(HandshakeError::Malformed)));
    let error = answered(b"");
    assert_eq!(error.error, Some(ConnectError::Transport));
}

#[test]
fn a_server_that_checks_who_connects() {
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(Channel::new("room:*")).on_connect(|connect| {
        match connect.param("user") {
            Some("ana") => Ok(()),
            _ => Err(Refuse::reason("no")),
        }
    }));
    let server = chanson_std::Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let client = once(config(server.local_addr()).with_param("user", "ben"));
    let error = client.wait_connected(PATIENCE).unwrap_err();
    assert_eq!(error.error, Some(ConnectError::Refused { status: 403 }));
    client.set_param("user", "ana");
    client.reconnect();
    client.wait_connected(PATIENCE).unwrap();
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_not_there() {
    let error = Client::connect(Config::new("wss://127.0.0.1/socket").unwrap()).unwrap_err();
    assert!(matches!(error, StartError::NoTls));
    assert!(error.to_string().contains("built without tls"));
}

#[test]
fn names_are_resolved_and_every_address_is_tried() {
    // `localhost` may be ::1 first, where nobody listens.
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(Channel::new("room:*")));
    let server = chanson_std::Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let url = format!("ws://localhost:{}/socket", server.local_addr().port());
    let client = Client::connect(Config::new(&url).unwrap()).unwrap();
    assert!(client.join("room:a", json!({})).is_ok());
    // RFC 2606: there is no such name.
    let error = once(Config::new("ws://nobody.invalid/socket").unwrap()).wait_connected(PATIENCE).unwrap_err();
    assert!(matches!(error.error, Some(ConnectError::Transport | ConnectError::Timeout)), "{error:?}");
}

#[test]
fn what_a_program_may_do_with_a_client() {
    fn shared<T: Send + Sync + Debug>() {}
    fn cloned<T: Send + Sync + Clone + Debug>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    shared::<Client>();
    cloned::<(client::Channel, Events, Reply, client::Stats, client::JoinOptions)>();
    error::<StartError>();
    error::<NotConnected>();
    error::<JoinError>();
    error::<PushError>();
}
