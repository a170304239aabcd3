//! What a mount's `on_connect` sees of a connection that wants to open.

use std::ffi::c_char;

use chanson_core::Connect;

use crate::app::App;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle::put;
use crate::slot::{View, detail, enter};
use crate::text::{c_text, chanson_str};

/// A connection before it opens. Good until the callback returns, on the thread that the callback runs on.
pub struct chanson_connect {
    _opaque: [u8; 0],
}

impl View for chanson_connect {
    type Target = Connect<'static, App>;
    const KIND: u64 = 0x0043_6863_6f6e_6e65;
}

/// Why the last call on this connection was refused; NUL-terminated, good until the next call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_error(connect: *const chanson_connect) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { detail(connect) }
}

/// # Safety
/// `connect` as in `enter`; `out` is NULL or can be written to.
unsafe fn look(
    connect: *const chanson_connect,
    out: *mut chanson_str,
    find: impl FnOnce(&Connect<'static, App>) -> Result<Option<String>, Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(connect, |connect, slot| {
            let found = find(connect)?.ok_or(CHANSON_ERR_NOT_FOUND)?;
            put(out, slot.keep(found))
        })
    }
}

/// A route or query parameter, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when there is none of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_param(
    connect: *const chanson_connect,
    name: *const c_char,
    value: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(connect, value, |connect| Ok(connect.param(c_text(name)?).map(str::to_owned))) }
}

/// A header of the upgrade request, its name in any case; borrowed until the callback returns. `CHANSON_ERR_NOT_FOUND` when
/// there is none of that name.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_header(
    connect: *const chanson_connect,
    name: *const c_char,
    value: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(connect, value, |connect| Ok(connect.header(c_text(name)?).map(str::to_owned))) }
}

/// The path of the upgrade request, borrowed until the callback returns.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_path(connect: *const chanson_connect, path: *mut chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(connect, path, |connect| Ok(Some(connect.request().path().to_owned()))) }
}

/// The token that phoenix.js (1.8) sends as its `authToken`, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when
/// there is none or it cannot be read.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_auth_token(
    connect: *const chanson_connect,
    token: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(connect, token, |connect| Ok(connect.auth_token().map(str::to_owned))) }
}

/// The peer's address and port, borrowed until the callback returns; `CHANSON_ERR_NOT_FOUND` when the host has not told it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_peer(connect: *const chanson_connect, peer: *mut chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { look(connect, peer, |connect| Ok(connect.peer().map(|peer| peer.to_string()))) }
}

/// The connection; `CHANSON_NO_CONN` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_conn(connect: *const chanson_connect) -> u64 {
    let mut conn = u64::MAX;
    // SAFETY: as the caller promises.
    unsafe {
        enter(connect, |connect, _| {
            conn = connect.conn().to_bits();
            Ok(())
        });
    }
    conn
}

/// Gives the connection an id that `chanson_hub_disconnect` knows it by; several connections may have the same.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_set_id(connect: *mut chanson_connect, id: chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(connect, |connect, _| {
            connect.set_id(id.text()?);
            Ok(())
        })
    }
}

/// Assigns a value to the connection; its callbacks read it with `chanson_socket_assign`. `CHANSON_ERR_FULL` beyond
/// `assigns_per_connection`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_set_assign(
    connect: *mut chanson_connect,
    name: *const c_char,
    value: chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(connect, |connect, _| Ok(connect.set_assign(c_text(name)?, value.text()?)?)) }
}

/// Puts the decision off: `*ticket` is for `chanson_hub_answer_connect` or `chanson_remote_answer_connect`. Give
/// `CHANSON_LATER` then. Nobody having decided within the mount's `ticket_limit_ms`, the connection is refused (503).
///
/// Refused with `CHANSON_ERR_ANSWERED` the second time, `…_FULL` when too many tickets are out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_connect_defer(connect: *mut chanson_connect, ticket: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(connect, |connect, slot| {
            if ticket.is_null() {
                return Err(CHANSON_ERR_NULL.into());
            }
            put(ticket, connect.defer()?.to_bits())?;
            slot.defer();
            Ok(())
        })
    }
}
