//! A session that agreed on compression.

use super::{Event, Session};
use crate::deflate::{Agreed, Compression, Deflater, Inflater, Outgoing};
use crate::error::PeerError;
use crate::frame::{Frame, Kind};
use crate::ws::{self, Decoder, Role};

impl Session {
    /// Whether compression of messages was agreed on.
    pub const fn is_compressed(&self) -> bool {
        self.compression.is_some()
    }

    /// Sends a message as [`queue`](Self::queue) does, compressed if that was agreed on and makes it shorter: by this
    /// `deflater`, which many sessions can share. A frame that is queued on many of them in a row is compressed once for all
    /// that agreed on the same, but for those with context takeover.
    pub fn queue_with(&mut self, frame: &Frame, deflater: &mut Deflater) {
        if !self.is_open() {
            return;
        }
        if self.machine.is_client() {
            let (kind, message) = frame.payload();
            return self.send_with(kind, message, deflater);
        }
        let outgoing = self.compression.as_mut().map(|compression| compression.outgoing(frame, deflater));
        match outgoing {
            None | Some(Outgoing::Plain) => self.machine.outbox.push_frame(frame),
            Some(Outgoing::Shared(bytes)) => self.machine.outbox.push_shared(bytes),
            Some(Outgoing::Own(bytes)) => self.machine.outbox.push_alone(bytes),
        }
    }

    /// Lends what inflates compressed messages, for as long as events are drained; a session that needs one and has none
    /// makes its own. Many sessions can be lent the same one, in turn.
    pub fn lend_inflater(&mut self, inflater: &mut Inflater) {
        if let Some(compression) = &mut self.compression {
            compression.inflater.borrow_from(inflater);
        }
    }

    /// Takes back what was lent, or takes what the session has made.
    pub fn take_back_inflater(&mut self, inflater: &mut Inflater) {
        if let Some(compression) = &mut self.compression {
            compression.inflater.give_back(inflater);
        }
    }

    /// Messages may be compressed from now on.
    pub(super) fn compress(&mut self, agreed: Agreed) {
        let role = if self.machine.is_client() { Role::Client } else { Role::Server };
        let max_message = self.decoder.max_message();
        self.decoder = Decoder::new(role, max_message).allow_rsv1(true);
        self.compression = Some(Box::new(Compression::new(agreed, max_message)));
    }

    /// Sends a client's message, compressed if that was agreed on and makes it shorter.
    pub(crate) fn send_with(&mut self, kind: Kind, message: &[u8], deflater: &mut Deflater) {
        if !self.is_open() {
            return;
        }
        if let Some(compression) = &mut self.compression
            && let Some(mask) = self.machine.mask()
            && let Some(frame) = compression.masked(kind, message, mask, deflater)
        {
            return self.machine.outbox.push_alone(frame);
        }
        self.machine.send(kind, message);
    }

    /// Sends a ping, whose answer is [`Event::Alive`]. Ignored unless [`is_open`](Self::is_open).
    pub(crate) fn ping(&mut self) {
        if self.is_open() {
            self.machine.ping();
        }
    }
}

/// The message that came compressed.
pub(super) fn inflate<'a>(
    compression: &'a mut Option<Box<Compression>>,
    text: bool,
    data: &[u8],
) -> Result<Event<'a>, PeerError> {
    // RSV1 is allowed only where compression was agreed on.
    let compression = compression.as_deref_mut().ok_or(PeerError::Protocol("reserved bit set"))?;
    let message = compression.inflate(data)?;
    match text {
        true => ws::text(message).map(Event::Text),
        false => Ok(Event::Binary(message)),
    }
}
