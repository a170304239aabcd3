//! Inflates messages.

use std::fmt;

use super::codec::Decompressor;
use crate::error::PeerError;

/// Inflates messages, of any number of connections in turn. It holds nothing until the first one, and then zlib's state (50
/// KiB) and the last message.
#[derive(Default)]
pub struct Inflater {
    inner: Option<Box<Inner>>,
}

#[derive(Default)]
struct Inner {
    decompressor: Decompressor,
    message: Vec<u8>,
}

impl Inflater {
    /// The message that was compressed to `data`; it may refer to what is in `window`.
    ///
    /// # Errors
    /// It has more than `max` bytes, which is found out before memory is spent on them, or `data` is corrupt or not whole.
    pub(crate) fn inflate(&mut self, data: &[u8], window: &[u8], max: usize) -> Result<&[u8], PeerError> {
        let inner = self.inner.get_or_insert_default();
        inner.decompressor.run(data, window, max, &mut inner.message)?;
        Ok(&inner.message)
    }

    #[cfg(feature = "deflate")]
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.inner.is_none()
    }

    /// Takes the other's state in exchange for nothing, unless there is one here.
    pub(crate) fn borrow_from(&mut self, other: &mut Self) {
        if self.inner.is_none() {
            self.inner = other.inner.take();
        }
    }

    /// Gives its state to the other, without the memory of a long message.
    pub(crate) fn give_back(&mut self, other: &mut Self) {
        if let Some(mut inner) = self.inner.take() {
            if inner.message.capacity() > KEPT_MESSAGE {
                inner.message = Vec::new();
            }
            other.inner = Some(inner);
        }
    }
}

impl fmt::Debug for Inflater {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Inflater")
    }
}

/// Room for so long a message is kept between two.
const KEPT_MESSAGE: usize = 64 * 1024;
