//! One connection: what is on the wire at one side, what a session sees at the other.

use std::fmt;
use std::io::{BufRead as _, IoSlice, Write as _};

use rustls::{CertificateError, Connection, Error};

use crate::error::TlsError;
use crate::http::{Persistence, Response};
use crate::time::Instant;

/// One end of a TLS connection, before its handshake; made by [`Acceptor::accept`](super::Acceptor::accept) or
/// [`Connector::connect`](super::Connector::connect) for [`Session::with_tls`](crate::session::Session::with_tls).
pub struct Stream {
    connection: Connection,
    /// What is to be sent, and how much of it has left.
    out: Vec<u8>,
    sent: usize,
    /// How many bytes of the session's are in `out`, and how many of those count as gone.
    sealed: usize,
    told: usize,
    /// Whether anything has come.
    begun: bool,
    /// Whether our `close_notify`, or an alert in its place, is in `out` or has left.
    closed: bool,
    /// Whether the peer's has come.
    peer_closed: bool,
    /// Whether the transport's end behind that was seen.
    end_taken: bool,
    /// When all else is over: until when the peer may take that it is.
    parting: Option<Instant>,
    /// Nothing more is sent.
    cut: bool,
}

impl Stream {
    pub(super) fn new(connection: Connection) -> Self {
        let mut stream = Self {
            connection,
            out: Vec::new(),
            sent: 0,
            sealed: 0,
            told: 0,
            begun: false,
            closed: false,
            peer_closed: false,
            end_taken: false,
            parting: None,
            cut: false,
        };
        // A client speaks first.
        stream.collect();
        stream
    }

    /// Bytes came from the wire. `take` gets what was in them; whether the peer has just said, for the first time, that it
    /// sends no more.
    pub(crate) fn receive(&mut self, mut bytes: &[u8], mut take: impl FnMut(&[u8])) -> Result<bool, TlsError> {
        // Behind our own end nothing is of use that comes. Neither may rustls see it: what is wrong with it would be answered
        // by an alert behind the end, which is a mistake, and one that its debug builds panic at.
        if self.closed || bytes.is_empty() {
            return Ok(false);
        }
        if !self.begun {
            self.begun = true;
            self.is_tls(bytes[0])?;
        }
        while !bytes.is_empty() {
            // Nothing is read behind a `close_notify`; there is room, for what came before was taken.
            let Ok(1..) = self.connection.read_tls(&mut bytes) else { break };
            let processed = self.connection.process_new_packets();
            while let Ok(chunk @ [_, ..]) = self.connection.reader().fill_buf() {
                take(chunk);
                let len = chunk.len();
                self.connection.reader().consume(len);
            }
            if let Err(error) = processed {
                // What was to be sent is of no use to a peer that hears an alert behind it.
                return Err(self.fail(&error));
            }
            let closed = processed.is_ok_and(|state| state.peer_has_closed());
            if closed && !self.peer_closed {
                self.peer_closed = true;
                self.collect();
                return Ok(true);
            }
        }
        self.collect();
        Ok(false)
    }

    /// A record of TLS begins with its type, of which there are four.
    fn is_tls(&mut self, first: u8) -> Result<(), TlsError> {
        if matches!(first, 0x14..=0x17) {
            return Ok(());
        }
        self.closed = true;
        let is_server = matches!(self.connection, Connection::Server(_));
        if !(is_server && first.is_ascii_uppercase()) {
            return Err(TlsError::NotTls);
        }
        // As widespread servers do, for the human who forgot an "s".
        let response = Response::text(400, "this port speaks TLS: use https:// or wss://");
        self.out = response.encode(false, Persistence::Close);
        Err(TlsError::PlainHttp)
    }

    fn fail(&mut self, error: &Error) -> TlsError {
        // An alert says what was wrong; a `close_notify` would only be in its way.
        self.closed = true;
        (self.sealed, self.told) = (0, 0);
        self.collect();
        translate(error)
    }

    /// Encrypts what fits, when all that was encrypted before has left: how many bytes of the slices.
    pub(crate) fn seal(&mut self, slices: &[IoSlice<'_>]) -> usize {
        if self.has_pending() || self.closed || self.connection.is_handshaking() {
            return 0;
        }
        // All slices go into records together. It takes what its buffer has room for.
        let taken = self.connection.writer().write_vectored(slices).unwrap_or(0);
        self.sealed = taken;
        self.collect();
        taken
    }

    /// Says that we send no more, behind all that is to be sent.
    pub(crate) fn close(&mut self) {
        if !std::mem::replace(&mut self.closed, true) {
            self.connection.send_close_notify();
            self.collect();
        }
    }

    /// Nothing more is sent, not even what was encrypted: the peer does not take it.
    pub(crate) fn cut(&mut self) {
        self.cut = true;
        self.out = Vec::new();
        (self.sent, self.sealed, self.told) = (0, 0, 0);
    }

    /// Moves what rustls has to send to where it can be seen.
    fn collect(&mut self) {
        while !self.cut && self.connection.wants_write() {
            // A vector takes everything.
            if !matches!(self.connection.write_tls(&mut self.out), Ok(1..)) {
                return;
            }
        }
    }

    pub(crate) fn pending(&self) -> &[u8] {
        self.out.get(self.sent..).unwrap_or_default()
    }

    /// Bytes of the wire have left: how many of the session's went with them.
    pub(crate) fn advance(&mut self, n: usize) -> usize {
        self.sent = (self.sent + n).min(self.out.len());
        if self.has_pending() {
            // About as much as of the whole; never all of it before the end.
            let gone = (self.sealed as u128 * self.sent as u128 / self.out.len() as u128) as usize;
            let fresh = gone.saturating_sub(self.told);
            self.told += fresh;
            return fresh;
        }
        let fresh = self.sealed - self.told;
        if self.out.capacity() > KEPT {
            self.out = Vec::new()
        } else {
            self.out.clear()
        }
        (self.sent, self.sealed, self.told) = (0, 0, 0);
        fresh
    }

    pub(crate) fn has_pending(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Whether bytes of the session's are encrypted and have not all left.
    pub(crate) const fn is_owed(&self) -> bool {
        self.told < self.sealed
    }

    /// All else is over; the peer has time until then to take that it is. Whether that is news.
    pub(crate) fn begin_to_part(&mut self, until: Instant) -> bool {
        let news = self.parting.is_none();
        self.parting.get_or_insert(until);
        news
    }

    pub(crate) const fn parting(&self) -> Option<Instant> {
        self.parting
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.connection.is_handshaking()
    }

    /// Whether the peer has said that it sends no more; once.
    pub(crate) const fn take_peer_closed(&mut self) -> bool {
        self.peer_closed && !std::mem::replace(&mut self.end_taken, true)
    }

    /// Whether our end was said, and all has left.
    pub(crate) fn is_done_sending(&self) -> bool {
        self.cut || self.closed && !self.has_pending()
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("handshaking", &self.is_handshaking())
            .field("pending", &self.pending().len())
            .finish_non_exhaustive()
    }
}

/// What a peer did, in our words.
fn translate(error: &Error) -> TlsError {
    match error {
        Error::InvalidCertificate(error) => match error {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsError::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => TlsError::NotValidYet,
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => TlsError::WrongHost,
            // The latter: signed by somebody else of that name.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => TlsError::UnknownIssuer,
            _ => TlsError::BadCertificate,
        },
        Error::NoCertificatesPresented => TlsError::BadCertificate,
        Error::AlertReceived(alert) => TlsError::Alert(u8::from(*alert)),
        Error::PeerIncompatible(_) | Error::NoApplicationProtocol => TlsError::Incompatible,
        Error::General(_) | Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes | Error::EncryptError => {
            TlsError::Internal
        }
        _ => TlsError::Protocol,
    }
}

/// Room that is kept when nothing waits.
const KEPT: usize = 512;
