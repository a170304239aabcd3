//! The event-loop driver of Chanson, on mio: realtime channels over TCP from one thread or several, pumped by you or run for
//! you.
//!
//! ```no_run
//! use chanson_core::{Channel, Hub, Mount};
//!
//! let room = Channel::new("room:*")
//!     .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
//!     .on("ping", |socket, msg| socket.reply(msg.payload));
//! let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
//! chanson_mio::Server::bind("127.0.0.1:4000", hub)?.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! A program that has a loop already (a game, a desktop program) pumps the server itself, and its handlers change its own
//! state without a lock:
//!
//! ```
//! use std::time::Duration;
//! use chanson_core::{Channel, Hub, Mount};
//! use chanson_mio::Server;
//!
//! struct World { moves: u32 }
//!
//! let game = Channel::<World>::new("game:*").on("move", |socket, _| socket.app().moves += 1);
//! let hub = Hub::builder().mount(Mount::channels("/socket").channel(game));
//! let mut server = Server::bind("127.0.0.1:0", hub)?;
//! let mut world = World { moves: 0 };
//! for _frame in 0..3 {
//!     server.poll_with(&mut world, Duration::ZERO)?; // what came since the last frame; never waits
//!     let tick = serde_json::json!({ "moves": world.moves });
//!     server.act(&mut world, |hub, _| hub.broadcast("game:1", "tick", &tick))?; // leaves with the next turn
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Other threads talk to a server by its [`Handle`]; [`spawn`](Server::spawn) runs it on a thread of its own.
//!
//! # Several threads
//!
//! One thread is the default, and where the network is the limit it is enough. With more
//! ([`Config::threads`](Config::threads)) the one that turns the server keeps the hub, accepts connections and runs all handlers,
//! which need no locks; the others, started by the server, have the sockets: they read, take HTTP, WebSocket frames, compression
//! and TLS apart, and write. Each new connection goes to the one that has fewest.
//!
//! ```no_run
//! # use chanson_core::{Hub, Mount};
//! # let hub = Hub::builder().mount(Mount::channels("/socket"));
//! use chanson_mio::{Config, Server};
//! Server::bind_with("127.0.0.1:4000", hub, Config::default().with_threads(4))?.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! What is promised does not depend on the number: order on each topic and connection, exact capacity, presence, bounds, what
//! becomes of peers that do not read, a drain. Messages cross between threads in batches, one a turn and direction, by bounded
//! channels without locks, and a thread is woken only when it sleeps. A broadcast is encoded once; each thread that has receivers
//! gets it as one entry with the list of its own, and makes one copy for all of them. A message with one receiver is an entry
//! of its own. Neither side waits for the other: a thread with sockets that is too far ahead of the hub (two batches of 64 KiB)
//! reads no more until the hub has caught up, and the hub takes in nothing while one of them is behind (eight batches of about a
//! quarter of a megabyte; a frame for many counts once). What is on its way between threads is bounded so, and comes on top of
//! `Capacity::queued_bytes`, which counts what waits in the sessions.
//!
//! How it grows: all that is the hub's (decoding a message's envelope, routing, handlers, presence) is on one thread and its
//! limit. Of a broadcast that is a fixed part, the list of receivers copied and each of them put down in its thread's (two dozen
//! instructions), and one entry for each thread; a receiver costs the kernel some thousand instructions elsewhere, so sockets
//! are what to spread. Small rooms and request-and-reply traffic gain less: there the hub has a share in each message.
//!
//! The other end is here as well: [`Clients`] is many clients of channels servers on one loop.
//!
//! The program `covenant-sidekick` is this driver with the core's `covenant::sidekick` on it; it alone needs the feature
//! `covenant`, which is on by default. Off by default are the features `deflate`, for compression (see `Mount::deflate`), and
//! `tls` (see `Config::with_tls`; `wss://` for clients).
#![deny(missing_docs)]
#![warn(missing_debug_implementations)]
#![forbid(unsafe_code)]

mod clients;
mod door;
mod many;
mod server;
mod single;
mod sockets;
mod sys;
mod turn;

pub use self::clients::{AddError, ClientId, Clients};
pub use self::server::Server;
pub use chanson_core::driver::{Config, Handle, HandleError, IntoHub, Running, Stats};
