//! ION from the writing end: any value, written, reads the same.

use arbitrary::{Arbitrary, Result, Unstructured};
use chanson_core::wire::ion::{self, Bounds, Date, ErrorKind, Map, Object, Raw, Set, Value};

/// A value.
pub fn ion_values(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(value) = value(&mut input, 0) else { return };
    let text = ion::to_string(&value).expect("any value can be written");
    match ion::from_str::<Value>(&text) {
        Ok(read) => assert_eq!(read, value, "{text}"),
        Err(error) => assert_eq!(error.kind(), ErrorKind::ForbiddenKey, "{text}: {error}"),
    }
    let raw = Raw::new(&text);
    assert!(raw.is_ok() || raw.is_err_and(|error| error.kind() == ErrorKind::ForbiddenKey));
    // A bound is kept to the byte.
    for max in [text.len().saturating_sub(1), text.len()] {
        let written = Bounds::default().len(max).to_string(&value);
        assert_eq!(written.is_ok(), max >= text.len(), "{written:?}");
    }
}

fn value(input: &mut Unstructured<'_>, depth: usize) -> Result<Value> {
    let kinds = if depth < 6 { 9 } else { 5 };
    Ok(match input.int_in_range(0..=kinds - 1)? {
        0 => Value::Null,
        1 => bool::arbitrary(input)?.into(),
        2 => number(input)?.into(),
        3 => String::arbitrary(input)?.into(),
        4 => Date::from_millis(i64::arbitrary(input)? % 8_640_000_000_000_001).map_or(Value::Null, Value::from),
        5 => many(input, depth)?.into(),
        6 => Set::from(distinct(many(input, depth)?)).into(),
        7 => {
            let keys = distinct(many(input, depth)?);
            let entries = keys.into_iter().map(|key| Ok((key, value(input, depth + 1)?)));
            entries.collect::<Result<Map<_, _>>>()?.into()
        }
        _ => {
            let len = input.int_in_range(0..=6)?;
            let entries = (0..len).map(|_| Ok((String::arbitrary(input)?, value(input, depth + 1)?)));
            entries.collect::<Result<Object>>()?.into()
        }
    })
}

fn number(input: &mut Unstructured<'_>) -> Result<f64> {
    Ok(match input.int_in_range(0..=2)? {
        0 => f64::from(i32::arbitrary(input)?),
        1 => i64::arbitrary(input)? as f64,
        _ => f64::arbitrary(input)?,
    })
}

fn many(input: &mut Unstructured<'_>, depth: usize) -> Result<Vec<Value>> {
    let len = input.int_in_range(0..=6)?;
    (0..len).map(|_| value(input, depth + 1)).collect()
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
