//! The rooms server on the event loop: the one that checks and benchmarks run against.
//!
//! ```text
//! cargo run --release -p chanson-mio --example rooms -- --port 4000
//! ```

use std::process::ExitCode;

use chanson_mio as driver;

mod flags;
mod hub;
mod serve;
#[path = "../common/tls.rs"]
mod tls;

fn main() -> ExitCode {
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rooms: {error}");
            ExitCode::FAILURE
        }
    }
}
