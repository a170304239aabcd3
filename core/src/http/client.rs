//! The client's side of the upgrade: the request is written, the head of the response is read and checked.

use std::fmt;
use std::io::Write as _;

use data_encoding::BASE64;

use super::{Extension, HeaderError, extensions, is_token};
use crate::error::HandshakeError;

/// The WebSocket upgrade that a client asks for (RFC 6455 §4.1): where, with which headers and subprotocols.
///
/// ```
/// use chanson_core::http::Upgrade;
///
/// let upgrade = Upgrade::new("example.org", "/socket/websocket?vsn=2.0.0")?
///     .header("Authorization", "Bearer abc")?
///     .protocol("phoenix")?;
/// assert_eq!(upgrade.target(), "/socket/websocket?vsn=2.0.0");
/// # Ok::<(), chanson_core::http::HeaderError>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
pub struct Upgrade {
    host: Box<str>,
    target: Box<str>,
    headers: Vec<(Box<str>, Box<str>)>,
    protocols: Vec<Box<str>>,
    /// Extensions to offer.
    pub(crate) extensions: Option<Box<str>>,
}

impl Upgrade {
    /// An upgrade of `target` (path and query, raw) at `host` (with its port if that is not the usual one).
    ///
    /// # Errors
    /// [`HeaderError::Value`] when either is empty or holds white space, control or non-ASCII characters, or the target
    /// does not begin with a slash.
    pub fn new(host: &str, target: &str) -> Result<Self, HeaderError> {
        let is_visible = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        if !is_visible(host) || !is_visible(target) || !target.starts_with('/') {
            return Err(HeaderError::Value);
        }
        let (host, target) = (host.into(), target.into());
        Ok(Self { host, target, headers: Vec::new(), protocols: Vec::new(), extensions: None })
    }

    /// With another header.
    ///
    /// # Errors
    /// The name is no token, the value holds control characters, or the header is one that the upgrade itself writes or
    /// that would give the request a body.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        Self::check_header(name, value)?;
        self.headers.push((name.into(), value.into()));
        Ok(self)
    }

    /// Whether [`header`](Self::header) takes it.
    pub(crate) fn check_header(name: &str, value: &str) -> Result<(), HeaderError> {
        if !is_token(name.as_bytes()) {
            return Err(HeaderError::Name);
        }
        let lower = name.to_ascii_lowercase();
        if RESERVED.contains(&&*lower) || lower.starts_with("sec-websocket-") {
            return Err(HeaderError::Reserved);
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(HeaderError::Value);
        }
        Ok(())
    }

    /// With another subprotocol to choose from.
    ///
    /// # Errors
    /// [`HeaderError::Value`] when it is no token. (A `/`, which phoenix.js may have in its auth token, is let pass.)
    pub fn protocol(mut self, name: &str) -> Result<Self, HeaderError> {
        if !is_token(name.replace('/', "").as_bytes()) {
            return Err(HeaderError::Value);
        }
        self.protocols.push(name.into());
        Ok(self)
    }

    /// Path and query.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The request with this nonce as its key, and the accept key that answers it.
    pub(crate) fn encode(&self, nonce: [u8; 16]) -> (Vec<u8>, String) {
        let key = BASE64.encode(&nonce);
        let mut out = Vec::with_capacity(256);
        // Writing to a Vec does not fail.
        let _ = write!(
            out,
            "GET {} HTTP/1.1\r\nHost: {}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n",
            self.target, self.host
        );
        if !self.protocols.is_empty() {
            let _ = write!(out, "Sec-WebSocket-Protocol: {}\r\n", self.protocols.join(","));
        }
        if let Some(extensions) = &self.extensions {
            let _ = write!(out, "Sec-WebSocket-Extensions: {extensions}\r\n");
        }
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        out.extend_from_slice(b"\r\n");
        (out, tungstenite::handshake::derive_accept_key(key.as_bytes()))
    }

    fn offers(&self, protocol: &str) -> bool {
        self.protocols.iter().any(|offered| **offered == *protocol)
    }
}

impl fmt::Debug for Upgrade {
    /// Says where and nothing more: a query, headers and subprotocols may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split('?').next().unwrap_or_default();
        write!(f, "Upgrade({}{path})", self.host)
    }
}

/// An upgrade on its way: what it waits for.
#[derive(Debug)]
pub(crate) struct Handshake {
    upgrade: Upgrade,
    accept: String,
    /// So many bytes of the input hold no end of a head.
    scanned: usize,
}

impl Handshake {
    /// The handshake, and the request that begins it.
    pub(crate) fn new(upgrade: Upgrade, nonce: [u8; 16]) -> (Self, Vec<u8>) {
        let (request, accept) = upgrade.encode(nonce);
        (Self { upgrade, accept, scanned: 0 }, request)
    }

    /// Reads on: the length of the final response's head, if it has all come. `input` begins where it did before, and has
    /// interim responses (RFC 9110 §15.2) taken out by `skip`.
    pub(crate) fn read(&mut self, input: &[u8], max_head: usize) -> Result<Option<usize>, HandshakeError> {
        let begun = input.len().min(MAGIC.len());
        if input[..begun] != MAGIC[..begun] {
            return Err(HandshakeError::Malformed);
        }
        let from = self.scanned.saturating_sub(3);
        match input[from..].windows(4).position(|window| window == b"\r\n\r\n") {
            Some(at) if from + at + 4 <= max_head => {
                self.scanned = 0;
                Ok(Some(from + at + 4))
            }
            None if input.len() < max_head => {
                self.scanned = input.len();
                Ok(None)
            }
            _ => Err(HandshakeError::TooLarge),
        }
    }

    /// Whether the server has agreed, as RFC 6455 §4.1 has it ("Once the client's opening handshake has been sent"), and
    /// to which subprotocol; which extensions it has chosen of those offered is for the caller to look at. One of those that were offered has to be chosen, as browsers demand.
    /// Source: <https://websockets.spec.whatwg.org/> "establish a WebSocket connection" (2026-08), step 11.
    pub(crate) fn check<'a>(&self, head: &Head<'a>) -> Result<Option<&'a str>, HandshakeError> {
        match head.status {
            101 => {}
            status @ 300..=399 => return Err(HandshakeError::Redirect(status)),
            status => return Err(HandshakeError::Status(status)),
        }
        let has = |name, token| head.tokens(name).any(|found: &str| found.eq_ignore_ascii_case(token));
        if !has("upgrade", "websocket") || !has("connection", "upgrade") {
            return Err(HandshakeError::NotUpgraded);
        }
        if only(head.all("sec-websocket-accept")) != Some(&*self.accept) {
            return Err(HandshakeError::Accept);
        }
        if self.upgrade.extensions.is_none() && head.tokens("sec-websocket-extensions").next().is_some() {
            return Err(HandshakeError::Extension);
        }
        let mut chosen = head.all("sec-websocket-protocol");
        match (chosen.next(), chosen.next()) {
            (None, _) if self.upgrade.protocols.is_empty() => Ok(None),
            (Some(protocol), None) if self.upgrade.offers(protocol) => Ok(Some(protocol)),
            _ => Err(HandshakeError::Protocol),
        }
    }
}

/// The head of a response, borrowed from the bytes it came in.
#[derive(Clone)]
pub struct Head<'a> {
    status: u16,
    headers: Vec<(&'a str, &'a [u8])>,
}

impl fmt::Debug for Head<'_> {
    /// Not the headers: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let headers = self.headers.len();
        f.debug_struct("Head").field("status", &self.status).field("headers", &headers).finish_non_exhaustive()
    }
}

impl<'a> Head<'a> {
    /// The head that these bytes are, up to and with the empty line.
    pub(crate) fn parse(bytes: &'a [u8], max_headers: usize) -> Result<Self, HandshakeError> {
        let mut headers = vec![httparse::EMPTY_HEADER; max_headers];
        let mut parsed = httparse::Response::new(&mut headers);
        match parsed.parse(bytes) {
            Ok(httparse::Status::Complete(len)) if len == bytes.len() => {}
            Err(httparse::Error::TooManyHeaders) => return Err(HandshakeError::TooLarge),
            _ => return Err(HandshakeError::Malformed),
        }
        let status = parsed.code.filter(|status| *status >= 100).ok_or(HandshakeError::Malformed)?;
        let headers = parsed.headers.iter().map(|header| (header.name, header.value.trim_ascii())).collect();
        Ok(Self { status, headers })
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The first header of that name, whatever its case. A value that is not UTF-8 shows as U+FFFD.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// The extensions that the server has chosen, all headers as one list; nothing if that is malformed.
    pub(crate) fn extensions(&self) -> Option<Vec<Extension<'a>>> {
        let lists = self.all("sec-websocket-extensions").map(extensions).collect::<Option<Vec<_>>>()?;
        Some(lists.concat())
    }

    /// Whether another head follows: 100 to 199, but for 101 (RFC 9110 §15.2).
    pub(crate) const fn is_interim(&self) -> bool {
        self.status < 200 && self.status != 101
    }

    fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| std::str::from_utf8(value).unwrap_or("\u{fffd}"))
    }

    fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name).flat_map(|value| value.split(',')).map(str::trim_ascii).filter(|token| !token.is_empty())
    }
}

/// The one item, if it is one.
fn only<T>(mut items: impl Iterator<Item = T>) -> Option<T> {
    items.next().filter(|_| items.next().is_none())
}

/// What every response begins with; HTTP/1.0 knows no upgrade.
const MAGIC: &[u8] = b"HTTP/1.1 ";

/// Headers that the upgrade writes itself (and all of `Sec-WebSocket-*`), or that a request without a body cannot have.
const RESERVED: [&str; 6] = ["host", "connection", "upgrade", "content-length", "transfer-encoding", "expect"];

#[cfg(test)]
mod tests {
    use super::*;

    fn handshake(protocols: &[&str]) -> (Handshake, String) {
        let upgrade =
            protocols.iter().try_fold(Upgrade::new("h", "/s").unwrap(), |upgrade, name| upgrade.protocol(name));
        let (handshake, request) = Handshake::new(upgrade.unwrap(), *b"the sample nonce");
        (handshake, String::from_utf8(request).unwrap())
    }

    fn check(protocols: &[&str], head: &str) -> Result<Option<String>, HandshakeError> {
        let (mut handshake, _) = handshake(protocols);
        let accept = format!("Sec-WebSocket-Accept: {ACCEPT}");
        let head = head.replace("ACCEPT", &accept).replace('|', "\r\n") + "\r\n\r\n";
        assert_eq!(handshake.read(head.as_bytes(), 8192)?, Some(head.len()));
        let head = Head::parse(head.as_bytes(), 64)?;
        handshake.check(&head).map(|protocol| protocol.map(str::to_owned))
    }

    /// The answer to the nonce of RFC 6455 §1.3.
    const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
    const OK: &str = "HTTP/1.1 101 Switching Protocols|Upgrade: WebSocket|Connection: keep-alive, upgrade|ACCEPT";

    #[test]
    fn the_request_is_that_of_the_rfc() {
        let (handshake, request) = handshake(&["phoenix", "base64url.bearer.phx.a/b+c"]);
        assert_eq!(handshake.accept, ACCEPT);
        assert_eq!(
            request,
            "GET /s HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
             Sec-WebSocket-Protocol: phoenix,base64url.bearer.phx.a/b+c\r\n\r\n"
        );
    }

    #[test]
    fn an_answer_is_checked_in_every_point() {
        assert_eq!(check(&[], OK), Ok(None));
        assert_eq!(check(&["a"], &format!("{OK}|Sec-WebSocket-Protocol: a")), Ok(Some("a".to_owned())));
        for (head, error) in [
            ("HTTP/1.1 403 Forbidden".to_owned(), HandshakeError::Status(403)),
            ("HTTP/1.1 200 OK".to_owned(), HandshakeError::Status(200)),
            ("HTTP/1.1 302 Found|Location: /elsewhere".to_owned(), HandshakeError::Redirect(302)),
            (OK.replace("Upgrade: WebSocket", "Upgrade: h2c"), HandshakeError::NotUpgraded),
            (OK.replace(", upgrade", ""), HandshakeError::NotUpgraded),
            (OK.replace("|ACCEPT", ""), HandshakeError::Accept),
            (OK.replace("ACCEPT", "ACCEPT|ACCEPT"), HandshakeError::Accept),
            (OK.replace("ACCEPT", "Sec-WebSocket-Accept: s3pplmbitxaq9kygzzhzrbk+xoo="), HandshakeError::Accept),
            (format!("{OK}|Sec-WebSocket-Extensions: permessage-deflate"), HandshakeError::Extension),
            (format!("{OK}|Sec-WebSocket-Protocol: b"), HandshakeError::Protocol),
            ("HTTP/1.1 101 ok|no colon".to_owned(), HandshakeError::Malformed),
            ("HTTP/1.0 101 ok".to_owned(), HandshakeError::Malformed),
            ("SSH-2.0-OpenSSH".to_owned(), HandshakeError::Malformed),
            ("HTTP/1.1 101 ok".to_owned() + &"|a: b".repeat(65), HandshakeError::TooLarge),
        ] {
            assert_eq!(check(&[], &head), Err(error), "{head}");
        }
        assert_eq!(check(&["a"], OK), Err(HandshakeError::Protocol), "offered, and none chosen");
    }

    #[test]
    fn a_head_that_comes_byte_by_byte_is_found() {
        let (mut handshake, _) = handshake(&[]);
        let bytes = b"HTTP/1.1 101 ok\r\na: b\r\n\r\nframes";
        for end in 0..25 {
            assert_eq!(handshake.read(&bytes[..end], 100), Ok(None));
        }
        assert_eq!(handshake.read(bytes, 100), Ok(Some(25)));
        assert_eq!(handshake.read(&bytes[..24], 24), Err(HandshakeError::TooLarge));
    }

    #[test]
    fn headers_that_would_break_the_request_are_refused() {
        let upgrade = || Upgrade::new("h", "/").unwrap();
        assert_eq!(upgrade().header("a b", ""), Err(HeaderError::Name));
        assert_eq!(upgrade().header("a", "b\r\nc: d"), Err(HeaderError::Value));
        for name in ["Host", "sec-websocket-key", "Transfer-Encoding"] {
            assert_eq!(upgrade().header(name, ""), Err(HeaderError::Reserved));
        }
        assert_eq!(upgrade().protocol("a,b"), Err(HeaderError::Value));
        for (host, target) in [("", "/"), ("h", ""), ("h", "s"), ("h", "/a b"), ("h\r\n", "/"), ("h", "/é")] {
            assert_eq!(Upgrade::new(host, target), Err(HeaderError::Value));
        }
    }
}
