//! What the callbacks of a raw mount see: a WebSocket without channels.

use std::ffi::c_char;

use chanson_core::Raw;

use crate::app::App;
use crate::code::chanson_code::{self, *};
use crate::handle::put;
use crate::slot::{View, detail, enter};
use crate::text::{bytes, c_text, chanson_payload, chanson_payload_kind, chanson_str};

/// One raw connection. Good until the callback returns, on the thread that the callback runs on.
pub struct chanson_raw {
    _opaque: [u8; 0],
}

impl View for chanson_raw {
    type Target = Raw<'static, App>;
    const KIND: u64 = 0x0043_6872_6177_5f63;
}

/// Why the last call on this connection was refused; NUL-terminated, good until the next call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_error(raw: *const chanson_raw) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { detail(raw) }
}

/// Sends a message: text (`CHANSON_JSON`, though it may be any text), or bytes.
///
/// Refused with `CHANSON_ERR_UTF8`, `…_UNKNOWN_CONN` when the connection has closed.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_send(raw: *mut chanson_raw, message: chanson_payload) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, _| {
            let data = bytes(message.data, message.len)?;
            if message.kind == chanson_payload_kind::CHANSON_BINARY as i32 {
                raw.send_binary(data)?;
            } else if message.kind == chanson_payload_kind::CHANSON_JSON as i32 {
                raw.send_text(std::str::from_utf8(data).map_err(|_| CHANSON_ERR_UTF8)?)?;
            } else {
                return Err(CHANSON_ERR_ARGUMENT.into());
            }
            Ok(())
        })
    }
}

/// Subscribes this connection to a topic: it gets the text that is published there raw, and no channel messages.
/// `CHANSON_ERR_FULL` at a bound, `…_TOO_LARGE` for the topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_subscribe(raw: *mut chanson_raw, topic: chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(raw, |raw, _| Ok(raw.subscribe(topic.text()?)?)) }
}

/// Ends a subscription; `CHANSON_ERR_NOT_FOUND` when there was none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_unsubscribe(raw: *mut chanson_raw, topic: chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, _| if raw.unsubscribe(topic.text()?) { Ok(()) } else { Err(CHANSON_ERR_NOT_FOUND.into()) })
    }
}

/// Sends text to all raw subscribers of a topic.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_broadcast(
    raw: *mut chanson_raw,
    topic: chanson_str,
    text: chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, _| {
            raw.broadcast(topic.text()?, text.text()?);
            Ok(())
        })
    }
}

/// Sends text to all raw subscribers of a topic but this connection.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_broadcast_from(
    raw: *mut chanson_raw,
    topic: chanson_str,
    text: chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, _| {
            raw.broadcast_from(topic.text()?, text.text()?);
            Ok(())
        })
    }
}

/// Closes the connection with this code when the callback has returned.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_close(raw: *mut chanson_raw, close_code: u16) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, _| {
            raw.close(close_code);
            Ok(())
        })
    }
}

/// The connection; `CHANSON_NO_CONN` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_conn(raw: *const chanson_raw) -> u64 {
    let mut conn = u64::MAX;
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, _| {
            conn = raw.conn().to_bits();
            Ok(())
        });
    }
    conn
}

/// A route or query parameter, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_param(
    raw: *const chanson_raw,
    name: *const c_char,
    value: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, slot| {
            let found = raw.param(c_text(name)?).ok_or(CHANSON_ERR_NOT_FOUND)?;
            put(value, slot.keep(found))
        })
    }
}

/// A value assigned to the connection, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that
/// name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_raw_assign(
    raw: *const chanson_raw,
    name: *const c_char,
    value: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(raw, |raw, slot| {
            let found = raw.assign(c_text(name)?).ok_or(CHANSON_ERR_NOT_FOUND)?;
            put(value, slot.keep(found))
        })
    }
}
