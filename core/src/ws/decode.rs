//! Frames in, messages out: incremental, in place, in memory that grows with what came and not with what was claimed.

use std::fmt;
use std::io::Cursor;

use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

use super::control::{MAX_CONTROL, is_valid_close_code};
use super::utf8::{self, Utf8};
use super::{Role, mask};
use crate::error::PeerError;

/// A whole message or control frame, borrowed from the input or, if it came in fragments, from the decoder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
    /// A message with RSV1 set, as it came ([`Decoder::allow_rsv1`]); if it is text its UTF-8 is not checked.
    Compressed {
        /// Whether it will be text.
        text: bool,
        /// The compressed bytes.
        data: &'a [u8],
    },
    /// A ping; to be answered with a pong of the same bytes.
    Ping(&'a [u8]),
    /// A pong.
    Pong(&'a [u8]),
    /// A close frame, checked.
    Close {
        /// Its code; 1005 if it has none.
        code: u16,
        /// Its reason, often empty.
        reason: &'a str,
    },
}

/// Reads frames from a buffer that the caller keeps.
///
/// Call [`decode`](Self::decode) until it gives no item; drop the bytes that it has used; and when more have come call
/// it again with the bytes that were left (as `decode` left them: it unmasks in place) and the new ones behind.
#[derive(Debug)]
pub struct Decoder {
    fragments: Option<Box<Fragments>>,
    frame: Option<Frame>,
    max_message: u32,
    utf8: Utf8,
    role: Role,
    rsv1: bool,
}

/// The message that comes in several frames.
struct Fragments {
    bytes: Vec<u8>,
    text: bool,
    compressed: bool,
    complete: bool,
}

impl fmt::Debug for Fragments {
    /// Not the bytes: a message may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

/// The frame whose header has come.
#[derive(Clone, Copy, Debug)]
struct Frame {
    /// Payload bytes that are still to be used.
    len: u32,
    /// How many of them have come before, are unmasked and checked, and stay in the input.
    seen: u32,
    mask: Option<[u8; 4]>,
    kind: Kind,
    compressed: bool,
}

/// A frame that is whole and needs no further look.
struct Short {
    key: Option<[u8; 4]>,
    /// Where the payload begins and ends.
    header: usize,
    end: usize,
    text: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A message in one frame: stays in the input until it is whole.
    Whole {
        text: bool,
    },
    /// A part of a message: moved to the fragments as it comes.
    Part {
        last: bool,
    },
    Ping,
    Pong,
    Close,
}

impl Decoder {
    /// A decoder for what comes in to `role`. A message may have `max_message` bytes, all its fragments together; 4 GiB at
    /// most.
    pub const fn new(role: Role, max_message: usize) -> Self {
        let max_message = if max_message > u32::MAX as usize { u32::MAX } else { max_message as u32 };
        let utf8 = Utf8::new();
        Self { fragments: None, frame: None, max_message, utf8, role, rsv1: false }
    }

    /// Whether messages may have RSV1 set, that is, whether an extension that compresses was negotiated (RFC 7692). One that
    /// has may be a little longer than `max_message`, since what does not compress gets longer.
    pub const fn allow_rsv1(mut self, allowed: bool) -> Self {
        self.rsv1 = allowed;
        self
    }

    /// How many bytes a message may have.
    pub(crate) const fn max_message(&self) -> usize {
        self.max_message as usize
    }

    /// Whether it has a part of a message, or one that was handed out last.
    pub(crate) const fn has_fragments(&self) -> bool {
        self.fragments.is_some()
    }

    /// Reads on: how many bytes of `input` are used up, and the next message or control frame if it is whole.
    ///
    /// No item means that more bytes are needed. The used bytes are the caller's again when the item is dropped.
    ///
    /// # Errors
    /// The first rule that is broken; the decoder is of no use behind it.
    pub fn decode<'a>(&'a mut self, input: &'a mut [u8]) -> Result<(usize, Option<Incoming<'a>>), PeerError> {
        if self.fragments.as_ref().is_some_and(|fragments| fragments.complete) {
            self.fragments = None;
        }
        if input.is_empty() {
            return Ok((0, None));
        }
        if let Some(Short { key, header, end, text }) = self.short(input) {
            let payload = &mut input[header..end];
            if let Some(key) = key {
                mask::apply(key, 0, payload);
            }
            return Ok((end, Some(message(text, false, payload)?)));
        }
        let mut used = 0;
        let frame = loop {
            let Some(mut frame) = self.frame else {
                let Some(size) = self.begin_frame(&input[used..])? else { return Ok((used, None)) };
                used += size;
                continue;
            };
            let (len, seen) = (frame.len as usize, frame.seen as usize);
            let come = len.min(input.len() - used);
            if come < seen {
                // The caller has not kept what was left: nothing can be said until it is there again.
                return Ok((used, None));
            }
            let fresh = &mut input[used + seen..used + come];
            if let Some(key) = frame.mask {
                mask::apply(key, seen, fresh);
            }
            self.check_text(&frame, fresh)?;
            let whole = come == len;
            if let Kind::Part { last } = frame.kind {
                self.append(&mut frame, fresh);
                used += come;
                if whole {
                    self.frame = None;
                    if last {
                        self.end_fragments()?;
                        break frame;
                    }
                    continue;
                }
            } else {
                frame.seen = come as u32;
            }
            self.frame = Some(frame);
            if !whole {
                return Ok((used, None));
            }
            self.frame = None;
            break frame;
        };
        let end = used + frame.len as usize;
        let payload = &input[used..end];
        let item = match frame.kind {
            Kind::Whole { text } => message(text, frame.compressed, payload)?,
            Kind::Part { .. } => {
                let fragments = self.fragments.as_deref().expect("a part is appended to the fragments");
                message(fragments.text, fragments.compressed, &fragments.bytes)?
            }
            Kind::Ping => Incoming::Ping(payload),
            Kind::Pong => Incoming::Pong(payload),
            Kind::Close => close(payload)?,
        };
        Ok((end, Some(item)))
    }

    /// What nearly every message is: one frame of less than 64 KiB that has come whole. No rule is broken in its header; all
    /// else is for the general way, which this is a short cut through (an eighth of the instructions).
    #[inline]
    fn short(&self, input: &[u8]) -> Option<Short> {
        let (opcode, second) = (*input.first()?, *input.get(1)?);
        let text = opcode == FINAL_TEXT;
        let (len, start) = match second & 0x7f {
            LEN_16 => match u16::from_be_bytes(*input.get(2..)?.first_chunk()?) {
                // It has a shorter form, which is the one to be used.
                ..126 => return None,
                len => (usize::from(len), 4),
            },
            LEN_64 => return None,
            len => (usize::from(len), 2),
        };
        if !(text || opcode == FINAL_BINARY) || len > self.max_message as usize {
            return None;
        }
        let masked = second & 0x80 != 0;
        if masked != (self.role == Role::Server) || self.frame.is_some() || self.fragments.is_some() {
            return None;
        }
        let (key, header) = match masked {
            true => (Some(*input.get(start..)?.first_chunk()?), start + 4),
            false => (None, start),
        };
        (header + len <= input.len()).then_some(Short { key, header, end: header + len, text })
    }

    #[cfg(test)]
    pub(super) fn fragment_capacity(&self) -> usize {
        self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.capacity())
    }

    /// Reads a header, if it is whole, and checks all that can be known from it. Returns its size.
    fn begin_frame(&mut self, input: &[u8]) -> Result<Option<usize>, PeerError> {
        let mut cursor = Cursor::new(input);
        // The only error of reading from memory is an opcode that is reserved (§5.2).
        let parsed = FrameHeader::parse(&mut cursor).map_err(|_| PeerError::Protocol("reserved opcode"))?;
        let Some((header, len)) = parsed else { return Ok(None) };
        let size = cursor.position() as usize;
        self.check_header(&header, len, size)?;
        let kind = self.kind(&header)?;
        let compressed = header.rsv1 || self.fragments.as_ref().is_some_and(|fragments| fragments.compressed);
        let len = self.check_len(kind, len, compressed)?;
        if let OpCode::Data(Data::Text | Data::Binary) = header.opcode {
            let text = header.opcode == OpCode::Data(Data::Text);
            self.utf8 = Utf8::new();
            if !header.is_final {
                self.fragments = Some(Box::new(Fragments { bytes: Vec::new(), text, compressed, complete: false }));
            }
        }
        self.frame = Some(Frame { len, seen: 0, mask: header.mask, kind, compressed });
        Ok(Some(size))
    }

    /// What RFC 6455 §5.1 and §5.2 say of every header.
    fn check_header(&self, header: &FrameHeader, len: u64, size: usize) -> Result<(), PeerError> {
        let starts_message = matches!(header.opcode, OpCode::Data(Data::Text | Data::Binary));
        if header.rsv2 || header.rsv3 || (header.rsv1 && !(self.rsv1 && starts_message)) {
            return Err(PeerError::Protocol("reserved bit set"));
        }
        match (self.role, header.mask) {
            (Role::Server, None) => return Err(PeerError::Protocol("frame not masked")),
            (Role::Client, Some(_)) => return Err(PeerError::Protocol("frame masked")),
            _ => {}
        }
        if len > i64::MAX as u64 {
            return Err(PeerError::Protocol("length beyond 63 bits"));
        }
        if size != header.len(len) {
            return Err(PeerError::Protocol("length not in its shortest form"));
        }
        Ok(())
    }

    /// What RFC 6455 §5.4 and §5.5 say of fragments and control frames.
    fn kind(&self, header: &FrameHeader) -> Result<Kind, PeerError> {
        let fragmented = self.fragments.is_some();
        Ok(match header.opcode {
            OpCode::Data(Data::Continue) if fragmented => Kind::Part { last: header.is_final },
            OpCode::Data(Data::Continue) => return Err(PeerError::Protocol("nothing to continue")),
            OpCode::Data(_) if fragmented => return Err(PeerError::Protocol("message inside a message")),
            OpCode::Data(_) if !header.is_final => Kind::Part { last: false },
            OpCode::Data(data) => Kind::Whole { text: data == Data::Text },
            OpCode::Control(_) if !header.is_final => return Err(PeerError::Protocol("control frame fragmented")),
            OpCode::Control(Control::Ping) => Kind::Ping,
            OpCode::Control(Control::Pong) => Kind::Pong,
            OpCode::Control(_) => Kind::Close,
        })
    }

    /// The length, if it is allowed: nothing is reserved for one that is not, nor for one that is.
    fn check_len(&self, kind: Kind, len: u64, compressed: bool) -> Result<u32, PeerError> {
        let max = self.max_message as usize;
        let too_big = PeerError::TooBig { max };
        // The worst that zlib's compressors make of anything: zlib.h, `deflateBound`.
        let max = if compressed { max.saturating_add(max / 8 + max / 64 + 64) } else { max };
        let (before, max, error) = match kind {
            Kind::Ping | Kind::Pong | Kind::Close => (0, MAX_CONTROL, PeerError::Protocol("control frame too long")),
            Kind::Whole { .. } => (0, max, too_big),
            Kind::Part { .. } => {
                let before = self.fragments.as_ref().map_or(0, |fragments| fragments.bytes.len());
                (before, max, too_big)
            }
        };
        let room = max.saturating_sub(before);
        u32::try_from(len).ok().filter(|len| *len as usize <= room).ok_or(error)
    }

    /// Checks the UTF-8 of what has just come, except of what comes whole and is checked when it is handed out.
    fn check_text(&mut self, frame: &Frame, fresh: &[u8]) -> Result<(), PeerError> {
        let stream = match frame.kind {
            Kind::Whole { text } => text && !frame.compressed && frame.seen as usize + fresh.len() < frame.len as usize,
            Kind::Part { .. } => self.fragments.as_ref().is_some_and(|parts| parts.text && !parts.compressed),
            Kind::Ping | Kind::Pong | Kind::Close => false,
        };
        if stream { self.utf8.feed(fresh) } else { Ok(()) }
    }

    /// Moves a piece of a part to the fragments.
    fn append(&mut self, frame: &mut Frame, piece: &[u8]) {
        if let Some(fragments) = self.fragments.as_deref_mut() {
            fragments.bytes.extend_from_slice(piece);
        }
        frame.len -= piece.len() as u32;
        if let Some(key) = &mut frame.mask {
            key.rotate_left(piece.len() % 4);
        }
    }

    fn end_fragments(&mut self) -> Result<(), PeerError> {
        if let Some(fragments) = self.fragments.as_deref_mut() {
            fragments.complete = true;
            if fragments.text && !fragments.compressed && !self.utf8.is_complete() {
                return Err(PeerError::InvalidUtf8);
            }
        }
        Ok(())
    }
}

fn message(text: bool, compressed: bool, payload: &[u8]) -> Result<Incoming<'_>, PeerError> {
    match (text, compressed) {
        (text, true) => Ok(Incoming::Compressed { text, data: payload }),
        (false, false) => Ok(Incoming::Binary(payload)),
        (true, false) => utf8::text(payload).map(Incoming::Text),
    }
}

/// RFC 6455 §5.5.1: empty, or a code and a reason in UTF-8.
fn close(payload: &[u8]) -> Result<Incoming<'_>, PeerError> {
    let (code, reason) = match payload {
        [] => return Ok(Incoming::Close { code: 1005, reason: "" }),
        [_] => return Err(PeerError::Protocol("close frame of one byte")),
        [high, low, reason @ ..] => (u16::from_be_bytes([*high, *low]), reason),
    };
    if !is_valid_close_code(code) {
        return Err(PeerError::Protocol("invalid close code"));
    }
    let reason = utf8::text(reason)?;
    Ok(Incoming::Close { code, reason })
}

/// The first byte of a message in one frame (RFC 6455 §5.2): FIN, no reserved bit, and the opcode.
const FINAL_TEXT: u8 = 0x81;
const FINAL_BINARY: u8 = 0x82;

/// What the second byte says, but for the mask's bit, when the length is in the next two bytes or the next eight.
const LEN_16: u8 = 126;
const LEN_64: u8 = 127;
