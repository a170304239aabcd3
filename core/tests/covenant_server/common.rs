//! A contract with a bit of everything, and a server with its host.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chanson_core::covenant::connection::{Answer, CallError, HttpServerToSidekick};
use chanson_core::covenant::contract::{Channel, Contract, Fault, Kind, Procedure};
use chanson_core::covenant::server::{Builder, CallId, Failure, Output, RequestId, Server, To};
use chanson_core::http::{Request, Response};
use chanson_core::time::Instant;
use serde::{Deserialize, Serialize};

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Room {
    pub(crate) org: String,
    pub(crate) room_id: String,
}

pub(crate) fn room(id: &str) -> Room {
    Room { org: "acme".into(), room_id: id.into() }
}

/// What it holds says what becomes of it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Say {
    #[serde(rename = "do")]
    pub(crate) act: String,
    #[serde(default)]
    pub(crate) lines: Vec<Line>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Line {
    pub(crate) text: String,
}

pub(crate) struct Chat;

impl Channel for Chat {
    const NAME: &str = "chat";
    type Params = Room;
    type ClientMessage = Say;
    type ServerMessage = String;
    type ConnectionRequest = Say;
    type Context = String;
}

pub(crate) struct Lobby;

impl Channel for Lobby {
    const NAME: &str = "lobby";
    type Params = ();
    type ClientMessage = ();
    type ServerMessage = f64;
    type ConnectionRequest = Option<u32>;
    type Context = ();
}

pub(crate) struct Ask;

impl Procedure for Ask {
    const NAME: &str = "ask";
    const KIND: Kind = Kind::Query;
    type Input = Say;
    type Output = String;
}

pub(crate) struct Change;

impl Procedure for Change {
    const NAME: &str = "change";
    const KIND: Kind = Kind::Mutation;
    type Input = Say;
    type Output = u32;
}

pub(crate) fn contract() -> Contract {
    let contract = Contract::new().channel::<Chat>().unwrap().channel::<Lobby>().unwrap();
    contract.procedure::<Ask>().unwrap().procedure::<Change>().unwrap()
}

pub(crate) type Log = Arc<Mutex<Vec<String>>>;

/// A builder that notes incidents.
pub(crate) fn builder() -> (Builder<u32>, Log) {
    let log = Log::default();
    let into = Arc::clone(&log);
    let builder = Server::builder(contract()).seed([7; 32]).secret("s2");
    (builder.on_incident(move |incident| into.lock().unwrap().push(incident.to_string())), log)
}

pub(crate) fn sidekick() -> HttpServerToSidekick {
    HttpServerToSidekick::new("http://sidekick.test", "s1").unwrap()
}

/// Defines everything; the application's state counts.
pub(crate) fn define<X: 'static, D: 'static>(server: &mut Server<u32, X, D>) {
    server
        .define_channel::<Chat>(
            |client, say| {
                *client.app() += 1;
                match &*say.act {
                    "reject" => Err(client.reject("not you", Fault::Client)),
                    "reject-server" => Err(client.reject("not now", Fault::Server)),
                    "reject-sidekick" => Err(client.reject("odd", Fault::Sidekick)),
                    "send" => {
                        client.send_message::<Chat>(client.params(), &"in".to_owned())?;
                        Ok("sender".into())
                    }
                    other => act(other).map(str::to_owned),
                }
            },
            |message, say| {
                *message.app() += 1;
                match &*say.act {
                    "error" => Err(message.error("too loud", Fault::Client)),
                    "error-sidekick" => Err(message.error("odd", Fault::Sidekick)),
                    "lines" => {
                        for line in &say.lines {
                            message.send_message::<Chat>(message.params(), &line.text)?;
                        }
                        Ok(())
                    }
                    "context" => {
                        let context = message.context().clone();
                        Ok(message.send_message::<Chat>(message.params(), &context)?)
                    }
                    other => act(other).map(drop),
                }
            },
        )
        .unwrap();
    server
        .define_channel::<Lobby>(|_, _| Ok(()), |message, ()| Ok(message.send_message::<Lobby>(&(), &f64::NAN)?))
        .unwrap();
    server
        .define_procedure::<Ask>(
            |call, say| match &*say.act {
                "headers" => {
                    for line in &say.lines {
                        let (name, value) = line.text.split_once(':').unwrap();
                        call.set_header(name, value)?;
                    }
                    Ok(String::new())
                }
                "delete" => {
                    call.delete_header("content-TYPE");
                    Ok(String::new())
                }
                "headers-error" => {
                    call.set_header("X-A", "1")?;
                    Err(call.error("with header", 409))
                }
                "who" => Ok(call.request().header("x-user").unwrap_or("nobody").to_owned()),
                "error" => Err(call.error(say.lines[0].text.clone(), say.lines[1].text.parse()?)),
                other => act(other).map(str::to_owned),
            },
            |done| {
                if done.inputs.act == "bad-resources" { panic!("resources panic") } else { vec![done.outputs.clone()] }
            },
        )
        .unwrap();
    server
        .define_procedure::<Change>(
            |call, say| {
                *call.app() += 1;
                for line in &say.lines {
                    call.send_message::<Chat>(&room("r"), &line.text)?;
                }
                act(&say.act)?;
                Ok(*call.app())
            },
            |done| done.inputs.lines.iter().map(|line| line.text.clone()).collect(),
        )
        .unwrap();
}

fn act(what: &str) -> Result<&str, Failure> {
    match what {
        "throw" => Err("thrown".into()),
        "panic" => panic!("panicked"),
        "panic-string" => panic!("panicked with {what}"),
        "number" => Err(what.parse::<u32>().unwrap_err().into()),
        other => Ok(other),
    }
}

/// A server with its host.
pub(crate) struct World<X: 'static = (), D: 'static = ()> {
    pub(crate) server: Server<u32, X, D>,
    pub(crate) app: u32,
    pub(crate) now: Instant,
    pub(crate) log: Log,
    asked: u64,
}

pub(crate) fn world() -> World {
    let (builder, log) = builder();
    let mut server = builder.build(sidekick()).unwrap();
    define(&mut server);
    server.assert_all_defined().unwrap();
    World::new(server, log)
}

impl<X: 'static, D: 'static> World<X, D> {
    pub(crate) fn new(server: Server<u32, X, D>, log: Log) -> Self {
        Self { server, app: 0, now: Instant::ORIGIN, log, asked: 0 }
    }

    pub(crate) fn request(&mut self, request: &Request<'_>) -> RequestId {
        self.asked += 1;
        let id = RequestId(self.asked);
        self.server.handle_request(self.now, &mut self.app, id, request);
        id
    }

    pub(crate) fn post(&mut self, kind: &str, body: &str) -> RequestId {
        let target = format!("/any/path?x=1&type={kind}");
        let headers = [("Authorization", "Bearer s2"), ("X-User", "ann")];
        self.request(&Request::new("POST", &target, &headers, body.as_bytes()))
    }

    pub(crate) fn next(&mut self) -> Output {
        self.server.poll_output().expect("there is something to do")
    }

    /// The next thing to do is this call.
    pub(crate) fn call(&mut self) -> (CallId, To, String) {
        match self.next() {
            Output::Call { id, to, request } => (id, to, request.body().to_owned()),
            other => panic!("{other:?}"),
        }
    }

    /// The next thing to do is to answer that request; status and body.
    pub(crate) fn response(&mut self, expected: RequestId) -> (u16, String) {
        let response = self.whole_response(expected);
        (response.status(), String::from_utf8(response.bytes().to_vec()).unwrap())
    }

    pub(crate) fn whole_response(&mut self, expected: RequestId) -> Response {
        match self.next() {
            Output::Respond { id, response } if id == expected => response,
            other => panic!("{other:?}"),
        }
    }

    /// Asks, and expects the answer at once.
    pub(crate) fn ask(&mut self, kind: &str, body: &str) -> (u16, String) {
        let id = self.post(kind, body);
        let response = self.response(id);
        self.quiet();
        response
    }

    pub(crate) fn answer(&mut self, id: CallId, status: u16) {
        self.server.handle_response(self.now, id, Ok(&Answer::new(status, "OK")));
    }

    pub(crate) fn fail(&mut self, id: CallId, error: CallError) {
        self.server.handle_response(self.now, id, Err(error));
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += time;
        self.server.handle_timeout(self.now);
    }

    pub(crate) fn quiet(&mut self) {
        assert_eq!(self.server.poll_output(), None);
    }

    /// Nothing waits for anything.
    pub(crate) fn at_rest(&mut self) {
        self.quiet();
        assert_eq!((self.server.waiting(), self.server.poll_timeout()), (0, None));
    }

    pub(crate) fn incidents(&self) -> Vec<String> {
        std::mem::take(&mut *self.log.lock().unwrap())
    }
}

pub(crate) const PARAMS: &str = r#"{ "org": "acme", "roomId": "r" }"#;

pub(crate) fn connect(data: &str) -> String {
    format!(r#"{{ "channel": "chat", "params": {PARAMS}, "data": {data} }}"#)
}

pub(crate) fn message(data: &str) -> String {
    format!(r#"{{ "channel": "chat", "params": {PARAMS}, "data": {data}, "context": "ann" }}"#)
}

pub(crate) fn procedure(name: &str, act: &str, lines: &[&str]) -> String {
    let lines: Vec<_> = lines.iter().map(|text| Line { text: (*text).into() }).collect();
    let say = chanson_core::wire::ion::to_string(&Say { act: act.into(), lines }).unwrap();
    format!(r#"{{ "procedure": "{name}", "inputs": {say} }}"#)
}
