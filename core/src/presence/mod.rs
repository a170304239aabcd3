//! Who is tracked where. Knows nothing of connections: an owner is a join's number, a topic is a number.

use std::collections::HashMap;

use smallvec::smallvec;

use crate::error::CommandError;
use crate::payload::Json;
use crate::random::{IdHash, KeyedHash, Random};

mod format;
#[cfg(test)]
mod tests;

pub(crate) use format::Change;
use format::{Item, Meta};

/// All presences of a hub, at most a given number.
///
/// Each lies in two lists, its topic's and its owner's, both in the order of tracking. What a list does not hold has
/// no entry in the maps, and what left leaves an empty slot behind that the next one takes.
#[derive(Debug)]
pub(crate) struct Presences {
    slots: Vec<Option<Presence>>,
    free: Vec<u32>,
    max: usize,
    topics: HashMap<u32, Ends, IdHash>,
    owners: HashMap<u32, Ends, IdHash>,
    hash: KeyedHash,
}

#[derive(Debug)]
struct Presence {
    topic: u32,
    owner: u32,
    item: Item,
    in_topic: Links,
    in_owner: Links,
}

impl Presences {
    /// None yet, and room for `max`. Allocates nothing.
    pub(crate) fn new(max: usize, random: &mut Random) -> Self {
        let hash = IdHash::new(random);
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            max: max.min(NONE as usize),
            topics: HashMap::with_hasher(hash),
            owners: HashMap::with_hasher(hash),
            hash: KeyedHash::new(random),
        }
    }

    /// How many are tracked, in all topics together.
    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// Tracks `owner` in its topic under `key`. O(what this owner tracks).
    ///
    /// # Errors
    /// `AlreadyTracked` when this owner tracks that key already (another owner may track the same key), `Full` at the
    /// bound, `InvalidJson` when `meta` is no object, `NotAllowed` when this owner is in another topic.
    pub(crate) fn track(
        &mut self,
        topic: u32,
        owner: u32,
        key: &str,
        meta: Json<'_>,
        random: &mut Random,
    ) -> Result<Change, CommandError> {
        if self.of_owner(owner).next().is_some_and(|(_, first)| first.topic != topic) {
            return Err(CommandError::NotAllowed);
        }
        if self.find(topic, owner, key).is_some() {
            return Err(CommandError::AlreadyTracked);
        }
        if self.len() >= self.max {
            return Err(CommandError::Full);
        }
        let meta = Meta::new(meta, random).ok_or(CommandError::InvalidJson)?;
        let item = Item { key: key.into(), meta };
        self.insert(topic, owner, item.clone());
        Ok(Change { joins: smallvec![item], ..Change::default() })
    }

    /// Replaces the meta that `owner` is tracked with under `key`; it keeps its place. O(what this owner tracks).
    ///
    /// # Errors
    /// `NotTracked`, and `InvalidJson` when `meta` is no object.
    pub(crate) fn update(
        &mut self,
        topic: u32,
        owner: u32,
        key: &str,
        meta: Json<'_>,
        random: &mut Random,
    ) -> Result<Change, CommandError> {
        let at = self.find(topic, owner, key).ok_or(CommandError::NotTracked)?;
        let presence = self.get_mut(at).ok_or(CommandError::NotTracked)?;
        let meta = Meta::new(meta, random).ok_or(CommandError::InvalidJson)?.after(&presence.item.meta);
        let new = Item { meta, ..presence.item.clone() };
        let old = std::mem::replace(&mut presence.item, new.clone());
        Ok(Change { joins: smallvec![new], leaves: smallvec![old] })
    }

    /// Ends what `owner` is tracked with under `key`. O(what this owner tracks).
    ///
    /// # Errors
    /// `NotTracked`.
    pub(crate) fn untrack(&mut self, topic: u32, owner: u32, key: &str) -> Result<Change, CommandError> {
        let at = self.find(topic, owner, key).ok_or(CommandError::NotTracked)?;
        let presence = self.remove(at).ok_or(CommandError::NotTracked)?;
        Ok(Change { leaves: smallvec![presence.item], ..Change::default() })
    }

    /// Ends all that `owner` is tracked with, in one change, and tells in which topic. `None` when there was nothing.
    pub(crate) fn untrack_all(&mut self, owner: u32) -> Option<(u32, Change)> {
        let mut change = Change::default();
        let mut topic = None;
        while let Some(presence) = self.owners.get(&owner).map(|ends| ends.head).and_then(|at| self.remove(at)) {
            topic = Some(presence.topic);
            change.leaves.push(presence.item);
        }
        Some((topic?, change))
    }

    /// The current meta as the user gave it, without `phx_ref`.
    pub(crate) fn meta(&self, topic: u32, owner: u32, key: &str) -> Option<&str> {
        let at = self.find(topic, owner, key)?;
        self.get(at).map(|presence| presence.item.meta.text())
    }

    /// Appends the payload of `presence_state`: `{"ann":{"metas":[{"name":"ann","phx_ref":"…"}]},…}`, keys in order of
    /// first appearance. O(what is tracked in the topic).
    pub(crate) fn write_state(&self, topic: u32, out: &mut Vec<u8>) {
        let count = self.topics.get(&topic).map_or(0, |ends| ends.count as usize);
        format::write_state(self.items(topic), count, self.hash, out);
    }

    /// Appends `[{"key":"ann","meta":{"name":"ann"}},…]` in the order of tracking. O(what is tracked in the topic).
    pub(crate) fn write_list(&self, topic: u32, out: &mut Vec<u8>) {
        format::write_list(self.items(topic), out);
    }

    /// Key and meta (as the user gave it) of everything tracked in the topic, in the order of tracking.
    pub(crate) fn list(&self, topic: u32) -> impl Iterator<Item = (&str, Json<'_>)> {
        self.items(topic).map(|(key, meta)| (key, Json::trusted(meta.text())))
    }

    fn items(&self, topic: u32) -> impl Iterator<Item = (&str, &Meta)> {
        let head = self.topics.get(&topic).map_or(NONE, |ends| ends.head);
        self.chain(head, |presence| presence.in_topic).map(|(_, presence)| (&*presence.item.key, &presence.item.meta))
    }

    fn of_owner(&self, owner: u32) -> impl Iterator<Item = (u32, &Presence)> {
        let head = self.owners.get(&owner).map_or(NONE, |ends| ends.head);
        self.chain(head, |presence| presence.in_owner)
    }

    fn find(&self, topic: u32, owner: u32, key: &str) -> Option<u32> {
        let found = self.of_owner(owner).find(|(_, presence)| presence.topic == topic && *presence.item.key == *key);
        found.map(|(at, _)| at)
    }

    fn chain(&self, head: u32, links: fn(&Presence) -> Links) -> impl Iterator<Item = (u32, &Presence)> {
        let mut at = head;
        std::iter::from_fn(move || {
            let found = (at, self.get(at)?);
            at = links(found.1).next;
            Some(found)
        })
    }

    fn get(&self, at: u32) -> Option<&Presence> {
        self.slots.get(at as usize)?.as_ref()
    }

    fn get_mut(&mut self, at: u32) -> Option<&mut Presence> {
        self.slots.get_mut(at as usize)?.as_mut()
    }

    /// Puts a presence into a free slot and at the end of both of its lists. The caller has checked the bound, so the
    /// number of a slot fits and is never `NONE`.
    fn insert(&mut self, topic: u32, owner: u32, item: Item) {
        let at = self.free.pop().unwrap_or(self.slots.len() as u32);
        if at as usize == self.slots.len() {
            self.slots.push(None);
        }
        let in_topic = Links::after(self.topics.get(&topic));
        let in_owner = Links::after(self.owners.get(&owner));
        self.slots[at as usize] = Some(Presence { topic, owner, item, in_topic, in_owner });
        if let Some(before) = self.get_mut(in_topic.previous) {
            before.in_topic.next = at;
        }
        if let Some(before) = self.get_mut(in_owner.previous) {
            before.in_owner.next = at;
        }
        self.topics.entry(topic).or_insert(Ends::at(at)).append(at);
        self.owners.entry(owner).or_insert(Ends::at(at)).append(at);
    }

    /// Takes a presence out of its slot and of both of its lists.
    fn remove(&mut self, at: u32) -> Option<Presence> {
        let gone = self.slots.get_mut(at as usize)?.take()?;
        self.free.push(at);
        if let Some(before) = self.get_mut(gone.in_topic.previous) {
            before.in_topic.next = gone.in_topic.next;
        }
        if let Some(behind) = self.get_mut(gone.in_topic.next) {
            behind.in_topic.previous = gone.in_topic.previous;
        }
        if let Some(before) = self.get_mut(gone.in_owner.previous) {
            before.in_owner.next = gone.in_owner.next;
        }
        if let Some(behind) = self.get_mut(gone.in_owner.next) {
            behind.in_owner.previous = gone.in_owner.previous;
        }
        shrink(&mut self.topics, gone.topic, gone.in_topic);
        shrink(&mut self.owners, gone.owner, gone.in_owner);
        Some(gone)
    }
}

/// The ends of a list from which what had these links was taken; an empty list has none.
fn shrink(lists: &mut HashMap<u32, Ends, IdHash>, id: u32, links: Links) {
    if links.previous == NONE && links.next == NONE {
        lists.remove(&id);
    } else if let Some(ends) = lists.get_mut(&id) {
        ends.count -= 1;
        if links.previous == NONE {
            ends.head = links.next;
        }
        if links.next == NONE {
            ends.tail = links.previous;
        }
    }
}

/// First and last of a list that is not empty.
#[derive(Clone, Copy, Debug)]
struct Ends {
    head: u32,
    tail: u32,
    count: u32,
}

impl Ends {
    /// Of a list that this is about to be put into.
    const fn at(at: u32) -> Self {
        Self { head: at, tail: at, count: 0 }
    }

    const fn append(&mut self, at: u32) {
        self.tail = at;
        self.count += 1;
    }
}

/// Neighbours in a list.
#[derive(Clone, Copy, Debug)]
struct Links {
    previous: u32,
    next: u32,
}

impl Links {
    /// Of a new last one.
    fn after(ends: Option<&Ends>) -> Self {
        Self { previous: ends.map_or(NONE, |ends| ends.tail), next: NONE }
    }
}

/// The number of no slot.
const NONE: u32 = u32::MAX;
