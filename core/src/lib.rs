//! Realtime channels as a state machine: no sockets, no threads, no clock, no async runtime.
#![forbid(unsafe_code)]

mod channel;
mod connect;
pub mod endpoint;
pub mod error;
pub mod frame;
pub mod http;
pub mod hub;
mod id;
mod json;
pub mod limits;
mod payload;
mod presence;
mod pubsub;
mod random;
mod raw;
pub mod session;
mod socket;
mod state;
pub mod time;
mod timers;
pub mod topic;
pub mod wire;
pub mod ws;

pub use channel::{Channel, Event, Failure, Join, Leave, Outcome, Refuse, Reply};
pub use connect::{Accept, Connect};
pub use endpoint::Endpoint;
pub use error::InvalidJson;
pub use hub::{Hub, Mount, Origin};
pub use id::{ConnId, Ticket};
pub use limits::Capacity;
pub use payload::{AsJson, Binary, Json, Payload, PayloadBuf, ToPayload};
pub use raw::Raw;
pub use socket::{On, Socket};
pub use state::outbox::{Admitted, Output};
pub use state::stats::Stats;
