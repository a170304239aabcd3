//! A hub at message level: whole messages go in, outputs come out.

use std::ffi::c_void;
use std::mem::zeroed;
use std::ptr::null;

use arbitrary::Unstructured;
use chanson::chanson_code::*;
use chanson::*;

use super::host::{read_bytes, read_c, touch};
use super::words::{c_text, handle, said, text, word};
use super::{Call, check, check_stats, stats};

/// A hub and its connections.
pub(super) struct Hub {
    pub(super) handle: *mut chanson_hub,
    conns: Vec<u64>,
    /// Those that have gone: what was said to them before may still be there.
    gone: Vec<u64>,
    /// The latest time that it was told.
    now: u64,
}

impl Hub {
    pub(super) fn new(builder: *mut chanson_builder) -> Self {
        let mut hub = std::ptr::null_mut();
        // SAFETY: the builder is there.
        assert_eq!(unsafe { chanson_hub_new(builder, &mut hub) }, CHANSON_OK);
        Self { handle: hub, conns: Vec::new(), gone: Vec::new(), now: 0 }
    }

    pub(super) fn act(&mut self, call: &Call, now: u64, input: &mut Unstructured<'_>, other: *mut c_void) {
        self.now = self.now.max(now);
        let (hub, right) = handle(call.handle, self.handle, other);
        let conn = self.conn(u16::from(call.conn));
        let what = call.what % 16;
        let bytes = match what {
            7 | 8 => input.bytes(usize::from(call.number).min(input.len())).unwrap_or_default(),
            _ => &[],
        };
        let (len, raw) = match call.a {
            0xff => (usize::MAX, null()),
            0xfe => (usize::MAX, bytes.as_ptr()),
            _ => (bytes.len(), bytes.as_ptr()),
        };
        // SAFETY: an output is numbers and pointers.
        let mut output: chanson_output = unsafe { zeroed() };
        output.size = if call.b == 0xff { usize::from(call.payload) } else { size_of::<chanson_output>() };
        output.size = output.size.min(size_of::<chanson_output>());
        let request = request(call);
        let mut at = 0;
        // SAFETY: the handle is right or refused, bytes are as many as said or refused, places are there.
        let code = unsafe {
            match what {
                0 | 1 => {
                    let peer = if call.a == 0 { null() } else { c_text(call.a) };
                    let mut conn = 0;
                    let code = chanson_hub_connect(hub, now, peer, &mut conn);
                    if code == CHANSON_OK {
                        self.conns.push(conn);
                    }
                    code
                }
                2 | 3 => chanson_hub_open(hub, now, conn, &request, &mut output),
                4 => chanson_hub_request(hub, now, conn, &request, &mut output),
                5 | 6 => {
                    let message = message(call);
                    chanson_hub_text(hub, now, conn, message.as_ptr().cast(), message.len())
                }
                7 => chanson_hub_text(hub, now, conn, raw.cast(), len),
                8 => chanson_hub_binary(hub, now, conn, raw.cast(), len),
                9 => chanson_hub_alive(hub, now, conn),
                10 => {
                    let code = chanson_hub_close(hub, now, conn, call.number);
                    if code == CHANSON_OK {
                        self.conns.retain(|known| *known != conn);
                        self.gone.push(conn);
                    }
                    code
                }
                11 => chanson_hub_timeout(hub, now),
                12 => chanson_hub_poll_timeout(hub, &mut at),
                13 => return self.drain(),
                _ => {
                    let code = chanson_hub_poll_output(hub, &mut output);
                    if code == CHANSON_OK {
                        self.look(&output, None);
                    }
                    code
                }
            }
        };
        check(code, right, call);
        if matches!(what, 2..=4) && code == CHANSON_OK {
            self.look(&output, Some(conn));
        }
        // SAFETY: as above.
        read_c(unsafe { chanson_hub_error(hub.cast()) });
    }

    /// A connection, or what is none any more.
    pub(super) fn conn(&self, number: u16) -> u64 {
        match usize::from(number).checked_rem(self.conns.len() + 1) {
            Some(at) if at < self.conns.len() => self.conns[at],
            _ => u64::from(number) << 32 | 1,
        }
    }

    /// All that an output points to. What is asked of a connection is answered to it, whether it is there or not.
    fn look(&self, output: &chanson_output, asked: Option<u64>) {
        let to = match output.to_count {
            0 => &[][..],
            // SAFETY: the library lends them.
            count => unsafe { std::slice::from_raw_parts(output.to, count) },
        };
        assert!(
            to.iter().all(|conn| self.conns.contains(conn) || self.gone.contains(conn) || Some(*conn) == asked),
            "{to:?} are not all there: {:?}",
            self.conns
        );
        let frame = read_bytes(output.frame, output.frame_len);
        let message = read_bytes(output.message.data, output.message.len);
        assert!(frame.len() >= message.len());
        touch(&[output.text]);
        for at in 0..output.header_count {
            // SAFETY: the library lends as many.
            let header = unsafe { *output.headers.add(at) };
            touch(&[header.name, header.value]);
        }
        read_bytes(output.body, output.body_len);
    }

    fn drain(&self) {
        // SAFETY: an output is numbers and pointers, and the handle is right.
        unsafe {
            let mut output: chanson_output = zeroed();
            output.size = size_of::<chanson_output>();
            for _ in 0..100_000 {
                match chanson_hub_poll_output(self.handle, &mut output) {
                    CHANSON_OK => self.look(&output, None),
                    code => return assert_eq!(code, CHANSON_EMPTY),
                }
            }
        }
        panic!("there is no end of outputs");
    }

    pub(super) fn timeout(&mut self, now: u64) {
        self.now = self.now.max(now);
        let mut at = 0;
        // SAFETY: the handle is right, and the place is there.
        unsafe {
            assert_eq!(chanson_hub_timeout(self.handle, now), CHANSON_OK);
            match chanson_hub_poll_timeout(self.handle, &mut at) {
                CHANSON_OK => {
                    assert!(at > self.now || self.now > THE_END, "a timeout does not move: {at}, {}", self.now)
                }
                code => assert_eq!(code, CHANSON_EMPTY),
            }
        }
    }

    pub(super) fn check(&self) {
        check_stats(&stats(self.handle), self.conns.len());
    }

    /// All connections close, and nothing is left.
    pub(super) fn end(&mut self, now: u64) {
        for conn in std::mem::take(&mut self.conns) {
            // SAFETY: the handle is right.
            assert_eq!(unsafe { chanson_hub_close(self.handle, now, conn, 1006) }, CHANSON_OK);
        }
        let stats = stats(self.handle);
        assert_eq!([stats.joins, stats.topics, stats.presences, stats.tickets], [0; 4], "all have gone: {stats:?}");
    }
}

/// A request to one of the mounts, or elsewhere.
fn request(call: &Call) -> chanson_request {
    let targets =
        ["/socket?vsn=2.0.0&user=ann", "/socket/websocket?vsn=1.0.0", "/raw", "/metrics", "/else", "", "\u{e4}"];
    let target = targets[usize::from(call.a) % targets.len()];
    chanson_request {
        size: if call.number == 0xffff { 0 } else { size_of::<chanson_request>() },
        method: if call.payload == 0xff { text(call.b) } else { chanson_str { data: c"GET".as_ptr(), len: 3 } },
        target: chanson_str { data: target.as_ptr().cast(), len: target.len() },
        path: text(5),
        headers: null(),
        header_count: usize::from(call.number == 0xfffe),
        body: target.as_ptr().cast(),
        body_len: target.len(),
    }
}

/// What a client says, in either version.
pub(super) fn message(call: &Call) -> String {
    let (topic, event, payload) = (word(call.a), word(call.b), said(call.payload));
    let number = call.number % 8;
    match call.number % 16 {
        8.. => format!(
            r#"{{"topic":"{topic}","event":"{event}","payload":{payload},"ref":"{number}","join_ref":"{number}"}}"#
        ),
        7 => format!(r#"[null,"{number}","{topic}","{event}",{payload}]"#),
        _ => format!(r#"["1","{number}","{topic}","{event}",{payload}]"#),
    }
}

/// Behind this, in milliseconds, time stands still.
pub(super) const THE_END: u64 = (1 << 63) / 1_000_000;
