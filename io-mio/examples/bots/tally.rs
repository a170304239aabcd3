//! Figures: what was sent and heard, and how long it took.

use std::fmt;
use std::time::Duration;

/// What happened in some time.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) sent: u64,
    pub(crate) received: u64,
    /// Messages that were not taken, since too much was waiting.
    pub(crate) full: u64,
    /// Messages that the server answered with an error.
    pub(crate) refused: u64,
    pub(crate) latency: Latency,
}

impl Tally {
    /// Adds what happened in another time.
    pub(crate) fn add(&mut self, other: &Self) {
        self.sent += other.sent;
        self.received += other.received;
        self.full += other.full;
        self.refused += other.refused;
        self.latency.add(&other.latency);
    }
}

/// How many took how long, to about three per cent.
pub(crate) struct Latency {
    counts: Vec<u64>,
    count: u64,
    max: u64,
}

impl Default for Latency {
    fn default() -> Self {
        Self { counts: vec![0; SIZE], count: 0, max: 0 }
    }
}

impl Latency {
    pub(crate) fn record(&mut self, time: Duration) {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        self.counts[place(nanos)] += 1;
        self.count += 1;
        self.max = self.max.max(nanos);
    }

    /// What `share` (nought to one) of them did not exceed.
    fn quantile(&self, share: f64) -> Duration {
        let rank = (self.count as f64 * share).ceil().max(1.0) as u64;
        let mut below = 0;
        let place = self.counts.iter().position(|count| {
            below += count;
            below >= rank
        });
        Duration::from_nanos(place.map_or(0, |place| bound(place).min(self.max)))
    }

    fn add(&mut self, other: &Self) {
        self.counts.iter_mut().zip(&other.counts).for_each(|(to, from)| *to += from);
        self.count += other.count;
        self.max = self.max.max(other.max);
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return f.write_str("latency unknown");
        }
        let millis = |time: Duration| time.as_secs_f64() * 1000.0;
        let [half, most, nearly_all] = [0.5, 0.99, 0.999].map(|share| millis(self.quantile(share)));
        let max = millis(Duration::from_nanos(self.max));
        write!(f, "latency p50 {half:.2} ms, p99 {most:.2} ms, p99.9 {nearly_all:.2} ms, max {max:.2} ms")
    }
}

/// Thirty-two places for each power of two.
fn place(nanos: u64) -> usize {
    let top = u64::BITS - nanos.leading_zeros();
    let shift = top.saturating_sub(STEPS + 1);
    ((shift as usize) << STEPS) + (nanos >> shift) as usize
}

/// The longest time of a place.
fn bound(place: usize) -> u64 {
    let shift = (place >> STEPS).saturating_sub(1);
    let first = (place - (shift << STEPS)) as u64;
    (first << shift) | ((1 << shift) - 1)
}

const STEPS: u32 = 5;
const SIZE: usize = 65 << STEPS;
