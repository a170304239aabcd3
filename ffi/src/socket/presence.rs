//! Presence, as callbacks show it.

use super::{chanson_socket, send};
use crate::code::chanson_code::{self, *};
use crate::handle::put;
use crate::slot::enter;
use crate::text::{chanson_payload, chanson_str};

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
