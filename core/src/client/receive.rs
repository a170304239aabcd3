//! What the server says.
//!
//! Source: phoenix.js 1.8.16 socket.js `onConnMessage`, channel.js `isMember`.

use std::borrow::Cow;

use super::object::members;
use super::presence::{Change, Overflow, Presence};
use super::{Cause, ChannelId, Client, Closing, Event, State};
use crate::json;
use crate::payload::{Json, Payload};
use crate::wire::{self, DecodeError, Message, Ref, Vsn};

impl Client {
    pub(super) fn receive_text(&mut self, text: &[u8]) {
        // A text message has been checked; this reads no bytes that are not.
        let text = std::str::from_utf8(text).map_err(|_| DecodeError::MalformedJson);
        match text.and_then(|text| wire::decode_server_text(self.config.vsn(), text)) {
            Ok(message) => self.receive(&message, None),
            Err(_) => self.stats.undecodable += 1,
        }
    }

    pub(super) fn receive_binary(&mut self, data: &[u8]) {
        match wire::decode_server_binary(self.config.vsn(), data) {
            Ok((message, status)) => self.receive(&message, status),
            Err(_) => self.stats.undecodable += 1,
        }
    }

    /// `status`: of a reply in binary.
    fn receive(&mut self, message: &Message<'_>, status: Option<&str>) {
        self.heartbeat_answered(message.ref_);
        match self.channels.find(&message.topic) {
            Some(id) if self.is_member(id, message.join_ref) => self.receive_on(id, message, status),
            Some(_) => self.stats.stale += 1,
            None if message.topic == crate::topic::PHOENIX => self.ping_answered(number(message.ref_)),
            None => self.stats.unrouted += 1,
        }
    }

    /// Whether a message with this join_ref is for the channel's present join. No join_ref is anyone's; in JavaScript so are
    /// the values that are false.
    fn is_member(&self, id: ChannelId, join_ref: Ref<'_>) -> bool {
        let own = self.channels.get(id).and_then(|channel| channel.join_ref);
        match join_ref {
            Ref::Null | Ref::Json("\"\"" | "0" | "-0" | "false") => true,
            join_ref => own.is_some_and(|own| join_ref == Ref::Text(&own.to_string())),
        }
    }

    fn receive_on(&mut self, id: ChannelId, message: &Message<'_>, status: Option<&str>) {
        match &*message.event {
            "phx_reply" => self.receive_reply(id, message, status),
            "phx_error" if !self.is_left_over(id, message.ref_) => {
                let cause = Cause::Server(message.payload.to_owned());
                self.error_channel(id, Event::Errored { channel: id, cause });
            }
            "phx_close" if !self.is_left_over(id, message.ref_) => {
                self.close_channel(id, Closing::Server(message.payload.to_owned()))
            }
            "phx_error" | "phx_close" => self.stats.stale += 1,
            "presence_state" | "presence_diff" if self.tracks_presence(id) => self.receive_presence(id, message),
            event => {
                let (event, payload) = (event.into(), message.payload.to_owned());
                self.events.push_back(Event::Message { channel: id, event, payload });
            }
        }
    }

    /// On vsn 1 an end has its join's ref. From a server that writes none, it is of a join that was given up if there is
    /// no other under way. Source: phoenix lib/phoenix/socket.ex `encode_close/2` (main, 2026-08-20).
    fn is_left_over(&self, id: ChannelId, ref_: Ref<'_>) -> bool {
        let Some(channel) = self.channels.get(id).filter(|_| self.config.vsn() == Vsn::V1) else { return false };
        channel.state == State::Errored || number(ref_).is_some_and(|ref_| channel.join_ref != Some(ref_))
    }

    fn receive_reply(&mut self, id: ChannelId, message: &Message<'_>, status: Option<&str>) {
        let (status, response) = match status {
            Some(status) => (Cow::Borrowed(status), message.payload),
            None => reply(message.payload),
        };
        let ref_ = number(message.ref_);
        let Some(channel) = self.channels.get(id) else { return };
        match channel.state {
            State::Joining { sent: true } if ref_.is_some() && ref_ == channel.join_ref => {
                self.join_answered(id, status == "ok", response);
            }
            _ => self.push_answered(id, ref_, &status, response),
        }
    }

    fn tracks_presence(&self, id: ChannelId) -> bool {
        let roster = self.channels.get(id).and_then(|channel| channel.roster.as_ref());
        roster.is_some_and(|roster| !roster.is_overflown())
    }

    fn receive_presence(&mut self, id: ChannelId, message: &Message<'_>) {
        // A diff in front of the answer to the join is of an earlier join on this connection, and what it brings may have
        // left without our being told. It is not kept for the state to come, which phoenix.js 1.8.16 does.
        let joining = self.channels.get(id).is_some_and(|channel| matches!(channel.state, State::Joining { .. }));
        if joining && &*message.event == "presence_diff" {
            self.stats.stale += 1;
            return;
        }
        let Some(roster) = self.channels.get_mut(id).and_then(|channel| channel.roster.as_mut()) else { return };
        let text = message.payload.json().map_or("", Json::as_str);
        let changes = match &*message.event {
            "presence_state" => roster.state(text).map(Some),
            _ => roster.diff(text),
        };
        // What waits to be told counts too: many messages may come at once.
        let changes = changes.and_then(|changes| {
            let told = changes.iter().flatten().map(Change::cost).sum::<usize>();
            match self.told_presences.saturating_add(told) <= roster.max_told() || self.told_presences == 0 {
                true => self.told_presences += told,
                false => return Err(roster.give_up()),
            }
            Ok(changes)
        });
        match changes {
            Ok(Some(changes)) => {
                self.events.extend(changes.into_iter().map(|change| presence_event(id, change)));
                self.events.push_back(Event::PresenceSync { channel: id });
            }
            Ok(None) => {}
            Err(Overflow) => self.events.push_back(Event::PresenceOverflow { channel: id }),
        }
    }
}

/// What the copies of presences in an event need, about.
pub(super) fn told_presences(event: &Event) -> usize {
    match event {
        Event::PresenceJoin { current, new, .. } => current.as_ref().map_or(0, Presence::copied) + new.copied(),
        Event::PresenceLeave { current, left, .. } => current.copied() + left.copied(),
        _ => 0,
    }
}

fn presence_event(channel: ChannelId, change: Change) -> Event {
    match change {
        Change::Join { key, current, new } => Event::PresenceJoin { channel, key, current, new },
        Change::Leave { key, current, left } => Event::PresenceLeave { channel, key, current, left },
    }
}

/// One of our refs, if that can be one.
fn number(ref_: Ref<'_>) -> Option<u64> {
    let text = ref_.plain().ok()?;
    let number: u64 = text.parse().ok()?;
    (number.to_string() == *text).then_some(number)
}

/// Status and response of a reply; what is missing is empty and null. Of several with one name the last counts, as in
/// JavaScript.
fn reply(payload: Payload<'_>) -> (Cow<'_, str>, Payload<'_>) {
    let Payload::Json(json) = payload else { return (Cow::Borrowed(""), payload) };
    let (mut status, mut response) = (Cow::Borrowed(""), Json::NULL);
    for (name, value) in members(json.as_str()) {
        match &*name {
            "status" => status = json::unescape(value).unwrap_or_default(),
            "response" => response = Json::trusted(value),
            _ => {}
        }
    }
    (status, Payload::Json(response))
}
