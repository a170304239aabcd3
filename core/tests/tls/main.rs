//! TLS in memory: endpoints and clients whose bytes are encrypted, and what goes wrong with that.
#![cfg(feature = "tls")]

mod certificates;
mod conversation;
mod others;
mod refused;
mod world;
