//! Waking a thread that waits at a channel and then looks at what is behind a lock.

use crate::sync::{AtomicBool, Ordering};

/// Wakes once for a burst.
pub(crate) struct Bell {
    /// Whether it was rung and nobody has looked yet.
    rung: AtomicBool,
}

impl Bell {
    pub(crate) fn new() -> Self {
        Self { rung: AtomicBool::new(false) }
    }

    /// There is something to look at behind the lock, which is free again. `wake` puts something into the channel, unless that
    /// is full: then there is something to turn for anyway.
    pub(crate) fn ring(&self, wake: impl FnOnce()) {
        if !self.rung.swap(true, Ordering::AcqRel) {
            wake();
        }
    }

    /// Its thread looks now, in every turn: it has the lock, and has taken from the channel what it takes in this turn. Sooner,
    /// and what was put in there for somebody who comes later would be taken; only when it was woken, and a channel that was
    /// full would leave the bell rung for ever.
    pub(crate) fn rise(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}
