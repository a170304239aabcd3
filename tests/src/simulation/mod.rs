//! Clients and a server in one process, under one virtual clock, in bad weather: what must hold is looked at after every
//! step.
//!
//! A run is drawn from its seed: how many clients there are and how patient, how much room there is for everything, and
//! a script of commands (join, leave, push, broadcast, …) and faults (wires break at any byte or go silent, are slow, carry
//! a few bytes at a time; clients stop reading or stop altogether; the server restarts, is out of reach, or the clock
//! jumps). Everything is real but the sockets: `core::client::Client`s, and an `Endpoint` with a hub whose handlers write
//! down all that they do (the ledger).
//!
//! # What holds
//!
//! - On the wires: the server sends on each connection what it owes there, each thing once and in order (joins, broadcasts,
//!   answers, ends), nothing of a topic before its join or behind its end, nothing behind a close frame.
//! - At the clients: while it is joined a channel gets exactly the broadcasts of its topic, one after the other, from its
//!   join on; a lost connection may cost the last ones, and nothing else. Behind the end of a channel nothing comes.
//! - A push reaches its handler at most once and in order, and has exactly one end: its own answer, a timeout in its time,
//!   or the end of its channel.
//! - All gauges and queues are within their bounds and equal to what the ledger says; a timeout that was handled moves.
//! - Hostile clients (malformed frames and heads, nonsense, floods, half closes, never a read) get no more than there is
//!   for them: no longer handshakes, no more joins, messages and offences than their mount allows.
//! - When the weather clears up all come back: every channel is joined, every broadcast has come, presences agree. When all
//!   have gone nothing is left.
//!
//! That these would be noticed is tested too: [`Mischief`] does in a run what must not happen.

mod foes;
mod frames;
mod hear;
mod ledger;
mod mischief;
mod ops;
mod options;
mod peer;
mod random;
mod rest;
mod script;
mod tap;
mod turns;
mod wire;
mod world;

use std::collections::VecDeque;
use std::fmt;
use std::ops::AddAssign;

use chanson_core::time::Instant;

pub use self::foes::{Flood, Foul};
pub use self::mischief::Mischief;
pub use self::ops::Op;
pub use self::options::Options;
use self::script::Step;
use self::world::World;

/// Runs the simulation of a seed.
///
/// # Errors
/// Something did not hold.
///
/// # Panics
/// When something panics that is simulated, having told on stderr which seed and step it was.
pub fn run(seed: u64, options: Options) -> Result<Summary, Failure> {
    let mut run = Run { seed, step: 0, history: VecDeque::new() };
    let mut world = World::new(seed, options);
    let steps = |world: &mut World, count| (count < options.steps).then(|| world.draw());
    let result = run.play(&mut world, steps);
    result.map(|()| world.summary()).map_err(|what| run.failure(what, world.now))
}

/// The same with steps that are given; what the seed draws is the rest: bounds, time limits, the weather.
///
/// # Errors
/// Something did not hold.
///
/// # Panics
/// As for [`run`].
pub fn run_ops(seed: u64, options: Options, ops: &[Op]) -> Result<Summary, Failure> {
    let mut run = Run { seed, step: 0, history: VecDeque::new() };
    let mut world = World::new(seed, options);
    let mut ops = ops.iter();
    let steps = |world: &mut World, _| ops.by_ref().find_map(|op| world.step(*op));
    let result = run.play(&mut world, steps);
    result.map(|()| world.summary()).map_err(|what| run.failure(what, world.now))
}

/// What happened in a run, or in many: to see that something did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// Connections that clients saw open.
    pub connected: u64,
    /// Tries to connect that failed.
    pub connect_failed: u64,
    /// Connections that were lost.
    pub disconnected: u64,
    /// Joins that clients were told of.
    pub joined: u64,
    /// Joins that the server ended.
    pub ended: u64,
    /// Broadcasts that clients got.
    pub messages: u64,
    /// Events about presences.
    pub presences: u64,
    /// Pushes and pings made.
    pub pushes: u64,
    /// Those that were answered.
    pub replies: u64,
    /// Those that were not in time.
    pub timeouts: u64,
    /// Pings that were answered.
    pub pongs: u64,
    /// Those whose channel closed, or pings whose connection was lost.
    pub aborted: u64,
    /// Those that were refused for lack of room.
    pub full: u64,
    /// Clients that were closed because they did not read.
    pub slow: u64,
    /// Joins that were refused.
    pub refused: u64,
    /// Servers that were thrown away.
    pub restarts: u64,
    /// What hostile clients did.
    pub fouls: u64,
    /// Connections of theirs for which there was no room.
    pub turned_away: u64,
    /// Those that were closed for offences.
    pub offenders: u64,
    /// Those that were closed for a broken rule of the protocol.
    pub violations: u64,
    /// Messages beyond the rate that was allowed.
    pub rate_limited: u64,
    /// Mischief done.
    pub mischief: u64,
}

impl AddAssign for Summary {
    fn add_assign(&mut self, other: Self) {
        self.connected += other.connected;
        self.connect_failed += other.connect_failed;
        self.disconnected += other.disconnected;
        self.joined += other.joined;
        self.ended += other.ended;
        self.messages += other.messages;
        self.presences += other.presences;
        self.pushes += other.pushes;
        self.replies += other.replies;
        self.timeouts += other.timeouts;
        self.pongs += other.pongs;
        self.aborted += other.aborted;
        self.full += other.full;
        self.slow += other.slow;
        self.refused += other.refused;
        self.restarts += other.restarts;
        self.fouls += other.fouls;
        self.turned_away += other.turned_away;
        self.offenders += other.offenders;
        self.violations += other.violations;
        self.rate_limited += other.rate_limited;
        self.mischief += other.mischief;
    }
}

/// What did not hold, and how it came to that. Shown, it says how to see it again.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What did not hold.
    pub what: String,
    /// The last steps, the last one last.
    pub history: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "CHANSON_SEED={}: {}", self.seed, self.what)?;
        writeln!(f, "the last steps:")?;
        self.history.iter().try_for_each(|step| writeln!(f, "  {step}"))
    }
}

impl std::error::Error for Failure {}

/// A run as it goes on.
struct Run {
    seed: u64,
    step: usize,
    history: VecDeque<(usize, Instant, Step)>,
}

impl Run {
    /// `next` is asked for the next step with how many there were.
    fn play(
        &mut self,
        world: &mut World,
        mut next: impl FnMut(&mut World, usize) -> Option<Step>,
    ) -> Result<(), String> {
        for step in world.opening() {
            self.note(world.now, step);
            world.act(step)?;
        }
        let mut count = 0;
        while let Some(step) = next(world, count) {
            count += 1;
            self.note(world.now, step);
            world.act(step)?;
        }
        for step in [Step::Calm, Step::Disconnect, Step::End] {
            self.note(world.now, step);
            world.act(step)?;
        }
        Ok(())
    }

    fn note(&mut self, now: Instant, step: Step) {
        self.step += 1;
        if self.history.len() == HISTORY {
            self.history.pop_front();
        }
        self.history.push_back((self.step, now, step));
    }

    fn failure(&self, what: String, now: Instant) -> Failure {
        Failure { seed: self.seed, what: format!("{what} (at {} ms)", now.as_millis()), history: self.told() }
    }

    fn told(&self) -> Vec<String> {
        let line =
            |(number, at, step): &(usize, Instant, Step)| format!("{number:4} {:>8} ms  {step:?}", at.as_millis());
        self.history.iter().map(line).collect()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let what = "it panicked".to_owned();
            eprintln!("{}", Failure { seed: self.seed, what, history: self.told() });
        }
    }
}

/// How many steps a failure tells.
const HISTORY: usize = 50;
