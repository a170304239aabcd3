//! A session: however the bytes are cut, it says and sends the same.

use std::io::IoSlice;
use std::sync::Arc;

use chanson_core::error::CloseReason;
use chanson_core::frame::Frame;
use chanson_core::http::{Response, Upgrade};
use chanson_core::session::{Config, Event, Session};
use chanson_core::time::Instant;

use super::variant;

/// A server's end. The first byte says how many bytes behind it are lengths of pieces; the rest comes from the peer.
pub fn session_server(data: &[u8]) {
    let Some((cuts, bytes)) = cuts(data) else { return };
    cut(|| Session::server(at(0), &config()), &cuts, bytes);
}

/// A client's end, the same.
pub fn session_client(data: &[u8]) {
    let Some((cuts, bytes)) = cuts(data) else { return };
    cut(|| client(&["phoenix"]), &cuts, bytes);
}

/// A client that asks for one of these subprotocols. Its key is always the same.
pub(super) fn client(protocols: &[&str]) -> Session {
    let upgrade = Upgrade::new("h", "/socket").expect("it is a host and a target");
    let upgrade = protocols.iter().try_fold(upgrade, |upgrade, name| upgrade.protocol(name)).expect("they are tokens");
    Session::client(at(0), &config(), upgrade, MAX_MESSAGE, [7; 32])
}

pub(super) fn config() -> Arc<Config> {
    Arc::new(Config::default().with_max_head(2000).with_max_headers(20).with_max_body(1000))
}

pub(super) const fn at(millis: u64) -> Instant {
    Instant::from_millis(millis)
}

/// All that is pending.
pub(super) fn pending(session: &mut Session) -> Vec<u8> {
    let (mut out, mut skip) = (Vec::new(), 0);
    // As many slices as there are, found by asking with more.
    loop {
        let mut slices = vec![IoSlice::new(&[]); 16 + skip];
        let count = session.pending(&mut slices);
        if count < slices.len() {
            slices[..count].iter().for_each(|slice| out.extend_from_slice(slice));
            assert_eq!(out.len(), session.queued_bytes());
            return out;
        }
        skip = 2 * slices.len();
    }
}

fn cuts(data: &[u8]) -> Option<(Vec<usize>, &[u8])> {
    let (count, rest) = variant(data)?;
    let (cuts, bytes) = rest.split_at_checked(usize::from(count % 16))?;
    Some((cuts.iter().map(|cut| usize::from(*cut)).collect(), bytes))
}

fn cut(new: impl Fn() -> Session, cuts: &[usize], bytes: &[u8]) {
    let whole = play(new(), &[], bytes, false);
    assert_eq!(play(new(), cuts, bytes, false), whole);
    assert_eq!(play(new(), cuts, bytes, true), whole, "with a buffer that is lent");
    if bytes.len() < 2000 {
        assert_eq!(play(new(), &vec![1; bytes.len()], bytes, true), whole, "byte by byte");
    }
    assert_eq!(whole.said.iter().filter(|said| said.starts_with("closed")).count(), 1, "one end: {:?}", whole.said);
    assert!(whole.said.last().is_some_and(|said| said.starts_with("closed")), "the end is the last");
}

#[derive(Debug, PartialEq, Eq)]
struct Played {
    said: Vec<String>,
    sent: Vec<u8>,
}

/// Everything is answered: requests by an upgrade or 200, texts by themselves, and a binary message ends it.
fn play(mut session: Session, cuts: &[usize], bytes: &[u8], lend: bool) -> Played {
    let mut played = Played { said: Vec::new(), sent: Vec::new() };
    let (mut scratch, mut rest) = (Vec::new(), bytes);
    // A client's request leaves before anything comes.
    drain(&mut session, &mut played);
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (piece, behind) = rest.split_at(cut.min(rest.len()));
        rest = behind;
        if lend {
            session.lend(&mut scratch);
        }
        session.handle_bytes(at(1), piece);
        drain(&mut session, &mut played);
        if lend {
            session.take_back(&mut scratch);
        }
    }
    for now in 2..4 {
        session.handle_eof(at(now));
        drain(&mut session, &mut played);
    }
    assert!(session.is_finished() && session.poll_timeout().is_none());
    // Whether a client is told to go on depends on whether it has gone on already.
    while let Some(at) = played.sent.windows(CONTINUE.len()).position(|window| window == CONTINUE) {
        played.sent.drain(at..at + CONTINUE.len());
    }
    played
}

/// What it says, and what it sends because of that, until it says nothing more.
fn drain(session: &mut Session, played: &mut Played) {
    loop {
        let mut reply = Reply::None;
        let said = match session.poll_event() {
            None => break,
            Some(Event::Request(request)) => {
                reply = if request.websocket().is_ok() { Reply::Upgrade } else { Reply::Respond };
                let headers = request.headers().map(|(name, value)| format!("{name}: {}", value.escape_ascii()));
                let headers: Vec<_> = headers.collect();
                let body = request.body().escape_ascii();
                format!("request {} {} {headers:?} {body}", request.method(), request.target())
            }
            Some(Event::Open { protocol }) => format!("open {protocol:?}"),
            Some(Event::Refused(head)) => format!("refused {} {:?}", head.status(), head.header("location")),
            Some(Event::Text(text)) => {
                assert!(text.len() <= MAX_MESSAGE);
                reply = Reply::Text(text.to_owned());
                format!("text {text}")
            }
            Some(Event::Binary(data)) => {
                assert!(data.len() <= MAX_MESSAGE);
                reply = Reply::Close;
                format!("binary {}", data.escape_ascii())
            }
            Some(Event::Alive) => "alive".to_owned(),
            Some(Event::Closed(reason)) => format!("closed {reason:?}"),
            Some(event) => panic!("unknown: {event:?}"),
        };
        played.said.push(said);
        match reply {
            Reply::None => {}
            Reply::Upgrade => session.upgrade(at(1), None, MAX_MESSAGE).expect("it can be accepted"),
            Reply::Respond => session.respond(at(1), &Response::new(200)).expect("it is pending"),
            Reply::Text(text) => session.queue(&Frame::text(&text)),
            Reply::Close => session.close(at(1), CloseReason::ByUs(1001)),
        }
        let sent = pending(session);
        session.advance(at(1), sent.len());
        assert_eq!(session.queued_bytes(), 0);
        played.sent.extend(sent);
    }
    let sent = pending(session);
    session.advance(at(1), sent.len());
    played.sent.extend(sent);
}

enum Reply {
    None,
    Upgrade,
    Respond,
    Text(String),
    Close,
}

const MAX_MESSAGE: usize = 300;
const CONTINUE: &[u8] = b"HTTP/1.1 100 Continue\r\n\r\n";
