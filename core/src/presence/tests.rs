//! The store against a model that keeps a plain list, and against a client that only ever sees diffs.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::{Value, json};

use super::*;

/// Puts the rules into words: everything is a scan of one list, in the order of tracking.
#[derive(Default)]
struct Model(Vec<Tracked>);

#[derive(Clone)]
struct Tracked {
    topic: u32,
    owner: u32,
    key: String,
    meta: String,
    /// The meta as it is sent: learnt from the diff that told of it.
    sent: Value,
}

impl Model {
    fn place(&self, topic: u32, owner: u32, key: &str) -> Option<usize> {
        self.0.iter().position(|t| (t.topic, t.owner, &*t.key) == (topic, owner, key))
    }

    fn of_topic(&self, topic: u32) -> impl Iterator<Item = &Tracked> {
        self.0.iter().filter(move |t| t.topic == topic)
    }

    fn state(&self, topic: u32) -> State {
        let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
        for tracked in self.of_topic(topic) {
            match groups.iter_mut().find(|(key, _)| *key == tracked.key) {
                Some((_, metas)) => metas.push(tracked.sent.clone()),
                None => groups.push((tracked.key.clone(), vec![tracked.sent.clone()])),
            }
        }
        State(groups)
    }

    fn list(&self, topic: u32) -> Value {
        let item = |t: &Tracked| json!({ "key": t.key, "meta": serde_json::from_str::<Value>(&t.meta).unwrap() });
        self.of_topic(topic).map(item).collect()
    }
}

/// What `Presence.syncDiff` of phoenix.js 1.8.16 makes of diffs.
#[derive(Clone, Default, PartialEq, Debug)]
struct Client(BTreeMap<String, Vec<Value>>);

impl Client {
    fn sync(&mut self, diff: &Value) {
        for (key, joined) in diff["joins"].as_object().unwrap() {
            let joined = joined["metas"].as_array().unwrap();
            let metas = self.0.entry(key.clone()).or_default();
            metas.retain(|m| joined.iter().all(|j| j["phx_ref"] != m["phx_ref"]));
            metas.extend(joined.iter().cloned());
        }
        for (key, left) in diff["leaves"].as_object().unwrap() {
            let left = left["metas"].as_array().unwrap();
            let metas = self.0.get_mut(key).expect("what leaves is known");
            let before = metas.len();
            metas.retain(|m| left.iter().all(|l| l != m));
            assert_eq!(metas.len() + left.len(), before, "a leave names metas as they were told");
            if metas.is_empty() {
                self.0.remove(key);
            }
        }
    }

    /// The metas of one key stand in no order that clients could rely on: an updated one moves to the end there.
    fn sorted(mut self) -> Self {
        let by_ref = |m: &Value| m["phx_ref"].as_str().unwrap().to_owned();
        self.0.values_mut().for_each(|metas| metas.sort_by_key(by_ref));
        self
    }
}

/// A `presence_state` as it was written: keys and their metas, in order, none twice.
#[derive(Clone, PartialEq, Debug)]
struct State(Vec<(String, Vec<Value>)>);

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_map(InOrder)
    }
}

struct InOrder;

impl<'de> Visitor<'de> for InOrder {
    type Value = State;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a presence_state")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<State, A::Error> {
        let mut groups: Vec<(String, Vec<Value>)> = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, Value>()? {
            assert!(groups.iter().all(|(other, _)| *other != key), "a key twice");
            assert_eq!(value.as_object().map(|o| o.len()), Some(1));
            groups.push((key, value["metas"].as_array().expect("metas").clone()));
        }
        Ok(State(groups))
    }
}

#[derive(Clone, Debug)]
enum Command {
    Track { topic: u32, owner: u32, key: &'static str, meta: &'static str },
    Update { topic: u32, owner: u32, key: &'static str, meta: &'static str },
    Untrack { topic: u32, owner: u32, key: &'static str },
    UntrackAll { owner: u32 },
}

const KEYS: [&str; 5] = ["ann", "", "żółw/~1", "\"\\\u{0}\u{2028}", "constructor"];
const METAS: [&str; 7] =
    ["{}", " { } ", r#"{"n":1}"#, "\n{\"s\":\"}\"\t}", r#"{"a":{"b":[]}}"#, r#"{"phx_ref":"mine"}"#, "[1]"];

fn command() -> impl Strategy<Value = Command> {
    let key = || prop::sample::select(&KEYS[..]);
    let meta = || prop::sample::select(&METAS[..]);
    let owner = || 0..6_u32;
    // Mostly an owner names its own topic; now and then another.
    let place = move || (owner(), 0..10_u32).prop_map(|(owner, n)| (if n == 0 { 7 } else { owner % 2 }, owner));
    prop_oneof![
        5 => (place(), key(), meta()).prop_map(|((topic, owner), key, meta)| Command::Track { topic, owner, key, meta }),
        3 => (place(), key(), meta()).prop_map(|((topic, owner), key, meta)| Command::Update { topic, owner, key, meta }),
        2 => (place(), key()).prop_map(|((topic, owner), key)| Command::Untrack { topic, owner, key }),
        1 => owner().prop_map(|owner| Command::UntrackAll { owner }),
    ]
}

struct World {
    random: Random,
    presences: Presences,
    model: Model,
    clients: BTreeMap<u32, Client>,
    refs: HashSet<String>,
}

const MAX: usize = 12;

impl World {
    fn new() -> Self {
        let mut random = Random::new([5; 32]);
        let presences = Presences::new(MAX, &mut random);
        Self { random, presences, model: Model::default(), clients: BTreeMap::new(), refs: HashSet::new() }
    }

    fn apply(&mut self, command: &Command) {
        match *command {
            Command::Track { topic, owner, key, meta } => {
                let elsewhere = self.model.0.iter().any(|t| t.owner == owner && t.topic != topic);
                let expected = match self.model.place(topic, owner, key) {
                    _ if elsewhere => Err(CommandError::NotAllowed),
                    Some(_) => Err(CommandError::AlreadyTracked),
                    None if self.model.0.len() == MAX => Err(CommandError::Full),
                    None if meta == "[1]" => Err(CommandError::InvalidJson),
                    None => Ok(()),
                };
                let result = self.presences.track(topic, owner, key, Json::new(meta).unwrap(), &mut self.random);
                assert_eq!(result.as_ref().map(|_| ()).map_err(|e| *e), expected);
                let Ok(change) = result else { return };
                let sent = self.joined(&change, key, meta, None);
                self.model.0.push(Tracked { topic, owner, key: key.into(), meta: meta.into(), sent });
                self.publish(topic, &change, 1, 0);
            }
            Command::Update { topic, owner, key, meta } => {
                let place = self.model.place(topic, owner, key);
                let expected = match place {
                    None => Err(CommandError::NotTracked),
                    Some(_) if meta == "[1]" => Err(CommandError::InvalidJson),
                    Some(_) => Ok(()),
                };
                let result = self.presences.update(topic, owner, key, Json::new(meta).unwrap(), &mut self.random);
                assert_eq!(result.as_ref().map(|_| ()).map_err(|e| *e), expected);
                let (Ok(change), Some(place)) = (result, place) else { return };
                let previous = self.model.0[place].sent["phx_ref"].clone();
                let sent = self.joined(&change, key, meta, Some(previous));
                let old = std::mem::replace(&mut self.model.0[place].sent, sent);
                self.model.0[place].meta = meta.into();
                assert_eq!(diff(&change)["leaves"], json!({ key: { "metas": [old] } }));
                self.publish(topic, &change, 1, 1);
            }
            Command::Untrack { topic, owner, key } => {
                let place = self.model.place(topic, owner, key);
                let result = self.presences.untrack(topic, owner, key);
                assert_eq!(result.as_ref().err().copied(), place.is_none().then_some(CommandError::NotTracked));
                let (Ok(change), Some(place)) = (result, place) else { return };
                let gone = self.model.0.remove(place);
                assert_eq!(diff(&change), json!({ "joins": {}, "leaves": { key: { "metas": [gone.sent] } } }));
                self.publish(topic, &change, 0, 1);
            }
            Command::UntrackAll { owner } => {
                let (gone, stay): (Vec<_>, Vec<_>) = self.model.0.drain(..).partition(|t| t.owner == owner);
                self.model.0 = stay;
                let result = self.presences.untrack_all(owner);
                assert_eq!(result.as_ref().map(|(topic, _)| *topic), gone.first().map(|t| t.topic));
                let Some((topic, change)) = result else { return };
                let leaves = gone.iter().map(|t| (t.key.clone(), json!({ "metas": [t.sent] }))).collect::<Value>();
                assert_eq!(diff(&change), json!({ "joins": {}, "leaves": leaves }));
                self.publish(topic, &change, 0, gone.len());
            }
        }
    }

    /// The one meta that a change brings, after a look at its form.
    fn joined(&mut self, change: &Change, key: &str, meta: &str, previous: Option<Value>) -> Value {
        let sent = diff(change)["joins"][key]["metas"][0].clone();
        let mut expected: Value = serde_json::from_str(meta).unwrap();
        expected["phx_ref"] = sent["phx_ref"].clone();
        if let Some(previous) = previous {
            expected["phx_ref_prev"] = previous;
        }
        assert_eq!(sent, expected);
        assert!(self.refs.insert(sent["phx_ref"].as_str().unwrap().into()), "a phx_ref twice");
        sent
    }

    fn publish(&mut self, topic: u32, change: &Change, joins: usize, leaves: usize) {
        let diff = diff(change);
        let count = |side: &str| diff[side].as_object().unwrap().len();
        assert_eq!((count("joins"), count("leaves")), (joins, leaves));
        self.clients.entry(topic).or_default().sync(&diff);
    }

    fn check(&self) {
        self.presences.check_links();
        assert_eq!(self.presences.len(), self.model.0.len());
        for topic in [0, 1, 7] {
            let state: State = serde_json::from_str(&text(|out| self.presences.write_state(topic, out))).unwrap();
            assert_eq!(state, self.model.state(topic));
            let client = self.clients.get(&topic).cloned().unwrap_or_default();
            assert_eq!(Client(state.0.into_iter().collect()).sorted(), client.sorted());
            let list: Value = serde_json::from_str(&text(|out| self.presences.write_list(topic, out))).unwrap();
            assert_eq!(list, self.model.list(topic));
            let listed = |(key, meta): (&str, Json<'_>)| (key.to_owned(), meta.as_str().to_owned());
            let expected = self.model.of_topic(topic).map(|t| (t.key.clone(), t.meta.trim().to_owned()));
            assert!(self.presences.list(topic).map(listed).eq(expected));
        }
        for tracked in &self.model.0 {
            let meta = self.presences.meta(tracked.topic, tracked.owner, &tracked.key);
            assert_eq!(meta, Some(tracked.meta.trim()));
        }
    }
}

impl Presences {
    /// The lists hold each presence once, both ways, and nothing else is remembered.
    fn check_links(&self) {
        let used = self.slots.iter().flatten().count();
        assert_eq!(used, self.len());
        assert!(used <= self.max && self.slots.len() <= self.max);
        assert!(self.free.iter().all(|at| self.get(*at).is_none()));
        self.check_lists(&self.topics, |p| p.topic, |p| p.in_topic);
        self.check_lists(&self.owners, |p| p.owner, |p| p.in_owner);
    }

    fn check_lists(
        &self,
        lists: &HashMap<u32, Ends, IdHash>,
        id_of: fn(&Presence) -> u32,
        links: fn(&Presence) -> Links,
    ) {
        let mut seen = 0;
        for (id, ends) in lists {
            let mut previous = NONE;
            for (at, presence) in self.chain(ends.head, links) {
                assert_eq!((id_of(presence), links(presence).previous), (*id, previous));
                previous = at;
                seen += 1;
            }
            assert_eq!(previous, ends.tail);
            assert_ne!(previous, NONE, "an empty list leaves no trace");
        }
        assert_eq!(seen, self.len());
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut out = Vec::new();
    write(&mut out);
    String::from_utf8(out).unwrap()
}

fn diff(change: &Change) -> Value {
    serde_json::from_str(&text(|out| change.write_diff(out))).unwrap()
}

proptest! {
    #[test]
    fn agrees_with_a_naive_model(commands in vec(command(), 0..120)) {
        let mut world = World::new();
        for command in &commands {
            world.apply(command);
            world.check();
        }
        for owner in 0..6 {
            world.apply(&Command::UntrackAll { owner });
        }
        world.check();
        prop_assert_eq!(world.presences.len(), 0);
        prop_assert!(world.presences.topics.is_empty() && world.presences.owners.is_empty());
    }
}

fn store(max: usize) -> (Presences, Random) {
    let mut random = Random::new([8; 32]);
    (Presences::new(max, &mut random), random)
}

#[test]
fn what_left_is_freed_and_its_slot_used_again() {
    let (mut presences, mut random) = store(2);
    for round in 0..100 {
        presences.track(round, 1, "ann", Json::EMPTY, &mut random).unwrap();
        presences.track(round, 2, "bob", Json::EMPTY, &mut random).unwrap();
        assert_eq!(presences.track(round, 3, "cyd", Json::EMPTY, &mut random).unwrap_err(), CommandError::Full);
        presences.update(round, 1, "ann", Json::EMPTY, &mut random).unwrap();

        let key = Arc::downgrade(&presences.get(presences.find(round, 1, "ann").unwrap()).unwrap().item.key);
        let change = presences.untrack(round, 1, "ann").unwrap();
        assert!(key.upgrade().is_some(), "the diff is still to be written");
        drop(change);
        assert!(key.upgrade().is_none());
        presences.untrack_all(2).unwrap();
        assert!(presences.untrack_all(2).is_none());
        assert!(presences.topics.is_empty() && presences.owners.is_empty());
        assert!(presences.slots.len() <= 2 && presences.slots.iter().all(Option::is_none));
    }
}

#[test]
fn nothing_is_kept_with_a_bound_of_nought() {
    let (mut presences, mut random) = store(0);
    assert_eq!(presences.track(1, 1, "ann", Json::EMPTY, &mut random).unwrap_err(), CommandError::Full);
    assert_eq!(presences.len(), 0);
    assert_eq!(text(|out| presences.write_state(1, out)), "{}");
    assert_eq!(text(|out| presences.write_list(1, out)), "[]");
}

#[test]
fn an_updated_meta_keeps_its_place_before_a_younger_one() {
    let (mut presences, mut random) = store(9);
    presences.track(1, 1, "ann", Json::new(r#"{"tab":1}"#).unwrap(), &mut random).unwrap();
    presences.track(1, 2, "ann", Json::new(r#"{"tab":2}"#).unwrap(), &mut random).unwrap();
    presences.update(1, 1, "ann", Json::new(r#"{"tab":1,"away":true}"#).unwrap(), &mut random).unwrap();
    let state: Value = serde_json::from_str(&text(|out| presences.write_state(1, out))).unwrap();
    assert_eq!((&state["ann"]["metas"][0]["tab"], &state["ann"]["metas"][1]["tab"]), (&json!(1), &json!(2)));
    assert_eq!(
        text(|out| presences.write_list(1, out)),
        r#"[{"key":"ann","meta":{"tab":1,"away":true}},{"key":"ann","meta":{"tab":2}}]"#
    );
}

/// The seed is in the refs and in nothing else: hashing gives no order away.
#[test]
fn another_seed_gives_the_same_order() {
    let state = |seed| {
        let mut random = Random::new([seed; 32]);
        let mut presences = Presences::new(1000, &mut random);
        for n in 0..500_u32 {
            let key = format!("user{}", n * 7919 % 400);
            presences.track(1, n, &key, Json::EMPTY, &mut random).unwrap();
        }
        (0..500).step_by(3).for_each(|owner| drop(presences.untrack_all(owner)));
        text(|out| presences.write_state(1, out))
    };
    let without_refs = |state: &str| {
        let pieces = state.split(r#""phx_ref":""#).enumerate();
        pieces.map(|(n, piece)| if n == 0 { piece } else { &piece[16..] }).collect::<String>()
    };
    assert_eq!(state(1), state(1));
    assert_ne!(state(1), state(2));
    assert_eq!(without_refs(&state(1)), without_refs(&state(2)));
}
