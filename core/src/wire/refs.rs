//! Refs: what ties a reply to its push (`ref`) and everything to its join (`join_ref`).

use std::borrow::Cow;
use std::fmt;

use smol_str::SmolStr;

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

    /// The ref as JSON, where it is that already.
    pub(super) const fn as_json(self) -> Option<&'a str> {
        match self {
            Self::Null => Some("null"),
            Self::Json(text) => Some(text),
            Self::Text(_) => None,
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

/// A [`Ref`] that lives on its own, in 24 bytes. Up to 23 bytes of JSON are kept inline; longer ones are allocated.
#[derive(Clone, Default)]
pub struct RefBuf(Option<SmolStr>);

impl RefBuf {
    /// The ref, borrowed. One that came as plain text is JSON now; the two are equal.
    pub fn as_ref(&self) -> Ref<'_> {
        self.0.as_ref().map_or(Ref::Null, |json| Ref::Json(json))
    }

    /// Whether it equals the other; those that are spelled alike do.
    pub(crate) fn is(&self, other: Ref<'_>) -> bool {
        self.as_ref() == other
    }
}

impl From<Ref<'_>> for RefBuf {
    fn from(from: Ref<'_>) -> Self {
        Self(match from {
            Ref::Null => None,
            Ref::Json(text) => Some(text.into()),
            Ref::Text(_) => {
                let mut literal = Vec::new();
                from.write_json(&mut literal);
                Some(std::str::from_utf8(&literal).expect("escaping text gives text").into())
            }
        })
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
