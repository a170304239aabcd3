//! The server for the clients of Supabase Realtime on threads: `realtime` of chanson-mio with another driver.
//!
//! ```text
//! cargo run --release -p chanson-std --example realtime_threads -- --port 4000
//! ```

use std::process::ExitCode;

use chanson_std as driver;

#[path = "../../../io-mio/examples/common/flags.rs"]
mod flags;
#[path = "../../../io-mio/examples/realtime/hub.rs"]
mod hub;
#[path = "../../../io-mio/examples/realtime/serve.rs"]
mod serve;
#[path = "../../../io-mio/examples/common/tls.rs"]
mod tls;

fn main() -> ExitCode {
    match serve::serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("realtime_threads: {error}");
            ExitCode::FAILURE
        }
    }
}
