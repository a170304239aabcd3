//! What went wrong, by origin: a mistake of the caller ([`CommandError`], [`AnswerError`], …), which is returned and
//! changes nothing, or a violation by the peer ([`PeerError`]), which ends its connection with a [`CloseReason`].

use std::fmt;

/// Why a command was refused. Nothing has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CommandError {
    /// No connection of that id is open (any more).
    UnknownConn,
    /// The connection is not joined to that topic.
    NotJoined,
    /// A table or queue is at its bound (`Capacity`); try again later or raise the bound.
    Full,
    /// A topic, event, ref or key is longer than allowed, in bytes.
    TooLarge {
        /// What was given.
        len: usize,
        /// What is allowed.
        max: usize,
    },
    /// The value cannot be written as JSON.
    InvalidJson,
    /// Binary data for a connection with `vsn` 1, which has no form for it.
    BinaryUnsupported,
    /// The message was answered (or deferred) before.
    AlreadyAnswered,
    /// Nothing is tracked under that key by this join.
    NotTracked,
    /// This join tracks that key already; use `update`.
    AlreadyTracked,
    /// Not possible here: replying to a join from its handler, say.
    NotAllowed,
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownConn => f.write_str("no such connection"),
            Self::NotJoined => f.write_str("not joined to that topic"),
            Self::Full => f.write_str("at capacity"),
            Self::TooLarge { len, max } => write!(f, "{len} bytes where {max} are allowed"),
            Self::InvalidJson => f.write_str("cannot be written as JSON"),
            Self::BinaryUnsupported => f.write_str("vsn 1 cannot carry binary data"),
            Self::AlreadyAnswered => f.write_str("answered before"),
            Self::NotTracked => f.write_str("nothing tracked under that key"),
            Self::AlreadyTracked => f.write_str("tracked under that key already"),
            Self::NotAllowed => f.write_str("not possible here"),
        }
    }
}

impl std::error::Error for CommandError {}

impl From<InvalidJson> for CommandError {
    fn from(_: InvalidJson) -> Self {
        Self::InvalidJson
    }
}

/// Why an answer to a ticket was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AnswerError {
    /// The ticket was answered, or what it answers is gone (its join, its connection), or its time limit has passed.
    Expired,
    /// The ticket is for something else: a connect, a join or event, or an HTTP request.
    WrongKind,
    /// The answer cannot be sent: binary data to a `vsn` 1 connection, say. The ticket lives on.
    Refused(CommandError),
}

impl fmt::Display for AnswerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Expired => f.write_str("the ticket is dead"),
            Self::WrongKind => f.write_str("the ticket is for another kind of answer"),
            Self::Refused(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for AnswerError {}

/// A rule of the protocol that the peer broke.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PeerError {
    /// A WebSocket frame that RFC 6455 forbids (close code 1002).
    Protocol(&'static str),
    /// Text that is not UTF-8 (1007).
    InvalidUtf8,
    /// A compressed message that cannot be inflated: corrupt, or not whole (1007).
    BadCompression,
    /// A message longer than the mount allows (1009).
    TooBig {
        /// The bound, in bytes.
        max: usize,
    },
    /// A message that is no channels message (1011, as the reference server does).
    Undecodable(&'static str),
    /// More messages than the rate limit allows (1008).
    RateLimited,
    /// An HTTP request that cannot be read, with the status it was answered with.
    BadRequest(u16),
    /// No complete handshake within its time.
    HandshakeTimeout,
    /// So many messages in a row that were refused (1008); see `Mount::max_offences`.
    TooManyOffences,
    /// Something about TLS.
    Tls(TlsError),
}

impl PeerError {
    /// The WebSocket close code that the peer is told.
    pub const fn code(self) -> u16 {
        match self {
            Self::Protocol(_) | Self::BadRequest(_) | Self::HandshakeTimeout => 1002,
            // No close frame is sent, but that is the code for it (RFC 6455 §7.4.1).
            Self::Tls(_) => 1015,
            Self::InvalidUtf8 | Self::BadCompression => 1007,
            Self::RateLimited | Self::TooManyOffences => 1008,
            Self::TooBig { .. } => 1009,
            Self::Undecodable(_) => 1011,
        }
    }

    /// The short reason text that the peer is told.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Protocol(text) | Self::Undecodable(text) => text,
            Self::InvalidUtf8 => "invalid utf-8",
            Self::BadCompression => "invalid compressed data",
            Self::TooBig { .. } => "message too big",
            Self::RateLimited => "rate limited",
            Self::BadRequest(_) => "bad request",
            Self::HandshakeTimeout => "handshake timeout",
            Self::TooManyOffences => "too many refused messages",
            Self::Tls(_) => "tls",
        }
    }
}

/// Why a connection ended, and who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The peer sent a close frame with this code (1005: one without a code).
    ByPeer(u16),
    /// The application or the server closed it with this code: 1001 `disconnect`, 1012 shutdown, 1011 `close`, ….
    ByUs(u16),
    /// The peer broke a rule.
    Violation(PeerError),
    /// Nothing was heard from the peer for too long (1001).
    IdleTimeout,
    /// The peer did not read fast enough (1013).
    SlowConsumer,
    /// The transport ended without a close frame (seen as 1006).
    TransportEof,
    /// We are the client, and the server did not agree to the upgrade (seen as 1006).
    Refused(HandshakeError),
}

impl CloseReason {
    /// The code in the close frame, or 1006 where there was none.
    pub const fn code(self) -> u16 {
        match self {
            Self::ByPeer(code) | Self::ByUs(code) => code,
            Self::Violation(error) => error.code(),
            Self::IdleTimeout => 1001,
            Self::SlowConsumer => 1013,
            Self::TransportEof | Self::Refused(_) => 1006,
        }
    }

    /// The reason text in the close frame; often empty.
    pub const fn text(self) -> &'static str {
        match self {
            Self::Violation(error) => error.reason(),
            Self::SlowConsumer => "slow consumer",
            Self::ByPeer(_) | Self::ByUs(_) | Self::IdleTimeout | Self::TransportEof | Self::Refused(_) => "",
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByPeer(code) => write!(f, "closed by the peer ({code})"),
            Self::ByUs(code) => write!(f, "closed ({code})"),
            Self::Violation(error) => write!(f, "closed for a violation: {error}"),
            Self::IdleTimeout => f.write_str("closed for silence (1001)"),
            Self::SlowConsumer => f.write_str("closed since the peer did not read (1013)"),
            Self::TransportEof => f.write_str("the transport ended"),
            Self::Refused(error) => write!(f, "refused: {error}"),
        }
    }
}

impl fmt::Display for PeerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooBig { max } => write!(f, "a message beyond {max} bytes (1009)"),
            Self::BadRequest(status) => write!(f, "a bad request (answered {status})"),
            Self::Tls(error) => error.fmt(f),
            error => write!(f, "{} ({})", error.reason(), error.code()),
        }
    }
}

/// Why a server's answer to an upgrade is none that a client goes on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It refused with this status.
    Status(u16),
    /// It said, with this status, that it is elsewhere. A WebSocket client does not follow (RFC 6455 §4.1 leaves it open,
    /// browsers do not).
    Redirect(u16),
    /// It is no HTTP/1.1 response.
    Malformed,
    /// Its head is longer, or has more headers, than allowed.
    TooLarge,
    /// 101 without `Upgrade: websocket` and `Connection: Upgrade`.
    NotUpgraded,
    /// `Sec-WebSocket-Accept` does not fit the key: the answer is another's, out of a cache perhaps.
    Accept,
    /// A subprotocol that was not offered, or none where some were.
    Protocol,
    /// An extension that was not offered, or parameters that do not answer the offer.
    Extension,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Status(status) => return write!(f, "refused with status {status}"),
            Self::Redirect(status) => return write!(f, "redirected with status {status}"),
            Self::Malformed => "not an HTTP/1.1 response",
            Self::TooLarge => "response head too large",
            Self::NotUpgraded => "101 without an upgrade to websocket",
            Self::Accept => "wrong accept key",
            Self::Protocol => "subprotocol not agreed",
            Self::Extension => "extension not asked for",
        })
    }
}

impl std::error::Error for HandshakeError {}

/// What went wrong with TLS on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// To a server with TLS: a plain HTTP request. It was answered 400, in plain text.
    PlainHttp,
    /// To a server without TLS: the beginning of a TLS handshake.
    TlsToPlainPort,
    /// What came is no TLS.
    NotTls,
    /// The server's certificate has expired.
    Expired,
    /// The server's certificate is not valid yet.
    NotValidYet,
    /// The server's certificate is for other hosts, or the host is no name that a certificate can be for.
    WrongHost,
    /// The server's certificate is signed by nobody who is trusted, perhaps only by itself, or its chain has a gap.
    UnknownIssuer,
    /// The server's certificate is broken, or has something that is not known here.
    BadCertificate,
    /// There is no version, cipher or kind of key that both know.
    Incompatible,
    /// The peer said that it goes on no longer, by this alert (RFC 8446 §6.2): 42 to 48 are about our certificate.
    Alert(u8),
    /// The peer broke a rule of TLS.
    Protocol,
    /// No randomness, or no time, was to be had.
    Internal,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PlainHttp => "a plain HTTP request on a port that speaks TLS",
            Self::TlsToPlainPort => "a TLS handshake on a port without TLS",
            Self::NotTls => "no TLS where TLS is spoken",
            Self::Expired => "the certificate has expired",
            Self::NotValidYet => "the certificate is not valid yet",
            Self::WrongHost => "the certificate is not for this host",
            Self::UnknownIssuer => "the certificate is signed by nobody who is trusted",
            Self::BadCertificate => "the certificate cannot be accepted",
            Self::Incompatible => "no TLS version or cipher in common",
            Self::Alert(number) => return write!(f, "the peer ended TLS with alert {number}"),
            Self::Protocol => "a violation of TLS",
            Self::Internal => "TLS has no randomness or no time",
        })
    }
}

impl std::error::Error for TlsError {}

/// The text is not one valid JSON value, or the value cannot be written as JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidJson;

impl fmt::Display for InvalidJson {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a valid JSON value")
    }
}

impl std::error::Error for InvalidJson {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stay_small() {
        assert!(size_of::<CommandError>() <= 24);
        assert!(size_of::<CloseReason>() <= 32);
    }
}
