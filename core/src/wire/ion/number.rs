//! Numbers: IEEE doubles, written as JavaScript writes them.

use std::fmt::{self, Write};

/// The largest integer up to which doubles hold every one.
pub(super) const MAX_INTEGER: u64 = 1 << 53;

/// A number as text, on the stack.
#[derive(Debug, Default)]
pub(super) struct Text {
    bytes: [u8; 32],
    len: usize,
}

impl Text {
    pub(super) fn as_str(&self) -> &str {
        self.bytes.get(..self.len).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

impl Write for Text {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let end = self.len + text.len();
        self.bytes.get_mut(self.len..end).ok_or(fmt::Error)?.copy_from_slice(text.as_bytes());
        self.len = end;
        Ok(())
    }
}

/// `text` is a number in JSON's grammar. `None` for all but integers within ±2^53, and for `-0`.
pub(super) fn integer(text: &str) -> Option<i64> {
    text.parse().ok().filter(|number: &i64| number.unsigned_abs() <= MAX_INTEGER && text != "-0")
}

/// As [`integer`], but for a type that has nothing else: `1.0`, `1e3` and `-0` are integers, too.
pub(super) fn whole(text: &str, double: f64) -> Option<i64> {
    let is_integer = text.bytes().all(|byte| byte == b'-' || byte.is_ascii_digit());
    if is_integer && double != 0.0 {
        return integer(text);
    }
    let mut plain = Text::default();
    write!(plain, "{}", if double.abs() < 1e16 { double + 0.0 } else { f64::NAN }).ok()?;
    integer(plain.as_str())
}

/// `text` is a number in JSON's grammar. What is too large is infinite, as in JavaScript.
pub(super) fn double(text: &str) -> f64 {
    text.parse().unwrap_or(f64::NAN)
}

/// The text of `number`, whose shortest digits come as `1.5e-7` from Rust's own formatting.
/// Source: ECMA-262 (2025), 6.1.6.1.20 Number::toString.
pub(super) fn write_double(out: &mut Text, number: f64, exponential: fmt::Arguments<'_>) -> fmt::Result {
    if number.is_nan() {
        return out.write_str("NaN");
    }
    if number.is_infinite() {
        return out.write_str(if number > 0.0 { "Infinity" } else { "-Infinity" });
    }
    if number == 0.0 {
        return out.write_char('0');
    }
    let mut text = Text::default();
    text.write_fmt(exponential)?;
    let (mantissa, exponent) = text.as_str().split_once('e').ok_or(fmt::Error)?;
    let exponent: i32 = exponent.parse().map_err(|_| fmt::Error)?;
    let mantissa = match mantissa.strip_prefix('-') {
        Some(rest) => {
            out.write_char('-')?;
            rest
        }
        None => mantissa,
    };
    let (first, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    write_digits(out, first, fraction, exponent)
}

/// Writes `first.fraction × 10^exponent`.
fn write_digits(out: &mut Text, first: &str, fraction: &str, exponent: i32) -> fmt::Result {
    let point = usize::try_from(exponent).ok();
    match point {
        // All digits stand before the point, perhaps with zeros behind them.
        Some(places @ 0..21) if places >= fraction.len() => {
            write!(out, "{first}{fraction}{:0<1$}", "", places - fraction.len())
        }
        Some(places @ 0..21) => {
            let (before, behind) = fraction.split_at_checked(places).ok_or(fmt::Error)?;
            write!(out, "{first}{before}.{behind}")
        }
        None if exponent >= -6 => write!(out, "0.{:0<1$}{first}{fraction}", "", exponent.unsigned_abs() as usize - 1),
        _ => {
            let point = if fraction.is_empty() { "" } else { "." };
            write!(out, "{first}{point}{fraction}e{exponent:+}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(number: f64) -> String {
        let mut out = Text::default();
        write_double(&mut out, number, format_args!("{number:e}")).unwrap();
        out.as_str().to_owned()
    }

    #[test]
    fn numbers_look_as_in_javascript() {
        for (number, expected) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.5, "1.5"),
            (-273.15, "-273.15"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.1, "0.1"),
            (0.000_001, "0.000001"),
            (0.000_001_25, "0.00000125"),
            (1e-7, "1e-7"),
            (-2.5e-8, "-2.5e-8"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e+308"),
            (-f64::MAX, "-1.7976931348623157e+308"),
            (-2.225_073_858_507_201_4e-308, "-2.2250738585072014e-308"),
            (123_456.789, "123456.789"),
            (f64::NAN, "NaN"),
            (f64::NEG_INFINITY, "-Infinity"),
        ] {
            assert_eq!(text(number), expected);
        }
    }
}
