//! What the host's callbacks do: what was planned for them, and they look at all that they are lent until they return.

use std::cell::Cell;
use std::collections::VecDeque;
use std::ffi::{CStr, c_char, c_void};
use std::hint::black_box;
use std::ptr::{null, null_mut};
use std::rc::Rc;

use chanson::chanson_code::*;
use chanson::*;

use super::Call;
use super::words::{Right, c_text, handle, payload, text};

/// What the callbacks share; it is what the user pointer points to.
pub(super) struct Host {
    /// What the callbacks that come do, one after the other, and what they give.
    pub(super) plans: VecDeque<(Vec<Call>, i32)>,
    /// All tickets that were had.
    pub(super) tickets: Vec<u64>,
    /// Views that are no longer lent.
    pub(super) stale: Vec<View>,
    /// What is called from outside, and says that it is in use.
    pub(super) busy: [*mut c_void; 2],
    /// States of joins that were not dropped yet.
    pub(super) states: Rc<Cell<isize>>,
    /// How many callbacks run now.
    depth: usize,
}

/// What a callback is handed.
#[derive(Clone, Copy, Debug)]
pub(super) enum View {
    Socket(*mut chanson_socket),
    Raw(*mut chanson_raw),
    Connect(*mut chanson_connect),
    Http(*mut chanson_http),
}

impl Host {
    pub(super) fn new() -> Self {
        Self {
            plans: VecDeque::new(),
            tickets: Vec::new(),
            stale: Vec::new(),
            busy: [null_mut(); 2],
            states: Rc::default(),
            depth: 0,
        }
    }

    /// A callback: what is planned.
    pub(super) fn called(&mut self, view: View) -> i32 {
        assert_eq!(self.depth, 0, "a callback runs in another");
        self.depth += 1;
        let (calls, verdict) = self.plans.pop_front().unwrap_or_default();
        let mut lent = Vec::new();
        for call in &calls {
            let (view, right) = view.spoilt(call.handle, self.busy[0]);
            let code = self.call(view, call, &mut lent);
            match (code, right) {
                (None, _) => {}
                (Some(code), Right::Null) => assert_eq!(code, CHANSON_ERR_NULL, "{call:?}"),
                (Some(code), Right::No) => assert_eq!(code, CHANSON_ERR_HANDLE, "{call:?}"),
                (Some(code), Right::Yes) => {
                    assert!(!matches!(code, CHANSON_ERR_PANIC | CHANSON_ERR_HANDLE | CHANSON_ERR_BUSY), "{call:?}");
                }
            }
            // SAFETY: it is lent, or no view at all.
            read_c(unsafe { view.error() });
        }
        // What was lent is good until here.
        lent.iter().for_each(|(text, was)| assert_eq!(read(*text), *was));
        self.depth -= 1;
        if self.stale.len() < 4 {
            self.stale.push(view);
        }
        verdict
    }

    /// The hub that calls is in use.
    fn outside(&self, call: &Call) {
        let hub: *mut chanson_hub = self.busy[usize::from(call.number % 2)].cast();
        // SAFETY: both are handles that are there.
        let (code, freed) = unsafe {
            let code = chanson_hub_broadcast(hub, text(call.a), text(call.b), payload(call.payload));
            (code, if code == CHANSON_ERR_BUSY { chanson_hub_free(hub) } else { CHANSON_ERR_BUSY })
        };
        assert_ne!(code, CHANSON_ERR_PANIC);
        assert!(matches!(freed, CHANSON_ERR_BUSY | CHANSON_ERR_HANDLE), "freed in its own callback: {freed:?}");
    }

    /// The code, of calls that give one.
    fn call(&mut self, view: View, call: &Call, lent: &mut Vec<(chanson_str, Vec<u8>)>) -> Option<chanson_code> {
        let (mut ticket, mut out) = (u64::MAX, chanson_str { data: null(), len: 0 });
        if call.what == 0xff {
            self.outside(call);
            return None;
        }
        // SAFETY: views are lent now, or refused; texts and payloads are static, or refused.
        let code = unsafe {
            match view {
                View::Socket(socket) => self.socket(socket, call, &mut ticket, &mut out)?,
                View::Raw(raw) => look_raw(raw, call, &mut out)?,
                View::Connect(connect) => look_connect(connect, call, &mut ticket, &mut out)?,
                View::Http(http) => look_http(http, call, &mut ticket)?,
            }
        };
        if code == CHANSON_OK && !out.data.is_null() {
            lent.push((out, read(out)));
        }
        if code == CHANSON_OK && ticket != u64::MAX {
            self.tickets.push(ticket);
        }
        Some(code)
    }

    unsafe fn socket(
        &mut self,
        socket: *mut chanson_socket,
        call: &Call,
        ticket: *mut u64,
        out: *mut chanson_str,
    ) -> Option<chanson_code> {
        let (a, b, p, conn) = (text(call.a), text(call.b), payload(call.payload), u64::from(call.number));
        // SAFETY: as in `call`.
        unsafe {
            Some(match call.what % 29 {
                0 => chanson_socket_push(socket, a, p),
                1 => chanson_socket_broadcast(socket, a, p),
                2 => chanson_socket_broadcast_from(socket, a, p),
                3 => chanson_socket_push_to(socket, conn, a, p),
                4 => chanson_socket_push_on(socket, a, b, p),
                5 => chanson_socket_broadcast_on(socket, a, b, p),
                6 => chanson_socket_broadcast_from_on(socket, a, b, p),
                7 => chanson_socket_reply(socket, p),
                8 => chanson_socket_reply_with(socket, a, p),
                9 => chanson_socket_refuse(socket, p),
                10 => chanson_socket_refuse_reason(socket, c_text(call.a)),
                11 => chanson_socket_defer(socket, ticket),
                12 => chanson_socket_stop(socket),
                13 => chanson_socket_close(socket, call.number),
                14 => chanson_socket_disconnect(socket, a, null_mut()),
                15 => chanson_socket_track(socket, a, p),
                16 => chanson_socket_update(socket, a, p),
                17 => chanson_socket_untrack(socket, a),
                18 => chanson_socket_presence_meta(socket, a, out),
                19 => chanson_socket_push_presence_state(socket),
                20 => chanson_socket_presence_list(socket, out),
                21 => chanson_socket_topic(socket, out),
                22 => chanson_socket_param(socket, c_text(call.a), out),
                23 => chanson_socket_assign(socket, c_text(call.a), out),
                24 => chanson_socket_set_assign(socket, c_text(call.a), b),
                25 => chanson_socket_id(socket, out),
                26 => chanson_socket_join_ref(socket, out),
                27 => {
                    let states = Rc::as_ptr(&self.states).cast_mut().cast();
                    let code = chanson_socket_set_state(socket, states, Some(dropped));
                    if code == CHANSON_OK {
                        self.states.set(self.states.get() + 1);
                        assert_eq!(chanson_socket_state(socket), states);
                    }
                    code
                }
                _ => {
                    chanson_socket_is_joined(socket, a);
                    chanson_socket_subscriber_count(socket, a);
                    chanson_socket_conn(socket);
                    return None;
                }
            })
        }
    }
}

unsafe extern "C" fn dropped(state: *mut c_void) {
    // SAFETY: it is `Host::states`, and the host lives longer than what is made of it.
    let states = unsafe { &*state.cast::<Cell<isize>>() };
    states.set(states.get() - 1);
}

unsafe fn look_raw(raw: *mut chanson_raw, call: &Call, out: *mut chanson_str) -> Option<chanson_code> {
    let (a, b) = (text(call.a), text(call.b));
    // SAFETY: as in `call`.
    unsafe {
        Some(match call.what % 8 {
            0 => chanson_raw_send(raw, payload(call.payload)),
            1 => chanson_raw_subscribe(raw, a),
            2 => chanson_raw_unsubscribe(raw, a),
            3 => chanson_raw_broadcast(raw, a, b),
            4 => chanson_raw_broadcast_from(raw, a, b),
            5 => chanson_raw_close(raw, call.number),
            6 => chanson_raw_param(raw, c_text(call.a), out),
            _ => chanson_raw_assign(raw, c_text(call.a), out),
        })
    }
}

unsafe fn look_connect(
    connect: *mut chanson_connect,
    call: &Call,
    ticket: *mut u64,
    out: *mut chanson_str,
) -> Option<chanson_code> {
    // SAFETY: as in `call`.
    unsafe {
        Some(match call.what % 8 {
            0 => chanson_connect_param(connect, c_text(call.a), out),
            1 => chanson_connect_header(connect, c_text(call.a), out),
            2 => chanson_connect_path(connect, out),
            3 => chanson_connect_auth_token(connect, out),
            4 => chanson_connect_peer(connect, out),
            5 => chanson_connect_set_id(connect, text(call.a)),
            6 => chanson_connect_set_assign(connect, c_text(call.a), text(call.b)),
            _ => chanson_connect_defer(connect, ticket),
        })
    }
}

unsafe fn look_http(http: *mut chanson_http, call: &Call, ticket: *mut u64) -> Option<chanson_code> {
    // SAFETY: as in `call`.
    unsafe {
        Some(match call.what % 5 {
            0 => chanson_http_respond(http, &response(call)),
            1 => chanson_http_respond_text(http, call.number, c_text(call.a)),
            2 => chanson_http_defer(http, ticket),
            3 => chanson_http_broadcast(http, text(call.a), text(call.b), payload(call.payload)),
            _ => chanson_http_disconnect(http, text(call.a), null_mut()),
        })
    }
}

/// A response, as the host gives them; its body is a payload.
pub(super) fn response(call: &Call) -> chanson_response {
    let body = payload(call.payload);
    let size = if call.b == 0xff { 8 } else { size_of::<chanson_response>() };
    let none = (null(), 0);
    let (headers, header_count) = if call.a == 0xff { (null(), 3) } else { none };
    chanson_response { size, status: call.number, headers, header_count, body: body.data, body_len: body.len }
}

impl View {
    /// The same view, or one that is none.
    fn spoilt(self, number: u8, other: *mut c_void) -> (Self, Right) {
        match self {
            Self::Socket(view) => {
                let (view, right) = handle(number, view, other);
                (Self::Socket(view), right)
            }
            Self::Raw(view) => {
                let (view, right) = handle(number, view, other);
                (Self::Raw(view), right)
            }
            Self::Connect(view) => {
                let (view, right) = handle(number, view, other);
                (Self::Connect(view), right)
            }
            Self::Http(view) => {
                let (view, right) = handle(number, view, other);
                (Self::Http(view), right)
            }
        }
    }

    /// # Safety
    /// It was lent by a hub that is still there, or is none.
    pub(super) unsafe fn error(self) -> *const c_char {
        // SAFETY: as promised.
        unsafe {
            match self {
                Self::Socket(view) => chanson_socket_error(view),
                Self::Raw(view) => chanson_raw_error(view),
                Self::Connect(view) => chanson_connect_error(view),
                Self::Http(view) => chanson_http_error(view),
            }
        }
    }

    /// What a call with it gives.
    ///
    /// # Safety
    /// As `error`.
    pub(super) unsafe fn poke(self) -> chanson_code {
        let mut out = chanson_str { data: null(), len: 0 };
        // SAFETY: as promised.
        unsafe {
            match self {
                Self::Socket(view) => chanson_socket_topic(view, &mut out),
                Self::Raw(view) => chanson_raw_subscribe(view, text(0)),
                Self::Connect(view) => chanson_connect_path(view, &mut out),
                Self::Http(view) => chanson_http_respond_text(view, 200, c_text(0)),
            }
        }
    }
}

/// All of a text that is lent.
pub(super) fn read(text: chanson_str) -> Vec<u8> {
    read_bytes(text.data.cast(), text.len).to_vec()
}

/// Reads all of these.
pub(super) fn touch(texts: &[chanson_str]) {
    texts.iter().for_each(|text| drop(black_box(read(*text))));
}

pub(super) fn read_bytes<'a>(data: *const c_void, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    assert!(!data.is_null());
    // SAFETY: the library lends it.
    unsafe { std::slice::from_raw_parts(data.cast(), len) }
}

pub(super) fn read_c(text: *const c_char) {
    // SAFETY: the library lends it, NUL-terminated.
    let text = unsafe { CStr::from_ptr(text) };
    assert!(text.to_str().is_ok());
}
