//! Recorded conversations with other servers, had with ours.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod in_memory;
mod over_tcp;
mod plain_client;
#[allow(unreachable_pub, reason = "it is a module of an example, too")]
#[path = "../../../io-mio/examples/rooms/hub.rs"]
mod rooms;
