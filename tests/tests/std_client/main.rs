//! The blocking client (`chanson_std::Client`) over real sockets, against the servers of all drivers.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod callbacks;
mod common;
mod compressed;
mod conversation;
mod ending;
mod reconnecting;
mod starting;
