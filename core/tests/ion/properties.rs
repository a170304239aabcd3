//! What holds for any value and any text.

use std::collections::BTreeMap;

use chanson_core::wire::ion::{self, Date, Map, Object, Raw, Set, Value};
use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::IgnoredAny;

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![any::<f64>(), any::<i32>().prop_map(f64::from), Just(f64::NAN), Just(f64::INFINITY), Just(1e21)]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![".{0,8}", "[\"\\\\/\u{0}-\u{1f}a]{0,6}", "[0-9]{1,3}"]
}

/// The first of equal keys, where a reader would take two for one.
fn distinct(values: Vec<Value>) -> Vec<Value> {
    let primitive = |value: &Value| matches!(value, Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_));
    let mut out: Vec<Value> = Vec::new();
    for value in values {
        if !primitive(&value) || !out.contains(&value) {
            out.push(value);
        }
    }
    out
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        number().prop_map(Value::from),
        text().prop_map(Value::from),
        (-8_640_000_000_000_000_i64..=8_640_000_000_000_000)
            .prop_map(|millis| Date::from_millis(millis).map_or(Value::Null, Value::from)),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        let many = vec(inner.clone(), 0..6);
        prop_oneof![
            many.clone().prop_map(Value::from),
            vec((text(), inner.clone()), 0..6).prop_map(|entries| entries.into_iter().collect::<Object>().into()),
            many.clone().prop_map(|members| Set::from(distinct(members)).into()),
            (many, inner).prop_map(|(keys, value)| {
                distinct(keys).into_iter().map(|key| (key, value.clone())).collect::<Map<_, _>>().into()
            }),
        ]
    })
}

fn json() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i32>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        text().prop_map(Into::into),
    ];
    leaf.prop_recursive(4, 30, 6, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..6).prop_map(Into::into),
            vec((text(), inner), 0..6).prop_map(|entries| serde_json::Value::Object(entries.into_iter().collect())),
        ]
    })
}

/// Text that is nearly right.
fn nearly() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        Just(" "),
        Just("{"),
        Just("}"),
        Just("["),
        Just("]"),
        Just(","),
        Just(":"),
        Just("map"),
        Just("set{"),
        Just("null"),
        Just("date:2020"),
        Just("date:"),
        Just("\"a\""),
        Just("\""),
        Just("\\u"),
        Just("\\ud800"),
        Just("-"),
        Just("1"),
        Just("0"),
        Just("."),
        Just("e"),
        Just("NaN"),
        Just("-Infinity"),
        Just("é"),
        Just("\t"),
        Just("\"__proto__\""),
    ];
    vec(token, 0..12).prop_map(|tokens| tokens.concat())
}

/// Every reader says the same of a text: a typed one, one that skips, one that keeps it.
fn agree(text: &str) {
    let (value, raw) = (ion::from_str::<Value>(text), Raw::new(text));
    assert_eq!(raw.is_ok(), ion::from_str::<IgnoredAny>(text).is_ok(), "{text}");
    match value {
        Ok(value) => {
            assert!(raw.is_ok(), "{text}");
            let written = ion::to_string(&value).unwrap();
            assert_eq!(ion::from_str::<Value>(&written), Ok(value), "{text}");
        }
        Err(error) => assert!(raw.is_err() || error.kind() == ion::ErrorKind::LoneSurrogate, "{text}: {error}"),
    }
    if let Err(error) = raw {
        assert!(error.position().is_some_and(|at| at <= text.len()), "{text}: {error:?}");
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(value in value()) {
        let text = ion::to_string(&value).unwrap();
        prop_assert_eq!(ion::from_str::<Value>(&text).unwrap(), value);
        prop_assert_eq!(Raw::new(&text).unwrap().as_str(), text.as_str());
    }

    #[test]
    fn numbers_keep_their_bits(number in any::<f64>()) {
        let text = ion::to_string(&number).unwrap();
        let back: f64 = ion::from_str(&text).unwrap();
        prop_assert!(back.to_bits() == number.to_bits() || number == 0.0 || number.is_nan() && back.is_nan());
    }

    #[test]
    fn dates_are_read_as_written(millis in -8_640_000_000_000_000_i64..=8_640_000_000_000_000) {
        let date = Date::from_millis(millis).unwrap();
        prop_assert_eq!(date.to_string().parse::<Date>(), Ok(date));
    }

    /// JSON is read as `serde_json` reads it, and what is written of it is JSON.
    #[test]
    fn plain_json_is_ion(json in json()) {
        let text = json.to_string();
        prop_assert_eq!(ion::from_str::<serde_json::Value>(&text).unwrap(), json.clone());
        let written = ion::to_string(&json).unwrap();
        let doubles = |text: &str| ion::from_str::<Value>(text).unwrap();
        prop_assert_eq!(doubles(&written), doubles(&text));
        prop_assert!(serde_json::from_str::<IgnoredAny>(&written).is_ok());
    }

    #[test]
    fn any_text_is_read_or_refused(text in ".{0,40}") {
        agree(&text);
    }

    #[test]
    fn nearly_right_text_is_read_or_refused(text in nearly()) {
        agree(&text);
    }

    #[test]
    fn changed_text_is_read_or_refused(value in value(), at in any::<prop::sample::Index>(), with in nearly()) {
        let mut text: Vec<char> = ion::to_string(&value).unwrap().chars().collect();
        let at = at.index(text.len());
        text.splice(at..at + 1, with.chars());
        agree(&text.into_iter().collect::<String>());
    }

    #[test]
    fn rust_maps_come_back(map in prop::collection::btree_map(text(), any::<i32>(), 0..8)) {
        let text = ion::to_string(&map).unwrap();
        prop_assert_eq!(ion::from_str::<BTreeMap<String, i32>>(&text).unwrap(), map);
    }
}
