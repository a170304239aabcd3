//! A server on either driver, in this process.

use chanson_core::deflate::Deflate;
use chanson_core::driver::{Config, Running};
use chanson_core::{Channel, Hub, Mount};
use chanson_tests::tools::Host;
use serde_json::json;

pub(crate) fn serve(host: Host, config: Config) -> Running {
    let room = Channel::new("room:*")
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .on("much", |socket, _| (0..60).try_for_each(|n| socket.push("piece", json!([n, "x".repeat(60_000)]))));
    let hub = Hub::builder().mount(Mount::channels("/socket").deflate(Deflate::new()).channel(room));
    match host {
        Host::MioThreads => {
            let config = config.with_threads(3);
            chanson_mio::Server::bind_with("127.0.0.1:0", hub, config).unwrap().spawn().unwrap()
        }
        Host::Mio => chanson_mio::Server::bind_with("127.0.0.1:0", hub, config).unwrap().spawn().unwrap(),
        _ => chanson_std::Server::bind_with("127.0.0.1:0", hub, config).unwrap().spawn().unwrap(),
    }
}
