//! The table of connections, and the hub's ends of their threads.

use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;

use chanson_core::ConnId;
use crossbeam_channel::{Sender, bounded};

use crate::threads::{self, Input, Sent, start};

/// Connections by their index, and the threads of those that have gone.
#[derive(Default)]
pub(crate) struct Conns {
    slots: Vec<Option<Conn>>,
    count: usize,
    /// How many have a batch at their writer.
    busy: usize,
    /// How many are [`Pace::Behind`].
    behind: usize,
    /// Threads that end by themselves.
    ending: Vec<JoinHandle<()>>,
}

pub(crate) struct Conn {
    id: ConnId,
    stream: Arc<TcpStream>,
    reader: Sender<Vec<u8>>,
    writer: Sender<Vec<u8>>,
    threads: [JoinHandle<()>; 2],
    /// Buffers that the reader does not get back before more is to be read.
    held: Vec<Vec<u8>>,
    /// What batches are made in; `None` while the writer has it.
    batch: Option<Vec<u8>>,
    pace: Pace,
    /// Whether its sending side was shut down.
    shut: bool,
}

/// How a writer keeps up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pace {
    /// It has all there is.
    Level,
    /// There is more than it has got.
    Behind,
    /// So there is, and it was waited for in vain.
    GivenUp,
}

/// What new connections need.
pub(crate) struct Needs<'a> {
    pub(crate) inputs: &'a Sender<Input>,
    pub(crate) sent: &'a Sender<Sent>,
    pub(crate) stack: usize,
    /// How many threads there may be.
    pub(crate) max_threads: usize,
    /// Bytes read at a time.
    pub(crate) buffer: usize,
}

impl Conns {
    /// Starts the threads of a connection; whether there were any. Those that are ending still count.
    pub(crate) fn insert(&mut self, id: ConnId, stream: &Arc<TcpStream>, needs: &Needs<'_>) -> bool {
        if (self.count + 1) * 2 + self.ending.len() > needs.max_threads {
            return false;
        }
        let Some(conn) = Conn::start(id, stream, needs) else { return false };
        if self.slots.len() <= id.index() {
            self.slots.resize_with(id.index() + 1, || None);
        }
        self.slots[id.index()] = Some(conn);
        self.count += 1;
        true
    }

    /// Ends the socket; its threads end by that.
    pub(crate) fn remove(&mut self, id: ConnId) {
        if self.get_mut(id).is_none() {
            return;
        }
        if let Some(conn) = self.slots[id.index()].take() {
            self.count -= 1;
            self.busy -= usize::from(conn.batch.is_none());
            self.behind -= usize::from(conn.pace == Pace::Behind);
            // If it fails, the socket has failed before.
            drop(conn.stream.shutdown(Shutdown::Both));
            self.ending.extend(conn.threads);
        }
    }

    pub(crate) fn contains(&mut self, id: ConnId) -> bool {
        self.get_mut(id).is_some()
    }

    pub(crate) const fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnId> {
        self.slots.iter().flatten().map(|conn| conn.id)
    }

    /// How many have a batch at their writer.
    pub(crate) const fn busy(&self) -> usize {
        self.busy
    }

    /// How many may catch up if they are waited for.
    pub(crate) const fn behind(&self) -> usize {
        self.behind
    }

    /// Those that have not caught up now are not waited for again until they have.
    pub(crate) fn give_up_waiting(&mut self) {
        if self.behind > 0 {
            let behind = self.slots.iter_mut().flatten().filter(|conn| conn.pace == Pace::Behind);
            behind.for_each(|conn| conn.pace = Pace::GivenUp);
            self.behind = 0;
        }
    }

    /// Gives the reader its buffer back, or keeps it as long as nothing is to be read.
    pub(crate) fn lend(&mut self, id: ConnId, buffer: Vec<u8>, wanted: bool) {
        let Some(conn) = self.get_mut(id) else { return };
        conn.held.push(buffer);
        if wanted {
            conn.lend_held();
        }
    }

    /// Gives the reader back what was kept.
    pub(crate) fn lend_held(&mut self, id: ConnId) {
        if let Some(conn) = self.get_mut(id) {
            conn.lend_held();
        }
    }

    /// The socket of a connection whose writer has nothing to do, so that others may write to it.
    pub(crate) fn idle(&mut self, id: ConnId) -> Option<&TcpStream> {
        self.get_mut(id).filter(|conn| conn.batch.is_some()).map(|conn| &*conn.stream)
    }

    /// The socket took all there was.
    pub(crate) fn level(&mut self, id: ConnId) {
        self.keep_pace(id, true);
    }

    /// Gives the writer what `fill` puts into the batch, unless it is busy; whether it has gone. `fill` says whether that was
    /// all.
    pub(crate) fn write(&mut self, id: ConnId, fill: impl FnOnce(&mut Vec<u8>) -> bool) -> Result<(), Gone> {
        let Some(conn) = self.get_mut(id) else { return Ok(()) };
        let (mut all, mut gone) = (false, false);
        if let Some(mut batch) = conn.batch.take() {
            all = fill(&mut batch);
            let busy = !batch.is_empty();
            match busy {
                false => conn.batch = Some(batch),
                // There is room: it holds one, and that one is here.
                true => gone = conn.writer.try_send(batch).is_err(),
            }
            self.busy += usize::from(busy);
        }
        self.keep_pace(id, all);
        if gone { Err(Gone) } else { Ok(()) }
    }

    /// A writer has given its batch back.
    pub(crate) fn came_back(&mut self, id: ConnId, mut batch: Vec<u8>) {
        let Some(conn) = self.get_mut(id) else { return };
        batch.clear();
        batch.shrink_to(KEPT);
        conn.batch = Some(batch);
        self.busy -= 1;
    }

    /// Ends its sending side, once.
    pub(crate) fn shut(&mut self, id: ConnId) {
        if let Some(conn) = self.get_mut(id)
            && !std::mem::replace(&mut conn.shut, true)
        {
            // If it fails the socket has failed, and reading says so.
            drop(conn.stream.shutdown(Shutdown::Write));
        }
    }

    /// Forgets threads that have ended.
    pub(crate) fn reap(&mut self) {
        self.ending.retain(|thread| !thread.is_finished());
    }

    /// Waits for all threads that are ending.
    pub(crate) fn join(&mut self) {
        // They do not panic.
        self.ending.drain(..).for_each(|thread| drop(thread.join()));
    }

    fn keep_pace(&mut self, id: ConnId, all: bool) {
        let Some(conn) = self.get_mut(id) else { return };
        let before = conn.pace;
        conn.pace = match (all, before) {
            (true, _) => Pace::Level,
            (false, Pace::GivenUp) => Pace::GivenUp,
            (false, _) => Pace::Behind,
        };
        let after = conn.pace;
        self.behind = self.behind + usize::from(after == Pace::Behind) - usize::from(before == Pace::Behind);
    }

    fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        self.slots.get_mut(id.index())?.as_mut().filter(|conn| conn.id == id)
    }
}

impl Conn {
    fn start(id: ConnId, stream: &Arc<TcpStream>, needs: &Needs<'_>) -> Option<Self> {
        // Each has room for all that can be in it, so the hub never waits.
        let ((reader, lent), (writer, batches)) = (bounded(BUFFERS), bounded(1));
        let (socket, inputs) = (Arc::clone(stream), needs.inputs.clone());
        let reading = start("chanson-read", needs.stack, move || threads::read(id, &socket, &lent, &inputs)).ok()?;
        let (socket, sent) = (Arc::clone(stream), needs.sent.clone());
        let writing = start("chanson-write", needs.stack, move || threads::write(id, &socket, &batches, &sent));
        // Without the second thread, the first ends by itself: nothing was lent to it.
        let threads = [reading, writing.ok()?];
        let held = vec![vec![0; needs.buffer]; BUFFERS];
        let (stream, batch, pace) = (Arc::clone(stream), Some(Vec::new()), Pace::Level);
        let mut conn = Self { id, stream, reader, writer, threads, held, batch, pace, shut: false };
        conn.lend_held();
        Some(conn)
    }

    fn lend_held(&mut self) {
        for buffer in self.held.drain(..) {
            // There is room for all there are. A reader that has ended needs none.
            drop(self.reader.try_send(buffer));
        }
    }
}

/// A writer has ended, since its socket failed.
pub(crate) struct Gone;

/// How many buffers a reader has: one to read into while the hub looks at the other.
const BUFFERS: usize = 2;

/// Bytes of room that a batch keeps when it comes back, so that an idle connection holds little.
const KEPT: usize = 4 << 10;
