//! A server for the clients of Supabase Realtime: broadcast and presence, without the database.
//!
//! ```text
//! cargo run --release -p chanson-mio --example realtime -- --port 4000
//! ```
//!
//! ```js
//! import { RealtimeClient } from "@supabase/realtime-js"
//! const client = new RealtimeClient("ws://127.0.0.1:4000/realtime/v1", { params: { apikey: "any" } })
//! const room = client.channel("room", { config: { broadcast: { self: true } } })
//! room.on("broadcast", { event: "*" }, console.log)
//! room.subscribe(() => room.send({ type: "broadcast", event: "hello", payload: { from: "Chanson" } }))
//! ```

#[path = "../shared/flags.rs"]
mod flags;
mod hub;

use std::io::{self, Write as _};

use chanson_mio::Server;

fn main() -> io::Result<()> {
    let (host, port) = flags::address()?;
    let mut server = Server::bind((host.as_str(), port), hub::hub())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "listening on {}", server.local_addr())?;
    stdout.flush()?;

    let handle = server.handle();
    ctrlc::set_handler(move || handle.shutdown()).map_err(io::Error::other)?;
    server.run()
}
