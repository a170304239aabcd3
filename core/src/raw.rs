//! What handlers of a raw mount see: a WebSocket without channels.

use std::fmt;
use std::net::SocketAddr;

use crate::error::{CloseReason, CommandError};
use crate::frame::Kind;
use crate::hub::PubSub;
use crate::id::ConnId;
use crate::state::State;
use crate::time::Instant;

/// One raw connection, as a handler sees it.
pub struct Raw<'a, S = ()> {
    state: &'a mut State,
    app: &'a mut S,
    conn: ConnId,
}

impl<'a, S> Raw<'a, S> {
    pub(crate) const fn new(state: &'a mut State, app: &'a mut S, conn: ConnId) -> Self {
        Self { state, app, conn }
    }

    /// Sends a text message.
    ///
    /// # Errors
    /// `UnknownConn` when the connection has closed.
    pub fn send_text(&mut self, text: &str) -> Result<(), CommandError> {
        self.state.send_raw(self.conn, Kind::Text, text.as_bytes())
    }

    /// Sends a binary message.
    ///
    /// # Errors
    /// `UnknownConn` when the connection has closed.
    pub fn send_binary(&mut self, data: &[u8]) -> Result<(), CommandError> {
        self.state.send_raw(self.conn, Kind::Binary, data)
    }

    /// Subscribes this connection to a topic: it gets the text that is published there raw, and no channel messages.
    ///
    /// # Errors
    /// `Full` at a bound, `TooLarge` for the topic's name.
    pub fn subscribe(&mut self, topic: &str) -> Result<(), CommandError> {
        self.state.subscribe_raw(self.conn, topic)
    }

    /// Ends a subscription; whether there was one.
    pub fn unsubscribe(&mut self, topic: &str) -> bool {
        self.state.unsubscribe_raw(self.conn, topic)
    }

    /// Sends text to all raw subscribers of a topic.
    pub fn broadcast(&mut self, topic: &str, text: &str) {
        self.state.publish_raw(topic, None, text);
    }

    /// Sends text to all raw subscribers of a topic but this connection.
    pub fn broadcast_from(&mut self, topic: &str, text: &str) {
        self.state.publish_raw(topic, Some(self.conn), text);
    }

    /// How many connections `topic` has.
    pub fn subscriber_count(&self, topic: &str) -> usize {
        self.state.pubsub.subscriber_count(topic)
    }

    /// Closes the connection with this code when the handler has returned.
    pub fn close(&mut self, code: u16) {
        self.state.close_later(self.conn, CloseReason::ByUs(code));
    }

    /// The connection.
    pub const fn conn(&self) -> ConnId {
        self.conn
    }

    /// The application's id of the connection, as `on_connect` set it.
    pub fn id(&self) -> Option<&str> {
        self.state.conns.get(self.conn)?.user_id()
    }

    /// A route or query parameter.
    pub fn param(&self, name: &str) -> Option<&str> {
        self.state.conns.get(self.conn)?.param(name)
    }

    /// A value assigned to the connection.
    pub fn assign(&self, name: &str) -> Option<&str> {
        self.state.conns.get(self.conn)?.assign(name)
    }

    /// The peer's address, where the host told it.
    pub fn peer(&self) -> Option<SocketAddr> {
        self.state.conns.get(self.conn)?.peer
    }

    /// The application's own state.
    pub const fn app(&mut self) -> &mut S {
        self.app
    }

    /// The application's own state and the hub's publish and subscribe, both at once.
    pub const fn split(&mut self) -> (&mut S, PubSub<'_>) {
        (self.app, PubSub::new(self.state))
    }

    /// Now, as the host counts.
    pub const fn now(&self) -> Instant {
        self.state.now
    }
}

impl<S> fmt::Debug for Raw<'_, S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Raw").field("conn", &self.conn).finish_non_exhaustive()
    }
}
