//! A response: built by the application, encoded for the wire.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use super::is_token;

/// A response: status, headers, body. What concerns the connection (`Content-Length`, `Connection`) is added when it is
/// encoded; there is no `Date`, because the core has no clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: u16,
    close: bool,
    headers: Vec<(Cow<'static, str>, Cow<'static, str>)>,
    body: Vec<u8>,
}

impl Response {
    /// A response without headers and body. A status that no final response may have (RFC 9110 §15: below 200 or above
    /// 599) becomes 500.
    pub const fn new(status: u16) -> Self {
        let status = if 200 <= status && status <= 599 { status } else { 500 };
        Self { status, close: false, headers: Vec::new(), body: Vec::new() }
    }

    /// A response with a plain text.
    pub fn text(status: u16, text: &str) -> Self {
        let mut response = Self::new(status).with_static("Content-Type", "text/plain; charset=utf-8");
        response.body = text.as_bytes().to_vec();
        response
    }

    /// Adds a header.
    ///
    /// # Errors
    /// The name is no token, the value holds control characters (`\r\n` would begin another header), or the header
    /// is one that is written here: `Content-Length`, `Transfer-Encoding`, `Connection`. Use [`close`](Self::close) for
    /// the last.
    pub fn header(
        mut self,
        name: impl Into<Cow<'static, str>>,
        value: impl Into<Cow<'static, str>>,
    ) -> Result<Self, HeaderError> {
        let (name, value) = (name.into(), value.into());
        if !is_token(name.as_bytes()) {
            return Err(HeaderError::Name);
        }
        if ["content-length", "transfer-encoding", "connection"].iter().any(|own| name.eq_ignore_ascii_case(own)) {
            return Err(HeaderError::Reserved);
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(HeaderError::Value);
        }
        self.headers.push((name, value));
        Ok(self)
    }

    /// Sets the body and its `Content-Type`.
    ///
    /// # Errors
    /// The type holds control characters.
    pub fn body(
        mut self,
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Vec<u8>>,
    ) -> Result<Self, HeaderError> {
        self.headers.retain(|(name, _)| !name.eq_ignore_ascii_case("content-type"));
        let mut response = self.header("Content-Type", content_type)?;
        response.body = body.into();
        Ok(response)
    }

    /// Ends the connection behind this response.
    pub const fn close(mut self) -> Self {
        self.close = true;
        self
    }

    /// The status.
    pub const fn status(&self) -> u16 {
        self.status
    }

    /// The headers that were added.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The body.
    pub fn bytes(&self) -> &[u8] {
        &self.body
    }

    pub(crate) const fn ends_connection(&self) -> bool {
        self.close
    }

    /// Adds a header that is known to be right.
    pub(super) fn with_static(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((Cow::Borrowed(name), Cow::Borrowed(value)));
        self
    }

    /// The bytes for the wire. The answer to HEAD has the length of a body and no body (RFC 9110 §9.3.2), and 204 and
    /// 304 have neither (§8.6, §15.4.5).
    pub(crate) fn encode(&self, head: bool, persistence: Persistence) -> Vec<u8> {
        let mut out = Vec::with_capacity(128 + self.body.len());
        let status = self.status;
        // Writing to a Vec does not fail.
        let _ = write!(out, "HTTP/1.1 {status} {}\r\n", reason(status));
        for (name, value) in &self.headers {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        let bodiless = matches!(status, 204 | 304);
        if !bodiless {
            let _ = write!(out, "Content-Length: {}\r\n", self.body.len());
        }
        out.extend_from_slice(match persistence {
            Persistence::Implicit => b"",
            Persistence::KeepAlive => b"Connection: keep-alive\r\n",
            Persistence::Close => b"Connection: close\r\n",
        });
        out.extend_from_slice(b"\r\n");
        if !head && !bodiless {
            out.extend_from_slice(&self.body);
        }
        out
    }
}

/// Why a header was not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderError {
    /// The name is no token (RFC 9110 §5.1).
    Name,
    /// The value holds control characters (RFC 9110 §5.5).
    Value,
    /// The header says where the message ends or what becomes of the connection; it is written when encoding.
    Reserved,
}

impl fmt::Display for HeaderError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Name => "the name is no token",
            Self::Value => "the value holds control characters",
            Self::Reserved => "the header is written by the library",
        })
    }
}

impl std::error::Error for HeaderError {}

/// What a response says of the connection (RFC 9112 §9.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Persistence {
    /// It goes on, as is usual in HTTP/1.1.
    Implicit,
    /// It goes on, as an HTTP/1.0 client has asked.
    KeepAlive,
    /// It ends.
    Close,
}

/// The interim answer to `Expect: 100-continue` (RFC 9110 §10.1.1).
pub(crate) const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";

const SWITCHING: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ";

/// The answer to an upgrade (RFC 6455 §4.2.2), or nothing if `protocol` is no token.
pub(crate) fn switching_protocols(accept: &str, protocol: Option<&str>, extension: Option<&str>) -> Option<Vec<u8>> {
    if protocol.is_some_and(|protocol| !is_token(protocol.as_bytes())) {
        return None;
    }
    // With neither of the two it is in one piece of just this size, and kept so until it has left.
    let mut out = Vec::with_capacity(SWITCHING.len() + accept.len() + 4);
    out.extend_from_slice(SWITCHING.as_bytes());
    out.extend_from_slice(accept.as_bytes());
    for (name, value) in [("Protocol", protocol), ("Extensions", extension)] {
        if let Some(value) = value {
            let _ = write!(out, "\r\nSec-WebSocket-{name}: {value}");
        }
    }
    out.extend_from_slice(b"\r\n\r\n");
    Some(out)
}

/// The reason phrases of RFC 9110 §15 and RFC 6585; a status without one has an empty phrase, which is allowed.
pub(crate) const fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        201 => "Created",
        202 => "Accepted",
        203 => "Non-Authoritative Information",
        204 => "No Content",
        205 => "Reset Content",
        206 => "Partial Content",
        300 => "Multiple Choices",
        301 => "Moved Permanently",
        302 => "Found",
        303 => "See Other",
        304 => "Not Modified",
        307 => "Temporary Redirect",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        402 => "Payment Required",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        406 => "Not Acceptable",
        408 => "Request Timeout",
        409 => "Conflict",
        410 => "Gone",
        411 => "Length Required",
        412 => "Precondition Failed",
        413 => "Content Too Large",
        414 => "URI Too Long",
        415 => "Unsupported Media Type",
        416 => "Range Not Satisfiable",
        417 => "Expectation Failed",
        421 => "Misdirected Request",
        422 => "Unprocessable Content",
        426 => "Upgrade Required",
        428 => "Precondition Required",
        429 => "Too Many Requests",
        431 => "Request Header Fields Too Large",
        451 => "Unavailable For Legal Reasons",
        500 => "Internal Server Error",
        501 => "Not Implemented",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        504 => "Gateway Timeout",
        505 => "HTTP Version Not Supported",
        507 => "Insufficient Storage",
        511 => "Network Authentication Required",
        _ => "",
    }
}
