//! What the Sidekick is told, one thing after the other, before (or without) an answer.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use slab::Slab;

use crate::covenant::connection::{Answer, CallError, Post, ServerToSidekick};
use crate::time::Instant;

/// A call of the server, by which its result is given back. No two calls of a server have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// The id as a number.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was an id names no call.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// What the Sidekick is told by a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum To {
    /// A client was let in.
    Connection,
    /// A message is for all in a room.
    Message,
    /// Resources have changed.
    Resources,
}

impl To {
    pub(super) fn post(self, sidekick: &dyn ServerToSidekick, body: String) -> Option<Post> {
        match self {
            Self::Connection => sidekick.add_connection(body),
            Self::Message => sidekick.post_message(body),
            Self::Resources => sidekick.update(body),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Connection => "connection",
            Self::Message => "message",
            Self::Resources => "resources",
        }
    }
}

/// Why the Sidekick was not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SidekickError {
    /// It refused, with this status.
    Refused(To, u16),
    /// It did not answer.
    NoAnswer(To, CallError),
}

impl SidekickError {
    pub(super) fn of(to: To, result: Result<&Answer, CallError>) -> Result<(), Self> {
        match result {
            Ok(answer) if answer.is_ok() => Ok(()),
            Ok(answer) => Err(Self::Refused(to, answer.status)),
            Err(error) => Err(Self::NoAnswer(to, error)),
        }
    }
}

impl fmt::Display for SidekickError {
    /// A refusal in the original's words.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(to, status) => {
                write!(f, "Error posting {} from sidekick: {}", to.name(), Answer::new(*status, "").status_text())
            }
            Self::NoAnswer(to, error) => write!(f, "Error posting {} to sidekick: {error}", to.name()),
        }
    }
}

impl std::error::Error for SidekickError {}

/// What is to be told, in this order, and what is to be done when all of it was, or one thing could not be.
#[derive(Debug)]
pub(super) struct Job<T> {
    pub(super) steps: VecDeque<(To, String)>,
    pub(super) then: T,
}

/// Jobs, and which call each of them waits for.
#[derive(Debug)]
pub(super) struct Jobs<T> {
    jobs: Slab<Job<T>>,
    /// In the order in which they were made, which is that of their deadlines.
    calls: BTreeMap<CallId, Pending>,
    next: u64,
    timeout: Duration,
}

#[derive(Clone, Copy, Debug)]
struct Pending {
    job: usize,
    to: To,
    deadline: Instant,
}

/// How far a job has come.
#[derive(Debug)]
pub(super) enum Progress<T> {
    /// This has to be asked next.
    Call(CallId, To, Post),
    /// That was all, or as much as could be.
    Done(T, Result<(), SidekickError>),
}

impl<T> Jobs<T> {
    pub(super) const fn new(timeout: Duration) -> Self {
        Self { jobs: Slab::new(), calls: BTreeMap::new(), next: 0, timeout }
    }

    pub(super) fn len(&self) -> usize {
        self.jobs.len()
    }

    pub(super) fn begin(&mut self, now: Instant, sidekick: &dyn ServerToSidekick, job: Job<T>) -> Progress<T> {
        let job = self.jobs.insert(job);
        self.step(now, sidekick, job)
    }

    /// A call has its result. `None`: nobody waits for that one (any more).
    pub(super) fn resume(
        &mut self,
        now: Instant,
        sidekick: &dyn ServerToSidekick,
        call: CallId,
        result: Result<&Answer, CallError>,
    ) -> Option<Progress<T>> {
        let Pending { job, to, .. } = self.calls.remove(&call)?;
        Some(match SidekickError::of(to, result) {
            Ok(()) => self.step(now, sidekick, job),
            Err(error) => Progress::Done(self.jobs.remove(job).then, Err(error)),
        })
    }

    fn step(&mut self, now: Instant, sidekick: &dyn ServerToSidekick, job: usize) -> Progress<T> {
        while let Some((to, body)) = self.jobs[job].steps.pop_front() {
            if let Some(post) = to.post(sidekick, body) {
                let id = CallId(self.next);
                self.next += 1;
                self.calls.insert(id, Pending { job, to, deadline: now + self.timeout });
                return Progress::Call(id, to, post);
            }
        }
        Progress::Done(self.jobs.remove(job).then, Ok(()))
    }

    /// A call that has no result in time.
    pub(super) fn late(&self, now: Instant) -> Option<CallId> {
        let (id, pending) = self.calls.first_key_value()?;
        (pending.deadline <= now).then_some(*id)
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.calls.first_key_value().map(|(_, pending)| pending.deadline)
    }
}
