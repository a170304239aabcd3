//! JSON text, looked at but not taken apart: one pass that finds where a value ends and whether it is valid.
//!
//! Only the grammar of RFC 8259 is checked. What a string or number *means* is the receiver's business, because payloads
//! pass through byte for byte: a lone surrogate escape (`"\ud800"`) and a number beyond every float (`1e400`) are valid
//! here, though the reference server refuses both.

mod grammar;
mod plain;
#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

pub(crate) use self::grammar::{escape_len, number_end, string_end, value_end};
pub(crate) use self::plain::plain_len;
use crate::error::InvalidJson;

/// How deep arrays and objects may be nested in one value (the envelope of a message does not count).
pub(crate) const MAX_DEPTH: u32 = 128;

/// Checks that `text` is one JSON value (RFC 8259) with nothing but white space around it.
pub(crate) fn validate(text: &str) -> Result<(), InvalidJson> {
    let mut scanner = Scanner::new(text);
    scanner.value()?;
    scanner.end()
}

/// The string that a valid JSON string literal (quotes included) stands for; borrowed when nothing is escaped.
/// `None` for a lone surrogate escape, which no Rust string can hold.
pub(crate) fn unescape(literal: &str) -> Option<Cow<'_, str>> {
    let body = literal.strip_prefix('"')?.strip_suffix('"')?;
    if body.as_bytes().contains(&b'\\') {
        return unescape_all(body).map(Cow::Owned);
    }
    Some(Cow::Borrowed(body))
}

/// Appends `text` as a JSON string literal. Only what must be is escaped, control characters as `\u001F` with capitals
/// where there is no short form. Source: Jason's default (`escape: :json`), seen in `payload_escapes` recordings.
pub(crate) fn escape_into(out: &mut Vec<u8>, text: &str) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    match is_plain(text.as_bytes()) {
        true => out.extend_from_slice(text.as_bytes()),
        false => escape_all(out, text.as_bytes()),
    }
    out.push(b'"');
}

/// Whether nothing is to be escaped.
#[inline]
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    plain_len(bytes) == bytes.len()
}

#[cold]
fn escape_all(out: &mut Vec<u8>, bytes: &[u8]) {
    let (plain, mut rest) = bytes.split_at(plain_len(bytes));
    out.extend_from_slice(plain);
    while let Some((byte, behind)) = rest.split_first() {
        escape_byte(out, *byte);
        let (plain, behind) = behind.split_at(plain_len(behind));
        out.extend_from_slice(plain);
        rest = behind;
    }
}

/// Reads JSON from the front of a text. Each method skips white space first.
#[derive(Clone, Debug)]
pub(crate) struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// Takes the byte if it comes next.
    #[inline]
    pub(crate) fn take(&mut self, byte: u8) -> bool {
        match self.next() {
            Some((next, at)) if next == byte => {
                self.at = at + 1;
                true
            }
            _ => false,
        }
    }

    /// Takes the byte, which has to come next.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), InvalidJson> {
        self.take(byte).then_some(()).ok_or(InvalidJson)
    }

    /// The text is at its end.
    pub(crate) fn end(&mut self) -> Result<(), InvalidJson> {
        self.next().is_none().then_some(()).ok_or(InvalidJson)
    }

    /// Takes a string: the literal, quotes included.
    pub(crate) fn string(&mut self) -> Result<&'a str, InvalidJson> {
        match self.next() {
            Some((b'"', start)) => self.take_from(start, string_end(self.text.as_bytes(), start)),
            _ => Err(InvalidJson),
        }
    }

    /// Takes a value of any kind, at most [`MAX_DEPTH`] deep: its text, as it came.
    pub(crate) fn value(&mut self) -> Result<&'a str, InvalidJson> {
        let (_, start) = self.next().ok_or(InvalidJson)?;
        self.take_from(start, value_end(self.text.as_bytes(), start))
    }

    /// The next byte that is no white space, and where it is.
    #[inline(always)]
    fn next(&self) -> Option<(u8, usize)> {
        let bytes = self.text.as_bytes();
        let (byte, rest) = grammar::token(bytes.get(self.at..)?)?;
        Some((byte, bytes.len() - rest.len() - 1))
    }

    #[inline]
    fn take_from(&mut self, start: usize, end: Option<usize>) -> Result<&'a str, InvalidJson> {
        self.at = end.ok_or(InvalidJson)?;
        self.text.get(start..self.at).ok_or(InvalidJson)
    }
}

/// The string that stands between the quotes.
#[cold]
fn unescape_all(body: &str) -> Option<String> {
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    loop {
        let (plain, special) = rest.split_at_checked(plain_len(rest.as_bytes()))?;
        out.push_str(plain);
        if special.is_empty() {
            return Some(out);
        }
        let (char, len) = unescape_one(special.as_bytes())?;
        out.push(char);
        rest = special.get(len..)?;
    }
}

/// The character that the escape at the front stands for, and how many bytes it takes.
fn unescape_one(bytes: &[u8]) -> Option<(char, usize)> {
    let (b'\\', kind) = (*bytes.first()?, *bytes.get(1)?) else { return None };
    let char = match kind {
        b'"' | b'\\' | b'/' => char::from(kind),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unescape_unicode(bytes),
        _ => return None,
    };
    Some((char, 2))
}

fn unescape_unicode(bytes: &[u8]) -> Option<(char, usize)> {
    let first = hex4(bytes)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 6)); // `None` for a low surrogate that comes first
    }
    let second = hex4(bytes.get(6..)?).filter(|unit| (0xdc00..0xe000).contains(unit))?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00))?, 12))
}

/// The number in a `\uXXXX` at the front.
fn hex4(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(b"\\u")?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | char::from(*digit).to_digit(16)?))
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            let [high, low] = [byte >> 4, byte & 15].map(|digit| HEX[usize::from(digit)]);
            return out.extend_from_slice(&[b'\\', b'u', b'0', b'0', high, low]);
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}
