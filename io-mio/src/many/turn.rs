//! One turn of the hub's thread: wait, accept, take what workers have sent, commands, time, send.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use chanson_core::log::Level;
use chanson_core::time::Instant;
use mio::net::TcpStream;

use super::link::Gone;
use super::{Many, PATIENCE, SHIP_AT};
use crate::door::Accepted;
use crate::server::{LISTENER, Stage};
use crate::sockets;

impl<S> Many<S> {
    pub(crate) fn turn(&mut self, app: &mut S, max_wait: Option<Duration>) -> io::Result<()> {
        if self.is_finished() {
            return Ok(());
        }
        self.wait(max_wait)?;
        self.now = self.now.max(self.now());
        if self.events.iter().any(|event| event.token() == LISTENER) {
            self.door.knock();
        }
        self.acted = false;
        let gone = self.work(app).is_err();
        self.mind_the_end(app);
        self.stats.count_turn(self.now() - self.now);
        self.inbox.set_stats(self.own_stats());
        // Whoever sends something from now on wakes whoever waits: the next turn, or a loop around this one, which looks at
        // `poll_timeout` before.
        if !self.has_leftovers() {
            self.bell.lie_down();
        }
        if gone { self.fail(app) } else { Ok(()) }
    }

    /// When the next turn is due though nothing happens.
    pub(crate) fn next_turn(&self) -> Option<Instant> {
        let drained = match self.stage {
            Stage::Running => None,
            Stage::Draining(until) => Some(until),
            Stage::Finished => return None,
        };
        if self.has_leftovers() {
            return Some(self.now);
        }
        let timer = self.sharded.poll_timeout().map(|due| self.held_up.map_or(due, |until| due.max(until)));
        timer.into_iter().chain(self.door.deadline()).chain(drained).min()
    }

    /// Whether there is something to do that nobody will wake this thread for.
    fn has_leftovers(&self) -> bool {
        match self.is_behind() {
            // What is to be done waits for workers to catch up.
            true => self.links.iter().any(|link| link.caught_up()),
            false => {
                let says = |index: usize| self.sharded.weight(index) > 0;
                let hears = |index: usize| self.links[index].has_inputs() || self.sharded.can_resume(index);
                let waits = |index: usize| says(index) || hears(index);
                self.acted || self.door.is_ready() || self.inbox.has_more() || (0..self.links.len()).any(waits)
            }
        }
    }

    fn is_behind(&self) -> bool {
        self.links.iter().any(|link| link.is_behind())
    }

    fn wait(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        if !self.has_leftovers() {
            self.bell.lie_down();
        }
        let due = self.next_turn().map(|due| due - self.now());
        let timeout = max_wait.into_iter().chain(due).min();
        let waited = sockets::wait(&mut self.poll, &mut self.events, timeout);
        self.bell.get_up();
        waited
    }

    fn work(&mut self, app: &mut S) -> Result<(), Gone> {
        self.ship()?;
        self.accept();
        self.take_inputs(app)?;
        self.obey(app)?;
        self.pass_time(app);
        self.sharded.mind_the_total(self.shared.queued());
        self.ship()
    }

    // --- connections ---

    fn accept(&mut self) {
        self.door.handle_timeout(self.now);
        if self.is_behind() {
            return;
        }
        for _ in 0..self.config.accepts_per_turn.max(1) {
            match self.door.accept(self.now) {
                Accepted::Socket(stream, peer) => self.admit(stream, peer),
                Accepted::Failed => {
                    self.stats.accept_failures += 1;
                    let text = format_args!("a connection cannot be accepted: no file descriptor left?");
                    self.sharded.log(self.now, Level::Warn, text);
                }
                Accepted::Nobody => return,
            }
        }
    }

    fn admit(&mut self, stream: TcpStream, peer: SocketAddr) {
        match self.sharded.handle_connect(self.now, Some(peer)) {
            Ok((shard, id)) => self.links[shard].next.connections.push((id, stream)),
            Err(_) => {
                self.stats.turned_away += 1;
                self.door.turn_away(self.now, stream, self.sharded.busy());
            }
        }
    }

    // --- what workers have sent ---

    /// From each worker one batch after another, in turns, and behind each what was put off of one connection; but no more than can
    /// wait: commands and timers have their turn, too.
    fn take_inputs(&mut self, app: &mut S) -> Result<(), Gone> {
        let count = self.links.len();
        for _ in 0..ROUNDS {
            let (mut any, first) = (false, self.first);
            for index in (0..count).map(|n| (first + n) % count) {
                if self.is_behind() {
                    self.first = index;
                    return Ok(());
                }
                if self.links[index].receive()? {
                    any = true;
                    self.take_batch(app, index)?;
                }
                if self.sharded.can_resume(index) && !self.is_behind() {
                    any = true;
                    self.sharded.resume(self.now, app, index);
                    self.ship()?;
                }
            }
            if !any {
                break;
            }
            self.first = (self.first + 1) % count.max(1);
        }
        Ok(())
    }

    fn take_batch(&mut self, app: &mut S, index: usize) -> Result<(), Gone> {
        let Some(mut inputs) = self.links[index].inputs.take() else { return Ok(()) };
        // If much came of a part of it, the rest is for its next turn.
        if self.sharded.handle_inputs(self.now, app, index, &mut inputs) {
            self.links[index].inputs = Some(inputs);
            self.ship()?;
        }
        Ok(())
    }

    /// Carries out what handles asked for.
    fn obey(&mut self, app: &mut S) -> Result<(), Gone> {
        // Even with workers behind there is one, and a wish to end is heard, unless they are far behind.
        self.inbox.begin_turn(if self.is_behind() { 1 } else { self.config.commands_per_turn });
        if self.is_behind() && self.holds_too_much() {
            // Commands wait, and handles that have more are told that there is no room.
            return Ok(());
        }
        while self.inbox.obey(self.now, &mut self.sharded, app, &mut self.stats).is_some() {
            if (0..self.links.len()).any(|index| self.sharded.weight(index) >= SHIP_AT) {
                self.ship()?;
            }
        }
        while self.inbox.take_stop() {
            self.shutdown(app);
        }
        Ok(())
    }

    /// Lets timers fire. When that comes late, the whole process may have slept, and peers may have sent something that workers
    /// have not read yet: they are asked for it, else all peers would be taken for silent.
    fn pass_time(&mut self, app: &mut S) {
        let Some(due) = self.sharded.poll_timeout().filter(|due| *due <= self.now) else { return };
        match self.held_up {
            None if self.now - due > LATE => {
                self.sharded.ask();
                self.held_up = Some(self.now + GRACE);
            }
            Some(until) if self.now < until && self.sharded.is_waiting() => {}
            _ => {
                self.held_up = None;
                self.sharded.handle_timeout(self.now, app);
            }
        }
    }

    // --- what the hub has to say ---

    /// Sends each worker what there is for it, and wakes it.
    fn ship(&mut self) -> Result<(), Gone> {
        for (index, link) in self.links.iter_mut().enumerate() {
            // What could not be sent before stands before what is new.
            if link.is_behind() {
                link.send()?;
            }
            if !link.is_behind()
                && let (outputs, connections) = (self.sharded.poll_outputs(index), !link.next.connections.is_empty())
                && (outputs.is_some() || connections)
            {
                link.next.outputs = outputs.unwrap_or_default();
                link.send()?;
            }
        }
        Ok(())
    }

    /// The same, waiting for workers that are behind.
    pub(super) fn ship_within(&mut self, patience: Duration) {
        for (index, link) in self.links.iter_mut().enumerate() {
            if link.is_behind() {
                link.send_within(patience);
            }
            if !link.is_behind()
                && let (outputs, connections) = (self.sharded.poll_outputs(index), !link.next.connections.is_empty())
                && (outputs.is_some() || connections)
            {
                link.next.outputs = outputs.unwrap_or_default();
                link.send_within(patience);
            }
        }
    }

    // --- the end ---

    pub(crate) fn shutdown(&mut self, app: &mut S) {
        self.now = self.now.max(self.now());
        match self.stage {
            Stage::Running => {
                let now = self.now;
                self.door.close(self.poll.registry());
                self.sharded.act(now, app, |hub, app| hub.shutdown(now, app));
                self.stage = Stage::Draining(now + self.config.drain);
                self.acted = true;
            }
            Stage::Draining(_) => self.finish(app),
            Stage::Finished => {}
        }
    }

    fn mind_the_end(&mut self, app: &mut S) {
        if let Stage::Draining(until) = self.stage
            && (self.connections() == 0 || until <= self.now)
        {
            self.finish(app);
        }
    }

    /// Cuts what is left.
    fn finish(&mut self, app: &mut S) {
        self.ship_within(PATIENCE);
        self.end_workers();
        self.sharded.handle_end(self.now, app);
        self.stage = Stage::Finished;
        self.inbox.close();
        self.inbox.set_stats(self.own_stats());
    }

    /// A worker has ended by itself: the system refused to wait for events, or there is a mistake in this program. Its connections
    /// are lost, and nothing more can be promised to the others.
    fn fail(&mut self, app: &mut S) -> io::Result<()> {
        let error = self.join_failed();
        self.finish(app);
        Err(error)
    }

    fn join_failed(&mut self) -> io::Error {
        let failed = self.links.iter().position(|link| link.is_gone());
        let Some(index) = failed else { return io::Error::other("a thread with sockets has ended") };
        match self.links[index].take_result() {
            Some(error) => error,
            None => io::Error::other("a thread with sockets has panicked"),
        }
    }
}

/// So many batches of each worker are taken in one turn at most.
const ROUNDS: usize = 4;

/// Timers that fire so late are held up once.
const LATE: Duration = Duration::from_millis(200);

/// For no longer than this, if workers have not said by then what has come.
const GRACE: Duration = Duration::from_secs(1);
