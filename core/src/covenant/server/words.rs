//! The original's words for what it cannot read, and its tokens.

use std::fmt::Write as _;

use crate::covenant::protocol::DecodeError;
use crate::random::Random;
use crate::wire::ion::{self, ErrorKind, Value};

/// 128 random bits, as hexadecimal digits. The original's is a UUID, of which six bits are fixed; any text is a token.
pub(super) fn token(random: &mut Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let mut text = String::with_capacity(32);
    for byte in bytes {
        // Writing to a String does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Why a body was not read: its first mistake, or `what`, a colon and the body as JSON.
pub(super) fn unreadable(what: &str, error: &DecodeError, body: &str) -> String {
    match error {
        DecodeError::Ion(error) => mistake(error, body),
        DecodeError::Schema(_) => format!("{what}: {}", as_json(body)),
    }
}

/// What is wrong with a text that is no ION.
fn mistake(error: &ion::Error, text: &str) -> String {
    let at = error.position().filter(|_| matches!(error.kind(), ErrorKind::Unexpected | ErrorKind::Trailing));
    let found =
        at.and_then(|at| text.split_at_checked(at)).and_then(|(before, rest)| Some((before, rest.chars().next()?)));
    match found {
        // JavaScript counts in units of UTF-16.
        Some((before, found)) => {
            format!("Unexpected character '{found}' at position {}", before.encode_utf16().count())
        }
        None => error.to_string(),
    }
}

/// What JavaScript's `JSON.stringify` makes of a value.
fn as_json(text: &str) -> String {
    let mut json = String::with_capacity(text.len());
    match ion::from_str(text) {
        Ok(value) => write_json(&mut json, &value),
        // One with half a surrogate pair is no value here; it stands for itself.
        Err(_) => json.push_str(text),
    }
    json
}

fn write_json(out: &mut String, value: &Value) {
    match value {
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        // ION writes numbers as JavaScript does.
        Value::Number(number) if number.is_finite() => out.push_str(&ion::to_string(number).unwrap_or_default()),
        Value::Null | Value::Number(_) => out.push_str("null"),
        Value::String(text) => write_string(out, text),
        Value::Date(date) => write_string(out, &date.to_string()),
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_json(out, item);
            }
            out.push(']');
        }
        Value::Object(object) => {
            out.push('{');
            for (at, (name, value)) in object.iter().enumerate() {
                out.push_str(if at > 0 { "," } else { "" });
                write_string(out, name);
                out.push(':');
                write_json(out, value);
            }
            out.push('}');
        }
        Value::Map(_) | Value::Set(_) => out.push_str("{}"),
    }
}

fn write_string(out: &mut String, text: &str) {
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_have_128_random_bits() {
        let mut random = Random::new([1; 32]);
        let tokens: Vec<u128> = (0..100)
            .map(|_| token(&mut random))
            .inspect(|token| assert!(token.len() == 32 && !token.contains(|c: char| !c.is_ascii_hexdigit()), "{token}"))
            .map(|token| u128::from_str_radix(&token, 16).unwrap())
            .collect();
        // Every bit is now this, now that.
        assert_eq!(tokens.iter().fold(0, |all, token| all | token), u128::MAX);
        assert_eq!(tokens.iter().fold(u128::MAX, |all, token| all & token), 0);
    }

    #[test]
    fn mistakes_are_told_in_the_originals_words() {
        let words = |text: &str| mistake(&ion::from_str::<Value>(text).unwrap_err(), text);
        assert_eq!(words("{nope"), "Unexpected character 'n' at position 1");
        assert_eq!(words("[\"😀\", nope"), "Unexpected character 'n' at position 7");
        assert_eq!(words("{} x"), "Unexpected character 'x' at position 3");
        assert_eq!(words("["), "unexpected end at position 1");
        assert_eq!(
            as_json(r#"{ "channel": 5, "b": [NaN, 1.5, date:1970-01-01, set { 1 }] }"#),
            r#"{"channel":5,"b":[null,1.5,"1970-01-01T00:00:00.000Z",{}]}"#
        );
        assert_eq!(as_json(r#"["\ud800"]"#), r#"["\ud800"]"#);
    }
}
