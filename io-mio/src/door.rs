//! Where connections come in: the listener, and what happens when one cannot be taken.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};

use chanson_core::driver::{Leaving, PAUSE, concerns_one_peer};
use chanson_core::time::Instant;
use mio::net::{TcpListener, TcpStream};
use mio::{Interest, Registry, Token};

/// The listener and those it had to turn away.
pub(crate) struct Door {
    listener: Option<TcpListener>,
    /// Whether somebody may stand outside.
    ready: bool,
    /// Until when nobody is let in, since the system has no room.
    paused: Option<Instant>,
    leaving: Leaving<TcpStream>,
}

/// What accepting led to.
pub(crate) enum Accepted {
    Socket(TcpStream, SocketAddr),
    /// It failed, and others may be waiting.
    Failed,
    /// Nobody is there, or nobody can be let in now.
    Nobody,
}

impl Door {
    pub(crate) fn open(mut listener: TcpListener, registry: &Registry, token: Token) -> io::Result<Self> {
        registry.register(&mut listener, token, Interest::READABLE)?;
        Ok(Self { listener: Some(listener), ready: true, paused: None, leaving: Leaving::default() })
    }

    /// From now on connections are refused by the system.
    pub(crate) fn close(&mut self, registry: &Registry) {
        if let Some(mut listener) = self.listener.take() {
            // It is closed below, whatever the answer.
            drop(registry.deregister(&mut listener));
        }
        (self.ready, self.paused) = (false, None);
    }

    /// Somebody came.
    pub(crate) const fn knock(&mut self) {
        self.ready = true;
    }

    /// Whether somebody may be let in at once.
    pub(crate) const fn is_ready(&self) -> bool {
        self.ready && self.paused.is_none() && self.listener.is_some()
    }

    /// When to look here at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.leaving.poll_timeout().into_iter().chain(self.paused).min()
    }

    /// Time passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.paused.is_some_and(|until| until <= now) {
            self.paused = None;
        }
        self.leaving.handle_timeout(now);
    }

    pub(crate) fn accept(&mut self, now: Instant) -> Accepted {
        if !self.is_ready() {
            return Accepted::Nobody;
        }
        let Some(listener) = &self.listener else { return Accepted::Nobody };
        match listener.accept() {
            Ok((stream, peer)) => Accepted::Socket(stream, peer),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                self.ready = false;
                Accepted::Nobody
            }
            Err(error) => {
                if !concerns_one_peer(error.kind()) {
                    self.paused = Some(now + PAUSE);
                }
                Accepted::Failed
            }
        }
    }

    /// Tells somebody by `answer` that there is no room.
    pub(crate) fn turn_away(&mut self, now: Instant, mut stream: TcpStream, answer: &[u8]) {
        // It fits into the empty buffer of a new socket; whoever does not get it finds out by the end that follows.
        drop(stream.write(answer));
        drop(stream.shutdown(Shutdown::Write));
        drop(stream.read(&mut [0; 2048]));
        self.leaving.push(now, stream);
    }
}
