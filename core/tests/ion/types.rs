//! Rust's own types as ION.

use std::collections::{BTreeMap, HashMap};

use chanson_core::wire::ion::{self, Date, ErrorKind, Map, Raw, RawBuf, Set, Value};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

fn kind<T: DeserializeOwned + std::fmt::Debug>(text: &str) -> ErrorKind {
    ion::from_str::<T>(text).unwrap_err().kind()
}

#[track_caller]
fn round_trip<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: &T, text: &str) {
    assert_eq!(ion::to_string(value).unwrap(), text);
    assert_eq!(ion::from_str::<T>(text).unwrap(), *value);
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
enum Shape {
    Unit,
    New(Date),
    Pair(i32, Set<String>),
    Struct { a: Option<Map<Date, bool>> },
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Unit;

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Meters(f64);

#[test]
fn enums_and_structs() {
    round_trip(&Shape::Unit, r#""Unit""#);
    round_trip(&Shape::New(Date::EPOCH), r#"{ "New": date:1970-01-01T00:00:00.000Z }"#);
    round_trip(&Shape::Pair(1, Set::new()), r#"{ "Pair": [1, set {  }] }"#);
    round_trip(&Shape::Struct { a: None }, r#"{ "Struct": { "a": null } }"#);
    let shape = Shape::Struct { a: Some(Map::from([(Date::EPOCH, true)])) };
    round_trip(&shape, r#"{ "Struct": { "a": map { date:1970-01-01T00:00:00.000Z : true } } }"#);
    round_trip(&Unit, "null");
    round_trip(&Meters(f64::INFINITY), "Infinity");
    round_trip(&(true, 'é', "a\u{1f}\"".to_owned(), [0_u8; 2]), r#"[true, "é", "a\u001f\"", [0, 0]]"#);
}

#[test]
fn a_rust_map_is_an_object() {
    round_trip(&HashMap::from([("a".to_owned(), 1)]), r#"{ "a": 1 }"#);
    round_trip(&BTreeMap::from([(-1, ()), (2, ())]), r#"{ "-1": null, "2": null }"#);
    round_trip(&BTreeMap::from([(true, 1)]), r#"{ "true": 1 }"#);
    round_trip(&BTreeMap::<String, ()>::new(), "{}");
    for error in [
        ion::to_string(&BTreeMap::from([((1, 2), 3)])).unwrap_err(),
        ion::to_string(&BTreeMap::from([(Date::EPOCH, 3)])).unwrap_err(),
        ion::to_string(&BTreeMap::from([(None::<u8>, 3)])).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::KeyNotString);
    }
}

#[test]
fn each_kind_is_read_by_its_own_type_only() {
    assert_eq!(kind::<String>("date:2020"), ErrorKind::Mismatch);
    assert_eq!(kind::<Date>(r#""2020-01-01""#), ErrorKind::Mismatch);
    assert_eq!(kind::<Vec<u8>>("set{1}"), ErrorKind::Mismatch);
    assert_eq!(kind::<Set<u8>>("[1]"), ErrorKind::Mismatch);
    assert_eq!(kind::<HashMap<String, u8>>(r#"map{"a":1}"#), ErrorKind::Mismatch);
    assert_eq!(kind::<Map<String, u8>>(r#"{"a":1}"#), ErrorKind::Mismatch);
    assert_eq!(kind::<Map<String, u8>>("1"), ErrorKind::Mismatch);
    assert_eq!(kind::<bool>("null"), ErrorKind::Mismatch);
    assert_eq!(kind::<()>("0"), ErrorKind::Mismatch);
    assert_eq!(kind::<u8>("NaN"), ErrorKind::Mismatch);
    assert_eq!(kind::<(u8, u8)>("[1, 2, 3]"), ErrorKind::Unexpected);
    let error = ion::from_str::<BTreeMap<String, u8>>(r#"{ "a": 1, "b": "x" }"#).unwrap_err();
    assert_eq!(error.to_string(), "invalid type: string \"x\", expected u8 at position 15");
}

#[test]
fn integers_are_exact_or_an_error() {
    let max = 1_i64 << 53;
    round_trip(&max, "9007199254740992");
    round_trip(&-max, "-9007199254740992");
    for error in [
        ion::to_string(&(max + 1)).unwrap_err(),
        ion::to_string(&(-max - 1)).unwrap_err(),
        ion::to_string(&u64::MAX).unwrap_err(),
        ion::to_string(&i128::MIN).unwrap_err(),
        ion::to_string(&BTreeMap::from([(u64::MAX, 1)])).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::IntegerTooLarge);
    }
    assert_eq!(kind::<i64>("9007199254740993"), ErrorKind::Mismatch);
    assert_eq!(kind::<u8>("256"), ErrorKind::Mismatch);
    assert_eq!(kind::<i32>("1.5"), ErrorKind::Mismatch);
    assert_eq!(ion::from_str::<[i32; 4]>("[1.0, 1e3, -0, -2.50e1]"), Ok([1, 1000, 0, -25]));
    assert_eq!(ion::from_str::<f64>("9007199254740993"), Ok(9_007_199_254_740_992.0));
    assert!(ion::from_str::<f64>("-0").unwrap().is_sign_negative());
    assert_eq!(ion::to_string(&[0.1_f32, f32::MAX]).unwrap(), "[0.1, 3.4028235e+38]");
}

#[test]
fn strings_are_borrowed_where_nothing_is_escaped() {
    let text = r#"{ "a": "b" }"#;
    let map: BTreeMap<&str, &str> = ion::from_str(text).unwrap();
    assert_eq!(map["a"], "b");
    assert!(ion::from_str::<&str>(r#""\n""#).is_err());
    let error = ion::from_str::<String>(r#" "a\ud800" "#).unwrap_err();
    assert_eq!((error.kind(), error.position()), (ErrorKind::LoneSurrogate, Some(1)));
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    data: Raw<'a>,
    context: Option<RawBuf>,
}

#[test]
fn raw_text_passes_unchanged() {
    let text = r#"{ "context":  map{ date:2020 :1.50 }  , "data" : "\ud800\/" }"#;
    let envelope: Envelope<'_> = ion::from_str(text).unwrap();
    assert_eq!(envelope.data.as_str(), r#""\ud800\/""#);
    assert_eq!(envelope.context.as_ref().unwrap().as_str(), "map{ date:2020 :1.50 }");
    let written = ion::to_string(&envelope).unwrap();
    assert_eq!(written, r#"{ "data": "\ud800\/", "context": map{ date:2020 :1.50 } }"#);

    let key = Map::from([(Raw::new("date:2020").unwrap(), 1)]);
    assert_eq!(ion::to_string(&key).unwrap(), "map { date:2020 : 1 }");
    for wrong in ["", "1 2", "[1", "{\"constructor\":1}", "date:x", "\"\t\"", "1."] {
        assert!(Raw::new(wrong).is_err(), "{wrong}");
    }
    assert!(ion::from_str::<Raw<'_>>("[1,]").is_err());
    assert!(serde_json::from_str::<RawBuf>("1").is_err());
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Tagged {
    At { date: Date, list: Vec<i32>, x: f64 },
}

#[test]
fn what_serde_buffers_keeps_dates() {
    let text = r#"{ "type": "at", "date": date:1970-01-01T00:00:00.000Z, "list": [1], "x": NaN }"#;
    let Tagged::At { date, list, x } = ion::from_str(text).unwrap();
    assert_eq!((date, list), (Date::EPOCH, vec![1]));
    assert!(x.is_nan());
}

#[test]
fn other_formats_take_the_types() {
    let value: Value =
        ion::from_str(r#"{ "d": date:2020, "s": set { 1 }, "m": map { "a": null }, "n": NaN }"#).unwrap();
    let json = serde_json::to_string(&value).unwrap();
    assert_eq!(json, r#"{"d":"2020-01-01T00:00:00.000Z","s":[1.0],"m":{"a":null},"n":null}"#);
    assert!(serde_json::from_str::<Value>(&json).is_ok());
    assert_eq!(serde_json::from_str::<Date>(r#""2020-01-01""#).unwrap().as_millis(), 1_577_836_800_000);
    assert_eq!(serde_json::from_str::<Set<u8>>("[1]").unwrap(), Set::from([1]));
    assert_eq!(serde_json::from_str::<Map<u8, u8>>(r#"{"1":2}"#).unwrap(), Map::from([(1, 2)]));
}

#[test]
fn system_time_and_back() {
    use std::time::{Duration, SystemTime, UNIX_EPOCH};
    let before = UNIX_EPOCH - Duration::from_micros(1500);
    let date = Date::try_from(before).unwrap();
    assert_eq!(date.as_millis(), -2);
    assert_eq!(SystemTime::from(date), UNIX_EPOCH - Duration::from_millis(2));
    assert!(Date::from_millis(8_640_000_000_000_001).is_none());
}

#[test]
fn dates_have_the_forms_that_ecmascript_defines() {
    for (text, millis) in [
        ("2020-01T00:00Z", 1_577_836_800_000),
        ("2020-01-01T24:00Z", 1_577_923_200_000),
        ("2020-01-01T00:00:00.0009+23:59", 1_577_750_460_000),
        ("-271821-04-20", -8_640_000_000_000_000),
        ("0000-02-29", -62_162_121_600_000),
    ] {
        assert_eq!(text.parse::<Date>().map(Date::as_millis), Ok(millis), "{text}");
    }
    // Local times, days that no month has, and what an engine may read in its own way.
    for text in [
        "2020-01-01T00:00:00",
        "2021-02-29",
        "2020-02-30",
        "2020-1-1",
        "20200101",
        "2020-01-01T24:00:01Z",
        "2020-",
        "2020-01-01T00:00:00.Z",
        "2020-01-01T00:00+24:00",
        "-000000",
        "-271821-04-19T23:59:59.999Z",
        "2020-01-01Z",
        "",
    ] {
        assert!(text.parse::<Date>().is_err(), "{text}");
    }
}

#[test]
fn what_it_is_made_of_can_go_to_another_thread() {
    fn is_shared<T: Send + Sync + Clone + std::fmt::Debug>() {}
    is_shared::<(Value, RawBuf, Raw<'_>)>();
    is_shared::<(ion::Error, ion::Bounds)>();
}
