//! Counters for a program that collects them: the text format of Prometheus, over HTTP.

use super::Hub;
use crate::http::{Request, Response};
use crate::state::stats::Stats;

/// Where the metrics are, and who writes them.
pub(super) struct Metrics {
    pub(super) path: Box<str>,
    /// Writes more than the hub's own.
    pub(super) write: Option<Box<Writer>>,
}

type Writer = dyn Fn(&Stats) -> String + Send + Sync;

impl Metrics {
    /// The answer, if that is what is asked for.
    pub(super) fn answer(&self, stats: &Stats, request: &Request<'_>) -> Option<Response> {
        if request.path() != &*self.path || !matches!(request.method(), "GET" | "HEAD") {
            return None;
        }
        let text = self.write.as_ref().map_or_else(|| stats.to_prometheus(), |write| write(stats));
        Some(
            Response::new(200)
                .body("text/plain; version=0.0.4; charset=utf-8", text)
                .expect("a fixed type is a valid one"),
        )
    }
}

impl<S> Hub<S> {
    /// Has `write` make the text of `Builder::metrics` from the hub's counters: for drivers, which have counters of their own.
    /// Nothing happens unless there is a path for it.
    pub fn set_metrics_writer(&mut self, write: impl Fn(&Stats) -> String + Send + Sync + 'static) {
        if let Some(metrics) = &mut self.metrics {
            metrics.write = Some(Box::new(write));
        }
    }
}
