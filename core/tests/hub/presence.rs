use super::*;
use chanson_core::error::CommandError;
use chanson_core::{Refuse, Reply};
use serde_json::{Value, json};

/// As the rooms server: who joins with `{"user":U}` is tracked under U and told who is here.
fn channel() -> Channel<App> {
    Channel::new("room:*")
        .join(|socket, join| {
            let Ok(payload) = join.payload.parse::<Value>() else { return Err(Refuse::default()) };
            let user = payload["user"].as_str().ok_or(Refuse::reason("user required"))?;
            socket.track(user, json!({ "name": user }))?;
            socket.push_presence_state()?;
            Ok(Reply::empty())
        })
        .on("update", |socket, msg| socket.update("ann", msg.payload))
        .on("untrack", |socket, _| socket.untrack("ann"))
        .on("untrack_and_say", |socket, _| {
            socket.untrack("ann")?;
            socket.broadcast("said", json!({}))
        })
        .on("meta", |socket, _| {
            let metas = json!([
                socket.presence_meta("ann").map(|meta| meta.as_str().to_owned()),
                socket.presence_meta("bob").is_some(),
            ]);
            socket.reply(metas)
        })
        .on("list", |socket, _| {
            let list = socket.presence_list();
            socket.reply(list)
        })
        .on("fail", |_, _| Err::<(), _>("fails"))
        .on("track", |socket, msg| {
            let payload: Value = msg.payload.parse().unwrap_or_default();
            let result = socket.track(payload["key"].as_str().unwrap_or_default(), &payload["meta"]);
            socket.reply(json!(result.map_err(|error| error.to_string())))
        })
}

fn come(world: &mut World<App>, user: &str) -> Client {
    let client = world.connect(V2);
    world.send(client, &format!(r#"["1","1","room:a","phx_join",{{"user":"{user}"}}]"#));
    client
}

/// Event and payload of each, with every `phx_ref` taken out.
fn plain(texts: Vec<String>) -> Vec<(String, Value)> {
    fn strip(value: &mut Value) {
        if let Some(object) = value.as_object_mut() {
            if object.contains_key("phx_ref_prev") {
                object.insert("phx_ref_prev".into(), json!("old"));
            }
            object.remove("phx_ref");
            object.values_mut().for_each(strip);
        }
        value.as_array_mut().into_iter().flatten().for_each(strip);
    }
    let split = |text: String| {
        let mut message: Value = serde_json::from_str(&text).expect("the server sends JSON");
        strip(&mut message[4]);
        (message[3].as_str().unwrap_or_default().to_owned(), message[4].take())
    };
    texts.into_iter().map(split).collect()
}

fn diff(joins: Value, leaves: Value) -> (String, Value) {
    ("presence_diff".into(), json!({ "joins": joins, "leaves": leaves }))
}

fn one(user: &str) -> Value {
    json!({ user: { "metas": [{ "name": user }] } })
}

#[test]
fn who_joins_gets_its_reply_then_the_diff_then_the_state() {
    let mut world = world(channel());
    let a = come(&mut world, "ann");
    let got = plain(world.recv(a));
    assert_eq!(got[0].0, "phx_reply");
    assert_eq!(got[1..], [diff(one("ann"), json!({})), ("presence_state".into(), one("ann"))]);
    let b = come(&mut world, "bob");
    assert_eq!(plain(world.recv(a)), [diff(one("bob"), json!({}))]);
    let both = json!({ "ann": { "metas": [{ "name": "ann" }] }, "bob": { "metas": [{ "name": "bob" }] } });
    assert_eq!(plain(world.recv(b))[1..], [diff(one("bob"), json!({})), ("presence_state".into(), both)]);
    assert_eq!(world.stats().hub.presences, 2);
}

#[test]
fn phx_refs_differ_and_an_update_names_the_one_before() {
    let mut world = world(channel());
    let (a, _) = (come(&mut world, "ann"), come(&mut world, "bob"));
    say(&mut world, a, "update", r#"{"name":"ann"}"#);
    say(&mut world, a, "list", "{}");
    let stats = world.stats().hub;
    assert_eq!(stats.presences, 2);
    let c = come(&mut world, "carl");
    let got = world.recv(c);
    let state: Value = serde_json::from_str(got.last().unwrap()).unwrap();
    let refs: std::collections::BTreeSet<String> = ["ann", "bob", "carl"]
        .iter()
        .map(|user| state[4][user]["metas"][0]["phx_ref"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(refs.len(), 3);
    assert!(state[4]["ann"]["metas"][0]["phx_ref_prev"].is_string());
}

#[test]
fn an_update_is_a_single_diff_with_both_metas() {
    let mut world = world(channel());
    let (a, b) = (come(&mut world, "ann"), come(&mut world, "bob"));
    world.recv(a);
    world.recv(b);
    say(&mut world, a, "update", r#"{"name":"Ann"}"#);
    let joins = json!({ "ann": { "metas": [{ "name": "Ann", "phx_ref_prev": "old" }] } });
    assert_eq!(plain(world.recv(b)), [diff(joins, one("ann"))]);
}

#[test]
fn untrack_is_seen_by_the_client_too_and_before_what_is_said_later() {
    let mut world = world(channel());
    let a = come(&mut world, "ann");
    world.recv(a);
    let got = plain(say(&mut world, a, "untrack_and_say", "{}"));
    assert_eq!(got, [diff(json!({}), one("ann")), ("said".into(), json!({}))]);
    assert_eq!(world.stats().hub.presences, 0);
}

#[test]
fn whoever_goes_is_untracked_and_does_not_see_it() {
    type End = fn(&mut World<App>, Client) -> Vec<String>;
    let ends: [End; 4] = [
        |world, a| say(world, a, "phx_leave", "{}"),
        |world, a| say(world, a, "fail", "{}"),
        |world, a| {
            world.close(a, 1000);
            world.recv(a)
        },
        |world, a| {
            world.cut(a);
            world.recv(a)
        },
    ];
    for end in ends {
        let mut world = world(channel());
        let (a, b) = (come(&mut world, "ann"), come(&mut world, "bob"));
        world.recv(a);
        world.recv(b);
        let own = end(&mut world, a);
        assert!(own.iter().all(|text| !text.contains("presence_diff")), "{own:?}");
        assert_eq!(plain(world.recv(b)), [diff(json!({}), one("ann"))]);
        assert_eq!(world.stats().hub.presences, 1);
    }
}

#[test]
fn a_duplicate_join_is_a_leave_and_a_join_to_the_others() {
    let mut world = world(channel());
    let (a, b) = (come(&mut world, "ann"), come(&mut world, "bob"));
    world.recv(b);
    world.send(a, r#"["2","2","room:a","phx_join",{"user":"ann"}]"#);
    assert_eq!(plain(world.recv(b)), [diff(json!({}), one("ann")), diff(one("ann"), json!({}))]);
}

#[test]
fn the_same_user_twice_is_two_metas_and_each_leave_is_one() {
    let mut world = world(channel());
    let (a, b) = (come(&mut world, "ann"), come(&mut world, "ann"));
    let state = plain(world.recv(b)).pop();
    assert_eq!(
        state,
        Some(("presence_state".into(), json!({ "ann": { "metas": [{ "name": "ann" }, { "name": "ann" }] } })))
    );
    world.cut(b);
    assert_eq!(plain(world.recv(a)).pop(), Some(diff(json!({}), one("ann"))));
    assert_eq!(world.stats().hub.presences, 1);
}

#[test]
fn a_join_that_is_refused_is_not_tracked() {
    let mut world = world(channel());
    let (a, b) = (come(&mut world, "ann"), world.connect(V2));
    world.recv(a);
    assert_eq!(ask_join(&mut world, b, "room:a"), [refused("room:a", "user required")]);
    assert!(world.recv(a).is_empty());
    assert_eq!(world.stats().hub.presences, 1);
}

#[test]
fn one_sees_its_own_metas_and_the_list_of_all() {
    let mut world = world(channel());
    let (a, _) = (come(&mut world, "ann"), come(&mut world, "bob"));
    world.recv(a);
    assert_eq!(say(&mut world, a, "meta", "{}"), [replied("ok", r#"["{\"name\":\"ann\"}",false]"#)]);
    let list = r#"[{"key":"ann","meta":{"name":"ann"}},{"key":"bob","meta":{"name":"bob"}}]"#;
    assert_eq!(say(&mut world, a, "list", "{}"), [replied("ok", list)]);
    assert_eq!(world.hub().presence_list("room:a").as_payload().json().unwrap().as_str(), list);
    assert_eq!(world.hub().presence_list("room:b").as_payload().json().unwrap().as_str(), "[]");
    let keys: Vec<_> = world.hub().presence("room:a").map(|(key, meta)| format!("{key} {meta}")).collect();
    assert_eq!(keys, [r#"ann {"name":"ann"}"#, r#"bob {"name":"bob"}"#]);
}

#[test]
fn mistakes_are_told_and_change_nothing() {
    let mut world = world(channel().on("errors", |socket, _| {
        assert_eq!(socket.update("nobody", json!({})), Err(CommandError::NotTracked));
        assert_eq!(socket.untrack("nobody"), Err(CommandError::NotTracked));
        assert_eq!(socket.track("ann", json!({})), Err(CommandError::AlreadyTracked));
        assert_eq!(socket.track("x", json!([])), Err(CommandError::InvalidJson));
        assert_eq!(socket.update("ann", json!(1)), Err(CommandError::InvalidJson));
        assert_eq!(socket.track("x", chanson_core::Binary(b"{}")), Err(CommandError::InvalidJson));
        socket.reply(json!({}))
    }));
    let a = come(&mut world, "ann");
    world.recv(a);
    assert_eq!(say(&mut world, a, "errors", "{}"), [OK]);
    assert_eq!(world.stats().hub.presences, 1);
}

#[test]
fn several_keys_of_one_join_leave_in_one_diff() {
    let mut world = world(channel());
    let (a, b) = (come(&mut world, "ann"), come(&mut world, "bob"));
    say(&mut world, a, "track", r#"{"key":"tab","meta":{"n":2}}"#);
    world.recv(b);
    world.cut(a);
    let leaves = json!({ "ann": { "metas": [{ "name": "ann" }] }, "tab": { "metas": [{ "n": 2 }] } });
    assert_eq!(plain(world.recv(b)), [diff(json!({}), leaves)]);
}

#[test]
fn what_a_leave_handler_tracks_is_gone_behind_it() {
    let mut world = world(Channel::<App>::new("room:*").leave(|socket, _| socket.track("ghost", json!({}))));
    let (a, b) = (member(&mut world), member(&mut world));
    say(&mut world, a, "phx_leave", "{}");
    assert_eq!(world.recv(b).len(), 2, "it came and went");
    assert_eq!(world.stats().hub.presences, 0);
}
