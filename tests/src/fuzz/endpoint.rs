//! A server with several connections on which anything is said, in any order: it stays within its bounds, its clock moves,
//! and nothing is left when all have gone.

use std::io::IoSlice;
use std::time::Duration;

use arbitrary::Unstructured;
use chanson_core::endpoint::SlowConsumer;
use chanson_core::time::Instant;
use chanson_core::{Capacity, ConnId, Endpoint};

use super::ops::{Op, Vsn};
use super::rooms::{LONGEST, Later, capacity, config, hub};

/// What happens, one thing after the other.
pub fn endpoint(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(policy) = input.arbitrary::<bool>() else { return };
    let mut world = World::new(if policy { SlowConsumer::Close } else { SlowConsumer::DropNewest });
    while let Ok(op) = input.arbitrary::<Op<'_>>() {
        if input.is_empty() && matches!(op, Op::End) {
            break;
        }
        world.act(&op);
        world.check();
    }
    world.end();
}

struct World {
    endpoint: Endpoint<Later>,
    later: Later,
    conns: Vec<(ConnId, Vsn)>,
    now: Instant,
    capacity: Capacity,
}

impl World {
    fn new(policy: SlowConsumer) -> Self {
        let capacity = capacity();
        let endpoint = Endpoint::with_config(hub(&capacity), config(policy));
        Self { endpoint, later: Later::default(), conns: Vec::new(), now: Instant::ORIGIN, capacity }
    }

    fn act(&mut self, op: &Op<'_>) {
        match op {
            Op::End => {}
            Op::Connect => {
                let free = self.endpoint.stats().hub.connections < self.capacity.connections;
                match self.endpoint.handle_connect(self.now, None) {
                    Ok(conn) => self.conns.push((conn, Vsn::V2)),
                    Err(error) => assert!(!free, "refused without need: {error}"),
                }
            }
            Op::Read(number, most) => self.read(*number, usize::from(*most)),
            Op::ReadAll(number) => self.read(*number, usize::MAX),
            Op::Eof(number) => {
                if let Some(at) = self.at(*number) {
                    self.endpoint.handle_eof(self.now, &mut self.later, self.conns[at].0);
                }
            }
            Op::Gone(number) => {
                if let Some(at) = self.at(*number) {
                    let (conn, _) = self.conns.swap_remove(at);
                    self.endpoint.handle_close(self.now, &mut self.later, conn);
                }
            }
            Op::Pass(time) => self.pass(Duration::from_millis(u64::from(*time) * 8)),
            Op::Pump => self.pass(Duration::ZERO),
            Op::Upgrade(number, vsn) => {
                if let Some(at) = self.at(*number) {
                    self.conns[at].1 = *vsn;
                }
                self.say(op);
            }
            Op::Bytes(..) | Op::Text(..) | Op::Binary(..) | Op::Control(..) | Op::Say { .. } => self.say(op),
            Op::Broadcast(..) | Op::Publish(_) | Op::Answer(_) | Op::Disconnect(_) | Op::Shutdown => {
                op.act(&mut self.endpoint, self.now, &mut self.later);
            }
        }
    }

    fn say(&mut self, op: &Op<'_>) {
        let vsn = |number| self.at(number).map(|at| self.conns[at].1);
        let Some((number, bytes)) = op.bytes(vsn) else { return };
        if let Some(at) = self.at(number) {
            let conn = self.conns[at].0;
            if self.endpoint.wants_bytes(conn) {
                self.endpoint.handle_bytes(self.now, &mut self.later, conn, &bytes);
            }
        }
    }

    fn read(&mut self, number: u8, most: usize) {
        let Some(at) = self.at(number) else { return };
        let conn = self.conns[at].0;
        let mut slices = [IoSlice::new(&[]); 8];
        let count = self.endpoint.pending(conn, &mut slices);
        let len: usize = slices[..count].iter().map(|slice| slice.len()).sum();
        self.endpoint.advance(self.now, conn, len.min(most));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.endpoint.handle_timeout(self.now, &mut self.later);
        let next = self.endpoint.poll_timeout();
        assert!(next.is_none_or(|next| next > self.now), "a timeout does not move: {next:?} at {:?}", self.now);
    }

    fn at(&self, number: u8) -> Option<usize> {
        usize::from(number).checked_rem(self.conns.len())
    }

    fn check(&mut self) {
        self.later.forget();
        while let Some(conn) = self.endpoint.poll_writable() {
            assert!(self.conns.iter().any(|(known, _)| *known == conn), "{conn:?} has gone");
        }
        let (stats, most) = (self.endpoint.stats(), &self.capacity);
        let hub = stats.hub;
        assert_eq!(hub.connections, self.conns.len());
        assert!(hub.connections <= most.connections && hub.joins <= most.joins && hub.topics <= most.topics, "{hub:?}");
        assert!(hub.presences <= most.presences && hub.tickets <= most.tickets, "{hub:?}");
        let queued: usize = stats.queued_bytes;
        assert!(queued <= hub.connections * (most.queued_bytes_per_connection + LONGEST), "{stats:?}");
        assert!(queued <= most.queued_bytes + hub.connections * LONGEST, "{stats:?}");
    }

    /// All go, some in an orderly way.
    fn end(&mut self) {
        self.pass(Duration::from_secs(1));
        while let Some((conn, _)) = self.conns.pop() {
            if self.conns.len().is_multiple_of(2) {
                self.endpoint.handle_eof(self.now, &mut self.later, conn);
            }
            self.endpoint.handle_close(self.now, &mut self.later, conn);
        }
        self.check();
        let stats = self.endpoint.stats();
        let left = [stats.hub.joins, stats.hub.topics, stats.hub.presences, stats.hub.tickets, stats.queued_bytes];
        assert_eq!(left, [0; 5], "all have gone: {stats:?}");
        self.pass(Duration::from_secs(1000));
        assert_eq!(self.endpoint.poll_timeout(), None, "all have gone, and it waits");
    }
}
