//! Server, clients and wires, and how time passes among them.

use std::time::Duration;

use chanson_core::endpoint::{self, Endpoint};
use chanson_core::time::Instant;

use super::Summary;
use super::foes::{FOES, Foe};
use super::ledger::{Ledger, hub};
use super::mischief::{Mischief, Plan};
use super::options::{Manner, Options, Shape};
use super::peer::Peer;
use super::random::Random;
use super::wire::Wire;

/// All there is.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) now: Instant,
    pub(super) shape: Shape,
    pub(super) endpoint: Endpoint<Ledger>,
    pub(super) ledger: Ledger,
    pub(super) peers: Vec<Peer>,
    pub(super) wires: Vec<Wire>,
    pub(super) foes: [Foe; FOES],
    /// Theirs, so that a run without them is the same as before.
    pub(super) foe_random: Random,
    /// The server cannot be reached.
    pub(super) away: bool,
    /// Wires are made well: the weather is fine.
    pub(super) fine: bool,
    pub(super) plan: Plan,
    pub(super) counted: Summary,
    pub(super) options: Options,
    /// That of the newest wire.
    pub(super) serial: u64,
    order: Vec<Turn>,
}

#[derive(Clone, Copy)]
enum Turn {
    Server,
    Peer(usize),
    Wire(u64),
}

impl World {
    pub(super) fn new(seed: u64, options: Options) -> Self {
        let mut random = Random::new(seed);
        let shape = Shape::draw(&mut random);
        let patience = random.below(6);
        let peers = (0..shape.peers).map(|index| {
            let manner = Manner::draw(&mut random);
            Peer::new(index, manner.vsn, manner.config, random.seed())
        });
        let peers = peers.collect();
        let endpoint = Endpoint::with_config(hub(random.seed(), &shape), endpoint::Config::default());
        let mut ledger = Ledger::default();
        ledger.echo = (options.mischief == Some(Mischief::Echo)).then_some(patience);
        Self {
            now: Instant::from_millis(random.below(5000) as u64),
            random,
            shape,
            endpoint,
            ledger,
            peers,
            wires: Vec::new(),
            foes: Default::default(),
            foe_random: Random::new(!seed),
            away: false,
            fine: false,
            plan: Plan::new(options.mischief, patience),
            counted: Summary::default(),
            options,
            serial: 0,
            order: Vec::new(),
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let mut sum = self.counted;
        self.peers.iter().for_each(|peer| sum += peer.summary);
        sum.mischief = u64::from(self.plan.done || self.ledger.echoed);
        sum
    }

    /// Whether what is sent is taken from what is owed.
    pub(super) const fn listens(&self) -> bool {
        self.options.taps
    }

    pub(super) fn trace(&self, text: impl FnOnce() -> String) {
        if self.options.trace {
            eprintln!("{:>8} ms  {}", self.now.as_millis(), text());
        }
    }

    /// Another server instead of this one; all connections break.
    pub(super) fn restart(&mut self) {
        self.count_server();
        self.counted.restarts += 1;
        self.ledger.restart();
        self.endpoint = Endpoint::with_config(hub(self.random.seed(), &self.shape), endpoint::Config::default());
        for wire in self.wires.iter_mut().filter(|wire| wire.conn.is_some()) {
            wire.cut(self.now, &mut self.random);
            wire.conn = None;
        }
        self.foes.iter_mut().for_each(|foe| foe.conn = None);
    }

    pub(super) fn count_server(&mut self) {
        let stats = self.endpoint.stats();
        self.counted.slow += stats.slow_consumers;
        self.counted.refused += stats.hub.refused_joins;
        self.counted.offenders += stats.hub.offenders;
        self.counted.violations += stats.hub.protocol_errors;
        self.counted.rate_limited += stats.hub.rate_limited;
    }

    // --- time ---

    /// Time passes: what is due in it happens when it is due.
    pub(super) fn run_for(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        self.settle()?;
        for _ in 0..MAX_EVENTS {
            match self.next_event().filter(|next| *next <= end) {
                Some(next) => self.now = next,
                None => break,
            }
            self.settle()?;
        }
        if self.next_event().is_some_and(|next| next < end) {
            return Err(format!("more than {MAX_EVENTS} things happen in {time:?}"));
        }
        self.now = end;
        self.settle()
    }

    /// When something happens next, later than now.
    fn next_event(&self) -> Option<Instant> {
        let awake = self.peers.iter().filter(|peer| peer.frozen.is_none());
        let timeouts = awake.filter_map(|peer| peer.client.poll_timeout());
        let wires = self.wires.iter().filter_map(|wire| {
            let peer = &self.peers[wire.peer];
            wire.next_after(self.now, !peer.paused && peer.frozen.is_none())
        });
        timeouts.chain(wires).chain(self.endpoint.poll_timeout()).min()
    }

    /// Does all that can be done now, in an order that is drawn.
    pub(super) fn settle(&mut self) -> Result<(), String> {
        let mut known = self.serial;
        for turn in 0..MAX_TURNS {
            let mut order = std::mem::take(&mut self.order);
            if turn % 8 == 0 {
                self.draw_order(&mut order);
            } else {
                order.reverse();
                order
                    .extend(self.wires.iter().map(|wire| wire.serial).filter(|serial| *serial > known).map(Turn::Wire));
            }
            known = self.serial;
            let mut moved = false;
            for turn in &order {
                moved |= match turn {
                    Turn::Server => self.server_turn()?,
                    Turn::Peer(index) => self.peer_turn(*index)?,
                    Turn::Wire(serial) => self.wire_turn(*serial)?,
                };
            }
            self.order = order;
            moved |= self.foes_turn()?;
            self.wires.retain(|wire| !wire.is_gone());
            if !moved {
                return self.check();
            }
        }
        Err(format!("no rest after {MAX_TURNS} turns"))
    }

    /// Who is served when.
    fn draw_order(&mut self, order: &mut Vec<Turn>) {
        order.clear();
        order.push(Turn::Server);
        order.extend((0..self.peers.len()).map(Turn::Peer));
        order.extend(self.wires.iter().map(|wire| Turn::Wire(wire.serial)));
        self.random.shuffle(order);
    }

    /// What the time is to whoever asks: now and then a bit less than it was.
    pub(super) fn clock(&mut self) -> Instant {
        match self.random.once_in(50) {
            true => Instant::from_nanos(self.now.as_nanos().saturating_sub(3_000_000_000)),
            false => self.now,
        }
    }
}

/// More turns at one moment than anything needs.
const MAX_TURNS: usize = 20_000;
/// More moments in a stretch of time than anything needs.
const MAX_EVENTS: usize = 100_000;
