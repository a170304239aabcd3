//! Hostile peers against the rooms server of every host, while a good client is served.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod frames;
mod handshake;
mod siege;
