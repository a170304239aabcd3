//! One direction of a connection: bytes on their way.

use std::collections::VecDeque;

use crate::time::Instant;

/// Bytes that arrive in order, each at its time, and the end behind them.
#[derive(Debug, Default)]
pub(super) struct Link {
    segments: VecDeque<(Instant, Vec<u8>)>,
    bytes: usize,
    last: Instant,
    end: Option<Instant>,
    told: bool,
}

impl Link {
    /// Sends bytes that arrive at `due`, or behind what was sent before if that arrives later. None behind the end.
    pub(super) fn push(&mut self, due: Instant, bytes: Vec<u8>) {
        if !bytes.is_empty() && self.end.is_none() {
            self.last = self.last.max(due);
            self.bytes += bytes.len();
            self.segments.push_back((self.last, bytes));
        }
    }

    /// Nothing more will be sent.
    pub(super) fn end(&mut self, due: Instant) {
        self.end.get_or_insert(self.last.max(due));
    }

    /// Throws away what is on its way.
    pub(super) fn clear(&mut self) {
        self.segments.clear();
        self.bytes = 0;
    }

    /// How many bytes are on their way, or have arrived and were not taken.
    pub(super) const fn len(&self) -> usize {
        self.bytes
    }

    /// Takes what has arrived, at most `max` bytes.
    pub(super) fn take(&mut self, now: Instant, max: usize) -> Vec<u8> {
        let mut taken = Vec::new();
        while let Some((due, segment)) = self.segments.front_mut() {
            let room = max - taken.len();
            if *due > now || room == 0 {
                break;
            }
            if segment.len() > room {
                taken.extend(segment.drain(..room));
                break;
            }
            taken.append(segment);
            self.segments.pop_front();
        }
        self.bytes -= taken.len();
        taken
    }

    /// Whether the end has arrived, behind all bytes; said once.
    pub(super) fn take_end(&mut self, now: Instant) -> bool {
        let arrived = !self.told && self.segments.is_empty() && self.end.is_some_and(|end| end <= now);
        self.told |= arrived;
        arrived
    }

    /// When something arrives, if that is still to come.
    pub(super) fn next_after(&self, now: Instant) -> Option<Instant> {
        let end = self.end.filter(|_| !self.told);
        let next = self.segments.iter().map(|(due, _)| *due).find(|due| *due > now);
        next.or(end).filter(|due| *due > now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_arrive_in_order_and_the_end_behind_them() {
        let (mut link, at) = (Link::default(), Instant::from_millis);
        link.push(at(5), b"abc".to_vec());
        link.push(at(3), b"de".to_vec());
        link.end(at(1));
        link.push(at(9), b"lost".to_vec());
        assert_eq!((link.next_after(at(0)), link.len()), (Some(at(5)), 5));
        assert!(link.take(at(4), 9).is_empty() && !link.take_end(at(4)));
        assert_eq!(link.take(at(5), 2), b"ab");
        assert!(!link.take_end(at(5)));
        assert_eq!((link.take(at(5), 9), link.len()), (b"cde".to_vec(), 0));
        assert!(link.take_end(at(5)) && !link.take_end(at(5)));
        assert_eq!(link.next_after(at(5)), None);
    }
}
