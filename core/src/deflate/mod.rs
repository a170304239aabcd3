//! Compression of messages: permessage-deflate (RFC 7692).
//!
//! Whether it is used is agreed on when the connection opens; each message then says for itself whether it is compressed.
//! [`Deflate`] says what a mount accepts or a client offers. A [`Deflater`] compresses what leaves and an [`Inflater`]
//! inflates what comes, both for any number of connections: what one connection's messages have to do with each other is
//! kept in a window of its own, and only where context takeover was agreed on.

#[cfg_attr(not(feature = "deflate"), path = "without.rs")]
mod codec;
mod deflater;
mod inflater;
mod negotiate;
#[cfg(feature = "deflate")]
#[cfg(test)]
mod tests;
mod window;

pub use deflater::Deflater;
pub(crate) use deflater::Outgoing;
pub use inflater::Inflater;
pub(crate) use negotiate::Agreed;

use crate::error::PeerError;
use crate::frame::{Frame, Kind};
use window::Window;

/// Which compression of messages a mount accepts, or a client offers. It takes effect by `Mount::deflate` and
/// `client::Config::with_deflate`, which need the feature `deflate`.
///
/// **Context takeover** (a message may refer to what those before it had in them) is off on both sides. Small messages
/// that resemble each other get shorter with it, but a broadcast is then compressed anew for each connection instead of
/// once for all, and each connection holds a window of what passed: up to 2^`window_bits` bytes per direction, 32 KiB
/// unless said otherwise. Without it a connection holds nothing between messages.
///
/// The state of zlib itself is shared by all connections of an endpoint: 50 KiB to inflate, and about 400 KiB to compress for
/// each combination of level and window bits in use (there is no setting for zlib's memory level: flate2 has none). A
/// client has its own.
///
/// **Do not compress secrets beside text that somebody else chooses:** the length of what was sent tells whether the two
/// resemble each other, even through TLS (the CRIME and BREACH attacks; RFC 7692 §8).
///
/// ```
/// use chanson_core::deflate::Deflate;
///
/// let default = Deflate::new();
/// let small_talk = Deflate::new().server_context_takeover(true).server_window_bits(12).threshold(64);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    level: u8,
    threshold: u32,
    server: Half,
    client: Half,
}

/// How one side compresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Half {
    bits: u8,
    takeover: bool,
}

impl Default for Deflate {
    fn default() -> Self {
        Self::new()
    }
}

impl Deflate {
    /// Without context takeover, windows of 32 KiB, level 6, for messages of 256 bytes and more.
    pub const fn new() -> Self {
        let half = Half { bits: MAX_BITS, takeover: false };
        Self { level: 6, threshold: 256, server: half, client: half }
    }

    /// How hard to try, from 1 (fast) to 9 (short). What is outside counts as the nearest.
    #[must_use]
    pub const fn level(mut self, level: u8) -> Self {
        self.level = clamp(level, 1, 9);
        self
    }

    /// Messages of fewer bytes leave as they are. One that does not get shorter always does.
    #[must_use]
    pub const fn threshold(mut self, bytes: usize) -> Self {
        self.threshold = if bytes > u32::MAX as usize { u32::MAX } else { bytes as u32 };
        self
    }

    /// The window that the server compresses with: 2 to the power of 9 to 15 bytes. What is outside counts as the
    /// nearest; a peer may ask for less. One that asks for 8, which zlib cannot do, is not answered with compression.
    #[must_use]
    pub const fn server_window_bits(mut self, bits: u8) -> Self {
        self.server.bits = clamp(bits, MIN_BITS, MAX_BITS);
        self
    }

    /// The same of the client. A client that cannot be asked to (it says so) is told to do without context takeover, so
    /// that no larger window need be held for it.
    #[must_use]
    pub const fn client_window_bits(mut self, bits: u8) -> Self {
        self.client.bits = clamp(bits, MIN_BITS, MAX_BITS);
        self
    }

    /// Whether the server's messages may refer to earlier ones, if the client does not mind.
    #[must_use]
    pub const fn server_context_takeover(mut self, allowed: bool) -> Self {
        self.server.takeover = allowed;
        self
    }

    /// Whether the client's messages may refer to earlier ones.
    #[must_use]
    pub const fn client_context_takeover(mut self, allowed: bool) -> Self {
        self.client.takeover = allowed;
        self
    }
}

const fn clamp(value: u8, min: u8, max: u8) -> u8 {
    if value < min {
        min
    } else if value > max {
        max
    } else {
        value
    }
}

/// What one connection keeps: what was agreed on, and the windows that this needs.
#[derive(Debug)]
pub(crate) struct Compression {
    agreed: Agreed,
    max_message: usize,
    sent: Window,
    received: Window,
    pub(crate) inflater: Inflater,
}

impl Compression {
    pub(crate) fn new(agreed: Agreed, max_message: usize) -> Self {
        let (sent, received) = (Window::new(agreed.ours), Window::new(agreed.theirs));
        Self { agreed, max_message, sent, received, inflater: Inflater::default() }
    }

    /// How a frame for any number of connections leaves on this one.
    pub(crate) fn outgoing(&mut self, frame: &Frame, deflater: &mut Deflater) -> Outgoing {
        let (kind, message) = frame.payload();
        if !self.agreed.is_worth_it(message) {
            Outgoing::Plain
        } else if self.agreed.ours.takeover {
            deflater.own(&self.agreed, &mut self.sent, kind, message, None)
        } else {
            deflater.shared(&self.agreed, frame)
        }
    }

    /// The frame of a message that is this connection's alone and gets masked, if it is worth it.
    pub(crate) fn masked(
        &mut self,
        kind: Kind,
        message: &[u8],
        mask: [u8; 4],
        deflater: &mut Deflater,
    ) -> Option<Vec<u8>> {
        if !self.agreed.is_worth_it(message) {
            return None;
        }
        match deflater.own(&self.agreed, &mut self.sent, kind, message, Some(mask)) {
            Outgoing::Own(frame) => Some(frame),
            Outgoing::Plain | Outgoing::Shared(_) => None,
        }
    }

    /// Frames that were compressed will not leave after all: what follows must not refer to them.
    pub(crate) fn forget_sent(&mut self) {
        self.sent.clear();
    }

    /// The message that came compressed.
    pub(crate) fn inflate(&mut self, data: &[u8]) -> Result<&[u8], PeerError> {
        let message = self.inflater.inflate(data, self.received.bytes(), self.max_message)?;
        self.received.extend(message);
        Ok(message)
    }
}

/// The largest window (RFC 7692 §7.1.2).
const MAX_BITS: u8 = 15;

/// The smallest that zlib compresses with; it has never got 8 right.
const MIN_BITS: u8 = 9;
