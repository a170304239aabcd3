//! The server in the place of the published one: recorded conversations, played in memory and against the example.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

#[path = "../../../io-std/examples/covenant_server/contract.rs"]
mod contract;
#[path = "../../../io-std/examples/covenant_server/handlers.rs"]
mod handlers;
mod in_memory;
mod over_tcp;
mod player;
mod program;
mod recorded;
