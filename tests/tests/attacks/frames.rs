//! Frames that are wrong, and the code that each of them is closed with.

use chanson_tests::client::{self, close, data};
use chanson_tests::on_each_host;
use chanson_tests::peer::{Peer, SOCKET};
use chanson_tests::scenario::{Close, Frame};
use chanson_tests::tools::Host;

use crate::siege::{LITTLE, besiege};

fn frames_that_are_wrong_are_closed_with_the_right_code(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        for (what, bytes, code) in cases() {
            let mut peer = Peer::open(address, SOCKET);
            peer.send(&bytes);
            assert_eq!(peer.close_code(), Some(code), "{what}");
            // Whoever is told to close says so, too; else the server waits for that.
            peer.send(&close(None));
            peer.drain();
        }
    });
}

on_each_host! {
    frames_that_are_wrong_are_closed_with_the_right_code
}

fn cases() -> Vec<(String, Vec<u8>, u16)> {
    let frame = |fin, rsv, opcode, mask, payload: &[u8]| {
        client::frame(&Frame { fin, rsv, opcode, mask, payload: payload.to_vec() })
    };
    let whole = |opcode, payload: &[u8]| frame(true, 0, opcode, true, payload);
    let code = |code, reason: &str| close(Some(&Close { code, reason: reason.into() }));
    let big = vec![b'x'; 2 * 1024 * 1024];
    let mut cases = vec![
        ("an unmasked frame", frame(true, 0, 1, false, b"x"), 1002),
        ("an unmasked close", frame(true, 0, 8, false, b"\x03\xe8"), 1002),
        ("a ping too long", whole(9, &[b'x'; 126]), 1002),
        ("a ping in fragments", frame(false, 0, 9, true, b"x"), 1002),
        ("a close in fragments", frame(false, 0, 8, true, b"\x03\xe8"), 1002),
        ("nothing to continue", whole(0, b"x"), 1002),
        ("a text inside another", [frame(false, 0, 1, true, b"x"), whole(1, b"x")].concat(), 1002),
        ("a length of 64 bits", [&[0x82, 0xff][..], &[0xff; 8], &[0; 4]].concat(), 1002),
        ("a short length in the middle form", vec![0x82, 0xfe, 0, 1, 0, 0, 0, 0, b'x'], 1002),
        ("a short length in the long form", [&[0x82, 0xff, 0, 0, 0, 0, 0, 0, 0, 1][..], &[0; 5]].concat(), 1002),
        ("a length that lies: 8 EiB", [&[0x82, 0xff, 0x7f][..], &[0xff; 7], &[0; 4]].concat(), 1009),
        ("a length that lies: 4 GiB", vec![0x82, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], 1009),
        ("a text too long", whole(1, &[&big[..], b"x"].concat()), 1009),
        ("fragments too long", [frame(false, 0, 2, true, &big), whole(0, b"x")].concat(), 1009),
        ("a text that is not UTF-8", whole(1, b"\xff"), 1007),
        ("a text cut in a character", whole(1, b"\xe2\x82"), 1007),
        ("an overlong character", whole(1, b"\xc0\xaf"), 1007),
        ("half of a pair", whole(1, b"\xed\xa0\x80"), 1007),
        ("a character beyond all", whole(1, b"\xf4\x90\x80\x80"), 1007),
        (
            "fragments that are not UTF-8",
            [frame(false, 0, 1, true, b"\xe2\x82"), frame(false, 0, 0, true, b"x")].concat(),
            1007,
        ),
        ("half a close code", whole(8, b"\x03"), 1002),
        ("a reason that is not UTF-8", whole(8, b"\x03\xe8\xff"), 1007),
        ("a close", code(1000, ""), 1000),
        ("a close with a reason", code(4001, "so long"), 4001),
        ("a close without a code", close(None), 1005),
        ("two closes", [code(1001, ""), code(1000, "")].concat(), 1001),
        ("a close and then nonsense", [code(1000, ""), vec![0xff; 1000]].concat(), 1000),
        ("an empty text", whole(1, b""), 1011),
        ("no JSON", whole(1, b"nonsense"), 1011),
        ("no array", whole(1, b"{}"), 1011),
        ("an array too short", whole(1, br#"["1","1","room:a"]"#), 1011),
        ("a topic that is none", whole(1, br#"["1","1",null,"ping",{}]"#), 1011),
        ("JSON that ends early", whole(1, br#"["1","1","room:a","ping",{"#), 1011),
        ("JSON with something behind", whole(1, br#"["1","1","room:a","ping",{}]x"#), 1011),
        ("JSON too deep", whole(1, format!(r#"["1","1","t","e",{}"#, "[".repeat(1_000_000)).as_bytes()), 1011),
        ("objects too deep", whole(1, format!(r#"["1","1","t","e",{}"#, r#"{"a":"#.repeat(200_000)).as_bytes()), 1011),
        ("half of a surrogate", whole(1, br#"["1","1","\ud800","ping",{}]"#), 1011),
        ("a number without end", whole(1, format!(r#"["1","1","t","e",1{}e]"#, "0".repeat(100_000)).as_bytes()), 1011),
        ("a giant ref", whole(1, format!(r#"["1","{}","t","e",{{}}]"#, "x".repeat(100_000)).as_bytes()), 1011),
        ("a giant join_ref", whole(1, format!(r#"["{}","1","t","e",{{}}]"#, "x".repeat(100_000)).as_bytes()), 1011),
        ("an empty binary message", data(2, b""), 1011),
        ("a binary message of another kind", data(2, &[9, 0, 0, 0, 0]), 1011),
        ("binary sizes that lie", data(2, &[0, 255, 255, 255, 255, b'x']), 1011),
    ]
    .into_iter()
    .map(|(what, bytes, code)| (what.to_owned(), bytes, code))
    .collect::<Vec<_>>();
    for rsv in [1, 2, 4, 7] {
        cases.push((format!("reserved bits {rsv}"), frame(true, rsv, 1, true, b"x"), 1002));
    }
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        cases.push((format!("opcode {opcode}"), whole(opcode, b"x"), 1002));
    }
    for number in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65535] {
        cases.push((format!("close code {number}"), code(number, ""), 1002));
    }
    cases
}
