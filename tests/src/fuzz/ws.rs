//! WebSocket frames, read by a decoder in pieces and by a plain one from the RFC: both say the same.

use chanson_core::error::PeerError;
use chanson_core::ws::{self, Control, Data, Decoder, Incoming, Role};

use super::variant;

/// What comes in to a server: masked frames.
pub fn ws_server(data: &[u8]) {
    ws(Role::Server, data);
}

/// What comes in to a client: frames without a mask.
pub fn ws_client(data: &[u8]) {
    ws(Role::Client, data);
}

/// The first byte chooses limits and pieces, the rest are frames.
fn ws(role: Role, data: &[u8]) {
    let Some((choice, bytes)) = variant(data) else { return };
    let max = [0, 125, 300, 70_000][usize::from(choice & 3)];
    let rsv1 = choice & 4 != 0;
    let piece = [1, 2, 3, 7, 64, 1000][usize::from(choice >> 3) % 6];
    let decode = |piece| play(Decoder::new(role, max).allow_rsv1(rsv1), bytes, piece);

    let plain = Plain { role, max, rsv1 }.read(bytes);
    let whole = decode(usize::MAX);
    assert_eq!(whole.items, plain.items);
    assert_eq!(whole.error.map(PeerError::code), plain.error);
    assert_eq!(decode(piece), whole, "in pieces of {piece}");

    let written = whole.items.iter().map(|item| item.write(role)).collect::<Option<Vec<_>>>();
    if let Some(written) = written {
        let again = play(Decoder::new(role, max), &written.concat(), usize::MAX);
        assert_eq!(again, Played { items: whole.items, error: None }, "read, written and read");
    }
}

/// A message or control frame of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    Binary(Vec<u8>),
    Compressed(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
}

impl Item {
    fn new(incoming: Incoming<'_>) -> Self {
        match incoming {
            Incoming::Text(text) => Self::Text(text.into()),
            Incoming::Binary(data) => Self::Binary(data.into()),
            Incoming::Compressed { text, data } => Self::Compressed(text, data.into()),
            Incoming::Ping(data) => Self::Ping(data.into()),
            Incoming::Pong(data) => Self::Pong(data.into()),
            Incoming::Close { code, reason } => Self::Close(code, reason.into()),
            incoming => panic!("unknown: {incoming:?}"),
        }
    }

    /// As a frame to `role`; nobody writes compressed ones.
    fn write(&self, role: Role) -> Option<Vec<u8>> {
        let mask = (role == Role::Server).then_some([0x3c, 0, 0xff, 0x51]);
        let mut out = Vec::new();
        match self {
            Self::Text(text) => ws::data(Data::Text, text.as_bytes(), mask, &mut out),
            Self::Binary(data) => ws::data(Data::Binary, data, mask, &mut out),
            Self::Compressed(..) => return None,
            Self::Ping(data) => ws::control(Control::Ping, data, mask, &mut out),
            Self::Pong(data) => ws::control(Control::Pong, data, mask, &mut out),
            Self::Close(code, reason) => ws::close(*code, reason, mask, &mut out),
        }
        Some(out)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Played {
    items: Vec<Item>,
    error: Option<PeerError>,
}

/// What the decoder makes of the bytes when they come so many at a time.
fn play(mut decoder: Decoder, bytes: &[u8], piece: usize) -> Played {
    let (mut items, mut input) = (Vec::new(), Vec::new());
    for piece in bytes.chunks(piece) {
        input.extend_from_slice(piece);
        let mut start = 0;
        loop {
            match decoder.decode(&mut input[start..]) {
                Ok((used, item)) => {
                    let more = item.is_some();
                    items.extend(item.map(Item::new));
                    start += used;
                    if !more {
                        break;
                    }
                }
                Err(error) => return Played { items, error: Some(error) },
            }
        }
        input.drain(..start);
    }
    Played { items, error: None }
}

/// A reader of the whole input, without any state but what the RFC says.
struct Plain {
    role: Role,
    max: usize,
    rsv1: bool,
}

#[derive(Default)]
struct Read {
    items: Vec<Item>,
    /// The close code.
    error: Option<u16>,
}

impl Plain {
    fn read(&self, input: &[u8]) -> Read {
        let mut read = Read::default();
        if let Err(code) = self.frames(input, &mut read.items) {
            read.error = Some(code);
        }
        read
    }

    fn frames(&self, mut input: &[u8], items: &mut Vec<Item>) -> Result<(), u16> {
        // Opcode, whether compressed, and what has come of a message in fragments.
        let mut message: Option<(u8, bool, Vec<u8>)> = None;
        while let Some((header, rest)) = Header::read(input) {
            let Header { fin, rsv, opcode, mask, len, shortest } = header;
            let starts = opcode == 1 || opcode == 2;
            let rsv1_ok = self.rsv1 && starts;
            let masked = mask.is_some();
            if !matches!(opcode, 0..=2 | 8..=10)
                || rsv & 3 != 0
                || rsv == 4 && !rsv1_ok
                || masked != (self.role == Role::Server)
                || !shortest
                || len > i64::MAX as u64
                || opcode >= 8 && (!fin || len > 125)
                || starts && message.is_some()
                || opcode == 0 && message.is_none()
            {
                return Err(1002);
            }
            let before = message.as_ref().filter(|_| opcode == 0).map_or(0, |(_, _, bytes)| bytes.len());
            // What is compressed may have got longer by as much as zlib's compressors make it at worst.
            let compressed = rsv == 4 || message.as_ref().is_some_and(|(_, compressed, _)| *compressed);
            let max = if compressed { self.max + self.max / 8 + self.max / 64 + 64 } else { self.max };
            if opcode < 8 && len > (max - before.min(max)) as u64 {
                return Err(1009);
            }
            let come = rest.len().min(usize::try_from(len).unwrap_or(usize::MAX));
            let key = mask.unwrap_or_default();
            let payload: Vec<u8> = rest[..come].iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key).collect();
            let whole = come as u64 == len;
            input = &rest[come..];
            if opcode >= 8 {
                if whole {
                    items.push(control(opcode, payload)?);
                    continue;
                }
                return Ok(());
            }
            let (kind, compressed, mut bytes) =
                if starts { (opcode, rsv == 4, Vec::new()) } else { message.take().ok_or(1002_u16)? };
            bytes.extend_from_slice(&payload);
            let complete = fin && whole;
            if kind == 1 && !compressed {
                match std::str::from_utf8(&bytes) {
                    Err(error) if complete || error.error_len().is_some() => return Err(1007),
                    _ => {}
                }
            }
            if !whole {
                return Ok(());
            }
            match (fin, compressed, kind) {
                (false, ..) => message = Some((kind, compressed, bytes)),
                (true, true, _) => items.push(Item::Compressed(kind == 1, bytes)),
                (true, false, 1) => items.push(Item::Text(String::from_utf8(bytes).map_err(|_| 1007_u16)?)),
                (true, false, _) => items.push(Item::Binary(bytes)),
            }
        }
        Ok(())
    }
}

fn control(opcode: u8, payload: Vec<u8>) -> Result<Item, u16> {
    match opcode {
        9 => return Ok(Item::Ping(payload)),
        10 => return Ok(Item::Pong(payload)),
        _ => {}
    }
    let [high, low, reason @ ..] = &*payload else {
        return if payload.is_empty() { Ok(Item::Close(1005, String::new())) } else { Err(1002) };
    };
    let code = u16::from_be_bytes([*high, *low]);
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(1002);
    }
    let reason = std::str::from_utf8(reason).map_err(|_| 1007_u16)?;
    Ok(Item::Close(code, reason.into()))
}

struct Header {
    fin: bool,
    rsv: u8,
    opcode: u8,
    mask: Option<[u8; 4]>,
    len: u64,
    shortest: bool,
}

impl Header {
    /// The header and what stands behind it; `None` if it is not whole.
    fn read(input: &[u8]) -> Option<(Self, &[u8])> {
        let ([first, second], mut rest) = input.split_first_chunk()?;
        let (len, shortest) = match second & 0x7f {
            126 => {
                let (len, behind) = rest.split_first_chunk()?;
                rest = behind;
                let len = u64::from(u16::from_be_bytes(*len));
                (len, len > 125)
            }
            127 => {
                let (len, behind) = rest.split_first_chunk()?;
                rest = behind;
                let len = u64::from_be_bytes(*len);
                (len, len > 0xffff)
            }
            len => (u64::from(len), true),
        };
        let mut mask = None;
        if second & 0x80 != 0 {
            let (key, behind) = rest.split_first_chunk()?;
            (mask, rest) = (Some(*key), behind);
        }
        Some((Self { fin: first & 0x80 != 0, rsv: first >> 4 & 7, opcode: first & 15, mask, len, shortest }, rest))
    }
}
