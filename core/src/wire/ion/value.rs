//! Any ION value.

use std::fmt;

use serde::de::{self, Deserialize, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::ser::{Serialize, Serializer};

use super::collections::{Map, Set};
use super::date::Date;
use super::object::{Object, ObjectVisitor};

/// Any ION value.
///
/// Two are equal when they read the same in JavaScript: `NaN` equals itself, `0` equals `-0`, and an object's properties
/// may stand in any order.
///
/// ```
/// use chanson_core::wire::ion::{self, Date, Value};
///
/// let value: Value = ion::from_str(r#"{ "at": date:1970-01-01, "n": [1, NaN] }"#)?;
/// assert_eq!(value.get("at"), Some(&Value::Date(Date::EPOCH)));
/// assert_eq!(value.get("n"), Some(&Value::from(vec![1.0.into(), f64::NAN.into()])));
/// # Ok::<(), ion::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub enum Value {
    /// `null`
    #[default]
    Null,
    /// `true` or `false`
    Bool(bool),
    /// A number, `NaN` and `±Infinity` among them.
    Number(f64),
    /// A string.
    String(String),
    /// `[1, 2]`
    Array(Vec<Value>),
    /// `{ "a": 1 }`
    Object(Object),
    /// `date:1970-01-01T00:00:00.000Z`
    Date(Date),
    /// `map { 1: 2 }`
    Map(Map<Value, Value>),
    /// `set { 1, 2 }`
    Set(Set<Value>),
}

impl Value {
    /// The property of an object; `None` when it has none of that name, or is no object. O(properties).
    pub fn get(&self, key: &str) -> Option<&Self> {
        match self {
            Self::Object(object) => object.get(key),
            _ => None,
        }
    }

    /// The text of a string.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            _ => None,
        }
    }

    /// The number that it is.
    pub const fn as_f64(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Number(a), Self::Number(b)) => a == b || a.is_nan() && b.is_nan(),
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Array(a), Self::Array(b)) => a == b,
            (Self::Object(a), Self::Object(b)) => a == b,
            (Self::Date(a), Self::Date(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Set(a), Self::Set(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

macro_rules! from {
    ($($from:ty => $variant:ident)*) => {
        $(impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        })*
    };
}

from! {
    bool => Bool
    i32 => Number
    u32 => Number
    f64 => Number
    &str => String
    String => String
    Vec<Value> => Array
    Object => Object
    Date => Date
    Map<Value, Value> => Map
    Set<Value> => Set
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => serializer.serialize_f64(*number),
            Self::String(text) => serializer.serialize_str(text),
            Self::Array(items) => items.serialize(serializer),
            Self::Object(object) => object.serialize(serializer),
            Self::Date(date) => date.serialize(serializer),
            Self::Map(map) => map.serialize(serializer),
            Self::Set(set) => set.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_newtype_struct(VALUE, ValueVisitor)
    }
}

struct ValueVisitor;

impl<'de> Visitor<'de> for ValueVisitor {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        Value::deserialize(deserializer)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are doubles here")]
    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "numbers are doubles here")]
    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Value, E> {
        Ok(Value::Number(number as f64))
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<Value, E> {
        Ok(Value::Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::String(text.to_owned()))
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Value, E> {
        Ok(Value::String(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Value::Array(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Value, A::Error> {
        ObjectVisitor.visit_map(map).map(Value::Object)
    }

    /// From ION: what no other format has.
    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<Value, A::Error> {
        match data.variant()? {
            (AS_DATE, data) => data.newtype_variant().map(Value::Date),
            (AS_MAP, data) => data.newtype_variant().map(Value::Map),
            (AS_SET, data) => data.newtype_variant().map(Value::Set),
            (other, _) => Err(de::Error::invalid_value(de::Unexpected::Unsigned(other.into()), &self)),
        }
    }

    /// From another format.
    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

/// The name by which the ION format knows a value that may be of any kind.
pub(crate) const VALUE: &str = "$chanson::ion::Value";
/// The variants of `visit_enum`.
pub(super) const AS_DATE: u32 = 0;
pub(super) const AS_MAP: u32 = 1;
pub(super) const AS_SET: u32 = 2;
