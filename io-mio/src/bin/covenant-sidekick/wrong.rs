//! Requests with a wrong secret, told of together.

use std::time::Duration;

use chanson_core::time::Instant;

/// What was told of them. Each is not worth a line: who tries many secrets would fill a log with them.
#[derive(Default)]
pub(crate) struct WrongSecrets {
    told: u64,
    /// No sooner is more told.
    next: Instant,
    /// There is more to tell.
    more: bool,
}

impl WrongSecrets {
    /// How many there were since that was told last, if it is time to tell; `count` are all of them.
    pub(crate) fn look(&mut self, now: Instant, count: u64) -> Option<u64> {
        let new = count - self.told;
        self.more = new > 0 && now < self.next;
        if new == 0 || self.more {
            return None;
        }
        (self.told, self.next) = (count, now + PAUSE);
        Some(new)
    }

    /// When to look again.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.more.then_some(self.next)
    }
}

const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_others_together() {
        let (mut wrong, at) = (WrongSecrets::default(), Instant::from_millis);
        assert_eq!((wrong.look(at(5), 0), wrong.poll_timeout()), (None, None));
        assert_eq!((wrong.look(at(10), 1), wrong.poll_timeout()), (Some(1), None));
        assert_eq!((wrong.look(at(20), 3), wrong.poll_timeout()), (None, Some(at(10_010))));
        assert_eq!((wrong.look(at(10_010), 9), wrong.poll_timeout()), (Some(8), None));
        assert_eq!(wrong.look(at(30_000), 9), None);
    }
}
