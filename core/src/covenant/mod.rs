//! Covenant: typed channels with parameters, procedures, and a Sidekick that holds the sockets.
//!
//! The second protocol of this crate, spoken by the npm packages `@covenant-rpc/client`, `/server` and `/core`. Nothing
//! here does I/O: the state machines say what to ask of whom, a driver (or a test) carries it there and back.
//!
//! - [`contract`]: channels and procedures as Rust types, their params, faults and validation errors.
//! - [`server`]: answers the requests of clients and of the Sidekick.
//! - [`protocol`]: the messages between client, sidekick and server.
//! - [`client`]: asks for tokens and procedures, subscribes, sends, listens, and comes back after a loss.
//! - [`connection`]: who reaches whom and how; the requests that travel between the parties, described and not performed.
//! - [`sidekick`]: holds the sockets of clients for a server that cannot.
//! - [`host`]: a server and its Sidekick on one hub, with Phoenix clients in the same rooms.
//! - [`internal`]: all of them in one program, joined in memory.
//!
//! A module uses only those above it in: `contract`, `protocol`, `connection`, then the parties.

pub mod client;
pub mod connection;
pub mod contract;
pub mod host;
pub mod internal;
pub mod protocol;
mod secret;
pub mod server;
pub mod sidekick;
