//! Who a client is and where, and the host's state for its join.

use std::ffi::{c_char, c_void};

use chanson_core::Socket;
use chanson_core::wire::Ref;

use super::chanson_socket;
use crate::app::App;
use crate::callback::quote;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle::put;
use crate::slot::enter;
use crate::text::{c_text, chanson_str};

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
