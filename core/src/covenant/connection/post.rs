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
}

impl Answer {
    /// An answer.
    pub fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self { status, body: body.into() }
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
    fn a_status_is_shown_as_the_original_shows_it() {
        assert_eq!(Answer::new(401, "").status_text(), "401 - Unauthorized");
        assert!(!Answer::new(300, "").is_ok() && Answer::new(204, "").is_ok());
    }
}
