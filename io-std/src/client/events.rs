//! Events on their way to whoever reads them: a bounded queue, or a callback.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use chanson_core::client::Event;

use crate::sync::{AtomicU64, Condvar, Mutex, MutexGuard, Ordering};

/// A reader of a client's events: what [`Client::events`](super::Client::events) gives.
///
/// All readers of a client share one queue: each event goes to one of them. They outlive the client; behind its last event
/// they say `None`.
///
/// The queue begins with the client and holds up to [`CAPACITY`](Self::CAPACITY) events, of up to
/// [`CAPACITY_BYTES`](Self::CAPACITY_BYTES) together. Beyond that the oldest go, which [`lost`](Self::lost) counts: a client
/// whose events nobody reads costs that much and works all the same. First go messages and who came and left, which a server
/// may say in any number, and only then what became of the connection, of channels and of a list of presences as a whole:
/// a flood does not hide that a channel has ended.
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
        list.closed && list.len() == 0
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
    /// What a server may say as often as it likes.
    news: VecDeque<Numbered>,
    /// What became of something.
    states: VecDeque<Numbered>,
    /// How many events there were: the number of the next.
    count: u64,
    bytes: usize,
    closed: bool,
}

/// An event and its place among those of both kinds.
type Numbered = (u64, Event);

impl Queue {
    pub(super) fn new() -> Self {
        Self { list: Mutex::new(List::default()), came: Condvar::new(), lost: AtomicU64::new(0) }
    }

    pub(super) fn push(&self, event: Event) {
        let mut list = self.lock();
        let bytes = event.weight();
        while list.len() >= Events::CAPACITY || list.len() > 0 && list.bytes + bytes > Events::CAPACITY_BYTES {
            list.lose();
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        list.put(event, bytes);
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
    fn len(&self) -> usize {
        self.news.len() + self.states.len()
    }

    fn put(&mut self, event: Event, bytes: usize) {
        let kind = if is_news(&event) { &mut self.news } else { &mut self.states };
        kind.push_back((self.count, event));
        self.count += 1;
        self.bytes += bytes;
    }

    /// The oldest.
    fn take(&mut self) -> Option<Event> {
        let news_first = match (self.news.front(), self.states.front()) {
            (Some((news, _)), Some((state, _))) => news < state,
            (news, _) => news.is_some(),
        };
        let kind = if news_first { &mut self.news } else { &mut self.states };
        let taken = kind.pop_front();
        self.without(taken)
    }

    /// Makes room.
    fn lose(&mut self) {
        let lost = self.news.pop_front().or_else(|| self.states.pop_front());
        self.without(lost);
    }

    fn without(&mut self, taken: Option<Numbered>) -> Option<Event> {
        let (_, event) = taken?;
        self.bytes -= event.weight();
        Some(event)
    }
}

const fn is_news(event: &Event) -> bool {
    matches!(
        event,
        Event::Message { .. } | Event::PresenceJoin { .. } | Event::PresenceLeave { .. } | Event::PresenceSync { .. }
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use chanson_core::PayloadBuf;
    use chanson_core::client::{ChannelId, Closing};

    fn message(size: usize) -> Event {
        let payload = PayloadBuf::from_binary(vec![0; size]);
        Event::Message { channel: ChannelId::from_bits(0), event: "e".into(), payload }
    }

    #[test]
    fn the_oldest_go_when_too_many_wait() {
        let events = Events(Arc::new(Queue::new()));
        events.0.push(message(2));
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
    fn a_flood_hides_no_end_and_what_is_left_is_in_order() {
        let events = Events(Arc::new(Queue::new()));
        let channel = ChannelId::from_bits(0);
        let overflow = Event::PresenceOverflow { channel };
        events.0.push(Event::Connected);
        events.0.push(message(1));
        events.0.push(overflow.clone());
        for _ in 0..Events::CAPACITY * 2 {
            events.0.push(message(2));
        }
        let end = Event::Closed { channel, by: Closing::Server(PayloadBuf::from_binary(vec![0; 9])) };
        events.0.push(end.clone());
        events.0.push(message(3));
        assert_eq!(events.lost(), Events::CAPACITY as u64 + 5);
        events.0.close();
        let left: Vec<Event> = events.clone().collect();
        assert_eq!(left[..2], [Event::Connected, overflow]);
        assert_eq!(left[left.len() - 3..], [message(2), end, message(3)]);
        assert_eq!((left.len(), events.0.lock().bytes), (Events::CAPACITY, 0));

        // Ends by the thousand are dropped as well: a client that nobody reads connects over and over.
        for _ in 0..=Events::CAPACITY {
            events.0.push(Event::Connected);
        }
        assert_eq!(events.lost(), Events::CAPACITY as u64 + 6);
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
