//! What went wrong, for the application.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

use chanson_core::PayloadBuf;
use chanson_core::client::{Closing, ConnectError};
use chanson_core::error::CommandError;

/// Why a client was not started. What the operating system said of it is the `source`.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The address is `wss://`, and this is a client without TLS.
    NoTls,
    /// The address is `wss://`, and the operating system has no certificates of those it trusts.
    #[cfg(feature = "tls")]
    Roots(chanson_core::tls::Error),
    /// The operating system has no thread or no randomness to give.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str("wss:// needs TLS, and chanson-std is built without tls"),
            #[cfg(feature = "tls")]
            Self::Roots(_) => f.write_str("no certificates of those whom the system trusts"),
            Self::Io(_) => f.write_str("the client has no thread or no randomness"),
        }
    }
}

impl Error for StartError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::NoTls => None,
            #[cfg(feature = "tls")]
            Self::Roots(error) => Some(error),
            Self::Io(error) => Some(error),
        }
    }
}

impl From<io::Error> for StartError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// There is no connection, and why. What the operating system said of it, if it did, is the `source`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct NotConnected {
    /// How the last try ended; `None` when the first one is still under way, when the connection was lost, and after
    /// `disconnect`.
    pub error: Option<ConnectError>,
    /// What the operating system said, where the error is [`ConnectError::Transport`] and it said something.
    pub system: Option<Arc<io::Error>>,
    /// Whether there will be another try by itself.
    pub retrying: bool,
}

impl fmt::Display for NotConnected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Some(error) => error.fmt(f),
            None => f.write_str("not connected"),
        }
    }
}

impl Error for NotConnected {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.system.as_deref().map(|error| error as _)
    }
}

/// Why a [`join`](super::Client::join) gave no channel. There is none then: it is not tried again.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum JoinError {
    /// The server refused it, with this answer.
    Refused(PayloadBuf),
    /// The server did not answer in time.
    Timeout,
    /// There was no connection in that time, or none is wanted any more.
    NotConnected(NotConnected),
    /// Meanwhile somebody left it or joined the same topic, or the server closed it.
    Closed(Closing),
    /// It was not even tried: `Full`, `TooLarge`, ….
    Command(CommandError),
    /// The client has ended.
    Ended,
    /// It was called on the client's own thread, by a callback, and would have waited for itself. See
    /// [`start_join`](super::Client::start_join).
    OwnThread,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(answer) => match answer.json() {
                Some(json) => write!(f, "the server refused the join: {json}"),
                None => f.write_str("the server refused the join"),
            },
            Self::Timeout => f.write_str("the join was not answered in time"),
            Self::NotConnected(error) => error.fmt(f),
            Self::Closed(by) => write!(f, "not joined: {by}"),
            Self::Command(error) => error.fmt(f),
            Self::Ended => f.write_str(ENDED),
            Self::OwnThread => f.write_str(OWN_THREAD),
        }
    }
}

impl Error for JoinError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // Of the others the text says it all.
        match self {
            Self::NotConnected(error) => error.source(),
            _ => None,
        }
    }
}

/// Why a push has no reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PushError {
    /// The server did not answer in time, or there was no connection to ask it.
    Timeout,
    /// The channel has closed, before the push or before its answer.
    Closed,
    /// It was not sent: `Full`, `TooLarge`, `InvalidJson`, ….
    Command(CommandError),
    /// The client has ended.
    Ended,
    /// It was called on the client's own thread, by a callback, and would have waited for itself. See
    /// [`push_then`](super::Channel::push_then).
    OwnThread,
}

impl fmt::Display for PushError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Timeout => f.write_str("the push was not answered in time"),
            Self::Closed => f.write_str("the channel has closed"),
            Self::Command(error) => error.fmt(f),
            Self::Ended => f.write_str(ENDED),
            Self::OwnThread => f.write_str(OWN_THREAD),
        }
    }
}

impl Error for PushError {}

impl From<CommandError> for PushError {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::NotJoined => Self::Closed,
            error => Self::Command(error),
        }
    }
}

const ENDED: &str = "the client has ended";
const OWN_THREAD: &str = "a callback of the client cannot wait for the client";

#[cfg(test)]
mod tests {
    use super::*;

    /// Who prints an error and then all its sources reads nothing twice.
    #[test]
    fn what_the_system_says_is_the_source_and_not_in_the_text() {
        let system = io::Error::from(io::ErrorKind::ConnectionRefused);
        let said = system.to_string();
        let error =
            NotConnected { error: Some(ConnectError::Transport), system: Some(Arc::new(system)), retrying: false };
        assert_eq!(texts(&error), ["no connection", &said]);
        assert_eq!(texts(&JoinError::NotConnected(error.clone())), ["no connection", &said]);
        let silent = NotConnected { error: Some(ConnectError::Timeout), system: None, ..error };
        assert_eq!(texts(&silent), ["connecting took too long"]);
        let error = StartError::Io(io::ErrorKind::WouldBlock.into());
        assert_eq!(texts(&error)[1..], [io::Error::from(io::ErrorKind::WouldBlock).to_string()]);
        assert!(!error.to_string().contains(&texts(&error)[1]));
        assert_eq!(texts(&StartError::NoTls).len(), 1);
    }

    fn texts(error: &(dyn Error + 'static)) -> Vec<String> {
        std::iter::successors(Some(error), |&error| error.source()).map(ToString::to_string).collect()
    }
}
