//! What the simulation found (tests/src/simulation).

use chanson_core::client::{Config, Event};
use serde_json::{Value, json};

use super::scripted::Scripted;

/// Someone leaves a topic and joins it again at once. What was still on its way to the earlier join has no join_ref and
/// reaches the new one: a diff that says we came, whose counterpart nobody told us, since we were not there then.
/// phoenix.js 1.8.16 keeps it for the state to come and shows that presence until the next loss.
#[test]
fn a_presence_diff_of_an_earlier_join_does_not_outlive_it() {
    let mut world = Scripted::connected(Config::new("ws://localhost/socket").expect("it is an address"));
    let now = world.now;
    let earlier = world.client.join(now, "room:a", json!({})).expect("there is room");
    world.client.track_presence(earlier).expect("it is joining");
    world.client.leave(now, earlier).expect("it is joining");
    let room = world.client.join(now, "room:a", json!({})).expect("there is room");
    world.client.track_presence(room).expect("it is joining");
    let [first, leave, second] = [(); 3].map(|()| world.next_json());

    let text = |join_ref: &Value, ref_: &Value, event: &str, payload: Value| {
        json!([join_ref, ref_, "room:a", event, payload]).to_string()
    };
    let (ok, none) = (json!({ "status": "ok", "response": {} }), json!({}));
    let met = |phx_ref: &str| json!({ "me": { "metas": [{ "phx_ref": phx_ref }] } });
    world.text(&text(&first[0], &first[1], "phx_reply", ok.clone()));
    world.text(&text(&first[0], &Value::Null, "presence_state", none.clone()));
    world.text(&text(&Value::Null, &Value::Null, "presence_diff", json!({ "joins": met("old"), "leaves": {} })));
    world.text(&text(&leave[0], &leave[1], "phx_reply", ok.clone()));
    world.text(&text(&first[0], &first[0], "phx_close", none.clone()));
    world.text(&text(&second[0], &second[1], "phx_reply", ok));
    world.text(&text(&second[0], &Value::Null, "presence_state", none));
    assert_eq!(world.client.presence(room).count(), 0, "it left since");

    world.text(&text(&Value::Null, &Value::Null, "presence_diff", json!({ "joins": met("new"), "leaves": {} })));
    let (key, presence) = world.client.presence(room).next().expect("we are there");
    assert_eq!((key, presence.metas().len()), ("me", 1));
    let came = world.events_now().into_iter().filter(|event| matches!(event, Event::PresenceJoin { .. }));
    assert_eq!(came.count(), 1);
}
