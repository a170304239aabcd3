//! What is to happen when: of two things at one moment, first the one that was set first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{ChannelId, PushId};
use crate::time::Instant;

/// What a timer is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    /// The transport has not come up in time.
    Connect,
    /// The next try to connect.
    Reconnect,
    /// The next heartbeat.
    Heartbeat,
    /// The last heartbeat was not answered.
    HeartbeatTimeout,
    /// A join was not answered.
    JoinTimeout(ChannelId),
    /// The next try to join.
    Rejoin(ChannelId),
    /// A push was not answered.
    Push(PushId),
}

/// A timer that is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Timer {
    pub(crate) at: Instant,
    number: u64,
}

/// All timers that are set; each is cleared by who set it, so there are never more than things that wait.
#[derive(Debug)]
pub(crate) struct Timers<D> {
    queue: BTreeMap<Timer, D>,
    count: u64,
}

impl<D> Default for Timers<D> {
    fn default() -> Self {
        Self { queue: BTreeMap::new(), count: 0 }
    }
}

impl<D> Timers<D> {
    /// Sets `slot`'s timer, in place of the one that it may have. Always to a later moment: a thing that is to happen
    /// again and again at once would never let go.
    pub(crate) fn set(&mut self, slot: &mut Option<Timer>, now: Instant, after: Duration, due: D) {
        self.clear(slot);
        self.count += 1;
        let timer = Timer { at: now + after.max(SHORTEST), number: self.count };
        self.queue.insert(timer, due);
        *slot = Some(timer);
    }

    pub(crate) fn clear(&mut self, slot: &mut Option<Timer>) {
        if let Some(timer) = slot.take() {
            self.queue.remove(&timer);
        }
    }

    /// Takes the next that is due. Who set it still has its slot filled, which does no harm.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<D> {
        let first = self.queue.first_entry()?;
        (first.key().at <= now && first.key().at != NEVER).then(|| first.remove())
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first_key_value().map(|(timer, _)| timer.at).filter(|at| *at != NEVER)
    }
}

/// No wait is shorter.
const SHORTEST: Duration = Duration::from_millis(1);

/// The last moment there is: time does not get beyond it.
const NEVER: Instant = Instant::from_nanos(u64::MAX);
