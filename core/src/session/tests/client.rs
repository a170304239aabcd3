//! The session of a client.

use super::*;
use crate::http::Upgrade;
use crate::ws::{Decoder, Incoming};

const AGREED: &str = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Accept: ACCEPT\r\n\r\n";

fn client() -> Session {
    let upgrade = Upgrade::new("h", "/socket/websocket?vsn=2.0.0").unwrap();
    Session::client(at(0), &Arc::new(Config::default()), upgrade, 1000, [7; 32])
}

/// The server's answer to what the client asks.
pub(super) fn answer(session: &mut Session) -> Vec<u8> {
    let request = sent_text(session, 0);
    let key = request.split("Sec-WebSocket-Key: ").nth(1).unwrap().split("\r\n").next().unwrap();
    AGREED.replace("ACCEPT", &tungstenite::handshake::derive_accept_key(key.as_bytes())).into_bytes()
}

fn opened() -> Session {
    let mut session = client();
    let answer = answer(&mut session);
    session.handle_bytes(at(1), &answer);
    assert_eq!(events(&mut session), ["open None"]);
    assert!(session.is_open() && session.poll_timeout().is_none());
    session
}

fn from_server(kind: Data, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    data(kind, payload, None, &mut out);
    out
}

/// What a server makes of the bytes.
fn seen_by_server(mut bytes: Vec<u8>) -> Vec<String> {
    let (mut decoder, mut seen, mut at) = (Decoder::new(Role::Server, 10_000), Vec::new(), 0);
    while let (used, Some(item)) = decoder.decode(&mut bytes[at..]).unwrap() {
        seen.push(match item {
            Incoming::Close { code, reason } => format!("close {code} {reason}"),
            Incoming::Pong(payload) => format!("pong {}", payload.escape_ascii()),
            Incoming::Text(text) => format!("text {text}"),
            item => format!("{item:?}"),
        });
        at += used;
    }
    assert_eq!(at, bytes.len());
    seen
}

#[test]
fn it_talks_to_our_own_server() {
    let (mut client, mut server) = (client(), new());
    let (mut ready, mut got) = (false, Vec::new());
    for now in 1..10 {
        server.handle_bytes(at(now), &sent(&mut client, now));
        if !std::mem::replace(&mut ready, true) {
            assert!(matches!(server.poll_event(), Some(Event::Request(_))));
            server.upgrade(at(now), None, 1000).unwrap();
            server.queue(&Frame::text("hello"));
        }
        got.extend(events(&mut server));
        client.handle_bytes(at(now), &sent(&mut server, now));
        got.extend(events(&mut client));
        match now {
            1 => client.queue(&Frame::text("hi")),
            2 => client.queue(&Frame::binary(&[7; 300])),
            3 => client.close(at(3), CloseReason::ByUs(1000)),
            _ => {}
        }
    }
    let binary = format!("binary {}", [7; 300].escape_ascii());
    let expected = ["open None", "text hello", "text hi", &binary, "ByUs(1000)", "ByPeer(1000)"];
    let (mut got, mut expected) = (got, expected.map(str::to_owned).to_vec());
    got.sort();
    expected.sort();
    assert_eq!(got, expected);
    assert!(server.is_finished() && !client.is_finished(), "the server is the one to end the connection");
    client.handle_eof(at(10));
    assert!(client.is_finished());
}

#[test]
fn secrets_are_not_printed() {
    let upgrade = Upgrade::new("h", "/").unwrap().header("Authorization", "hidden").unwrap();
    let client = Session::client(at(0), &Arc::new(Config::default()), upgrade, 1000, [7; 32]);
    let mut server = new();
    server.handle_bytes(at(0), b"GET / HTTP/1.1\r\nAuthorization: hidden\r\n");
    for session in [client, server] {
        let printed = format!("{session:?}");
        assert!(!printed.contains("104, 105, 100, 100, 101, 110") && !printed.contains("hidden"), "{printed}");
    }
}

#[test]
fn masks_differ_and_come_from_the_seed() {
    let frames = || {
        let mut session = opened();
        session.queue(&Frame::text("same"));
        session.queue(&Frame::text("same"));
        sent(&mut session, 2)
    };
    let bytes = frames();
    assert_eq!(bytes, frames(), "the same seed, the same bytes");
    assert_ne!(bytes[..10], bytes[10..], "a fresh key for each frame");
    assert_eq!(seen_by_server(bytes), ["text same", "text same"]);
}

#[test]
fn pings_are_answered_and_closes_too() {
    let mut session = opened();
    let mut bytes = Vec::new();
    control(Control::Ping, b"abc", None, &mut bytes);
    close(4000, "bye", None, &mut bytes);
    session.handle_bytes(at(2), &bytes);
    assert_eq!(events(&mut session), ["alive", "ByPeer(4000)"]);
    assert_eq!(seen_by_server(sent(&mut session, 2)), ["pong abc", "close 4000 "]);
    assert!(!session.is_finished());
    fire(&mut session, 2002);
    assert!(session.is_finished(), "the server's end is not waited for forever");
}

#[test]
fn a_refusal_is_told_with_its_head() {
    let mut session = client();
    session.handle_bytes(
        at(1),
        b"HTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 307 x\r\nLocation: ws://e.org/\r\n\r\nbody",
    );
    assert_eq!(events(&mut session), ["refused 307 Some(\"ws://e.org/\")", "Refused(Redirect(307))"]);
    assert!(session.is_finished());
    for (bytes, error) in [
        (&b"220 smtp.example.org ESMTP\r\n"[..], "Refused(Malformed)"),
        (&[b"HTTP/1.1 200 OK\r\na: ", &[b'x'; 9000][..]].concat(), "Refused(TooLarge)"),
        (AGREED.as_bytes(), "Refused(Accept)"),
    ] {
        let mut session = client();
        session.handle_bytes(at(1), bytes);
        assert_eq!(events(&mut session), [error]);
        assert!(session.is_finished());
    }
}

#[test]
fn a_masked_frame_from_the_server_is_a_violation() {
    let mut session = opened();
    session.handle_bytes(at(2), &text("masked"));
    assert_eq!(events(&mut session), ["Violation(Protocol(\"frame masked\"))"]);
    assert_eq!(seen_by_server(sent(&mut session, 2)), ["close 1002 frame masked"]);
}

#[test]
fn the_handshake_has_its_time() {
    let mut session = client();
    assert_eq!(session.poll_timeout(), Some(at(5000)));
    session.handle_bytes(at(4000), b"HTTP/1.1 101 ");
    fire(&mut session, 5000);
    assert_eq!(events(&mut session), ["Violation(HandshakeTimeout)"]);
    let mut session = client();
    session.handle_eof(at(1));
    assert_eq!(events(&mut session), ["TransportEof"]);
    let mut session = client();
    session.close(at(1), CloseReason::ByUs(1000));
    assert!(session.is_finished() && session.queued_bytes() == 0);
}

proptest! {
    /// However the bytes are cut, the events are the same, and garbage behind them breaks nothing.
    #[test]
    fn cuts_do_not_matter(cuts in prop::collection::vec(1usize..40, 0..60), garbage: Vec<u8>) {
        let play = |cuts: &[usize]| {
            let mut session = client();
            let mut bytes = answer(&mut session);
            bytes.extend(from_server(Data::Text, "grüße".as_bytes()));
            control(Control::Ping, b"p", None, &mut bytes);
            bytes.extend(from_server(Data::Binary, &[1; 200]));
            bytes.extend(&garbage);
            let (mut all, mut rest) = (Vec::new(), &bytes[..]);
            for cut in cuts.iter().copied().chain([usize::MAX]) {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                rest = after;
                session.handle_bytes(at(1), piece);
                all.extend(events(&mut session));
            }
            (all, sent(&mut session, 2))
        };
        prop_assert_eq!(play(&cuts), play(&[]));
    }

    #[test]
    fn garbage_is_survived(bytes: Vec<u8>, opening: bool) {
        let mut session = if opening { client() } else { opened() };
        session.handle_bytes(at(2), &bytes);
        events(&mut session);
        session.handle_eof(at(3));
        let last = events(&mut session);
        prop_assert!(last.len() <= 1);
    }
}
