//! One contract, two wires: clients with phoenix.js and clients with @covenant-rpc/client talk in the same rooms.
//!
//! ```text
//! cargo run -p chanson-std --example covenant_two_wires -- --port 4000
//! ```
//!
//! - phoenix.js: `new Socket("ws://127.0.0.1:4000/phoenix")`, then `socket.channel("chat:room1", { token: "ann" })` and
//!   `channel.push("message", { text: "hi" })`.
//! - Covenant: `httpClientToServer("http://127.0.0.1:4000/api/covenant", {})` and
//!   `httpClientToSidekick("http://127.0.0.1:4000")`, then channel `chat` with `{ roomId: "room1" }`.

use std::error::Error;
use std::io::{self, Write as _};

use chanson_core::covenant::connection::DirectServerToSidekick;
use chanson_core::covenant::contract::Fault;
use chanson_core::covenant::host::{self, Host, Topics};
use chanson_core::covenant::server::Server;
use chanson_core::covenant::sidekick::{self, Sidekick};
use chanson_core::driver::Config;
use chanson_core::http::Response;
use chanson_core::{Capacity, Hub, Mount};
use chanson_std::covenant;

mod contract;
#[path = "../../../io-mio/examples/common/flags.rs"]
mod flags;
#[path = "../../../io-mio/examples/common/tls.rs"]
mod tls;

use contract::{Announce, Chat, Room, Said, User, contract};
use flags::Flags;

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse()?;
    let mut server = Server::<()>::builder(contract()?).seed(covenant::seed()?).build(DirectServerToSidekick)?;
    server.define_channel::<Chat>(
        |client, login| match login.token.as_str() {
            "bad" => Err(client.reject("Invalid token", Fault::Client)),
            token => Ok(User { user_id: token.to_owned() }),
        },
        |message, say| {
            if say.text.is_empty() {
                return Err(message.error("say something", Fault::Client));
            }
            let said = Said { sender_id: message.context().user_id.clone(), text: say.text };
            Ok(message.send_message::<Chat>(message.params(), &said)?)
        },
    )?;
    server.define_procedure::<Announce>(
        |call, announcement| {
            let room = Room { room_id: announcement.room_id.clone() };
            let said = Said { sender_id: "system".into(), text: announcement.message.clone() };
            Ok(call.send_message::<Chat>(&room, &said)?)
        },
        |_| Vec::new(),
    )?;
    server.assert_all_defined()?;

    let topics = Topics::of::<Chat>(["roomId"]);
    let hub = Hub::builder()
        .capacity(Capacity::for_connections(1000))
        .mount(Mount::channels("/phoenix").channel(topics.channel()))
        .mount(host::mount("/socket"))
        .on_request(|http, request| match request.path() {
            "/api/covenant" => host::handle_request(http, request),
            _ => Some(Response::text(404, "Not Found")),
        });
    // The Sidekick's own requests are not served here, so its secret is nobody's.
    let mut host = Host::new(server, Sidekick::new(sidekick::Config::new("")), ()).topics(topics);
    let config = flags.tls.secure(Config::default())?;
    let mut http = chanson_std::Server::bind_with((flags.host.as_str(), flags.port), hub, config)?;
    println!("listening on {}", http.local_addr());
    io::stdout().flush()?;

    let handle = http.handle();
    ctrlc::set_handler(move || handle.shutdown())?;
    http.run_with(&mut host)?;
    Ok(())
}
