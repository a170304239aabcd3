//! The sessions of an endpoint, what waits in them, and who has to be looked at.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;

use super::load::{Load, Waiting};
use super::{Config, Next, SlowConsumer, Stats};
use crate::deflate::Deflater;
use crate::error::CloseReason;
use crate::frame::Frame;
use crate::http::Response;
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::session::{self, Session, Transmitted};
use crate::state::outbox::Admitted;
use crate::time::Instant;
use crate::timers::Timers;
use crate::tls::Acceptor;

/// The answer to a request.
pub(super) enum Answer {
    Respond(Response),
    Upgrade(Admitted),
}

/// Sessions by the index of their connection.
pub(super) struct Sessions {
    entries: Vec<Option<Entry>>,
    living: usize,
    config: Arc<session::Config>,
    policy: SlowConsumer,
    acceptor: Option<Acceptor>,
    /// Whether ends that peers bring about are deferred.
    pub(super) defers_ends: bool,
    pub(super) touched: VecDeque<ConnId>,
    pub(super) timers: Timers<ConnId>,
    pub(super) now: Instant,
    pub(super) load: Load,
    /// Connections to close because they do not read.
    pub(super) slow: Vec<ConnId>,
    /// Connections that were answered late, or held back, and may have more to say already.
    pub(super) resumed: VecDeque<ConnId>,
    /// Whether some connection was told so much at a time that the transport should have its turn before there is more.
    pub(super) held_back: bool,
    /// Whether that does not matter, since the transport did not take its turn.
    pub(super) heedless: bool,
    /// Compresses for all of them.
    pub(super) deflater: Deflater,
    /// How many of the sessions compress what they send.
    pub(super) compressing: usize,
    pub(super) stats: Stats,
}

pub(super) struct Entry {
    conn: ConnId,
    pub(super) session: Session,
    /// Whether it was in its TLS handshake when last looked at.
    handshaking: bool,
    pub(super) touched: bool,
    /// Whether it is in `Sessions::slow`, or was.
    slow: bool,
    /// Whether it counts in `Sessions::compressing`.
    compressing: bool,
    /// How many bytes beyond the bound were taken, of those that have room reserved.
    reserved: u16,
    /// What of `Sessions::load` is this one's.
    waiting: Waiting,
    /// Whether it is in `Sessions::resumed` because it was held back.
    pub(super) held_back: bool,
    /// The earliest moment at which a timer will look at it.
    pub(super) look_at: Option<Instant>,
}

impl Sessions {
    pub(super) fn new(capacity: &Capacity, config: Config) -> Self {
        Self {
            entries: Vec::new(),
            living: 0,
            config: Arc::new(config.session),
            policy: config.slow_consumer,
            acceptor: config.tls,
            defers_ends: false,
            touched: VecDeque::new(),
            timers: Timers::new(),
            now: Instant::ORIGIN,
            load: Load::new(capacity.queued_bytes_per_connection, capacity.queued_bytes),
            slow: Vec::new(),
            resumed: VecDeque::new(),
            held_back: false,
            heedless: false,
            deflater: Deflater::default(),
            compressing: 0,
            stats: Stats::default(),
        }
    }

    /// Time does not go backwards here.
    pub(super) fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    pub(super) fn insert(&mut self, conn: ConnId) {
        if self.entries.len() <= conn.index() {
            self.entries.resize_with(conn.index() + 1, || None);
        }
        let mut session = Session::server(self.now, &self.config);
        if let Some(acceptor) = &self.acceptor {
            session = session.secured(acceptor.accept());
        }
        if self.defers_ends {
            session.defer_ends();
        }
        let handshaking = session.is_handshaking();
        self.stats.tls_handshaking += usize::from(handshaking);
        self.entries[conn.index()] = Some(Entry {
            conn,
            session,
            handshaking,
            touched: false,
            slow: false,
            compressing: false,
            reserved: 0,
            waiting: Waiting::default(),
            held_back: false,
            look_at: None,
        });
        self.living += 1;
        self.watch(conn);
    }

    pub(super) fn remove(&mut self, conn: ConnId) -> bool {
        if self.get(conn).is_none() {
            return false;
        }
        if let Some(mut entry) = self.entries[conn.index()].take() {
            self.load.forget(&mut entry.waiting);
            self.living -= 1;
            self.stats.tls_handshaking -= usize::from(entry.handshaking);
            self.stats.tls_failures += u64::from(entry.handshaking);
            self.compressing -= usize::from(entry.compressing);
        }
        true
    }

    pub(super) fn get(&self, conn: ConnId) -> Option<&Entry> {
        self.entries.get(conn.index())?.as_ref().filter(|entry| entry.conn == conn)
    }

    pub(super) fn get_mut(&mut self, conn: ConnId) -> Option<&mut Entry> {
        find(&mut self.entries, conn)
    }

    /// Whether it takes requests of HTTP still. Not for a connection that is unknown.
    pub(super) fn is_http(&self, conn: ConnId) -> bool {
        self.get(conn).is_some_and(|entry| entry.session.is_http())
    }

    /// Puts a message in the connection's queue, within the bound. A message is always taken into an empty queue: the
    /// bound is for what already waits.
    pub(super) fn queue(&mut self, conn: ConnId, frame: &Frame) {
        let Some(entry) = find(&mut self.entries, conn).filter(|entry| !entry.slow) else { return };
        let queued = entry.waiting.queued;
        let full = queued > 0 && queued >= self.load.of_one.max;
        if full && !(frame.is_reserved() && entry.take_reserved(frame)) {
            match self.policy {
                SlowConsumer::DropNewest => self.stats.dropped += 1,
                SlowConsumer::Close => self.mark_slow(conn),
            }
            return;
        }
        entry.session.queue_with(frame, &mut self.deflater);
        self.held_back |= entry.count_more(&mut self.load) && !self.heedless;
        entry.touch(&mut self.touched);
    }

    /// Bytes came, for which the session is lent a buffer until [`take_back`](Self::take_back); whether there is one.
    pub(super) fn take_in(&mut self, conn: ConnId, buffer: &mut Vec<u8>, bytes: &[u8]) -> bool {
        let now = self.now;
        let Some(entry) = self.get_mut(conn) else { return false };
        entry.session.lend(buffer);
        entry.session.handle_bytes(now, bytes);
        self.stats.bytes_in += bytes.len() as u64;
        self.mind_handshake(conn);
        true
    }

    /// The same for bytes that are in the buffer already.
    pub(super) fn take_in_buffer(&mut self, conn: ConnId, buffer: &mut Vec<u8>, len: usize) -> bool {
        let now = self.now;
        let Some(entry) = find(&mut self.entries, conn) else { return false };
        entry.session.handle_buffer(now, buffer, len);
        self.stats.bytes_in += len as u64;
        true
    }

    pub(super) fn take_back(&mut self, conn: ConnId, buffer: &mut Vec<u8>) {
        if let Some(entry) = self.get_mut(conn) {
            entry.session.take_back(buffer);
        }
    }

    /// Bytes came: the TLS handshake may be done by them.
    fn mind_handshake(&mut self, conn: ConnId) {
        if let Some(entry) = self.get_mut(conn)
            && entry.handshaking
            && !entry.session.is_handshaking()
        {
            entry.handshaking = false;
            self.stats.tls_handshaking -= 1;
            self.stats.tls_handshakes += 1;
        }
    }

    pub(super) const fn is_secure(&self) -> bool {
        self.acceptor.is_some()
    }

    /// Puts several messages at once, which `all` is in one piece, in the queue of each of these connections: one by one where the
    /// bound may lie between them.
    pub(super) fn queue_all(&mut self, to: &[ConnId], all: &Frame, frames: &[Frame]) {
        for conn in to {
            let Some(entry) = find(&mut self.entries, *conn).filter(|entry| !entry.slow) else { continue };
            if entry.waiting.queued + all.bytes().len() > self.load.of_one.max {
                frames.iter().for_each(|frame| self.queue(*conn, frame));
                continue;
            }
            entry.session.queue(all);
            self.held_back |= entry.count_more(&mut self.load) && !self.heedless;
            entry.touch(&mut self.touched);
        }
    }

    pub(super) fn answer(&mut self, conn: ConnId, answer: Answer) {
        let now = self.now;
        if let Some(entry) = self.get_mut(conn) {
            entry.answer(now, answer);
            self.note_compression(conn);
            self.resumed.push_back(conn);
        }
    }

    /// It was answered, perhaps with an upgrade to a session that compresses.
    pub(super) fn note_compression(&mut self, conn: ConnId) {
        if let Some(entry) = find(&mut self.entries, conn)
            && entry.session.is_compressing() != entry.compressing
        {
            entry.compressing = true;
            self.compressing += 1;
        }
    }

    pub(super) fn close(&mut self, conn: ConnId, reason: CloseReason) {
        let now = self.now;
        if let Some(entry) = self.get_mut(conn) {
            if reason == CloseReason::SlowConsumer {
                entry.session.drop_queued();
            }
            entry.session.close(now, reason);
            self.recount(conn);
            self.resumed.push_back(conn);
        }
    }

    /// It goes on once others, or itself, have been sent what they were told.
    pub(super) fn hold_back(&mut self, conn: ConnId) {
        if let Some(entry) = find(&mut self.entries, conn)
            && !entry.held_back
        {
            entry.held_back = true;
            self.resumed.push_back(conn);
        }
    }

    /// The next connection that may have more to say.
    pub(super) fn resume(&mut self) -> Option<ConnId> {
        let conn = self.resumed.pop_front()?;
        if let Some(entry) = self.get_mut(conn) {
            entry.held_back = false;
        }
        Some(conn)
    }

    /// There may be something to send.
    pub(super) fn touch(&mut self, conn: ConnId) {
        if let Some(entry) = find(&mut self.entries, conn) {
            entry.recount(&mut self.load);
            entry.touch(&mut self.touched);
        }
    }

    /// What waits in the connection may have changed.
    pub(super) fn recount(&mut self, conn: ConnId) {
        if let Some(entry) = find(&mut self.entries, conn) {
            entry.recount(&mut self.load);
        }
    }

    /// Its deadline may have changed: an earlier one gets a timer, a later one is found when the timer fires. Only the
    /// timer for `look_at` counts.
    pub(super) fn watch(&mut self, conn: ConnId) {
        let Some(entry) = self.get_mut(conn) else { return };
        let Some(deadline) = entry.session.poll_timeout() else { return };
        if entry.look_at.is_none_or(|look_at| deadline < look_at) {
            entry.look_at = Some(deadline);
            let entries = &self.entries;
            self.timers.push(deadline, conn, self.living, |at, conn| {
                let entry = entries.get(conn.index()).and_then(Option::as_ref);
                entry.is_some_and(|entry| entry.conn == conn && entry.look_at == Some(at))
            });
        }
    }

    /// The next connection that has something to send, or is to be shut down: each once a turn.
    pub(super) fn poll_writable(&mut self) -> Option<ConnId> {
        while let Some(conn) = self.touched.pop_front() {
            if let Some(entry) = find(&mut self.entries, conn) {
                entry.touched = false;
                self.load.offer(&mut entry.waiting);
                return Some(conn);
            }
        }
        None
    }

    /// That many of its bytes have left.
    pub(super) fn advance(&mut self, conn: ConnId, sent: usize) {
        let now = self.now;
        if let Some(entry) = self.get_mut(conn) {
            let sent = sent.min(entry.session.queued_bytes());
            entry.session.advance(now, sent);
            if !entry.session.is_open() && !entry.session.is_finished() {
                self.resumed.push_back(conn);
            }
            self.stats.bytes_out += sent as u64;
            self.recount(conn);
            self.watch(conn);
        }
    }

    /// Sends what a connection has pending, and says what is to be done then.
    pub(super) fn transmit(
        &mut self,
        conn: ConnId,
        send: impl FnMut(&[IoSlice<'_>]) -> io::Result<usize>,
    ) -> io::Result<Next> {
        let now = self.now;
        let Some(entry) = find(&mut self.entries, conn) else {
            return Ok(Next { finished: true, ..Next::default() });
        };
        let Transmitted { sent, blocked } = entry.session.transmit(now, send)?;
        self.stats.bytes_out += sent as u64;
        entry.count_less(&mut self.load);
        if entry.session.is_open() {
            return Ok(Next { blocked, wants_bytes: true, ..Next::default() });
        }
        let finished = entry.session.is_finished();
        let done_sending = entry.session.is_done_sending();
        let wants_bytes = entry.session.wants_bytes();
        if sent > 0 {
            if !finished {
                self.resumed.push_back(conn);
            }
            self.watch(conn);
        }
        Ok(Next { blocked, finished, done_sending, wants_bytes })
    }

    /// Counters and gauges, now.
    pub(super) fn stats(&self) -> Stats {
        let deflated = self.deflater.stats();
        Stats {
            queued_bytes: self.load.queued,
            most_queued_bytes: self.load.most_queued,
            most_queued_bytes_of_one: self.load.most_queued_of_one,
            compressions: deflated.compressions,
            compressed: deflated.deliveries,
            bytes_saved: deflated.bytes_saved,
            ..self.stats
        }
    }

    /// The connection for which most waits, and how much; none that is to be closed already.
    pub(super) fn heaviest(&self) -> Option<(ConnId, usize)> {
        let candidates = self.entries.iter().flatten().filter(|entry| !entry.slow && entry.waiting.queued > 0);
        candidates.max_by_key(|entry| entry.waiting.queued).map(|entry| (entry.conn, entry.waiting.queued))
    }

    /// What waits for all but those that are to be closed already.
    pub(super) fn queued_by_living(&self) -> usize {
        self.entries.iter().flatten().filter(|entry| !entry.slow).map(|entry| entry.waiting.queued).sum()
    }

    /// The connection with most is a slow one.
    pub(super) fn shed(&mut self) {
        if let Some((conn, _)) = self.heaviest() {
            self.mark_slow(conn);
        }
    }

    /// While more waits in all than there may, the connection with most is a slow one. What waits for those that are to be
    /// closed already is as good as gone.
    pub(super) fn mind_the_total(&mut self) {
        if self.load.queued <= self.load.of_all.max {
            return;
        }
        let mut over = self.queued_by_living().saturating_sub(self.load.of_all.max);
        while over > 0 {
            let Some((conn, queued)) = self.heaviest() else { return };
            self.mark_slow(conn);
            over = over.saturating_sub(queued);
        }
    }

    fn mark_slow(&mut self, conn: ConnId) {
        if let Some(entry) = self.get_mut(conn)
            && !entry.slow
        {
            entry.slow = true;
            self.slow.push(conn);
        }
    }
}

/// Found so, `Sessions` stays free for the rest.
fn find(entries: &mut [Option<Entry>], conn: ConnId) -> Option<&mut Entry> {
    entries.get_mut(conn.index())?.as_mut().filter(|entry| entry.conn == conn)
}

impl Entry {
    /// There may be something to send.
    fn touch(&mut self, touched: &mut VecDeque<ConnId>) {
        if !self.touched {
            self.touched = true;
            touched.push_back(self.conn);
        }
    }

    /// Something was queued: whether a bound is near.
    #[inline]
    fn count_more(&mut self, load: &mut Load) -> bool {
        load.grow(&mut self.waiting, self.session.queued_bytes())
    }

    /// Something has left, perhaps.
    #[inline]
    fn count_less(&mut self, load: &mut Load) {
        let queued = self.session.queued_bytes();
        load.shrink(&mut self.waiting, queued);
        if queued < load.of_one.max {
            self.reserved = 0;
        }
    }

    /// What waits may have changed, either way.
    fn recount(&mut self, load: &mut Load) {
        self.count_less(load);
        self.count_more(load);
    }

    /// Takes room for a frame from what is reserved; whether there was so much.
    fn take_reserved(&mut self, frame: &Frame) -> bool {
        let taken = usize::from(self.reserved) + frame.bytes().len();
        let fits = taken <= RESERVED;
        if fits {
            self.reserved = taken as u16;
        }
        fits
    }

    pub(super) fn answer(&mut self, now: Instant, answer: Answer) {
        let answered = match answer {
            Answer::Respond(response) => self.session.respond(now, &response).is_ok(),
            Answer::Upgrade(Admitted { protocol, max_message, deflate, .. }) => {
                self.session.upgrade_with(now, protocol, max_message, deflate.as_ref()).is_ok()
            }
        };
        // Not answered: the connection has ended meanwhile, and its end is an event of its own.
        debug_assert!(answered || !self.session.is_open());
    }
}

/// Room beyond the bound of a queue for replies to heartbeats, so that a busy peer is not taken for a dead one.
const RESERVED: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use crate::endpoint::Endpoint;
    use crate::hub::Hub;
    use crate::time::Instant;

    /// Each half of a request has an earlier deadline than the pause before it.
    #[test]
    fn timers_do_not_pile_up_on_a_connection_that_is_kept_alive() {
        let hub: Hub = Hub::builder().seed([7; 32]).build().unwrap();
        let mut endpoint = Endpoint::new(hub);
        let conn = endpoint.handle_connect(Instant::ORIGIN, None).unwrap();
        for turn in 1..1000 {
            let now = Instant::from_millis(1000 * turn);
            endpoint.handle_bytes(now, &mut (), conn, b"GET / HTTP/1.1\r\n");
            endpoint.handle_bytes(now, &mut (), conn, b"Host: a\r\n\r\n");
            let waiting = endpoint.sessions.get(conn).map(|entry| entry.session.queued_bytes()).unwrap();
            endpoint.advance(now, conn, waiting);
            endpoint.handle_timeout(now, &mut ());
        }
        assert!(endpoint.sessions.timers.len() < 70, "{}", endpoint.sessions.timers.len());
    }
}
