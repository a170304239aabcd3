//! Pushes until their end, and pings.
//!
//! Source: phoenix.js 1.8.16 push.js.

use std::collections::BTreeMap;
use std::time::Duration;

use super::timers::{Due, Timer};
use super::{ChannelId, Client, Event, PushId, Status};
use crate::payload::{Payload, PayloadBuf};
use crate::time::Instant;

/// A push that has not had its end.
#[derive(Debug)]
struct Push {
    channel: ChannelId,
    /// How long an answer is waited for.
    timeout: Duration,
    timer: Option<Timer>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// Waits for its channel to be joined.
    Waiting { event: Box<str>, payload: PayloadBuf },
    /// Waits for its answer.
    Sent { ref_: u64 },
}

/// Pushes and pings that have not had their end.
#[derive(Debug, Default)]
pub(super) struct Pushes {
    pushes: BTreeMap<PushId, Push>,
    by_ref: BTreeMap<u64, PushId>,
    /// By ref, with the time when they were sent.
    pings: BTreeMap<u64, (PushId, Instant)>,
    /// Bytes of payloads that wait.
    buffered: usize,
    count: u64,
}

impl Pushes {
    pub(super) fn len(&self) -> usize {
        self.pushes.len() + self.pings.len()
    }

    pub(super) const fn buffered_bytes(&self) -> usize {
        self.buffered
    }

    fn new_id(&mut self) -> PushId {
        self.count += 1;
        PushId(self.count)
    }

    /// A push that waits for its answer.
    pub(super) fn insert_sent(&mut self, channel: ChannelId, timeout: Duration, ref_: u64) -> PushId {
        let id = self.new_id();
        self.pushes.insert(id, Push { channel, timeout, timer: None, stage: Stage::Sent { ref_ } });
        self.by_ref.insert(ref_, id);
        id
    }

    /// A push that waits for its channel.
    pub(super) fn insert_waiting(
        &mut self,
        channel: ChannelId,
        timeout: Duration,
        event: &str,
        payload: Payload<'_>,
    ) -> PushId {
        let id = self.new_id();
        self.buffered += payload.len();
        let stage = Stage::Waiting { event: event.into(), payload: payload.to_owned() };
        self.pushes.insert(id, Push { channel, timeout, timer: None, stage });
        id
    }

    pub(super) fn insert_ping(&mut self, now: Instant, ref_: u64) -> PushId {
        let id = self.new_id();
        self.pings.insert(ref_, (id, now));
        id
    }

    /// Takes out a push; its timer is the caller's to clear.
    fn remove(&mut self, id: PushId) -> Option<Push> {
        let push = self.pushes.remove(&id)?;
        match &push.stage {
            Stage::Waiting { payload, .. } => self.buffered -= payload.as_payload().len(),
            Stage::Sent { ref_ } => drop(self.by_ref.remove(ref_)),
        }
        Some(push)
    }
}

impl Client {
    /// The time of a push runs, from now.
    pub(super) fn start_push(&mut self, id: PushId) {
        if let Some(push) = self.pushes.pushes.get_mut(&id) {
            self.timers.set(&mut push.timer, self.now, push.timeout, Due::Push(id));
        }
    }

    /// The channel is joined: sends what waits for it, in order, with new refs; time runs anew.
    pub(super) fn send_waiting(&mut self, id: ChannelId) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        for id in std::mem::take(&mut channel.waiting) {
            let Some(push) = self.pushes.pushes.get_mut(&id) else { continue };
            self.refs += 1;
            let Stage::Waiting { event, payload } = std::mem::replace(&mut push.stage, Stage::Sent { ref_: self.refs })
            else {
                continue;
            };
            self.link.send(channel.join_ref, self.refs, [&channel.topic, &event], payload.as_payload());
            self.timers.set(&mut push.timer, self.now, push.timeout, Due::Push(id));
            self.pushes.buffered -= payload.as_payload().len();
            self.pushes.by_ref.insert(self.refs, id);
        }
    }

    /// A reply on a channel came, to one of its pushes perhaps.
    pub(super) fn push_answered(&mut self, channel: ChannelId, ref_: Option<u64>, status: &str, response: Payload<'_>) {
        let found = ref_.and_then(|ref_| self.pushes.by_ref.get(&ref_)).copied();
        let found = found.filter(|id| self.pushes.pushes.get(id).is_some_and(|push| push.channel == channel));
        let Some(push) = found else {
            self.stats.late_replies += 1;
            return;
        };
        self.end_push(push);
        let (status, response) = (Status::new(status), response.to_owned());
        self.events.push_back(Event::Reply { push, channel, status, response });
    }

    pub(super) fn push_timed_out(&mut self, push: PushId) {
        if let Some(channel) = self.end_push(push) {
            if let Some(channel) = self.channels.get_mut(channel) {
                channel.waiting.retain(|waiting| *waiting != push);
            }
            self.events.push_back(Event::Timeout { push, channel });
        }
    }

    /// A channel has closed.
    pub(super) fn abort_pushes(&mut self, channel: ChannelId) {
        let of_channel = self.pushes.pushes.iter().filter(|(_, push)| push.channel == channel);
        let ids: Vec<PushId> = of_channel.map(|(id, _)| *id).collect();
        for push in ids {
            self.end_push(push);
            self.events.push_back(Event::Aborted { push, channel: Some(channel) });
        }
    }

    /// The connection is lost, and with it the answers to pings.
    pub(super) fn abort_pings(&mut self) {
        for (push, _) in std::mem::take(&mut self.pushes.pings).into_values() {
            self.events.push_back(Event::Aborted { push, channel: None });
        }
    }

    /// Whether that answers a ping.
    pub(super) fn ping_answered(&mut self, ref_: Option<u64>) {
        if let Some((ping, sent)) = ref_.and_then(|ref_| self.pushes.pings.remove(&ref_)) {
            self.events.push_back(Event::Pong { ping, round_trip: self.now - sent });
        }
    }

    fn end_push(&mut self, id: PushId) -> Option<ChannelId> {
        let mut push = self.pushes.remove(id)?;
        self.timers.clear(&mut push.timer);
        Some(push.channel)
    }
}
