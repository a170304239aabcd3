//! Counters.

use std::time::Duration;

use crate::endpoint;
use crate::state::stats::{Kind, write_metrics};

/// What a server has seen and done, and what it holds now. Counters start at nought and only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Those of the hub and of the queues.
    pub endpoint: endpoint::Stats,
    /// Connections that were accepted.
    pub accepted: u64,
    /// Connections answered 503, since there were as many as `Capacity::connections`.
    pub turned_away: u64,
    /// Connections that could not be accepted: no file descriptor was left, say.
    pub accept_failures: u64,
    /// Commands of handles that were carried out.
    pub commands: u64,
    /// Commands among them that came to nothing: the ticket was dead, the connection gone.
    pub failed_commands: u64,
    /// Turns of the loop; with several threads, of all their loops.
    pub turns: u64,
    /// How long they took, without waiting for something to happen, all together.
    pub busy: Duration,
    /// How long the longest of them took.
    pub longest_turn: Duration,
}

impl Stats {
    /// In the text format that Prometheus reads: all counters and gauges, names beginning with `chanson_`.
    ///
    /// ```
    /// let text = chanson_core::driver::Stats::default().to_prometheus();
    /// assert!(text.contains("# TYPE chanson_connections gauge\nchanson_connections 0\n"));
    /// ```
    pub fn to_prometheus(&self) -> String {
        let mut out = String::new();
        self.endpoint.write_prometheus(&mut out);
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        write_metrics(
            &mut out,
            &[
                ("accepted", Kind::Counter, self.accepted, "Connections accepted."),
                ("turned_away", Kind::Counter, self.turned_away, "Connections answered 503."),
                ("accept_failures", Kind::Counter, self.accept_failures, "Connections that could not be accepted."),
                ("commands", Kind::Counter, self.commands, "Commands of handles carried out."),
                ("failed_commands", Kind::Counter, self.failed_commands, "Commands that came to nothing."),
                ("turns", Kind::Counter, self.turns, "Turns of the loop."),
                ("busy_microseconds", Kind::Counter, micros(self.busy), "Time that turns took, without waiting."),
                ("longest_turn_microseconds", Kind::Gauge, micros(self.longest_turn), "The longest turn."),
            ],
        );
        out
    }

    /// Adds what another thread of the same server has done.
    pub fn add(&mut self, other: &Self) {
        self.endpoint.add(&other.endpoint);
        self.accepted += other.accepted;
        self.turned_away += other.turned_away;
        self.accept_failures += other.accept_failures;
        self.commands += other.commands;
        self.failed_commands += other.failed_commands;
        self.turns += other.turns;
        self.busy += other.busy;
        self.longest_turn = self.longest_turn.max(other.longest_turn);
    }

    /// A turn of the loop has taken so long.
    pub fn count_turn(&mut self, took: Duration) {
        self.turns += 1;
        self.busy += took;
        self.longest_turn = self.longest_turn.max(took);
    }
}
