//! What clients say.

use std::borrow::Cow;
use std::sync::Arc;

use super::{Sender, Sidekick, Use, error, resource_room, tell};
use crate::covenant::contract::{Fault, Params};
use crate::covenant::protocol::{ForwardedMessage, Incoming, Outgoing};
use crate::error::CommandError;
use crate::hub::PubSub;
use crate::id::ConnId;
use crate::time::Instant;
use crate::wire::ion::Raw;

impl Sidekick {
    /// A client said something. A text that is no message is answered with an error; the connection lives on.
    pub fn handle_text(&mut self, hub: &mut PubSub<'_>, conn: ConnId, text: &str) {
        self.handle_timeout(hub.now());
        match Incoming::decode(text) {
            Ok(Incoming::Subscribe { token }) => self.subscribe(hub, conn, &token),
            Ok(Incoming::Unsubscribe { token }) => self.unsubscribe(hub, conn, &token),
            Ok(Incoming::Send { token, channel, params, data }) => {
                if let Err((fault, message)) = self.send(hub.now(), conn, &token, &channel, &params, data) {
                    tell(hub, conn, &error(&channel, params, fault, message));
                }
            }
            Ok(Incoming::Listen { resources }) => listen(hub, conn, resources),
            Ok(Incoming::Unlisten { resources }) => {
                for resource in &resources {
                    hub.leave_room(conn, &resource_room(resource));
                }
                tell(hub, conn, &Outgoing::Unlistening { resources });
            }
            Err(_) => tell(hub, conn, &error("unknown", Params::new(), Fault::Client, UNREADABLE)),
        }
    }

    /// The same in a binary message, which the original takes as text.
    pub fn handle_binary(&mut self, hub: &mut PubSub<'_>, conn: ConnId, data: &[u8]) {
        self.handle_text(hub, conn, std::str::from_utf8(data).unwrap_or_default());
    }

    /// A connection has ended, and the hub has taken it out of its rooms: forgets its tokens and their contexts. What it has
    /// sent still goes to the server.
    pub fn handle_close(&mut self, conn: ConnId) {
        let tokens = self.peers.remove(&conn).map(|peer| peer.tokens).unwrap_or_default();
        for token in tokens {
            self.tokens.remove(&token);
        }
    }

    fn subscribe(&mut self, hub: &mut PubSub<'_>, conn: ConnId, name: &str) {
        let Some(token) = self.tokens.get(name).filter(|token| matches!(token.state, Use::Fresh { .. })) else {
            return tell(hub, conn, &error(UNKNOWN, Params::new(), Fault::Client, NOT_SUBSCRIBED));
        };
        let (channel, params, room) = (token.channel.clone(), token.params.clone(), token.room.clone());
        let count = self.peers.get(&conn).map_or(0, |peer| peer.tokens.len());
        // The token stays fresh when it cannot be used.
        if count >= self.config.subscriptions_per_connection {
            return tell(hub, conn, &error(&channel, params, Fault::Sidekick, TOO_MANY_SUBSCRIPTIONS));
        }
        if hub.enter_room(conn, &room).is_err() {
            return tell(hub, conn, &error(&channel, params, Fault::Sidekick, TOO_MANY_SUBSCRIPTIONS));
        }
        if let Some(name) = self.tokens.take(name, conn) {
            let peer = self.peers.entry(conn).or_default();
            peer.tokens.insert(name);
            *peer.rooms.entry(room).or_default() += 1;
        }
        tell(hub, conn, &Outgoing::Subscribed { channel: Cow::Owned(channel.into()), params });
    }

    fn unsubscribe(&mut self, hub: &mut PubSub<'_>, conn: ConnId, name: &str) {
        let used = self.tokens.get(name).is_some_and(|token| token.state == Use::By(conn));
        let Some(token) = used.then(|| self.tokens.remove(name)).flatten() else {
            return tell(hub, conn, &error(UNKNOWN, Params::new(), Fault::Client, NOT_UNSUBSCRIBED));
        };
        if self.give_back(conn, name, &token.room) {
            hub.leave_room(conn, &token.room);
        }
        self.forget_if_idle(conn);
        let channel = Cow::Owned(token.channel.into());
        tell(hub, conn, &Outgoing::Unsubscribed { channel, params: token.params });
    }

    /// The connection has one token less; whether it was the last for its room.
    fn give_back(&mut self, conn: ConnId, name: &str, room: &Arc<str>) -> bool {
        let Some(peer) = self.peers.get_mut(&conn) else { return true };
        peer.tokens.remove(name);
        let Some(count) = peer.rooms.get_mut(room) else { return true };
        *count -= 1;
        let was_last = *count == 0;
        if was_last {
            peer.rooms.remove(room);
        }
        was_last
    }

    fn send(
        &mut self,
        now: Instant,
        conn: ConnId,
        name: &str,
        channel: &str,
        params: &Params,
        data: Option<Raw<'_>>,
    ) -> Result<(), (Fault, &'static str)> {
        let usable = |state| matches!(state, Use::Fresh { .. }) || state == Use::By(conn);
        let token = self.tokens.get(name).filter(|token| usable(token.state));
        let token = token.ok_or((Fault::Client, "Invalid or unauthorized token"))?;
        if &*token.channel != channel {
            return Err((Fault::Client, "Token channel mismatch"));
        }
        if &token.params != params {
            return Err((Fault::Client, "Token params mismatch"));
        }
        let context = token.context.as_ref().map(|context| context.as_raw());
        let message = ForwardedMessage { params: params.clone(), channel: channel.into(), data, context };
        let body = message.encode().map_err(|_| (Fault::Client, "The message is too long"))?;
        if !self.calls.has_room(&self.config, conn, body.len()) {
            return Err((Fault::Sidekick, "Too many messages are waiting for the server"));
        }
        self.peers.entry(conn).or_default().calls += 1;
        let sender = Sender { conn, token: token.serial, channel: channel.into(), params: params.clone() };
        self.calls.add(&self.config, now, sender, body);
        Ok(())
    }
}

/// All of them or none.
fn listen(hub: &mut PubSub<'_>, conn: ConnId, resources: Vec<Cow<'_, str>>) {
    let mut entered = Vec::new();
    for resource in &resources {
        let room = resource_room(resource);
        match hub.enter_room(conn, &room) {
            Ok(true) => entered.push(room),
            Ok(false) => {}
            Err(why) => {
                for room in entered {
                    hub.leave_room(conn, &room);
                }
                let why = if matches!(why, CommandError::TooLarge { .. }) { LONG_RESOURCE } else { TOO_MANY_RESOURCES };
                return tell(hub, conn, &error(UNKNOWN, Params::new(), Fault::Sidekick, why));
            }
        }
    }
    tell(hub, conn, &Outgoing::Listening { resources });
}

/// Stands for the channel of a token that is not known.
const UNKNOWN: &str = "???unknown";

// Source: @covenant-rpc/server 2.3.0, transcripts `ws_malformed`, `subscribe_*`, `unsubscribe_*`.
const UNREADABLE: &str =
    "Failed to parse last message as an incoming message. This is a bug in covenant's client code.";
const NOT_SUBSCRIBED: &str = "Inputted invalid token for subscription";
const NOT_UNSUBSCRIBED: &str = "Inputted invalid token for unsubscription";

const TOO_MANY_SUBSCRIPTIONS: &str = "Too many subscriptions";
const TOO_MANY_RESOURCES: &str = "Too many resources are listened to";
const LONG_RESOURCE: &str = "The name of a resource is too long";
