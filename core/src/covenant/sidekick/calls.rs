//! Messages of clients on their way to the server. Those of one token go one after the other, each when the one before it is
//! answered, so that they reach the server in the order in which they were sent; but where that takes longer than
//! [`Config::order_wait`] they set out in that order and wait for no answer. Connections take turns: next is the one that has
//! fewest out, and none may have so many that nothing is left for those to come.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use super::Config;
use crate::covenant::contract::Params;
use crate::id::ConnId;
use crate::time::Instant;

/// Names a [`Call`], for as long as the sidekick lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallId(u64);

impl CallId {
    /// The id as a number.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was an id names no call.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

/// A message of a client that has to be brought to the server, see [`Sidekick::poll_call`](super::Sidekick::poll_call).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Call {
    /// By which its result is given back.
    pub id: CallId,
    /// The message as ION, the body of `POST …?type=channel`: a
    /// [`ForwardedMessage`](crate::covenant::protocol::ForwardedMessage).
    pub body: String,
}

impl fmt::Debug for Call {
    /// Says nothing of what the client sent.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("id", &self.id).field("len", &self.body.len()).finish()
    }
}

/// Whose call it is, and what to name when it fails.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) conn: ConnId,
    /// The token's serial.
    pub(super) token: u64,
    pub(super) channel: Box<str>,
    pub(super) params: Params,
}

/// A call that was given out. Nobody can have a result for another.
#[derive(Debug)]
struct Out {
    sender: Sender,
    bytes: usize,
}

/// What a connection has; forgotten when that is nothing.
#[derive(Debug, Default)]
struct Queue {
    /// What may be given out, the oldest first.
    ready: VecDeque<(Sender, Call)>,
    /// By token.
    lanes: BTreeMap<u64, Lane>,
    /// How many are out.
    out: usize,
    /// All of them: out, ready, and waiting in lanes.
    count: usize,
    bytes: usize,
    /// When its turn came last: its place among those with as many out.
    turn: u64,
}

/// The calls of a token, while there are some.
#[derive(Debug, Default)]
struct Lane {
    /// Those that are out or ready.
    going: usize,
    /// Those that wait for an answer, the oldest first.
    waiting: VecDeque<(Sender, Call)>,
}

/// When a call that waits has waited for long enough.
#[derive(Debug)]
struct Wait {
    end: Instant,
    id: CallId,
    conn: ConnId,
    token: u64,
}

/// Calls that were given out or will be. Every change is O(log calls).
#[derive(Debug, Default)]
pub(super) struct Calls {
    out: BTreeMap<CallId, Out>,
    queues: BTreeMap<ConnId, Queue>,
    /// The connections with something ready, the next one first: with how many are out, and their turns.
    turns: BTreeSet<(usize, u64, ConnId)>,
    /// All that wait, the oldest first, and some that do not any more; not at the front.
    waits: VecDeque<Wait>,
    count: usize,
    bytes: usize,
    next: u64,
    turn: u64,
}

impl Calls {
    pub(super) const fn len(&self) -> usize {
        self.count
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is room for another one of that connection. A first one always fits in bytes, however long it is.
    pub(super) fn has_room(&self, config: &Config, conn: ConnId, len: usize) -> bool {
        let (count, bytes) = self.queues.get(&conn).map_or((0, 0), |queue| (queue.count, queue.bytes));
        let fits = |bytes: usize, max: usize| bytes == 0 || bytes.saturating_add(len) <= max;
        self.count < config.calls
            && count < config.calls_per_connection
            && fits(self.bytes, config.call_bytes)
            && fits(bytes, config.call_bytes_per_connection)
    }

    pub(super) fn add(&mut self, config: &Config, now: Instant, sender: Sender, body: String) {
        let id = CallId(self.next);
        self.next += 1;
        self.count += 1;
        self.bytes += body.len();
        let (conn, token) = (sender.conn, sender.token);
        let queue = self.queues.entry(conn).or_default();
        queue.count += 1;
        queue.bytes += body.len();
        let lane = queue.lanes.entry(token).or_default();
        lane.waiting.push_back((sender, Call { id, body }));
        if lane.going > 0 && !config.order_wait.is_zero() {
            self.waits.push_back(Wait { end: now + config.order_wait, id, conn, token });
            // Behind one that waits for long there are no more that do not wait than others.
            if self.waits.len() > 2 * self.count {
                self.waits.retain(|wait| is_waiting(&self.queues, wait));
            }
            return;
        }
        self.let_go(conn, token);
    }

    /// Those that have waited for long enough may go.
    pub(super) fn release(&mut self, now: Instant) {
        while self.waits.front().is_some_and(|wait| wait.end <= now)
            && let Some(Wait { conn, token, .. }) = self.waits.pop_front()
        {
            self.let_go(conn, token);
            self.forget_waits();
        }
    }

    /// When there is one to release.
    pub(super) fn next_release(&self) -> Option<Instant> {
        self.waits.front().map(|wait| wait.end)
    }

    /// The oldest that waits of that token may go.
    fn let_go(&mut self, conn: ConnId, token: u64) {
        let Some(queue) = self.queues.get_mut(&conn) else { return };
        let Some(lane) = queue.lanes.get_mut(&token) else { return };
        let Some(call) = lane.waiting.pop_front() else { return };
        lane.going += 1;
        queue.ready.push_back(call);
        self.turns.insert((queue.out, queue.turn, conn));
    }

    /// Those at the front that do not wait any more.
    fn forget_waits(&mut self) {
        while self.waits.front().is_some_and(|wait| !is_waiting(&self.queues, wait)) {
            self.waits.pop_front();
        }
    }

    /// The next one to give out, if one may be.
    pub(super) fn poll(&mut self, config: &Config) -> Option<Call> {
        let place @ (out, _, conn) = *self.turns.first()?;
        // Of those with something ready none has fewer out, so if this one may not, no other may.
        if !may_go(out, self.out.len(), config.calls_out.max(1)) {
            return None;
        }
        self.turns.remove(&place);
        let queue = self.queues.get_mut(&conn)?;
        let (sender, call) = queue.ready.pop_front()?;
        self.turn += 1;
        queue.turn = self.turn;
        queue.out += 1;
        if !queue.ready.is_empty() {
            self.turns.insert((queue.out, queue.turn, conn));
        }
        self.out.insert(call.id, Out { sender, bytes: call.body.len() });
        Some(call)
    }

    /// The call has its result: whose it was. Others may go now. `None` when it is not out.
    pub(super) fn finish(&mut self, id: CallId) -> Option<Sender> {
        let Out { sender, bytes } = self.out.remove(&id)?;
        self.count -= 1;
        self.bytes -= bytes;
        let queue = self.queues.get_mut(&sender.conn)?;
        self.turns.remove(&(queue.out, queue.turn, sender.conn));
        queue.out -= 1;
        queue.count -= 1;
        queue.bytes -= bytes;
        queue.end_one(sender.token);
        if !queue.ready.is_empty() {
            self.turns.insert((queue.out, queue.turn, sender.conn));
        } else if queue.count == 0 {
            self.queues.remove(&sender.conn);
        }
        self.forget_waits();
        Some(sender)
    }
}

impl Queue {
    /// One of that token has its answer. When none is left that has not, the next may go.
    fn end_one(&mut self, token: u64) {
        let Some(lane) = self.lanes.get_mut(&token) else { return };
        lane.going -= 1;
        if lane.going > 0 {
            return;
        }
        match lane.waiting.pop_front() {
            Some(next) => {
                lane.going = 1;
                self.ready.push_back(next);
            }
            None => drop(self.lanes.remove(&token)),
        }
    }
}

/// Whether that call still waits: those of a lane go in the order of their ids.
fn is_waiting(queues: &BTreeMap<ConnId, Queue>, wait: &Wait) -> bool {
    let lane = queues.get(&wait.conn).and_then(|queue| queue.lanes.get(&wait.token));
    lane.and_then(|lane| lane.waiting.front()).is_some_and(|(_, oldest)| oldest.id <= wait.id)
}

/// Whether a connection that has `own` out may have another one, where `out` are in all, of `max`: who has none may take the
/// last place, and who has some gets no more than a third of what is free. So one alone has a quarter of the places at most,
/// several share them, and there is always one for the next that comes (until there are as many connections as places).
const fn may_go(own: usize, out: usize, max: usize) -> bool {
    let free = max.saturating_sub(out);
    if own == 0 { free > 0 } else { own < free / 3 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// With so many places, where no call waits for another.
    fn config(places: usize) -> Config {
        Config::new("S").with_calls_out(places).with_order_wait(Duration::ZERO)
    }

    /// Adds one of that connection and token, whose body is this.
    fn add(calls: &mut Calls, config: &Config, conn_and_token: (u64, u64), body: &str) {
        add_at(calls, config, 0, conn_and_token, body);
    }

    fn add_at(calls: &mut Calls, config: &Config, ms: u64, (conn, token): (u64, u64), body: &str) {
        let sender = Sender { conn: ConnId::from_bits(conn), token, channel: "c".into(), params: Params::new() };
        calls.add(config, Instant::from_millis(ms), sender, body.to_owned());
    }

    fn all(calls: &mut Calls, config: &Config) -> Vec<Call> {
        std::iter::from_fn(|| calls.poll(config)).collect()
    }

    fn bodies(calls: &[Call]) -> Vec<&str> {
        calls.iter().map(|call| &*call.body).collect()
    }

    #[test]
    fn connections_take_turns_and_each_has_its_order() {
        let (mut calls, config) = (Calls::default(), config(100));
        for body in ["a1", "a2", "a3"] {
            add(&mut calls, &config, (1, 1), body);
        }
        add(&mut calls, &config, (2, 2), "b1");
        add(&mut calls, &config, (2, 3), "b2");
        assert_eq!(bodies(&all(&mut calls, &config)), ["a1", "b1", "a2", "b2", "a3"]);
    }

    #[test]
    fn one_connection_has_a_quarter_of_the_places_and_newcomers_go_at_once() {
        let (mut calls, config) = (Calls::default(), config(64));
        for _ in 0..100 {
            add(&mut calls, &config, (1, 1), "hog");
        }
        let hogs = all(&mut calls, &config);
        assert_eq!(hogs.len(), 16);
        for conn in 2..20 {
            add(&mut calls, &config, (conn, conn), "new");
            assert_eq!(bodies(&all(&mut calls, &config)), ["new"], "{conn}");
        }
        // What comes free is for those who have none, then for the others.
        calls.finish(hogs[0].id);
        add(&mut calls, &config, (99, 99), "new");
        assert_eq!(bodies(&all(&mut calls, &config)), ["new"]);
    }

    #[test]
    fn the_places_are_all_used_and_never_exceeded() {
        let (mut calls, config) = (Calls::default(), config(8));
        for conn in 0..20 {
            add(&mut calls, &config, (conn, conn), "x");
            add(&mut calls, &config, (conn, conn), "y");
        }
        let mut out = all(&mut calls, &config);
        assert_eq!(bodies(&out), ["x"; 8], "one of each");
        let mut done = 0;
        while let Some(call) = out.pop() {
            assert!(calls.finish(call.id).is_some() && calls.finish(call.id).is_none(), "a result counts once");
            done += 1;
            out.extend(all(&mut calls, &config));
            assert!(out.len() <= 8);
        }
        assert_eq!((done, calls.len(), calls.bytes()), (40, 0, 0));
        assert!(calls.queues.is_empty() && calls.turns.is_empty() && calls.out.is_empty());
    }

    #[test]
    fn even_a_single_place_is_enough() {
        let (mut calls, config) = (Calls::default(), config(0));
        add(&mut calls, &config, (1, 1), "a");
        add(&mut calls, &config, (1, 1), "b");
        let first = all(&mut calls, &config);
        assert_eq!(bodies(&first), ["a"]);
        calls.finish(first[0].id);
        assert_eq!(bodies(&all(&mut calls, &config)), ["b"]);
    }

    #[test]
    fn those_of_one_token_wait_for_answers_but_not_for_long() {
        let (mut calls, config) = (Calls::default(), config(100).with_order_wait(Duration::from_millis(250)));
        let at = Instant::from_millis;
        for (ms, token, body) in [(0, 1, "a1"), (10, 1, "a2"), (20, 2, "b1"), (30, 1, "a3"), (40, 1, "a4")] {
            add_at(&mut calls, &config, ms, (1, token), body);
        }
        let first = all(&mut calls, &config);
        assert_eq!(bodies(&first), ["a1", "b1"]);
        calls.finish(first[1].id);
        assert!(all(&mut calls, &config).is_empty());
        calls.finish(first[0].id);
        let second = all(&mut calls, &config);
        assert_eq!(bodies(&second), ["a2"]);
        // The server takes its time.
        assert_eq!(calls.next_release(), Some(at(280)));
        calls.release(at(279));
        assert!(all(&mut calls, &config).is_empty());
        calls.release(at(280));
        assert_eq!((bodies(&all(&mut calls, &config)), calls.next_release()), (vec!["a3"], Some(at(290))));
        calls.release(at(1000));
        let last = all(&mut calls, &config);
        assert_eq!((bodies(&last), calls.next_release()), (vec!["a4"], None));
        // Until all of them are answered, others wait.
        add_at(&mut calls, &config, 1000, (1, 1), "a5");
        calls.finish(last[0].id);
        assert!(all(&mut calls, &config).is_empty());
        assert_eq!(calls.next_release(), Some(at(1250)));
    }

    #[test]
    fn what_does_not_wait_any_more_is_forgotten() {
        let (mut calls, config) = (Calls::default(), config(100).with_order_wait(Duration::from_secs(1)));
        for (ms, conn) in [(0, 1), (0, 2), (10, 1), (20, 2), (30, 2)] {
            add_at(&mut calls, &config, ms, (conn, conn), "x");
        }
        let mut out = all(&mut calls, &config);
        while let Some(call) = out.pop() {
            calls.finish(call.id);
            out.extend(all(&mut calls, &config));
            let waiting: usize =
                calls.queues.values().flat_map(|queue| queue.lanes.values()).map(|lane| lane.waiting.len()).sum();
            assert_eq!(calls.next_release().is_some(), waiting > 0);
        }
        assert!(calls.waits.is_empty() && calls.queues.is_empty());
    }

    #[test]
    fn behind_one_that_hangs_nothing_piles_up() {
        let (mut calls, config) = (Calls::default(), config(100).with_order_wait(Duration::MAX));
        for body in ["hangs", "waits"] {
            add(&mut calls, &config, (1, 1), body);
        }
        add(&mut calls, &config, (2, 2), "first");
        let mut out = all(&mut calls, &config).pop();
        for _ in 0..1000 {
            add(&mut calls, &config, (2, 2), "next");
            calls.finish(out.map(|call| call.id).expect("it was out"));
            out = calls.poll(&config);
            assert!(calls.waits.len() <= 8);
        }
    }

    #[test]
    fn the_order_can_be_kept_whatever_it_takes() {
        let (mut calls, config) = (Calls::default(), config(100).with_order_wait(Duration::MAX));
        add(&mut calls, &config, (1, 1), "a1");
        add(&mut calls, &config, (1, 1), "a2");
        let first = all(&mut calls, &config);
        calls.release(Instant::ORIGIN + Duration::from_secs(1_000_000_000));
        assert!(all(&mut calls, &config).is_empty());
        calls.finish(first[0].id);
        assert_eq!(bodies(&all(&mut calls, &config)), ["a2"]);
    }

    #[test]
    fn a_long_one_has_room_where_nothing_waits() {
        let (mut calls, config) =
            (Calls::default(), config(100).with_call_bytes(100).with_call_bytes_per_connection(10));
        let conn = ConnId::from_bits;
        assert!(calls.has_room(&config, conn(1), 1000));
        add(&mut calls, &config, (1, 1), "12345678");
        assert!(calls.has_room(&config, conn(1), 2) && !calls.has_room(&config, conn(1), 3));
        assert!(calls.has_room(&config, conn(2), 92) && !calls.has_room(&config, conn(2), 93));
        assert!(!calls.has_room(&config.clone().with_calls(1), conn(2), 1));
        assert!(!calls.has_room(&config.with_calls_per_connection(1), conn(1), 1));
    }
}
