//! What a client says: to its driver ([`Output`]) and to the application ([`Event`]).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Presence;
use crate::error::{CloseReason, HandshakeError, TlsError};
use crate::payload::PayloadBuf;
use crate::time::Instant;

/// A channel of a client: what [`join`](super::Client::join) gives. Its index is used again after the channel has closed,
/// its generation is not: a stale id is answered with `NotJoined`, never with another channel.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChannelId {
    pub(super) index: u32,
    pub(super) generation: u32,
}

impl ChannelId {
    /// The id as one number, for hosts that keep it in a C struct.
    pub const fn to_bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was a channel names none.
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl fmt::Debug for ChannelId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelId({}v{})", self.index, self.generation)
    }
}

/// A push or a ping: what its one end is known by. Never used twice by one client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PushId(pub(super) u64);

impl PushId {
    /// The id as a number, for hosts that keep it in a C struct.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`to_bits`](Self::to_bits).
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Debug for PushId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PushId({})", self.0)
    }
}

/// What the driver is to do with the transport. There is one at most: `Connect` comes only after the `Close` of the one
/// before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Output {
    /// Open a transport; then [`handle_connected`](super::Client::handle_connected), or
    /// [`handle_error`](super::Client::handle_error) if that fails.
    Connect {
        /// A name or an address; IPv6 without brackets.
        host: Box<str>,
        /// The port.
        port: u16,
        /// Whether the host has to speak TLS, with a certificate that is for `host`: the address is `wss://`, and
        /// `Config::with_tls` was not called.
        tls: bool,
    },
    /// Shut the transport down, whatever its state, and hand in nothing more of it. What is pending has been sent or is
    /// of no use.
    Close,
}

/// What happened, for the application.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Event {
    /// The connection is open. Joined channels join again by themselves.
    Connected,
    /// The connection could not be opened; or `disconnect` was called while the next try was waited for (`Cancelled`).
    ConnectFailed {
        /// Why.
        error: ConnectError,
        /// When the next try is; `None` if there is none, by the limit of [`Backoff`](super::Backoff) or `disconnect`.
        retry_at: Option<Instant>,
    },
    /// The connection was open and is lost.
    Disconnected {
        /// Why: `IdleTimeout` when a heartbeat was not answered, `ByUs(1005)` after `disconnect`.
        reason: CloseReason,
        /// When the next try is, as in `ConnectFailed`.
        retry_at: Option<Instant>,
    },
    /// A join was answered ok, the first one or one after a loss.
    Joined {
        /// Which.
        channel: ChannelId,
        /// The server's answer.
        response: PayloadBuf,
    },
    /// A join was refused or not answered. It is tried again by itself, until `leave` or the limit of `Config::rejoin`, which
    /// `GaveUp` tells.
    JoinFailed {
        /// Which.
        channel: ChannelId,
        /// Why.
        error: JoinError,
    },
    /// The channel is joined no more, but will be again by itself.
    Errored {
        /// Which.
        channel: ChannelId,
        /// Why.
        cause: Cause,
    },
    /// The limit of `Config::rejoin` is reached: on this connection the channel is not joined again by itself. Comes behind the
    /// `JoinFailed` or `Errored` that was the last. The next connection begins anew.
    GaveUp {
        /// Which.
        channel: ChannelId,
    },
    /// The channel is gone, and so is its id; pushes that wait are aborted.
    Closed {
        /// Which.
        channel: ChannelId,
        /// Why.
        by: Closing,
    },
    /// The server sent an event to the channel.
    Message {
        /// Which.
        channel: ChannelId,
        /// Its name.
        event: Box<str>,
        /// What it carries.
        payload: PayloadBuf,
    },
    /// A push was answered. (One end of a push.)
    Reply {
        /// The push.
        push: PushId,
        /// Its channel.
        channel: ChannelId,
        /// The status.
        status: Status,
        /// The answer.
        response: PayloadBuf,
    },
    /// A push was not answered in time, or not sent. (One end of a push.)
    Timeout {
        /// The push.
        push: PushId,
        /// Its channel.
        channel: ChannelId,
    },
    /// The channel closed before a push was answered, or the connection was lost before a ping was. (One end of a push.)
    Aborted {
        /// The push or the ping.
        push: PushId,
        /// Its channel; `None` for a ping.
        channel: Option<ChannelId>,
    },
    /// A ping was answered.
    Pong {
        /// The ping.
        ping: PushId,
        /// How long that took.
        round_trip: Duration,
    },
    /// Someone came, or came once more: `current` is `None` for one who was not there. (Only with
    /// [`track_presence`](super::Client::track_presence), as those below.) Who is tracked by the join itself comes with the state
    /// and once more with the diff, as in phoenix.js, if the server sends both.
    PresenceJoin {
        /// Where.
        channel: ChannelId,
        /// Who.
        key: Arc<str>,
        /// What was there under that key before.
        current: Option<Presence>,
        /// What came.
        new: Presence,
    },
    /// Someone left, wholly or in part.
    PresenceLeave {
        /// Where.
        channel: ChannelId,
        /// Who.
        key: Arc<str>,
        /// What remains under that key; without metas if nothing does.
        current: Presence,
        /// What left.
        left: Presence,
    },
    /// The list of presences is that of the server again: after the joins and leaves of one message.
    PresenceSync {
        /// Where.
        channel: ChannelId,
    },
    /// The presences are more than `Capacity::presence_bytes`, or what is to be told of them is much more than that, since the
    /// same keys change over and over and nobody asks for [events](super::Client::poll_event): the list is empty and is not kept
    /// until the next join.
    PresenceOverflow {
        /// Where.
        channel: ChannelId,
    },
}

/// Why a connection could not be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectError {
    /// The transport did not come up, or ended before the handshake was done.
    Transport,
    /// It took longer than `Config::connect_timeout`.
    Timeout,
    /// The server refused the upgrade: 403 by `on_connect`, 503 when it is full.
    Refused {
        /// The status.
        status: u16,
    },
    /// The server is elsewhere. It is not followed: make another client if you trust that place.
    Redirect {
        /// The status.
        status: u16,
        /// The `Location` header, as it came; empty if there was none.
        location: Box<str>,
    },
    /// The answer to the upgrade is none that can be gone on with.
    Handshake(HandshakeError),
    /// There is no TLS with that server: its certificate is not accepted, say.
    Tls(TlsError),
    /// `disconnect` was called meanwhile.
    Cancelled,
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport => f.write_str("no connection"),
            Self::Timeout => f.write_str("connecting took too long"),
            Self::Refused { status } => write!(f, "the server refused the connection with status {status}"),
            Self::Redirect { status, location } => write!(f, "the server redirects ({status}) to {location:?}"),
            Self::Handshake(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
            Self::Cancelled => f.write_str("disconnected before it was connected"),
        }
    }
}

impl std::error::Error for ConnectError {}

/// Why a join did not succeed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinError {
    /// The server refused it, with this answer.
    Refused(PayloadBuf),
    /// There was no answer in time.
    Timeout,
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(answer) => said(f, "the server refused the join", answer),
            Self::Timeout => f.write_str("the join was not answered in time"),
        }
    }
}

impl std::error::Error for JoinError {}

/// Why a channel is joined no more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cause {
    /// The connection is lost.
    Connection,
    /// It crashed on the server, which said this.
    Server(PayloadBuf),
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection => f.write_str("the connection is lost"),
            Self::Server(what) => said(f, "the channel crashed on the server", what),
        }
    }
}

/// Why a channel has closed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Closing {
    /// `leave` was called.
    Left,
    /// Another join took its topic.
    Replaced,
    /// The server closed it, and said this.
    Server(PayloadBuf),
}

impl fmt::Display for Closing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left => f.write_str("the channel was left"),
            Self::Replaced => f.write_str("another join took the channel's topic"),
            Self::Server(what) => said(f, "the server closed the channel", what),
        }
    }
}

/// What happened, and what the server said of it.
fn said(f: &mut fmt::Formatter<'_>, what: &str, payload: &PayloadBuf) -> fmt::Result {
    match payload.json() {
        Some(json) => write!(f, "{what}: {json}"),
        None => f.write_str(what),
    }
}

/// The status of a reply.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Status {
    /// `ok`.
    Ok,
    /// `error`.
    Error,
    /// One of the application's own; empty if the reply had none.
    Other(Box<str>),
}

impl Status {
    pub(super) fn new(text: &str) -> Self {
        match text {
            "ok" => Self::Ok,
            "error" => Self::Error,
            text => Self::Other(text.into()),
        }
    }

    /// Whether it is `ok`.
    pub const fn is_ok(&self) -> bool {
        matches!(self, Self::Ok)
    }

    /// As the server wrote it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Other(text) => text,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ended_says_why() {
        let what = || PayloadBuf::from_serialize(&["full"]).expect("a list is JSON");
        assert_eq!(JoinError::Refused(what()).to_string(), r#"the server refused the join: ["full"]"#);
        assert_eq!(JoinError::Refused(PayloadBuf::from_binary([1])).to_string(), "the server refused the join");
        assert_eq!(Cause::Server(what()).to_string(), r#"the channel crashed on the server: ["full"]"#);
        assert_eq!(Closing::Server(what()).to_string(), r#"the server closed the channel: ["full"]"#);
    }
}
