//! When to look at what. The queue is lazy: what moves often (when a peer was last heard) is not in it; an entry says
//! when to *look*, and is put back when it turns out to be too early.
//!
//! It is a timing wheel of several levels: what is far ahead lies in coarse slots, unordered, and moves to finer ones as
//! its time comes; only what is due in one millisecond is sorted. So an entry costs among twenty thousand what it costs
//! among ten.

mod wheel;

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use self::wheel::Wheel;
use crate::time::Instant;

/// Entries in the order of their time, those of one moment in their own order.
#[derive(Debug)]
pub(crate) struct Timers<T> {
    /// When the first of all is due: asked for in each turn.
    next: Option<Instant>,
    /// What the wheel has reached, all of one tick: in order, the first one last.
    reached: Vec<(Instant, T)>,
    /// What was pushed for a tick that had been reached, or is past.
    late: BinaryHeap<Reverse<(Instant, T)>>,
    /// Everything else, which is later than these two.
    wheel: Wheel<T>,
}

impl<T: Ord + Copy> Timers<T> {
    /// None at all; takes no memory until there is one.
    pub(crate) const fn new() -> Self {
        Self { next: None, reached: Vec::new(), late: BinaryHeap::new(), wheel: Wheel::new() }
    }

    /// Entries of no use any more stay until they fire; when they may be more than half, `alive` says which to keep, so
    /// the queue stays within about twice what is alive. Amortised O(1); the logarithm for what is late.
    pub(crate) fn push(&mut self, at: Instant, what: T, living: usize, alive: impl Fn(Instant, T) -> bool) {
        if self.len() > 64 + 2 * living {
            self.sweep(alive);
        }
        if !self.wheel.insert(at, what) {
            self.late.push(Reverse((at, what)));
        }
        if self.next.is_none_or(|next| at < next) {
            self.next = Some(at);
        }
    }

    /// The next one that is due, and when it was. Amortised O(1), plus the logarithm of how many there are in its
    /// millisecond, which is not seen when they were pushed in order.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, T)> {
        if self.next? > now {
            return None;
        }
        let entry = self.pop();
        self.next = self.first();
        entry
    }

    /// When the next one is due. O(1).
    pub(crate) const fn next(&self) -> Option<Instant> {
        self.next
    }

    /// Drops what is not `alive`.
    #[cold]
    fn sweep(&mut self, alive: impl Fn(Instant, T) -> bool) {
        self.reached.retain(|(at, what)| alive(*at, *what));
        self.late.retain(|Reverse((at, what))| alive(*at, *what));
        self.wheel.retain(alive);
        self.next = self.first();
    }

    fn pop(&mut self) -> Option<(Instant, T)> {
        if self.reached.is_empty() && self.late.is_empty() {
            let first = self.wheel.pop(|at, what| self.reached.push((at, what)))?;
            if self.reached.is_empty() {
                return Some(first);
            }
            self.reached.push(first);
            self.reached.sort_unstable_by_key(|entry| Reverse(*entry));
        }
        match self.late.peek() {
            Some(Reverse(late)) if self.reached.last().is_none_or(|reached| late < reached) => {
                self.late.pop().map(|Reverse(entry)| entry)
            }
            _ => self.reached.pop(),
        }
    }

    fn first(&self) -> Option<Instant> {
        match (self.reached.last(), self.late.peek()) {
            (None, None) => self.wheel.first(),
            (reached, late) => reached.into_iter().chain(late.map(|Reverse(entry)| entry)).map(|(at, _)| *at).min(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.reached.len() + self.late.len() + self.wheel.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn timers_at(times: impl IntoIterator<Item = u64>) -> Timers<usize> {
        let mut timers = Timers::new();
        for (n, at) in times.into_iter().enumerate() {
            timers.push(Instant::from_nanos(at), n, usize::MAX / 4, |_, _| true);
        }
        timers
    }

    fn due<T: Ord + Copy>(timers: &mut Timers<T>, now: u64) -> Vec<(u64, T)> {
        let due = std::iter::from_fn(|| timers.pop_due(Instant::from_nanos(now)));
        due.map(|(at, what)| (at.as_nanos(), what)).collect()
    }

    #[test]
    fn what_has_gone_does_not_pile_up() {
        let mut timers = Timers::new();
        for n in 0..10_000 {
            timers.push(Instant::from_millis(n), n, 1, |_, other| other == n);
        }
        assert!(timers.len() <= 67);
    }

    #[test]
    fn what_has_gone_is_waited_for_no_more() {
        // Some are reached with the first, some are late, the others ahead.
        let mut timers = timers_at((0..70).map(|n| if n < 30 { MINUTE } else { n * MINUTE }));
        assert_eq!(timers.pop_due(Instant::from_nanos(MINUTE)), Some((Instant::from_nanos(MINUTE), 0)));
        timers.push(Instant::ORIGIN, 70, 35, |_, _| true);
        timers.push(Instant::from_nanos(90 * MINUTE), 71, 1, |_, n| n == 69);
        assert_eq!((timers.next(), timers.len()), (Some(Instant::from_nanos(69 * MINUTE)), 2));
        assert_eq!(due(&mut timers, u64::MAX), [(69 * MINUTE, 69), (90 * MINUTE, 71)]);
    }

    #[test]
    fn due_ones_come_in_order_of_time() {
        let mut timers = timers_at([3, 1, 2].map(|ms| ms * MS));
        assert_eq!(due(&mut timers, 2 * MS), [(MS, 1), (2 * MS, 2)]);
        assert_eq!((due(&mut timers, 3 * MS - 1), timers.next()), (vec![], Some(Instant::from_millis(3))));
    }

    #[test]
    fn those_of_one_moment_come_in_their_own_order() {
        let mut timers = Timers::new();
        let at = Instant::from_millis(60_000);
        for n in 0..1000_usize {
            timers.push(at, n * 7 % 1000, 1000, |_, _| true);
        }
        assert_eq!(due(&mut timers, at.as_nanos()), (0..1000).map(|n| (at.as_nanos(), n)).collect::<Vec<_>>());
    }

    #[test]
    fn every_moment_from_the_first_to_the_last_can_be_set() {
        let mut times = vec![0, u64::MAX - 1, u64::MAX];
        times.extend((0..64).flat_map(|bit| [(1 << bit) - 1, 1 << bit, (1 << bit) + 1]));
        let mut timers = timers_at(times.iter().rev().copied());
        times.sort_unstable();
        for at in times {
            assert_eq!(timers.next(), Some(Instant::from_nanos(at)));
            assert!(at == 0 || timers.pop_due(Instant::from_nanos(at - 1)).is_none());
            assert_eq!(timers.pop_due(Instant::from_nanos(at)).map(|(at, _)| at), Some(Instant::from_nanos(at)));
        }
        assert_eq!((timers.next(), timers.len()), (None, 0));
    }

    #[test]
    fn what_is_set_too_late_comes_first() {
        let mut timers = timers_at([5 * MINUTE, u64::MAX]);
        assert_eq!(due(&mut timers, 100 * MINUTE), [(5 * MINUTE, 0)]);
        for at in [5 * MINUTE, 3 * MINUTE, 0, 200 * MINUTE, 4 * MINUTE] {
            timers.push(Instant::from_nanos(at), 9, 9, |_, _| true);
        }
        let late = [0, 3 * MINUTE, 4 * MINUTE, 5 * MINUTE].map(|at| (at, 9));
        assert_eq!(due(&mut timers, 100 * MINUTE), late);
        assert_eq!(due(&mut timers, u64::MAX), [(200 * MINUTE, 9), (u64::MAX, 1)]);
    }

    #[test]
    fn nothing_takes_no_memory_and_much_not_much_more_than_itself() {
        assert_eq!(Timers::<usize>::new().wheel.allocated(), 0);
        let mut timers = Timers::new();
        let mut now = 0;
        for n in 0..100_000 {
            now = n * 3 * MS;
            timers.push(Instant::from_nanos(now + MINUTE), n, 20_000, |_, _| true);
            due(&mut timers, now);
        }
        // A minute's worth of them waits at any time: their nodes are used again, and three levels of the wheel.
        assert!(timers.wheel.allocated() < 32 * 1024 * size_of::<(u64, u64, u64)>() + 3 * 5000);
        assert_eq!(due(&mut timers, now + MINUTE).len(), 20_000);
    }

    #[derive(Clone, Copy, Debug)]
    enum Act {
        /// So much later, with an entry of this kind.
        Push(u64, u8),
        /// At any moment.
        PushAt(u64, u8),
        /// So much earlier.
        PushLate(u64, u8),
        /// As the last one.
        PushAgain(u8),
        /// So much time passes, and at most so many are taken.
        Pass(u64, usize),
    }

    fn act() -> impl Strategy<Value = Act> {
        let span = prop_oneof![0..10_u64, 0..10 * MS, 0..2 * MINUTE, (0..64_u32).prop_map(|bit| 1 << bit)];
        let time = prop_oneof![any::<u64>(), (0..64_u32, 0..3_u64).prop_map(|(bit, n)| (1_u64 << bit) - 1 + n)];
        prop_oneof![
            16 => (span.clone(), any::<u8>()).prop_map(|(after, what)| Act::Push(after, what)),
            1 => (time, any::<u8>()).prop_map(|(at, what)| Act::PushAt(at, what)),
            1 => (span.clone(), any::<u8>()).prop_map(|(before, what)| Act::PushLate(before, what)),
            2 => any::<u8>().prop_map(Act::PushAgain),
            // Long jumps are rare, or nothing would ever be waiting.
            3 => (0..10 * MS, 0..20_usize).prop_map(|(by, most)| Act::Pass(by, most)),
            1 => (0..MINUTE, 0..200_usize).prop_map(|(by, most)| Act::Pass(by, most)),
            1 => (span, 0..3_usize).prop_map(|(by, most)| Act::Pass(by / 4, most)),
        ]
    }

    proptest! {
        /// A heap that holds all of it says what is right.
        #[test]
        fn it_does_what_a_heap_does(acts in prop::collection::vec(act(), 0..400), kinds in 0..9_u8) {
            let (mut timers, mut heap) = (Timers::new(), BinaryHeap::new());
            let (mut now, mut last) = (0_u64, 0_u64);
            let alive = |what: u8| what % 8 < kinds;
            for act in acts {
                let (at, what) = match act {
                    Act::Push(after, what) => (now.saturating_add(after), what),
                    Act::PushAt(at, what) => (at, what),
                    Act::PushLate(before, what) => (now.saturating_sub(before), what),
                    Act::PushAgain(what) => (last, what),
                    Act::Pass(by, most) => {
                        now = now.saturating_add(by);
                        for _ in 0..most {
                            let at = Instant::from_nanos(now);
                            let expected = heap.peek().filter(|Reverse((first, _))| *first <= at).copied();
                            prop_assert_eq!(timers.pop_due(at), expected.map(|Reverse(entry)| entry));
                            if expected.is_none() {
                                break;
                            }
                            heap.pop();
                        }
                        prop_assert_eq!(timers.next(), heap.peek().map(|Reverse((at, _))| *at));
                        continue;
                    }
                };
                last = at;
                let living = heap.iter().filter(|Reverse((_, what))| alive(*what)).count();
                if heap.len() > 64 + 2 * living {
                    heap.retain(|Reverse((_, what))| alive(*what));
                }
                heap.push(Reverse((Instant::from_nanos(at), what)));
                timers.push(Instant::from_nanos(at), what, living, |_, what| alive(what));
                prop_assert_eq!(timers.next(), heap.peek().map(|Reverse((at, _))| *at));
                prop_assert_eq!(timers.len(), heap.len());
            }
            let rest: Vec<_> = std::iter::from_fn(|| timers.pop_due(Instant::from_nanos(u64::MAX))).collect();
            let expected: Vec<_> = std::iter::from_fn(|| heap.pop()).map(|Reverse(entry)| entry).collect();
            prop_assert_eq!(rest, expected);
        }
    }

    const MS: u64 = 1_000_000;
    const MINUTE: u64 = 60_000 * MS;
}
