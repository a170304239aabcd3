//! UTF-8 checked as it streams: a character may be cut by a frame or by a read.

use crate::error::PeerError;

/// The text that these bytes are. For a message of 4 KiB that is a third of the instructions that the standard library's check
/// takes.
///
/// # Errors
/// [`PeerError::InvalidUtf8`] (RFC 6455 §8.1).
pub(crate) fn text(bytes: &[u8]) -> Result<&str, PeerError> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| PeerError::InvalidUtf8)
}

/// The state of the check: the bytes of a character that has begun and not ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8 {
    begun: [u8; 4],
    len: u8,
}

impl Utf8 {
    /// The state before the first byte.
    pub const fn new() -> Self {
        Self { begun: [0; 4], len: 0 }
    }

    /// Checks what comes next. Fails at the first byte that no continuation can make valid.
    ///
    /// # Errors
    /// [`PeerError::InvalidUtf8`] (RFC 6455 §8.1).
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(), PeerError> {
        let rest = self.end_begun(bytes)?;
        let Err(error) = std::str::from_utf8(rest) else { return Ok(()) };
        let tail = &rest[error.valid_up_to()..];
        if error.error_len().is_some() || tail.len() > 3 {
            return Err(PeerError::InvalidUtf8);
        }
        self.begun[..tail.len()].copy_from_slice(tail);
        self.len = tail.len() as u8;
        Ok(())
    }

    /// Whether the text may end here: no character is left half.
    pub const fn is_complete(&self) -> bool {
        self.len == 0
    }

    /// Takes from `bytes` what belongs to the character that has begun; returns the rest.
    fn end_begun<'a>(&mut self, mut bytes: &'a [u8]) -> Result<&'a [u8], PeerError> {
        while self.len > 0 {
            let Some((&byte, rest)) = bytes.split_first() else { break };
            bytes = rest;
            let len = usize::from(self.len) + 1;
            // Three bytes at most stay begun, so there is room for one more.
            self.begun[len - 1] = byte;
            match std::str::from_utf8(&self.begun[..len]) {
                Ok(_) => self.len = 0,
                Err(error) if error.error_len().is_none() => self.len = len as u8,
                Err(_) => return Err(PeerError::InvalidUtf8),
            }
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pieces: &[&[u8]]) -> bool {
        let mut utf8 = Utf8::default();
        pieces.iter().all(|piece| utf8.feed(piece).is_ok()) && utf8.is_complete()
    }

    #[test]
    fn it_fails_at_the_first_impossible_byte() {
        // Autobahn 6.4.*: beyond U+10FFFF, a surrogate, an overlong form.
        for bytes in [&[0xf4, 0x90][..], &[0xed, 0xa0], &[0xe0, 0x80], &[0xc0], &[0xff], &[0x80]] {
            let mut utf8 = Utf8::default();
            assert!(bytes.iter().any(|byte| utf8.feed(&[*byte]).is_err()), "{bytes:x?}");
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_matter(bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..12),
            any::<String>().prop_map(String::into_bytes),
        ], cut in 0usize..40, second in 0usize..40) {
            let valid = std::str::from_utf8(&bytes).is_ok();
            let (left, right) = bytes.split_at(cut.min(bytes.len()));
            let (middle, right) = right.split_at(second.min(right.len()));
            prop_assert_eq!(check(&[left, middle, right]), valid);
            let single: Vec<&[u8]> = bytes.chunks(1).collect();
            prop_assert_eq!(check(&single), valid);
        }
    }
}
