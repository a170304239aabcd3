//! Messages, control frames, the ends of a connection, and memory.

use super::*;

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
        assert_eq!(pending(&mut session), answer);
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
        assert_eq!(pending(&mut session), left, "{part}");
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
fn small_messages_for_one_leave_as_one_piece() {
    let texts: Vec<String> = (0..100).map(|n| "x".repeat(n * 3)).collect();
    let frames: Vec<Frame> = texts.iter().map(|text| Frame::text(text)).collect();
    let all: Vec<u8> = frames.iter().flat_map(|frame| frame.bytes().to_vec()).collect();
    let mut session = open(0);
    frames.iter().for_each(|frame| session.queue(frame));
    let mut slices = [IoSlice::new(&[]); 100];
    assert_eq!(session.pending(&mut slices), 4, "pieces of 4 KiB");
    assert_eq!(pending(&mut session), all);

    // What others get too is shared, and so is what is large.
    for frame in [Frame::text("shared"), Frame::text(&"large".repeat(1000))] {
        let other = frame.clone();
        let mut session = open(0);
        session.queue(&frame);
        session.queue(&other);
        assert_eq!(session.pending(&mut [IoSlice::new(&[]); 4]), 2);
    }
    let large = Frame::text(&"large".repeat(1000));
    let mut session = open(0);
    session.queue(&large);
    session.queue(&Frame::text("small"));
    assert_eq!(session.pending(&mut [IoSlice::new(&[]); 4]), 2);
}

#[test]
fn messages_of_one_piece_are_dropped_one_by_one() {
    let frames = [1, 125, 126, 300, 7].map(|len| Frame::text(&"x".repeat(len)));
    let len: usize = frames.iter().map(|frame| frame.bytes().len()).sum();
    for begun in 0..=len {
        for committed in [0, 1, 130].into_iter().filter(|committed| begun + committed <= len) {
            let mut session = open(0);
            frames.iter().for_each(|frame| session.queue(frame));
            session.advance(at(1), begun);
            session.commit(committed);
            session.drop_queued();
            let ends = frames.iter().scan(0, |end, frame| {
                *end += frame.bytes().len();
                Some(*end)
            });
            let on_their_way = begun + committed;
            let end = ends.chain([0]).filter(|end| *end >= on_their_way).min().unwrap();
            assert_eq!(session.queued_bytes(), end - begun, "{begun} {committed}");
            assert_eq!(pending(&mut session).len(), end - begun);
            // What comes then stands behind it, and nothing that is on its way is touched.
            session.queue(&frames[4]);
            assert_eq!(pending(&mut session)[end - begun..], *frames[4].bytes());
        }
    }
}

#[test]
fn what_is_on_its_way_is_not_taken_back() {
    let (first, second) = (Frame::text("first"), Frame::text("second"));
    let all = [first.bytes(), second.bytes()].concat();
    for part in 0..first.bytes().len() {
        for committed in 1..=all.len() - part {
            let mut session = open(0);
            session.queue(&first);
            session.queue(&second);
            session.advance(at(1), part);
            session.commit(committed);
            session.drop_queued();
            let kept = if part + committed > first.bytes().len() { &all[part..] } else { &first.bytes()[part..] };
            assert_eq!(pending(&mut session), kept, "{part} {committed}");
            session.advance(at(2), committed);
            session.drop_queued();
            let begun = part + committed != first.bytes().len() && kept.len() > committed;
            assert_eq!(session.queued_bytes(), if begun { kept.len() - committed } else { 0 }, "{part} {committed}");
        }
    }
}

#[test]
fn pongs_on_their_way_are_not_replaced_and_still_bounded() {
    let mut session = open(0);
    for round in 0..3 {
        for n in 0..100_u8 {
            session.handle_bytes(at(1), &ping(&[round, n]));
            events(&mut session);
        }
        let before = pending(&mut session);
        session.commit(before.len());
        session.handle_bytes(at(1), &ping(b"xx"));
        session.handle_bytes(at(1), &ping(b"yy"));
        events(&mut session);
        let pongs = pending(&mut session);
        assert_eq!(pongs, [&before[..], &[0x8a, 2, b'y', b'y']].concat());
        assert!(pongs.len() <= 17 * 4);
        session.advance(at(1), before.len());
    }
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
    assert!(size_of::<Session>() <= 264, "{}", size_of::<Session>());
    let mut session = open(0);
    let mut scratch = Vec::with_capacity(64 * 1024);
    let address = scratch.as_ptr();
    session.lend(&mut scratch);
    session.handle_bytes(at(1), &[text("whole"), text("cut")[..7].to_vec()].concat());
    assert_eq!(events(&mut session), ["text whole"]);
    session.take_back(&mut scratch);
    assert_eq!((scratch.as_ptr(), scratch.capacity()), (address, 64 * 1024));
    assert_eq!(session.input.bytes.capacity(), 1, "the one byte of the second message that has come");
    session.lend(&mut scratch);
    session.handle_bytes(at(1), &text("cut")[7..]);
    assert_eq!(events(&mut session), ["text cut"]);
    session.take_back(&mut scratch);
    assert_eq!((scratch.as_ptr(), session.input.bytes.capacity()), (address, 0));
    scratch.resize(64 * 1024, 0);
    for (rest, event) in [(&text("whole")[..7], None), (&text("whole")[7..], Some("text whole"))] {
        scratch[..rest.len()].copy_from_slice(rest);
        session.handle_buffer(at(1), &mut scratch, rest.len());
        assert_eq!(events(&mut session), Vec::from_iter(event));
        session.take_back(&mut scratch);
        assert_eq!((scratch.as_ptr(), scratch.len()), (address, 64 * 1024));
    }
    assert_eq!(session.input.bytes.capacity(), 0);
    let burst = Frame::text("burst");
    let _of_another_session = burst.clone();
    // In many pieces or in one each.
    for piece in [100, 1] {
        (0..100).for_each(|_| session.queue(&burst));
        assert!(session.machine.outbox.capacity() >= 99);
        (0..100 / piece).for_each(|_| session.advance(at(1), piece * burst.bytes().len()));
        assert_eq!((session.queued_bytes(), session.machine.outbox.capacity()), (0, 0));
    }
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
