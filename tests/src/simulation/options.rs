//! What a run is like.

use std::time::Duration;

use chanson_core::Capacity;
use chanson_core::client::{self, Backoff, Config};
use chanson_core::wire::Vsn;

use super::mischief::Mischief;
use super::random::Random;

/// How to run.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How many random steps there are before all comes to rest.
    pub steps: usize,
    /// Whether what the server sends is judged on its wires, and not only by what the clients say.
    pub taps: bool,
    /// Whether there are hostile clients.
    pub foes: bool,
    /// What is to go wrong that must not.
    pub mischief: Option<Mischief>,
    /// Whether to tell on stderr what happens.
    pub trace: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { steps: 100, taps: true, foes: true, mischief: None, trace: false }
    }
}

/// What is drawn for a run once: bounds and time limits.
pub(super) struct Shape {
    pub(super) capacity: Capacity,
    pub(super) idle_timeout: Duration,
    pub(super) ticket_limit: Duration,
    pub(super) peers: usize,
    /// Whether there is not room for all.
    pub(super) tight: bool,
    /// How bad the weather is, 0 to 3.
    pub(super) storm: usize,
}

impl Shape {
    pub(super) fn draw(random: &mut Random) -> Self {
        let peers = 2 + random.below(4);
        let tight = random.once_in(4);
        let roomy = Capacity::default()
            .with_queued_bytes_per_connection(random.pick(&[1500, 4000, 20_000]))
            .with_queued_bytes(random.pick(&[12_000, 1 << 20]))
            .with_tickets(1 + random.below(4))
            .with_connections(4 * peers);
        let capacity = match tight {
            false => roomy,
            true => roomy
                .with_connections(peers)
                .with_topics(1 + random.below(4))
                .with_subscribers_per_topic(1 + random.below(4))
                .with_joins_per_connection(1 + random.below(3))
                .with_joins(3 + random.below(6))
                .with_presences(1 + random.below(4)),
        };
        Self {
            capacity,
            idle_timeout: Duration::from_secs(60),
            ticket_limit: Duration::from_secs(random.pick(&[1, 8, 30])),
            peers,
            tight,
            storm: random.pick(&[0, 1, 1, 2, 3]),
        }
    }
}

/// On the mount where there is less of everything: messages at once and per second, joins, offences in a row.
pub(super) const BURST: u32 = 20;
pub(super) const PER_SECOND: u32 = 5;
pub(super) const FOE_JOINS: usize = 2;
pub(super) const OFFENCES: u16 = 10;

/// How a client is made.
pub(super) struct Manner {
    pub(super) vsn: Vsn,
    pub(super) config: Config,
}

impl Manner {
    pub(super) fn draw(random: &mut Random) -> Self {
        let vsn = if random.once_in(4) { Vsn::V1 } else { Vsn::V2 };
        let capacity = client::Capacity::default()
            .with_channels(random.pick(&[2, 3, 256]))
            .with_pushes(random.pick(&[3, 8, 1024]))
            .with_buffered_bytes(random.pick(&[100, 1 << 20]))
            .with_queued_bytes(random.pick(&[200, 1 << 20]));
        let mut config = Config::new("ws://server/socket")
            .expect("it is an address")
            .with_vsn(vsn)
            .with_timeout(Duration::from_secs(random.pick(&[1, 5, 10])))
            .with_heartbeat_interval(Duration::from_secs(random.pick(&[5, 20, 30])))
            .with_connect_timeout(Duration::from_secs(random.pick(&[2, 10])))
            .with_capacity(capacity);
        if random.once_in(2) {
            let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(5)).with_jitter(50);
            config = config.with_reconnect(backoff.clone()).with_rejoin(backoff);
        }
        Self { vsn, config }
    }
}
