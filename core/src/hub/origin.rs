//! Which pages may open a connection.

use crate::http::Request;

/// Which `Origin` headers are let in. Browsers send one with every WebSocket, other clients need not: no header is
/// always fine, `null` never is. Letter case does not matter.
///
/// ```
/// use chanson_core::Origin;
///
/// let origin = Origin::list(["localhost", "https://example.com", "//*.example.org"]);
/// assert!(origin.allows(Some("http://LOCALHOST:8080"), None));
/// assert!(!origin.allows(Some("http://example.com"), None), "another scheme");
/// assert!(origin.allows(Some("http://www.example.org"), None));
/// assert!(Origin::Same.allows(Some("http://chat.test"), Some("chat.test:4000")));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The host of the page must be the one in the `Host` header; scheme and port do not matter.
    #[default]
    Same,
    /// Any page.
    Any,
    /// Only these; see [`Origin::list`].
    List(Vec<Box<str>>),
}

impl Origin {
    /// Only pages of these hosts: `example.com` or `//example.com` for any scheme and port, `//*.example.com` for its
    /// subdomains, `https://example.com` for this scheme (on its usual port), `https://example.com:8443`.
    pub fn list<'a>(allowed: impl IntoIterator<Item = &'a str>) -> Self {
        Self::List(allowed.into_iter().map(|entry| entry.to_ascii_lowercase().into()).collect())
    }

    /// Whether a request with these headers is let in.
    pub fn allows(&self, origin: Option<&str>, host: Option<&str>) -> bool {
        let Some(origin) = origin else { return true };
        if *self == Self::Any {
            return true;
        }
        let Some(origin) = Url::parse(origin) else { return false };
        match self {
            Self::Same => host.is_some_and(|host| host_of(host).0.eq_ignore_ascii_case(origin.host)),
            Self::Any => true,
            Self::List(allowed) => allowed.iter().any(|entry| origin.is(entry)),
        }
    }

    pub(super) fn allows_request(&self, request: &Request<'_>) -> bool {
        let Some(origin) = request.header("origin") else { return true };
        self.allows(Some(origin), request.header("host"))
    }
}

/// `scheme://host[:port]`.
struct Url<'a> {
    scheme: &'a str,
    host: &'a str,
    port: Option<&'a str>,
}

impl<'a> Url<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, rest) = text.split_once("://")?;
        let (host, port) = host_of(rest.split('/').next()?);
        (!scheme.is_empty() && !host.is_empty()).then_some(Self { scheme, host, port })
    }

    /// Whether it is the one that an entry of a list (in lower case) names.
    fn is(&self, entry: &str) -> bool {
        if let Some(wanted) = Url::parse(entry) {
            return self.scheme.eq_ignore_ascii_case(wanted.scheme)
                && self.host.eq_ignore_ascii_case(wanted.host)
                && self.port_or_usual() == wanted.port_or_usual();
        }
        let (host, port) = host_of(entry.strip_prefix("//").unwrap_or(entry));
        let same_host = match host.strip_prefix('*') {
            Some(suffix) => ends_with_ignoring_case(self.host, suffix),
            None => self.host.eq_ignore_ascii_case(host),
        };
        same_host && port.is_none_or(|port| self.port_or_usual() == Some(port))
    }

    fn port_or_usual(&self) -> Option<&str> {
        self.port.or_else(|| match self.scheme {
            scheme if scheme.eq_ignore_ascii_case("http") => Some("80"),
            scheme if scheme.eq_ignore_ascii_case("https") => Some("443"),
            _ => None,
        })
    }
}

/// `host[:port]`, where a host in brackets may have colons.
fn host_of(text: &str) -> (&str, Option<&str>) {
    let end_of_host = text.rfind(']').map_or(0, |bracket| bracket + 1);
    match text[end_of_host..].rfind(':') {
        Some(colon) => (&text[..end_of_host + colon], Some(&text[end_of_host + colon + 1..])),
        None => (text, None),
    }
}

fn ends_with_ignoring_case(text: &str, suffix: &str) -> bool {
    text.len()
        .checked_sub(suffix.len())
        .is_some_and(|at| text.is_char_boundary(at) && at > 0 && text[at..].eq_ignore_ascii_case(suffix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_host_is_let_in_whatever_scheme_and_port() {
        for origin in ["http://a.test", "https://a.test:99", "http://A.TEST"] {
            assert!(Origin::Same.allows(Some(origin), Some("a.test:4000")), "{origin}");
        }
        for origin in ["null", "", "a.test", "http://b.test", "http://a.test.evil", "http://", "://a.test"] {
            assert!(!Origin::Same.allows(Some(origin), Some("a.test:4000")), "{origin}");
        }
        assert!(Origin::Same.allows(Some("http://[::1]:5"), Some("[::1]:4000")));
        assert!(!Origin::Same.allows(Some("http://a.test"), None));
        assert!(Origin::Same.allows(None, None));
    }

    #[test]
    fn lists_name_hosts_subdomains_schemes_and_ports() {
        let list = Origin::list(["//example.com", "//*.example.com", "https://Only.test:8443"]);
        for origin in ["http://example.com:1", "https://a.b.example.com", "https://only.test:8443"] {
            assert!(list.allows(Some(origin), None), "{origin}");
        }
        for origin in
            ["http://notexample.com", "https://only.test", "http://only.test:8443", "null", "http://.example.com.evil"]
        {
            assert!(!list.allows(Some(origin), None), "{origin}");
        }
    }
}
