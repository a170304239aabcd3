//! HTTP/1.1 without I/O, as much as a server of channels needs: requests with bounded heads and bodies, the WebSocket
//! upgrade, responses and route patterns; and of a client's side the upgrade alone.
//!
//! Requests are read strictly: whatever two readers could understand differently (RFC 9112 §11.2, request smuggling) is
//! refused with 400 and ends the connection.

mod body;
mod client;
mod extensions;
mod head;
mod known;
mod parse;
mod request;
mod request_buf;
mod response;
mod route;
#[cfg(test)]
mod tests;

pub use client::{Head, Upgrade};
pub use request::{Request, UpgradeError};
pub use response::{HeaderError, Response};
pub use route::{Route, RouteError};

pub(crate) use client::Handshake;
pub(crate) use extensions::{Extension, extensions};
pub(crate) use parse::{Limits, Progress, Reader};
pub(crate) use request_buf::RequestBuf;
pub(crate) use response::{CONTINUE, Persistence, reason, switching_protocols};

/// Whether the byte may stand in a token: a method, a header's name, a subprotocol (RFC 9110 §5.6.2).
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[byte as usize]
}

/// Whether the text is a token (RFC 9110 §5.6.2): not empty and of token bytes only.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().copied().all(is_token_byte)
}

/// Without the white space around an element or a value (RFC 9110 §5.6.3).
fn trim(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}

/// Looked up, each byte costs half of what comparing it with all ranges does.
static TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric()
            || matches!(byte, b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'^'..=b'`' | b'|' | b'~');
        byte += 1;
    }
    table
};
