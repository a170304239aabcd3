//! Subscribing, listening, and what comes of it.

use super::*;
use chanson_core::Mount;
use chanson_core::memory::Incoming;

const ROOM2: &str = r#""channel": "chat", "params": { "roomId": "room2" }"#;

#[test]
fn a_message_comes_to_all_in_its_room_and_to_nobody_else() {
    let mut world = world();
    let (ann, bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    let other = world.connect("/socket");
    announce(&mut world, "t3", ROOM2, "eve");
    subscribe(&mut world, other, "t3");
    world.recv(other);
    message(&mut world, CHAT, r#"{ "at": date:2024-02-29T12:34:56.789Z, "m": map { 2: set { NaN } }, "s": "\ud800" }"#);
    let expected = format!(
        r#"{{ "type": "message", {CHAT}, "data": {{ "at": date:2024-02-29T12:34:56.789Z, "m": map {{ 2: set {{ NaN }} }}, "s": "\ud800" }} }}"#
    );
    assert_eq!((world.recv(ann), world.recv(bob)), (vec![expected.clone()], vec![expected]));
    assert!(world.recv(other).is_empty());
}

#[test]
fn a_message_without_data_is_passed_on_without_data() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    post_ok(&mut world, "/message", &format!("{{ {CHAT} }}"));
    message(&mut world, CHAT, "null");
    let null = format!(r#"{{ "type": "message", {CHAT}, "data": null }}"#);
    assert_eq!(world.recv(ann), [format!(r#"{{ "type": "message", {CHAT} }}"#), null]);
}

#[test]
fn params_name_the_same_room_in_any_order() {
    let mut world = world();
    let ann = world.connect("/socket");
    announce(&mut world, "t1", r#""channel": "doc", "params": { "org": "acme", "doc": "42" }"#, "ann");
    subscribe(&mut world, ann, "t1");
    world.recv(ann);
    message(&mut world, r#""params": { "doc": "42", "org": "acme" }, "channel": "doc""#, "1");
    assert_eq!(world.recv(ann).len(), 1);
    send(&mut world, ann, "t1", r#""channel": "doc", "params": { "doc": "42", "org": "acme" }"#, "2");
    assert_eq!(calls(&mut world).len(), 1);
}

#[test]
fn no_values_make_two_rooms_one() {
    let mut world = world();
    let ann = world.connect("/socket");
    announce(&mut world, "t1", r#""channel": "c", "params": { "a": "1,b:2" }"#, "ann");
    subscribe(&mut world, ann, "t1");
    world.recv(ann);
    message(&mut world, r#""channel": "c", "params": { "a": "1", "b": "2" }"#, "1");
    message(&mut world, r#""channel": "c/a:1,b:2", "params": {}"#, "1");
    post_ok(&mut world, "/resources", r#"{"resources":["[\"c\",\"a\",\"1,b:2\"]"]}"#);
    assert!(world.recv(ann).is_empty());
}

#[test]
fn two_tokens_of_one_room_are_two_subscriptions_and_each_message_comes_once() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    announce(&mut world, "t2", CHAT, "other");
    subscribe(&mut world, ann, "t2");
    world.recv(ann);
    message(&mut world, CHAT, "1");
    assert_eq!(world.recv(ann).len(), 1);
    send(&mut world, ann, "t1", CHAT, "1");
    send(&mut world, ann, "t2", CHAT, "1");
    let contexts: Vec<bool> = calls(&mut world).iter().map(|call| call.body.contains(r#""userId": "other""#)).collect();
    assert_eq!(contexts, [false, true]);
    unsubscribe(&mut world, ann, "t1");
    world.recv(ann);
    message(&mut world, CHAT, "2");
    assert_eq!(world.recv(ann).len(), 1, "the other subscription is still there");
    unsubscribe(&mut world, ann, "t2");
    world.recv(ann);
    message(&mut world, CHAT, "3");
    assert!(world.recv(ann).is_empty());
}

#[test]
fn after_unsubscribing_nothing_comes_and_the_token_is_gone() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    unsubscribe(&mut world, ann, "t1");
    assert_eq!(world.recv(ann), [format!(r#"{{ "type": "unsubscribed", {CHAT} }}"#)]);
    message(&mut world, CHAT, "1");
    assert!(world.recv(ann).is_empty());
    unsubscribe(&mut world, ann, "t1");
    assert_eq!(world.recv(ann), [error("???unknown", "{}", "client", "Inputted invalid token for unsubscription")]);
    assert_eq!(stats(&world), Stats::default());
}

#[test]
fn resources_that_have_changed_are_told_to_those_who_listen() {
    let mut world = world();
    let (ann, bob) = (world.connect("/socket"), world.connect("/socket"));
    world.send(ann, r#"{ "type": "listen", "resources": ["a", "b", "a"] }"#);
    assert_eq!(world.recv(ann), [r#"{ "type": "listening", "resources": ["a", "b", "a"] }"#]);
    post_ok(&mut world, "/resources", r#"{ "resources": ["b", "c", "a"] }"#);
    let updated = [r#"{ "type": "updated", "resource": "b" }"#, r#"{ "type": "updated", "resource": "a" }"#];
    assert_eq!(world.recv(ann), updated);
    world.send(ann, r#"{ "type": "unlisten", "resources": ["a", "nothing"] }"#);
    assert_eq!(world.recv(ann), [r#"{ "type": "unlistening", "resources": ["a", "nothing"] }"#]);
    post_ok(&mut world, "/resources", r#"{ "resources": ["a"] }"#);
    assert!(world.recv(ann).is_empty());
    assert!(world.recv(bob).is_empty());
}

#[test]
fn what_is_no_message_is_answered_and_the_socket_stays_open() {
    let mut world = world();
    let ann = world.connect("/socket");
    let words = "Failed to parse last message as an incoming message. This is a bug in covenant's client code.";
    let deep = format!(r#"{{ "type": "send", "data": {}"#, "[".repeat(30_000));
    for text in [
        "",
        "not ION",
        "null",
        "[]",
        "{}",
        r#"{ "type": "dance" }"#,
        r#"{ "type": "subscribe" }"#,
        r#"{ "type": "subscribe", "token": 5 }"#,
        r#"{ "type": "send", "token": "t", "channel": "chat" }"#,
        r#"{ "type": "send", "token": "t", "channel": "chat", "params": { "a": 1 } }"#,
        r#"{ "type": "listen", "resources": "a" }"#,
        r#"{ "type": "listen", "resources": ["a"], }"#,
        r#"{ "__proto__": {}, "type": "listen", "resources": ["a"] }"#,
        &deep,
    ] {
        world.send(ann, text);
        assert_eq!(world.recv(ann), [error("unknown", "{}", "client", words)], "{text}");
    }
    world.send_binary(ann, b"\xff\xfe");
    assert_eq!(world.recv(ann), [error("unknown", "{}", "client", words)]);
    world.send_binary(ann, br#"{ "type": "listen", "resources": ["a"] }"#);
    assert_eq!(world.recv(ann), [r#"{ "type": "listening", "resources": ["a"] }"#]);
}

#[test]
fn a_message_that_is_too_long_closes_its_socket_and_no_other() {
    let mut world = world();
    let (ann, bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    send(&mut world, ann, "t1", CHAT, &format!("\"{}\"", "x".repeat(64 << 10)));
    assert_eq!(world.closed(ann), Some(1009));
    message(&mut world, CHAT, "1");
    assert_eq!(world.recv(bob).len(), 1);
    assert_eq!(stats(&world).used_tokens, 1);
}

#[test]
fn silence_is_no_reason_to_close_and_any_origin_may_connect() {
    let mut world = world();
    let quiet = world.try_connect("/socket", &[("Origin", "https://elsewhere.example")]).unwrap();
    world.run_for(std::time::Duration::from_secs(100_000));
    assert!(world.is_open(quiet));
    assert_eq!(world.next(quiet), None::<Incoming>);
}

/// Rooms have names that no topic has: a client of channels cannot listen in, nor take their place.
#[test]
fn no_topic_is_a_room() {
    let channel =
        chanson_core::Channel::<Sidekick>::new("*").on_any(|socket, event| socket.broadcast("all", event.payload));
    let hub = Hub::builder()
        .seed([7; 32])
        .mount(sidekick::mount("/socket"))
        .mount(Mount::channels("/phoenix").channel(channel))
        .on_request(sidekick::handle_request)
        .build();
    let mut world = World::with_app(hub.unwrap(), Sidekick::new(config()));
    let ann = subscriber(&mut world, "t1");
    let spy = world.connect("/phoenix?vsn=2.0.0");
    let room = r#"[\"chat\",\"roomId\",\"room1\"]"#;
    world.send(spy, &format!(r#"["1","1","{room}","phx_join",{{}}]"#));
    world.send(spy, &format!(r#"["1","2","{room}","x",{{}}]"#));
    assert_eq!(world.recv(spy).len(), 2, "joined, and alone");
    message(&mut world, CHAT, "1");
    assert_eq!((world.recv(ann).len(), world.recv(spy).len()), (1, 0));
    let topic = r#"["chat","roomId","room1"]"#;
    assert_eq!(world.hub().subscriber_count(topic), 1);
    world.act(|hub, _| hub.pubsub().broadcast(topic, "text"));
    assert!(world.recv(ann).is_empty());
}
