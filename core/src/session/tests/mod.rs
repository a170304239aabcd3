//! Sessions from first byte to last, with a clock of numbers and a wire of vectors.

mod after_upgrade;
mod before_upgrade;
mod client;
#[cfg(feature = "deflate")]
mod compressed;

use std::io::IoSlice;
use std::sync::Arc;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::ws::{Control, Data, close, control, data};

const KEY: Option<[u8; 4]> = Some([1, 2, 3, 4]);

const HANDSHAKE: &[u8] = b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

fn new() -> Session {
    Session::server(at(0), &Arc::new(Config::default()))
}

fn text(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    data(Data::Text, text.as_bytes(), KEY, &mut out);
    out
}

fn ping(payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    control(Control::Ping, payload, KEY, &mut out);
    out
}

fn close_frame(code: u16) -> Vec<u8> {
    let mut out = Vec::new();
    close(code, "", KEY, &mut out);
    out
}

/// A session after its handshake, with nothing left to send.
fn open(now: u64) -> Session {
    let mut session = new();
    session.handle_bytes(at(now), HANDSHAKE);
    assert!(matches!(session.poll_event(), Some(Event::Request(_))));
    session.upgrade(at(now), None, 1000).unwrap();
    sent(&mut session, now);
    assert!(session.is_open() && session.poll_timeout().is_none());
    session
}

/// All events, written down.
fn events(session: &mut Session) -> Vec<String> {
    let mut events = Vec::new();
    while let Some(event) = session.poll_event() {
        events.push(match event {
            Event::Request(request) => {
                format!("{} {} {}", request.method(), request.target(), request.body().escape_ascii())
            }
            Event::Open { protocol } => format!("open {protocol:?}"),
            Event::Refused(head) => format!("refused {} {:?}", head.status(), head.header("location")),
            Event::Text(text) => format!("text {text}"),
            Event::Binary(data) => format!("binary {}", data.escape_ascii()),
            Event::Alive => "alive".to_owned(),
            Event::Closed(reason) => format!("{reason:?}"),
            Event::Ending(reason) => format!("ending {reason:?}"),
        });
    }
    events
}

fn pending(session: &mut Session) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 2000];
    let count = session.pending(&mut slices);
    let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
    assert_eq!(bytes.len(), session.queued_bytes());
    bytes
}

/// Takes all that is pending.
fn sent(session: &mut Session, now: u64) -> Vec<u8> {
    let bytes = pending(session);
    session.advance(at(now), bytes.len());
    assert_eq!(session.queued_bytes(), 0);
    bytes
}

fn sent_text(session: &mut Session, now: u64) -> String {
    String::from_utf8(sent(session, now)).unwrap()
}

fn fire(session: &mut Session, now: u64) {
    session.handle_timeout(at(now));
    assert!(session.poll_timeout().is_none_or(|deadline| deadline > at(now)));
}

/// How bytes are handed to a session.
#[derive(Clone, Copy, Debug)]
enum Handing {
    Plain,
    /// With a buffer lent for them.
    Lend,
    /// In a buffer, in which more stands behind them.
    InBuffer,
}

/// What a session says to the bytes, cut as given: its events and its bytes. Every request is answered, upgrades accepted.
fn play(bytes: &[u8], cuts: &[usize], handing: Handing) -> (Vec<String>, Vec<u8>) {
    let (mut session, mut scratch) = (new(), Vec::new());
    let (mut all, mut out, mut rest) = (Vec::new(), Vec::new(), bytes);
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        rest = after;
        match handing {
            Handing::Plain => session.handle_bytes(at(1), piece),
            Handing::Lend => {
                session.lend(&mut scratch);
                session.handle_bytes(at(1), piece);
            }
            Handing::InBuffer => {
                scratch.resize(scratch.len().max(piece.len() + 1), b'x');
                scratch[..piece.len()].copy_from_slice(piece);
                session.handle_buffer(at(1), &mut scratch, piece.len());
            }
        }
        loop {
            let answered = session.machine.is_pending();
            let some = events(&mut session);
            if some.is_empty() && !answered {
                break;
            }
            all.extend(some);
            if session.machine.is_pending() && session.upgrade(at(1), None, 300).is_err() {
                session.respond(at(1), &Response::new(200)).unwrap();
            }
        }
        session.take_back(&mut scratch);
        out.extend(sent(&mut session, 1));
    }
    session.handle_eof(at(2));
    all.extend(events(&mut session));
    session.handle_eof(at(2));
    assert!(session.is_finished());
    (all, out)
}

fn conversation() -> impl Strategy<Value = Vec<u8>> {
    let request = prop_oneof![
        4 => Just(GET.to_vec()),
        2 => Just(b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc".to_vec()),
        2 => Just(b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n".to_vec()),
        1 => Just(b"GET / HTTP/1.0\r\n\r\n".to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    let frame = prop_oneof![
        4 => any::<String>().prop_map(|payload| text(&payload)),
        2 => prop::collection::vec(any::<u8>(), 0..50).prop_map(|payload| ping(&payload)),
        1 => (900u16..1020).prop_map(close_frame),
        1 => prop::collection::vec(any::<u8>(), 0..20),
    ];
    (prop::collection::vec(request, 0..4), prop::collection::vec(frame, 0..6))
        .prop_map(|(requests, frames)| [requests.concat(), HANDSHAKE.to_vec(), frames.concat()].concat())
}

proptest! {
    #[test]
    fn cuts_do_not_matter(bytes in conversation(), cuts in prop::collection::vec(0usize..200, 0..12)) {
        let whole = play(&bytes, &[], Handing::Plain);
        prop_assert_eq!(&play(&bytes, &vec![1; bytes.len()], Handing::Plain), &whole);
        for handing in [Handing::Plain, Handing::Lend, Handing::InBuffer] {
            prop_assert_eq!(&play(&bytes, &cuts, handing), &whole, "{:?}", handing);
        }
        prop_assert_eq!(whole.0.iter().filter(|event| ends(event)).count(), 1);
        prop_assert!(ends(whole.0.last().unwrap()));
    }

    #[test]
    fn timeouts_move(steps in prop::collection::vec((0u8..8, 0u64..4000), 0..40), zero: bool) {
        let mut config = Config::default();
        if zero {
            config = config.with_handshake_timeout(Duration::ZERO).with_close_timeout(Duration::ZERO);
        }
        let mut session = Session::server(at(0), &Arc::new(config));
        let (mut now, mut closed) = (0, 0);
        for (step, wait) in steps {
            now += wait;
            match step {
                0 => session.handle_bytes(at(now), GET),
                1 => session.handle_bytes(at(now), HANDSHAKE),
                2 => session.handle_bytes(at(now), b"G"),
                3 => drop(session.respond(at(now), &Response::new(200))),
                4 => drop(session.upgrade(at(now), None, 100)),
                5 => session.close(at(now), CloseReason::ByUs(1001)),
                6 => session.advance(at(now), wait as usize / 10),
                _ => session.handle_bytes(at(now), &text("x")),
            }
            closed += events(&mut session).iter().filter(|event| ends(event)).count();
            fire(&mut session, now);
            closed += events(&mut session).iter().filter(|event| ends(event)).count();
            prop_assert!(!session.is_finished() || session.poll_timeout().is_none());
        }
        session.handle_eof(at(now));
        closed += events(&mut session).iter().filter(|event| ends(event)).count();
        session.handle_eof(at(now));
        closed += events(&mut session).iter().filter(|event| ends(event)).count();
        prop_assert!(session.is_finished());
        prop_assert_eq!(closed, 1);
    }
}

/// Whether a line of [`events`] is the end.
fn ends(event: &str) -> bool {
    ["ByPeer", "ByUs", "Violation", "IdleTimeout", "TransportEof"].iter().any(|name| event.starts_with(name))
}
