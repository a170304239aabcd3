//! What a handler has made, now or later, and what becomes of it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use super::calls::{Job, To};
use super::define::Outcome;
use super::failure::{Failed, Failure};
use super::finish::{Then, Way};
use super::scope::{Effects, Headers};
use super::{RequestId, Server, words};
use crate::covenant::contract::{Channel, Kind, Params, Procedure};
use crate::covenant::protocol::{ConnectionPayload, MessageError, ProcedureResponse, ResourceUpdate};
use crate::error::AnswerError;
use crate::time::Instant;
use crate::wire::ion::RawBuf;

/// A promise to answer later, taken by `defer` in a handler: as its failure (`Err(deferred.into())`) it puts the answer off.
///
/// The answer is given by [`Server::answer_connection`], [`Server::answer_message`] or [`Server::answer_procedure`], once and
/// within [`Config::answer_limit`](super::Config::answer_limit); later, or when the handler answered itself, it is dead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deferred(u64);

impl Deferred {
    pub(super) const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The promise as a number.
    pub const fn to_bits(self) -> u64 {
        self.0
    }

    /// The inverse of [`to_bits`](Self::to_bits). A number that never was a promise answers nothing.
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }
}

impl fmt::Display for Deferred {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the answer comes later")
    }
}

impl std::error::Error for Deferred {}

/// Who waits for what a handler makes.
#[derive(Debug)]
pub(super) enum Asked {
    Connection { id: RequestId, channel: String, params: Params },
    Procedure { id: RequestId, procedure: String, kind: Kind, headers: Headers },
    Message { way: Way, channel: String },
}

impl Asked {
    fn place(&self) -> String {
        match self {
            Self::Connection { channel, .. } | Self::Message { channel, .. } => format!("channel {channel}"),
            Self::Procedure { procedure, .. } => format!("procedure {procedure}"),
        }
    }
}

/// What a handler makes.
pub(super) enum Made {
    Context(RawBuf),
    Outcome(Outcome),
    Nothing,
}

/// Answers that were put off.
#[derive(Debug, Default)]
pub(super) struct Later {
    /// In the order in which they were asked, which is that of their deadlines.
    waiting: BTreeMap<Deferred, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    effects: Effects,
    deadline: Instant,
}

impl Later {
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.waiting.first_key_value().map(|(_, waiting)| waiting.deadline)
    }

    fn late(&mut self, now: Instant) -> Option<(Asked, Effects)> {
        let first = self.waiting.first_entry().filter(|entry| entry.get().deadline <= now)?;
        let Waiting { asked, effects, .. } = first.remove();
        Some((asked, effects))
    }

    fn take(&mut self, deferred: Deferred, fits: impl FnOnce(&Asked) -> bool) -> Result<(Asked, Effects), AnswerError> {
        let waiting = self.waiting.get(&deferred).ok_or(AnswerError::Expired)?;
        if !fits(&waiting.asked) {
            return Err(AnswerError::WrongKind);
        }
        let Waiting { asked, effects, .. } = self.waiting.remove(&deferred).ok_or(AnswerError::Expired)?;
        Ok((asked, effects))
    }
}

impl<S: 'static, X: 'static, D: 'static> Server<S, X, D> {
    /// Says whether a client is let in, as its `on_connect` would have, which put that off.
    ///
    /// # Errors
    /// `Expired` when nobody waits for it (any more), `WrongKind` when it is not for a client of this channel.
    pub fn answer_connection<C: Channel>(
        &mut self,
        now: Instant,
        deferred: Deferred,
        answer: Result<C::Context, Failure>,
    ) -> Result<(), AnswerError> {
        self.tick(now);
        let fits = |asked: &Asked| matches!(asked, Asked::Connection { channel, .. } if channel == C::NAME);
        let (asked, effects) = self.later.take(deferred, fits)?;
        let made = answer.map_err(Failed::from).and_then(|context| Ok(Made::Context(write(&context)?)));
        self.conclude(asked, effects, made);
        Ok(())
    }

    /// Says what a procedure answers and which resources it has looked at or changed, as its handlers would have, the first of
    /// which put that off.
    ///
    /// # Errors
    /// `Expired` when nobody waits for it (any more), `WrongKind` when it is not for a call of this procedure.
    pub fn answer_procedure<P: Procedure>(
        &mut self,
        now: Instant,
        deferred: Deferred,
        answer: Result<(P::Output, Vec<String>), Failure>,
    ) -> Result<(), AnswerError> {
        self.tick(now);
        let fits = |asked: &Asked| matches!(asked, Asked::Procedure { procedure, .. } if procedure == P::NAME);
        let (asked, effects) = self.later.take(deferred, fits)?;
        let made = answer.map_err(Failed::from).and_then(|(outputs, resources)| {
            let data = write(&outputs)?;
            Ok(Made::Outcome(Outcome { data, resources }))
        });
        self.conclude(asked, effects, made);
        Ok(())
    }

    /// Says that a client's message was taken, or why not, as its `on_message` would have, which put that off.
    ///
    /// # Errors
    /// `Expired` when nobody waits for it (any more), `WrongKind` when it is not for a message.
    pub fn answer_message(
        &mut self,
        now: Instant,
        deferred: Deferred,
        answer: Result<(), Failure>,
    ) -> Result<(), AnswerError> {
        self.tick(now);
        let (asked, effects) = self.later.take(deferred, |asked| matches!(asked, Asked::Message { .. }))?;
        self.conclude(asked, effects, answer.map(|()| Made::Nothing).map_err(Failed::from));
        Ok(())
    }

    /// Answers that were put off for too long.
    pub(super) fn expire(&mut self) {
        while let Some((asked, effects)) = self.later.late(self.now) {
            self.conclude(asked, effects, Err(Failed::Coded("no answer in time".to_owned(), 504)));
        }
    }

    /// A handler has made something, has failed, or will see.
    pub(super) fn conclude(&mut self, asked: Asked, mut effects: Effects, made: Result<Made, Failed>) {
        let made = match made {
            Err(Failed::Later(_)) if effects.deferred => {
                effects.deferred = false;
                let deadline = self.now + self.config.answer_limit;
                self.later.waiting.insert(effects.ticket, Waiting { asked, effects, deadline });
                return;
            }
            // It is nobody's promise, or one of another handler.
            Err(Failed::Later(deferred)) => Err(Failed::Thrown(deferred.to_string())),
            made => made,
        };
        match made {
            Ok(made) => self.succeed(asked, effects, made),
            Err(failed) => {
                if !failed.is_meant() {
                    self.report(&asked.place(), failed.message());
                }
                self.tell(asked, &failed);
            }
        }
    }

    fn succeed(&mut self, asked: Asked, effects: Effects, made: Made) {
        let mut steps: Vec<_> = effects.bodies.into_iter().map(|body| (To::Message, body)).collect();
        let then = match (asked, made) {
            (Asked::Connection { id, channel, params }, Made::Context(context)) => {
                let token = words::token(&mut self.random);
                let payload = ConnectionPayload {
                    token: Cow::Borrowed(&token),
                    channel: Cow::Borrowed(&channel),
                    params: params.clone(),
                    context: Some(context.as_raw()),
                };
                match payload.encode() {
                    Ok(payload) => steps.push((To::Connection, payload)),
                    Err(error) => return self.oops(id, &error.to_string()),
                }
                Then::Connected { id, channel, params, token }
            }
            (Asked::Procedure { id, procedure, kind, headers }, Made::Outcome(Outcome { data, resources })) => {
                let resources: Vec<_> = resources.into_iter().map(Cow::Owned).collect();
                let update = (kind == Kind::Mutation).then(|| ResourceUpdate { resources: resources.clone() }.encode());
                let body = ProcedureResponse::Ok { data: Some(data.as_raw()), resources }.encode();
                match (body, update.transpose()) {
                    (Ok(body), Ok(update)) => Then::Answered { id, procedure, headers, body, update },
                    (Err(error), _) | (_, Err(error)) => return self.fail(id, headers, &error.to_string(), 500),
                }
            }
            (Asked::Message { way, .. }, _) => Then::Heard(way),
            (asked, _) => unreachable!("a handler makes what is asked of it: {asked:?}"),
        };
        self.begin(Job { steps: steps.into(), then });
    }

    fn tell(&mut self, asked: Asked, failed: &Failed) {
        match asked {
            Asked::Connection { id, channel, params } => match failed {
                Failed::Refused(reason, cause) => self.refuse(id, &channel, params, reason, *cause),
                _ => self.oops(id, failed.message()),
            },
            Asked::Procedure { id, headers, .. } => self.fail(id, headers, failed.message(), failed.code()),
            Asked::Message { way, .. } => {
                let error = MessageError { fault: failed.fault(), message: failed.message().to_owned().into() };
                self.heard(way, Err(error));
            }
        }
    }
}

/// A value of the application as ION; one that cannot be written is its failure.
pub(super) fn write<T: serde::Serialize>(value: &T) -> Result<RawBuf, Failed> {
    RawBuf::from_serialize(value).map_err(|error| Failed::Thrown(error.to_string()))
}
