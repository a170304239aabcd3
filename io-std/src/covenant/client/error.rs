//! What went wrong, for the application.

use std::error::Error;
use std::fmt;
use std::io;

use chanson_core::covenant::client::{CommandError, ProcedureError, SendError};
use chanson_core::covenant::protocol::ChannelError;

/// Why a client was not started. What the operating system said of it is the `source`.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// The Sidekick's address is `https://`, and this is a client without TLS.
    NoTls,
    /// For `https://` nobody is there to be trusted: the operating system trusts nobody, and `Config::with_tls` was not called.
    #[cfg(feature = "tls")]
    Roots(chanson_core::tls::Error),
    /// The operating system has no thread or no randomness to give.
    Io(io::Error),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoTls => f.write_str("https:// needs TLS, and chanson-std is built without tls"),
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

/// Errors of calls, each with what can go wrong besides.
macro_rules! errors {
    ($($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident($of:ty),)* })*) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum $name {
            $($(#[$variant_doc])* $variant($of),)*
            /// It was not even tried: `Full`, `TooLarge`, ….
            Command(CommandError),
            /// The client has ended.
            Ended,
            /// It was called on the client's own thread, by a callback, and would have waited for itself.
            OwnThread,
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Self::$variant(error) => error.fmt(f),)*
                    Self::Command(error) => error.fmt(f),
                    Self::Ended => f.write_str("the client has ended"),
                    Self::OwnThread => f.write_str("called on the client's own thread, which cannot wait for itself"),
                }
            }
        }

        impl Error for $name {}

        impl From<CommandError> for $name {
            fn from(error: CommandError) -> Self {
                Self::Command(error)
            }
        }
    )*};
}

errors! {
    /// Why a channel cannot be used.
    EnterError {
        /// The server does not let in, or could not be asked.
        Refused(ChannelError<'static>),
    }
    /// Why a message was not sent.
    TellError {
        /// It was not sent, or something was said against it.
        Send(SendError),
    }
    /// Why a procedure has returned nothing.
    CallError {
        /// It failed, or could not be asked for.
        Procedure(ProcedureError),
    }
    /// Why nothing is subscribed or listened to.
    BeginError {}
}
