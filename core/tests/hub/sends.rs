use super::*;
use chanson_core::ConnId;
use chanson_core::error::CommandError;
use serde_json::json;

#[test]
fn push_goes_to_the_client_alone() {
    let mut world = world(room().on("push", |socket, msg| socket.push("pushed", msg.payload)));
    let (a, b) = (member(&mut world), member(&mut world));
    assert_eq!(say(&mut world, a, "push", r#"{"x":1}"#), [pushed("pushed", r#"{"x":1}"#)]);
    assert!(world.recv(b).is_empty());
}

#[test]
fn broadcast_goes_to_all_and_broadcast_from_to_the_others() {
    let mut world = world(room());
    let (a, b, c) = (member(&mut world), member(&mut world), world.connect(V2));
    join(&mut world, c, "room:b");
    assert_eq!(say(&mut world, a, "new_msg", "1"), [broadcast("new_msg", "1")]);
    assert!(say(&mut world, a, "from", "2").is_empty());
    assert_eq!(world.recv(b), [broadcast("new_msg", "1"), broadcast("new_msg", "2")]);
    assert!(world.recv(c).is_empty());
}

#[test]
fn a_broadcast_has_the_form_of_each_subscriber() {
    let mut world = world(room());
    let (a, b, c) = (member(&mut world), world.connect(V1), world.connect(V1));
    for client in [b, c] {
        world.send(client, r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#);
        world.recv(client);
    }
    assert_eq!(say(&mut world, a, "new_msg", "[1]"), [broadcast("new_msg", "[1]")]);
    let v1 = r#"{"topic":"room:a","event":"new_msg","payload":[1],"ref":null}"#;
    assert_eq!((world.recv(b), world.recv(c)), (vec![v1.to_owned()], vec![v1.to_owned()]));
    world.send(b, r#"{"topic":"room:a","event":"from","payload":[2],"ref":"2"}"#);
    assert_eq!((world.recv(a).len(), world.recv(b).len(), world.recv(c).len()), (1, 0, 1));
}

#[test]
fn what_a_handler_says_goes_out_in_its_order() {
    let mut world = world(room().on("mixed", |socket, msg| {
        socket.push("one", json!({}))?;
        socket.broadcast("two", json!({}))?;
        socket.reply(msg.payload)?;
        socket.push("three", json!({}))
    }));
    let a = member(&mut world);
    let expected = [pushed("one", "{}"), broadcast("two", "{}"), replied("ok", "7"), pushed("three", "{}")];
    assert_eq!(say(&mut world, a, "mixed", "7"), expected);
}

#[test]
fn push_to_needs_the_other_in_the_topic() {
    let mut world = world(room().on("to", |socket, msg| {
        let bits: u64 = msg.payload.parse().map_err(|_| CommandError::InvalidJson)?;
        let result = socket.push_to(ConnId::from_bits(bits), "pushed", json!({}));
        socket.reply(json!(result.err().map(|error| error.to_string())))
    }));
    let (a, b, c) = (member(&mut world), member(&mut world), world.connect(V2));
    join(&mut world, c, "room:b");
    let bits = |world: &World<App>, client| world.conn(client).unwrap().to_bits().to_string();
    let (own, other, absent) = (bits(&world, a), bits(&world, b), bits(&world, c));
    assert_eq!(say(&mut world, a, "to", &other), [replied("ok", "null")]);
    assert_eq!(world.recv(b), [pushed("pushed", "{}")]);
    assert_eq!(say(&mut world, a, "to", &own), [pushed("pushed", "{}"), replied("ok", "null")]);
    let not_joined = replied("ok", r#""not joined to that topic""#);
    assert_eq!(say(&mut world, a, "to", &absent), [&*not_joined]);
    world.cut(b);
    let d = member(&mut world);
    assert_eq!(
        world.conn(d).unwrap().index(),
        ConnId::from_bits(other.parse().unwrap()).index(),
        "the slot is used again"
    );
    assert_eq!(say(&mut world, a, "to", &other), [&*not_joined], "a stale id names nobody");
    assert!(world.recv(c).is_empty() && world.recv(d).is_empty());
}

#[test]
fn the_same_sends_on_another_topic() {
    let mut world = world(
        room()
            .on("push", |socket, msg| {
                let topic: String = msg.payload.parse().unwrap_or_default();
                let result = socket.on(&topic).push("pushed", json!(1));
                socket.reply(json!(result.is_ok()))
            })
            .on("all", |socket, _| {
                socket.on("room:nobody").broadcast("all", json!(2))?;
                socket.on("room:b").broadcast("all", json!(2))
            })
            .on("others", |socket, _| socket.on("room:b").broadcast_from("others", json!(3)))
            .on("joined", |socket, _| {
                let joined =
                    json!([socket.is_joined("room:a"), socket.is_joined("room:b"), socket.is_joined("room:c")]);
                socket.reply(joined)
            }),
    );
    let (a, b) = (member(&mut world), world.connect(V2));
    join(&mut world, b, "room:b");
    let on_b = |ref_: &str, event: &str, payload: u8| format!(r#"[{ref_},null,"room:b","{event}",{payload}]"#);
    assert_eq!(say(&mut world, a, "push", r#""room:b""#), [replied("ok", "false")]);
    assert_eq!(say(&mut world, a, "joined", "{}"), [replied("ok", "[true,false,false]")]);
    assert!(say(&mut world, a, "all", "{}").is_empty(), "one need not be in the other topic");
    assert_eq!(world.recv(b), [on_b("null", "all", 2)]);
    world.send(a, r#"["7","7","room:b","phx_join",{}]"#);
    world.recv(a);
    assert_eq!(say(&mut world, a, "push", r#""room:b""#), [on_b(r#""7""#, "pushed", 1), replied("ok", "true")]);
    assert_eq!(say(&mut world, a, "all", "{}"), [on_b("null", "all", 2)]);
    assert!(say(&mut world, a, "others", "{}").is_empty());
    assert_eq!(world.recv(b), [on_b("null", "all", 2), on_b("null", "others", 3)]);
    assert_eq!(say(&mut world, a, "joined", "{}"), [replied("ok", "[true,true,false]")]);
}

#[test]
fn a_join_handler_is_told_at_once_whom_it_cannot_reach() {
    let mut world = world(room().join(|socket, _| {
        let conn = socket.conn();
        let results = [
            socket.on("room:b").push("never", json!({})),
            socket.on("room:a").push("never", json!({})),
            socket.push_to(conn, "never", json!({})),
        ];
        assert_eq!(results, [Err(CommandError::NotJoined); 3], "nor is it joined itself yet");
        Ok(chanson_core::Reply::empty())
    }));
    member(&mut world);
    assert_eq!(world.stats().hub.crashes, 0);
}

#[test]
fn a_handler_knows_who_and_where_it_is() {
    let mount = Mount::channels("/socket/:shard")
        .channel(room().on("who", |socket, _| {
            socket.set_assign("n", "2")?;
            let who = json!([
                socket.topic(),
                socket.id(),
                socket.assign("n"),
                socket.assign("none"),
                socket.param("shard"),
                socket.peer().map(|peer| peer.ip().to_string()),
                socket.subscriber_count("room:a"),
                socket.now().as_millis(),
            ]);
            let conn = socket.conn();
            socket.app().log(conn.to_bits());
            socket.reply(who)
        }))
        .on_connect(|connect| {
            connect.set_id("ann");
            Ok(connect.set_assign("n", "1")?)
        });
    let mut world = mounted(mount);
    world.run_for(std::time::Duration::from_millis(5));
    let a = world.connect("/socket/eu?vsn=2.0.0");
    join(&mut world, a, "room:a");
    let expected = r#"["room:a","ann","2",null,"eu","192.0.2.1",1,5]"#;
    assert_eq!(say(&mut world, a, "who", "{}"), [replied("ok", expected)]);
    assert_eq!(world.app().log, [world.conn(a).unwrap().to_bits().to_string()]);
}

#[test]
fn the_hub_sends_from_outside() {
    let mut world = world(room());
    let (a, b) = (member(&mut world), member(&mut world));
    let (conn, other) = (world.conn(a).unwrap(), world.connect(V2));
    world.act(|hub, _| {
        hub.broadcast("room:a", "all", json!(1)).unwrap();
        hub.broadcast("room:nobody", "all", json!(1)).unwrap();
        hub.broadcast_from(conn, "room:a", "others", json!(2)).unwrap();
        hub.push(conn, "room:a", "one", json!(3)).unwrap();
        assert_eq!(hub.push(conn, "room:b", "one", json!(3)), Err(CommandError::NotJoined));
        assert_eq!(hub.push(ConnId::from_bits(99), "room:a", "one", json!(3)), Err(CommandError::UnknownConn));
    });
    assert_eq!(world.recv(a), [broadcast("all", "1"), pushed("one", "3")]);
    assert_eq!(world.recv(b), [broadcast("all", "1"), broadcast("others", "2")]);
    let not_in = world.conn(other).unwrap();
    world.act(|hub, _| hub.broadcast_from(not_in, "room:a", "all", json!(4))).unwrap();
    assert_eq!((world.recv(a).len(), world.recv(b).len()), (1, 1));
    assert_eq!(world.stats().hub.broadcasts, 3);
}

#[test]
fn a_stale_id_is_no_exception_for_its_successor() {
    let mut world = world(room());
    let a = member(&mut world);
    let stale = world.conn(a).unwrap();
    world.cut(a);
    let b = member(&mut world);
    let now = world.now();
    world.act(|hub, app| {
        hub.broadcast_from(stale, "room:a", "all", json!(1)).unwrap();
        assert_eq!(hub.push(stale, "room:a", "one", json!(3)), Err(CommandError::UnknownConn));
        let close = hub.close(now, app, stale, chanson_core::error::CloseReason::ByUs(1000));
        assert_eq!(close, Err(CommandError::UnknownConn));
        assert!(!hub.is_open(stale) && !hub.is_joined(stale, "room:a"));
        hub.handle_text(now, app, stale, r#"["1","2","room:a","ping",{}]"#);
        hub.handle_close(now, app, stale, chanson_core::error::CloseReason::TransportEof);
    });
    assert_eq!(world.recv(b), [broadcast("all", "1")]);
    assert!(world.is_open(b) && world.hub().is_open(world.conn(b).unwrap()));
}

#[test]
fn names_too_long_for_a_binary_frame_are_told() {
    let mut world = world(room().on("long", |socket, _| {
        let name = "x".repeat(256);
        let too_large = Err(CommandError::TooLarge { len: 256, max: 255 });
        assert_eq!(socket.push(&name, chanson_core::Binary(&[])), too_large);
        assert_eq!(socket.broadcast(&name, chanson_core::Binary(&[])), too_large);
        socket.push(&name[1..], chanson_core::Binary(&[]))
    }));
    let a = member(&mut world);
    assert!(say(&mut world, a, "long", "{}").is_empty());
    assert!(matches!(world.next(a), Some(chanson_core::memory::Incoming::Binary(_))));
}

#[test]
fn counters_count() {
    let mut world = world(room());
    let (a, _b) = (member(&mut world), member(&mut world));
    say(&mut world, a, "new_msg", "1");
    say(&mut world, a, "ping", "1");
    let stats = world.stats().hub;
    assert_eq!((stats.opened, stats.refused, stats.received, stats.broadcasts), (2, 0, 4, 1));
    assert_eq!((stats.delivered, stats.connections, stats.topics, stats.joins), (2 + 2 + 1, 2, 1, 2));
}
