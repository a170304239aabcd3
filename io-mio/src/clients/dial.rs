//! Opening transports: one address after the other, without waiting for any.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use chanson_core::client::Output;
use chanson_core::time::Instant;
use mio::net::TcpStream;

use super::lookup::numeric;
use super::{ClientId, Clients};

/// How far a client's transport is from being up.
pub(super) enum Dial {
    /// It is up, or there is none.
    Idle,
    /// Its address is being looked up.
    Resolving {
        /// When the client gives up.
        deadline: Instant,
    },
    /// An address was called and has not answered.
    Calling {
        /// What is left to try.
        rest: std::vec::IntoIter<SocketAddr>,
        deadline: Instant,
        /// When to try the next, if there is one.
        next_at: Option<Instant>,
    },
}

impl Dial {
    /// When something is to be done.
    pub(super) const fn due(&self) -> Option<Instant> {
        match self {
            Self::Calling { next_at, .. } => *next_at,
            Self::Idle | Self::Resolving { .. } => None,
        }
    }

    pub(super) const fn is_calling(&self) -> bool {
        matches!(self, Self::Calling { .. })
    }
}

impl Clients {
    /// Does what a client wants of its transport.
    pub(super) fn obey(&mut self, id: ClientId) {
        while let Some(output) = self.table.get_mut(id).and_then(|entry| entry.client.poll_output()) {
            match output {
                Output::Connect { host, port, tls: false } => self.dial(id, &host, port),
                Output::Close => self.hang_up(id),
                // `add` takes no address that needs TLS.
                _ => self.fail(id, ErrorKind::Unsupported.into()),
            }
        }
    }

    pub(super) fn dial(&mut self, id: ClientId, host: &str, port: u16) {
        let now = self.now;
        let Some(entry) = self.table.get_mut(id) else { return };
        let deadline = now + entry.connect_timeout;
        entry.dial = Dial::Resolving { deadline };
        match numeric(host, port) {
            Some(addr) => self.call_first_of(id, vec![addr]),
            None => self.lookups.ask(id, host, port),
        }
    }

    /// Goes on with those whose names were looked up. Whoever has given up meanwhile, or was removed, is not concerned.
    pub(super) fn take_addresses(&mut self) {
        while let Some((ids, result)) = self.lookups.take() {
            for id in ids {
                match &result {
                    Ok(addrs) => self.call_first_of(id, addrs.clone()),
                    Err(error) if self.is_resolving(id) => {
                        self.fail(id, io::Error::new(error.kind(), error.to_string()));
                    }
                    Err(_) => {}
                }
            }
        }
    }

    fn is_resolving(&self, id: ClientId) -> bool {
        self.table.get(id).is_some_and(|entry| matches!(entry.dial, Dial::Resolving { .. }))
    }

    fn call_first_of(&mut self, id: ClientId, addrs: Vec<SocketAddr>) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let Dial::Resolving { deadline } = entry.dial else { return };
        entry.dial = Dial::Calling { rest: addrs.into_iter(), deadline, next_at: None };
        self.call_next(id, io::Error::new(ErrorKind::NotFound, "the name has no address"));
    }

    /// Calls the next address; `error` is what is wrong with those before.
    fn call_next(&mut self, id: ClientId, mut error: io::Error) {
        self.sockets.remove(self.poll.registry(), id);
        loop {
            let Some(entry) = self.table.get_mut(id) else { return };
            let Dial::Calling { rest, deadline, next_at } = &mut entry.dial else { return };
            let left = u32::try_from(rest.len()).unwrap_or(u32::MAX);
            let Some(addr) = rest.next() else { break };
            // Each gets the same share of the time, and the last one what is left.
            *next_at = (left > 1).then(|| self.now + ((*deadline - self.now) / left).max(MIN_SHARE));
            let called = TcpStream::connect(addr)
                .and_then(|stream| self.sockets.insert_blocked(self.poll.registry(), id, stream));
            match called {
                Ok(()) => return self.touch(id),
                Err(refused) => error = refused,
            }
        }
        self.fail(id, error);
    }

    /// The called address has taken too long, if that is what the time has come for.
    pub(super) fn call_timed_out(&mut self, id: ClientId) {
        let due = self.table.get(id).and_then(|entry| entry.dial.due());
        if due.is_some_and(|due| due <= self.now) {
            self.call_next(id, ErrorKind::TimedOut.into());
        }
    }

    /// The called address has answered, one way or the other.
    pub(super) fn take_answer(&mut self, id: ClientId) {
        let Some(socket) = self.sockets.get_mut(id) else { return };
        let answer = match socket.stream.take_error() {
            Ok(Some(error)) | Err(error) => Err(error),
            Ok(None) => match socket.stream.peer_addr() {
                Err(error) if error.kind() == ErrorKind::NotConnected => {
                    // It was about something else.
                    socket.blocked = true;
                    return;
                }
                answer => answer,
            },
        };
        if let Err(error) = answer {
            return self.call_next(id, error);
        }
        // Without it small messages may come late; a socket that cannot have it works all the same.
        drop(socket.stream.set_nodelay(true));
        if socket.readable {
            self.sockets.queue(id);
        }
        if let Some(entry) = self.table.get_mut(id) {
            entry.dial = Dial::Idle;
            entry.client.handle_connected(self.now);
        }
        self.touch(id);
    }

    /// The transport could not be opened, or has failed.
    pub(super) fn fail(&mut self, id: ClientId, error: io::Error) {
        self.hang_up(id);
        if let Some(entry) = self.table.get_mut(id) {
            entry.error = Some(error);
            entry.client.handle_error(self.now);
        }
        self.touch(id);
    }

    pub(super) fn hang_up(&mut self, id: ClientId) {
        self.sockets.remove(self.poll.registry(), id);
        if let Some(entry) = self.table.get_mut(id) {
            entry.dial = Dial::Idle;
        }
    }
}

/// An address has at least so much time, however many there are.
const MIN_SHARE: Duration = Duration::from_millis(100);
