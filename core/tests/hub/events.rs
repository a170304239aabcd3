use super::*;
use chanson_core::error::CommandError;
use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::memory::Incoming;
use chanson_core::{AsJson, Binary, Json, PayloadBuf};
use serde_json::json;
use std::time::Duration;

#[test]
fn a_handler_sees_what_came() {
    let mut world = world(room().on_any(|socket, msg| {
        let at = format!("{} {} {:?} {:?}", msg.event, msg.topic, msg.payload, msg.ref_);
        let join_ref = format!("{:?}", socket.join_ref());
        socket.app().log(format_args!("{at} {join_ref}"));
    }));
    let a = member(&mut world);
    world.send(a, r#"["1",7,"room:a","what",[true]]"#);
    assert_eq!(world.app().log, [r#"what room:a Json(Json("[true]")) 7 "1""#]);
}

#[test]
fn a_handler_of_its_own_comes_before_on_any_and_the_last_registered_counts() {
    let say_it = |text: &'static str| {
        move |socket: &mut chanson_core::Socket<'_, App>, _: chanson_core::Event<'_>| socket.reply(json!(text))
    };
    let mut world = world(
        Channel::new("room:*").on_any(say_it("any")).on("b", say_it("old")).on("c", say_it("c")).on("b", say_it("b")),
    );
    let a = member(&mut world);
    let replies = ["a", "b", "c", ""].map(|event| say(&mut world, a, event, "{}").remove(0));
    assert_eq!(replies, ["any", "b", "c", "any"].map(|text| replied("ok", &format!("\"{text}\""))));
}

#[test]
fn an_event_without_handler_is_answered_if_it_has_a_ref() {
    let mut world = world(room());
    let a = member(&mut world);
    let expected = replied("error", r#"{"reason":"unmatched event"}"#);
    for event in ["typo", "phx_reply", "phx_close", "phx_error"] {
        assert_eq!(say(&mut world, a, event, "{}"), [&*expected], "{event}");
    }
    world.send(a, r#"["1",null,"room:a","typo",{}]"#);
    assert!(world.recv(a).is_empty());
    assert_eq!((world.stats().hub.unmatched_events, world.stats().hub.joins), (5, 1));
}

#[test]
fn replies_have_the_status_and_any_payload() {
    let mut world = world(
        Channel::new("room:*")
            .on("error", |socket, _| socket.reply_with("error", json!({ "reason": "nope" })))
            .on("own", |socket, _| socket.reply_with("a \"b\"", Json::NULL))
            .on("value", |socket, _| socket.reply(AsJson((1, "two"))))
            .on("buf", |socket, _| socket.reply(PayloadBuf::EMPTY)),
    );
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "error", "{}"), [replied("error", r#"{"reason":"nope"}"#)]);
    assert_eq!(say(&mut world, a, "own", "{}"), [replied(r#"a \"b\""#, "null")]);
    assert_eq!(say(&mut world, a, "value", "{}"), [replied("ok", r#"[1,"two"]"#)]);
    assert_eq!(say(&mut world, a, "buf", "{}"), [OK]);
}

#[test]
fn a_reply_to_a_null_ref_is_sent_with_it() {
    let mut world = world(room());
    let a = member(&mut world);
    world.send(a, r#"["1",null,"room:a","ping",{}]"#);
    assert_eq!(world.recv(a), [r#"["1",null,"room:a","phx_reply",{"status":"ok","response":{}}]"#]);
}

#[test]
fn an_event_is_answered_once() {
    let mut world = world(Channel::<App>::new("room:*").on("twice", |socket, _| {
        socket.reply(json!(1))?;
        let results = (socket.reply(json!(2)), socket.defer().map(drop));
        socket.app().log(format_args!("{results:?}"));
        Ok::<_, CommandError>(())
    }));
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "twice", "{}"), [replied("ok", "1")]);
    assert_eq!(world.app().log, ["(Err(AlreadyAnswered), Err(AlreadyAnswered))"]);
}

#[test]
fn a_reply_that_fails_may_be_tried_again() {
    let mut world = world(Channel::<App>::new("room:*").on("bad", |socket, _| {
        let failed = socket.reply(AsJson(std::collections::BTreeMap::from([((1, 2), 3)])));
        socket.app().log(format_args!("{failed:?}"));
        socket.reply(json!("good"))
    }));
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "bad", "{}"), [replied("ok", r#""good""#)]);
    assert_eq!(world.app().log, ["Err(InvalidJson)"]);
}

#[test]
fn an_event_on_a_topic_not_joined_is_unmatched() {
    let mut world = world(room());
    let a = world.connect(V2);
    world.send(a, r#"["1","2","room:a","ping",{}]"#);
    let expected = r#"[null,"2","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    assert_eq!(world.recv(a), [expected]);
}

#[test]
fn heartbeats_are_answered_in_their_turn() {
    let mut world = world(room());
    let a = member(&mut world);
    let beat = |ref_: &str| format!(r#"[null,"{ref_}","phoenix","heartbeat",{{}}]"#);
    world.send_all(a, [beat("1"), r#"["1","2","room:a","ping",{}]"#.into(), beat("3")]);
    let beaten = |ref_: &str| format!(r#"[null,"{ref_}","phoenix","phx_reply",{{"status":"ok","response":{{}}}}]"#);
    assert_eq!(world.recv(a), [beaten("1"), OK.into(), beaten("3")]);
    world.send(a, r#"[null,"4","phoenix","other",{}]"#);
    let expected = r#"[null,"4","phoenix","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
    assert_eq!(world.recv(a), [expected]);
}

#[test]
fn a_heartbeat_on_another_topic_is_an_event_like_any_other() {
    let mut world = world(room().on("heartbeat", |socket, _| socket.reply(json!("mine"))));
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "heartbeat", "{}"), [replied("ok", r#""mine""#)]);
}

#[test]
fn binary_events_and_replies() {
    let mut world = world(Channel::<App>::new("room:*").on("bin", |socket, msg| {
        let data = msg.payload.binary().ok_or(CommandError::NotAllowed)?.to_vec();
        socket.push("bin_pushed", Binary(&data))?;
        socket.broadcast("bin_out", Binary(&data))?;
        socket.reply(Binary(&[9]))
    }));
    let a = member(&mut world);
    world.send_binary(a, &[&b"\x00\x01\x01\x06\x03"[..], b"12room:abin", &[0xff, 0]].concat());
    let came: Vec<_> = std::iter::from_fn(|| world.next(a)).collect();
    let expected = [
        [&b"\x00\x01\x06\x0a"[..], b"1room:abin_pushed", &[0xff, 0]].concat(),
        [&b"\x02\x06\x07"[..], b"room:abin_out", &[0xff, 0]].concat(),
        [&b"\x01\x01\x01\x06\x02"[..], b"12room:aok", &[9]].concat(),
    ];
    assert_eq!(came, expected.map(Incoming::Binary));
}

#[test]
fn version_1_has_no_binary_form() {
    let mut world = world(Channel::<App>::new("room:*").on("try", |socket, _| {
        let (push, reply) = (socket.push("p", Binary(&[1])), socket.reply(Binary(&[1])));
        socket.app().log(format_args!("{push:?} {reply:?}"));
        socket.broadcast("b", Binary(&[1]))?;
        socket.broadcast("text", json!({}))
    }));
    let (a, b) = (world.connect(V1), member(&mut world));
    for message in [r#""phx_join","payload":{}"#, r#""try","payload":{}"#] {
        world.send(a, &format!(r#"{{"topic":"room:a","event":{message},"ref":"1"}}"#));
    }
    assert_eq!(world.recv(a)[1..], [r#"{"topic":"room:a","event":"text","payload":{},"ref":null}"#]);
    assert_eq!(world.app().log, ["Err(BinaryUnsupported) Err(BinaryUnsupported)"]);
    assert!(matches!(world.next(b), Some(Incoming::Binary(_))));
    assert_eq!(world.recv(b), [broadcast("text", "{}")]);
    assert_eq!(world.stats().hub.binary_passed_over, 1);
}

#[test]
fn what_stands_behind_a_crash_or_a_stop_in_one_write_is_unmatched() {
    let mut world = world(room().on("fail", |_, _| Err::<(), _>("no")).on("stop", |socket, _| socket.stop()));
    for end in ["fail", "stop"] {
        let a = member(&mut world);
        world.send_all(a, [format!(r#"["1","2","room:a","{end}",{{}}]"#), r#"["1","3","room:a","ping",{}]"#.into()]);
        let unmatched = r#"[null,"3","room:a","phx_reply",{"status":"error","response":{"reason":"unmatched topic"}}]"#;
        assert_eq!(world.recv(a).last().map(String::as_str), Some(unmatched), "{end}");
        world.cut(a);
    }
}

#[test]
fn what_stands_behind_a_close_in_one_write_is_ignored() {
    let mut world = world(room().on("close", |socket, _| socket.close(4000)));
    let a = member(&mut world);
    world.send_all(a, [r#"["1","2","room:a","close",{}]"#, r#"["1","3","room:a","ping",{}]"#]);
    assert_eq!((world.recv(a), world.closed(a)), (vec![], Some(4000)));
    assert_eq!(world.stats().hub.received, 2, "the join and the close");
}

// --- rate limits: the numbers of the zzz recordings `rate_limit_drop` and `rate_limit_disconnect` ---

fn limited(action: RateAction) -> World<App> {
    let limit = RateLimit { burst: 5, per_second: 1, action };
    mounted(Mount::channels("/socket").channel(room()).rate_limit(limit))
}

fn send_six(world: &mut World<App>, client: Client) -> Vec<String> {
    join(world, client, "room:a");
    for n in 2..7 {
        world.send(client, &format!(r#"["1","{n}","room:a","ping",{n}]"#));
    }
    world.recv(client)
}

#[test]
fn beyond_the_rate_messages_are_dropped_and_told() {
    let mut world = limited(RateAction::Drop);
    let a = world.connect(V2);
    let got = send_six(&mut world, a);
    let last = r#"["1","6","room:a","phx_reply",{"status":"error","response":{"reason":"rate_limited"}}]"#;
    assert_eq!((got.len(), &*got[4]), (5, last));
    world.run_for(Duration::from_millis(999));
    assert!(say(&mut world, a, "ping", "1")[0].contains("rate_limited"));
    world.run_for(Duration::from_millis(1));
    assert_eq!(say(&mut world, a, "ping", "1"), [replied("ok", "1")]);
    assert_eq!(world.stats().hub.rate_limited, 2);
}

#[test]
fn beyond_the_rate_a_connection_is_closed_where_that_is_asked() {
    let mut world = limited(RateAction::Disconnect);
    let (a, b) = (world.connect(V2), world.connect(V2));
    assert_eq!(send_six(&mut world, a).len(), 4);
    assert_eq!(world.closed(a), Some(1008));
    assert_eq!(world.next(a), Some(Incoming::Closed { code: 1008, reason: "rate limited".into() }));
    join(&mut world, b, "room:a");
}

#[test]
fn heartbeats_are_free() {
    let mut world = limited(RateAction::Disconnect);
    let a = world.connect(V2);
    world.send_all(a, (0..100).map(|n| format!(r#"[null,"{n}","phoenix","heartbeat",{{}}]"#)));
    assert_eq!((world.recv(a).len(), world.closed(a)), (100, None));
    join(&mut world, a, "room:a");
}

/// A mount whose clients say an event of room:a in a binary message of kind 3.
fn translating() -> World<App> {
    mounted(Mount::channels("/socket").channel(room()).translate_binary(|data| match data {
        [3, b'!'] => panic!("oops"),
        [3, b'?'] => Some("[]".to_owned()),
        [3, event @ ..] => Some(format!(r#"["1","2","room:a","{}",{{}}]"#, String::from_utf8_lossy(event))),
        _ => None,
    }))
}

#[test]
fn binary_messages_that_vsn_2_does_not_have_can_be_translated() {
    let mut world = translating();
    let (a, b) = (member(&mut world), member(&mut world));
    world.send_binary(a, b"\x03ping");
    assert_eq!(world.recv(a), [OK]);
    world.send_binary(a, b"\x03from");
    assert_eq!(world.recv(b), [broadcast("new_msg", "{}")]);
    world.send_binary(a, b"\x00\x01\x01\x06\x0412room:aping");
    let Some(Incoming::Binary(reply)) = world.next(a) else { panic!("a push of vsn 2 is no other than it was") };
    assert_eq!(reply, b"\x01\x01\x01\x06\x0212room:aok");
}

#[test]
fn binary_messages_that_nobody_can_translate_close() {
    for (data, crashes) in [(&b"\x03?"[..], 0), (b"\x03!", 1), (b"\x04", 0), (b"", 0)] {
        let mut world = translating();
        let a = member(&mut world);
        world.send_binary(a, data);
        assert_eq!(world.closed(a), Some(1011), "{data:?}");
        assert_eq!((world.stats().hub.undecodable, world.stats().hub.crashes), (1, crashes), "{data:?}");
    }
    let mut world = translating();
    let v1 = world.connect(V1);
    world.send_binary(v1, b"\x03ping");
    assert_eq!(world.closed(v1), Some(1011), "vsn 1 has no binary messages");
}

#[test]
fn raw_mounts_have_the_limit_too() {
    for action in [RateAction::Drop, RateAction::Disconnect] {
        let limit = RateLimit { burst: 2, per_second: 1, action };
        let mount = Mount::raw("/raw").on_text(|raw, text| raw.send_text(text)).rate_limit(limit);
        let mut world = mounted(mount);
        let a = world.connect("/raw");
        world.send_all(a, ["1", "2", "3"]);
        assert_eq!((world.recv(a), world.stats().hub.rate_limited), (vec!["1".into(), "2".into()], 1));
        let closed = (action == RateAction::Disconnect).then_some(1008);
        assert_eq!(world.closed(a), closed);
    }
}
