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
    /// Connections that ended, whoever ended them.
    pub closed: u64,
    /// Connections closed for a frame that RFC 6455 forbids, text that is not UTF-8, or data that cannot be inflated.
    pub protocol_errors: u64,
    /// Connections closed for a message that was too big.
    pub too_big: u64,
    /// Connections closed for an HTTP request that could not be read.
    pub bad_requests: u64,
    /// Connections closed since no request came in time.
    pub handshake_timeouts: u64,
    /// Connections closed for offences in a row (see `Mount::max_offences`).
    pub offenders: u64,
}

impl Stats {
    /// In the text format that Prometheus reads.
    pub fn to_prometheus(&self) -> String {
        let mut out = String::new();
        self.write_prometheus(&mut out);
        out
    }

    pub(crate) fn write_prometheus(&self, out: &mut String) {
        use Kind::{Counter, Gauge};
        write_metrics(
            out,
            &[
                ("connections", Gauge, self.connections as u64, "Connections, whatever their phase."),
                ("topics", Gauge, self.topics as u64, "Topics with at least one subscriber."),
                ("joins", Gauge, self.joins as u64, "Joins and raw subscriptions."),
                ("presences", Gauge, self.presences as u64, "Presences tracked."),
                ("tickets", Gauge, self.tickets as u64, "Deferred answers not given yet."),
                ("opened", Counter, self.opened, "Connections let in."),
                ("refused", Counter, self.refused, "Connections refused: origin, vsn, on_connect."),
                ("closed", Counter, self.closed, "Connections ended."),
                ("received", Counter, self.received, "Messages received."),
                ("delivered", Counter, self.delivered, "Messages handed out, one for each receiver."),
                ("broadcasts", Counter, self.broadcasts, "Broadcasts published."),
                ("refused_joins", Counter, self.refused_joins, "Joins refused."),
                ("unmatched_topics", Counter, self.unmatched_topics, "Messages on topics not joined or not served."),
                ("unmatched_events", Counter, self.unmatched_events, "Events that no handler took."),
                ("stale_join_refs", Counter, self.stale_join_refs, "Messages of an earlier join."),
                ("rate_limited", Counter, self.rate_limited, "Messages beyond a rate limit."),
                ("handler_failures", Counter, self.crashes, "Handlers that failed or panicked."),
                (
                    "binary_passed_over",
                    Counter,
                    self.binary_passed_over,
                    "Binary deliveries that vsn 1 has no form for.",
                ),
                ("undecodable", Counter, self.undecodable, "Connections closed for an undecodable message."),
                ("protocol_errors", Counter, self.protocol_errors, "Connections closed for a forbidden frame."),
                ("too_big", Counter, self.too_big, "Connections closed for a message too big."),
                ("bad_requests", Counter, self.bad_requests, "Connections closed for an unreadable request."),
                ("handshake_timeouts", Counter, self.handshake_timeouts, "Connections closed before a request came."),
                ("offenders", Counter, self.offenders, "Connections closed for offences in a row."),
                ("idle_timeouts", Counter, self.idle_timeouts, "Connections closed for silence."),
                ("expired_tickets", Counter, self.expired_tickets, "Deferred answers that nobody gave in time."),
            ],
        );
    }
}

/// Appends metrics as Prometheus reads them: a help line, a type line and the value of each.
/// Source: prometheus.io, "Exposition formats", text format 0.0.4.
pub(crate) fn write_metrics(out: &mut String, metrics: &[(&str, Kind, u64, &str)]) {
    use std::fmt::Write as _;
    for (name, kind, value, help) in metrics {
        let (suffix, kind) = match kind {
            Kind::Gauge => ("", "gauge"),
            Kind::Counter => ("_total", "counter"),
        };
        // Writing to a String does not fail.
        let _ = write!(out, "# HELP chanson_{name}{suffix} {help}\n# TYPE chanson_{name}{suffix} {kind}\n");
        let _ = writeln!(out, "chanson_{name}{suffix} {value}");
    }
}

/// Whether a number only grows.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Kind {
    Gauge,
    Counter,
}
