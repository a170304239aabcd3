use super::*;
use chanson_core::error::CommandError;
use chanson_core::hub::BuildError;
use chanson_core::{Capacity, Origin, Refuse};
use serde_json::json;

fn status(world: &mut World<App>, target: &str, headers: &[(&str, &str)]) -> u16 {
    match world.try_connect(target, headers) {
        Ok(_) => 101,
        Err(response) => response.status,
    }
}

#[test]
fn the_version_is_what_the_parameter_says() {
    let mut world = world(room());
    for vsn in ["1.0.0", "1.0.7", "2.0.0", "2.0.1", "9&vsn=2.0.0"] {
        assert_eq!(status(&mut world, &format!("/socket?vsn={vsn}"), &[]), 101, "{vsn}");
    }
    for vsn in ["", "2", "2.0", "1.1.0", "2.1.0", "3.0.0", "2.0.0-rc.1", "2.0.0&vsn=9"] {
        assert_eq!(status(&mut world, &format!("/socket?vsn={vsn}"), &[]), 403, "{vsn}");
    }
    assert_eq!(world.stats().hub.refused, 8);
}

#[test]
fn paths_are_the_mounts_with_or_without_websocket() {
    let mut world = mounted(Mount::channels("/a/:x"));
    for (path, expected) in [("/a/1", 101), ("/a/1/websocket", 101), ("/a", 404), ("/a/1/2", 404), ("/A/1", 404)] {
        assert_eq!(status(&mut world, path, &[]), expected, "{path}");
    }
}

#[test]
fn the_first_mount_that_matches_serves() {
    let named = |name: &'static str, path| {
        Mount::<App>::channels(path).on_connect(move |connect| {
            connect.app().log(name);
            Ok(())
        })
    };
    let mut world = build(builder().mount(named("exact", "/a/b")).mount(named("any", "/a/:x")));
    world.connect("/a/b");
    world.connect("/a/c");
    assert_eq!(world.app().log, ["exact", "any"]);
}

#[test]
fn a_route_parameter_counts_before_a_query_parameter_and_the_last_of_these() {
    let mount = Mount::<App>::channels("/socket/:room").on_connect(|connect| {
        let params = ["room", "q", "none", "vsn"].map(|name| connect.param(name).map(String::from));
        connect.app().log(format_args!("{params:?}"));
        Ok(())
    });
    let mut world = mounted(mount);
    world.connect("/socket/r%20s?q=1&room=x&q=a+b%21&vsn=2.0.0");
    assert_eq!(world.app().log, [r#"[Some("r s"), Some("a b!"), None, None]"#]);
}

#[test]
fn on_connect_sees_the_request_and_decides() {
    let mount = Mount::channels("/socket")
        .channel(room().on("who", |socket, _| {
            let who = json!([socket.id(), socket.assign("user")]);
            socket.reply(who)
        }))
        .on_connect(|connect| {
            let seen = (
                connect.header("x-USER").map(String::from),
                connect.request().target().to_owned(),
                connect.peer().is_some(),
                connect.auth_token().map(String::from),
                connect.now(),
            );
            let conn = connect.conn();
            connect.app().log(format_args!("{seen:?} {}", conn.index()));
            let user = connect.header("x-user").ok_or(Refuse::default())?.to_owned();
            connect.set_id(&user);
            connect.set_assign("user", "first")?;
            Ok(connect.set_assign("user", &user)?)
        });
    let mut world = mounted(mount);
    assert_eq!(status(&mut world, V2, &[]), 403);
    let a = world.try_connect(V2, &[("X-User", "ann")]).unwrap();
    join(&mut world, a, "room:a");
    assert_eq!(say(&mut world, a, "who", "{}"), [replied("ok", r#"["ann","ann"]"#)]);
    assert_eq!(world.app().log[1], format!(r#"(Some("ann"), "{V2}", true, None, Instant(0ns)) 1"#));
}

#[test]
fn a_token_comes_as_a_subprotocol_and_is_answered_with_phoenix() {
    let mount = Mount::channels("/socket").on_connect(|connect| match connect.auth_token() {
        Some("letmein?>") => Ok(()),
        _ => Err(Refuse::default()),
    });
    let mut world = mounted(mount);
    let mut with = |protocols: &str| {
        let result = world.try_connect(V2, &[("Sec-WebSocket-Protocol", protocols)]);
        let response = result.map(|client| world.opened(client).cloned().unwrap()).unwrap_or_else(|refused| refused);
        (response.status, response.header("sec-websocket-protocol").map(String::from))
    };
    let phoenix = Some("phoenix".to_owned());
    assert_eq!(with("phoenix, base64url.bearer.phx.bGV0bWVpbj8+"), (101, phoenix.clone()));
    assert_eq!(with("phoenix, base64url.bearer.phx.bGV0bWVpbj8-"), (101, phoenix.clone()), "base64url");
    assert_eq!(with("phoenix, base64url.bearer.phx.bGV0bWVpbj8%"), (403, phoenix.clone()));
    assert_eq!(with("phoenix, base64url.bearer.phx."), (403, phoenix));
    assert_eq!(with("other"), (403, None));
}

#[test]
fn other_subprotocols_are_not_answered() {
    let mut world = world(room());
    let a = world.try_connect(V2, &[("Sec-WebSocket-Protocol", "chat")]).unwrap();
    assert_eq!(world.opened(a).unwrap().header("sec-websocket-protocol"), None);
}

#[test]
fn origins() {
    let from = |world: &mut World<App>, origin: &str| status(world, V2, &[("Origin", origin)]);
    let mut same = world(room());
    assert_eq!(status(&mut same, V2, &[]), 101, "none is fine");
    assert_eq!(from(&mut same, "https://LOCALHOST:99"), 101);
    assert_eq!(from(&mut same, "http://evil.test"), 403);
    assert_eq!(from(&mut same, "null"), 403);
    let mut any = mounted(Mount::channels("/socket").origin(Origin::Any));
    assert_eq!((from(&mut any, "http://evil.test"), from(&mut any, "null")), (101, 101));
    let mut list = mounted(Mount::channels("/socket").origin(Origin::list(["//a.test", "https://b.test"])));
    assert_eq!(["http://a.test:7", "https://b.test", "http://b.test"].map(|o| from(&mut list, o)), [101, 101, 403]);
}

#[test]
fn what_is_no_upgrade_is_told_why() {
    let mut world = world(room());
    assert_eq!(world.request("GET", V2, &[], b"").unwrap().status, 400);
    assert_eq!(world.request("POST", V2, &[], b"x").unwrap().status, 405);
    assert_eq!(status(&mut world, V2, &[("Sec-WebSocket-Version", "12")]), 426);
    assert_eq!(status(&mut world, V2, &[("Sec-WebSocket-Key", "short")]), 400);
    assert_eq!(world.stats().hub.opened, 0);
}

#[test]
fn a_refused_connection_may_try_again() {
    let mount = Mount::channels("/socket").on_connect(|connect| {
        connect.set_id("ann");
        connect.set_assign("try", "1")?;
        match connect.param("ok") {
            Some(_) => Ok(()),
            None => Err(Refuse::default()),
        }
    });
    let mut world = mounted(mount);
    let upgrade = |target: &str| {
        format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
    };
    let transport = world.open_transport();
    world.write(transport, upgrade(V2).as_bytes());
    assert!(world.read(transport).starts_with(b"HTTP/1.1 403 "));
    let now = world.now();
    assert_eq!(world.act(|hub, app| hub.disconnect(now, app, "ann")), 0, "a refused one has no id");
    world.write(transport, upgrade("/socket?ok").as_bytes());
    assert!(world.read(transport).starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn a_refused_try_leaves_no_assigns() {
    let mount =
        Mount::<App>::raw("/raw").on_open(|raw| raw.send_text(raw.assign("try").unwrap_or("none").to_owned().as_str()));
    let mount = mount.on_connect(|connect| {
        if connect.param("ok").is_some() {
            return Ok(());
        }
        connect.set_assign("try", "first")?;
        Err(Refuse::default())
    });
    let mut world = mounted(mount);
    let transport = world.open_transport();
    for target in ["/raw", "/raw?ok"] {
        let request = format!(
            "GET {target} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        world.write(transport, request.as_bytes());
    }
    assert!(world.read(transport).ends_with(b"\x81\x04none"));
}

#[test]
fn messages_have_the_length_that_the_mount_allows() {
    let hub = builder()
        .mount(Mount::channels("/socket").channel(room()))
        .mount(Mount::channels("/small").channel(room()).max_message(100));
    let mut world = build(hub);
    let (a, b) = (member(&mut world), world.connect("/small?vsn=2.0.0"));
    join(&mut world, b, "room:a");
    let ping = |len: usize| {
        let frame = r#"["1","2","room:a","ping",""]"#.len();
        format!(r#"["1","2","room:a","ping","{}"]"#, "x".repeat(len - frame))
    };
    for (client, max) in [(b, 100), (a, 64 * 1024)] {
        world.send(client, &ping(max));
        assert_eq!(world.recv(client).len(), 1);
        world.send(client, &ping(max + 1));
        assert_eq!(world.closed(client), Some(1009));
    }
    assert!(world.app().log[0].contains("TooBig { max: 100 }"));
}

#[test]
fn a_mount_bounds_the_joins_of_each_connection() {
    let mut world = mounted(Mount::channels("/socket").channel(room()).max_joins(2));
    let a = world.connect(V2);
    join(&mut world, a, "room:a");
    join(&mut world, a, "room:b");
    assert_eq!(ask_join(&mut world, a, "room:c"), [refused("room:c", "too many channels joined")]);
    let capacity = Capacity::default().with_joins_per_connection(1);
    let mut world = build(builder().mount(Mount::channels("/socket").channel(room()).max_joins(2)).capacity(capacity));
    let a = world.connect(V2);
    join(&mut world, a, "room:a");
    assert_eq!(ask_join(&mut world, a, "room:b"), [refused("room:b", "too many channels joined")]);
}

#[test]
fn shutdown_closes_with_1012_and_admits_no_more() {
    let mut world = world(room());
    let (a, idle) = (member(&mut world), world.open_transport());
    let now = world.now();
    assert!(!world.hub().is_stopping());
    world.act(|hub, app| hub.shutdown(now, app));
    assert!(world.hub().is_stopping());
    assert_eq!((world.closed(a), world.is_shut(a), world.is_shut(idle)), (Some(1012), true, true));
    assert_eq!(world.stats().hub.connections, 0);
    assert_eq!(status(&mut world, V2, &[]), 503);
}

#[test]
fn what_makes_no_sense_is_said_when_the_hub_is_built() {
    let error = |hub: Builder<App>| hub.build().err().map(|error| error.to_string()).unwrap_or_default();
    assert_eq!(Hub::<()>::builder().build().err(), Some(BuildError::NoSeed));
    assert!(error(builder().mount(Mount::channels("socket"))).contains("mount `socket`"));
    let twice = builder().mount(Mount::channels("/socket").channel(room())).mount(Mount::raw("/socket"));
    assert_eq!(error(twice), "mount `/socket`: another one has the same path and comes first");
    assert_eq!(error(builder().mount(Mount::channels("/socket/:id")).mount(Mount::channels("/socket/a"))), "");
    let with = |patterns: &[&str]| {
        let mount = Mount::channels("/socket");
        error(builder().mount(patterns.iter().fold(mount, |mount, pattern| mount.channel(Channel::new(pattern)))))
    };
    assert!(with(&["a*b"]).contains("channel `a*b`"));
    assert!(with(&["room:*", "room:a"]).contains("mount `/socket`"), "the second never matches");
    assert_eq!(with(&["room:a", "room:*"]), "");
    let never = |channel: Channel<App>| error(builder().mount(Mount::channels("/socket").channel(channel)));
    let long = "x".repeat(129);
    for (channel, name, why) in [
        (Channel::new(&long), &*long, "it is longer than `Capacity::topic_bytes`"),
        (Channel::new(&format!("{long}*")), &*format!("{long}*"), "it is longer than `Capacity::topic_bytes`"),
        (room().on(&long, |_, _| ()), &*long, "it is longer than `Capacity::event_bytes`"),
        (room().on("phx_join", |_, _| ()), "phx_join", "there are handlers of their own for joins and leaves"),
        (room().on("phx_leave", |_, _| ()), "phx_leave", "there are handlers of their own for joins and leaves"),
    ] {
        assert_eq!(never(channel), format!("mount `/socket`: `{name}` never matches: {why}"));
    }
    assert_eq!(never(Channel::new(&long[1..]).on(&long[1..], |_, _| ())), "");
    let misplaced = error(builder().mount(Mount::raw("/raw").channel(room())));
    assert_eq!(misplaced, "mount `/raw`: `channel` is nothing for its protocol");
    assert!(error(builder().mount(Mount::channels("/socket").on_text(|_, _| ()))).contains("`on_text`"));
}

#[test]
fn a_seed_that_is_set_is_not_overridden() {
    let refs = |builder: Builder<App>| {
        let channel = room().join(|socket, _| {
            socket.track("me", json!({}))?;
            Ok(chanson_core::Reply::empty())
        });
        let mut world = build(builder.mount(Mount::channels("/socket").channel(channel)));
        let a = world.connect(V2);
        ask_join(&mut world, a, "room:a")
    };
    let (seven, eight) = (refs(Hub::builder().seed([7; 32])), refs(Hub::builder().seed([8; 32])));
    assert_ne!(seven, eight);
    assert_eq!(refs(Hub::builder().seed_if_unset([8; 32])), eight);
    assert_eq!(refs(Hub::builder().seed([7; 32]).seed_if_unset([8; 32])), seven);
}

#[test]
fn preallocation_changes_nothing_but_memory() {
    let mut world = build(builder().mount(Mount::channels("/socket").channel(room())).preallocate());
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "ping", "1"), [replied("ok", "1")]);
    assert_eq!(world.hub().capacity(), &Capacity::default());
}

#[test]
fn assigns_are_bounded() {
    let mount = Mount::channels("/socket")
        .channel(room().on("set", |socket, _| {
            let results = [socket.set_assign("c", "3"), socket.set_assign("a", "4")];
            socket.reply(json!(results.map(|result| result == Err(CommandError::Full))))
        }))
        .on_connect(|connect| {
            connect.set_assign("a", "1")?;
            connect.set_assign("b", "2")?;
            assert_eq!(connect.set_assign("c", "3"), Err(CommandError::Full));
            Ok(connect.set_assign("a", "2")?)
        });
    let mut world = build(builder().mount(mount).capacity(Capacity::default().with_assigns_per_connection(2)));
    let a = member(&mut world);
    assert_eq!(say(&mut world, a, "set", "{}"), [replied("ok", "[true,false]")]);
}

#[test]
fn frames_behind_the_upgrade_in_one_write_are_read() {
    let mut world = mounted(Mount::<App>::channels("/socket").channel(room()).on_connect(|connect| {
        if connect.param("later").is_some() {
            let ticket = connect.defer()?;
            connect.app().tickets.push(ticket);
        }
        Ok(())
    }));
    for later in ["", "&later"] {
        let transport = world.open_transport();
        let mut bytes = format!(
            "GET {V2}{later} HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        .into_bytes();
        let join = r#"["1","1","room:a","phx_join",{}]"#;
        chanson_core::ws::data(chanson_core::ws::Data::Text, join.as_bytes(), Some([1, 2, 3, 4]), &mut bytes);
        world.write(transport, &bytes);
        if let Some(ticket) = world.app_mut().tickets.pop() {
            assert!(world.read(transport).is_empty());
            let now = world.now();
            world.act(|hub, app| hub.answer_connect(now, app, ticket, Ok(chanson_core::Accept::new()))).unwrap();
        }
        let read = world.read(transport);
        assert!(read.ends_with(joined("room:a").as_bytes()), "{later}");
    }
}
