//! What an endpoint has counted.

use crate::state::stats;

/// What an endpoint has done with queues; see [`Endpoint::stats`](super::Endpoint::stats).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// The hub's.
    pub hub: stats::Stats,
    /// Bytes that wait to be sent now, all connections together.
    pub queued_bytes: usize,
    /// Connections closed because they did not read.
    pub slow_consumers: u64,
    /// Messages dropped for connections that did not read.
    pub dropped: u64,
    /// Bytes that came.
    pub bytes_in: u64,
    /// Bytes that have left.
    pub bytes_out: u64,
    /// The most bytes that ever waited to be sent, all connections together.
    pub most_queued_bytes: usize,
    /// The most that ever waited for one connection.
    pub most_queued_bytes_of_one: usize,
    /// With TLS: connections whose handshake is not done.
    pub tls_handshaking: usize,
    /// Handshakes that were done.
    pub tls_handshakes: u64,
    /// Connections that ended, by whomever or whatever, before their handshake was done.
    pub tls_failures: u64,
    /// Messages that were compressed: a broadcast once for all connections that agreed on the same, whether it got shorter or
    /// not.
    pub compressions: u64,
    /// Messages that were queued compressed: one for each receiver.
    pub compressed: u64,
    /// Bytes that these are shorter than what was compressed.
    pub bytes_saved: u64,
}

impl Stats {
    /// Adds what the sessions of another thread have done; what the hub counts is there once. The most that ever waited is the
    /// greater of both, for they need not have waited at the same time.
    pub fn add(&mut self, other: &Self) {
        self.queued_bytes += other.queued_bytes;
        self.slow_consumers += other.slow_consumers;
        self.dropped += other.dropped;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
        self.most_queued_bytes = self.most_queued_bytes.max(other.most_queued_bytes);
        self.most_queued_bytes_of_one = self.most_queued_bytes_of_one.max(other.most_queued_bytes_of_one);
        self.tls_handshaking += other.tls_handshaking;
        self.tls_handshakes += other.tls_handshakes;
        self.tls_failures += other.tls_failures;
        self.compressions += other.compressions;
        self.compressed += other.compressed;
        self.bytes_saved += other.bytes_saved;
    }

    /// In the text format that Prometheus reads, the hub's first.
    pub fn to_prometheus(&self) -> String {
        let mut out = String::new();
        self.write_prometheus(&mut out);
        out
    }

    pub(crate) fn write_prometheus(&self, out: &mut String) {
        use stats::Kind::{Counter, Gauge};
        self.hub.write_prometheus(out);
        stats::write_metrics(
            out,
            &[
                ("queued_bytes", Gauge, self.queued_bytes as u64, "Bytes waiting to be sent."),
                ("most_queued_bytes", Gauge, self.most_queued_bytes as u64, "The most bytes that ever waited."),
                (
                    "most_queued_bytes_of_one",
                    Gauge,
                    self.most_queued_bytes_of_one as u64,
                    "The most bytes that ever waited for one connection.",
                ),
                ("tls_handshaking", Gauge, self.tls_handshaking as u64, "Connections in their TLS handshake."),
                ("tls_handshakes", Counter, self.tls_handshakes, "TLS handshakes done."),
                ("tls_failures", Counter, self.tls_failures, "Connections that ended in their TLS handshake."),
                ("slow_consumers", Counter, self.slow_consumers, "Connections closed since they did not read."),
                ("dropped", Counter, self.dropped, "Messages dropped for connections that did not read."),
                ("bytes_in", Counter, self.bytes_in, "Bytes received."),
                ("bytes_out", Counter, self.bytes_out, "Bytes sent."),
                ("compressions", Counter, self.compressions, "Messages compressed, a broadcast once for many."),
                ("compressed", Counter, self.compressed, "Messages queued compressed, one for each receiver."),
                ("bytes_saved", Counter, self.bytes_saved, "Bytes not sent since messages were compressed."),
            ],
        );
    }
}
