//! A Covenant server of three channels and six procedures, for clients that have the same contract.
//!
//! ```text
//! cargo run --release -p chanson-std --example covenant_server -- --port 5610 \
//!     --sidekick-url http://127.0.0.1:5611 --sidekick-secret S1 --server-secret S2
//! ```

use std::error::Error;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use chanson_core::covenant::connection::HttpServerToSidekick;
use chanson_core::driver::Config;
use chanson_core::http::Response;
use chanson_core::{Capacity, Hub, endpoint, session};
use chanson_std::covenant::{self, Door};
use chanson_std::{Server, http};

mod contract;
mod flags;
mod handlers;
#[path = "../../../io-mio/examples/common/tls.rs"]
mod tls;

use flags::Flags;
use handlers::App;

fn main() -> Result<(), Box<dyn Error>> {
    let flags = Flags::parse()?;
    let sidekick = HttpServerToSidekick::new(&flags.sidekick_url, &flags.sidekick_secret)?;
    let server = handlers::server(sidekick, &flags.server_secret, covenant::seed()?)?;

    let calls = covenant::Config::default().with_caller(calls(flags.sidekick_ca.as_deref())?);
    let (door, inbox) = Door::new(calls);
    let hub = Hub::builder().capacity(Capacity::for_connections(1000)).on_request(move |http, request| {
        match request.path() {
            "/api/covenant" => door.take(http, request),
            _ => Some(Response::text(404, "Not Found")),
        }
    });
    let session = session::Config::default().with_max_body(1 << 20);
    let config = Config::default().with_endpoint(endpoint::Config::default().with_session(session));
    let config = flags.tls.secure(config)?;
    let http = Server::bind_with((flags.host.as_str(), flags.port), hub, config)?;
    println!("listening on {}", http.local_addr());
    io::stdout().flush()?;

    let http = http.spawn()?;
    let service = inbox.serve(server, App::default(), http.handle())?;
    let (told, stop) = mpsc::channel();
    let asked = AtomicBool::new(false);
    // The second time it is to end at once.
    ctrlc::set_handler(move || match asked.swap(true, Ordering::Relaxed) {
        false => told.send(()).unwrap_or_default(),
        true => std::process::exit(0),
    })?;
    stop.recv()?;
    // Whoever has asked is answered before connections end.
    service.stop(flags.drain);
    http.shutdown();
    http.join()?;
    Ok(())
}

/// How the Sidekick is called.
#[cfg(feature = "tls")]
fn calls(ca: Option<&str>) -> Result<http::Config, Box<dyn Error>> {
    let config = http::Config::default();
    let connector = ca.map(chanson_core::tls::Connector::with_ca_file).transpose()?;
    Ok(connector.map_or(config.clone(), |connector| config.with_tls(connector)))
}

#[cfg(not(feature = "tls"))]
fn calls(ca: Option<&str>) -> Result<http::Config, Box<dyn Error>> {
    ca.map_or(Ok(http::Config::default()), |_| Err("--sidekick-ca: built without tls".into()))
}
