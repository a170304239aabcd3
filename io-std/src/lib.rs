//! The thread driver of Chanson: realtime channels over TCP with nothing but blocking sockets and plain threads.
//!
//! ```no_run
//! use chanson_core::{Channel, Hub, Mount};
//!
//! let room = Channel::new("room:*")
//!     .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
//!     .on("ping", |socket, msg| socket.reply(msg.payload));
//! let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
//! chanson_std::Server::bind("127.0.0.1:4000", hub)?.run()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! It shows the same face as `chanson-mio`, limits, timeouts and close codes included: change one `use` to change drivers.
//! Each connection has two threads with small stacks, one that reads and one that writes; the hub stays on one thread. That
//! is good for hundreds of connections, and for wherever there is no event queue. For thousands take `chanson-mio`, which
//! needs one thread in all. Connections beyond what the system has threads for are answered 503; on Linux, as it comes,
//! that is behind about 6,000 of them (three quarters of what `vm.max_map_count` has room for).
//!
//! Other threads talk to a server by its [`Handle`]; [`spawn`](Server::spawn) runs it on a thread of its own:
//!
//! ```
//! use chanson_core::{Channel, Hub, Mount};
//!
//! let hub = Hub::builder().mount(Mount::channels("/socket").channel(Channel::new("room:*")));
//! let server = chanson_std::Server::bind("127.0.0.1:0", hub)?.spawn()?;
//! let handle = server.handle();
//! std::thread::spawn(move || handle.broadcast("room:lobby", "news", serde_json::json!({ "n": 1 })))
//!     .join()
//!     .expect("the thread does not panic")?;
//! server.shutdown();
//! server.join()?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # How it works
//!
//! A reader owns two buffers. It hands a full one to the hub's thread and gets it back when the hub has dealt with it, so a
//! peer that floods waits for itself. What a connection is owed waits in the hub's [`Endpoint`](chanson_core::Endpoint),
//! within its bounds; its writer gets up to 64 KiB of that at a time and says when the socket has taken them. So the hub
//! never waits for a peer. When a burst is produced faster than threads can be switched, it gives those writers that make
//! progress a moment to catch up, so that their peers are not taken for slow ones.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

mod conns;
mod door;
mod server;
mod sys;
mod threads;
mod turn;

pub use self::server::Server;
pub use chanson_core::driver::{Config, Handle, HandleError, IntoHub, Running, Stats};
