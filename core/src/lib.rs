//! Realtime channels as a state machine: no sockets, no threads, no clock, no async runtime.
#![forbid(unsafe_code)]

pub mod error;
pub mod frame;
pub mod http;
mod id;
mod json;
mod payload;
pub mod session;
pub mod time;
pub mod ws;

pub use id::{ConnId, Ticket};
pub use payload::{AsJson, Binary, InvalidJson, Json, Payload, PayloadBuf, ToPayload};
