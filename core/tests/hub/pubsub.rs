use super::*;
use chanson_core::error::{CloseReason, CommandError};
use chanson_core::memory::Incoming;
use chanson_core::{Capacity, ConnId};
use serde_json::json;

/// Channels at `/socket`, and at `/raw` a WebSocket that does as it is told.
fn world() -> World<App> {
    world_with(Capacity::default())
}

fn world_with(capacity: Capacity) -> World<App> {
    let raw = Mount::<App>::raw("/raw/:name")
        .on_open(|raw| {
            let name = raw.param("name").unwrap_or_default().to_owned();
            raw.app().log(format_args!("{name} opened"));
            raw.send_text("hello")
        })
        .on_text(|raw, text| {
            let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
            let (topic, text) = rest.split_once(' ').unwrap_or((rest, ""));
            match verb {
                "sub" => match raw.subscribe(topic) {
                    Ok(()) => Ok(()),
                    Err(error) => raw.send_text(&error.to_string()),
                },
                "unsub" => {
                    let was = raw.unsubscribe(topic);
                    raw.send_text(&was.to_string())
                }
                "pub" => {
                    raw.broadcast(topic, text);
                    Ok(())
                }
                "from" => {
                    raw.broadcast_from(topic, text);
                    Ok(())
                }
                "count" => raw.send_text(&raw.subscriber_count(topic).to_string()),
                "close" => {
                    raw.close(4000);
                    raw.send_text("bye")
                }
                "fail" => Err(CommandError::NotAllowed),
                "panic" => panic!("raw panics"),
                "who" => {
                    let peer = raw.peer().map(|peer| peer.ip());
                    let who = format!("{:?} {:?} {peer:?} {:?}", raw.assign("user"), raw.id(), raw.now());
                    let conn = raw.conn();
                    raw.app().log(conn.to_bits());
                    raw.send_text(&who)
                }
                _ => raw.send_text(text),
            }
        })
        .on_binary(|raw, data| raw.send_binary(data))
        .on_close(|raw, why| {
            let left = raw.subscriber_count("news");
            let name = raw.param("name").unwrap_or_default().to_owned();
            raw.app().log(format_args!("{name} {why:?} {left}"));
            assert_eq!(raw.send_text("late"), Err(CommandError::UnknownConn));
        })
        .on_connect(|connect| {
            connect.set_id("raw:ann");
            Ok(connect.set_assign("user", "ann")?)
        });
    build(builder().mount(Mount::channels("/socket").channel(room())).mount(raw).capacity(capacity))
}

fn open(world: &mut World<App>, name: &str) -> Client {
    let client = world.connect(&format!("/raw/{name}"));
    assert_eq!(world.recv(client), ["hello"]);
    client
}

fn tell(world: &mut World<App>, client: Client, text: &str) -> Vec<String> {
    world.send(client, text);
    world.recv(client)
}

fn subscribed(world: &mut World<App>, name: &str) -> Client {
    let client = open(world, name);
    assert!(tell(world, client, "sub news").is_empty());
    client
}

#[test]
fn raw_handlers_hear_of_all_that_happens() {
    let mut world = world();
    let a = subscribed(&mut world, "a");
    world.send_binary(a, &[1, 2]);
    assert_eq!(world.next(a), Some(Incoming::Binary(vec![1, 2])));
    assert_eq!(tell(&mut world, a, "who"), [r#"Some("ann") Some("raw:ann") Some(192.0.2.1) Instant(0ns)"#]);
    let conn = world.conn(a).unwrap().to_bits().to_string();
    world.close(a, 1000);
    assert_eq!(world.app().log, ["a opened", &*conn, "a ByPeer(1000) 0"]);
}

#[test]
fn text_goes_exactly_as_given_to_the_subscribers() {
    let mut world = world();
    let (a, b, c) = (subscribed(&mut world, "a"), subscribed(&mut world, "b"), open(&mut world, "c"));
    assert_eq!(tell(&mut world, a, "pub news not \u{1}json"), ["not \u{1}json"]);
    assert!(tell(&mut world, a, "from news x").is_empty());
    assert!(tell(&mut world, c, "from news y").is_empty(), "one need not be subscribed");
    assert_eq!(
        (world.recv(a), world.recv(b)),
        (vec!["y".to_owned()], ["not \u{1}json", "x", "y"].map(String::from).to_vec())
    );
    assert_eq!(tell(&mut world, c, "count news"), ["2"]);
    assert!(world.recv(c).is_empty());
}

#[test]
fn a_subscription_ends_and_is_one_however_often_it_is_made() {
    let mut world = world();
    let a = subscribed(&mut world, "a");
    tell(&mut world, a, "sub news");
    assert_eq!(tell(&mut world, a, "pub news x"), ["x"]);
    assert_eq!(tell(&mut world, a, "unsub news"), ["true"]);
    assert_eq!(tell(&mut world, a, "unsub news"), ["false"]);
    assert!(tell(&mut world, a, "pub news x").is_empty());
    assert_eq!((world.stats().hub.joins, world.stats().hub.topics), (0, 0));
}

#[test]
fn raw_text_and_channel_messages_do_not_mix() {
    let mut world = world();
    let (member, raw) = (member(&mut world), open(&mut world, "a"));
    tell(&mut world, raw, "sub room:a");
    assert_eq!(world.hub().subscriber_count("room:a"), 2);
    world.act(|hub, _| {
        hub.pubsub().broadcast("room:a", "raw");
        hub.broadcast("room:a", "channel", json!({})).unwrap();
    });
    assert_eq!((world.recv(member), world.recv(raw)), (vec![broadcast("channel", "{}")], vec!["raw".to_owned()]));
}

#[test]
fn pubsub_from_outside() {
    let mut world = world();
    let (a, b) = (open(&mut world, "a"), open(&mut world, "b"));
    let (one, two) = (world.conn(a).unwrap(), world.conn(b).unwrap());
    world.act(|hub, _| {
        let mut pubsub = hub.pubsub();
        for topic in ["x", "y", "z"] {
            assert_eq!(pubsub.subscribe(one, topic), Ok(()));
        }
        assert_eq!((pubsub.subscribe(two, "x"), pubsub.subscriber_count("x")), (Ok(()), 2));
        pubsub.broadcast("x", "1");
        pubsub.broadcast("nobody", "1");
        pubsub.broadcast_from(one, "x", "2");
        assert!(pubsub.unsubscribe(one, "x") && !pubsub.unsubscribe(one, "x"));
        assert_eq!((pubsub.unsubscribe_all(one), pubsub.unsubscribe_all(one)), (2, 0));
        assert_eq!(pubsub.subscribe(ConnId::from_bits(77), "x"), Err(CommandError::UnknownConn));
        assert!(!pubsub.unsubscribe(ConnId::from_bits(77), "x"));
    });
    assert_eq!((world.recv(a), world.recv(b)), (vec!["1".to_owned()], vec!["1".to_owned(), "2".to_owned()]));
    assert_eq!((world.stats().hub.joins, world.stats().hub.topics), (1, 1));
}

#[test]
fn unsubscribe_all_leaves_joins_alone() {
    let mut world = world();
    let a = member(&mut world);
    let conn = world.conn(a).unwrap();
    world.act(|hub, _| hub.pubsub().subscribe(conn, "room:a")).unwrap();
    assert_eq!(world.act(|hub, _| hub.pubsub().unsubscribe_all(conn)), 1);
    assert_eq!(say(&mut world, a, "new_msg", "1"), [broadcast("new_msg", "1")]);
}

#[test]
fn a_stale_id_is_no_exception_for_its_successor() {
    let mut world = world();
    let a = subscribed(&mut world, "a");
    let stale = world.conn(a).unwrap();
    world.cut(a);
    let b = subscribed(&mut world, "b");
    assert_eq!(world.conn(b).unwrap().index(), stale.index());
    world.act(|hub, _| {
        hub.pubsub().broadcast_from(stale, "news", "x");
        assert!(!hub.pubsub().unsubscribe(stale, "news"));
        assert_eq!(hub.pubsub().unsubscribe_all(stale), 0);
    });
    assert_eq!(world.recv(b), ["x"]);
}

#[test]
fn subscriptions_end_with_the_connection_before_its_handler_runs() {
    let mut world = world();
    let a = subscribed(&mut world, "a");
    subscribed(&mut world, "b");
    world.cut(a);
    assert_eq!(world.app().log.last().unwrap(), "a TransportEof 1");
    assert_eq!(world.stats().hub.joins, 1);
}

#[test]
fn a_raw_handler_closes_with_a_code_of_its_own() {
    let mut world = world();
    let a = open(&mut world, "a");
    assert_eq!(tell(&mut world, a, "close"), ["bye"]);
    assert_eq!(world.closed(a), Some(4000));
    assert_eq!(world.app().log.last().unwrap(), &format!("a {:?} 0", CloseReason::ByUs(4000)));
}

#[test]
fn a_raw_handler_that_fails_closes_its_connection() {
    for verb in ["fail", "panic"] {
        let mut world = world();
        let (a, b) = (open(&mut world, "a"), open(&mut world, "b"));
        world.send(a, verb);
        assert_eq!((world.closed(a), world.closed(b)), (Some(1011), None));
        assert_eq!(world.stats().hub.crashes, 1);
    }
}

#[test]
fn without_handlers_a_raw_mount_takes_everything() {
    let mut world = mounted(Mount::raw("/raw"));
    let a = world.connect("/raw/websocket?vsn=99");
    world.send(a, "x");
    world.send_binary(a, b"x");
    world.close(a, 1000);
    assert_eq!((world.closed(a), world.stats().hub.received), (Some(1000), 2));
}

#[test]
fn raw_and_joined_count_in_the_same_bounds() {
    let small = || Capacity::default().with_joins_per_connection(2);
    let mut world = world_with(small());
    let a = member(&mut world);
    let conn = world.conn(a).unwrap();
    world.act(|hub, _| {
        assert_eq!(hub.pubsub().subscribe(conn, "x"), Ok(()));
        assert_eq!(hub.pubsub().subscribe(conn, "y"), Err(CommandError::Full));
    });
    assert_eq!(ask_join(&mut world, a, "room:b"), [refused("room:b", "too many channels joined")]);
    world.act(|hub, _| hub.pubsub().unsubscribe_all(conn));
    join(&mut world, a, "room:b");

    let mut world = world_with(small().with_subscribers_per_topic(1));
    let (a, b) = (member(&mut world), open(&mut world, "b"));
    assert_eq!(tell(&mut world, b, "sub room:a"), ["at capacity"]);
    say(&mut world, a, "phx_leave", "{}");
    assert!(tell(&mut world, b, "sub room:a").is_empty());
    assert_eq!(ask_join(&mut world, a, "room:a"), [refused("room:a", "topic full")]);

    let mut world = world_with(small().with_topic_bytes(5).with_topics(1));
    let b = open(&mut world, "b");
    assert_eq!(tell(&mut world, b, "sub 123456"), ["6 bytes where 5 are allowed"]);
    assert!(tell(&mut world, b, "sub 1234").is_empty());
    assert_eq!(tell(&mut world, b, "sub 123"), ["at capacity"]);
}

#[test]
fn a_connection_that_on_open_ends_is_opened_first() {
    type OnOpen = fn(&mut chanson_core::Raw<'_, App>) -> Result<(), CommandError>;
    let ends: [(OnOpen, u16); 2] = [
        (
            |raw| {
                raw.send_text("no")?;
                raw.close(4001);
                Ok(())
            },
            4001,
        ),
        (|raw| raw.send_text("no").and(Err(CommandError::NotAllowed)), 1011),
    ];
    for (end, code) in ends {
        let mut world = mounted(Mount::raw("/raw").on_open(end));
        let a = world.connect("/raw");
        assert_eq!((world.recv(a), world.closed(a)), (vec!["no".to_owned()], Some(code)));
        assert_eq!(world.stats().hub.connections, 0);
    }
}

#[test]
fn what_on_open_says_comes_behind_an_upgrade_that_was_put_off() {
    let mount = Mount::<App>::raw("/raw").on_open(|raw| raw.send_text("hello")).on_connect(|connect| {
        let ticket = connect.defer()?;
        connect.app().tickets.push(ticket);
        Ok(())
    });
    let mut world = mounted(mount);
    let a = world.dial("/raw", &[]);
    let (now, ticket) = (world.now(), world.app().tickets[0]);
    world.act(|hub, app| hub.answer_connect(now, app, ticket, Ok(chanson_core::Accept::new()))).unwrap();
    assert_eq!(world.recv(a), ["hello"]);
}

#[test]
fn one_connection_can_be_told_something() {
    let mut world = world();
    let (a, b) = (world.connect("/raw/a"), world.connect("/raw/b"));
    let (conn, gone) = (world.conn(a).unwrap(), world.conn(b).unwrap());
    world.cut(b);
    let told = world.act(|hub, _| (hub.pubsub().send_text(conn, "psst"), hub.pubsub().send_text(gone, "psst")));
    assert_eq!(told, (Ok(()), Err(CommandError::UnknownConn)));
    assert_eq!(world.recv(a), ["hello", "psst"]);
}

#[test]
fn requests_for_no_websocket_can_be_left_to_the_hook() {
    let hub = builder()
        .mount(Mount::raw("/socket").websocket_only())
        .mount(Mount::raw("/raw"))
        .on_request(|_, request| Some(chanson_core::http::Response::text(404, request.path())));
    let mut world = build(hub);
    assert_eq!(world.request("POST", "/socket", &[], b"{}").unwrap().text(), "/socket");
    assert_eq!(world.request("GET", "/socket/websocket", &[], b"").unwrap().status, 404);
    assert_eq!(world.request("GET", "/socket", &[("Upgrade", "websocket")], b"").unwrap().status, 400);
    assert_eq!(world.request("POST", "/raw", &[], b"{}").unwrap().status, 405);
    let client = world.connect("/socket");
    assert!(world.is_open(client));
}
