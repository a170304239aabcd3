//! Whatever comes, it is answered, nothing falls over, and others notice nothing.

use super::*;
use proptest::prelude::*;

const MESSAGES: [&str; 6] = [
    r#"{ "type": "subscribe", "token": "t1" }"#,
    r#"{ "type": "unsubscribe", "token": "t1" }"#,
    r#"{ "type": "send", "token": "t1", "channel": "chat", "params": { "roomId": "room1" }, "data": { "a": [1, null] } }"#,
    r#"{ "type": "listen", "resources": ["a", "b"] }"#,
    r#"{ "type": "unlisten", "resources": ["a"] }"#,
    r#"{ "type": "send", "token": "t1", "channel": "chat", "params": {}, "data": map { date:2024-02-29T12:34:56.789Z : set { "\ud800" } } }"#,
];

const BODIES: [(&str, &str); 3] = [
    ("/connection", r#"{ "token": "t9", "channel": "chat", "params": { "roomId": "room1" }, "context": { "a": 1 } }"#),
    ("/message", r#"{ "channel": "other", "params": { "roomId": "room1" }, "data": { "senderId": "ann" } }"#),
    ("/resources", r#"{ "resources": ["todo/list", "todo/2"] }"#),
];

/// A piece of the text replaced by other bytes.
type Edit = (prop::sample::Index, u8, Vec<u8>);

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    let byte = prop_oneof![any::<u8>(), prop::sample::select(br#"{}[]":,\ natrue0-1"#.to_vec()),];
    prop::collection::vec((any::<prop::sample::Index>(), 0..4_u8, prop::collection::vec(byte, 0..4)), 0..4)
}

fn edited(text: &str, edits: &[Edit]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for (at, cut, put) in edits {
        let at = at.index(bytes.len() + 1);
        let end = bytes.len().min(at + usize::from(*cut));
        bytes.splice(at..end, put.iter().copied());
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]
    #[test]
    fn every_message_is_answered_or_forwarded(said in prop::collection::vec((0..6_usize, edits()), 1..8)) {
        let mut world = world();
        let witness = subscriber(&mut world, "witness");
        announce(&mut world, "t1", CHAT, "ann");
        let client = world.connect("/socket");
        for (n, edits) in said {
            world.send_binary(client, &edited(MESSAGES[n], &edits));
            let (answers, forwarded) = (world.recv(client), calls(&mut world));
            prop_assert_eq!(answers.len() + forwarded.len(), 1, "{:?} {:?}", answers, forwarded);
            for call in &forwarded {
                prop_assert!(chanson_core::covenant::protocol::ForwardedMessage::decode(&call.body).is_ok());
                respond(&mut world, call, Ok(Answer::new(204, "")));
            }
            for answer in &answers {
                prop_assert!(chanson_core::covenant::protocol::Outgoing::decode(answer).is_ok(), "{answer}");
            }
        }
        prop_assert!(world.is_open(client));
        prop_assert!(world.recv(witness).is_empty());
        message(&mut world, CHAT, "1");
        prop_assert_eq!(world.recv(witness).len(), 1);
    }

    #[test]
    fn every_body_is_answered(asked in prop::collection::vec((0..3_usize, edits()), 1..8)) {
        let mut world = world();
        let witness = subscriber(&mut world, "witness");
        for (n, edits) in asked {
            let (path, body) = BODIES[n];
            let body = edited(body, &edits);
            // Without a body the world's client names no length.
            prop_assume!(!body.is_empty());
            let answer = world.request("POST", path, &[SECRET], &body).unwrap();
            let known = if edits.is_empty() { answer.status == 200 } else { matches!(answer.status, 200 | 400) };
            prop_assert!(known, "{} {}", answer.status, answer.text());
        }
        prop_assert!(world.recv(witness).is_empty());
        message(&mut world, CHAT, "1");
        prop_assert_eq!(world.recv(witness).len(), 1);
    }
}
