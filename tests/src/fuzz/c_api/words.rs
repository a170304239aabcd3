//! What calls are given: things that are right, and things that must be refused, by number.

use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};

use chanson::{chanson_payload, chanson_str};

/// Text as pointer and length.
pub(super) fn text(number: u8) -> chanson_str {
    let words = WORDS.len();
    match usize::from(number) % (words + 5) {
        at if at < words => chanson_str { data: WORDS[at].as_ptr().cast(), len: WORDS[at].len() - 1 },
        at => match at - words {
            0 => chanson_str { data: null(), len: 0 },
            1 => chanson_str { data: null(), len: 7 },
            2 => chanson_str { data: LATIN.as_ptr().cast(), len: LATIN.len() - 1 },
            3 => chanson_str { data: WORDS[0].as_ptr().cast(), len: usize::MAX },
            _ => chanson_str { data: LONG.as_ptr().cast(), len: LONG.len() - 1 },
        },
    }
}

/// The same as C text, which has no length to lie about.
pub(super) fn c_text(number: u8) -> *const c_char {
    let words = WORDS.len();
    match usize::from(number) % (words + 3) {
        at if at < words => WORDS[at].as_ptr().cast(),
        at => match at - words {
            0 => null(),
            1 => LATIN.as_ptr().cast(),
            _ => LONG.as_ptr().cast(),
        },
    }
}

/// A word as a client would say it.
pub(super) fn word(number: u8) -> &'static str {
    WORDS[usize::from(number) % WORDS.len()].trim_end_matches('\0')
}

pub(super) fn payload(number: u8) -> chanson_payload {
    let (jsons, json) = (JSONS.len(), 0);
    match usize::from(number) % (jsons + 8) {
        at if at < jsons => chanson_payload { kind: json, data: JSONS[at].as_ptr().cast(), len: JSONS[at].len() },
        at => match at - jsons {
            0 => chanson_payload { kind: json, data: null(), len: 0 },
            1 => chanson_payload { kind: json, data: null(), len: 3 },
            2 => chanson_payload { kind: json, data: LATIN.as_ptr().cast(), len: LATIN.len() - 1 },
            3 => chanson_payload { kind: 7, data: JSONS[0].as_ptr().cast(), len: JSONS[0].len() },
            4 => chanson_payload { kind: 1, data: LATIN.as_ptr().cast(), len: LATIN.len() },
            5 => chanson_payload { kind: 1, data: null(), len: 0 },
            6 => chanson_payload { kind: 1, data: LATIN.as_ptr().cast(), len: usize::MAX / 2 + 1 },
            _ => chanson_payload { kind: -1, data: null(), len: usize::MAX },
        },
    }
}

/// What a client may put into a message.
pub(super) fn said(number: u8) -> &'static str {
    JSONS[usize::from(number) % 7]
}

/// A handle, or what is not one: NULL, the handle of something else, and one that is not where a handle can be.
pub(super) fn handle<T>(number: u8, right: *mut T, other: *mut c_void) -> (*mut T, Right) {
    match number {
        0xff => (null_mut(), Right::Null),
        0xfe => (other.cast(), Right::No),
        0xfd => (right.wrapping_byte_add(1), Right::No),
        _ => (right, Right::Yes),
    }
}

/// Whether a handle is what it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    Yes,
    No,
    Null,
}

/// With their NUL, so that they are C text too.
const WORDS: [&str; 20] = [
    "room:a\0",
    "room:b\0",
    "any:1\0",
    "nowhere\0",
    "phoenix\0",
    "\0",
    "said\0",
    "phx_join\0",
    "phx_leave\0",
    "phx_reply\0",
    "heartbeat\0",
    "echo\0",
    "user1\0",
    "key\0",
    "ok\0",
    "error\0",
    "/socket\0",
    "*\0",
    "room:*\0",
    "192.0.2.1:5000\0",
];
const LATIN: &[u8] = b"\xe4\xf6\0";
const LONG: [u8; 3001] = {
    let mut long = [b'x'; 3001];
    long[3000] = 0;
    long
};
/// The first of them make messages, the last make none.
const JSONS: [&str; 11] = [
    "{}",
    r#"{"a":[1,2,{"b":null}]}"#,
    "null",
    r#""text""#,
    "12.5e3",
    r#"{"user":"ann","text":"a text that is somewhat longer than others, so that queues are full before long"}"#,
    "[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]",
    "{",
    "{} {}",
    "",
    "\u{0}",
];
