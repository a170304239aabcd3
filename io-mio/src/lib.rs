//! The event-loop driver of Chanson, on mio: realtime channels over TCP from one thread, pumped by you or run for you.
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
//! The other end is here as well: [`Clients`] is many clients of channels servers on one loop.
//!
//! The program `covenant-sidekick` is this driver with the core's `covenant::sidekick` on it; it alone needs the feature
//! `covenant`, which is on by default. The feature `deflate`, off by default, is for compression: see `Mount::deflate`.
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
