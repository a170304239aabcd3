//! The server, for clients and a Sidekick in its program.

use std::fmt;
use std::sync::{Arc, Mutex};

use super::lock;
use crate::covenant::connection::{Answer, CallError, Direct, Post, Url};
use crate::covenant::contract::{Channel, Fault};
use crate::covenant::protocol::{ForwardedMessage, MessageError};
use crate::covenant::server::{Output, RequestId, SendError, Server, SidekickError};
use crate::http::{Request, Response};
use crate::time::Instant;

/// A server in the program of its clients, with the application's state. A handle: clones are the same server. It does one
/// thing at a time, so its handlers cannot use it; they send messages by what they are given.
///
/// Its own connection to the Sidekick has to be one that needs no driver: [`InternalServerToSidekick`](super::InternalServerToSidekick) or
/// [`EmptyServerToSidekick`](crate::covenant::connection::EmptyServerToSidekick). What it asks of another is answered
/// [`CallError::Unreachable`].
pub struct InternalServer<S = (), X = (), D = ()> {
    inner: Arc<Mutex<Inner<S, X, D>>>,
}

struct Inner<S, X, D> {
    server: Server<S, X, D>,
    app: S,
    requests: u64,
}

impl<S: 'static, X: 'static, D: 'static> InternalServer<S, X, D> {
    /// That server.
    pub fn new(server: Server<S, X, D>, app: S) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { server, app, requests: 0 })) }
    }

    /// Answers a request.
    pub fn handle_request(&self, now: Instant, request: &Request<'_>) -> Response {
        let mut inner = lock(&self.inner);
        let id = inner.next_request();
        let Inner { server, app, .. } = &mut *inner;
        server.handle_request(now, app, id, request);
        let answer = inner.drain(now, |output| match output {
            Output::Respond { id: of, response } if of == id => Some(response),
            _ => None,
        });
        answer.unwrap_or_else(|| Response::text(500, "no answer"))
    }

    /// What becomes of a client's message.
    ///
    /// # Errors
    /// What the client is to be told.
    pub fn process_channel_message(
        &self,
        now: Instant,
        message: &ForwardedMessage<'_>,
    ) -> Result<(), MessageError<'static>> {
        let mut inner = lock(&self.inner);
        let id = inner.next_request();
        let Inner { server, app, .. } = &mut *inner;
        server.process_channel_message(now, app, id, message);
        let result = inner.drain(now, |output| match output {
            Output::Processed { id: of, result } if of == id => Some(result),
            _ => None,
        });
        result.unwrap_or_else(|| Err(MessageError { fault: Fault::Server, message: "no answer".into() }))
    }

    /// Sends a message to all who are in a room.
    ///
    /// # Errors
    /// It cannot be sent, or the Sidekick does not take it.
    pub fn send_message<C: Channel>(
        &self,
        now: Instant,
        params: &C::Params,
        message: &C::ServerMessage,
    ) -> Result<(), NotSent> {
        let mut inner = lock(&self.inner);
        let id = inner.server.send_message::<C>(now, params, message).map_err(NotSent::Send)?;
        let result = inner.drain(now, |output| match output {
            Output::Sent { id: of, result } if of == id => Some(result),
            _ => None,
        });
        result.unwrap_or(Ok(())).map_err(NotSent::Sidekick)
    }

    /// The application's state.
    pub fn with_app<T>(&self, look: impl FnOnce(&mut S) -> T) -> T {
        look(&mut lock(&self.inner).app)
    }
}

impl<S: 'static, X: 'static, D: 'static> Inner<S, X, D> {
    const fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    /// All that is to be done, and the one thing that is looked for.
    fn drain<T>(&mut self, now: Instant, mut wanted: impl FnMut(Output) -> Option<T>) -> Option<T> {
        let mut found = None;
        while let Some(output) = self.server.poll_output() {
            match output {
                Output::Call { id, .. } => self.server.handle_response(now, id, Err(CallError::Unreachable)),
                output => found = found.or_else(|| wanted(output)),
            }
        }
        found
    }
}

impl<S, X, D> Direct for InternalServer<S, X, D>
where
    S: Send + 'static,
    X: 'static,
    D: 'static,
    Server<S, X, D>: Send,
{
    fn answer(&self, now: Instant, post: &Post) -> Answer {
        let headers: Vec<_> = post.headers().collect();
        let request = Request::new("POST", target(post.url()), &headers, post.body().as_bytes());
        let response = self.handle_request(now, &request);
        Answer::new(response.status(), response.bytes())
    }
}

/// Path and query.
fn target(url: &Url) -> &str {
    let text = url.as_str();
    let path = text.find("://").and_then(|scheme| text[scheme + 3..].find('/').map(|path| scheme + 3 + path));
    &text[path.unwrap_or(text.len())..]
}

impl<S, X, D> Clone for InternalServer<S, X, D> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<S, X, D> fmt::Debug for InternalServer<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InternalServer").finish_non_exhaustive()
    }
}

/// Why a message of [`InternalServer::send_message`] did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotSent {
    /// The server did not take it.
    Send(SendError),
    /// The Sidekick did not.
    Sidekick(SidekickError),
}

impl fmt::Display for NotSent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Send(error) => error.fmt(f),
            Self::Sidekick(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for NotSent {}
