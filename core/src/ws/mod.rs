//! WebSocket framing (RFC 6455) on tungstenite's frame types: an incremental [`Decoder`] over a caller's buffer, and the
//! encoding of frames that are not shared.
//!
//! It stands on the types and not on `WebSocketContext`, which cannot share output between connections, reserves the
//! length that a header claims, refuses RSV1, draws masks from a global generator and checks UTF-8 late.

mod control;
mod decode;
mod mask;
#[cfg(test)]
mod tests;
mod utf8;

pub use control::{MAX_CONTROL, close, compressed, control, data, is_valid_close_code};
pub use decode::{Decoder, Incoming};
pub use mask::apply as apply_mask;
pub use tungstenite::protocol::frame::coding::{Control, Data};
pub use utf8::Utf8;
pub(crate) use utf8::text;

/// Which end of the connection we are: it says who masks (RFC 6455 §5.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// We accepted the connection: what comes in is masked, what goes out is not.
    Server,
    /// We opened the connection: what comes in is not masked, what goes out is.
    Client,
}
