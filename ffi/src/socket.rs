//! What a channel's callbacks see of the client they act for.

mod look;
mod presence;

use std::ffi::c_char;

pub use self::look::*;
pub use self::presence::*;
use chanson_core::error::CommandError;
use chanson_core::{ConnId, Payload, Refuse, Socket};
use serde_json::value::RawValue;

use crate::app::App;
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
            if slot.is_joining() {
                slot.say(|words| words.reply = Some(payload.to_owned()));
                return Ok(());
            }
            Ok(socket.reply(payload)?)
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
            slot.say(|words| words.refusal = Some(refusal));
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
            slot.say(|words| words.refusal = Some(refusal));
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
            slot.defer();
            Ok(())
        })
    }
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
