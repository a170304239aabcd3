//! Counters.

/// What a hub has seen and done, and what it holds now. A snapshot; counters start at nought and only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Connections now, whatever their phase.
    pub connections: usize,
    /// Topics now.
    pub topics: usize,
    /// Joins and raw subscriptions now.
    pub joins: usize,
    /// Presences now.
    pub presences: usize,
    /// Unanswered tickets now.
    pub tickets: usize,
    /// Connections that were let in.
    pub opened: u64,
    /// Connections that were refused (403: origin, `vsn`, `on_connect`).
    pub refused: u64,
    /// Messages that came.
    pub received: u64,
    /// Messages handed out: one for each receiver.
    pub delivered: u64,
    /// Broadcasts published.
    pub broadcasts: u64,
    /// Joins that were refused, by a handler or by a bound.
    pub refused_joins: u64,
    /// Messages on topics that are not joined, and joins of topics that no channel serves.
    pub unmatched_topics: u64,
    /// Events that no handler took.
    pub unmatched_events: u64,
    /// Messages ignored since their `join_ref` was not the current one.
    pub stale_join_refs: u64,
    /// Messages refused by a rate limit.
    pub rate_limited: u64,
    /// Handlers that failed: returned an error or panicked.
    pub crashes: u64,
    /// Deliveries of binary broadcasts not made since the subscriber's `vsn` 1 has no form for them.
    pub binary_passed_over: u64,
    /// Connections closed for a message that could not be decoded.
    pub undecodable: u64,
    /// Connections closed for silence.
    pub idle_timeouts: u64,
    /// Tickets that nobody answered in time.
    pub expired_tickets: u64,
}
