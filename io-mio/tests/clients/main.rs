//! `Clients` over real sockets: against our server, and against peers that misbehave.
#![allow(missing_docs, clippy::unwrap_used)]

mod common;
mod crowds;
mod reaching;
mod talking;
