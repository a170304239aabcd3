//! Reading what came into the types of the contract, and saying which field does not fit.

use std::fmt;

use serde::de::{self, DeserializeOwned, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

use super::fault::Fault;
use crate::wire::ion::{self, Raw};

/// What a client sent does not fit the type that the contract has for it.
///
/// Shown as the original does: the path of the field, its parts joined by commas (empty for the value as a whole), a colon,
/// and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidationError {
    path: Box<str>,
    message: Box<str>,
}

impl ValidationError {
    pub(crate) fn new(path: impl Into<Box<str>>, message: impl fmt::Display) -> Self {
        Self { path: path.into(), message: message.to_string().into() }
    }

    /// The field: names, and places in lists, joined by commas. Empty for the value as a whole.
    pub const fn path(&self) -> &str {
        &self.path
    }

    /// What is wrong with it.
    pub const fn message(&self) -> &str {
        &self.message
    }

    /// Whose fault that is: always the client's.
    pub const fn fault(&self) -> Fault {
        Fault::Client
    }
}

impl fmt::Display for ValidationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl std::error::Error for ValidationError {}

/// Reads a value; `None` is one that was left out, as JavaScript leaves out what is `undefined`.
pub(crate) fn validate<T: DeserializeOwned>(data: Option<Raw<'_>>) -> Result<T, ValidationError> {
    let Some(raw) = data else { return serde_path_to_error::deserialize(Missing).map_err(explain) };
    raw.parse().map_err(|error| locate::<T>(raw).unwrap_or_else(|| explain_text("", &error.to_string())))
}

/// Reads once more what could not be read, for where that is. Following the way takes much stack for each level, so that what
/// lies deeper than anybody will look for a mistake stays without a place.
fn locate<T: DeserializeOwned>(raw: Raw<'_>) -> Option<ValidationError> {
    let mut deserializer = ion::Deserializer::new(raw.as_str(), ion::Bounds::default().depth(LOCATED));
    let error = serde_path_to_error::deserialize::<_, T>(&mut deserializer).err()?;
    let too_deep = matches!(error.inner().kind(), ion::ErrorKind::TooDeep { .. });
    (!too_deep).then(|| explain(error))
}

/// How deep mistakes are located.
const LOCATED: usize = 32;

/// The path that was reached, and what is wrong there.
pub(super) fn explain<E: fmt::Display>(error: serde_path_to_error::Error<E>) -> ValidationError {
    let path: Vec<String> = error.path().iter().filter_map(part).collect();
    explain_text(&path.join(","), &error.into_inner().to_string())
}

/// The error without its place in the text, which says nothing to whoever sent a value, and with the name of a missing field
/// where it belongs: serde says so of the struct that lacks it.
fn explain_text(path: &str, text: &str) -> ValidationError {
    let text = match text.rsplit_once(" at position ") {
        Some((text, at)) if at.bytes().all(|byte| byte.is_ascii_digit()) => text,
        _ => text,
    };
    match text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        Some(field) => {
            let comma = if path.is_empty() { "" } else { "," };
            ValidationError::new(format!("{path}{comma}{field}"), "missing field")
        }
        None => ValidationError::new(path, text),
    }
}

fn part(segment: &serde_path_to_error::Segment) -> Option<String> {
    use serde_path_to_error::Segment;
    match segment {
        Segment::Seq { index } => Some(index.to_string()),
        Segment::Map { key } => Some(key.clone()),
        Segment::Enum { variant } => Some(variant.clone()),
        Segment::Unknown => None,
    }
}

/// Reads what was left out: an `Option` is `None`, an `ion::Value` is null, all else needs a value.
struct Missing;

impl<'de> Deserializer<'de> for Missing {
    type Error = de::value::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        Err(de::Error::invalid_type(de::Unexpected::Other("nothing"), &visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Self::Error> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Self::Error> {
        match name {
            ion::VALUE => visitor.visit_none(),
            ion::RAW => visitor.visit_borrowed_bytes(b"null"),
            _ => visitor.visit_newtype_struct(self),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
