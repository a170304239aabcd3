//! What the recordings of phoenix.js do not show, one behaviour a test.

use std::time::Duration;

use chanson_core::client::{Backoff, Capacity, Cause, Closing, Config, ConnectError, Event, JoinError, Output, Status};
use chanson_core::client::{ChannelId, Client, UrlError};
use chanson_core::error::{CloseReason, CommandError, HandshakeError};
use chanson_core::time::Instant;
use chanson_core::wire::Vsn;
use chanson_core::ws::{self, Data};
use chanson_core::{Binary, Json, PayloadBuf};
use serde_json::{Value, json};

use crate::scripted::{Scripted, Sent};

fn config() -> Config {
    Config::new("ws://a.test/socket").unwrap()
}

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn payload(value: &Value) -> PayloadBuf {
    PayloadBuf::from_serialize(value).unwrap()
}

/// A client with one channel, joined with join_ref 1.
fn joined(config: Config) -> (Scripted, ChannelId) {
    let mut world = Scripted::connected(config);
    let channel = world.client.join(world.now, "room:1", Json::EMPTY).unwrap();
    assert_eq!(world.next_json(), json!(["1", "1", "room:1", "phx_join", {}]));
    world.text(r#"["1","1","room:1","phx_reply",{"status":"ok","response":{"n":7}}]"#);
    assert_eq!(world.next_event(), Event::Joined { channel, response: payload(&json!({ "n": 7 })) });
    assert!(world.client.is_joined(channel));
    (world, channel)
}

#[test]
fn version_1_is_spoken_in_objects() {
    let mut world = Scripted::new(config().with_vsn(Vsn::V1));
    world.client.connect(world.now);
    let Sent::Open(head) = world.next_sent() else { panic!() };
    assert!(head.starts_with("GET /socket/websocket?vsn=1.0.0 HTTP/1.1\r\nHost: a.test\r\n"), "{head}");
    world.accept();
    let channel = world.client.join(world.now, "room:1", json!({ "a": 1 })).unwrap();
    let join = json!({ "topic": "room:1", "event": "phx_join", "payload": { "a": 1 }, "ref": "1" });
    assert_eq!(world.next_json(), join);
    world.text(r#"{"topic":"room:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#);
    world.text(r#"{"topic":"room:1","event":"hi","payload":[1],"ref":null}"#);
    let events = world.events_now();
    assert!(matches!(&events[..], [_, Event::Joined { .. }, Event::Message { .. }]), "{events:?}");
    let binary = world.client.push(world.now, channel, "raw", Binary(&[1]));
    assert_eq!(binary, Err(CommandError::BinaryUnsupported));
    world.text(r#"{"topic":"room:1","event":"phx_error","payload":{},"ref":null}"#);
    world.text(r#"{"topic":"room:1","event":"phx_close","payload":{},"ref":null}"#);
    let errored = Event::Errored { channel, cause: Cause::Server(payload(&json!({}))) };
    assert_eq!(world.events_now(), [errored], "the close is of the join that is given up");
}

#[test]
fn a_heartbeat_that_is_not_answered_ends_the_connection() {
    let (mut world, channel) = joined(config());
    world.run_for(30_000);
    assert_eq!(world.next_json(), json!([null, "2", "phoenix", "heartbeat", {}]));
    world.text(r#"[null,"2","phoenix","phx_reply",{"status":"ok","response":{}}]"#);
    world.run_for(30_000);
    assert_eq!(world.next_json(), json!([null, "3", "phoenix", "heartbeat", {}]));
    world.text(r#"[null,3,"phoenix","phx_reply",{}]"#); // not of the type that was sent
    world.run_for(29_999);
    assert_eq!((world.sent_now(), world.events_now()), (vec![], vec![]));
    world.run_for(1);
    let retry_at = Some(world.now + ms(10));
    let expected = [
        Event::Disconnected { reason: CloseReason::IdleTimeout, retry_at },
        Event::Errored { channel, cause: Cause::Connection },
    ];
    assert_eq!(world.events_now(), expected);
    assert_eq!(world.sent_now(), [Sent::Close(1000, "heartbeat timeout".into())]);
    world.run_for(10);
    assert!(matches!(&world.sent_now()[..], [Sent::Shut, Sent::Open(_)]), "the old transport is cut for the new one");
    world.accept();
    assert_eq!(world.next_json(), json!(["4", "4", "room:1", "phx_join", {}]));
    assert_eq!(world.conns, 2);
}

#[test]
fn a_server_out_of_reach_is_tried_again_as_long_as_allowed() {
    let mut world = Scripted::new(config().with_reconnect(Backoff::RECONNECT.with_max_attempts(11)));
    world.reachable = false;
    let start = world.now;
    world.client.connect(world.now);
    world.run_for(60_000);
    let waits = [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000].map(ms);
    let mut at = start;
    let events = world.events_now();
    assert_eq!(events.len(), 12);
    for (event, wait) in events.iter().zip(waits) {
        at += wait;
        assert_eq!(*event, Event::ConnectFailed { error: ConnectError::Transport, retry_at: Some(at) });
    }
    assert_eq!(events[11], Event::ConnectFailed { error: ConnectError::Transport, retry_at: None });
    assert_eq!(world.client.poll_timeout(), None, "it has given up");
    world.client.connect(world.now);
    assert!(matches!(world.next_event(), Event::ConnectFailed { retry_at: Some(_), .. }), "until it is told again");
}

#[test]
fn a_disconnect_between_two_tries_is_told() {
    let mut world = Scripted::new(config());
    world.reachable = false;
    world.client.connect(world.now);
    assert!(matches!(world.events_now()[..], [Event::ConnectFailed { retry_at: Some(_), .. }]));
    world.client.disconnect(world.now);
    let cancelled = Event::ConnectFailed { error: ConnectError::Cancelled, retry_at: None };
    assert_eq!(world.events_now(), [cancelled]);
    world.client.disconnect(world.now);
    world.run_for(60_000);
    assert_eq!(world.events_now(), [], "once, and nothing is tried any more");
}

#[test]
fn a_channel_that_is_given_up_says_so() {
    let mut world = Scripted::connected(config().with_rejoin(Backoff::steps([], ms(100)).with_max_attempts(1)));
    let channel = world.client.join(world.now, "room:1", json!({})).unwrap();
    let refuse = |world: &mut Scripted, join_ref: &str| {
        world
            .text(&format!(r#"["{join_ref}","{join_ref}","room:1","phx_reply",{{"status":"error","response":{{}}}}]"#));
        world.events_now()
    };
    let failed = Event::JoinFailed { channel, error: JoinError::Refused(payload(&json!({}))) };
    assert_eq!(refuse(&mut world, "1"), std::slice::from_ref(&failed), "there is one more try");
    world.run_for(100);
    assert_eq!(refuse(&mut world, "2"), [failed.clone(), Event::GaveUp { channel }]);
    world.sent_now();
    world.run_for(20_000);
    assert_eq!((world.sent_now(), world.events_now()), (vec![], vec![]));

    world.drop_transport();
    assert!(matches!(world.events_now()[..], [Event::Disconnected { .. }]));
    world.run_for(10);
    world.accept();
    assert_eq!(world.events_now(), [Event::Connected]);
    assert_eq!(refuse(&mut world, "3"), [failed], "the next connection begins anew");
    world.text(r#"["3",null,"room:1","phx_error",{}]"#);
    assert!(matches!(world.events_now()[..], [Event::Errored { .. }]), "the next try is not used up");
}

#[test]
fn the_waits_begin_anew_after_a_connection() {
    let mut world = Scripted::connected(config());
    for _ in 0..3 {
        world.drop_transport();
        let retry_at = Some(world.now + ms(10));
        assert_eq!(world.next_event(), Event::Disconnected { reason: CloseReason::TransportEof, retry_at });
        assert!(matches!(world.next_sent(), Sent::Open(_)));
        world.accept();
        assert_eq!(world.next_event(), Event::Connected);
    }
}

#[test]
fn refusals_and_redirects_are_told_by_name() {
    for (answer, error) in [
        ("HTTP/1.1 403 Forbidden\r\n\r\n", ConnectError::Refused { status: 403 }),
        ("HTTP/1.1 503 Busy\r\n\r\n", ConnectError::Refused { status: 503 }),
        (
            "HTTP/1.1 302 Found\r\nLocation: wss://b.test/\r\n\r\n",
            ConnectError::Redirect { status: 302, location: "wss://b.test/".into() },
        ),
        ("HTTP/1.1 101 ok\r\n\r\n", ConnectError::Handshake(HandshakeError::NotUpgraded)),
        ("220 mail.test ESMTP\r\n", ConnectError::Handshake(HandshakeError::Malformed)),
    ] {
        let mut world = Scripted::new(config());
        world.client.connect(world.now);
        world.bytes(answer.as_bytes());
        let retry_at = Some(world.now + ms(10));
        assert_eq!(world.events_now(), [Event::ConnectFailed { error, retry_at }]);
        assert!(matches!(&world.sent_now()[..], [Sent::Open(_), Sent::Shut]));
    }
    assert_eq!(Config::new("http://a.test/").err(), Some(UrlError::Scheme));
}

#[test]
fn connecting_has_its_time() {
    // The transport does not come up.
    let mut client = Client::new(config(), [1; 32]);
    let now = Instant::ORIGIN;
    client.connect(now);
    assert!(matches!(client.poll_output(), Some(Output::Connect { port: 80, tls: false, .. })));
    assert_eq!(client.poll_timeout(), Some(now + ms(10_000)));
    client.handle_timeout(now + ms(10_000));
    assert_eq!(client.poll_output(), Some(Output::Close));
    let event = client.poll_event();
    assert!(matches!(event, Some(Event::ConnectFailed { error: ConnectError::Timeout, .. })), "{event:?}");
    client.handle_connected(now + ms(10_001));
    assert_eq!(client.queued_bytes(), 0, "too late");
    // The server does not answer.
    let mut world = Scripted::new(config());
    world.client.connect(world.now);
    world.run_for(10_000);
    let event = world.next_event();
    assert!(matches!(event, Event::ConnectFailed { error: ConnectError::Timeout, .. }), "{event:?}");
}

#[test]
fn what_is_of_an_earlier_join_is_dropped() {
    let (mut world, channel) = joined(config());
    let push = world.client.push(world.now, channel, "ask", json!(1)).unwrap();
    assert_eq!(world.next_json(), json!(["1", "2", "room:1", "ask", 1]));
    for stale in [
        r#"["9","2","room:1","phx_reply",{"status":"ok","response":1}]"#,
        r#"[1,"2","room:1","phx_reply",{"status":"ok","response":1}]"#,
        r#"["9",null,"room:1","hi",{}]"#,
        r#"["9","9","room:1","phx_close",{}]"#,
        r#"["9","9","room:1","phx_error",{}]"#,
    ] {
        world.text(stale);
    }
    assert_eq!((world.events_now(), world.client.stats().stale), (vec![], 5));
    world.text(r#"[null,"2","room:1","phx_reply",{"status":"later","response":1}]"#);
    world.text(r#"["1","2","room:1","phx_reply",{"status":"ok","response":1}]"#);
    let status = Status::Other("later".into());
    assert_eq!(world.events_now(), [Event::Reply { push, channel, status, response: payload(&json!(1)) }]);
    world.text(r#"[null,null,"room:2","hi",{}]"#);
    let stats = world.client.stats();
    assert_eq!((stats.late_replies, stats.unrouted), (1, 1));
}

#[test]
fn a_crash_is_joined_again_with_backoff_and_a_close_is_the_end() {
    let (mut world, channel) = joined(config());
    let mut waits = Vec::new();
    for ref_ in 2..6 {
        let join_ref = ref_ - 1;
        world.text(&format!(r#"["{join_ref}","{join_ref}","room:1","phx_error",{{"reason":"crash"}}]"#));
        let cause = Cause::Server(payload(&json!({ "reason": "crash" })));
        assert_eq!(world.next_event(), Event::Errored { channel, cause });
        assert!(!world.client.is_joined(channel));
        let begun = world.now;
        world.run_for(10_000_u64.min([999, 1999, 4999, 9999][ref_ - 2]));
        assert_eq!(world.sent_now(), []);
        assert_eq!(world.next_json()[1], json!(ref_.to_string()));
        waits.push((world.now - begun).as_millis());
    }
    assert_eq!(waits, [1000, 2000, 5000, 10_000], "no join was answered, so the waits grow");
    world.text(r#"["5","5","room:1","phx_close",{}]"#);
    assert_eq!(world.next_event(), Event::Closed { channel, by: Closing::Server(payload(&json!({}))) });
    assert_eq!(world.client.push(world.now, channel, "a", json!(1)), Err(CommandError::NotJoined));
    assert_eq!(world.client.leave(world.now, channel), Err(CommandError::NotJoined));
    let again = world.client.join(world.now, "room:1", json!({})).unwrap();
    assert_ne!(channel, again, "the index is used again, the generation is not");
    assert_eq!(ChannelId::from_bits(again.to_bits()), again);
}

#[test]
fn pushes_wait_for_the_join_in_order_and_within_bounds() {
    let capacity = Capacity::default().with_pushes(4).with_buffered_bytes(10);
    let mut world = Scripted::new(config().with_capacity(capacity));
    let now = world.now;
    let (a, b) = (world.client.join(now, "a", json!({})).unwrap(), world.client.join(now, "b", json!({})).unwrap());
    let mut pushes = vec![world.client.push(now, a, "1", json!("12345")).unwrap()];
    assert_eq!(world.client.push(now, a, "2", json!("12345")), Err(CommandError::Full), "bytes");
    for (channel, event) in [(b, "2"), (a, "3"), (a, "4")] {
        pushes.push(world.client.push(now, channel, event, json!(0)).unwrap());
    }
    assert_eq!(world.client.push(now, a, "5", json!(0)), Err(CommandError::Full), "count");
    assert_eq!(world.client.open_pushes(), 4);
    world.client.connect(now);
    assert!(matches!(world.next_sent(), Sent::Open(_)));
    world.accept();
    assert_eq!(world.next_json(), json!(["1", "1", "a", "phx_join", {}]));
    assert_eq!(world.next_json(), json!(["2", "2", "b", "phx_join", {}]));
    world.text(r#"["1","1","a","phx_reply",{"status":"ok","response":{}}]"#);
    for (ref_, event, payload) in [("3", "1", json!("12345")), ("4", "3", json!(0)), ("5", "4", json!(0))] {
        assert_eq!(world.next_json(), json!(["1", ref_, "a", event, payload]));
    }
    assert_eq!(world.sent_now(), []);
    // `b` is never answered: its push runs out of time before its join does, and is not sent.
    world.run_for(9_999);
    world.events_now();
    world.run_for(1);
    let timeouts: Vec<_> = world.events_now().into_iter().filter(|e| matches!(e, Event::Timeout { .. })).collect();
    let expected = [(pushes[1], b), (pushes[0], a), (pushes[2], a), (pushes[3], a)];
    assert_eq!(timeouts, expected.map(|(push, channel)| Event::Timeout { push, channel }), "each in its turn");
    assert_eq!(world.client.open_pushes(), 0);
}

#[test]
fn what_was_not_answered_when_the_connection_broke_is_not_sent_again() {
    let (mut world, channel) = joined(config());
    let sent = world.client.push(world.now, channel, "sent", json!(1)).unwrap();
    let ping = world.client.ping(world.now).unwrap();
    world.sent_now();
    world.drop_transport();
    let waits = world.client.push(world.now, channel, "waits", json!(2)).unwrap();
    assert_eq!(world.client.ping(world.now), Err(CommandError::NotAllowed));
    let events = world.events_now();
    assert_eq!(
        events[1..],
        [Event::Errored { channel, cause: Cause::Connection }, Event::Aborted { push: ping, channel: None },]
    );
    assert!(matches!(world.next_sent(), Sent::Open(_)));
    world.accept();
    let join = world.next_json();
    let join_ref = join[1].as_str().unwrap();
    world.text(&format!(r#"["{join_ref}","{join_ref}","room:1","phx_reply",{{"status":"ok","response":{{}}}}]"#));
    assert_eq!(world.next_json(), json!([join_ref, "5", "room:1", "waits", 2]));
    assert_eq!(world.sent_now(), []);
    world.text(&format!(r#"["{join_ref}","5","room:1","phx_reply",{{"status":"error"}}]"#));
    let events = world.events_now();
    let reply = Event::Reply { push: waits, channel, status: Status::Error, response: payload(&Value::Null) };
    assert_eq!(events[2..], [reply]);
    world.client.leave(world.now, channel).unwrap();
    let closed = Event::Closed { channel, by: Closing::Left };
    assert_eq!(world.events_now(), [Event::Aborted { push: sent, channel: Some(channel) }, closed]);
}

#[test]
fn disconnect_says_goodbye_and_keeps_what_waits() {
    let (mut world, channel) = joined(config());
    world.client.disconnect(world.now);
    assert_eq!(world.sent_now(), [Sent::Close(1005, String::new())]);
    let disconnected = Event::Disconnected { reason: CloseReason::ByUs(1005), retry_at: None };
    assert_eq!(world.events_now(), [disconnected, Event::Errored { channel, cause: Cause::Connection }]);
    world.client.push(world.now, channel, "waits", json!(1)).unwrap();
    world.close(1000, "");
    world.client.handle_eof(world.now);
    world.run_for(60_000);
    assert_eq!(world.sent_now(), [Sent::Shut], "and does not come back");
    assert!(matches!(&world.events_now()[..], [Event::Timeout { .. }]));
    // Before it is connected there is nobody to say goodbye to.
    world.client.connect(world.now);
    assert!(matches!(&world.sent_now()[..], [Sent::Open(_)]));
    world.client.disconnect(world.now);
    assert_eq!(world.sent_now(), [Sent::Shut]);
    let cancelled = Event::ConnectFailed { error: ConnectError::Cancelled, retry_at: None };
    assert_eq!(world.events_now(), [cancelled]);
    world.client.connect(world.now);
    world.client.disconnect(world.now);
    assert_eq!(world.client.poll_output(), None, "what was not begun is not ended");
}

#[test]
fn bytes_go_both_ways() {
    let (mut world, channel) = joined(config());
    let push = world.client.push(world.now, channel, "up", Binary(&[1, 2])).unwrap();
    assert_eq!(world.next_sent(), Sent::Binary(b"\0\x01\x01\x06\x0212room:1up\x01\x02".to_vec()));
    world.binary(b"\x01\x01\x01\x06\x0212room:1ok\x03");
    world.binary(b"\x02\x06\x04room:1down\x04");
    world.binary(b"\0\x01\x06\x041room:1down\x05");
    world.binary(b"\0\x01\x06\x049room:1down\x06");
    let down = |byte| Event::Message { channel, event: "down".into(), payload: PayloadBuf::from_binary([byte]) };
    let reply = Event::Reply { push, channel, status: Status::Ok, response: PayloadBuf::from_binary([3]) };
    assert_eq!(world.events_now(), [reply, down(4), down(5)]);
    let long = "e".repeat(256);
    let error = CommandError::TooLarge { len: 256, max: 255 };
    assert_eq!(world.client.push(world.now, channel, &long, Binary(&[])), Err(error));
    assert!(world.client.push(world.now, channel, &long, json!(1)).is_ok());
}

#[test]
fn presences_are_kept_in_step() {
    let mut world = Scripted::connected(config());
    let channel = world.client.join(world.now, "room:1", json!({})).unwrap();
    world.client.track_presence(channel).unwrap();
    world.sent_now();
    world.text(r#"["1","1","room:1","phx_reply",{"status":"ok","response":{}}]"#);
    world.text(r#"[null,null,"room:1","presence_diff",{"joins":{"me":{"metas":[{"phx_ref":"b"}]}},"leaves":{}}]"#);
    assert_eq!(world.events_now().len(), 1, "a diff waits for the state");
    let state = r#"{"ann":{"metas":[{"phx_ref":"a","x":1}]},"me":{"metas":[{"phx_ref":"b"}]}}"#;
    world.text(&format!(r#"["1",null,"room:1","presence_state",{state}]"#));
    let kinds = |events: Vec<Event>| -> Vec<String> {
        let kind = |event| match event {
            Event::PresenceJoin { key, .. } => format!("+{key}"),
            Event::PresenceLeave { key, current, left, .. } => {
                format!("-{key} {} of {}", left.metas().len(), left.metas().len() + current.metas().len())
            }
            Event::PresenceSync { .. } => "sync".to_owned(),
            event => format!("{event:?}"),
        };
        events.into_iter().map(kind).collect()
    };
    assert_eq!(kinds(world.events_now()), ["+ann", "+me", "+me", "sync"]);
    let list: Vec<&str> = world.client.presence(channel).map(|(key, _)| key).collect();
    assert_eq!(list, ["ann", "me"]);
    world.text(r#"[null,null,"room:1","presence_diff",{"joins":{},"leaves":{"ann":{"metas":[{"phx_ref":"a"}]}}}]"#);
    assert_eq!(kinds(world.events_now()), ["-ann 1 of 1", "sync"]);
    // Without tracking they are messages like any other.
    let other = world.client.join(world.now, "room:2", json!({})).unwrap();
    world.text(r#"[null,null,"room:2","presence_state",{}]"#);
    assert!(matches!(&world.events_now()[..], [Event::Message { channel, .. }] if *channel == other));
}

#[test]
fn presences_beyond_the_bound_are_said_to_be_so() {
    let (mut world, channel) = joined(config().with_capacity(Capacity::default().with_presence_bytes(1000)));
    world.client.track_presence(channel).unwrap();
    let state = format!(r#"["1",null,"room:1","presence_state",{{"a":{{"metas":[{{"x":"{}"}}]}}}}]"#, "x".repeat(1000));
    world.text(&state);
    assert_eq!(world.events_now(), [Event::PresenceOverflow { channel }]);
    world.text(&state);
    assert!(matches!(&world.events_now()[..], [Event::Message { .. }]), "they come raw from now on");
    assert_eq!(world.client.presence(channel).count(), 0);
}

#[test]
fn presences_that_change_over_and_over_while_nobody_listens_are_too_many_in_the_end() {
    let (mut world, channel) = joined(config().with_capacity(Capacity::default().with_presence_bytes(50_000)));
    world.client.track_presence(channel).unwrap();
    world.text(r#"["1",null,"room:1","presence_state",{}]"#);
    let diff = |n: usize| {
        format!(
            r#"[null,null,"room:1","presence_diff",{{"joins":{{"a":{{"metas":[{{"phx_ref":"{n}"}}]}}}},"leaves":{{}}}}]"#
        )
    };
    // Each tells of all that are there already.
    (0..300).for_each(|n| world.text(&diff(n)));
    assert!(!world.events_now().contains(&Event::PresenceOverflow { channel }), "each is heard before the next comes");
    let mut at_once = Vec::new();
    (300..400).for_each(|n| ws::data(Data::Text, diff(n).as_bytes(), None, &mut at_once));
    world.bytes(&at_once);
    let events = world.events_now();
    assert_eq!(events.iter().filter(|event| **event == Event::PresenceOverflow { channel }).count(), 1);
    assert_eq!(world.client.presence(channel).count(), 0);
}

#[test]
fn a_second_join_of_a_topic_takes_its_place() {
    let (mut world, first) = joined(config());
    let push = world.client.push(world.now, first, "ask", json!(1)).unwrap();
    let second = world.client.join(world.now, "room:1", json!({ "again": true })).unwrap();
    assert_eq!(world.next_json()[3], json!("ask"));
    assert_eq!(world.next_json(), json!(["1", "3", "room:1", "phx_leave", {}]));
    assert_eq!(world.next_json(), json!(["4", "4", "room:1", "phx_join", { "again": true }]));
    let closed = Event::Closed { channel: first, by: Closing::Replaced };
    assert_eq!(world.events_now(), [Event::Aborted { push, channel: Some(first) }, closed]);
    world.text(r#"["1","1","room:1","phx_close",{}]"#);
    assert_eq!(world.events_now(), [], "which is of the first");
    assert_eq!(world.client.channel("room:1"), Some(second));
    assert_eq!(world.client.topic(second), Some("room:1"));
}

#[test]
fn a_refused_join_says_why_and_tries_again() {
    let mut world = Scripted::connected(config());
    let channel = world.client.join(world.now, "room:1", json!({})).unwrap();
    world.sent_now();
    world.text(r#"["1","1","room:1","phx_reply",{"status":"error","response":{"reason":"no"}}]"#);
    let error = JoinError::Refused(payload(&json!({ "reason": "no" })));
    assert_eq!(world.events_now(), [Event::JoinFailed { channel, error }]);
    world.client.set_join_params(channel, json!({ "please": 1 })).unwrap();
    world.run_for(1000);
    assert_eq!(world.next_json(), json!(["2", "2", "room:1", "phx_join", { "please": 1 }]));
    world.client.leave(world.now, channel).unwrap();
    assert_eq!(world.next_json(), json!(["2", "3", "room:1", "phx_leave", {}]));
    world.run_for(28_000);
    assert_eq!(world.sent_now(), [], "until it is left");
}

#[test]
fn tables_and_queues_are_bounded() {
    let capacity = Capacity::default().with_channels(2).with_topic_bytes(8).with_event_bytes(4).with_queued_bytes(100);
    let (mut world, channel) = joined(config().with_capacity(capacity));
    let now = world.now;
    assert!(world.client.join(now, "room:2", json!({})).is_ok());
    world.sent_now();
    assert_eq!(world.client.join(now, "room:3", json!({})), Err(CommandError::Full));
    assert!(world.client.join(now, "room:2", json!({})).is_ok(), "in the place of another");
    world.sent_now();
    let too_large = |len, max| CommandError::TooLarge { len, max };
    assert_eq!(world.client.join(now, "room:1234", json!({})), Err(too_large(9, 8)));
    assert_eq!(world.client.join(now, "phoenix", json!({})), Err(CommandError::NotAllowed));
    assert_eq!(world.client.push(now, channel, "event", json!({})), Err(too_large(5, 4)));
    world.sent_now();
    // The transport takes nothing.
    let taken = (0..1000).take_while(|_| world.client.push(now, channel, "a", json!({})).is_ok()).count();
    assert!((1..10).contains(&taken), "{taken}");
    assert_eq!(world.client.push(now, channel, "a", json!({})), Err(CommandError::Full));
    assert_eq!(world.client.join(now, "room:2", json!({})), Err(CommandError::Full));
    assert_eq!(world.client.ping(now), Err(CommandError::Full));
    assert!(world.client.leave(now, channel).is_ok(), "leaves have room");
    assert_eq!(world.sent_now().len(), taken + 1);
    assert!(world.client.ping(now).is_ok());
}

#[test]
fn nonsense_is_ignored_and_counted() {
    let (mut world, channel) = joined(config());
    for text in ["", "{}", "[1,2,3]", "nonsense", r#"["1","2",3,"hi",{}]"#, "[[[[["] {
        world.text(text);
    }
    world.binary(&[]);
    world.binary(&[9, 9, 9]);
    world.binary(b"\x01\xff\xff\xff\xff");
    assert_eq!((world.events_now(), world.client.stats().undecodable), (vec![], 9));
    world.ping(b"are you there");
    assert_eq!(world.sent_now(), [Sent::Pong(b"are you there".to_vec())]);
    assert!(world.client.is_joined(channel));
    world.bytes(&[0xff; 20]);
    assert!(matches!(world.next_event(), Event::Disconnected { reason: CloseReason::Violation(_), .. }));
    assert!(matches!(world.next_sent(), Sent::Close(1002, _)));
}

#[test]
fn a_token_has_to_be_agreed_to() {
    for (headers, ok) in
        [("", false), ("Sec-WebSocket-Protocol: phoenix\r\n", true), ("Sec-WebSocket-Protocol: x\r\n", false)]
    {
        let mut world = Scripted::new(config().with_auth_token("t"));
        world.client.connect(world.now);
        let agreement = world.agreement(headers);
        world.bytes(agreement.as_bytes());
        assert_eq!(world.client.is_connected(), ok, "{headers}");
    }
    // Another token and other params, from the next connection on.
    let mut world = Scripted::connected(config().with_param("user", "ann").with_header("X-A", "b").unwrap());
    world.client.set_auth_token(Some("new"));
    world.client.set_param("user", "bob");
    world.drop_transport();
    let Sent::Open(head) = world.next_sent() else { panic!() };
    assert!(
        head.contains("?user=bob&vsn=") && head.contains("\r\nX-A: b") && head.contains("bearer.phx.bmV3"),
        "{head}"
    );
}

#[test]
fn extreme_times_do_no_harm() {
    let config = config()
        .with_timeout(Duration::ZERO)
        .with_heartbeat_interval(Duration::MAX)
        .with_rejoin(Backoff::steps([], Duration::ZERO))
        .with_reconnect(Backoff::steps([], Duration::ZERO));
    let mut world = Scripted::connected(config);
    world.client.join(world.now, "room:1", json!({})).unwrap();
    world.run_for(10);
    assert!(world.sent_now().len() < 30);
    world.now = Instant::from_nanos(u64::MAX);
    world.client.handle_timeout(world.now);
    world.pump();
    assert_eq!(world.client.poll_timeout(), None);
}

#[test]
fn a_client_may_move_to_another_thread_and_prints_no_secrets() {
    fn is_send<T: Send + 'static>(_: &T) {}
    let config = config().with_param("a", "hidden").with_auth_token("hidden").with_header("b", "hidden").unwrap();
    let mut world = Scripted::new(config);
    is_send(&world.client);
    world.client.connect(world.now);
    world.pump();
    assert!(!format!("{:?} {:?}", world.client, world.events).contains("hidden"));
}

#[test]
fn on_version_1_the_end_of_an_earlier_join_does_not_close_a_later_one() {
    let mut world = Scripted::connected(config().with_vsn(Vsn::V1));
    let first = world.client.join(world.now, "room:1", Json::EMPTY).unwrap();
    world.text(r#"{"topic":"room:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"1"}"#);
    world.client.leave(world.now, first).unwrap();
    let second = world.client.join(world.now, "room:1", Json::EMPTY).unwrap();
    world.events_now();
    world.text(r#"{"topic":"room:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"2"}"#);
    world.text(r#"{"topic":"room:1","event":"phx_close","payload":{},"ref":"1"}"#);
    world.text(r#"{"topic":"room:1","event":"phx_error","payload":{},"ref":"1"}"#);
    assert_eq!(world.events_now(), [], "both are of the first join");
    world.text(r#"{"topic":"room:1","event":"phx_reply","payload":{"status":"ok","response":{}},"ref":"3"}"#);
    assert_eq!(world.events_now(), [Event::Joined { channel: second, response: payload(&json!({})) }]);
    world.text(r#"{"topic":"room:1","event":"phx_close","payload":{},"ref":"3"}"#);
    assert!(
        matches!(&world.events_now()[..], [Event::Closed { channel, by: Closing::Server(_) }] if *channel == second)
    );
}

#[test]
fn presences_by_the_thousand_under_one_key_take_no_time() {
    let (mut world, channel) = joined(config());
    world.client.track_presence(channel).unwrap();
    let metas = |from: usize, count: usize| {
        let metas: Vec<String> = (from..from + count).map(|n| format!(r#"{{"phx_ref":"{n}"}}"#)).collect();
        format!(r#"{{"a":{{"metas":[{}]}}}}"#, metas.join(","))
    };
    world.text(&format!(r#"["1",null,"room:1","presence_state",{}]"#, metas(0, 40_000)));
    world.text(&format!(r#"["1",null,"room:1","presence_diff",{{"joins":{{}},"leaves":{}}}]"#, metas(100_000, 40_000)));
    world.text(&format!(r#"["1",null,"room:1","presence_state",{}]"#, metas(20_000, 40_000)));
    let Some(Event::PresenceLeave { current, left, .. }) =
        world.events_now().into_iter().rfind(|event| matches!(event, Event::PresenceLeave { .. }))
    else {
        panic!()
    };
    assert_eq!((current.metas().len(), left.metas().len()), (40_000, 20_000));
}

#[test]
fn what_channels_and_pushes_carry_is_not_printed_either() {
    let mut world = Scripted::new(config());
    let channel = world.client.join(world.now, "room:1", json!({ "access_token": "hidden" })).unwrap();
    world.client.push(world.now, channel, "login", json!({ "password": "hidden" })).unwrap();
    world.client.connect(world.now);
    assert!(!format!("{:?}", world.client).contains("hidden"));
    world.pump();
    world.accept();
    world.text(r#"["1","1","room:1","phx_reply",{"status":"ok","response":{"key":"hidden"}}]"#);
    world.client.push(world.now, channel, "login", json!({ "password": "hidden" })).unwrap();
    assert!(!format!("{:?}", world.client).contains("hidden"));
}
