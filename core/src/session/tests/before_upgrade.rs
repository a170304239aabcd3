//! Requests, answers, the time they may take, and the upgrade itself.

use super::*;

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
    assert_eq!(events(&mut session), ["Violation(Tls(TlsToPlainPort))"]);
    let answer = sent_text(&mut session, 0);
    assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n") && answer.contains("\r\nConnection: close\r\n"));
    assert!(!session.is_finished() && session.is_done_sending() && session.wants_bytes());
    session.handle_bytes(at(1), &[0; 1000]);
    assert_eq!(events(&mut session), [""; 0]);
    session.handle_eof(at(1));
    assert!(session.is_finished() && session.poll_timeout().is_none());
}

/// Found by the fuzzer.
#[test]
fn a_byte_in_a_body_that_tls_begins_with_is_no_tls() {
    let request = b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\x16:";
    for piece in [1, 2, request.len()] {
        let mut session = new();
        let said = request.chunks(piece).flat_map(|piece| {
            session.handle_bytes(at(0), piece);
            events(&mut session)
        });
        assert_eq!(said.collect::<Vec<_>>(), ["Violation(BadRequest(400))"], "{piece} bytes at a time");
    }
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
