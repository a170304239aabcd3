//! The rooms server on threads: `rooms` of chanson-mio with another driver.
//!
//! ```text
//! cargo run --release -p chanson-std --example rooms_threads -- --port 4000
//! ```

use std::process::ExitCode;

use chanson_std as driver;

#[path = "../../../io-mio/examples/rooms/flags.rs"]
mod flags;
#[path = "../../../io-mio/examples/rooms/hub.rs"]
mod hub;
#[path = "../../../io-mio/examples/rooms/serve.rs"]
mod serve;
#[path = "../../../io-mio/examples/common/tls.rs"]
mod tls;

fn main() -> ExitCode {
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("rooms_threads: {error}");
            ExitCode::FAILURE
        }
    }
}
