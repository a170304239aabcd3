//! Everything a hub knows apart from the handlers: tables, and the sends that write to them. Handlers reach it through
//! `Socket`, the hub directly; neither runs a handler from here.

pub(crate) mod conns;
pub(crate) mod joins;
pub(crate) mod outbox;
pub(crate) mod stats;
pub(crate) mod tickets;

use std::collections::VecDeque;
use std::time::Duration;

use self::conns::{Conns, Phase};
use self::joins::Joins;
use self::outbox::Outbox;
use self::stats::Stats;
use self::tickets::{Promise, Tickets};
use crate::error::{CloseReason, CommandError};
use crate::frame::Kind;
use crate::frame::memory::FrameBuf;
use crate::id::{ConnId, Ticket};
use crate::limits::Capacity;
use crate::log::{Journal, Level, Listener};
use crate::payload::{Json, Payload, PayloadBuf, ToPayload};
use crate::presence::{Change, Presences};
use crate::pubsub::{EnterError, Form, Topics};
use crate::random::Random;
use crate::time::Instant;
use crate::timers::Timers;
use crate::wire::{self, EncodeError, Ref, Vsn};
use crate::ws::is_valid_close_code;

/// What to look at when its time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Timer {
    /// Has the peer been silent for too long?
    Idle(ConnId),
    /// Has nobody answered?
    Ticket(Ticket),
}

pub(crate) struct State {
    pub(crate) now: Instant,
    pub(crate) capacity: Capacity,
    pub(crate) random: Random,
    pub(crate) pubsub: Topics,
    pub(crate) presences: Presences,
    pub(crate) conns: Conns,
    pub(crate) joins: Joins,
    pub(crate) tickets: Tickets,
    pub(crate) timers: Timers<Timer>,
    pub(crate) outbox: Outbox,
    /// Connections to close as soon as the handler that said so has returned.
    pub(crate) closing: VecDeque<(ConnId, CloseReason)>,
    pub(crate) stats: Stats,
    pub(crate) journal: Journal,
    frames: FrameBuf,
    scratch: Vec<u8>,
    payloads: Vec<u8>,
}

impl State {
    pub(crate) fn new(capacity: Capacity, seed: [u8; 32], listener: Option<Box<Listener>>) -> Self {
        let mut random = Random::new(seed);
        Self {
            now: Instant::ORIGIN,
            pubsub: Topics::new(&capacity, &mut random),
            presences: Presences::new(capacity.presences, &mut random),
            conns: Conns::new(capacity.connections, &mut random),
            joins: Joins::default(),
            tickets: Tickets::new(capacity.tickets),
            timers: Timers::new(),
            outbox: Outbox::default(),
            closing: VecDeque::new(),
            stats: Stats::default(),
            journal: Journal::new(listener),
            frames: FrameBuf::default(),
            scratch: Vec::new(),
            payloads: Vec::new(),
            capacity,
            random,
        }
    }

    /// Time does not go backwards here: an earlier moment counts as now.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Tells whoever listens what happened to a connection.
    pub(crate) fn log(&mut self, level: Level, conn: ConnId, text: std::fmt::Arguments<'_>) {
        self.journal.record(self.now, level, Some(conn), text);
    }

    pub(crate) fn stats(&self) -> Stats {
        Stats {
            connections: self.conns.len(),
            topics: self.pubsub.topic_count(),
            joins: self.pubsub.member_count(),
            presences: self.presences.len(),
            tickets: self.tickets.len(),
            ..self.stats
        }
    }

    /// The member that `conn` is in `topic`, if its join has been decided.
    pub(crate) fn joined(&self, conn: ConnId, topic: &str) -> Option<u32> {
        self.conns.get(conn)?;
        self.pubsub.find(conn, topic, Form::V2).filter(|member| self.pubsub.place(*member).is_some())
    }

    pub(crate) fn presence_list(&self, topic: &str) -> PayloadBuf {
        let mut list = Vec::new();
        match self.pubsub.topic(topic) {
            Some(topic) => self.presences.write_list(topic, &mut list),
            None => list.extend_from_slice(b"[]"),
        }
        PayloadBuf::trusted(String::from_utf8(list).expect("presence lists are written as UTF-8"))
    }

    /// Room to write a payload into; give it back.
    pub(crate) fn take_scratch(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.payloads)
    }

    pub(crate) fn give_scratch(&mut self, scratch: Vec<u8>) {
        self.payloads = scratch;
    }

    // --- sends ---

    /// Pushes an event to one member.
    pub(crate) fn push(&mut self, member: u32, event: &str, payload: Payload<'_>) -> Result<(), CommandError> {
        self.send(member, |vsn, out, join_ref, topic| wire::encode_push(vsn, out, join_ref, topic, event, payload))
    }

    /// Whether [`push`](Self::push) can encode this. Text it always can.
    pub(crate) fn can_push(&self, member: u32, event: &str, payload: Payload<'_>) -> Result<(), CommandError> {
        if let Payload::Json(_) = payload {
            return Ok(());
        }
        let at = self.pubsub.get(member).ok_or(CommandError::NotJoined)?;
        let conn = self.conns.open(at.conn).ok_or(CommandError::UnknownConn)?;
        let join_ref = self.joins.get(member).map_or(Ref::Null, |join| join.join_ref.as_ref());
        wire::encode_push(conn.vsn, &mut Vec::new(), join_ref, self.pubsub.name(at.topic), event, payload)?;
        Ok(())
    }

    /// Whether [`broadcast`](Self::broadcast) can encode this for those who are with that member.
    pub(crate) fn can_broadcast(&self, member: u32, event: &str, payload: Payload<'_>) -> Result<(), CommandError> {
        Self::can_broadcast_on(self.pubsub.name(self.pubsub.member(member).topic), event, payload)
    }

    /// The same by the topic's name.
    pub(crate) fn can_broadcast_on(topic: &str, event: &str, payload: Payload<'_>) -> Result<(), CommandError> {
        match payload {
            Payload::Json(_) => Ok(()),
            // Those with version 1 are passed over.
            Payload::Binary(_) => Ok(wire::begin_broadcast(Vsn::V2, &mut Vec::new(), topic, event, payload).map(drop)?),
        }
    }

    /// Answers a message of one member.
    pub(crate) fn reply(
        &mut self,
        member: u32,
        ref_: Ref<'_>,
        status: &str,
        payload: Payload<'_>,
    ) -> Result<(), CommandError> {
        self.send(member, |vsn, out, join_ref, topic| {
            wire::encode_reply(vsn, out, join_ref, ref_, topic, status, payload)
        })
    }

    /// Tells one member that its join is over: `phx_close` or `phx_error`, whose ref is the join_ref.
    /// Source: phoenix lib/phoenix/socket.ex `handle_channel_exit` and `encode_close` (main, 2026-08-20).
    pub(crate) fn finish(&mut self, member: u32, event: &str, payload: Json<'_>) -> Result<(), CommandError> {
        self.send(member, |vsn, out, join_ref, topic| {
            Ok(wire::encode_control(vsn, out, join_ref, join_ref, topic, event, payload))
        })
    }

    /// `phx_close` for a join that has gone already.
    pub(crate) fn finish_old(&mut self, conn: ConnId, join_ref: Ref<'_>, topic: &str) {
        let Some(vsn) = self.conns.open(conn).map(|conn| conn.vsn) else { return };
        let out = self.frames.begin();
        let kind = wire::encode_control(vsn, out, join_ref, join_ref, topic, "phx_close", Json::EMPTY);
        self.deliver_encoded(conn, Ok(kind)).expect("control messages are text, which always encodes");
    }

    /// Answers a message that no join takes: errors of routing, leaves of what is not joined, heartbeats.
    pub(crate) fn reply_unjoined(
        &mut self,
        conn: ConnId,
        refs: (Ref<'_>, Ref<'_>),
        topic: &str,
        status: &str,
        response: Json<'_>,
    ) {
        let Some(vsn) = self.conns.open(conn).map(|conn| conn.vsn) else { return };
        let out = self.frames.begin();
        let kind = wire::encode_reply(vsn, out, refs.0, refs.1, topic, status, Payload::Json(response));
        self.deliver_encoded(conn, kind).expect("a text reply always encodes");
    }

    /// The answer to a heartbeat; room is kept for it in every queue.
    pub(crate) fn reply_heartbeat(&mut self, conn: ConnId, ref_: Ref<'_>) {
        let Some(vsn) = self.conns.open(conn).map(|conn| conn.vsn) else { return };
        let (out, payload) = (self.frames.begin(), Payload::Json(Json::EMPTY));
        let kind = wire::encode_reply(vsn, out, Ref::Null, ref_, "phoenix", "ok", payload);
        let kind = kind.expect("a text reply always encodes");
        self.stats.delivered += 1;
        self.outbox.deliver(conn, self.frames.finish_alone(kind).into_reserved());
    }

    /// To all that joined `topic`, but `except`. One encoding for each form in use.
    pub(crate) fn broadcast(
        &mut self,
        topic: u32,
        except: Option<u32>,
        event: &str,
        payload: Payload<'_>,
    ) -> Result<(), CommandError> {
        self.stats.broadcasts += 1;
        for vsn in [Vsn::V2, Vsn::V1] {
            let to = self.pubsub.subscribers(topic, vsn.into());
            let skip = except
                .filter(|member| self.pubsub.get(*member).is_some_and(|member| member.form == Form::from(vsn)))
                .and_then(|member| self.pubsub.place(member));
            let count = to.len() - usize::from(skip.is_some());
            if count == 0 {
                continue;
            }
            let out = self.frames.begin();
            match wire::begin_broadcast(vsn, out, self.pubsub.name(topic), event, payload) {
                Ok((kind, tail)) => {
                    self.stats.delivered += count as u64;
                    let audience = self.pubsub.audience(topic, vsn.into());
                    let frame = self.frames.finish_with(kind, payload.bytes(), tail);
                    self.outbox.deliver_all(to, audience, skip, frame);
                }
                Err(EncodeError::BinaryUnsupported) => self.stats.binary_passed_over += count as u64,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// The same by the topic's name, which nobody need have joined.
    pub(crate) fn broadcast_named(
        &mut self,
        topic: &str,
        except: Option<ConnId>,
        event: &str,
        payload: &impl ToPayload,
    ) -> Result<(), CommandError> {
        let mut scratch = self.take_scratch();
        let result = payload.to_payload(&mut scratch).and_then(|payload| match self.pubsub.topic(topic) {
            Some(id) => {
                let except = except.and_then(|conn| self.joined(conn, topic));
                self.broadcast(id, except, event, payload)
            }
            None => Ok(()),
        });
        self.give_scratch(scratch);
        result
    }

    /// Text to the raw subscribers of a topic, but `except`.
    pub(crate) fn broadcast_raw(&mut self, topic: u32, except: Option<u32>, text: &str) {
        self.stats.broadcasts += 1;
        let to = self.pubsub.subscribers(topic, Form::Raw);
        let skip = except.and_then(|member| self.pubsub.place(member));
        let count = to.len() - usize::from(skip.is_some());
        if count > 0 {
            self.frames.begin();
            self.stats.delivered += count as u64;
            let audience = self.pubsub.audience(topic, Form::Raw);
            self.outbox.deliver_all(to, audience, skip, self.frames.finish_with(Kind::Text, text.as_bytes(), &[]));
        }
    }

    /// A message of no protocol to one connection.
    pub(crate) fn send_raw(&mut self, conn: ConnId, kind: Kind, data: &[u8]) -> Result<(), CommandError> {
        self.conns.open(conn).ok_or(CommandError::UnknownConn)?;
        self.frames.begin().extend_from_slice(data);
        self.deliver_encoded(conn, Ok(kind))
    }

    /// A change of who is here, to all that joined the topic.
    pub(crate) fn broadcast_diff(&mut self, topic: u32, change: &Change) {
        let mut diff = std::mem::take(&mut self.scratch);
        diff.clear();
        change.write_diff(&mut diff);
        let text = std::str::from_utf8(&diff).expect("diffs are written as UTF-8");
        self.broadcast(topic, None, "presence_diff", Payload::Json(Json::trusted(text)))
            .expect("a text broadcast always encodes");
        self.scratch = diff;
    }

    /// Who is here, to one member.
    pub(crate) fn push_presence_state(&mut self, member: u32) -> Result<(), CommandError> {
        let mut state = std::mem::take(&mut self.scratch);
        state.clear();
        self.presences.write_state(self.pubsub.member(member).topic, &mut state);
        let text = std::str::from_utf8(&state).expect("presence states are written as UTF-8");
        let result = self.push(member, "presence_state", Payload::Json(Json::trusted(text)));
        self.scratch = state;
        result
    }

    fn send(
        &mut self,
        member: u32,
        encode: impl FnOnce(Vsn, &mut Vec<u8>, Ref<'_>, &str) -> Result<Kind, EncodeError>,
    ) -> Result<(), CommandError> {
        let entry = self.pubsub.get(member).ok_or(CommandError::NotJoined)?;
        let join = self.joins.get(member).ok_or(CommandError::NotJoined)?;
        let vsn = self.conns.open(entry.conn).ok_or(CommandError::UnknownConn)?.vsn;
        let out = self.frames.begin();
        let kind = encode(vsn, out, join.join_ref.as_ref(), self.pubsub.name(entry.topic));
        self.deliver_encoded(entry.conn, kind)
    }

    fn deliver_encoded(&mut self, conn: ConnId, kind: Result<Kind, EncodeError>) -> Result<(), CommandError> {
        let frame = self.frames.finish_alone(kind?);
        self.stats.delivered += 1;
        self.outbox.deliver(conn, frame);
        Ok(())
    }

    // --- raw subscriptions ---

    pub(crate) fn subscribe_raw(&mut self, conn: ConnId, topic: &str) -> Result<(), CommandError> {
        self.subscribe_as(Form::Raw, conn, topic).map(drop)
    }

    /// Whether the subscription is new. The form is `Raw` or `Room`.
    pub(crate) fn subscribe_as(&mut self, form: Form, conn: ConnId, topic: &str) -> Result<bool, CommandError> {
        let entry = self.conns.open(conn).ok_or(CommandError::UnknownConn)?;
        if self.pubsub.find(conn, topic, form).is_some() {
            return Ok(false);
        }
        if entry.joins as usize >= self.capacity.joins_per_connection {
            return Err(CommandError::Full);
        }
        let member = self.pubsub.enter(conn, topic, form).map_err(|error| match error {
            EnterError::TopicTooLong => CommandError::TooLarge { len: topic.len(), max: self.capacity.topic_bytes },
            EnterError::TooManyTopics | EnterError::TopicFull | EnterError::TooManyMembers => CommandError::Full,
        })?;
        self.pubsub.subscribe(member);
        self.count_joins(conn, 1);
        Ok(true)
    }

    pub(crate) fn unsubscribe_raw(&mut self, conn: ConnId, topic: &str) -> bool {
        self.unsubscribe_as(Form::Raw, conn, topic)
    }

    pub(crate) fn unsubscribe_as(&mut self, form: Form, conn: ConnId, topic: &str) -> bool {
        let known = self.conns.get(conn).is_some();
        let Some(member) = self.pubsub.find(conn, topic, form).filter(|_| known) else { return false };
        self.pubsub.leave(member);
        self.count_joins(conn, -1);
        true
    }

    pub(crate) fn unsubscribe_all_raw(&mut self, conn: ConnId) -> usize {
        if self.conns.get(conn).is_none() {
            return 0;
        }
        let raw: Vec<u32> =
            self.pubsub.members_of(conn).filter(|(_, form)| *form == Form::Raw).map(|(m, _)| m).collect();
        raw.iter().for_each(|member| self.pubsub.leave(*member));
        self.count_joins(conn, -(raw.len() as i32));
        raw.len()
    }

    pub(crate) fn publish_raw(&mut self, topic: &str, except: Option<ConnId>, text: &str) {
        if let Some(id) = self.pubsub.topic(topic) {
            let except = except.filter(|conn| self.conns.get(*conn).is_some());
            let except = except.and_then(|conn| self.pubsub.find(conn, topic, Form::Raw));
            self.broadcast_raw(id, except, text);
        }
    }

    pub(crate) fn count_joins(&mut self, conn: ConnId, change: i32) {
        if let Some(entry) = self.conns.get_mut(conn) {
            entry.joins = entry.joins.saturating_add_signed(change);
        }
    }

    // --- presence ---

    pub(crate) fn track(&mut self, member: u32, key: &str, meta: Json<'_>) -> Result<(), CommandError> {
        let topic = self.pubsub.get(member).ok_or(CommandError::NotJoined)?.topic;
        let change = self.presences.track(topic, member, key, meta, &mut self.random)?;
        self.broadcast_diff(topic, &change);
        Ok(())
    }

    pub(crate) fn update(&mut self, member: u32, key: &str, meta: Json<'_>) -> Result<(), CommandError> {
        let topic = self.pubsub.get(member).ok_or(CommandError::NotJoined)?.topic;
        let change = self.presences.update(topic, member, key, meta, &mut self.random)?;
        self.broadcast_diff(topic, &change);
        Ok(())
    }

    pub(crate) fn untrack(&mut self, member: u32, key: &str) -> Result<(), CommandError> {
        let topic = self.pubsub.get(member).ok_or(CommandError::NotJoined)?.topic;
        let change = self.presences.untrack(topic, member, key)?;
        self.broadcast_diff(topic, &change);
        Ok(())
    }

    /// Everything the member tracks is gone; the others are told in one diff.
    pub(crate) fn untrack_all(&mut self, member: u32) {
        if let Some((topic, change)) = self.presences.untrack_all(member) {
            self.broadcast_diff(topic, &change);
        }
    }

    // --- tickets and timers ---

    /// A ticket for something on `conn`, given up on after `limit`.
    pub(crate) fn issue(&mut self, conn: ConnId, promise: Promise, limit: Duration) -> Result<Ticket, CommandError> {
        let (deadline, max) = (self.now + limit, self.capacity.tickets_per_connection);
        let entry = self.conns.get_mut(conn).ok_or(CommandError::UnknownConn)?;
        if entry.tickets as usize >= max {
            return Err(CommandError::Full);
        }
        let ticket = self.tickets.issue(conn, promise, deadline).ok_or(CommandError::Full)?;
        entry.tickets += 1;
        self.remind(deadline, Timer::Ticket(ticket));
        Ok(ticket)
    }

    /// Takes a ticket back.
    pub(crate) fn redeem(&mut self, ticket: Ticket) -> Option<Promise> {
        let (conn, promise) = self.tickets.take(ticket)?;
        if let Some(entry) = self.conns.get_mut(conn) {
            entry.tickets -= 1;
        }
        Some(promise)
    }

    pub(crate) fn remind(&mut self, at: Instant, timer: Timer) {
        let (conns, tickets) = (&self.conns, &self.tickets);
        self.timers.push(at, timer, conns.len() + tickets.len(), |_, timer| match timer {
            Timer::Idle(conn) => conns.open(conn).is_some(),
            Timer::Ticket(ticket) => tickets.get(ticket).is_some(),
        });
    }

    /// Whether the connection has room for all of these.
    pub(crate) fn can_assign(&self, conn: ConnId, assigns: &[(Box<str>, Box<str>)]) -> bool {
        let Some(conn) = self.conns.get(conn) else { return false };
        let mut names: Vec<&str> =
            assigns.iter().map(|(name, _)| &**name).filter(|name| conn.assign(name).is_none()).collect();
        names.sort_unstable();
        names.dedup();
        conn.assign_count() + names.len() <= self.capacity.assigns_per_connection
    }

    // --- closing ---

    /// Closes a connection once the current handler has returned. False when there is no such open connection.
    pub(crate) fn close_later(&mut self, conn: ConnId, reason: CloseReason) -> bool {
        let open = self.conns.get(conn).is_some_and(|conn| conn.phase != Phase::Closed);
        if open {
            let reason = match reason {
                CloseReason::ByUs(code) if !is_valid_close_code(code) => CloseReason::ByUs(1011),
                reason => reason,
            };
            self.closing.push_back((conn, reason));
        }
        open
    }

    /// Closes all connections that have the id, later; how many.
    pub(crate) fn disconnect_later(&mut self, user_id: &str) -> usize {
        let conns = self.conns.with_user_id(user_id);
        self.closing.extend(conns.iter().map(|conn| (*conn, CloseReason::ByUs(1001))));
        conns.len()
    }
}
