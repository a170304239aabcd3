//! What the whole-system tests share: recorded conversations and a player for them.
//!
//! A conversation ([`scenario::Scenario`]) was recorded from another program's server. The [`player`] says the
//! client's part of it to one of our servers and compares the answers. It knows a server only as a
//! [`transport::Transport`], something that takes and gives bytes, so the same files run over TCP and over an
//! in-memory world with a clock of its own.
//!
//! [`simulation`] has clients and a server in bad weather, [`fuzz`] the bodies of the fuzz targets.
//!
//! Where we differ from the recorded server on purpose, [`expect`] holds what ours does instead, and why.

pub mod c;
pub mod client;
pub mod expect;
pub mod fuzz;
pub mod json;
pub mod memory;
pub mod peer;
pub mod player;
pub mod process;
pub mod runner;
pub mod scenario;
pub mod script;
pub mod simulation;
#[cfg(feature = "tls")]
pub mod tls;
pub mod tools;
pub mod transport;
pub mod zzz;

/// The examples of the README compile.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
