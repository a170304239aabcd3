//! Joins, pushes, replies, broadcasts and presence.

use std::time::{Duration, Instant};

use chanson_core::wire::Vsn;
use chanson_core::{Binary, Payload};
use chanson_std::Client;
use chanson_std::client::{Capacity, Closing, CommandError, Event, JoinError, JoinOptions, PushError, Status};
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;
use serde_json::json;

use crate::common::{PATIENCE, client, config, message, next, serve, wait_until};

fn a_join_and_pushes_are_answered(host: Host) {
    let server = serve(host);
    let client = client(&server);
    client.wait_connected(PATIENCE).unwrap();
    assert!(client.is_connected() && client.not_connected().is_none());
    let room = client.join("room:a", json!({})).unwrap();
    assert!(room.is_joined());
    assert_eq!(room.topic(), "room:a");
    assert_eq!(room.response().json().unwrap().as_str(), r#"{"topic":"room:a"}"#);
    assert_eq!(client.channel("room:a").unwrap().id(), room.id());
    assert!(client.channel("room:b").is_none());

    let reply = room.push("echo", json!({ "n": 1 })).unwrap();
    assert!(reply.is_ok());
    assert_eq!(reply.response.as_payload().json().unwrap().as_str(), r#"{"n":1}"#);
    let bytes: Vec<u8> = (0..=255).collect();
    let reply = room.push("echo", Binary(&bytes)).unwrap();
    assert_eq!(reply.response.as_payload(), Payload::Binary(&bytes));
    let reply = room.push("no such event", json!({})).unwrap();
    assert_eq!(reply.status, Status::Error);
    // Larger than any buffer.
    let text = "x".repeat(50_000);
    let reply = room.push("echo", json!(text)).unwrap();
    assert_eq!(reply.response.as_payload().len(), text.len() + 2);
}

fn version_1_works_too(host: Host) {
    let server = serve(host);
    let client = Client::connect(config(server.local_addr()).with_vsn(Vsn::V1)).unwrap();
    let room = client.join("room:a", json!({ "name": "ana" })).unwrap();
    assert!(room.push("echo", json!([])).unwrap().is_ok());
    let refused = PushError::Command(CommandError::BinaryUnsupported);
    assert_eq!(room.push("echo", Binary(b"x")), Err(refused));
    assert_eq!(room.send("echo", Binary(b"x")), Err(refused));
}

fn what_is_refused_is_said_and_not_tried_again(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let Err(JoinError::Refused(answer)) = client.join("room:a", json!({ "name": "nobody" })) else { panic!() };
    assert_eq!(answer.as_payload().json().unwrap().as_str(), r#"{"reason":"who are you?"}"#);
    assert!(client.channel("room:a").is_none());
    let Err(JoinError::Refused(_)) = client.join("unknown", json!({})) else { panic!() };
    let Err(JoinError::Command(CommandError::NotAllowed)) = client.join("phoenix", json!({})) else { panic!() };
    assert!(client.join("room:a", json!({})).is_ok());
}

fn what_is_not_answered_times_out(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    let (start, short) = (Instant::now(), Duration::from_millis(50));
    assert_eq!(room.push_with_timeout("silent", json!({}), short), Err(PushError::Timeout));
    let options = JoinOptions::default().with_timeout(short);
    let Err(JoinError::Timeout) = client.join_with("unanswered", json!({}), &options) else { panic!() };
    assert!(start.elapsed() >= short * 2);
    assert!(client.channel("unanswered").is_none());
    assert!(room.push("echo", json!({})).unwrap().is_ok());
}

fn two_clients_talk(host: Host) {
    let server = serve(host);
    let clients = [client(&server), client(&server)];
    let rooms = clients.each_ref().map(|client| client.join("room:a", json!({})).unwrap());
    for n in 0..100 {
        rooms[n % 2].send("new_msg", json!(n)).unwrap();
        for client in &clients {
            assert_eq!(message(&client.events()), ("new_msg".to_owned(), n.to_string()));
        }
    }
}

fn what_is_sent_in_a_burst_comes_in_order(host: Host) {
    let server = serve(host);
    let capacity = Capacity::default().with_pushes(5000);
    let client = Client::connect(config(server.local_addr()).with_capacity(capacity)).unwrap();
    let room = client.join("room:a", json!({})).unwrap();
    for n in 0..2000 {
        room.send("new_msg", json!(n)).unwrap();
    }
    let events = client.events();
    for n in 0..2000 {
        assert_eq!(message(&events).1, n.to_string());
    }
    assert_eq!(client.stats().lost_events, 0);
}

fn threads_share_a_client(host: Host) {
    let server = serve(host);
    let client = client(&server);
    std::thread::scope(|scope| {
        for topic in ["room:a", "room:b", "room:c", "room:d"] {
            let client = &client;
            scope.spawn(move || {
                let room = client.join(topic, json!({})).unwrap();
                for n in 0..50 {
                    let reply = room.clone().push("echo", json!([topic, n])).unwrap();
                    let expected = json!([topic, n]).to_string();
                    assert_eq!(reply.response.as_payload().json().unwrap().as_str(), expected);
                }
                room.leave();
            });
        }
    });
}

fn presences_are_kept_in_step(host: Host) {
    let server = serve(host);
    let (ana, ben) = (client(&server), client(&server));
    let room = ana.join("room:a", json!({ "name": "ana" })).unwrap();
    let names = || room.presence().into_iter().map(|(name, _)| name).collect::<Vec<_>>();
    wait_until("ana", || names() == ["ana"]);
    let bens = ben.join("room:a", json!({ "name": "ben" })).unwrap();
    let came = next(&ana.events(), |event| match event {
        Event::PresenceJoin { key, .. } if &*key == "ben" => Some(key),
        _ => None,
    });
    assert_eq!(&*came, "ben");
    wait_until("ben", || names() == ["ana", "ben"]);
    let (_, presence) = room.presence().remove(1);
    assert!(presence.metas().next().unwrap().as_str().contains(r#""name":"ben""#));
    bens.leave();
    wait_until("ben's leave", || names() == ["ana"]);
    room.leave();
    assert!(names().is_empty());
}

fn presences_are_messages_if_so_wanted(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let options = JoinOptions::default().with_presence(false);
    client.join_with("room:a", json!({ "name": "ana" }), &options).unwrap();
    let mut seen = [message(&client.events()).0, message(&client.events()).0];
    seen.sort();
    assert_eq!(seen, ["presence_diff", "presence_state"]);
}

fn a_channel_that_was_left_is_closed_and_can_be_joined_again(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let first = client.join("room:a", json!({})).unwrap();
    first.leave();
    first.leave();
    assert_eq!(first.push("echo", json!({})), Err(PushError::Closed));
    assert_eq!(first.send("echo", json!({})), Err(PushError::Closed));
    let second = client.join("room:a", json!({})).unwrap();
    let third = client.join("room:a", json!({})).unwrap();
    assert_eq!(second.push("echo", json!({})), Err(PushError::Closed));
    assert!(third.push("echo", json!({})).unwrap().is_ok());
    let closed: Vec<Closing> = (0..2)
        .map(|_| next(&client.events(), |event| if let Event::Closed { by, .. } = event { Some(by) } else { None }))
        .collect();
    assert_eq!(closed, [Closing::Left, Closing::Replaced]);
}

fn a_server_may_end_a_channel_or_a_join(host: Host) {
    let server = serve(host);
    let client = client(&server);
    let room = client.join("room:a", json!({})).unwrap();
    assert_eq!(room.push("close", json!({})), Err(PushError::Closed));
    assert!(client.channel("room:a").is_none());

    let room = client.join("room:b", json!({})).unwrap();
    // The push outlives the join that it crashes, and is not sent again: it times out.
    let crashed = room.push_with_timeout("crash", json!({}), Duration::from_millis(50));
    assert_eq!(crashed, Err(PushError::Timeout));
    // This one waits until it is joined again.
    assert!(room.push("echo", json!({})).unwrap().is_ok());
}

fn what_waits_is_bounded(host: Host) {
    let server = serve(host);
    let capacity = Capacity::default().with_pushes(3).with_channels(1);
    let client = Client::connect(config(server.local_addr()).with_capacity(capacity)).unwrap();
    let room = client.join("room:a", json!({})).unwrap();
    let full = CommandError::Full;
    let Err(JoinError::Command(error)) = client.join("room:b", json!({})) else { panic!() };
    assert_eq!(error, full);
    for _ in 0..3 {
        room.push_then("silent", json!({}), |_| ()).unwrap();
    }
    assert_eq!(room.push("echo", json!({})), Err(PushError::Command(full)));
}

on_each_driver! {
    a_join_and_pushes_are_answered
    version_1_works_too
    what_is_refused_is_said_and_not_tried_again
    what_is_not_answered_times_out
    two_clients_talk
    what_is_sent_in_a_burst_comes_in_order
    threads_share_a_client
    presences_are_kept_in_step
    presences_are_messages_if_so_wanted
    a_channel_that_was_left_is_closed_and_can_be_joined_again
    a_server_may_end_a_channel_or_a_join
    what_waits_is_bounded
}
