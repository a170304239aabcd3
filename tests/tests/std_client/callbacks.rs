//! Callbacks, on the client's own thread.

use std::sync::mpsc;

use chanson_std::client::{Event, JoinError, JoinOptions, PushError};
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;
use serde_json::json;
use std::sync::Arc;

use crate::common::{PATIENCE, client, message, serve, wait_until};

fn a_callback_gets_all_from_the_beginning_in_order(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    let (told, tells) = mpsc::channel();
    client.on_event(move |event| told.send(event).unwrap());
    for n in 0..100 {
        room.send("new_msg", json!(n)).unwrap();
    }
    let next = || tells.recv_timeout(PATIENCE).unwrap();
    assert_eq!(next(), Event::Connected);
    assert!(matches!(next(), Event::Joined { .. }));
    for n in 0..100 {
        let Event::Message { payload, .. } = next() else { panic!() };
        assert_eq!(payload.as_payload().json().unwrap().as_str(), n.to_string());
    }
    assert!(client.events().try_recv().is_none());
    drop(client);
    assert!(matches!(next(), Event::Disconnected { .. }));
}

fn a_callback_may_send_and_join_but_not_wait(host: Host) {
    let server = serve(host);
    let client = Arc::new(client(&server));
    let room = client.join("room:a", json!({})).unwrap();
    let (told, tells) = mpsc::channel();
    let (weak, own) = (Arc::downgrade(&client), room.clone());
    client.on_event(move |event| {
        let Event::Message { event, .. } = event else { return };
        let Some(client) = weak.upgrade() else { return };
        if &*event != "new_msg" {
            return;
        }
        assert!(matches!(client.join("room:b", json!({})), Err(JoinError::OwnThread)));
        assert_eq!(own.push("echo", json!({})), Err(PushError::OwnThread));
        drop(client.wait_connected(PATIENCE));
        let other = client.start_join("room:b", json!({}), &JoinOptions::default()).unwrap();
        let told = told.clone();
        // It waits for the join.
        other.push_then("echo", json!("from b"), move |result| told.send(result).unwrap()).unwrap();
    });
    room.send("new_msg", json!({})).unwrap();
    let reply = tells.recv_timeout(PATIENCE).unwrap().unwrap();
    assert_eq!(reply.response.as_payload().json().unwrap().as_str(), r#""from b""#);
}

fn a_panic_is_counted_and_the_next_event_comes(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    let (told, tells) = mpsc::channel();
    client.on_event(move |event| {
        let Event::Message { payload, .. } = event else { return };
        let text = payload.as_payload().json().unwrap().as_str().to_owned();
        // Past the hook, which would print it.
        if text == "1" {
            std::panic::resume_unwind(Box::new("as it was told"));
        }
        told.send(text).unwrap();
    });
    for n in 1..=2 {
        room.send("new_msg", json!(n)).unwrap();
    }
    assert_eq!(tells.recv_timeout(PATIENCE).unwrap(), "2");
    room.push_then("echo", json!({}), |_| std::panic::resume_unwind(Box::new("again"))).unwrap();
    wait_until("the second panic", || client.stats().callback_panics == 2);
    assert!(room.push("echo", json!({})).unwrap().is_ok());
}

fn a_callback_may_put_another_in_its_place(host: Host) {
    let server = serve(host);
    let client = Arc::new(client(&server));
    let room = client.join("room:a", json!({})).unwrap();
    let (told, tells) = mpsc::channel();
    let weak = Arc::downgrade(&client);
    client.on_event(move |event| {
        let (Event::Message { .. }, Some(client)) = (event, weak.upgrade()) else { return };
        let told = told.clone();
        client.on_event(move |event| told.send(event).unwrap());
    });
    for n in 1..=2 {
        room.send("new_msg", json!(n)).unwrap();
    }
    let Event::Message { payload, .. } = tells.recv_timeout(PATIENCE).unwrap() else { panic!() };
    assert_eq!(payload.as_payload().json().unwrap().as_str(), "2");
}

fn a_client_may_be_dropped_by_its_own_callback(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    let events = client.events();
    let (given, gives) = mpsc::channel();
    let again = room.clone();
    room.push_then("echo", json!({}), move |_| drop::<chanson_std::Client>(gives.recv().unwrap())).unwrap();
    given.send(client).unwrap();
    wait_until("the end", || again.send("echo", json!({})) == Err(PushError::Ended));
    while events.recv_timeout(PATIENCE).is_some() {}
    assert!(events.is_finished());
    wait_until("the server to see it", || server.handle().stats().endpoint.hub.connections == 0);
}

fn nobody_reads(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    let total = chanson_std::client::Events::CAPACITY + 100;
    for n in 1..=total {
        room.send("new_msg", json!(n)).unwrap();
        if n % 100 == 0 {
            // What was said before has come: the answer comes behind it.
            assert!(room.push("echo", json!({})).unwrap().is_ok());
        }
    }
    assert!(room.push("echo", json!({})).unwrap().is_ok());
    // Messages went, and what became of connection and channel stays.
    let lost = client.stats().lost_events;
    assert_eq!(lost, 102);
    let events = client.events();
    assert_eq!(events.try_recv(), Some(Event::Connected));
    assert!(matches!(events.try_recv(), Some(Event::Joined { .. })));
    assert_eq!(message(&events).1, (lost + 1).to_string());
}

on_each_driver! {
    a_callback_gets_all_from_the_beginning_in_order
    a_callback_may_send_and_join_but_not_wait
    a_panic_is_counted_and_the_next_event_comes
    a_callback_may_put_another_in_its_place
    a_client_may_be_dropped_by_its_own_callback
    nobody_reads
}
