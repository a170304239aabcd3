//! What a channel's callbacks see of the client they act for.

use std::ffi::{c_char, c_void};

use chanson_core::error::CommandError;
use chanson_core::wire::Ref;
use chanson_core::{ConnId, Payload, Refuse, Socket};
use serde_json::value::RawValue;

use crate::app::App;
use crate::callback::quote;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle::put;
use crate::slot::{View, detail, enter};
use crate::text::{c_text, chanson_json, chanson_payload, chanson_str};

/// One client in one topic, as the callbacks of a channel see it. Good until the callback returns, on the thread that the
/// callback runs on; used later it gives `CHANSON_ERR_HANDLE` (for as long as its hub lives).
pub struct chanson_socket {
    _opaque: [u8; 0],
}

impl View for chanson_socket {
    type Target = Socket<'static, App>;
    const KIND: u64 = 0x0043_6873_6f63_6b65;
}

/// Why the last call on this socket was refused; NUL-terminated, good until the next call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_error(socket: *const chanson_socket) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { detail(socket) }
}

// --- sends ---

/// What a send to this client or topic takes.
///
/// # Safety
/// `socket` as in `enter`; `event` and `payload` are what they say.
unsafe fn send(
    socket: *mut chanson_socket,
    event: chanson_str,
    payload: chanson_payload,
    act: impl FnOnce(&mut Socket<'static, App>, &str, Payload<'_>) -> Result<(), CommandError>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let (event, payload) = (event.text()?, payload.payload(slot.known())?);
            Ok(act(socket, event, payload)?)
        })
    }
}

/// Sends an event to this client. From a join callback it goes out behind the join's reply.
///
/// Refused with `CHANSON_ERR_BINARY`, `…_TOO_LARGE`, `…_JSON`, `…_UTF8`, `…_UNKNOWN_CONN` when the connection has closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_push(
    socket: *mut chanson_socket,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { send(socket, event, payload, |socket, event, payload| socket.push(event, payload)) }
}

/// `chanson_socket_push` with NUL-terminated text and JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_push_str(
    socket: *mut chanson_socket,
    event: *const c_char,
    json: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { chanson_socket_push(socket, crate::text::chanson_str_of(event), chanson_json(json)) }
}

/// Sends an event to all who joined this topic, this client too. Encoded once, whatever the number of receivers. A binary
/// payload passes `vsn` 1 clients over.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_broadcast(
    socket: *mut chanson_socket,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { send(socket, event, payload, |socket, event, payload| socket.broadcast(event, payload)) }
}

/// `chanson_socket_broadcast` with NUL-terminated text and JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_broadcast_str(
    socket: *mut chanson_socket,
    event: *const c_char,
    json: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { chanson_socket_broadcast(socket, crate::text::chanson_str_of(event), chanson_json(json)) }
}

/// Sends an event to all who joined this topic but this client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_broadcast_from(
    socket: *mut chanson_socket,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { send(socket, event, payload, |socket, event, payload| socket.broadcast_from(event, payload)) }
}

/// `chanson_socket_broadcast_from` with NUL-terminated text and JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_broadcast_from_str(
    socket: *mut chanson_socket,
    event: *const c_char,
    json: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { chanson_socket_broadcast_from(socket, crate::text::chanson_str_of(event), chanson_json(json)) }
}

/// Sends an event to another client in this topic; `CHANSON_ERR_NOT_JOINED` when it is not there.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_push_to(
    socket: *mut chanson_socket,
    conn: u64,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        send(socket, event, payload, |socket, event, payload| socket.push_to(ConnId::from_bits(conn), event, payload))
    }
}

/// Sends an event to this client on another topic that it joined; else `CHANSON_ERR_NOT_JOINED`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_push_on(
    socket: *mut chanson_socket,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(slot.known())?);
            Ok(socket.on(topic).push(event, payload)?)
        })
    }
}

/// Sends an event to all who joined another topic; this client need not have.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_broadcast_on(
    socket: *mut chanson_socket,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(slot.known())?);
            Ok(socket.on(topic).broadcast(event, payload)?)
        })
    }
}

/// Sends an event to all who joined another topic but this client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_broadcast_from_on(
    socket: *mut chanson_socket,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(slot.known())?);
            Ok(socket.on(topic).broadcast_from(event, payload)?)
        })
    }
}

// --- answers ---

/// Answers the event with status `ok`. In a join callback: what the client is told when the callback lets it in; the last
/// one said counts.
///
/// Refused with `CHANSON_ERR_ANSWERED`, also after `chanson_socket_defer`; `…_NOT_ALLOWED` in leave callbacks; else as
/// `chanson_socket_push`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_reply(socket: *mut chanson_socket, payload: chanson_payload) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let payload = payload.payload(slot.known())?;
            let mut joining = false;
            slot.say(|said| {
                joining = said.joining;
                if joining {
                    said.reply = Some(payload.to_owned());
                }
            });
            if !joining {
                socket.reply(payload)?;
            }
            Ok(())
        })
    }
}

/// `chanson_socket_reply` with NUL-terminated JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_reply_str(socket: *mut chanson_socket, json: *const c_char) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { chanson_socket_reply(socket, chanson_json(json)) }
}

/// Answers the event with a status of your own; clients know `ok` and `error`. Not in join callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_reply_with(
    socket: *mut chanson_socket,
    status: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { send(socket, status, payload, |socket, status, payload| socket.reply_with(status, payload)) }
}

/// What the client is told when the callback gives `CHANSON_REFUSE`: JSON.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_refuse(socket: *mut chanson_socket, payload: chanson_payload) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |_, slot| {
            let refusal = refusal(payload.payload(slot.known())?)?;
            slot.say(|said| said.refusal = Some(refusal));
            Ok(())
        })
    }
}

/// What the client is told when the callback gives `CHANSON_REFUSE`: `{"reason": …}` with this NUL-terminated text.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_refuse_reason(
    socket: *mut chanson_socket,
    reason: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |_, slot| {
            let refusal = Refuse::reason(c_text(reason)?);
            slot.say(|said| said.refusal = Some(refusal));
            Ok(())
        })
    }
}

/// The refusal that a JSON payload is.
pub(crate) fn refusal(payload: Payload<'_>) -> Result<Refuse, Refusal> {
    let json = payload.json().ok_or(CHANSON_ERR_BINARY)?;
    let raw: &RawValue = json.parse().map_err(|_| CHANSON_ERR_JSON)?;
    Ok(Refuse::json(raw))
}

/// Puts the answer off: `*ticket` is for `chanson_hub_answer` or `chanson_remote_answer`. Give `CHANSON_LATER` then. The
/// ticket dies with the join, with the connection, or after the mount's `ticket_limit_ms`.
///
/// Refused with `CHANSON_ERR_ANSWERED`, `…_FULL` when too many tickets are out, `…_NOT_ALLOWED` in leave callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_defer(socket: *mut chanson_socket, ticket: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            if ticket.is_null() {
                return Err(CHANSON_ERR_NULL.into());
            }
            put(ticket, socket.defer()?.to_bits())?;
            slot.say(|said| said.deferred = true);
            Ok(())
        })
    }
}

// --- presence ---

/// Shows this client under `key` in this topic, with a JSON object as `meta`; all in the topic get a `presence_diff`. It goes
/// when the join ends, or by `chanson_socket_untrack`.
///
/// Refused with `CHANSON_ERR_TRACKED`, `…_FULL`, `…_TOO_LARGE` (key or meta), `…_JSON` when `meta` is no object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_track(
    socket: *mut chanson_socket,
    key: chanson_str,
    meta: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { send(socket, key, meta, |socket, key, meta| socket.track(key, meta)) }
}

/// Replaces the meta under `key`; `CHANSON_ERR_NOT_TRACKED` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_update(
    socket: *mut chanson_socket,
    key: chanson_str,
    meta: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { send(socket, key, meta, |socket, key, meta| socket.update(key, meta)) }
}

/// Shows this client under `key` no more; `CHANSON_ERR_NOT_TRACKED` when it was not shown.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_untrack(socket: *mut chanson_socket, key: chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(socket, |socket, _| Ok(socket.untrack(key.text()?)?)) }
}

/// The meta that this client shows under `key`, as JSON text, borrowed until the callback returns;
/// `CHANSON_ERR_NOT_TRACKED` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_presence_meta(
    socket: *mut chanson_socket,
    key: chanson_str,
    meta: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let found = socket.presence_meta(key.text()?).ok_or(CHANSON_ERR_NOT_TRACKED)?;
            put(meta, slot.keep(found.as_str()))
        })
    }
}

/// Sends this client who is here, as the `presence_state` event that phoenix.js's `Presence` reads.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_push_presence_state(socket: *mut chanson_socket) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(socket, |socket, _| Ok(socket.push_presence_state()?)) }
}

/// Who is here, as JSON text `[{"key":…,"meta":{…}}, …]` in the order in which they came, borrowed until the callback
/// returns. O(presences).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_presence_list(
    socket: *mut chanson_socket,
    list: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let found = socket.presence_list();
            put(list, slot.keep(found.as_payload().json().map_or("[]", |json| json.as_str())))
        })
    }
}

// --- who and where ---

/// Gives text of the socket, kept until the callback returns.
///
/// # Safety
/// `socket` as in `enter`; `out` is NULL or can be written to.
unsafe fn look(
    socket: *const chanson_socket,
    out: *mut chanson_str,
    find: impl FnOnce(&Socket<'static, App>) -> Result<Option<String>, Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, slot| {
            let found = find(socket)?.ok_or(CHANSON_ERR_NOT_FOUND)?;
            put(out, slot.keep(found))
        })
    }
}

/// The topic, borrowed until the callback returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_topic(socket: *const chanson_socket, topic: *mut chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(socket, topic, |socket| Ok(Some(socket.topic().to_owned()))) }
}

/// The client's name for this join, as JSON text, borrowed until the callback returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_join_ref(
    socket: *const chanson_socket,
    join_ref: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        look(socket, join_ref, |socket| {
            Ok(Some(match socket.join_ref() {
                Ref::Null => "null".to_owned(),
                Ref::Json(text) => text.to_owned(),
                Ref::Text(text) => quote(text),
            }))
        })
    }
}

/// A route or query parameter that the connection was opened with, borrowed until the callback returns;
/// `CHANSON_ERR_NOT_FOUND` when there is none of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_param(
    socket: *const chanson_socket,
    name: *const c_char,
    value: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(socket, value, |socket| Ok(socket.param(c_text(name)?).map(str::to_owned))) }
}

/// A value assigned to the connection, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that
/// name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_assign(
    socket: *const chanson_socket,
    name: *const c_char,
    value: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(socket, value, |socket| Ok(socket.assign(c_text(name)?).map(str::to_owned))) }
}

/// Assigns a value to the connection; all its joins see it. `CHANSON_ERR_FULL` beyond `assigns_per_connection`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_set_assign(
    socket: *mut chanson_socket,
    name: *const c_char,
    value: chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(socket, |socket, _| Ok(socket.set_assign(c_text(name)?, value.text()?)?)) }
}

/// The id that `chanson_connect_set_id` gave the connection, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when
/// it has none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_id(socket: *const chanson_socket, id: *mut chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(socket, id, |socket| Ok(socket.id().map(str::to_owned))) }
}

/// The peer's address and port, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when the host has not told it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_peer(socket: *const chanson_socket, peer: *mut chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(socket, peer, |socket| Ok(socket.peer().map(|peer| peer.to_string()))) }
}

/// The connection; `CHANSON_NO_CONN` for a socket that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_conn(socket: *const chanson_socket) -> u64 {
    let mut conn = u64::MAX;
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            conn = socket.conn().to_bits();
            Ok(())
        });
    }
    conn
}

/// Whether this client joined `topic` (any topic).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_is_joined(socket: *const chanson_socket, topic: chanson_str) -> bool {
    let mut joined = false;
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            joined = socket.is_joined(topic.text()?);
            Ok(())
        });
    }
    joined
}

/// How many connections `topic` has.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_subscriber_count(socket: *const chanson_socket, topic: chanson_str) -> usize {
    let mut count = 0;
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            count = socket.subscriber_count(topic.text()?);
            Ok(())
        });
    }
    count
}

/// Now, in milliseconds, as the host counts (a server: since it was bound). 0 for a socket that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_now(socket: *const chanson_socket) -> u64 {
    let mut now = 0;
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            now = socket.now().as_millis();
            Ok(())
        });
    }
    now
}

// --- state ---

/// The host's state for one join.
struct HostState {
    state: *mut c_void,
    drop: Option<unsafe extern "C" fn(state: *mut c_void)>,
}

// SAFETY: the library never looks at what it points to; it comes back to callbacks and to `drop`, on the thread that is in the
// hub, as the header says.
unsafe impl Send for HostState {}

impl Drop for HostState {
    fn drop(&mut self) {
        if let Some(drop) = self.drop {
            // SAFETY: the host gave this function for this pointer, and it is called once.
            unsafe { drop(self.state) };
        }
    }
}

/// Keeps the host's state for this join. `drop` (may be NULL) is called with it once: when it is replaced, or when the join
/// has ended, behind the leave callback. It may not call the hub. Refused, it is not called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_set_state(
    socket: *mut chanson_socket,
    state: *mut c_void,
    drop: Option<unsafe extern "C" fn(state: *mut c_void)>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            socket.set_state(HostState { state, drop });
            Ok(())
        })
    }
}

/// The host's state for this join; NULL when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_state(socket: *const chanson_socket) -> *mut c_void {
    let mut state = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            state = socket.state::<HostState>().map_or(state, |host| host.state);
            Ok(())
        });
    }
    state
}

// --- ends ---

/// Ends this join when the callback has returned: the client gets `phx_close`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_stop(socket: *mut chanson_socket) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            socket.stop();
            Ok(())
        })
    }
}

/// Closes the whole connection with this code when the callback has returned. A code that may not be sent becomes 1011.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_close(socket: *mut chanson_socket, close_code: u16) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            socket.close(close_code);
            Ok(())
        })
    }
}

/// Closes all connections that have this id (1001) when the callback has returned; `*count` (may be NULL) of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_socket_disconnect(
    socket: *mut chanson_socket,
    id: chanson_str,
    count: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(socket, |socket, _| {
            let closed = socket.disconnect(id.text()?);
            if count.is_null() { Ok(()) } else { put(count, closed) }
        })
    }
}
