//! The decoder: rules, bounds, and that it does not matter where the input is cut.

use proptest::prelude::*;

use super::*;
use crate::error::PeerError;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame, as wrong as wanted.
fn raw(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ 0..=125 => out.push(0x80 | len as u8),
        len @ 126..=0xffff => {
            out.push(0x80 | 126);
            out.extend((len as u16).to_be_bytes());
        }
        len => {
            out.push(0x80 | 127);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(KEY);
    let start = out.len();
    out.extend(payload);
    apply_mask(KEY, 0, &mut out[start..]);
    out
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Item {
    Text(String),
    Binary(Vec<u8>),
    Compressed(bool, Vec<u8>),
    Ping(Vec<u8>),
    Pong(Vec<u8>),
    Close(u16, String),
    Error(PeerError),
}

/// Runs the pieces through a decoder, as a session would.
fn run(mut decoder: Decoder, pieces: &[&[u8]]) -> Vec<Item> {
    let (mut input, mut items) = (Vec::new(), Vec::new());
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let (used, item) = match decoder.decode(&mut input) {
                Ok((used, item)) => (used, item),
                Err(error) => {
                    items.push(Item::Error(error));
                    return items;
                }
            };
            let item = item.map(|item| match item {
                Incoming::Text(text) => Item::Text(text.to_owned()),
                Incoming::Binary(data) => Item::Binary(data.to_vec()),
                Incoming::Compressed { text, data } => Item::Compressed(text, data.to_vec()),
                Incoming::Ping(data) => Item::Ping(data.to_vec()),
                Incoming::Pong(data) => Item::Pong(data.to_vec()),
                Incoming::Close { code, reason } => Item::Close(code, reason.to_owned()),
            });
            input.drain(..used);
            match item {
                Some(item) => items.push(item),
                None => break,
            }
        }
    }
    items
}

fn server(max: usize) -> Decoder {
    Decoder::new(Role::Server, max)
}

fn one(bytes: &[u8]) -> Vec<Item> {
    run(server(1000), &[bytes])
}

fn error(text: &'static str) -> Vec<Item> {
    vec![Item::Error(PeerError::Protocol(text))]
}

#[test]
fn messages_whole_and_in_fragments() {
    assert_eq!(one(&raw(0x81, b"Hello")), [Item::Text("Hello".into())]);
    assert_eq!(one(&raw(0x82, &[1; 300])), [Item::Binary(vec![1; 300])]);
    let parts = [raw(0x01, b"Hel"), raw(0x89, b"p"), raw(0x00, b""), raw(0x80, b"lo"), raw(0x8a, b"")].concat();
    assert_eq!(one(&parts), [Item::Ping(b"p".to_vec()), Item::Text("Hello".into()), Item::Pong(vec![])]);
    let empty = [raw(0x02, b""), raw(0x80, b""), raw(0x81, b"")].concat();
    assert_eq!(one(&empty), [Item::Binary(vec![]), Item::Text(String::new())]);
}

#[test]
fn rules_of_the_header() {
    for first in [0x83, 0x87, 0x8b, 0x8f, 0x03] {
        assert_eq!(one(&raw(first, b"")), error("reserved opcode"), "{first:x}");
    }
    for first in [0xc1, 0xa1, 0x91, 0xc9, 0xf2] {
        assert_eq!(one(&raw(first, b"")), error("reserved bit set"), "{first:x}");
    }
    assert_eq!(one(&[0x81, 0]), error("frame not masked"));
    assert_eq!(run(Decoder::new(Role::Client, 10), &[&raw(0x81, b"")]), error("frame masked"));
    assert_eq!(run(Decoder::new(Role::Client, 10), &[&[0x81, 1, b'a']]), [Item::Text("a".into())]);
    assert_eq!(one(&raw(0x89, &[0; 126])), error("control frame too long"));
    assert_eq!(one(&raw(0x09, b"")), error("control frame fragmented"));
    assert_eq!(one(&raw(0x80, b"")), error("nothing to continue"));
    assert_eq!(one(&raw(0x00, b"")), error("nothing to continue"));
    assert_eq!(one(&[raw(0x01, b""), raw(0x81, b"")].concat()), error("message inside a message"));
    assert_eq!(one(&[raw(0x01, b""), raw(0x02, b"")].concat()), error("message inside a message"));
    let finished = [raw(0x01, b"a"), raw(0x80, b"b"), raw(0x80, b"c")].concat();
    assert_eq!(one(&finished)[1..], error("nothing to continue"));
}

#[test]
fn rules_of_the_length() {
    let header = |length: &[u8]| [&[0x82][..], length, &KEY].concat();
    assert_eq!(one(&header(&[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0])), error("length beyond 63 bits"));
    assert_eq!(one(&header(&[0xfe, 0, 125])), error("length not in its shortest form"));
    assert_eq!(one(&header(&[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff])), error("length not in its shortest form"));
    let too_big = vec![Item::Error(PeerError::TooBig { max: 1000 })];
    assert_eq!(one(&header(&[0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff])), too_big, "from the header alone");
    assert_eq!(one(&header(&[0xfe, 0x03, 0xe9])), too_big);
    assert_eq!(one(&raw(0x82, &[0; 1000])).len(), 1);
    // All fragments together; a control frame between them does not count.
    let fits = [raw(0x02, &[0; 999]), raw(0x89, &[0; 125]), raw(0x80, &[0; 1])].concat();
    assert_eq!(one(&fits)[1], Item::Binary(vec![0; 1000]));
    assert_eq!(one(&[raw(0x02, &[0; 999]), raw(0x80, &[0; 2])].concat()), too_big);
}

#[test]
fn close_frames() {
    let close = |code: u16, reason: &[u8]| one(&raw(0x88, &[&code.to_be_bytes()[..], reason].concat()));
    for code in 0..=u16::MAX {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => assert_eq!(close(code, b"x"), [Item::Close(code, "x".into())]),
            _ => assert_eq!(close(code, b""), error("invalid close code"), "{code}"),
        }
    }
    assert_eq!(one(&raw(0x88, b"")), [Item::Close(1005, String::new())]);
    assert_eq!(one(&raw(0x88, b"\x03")), error("close frame of one byte"));
    assert_eq!(close(1000, b"\xff"), [Item::Error(PeerError::InvalidUtf8)]);
    assert_eq!(close(1000, &[b'r'; 123]), [Item::Close(1000, "r".repeat(123))]);
}

#[test]
fn invalid_text_fails_before_it_is_whole() {
    let invalid = [Item::Error(PeerError::InvalidUtf8)];
    // A frame of which only the beginning has come.
    let frame = raw(0x81, "ab\u{10ffff}cd".as_bytes());
    assert_eq!(one(&frame[..10]), []);
    let frame = raw(0x81, b"ab\xf4\x90cdefgh");
    assert_eq!(one(&frame[..9]), [], "F4 may go on");
    assert_eq!(one(&frame[..10]), invalid, "F4 90 may not");
    // A message of which only the first fragment has come; and a character cut by fragments.
    assert_eq!(one(&raw(0x01, b"\xc0")), invalid);
    let cut = [raw(0x01, b"\xce"), raw(0x00, b""), raw(0x80, b"\xba")].concat();
    assert_eq!(one(&cut), [Item::Text("κ".into())]);
    assert_eq!(one(&[raw(0x01, b"\xce"), raw(0x80, b"")].concat()), invalid, "ends half");
    assert_eq!(one(&raw(0x81, b"\xce")), invalid);
    // The state of one message does not reach into the next.
    assert_eq!(one(&[raw(0x02, b"\xce"), raw(0x80, b""), raw(0x81, b"ok")].concat()).len(), 2);
}

#[test]
fn memory_grows_with_what_came() {
    let mut decoder = server(usize::MAX);
    let mut header = [&[0x02, 0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &KEY, &[1, 2, 3]].concat();
    assert_eq!(decoder.decode(&mut header).unwrap(), (17, None));
    assert!(decoder.fragment_capacity() < 100);
    let empties = raw(0x00, b"").repeat(10_000);
    let mut decoder = server(10);
    let mut input = [raw(0x01, b"a"), empties].concat();
    let len = input.len();
    assert_eq!(decoder.decode(&mut input).unwrap(), (len, None));
    assert!(decoder.fragment_capacity() < 100);
}

#[test]
fn a_message_in_fragments_leaves_nothing_behind() {
    let mut decoder = server(100);
    let mut input = [raw(0x01, b"a"), raw(0x80, b"b")].concat();
    let len = input.len();
    assert_eq!(decoder.decode(&mut input).unwrap(), (len, Some(Incoming::Text("ab"))));
    assert_eq!(decoder.decode(&mut []).unwrap(), (0, None));
    assert_eq!(decoder.fragment_capacity(), 0);
}

#[test]
fn a_whole_message_is_not_copied() {
    let mut decoder = server(100);
    let mut input = raw(0x81, b"borrowed");
    let range = input.as_ptr_range();
    let (_, Some(Incoming::Text(text))) = decoder.decode(&mut input).unwrap() else { panic!() };
    assert!(range.contains(&text.as_ptr()));
}

#[test]
fn bytes_that_the_caller_has_lost_are_waited_for() {
    let mut decoder = server(100);
    let mut input = raw(0x81, b"abcdef");
    assert_eq!(decoder.decode(&mut input[..10]).unwrap(), (6, None));
    assert_eq!(decoder.decode(&mut input[6..8]).unwrap(), (0, None));
    assert_eq!(decoder.decode(&mut input[6..]).unwrap(), (6, Some(Incoming::Text("abcdef"))));
}

#[test]
fn rsv1_where_it_is_negotiated() {
    let run = |bytes: &[u8]| run(server(100).allow_rsv1(true), &[bytes]);
    assert_eq!(run(&raw(0xc1, b"\xff")), [Item::Compressed(true, vec![0xff])]);
    assert_eq!(run(&[raw(0x42, b"\xff"), raw(0x80, b"a")].concat()), [Item::Compressed(false, vec![0xff, b'a'])]);
    assert_eq!(run(&[raw(0x42, b""), raw(0xc0, b"")].concat()), error("reserved bit set"), "RFC 7692 §6: first only");
    assert_eq!(run(&raw(0xc9, b"")), error("reserved bit set"));
    assert_eq!(run(&raw(0x81, b"\xff")), [Item::Error(PeerError::InvalidUtf8)]);
}

/// A stream of frames, most of them in order and some of them not.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let text = any::<String>().prop_map(String::into_bytes);
    let payload = prop_oneof![4 => text, 1 => prop::collection::vec(any::<u8>(), 0..300)];
    let first = prop_oneof![
        8 => prop::sample::select(vec![0x81, 0x82, 0x89, 0x8a, 0x01, 0x00, 0x80, 0x00, 0x80]),
        1 => any::<u8>(),
    ];
    let message = prop_oneof![
        2 => (first, payload).prop_map(|(first, payload)| raw(first, &payload)),
        4 => (any::<String>(), 0usize..20, prop::sample::select(vec![1, 2])).prop_map(|(text, cut, opcode)| {
            let (left, right) = text.as_bytes().split_at(cut.min(text.len()));
            [raw(opcode, left), raw(0x89, b"between"), raw(0x80, right)].concat()
        }),
        4 => any::<String>().prop_map(|text| raw(0x81, text.as_bytes())),
        1 => (any::<u16>(), "[a-zé]{0,9}").prop_map(|(code, reason)| {
            raw(0x88, &[&code.to_be_bytes()[..], reason.as_bytes()].concat())
        }),
    ];
    prop::collection::vec(message, 0..8).prop_map(|frames| frames.concat())
}

proptest! {
    #[test]
    fn cuts_do_not_matter(bytes in frames(), cuts in prop::collection::vec(0usize..400, 0..10)) {
        let whole = run(server(500), &[&bytes]);
        let single: Vec<&[u8]> = bytes.chunks(1).collect();
        prop_assert_eq!(&run(server(500), &single), &whole);
        let (mut pieces, mut rest) = (Vec::new(), &bytes[..]);
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(&run(server(500), &pieces), &whole);
    }

    #[test]
    fn what_is_encoded_is_decoded(text: String, bytes in prop::collection::vec(any::<u8>(), 0..70_000), key: [u8; 4]) {
        let mut out = Vec::new();
        data(Data::Text, text.as_bytes(), Some(key), &mut out);
        control(Control::Ping, b"p", Some(key), &mut out);
        data(Data::Binary, &bytes, Some(key), &mut out);
        close(4000, "r", Some(key), &mut out);
        let items = [Item::Text(text), Item::Ping(b"p".to_vec()), Item::Binary(bytes), Item::Close(4000, "r".into())];
        prop_assert_eq!(run(server(1 << 20), &[&out]), items);
    }

    #[test]
    fn garbage_does_no_harm(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        run(server(100), &[&bytes]);
        run(Decoder::new(Role::Client, 100).allow_rsv1(true), &[&bytes]);
    }
}
