//! TLS in memory: endpoints and clients whose bytes are encrypted, and what goes wrong with that.
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod certificates;
mod conversation;
mod others;
mod refused;
mod world;
