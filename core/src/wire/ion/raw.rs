//! ION text that is passed on without being taken apart.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::{Bounds, Error, from_str, to_string};

/// An ION text that is known to be valid, borrowed: one value, without white space around it.
///
/// It is kept byte for byte, so number spelling, key order, duplicate keys and even lone surrogates survive. Inside a
/// type that is read from ION it takes the value's text, inside one that is written it gives it back. Other formats can
/// neither read nor sensibly write it.
///
/// ```
/// use chanson_core::wire::ion::{self, Raw};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Envelope<'a> {
///     channel: &'a str,
///     #[serde(borrow)]
///     data: Raw<'a>,
/// }
///
/// let envelope: Envelope = ion::from_str(r#"{"channel":"chat","data":set{1.0,"\ud800"}}"#)?;
/// assert_eq!(envelope.data.as_str(), r#"set{1.0,"\ud800"}"#);
/// assert_eq!(ion::to_string(&envelope)?, r#"{ "channel": "chat", "data": set{1.0,"\ud800"} }"#);
/// # Ok::<(), ion::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Raw<'a>(&'a str);

impl<'a> Raw<'a> {
    /// The value `null`.
    pub const NULL: Raw<'static> = Raw("null");

    /// Takes a text after checking it, without the white space around it. O(length).
    ///
    /// # Errors
    /// The first thing wrong with the text, or that it is beyond the default [`Bounds`].
    pub fn new(text: &'a str) -> Result<Self, Error> {
        Bounds::default().check(text)
    }

    pub(super) const fn trusted(text: &'a str) -> Self {
        Self(text)
    }

    /// The text.
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// Reads the value into a type; borrows from the text where the type does.
    ///
    /// # Errors
    /// A value that is not of that shape, or that holds a lone surrogate.
    pub fn parse<T: Deserialize<'a>>(self) -> Result<T, Error> {
        from_str(self.0)
    }

    /// A copy that lives on its own.
    pub fn to_owned(self) -> RawBuf {
        RawBuf(self.0.into())
    }
}

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Serialize for Raw<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(RAW, self.0)
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Raw<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RawVisitor;

        impl<'de> Visitor<'de> for RawVisitor {
            type Value = Raw<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("ION text (in no other format)")
            }

            fn visit_borrowed_bytes<E: de::Error>(self, text: &'de [u8]) -> Result<Raw<'de>, E> {
                std::str::from_utf8(text).map(Raw).map_err(E::custom)
            }
        }

        deserializer.deserialize_newtype_struct(RAW, RawVisitor)
    }
}

/// A [`Raw`] that lives on its own.
///
/// ```
/// use chanson_core::wire::ion::RawBuf;
///
/// let raw = RawBuf::from_serialize(&["a", "b"])?;
/// assert_eq!(raw.as_raw().as_str(), r#"["a", "b"]"#);
/// # Ok::<(), chanson_core::wire::ion::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RawBuf(Box<str>);

impl RawBuf {
    /// Writes a value.
    ///
    /// # Errors
    /// As [`to_string`].
    pub fn from_serialize<T: Serialize + ?Sized>(value: &T) -> Result<Self, Error> {
        to_string(value).map(|text| Self(text.into()))
    }

    /// The text, borrowed.
    pub const fn as_raw(&self) -> Raw<'_> {
        Raw(&self.0)
    }

    /// The text.
    pub const fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads the value into a type; borrows from the text where the type does.
    ///
    /// # Errors
    /// As [`Raw::parse`].
    pub fn parse<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Error> {
        self.as_raw().parse()
    }
}

impl From<Raw<'_>> for RawBuf {
    fn from(raw: Raw<'_>) -> Self {
        raw.to_owned()
    }
}

impl fmt::Display for RawBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for RawBuf {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_raw().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for RawBuf {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Raw::deserialize(deserializer).map(Raw::to_owned)
    }
}

/// The name by which the ION format knows raw text.
pub(crate) const RAW: &str = "$chanson::ion::Raw";
