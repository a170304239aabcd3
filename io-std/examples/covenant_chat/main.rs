//! A chat by Covenant: server, Sidekick and clients in one program, or with a Sidekick of its own.
//!
//! ```text
//! printf 'ann hello\nbob hi ann\n/announce soup is ready\n' | cargo run -p chanson-std --example covenant_chat
//! ```

use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, BufRead as _, Write as _};
use std::time::Duration;

use chanson_core::covenant::connection::{
    DirectClientToServer, HttpClientToServer, HttpClientToSidekick, HttpServerToSidekick,
};
use chanson_core::covenant::internal::{InternalServer, InternalSidekick};
use chanson_core::http::Response;
use chanson_core::{Hub, driver};
use chanson_std::Server;
use chanson_std::covenant::client::{Client, Config, EnterError};
use chanson_std::covenant::{self, Door, Service};

mod contract;
mod flags;
mod server;
mod trust;

use contract::{Announce, Announcement, Chat, Login, Room, Say};
use flags::Flags;
use trust::Trust;

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse()?;
    match &flags.sidekick {
        None => {
            let clients = inside()?;
            talk(&flags.room, clients)
        }
        Some(url) => {
            let (clients, http, service) = outside(&flags, url)?;
            let talked = talk(&flags.room, clients);
            service.stop(Duration::from_secs(5));
            http.shutdown();
            http.join()?;
            talked
        }
    }
}

/// What makes clients.
type Clients = Box<dyn Fn() -> Result<Client, Box<dyn Error>>>;

/// All in this program, without a socket.
fn inside() -> Result<Clients, Box<dyn Error>> {
    let sidekick = InternalSidekick::new(covenant::seed()?);
    let server = InternalServer::new(server::server(sidekick.connection_from_server(), "")?, ());
    let process = server.clone();
    sidekick.set_server_callback(move |now, message| process.process_channel_message(now, message));
    Ok(Box::new(move || {
        let config = Config::new(DirectClientToServer::new(&server), sidekick.connection_from_client());
        Ok(Client::start(config)?)
    }))
}

/// A Sidekick elsewhere, which asks the server by HTTP, as the clients do.
fn outside(flags: &Flags, sidekick: &str) -> Result<(Clients, driver::Running, Service), Box<dyn Error>> {
    let server = server::server(HttpServerToSidekick::new(sidekick, &flags.secret)?, &flags.server_secret)?;
    let trust = Trust::new(flags.ca.as_deref())?;
    let (door, inbox) = Door::new(covenant::Config::default().with_caller(trust.calls()));
    let hub = Hub::builder().on_request(move |http, request| match request.path() {
        "/api/covenant" => door.take(http, request),
        _ => Some(Response::text(404, "Not Found")),
    });
    let http = Server::bind(("127.0.0.1", flags.port), hub)?.spawn()?;
    let service = inbox.serve(server, (), http.handle())?;
    let to_server = HttpClientToServer::new(&format!("http://{}/api/covenant", http.local_addr()))?;
    let to_sidekick = HttpClientToSidekick::new(sidekick)?;
    let clients = move || Ok(Client::start(trust.client(Config::new(to_server.clone(), to_sidekick.clone())))?);
    Ok((Box::new(clients), http, service))
}

/// Does what stands on each line of the input.
fn talk(room: &str, start: Clients) -> Result<(), Box<dyn Error>> {
    let room = Room { room_id: room.to_owned() };
    let admin = start()?;
    let mut people = BTreeMap::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let Some((name, text)) = line.split_once(' ') else { continue };
        if name == "/announce" {
            admin.call::<Announce>(&Announcement { room_id: room.room_id.clone(), message: text.to_owned() })?;
            continue;
        }
        if !people.contains_key(name) {
            let client = start()?;
            // Whoever is called mallory has a token that is none.
            let token = if name == "mallory" { "stolen".to_owned() } else { format!("token-of-{name}") };
            let chat = match client.connect::<Chat>(&room, &Login { token }) {
                Ok(chat) => chat,
                Err(EnterError::Refused(error)) => {
                    say(&format!("{name} is not let in: {}", error.message));
                    continue;
                }
                Err(error) => return Err(error.into()),
            };
            let hearer = name.to_owned();
            chat.subscribe(move |said| match said {
                Ok(said) => say(&format!("{hearer} hears {}: {}", said.sender_id, said.text)),
                Err(error) => say(&format!("{hearer} does not understand: {error}")),
            })?;
            people.insert(name.to_owned(), (client, chat));
        }
        let (_, chat) = &people[name];
        if let Err(error) = chat.send(&Say { text: text.to_owned() }) {
            say(&format!("{name} is told: {error}"));
        }
    }
    // What is on its way to them is heard.
    std::thread::sleep(Duration::from_millis(100));
    Ok(())
}

fn say(text: &str) {
    // Nobody may be there to read it.
    let _ = writeln!(io::stdout(), "{text}");
}
