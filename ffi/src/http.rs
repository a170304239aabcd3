//! Plain HTTP: requests as a host hands them in or is called with them, and responses.

use std::ffi::{c_char, c_void};

use chanson_core::http::{Request, Response};
use chanson_core::hub::HttpRequest;

use crate::app::App;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::read_sized;
use crate::handle::put;
use crate::slot::{View, detail, enter};
use crate::text::{bytes, chanson_header, chanson_payload, chanson_str, list};

/// An HTTP request. Set `size` to `sizeof(chanson_request)` when it is yours; the library's is borrowed until the callback
/// returns.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_request {
    /// `sizeof(chanson_request)`.
    pub size: usize,
    /// `GET`, `POST`, ….
    pub method: chanson_str,
    /// The request's target: path and query.
    pub target: chanson_str,
    /// The path alone. Read from `target` when it is empty in a request of yours.
    pub path: chanson_str,
    /// The headers.
    pub headers: *const chanson_header,
    /// How many.
    pub header_count: usize,
    /// The body.
    pub body: *const c_void,
    /// Its length in bytes.
    pub body_len: usize,
}

/// An HTTP response; set `size` to `sizeof(chanson_response)`. `Content-Length` and `Connection` are added by the library.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_response {
    /// `sizeof(chanson_response)`.
    pub size: usize,
    /// The status, 200 to 599.
    pub status: u16,
    /// Headers.
    pub headers: *const chanson_header,
    /// How many.
    pub header_count: usize,
    /// The body.
    pub body: *const c_void,
    /// Its length in bytes.
    pub body_len: usize,
}

/// A plain HTTP request, as its callback may act on it. Good until the callback returns, on the thread that the callback runs
/// on.
pub struct chanson_http {
    _opaque: [u8; 0],
}

impl View for chanson_http {
    type Target = HttpRequest<'static, App>;
    const KIND: u64 = 0x0043_6868_7474_705f;
}

/// Why the last call on this request was refused; NUL-terminated, good until the next call on it.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_error(http: *const chanson_http) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { detail(http) }
}

/// The answer, when the callback then gives `CHANSON_DONE`. Everything is copied. The last one counts.
///
/// `CHANSON_ERR_ARGUMENT` for a header that is none, or that the library writes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_respond(
    http: *mut chanson_http,
    response: *const chanson_response,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(http, |_, slot| {
            let response = read_response(response)?;
            slot.say(|words| words.response = Some(response));
            Ok(())
        })
    }
}

/// The answer as plain text, when the callback then gives `CHANSON_DONE`. NUL-terminated.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_respond_text(
    http: *mut chanson_http,
    status: u16,
    text: *const c_char,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(http, |_, slot| {
            let response = Response::text(status, crate::text::c_text(text)?);
            slot.say(|words| words.response = Some(response));
            Ok(())
        })
    }
}

/// Puts the answer off: `*ticket` is for `chanson_hub_answer_request` or `chanson_remote_answer_request`. Give `CHANSON_LATER`
/// then. After 30 s without an answer it is 504.
///
/// Refused with `CHANSON_ERR_ANSWERED` the second time, `…_FULL` when too many tickets are out.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_defer(http: *mut chanson_http, ticket: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(http, |http, slot| {
            if ticket.is_null() {
                return Err(CHANSON_ERR_NULL.into());
            }
            put(ticket, http.defer()?.to_bits())?;
            slot.defer();
            Ok(())
        })
    }
}

/// Sends an event to all who joined `topic`; nobody having done so is no error. So a POST reaches a room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_broadcast(
    http: *mut chanson_http,
    topic: chanson_str,
    event: chanson_str,
    payload: chanson_payload,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { enter(http, |http, _| Ok(http.broadcast(topic.text()?, event.text()?, payload.payload(None)?)?)) }
}

/// Closes all connections that have this id (1001) when the callback has returned; `*count` (may be NULL) of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_disconnect(
    http: *mut chanson_http,
    id: chanson_str,
    count: *mut usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(http, |http, _| {
            let closed = http.disconnect(id.text()?);
            if count.is_null() { Ok(()) } else { put(count, closed) }
        })
    }
}

/// The connection that the request came on; `CHANSON_NO_CONN` when there is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_http_conn(http: *const chanson_http) -> u64 {
    let mut conn = u64::MAX;
    // SAFETY: as the caller promises.
    unsafe {
        enter(http, |http, _| {
            conn = http.conn().to_bits();
            Ok(())
        });
    }
    conn
}

/// Runs `act` with the request as C sees it.
pub(crate) fn with_request<R>(request: &Request<'_>, act: impl FnOnce(*const chanson_request) -> R) -> R {
    let headers: Vec<chanson_header> = request
        .headers()
        .map(|(name, value)| chanson_header {
            name: chanson_str::new(name),
            value: chanson_str { data: value.as_ptr().cast(), len: value.len() },
        })
        .collect();
    act(&chanson_request {
        size: size_of::<chanson_request>(),
        method: chanson_str::new(request.method()),
        target: chanson_str::new(request.target()),
        path: chanson_str::new(request.path()),
        headers: headers.as_ptr(),
        header_count: headers.len(),
        body: request.body().as_ptr().cast(),
        body_len: request.body().len(),
    })
}

/// Runs `act` with a request of the host's.
///
/// # Safety
/// `request` is NULL or a request whose pointers are as long as they say.
pub(crate) unsafe fn read_request<R>(
    request: *const chanson_request,
    act: impl FnOnce(&Request<'_>) -> Result<R, Refusal>,
) -> Result<R, Refusal> {
    // SAFETY: as the caller promises.
    unsafe {
        let request = read_sized(request, NO_REQUEST)?;
        let mut headers = Vec::with_capacity(request.header_count.min(64));
        for header in list(request.headers, request.header_count)? {
            headers.push((header.name.text()?, header.value.text()?));
        }
        let body = bytes(request.body, request.body_len)?;
        act(&Request::new(request.method.text()?, request.target.text()?, &headers, body))
    }
}

/// A response of the host's.
///
/// # Safety
/// `response` is NULL or a response whose pointers are as long as they say.
pub(crate) unsafe fn read_response(response: *const chanson_response) -> Result<Response, Refusal> {
    // SAFETY: as the caller promises.
    unsafe {
        let given = read_sized(response, NO_RESPONSE)?;
        let mut response = Response::new(given.status);
        let mut content_type = None;
        for header in list(given.headers, given.header_count)? {
            let (name, value) = (header.name.text()?.to_owned(), header.value.text()?.to_owned());
            match name.eq_ignore_ascii_case("content-type") {
                true => content_type = Some(value),
                false => {
                    response =
                        response.header(name, value).map_err(|error| Refusal::new(CHANSON_ERR_ARGUMENT, error))?;
                }
            }
        }
        let body = bytes(given.body, given.body_len)?;
        if content_type.is_none() && body.is_empty() {
            return Ok(response);
        }
        let content_type = content_type.unwrap_or_else(|| "application/octet-stream".to_owned());
        response.body(content_type, body).map_err(|error| Refusal::new(CHANSON_ERR_ARGUMENT, error))
    }
}

const NONE: chanson_str = chanson_str { data: std::ptr::null(), len: 0 };
const NO_REQUEST: chanson_request = chanson_request {
    size: 0,
    method: NONE,
    target: NONE,
    path: NONE,
    headers: std::ptr::null(),
    header_count: 0,
    body: std::ptr::null(),
    body_len: 0,
};
const NO_RESPONSE: chanson_response = chanson_response {
    size: 0,
    status: 500,
    headers: std::ptr::null(),
    header_count: 0,
    body: std::ptr::null(),
    body_len: 0,
};
