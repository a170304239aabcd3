//! The hub, at message level: the host has a WebSocket library of its own and hands over whole messages.

use std::ffi::{CStr, c_char, c_void};
use std::net::SocketAddr;

use chanson_core::error::CloseReason;
use chanson_core::frame::Message;
use chanson_core::http::Response;
use chanson_core::hub::Admission;
use chanson_core::time::Instant;
use chanson_core::{Admitted, ConnId, Hub, Output};

use crate::app::{App, Core, Level};
use crate::builder::chanson_builder;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::write_sized;
use crate::handle::{self, Opaque, enter, put};
use crate::http::{chanson_request, read_request};
use crate::text::{bytes, c_text, chanson_binary, chanson_header, chanson_payload, chanson_str};

/// Connections, topics and callbacks as one state machine without I/O. One thread at a time may be in it; a second one, and a
/// callback of its own, is answered `CHANSON_ERR_BUSY`.
///
/// A hub of your own is made by `chanson_hub_new`. The hub of an endpoint or a server is lent by `chanson_endpoint_hub` or
/// `chanson_server_hub`: it takes the commands (`chanson_hub_broadcast` and the like), and refuses what moves messages.
pub struct chanson_hub {
    _opaque: [u8; 0],
}

impl Opaque for chanson_hub {
    type Inner = Core;
    const KIND: u64 = 0x0043_6868_7562_5f68;
}

/// What the host has to do: what `chanson_hub_poll_output` says, and `chanson_hub_open`. Set `size` to
/// `sizeof(chanson_output)` once; everything else is written by the library, and what it points to is borrowed until the next
/// call on the hub.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_output {
    /// `sizeof(chanson_output)`.
    pub size: usize,
    /// A `chanson_output_kind`.
    pub kind: i32,
    /// `CLOSE`: the code for the close frame.
    pub close_code: u16,
    /// `REFUSE`, `RESPOND`: the status of the response.
    pub status: u16,
    /// Which connections; more than one only with `DELIVER`.
    pub to: *const u64,
    /// How many.
    pub to_count: usize,
    /// `DELIVER`: the WebSocket frame as a server sends it, header included. Encoded once, whatever the number of receivers.
    pub frame: *const c_void,
    /// Its length in bytes.
    pub frame_len: usize,
    /// `DELIVER`: the message in it, text (`CHANSON_JSON`) or bytes, for hosts whose WebSocket library frames it itself.
    pub message: chanson_payload,
    /// `OPEN`: the subprotocol to name in the answer to the upgrade; empty for none. `CLOSE`: the text for the close frame.
    pub text: chanson_str,
    /// `OPEN`: longest message to take from the connection, in bytes.
    pub max_message: usize,
    /// `REFUSE`, `RESPOND`: the response's headers, without those that concern the connection.
    pub headers: *const chanson_header,
    /// How many.
    pub header_count: usize,
    /// `REFUSE`, `RESPOND`: the response's body.
    pub body: *const c_void,
    /// Its length in bytes.
    pub body_len: usize,
}

/// What there is to do.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_output_kind {
    /// Send this frame to each of these connections.
    CHANSON_OUTPUT_DELIVER = 0,
    /// The connection is let in: answer its upgrade; messages flow.
    CHANSON_OUTPUT_OPEN = 1,
    /// The connection is refused: answer its request with this.
    CHANSON_OUTPUT_REFUSE = 2,
    /// An HTTP request whose answer was put off is answered.
    CHANSON_OUTPUT_RESPOND = 3,
    /// Close this connection. Say `chanson_hub_close` when it is gone.
    CHANSON_OUTPUT_CLOSE = 4,
    /// Only of `chanson_hub_open`: the application decides later; `OPEN` or `REFUSE` will come.
    CHANSON_OUTPUT_PENDING = 5,
}

use chanson_output_kind::*;

/// What an output points to that the hub itself does not hold.
#[derive(Default)]
pub(crate) struct Lent {
    conn: [u64; 1],
    headers: Vec<chanson_header>,
    response: Option<Response>,
    pub(crate) text: String,
}

/// A hub of your own from a builder, which stays as it is; free it with `chanson_hub_free`. `CHANSON_ERR_BUILD` when the
/// mounts and channels make none: `chanson_builder_error` says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_new(builder: *mut chanson_builder, hub: *mut *mut chanson_hub) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            put(hub, std::ptr::null_mut())?;
            put(hub, handle::make(Core::new(Level::Hub(Box::new(plan.hub()?)))))
        })
    }
}

/// Frees a hub of your own, at once: nobody is told, and no callback runs but those that drop state. NULL is nothing.
/// `CHANSON_ERR_BUSY` from inside a callback, `…_HANDLE` for one that is lent.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_free(hub: *mut chanson_hub) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(hub) }
}

/// # Safety
/// As `enter`.
unsafe fn feed(
    hub: *mut chanson_hub,
    now_ms: u64,
    act: impl FnOnce(&mut Hub<App>, &mut App, Instant, &mut Lent) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(hub, |core| {
            let now = core.tick(now_ms);
            match &mut core.level {
                Level::Hub(hub) => act(hub, &mut core.app, now, &mut core.lent),
                _ => Err(CHANSON_ERR_HANDLE.into()),
            }
        })
    }
}

/// A transport came up; nothing is known of it yet. `*conn` is its id until `chanson_hub_close`. `peer` is its address and
/// port (`192.0.2.1:5000`, `[2001:db8::1]:5000`), NUL-terminated, or NULL. `CHANSON_ERR_FULL` when there are too many.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_connect(
    hub: *mut chanson_hub,
    now_ms: u64,
    peer: *const c_char,
    conn: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, _, now, _| {
            if conn.is_null() {
                return Err(CHANSON_ERR_NULL.into());
            }
            put(conn, hub.handle_connect(now, read_peer(peer)?)?.to_bits())
        })
    }
}

/// A connection wants to be upgraded: routes the request to a mount and asks whether it may. `*answer` says `OPEN`, `REFUSE` or
/// `PENDING`. The upgrade's own headers (`Sec-WebSocket-Key` and so on) are the host's business.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_open(
    hub: *mut chanson_hub,
    now_ms: u64,
    conn: u64,
    request: *const chanson_request,
    answer: *mut chanson_output,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, app, now, lent| {
            // Looked at first: what is decided cannot be taken back.
            write_sized(answer, EMPTY)?;
            let conn = ConnId::from_bits(conn);
            let admission = read_request(request, |request| Ok(hub.handle_open(now, app, conn, request)))?;
            let output = match admission {
                Admission::Open(admitted) => opening(lent, conn, admitted),
                Admission::Refused(response) => {
                    let output = responding(lent, CHANSON_OUTPUT_REFUSE, conn, &response);
                    lent.response = Some(response);
                    output
                }
                _ => for_one(lent, CHANSON_OUTPUT_PENDING, conn),
            };
            write_sized(answer, output)
        })
    }
}

/// An HTTP request that is no upgrade to a mount's path. `*answer` says `RESPOND` or `PENDING`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_request(
    hub: *mut chanson_hub,
    now_ms: u64,
    conn: u64,
    request: *const chanson_request,
    answer: *mut chanson_output,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, app, now, lent| {
            write_sized(answer, EMPTY)?;
            let conn = ConnId::from_bits(conn);
            let output = match read_request(request, |request| Ok(hub.handle_request(now, app, conn, request)))? {
                Some(response) => {
                    let output = responding(lent, CHANSON_OUTPUT_RESPOND, conn, &response);
                    lent.response = Some(response);
                    output
                }
                None => for_one(lent, CHANSON_OUTPUT_PENDING, conn),
            };
            write_sized(answer, output)
        })
    }
}

/// A whole text message came. One of a connection that is not open is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_text(
    hub: *mut chanson_hub,
    now_ms: u64,
    conn: u64,
    text: *const c_char,
    len: usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, app, now, _| {
            let text = chanson_str { data: text, len }.text()?;
            hub.handle_text(now, app, ConnId::from_bits(conn), text);
            Ok(())
        })
    }
}

/// A whole binary message came. One of a connection that is not open is ignored.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_binary(
    hub: *mut chanson_hub,
    now_ms: u64,
    conn: u64,
    data: *const c_void,
    len: usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, app, now, _| {
            hub.handle_binary(now, app, ConnId::from_bits(conn), bytes(data, len)?);
            Ok(())
        })
    }
}

/// Something other than a message came, a ping say: it counts as life.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_alive(hub: *mut chanson_hub, now_ms: u64, conn: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, _, now, _| {
            hub.handle_alive(now, ConnId::from_bits(conn));
            Ok(())
        })
    }
}

/// The transport is gone, and with it the id. `close_code` is what the peer's close frame said, 1005 if it said nothing, 1006
/// if there was none. Leave callbacks run unless the hub has closed the connection itself.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_close(
    hub: *mut chanson_hub,
    now_ms: u64,
    conn: u64,
    close_code: u16,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, app, now, _| {
            let reason = if close_code == 1006 { CloseReason::TransportEof } else { CloseReason::ByPeer(close_code) };
            hub.handle_close(now, app, ConnId::from_bits(conn), reason);
            Ok(())
        })
    }
}

/// Time passed: silent connections are closed, tickets that nobody answered expire. Call it at
/// `chanson_hub_poll_timeout` at the latest; too early does no harm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_timeout(hub: *mut chanson_hub, now_ms: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        feed(hub, now_ms, |hub, app, now, _| {
            hub.handle_timeout(now, app);
            Ok(())
        })
    }
}

/// When to call `chanson_hub_timeout` at the latest, in the milliseconds that the host counts; `CHANSON_EMPTY` when nothing is
/// waiting.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_poll_timeout(hub: *mut chanson_hub, at_ms: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(hub, |core| match &core.level {
            Level::Hub(hub) => put(at_ms, millis_up(hub.poll_timeout().ok_or(CHANSON_EMPTY)?)),
            _ => Err(CHANSON_ERR_HANDLE.into()),
        })
    }
}

/// What to do next, into `*output`; `CHANSON_EMPTY` when that is all. Drain it after each turn.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_hub_poll_output(hub: *mut chanson_hub, output: *mut chanson_output) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(hub, |core| {
            let Level::Hub(hub) = &mut core.level else { return Err(CHANSON_ERR_HANDLE.into()) };
            write_sized(output, EMPTY)?;
            let lent = &mut core.lent;
            let found = match hub.poll_output().ok_or(CHANSON_EMPTY)? {
                Output::Deliver { to, frame } => chanson_output {
                    kind: CHANSON_OUTPUT_DELIVER as i32,
                    to: to.as_ptr().cast(),
                    to_count: to.len(),
                    frame: frame.bytes().as_ptr().cast(),
                    frame_len: frame.bytes().len(),
                    message: match frame.message() {
                        Message::Text(text) => chanson_payload::json(text),
                        Message::Binary(data) => chanson_binary(data.as_ptr().cast(), data.len()),
                    },
                    ..EMPTY
                },
                Output::Open { conn, admitted } => opening(lent, conn, admitted),
                Output::Refuse { conn, response } => responding(lent, CHANSON_OUTPUT_REFUSE, conn, response),
                Output::Respond { conn, response } => responding(lent, CHANSON_OUTPUT_RESPOND, conn, response),
                Output::Close { conn, reason } => chanson_output {
                    close_code: reason.code(),
                    text: chanson_str::new(reason.text()),
                    ..for_one(lent, CHANSON_OUTPUT_CLOSE, conn)
                },
                // Whatever later versions of the hub say is not for hosts of this one.
                _ => return Err(CHANSON_EMPTY.into()),
            };
            write_sized(output, found)
        })
    }
}

fn for_one(lent: &mut Lent, kind: chanson_output_kind, conn: ConnId) -> chanson_output {
    lent.conn = [conn.to_bits()];
    chanson_output { kind: kind as i32, to: lent.conn.as_ptr(), to_count: 1, ..EMPTY }
}

fn opening(lent: &mut Lent, conn: ConnId, admitted: Admitted) -> chanson_output {
    chanson_output {
        text: chanson_str::new(admitted.protocol.unwrap_or_default()),
        max_message: admitted.max_message,
        ..for_one(lent, CHANSON_OUTPUT_OPEN, conn)
    }
}

fn responding(lent: &mut Lent, kind: chanson_output_kind, conn: ConnId, response: &Response) -> chanson_output {
    lent.headers.clear();
    lent.headers.extend(
        response
            .headers()
            .map(|(name, value)| chanson_header { name: chanson_str::new(name), value: chanson_str::new(value) }),
    );
    chanson_output {
        status: response.status(),
        headers: lent.headers.as_ptr(),
        header_count: lent.headers.len(),
        body: response.bytes().as_ptr().cast(),
        body_len: response.bytes().len(),
        ..for_one(lent, kind, conn)
    }
}

/// Never too early.
pub(crate) const fn millis_up(at: Instant) -> u64 {
    at.as_nanos().div_ceil(1_000_000)
}

/// The address that the host tells.
///
/// # Safety
/// `peer` is NULL or NUL-terminated.
pub(crate) unsafe fn read_peer(peer: *const c_char) -> Result<Option<SocketAddr>, Refusal> {
    if peer.is_null() {
        return Ok(None);
    }
    // SAFETY: as the caller promises.
    let text = unsafe { c_text(peer) }?;
    text.parse().map(Some).map_err(|error| Refusal::new(CHANSON_ERR_ARGUMENT, error))
}

const NONE: chanson_str = chanson_str { data: std::ptr::null(), len: 0 };
const EMPTY: chanson_output = chanson_output {
    size: 0,
    kind: CHANSON_OUTPUT_PENDING as i32,
    close_code: 0,
    status: 0,
    to: std::ptr::null(),
    to_count: 0,
    frame: std::ptr::null(),
    frame_len: 0,
    message: chanson_payload { kind: 0, data: std::ptr::null(), len: 0 },
    text: NONE,
    max_message: 0,
    headers: std::ptr::null(),
    header_count: 0,
    body: std::ptr::null(),
    body_len: 0,
};

/// The answer to give to a transport that is one too many (`CHANSON_ERR_FULL`), before it is closed: HTTP, NUL-terminated. With
/// TLS there is none to give, for it could not be read. A TCP socket that is closed at once, with the request unread, is reset,
/// and the answer may be lost by that; one that is kept for a moment behind `shutdown(fd, SHUT_WR)` is not.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_busy_response() -> *const c_char {
    const BUSY: &CStr = c"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    debug_assert_eq!(BUSY.to_bytes(), chanson_core::endpoint::BUSY);
    BUSY.as_ptr()
}
