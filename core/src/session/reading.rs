//! What is read from the input, by the phase that the session is in.

use super::input::Input;
use super::machine::{Machine, Phase};
use super::{Event, Session, compressed};
use crate::deflate::Agreed;
use crate::error::{CloseReason, HandshakeError, PeerError, TlsError};
use crate::http::{Head, Progress};
use crate::ws::Incoming;

impl Session {
    pub(super) fn poll_http(&mut self) -> Option<Event<'_>> {
        let request = self.read_request();
        if let Some(reason) = self.machine.take_closed() {
            return Some(Event::Closed(reason));
        }
        let Phase::Http(exchange) = &self.machine.phase else { return None };
        if !request {
            return None;
        }
        Some(Event::Request(exchange.reader.request(&self.input.bytes[..self.input.start])))
    }

    /// Whether a request has become whole.
    fn read_request(&mut self) -> bool {
        if !self.machine.may_read() {
            return false;
        }
        let limits = self.machine.limits();
        let Phase::Http(exchange) = &mut self.machine.phase else { return false };
        let fresh = self.input.fresh();
        let hello = exchange.reader.is_in_head() && fresh.first() == Some(&TLS_HANDSHAKE);
        match exchange.reader.read(fresh, &limits) {
            Ok((used, progress)) => {
                self.input.start += used;
                match progress {
                    Progress::Complete => self.machine.request_came(),
                    Progress::Continue => self.machine.send_continue(),
                    Progress::More => {}
                }
                if progress != Progress::Complete {
                    self.machine.ran_dry();
                }
                progress == Progress::Complete
            }
            Err(status) => {
                let error =
                    if hello { PeerError::Tls(TlsError::TlsToPlainPort) } else { PeerError::BadRequest(status) };
                self.machine.refuse(status, error);
                self.forget();
                false
            }
        }
    }

    /// The answer to our upgrade, when its head has come.
    pub(super) fn poll_upgrade(&mut self) -> Option<Event<'_>> {
        let (start, answer) = loop {
            let start = self.input.start;
            match self.read_answer() {
                Ok(Some(Answer::Interim)) => {}
                answer => break (start, answer),
            }
        };
        match answer {
            Ok(Some(Answer::Agreed(agreed))) => {
                self.machine.upgraded();
                if let Some(agreed) = agreed {
                    self.compress(agreed);
                }
            }
            Ok(_) => self.machine.ran_dry(),
            Err(error) => self.machine.refused(error),
        }
        let head = &self.input.bytes[start..self.input.start];
        match answer {
            Ok(Some(_)) | Err(HandshakeError::Status(_) | HandshakeError::Redirect(_)) => {
                let head = Head::parse(head, self.machine.limits().headers).ok()?;
                Some(match answer {
                    Ok(_) => Event::Open { protocol: head.header("sec-websocket-protocol") },
                    Err(_) => Event::Refused(head),
                })
            }
            _ => self.machine.take_closed().map(Event::Closed),
        }
    }

    /// Takes the next head from the input.
    fn read_answer(&mut self) -> Result<Option<Answer>, HandshakeError> {
        let limits = self.machine.limits();
        let Phase::Upgrading(upgrading) = &mut self.machine.phase else { return Ok(None) };
        let handshake = &mut upgrading.handshake;
        let Input { bytes, start, end, .. } = &mut self.input;
        let fresh = &bytes[*start..*end];
        let Some(len) = handshake.read(fresh, limits.head)? else { return Ok(None) };
        let head = Head::parse(&fresh[..len], limits.headers)?;
        *start += len;
        if head.is_interim() {
            return Ok(Some(Answer::Interim));
        }
        handshake.check(&head)?;
        let Some(deflate) = upgrading.deflate else { return Ok(Some(Answer::Agreed(None))) };
        let extensions = head.extensions().ok_or(HandshakeError::Extension)?;
        deflate.agree(&extensions).map(|agreed| Some(Answer::Agreed(agreed)))
    }

    pub(super) fn poll_websocket(&mut self) -> Option<Event<'_>> {
        let Self { machine, input: Input { bytes, start, end, .. }, decoder, compression, .. } = self;
        let defers = machine.defers();
        let event = match decoder.decode(&mut bytes[*start..*end]) {
            Ok((used, item)) => {
                *start += used;
                match item {
                    Some(Incoming::Text(text)) => return Some(Event::Text(text)),
                    Some(Incoming::Binary(data)) => return Some(Event::Binary(data)),
                    Some(Incoming::Ping(payload)) => {
                        machine.pong(payload);
                        return Some(Event::Alive);
                    }
                    Some(Incoming::Pong(_)) => return Some(Event::Alive),
                    Some(Incoming::Close { code, .. }) if defers => Some(Event::Ending(CloseReason::ByPeer(code))),
                    Some(Incoming::Close { code, .. }) => {
                        machine.peer_closed(code);
                        machine.take_closed().map(Event::Closed)
                    }
                    Some(Incoming::Compressed { text, data }) => match compressed::inflate(compression, text, data) {
                        Ok(event) => return Some(event),
                        Err(error) => fail(machine, error),
                    },
                    None => {
                        machine.ran_dry();
                        machine.take_closed().map(Event::Closed)
                    }
                }
            }
            Err(error) => fail(machine, error),
        };
        if event.is_some() {
            *start = *end;
        }
        event
    }

    /// After our close frame: throws away what comes until the peer's.
    pub(super) fn await_close(&mut self) {
        while let Phase::Closing = self.machine.phase {
            let Input { bytes, start, end, .. } = &mut self.input;
            match self.decoder.decode(&mut bytes[*start..*end]) {
                Ok((used, item)) => {
                    *start += used;
                    match item {
                        Some(Incoming::Close { code, .. }) => self.machine.peer_closed(code),
                        Some(_) => {}
                        None => break,
                    }
                }
                Err(error) => self.machine.fail(error),
            }
        }
        self.forget();
    }

    /// Throws away bytes that nobody will read.
    pub(super) fn forget(&mut self) {
        self.part();
        if self.machine.is_ending() {
            self.input.clear();
            self.input.release();
        }
    }
}

/// The peer broke a rule.
fn fail(machine: &mut Machine, error: PeerError) -> Option<Event<'static>> {
    if machine.defers() {
        return Some(Event::Ending(CloseReason::Violation(error)));
    }
    machine.fail(error);
    machine.take_closed().map(Event::Closed)
}

/// What a head says to our upgrade.
#[derive(Clone, Copy)]
enum Answer {
    /// Another head follows.
    Interim,
    /// To the upgrade, and to this compression.
    Agreed(Option<Agreed>),
}

/// The first byte of a TLS handshake, and of no HTTP request.
const TLS_HANDSHAKE: u8 = 0x16;
