//! How the server reaches the Sidekick.

use std::fmt;

use super::{Headers, Post, Url, UrlError};
use crate::http::HeaderError;

/// How the server reaches the Sidekick: which requests let it know of a client, of a message for a room, of resources that
/// have changed. `None`: there is nobody to tell, and it counts as done.
///
/// The bodies are ION (of resources, JSON); see [`protocol`](crate::covenant::protocol).
pub trait ServerToSidekick: fmt::Debug + Send + 'static {
    /// A client was let in: a [`ConnectionPayload`](crate::covenant::protocol::ConnectionPayload).
    fn add_connection(&self, body: String) -> Option<Post>;

    /// For all who are in a room: a [`ServerMessage`](crate::covenant::protocol::ServerMessage).
    fn post_message(&self, body: String) -> Option<Post>;

    /// Resources have changed: a [`ResourceUpdate`](crate::covenant::protocol::ResourceUpdate).
    fn update(&self, body: String) -> Option<Post>;
}

/// A Sidekick somewhere, by HTTP: `httpServerToSidekick` of the original.
///
/// ```
/// use chanson_core::covenant::connection::{HttpServerToSidekick, ServerToSidekick};
///
/// let sidekick = HttpServerToSidekick::new("http://127.0.0.1:3001", "secret")?.with_headers([("X-Region", "eu")])?;
/// let post = sidekick.post_message("{}".into()).expect("there is somebody to tell");
/// assert_eq!(post.url().as_str(), "http://127.0.0.1:3001/message");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpServerToSidekick {
    url: Url,
    headers: Headers,
}

impl HttpServerToSidekick {
    /// The Sidekick at that address, of whose path nothing is used, with the secret that it asks for.
    ///
    /// # Errors
    /// It is no address, or the secret holds control characters.
    pub fn new(url: &str, secret: &str) -> Result<Self, ConnectionError> {
        Ok(Self { url: url.parse()?, headers: Headers::ion().with_secret(secret)? })
    }

    /// With extra headers in every request.
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

    fn post(&self, path: &str, body: String) -> Post {
        Post::new(self.url.with_path(path), self.headers.clone(), body)
    }
}

impl ServerToSidekick for HttpServerToSidekick {
    fn add_connection(&self, body: String) -> Option<Post> {
        Some(self.post("/connection", body))
    }

    fn post_message(&self, body: String) -> Option<Post> {
        Some(self.post("/message", body))
    }

    fn update(&self, body: String) -> Option<Post> {
        Some(self.post("/resources", body))
    }
}

/// No Sidekick: `emptyServerToSidekick` of the original. Whatever it would be told is done; tokens are good for nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmptyServerToSidekick;

impl ServerToSidekick for EmptyServerToSidekick {
    fn add_connection(&self, _: String) -> Option<Post> {
        None
    }

    fn post_message(&self, _: String) -> Option<Post> {
        None
    }

    fn update(&self, _: String) -> Option<Post> {
        None
    }
}

/// A Sidekick in the same program: `directServerToSidekick` of the original. Its requests are as they would be by HTTP, and
/// who gets them from the server hands them to the Sidekick.
///
/// ```
/// use chanson_core::covenant::connection::{DirectServerToSidekick, ServerToSidekick};
///
/// let post = DirectServerToSidekick.update("{}".into()).expect("there is somebody to tell");
/// assert_eq!((post.url().as_str(), post.headers().count()), ("http://localhost/resources", 1));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectServerToSidekick;

impl DirectServerToSidekick {
    fn post(path: &str, body: String) -> Post {
        let url: Url = "http://localhost/".parse().expect("it is an address");
        Post::new(url.with_path(path), Headers::ion(), body)
    }
}

impl ServerToSidekick for DirectServerToSidekick {
    fn add_connection(&self, body: String) -> Option<Post> {
        Some(Self::post("/connection", body))
    }

    fn post_message(&self, body: String) -> Option<Post> {
        Some(Self::post("/message", body))
    }

    fn update(&self, body: String) -> Option<Post> {
        Some(Self::post("/resources", body))
    }
}

/// Why a connection cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The address is none.
    Url(UrlError),
    /// The secret or a header cannot be sent.
    Header(HeaderError),
}

impl fmt::Display for ConnectionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Url(error) => error.fmt(f),
            Self::Header(error) => write!(f, "secret or header: {error}"),
        }
    }
}

impl std::error::Error for ConnectionError {}

impl From<UrlError> for ConnectionError {
    fn from(error: UrlError) -> Self {
        Self::Url(error)
    }
}

impl From<HeaderError> for ConnectionError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}
