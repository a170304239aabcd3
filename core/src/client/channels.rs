//! Channels: joining, joining again, closing.
//!
//! Source: phoenix.js 1.8.16 channel.js.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::presence::Roster;
use super::timers::{Due, Timer};
use super::{Cause, ChannelId, Client, Closing, Event, JoinError, PushId};
use crate::payload::{Json, Payload, PayloadBuf};

/// A channel that has not closed.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) topic: Arc<str>,
    pub(super) params: PayloadBuf,
    pub(super) state: State,
    /// The ref of the last join; none after one that failed without an answer.
    pub(super) join_ref: Option<u64>,
    /// Pushes that wait for the join, the oldest first.
    pub(super) waiting: VecDeque<PushId>,
    pub(super) roster: Option<Roster>,
    /// How long an answer to a join is waited for.
    timeout: Duration,
    /// For the answer to the join, or for the next join.
    timer: Option<Timer>,
    /// How many times it was tried to join again.
    tries: u32,
    /// Which one it is, in order of creation.
    number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// A join is under way; until the connection is open it is not sent.
    Joining {
        sent: bool,
    },
    Joined,
    /// Is to be joined again.
    Errored,
}

/// The channels by id, topic and age.
#[derive(Debug, Default)]
pub(super) struct Channels {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_topic: BTreeMap<Arc<str>, ChannelId>,
    by_age: BTreeMap<u64, ChannelId>,
    count: u64,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    channel: Option<Channel>,
}

impl Channels {
    pub(super) fn len(&self) -> usize {
        self.by_age.len()
    }

    pub(super) fn get(&self, id: ChannelId) -> Option<&Channel> {
        let slot = self.slots.get(id.index as usize)?;
        slot.channel.as_ref().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn get_mut(&mut self, id: ChannelId) -> Option<&mut Channel> {
        let slot = self.slots.get_mut(id.index as usize)?;
        slot.channel.as_mut().filter(|_| slot.generation == id.generation)
    }

    pub(super) fn find(&self, topic: &str) -> Option<ChannelId> {
        self.by_topic.get(topic).copied()
    }

    /// All, the oldest first.
    fn ids(&self) -> Vec<ChannelId> {
        self.by_age.values().copied().collect()
    }

    /// A new channel, of a topic that has none.
    pub(super) fn insert(&mut self, topic: &str, params: PayloadBuf, timeout: Duration) -> ChannelId {
        self.count += 1;
        let topic: Arc<str> = topic.into();
        let channel = Channel {
            topic: Arc::clone(&topic),
            params,
            state: State::Errored,
            join_ref: None,
            waiting: VecDeque::new(),
            roster: None,
            timeout,
            timer: None,
            tries: 0,
            number: self.count,
        };
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, channel: None });
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.channel = Some(channel);
        let id = ChannelId { index, generation: slot.generation };
        self.by_topic.insert(topic, id);
        self.by_age.insert(self.count, id);
        id
    }

    fn remove(&mut self, id: ChannelId) -> Option<Channel> {
        self.get(id)?;
        let slot = &mut self.slots[id.index as usize];
        let channel = slot.channel.take()?;
        // An index whose generations are used up is not used again.
        if let Some(generation) = slot.generation.checked_add(1) {
            slot.generation = generation;
            self.free.push(id.index);
        }
        self.by_topic.remove(&channel.topic);
        self.by_age.remove(&channel.number);
        Some(channel)
    }
}

impl Client {
    /// Joins, or joins again, with a new ref. Without a connection the join goes out when there is one.
    pub(super) fn begin_join(&mut self, id: ChannelId) {
        let (ref_, open) = (self.next_ref(), self.link.is_open());
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.state = State::Joining { sent: open };
        channel.join_ref = Some(ref_);
        if let Some(roster) = &mut channel.roster {
            roster.restart();
        }
        self.timers.set(&mut channel.timer, self.now, channel.timeout, Due::JoinTimeout(id));
        self.send_join(id);
    }

    fn send_join(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get(id) else { return };
        if let Some(ref_) = channel.join_ref {
            self.link.send(Some(ref_), ref_, [&channel.topic, "phx_join"], channel.params.as_payload());
        }
    }

    /// The connection has opened: first go the joins that wait, then the others again.
    pub(super) fn join_all(&mut self) {
        let ids = self.channels.ids();
        for id in &ids {
            if let Some(channel) = self.channels.get_mut(*id)
                && channel.state == (State::Joining { sent: false })
            {
                channel.state = State::Joining { sent: true };
                self.send_join(*id);
            }
        }
        for id in ids {
            let Some(channel) = self.channels.get_mut(id) else { continue };
            channel.tries = 0;
            if channel.state == State::Errored {
                self.begin_join(id);
            }
        }
    }

    /// The connection is lost, or was not to be had.
    pub(super) fn error_all(&mut self) {
        for id in self.channels.ids() {
            if self.channels.get(id).is_some_and(|channel| channel.state != State::Errored) {
                self.error_channel(id, Event::Errored { channel: id, cause: Cause::Connection });
            }
        }
    }

    /// The join is no more, as `event` says; it is tried again after a while, or when the connection is there again.
    pub(super) fn error_channel(&mut self, id: ChannelId, event: Event) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        if let State::Joining { .. } = channel.state {
            channel.join_ref = None;
        }
        self.schedule_rejoin(id, event);
    }

    /// Is to be joined again; `event` says why. Source: phoenix.js `rejoinTimer`.
    fn schedule_rejoin(&mut self, id: ChannelId, event: Event) {
        let open = self.link.is_open();
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.state = State::Errored;
        self.timers.clear(&mut channel.timer);
        self.events.push_back(event);
        if !open {
            return;
        }
        match self.config.rejoin.delay(channel.tries, self.link.random()) {
            Some(delay) => self.timers.set(&mut channel.timer, self.now, delay, Due::Rejoin(id)),
            None => self.events.push_back(Event::GaveUp { channel: id }),
        }
    }

    pub(super) fn rejoin_due(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.timer = None;
        channel.tries = channel.tries.saturating_add(1);
        if self.link.is_open() {
            self.begin_join(id);
        }
    }

    /// A join was answered.
    pub(super) fn join_answered(&mut self, id: ChannelId, ok: bool, response: Payload<'_>) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let response = response.to_owned();
        if ok {
            channel.state = State::Joined;
            channel.tries = 0;
            self.timers.clear(&mut channel.timer);
            self.events.push_back(Event::Joined { channel: id, response });
            self.send_waiting(id);
        } else {
            self.schedule_rejoin(id, Event::JoinFailed { channel: id, error: JoinError::Refused(response) });
        }
    }

    /// A join was not answered: it is taken back, and tried again later.
    /// Source: conformance `join_timeout`: the leave has the join's join_ref.
    pub(super) fn join_timed_out(&mut self, id: ChannelId) {
        let ref_ = if self.link.is_open() { self.next_ref() } else { 0 };
        let Some(channel) = self.channels.get_mut(id) else { return };
        channel.timer = None;
        self.link.send(channel.join_ref, ref_, [&channel.topic, "phx_leave"], Payload::Json(Json::EMPTY));
        self.error_channel(id, Event::JoinFailed { channel: id, error: JoinError::Timeout });
    }

    /// Leaves; to us the channel is gone at once. Source: conformance `leave`, `leave_timeout`, `leave_while_joining`.
    pub(super) fn leave_channel(&mut self, id: ChannelId, by: Closing) {
        if self.link.is_open() {
            let ref_ = self.next_ref();
            let Some(channel) = self.channels.get(id) else { return };
            self.link.send(channel.join_ref, ref_, [&channel.topic, "phx_leave"], Payload::Json(Json::EMPTY));
        }
        self.close_channel(id, by);
    }

    /// The channel is gone, and what waited for it.
    pub(super) fn close_channel(&mut self, id: ChannelId, by: Closing) {
        let Some(mut channel) = self.channels.remove(id) else { return };
        self.timers.clear(&mut channel.timer);
        self.abort_pushes(id);
        self.events.push_back(Event::Closed { channel: id, by });
    }
}
