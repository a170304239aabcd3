//! A connection whose messages come compressed: what it offered, what came, and what is said back.

use chanson_core::deflate::{Deflate, Deflater, Inflater};
use chanson_core::error::CloseReason;
use chanson_core::frame::Frame;
use chanson_core::session::{Event, Session};

use super::session::{at, config, pending};
use super::variant;
use crate::client::{self, Incoming, Reader};
use crate::scenario;

/// The first byte chooses what the server accepts and which offer it gets: a usual one, or so many of the bytes that follow as
/// the next byte says. The rest are frames: a byte of flags, one with a length, the payload.
///
/// Every message is said back, and a reader that knows nothing of ours gets the same messages.
pub fn deflate(data: &[u8]) {
    let Some((choice, rest)) = variant(data) else { return };
    let Some((offer, frames)) = offer(choice, rest) else { return };
    let Some(mut session) = open(choice, &offer) else { return };
    let mut reader = Reader::default();
    reader.feed(&pending(&mut session));
    let head = reader.head().expect("it is a response").expect("it is whole");
    let named = head.headers.get("sec-websocket-extensions");
    assert_eq!(named.is_some(), session.is_compressed());
    assert!(named.is_none() || offer.to_ascii_lowercase().contains("permessage-deflate"), "agreed to what nobody said");
    session.advance(at(0), session.queued_bytes());

    let (mut inflater, mut deflater, mut said, mut end) = (Inflater::default(), Deflater::default(), Vec::new(), None);
    for frame in frames_of(frames) {
        session.lend_inflater(&mut inflater);
        session.handle_bytes(at(1), &frame);
        while end.is_none() {
            let answer = match session.poll_event() {
                Some(Event::Text(text)) => {
                    said.push(Incoming::Text(text.to_owned()));
                    Frame::text(text)
                }
                Some(Event::Binary(data)) => {
                    said.push(Incoming::Binary(data.to_owned()));
                    Frame::binary(data)
                }
                Some(Event::Closed(reason)) => {
                    end = Some(reason);
                    break;
                }
                Some(event) => panic!("no frame says {event:?}"),
                None => break,
            };
            let len = answer.bytes().len();
            assert!(len <= MAX_MESSAGE + 4, "{len}");
            let before = session.queued_bytes();
            session.queue_with(&answer, &mut deflater);
            assert!(session.queued_bytes() - before <= len, "compression makes nothing longer");
        }
        session.take_back_inflater(&mut inflater);
    }
    assert!(matches!(end, None | Some(CloseReason::Violation(_))));
    reader.feed(&pending(&mut session));
    for said in said {
        assert_eq!(reader.incoming(), Some(said));
    }
    match (end, reader.incoming()) {
        (None, None) => {}
        (Some(reason), Some(Incoming::Close(Some(close)))) => assert_eq!(close.code, reason.code()),
        (end, came) => panic!("{end:?} is said as {came:?}"),
    }
}

fn offer(choice: u8, rest: &[u8]) -> Option<(String, &[u8])> {
    if choice & 0x80 == 0 {
        return Some(("permessage-deflate; client_max_window_bits".to_owned(), rest));
    }
    let (len, rest) = variant(rest)?;
    let (offer, frames) = rest.split_at_checked(usize::from(len))?;
    // What no head may have in it is tried elsewhere.
    let offer = offer.iter().map(|byte| char::from(byte & 0x7f)).filter(|char| !char.is_ascii_control());
    Some((offer.collect(), frames))
}

/// The session after its upgrade; nothing if the offer was refused.
fn open(choice: u8, offer: &str) -> Option<Session> {
    let bits = 9 + (choice >> 3) % 7;
    let deflate = Deflate::new().threshold(0).level(if choice & 4 == 0 { 1 } else { 6 });
    let deflate = deflate.server_window_bits(bits).client_window_bits(bits);
    let deflate = deflate.server_context_takeover(choice & 1 != 0).client_context_takeover(choice & 2 != 0);
    let mut session = Session::server(at(0), &config());
    let headers = [("Sec-WebSocket-Extensions".to_owned(), offer.to_owned())];
    session.handle_bytes(at(0), &client::handshake("/", "h", &headers));
    assert!(matches!(session.poll_event(), Some(Event::Request(_))));
    match session.upgrade_with(at(0), None, MAX_MESSAGE, Some(&deflate)) {
        Ok(()) => Some(session),
        Err(error) => {
            assert_eq!(error.status(), 400);
            session.respond(at(0), &error.response()).expect("nothing has changed");
            None
        }
    }
}

fn frames_of(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let (mut frames, mut inside) = (Vec::new(), false);
    while let [flags, len, rest @ ..] = bytes {
        let (payload, rest) = rest.split_at(usize::from(*len).min(rest.len()));
        bytes = rest;
        let opcode = if inside { 0 } else { 1 + (flags & 1) };
        let rsv = if flags & 2 != 0 && !inside { 4 } else { 0 };
        inside = flags & 4 != 0;
        let frame = scenario::Frame { fin: !inside, rsv, opcode, mask: true, payload: payload.to_vec() };
        frames.push(client::frame(&frame));
    }
    frames
}

const MAX_MESSAGE: usize = 5000;
