//! The bodies of the fuzz targets: plain functions of bytes, which panic when something does not hold.
//!
//! `fuzz/` makes programs of them for libFuzzer; `tests/fuzz` plays the committed corpus to them on every run of the tests,
//! within a bound of memory. A new target is a function here, a line in [`TARGETS`], a program in `fuzz/fuzz_targets`, and
//! seeds in `fuzz/corpus`.

mod c_api;
mod covenant;
mod deflate;
mod endpoint;
mod http;
mod hub;
mod ion;
mod ops;
mod rooms;
mod session;
mod sharded;
mod sidekick;
mod topics;
mod values;
mod wire;
mod ws;

pub use self::c_api::c_api;
pub use self::covenant::covenant_server;
pub use self::deflate::deflate;
pub use self::endpoint::endpoint;
pub use self::http::{http_request, http_response};
pub use self::hub::hub;
pub use self::ion::ion;
pub use self::session::{session_client, session_server};
pub use self::sharded::sharded;
pub use self::sidekick::sidekick;
pub use self::topics::topics;
pub use self::values::ion_values;
pub use self::wire::{wire_binary, wire_v1, wire_v2};
pub use self::ws::{ws_client, ws_server};

/// A fuzz target.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name: that of its program, its corpus and its dictionary.
    pub name: &'static str,
    /// Its body.
    pub run: fn(&[u8]),
    /// Bytes that it may have allocated at a time, beside 64 for each byte of the input.
    pub memory: usize,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "c_api", run: c_api, memory: 4 << 20 },
    Target { name: "covenant_server", run: covenant_server, memory: 256 << 10 },
    Target { name: "deflate", run: deflate, memory: 1 << 20 },
    Target { name: "endpoint", run: endpoint, memory: 4 << 20 },
    Target { name: "http_request", run: http_request, memory: 64 << 10 },
    Target { name: "http_response", run: http_response, memory: 64 << 10 },
    Target { name: "hub", run: hub, memory: 4 << 20 },
    Target { name: "ion", run: ion, memory: 64 << 10 },
    Target { name: "ion_values", run: ion_values, memory: 64 << 10 },
    Target { name: "session_client", run: session_client, memory: 256 << 10 },
    Target { name: "session_server", run: session_server, memory: 256 << 10 },
    Target { name: "sharded", run: sharded, memory: 4 << 20 },
    Target { name: "sidekick", run: sidekick, memory: 4 << 20 },
    Target { name: "topics", run: topics, memory: 64 << 10 },
    Target { name: "wire_binary", run: wire_binary, memory: 64 << 10 },
    Target { name: "wire_v1", run: wire_v1, memory: 64 << 10 },
    Target { name: "wire_v2", run: wire_v2, memory: 64 << 10 },
    Target { name: "ws_client", run: ws_client, memory: 64 << 10 },
    Target { name: "ws_server", run: ws_server, memory: 64 << 10 },
];

/// The first byte, which chooses among variants of a target, and the rest. `None` of nothing.
fn variant(data: &[u8]) -> Option<(u8, &[u8])> {
    data.split_first().map(|(first, rest)| (*first, rest))
}
