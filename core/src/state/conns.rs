//! The table of connections.

use std::collections::HashMap;
use std::net::SocketAddr;

use smallvec::SmallVec;

use crate::id::{ConnId, Ticket};
use crate::limits::Bucket;
use crate::random::{KeyedHash, Random};
use crate::time::Instant;
use crate::wire::Vsn;

/// How far a connection has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// There is a transport; nothing is open on it yet.
    Connected,
    /// The application has put its decision off.
    Pending,
    /// Messages flow.
    Open,
    /// Closed by us or by the peer; the host has still to say that the transport is gone.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Conn {
    generation: u32,
    pub(crate) phase: Phase,
    pub(crate) mount: u16,
    pub(crate) vsn: Vsn,
    /// Whether it offered the subprotocol that phoenix.js sends its token by.
    pub(crate) offers_token: bool,
    /// Messages in a row that were refused.
    pub(crate) offences: u16,
    /// The unanswered ticket of its connect or of its HTTP request.
    pub(crate) ticket: Option<Ticket>,
    pub(crate) joins: u32,
    /// Tickets that are out for it.
    pub(crate) tickets: u32,
    /// Bytes of messages that wait for joins of it.
    pub(crate) waiting: usize,
    /// When the peer was last heard: moved by every message, looked at only when a timer fires.
    pub(crate) last_heard: Instant,
    pub(crate) bucket: Bucket,
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) details: Option<Box<Details>>,
}

/// What most connections have little of, out of the way.
#[derive(Debug, Default)]
pub(crate) struct Details {
    pub(crate) params: Vec<(Box<str>, Box<str>)>,
    pub(crate) assigns: Vec<(Box<str>, Box<str>)>,
    id: Option<Box<str>>,
    /// Place in the list of the connections that have this id.
    id_at: usize,
}

/// Connections by id; a slot's generation moves on when it is freed.
#[derive(Debug)]
pub(crate) struct Conns {
    slots: Vec<Slot>,
    free: Vec<u32>,
    by_id: HashMap<Box<str>, SmallVec<[ConnId; 1]>, KeyedHash>,
    max: usize,
}

#[derive(Debug)]
enum Slot {
    Used(Conn),
    /// The generation that the next user of the slot gets.
    Free(u32),
}

impl Conns {
    pub(crate) fn new(max: usize, random: &mut Random) -> Self {
        Self { slots: Vec::new(), free: Vec::new(), by_id: HashMap::with_hasher(KeyedHash::new(random)), max }
    }

    pub(crate) fn preallocate(&mut self) {
        self.slots.reserve(self.max.saturating_sub(self.slots.len()));
    }

    pub(crate) fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    /// A slot for a new transport; `None` at the bound.
    pub(crate) fn insert(&mut self, now: Instant, peer: Option<SocketAddr>) -> Option<ConnId> {
        if self.len() >= self.max {
            return None;
        }
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot::Free(1));
            (self.slots.len() - 1) as u32
        });
        let slot = &mut self.slots[index as usize];
        let Slot::Free(generation) = *slot else { return None };
        *slot = Slot::Used(Conn {
            generation,
            phase: Phase::Connected,
            mount: 0,
            vsn: Vsn::V1,
            offers_token: false,
            offences: 0,
            ticket: None,
            joins: 0,
            tickets: 0,
            waiting: 0,
            last_heard: now,
            bucket: Bucket::new(),
            peer,
            details: None,
        });
        Some(ConnId::new(index, generation))
    }

    pub(crate) fn get(&self, id: ConnId) -> Option<&Conn> {
        match self.slots.get(id.index()) {
            Some(Slot::Used(conn)) if conn.generation == id.generation() => Some(conn),
            _ => None,
        }
    }

    pub(crate) fn get_mut(&mut self, id: ConnId) -> Option<&mut Conn> {
        match self.slots.get_mut(id.index()) {
            Some(Slot::Used(conn)) if conn.generation == id.generation() => Some(conn),
            _ => None,
        }
    }

    /// The connection, if messages flow on it.
    pub(crate) fn open(&self, id: ConnId) -> Option<&Conn> {
        self.get(id).filter(|conn| conn.phase == Phase::Open)
    }

    /// Frees the slot.
    pub(crate) fn remove(&mut self, id: ConnId) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        self.clear_user_id(id);
        self.slots[id.index()] = Slot::Free(id.generation().wrapping_add(1));
        self.free.push(id.index() as u32);
        true
    }

    /// Every connection there is, in the order of their slots.
    pub(crate) fn ids(&self) -> impl Iterator<Item = ConnId> + '_ {
        self.slots.iter().enumerate().filter_map(|(index, slot)| match slot {
            Slot::Used(conn) => Some(ConnId::new(index as u32, conn.generation)),
            Slot::Free(_) => None,
        })
    }

    /// The connections that have the application's id `user_id`.
    pub(crate) fn with_user_id(&self, user_id: &str) -> &[ConnId] {
        self.by_id.get(user_id).map_or(&[], |conns| conns.as_slice())
    }

    pub(crate) fn set_user_id(&mut self, id: ConnId, user_id: &str) {
        self.clear_user_id(id);
        if self.get(id).is_none() {
            return;
        }
        let list = self.by_id.entry(user_id.into()).or_default();
        let at = list.len();
        list.push(id);
        if let Some(conn) = self.get_mut(id) {
            let details = conn.details.get_or_insert_default();
            (details.id, details.id_at) = (Some(user_id.into()), at);
        }
    }

    /// O(1): the last of the list takes the place.
    pub(crate) fn clear_user_id(&mut self, id: ConnId) {
        let Some(details) = self.get_mut(id).and_then(|conn| conn.details.as_mut()) else { return };
        let Some(user_id) = details.id.take() else { return };
        let at = details.id_at;
        let Some(list) = self.by_id.get_mut(&user_id) else { return };
        list.swap_remove(at);
        let moved = list.get(at).copied();
        if list.is_empty() {
            self.by_id.remove(&user_id);
        }
        if let Some(details) = moved.and_then(|moved| self.get_mut(moved)).and_then(|conn| conn.details.as_mut()) {
            details.id_at = at;
        }
    }
}

impl Conn {
    pub(crate) fn is_open(&self) -> bool {
        self.phase == Phase::Open
    }

    pub(crate) fn user_id(&self) -> Option<&str> {
        self.details.as_ref()?.id.as_deref()
    }

    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        lookup(&self.details.as_ref()?.params, name)
    }

    pub(crate) fn assign(&self, name: &str) -> Option<&str> {
        lookup(&self.details.as_ref()?.assigns, name)
    }

    pub(crate) fn assign_count(&self) -> usize {
        self.details.as_ref().map_or(0, |details| details.assigns.len())
    }

    /// Sets or replaces; false when there are `max` others already.
    pub(crate) fn set_assign(&mut self, name: &str, value: &str, max: usize) -> bool {
        set(&mut self.details.get_or_insert_default().assigns, name, value, max)
    }
}

/// The last one counts, as in the reference server's query parameters.
pub(crate) fn lookup<'a>(pairs: &'a [(Box<str>, Box<str>)], name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(key, _)| **key == *name).map(|(_, value)| &**value)
}

/// Sets or replaces a pair; false when there are `max` others already.
pub(crate) fn set(pairs: &mut Vec<(Box<str>, Box<str>)>, name: &str, value: &str, max: usize) -> bool {
    let count = pairs.len();
    match pairs.iter_mut().find(|(key, _)| **key == *name) {
        Some((_, old)) => *old = value.into(),
        None if count >= max => return false,
        None => pairs.push((name.into(), value.into())),
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conns(max: usize) -> Conns {
        Conns::new(max, &mut Random::new([1; 32]))
    }

    #[test]
    fn a_stale_id_names_nobody() {
        let mut conns = conns(1);
        let first = conns.insert(Instant::ORIGIN, None).unwrap();
        assert_eq!(conns.insert(Instant::ORIGIN, None), None);
        assert!(conns.remove(first));
        let second = conns.insert(Instant::ORIGIN, None).unwrap();
        assert_eq!((first.index(), first == second), (second.index(), false));
        assert!(conns.get(first).is_none() && !conns.remove(first) && conns.get(second).is_some());
    }

    #[test]
    fn user_ids_are_kept_in_step() {
        let mut conns = conns(10);
        let ids: Vec<_> = (0..4).map(|_| conns.insert(Instant::ORIGIN, None).unwrap()).collect();
        ids.iter().for_each(|id| conns.set_user_id(*id, "ann"));
        conns.remove(ids[0]);
        conns.set_user_id(ids[3], "bob");
        assert_eq!(conns.with_user_id("ann"), [ids[2], ids[1]]);
        conns.remove(ids[2]);
        conns.remove(ids[1]);
        assert_eq!((conns.with_user_id("ann"), conns.with_user_id("bob")), (&[][..], &[ids[3]][..]));
        conns.remove(ids[3]);
        assert!(conns.by_id.is_empty());
    }
}
