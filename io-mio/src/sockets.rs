//! The table of sockets.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::time::Duration;

use chanson_core::ConnId;
use chanson_core::endpoint::Next;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token};

use crate::sys::{self, CLOSING_DEREGISTERS, SHORT_READ_EMPTIES};

/// What a socket is known by: a small number that no two living ones share, and a generation.
pub(crate) trait Id: Copy + PartialEq {
    /// The small number.
    fn index(self) -> usize;
}

impl Id for ConnId {
    fn index(self) -> usize {
        Self::index(self)
    }
}

/// Sockets by the index of their connection, and which of them to look at. Each is registered once, for both directions
/// and for edges: what an event said is remembered here until it turns out to be over.
pub(crate) struct Sockets<I = ConnId> {
    slots: Vec<Option<Socket<I>>>,
    count: usize,
    /// Those to read from.
    ready: VecDeque<I>,
    /// Those that take bytes again.
    pub(crate) unblocked: Vec<I>,
}

impl<I> Default for Sockets<I> {
    fn default() -> Self {
        Self { slots: Vec::new(), count: 0, ready: VecDeque::new(), unblocked: Vec::new() }
    }
}

pub(crate) struct Socket<I = ConnId> {
    id: I,
    pub(crate) stream: TcpStream,
    /// Whether there may be something to read.
    pub(crate) readable: bool,
    /// Whether it is in `Sockets::ready`.
    queued: bool,
    /// Whether the peer's end (or an error) is there to be read, behind all else.
    pub(crate) ending: bool,
    /// Whether it took less than was offered; an event says when it takes more.
    pub(crate) blocked: bool,
    /// Whether its sending side was shut down.
    pub(crate) shut: bool,
}

impl<I: Id> Sockets<I> {
    pub(crate) fn insert(&mut self, registry: &Registry, id: I, mut stream: TcpStream) -> io::Result<()> {
        let token = Token(id.index() + FIRST_TOKEN);
        registry.register(&mut stream, token, Interest::READABLE | Interest::WRITABLE)?;
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        let socket = Socket { id, stream, readable: false, queued: false, ending: false, blocked: false, shut: false };
        self.slots[id.index()] = Some(socket);
        self.count += 1;
        Ok(())
    }

    /// The same for one that is still connecting: an event says when it has.
    pub(crate) fn insert_blocked(&mut self, registry: &Registry, id: I, stream: TcpStream) -> io::Result<()> {
        self.insert(registry, id, stream)?;
        if let Some(socket) = self.get_mut(id) {
            socket.blocked = true;
        }
        Ok(())
    }

    pub(crate) fn contains(&self, id: I) -> bool {
        self.slots.get(id.index()).is_some_and(|slot| slot.as_ref().is_some_and(|socket| socket.id == id))
    }

    pub(crate) fn remove(&mut self, registry: &Registry, id: I) {
        if self.get_mut(id).is_none() {
            return;
        }
        if let Some(mut socket) = self.slots[id.index()].take() {
            // It is closed here, whatever the answer.
            if !CLOSING_DEREGISTERS {
                drop(registry.deregister(&mut socket.stream));
            }
            self.count -= 1;
        }
    }

    pub(crate) fn get_mut(&mut self, id: I) -> Option<&mut Socket<I>> {
        self.slots.get_mut(id.index())?.as_mut().filter(|socket| socket.id == id)
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = I> {
        self.slots.iter().flatten().map(|socket| socket.id)
    }

    /// Notes what an event says.
    pub(crate) fn note(&mut self, event: &Event) {
        let index = event.token().0.wrapping_sub(FIRST_TOKEN);
        let Some(Some(socket)) = self.slots.get_mut(index) else { return };
        let id = socket.id;
        let ending = event.is_read_closed() || event.is_error();
        if socket.blocked && (event.is_writable() || event.is_write_closed() || event.is_error()) {
            socket.blocked = false;
            self.unblocked.push(id);
        }
        socket.ending |= ending;
        if event.is_readable() || ending {
            socket.readable = true;
            self.queue(id);
        }
    }

    /// To be read from, once more.
    pub(crate) fn queue(&mut self, id: I) {
        if let Some(socket) = self.get_mut(id)
            && !socket.queued
        {
            socket.queued = true;
            self.ready.push_back(id);
        }
    }

    /// How many wait to be read from.
    pub(crate) fn waiting(&self) -> usize {
        self.ready.len()
    }

    /// The next one to read from.
    pub(crate) fn next(&mut self) -> Option<I> {
        let id = self.ready.pop_front()?;
        if let Some(socket) = self.get_mut(id) {
            socket.queued = false;
        }
        Some(id)
    }
}

impl Sockets {
    /// Sends what a connection has to send, by `transmit`, which is an endpoint's or a shard's, and does what is to be done
    /// then; whether the socket is still of use.
    pub(crate) fn write(&mut self, id: ConnId, transmit: impl FnOnce(&mut Socket) -> io::Result<Next>) -> bool {
        let Some(socket) = self.get_mut(id) else { return true };
        let next = match transmit(socket) {
            Ok(next) if !next.finished => next,
            _ => return false,
        };
        if next.done_sending && !socket.shut {
            socket.shut = true;
            // If it fails the socket has failed, and reading says so.
            drop(socket.stream.shutdown(Shutdown::Write));
        }
        if next.wants_bytes && socket.readable {
            self.queue(id);
        }
        true
    }
}

/// What reading once gave.
pub(crate) enum Got {
    /// So many bytes.
    Bytes(usize),
    /// The peer's end.
    End,
    /// Nothing for now.
    Nothing,
    /// The socket has failed.
    Failed(io::Error),
}

impl<I> Socket<I> {
    /// Reads once; `readable` says whether there may be more.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Got {
        let result = loop {
            match sys::read(&self.stream, buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.readable = match result {
            Ok(count) => count > 0 && (count == buffer.len() || self.ending || !SHORT_READ_EMPTIES),
            Err(_) => false,
        };
        match result {
            Ok(0) => Got::End,
            Ok(count) => Got::Bytes(count),
            Err(error) if error.kind() == ErrorKind::WouldBlock => Got::Nothing,
            Err(error) => Got::Failed(error),
        }
    }

    /// Writes once; says how much the socket took. `blocked` says whether it takes no more for now, and then it is not asked.
    ///
    /// # Errors
    /// `WouldBlock`, `Interrupted`, or the socket has failed.
    pub(crate) fn write(&mut self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.blocked {
            return Err(ErrorKind::WouldBlock.into());
        }
        // One slice is the rule where many are told one thing each, and `send` costs less than `writev` does.
        let written = match slices {
            [one] => sys::write(&self.stream, one),
            slices => sys::write_vectored(&self.stream, slices),
        };
        self.blocked = written.as_ref().is_err_and(|error| error.kind() == ErrorKind::WouldBlock);
        written
    }
}

/// Waits for events. When a signal ends that, it may have been a long pause of the whole process: what came meanwhile is
/// looked at then, before timers are.
///
/// # Errors
/// The operating system refuses to wait.
pub(crate) fn wait(poll: &mut Poll, events: &mut Events, timeout: Option<Duration>) -> io::Result<()> {
    for timeout in [timeout, Some(Duration::ZERO)] {
        match poll.poll(events, timeout) {
            Err(error) if error.kind() == ErrorKind::Interrupted => events.clear(),
            result => return result,
        }
    }
    Ok(())
}

/// The tokens below are the driver's own.
pub(crate) const FIRST_TOKEN: usize = 2;
