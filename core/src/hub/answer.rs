//! Answers that come later.

use super::admit::handler_failed;
use super::{Failed, Hub};
use crate::channel::{Leave, Refuse, Reply};
use crate::connect::Accept;
use crate::error::{AnswerError, CommandError};
use crate::http::Response;
use crate::id::{ConnId, Ticket};
use crate::log::Level;
use crate::payload::Payload;
use crate::state::tickets::Promise;
use crate::time::Instant;

impl<S> Hub<S> {
    /// Answers a join or an event that was deferred. Effects of a join handler and events that waited for the join
    /// follow. [`Refuse::failed`] is a failure as if the handler had failed.
    ///
    /// # Errors
    /// `Expired` when the ticket is dead, `WrongKind` when it is for a connect or an HTTP request, `Refused` when the
    /// answer cannot be sent (the ticket lives on).
    pub fn answer(
        &mut self,
        now: Instant,
        app: &mut S,
        ticket: Ticket,
        answer: Result<Reply, Refuse>,
    ) -> Result<(), AnswerError> {
        self.state.tick(now);
        let result = self.answer_ticket(app, ticket, &answer);
        self.settle(app);
        result
    }

    /// Decides on a connect that was deferred: `Output::Open` or `Output::Refuse` follows.
    ///
    /// # Errors
    /// `Expired` when the ticket is dead, `WrongKind` when it is for something else, `Refused(Full)` when it assigns more
    /// than `Capacity::assigns_per_connection` (the ticket lives on).
    pub fn answer_connect(
        &mut self,
        now: Instant,
        app: &mut S,
        ticket: Ticket,
        decision: Result<Accept, Refuse>,
    ) -> Result<(), AnswerError> {
        self.state.tick(now);
        let conn = match self.state.tickets.get(ticket).ok_or(AnswerError::Expired)? {
            Promise::Connect { conn } => *conn,
            _ => return Err(AnswerError::WrongKind),
        };
        if let Ok(accept) = &decision
            && !self.state.can_assign(conn, &accept.assigns)
        {
            return Err(AnswerError::Refused(CommandError::Full));
        }
        self.revoke(Some(ticket));
        let decision = decision.map_err(|refuse| match refuse.failure() {
            Some(failure) => {
                let path = self.mount_of(conn).map_or_else(Default::default, |served| served.mount.path.clone());
                self.report(conn, &path, "connect", &Failed::Error(failure.clone()));
                handler_failed()
            }
            None => Response::new(403),
        });
        self.decide(app, conn, decision);
        self.settle(app);
        Ok(())
    }

    /// Answers an HTTP request that was deferred: `Output::Respond` follows.
    ///
    /// # Errors
    /// `Expired` when the ticket is dead, `WrongKind` when it is for something else.
    pub fn answer_request(&mut self, now: Instant, ticket: Ticket, response: Response) -> Result<(), AnswerError> {
        self.state.tick(now);
        let conn = match self.state.tickets.get(ticket).ok_or(AnswerError::Expired)? {
            Promise::Request { conn } => *conn,
            _ => return Err(AnswerError::WrongKind),
        };
        self.revoke(Some(ticket));
        self.respond(conn, response);
        Ok(())
    }

    /// Whether an answer to this ticket is still waited for. O(1). For a host that keeps tickets, and would be rid of dead ones.
    pub fn is_awaited(&self, ticket: Ticket) -> bool {
        self.state.tickets.get(ticket).is_some()
    }

    fn answer_ticket(
        &mut self,
        app: &mut S,
        ticket: Ticket,
        answer: &Result<Reply, Refuse>,
    ) -> Result<(), AnswerError> {
        let member = match self.state.tickets.get(ticket).ok_or(AnswerError::Expired)? {
            Promise::Join { member } => {
                let member = *member;
                self.decide_pending(app, member, answer).map_err(AnswerError::Refused)?;
                self.revoke(Some(ticket));
                return Ok(());
            }
            Promise::Event { member, ref_ } => {
                let (member, ref_) = (*member, ref_.clone());
                if let Some(failure) = answer.as_ref().err().and_then(Refuse::failure) {
                    let (conn, topic) = (self.state.pubsub.member(member).conn, self.state.pubsub.member(member).topic);
                    let topic = self.state.pubsub.name(topic).clone();
                    self.report(conn, &topic, "answer", &Failed::Error(failure.clone()));
                    drop(self.end_join(app, member, Leave::Crashed));
                    return Ok(());
                }
                let (status, payload) = match answer {
                    Ok(Reply::Now(reply)) => ("ok", reply.as_payload()),
                    Ok(Reply::Later | Reply::Invalid) => {
                        return Err(AnswerError::Refused(CommandError::NotAllowed));
                    }
                    Err(refuse) => ("error", Payload::Json(refuse.response())),
                };
                self.state.reply(member, ref_.as_ref(), status, payload).map_err(AnswerError::Refused)?;
                member
            }
            Promise::Connect { .. } | Promise::Request { .. } | Promise::Later { .. } => {
                return Err(AnswerError::WrongKind);
            }
        };
        self.revoke(Some(ticket));
        if let Some(join) = self.state.joins.get_mut(member) {
            join.tickets.retain(|other| *other != ticket);
        }
        Ok(())
    }

    /// Nobody answered in time.
    pub(super) fn expire(&mut self, app: &mut S, ticket: Ticket) {
        if self.state.tickets.deadline(ticket).is_none_or(|deadline| deadline > self.state.now) {
            return;
        }
        if let Some(Promise::Later { .. }) = self.state.tickets.get(ticket) {
            if let Some(Promise::Later { conn, response }) = self.state.redeem(ticket) {
                self.respond(conn, *response);
            }
            return;
        }
        self.state.stats.expired_tickets += 1;
        self.state.journal.record(
            self.state.now,
            Level::Warn,
            None,
            format_args!("{ticket:?} was not answered in time"),
        );
        match self.state.tickets.get(ticket) {
            Some(Promise::Connect { conn }) => {
                let conn = *conn;
                self.revoke(Some(ticket));
                self.decide(app, conn, Err(Response::text(503, "no decision in time")));
            }
            Some(Promise::Request { conn }) => {
                let conn = *conn;
                self.revoke(Some(ticket));
                self.respond(conn, Response::text(504, "no answer in time"));
            }
            Some(Promise::Join { .. } | Promise::Event { .. }) => {
                let timeout = Err(Refuse::reason("timeout"));
                let told = self.answer_ticket(app, ticket, &timeout);
                debug_assert!(told.is_ok(), "an error is text, which always encodes");
                self.revoke(Some(ticket));
            }
            Some(Promise::Later { .. }) | None => {}
        }
    }

    fn respond(&mut self, conn: ConnId, response: Response) {
        if let Some(entry) = self.state.conns.get_mut(conn) {
            entry.ticket = None;
            self.state.outbox.respond(conn, response);
        }
    }
}
