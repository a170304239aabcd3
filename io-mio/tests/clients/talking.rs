//! Joins, pushes and their ends, broadcasts, parting.

use std::time::Duration;

use chanson_core::client::{Closing, Event, JoinError, Status};
use chanson_core::error::CommandError;
use chanson_core::wire::Vsn;
use chanson_core::{Binary, Channel, Hub, Mount};
#[cfg(not(feature = "tls"))]
use chanson_mio::AddError;
use chanson_mio::{ClientId, Server};
use serde_json::json;

use crate::common::{World, config, payload, server};

#[test]
fn a_push_is_answered_ok_or_error_or_not_at_all() {
    let server = server();
    for vsn in [Vsn::V1, Vsn::V2] {
        let mut world = World::new();
        let (id, room) = world.joined(config(server.local_addr()).with_vsn(vsn), "room:a");
        for (event, expected) in [("echo", Status::Ok), ("fail", Status::Error)] {
            let pushed = world.act(id, |client, now| client.push(now, room, event, json!({ "reason": "nope" })));
            let event = world.next_of(id);
            assert_eq!(payload(&event), json!({ "reason": "nope" }));
            let Event::Reply { push, channel, status, .. } = event else { panic!("{event:?}") };
            assert_eq!((push, channel, status), (pushed, room, expected));
        }
        let soon = Duration::from_millis(50);
        let push = world.act(id, |client, now| client.push_with_timeout(now, room, "silent", json!({}), soon));
        let pushed_at = world.clients.now();
        assert_eq!(world.next_of(id), Event::Timeout { push, channel: room });
        assert!(world.clients.now() - pushed_at >= Duration::from_millis(45));
    }
}

#[test]
fn a_join_is_refused_and_another_is_left() {
    let server = server();
    let mut world = World::new();
    let (id, room) = world.joined(config(server.local_addr()), "room:a");
    let denied = world.act(id, |client, now| client.join(now, "room:b", json!({ "deny": true })));
    match world.next_of(id) {
        Event::JoinFailed { channel, error: JoinError::Refused(reason) } => {
            assert_eq!(channel, denied);
            assert_eq!(reason.as_payload().json().unwrap().as_str(), r#"{"reason":"no"}"#);
        }
        event => panic!("{event:?}"),
    }
    world.act(id, |client, now| client.leave(now, room));
    assert_eq!(world.next_of(id), Event::Closed { channel: room, by: Closing::Left });
    world.turn_until("the leave", |_| server.handle().stats().endpoint.hub.joins == 0);
    assert_eq!(world.clients.act(id, |client, now| client.leave(now, room)), Ok(Err(CommandError::NotJoined)));
}

#[test]
fn a_broadcast_reaches_all_in_order() {
    let server = server();
    let mut world = World::new();
    let (a, room) = world.joined(config(server.local_addr()), "room:a");
    let (b, _) = world.joined(config(server.local_addr()).with_vsn(Vsn::V1), "room:a");
    for n in 0..100 {
        world.act(a, |client, now| client.push(now, room, "new_msg", json!(n)));
    }
    for n in 0..100 {
        for id in [a, b] {
            assert_eq!(payload(&world.next_of(id)), json!(n));
        }
    }
}

#[test]
fn bytes_and_messages_larger_than_socket_buffers_come_through() {
    let server = server();
    let mut world = World::new();
    let (a, room) = world.joined(config(server.local_addr()), "room:a");
    let (b, small) = world.joined(config(server.local_addr()), "room:b");
    let data: Vec<u8> = (0..6 << 20).map(|n: u32| (n % 251) as u8).collect();
    world.act(a, |client, now| client.push(now, room, "echo", Binary(&data)));
    world.act(b, |client, now| client.push(now, small, "echo", json!("small")));
    assert_eq!(payload(&world.next_of(b)), json!("small"));
    match world.next_of(a) {
        Event::Reply { response, .. } => assert!(response.as_payload().binary() == Some(&data[..])),
        event => panic!("{event:?}"),
    }
    assert!(world.clients.client(a).unwrap().queued_bytes() == 0);
}

#[test]
fn parting_and_coming_back() {
    let server = server();
    let mut world = World::new();
    let (id, room) = world.joined(config(server.local_addr()), "room:a");
    world.clients.act(id, |client, now| client.disconnect(now)).unwrap();
    assert!(!world.clients.is_settled(id), "a close frame is to be sent");
    assert!(matches!(world.next_of(id), Event::Disconnected { retry_at: None, .. }));
    world.turn_until("the end", |world| world.clients.is_settled(id));
    world.turn_until("the end there", |_| server.handle().stats().endpoint.hub.connections == 0);

    world.act(id, |client, now| client.push(now, room, "echo", json!(1)));
    world.clients.act(id, |client, now| client.connect(now)).unwrap();
    assert!(matches!(world.next_of(id), Event::Errored { .. }));
    assert_eq!(world.next_of(id), Event::Connected);
    assert!(matches!(world.next_of(id), Event::Joined { .. }));
    assert_eq!(payload(&world.next_of(id)), json!(1));
}

#[test]
fn who_was_removed_is_gone_and_the_id_with_it() {
    let server = server();
    let mut world = World::new();
    let (a, _) = world.joined(config(server.local_addr()), "room:a");
    let (b, room) = world.joined(config(server.local_addr()), "room:a");
    assert_eq!(world.clients.len(), 2);
    world.clients.remove(a).unwrap();
    let (c, _) = world.joined(config(server.local_addr()), "room:a");
    assert_eq!(c.index(), a.index());
    for stale in [a, ClientId::from_bits(u64::MAX)] {
        assert_eq!(world.clients.remove(stale), Err(CommandError::UnknownConn));
        assert_eq!(world.clients.act(stale, |_, _| ()), Err(CommandError::UnknownConn));
        assert!(world.clients.client(stale).is_none() && world.clients.is_settled(stale));
    }
    world.act(b, |client, now| client.push(now, room, "new_msg", json!(1)));
    for id in [b, c] {
        assert_eq!(payload(&world.next_of(id)), json!(1));
    }
    assert_eq!(world.clients.ids().collect::<Vec<_>>(), [c, b]);
    world.turn_until("the end there", |_| server.handle().stats().endpoint.hub.connections == 2);
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_is_refused_in_so_many_words() {
    let mut world = World::new();
    let config = chanson_core::client::Config::new("wss://example.org/socket").unwrap();
    let error = world.clients.add(config).unwrap_err();
    assert_eq!((error, error.to_string().as_str()), (AddError::WithoutTls, "wss:// needs TLS: built without tls"));
    assert!(world.clients.is_empty());
}

#[test]
fn one_thread_pumps_both_ends() {
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(Channel::new("room:*")));
    let mut server: Server = Server::bind("127.0.0.1:0", hub).unwrap();
    let mut world = World::new();
    let id = world.add(config(server.local_addr()));
    world.act(id, |client, now| client.join(now, "room:a", json!({})));
    world.turn_until("the join", |_| {
        server.poll(Duration::ZERO).unwrap();
        server.hub().stats().joins == 1
    });
}
