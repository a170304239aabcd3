//! Topics without channels.

use std::fmt;

use crate::error::CommandError;
use crate::frame::Kind;
use crate::id::ConnId;
use crate::limits::Capacity;
use crate::payload::Payload;
use crate::pubsub::Form;
use crate::state::State;
use crate::time::Instant;

/// Publish and subscribe, used directly: text goes exactly as given to a topic's raw subscribers. Channel messages do
/// not reach them, nor raw text those who joined; both count in the same bounds.
///
/// ```
/// use chanson_core::{Hub, Mount, http::Request, time::Instant};
///
/// let mut hub: Hub = Hub::builder().seed([7; 32]).mount(Mount::raw("/feed")).build()?;
/// let conn = hub.handle_connect(Instant::ORIGIN, None)?;
/// hub.handle_open(Instant::ORIGIN, &mut (), conn, &Request::new("GET", "/feed", &[], b""));
/// hub.pubsub().subscribe(conn, "news")?;
/// hub.pubsub().broadcast("news", "extra!");
/// assert_eq!(hub.subscriber_count("news"), 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct PubSub<'a> {
    state: &'a mut State,
}

impl<'a> PubSub<'a> {
    pub(crate) const fn new(state: &'a mut State) -> Self {
        Self { state }
    }

    /// Sends text to one connection of a raw mount.
    ///
    /// # Errors
    /// `UnknownConn` when it has closed.
    pub fn send_text(&mut self, conn: ConnId, text: &str) -> Result<(), CommandError> {
        self.state.send_raw(conn, Kind::Text, text.as_bytes())
    }

    /// Now, as the host counts.
    pub const fn now(&self) -> Instant {
        self.state.now
    }

    /// Subscribes a connection to a topic; twice is once. O(1).
    ///
    /// # Errors
    /// `UnknownConn`, `TooLarge` for the topic's name, `Full` at a bound of the topic, the connection or the hub.
    pub fn subscribe(&mut self, conn: ConnId, topic: &str) -> Result<(), CommandError> {
        self.state.subscribe_raw(conn, topic)
    }

    /// Ends a subscription; whether there was one. O(1).
    pub fn unsubscribe(&mut self, conn: ConnId, topic: &str) -> bool {
        self.state.unsubscribe_raw(conn, topic)
    }

    /// Ends all subscriptions of a connection (not its joins); how many there were. O(topics it is in).
    pub fn unsubscribe_all(&mut self, conn: ConnId) -> usize {
        self.state.unsubscribe_all_raw(conn)
    }

    /// Sends text to all subscribers of a topic. O(subscribers).
    pub fn broadcast(&mut self, topic: &str, text: &str) {
        self.state.publish_raw(topic, None, text);
    }

    /// Sends text to all subscribers of a topic but one connection, which need not be one of them.
    pub fn broadcast_from(&mut self, conn: ConnId, topic: &str, text: &str) {
        self.state.publish_raw(topic, Some(conn), text);
    }

    /// How many connections `topic` has, joined ones and raw subscribers. O(1).
    pub fn subscriber_count(&self, topic: &str) -> usize {
        self.state.pubsub.subscriber_count(topic)
    }
}

/// Rooms: topics in a space of names of their own, which no client's topic can name. For protocols of this crate.
impl PubSub<'_> {
    /// Whether the subscription is new.
    pub(crate) fn enter_room(&mut self, conn: ConnId, room: &str) -> Result<bool, CommandError> {
        self.state.subscribe_as(Form::Room, conn, room)
    }

    pub(crate) fn leave_room(&mut self, conn: ConnId, room: &str) -> bool {
        self.state.unsubscribe_as(Form::Room, conn, room)
    }

    /// Sends to all who are in the room; the text is made only if there is anybody.
    pub(crate) fn tell_room<E>(&mut self, room: &str, text: impl FnOnce() -> Result<String, E>) -> Result<(), E> {
        if let Some(id) = self.state.pubsub.room(room) {
            self.state.broadcast_raw(id, None, &text()?);
        }
        Ok(())
    }

    /// Sends an event to all who joined a topic, as `Hub::broadcast`.
    pub(crate) fn broadcast_event(
        &mut self,
        topic: &str,
        event: &str,
        payload: Payload<'_>,
    ) -> Result<(), CommandError> {
        self.state.broadcast_named(topic, None, event, &payload)
    }

    pub(crate) fn room_count(&self, room: &str) -> usize {
        self.state.pubsub.room_count(room)
    }

    pub(crate) const fn capacity(&self) -> &Capacity {
        &self.state.capacity
    }
}

impl fmt::Debug for PubSub<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PubSub").field("topics", &self.state.pubsub.topic_count()).finish_non_exhaustive()
    }
}
