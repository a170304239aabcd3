use super::*;
use chanson_core::error::CloseReason;
use serde_json::json;

#[test]
fn a_leave_is_answered_and_then_closed() {
    let mut world = world(room());
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "phx_leave", "{}"), [OK, r#"["1","1","room:a","phx_close",{}]"#]);
    assert_eq!(world.app().log, ["room:a Left"]);
    assert!(!world.hub().is_joined(world.conn(a).unwrap(), "room:a"));
}

#[test]
fn nothing_comes_behind_a_leave() {
    let mut world = world(room());
    let (a, b) = (member(&mut world), member(&mut world));
    say(&mut world, a, "phx_leave", "{}");
    say(&mut world, b, "new_msg", "1");
    assert!(world.recv(a).is_empty());
}

#[test]
fn leaving_what_is_not_joined_is_ok() {
    let mut world = world(room());
    let a = world.connect(V2);
    world.send(a, r#"["9","2","nowhere","phx_leave",{}]"#);
    assert_eq!(world.recv(a), [r#"["9","2","nowhere","phx_reply",{"status":"ok","response":{}}]"#]);
}

#[test]
fn a_stale_join_ref_is_ignored_in_silence() {
    let mut world = world(room());
    let a = member(&mut world);
    for stale in [r#""0""#, "1", "1.0", r#""""#] {
        world.send(a, &format!(r#"[{stale},"2","room:a","phx_leave",{{}}]"#));
        world.send(a, &format!(r#"[{stale},"2","room:a","ping",{{}}]"#));
    }
    assert!(world.recv(a).is_empty());
    assert_eq!((world.stats().hub.stale_join_refs, world.stats().hub.joins), (8, 1));
    world.send(a, r#"[null,"2","room:a","phx_leave",{}]"#);
    assert_eq!(world.recv(a).len(), 2, "null always is the current one");
}

#[test]
fn the_end_of_a_connection_leaves_everything_with_the_reason() {
    type End = fn(&mut World<App>, Client);
    let ends: [(End, CloseReason); 4] = [
        (|world, a| world.cut(a), CloseReason::TransportEof),
        (|world, a| world.close(a, 4001), CloseReason::ByPeer(4001)),
        (
            |world, a| world.run_for(std::time::Duration::from_secs(if world.is_open(a) { 60 } else { 0 })),
            CloseReason::IdleTimeout,
        ),
        (
            |world, _| {
                let now = world.now();
                world.act(|hub, app| hub.shutdown(now, app));
            },
            CloseReason::ByUs(1012),
        ),
    ];
    for (end, reason) in ends {
        let mut world = world(room());
        let a = member(&mut world);
        join(&mut world, a, "room:b");
        end(&mut world, a);
        let mut log = world.app().log.clone();
        log.sort();
        let reason = format!("{:?}", chanson_core::Leave::Disconnected(reason));
        assert_eq!(log, [format!("room:a {reason}"), format!("room:b {reason}")]);
        assert_eq!(world.hub().subscriber_count("room:a"), 0);
    }
}

#[test]
fn a_broken_rule_is_a_reason_too() {
    let mut world = world(room());
    let a = member(&mut world);
    world.send(a, "not json");
    assert_eq!(world.closed(a), Some(1011));
    assert_eq!(world.app().log, [r#"room:a Disconnected(Violation(Undecodable("malformed json")))"#]);
    assert_eq!(world.stats().hub.undecodable, 1);
}

#[test]
fn a_leave_handler_may_still_send() {
    let channel = Channel::<App>::new("room:*").leave(|socket, why| {
        let own = socket.push("bye", json!({}));
        socket.broadcast("gone", json!({}))?;
        let (reply, defer) = (socket.reply(json!({})), socket.defer());
        socket.app().log(format_args!("{why:?} {own:?} {reply:?} {defer:?}"));
        Ok::<_, chanson_core::error::CommandError>(())
    });
    let mut world = world(channel);
    let (a, b) = (member(&mut world), member(&mut world));
    let close = r#"["1","1","room:a","phx_close",{}]"#.to_owned();
    assert_eq!(say(&mut world, a, "phx_leave", "{}"), [OK.to_owned(), pushed("bye", "{}"), close]);
    assert_eq!(world.recv(b), [broadcast("gone", "{}")]);
    world.cut(b);
    let not_allowed = "Err(NotAllowed) Err(NotAllowed)";
    let expected =
        [format!("Left Ok(()) {not_allowed}"), format!("Disconnected(TransportEof) Err(UnknownConn) {not_allowed}")];
    assert_eq!(world.app().log, expected);
}

#[test]
fn stop_ends_the_join_behind_what_was_said() {
    let mut world = world(room().on("stop", |socket, _| {
        socket.stop();
        socket.reply(json!({}))?;
        socket.push("last", json!({}))
    }));
    let (a, b) = (member(&mut world), member(&mut world));
    let close = r#"["1","1","room:a","phx_close",{}]"#.to_owned();
    assert_eq!(say(&mut world, a, "stop", "{}"), [OK.to_owned(), pushed("last", "{}"), close]);
    assert_eq!(world.app().log, ["room:a Stopped"]);
    assert!(world.recv(b).is_empty());
    assert!(world.is_open(a));
}

#[test]
fn close_ends_the_connection_with_the_code() {
    let channel = room().on("close", |socket, msg| {
        socket.close(msg.payload.parse().unwrap_or_default());
        socket.reply(json!({}))
    });
    for (given, code) in [("4000", 4000), ("1000", 1000), ("1005", 1011), ("999", 1011), ("5000", 1011)] {
        let mut world = world(channel.clone());
        let a = member(&mut world);
        assert_eq!(say(&mut world, a, "close", given), [OK], "what was said before goes out before");
        assert_eq!(world.closed(a), Some(code), "{given}");
        assert_eq!(world.app().log, [format!("room:a Disconnected(ByUs({code}))")]);
    }
}

#[test]
fn disconnect_closes_all_connections_of_an_id() {
    let mount = Mount::channels("/socket")
        .channel(room().on("kick", |socket, _| {
            let count = socket.disconnect("ann");
            socket.reply(json!(count))
        }))
        .on_connect(|connect| {
            if let Some(id) = connect.param("id").map(str::to_owned) {
                connect.set_id(&id);
            }
            Ok(())
        });
    let mut world = mounted(mount);
    let [a, b, c] = ["ann", "bob", "ann"].map(|id| world.connect(&format!("{V2}&id={id}")));
    for client in [a, b, c] {
        join(&mut world, client, "room:a");
    }
    assert_eq!(say(&mut world, b, "kick", "{}"), [replied("ok", "2")]);
    assert_eq!([a, b, c].map(|client| world.closed(client)), [Some(1001), None, Some(1001)]);
    let now = world.now();
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "bob")), 1);
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "bob")), 0);
    assert_eq!(world.closed(b), Some(1001));
}

#[test]
fn a_handler_may_kick_itself() {
    let mount = Mount::channels("/socket")
        .channel(room().on("kick", |socket, _| {
            socket.disconnect("me");
        }))
        .on_connect(|connect| {
            connect.set_id("me");
            Ok(())
        });
    let mut world = mounted(mount);
    let (a, b) = (member(&mut world), member(&mut world));
    say(&mut world, a, "kick", "{}");
    assert_eq!((world.closed(a), world.closed(b)), (Some(1001), Some(1001)));
    assert_eq!(world.stats().hub.connections, 0);
}
