//! What handles ask for, carried from their threads to the hub's.

use std::sync::mpsc::SyncSender;

use crate::channel::{Refuse, Reply};
use crate::connect::Accept;
use crate::http::Response;
use crate::hub::Hub;
use crate::id::{ConnId, Ticket};
use crate::payload::PayloadBuf;
use crate::time::Instant;

/// One wish.
#[derive(Debug)]
pub(super) enum Command {
    Broadcast { except: Option<ConnId>, topic: Box<str>, event: Box<str>, payload: PayloadBuf },
    Push { conn: ConnId, topic: Box<str>, event: Box<str>, payload: PayloadBuf },
    Publish { topic: Box<str>, text: Box<str> },
    Answer { ticket: Ticket, answer: Result<Reply, Refuse> },
    AnswerConnect { ticket: Ticket, decision: Result<Accept, Refuse> },
    AnswerRequest { ticket: Ticket, response: Response },
    Disconnect { id: Box<str> },
    SubscriberCount { topic: Box<str>, to: SyncSender<usize> },
    Presence { topic: Box<str>, to: SyncSender<PayloadBuf> },
}

impl Command {
    /// Carries it out; whether the hub took it. Who asked a question and has gone away meanwhile misses nothing.
    pub(super) fn run<S>(self, now: Instant, hub: &mut Hub<S>, app: &mut S) -> bool {
        match self {
            Self::Broadcast { except: None, topic, event, payload } => hub.broadcast(&topic, &event, &payload).is_ok(),
            Self::Broadcast { except: Some(conn), topic, event, payload } => {
                hub.broadcast_from(conn, &topic, &event, &payload).is_ok()
            }
            Self::Push { conn, topic, event, payload } => hub.push(conn, &topic, &event, &payload).is_ok(),
            Self::Publish { topic, text } => {
                hub.pubsub().broadcast(&topic, &text);
                true
            }
            Self::Answer { ticket, answer } => hub.answer(now, app, ticket, answer).is_ok(),
            Self::AnswerConnect { ticket, decision } => hub.answer_connect(now, app, ticket, decision).is_ok(),
            Self::AnswerRequest { ticket, response } => hub.answer_request(now, ticket, response).is_ok(),
            Self::Disconnect { id } => hub.disconnect(now, app, &id) > 0,
            Self::SubscriberCount { topic, to } => to.send(hub.subscriber_count(&topic)).is_ok(),
            Self::Presence { topic, to } => to.send(hub.presence_list(&topic)).is_ok(),
        }
    }

    /// About how many bytes it makes the hub send to each receiver.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::Broadcast { payload, .. } | Self::Push { payload, .. } => payload.as_payload().len(),
            Self::Answer { answer: Ok(Reply::Now(payload)), .. } => payload.as_payload().len(),
            Self::AnswerRequest { response, .. } => response.bytes().len(),
            Self::Publish { text, .. } => text.len(),
            _ => 0,
        }
    }
}
