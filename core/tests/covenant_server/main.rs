//! The Covenant server through its public face, with time and the Sidekick in the test's hand.
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

mod bounds;
mod channels;
mod common;
mod defining;
mod later;
mod procedures;
mod sidekick;
