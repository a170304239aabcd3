//! The connection of a client, at the end of the client's own thread: two other threads wait for the socket.

use std::io::{self, IoSlice};
use std::sync::{Arc, Weak};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use chanson_core::{client, covenant, time};
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TrySendError, bounded};
use socket2::Socket;

use super::dial::{self, Attempt, Batch, Input};

/// A state machine at one end of a connection.
pub(crate) trait Machine {
    fn handle_connected(&mut self, now: time::Instant);
    fn handle_bytes(&mut self, now: time::Instant, bytes: &[u8]);
    fn handle_eof(&mut self, now: time::Instant);
    fn handle_error(&mut self, now: time::Instant);
    fn pending<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize;
    fn commit(&mut self, n: usize);
    fn advance(&mut self, now: time::Instant, n: usize);
}

macro_rules! machine {
    ($type:ty) => {
        impl Machine for $type {
            fn handle_connected(&mut self, now: time::Instant) {
                self.handle_connected(now);
            }

            fn handle_bytes(&mut self, now: time::Instant, bytes: &[u8]) {
                self.handle_bytes(now, bytes);
            }

            fn handle_eof(&mut self, now: time::Instant) {
                self.handle_eof(now);
            }

            fn handle_error(&mut self, now: time::Instant) {
                self.handle_error(now);
            }

            fn pending<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
                self.pending(slices)
            }

            fn commit(&mut self, n: usize) {
                self.commit(n);
            }

            fn advance(&mut self, now: time::Instant, n: usize) {
                self.advance(now, n);
            }
        }
    };
}

machine!(client::Client);
machine!(covenant::client::Client);

/// A connection, or the try to have one, or neither.
pub(crate) struct Wire {
    threads: Threads,
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
    /// How long a try may take.
    timeout: Duration,
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

impl Wire {
    /// One without a connection. What happens to the one that it will have is told by `inputs`.
    pub(crate) fn start(inputs: &Sender<Input>, timeout: Duration) -> io::Result<Self> {
        Ok(Self {
            threads: Threads::start(inputs)?,
            attempt: None,
            left: Weak::new(),
            socket: None,
            attempts: 0,
            batch: Some(Vec::new()),
            timeout,
        })
    }

    /// Whether there is a connection, or a try to have one.
    pub(crate) const fn is_up(&self) -> bool {
        self.attempt.is_some()
    }

    /// Something happened to the connection. Of an earlier attempt only its buffers are of interest. When a try has failed,
    /// what the operating system says.
    pub(crate) fn take(&mut self, core: &mut impl Machine, now: time::Instant, input: Input) -> Option<io::Error> {
        match input {
            Input::Connected(number, socket) if self.is_current(number) => {
                self.socket = Some(socket);
                core.handle_connected(now);
            }
            Input::NotConnected(number, error) if self.is_current(number) => {
                core.handle_error(now);
                return Some(error);
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
        None
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

    /// Tries to have a connection.
    pub(crate) fn connect(&mut self, host: Box<str>, port: u16) {
        self.attempts += 1;
        let attempt = Attempt::new(self.attempts, host, port, self.timeout);
        self.attempt = Some(Arc::clone(&attempt));
        if let Err(TrySendError::Full(attempt)) = self.threads.attempts.0.try_send(attempt) {
            // The reader has not come to the one before, which is over.
            drop(self.threads.attempts.1.try_recv());
            drop(self.threads.attempts.0.try_send(attempt));
        }
    }

    /// Ends the connection, whatever its state.
    pub(crate) fn hang_up(&mut self) {
        self.socket = None;
        if let Some(attempt) = self.attempt.take() {
            attempt.cancel();
            self.left = Arc::downgrade(&attempt);
        }
    }

    /// Gives the writer what there is to send, unless it is busy.
    pub(crate) fn write(&mut self, core: &mut impl Machine) {
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

    /// Ends the other threads. Nothing may hold the receiver of `inputs` any more.
    pub(crate) fn end(mut self) {
        self.hang_up();
        let Self { threads, left, .. } = self;
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
