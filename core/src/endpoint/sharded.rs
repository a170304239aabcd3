//! A hub whose sessions are on other threads.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;

use super::backlog::Backlogs;
use super::load::portion;
use super::mail::{Input, Inputs, Output, Outputs};
use super::sessions::Answer;
use super::shard::Shard;
use super::{BUSY, Config, Stats, answer};
use crate::error::{CloseReason, CommandError};
use crate::frame::Frame;
use crate::http::Response;
use crate::hub::Hub;
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::log::Level;
use crate::pubsub::Audience;
use crate::state::outbox::Output as Said;
use crate::time::Instant;

/// A hub and, in several [`Shard`]s, its sessions: for a host that has more than one thread. All that an
/// [`Endpoint`](super::Endpoint) promises holds here as well; the hub does one thing after the other, and each connection's
/// bytes are read and written by one thread.
///
/// There is no thread in here and no channel: the host carries [`Inputs`] and [`Outputs`] to and fro, each kind in order.
///
/// ```
/// use chanson_core::endpoint::{Config, Sharded};
/// use chanson_core::{Channel, Hub, Mount, time::Instant};
///
/// let hub: Hub = Hub::builder()
///     .seed([7; 32])
///     .mount(Mount::channels("/socket").channel(Channel::new("room:*")))
///     .build()?;
/// let (mut sharded, mut shards) = Sharded::new(hub, Config::default(), 2);
/// let (now, app) = (Instant::ORIGIN, &mut ());
///
/// let (at, conn) = sharded.handle_connect(now, None)?;
/// // On the thread of that shard:
/// shards[at].handle_connect(now, conn);
/// shards[at].handle_bytes(now, conn, b"GET /nothing HTTP/1.1\r\nHost: a.test\r\n\r\n");
/// let mut inputs = shards[at].poll_inputs().expect("a request has come");
/// // On the hub's:
/// while sharded.handle_inputs(now, app, at, &mut inputs) {}
/// let mut outputs = sharded.poll_outputs(at).expect("it is answered");
/// // And on the shard's again:
/// while shards[at].handle_outputs(now, &mut outputs) {}
/// assert_eq!(shards[at].poll_writable(), Some(conn));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sharded<S = ()> {
    hub: Hub<S>,
    posts: Vec<Post>,
    /// By the index of the hub's id.
    places: Vec<Place>,
    /// Broadcasts in a row to the same receivers: whom they go to is then looked up once for all of them.
    run: Run,
    slow_consumers: u64,
    overload: Overload,
    /// How many shards have not answered yet.
    asked: usize,
    secure: bool,
    /// Whether much has been said to one of the shards since it was last looked at.
    full: bool,
    now: Instant,
}

/// Where a connection is.
#[derive(Clone, Copy)]
struct Place {
    /// Of the hub's id, or of the last one that had the index.
    generation: u32,
    shard: u32,
    local: ConnId,
}

/// The hub's end of a shard.
#[derive(Default)]
struct Post {
    outputs: Outputs,
    /// How many batches of it were dealt with.
    handled: u64,
    /// Whether it waits for an answer.
    answer: bool,
    /// By the index of the shard's id: that, and the hub's.
    conns: Vec<(ConnId, ConnId)>,
    free: Vec<u32>,
    /// How many ids were given; makes each of them another.
    given: u32,
    living: usize,
    /// What was put off of connections that ask for much.
    backlogs: Backlogs,
    /// Where the receivers of the current run begin.
    start: u32,
}

struct Run {
    to: Vec<ConnId>,
    audience: Audience,
    frames: Vec<Frame>,
    bytes: usize,
    /// What may wait for a connection, and for all.
    bounds: (usize, usize),
}

/// What is done about more waiting in all than is allowed.
enum Overload {
    Not,
    /// All shards were asked what waits in them: so many have not answered; all others together; the shard with the connection
    /// for which most waits.
    Weighing {
        left: usize,
        queued: usize,
        heaviest: (usize, usize),
    },
    /// That shard was told to name the connection.
    Shedding,
}

impl<S> Sharded<S> {
    /// A hub with so many shards, at least one, each of which belongs to a thread.
    pub fn new(hub: Hub<S>, config: Config, shards: usize) -> (Self, Vec<Shard>) {
        let count = shards.max(1);
        // All that is said before it is sent has room if each has its part of it.
        let part = hub.capacity().clone().with_queued_bytes(hub.capacity().queued_bytes / count);
        let shards = (0..count).map(|_| Shard::new(&part, config.clone())).collect();
        let posts = (0..count).map(|_| Post::default()).collect();
        let run = Run::new(hub.capacity());
        let sharded = Self {
            hub,
            posts,
            places: Vec::new(),
            run,
            slow_consumers: 0,
            overload: Overload::Not,
            asked: 0,
            secure: config.tls.is_some(),
            full: false,
            now: Instant::ORIGIN,
        };
        (sharded, shards)
    }

    // --- what happened ---

    /// A transport came up: which shard is to have it, and by which id the shard knows it.
    ///
    /// # Errors
    /// `Full` at `Capacity::connections`; [`busy`](Self::busy) is the answer to give before closing the transport.
    pub fn handle_connect(&mut self, now: Instant, peer: Option<SocketAddr>) -> Result<(usize, ConnId), CommandError> {
        self.now = self.now.max(now);
        let conn = self.hub.handle_connect(now, peer)?;
        let shard = (0..self.posts.len()).min_by_key(|shard| self.posts[*shard].living).unwrap_or(0);
        let local = self.posts[shard].insert(conn);
        if self.places.len() <= conn.index() {
            self.places.resize(conn.index() + 1, Place { generation: 0, shard: 0, local });
        }
        self.places[conn.index()] = Place { generation: conn.generation(), shard: shard as u32, local };
        Ok((shard, local))
    }

    /// What has come on the connections of a shard: each batch in order, and the next one when this is done. When this is true,
    /// it is not, since much has come of it: give the [outputs](Self::poll_outputs) away, and call it again with the same.
    ///
    /// The connection that this was for has had its share, and others are not to wait for it: what else came from it is put off
    /// until it is its turn again, see [`resume`](Self::resume).
    pub fn handle_inputs(&mut self, now: Instant, app: &mut S, shard: usize, inputs: &mut Inputs) -> bool {
        self.now = self.now.max(now);
        if shard >= self.posts.len() {
            return false;
        }
        let mut entries = std::mem::take(&mut inputs.entries);
        // If not, it is not known whose messages have made it so much.
        let had_little = self.posts.iter().all(|post| post.outputs.weight() < MAX_WEIGHT / 2);
        self.full = false;
        let full = loop {
            let Some(input) = entries.pop_front() else { break false };
            let Some(input) = self.put_off(shard, input, inputs) else { continue };
            self.handle_input(app, shard, &input, inputs);
            self.drain();
            if self.full {
                if had_little {
                    self.put_off_rest(shard, &input, &mut entries, inputs);
                }
                break true;
            }
        };
        inputs.entries = entries;
        self.run.flush(&mut self.posts, &self.places);
        if !full {
            let post = &mut self.posts[shard];
            post.handled += 1;
            post.answer |= inputs.answer;
        }
        full
    }

    /// Goes on with what was put off of one connection of that shard, as far as its share goes: the next time with another one.
    /// Once for each batch of the shard's, or turn; give the [outputs](Self::poll_outputs) away then.
    pub fn resume(&mut self, now: Instant, app: &mut S, shard: usize) {
        self.now = self.now.max(now);
        let Some((conn, mut backlog)) = self.posts.get_mut(shard).and_then(|post| post.backlogs.take_next()) else {
            return;
        };
        let mut entries = std::mem::take(&mut backlog.entries);
        self.full = false;
        while !self.full
            && let Some(input) = entries.pop_front()
        {
            self.handle_input(app, shard, &input, &backlog);
            self.drain();
        }
        self.run.flush(&mut self.posts, &self.places);
        let post = &mut self.posts[shard];
        match entries.is_empty() {
            // Behind all that came of it.
            true => post.outputs.push(Output::Unpause(conn)),
            false => {
                backlog.entries = entries;
                post.backlogs.put_back(conn, backlog);
            }
        }
    }

    /// Whether [`resume`](Self::resume) has something to do.
    pub fn can_resume(&self, shard: usize) -> bool {
        self.posts.get(shard).is_some_and(|post| !post.backlogs.is_empty())
    }

    /// Time passed.
    pub fn handle_timeout(&mut self, now: Instant, app: &mut S) {
        // Whoever is not listened to is not silent.
        for post in &self.posts {
            let conns = post.backlogs.conns().filter_map(|local| post.get(local));
            conns.for_each(|conn| self.hub.handle_alive(now, conn));
        }
        self.act(now, app, |hub, app| hub.handle_timeout(now, app));
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.hub.poll_timeout()
    }

    /// Does something with the hub: broadcasts, answers, `disconnect`, `shutdown`. What it says to shards waits to be
    /// [given away](Self::poll_outputs), in no bound but the host's, who knows [how much it is](Self::weight).
    pub fn act<T>(&mut self, now: Instant, app: &mut S, act: impl FnOnce(&mut Hub<S>, &mut S) -> T) -> T {
        self.now = self.now.max(now);
        let result = act(&mut self.hub, app);
        self.drain();
        self.run.flush(&mut self.posts, &self.places);
        result
    }

    /// So many bytes wait in all shards together, about: when that is more than `Capacity::queued_bytes`, the shards are asked,
    /// and the connection with most is closed. Once a turn.
    pub fn mind_the_total(&mut self, queued: usize) {
        if queued > self.hub.capacity().queued_bytes && matches!(self.overload, Overload::Not) {
            self.overload = Overload::Weighing { left: self.posts.len(), queued: 0, heaviest: (0, 0) };
            self.posts.iter_mut().for_each(|post| post.outputs.push(Output::Weigh));
        }
    }

    /// Asks all shards for what has come: for a host that has slept and does not want to take peers for silent whose messages
    /// nobody has read. See [`is_waiting`](Self::is_waiting).
    pub fn ask(&mut self) {
        self.asked = self.posts.len();
        self.posts.iter_mut().for_each(|post| post.outputs.push(Output::Ask));
    }

    /// Whether some of the shards have not been heard of since they were asked.
    pub const fn is_waiting(&self) -> bool {
        self.asked > 0
    }

    /// All shards are gone, and their connections with them.
    pub fn handle_end(&mut self, now: Instant, app: &mut S) {
        let conns: Vec<ConnId> = self.posts.iter().flat_map(Post::living).collect();
        for conn in conns {
            self.act(now, app, |hub, app| hub.handle_close(now, app, conn, CloseReason::TransportEof));
            self.release(conn);
        }
        for post in &mut self.posts {
            (post.outputs, post.backlogs) = (Outputs::default(), Backlogs::default());
        }
    }

    // --- what to do ---

    /// What the hub has to say to the connections of that shard.
    pub fn poll_outputs(&mut self, shard: usize) -> Option<Outputs> {
        let post = self.posts.get_mut(shard)?;
        let wanted = std::mem::take(&mut post.answer);
        if post.outputs.is_empty() && !wanted {
            return None;
        }
        let mut outputs = std::mem::take(&mut post.outputs);
        outputs.handled = post.handled;
        Some(outputs)
    }

    /// About how many bytes of memory wait to be asked for by [`poll_outputs`](Self::poll_outputs).
    pub fn weight(&self, shard: usize) -> usize {
        self.posts.get(shard).map_or(0, |post| post.outputs.weight())
    }

    /// The answer to give to a transport that is one too many, before it is closed; see `Endpoint::busy`.
    pub const fn busy(&self) -> &'static [u8] {
        if self.secure { b"" } else { BUSY }
    }

    /// Has the hub's listener hear of something that happened to the host. See `Hub::log`.
    pub fn log(&mut self, now: Instant, level: Level, text: fmt::Arguments<'_>) {
        self.hub.log(now, level, text);
    }

    // --- getters ---

    /// The hub, to ask; see [`act`](Self::act) to have it do something.
    pub const fn hub(&self) -> &Hub<S> {
        &self.hub
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        self.posts.iter().map(|post| post.living).sum()
    }

    /// Counters and gauges of the hub, now; those of the shards are [theirs](Shard::stats).
    pub fn stats(&self) -> Stats {
        Stats { hub: self.hub.stats(), slow_consumers: self.slow_consumers, ..Stats::default() }
    }

    /// How many places a shard has, free ones too.
    #[cfg(test)]
    pub(super) fn places(&self, shard: usize) -> usize {
        self.posts[shard].conns.len()
    }

    /// What the hub calls a connection.
    #[cfg(test)]
    pub(super) fn name(&self, shard: usize, conn: ConnId) -> Option<ConnId> {
        self.posts[shard].get(conn)
    }

    // --- inside ---

    /// The input, unless it has to stay behind others of its connection that were put off.
    fn put_off(&mut self, shard: usize, input: Input, batch: &Inputs) -> Option<Input> {
        let post = &mut self.posts[shard];
        if post.backlogs.is_empty() {
            return Some(input);
        }
        let Some(sender) = input.sender() else { return Some(input) };
        let Some(backlog) = post.backlogs.get_mut(sender) else { return Some(input) };
        backlog.push_from(input, batch);
        None
    }

    /// Much came of this: what else is there from the same connection is for its next turn.
    fn put_off_rest(&mut self, shard: usize, input: &Input, entries: &mut VecDeque<Input>, batch: &Inputs) {
        let Some(sender) = input.sender() else { return };
        let post = &mut self.posts[shard];
        if post.backlogs.begin(sender, entries, batch) {
            post.outputs.push(Output::Pause(sender));
        }
    }

    fn handle_input(&mut self, app: &mut S, shard: usize, input: &Input, inputs: &Inputs) {
        let now = self.now;
        match input {
            Input::Text(local, range) => {
                let text = &inputs.texts[range.start as usize..range.end as usize];
                if let Some(conn) = self.posts[shard].get(*local) {
                    self.hub.handle_text(now, app, conn, text);
                }
            }
            Input::Binary(local, range) => {
                let data = &inputs.binaries[range.start as usize..range.end as usize];
                if let Some(conn) = self.posts[shard].get(*local) {
                    self.hub.handle_binary(now, app, conn, data);
                }
            }
            Input::Request(local, request) => {
                let Some(conn) = self.posts[shard].get(*local) else { return };
                let answer = match self.hub.is_closed(conn) {
                    true => Some(Answer::Respond(Response::text(503, "not available").close())),
                    false => answer(&mut self.hub, now, app, conn, &request.request()),
                };
                if let Some(answer) = answer {
                    // Before what the handler has said to it, which is still in the hub.
                    self.posts[shard].outputs.push(Output::Answer(*local, answer));
                }
            }
            Input::Alive(local) => {
                if let Some(conn) = self.posts[shard].get(*local) {
                    self.hub.handle_alive(now, conn);
                }
            }
            Input::Ended(local, reason) => {
                if let Some(conn) = self.posts[shard].get(*local) {
                    self.hub.handle_end(now, app, conn, *reason);
                }
            }
            Input::Slow(local) => {
                let Some(conn) = self.posts[shard].get(*local) else { return };
                self.slow_consumers += 1;
                if self.hub.close(now, app, conn, CloseReason::SlowConsumer).is_err() {
                    // As in an endpoint: what is left of it is its queue.
                    self.posts[shard].outputs.push(Output::Close(*local, CloseReason::SlowConsumer));
                }
            }
            Input::Gone(local) => {
                let Some(conn) = self.posts[shard].get(*local) else { return };
                self.hub.handle_close(now, app, conn, CloseReason::TransportEof);
                self.drain();
                self.run.flush(&mut self.posts, &self.places);
                self.release(conn);
            }
            Input::Weight { queued, heaviest } => self.weigh(shard, *queued, *heaviest),
            Input::Shed => self.overload = Overload::Not,
            Input::Here => self.asked = self.asked.saturating_sub(1),
        }
    }

    fn weigh(&mut self, shard: usize, weight: usize, heaviest_here: usize) {
        let Overload::Weighing { left, queued, heaviest } = &mut self.overload else { return };
        *left = left.saturating_sub(1);
        *queued += weight;
        *heaviest = (*heaviest).max((heaviest_here, shard));
        if *left > 0 {
            return;
        }
        let (over, (most, shard)) = (*queued > self.hub.capacity().queued_bytes, *heaviest);
        self.overload = Overload::Not;
        if over && most > 0 {
            self.overload = Overload::Shedding;
            self.posts[shard].outputs.push(Output::Shed);
        }
    }

    fn release(&mut self, conn: ConnId) {
        let Some(place) = self.places.get(conn.index()) else { return };
        self.posts[place.shard as usize].remove(place.local);
    }

    /// The hub's outputs go to the shards, but for a run of broadcasts at their end, which may go on.
    fn drain(&mut self) {
        let Self { hub, posts, places, run, full, .. } = self;
        while let Some((output, audience)) = hub.poll_delivery() {
            let (conn, output) = match output {
                Said::Deliver { to: &[conn], frame } => (conn, Output::One(conn, frame.clone())),
                Said::Deliver { to, frame } => {
                    *full |= run.add(posts, places, to, audience, frame);
                    continue;
                }
                Said::Open { conn, admitted } => (conn, Output::Answer(conn, Answer::Upgrade(admitted))),
                Said::Refuse { conn, response } | Said::Respond { conn, response } => {
                    (conn, Output::Answer(conn, Answer::Respond(response.clone())))
                }
                Said::Close { conn, reason } => (conn, Output::Close(conn, reason)),
            };
            *full |= run.flush(posts, places);
            if let Some(place) = find(places, conn) {
                let outputs = &mut posts[place.shard as usize].outputs;
                outputs.push(output.with_conn(place.local));
                *full |= outputs.weight() >= MAX_WEIGHT;
            }
        }
    }
}

impl Post {
    /// An id for a connection that the hub knows by `conn`.
    fn insert(&mut self, conn: ConnId) -> ConnId {
        let index = self.free.pop().unwrap_or(self.conns.len() as u32);
        self.given = self.given.wrapping_add(1);
        let local = ConnId::new(index, self.given);
        match self.conns.get_mut(local.index()) {
            Some(slot) => *slot = (local, conn),
            None => self.conns.push((local, conn)),
        }
        self.living += 1;
        local
    }

    /// The index is free only now that the shard has no connection there: nothing that is under way can be for the next one.
    fn remove(&mut self, local: ConnId) {
        if let Some(slot) = self.conns.get_mut(local.index())
            && slot.0 == local
        {
            slot.0 = NOBODY;
            self.free.push(local.index() as u32);
            self.living -= 1;
        }
    }

    /// What the hub calls it.
    fn get(&self, local: ConnId) -> Option<ConnId> {
        self.conns.get(local.index()).filter(|(known, _)| *known == local).map(|(_, conn)| *conn)
    }

    /// All that are there, as the hub calls them.
    fn living(&self) -> impl Iterator<Item = ConnId> {
        self.conns.iter().filter(|(local, _)| *local != NOBODY).map(|(_, conn)| *conn)
    }
}

impl Run {
    fn new(capacity: &Capacity) -> Self {
        let bounds = (capacity.queued_bytes_per_connection, capacity.queued_bytes);
        Self { to: Vec::new(), audience: Audience::UNKNOWN, frames: Vec::new(), bytes: 0, bounds }
    }

    /// Whether much has been said to a shard by what was there before.
    fn add(&mut self, posts: &mut [Post], places: &[Place], to: &[ConnId], audience: Audience, frame: &Frame) -> bool {
        let most = MAX_BYTES.min(portion(self.bounds.0, self.bounds.1, to.len()));
        let fits = self.bytes + frame.bytes().len() <= most;
        let mut full = false;
        if self.frames.is_empty() || !fits || !(self.audience.is(audience) || self.to == to) {
            full = self.flush(posts, places);
            self.to.extend_from_slice(to);
            self.audience = audience;
        }
        self.bytes += frame.bytes().len();
        self.frames.push(frame.clone());
        full
    }

    /// One entry for each shard that has any of the receivers; whether much has been said to one of them.
    fn flush(&mut self, posts: &mut [Post], places: &[Place]) -> bool {
        if self.frames.is_empty() {
            return false;
        }
        let mut full = false;
        posts.iter_mut().for_each(|post| post.start = post.outputs.to.len() as u32);
        for conn in &self.to {
            if let Some(place) = find(places, *conn) {
                posts[place.shard as usize].outputs.to.push(place.local);
            }
        }
        for post in posts {
            let to = post.start..post.outputs.to.len() as u32;
            if !to.is_empty() {
                let start = post.outputs.frames.len() as u32;
                post.outputs.frames.extend_from_slice(&self.frames);
                post.outputs.push(Output::Many { to, frames: start..post.outputs.frames.len() as u32 });
                full |= post.outputs.weight() >= MAX_WEIGHT;
            }
        }
        self.to.clear();
        self.frames.clear();
        self.bytes = 0;
        full
    }
}

fn find(places: &[Place], conn: ConnId) -> Option<Place> {
    places.get(conn.index()).copied().filter(|place| place.generation == conn.generation())
}

impl<S> fmt::Debug for Sharded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let connections: Vec<usize> = self.posts.iter().map(|post| post.living).collect();
        f.debug_struct("Sharded").field("hub", &self.hub).field("connections", &connections).finish_non_exhaustive()
    }
}

/// The id of no connection.
const NOBODY: ConnId = ConnId::from_bits(u64::MAX);

/// With so many bytes for one of the shards, what there is for all of them is given away before the hub goes on.
const MAX_WEIGHT: usize = 256 << 10;

/// A run has no more bytes than this, nor than an endpoint's.
const MAX_BYTES: usize = 64 << 10;
