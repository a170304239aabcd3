//! Tokens: what they are good for, for whom, and for how long.

use super::*;
use std::time::Duration;

const NOT_SUBSCRIBED: &str = "Inputted invalid token for subscription";

fn refused(world: &mut World<Sidekick>, client: Client) {
    assert_eq!(world.recv(client), [error("???unknown", "{}", "client", NOT_SUBSCRIBED)]);
}

#[test]
fn a_token_is_used_once() {
    let mut world = world();
    let (ann, bob) = (subscriber(&mut world, "t1"), world.connect("/socket"));
    for client in [ann, bob] {
        subscribe(&mut world, client, "t1");
        refused(&mut world, client);
        subscribe(&mut world, client, "t0");
        refused(&mut world, client);
    }
    unsubscribe(&mut world, bob, "t1");
    let words = "Inputted invalid token for unsubscription";
    assert_eq!(world.recv(bob), [error("???unknown", "{}", "client", words)]);
    message(&mut world, CHAT, "1");
    assert_eq!((world.recv(ann).len(), world.recv(bob).len()), (1, 0));
}

#[test]
fn a_fresh_token_cannot_be_unsubscribed_and_stays_good() {
    let mut world = world();
    let ann = world.connect("/socket");
    announce(&mut world, "t1", CHAT, "ann");
    unsubscribe(&mut world, ann, "t1");
    assert_eq!(world.recv(ann).len(), 1);
    subscribe(&mut world, ann, "t1");
    assert_eq!(world.recv(ann), [format!(r#"{{ "type": "subscribed", {CHAT} }}"#)]);
}

#[test]
fn unused_tokens_expire_and_used_ones_do_not() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    announce(&mut world, "t2", CHAT, "ann");
    world.run_for(Duration::from_millis(599_999));
    announce(&mut world, "t3", CHAT, "ann");
    assert_eq!(stats(&world).fresh_tokens, 2);
    world.run_for(Duration::from_millis(1));
    subscribe(&mut world, ann, "t2");
    refused(&mut world, ann);
    send(&mut world, ann, "t2", CHAT, "1");
    assert_eq!(world.recv(ann).len(), 1);
    subscribe(&mut world, ann, "t3");
    assert_eq!(world.recv(ann).len(), 1);
    world.run_for(Duration::from_secs(100_000));
    send(&mut world, ann, "t1", CHAT, "1");
    assert_eq!(calls(&mut world).len(), 1);
    let stats = stats(&world);
    assert_eq!((stats.fresh_tokens, stats.used_tokens, stats.expired_tokens), (0, 2, 1));
}

#[test]
fn a_host_can_have_them_forgotten_in_time() {
    let mut world = world_with(config().with_token_ttl(Duration::from_secs(5)), Capacity::default());
    assert_eq!(world.app().poll_timeout(), None);
    announce(&mut world, "t1", CHAT, "ann");
    let due = world.app().poll_timeout().unwrap();
    assert_eq!(due, world.now() + Duration::from_secs(5));
    world.app_mut().handle_timeout(due);
    assert_eq!(world.app().poll_timeout(), None);
    assert_eq!(stats(&world).token_bytes, 0);
}

#[test]
fn announcing_a_fresh_token_again_replaces_it_and_a_used_one_stays() {
    let mut world = world();
    announce(&mut world, "t1", r#""channel": "other", "params": {}"#, "eve");
    world.run_for(Duration::from_secs(599));
    let ann = subscriber(&mut world, "t1");
    let again = format!(r#"{{ "token": "t1", {CHAT}, "context": {{ "userId": "eve" }} }}"#);
    assert_eq!(post(&mut world, "/connection", &again).status, 400);
    send(&mut world, ann, "t1", CHAT, "1");
    assert!(calls(&mut world)[0].body.ends_with(r#""context": { "userId": "t1" } }"#));
    assert_eq!(stats(&world).fresh_tokens, 0);
}

#[test]
fn what_a_closed_socket_had_is_gone() {
    let mut world = world();
    let (ann, bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    announce(&mut world, "t3", r#""channel": "lobby", "params": {}"#, "ann");
    subscribe(&mut world, ann, "t3");
    world.send(ann, r#"{ "type": "listen", "resources": ["a"] }"#);
    assert_eq!((stats(&world).used_tokens, stats(&world).active_connections), (3, 2));
    world.close(ann, 1000);
    world.cut(bob);
    assert_eq!(stats(&world), Stats::default());
    assert_eq!((world.stats().hub.topics, world.stats().hub.joins), (0, 0));
    let next = world.connect("/socket");
    subscribe(&mut world, next, "t1");
    refused(&mut world, next);
    unsubscribe(&mut world, next, "t1");
    send(&mut world, next, "t1", CHAT, "1");
    assert!(calls(&mut world).is_empty());
}

#[test]
fn a_token_sends_to_its_own_room_only_before_and_after_it_is_used() {
    let mut world = world();
    let ann = world.connect("/socket");
    announce(&mut world, "t1", CHAT, "ann");
    for _ in 0..2 {
        for (channel, params, words) in [
            ("lobby", "{}", "Token channel mismatch"),
            ("lobby", r#"{ "roomId": "room1" }"#, "Token channel mismatch"),
            ("chat", r#"{ "roomId": "room2" }"#, "Token params mismatch"),
            ("chat", "{}", "Token params mismatch"),
            ("chat", r#"{ "roomId": "room1", "more": "" }"#, "Token params mismatch"),
        ] {
            send(&mut world, ann, "t1", &format!(r#""channel": "{channel}", "params": {params}"#), "1");
            assert_eq!(world.recv(ann), [error(channel, params, "client", words)]);
        }
        assert!(calls(&mut world).is_empty());
        subscribe(&mut world, ann, "t1");
        world.recv(ann);
    }
}

#[test]
fn a_used_token_sends_from_its_own_socket_only() {
    let mut world = world();
    let (_ann, eve) = (subscriber(&mut world, "t1"), world.connect("/socket"));
    send(&mut world, eve, "t1", CHAT, "1");
    let params = r#"{ "roomId": "room1" }"#;
    assert_eq!(world.recv(eve), [error("chat", params, "client", "Invalid or unauthorized token")]);
    assert!(calls(&mut world).is_empty());
}
