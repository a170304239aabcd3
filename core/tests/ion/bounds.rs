//! Nothing grows without a bound.

use chanson_core::wire::ion::{self, Bounds, ErrorKind, MAX_DEPTH, Raw, Value};
use serde::de::IgnoredAny;

const OPEN: [(&str, &str); 5] = [("[", "]"), ("{\"a\":", "}"), ("map{1:", "}"), ("map{", ":1}"), ("set{", "}")];

#[test]
fn depth() {
    for (open, close) in OPEN {
        let nested = |depth: usize| open.repeat(depth) + "1" + &close.repeat(depth);
        let deepest = nested(MAX_DEPTH);
        let value: Value = ion::from_str(&deepest).unwrap();
        assert!(Raw::new(&deepest).is_ok());
        assert!(ion::from_str::<IgnoredAny>(&deepest).is_ok());
        let written = ion::to_string(&value).unwrap();
        assert_eq!(ion::from_str::<Value>(&written), Ok(value.clone()));
        assert_eq!(ion::to_string(&[value]).unwrap_err().kind(), ErrorKind::TooDeep { max: MAX_DEPTH });

        for depth in [MAX_DEPTH + 1, 100_000] {
            let (too_deep, kind) = (nested(depth), ErrorKind::TooDeep { max: MAX_DEPTH });
            assert_eq!(ion::from_str::<Value>(&too_deep).unwrap_err().kind(), kind);
            assert_eq!(ion::from_str::<IgnoredAny>(&too_deep).unwrap_err().kind(), kind);
            assert_eq!(
                ion::from_str::<(Raw<'_>,)>(&format!("[{deepest}]")).unwrap_err().kind(),
                ErrorKind::TooDeep { max: MAX_DEPTH - 1 }
            );
            assert_eq!(Raw::new(&too_deep).unwrap_err().kind(), kind);
        }
    }
}

#[test]
fn length() {
    let bounds = Bounds::default().len(10);
    assert_eq!(bounds.to_string("12345678").unwrap().len(), 10);
    assert_eq!(bounds.to_string("123456789").unwrap_err().kind(), ErrorKind::TooLong { max: 10 });
    assert_eq!(bounds.from_str::<u8>("         1"), Ok(1));
    assert_eq!(bounds.from_str::<u8>("          1").unwrap_err().kind(), ErrorKind::TooLong { max: 10 });
    assert_eq!(bounds.check("          1").unwrap_err().position(), Some(10));
    let endless = vec![0; 1 << 20];
    assert!(bounds.to_string(&endless).is_err());
}

/// Many equal keys, or many different ones, take no more than n log n.
#[test]
fn large_maps_are_read_in_time() {
    let keys: Vec<_> = (0..200_000).map(|key| format!("{key}:0,\"{key}\":0")).collect();
    let Value::Map(map) = ion::from_str(&format!("map{{{}}}", keys.join(","))).unwrap() else { panic!() };
    assert_eq!(map.len(), 400_000);
}
