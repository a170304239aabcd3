//! Instants in time, as JavaScript's `Date` has them.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::ser::{Serialize, Serializer};

use super::error::{Error, ErrorKind};

/// A point in time, in whole milliseconds, within 100 000 000 days of 1970.
///
/// In ION it stands as `date:2024-02-29T12:34:56.789Z`; other serde formats hold the string without `date:`, which is
/// what JavaScript makes of a `Date` in JSON.
///
/// ```
/// use chanson_core::wire::ion::{self, Date};
///
/// let date: Date = "2024-02-29T12:34:56.789Z".parse()?;
/// assert_eq!(date.as_millis(), 1_709_210_096_789);
/// assert_eq!(ion::to_string(&date)?, "date:2024-02-29T12:34:56.789Z");
/// assert_eq!(ion::from_str::<Date>("date:2024-02-29T13:34:56.789+01:00")?, date);
/// # Ok::<(), ion::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date(i64);

impl Date {
    /// 1970-01-01T00:00:00.000Z.
    pub const EPOCH: Self = Self(0);

    /// The date so many milliseconds after 1970; `None` beyond ±8 640 000 000 000 000.
    pub const fn from_millis(millis: i64) -> Option<Self> {
        if millis.unsigned_abs() <= MAX_MILLIS { Some(Self(millis)) } else { None }
    }

    /// Milliseconds since 1970.
    pub const fn as_millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Date {
    /// As `toISOString()` writes it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, millis) = (self.0.div_euclid(DAY), self.0.rem_euclid(DAY));
        let (year, month, day) = civil_from_days(days);
        match year {
            0..=9999 => write!(f, "{year:04}")?,
            _ => write!(f, "{year:+07}")?,
        }
        let (hours, minutes, seconds) = (millis / 3_600_000, millis / 60_000 % 60, millis / 1000 % 60);
        write!(f, "-{month:02}-{day:02}T{hours:02}:{minutes:02}:{seconds:02}.{:03}Z", millis % 1000)
    }
}

impl FromStr for Date {
    type Err = Error;

    /// Reads the forms that ECMAScript defines: years of four digits, or of six with a sign; date alone (UTC) or with a
    /// time and `Z` or an offset. A time without either is local time in JavaScript, which means something else on
    /// each machine: refused, as are the further forms that engines read in their own ways.
    /// Source: ECMA-262 (2025), 21.4.1.32 Date Time String Format.
    fn from_str(text: &str) -> Result<Self, Error> {
        Parser(text.as_bytes()).date().and_then(Self::from_millis).ok_or(Error::new(ErrorKind::Date))
    }
}

impl TryFrom<SystemTime> for Date {
    type Error = Error;

    /// Cuts to milliseconds.
    fn try_from(time: SystemTime) -> Result<Self, Error> {
        let millis = match time.duration_since(UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).ok(),
            Err(before) => i64::try_from(before.duration().as_nanos().div_ceil(1_000_000)).ok().map(|millis| -millis),
        };
        millis.and_then(Self::from_millis).ok_or(Error::new(ErrorKind::Date))
    }
}

impl From<Date> for SystemTime {
    fn from(date: Date) -> Self {
        let distance = Duration::from_millis(date.0.unsigned_abs());
        if date.0 < 0 { UNIX_EPOCH - distance } else { UNIX_EPOCH + distance }
    }
}

impl Serialize for Date {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(DATE, &format_args!("{self}"))
    }
}

impl<'de> Deserialize<'de> for Date {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct DateVisitor;

        impl<'de> Visitor<'de> for DateVisitor {
            type Value = Date;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a date")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Date, E> {
                text.parse().map_err(|_| E::invalid_value(de::Unexpected::Str(text), &self))
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Date, D::Error> {
                deserializer.deserialize_str(self)
            }
        }

        deserializer.deserialize_newtype_struct(DATE, DateVisitor)
    }
}

/// Reads from the front; each method takes what it reads.
struct Parser<'a>(&'a [u8]);

impl Parser<'_> {
    fn date(mut self) -> Option<i64> {
        let year = self.year()?;
        let month = if self.take(b'-') { self.two()? } else { 1 };
        let day = if self.take(b'-') { self.two()? } else { 1 };
        let valid = (1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day);
        let midnight = valid.then(|| days_from_civil(year, month, day) * DAY)?;
        let time = if self.take(b'T') { self.time()? } else { 0 };
        self.0.is_empty().then_some(midnight + time)
    }

    fn year(&mut self) -> Option<i64> {
        let negative = self.take(b'-');
        if !negative && !self.take(b'+') {
            return self.digits(4);
        }
        let year = self.digits(6)?;
        match negative {
            true if year == 0 => None,
            true => Some(-year),
            false => Some(year),
        }
    }

    /// Milliseconds since midnight UTC.
    fn time(&mut self) -> Option<i64> {
        let (hours, minutes) = (self.two()?, self.after(b':')?);
        let (mut seconds, mut millis) = (0, 0);
        if self.take(b':') {
            seconds = self.two()?;
            millis = if self.take(b'.') { self.fraction()? } else { 0 };
        }
        let midnight = hours == 24 && minutes == 0 && seconds == 0 && millis == 0;
        let valid = (hours < 24 || midnight) && minutes < 60 && seconds < 60;
        let offset = self.offset()?;
        valid.then_some((hours * 60 + minutes - offset) * 60_000 + seconds * 1000 + millis)
    }

    /// Minutes east of UTC.
    fn offset(&mut self) -> Option<i64> {
        if self.take(b'Z') {
            return Some(0);
        }
        let west = self.take(b'-');
        if !west && !self.take(b'+') {
            return None;
        }
        let (hours, minutes) = (self.two()?, self.after(b':')?);
        let offset = (hours < 24 && minutes < 60).then_some(hours * 60 + minutes)?;
        Some(if west { -offset } else { offset })
    }

    /// Milliseconds; digits beyond the third are cut.
    fn fraction(&mut self) -> Option<i64> {
        let len = self.0.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        let millis = (0..3).fold(0, |sum, at| sum * 10 + i64::from(digits.get(at).map_or(0, |byte| byte - b'0')));
        (len > 0).then_some(millis)
    }

    fn after(&mut self, byte: u8) -> Option<i64> {
        if self.take(byte) { self.two() } else { None }
    }

    fn two(&mut self) -> Option<i64> {
        self.digits(2)
    }

    fn digits(&mut self, count: usize) -> Option<i64> {
        let (digits, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        digits.iter().try_fold(0, |sum, byte| byte.is_ascii_digit().then(|| sum * 10 + i64::from(byte - b'0')))
    }

    fn take(&mut self, byte: u8) -> bool {
        let rest = self.0.strip_prefix(&[byte]);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }
}

/// Days from 1970-01-01 in the proleptic Gregorian calendar, counted in years that begin with March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

/// The other way round: year, month, day.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let (era, of_era) = ((days + 719_468).div_euclid(146_097), (days + 719_468).rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let (day, month) = (of_year - (153 * month + 2) / 5 + 1, (month + 2) % 12 + 1);
    (era * 400 + year + i64::from(month <= 2), month, day)
}

const fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The name by which the ION format knows a date.
pub(super) const DATE: &str = "$chanson::ion::Date";
const DAY: i64 = 86_400_000;
const MAX_MILLIS: u64 = 8_640_000_000_000_000;
