//! What the bots have to tell.

use std::fmt::Write as _;

use chanson_core::time::Instant;

use super::Swarm;
use crate::tally::Tally;

impl Swarm {
    /// How many have joined now.
    pub(crate) const fn joined(&self) -> usize {
        self.joined
    }

    /// Whether all have joined.
    pub(crate) const fn is_complete(&self) -> bool {
        self.joined == self.flags.bots
    }

    pub(crate) const fn ever_connected(&self) -> bool {
        self.ever_connected
    }

    /// What happened since the last line.
    pub(crate) fn line(&mut self) -> String {
        let now = self.clients.now();
        let seconds = (now - self.lately_since).as_secs_f64().max(0.001);
        let mut line = format!("{} connected, {} joined", self.connected, self.joined);
        if self.began.is_some() {
            let (sent, received) = (self.lately.sent as f64 / seconds, self.lately.received as f64 / seconds);
            line += &format!("; {sent:.0}/s sent, {received:.0}/s received; {}", self.lately.latency);
        }
        let troubles: u64 = self.troubles.values().sum();
        if troubles > 0 {
            line += &format!("; {troubles} troubles");
        }
        self.settle();
        line
    }

    /// Adds what happened lately to the sum.
    pub(super) fn settle(&mut self) {
        let lately = std::mem::take(&mut self.lately);
        self.total.add(&lately);
        self.lately_since = self.clients.now();
    }

    /// What happened since they began to chat.
    pub(crate) fn summary(&self) -> String {
        let (began, ended) = self.began.zip(self.ended).unwrap_or_default();
        let seconds = (ended - began).as_secs_f64();
        let rate = |count: u64, until: Instant| count as f64 / (until - began).as_secs_f64().max(0.001);
        let Tally { sent, received, full, refused, latency } = &self.total;
        let mut text = String::new();
        for (what, count) in &self.troubles {
            writeln!(text, "{count} times: {what}").ok();
        }
        let (joined, bots, rooms) = (self.joined, self.flags.bots, self.flags.rooms.min(self.flags.bots));
        write!(text, "{joined} of {bots} bots in {rooms} rooms, {seconds:.1} s: ").ok();
        write!(
            text,
            "sent {sent} ({:.0}/s), received {received} ({:.0}/s), ",
            rate(*sent, ended),
            rate(*received, ended.max(self.last_heard))
        )
        .ok();
        write!(text, "{latency}, {refused} refused, {full} not taken").ok();
        text
    }
}
