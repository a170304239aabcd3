//! Counters.

use crate::endpoint;

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
}
