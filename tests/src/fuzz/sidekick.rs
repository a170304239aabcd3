//! The sidekick: whatever clients and the server say, each of them is answered, and nothing is left when all have gone.

use std::time::Duration;

use chanson_core::Hub;
use chanson_core::covenant::contract::Fault;
use chanson_core::covenant::protocol::{
    ConnectionPayload, ForwardedMessage, Incoming, MessageError, Outgoing, ResourceUpdate, ServerMessage,
};
use chanson_core::covenant::sidekick::{self, Call, Config, Sidekick};
use chanson_core::memory::{Client, World};

/// Lines, each of which begins with who says it: `0`, `1` and `2` are clients (`x` before it: it goes), `c`, `m` and `r` the
/// server, to `/connection`, `/message` and `/resources`; `a` and `f` answer the oldest message on its way, well and not;
/// `t` lets two minutes pass.
pub fn sidekick(data: &[u8]) {
    let hub =
        Hub::builder().seed([7; 32]).mount(sidekick::mount("/socket")).on_request(sidekick::handle_request).build();
    let config = Config::new("S").with_tokens(8).with_subscriptions_per_connection(4).with_calls_per_connection(4);
    let world = World::with_app(hub.expect("a mount and a hook make a hub"), Sidekick::new(config));
    let mut play = Play { world, clients: [None; 3], out: Vec::new() };
    for line in data.split(|byte| *byte == b'\n') {
        let Some((verb, rest)) = line.split_first() else { continue };
        match verb {
            b'0'..=b'2' => play.say(usize::from(verb - b'0'), rest),
            b'x' => play.go(rest.first().map_or(0, |byte| usize::from(byte % 3))),
            b'c' => play.post("/connection", rest),
            b'm' => play.post("/message", rest),
            b'r' => play.post("/resources", rest),
            b'a' => play.answer(Ok(())),
            b'f' => play.answer(Err(MessageError { fault: Fault::Server, message: "no".into() })),
            b't' => play.world.run_for(Duration::from_secs(120)),
            _ => {}
        }
    }
    play.end();
}

struct Play {
    world: World<Sidekick>,
    clients: [Option<Client>; 3],
    out: Vec<Call>,
}

impl Play {
    fn say(&mut self, at: usize, text: &[u8]) {
        let client = *self.clients[at].get_or_insert_with(|| self.world.connect("/socket"));
        let before = self.world.app().stats();
        match std::str::from_utf8(text) {
            Ok(text) => {
                same_again(text);
                self.world.send(client, text);
            }
            Err(_) => self.world.send_binary(client, text),
        }
        let answers = self.world.recv(client);
        if !self.world.is_open(client) {
            assert!(text.len() > 64 << 10, "it was closed");
            self.clients[at] = None;
            return;
        }
        let sent = self.world.app().stats().calls - before.calls;
        assert_eq!(answers.len() + sent, 1, "{answers:?}");
        answers.iter().for_each(|answer| assert!(Outgoing::decode(answer).is_ok(), "{answer}"));
        self.quiet();
    }

    fn go(&mut self, at: usize) {
        if let Some(client) = self.clients[at].take() {
            self.world.close(client, 1000);
        }
        self.quiet();
    }

    fn post(&mut self, path: &str, body: &[u8]) {
        if let Ok(text) = std::str::from_utf8(body) {
            let texts = [
                ConnectionPayload::decode(text).ok().map(|body| body.encode()),
                ServerMessage::decode(text).ok().map(|body| body.encode()),
                ForwardedMessage::decode(text).ok().map(|body| body.encode()),
                ResourceUpdate::decode(text).ok().map(|body| body.encode()),
            ];
            assert!(texts.iter().flatten().all(Result::is_ok), "what was read can be written");
        }
        let headers = [("Authorization", "Bearer S")];
        let answer = self.world.request("POST", path, &headers, body).expect("it is answered");
        assert!(matches!(answer.status, 200 | 400 | 411 | 413 | 503), "{}", answer.status);
        for client in self.clients.into_iter().flatten() {
            for told in self.world.recv(client) {
                let told = Outgoing::decode(&told).expect("it is a message");
                assert!(path != "/connection" && matches!(told, Outgoing::Message { .. } | Outgoing::Updated { .. }));
            }
        }
    }

    fn answer(&mut self, result: Result<(), MessageError<'static>>) {
        self.out.extend(std::iter::from_fn(|| self.world.app_mut().poll_call()));
        if self.out.is_empty() {
            return;
        }
        let call = self.out.remove(0);
        assert!(ForwardedMessage::decode(&call.body).is_ok());
        let failed = result.is_err();
        self.world.act(|hub, sidekick| sidekick.handle_response(&mut hub.pubsub(), call.id, result));
        let told: usize = self.clients.into_iter().flatten().map(|client| self.world.recv(client).len()).sum();
        assert!(told <= usize::from(failed));
    }

    /// Nobody is told anything.
    fn quiet(&mut self) {
        for client in self.clients.into_iter().flatten() {
            assert_eq!(self.world.recv(client), [""; 0]);
        }
    }

    fn end(mut self) {
        (0..3).for_each(|at| self.go(at));
        while self.world.app().stats().calls > 0 {
            self.answer(Ok(()));
        }
        let end = self.world.now() + Duration::from_secs(600);
        self.world.app_mut().handle_timeout(end);
        let stats = self.world.app().stats();
        assert_eq!((stats.fresh_tokens, stats.used_tokens, stats.token_bytes), (0, 0, 0));
        assert_eq!((stats.active_connections, stats.calls, stats.call_bytes), (0, 0, 0));
        let hub = self.world.stats().hub;
        assert_eq!((hub.topics, hub.joins, hub.tickets), (0, 0, 0));
    }
}

/// What is read and written reads the same.
fn same_again(text: &str) {
    if let Ok(message) = Incoming::decode(text) {
        let written = message.encode().expect("what was read can be written");
        assert_eq!(Incoming::decode(&written), Ok(message));
    }
    if let Ok(message) = Outgoing::decode(text) {
        let written = message.encode().expect("what was read can be written");
        assert_eq!(Outgoing::decode(&written), Ok(message));
    }
}
