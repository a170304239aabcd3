//! A server on several threads: the hub on the one that turns it, the sockets on workers.
//!
//! Hub and workers send each other a batch a turn. Neither waits for the other. A worker that is too far ahead of the hub reads
//! no more; a hub that is too far ahead of a worker takes no more from any, until that one has caught up.

mod link;
mod turn;
mod worker;

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use chanson_core::Hub;
use chanson_core::driver::{Bell, Config, Inbox, Stats};
use chanson_core::endpoint::Sharded;
use chanson_core::time::Instant;
use mio::net::TcpListener;
use mio::{Events, Poll, Waker};

use self::link::{Link, Shared};
use crate::door::Door;
use crate::server::{Clock, LISTENER, Stage, WAKER};

/// The hub and its workers.
pub(crate) struct Many<S> {
    pub(crate) sharded: Sharded<S>,
    pub(crate) poll: Poll,
    events: Events,
    door: Door,
    /// By the number of the shard; none at the end.
    links: Vec<Link>,
    /// With which to begin next time.
    first: usize,
    bell: Arc<Bell>,
    shared: Arc<Shared>,
    pub(crate) inbox: Inbox,
    config: Config,
    clock: Clock,
    /// The time of this turn.
    now: Instant,
    pub(crate) stage: Stage,
    /// Whether something was done between turns that may have led to output.
    acted: bool,
    /// Until when timers do not fire, since they are late.
    held_up: Option<Instant>,
    /// Those of this thread.
    stats: Stats,
}

impl<S> Many<S> {
    pub(crate) fn new(listener: TcpListener, mut hub: Hub<S>, config: Config) -> io::Result<Self> {
        let workers = config.threads - 1;
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKER)?);
        let door = Door::open(listener, poll.registry(), LISTENER)?;
        let shared = Arc::new(Shared::new(workers, hub.capacity().queued_bytes));
        let (asks, others) = (Arc::clone(&waker), Arc::clone(&shared));
        let inbox = Inbox::with_others(hub.capacity().commands, move || asks.wake(), move |stats| others.add_to(stats));
        inbox.write_metrics(&mut hub);
        let bell = Arc::new(Bell::new(move || waker.wake()));
        let clock = Clock::new();
        let (sharded, shards) = Sharded::new(hub, config.endpoint.clone(), workers);
        let mut server = Self {
            sharded,
            poll,
            events: Events::with_capacity(EVENTS),
            door,
            links: Vec::new(),
            first: 0,
            bell,
            shared,
            inbox,
            config,
            clock,
            now: Instant::ORIGIN,
            stage: Stage::Running,
            acted: false,
            held_up: None,
            stats: Stats::default(),
        };
        server.bell.lie_down();
        for (index, shard) in shards.into_iter().enumerate() {
            let (bell, shared) = (Arc::clone(&server.bell), Arc::clone(&server.shared));
            // If one cannot be started, dropping the server ends the others.
            server.links.push(Link::start(index, shard, &server.config, clock, bell, shared)?);
        }
        Ok(server)
    }

    pub(crate) fn act<T>(&mut self, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        self.acted = true;
        let now = self.now();
        let result = self.sharded.act(now, app, act);
        // A host that says much between two turns does so at the speed of the workers.
        if (0..self.links.len()).any(|index| self.sharded.weight(index) >= SHIP_AT) {
            self.ship_within(PATIENCE);
        }
        while self.holds_too_much() && !self.links.iter().any(Link::is_gone) {
            self.ship_within(PATIENCE);
        }
        result
    }

    /// Whether more waits for workers that are behind than may wait for all connections.
    fn holds_too_much(&self) -> bool {
        let waiting: usize = (0..self.links.len()).map(|index| self.sharded.weight(index)).sum();
        waiting > self.sharded.hub().capacity().queued_bytes
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.own_stats();
        self.shared.add_to(&mut stats);
        stats
    }

    /// Those of the hub's thread.
    fn own_stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.endpoint = self.sharded.stats();
        stats
    }

    pub(crate) fn connections(&self) -> usize {
        self.sharded.connections()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }

    /// Ends the workers, when they have sent what sockets take without delay.
    fn end_workers(&mut self) {
        // They learn of it by the end of their channel.
        let threads: Vec<_> = self.links.drain(..).filter_map(Link::end).collect();
        for thread in threads {
            // Whether it failed has been asked before, or does not matter any more.
            drop(thread.join());
        }
    }
}

impl<S> Drop for Many<S> {
    fn drop(&mut self) {
        self.end_workers();
    }
}

/// Locks what is only ever held for a moment, and not while anything can panic.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The hub's poll has a listener and a waker.
const EVENTS: usize = 8;

/// With so many bytes waiting for a worker they are sent, though the turn has not ended.
const SHIP_AT: usize = 256 << 10;

/// How long a worker is waited for that is behind, where there is no turn to come back to.
const PATIENCE: std::time::Duration = std::time::Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chanson_core::endpoint::Shard;
    use chanson_core::{Capacity, Channel, Mount};

    use super::*;

    const MB: usize = 1 << 20;

    /// The sessions of the first worker are here.
    fn turn(server: &mut Many<()>, shard: &mut Shard) {
        while let Some(mut inputs) = shard.poll_inputs() {
            while server.sharded.handle_inputs(Instant::ORIGIN, &mut (), 0, &mut inputs) {}
            let mut outputs = server.sharded.poll_outputs(0).unwrap_or_default();
            while shard.handle_outputs(Instant::ORIGIN, &mut outputs) {}
        }
    }

    #[test]
    fn a_host_waits_for_a_worker_that_is_far_behind() {
        let hub = || {
            let mount = Mount::channels("/socket").channel(Channel::new("room:*"));
            Hub::builder().seed([7; 32]).capacity(Capacity::default().with_queued_bytes(2 * MB)).mount(mount)
        };
        let listener = TcpListener::bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let mut server: Many<()> =
            Many::new(listener, hub().build().unwrap(), Config::default().with_threads(2)).unwrap();
        let (_, mut shards) = Sharded::<()>::new(hub().build().unwrap(), server.config.endpoint.clone(), 1);
        let (at, conn) = server.sharded.handle_connect(Instant::ORIGIN, None).unwrap();
        let shard = &mut shards[at];
        shard.handle_connect(Instant::ORIGIN, conn);
        let upgrade = b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
            Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
        shard.handle_bytes(Instant::ORIGIN, conn, upgrade);
        turn(&mut server, shard);
        let join = br#"["1","1","room:a","phx_join",{}]"#;
        let join = [&[0x81, 0x80 | join.len() as u8, 0, 0, 0, 0], &join[..]].concat();
        shard.handle_bytes(Instant::ORIGIN, conn, &join);
        turn(&mut server, shard);
        assert_eq!(server.sharded.hub().subscriber_count("room:a"), 1);

        let (slow, ends) = Link::without_worker(Arc::clone(&server.bell));
        let worker = std::mem::replace(&mut server.links[0], slow);
        std::thread::scope(|scope| {
            scope.spawn(move || {
                std::thread::sleep(Duration::from_secs(1));
                while ends.from.recv_timeout(Duration::from_millis(500)).is_ok() {
                    ends.made_room();
                }
            });
            let text = serde_json::json!("x".repeat(MB));
            for _ in 0..30 {
                server.act(&mut (), |hub, ()| hub.broadcast("room:a", "data", &text)).unwrap();
                let waiting = server.sharded.weight(0);
                assert!(waiting <= 2 * MB, "{waiting} bytes wait");
            }
        });
        server.links[0] = worker;
    }
}
