//! Where a server is.

use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// A `ws://` or `wss://` address, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url {
    pub(crate) tls: bool,
    /// As a resolver takes it: an IPv6 address without brackets.
    pub(crate) host: Box<str>,
    pub(crate) port: u16,
    /// For the Host header: with brackets, and with the port if it is not the scheme's own.
    pub(crate) authority: Box<str>,
    path: Box<str>,
    query: Box<str>,
}

impl Url {
    pub(crate) fn parse(text: &str) -> Result<Self, UrlError> {
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`'))
        {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let tls = match scheme.to_ascii_lowercase().as_str() {
            "ws" => false,
            "wss" => true,
            _ => return Err(UrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(UrlError::Host);
        }
        let (host, port) = split_port(authority)?;
        let usual = if tls { 443 } else { 80 };
        let port = match port {
            None | Some("") => usual,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|port| *port != 0).ok_or(UrlError::Port)?
            }
            Some(_) => return Err(UrlError::Port),
        };
        let authority = if port == usual { host.to_owned() } else { format!("{host}:{port}") };
        let (path, query) = behind.split_once('?').unwrap_or((behind, ""));
        Ok(Self {
            tls,
            host: host.trim_matches(['[', ']']).into(),
            port,
            authority: authority.into(),
            path: with_transport(path).into(),
            query: query.into(),
        })
    }

    /// Path and query of the upgrade: the address's own query, then the parameters, then the version.
    /// Source: conformance `connect`, phoenix.js 1.8.16 ajax.js `serialize`.
    pub(super) fn target(&self, params: &[(Box<str>, Box<str>)], vsn: &str) -> String {
        let mut target = format!("{}?", self.path);
        if !self.query.is_empty() {
            target.push_str(&self.query);
            target.push('&');
        }
        for (name, value) in params {
            target.extend(utf8_percent_encode(name, COMPONENT));
            target.push('=');
            target.extend(utf8_percent_encode(value, COMPONENT));
            target.push('&');
        }
        target.push_str("vsn=");
        target.push_str(vsn);
        target
    }
}

/// The path of the socket's WebSocket transport: `/socket` is `/socket/websocket`, unless it says so already.
/// Source: phoenix.js 1.8.16 socket.js, constructor.
fn with_transport(path: &str) -> String {
    let path = path.trim_end_matches('/');
    if path.ends_with("/websocket") { path.to_owned() } else { format!("{path}/websocket") }
}

/// Host, an IPv6 address in its brackets, and what stands behind the colon.
fn split_port(authority: &str) -> Result<(&str, Option<&str>), UrlError> {
    let end = match authority.strip_prefix('[') {
        Some(rest) => rest.find(']').ok_or(UrlError::Host)? + 2,
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, behind) = authority.split_at(end);
    let good = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        // RFC 3986 §3.2.2 allows more; names that resolve have these.
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_')),
    };
    match (good, behind.strip_prefix(':')) {
        (true, Some(port)) => Ok((host, Some(port))),
        (true, None) if behind.is_empty() => Ok((host, None)),
        _ => Err(UrlError::Host),
    }
}

/// Why a text is no address of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not begin with `ws://` or `wss://`.
    Scheme,
    /// It has no host, or one that is neither a name nor an address. A user name is not allowed either; a name in other
    /// letters than ASCII's has to be in its ASCII form (`xn--…`).
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// It has a fragment (RFC 6455 §3 forbids it).
    Fragment,
    /// A character that has to be percent-encoded: white space, a quote, anything outside of ASCII.
    Character,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "the address of a server begins with ws:// or wss://",
            Self::Host => "the host is neither a name nor an address",
            Self::Port => "the port is no number from 1 to 65535",
            Self::Fragment => "a WebSocket address has no fragment",
            Self::Character => "a character has to be percent-encoded",
        })
    }
}

impl std::error::Error for UrlError {}

/// What JavaScript's `encodeURIComponent` escapes: all but letters, digits and these.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'!')
    .remove(b'~')
    .remove(b'*')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (text, tls, host, port, authority, target) in [
            ("ws://a.test/socket", false, "a.test", 80, "a.test", "/socket/websocket?vsn=2"),
            ("wss://a.test/socket/", true, "a.test", 443, "a.test", "/socket/websocket?vsn=2"),
            ("WS://127.0.0.1:4000", false, "127.0.0.1", 4000, "127.0.0.1:4000", "/websocket?vsn=2"),
            ("ws://[::1]:80/a/websocket", false, "::1", 80, "[::1]", "/a/websocket?vsn=2"),
            ("wss://h:80/s?a=b%20c", true, "h", 80, "h:80", "/s/websocket?a=b%20c&vsn=2"),
            ("ws://h?a=b", false, "h", 80, "h", "/websocket?a=b&vsn=2"),
            ("ws://h:", false, "h", 80, "h", "/websocket?vsn=2"),
        ] {
            let url = Url::parse(text).unwrap();
            assert_eq!((url.tls, &*url.host, url.port, &*url.authority), (tls, host, port, authority), "{text}");
            assert_eq!(url.target(&[], "2"), target);
        }
    }

    #[test]
    fn what_is_no_address() {
        for (text, error) in [
            ("http://h/", UrlError::Scheme),
            ("h/socket", UrlError::Scheme),
            ("ws:///socket", UrlError::Host),
            ("ws://user@h/", UrlError::Host),
            ("ws://user:secret@h/", UrlError::Host),
            ("ws://[::g]/", UrlError::Host),
            ("ws://[::1/", UrlError::Host),
            ("ws://[::1]a/", UrlError::Host),
            ("ws://h:0/", UrlError::Port),
            ("ws://h:65536/", UrlError::Port),
            ("ws://h:+1/", UrlError::Port),
            ("ws://h/#a", UrlError::Fragment),
            ("ws://h/a b", UrlError::Character),
            ("ws://h/\r\n", UrlError::Character),
            ("ws://ü/", UrlError::Character),
        ] {
            assert_eq!(Url::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn parameters_are_escaped_as_javascript_does() {
        let params = [("token", "a b&c"), ("ü", "✓"), ("list[0]", "it's (~!*)._-")];
        let params = params.map(|(name, value)| (name.into(), value.into()));
        let url = Url::parse("ws://h/socket").unwrap();
        let expected = "/socket/websocket?token=a%20b%26c&%C3%BC=%E2%9C%93&list%5B0%5D=it's%20(~!*)._-&vsn=2.0.0";
        assert_eq!(url.target(&params, "2.0.0"), expected);
    }
}
