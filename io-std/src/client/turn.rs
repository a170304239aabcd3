//! The client's own thread: it owns the connection, and turns.

use std::io::{self, IoSlice};
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use chanson_core::client::{Client, Output};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use socket2::Socket;

use super::dial::{self, Attempt, Batch, Input};
use super::shared::{Shared, State};

/// What the client's thread has.
pub(super) struct Worker {
    shared: Arc<Shared>,
    inputs: Receiver<Input>,
    threads: Threads,
    /// What the core wanted before there was this thread.
    first: Option<Output>,
    /// The connection, or the try to have one.
    attempt: Option<Arc<Attempt>>,
    /// The same when it is there and has not failed.
    socket: Option<Arc<Socket>>,
    /// The last one that was cancelled; the reader may have it still.
    left: Weak<Attempt>,
    /// How many attempts there were.
    attempts: u64,
    /// Where bytes for the writer are put; `None` while it has it.
    batch: Option<Vec<u8>>,
    /// When to look again, even if nothing happens.
    due: Option<Instant>,
    /// When it ends at the latest, if it is to end.
    end: Option<Instant>,
    timeouts: Timeouts,
}

/// What is taken from the configuration.
#[derive(Clone, Copy)]
pub(super) struct Timeouts {
    pub(super) connect: Duration,
    pub(super) close: Duration,
}

/// The two threads that wait for the socket, at this end. They end when these channels do.
struct Threads {
    /// Room for one: an attempt that the reader has not come to is replaced by the next.
    attempts: (Sender<Arc<Attempt>>, Receiver<Arc<Attempt>>),
    lent: Sender<Box<[u8]>>,
    /// Room for the one batch that there is.
    batches: Sender<Batch>,
    handles: [JoinHandle<()>; 2],
    /// Nothing comes by it: it ends when the threads have.
    ended: Receiver<()>,
}

/// Starts the three threads of a client; gives the handle of its own.
pub(super) fn start(
    shared: Arc<Shared>,
    inputs: (Sender<Input>, Receiver<Input>),
    first: Option<Output>,
    timeouts: Timeouts,
) -> io::Result<JoinHandle<()>> {
    let threads = Threads::start(&inputs.0)?;
    let mut worker = Worker {
        shared,
        inputs: inputs.1,
        threads,
        first,
        attempt: None,
        left: Weak::new(),
        socket: None,
        attempts: 0,
        batch: Some(Vec::new()),
        due: Some(Instant::now()),
        end: None,
        timeouts,
    };
    Builder::new().name("chanson-client".into()).spawn(move || {
        // Nobody else sets it.
        let _ = worker.shared.thread.set(std::thread::current().id());
        let _ending = Ending(Arc::clone(&worker.shared));
        while worker.turn() {}
        worker.end();
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
        let now = shared.now();
        if state.core.poll_timeout().is_some_and(|due| due <= now) {
            state.core.handle_timeout(now);
        }
        while let Some(output) = self.first.take().or_else(|| state.core.poll_output()) {
            self.carry_out(output);
        }
        self.write(&mut state.core);
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
        let end = *self.end.get_or_insert_with(|| Instant::now() + self.timeouts.close * 2);
        self.attempt.is_none() || end <= Instant::now()
    }

    /// Of an earlier attempt only its buffers are of interest.
    fn take(&mut self, state: &mut State, input: Input) {
        let (core, now) = (&mut state.core, self.shared.now());
        match input {
            Input::Wake => self.shared.rise(),
            Input::Connected(number, socket) if self.is_current(number) => {
                self.socket = Some(socket);
                core.handle_connected(now);
            }
            Input::NotConnected(number, error) if self.is_current(number) => {
                state.system = Some(Arc::new(error));
                core.handle_error(now);
            }
            Input::Bytes(number, buffer, count) => {
                if self.is_current(number) {
                    core.handle_bytes(now, &buffer[..count]);
                }
                // There is room for all there are.
                drop(self.threads.lent.try_send(buffer));
            }
            Input::Eof(number) if self.is_current(number) => core.handle_eof(now),
            Input::Failed(number) if self.is_current(number) => core.handle_error(now),
            Input::Sent(number, count) if self.is_current(number) => core.advance(now, count),
            Input::Written(number, batch, last) => {
                self.batch = Some(batch);
                match last {
                    _ if !self.is_current(number) => {}
                    Some(count) => core.advance(now, count),
                    None => self.writing_failed(),
                }
            }
            _ => {}
        }
    }

    fn is_current(&self, number: u64) -> bool {
        self.attempt.as_ref().is_some_and(|attempt| attempt.number == number)
    }

    /// There may be something to read yet, the reason perhaps; the reader will come to the end.
    fn writing_failed(&mut self) {
        if let Some(socket) = self.socket.take() {
            // If it fails, the reader knows already.
            drop(socket.shutdown(std::net::Shutdown::Both));
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Connect { host, port, .. } => {
                self.attempts += 1;
                let attempt = Attempt::new(self.attempts, host, port, self.timeouts.connect);
                self.attempt = Some(Arc::clone(&attempt));
                if let Err(TrySendError::Full(attempt)) = self.threads.attempts.0.try_send(attempt) {
                    // The reader has not come to the one before, which is over.
                    drop(self.threads.attempts.1.try_recv());
                    drop(self.threads.attempts.0.try_send(attempt));
                }
            }
            _ => self.hang_up(),
        }
    }

    fn hang_up(&mut self) {
        self.socket = None;
        if let Some(attempt) = self.attempt.take() {
            attempt.cancel();
            self.left = Arc::downgrade(&attempt);
        }
    }

    /// Gives the writer what there is to send, unless it is busy.
    fn write(&mut self, core: &mut Client) {
        let (Some(attempt), Some(socket)) = (&self.attempt, &self.socket) else { return };
        let Some(mut batch) = self.batch.take() else { return };
        batch.clear();
        let mut slices = [IoSlice::new(&[]); SLICES];
        let count = core.pending(&mut slices);
        for slice in &slices[..count] {
            batch.extend_from_slice(&slice[..slice.len().min(BATCH - batch.len())]);
        }
        if batch.is_empty() {
            batch.shrink_to(KEPT);
            self.batch = Some(batch);
            return;
        }
        core.commit(batch.len());
        // There is room, since there is one batch and it was here.
        drop(self.threads.batches.try_send((attempt.number, Arc::clone(socket), batch)));
    }

    /// Ends the other threads.
    fn end(mut self) {
        self.hang_up();
        let Self { threads, inputs, left, .. } = self;
        drop(inputs);
        threads.end(&left);
    }
}

impl Threads {
    fn start(inputs: &Sender<Input>) -> io::Result<Self> {
        let ((attempts, to_try), (lent, buffers), (batches, to_write)) = (bounded(1), bounded(BUFFERS), bounded(1));
        let (alive, ended) = bounded(0);
        for _ in 0..BUFFERS {
            // There is room.
            drop(lent.try_send(vec![0; BUFFER].into_boxed_slice()));
        }
        let (tried, told, reads) = (to_try.clone(), inputs.clone(), alive.clone());
        let reader = Builder::new().name("chanson-c-read".into()).spawn(move || {
            dial::connect_and_read(&tried, &buffers, &told);
            drop(reads);
        })?;
        let told = inputs.clone();
        // Without it the reader ends by itself: its channels are gone.
        let writer = Builder::new().name("chanson-c-write".into()).stack_size(STACK).spawn(move || {
            dial::write(&to_write, &told);
            drop(alive);
        })?;
        Ok(Self { attempts: (attempts, to_try), lent, batches, handles: [reader, writer], ended })
    }

    /// Their channels have no other end and the socket is cut, so there is nothing left to wait for; except for a system that
    /// is asked for an address, or that does not let itself be interrupted. A thread that waits for that is left behind, and
    /// ends when the system answers.
    fn end(self, left: &Weak<Attempt>) {
        let Self { attempts, lent, batches, handles, ended } = self;
        drop((attempts, lent, batches));
        let until = Instant::now() + PATIENCE;
        let mut pause = Duration::from_millis(1);
        while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            if Instant::now() >= until {
                return;
            }
            // It may have come just before there was something to interrupt.
            left.upgrade().inspect(|attempt| attempt.cancel());
            pause = (pause * 2).min(Duration::from_millis(100));
        }
        // They do not panic.
        handles.into_iter().for_each(|handle| drop(handle.join()));
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

/// How many buffers the reader has: one to read into while the client looks at the other.
const BUFFERS: usize = 2;

/// Bytes read at a time.
const BUFFER: usize = 16 << 10;

/// Pending pieces looked at for one batch.
const SLICES: usize = 64;

/// Bytes handed to the writer at a time.
const BATCH: usize = 64 << 10;

/// Bytes of room that the batch keeps when there is nothing to send.
const KEPT: usize = 4 << 10;

/// Bytes of stack of the writer, which hardly calls anything. The reader asks the system for addresses, which takes more.
const STACK: usize = 64 << 10;

/// How long the end of the other threads is waited for.
const PATIENCE: Duration = Duration::from_secs(1);
