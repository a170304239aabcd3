//! Where a value ends, and whether it is valid: the grammar of RFC 8259, in one pass.
//!
//! Each function takes what is left of the text and gives what is left behind a thing, `None` when it is not valid. A slice is
//! two registers, and one comparison says whether there are so many bytes more.

use super::MAX_DEPTH;
use super::plain::{digits_len, plain_len};

/// What is behind white space: the first byte, and the rest.
#[inline(always)]
pub(super) fn token(bytes: &[u8]) -> Option<(u8, &[u8])> {
    match bytes.split_first() {
        Some((&byte, rest)) if byte > b' ' => Some((byte, rest)),
        _ => behind_space(bytes),
    }
}

/// The same where white space may be: mostly there is none.
fn behind_space(mut bytes: &[u8]) -> Option<(u8, &[u8])> {
    loop {
        match bytes.split_first()? {
            (b' ' | b'\t' | b'\n' | b'\r', rest) => bytes = rest,
            (&byte, rest) => return Some((byte, rest)),
        }
    }
}

/// Where the value ends that begins at `start`: of any kind, at most [`MAX_DEPTH`] deep.
pub(crate) fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (first, rest) = bytes.get(start..)?.split_first()?;
    let behind = match first {
        b'{' | b'[' => behind_nested(*first, rest),
        _ => behind_flat(*first, rest),
    };
    Some(bytes.len() - behind?.len())
}

/// A string, a number, or one of the three words, by the byte that it begins with.
#[inline(always)]
fn behind_flat(first: u8, rest: &[u8]) -> Option<&[u8]> {
    match first {
        b'"' => behind_string(rest),
        b'-' | b'0'..=b'9' => behind_number(first, rest),
        b't' => rest.strip_prefix(b"rue"),
        b'f' => rest.strip_prefix(b"alse"),
        b'n' => rest.strip_prefix(b"ull"),
        _ => None,
    }
}

/// An array or object, without recursion: one bit a level says which of the two it is.
fn behind_nested(mut first: u8, mut rest: &[u8]) -> Option<&[u8]> {
    let (mut objects, mut depth) = (0_u128, 0);
    loop {
        match first {
            b'{' | b'[' => {
                if depth == MAX_DEPTH {
                    return None;
                }
                let object = first == b'{';
                let (next, inside) = token(rest)?;
                if next != if object { b'}' } else { b']' } {
                    depth += 1;
                    objects = objects << 1 | u128::from(object);
                    (first, rest) = if object { token(behind_key(next, inside)?)? } else { (next, inside) };
                    continue;
                }
                rest = inside;
            }
            _ => rest = behind_flat(first, rest)?,
        }
        // A value is done: close what ends with it, up to the next value.
        loop {
            if depth == 0 {
                return Some(rest);
            }
            let object = objects & 1 == 1;
            let (next, behind) = token(rest)?;
            rest = behind;
            match next {
                b',' => break,
                b'}' if object => {}
                b']' if !object => {}
                _ => return None,
            }
            depth -= 1;
            objects >>= 1;
        }
        (first, rest) = token(rest)?;
        if objects & 1 == 1 {
            (first, rest) = token(behind_key(first, rest)?)?;
        }
    }
}

/// A key and its colon.
#[inline(always)]
fn behind_key(first: u8, rest: &[u8]) -> Option<&[u8]> {
    if first != b'"' {
        return None;
    }
    match token(behind_string(rest)?)? {
        (b':', rest) => Some(rest),
        _ => None,
    }
}

/// Where the string ends whose first quote is at `start`.
pub(crate) fn string_end(bytes: &[u8], start: usize) -> Option<usize> {
    Some(bytes.len() - behind_string(bytes.get(start + 1..)?)?.len())
}

/// The rest of a string behind its first quote.
#[inline(always)]
fn behind_string(rest: &[u8]) -> Option<&[u8]> {
    let at = plain_len(rest);
    match rest.get(at..)?.split_first()? {
        (b'"', behind) => Some(behind),
        _ => behind_escapes(&rest[at..]),
    }
}

/// The same from the first escape on, or from a byte that may not be there.
#[cold]
fn behind_escapes(mut rest: &[u8]) -> Option<&[u8]> {
    loop {
        let behind = match rest.first()? {
            b'"' => return Some(&rest[1..]),
            b'\\' => rest.get(escape_len(rest)?..)?,
            _ => return None,
        };
        rest = behind.get(plain_len(behind)..)?;
    }
}

/// Length of the escape that the bytes begin with.
pub(crate) fn escape_len(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => bytes.get(2..6)?.iter().all(u8::is_ascii_hexdigit).then_some(6),
        _ => None,
    }
}

/// Where the number ends that begins at `start`.
pub(crate) fn number_end(bytes: &[u8], start: usize) -> Option<usize> {
    let (first, rest) = bytes.get(start..)?.split_first()?;
    Some(bytes.len() - behind_number(*first, rest)?.len())
}

/// The rest of a number behind its first byte.
#[inline(always)]
fn behind_number(first: u8, rest: &[u8]) -> Option<&[u8]> {
    let rest = match first {
        b'-' => behind_negative(rest)?,
        b'0' => rest,
        b'1'..=b'9' => behind_digits(rest),
        _ => return None,
    };
    match rest.first() {
        Some(b'.' | b'e' | b'E') => behind_integer(rest),
        _ => Some(rest),
    }
}

fn behind_negative(rest: &[u8]) -> Option<&[u8]> {
    match rest.split_first()? {
        (b'0', rest) => Some(rest),
        (b'1'..=b'9', rest) => Some(behind_digits(rest)),
        _ => None,
    }
}

/// The rest of a number that is no integer.
fn behind_integer(mut rest: &[u8]) -> Option<&[u8]> {
    if let [b'.', fraction @ ..] = rest {
        rest = behind_some_digits(fraction)?;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        rest = match exponent {
            [b'+' | b'-', digits @ ..] => behind_some_digits(digits)?,
            digits => behind_some_digits(digits)?,
        };
    }
    Some(rest)
}

fn behind_some_digits(rest: &[u8]) -> Option<&[u8]> {
    rest.first()?.is_ascii_digit().then(|| behind_digits(rest))
}

#[inline(always)]
fn behind_digits(rest: &[u8]) -> &[u8] {
    rest.get(digits_len(rest)..).unwrap_or_default()
}
