//! Queries that are made again when what they looked at has changed.
//!
//! A change is learnt of from this client's own mutations and, if wanted, from the Sidekick. Unlike the original a listener
//! follows the resources that its query names as they change, has one query under way at most, and asks once more when the
//! Sidekick has begun to tell of a resource, for the first time or after a loss: nobody knows what has changed until then.
//! What came of that is only told if it is something else.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::hash::BuildHasher as _;

use super::calls::Purpose;
use super::{Client, Event, ListenId, ProcedureError, Returned};
use crate::covenant::protocol::Incoming;
use crate::random::{KeyedHash, Random};

#[derive(Debug)]
pub(super) struct Listener {
    procedure: &'static str,
    /// The request.
    body: String,
    remote: bool,
    /// What the last query named.
    resources: BTreeSet<Box<str>>,
    /// Whether the query is under way, and what for.
    fetching: Option<Why>,
    /// Whether it is to be made again then.
    again: Option<Why>,
    /// What came of the last one, as a hash; `None` for an error.
    seen: Option<u64>,
}

/// Why a query is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Why {
    /// Something may have changed.
    Perhaps,
    /// Something has, or it is the first time.
    Surely,
}

impl Listener {
    pub(super) const fn new(procedure: &'static str, body: String, remote: bool) -> Self {
        Self { procedure, body, remote, resources: BTreeSet::new(), fetching: None, again: None, seen: None }
    }
}

/// The listeners, and how many of them want to know of each resource from the Sidekick.
#[derive(Debug)]
pub(super) struct Listeners {
    all: BTreeMap<ListenId, Listener>,
    remote: BTreeMap<Box<str>, usize>,
    hash: KeyedHash,
}

impl Listeners {
    pub(super) fn new(random: &mut Random) -> Self {
        Self { all: BTreeMap::new(), remote: BTreeMap::new(), hash: KeyedHash::new(random) }
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn insert(&mut self, id: ListenId, listener: Listener) {
        self.all.insert(id, listener);
    }
}

impl Client {
    pub(super) fn fetch(&mut self, id: ListenId, why: Why) {
        let Some(listener) = self.listeners.all.get_mut(&id) else { return };
        if listener.fetching.is_some() {
            listener.again = listener.again.max(Some(why));
            return;
        }
        (listener.fetching, listener.again) = (Some(why), None);
        let body = listener.body.clone();
        self.run(Purpose::Fetch(id), body);
    }

    /// A query that is listened to was answered.
    pub(super) fn fetched(&mut self, id: ListenId, result: Result<Returned, ProcedureError>) {
        let max = self.config.capacity.resources;
        let Some(listener) = self.listeners.all.get_mut(&id) else { return };
        let (why, again) = (listener.fetching.take(), listener.again.take());
        let result = match result {
            Ok(returned) if returned.resources.len() > max => {
                Err(ProcedureError::new(500, format!("more than {max} resources from {}", listener.procedure)))
            }
            result => result,
        };
        let seen = result.as_ref().ok().map(|returned| self.listeners.hash.hash_one(returned));
        let news = seen.is_none() || std::mem::replace(&mut listener.seen, seen) != seen;
        if let Ok(returned) = &result {
            let resources = returned.resources.iter().cloned().collect();
            let before = std::mem::replace(&mut listener.resources, resources);
            let (now, remote) = (listener.resources.clone(), listener.remote);
            if remote {
                self.follow(now.difference(&before), before.difference(&now));
            }
        }
        if news || why != Some(Why::Perhaps) {
            self.events.push_back(Event::Fetched { listen: id, result });
        }
        if let Some(why) = again {
            self.fetch(id, why);
        }
    }

    /// Ends a listener. Whether there was one.
    pub(super) fn end_listener(&mut self, id: ListenId) -> bool {
        let Some(listener) = self.listeners.all.remove(&id) else { return false };
        if listener.remote {
            self.follow([].iter(), listener.resources.iter());
        }
        true
    }

    /// These resources have changed.
    pub(super) fn refetch(&mut self, resources: &[Box<str>]) {
        self.fetch_all(resources, Why::Surely, |_| true);
    }

    /// The Sidekick tells of these resources from now on.
    pub(super) fn listening(&mut self, resources: &[Box<str>]) {
        self.fetch_all(resources, Why::Perhaps, |listener| listener.remote);
    }

    fn fetch_all(&mut self, resources: &[Box<str>], why: Why, which: fn(&Listener) -> bool) {
        let looks = |listener: &Listener| resources.iter().any(|resource| listener.resources.contains(resource));
        let all = self.listeners.all.iter().filter(|(_, listener)| which(listener) && looks(listener));
        let ids: Vec<ListenId> = all.map(|(id, _)| *id).collect();
        for id in ids {
            self.fetch(id, why);
        }
    }

    /// The Sidekick is reached: tells it what is of interest. Who knows of nothing yet tries again.
    pub(super) fn listen_all(&mut self) {
        let resources: Vec<Box<str>> = self.listeners.remote.keys().cloned().collect();
        self.tell_resources(&resources, |resources| Incoming::Listen { resources });
        let ignorant = |listener: &Listener| listener.remote && listener.resources.is_empty();
        let all = self.listeners.all.iter().filter(|(_, listener)| ignorant(listener) && listener.fetching.is_none());
        let ids: Vec<ListenId> = all.map(|(id, _)| *id).collect();
        for id in ids {
            self.fetch(id, Why::Perhaps);
        }
    }

    /// Counts who wants to know of what, and tells the Sidekick where that begins or ends to matter.
    fn follow<'a>(&mut self, more: impl Iterator<Item = &'a Box<str>>, less: impl Iterator<Item = &'a Box<str>>) {
        let remote = &mut self.listeners.remote;
        let (mut first, mut last) = (Vec::new(), Vec::new());
        for resource in more {
            let count = remote.entry(resource.clone()).or_default();
            *count += 1;
            if *count == 1 {
                first.push(resource.clone());
            }
        }
        for resource in less {
            if let Some(count) = remote.get_mut(resource) {
                *count -= 1;
                if *count == 0 {
                    remote.remove(resource);
                    last.push(resource.clone());
                }
            }
        }
        self.tell_resources(&first, |resources| Incoming::Listen { resources });
        self.tell_resources(&last, |resources| Incoming::Unlisten { resources });
    }

    /// In as many messages as it takes for each to be short.
    fn tell_resources<'a>(&mut self, resources: &'a [Box<str>], message: fn(Vec<Cow<'a, str>>) -> Incoming<'a>) {
        let mut rest = resources;
        while !rest.is_empty() && self.link.is_open() {
            let mut bytes = 0;
            let fits = rest.iter().take_while(|resource| {
                bytes += resource.len();
                bytes <= LISTEN_BYTES
            });
            let (now, later) = rest.split_at(fits.count().max(1));
            let message = message(now.iter().map(|resource| Cow::Borrowed(&**resource)).collect());
            self.asked_to_listen(matches!(message, Incoming::Listen { .. }));
            self.tell(&message);
            rest = later;
        }
    }
}

/// Bytes of resources' names in one message.
const LISTEN_BYTES: usize = 16 << 10;
