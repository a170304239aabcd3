//! Who is subscribed to what: topics, their members, and lists of connections ready to be handed out.
//!
//! A [`Member`] is one connection in one topic, from the moment it asks to join until it is gone. Only a *subscribed*
//! member is delivered to; one whose join is still being decided is not. Members of a topic stand in one list per wire
//! form, so that a broadcast is one encoding and one contiguous run of ids for each form in use.
//!
//! Entering, subscribing and leaving are O(1); leaving everything is O(what was entered); a topic that nobody is in
//! gives its slot back.

use std::collections::HashMap;
use std::sync::Arc;

use slab::Slab;
use smallvec::SmallVec;

use crate::id::ConnId;
use crate::limits::Capacity;
use crate::random::{IdHash, KeyedHash, Random};
use crate::wire::Vsn;

/// How a subscriber wants its messages: each form is encoded at most once per broadcast.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Channel messages, as JSON objects.
    V1,
    /// Channel messages, as JSON arrays or in binary.
    V2,
    /// Text exactly as published, no channel messages.
    Raw,
    /// The same in a space of names of its own, see [`Space`].
    Room,
}

impl Form {
    const fn space(self) -> Space {
        match self {
            Self::V1 | Self::V2 | Self::Raw => Space::Topics,
            Self::Room => Space::Rooms,
        }
    }

    /// As what a connection is in a topic: it can be there once as each. A kind has one space of names.
    const fn kind(self) -> u8 {
        match self {
            Self::V1 | Self::V2 => 0,
            Self::Raw => 1,
            Self::Room => 2,
        }
    }

    /// Which list of a topic it stands in. A room has no joined ones, and a topic nobody who is there for a room.
    const fn list(self) -> usize {
        match self {
            Self::V1 => 0,
            Self::V2 => 1,
            Self::Raw | Self::Room => 2,
        }
    }
}

/// Where a name means something. Clients name topics; rooms are named by protocols that stand on the hub, and no client's
/// topic can name one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Space {
    Topics = 0,
    Rooms = 1,
}

impl From<Vsn> for Form {
    fn from(vsn: Vsn) -> Self {
        match vsn {
            Vsn::V1 => Self::V1,
            Vsn::V2 => Self::V2,
        }
    }
}

/// Why a connection cannot enter a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EnterError {
    TopicTooLong,
    TooManyTopics,
    TopicFull,
    TooManyMembers,
}

impl EnterError {
    /// The text that a client is answered with.
    pub(crate) const fn reason(self) -> &'static str {
        match self {
            Self::TopicTooLong => "topic too long",
            Self::TooManyTopics => "too many topics",
            Self::TopicFull => "topic full",
            Self::TooManyMembers => "too many joins",
        }
    }
}

/// One connection in one topic.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) conn: ConnId,
    pub(crate) topic: u32,
    pub(crate) form: Form,
    /// Place in the topic's list; `NONE` while not subscribed.
    at: u32,
    prev: u32,
    next: u32,
}

#[derive(Debug)]
struct Topic {
    name: Arc<str>,
    space: Space,
    members: u32,
    lists: [List; 3],
}

/// Of which most topics have few: these are kept in place.
#[derive(Debug, Default)]
struct List {
    conns: SmallVec<[ConnId; 2]>,
    members: SmallVec<[u32; 2]>,
    audience: Audience,
}

/// The name of a list of connections as it is now: when the list changes it gets another, which no list has had. Two messages
/// to one audience go to the same connections, and nobody has to compare thousands of them to know.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audience(u64);

impl Audience {
    /// One that says nothing.
    pub(crate) const UNKNOWN: Self = Self(0);

    /// Whether both are known and the same.
    pub(crate) fn is(self, other: Self) -> bool {
        self != Self::UNKNOWN && self == other
    }
}

/// The tables of topics and members.
#[derive(Debug)]
pub(crate) struct Topics {
    topics: Slab<Topic>,
    /// One for each space.
    names: [HashMap<Arc<str>, u32, KeyedHash>; 2],
    members: Slab<Member>,
    index: HashMap<u64, u32, IdHash>,
    raw_index: HashMap<u64, u32, IdHash>,
    heads: Vec<u32>,
    audiences: u64,
    max_topics: usize,
    max_members: usize,
    max_per_topic: usize,
    max_name: usize,
}

impl Topics {
    pub(crate) fn new(capacity: &Capacity, random: &mut Random) -> Self {
        Self {
            topics: Slab::new(),
            names: [(); 2].map(|()| HashMap::with_hasher(KeyedHash::new(random))),
            members: Slab::new(),
            index: HashMap::with_hasher(IdHash::new(random)),
            raw_index: HashMap::with_hasher(IdHash::new(random)),
            heads: Vec::new(),
            audiences: 0,
            max_topics: capacity.topics,
            max_members: capacity.joins,
            max_per_topic: capacity.subscribers_per_topic,
            max_name: capacity.topic_bytes,
        }
    }

    /// Takes all the memory that the bounds allow for the tables now (not for the lists inside the topics).
    pub(crate) fn preallocate(&mut self, conns: usize) {
        self.topics.reserve(self.max_topics);
        self.names[Space::Topics as usize].reserve(self.max_topics);
        self.members.reserve(self.max_members);
        self.index.reserve(self.max_members);
        self.heads.resize(conns.max(self.heads.len()), NONE);
    }

    pub(crate) fn topic(&self, name: &str) -> Option<u32> {
        self.named(Space::Topics, name)
    }

    pub(crate) fn room(&self, name: &str) -> Option<u32> {
        self.named(Space::Rooms, name)
    }

    fn named(&self, space: Space, name: &str) -> Option<u32> {
        self.names[space as usize].get(name).copied()
    }

    pub(crate) fn topic_count(&self) -> usize {
        self.topics.len()
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// The topic's name, shared.
    pub(crate) fn name(&self, topic: u32) -> &Arc<str> {
        &self.topics[topic as usize].name
    }

    /// The member that `conn` is in `topic`.
    pub(crate) fn find(&self, conn: ConnId, topic: &str, form: Form) -> Option<u32> {
        // Most are in a topic or two: the newest one is held against the name, which costs less than two tables.
        let newest = self.any_of(conn)?;
        let member = self.member(newest);
        if member.form.kind() == form.kind() && *self.topics[member.topic as usize].name == *topic {
            return Some(newest);
        }
        let topic = self.named(form.space(), topic)?;
        self.index_of(form).get(&key(conn, topic)).copied()
    }

    pub(crate) fn member(&self, member: u32) -> &Member {
        &self.members[member as usize]
    }

    pub(crate) fn get(&self, member: u32) -> Option<&Member> {
        self.members.get(member as usize)
    }

    /// Puts `conn` into `topic`, which it must not be in yet with this kind of form; not subscribed so far.
    pub(crate) fn enter(&mut self, conn: ConnId, name: &str, form: Form) -> Result<u32, EnterError> {
        if name.len() > self.max_name {
            return Err(EnterError::TopicTooLong);
        }
        if self.members.len() >= self.max_members {
            return Err(EnterError::TooManyMembers);
        }
        let topic = self.topic_or_new(form.space(), name)?;
        if self.topics[topic as usize].members as usize >= self.max_per_topic {
            self.drop_topic_if_empty(topic);
            return Err(EnterError::TopicFull);
        }
        self.topics[topic as usize].members += 1;
        let head = self.head(conn);
        let next = *head;
        let member = self.members.insert(Member { conn, topic, form, at: NONE, prev: NONE, next }) as u32;
        *self.head(conn) = member;
        if let Some(next) = self.members.get_mut(next as usize) {
            next.prev = member;
        }
        let previous = self.index_of_mut(form).insert(key(conn, topic), member);
        debug_assert!(previous.is_none(), "a connection is in a topic once");
        Ok(member)
    }

    /// From now on the member is delivered to.
    pub(crate) fn subscribe(&mut self, member: u32) {
        let entry = &mut self.members[member as usize];
        if entry.at != NONE {
            return;
        }
        let list = &mut self.topics[entry.topic as usize].lists[entry.form.list()];
        entry.at = list.conns.len() as u32;
        list.conns.push(entry.conn);
        list.members.push(member);
        self.audiences += 1;
        list.audience = Audience(self.audiences);
    }

    /// From now on the member is not delivered to; it is still in the topic.
    pub(crate) fn unsubscribe(&mut self, member: u32) {
        let entry = &mut self.members[member as usize];
        let at = std::mem::replace(&mut entry.at, NONE);
        if at == NONE {
            return;
        }
        let list = &mut self.topics[entry.topic as usize].lists[entry.form.list()];
        list.conns.swap_remove(at as usize);
        list.members.swap_remove(at as usize);
        self.audiences += 1;
        list.audience = Audience(self.audiences);
        if let Some(&moved) = list.members.get(at as usize) {
            self.members[moved as usize].at = at;
        }
    }

    /// From now on nothing is delivered to `conn`, which is still in its topics: what is said in one of them because it
    /// leaves another does not reach it. O(topics it is in).
    pub(crate) fn unsubscribe_all(&mut self, conn: ConnId) {
        let mut next = self.any_of(conn);
        while let Some(member) = next {
            self.unsubscribe(member);
            next = Some(self.member(member).next).filter(|next| *next != NONE);
        }
    }

    /// Takes the member out of its topic.
    pub(crate) fn leave(&mut self, member: u32) {
        self.unsubscribe(member);
        let Member { conn, topic, form, prev, next, .. } = self.members.remove(member as usize);
        match self.members.get_mut(prev as usize) {
            Some(prev) => prev.next = next,
            None => *self.head(conn) = next,
        }
        if let Some(next) = self.members.get_mut(next as usize) {
            next.prev = prev;
        }
        self.index_of_mut(form).remove(&key(conn, topic));
        self.topics[topic as usize].members -= 1;
        self.drop_topic_if_empty(topic);
    }

    /// Any one of the members that `conn` is, the newest first: call until `None`, leaving each.
    pub(crate) fn any_of(&self, conn: ConnId) -> Option<u32> {
        self.heads.get(conn.index()).copied().filter(|head| *head != NONE)
    }

    /// All that `conn` is a member of, the newest first.
    pub(crate) fn members_of(&self, conn: ConnId) -> impl Iterator<Item = (u32, Form)> {
        std::iter::successors(self.any_of(conn), |member| Some(self.member(*member).next).filter(|next| *next != NONE))
            .map(|member| (member, self.member(member).form))
    }

    /// The subscribers of `topic` that want `form`.
    pub(crate) fn subscribers(&self, topic: u32, form: Form) -> &[ConnId] {
        &self.topics[topic as usize].lists[form.list()].conns
    }

    /// What they are called together, as long as they are the same.
    pub(crate) fn audience(&self, topic: u32, form: Form) -> Audience {
        self.topics[topic as usize].lists[form.list()].audience
    }

    /// Where `member` stands in its list of subscribers.
    pub(crate) fn place(&self, member: u32) -> Option<usize> {
        self.members.get(member as usize).map(|member| member.at).filter(|at| *at != NONE).map(|at| at as usize)
    }

    /// Subscribers of all forms.
    pub(crate) fn subscriber_count(&self, topic: &str) -> usize {
        self.topic(topic).map_or(0, |topic| self.count(topic))
    }

    /// Subscribers of a room.
    pub(crate) fn room_count(&self, room: &str) -> usize {
        self.room(room).map_or(0, |room| self.count(room))
    }

    fn count(&self, topic: u32) -> usize {
        self.topics[topic as usize].lists.iter().map(|list| list.conns.len()).sum()
    }

    fn topic_or_new(&mut self, space: Space, name: &str) -> Result<u32, EnterError> {
        if let Some(topic) = self.named(space, name) {
            return Ok(topic);
        }
        if self.topics.len() >= self.max_topics {
            return Err(EnterError::TooManyTopics);
        }
        let name: Arc<str> = name.into();
        let topic = Topic { name: name.clone(), space, members: 0, lists: Default::default() };
        let topic = self.topics.insert(topic) as u32;
        self.names[space as usize].insert(name, topic);
        Ok(topic)
    }

    fn drop_topic_if_empty(&mut self, topic: u32) {
        if self.topics[topic as usize].members == 0 {
            let topic = self.topics.remove(topic as usize);
            self.names[topic.space as usize].remove(&topic.name);
        }
    }

    fn head(&mut self, conn: ConnId) -> &mut u32 {
        if self.heads.len() <= conn.index() {
            self.heads.resize(conn.index() + 1, NONE);
        }
        &mut self.heads[conn.index()]
    }

    const fn index_of(&self, form: Form) -> &HashMap<u64, u32, IdHash> {
        match form {
            Form::Raw | Form::Room => &self.raw_index,
            Form::V1 | Form::V2 => &self.index,
        }
    }

    const fn index_of_mut(&mut self, form: Form) -> &mut HashMap<u64, u32, IdHash> {
        match form {
            Form::Raw | Form::Room => &mut self.raw_index,
            Form::V1 | Form::V2 => &mut self.index,
        }
    }
}

/// A connection is closed and forgotten before its index is used again, so the index alone names it here.
const fn key(conn: ConnId, topic: u32) -> u64 {
    ((conn.index() as u64) << 32) | topic as u64
}

const NONE: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn pubsub(capacity: &Capacity) -> Topics {
        Topics::new(capacity, &mut Random::new([7; 32]))
    }

    fn conn(index: u32) -> ConnId {
        ConnId::new(index, 1)
    }

    #[test]
    fn a_topic_that_nobody_is_in_gives_its_slot_back() {
        let capacity = Capacity { topics: 1, ..Capacity::default() };
        let mut pubsub = pubsub(&capacity);
        let member = pubsub.enter(conn(0), "a", Form::V2).unwrap();
        assert_eq!(pubsub.enter(conn(1), "b", Form::V2), Err(EnterError::TooManyTopics));
        pubsub.leave(member);
        pubsub.enter(conn(1), "b", Form::V2).unwrap();
        assert_eq!(pubsub.topic_count(), 1);
    }

    #[test]
    fn bounds_are_answered_by_name() {
        let capacity = Capacity { subscribers_per_topic: 1, joins: 2, topic_bytes: 3, ..Capacity::default() };
        let mut pubsub = pubsub(&capacity);
        assert_eq!(pubsub.enter(conn(0), "long", Form::V2), Err(EnterError::TopicTooLong));
        pubsub.enter(conn(0), "a", Form::V2).unwrap();
        assert_eq!(pubsub.enter(conn(1), "a", Form::Raw), Err(EnterError::TopicFull));
        pubsub.enter(conn(1), "b", Form::V1).unwrap();
        assert_eq!(pubsub.enter(conn(2), "c", Form::V1), Err(EnterError::TooManyMembers));
    }

    #[derive(Clone, Debug)]
    enum Command {
        Enter(u32, u8, bool),
        Subscribe(u32, u8),
        Unsubscribe(u32, u8),
        Leave(u32, u8),
        LeaveAll(u32),
    }

    fn command() -> impl Strategy<Value = Command> {
        let (conns, topics) = (0..6u32, 0..4u8);
        prop_oneof![
            (conns.clone(), topics.clone(), any::<bool>()).prop_map(|(c, t, s)| Command::Enter(c, t, s)),
            (conns.clone(), topics.clone()).prop_map(|(c, t)| Command::Subscribe(c, t)),
            (conns.clone(), topics.clone()).prop_map(|(c, t)| Command::Unsubscribe(c, t)),
            (conns.clone(), topics).prop_map(|(c, t)| Command::Leave(c, t)),
            conns.prop_map(Command::LeaveAll),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_naive_model(commands in proptest::collection::vec(command(), 0..200)) {
            let mut pubsub = pubsub(&Capacity::default());
            let mut model: BTreeMap<(u32, u8), bool> = BTreeMap::new();
            for command in commands {
                match command {
                    Command::Enter(c, t, subscribe) => {
                        if let std::collections::btree_map::Entry::Vacant(vacant) = model.entry((c, t)) {
                            let member = pubsub.enter(conn(c), &t.to_string(), Form::V2).unwrap();
                            if subscribe { pubsub.subscribe(member) }
                            vacant.insert(subscribe);
                        }
                    }
                    Command::Subscribe(c, t) => if let Some(on) = model.get_mut(&(c, t)) {
                        pubsub.subscribe(pubsub.find(conn(c), &t.to_string(), Form::V2).unwrap());
                        *on = true;
                    },
                    Command::Unsubscribe(c, t) => if let Some(on) = model.get_mut(&(c, t)) {
                        pubsub.unsubscribe(pubsub.find(conn(c), &t.to_string(), Form::V2).unwrap());
                        *on = false;
                    },
                    Command::Leave(c, t) => {
                        let member = pubsub.find(conn(c), &t.to_string(), Form::V2);
                        prop_assert_eq!(member.is_some(), model.remove(&(c, t)).is_some());
                        if let Some(member) = member { pubsub.leave(member) }
                    }
                    Command::LeaveAll(c) => {
                        while let Some(member) = pubsub.any_of(conn(c)) { pubsub.leave(member) }
                        model.retain(|(other, _), _| *other != c);
                    }
                }
                prop_assert_eq!(pubsub.member_count(), model.len());
                let topics: BTreeSet<u8> = model.keys().map(|(_, topic)| *topic).collect();
                prop_assert_eq!(pubsub.topic_count(), topics.len());
                for topic in topics {
                    let expected: BTreeSet<u32> =
                        model.iter().filter(|((_, t), on)| *t == topic && **on).map(|((c, _), _)| *c).collect();
                    let id = pubsub.topic(&topic.to_string()).unwrap();
                    let actual = pubsub.subscribers(id, Form::V2);
                    prop_assert_eq!(actual.len(), expected.len());
                    prop_assert_eq!(actual.iter().map(|c| c.index() as u32).collect::<BTreeSet<_>>(), expected);
                    prop_assert_eq!(pubsub.subscriber_count(&topic.to_string()), actual.len());
                }
            }
            for c in 0..6 {
                while let Some(member) = pubsub.any_of(conn(c)) { pubsub.leave(member) }
            }
            prop_assert_eq!((pubsub.member_count(), pubsub.topic_count(), pubsub.index.len()), (0, 0, 0));
        }
    }
}
