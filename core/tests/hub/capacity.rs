use super::*;
use chanson_core::error::CommandError;
use chanson_core::{Capacity, Reply};
use serde_json::json;

fn with_capacity(channel: Channel<App>, capacity: Capacity) -> World<App> {
    build(builder().mount(Mount::channels("/socket").channel(channel)).capacity(capacity))
}

fn small() -> Capacity {
    Capacity::default()
}

#[test]
fn connections() {
    let mut world = with_capacity(room(), small().with_connections(2));
    let (a, b) = (member(&mut world), member(&mut world));
    assert_eq!(world.try_connect(V2, &[]).unwrap_err().status, 503);
    assert_eq!(say(&mut world, a, "new_msg", "1").len() + world.recv(b).len(), 2, "the others are unharmed");
    world.cut(a);
    member(&mut world);
}

#[test]
fn topics() {
    let mut world = with_capacity(room(), small().with_topics(2));
    let a = world.connect(V2);
    join(&mut world, a, "room:a");
    join(&mut world, a, "room:b");
    assert_eq!(ask_join(&mut world, a, "room:c"), [refused("room:c", "too many topics")]);
    let b = member(&mut world);
    say(&mut world, a, "phx_leave", "{}");
    assert_eq!(ask_join(&mut world, a, "room:c"), [refused("room:c", "too many topics")]);
    say(&mut world, b, "phx_leave", "{}");
    join(&mut world, a, "room:c");
    assert_eq!(world.stats().hub.topics, 2);
}

#[test]
fn subscribers_of_a_topic() {
    let mut world = with_capacity(room(), small().with_subscribers_per_topic(2));
    let (a, b, c) = (member(&mut world), member(&mut world), world.connect(V2));
    assert_eq!(ask_join(&mut world, c, "room:a"), [refused("room:a", "topic full")]);
    join(&mut world, c, "room:b");
    assert_eq!(say(&mut world, a, "new_msg", "1").len() + world.recv(b).len(), 2);
    world.send(a, r#"["2","2","room:a","phx_join",{}]"#);
    assert_eq!(world.recv(a).len(), 2, "one's own place can be taken anew");
    world.cut(b);
    join(&mut world, c, "room:a");
}

#[test]
fn joins_of_a_connection() {
    let mut world = world(room());
    let a = world.connect(V2);
    (0..16).for_each(|n| join(&mut world, a, &format!("room:{n}")));
    assert_eq!(ask_join(&mut world, a, "room:16"), [refused("room:16", "too many channels joined")]);
    world.send(a, r#"["1","1","room:3","phx_join",{}]"#);
    assert_eq!(world.recv(a).len(), 2, "a second join replaces the first");
    world.send(a, r#"["1","1","room:3","phx_leave",{}]"#);
    world.recv(a);
    join(&mut world, a, "room:16");
}

#[test]
fn joins_in_all() {
    let mut world = with_capacity(room(), small().with_joins(2));
    let (_a, b, c) = (member(&mut world), member(&mut world), world.connect(V2));
    assert_eq!(ask_join(&mut world, c, "room:a"), [refused("room:a", "too many joins")]);
    world.cut(b);
    join(&mut world, c, "room:a");
}

#[test]
fn a_join_that_is_refused_takes_no_place() {
    let refusing = room().join(|_, join| match join.topic {
        "room:a" => Ok(Reply::empty()),
        _ => Err(chanson_core::Refuse::default()),
    });
    let capacity = small().with_joins(1).with_topics(1).with_joins_per_connection(1).with_subscribers_per_topic(1);
    let mut world = with_capacity(refusing, capacity);
    let a = world.connect(V2);
    for _ in 0..3 {
        assert_eq!(ask_join(&mut world, a, "room:b"), [refused("room:b", "join rejected")]);
    }
    join(&mut world, a, "room:a");
}

#[test]
fn the_length_of_a_topic() {
    let mut world = world(room());
    let a = world.connect(V2);
    let topic = format!("room:{}", "x".repeat(123));
    join(&mut world, a, &topic);
    let long = format!("{topic}x");
    assert_eq!(ask_join(&mut world, a, &long), [refused(&long, "topic too long")]);
}

#[test]
fn the_length_of_an_event() {
    let mut world = world(room().on_any(|socket, _| socket.reply(json!({}))));
    let a = member(&mut world);
    let event = "x".repeat(128);
    assert_eq!(say(&mut world, a, &event, "{}"), [OK]);
    let too_long = replied("error", r#"{"reason":"event too long"}"#);
    assert_eq!(say(&mut world, a, &format!("{event}x"), "{}"), [too_long]);
    assert_eq!(world.stats().hub.joins, 1);
}

#[test]
fn the_length_of_a_ref() {
    for (join_ref, ref_) in [(1, 1025), (1025, 1)] {
        let mut world = world(room());
        let a = member(&mut world);
        world.send(a, &format!(r#"[null,"{}","room:a","ping",{{}}]"#, "x".repeat(1022)));
        assert_eq!(world.recv(a).len(), 1);
        world.send(a, &format!(r#"["{}","{}","room:a","ping",{{}}]"#, "x".repeat(join_ref), "x".repeat(ref_)));
        assert_eq!(world.closed(a), Some(1011));
    }
}

#[test]
fn presences_keys_and_metas() {
    let channel = room()
        .on("track", |socket, msg| {
            let key: String = msg.payload.parse().unwrap_or_default();
            let result = socket.track(&key, json!({}));
            socket.reply(json!(result.map_err(|error| error.to_string())))
        })
        .on("meta", |socket, msg| {
            let (key, size): (String, usize) = msg.payload.parse().unwrap_or_default();
            let meta = json!({ "x": "x".repeat(size) });
            let results = [socket.track(&key, &meta), socket.update("a", &meta)];
            socket.reply(json!(results.map(|result| result.map_err(|error| error.to_string()))))
        });
    let capacity = small().with_presences(2).with_presence_key_bytes(3).with_presence_meta_bytes(10);
    let mut world = with_capacity(channel, capacity);
    let (a, b) = (member(&mut world), member(&mut world));
    let ok = replied("ok", r#"{"Ok":null}"#);
    let full = replied("ok", r#"{"Err":"at capacity"}"#);
    assert_eq!(say(&mut world, a, "track", r#""a""#).last(), Some(&ok));
    assert_eq!(say(&mut world, a, "track", r#""long""#), [replied("ok", r#"{"Err":"4 bytes where 3 are allowed"}"#)]);
    let metas = say(&mut world, a, "meta", r#"["b",3]"#);
    let too_large = r#"{"Err":"11 bytes where 10 are allowed"}"#;
    assert_eq!(metas, [replied("ok", &format!("[{too_large},{too_large}]"))]);
    let metas = say(&mut world, a, "meta", r#"["b",2]"#);
    assert_eq!(metas.last(), Some(&replied("ok", r#"[{"Ok":null},{"Ok":null}]"#)));
    world.recv(b);
    assert_eq!(say(&mut world, b, "track", r#""c""#), [&*full]);
    world.cut(a);
    world.recv(b);
    assert_eq!(say(&mut world, b, "track", r#""c""#).last(), Some(&ok));
}

#[test]
fn a_join_that_tracks_beyond_the_bound_is_refused_by_name() {
    let channel = room().join(|socket, _| {
        let conn = socket.conn().index().to_string();
        socket.track(&conn, json!({}))?;
        Ok(Reply::empty())
    });
    let mut world = with_capacity(channel, small().with_presences(1));
    let (a, b) = (world.connect(V2), world.connect(V2));
    assert_eq!(ask_join(&mut world, a, "room:a").len(), 2);
    assert_eq!(ask_join(&mut world, b, "room:a"), [refused("room:a", "at capacity")]);
    assert_eq!(world.stats().hub.crashes, 0);
}

#[test]
fn tickets() {
    let channel = room().on("later", |socket, _| match socket.defer() {
        Ok(ticket) => {
            socket.app().tickets.push(ticket);
            Ok(())
        }
        Err(error) => socket.reply_with("error", json!(error.to_string())),
    });
    let mut world = with_capacity(channel, small().with_tickets(2));
    let a = member(&mut world);
    assert!(say(&mut world, a, "later", "{}").is_empty() && say(&mut world, a, "later", "{}").is_empty());
    assert_eq!(say(&mut world, a, "later", "{}"), [replied("error", r#""at capacity""#)]);
    let (now, ticket) = (world.now(), world.app().tickets[0]);
    world.act(|hub, app| hub.answer(now, app, ticket, Ok(Reply::empty()))).unwrap();
    world.recv(a);
    assert!(say(&mut world, a, "later", "{}").is_empty());
    assert_eq!(world.stats().hub.tickets, 2);
}

#[test]
fn events_that_wait_for_a_join() {
    let channel = room().join(|socket, _| {
        let ticket = socket.defer()?;
        socket.app().tickets.push(ticket);
        Ok(Reply::Later)
    });
    let mut world = with_capacity(channel, small().with_pending_events_per_join(1));
    let a = world.connect(V2);
    ask_join(&mut world, a, "room:a");
    assert!(say(&mut world, a, "ping", "{}").is_empty());
    assert_eq!(say(&mut world, a, "ping", "{}"), [replied("error", r#"{"reason":"join pending"}"#)]);
}

#[test]
fn everything_is_given_back_when_everyone_has_left() {
    let channel = room()
        .join(|socket, _| {
            let conn = socket.conn().index().to_string();
            socket.track(&conn, json!({}))?;
            Ok(Reply::empty())
        })
        .on("later", |socket, _| {
            let ticket = socket.defer()?;
            socket.app().tickets.push(ticket);
            Ok::<_, CommandError>(())
        });
    let mut world = world(channel);
    for round in 0..5 {
        let clients: Vec<_> = (0..20).map(|_| world.connect(V2)).collect();
        for (n, client) in clients.iter().enumerate() {
            ask_join(&mut world, *client, "room:a");
            ask_join(&mut world, *client, &format!("room:{}", n % 7));
            say(&mut world, *client, "later", "{}");
        }
        let before = world.stats().hub;
        assert_eq!((before.connections, before.joins, before.topics), (20, 40, 8));
        assert_eq!((before.presences, before.tickets), (40, 20));
        for (n, client) in clients.into_iter().enumerate() {
            match (n + round) % 3 {
                0 => world.cut(client),
                1 => world.close(client, 1000),
                _ => {
                    say(&mut world, client, "phx_leave", "{}");
                    world.send(client, "nonsense");
                }
            }
        }
        let after = world.stats();
        assert_eq!((after.hub.connections, after.hub.joins, after.hub.topics), (0, 0, 0));
        assert_eq!((after.hub.presences, after.hub.tickets, after.queued_bytes), (0, 0, 0));
    }
}
