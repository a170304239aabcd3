//! How a client reaches its server.

use std::fmt;
use std::sync::Arc;

use super::{Answer, Headers, Post, Url, UrlError};
use crate::http::HeaderError;
use crate::time::Instant;

/// How a client reaches its server: which requests ask it for a connection to a channel and for a procedure.
///
/// The body is ION, and so is the answer's.
pub trait ClientToServer: fmt::Debug + Send + 'static {
    /// A request for a connection to a channel.
    fn connect(&self, body: String) -> Post;

    /// A call of a procedure.
    fn procedure(&self, body: String) -> Post;

    /// The answer to one of these, where the server is in this program; `None`: a driver has to ask.
    fn answer(&self, _now: Instant, _post: &Post) -> Option<Answer> {
        None
    }
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

/// A server that answers at once, without a network between.
pub trait Direct: Send + Sync + 'static {
    /// Its answer.
    fn answer(&self, now: Instant, post: &Post) -> Answer;
}

/// A server in the same program: `directClientToServer` of the original. See
/// [`internal`](crate::covenant::internal) for a whole program.
#[derive(Clone)]
pub struct DirectClientToServer {
    http: HttpClientToServer,
    server: Arc<dyn Direct>,
}

impl DirectClientToServer {
    /// That server, without extra headers.
    pub fn new<S: Direct + Clone>(server: &S) -> Self {
        // Nobody is asked there; the original's requests have that address too.
        let http = HttpClientToServer::new("http://localhost:3000/").expect("it is an address");
        Self { http, server: Arc::new(server.clone()) }
    }

    /// With extra headers in every request.
    ///
    /// # Errors
    /// As [`HttpClientToServer::with_headers`].
    pub fn with_headers<'a>(
        mut self,
        extra: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, HeaderError> {
        self.http = self.http.with_headers(extra)?;
        Ok(self)
    }
}

impl fmt::Debug for DirectClientToServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectClientToServer").finish_non_exhaustive()
    }
}

impl ClientToServer for DirectClientToServer {
    fn connect(&self, body: String) -> Post {
        self.http.connect(body)
    }

    fn procedure(&self, body: String) -> Post {
        self.http.procedure(body)
    }

    fn answer(&self, now: Instant, post: &Post) -> Option<Answer> {
        Some(self.server.answer(now, post))
    }
}
