//! The timing wheel: a slot for each tick ahead, coarser ones for what is further ahead.

use crate::time::Instant;

/// What is later than `reached`.
///
/// A tick is a number of several digits; an entry lies on the level of the first digit in which its tick differs from
/// `reached`, in the slot that this digit names. So the first of all is in the first slot of the lowest level that has
/// anything; when that one is reached, its entries differ later, and move to lower levels. On its way to its moment an
/// entry moves once for each level at most, and not at all while it is alone in its slot.
#[derive(Debug)]
pub(super) struct Wheel<T> {
    /// The tick of what was taken last.
    reached: u64,
    /// A bit for each level that has entries.
    occupied: u32,
    /// Made when they are needed, 4 kB each.
    levels: [Option<Box<Level>>; LEVELS],
    nodes: Vec<Node<T>>,
    /// The first of the nodes that are free.
    free: u32,
    len: usize,
}

/// Lists of entries, one for each value of a digit. The earliest of a list stands first, the others anyhow.
#[derive(Debug)]
struct Level {
    /// A bit for each word of `slots` that is not nought.
    words: u32,
    /// A bit for each list that is not empty.
    slots: [u64; SLOTS / 64],
    heads: [u32; SLOTS],
}

#[derive(Debug)]
struct Node<T> {
    at: Instant,
    what: T,
    /// The next in the same list.
    next: u32,
}

impl<T: Copy> Wheel<T> {
    pub(super) const fn new() -> Self {
        let levels = [const { None }; LEVELS];
        Self { reached: 0, occupied: 0, levels, nodes: Vec::new(), free: NONE, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Bytes of memory that it holds.
    #[cfg(test)]
    pub(super) fn allocated(&self) -> usize {
        let levels = self.levels.iter().flatten().count();
        levels * size_of::<Level>() + self.nodes.capacity() * size_of::<Node<T>>()
    }

    /// The earliest time there is. O(1).
    pub(super) fn first(&self) -> Option<Instant> {
        let level = self.levels.get(self.occupied.trailing_zeros() as usize)?.as_ref()?;
        Some(self.nodes[level.heads[level.first()] as usize].at)
    }

    /// False, and nothing done, when the wheel has reached that time already.
    pub(super) fn insert(&mut self, at: Instant, what: T) -> bool {
        if tick(at) <= self.reached {
            return false;
        }
        let node = Node { at, what, next: NONE };
        let mut index = self.free;
        if let Some(free) = self.nodes.get_mut(index as usize) {
            self.free = free.next;
            *free = node;
        } else {
            // Ids have indices of 32 bits too: what they name has run out of memory before.
            index = u32::try_from(self.nodes.len() + 1).expect("there are less than 2^32 timers") - 1;
            self.nodes.push(node);
        }
        self.len += 1;
        self.place(index, at);
        true
    }

    /// Takes the earliest and reaches its tick; gives away whatever else is of that tick. Amortised O(1).
    pub(super) fn pop(&mut self, mut give: impl FnMut(Instant, T)) -> Option<(Instant, T)> {
        let number = self.occupied.trailing_zeros() as usize;
        let level = self.levels.get_mut(number)?.as_mut()?;
        let slot = level.first();
        let index = level.clear(slot);
        let Node { at: first, what, next } = self.nodes[index as usize];
        if level.words == 0 {
            self.occupied &= !(1 << number);
        }
        self.reached = tick(first);
        self.release(index);
        let mut index = next;
        while index != NONE {
            let Node { at, what, next } = self.nodes[index as usize];
            if tick(at) > self.reached {
                self.place(index, at);
            } else {
                self.release(index);
                give(at, what);
            }
            index = next;
        }
        Some((first, what))
    }

    /// Drops all but those that are `alive`. O(all).
    pub(super) fn retain(&mut self, alive: impl Fn(Instant, T) -> bool) {
        self.occupied = 0;
        for number in 0..LEVELS {
            for word in 0..SLOTS / 64 {
                let mut bits = self.levels[number].as_ref().map_or(0, |level| level.slots[word]);
                while bits != 0 {
                    let slot = word * 64 + bits.trailing_zeros() as usize;
                    bits &= bits - 1;
                    let mut index = self.levels[number].as_mut().map_or(NONE, |level| level.clear(slot));
                    while index != NONE {
                        let Node { at, what, next } = self.nodes[index as usize];
                        if alive(at, what) {
                            self.place(index, at);
                        } else {
                            self.release(index);
                        }
                        index = next;
                    }
                }
            }
        }
    }

    /// Puts a node into the list it belongs to.
    fn place(&mut self, index: u32, at: Instant) {
        let number = (tick(at) ^ self.reached).ilog2() / DIGIT;
        let slot = (tick(at) >> (number * DIGIT)) as usize % SLOTS;
        self.occupied |= 1 << number;
        let level = self.levels[number as usize].get_or_insert_with(Level::new);
        let head = level.heads[slot];
        let mut next = head;
        match self.nodes.get_mut(head as usize) {
            Some(first) if first.at <= at => next = std::mem::replace(&mut first.next, index),
            _ => level.set(slot, index),
        }
        self.nodes[index as usize].next = next;
    }

    fn release(&mut self, index: u32) {
        self.nodes[index as usize].next = self.free;
        self.free = index;
        self.len -= 1;
    }
}

impl Level {
    fn new() -> Box<Self> {
        Box::new(Self { words: 0, slots: [0; SLOTS / 64], heads: [NONE; SLOTS] })
    }

    /// The first slot that is not empty.
    const fn first(&self) -> usize {
        let word = self.words.trailing_zeros() as usize % (SLOTS / 64);
        (word * 64 + self.slots[word].trailing_zeros() as usize) % SLOTS
    }

    const fn set(&mut self, slot: usize, head: u32) {
        self.heads[slot] = head;
        self.slots[slot / 64] |= 1 << (slot % 64);
        self.words |= 1 << (slot / 64);
    }

    /// Empties a list; its first node.
    const fn clear(&mut self, slot: usize) -> u32 {
        self.slots[slot / 64] &= !(1 << (slot % 64));
        if self.slots[slot / 64] == 0 {
            self.words &= !(1 << (slot / 64));
        }
        std::mem::replace(&mut self.heads[slot], NONE)
    }
}

/// A tick is 2^20 nanoseconds, about a millisecond.
const fn tick(at: Instant) -> u64 {
    at.as_nanos() >> 20
}

/// So many bits are a digit: 1024 slots of a millisecond, 1024 of a second, of eighteen minutes, and so on. What is a minute
/// ahead waits in a slot of a second and in one of a millisecond; one in eighteen began a level higher. With fewer bits
/// there are more moves: they are what an entry among many costs more than one among few.
const DIGIT: u32 = 10;
const SLOTS: usize = 1 << DIGIT;
const LEVELS: usize = (64 - 20_usize).div_ceil(DIGIT as usize);

/// No node.
const NONE: u32 = u32::MAX;
