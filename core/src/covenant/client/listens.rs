//! Queries that are made again when what they looked at has changed.
//!
//! A change is learnt of from this client's own mutations and, if wanted, from the Sidekick. Unlike the original a listener
//! follows the resources that its query names as they change, has one query under way at most, and asks again when the
//! Sidekick was lost meanwhile, since nobody knows what has changed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::calls::Purpose;
use super::{Client, Event, ListenId, ProcedureError, Returned};
use crate::covenant::protocol::Incoming;

#[derive(Debug)]
pub(super) struct Listener {
    procedure: &'static str,
    /// The request.
    body: String,
    remote: bool,
    /// What the last query named.
    resources: BTreeSet<Box<str>>,
    /// Whether the query is under way.
    fetching: bool,
    /// Whether something has changed since that began.
    stale: bool,
}

impl Listener {
    pub(super) const fn new(procedure: &'static str, body: String, remote: bool) -> Self {
        Self { procedure, body, remote, resources: BTreeSet::new(), fetching: false, stale: false }
    }
}

/// The listeners, and how many of them want to know of each resource from the Sidekick.
#[derive(Debug, Default)]
pub(super) struct Listeners {
    all: BTreeMap<ListenId, Listener>,
    remote: BTreeMap<Box<str>, usize>,
    /// Whether the Sidekick was lost since it was reached first.
    interrupted: bool,
}

impl Listeners {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    pub(super) fn insert(&mut self, id: ListenId, listener: Listener) {
        self.all.insert(id, listener);
    }
}

impl Client {
    pub(super) fn fetch(&mut self, id: ListenId) {
        let Some(listener) = self.listeners.all.get_mut(&id) else { return };
        if listener.fetching {
            listener.stale = true;
            return;
        }
        (listener.fetching, listener.stale) = (true, false);
        let body = listener.body.clone();
        self.run(Purpose::Fetch(id), body);
    }

    /// A query that is listened to was answered.
    pub(super) fn fetched(&mut self, id: ListenId, result: Result<Returned, ProcedureError>) {
        let max = self.config.capacity.resources;
        let Some(listener) = self.listeners.all.get_mut(&id) else { return };
        listener.fetching = false;
        let again = listener.stale;
        let result = match result {
            Ok(returned) if returned.resources.len() > max => {
                Err(ProcedureError::new(500, format!("more than {max} resources from {}", listener.procedure)))
            }
            result => result,
        };
        if let Ok(returned) = &result {
            let resources = returned.resources.iter().cloned().collect();
            let before = std::mem::replace(&mut listener.resources, resources);
            let (now, remote) = (listener.resources.clone(), listener.remote);
            if remote {
                self.follow(now.difference(&before), before.difference(&now));
            }
        }
        self.events.push_back(Event::Fetched { listen: id, result });
        if again {
            self.fetch(id);
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
        let looks = |listener: &Listener| resources.iter().any(|resource| listener.resources.contains(resource));
        let stale: Vec<ListenId> =
            self.listeners.all.iter().filter(|(_, listener)| looks(listener)).map(|(id, _)| *id).collect();
        for id in stale {
            self.fetch(id);
        }
    }

    /// The Sidekick is reached: tells it what is of interest, and when it is not the first time looks at all of that again.
    pub(super) fn listen_all(&mut self) {
        let resources: Vec<Box<str>> = self.listeners.remote.keys().cloned().collect();
        self.tell_resources(&resources, |resources| Incoming::Listen { resources });
        if std::mem::replace(&mut self.listeners.interrupted, true) {
            let remote = self.listeners.all.iter().filter(|(_, listener)| listener.remote);
            let remote: Vec<ListenId> = remote.map(|(id, _)| *id).collect();
            for id in remote {
                self.fetch(id);
            }
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
            self.tell(&message(now.iter().map(|resource| Cow::Borrowed(&**resource)).collect()));
            rest = later;
        }
    }
}

/// Bytes of resources' names in one message.
const LISTEN_BYTES: usize = 16 << 10;
