//! The thread driver of Chanson: realtime channels over TCP with nothing but blocking sockets and plain threads. A
//! [`Server`] and a [`Client`].
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
//! Each connection has two threads with small stacks, one that reads and one that waits for a peer that is slow to read; the hub
//! stays on one thread, and on Linux sends from there what the socket takes at once. That is good for hundreds of connections,
//! and for wherever there is no event queue. For thousands take `chanson-mio`, which needs one thread in all. Connections beyond
//! what the system has threads for are answered 503; on Linux, as it comes, that is behind about 6,000 of them (three quarters of
//! what `vm.max_map_count` has room for).
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
//! # A client
//!
//! [`Client`] is the other end of a connection, to this server or any other that speaks the protocol: it connects and comes
//! back by itself, joins and pushes wait for their answers, and what happens is read when you like.
//!
//! ```
//! use chanson_std::Client;
//! use chanson_std::client::{Config, Event};
//! use serde_json::json;
//!
//! # use chanson_core::{Channel, Hub, Mount};
//! # let room = Channel::new("room:*").on("new_msg", |socket, msg| {
//! #     socket.broadcast("new_msg", msg.payload)?;
//! #     socket.stop();
//! #     socket.reply(json!({}))
//! # });
//! # let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
//! # let server = chanson_std::Server::bind("127.0.0.1:0", hub)?.spawn()?;
//! # let url = format!("ws://{}/socket", server.local_addr());
//! // let url = "ws://127.0.0.1:4000/socket";
//! let client = Client::connect(Config::new(&url)?.with_param("user", "ana"))?;
//! let lobby = client.join("room:lobby", json!({ "name": "ana" }))?;
//! let reply = lobby.push("new_msg", json!({ "text": "hello" }))?;
//! println!("the server said {:?}", reply.status);
//!
//! for event in client.events() {
//!     match event {
//!         Event::Message { event, payload, .. } => println!("{event}: {:?}", payload.as_payload()),
//!         Event::PresenceSync { .. } => println!("{} are here", lobby.presence().len()),
//!         Event::Disconnected { reason, .. } => println!("lost ({reason:?}), but that is seen to"),
//!         Event::Closed { .. } => break,
//!         _ => {}
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A client has three threads, so this is good for a few hundred clients in a program.
//!
//! # How it works
//!
//! A reader owns two buffers. It hands a full one to the hub's thread and gets it back when the hub has dealt with it, so a
//! peer that floods waits for itself. What a connection is owed waits in the hub's [`Endpoint`](chanson_core::Endpoint),
//! within its bounds; its writer gets up to 64 KiB of that at a time and says when the socket has taken them. So the hub
//! never waits for a peer. When a burst is produced faster than threads can be switched, it gives those writers that make
//! progress a moment to catch up, so that their peers are not taken for slow ones.
//!
//! A client is the same turned round: one thread turns and has the connection, one connects and reads, one writes. What
//! the application asks for is asked of the state machine at once, under a lock that nobody holds for long.
//!
//! Off by default are the features `deflate`, for compression (see `Mount::deflate`), and `tls` (see `Config::with_tls`; `wss://`
//! for clients).
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod client;
mod conns;
#[cfg(feature = "covenant")]
pub mod covenant;
mod door;
#[cfg(feature = "covenant")]
pub mod http;
mod server;
mod sync;
mod sys;
mod threads;
mod turn;

pub use self::client::Client;
pub use self::server::Server;
pub use chanson_core::driver::{Config, Handle, HandleError, IntoHub, Running, Stats};
