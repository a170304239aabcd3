//! Events on their way to whoever reads them: a bounded queue, or a callback.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use chanson_core::client::{Event, Presence};

use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

/// A reader of a client's events: what [`Client::events`](super::Client::events) gives.
///
/// All readers of a client share one queue: each event goes to one of them. They outlive the client; behind its last event
/// they say `None`.
///
/// The queue begins with the client and holds up to [`CAPACITY`](Self::CAPACITY) events, of up to
/// [`CAPACITY_BYTES`](Self::CAPACITY_BYTES) together. Beyond that the oldest go, which [`lost`](Self::lost) counts: a client
/// whose events nobody reads costs that much and works all the same.
#[derive(Clone)]
pub struct Events(pub(super) Arc<Queue>);

impl Events {
    /// How many events wait at most.
    pub const CAPACITY: usize = 4096;

    /// How many bytes of payloads wait at most, about. A single event is taken whatever its size.
    pub const CAPACITY_BYTES: usize = 8 << 20;

    /// Waits for the next event; `None` when the client has ended and all is read.
    pub fn recv(&self) -> Option<Event> {
        self.0.pop(None)
    }

    /// The same, but not for longer than `timeout`: `None` also when nothing came in that time.
    pub fn recv_timeout(&self, timeout: Duration) -> Option<Event> {
        self.0.pop(Some(timeout))
    }

    /// The next event, if there is one now.
    pub fn try_recv(&self) -> Option<Event> {
        self.0.pop(Some(Duration::ZERO))
    }

    /// Whether the client has ended and all is read.
    pub fn is_finished(&self) -> bool {
        let list = self.0.lock();
        list.closed && list.events.is_empty()
    }

    /// How many events were dropped so far, since too many waited.
    pub fn lost(&self) -> u64 {
        self.0.lost()
    }
}

impl Iterator for Events {
    type Item = Event;

    fn next(&mut self) -> Option<Event> {
        self.recv()
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("lost", &self.lost()).finish_non_exhaustive()
    }
}

/// Events that wait to be read.
pub(super) struct Queue {
    list: Mutex<List>,
    came: Condvar,
    lost: AtomicU64,
}

#[derive(Default)]
struct List {
    events: VecDeque<Event>,
    bytes: usize,
    closed: bool,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { list: Mutex::new(List::default()), came: Condvar::new(), lost: AtomicU64::new(0) }
    }

    pub(super) fn push(&self, event: Event) {
        let mut list = self.lock();
        let bytes = weight(&event);
        while list.events.len() >= Events::CAPACITY
            || !list.events.is_empty() && list.bytes + bytes > Events::CAPACITY_BYTES
        {
            list.take();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        list.bytes += bytes;
        list.events.push_back(event);
        self.came.notify_one();
    }

    pub(super) fn try_pop(&self) -> Option<Event> {
        self.lock().take()
    }

    fn pop(&self, timeout: Option<Duration>) -> Option<Event> {
        // A wait without end, too, where the clock cannot say when the time is over.
        let until = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let mut list = self.lock();
        loop {
            if let Some(event) = list.take() {
                return Some(event);
            }
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            if list.closed || left.is_some_and(|left| left.is_zero()) {
                return None;
            }
            list = match left {
                Some(left) => self.came.wait_timeout(list, left).unwrap_or_else(PoisonError::into_inner).0,
                None => self.came.wait(list).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// No more events come.
    pub(super) fn close(&self) {
        self.lock().closed = true;
        self.came.notify_all();
    }

    pub(super) fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl List {
    fn take(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= weight(&event);
        Some(event)
    }
}

/// Bytes that a server made an event hold, about. What is not counted is shared, or small.
fn weight(event: &Event) -> usize {
    match event {
        Event::Message { event, payload, .. } => event.len() + payload.as_payload().len(),
        Event::Joined { response, .. } => response.as_payload().len(),
        Event::PresenceJoin { key, current, new: change, .. } => {
            key.len() + copied(change) + current.as_ref().map_or(0, |current| current.metas().len() * PER_META)
        }
        Event::PresenceLeave { key, current, left: change, .. } => {
            key.len() + copied(change) + current.metas().len() * PER_META
        }
        _ => 0,
    }
}

fn copied(presence: &Presence) -> usize {
    presence.metas().map(|meta| meta.as_str().len() + PER_META).sum()
}

/// What a meta needs beside its text, about.
const PER_META: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use chanson_core::PayloadBuf;
    use chanson_core::client::ChannelId;

    fn message(size: usize) -> Event {
        let payload = PayloadBuf::from_binary(vec![0; size]);
        Event::Message { channel: ChannelId::from_bits(0), event: "e".into(), payload }
    }

    #[test]
    fn the_oldest_go_when_too_many_wait() {
        let events = Events(Arc::new(Queue::new()));
        events.0.push(Event::Connected);
        for _ in 0..Events::CAPACITY {
            events.0.push(message(1));
        }
        assert_eq!(events.lost(), 1);
        assert_eq!(events.try_recv(), Some(message(1)));
        events.0.close();
        assert!(!events.is_finished());
        assert_eq!(events.clone().count(), Events::CAPACITY - 1);
        assert!(events.is_finished());
    }

    #[test]
    fn many_bytes_count_too_but_one_event_is_always_taken() {
        let events = Events(Arc::new(Queue::new()));
        for _ in 0..3 {
            events.0.push(message(Events::CAPACITY_BYTES * 2));
        }
        assert_eq!(events.lost(), 2);
        assert!(events.try_recv().is_some());
        for _ in 0..5 {
            events.0.push(message(Events::CAPACITY_BYTES / 4));
        }
        assert_eq!(events.lost(), 4);
        assert_eq!(events.0.lock().bytes, 3 * (Events::CAPACITY_BYTES / 4 + 1));
    }
}
