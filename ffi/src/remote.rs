//! Talking to a server from other threads.

use std::ffi::c_char;

use chanson_core::driver::{Handle, HandleError};
use chanson_core::{ConnId, Ticket};

use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::command::{chanson_accept, read_accept};
use crate::handle::{self, Opaque, share};
use crate::http::{chanson_response, read_response};
use crate::server::{chanson_server, with};
use crate::socket::refusal;
use crate::stats::{chanson_stats, remote_stats};
use crate::text::{chanson_json, chanson_payload, chanson_str, chanson_str_of, reply};

/// Talks to a server from other threads: any number of them may use one remote at the same time, also while the server is
/// being polled and from inside its callbacks. No call waits.
///
/// Commands are carried out by the thread that polls the server, in the order in which one thread gave them. `CHANSON_OK` says
/// that a command was taken; one that then comes to nothing (a dead ticket, a connection that has gone) is only counted, in
/// `failed_commands` of `chanson_remote_stats`. `CHANSON_ERR_FULL`: as many as `commands` of the config wait already, try again
/// later. `CHANSON_ERR_CLOSED`: the server has ended or was freed, which a remote survives.
///
/// A remote keeps no detail of what it refused: the code is all.
pub struct chanson_remote {
    _opaque: [u8; 0],
}

impl Opaque for chanson_remote {
    type Inner = Handle;
    const KIND: u64 = 0x0043_6872_656d_6f74;
}

impl From<HandleError> for Refusal {
    fn from(error: HandleError) -> Self {
        match error {
            HandleError::Full => CHANSON_ERR_FULL.into(),
            HandleError::Closed => CHANSON_ERR_CLOSED.into(),
            HandleError::InvalidJson => CHANSON_ERR_JSON.into(),
            _ => CHANSON_ERR_NOT_ALLOWED.into(),
        }
    }
}

/// A remote of a server; free it with `chanson_remote_free`, before or after the server. NULL for a server that is none, and
/// from inside its callbacks.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_remote(server: *mut chanson_server) -> *mut chanson_remote {
    let mut remote = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, _| {
            remote = handle::make(server.handle());
            Ok(())
        });
    }
    remote
}

/// Another remote of the same server, to be freed by itself. NULL for a remote that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_clone(remote: *const chanson_remote) -> *mut chanson_remote {
    let mut clone = std::ptr::null_mut();
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            clone = handle::make(remote.clone());
            Ok(())
        });
    }
    clone
}

/// Frees a remote, which no thread uses any more; the server and other remotes live on. NULL is nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_free(remote: *mut chanson_remote) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(remote) }
}

/// Sends an event to all who joined `topic`. The server encodes it once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_broadcast(
    remote: *const chanson_remote,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { share(remote, |remote| Ok(remote.broadcast(topic.text()?, event.text()?, payload.payload(None)?)?)) }
}

/// `chanson_remote_broadcast` with NUL-terminated text and JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_broadcast_str(
    remote: *const chanson_remote,
    topic: *const c_char,
    event: *const c_char,
    json: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { chanson_remote_broadcast(remote, chanson_str_of(topic), chanson_str_of(event), chanson_json(json)) }
}

/// Sends an event to all who joined `topic` but `conn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_broadcast_from(
    remote: *const chanson_remote,
    conn: u64,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(None)?);
            Ok(remote.broadcast_from(ConnId::from_bits(conn), topic, event, payload)?)
        })
    }
}

/// Sends an event to one connection that joined `topic`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_push(
    remote: *const chanson_remote,
    conn: u64,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(None)?);
            Ok(remote.push(ConnId::from_bits(conn), topic, event, payload)?)
        })
    }
}

/// Sends text to all raw subscribers of `topic`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_publish(
    remote: *const chanson_remote,
    topic: chanson_str,
    text: chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { share(remote, |remote| Ok(remote.publish(topic.text()?, text.text()?)?)) }
}

/// Answers a join or an event that was deferred: with this payload if `ok`, else with it as the error (JSON).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_answer(
    remote: *const chanson_remote,
    ticket: u64,
    ok: bool,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            let payload = payload.payload(None)?;
            let answer = if ok { Ok(reply(Some(payload.to_owned()))) } else { Err(refusal(payload)?) };
            Ok(remote.answer(Ticket::from_bits(ticket), answer)?)
        })
    }
}

/// Decides on a connect that was deferred: lets it in with what `accept` says, or refuses it (403) when `accept` is NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_answer_connect(
    remote: *const chanson_remote,
    ticket: u64,
    accept: *const chanson_accept,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { share(remote, |remote| Ok(remote.answer_connect(Ticket::from_bits(ticket), read_accept(accept)?)?)) }
}

/// Answers an HTTP request that was deferred. `CHANSON_ERR_ARGUMENT` for a bad header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_answer_request(
    remote: *const chanson_remote,
    ticket: u64,
    response: *const chanson_response,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { share(remote, |remote| Ok(remote.answer_request(Ticket::from_bits(ticket), read_response(response)?)?)) }
}

/// Closes all connections that have this id (see `chanson_connect_set_id`) with 1001.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_disconnect(remote: *const chanson_remote, id: chanson_str) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { share(remote, |remote| Ok(remote.disconnect(id.text()?)?)) }
}

/// Ends the server as `chanson_server_shutdown` does, behind the commands that this thread has given; called once more, it
/// cuts what is left. Always taken; nothing happens when the server has ended already.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_shutdown(remote: *const chanson_remote) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            remote.shutdown();
            Ok(())
        })
    }
}

/// Counters and gauges as they were at the end of the server's last turn, into `*stats`, whose `size` is set.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_stats(
    remote: *const chanson_remote,
    stats: *mut chanson_stats,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { share(remote, |remote| remote_stats(remote, stats)) }
}

/// Whether the server has ended or was freed: nothing said here will be heard. True for a remote that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_remote_is_closed(remote: *const chanson_remote) -> bool {
    let mut closed = true;
    // SAFETY: as the caller promises.
    unsafe {
        share(remote, |remote| {
            closed = remote.is_closed();
            Ok(())
        });
    }
    closed
}
