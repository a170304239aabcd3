//! An HTTP request from one party to another, described.

use std::fmt;

use super::url::Url;
use crate::http::{HeaderError, Upgrade};

/// A POST that one party asks of another; a driver performs it (`chanson_std::http::Caller`, say).
#[derive(Clone, PartialEq, Eq)]
pub struct Post {
    url: Url,
    headers: Headers,
    body: String,
}

impl Post {
    /// One with an ION text as its body.
    pub const fn new(url: Url, headers: Headers, body: String) -> Self {
        Self { url, headers, body }
    }

    /// Where to.
    pub const fn url(&self) -> &Url {
        &self.url
    }

    /// The headers to send besides those that every HTTP client writes: `Content-Type`, `Authorization`, and extra ones.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers.iter()
    }

    /// The body.
    pub fn body(&self) -> &str {
        &self.body
    }

    /// The same for another place: where the server says that it is to be asked again, with the same method, headers and body.
    /// `None` if that is no redirect of this kind (307, 308) or leads to another origin, which must not learn the secrets in
    /// the headers.
    ///
    /// Source: Fetch standard, HTTP-redirect fetch. Other redirects turn a POST into a GET there, which no party answers.
    #[must_use]
    pub fn redirected(&self, answer: &Answer) -> Option<Self> {
        let location = answer.location.as_deref().filter(|_| matches!(answer.status, 307 | 308))?;
        let url = self.url.join(location).ok().filter(|url| url.is_same_origin(&self.url))?;
        Some(Self { url, headers: self.headers.clone(), body: self.body.clone() })
    }
}

impl fmt::Debug for Post {
    /// Says where to and how much, not what: headers hold secrets, and so may the body.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Post({}, {} bytes)", self.url, self.body.len())
    }
}

/// The headers of every request of a connection.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Box<str>, Box<str>)>);

impl Headers {
    /// Those of ION: `Content-Type: application/json`, as the original has it.
    pub fn ion() -> Self {
        Self(vec![("Content-Type".into(), "application/json".into())])
    }

    /// With another one, in the place of one of that name.
    ///
    /// # Errors
    /// The name is no token, the value holds control characters, or it is a header that says where the message ends or what
    /// becomes of the connection.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self, HeaderError> {
        if !name.eq_ignore_ascii_case("content-type") {
            Upgrade::check_header(name, value)?;
        }
        if value.bytes().any(|byte| byte.is_ascii_control() && byte != b'\t') {
            return Err(HeaderError::Value);
        }
        self.0.retain(|(each, _)| !each.eq_ignore_ascii_case(name));
        self.0.push((name.into(), value.into()));
        Ok(self)
    }

    /// With `Authorization: Bearer` and this secret.
    ///
    /// # Errors
    /// The secret holds control characters.
    pub fn with_secret(self, secret: &str) -> Result<Self, HeaderError> {
        self.with("Authorization", &format!("Bearer {secret}"))
    }

    /// With these.
    ///
    /// # Errors
    /// As [`with`](Self::with).
    pub fn with_all<'a>(self, extra: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HeaderError> {
        extra.into_iter().try_fold(self, |headers, (name, value)| headers.with(name, value))
    }

    /// Names and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }
}

impl fmt::Debug for Headers {
    /// Names only: values are secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(|(name, _)| name)).finish()
    }
}

/// What came back for a [`Post`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body; a driver bounds it.
    pub body: Vec<u8>,
    /// Where a redirect that was not followed leads to.
    pub location: Option<Box<str>>,
}

impl Answer {
    /// An answer.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into(), location: None }
    }

    /// With where it leads to.
    #[must_use]
    pub fn with_location(mut self, location: &str) -> Self {
        self.location = Some(location.into());
        self
    }

    /// Whether the status is one of success (200 to 299).
    pub const fn is_ok(&self) -> bool {
        200 <= self.status && self.status <= 299
    }

    /// The status as the original's messages show it: `401 - Unauthorized`.
    pub fn status_text(&self) -> String {
        format!("{} - {}", self.status, crate::http::reason(self.status))
    }
}

/// Why nothing came back for a [`Post`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody could be reached there: no such host, or nobody listens.
    Unreachable,
    /// The connection ended before the answer had come.
    HungUp,
    /// No answer in time.
    TimedOut,
    /// What came back is no HTTP answer.
    NotHttp,
    /// The answer is longer than allowed.
    TooLong,
    /// Too many calls are waiting already.
    Full,
    /// The address is `https://`, and the driver has no TLS.
    NoTls,
    /// The address is `https://`, and there is no TLS with whoever is there: the certificate is not accepted, say.
    NotTrusted,
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreachable => "cannot be reached",
            Self::HungUp => "the connection ended before the answer had come",
            Self::TimedOut => "no answer in time",
            Self::NotHttp => "the answer is no HTTP",
            Self::TooLong => "the answer is too long",
            Self::Full => "too many calls are waiting",
            Self::NoTls => "https:// needs TLS, which is not built in",
            Self::NotTrusted => "there is no TLS with whoever is there",
        })
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_checked_and_replaced() {
        let headers = Headers::ion().with_secret("s").unwrap().with_all([("X-A", "1"), ("x-a", "2")]).unwrap();
        let list: Vec<_> = headers.iter().collect();
        assert_eq!(list, [("Content-Type", "application/json"), ("Authorization", "Bearer s"), ("x-a", "2")]);
        assert_eq!(Headers::ion().with("X A", "1"), Err(HeaderError::Name));
        assert_eq!(Headers::ion().with("X-A", "1\r\nX-B: 2"), Err(HeaderError::Value));
        assert_eq!(Headers::ion().with("content-type", "a\r\nX-B: 2"), Err(HeaderError::Value));
        assert_eq!(Headers::ion().with("Content-Length", "0"), Err(HeaderError::Reserved));
        assert_eq!(Headers::ion().with_secret("s\n"), Err(HeaderError::Value));
    }

    #[test]
    fn secrets_are_not_printed() {
        let headers = Headers::ion().with_secret("hush").unwrap();
        let post = Post::new("http://a/b?c=hush".parse().unwrap(), headers.clone(), "hush".into());
        assert_eq!(format!("{post:?} {headers:?}"), r#"Post(http://a/b, 4 bytes) {"Content-Type", "Authorization"}"#);
    }

    #[test]
    fn redirects_within_the_origin_keep_everything() {
        let post = Post::new("http://a/b?c=1".parse().unwrap(), Headers::ion().with_secret("s").unwrap(), "x".into());
        let to = |status, location: &str| post.redirected(&Answer::new(status, "").with_location(location));
        for location in ["/b/?c=1", "http://a:80/b/?c=1", "//a/b/?c=1"] {
            let (url, moved) = (post.url.join(location).unwrap(), to(307, location).unwrap());
            assert_eq!(moved, Post { url, ..post.clone() });
            assert_eq!(to(308, location), Some(moved));
        }
        for (status, location) in [(301, "/"), (302, "/"), (303, "/"), (308, "https://a/b"), (308, "//b/"), (308, "/ ")]
        {
            assert_eq!(to(status, location), None, "{status} {location}");
        }
        assert_eq!(post.redirected(&Answer::new(308, "")), None);
    }

    #[test]
    fn a_status_is_shown_as_the_original_shows_it() {
        assert_eq!(Answer::new(401, "").status_text(), "401 - Unauthorized");
        assert!(!Answer::new(300, "").is_ok() && Answer::new(204, "").is_ok());
    }
}
