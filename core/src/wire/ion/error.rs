//! What is wrong with a text, or with a value that should become one.

use std::fmt;

/// Why a text was not read, or a value not written: [what](Error::kind) and [where](Error::position).
///
/// ```
/// use chanson_core::wire::ion::{self, ErrorKind, Value};
///
/// let error = ion::from_str::<Value>(r#"[1, "\ud800"]"#).unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::LoneSurrogate);
/// assert_eq!(error.position(), Some(4));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    kind: ErrorKind,
    at: Option<usize>,
    message: Option<Box<str>>,
}

impl Error {
    pub(super) const fn new(kind: ErrorKind) -> Self {
        Self { kind, at: None, message: None }
    }

    pub(super) const fn at(kind: ErrorKind, at: usize) -> Self {
        Self { kind, at: Some(at), message: None }
    }

    /// The same error, at that position unless it has one.
    pub(super) fn or_at(mut self, at: usize) -> Self {
        self.at = self.at.or(Some(at));
        self
    }

    /// The rule that was broken.
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Where in the text, in bytes from its start. `None` when writing.
    pub const fn position(&self) -> Option<usize> {
        self.at
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.message {
            Some(message) => f.write_str(message)?,
            None => self.kind.fmt(f)?,
        }
        self.at.map_or(Ok(()), |at| write!(f, " at position {at}"))
    }
}

impl std::error::Error for Error {}

impl serde::de::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self { kind: ErrorKind::Mismatch, at: None, message: Some(message.to_string().into()) }
    }
}

impl serde::ser::Error for Error {
    fn custom<T: fmt::Display>(message: T) -> Self {
        serde::de::Error::custom(message)
    }
}

/// The rule that was broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text ends in the middle of a value.
    UnexpectedEnd,
    /// A character that cannot stand here.
    Unexpected,
    /// Something follows the value.
    Trailing,
    /// A control character in a string, which has to be escaped.
    ControlCharacter,
    /// A backslash in a string and something that is no escape.
    Escape,
    /// Half of a surrogate pair, which no Rust string can hold. [`Raw`](super::Raw) passes it through.
    LoneSurrogate,
    /// `date:` and something that is no date.
    Date,
    /// An object's key is `__proto__`, `constructor` or `prototype`.
    ForbiddenKey,
    /// Nested deeper than allowed.
    TooDeep {
        /// What is allowed.
        max: usize,
    },
    /// The text is, or would become, longer than allowed.
    TooLong {
        /// What is allowed, in bytes.
        max: usize,
    },
    /// Writing an integer beyond ±2^53, which JavaScript's numbers do not hold exactly. Write it as a string, or as `f64`.
    IntegerTooLarge,
    /// Writing an object with a key that is no string. [`Map`](super::Map) takes any key.
    KeyNotString,
    /// A valid text, but not of the type that was asked for (the message says more); or the type refused to be written.
    Mismatch,
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnexpectedEnd => "unexpected end",
            Self::Unexpected => "unexpected character",
            Self::Trailing => "something follows the value",
            Self::ControlCharacter => "control character in a string",
            Self::Escape => "invalid escape sequence",
            Self::LoneSurrogate => "lone surrogate",
            Self::Date => "invalid date",
            Self::ForbiddenKey => "forbidden property name",
            Self::TooDeep { max } => return write!(f, "nested deeper than {max}"),
            Self::TooLong { max } => return write!(f, "longer than {max} bytes"),
            Self::IntegerTooLarge => "integer beyond 2^53",
            Self::KeyNotString => "the key of an object must be a string",
            Self::Mismatch => "not of the expected type",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<Error>() <= 48);
    }
}
