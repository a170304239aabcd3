//! A request, borrowed from the bytes it came in or from a host with an HTTP of its own.

use std::borrow::Cow;
use std::fmt;

use super::Response;
use super::known::Known;

/// A whole request, borrowed.
#[derive(Clone)]
pub struct Request<'a> {
    method: &'a str,
    target: &'a str,
    path: &'a str,
    query: &'a str,
    /// The names are text.
    headers: Vec<(&'a [u8], &'a [u8])>,
    body: &'a [u8],
    http10: bool,
    /// Whether its head is that of an upgrade, if that has been looked at already.
    upgrade: Option<Result<(), UpgradeError>>,
}

impl<'a> Request<'a> {
    /// A request that a host's own HTTP has read: HTTP/1.1, names and values as they came, without white space around.
    pub fn new(method: &'a str, target: &'a str, headers: &[(&'a str, &'a str)], body: &'a [u8]) -> Self {
        let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect();
        Self::from_parts((method, target), headers, body, false)
    }

    /// A request whose parts [`super::Reader`] has checked.
    pub(super) fn from_parts(
        (method, target): (&'a str, &'a str),
        headers: Vec<(&'a [u8], &'a [u8])>,
        body: &'a [u8],
        http10: bool,
    ) -> Self {
        let (path, query) = split_target(target);
        Self { method, target, path, query, headers, body, http10, upgrade: None }
    }

    /// The same with what [`websocket`](Self::websocket) would say without a body.
    pub(super) fn judged(mut self, upgrade: Result<(), UpgradeError>) -> Self {
        self.upgrade = Some(upgrade);
        self
    }

    /// The method, as it came: methods are case-sensitive.
    pub fn method(&self) -> &'a str {
        self.method
    }

    pub(super) fn is_http10(&self) -> bool {
        self.http10
    }

    /// The request target, as it came.
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// The path: raw, percent escapes and all, without the query; of an absolute target (RFC 9112 §3.2.2) without scheme
    /// and host.
    pub fn path(&self) -> &'a str {
        self.path
    }

    /// What stands behind the first `?`, raw; empty if nothing does.
    pub fn query(&self) -> &'a str {
        self.query
    }

    /// The parameters of the query, decoded; what is not UTF-8 is replaced by U+FFFD.
    pub fn query_params(&self) -> form_urlencoded::Parse<'a> {
        form_urlencoded::parse(self.query().as_bytes())
    }

    /// The same; most have nothing to decode in them and are taken as they stand, at half the cost.
    pub(crate) fn query_pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, Cow<'a, str>)> {
        let mut rest = self.query;
        let pairs = std::iter::from_fn(move || {
            let pair;
            (pair, rest) = cut(rest, b'&').or((!rest.is_empty()).then_some((rest, "")))?;
            Some(pair)
        });
        pairs.filter(|pair| !pair.is_empty()).map(|pair| {
            if pair.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
                return form_urlencoded::parse(pair.as_bytes()).next().unwrap_or_default();
            }
            let (name, value) = cut(pair, b'=').unwrap_or((pair, ""));
            (name.into(), value.into())
        })
    }

    /// The first header of that name, whatever its case. A value that is not UTF-8 shows as U+FFFD, so that a header
    /// which cannot be read is not mistaken for one that is missing.
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.all(name).next()
    }

    /// All headers, names as they came.
    pub fn headers(&self) -> impl Iterator<Item = (&'a str, &'a [u8])> {
        self.headers.iter().map(|&(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// The body; empty if there is none.
    pub fn body(&self) -> &'a [u8] {
        self.body
    }

    /// The subprotocols that a WebSocket client offers, in its order (RFC 6455 §4.1, §11.3.4).
    pub fn protocols(&self) -> impl Iterator<Item = &'a str> {
        self.tokens("sec-websocket-protocol")
    }

    /// The extensions that a WebSocket client offers, all headers as one list (RFC 6455 §9.1).
    pub(crate) fn offered_extensions(&self) -> Option<String> {
        let mut values = self.all("sec-websocket-extensions");
        let first = values.next()?.to_owned();
        Some(values.fold(first, |list, value| list + "," + value))
    }

    /// Whether this is a WebSocket upgrade that can be accepted (RFC 6455 §4.2.1).
    ///
    /// # Errors
    /// What is wrong with it; [`UpgradeError::response`] is the answer to give.
    pub fn websocket(&self) -> Result<(), UpgradeError> {
        match self.upgrade {
            Some(judged) if self.body.is_empty() => judged,
            _ => {
                let known = Known::of(self.headers.iter().copied());
                known.websocket_key(self.method.as_bytes(), self.http10, self.body).map(drop)
            }
        }
    }

    /// The elements of a header that is a comma-separated list, over all headers of that name (RFC 9110 §5.6.1).
    pub(crate) fn tokens(&self, name: &str) -> impl Iterator<Item = &'a str> {
        self.all(name)
            .flat_map(|value| value.split(','))
            .map(|token| token.trim_matches([' ', '\t']))
            .filter(|token| !token.is_empty())
    }

    /// All values of the headers of that name.
    pub(crate) fn all(&self, name: &str) -> impl Iterator<Item = &'a str> {
        let named = self.headers.iter().filter(move |(found, _)| found.eq_ignore_ascii_case(name.as_bytes()));
        named.map(|(_, value)| std::str::from_utf8(value).unwrap_or("\u{fffd}"))
    }
}

impl fmt::Debug for Request<'_> {
    /// Not the query, the headers and the body: they may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// Why a request is no WebSocket upgrade, or cannot be accepted as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UpgradeError {
    /// It does not ask for an upgrade to WebSocket, or not in HTTP/1.1 (400).
    NotAnUpgrade,
    /// Another method than GET (405).
    Method,
    /// Another version than 13 (426; RFC 6455 §4.4).
    Version,
    /// The key is missing, there are two, or it is not 16 bytes in base64 (400; RFC 6455 §4.2.1).
    Key,
    /// The list of extensions is malformed (400; RFC 6455 §9.1).
    Extensions,
    /// The subprotocol that the application chose cannot stand in a header (500): a mistake of the caller.
    Protocol,
    /// No request waits for an answer (500): a mistake of the caller.
    NotPending,
}

impl UpgradeError {
    /// The status to answer with.
    pub const fn status(self) -> u16 {
        match self {
            Self::NotAnUpgrade | Self::Key | Self::Extensions => 400,
            Self::Method => 405,
            Self::Version => 426,
            Self::Protocol | Self::NotPending => 500,
        }
    }

    /// The answer to give.
    pub fn response(self) -> Response {
        let response = Response::text(self.status(), self.text());
        match self {
            Self::Method => response.with_static("Allow", "GET"),
            // RFC 9110 §15.5.22: a 426 names the protocol; RFC 6455 §4.4: and the version.
            Self::Version => response
                .with_static("Sec-WebSocket-Version", "13")
                .with_static("Upgrade", "websocket")
                .with_static("Connection", "Upgrade"),
            Self::NotAnUpgrade | Self::Key | Self::Extensions | Self::Protocol | Self::NotPending => response,
        }
    }

    const fn text(self) -> &'static str {
        match self {
            Self::NotAnUpgrade => "not a websocket upgrade",
            Self::Method => "method not allowed",
            Self::Version => "websocket version not supported",
            Self::Key => "bad websocket key",
            Self::Extensions => "bad websocket extensions",
            Self::Protocol => "bad websocket protocol",
            Self::NotPending => "no request waits for an answer",
        }
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl std::error::Error for UpgradeError {}

/// Path and query of a target.
fn split_target(target: &str) -> (&str, &str) {
    let target = origin_form(target);
    let (path, query) = cut(target, b'?').unwrap_or((target, ""));
    (if path.is_empty() { "/" } else { path }, query)
}

/// What stands before and behind the first of an ASCII character. In a text as short as these the search by bytes is the
/// cheaper one.
fn cut(text: &str, at: u8) -> Option<(&str, &str)> {
    let at = text.bytes().position(|byte| byte == at)?;
    Some((&text[..at], &text[at + 1..]))
}

/// The target from its path on. An absolute one begins with scheme and host (RFC 9112 §3.2.2).
fn origin_form(target: &str) -> &str {
    if target.starts_with('/') {
        return target;
    }
    let Some((_, rest)) = target.split_once("://") else { return target };
    rest.find(['/', '?']).map_or("/", |start| &rest[start..])
}
