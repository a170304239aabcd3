//! Clients by their ids.

use std::fmt;

use crate::sockets::Id;

/// A client of [`Clients`](super::Clients). Its index is used again after the client was removed, its generation is not: a
/// stale id is answered with `UnknownConn`, never with another client.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ClientId {
    index: u32,
    generation: u32,
}

impl ClientId {
    /// A small number, dense from 0, that no two clients of one `Clients` share: good for indexing a table of your own.
    pub const fn index(self) -> usize {
        self.index as usize
    }

    /// The id as one number, for hosts that keep it in a C struct.
    pub const fn to_bits(self) -> u64 {
        ((self.generation as u64) << 32) | self.index as u64
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was an id names no client.
    pub const fn from_bits(bits: u64) -> Self {
        Self { index: bits as u32, generation: (bits >> 32) as u32 }
    }
}

impl Id for ClientId {
    fn index(self) -> usize {
        Self::index(self)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientId({}v{})", self.index, self.generation)
    }
}

/// What there is, by id.
pub(super) struct Table<T> {
    slots: Vec<Slot<T>>,
    free: Vec<u32>,
}

struct Slot<T> {
    generation: u32,
    value: Option<T>,
}

impl<T> Table<T> {
    pub(super) const fn new() -> Self {
        Self { slots: Vec::new(), free: Vec::new() }
    }

    pub(super) fn insert(&mut self, value: T) -> ClientId {
        if let Some(index) = self.free.pop() {
            let slot = &mut self.slots[index as usize];
            slot.value = Some(value);
            return ClientId { index, generation: slot.generation };
        }
        let index = u32::try_from(self.slots.len()).expect("memory ends long before");
        self.slots.push(Slot { generation: 0, value: Some(value) });
        ClientId { index, generation: 0 }
    }

    pub(super) fn remove(&mut self, id: ClientId) -> Option<T> {
        let slot = self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation)?;
        let value = slot.value.take()?;
        slot.generation = slot.generation.wrapping_add(1);
        self.free.push(id.index);
        Some(value)
    }

    pub(super) fn get(&self, id: ClientId) -> Option<&T> {
        self.slots.get(id.index()).filter(|slot| slot.generation == id.generation)?.value.as_ref()
    }

    pub(super) fn get_mut(&mut self, id: ClientId) -> Option<&mut T> {
        self.slots.get_mut(id.index()).filter(|slot| slot.generation == id.generation)?.value.as_mut()
    }

    pub(super) const fn len(&self) -> usize {
        self.slots.len() - self.free.len()
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = ClientId> {
        let filled = self.slots.iter().zip(0..).filter(|(slot, _)| slot.value.is_some());
        filled.map(|(slot, index)| ClientId { index, generation: slot.generation })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stale_id_names_nothing() {
        let mut table = Table::new();
        let (a, b) = (table.insert("a"), table.insert("b"));
        assert_eq!((table.remove(a), table.remove(a), table.len()), (Some("a"), None, 1));
        let c = table.insert("c");
        assert_eq!((a.index(), table.get(a), table.get(c)), (c.index(), None, Some(&"c")));
        assert_eq!(table.get_mut(a), None);
        assert_eq!(table.ids().collect::<Vec<_>>(), [c, b]);
        assert_eq!(ClientId::from_bits(c.to_bits()), c);
        assert_eq!(table.get(ClientId::from_bits(u64::MAX)), None);
    }
}
