//! The thread that works on requests.

use std::fmt;
use std::io;
use std::sync::mpsc::{self, SyncSender};
use std::thread;
use std::time::Duration;

use chanson_core::covenant::contract::Channel;
use chanson_core::covenant::server::{SendError, Server, SidekickError};
use chanson_core::driver;
use chanson_core::time::Instant;

use super::door::{Inbox, Input, Way};
use super::work::Work;

/// A service that runs. Dropping it is as [`stop`](Self::stop) without waiting.
pub struct Service<S = (), X = (), D = ()> {
    way: Way<S, X, D>,
    ended: mpsc::Receiver<S>,
}

impl<S: Send + 'static, X: 'static, D: 'static> Service<S, X, D> {
    pub(super) fn start(
        inbox: Inbox<S, X, D>,
        server: Server<S, X, D>,
        app: S,
        http: driver::Handle,
    ) -> io::Result<Self> {
        let way = inbox.way.clone();
        let work = Work::new(inbox, server, app, http);
        let (done, ended) = mpsc::sync_channel(1);
        let run = move || drop(done.send(work.run()));
        thread::Builder::new().name("chanson-covenant".into()).spawn(run)?;
        Ok(Self { way, ended })
    }

    /// A handle, for other threads.
    pub fn handle(&self) -> Handle<S, X, D> {
        Handle { way: self.way.clone() }
    }

    /// Ends it: no more requests are taken, and those that wait are answered, within `grace`. Gives the application's state;
    /// `None` when time was up, and what still waited is left unanswered or to the service's thread.
    pub fn stop(self, grace: Duration) -> Option<S> {
        self.way.close();
        self.ended.recv_timeout(grace).ok()
    }
}

impl<S, X, D> Drop for Service<S, X, D> {
    fn drop(&mut self) {
        self.way.close();
    }
}

impl<S, X, D> fmt::Debug for Service<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service").field("way", &self.way).finish_non_exhaustive()
    }
}

/// Talks to a service from any thread. Cheap to clone; no call on it waits.
pub struct Handle<S = (), X = (), D = ()> {
    way: Way<S, X, D>,
}

impl<S: 'static, X: 'static, D: 'static> Handle<S, X, D> {
    /// Sends a message to all who are in a room. What became of it comes by the receiver, which is cut off when the service
    /// ends first.
    ///
    /// # Errors
    /// `Full` when too much waits already, or the service has ended.
    pub fn send_message<C: Channel>(
        &self,
        params: C::Params,
        message: C::ServerMessage,
    ) -> Result<mpsc::Receiver<Result<(), NotSent>>, SendError>
    where
        C::Params: Send,
        C::ServerMessage: Send,
    {
        let (done, receiver) = mpsc::sync_channel(1);
        let send = move |server: &mut Server<S, X, D>, now| server.send_message::<C>(now, &params, &message);
        let taken = self.way.send(0, Input::Send(Box::new(send), done));
        if taken { Ok(receiver) } else { Err(SendError::Full) }
    }

    /// Does something with the server and the application's state, between requests, on the service's thread.
    ///
    /// # Errors
    /// `Full` when too much waits already, or the service has ended.
    pub fn act(
        &self,
        act: impl FnOnce(&mut Server<S, X, D>, Instant, &mut S) + Send + 'static,
    ) -> Result<(), SendError> {
        if self.way.send(0, Input::Act(Box::new(act))) { Ok(()) } else { Err(SendError::Full) }
    }
}

impl<S, X, D> Clone for Handle<S, X, D> {
    fn clone(&self) -> Self {
        Self { way: self.way.clone() }
    }
}

impl<S, X, D> fmt::Debug for Handle<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("way", &self.way).finish_non_exhaustive()
    }
}

/// Why a message did not arrive at the Sidekick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent {
    /// The server did not take it.
    Send(SendError),
    /// The Sidekick did not.
    Sidekick(SidekickError),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => error.fmt(f),
            Self::Sidekick(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotSent {}

/// Who wants to know what became of a message.
pub(super) type Told = SyncSender<Result<(), NotSent>>;
