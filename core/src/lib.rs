//! Realtime channels as a state machine: no sockets, no threads, no clock, no async runtime.
#![forbid(unsafe_code)]

pub mod error;
pub mod frame;
pub mod http;
mod id;
mod json;
#[allow(dead_code)]
pub mod limits;
mod payload;
#[allow(dead_code)]
mod presence;
#[allow(dead_code)]
mod random;
pub mod session;
pub mod time;
pub mod topic;
pub mod wire;
pub mod ws;

pub use id::{ConnId, Ticket};
pub use payload::{AsJson, Binary, InvalidJson, Json, Payload, PayloadBuf, ToPayload};
