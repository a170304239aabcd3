//! The clients of both drivers against servers that wish them ill: they say what is wrong, try again, need little memory, and
//! get along with the first server that is well again.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod after;
mod before;
mod harmless;
mod presences;
mod server;
mod victim;
