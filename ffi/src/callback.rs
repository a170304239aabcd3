//! What the host is called with, and what it answers.

use std::ffi::c_void;
use std::panic::resume_unwind;

use chanson_core::error::CommandError;
use chanson_core::http::{Request, Response};
use chanson_core::hub::{Fault, HttpRequest};
use chanson_core::log::{Level, Record};
use chanson_core::wire::Ref;
use chanson_core::{Connect, Event, Join, Leave, Raw, Refuse, Reply, Socket};

use crate::app::App;
use crate::connect::chanson_connect;
use crate::http::{chanson_http, chanson_request, with_request};
use crate::raw::chanson_raw;
use crate::socket::chanson_socket;
use crate::text::{chanson_payload, chanson_str, reply};

/// What a callback says of what it was called for. Any other number counts as `CHANSON_CRASH`.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_verdict {
    /// Done; a connection or a join is let in.
    CHANSON_DONE = 0,
    /// No: a connection is refused (HTTP 403), a join or an event is answered with an error, which
    /// `chanson_socket_refuse` says. The default of a join is `{"reason":"join rejected"}`.
    CHANSON_REFUSE = 1,
    /// The answer comes later, by the ticket that was taken with `…_defer`. Without one it counts as `CHANSON_FAIL`.
    CHANSON_LATER = 2,
    /// An event that this handler does not know: answered with the error `{"reason":"unmatched event"}` if the client waits
    /// for an answer.
    CHANSON_UNMATCHED = 3,
    /// The handler failed, and its join with it: the client is told so (`phx_error`), or, where it was about to join, answered
    /// with the error `{"reason":"join crashed"}`. A connection or a request is answered 500, a raw connection closed (1011).
    CHANSON_FAIL = 4,
    /// The same, but `crashed` of `chanson_fault` says so. What a C++ wrapper makes of an exception.
    CHANSON_CRASH = 5,
}

use chanson_verdict::*;

/// Why a join ended.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_leave_reason {
    /// The client left.
    CHANSON_LEFT = 0,
    /// The client joined the topic once more; the new join replaces this one.
    CHANSON_REJOINED = 1,
    /// A handler stopped it.
    CHANSON_STOPPED = 2,
    /// A handler failed.
    CHANSON_CRASHED = 3,
    /// The connection ended.
    CHANSON_DISCONNECTED = 4,
}

/// A request to join. Borrowed until the callback returns; later versions may add fields at its end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_join {
    /// The topic.
    pub topic: chanson_str,
    /// What the client sent along; any JSON value.
    pub payload: chanson_payload,
}

/// An event of a joined client. Borrowed until the callback returns; later versions may add fields at its end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_event {
    /// The topic.
    pub topic: chanson_str,
    /// Its name.
    pub event: chanson_str,
    /// What came with it. Given to a send as it is, it need not be checked once more.
    pub payload: chanson_payload,
    /// The client's name for this message as JSON text; `null` if it waits for no reply.
    pub r#ref: chanson_str,
}

/// The end of a join. Borrowed until the callback returns; later versions may add fields at its end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_leave {
    /// The topic.
    pub topic: chanson_str,
    /// Why: a `chanson_leave_reason`.
    pub reason: i32,
    /// The close code of the connection, if it is that which ended; else 0.
    pub close_code: u16,
}

/// A handler that failed. Borrowed until the callback returns; later versions may add fields at its end.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_fault {
    /// Whose message it was.
    pub conn: u64,
    /// The topic, or the path of a mount or of a request.
    pub place: chanson_str,
    /// The event, or `phx_join`, `phx_leave`, `connect`, `open`, `message`, `close`, `request`.
    pub event: chanson_str,
    /// What it failed with.
    pub text: chanson_str,
    /// Whether it gave `CHANSON_CRASH`, or what it may not.
    pub crashed: bool,
}

/// How much a record of the log matters.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum chanson_level {
    /// A handler failed.
    CHANSON_LOG_ERROR = 0,
    /// Something that the operator may have to do something about.
    CHANSON_LOG_WARN = 1,
    /// A peer was refused, or broke a rule.
    CHANSON_LOG_INFO = 2,
    /// Connections come and go.
    CHANSON_LOG_DEBUG = 3,
}

/// Decides on a connection before it opens; gives a `chanson_verdict`.
pub type chanson_on_connect = Option<unsafe extern "C" fn(connect: *mut chanson_connect, user: *mut c_void) -> i32>;
/// Decides on a join; gives a `chanson_verdict`.
pub type chanson_on_join =
    Option<unsafe extern "C" fn(socket: *mut chanson_socket, join: *const chanson_join, user: *mut c_void) -> i32>;
/// Handles an event; gives a `chanson_verdict`.
pub type chanson_on_event =
    Option<unsafe extern "C" fn(socket: *mut chanson_socket, event: *const chanson_event, user: *mut c_void) -> i32>;
/// Hears of the end of a join; gives a `chanson_verdict`.
pub type chanson_on_leave =
    Option<unsafe extern "C" fn(socket: *mut chanson_socket, leave: *const chanson_leave, user: *mut c_void) -> i32>;
/// A raw connection has opened; gives a `chanson_verdict`.
pub type chanson_on_open = Option<unsafe extern "C" fn(raw: *mut chanson_raw, user: *mut c_void) -> i32>;
/// A message came on a raw connection: text (`CHANSON_JSON`, though it may be any text) or bytes, borrowed until the callback
/// returns; gives a `chanson_verdict`.
pub type chanson_on_message =
    Option<unsafe extern "C" fn(raw: *mut chanson_raw, message: *const chanson_payload, user: *mut c_void) -> i32>;
/// A raw connection has ended with this close code; gives a `chanson_verdict`.
pub type chanson_on_close =
    Option<unsafe extern "C" fn(raw: *mut chanson_raw, close_code: u16, user: *mut c_void) -> i32>;
/// Answers an HTTP request that no mount takes; gives a `chanson_verdict`.
pub type chanson_on_request =
    Option<unsafe extern "C" fn(http: *mut chanson_http, request: *const chanson_request, user: *mut c_void) -> i32>;
/// Hears of a handler that failed.
pub type chanson_on_fault = Option<unsafe extern "C" fn(fault: *const chanson_fault, user: *mut c_void)>;
/// Hears of what happens: `level` is a `chanson_level`, `text` one line, borrowed until the callback returns.
pub type chanson_on_log = Option<unsafe extern "C" fn(level: i32, text: chanson_str, user: *mut c_void)>;

/// The host's pointer, as it comes with each callback.
#[derive(Clone, Copy)]
pub(crate) struct User(pub(crate) *mut c_void);

// SAFETY: the library never looks at what it points to. The header says that callbacks run on the thread that is in the hub,
// and that the host sees to it that its pointer is good there.
unsafe impl Send for User {}
// SAFETY: as above.
unsafe impl Sync for User {}

impl User {
    // A method, so that a closure takes the whole and not the field.
    pub(crate) const fn get(self) -> *mut c_void {
        self.0
    }
}

/// A callback that is there.
type Given<T> = <T as Callback>::Given;

pub(crate) trait Callback {
    type Given;
}

impl<F> Callback for Option<F> {
    type Given = F;
}

pub(crate) fn connect(
    callback: Given<chanson_on_connect>,
    user: User,
) -> impl Fn(&mut Connect<'_, App>) -> Result<(), Refuse> + Send + Sync + 'static {
    move |connect| {
        let slot = connect.app().connect.get();
        // SAFETY: the slot lives as long as the hub, whose handler this is; a `Connect` is what is behind this view; and the
        // host's callback takes these arguments.
        let (verdict, said) = unsafe { slot.as_ref().lend(connect, None, false, |view| callback(view, user.get())) };
        match verdict {
            v if v == CHANSON_DONE as i32 => Ok(()),
            v if v == CHANSON_LATER as i32 && said.deferred => Ok(()),
            v if v == CHANSON_REFUSE as i32 => Err(said.words().refusal.unwrap_or_default()),
            v => Err(Refuse::failed(failure(v))),
        }
    }
}

pub(crate) fn join(
    callback: Given<chanson_on_join>,
    user: User,
) -> impl Fn(&mut Socket<'_, App>, Join<'_>) -> Result<Reply, Refuse> + Send + Sync + 'static {
    move |socket, join| {
        let slot = socket.app().socket.get();
        let view = chanson_join { topic: chanson_str::new(join.topic), payload: chanson_payload::new(join.payload) };
        // SAFETY: as in `connect`, with a `Socket`.
        let (verdict, said) = unsafe {
            slot.as_ref().lend(socket, Some(join.payload), true, |socket| callback(socket, &view, user.get()))
        };
        match verdict {
            v if v == CHANSON_DONE as i32 => Ok(reply(said.words().reply)),
            v if v == CHANSON_LATER as i32 && said.deferred => Ok(Reply::Later),
            v if v == CHANSON_REFUSE as i32 => Err(said.words().refusal.unwrap_or_default()),
            v => Err(Refuse::failed(failure(v))),
        }
    }
}

pub(crate) fn event(
    callback: Given<chanson_on_event>,
    user: User,
) -> impl Fn(&mut Socket<'_, App>, Event<'_>) -> Result<(), Failed> + Send + Sync + 'static {
    move |socket, msg| {
        let slot = socket.app().socket.get();
        let quoted;
        let ref_ = match msg.ref_ {
            Ref::Null => "null",
            Ref::Json(text) => text,
            Ref::Text(text) => {
                quoted = quote(text);
                &quoted
            }
        };
        let view = chanson_event {
            topic: chanson_str::new(msg.topic),
            event: chanson_str::new(msg.event),
            payload: chanson_payload::new(msg.payload),
            r#ref: chanson_str::new(ref_),
        };
        // SAFETY: as in `connect`, with a `Socket`.
        let (verdict, said) = unsafe {
            slot.as_ref().lend(socket, Some(msg.payload), false, |socket| callback(socket, &view, user.get()))
        };
        match verdict {
            v if v == CHANSON_DONE as i32 => Ok(()),
            v if v == CHANSON_LATER as i32 && said.deferred => Ok(()),
            v if v == CHANSON_REFUSE as i32 => {
                refuse(socket, &said.words().refusal.unwrap_or_else(|| Refuse::reason("refused")))
            }
            v if v == CHANSON_UNMATCHED as i32 && msg.ref_.is_null() => Ok(()),
            v if v == CHANSON_UNMATCHED as i32 => refuse(socket, &Refuse::reason("unmatched event")),
            v => Err(failure(v)),
        }
    }
}

pub(crate) fn leave(
    callback: Given<chanson_on_leave>,
    user: User,
) -> impl Fn(&mut Socket<'_, App>, Leave) -> Result<(), Failed> + Send + Sync + 'static {
    move |socket, why| {
        let slot = socket.app().socket.get();
        let (reason, close_code) = match why {
            Leave::Left => (chanson_leave_reason::CHANSON_LEFT, 0),
            Leave::Rejoined => (chanson_leave_reason::CHANSON_REJOINED, 0),
            Leave::Stopped => (chanson_leave_reason::CHANSON_STOPPED, 0),
            Leave::Disconnected(why) => (chanson_leave_reason::CHANSON_DISCONNECTED, why.code()),
            _ => (chanson_leave_reason::CHANSON_CRASHED, 0),
        };
        let topic: Box<str> = socket.topic().into();
        let view = chanson_leave { topic: chanson_str::new(&topic), reason: reason as i32, close_code };
        // SAFETY: as in `connect`, with a `Socket`.
        let (verdict, _) =
            unsafe { slot.as_ref().lend(socket, None, false, |socket| callback(socket, &view, user.get())) };
        plain(verdict)
    }
}

pub(crate) fn open(
    callback: Given<chanson_on_open>,
    user: User,
) -> impl Fn(&mut Raw<'_, App>) -> Result<(), Failed> + Send + Sync + 'static {
    move |raw| {
        lend_raw(raw, |raw| {
            // SAFETY: the host's callback takes these arguments.
            unsafe { callback(raw, user.get()) }
        })
    }
}

pub(crate) fn text(
    callback: Given<chanson_on_message>,
    user: User,
) -> impl Fn(&mut Raw<'_, App>, &str) -> Result<(), Failed> + Send + Sync + 'static {
    move |raw, text| {
        let message = chanson_payload::json(text);
        // SAFETY: as in `open`.
        lend_raw(raw, |raw| unsafe { callback(raw, &message, user.get()) })
    }
}

pub(crate) fn binary(
    callback: Given<chanson_on_message>,
    user: User,
) -> impl Fn(&mut Raw<'_, App>, &[u8]) -> Result<(), Failed> + Send + Sync + 'static {
    move |raw, data| {
        let message = crate::text::chanson_binary(data.as_ptr().cast(), data.len());
        // SAFETY: as in `open`.
        lend_raw(raw, |raw| unsafe { callback(raw, &message, user.get()) })
    }
}

pub(crate) fn close(
    callback: Given<chanson_on_close>,
    user: User,
) -> impl Fn(&mut Raw<'_, App>, chanson_core::error::CloseReason) -> Result<(), Failed> + Send + Sync + 'static {
    // SAFETY: as in `open`.
    move |raw, why| lend_raw(raw, |raw| unsafe { callback(raw, why.code(), user.get()) })
}

pub(crate) fn request(
    callback: Given<chanson_on_request>,
    user: User,
) -> impl Fn(&mut HttpRequest<'_, App>, &Request<'_>) -> Result<Option<Response>, Failed> + Send + Sync + 'static {
    move |http, request| {
        let slot = http.app().http.get();
        let (verdict, said) = with_request(request, |view| {
            // SAFETY: as in `connect`, with an `HttpRequest`.
            unsafe { slot.as_ref().lend(http, None, false, |http| callback(http, view, user.get())) }
        });
        match verdict {
            v if v == CHANSON_DONE as i32 => Ok(said.words().response),
            v if v == CHANSON_LATER as i32 && said.deferred => Ok(None),
            v if v == CHANSON_REFUSE as i32 => Ok(Some(Response::text(403, "forbidden"))),
            v if v == CHANSON_UNMATCHED as i32 => Ok(Some(Response::text(404, "not found"))),
            v => Err(failure(v)),
        }
    }
}

pub(crate) fn fault(callback: Given<chanson_on_fault>, user: User) -> impl Fn(&Fault<'_>) + Send + Sync + 'static {
    move |fault| {
        let view = chanson_fault {
            conn: fault.conn.to_bits(),
            place: chanson_str::new(fault.place),
            event: chanson_str::new(fault.event),
            text: chanson_str::new(fault.text),
            crashed: fault.panicked,
        };
        // SAFETY: the host's callback takes these arguments.
        unsafe { callback(&view, user.get()) }
    }
}

pub(crate) fn log(callback: Given<chanson_on_log>, user: User) -> impl Fn(&Record<'_>) + Send + Sync + 'static {
    move |record| {
        let level = match record.level {
            Level::Error => chanson_level::CHANSON_LOG_ERROR,
            Level::Warn => chanson_level::CHANSON_LOG_WARN,
            Level::Info => chanson_level::CHANSON_LOG_INFO,
            Level::Debug => chanson_level::CHANSON_LOG_DEBUG,
        };
        let text = record.to_string();
        // SAFETY: the host's callback takes these arguments.
        unsafe { callback(level as i32, chanson_str::new(&text), user.get()) }
    }
}

/// What a handler failed with.
pub(crate) type Failed = &'static str;

fn lend_raw(raw: &mut Raw<'_, App>, callback: impl FnOnce(*mut chanson_raw) -> i32) -> Result<(), Failed> {
    let slot = raw.app().raw.get();
    // SAFETY: as in `connect`, with a `Raw`.
    let (verdict, _) = unsafe { slot.as_ref().lend(raw, None, false, callback) };
    plain(verdict)
}

fn refuse(socket: &mut Socket<'_, App>, refusal: &Refuse) -> Result<(), Failed> {
    match socket.reply_with("error", refusal.response()) {
        // The client has left, or was answered: there is nothing to say.
        Ok(()) | Err(CommandError::AlreadyAnswered | CommandError::UnknownConn) => Ok(()),
        Err(_) => Err("the refusal cannot be sent"),
    }
}

/// The verdict where there is nothing to be let in or to be answered.
fn plain(verdict: i32) -> Result<(), Failed> {
    if verdict == CHANSON_DONE as i32 { Ok(()) } else { Err(failure(verdict)) }
}

/// What a handler failed with, unless it crashed.
fn failure(verdict: i32) -> Failed {
    match verdict {
        v if v == CHANSON_FAIL as i32 => "the handler gave the failure code",
        v if v == CHANSON_LATER as i32 => "later, but no ticket was taken",
        v => crash(v),
    }
}

/// Ends the handler as a panic does, without running the program's panic hook: it is no panic of this program's Rust.
fn crash(verdict: i32) -> ! {
    resume_unwind(Box::new(match verdict {
        v if v == CHANSON_CRASH as i32 => "the handler gave the crash code".to_owned(),
        v => format!("the handler gave {v}, which is nothing that it may say"),
    }))
}

/// A string as JSON.
pub(crate) fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
