use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::*;
use crate::covenant::connection::{
    EmptyClientToSidekick, HttpClientToServer, HttpClientToSidekick, MessagesToSidekick,
};
use crate::covenant::contract::{Channel, Fault, Kind, Procedure};
use crate::covenant::protocol;
use crate::error::CloseReason;

struct Chat;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Room {
    room_id: String,
}

#[derive(Serialize, Deserialize)]
struct Login {
    token: String,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Say {
    text: String,
}

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Say;
    type ServerMessage = Say;
    type ConnectionRequest = Login;
    type Context = ();
}

struct Lobby;

impl Channel for Lobby {
    const NAME: &str = "lobby";
    type Params = ();
    type ClientMessage = Say;
    type ServerMessage = Say;
    type ConnectionRequest = Login;
    type Context = ();
}

struct Todos;

impl Procedure for Todos {
    const NAME: &str = "todos";
    const KIND: Kind = Kind::Query;
    type Input = ();
    type Output = Vec<u32>;
}

struct AddTodo;

impl Procedure for AddTodo {
    const NAME: &str = "addTodo";
    const KIND: Kind = Kind::Mutation;
    type Input = Say;
    type Output = u32;
}

const OK: &str =
    r#"{ "channel": "chat", "params": { "roomId": "room1" }, "result": { "type": "OK", "token": "TOKEN" } }"#;
const SUBSCRIBED: &str = r#"{ "type": "subscribed", "channel": "chat", "params": { "roomId": "room1" } }"#;

/// A client whose messages and requests the test answers.
struct World {
    client: Client,
    now: Instant,
}

impl World {
    fn new(change: impl FnOnce(Config) -> Config) -> Self {
        let server = HttpClientToServer::new("http://a.test/api").unwrap();
        let config = change(Config::new(server, MessagesToSidekick));
        Self { client: Client::new(config, [7; 32]), now: Instant::ORIGIN }
    }

    fn online() -> Self {
        let mut world = Self::new(|config| config);
        world.open();
        world
    }

    fn open(&mut self) {
        self.client.open(self.now);
        assert_eq!(self.client.poll_output(), Some(Output::Open));
        self.client.handle_connected(self.now);
        assert_eq!(self.event(), Event::Online);
    }

    fn event(&mut self) -> Event {
        self.client.poll_event().expect("an event")
    }

    fn quiet(&mut self) {
        assert_eq!((self.client.poll_output(), self.client.poll_event()), (None, None));
    }

    /// What the client says to the Sidekick next.
    fn said(&mut self) -> String {
        match self.client.poll_output() {
            Some(Output::Send(text)) => text,
            other => panic!("{other:?}"),
        }
    }

    /// What the client asks the server next.
    fn asked(&mut self) -> (CallId, String, String) {
        match self.client.poll_output() {
            Some(Output::Call { id, post }) => (id, post.url().as_str().to_owned(), post.body().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    fn answer(&mut self, call: CallId, body: &str) {
        self.client.handle_answer(self.now, call, Ok(&Answer::new(200, body)));
    }

    fn hear(&mut self, text: &str) {
        self.client.handle_message(self.now, text);
    }

    fn wait(&mut self, millis: u64) {
        let end = self.now + Duration::from_millis(millis);
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            assert!(self.client.poll_timeout().is_none_or(|next| next > self.now));
        }
        self.now = end;
    }

    /// A token for room1.
    fn token(&mut self, text: &str) -> Token {
        let login = Login { token: "ann".into() };
        let call = self.client.connect::<Chat>(self.now, &room1(), &login).unwrap();
        let (id, url, body) = self.asked();
        assert_eq!((id, &*url), (call, "http://a.test/api?type=connect"));
        assert_eq!(body, CONNECT);
        self.answer(id, &OK.replace("TOKEN", text));
        match self.event() {
            Event::Connected { call: of, token } if of == call => token,
            other => panic!("{other:?}"),
        }
    }

    fn subscribed(&mut self, text: &str) -> Token {
        let token = self.token(text);
        self.client.subscribe(self.now, token).unwrap();
        assert_eq!(self.said(), format!(r#"{{ "type": "subscribe", "token": "{text}" }}"#));
        self.hear(SUBSCRIBED);
        assert_eq!(self.event(), Event::Subscribed { token });
        token
    }

    fn send(&mut self, token: Token, text: &str) -> SendId {
        self.client.send::<Chat>(self.now, token, &Say { text: text.into() }).unwrap()
    }

    fn lose(&mut self) {
        self.client.handle_error(self.now);
        assert_eq!(self.client.poll_output(), Some(Output::Close));
        assert!(matches!(self.event(), Event::Offline { reason: CloseReason::TransportEof, .. }));
    }

    fn come_back(&mut self) {
        self.wait(10);
        assert_eq!(self.client.poll_output(), Some(Output::Open));
        self.client.handle_connected(self.now);
        assert_eq!(self.event(), Event::Online);
    }
}

/// As recorded: conformance `connect_ok`.
const CONNECT: &str = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "data": { "token": "ann" } }"#;

fn room1() -> Room {
    Room { room_id: "room1".into() }
}

fn error(channel: &str, params: &str, message: &str) -> String {
    format!(
        r#"{{ "type": "error", "error": {{ "channel": "{channel}", "params": {params}, "fault": "client", "message": "{message}" }} }}"#
    )
}

#[test]
fn what_it_says_is_what_the_original_says() {
    let mut world = World::online();
    let token = world.subscribed("t1");
    let send = world.send(token, "hello");
    let said = r#"{ "type": "send", "token": "t1", "channel": "chat", "params": { "roomId": "room1" }, "data": { "text": "hello" } }"#;
    assert_eq!(world.said(), said);
    let data = r#"{ "text": "hi" }"#;
    world.hear(&format!(
        r#"{{ "type": "message", "channel": "chat", "params": {{ "roomId": "room1" }}, "data": {data} }}"#
    ));
    let Event::Message { token: of, data } = world.event() else { panic!() };
    assert_eq!((of, data.parse()), (token, Ok(Say { text: "hi".into() })));
    world.wait(100);
    assert_eq!(world.event(), Event::Sent { send });

    world.client.unsubscribe(world.now, token).unwrap();
    assert_eq!(world.said(), r#"{ "type": "unsubscribe", "token": "t1" }"#);
    world.hear(r#"{ "type": "message", "channel": "chat", "params": { "roomId": "room1" }, "data": 1 }"#);
    world.hear(r#"{ "type": "unsubscribed", "channel": "chat", "params": { "roomId": "room1" } }"#);
    world.quiet();
    assert_eq!(world.client.stats().unrouted, 1);
    assert_eq!(world.client.unsubscribe(world.now, token), Err(CommandError::UnknownToken));
    assert_eq!(world.client.subscribe(world.now, token), Err(CommandError::UnknownToken));
}

#[test]
fn why_it_was_not_let_in() {
    let mut world = World::online();
    let text = |error: protocol::ChannelError<'_>| format!("{} {}", error.fault, error.message);
    for (body, expected) in [
        (
            r#"{ "channel": "chat", "params": {}, "result": { "type": "ERROR", "error": { "channel": "chat", "params": {}, "message": "Invalid token", "fault": "client" } } }"#,
            "client Invalid token",
        ),
        (r#"{ "error": "boom" }"#, r#"server Bad response from server: { "error": "boom" }"#),
        ("<html>", "server Unknown error connecting to channel: the answer is no ION (200 - OK)"),
    ] {
        let call = world.client.connect::<Chat>(world.now, &room1(), &Login { token: "ann".into() }).unwrap();
        let (id, ..) = world.asked();
        world.answer(id, body);
        let Event::Refused { call: of, error } = world.event() else { panic!() };
        assert_eq!((of, &*text(error)), (call, expected));
    }
    world.client.connect::<Chat>(world.now, &room1(), &Login { token: "ann".into() }).unwrap();
    let (late, ..) = world.asked();
    world.wait(30_000);
    let Event::Refused { error, .. } = world.event() else { panic!() };
    assert_eq!(text(error), "server Unknown error connecting to channel: no answer in time");
    world.answer(late, OK);
    world.quiet();
}

#[test]
fn everything_waits_for_the_connection() {
    let mut world = World::new(|config| config);
    let token = world.token("t1");
    world.client.subscribe(world.now, token).unwrap();
    assert_eq!(world.client.subscribe(world.now, token), Err(CommandError::Subscribed));
    for text in ["1", "2"] {
        world.send(token, text);
    }
    world.quiet();
    world.open();
    assert!(world.said().contains("subscribe"));
    assert!(world.said().contains(r#""text": "1""#));
    assert!(world.said().contains(r#""text": "2""#));
    world.quiet();
}

#[test]
fn what_waits_is_bounded_and_does_not_wait_for_ever() {
    let capacity = Capacity::default().with_buffered_bytes(40).with_send_bytes(100).with_tokens(2);
    let mut world = World::new(|config| config.with_capacity(capacity));
    let token = world.token("t1");
    let (first, second) = (world.send(token, "12345"), world.send(token, "12345"));
    let say = |text: &str| Say { text: text.into() };
    assert_eq!(world.client.send::<Chat>(world.now, token, &say("12345")), Err(CommandError::Full));
    let too_large = Err(CommandError::TooLarge { len: 214, max: 100 });
    assert_eq!(world.client.send::<Chat>(world.now, token, &say(&"x".repeat(200))), too_large);
    assert_eq!(world.client.send::<Lobby>(world.now, token, &say("")), Err(CommandError::WrongChannel));
    world.wait(10_000);
    for send in [first, second] {
        assert_eq!(world.event(), Event::SendFailed { send, error: SendError::Timeout });
    }
    let third = world.send(token, "12345");
    world.client.unsubscribe(world.now, token).unwrap();
    assert_eq!(world.event(), Event::SendFailed { send: third, error: SendError::Ended });
    assert_eq!(world.client.open_sends(), 0);

    world.token("t2");
    let login = || Login { token: "ann".into() };
    world.client.connect::<Chat>(world.now, &room1(), &login()).unwrap();
    assert_eq!(world.client.connect::<Chat>(world.now, &room1(), &login()), Err(CommandError::Full));
}

#[test]
fn an_error_is_about_its_room_and_no_other() {
    let mut world = World::online();
    let token = world.subscribed("t1");
    let call = world.client.connect::<Lobby>(world.now, &(), &Login { token: "ann".into() }).unwrap();
    world.asked();
    world.answer(call, r#"{ "channel": "lobby", "params": {}, "result": { "type": "OK", "token": "t2" } }"#);
    let Event::Connected { token: lobby, .. } = world.event() else { panic!() };
    let chatting = world.send(token, "error-client");
    let other = world.client.send::<Lobby>(world.now, lobby, &Say { text: "hi".into() }).unwrap();
    world.said();
    world.said();
    world.hear(&error("chat", r#"{ "roomId": "room1" }"#, "client fault requested"));
    let Event::SendFailed { send, error: SendError::Channel(why) } = world.event() else { panic!() };
    assert_eq!((send, why.fault, &*why.message), (chatting, Fault::Client, "client fault requested"));
    world.quiet();
    world.wait(100);
    assert_eq!(world.event(), Event::Sent { send: other });
    // Too late for anyone.
    world.hear(&error("lobby", "{}", "late"));
    assert!(matches!(world.event(), Event::Error { .. }));
}

#[test]
fn after_a_loss_subscriptions_are_made_again_with_other_tokens() {
    let mut world = World::online();
    let (used, fresh) = (world.subscribed("t1"), world.token("t2"));
    let lost = world.send(used, "on its way");
    world.said();
    world.lose();
    assert_eq!(world.event(), Event::SendFailed { send: lost, error: SendError::Lost });
    assert!(!world.client.is_subscribed(used));
    world.send(used, "later");
    world.send(fresh, "with a fresh token");
    world.quiet();

    world.come_back();
    // Who was not subscribed has a token that is still good; the other asks for a new one, with the same data.
    let (mut texts, mut calls) = (Vec::new(), Vec::new());
    while let Some(output) = world.client.poll_output() {
        match output {
            Output::Send(text) => texts.push(text),
            Output::Call { id, post } => calls.push((id, post.body().to_owned())),
            other => panic!("{other:?}"),
        }
    }
    assert!(texts.len() == 1 && texts[0].contains(r#""token": "t2""#) && texts[0].contains("with a fresh token"));
    assert!(calls.len() == 1 && calls[0].1 == CONNECT);
    world.answer(calls[0].0, &OK.replace("TOKEN", "t3"));
    assert_eq!(world.said(), r#"{ "type": "subscribe", "token": "t3" }"#);
    assert!(world.said().contains(r#""token": "t3", "channel": "chat""#));
    world.hear(SUBSCRIBED);
    assert_eq!(world.event(), Event::Subscribed { token: used });
    world.client.unsubscribe(world.now, used).unwrap();
    assert_eq!(world.said(), r#"{ "type": "unsubscribe", "token": "t3" }"#);
}

#[test]
fn a_token_that_has_expired_is_renewed() {
    let mut world = World::online();
    let token = world.token("old");
    world.client.subscribe(world.now, token).unwrap();
    world.said();
    let refusal = error("???unknown", "{}", "Inputted invalid token for subscription");
    world.hear(&refusal);
    let (id, ..) = world.asked();
    world.answer(id, &OK.replace("TOKEN", "new"));
    assert_eq!(world.said(), r#"{ "type": "subscribe", "token": "new" }"#);
    // If that does not help it is not tried without end in no time.
    world.hear(&refusal);
    let Event::Interrupted { token: of, retry_at, .. } = world.event() else { panic!() };
    assert_eq!((of, retry_at - world.now), (token, Duration::from_secs(2)));
    world.quiet();
    world.wait(2000);
    let (id, ..) = world.asked();
    world.answer(id, &OK.replace("TOKEN", "newer"));
    assert_eq!(world.said(), r#"{ "type": "subscribe", "token": "newer" }"#);
    world.hear(SUBSCRIBED);
    assert_eq!(world.event(), Event::Subscribed { token });
}

#[test]
fn a_server_that_is_away_is_asked_again_and_one_that_refuses_is_not() {
    let mut world = World::online();
    let token = world.subscribed("t1");
    world.lose();
    world.come_back();
    let (id, ..) = world.asked();
    world.client.handle_answer(world.now, id, Err(CallError::Unreachable));
    assert!(matches!(world.event(), Event::Interrupted { .. }));
    let waiting = world.send(token, "waits");
    world.wait(1000);
    let (id, ..) = world.asked();
    let refusal = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "result": { "type": "ERROR", "error": { "channel": "chat", "params": { "roomId": "room1" }, "message": "Invalid token", "fault": "client" } } }"#;
    world.answer(id, refusal);
    assert_eq!(world.event(), Event::SendFailed { send: waiting, error: SendError::Ended });
    let Event::Ended { token: of, error } = world.event() else { panic!() };
    assert_eq!((of, &*error.message), (token, "Invalid token"));
    assert_eq!(world.client.subscribe(world.now, token), Err(CommandError::UnknownToken));
    world.quiet();
}

#[test]
fn two_tokens_of_one_room_are_two_subscriptions() {
    let mut world = World::online();
    let tokens = [world.subscribed("t1"), world.subscribed("t2")];
    world.hear(r#"{ "type": "message", "channel": "chat", "params": { "roomId": "room1" } }"#);
    for token in &tokens {
        let Event::Message { token: of, data } = world.event() else { panic!() };
        assert_eq!((&of, data.as_str()), (token, "null"));
    }
    world.quiet();
}

#[test]
fn procedures() {
    let mut world = World::new(|config| config);
    let call = world.client.query::<Todos>(world.now, &()).unwrap();
    let (id, url, body) = world.asked();
    assert_eq!((id, &*url), (call, "http://a.test/api?type=procedure"));
    assert_eq!(body, r#"{ "procedure": "todos", "inputs": null }"#);
    world.answer(id, r#"{ "status": "OK", "data": [1, 2], "resources": ["todo/list"] }"#);
    let Event::Returned { result: Ok(returned), .. } = world.event() else { panic!() };
    assert_eq!((returned.output::<Todos>(), &*returned.resources[0]), (Ok(vec![1, 2]), "todo/list"));
    let improper = returned.output::<AddTodo>().unwrap_err();
    assert!(improper.message.starts_with("Improper response from server from procedure addTodo: "), "{improper}");

    for (answer, code, message) in [
        (
            r#"{ "status": "ERR", "error": { "message": "Intentional failure", "code": 422 } }"#,
            422,
            "Intentional failure",
        ),
        (r#"{ "status": "ERR" }"#, 500, r#"Bad response from server: { "status": "ERR" }"#),
        ("?", 400, "Unknown error fetching from the server: the answer is no ION (200 - OK)"),
    ] {
        let call = world.client.query::<Todos>(world.now, &()).unwrap();
        world.asked();
        world.answer(call, answer);
        let Event::Returned { result: Err(error), .. } = world.event() else { panic!() };
        assert_eq!((error.code, &*error.message), (code, message));
    }
}

const TODOS: &str = r#"{ "status": "OK", "data": [1], "resources": ["todo/list"] }"#;

#[test]
fn a_mutation_refetches_what_listens_here() {
    let mut world = World::online();
    let listen = world.client.listen::<Todos>(world.now, &(), false).unwrap();
    let (id, ..) = world.asked();
    world.answer(id, TODOS);
    let Event::Fetched { listen: of, result: Ok(_) } = world.event() else { panic!() };
    assert_eq!(of, listen);
    world.quiet();

    let mutate = world.client.mutate::<AddTodo>(world.now, &Say { text: "x".into() }).unwrap();
    world.asked();
    world.answer(mutate, r#"{ "status": "OK", "data": 2, "resources": ["todo/list", "todo/2"] }"#);
    assert!(matches!(world.event(), Event::Returned { .. }));
    let (id, ..) = world.asked();
    // Twice while it is under way is once more.
    for _ in 0..2 {
        let mutate = world.client.mutate::<AddTodo>(world.now, &Say { text: "x".into() }).unwrap();
        world.asked();
        world.answer(mutate, r#"{ "status": "OK", "data": 2, "resources": ["todo/list"] }"#);
        assert!(matches!(world.event(), Event::Returned { .. }));
    }
    world.quiet();
    world.answer(id, TODOS);
    assert!(matches!(world.event(), Event::Fetched { .. }));
    let (id, ..) = world.asked();
    world.answer(id, TODOS);
    world.event();
    world.client.unlisten(world.now, listen).unwrap();
    assert_eq!(world.client.unlisten(world.now, listen), Err(CommandError::UnknownListen));
    world.quiet();
}

#[test]
fn a_remote_listener_follows_its_resources_and_comes_back() {
    let mut world = World::online();
    let listen = world.client.listen::<Todos>(world.now, &(), true).unwrap();
    let second = world.client.listen::<Todos>(world.now, &(), true).unwrap();
    for _ in 0..2 {
        let (id, ..) = world.asked();
        world.answer(id, TODOS);
        world.event();
    }
    // As recorded in `listen_unlisten`; the second need not be told of.
    assert_eq!(world.said(), r#"{ "type": "listen", "resources": ["todo/list"] }"#);
    world.quiet();
    // Who knows what has changed until the Sidekick listened? Nothing has, so nothing is told.
    world.hear(r#"{ "type": "listening", "resources": ["todo/list"] }"#);
    for answer in [TODOS, &TODOS.replace("[1]", "[1, 2]")] {
        let (id, ..) = world.asked();
        world.answer(id, answer);
    }
    assert!(matches!(world.event(), Event::Fetched { listen, .. } if listen == second));
    world.quiet();
    world.client.unlisten(world.now, second).unwrap();
    world.quiet();

    world.hear(r#"{ "type": "updated", "resource": "other" }"#);
    world.quiet();
    world.hear(r#"{ "type": "updated", "resource": "todo/list" }"#);
    let (id, ..) = world.asked();
    world.answer(id, r#"{ "status": "OK", "data": [1], "resources": ["todo/1", "todo/2"] }"#);
    world.event();
    assert_eq!(world.said(), r#"{ "type": "listen", "resources": ["todo/1", "todo/2"] }"#);
    assert_eq!(world.said(), r#"{ "type": "unlisten", "resources": ["todo/list"] }"#);

    world.lose();
    world.come_back();
    assert_eq!(world.said(), r#"{ "type": "listen", "resources": ["todo/1", "todo/2"] }"#);
    world.quiet();
    world.hear(r#"{ "type": "listening", "resources": ["todo/1", "todo/2"] }"#);
    let (id, ..) = world.asked();
    world.client.handle_answer(world.now, id, Err(CallError::HungUp));
    let Event::Fetched { result: Err(error), .. } = world.event() else { panic!() };
    assert_eq!(error.code, 400);
    // That is told, since it may be something else. It goes on listening to what it knew.
    world.hear(r#"{ "type": "updated", "resource": "todo/1" }"#);
    let (id, ..) = world.asked();
    world.client.unlisten(world.now, listen).unwrap();
    assert_eq!(world.said(), r#"{ "type": "unlisten", "resources": ["todo/1", "todo/2"] }"#);
    world.answer(id, TODOS);
    world.quiet();
}

#[test]
fn a_refusal_is_of_what_was_asked_first() {
    let mut world = World::online();
    world.client.listen::<Todos>(world.now, &(), true).unwrap();
    let (id, ..) = world.asked();
    world.answer(id, TODOS);
    world.event();
    assert!(world.said().contains("listen"));
    let token = world.token("t1");
    world.client.subscribe(world.now, token).unwrap();
    world.said();
    // Of the resources, not of the token.
    world.hear(&error("???unknown", "{}", "Too many resources are listened to"));
    let Event::Error { error } = world.event() else { panic!() };
    assert_eq!(&*error.message, "Too many resources are listened to");
    world.hear(SUBSCRIBED);
    assert_eq!(world.event(), Event::Subscribed { token });
    world.quiet();
}

#[test]
fn without_a_sidekick() {
    let server = HttpClientToServer::new("http://a.test/api").unwrap();
    let client = Client::new(Config::new(server, EmptyClientToSidekick), [7; 32]);
    let mut world = World { client, now: Instant::ORIGIN };
    world.client.open(world.now);
    world.quiet();
    let token = world.token("t1");
    assert_eq!(world.client.subscribe(world.now, token), Err(CommandError::NoSidekick));
    let say = Say { text: "x".into() };
    assert_eq!(world.client.send::<Chat>(world.now, token, &say), Err(CommandError::NoSidekick));
    world.client.listen::<Todos>(world.now, &(), true).unwrap();
    let (id, ..) = world.asked();
    world.answer(id, TODOS);
    assert!(matches!(world.event(), Event::Fetched { .. }));
    world.quiet();
}

#[test]
fn what_is_no_message_is_counted() {
    let mut world = World::online();
    for text in ["", "nope", "[]", "{}", r#"{ "type": "dance" }"#, r#"{ "type": "updated" }"#] {
        world.hear(text);
    }
    world.hear(&error("???unknown", "{}", "of nothing"));
    assert!(matches!(world.event(), Event::Error { .. }));
    world.quiet();
    assert_eq!(world.client.stats().undecodable, 6);
}

#[test]
fn a_sidekick_that_says_nothing_is_pinged_and_left() {
    use crate::session::{self, Session};

    let server = HttpClientToServer::new("http://a.test/api").unwrap();
    let sidekick = HttpClientToSidekick::new("http://b.test:1").unwrap();
    let mut world = World { client: Client::new(Config::new(server, sidekick), [7; 32]), now: Instant::ORIGIN };
    world.client.open(world.now);
    let connect = Output::Connect { host: "b.test".into(), port: 1, tls: false };
    assert_eq!(world.client.poll_output(), Some(connect.clone()));
    world.client.handle_connected(world.now);

    let mut far = Session::server(world.now, &Default::default());
    let carry = |world: &mut World, far: &mut Session| {
        let mut texts = Vec::new();
        let mut slices = [IoSlice::new(&[]); 8];
        let count = world.client.pending(&mut slices);
        let bytes = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
        world.client.advance(world.now, bytes.len());
        far.handle_bytes(world.now, &bytes);
        loop {
            match far.poll_event() {
                Some(session::Event::Request(request)) => {
                    assert_eq!((request.path(), request.header("host")), ("/socket", Some("b.test:1")));
                    far.upgrade(world.now, None, 1024).unwrap();
                }
                Some(session::Event::Text(text)) => texts.push(text.to_owned()),
                Some(_) => {}
                None => break,
            }
        }
        let mut slices = [IoSlice::new(&[]); 8];
        let count = far.pending(&mut slices);
        let bytes = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect::<Vec<u8>>();
        far.advance(world.now, bytes.len());
        world.client.handle_bytes(world.now, &bytes);
        texts
    };
    carry(&mut world, &mut far);
    assert_eq!(world.event(), Event::Online);
    let token = world.token("t1");
    world.client.subscribe(world.now, token).unwrap();
    assert_eq!(carry(&mut world, &mut far), [r#"{ "type": "subscribe", "token": "t1" }"#]);
    // It is pinged, and answers.
    for _ in 0..3 {
        world.wait(30_000);
        carry(&mut world, &mut far);
    }
    world.quiet();
    // It is pinged, and does not.
    world.wait(59_000);
    world.quiet();
    world.wait(2_000);
    assert!(matches!(world.event(), Event::Offline { reason: CloseReason::IdleTimeout, .. }));
    // The old connection is waited for no longer than that.
    world.wait(2_000);
    assert_eq!(world.client.poll_output(), Some(Output::Close));
    assert_eq!(world.client.poll_output(), Some(connect));
}

#[test]
fn nobody_there() {
    let mut world = World::new(|config| config.with_reconnect(Backoff::RECONNECT.with_max_attempts(1)));
    world.client.open(world.now);
    assert_eq!(world.client.poll_output(), Some(Output::Open));
    world.client.handle_error(world.now);
    let Event::ConnectFailed { error: ConnectError::Transport, retry_at: Some(_) } = world.event() else { panic!() };
    assert_eq!(world.client.poll_output(), Some(Output::Close));
    world.wait(10);
    assert_eq!(world.client.poll_output(), Some(Output::Open));
    world.wait(10_000);
    assert_eq!(world.event(), Event::ConnectFailed { error: ConnectError::Timeout, retry_at: None });
    assert_eq!(world.client.poll_output(), Some(Output::Close));
    world.wait(100_000);
    world.quiet();
    world.open();
    world.client.disconnect(world.now);
    assert_eq!(world.client.poll_output(), Some(Output::Close));
    assert!(matches!(world.event(), Event::Offline { reason: CloseReason::ByUs(1005), retry_at: None }));
    world.wait(100_000);
    world.quiet();
}
