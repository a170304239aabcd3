//! What the tests of the C interface have in common: they call it as C would.
#![allow(dead_code, unreachable_pub, missing_docs)]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::{null, null_mut};

use chanson::*;

pub const OK: chanson_code = chanson_code::CHANSON_OK;
pub const NO_STR: chanson_str = chanson_str { data: null(), len: 0 };

pub fn text(text: &str) -> chanson_str {
    chanson_str { data: text.as_ptr().cast(), len: text.len() }
}

pub fn json(text: &str) -> chanson_payload {
    chanson_payload { kind: 0, data: text.as_ptr().cast(), len: text.len() }
}

/// Text that is lent.
pub unsafe fn read(text: chanson_str) -> String {
    if text.len == 0 {
        return String::new();
    }
    let bytes = unsafe { std::slice::from_raw_parts(text.data.cast::<u8>(), text.len) };
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

pub unsafe fn read_payload(payload: chanson_payload) -> String {
    unsafe { read(chanson_str { data: payload.data.cast(), len: payload.len }) }
}

pub unsafe fn read_c(text: *const c_char) -> String {
    unsafe { CStr::from_ptr(text) }.to_str().expect("UTF-8").to_owned()
}

/// A builder with channels at `/socket`, all of them handled by `channel`.
pub unsafe fn builder(mounts: &[chanson_mount_config], channel: &chanson_channel_config) -> *mut chanson_builder {
    unsafe { builder_with(&chanson_config_default(), mounts, channel) }
}

pub unsafe fn builder_with(
    config: &chanson_config,
    mounts: &[chanson_mount_config],
    channel: &chanson_channel_config,
) -> *mut chanson_builder {
    unsafe {
        let builder = chanson_builder_new(config);
        let mut number = 0;
        assert_eq!(chanson_builder_channel(builder, channel, &mut number), OK);
        for config in mounts {
            let mut mount = 0;
            assert_eq!(chanson_builder_mount(builder, config, &mut mount), OK);
            if !config.raw {
                assert_eq!(chanson_builder_serve(builder, mount, number), OK);
            }
        }
        builder
    }
}

/// A hub, and the frames that it has sent.
pub struct World {
    pub hub: *mut chanson_hub,
}

impl World {
    /// Opens a connection; its id and what the hub says.
    pub unsafe fn open(&self, target: &str) -> (u64, i32) {
        unsafe {
            let mut conn = 0;
            assert_eq!(chanson_hub_connect(self.hub, 1, c"192.0.2.1:5000".as_ptr(), &mut conn), OK);
            let request = request("GET", target);
            let mut answer: chanson_output = std::mem::zeroed();
            answer.size = size_of::<chanson_output>();
            assert_eq!(chanson_hub_open(self.hub, 1, conn, &request, &mut answer), OK);
            (conn, answer.kind)
        }
    }

    pub unsafe fn say(&self, conn: u64, message: &str) {
        let code = unsafe { chanson_hub_text(self.hub, 2, conn, message.as_ptr().cast(), message.len()) };
        assert_eq!(code, OK);
    }

    /// What was sent, to whom.
    pub unsafe fn sent(&self) -> Vec<(Vec<u64>, String)> {
        let mut sent = Vec::new();
        unsafe {
            let mut output: chanson_output = std::mem::zeroed();
            output.size = size_of::<chanson_output>();
            while chanson_hub_poll_output(self.hub, &mut output) == OK {
                if output.kind == chanson_output_kind::CHANSON_OUTPUT_DELIVER as i32 {
                    let to = std::slice::from_raw_parts(output.to, output.to_count).to_vec();
                    sent.push((to, read_payload(output.message)));
                }
            }
        }
        sent
    }
}

pub fn request(method: &'static str, target: &str) -> chanson_request {
    chanson_request {
        size: size_of::<chanson_request>(),
        method: text(method),
        target: text(target),
        path: NO_STR,
        headers: null(),
        header_count: 0,
        body: null(),
        body_len: 0,
    }
}

/// A pointer that goes to another thread.
pub struct Sent<T>(pub *mut T);
// SAFETY: the tests see to it.
unsafe impl<T> Send for Sent<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Sent<T> {}

impl<T> Sent<T> {
    pub const fn get(&self) -> *mut T {
        self.0
    }
}

/// What the host's pointer points to.
pub unsafe fn user<'a, T>(user: *mut c_void) -> &'a mut T {
    unsafe { &mut *user.cast() }
}

pub fn pointer<T>(to: &mut T) -> *mut c_void {
    std::ptr::from_mut(to).cast()
}

/// An upgrade request to `target`.
pub fn upgrade(target: &str) -> String {
    format!(
        "GET {target} HTTP/1.1\r\nHost: a.test\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: \
         13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

/// A text frame of a client.
pub fn frame(message: &str) -> Vec<u8> {
    let mut frame = vec![0x81];
    match message.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len => frame.extend([0xfe, (len >> 8) as u8, len as u8]),
    }
    frame.extend([0; 4]);
    frame.extend(message.as_bytes());
    frame
}

pub const NONE: *mut c_void = null_mut();
