//! What waits to be sent, all sessions together, and how near that is to its bounds.

/// What waits for one connection.
#[derive(Default)]
pub(super) struct Waiting {
    /// So many bytes, as was counted last.
    pub(super) queued: usize,
    /// What of it the transport has been told of and has not taken.
    offered: usize,
}

/// What waits for all of them.
pub(super) struct Load {
    pub(super) of_one: Bound,
    pub(super) of_all: Bound,
    pub(super) queued: usize,
    /// What of it transports have been told of and have not taken.
    offered: usize,
    /// The most that ever waited, in all and for one.
    pub(super) most_queued: usize,
    pub(super) most_queued_of_one: usize,
}

/// How much may wait.
pub(super) struct Bound {
    pub(super) max: usize,
    /// What is near it.
    near: usize,
    /// And a part of it large enough for the transport to be asked first.
    part: usize,
}

impl Load {
    pub(super) const fn new(max_of_one: usize, max_of_all: usize) -> Self {
        Self {
            of_one: Bound::new(max_of_one),
            of_all: Bound::new(max_of_all),
            queued: 0,
            offered: 0,
            most_queued: 0,
            most_queued_of_one: 0,
        }
    }

    /// Something was queued for a connection, for which `queued` wait now. Whether the bound of it, or of all, is near by what has
    /// come since the transport was told of anything.
    #[inline]
    pub(super) fn grow(&mut self, one: &mut Waiting, queued: usize) -> bool {
        self.count(one, queued);
        self.most_queued = self.most_queued.max(self.queued);
        self.most_queued_of_one = self.most_queued_of_one.max(queued);
        self.of_one.is_near(one.queued, one.offered) || self.of_all.is_near(self.queued, self.offered)
    }

    /// Something has left, or was dropped.
    #[inline]
    pub(super) fn shrink(&mut self, one: &mut Waiting, queued: usize) {
        self.count(one, queued);
        self.offer_up_to(one, one.offered.min(queued));
    }

    /// The transport is told of all that waits for it.
    #[inline]
    pub(super) const fn offer(&mut self, one: &mut Waiting) {
        self.offer_up_to(one, one.queued);
    }

    /// The connection is gone.
    pub(super) fn forget(&mut self, one: &mut Waiting) {
        self.shrink(one, 0);
    }

    const fn count(&mut self, one: &mut Waiting, queued: usize) {
        self.queued = self.queued - one.queued + queued;
        one.queued = queued;
    }

    const fn offer_up_to(&mut self, one: &mut Waiting, bytes: usize) {
        self.offered = self.offered - one.offered + bytes;
        one.offered = bytes;
    }

    /// So many bytes may be queued for so many connections at a time without a look at how near the bounds are.
    pub(super) fn portion(&self, receivers: usize) -> usize {
        portion(self.of_one.max, self.of_all.max, receivers)
    }
}

/// The same where those are the bounds of one and of all.
pub(super) fn portion(of_one: usize, of_all: usize, receivers: usize) -> usize {
    PORTION.min(of_one / 8).min(of_all / 8 / receivers.max(1))
}

impl Bound {
    const fn new(max: usize) -> Self {
        Self { max, near: max - max / 4, part: max / 4 }
    }

    /// Whether what waits may be more than the bound with one portion or two on top, though the transport has not been told of a
    /// quarter of it.
    #[inline]
    const fn is_near(&self, queued: usize, offered: usize) -> bool {
        queued >= self.near && queued - offered >= self.part
    }
}

/// So many bytes are queued at a time where the bounds are not small. All that a connection says in a turn of the event loop (80
/// KiB) is one portion; what a peer that does not read is owed is dropped by whole portions once part of one has left.
const PORTION: usize = 128 << 10;
