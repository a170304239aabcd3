//! What a message carries: JSON text that is passed through byte for byte, or bytes.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::error::{CommandError, InvalidJson};
use crate::json;

/// A JSON text that is known to be valid, borrowed.
///
/// It is kept as it came: number spelling, key order, duplicate keys and escapes survive. (`serde_json`'s `RawValue`
/// does the same but can only be had by scanning the text once more; the envelope's decoder has scanned it already.)
///
/// ```
/// use chanson_core::Json;
///
/// #[derive(serde::Deserialize)]
/// struct Move<'a> { to: &'a str }
///
/// let json = Json::new(r#"{"to":"e4"}"#)?;
/// assert_eq!(json.parse::<Move>().unwrap().to, "e4");
/// assert!(Json::new("{oops").is_err());
/// # Ok::<(), chanson_core::InvalidJson>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Json<'a>(&'a str);

impl<'a> Json<'a> {
    /// The empty object `{}`.
    pub const EMPTY: Json<'static> = Json("{}");
    /// The value `null`.
    pub const NULL: Json<'static> = Json("null");

    /// Takes a text after checking it. O(length).
    ///
    /// # Errors
    /// [`InvalidJson`] when `text` is not exactly one JSON value, or one nested deeper than 128.
    pub fn new(text: &'a str) -> Result<Self, InvalidJson> {
        json::validate(text).map(|()| Self(text))
    }

    /// A text that the caller has validated (or written) itself.
    pub(crate) const fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Reads the value into a type; borrows from the text where the type does.
    ///
    /// # Errors
    /// What `serde_json` says when the value is not of that shape.
    pub fn parse<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        serde_json::from_str(self.0)
    }
}

impl<'a> From<&'a RawValue> for Json<'a> {
    fn from(raw: &'a RawValue) -> Self {
        Self(raw.get())
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What a message carries, borrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload<'a> {
    /// Any JSON value.
    Json(Json<'a>),
    /// Bytes, which only connections with `vsn` 2 can carry.
    Binary(&'a [u8]),
}

impl<'a> Payload<'a> {
    /// The JSON text, if it is one.
    pub const fn json(self) -> Option<Json<'a>> {
        match self {
            Self::Json(json) => Some(json),
            Self::Binary(_) => None,
        }
    }

    /// The bytes, if it is binary.
    pub const fn binary(self) -> Option<&'a [u8]> {
        match self {
            Self::Json(_) => None,
            Self::Binary(bytes) => Some(bytes),
        }
    }

    /// Reads JSON into a type.
    ///
    /// # Errors
    /// What `serde_json` says when the value is not of that shape, or when the payload is binary.
    pub fn parse<T: Deserialize<'a>>(self) -> Result<T, serde_json::Error> {
        match self {
            Self::Json(json) => json.parse(),
            Self::Binary(_) => Err(serde::de::Error::custom("the payload is binary")),
        }
    }

    /// The text or the data.
    pub(crate) const fn bytes(self) -> &'a [u8] {
        match self {
            Self::Json(json) => json.as_str().as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Length of the text or of the data, in bytes.
    pub const fn len(self) -> usize {
        match self {
            Self::Json(json) => json.0.len(),
            Self::Binary(bytes) => bytes.len(),
        }
    }

    /// Whether there is not a single byte in it (never so for JSON).
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A copy that lives on its own.
    pub fn to_owned(self) -> PayloadBuf {
        match self {
            Self::Json(json) => PayloadBuf(Owned::Json(json.0.into())),
            Self::Binary(bytes) => PayloadBuf(Owned::Binary(bytes.into())),
        }
    }
}

/// A payload that lives on its own: what deferred answers and commands from other threads carry.
///
/// ```
/// use chanson_core::{PayloadBuf, ToPayload};
///
/// let payload = PayloadBuf::from_serialize(&["a", "b"])?;
/// assert_eq!(payload.json().unwrap().as_str(), r#"["a","b"]"#);
/// assert_eq!(payload.parse::<(&str, &str)>()?, ("a", "b"));
/// assert_eq!(PayloadBuf::from_binary(*b"\x01\x02").binary(), Some(&[1, 2][..]));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PayloadBuf(Owned);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Owned {
    Json(Box<str>),
    Binary(Box<[u8]>),
    Empty,
    Null,
}

impl PayloadBuf {
    /// The empty object `{}`; does not allocate.
    pub const EMPTY: Self = Self(Owned::Empty);

    /// The value `null`.
    pub(crate) const NULL: Self = Self(Owned::Null);

    /// A text that the caller has written itself.
    pub(crate) fn trusted(text: String) -> Self {
        Self(Owned::Json(text.into()))
    }

    /// Writes a value as JSON.
    ///
    /// # Errors
    /// What `serde_json` says when the value cannot be written (a map with keys that are no strings, say).
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, serde_json::Error> {
        serde_json::to_string(value).map(|text| Self(Owned::Json(text.into())))
    }

    /// Bytes.
    pub fn from_binary(bytes: impl Into<Box<[u8]>>) -> Self {
        Self(Owned::Binary(bytes.into()))
    }

    /// The payload, borrowed.
    pub fn as_payload(&self) -> Payload<'_> {
        match &self.0 {
            Owned::Json(text) => Payload::Json(Json::trusted(text)),
            Owned::Binary(bytes) => Payload::Binary(bytes),
            Owned::Empty => Payload::Json(Json::EMPTY),
            Owned::Null => Payload::Json(Json::NULL),
        }
    }

    /// As [`Payload::json`].
    pub fn json(&self) -> Option<Json<'_>> {
        self.as_payload().json()
    }

    /// As [`Payload::binary`].
    pub fn binary(&self) -> Option<&[u8]> {
        self.as_payload().binary()
    }

    /// Reads JSON into a type; borrows from the text where the type does.
    ///
    /// # Errors
    /// As [`Payload::parse`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        self.as_payload().parse()
    }
}

/// What can be sent: a payload as it came (`msg.payload`), JSON text, bytes ([`Binary`]), a `serde_json::Value` as
/// `json!` makes it, or any serializable value ([`AsJson`]).
pub trait ToPayload {
    /// The payload; `scratch` is room to write it into where it is not there yet.
    ///
    /// # Errors
    /// `InvalidJson` when the value cannot be written as JSON.
    fn to_payload<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError>;
}

impl ToPayload for Payload<'_> {
    fn to_payload<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        Ok(*self)
    }
}

impl ToPayload for Json<'_> {
    fn to_payload<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        Ok(Payload::Json(*self))
    }
}

impl ToPayload for PayloadBuf {
    fn to_payload<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        Ok(self.as_payload())
    }
}

impl ToPayload for RawValue {
    fn to_payload<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        Ok(Payload::Json(self.into()))
    }
}

impl ToPayload for serde_json::Value {
    fn to_payload<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        write_json(self, scratch)
    }
}

impl<T: ToPayload + ?Sized> ToPayload for &T {
    fn to_payload<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        (**self).to_payload(scratch)
    }
}

/// Bytes to send as they are (`vsn` 2 only).
#[derive(Clone, Copy, Debug)]
pub struct Binary<'a>(pub &'a [u8]);

impl ToPayload for Binary<'_> {
    fn to_payload<'a>(&'a self, _: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        Ok(Payload::Binary(self.0))
    }
}

/// Any serializable value, sent as JSON.
///
/// ```
/// use chanson_core::{AsJson, ToPayload};
///
/// let mut scratch = Vec::new();
/// let value = AsJson((1, "two"));
/// assert_eq!(value.to_payload(&mut scratch).unwrap().json().unwrap().as_str(), r#"[1,"two"]"#);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct AsJson<T>(pub T);

impl<T: Serialize> ToPayload for AsJson<T> {
    fn to_payload<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        write_json(&self.0, scratch)
    }
}

fn write_json<'a, T: Serialize + ?Sized>(value: &T, scratch: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
    scratch.clear();
    serde_json::to_writer(&mut *scratch, value).map_err(|_| CommandError::InvalidJson)?;
    let text = std::str::from_utf8(scratch).map_err(|_| CommandError::InvalidJson)?;
    Ok(Payload::Json(Json::trusted(text)))
}
