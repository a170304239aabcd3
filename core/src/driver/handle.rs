//! Talking to a server from other threads.

use std::fmt;
use std::io;
use std::sync::PoisonError;
use std::sync::mpsc::{self, Receiver};

use super::Stats;
use super::command::Command;
use super::sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering, Sender, TrySendError};
use crate::channel::{Refuse, Reply};
use crate::connect::Accept;
use crate::http::Response;
use crate::id::{ConnId, Ticket};
use crate::payload::{PayloadBuf, ToPayload};

/// Talks to a server from any thread. Cheap to clone; no call on it waits.
///
/// Commands are carried out by the server's thread in the order in which one thread gave them. What then comes to nothing
/// (a dead ticket, a connection that has gone) is only counted, in [`Stats::failed_commands`].
#[derive(Clone)]
pub struct Handle {
    commands: Sender<Command>,
    shared: Arc<Shared>,
}

impl Handle {
    pub(super) const fn new(commands: Sender<Command>, shared: Arc<Shared>) -> Self {
        Self { commands, shared }
    }

    /// Sends an event to all who joined `topic`.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn broadcast(&self, topic: &str, event: &str, payload: impl ToPayload) -> Result<(), HandleError> {
        let payload = own(&payload)?;
        self.send(Command::Broadcast { except: None, topic: topic.into(), event: event.into(), payload })
    }

    /// Sends an event to all who joined `topic` but `conn`.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn broadcast_from(
        &self,
        conn: ConnId,
        topic: &str,
        event: &str,
        payload: impl ToPayload,
    ) -> Result<(), HandleError> {
        let payload = own(&payload)?;
        self.send(Command::Broadcast { except: Some(conn), topic: topic.into(), event: event.into(), payload })
    }

    /// Sends an event to one connection that joined `topic`.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn push(&self, conn: ConnId, topic: &str, event: &str, payload: impl ToPayload) -> Result<(), HandleError> {
        let payload = own(&payload)?;
        self.send(Command::Push { conn, topic: topic.into(), event: event.into(), payload })
    }

    /// Sends text to all raw subscribers of `topic`; see `PubSub`.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn publish(&self, topic: &str, text: &str) -> Result<(), HandleError> {
        self.send(Command::Publish { topic: topic.into(), text: text.into() })
    }

    /// Answers a join or an event that was deferred.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn answer(&self, ticket: Ticket, answer: Result<Reply, Refuse>) -> Result<(), HandleError> {
        self.send(Command::Answer { ticket, answer })
    }

    /// Decides on a connect that was deferred.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn answer_connect(&self, ticket: Ticket, decision: Result<Accept, Refuse>) -> Result<(), HandleError> {
        self.send(Command::AnswerConnect { ticket, decision })
    }

    /// Answers an HTTP request that was deferred.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn answer_request(&self, ticket: Ticket, response: Response) -> Result<(), HandleError> {
        self.send(Command::AnswerRequest { ticket, response })
    }

    /// Closes all connections that have this id (see `Connect::set_id`) with 1001. As for `Hub::disconnect`, clients come back
    /// unless `on_connect` refuses them.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn disconnect(&self, id: &str) -> Result<(), HandleError> {
        self.send(Command::Disconnect { id: id.into() })
    }

    /// How many connections `topic` has: comes by the receiver, which is cut off when the server ends first.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn subscriber_count(&self, topic: &str) -> Result<Receiver<usize>, HandleError> {
        let (to, receiver) = mpsc::sync_channel(1);
        self.send(Command::SubscriberCount { topic: topic.into(), to })?;
        Ok(receiver)
    }

    /// Who is in `topic`, as `[{"key":…,"meta":{…}}, …]`: comes by the receiver, which is cut off when the server ends
    /// first.
    ///
    /// # Errors
    /// See [`HandleError`].
    pub fn presence(&self, topic: &str) -> Result<Receiver<PayloadBuf>, HandleError> {
        let (to, receiver) = mpsc::sync_channel(1);
        self.send(Command::Presence { topic: topic.into(), to })?;
        Ok(receiver)
    }

    /// Makes the server's loop turn, and with it a `poll_with` that waits return: for a host that pumps the server itself and
    /// has something to do with it that another thread has finished. Calls in quick succession may make it turn once.
    pub fn wake(&self) {
        self.shared.wake();
    }

    /// Ends the server as `Server::shutdown` does, behind the commands that this thread has given; called once more, it cuts
    /// what is left. Always taken; nothing happens when the server has ended already.
    pub fn shutdown(&self) {
        self.shared.stops.fetch_add(1, Ordering::Release);
        self.shared.wake();
    }

    /// Counters and gauges as they were at the end of the server's last turn.
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Whether the server has ended: nothing said here will be heard.
    pub fn is_closed(&self) -> bool {
        self.shared.closed.load(Ordering::Acquire)
    }

    fn send(&self, command: Command) -> Result<(), HandleError> {
        match self.commands.try_send(command) {
            Ok(()) => {
                self.shared.wake();
                Ok(())
            }
            Err(TrySendError::Full(_)) if !self.is_closed() => Err(HandleError::Full),
            Err(TrySendError::Full(_)) => Err(HandleError::Closed),
            Err(TrySendError::Disconnected(_)) => Err(HandleError::Closed),
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("closed", &self.is_closed()).finish_non_exhaustive()
    }
}

/// Why a command of a handle was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandleError {
    /// As many as `Capacity::commands` wait already: try again later.
    Full,
    /// The server has ended.
    Closed,
    /// The payload cannot be written as JSON.
    InvalidJson,
}

impl fmt::Display for HandleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "too many commands are waiting",
            Self::Closed => "the server has ended",
            Self::InvalidJson => "cannot be written as JSON",
        })
    }
}

impl std::error::Error for HandleError {}

/// What handles and their server have in common.
pub(super) struct Shared {
    /// Makes the server's loop turn.
    waker: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
    /// Whether it was woken and has not looked yet, so that a burst of commands wakes it once.
    woken: AtomicBool,
    /// How often a shutdown was asked for.
    stops: AtomicUsize,
    closed: AtomicBool,
    stats: Mutex<Stats>,
    /// Adds what other threads of the server have counted.
    others: Box<dyn Fn(&mut Stats) + Send + Sync>,
}

impl Shared {
    pub(super) fn new(
        waker: impl Fn() -> io::Result<()> + Send + Sync + 'static,
        others: impl Fn(&mut Stats) + Send + Sync + 'static,
    ) -> Self {
        Self {
            waker: Box::new(waker),
            woken: AtomicBool::new(false),
            stops: AtomicUsize::new(0),
            closed: AtomicBool::new(false),
            stats: Mutex::new(Stats::default()),
            others: Box::new(others),
        }
    }

    /// The server looks from now on. Before it reads commands, so that none is missed.
    pub(super) fn rise(&self) {
        self.woken.swap(false, Ordering::AcqRel);
    }

    pub(super) fn stops(&self) -> usize {
        self.stops.load(Ordering::Acquire)
    }

    pub(super) fn stats(&self) -> Stats {
        let mut stats = *self.stats.lock().unwrap_or_else(PoisonError::into_inner);
        (self.others)(&mut stats);
        stats
    }

    pub(super) fn set_stats(&self, stats: Stats) {
        *self.stats.lock().unwrap_or_else(PoisonError::into_inner) = stats;
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    fn wake(&self) {
        if !self.woken.swap(true, Ordering::AcqRel) && (self.waker)().is_err() {
            // The next one tries again.
            self.woken.store(false, Ordering::Release);
        }
    }
}

/// The payload in a form that can go to another thread.
fn own(payload: &impl ToPayload) -> Result<PayloadBuf, HandleError> {
    let mut scratch = Vec::new();
    payload.to_payload(&mut scratch).map(|payload| payload.to_owned()).map_err(|_| HandleError::InvalidJson)
}
