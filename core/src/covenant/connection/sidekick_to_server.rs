//! How the Sidekick reaches the server.

use std::fmt;

use super::{Answer, CallError, ConnectionError, Headers, Post, Url};
use crate::covenant::contract::Fault;
use crate::covenant::protocol::MessageError;
use crate::http::HeaderError;

/// How the Sidekick reaches the server: which request brings it a client's message, and what the answer means.
pub trait SidekickToServer: fmt::Debug + Send + 'static {
    /// A client has sent something: a [`ForwardedMessage`](crate::covenant::protocol::ForwardedMessage), as ION.
    fn send_message(&self, body: String) -> Post;

    /// What came of it: nothing more to say, or what the client is told.
    ///
    /// The server's own fault and message reach the client as they were given (the original tells only the status). What is
    /// not of that form, or no answer at all, is the server's fault.
    ///
    /// # Errors
    /// The message was not taken.
    fn read(&self, result: Result<&Answer, CallError>) -> Result<(), MessageError<'static>> {
        let answer = match result {
            Ok(answer) if answer.is_ok() => return Ok(()),
            Ok(answer) => answer,
            Err(error) => return Err(fault(format!("Failed to send message to server: {error}"))),
        };
        let told = std::str::from_utf8(&answer.body).ok().and_then(|text| MessageError::decode(text).ok());
        Err(told.map_or_else(
            || fault(format!("Failed to send message to server. Received: {}", answer.status_text())),
            MessageError::into_owned,
        ))
    }
}

fn fault(message: String) -> MessageError<'static> {
    MessageError { fault: Fault::Server, message: message.into() }
}

/// A server somewhere, by HTTP: `httpSidekickToServer` of the original.
///
/// ```
/// use chanson_core::covenant::connection::{Answer, HttpSidekickToServer, SidekickToServer};
///
/// let server = HttpSidekickToServer::new("http://127.0.0.1:3000/api/covenant", "secret")?;
/// let post = server.send_message("{}".into());
/// assert_eq!(post.url().as_str(), "http://127.0.0.1:3000/api/covenant?type=channel");
///
/// let refused = Answer::new(400, r#"{ "fault": "client", "message": "too long" }"#);
/// assert_eq!(server.read(Ok(&refused)).unwrap_err().message, "too long");
/// # Ok::<(), chanson_core::covenant::connection::ConnectionError>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSidekickToServer {
    url: Url,
    headers: Headers,
}

impl HttpSidekickToServer {
    /// The server at that address, with the secret that it asks for.
    ///
    /// # Errors
    /// It is no address, or the secret holds control characters.
    pub fn new(url: &str, secret: &str) -> Result<Self, ConnectionError> {
        let url: Url = url.parse()?;
        Ok(Self { url: url.with_type("channel"), headers: Headers::ion().with_secret(secret)? })
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
}

impl SidekickToServer for HttpSidekickToServer {
    fn send_message(&self, body: String) -> Post {
        Post::new(self.url.clone(), self.headers.clone(), body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_client_is_told() {
        let server = HttpSidekickToServer::new("http://a/", "s").unwrap();
        assert_eq!(server.read(Ok(&Answer::new(204, ""))), Ok(()));
        for (result, fault, message) in [
            (Ok(Answer::new(400, r#"{ "fault": "client", "message": "no" }"#)), Fault::Client, "no"),
            (Ok(Answer::new(400, r#"{"message":"é","fault":"server"}"#)), Fault::Server, "é"),
            (Ok(Answer::new(500, r#"{ "error": "no" }"#)), Fault::Server, RECEIVED_500),
            (Ok(Answer::new(500, "<html>")), Fault::Server, RECEIVED_500),
            (Ok(Answer::new(500, [0xff])), Fault::Server, RECEIVED_500),
            (Err(CallError::Unreachable), Fault::Server, "Failed to send message to server: cannot be reached"),
        ] {
            let told = server.read(result.as_ref().map_err(|error| *error)).unwrap_err();
            assert_eq!((told.fault, &*told.message), (fault, message));
        }
    }

    const RECEIVED_500: &str = "Failed to send message to server. Received: 500 - Internal Server Error";
}
