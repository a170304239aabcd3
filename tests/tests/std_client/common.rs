//! What the tests have in common: servers, and patience.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use chanson_core::deflate::Deflate;
use chanson_core::driver::Running;
use chanson_core::hub::Builder;
use chanson_core::{Binary, Channel, Hub, Mount, Payload, Refuse, Reply};
use chanson_std::Client;
use chanson_std::client::{Config, Event, Events};
use chanson_tests::tools::Host;
use serde::Deserialize;
use serde_json::json;

/// Nothing takes that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Who joins as `{"name": "nobody"}` is refused; `silent` is never answered, `crash` ends the join, `close` the channel.
pub(crate) fn hub() -> Builder {
    #[derive(Deserialize)]
    struct Params {
        name: Option<String>,
    }
    let room = Channel::new("room:*")
        .join(|socket, join| {
            let params: Params = join.payload.parse().unwrap_or(Params { name: None });
            match params.name.as_deref() {
                Some("nobody") => return Err(Refuse::reason("who are you?")),
                Some(name) => {
                    socket.track(name, json!({ "name": name }))?;
                    socket.push_presence_state()?;
                }
                None => {}
            }
            Ok(Reply::json(&json!({ "topic": join.topic })))
        })
        .on("echo", |socket, msg| match msg.payload {
            Payload::Binary(bytes) => socket.reply(Binary(bytes)),
            json => socket.reply(json),
        })
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
        .on("silent", |_, _| {})
        .on("crash", |_, _| Err::<(), _>("as it was told"))
        .on("close", |socket, _| socket.stop());
    let unanswered = Channel::new("unanswered").join(|socket, _| {
        // The ticket is forgotten.
        socket.defer()?;
        Ok(Reply::Later)
    });
    let compressed = Mount::channels("/deflate").channel(room.clone()).deflate(Deflate::new());
    Hub::builder().mount(Mount::channels("/socket").channel(room).channel(unanswered)).mount(compressed)
}

pub(crate) fn serve(host: Host) -> Running {
    serve_at(host, "127.0.0.1:0".parse().unwrap())
}

/// A server that will be started again on its port. Where there is more than one loopback address it has one that nobody
/// else in these tests uses, so that the port stays free meanwhile.
pub(crate) fn serve_apart(host: Host) -> Running {
    let addr = if cfg!(target_os = "linux") { "127.0.4.1:0" } else { "127.0.0.1:0" };
    serve_at(host, addr.parse().unwrap())
}

pub(crate) fn serve_at(host: Host, addr: SocketAddr) -> Running {
    match host {
        Host::Mio => chanson_mio::Server::bind(addr, hub()).unwrap().spawn().unwrap(),
        Host::Threads => chanson_std::Server::bind(addr, hub()).unwrap().spawn().unwrap(),
        Host::C | Host::MioThreads => unreachable!("it is no driver"),
    }
}

pub(crate) fn config(addr: SocketAddr) -> Config {
    Config::new(&format!("ws://{addr}/socket")).unwrap().with_timeout(PATIENCE)
}

pub(crate) fn client(server: &Running) -> Client {
    Client::connect(config(server.local_addr())).unwrap()
}

/// The next event that `wanted` knows what to do with.
pub(crate) fn next<T>(events: &Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    let until = Instant::now() + PATIENCE;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let event = events.recv_timeout(left).expect("it comes in time");
        if let Some(found) = wanted(event) {
            return found;
        }
    }
}

/// The next message, as event and JSON.
pub(crate) fn message(events: &Events) -> (String, String) {
    next(events, |event| match event {
        Event::Message { event, payload, .. } => {
            Some((event.into(), payload.as_payload().json().unwrap().as_str().to_owned()))
        }
        _ => None,
    })
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
