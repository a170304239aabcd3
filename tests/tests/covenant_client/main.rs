//! The blocking Covenant client: with our server and Sidekick, with the published ones, and with ones in this program.
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod chat_example;
mod contract;
mod in_memory;
mod over_sockets;
