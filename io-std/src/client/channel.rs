//! A topic that a client has joined.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use chanson_core::client::{ChannelId, Presence, Status};
use chanson_core::{Payload, PayloadBuf, ToPayload};
use crossbeam_channel::bounded;

use super::shared::{Shared, Then};
use super::{CommandError, PushError};

/// A topic that a client has joined, or is joining: what [`Client::join`](super::Client::join) gives.
///
/// A handle: clone it, give it to other threads. It neither leaves the channel nor ends the client when it is dropped. After
/// [`leave`](Self::leave), or when the server has closed the channel, it says [`PushError::Closed`].
#[derive(Clone)]
pub struct Channel {
    shared: Arc<Shared>,
    id: ChannelId,
    topic: Arc<str>,
    response: Arc<PayloadBuf>,
}

/// The answer to a push.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// `ok`, `error`, or one of the application's own.
    pub status: Status,
    /// What it carries.
    pub response: PayloadBuf,
}

impl Reply {
    /// Whether the status is `ok`.
    pub const fn is_ok(&self) -> bool {
        self.status.is_ok()
    }
}

impl Channel {
    pub(super) fn new(shared: &Arc<Shared>, id: ChannelId, topic: &str, response: PayloadBuf) -> Self {
        Self { shared: Arc::clone(shared), id, topic: topic.into(), response: Arc::new(response) }
    }

    /// What it is called in events.
    pub const fn id(&self) -> ChannelId {
        self.id
    }

    /// The topic.
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// What the server answered to [`Client::join`](super::Client::join); `{}` if this handle is of other origin.
    pub fn response(&self) -> Payload<'_> {
        self.response.as_payload()
    }

    /// Whether it is joined now, so that a push goes out at once.
    pub fn is_joined(&self) -> bool {
        self.shared.lock().core.is_joined(self.id)
    }

    /// Who is there, in the order in which they came. Empty before the server has said so, and when the channel has closed.
    /// Copies the list.
    pub fn presence(&self) -> Vec<(String, Presence)> {
        let state = self.shared.lock();
        state.core.presence(self.id).map(|(key, presence)| (key.to_owned(), presence.clone())).collect()
    }

    /// Sends an event and waits for its answer. When the channel is not joined (yet, or for the moment) it waits for that
    /// first.
    ///
    /// # Errors
    /// `Timeout` after `Config::timeout`, which runs anew when the channel is joined meanwhile; `Closed`; `Command` when
    /// too much waits already, or for what cannot be sent; see [`PushError`].
    pub fn push(&self, event: &str, payload: impl ToPayload) -> Result<Reply, PushError> {
        self.push_with_timeout(event, payload, self.shared.timeout)
    }

    /// The same, where the answer may take this long.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_with_timeout(
        &self,
        event: &str,
        payload: impl ToPayload,
        timeout: Duration,
    ) -> Result<Reply, PushError> {
        if self.shared.is_own_thread() {
            return Err(PushError::OwnThread);
        }
        let (told, end) = bounded(1);
        // Nobody else is told, so there is room.
        let then: Then = Box::new(move |result| drop(told.send(result)));
        self.shared.push(self.id, event, payload, timeout, then)?;
        end.recv().unwrap_or(Err(PushError::Ended))
    }

    /// Sends an event, and has `then` called with the answer, or with why there is none, on the client's thread. It is called
    /// once if this is `Ok`, else never. What is said of callbacks in [`on_event`](super::Client::on_event) holds for it.
    ///
    /// # Errors
    /// What is known at once: `Command`, `Closed`, `Ended`.
    pub fn push_then(
        &self,
        event: &str,
        payload: impl ToPayload,
        then: impl FnOnce(Result<Reply, PushError>) + Send + 'static,
    ) -> Result<(), PushError> {
        self.shared.push(self.id, event, payload, self.shared.timeout, Box::new(then))
    }

    /// Sends an event whose answer, if there is any, is of no interest. It leaves when the channel is joined, and not at all
    /// if that takes longer than `Config::timeout`.
    ///
    /// # Errors
    /// What is known at once: `Command` (`Full`: too much waits to be sent), `Closed`, `Ended`.
    pub fn send(&self, event: &str, payload: impl ToPayload) -> Result<(), PushError> {
        self.shared.send(self.id, event, payload)
    }

    /// Other params for the next join, the one after a loss.
    ///
    /// # Errors
    /// `NotJoined` when the channel has closed; `InvalidJson` and so on.
    pub fn set_params(&self, params: impl ToPayload) -> Result<(), CommandError> {
        let mut scratch = Vec::new();
        let params = params.to_payload(&mut scratch)?;
        self.shared.lock().core.set_join_params(self.id, params)
    }

    /// Leaves it: it is closed at once, whatever the server says, and pushes that wait end with `Closed`. Does nothing when it
    /// has closed before.
    pub fn leave(&self) {
        let _ = self.shared.with_core(|state, now| state.core.leave(now, self.id));
    }
}

impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Channel").field("topic", &self.topic).field("joined", &self.is_joined()).finish_non_exhaustive()
    }
}
