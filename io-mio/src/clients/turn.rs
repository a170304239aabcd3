//! One turn of the loop: wait, connect, read, time, write.

use std::io::{self, ErrorKind, IoSlice};
use std::time::Duration;

use chanson_core::time::Instant;

use super::{ClientId, Clients};
use crate::server::EVENTS;
use crate::sockets::{self, Got};
use crate::turn::MAX_CROWDED;

impl Clients {
    pub(super) fn turn(&mut self, max_wait: Option<Duration>) -> io::Result<()> {
        let due = self.poll_timeout().map(|due| due - self.now());
        sockets::wait(&mut self.poll, &mut self.events, max_wait.into_iter().chain(due).min())?;
        self.taken = false;
        self.tick();
        self.take_events();
        self.take_addresses();
        self.take_unblocked();
        self.read();
        self.pass_time();
        self.flush();
        Ok(())
    }

    fn take_events(&mut self) {
        let mut count = 0;
        for event in &self.events {
            count += 1;
            // The waker's token names no socket.
            self.sockets.note(event);
        }
        self.crowded = if count >= EVENTS { self.crowded + 1 } else { 0 };
    }

    /// Sockets that take bytes, for the first time or again.
    fn take_unblocked(&mut self) {
        while let Some(id) = self.sockets.unblocked.pop() {
            match self.table.get(id).is_some_and(|entry| entry.dial.is_calling()) {
                true => self.take_answer(id),
                false => self.touch(id),
            }
        }
    }

    /// Reads from every socket that has something, each within its share.
    fn read(&mut self) {
        for _ in 0..self.sockets.waiting() {
            let Some(id) = self.sockets.next() else { return };
            let mut share = READ_PER_TURN;
            while let Some(count) = self.read_once(id, share) {
                share -= count;
                if share == 0 {
                    self.sockets.queue(id);
                    break;
                }
            }
        }
    }

    /// Reads once; how much came, if there may be more.
    fn read_once(&mut self, id: ClientId, share: usize) -> Option<usize> {
        let (entry, socket) = (self.table.get_mut(id)?, self.sockets.get_mut(id)?);
        if !socket.readable || entry.dial.is_calling() {
            return None;
        }
        if entry.client.waiting_bytes() >= Self::MAX_WAITING {
            entry.held_up = true;
            return None;
        }
        let room = self.buffer.len().min(share);
        let mut more = None;
        match socket.read(&mut self.buffer[..room]) {
            Got::Bytes(count) => {
                more = socket.readable.then_some(count);
                entry.client.handle_bytes(self.now, &self.buffer[..count]);
            }
            Got::End => entry.client.handle_eof(self.now),
            Got::Failed(error) => self.fail(id, error),
            Got::Nothing => return None,
        }
        // It may have done with this socket, whose further bytes are then not for the next.
        self.obey(id);
        self.touch(id);
        more
    }

    /// Lets timers fire, but not as long as servers may have sent something that was not seen yet: after a pause of the
    /// whole process they would be taken for silent.
    fn pass_time(&mut self) {
        if (1..=MAX_CROWDED).contains(&self.crowded) {
            return;
        }
        while let Some((at, id)) = self.timers.first().copied().filter(|(at, _)| *at <= self.now) {
            self.timers.remove(&(at, id));
            let Some(entry) = self.table.get_mut(id) else { continue };
            entry.timer = None;
            if entry.client.poll_timeout().is_some_and(|due| due <= self.now) {
                entry.client.handle_timeout(self.now);
                self.touch(id);
            }
            self.call_timed_out(id);
            self.schedule(id);
        }
    }

    /// Sees to it that the client is looked at when its time has come. What moves to a later moment is left where it is:
    /// then it is looked at once too often.
    fn schedule(&mut self, id: ClientId) {
        let Some(entry) = self.table.get_mut(id) else { return };
        let due = entry.client.poll_timeout().into_iter().chain(entry.dial.due()).min();
        if let Some(at) = entry.timer {
            if due.is_some_and(|due| at <= due) {
                return;
            }
            self.timers.remove(&(at, id));
        }
        entry.timer = due;
        self.timers.extend(due.map(|due| (due, id)));
    }

    /// To be looked at in the end of the turn.
    pub(super) fn touch(&mut self, id: ClientId) {
        if let Some(entry) = self.table.get_mut(id)
            && !std::mem::replace(&mut entry.touched, true)
        {
            self.touched.push_back(id);
        }
    }

    /// Does what clients want, and writes what they are to send: mostly one call each.
    fn flush(&mut self) {
        while let Some(id) = self.touched.pop_front() {
            let Some(entry) = self.table.get_mut(id) else { continue };
            entry.touched = false;
            self.obey(id);
            self.write(id);
            self.obey(id);
            self.list(id);
            self.schedule(id);
        }
    }

    fn write(&mut self, id: ClientId) {
        let (Some(entry), Some(socket)) = (self.table.get_mut(id), self.sockets.get_mut(id)) else { return };
        while !socket.blocked {
            let mut slices = [IoSlice::new(&[]); SLICES];
            let count = entry.client.pending(&mut slices);
            if count == 0 {
                return;
            }
            match socket.write(&slices[..count]) {
                Ok(0) => return self.fail(id, ErrorKind::WriteZero.into()),
                Ok(sent) => entry.client.advance(self.now, sent),
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(error) => return self.fail(id, error),
            }
        }
    }

    /// There may be events of this client.
    pub(super) fn list(&mut self, id: ClientId) {
        if let Some(entry) = self.table.get_mut(id)
            && !std::mem::replace(&mut entry.listed, true)
        {
            self.listed.push_back(id);
        }
    }

    /// An event of this client was taken: it may be read from again.
    pub(super) fn took_from(&mut self, id: ClientId) {
        let Some(entry) = self.table.get_mut(id).filter(|entry| entry.held_up) else { return };
        self.taken = true;
        if entry.client.waiting_bytes() < Self::MAX_WAITING {
            entry.held_up = false;
            self.sockets.queue(id);
        }
    }

    /// When the next turn is due though nothing happens. Who takes the events of a client one in each turn does not wait in
    /// between.
    pub(super) fn next_turn(&self) -> Option<Instant> {
        if !self.touched.is_empty() || self.sockets.waiting() > 0 || self.taken {
            return Some(self.now);
        }
        self.timers.first().map(|(at, _)| *at)
    }

    /// Time goes on.
    pub(super) fn tick(&mut self) {
        self.now = self.now.max(self.now());
    }
}

/// Slices handed to the system at a time.
const SLICES: usize = 64;

/// Bytes read from one socket in one turn; the rest waits for the next.
pub(super) const READ_PER_TURN: usize = 64 << 10;
