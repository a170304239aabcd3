//! How far a text is plain: nothing in it that ends a string of JSON, or has to be escaped in one; and digits.
//!
//! Sixteen bytes a step, by a crate that has the vector instructions of each processor behind safe functions: what the compiler
//! makes of loops differs from one to the next.

use wide::u8x16;

/// How many of the bytes come before the first `"`, `\` or control character. Most strings are short: that is where it has to be
/// quick.
#[inline(always)]
pub(crate) fn plain_len(bytes: &[u8]) -> usize {
    match bytes.first_chunk() {
        Some(chunk) => match first(specials(chunk)) {
            STEP => long_plain_len(bytes),
            found => found,
        },
        None => short_plain_len(bytes),
    }
}

/// The same of what begins with a step that is plain.
fn long_plain_len(bytes: &[u8]) -> usize {
    let (mut rest, mut blocks) = (&bytes[STEP..], false);
    while let Some((chunk, behind)) = rest.split_first_chunk() {
        match first(specials(chunk)) {
            STEP => rest = behind,
            found => return bytes.len() - rest.len() + found,
        }
        if !blocks && rest.len() >= SMALL {
            (rest, blocks) = (behind_plain(rest), true);
        }
    }
    bytes.len() - rest.len() + short_plain_len(rest)
}

/// The same of less than a step.
fn short_plain_len(bytes: &[u8]) -> usize {
    first(specials(&padded(bytes)))
}

/// How many digits the bytes begin with.
#[inline(always)]
pub(super) fn digits_len(bytes: &[u8]) -> usize {
    match bytes.first_chunk() {
        Some(chunk) => match first(others(chunk)) {
            STEP => STEP + bytes[STEP..].iter().take_while(|byte| byte.is_ascii_digit()).count(),
            found => found,
        },
        None => bytes.iter().take_while(|byte| byte.is_ascii_digit()).count(),
    }
}

/// So many bytes are looked at together.
pub(super) const STEP: usize = 16;

/// The place of the first bit that is set; [`STEP`] if there is none.
#[inline(always)]
const fn first(mask: u32) -> usize {
    (mask | 1 << STEP).trailing_zeros() as usize
}

/// A bit for each byte that is special.
#[inline(always)]
fn specials(chunk: &[u8; STEP]) -> u32 {
    let bytes = u8x16::new(*chunk);
    let flipped = bytes ^ u8x16::splat(QUOTE_BEHIND_CONTROL);
    let low = flipped.min(u8x16::splat(LAST_LOW)).simd_eq(flipped);
    (low | bytes.simd_eq(u8x16::splat(b'\\'))).to_bitmask()
}

/// A bit for each byte that is no digit.
#[inline(always)]
fn others(chunk: &[u8; STEP]) -> u32 {
    let values = u8x16::new(*chunk) - u8x16::splat(b'0');
    !values.min(u8x16::splat(9)).simd_eq(values).to_bitmask()
}

/// Fewer bytes than a step, and zeros behind them, which are special. In two or four words, of which the last may overlap the one
/// before.
#[inline]
pub(super) fn padded(bytes: &[u8]) -> [u8; STEP] {
    let len = bytes.len() as u32;
    if let (Some(begin), Some(end)) = (bytes.first_chunk(), bytes.last_chunk()) {
        // Moved in two parts, since a word is not moved by all of its bits at once.
        let high = u64::from_le_bytes(*end) >> 8 >> (8 * (15 - len.min(15)));
        return (u128::from(u64::from_le_bytes(*begin)) | u128::from(high) << 64).to_le_bytes();
    }
    let low = match (bytes.first_chunk(), bytes.last_chunk()) {
        (Some(begin), Some(end)) => {
            u64::from(u32::from_le_bytes(*begin)) | u64::from(u32::from_le_bytes(*end)) << (8 * (len - 4))
        }
        _ => bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte)),
    };
    u128::from(low).to_le_bytes()
}

/// Behind what the bytes begin with and is plain, by blocks. Large ones cost less, and more is in vain where something is
/// special: what has been plain for so long may go on so.
fn behind_plain(bytes: &[u8]) -> &[u8] {
    let long = &bytes[..bytes.len().min(LONG)];
    match behind_blocks::<SMALL>(long).len() {
        0 => behind_blocks::<SMALL>(behind_blocks::<LARGE>(&bytes[long.len()..])),
        left => &bytes[long.len() - left..],
    }
}

/// Multiples of what vector instructions take at a time. Larger ones spill registers.
const SMALL: usize = 64;
const LARGE: usize = 128;

/// A string of so many bytes is a long one.
const LONG: usize = 256;

/// Behind the blocks that the bytes begin with and that have nothing special in them.
#[inline(always)]
fn behind_blocks<const LEN: usize>(mut bytes: &[u8]) -> &[u8] {
    while let Some((block, behind)) = bytes.split_first_chunk::<LEN>()
        && !has_special(block)
    {
        bytes = behind;
    }
    bytes
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

/// With this bit flipped the quote stands right behind the control characters.
const QUOTE_BEHIND_CONTROL: u8 = 0x02;

/// The quote, flipped.
const LAST_LOW: u8 = b'"' ^ QUOTE_BEHIND_CONTROL;
