//! The table of sockets.

use std::collections::VecDeque;
use std::io;

use chanson_core::ConnId;
use mio::event::Event;
use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

/// Sockets by the index of their connection, and which of them to look at. Each is registered once, for both directions
/// and for edges: what an event said is remembered here until it turns out to be over.
#[derive(Default)]
pub(crate) struct Sockets {
    slots: Vec<Option<Socket>>,
    count: usize,
    /// Those to read from.
    ready: VecDeque<ConnId>,
    /// Those that take bytes again.
    pub(crate) unblocked: Vec<ConnId>,
}

pub(crate) struct Socket {
    id: ConnId,
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

impl Sockets {
    pub(crate) fn insert(&mut self, registry: &Registry, id: ConnId, mut stream: TcpStream) -> io::Result<()> {
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

    pub(crate) fn remove(&mut self, registry: &Registry, id: ConnId) {
        if self.get_mut(id).is_none() {
            return;
        }
        if let Some(mut socket) = self.slots[id.index()].take() {
            // It is closed here, whatever the answer.
            drop(registry.deregister(&mut socket.stream));
            self.count -= 1;
        }
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Socket> {
        self.slots.get_mut(id.index())?.as_mut().filter(|socket| socket.id == id)
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnId> {
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
    pub(crate) fn queue(&mut self, id: ConnId) {
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
    pub(crate) fn next(&mut self) -> Option<ConnId> {
        let id = self.ready.pop_front()?;
        if let Some(socket) = self.get_mut(id) {
            socket.queued = false;
        }
        Some(id)
    }
}

/// The tokens below are the driver's own.
pub(crate) const FIRST_TOKEN: usize = 2;
