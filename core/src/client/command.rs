//! What the application wants.

use std::time::Duration;

use super::presence::Roster;
use super::{ChannelId, Client, Closing, PushId, State};
use crate::error::CommandError;
use crate::payload::{Json, Payload, ToPayload};
use crate::time::Instant;
use crate::topic::PHOENIX;
use crate::wire::Vsn;

impl Client {
    /// Opens a connection, and keeps it open: after a loss another one is opened by itself, until
    /// [`disconnect`](Self::disconnect) or the limit of the [`Backoff`](super::Backoff). Does nothing when that is so
    /// already.
    pub fn connect(&mut self, now: Instant) {
        self.tick(now);
        self.want_connection();
    }

    /// Closes the connection, with a close frame and without leaves, and opens none. Channels stay: they join again after
    /// the next [`connect`](Self::connect); pushes wait for it until their time is up.
    pub fn disconnect(&mut self, now: Instant) {
        self.tick(now);
        self.want_no_connection();
    }

    /// Joins a topic: [`Event::Joined`](super::Event) or `JoinFailed` follows. Without a connection it is joined when there
    /// is one. A channel that has the topic already is left.
    ///
    /// # Errors
    /// `Full` at `Capacity::channels`, or when too much waits to be sent; `TooLarge` for the topic; `InvalidJson`;
    /// `BinaryUnsupported` for bytes on `vsn` 1; `NotAllowed` for the topic `phoenix`, which is for heartbeats.
    pub fn join(&mut self, now: Instant, topic: &str, params: impl ToPayload) -> Result<ChannelId, CommandError> {
        self.join_with_timeout(now, topic, params, self.config.timeout)
    }

    /// The same, where each try to join may take this long.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_with_timeout(
        &mut self,
        now: Instant,
        topic: &str,
        params: impl ToPayload,
        timeout: Duration,
    ) -> Result<ChannelId, CommandError> {
        self.tick(now);
        if topic == PHOENIX {
            return Err(CommandError::NotAllowed);
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let params = params.to_payload(&mut scratch).and_then(|params| {
            self.check(topic, "", params)?;
            Ok(params.to_owned())
        });
        self.scratch = scratch;
        let params = params?;
        let replaced = self.channels.find(topic);
        let full = self.channels.len() >= self.config.capacity.channels && replaced.is_none();
        if full || self.link.is_full(self.config.capacity.queued_bytes) {
            return Err(CommandError::Full);
        }
        if let Some(replaced) = replaced {
            self.leave_channel(replaced, Closing::Replaced);
        }
        let id = self.channels.insert(topic, params, timeout);
        self.begin_join(id);
        self.settle();
        Ok(id)
    }

    /// Leaves a channel: it is closed at once, whatever the server says, and pushes that wait are aborted.
    ///
    /// # Errors
    /// `NotJoined` when it has closed before.
    pub fn leave(&mut self, now: Instant, channel: ChannelId) -> Result<(), CommandError> {
        self.tick(now);
        self.channels.get(channel).ok_or(CommandError::NotJoined)?;
        self.leave_channel(channel, Closing::Left);
        self.settle();
        Ok(())
    }

    /// Sends an event to the server. Its one end follows: `Reply`, `Timeout` or `Aborted`. When the channel is not joined
    /// (yet, or for the moment) it waits for that; its time runs meanwhile, and anew when it is sent.
    ///
    /// # Errors
    /// Nothing has changed, and no end follows: `NotJoined` when the channel has closed; `Full` when too many pushes wait,
    /// or too much waits to be sent; `TooLarge` for the event's name; `InvalidJson`; `BinaryUnsupported` for bytes on `vsn`
    /// 1.
    pub fn push(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: &str,
        payload: impl ToPayload,
    ) -> Result<PushId, CommandError> {
        self.push_with_timeout(now, channel, event, payload, self.config.timeout)
    }

    /// The same, where the answer may take this long.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_with_timeout(
        &mut self,
        now: Instant,
        channel: ChannelId,
        event: &str,
        payload: impl ToPayload,
        timeout: Duration,
    ) -> Result<PushId, CommandError> {
        self.tick(now);
        let mut scratch = std::mem::take(&mut self.scratch);
        let pushed =
            payload.to_payload(&mut scratch).and_then(|payload| self.push_payload(channel, event, payload, timeout));
        self.scratch = scratch;
        let id = pushed?;
        self.start_push(id);
        self.settle();
        Ok(id)
    }

    /// Sends a heartbeat of its own, to see how long the server takes: `Pong` follows, or `Aborted` when the connection is
    /// lost. Source: conformance `socket_ping`.
    ///
    /// # Errors
    /// `NotAllowed` without a connection, `Full` as for [`push`](Self::push).
    pub fn ping(&mut self, now: Instant) -> Result<PushId, CommandError> {
        self.tick(now);
        if !self.link.is_open() {
            return Err(CommandError::NotAllowed);
        }
        self.check_queues()?;
        let ref_ = self.next_ref();
        self.link.send(None, ref_, [PHOENIX, "heartbeat"], Payload::Json(Json::EMPTY));
        let id = self.pushes.insert_ping(self.now, ref_);
        self.settle();
        Ok(id)
    }

    /// Other params for the channel's next join, the one after a loss.
    ///
    /// # Errors
    /// `NotJoined`, and as [`join`](Self::join).
    pub fn set_join_params(&mut self, channel: ChannelId, params: impl ToPayload) -> Result<(), CommandError> {
        let topic = self.channels.get(channel).ok_or(CommandError::NotJoined)?.topic.clone();
        let mut scratch = std::mem::take(&mut self.scratch);
        let params = params.to_payload(&mut scratch).and_then(|params| {
            self.check(&topic, "", params)?;
            Ok(params.to_owned())
        });
        self.scratch = scratch;
        let params = params?;
        if let Some(channel) = self.channels.get_mut(channel) {
            channel.params = params;
        }
        Ok(())
    }

    /// Another value for a query parameter, from the next connection on.
    pub fn set_param(&mut self, name: &str, value: &str) {
        self.config.set_param(name, value);
    }

    /// Another token, or none, from the next connection on; see `Config::with_auth_token`.
    pub fn set_auth_token(&mut self, token: Option<&str>) {
        self.config.set_auth_token(token);
    }

    /// Keeps the list of the channel's [`presence`](Self::presence): `presence_state` and `presence_diff` become
    /// `PresenceJoin`, `PresenceLeave` and `PresenceSync` events, and are no messages any more. To be called right after
    /// [`join`](Self::join); later it does nothing until the next join.
    ///
    /// # Errors
    /// `NotJoined` when the channel has closed.
    pub fn track_presence(&mut self, channel: ChannelId) -> Result<(), CommandError> {
        let channel = self.channels.get_mut(channel).ok_or(CommandError::NotJoined)?;
        let max = self.config.capacity.presence_bytes;
        channel.roster.get_or_insert_with(|| Roster::new(max));
        Ok(())
    }

    fn push_payload(
        &mut self,
        id: ChannelId,
        event: &str,
        payload: Payload<'_>,
        timeout: Duration,
    ) -> Result<PushId, CommandError> {
        let channel = self.channels.get(id).ok_or(CommandError::NotJoined)?;
        self.check(&channel.topic, event, payload)?;
        self.check_queues()?;
        if self.link.is_open() && channel.state == State::Joined {
            let ref_ = self.next_ref();
            let Some(channel) = self.channels.get(id) else { return Err(CommandError::NotJoined) };
            self.link.send(channel.join_ref, ref_, [&channel.topic, event], payload);
            return Ok(self.pushes.insert_sent(id, timeout, ref_));
        }
        let buffered = self.pushes.buffered_bytes();
        if buffered > 0 && buffered.saturating_add(payload.len()) > self.config.capacity.buffered_bytes {
            return Err(CommandError::Full);
        }
        let push = self.pushes.insert_waiting(id, timeout, event, payload);
        if let Some(channel) = self.channels.get_mut(id) {
            channel.waiting.push_back(push);
        }
        Ok(push)
    }

    fn check_queues(&self) -> Result<(), CommandError> {
        let capacity = &self.config.capacity;
        let full = self.pushes.len() >= capacity.pushes || self.link.is_full(capacity.queued_bytes);
        if full { Err(CommandError::Full) } else { Ok(()) }
    }

    /// Whether such a message can be sent; the names of our own events are short enough.
    fn check(&self, topic: &str, event: &str, payload: Payload<'_>) -> Result<(), CommandError> {
        let binary = matches!(payload, Payload::Binary(_));
        if binary && self.config.vsn() == Vsn::V1 {
            return Err(CommandError::BinaryUnsupported);
        }
        let capacity = &self.config.capacity;
        for (len, max) in [(topic.len(), capacity.topic_bytes), (event.len(), capacity.event_bytes)] {
            // A binary frame has one byte for each size.
            let max = if binary { max.min(255) } else { max };
            if len > max {
                return Err(CommandError::TooLarge { len, max });
            }
        }
        Ok(())
    }
}
