//! The host's callbacks, as C has them.

use std::ffi::c_void;

use chanson::*;

use super::host::{Host, View, read, read_bytes, touch};

/// # Safety
/// `user` is the host.
unsafe fn host<'a>(user: *mut c_void) -> &'a mut Host {
    // SAFETY: as promised; callbacks run one at a time.
    unsafe { &mut *user.cast() }
}

pub(super) unsafe extern "C" fn on_connect(connect: *mut chanson_connect, user: *mut c_void) -> i32 {
    // SAFETY: it is what was given.
    unsafe { host(user) }.called(View::Connect(connect))
}

pub(super) unsafe extern "C" fn on_join(
    socket: *mut chanson_socket,
    join: *const chanson_join,
    user: *mut c_void,
) -> i32 {
    // SAFETY: it is what was given, and the join is lent.
    unsafe {
        let topic = read((*join).topic);
        let verdict = host(user).called(View::Socket(socket));
        assert_eq!(read((*join).topic), topic);
        read_bytes((*join).payload.data, (*join).payload.len);
        verdict
    }
}

pub(super) unsafe extern "C" fn on_event(
    socket: *mut chanson_socket,
    event: *const chanson_event,
    user: *mut c_void,
) -> i32 {
    // SAFETY: it is what was given, and the event is lent.
    unsafe {
        let payload = (*event).payload;
        let was = read_bytes(payload.data, payload.len).to_vec();
        if payload.kind == 0 {
            // Passed on as it is, it is known to be valid.
            chanson_socket_push(socket, (*event).event, payload);
        }
        let verdict = host(user).called(View::Socket(socket));
        assert_eq!(read_bytes(payload.data, payload.len), was);
        touch(&[(*event).topic, (*event).event, (*event).r#ref]);
        verdict
    }
}

pub(super) unsafe extern "C" fn on_leave(
    socket: *mut chanson_socket,
    leave: *const chanson_leave,
    user: *mut c_void,
) -> i32 {
    // SAFETY: it is what was given, and the leave is lent.
    unsafe {
        let verdict = host(user).called(View::Socket(socket));
        touch(&[(*leave).topic]);
        verdict
    }
}

pub(super) unsafe extern "C" fn on_open(raw: *mut chanson_raw, user: *mut c_void) -> i32 {
    // SAFETY: it is what was given.
    unsafe { host(user) }.called(View::Raw(raw))
}

pub(super) unsafe extern "C" fn on_message(
    raw: *mut chanson_raw,
    message: *const chanson_payload,
    user: *mut c_void,
) -> i32 {
    // SAFETY: it is what was given, and the message is lent.
    unsafe {
        let was = read_bytes((*message).data, (*message).len).to_vec();
        let verdict = host(user).called(View::Raw(raw));
        assert_eq!(read_bytes((*message).data, (*message).len), was);
        verdict
    }
}

pub(super) unsafe extern "C" fn on_close(raw: *mut chanson_raw, _: u16, user: *mut c_void) -> i32 {
    // SAFETY: it is what was given.
    unsafe { host(user) }.called(View::Raw(raw))
}

pub(super) unsafe extern "C" fn on_request(
    http: *mut chanson_http,
    request: *const chanson_request,
    user: *mut c_void,
) -> i32 {
    // SAFETY: it is what was given, and the request is lent.
    unsafe {
        let verdict = host(user).called(View::Http(http));
        let request = &*request;
        touch(&[request.method, request.target, request.path]);
        // SAFETY: as many as it says.
        for at in 0..request.header_count {
            let header = &*request.headers.add(at);
            touch(&[header.name, header.value]);
        }
        read_bytes(request.body, request.body_len);
        verdict
    }
}

pub(super) unsafe extern "C" fn on_fault(fault: *const chanson_fault, _: *mut c_void) {
    // SAFETY: it is lent.
    unsafe { touch(&[(*fault).place, (*fault).event, (*fault).text]) };
}

pub(super) unsafe extern "C" fn on_log(level: i32, text: chanson_str, _: *mut c_void) {
    assert!((0..4).contains(&level) && String::from_utf8(read(text)).is_ok());
}
