//! Realtime channels as a state machine: no sockets, no threads, no clock, no async runtime.
//!
//! Topics, joins, events, replies, broadcasts, presence and heartbeats, as the Phoenix Channels protocol has them and
//! its JavaScript client speaks them. Whoever has bytes can have channels: a game loop, a desktop program, a plain
//! thread, an epoll loop, a test. (`chanson-mio` and `chanson-std` are ready drivers around this crate.)
//!
//! # A whole server
//!
//! What the application does stands in its [`Channel`]s; the host moves bytes and tells the time. Here the socket is a
//! pipe in memory, see [`memory`]; with real sockets the loop is the one in [`endpoint`].
//!
//! ```
//! use chanson_core::{Channel, Hub, Mount, Refuse, Reply, memory::World};
//! use serde_json::json;
//!
//! let room = Channel::new("room:*")
//!     .join(|socket, join| {
//!         let user = socket.param("user").ok_or(Refuse::reason("who are you?"))?.to_owned();
//!         socket.track(&user, json!({ "online": true }))?;
//!         Ok(Reply::empty())
//!     })
//!     .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
//!     .on("ping", |socket, msg| socket.reply(msg.payload));
//! let hub: Hub = Hub::builder().seed([7; 32]).mount(Mount::channels("/socket").channel(room)).build()?;
//!
//! let mut world = World::new(hub);
//! let ann = world.connect("/socket?vsn=2.0.0&user=ann");
//! world.send(ann, r#"["1","1","room:a","phx_join",{}]"#);
//! world.send(ann, r#"["1","2","room:a","new_msg",{"text":"hi"}]"#);
//! let got = world.recv(ann);
//! assert_eq!(got[0], r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#);
//! assert!(got[1].starts_with(r#"[null,null,"room:a","presence_diff",{"joins":{"ann":"#));
//! assert_eq!(got[2], r#"[null,null,"room:a","new_msg",{"text":"hi"}]"#);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Three doors
//!
//! - [`Hub`], message level: the host has a WebSocket library of its own and hands over whole messages.
//! - [`session::Session`], byte level: one connection, HTTP and WebSocket, without a hub.
//! - [`Endpoint`], a hub and its sessions together: what a single-threaded host holds.
//!
//! At the other end of a connection is [`Client`]. Beside the Phoenix protocol there is [`covenant`]: typed channels and
//! procedures.
//!
//! The verbs are the same at each: `handle_*(now, …)` says that something happened and is never refused, plain verbs
//! (`broadcast`, `answer`) want something, `poll_*` says what to do next and when.
//!
//! # What holds
//!
//! - Time is an argument ([`time::Instant`]), randomness a seed: the same inputs give the same outputs.
//! - Everything that grows has a bound in [`Capacity`]; hitting one is an ordinary answer by name.
//! - A message is encoded once per wire form in use, however many connections get it, and a payload that passes
//!   through is never parsed into a tree.
//! - A handler that fails or panics ends its join, nothing else. (Panics have to unwind for that; each still runs the
//!   program's panic hook.)
//!
//! The feature `deflate`, off by default, compresses messages (see [`deflate`]) and is the only one that needs zlib.
//!
//! A module imports only from those below it: `covenant`, `memory`, `driver`, `client`, `endpoint`, `hub`, then what handlers
//! see (`channel`, `socket`, `connect`, `raw`), `state` (the tables), `pubsub`, `presence`, `session`, `deflate`, the wire
//! formats (`wire`, `http`, `ws`), and the ground (`topic`, `payload`, `frame`, `time`, `error`).
#![warn(missing_debug_implementations)]
#![forbid(unsafe_code)]

mod channel;
pub mod client;
mod connect;
pub mod covenant;
pub mod deflate;
pub mod driver;
pub mod endpoint;
pub mod error;
pub mod frame;
pub mod http;
pub mod hub;
mod id;
mod json;
pub mod limits;
pub mod log;
pub mod memory;
mod payload;
mod presence;
mod pubsub;
mod random;
mod raw;
pub mod session;
mod socket;
mod state;
pub mod time;
mod timers;
#[cfg(feature = "tls")]
pub mod tls;
#[cfg(not(feature = "tls"))]
#[path = "tls/off.rs"]
mod tls;
pub mod topic;
pub mod wire;
pub mod ws;

pub use channel::{Channel, Event, Failure, Join, Leave, Outcome, Refuse, Reply};
pub use client::Client;
pub use connect::{Accept, Connect};
pub use endpoint::Endpoint;
pub use error::InvalidJson;
pub use hub::{Hub, Mount, Origin};
pub use id::{ConnId, Ticket};
pub use limits::Capacity;
pub use payload::{AsJson, Binary, Json, Payload, PayloadBuf, ToPayload};
pub use raw::Raw;
pub use socket::{On, Socket};
pub use state::outbox::{Admitted, Output};
pub use state::stats::Stats;

/// Runs code of the application whose panics concern nobody. What it panics with may panic when it is dropped, and so
/// is not.
fn quietly(run: impl FnOnce()) {
    if let Err(panic) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)) {
        std::mem::forget(panic);
    }
}
