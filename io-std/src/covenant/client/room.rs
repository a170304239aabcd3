//! A place in a room.

use std::fmt;
use std::sync::{Arc, Mutex};

use chanson_core::covenant::client::{CommandError, Token};
use chanson_core::covenant::contract::Channel;
use chanson_core::wire::ion::{Error, RawBuf};
use crossbeam_channel::bounded;

use super::shared::Shared;
use super::{BeginError, Of, TellError};

/// A place in a room of a channel: what [`Client::connect`](super::Client::connect) gives.
///
/// A handle: clone it, give it to other threads. Dropping it ends nothing; see [`unsubscribe`](Self::unsubscribe).
pub struct Room<C> {
    shared: Arc<Shared>,
    token: Token,
    of: Of<C>,
}

impl<C: Channel> Room<C> {
    pub(super) fn new(shared: &Arc<Shared>, token: Token) -> Self {
        Self { shared: Arc::clone(shared), token, of: Of::default() }
    }

    /// What it is called in events.
    pub const fn token(&self) -> Token {
        self.token
    }

    /// Has `callback` called with each message of the room, on the client's thread, from when the Sidekick has confirmed it;
    /// that one is told to [`on_event`](super::Client::on_event). A message that is not as the contract says is an error. What
    /// is sent right behind this call comes back here.
    ///
    /// # Errors
    /// `Subscribed` already, `UnknownToken` after [`unsubscribe`](Self::unsubscribe), `NoSidekick`.
    pub fn subscribe(
        &self,
        mut callback: impl FnMut(Result<C::ServerMessage, Error>) + Send + 'static,
    ) -> Result<(), BeginError> {
        let callback = Arc::new(Mutex::new(move |data: RawBuf| callback(data.parse())));
        let begun = self.shared.with_core(|state, now| state.subscribe(now, self.token, callback));
        Ok(begun.ok_or(BeginError::Ended)??)
    }

    /// Leaves the room, subscribed or not. The callback may be at work just now; it is not called again. Does nothing when that
    /// was done before.
    pub fn unsubscribe(&self) {
        // What the callback holds may be anything, so it goes when nothing is locked.
        drop(self.shared.with_core(|state, now| state.unsubscribe(now, self.token)));
    }

    /// Whether the room's messages come now.
    pub fn is_subscribed(&self) -> bool {
        self.shared.lock().core.is_subscribed(self.token)
    }

    /// Sends a message, and waits whether anything is said against it: for `Config::error_window`, from when it was sent.
    ///
    /// # Errors
    /// The server says that it is in error, or it could not be sent; see [`TellError`].
    pub fn send(&self, message: &C::ClientMessage) -> Result<(), TellError> {
        if self.shared.is_own_thread() {
            return Err(TellError::OwnThread);
        }
        let (waiter, end) = bounded(1);
        let sent = self.shared.with_core(|state, now| {
            let send = state.core.send::<C>(now, self.token, message)?;
            state.await_sent(send, waiter);
            Ok::<_, CommandError>(())
        });
        sent.ok_or(TellError::Ended)??;
        end.recv().map_err(|_| TellError::Ended)?.map_err(TellError::Send)
    }

    /// Sends a message, and does not wait: what is said against it nobody hears.
    ///
    /// # Errors
    /// What is known at once: `Full`, `TooLarge`, `UnknownToken`, ….
    pub fn post(&self, message: &C::ClientMessage) -> Result<(), BeginError> {
        let sent = self.shared.with_core(|state, now| state.core.send::<C>(now, self.token, message));
        sent.ok_or(BeginError::Ended)??;
        Ok(())
    }
}

impl<C> Clone for Room<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), token: self.token, of: self.of }
    }
}

impl<C: Channel> fmt::Debug for Room<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Room").field("channel", &C::NAME).finish_non_exhaustive()
    }
}
