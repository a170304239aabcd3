//! The client's side of HTTP and WebSocket, over plain bytes.
//!
//! It must be able to say what no proper client says, so nothing here checks what is sent. What the server sends is
//! checked: a server frame that is masked, has reserved bits or breaks the order of fragments is reported.

use std::collections::{BTreeMap, VecDeque};
use std::io::Cursor;

use flate2::{Decompress, FlushDecompress};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use crate::scenario::{Close, Frame, Request};

/// The key that this client's handshakes carry.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";

/// A WebSocket handshake.
pub fn handshake(path: &str, host: &str, headers: &[(String, String)]) -> Vec<u8> {
    let own = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Key", KEY)];
    let own = own.into_iter().chain([("Sec-WebSocket-Version", "13")]);
    let own = own.map(|(name, value)| (name.to_owned(), value.to_owned()));
    let headers = own.chain(headers.iter().cloned()).collect();
    request(&Request { method: "GET".into(), path: path.into(), headers, body: String::new() }, host)
}

/// An HTTP request.
pub fn request(request: &Request, host: &str) -> Vec<u8> {
    let Request { method, path, headers, body } = request;
    let mut bytes = format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n");
    for (name, value) in headers {
        bytes.push_str(&format!("{name}: {}\r\n", value.replace("${HOST}", host)));
    }
    format!("{bytes}\r\n{body}").into_bytes()
}

/// The accept key that belongs to a key.
pub fn accept(key: &str) -> String {
    derive_accept_key(key.as_bytes())
}

/// A proper, masked text frame.
pub fn text(payload: &str) -> Vec<u8> {
    data(1, payload.as_bytes())
}

/// A proper, masked frame of that opcode.
pub fn data(opcode: u8, payload: &[u8]) -> Vec<u8> {
    frame(&Frame { fin: true, rsv: 0, opcode, mask: true, payload: payload.to_vec() })
}

/// A close frame; `None` is one without a code.
pub fn close(close: Option<&Close>) -> Vec<u8> {
    let payload = close.map(|close| [&close.code.to_be_bytes(), close.reason.as_bytes()].concat());
    data(8, &payload.unwrap_or_default())
}

/// A frame made to measure.
pub fn frame(frame: &Frame) -> Vec<u8> {
    let mask = frame.mask.then_some([0x37, 0xfa, 0x21, 0x3d]);
    let header = FrameHeader {
        is_final: frame.fin,
        rsv1: frame.rsv & 4 != 0,
        rsv2: frame.rsv & 2 != 0,
        rsv3: frame.rsv & 1 != 0,
        opcode: OpCode::from(frame.opcode),
        mask,
    };
    let mut bytes = Vec::with_capacity(frame.payload.len() + 14);
    header.format(frame.payload.len() as u64, &mut bytes).expect("a Vec takes all that is written");
    let mask = mask.unwrap_or_default();
    bytes.extend(frame.payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}

/// The head of an HTTP response.
#[derive(Clone, Debug, Default)]
pub struct Head {
    /// Its status.
    pub status: u16,
    /// Its headers, names in lower case.
    pub headers: BTreeMap<String, String>,
}

/// Something that the server sent.
#[derive(Clone, Debug, PartialEq)]
pub enum Incoming {
    /// A whole text message.
    Text(String),
    /// A whole binary message.
    Binary(Vec<u8>),
    /// A ping.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// A close frame; `None` is one without a code.
    Close(Option<Close>),
    /// Something that a server must not send.
    Wrong(String),
}

/// Takes bytes from a server and gives what they mean.
#[derive(Debug, Default)]
pub struct Reader {
    bytes: Vec<u8>,
    ready: VecDeque<Incoming>,
    fragments: Option<(bool, Vec<u8>)>,
    open: bool,
    /// If the server has agreed to compress.
    inflate: Option<Decompress>,
}

impl Reader {
    /// Bytes came.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        if self.open {
            self.read_frames();
        }
    }

    /// The head of an HTTP response, once it is all there. What follows a head with status 101 is read as frames,
    /// what follows any other is a body and free.
    /// # Errors: what came is no HTTP.
    pub fn head(&mut self) -> Result<Option<Head>, String> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let length = match response.parse(&self.bytes).map_err(|e| e.to_string())? {
            httparse::Status::Complete(length) => length,
            httparse::Status::Partial => return Ok(None),
        };
        let header = |h: &httparse::Header<'_>| (h.name.to_lowercase(), String::from_utf8_lossy(h.value).into_owned());
        let head = Head { status: response.code.unwrap_or(0), headers: response.headers.iter().map(header).collect() };
        if head.status == 101 {
            self.bytes.drain(..length);
            self.open = true;
            self.inflate = head.headers.get("sec-websocket-extensions").map(|_| Decompress::new(false));
            self.read_frames();
        }
        Ok(Some(head))
    }

    /// The next thing that came.
    pub fn incoming(&mut self) -> Option<Incoming> {
        self.ready.pop_front()
    }

    fn read_frames(&mut self) {
        let mut at = 0;
        loop {
            match self.frame_at(at) {
                Ok(None) => break,
                Ok(Some((incoming, end))) => {
                    self.ready.extend(incoming);
                    at = end;
                }
                Err(wrong) => {
                    self.ready.push_back(Incoming::Wrong(wrong));
                    at = self.bytes.len();
                }
            }
        }
        self.bytes.drain(..at);
    }

    fn frame_at(&mut self, at: usize) -> Result<Option<(Option<Incoming>, usize)>, String> {
        let mut cursor = Cursor::new(&self.bytes[at..]);
        let Some((header, length)) = FrameHeader::parse(&mut cursor).map_err(|e| e.to_string())? else {
            return Ok(None);
        };
        let start = at + usize::try_from(cursor.position()).map_err(|e| e.to_string())?;
        let end = usize::try_from(length).ok().and_then(|n| start.checked_add(n)).ok_or("a frame without end")?;
        let Some(mut payload) = self.bytes.get(start..end).map(<[u8]>::to_vec) else { return Ok(None) };
        let wrong = || format!("a server frame with header {header:?}");
        if header.mask.is_some() || header.rsv2 || header.rsv3 {
            return Err(wrong());
        }
        if header.rsv1 {
            // No server in these tests sends what is compressed in fragments.
            let whole = header.is_final && matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
            let inflate = self.inflate.as_mut().filter(|_| whole).ok_or_else(wrong)?;
            payload = inflated(inflate, payload)?;
        }
        self.meaning(&header, payload).map(|incoming| Some((incoming, end)))
    }

    fn meaning(&mut self, header: &FrameHeader, payload: Vec<u8>) -> Result<Option<Incoming>, String> {
        match header.opcode {
            OpCode::Data(kind) => self.fragment(kind, header.is_final, payload),
            _ if !header.is_final || payload.len() > 125 => Err("a control frame too long or in fragments".into()),
            OpCode::Control(Control::Ping) => Ok(Some(Incoming::Ping(payload))),
            OpCode::Control(Control::Pong) => Ok(Some(Incoming::Pong(payload))),
            OpCode::Control(Control::Close) => close_of(payload).map(|close| Some(Incoming::Close(close))),
            OpCode::Control(Control::Reserved(opcode)) => Err(format!("opcode {opcode}")),
        }
    }

    fn fragment(&mut self, kind: Data, last: bool, payload: Vec<u8>) -> Result<Option<Incoming>, String> {
        let (text, bytes) = match (kind, self.fragments.take()) {
            (Data::Text, None) => (true, payload),
            (Data::Binary, None) => (false, payload),
            (Data::Continue, Some((text, bytes))) => (text, [bytes, payload].concat()),
            (kind, before) => return Err(format!("a {kind:?} frame with fragments before it: {}", before.is_some())),
        };
        if !last {
            self.fragments = Some((text, bytes));
            return Ok(None);
        }
        Ok(Some(if text {
            Incoming::Text(String::from_utf8(bytes).map_err(|e| e.to_string())?)
        } else {
            Incoming::Binary(bytes)
        }))
    }
}

/// RFC 7692 §7.2.2. The window goes on from message to message, which without context takeover nothing refers to.
fn inflated(inflate: &mut Decompress, mut data: Vec<u8>) -> Result<Vec<u8>, String> {
    data.extend([0, 0, 0xff, 0xff]);
    let (mut message, before) = (Vec::with_capacity(4096), inflate.total_in());
    loop {
        let at = (inflate.total_in() - before) as usize;
        inflate.decompress_vec(&data[at..], &mut message, FlushDecompress::Sync).map_err(|e| e.to_string())?;
        if message.len() < message.capacity() {
            let read = inflate.total_in() - before;
            return if read == data.len() as u64 { Ok(message) } else { Err("data that does not inflate".into()) };
        }
        message.reserve(4096);
    }
}

fn close_of(payload: Vec<u8>) -> Result<Option<Close>, String> {
    match payload.as_slice() {
        [] => Ok(None),
        [_] => Err("a close frame of one byte".into()),
        [a, b, reason @ ..] => {
            let reason = String::from_utf8(reason.to_vec()).map_err(|e| e.to_string())?;
            Ok(Some(Close { code: u16::from_be_bytes([*a, *b]), reason }))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames as a server sends them, without mask.
    fn server(fin: bool, opcode: u8, payload: &[u8]) -> Vec<u8> {
        frame(&Frame { fin, rsv: 0, opcode, mask: false, payload: payload.to_vec() })
    }

    fn opened() -> Reader {
        let mut reader = Reader::default();
        reader.feed(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n");
        assert_eq!(reader.head().unwrap().unwrap().status, 101);
        reader
    }

    #[test]
    fn frames_are_read_however_they_are_cut() {
        let bytes = [server(true, 1, b"one"), server(false, 2, b"t"), server(true, 9, b"p"), server(true, 0, b"wo")];
        let bytes = bytes.concat();
        for step in 1..bytes.len() {
            let mut reader = opened();
            bytes.chunks(step).for_each(|chunk| reader.feed(chunk));
            assert_eq!(reader.incoming(), Some(Incoming::Text("one".into())));
            assert_eq!(reader.incoming(), Some(Incoming::Ping(b"p".to_vec())));
            assert_eq!(reader.incoming(), Some(Incoming::Binary(b"two".to_vec())));
            assert_eq!(reader.incoming(), None);
        }
    }

    #[test]
    fn frames_right_behind_the_head_are_read() {
        let mut reader = Reader::default();
        let head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        reader.feed(&[head.as_slice(), &server(true, 1, b"x")].concat());
        assert_eq!(reader.incoming(), None);
        reader.head().unwrap();
        assert_eq!(reader.incoming(), Some(Incoming::Text("x".into())));
    }

    #[test]
    fn a_server_that_breaks_the_rules_is_found_out() {
        let wrong = [
            text("masked"),
            server(true, 0, b"nothing to continue"),
            server(false, 9, b""),
            server(true, 8, b"x"),
            server(true, 1, b"\xff"),
            [server(false, 1, b"a"), server(true, 1, b"b")].concat(),
        ];
        for bytes in wrong {
            let mut reader = opened();
            reader.feed(&bytes);
            let got = reader.incoming();
            assert!(matches!(got, Some(Incoming::Wrong(_))), "{got:?}");
        }
    }

    #[test]
    fn a_frame_is_written_as_asked() {
        let unmasked = Frame { fin: false, rsv: 4, opcode: 11, mask: false, payload: b"ab".to_vec() };
        assert_eq!(frame(&unmasked), [0x4b, 2, b'a', b'b']);
        assert_eq!(&close(Some(&Close { code: 1000, reason: String::new() }))[..2], [0x88, 0x82]);
        assert_eq!(&close(None)[..2], [0x88, 0x80]);
    }
}
