//! Reading requests: the head byte by byte as it comes, so that nonsense is refused at once, then the body.

use std::fmt;

use super::body::Chunked;
use super::{Request, UpgradeError, is_token, is_token_byte};

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
    /// The length of the head.
    head_len: usize,
    /// How many headers it has.
    headers: usize,
    facts: Facts,
}

#[derive(Debug)]
enum Stage {
    Head(Scan),
    Length { left: usize },
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
    pub(crate) key: Result<String, UpgradeError>,
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
                Stage::Head(scan) => {
                    let Some(end) = scan.find_end(fresh, limits)? else { return Ok((used, Progress::More)) };
                    let start = scan.start;
                    self.headers = scan.headers();
                    self.begin(&fresh[start..end], limits)?;
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
        let upgrade = self.facts.key.as_ref().map(drop).map_err(|error| *error);
        parse(head, body, self.headers).expect("the same head was parsed when it had come").judged(upgrade)
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
        matches!(self.stage, Stage::Head(_))
    }

    /// Makes ready for the next request.
    pub(crate) fn reset(&mut self) {
        *self = Self::default();
    }

    /// Takes the head in and chooses how the body is read.
    fn begin(&mut self, head: &[u8], limits: &Limits) -> Result<(), u16> {
        let request = parse(head, &[], self.headers)?;
        self.facts = facts(&request)?;
        self.head_len = head.len();
        self.stage = match self.facts.framing {
            Framing::None => Stage::Complete,
            Framing::Length(len) if len > limits.body => return Err(413),
            Framing::Length(left) => Stage::Length { left },
            Framing::Chunked => Stage::Chunked(Chunked::default()),
        };
        if self.facts.framing != Framing::None {
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

impl Default for Stage {
    fn default() -> Self {
        Self::Head(Scan::default())
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

/// Looks for the end of the head and checks its raw lines: httparse is lenient about line ends.
#[derive(Debug, Default)]
struct Scan {
    /// Where the request line begins: behind an empty line that is ignored (RFC 9112 §2.2).
    start: usize,
    /// The bytes before this are checked.
    at: usize,
    /// Where the line begins that `at` is in.
    line: usize,
    /// How many lines have ended.
    lines: usize,
}

impl Scan {
    /// Where the head ends, if it has all come. `input` begins where it did before.
    fn find_end(&mut self, input: &[u8], limits: &Limits) -> Result<Option<usize>, u16> {
        loop {
            let behind_cr = self.at > 0 && input[self.at - 1] == b'\r';
            if !behind_cr && self.at > self.start {
                let limit = self.start.saturating_add(limits.head).min(input.len());
                self.at += text_len(&input[self.at..limit]);
                if self.at - self.start >= limits.head {
                    return Err(431);
                }
            }
            let Some(&byte) = input.get(self.at) else { return Ok(None) };
            match byte {
                // RFC 9112 §2.2: a line ends in CRLF; a bare CR or LF is where readers differ.
                b'\n' if !behind_cr => return Err(400),
                _ if behind_cr && byte != b'\n' => return Err(400),
                b'\n' => {
                    let line = &input[self.line..self.at - 1];
                    self.line = self.at + 1;
                    if line.is_empty() && self.lines > 0 {
                        return Ok(Some(self.at + 1));
                    }
                    self.end_line(line, limits)?;
                }
                b'\r' | b'\t' => {}
                _ if byte.is_ascii_control() => return Err(400),
                // A method begins with a letter or the like: a TLS hello is known by its first byte.
                _ if self.at == self.start && !is_token_byte(byte) => return Err(400),
                _ => {}
            }
            self.at += 1;
            if self.at - self.start >= limits.head {
                return Err(431);
            }
        }
    }

    /// How many headers a whole head has.
    const fn headers(&self) -> usize {
        self.lines.saturating_sub(1)
    }

    fn end_line(&mut self, line: &[u8], limits: &Limits) -> Result<(), u16> {
        if line.is_empty() {
            // One empty line before the request is ignored, no more.
            self.start = self.line;
            return if self.start == 2 { Ok(()) } else { Err(400) };
        }
        if self.lines == 0 {
            check_request_line(line)?
        } else {
            check_header_line(line)?
        }
        self.lines += 1;
        if self.lines > limits.headers.saturating_add(1) { Err(431) } else { Ok(()) }
    }
}

/// How many bytes at the front are no control characters.
fn text_len(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some((block, behind)) = rest.split_first_chunk::<16>() {
        // Without a way out of the loop it is one for vector instructions.
        if block.iter().fold(false, |found, byte| found | byte.is_ascii_control()) {
            break;
        }
        rest = behind;
    }
    bytes.len() - rest.len() + rest.iter().position(u8::is_ascii_control).unwrap_or(rest.len())
}

/// RFC 9112 §3: three parts, one space between them.
fn check_request_line(line: &[u8]) -> Result<(), u16> {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) = (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(400);
    };
    if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
        return Err(400);
    }
    match version {
        b"HTTP/1.1" | b"HTTP/1.0" => Ok(()),
        [b'H', b'T', b'T', b'P', b'/', major, b'.', minor] if major.is_ascii_digit() && minor.is_ascii_digit() => {
            Err(505)
        }
        _ => Err(400),
    }
}

/// RFC 9112 §5: a token, a colon, a value. No white space before the colon (§5.1), no folded line (§5.2).
fn check_header_line(line: &[u8]) -> Result<(), u16> {
    match line.iter().position(|byte| *byte == b':') {
        Some(colon) if is_token(&line[..colon]) => Ok(()),
        _ => Err(400),
    }
}

/// The request that a head is, by httparse. [`Scan`] has passed it.
fn parse<'a>(head: &'a [u8], body: &'a [u8], headers: usize) -> Result<Request<'a>, u16> {
    let mut headers = vec![httparse::EMPTY_HEADER; headers];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(len)) if len == head.len() => {}
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        _ => return Err(400),
    }
    let (Some(method), Some(target), Some(version)) = (parsed.method, parsed.path, parsed.version) else {
        return Err(400);
    };
    let headers = parsed.headers.iter().map(|header| (header.name, trim(header.value))).collect();
    Ok(Request::from_parts((method, target), headers, body, version == 0))
}

/// Without the white space around a value (RFC 9112 §5.1).
fn trim(value: &[u8]) -> &[u8] {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t');
    let start = value.iter().position(|byte| !is_space(byte)).unwrap_or(value.len());
    let end = value.iter().rposition(|byte| !is_space(byte)).map_or(start, |last| last + 1);
    &value[start..end]
}

/// Checks what the headers say of the message and the connection. The error is the status to answer with.
fn facts(request: &Request<'_>) -> Result<Facts, u16> {
    let http10 = request.is_http10();
    check_host(request, http10)?;
    let framing = framing(request, http10)?;
    let has = |token| request.tokens("connection").any(|found| found.eq_ignore_ascii_case(token));
    // RFC 9112 §9.3.
    let keep_alive = !has("close") && (!http10 || has("keep-alive"));
    // RFC 9110 §10.1.1: an HTTP/1.0 client's expectation is ignored, one that is not known is 417.
    let expects = if http10 { None } else { request.header("expect") };
    if expects.is_some_and(|value| !value.eq_ignore_ascii_case("100-continue")) {
        return Err(417);
    }
    Ok(Facts {
        head: request.method() == "HEAD",
        http10,
        keep_alive,
        key: request.websocket_key().map(str::to_owned),
        extensions: request.offered_extensions().map(String::into_boxed_str),
        framing,
        expects_continue: expects.is_some(),
    })
}

/// RFC 9112 §3.2: one Host in HTTP/1.1, never two, and one that is a host.
fn check_host(request: &Request<'_>, http10: bool) -> Result<(), u16> {
    let mut hosts = request.all("host");
    match (hosts.next(), hosts.next()) {
        (Some(host), None) if is_host(host) => Ok(()),
        (None, None) if http10 => Ok(()),
        _ => Err(400),
    }
}

/// RFC 9110 §7.2: `uri-host [":" port]`, by RFC 3986 §3.2.2 and §3.2.3. It may be empty.
fn is_host(text: &str) -> bool {
    let end = text.find(']').map_or_else(|| text.find(':').unwrap_or(text.len()), |bracket| bracket + 1);
    let (host, port) = text.split_at(end);
    let host = match host.strip_prefix('[') {
        Some(literal) => literal.strip_suffix(']').is_some_and(|literal| {
            !literal.is_empty() && literal.bytes().all(|byte| is_name_byte(byte) || byte == b':')
        }),
        None => host.bytes().all(is_name_byte),
    };
    let digits = port.strip_prefix(':').unwrap_or(port);
    host && (port.is_empty() || port.len() > digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// RFC 3986 §3.2.2: what the name of a host is made of; percent escapes are not looked into.
const fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.' | b'_' | b'~' | b'%' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b';' | b'='
        )
}

/// RFC 9112 §6.3, with every case refused in which two readers could see two lengths (§11.2).
fn framing(request: &Request<'_>, http10: bool) -> Result<Framing, u16> {
    let mut lengths = request.all("content-length");
    let mut codings = request.all("transfer-encoding");
    match (lengths.next(), lengths.next(), codings.next(), codings.next()) {
        (None, None, None, None) => Ok(Framing::None),
        (Some(length), None, None, None) => {
            if length.is_empty() || !length.bytes().all(|byte| byte.is_ascii_digit()) {
                return Err(400);
            }
            length.parse().map(Framing::Length).map_err(|_| 400)
        }
        (None, None, Some(coding), None) if !http10 && coding.eq_ignore_ascii_case("chunked") => Ok(Framing::Chunked),
        _ => Err(400),
    }
}
