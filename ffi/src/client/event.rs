//! What a client tells.

use std::ffi::c_void;

use chanson_core::PayloadBuf;
use chanson_core::client::{Cause, ChannelId, Closing, ConnectError, Event, JoinError, Presence};
use chanson_core::time::Instant;

use super::chanson_client;
use crate::callback::User;
use crate::text::{chanson_payload, chanson_str};

/// What happened to a client.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_client_event_kind {
    /// The connection is open. Joined channels join again by themselves.
    CHANSON_CLIENT_CONNECTED = 0,
    /// The connection could not be opened: `reason` is `TRANSPORT`, `TIMEOUT`, `REFUSED` (`code`: the HTTP status), `REDIRECT`
    /// (`code`, and `text`: the `Location`), `HANDSHAKE` or `CANCELLED`; `text` says more, `retry_in_ms` when the next try is.
    CHANSON_CLIENT_CONNECT_FAILED = 1,
    /// The connection was open and is lost: `code` is the close code (1005 after `chanson_client_disconnect`), `retry_in_ms`
    /// says when the next try is. `reason` is `TIMEOUT` when a heartbeat was not answered, else `CONNECTION`.
    CHANSON_CLIENT_DISCONNECTED = 2,
    /// A join was answered ok with `payload`, the first one or one after a loss.
    CHANSON_CLIENT_JOINED = 3,
    /// A join was refused (`REFUSED`, with `payload`) or not answered (`TIMEOUT`). It is tried again by itself.
    CHANSON_CLIENT_JOIN_FAILED = 4,
    /// The channel is joined no more, but will be again by itself: `CONNECTION`, or it crashed on the server (`SERVER`, with
    /// `payload`).
    CHANSON_CLIENT_ERRORED = 5,
    /// The limit of `rejoin` is reached: on this connection the channel is not joined again by itself.
    CHANSON_CLIENT_GAVE_UP = 6,
    /// The channel is gone, and so is its id, of which this is the last event: `LEFT`, `REPLACED` by another join of its topic,
    /// or `SERVER`, which said `payload`.
    CHANSON_CLIENT_CLOSED = 7,
    /// The server sent `event` with `payload` to the channel.
    CHANSON_CLIENT_MESSAGE = 8,
    /// A push was answered with `status` and `payload`; `ok` if the status is `ok`. (One end of a push.)
    CHANSON_CLIENT_REPLY = 9,
    /// A push was not answered in time, or not sent. (One end of a push.)
    CHANSON_CLIENT_TIMEOUT = 10,
    /// The channel closed before the push was answered, or the connection was lost before a ping was, or the client was freed.
    /// (One end of a push.)
    CHANSON_CLIENT_ABORTED = 11,
    /// A ping (`push`) was answered after `round_trip_us`.
    CHANSON_CLIENT_PONG = 12,
    /// Someone (`key`) came, or came once more, with the metas `changed`; `current` are those that were there before.
    CHANSON_CLIENT_PRESENCE_JOIN = 13,
    /// Someone (`key`) left, wholly or in part, with the metas `changed`; `current` are those that remain.
    CHANSON_CLIENT_PRESENCE_LEAVE = 14,
    /// The list of presences is that of the server again: after the joins and leaves of one message.
    CHANSON_CLIENT_PRESENCE_SYNC = 15,
    /// The presences are more than `presence_bytes`: the list is empty and is not kept until the next join.
    CHANSON_CLIENT_PRESENCE_OVERFLOW = 16,
}

use chanson_client_event_kind::*;

/// Why something happened to a client.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_client_reason {
    /// There is no more to say.
    CHANSON_REASON_NONE = 0,
    /// The transport did not come up, or ended before the handshake was done; `text` is what the operating system said.
    CHANSON_REASON_TRANSPORT = 1,
    /// There was no answer in time.
    CHANSON_REASON_TIMEOUT = 2,
    /// The server refused.
    CHANSON_REASON_REFUSED = 3,
    /// The server is elsewhere. It is not followed.
    CHANSON_REASON_REDIRECT = 4,
    /// The answer to the upgrade is none that can be gone on with.
    CHANSON_REASON_HANDSHAKE = 5,
    /// `chanson_client_disconnect` was called meanwhile.
    CHANSON_REASON_CANCELLED = 6,
    /// The connection is lost.
    CHANSON_REASON_CONNECTION = 7,
    /// The server ended it.
    CHANSON_REASON_SERVER = 8,
    /// `chanson_client_leave` was called.
    CHANSON_REASON_LEFT = 9,
    /// Another join took the channel's topic.
    CHANSON_REASON_REPLACED = 10,
    /// There is no TLS with that server, its certificate is not accepted, say: `text` is why.
    CHANSON_REASON_TLS = 11,
}

use chanson_client_reason::*;

/// What happened to a client. Borrowed until the callback returns; later versions may add fields at its end, and kinds: ignore
/// those that you do not know.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_client_event {
    /// A `chanson_client_event_kind`.
    pub kind: i32,
    /// A `chanson_client_reason`.
    pub reason: i32,
    /// Which channel; `CHANSON_NO_CHANNEL` where it is about none.
    pub channel: u64,
    /// Which push or ping; `CHANSON_NO_PUSH` where it is about none.
    pub push: u64,
    /// The channel's topic; empty where it is about none.
    pub topic: chanson_str,
    /// `MESSAGE`: the event's name.
    pub event: chanson_str,
    /// `JOINED`, `JOIN_FAILED`, `ERRORED`, `CLOSED`, `MESSAGE`, `REPLY`: what came with it; else `{}`.
    pub payload: chanson_payload,
    /// `REPLY`: the status, as the server wrote it.
    pub status: chanson_str,
    /// `REPLY`: whether the status is `ok`.
    pub ok: bool,
    /// `CONNECT_FAILED`: the HTTP status, or 0. `DISCONNECTED`: the close code.
    pub code: u16,
    /// `CONNECT_FAILED`, `DISCONNECTED`: the reason in words (`REDIRECT`: the `Location`).
    pub text: chanson_str,
    /// `CONNECT_FAILED`, `DISCONNECTED`: in how many milliseconds the next try is; -1: there is none.
    pub retry_in_ms: i64,
    /// `PONG`: how long it took, in microseconds.
    pub round_trip_us: u64,
    /// `PRESENCE_JOIN`, `PRESENCE_LEAVE`: who.
    pub key: chanson_str,
    /// The same: the metas that were there before, or that remain, as a JSON array.
    pub current: chanson_str,
    /// The same: the metas that came or left, as a JSON array.
    pub changed: chanson_str,
}

/// Hears of what happens to a client, inside `chanson_client_poll`. It may call the client (join, push, leave, disconnect, …)
/// but for `chanson_client_poll` and `chanson_client_free`, which are refused with `CHANSON_ERR_BUSY`; what comes of that is
/// told in the next turn. As the callback of a push: its one end.
pub type chanson_on_client_event =
    Option<unsafe extern "C" fn(client: *mut chanson_client, event: *const chanson_client_event, user: *mut c_void)>;

/// A callback that is there, and what comes with it.
pub(super) type Hearer = (unsafe extern "C" fn(*mut chanson_client, *const chanson_client_event, *mut c_void), User);

/// An event, and what has to be looked up while its client is claimed.
pub(super) struct Told {
    pub(super) event: Event,
    pub(super) topic: Option<std::sync::Arc<str>>,
    pub(super) hearer: Option<Hearer>,
    /// What the operating system said.
    pub(super) error: Option<String>,
    pub(super) now: Instant,
}

impl Told {
    /// Calls whom it concerns.
    ///
    /// # Safety
    /// The callback takes these arguments.
    pub(super) unsafe fn tell(&self, client: *mut chanson_client) {
        let Some((callback, user)) = self.hearer else { return };
        let mut room = Room::default();
        let mut view = view(self, &mut room);
        if let Some(topic) = &self.topic {
            view.topic = chanson_str::new(topic);
        }
        // SAFETY: as the caller promises.
        unsafe { callback(client, &view, user.get()) }
    }
}

/// The channel that an event is about.
pub(super) const fn channel_of(event: &Event) -> Option<ChannelId> {
    match event {
        Event::Joined { channel, .. }
        | Event::JoinFailed { channel, .. }
        | Event::Errored { channel, .. }
        | Event::GaveUp { channel }
        | Event::Closed { channel, .. }
        | Event::Message { channel, .. }
        | Event::Reply { channel, .. }
        | Event::Timeout { channel, .. }
        | Event::PresenceJoin { channel, .. }
        | Event::PresenceLeave { channel, .. }
        | Event::PresenceSync { channel }
        | Event::PresenceOverflow { channel } => Some(*channel),
        Event::Aborted { channel, .. } => *channel,
        _ => None,
    }
}

/// The push that an event ends.
pub(super) const fn push_of(event: &Event) -> Option<u64> {
    match event {
        Event::Reply { push, .. } | Event::Timeout { push, .. } | Event::Aborted { push, .. } => Some(push.to_bits()),
        _ => None,
    }
}

/// The end of a push whose client is freed.
pub(super) const fn aborted(push: u64) -> chanson_client_event {
    chanson_client_event { push, ..empty(CHANSON_CLIENT_ABORTED) }
}

/// Text that is made for a view.
#[derive(Default)]
struct Room {
    text: String,
    current: String,
    changed: String,
}

fn view(told: &Told, room: &mut Room) -> chanson_client_event {
    let channel = channel_of(&told.event).map_or(u64::MAX, ChannelId::to_bits);
    let push = push_of(&told.event).unwrap_or(u64::MAX);
    let view = |kind| chanson_client_event { channel, push, ..empty(kind) };
    let with = |kind, payload: &PayloadBuf| chanson_client_event { payload: shown(payload), ..view(kind) };
    match &told.event {
        Event::Connected => view(CHANSON_CLIENT_CONNECTED),
        Event::ConnectFailed { error, retry_at } => {
            let (reason, code) = connect_failure(error);
            room.text = match (error, &told.error) {
                (ConnectError::Redirect { location, .. }, _) => location.to_string(),
                (ConnectError::Transport, Some(said)) => said.clone(),
                (error, _) => error.to_string(),
            };
            chanson_client_event {
                reason: reason as i32,
                code,
                text: chanson_str::new(&room.text),
                retry_in_ms: wait(*retry_at, told.now),
                ..view(CHANSON_CLIENT_CONNECT_FAILED)
            }
        }
        Event::Disconnected { reason, retry_at } => {
            let silent = matches!(reason, chanson_core::error::CloseReason::IdleTimeout);
            chanson_client_event {
                reason: if silent { CHANSON_REASON_TIMEOUT } else { CHANSON_REASON_CONNECTION } as i32,
                code: reason.code(),
                text: chanson_str::new(reason.text()),
                retry_in_ms: wait(*retry_at, told.now),
                ..view(CHANSON_CLIENT_DISCONNECTED)
            }
        }
        Event::Joined { response, .. } => with(CHANSON_CLIENT_JOINED, response),
        Event::JoinFailed { error: JoinError::Refused(payload), .. } => {
            chanson_client_event { reason: CHANSON_REASON_REFUSED as i32, ..with(CHANSON_CLIENT_JOIN_FAILED, payload) }
        }
        Event::JoinFailed { .. } => {
            chanson_client_event { reason: CHANSON_REASON_TIMEOUT as i32, ..view(CHANSON_CLIENT_JOIN_FAILED) }
        }
        Event::Errored { cause: Cause::Server(payload), .. } => {
            chanson_client_event { reason: CHANSON_REASON_SERVER as i32, ..with(CHANSON_CLIENT_ERRORED, payload) }
        }
        Event::Errored { .. } => {
            chanson_client_event { reason: CHANSON_REASON_CONNECTION as i32, ..view(CHANSON_CLIENT_ERRORED) }
        }
        Event::GaveUp { .. } => view(CHANSON_CLIENT_GAVE_UP),
        Event::Closed { by: Closing::Server(payload), .. } => {
            chanson_client_event { reason: CHANSON_REASON_SERVER as i32, ..with(CHANSON_CLIENT_CLOSED, payload) }
        }
        Event::Closed { by, .. } => {
            let left = matches!(by, Closing::Left);
            let reason = if left { CHANSON_REASON_LEFT } else { CHANSON_REASON_REPLACED };
            chanson_client_event { reason: reason as i32, ..view(CHANSON_CLIENT_CLOSED) }
        }
        Event::Message { event, payload, .. } => {
            chanson_client_event { event: chanson_str::new(event), ..with(CHANSON_CLIENT_MESSAGE, payload) }
        }
        Event::Reply { status, response, .. } => chanson_client_event {
            status: chanson_str::new(status.as_str()),
            ok: status.is_ok(),
            ..with(CHANSON_CLIENT_REPLY, response)
        },
        Event::Timeout { .. } => view(CHANSON_CLIENT_TIMEOUT),
        Event::Aborted { .. } => view(CHANSON_CLIENT_ABORTED),
        Event::Pong { ping, round_trip } => chanson_client_event {
            push: ping.to_bits(),
            round_trip_us: u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX),
            ..view(CHANSON_CLIENT_PONG)
        },
        Event::PresenceJoin { key, current, new, .. } => {
            room.current = current.as_ref().map_or_else(|| "[]".to_owned(), metas);
            room.changed = metas(new);
            change(view(CHANSON_CLIENT_PRESENCE_JOIN), key, room)
        }
        Event::PresenceLeave { key, current, left, .. } => {
            (room.current, room.changed) = (metas(current), metas(left));
            change(view(CHANSON_CLIENT_PRESENCE_LEAVE), key, room)
        }
        Event::PresenceSync { .. } => view(CHANSON_CLIENT_PRESENCE_SYNC),
        Event::PresenceOverflow { .. } => view(CHANSON_CLIENT_PRESENCE_OVERFLOW),
        // Of a newer core: hosts are told to ignore kinds that they do not know.
        _ => chanson_client_event { kind: -1, ..view(CHANSON_CLIENT_CONNECTED) },
    }
}

fn change(view: chanson_client_event, key: &str, room: &Room) -> chanson_client_event {
    chanson_client_event {
        key: chanson_str::new(key),
        current: chanson_str::new(&room.current),
        changed: chanson_str::new(&room.changed),
        ..view
    }
}

/// The metas of a presence as a JSON array.
pub(super) fn metas(presence: &Presence) -> String {
    let metas: Vec<&str> = presence.metas().map(|meta| meta.as_str()).collect();
    format!("[{}]", metas.join(","))
}

fn shown(payload: &PayloadBuf) -> chanson_payload {
    chanson_payload::new(payload.as_payload())
}

const fn connect_failure(error: &ConnectError) -> (chanson_client_reason, u16) {
    match error {
        ConnectError::Timeout => (CHANSON_REASON_TIMEOUT, 0),
        ConnectError::Refused { status } => (CHANSON_REASON_REFUSED, *status),
        ConnectError::Redirect { status, .. } => (CHANSON_REASON_REDIRECT, *status),
        ConnectError::Handshake(_) => (CHANSON_REASON_HANDSHAKE, 0),
        ConnectError::Tls(_) => (CHANSON_REASON_TLS, 0),
        ConnectError::Cancelled => (CHANSON_REASON_CANCELLED, 0),
        _ => (CHANSON_REASON_TRANSPORT, 0),
    }
}

fn wait(at: Option<Instant>, now: Instant) -> i64 {
    at.map_or(-1, |at| i64::try_from((at - now).as_millis()).unwrap_or(i64::MAX))
}

const fn empty(kind: chanson_client_event_kind) -> chanson_client_event {
    const NONE: chanson_str = chanson_str { data: std::ptr::null(), len: 0 };
    chanson_client_event {
        kind: kind as i32,
        reason: CHANSON_REASON_NONE as i32,
        channel: u64::MAX,
        push: u64::MAX,
        topic: NONE,
        event: NONE,
        payload: chanson_payload { kind: 0, data: c"{}".as_ptr().cast(), len: 2 },
        status: NONE,
        ok: false,
        code: 0,
        text: NONE,
        retry_in_ms: -1,
        round_trip_us: 0,
        key: NONE,
        current: NONE,
        changed: NONE,
    }
}
