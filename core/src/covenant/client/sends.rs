//! Messages to channels, and whether anything was said against them.
//!
//! The protocol has no acknowledgements, and its errors do not say which message they are about. As in the original a message
//! without an error within a moment counts as sent; unlike there an error is only about messages to its channel and params.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::timers::{Due, Timer};
use super::{Client, CommandError, Event, SendError, SendId, Token};
use crate::covenant::protocol::{ChannelError, Incoming};
use crate::wire::ion::RawBuf;

#[derive(Debug)]
struct Pending {
    token: Token,
    room: Arc<str>,
    /// What is to be sent; nothing when it was.
    data: Option<RawBuf>,
    timer: Option<Timer>,
}

/// The messages that have not had their end.
#[derive(Debug, Default)]
pub(super) struct Sends {
    open: BTreeMap<SendId, Pending>,
    /// Bytes of those that wait.
    waiting_bytes: usize,
}

impl Sends {
    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}

impl Client {
    pub(super) fn begin_send(&mut self, token: Token, data: RawBuf) -> Result<SendId, CommandError> {
        let grant = self.grants.get(token).ok_or(CommandError::UnknownToken)?;
        let at_once = self.link.is_open() && grant.is_usable() && grant.waiting.is_empty();
        let (capacity, len, waiting) = (&self.config.capacity, data.as_str().len(), self.sends.waiting_bytes);
        let full = self.link.is_full(capacity.queued_bytes)
            || !at_once && waiting > 0 && waiting.saturating_add(len) > capacity.buffered_bytes;
        if full || self.sends.len() >= capacity.sends {
            return Err(CommandError::Full);
        }
        let room = Arc::clone(&grant.room);
        let id = SendId(self.next_id());
        let mut timer = None;
        self.timers.set(&mut timer, self.now, self.config.send_timeout, Due::Send(id));
        self.sends.waiting_bytes += len;
        self.sends.open.insert(id, Pending { token, room, data: Some(data), timer });
        if at_once {
            self.send_now(id);
        } else if let Some(grant) = self.grants.get_mut(token) {
            grant.waiting.push_back(id);
        }
        Ok(id)
    }

    /// Sends what waited for that token.
    pub(super) fn send_waiting(&mut self, token: Token) {
        let Some(grant) = self.grants.get_mut(token) else { return };
        for id in std::mem::take(&mut grant.waiting) {
            self.send_now(id);
        }
    }

    fn send_now(&mut self, id: SendId) {
        let Some(pending) = self.sends.open.get_mut(&id) else { return };
        let (Some(data), Some(grant)) = (pending.data.take(), self.grants.get(pending.token)) else { return };
        self.sends.waiting_bytes -= data.as_str().len();
        let message = Incoming::Send {
            token: grant.current().to_owned().into(),
            channel: grant.wish.channel.to_string().into(),
            params: grant.wish.params.clone(),
            data: Some(data.as_raw()),
        };
        let window = self.config.error_window;
        self.timers.clear(&mut pending.timer);
        if !window.is_zero() {
            self.timers.set(&mut pending.timer, self.now, window, Due::Send(id));
        }
        self.tell(&message);
        if window.is_zero() {
            self.end_send(id, Ok(()));
        }
    }

    /// A message has waited long enough: for the Sidekick, or for an error.
    pub(super) fn send_due(&mut self, id: SendId) {
        let Some(pending) = self.sends.open.get(&id) else { return };
        let was_sent = pending.data.is_none();
        if !was_sent && let Some(grant) = self.grants.get_mut(pending.token) {
            grant.waiting.retain(|waiting| *waiting != id);
        }
        self.end_send(id, if was_sent { Ok(()) } else { Err(SendError::Timeout) });
    }

    pub(super) fn end_send(&mut self, id: SendId, end: Result<(), SendError>) {
        let Some(mut pending) = self.sends.open.remove(&id) else { return };
        self.timers.clear(&mut pending.timer);
        self.sends.waiting_bytes -= pending.data.map_or(0, |data| data.as_str().len());
        self.events.push_back(match end {
            Ok(()) => Event::Sent { send: id },
            Err(error) => Event::SendFailed { send: id, error },
        });
    }

    /// Something was said against a message to that room. Whether there was one.
    pub(super) fn sends_refused(&mut self, room: &str, error: &ChannelError<'static>) -> bool {
        let refused = self.sent(|pending| *pending.room == *room);
        for id in &refused {
            self.end_send(*id, Err(SendError::Channel(error.clone())));
        }
        !refused.is_empty()
    }

    /// The connection is lost behind what was sent.
    pub(super) fn lose_sends(&mut self) {
        for id in self.sent(|_| true) {
            self.end_send(id, Err(SendError::Lost));
        }
    }

    fn sent(&self, which: impl Fn(&Pending) -> bool) -> Vec<SendId> {
        let sent = self.sends.open.iter().filter(|(_, pending)| pending.data.is_none() && which(pending));
        sent.map(|(id, _)| *id).collect()
    }
}
