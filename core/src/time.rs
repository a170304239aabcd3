//! Time as an argument: a monotonic count of nanoseconds from an origin that the host picks.

use std::fmt;
use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A moment: nanoseconds since an origin that the host picks (program start, say).
///
/// Nothing here reads a clock. Every `handle_*` call takes the current moment; one that lies before an
/// earlier one is treated as standing still.
///
/// ```
/// use chanson_core::time::Instant;
/// use std::time::Duration;
///
/// let start = Instant::ORIGIN;
/// let later = start + Duration::from_millis(20);
/// assert_eq!(later - start, Duration::from_millis(20));
/// assert_eq!(start - later, Duration::ZERO);
///
/// // What a host with the system's clock says, and how long it is to wait until a moment that `poll_timeout` names.
/// let clock = std::time::Instant::now();
/// let now = Instant::ORIGIN + clock.elapsed();
/// let wait = later - now;
/// # assert!(wait <= Duration::from_millis(20));
/// assert_eq!(format!("{later:?}"), "Instant(20ms)");
/// ```
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(u64);

impl Instant {
    /// The origin itself: nought nanoseconds.
    pub const ORIGIN: Self = Self(0);

    /// The moment `nanos` nanoseconds after the origin.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The moment `millis` milliseconds after the origin; stays at the last moment there is when that overflows.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the origin.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Milliseconds since the origin, rounded down.
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }
}

impl fmt::Debug for Instant {
    /// As the time since the origin, which can be read.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Instant").field(&Duration::from_nanos(self.0)).finish()
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at the last moment there is (584 years after the origin).
    fn add(self, after: Duration) -> Self {
        let nanos = u64::try_from(after.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, after: Duration) {
        *self = *self + after;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time from `earlier` to `self`; nought when `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let last = Instant::from_nanos(u64::MAX);
        assert_eq!(last + Duration::MAX, last);
        assert_eq!(Instant::ORIGIN - last, Duration::ZERO);
        let mut moment = last;
        moment += Duration::from_nanos(1);
        assert_eq!(moment, last);
        assert_eq!(Instant::from_millis(u64::MAX), last);
    }
}
