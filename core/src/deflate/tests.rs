//! What is compressed is inflated, whatever is agreed on; what was not compressed by anybody does no harm.

use flate2::{Compress, FlushCompress};
use proptest::prelude::*;

use super::codec::Decompressor;
use super::*;
use crate::frame::Kind;
use crate::http::extensions;
use crate::random::Random;

/// Both ends of a connection that was opened so; the server's first.
fn pair(server: Deflate, client: Deflate) -> [Compression; 2] {
    let (at_server, answer) = server.accept(&extensions(&client.offer()).unwrap()).unwrap();
    let at_client = client.agree(&extensions(&answer).unwrap()).unwrap().unwrap();
    [at_server, at_client].map(|agreed| Compression::new(agreed, MAX))
}

fn takeover() -> Deflate {
    Deflate::new().threshold(0).server_context_takeover(true).client_context_takeover(true)
}

/// The payload of an unmasked frame; nothing if it is not compressed.
fn payload(frame: &[u8]) -> Option<&[u8]> {
    let header = match frame[1] {
        126 => 4,
        127 => 10,
        _ => 2,
    };
    (frame[0] & 0x40 != 0).then_some(&frame[header..])
}

/// Sends a message from one end to the other; how long it was on its way.
fn send(from: &mut Compression, to: &mut Compression, deflater: &mut Deflater, message: &[u8]) -> usize {
    let frame = Frame::binary(message);
    let bytes = match from.outgoing(&frame, deflater) {
        Outgoing::Plain => return message.len(),
        Outgoing::Shared(bytes) => bytes.to_vec(),
        Outgoing::Own(bytes) => bytes,
    };
    let data = payload(&bytes).unwrap();
    assert_eq!(to.inflate(data).unwrap(), message);
    assert!(data.len() < message.len());
    data.len()
}

/// Bytes that have nothing to do with each other.
fn noise<const N: usize>(bits: u8) -> [u8; N] {
    let mut noise = [0; N];
    Random::new([7; 32]).fill(&mut noise);
    noise.map(|byte| byte & bits)
}

fn inflate(data: &[u8], window: &[u8], max: usize) -> Result<Vec<u8>, PeerError> {
    let mut out = Vec::new();
    let result = Decompressor::default().run(data, window, max, &mut out);
    // No more is ever held than was asked for, and a byte; a Vec may double.
    assert!(out.capacity() <= 2 * (max + 1).max(4096));
    result.map(|()| out)
}

/// RFC 7692 §7.2.3.
#[test]
fn the_examples_of_the_rfc_are_inflated() {
    let hello = Ok(b"Hello".to_vec());
    for data in [
        &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00][..],
        &[0x00, 0x05, 0x00, 0xfa, 0xff, 0x48, 0x65, 0x6c, 0x6c, 0x6f, 0x00],
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00],
        // As before without the block behind the final one.
        &[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
        &[0xf2, 0x48, 0x05, 0x00, 0x00, 0x00, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0x00],
    ] {
        assert_eq!(inflate(data, &[], 5), hello, "{data:x?}");
        assert_eq!(inflate(data, &[], 4), Err(PeerError::TooBig { max: 4 }));
    }
    assert_eq!(inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], b"Hello", 5), hello, "refers to the message before");
    assert_eq!(inflate(&[0xf2, 0x00, 0x11, 0x00, 0x00], b"", 5), Err(PeerError::BadCompression));
    for empty in [&[0x00][..], &[], &[0x02, 0x00], &[0x03, 0x00]] {
        assert_eq!(inflate(empty, &[], 0), Ok(Vec::new()), "{empty:x?}");
    }
}

#[test]
fn what_is_cut_off_is_not_taken_for_a_message() {
    let text = b"{\"a\":[1,2,3,4,5,6,7,8,9,10],\"b\":[1,2,3,4,5,6,7,8,9,10],\"c\":\"something else\"}".repeat(3);
    let mut deflater = Deflater::default();
    let [mut server, _] = pair(takeover(), takeover());
    let Outgoing::Own(frame) = server.outgoing(&Frame::binary(&text), &mut deflater) else { panic!() };
    let data = payload(&frame).unwrap();
    assert_eq!(inflate(data, &[], MAX).as_deref(), Ok(&text[..]));
    for cut in 1..data.len() {
        assert_eq!(inflate(&data[..cut], &[], MAX), Err(PeerError::BadCompression), "{cut}");
    }
    assert_eq!(inflate(&[data, &[0x55]].concat(), &[], MAX), Err(PeerError::BadCompression), "more than whole");
}

#[test]
fn a_bomb_is_cut_at_the_limit() {
    let mut zip = vec![0; 20_000];
    let mut compress = Compress::new(flate2::Compression::best(), false);
    let zeros = vec![0; 5_000_000];
    compress.compress(&zeros, &mut zip, FlushCompress::Sync).unwrap();
    assert_eq!(compress.total_in(), 5_000_000);
    let bomb = &zip[..compress.total_out() as usize - 4];
    for max in [0, 1, 4095, 4096, 4097, 65_536, 1_000_000] {
        // The memory is looked at in there.
        assert_eq!(inflate(bomb, &[], max), Err(PeerError::TooBig { max }));
    }
    assert_eq!(inflate(bomb, &[], 5_000_000).map(|message| message.len()), Ok(5_000_000));
}

#[test]
fn final_blocks_are_read_on_from_but_not_for_ever() {
    let part = |message: &[u8], window: &[u8]| {
        let mut compress = Compress::new(flate2::Compression::best(), false);
        if !window.is_empty() {
            compress.set_dictionary(window).unwrap();
        }
        let mut out = Vec::with_capacity(1000);
        compress.compress_vec(message, &mut out, FlushCompress::Finish).unwrap();
        out
    };
    let (before, first, second) = (b"what was before", b"what was first, ", b"what was before what was first, ");
    let first_window = [&before[..], first].concat();
    let data = [part(first, before), part(second, &first_window), vec![0]].concat();
    assert!(data.len() < 40, "it does refer to both: {}", data.len());
    assert_eq!(inflate(&data, before, 100), Ok([&first[..], second].concat()));
    assert_eq!(inflate(&[[3, 0].repeat(16), vec![0]].concat(), &[], 10), Ok(Vec::new()));
    assert_eq!(inflate(&[3, 0].repeat(50_000), &[], 10), Err(PeerError::BadCompression));
}

#[test]
fn without_takeover_a_frame_is_compressed_once_for_all_and_nothing_is_kept() {
    let mut deflater = Deflater::default();
    let mut small = pair(Deflate::new().server_window_bits(9), Deflate::new());
    let mut all: Vec<_> = (0..10).map(|_| pair(Deflate::new(), Deflate::new())).collect();
    let text = "the same text ".repeat(100);
    let frame = Frame::text(&text);
    let mut shared = Vec::new();
    for [server, client] in &mut all {
        let Outgoing::Shared(bytes) = server.outgoing(&frame, &mut deflater) else { panic!() };
        assert_eq!(bytes[0], 0xc1);
        assert_eq!(client.inflate(payload(&bytes).unwrap()), Ok(text.as_bytes()));
        assert_eq!((server.sent.bytes(), client.received.bytes()), (&[][..], &[][..]));
        shared.push(bytes);
    }
    assert!(shared.windows(2).all(|two| std::sync::Arc::ptr_eq(&two[0], &two[1])));
    assert!(matches!(small[0].outgoing(&frame, &mut deflater), Outgoing::Shared(_)));
    let stats = deflater.stats();
    assert_eq!((stats.compressions, stats.deliveries), (2, 11), "once for each set of parameters");
    assert!(stats.bytes_saved > 11 * 1300);

    // An equal frame is another frame; and what gets no shorter is found out once, too.
    all[0][0].outgoing(&Frame::text(&text), &mut deflater);
    assert_eq!(deflater.stats().compressions, 3);
    let noise = Frame::binary(&noise::<300>(0xff));
    assert!(all.iter_mut().all(|[server, _]| server.outgoing(&noise, &mut deflater) == Outgoing::Plain));
    assert_eq!(deflater.stats().compressions, 4);
    assert_eq!(all[0][0].outgoing(&Frame::text(&text[..255]), &mut deflater), Outgoing::Plain, "below the threshold");
    assert_eq!(deflater.stats().compressions, 4);
}

#[test]
fn with_takeover_messages_refer_to_earlier_ones_within_the_window() {
    let mut deflater = Deflater::default();
    let [mut server, mut client] = pair(takeover().server_window_bits(10), takeover());
    let noise = noise::<400>(0x3f);
    let first = send(&mut server, &mut client, &mut deflater, &noise);
    let second = send(&mut server, &mut client, &mut deflater, &noise);
    assert!(first > 300 && second < 20, "{first} {second}");
    // What was dropped before it left cannot be referred to.
    server.forget_sent();
    assert!(send(&mut server, &mut client, &mut deflater, &noise) > 300);
    for _ in 0..5 {
        send(&mut server, &mut client, &mut deflater, &b"another text ".repeat(40));
    }
    assert!(send(&mut server, &mut client, &mut deflater, &noise) > 300, "it is out of the window");
    assert_eq!((server.sent.bytes().len(), client.received.bytes().len()), (1024, 1024));
}

#[test]
fn a_window_of_256_bytes_is_never_compressed_for() {
    let answer = extensions("permessage-deflate; client_max_window_bits=8").unwrap();
    let mut client = Compression::new(takeover().agree(&answer).unwrap().unwrap(), MAX);
    let mut deflater = Deflater::default();
    assert_eq!(client.masked(Kind::Text, &[b'a'; 1000], [1, 2, 3, 4], &mut deflater), None);
}

#[test]
fn the_state_that_inflates_is_lent_and_given_back() {
    let mut shared = Inflater::default();
    let [_, mut client] = pair(Deflate::new(), Deflate::new());
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    for _ in 0..2 {
        client.inflater.borrow_from(&mut shared);
        client.inflate(&hello).unwrap();
        client.inflater.give_back(&mut shared);
        assert_eq!(shared.inflate(&hello, &[], 5), Ok(&b"Hello"[..]));
        assert!(client.inflater.is_empty() && !shared.is_empty());
    }
}

/// JSON as it comes, with repetitions near and far; and noise.
fn message() -> impl Strategy<Value = Vec<u8>> {
    let words =
        prop::collection::vec(prop::sample::select(vec!["\"user\":", "{}", "[1,2]", "é", "ref", ",\"x\":1.5"]), 0..400);
    prop_oneof![
        3 => words.prop_map(|words| words.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..2000),
        1 => (any::<u8>(), 0usize..40_000).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn deflate() -> impl Strategy<Value = Deflate> {
    (1u8..=9, 9u8..=15, 9u8..=15, any::<(bool, bool)>(), prop::sample::select(vec![0usize, 100])).prop_map(
        |(level, server, client, (server_takeover, client_takeover), threshold)| {
            Deflate::new()
                .level(level)
                .threshold(threshold)
                .server_window_bits(server)
                .client_window_bits(client)
                .server_context_takeover(server_takeover)
                .client_context_takeover(client_takeover)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_compressed_is_inflated(
        (server, client) in (deflate(), deflate()),
        messages in prop::collection::vec((any::<(bool, bool)>(), message()), 1..12),
    ) {
        let [mut server, mut client] = pair(server, client);
        let mut deflater = Deflater::default();
        for ((from_server, forget), message) in messages {
            if from_server {
                send(&mut server, &mut client, &mut deflater, &message);
                if forget {
                    server.forget_sent();
                }
            } else {
                send(&mut client, &mut server, &mut deflater, &message);
            }
        }
    }

    #[test]
    fn garbage_does_no_harm(
        data in prop::collection::vec(any::<u8>(), 0..300),
        window in prop::collection::vec(any::<u8>(), 0..100),
        max in 0usize..10_000,
    ) {
        if let Ok(message) = inflate(&data, &window, max) {
            prop_assert!(message.len() <= max);
        }
    }

    #[test]
    fn a_message_that_was_changed_does_no_harm(
        message in message(),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
    ) {
        let [mut server, _] = pair(takeover(), takeover());
        let Outgoing::Own(mut frame) = server.outgoing(&Frame::binary(&message), &mut Deflater::default()) else {
            return Ok(());
        };
        for (at, byte) in changes {
            let at = at.index(frame.len() - 1) + 1;
            if at > 9 || frame.len() < 126 && at > 1 {
                frame[at] = byte;
            }
        }
        if let Ok(message) = inflate(payload(&frame).unwrap(), &[], 1000) {
            prop_assert!(message.len() <= 1000);
        }
    }
}

const MAX: usize = 1 << 20;
