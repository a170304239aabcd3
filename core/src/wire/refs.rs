//! Refs: what ties a reply to its push (`ref`) and everything to its join (`join_ref`).

use std::borrow::Cow;
use std::fmt;

use super::EncodeError;
use crate::json;

/// A `ref` or `join_ref` as it came. Clients send strings of digits, but any JSON value is taken and given back as it is.
///
/// Two are equal when they are of the same type and value: `"1"`, `1` and `1.0` are three different refs, `"1"` and
/// `"\u0031"` are the same, and so are a string from JSON and the same one from a binary frame. Arrays and objects are
/// the same when they are spelled the same, byte for byte.
/// Source: conformance `refs_numeric`, `refs_odd_types`, `event_stale_join_ref` (Phoenix 1.8.12).
#[derive(Clone, Copy)]
pub enum Ref<'a> {
    /// JSON `null`, or absent in vsn 1.
    Null,
    /// The text of any other JSON value, with the quotes if it is a string. It has to be valid.
    Json(&'a str),
    /// A plain string, from a binary frame.
    Text(&'a str),
}

impl<'a> Ref<'a> {
    /// The ref that a valid JSON text, without white space around it, stands for.
    pub(crate) fn from_json(text: &'a str) -> Self {
        match text {
            "null" => Self::Null,
            text => Self::Json(text),
        }
    }

    /// Whether there is none.
    pub const fn is_null(self) -> bool {
        matches!(self, Self::Null)
    }

    /// Bytes that it takes, about.
    pub(crate) const fn len(self) -> usize {
        match self {
            Self::Null => 0,
            Self::Json(text) | Self::Text(text) => text.len(),
        }
    }

    /// Appends the ref as JSON.
    pub(crate) fn write_json(self, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
            Self::Text(text) => json::escape_into(out, text),
        }
    }

    /// The ref as binary frames have it: strings as they are, numbers and booleans as they are written, null is empty.
    ///
    /// # Errors
    /// `RefNotText` for arrays, objects, and strings that are not Unicode.
    pub(crate) fn plain(self) -> Result<Cow<'a, str>, EncodeError> {
        match self {
            Self::Null => Ok(Cow::Borrowed("")),
            Self::Text(text) => Ok(Cow::Borrowed(text)),
            Self::Json(text) => match text.as_bytes().first() {
                Some(b'"') => json::unescape(text).ok_or(EncodeError::RefNotText),
                Some(b'{' | b'[') => Err(EncodeError::RefNotText),
                _ => Ok(Cow::Borrowed(text)),
            },
        }
    }
}

impl PartialEq for Ref<'_> {
    fn eq(&self, other: &Self) -> bool {
        match (*self, *other) {
            (Self::Null, Self::Null) => true,
            (Self::Text(a), Self::Text(b)) => a == b,
            (Self::Json(a), Self::Json(b)) => a == b || same_value(a, b),
            (Self::Text(text), Self::Json(literal)) | (Self::Json(literal), Self::Text(text)) => {
                json::unescape(literal).is_some_and(|string| string == text)
            }
            _ => false,
        }
    }
}

impl Eq for Ref<'_> {}

impl fmt::Debug for Ref<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Json(text) => f.write_str(text),
            Self::Text(text) => fmt::Debug::fmt(text, f),
        }
    }
}

/// A [`Ref`] that lives on its own, in 24 bytes. Up to 22 bytes of JSON are kept inline; longer ones are allocated.
#[derive(Clone, Default)]
pub struct RefBuf(Repr);

#[derive(Clone, Default)]
enum Repr {
    #[default]
    Null,
    Inline {
        len: u8,
        bytes: [u8; INLINE],
    },
    Heap(Box<str>),
}

impl RefBuf {
    /// The ref, borrowed. One that came as plain text is JSON now; the two are equal.
    pub fn as_ref(&self) -> Ref<'_> {
        match &self.0 {
            Repr::Null => Ref::Null,
            Repr::Inline { len, bytes } => {
                let bytes = &bytes[..usize::from(*len)];
                Ref::Json(std::str::from_utf8(bytes).expect("copied whole from a str"))
            }
            Repr::Heap(text) => Ref::Json(text),
        }
    }

    /// Whether it equals the other; those that are spelled alike do.
    pub(crate) fn is(&self, other: Ref<'_>) -> bool {
        match (&self.0, other) {
            (Repr::Inline { len, bytes }, Ref::Json(text)) if bytes[..usize::from(*len)] == *text.as_bytes() => true,
            _ => self.as_ref() == other,
        }
    }

    fn from_json(text: &str) -> Self {
        let mut bytes = [0; INLINE];
        match bytes.get_mut(..text.len()) {
            Some(room) => {
                room.copy_from_slice(text.as_bytes());
                Self(Repr::Inline { len: text.len() as u8, bytes })
            }
            None => Self(Repr::Heap(text.into())),
        }
    }
}

impl From<Ref<'_>> for RefBuf {
    fn from(from: Ref<'_>) -> Self {
        match from {
            Ref::Null => Self(Repr::Null),
            Ref::Json(text) => Self::from_json(text),
            Ref::Text(_) => {
                let mut literal = Vec::new();
                from.write_json(&mut literal);
                Self::from_json(std::str::from_utf8(&literal).expect("escaping text gives text"))
            }
        }
    }
}

impl PartialEq for RefBuf {
    fn eq(&self, other: &Self) -> bool {
        self.as_ref() == other.as_ref()
    }
}

impl Eq for RefBuf {}

impl fmt::Debug for RefBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

const INLINE: usize = 22;

/// Whether two valid JSON texts that are spelled differently are the same scalar.
#[cold]
fn same_value(a: &str, b: &str) -> bool {
    match (a.as_bytes().first(), b.as_bytes().first()) {
        (Some(b'"'), Some(b'"')) => match (json::unescape(a), json::unescape(b)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
        (Some(b'-' | b'0'..=b'9'), Some(b'-' | b'0'..=b'9')) => same_number(a, b),
        _ => false,
    }
}

/// Integers and floats are never the same (`1`, `1.0`), nor are `0.0` and `-0.0`; `0` and `-0` are.
/// Source: Erlang's `=:=`, OTP 27.
fn same_number(a: &str, b: &str) -> bool {
    let is_float = |text: &str| text.contains(['.', 'e', 'E']);
    match (is_float(a), is_float(b)) {
        (false, false) => matches!((a, b), ("0", "-0") | ("-0", "0")),
        (true, true) => match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => a.is_finite() && a.to_bits() == b.to_bits(),
            _ => false,
        },
        _ => false,
    }
}
