//! One contract on two wires: Phoenix clients and Covenant clients in the same rooms.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use chanson_core::covenant::connection::DirectServerToSidekick;
use chanson_core::covenant::contract::{Channel, Contract, Fault, Kind, Procedure};
use chanson_core::covenant::host::{self, Host, Topics};
use chanson_core::covenant::server::Server;
use chanson_core::covenant::sidekick::{self, Sidekick};
use chanson_core::memory::{Client, World};
use chanson_core::wire::ion::Date;
use chanson_core::{Hub, Mount};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    room_id: String,
}

#[derive(Serialize, Deserialize)]
struct Login {
    token: String,
}

#[derive(Serialize, Deserialize)]
struct Say {
    text: String,
}

#[derive(Serialize, Deserialize)]
struct Said {
    by: String,
    text: String,
    at: Date,
}

struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Say;
    type ServerMessage = Said;
    type ConnectionRequest = Login;
    type Context = String;
}

/// Without params.
struct Lobby;

impl Channel for Lobby {
    const NAME: &str = "lobby";
    type Params = ();
    type ClientMessage = Say;
    type ServerMessage = String;
    type ConnectionRequest = Login;
    type Context = ();
}

struct Announce;

impl Procedure for Announce {
    const NAME: &str = "announce";
    const KIND: Kind = Kind::Mutation;
    type Input = (Room, String);
    type Output = ();
}

type Both = World<Host<u32>>;

fn said(by: &str, text: &str) -> Said {
    Said { by: by.into(), text: text.into(), at: Date::EPOCH }
}

fn world() -> Both {
    let contract = Contract::new().channel::<Chat>().unwrap().channel::<Lobby>().unwrap();
    let contract = contract.procedure::<Announce>().unwrap();
    let mut server = Server::<u32>::builder(contract).seed([1; 32]).build(DirectServerToSidekick).unwrap();
    server
        .define_channel::<Chat>(
            |client, login| match &*login.token {
                "bad" => Err(client.reject("Invalid token", Fault::Client)),
                "boom" => Err("boom".into()),
                token => Ok(token.to_owned()),
            },
            |message, say| {
                *message.app() += 1;
                if say.text == "wrong" {
                    return Err(message.error("that is wrong", Fault::Client));
                }
                let said = said(message.context(), &say.text);
                Ok(message.send_message::<Chat>(message.params(), &said)?)
            },
        )
        .unwrap();
    server
        .define_channel::<Lobby>(|_, _| Ok(()), |message, say| Ok(message.send_message::<Lobby>(&(), &say.text)?))
        .unwrap();
    server
        .define_procedure::<Announce>(
            |call, (room, text)| Ok(call.send_message::<Chat>(room, &said("system", text))?),
            |_| Vec::new(),
        )
        .unwrap();
    let (chat, lobby) = (Topics::of::<Chat>(["roomId"]), Topics::of::<Lobby>([]));
    let phoenix = Mount::channels("/phoenix").channel(chat.channel()).channel(lobby.channel());
    let hub = Hub::builder().seed([2; 32]).mount(phoenix).mount(host::mount("/socket"));
    let hub = hub.on_request(host::handle_request).build().unwrap();
    let host = Host::new(server, Sidekick::new(sidekick::Config::new("")), 0).topics(chat).topics(lobby);
    World::with_app(hub, host)
}

/// A Phoenix client in a topic.
fn phoenix(world: &mut Both, topic: &str, payload: &str) -> (Client, String) {
    let client = world.connect("/phoenix?vsn=2.0.0");
    world.send(client, &format!(r#"["1","1","{topic}","phx_join",{payload}]"#));
    let answer = world.recv(client).pop().unwrap();
    (client, answer.strip_prefix(&format!(r#"["1","1","{topic}","phx_reply","#)).unwrap().to_owned())
}

fn join(world: &mut Both, topic: &str, who: &str) -> Client {
    let (client, answer) = phoenix(world, topic, &format!(r#"{{"token":"{who}"}}"#));
    assert_eq!(answer, r#"{"status":"ok","response":{}}]"#);
    client
}

/// A Covenant client in a room, and its token.
fn subscribe(world: &mut Both, channel: &str, params: &str, who: &str) -> (Client, String) {
    let body = format!(r#"{{ "channel": "{channel}", "params": {params}, "data": {{ "token": "{who}" }} }}"#);
    let answer = world.request("POST", "/api/covenant?type=connect", &[], body.as_bytes()).unwrap();
    let token = answer.text().split('"').rev().nth(1).unwrap().to_owned();
    let client = world.connect("/socket");
    world.send(client, &format!(r#"{{ "type": "subscribe", "token": "{token}" }}"#));
    assert!(world.recv(client)[0].contains("subscribed"));
    (client, token)
}

fn send(world: &mut Both, client: Client, token: &str, room: &str, text: &str) {
    let message = format!(
        r#"{{ "type": "send", "token": "{token}", "channel": "chat", "params": {{ "roomId": "{room}" }}, "data": {{ "text": "{text}" }} }}"#
    );
    world.send(client, &message);
}

/// What a Covenant client hears, and what a Phoenix client does.
fn ion(room: &str, by: &str, text: &str) -> String {
    format!(
        r#"{{ "type": "message", "channel": "chat", "params": {{ "roomId": "{room}" }}, "data": {{ "by": "{by}", "text": "{text}", "at": date:1970-01-01T00:00:00.000Z }} }}"#
    )
}

fn json(room: &str, by: &str, text: &str) -> String {
    format!(r#"[null,null,"chat:{room}","message",{{"by":"{by}","text":"{text}","at":"1970-01-01T00:00:00.000Z"}}]"#)
}

const OK: &str = r#"["1","2","chat:a","phx_reply",{"status":"ok","response":{}}]"#;

#[test]
fn both_kinds_of_clients_talk_in_their_room_and_no_other() {
    let mut world = world();
    let ann = join(&mut world, "chat:a", "ann");
    let far = join(&mut world, "chat:b", "far");
    let (bob, bobs) = subscribe(&mut world, "chat", r#"{ "roomId": "a" }"#, "bob");
    let (away, _) = subscribe(&mut world, "chat", r#"{ "roomId": "b" }"#, "away");

    world.send(ann, r#"["1","2","chat:a","message",{"text":"hi"}]"#);
    assert_eq!(world.recv(ann), [&*json("a", "ann", "hi"), OK]);
    assert_eq!(world.recv(bob), [ion("a", "ann", "hi")]);
    send(&mut world, bob, &bobs, "a", "hello");
    assert_eq!(world.recv(ann), [json("a", "bob", "hello")]);
    assert_eq!(world.recv(bob), [ion("a", "bob", "hello")]);
    let body = br#"{ "procedure": "announce", "inputs": [{ "roomId": "a" }, "soup"] }"#;
    assert_eq!(world.request("POST", "/api/covenant", &[], body).unwrap().status, 201);
    assert_eq!(world.recv(ann), [json("a", "system", "soup")]);
    assert_eq!(world.recv(bob), [ion("a", "system", "soup")]);
    world.act(|hub, host| {
        let room = Room { room_id: "a".into() };
        host.send_message::<Chat>(&mut hub.pubsub(), &room, &said("cron", "tick")).unwrap();
    });
    assert_eq!(world.recv(ann), [json("a", "cron", "tick")]);
    assert_eq!(world.recv(bob), [ion("a", "cron", "tick")]);
    for client in [far, away] {
        assert_eq!(world.recv(client), [] as [String; 0]);
    }
    assert_eq!(*world.app_mut().app(), 2);

    // Who has left hears no more.
    world.send(ann, r#"["1","3","chat:a","phx_leave",{}]"#);
    world.recv(ann);
    send(&mut world, bob, &bobs, "a", "alone");
    assert_eq!(world.recv(ann), [] as [String; 0]);
    assert_eq!(world.recv(bob), [ion("a", "bob", "alone")]);
}

#[test]
fn who_is_not_let_in_is_told_why() {
    let mut world = world();
    for (topic, payload, why) in [
        ("chat:a", r#"{"token":"bad"}"#, r#"{"fault":"client","reason":"Invalid token"}"#),
        ("chat:a", r#"{"token":"boom"}"#, r#"{"fault":"server","reason":"join crashed"}"#),
        ("chat:a", "{}", r#"{"fault":"client","reason":"Invalid connection request data: token: missing field"}"#),
        ("chat:a", r#"{"__proto__":1}"#, r#"{"reason":"the payload is no JSON that can be read"}"#),
    ] {
        let (_, answer) = phoenix(&mut world, topic, payload);
        assert_eq!(answer, format!(r#"{{"status":"error","response":{why}}}]"#), "{topic} {payload}");
    }
    // Nothing is left of them.
    let stats = world.app_mut().as_mut().stats();
    assert_eq!((stats.fresh_tokens, stats.used_tokens), (0, 0));
}

#[test]
fn what_is_said_against_a_message_is_its_reply() {
    let mut world = world();
    let ann = join(&mut world, "chat:a", "ann");
    for (payload, why) in [
        (r#"{"text":"wrong"}"#, r#"{"fault":"client","reason":"that is wrong"}"#),
        (r#"{"txt":1}"#, r#"{"fault":"client","reason":"Invalid message data: text: missing field"}"#),
        (r#"{"__proto__":1}"#, r#"{"fault":"client","reason":"the payload is no JSON that can be read"}"#),
    ] {
        world.send(ann, &format!(r#"["1","2","chat:a","message",{payload}]"#));
        let expected = format!(r#"["1","2","chat:a","phx_reply",{{"status":"error","response":{why}}}]"#);
        assert_eq!(world.recv(ann), [expected]);
    }
    world.send(ann, r#"["1","2","chat:a","other",{}]"#);
    let unmatched = r#"["1","2","chat:a","phx_reply",{"status":"error","response":{"reason":"unmatched event"}}]"#;
    assert_eq!(world.recv(ann), [unmatched]);
}

#[test]
fn a_channel_without_params_is_one_topic() {
    let mut world = world();
    let ann = join(&mut world, "lobby", "ann");
    let (bob, _) = subscribe(&mut world, "lobby", "{}", "bob");
    world.send(ann, r#"["1","2","lobby","message",{"text":"l'été 🎶"}]"#);
    assert_eq!(world.recv(ann)[0], r#"[null,null,"lobby","message","l'été 🎶"]"#);
    let heard = r#"{ "type": "message", "channel": "lobby", "params": {}, "data": "l'été 🎶" }"#;
    assert_eq!(world.recv(bob), [heard]);
}

#[test]
fn a_room_that_no_topic_can_name_is_covenant_s_alone() {
    let topics = Topics::of::<Chat>(["a", "b"]);
    for topic in ["chat", "chat:", "chat:x", "chatter:x:y", "other:x:y"] {
        assert_eq!(topics.params(topic), None, "{topic}");
    }
    for topic in ["chat::", "chat:x:y", "chat:x:y:z"] {
        let params = topics.params(topic).unwrap();
        assert_eq!(topics.topic(&params).as_deref(), Some(topic));
    }
}
