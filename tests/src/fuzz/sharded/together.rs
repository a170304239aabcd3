//! All mail arrives at once: what an endpoint does is what shards do.

use std::time::Duration;

use arbitrary::Unstructured;
use chanson_core::time::Instant;
use chanson_core::{Capacity, ConnId, Endpoint};

use super::super::ops::{Op, Vsn};
use super::super::rooms::{Later, config, hub};
use super::heard::Heard;
use super::host::{Host, Place, address};
use super::{Mode, SLACK, at, check_bounds, check_queued, next, pieces, reader, times};

pub(super) fn play(mode: Mode, input: &mut Unstructured<'_>) {
    let mut world = World::new(mode);
    while let Some(op) = next(input) {
        world.act(&op);
        world.turn();
        world.check();
    }
    world.end(mode);
}

struct World {
    endpoint: Endpoint<Later>,
    later: Later,
    host: Host,
    conns: Vec<Conn>,
    now: Instant,
    capacity: Capacity,
    ports: u16,
    /// Until a queue was full: who is behind first is then another question of the order in which things are said. An endpoint
    /// closes one connection after the other and looks again, shards name all of theirs; a shard has ponged before the hub has
    /// answered; and what waits in all is looked at once a turn.
    same: bool,
}

struct Conn {
    id: ConnId,
    place: Place,
    port: u16,
    vsn: Vsn,
    held: Vec<u8>,
    of_endpoint: Heard,
    of_shards: Heard,
}

impl World {
    fn new(mode: Mode) -> Self {
        // There are tickets for all: among connections that go on in the same turn no order is promised.
        let capacity = mode.capacity().with_tickets(TICKETS);
        let config = config(mode.policy());
        let endpoint = Endpoint::with_config(hub(&capacity), config.clone());
        let host = Host::new(hub(&capacity), config, mode.shards());
        let (later, conns, now) = (Later::default(), Vec::new(), Instant::ORIGIN);
        Self { endpoint, later, host, conns, now, capacity, ports: 0, same: true }
    }

    fn act(&mut self, op: &Op<'_>) {
        match op {
            Op::End | Op::Pump => {}
            Op::Connect => self.connect(),
            Op::Upgrade(number, vsn) => {
                if let Some(at) = at(*number, self.conns.len()) {
                    self.conns[at].vsn = *vsn;
                }
                self.say(op);
            }
            Op::Bytes(..) | Op::Text(..) | Op::Binary(..) | Op::Control(..) | Op::Say { .. } => self.say(op),
            Op::Read(number, most) => self.read(*number, usize::from(*most)),
            Op::ReadAll(number) => self.read(*number, usize::MAX),
            Op::Eof(number) => {
                let Some(at) = at(*number, self.conns.len()) else { return };
                let (id, (shard, conn)) = (self.conns[at].id, self.conns[at].place);
                self.endpoint.handle_eof(self.now, &mut self.later, id);
                self.host.shards[shard].handle_eof(self.now, conn);
            }
            Op::Gone(number) => {
                let Some(at) = at(*number, self.conns.len()) else { return };
                let conn = self.conns.swap_remove(at);
                self.endpoint.handle_close(self.now, &mut self.later, conn.id);
                self.host.close(conn.place);
            }
            Op::Pass(time) => {
                self.now += Duration::from_millis(u64::from(*time) * 8);
                self.host.now = self.now;
            }
            Op::Broadcast(..) | Op::Publish(_) | Op::Answer(_) | Op::Disconnect(_) | Op::Shutdown => {
                for _ in 0..times(op) {
                    op.act(&mut self.endpoint, self.now, &mut self.later);
                    op.act(&mut self.host.hub, self.now, &mut self.host.later);
                }
            }
        }
        self.host.settle();
    }

    fn connect(&mut self) {
        self.ports = self.ports.wrapping_add(1);
        let id = self.endpoint.handle_connect(self.now, Some(address(self.ports)));
        let place = self.host.connect(self.ports);
        match (id, place) {
            (Ok(id), Ok(place)) => self.conns.push(Conn {
                id,
                place,
                port: self.ports,
                vsn: Vsn::V2,
                held: Vec::new(),
                of_endpoint: Heard::default(),
                of_shards: Heard::default(),
            }),
            (id, place) => assert_eq!(id.err(), place.err()),
        }
    }

    fn say(&mut self, op: &Op<'_>) {
        let vsn = |number| at(number, self.conns.len()).map(|at| self.conns[at].vsn);
        let Some((number, bytes)) = op.bytes(vsn) else { return };
        let Some(at) = at(number, self.conns.len()) else { return };
        let (id, (shard, conn)) = (self.conns[at].id, self.conns[at].place);
        for mut piece in pieces(number, &mut self.conns[at].held, &bytes) {
            if self.endpoint.wants_bytes(id) {
                self.endpoint.handle_bytes(self.now, &mut self.later, id, &piece);
                self.go_on();
            }
            if self.host.shards[shard].wants_bytes(conn) {
                let len = piece.len();
                self.host.shards[shard].handle_buffer(self.now, conn, &mut piece, len);
            }
            self.host.settle();
        }
    }

    /// The endpoint goes on with what it holds back, which shards do not: the hub's answers have left it by then.
    fn go_on(&mut self) {
        while self.endpoint.holds_back() {
            while self.endpoint.poll_writable().is_some() {}
            self.endpoint.resume(self.now, &mut self.later);
        }
    }

    fn read(&mut self, number: u8, most: usize) {
        let Some(at) = at(number, self.conns.len()) else { return };
        let conn = &mut self.conns[at];
        let (shard, local) = conn.place;
        let of_endpoint = self.endpoint.transmit(self.now, conn.id, reader(&mut conn.of_endpoint, most));
        let shard = &mut self.host.shards[shard];
        let of_shards = shard.transmit(self.now, local, reader(&mut conn.of_shards, most));
        if most == usize::MAX && self.same {
            let (of_endpoint, of_shards) = (of_endpoint.expect("it is read"), of_shards.expect("it is read"));
            assert_eq!(of_endpoint, of_shards);
            conn.of_endpoint.check_same(&mut conn.of_shards, of_shards.finished);
        }
    }

    /// What is due now is done: by an endpoint first what its sessions wait for, then the hub.
    fn turn(&mut self) {
        if self.endpoint.poll_timeout().is_some_and(|due| due <= self.now) {
            self.endpoint.handle_timeout(self.now, &mut self.later);
        }
        self.go_on();
        (0..self.host.shards.len()).for_each(|shard| self.host.pass_time_of_shard(shard));
        self.host.settle();
        self.host.pass_time_of_hub();
        self.host.settle_within(self.capacity.queued_bytes);
    }

    fn check(&mut self) {
        let (endpoint, stats) = (self.endpoint.stats(), self.host.hub.stats());
        let hub = stats.hub;
        self.same &= endpoint.slow_consumers == 0 && endpoint.dropped == 0 && !self.host.has_been_full();
        check_bounds(&stats, &self.capacity);
        assert_eq!((hub.connections, self.host.hub.connections()), (self.conns.len(), self.conns.len()));
        assert!(self.host.queued() <= self.capacity.queued_bytes + self.conns.len() * SLACK, "{hub:?}");
        for at in 0..self.host.shards.len() {
            let (shard, conns) = (&mut self.host.shards[at], &self.conns);
            let connections = conns.iter().filter(|conn| conn.place.0 == at).count();
            check_queued(shard.stats().queued_bytes, connections, &self.capacity);
            while let Some(local) = shard.poll_writable() {
                assert!(conns.iter().any(|conn| conn.place == (at, local)), "{local:?} has gone");
            }
        }
        while self.endpoint.poll_writable().is_some() {}
        if self.same {
            assert_eq!(self.later.log, self.host.later.log);
            for Conn { port, id, place: (shard, local), .. } in &self.conns {
                let asked = |later: &Later| {
                    let of_port = later.asked.iter().filter(|(of, _)| of == port);
                    of_port.map(|(_, what)| what.clone()).collect::<Vec<_>>()
                };
                assert_eq!(asked(&self.later), asked(&self.host.later));
                let shard = &self.host.shards[*shard];
                assert_eq!(self.endpoint.wants_bytes(*id), shard.wants_bytes(*local), "{id:?}");
            }
            assert_eq!(endpoint.hub, hub);
        }
        self.later.forget();
        self.host.later.forget();
    }

    /// All read what there is, then they go, some in an orderly way.
    fn end(&mut self, mode: Mode) {
        for _ in 0..3 {
            (0..self.conns.len()).for_each(|number| self.read(number as u8, usize::MAX));
            self.turn();
            self.check();
        }
        for at in 0..self.conns.len() {
            if at.is_multiple_of(2) {
                self.act(&Op::Eof(at as u8));
            }
        }
        (0..self.conns.len()).for_each(|number| self.read(number as u8, usize::MAX));
        self.check();
        while !self.conns.is_empty() && !mode.is_cut() {
            self.act(&Op::Gone(0));
            self.check();
        }
        if mode.is_cut() {
            let ids: Vec<ConnId> = self.conns.drain(..).map(|conn| conn.id).collect();
            ids.into_iter().for_each(|id| self.endpoint.handle_close(self.now, &mut self.later, id));
            self.host.shards.clear();
            self.host.hub.handle_end(self.now, &mut self.host.later);
        }
        if self.same {
            // Not in which order: shards go one after the other.
            assert_eq!(self.endpoint.stats().hub.closed, self.host.hub.stats().hub.closed);
        }
        self.host.check_empty();
        self.now += Duration::from_secs(1000);
        self.host.now = self.now;
        self.turn();
        assert_eq!((self.endpoint.poll_timeout(), self.host.poll_timeout()), (None, None));
    }
}

const TICKETS: usize = 64;
