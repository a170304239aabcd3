//! The sidekick in the place of the published one: recorded conversations, played in memory and against the program.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod forwarding;
mod in_memory;
mod over_tcp;
mod player;
mod program;
mod recorded;
mod server;
