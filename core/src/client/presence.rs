//! Who is there: a channel's presences, kept in step with the server's.
//!
//! Source: phoenix.js 1.8.16 presence.js (`syncState`, `syncDiff`), except that keys are listed in the order in which they
//! came (JavaScript puts those that are numbers first), and that what waits for a state does not outlive its join.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use super::object::{elements, member, members};
use crate::payload::Json;

/// What is there under one key: a meta for each time that it joined, the oldest first.
///
/// ```
/// use chanson_core::client::Presence;
///
/// fn is_online(presence: &Presence) -> bool {
///     presence.metas().any(|meta| meta.as_str().contains(r#""online":true"#))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Presence {
    metas: Vec<Meta>,
    /// The object as it last came, when there is more in it than the metas.
    object: Option<Arc<str>>,
}

#[derive(Clone, PartialEq, Eq)]
struct Meta {
    text: Arc<str>,
    /// Where the text of the `phx_ref` is.
    phx_ref: Option<(u32, u32)>,
}

impl Presence {
    /// The metas: objects as the server sent them, `phx_ref` and all.
    pub fn metas(&self) -> impl ExactSizeIterator<Item = Json<'_>> {
        self.metas.iter().map(|meta| Json::trusted(&meta.text))
    }

    /// What a server may add beside the metas (Phoenix: `fetch/2`), as it last came.
    pub fn member(&self, name: &str) -> Option<Json<'_>> {
        member(self.object.as_ref()?, name).map(Json::trusted)
    }

    /// At the cost of `left`, which it reduces.
    fn parse(text: &str, left: &mut usize) -> Result<Self, Overflow> {
        let mut pay = |cost| left.checked_sub(cost).map(|rest| *left = rest).ok_or(Overflow);
        pay(OVERHEAD)?;
        let mut metas = Vec::new();
        for meta in elements(member(text, "metas").unwrap_or_default()) {
            pay(OVERHEAD + meta.len())?;
            metas.push(Meta::new(meta));
        }
        let more = members(text).any(|(name, _)| name != "metas");
        Ok(Self { metas, object: more.then(|| text.into()) })
    }

    /// Without the metas that `other` has.
    fn without(&self, other: &Self) -> Self {
        let gone: BTreeSet<_> = other.metas.iter().map(Meta::phx_ref).collect();
        let metas = self.metas.iter().filter(|meta| !gone.contains(&meta.phx_ref())).cloned().collect();
        Self { metas, object: self.object.clone() }
    }

    /// Memory of a copy, about: the texts are shared.
    pub(super) fn copied(&self) -> usize {
        size_of::<Self>() + self.metas.len() * size_of::<Meta>()
    }

    /// Memory, about.
    pub(super) fn cost(&self) -> usize {
        let metas: usize = self.metas.iter().map(|meta| OVERHEAD + meta.text.len()).sum();
        OVERHEAD + metas + self.object.as_ref().map_or(0, |object| object.len())
    }
}

impl Meta {
    fn new(text: &str) -> Self {
        let phx_ref = member(text, "phx_ref").map(|found| {
            let start = found.as_ptr().addr() - text.as_ptr().addr();
            (start as u32, found.len() as u32)
        });
        Self { text: text.into(), phx_ref }
    }

    fn phx_ref(&self) -> Option<&str> {
        let (start, len) = self.phx_ref?;
        self.text.get(start as usize..)?.get(..len as usize)
    }
}

impl fmt::Debug for Meta {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a message changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    Join { key: Arc<str>, current: Option<Presence>, new: Presence },
    Leave { key: Arc<str>, current: Presence, left: Presence },
}

impl Change {
    /// What telling it costs, about.
    pub(super) fn cost(&self) -> usize {
        match self {
            Self::Join { current, new, .. } => current.as_ref().map_or(0, Presence::copied) + new.copied(),
            Self::Leave { current, left, .. } => current.copied() + left.copied(),
        }
    }
}

/// The presences of a channel do not fit in their bound, or what is to be told of them does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Overflow;

type Keyed = Vec<(Arc<str>, Presence)>;

/// The presences of one channel.
#[derive(Debug)]
pub(super) struct Roster {
    list: List,
    phase: Phase,
    max_bytes: usize,
}

#[derive(Debug)]
enum Phase {
    /// Diffs are kept until the join's state comes.
    Waiting {
        diffs: Vec<Box<str>>,
        bytes: usize,
    },
    Synced,
    /// There were too many.
    Overflown,
}

impl Roster {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { list: List::default(), phase: Phase::waiting(), max_bytes }
    }

    /// A new join: its state is to come.
    pub(super) fn restart(&mut self) {
        self.phase = Phase::waiting();
    }

    pub(super) fn is_overflown(&self) -> bool {
        matches!(self.phase, Phase::Overflown)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &Presence)> {
        self.list.entries.values().map(|(key, presence)| (&**key, presence))
    }

    /// The `presence_state` of a join.
    pub(super) fn state(&mut self, text: &str) -> Result<Vec<Change>, Overflow> {
        let phase = std::mem::replace(&mut self.phase, Phase::Synced);
        let changes = self.try_state(text, phase);
        self.bounded(changes, 0)
    }

    /// A key's metas are copied with each change of it, so many small diffs make much to tell.
    fn try_state(&mut self, text: &str, before: Phase) -> Result<Vec<Change>, Overflow> {
        let (mut changes, max) = (Vec::new(), self.max_told());
        let (joins, leaves) = self.list.compare(keyed(text, self.max_bytes)?);
        self.list.apply(joins, leaves, &mut changes);
        let (mut told, mut counted) = (0, 0);
        if let Phase::Waiting { diffs, .. } = before {
            for diff in diffs {
                self.list.apply_diff(&diff, self.max_bytes, &mut changes)?;
                told += changes[counted..].iter().map(Change::cost).sum::<usize>();
                counted = changes.len();
                if told > max {
                    return Err(Overflow);
                }
            }
        }
        Ok(changes)
    }

    /// A `presence_diff`; `None` if it waits for the state.
    pub(super) fn diff(&mut self, text: &str) -> Result<Option<Vec<Change>>, Overflow> {
        let mut changes = Vec::new();
        let waiting = match &mut self.phase {
            Phase::Waiting { diffs, bytes } => {
                *bytes += OVERHEAD + text.len();
                diffs.push(text.into());
                Some(*bytes)
            }
            _ => None,
        };
        let applied = match waiting {
            Some(_) => Ok(()),
            None => self.list.apply_diff(text, self.max_bytes, &mut changes),
        };
        let changes = applied.map(|()| waiting.is_none().then_some(changes));
        self.bounded(changes, waiting.unwrap_or(0))
    }

    /// How much may wait to be told, in bytes.
    pub(super) const fn max_told(&self) -> usize {
        self.max_bytes.saturating_mul(COPIES)
    }

    /// The list is not kept until the next join.
    pub(super) fn give_up(&mut self) -> Overflow {
        self.list = List::default();
        self.phase = Phase::Overflown;
        Overflow
    }

    fn bounded<T>(&mut self, result: Result<T, Overflow>, waiting: usize) -> Result<T, Overflow> {
        match result {
            Ok(value) if self.list.bytes + waiting <= self.max_bytes => Ok(value),
            _ => Err(self.give_up()),
        }
    }
}

impl Phase {
    const fn waiting() -> Self {
        Self::Waiting { diffs: Vec::new(), bytes: 0 }
    }
}

/// Presences in the order in which their keys came.
#[derive(Debug, Default)]
struct List {
    places: BTreeMap<Arc<str>, u64>,
    entries: BTreeMap<u64, (Arc<str>, Presence)>,
    count: u64,
    /// What all of it costs.
    bytes: usize,
}

impl List {
    fn get(&self, key: &str) -> Option<&Presence> {
        self.entries.get(self.places.get(key)?).map(|(_, presence)| presence)
    }

    fn set(&mut self, key: &Arc<str>, presence: Presence) {
        self.bytes += key.len() + presence.cost();
        let place = *self.places.entry(Arc::clone(key)).or_insert_with(|| {
            self.count += 1;
            self.count
        });
        if let Some((key, old)) = self.entries.insert(place, (Arc::clone(key), presence)) {
            self.bytes -= key.len() + old.cost();
        }
    }

    fn remove(&mut self, key: &str) {
        let Some(place) = self.places.remove(key) else { return };
        if let Some((key, old)) = self.entries.remove(&place) {
            self.bytes -= key.len() + old.cost();
        }
    }

    /// What came and what left since, if `state` is how it is now.
    fn compare(&self, state: Keyed) -> (Keyed, Keyed) {
        let keys: BTreeMap<&str, ()> = state.iter().map(|(key, _)| (&**key, ())).collect();
        let gone = self.entries.values().filter(|(key, _)| !keys.contains_key(&**key));
        let mut leaves: Keyed = gone.cloned().collect();
        let mut joins = Keyed::new();
        for (key, new) in state {
            let Some(current) = self.get(&key) else {
                joins.push((key, new));
                continue;
            };
            let (joined, left) = (new.without(current), current.without(&new));
            if !left.metas.is_empty() {
                leaves.push((Arc::clone(&key), left));
            }
            if !joined.metas.is_empty() {
                joins.push((key, joined));
            }
        }
        (joins, leaves)
    }

    fn apply_diff(&mut self, text: &str, max: usize, changes: &mut Vec<Change>) -> Result<(), Overflow> {
        let part = |name| keyed(member(text, name).unwrap_or_default(), max);
        self.apply(part("joins")?, part("leaves")?, changes);
        Ok(())
    }

    fn apply(&mut self, joins: Keyed, leaves: Keyed, changes: &mut Vec<Change>) {
        for (key, new) in joins {
            let current = self.get(&key).cloned();
            let mut next = new.clone();
            if let Some(current) = &current {
                next.metas.splice(0..0, current.without(&new).metas);
            }
            self.set(&key, next);
            changes.push(Change::Join { key, current, new });
        }
        for (key, left) in leaves {
            let Some(current) = self.get(&key) else { continue };
            let current = current.without(&left);
            if current.metas.is_empty() {
                self.remove(&key);
            } else {
                self.set(&key, current.clone());
            }
            changes.push(Change::Leave { key, current, left });
        }
    }
}

/// The presences of an object by key; of one key twice the last counts, in the place of the first. No more are read than cost
/// `max`.
fn keyed(text: &str, max: usize) -> Result<Keyed, Overflow> {
    let mut left = max;
    let mut places: BTreeMap<Arc<str>, usize> = BTreeMap::new();
    let mut list = Keyed::new();
    for (key, value) in members(text) {
        let key: Arc<str> = key.into();
        let presence = Presence::parse(value, &mut left)?;
        match places.get(&key) {
            Some(place) => list[*place].1 = presence,
            None => {
                places.insert(Arc::clone(&key), list.len());
                list.push((key, presence));
            }
        }
    }
    Ok(list)
}

/// How many times the bound of the presences what is told of them may need: each change has copies of what is there.
const COPIES: usize = 4;

/// What an entry costs besides its text, about.
const OVERHEAD: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn metas(presence: &Presence) -> String {
        let refs = presence.metas.iter().map(|meta| meta.phx_ref().unwrap_or("-").trim_matches('"').to_owned());
        refs.collect::<Vec<_>>().join("+")
    }

    fn written(changes: &[Change]) -> Vec<String> {
        let write = |change: &Change| match change {
            Change::Join { key, current, new } => {
                format!("+{key} {} {}", current.as_ref().map_or("none".to_owned(), metas), metas(new))
            }
            Change::Leave { key, current, left } => format!("-{key} {} {}", metas(current), metas(left)),
        };
        changes.iter().map(write).collect()
    }

    fn list(roster: &Roster) -> Vec<String> {
        roster.iter().map(|(key, presence)| format!("{key} {}", metas(presence))).collect()
    }

    /// `a 1+2, b 3` as the object of presences.
    fn object(text: &str) -> String {
        let entries = text.split(", ").filter(|entry| !entry.is_empty()).map(|entry| {
            let (key, refs) = entry.split_once(' ').unwrap();
            let metas: Vec<String> = refs.split('+').map(|r| format!(r#"{{"n":1,"phx_ref":"{r}"}}"#)).collect();
            format!(r#""{key}":{{"metas":[{}]}}"#, metas.join(","))
        });
        format!("{{{}}}", entries.collect::<Vec<_>>().join(","))
    }

    fn diff(joins: &str, leaves: &str) -> String {
        format!(r#"{{"joins":{},"leaves":{}}}"#, object(joins), object(leaves))
    }

    #[test]
    fn a_state_and_diffs() {
        let mut roster = Roster::new(100_000);
        assert_eq!(written(&roster.state(&object("ann 1, bob 2")).unwrap()), ["+ann none 1", "+bob none 2"]);
        let changes = roster.diff(&diff("ann 3, cy 4", "bob 2")).unwrap().unwrap();
        assert_eq!(written(&changes), ["+ann 1 3", "+cy none 4", "-bob  2"]);
        assert_eq!(list(&roster), ["ann 1+3", "cy 4"]);
        let changes = roster.diff(&diff("ann 5", "ann 3, nobody 9")).unwrap().unwrap();
        assert_eq!(written(&changes), ["+ann 1+3 5", "-ann 1+5 3"], "an update is a join and a leave");
    }

    #[test]
    fn diffs_before_the_state_are_kept() {
        let mut roster = Roster::new(100_000);
        assert_eq!(roster.diff(&diff("ann 1", "")), Ok(None));
        assert_eq!(list(&roster), [""; 0]);
        let changes = roster.state(&object("ann 1")).unwrap();
        assert_eq!(written(&changes), ["+ann none 1", "+ann 1 1"], "the reference calls twice, too");
        assert_eq!(list(&roster), ["ann 1"]);
    }

    #[test]
    fn a_state_after_a_new_join_is_a_difference() {
        let mut roster = Roster::new(100_000);
        roster.state(&object("ann 1+2, bob 3, cy 4")).unwrap();
        roster.restart();
        assert_eq!(list(&roster).len(), 3, "the old list stands until the new one comes");
        let changes = roster.state(&object("dee 6, bob 3, ann 2+5")).unwrap();
        assert_eq!(written(&changes), ["+dee none 6", "+ann 1+2 5", "-cy  4", "-ann 2+5 1"]);
        assert_eq!(list(&roster), ["ann 2+5", "bob 3", "dee 6"]);
    }

    #[test]
    fn odd_ones_are_survived() {
        let mut roster = Roster::new(100_000);
        for text in ["[]", "1", r#"{"a":1,"b":{},"c":{"metas":{}},"d":{"metas":[1,{}]},"d":{"metas":[{}]}}"#] {
            roster.state(text).unwrap();
            roster.diff(text).unwrap();
        }
        let with_user = r#"{"u":{"metas":[{"phx_ref":"1"}],"user":{"name":"Ann"}}}"#;
        roster.state(with_user).unwrap();
        let (_, presence) = roster.iter().next().unwrap();
        assert_eq!(presence.member("user").unwrap().as_str(), r#"{"name":"Ann"}"#);
        assert_eq!((presence.metas().len(), presence.member("nope")), (1, None));
    }

    #[test]
    fn copies_for_many_small_diffs_are_bounded() {
        let mut roster = Roster::new(100_000);
        let all = (0..1000).map_while(|n| roster.diff(&diff(&format!("ann {n}"), "")).ok()).count();
        assert!(all > 300, "{all} diffs wait");
        roster.restart();
        for n in 0..all {
            roster.diff(&diff(&format!("ann {n}"), "")).unwrap();
        }
        assert_eq!(roster.state("{}"), Err(Overflow), "each of them is a copy of all before");
        assert!(roster.is_overflown());
        roster.restart();
        for n in 0..all / 2 {
            roster.diff(&diff(&format!("ann{n} 1"), "")).unwrap();
        }
        assert_eq!(roster.state("{}").unwrap().len(), all / 2, "of others they are not");
    }

    #[test]
    fn a_message_with_more_than_there_may_be_is_not_read_to_its_end() {
        let mut roster = Roster::new(1000);
        let many = format!(r#"{{"ann":{{"metas":[{}{{}}]}}}}"#, "{},".repeat(1_000_000));
        assert_eq!(keyed(&many, 1000), Err(Overflow));
        assert!(roster.diff(&many).is_err(), "it is too long to wait");
        roster.restart();
        assert_eq!(roster.state(&many), Err(Overflow));
        roster.restart();
        roster.state("{}").unwrap();
        assert_eq!(roster.diff(&format!(r#"{{"joins":{many}}}"#)), Err(Overflow));
    }

    #[test]
    fn the_bound_holds_and_the_count_is_right() {
        let mut roster = Roster::new(1000);
        for n in 0..50 {
            roster.state(&object(&format!("ann {n}, bob {n}, cy 1"))).unwrap();
            roster.diff(&diff(&format!("dee {n}"), &format!("ann {n}, dee {n}"))).unwrap();
        }
        roster.state("{}").unwrap();
        assert_eq!(roster.list.bytes, 0);
        let many: Vec<String> = (0..20).map(|n| format!("k{n} {n}")).collect();
        assert_eq!(roster.state(&object(&many.join(", "))), Err(Overflow));
        assert!(roster.is_overflown() && list(&roster).is_empty());
        roster.restart();
        let overflow = (0..20).find(|n| roster.diff(&diff(&format!("k{n} {n}"), "")).is_err());
        assert!(overflow.is_some(), "diffs that wait count too");
    }

    /// Also what stands beside the metas.
    #[test]
    fn an_event_weighs_what_the_server_sent() {
        use crate::client::{ChannelId, Event};
        let parse = |len: usize| {
            let text = format!(r#"{{"metas":[{{"phx_ref":"1"}}],"user":"{}"}}"#, "x".repeat(len));
            Presence::parse(&text, &mut usize::MAX.clone()).unwrap()
        };
        let (channel, key) = (ChannelId::from_bits(0), Arc::<str>::from("ann"));
        let join = |len| Event::PresenceJoin { channel, key: Arc::clone(&key), current: None, new: parse(len) };
        assert_eq!(join(100_000).weight() - join(0).weight(), 100_000);
        let leave = |len| Event::PresenceLeave { channel, key: Arc::clone(&key), current: parse(0), left: parse(len) };
        assert_eq!(leave(100_000).weight() - leave(0).weight(), 100_000);
    }
}
