//! Bounds: how much of everything a hub holds, and how fast a connection may talk.

use crate::time::Instant;

/// How much of everything a hub holds at most.
///
/// These are limits, not reservations: tables grow in steps up to them, and what reaches one is answered by name
/// (`Full`, `{"reason":"too many channels joined"}`, …), never dropped in silence. The default is the small table of
/// the project's documents; [`for_connections`](Self::for_connections) sizes a big server.
///
/// ```
/// use chanson_core::limits::Capacity;
///
/// let capacity = Capacity::for_connections(10_000).with_presences(50_000);
/// assert_eq!(capacity.connections, 10_000);
/// assert_eq!(Capacity::default().topics, 64);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capacity {
    /// Open connections. Default 1024.
    pub connections: usize,
    /// Topics with at least one subscriber, at a time. Default 64.
    pub topics: usize,
    /// Subscribers of one topic. Default 256.
    pub subscribers_per_topic: usize,
    /// Topics that one connection is joined to, at a time. Default 16.
    pub joins_per_connection: usize,
    /// Joins of all connections together. Default 16384, which is both 1024 connections of 16 joins and 64 topics of
    /// 256 subscribers: it refuses nobody whom those let in.
    pub joins: usize,
    /// Presences tracked in all topics together. Default 512.
    pub presences: usize,
    /// Length of a topic in bytes. Default 128.
    pub topic_bytes: usize,
    /// Length of an event's name in bytes. Default 128.
    pub event_bytes: usize,
    /// Length of a `ref` or `join_ref` in bytes. Default 1024.
    pub ref_bytes: usize,
    /// Length of the key that a presence is tracked under, in bytes. Default 256.
    pub presence_key_bytes: usize,
    /// Length of a presence's meta as JSON text, in bytes. Default 16 KiB.
    pub presence_meta_bytes: usize,
    /// Tickets for answers to come, at a time. Default 1024.
    pub tickets: usize,
    /// Tickets for answers to come on one connection, at a time. Default 64.
    pub tickets_per_connection: usize,
    /// Named values kept for one connection (`set_assign`). Default 32.
    pub assigns_per_connection: usize,
    /// Events kept while the join they are for waits for its answer. Default 16. Those of one connection, all its joins
    /// together, have at most [`queued_bytes_per_connection`](Self::queued_bytes_per_connection) (the first may have more).
    pub pending_events_per_join: usize,
    /// Bytes waiting to be sent to one connection. Default 1 MiB. A frame is always taken into an empty queue,
    /// whatever its length. What is said at once may be more, as long as the transport takes it without delay: an `Endpoint`
    /// holds back what comes near this, until the transport has had its turn.
    pub queued_bytes_per_connection: usize,
    /// Bytes waiting to be sent, over all connections; above it the largest queue counts as a slow consumer. Default
    /// 256 MiB.
    pub queued_bytes: usize,
    /// Commands from other threads (`Handle`) that wait to be carried out. Default 1024.
    pub commands: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            connections: 1024,
            topics: 64,
            subscribers_per_topic: 256,
            joins_per_connection: 16,
            joins: 16_384,
            presences: 512,
            topic_bytes: 128,
            event_bytes: 128,
            ref_bytes: 1024,
            presence_key_bytes: 256,
            presence_meta_bytes: 16 << 10,
            tickets: 1024,
            tickets_per_connection: 64,
            assigns_per_connection: 32,
            pending_events_per_join: 16,
            queued_bytes_per_connection: 1 << 20,
            queued_bytes: 256 << 20,
            commands: 1024,
        }
    }
}

impl Capacity {
    /// Bounds for a server of `n` connections: all of them may be in one topic, each joins up to 100 topics, and
    /// together they have 4 `n` topics and joins, 2 `n` presences and `n` tickets, but nowhere less than the default.
    /// Topics and events may have 1024 bytes. Everything else is as by default.
    pub fn for_connections(n: usize) -> Self {
        let small = Self::default();
        Self {
            connections: n,
            topics: small.topics.max(n.saturating_mul(4)),
            subscribers_per_topic: small.subscribers_per_topic.max(n),
            joins_per_connection: 100,
            joins: small.joins.max(n.saturating_mul(4)),
            presences: small.presences.max(n.saturating_mul(2)),
            topic_bytes: 1024,
            event_bytes: 1024,
            tickets: small.tickets.max(n),
            ..small
        }
    }
}

/// A setter for each field.
macro_rules! setters {
    ($($with:ident $field:ident)*) => {
        impl Capacity {$(
            #[doc = concat!("The same with another [`", stringify!($field), "`](Self#structfield.", stringify!($field), ").")]
            #[must_use]
            pub const fn $with(mut self, $field: usize) -> Self {
                self.$field = $field;
                self
            }
        )*}
    };
}

setters! {
    with_connections connections
    with_topics topics
    with_subscribers_per_topic subscribers_per_topic
    with_joins_per_connection joins_per_connection
    with_joins joins
    with_presences presences
    with_topic_bytes topic_bytes
    with_event_bytes event_bytes
    with_ref_bytes ref_bytes
    with_presence_key_bytes presence_key_bytes
    with_presence_meta_bytes presence_meta_bytes
    with_tickets tickets
    with_tickets_per_connection tickets_per_connection
    with_assigns_per_connection assigns_per_connection
    with_pending_events_per_join pending_events_per_join
    with_queued_bytes_per_connection queued_bytes_per_connection
    with_queued_bytes queued_bytes
    with_commands commands
}

/// How fast a connection may send: `burst` messages at once, then `per_second` on average.
///
/// ```
/// use chanson_core::limits::{RateAction, RateLimit};
///
/// let limit = RateLimit { burst: 20, per_second: 5, action: RateAction::Disconnect };
/// # assert_eq!(limit.burst, 20);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Messages that may come at once after a silence. With 0 nothing passes.
    pub burst: u32,
    /// Messages per second in the long run. With 0 a connection has its burst and never more.
    pub per_second: u32,
    /// What happens to a message beyond that.
    pub action: RateAction,
}

/// What happens to a message beyond the [`RateLimit`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RateAction {
    /// It reaches no handler. The answer is `{"reason":"rate_limited"}` (zzz transcript `rate_limit_drop`); on a raw mount
    /// there is none, and `Stats::rate_limited` alone tells of it.
    Drop,
    /// The connection is closed (1008).
    Disconnect,
}

/// How much of its [`RateLimit`] a connection has used up.
///
/// A token bucket upside down: it holds the time for which the connection has talked ahead of its rate. That is the
/// generic cell rate algorithm (ITU-T I.371) as a continuous-state leaky bucket: whole numbers, no timer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Bucket {
    /// The latest moment seen: time that goes backwards stands still.
    last: Instant,
    /// Nanoseconds ahead at that moment; at most `burst` × 10⁹, so it never overflows.
    ahead: u64,
}

impl Bucket {
    /// A connection that has sent nothing yet.
    pub(crate) const fn new() -> Self {
        Self { last: Instant::ORIGIN, ahead: 0 }
    }

    /// Whether one more message may pass `now`; counts it if so.
    pub(crate) fn take(&mut self, now: Instant, limit: &RateLimit) -> bool {
        let (cost, passed) = match limit.per_second {
            0 => (1, 0),
            rate => (NANOS_PER_SECOND / u64::from(rate), now.as_nanos().saturating_sub(self.last.as_nanos())),
        };
        self.last = self.last.max(now);
        self.ahead = self.ahead.saturating_sub(passed);
        let fits = limit.burst.checked_sub(1).is_some_and(|rest| self.ahead <= u64::from(rest) * cost);
        if fits {
            self.ahead += cost;
        }
        fits
    }
}

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_those_documented() {
        let c = Capacity::default();
        assert_eq!((c.connections, c.topics, c.subscribers_per_topic), (1024, 64, 256));
        assert_eq!((c.joins_per_connection, c.joins, c.presences), (16, 16_384, 512));
        assert_eq!((c.joins, c.joins), (c.connections * c.joins_per_connection, c.topics * c.subscribers_per_topic));
        assert_eq!((c.topic_bytes, c.event_bytes, c.ref_bytes), (128, 128, 1024));
        assert_eq!((c.presence_key_bytes, c.presence_meta_bytes), (256, 16_384));
        assert_eq!((c.tickets, c.assigns_per_connection, c.pending_events_per_join), (1024, 32, 16));
        assert_eq!(c.tickets_per_connection, 64);
        assert_eq!((c.queued_bytes_per_connection, c.queued_bytes, c.commands), (1_048_576, 268_435_456, 1024));
    }

    #[test]
    fn big_servers_get_more_and_small_ones_no_less() {
        let c = Capacity::for_connections(100_000);
        assert_eq!((c.connections, c.subscribers_per_topic), (100_000, 100_000));
        assert_eq!((c.topics, c.joins, c.joins_per_connection), (400_000, 400_000, 100));
        assert_eq!((c.presences, c.tickets), (200_000, 100_000));
        assert_eq!((c.topic_bytes, c.event_bytes), (1024, 1024));

        let expected = Capacity::default().with_joins_per_connection(100).with_topic_bytes(1024).with_event_bytes(1024);
        assert_eq!(Capacity::for_connections(1), expected.clone().with_connections(1).with_topics(64));
        assert_eq!(Capacity::for_connections(0), expected.with_connections(0));
        assert_eq!(Capacity::for_connections(usize::MAX).joins, usize::MAX);
    }

    #[test]
    fn setters_set_their_own_field() {
        let c = Capacity::default()
            .with_connections(1)
            .with_topics(2)
            .with_subscribers_per_topic(3)
            .with_joins_per_connection(4)
            .with_joins(5)
            .with_presences(6)
            .with_topic_bytes(7)
            .with_event_bytes(8)
            .with_ref_bytes(9)
            .with_presence_key_bytes(10)
            .with_presence_meta_bytes(11)
            .with_tickets(12)
            .with_tickets_per_connection(18)
            .with_assigns_per_connection(13)
            .with_pending_events_per_join(14)
            .with_queued_bytes_per_connection(15)
            .with_queued_bytes(16)
            .with_commands(17);
        assert_eq!((c.connections, c.topics, c.subscribers_per_topic), (1, 2, 3));
        assert_eq!((c.joins_per_connection, c.joins, c.presences), (4, 5, 6));
        assert_eq!((c.topic_bytes, c.event_bytes, c.ref_bytes), (7, 8, 9));
        assert_eq!((c.presence_key_bytes, c.presence_meta_bytes, c.tickets), (10, 11, 12));
        assert_eq!(c.tickets_per_connection, 18);
        assert_eq!((c.assigns_per_connection, c.pending_events_per_join), (13, 14));
        assert_eq!((c.queued_bytes_per_connection, c.queued_bytes, c.commands), (15, 16, 17));
    }

    fn passed(bucket: &mut Bucket, now: Instant, limit: &RateLimit, tries: usize) -> usize {
        (0..tries).filter(|_| bucket.take(now, limit)).count()
    }

    fn limit(burst: u32, per_second: u32) -> RateLimit {
        RateLimit { burst, per_second, action: RateAction::Drop }
    }

    #[test]
    fn five_pass_then_one_a_second() {
        let (mut bucket, limit) = (Bucket::new(), limit(5, 1));
        let at = |millis: u64| Instant::from_millis(500_000 + millis);
        assert_eq!(passed(&mut bucket, at(0), &limit, 6), 5);
        assert_eq!(passed(&mut bucket, at(999), &limit, 3), 0);
        assert_eq!(passed(&mut bucket, at(1000), &limit, 3), 1);
        assert_eq!(passed(&mut bucket, at(3500), &limit, 9), 2);
        assert_eq!(passed(&mut bucket, at(60_000), &limit, 9), 5, "never more than the burst");
    }

    #[test]
    fn a_whole_rate_passes_each_second() {
        for rate in [1, 2, 3, 7, 60, 999, 1_000_003] {
            let (mut bucket, limit) = (Bucket::new(), limit(rate.min(1000), rate));
            for second in 0..5 {
                let count = passed(&mut bucket, Instant::from_millis(1000 * second), &limit, 2000);
                assert_eq!(count, limit.burst as usize, "{rate} per second, second {second}");
            }
        }
    }

    #[test]
    fn time_that_goes_backwards_stands_still() {
        let (mut bucket, limit) = (Bucket::new(), limit(3, 1));
        assert!(bucket.take(Instant::from_millis(10_000), &limit));
        assert_eq!(passed(&mut bucket, Instant::ORIGIN, &limit, 9), 2, "what was left is left");
        assert_eq!(passed(&mut bucket, Instant::from_millis(10_000), &limit, 9), 0, "nothing was gained");
        assert_eq!(passed(&mut bucket, Instant::from_millis(11_000), &limit, 9), 1);
    }

    #[test]
    fn extremes_do_what_they_say() {
        let ends = [Instant::ORIGIN, Instant::from_millis(1), Instant::from_nanos(u64::MAX)];
        let mut bucket = Bucket::new();
        assert_eq!(ends.map(|now| passed(&mut bucket, now, &limit(0, u32::MAX), 9)), [0, 0, 0]);
        assert_eq!(ends.map(|now| passed(&mut bucket, now, &limit(0, 0), 9)), [0, 0, 0]);
        assert_eq!(ends.map(|now| passed(&mut bucket, now, &limit(3, 0), 9)), [3, 0, 0]);
        let mut bucket = Bucket::new();
        assert_eq!(ends.map(|now| passed(&mut bucket, now, &limit(1, 1), 9)), [1, 0, 1]);
        let mut bucket = Bucket::new();
        assert_eq!(ends.map(|now| passed(&mut bucket, now, &limit(u32::MAX, 1), 9)), [9, 9, 9]);
        assert_eq!(passed(&mut bucket, Instant::ORIGIN, &limit(u32::MAX, u32::MAX), 9), 0, "a limit grown stricter");
        let mut bucket = Bucket::new();
        assert_eq!(ends.map(|now| passed(&mut bucket, now, &limit(u32::MAX, u32::MAX), 9)), [9, 9, 9]);
    }

    #[test]
    fn a_connection_pays_sixteen_bytes() {
        assert_eq!(size_of::<Bucket>(), 16);
    }
}
