//! A server whose sessions are in several shards. Whatever happens, it does what an endpoint does as long as all mail arrives at
//! once; and when mail is late, nothing is lost, mixed up or left behind.

mod heard;
mod host;
mod late;
mod together;

use std::io::{self, ErrorKind, IoSlice};

use arbitrary::Unstructured;
use chanson_core::Capacity;
use chanson_core::endpoint::{SlowConsumer, Stats};

use self::heard::Heard;
use super::ops::Op;
use super::rooms::{LONGEST, capacity};

/// What happens, one thing after the other: the same bytes as those of the endpoint, whose first has only one bit that matters.
pub fn sharded(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(mode) = input.arbitrary().map(Mode) else { return };
    match mode.is_late() {
        true => late::play(mode, &mut input),
        false => together::play(mode, &mut input),
    }
}

/// How it is played.
#[derive(Clone, Copy)]
struct Mode(u8);

impl Mode {
    const fn policy(self) -> SlowConsumer {
        if self.0 & 1 == 1 { SlowConsumer::Close } else { SlowConsumer::DropNewest }
    }

    fn shards(self) -> usize {
        1 + usize::from(self.0 >> 1) % 3
    }

    /// Whether mail is late.
    const fn is_late(self) -> bool {
        self.0 & 8 != 0
    }

    /// Whether queues are soon full. If not, they never are.
    const fn is_tight(self) -> bool {
        self.0 & 16 != 0
    }

    /// Whether shards are gone at the end, with all that was in them.
    const fn is_cut(self) -> bool {
        self.0 & 32 != 0
    }

    fn capacity(self) -> Capacity {
        match self.is_tight() {
            true => capacity(),
            false => capacity().with_queued_bytes_per_connection(1 << 30).with_queued_bytes(1 << 30),
        }
    }
}

/// The next thing that happens; `None` at the end.
fn next<'a>(input: &mut Unstructured<'a>) -> Option<Op<'a>> {
    let op = input.arbitrary::<Op<'_>>().ok()?;
    (!input.is_empty() || !matches!(op, Op::End)).then_some(op)
}

/// What a peer has written and what of it leaves now: nothing, if it leaves with what is written next (so that several messages
/// come at once); a half and a half; all of it; or all of it many times, for batches to be full.
fn pieces(number: u8, held: &mut Vec<u8>, bytes: &[u8]) -> Vec<Vec<u8>> {
    held.extend_from_slice(bytes);
    match number >> 6 {
        1 if held.len() < MAX_HELD => Vec::new(),
        2 => {
            let mut first = std::mem::take(held);
            let second = first.split_off(first.len() / 2);
            vec![first, second]
        }
        3 if !held.is_empty() => {
            let all = std::mem::take(held);
            let (room, most) = if number >= 0xf8 { (FLOOD, 2000) } else { (MAX_HELD, 100) };
            vec![all.repeat((room / all.len()).clamp(1, most))]
        }
        _ => vec![std::mem::take(held)],
    }
}

/// What the hub holds is bounded.
fn check_bounds(stats: &Stats, most: &Capacity) {
    let hub = &stats.hub;
    assert!(hub.connections <= most.connections && hub.joins <= most.joins && hub.topics <= most.topics, "{hub:?}");
    assert!(hub.presences <= most.presences && hub.tickets <= most.tickets, "{hub:?}");
}

/// Not so many bytes wait for so many connections.
fn check_queued(queued: usize, connections: usize, capacity: &Capacity) {
    assert!(queued <= connections.saturating_mul(capacity.queued_bytes_per_connection + SLACK), "{queued} bytes wait");
}

/// A socket that takes no more than `most`, and who reads it.
fn reader(heard: &mut Heard, most: usize) -> impl FnMut(&[IoSlice<'_>]) -> io::Result<usize> {
    let mut left = most;
    move |slices| {
        let before = left;
        for slice in slices {
            let len = slice.len().min(left);
            heard.take(&slice[..len]);
            left -= len;
        }
        if left == before { Err(ErrorKind::WouldBlock.into()) } else { Ok(before - left) }
    }
}

/// Which of so many a number names.
fn at(number: u8, count: usize) -> Option<usize> {
    usize::from(number).checked_rem(count)
}

/// How often a broadcast is made, for batches to be full.
const fn times(op: &Op<'_>) -> usize {
    match op {
        Op::Broadcast(_, len) if *len >= 128 => *len as usize / 4,
        _ => 1,
    }
}

/// With so many bytes a peer does not wait for more.
const MAX_HELD: usize = 8 << 10;

/// And now and then so many: a batch has 64 KiB.
const FLOOD: usize = 160 << 10;

/// What may wait for a connection beyond its bound: the longest message, the room that is kept for replies to heartbeats (16 KiB),
/// and the answers to pipelined requests behind which no more are read (64 KiB). Many of either come at once here.
const SLACK: usize = LONGEST + (80 << 10);
