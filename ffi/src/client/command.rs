//! What the host wants of a client, and asks it.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use chanson_core::client::ChannelId;

use super::event::{chanson_on_client_event, metas};
use super::{Pump, chanson_client};
use crate::callback::{User, quote};
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::write_sized;
use crate::handle::{enter, put};
use crate::text::{c_text, chanson_json, chanson_payload, chanson_str, chanson_str_of};

/// What a client has dropped, and what it holds now. Set `size` to `sizeof(chanson_client_counters)`; the rest is written by the
/// library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_client_counters {
    /// `sizeof(chanson_client_counters)`.
    pub size: usize,
    /// Pushes and pings that have not had their end.
    pub open_pushes: usize,
    /// Bytes that wait to be sent.
    pub queued_bytes: usize,
    /// Messages of an earlier join, dropped.
    pub stale: u64,
    /// Messages of a topic without a channel, dropped.
    pub unrouted: u64,
    /// Replies to nothing that waits, dropped: it had timed out, or there was one already.
    pub late_replies: u64,
    /// Messages that are no channels messages, dropped.
    pub undecodable: u64,
}

// --- the connection ---

/// Opens a connection, and keeps it open: after a loss another one is opened by itself. A new client does so already: this is
/// for one that was disconnected, or that has reached the limit of `reconnect`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_connect(client: *mut chanson_client) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(client, |pump| pump.act(|client, now| client.connect(now))) }
}

/// Closes the connection and opens none. Channels stay: they join again after the next `chanson_client_connect`; pushes wait
/// for it until their time is up.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_disconnect(client: *mut chanson_client) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(client, |pump| pump.act(|client, now| client.disconnect(now))) }
}

/// Whether messages flow. False for a client that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_is_connected(client: *const chanson_client) -> bool {
    // SAFETY: as the caller promises.
    unsafe { ask(client, false, |pump| Ok(pump.client()?.is_connected())) }
}

/// Whether it has no socket now and is opening none; after `chanson_client_disconnect`: whether its connection has ended, to the
/// last close frame. True for a client that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_is_settled(client: *const chanson_client) -> bool {
    // SAFETY: as the caller promises.
    unsafe { ask(client, true, |pump| Ok(pump.clients.is_settled(pump.id))) }
}

/// Another value for a query parameter, from the next connection on; NUL-terminated, copied.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_set_param(
    client: *mut chanson_client,
    name: *const c_char,
    value: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let (name, value) = (c_text(name)?, c_text(value)?);
            pump.act(|client, _| client.set_param(name, value))
        })
    }
}

/// Another token, from the next connection on; NUL-terminated, copied. NULL: none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_set_auth_token(
    client: *mut chanson_client,
    token: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let token = if token.is_null() { None } else { Some(c_text(token)?) };
            pump.act(|client, _| client.set_auth_token(token))
        })
    }
}

// --- channels ---

/// Joins a topic with a payload for the server: `JOINED` or `JOIN_FAILED` follows. `*channel` (may be NULL) is its id until
/// `CLOSED`; 0 is an id as any other, `CHANSON_NO_CHANNEL` is none. Without a connection it is joined when there is one. A
/// channel that has the topic already is left (`REPLACED`).
///
/// `CHANSON_ERR_FULL`, `…_TOO_LARGE`, `…_JSON`, `…_BINARY` for bytes on `vsn` 1, `…_NOT_ALLOWED` for the topic `phoenix`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_join(
    client: *mut chanson_client,
    topic: chanson_str,
    params: chanson_payload,
    channel: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let (topic, params) = (topic.text()?, params.payload(None)?);
            let joined = pump.act(|client, now| client.join(now, topic, params))??.to_bits();
            pump.topics.insert(joined, topic.into());
            if channel.is_null() { Ok(()) } else { put(channel, joined) }
        })
    }
}

/// `chanson_client_join` with NUL-terminated text and JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_join_str(
    client: *mut chanson_client,
    topic: *const c_char,
    json: *const c_char,
    channel: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { chanson_client_join(client, chanson_str_of(topic), chanson_json(json), channel) }
}

/// Another payload for the channel's next join, the one after a loss. `CHANSON_ERR_NOT_JOINED` when it has closed; else as
/// `chanson_client_join`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_set_join_params(
    client: *mut chanson_client,
    channel: u64,
    params: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let params = params.payload(None)?;
            Ok(pump.act(|client, _| client.set_join_params(ChannelId::from_bits(channel), params))??)
        })
    }
}

/// Leaves a channel: it is closed, whatever the server says, and pushes that wait are aborted; `CLOSED` follows.
/// `CHANSON_ERR_NOT_JOINED` when it has closed before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_leave(client: *mut chanson_client, channel: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(client, |pump| Ok(pump.act(|client, now| client.leave(now, ChannelId::from_bits(channel)))??)) }
}

/// The channel of a topic, joined or trying to be; `CHANSON_NO_CHANNEL` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_channel(client: *const chanson_client, topic: chanson_str) -> u64 {
    // SAFETY: as the caller promises.
    unsafe {
        ask(client, u64::MAX, |pump| Ok(pump.client()?.channel(topic.text()?).map_or(u64::MAX, ChannelId::to_bits)))
    }
}

/// The topic of a channel, lent until the next call on the client; `CHANSON_ERR_NOT_JOINED` when it has closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_topic(
    client: *mut chanson_client,
    channel: u64,
    topic: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let found = pump.client()?.topic(ChannelId::from_bits(channel)).ok_or(CHANSON_ERR_NOT_JOINED)?;
            pump.lent = found.to_owned();
            put(topic, chanson_str::new(&pump.lent))
        })
    }
}

/// Whether a channel is joined now, so that a push goes out at once. False for a client that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_is_joined(client: *const chanson_client, channel: u64) -> bool {
    // SAFETY: as the caller promises.
    unsafe { ask(client, false, |pump| Ok(pump.client()?.is_joined(ChannelId::from_bits(channel)))) }
}

// --- messages ---

/// Sends an event to the server. When the channel is not joined (yet, or for the moment) it waits for that.
///
/// Its one end follows: `REPLY`, `TIMEOUT` (`timeout_ms` of the config) or `ABORTED`. It is told to `on_reply`, once, or when
/// that is NULL to the `on_event` of the config. `*push` (may be NULL) is what the end is known by.
///
/// Refused, nothing is sent, and `on_reply` is not called: `CHANSON_ERR_NOT_JOINED` when the channel has closed, `…_FULL` when
/// too much waits, `…_TOO_LARGE`, `…_JSON`, `…_BINARY` for bytes on `vsn` 1.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_push(
    client: *mut chanson_client,
    channel: u64,
    event: chanson_str,
    payload: chanson_payload,
    on_reply: chanson_on_client_event,
    user: *mut c_void,
    push: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { push_within(client, channel, event, payload, None, on_reply, user, push) }
}

/// `chanson_client_push`, where the answer may take so many milliseconds.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_push_within(
    client: *mut chanson_client,
    channel: u64,
    event: chanson_str,
    payload: chanson_payload,
    timeout_ms: u64,
    on_reply: chanson_on_client_event,
    user: *mut c_void,
    push: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { push_within(client, channel, event, payload, Some(timeout_ms), on_reply, user, push) }
}

/// `chanson_client_push` with NUL-terminated text and JSON (NULL: `{}`), where nobody needs the push's id.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_push_str(
    client: *mut chanson_client,
    channel: u64,
    event: *const c_char,
    json: *const c_char,
    on_reply: chanson_on_client_event,
    user: *mut c_void,
) -> chanson_code {
    let none = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe { push_within(client, channel, chanson_str_of(event), chanson_json(json), None, on_reply, user, none) }
}

/// # Safety
/// As `enter`; pointers are NULL or as long as they say.
#[allow(clippy::too_many_arguments, reason = "they are those of the C function")]
unsafe fn push_within(
    client: *mut chanson_client,
    channel: u64,
    event: chanson_str,
    payload: chanson_payload,
    timeout_ms: Option<u64>,
    on_reply: chanson_on_client_event,
    user: *mut c_void,
    push: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let (channel, event, payload) = (ChannelId::from_bits(channel), event.text()?, payload.payload(None)?);
            let pushed = pump.act(|client, now| match timeout_ms {
                None => client.push(now, channel, event, payload),
                Some(timeout) => client.push_with_timeout(now, channel, event, payload, Duration::from_millis(timeout)),
            })??;
            if let Some(on_reply) = on_reply {
                pump.replies.0.insert(pushed.to_bits(), (on_reply, User(user)));
            }
            if push.is_null() { Ok(()) } else { put(push, pushed.to_bits()) }
        })
    }
}

/// Sends a heartbeat of its own, to see how long the server takes: `PONG` follows, or `ABORTED` when the connection is lost,
/// with `*push` (may be NULL). `CHANSON_ERR_NOT_ALLOWED` without a connection, `…_FULL`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_ping(client: *mut chanson_client, push: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let ping = pump.act(|client, now| client.ping(now))??;
            if push.is_null() { Ok(()) } else { put(push, ping.to_bits()) }
        })
    }
}

// --- presence ---

/// Keeps the list of a channel's presences: `presence_state` and `presence_diff` become `PRESENCE_JOIN`, `PRESENCE_LEAVE` and
/// `PRESENCE_SYNC`, and are no messages any more. To be called right after `chanson_client_join`; later it does nothing until
/// the next join. `CHANSON_ERR_NOT_JOINED` when the channel has closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_track_presence(client: *mut chanson_client, channel: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(client, |pump| Ok(pump.act(|client, _| client.track_presence(ChannelId::from_bits(channel)))??)) }
}

/// Who is there, as JSON text `[{"key":…,"metas":[…]}, …]` in the order in which they came, lent until the next call on the
/// client. `[]` unless presence is tracked and the server has sent its state. O(presences).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_presence(
    client: *mut chanson_client,
    channel: u64,
    list: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let client = pump.client()?;
            let channel = ChannelId::from_bits(channel);
            let entry = |(key, presence): (&str, _)| format!(r#"{{"key":{},"metas":{}}}"#, quote(key), metas(presence));
            let entries: Vec<String> = client.presence(channel).map(entry).collect();
            pump.lent = format!("[{}]", entries.join(","));
            put(list, chanson_str::new(&pump.lent))
        })
    }
}

/// What a client has dropped and holds, into `*stats`, whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_stats(
    client: *const chanson_client,
    stats: *mut chanson_client_counters,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let client = pump.client()?;
            let counters = client.stats();
            let found = chanson_client_counters {
                size: size_of::<chanson_client_counters>(),
                open_pushes: client.open_pushes(),
                queued_bytes: client.queued_bytes(),
                stale: counters.stale,
                unrouted: counters.unrouted,
                late_replies: counters.late_replies,
                undecodable: counters.undecodable,
            };
            write_sized(stats, found)
        })
    }
}

/// What a getter answers: `otherwise` when it is refused.
///
/// # Safety
/// As `enter`.
unsafe fn ask<T>(client: *const chanson_client, otherwise: T, find: impl FnOnce(&Pump) -> Result<T, Refusal>) -> T {
    let mut answer = otherwise;
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            answer = find(pump)?;
            Ok(())
        });
    }
    answer
}
