//! JSON text, looked at but not taken apart: one pass that finds where a value ends and whether it is valid.
//!
//! Only the grammar of RFC 8259 is checked. What a string or number *means* is the receiver's business, because payloads
//! pass through byte for byte: a lone surrogate escape (`"\ud800"`) and a number beyond every float (`1e400`) are valid
//! here, though the reference server refuses both.

#[cfg(test)]
pub(crate) mod tests;

use std::borrow::Cow;

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

/// Whether nothing is to be escaped. What names have is quick: a word or two, of which the last may overlap the one before.
pub(crate) fn is_plain(bytes: &[u8]) -> bool {
    let word = |from: usize| word(bytes, from).map_or(0, specials);
    match bytes.len() {
        0..4 => !bytes.iter().any(|byte| is_special(*byte)),
        len @ 4..8 => {
            let half = |from: usize| bytes[from..].first_chunk().map_or(0, |half| u64::from(u32::from_le_bytes(*half)));
            specials(half(0) | half(len - 4) << 32) == 0
        }
        len @ 8..=16 => word(0) | word(len - 8) == 0,
        len => next_special(bytes, 0) == len,
    }
}

#[cold]
fn escape_all(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut at = next_special(bytes, 0);
    out.extend_from_slice(&bytes[..at]);
    while let Some(&byte) = bytes.get(at) {
        escape_byte(out, byte);
        let from = at + 1;
        at = next_special(bytes, from);
        out.extend_from_slice(&bytes[from..at]);
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
        let (at, next) = token(self.text.as_bytes(), self.at);
        let found = next == byte;
        self.at = at + usize::from(found);
        found
    }

    /// Takes the byte, which has to come next.
    #[inline]
    pub(crate) fn expect(&mut self, byte: u8) -> Result<(), InvalidJson> {
        self.take(byte).then_some(()).ok_or(InvalidJson)
    }

    /// The text is at its end.
    pub(crate) fn end(&mut self) -> Result<(), InvalidJson> {
        let (at, _) = token(self.text.as_bytes(), self.at);
        (at == self.text.len()).then_some(()).ok_or(InvalidJson)
    }

    /// Takes a string: the literal, quotes included.
    pub(crate) fn string(&mut self) -> Result<&'a str, InvalidJson> {
        let bytes = self.text.as_bytes();
        match token(bytes, self.at) {
            (start, b'"') => self.take_from(start, string_end(bytes, start)),
            _ => Err(InvalidJson),
        }
    }

    /// Takes a value of any kind, at most [`MAX_DEPTH`] deep: its text, as it came.
    pub(crate) fn value(&mut self) -> Result<&'a str, InvalidJson> {
        let bytes = self.text.as_bytes();
        let (start, _) = token(bytes, self.at);
        self.take_from(start, value_end(bytes, start))
    }

    #[inline]
    fn take_from(&mut self, start: usize, end: Option<usize>) -> Result<&'a str, InvalidJson> {
        self.at = end.ok_or(InvalidJson)?;
        self.text.get(start..self.at).ok_or(InvalidJson)
    }
}

// The scanner itself: each function takes where a thing starts and says where it ends, `None` when it is not valid.
// Positions are passed and returned, not stored, so that they stay in registers.

/// The byte at `at`; past the end 0, which is valid nowhere.
#[inline(always)]
fn byte(bytes: &[u8], at: usize) -> u8 {
    bytes.get(at).copied().unwrap_or(0)
}

/// The next byte that is no white space, and where it is.
#[inline(always)]
fn token(bytes: &[u8], at: usize) -> (usize, u8) {
    match byte(bytes, at) {
        byte if byte > b' ' => (at, byte),
        _ => behind_space(bytes, at),
    }
}

/// The same where white space may be: mostly there is none.
fn behind_space(bytes: &[u8], mut at: usize) -> (usize, u8) {
    loop {
        match byte(bytes, at) {
            b' ' | b'\t' | b'\n' | b'\r' => at += 1,
            byte => return (at, byte),
        }
    }
}

/// A value of any kind, at most [`MAX_DEPTH`] deep, without white space before it.
pub(crate) fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match byte(bytes, start) {
        b'{' | b'[' => nested_end(bytes, start),
        _ => flat_end(bytes, start),
    }
}

/// A string, a number, or one of the three words.
#[inline(always)]
fn flat_end(bytes: &[u8], start: usize) -> Option<usize> {
    match byte(bytes, start) {
        b'"' => string_end(bytes, start),
        b'-' | b'0'..=b'9' => number_end(bytes, start),
        b't' => word_end(bytes, start, b"true"),
        b'f' => word_end(bytes, start, b"false"),
        b'n' => word_end(bytes, start, b"null"),
        _ => None,
    }
}

/// An array or object, without recursion: one bit a level says which of the two it is.
fn nested_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    let (mut objects, mut depth) = (0_u128, 0);
    loop {
        let (start, first) = token(bytes, at);
        at = match first {
            b'{' | b'[' => {
                if depth == MAX_DEPTH {
                    return None;
                }
                let object = first == b'{';
                let (inside, next) = token(bytes, start + 1);
                if next != if object { b'}' } else { b']' } {
                    depth += 1;
                    objects = objects << 1 | u128::from(object);
                    at = if object { key_end(bytes, inside)? } else { inside };
                    continue;
                }
                inside + 1
            }
            _ => flat_end(bytes, start)?,
        };
        // A value is done: close what ends with it, up to the next value.
        loop {
            if depth == 0 {
                return Some(at);
            }
            let object = objects & 1 == 1;
            let (behind, next) = token(bytes, at);
            at = behind + 1;
            match next {
                b',' if object => break at = key_end(bytes, at)?,
                b',' => break,
                b'}' if object => {}
                b']' if !object => {}
                _ => return None,
            }
            depth -= 1;
            objects >>= 1;
        }
    }
}

/// A key and its colon.
#[inline(always)]
fn key_end(bytes: &[u8], at: usize) -> Option<usize> {
    let (start, b'"') = token(bytes, at) else { return None };
    let (colon, b':') = token(bytes, string_end(bytes, start)?) else { return None };
    Some(colon + 1)
}

/// A string, whose first quote is at `start`.
#[inline(always)]
pub(crate) fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    let at = next_special(bytes, start + 1);
    if byte(bytes, at) == b'"' { Some(at + 1) } else { escaped_string_end(bytes, at) }
}

/// A string whose first escape or forbidden byte is at `at`.
#[cold]
fn escaped_string_end(bytes: &[u8], mut at: usize) -> Option<usize> {
    loop {
        match byte(bytes, at) {
            b'"' => return Some(at + 1),
            b'\\' => at = next_special(bytes, at + escape_len(&bytes[at..])?),
            _ => return None,
        }
    }
}

#[inline]
fn word_end<const N: usize>(bytes: &[u8], start: usize, word: &[u8; N]) -> Option<usize> {
    (bytes.get(start..)?.first_chunk() == Some(word)).then_some(start + N)
}

#[inline(always)]
pub(crate) fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let digits = start + usize::from(byte(bytes, start) == b'-');
    let at = if byte(bytes, digits) == b'0' { digits + 1 } else { digits_end(bytes, digits)? };
    match byte(bytes, at) {
        b'.' | b'e' | b'E' => behind_integer(bytes, at),
        _ => Some(at),
    }
}

/// The rest of a number that is no integer.
fn behind_integer(bytes: &[u8], mut at: usize) -> Option<usize> {
    if byte(bytes, at) == b'.' {
        at = digits_end(bytes, at + 1)?;
    }
    if matches!(byte(bytes, at), b'e' | b'E') {
        let sign = matches!(byte(bytes, at + 1), b'+' | b'-');
        at = digits_end(bytes, at + 1 + usize::from(sign))?;
    }
    Some(at)
}

/// At least one digit.
#[inline(always)]
fn digits_end(bytes: &[u8], start: usize) -> Option<usize> {
    const HIGH: u64 = ONES * 0xf0;
    const ZEROS: u64 = ONES * b'0' as u64;
    let mut at = start;
    // Eight at a time: a byte that begins with the half byte 3 is a digit if six more than it does so, too. (A carry spoils only
    // what stands behind the first that is none.)
    while let Some(word) = word(bytes, at) {
        match ((word & HIGH) ^ ZEROS) | ((word.wrapping_add(ONES * 6) & HIGH) ^ ZEROS) {
            0 => at += 8,
            others => {
                at += first_byte(others);
                return (at > start).then_some(at);
            }
        }
    }
    while byte(bytes, at).is_ascii_digit() {
        at += 1;
    }
    (at > start).then_some(at)
}

/// Every byte a one.
const ONES: u64 = u64::MAX / 255;

/// The eight bytes from `at` on.
#[inline(always)]
fn word(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..).and_then(|rest| rest.first_chunk()).map(|chunk| u64::from_le_bytes(*chunk))
}

/// Which is the first of a word's bytes that is not zero.
#[inline(always)]
const fn first_byte(word: u64) -> usize {
    (word.trailing_zeros() / 8) as usize
}

/// The high bit for each of a word's bytes that is special; above the first one of them others may be set too.
#[inline(always)]
const fn specials(word: u64) -> u64 {
    // ASCII that is below 0x21 once 0x02 is flipped (the quote, 0x22, becomes 0x20, and control characters stay below it), or
    // equal to the backslash. A borrow goes up, to bytes that do not count.
    let quote_or_control = (word ^ (ONES * 0x02)).wrapping_sub(ONES * 0x21);
    let backslash = (word ^ (ONES * b'\\' as u64)).wrapping_sub(ONES);
    (quote_or_control | backslash) & !word & (ONES * 0x80)
}

/// Where the next `"`, `\` or control character is, from `at` on; the length when there is none. Most strings are short: that
/// is where it has to be quick.
#[inline(always)]
pub(crate) fn next_special(bytes: &[u8], at: usize) -> usize {
    match word(bytes, at).map(specials) {
        Some(found) if found != 0 => at + first_byte(found),
        _ => next_special_far(bytes, at),
    }
}

/// The same: sixteen bytes a step, and what is long enough for it in blocks.
fn next_special_far(bytes: &[u8], from: usize) -> usize {
    let mut at = from.min(bytes.len());
    let mut steps = 0;
    while let Some(chunk) = bytes[at..].first_chunk() {
        match specials_of_16(chunk) {
            0 => at += 16,
            found => return at + (found.trailing_zeros() / 8) as usize,
        }
        steps += 1;
        if steps == STEPS_FIRST {
            at = behind_plain(bytes, at);
        }
    }
    if let Some(word) = word(bytes, at) {
        match specials(word) {
            0 => at += 8,
            found => return at + first_byte(found),
        }
    }
    at + bytes[at..].iter().position(|byte| is_special(*byte)).unwrap_or(bytes.len() - at)
}

/// So many steps are made before blocks are worth it.
const STEPS_FIRST: usize = 2;

/// A byte that is not zero for each that is special: what vector instructions give.
#[inline(always)]
fn specials_of_16(chunk: &[u8; 16]) -> u128 {
    let mut found = [0; 16];
    for (found, byte) in found.iter_mut().zip(chunk) {
        *found = if is_special(*byte) { 0xff } else { 0 };
    }
    u128::from_le_bytes(found)
}

/// Behind what is plain from `at` on, by blocks. Large ones cost less, and more is in vain where something is special: what has
/// been plain for so long may go on so.
fn behind_plain(bytes: &[u8], at: usize) -> usize {
    let long = at + LONG;
    match behind_blocks::<SMALL>(&bytes[..bytes.len().min(long)], at) {
        behind if behind == long => behind_blocks::<SMALL>(bytes, behind_blocks::<LARGE>(bytes, behind)),
        behind => behind,
    }
}

/// Multiples of what vector instructions take at a time. Larger ones spill registers.
const SMALL: usize = 64;
const LARGE: usize = 128;

/// A string of so many bytes is a long one.
const LONG: usize = 256;

/// Behind the blocks from `at` on that have nothing special in them.
#[inline(always)]
fn behind_blocks<const LEN: usize>(bytes: &[u8], mut at: usize) -> usize {
    while let Some(block) = bytes[at..].first_chunk::<LEN>() {
        if has_special(block) {
            break;
        }
        at += LEN;
    }
    at
}

/// By the lowest of what is compared, in as many lanes as two vector registers have: the comparisons come once, at the end.
/// Neither loop has a way out, for both to be ones for vector instructions.
#[inline(always)]
fn has_special<const LEN: usize>(block: &[u8; LEN]) -> bool {
    let (mut quote_or_control, mut backslash) = ([u8::MAX; LANES], [u8::MAX; LANES]);
    for lanes in block.as_chunks::<LANES>().0 {
        for (at, byte) in lanes.iter().enumerate() {
            let flipped = byte ^ QUOTE_BEHIND_CONTROL;
            quote_or_control[at] = quote_or_control[at].min(flipped);
            // From what is there, not from the byte anew: a register less, and so an instruction.
            backslash[at] = backslash[at].min(flipped.wrapping_sub(b'\\' ^ QUOTE_BEHIND_CONTROL));
        }
    }
    quote_or_control.iter().zip(&backslash).fold(false, |found, (low, zero)| found | (*low <= LAST_LOW) | (*zero == 0))
}

/// With fewer the compiler takes no vector instructions, with more it spills registers.
const LANES: usize = 32;

/// Without a way around any of it, for it to be one for vector instructions.
#[inline(always)]
const fn is_special(byte: u8) -> bool {
    (byte ^ QUOTE_BEHIND_CONTROL <= LAST_LOW) | (byte == b'\\')
}

/// With this bit flipped the quote stands right behind the control characters.
const QUOTE_BEHIND_CONTROL: u8 = 0x02;

/// The quote, flipped.
const LAST_LOW: u8 = b'"' ^ QUOTE_BEHIND_CONTROL;

/// Length of the escape that `bytes` begin with.
pub(crate) fn escape_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// The string that stands between the quotes.
#[cold]
fn unescape_all(body: &str) -> Option<String> {
    let mut out = String::with_capacity(body.len());
    let (mut from, mut at) = (0, next_special(body.as_bytes(), 0));
    while at < body.len() {
        out.push_str(body.get(from..at)?);
        let (char, len) = unescape_one(body.as_bytes().get(at..)?)?;
        out.push(char);
        from = at + len;
        at = next_special(body.as_bytes(), from);
    }
    out.push_str(body.get(from..)?);
    Some(out)
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
