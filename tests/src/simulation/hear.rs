//! What a client says, and whether it may say so.

use chanson_core::client::{Cause, ChannelId, Closing, Event, JoinError, PushId, Status};
use chanson_core::time::Instant;
use chanson_core::wire::Vsn;
use chanson_core::{Leave, PayloadBuf};
use serde::Deserialize;

use super::ledger::{Answer, Answered, Broadcast, Ledger, TOPICS, Welcome};
use super::peer::{Chan, Check, Joined, Peer, Push};

impl Peer {
    /// One event.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn hear(&mut self, now: Instant, event: Event, ledger: &Ledger) -> Check {
        match event {
            Event::Connected => {
                self.summary.connected += 1;
                self.last_seen = [None; TOPICS.len()];
                if std::mem::replace(&mut self.connected, true) { Err("connected twice".into()) } else { Ok(()) }
            }
            Event::ConnectFailed { .. } => {
                self.summary.connect_failed += 1;
                if self.connected { Err("connecting failed, and it was connected".into()) } else { Ok(()) }
            }
            Event::Disconnected { .. } => {
                self.summary.disconnected += 1;
                if std::mem::take(&mut self.connected) { Ok(()) } else { Err("disconnected twice".into()) }
            }
            Event::Joined { channel, response } => self.joined(channel, &response, ledger),
            Event::JoinFailed { channel, error } => {
                let chan = self.chan(channel)?;
                chan.refused = matches!(error, JoinError::Refused(_));
                match chan.joined {
                    None => Ok(()),
                    Some(joined) => Err(format!("a join failed that is done: {joined:?}")),
                }
            }
            Event::Errored { channel, cause } => {
                let chan = self.chan(channel)?;
                chan.refused = false;
                match (chan.joined.take(), cause) {
                    (Some(joined), Cause::Server(_)) => self.ended(joined, Leave::Crashed, ledger),
                    _ => Ok(()),
                }
            }
            Event::Closed { channel, by } => {
                let Some(chan) = self.channels.remove(&channel) else {
                    return Err(format!("{channel:?} closed twice"));
                };
                if let Some((push, _)) = self.pushes.iter().find(|(_, push)| push.channel == Some(channel)) {
                    return Err(format!("{push:?} has outlived {channel:?}"));
                }
                match (chan.joined, by) {
                    (Some(joined), Closing::Server(_)) => self.ended(joined, Leave::Stopped, ledger),
                    (None, Closing::Server(_)) if self.vsn == Vsn::V2 => Err("closed while it was not joined".into()),
                    _ => Ok(()),
                }
            }
            Event::Message { channel, event, payload } if &*event == "said" => self.said(channel, &payload, ledger),
            Event::Message { event, .. } if event.starts_with("presence_") => Ok(()),
            Event::Reply { push, channel, status, response } => self.replied(push, channel, &status, &response, ledger),
            Event::Timeout { push, channel } => {
                self.summary.timeouts += 1;
                let push = self.push_ends(push, Some(channel))?;
                self.in_time(now, push)
            }
            Event::Aborted { push, channel } => {
                self.summary.aborted += 1;
                self.push_ends(push, channel).map(drop)
            }
            Event::Pong { ping, round_trip } => {
                self.summary.pongs += 1;
                let Push { at, .. } = self.push_ends(ping, None)?;
                if round_trip > now - at { Err(format!("a ping took {round_trip:?}, since {at:?}")) } else { Ok(()) }
            }
            Event::PresenceJoin { .. } | Event::PresenceLeave { .. } | Event::PresenceSync { .. } => {
                self.summary.presences += 1;
                Ok(())
            }
            event => Err(format!("out of place: {event:?}")),
        }
    }

    fn joined(&mut self, channel: ChannelId, response: &PayloadBuf, ledger: &Ledger) -> Check {
        self.summary.joined += 1;
        let Welcome { join } = parse(response)?;
        let (index, conn, last) = (self.index, self.conn, self.last_join);
        let chan = self.chan(channel)?;
        let Some(written) = ledger.joins.get(join) else { return Err(format!("there is no join {join}")) };
        if written.peer != index || written.topic != chan.topic || Some(written.conn) != conn {
            return Err(format!("{channel:?} was told of the join of another: {written:?}"));
        }
        if chan.joined.is_some() || last.is_some_and(|last| last >= join) {
            return Err(format!("{channel:?} was told of join {join} twice, or late"));
        }
        (chan.joined, chan.refused) = (Some(Joined { join, next: written.start }), false);
        self.last_join = Some(join);
        Ok(())
    }

    /// A broadcast: on a joined channel exactly the next one, else one of an earlier join that was still on its way.
    fn said(&mut self, channel: ChannelId, payload: &PayloadBuf, ledger: &Ledger) -> Check {
        self.summary.messages += 1;
        let broadcast: Broadcast = parse(payload)?;
        let n = broadcast.n;
        let conn = self.conn;
        let chan = self.chan(channel)?;
        if broadcast.topic != chan.topic || !broadcast.is_whole() {
            return Err(format!("{channel:?} got {broadcast:?}"));
        }
        match &mut chan.joined {
            Some(joined) => match ledger.next(joined.join, joined.next) {
                Some(next) if next == n => joined.next = n + 1,
                Some(next) if next < n => return Err(format!("broadcast {next} was lost: {n} came, {joined:?}")),
                next => return Err(format!("broadcast {n} came twice or is too much: {joined:?}, next {next:?}")),
            },
            None if conn.is_some_and(|conn| ledger.is_for(conn, chan.topic, n)) => {}
            None => return Err(format!("broadcast {n} came to {channel:?}, which was not in the topic then")),
        }
        let topic = chan.topic;
        if self.last_seen[topic].replace(n).is_some_and(|last| last >= n) {
            return Err(format!("broadcast {n} came twice or late to {channel:?}"));
        }
        Ok(())
    }

    fn replied(
        &mut self,
        push: PushId,
        channel: ChannelId,
        status: &Status,
        response: &PayloadBuf,
        ledger: &Ledger,
    ) -> Check {
        self.summary.replies += 1;
        let Push { tag, answer, .. } = self.push_ends(push, Some(channel))?;
        let chan = *self.chan(channel)?;
        match parse::<Answered>(response) {
            Ok(answered) => {
                let fits = match answer {
                    Answer::Ok => *status == Status::Ok,
                    Answer::Error => *status == Status::Error,
                    Answer::Later => true,
                    Answer::Never => false,
                };
                if answered.tag != tag || !fits {
                    return Err(format!("{push:?} ({tag}, {answer:?}) got the answer {status:?} {answered:?}"));
                }
                match chan.joined.and_then(|joined| ledger.next(joined.join, joined.next)) {
                    Some(next) if next < answered.after && answer != Answer::Later => {
                        Err(format!("the answer {answered:?} came before broadcast {next}"))
                    }
                    _ => Ok(()),
                }
            }
            Err(_) => {
                let refusal: Refusal = parse(response)?;
                let handled = ledger.was_handled(self.index, tag);
                let fits = match &*refusal.reason {
                    "unmatched topic" => !handled,
                    "timeout" => handled && answer == Answer::Later,
                    _ => false,
                };
                if fits && *status == Status::Error { Ok(()) } else { Err(format!("{push:?} got {refusal:?}")) }
            }
        }
    }

    /// The server ended a join: nothing before that may be missing.
    fn ended(&mut self, Joined { join, next }: Joined, why: Leave, ledger: &Ledger) -> Check {
        self.summary.ended += 1;
        // On vsn 1 an end does not say which join it is of: it may be that of an earlier one, behind which this one goes on.
        if self.vsn == Vsn::V1 {
            return Ok(());
        }
        if let Some(missing) = ledger.next(join, next) {
            return Err(format!("join {join} ended before broadcast {missing} came"));
        }
        match ledger.joins[join].why {
            Some(found) if found == why => Ok(()),
            found => Err(format!("join {join} ended by {why:?}, the server says {found:?}")),
        }
    }

    fn push_ends(&mut self, push: PushId, channel: Option<ChannelId>) -> Check<Push> {
        match self.pushes.remove(&push) {
            Some(found) if found.channel == channel => Ok(found),
            found => Err(format!("an end of {push:?} on {channel:?}, which is {found:?}")),
        }
    }

    /// A time limit was kept: not ended before it, nor later than twice (it runs while the push waits, and anew when it is
    /// sent).
    fn in_time(&self, now: Instant, push: Push) -> Check {
        let (took, limit, late) = (now - push.at, push.limit, self.late - push.late);
        if took < limit || took > 2 * limit + late {
            return Err(format!("{push:?} timed out after {took:?}, the limit is {limit:?}"));
        }
        Ok(())
    }

    fn chan(&mut self, channel: ChannelId) -> Check<&mut Chan> {
        self.channels.get_mut(&channel).ok_or_else(|| format!("something of {channel:?}, which has closed"))
    }
}

#[derive(Debug, Deserialize)]
struct Refusal {
    reason: String,
}

fn parse<T: for<'a> Deserialize<'a>>(payload: &PayloadBuf) -> Check<T> {
    payload.as_payload().parse().map_err(|error| format!("{payload:?}: {error}"))
}
