//! The Covenant client in any order of events: every request and every message has exactly one end, time moves, bounds hold,
//! and nothing panics. And what a host may do with it.
#![expect(clippy::unwrap_used, reason = "these are tests")]

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::time::Duration;

use chanson_core::covenant::client::{CallId, Capacity, Client, Config, Event, ListenId, Output, SendId, Token};
use chanson_core::covenant::connection::{Answer, CallError, HttpClientToServer, MessagesToSidekick};
use chanson_core::covenant::contract::{Kind, Params, Procedure};
use chanson_core::covenant::host::Topics;
use chanson_core::covenant::internal::{InternalServer, InternalSidekick};
use chanson_core::time::Instant;
use chanson_core::wire::ion::RawBuf;
use proptest::prelude::*;

struct Look;

impl Procedure for Look {
    const NAME: &str = "look";
    const KIND: Kind = Kind::Query;
    type Input = ();
    type Output = ();
}

struct Change;

impl Procedure for Change {
    const NAME: &str = "change";
    const KIND: Kind = Kind::Mutation;
    type Input = ();
    type Output = ();
}

#[derive(Clone, Debug)]
enum Step {
    Open,
    Disconnect,
    /// The transport comes up.
    Connected,
    Lost,
    Connect(u8),
    /// With the token of that place.
    Subscribe(u8),
    Unsubscribe(u8),
    Send(u8),
    Query,
    Mutate,
    Listen(bool),
    Unlisten(u8),
    /// Answers the oldest request that is open, in one of several ways.
    Answer(u8),
    /// The Sidekick says something, to fit or not.
    Hear(u8, u8),
    Wait(u16),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        2 => Just(Step::Open),
        1 => Just(Step::Disconnect),
        4 => Just(Step::Connected),
        2 => Just(Step::Lost),
        4 => (0..3u8).prop_map(Step::Connect),
        4 => any::<u8>().prop_map(Step::Subscribe),
        1 => any::<u8>().prop_map(Step::Unsubscribe),
        4 => any::<u8>().prop_map(Step::Send),
        1 => Just(Step::Query),
        1 => Just(Step::Mutate),
        2 => any::<bool>().prop_map(Step::Listen),
        1 => any::<u8>().prop_map(Step::Unlisten),
        8 => any::<u8>().prop_map(Step::Answer),
        8 => (any::<u8>(), 0..3u8).prop_map(|(what, room)| Step::Hear(what, room)),
        4 => (0..20_000u16).prop_map(Step::Wait),
    ]
}

struct World {
    client: Client,
    now: Instant,
    tokens: Vec<Token>,
    listens: Vec<ListenId>,
    /// Requests that the server has not answered.
    asked: Vec<(CallId, bool)>,
    calls: BTreeSet<CallId>,
    sends: BTreeSet<SendId>,
    given: u32,
}

const CAPACITY: usize = 8;

impl World {
    fn new() -> Self {
        let capacity = Capacity::default().with_tokens(CAPACITY).with_calls(CAPACITY).with_sends(CAPACITY);
        let capacity = capacity.with_listeners(CAPACITY).with_buffered_bytes(64);
        let server = HttpClientToServer::new("http://a.test/").unwrap();
        let config = Config::new(server, MessagesToSidekick).with_capacity(capacity);
        Self {
            client: Client::new(config, [7; 32]),
            now: Instant::ORIGIN,
            tokens: Vec::new(),
            listens: Vec::new(),
            asked: Vec::new(),
            calls: BTreeSet::new(),
            sends: BTreeSet::new(),
            given: 0,
        }
    }

    fn take(&mut self, step: &Step) {
        let now = self.now;
        match *step {
            Step::Open => self.client.open(now),
            Step::Disconnect => self.client.disconnect(now),
            Step::Connected => self.client.handle_connected(now),
            Step::Lost => self.client.handle_error(now),
            Step::Connect(room) => {
                let data = RawBuf::from_serialize("let me in").unwrap();
                self.calls.extend(self.client.connect_raw(now, "chat", params(room), data));
            }
            Step::Subscribe(at) => drop(self.token(at).map(|token| self.client.subscribe(now, token))),
            Step::Unsubscribe(at) => drop(self.token(at).map(|token| self.client.unsubscribe(now, token))),
            Step::Send(at) => {
                let data = RawBuf::from_serialize("a message of some length").unwrap();
                let token = self.token(at);
                self.sends.extend(token.and_then(|token| self.client.send_raw(now, token, data).ok()));
            }
            Step::Query => self.calls.extend(self.client.query::<Look>(now, &())),
            Step::Mutate => self.calls.extend(self.client.mutate::<Change>(now, &())),
            Step::Listen(remote) => self.listens.extend(self.client.listen::<Look>(now, &(), remote)),
            Step::Unlisten(at) => {
                if !self.listens.is_empty() {
                    let listen = self.listens.swap_remove(usize::from(at) % self.listens.len());
                    self.client.unlisten(now, listen).unwrap();
                }
            }
            Step::Answer(how) => self.answer(how),
            Step::Hear(what, room) => {
                self.client.handle_message(now, &said(what, room));
            }
            Step::Wait(millis) => self.wait(Duration::from_millis(millis.into())),
        }
        self.drain();
    }

    fn token(&self, at: u8) -> Option<Token> {
        self.tokens.get(usize::from(at) % self.tokens.len().max(1)).copied()
    }

    fn answer(&mut self, how: u8) {
        if self.asked.is_empty() {
            return;
        }
        let (call, connect) = self.asked.remove(0);
        self.given += 1;
        let body = match (how % 4, connect) {
            (0 | 1, true) => {
                let token = if how.is_multiple_of(2) { self.given } else { 1 };
                format!(r#"{{ "channel": "chat", "params": {{}}, "result": {{ "type": "OK", "token": "t{token}" }} }}"#)
            }
            (2, true) => {
                let fault = if how % 8 < 4 { "client" } else { "server" };
                let error = format!(r#"{{ "channel": "chat", "params": {{}}, "message": "no", "fault": "{fault}" }}"#);
                format!(r#"{{ "channel": "chat", "params": {{}}, "result": {{ "type": "ERROR", "error": {error} }} }}"#)
            }
            (0 | 1, false) => format!(r#"{{ "status": "OK", "data": {how}, "resources": ["r{}"] }}"#, how % 3),
            (2, false) => r#"{ "status": "ERR", "error": { "message": "no", "code": 400 } }"#.to_owned(),
            _ => "?".to_owned(),
        };
        let answer = Answer::new(200, body);
        let result = if how % 16 == 3 { Err(CallError::HungUp) } else { Ok(&answer) };
        self.client.handle_answer(self.now, call, result);
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.client.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            assert!(self.client.poll_timeout().is_none_or(|next| next > self.now), "time moves");
            self.drain();
        }
        self.now = end;
    }

    fn drain(&mut self) {
        while let Some(output) = self.client.poll_output() {
            if let Output::Call { id, post } = output {
                self.asked.push((id, post.url().as_str().contains("connect")));
            }
        }
        while let Some(event) = self.client.poll_event() {
            match event {
                Event::Connected { call, token } => {
                    assert!(self.calls.remove(&call) && !self.tokens.contains(&token));
                    self.tokens.push(token);
                }
                Event::Refused { call, .. } | Event::Returned { call, .. } => assert!(self.calls.remove(&call)),
                Event::Sent { send } | Event::SendFailed { send, .. } => assert!(self.sends.remove(&send)),
                _ => {}
            }
        }
        assert!(self.calls.len() <= CAPACITY && self.sends.len() <= CAPACITY);
        assert_eq!(self.client.open_sends(), self.sends.len());
    }
}

fn params(room: u8) -> Params {
    Params::from([("roomId", &*room.to_string())])
}

fn said(what: u8, room: u8) -> String {
    let at = format!(r#""channel": "chat", "params": {{ "roomId": "{room}" }}"#);
    let error = |at: &str| format!(r#"{{ "type": "error", "error": {{ {at}, "fault": "server", "message": "no" }} }}"#);
    match what % 8 {
        0 | 1 => format!(r#"{{ "type": "subscribed", {at} }}"#),
        2 => format!(r#"{{ "type": "unsubscribed", {at} }}"#),
        3 => format!(r#"{{ "type": "message", {at}, "data": {what} }}"#),
        4 => format!(r#"{{ "type": "updated", "resource": "r{room}" }}"#),
        5 => format!(r#"{{ "type": "listening", "resources": ["r{room}", "r0"] }}"#),
        6 => error(r#""channel": "???unknown", "params": {}"#),
        _ => error(&at),
    }
}

proptest! {
    #[test]
    fn everything_has_one_end(steps in prop::collection::vec(step(), 0..120)) {
        let mut world = World::new();
        for step in &steps {
            world.take(step);
        }
        // When the server says nothing any more and the Sidekick is gone, all comes to its end.
        world.client.disconnect(world.now);
        world.drain();
        world.wait(Duration::from_secs(120));
        prop_assert!(world.calls.is_empty() && world.sends.is_empty());
    }

    #[test]
    fn no_text_is_too_strange(texts in prop::collection::vec(".{0,80}", 1..10)) {
        let mut world = World::new();
        world.take(&Step::Open);
        world.take(&Step::Connected);
        for text in &texts {
            world.client.handle_message(world.now, text);
            world.drain();
        }
    }
}

#[test]
fn what_a_host_may_do_with_the_types() {
    fn moves<T: Send + Debug>() {}
    fn is_shared<T: Send + Sync + Clone + Debug>() {}
    moves::<(Client, Config)>();
    is_shared::<(Token, CallId, SendId, ListenId, Event, Output, Capacity, Topics)>();
    is_shared::<(InternalSidekick, InternalServer)>();
}
