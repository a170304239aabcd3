//! How long to wait before the next try.

use std::borrow::Cow;
use std::time::Duration;

use crate::random::Random;

/// How long to wait before the next try to connect or to join, by how many tries there were.
///
/// ```
/// use chanson_core::client::Backoff;
/// use std::time::Duration;
///
/// // 0.5 s, 1 s, 2 s, … 30 s, each shortened by up to half, and no more than 20 tries.
/// let backoff = Backoff::exponential(Duration::from_millis(500), Duration::from_secs(30))
///     .with_jitter(50)
///     .with_max_attempts(20);
/// # assert_eq!(backoff.max_attempts(), Some(20));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backoff {
    steps: Cow<'static, [Duration]>,
    /// Behind the steps: this, doubled each time up to `max`.
    then: Duration,
    max: Duration,
    jitter: u8,
    max_attempts: Option<u32>,
}

impl Backoff {
    /// What phoenix.js waits before it connects again: 10, 50, 100, 150, 200, 250, 500, 1000, 2000 ms, then 5 s.
    /// Source: phoenix.js 1.8.16 socket.js `reconnectAfterMs`.
    pub const RECONNECT: Self =
        Self::fixed(&[ms(10), ms(50), ms(100), ms(150), ms(200), ms(250), ms(500), ms(1000), ms(2000)], ms(5000));

    /// What phoenix.js waits before it joins again: 1, 2, 5 s, then 10 s.
    /// Source: phoenix.js 1.8.16 socket.js `rejoinAfterMs`.
    pub const REJOIN: Self = Self::fixed(&[ms(1000), ms(2000), ms(5000)], ms(10_000));

    /// These waits, one after the other, then always `then`.
    pub fn steps(steps: impl Into<Vec<Duration>>, then: Duration) -> Self {
        Self { steps: Cow::Owned(steps.into()), ..Self::fixed(&[], then) }
    }

    /// First `first`, then each time twice as long, up to `max`.
    pub const fn exponential(first: Duration, max: Duration) -> Self {
        Self { steps: Cow::Borrowed(&[]), then: first, max, jitter: 0, max_attempts: None }
    }

    /// Each wait shortened at random by up to so many per cent (100 at most), so that clients which lost their server
    /// together do not come back together.
    #[must_use]
    pub const fn with_jitter(mut self, percent: u8) -> Self {
        self.jitter = if percent > 100 { 100 } else { percent };
        self
    }

    /// No more than so many tries after each loss; by default there is no end.
    #[must_use]
    pub const fn with_max_attempts(mut self, attempts: u32) -> Self {
        self.max_attempts = Some(attempts);
        self
    }

    /// How many tries there are, if there is a limit.
    pub const fn max_attempts(&self) -> Option<u32> {
        self.max_attempts
    }

    /// How long to wait before the next try after `tries` of them; `None`: give up.
    pub(crate) fn delay(&self, tries: u32, random: &mut Random) -> Option<Duration> {
        if self.max_attempts.is_some_and(|max| tries >= max) {
            return None;
        }
        let step = self.steps.get(tries as usize).copied();
        let full = step.unwrap_or_else(|| {
            let doublings = (tries as usize - self.steps.len()).min(63) as u32;
            let nanos = self.then.as_nanos().saturating_mul(1 << doublings).min(self.max.as_nanos());
            Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
        });
        if self.jitter == 0 {
            return Some(full);
        }
        let nanos = u64::try_from(full.as_nanos()).unwrap_or(u64::MAX);
        let cut = u128::from(nanos) * u128::from(self.jitter) / 100;
        let cut = cut * u128::from(random.next_u64()) / u128::from(u64::MAX);
        Some(Duration::from_nanos(nanos - cut as u64))
    }

    const fn fixed(steps: &'static [Duration], then: Duration) -> Self {
        Self { steps: Cow::Borrowed(steps), then, max: then, jitter: 0, max_attempts: None }
    }
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn delays(backoff: &Backoff, count: u32) -> Vec<u128> {
        let mut random = Random::new([1; 32]);
        (0..count).map_while(|tries| backoff.delay(tries, &mut random)).map(|delay| delay.as_millis()).collect()
    }

    #[test]
    fn the_reference_s_steps() {
        let expected = [10, 50, 100, 150, 200, 250, 500, 1000, 2000, 5000, 5000];
        assert_eq!(delays(&Backoff::RECONNECT, 11), expected);
        assert_eq!(delays(&Backoff::REJOIN, 6), [1000, 2000, 5000, 10_000, 10_000, 10_000]);
    }

    #[test]
    fn exponential_up_to_its_cap_and_to_its_end() {
        let backoff = Backoff::exponential(ms(500), ms(3000)).with_max_attempts(5);
        assert_eq!(delays(&backoff, 9), [500, 1000, 2000, 3000, 3000]);
        let mut random = Random::new([1; 32]);
        let forever = Backoff::exponential(Duration::MAX, Duration::MAX).with_jitter(100);
        assert!(forever.delay(u32::MAX, &mut random).is_some());
    }

    #[test]
    fn jitter_shortens_only_and_comes_from_the_seed() {
        let backoff = Backoff::steps([ms(1000); 50], ms(1000)).with_jitter(30);
        let drawn = delays(&backoff, 100);
        assert_eq!(drawn, delays(&backoff, 100));
        assert!(drawn.iter().all(|delay| (700..=1000).contains(delay)));
        assert!(drawn.iter().any(|delay| *delay < 800) && drawn.iter().any(|delay| *delay > 900));
    }
}
