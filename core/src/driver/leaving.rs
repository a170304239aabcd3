//! Transports at the door: those that are turned away, and those that cannot be accepted.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::time::Duration;

use crate::time::Instant;

/// Transports that were told [`BUSY`](crate::endpoint::BUSY), oldest first. Closed at once, with their request unread, they
/// would be reset, and the answer with them; so they are kept for a moment, but not many of them.
#[derive(Debug)]
pub struct Leaving<T> {
    waiting: VecDeque<(Instant, T)>,
}

impl<T> Leaving<T> {
    /// Keeps one, whose sending side was shut down behind the answer.
    pub fn push(&mut self, now: Instant, transport: T) {
        if self.waiting.len() >= MAX_LEAVING {
            self.waiting.pop_front();
        }
        self.waiting.push_back((now + LEAVE_WITHIN, transport));
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.waiting.front().map(|(until, _)| *until)
    }

    /// Time passed: drops those that had time to read.
    pub fn handle_timeout(&mut self, now: Instant) {
        while self.waiting.front().is_some_and(|(until, _)| *until <= now) {
            self.waiting.pop_front();
        }
    }
}

impl<T> Default for Leaving<T> {
    fn default() -> Self {
        Self { waiting: VecDeque::new() }
    }
}

/// Whether a failure to accept is about the connection that was to be accepted. Anything else is about us (no file
/// descriptor is left, no memory), or unknown, and would come again at once: wait for [`PAUSE`] before the next try.
pub fn concerns_one_peer(kind: ErrorKind) -> bool {
    use ErrorKind::{
        ConnectionAborted, ConnectionReset, HostUnreachable, Interrupted, NetworkDown, NetworkUnreachable, TimedOut,
    };
    matches!(
        kind,
        ConnectionAborted
            | ConnectionReset
            | HostUnreachable
            | Interrupted
            | NetworkDown
            | NetworkUnreachable
            | TimedOut
    )
}

/// How long to let nobody in when the system has no room.
pub const PAUSE: Duration = Duration::from_millis(100);

/// How long somebody who was turned away has for reading why.
const LEAVE_WITHIN: Duration = Duration::from_millis(500);

/// How many of them are waited for.
const MAX_LEAVING: usize = 64;
