//! The client's own thread: it owns the connection, and turns.

use std::io;
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use chanson_core::client::Output;
use crossbeam_channel::{Receiver, Sender};

use super::dial::Input;
use super::shared::{Shared, State};
use super::wire::Wire;

/// What the client's thread has.
pub(super) struct Worker {
    shared: Arc<Shared>,
    inputs: Receiver<Input>,
    wire: Wire,
    /// What the core wanted before there was this thread.
    first: Option<Output>,
    /// When to look again, even if nothing happens.
    due: Option<Instant>,
    /// When it ends at the latest, if it is to end.
    end: Option<Instant>,
    /// How long the end of a connection is waited for.
    close_timeout: Duration,
}

/// What is taken from the configuration.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) close: Duration,
}

/// Starts the three threads of a client; gives the handle of its own.
pub(super) fn start(
    shared: Arc<Shared>,
    inputs: (Sender<Input>, Receiver<Input>),
    first: Option<Output>,
    timeouts: Timeouts,
) -> io::Result<JoinHandle<()>> {
    let wire = Wire::start(&inputs.0, timeouts.connect)?;
    let mut worker = Worker {
        shared,
        inputs: inputs.1,
        wire,
        first,
        due: Some(Instant::now()),
        end: None,
        close_timeout: timeouts.close,
    };
    Builder::new().name("chanson-client".into()).spawn(move || {
        // Nobody else sets it.
        let _ = worker.shared.thread.set(std::thread::current().id());
        let _ending = Ending(Arc::clone(&worker.shared));
        while worker.turn() {}
        // Without a receiver the other threads have nobody to tell, and end.
        let Worker { wire, inputs, .. } = worker;
        drop(inputs);
        wire.end();
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
        while let Some(output) = self.first.take().or_else(|| state.core.poll_output()) {
            self.carry_out(output);
        }
        self.wire.write(&mut state.core);
        let mut told = Vec::new();
        if state.drain(&mut told) {
            shared.connection_changed();
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

    /// Whether the server has been told of the end, or has had its time.
    fn is_over(&mut self) -> bool {
        let end = *self.end.get_or_insert_with(|| Instant::now() + self.close_timeout * 2);
        !self.wire.is_up() || end <= Instant::now()
    }

    fn take(&mut self, state: &mut State, input: Input) {
        let now = self.shared.now();
        if let Some(error) = self.wire.take(&mut state.core, now, input) {
            state.system = Some(Arc::new(error));
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect { host, port, .. } => self.wire.connect(host, port),
            _ => self.wire.hang_up(),
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
