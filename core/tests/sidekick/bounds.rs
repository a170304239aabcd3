//! Everything has a bound, and reaching it is an answer.

use super::*;
use std::time::Duration;

fn connection(token: &str, channel: &str, context: &str) -> String {
    format!(r#"{{ "token": "{token}", "channel": "{channel}", "params": {{}}, "context": "{context}" }}"#)
}

#[test]
fn tokens_are_bounded_in_number_and_come_free_again() {
    let mut world = world_with(config().with_tokens(2), Capacity::default());
    let ann = subscriber(&mut world, "used");
    announce(&mut world, "t1", CHAT, "a");
    announce(&mut world, "t2", CHAT, "a");
    let full = post(&mut world, "/connection", &connection("t3", "chat", ""));
    assert_eq!((full.status, full.text()), (503, "Too many tokens are waiting"));
    announce(&mut world, "t2", CHAT, "again");
    subscribe(&mut world, ann, "t1");
    announce(&mut world, "t3", CHAT, "a");
    assert_eq!(post(&mut world, "/connection", &connection("t4", "chat", "")).status, 503);
    world.run_for(Duration::from_secs(600));
    announce(&mut world, "t4", CHAT, "a");
    assert_eq!(stats(&world).fresh_tokens, 1);
}

#[test]
fn what_is_kept_for_tokens_is_bounded_in_bytes() {
    let mut world = world_with(config().with_token_bytes(1000), Capacity::default());
    let big = "x".repeat(600);
    assert_eq!(post(&mut world, "/connection", &connection("t1", "chat", &big)).status, 200);
    assert_eq!(post(&mut world, "/connection", &connection("t2", "chat", &big)).status, 503);
    assert_eq!(post(&mut world, "/connection", &connection("t1", "chat", &big)).status, 200, "in its own place");
    let ann = world.connect("/socket");
    subscribe(&mut world, ann, "t1");
    assert_eq!(post(&mut world, "/connection", &connection("t2", "chat", &big)).status, 503, "used ones count too");
    unsubscribe(&mut world, ann, "t1");
    assert_eq!(post(&mut world, "/connection", &connection("t2", "chat", &big)).status, 200);
}

#[test]
fn names_are_bounded() {
    let mut world = world();
    let long = "x".repeat(300);
    for (body, words) in [
        (connection(&long, "chat", ""), "The token is too long, or empty"),
        (connection("", "chat", ""), "The token is too long, or empty"),
        (connection("t", &long, ""), "Channel and params are too long"),
    ] {
        let answer = post(&mut world, "/connection", &body);
        assert_eq!((answer.status, answer.text()), (400, words));
    }
    let ann = world.connect("/socket");
    world.send(ann, &format!(r#"{{ "type": "listen", "resources": ["ok", "{long}"] }}"#));
    assert_eq!(world.recv(ann), [error("???unknown", "{}", "sidekick", "The name of a resource is too long")]);
    post_ok(&mut world, "/resources", &format!(r#"{{ "resources": ["ok", "{long}"] }}"#));
    assert!(world.recv(ann).is_empty(), "all or none");
    assert_eq!(world.stats().hub.topics, 0);
}

#[test]
fn listens_of_a_connection_are_bounded() {
    let mut world = world_with(config(), Capacity::default().with_joins_per_connection(3));
    let ann = world.connect("/socket");
    world.send(ann, r#"{ "type": "listen", "resources": ["a", "b"] }"#);
    world.send(ann, r#"{ "type": "listen", "resources": ["b", "c", "d"] }"#);
    let [_, full] = &world.recv(ann)[..] else { panic!("two answers") };
    assert_eq!(*full, error("???unknown", "{}", "sidekick", "Too many resources are listened to"));
    post_ok(&mut world, "/resources", r#"{ "resources": ["a", "b", "c", "d"] }"#);
    assert_eq!(world.recv(ann).len(), 2);
    world.send(ann, r#"{ "type": "unlisten", "resources": ["a"] }"#);
    world.send(ann, r#"{ "type": "listen", "resources": ["c", "d"] }"#);
    assert_eq!(world.recv(ann)[1], r#"{ "type": "listening", "resources": ["c", "d"] }"#);
}

#[test]
fn subscriptions_of_a_connection_are_bounded_and_the_token_is_not_lost() {
    let mut world = world_with(config().with_subscriptions_per_connection(1), Capacity::default());
    let (ann, bob) = (subscriber(&mut world, "t1"), world.connect("/socket"));
    announce(&mut world, "t2", CHAT, "a");
    subscribe(&mut world, ann, "t2");
    let full = error("chat", r#"{ "roomId": "room1" }"#, "sidekick", "Too many subscriptions");
    assert_eq!(world.recv(ann), [full]);
    subscribe(&mut world, bob, "t2");
    assert_eq!(world.recv(bob), [format!(r#"{{ "type": "subscribed", {CHAT} }}"#)]);
}

#[test]
fn rooms_are_bounded_and_the_token_is_not_lost() {
    let mut world = world_with(config(), Capacity::default().with_topics(1));
    let ann = subscriber(&mut world, "t1");
    announce(&mut world, "t2", r#""channel": "lobby", "params": {}"#, "a");
    subscribe(&mut world, ann, "t2");
    assert_eq!(world.recv(ann), [error("lobby", "{}", "sidekick", "Too many subscriptions")]);
    unsubscribe(&mut world, ann, "t1");
    subscribe(&mut world, ann, "t2");
    assert_eq!(world.recv(ann)[1], r#"{ "type": "subscribed", "channel": "lobby", "params": {} }"#);
}

#[test]
fn messages_on_their_way_are_bounded() {
    let params = r#"{ "roomId": "room1" }"#;
    let full = error("chat", params, "sidekick", "Too many messages are waiting for the server");
    let configs = [
        config().with_calls(2),
        config().with_calls_per_connection(2),
        config().with_call_bytes(250),
        config().with_call_bytes_per_connection(250),
    ];
    for config in configs {
        let mut world = world_with(config, Capacity::default());
        let ann = subscriber(&mut world, "t1");
        for n in 0..3 {
            send(&mut world, ann, "t1", CHAT, &format!(r#"{{ "number": {n} }}"#));
        }
        assert_eq!(world.recv(ann), [full.as_str()]);
        assert_eq!(stats(&world).calls, 2);
        let call = calls(&mut world).remove(0);
        respond(&mut world, &call, Ok(Answer::new(204, "")));
        send(&mut world, ann, "t1", CHAT, r#"{ "number": 3 }"#);
        assert!(world.recv(ann).is_empty());
    }
}

#[test]
fn a_long_message_is_taken_where_nothing_waits() {
    let mut world = world_with(config().with_call_bytes(10).with_call_bytes_per_connection(10), Capacity::default());
    let ann = subscriber(&mut world, "t1");
    for _ in 0..2 {
        send(&mut world, ann, "t1", CHAT, &format!("\"{}\"", "x".repeat(1000)));
        assert!(world.recv(ann).is_empty());
        let call = calls(&mut world).remove(0);
        respond(&mut world, &call, Ok(Answer::new(204, "")));
    }
}
