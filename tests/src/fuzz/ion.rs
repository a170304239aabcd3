//! ION: every reader says the same of a text, and what is read and written is the same.

use chanson_core::wire::ion::{self, Bounds, Date, ErrorKind, Map, Raw, RawBuf, Set, Value};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

/// A text.
pub fn ion(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (value, raw) = (ion::from_str::<Value>(text), Raw::new(text));
    assert_eq!(raw.is_ok(), ion::from_str::<IgnoredAny>(text).is_ok());
    match &value {
        Ok(value) => {
            let raw = raw.as_ref().expect("what can be read is well-formed");
            let written = ion::to_string(value).expect("what was read can be written");
            assert_eq!(ion::from_str::<Value>(&written).as_ref(), Ok(value));
            assert_eq!(raw.parse::<Value>().as_ref(), Ok(value));
            assert_eq!(ion::from_str::<RawBuf>(text).map(|kept| kept.parse::<Value>()), Ok(Ok(value.clone())));
        }
        Err(error) => assert!(raw.is_err() || error.kind() == ErrorKind::LoneSurrogate, "{error}"),
    }
    if let Err(error) = raw {
        assert!(error.position().is_some_and(|at| at <= text.len()), "{error:?}");
    }
    // JSON is ION, but for names that JavaScript's reader refuses.
    let is_json = serde_json::from_str::<serde_json::Value>(text).is_ok();
    let refused = ["__proto__", "constructor", "prototype", "\\u"].iter().any(|name| text.contains(name));
    assert!(!is_json || value.is_ok() || refused, "{value:?}");

    bounded(text, value.is_ok());
    if let Ok(typed) = ion::from_str::<Typed<'_>>(text) {
        let written = ion::to_string(&typed).expect("what was read can be written");
        let again = ion::from_str::<Typed<'_>>(&written).expect("what was written can be read");
        assert_eq!(ion::to_string(&again).as_ref(), Ok(&written));
    }
}

/// What is within small bounds is what is within large ones.
fn bounded(text: &str, is_value: bool) {
    let bounds = Bounds::default().len(64).depth(3);
    let (value, raw) = (bounds.from_str::<Value>(text), bounds.check(text));
    assert!(value.is_err() || is_value);
    match raw {
        Ok(raw) => assert!(text.len() <= 64 && Raw::new(raw.as_str()).is_ok()),
        Err(error) => match error.kind() {
            ErrorKind::TooLong { max } => assert!(max == 64 && text.len() > 64),
            ErrorKind::TooDeep { max } => assert_eq!(max, 3),
            _ => assert!(Raw::new(text).is_err(), "{error}"),
        },
    }
    if let Ok(value) = value {
        match bounds.to_string(&value) {
            Ok(written) => assert!(written.len() <= 64),
            Err(error) => assert_eq!(error.kind(), ErrorKind::TooLong { max: 64 }),
        }
    }
}

/// Something of everything that serde knows.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default)]
struct Typed<'a> {
    #[serde(borrow)]
    name: std::borrow::Cow<'a, str>,
    at: Option<Date>,
    scores: Map<i32, f64>,
    tags: Set<String>,
    pair: (u64, bool),
    kind: Kind,
    #[serde(borrow)]
    raw: Option<Raw<'a>>,
    list: Vec<i8>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
enum Kind {
    #[default]
    Unit,
    One(f32),
    Two(i64, char),
    Named {
        a: Option<Box<Kind>>,
    },
}

impl Default for Typed<'_> {
    fn default() -> Self {
        Self {
            name: "".into(),
            at: None,
            scores: Map::default(),
            tags: Set::default(),
            pair: (0, false),
            kind: Kind::Unit,
            raw: None,
            list: Vec::new(),
        }
    }
}
