//! Sessions that agreed on compression.

use super::client::answer;
use super::*;
use crate::deflate::{Deflater, Inflater};
use crate::http::Upgrade;

const OFFER: &str = "GET /socket HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nEXTENSIONS\r\n\r\n";

const CHROME: &str = "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits";

const TAKEOVER: Deflate = Deflate::new().threshold(0).server_context_takeover(true).client_context_takeover(true);

/// "Hello" (RFC 7692 §7.2.3.1).
const HELLO: &[u8] = &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];

/// A server's session, and what it said to the offer.
fn upgraded(headers: &str, deflate: &Deflate, max_message: usize) -> (Session, String) {
    let mut session = new();
    session.handle_bytes(at(0), OFFER.replace("EXTENSIONS", headers).as_bytes());
    assert!(matches!(session.poll_event(), Some(Event::Request(_))));
    session.upgrade_with(at(0), None, max_message, Some(deflate)).unwrap();
    let head = sent_text(&mut session, 0);
    let extension = head.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Extensions: "));
    (session, extension.unwrap_or_default().to_owned())
}

fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    data(Data::Binary, payload, KEY, &mut out);
    out[0] = first;
    out
}

fn said_to(deflate: &Deflate, frames: &[Vec<u8>]) -> Vec<String> {
    let (mut session, extension) = upgraded(CHROME, deflate, 100);
    assert!(extension.starts_with("permessage-deflate") && session.is_compressed());
    session.handle_bytes(at(1), &frames.concat());
    events(&mut session)
}

#[test]
fn what_is_not_offered_is_not_agreed_on() {
    for (headers, agreed) in [
        (CHROME, "permessage-deflate"),
        ("sec-websocket-extensions: x\r\nSec-WebSocket-Extensions: permessage-deflate", "permessage-deflate"),
        ("X-Y: permessage-deflate", ""),
        ("Sec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=8", ""),
    ] {
        let (session, extension) = upgraded(headers, &TAKEOVER, 100);
        assert_eq!((&*extension, session.is_compressed()), (agreed, !agreed.is_empty()));
    }
    let mut plain = new();
    plain.handle_bytes(at(0), OFFER.replace("EXTENSIONS", CHROME).as_bytes());
    assert!(matches!(plain.poll_event(), Some(Event::Request(_))));
    plain.upgrade(at(0), None, 100).unwrap();
    assert!(!sent_text(&mut plain, 0).contains("Extensions") && !plain.is_compressed());
    plain.handle_bytes(at(0), &frame(0xc1, HELLO));
    assert_eq!(events(&mut plain), [r#"Violation(Protocol("reserved bit set"))"#]);
}

#[test]
fn a_malformed_list_changes_nothing() {
    let mut session = new();
    let malformed = "Sec-WebSocket-Extensions: permessage-deflate;;";
    session.handle_bytes(at(0), OFFER.replace("EXTENSIONS", malformed).as_bytes());
    assert!(matches!(session.poll_event(), Some(Event::Request(_))));
    let error = session.upgrade_with(at(0), None, 100, Some(&TAKEOVER)).unwrap_err();
    assert_eq!((error, error.status()), (UpgradeError::Extensions, 400));
    session.respond(at(0), &error.response()).unwrap();
    assert!(sent_text(&mut session, 0).starts_with("HTTP/1.1 400 "));
}

#[test]
fn messages_come_compressed_or_not_whole_or_in_fragments() {
    let frames = [
        frame(0xc1, HELLO),
        frame(0x81, b"plain"),
        frame(0xc2, &[0xf2, 0x00, 0x11, 0x00, 0x00]),
        frame(0x41, &HELLO[..3]),
        frame(0x00, b""),
        frame(0x89, b"p"),
        frame(0x80, &HELLO[3..]),
        frame(0xc1, &[0]),
        frame(0x41, HELLO),
        frame(0x80, b""),
    ];
    let expected = ["text Hello", "text plain", "binary Hello", "alive", "text Hello", "text ", "text Hello"];
    assert_eq!(said_to(&TAKEOVER, &frames), expected);
    // Without takeover the third refers to nothing.
    assert_eq!(said_to(&Deflate::new(), &frames), ["text Hello", "text plain", "Violation(BadCompression)"]);
}

#[test]
fn what_comes_compressed_is_bounded_and_checked() {
    for (frames, error) in [
        (vec![frame(0xc1, b"\xff\xff\xff")], "BadCompression"),
        (vec![frame(0xc1, &HELLO[..4])], "BadCompression"),
        // 'ÿ' alone, stored; and as binary that is fine.
        (vec![frame(0xc1, &[0, 1, 0, 0xfe, 0xff, 0xff, 0])], "InvalidUtf8"),
        (vec![frame(0xc2, &[0, 1, 0, 0xfe, 0xff, 0xff, 0]), frame(0xc9, b"")], r#"Protocol("reserved bit set")"#),
        (vec![frame(0x41, HELLO), frame(0xc0, b"")], r#"Protocol("reserved bit set")"#),
        (vec![frame(0xe1, HELLO)], r#"Protocol("reserved bit set")"#),
        (vec![frame(0xc1, &[0; 180])], "TooBig { max: 100 }"),
        (vec![frame(0x41, &[0; 90]), frame(0x80, &[0; 90])], "TooBig { max: 100 }"),
        (vec![frame(0x81, &[b'a'; 101])], "TooBig { max: 100 }"),
    ] {
        let events = said_to(&TAKEOVER, &frames);
        assert_eq!(events.last(), Some(&format!("Violation({error})")), "{frames:x?}");
    }
    // A thousand times the same byte.
    let bomb = [0x4a, 0x4c, 0x1c, 0x05, 0xa3, 0x60, 0x14, 0x0c, 0x77, 0x00, 0x00];
    assert_eq!(said_to(&TAKEOVER, &[frame(0xc1, &bomb)]), ["Violation(TooBig { max: 100 })"]);
    let (mut session, _) = upgraded(CHROME, &TAKEOVER, 100);
    session.handle_bytes(at(1), &frame(0xc1, b"\xff\xff\xff"));
    events(&mut session);
    assert_eq!(sent(&mut session, 1)[..4], [0x88, 25, 0x03, 0xef], "1007");
    // What does not compress gets longer, and is no longer than allowed for that.
    let stored = [&[0, 100, 0, !100, 0xff][..], &[b'x'; 100], &[0]].concat();
    assert_eq!(said_to(&TAKEOVER, &[frame(0xc1, &stored)]), [format!("text {}", "x".repeat(100))]);
}

#[test]
fn both_ends_talk_compressed_and_cut_anywhere() {
    let text = "what is said again and again and again, ".repeat(10);
    for deflate in [TAKEOVER, Deflate::new().threshold(0)] {
        let upgrade = Upgrade::new("h", "/socket").unwrap();
        let config = Arc::new(Config::default());
        let mut client = Session::client_with(at(0), &config, upgrade, 1000, [7; 32], Some(deflate));
        let (mut server, mut inflater, mut deflater) = (new(), Inflater::default(), Deflater::default());
        server.handle_bytes(at(0), &sent(&mut client, 0));
        assert!(matches!(server.poll_event(), Some(Event::Request(_))));
        server.upgrade_with(at(0), None, 1000, Some(&deflate)).unwrap();
        server.queue(&Frame::text("plain"));
        server.queue_with(&Frame::text(&text), &mut deflater);
        server.queue_with(&Frame::binary(text.as_bytes()), &mut deflater);
        let mut got = Vec::new();
        let bytes = sent(&mut server, 0);
        assert!(bytes.len() < 450, "{}", bytes.len());
        for byte in bytes {
            client.handle_bytes(at(1), &[byte]);
            got.extend(events(&mut client));
        }
        let binary = format!("binary {text}");
        assert_eq!(got, ["open None", "text plain", &format!("text {text}"), &binary]);

        client.queue(&Frame::text("plain"));
        client.queue_with(&Frame::binary(text.as_bytes()), &mut deflater);
        client.queue_with(&Frame::binary(text.as_bytes()), &mut deflater);
        let bytes = sent(&mut client, 2);
        assert!(bytes.len() < 250, "{}", bytes.len());
        let mut got = Vec::new();
        for byte in bytes {
            server.lend_inflater(&mut inflater);
            server.handle_bytes(at(2), &[byte]);
            got.extend(events(&mut server));
            server.take_back_inflater(&mut inflater);
        }
        assert_eq!(got, ["text plain", &binary, &binary]);
    }
}

#[test]
fn what_is_dropped_is_not_referred_to() {
    let (mut session, _) = upgraded(CHROME, &TAKEOVER, 1000);
    let (mut deflater, text) = (Deflater::default(), "abcdefghijklmnopqrstuvwxyz ".repeat(3));
    session.queue_with(&Frame::text(&text), &mut deflater);
    let first = session.queued_bytes();
    session.queue_with(&Frame::text(&text), &mut deflater);
    assert!(session.queued_bytes() < first + 12);
    session.drop_queued();
    assert_eq!(session.queued_bytes(), 0);
    session.queue_with(&Frame::text(&text), &mut deflater);
    assert_eq!(session.queued_bytes(), first);
}

#[test]
fn a_client_ends_on_an_answer_that_it_did_not_ask_for() {
    for (offer, extension, agreed) in [
        (None, "Sec-WebSocket-Extensions: permessage-deflate", None),
        (Some(TAKEOVER), "X: y", Some(false)),
        (Some(TAKEOVER), "Sec-WebSocket-Extensions: permessage-deflate", Some(true)),
        (Some(TAKEOVER), "Sec-WebSocket-Extensions: permessage-deflate; what", None),
        (Some(TAKEOVER), "Sec-WebSocket-Extensions: permessage-deflate;;", None),
        (Some(TAKEOVER), "Sec-WebSocket-Extensions: permessage-deflate\r\nSec-WebSocket-Extensions: x", None),
        (Some(Deflate::new()), "Sec-WebSocket-Extensions: permessage-deflate", None),
    ] {
        let upgrade = Upgrade::new("h", "/socket").unwrap();
        let mut client = Session::client_with(at(0), &Arc::new(Config::default()), upgrade, 1000, [7; 32], offer);
        let answer = String::from_utf8(answer(&mut client)).unwrap();
        let answer = answer.replace("\r\n\r\n", &format!("\r\n{extension}\r\n\r\n"));
        client.handle_bytes(at(1), answer.as_bytes());
        match agreed {
            Some(agreed) => {
                assert_eq!(events(&mut client), ["open None"]);
                assert_eq!(client.is_compressed(), agreed, "{extension}");
            }
            None => assert_eq!(events(&mut client), ["Refused(Extension)"], "{extension}"),
        }
    }
}
