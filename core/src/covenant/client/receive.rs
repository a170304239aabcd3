//! What the Sidekick says.

use super::{Client, Event};
use crate::covenant::protocol::{ChannelError, Incoming, Outgoing};
use crate::wire::ion::Raw;

impl Client {
    /// Says it to the Sidekick.
    pub(super) fn tell(&mut self, message: &Incoming<'_>) {
        // What is too long was refused when it was given.
        if let Ok(text) = message.encode() {
            self.say(text);
        }
    }

    /// A message has come.
    pub(super) fn receive(&mut self, text: &str) {
        let message = match Outgoing::decode(text) {
            Ok(message) => message,
            Err(_) => {
                self.stats.undecodable += 1;
                return;
            }
        };
        match message {
            Outgoing::Message { channel, params, data } => self.deliver(&params.room(&channel), data),
            Outgoing::Updated { resource } => self.refetch(&[resource.into()]),
            Outgoing::Subscribed { channel, params } => self.subscribed(&params.room(&channel)),
            Outgoing::Unsubscribed { channel, params } => self.unsubscribed(&params.room(&channel)),
            Outgoing::Error(error) => self.receive_error(&error.into_owned()),
            Outgoing::Listening { resources } => {
                let resources: Vec<Box<str>> = resources.into_iter().map(Into::into).collect();
                self.listens(true);
                self.listening(&resources);
            }
            Outgoing::Unlistening { .. } => self.listens(false),
        }
    }

    fn deliver(&mut self, room: &str, data: Option<Raw<'_>>) {
        let data = data.unwrap_or(Raw::NULL);
        let subscribers = self.grants.subscribers(room);
        if subscribers.is_empty() {
            // It was on its way when we unsubscribed.
            self.stats.unrouted += 1;
        }
        for token in subscribers {
            self.events.push_back(Event::Message { token, data: data.to_owned() });
        }
    }

    /// Source: `@covenant-rpc/server` 2.3.0 `sidekick/handlers.js`: what is said against a token names no channel, all else
    /// the one that was meant.
    fn receive_error(&mut self, error: &ChannelError<'static>) {
        let room = error.params.room(&error.channel);
        let known = match &*error.channel {
            "???unknown" => self.first_refused(error),
            // A subscription is answered at once, a message after the server was asked.
            _ => self.room_refused(&room, error) || self.sends_refused(&room, error),
        };
        if !known {
            self.events.push_back(Event::Error { error: error.clone() });
        }
    }
}
