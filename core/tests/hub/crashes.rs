use std::sync::{Arc, Mutex};

use super::*;
use chanson_core::error::AnswerError;
use chanson_core::http::Response;
use chanson_core::{Accept, Binary, Capacity, Refuse, Reply};
use serde_json::json;

/// A room that fails when it is told to, and what `on_fault` heard.
fn world() -> (World<App>, Arc<Mutex<Vec<String>>>) {
    let faults = Arc::new(Mutex::new(Vec::new()));
    let heard = faults.clone();
    let channel = room()
        .join(|socket, join| {
            socket.track("me", json!({}))?;
            match join.payload.parse::<&str>() {
                Ok("panic") => panic!("join panics"),
                _ => Ok(Reply::empty()),
            }
        })
        .on("panic", |socket, _| {
            let _ = socket.push("before", json!({}));
            socket.stop();
            panic_with("told to panic")
        })
        .on("fail", |_, _| Err::<(), _>("told to fail"))
        .on("odd", |_, _| {
            if true {
                std::panic::panic_any(7)
            }
        });
    let hub = builder().mount(Mount::channels("/socket").channel(channel)).on_fault(move |fault| {
        let line = format!("{} {} {} {}", fault.place, fault.event, fault.text, fault.panicked);
        heard.lock().expect("nobody panics while holding it").push(line);
        panic!("and the reporter too");
    });
    (build(hub), faults)
}

fn panic_with(text: &str) {
    panic!("{text}")
}

fn crashed(join_ref: &str) -> String {
    format!(r#"["{join_ref}","{join_ref}","room:a","phx_error",{{"reason":"channel_crash"}}]"#)
}

#[test]
fn a_handler_that_fails_ends_its_join_only() {
    for (event, fault) in [("panic", "told to panic true"), ("fail", "told to fail false"), ("odd", "panic true")] {
        let (mut world, faults) = world();
        let (a, b) = (world.connect(V2), world.connect(V2));
        for client in [a, b] {
            ask_join(&mut world, client, "room:a");
            ask_join(&mut world, client, "room:b");
        }
        world.recv(a);
        world.recv(b);
        let got = say(&mut world, a, event, "{}");
        assert_eq!(got.last(), Some(&crashed("1")), "no reply to the event");
        assert_eq!(world.recv(b).len(), 1, "the diff");
        assert_eq!(*faults.lock().unwrap(), [format!("room:a {event} {fault}")]);
        assert_eq!(world.app().log, ["room:a Crashed"]);
        assert_eq!((world.stats().hub.crashes, world.stats().hub.joins), (1, 3));
        assert_eq!(say(&mut world, b, "ping", "1"), [replied("ok", "1")]);
        world.send(a, r#"["1","3","room:b","ping",{}]"#);
        assert_eq!(world.recv(a).len(), 1, "its other topic lives on");
    }
}

#[test]
fn a_join_handler_that_panics_refuses_and_does_nothing_of_what_it_said() {
    let (mut world, faults) = world();
    let a = world.connect(V2);
    world.send(a, r#"["1","1","room:a","phx_join","panic"]"#);
    assert_eq!(world.recv(a), [refused("room:a", "join crashed")]);
    assert_eq!(*faults.lock().unwrap(), ["room:a phx_join join panics true"]);
    let stats = world.stats().hub;
    assert_eq!((stats.joins, stats.presences, stats.crashes, stats.refused_joins), (0, 0, 1, 1));
}

#[test]
fn one_rejoins_behind_a_crash() {
    let (mut world, _) = world();
    let a = world.connect(V2);
    ask_join(&mut world, a, "room:a");
    say(&mut world, a, "fail", "{}");
    world.send(a, r#"["5","6","room:a","phx_join",{}]"#);
    assert_eq!(world.recv(a)[0], r#"["5","6","room:a","phx_reply",{"status":"ok","response":{}}]"#);
}

#[test]
fn what_a_join_says_and_cannot_be_done_is_told_at_once() {
    let channel = room().join(|socket, _| {
        let long = "x".repeat(256);
        let results = [
            socket.update("me", json!({})),
            socket.untrack("me"),
            socket.track("me", json!([])),
            socket.track("me", json!({})),
            socket.track("me", json!({})),
            socket.update("me", json!({ "n": 1 })),
            socket.track("other", json!({})),
            socket.track("third", json!({})),
            socket.untrack("other"),
            socket.update("other", json!({})),
            socket.track("third", json!({})),
            socket.push("bytes", Binary(b"1")),
            socket.push(&long, Binary(b"1")),
            socket.broadcast(&long, Binary(b"1")),
            socket.on(&long).broadcast("bytes", Binary(b"1")),
            socket.broadcast(&long, json!({})),
        ];
        Ok(Reply::json(&results.map(|result| result.err().map(|error| format!("{error:?}")))))
    });
    let capacity = Capacity::default().with_presences(2);
    let mut world = build(builder().capacity(capacity).mount(Mount::channels("/socket").channel(channel)));
    let told = |first: &str| {
        let before =
            r#""NotTracked","NotTracked","InvalidJson",null,"AlreadyTracked",null,null,"Full",null,"NotTracked",null"#;
        format!(r#"[{before},{first},null]"#)
    };
    let too_long = r#""TooLarge { len: 256, max: 255 }""#;
    let (new, old) = (world.connect(V2), world.connect(V1));
    let got = ask_join(&mut world, new, "room:a");
    let expected = told(&format!("null,{too_long},{too_long},{too_long}"));
    assert_eq!(got[0], format!(r#"["1","1","room:a","phx_reply",{{"status":"ok","response":{expected}}}]"#));
    assert_eq!((world.stats().hub.presences, world.stats().hub.crashes), (2, 0));
    world.send(new, r#"["1","2","room:a","phx_leave",{}]"#);
    world.send(old, r#"{"join_ref":"1","ref":"1","topic":"room:a","event":"phx_join","payload":{}}"#);
    let unsupported = r#""BinaryUnsupported""#;
    let expected = told(&format!("{unsupported},{unsupported},{too_long},{too_long}"));
    assert!(world.recv(old)[0].contains(&expected), "{expected}");
    assert_eq!((world.stats().hub.presences, world.stats().hub.crashes), (2, 0));
}

#[test]
fn what_a_join_said_and_can_be_done_no_more_crashes_it() {
    let channel = Channel::<App>::new("room:*").join(|socket, join| {
        socket.push("one", json!({}))?;
        socket.track("me", json!({}))?;
        socket.push("never", json!({}))?;
        if let Ok(true) = join.payload.parse() {
            let ticket = socket.defer()?;
            socket.app().tickets.push(ticket);
            return Ok(Reply::Later);
        }
        Ok(Reply::empty())
    });
    let hub = builder().capacity(Capacity::default().with_presences(1));
    let mut world = build(hub.mount(Mount::channels("/socket").channel(channel)));
    let (late, other) = (world.connect(V2), world.connect(V2));
    world.send(late, r#"["1","1","room:a","phx_join",true]"#);
    world.send(other, r#"["1","1","room:a","phx_join",false]"#);
    let (now, ticket) = (world.now(), world.app().tickets[0]);
    world.act(|hub, app| hub.answer(now, app, ticket, Ok(Reply::empty()))).unwrap();
    assert_eq!(world.recv(late), [&joined("room:a"), &pushed("one", "{}"), &crashed("1")].map(String::as_str));
    assert_eq!((world.stats().hub.presences, world.stats().hub.crashes), (1, 1));
}

#[test]
fn a_leave_handler_that_fails_harms_nothing() {
    let fails: [fn() -> Result<(), &'static str>; 2] = [|| panic!("leave panics"), || Err("leave fails")];
    for fail in fails {
        let mut world = super::world(Channel::new("room:*").leave(move |_, _| fail()));
        let a = member(&mut world);
        assert_eq!(say(&mut world, a, "phx_leave", "{}"), [OK, r#"["1","1","room:a","phx_close",{}]"#]);
        assert_eq!((world.stats().hub.crashes, world.stats().hub.joins), (1, 0));
    }
}

struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[test]
fn a_panic_that_panics_when_dropped_harms_nothing() {
    let channel = room().on("bomb", |_, _| {
        if true {
            std::panic::panic_any(Bomb)
        }
    });
    let mount = Mount::channels("/socket").channel(channel);
    let mut world = build(builder().mount(mount).on_fault(|_| std::panic::panic_any(Bomb)));
    let (a, b) = (member(&mut world), member(&mut world));
    assert_eq!(say(&mut world, a, "bomb", "{}"), [crashed("1")]);
    assert_eq!(say(&mut world, b, "ping", "1"), [replied("ok", "1")]);
    assert_eq!((world.stats().hub.crashes, world.stats().hub.joins), (1, 1));
}

#[test]
fn state_that_panics_when_dropped_harms_nothing() {
    let mut world = super::world(room().join(|socket, _| {
        socket.set_state(Bomb);
        Ok(Reply::empty())
    }));
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "phx_leave", "{}").len(), 2);
    assert_eq!(world.stats().hub.joins, 0);
    join(&mut world, a, "room:a");
    say(&mut world, a, "phx_leave", "{}"); // so that none is left to be dropped with the hub
}

#[test]
fn a_connect_handler_that_panics_is_500() {
    let mount = Mount::channels("/socket").on_connect(|connect| {
        connect.set_id("ann");
        panic!("connect panics")
    });
    let mut world = mounted(mount);
    assert_eq!(world.try_connect(V2, &[]).unwrap_err().status, 500);
    assert_eq!(world.stats().hub.crashes, 1);
    let now = world.now();
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "ann")), 0);
}

#[test]
fn a_serialization_that_panics_harms_nothing() {
    struct Bad;
    impl serde::Serialize for Bad {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            panic!("serialize panics")
        }
    }
    let mut world = super::world(room().on("bad", |socket, _| socket.broadcast("never", chanson_core::AsJson(Bad))));
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "bad", "{}"), [crashed("1")]);
    join(&mut world, a, "room:a");
    assert_eq!(say(&mut world, a, "ping", "[1]"), [replied("ok", "[1]")]);
}

/// A failure that is not the client's doing, in each handler that decides, at once or later; and what `on_fault` heard.
fn failing() -> (World<App>, Arc<Mutex<Vec<String>>>) {
    let faults = Arc::new(Mutex::new(Vec::new()));
    let heard = faults.clone();
    let channel = room()
        .join(|socket, join| match join.payload.parse::<&str>() {
            Ok("fail") => Err(Refuse::failed("no database")),
            Ok("later") => {
                let ticket = socket.defer()?;
                socket.app().tickets.push(ticket);
                Ok(Reply::Later)
            }
            _ => Ok(Reply::empty()),
        })
        .on("later", |socket, _| {
            let ticket = socket.defer().expect("there is room");
            socket.app().tickets.push(ticket);
        });
    let hub = builder()
        .mount(Mount::channels("/socket").channel(channel).on_connect(|connect| match connect.param("say") {
            Some("fail") => {
                connect.set_id("ann");
                Err(Refuse::failed("no database"))
            }
            Some("later") => {
                let ticket = connect.defer()?;
                connect.app().tickets.push(ticket);
                Ok(())
            }
            _ => Ok(()),
        }))
        .on_request(|http, request| match request.path() {
            "/deferred" => {
                let ticket = http.defer().map_err(|error| error.to_string())?;
                http.app().tickets.push(ticket);
                Err("no database".to_owned())
            }
            "/fine" => Ok(Response::text(200, "fine")),
            path => Err(format!("nothing at {path}")),
        })
        .on_fault(move |fault| {
            let line = format!("{} {} {} {}", fault.place, fault.event, fault.text, fault.panicked);
            heard.lock().expect("nobody panics while holding it").push(line);
        });
    (build(hub), faults)
}

/// What is to be answered by the last ticket: that it failed.
fn fail_later(world: &mut World<App>) {
    let (now, ticket) = (world.now(), *world.app().tickets.last().unwrap());
    let failed = || Err(Refuse::failed("no database"));
    world
        .act(|hub, app| match hub.answer(now, app, ticket, failed()) {
            Err(AnswerError::WrongKind) => hub.answer_connect(now, app, ticket, failed().map(|_| Accept::new())),
            answered => answered,
        })
        .unwrap();
    let again = world.act(|hub, app| hub.answer(now, app, ticket, Ok(Reply::empty())));
    assert_eq!(again, Err(AnswerError::Expired));
}

#[test]
fn a_handler_that_decides_may_fail_without_a_panic() {
    let (mut world, faults) = failing();
    let a = world.connect(V2);
    world.send(a, r#"["1","1","room:a","phx_join","fail"]"#);
    assert_eq!(world.recv(a), [refused("room:a", "join crashed")]);
    assert_eq!(world.try_connect("/socket?say=fail", &[]).unwrap_err().status, 500);
    let now = world.now();
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "ann")), 0);
    let expected = ["room:a phx_join no database false", "/socket connect no database false"];
    assert_eq!(*faults.lock().unwrap(), expected);
    let stats = world.stats().hub;
    assert_eq!((stats.joins, stats.crashes, stats.refused_joins, stats.refused), (0, 2, 1, 1));
}

#[test]
fn what_was_put_off_may_fail_too() {
    let (mut world, faults) = failing();
    let a = world.connect(V2);
    world.send(a, r#"["1","1","room:a","phx_join","later"]"#);
    world.send(a, r#"["1","2","room:a","ping",1]"#);
    fail_later(&mut world);
    assert_eq!(world.recv(a)[0], refused("room:a", "join crashed"));
    assert!(world.app().log.is_empty(), "it had not joined, so it does not leave");

    join(&mut world, a, "room:a");
    assert!(say(&mut world, a, "later", "{}").is_empty());
    fail_later(&mut world);
    assert_eq!(world.recv(a), [crashed("1")]);
    assert_eq!(world.app().log, ["room:a Crashed"]);

    let b = world.dial("/socket?say=later", &[]);
    fail_later(&mut world);
    assert_eq!(world.refusal(b).unwrap().status, 500);
    let expected =
        ["room:a phx_join no database false", "room:a answer no database false", "/socket connect no database false"];
    assert_eq!(*faults.lock().unwrap(), expected);
    let stats = world.stats().hub;
    assert_eq!((stats.joins, stats.tickets, stats.crashes), (0, 0, 3));
}

#[test]
fn a_request_handler_that_fails_is_500() {
    let (mut world, faults) = failing();
    for (path, status) in [("/deferred", 500), ("/fine", 200), ("/none", 500)] {
        assert_eq!(world.request("GET", path, &[], b"").unwrap().status, status, "{path}");
    }
    let expected = ["/deferred request no database false", "/none request nothing at /none false"];
    assert_eq!(*faults.lock().unwrap(), expected);
    assert_eq!((world.stats().hub.tickets, world.stats().hub.crashes), (0, 2));
}
