//! Events that wait for the application.

use std::collections::VecDeque;

use super::event::{Cause, Closing, ConnectError, Event, JoinError};
use crate::payload::PayloadBuf;

/// In order, and how much memory they take.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    events: VecDeque<Event>,
    bytes: usize,
}

impl Waiting {
    pub(super) fn push_back(&mut self, event: Event) {
        self.bytes += cost(&event);
        self.events.push_back(event);
    }

    pub(super) fn extend(&mut self, events: impl Iterator<Item = Event>) {
        events.for_each(|event| self.push_back(event));
    }

    pub(super) fn pop_front(&mut self) -> Option<Event> {
        let event = self.events.pop_front()?;
        self.bytes -= cost(&event);
        Some(event)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}

fn cost(event: &Event) -> usize {
    size_of::<Event>() + event.weight()
}

impl Event {
    /// Bytes that the server made this event hold, about, beside its own size: for those who keep events and bound how many.
    pub fn weight(&self) -> usize {
        let len = |payload: &PayloadBuf| payload.as_payload().len();
        match self {
            Self::Message { event, payload, .. } => event.len() + len(payload),
            Self::Joined { response: payload, .. }
            | Self::Reply { response: payload, .. }
            | Self::JoinFailed { error: JoinError::Refused(payload), .. }
            | Self::Errored { cause: Cause::Server(payload), .. }
            | Self::Closed { by: Closing::Server(payload), .. } => len(payload),
            Self::ConnectFailed { error: ConnectError::Redirect { location, .. }, .. } => location.len(),
            // What was there before is shared with the list, as far as that still has it.
            Self::PresenceJoin { key, current, new, .. } => {
                key.len() + new.cost() + current.as_ref().map_or(0, super::Presence::copied)
            }
            Self::PresenceLeave { key, current, left, .. } => key.len() + left.cost() + current.copied(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::ChannelId;

    #[test]
    fn what_waits_is_weighed() {
        let mut waiting = Waiting::default();
        let payload = PayloadBuf::from_binary(vec![0; 1000]);
        let channel = ChannelId::from_bits(0);
        let error = ConnectError::Redirect { status: 307, location: "/".repeat(500).into() };
        waiting.push_back(Event::Connected);
        waiting.push_back(Event::Message { channel, event: "e".into(), payload: payload.clone() });
        waiting.extend([Event::ConnectFailed { error, retry_at: None }].into_iter());
        waiting.push_back(Event::Closed { channel, by: Closing::Server(payload) });
        assert_eq!(waiting.bytes(), 4 * size_of::<Event>() + 1001 + 500 + 1000);
        assert_eq!(waiting.pop_front(), Some(Event::Connected));
        assert!(matches!(waiting.pop_front(), Some(Event::Message { .. })));
        assert_eq!(waiting.bytes(), 2 * size_of::<Event>() + 500 + 1000);
        while waiting.pop_front().is_some() {}
        assert_eq!(waiting.bytes(), 0);
    }
}
