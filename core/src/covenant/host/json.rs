//! ION as JSON.

use serde::ser::{Serialize, SerializeMap as _, Serializer};

use crate::payload::{Json, PayloadBuf};
use crate::wire::ion::{Raw, Value};

/// The value as JSON. Most is JSON already, and stays as it is; `None` for text that no Rust string can hold.
pub(super) fn from_ion(raw: Raw<'_>) -> Option<PayloadBuf> {
    if Json::new(raw.as_str()).is_ok() {
        return Some(PayloadBuf::trusted(raw.as_str().to_owned()));
    }
    let value: Value = raw.parse().ok()?;
    PayloadBuf::from_serialize(&Plain(&value)).ok()
}

/// A value as JavaScript's `JSON.stringify` writes it, but for sets and maps, of which that leaves nothing.
struct Plain<'a>(&'a Value);

impl Serialize for Plain<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Value::Number(number) if !number.is_finite() => serializer.serialize_unit(),
            Value::Number(number) if number.fract() == 0.0 && number.abs() < EXACT => {
                serializer.serialize_i64(*number as i64)
            }
            Value::Array(items) => serializer.collect_seq(items.iter().map(Plain)),
            Value::Set(set) => serializer.collect_seq(set.iter().map(Plain)),
            Value::Object(object) => serializer.collect_map(object.iter().map(|(key, value)| (key, Plain(value)))),
            Value::Map(map) if map.iter().all(|(key, _)| matches!(key, Value::String(_))) => {
                let mut object = serializer.serialize_map(None)?;
                for (key, value) in map.iter() {
                    object.serialize_entry(key, &Plain(value))?;
                }
                object.end()
            }
            Value::Map(map) => serializer.collect_seq(map.iter().map(|(key, value)| (Plain(key), Plain(value)))),
            Value::Date(date) => serializer.collect_str(date),
            value => value.serialize(serializer),
        }
    }
}

/// Beyond it not every whole number is a number of JavaScript's.
const EXACT: f64 = 9_007_199_254_740_992.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_json_has_not_becomes_what_it_has() {
        for (ion, json) in [
            (r#"{ "a": 1 }"#, r#"{ "a": 1 }"#),
            (
                r#"{ "at": date:1970-01-01, "n": [1, 1.5, 1e300] }"#,
                r#"{"at":"1970-01-01T00:00:00.000Z","n":[1,1.5,1e+300]}"#,
            ),
            ("[NaN, Infinity, -Infinity]", "[null,null,null]"),
            (r#"set { "a", set {} }"#, r#"["a",[]]"#),
            (r#"map { "a": NaN, "b": { "c": true } }"#, r#"{"a":null,"b":{"c":true}}"#),
            (r#"map { 1: "x" }"#, r#"[[1,"x"]]"#),
        ] {
            let payload = from_ion(Raw::new(ion).unwrap()).unwrap();
            assert_eq!(payload.as_payload().json().unwrap().as_str(), json, "{ion}");
        }
        assert!(from_ion(Raw::new(r#"set { "\ud800" }"#).unwrap()).is_none());
    }
}
