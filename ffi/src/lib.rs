//! The C interface of Chanson: `include/chanson.h` is made of this crate by cbindgen, docs and all.
//!
//! Handles are opaque pointers whose head says what they are and whether they are in use ([`handle`]); callbacks are handed
//! views that are good until they return ([`slot`]); structs of the host's begin with their size, so that they can grow
//! ([`config`]). No panic crosses the border: every function catches what its body throws.
//!
//! Pointers are as the header's preamble says; that is the safety contract of every function here.
#![allow(non_camel_case_types, clippy::missing_safety_doc)]
#![deny(unsafe_op_in_unsafe_fn)]

#[cfg(panic = "abort")]
compile_error!(
    "chanson-ffi needs panic = \"unwind\": a handler that panics must not end the program it is embedded in"
);

mod app;
mod builder;
mod callback;
#[cfg(feature = "client")]
mod client;
mod code;
mod command;
mod config;
mod connect;
mod endpoint;
mod handle;
mod http;
mod hub;
#[cfg(feature = "server")]
mod query;
mod raw;
#[cfg(feature = "server")]
mod remote;
#[cfg(feature = "server")]
mod server;
mod session;
mod slot;
mod socket;
mod stats;
mod text;
mod tls;
mod version;

pub use builder::*;
pub use callback::*;
#[cfg(feature = "client")]
pub use client::*;
pub use code::*;
pub use command::*;
pub use config::*;
pub use connect::*;
pub use endpoint::*;
pub use http::*;
pub use hub::*;
#[cfg(feature = "server")]
pub use query::*;
pub use raw::*;
#[cfg(feature = "server")]
pub use remote::*;
#[cfg(feature = "server")]
pub use server::*;
pub use session::*;
pub use socket::*;
pub use stats::*;
pub use text::*;
pub use tls::*;
pub use version::*;
