//! How a handler fails.

use std::error::Error;
use std::fmt;

use super::conclude::Deferred;
use crate::covenant::contract::Fault;

/// What a handler fails with: any error. Those of [`reject`](super::Connecting::reject) and `error` tell whose fault it is or
/// a code; all others are faults of the server, and their text is told (as the original does with what is thrown).
///
/// ```
/// use chanson_core::covenant::server::Failure;
///
/// fn read(text: &str) -> Result<u32, Failure> {
///     match text.parse()? {
///         0 => Err("nought is too little".into()),
///         number => Ok(number),
///     }
/// }
/// assert_eq!(read("0").unwrap_err().to_string(), "nought is too little");
/// assert_eq!(read("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub type Failure = Box<dyn Error + Send + Sync>;

/// A refusal of a client or of its message.
#[derive(Debug)]
pub(super) struct Refusal {
    reason: String,
    cause: Fault,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}

impl Error for Refusal {}

/// An error of a procedure.
#[derive(Debug)]
pub(super) struct Coded {
    message: String,
    code: u16,
}

impl fmt::Display for Coded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Coded {}

/// The failure of a channel's handler that tells the client this, and whose fault it is: for answers that come later. Handlers
/// have [`Connecting::reject`](super::Connecting::reject) and [`Message::error`](super::Message::error).
pub fn reject(reason: impl Into<String>, cause: Fault) -> Failure {
    Box::new(Refusal { reason: reason.into(), cause })
}

/// The failure of a procedure that answers with this message and code: for answers that come later. Handlers have
/// [`Call::error`](super::Call::error).
pub fn error(message: impl Into<String>, code: u16) -> Failure {
    Box::new(Coded { message: message.into(), code })
}

/// How something failed, as it is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Failed {
    /// With a cause.
    Refused(String, Fault),
    /// With a code.
    Coded(String, u16),
    /// In some other way: an error of a handler's own, or a panic.
    Thrown(String),
    /// Not yet: the answer is promised.
    Later(Deferred),
}

impl Failed {
    pub(super) fn message(&self) -> &str {
        match self {
            Self::Refused(message, _) | Self::Coded(message, _) | Self::Thrown(message) => message,
            Self::Later(_) => "",
        }
    }

    /// Whether a handler told it so, by the means that there are for that.
    pub(super) const fn is_meant(&self) -> bool {
        matches!(self, Self::Refused(..) | Self::Coded(..))
    }

    /// Whose fault it is. The Sidekick has no part in what the server's handlers do.
    pub(super) const fn fault(&self) -> Fault {
        match self {
            Self::Refused(_, Fault::Client) => Fault::Client,
            _ => Fault::Server,
        }
    }

    pub(super) const fn code(&self) -> u16 {
        match self {
            Self::Coded(_, code) => *code,
            _ => 500,
        }
    }
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        let failure = match failure.downcast::<Refusal>() {
            Ok(refusal) => return Self::Refused(refusal.reason, refusal.cause),
            Err(failure) => failure,
        };
        let failure = match failure.downcast::<Coded>() {
            Ok(coded) => return Self::Coded(coded.message, coded.code),
            Err(failure) => failure,
        };
        match failure.downcast::<Deferred>() {
            Ok(deferred) => Self::Later(*deferred),
            Err(failure) => Self::Thrown(failure.to_string()),
        }
    }
}
