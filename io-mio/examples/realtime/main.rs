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

use std::process::ExitCode;

use chanson_mio as driver;

#[path = "../common/flags.rs"]
mod flags;
mod hub;
mod serve;
#[path = "../common/tls.rs"]
mod tls;

fn main() -> ExitCode {
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("realtime: {error}");
            ExitCode::FAILURE
        }
    }
}
