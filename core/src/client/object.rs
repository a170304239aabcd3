//! Looking into JSON objects and arrays without taking their values apart.

use std::borrow::Cow;

use crate::json::{self, Scanner};

/// The members of a JSON object, in order: names, and the texts of values. Of another value there are none, and none
/// behind a name that is no Unicode string.
pub(super) fn members(text: &str) -> impl Iterator<Item = (Cow<'_, str>, &str)> {
    let mut scanner = Scanner::new(text);
    let mut more = scanner.take(b'{');
    std::iter::from_fn(move || {
        if !std::mem::take(&mut more) {
            return None;
        }
        let name = scanner.string().ok()?;
        scanner.expect(b':').ok()?;
        let value = scanner.value().ok()?;
        more = scanner.take(b',');
        Some((json::unescape(name)?, value))
    })
}

/// The elements of a JSON array, in order; of another value there are none.
pub(super) fn elements(text: &str) -> impl Iterator<Item = &str> {
    let mut scanner = Scanner::new(text);
    let mut more = scanner.take(b'[');
    std::iter::from_fn(move || {
        if !std::mem::take(&mut more) {
            return None;
        }
        let value = scanner.value().ok()?;
        more = scanner.take(b',');
        Some(value)
    })
}

/// The value of a member; of several with one name the last, as JavaScript has it.
pub(super) fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    members(text).filter(|(found, _)| found == name).map(|(_, value)| value).last()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_and_elements() {
        let text = r#" { "a" : 1, "\u0062":[ {} , "x"], "a":{"a":2} } "#;
        let found: Vec<_> = members(text).map(|(name, value)| (name.into_owned(), value)).collect();
        let expected = [("a", "1"), ("b", r#"[ {} , "x"]"#), ("a", r#"{"a":2}"#)];
        assert_eq!(found, expected.map(|(name, value)| (name.to_owned(), value)));
        assert_eq!(member(text, "a"), Some(r#"{"a":2}"#));
        assert_eq!(elements(found[1].1).collect::<Vec<_>>(), ["{}", r#""x""#]);
        for text in ["{}", "[]", "1", "\"{\"", ""] {
            assert_eq!((members(text).count(), elements(text).count()), (0, 0));
        }
    }
}
