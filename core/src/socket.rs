//! What handlers see of the client they act for.
//!
//! A send from an event or leave handler is in the output at once, in the order in which it was said. A send from a
//! join handler waits for the join's reply, which has to be first; what is wrong with it is said at once all the same, but for
//! what changes until then: a bound that others reach between a deferred join and its answer crashes the join.

use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::error::{CloseReason, CommandError};
use crate::hub::PubSub;
use crate::id::{ConnId, Ticket};
use crate::payload::{Json, Payload, PayloadBuf, ToPayload};
use crate::state::State;
use crate::state::joins::Effect;
use crate::state::tickets::Promise;
use crate::time::Instant;
use crate::wire::{Ref, RefBuf};

/// One client in one topic, as a handler sees it.
pub struct Socket<'a, S = ()> {
    state: &'a mut State,
    app: &'a mut S,
    at: At,
    stage: Stage<'a>,
    ticket_limit: Duration,
    stop: bool,
}

#[derive(Clone, Copy)]
pub(crate) struct At {
    pub(crate) conn: ConnId,
    pub(crate) member: u32,
}

/// What is being handled.
pub(crate) enum Stage<'a> {
    Join { ticket: Option<Ticket>, tracked: Vec<Box<str>>, effects: Vec<Effect> },
    Event { ref_: Ref<'a>, answered: bool },
    Leave,
}

/// What a handler left to be done.
#[derive(Default)]
pub(crate) struct Said {
    pub(crate) ticket: Option<Ticket>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) stop: bool,
}

impl<'a, S> Socket<'a, S> {
    pub(crate) fn new(state: &'a mut State, app: &'a mut S, at: At, stage: Stage<'a>, ticket_limit: Duration) -> Self {
        Self { state, app, at, stage, ticket_limit, stop: false }
    }

    pub(crate) fn into_said(self) -> Said {
        let stop = self.stop;
        match self.stage {
            Stage::Join { ticket, effects, .. } => Said { ticket, effects, stop },
            Stage::Event { .. } | Stage::Leave => Said { stop, ..Said::default() },
        }
    }

    pub(crate) const fn is_to_stop(&self) -> bool {
        self.stop
    }

    // --- sends ---

    /// Sends an event to this client.
    ///
    /// # Errors
    /// `BinaryUnsupported` for bytes to a `vsn` 1 client, `TooLarge` for names beyond 255 bytes in a binary message,
    /// `InvalidJson`, `UnknownConn` when the connection has closed.
    pub fn push(&mut self, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        self.send(event, payload, State::can_push, |state, at, event, payload| state.push(at, event, payload))
    }

    /// Sends an event to all who joined this topic, this client too. A binary payload passes `vsn` 1 clients over.
    /// Encodes once; O(subscribers).
    ///
    /// # Errors
    /// `TooLarge` for names beyond 255 bytes in a binary message, `InvalidJson`.
    pub fn broadcast(&mut self, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        self.send(event, payload, State::can_broadcast, |state, at, event, payload| {
            let topic = state.pubsub.member(at).topic;
            state.broadcast(topic, None, event, payload)
        })
    }

    /// Sends an event to all who joined this topic but this client.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_from(&mut self, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        self.send(event, payload, State::can_broadcast, |state, at, event, payload| {
            let topic = state.pubsub.member(at).topic;
            state.broadcast(topic, Some(at), event, payload)
        })
    }

    /// Sends an event to another client in this topic. Said in a join handler, it comes to nothing when that client has
    /// left by the time of the join's reply.
    ///
    /// # Errors
    /// `NotJoined` when it is not in this topic, else as [`push`](Self::push).
    pub fn push_to(&mut self, conn: ConnId, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        let topic = self.state.pubsub.name(self.state.pubsub.member(self.at.member).topic).clone();
        let other = self.state.joined(conn, &topic).ok_or(CommandError::NotJoined)?;
        if other == self.at.member {
            return self.push(event, payload);
        }
        let check = move |state: &State, _, event: &str, payload: Payload<'_>| state.can_push(other, event, payload);
        let push = move |state: &mut State, _, event: &str, payload: Payload<'_>| {
            push_if_joined(state, conn, &topic, event, payload)
        };
        self.send(event, payload, check, push)
    }

    /// The same sends on another topic.
    pub const fn on<'b>(&'b mut self, topic: &'b str) -> On<'b, 'a, S> {
        On { socket: self, topic }
    }

    /// Answers the event with status `ok`.
    ///
    /// # Errors
    /// `AlreadyAnswered`, also after `defer`; `NotAllowed` in join handlers (return the reply) and leave handlers;
    /// else as [`push`](Self::push).
    pub fn reply(&mut self, payload: impl ToPayload) -> Result<(), CommandError> {
        self.reply_with("ok", payload)
    }

    /// Answers the event with a status of your own; clients know `ok` and `error`.
    ///
    /// # Errors
    /// As [`reply`](Self::reply).
    pub fn reply_with(&mut self, status: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        let Stage::Event { ref_, answered } = &mut self.stage else { return Err(CommandError::NotAllowed) };
        if *answered {
            return Err(CommandError::AlreadyAnswered);
        }
        let mut scratch = self.state.take_scratch();
        let result = match payload.to_payload(&mut scratch) {
            Ok(payload) => self.state.reply(self.at.member, *ref_, status, payload),
            Err(error) => Err(error),
        };
        self.state.give_scratch(scratch);
        *answered |= result.is_ok();
        result
    }

    /// Puts the answer off: whoever has the ticket answers by `Hub::answer`, or a driver's handle. Return
    /// [`Reply::Later`](crate::Reply::Later) from a join handler that did so.
    ///
    /// The ticket dies with the join, with the connection, or after the mount's `ticket_limit`.
    ///
    /// # Errors
    /// `AlreadyAnswered`; `Full` when too many tickets are out; `NotAllowed` in leave handlers.
    pub fn defer(&mut self) -> Result<Ticket, CommandError> {
        let member = self.at.member;
        match &mut self.stage {
            Stage::Join { ticket: Some(_), .. } | Stage::Event { answered: true, .. } => {
                Err(CommandError::AlreadyAnswered)
            }
            Stage::Join { ticket, .. } => {
                let new = self.state.issue(self.at.conn, Promise::Join { member }, self.ticket_limit)?;
                *ticket = Some(new);
                Ok(new)
            }
            Stage::Event { ref_, answered } => {
                let promise = Promise::Event { member, ref_: RefBuf::from(*ref_) };
                let ticket = self.state.issue(self.at.conn, promise, self.ticket_limit)?;
                *answered = true;
                if let Some(join) = self.state.joins.get_mut(member) {
                    join.tickets.push(ticket);
                }
                Ok(ticket)
            }
            Stage::Leave => Err(CommandError::NotAllowed),
        }
    }

    // --- presence ---

    /// Shows this client under `key` in this topic, with a JSON object as `meta`; all in the topic get a
    /// `presence_diff`. It goes when the join ends, or by [`untrack`](Self::untrack).
    ///
    /// # Errors
    /// `AlreadyTracked`, `Full`, `TooLarge` (key or meta), `InvalidJson` when `meta` is no object.
    pub fn track(&mut self, key: &str, meta: impl ToPayload) -> Result<(), CommandError> {
        self.check_key(key)?;
        let before = self.tracks(key);
        if before == Some(true) {
            return Err(CommandError::AlreadyTracked);
        }
        let tracked = self.said_to_track().map_or(0, |tracked| tracked.len());
        if self.state.presences.len() + tracked >= self.state.capacity.presences {
            return Err(CommandError::Full);
        }
        self.send(key, Meta(meta, self.state.capacity.presence_meta_bytes), unchecked, |state, at, key, meta| {
            state.track(at, key, object(meta)?)
        })?;
        if let Some(tracked) = self.said_to_track() {
            tracked.push(key.into());
        }
        Ok(())
    }

    /// Replaces the meta under `key`; one diff, with the old meta leaving and the new one joining.
    ///
    /// # Errors
    /// `NotTracked`, `TooLarge`, `InvalidJson` when `meta` is no object.
    pub fn update(&mut self, key: &str, meta: impl ToPayload) -> Result<(), CommandError> {
        self.check_key(key)?;
        if self.tracks(key) == Some(false) {
            return Err(CommandError::NotTracked);
        }
        self.send(key, Meta(meta, self.state.capacity.presence_meta_bytes), unchecked, |state, at, key, meta| {
            state.update(at, key, object(meta)?)
        })
    }

    /// Shows this client under `key` no more.
    ///
    /// # Errors
    /// `NotTracked`.
    pub fn untrack(&mut self, key: &str) -> Result<(), CommandError> {
        if self.tracks(key) == Some(false) {
            return Err(CommandError::NotTracked);
        }
        self.send(key, Json::NULL, unchecked, |state, at, key, _| state.untrack(at, key))?;
        if let Some(tracked) = self.said_to_track() {
            tracked.retain(|other| **other != *key);
        }
        Ok(())
    }

    /// The meta that this client shows under `key`.
    pub fn presence_meta(&self, key: &str) -> Option<Json<'_>> {
        let topic = self.state.pubsub.member(self.at.member).topic;
        self.state.presences.meta(topic, self.at.member, key).map(Json::trusted)
    }

    /// Sends this client who is here, as the `presence_state` event that phoenix.js's `Presence` reads.
    ///
    /// # Errors
    /// As [`push`](Self::push).
    pub fn push_presence_state(&mut self) -> Result<(), CommandError> {
        self.send("", Json::NULL, unchecked, |state, at, _, _| state.push_presence_state(at))
    }

    /// Who is here, in a plain form: `[{"key":…,"meta":{…}}, …]` in the order in which they came. O(presences).
    pub fn presence_list(&self) -> PayloadBuf {
        self.state.presence_list(self.topic())
    }

    // --- who and where ---

    /// The topic.
    pub fn topic(&self) -> &str {
        self.state.pubsub.name(self.state.pubsub.member(self.at.member).topic)
    }

    /// The client's name for this join; any JSON value.
    pub fn join_ref(&self) -> Ref<'_> {
        self.state.joins.get(self.at.member).map_or(Ref::Null, |join| join.join_ref.as_ref())
    }

    /// The connection.
    pub const fn conn(&self) -> ConnId {
        self.at.conn
    }

    /// Whether this client joined `topic` (any topic).
    pub fn is_joined(&self, topic: &str) -> bool {
        self.state.joined(self.at.conn, topic).is_some()
    }

    /// How many connections `topic` has.
    pub fn subscriber_count(&self, topic: &str) -> usize {
        self.state.pubsub.subscriber_count(topic)
    }

    /// A route or query parameter that the connection was opened with; a route parameter counts before a query
    /// parameter, a later query parameter before an earlier one.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.state.conns.get(self.at.conn)?.param(name)
    }

    /// The peer's address, where the host told it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.state.conns.get(self.at.conn)?.peer
    }

    /// The application's id of the connection, as `on_connect` set it.
    pub fn id(&self) -> Option<&str> {
        self.state.conns.get(self.at.conn)?.user_id()
    }

    /// A value assigned to the connection.
    pub fn assign(&self, name: &str) -> Option<&str> {
        self.state.conns.get(self.at.conn)?.assign(name)
    }

    /// Assigns a value to the connection; all its joins see it.
    ///
    /// # Errors
    /// `Full` beyond `Capacity::assigns_per_connection`, `UnknownConn` when the connection has closed.
    pub fn set_assign(&mut self, name: &str, value: &str) -> Result<(), CommandError> {
        let max = self.state.capacity.assigns_per_connection;
        let conn = self.state.conns.get_mut(self.at.conn).ok_or(CommandError::UnknownConn)?;
        conn.set_assign(name, value, max).then_some(()).ok_or(CommandError::Full)
    }

    /// The application's state for this join, if it is a `T`.
    pub fn state<T: Any>(&self) -> Option<&T> {
        self.state.joins.get(self.at.member)?.state.as_ref()?.downcast_ref()
    }

    /// The application's state for this join, if it is a `T`, to change.
    pub fn state_mut<T: Any>(&mut self) -> Option<&mut T> {
        self.state.joins.get_mut(self.at.member)?.state.as_mut()?.downcast_mut()
    }

    /// Sets the application's state for this join; it is dropped when the join ends, after the leave handler.
    pub fn set_state<T: Any + Send>(&mut self, state: T) {
        if let Some(join) = self.state.joins.get_mut(self.at.member) {
            join.state = Some(Box::new(state));
        }
    }

    /// The application's own state: what was given to the call that runs this handler.
    pub const fn app(&mut self) -> &mut S {
        self.app
    }

    /// The application's own state and the hub's publish and subscribe, both at once.
    pub(crate) const fn split(&mut self) -> (&mut S, PubSub<'_>) {
        (self.app, PubSub::new(self.state))
    }

    /// Now, as the host counts.
    pub const fn now(&self) -> Instant {
        self.state.now
    }

    // --- ends ---

    /// Ends this join when the handler has returned: the client gets `phx_close`.
    pub const fn stop(&mut self) {
        self.stop = true;
    }

    /// Closes the whole connection with this code when the handler has returned. Codes that may not be sent are
    /// replaced by 1011.
    pub fn close(&mut self, code: u16) {
        self.state.close_later(self.at.conn, CloseReason::ByUs(code));
    }

    /// Closes all connections that have this id (1001) when the handler has returned; how many there are. As for
    /// `Hub::disconnect`, clients come back unless `on_connect` refuses them.
    pub fn disconnect(&mut self, id: &str) -> usize {
        self.state.disconnect_later(id)
    }

    /// What a join handler has said that is to be tracked behind the reply.
    const fn said_to_track(&mut self) -> Option<&mut Vec<Box<str>>> {
        match &mut self.stage {
            Stage::Join { tracked, .. } => Some(tracked),
            Stage::Event { .. } | Stage::Leave => None,
        }
    }

    /// Whether it is said already in this join handler that `key` is tracked; `None` in other handlers. (A join tracks nothing
    /// before.)
    fn tracks(&self, key: &str) -> Option<bool> {
        match &self.stage {
            Stage::Join { tracked, .. } => Some(tracked.iter().any(|other| **other == *key)),
            Stage::Event { .. } | Stage::Leave => None,
        }
    }

    /// Does it now; or, if this is a join, after the reply: then `check` says what would be wrong with it.
    fn send<C, F>(&mut self, name: &str, payload: impl ToPayload, check: C, act: F) -> Result<(), CommandError>
    where
        C: FnOnce(&State, u32, &str, Payload<'_>) -> Result<(), CommandError>,
        F: FnOnce(&mut State, u32, &str, Payload<'_>) -> Result<(), CommandError> + Send + 'static,
    {
        let mut scratch = self.state.take_scratch();
        let result = match (payload.to_payload(&mut scratch), &mut self.stage) {
            (Err(error), _) => Err(error),
            (Ok(payload), Stage::Join { effects, .. }) => {
                let checked = check(self.state, self.at.member, name, payload);
                if checked.is_ok() {
                    let (name, payload): (Box<str>, _) = (name.into(), payload.to_owned());
                    effects.push(Box::new(move |state, at| act(state, at, &name, payload.as_payload())));
                }
                checked
            }
            (Ok(payload), _) => act(self.state, self.at.member, name, payload),
        };
        self.state.give_scratch(scratch);
        result
    }

    const fn check_key(&self, key: &str) -> Result<(), CommandError> {
        let max = self.state.capacity.presence_key_bytes;
        if key.len() > max { Err(CommandError::TooLarge { len: key.len(), max }) } else { Ok(()) }
    }
}

impl<S> fmt::Debug for Socket<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("conn", &self.at.conn).field("topic", &self.topic()).finish_non_exhaustive()
    }
}

/// Sends on a topic other than the handler's own; see [`Socket::on`].
pub struct On<'b, 'a, S> {
    socket: &'b mut Socket<'a, S>,
    topic: &'b str,
}

impl<S> On<'_, '_, S> {
    /// Sends an event to this client on that topic.
    ///
    /// # Errors
    /// `NotJoined` when this client is not in that topic, else as [`Socket::push`].
    pub fn push(self, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        let (conn, topic): (_, Box<str>) = (self.socket.at.conn, self.topic.into());
        let other = self.socket.state.joined(conn, &topic).ok_or(CommandError::NotJoined)?;
        let check = move |state: &State, _, event: &str, payload: Payload<'_>| state.can_push(other, event, payload);
        let push = move |state: &mut State, _, event: &str, payload: Payload<'_>| {
            push_if_joined(state, conn, &topic, event, payload)
        };
        self.socket.send(event, payload, check, push)
    }

    /// Sends an event to all who joined that topic; this client need not have.
    ///
    /// # Errors
    /// As [`Socket::broadcast`].
    pub fn broadcast(self, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        let (topic, name): (Box<str>, _) = (self.topic.into(), self.topic);
        let check = |_: &State, _, event: &str, payload: Payload<'_>| State::can_broadcast_on(name, event, payload);
        self.socket.send(event, payload, check, move |state, _, event, payload| match state.pubsub.topic(&topic) {
            Some(topic) => state.broadcast(topic, None, event, payload),
            None => Ok(()),
        })
    }

    /// Sends an event to all who joined that topic but this client.
    ///
    /// # Errors
    /// As [`Socket::broadcast`].
    pub fn broadcast_from(self, event: &str, payload: impl ToPayload) -> Result<(), CommandError> {
        let (conn, topic, name): (_, Box<str>, _) = (self.socket.at.conn, self.topic.into(), self.topic);
        let check = |_: &State, _, event: &str, payload: Payload<'_>| State::can_broadcast_on(name, event, payload);
        self.socket.send(event, payload, check, move |state, _, event, payload| match state.pubsub.topic(&topic) {
            Some(id) => state.broadcast(id, state.joined(conn, &topic), event, payload),
            None => Ok(()),
        })
    }
}

/// What can go wrong with it is known already.
const fn unchecked(_: &State, _: u32, _: &str, _: Payload<'_>) -> Result<(), CommandError> {
    Ok(())
}

/// Whoever has left since it was said misses it, which is no fault of the handler's.
fn push_if_joined(
    state: &mut State,
    conn: ConnId,
    topic: &str,
    event: &str,
    payload: Payload<'_>,
) -> Result<(), CommandError> {
    state.joined(conn, topic).map_or(Ok(()), |member| state.push(member, event, payload))
}

impl<S> fmt::Debug for On<'_, '_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("On").field("conn", &self.socket.at.conn).field("topic", &self.topic).finish_non_exhaustive()
    }
}

/// A meta within its bound.
struct Meta<P>(P, usize);

impl<P: ToPayload> ToPayload for Meta<P> {
    fn to_payload<'a>(&'a self, scratch: &'a mut Vec<u8>) -> Result<Payload<'a>, CommandError> {
        let payload = self.0.to_payload(scratch)?;
        object(payload)?;
        let (len, max) = (payload.len(), self.1);
        if len > max { Err(CommandError::TooLarge { len, max }) } else { Ok(payload) }
    }
}

fn object(payload: Payload<'_>) -> Result<Json<'_>, CommandError> {
    payload.json().filter(|json| json.as_str().trim_start().starts_with('{')).ok_or(CommandError::InvalidJson)
}
