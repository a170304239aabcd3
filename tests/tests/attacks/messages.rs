//! Messages that can be read and make no sense, and what each of them is answered.

use chanson_tests::client::text;
use chanson_tests::on_each_host;
use chanson_tests::peer::{Peer, SOCKET};
use chanson_tests::tools::Host;

use crate::siege::{LITTLE, besiege};

fn messages_that_make_no_sense_are_answered_by_name(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let mut peer = Peer::joined(address, "room:a");
        for (what, message, reason) in cases() {
            peer.send(&text(&message));
            let answer = peer.text();
            let reason = format!(r#""reason":"{reason}""#);
            assert!(answer.as_ref().is_some_and(|answer| answer.contains(&reason)), "{what}: {answer:?}");
        }
        // All of them were of that connection, and none has ended it.
        peer.send(&text(r#"["1","2","room:a","ping",{}]"#));
        assert!(peer.text().is_some_and(|answer| answer.contains(r#""status":"ok""#)));
    });
}

fn cases() -> Vec<(&'static str, String, &'static str)> {
    let long = "x".repeat(2000);
    let huge = "x".repeat(1_000_000);
    vec![
        ("a topic too long", format!(r#"["2","2","room:{long}","phx_join",{{}}]"#), "topic too long"),
        ("a giant topic", format!(r#"["2","2","room:{huge}","phx_join",{{}}]"#), "topic too long"),
        ("an event too long", format!(r#"["1","2","room:a","{long}",{{}}]"#), "event too long"),
        ("an event of a topic not joined", r#"["2","2","room:b","ping",{}]"#.into(), "unmatched topic"),
        ("a join of a topic that is none", r#"["2","2","nothing","phx_join",{}]"#.into(), "unmatched topic"),
        ("an unknown event", r#"["1","2","room:a","nothing",{}]"#.into(), "unmatched event"),
        ("a reply of a client", r#"["1","2","room:a","phx_reply",{}]"#.into(), "unmatched event"),
        ("a close of a client", r#"["1","2","room:a","phx_close",{}]"#.into(), "unmatched event"),
        ("a refused join", r#"["2","2","room:no","phx_join",{"deny":true}]"#.into(), "join rejected"),
        ("a join without a user", r#"["2","2","presence:a","phx_join",{}]"#.into(), "user required"),
    ]
}

fn joins_beyond_the_bound_are_refused(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let mut peers: Vec<_> = (0..5).map(|_| Peer::open(address, SOCKET)).collect();
        for (at, peer) in peers.iter_mut().enumerate() {
            let joins = (0..300).map(|n| text(&format!(r#"["{n}","{n}","room:{at}-{n}","phx_join",{{}}]"#)));
            peer.send(&joins.collect::<Vec<_>>().concat());
            let answers: Vec<_> = (0..300).map(|_| peer.text().unwrap()).collect();
            let refused = |answer: &&String| answer.contains(r#""reason":"too many channels joined""#);
            assert_eq!(answers.iter().filter(refused).count(), 200);
        }
    });
}

/// As deep as a payload may be, and one deeper.
fn a_payload_may_be_so_deep(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let mut peer = Peer::joined(address, "room:a");
        peer.send(&text(&format!(r#"["1","2","room:a","ping",{}]"#, nested(128))));
        assert!(peer.text().is_some_and(|answer| answer.contains(&nested(128))));
        peer.send(&text(&format!(r#"["1","2","room:a","ping",{}]"#, nested(129))));
        assert_eq!(peer.close_code(), Some(1011));
    });
}

on_each_host! {
    messages_that_make_no_sense_are_answered_by_name
    joins_beyond_the_bound_are_refused
    a_payload_may_be_so_deep
}
