//! The core alone.

use std::collections::{HashMap, VecDeque};

use chanson_core::covenant::connection::{Answer, CallError, HttpServerToSidekick};
use chanson_core::covenant::server::{CallId, Output, RequestId, Server};
use chanson_core::http::{Request, Response};
use chanson_core::time::Instant;

use crate::handlers::{App, server};
use crate::player::{Said, Stage, play};
use crate::recorded::{self, Http, Scenario};

#[test]
fn what_was_recorded_is_said_in_memory() {
    let scenarios = recorded::all();
    assert!(scenarios.len() >= 30, "{} scenarios", scenarios.len());
    for scenario in &scenarios {
        let mut stage = InMemory::new(scenario);
        play(&mut stage, scenario);
        stage.end(&scenario.name);
    }
}

struct InMemory {
    server: Server<App>,
    app: App,
    responses: HashMap<u64, Response>,
    calls: VecDeque<(CallId, Said)>,
    called: VecDeque<CallId>,
}

impl InMemory {
    fn new(scenario: &Scenario) -> Self {
        let sidekick = HttpServerToSidekick::new("http://127.0.0.1:1", &scenario.sidekick_secret).unwrap();
        let server = server(sidekick, "server-secret", [7; 32]).unwrap();
        let (responses, calls, called) = (HashMap::new(), VecDeque::new(), VecDeque::new());
        Self { server, app: App::default(), responses, calls, called }
    }

    fn drain(&mut self) {
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Respond { id, response } => {
                    assert!(self.responses.insert(id.0, response).is_none(), "each request is answered once");
                }
                Output::Call { id, request, .. } => {
                    let target = request.url().as_str().strip_prefix("http://127.0.0.1:1").unwrap().to_owned();
                    let headers = request.headers().map(|(name, value)| (name.to_owned(), value.to_owned()));
                    let (headers, body) = (headers.collect(), request.body().to_owned());
                    self.calls.push_back((id, Said { target, status: 0, headers, body }));
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Nothing is left over.
    fn end(self, name: &str) {
        assert!(self.responses.is_empty() && self.calls.is_empty() && self.called.is_empty(), "{name}");
        assert_eq!((self.server.waiting(), self.server.poll_timeout()), (0, None), "{name}");
    }
}

impl Stage for InMemory {
    fn ask(&mut self, conn: u32, request: &Http) {
        let headers: Vec<_> = request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let request = Request::new(&request.method, &request.target, &headers, request.body.as_bytes());
        self.server.handle_request(Instant::ORIGIN, &mut self.app, RequestId(conn.into()), &request);
        self.drain();
    }

    fn response(&mut self, conn: u32) -> Said {
        let response = self.responses.remove(&conn.into()).expect("it is answered");
        let headers = response.headers().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let body = String::from_utf8(response.bytes().to_vec()).unwrap();
        Said { target: String::new(), status: response.status(), headers, body }
    }

    fn call(&mut self) -> Option<Said> {
        let (id, said) = self.calls.pop_front().expect("the sidekick is asked");
        self.called.push_back(id);
        Some(said)
    }

    fn answer(&mut self, answer: Option<(u16, &str)>) {
        let id = self.called.pop_front().expect("there was a request");
        let answer = answer.map(|(status, body)| Answer::new(status, body));
        self.server.handle_response(Instant::ORIGIN, id, answer.as_ref().ok_or(CallError::Unreachable));
        self.drain();
    }
}
