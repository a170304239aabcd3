//! Where connections come in: the listener, the thread that waits at it, and those who are turned away.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use chanson_core::driver::{Leaving, PAUSE, concerns_one_peer};
use chanson_core::time::Instant;
use crossbeam_channel::{Receiver, Sender, bounded};

use crate::sys;
use crate::threads::{Input, start};

/// The listener and those it had to turn away.
pub(crate) struct Door {
    listener: Option<Arc<TcpListener>>,
    closed: Arc<AtomicBool>,
    /// Dropped to end a pause.
    open: Option<Sender<()>>,
    acceptor: Option<JoinHandle<()>>,
    leaving: Leaving<Arc<TcpStream>>,
}

impl Door {
    pub(crate) fn open(listener: TcpListener, inputs: Sender<Input>, stack: usize) -> io::Result<Self> {
        listener.set_nonblocking(false)?;
        let (listener, closed) = (Arc::new(listener), Arc::new(AtomicBool::new(false)));
        let (open, is_open) = bounded(0);
        let acceptor = start("chanson-accept", stack, {
            let (listener, closed) = (Arc::clone(&listener), Arc::clone(&closed));
            move || accept(&listener, &closed, &is_open, &inputs)
        })?;
        let (listener, open, acceptor) = (Some(listener), Some(open), Some(acceptor));
        Ok(Self { listener, closed, open, acceptor, leaving: Leaving::default() })
    }

    /// From now on nobody is let in, and soon connections are refused by the system. Does not wait for that.
    pub(crate) fn close(&mut self) {
        self.closed.store(true, Ordering::Release);
        self.open = None;
        if let Some(listener) = &self.listener {
            sys::interrupt(listener);
        }
    }

    /// Waits for the acceptor, when it cannot wait for the hub any more.
    pub(crate) fn join(&mut self) {
        self.close();
        let (Some(listener), Some(acceptor)) = (self.listener.take(), self.acceptor.take()) else { return };
        for _ in 0..KNOCKS {
            if acceptor.is_finished() {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
            sys::interrupt(&listener);
        }
        if acceptor.is_finished() {
            // It does not panic.
            drop(acceptor.join());
        }
    }

    /// When to look here at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.leaving.poll_timeout()
    }

    /// Time passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        self.leaving.handle_timeout(now);
    }

    /// Tells somebody by `answer` that there is no room.
    pub(crate) fn turn_away(&mut self, now: Instant, stream: Arc<TcpStream>, answer: &[u8]) {
        // It fits into the empty buffer of a new socket; whoever does not get it finds out by the end that follows.
        if stream.set_nonblocking(true).is_ok() {
            drop((&*stream).write(answer));
            drop(stream.shutdown(Shutdown::Write));
            drop((&*stream).read(&mut [0; 2048]));
            self.leaving.push(now, stream);
        }
    }
}

/// Lets in whoever comes. Waits when the system has no room, and when the hub has not looked at those before.
fn accept(listener: &TcpListener, closed: &AtomicBool, open: &Receiver<()>, inputs: &Sender<Input>) {
    while !closed.load(Ordering::Acquire) {
        let accepted = listener.accept();
        if closed.load(Ordering::Acquire) {
            return;
        }
        let pause = accepted.as_ref().is_err_and(|error| !concerns_one_peer(error.kind()));
        let input = accepted.map_or(Input::AcceptFailed, |(stream, peer)| Input::Accepted(stream, peer));
        if inputs.send(input).is_err() {
            return;
        }
        if pause {
            // Nobody sends: it ends with the time, or with the door.
            let _ = open.recv_timeout(PAUSE);
        }
    }
}

/// How often the acceptor is interrupted, a millisecond apart, before it is left alone.
const KNOCKS: usize = 1000;
