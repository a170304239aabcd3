//! A server in memory, as the player wants it: the core's own [`World`], and an application that may have things to do
//! at times of its own.

use std::time::Duration;

use chanson_core::Hub;
use chanson_core::memory::{self, World};
use chanson_core::time::Instant;

use crate::transport::{Received, Transport};

/// The host's own state, when it has things to do at times of its own.
pub trait App: Sized {
    /// When it has something to do next.
    fn next_due(&self) -> Option<Instant> {
        None
    }

    /// Does what is due; called once a turn.
    fn act(&mut self, _hub: &mut Hub<Self>, _now: Instant) {}
}

impl App for () {}

/// A world and its application.
pub struct Memory<S = ()> {
    world: World<S>,
}

impl<S: App> Memory<S> {
    /// A server with that hub.
    pub fn new(hub: Hub<S>, app: S) -> Self {
        Self { world: World::with_app(hub, app) }
    }

    /// Lets a little time pass, but not beyond `end`; says whether `end` was reached.
    fn step(&mut self, end: Instant) -> bool {
        let now = self.world.now();
        let due = self.world.app().next_due().map_or(STEP, |due| due - now);
        self.world.run_for(STEP.min(due).min(end - now));
        self.act();
        self.world.now() >= end
    }

    fn act(&mut self) {
        let now = self.world.now();
        if self.world.app().next_due().is_some_and(|due| due <= now) {
            self.world.act(|hub, app| app.act(hub, now));
        }
    }
}

impl<S: App> Transport for Memory<S> {
    type Conn = memory::Transport;

    fn connect(&mut self) -> memory::Transport {
        self.world.open_transport()
    }

    fn send(&mut self, conn: &mut memory::Transport, bytes: &[u8]) {
        self.world.write(*conn, bytes);
        self.act();
    }

    fn receive(&mut self, conn: &mut memory::Transport, within: Duration) -> Received {
        let end = self.world.now() + within;
        loop {
            let bytes = self.world.read(*conn);
            if !bytes.is_empty() {
                return Received::Bytes(bytes);
            }
            if self.world.is_shut(*conn) {
                return Received::End;
            }
            if self.world.now() >= end {
                return Received::Nothing;
            }
            self.step(end);
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.world.now() + time;
        while !self.step(end) {}
    }

    fn cut(&mut self, conn: memory::Transport) {
        self.world.cut(conn);
    }

    fn host(&self) -> String {
        "127.0.0.1:4000".into()
    }

    fn now(&self) -> Duration {
        self.world.now() - Instant::ORIGIN
    }
}

/// How finely time passes.
const STEP: Duration = Duration::from_millis(10);
