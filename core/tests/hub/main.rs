//! What a hub does for its clients and its application, through the public API, in memory.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod capacity;
mod connecting;
mod crashes;
mod deferred;
mod events;
mod hub_level;
mod joins;
mod leaves;

mod presence;
mod pubsub;
mod requests;
mod sends;
mod slow_consumers;
mod time_limits;
mod waiting;
mod watching;

use std::fmt::Display;

use chanson_core::hub::Builder;
use chanson_core::memory::{Client, World};
use chanson_core::{Channel, ConnId, Hub, Mount, Ticket};

const V1: &str = "/socket/websocket";
const V2: &str = "/socket/websocket?vsn=2.0.0";
const OK: &str = r#"["1","2","room:a","phx_reply",{"status":"ok","response":{}}]"#;

/// What the handlers of a test leave behind.
#[derive(Default)]
struct App {
    log: Vec<String>,
    tickets: Vec<Ticket>,
    members: Vec<ConnId>,
}

impl App {
    fn log(&mut self, text: impl Display) {
        self.log.push(text.to_string());
    }
}

fn builder() -> Builder<App> {
    Hub::builder().seed([7; 32])
}

fn build(builder: Builder<App>) -> World<App> {
    World::with_app(builder.build().expect("the hub is as the test wants it"), App::default())
}

fn mounted(mount: Mount<App>) -> World<App> {
    build(builder().mount(mount))
}

/// A world whose hub has one channel, at `/socket`.
fn world(channel: Channel<App>) -> World<App> {
    mounted(Mount::channels("/socket").channel(channel))
}

/// A channel that broadcasts `new_msg`, answers `ping`, and logs why its members leave.
fn room() -> Channel<App> {
    Channel::<App>::new("room:*")
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
        .on("from", |socket, msg| socket.broadcast_from("new_msg", msg.payload))
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .leave(|socket, why| {
            let topic = socket.topic().to_owned();
            socket.app().log(format_args!("{topic} {why:?}"));
        })
}

/// The answers to a join of `topic` with join_ref and ref 1.
fn ask_join(world: &mut World<App>, client: Client, topic: &str) -> Vec<String> {
    world.send(client, &format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
    world.recv(client)
}

/// Joins, which has to be answered ok and with nothing else.
#[track_caller]
fn join(world: &mut World<App>, client: Client, topic: &str) {
    assert_eq!(ask_join(world, client, topic), [joined(topic)]);
}

fn joined(topic: &str) -> String {
    format!(r#"["1","1","{topic}","phx_reply",{{"status":"ok","response":{{}}}}]"#)
}

/// The error that answers the join of `topic`.
fn refused(topic: &str, reason: &str) -> String {
    format!(r#"["1","1","{topic}","phx_reply",{{"status":"error","response":{{"reason":"{reason}"}}}}]"#)
}

/// Sends an event to room:a, with ref 2: what comes of it.
fn say(world: &mut World<App>, client: Client, event: &str, payload: &str) -> Vec<String> {
    world.send(client, &format!(r#"["1","2","room:a","{event}",{payload}]"#));
    world.recv(client)
}

/// The reply to the event with ref 2 in room:a.
fn replied(status: &str, response: &str) -> String {
    format!(r#"["1","2","room:a","phx_reply",{{"status":"{status}","response":{response}}}]"#)
}

/// A push to, and a broadcast in, room:a.
fn pushed(event: &str, payload: &str) -> String {
    format!(r#"["1",null,"room:a","{event}",{payload}]"#)
}

fn broadcast(event: &str, payload: &str) -> String {
    format!(r#"[null,null,"room:a","{event}",{payload}]"#)
}

/// A connected client that has joined room:a.
#[track_caller]
fn member(world: &mut World<App>) -> Client {
    let client = world.connect(V2);
    join(world, client, "room:a");
    client
}
