//! The client against a scripted server, against our own, and against nonsense; all in memory, with a virtual clock.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod behaviour;
mod phoenix_js;
mod properties;
mod scripted;
mod simulation_found;
mod with_our_server;
