//! Server, Sidekick and several clients in memory: who hears what, errors, listeners, bounds, and what is left behind.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use chanson_core::Capacity;
use chanson_core::covenant::client::{Client, Config, Event, ProcedureError, Returned, SendError, Token};
use chanson_core::covenant::connection::{DirectClientToServer, EmptyServerToSidekick};
use chanson_core::covenant::contract::{Channel, Contract, Fault, Kind, Procedure};
use chanson_core::covenant::internal::{InternalServer, InternalSidekick};
use chanson_core::covenant::server::Server;
use chanson_core::covenant::sidekick;
use chanson_core::time::Instant;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    room_id: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Text {
    text: String,
}

struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Text;
    type ServerMessage = (String, String);
    type ConnectionRequest = String;
    type Context = String;
}

struct Todos;

impl Procedure for Todos {
    const NAME: &str = "todos";
    const KIND: Kind = Kind::Query;
    type Input = ();
    type Output = Vec<String>;
}

struct AddTodo;

impl Procedure for AddTodo {
    const NAME: &str = "addTodo";
    const KIND: Kind = Kind::Mutation;
    type Input = Text;
    type Output = usize;
}

struct Announce;

impl Procedure for Announce {
    const NAME: &str = "announce";
    const KIND: Kind = Kind::Mutation;
    type Input = (Room, String);
    type Output = ();
}

type App = InternalServer<Vec<String>>;

struct World {
    sidekick: InternalSidekick,
    server: App,
    now: Instant,
}

impl World {
    fn new() -> Self {
        Self::on(InternalSidekick::new([1; 32]))
    }

    fn on(sidekick: InternalSidekick) -> Self {
        let server = serving(sidekick.connection_from_server());
        let process = server.clone();
        sidekick.set_server_callback(move |now, message| process.process_channel_message(now, message));
        Self { sidekick, server, now: Instant::ORIGIN }
    }

    fn client(&self) -> Client {
        let config = Config::new(DirectClientToServer::new(&self.server), self.sidekick.connection_from_client());
        let mut client = Client::new(config, [3; 32]);
        client.open(self.now);
        assert_eq!(client.poll_event(), Some(Event::Online));
        client
    }

    fn enter(&self, client: &mut Client, room: &str, name: &str) -> Token {
        client.connect::<Chat>(self.now, &at(room), &name.to_owned()).unwrap();
        let Some(Event::Connected { token, .. }) = client.poll_event() else { panic!() };
        client.subscribe(self.now, token).unwrap();
        assert_eq!(client.poll_event(), Some(Event::Subscribed { token }));
        token
    }

    fn say(&self, client: &mut Client, token: Token, text: &str) {
        client.send::<Chat>(self.now, token, &Text { text: text.into() }).unwrap();
    }
}

fn serving(sidekick: impl chanson_core::covenant::connection::ServerToSidekick) -> App {
    let contract = Contract::new().channel::<Chat>().unwrap();
    let contract = contract.procedure::<Todos>().unwrap().procedure::<AddTodo>().unwrap();
    let contract = contract.procedure::<Announce>().unwrap();
    let mut server = Server::<Vec<String>>::builder(contract).seed([2; 32]).build(sidekick).unwrap();
    let on_connect = |client: &mut chanson_core::covenant::server::Connecting<'_, _, Chat>, name: String| {
        if name == "bad" { Err(client.reject("Invalid token", Fault::Client)) } else { Ok(name) }
    };
    server
        .define_channel::<Chat>(on_connect, |message, say| {
            if say.text == "wrong" {
                return Err(message.error("that is wrong", Fault::Client));
            }
            let said = (message.context().clone(), say.text);
            Ok(message.send_message::<Chat>(message.params(), &said)?)
        })
        .unwrap();
    let list = |_: chanson_core::covenant::server::Done<'_, _, _, _>| vec!["todos".to_owned()];
    server.define_procedure::<Todos>(|call, ()| Ok(call.app().clone()), list).unwrap();
    server
        .define_procedure::<AddTodo>(
            |call, todo| {
                call.app().push(todo.text.clone());
                Ok(call.app().len())
            },
            |_| vec!["todos".to_owned()],
        )
        .unwrap();
    server
        .define_procedure::<Announce>(
            |call, (room, text)| Ok(call.send_message::<Chat>(room, &("system".into(), text.clone()))?),
            |_| Vec::new(),
        )
        .unwrap();
    server.assert_all_defined().unwrap();
    InternalServer::new(server, Vec::new())
}

fn at(room: &str) -> Room {
    Room { room_id: room.into() }
}

/// What has come on channels.
fn heard(client: &mut Client) -> Vec<(String, String)> {
    let mut heard = Vec::new();
    while let Some(event) = client.poll_event() {
        match event {
            Event::Message { data, .. } => heard.push(data.parse().unwrap()),
            Event::Sent { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    heard
}

fn pair(name: &str, text: &str) -> (String, String) {
    (name.into(), text.into())
}

#[test]
fn a_message_reaches_its_room_and_nobody_else() {
    let world = World::new();
    let [mut ann, mut bob, mut cleo] = [world.client(), world.client(), world.client()];
    let anns = world.enter(&mut ann, "a", "ann");
    world.enter(&mut bob, "a", "bob");
    world.enter(&mut cleo, "b", "cleo");
    world.say(&mut ann, anns, "hello");
    for client in [&mut ann, &mut bob] {
        assert_eq!(heard(client), [pair("ann", "hello")]);
    }
    assert_eq!(heard(&mut cleo), []);

    // A procedure sends before it answers, and so does anybody.
    cleo.mutate::<Announce>(world.now, &(at("a"), "soup".into())).unwrap();
    assert!(matches!(cleo.poll_event(), Some(Event::Returned { result: Ok(_), .. })));
    world.server.send_message::<Chat>(world.now, &at("a"), &pair("cron", "tick")).unwrap();
    assert_eq!(heard(&mut bob), [pair("system", "soup"), pair("cron", "tick")]);
    ann.unsubscribe(world.now, anns).unwrap();
    assert_eq!(heard(&mut ann), []);
}

#[test]
fn errors_have_their_fault_and_message() {
    let world = World::new();
    let mut ann = world.client();
    ann.connect::<Chat>(world.now, &at("a"), &"bad".into()).unwrap();
    let Some(Event::Refused { error, .. }) = ann.poll_event() else { panic!() };
    assert_eq!((&*error.message, error.fault), ("Invalid token", Fault::Client));
    let token = world.enter(&mut ann, "a", "ann");
    world.say(&mut ann, token, "wrong");
    let Some(Event::SendFailed { error: SendError::Channel(error), .. }) = ann.poll_event() else { panic!() };
    assert_eq!((&*error.message, error.fault), ("that is wrong", Fault::Client));

    // Nobody has said what becomes of messages.
    let sidekick = InternalSidekick::new([1; 32]);
    let server = serving(sidekick.connection_from_server());
    let world = World { sidekick, server, now: Instant::ORIGIN };
    let mut ann = world.client();
    let token = world.enter(&mut ann, "a", "ann");
    world.say(&mut ann, token, "hello");
    let Some(Event::SendFailed { error: SendError::Channel(error), .. }) = ann.poll_event() else { panic!() };
    assert_eq!((&*error.message, error.fault), ("Server connection not initialized", Fault::Server));
}

fn fetched(client: &mut Client) -> Vec<Vec<String>> {
    let result = |result: Result<Returned, ProcedureError>| result.unwrap().output::<Todos>().unwrap();
    std::iter::from_fn(|| client.poll_event())
        .filter_map(|event| match event {
            Event::Fetched { result: fetched, .. } => Some(result(fetched)),
            Event::Returned { .. } => None,
            other => panic!("{other:?}"),
        })
        .collect()
}

#[test]
fn remote_listeners_hear_of_the_mutations_of_others() {
    let world = World::new();
    let [mut ann, mut bob, mut cleo] = [world.client(), world.client(), world.client()];
    let listen = ann.listen::<Todos>(world.now, &(), true).unwrap();
    bob.listen::<Todos>(world.now, &(), false).unwrap();
    for client in [&mut ann, &mut bob] {
        assert_eq!(fetched(client), [Vec::<String>::new()]);
    }
    cleo.mutate::<AddTodo>(world.now, &Text { text: "soup".into() }).unwrap();
    assert_eq!(fetched(&mut ann), [["soup"]]);
    assert_eq!(fetched(&mut bob), [] as [Vec<String>; 0]);
    // Its own mutations are heard of without the Sidekick.
    bob.mutate::<AddTodo>(world.now, &Text { text: "salt".into() }).unwrap();
    assert_eq!(fetched(&mut bob), [["soup", "salt"]]);
    assert_eq!(fetched(&mut ann), [["soup", "salt"]]);
    ann.unlisten(world.now, listen).unwrap();
    bob.mutate::<AddTodo>(world.now, &Text { text: "bread".into() }).unwrap();
    assert_eq!(fetched(&mut ann), [] as [Vec<String>; 0]);
    assert_eq!(world.server.with_app(|todos| todos.len()), 3);
}

#[test]
fn who_went_and_came_back_is_subscribed_again() {
    let mut world = World::new();
    let [mut ann, mut bob] = [world.client(), world.client()];
    let anns = world.enter(&mut ann, "a", "ann");
    let bobs = world.enter(&mut bob, "a", "bob");
    ann.disconnect(world.now);
    assert!(matches!(ann.poll_event(), Some(Event::Offline { .. })));
    world.say(&mut bob, bobs, "nobody hears");
    assert_eq!(world.sidekick.stats().used_tokens, 1, "what a closed connection had is gone");
    world.say(&mut ann, anns, "later");
    world.now += Duration::from_secs(1);
    ann.open(world.now);
    assert_eq!(ann.poll_event(), Some(Event::Online));
    assert_eq!(ann.poll_event(), Some(Event::Subscribed { token: anns }));
    assert_eq!(heard(&mut ann), [pair("ann", "later")]);
    assert_eq!(heard(&mut bob), [pair("bob", "nobody hears"), pair("ann", "later")]);
    drop((ann, bob));
    let stats = world.sidekick.stats();
    assert_eq!((stats.used_tokens, stats.active_connections), (0, 0));
}

#[test]
fn who_does_not_listen_is_left_behind_and_comes_back() {
    let capacity = Capacity::for_connections(4).with_queued_bytes_per_connection(2000);
    let sidekick = InternalSidekick::with_config([1; 32], sidekick::Config::new(""), capacity).unwrap();
    let mut world = World::on(sidekick);
    let [mut ann, mut bob] = [world.client(), world.client()];
    let anns = world.enter(&mut ann, "a", "ann");
    let bobs = world.enter(&mut bob, "a", "bob");
    for n in 0..100 {
        world.say(&mut ann, anns, &n.to_string());
        assert_eq!(heard(&mut ann), [pair("ann", &n.to_string())]);
    }
    let mut events: Vec<_> = std::iter::from_fn(|| bob.poll_event()).collect();
    assert!(matches!(events.pop(), Some(Event::Offline { retry_at: Some(_), .. })), "behind what was kept");
    assert!(!events.is_empty() && events.len() < 100);
    world.now = bob.poll_timeout().unwrap();
    bob.handle_timeout(world.now);
    assert_eq!(bob.poll_event(), Some(Event::Online));
    assert_eq!(bob.poll_event(), Some(Event::Subscribed { token: bobs }));
}

#[test]
fn bounds_are_errors() {
    let config = sidekick::Config::new("").with_tokens(2);
    let sidekick = InternalSidekick::with_config([1; 32], config, Capacity::for_connections(1)).unwrap();
    let world = World::on(sidekick);
    let mut ann = world.client();
    for _ in 0..2 {
        ann.connect::<Chat>(world.now, &at("a"), &"ann".into()).unwrap();
        assert!(matches!(ann.poll_event(), Some(Event::Connected { .. })));
    }
    ann.connect::<Chat>(world.now, &at("a"), &"ann".into()).unwrap();
    let Some(Event::Refused { error, .. }) = ann.poll_event() else { panic!() };
    assert_eq!(error.fault, Fault::Server);

    let config = Config::new(DirectClientToServer::new(&world.server), world.sidekick.connection_from_client());
    let mut bob = Client::new(config, [4; 32]);
    bob.open(world.now);
    assert!(matches!(bob.poll_event(), Some(Event::ConnectFailed { retry_at: Some(_), .. })));
}

#[test]
fn somebody_is_woken_when_there_is_something_to_hear() {
    let world = World::new();
    let woken = Arc::new(AtomicUsize::new(0));
    let config = Config::new(DirectClientToServer::new(&world.server), world.sidekick.connection_from_client());
    let mut bob = Client::new(config, [4; 32]);
    let count = Arc::clone(&woken);
    bob.wake_by(Arc::new(move || {
        count.fetch_add(1, Ordering::Relaxed);
    }));
    bob.open(world.now);
    bob.poll_event();
    world.enter(&mut bob, "a", "bob");
    let before = woken.load(Ordering::Relaxed);
    for text in ["1", "2"] {
        world.server.send_message::<Chat>(world.now, &at("a"), &pair("cron", text)).unwrap();
    }
    assert_eq!(woken.load(Ordering::Relaxed), before + 1, "once for what waits");
    assert_eq!(heard(&mut bob).len(), 2);
}

#[test]
fn a_server_without_a_sidekick() {
    let server = serving(EmptyServerToSidekick);
    let world = World { sidekick: InternalSidekick::new([1; 32]), server, now: Instant::ORIGIN };
    let mut ann = world.client();
    ann.mutate::<AddTodo>(world.now, &Text { text: "soup".into() }).unwrap();
    let Some(Event::Returned { result: Ok(returned), .. }) = ann.poll_event() else { panic!() };
    assert_eq!(returned.output::<AddTodo>(), Ok(1));
}
