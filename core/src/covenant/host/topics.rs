//! A channel of the contract as topics.

use super::Host;
use crate::channel::{self, Event, Join, Refuse, Reply};
use crate::covenant::contract::{Channel, Params};
use crate::covenant::protocol::{ForwardedMessage, MessageError};
use crate::error::CommandError;
use crate::payload::{AsJson, Payload};
use crate::socket::Socket;
use crate::wire::ion::{Raw, RawBuf};

/// A channel of the contract as topics: its name, and behind it the values of its params, with a colon before each.
///
/// ```
/// use chanson_core::covenant::contract::Params;
/// # use chanson_core::covenant::{contract::Channel, host::Topics};
/// # use std::collections::BTreeMap;
/// # struct Doc;
/// # impl Channel for Doc {
/// #     const NAME: &str = "doc";
/// #     type Params = BTreeMap<String, String>;
/// #     type ClientMessage = ();
/// #     type ServerMessage = ();
/// #     type ConnectionRequest = ();
/// #     type Context = ();
/// # }
///
/// let topics = Topics::of::<Doc>(["orgId", "docId"]);
/// let params = Params::from([("orgId", "acme"), ("docId", "a:b")]);
/// assert_eq!(topics.topic(&params).as_deref(), Some("doc:acme:a:b"));
/// assert_eq!(topics.params("doc:acme:a:b"), Some(params));
/// // Only the last may have colons, or two rooms would be one topic.
/// assert_eq!(topics.topic(&Params::from([("orgId", "a:b"), ("docId", "")])), None);
/// ```
#[derive(Clone, Debug)]
pub struct Topics {
    channel: &'static str,
    names: Vec<Box<str>>,
}

/// What an event that carries a message is called.
pub(super) const MESSAGE: &str = "message";

impl Topics {
    /// Those of a channel whose params have these names; in this order they stand in the topic.
    pub fn of<C: Channel>(names: impl IntoIterator<Item = &'static str>) -> Self {
        Self { channel: C::NAME, names: names.into_iter().map(Into::into).collect() }
    }

    /// The topic of a room; `None` when it has none, since its params have other names, or colons in other places than the
    /// last.
    pub fn topic(&self, params: &Params) -> Option<String> {
        let mut topic = self.channel.to_owned();
        for (index, name) in self.names.iter().enumerate() {
            let value = params.get(name)?;
            if value.contains(':') && index + 1 < self.names.len() {
                return None;
            }
            topic.push(':');
            topic.push_str(value);
        }
        (params.len() == self.names.len()).then_some(topic)
    }

    /// The room of a topic; `None` when it is none of these.
    pub fn params(&self, topic: &str) -> Option<Params> {
        let rest = topic.strip_prefix(self.channel)?;
        if self.names.is_empty() {
            return rest.is_empty().then(Params::new);
        }
        let values: Vec<&str> = rest.strip_prefix(':')?.splitn(self.names.len(), ':').collect();
        (values.len() == self.names.len()).then(|| self.names.iter().map(|name| &**name).zip(values).collect())
    }

    /// The channel to mount: `Mount::channels(…).channel(…)`, on a hub whose state is a [`Host`] that knows these topics.
    pub fn channel<S: 'static, X: 'static, D: 'static>(&self) -> channel::Channel<Host<S, X, D>> {
        let pattern = if self.names.is_empty() { self.channel.to_owned() } else { format!("{}:*", self.channel) };
        let (to_join, to_send) = (self.clone(), self.clone());
        channel::Channel::new(&pattern)
            .join(move |socket, join| to_join.join(socket, &join))
            .on(MESSAGE, move |socket: &mut Socket<'_, Host<S, X, D>>, event| to_send.message(socket, &event))
    }

    pub(super) fn is_of(&self, channel: &str) -> bool {
        self.channel == channel
    }

    fn join<S: 'static, X: 'static, D: 'static>(
        &self,
        socket: &mut Socket<'_, Host<S, X, D>>,
        join: &Join<'_>,
    ) -> Result<Reply, Refuse> {
        let params = self.params(join.topic).ok_or_else(|| Refuse::reason("not all params were given"))?;
        let data = data(join.payload).ok_or_else(|| Refuse::reason("the payload is no JSON that can be read"))?;
        let (host, mut hub) = socket.split();
        let context = host.enter(&mut hub, self.channel, params, data).map_err(|error| Refuse::json(&told(&error)))?;
        socket.set_state(Context(context));
        Ok(Reply::empty())
    }

    fn message<S: 'static, X: 'static, D: 'static>(
        &self,
        socket: &mut Socket<'_, Host<S, X, D>>,
        event: &Event<'_>,
    ) -> Result<(), CommandError> {
        let context = socket.state::<Context>().and_then(|Context(context)| context.clone());
        let (Some(params), Some(data)) = (self.params(event.topic), data(event.payload)) else {
            let error = serde_json::json!({ "reason": "the payload is no JSON that can be read", "fault": "client" });
            return socket.reply_with("error", error);
        };
        let message = ForwardedMessage {
            params,
            channel: self.channel.into(),
            data: Some(data),
            context: context.as_ref().map(RawBuf::as_raw),
        };
        let (host, mut hub) = socket.split();
        match host.process(&mut hub, &message) {
            Ok(()) => socket.reply(serde_json::json!({})),
            Err(error) => socket.reply_with("error", AsJson(told(&error))),
        }
    }
}

/// What the server knows of who joined.
struct Context(Option<RawBuf>);

/// JSON is ION, but for keys that no reader takes.
fn data(payload: Payload<'_>) -> Option<Raw<'_>> {
    Raw::new(payload.json()?.as_str()).ok()
}

fn told(error: &MessageError<'_>) -> serde_json::Value {
    serde_json::json!({ "reason": error.message, "fault": error.fault.as_str() })
}
