//! Counters and gauges.

use chanson_core::endpoint;

use crate::app::{Core, Level};
#[cfg(feature = "server")]
use crate::code::Refusal;
use crate::code::chanson_code;
use crate::command::command;
use crate::config::write_sized;
use crate::hub::chanson_hub;

/// What a hub, an endpoint or a server has seen and done, and what it holds now. Set `size` to `sizeof(chanson_stats)`; the
/// rest is written by the library. Counters start at 0 and only grow. What only endpoints or servers count is 0 for others.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct chanson_stats {
    /// `sizeof(chanson_stats)`.
    pub size: usize,
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
    /// Endpoint: bytes that wait to be sent now, all connections together.
    pub queued_bytes: usize,
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
    /// Joins that were refused, by a callback or by a bound.
    pub refused_joins: u64,
    /// Messages on topics that are not joined, and joins of topics that no channel serves.
    pub unmatched_topics: u64,
    /// Events that no callback took.
    pub unmatched_events: u64,
    /// Messages ignored since their `join_ref` was not the current one.
    pub stale_join_refs: u64,
    /// Messages refused by a rate limit.
    pub rate_limited: u64,
    /// Callbacks that failed: gave `CHANSON_FAIL` or `CHANSON_CRASH`.
    pub crashes: u64,
    /// Deliveries of binary broadcasts not made since the subscriber's `vsn` 1 has no form for them.
    pub binary_passed_over: u64,
    /// Connections closed for a message that could not be decoded.
    pub undecodable: u64,
    /// Connections closed for silence.
    pub idle_timeouts: u64,
    /// Tickets that nobody answered in time.
    pub expired_tickets: u64,
    /// Endpoint: connections closed because they did not read.
    pub slow_consumers: u64,
    /// Endpoint: messages dropped for connections that did not read.
    pub dropped: u64,
    /// Server: connections that were accepted.
    pub accepted: u64,
    /// Server: connections answered 503, since there were as many as `connections` of the config.
    pub turned_away: u64,
    /// Server: connections that could not be accepted: no file descriptor was left, say.
    pub accept_failures: u64,
    /// Server: commands of remotes that were carried out.
    pub commands: u64,
    /// Server: commands among them that came to nothing: the ticket was dead, the connection gone.
    pub failed_commands: u64,
    /// Connections that ended, whoever ended them.
    pub closed: u64,
    /// Connections closed for a frame that RFC 6455 forbids, or text that is not UTF-8.
    pub protocol_errors: u64,
    /// Connections closed for a message that was too big.
    pub too_big: u64,
    /// Connections closed for an HTTP request that could not be read.
    pub bad_requests: u64,
    /// Connections closed since no request came in time.
    pub handshake_timeouts: u64,
    /// Connections closed for offences in a row.
    pub offenders: u64,
    /// Endpoint: bytes that came.
    pub bytes_in: u64,
    /// Endpoint: bytes that have left.
    pub bytes_out: u64,
    /// Endpoint: the most bytes that ever waited to be sent, all connections together.
    pub most_queued_bytes: usize,
    /// Endpoint: the most that ever waited for one connection.
    pub most_queued_bytes_of_one: usize,
    /// Endpoint: messages that were compressed; a broadcast counts once.
    pub compressions: u64,
    /// Endpoint: bytes that compression saved, over all receivers.
    pub bytes_saved: u64,
    /// Server: turns of the loop.
    pub turns: u64,
    /// Server: how long they took without waiting, all together, in microseconds.
    pub busy_us: u64,
    /// Server: how long the longest of them took, in microseconds.
    pub longest_turn_us: u64,
    /// Endpoint: connections in their TLS handshake now.
    pub tls_handshaking: usize,
    /// Endpoint: TLS handshakes done.
    pub tls_handshakes: u64,
    /// Endpoint: connections that ended in their TLS handshake, whoever ended them: no trust, no TLS, too slow.
    pub tls_failures: u64,
}

/// Counters and gauges of a hub, also of one that is lent, into `*stats`, whose `size` is set. `CHANSON_ERR_ARGUMENT` when it
/// is not.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_stats(hub: *const chanson_hub, stats: *mut chanson_stats) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { command(hub, |core| write_sized(stats, of(core))) }
}

/// Those of a server, as its remotes know them.
///
/// # Safety
/// As `write_sized`.
#[cfg(feature = "server")]
pub(crate) unsafe fn remote_stats(
    remote: &chanson_core::driver::Handle,
    stats: *mut chanson_stats,
) -> Result<(), Refusal> {
    // SAFETY: as the caller promises.
    unsafe { write_sized(stats, of_server(remote.stats())) }
}

fn of(core: &Core) -> chanson_stats {
    match &core.level {
        Level::Hub(hub) => of_hub(hub.stats()),
        Level::Endpoint(endpoint, _) => of_endpoint(endpoint.stats()),
        #[cfg(feature = "server")]
        Level::Server(server) => of_server(server.stats()),
    }
}

fn of_hub(hub: chanson_core::Stats) -> chanson_stats {
    chanson_stats {
        size: size_of::<chanson_stats>(),
        connections: hub.connections,
        topics: hub.topics,
        joins: hub.joins,
        presences: hub.presences,
        tickets: hub.tickets,
        opened: hub.opened,
        refused: hub.refused,
        received: hub.received,
        delivered: hub.delivered,
        broadcasts: hub.broadcasts,
        refused_joins: hub.refused_joins,
        unmatched_topics: hub.unmatched_topics,
        unmatched_events: hub.unmatched_events,
        stale_join_refs: hub.stale_join_refs,
        rate_limited: hub.rate_limited,
        crashes: hub.crashes,
        binary_passed_over: hub.binary_passed_over,
        undecodable: hub.undecodable,
        idle_timeouts: hub.idle_timeouts,
        expired_tickets: hub.expired_tickets,
        closed: hub.closed,
        protocol_errors: hub.protocol_errors,
        too_big: hub.too_big,
        bad_requests: hub.bad_requests,
        handshake_timeouts: hub.handshake_timeouts,
        offenders: hub.offenders,
        ..chanson_stats::default()
    }
}

fn of_endpoint(endpoint: endpoint::Stats) -> chanson_stats {
    chanson_stats {
        queued_bytes: endpoint.queued_bytes,
        slow_consumers: endpoint.slow_consumers,
        dropped: endpoint.dropped,
        bytes_in: endpoint.bytes_in,
        bytes_out: endpoint.bytes_out,
        most_queued_bytes: endpoint.most_queued_bytes,
        most_queued_bytes_of_one: endpoint.most_queued_bytes_of_one,
        compressions: endpoint.compressions,
        bytes_saved: endpoint.bytes_saved,
        tls_handshaking: endpoint.tls_handshaking,
        tls_handshakes: endpoint.tls_handshakes,
        tls_failures: endpoint.tls_failures,
        ..of_hub(endpoint.hub)
    }
}

#[cfg(feature = "server")]
fn of_server(server: chanson_core::driver::Stats) -> chanson_stats {
    chanson_stats {
        accepted: server.accepted,
        turned_away: server.turned_away,
        accept_failures: server.accept_failures,
        commands: server.commands,
        failed_commands: server.failed_commands,
        turns: server.turns,
        busy_us: micros(server.busy),
        longest_turn_us: micros(server.longest_turn),
        ..of_endpoint(server.endpoint)
    }
}

#[cfg(feature = "server")]
fn micros(time: std::time::Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
