use super::*;
use chanson_core::{Join, Refuse, Reply, Socket};
use serde_json::json;

fn joining(
    handler: impl Fn(&mut Socket<'_, App>, Join<'_>) -> Result<Reply, Refuse> + Send + Sync + 'static,
) -> World<App> {
    world(room().join(handler))
}

#[test]
fn without_a_handler_every_join_is_ok() {
    let mut world = world(Channel::new("room:*"));
    let a = world.connect(V2);
    assert_eq!(ask_join(&mut world, a, "room:a"), [joined("room:a")]);
    assert_eq!(ask_join(&mut world, a, "room:"), [joined("room:")]);
}

#[test]
fn version_1_is_answered_in_its_form() {
    let mut world = world(room());
    let a = world.connect(V1);
    world.send(a, r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#);
    let ok = r#""event":"phx_reply","payload":{"status":"ok","response":{}}"#;
    assert_eq!(world.recv(a), [format!(r#"{{"topic":"room:a",{ok},"ref":"1"}}"#)]);
}

#[test]
fn the_handler_sees_payload_and_topic_and_gives_the_response() {
    let mut world = joining(|_, join| {
        Ok(Reply::json(&json!([join.topic, join.payload.json().map(|json| json.as_str().to_owned())])))
    });
    let a = world.connect(V2);
    world.send(a, r#"["1","1","room:a","phx_join",{"b": 1.0,"a":2}]"#);
    let response = r#"["room:a","{\"b\": 1.0,\"a\":2}"]"#;
    assert_eq!(world.recv(a), [format!(r#"["1","1","room:a","phx_reply",{{"status":"ok","response":{response}}}]"#)]);
}

#[test]
fn a_payload_comes_back_byte_for_byte() {
    let mut world = joining(|_, join| Ok(Reply::payload(join.payload)));
    let a = world.connect(V2);
    let payload = r#"{"z":1e3,"a":"A\/","z":-0 , "n":[ ]}"#;
    world.send(a, &format!(r#"["1","1","room:a","phx_join",{payload}]"#));
    assert_eq!(world.recv(a), [format!(r#"["1","1","room:a","phx_reply",{{"status":"ok","response":{payload}}}]"#)]);
}

#[test]
fn a_refusal_is_told_with_its_reason_and_leaves_nothing() {
    let mut world = joining(|socket, join| {
        socket.push("never", json!({}))?;
        socket.broadcast("never", json!({}))?;
        socket.track("never", json!({}))?;
        match join.topic {
            "room:a" => Err(Refuse::default()),
            _ => Err(Refuse::json(&json!({ "code": 7 }))),
        }
    });
    let a = world.connect(V2);
    assert_eq!(ask_join(&mut world, a, "room:a"), [refused("room:a", "join rejected")]);
    world.send(a, r#"["1","1","room:b","phx_join",{}]"#);
    let response = r#"{"status":"error","response":{"code":7}}"#;
    assert_eq!(world.recv(a), [format!(r#"["1","1","room:b","phx_reply",{response}]"#)]);
    let stats = world.stats().hub;
    assert_eq!((stats.refused_joins, stats.joins, stats.topics, stats.presences), (2, 0, 0, 0));
    assert!(world.app().log.is_empty(), "no leave of what was no join");
    assert_eq!(say(&mut world, a, "ping", "{}"), [unmatched()]);
}

fn unmatched() -> String {
    r#"[null,"2","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#.into()
}

#[test]
fn a_topic_that_no_channel_serves_is_unmatched() {
    let mut world = world(room());
    let a = world.connect(V2);
    let expected = r#"[null,"1","hall:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    assert_eq!(ask_join(&mut world, a, "hall:a"), [expected]);
    assert_eq!(world.stats().hub.unmatched_topics, 1);
}

#[test]
fn the_first_channel_that_matches_serves() {
    let answer = |text: &'static str| move |_: &mut Socket<'_, App>, _: Join<'_>| Ok(Reply::json(text));
    let mount = Mount::channels("/socket")
        .channel(Channel::new("room:lobby").join(answer("lobby")))
        .channel(Channel::new("room:*").join(answer("any")));
    let mut world = mounted(mount);
    let a = world.connect(V2);
    assert!(ask_join(&mut world, a, "room:lobby")[0].contains(r#""response":"lobby""#));
    assert!(ask_join(&mut world, a, "room:x")[0].contains(r#""response":"any""#));
}

#[test]
fn what_the_handler_sends_goes_out_behind_the_reply_in_order() {
    let mut world = joining(|socket, _| {
        socket.push("one", json!({}))?;
        socket.broadcast("two", json!({}))?;
        socket.broadcast_from("none", json!({}))?;
        socket.on("room:a").broadcast("three", json!({}))?;
        socket.push("four", json!({}))?;
        Ok(Reply::empty())
    });
    let a = world.connect(V2);
    let expected =
        [joined("room:a"), pushed("one", "{}"), broadcast("two", "{}"), broadcast("three", "{}"), pushed("four", "{}")];
    assert_eq!(ask_join(&mut world, a, "room:a"), expected);
}

#[test]
fn what_a_join_handler_broadcasts_reaches_others() {
    let mut world = joining(|socket, _| {
        socket.broadcast_from("came", json!({}))?;
        Ok(Reply::empty())
    });
    let a = member(&mut world);
    member(&mut world);
    assert_eq!(world.recv(a), [broadcast("came", "{}")]);
}

#[test]
fn a_second_join_replaces_the_first_whose_close_comes_behind_the_reply() {
    let mut world = world(room());
    let a = member(&mut world);
    world.send(a, r#"["2","3","room:a","phx_join",{}]"#);
    let expected =
        [r#"["2","3","room:a","phx_reply",{"status":"ok","response":{}}]"#, r#"["1","1","room:a","phx_close",{}]"#];
    assert_eq!(world.recv(a), expected);
    assert_eq!(world.app().log, ["room:a Rejoined"]);
    assert_eq!(world.stats().hub.joins, 1);
    assert!(say(&mut world, a, "ping", "{}").is_empty(), "the old join_ref is stale");
    world.send(a, r#"["2","4","room:a","ping",{}]"#);
    assert_eq!(world.recv(a).len(), 1);
}

#[test]
fn a_second_join_that_is_refused_ends_the_first_all_the_same() {
    let mut world = joining(|_, join| match join.payload.parse::<Option<u8>>() {
        Ok(Some(_)) => Err(Refuse::default()),
        _ => Ok(Reply::empty()),
    });
    let a = member(&mut world);
    world.send(a, r#"["2","3","room:a","phx_join",1]"#);
    let expected = [
        r#"["2","3","room:a","phx_reply",{"status":"error","response":{"reason":"join rejected"}}]"#,
        r#"["1","1","room:a","phx_close",{}]"#,
    ];
    assert_eq!(world.recv(a), expected);
    assert_eq!(say(&mut world, a, "ping", "{}"), [unmatched()]);
}

#[test]
fn what_a_second_join_sends_comes_behind_the_close_of_the_first() {
    let mut world = joining(|socket, _| {
        socket.push("hello", json!({}))?;
        Ok(Reply::empty())
    });
    let a = world.connect(V2);
    ask_join(&mut world, a, "room:a");
    world.send(a, r#"["2","2","room:a","phx_join",{}]"#);
    let expected = [
        r#"["2","2","room:a","phx_reply",{"status":"ok","response":{}}]"#,
        r#"["1","1","room:a","phx_close",{}]"#,
        r#"["2",null,"room:a","hello",{}]"#,
    ];
    assert_eq!(world.recv(a), expected);
}

#[test]
fn a_reply_that_cannot_be_written_is_a_failure() {
    let mut world = joining(|_, join| match join.topic {
        "room:a" => Ok(Reply::json(&std::collections::BTreeMap::from([((1, 2), 3)]))),
        _ => Ok(Reply::Later),
    });
    let a = world.connect(V2);
    assert_eq!(ask_join(&mut world, a, "room:a"), [refused("room:a", "join crashed")]);
    assert_eq!(ask_join(&mut world, a, "room:b"), [refused("room:b", "join crashed")], "no ticket was taken");
    assert_eq!(world.stats().hub.crashes, 2);
}

#[test]
fn a_binary_reply_needs_version_2() {
    let mut world = joining(|_, _| Ok(Reply::binary([1, 2, 3])));
    let (a, b) = (world.connect(V1), world.connect(V2));
    world.send(a, r#"{"topic":"room:a","event":"phx_join","payload":{},"ref":"1"}"#);
    assert!(world.recv(a)[0].contains(r#"{"status":"error","response":{"reason":"join crashed"}}"#));
    world.send(b, r#"["1","1","room:a","phx_join",{}]"#);
    let reply = [&b"\x01\x01\x01\x06\x02"[..], b"11room:aok", &[1, 2, 3]].concat();
    assert_eq!(world.next(b), Some(chanson_core::memory::Incoming::Binary(reply)));
    assert_eq!(world.stats().hub.joins, 1);
}

#[test]
fn a_join_can_be_stopped_by_its_own_handler() {
    let mut world = joining(|socket, _| {
        socket.stop();
        Ok(Reply::empty())
    });
    let a = world.connect(V2);
    let closed = r#"["1","1","room:a","phx_close",{}]"#.to_owned();
    assert_eq!(ask_join(&mut world, a, "room:a"), [joined("room:a"), closed]);
    assert_eq!(world.app().log, ["room:a Stopped"]);
}

#[test]
fn mounts_share_rooms() {
    let hub = builder()
        .mount(Mount::channels("/socket").channel(room()))
        .mount(Mount::channels("/other").channel(room().on("ping", |socket, _| socket.reply(json!("other")))));
    let mut world = build(hub);
    let (a, b) = (member(&mut world), world.connect("/other?vsn=2.0.0"));
    join(&mut world, b, "room:a");
    say(&mut world, a, "new_msg", "1");
    assert_eq!(world.recv(b), [broadcast("new_msg", "1")]);
    assert_eq!(say(&mut world, b, "ping", "{}"), [replied("ok", r#""other""#)]);
}

#[test]
fn one_joins_many_topics_each_on_its_own() {
    let mut world = world(room());
    let a = member(&mut world);
    join(&mut world, a, "room:b");
    world.send(a, r#"["1","2","room:b","phx_leave",{}]"#);
    assert_eq!(world.recv(a).len(), 2);
    assert_eq!(say(&mut world, a, "ping", "{}"), [OK]);
}

#[test]
fn state_of_a_join_lasts_as_long_as_it_does() {
    struct Bomb(std::sync::Arc<std::sync::atomic::AtomicBool>);
    impl Drop for Bomb {
        fn drop(&mut self) {
            self.0.store(true, std::sync::atomic::Ordering::Relaxed);
        }
    }
    let dropped = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    let shared = dropped.clone();
    let channel = Channel::<App>::new("room:*")
        .join(move |socket, _| {
            socket.set_state((5_u32, Bomb(shared.clone())));
            Ok(Reply::empty())
        })
        .on("count", |socket, _| {
            if let Some((count, _)) = socket.state_mut::<(u32, Bomb)>() {
                *count += 1;
            }
            assert!(socket.state::<String>().is_none());
            let count = socket.state::<(u32, Bomb)>().map(|(count, _)| *count);
            socket.reply(json!(count))
        })
        .leave(|socket, _| {
            let count = socket.state::<(u32, Bomb)>().map(|(count, _)| *count);
            socket.app().log(format_args!("{count:?}"));
        });
    let mut world = world(channel);
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "count", "{}"), [replied("ok", "6")]);
    assert!(!dropped.load(std::sync::atomic::Ordering::Relaxed));
    say(&mut world, a, "phx_leave", "{}");
    assert_eq!(world.app().log, ["Some(6)"]);
    assert!(dropped.load(std::sync::atomic::Ordering::Relaxed));
}
