//! Messages come: decoding, limits, and which handler takes them.

use super::mount::Protocol;
use super::{Hub, guard, guard_outcome};
use crate::channel::{Event, Leave};
use crate::error::{CloseReason, PeerError};
use crate::id::ConnId;
use crate::limits::RateAction;
use crate::payload::{Json, Payload};
use crate::pubsub::Form;
use crate::raw::Raw;
use crate::socket::{At, Socket, Stage};
use crate::state::joins::Waiting;
use crate::time::Instant;
use crate::wire::{self, DecodeError, Message, Ref};

/// A message as it came, for one that has to wait.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    Text(&'a str),
    Binary(&'a [u8]),
}

impl Source<'_> {
    const fn len(self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Binary(data) => data.len(),
        }
    }

    fn to_waiting(self) -> Waiting {
        match self {
            Self::Text(text) => Waiting::Text(text.into()),
            Self::Binary(data) => Waiting::Binary(data.into()),
        }
    }
}

impl<S> Hub<S> {
    /// A text message came. Ignored unless the connection is open.
    pub fn handle_text(&mut self, now: Instant, app: &mut S, conn: ConnId, text: &str) {
        self.handle_message(now, app, conn, Source::Text(text));
    }

    /// A binary message came. Ignored unless the connection is open.
    pub fn handle_binary(&mut self, now: Instant, app: &mut S, conn: ConnId, data: &[u8]) {
        self.handle_message(now, app, conn, Source::Binary(data));
    }

    fn handle_message(&mut self, now: Instant, app: &mut S, conn: ConnId, source: Source<'_>) {
        self.state.tick(now);
        let now = self.state.now;
        let Some(entry) = self.state.conns.get_mut(conn).filter(|entry| entry.is_open()) else { return };
        entry.last_heard = now;
        self.state.stats.received += 1;
        let mount = usize::from(entry.mount);
        let is_raw = matches!(self.mounts[mount].mount.protocol, Protocol::Raw(_));
        if is_raw && !self.within_rate(conn, None) {
            return self.settle(app);
        }
        match &self.mounts[mount].mount.protocol {
            Protocol::Channels(_) => match self.decode(conn, source) {
                Ok(message) => self.dispatch(app, conn, &message, source),
                Err(error) => self.handle_undecodable(app, conn, source, error),
            },
            Protocol::Raw(handlers) => {
                let mut raw = Raw::new(&mut self.state, app, conn);
                let result = guard_outcome(|| match (source, &handlers.text, &handlers.binary) {
                    (Source::Text(text), Some(handler), _) => handler(&mut raw, text),
                    (Source::Binary(data), _, Some(handler)) => handler(&mut raw, data),
                    _ => Ok(()),
                });
                self.raw_outcome(conn, "message", result);
            }
        }
        self.settle(app);
    }

    fn decode<'m>(&self, conn: ConnId, source: Source<'m>) -> Result<Message<'m>, DecodeError> {
        let vsn = self.state.conns.get(conn).map_or(wire::Vsn::V2, |entry| entry.vsn);
        match source {
            Source::Text(text) => wire::decode_text(vsn, text),
            Source::Binary(data) => wire::decode_binary(vsn, data),
        }
    }

    /// What `vsn` 2 knows nothing of may be a message of the mount's own clients.
    #[cold]
    fn handle_undecodable(&mut self, app: &mut S, conn: ConnId, source: Source<'_>, mut error: DecodeError) {
        if let (Source::Binary(data), DecodeError::MalformedBinary) = (source, error)
            && let Some(text) = self.translate(conn, data)
        {
            let source = Source::Text(&text);
            match self.decode(conn, source) {
                Ok(message) => return self.dispatch(app, conn, &message, source),
                Err(of_text) => error = of_text,
            }
        }
        self.state.stats.undecodable += 1;
        self.state.close_later(conn, CloseReason::Violation(error.into()));
    }

    fn translate(&mut self, conn: ConnId, data: &[u8]) -> Option<String> {
        let mount = &self.mounts[usize::from(self.state.conns.get(conn)?.mount)].mount;
        let translate = mount.translate.as_ref()?;
        match guard(|| translate(data)) {
            Ok(text) => text,
            Err(failed) => {
                let path = mount.path.clone();
                self.report(conn, &path, "message", &failed);
                None
            }
        }
    }

    fn dispatch(&mut self, app: &mut S, conn: ConnId, message: &Message<'_>, source: Source<'_>) {
        let longest = message.ref_.len().max(message.join_ref.len());
        if longest > self.state.capacity.ref_bytes {
            let error = PeerError::Undecodable("ref too long");
            self.state.close_later(conn, CloseReason::Violation(error));
            return;
        }
        if message.topic == "phoenix" && message.event == "heartbeat" {
            self.state.reply_heartbeat(conn, message.ref_);
        } else if self.within_rate(conn, Some(message)) {
            self.route(app, conn, message, source);
        }
    }

    /// Takes a message from the connection's allowance; false when there is none left, and what has to be said is said
    /// (a raw message has no answer).
    fn within_rate(&mut self, conn: ConnId, message: Option<&Message<'_>>) -> bool {
        let now = self.state.now;
        let Some(entry) = self.state.conns.get_mut(conn) else { return false };
        let Some(limit) = &self.mounts[usize::from(entry.mount)].mount.rate_limit else { return true };
        if entry.bucket.take(now, limit) {
            return true;
        }
        self.state.stats.rate_limited += 1;
        match limit.action {
            RateAction::Drop => {
                self.offend(conn);
                let Some(message) = message else { return false };
                let refs = (message.join_ref, message.ref_);
                self.state.reply_unjoined(conn, refs, &message.topic, "error", RATE_LIMITED);
            }
            RateAction::Disconnect => {
                self.state.close_later(conn, CloseReason::Violation(PeerError::RateLimited));
            }
        }
        false
    }

    /// Source: phoenix lib/phoenix/socket.ex `handle_in/4` (main, 2026-08-20).
    fn route(&mut self, app: &mut S, conn: ConnId, message: &Message<'_>, source: Source<'_>) {
        let member = self.state.pubsub.find(conn, &message.topic, Form::V2);
        match (&*message.event, member) {
            ("phx_join", _) => self.handle_join(app, conn, message, member),
            ("phx_leave", None) => {
                let refs = (message.join_ref, message.ref_);
                self.state.reply_unjoined(conn, refs, &message.topic, "ok", Json::EMPTY);
            }
            (_, None) => self.unmatched_topic(conn, message),
            (event, Some(member)) => {
                if !self.is_current(member, message.join_ref) {
                    self.state.stats.stale_join_refs += 1;
                } else if event == "phx_leave" {
                    self.handle_leave(app, member, message);
                } else {
                    self.handle_event(app, member, message, source);
                }
            }
        }
    }

    /// A null `join_ref` always is; another has to be the join's own, by type and value.
    fn is_current(&self, member: u32, join_ref: Ref<'_>) -> bool {
        join_ref.is_null() || self.state.joins.get(member).is_some_and(|join| join.join_ref.is(join_ref))
    }

    /// The reply has no join_ref, whatever was sent.
    pub(super) fn unmatched_topic(&mut self, conn: ConnId, message: &Message<'_>) {
        self.state.stats.unmatched_topics += 1;
        let refs = (Ref::Null, message.ref_);
        self.state.reply_unjoined(conn, refs, &message.topic, "error", UNMATCHED_TOPIC);
        self.offend(conn);
    }

    /// One more message in a row that was refused.
    pub(super) fn offend(&mut self, conn: ConnId) {
        let Some(entry) = self.state.conns.get_mut(conn) else { return };
        entry.offences = entry.offences.saturating_add(1);
        let max = self.mounts[usize::from(entry.mount)].mount.max_offences;
        if max > 0 && entry.offences >= max {
            self.state.close_later(conn, CloseReason::Violation(PeerError::TooManyOffences));
        }
    }

    /// A message that was taken.
    pub(super) fn behave(&mut self, conn: ConnId) {
        if let Some(entry) = self.state.conns.get_mut(conn) {
            entry.offences = 0;
        }
    }

    fn handle_event(&mut self, app: &mut S, member: u32, message: &Message<'_>, source: Source<'_>) {
        let (max_event, max_waiting) = (self.state.capacity.event_bytes, self.state.capacity.pending_events_per_join);
        if message.event.len() > max_event {
            return self.answer_error(member, message, EVENT_TOO_LONG);
        }
        let Some(join) = self.state.joins.get_mut(member) else { return };
        if let Some(pending) = &mut join.pending {
            let (count, conn) = (pending.waiting.len(), self.state.pubsub.member(member).conn);
            match count < max_waiting && self.has_room(conn, source) {
                true => self.wait(member, conn, source),
                false => self.answer_error(member, message, JOIN_PENDING),
            }
            return;
        }
        let (channel, conn) = (join.channel, self.state.pubsub.member(member).conn);
        let Some(served) = self.mounts.get(self.state.conns.get(conn).map_or(usize::MAX, |c| usize::from(c.mount)))
        else {
            return;
        };
        let Some(handler) = served.channel(channel).and_then(|channel| channel.event_handler(&message.event)) else {
            self.state.stats.unmatched_events += 1;
            if !message.ref_.is_null() {
                self.answer_error(member, message, UNMATCHED_EVENT);
            }
            self.offend(conn);
            return;
        };
        let stage = Stage::Event { ref_: message.ref_, answered: false };
        let at = At { conn, member };
        let mut socket = Socket::new(&mut self.state, app, at, stage, served.mount.ticket_limit);
        let event = Event::new(&message.event, message.payload, &message.topic, message.ref_);
        let result = guard_outcome(|| handler(&mut socket, event));
        let stop = socket.is_to_stop();
        self.behave(conn);
        match result {
            Ok(()) if stop => drop(self.end_join(app, member, Leave::Stopped)),
            Ok(()) => {}
            Err(failed) => {
                self.report(conn, &message.topic, &message.event, &failed);
                drop(self.end_join(app, member, Leave::Crashed));
            }
        }
    }

    /// Whether a message may wait for a join: as with queues, always if nothing waits on its connection yet.
    fn has_room(&self, conn: ConnId, source: Source<'_>) -> bool {
        let waiting = self.state.conns.get(conn).map_or(0, |entry| entry.waiting);
        waiting == 0 || waiting + source.len() <= self.state.capacity.queued_bytes_per_connection
    }

    fn wait(&mut self, member: u32, conn: ConnId, source: Source<'_>) {
        if let Some(entry) = self.state.conns.get_mut(conn) {
            entry.waiting += source.len();
        }
        if let Some(pending) = self.state.joins.get_mut(member).and_then(|join| join.pending.as_mut()) {
            pending.waiting.push_back(source.to_waiting());
        }
    }

    /// Messages that waited for a join, now that it is decided.
    pub(super) fn replay(&mut self, app: &mut S, conn: ConnId, waiting: impl IntoIterator<Item = Waiting>) {
        for message in waiting {
            let source = match &message {
                Waiting::Text(text) => Source::Text(text),
                Waiting::Binary(data) => Source::Binary(data),
            };
            if let Some(entry) = self.state.conns.get_mut(conn) {
                entry.waiting = entry.waiting.saturating_sub(source.len());
            }
            if let Ok(message) = self.decode(conn, source) {
                self.route(app, conn, &message, source);
            }
        }
    }

    fn answer_error(&mut self, member: u32, message: &Message<'_>, reason: Json<'_>) {
        self.state
            .reply(member, message.ref_, "error", Payload::Json(reason))
            .expect("a member of an open connection can be answered in text");
    }
}

pub(super) const UNMATCHED_TOPIC: Json<'static> = Json::trusted(r#"{"reason":"unmatched topic"}"#);
const UNMATCHED_EVENT: Json<'static> = Json::trusted(r#"{"reason":"unmatched event"}"#);
const EVENT_TOO_LONG: Json<'static> = Json::trusted(r#"{"reason":"event too long"}"#);
const JOIN_PENDING: Json<'static> = Json::trusted(r#"{"reason":"join pending"}"#);
const RATE_LIMITED: Json<'static> = Json::trusted(r#"{"reason":"rate_limited"}"#);
