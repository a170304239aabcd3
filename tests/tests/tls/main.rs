//! Whole servers and clients over TLS: ours, node's and OpenSSL's. `cargo test -p chanson-tests --features tls --test tls`.

#![expect(clippy::unwrap_used, reason = "these are tests")]

mod abuse;
mod common;
#[allow(dead_code, reason = "another test uses the rest of it")]
#[path = "../covenant_client/contract.rs"]
mod contract;
mod covenant;
mod openssl;
mod ours;
mod programs;
mod recorded;
mod scripts;
