//! What a client says: to its driver ([`Output`]) and to the application ([`Event`]).

use std::fmt;

use super::ConnectError;
use crate::covenant::connection::Post;
use crate::covenant::contract::{ParamsError, Procedure, ValidationError, validate};
use crate::covenant::protocol::ChannelError;
use crate::error::CloseReason;
use crate::time::Instant;
use crate::wire::ion::RawBuf;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub(super) u64);

        impl $name {
            /// The id as a number.
            pub const fn to_bits(self) -> u64 {
                self.0
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }
    )*};
}

ids! {
    /// A request to the server: what its one end is known by. Never used twice by one client.
    CallId
    /// A message that was sent: what its one end is known by. Never used twice by one client.
    SendId
    /// A query that is made again when what it looked at has changed. Never used twice by one client.
    ListenId
    /// Leave to use a channel with certain params: what the server answers a [`connect`](super::Client::connect) with. This is
    /// its name here; the token itself, which is a secret, stays inside, and may be another one after a loss, when the old one
    /// was used up on a connection that is no more. Never used twice by one client.
    Token
}

/// What the driver is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Open a transport to the Sidekick; then [`handle_connected`](super::Client::handle_connected), or
    /// [`handle_error`](super::Client::handle_error) if that fails. There is one at most: this comes only after the `Close`
    /// of the one before.
    Connect {
        /// A name or an address; IPv6 without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
        /// Whether the host has to speak TLS, with a certificate that is for `host`: the address is `https://`, and
        /// `Config::with_tls` was not called.
        tls: bool,
    },
    /// The same where the host carries messages ([`Reach::Messages`](crate::covenant::connection::Reach::Messages)).
    Open,
    /// Take this message to the Sidekick, where the host carries messages.
    Send(String),
    /// Shut the transport down, whatever its state, and hand in nothing more of it.
    Close,
    /// Ask the server this, and say what it answered by [`handle_answer`](super::Client::handle_answer).
    Call {
        /// Which.
        id: CallId,
        /// What.
        post: Post,
    },
}

/// What happened, for the application.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The Sidekick is reached. Subscriptions and remote listeners are made again by themselves.
    Online,
    /// The Sidekick could not be reached.
    ConnectFailed {
        /// Why.
        error: ConnectError,
        /// When the next try is; `None` if there is none, by the limit of the `Backoff` or after `disconnect`.
        retry_at: Option<Instant>,
    },
    /// The Sidekick was reached and is lost.
    Offline {
        /// Why: `IdleTimeout` when a ping was not answered, `ByUs(1005)` after `disconnect`.
        reason: CloseReason,
        /// When the next try is, as in `ConnectFailed`.
        retry_at: Option<Instant>,
    },
    /// The server lets in. (One end of a [`connect`](super::Client::connect).)
    Connected {
        /// Which request.
        call: CallId,
        /// What to use the channel with.
        token: Token,
    },
    /// The server does not let in, or could not be asked. (One end of a [`connect`](super::Client::connect).)
    Refused {
        /// Which request.
        call: CallId,
        /// Why.
        error: ChannelError<'static>,
    },
    /// A procedure has ended. (The one end of a [`query`](super::Client::query) or a [`mutate`](super::Client::mutate).)
    Returned {
        /// Which.
        call: CallId,
        /// What came of it.
        result: Result<Returned, ProcedureError>,
    },
    /// A query that is listened to was made, for the first time or again.
    Fetched {
        /// Which.
        listen: ListenId,
        /// What came of it.
        result: Result<Returned, ProcedureError>,
    },
    /// The Sidekick sends the channel's messages from now on, or again.
    Subscribed {
        /// Which.
        token: Token,
    },
    /// The subscription could not be made (again) for now.
    Interrupted {
        /// Which.
        token: Token,
        /// Why.
        error: ChannelError<'static>,
        /// When it is tried again.
        retry_at: Instant,
    },
    /// The subscription is over: it was to be made again, and the server does not let in any more, or the limit of the
    /// `Backoff` is reached. The token is of no more use.
    Ended {
        /// Which.
        token: Token,
        /// Why.
        error: ChannelError<'static>,
    },
    /// A message of a channel. Whoever is subscribed twice gets it twice, once for each token.
    Message {
        /// Of which subscription.
        token: Token,
        /// The message; read it by [`RawBuf::parse`].
        data: RawBuf,
    },
    /// A message was sent, and nothing was said against it in the time that is waited for that. (One end of a send.)
    Sent {
        /// Which.
        send: SendId,
    },
    /// A message was not sent, or the server said that it is in error. (One end of a send.)
    SendFailed {
        /// Which.
        send: SendId,
        /// Why.
        error: SendError,
    },
    /// The Sidekick speaks of an error that belongs to nothing that is known.
    Error {
        /// What it said.
        error: ChannelError<'static>,
    },
}

/// What a procedure returned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Returned {
    /// The data; `null` when there was none.
    pub data: RawBuf,
    /// What it looked at or has changed.
    pub resources: Vec<Box<str>>,
}

impl Returned {
    /// The data as the contract has it.
    ///
    /// # Errors
    /// It does not fit: code 500, and which field.
    pub fn output<P: Procedure>(&self) -> Result<P::Output, ProcedureError> {
        validate(Some(self.data.as_raw())).map_err(|error: ValidationError| ProcedureError {
            code: 500,
            message: format!("Improper response from server from procedure {}: {error}", P::NAME),
        })
    }
}

/// Why a procedure has returned nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ProcedureError {
    /// The HTTP status that goes with it: 400 when the server could not be asked, 500 when it answered nonsense.
    pub code: u16,
    /// What is wrong.
    pub message: String,
}

impl ProcedureError {
    pub(super) fn new(code: u16, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }
}

impl fmt::Display for ProcedureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for ProcedureError {}

/// Why a message did not arrive, or may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Something was said against a message to that channel with those params. The Sidekick does not say which, so every
    /// message there that had not had its end has this one.
    Channel(ChannelError<'static>),
    /// The Sidekick was not to be had in time: it was not sent.
    Timeout,
    /// The connection was lost right behind it: nobody knows.
    Lost,
    /// The token ended before it was sent.
    Ended,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Timeout => f.write_str("the sidekick was not reached in time"),
            Self::Lost => f.write_str("the connection was lost before anything was said of the message"),
            Self::Ended => f.write_str("the token ended before the message was sent"),
        }
    }
}

impl std::error::Error for SendError {}

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// A bound of [`Capacity`](super::Capacity) is reached; try again later, or raise it.
    Full,
    /// It is longer than [`Capacity::send_bytes`](super::Capacity) allows.
    TooLarge {
        /// How long it is.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// It cannot be written as ION: an integer beyond 2^53, a map whose keys are structs, …
    NotIon,
    /// The params are none.
    Params(ParamsError),
    /// The token is not (any more) one of this client's.
    UnknownToken,
    /// The token is for another channel.
    WrongChannel,
    /// The token is subscribed already.
    Subscribed,
    /// Nothing is listened to by that id (any more).
    UnknownListen,
    /// There is no Sidekick ([`EmptyClientToSidekick`](crate::covenant::connection::EmptyClientToSidekick)).
    NoSidekick,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("at capacity"),
            Self::TooLarge { len, max } => write!(f, "{len} bytes where {max} are allowed"),
            Self::NotIon => f.write_str("cannot be written as ION"),
            Self::Params(error) => error.fmt(f),
            Self::UnknownToken => f.write_str("not a token of this client"),
            Self::WrongChannel => f.write_str("the token is for another channel"),
            Self::Subscribed => f.write_str("subscribed already"),
            Self::UnknownListen => f.write_str("nothing is listened to by that id"),
            Self::NoSidekick => f.write_str("there is no sidekick"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<ParamsError> for CommandError {
    fn from(error: ParamsError) -> Self {
        Self::Params(error)
    }
}
