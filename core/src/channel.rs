//! What an application registers: a [`Channel`] is a topic pattern with its handlers.

use std::fmt;
use std::sync::Arc;

use serde::Serialize;

use crate::error::{CloseReason, CommandError};
use crate::json;
use crate::payload::{Json, Payload, PayloadBuf};
use crate::socket::Socket;
use crate::wire::Ref;

/// A topic pattern (`room:lobby`, or `room:*` for all that begin so) and what is done for its topics.
///
/// Handlers are `Fn`: what they change is the application's own state, `socket.app()`. A handler that returns an error
/// or panics takes down its join (`phx_error`), nothing else.
///
/// ```
/// use chanson_core::{Channel, Refuse, Reply};
///
/// let room: Channel<()> = Channel::new("room:*")
///     .join(|socket, join| {
///         #[derive(serde::Deserialize)]
///         struct Params { user: String }
///         let params: Params = join.payload.parse().map_err(|_| Refuse::reason("user required"))?;
///         socket.track(&params.user, serde_json::json!({ "online": true }))?;
///         Ok(Reply::empty())
///     })
///     .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
///     .on("typing", |socket, msg| socket.broadcast_from("typing", msg.payload))
///     .on("ping", |socket, msg| socket.reply(msg.payload));
/// ```
///
/// Where handlers use `socket.app()`, its type is named first, since closures know only what stands before them:
///
/// ```
/// use chanson_core::Channel;
///
/// struct Game { moves: u32 }
///
/// let arena = Channel::<Game>::new("arena:*").on("move", |socket, _| socket.app().moves += 1);
/// ```
pub struct Channel<S = ()> {
    pattern: Arc<str>,
    join: Option<Arc<JoinHandler<S>>>,
    leave: Option<Arc<LeaveHandler<S>>>,
    /// In the order of their names' ranks.
    events: Vec<Handled<S>>,
    any: Option<Arc<EventHandler<S>>>,
}

/// An event and its handler.
struct Handled<S> {
    rank: u64,
    event: Arc<str>,
    handler: Arc<EventHandler<S>>,
}

impl<S> Clone for Handled<S> {
    fn clone(&self) -> Self {
        Self { rank: self.rank, event: self.event.clone(), handler: self.handler.clone() }
    }
}

/// A name's first eight bytes; or of a short one all of them, the last four perhaps twice: nearly all of what tells names apart,
/// in one number.
fn rank(name: &str) -> u64 {
    let bytes = name.as_bytes();
    match (bytes.first_chunk(), bytes.first_chunk(), bytes.last_chunk()) {
        (Some(word), ..) => u64::from_le_bytes(*word),
        (_, Some(begin), Some(end)) => {
            u64::from(u32::from_le_bytes(*begin)) | u64::from(u32::from_le_bytes(*end)) << 32
        }
        _ => bytes.iter().fold(0, |rank, byte| rank << 8 | u64::from(*byte)),
    }
}

pub(crate) type JoinHandler<S> = dyn Fn(&mut Socket<'_, S>, Join<'_>) -> Result<Reply, Refuse> + Send + Sync;
pub(crate) type LeaveHandler<S> = dyn Fn(&mut Socket<'_, S>, Leave) -> Result<(), Failure> + Send + Sync;
pub(crate) type EventHandler<S> = dyn Fn(&mut Socket<'_, S>, Event<'_>) -> Result<(), Failure> + Send + Sync;

impl<S> Channel<S> {
    /// A channel for the topics that `pattern` matches. The pattern is checked when the hub is built.
    pub fn new(pattern: &str) -> Self {
        Self { pattern: pattern.into(), join: None, leave: None, events: Vec::new(), any: None }
    }

    /// Decides on a join; without this handler every join is ok with `{}`. What the handler sends goes out after the
    /// join's reply, in the order in which it was said; if the join is refused, not at all. What is wrong at the server and no
    /// business of the client's is [`Refuse::failed`].
    #[must_use]
    pub fn join<F>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Socket<'_, S>, Join<'_>) -> Result<Reply, Refuse> + Send + Sync + 'static,
    {
        self.join = Some(Arc::new(handler));
        self
    }

    /// Hears of the end of a join, whatever ended it. The member is delivered to no more, and what it tracked is gone.
    #[must_use]
    pub fn leave<F, O>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Socket<'_, S>, Leave) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        self.leave = Some(Arc::new(move |socket, why| handler(socket, why).into_result()));
        self
    }

    /// Handles one event. A second handler for the same event replaces the first. `phx_join` and `phx_leave`, which never get here,
    /// and names that are too long are refused when the hub is built.
    ///
    /// It returns nothing, or a `Result` whose error can be shown: that of its last send, say. One that ends with `Ok(())` has to
    /// name its error, and [`Failure`] is one that all others become by `?`:
    ///
    /// ```
    /// use chanson_core::{Channel, Failure};
    ///
    /// let room: Channel<()> = Channel::new("room:*").on("add", |socket, msg| -> Result<(), Failure> {
    ///     let numbers: Vec<i64> = msg.payload.parse()?;
    ///     socket.push("sum", serde_json::json!(numbers.iter().sum::<i64>()))?;
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn on<F, O>(mut self, event: &str, handler: F) -> Self
    where
        F: Fn(&mut Socket<'_, S>, Event<'_>) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        let handler: Arc<EventHandler<S>> = Arc::new(move |socket, msg| handler(socket, msg).into_result());
        match self.find(event) {
            Some(at) => self.events[at].handler = handler,
            None => {
                let handled = Handled { rank: rank(event), event: event.into(), handler };
                self.events.insert(self.first_of(handled.rank), handled);
            }
        }
        self
    }

    /// The events that have a handler of their own.
    pub(crate) fn events(&self) -> impl Iterator<Item = &str> {
        self.events.iter().map(|handled| &*handled.event)
    }

    /// Handles every event that has no handler of its own. Without this one such an event is answered
    /// `{"reason":"unmatched event"}`.
    #[must_use]
    pub fn on_any<F, O>(mut self, handler: F) -> Self
    where
        F: Fn(&mut Socket<'_, S>, Event<'_>) -> O + Send + Sync + 'static,
        O: Outcome,
    {
        self.any = Some(Arc::new(move |socket, msg| handler(socket, msg).into_result()));
        self
    }

    /// The pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    pub(crate) fn join_handler(&self) -> Option<&JoinHandler<S>> {
        self.join.as_deref()
    }

    pub(crate) fn leave_handler(&self) -> Option<Arc<LeaveHandler<S>>> {
        self.leave.clone()
    }

    fn find(&self, event: &str) -> Option<usize> {
        let rank = rank(event);
        let first = self.first_of(rank);
        let of_rank = self.events[first..].iter().take_while(|handled| handled.rank == rank);
        Some(first + of_rank.map(|handled| &*handled.event).position(|name| name == event)?)
    }

    /// Where the events of a rank begin.
    fn first_of(&self, rank: u64) -> usize {
        self.events.partition_point(|handled| handled.rank < rank)
    }

    pub(crate) fn event_handler(&self, event: &str) -> Option<&EventHandler<S>> {
        match self.find(event) {
            Some(at) => Some(&*self.events[at].handler),
            None => self.any.as_deref(),
        }
    }
}

impl<S> Clone for Channel<S> {
    /// Cheap: the handlers are shared. So one channel can stand on several mounts.
    fn clone(&self) -> Self {
        Self {
            pattern: self.pattern.clone(),
            join: self.join.clone(),
            leave: self.leave.clone(),
            events: self.events.clone(),
            any: self.any.clone(),
        }
    }
}

impl<S> fmt::Debug for Channel<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let events: Vec<&str> = self.events().collect();
        f.debug_struct("Channel").field("pattern", &self.pattern).field("events", &events).finish_non_exhaustive()
    }
}

/// A request to join, as the join handler sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Join<'a> {
    /// What the client sent along; any JSON value.
    pub payload: Payload<'a>,
    /// The topic.
    pub topic: &'a str,
}

impl<'a> Join<'a> {
    pub(crate) const fn new(payload: Payload<'a>, topic: &'a str) -> Self {
        Self { payload, topic }
    }
}

/// An event of a joined client, as its handler sees it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Event<'a> {
    /// Its name.
    pub event: &'a str,
    /// What came with it.
    pub payload: Payload<'a>,
    /// The topic.
    pub topic: &'a str,
    /// The client's name for this message, by which a reply finds it; any JSON value, null if it wants no reply.
    pub ref_: Ref<'a>,
}

impl<'a> Event<'a> {
    pub(crate) const fn new(event: &'a str, payload: Payload<'a>, topic: &'a str, ref_: Ref<'a>) -> Self {
        Self { event, payload, topic, ref_ }
    }
}

/// Why a join ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Leave {
    /// The client left.
    Left,
    /// The client joined the topic once more; the new join replaces this one.
    Rejoined,
    /// A handler stopped it.
    Stopped,
    /// A handler failed.
    Crashed,
    /// The connection ended.
    Disconnected(CloseReason),
}

/// The answer to a join or an event.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reply {
    /// This, now.
    Now(PayloadBuf),
    /// The answer comes by the ticket that the handler took with `defer`.
    Later,
    /// The value given to [`Reply::json`] cannot be written as JSON; the handler counts as failed.
    Invalid,
}

impl Reply {
    /// Ok with `{}`.
    pub const fn empty() -> Self {
        Self::Now(PayloadBuf::EMPTY)
    }

    /// Ok with a value.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        PayloadBuf::from_serialize(value).map_or(Self::Invalid, Self::Now)
    }

    /// Ok with a payload as it is.
    pub fn payload(payload: Payload<'_>) -> Self {
        Self::Now(payload.to_owned())
    }

    /// Ok with bytes (`vsn` 2 only).
    pub fn binary(bytes: impl Into<Box<[u8]>>) -> Self {
        Self::Now(PayloadBuf::from_binary(bytes))
    }
}

/// A refusal: of a connection (HTTP 403), a join, or an event (a reply with status `error`).
///
/// ```
/// use chanson_core::Refuse;
///
/// assert_eq!(Refuse::default().response().as_str(), r#"{"reason":"join rejected"}"#);
/// assert_eq!(Refuse::reason("room is full").response().as_str(), r#"{"reason":"room is full"}"#);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refuse(Why);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Why {
    /// The client is told this.
    Answer(PayloadBuf),
    /// The handler failed.
    Failed(Failure),
}

impl Refuse {
    /// With `{"reason": …}`.
    pub fn reason(reason: &str) -> Self {
        let mut text = br#"{"reason":"#.to_vec();
        json::escape_into(&mut text, reason);
        text.push(b'}');
        Self(Why::Answer(PayloadBuf::trusted(String::from_utf8(text).expect("JSON is written as UTF-8"))))
    }

    /// With a value of your own; `null` when it cannot be written as JSON.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> Self {
        Self(Why::Answer(PayloadBuf::from_serialize(value).unwrap_or(PayloadBuf::NULL)))
    }

    /// The server is at fault and not the client: the handler counts as failed, as one for events does that returns an error.
    /// `Builder::on_fault` and the log hear of `error`; the client does not, but is answered `{"reason":"join crashed"}`, or 500
    /// where it wanted to connect. Given as the answer to an event that was deferred, it ends the join (`phx_error`).
    ///
    /// ```
    /// use chanson_core::{Channel, Refuse, Reply};
    ///
    /// let room: Channel<()> = Channel::new("room:*").join(|_, join| {
    ///     let text = std::fs::read_to_string("rooms.json").map_err(Refuse::failed)?;
    ///     if text.contains(join.topic) { Ok(Reply::empty()) } else { Err(Refuse::reason("no such room")) }
    /// });
    /// ```
    pub fn failed(error: impl fmt::Display) -> Self {
        Self(Why::Failed(Failure::new(error)))
    }

    /// What the client is told.
    pub fn response(&self) -> Json<'_> {
        match &self.0 {
            Why::Answer(payload) => payload.as_payload().json().unwrap_or(Json::NULL),
            Why::Failed(_) => JOIN_CRASHED,
        }
    }

    /// What the handler failed with, if it did.
    pub(crate) const fn failure(&self) -> Option<&Failure> {
        match &self.0 {
            Why::Answer(_) => None,
            Why::Failed(failure) => Some(failure),
        }
    }
}

/// The answer to a join whose handler failed.
pub(crate) const JOIN_CRASHED: Json<'static> = Json::trusted(r#"{"reason":"join crashed"}"#);

impl Default for Refuse {
    /// `{"reason":"join rejected"}`.
    fn default() -> Self {
        Self::reason("join rejected")
    }
}

impl From<CommandError> for Refuse {
    /// So that `?` works on sends in join handlers; the client is told the error's text.
    fn from(error: CommandError) -> Self {
        Self::reason(&error.to_string())
    }
}

/// What a handler may return: nothing, or a `Result` whose error can be shown.
pub trait Outcome {
    /// The error's text, if it is one.
    ///
    /// # Errors
    /// When the handler failed.
    fn into_result(self) -> Result<(), Failure>;
}

impl Outcome for () {
    fn into_result(self) -> Result<(), Failure> {
        Ok(())
    }
}

impl<E: fmt::Display> Outcome for Result<(), E> {
    fn into_result(self) -> Result<(), Failure> {
        self.map_err(Failure::new)
    }
}

/// What a handler failed with, as text. Every error becomes one by `?`; for that it is none itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure(pub(crate) Box<str>);

impl Failure {
    /// With this text.
    pub fn new(error: impl fmt::Display) -> Self {
        Self(error.to_string().into())
    }
}

impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_has_its_own_handler_however_alike_they_are() {
        let names = [
            "",
            "a",
            "b",
            "ab",
            "ba",
            "abc",
            "abcd",
            "abcdb",
            "abcdbc",
            "abcdbcd",
            "abcdabcd",
            "abcdabcde",
            "abcdabcdf",
            "dcba",
            "presence_state",
            "presence_diff",
            "new_msg",
            "new_msh",
            "é",
            "ééé",
            "abc\0",
            "abc\0\0",
        ];
        let channel = |names: &mut dyn Iterator<Item = &&str>| {
            names.fold(Channel::<()>::new("room:*"), |channel, name| channel.on(name, |_, _| {}))
        };
        for channel in [channel(&mut names.iter()), channel(&mut names.iter().rev())] {
            let replaced = names.iter().fold(channel.clone(), |channel, name| channel.on(name, |_, _| {}));
            assert_eq!(replaced.events.len(), names.len());
            for name in names {
                assert_eq!(channel.find(name).map(|at| &*channel.events[at].event), Some(name));
            }
            for unknown in ["c", "abce", "abcdbce", "abcdabcdg", "presence_", "abc\0\0\0"] {
                assert!(channel.event_handler(unknown).is_none(), "{unknown}");
            }
            assert!(channel.on_any(|_, _| {}).event_handler("abcdabcdg").is_some());
        }
    }
}
