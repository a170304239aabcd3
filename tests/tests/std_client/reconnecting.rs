//! Servers that go, come back, or never come.

use std::error::Error as _;
use std::sync::mpsc;
use std::time::Duration;

use chanson_core::driver::Running;
use chanson_core::error::CloseReason;
use chanson_std::Client;
use chanson_std::client::{Backoff, Cause, ConnectError, Event, JoinError, JoinOptions, PushError};
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;
use serde_json::json;

use crate::common::{PATIENCE, client, config, message, next, serve_apart, serve_at, wait_until};

/// Cuts all connections and waits for the end.
fn kill(server: Running) {
    server.shutdown();
    server.shutdown();
    server.join().unwrap();
}

fn a_server_that_is_killed_and_comes_back_is_joined_again(host: Host) {
    let mut server = serve_apart(host);
    let addr = server.local_addr();
    let client = client(&server);
    let (room, events) = (client.join("room:a", json!({ "name": "ana" })).unwrap(), client.events());
    for n in 0..3 {
        kill(server);
        next(&events, |event| matches!(event, Event::Disconnected { .. }).then_some(()));
        server = serve_at(host, addr);
        next(&events, |event| matches!(event, Event::Joined { channel, .. } if channel == room.id()).then_some(()));
        room.send("new_msg", json!(n)).unwrap();
        assert_eq!(message(&events).1, n.to_string());
        let here: Vec<String> = room.presence().into_iter().map(|(name, _)| name).collect();
        assert_eq!(here, ["ana"]);
    }
}

fn what_is_pushed_meanwhile_is_sent_then(host: Host) {
    let server = serve_apart(host);
    let addr = server.local_addr();
    let client = client(&server);
    let (room, events) = (client.join("room:a", json!({})).unwrap(), client.events());
    kill(server);
    next(&events, |event| matches!(event, Event::Disconnected { retry_at: Some(_), .. }).then_some(()));
    let cause = next(&events, |event| if let Event::Errored { cause, .. } = event { Some(cause) } else { None });
    assert_eq!(cause, Cause::Connection);
    assert!(!room.is_joined() && !client.is_connected());
    assert!(client.not_connected().unwrap().retrying);
    let (told, tells) = mpsc::channel();
    for n in 0..10 {
        let told = told.clone();
        room.push_then("echo", json!(n), move |result| told.send(result).unwrap()).unwrap();
    }
    let _server = serve_at(host, addr);
    for n in 0..10 {
        let reply = tells.recv_timeout(PATIENCE).unwrap().unwrap();
        assert_eq!(reply.response.as_payload().json().unwrap().as_str(), n.to_string());
    }
    assert!(room.is_joined() && client.is_connected());
}

fn a_loss_is_told_with_its_reason(host: Host) {
    let server = serve_apart(host);
    let client = client(&server);
    client.join("room:a", json!({})).unwrap();
    drop(server);
    let (reason, retry_at) = next(&client.events(), |event| match event {
        Event::Disconnected { reason, retry_at } => Some((reason, retry_at)),
        _ => None,
    });
    assert_eq!(reason, CloseReason::ByPeer(1012));
    assert!(retry_at.unwrap() - client.now() < PATIENCE);
}

fn no_more_tries_than_wanted(host: Host) {
    let server = serve_apart(host);
    let addr = server.local_addr();
    kill(server);
    let millis = Duration::from_millis;
    let reconnect = Backoff::steps([], millis(1)).with_max_attempts(3);
    let client = Client::connect(config(addr).with_reconnect(reconnect)).unwrap();
    let error = client.wait_connected(PATIENCE).unwrap_err();
    assert!(!error.retrying);
    assert_eq!(error.error, Some(ConnectError::Transport));
    assert_eq!(error.to_string(), "no connection");
    let system = error.source().and_then(|source| source.downcast_ref::<std::io::Error>()).unwrap();
    assert_eq!(system.kind(), std::io::ErrorKind::ConnectionRefused);
    let error = client.join("room:a", json!({})).unwrap_err();
    assert_eq!((error.to_string(), error.source().unwrap().to_string()), ("no connection".into(), system.to_string()));
    let JoinError::NotConnected(error) = error else { panic!() };
    assert!(!error.retrying);
    let is_last =
        |event| if let Event::ConnectFailed { retry_at, .. } = event { Some(retry_at.is_none()) } else { None };
    let failures: Vec<bool> = (0..4).map(|_| next(&client.events(), is_last)).collect();
    assert_eq!(failures, [false, false, false, true]);

    let _server = serve_at(host, addr);
    client.reconnect();
    client.wait_connected(PATIENCE).unwrap();
    assert!(client.join("room:a", json!({})).is_ok());
}

fn a_disconnected_client_stays_so_until_it_reconnects(host: Host) {
    let server = serve_apart(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    client.disconnect();
    let reason = next(&client.events(), |event| match event {
        Event::Disconnected { reason, retry_at: None } => Some(reason),
        _ => None,
    });
    assert_eq!(reason, CloseReason::ByUs(1005));
    assert!(!client.wait_connected(PATIENCE).unwrap_err().retrying);
    assert_eq!(room.push_with_timeout("echo", json!({}), Duration::from_millis(20)), Err(PushError::Timeout));
    client.reconnect();
    assert!(room.push("echo", json!({})).unwrap().is_ok());
}

fn a_join_waits_for_a_server_that_is_late(host: Host) {
    let server = serve_apart(host);
    let addr = server.local_addr();
    kill(server);
    let client = Client::connect(config(addr)).unwrap();
    let Err(JoinError::NotConnected(error)) =
        client.join_with("room:a", json!({}), &JoinOptions::default().with_timeout(Duration::from_millis(50)))
    else {
        panic!()
    };
    assert!(error.retrying);
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| client.join("room:a", json!({})));
        next(&client.events(), |event| matches!(event, Event::ConnectFailed { .. }).then_some(()));
        let server = serve_at(host, addr);
        let room = joining.join().unwrap().unwrap();
        room.send("new_msg", json!(1)).unwrap();
        assert_eq!(message(&client.events()).1, "1");
        drop(server);
    });
}

fn disconnecting_ends_joins_that_wait(host: Host) {
    let server = serve_apart(host);
    let client = client(&server);
    std::thread::scope(|scope| {
        let joining = scope.spawn(|| client.join("unanswered", json!({})));
        wait_until("the join", || client.channel("unanswered").is_some());
        client.disconnect();
        let Err(JoinError::NotConnected(_)) = joining.join().unwrap() else { panic!() };
    });
}

on_each_driver! {
    a_server_that_is_killed_and_comes_back_is_joined_again
    what_is_pushed_meanwhile_is_sent_then
    a_loss_is_told_with_its_reason
    no_more_tries_than_wanted
    a_disconnected_client_stays_so_until_it_reconnects
    a_join_waits_for_a_server_that_is_late
    disconnecting_ends_joins_that_wait
}
