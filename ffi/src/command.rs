//! What an application wants of a hub, whoever moves its bytes.

use std::ffi::c_char;

use chanson_core::error::CloseReason;
use chanson_core::{Accept, ConnId, Refuse, Ticket};

use crate::app::Core;
use crate::code::Refusal;
use crate::code::chanson_code;
use crate::config::read_sized;
use crate::endpoint::chanson_endpoint;
use crate::handle::{Opaque, detail, enter_any, put};
use crate::http::{chanson_response, read_response};
use crate::hub::chanson_hub;
#[cfg(feature = "server")]
use crate::server::chanson_server;
use crate::socket::refusal;
use crate::text::{chanson_payload, chanson_str, list, reply};

/// Handles that a hub is behind.
#[cfg(feature = "server")]
const HUBS: &[u64] = &[chanson_hub::KIND, chanson_endpoint::KIND, chanson_server::KIND];
#[cfg(not(feature = "server"))]
const HUBS: &[u64] = &[chanson_hub::KIND, chanson_endpoint::KIND];

/// # Safety
/// As `enter`.
pub(crate) unsafe fn command(
    hub: *const chanson_hub,
    act: impl FnOnce(&mut Core) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises; behind each of these kinds is a `Core`.
    unsafe { enter_any(hub, HUBS, act) }
}

/// What was refused last and why, NUL-terminated, good until the next call on the hub, its endpoint or its server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_error(hub: *const chanson_hub) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { detail(hub, HUBS) }
}

/// Sends an event to all who joined `topic`; nobody having done so is no error. O(subscribers), encoded once.
///
/// `CHANSON_ERR_TOO_LARGE` for names beyond 255 bytes in a binary message, `…_JSON`, `…_UTF8`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_broadcast(
    hub: *mut chanson_hub,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(None)?);
            Ok(core.act(|hub, _, _| hub.broadcast(topic, event, payload))?)
        })
    }
}

/// `chanson_hub_broadcast` with NUL-terminated text and JSON (NULL: `{}`).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_broadcast_str(
    hub: *mut chanson_hub,
    topic: *const c_char,
    event: *const c_char,
    json: *const c_char,
) -> chanson_code {
    use crate::text::{chanson_json, chanson_str_of};
    // SAFETY: as the caller promises.
    unsafe { chanson_hub_broadcast(hub, chanson_str_of(topic), chanson_str_of(event), chanson_json(json)) }
}

/// Sends an event to all who joined `topic` but `conn`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_broadcast_from(
    hub: *mut chanson_hub,
    conn: u64,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(None)?);
            Ok(core.act(|hub, _, _| hub.broadcast_from(ConnId::from_bits(conn), topic, event, payload))?)
        })
    }
}

/// Sends an event to one connection in `topic`: `CHANSON_ERR_UNKNOWN_CONN`, `…_NOT_JOINED`, `…_BINARY` for bytes to a `vsn` 1
/// client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_push(
    hub: *mut chanson_hub,
    conn: u64,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let (topic, event, payload) = (topic.text()?, event.text()?, payload.payload(None)?);
            Ok(core.act(|hub, _, _| hub.push(ConnId::from_bits(conn), topic, event, payload))?)
        })
    }
}

/// Sends text to all raw subscribers of `topic`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_publish(
    hub: *mut chanson_hub,
    topic: chanson_str,
    text: chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let (topic, text) = (topic.text()?, text.text()?);
            core.act(|hub, _, _| hub.pubsub().broadcast(topic, text));
            Ok(())
        })
    }
}

/// Answers a join or an event that was deferred: with this payload if `ok`, else with it as the error (JSON).
///
/// `CHANSON_ERR_EXPIRED`, `…_WRONG_KIND`; anything else says that this answer cannot be sent, and the ticket lives on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_answer(
    hub: *mut chanson_hub,
    ticket: u64,
    ok: bool,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let payload = payload.payload(None)?;
            let answer = if ok { Ok(reply(Some(payload.to_owned()))) } else { Err(refusal(payload)?) };
            Ok(core.act(|hub, app, now| hub.answer(now, app, Ticket::from_bits(ticket), answer))?)
        })
    }
}

/// What a connection that is let in later gets; set `size` to `sizeof(chanson_accept)`. Everything is copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_accept {
    /// `sizeof(chanson_accept)`.
    pub size: usize,
    /// An id that `chanson_hub_disconnect` knows it by; empty for none.
    pub id: chanson_str,
    /// Values assigned to it, names and values.
    pub assigns: *const crate::text::chanson_header,
    /// How many.
    pub assign_count: usize,
}

/// Decides on a connect that was deferred: lets it in with what `accept` says, or refuses it (403) when `accept` is NULL.
///
/// `CHANSON_ERR_EXPIRED`, `…_WRONG_KIND`, `…_FULL` for too many assigns (the ticket lives on).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_answer_connect(
    hub: *mut chanson_hub,
    ticket: u64,
    accept: *const chanson_accept,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let decision = read_accept(accept)?;
            Ok(core.act(|hub, app, now| hub.answer_connect(now, app, Ticket::from_bits(ticket), decision))?)
        })
    }
}

/// # Safety
/// `accept` is NULL or an acceptance whose pointers are as long as they say.
pub(crate) unsafe fn read_accept(accept: *const chanson_accept) -> Result<Result<Accept, Refuse>, Refusal> {
    if accept.is_null() {
        return Ok(Err(Refuse::default()));
    }
    let none = chanson_str { data: std::ptr::null(), len: 0 };
    let default = chanson_accept { size: 0, id: none, assigns: std::ptr::null(), assign_count: 0 };
    // SAFETY: as the caller promises.
    unsafe {
        let given = read_sized(accept, default)?;
        let mut made = Accept::new();
        let id = given.id.text()?;
        if !id.is_empty() {
            made = made.id(id);
        }
        for assign in list(given.assigns, given.assign_count)? {
            made = made.assign(assign.name.text()?, assign.value.text()?);
        }
        Ok(Ok(made))
    }
}

/// Answers an HTTP request that was deferred. `CHANSON_ERR_EXPIRED`, `…_WRONG_KIND`, `…_ARGUMENT` for a bad header.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_answer_request(
    hub: *mut chanson_hub,
    ticket: u64,
    response: *const chanson_response,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let response = read_response(response)?;
            Ok(core.act(|hub, _, now| hub.answer_request(now, Ticket::from_bits(ticket), response))?)
        })
    }
}

/// Closes all connections that have this id (see `chanson_connect_set_id`) with 1001; `*count` (may be NULL) of them. Clients
/// that were built to come back do so at once: who is to stay away is refused by `on_connect` from then on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_disconnect(
    hub: *mut chanson_hub,
    id: chanson_str,
    count: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let id = id.text()?;
            let closed = core.act(|hub, app, now| hub.disconnect(now, app, id));
            if count.is_null() { Ok(()) } else { put(count, closed) }
        })
    }
}

/// Closes one connection with this code, 4000 to 4999 for one of your own; one that may not be sent is replaced by 1011.
/// `CHANSON_ERR_UNKNOWN_CONN`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_close_conn(hub: *mut chanson_hub, conn: u64, close_code: u16) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let (conn, reason) = (ConnId::from_bits(conn), CloseReason::ByUs(close_code));
            Ok(core.act(|hub, app, now| hub.close(now, app, conn, reason))?)
        })
    }
}

/// Closes every connection with 1012 (service restart: clients come back) and admits no more. A server is ended by
/// `chanson_server_shutdown` instead.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_shutdown(hub: *mut chanson_hub) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            core.act(|hub, app, now| hub.shutdown(now, app));
            Ok(())
        })
    }
}

/// Whether an answer to this ticket is still waited for: for a host that keeps tickets, and would be rid of dead ones. False also
/// for a hub that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_is_awaited(hub: *const chanson_hub, ticket: u64) -> bool {
    let mut awaited = false;
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            awaited = core.hub().is_awaited(Ticket::from_bits(ticket));
            Ok(())
        });
    }
    awaited
}

/// How many connections `topic` has, into `*count`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_subscriber_count(
    hub: *const chanson_hub,
    topic: chanson_str,
    count: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { command(hub, |core| put(count, core.hub().subscriber_count(topic.text()?))) }
}

/// Who is in `topic`, as JSON text `[{"key":…,"meta":{…}}, …]`, borrowed until the next call on the hub.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_presence(
    hub: *mut chanson_hub,
    topic: chanson_str,
    list: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            let found = core.hub().presence_list(topic.text()?);
            core.lent.text = found.as_payload().json().map_or("[]", |json| json.as_str()).to_owned();
            put(list, chanson_str::new(&core.lent.text))
        })
    }
}

/// Whether a connection joined `topic`. False also for a hub that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_is_joined(hub: *const chanson_hub, conn: u64, topic: chanson_str) -> bool {
    let mut joined = false;
    // SAFETY: as the caller promises.
    unsafe {
        command(hub, |core| {
            joined = core.hub().is_joined(ConnId::from_bits(conn), topic.text()?);
            Ok(())
        });
    }
    joined
}

/// A small number for a connection, dense from 0, that no two living ones share: good for indexing a table of your own.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_conn_index(conn: u64) -> usize {
    ConnId::from_bits(conn).index()
}
