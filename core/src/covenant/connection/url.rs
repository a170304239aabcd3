//! Where a party is.

use std::fmt;
use std::str::FromStr;

/// An `http://` or `https://` address.
///
/// ```
/// use chanson_core::covenant::connection::Url;
///
/// let url: Url = "http://127.0.0.1:5610/api/covenant?a=1".parse()?;
/// assert_eq!(url.with_type("channel").as_str(), "http://127.0.0.1:5610/api/covenant?a=1&type=channel");
/// assert_eq!(url.with_path("/message").as_str(), "http://127.0.0.1:5610/message?a=1");
/// # Ok::<(), chanson_core::covenant::connection::UrlError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    text: Box<str>,
    /// Where the path begins.
    path: usize,
    /// Where the path ends: at the `?` or at the end.
    query: usize,
}

impl Url {
    /// The whole address.
    pub const fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it is `https://`.
    pub fn is_tls(&self) -> bool {
        self.text.starts_with("https")
    }

    /// The same place with another path, as the original takes it for the Sidekick: the query stays.
    #[must_use]
    pub fn with_path(&self, path: &str) -> Self {
        let (front, query) = (&self.text[..self.path], &self.text[self.query..]);
        Self { text: format!("{front}{path}{query}").into(), path: self.path, query: self.path + path.len() }
    }

    /// The same with the query's `type` set to this, as the original takes it for the server.
    #[must_use]
    pub fn with_type(&self, kind: &str) -> Self {
        let (front, query) = self.text.split_at(self.query);
        let kept = query.trim_start_matches('?').split('&').filter(|part| {
            let name = part.split('=').next().unwrap_or_default();
            !part.is_empty() && name != "type"
        });
        let query: Vec<&str> = kept.collect();
        let and = if query.is_empty() { "" } else { "&" };
        Self { text: format!("{front}?{}{and}type={kind}", query.join("&")).into(), path: self.path, query: self.query }
    }
}

impl Url {
    /// What a reference at this address names: another address, or a path or query of the same server.
    ///
    /// # Errors
    /// It names none.
    pub(super) fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let scheme = &self.text[..self.text.find(':').unwrap_or_default()];
        let (origin, path) = (&self.text[..self.path], &self.text[self.path..self.query]);
        match reference.as_bytes() {
            _ if reference.contains("://") && !reference.starts_with(['/', '?']) => reference.parse(),
            [b'/', b'/', ..] => format!("{scheme}:{reference}").parse(),
            [b'/', ..] => format!("{origin}{reference}").parse(),
            [b'?', ..] => format!("{origin}{path}{reference}").parse(),
            // Beside the last part of the path. What `..` would mean is for the server to say.
            _ => format!("{origin}{}{reference}", &path[..=path.rfind('/').unwrap_or_default()]).parse(),
        }
    }

    /// Whether it is the same server: scheme, host and port.
    pub(super) fn is_same_origin(&self, other: &Self) -> bool {
        self.origin() == other.origin()
    }

    /// Scheme and host in small letters, and the port if it is not the usual one.
    fn origin(&self) -> String {
        let origin = self.text[..self.path].to_ascii_lowercase();
        let usual = if self.is_tls() { ":443" } else { ":80" };
        origin.strip_suffix(usual).map(str::to_owned).unwrap_or(origin)
    }
}

impl FromStr for Url {
    type Err = UrlError;

    /// # Errors
    /// It is none.
    fn from_str(text: &str) -> Result<Self, UrlError> {
        if !text
            .bytes()
            .all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'<' | b'>' | b'\\' | b'^' | b'`'))
        {
            return Err(UrlError::Character);
        }
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        if !matches!(&*scheme, "http" | "https") {
            return Err(UrlError::Scheme);
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let (authority, behind) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        check_authority(authority)?;
        let slash = if behind.starts_with('/') { "" } else { "/" };
        let text = format!("{scheme}://{authority}{slash}{behind}");
        let path = scheme.len() + 3 + authority.len();
        let query = text.find('?').unwrap_or(text.len());
        Ok(Self { text: text.into(), path, query })
    }
}

impl fmt::Display for Url {
    /// Without the query, which may hold secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text[..self.query])
    }
}

/// A host, in brackets if it is an IPv6 address, and perhaps a port.
fn check_authority(authority: &str) -> Result<(), UrlError> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => {
            let (address, behind) = rest.split_once(']').ok_or(UrlError::Host)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            (address, behind)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, behind) = authority.split_at(end);
            // RFC 3986 §3.2.2 allows more; names that resolve have these.
            if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_')) {
                return Err(UrlError::Host);
            }
            (host, behind)
        }
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => {
            digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse().is_ok_and(|port: u16| port != 0)
        }
        None => port.is_empty(),
    };
    match () {
        () if host.is_empty() => Err(UrlError::Host),
        () if !port_fits => Err(UrlError::Port),
        () => Ok(()),
    }
}

/// Why a text is no address of a party.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum UrlError {
    /// It does not begin with `http://` or `https://`.
    Scheme,
    /// It has no host, or one that is neither a name nor an address. A user name is not allowed either.
    Host,
    /// The port is no number from 1 to 65535.
    Port,
    /// It has a character that no address has.
    Character,
}

impl fmt::Display for UrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Scheme => "an address begins with http:// or https://",
            Self::Host => "the address has no host, or one that cannot be",
            Self::Port => "the port is no number from 1 to 65535",
            Self::Character => "the address has a character that cannot be",
        })
    }
}

impl std::error::Error for UrlError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        let url = |text: &str| text.parse::<Url>().unwrap();
        assert_eq!(url("HTTP://a.test").as_str(), "http://a.test/");
        assert_eq!(url("http://a?x=1#f").as_str(), "http://a/?x=1");
        assert_eq!(url("http://[::1]:80/p").with_path("/q").as_str(), "http://[::1]:80/q");
        assert_eq!(url("http://a/p?type=x&b=2&type=y").with_type("z").as_str(), "http://a/p?b=2&type=z");
        assert_eq!(url("http://a/p").with_type("a").with_type("b").as_str(), "http://a/p?type=b");
        assert_eq!(url("http://a/p?b").with_path("/longer").with_type("t").as_str(), "http://a/longer?b&type=t");
        assert!(url("https://a").is_tls() && !url("http://a").is_tls());
        assert_eq!(url("http://a/p?key=secret").to_string(), "http://a/p");
    }

    #[test]
    fn references_are_resolved() {
        let base: Url = "http://a:81/p/q?x".parse().unwrap();
        for (reference, resolved) in [
            ("/r?y#f", "http://a:81/r?y"),
            ("?y", "http://a:81/p/q?y"),
            ("r", "http://a:81/p/r"),
            ("//b/r", "http://b/r"),
            ("https://b", "https://b/"),
            ("/r?to=http://b", "http://a:81/r?to=http://b"),
        ] {
            assert_eq!(base.join(reference).unwrap().as_str(), resolved);
        }
        assert_eq!(base.join("ftp://b/"), Err(UrlError::Scheme));
        assert_eq!(base.join("/ "), Err(UrlError::Character));
        assert_eq!("http://a".parse::<Url>().unwrap().join("r").unwrap().as_str(), "http://a/r");
    }

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        let same = |a: &str, b: &str| a.parse::<Url>().unwrap().is_same_origin(&b.parse().unwrap());
        assert!(same("http://A/x", "http://a:80/y") && same("https://a:443/", "https://a/?z"));
        assert!(
            !same("http://a/", "https://a/") && !same("http://a/", "http://a:81/") && !same("http://a/", "http://b/")
        );
        assert!(!same("http://a:443/", "http://a/") && same("http://[::1]:80/", "http://[::1]/"));
    }

    #[test]
    fn what_is_no_address() {
        for (text, error) in [
            ("", UrlError::Scheme),
            ("a.test", UrlError::Scheme),
            ("ws://a", UrlError::Scheme),
            ("http://", UrlError::Host),
            ("http:///p", UrlError::Host),
            ("http://user@a/", UrlError::Host),
            ("http://[::1/", UrlError::Host),
            ("http://[nope]/", UrlError::Host),
            ("http://a:0/", UrlError::Port),
            ("http://a:70000/", UrlError::Port),
            ("http://a:+1/", UrlError::Port),
            ("http://a:/", UrlError::Port),
            ("http://[::1]x/", UrlError::Port),
            ("http://a/ b", UrlError::Character),
            ("http://a/\r\n", UrlError::Character),
        ] {
            assert_eq!(text.parse::<Url>(), Err(error), "{text:?}");
        }
    }
}
