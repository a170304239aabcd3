//! How a client reaches its server.

use std::fmt;

use super::{Headers, Post, Url, UrlError};
use crate::http::HeaderError;

/// How a client reaches its server: which requests ask it for a connection to a channel and for a procedure.
///
/// The body is ION, and so is the answer's.
pub trait ClientToServer: fmt::Debug + Send + 'static {
    /// A request for a connection to a channel.
    fn connect(&self, body: String) -> Post;

    /// A call of a procedure.
    fn procedure(&self, body: String) -> Post;
}

/// A server somewhere, by HTTP: `httpClientToServer` of the original.
///
/// ```
/// use chanson_core::covenant::connection::{ClientToServer, HttpClientToServer};
///
/// let server = HttpClientToServer::new("http://127.0.0.1:3000/api/covenant")?.with_headers([("Authorization", "Bearer abc")])?;
/// assert_eq!(server.connect("{}".into()).url().as_str(), "http://127.0.0.1:3000/api/covenant?type=connect");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpClientToServer {
    url: Url,
    headers: Headers,
}

impl HttpClientToServer {
    /// The server at that address.
    ///
    /// # Errors
    /// It is none.
    pub fn new(url: &str) -> Result<Self, UrlError> {
        Ok(Self { url: url.parse()?, headers: Headers::ion() })
    }

    /// With extra headers in every request: what says who asks, perhaps.
    ///
    /// # Errors
    /// One cannot be a header, or is written by the HTTP client itself.
    pub fn with_headers<'a>(
        mut self,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HeaderError> {
        self.headers = self.headers.with_all(extra)?;
        Ok(self)
    }

    fn post(&self, kind: &str, body: String) -> Post {
        Post::new(self.url.with_type(kind), self.headers.clone(), body)
    }
}

impl ClientToServer for HttpClientToServer {
    fn connect(&self, body: String) -> Post {
        self.post("connect", body)
    }

    fn procedure(&self, body: String) -> Post {
        self.post("procedure", body)
    }
}

/// A server in the same program: `directClientToServer` of the original. Its requests are as they would be by HTTP, and who
/// gets them from the client hands them to the server.
///
/// ```
/// use chanson_core::covenant::connection::{ClientToServer, DirectClientToServer};
///
/// let post = DirectClientToServer::new().procedure("{}".into());
/// assert_eq!(post.url().as_str(), "http://localhost:3000/?type=procedure");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DirectClientToServer(HttpClientToServer);

impl DirectClientToServer {
    /// One without extra headers.
    pub fn new() -> Self {
        // Nobody is asked there; the original's requests have that address too.
        Self(HttpClientToServer::new("http://localhost:3000/").expect("it is an address"))
    }

    /// With extra headers in every request.
    ///
    /// # Errors
    /// As [`HttpClientToServer::with_headers`].
    pub fn with_headers<'a>(self, extra: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, HeaderError> {
        self.0.with_headers(extra).map(Self)
    }
}

impl Default for DirectClientToServer {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientToServer for DirectClientToServer {
    fn connect(&self, body: String) -> Post {
        self.0.connect(body)
    }

    fn procedure(&self, body: String) -> Post {
        self.0.procedure(body)
    }
}
