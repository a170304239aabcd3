//! An endpoint: bytes go in and out.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use arbitrary::Unstructured;
use chanson::chanson_code::*;
use chanson::*;
use chanson_core::ws::{self, Control, Data};

use super::host::{read_bytes, read_c};
use super::hub::{THE_END, message};
use super::words::{Right, c_text, handle};
use super::{Call, check, check_stats, stats};

/// An endpoint and its sessions.
pub(super) struct Endpoint {
    pub(super) handle: *mut chanson_endpoint,
    sessions: Vec<chanson_session>,
    now: u64,
}

impl Endpoint {
    pub(super) fn new(builder: *mut chanson_builder, shape: u8) -> Self {
        let config = chanson_endpoint_config {
            max_head: 1000,
            max_headers: 12,
            max_body: 500,
            drop_newest: shape & 4 == 4,
            ..chanson_endpoint_config_default()
        };
        let mut endpoint = null_mut();
        // SAFETY: the builder is there, and so is the config.
        assert_eq!(unsafe { chanson_endpoint_new(builder, &config, &mut endpoint) }, CHANSON_OK);
        Self { handle: endpoint, sessions: Vec::new(), now: 0 }
    }

    /// A session, or what is none any more; the handle in it may be wrong.
    fn session(&self, call: &Call, other: *mut c_void) -> (chanson_session, Right) {
        let (endpoint, right) = handle(call.handle, self.handle, other);
        (chanson_session { endpoint, conn: self.conn(u16::from(call.conn)) }, right)
    }

    pub(super) fn conn(&self, number: u16) -> u64 {
        match usize::from(number).checked_rem(self.sessions.len() + 1) {
            Some(at) if at < self.sessions.len() => self.sessions[at].conn,
            _ => u64::from(number) << 32 | 1,
        }
    }

    pub(super) fn act(&mut self, call: &Call, now: u64, input: &mut Unstructured<'_>, other: *mut c_void) {
        self.now = self.now.max(now);
        let (session, right) = self.session(call, other);
        let user = usize::from(call.number) as *mut c_void;
        let mut at = 0;
        // SAFETY: the handle is right or refused, bytes are as many as said or refused, places are there.
        let code = unsafe {
            match call.what % 20 {
                0 | 1 => {
                    let peer = if call.a == 0 { null() } else { c_text(call.a) };
                    let mut session = session;
                    let code = chanson_endpoint_connect(session.endpoint, now, peer, user, &mut session);
                    if code == CHANSON_OK {
                        assert_eq!(chanson_session_user(session), user);
                        self.sessions.push(session);
                    }
                    code
                }
                2 | 3 => {
                    let head = head(call);
                    chanson_session_bytes(session, now, head.as_ptr().cast(), head.len())
                }
                4..=7 => {
                    let mut frame = Vec::new();
                    ws::data(Data::Text, message(call).as_bytes(), MASK, &mut frame);
                    chanson_session_bytes(session, now, frame.as_ptr().cast(), frame.len())
                }
                8 | 9 => {
                    let bytes = input.bytes(usize::from(call.number).min(input.len())).unwrap_or_default();
                    let frame = framed(call, bytes);
                    let len = if call.payload == 0xff { usize::MAX } else { frame.len() };
                    chanson_session_bytes(session, now, frame.as_ptr().cast(), len)
                }
                10 => chanson_session_eof(session, now),
                11 => {
                    let code = chanson_session_close(session, now);
                    if code == CHANSON_OK {
                        self.sessions.retain(|known| known.conn != session.conn);
                    }
                    code
                }
                12 if call.a % 4 == 3 => Self::transmit(session, now, call.number),
                12 => Self::send(session, now, call.number),
                13 => Self::send_pieces(session, now, usize::from(call.a)),
                14 => chanson_session_commit(session, usize::from(call.number)),
                15 => {
                    let user = chanson_session_user(session);
                    let code = chanson_session_set_user(session, user);
                    chanson_session_is_finished(session);
                    chanson_session_is_done_sending(session);
                    chanson_session_wants_bytes(session);
                    code
                }
                16 => chanson_endpoint_timeout(session.endpoint, now),
                17 => chanson_endpoint_poll_timeout(session.endpoint, &mut at),
                18 => chanson_session_advance(session, now, usize::MAX),
                _ => {
                    let mut found = session;
                    let code = chanson_endpoint_poll_writable(session.endpoint, &mut found);
                    let known = self.sessions.iter().any(|session| session.conn == found.conn);
                    assert!(code != CHANSON_OK || known, "{found:?} has gone");
                    code
                }
            }
        };
        check(code, right, call);
        // SAFETY: as above.
        read_c(unsafe { chanson_endpoint_error(session.endpoint) });
    }

    /// Some of what waits is sent, or more than that is said to be.
    unsafe fn send(session: chanson_session, now: u64, most: u16) -> chanson_code {
        let (mut data, mut len) = (null(), 0);
        // SAFETY: as in `act`.
        unsafe {
            let code = chanson_session_pending(session, &mut data, &mut len);
            if code != CHANSON_OK {
                return code;
            }
            read_bytes(data, len);
            chanson_session_advance(session, now, if most % 8 == 7 { len + 1 } else { len.min(most.into()) })
        }
    }

    /// What waits is sent a bit at a time, until the transport takes no more, fails, or says that it took more than there was.
    unsafe fn transmit(session: chanson_session, now: u64, most: u16) -> chanson_code {
        unsafe extern "C" fn send(iov: *const chanson_iovec, count: usize, left: *mut c_void) -> isize {
            assert!((1..=64).contains(&count));
            // SAFETY: as many as it says; and that is what was handed over.
            let (pieces, left) = unsafe { (std::slice::from_raw_parts(iov, count), &mut *left.cast::<u16>()) };
            pieces.iter().for_each(|piece| assert!(!read_bytes(piece.data, piece.len).is_empty()));
            *left = left.saturating_sub(1);
            match *left {
                0 => 0,
                n if n % 64 == 63 => -1,
                n if n % 64 == 62 => isize::MAX,
                n => (n % 7 + 1) as isize,
            }
        }
        let (mut left, mut next) = (most, 0);
        // SAFETY: as in `act`.
        unsafe { chanson_session_transmit(session, now, Some(send), std::ptr::from_mut(&mut left).cast(), &mut next) }
    }

    unsafe fn send_pieces(session: chanson_session, now: u64, max: usize) -> chanson_code {
        let mut pieces = [chanson_iovec { data: null(), len: 0 }; 80];
        let (mut count, mut len) = (0, 0);
        // SAFETY: as in `act`; there is room for as many as it is told.
        unsafe {
            let code = chanson_session_pending_iov(session, pieces.as_mut_ptr(), max.min(pieces.len()), &mut count);
            if code != CHANSON_OK {
                return code;
            }
            assert!(count <= max);
            for piece in &pieces[..count] {
                assert!(!read_bytes(piece.data, piece.len).is_empty());
                len += piece.len;
            }
            chanson_session_advance(session, now, len)
        }
    }

    pub(super) fn timeout(&mut self, now: u64) {
        self.now = self.now.max(now);
        let mut at = 0;
        // SAFETY: the handle is right, and the place is there.
        unsafe {
            assert_eq!(chanson_endpoint_timeout(self.handle, now), CHANSON_OK);
            match chanson_endpoint_poll_timeout(self.handle, &mut at) {
                CHANSON_OK => {
                    assert!(at > self.now || self.now > THE_END, "a timeout does not move: {at}, {}", self.now)
                }
                code => assert_eq!(code, CHANSON_EMPTY),
            }
        }
    }

    pub(super) fn check(&self) {
        check_stats(&stats(self.handle.cast()), self.sessions.len());
    }

    /// All connections close, and nothing is left.
    pub(super) fn end(&mut self, now: u64) {
        for session in std::mem::take(&mut self.sessions) {
            // SAFETY: the handle is right.
            assert_eq!(unsafe { chanson_session_close(session, now) }, CHANSON_OK);
        }
        let stats = stats(self.handle.cast());
        let left = [stats.joins, stats.topics, stats.presences, stats.tickets, stats.queued_bytes];
        assert_eq!(left, [0; 5], "all have gone: {stats:?}");
    }
}

/// A request, most of them upgrades.
fn head(call: &Call) -> String {
    let upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                   Sec-WebSocket-Version: 13\r\n";
    let target = match call.a % 6 {
        0 | 1 => "/socket/websocket?vsn=2.0.0&user=ann",
        2 => "/socket/websocket?vsn=1.0.0",
        3 => "/raw",
        4 => "/metrics",
        _ => "/else",
    };
    let headers = if call.a % 6 < 4 { upgrade } else { "" };
    let deflate = if call.b & 1 == 1 { "Sec-WebSocket-Extensions: permessage-deflate\r\n" } else { "" };
    format!("GET {target} HTTP/1.1\r\nHost: h\r\n{headers}{deflate}\r\n")
}

/// Bytes as they are, or in a frame.
fn framed(call: &Call, bytes: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    match call.a % 6 {
        0 => ws::data(Data::Text, bytes, MASK, &mut frame),
        1 => ws::data(Data::Binary, bytes, MASK, &mut frame),
        2 => ws::control(Control::Ping, &bytes[..bytes.len().min(125)], MASK, &mut frame),
        3 => ws::control(Control::Close, &bytes[..bytes.len().min(125)], MASK, &mut frame),
        _ => frame.extend_from_slice(bytes),
    }
    frame
}

const MASK: Option<[u8; 4]> = Some([1, 2, 3, 4]);
