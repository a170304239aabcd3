//! A Covenant server behind an HTTP server: the state machine of `chanson_core::covenant::server` on a thread of its own.
//!
//! A [`Door`] takes requests from a hub's `on_request` and puts their answers off; a [`Service`] is the thread that works on
//! them, with the application's state, and asks the Sidekick by a [`Caller`]. So a handler
//! that takes its time holds up no socket, and the HTTP server may be this crate's or `chanson-mio`'s.
//!
//! ```
//! use chanson_core::Hub;
//! use chanson_core::covenant::connection::EmptyServerToSidekick;
//! use chanson_core::covenant::contract::{Contract, Kind, Procedure};
//! use chanson_core::covenant::server::Server;
//! use chanson_std::covenant::{self, Config, Door};
//!
//! struct Double;
//! impl Procedure for Double {
//!     const NAME: &str = "double";
//!     const KIND: Kind = Kind::Query;
//!     type Input = f64;
//!     type Output = f64;
//! }
//!
//! let contract = Contract::new().procedure::<Double>()?;
//! let mut server = Server::<()>::builder(contract).seed(covenant::seed()?).build(EmptyServerToSidekick)?;
//! server.define_procedure::<Double>(|_, number| Ok(number * 2.0), |_| Vec::new())?;
//! server.assert_all_defined()?;
//!
//! let (door, inbox) = Door::new(Config::default());
//! let hub = Hub::builder().on_request(move |http, request| match request.path() {
//!     "/api/covenant" => door.take(http, request),
//!     _ => Some(chanson_core::http::Response::text(404, "Not Found")),
//! });
//! let http = chanson_std::Server::bind("127.0.0.1:0", hub)?.spawn()?;
//! let service = inbox.serve(server, (), http.handle())?;
//!
//! # use std::io::{Read, Write};
//! # let mut socket = std::net::TcpStream::connect(http.local_addr())?;
//! # let body = r#"{ "procedure": "double", "inputs": 21 }"#;
//! # write!(socket, "POST /api/covenant HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len())?;
//! # let mut answer = String::new();
//! # socket.read_to_string(&mut answer)?;
//! # assert!(answer.ends_with(r#"{ "status": "OK", "data": 42, "resources": [] }"#), "{answer}");
//! service.stop(std::time::Duration::from_secs(5)); // answers what was asked, and takes no more
//! http.shutdown();
//! http.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Whoever has taken a promise in a handler (`defer`) answers from any thread by
//! [`Handle::act`]: `handle.act(move |server, now, _| drop(server.answer_procedure::<P>(now, deferred, answer)))`.

pub mod client;
mod door;
mod service;
mod work;

use std::io;

use crate::http;
use crate::sys;

pub use self::door::{Door, Inbox};
pub use self::service::{Handle, NotSent, Service};

#[cfg(doc)]
use crate::http::Caller;

/// How a service treats its requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Requests that wait for the service's thread, at a time; beyond, they are answered 503. 1024.
    pub requests: usize,
    /// Bytes of the bodies of these. 64 MiB.
    pub request_bytes: usize,
    /// How the Sidekick is called.
    pub caller: http::Config,
}

impl Default for Config {
    fn default() -> Self {
        Self { requests: 1024, request_bytes: 64 << 20, caller: http::Config::default() }
    }
}

impl Config {
    /// With these [`requests`](Self::requests).
    #[must_use]
    pub const fn with_requests(mut self, requests: usize) -> Self {
        self.requests = requests;
        self
    }

    /// With these [`request_bytes`](Self::request_bytes).
    #[must_use]
    pub fn with_request_bytes(mut self, bytes: usize) -> Self {
        self.request_bytes = bytes;
        self
    }

    /// With this [`caller`](Self::caller).
    #[must_use]
    pub fn with_caller(mut self, caller: http::Config) -> Self {
        self.caller = caller;
        self
    }
}

/// A seed for a server's tokens, from the operating system.
///
/// # Errors
/// It has no randomness to give.
pub fn seed() -> io::Result<[u8; 32]> {
    sys::seed()
}
