//! A server that does all on one thread.

use std::io;

use chanson_core::driver::{Config, Inbox, Stats};
use chanson_core::time::Instant;
use chanson_core::{ConnId, Endpoint, Hub};
use mio::net::TcpListener;
use mio::{Events, Poll, Waker};

use crate::door::Door;
use crate::server::{Clock, EVENTS, LISTENER, MAX_BUFFER, Stage, WAKER};
use crate::sockets::Sockets;

/// The hub and all sockets on the thread that turns it.
pub(crate) struct Single<S> {
    pub(crate) endpoint: Endpoint<S>,
    pub(crate) poll: Poll,
    pub(crate) events: Events,
    pub(crate) door: Door,
    pub(crate) sockets: Sockets,
    /// Connections whose socket failed.
    pub(crate) dead: Vec<ConnId>,
    pub(crate) inbox: Inbox,
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    /// The time of this turn.
    pub(crate) now: Instant,
    pub(crate) stage: Stage,
    /// What was read last; one for all sockets.
    pub(crate) buffer: Vec<u8>,
    /// Bytes that came in since the last time that all was written out.
    pub(crate) input: usize,
    /// How often what was held back went on in this turn.
    pub(crate) rounds: u32,
    /// Whether something was done between turns that may have led to output.
    pub(crate) acted: bool,
    /// How many turns in a row had more events than fit.
    pub(crate) crowded: u32,
    pub(crate) stats: Stats,
}

impl<S> Single<S> {
    pub(crate) fn new(listener: TcpListener, hub: Hub<S>, config: Config) -> io::Result<Self> {
        let mut hub = hub;
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let door = Door::open(listener, poll.registry(), LISTENER)?;
        let inbox = Inbox::new(hub.capacity().commands, move || waker.wake());
        inbox.write_metrics(&mut hub);
        let buffer = vec![0; config.read_per_turn.clamp(1, MAX_BUFFER)];
        Ok(Self {
            endpoint: Endpoint::with_config(hub, config.endpoint.clone()),
            poll,
            events: Events::with_capacity(EVENTS),
            door,
            sockets: Sockets::default(),
            dead: Vec::new(),
            inbox,
            config,
            clock: Clock::new(),
            now: Instant::ORIGIN,
            stage: Stage::Running,
            buffer,
            input: 0,
            rounds: 0,
            acted: false,
            crowded: 0,
            stats: Stats::default(),
        })
    }

    pub(crate) fn act<T>(&mut self, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        let now = self.now();
        self.acted = true;
        let result = self.endpoint.act(now, app, act);
        // A host that says much between two turns does so at the speed of its peers.
        if self.endpoint.holds_back() {
            self.rounds = 0;
            self.flush(app);
            self.acted = true;
        }
        result
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn stats(&self) -> Stats {
        let mut stats = self.stats;
        stats.endpoint = self.endpoint.stats();
        stats
    }

    pub(crate) fn shutdown(&mut self, app: &mut S) {
        self.now = self.now.max(self.now());
        match self.stage {
            Stage::Running => self.begin_to_end(app),
            Stage::Draining(_) => self.finish(app),
            Stage::Finished => {}
        }
    }

    pub(crate) const fn connections(&self) -> usize {
        self.sockets.len()
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.stage == Stage::Finished
    }
}
