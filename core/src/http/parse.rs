//! Reading requests: the head byte by byte as it comes, so that nonsense is refused at once, then the body.

use std::fmt;

use super::body::Chunked;
use super::head::{Parts, Scan};
use super::known::{Field, Known};
use super::{Request, UpgradeError};

/// How much a request may have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of the head, beyond which the answer is 431.
    pub(crate) head: usize,
    /// Headers, beyond which the answer is 431.
    pub(crate) headers: usize,
    /// Bytes of the body, beyond which the answer is 413.
    pub(crate) body: usize,
}

/// How far a request has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Progress {
    /// More bytes are needed.
    More,
    /// More bytes are needed, and the client waits for a "100 Continue" before it sends them. Said once.
    Continue,
    /// It is whole: see [`Reader::request`].
    Complete,
}

/// Reads one request after the other from a buffer that the caller keeps.
#[derive(Default)]
pub(crate) struct Reader {
    stage: Stage,
    /// The head and the body so far, of a request with a body; one without is taken from the input as it stands.
    kept: Vec<u8>,
    scan: Scan,
    /// The length of the head.
    head_len: usize,
    facts: Facts,
}

#[derive(Debug, Default)]
enum Stage {
    #[default]
    Head,
    Length {
        left: usize,
    },
    Chunked(Chunked),
    Complete,
}

/// What of a head is needed behind it.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Whether the method is HEAD.
    pub(crate) head: bool,
    /// Whether the client speaks HTTP/1.0.
    pub(crate) http10: bool,
    /// Whether the connection may go on behind the answer.
    pub(crate) keep_alive: bool,
    /// The key of a valid WebSocket upgrade.
    pub(crate) key: Result<[u8; 24], UpgradeError>,
    /// The extensions that a WebSocket client offers.
    pub(crate) extensions: Option<Box<str>>,
    framing: Framing,
    expects_continue: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Framing {
    None,
    Length(usize),
    Chunked,
}

impl Reader {
    /// Reads on: how many bytes of `input` are used up, and how far that comes. The error is the status to answer with.
    pub(crate) fn read(&mut self, input: &[u8], limits: &Limits) -> Result<(usize, Progress), u16> {
        let mut used = 0;
        let mut waits = false;
        loop {
            let fresh = &input[used..];
            match &mut self.stage {
                Stage::Head => {
                    let found = self.scan.find_end(fresh, limits.head, limits.headers)?;
                    let Some((start, end)) = found else { return Ok((used, Progress::More)) };
                    self.begin(&fresh[start..end], fresh.len() - end, limits)?;
                    used += end;
                    waits = self.facts.expects_continue;
                }
                Stage::Length { left: 0 } => self.stage = Stage::Complete,
                Stage::Complete => return Ok((used, Progress::Complete)),
                _ if fresh.is_empty() => {
                    let progress = if waits { Progress::Continue } else { Progress::More };
                    return Ok((used, progress));
                }
                Stage::Length { left } => {
                    let piece = (*left).min(fresh.len());
                    self.kept.extend_from_slice(&fresh[..piece]);
                    *left -= piece;
                    used += piece;
                    waits = false;
                }
                Stage::Chunked(chunked) => {
                    let have = self.kept.len() - self.head_len;
                    let (piece, done) = chunked.read(fresh, &mut self.kept, have, limits.body)?;
                    used += piece;
                    waits = false;
                    if done {
                        self.stage = Stage::Complete;
                    }
                }
            }
        }
    }

    /// The whole request. `input` is what `read` was given, up to where it was used.
    pub(crate) fn request<'a>(&'a self, input: &'a [u8]) -> Request<'a> {
        let (head, body) = match self.kept.is_empty() {
            true => (&input[input.len() - self.head_len..], &[][..]),
            false => self.kept.split_at(self.head_len),
        };
        self.scan.parts().request(head, body).judged(self.facts.key.map(drop))
    }

    /// What is known of the request that is whole.
    pub(crate) fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Whether a request is whole and not yet done with.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Complete)
    }

    /// Whether the next byte to read, as long as none was used up, is the first of a request.
    pub(crate) const fn is_in_head(&self) -> bool {
        matches!(self.stage, Stage::Head)
    }

    /// Makes ready for the next request.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes the head in, behind which so many bytes have come, and chooses how the body is read.
    fn begin(&mut self, head: &[u8], behind: usize, limits: &Limits) -> Result<(), u16> {
        self.facts = facts(head, self.scan.parts())?;
        self.head_len = head.len();
        self.stage = match self.facts.framing {
            Framing::None => Stage::Complete,
            Framing::Length(len) if len > limits.body => return Err(413),
            Framing::Length(left) => Stage::Length { left },
            Framing::Chunked => Stage::Chunked(Chunked::default()),
        };
        if self.facts.framing != Framing::None {
            let body = if let Framing::Length(len) = self.facts.framing { len } else { 0 };
            self.kept.reserve(head.len() + body.min(behind));
            self.kept.extend_from_slice(head);
        }
        Ok(())
    }
}

impl fmt::Debug for Reader {
    /// Not the head and the body: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reader")
            .field("stage", &self.stage)
            .field("kept_bytes", &self.kept.len())
            .finish_non_exhaustive()
    }
}

impl Default for Facts {
    fn default() -> Self {
        Self {
            head: false,
            http10: false,
            keep_alive: false,
            key: Err(UpgradeError::NotAnUpgrade),
            extensions: None,
            framing: Framing::None,
            expects_continue: false,
        }
    }
}

/// Checks what the headers say of the message and the connection. The error is the status to answer with.
fn facts(head: &[u8], parts: &Parts) -> Result<Facts, u16> {
    let (known, http10) = (Known::of(parts.headers(head)), parts.http10);
    check_host(known.host, http10)?;
    let framing = framing(&known, http10)?;
    // RFC 9112 §9.3.
    let keep_alive = !known.connection.close && (!http10 || known.connection.keep_alive);
    // RFC 9110 §10.1.1: an HTTP/1.0 client's expectation is ignored, one that is not known is 417.
    let expects = if http10 { None } else { known.expect.first };
    if expects.is_some_and(|value| !value.eq_ignore_ascii_case(b"100-continue")) {
        return Err(417);
    }
    let method = parts.method(head);
    let extensions = if known.has_extensions { parts.request(head, &[]).offered_extensions() } else { None };
    Ok(Facts {
        head: method == b"HEAD",
        http10,
        keep_alive,
        key: known.websocket_key(method, http10, &[]),
        extensions: extensions.map(String::into_boxed_str),
        framing,
        expects_continue: expects.is_some(),
    })
}

/// RFC 9112 §3.2: one Host in HTTP/1.1, never two, and one that is a host.
fn check_host(host: Field<'_>, http10: bool) -> Result<(), u16> {
    match host {
        Field { first: Some(host), repeated: false } if is_host(host) => Ok(()),
        Field { first: None, .. } if http10 => Ok(()),
        _ => Err(400),
    }
}

/// RFC 9110 §7.2: `uri-host [":" port]`, by RFC 3986 §3.2.2 and §3.2.3. It may be empty.
fn is_host(text: &[u8]) -> bool {
    let find = |wanted| text.iter().position(|byte| *byte == wanted);
    let end = find(b']').map_or_else(|| find(b':').unwrap_or(text.len()), |bracket| bracket + 1);
    let (host, port) = text.split_at(end);
    let host = match host.strip_prefix(b"[") {
        Some(literal) => literal.strip_suffix(b"]").is_some_and(|literal| {
            !literal.is_empty() && literal.iter().all(|byte| is_name_byte(*byte) || *byte == b':')
        }),
        None => host.iter().copied().all(is_name_byte),
    };
    let digits = port.strip_prefix(b":").unwrap_or(port);
    host && (port.is_empty() || port.len() > digits.len()) && digits.iter().all(u8::is_ascii_digit)
}

/// RFC 3986 §3.2.2: what the name of a host is made of; percent escapes are not looked into.
#[inline]
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

/// RFC 9112 §6.3, with every case refused in which two readers could see two lengths (§11.2).
fn framing(known: &Known<'_>, http10: bool) -> Result<Framing, u16> {
    if known.length.repeated || known.coding.repeated {
        return Err(400);
    }
    match (known.length.first, known.coding.first) {
        (None, None) => Ok(Framing::None),
        (Some(length), None) => {
            let digits = !length.is_empty() && length.iter().all(u8::is_ascii_digit);
            let length = str::from_utf8(length).ok().filter(|_| digits);
            length.and_then(|length| length.parse().ok()).map(Framing::Length).ok_or(400)
        }
        (None, Some(coding)) if !http10 && coding.eq_ignore_ascii_case(b"chunked") => Ok(Framing::Chunked),
        _ => Err(400),
    }
}
