//! A server on a thread of its own.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use super::Handle;

/// A server that runs on a thread of its own.
///
/// Dropping it shuts the server down and waits until it has ended, which `Config::drain` bounds. To let it run for as long
/// as the program does, keep it, or [`join`](Self::join) it.
pub struct Running<S = ()> {
    handle: Handle,
    addr: SocketAddr,
    thread: Option<JoinHandle<(S, io::Result<()>)>>,
}

impl<S> Running<S> {
    /// For drivers: `thread` is the server's, and ends after `handle.shutdown()`.
    pub const fn new(handle: Handle, addr: SocketAddr, thread: JoinHandle<(S, io::Result<()>)>) -> Self {
        Self { handle, addr, thread: Some(thread) }
    }

    /// A handle, to keep or to give away.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// Where it listens.
    pub const fn local_addr(&self) -> SocketAddr {
        self.addr
    }

    /// Begins to end it, and does not wait; called once more, cuts what is left. See `Server::shutdown`.
    pub fn shutdown(&self) {
        self.handle.shutdown();
    }

    /// Whether it has ended.
    pub fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits until it has ended, which somebody has to ask for, and gives the application's state back.
    ///
    /// # Errors
    /// The operating system refused to wait for events, or so it did when the server was started.
    ///
    /// # Panics
    /// When the thread did, with what it panicked with. Panics of handlers do not count: they are caught.
    pub fn join(mut self) -> io::Result<S> {
        let thread = self.thread.take().expect("only `join` and `drop` take it, and both take `self`");
        match thread.join() {
            Ok((app, result)) => result.map(|()| app),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

impl<S> Drop for Running<S> {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.handle.shutdown();
            // Whether it failed would have been asked by `join`.
            drop(thread.join());
        }
    }
}

impl<S> fmt::Debug for Running<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}
