//! The service behind an HTTP server: blocking handlers, answers from other threads, bounds and endings.
#![cfg(feature = "covenant")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::{Duration, Instant};

use chanson_core::covenant::connection::{CallError, EmptyServerToSidekick, HttpServerToSidekick, ServerToSidekick};
use chanson_core::covenant::contract::{Channel, Contract, Kind, Procedure};
use chanson_core::covenant::server::{Deferred, SendError, Server, SidekickError, To};
use chanson_core::http::Response;
use chanson_core::{Hub, driver};
use chanson_std::covenant::{self, Config, Door, NotSent, Service};

struct Room;

impl Channel for Room {
    const NAME: &str = "room";
    type Params = ();
    type ClientMessage = ();
    type ServerMessage = String;
    type ConnectionRequest = ();
    type Context = ();
}

struct Do;

impl Procedure for Do {
    const NAME: &str = "do";
    const KIND: Kind = Kind::Query;
    type Input = String;
    type Output = String;
}

/// What handlers reach: where promises go, and what holds one of them up.
struct App {
    promises: Sender<Deferred>,
    gate: Receiver<()>,
    calls: u32,
}

struct Stage {
    http: driver::Running,
    service: Option<Service<App>>,
    promises: Receiver<Deferred>,
    open: Sender<()>,
}

fn stage(config: Config, sidekick: impl ServerToSidekick) -> Stage {
    let contract = Contract::new().channel::<Room>().unwrap().procedure::<Do>().unwrap();
    let builder = Server::<App>::builder(contract).seed(covenant::seed().unwrap());
    let mut server = builder.build(sidekick).unwrap();
    server.define_channel::<Room>(|_, ()| Ok(()), |_, ()| Ok(())).unwrap();
    server
        .define_procedure::<Do>(
            |call, what| {
                call.app().calls += 1;
                match what.as_str() {
                    "wait" => {
                        let deferred = call.defer();
                        call.app().promises.send(deferred)?;
                        call.app().gate.recv()?;
                    }
                    "later" => {
                        let deferred = call.defer();
                        call.app().promises.send(deferred)?;
                        return Err(deferred.into());
                    }
                    _ => {}
                }
                Ok(what.clone())
            },
            |_| Vec::new(),
        )
        .unwrap();
    let (door, inbox) = Door::new(config);
    let hub = Hub::builder().on_request(move |http, request| match request.path() {
        "/api" => door.take(http, request),
        _ => Some(Response::text(200, "elsewhere")),
    });
    let http = chanson_std::Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let ((promised, promises), (open, gate)) = (mpsc::channel(), mpsc::channel());
    let app = App { promises: promised, gate, calls: 0 };
    let service = Some(inbox.serve(server, app, http.handle()).unwrap());
    Stage { http, service, promises, open }
}

impl Stage {
    fn send(&self, path: &str, what: &str) -> TcpStream {
        send(self.http.local_addr(), path, what)
    }

    fn service(&self) -> &Service<App> {
        self.service.as_ref().unwrap()
    }
}

fn send(addr: SocketAddr, path: &str, what: &str) -> TcpStream {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let body = format!(r#"{{ "procedure": "do", "inputs": "{what}" }}"#);
    let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}", body.len());
    stream.write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    stream
}

fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn ok(what: &str) -> String {
    format!(r#"{{ "status": "OK", "data": "{what}", "resources": [] }}"#)
}

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn a_handler_that_takes_its_time_holds_up_no_socket() {
    let stage = stage(Config::default(), EmptyServerToSidekick);
    let slow = stage.send("/api", "wait");
    assert!(answer(stage.send("/other", "")).ends_with("elsewhere"));
    let next = stage.send("/api", "next");
    stage.open.send(()).unwrap();
    assert!(answer(slow).ends_with(&ok("wait")));
    assert!(answer(next).ends_with(&ok("next")));
}

#[test]
fn answers_come_from_other_threads() {
    let stage = stage(Config::default(), EmptyServerToSidekick);
    let waiting = stage.send("/api", "later");
    let deferred = stage.promises.recv_timeout(PATIENCE).unwrap();
    assert!(answer(stage.send("/api", "now")).ends_with(&ok("now")), "nobody else waits");
    let handle = stage.service().handle();
    thread::spawn(move || {
        let answer = Ok(("from a thread".to_owned(), Vec::new()));
        handle.act(move |server, now, _| server.answer_procedure::<Do>(now, deferred, answer).unwrap())
    });
    assert!(answer(waiting).ends_with(&ok("from a thread")));
}

#[test]
fn messages_of_other_threads_and_what_becomes_of_them() {
    let there = stage(Config::default(), EmptyServerToSidekick);
    let sent = there.service().handle().send_message::<Room>((), "hi".into()).unwrap();
    assert_eq!(sent.recv_timeout(PATIENCE), Ok(Ok(())));
    // Nobody listens at port 1.
    let nowhere = HttpServerToSidekick::new("http://127.0.0.1:1", "s").unwrap();
    let gone = stage(Config::default(), nowhere);
    let sent = gone.service().handle().send_message::<Room>((), "hi".into()).unwrap();
    let error = SidekickError::NoAnswer(To::Message, CallError::Unreachable);
    assert_eq!(sent.recv_timeout(PATIENCE), Ok(Err(NotSent::Sidekick(error))));
}

#[test]
fn so_many_requests_wait_and_no_more() {
    let stage = stage(Config::default().with_requests(2), EmptyServerToSidekick);
    let first = stage.send("/api", "wait");
    stage.promises.recv_timeout(PATIENCE).expect("its handler runs");
    // Those that come while it works: two wait, the others are turned away.
    let others: Vec<_> = (0..6)
        .map(|_| {
            thread::spawn({
                let addr = stage.http.local_addr();
                move || answer(send(addr, "/api", "x"))
            })
        })
        .collect();
    let begin = Instant::now();
    while others.iter().filter(|other| other.is_finished()).count() < 4 {
        assert!(begin.elapsed() < PATIENCE);
        thread::sleep(Duration::from_millis(1));
    }
    stage.open.send(()).unwrap();
    assert!(answer(first).ends_with(&ok("wait")));
    let answers: Vec<_> = others.into_iter().map(|other| other.join().unwrap()).collect();
    let refused = answers.iter().filter(|text| text.starts_with("HTTP/1.1 503 ")).count();
    let served = answers.iter().filter(|text| text.ends_with(&ok("x"))).count();
    assert_eq!((refused, served), (4, 2), "{answers:?}");
}

#[test]
fn stopped_it_answers_who_has_asked_and_nobody_else() {
    let mut stage = stage(Config::default(), EmptyServerToSidekick);
    let waiting = stage.send("/api", "wait");
    let service = stage.service.take().unwrap();
    let handle = service.handle();
    stage.promises.recv_timeout(PATIENCE).expect("its handler runs");
    let stopping = thread::spawn(move || service.stop(PATIENCE));
    let begin = Instant::now();
    while handle.act(|_, _, _| ()).is_ok() {
        assert!(begin.elapsed() < PATIENCE);
    }
    assert!(answer(stage.send("/api", "x")).starts_with("HTTP/1.1 503 "));
    assert_eq!(handle.send_message::<Room>((), "hi".into()).unwrap_err(), SendError::Full);
    stage.open.send(()).unwrap();
    assert!(answer(waiting).ends_with(&ok("wait")));
    assert!(stopping.join().unwrap().is_some_and(|app| app.calls == 1), "the state comes back");
}

#[test]
fn stopped_it_waits_so_long_and_no_longer() {
    let mut stage = stage(Config::default(), EmptyServerToSidekick);
    let waiting = stage.send("/api", "later");
    stage.promises.recv_timeout(PATIENCE).unwrap();
    let begin = Instant::now();
    assert!(stage.service.take().unwrap().stop(Duration::from_millis(100)).is_none());
    assert!(begin.elapsed() < PATIENCE);
    stage.http.shutdown();
    assert!(answer(waiting).starts_with("HTTP/1.1 503 "), "the HTTP server says the last word");
}

#[test]
fn a_panic_in_an_act_ends_nothing() {
    let stage = stage(Config::default(), EmptyServerToSidekick);
    stage.service().handle().act(|_, _, _| panic!("on purpose")).unwrap();
    assert!(answer(stage.send("/api", "x")).ends_with(&ok("x")));
}
