//! The core alone, in a world in memory.

use std::collections::VecDeque;
use std::time::Duration;

use chanson_core::covenant::connection::{Answer, CallError, HttpSidekickToServer, SidekickToServer};
use chanson_core::covenant::sidekick::{self, CallId, Config, Sidekick};
use chanson_core::memory::{self, World};
use chanson_core::time::Instant;
use chanson_core::{Capacity, Hub};
use chanson_tests::transport::{Received, Transport};

use crate::player::{Called, Stage, play};
use crate::recorded;

#[test]
fn what_was_recorded_is_said_in_memory() {
    let scenarios = recorded::all();
    assert!(scenarios.len() >= 35, "{} scenarios", scenarios.len());
    for scenario in &scenarios {
        play(&mut InMemory::new(), scenario);
    }
}

struct InMemory {
    world: World<Sidekick>,
    server: HttpSidekickToServer,
    called: VecDeque<CallId>,
    server_left: bool,
}

impl InMemory {
    fn new() -> Self {
        let hub = Hub::builder()
            .seed([7; 32])
            .capacity(Capacity::for_connections(64))
            .mount(sidekick::mount("/socket"))
            .on_request(sidekick::handle_request)
            .build();
        let world = World::with_app(hub.unwrap(), Sidekick::new(Config::new("sidekick-secret")));
        let server = HttpSidekickToServer::new("http://127.0.0.1:1/api/covenant", "server-secret").unwrap();
        Self { world, server, called: VecDeque::new(), server_left: false }
    }

    fn conclude(&mut self, id: CallId, result: Result<Answer, CallError>) {
        let result = self.server.read(result.as_ref().map_err(|error| *error));
        self.world.act(|hub, sidekick| sidekick.handle_response(&mut hub.pubsub(), id, result));
    }
}

impl Stage for InMemory {
    fn call(&mut self) -> Option<Called> {
        let call = self.world.app_mut().poll_call()?;
        self.called.push_back(call.id);
        let post = self.server.send_message(call.body);
        let url = post.url().as_str().to_owned();
        let headers = post.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let target = url.strip_prefix("http://127.0.0.1:1").unwrap().to_owned();
        Some(Called { target, headers, body: post.body().to_owned() })
    }

    fn answer(&mut self, answer: Option<(u16, &str)>) {
        let id = self.called.pop_front().expect("there was a request");
        let answer = answer.map(|(status, body)| Answer::new(status, body));
        self.conclude(id, answer.ok_or(CallError::HungUp));
    }

    fn leave(&mut self) {
        self.server_left = true;
    }
}

impl Transport for InMemory {
    type Conn = memory::Transport;

    fn connect(&mut self) -> memory::Transport {
        self.world.open_transport()
    }

    fn send(&mut self, conn: &mut memory::Transport, bytes: &[u8]) {
        self.world.write(*conn, bytes);
        while self.server_left
            && let Some(call) = self.world.app_mut().poll_call()
        {
            self.conclude(call.id, Err(CallError::Unreachable));
        }
    }

    fn receive(&mut self, conn: &mut memory::Transport, within: Duration) -> Received {
        for wait in [Duration::ZERO, within] {
            self.world.run_for(wait);
            let bytes = self.world.read(*conn);
            if !bytes.is_empty() {
                return Received::Bytes(bytes);
            }
            if self.world.is_shut(*conn) {
                return Received::End;
            }
        }
        Received::Nothing
    }

    fn wait(&mut self, time: Duration) {
        self.world.run_for(time);
    }

    fn cut(&mut self, conn: memory::Transport) {
        self.world.cut(conn);
    }

    fn host(&self) -> String {
        "127.0.0.1:4000".into()
    }

    fn now(&self) -> Duration {
        self.world.now() - Instant::ORIGIN
    }
}
