//! The secret that one party shows to another.

use std::fmt;
use std::hint::black_box;

/// A secret: never shown, and compared without telling how much of it was right.
#[derive(Clone)]
pub(crate) struct Secret(Box<str>);

impl Secret {
    /// One that admits whoever shows it. An empty one admits nobody.
    pub(crate) fn new(secret: &str) -> Self {
        Self(secret.into())
    }

    /// Whether this is the value of an `Authorization` header that has the secret. Takes a time that depends on the length
    /// of `authorization` only.
    pub(crate) fn admits(&self, authorization: &[u8]) -> bool {
        authorization.strip_prefix(b"Bearer ").is_some_and(|given| self.is(given))
    }

    fn is(&self, given: &[u8]) -> bool {
        let secret = self.0.as_bytes();
        if secret.is_empty() {
            return false;
        }
        let mut differs = secret.len() ^ given.len();
        for (given, own) in given.iter().zip(secret.iter().cycle()) {
            differs |= usize::from(black_box(given ^ own));
        }
        black_box(differs) == 0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_secret_is_the_secret() {
        let secret = Secret::new("abc");
        assert!(secret.admits(b"Bearer abc"));
        for wrong in [
            "",
            "Bearer",
            "Bearer ",
            "Bearer a",
            "Bearer ab",
            "Bearer abd",
            "Bearer abcabc",
            "Bearer abc ",
            "Bearer  abc",
            "bearer abc",
            "Basic abc",
            "abc",
            "Bearer ABC",
            "Bearer abc\0",
        ] {
            assert!(!secret.admits(wrong.as_bytes()), "{wrong}");
        }
        assert!(!Secret::new("").admits(b"Bearer "));
        assert_eq!(format!("{secret:?}"), "…");
    }
}
