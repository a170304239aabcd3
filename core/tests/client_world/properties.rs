//! What holds whatever happens: random commands, a random server, random cuts.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chanson_core::Binary;
use chanson_core::client::{Capacity, ChannelId, Client, Config, Event, PushId};
use chanson_core::error::CommandError;
use chanson_core::ws::Data;
use proptest::prelude::*;
use serde_json::json;

use crate::scripted::{Scripted, frame};

#[derive(Clone, Debug)]
enum Do {
    Connect,
    Disconnect,
    Accept,
    Refuse,
    Drop,
    Eof,
    Join(u8),
    Leave(u8),
    Push(u8, bool, u16),
    Ping,
    Track(u8),
    Run(u16),
    /// A message of some shape with refs that are about right.
    Say(Message),
    Bytes(Vec<u8>),
}

#[derive(Clone, Debug)]
struct Message {
    join_ref: Option<u8>,
    ref_: Option<u8>,
    topic: u8,
    kind: u8,
    binary: bool,
}

impl Message {
    fn frame(&self) -> Vec<u8> {
        let number = |ref_: Option<u8>| ref_.map_or(json!(null), |ref_| json!(ref_.to_string()));
        let topic = if self.topic == 9 { "phoenix".to_owned() } else { format!("room:{}", self.topic % 3) };
        if self.binary {
            let [join_ref, ref_] = [self.join_ref, self.ref_].map(|r| r.map_or(String::new(), |r| r.to_string()));
            let mut data = vec![1, join_ref.len() as u8, ref_.len() as u8, topic.len() as u8, 2];
            data.extend(format!("{join_ref}{ref_}{topic}ok").into_bytes());
            return frame(Data::Binary, &data);
        }
        let metas = json!({ "k": { "metas": [{ "phx_ref": self.ref_ }] } });
        let (event, payload) = match self.kind % 9 {
            0..3 => ("phx_reply", json!({ "status": "ok", "response": {} })),
            3 => ("phx_reply", json!({ "status": "error", "response": "no" })),
            4 => ("phx_error", json!({})),
            5 => ("phx_close", json!({})),
            6 => ("presence_state", metas),
            7 => ("presence_diff", json!({ "joins": metas, "leaves": metas })),
            _ => ("hello", json!([1, 2])),
        };
        let text = json!([number(self.join_ref), number(self.ref_), topic, event, payload]).to_string();
        frame(Data::Text, text.as_bytes())
    }
}

fn message() -> impl Strategy<Value = Message> {
    let small = || prop::option::of(1u8..24);
    (small(), small(), 0u8..10, 0u8..9, prop::bool::weighted(0.1))
        .prop_map(|(join_ref, ref_, topic, kind, binary)| Message { join_ref, ref_, topic, kind, binary })
}

fn action() -> impl Strategy<Value = Do> {
    prop_oneof![
        2 => Just(Do::Connect),
        1 => Just(Do::Disconnect),
        5 => Just(Do::Accept),
        1 => Just(Do::Refuse),
        1 => Just(Do::Drop),
        1 => Just(Do::Eof),
        5 => (0u8..4).prop_map(Do::Join),
        2 => (0u8..4).prop_map(Do::Leave),
        8 => (0u8..4, any::<bool>(), 0u16..20_000).prop_map(|(channel, binary, timeout)| Do::Push(channel, binary, timeout)),
        1 => Just(Do::Ping),
        1 => (0u8..4).prop_map(Do::Track),
        4 => (0u16..20_000).prop_map(Do::Run),
        20 => message().prop_map(Do::Say),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Do::Bytes),
    ]
}

/// Keeps the books of what was promised.
#[derive(Default)]
struct Books {
    pushes: BTreeSet<PushId>,
    /// Channels that have not closed, and whether they are joined.
    channels: BTreeMap<ChannelId, bool>,
}

impl Books {
    fn enter(&mut self, event: &Event) {
        match event {
            Event::Reply { push, .. } | Event::Timeout { push, .. } | Event::Aborted { push, .. } => self.end(*push),
            Event::Pong { ping, .. } => self.end(*ping),
            Event::Joined { channel, .. } => assert_eq!(self.channels.insert(*channel, true), Some(false)),
            Event::JoinFailed { channel, .. } => assert_eq!(self.channels.get(channel), Some(&false)),
            Event::Errored { channel, .. } => assert!(self.channels.insert(*channel, false).is_some()),
            Event::Closed { channel, .. } => assert!(self.channels.remove(channel).is_some()),
            Event::Message { channel, .. } | Event::PresenceSync { channel } => {
                assert!(self.channels.contains_key(channel), "nothing comes of a channel that has closed");
            }
            _ => {}
        }
    }

    fn end(&mut self, push: PushId) {
        assert!(self.pushes.remove(&push), "{push:?} ends once");
    }
}

fn act(world: &mut Scripted, books: &mut Books, channels: &mut [Option<ChannelId>; 4], action: &Do) {
    let now = world.now;
    match action {
        Do::Connect => world.client.connect(now),
        Do::Disconnect => world.client.disconnect(now),
        Do::Accept if world.is_asked() => world.accept(),
        Do::Refuse if world.is_asked() => world.bytes(b"HTTP/1.1 403 no\r\n\r\n"),
        Do::Drop => world.client.handle_error(now),
        Do::Eof => world.client.handle_eof(now),
        Do::Join(at) => match world.client.join(now, &format!("room:{}", at % 3), json!({})) {
            Ok(channel) => {
                // Events of the one whose place it takes come first.
                world.pump();
                world.events.drain(..).for_each(|event| books.enter(&event));
                books.channels.insert(channel, false);
                channels[usize::from(*at)] = Some(channel);
            }
            Err(error) => assert_eq!(error, CommandError::Full),
        },
        Do::Leave(at) => {
            if let Some(channel) = channels[usize::from(*at)] {
                let known = books.channels.contains_key(&channel);
                assert_eq!(world.client.leave(now, channel).is_ok(), known);
            }
        }
        Do::Push(at, binary, timeout) => {
            let Some(channel) = channels[usize::from(*at)] else { return };
            let timeout = Duration::from_millis(u64::from(*timeout));
            let pushed = match binary {
                true => world.client.push_with_timeout(now, channel, "up", Binary(&[1]), timeout),
                false => world.client.push_with_timeout(now, channel, "up", json!(1), timeout),
            };
            match pushed {
                Ok(push) => assert!(books.pushes.insert(push)),
                Err(CommandError::NotJoined) => assert!(!books.channels.contains_key(&channel)),
                Err(error) => assert_eq!(error, CommandError::Full),
            }
        }
        Do::Ping => books.pushes.extend(world.client.ping(now).ok()),
        Do::Track(at) => drop(channels[usize::from(*at)].map(|channel| world.client.track_presence(channel))),
        Do::Run(millis) => world.run_for(u64::from(*millis)),
        Do::Say(message) if world.has_transport() => world.bytes(&message.frame()),
        Do::Bytes(bytes) if world.has_transport() => world.bytes(bytes),
        _ => {}
    }
}

fn config() -> Config {
    let capacity = Capacity::default().with_channels(3).with_pushes(8).with_presence_bytes(2000);
    Config::new("ws://a.test/socket").unwrap().with_capacity(capacity)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever is done and whatever the server says: each push ends once, channels are in the state that the events tell,
    /// timeouts move (see `Scripted`), and when all is left nothing remains.
    #[test]
    fn every_push_ends_once(actions in prop::collection::vec(action(), 0..120)) {
        let (mut world, mut books, mut channels) = (Scripted::new(config()), Books::default(), [None; 4]);
        for action in &actions {
            act(&mut world, &mut books, &mut channels, action);
            world.pump();
            world.events.drain(..).for_each(|event| books.enter(&event));
            prop_assert_eq!(world.client.open_pushes(), books.pushes.len(), "{:?}", action);
            for (channel, joined) in &books.channels {
                prop_assert_eq!(world.client.is_joined(*channel), *joined, "{:?} {:?}", action, channel);
            }
        }
        for channel in books.channels.keys() {
            world.client.leave(world.now, *channel).unwrap();
        }
        world.client.disconnect(world.now);
        world.run_for(3000);
        world.events.drain(..).for_each(|event| books.enter(&event));
        prop_assert!(books.pushes.is_empty() && books.channels.is_empty());
        prop_assert_eq!((world.client.open_pushes(), world.client.poll_timeout()), (0, None));
    }

    /// The same seed and the same inputs give the same bytes and events.
    #[test]
    fn nothing_is_left_to_chance(actions in prop::collection::vec(action(), 0..60)) {
        let run = || {
            let (mut world, mut books, mut channels) = (Scripted::new(config()), Books::default(), [None; 4]);
            for action in &actions {
                act(&mut world, &mut books, &mut channels, action);
                world.pump();
                world.events.drain(..).for_each(|event| books.enter(&event));
            }
            (world.sent, world.raw)
        };
        prop_assert_eq!(run(), run());
    }

    /// However the server's bytes are cut, the same happens.
    #[test]
    fn cuts_do_not_matter(
        messages in prop::collection::vec(message(), 0..40),
        cuts in prop::collection::vec(1usize..50, 0..60),
        garbage in prop::collection::vec(any::<u8>(), 0..20),
    ) {
        let run = |cuts: &[usize]| {
            let mut world = Scripted::new(config());
            let now = world.now;
            let channels = [0, 1, 2].map(|n| world.client.join(now, &format!("room:{n}"), json!({})).unwrap());
            world.client.track_presence(channels[0]).unwrap();
            world.client.push(now, channels[1], "up", json!(1)).unwrap();
            world.client.connect(now);
            let mut bytes = world.agreement("").into_bytes();
            bytes.extend(messages.iter().flat_map(Message::frame));
            bytes.extend(&garbage);
            let mut rest = &bytes[..];
            for cut in cuts.iter().copied().chain([usize::MAX]) {
                let (piece, behind) = rest.split_at(cut.min(rest.len()));
                rest = behind;
                if world.has_transport() {
                    world.bytes(piece);
                }
            }
            (world.events, world.sent)
        };
        prop_assert_eq!(run(&cuts), run(&[]));
    }

    /// An address is read or refused, and what is read can be asked for.
    #[test]
    fn any_address_is_survived(text: String, tail in "[!-~]{0,30}") {
        for text in [text, format!("ws://{tail}"), format!("wss://h{tail}"), format!("ws://h/{tail}")] {
            if let Ok(config) = Config::new(&text) {
                let mut client = Client::new(config, [1; 32]);
                client.connect(Default::default());
                client.handle_connected(Default::default());
                prop_assert!(client.queued_bytes() > 0);
            }
        }
    }
}
