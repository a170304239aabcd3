//! The scanner against `serde_json`, over much that is JSON and much that is almost.

use proptest::prelude::*;
use serde::de::IgnoredAny;

use super::plain::{STEP, padded};
use super::*;

fn serde_accepts(text: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[test]
fn the_grammar_is_all_that_counts() {
    for valid in [r#""\ud800""#, r#""\uDC00\uD800""#, "1e400", "-0", "-0.0e-0", "\"\u{7f}\u{2028}\"", " \t\n\r{} "] {
        assert!(validate(valid).is_ok(), "{valid}");
    }
    for invalid in [
        "",
        " ",
        "\u{feff}{}",
        "[1,]",
        "{\"a\":1,}",
        "NaN",
        "Infinity",
        "01",
        "-",
        "1.",
        ".5",
        "+1",
        "1e",
        "nul",
        "truE",
        "\"\u{1f}\"",
        "\"\n\"",
        "\"",
        "\"\\",
        "\"\\x\"",
        "\"\\u12\"",
        "\"\\u12G4\"",
        "{} {}",
        "[1 2]",
        "{1:2}",
        "[}",
        "{]",
        "{\"a\"}",
        "\u{a0}1",
        "[\0]",
        "1\0",
        "'a'",
        "/**/1",
        "[,1]",
        "{,}",
        "[1],",
        "\u{b}1",
    ] {
        assert!(validate(invalid).is_err(), "{invalid}");
    }
}

#[test]
fn depth_is_bounded_at_128() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}"), ("[{\"a\":", "}]")] {
        let levels = |n: usize| format!("{}1{}", open.repeat(n), close.repeat(n));
        let per_level = open.len().min(2) - usize::from(open.starts_with('{'));
        let n = MAX_DEPTH as usize / per_level;
        assert_eq!(validate(&levels(n)), Ok(()));
        assert_eq!(validate(&levels(n + 1)), Err(InvalidJson));
        assert_eq!(validate(&levels(100_000)), Err(InvalidJson));
    }
    // Depth counts what is open, not what there was.
    assert_eq!(validate(&format!("[{}[]]", "[[]],".repeat(1000))), Ok(()));
}

#[test]
fn every_short_text_is_judged_as_serde_json_judges_it() {
    const ALPHABET: &[u8] = br#"[]{}",:01-.e\u"#;
    for len in 0..=5_u32 {
        for number in 0..ALPHABET.len().pow(len) {
            let pick = |place| char::from(ALPHABET[number / ALPHABET.len().pow(place) % ALPHABET.len()]);
            let text: String = (0..len).map(pick).collect();
            assert_eq!(validate(&text).is_ok(), serde_accepts(&text), "{text}");
        }
    }
}

#[test]
fn special_bytes_are_found_wherever_they_are() {
    let is_special = |byte: u8| byte < 0x20 || matches!(byte, b'"' | b'\\');
    for byte in 0..=255 {
        for other in [b'x', 0x80, 0xff, 0x20, byte] {
            for len in 0..=20 {
                for at in 0..len {
                    let mut bytes = vec![other; len];
                    bytes[at] = byte;
                    for from in 0..=len {
                        let naive = (from..len).find(|at| is_special(bytes[*at])).unwrap_or(len);
                        assert_eq!(from + plain_len(&bytes[from..]), naive, "{bytes:?} from {from}");
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_to_be_escaped_is_seen_wherever_it_is() {
    for len in 0..40 {
        let plain = "z".repeat(len);
        assert!(is_plain(plain.as_bytes()));
        for at in 0..len {
            for special in ["\0", "\u{1f}", "\"", "\\"] {
                let text = format!("{}{special}{}", &plain[..at], &plain[at + 1..]);
                assert!(!is_plain(text.as_bytes()), "{special:?} at {at} of {len}");
            }
            for other in [" ", "!", "#", "[", "]", "\u{7f}"] {
                let text = format!("{}{other}{}", &plain[..at], &plain[at + 1..]);
                assert!(is_plain(text.as_bytes()), "{other:?} at {at} of {len}");
            }
        }
    }
}

#[test]
fn special_bytes_are_found_in_long_texts() {
    for len in [15, 16, 17, 23, 24, 25, 32, 39, 40, 41, 87, 88, 89, 152, 153, 200] {
        for at in 0..=len {
            for special in [0, 0x1f, b'"', b'\\'] {
                let mut bytes = vec![0xe4; len];
                bytes.get_mut(at).into_iter().for_each(|byte| *byte = special);
                for from in [0, 1, 7, 24, at.saturating_sub(1), at] {
                    let expected = if from <= at { at } else { len };
                    assert_eq!(
                        from.min(len) + plain_len(&bytes[from.min(len)..]),
                        expected,
                        "{special} at {at} of {len} from {from}"
                    );
                }
            }
        }
    }
}

#[test]
fn special_bytes_are_found_in_and_behind_blocks() {
    for len in [543, 544, 545, 1055, 1056, 1057, 1700] {
        for at in (0..40).chain(270..430).chain(500..620).chain(1030..1140).chain(1600..len).filter(|at| *at < len) {
            for special in [0, 0x1f, b'"', b'\\'] {
                let mut bytes = vec![0xe4; len];
                bytes[at] = special;
                for from in [0, 1, 31, at.saturating_sub(1), at, at + 1] {
                    let expected = if from <= at { at } else { len };
                    assert_eq!(from + plain_len(&bytes[from..]), expected, "{special} at {at} of {len} from {from}");
                }
            }
        }
        assert_eq!(plain_len(&vec![b' '; len]), len);
    }
}

#[test]
fn less_than_a_step_is_followed_by_zeros() {
    let bytes: Vec<u8> = (1..STEP as u8).collect();
    for len in 0..STEP {
        let mut expected = [0; STEP];
        expected[..len].copy_from_slice(&bytes[..len]);
        assert_eq!(padded(&bytes[..len]), expected);
    }
}

#[test]
fn numbers_end_at_the_first_byte_that_is_no_digit() {
    for digits in 1..24 {
        for next in (0..=0xff).filter(|byte: &u8| !byte.is_ascii_digit() && !matches!(byte, b'.' | b'e' | b'E')) {
            for behind in [b'9', next, b' ', 0xff] {
                let mut bytes = vec![behind; digits + 12];
                bytes[..digits].fill(b'9');
                bytes[digits] = next;
                assert_eq!(number_end(&bytes, 0), Some(digits), "{next} behind {digits} digits, then {behind}");
                bytes.truncate(digits + 1);
                assert_eq!(number_end(&bytes, 0), Some(digits), "{next} behind {digits} digits, at the end");
            }
        }
    }
}

#[test]
fn strings_mean_what_they_say() {
    for (literal, string) in [
        (r#""""#, Some("")),
        (r#""plain""#, Some("plain")),
        (r#""\"\\\/\b\f\n\r\t""#, Some("\"\\/\u{8}\u{c}\n\r\t")),
        (r#""\u00e9\u00E9""#, Some("éé")),
        (r#""a\ud83d\ude00b""#, Some("a😀b")),
        (r#""\ud83d""#, None),
        (r#""\ud83dx""#, None),
        (r#""\ud83d\n""#, None),
        (r#""\ud83d\u0041""#, None),
        (r#""\ude00\ud83d""#, None),
    ] {
        assert_eq!(unescape(literal).as_deref(), string, "{literal}");
    }
    assert!(matches!(unescape("\"room:a\""), Some(Cow::Borrowed(_))));
    for broken in ["", "\"", "a", "\"\\\"", "\"\\u12\"", "\"\\ud800\\u\"", "\"\\é\""] {
        assert_eq!(unescape(broken), None, "{broken}");
    }
}

#[test]
fn escapes_are_short_or_in_capitals() {
    let mut out = Vec::new();
    escape_into(&mut out, "\u{0}\u{8}\u{b}\u{c}\n\r\t\u{1f}\"\\/\u{7f}\u{2028}é");
    assert_eq!(
        String::from_utf8(out).unwrap(),
        r#""\u0000\b\u000B\f\n\r\t\u001F\"\\/"#.to_owned() + "\u{7f}\u{2028}é\""
    );
}

/// JSON in many spellings.
pub(crate) fn any_json() -> impl Strategy<Value = String> {
    let string = r#""([ !#-\[\]-~é😀]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}){0,12}""#;
    let leaf = prop_oneof![
        r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,9})?([eE][+-]?[0-9]{1,4})?",
        string,
        "null|true|false".prop_map(String::from),
    ];
    leaf.prop_recursive(6, 40, 5, move |inner| {
        let blank = "[ \t\n\r]{0,2}";
        prop_oneof![
            (prop::collection::vec(inner.clone(), 0..5), blank)
                .prop_map(|(items, blank)| { format!("[{blank}{}{blank}]", items.join(&format!("{blank},{blank}"))) }),
            (prop::collection::vec((string, inner), 0..5), blank).prop_map(|(fields, blank)| {
                let fields: Vec<_> = fields.iter().map(|(k, v)| format!("{k}{blank}:{blank}{v}")).collect();
                format!("{{{}{blank}}}", fields.join(&format!(",{blank}")))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn json_is_valid(json in any_json(), blank in "[ \t\n\r]{0,3}") {
        prop_assert_eq!(validate(&format!("{blank}{json}{blank}")), Ok(()));
        let mut scanner = Scanner::new(&json);
        prop_assert_eq!(scanner.value(), Ok(json.as_str()));
        prop_assert_eq!(scanner.end(), Ok(()));
    }

    #[test]
    fn damaged_json_is_judged_as_serde_json_judges_it(
        json in any_json(),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0..3_u8, r#"[\[\]{}",:0-9.eE\\u +\x00-\x1f-]"#), 1..4),
    ) {
        let mut chars: Vec<char> = json.chars().collect();
        for (at, kind, with) in damage {
            let at = at.index(chars.len() + 1);
            let with = with.chars().next().unwrap();
            match kind {
                0 => chars.insert(at, with),
                1 if at < chars.len() => chars[at] = with,
                _ if at < chars.len() => { chars.remove(at); }
                _ => {}
            }
        }
        let text: String = chars.into_iter().collect();
        prop_assert_eq!(validate(&text).is_ok(), serde_accepts(&text), "{}", text);
    }

    #[test]
    fn any_text_is_judged_as_serde_json_judges_it(text in any::<String>()) {
        prop_assert_eq!(validate(&text).is_ok(), serde_accepts(&text));
        let _ = unescape(&text);
    }

    #[test]
    fn strings_survive_escaping(text in any::<String>(), control in "[\\x00-\\x20\"\\\\a-c]{0,24}") {
        for text in [text, control] {
            let mut out = Vec::new();
            escape_into(&mut out, &text);
            let literal = String::from_utf8(out).unwrap();
            prop_assert_eq!(validate(&literal), Ok(()));
            prop_assert!(unescape(&literal).is_some_and(|string| string == text), "{}", literal);
            prop_assert_eq!(serde_json::from_str::<String>(&literal).unwrap(), text);
        }
    }

    #[test]
    fn strings_mean_what_serde_json_says(literal in r#""([ a-z]|\\["\\/bfnrt]|\\u[0-9a-fA-F]{4}|\\ud8[0-9a-f]{2}\\udc[0-9a-f]{2}){0,8}""#) {
        prop_assert_eq!(unescape(&literal).map(Cow::into_owned), serde_json::from_str::<String>(&literal).ok());
    }
}
