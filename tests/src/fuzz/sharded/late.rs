//! Mail is late, and what shards and hub do is done in any order. Nothing can be said then about what happens when, but what
//! the hub has said to a connection arrives, in this order.

use std::time::Duration;

use arbitrary::Unstructured;
use chanson_core::Capacity;

use super::super::ops::{Op, Vsn, name};
use super::super::rooms::{config, hub};
use super::heard::Heard;
use super::host::{Host, Place};
use super::{Mode, SLACK, at, check_bounds, check_queued, next, pieces, reader, times};

/// Behind each thing that happens there is a byte that says what is done about mail.
pub(super) fn play(mode: Mode, input: &mut Unstructured<'_>) {
    let mut world = World::new(mode);
    while let Some(op) = next(input) {
        world.act(&op);
        world.check();
        let Ok(what) = input.arbitrary() else { break };
        world.carry(what);
        world.check();
    }
    world.end(mode);
}

struct World {
    host: Host,
    conns: Vec<Conn>,
    capacity: Capacity,
    ports: u16,
    connected: u64,
    /// Whether a connection has ended, or may have.
    ended: bool,
}

struct Conn {
    place: Place,
    port: u16,
    vsn: Vsn,
    held: Vec<u8>,
    heard: Heard,
    /// Numbers of broadcasts that the hub was told to send when this connection was there to hear them.
    owed: Vec<u64>,
}

impl World {
    fn new(mode: Mode) -> Self {
        let capacity = mode.capacity();
        let host = Host::new(hub(&capacity), config(mode.policy()), mode.shards());
        Self { host, conns: Vec::new(), capacity, ports: 0, connected: 0, ended: false }
    }

    fn act(&mut self, op: &Op<'_>) {
        match op {
            Op::End => {}
            Op::Pump => self.host.hub.ask(),
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
                if let Some(at) = self.present(*number) {
                    let (shard, local) = self.conns[at].place;
                    self.ended = true;
                    self.host.shards[shard].handle_eof(self.host.now, local);
                }
            }
            Op::Gone(number) => {
                if let Some(at) = self.present(*number) {
                    self.ended = true;
                    let conn = self.conns.swap_remove(at);
                    self.host.close(conn.place);
                }
            }
            Op::Pass(time) => self.host.now += Duration::from_millis(u64::from(*time) * 8),
            Op::Broadcast(topic, _) => {
                let first = self.host.later.stamps() + 1;
                let Host { hub, later, .. } = &self.host;
                for conn in &mut self.conns {
                    let known = later.names.iter().find(|(port, _)| *port == conn.port);
                    if known.is_some_and(|(_, id)| hub.hub().is_joined(*id, name(*topic))) {
                        conn.owed.extend((first..).take(times(op)));
                    }
                }
                (0..times(op)).for_each(|_| op.act(&mut self.host.hub, self.host.now, &mut self.host.later));
            }
            Op::Disconnect(_) | Op::Shutdown => {
                self.ended = true;
                op.act(&mut self.host.hub, self.host.now, &mut self.host.later);
            }
            Op::Publish(_) | Op::Answer(_) => op.act(&mut self.host.hub, self.host.now, &mut self.host.later),
        }
    }

    fn connect(&mut self) {
        let free = self.host.hub.connections() < self.capacity.connections;
        self.ports = self.ports.wrapping_add(1);
        match self.host.connect(self.ports) {
            Ok(place) => {
                let (heard, owed) = (Heard::default(), Vec::new());
                self.conns.push(Conn { place, port: self.ports, vsn: Vsn::V2, held: Vec::new(), heard, owed });
                self.connected += 1;
            }
            Err(error) => assert!(!free, "refused without need: {error}"),
        }
    }

    /// One whose shard knows of it.
    fn present(&self, number: u8) -> Option<usize> {
        at(number, self.conns.len()).filter(|at| self.host.has(self.conns[*at].place))
    }

    fn say(&mut self, op: &Op<'_>) {
        let vsn = |number| at(number, self.conns.len()).map(|at| self.conns[at].vsn);
        let Some((number, bytes)) = op.bytes(vsn) else { return };
        let Some(at) = self.present(number) else { return };
        let (shard, local) = self.conns[at].place;
        for piece in pieces(number, &mut self.conns[at].held, &bytes) {
            let shard = &mut self.host.shards[shard];
            if shard.has_room() && shard.wants_bytes(local) {
                shard.handle_bytes(self.host.now, local, &piece);
            }
        }
    }

    fn read(&mut self, number: u8, most: usize) {
        let Some(at) = self.present(number) else { return };
        let (conn, now) = (&mut self.conns[at], self.host.now);
        let (shard, local) = conn.place;
        let next = self.host.shards[shard].transmit(now, local, reader(&mut conn.heard, most));
        let next = next.expect("it is read");
        self.ended |= next.finished || next.done_sending || conn.heard.is_closed();
        if most == usize::MAX {
            conn.heard.check(next.finished);
        }
        conn.heard.forget();
    }

    /// Whatever is to be done now, of all that a driver does in any order.
    fn carry(&mut self, what: u8) {
        let host = &mut self.host;
        let shard = usize::from(what >> 5) % host.shards.len();
        if what >= 0xf0 {
            host.pass_time_of_shard(shard);
            host.settle_within(self.capacity.queued_bytes);
            return;
        }
        if what & 1 != 0 {
            host.report(shard);
        }
        if what & 2 != 0 {
            host.take_inputs(shard);
        }
        if what & 4 != 0 {
            host.ship(shard);
        }
        if what & 8 != 0 {
            host.take_outputs(shard);
        }
        if what & 16 != 0 {
            host.resume(shard);
            host.resume_hub(shard);
            host.pass_time_of_shard(shard);
            host.pass_time_of_hub();
            host.hub.mind_the_total(host.queued());
        }
    }

    fn check(&mut self) {
        let stats = self.host.hub.stats();
        check_bounds(&stats, &self.capacity);
        assert_eq!(stats.hub.connections, self.host.hub.connections());
        self.ended |= stats.hub.closed > 0 || self.host.has_been_full();
        for at in 0..self.host.shards.len() {
            let (shard, conns) = (&mut self.host.shards[at], &self.conns);
            let connections = conns.iter().filter(|conn| conn.place.0 == at).count();
            check_queued(shard.stats().queued_bytes, connections, &self.capacity);
            while let Some(local) = shard.poll_writable() {
                assert!(conns.iter().any(|conn| conn.place == (at, local)), "{local:?} has gone");
            }
        }
        self.host.later.log.clear();
        self.host.later.asked.clear();
    }

    /// All mail arrives, and all read.
    fn catch_up(&mut self) {
        for _ in 0..3 {
            self.host.settle_within(self.capacity.queued_bytes);
            self.check();
            let queued = self.host.queued();
            assert!(queued <= self.capacity.queued_bytes + self.conns.len() * SLACK, "{queued} bytes wait");
            (0..self.conns.len()).for_each(|number| self.read(number as u8, usize::MAX));
            (0..self.host.shards.len()).for_each(|shard| self.host.pass_time_of_shard(shard));
        }
    }

    /// Those that have not ended have all that was said to them.
    fn check_heard(&self) {
        let full = self.host.has_been_full();
        for conn in &self.conns {
            let (shard, local) = conn.place;
            let owed = |stamp: &&u64| conn.owed.binary_search(stamp).is_ok();
            let heard: Vec<u64> = conn.heard.stamps.iter().filter(owed).copied().collect();
            let lives = !conn.heard.is_closed() && self.host.shards[shard].wants_bytes(local);
            match (lives, full) {
                (true, false) => assert_eq!(heard, conn.owed),
                (false, false) => assert!(conn.owed.starts_with(&heard), "{heard:?} of {:?}", conn.owed),
                // What came on top is not there, or nothing that waited.
                (_, true) => {}
            }
        }
        if !self.ended {
            let count: u64 = self.conns.iter().map(|conn| conn.heard.count).sum();
            assert_eq!(count, self.host.hub.stats().hub.delivered, "what was handed out, and what has arrived");
        }
    }

    fn end(&mut self, mode: Mode) {
        self.catch_up();
        self.check_heard();
        if mode.is_cut() {
            self.conns.clear();
            self.host.shards.clear();
            self.host.hub.handle_end(self.host.now, &mut self.host.later);
        }
        while let Some(conn) = self.conns.pop() {
            let (shard, local) = conn.place;
            if self.conns.len().is_multiple_of(2) {
                self.host.shards[shard].handle_eof(self.host.now, local);
            }
            self.host.close(conn.place);
        }
        self.host.settle();
        self.host.check_empty();
        assert_eq!(self.host.hub.stats().hub.closed, self.connected, "one end for each");
        self.host.now += Duration::from_secs(1000);
        (0..self.host.shards.len()).for_each(|shard| self.host.pass_time_of_shard(shard));
        self.host.pass_time_of_hub();
        self.host.settle();
        assert_eq!(self.host.poll_timeout(), None, "all have gone, and it waits");
    }
}
