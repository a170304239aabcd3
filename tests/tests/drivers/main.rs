//! What every driver does over real sockets, from one list for all of them.

#![expect(clippy::duplicate_mod, reason = "each driver runs the same tests")]
#![expect(clippy::unwrap_used, reason = "these are tests")]

mod auto_traits;
mod common;
mod nested;
mod on_mio;
mod on_threads;
mod on_three_threads;
mod on_two_threads;
mod paused;
mod several;
mod spread;
