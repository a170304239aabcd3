//! Sessions from first byte to last, with a clock of numbers and a wire of vectors.

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
            Event::Text(text) => format!("text {text}"),
            Event::Binary(data) => format!("binary {}", data.escape_ascii()),
            Event::Alive => "alive".to_owned(),
            Event::Closed(reason) => format!("{reason:?}"),
        });
    }
    events
}

fn pending(session: &Session) -> Vec<u8> {
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

#[test]
fn the_101_to_the_byte_and_frames_behind_the_request() {
    let mut session = new();
    session.handle_bytes(at(0), &[HANDSHAKE, &text("early")].concat());
    assert_eq!(events(&mut session), ["GET /socket/websocket?vsn=2.0.0 "]);
    assert!(!session.is_open());
    session.upgrade(at(0), Some("phoenix"), 100).unwrap();
    assert_eq!(
        sent_text(&mut session, 0),
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: phoenix\r\n\r\n"
    );
    assert_eq!(events(&mut session), ["text early"]);
    assert_eq!(session.upgrade(at(0), None, 1), Err(UpgradeError::NotPending));
    assert_eq!(session.respond(at(0), &Response::new(200)), Err(CommandError::NotAllowed));
}

#[test]
fn a_bad_upgrade_changes_nothing_and_is_answered() {
    let mut session = new();
    assert_eq!(session.upgrade(at(0), None, 1), Err(UpgradeError::NotPending));
    session.handle_bytes(at(0), GET);
    assert_eq!(session.upgrade(at(0), None, 1), Err(UpgradeError::NotPending), "not handed out yet");
    assert_eq!(events(&mut session).len(), 1);
    let error = session.upgrade(at(0), None, 1).unwrap_err();
    assert_eq!(error, UpgradeError::NotAnUpgrade);
    session.respond(at(0), &error.response()).unwrap();
    assert!(sent_text(&mut session, 0).starts_with("HTTP/1.1 400 Bad Request\r\n"));
    session.handle_bytes(at(0), HANDSHAKE);
    assert_eq!(events(&mut session).len(), 1);
    assert_eq!(session.upgrade(at(0), Some("a b"), 1), Err(UpgradeError::Protocol));
    session.upgrade(at(0), None, 1).unwrap();
    assert!(session.is_open());
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut session = new();
    let post = b"POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n";
    let head = b"HEAD /c HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";
    session.handle_bytes(at(0), &[GET, post, head].concat());
    assert_eq!(events(&mut session), ["GET /a "]);
    assert_eq!(events(&mut session), [""; 0], "not before the answer");
    session.respond(at(0), &Response::text(200, "1")).unwrap();
    assert_eq!(events(&mut session), ["POST /b hi"]);
    session.respond(at(0), &Response::new(204)).unwrap();
    assert_eq!(events(&mut session), ["HEAD /c "]);
    session.respond(at(0), &Response::text(200, "333")).unwrap();
    assert_eq!(events(&mut session), ["ByUs(1000)"]);
    assert!(!session.is_finished());
    let plain = "Content-Type: text/plain; charset=utf-8\r\n";
    let expected = format!(
        "HTTP/1.1 200 OK\r\n{plain}Content-Length: 1\r\n\r\n1HTTP/1.1 204 No Content\r\n\r\n\
         HTTP/1.1 200 OK\r\n{plain}Content-Length: 3\r\nConnection: close\r\n\r\n"
    );
    assert_eq!(sent_text(&mut session, 0), expected);
    assert!(session.is_finished());
}

#[test]
fn keep_alive_by_version() {
    let answer = |request: &str, response: Response| {
        let mut session = new();
        session.handle_bytes(at(0), request.as_bytes());
        assert_eq!(events(&mut session).len(), 1);
        session.respond(at(0), &response).unwrap();
        let answer = sent_text(&mut session, 0);
        let connection = answer.lines().find(|line| line.starts_with("Connection")).map(str::to_owned);
        (connection.unwrap_or_default(), session.is_finished())
    };
    let ok = || Response::new(200);
    assert_eq!(answer("GET / HTTP/1.1\r\nHost: h\r\n\r\n", ok()), (String::new(), false));
    assert_eq!(answer("GET / HTTP/1.1\r\nHost: h\r\n\r\n", ok().close()), ("Connection: close".into(), true));
    assert_eq!(answer("GET / HTTP/1.0\r\n\r\n", ok()), ("Connection: close".into(), true));
    let keep = "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n";
    assert_eq!(answer(keep, ok()), ("Connection: keep-alive".into(), false));
}

#[test]
fn a_body_that_waits_is_asked_for() {
    let mut session = new();
    session.handle_bytes(at(0), b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_eq!(events(&mut session), [""; 0]);
    assert_eq!(sent_text(&mut session, 0), "HTTP/1.1 100 Continue\r\n\r\n");
    session.handle_bytes(at(1), b"hi");
    assert_eq!(events(&mut session), ["PUT / hi"]);
    assert_eq!(session.queued_bytes(), 0);
}

#[test]
fn what_is_not_http_is_refused_at_once() {
    let mut session = new();
    session.handle_bytes(at(0), b"\x16\x03\x01\x02\x00\x01");
    assert_eq!(events(&mut session), ["Violation(BadRequest(400))"]);
    let answer = sent_text(&mut session, 0);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("\r\nConnection: close\r\n"));
    assert!(!session.is_finished() && session.is_done_sending() && session.wants_bytes());
    session.handle_bytes(at(1), &[0; 1000]);
    assert_eq!(events(&mut session), [""; 0]);
    session.handle_eof(at(1));
    assert!(session.is_finished() && session.poll_timeout().is_none());
}

#[test]
fn a_request_too_large_is_answered_although_bytes_follow() {
    let mut session = new();
    session.handle_bytes(at(0), &[b"GET /".to_vec(), vec![b'x'; 20_000]].concat());
    assert_eq!(events(&mut session), ["Violation(BadRequest(431))"]);
    assert!(sent_text(&mut session, 0).starts_with("HTTP/1.1 431 "));
    fire(&mut session, 1_999);
    assert!(!session.is_finished(), "lingers, so that no reset destroys the answer");
    fire(&mut session, 2_000);
    assert!(session.is_finished());
}

#[test]
fn the_handshake_has_its_time_in_all() {
    let mut session = new();
    assert_eq!(session.poll_timeout(), Some(at(5_000)));
    fire(&mut session, 4_999);
    assert!(!session.is_finished());
    fire(&mut session, 5_000);
    assert!(session.is_finished() && session.queued_bytes() == 0, "silently: no byte had come");
    assert_eq!(events(&mut session), ["Violation(HandshakeTimeout)"]);

    let mut session = new();
    for (millis, byte) in HANDSHAKE.iter().enumerate().take(49) {
        session.handle_bytes(at(100 * millis as u64), &[*byte]);
        assert_eq!(events(&mut session), [""; 0]);
    }
    assert_eq!(session.poll_timeout(), Some(at(5_000)), "dripping does not help");
    fire(&mut session, 5_000);
    assert_eq!(events(&mut session), ["Violation(HandshakeTimeout)"]);
    assert!(sent_text(&mut session, 5_000).starts_with("HTTP/1.1 408 Request Timeout\r\n"));
    fire(&mut session, 7_000);
    assert!(session.is_finished());
}

#[test]
fn no_time_runs_while_a_request_is_unanswered() {
    let mut session = new();
    session.handle_bytes(at(0), GET);
    assert_eq!(events(&mut session).len(), 1);
    assert_eq!(session.poll_timeout(), None);
    fire(&mut session, 1_000_000);
    session.respond(at(1_000_000), &Response::new(200)).unwrap();
    assert_eq!(sent_text(&mut session, 1_000_000), OK);
    assert_eq!(session.poll_timeout(), Some(at(1_015_000)), "idle");
    session.handle_bytes(at(1_010_000), b"GET /");
    assert_eq!(events(&mut session), [""; 0]);
    assert_eq!(session.poll_timeout(), Some(at(1_015_000)), "the next one has 5 s from its first byte");
    session.handle_bytes(at(1_014_000), b"b HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!(events(&mut session), ["GET /b "]);
    session.respond(at(1_014_000), &Response::new(200)).unwrap();
    sent(&mut session, 1_014_000);
    fire(&mut session, 1_029_000);
    assert!(session.is_finished());
    assert_eq!(events(&mut session), ["IdleTimeout"]);
}

#[test]
fn a_peer_that_reads_slowly_is_not_idle() {
    let mut session = new();
    session.handle_bytes(at(0), GET);
    assert_eq!(events(&mut session).len(), 1);
    session.respond(at(0), &Response::text(200, &"x".repeat(100_000))).unwrap();
    for second in (10..100).step_by(10) {
        session.advance(at(second * 1000), 1000);
        fire(&mut session, second * 1000 + 9_999);
        assert!(!session.is_finished());
    }
}

#[test]
fn what_is_read_ahead_is_bounded() {
    let mut session = new();
    assert!(session.wants_bytes());
    session.handle_bytes(at(0), GET);
    assert!(session.wants_bytes());
    assert_eq!(events(&mut session).len(), 1);
    assert!(session.wants_bytes(), "a little");
    session.handle_bytes(at(0), &GET.repeat(1000));
    assert!(!session.wants_bytes());
    // Answers that nobody reads hold the requests behind them back.
    let page = Response::text(200, &"x".repeat(40_000));
    session.respond(at(0), &page).unwrap();
    assert_eq!(events(&mut session).len(), 1);
    session.respond(at(0), &page).unwrap();
    assert_eq!(events(&mut session).len(), 0);
    assert!(!session.wants_bytes());
    session.advance(at(0), 40_000);
    assert_eq!(events(&mut session).len(), 1);
}

#[test]
fn messages_and_pings() {
    let mut session = open(0);
    session.handle_bytes(at(1), &[text("a"), ping(b"p"), text(""), text("é")].concat());
    session.queue(&Frame::text("before the pong"));
    assert_eq!(events(&mut session), ["text a", "alive", "text ", "text é"]);
    session.queue(&Frame::text("after"));
    let expected = [Frame::text("before the pong").bytes(), b"\x8a\x01p", Frame::text("after").bytes()].concat();
    assert_eq!(sent(&mut session, 1), expected);
}

#[test]
fn a_close_by_the_peer_is_answered_with_its_code() {
    for code in [1000, 1001, 1014, 3000, 4999] {
        let mut session = open(0);
        session.queue(&Frame::text("first"));
        session.handle_bytes(at(1), &[close_frame(code), text("ignored")].concat());
        assert_eq!(events(&mut session), [format!("ByPeer({code})")]);
        assert!(!session.is_open() && !session.is_finished() && !session.wants_bytes());
        let mut answer = Frame::text("first").bytes().to_vec();
        close(code, "", None, &mut answer);
        assert_eq!(pending(&session), answer);
        session.advance(at(1), answer.len() - 1);
        assert!(!session.is_finished());
        session.advance(at(1), 1);
        assert!(session.is_finished() && session.poll_timeout().is_none());
    }
    let mut session = open(0);
    session.handle_bytes(at(1), &close_frame(0));
    assert_eq!(events(&mut session), ["ByPeer(1005)"]);
    assert_eq!(sent(&mut session, 1), [0x88, 0], "empty for empty");
    assert!(session.is_finished());
}

#[test]
fn a_violation_is_told_and_lingers() {
    let mut session = open(0);
    session.handle_bytes(at(1), &[text("good"), vec![0x83, 0x80, 0, 0, 0, 0], text("lost")].concat());
    assert_eq!(events(&mut session), ["text good", "Violation(Protocol(\"reserved opcode\"))"]);
    assert_eq!(sent(&mut session, 1), b"\x88\x11\x03\xeareserved opcode");
    assert!(session.is_done_sending() && session.wants_bytes());
    session.handle_bytes(at(2), &vec![0xff; 100_000]);
    assert_eq!(session.input.bytes.capacity(), 0, "not kept");
    assert_eq!(events(&mut session), [""; 0]);
    assert_eq!(session.poll_timeout(), Some(at(2_001)));
    fire(&mut session, 2_001);
    assert!(session.is_finished());

    for (bytes, code) in [(vec![0x81, 0xfe, 0x03, 0xe9, 0, 0, 0, 0], 1009), (vec![0x81, 0x81, 0, 0, 0, 0, 0xff], 1007)]
    {
        let mut session = open(0);
        session.handle_bytes(at(1), &bytes);
        assert!(events(&mut session)[0].starts_with("Violation("));
        assert_eq!(sent(&mut session, 1)[2..4], u16::to_be_bytes(code));
        session.handle_eof(at(2));
        assert!(session.is_finished());
    }
}

#[test]
fn a_close_by_us_waits_for_the_peers() {
    let mut session = open(0);
    session.queue(&Frame::text("last"));
    session.close(at(1), CloseReason::ByUs(1012));
    session.queue(&Frame::text("ignored"));
    session.close(at(1), CloseReason::ByUs(1001));
    assert_eq!(events(&mut session), ["ByUs(1012)"], "once");
    let expected = [Frame::text("last").bytes(), &[0x88, 2, 0x03, 0xf4]].concat();
    assert_eq!(sent(&mut session, 500), expected);
    assert_eq!(session.poll_timeout(), Some(at(2_500)));
    session.handle_bytes(at(600), &[text("late"), ping(b"late")].concat());
    assert_eq!(events(&mut session), [""; 0]);
    assert!(!session.is_finished());
    session.handle_bytes(at(601), &close_frame(1012));
    assert!(session.is_finished(), "the server ends the connection at once");
    assert_eq!(events(&mut session), [""; 0]);
    assert_eq!(session.queued_bytes(), 0);

    let mut silent = open(0);
    silent.close(at(0), CloseReason::IdleTimeout);
    fire(&mut silent, 2_000);
    assert!(silent.is_finished());
    assert_eq!(events(&mut silent), ["IdleTimeout"]);

    let mut crossing = open(0);
    crossing.handle_bytes(at(1), &close_frame(1000));
    crossing.close(at(1), CloseReason::ByUs(1001));
    assert_eq!(events(&mut crossing), ["ByUs(1001)"]);
    sent(&mut crossing, 1);
    assert!(crossing.is_finished(), "its close frame was there already");
}

#[test]
fn closing_a_slow_reader_takes_as_long_as_it_reads() {
    let mut session = open(0);
    for _ in 0..100 {
        session.queue(&Frame::binary(&[0; 10_000]));
    }
    session.close(at(0), CloseReason::ByUs(1001));
    assert_eq!(events(&mut session).len(), 1);
    let mut now = 0;
    while session.queued_bytes() > 0 {
        now += 1_000;
        fire(&mut session, now);
        session.advance(at(now), 16 * 1024);
    }
    assert!(!session.is_finished() && now > 60_000);

    let mut drip = open(0);
    drip.queue(&Frame::binary(&[0; 10_000]));
    drip.close(at(0), CloseReason::ByUs(1001));
    for millis in (0..3_000).step_by(100) {
        fire(&mut drip, millis);
        drip.advance(at(millis), 1);
    }
    assert!(drip.is_finished(), "a byte now and then buys nothing");
}

#[test]
fn closing_before_the_upgrade() {
    let mut idle = new();
    idle.close(at(0), CloseReason::ByUs(1012));
    assert!(idle.is_finished());
    assert_eq!(events(&mut idle), ["ByUs(1012)"]);

    let mut pending = new();
    pending.handle_bytes(at(0), GET);
    assert_eq!(events(&mut pending).len(), 1);
    pending.close(at(0), CloseReason::ByUs(1012));
    assert_eq!(events(&mut pending), [""; 0], "the answer may still come");
    pending.respond(at(1), &Response::new(200)).unwrap();
    assert_eq!(events(&mut pending), ["ByUs(1012)"]);
    assert!(sent_text(&mut pending, 1).contains("Connection: close"));
    assert!(pending.is_finished());

    let mut never = new();
    never.handle_bytes(at(0), GET);
    assert_eq!(events(&mut never).len(), 1);
    never.close(at(0), CloseReason::ByUs(1012));
    fire(&mut never, 2_000);
    assert!(never.is_finished());
    assert_eq!(events(&mut never), ["ByUs(1012)"]);

    let mut upgraded = new();
    upgraded.handle_bytes(at(0), HANDSHAKE);
    assert_eq!(events(&mut upgraded).len(), 1);
    upgraded.close(at(0), CloseReason::ByUs(1012));
    upgraded.upgrade(at(0), None, 10).unwrap();
    assert_eq!(events(&mut upgraded), ["ByUs(1012)"]);
    assert!(sent(&mut upgraded, 0).ends_with(&[0x88, 2, 0x03, 0xf4]), "101, then the close frame");
}

#[test]
fn the_transport_ends() {
    let mut session = open(0);
    session.handle_bytes(at(1), &[text("last"), text("half")[..3].to_vec()].concat());
    session.handle_eof(at(1));
    assert!(!session.is_open() && !session.wants_bytes());
    assert_eq!(events(&mut session), ["text last", "TransportEof"]);
    assert!(session.is_finished());

    let mut before = new();
    before.handle_eof(at(1));
    assert_eq!(events(&mut before), ["TransportEof"]);
    assert!(before.is_finished());
}

#[test]
fn a_client_that_only_stops_sending_gets_its_answers() {
    let mut session = new();
    session.handle_bytes(at(0), &GET.repeat(2));
    session.handle_eof(at(0));
    assert_eq!(events(&mut session), ["GET /a "]);
    assert_eq!(session.poll_timeout(), Some(at(2_000)), "not for ever");
    session.respond(at(1), &Response::new(200)).unwrap();
    assert_eq!(events(&mut session), ["GET /a "]);
    session.respond(at(1), &Response::new(200)).unwrap();
    assert_eq!(events(&mut session), ["TransportEof"]);
    assert_eq!(sent_text(&mut session, 1), OK.repeat(2));
    assert!(session.is_finished());

    let mut gone = new();
    gone.handle_bytes(at(0), GET);
    assert_eq!(events(&mut gone).len(), 1);
    gone.handle_eof(at(0));
    gone.handle_eof(at(0));
    assert!(gone.is_finished(), "the second says that sending failed");
    assert_eq!(events(&mut gone), ["TransportEof"]);
    assert_eq!(gone.respond(at(0), &Response::new(200)), Err(CommandError::NotAllowed));
}

#[test]
fn a_flood_of_pings_is_bounded() {
    let mut session = open(0);
    session.queue(&Frame::text("x"));
    for number in 0..10_000u32 {
        session.handle_bytes(at(1), &ping(&number.to_be_bytes()));
        assert_eq!(events(&mut session), ["alive"]);
        session.queue(&Frame::text("y"));
        if number == 20 {
            session.advance(at(1), 3 + 6 + 2);
        }
    }
    session.drop_queued();
    let bytes = sent(&mut session, 1);
    let pongs: Vec<&[u8]> = bytes[1..].chunks(6).collect();
    assert_eq!((bytes[0], pongs.len()), (b'y', 16), "a frame half sent is kept");
    assert_eq!(pongs[0], [0x8a, 4, 0, 0, 0, 1]);
    assert_eq!(pongs[15], [&[0x8a, 4][..], &9_999u32.to_be_bytes()].concat(), "the most recent is answered");
}

#[test]
fn dropping_for_a_slow_consumer_keeps_what_is_begun() {
    let (first, second) = (Frame::text("first"), Frame::text("second"));
    for part in 0..=first.bytes().len() {
        let mut session = open(0);
        session.queue(&first);
        session.queue(&second);
        session.advance(at(1), part);
        session.drop_queued();
        let left = match part {
            0 => &[],
            part => &first.bytes()[part..],
        };
        assert_eq!(pending(&session), left, "{part}");
        session.queue(&second);
        assert_eq!(sent(&mut session, 1), [left, second.bytes()].concat());
    }
    let mut unsent = new();
    unsent.handle_bytes(at(0), HANDSHAKE);
    assert_eq!(events(&mut unsent).len(), 1);
    unsent.upgrade(at(0), None, 10).unwrap();
    unsent.queue(&first);
    unsent.drop_queued();
    assert!(sent_text(&mut unsent, 0).ends_with("\r\n\r\n"), "the 101 is no frame");
}

#[test]
fn slices_are_filled_in_order_and_sent_in_any_split() {
    let frames = [Frame::text("a"), Frame::binary(&[7; 200]), Frame::text("ccc")];
    let all = frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect::<Vec<_>>();
    for step in 1..all.len() {
        let mut session = open(0);
        frames.iter().for_each(|frame| session.queue(frame));
        let mut out = Vec::new();
        while session.queued_bytes() > 0 {
            let mut slices = [IoSlice::new(&[]); 2];
            let count = session.pending(&mut slices);
            assert!(count >= 1);
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
            let taken = step.min(bytes.len());
            out.extend_from_slice(&bytes[..taken]);
            session.advance(at(1), taken);
        }
        assert_eq!(out, all, "{step}");
    }
    let mut session = open(0);
    session.queue(&frames[0]);
    session.advance(at(1), usize::MAX);
    assert_eq!(session.queued_bytes(), 0);
    assert_eq!(session.pending(&mut []), 0);
}

#[test]
fn an_idle_session_is_small_and_holds_nothing() {
    assert!(size_of::<Session>() <= 208, "{}", size_of::<Session>());
    let mut session = open(0);
    let mut scratch = Vec::with_capacity(64 * 1024);
    let address = scratch.as_ptr();
    session.lend(&mut scratch);
    session.handle_bytes(at(1), &[text("whole"), text("cut")[..7].to_vec()].concat());
    assert_eq!(events(&mut session), ["text whole"]);
    session.take_back(&mut scratch);
    assert_eq!((scratch.as_ptr(), scratch.len(), scratch.capacity()), (address, 0, 64 * 1024));
    assert_eq!(session.input.bytes.capacity(), 1, "the one byte of the second message that has come");
    session.lend(&mut scratch);
    session.handle_bytes(at(1), &text("cut")[7..]);
    assert_eq!(events(&mut session), ["text cut"]);
    session.take_back(&mut scratch);
    assert_eq!((scratch.as_ptr(), session.input.bytes.capacity()), (address, 0));
    for _ in 0..100 {
        session.queue(&Frame::text("burst"));
    }
    sent(&mut session, 1);
    assert_eq!(session.machine.outbox.capacity(), 0);
}

#[test]
fn large_messages_in_small_pieces_are_moved_once() {
    let mut session = new();
    session.handle_bytes(at(0), HANDSHAKE);
    assert_eq!(events(&mut session).len(), 1);
    session.upgrade(at(0), None, 10_000_000).unwrap();
    let mut scratch = Vec::with_capacity(4096);
    let message = text(&"x".repeat(8_000_000));
    for piece in message.chunks(1000) {
        session.lend(&mut scratch);
        session.handle_bytes(at(1), piece);
        if let Some(Event::Text(text)) = session.poll_event() {
            assert_eq!(text.len(), 8_000_000);
            session.take_back(&mut scratch);
            assert_eq!(session.input.bytes.capacity(), 0);
            return;
        }
        session.take_back(&mut scratch);
    }
    panic!("the message did not come");
}

/// What a session says to the bytes, cut as given: its events and its bytes. Every request is answered, upgrades accepted.
fn play(bytes: &[u8], cuts: &[usize], lend: bool) -> (Vec<String>, Vec<u8>) {
    let (mut session, mut scratch) = (new(), Vec::new());
    let (mut all, mut out, mut rest) = (Vec::new(), Vec::new(), bytes);
    for cut in cuts.iter().copied().chain([usize::MAX]) {
        let (piece, after) = rest.split_at(cut.min(rest.len()));
        rest = after;
        if lend {
            session.lend(&mut scratch);
        }
        session.handle_bytes(at(1), piece);
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
        if lend {
            session.take_back(&mut scratch);
        }
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
        let whole = play(&bytes, &[], false);
        prop_assert_eq!(&play(&bytes, &vec![1; bytes.len()], false), &whole);
        prop_assert_eq!(&play(&bytes, &cuts, false), &whole);
        prop_assert_eq!(&play(&bytes, &cuts, true), &whole);
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
