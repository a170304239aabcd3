//! A session whose bytes are TLS. To its machine nothing has changed: it writes into its outbox, which is encrypted when somebody
//! wants to send, and what was encrypted stays in the outbox until it has left.

use std::io::IoSlice;

use super::Session;
use super::machine::Phase;
use crate::error::{CloseReason, PeerError, TlsError};
use crate::time::Instant;
use crate::tls::Stream;

impl Session {
    /// The same with TLS between it and the wire: [`handle_bytes`](Self::handle_bytes) decrypts, [`pending`](Self::pending)
    /// encrypts all that waits, [`is_finished`](Self::is_finished) waits until the peer was told of the end. For a session to
    /// which nothing has happened yet. The handshake has to be done within the same time as the request that follows it.
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(self, stream: Stream) -> Self {
        self.secured(Ok(stream))
    }

    /// The same; without a stream, the session ends for that reason.
    pub(crate) fn secured(mut self, stream: Result<Stream, TlsError>) -> Self {
        match stream {
            Ok(stream) => self.tls = Some(Box::new(stream)),
            Err(error) => self.machine.break_off(CloseReason::Violation(PeerError::Tls(error))),
        }
        self
    }

    /// Whether TLS is still to be agreed upon.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    pub(super) fn decrypt(&mut self, bytes: &[u8]) {
        let Self { machine, input, tls: Some(tls), .. } = self else { return };
        let received = tls.receive(bytes, |plain| {
            if machine.listens() {
                machine.bytes_came();
                input.append(plain);
            }
        });
        match received {
            Ok(false) => {}
            Ok(true) => self.machine.eof_came(),
            Err(error) => self.machine.break_off(CloseReason::Violation(PeerError::Tls(error))),
        }
        self.await_close();
    }

    pub(super) fn encrypt<'a>(&'a mut self, slices: &mut [IoSlice<'a>]) -> usize {
        let Self { machine, tls: Some(tls), .. } = self else { return 0 };
        if !tls.has_pending() {
            let mut plain = [IoSlice::new(&[]); PIECES];
            let count = machine.outbox.fill(&mut plain);
            let sealed = if count == 0 { 0 } else { tls.seal(&plain[..count]) };
            machine.outbox.commit(sealed);
            // The last bytes and the end of TLS leave together.
            if machine.is_ending() && sealed == machine.outbox.bytes() {
                tls.close();
            }
        }
        match slices.first_mut() {
            Some(slice) if tls.has_pending() => {
                *slice = IoSlice::new(tls.pending());
                1
            }
            _ => 0,
        }
    }

    /// The transport has ended: whether that is news. Behind the peer's `close_notify` it is not; without one somebody may have
    /// cut off what was to come, which is an end as without TLS.
    pub(super) fn transport_ended(&mut self) -> bool {
        let again = self.machine.has_eof();
        let Some(tls) = &mut self.tls else { return true };
        let news = !tls.take_peer_closed();
        if news && again {
            tls.cut();
        }
        news
    }

    /// When all else is over, the peer is told that TLS is; it is given time to take that. A peer that has not taken what was
    /// said before would not take that either.
    pub(super) fn part(&mut self) {
        let Some(tls) = self.tls.as_mut().filter(|_| matches!(self.machine.phase, Phase::Finished)) else { return };
        let until = self.machine.close_by();
        if tls.begin_to_part(until) {
            if tls.is_owed() { tls.cut() } else { tls.close() }
        }
    }

    pub(super) fn parting_deadline(&self) -> Option<Instant> {
        self.tls.as_ref().and_then(|tls| tls.parting()).filter(|_| !self.is_finished())
    }

    pub(super) fn parting_timed_out(&mut self) {
        let now = self.machine.now();
        if let Some(tls) = &mut self.tls
            && tls.parting().is_some_and(|until| until <= now)
        {
            tls.cut();
        }
    }
}

/// How many pieces of what waits are encrypted together at most.
const PIECES: usize = 256;
