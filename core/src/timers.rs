//! When to look at what. The queue is lazy: what moves often (when a peer was last heard) is not in it; an entry says
//! when to *look*, and is put back when it turns out to be too early.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::time::Instant;

#[derive(Debug)]
pub(crate) struct Timers<T> {
    heap: BinaryHeap<Reverse<(Instant, T)>>,
}

impl<T: Ord + Copy> Timers<T> {
    pub(crate) const fn new() -> Self {
        Self { heap: BinaryHeap::new() }
    }

    /// Entries of no use any more stay until they fire; when they may be more than half, `alive` says which to keep, so
    /// the queue stays within about twice what is alive. Amortised O(log n).
    pub(crate) fn push(&mut self, at: Instant, what: T, living: usize, alive: impl Fn(Instant, T) -> bool) {
        if self.heap.len() > 64 + 2 * living {
            self.heap.retain(|Reverse((at, what))| alive(*at, *what));
        }
        self.heap.push(Reverse((at, what)));
    }

    /// The next one that is due, and when it was.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        let Reverse((at, _)) = self.heap.peek()?;
        (*at <= now).then(|| self.heap.pop()).flatten().map(|Reverse(entry)| entry)
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_gone_does_not_pile_up() {
        let mut timers = Timers::new();
        for n in 0..10_000 {
            timers.push(Instant::from_millis(n), n, 1, |_, other| other == n);
        }
        assert!(timers.heap.len() <= 67);
    }

    #[test]
    fn due_ones_come_in_order_of_time() {
        let mut timers = Timers::new();
        for n in [3, 1, 2] {
            timers.push(Instant::from_millis(n), n, 3, |_, _| true);
        }
        let due: Vec<u64> = std::iter::from_fn(|| timers.pop_due(Instant::from_millis(2))).map(|(_, n)| n).collect();
        assert_eq!((due, timers.next()), (vec![1, 2], Some(Instant::from_millis(3))));
    }
}
