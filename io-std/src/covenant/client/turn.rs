//! The client's own thread: it owns the connection to the Sidekick and the callers of the server, and turns.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use chanson_core::covenant::client::{CallId, Output};
use crossbeam_channel::{Receiver, Sender};

use super::shared::{Shared, State};
use crate::client::dial::Input;
use crate::client::wire::Wire;
use crate::http::Caller;

/// What the client's thread has.
struct Worker {
    shared: Arc<Shared>,
    inputs: Receiver<Input>,
    /// `None` where there is no socket to a Sidekick.
    wire: Option<Wire>,
    caller: Caller<CallId>,
    /// When to look again, even if nothing happens.
    due: Option<Instant>,
    /// When it ends at the latest, if it is to end.
    end: Option<Instant>,
    close_timeout: Duration,
}

/// Starts the client's thread, and those that wait for a socket if it is to have one; gives the handle of its own.
pub(super) fn start(
    shared: Arc<Shared>,
    inputs: (Sender<Input>, Receiver<Input>),
    caller: Caller<CallId>,
    socket: bool,
    (connect_timeout, close_timeout): (Duration, Duration),
) -> io::Result<JoinHandle<()>> {
    let wire = if socket { Some(Wire::start(&inputs.0, connect_timeout)?) } else { None };
    let due = Some(Instant::now());
    let mut worker = Worker { shared, inputs: inputs.1, wire, caller, due, end: None, close_timeout };
    Builder::new().name("chanson-cov-client".into()).spawn(move || {
        // Nobody else sets it.
        let _ = worker.shared.thread.set(std::thread::current().id());
        let _ending = Ending(Arc::clone(&worker.shared));
        while worker.turn() {}
        // Without a receiver the other threads have nobody to tell, and end.
        let Worker { wire, inputs, .. } = worker;
        drop(inputs);
        if let Some(wire) = wire {
            wire.end();
        }
    })
}

impl Worker {
    /// Waits until there is something to do, and does it; whether it goes on.
    fn turn(&mut self) -> bool {
        let mut input = self.wait();
        let shared = Arc::clone(&self.shared);
        let mut state = shared.lock();
        for _ in 0..INPUTS {
            let Some(next) = input.or_else(|| self.inputs.try_recv().ok()) else { break };
            self.take(&mut state, next);
            input = None;
        }
        shared.rise();
        let now = shared.now();
        if state.core.poll_timeout().is_some_and(|due| due <= now) {
            state.core.handle_timeout(now);
        }
        let mut told = Vec::new();
        if state.drain(&mut told) {
            shared.changed();
        }
        while let Some(output) = state.core.poll_output() {
            self.carry_out(&mut state, output);
        }
        if let Some(wire) = &mut self.wire {
            wire.write(&mut state.core);
        }
        let over = state.ending && self.is_over();
        let due = state.core.poll_timeout().map(|due| Instant::now().checked_add(due - now));
        self.due = due.flatten().into_iter().chain(self.end).min();
        drop(state);
        shared.tell(told);
        !over
    }

    fn wait(&self) -> Option<Input> {
        match self.due {
            Some(due) => self.inputs.recv_deadline(due).ok(),
            None => self.inputs.recv().ok(),
        }
    }

    /// Whether the Sidekick has been told of the end, or has had its time.
    fn is_over(&mut self) -> bool {
        let end = *self.end.get_or_insert_with(|| Instant::now() + self.close_timeout * 2);
        self.wire.as_ref().is_none_or(|wire| !wire.is_up()) || end <= Instant::now()
    }

    fn take(&mut self, state: &mut State, input: Input) {
        if let Some(wire) = &mut self.wire {
            drop(wire.take(&mut state.core, self.shared.now(), input));
        }
    }

    fn carry_out(&mut self, state: &mut State, output: Output) {
        match output {
            Output::Connect { host, port, .. } => {
                if let Some(wire) = &mut self.wire {
                    wire.connect(host, port);
                }
            }
            Output::Close => {
                if let Some(wire) = &mut self.wire {
                    wire.hang_up();
                }
            }
            Output::Call { id, post } => {
                if let Err(refused) = self.caller.call(id, post) {
                    state.core.handle_answer(self.shared.now(), refused.name, Err(refused.error));
                    // There is an event now, which nobody has looked for.
                    self.shared.wake();
                }
            }
            // What the host would carry itself; `Client::start` takes no such connection.
            _ => {}
        }
    }
}

/// Whoever waits for the client is told that there is none any more, whatever it ended by.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// Inputs that wait for the client's thread; beyond, the others wait.
pub(super) const WAITING: usize = 64;

/// Inputs taken in one turn.
const INPUTS: usize = 64;
