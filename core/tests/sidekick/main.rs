//! What the sidekick does for clients and their server, through the public API, in memory.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod bounds;
mod clients;
mod embedded;
mod forwarding;
mod hostile;
mod requests;
mod simulation;
mod tokens;

use chanson_core::covenant::connection::{Answer, CallError, HttpSidekickToServer, SidekickToServer};
use chanson_core::covenant::sidekick::{self, Call, Config, Sidekick, Stats};
use chanson_core::memory::{Client, HttpResponse, World};
use chanson_core::{Capacity, Hub};

const SECRET: (&str, &str) = ("Authorization", "Bearer secret");
const CHAT: &str = r#""channel": "chat", "params": { "roomId": "room1" }"#;

fn config() -> Config {
    Config::new("secret")
}

fn world() -> World<Sidekick> {
    world_with(config(), Capacity::default())
}

fn world_with(config: Config, capacity: Capacity) -> World<Sidekick> {
    let hub = Hub::builder()
        .seed([7; 32])
        .capacity(capacity)
        .mount(sidekick::mount("/socket"))
        .on_request(sidekick::handle_request)
        .build();
    World::with_app(hub.unwrap(), Sidekick::new(config))
}

fn post(world: &mut World<Sidekick>, path: &str, body: &str) -> HttpResponse {
    world.request("POST", path, &[SECRET], body.as_bytes()).unwrap()
}

#[track_caller]
fn post_ok(world: &mut World<Sidekick>, path: &str, body: &str) {
    let answer = post(world, path, body);
    assert_eq!((answer.status, answer.text()), (200, "OK"), "{body}");
}

/// Announces a token for a room, given as its channel and params.
#[track_caller]
fn announce(world: &mut World<Sidekick>, token: &str, room: &str, user: &str) {
    let context = format!(r#""context": {{ "userId": "{user}" }}"#);
    post_ok(world, "/connection", &format!(r#"{{ "token": "{token}", {room}, {context} }}"#));
}

fn subscribe(world: &mut World<Sidekick>, client: Client, token: &str) {
    world.send(client, &format!(r#"{{ "type": "subscribe", "token": "{token}" }}"#));
}

fn unsubscribe(world: &mut World<Sidekick>, client: Client, token: &str) {
    world.send(client, &format!(r#"{{ "type": "unsubscribe", "token": "{token}" }}"#));
}

fn send(world: &mut World<Sidekick>, client: Client, token: &str, room: &str, data: &str) {
    world.send(client, &format!(r#"{{ "type": "send", "token": "{token}", {room}, "data": {data} }}"#));
}

#[track_caller]
fn message(world: &mut World<Sidekick>, room: &str, data: &str) {
    post_ok(world, "/message", &format!(r#"{{ {room}, "data": {data} }}"#));
}

/// A client that has used a token for the room `CHAT`.
fn subscriber(world: &mut World<Sidekick>, token: &str) -> Client {
    let client = world.connect("/socket");
    announce(world, token, CHAT, token);
    subscribe(world, client, token);
    assert_eq!(world.recv(client), [format!(r#"{{ "type": "subscribed", {CHAT} }}"#)]);
    client
}

fn calls(world: &mut World<Sidekick>) -> Vec<Call> {
    std::iter::from_fn(|| world.app_mut().poll_call()).collect()
}

fn respond(world: &mut World<Sidekick>, call: &Call, response: Result<Answer, CallError>) {
    let server = HttpSidekickToServer::new("http://127.0.0.1/", "secret").unwrap();
    let result = server.read(response.as_ref().map_err(|error| *error));
    world.act(|hub, sidekick| sidekick.handle_response(&mut hub.pubsub(), call.id, result));
}

fn stats(world: &World<Sidekick>) -> Stats {
    world.app().stats()
}

fn error(channel: &str, params: &str, fault: &str, message: &str) -> String {
    format!(
        r#"{{ "type": "error", "error": {{ "channel": "{channel}", "params": {params}, "fault": "{fault}", "message": "{message}" }} }}"#
    )
}
