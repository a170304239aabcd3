//! The life of a join: asked for, decided (now or later), and ended. Every transition is here.
//!
//! ```text
//!            phx_join                     ok
//!  (none) ------------> handler runs ------------> joined -----> ended: leave handler runs
//!                        |       |                  ^             left, rejoined, stopped,
//!                 refuse |       | later            | answer ok   crashed, disconnected
//!                        v       v                  |
//!                     (none)   pending -------------+
//!                        ^       |  events wait
//!                        +-------+ answer refused, timeout, left, rejoined, disconnected
//! ```

use std::collections::VecDeque;

use super::{Failed, Hub, guard_decision, guard_outcome, quietly};
use crate::channel::{Failure, JOIN_CRASHED, Join as JoinRequest, Leave, Refuse, Reply};
use crate::error::CommandError;
use crate::id::ConnId;
use crate::payload::{Json, Payload, PayloadBuf};
use crate::pubsub::Form;
use crate::socket::{At, Said, Socket, Stage};
use crate::state::joins::{Effect, Join, Pending};
use crate::wire::{Message, Ref, RefBuf};

impl<S> Hub<S> {
    /// `phx_join`. A second join on a joined topic replaces the first: that one is ended before the new one is decided,
    /// and its `phx_close` goes out behind the new one's reply.
    /// Source: conformance `v2_join_duplicate`, `v2_join_duplicate_rejected` (phoenix 1.8.12).
    pub(super) fn handle_join(&mut self, app: &mut S, conn: ConnId, message: &Message<'_>, old: Option<u32>) {
        let replaced = old.and_then(|old| self.end_join(app, old, Leave::Rejoined));
        let later = self.decide_join(app, conn, message);
        if let Some(join_ref) = replaced {
            self.state.finish_old(conn, join_ref.as_ref(), &message.topic);
        }
        if let Some((member, said)) = later {
            self.after_join(app, member, said, VecDeque::new());
        }
    }

    /// Asks the channel and answers. What it said besides, if it joined.
    fn decide_join(&mut self, app: &mut S, conn: ConnId, message: &Message<'_>) -> Option<(u32, Said)> {
        let entry = self.state.conns.open(conn)?;
        let served = self.mounts.get(usize::from(entry.mount))?;
        let Some(channel) = served.topics.find(&message.topic) else {
            self.unmatched_topic(conn, message);
            return None;
        };
        let max = self.state.capacity.joins_per_connection.min(served.mount.max_joins.unwrap_or(usize::MAX));
        let full = entry.joins as usize >= max;
        let form = Form::from(entry.vsn);
        let entered = match full {
            true => Err("too many channels joined"),
            false => self.state.pubsub.enter(conn, &message.topic, form).map_err(|error| error.reason()),
        };
        let member = match entered {
            Ok(member) => member,
            Err(reason) => {
                self.refuse_join(conn, message, &Refuse::reason(reason));
                return None;
            }
        };
        self.state.count_joins(conn, 1);
        let join_ref = RefBuf::from(message.join_ref);
        let channel = channel as u16;
        self.state.joins.insert(member, Join::new(channel, join_ref));

        let Some(handler) = served.channel(channel).and_then(|channel| channel.join_handler()) else {
            self.joined(member, message.ref_, Payload::Json(Json::EMPTY)).expect("text always encodes");
            return Some((member, Said::default()));
        };
        let (at, stage) = (At { conn, member }, Stage::Join { ticket: None, tracked: Vec::new(), effects: Vec::new() });
        let mut socket = Socket::new(&mut self.state, app, at, stage, served.mount.ticket_limit);
        let request = JoinRequest::new(message.payload, &message.topic);
        let decision = guard_decision(|| handler(&mut socket, request));
        let said = socket.into_said();
        match (decision, said.ticket) {
            (Ok(Ok(Reply::Now(reply))), ticket) => {
                self.revoke(ticket);
                self.joined_or_crashed(member, message.ref_, &reply).then_some((member, said))
            }
            (Ok(Ok(Reply::Later)), Some(ticket)) => {
                let Said { effects, stop, .. } = said;
                let (ref_, waiting) = (RefBuf::from(message.ref_), VecDeque::new());
                if let Some(join) = self.state.joins.get_mut(member) {
                    join.pending = Some(Box::new(Pending { ref_, ticket: Some(ticket), effects, stop, waiting }));
                }
                None
            }
            (Ok(Err(refuse)), ticket) => {
                self.revoke(ticket);
                self.forget(member);
                self.refuse_join(conn, message, &refuse);
                None
            }
            (failed, ticket) => {
                self.revoke(ticket);
                self.forget(member);
                let failed = match failed {
                    Err(failed) => failed,
                    Ok(Ok(Reply::Later)) => Failed::Error(Failure("later, but no ticket was taken".into())),
                    Ok(_) => Failed::Error(Failure("the reply cannot be written as JSON".into())),
                };
                self.report(conn, &message.topic, "phx_join", &failed);
                self.refuse_join(conn, message, &Refuse::reason("join crashed"));
                None
            }
        }
    }

    /// A deferred join is decided.
    pub(super) fn decide_pending(
        &mut self,
        app: &mut S,
        member: u32,
        decision: &Result<Reply, Refuse>,
    ) -> Result<(), CommandError> {
        let join = self.state.joins.get_mut(member).ok_or(CommandError::NotJoined)?;
        let Some(pending) = join.pending.take() else { return Err(CommandError::AlreadyAnswered) };
        let conn = self.state.pubsub.member(member).conn;
        match decision {
            Ok(Reply::Now(reply)) => {
                let ref_ = pending.ref_.as_ref();
                if let Err(error) = self.state.reply(member, ref_, "ok", reply.as_payload()) {
                    if let Some(join) = self.state.joins.get_mut(member) {
                        join.pending = Some(pending);
                    }
                    return Err(error);
                }
                self.state.pubsub.subscribe(member);
                self.behave(conn);
                let Pending { effects, waiting, stop, .. } = *pending;
                self.after_join(app, member, Said { ticket: None, effects, stop }, waiting);
            }
            Ok(Reply::Later | Reply::Invalid) => {
                join.pending = Some(pending);
                return Err(CommandError::NotAllowed);
            }
            Err(refuse) => {
                if let Some(failure) = refuse.failure() {
                    let topic = self.state.pubsub.name(self.state.pubsub.member(member).topic).clone();
                    self.report(conn, &topic, "phx_join", &Failed::Error(failure.clone()));
                }
                self.state.stats.refused_joins += 1;
                let response = Payload::Json(refuse.response());
                let told = self.state.reply(member, pending.ref_.as_ref(), "error", response);
                debug_assert!(told.is_ok(), "a pending join belongs to an open connection");
                self.offend(conn);
                self.forget(member);
                self.replay(app, conn, pending.waiting);
            }
        }
        Ok(())
    }

    /// `phx_leave` with the current join_ref.
    pub(super) fn handle_leave(&mut self, app: &mut S, member: u32, message: &Message<'_>) {
        let waiting = self.state.joins.get_mut(member).and_then(|join| join.pending.as_mut());
        let waiting = waiting.map(|pending| std::mem::take(&mut pending.waiting));
        self.state
            .reply(member, message.ref_, "ok", Payload::Json(Json::EMPTY))
            .expect("a member of an open connection can be answered in text");
        let conn = self.state.pubsub.member(member).conn;
        drop(self.end_join(app, member, Leave::Left));
        self.replay(app, conn, waiting.into_iter().flatten());
    }

    /// Ends a join, whatever stage it is in: no deliveries any more, presences gone, tickets dead, the leave handler
    /// run, the client told. The join_ref, for one who has to be told later (`Leave::Rejoined`).
    pub(super) fn end_join(&mut self, app: &mut S, member: u32, why: Leave) -> Option<RefBuf> {
        let join = self.state.joins.get_mut(member)?;
        let tickets = std::mem::take(&mut join.tickets);
        let pending = join.pending.take();
        let was_pending = pending.is_some();
        let channel = join.channel;
        let conn = self.state.pubsub.member(member).conn;
        tickets.into_iter().for_each(|ticket| self.revoke(Some(ticket)));
        self.state.pubsub.unsubscribe(member);
        self.state.untrack_all(member);
        if !was_pending {
            self.run_leave(app, At { conn, member }, channel, why);
            self.state.untrack_all(member);
        }
        let told = match why {
            Leave::Left | Leave::Stopped => self.state.finish(member, "phx_close", Json::EMPTY),
            Leave::Crashed => self.state.finish(member, "phx_error", CRASHED),
            Leave::Rejoined | Leave::Disconnected(_) => Ok(()),
        };
        debug_assert!(told.is_ok() || self.is_closed(conn), "control messages are text, which always encodes");
        let join_ref = self.forget(member);
        if let Some(pending) = pending {
            self.revoke(pending.ticket);
            if !matches!(why, Leave::Disconnected(_)) {
                self.replay(app, conn, pending.waiting);
            }
        }
        join_ref
    }

    fn run_leave(&mut self, app: &mut S, at: At, channel: u16, why: Leave) {
        let Some(served) = self.mount_of(at.conn) else { return };
        let limit = served.mount.ticket_limit;
        let Some(handler) = served.channel(channel).and_then(|channel| channel.leave_handler()) else { return };
        let mut socket = Socket::new(&mut self.state, app, at, Stage::Leave, limit);
        let result = guard_outcome(|| handler(&mut socket, why));
        if let Err(failed) = result {
            let topic = self.state.pubsub.name(self.state.pubsub.member(at.member).topic).clone();
            self.report(at.conn, &topic, "phx_leave", &failed);
        }
    }

    /// Subscribes and answers, in this order: whatever comes behind is delivered.
    fn joined(&mut self, member: u32, ref_: Ref<'_>, reply: Payload<'_>) -> Result<(), CommandError> {
        self.state.reply(member, ref_, "ok", reply)?;
        self.state.pubsub.subscribe(member);
        self.behave(self.state.pubsub.member(member).conn);
        Ok(())
    }

    /// A reply that cannot be sent (bytes to a `vsn` 1 client, say) is a failure of the handler.
    fn joined_or_crashed(&mut self, member: u32, ref_: Ref<'_>, reply: &PayloadBuf) -> bool {
        let Err(error) = self.joined(member, ref_, reply.as_payload()) else { return true };
        let conn = self.state.pubsub.member(member).conn;
        let topic = self.state.pubsub.name(self.state.pubsub.member(member).topic).clone();
        let failed = Failed::Error(Failure(error.to_string().into()));
        self.report(conn, &topic, "phx_join", &failed);
        self.state.stats.refused_joins += 1;
        let response = Payload::Json(JOIN_CRASHED);
        let told = self.state.reply(member, ref_, "error", response);
        debug_assert!(told.is_ok(), "text always encodes");
        self.forget(member);
        false
    }

    /// What the join handler said, then what the client said meanwhile.
    fn after_join(&mut self, app: &mut S, member: u32, said: Said, waiting: VecDeque<crate::state::joins::Waiting>) {
        let conn = self.state.pubsub.member(member).conn;
        match run_effects(said.effects, |effect| effect(&mut self.state, member)) {
            Ok(()) if said.stop => drop(self.end_join(app, member, Leave::Stopped)),
            Ok(()) => {}
            Err(error) => {
                let topic = self.state.pubsub.name(self.state.pubsub.member(member).topic).clone();
                let failed = Failed::Error(Failure(error.to_string().into()));
                self.report(conn, &topic, "phx_join", &failed);
                drop(self.end_join(app, member, Leave::Crashed));
            }
        }
        self.replay(app, conn, waiting);
    }

    fn refuse_join(&mut self, conn: ConnId, message: &Message<'_>, refuse: &Refuse) {
        self.state.stats.refused_joins += 1;
        let refs = (message.join_ref, message.ref_);
        self.state.reply_unjoined(conn, refs, &message.topic, "error", refuse.response());
        self.offend(conn);
    }

    /// Takes the member out of the tables. The application's state for it is dropped here, and a panic in that too
    /// goes no further.
    fn forget(&mut self, member: u32) -> Option<RefBuf> {
        let Join { join_ref, state, .. } = self.state.joins.remove(member)?;
        let conn = self.state.pubsub.member(member).conn;
        self.state.pubsub.leave(member);
        self.state.count_joins(conn, -1);
        quietly(|| drop(state));
        Some(join_ref)
    }
}

fn run_effects(
    effects: Vec<Effect>,
    mut run: impl FnMut(Effect) -> Result<(), CommandError>,
) -> Result<(), CommandError> {
    effects.into_iter().try_for_each(&mut run)
}

/// Source: phoenix lib/phoenix/socket.ex `encode_on_exit` (since 1.8.10).
const CRASHED: Json<'static> = Json::trusted(r#"{"reason":"channel_crash"}"#);
