//! Realtime channels as a state machine: no sockets, no threads, no clock, no async runtime.
#![forbid(unsafe_code)]

pub mod error;
pub mod frame;
mod id;
mod json;
#[allow(dead_code)]
pub mod limits;
mod payload;
#[allow(dead_code)]
mod presence;
#[allow(dead_code)]
mod random;
pub mod time;
pub mod topic;
pub mod wire;

pub use id::{ConnId, Ticket};
pub use payload::{AsJson, Binary, InvalidJson, Json, Payload, PayloadBuf, ToPayload};
