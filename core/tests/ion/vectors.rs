//! Every answer of the published package that we recorded: what it writes, and what it reads.
//!
//! Where we answer otherwise on purpose, each of the reasons counts how many vectors it covers, so that none grows
//! unseen.

use std::collections::HashMap;

use chanson_core::wire::ion::{self, Date, ErrorKind, Map, Object, Raw, Set, Value};
use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Value as Json, json};

const VECTORS: &str = include_str!("../../../tests/data/ion/vectors.json");

/// Read by the package because its scanner is loose; a strict reader refuses them.
const LOOSE: &[&str] = &[
    "1.",
    "1e",
    "1e+",
    "[-]",
    "{\"a\":1,\"b\":-}",
    "\"\t\"",
    "\"\n\"",
    "\"\\uZZZZ\"",
    "\"\\u 41x\"",
    "\"\\u+041\"",
    "\"\\u-041\"",
    "\"\\u0x41\"",
];

fn vectors(section: &str) -> Vec<Json> {
    let all: HashMap<&str, &RawValue> = serde_json::from_str(VECTORS).unwrap();
    let all: Vec<&RawValue> = serde_json::from_str(all[section].get()).unwrap();
    all.iter().map(|vector| serde_json::from_str(vector.get()).unwrap_or_else(|_| deep(vector.get()))).collect()
}

/// One whose tree is too deep for serde_json: without it.
fn deep(vector: &str) -> Json {
    #[derive(Deserialize)]
    struct Deep {
        ion: String,
        stringified: String,
    }
    let Deep { ion, stringified } = serde_json::from_str(vector).unwrap();
    json!({ "ion": ion, "stringified": stringified, "deep": true })
}

fn has_surrogate(vector: &Json) -> bool {
    vector.to_string().contains("utf16")
}

/// The value that a tree of the vectors stands for.
fn value(tree: &Json) -> Value {
    let items = |key: &str| tree[key].as_array().unwrap().iter();
    match (tree, tree["t"].as_str()) {
        (Json::Null, _) => Value::Null,
        (Json::Bool(value), _) => (*value).into(),
        (Json::String(text), _) => text.as_str().into(),
        (_, Some("number")) => {
            let bits = u64::from_str_radix(tree["bits"].as_str().unwrap(), 16).unwrap();
            f64::from_bits(bits).into()
        }
        (_, Some("date")) => Date::from_millis(tree["ms"].as_i64().unwrap()).unwrap().into(),
        (_, Some("array")) => items("items").map(value).collect::<Vec<_>>().into(),
        (_, Some("set")) => items("items").map(value).collect::<Set<_>>().into(),
        (_, Some("map")) => items("entries").map(|e| (value(&e[0]), value(&e[1]))).collect::<Map<_, _>>().into(),
        (_, Some("object")) => {
            let entries = items("entries").map(|e| (e[0].as_str().unwrap().to_owned(), value(&e[1])));
            entries.collect::<Object>().into()
        }
        _ => panic!("no such tree: {tree}"),
    }
}

/// Equality that also tells `0` from `-0`.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan(),
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        _ => a == b,
    }
}

#[test]
fn texts_are_read_as_the_package_reads_them() {
    let (mut agreed, mut loose, mut engine, mut surrogates) = (0, 0, 0, 0);
    for vector in vectors("parse") {
        let Some(text) = vector["ion"].as_str() else {
            assert!(has_surrogate(&vector), "{vector}");
            surrogates += 1;
            continue;
        };
        let read = ion::from_str::<Value>(text);
        if vector["engine_dependent"] == true {
            engine += 1;
        } else if has_surrogate(&vector) {
            assert_eq!(read.unwrap_err().kind(), ErrorKind::LoneSurrogate, "{text}");
            assert_eq!(Raw::new(text).unwrap().as_str(), text);
            surrogates += 1;
        } else if LOOSE.contains(&text) {
            assert!(vector["rejected"].is_null() && read.is_err(), "{text}");
            loose += 1;
        } else if vector["rejected"] == true {
            assert!(read.is_err(), "{text} was read");
            assert!(Raw::new(text).is_err(), "{text} was let through");
            agreed += 1;
        } else {
            let read = read.unwrap_or_else(|error| panic!("{text}: {error}"));
            if vector["deep"].is_null() {
                let expected = value(&vector["value"]);
                assert!(same(&read, &expected), "{text}: {read:?} and not {expected:?}");
            }
            assert_eq!(Raw::new(text).unwrap().as_str(), text.trim_matches([' ', '\t', '\n', '\r']));
            let written = ion::to_string(&read).unwrap().replace("Z : ", "Z: ");
            assert_eq!(written, vector["stringified"].as_str().unwrap(), "{text}");
            agreed += 1;
        }
    }
    assert_eq!((agreed, loose, engine, surrogates), (171, LOOSE.len(), 1, 1));
}

#[test]
fn values_are_written_as_the_package_writes_them() {
    let (mut agreed, mut surrogates, mut refused) = (0, 0, 0);
    for vector in vectors("stringify") {
        let Some(text) = vector["ion"].as_str().filter(|_| !has_surrogate(&vector)) else {
            // What JavaScript alone has: undefined, functions, symbols, invalid dates.
            assert!(has_surrogate(&vector) || vector["error"].is_string(), "{vector}");
            surrogates += usize::from(has_surrogate(&vector));
            refused += usize::from(!has_surrogate(&vector));
            continue;
        };
        agreed += 1;
        if vector["parse_back_error"].is_string() {
            assert!(ion::from_str::<Value>(text).is_err(), "{text} was read");
            continue;
        }
        let expected = value(&vector["value"]);
        assert!(same(&ion::from_str(text).unwrap(), &expected), "{text}");
        // Undefined properties leave two spaces where nothing is left.
        let written = ion::to_string(&expected).unwrap().replace("Z : ", "Z: ");
        assert_eq!(written, text.replace(": {  }", ": {}"), "{vector}");
    }
    assert_eq!((agreed, surrogates, refused), (77, 3, 11));
}

/// What the package writes and cannot read back.
#[test]
fn a_date_as_a_key_and_forbidden_names() {
    let map = Value::from(Map::from([(Date::EPOCH.into(), 1.into())]));
    let text = ion::to_string(&map).unwrap();
    assert_eq!(text, "map { date:1970-01-01T00:00:00.000Z : 1 }");
    assert_eq!(ion::from_str::<Value>(&text).unwrap(), map);

    for name in ["__proto__", "constructor", "prototype"] {
        let text = ion::to_string(&Object::from([(name, 1.into())])).unwrap();
        assert_eq!(text, format!("{{ \"{name}\": 1 }}"));
        assert_eq!(ion::from_str::<Value>(&text).unwrap_err().kind(), ErrorKind::ForbiddenKey);
    }
    let escaped = r#"[{ "a": { "\u005f_proto__": 1 } }]"#;
    assert_eq!(ion::from_str::<Value>(escaped).unwrap_err().kind(), ErrorKind::ForbiddenKey);
    assert_eq!(ion::from_str::<serde::de::IgnoredAny>(escaped).unwrap_err().kind(), ErrorKind::ForbiddenKey);
    assert!(ion::from_str::<Value>(r#"map { "__proto__": 1 }"#).is_ok());
}
