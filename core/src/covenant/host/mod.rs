//! One contract, two wires: a server and its Sidekick on one hub, whose channels can also be mounted as Phoenix topics.
//!
//! A [`Host`] is the application state of a hub. Covenant clients find the server at a path of your choice
//! ([`handle_request`]) and the Sidekick at [`mount`]; a channel of the contract stands as [`Topics`] on a channels mount beside
//! them. So clients of both kinds who are in one room talk to each other, and the handlers see no difference:
//!
//! | Phoenix | Covenant |
//! | --- | --- |
//! | topic `chat:room1` | channel `chat`, params `{ roomId: "room1" }` |
//! | join, its payload | connection request; what is refused is `{"reason":…,"fault":…}` |
//! | event `message` to the server | client message; the reply is ok `{}`, or error `{"reason":…,"fault":…}` |
//! | event `message` from the server | server message |
//!
//! Everything happens at once, on the thread of the hub, without HTTP between server and Sidekick. What a server message has
//! that JSON has not is sent to Phoenix clients as JavaScript would write it: dates as strings, sets as arrays, `NaN` as
//! `null`; and maps as objects, or as arrays of pairs if their keys are no strings.
//!
//! ```
//! use chanson_core::covenant::connection::DirectServerToSidekick;
//! use chanson_core::covenant::contract::{Channel, Contract};
//! use chanson_core::covenant::host::{self, Host, Topics};
//! use chanson_core::covenant::{server::Server, sidekick::{Config, Sidekick}};
//! use chanson_core::{Hub, Mount, memory::World};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Room { room_id: String }
//! #[derive(Serialize, Deserialize)]
//! struct Login { token: String }
//! #[derive(Serialize, Deserialize)]
//! struct Say { text: String }
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Said { sender_id: String, text: String }
//!
//! struct Chat;
//! impl Channel for Chat {
//!     const NAME: &str = "chat";
//!     type Params = Room;
//!     type ClientMessage = Say;
//!     type ServerMessage = Said;
//!     type ConnectionRequest = Login;
//!     type Context = String;
//! }
//!
//! let contract = Contract::new().channel::<Chat>()?;
//! let mut server = Server::<()>::builder(contract).seed([1; 32]).build(DirectServerToSidekick)?;
//! server.define_channel::<Chat>(
//!     |_, login| Ok(login.token),
//!     |message, say| {
//!         let said = Said { sender_id: message.context().clone(), text: say.text };
//!         Ok(message.send_message::<Chat>(message.params(), &said)?)
//!     },
//! )?;
//!
//! let topics = Topics::of::<Chat>(["roomId"]);
//! let hub = Hub::builder()
//!     .seed([2; 32])
//!     .mount(Mount::channels("/phoenix").channel(topics.channel()))
//!     .mount(host::mount("/socket"))
//!     .on_request(host::handle_request)
//!     .build()?;
//! let host = Host::new(server, Sidekick::new(Config::new("")), ()).topics(topics);
//! let mut world = World::with_app(hub, host);
//!
//! // Ann has phoenix.js.
//! let ann = world.connect("/phoenix?vsn=2.0.0");
//! world.send(ann, r#"["1","1","chat:room1","phx_join",{"token":"ann"}]"#);
//! // Bob has @covenant-rpc/client.
//! let connect = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "data": { "token": "bob" } }"#;
//! let answer = world.request("POST", "/api/covenant?type=connect", &[], connect.as_bytes()).expect("an answer");
//! let token = answer.text().split('"').rev().nth(1).expect("a token").to_owned();
//! let bob = world.connect("/socket");
//! world.send(bob, &format!(r#"{{ "type": "subscribe", "token": "{token}" }}"#));
//!
//! world.send(ann, r#"["1","2","chat:room1","message",{"text":"hi"}]"#);
//! assert_eq!(world.recv(ann), [
//!     r#"["1","1","chat:room1","phx_reply",{"status":"ok","response":{}}]"#,
//!     r#"[null,null,"chat:room1","message",{ "senderId": "ann", "text": "hi" }]"#,
//!     r#"["1","2","chat:room1","phx_reply",{"status":"ok","response":{}}]"#,
//! ]);
//! assert_eq!(world.recv(bob), [
//!     r#"{ "type": "subscribed", "channel": "chat", "params": { "roomId": "room1" } }"#,
//!     r#"{ "type": "message", "channel": "chat", "params": { "roomId": "room1" }, "data": { "senderId": "ann", "text": "hi" } }"#,
//! ]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod json;
mod topics;

use std::fmt;

pub use self::topics::Topics;
use super::connection::Answer;
use super::contract::{Channel, Fault, Params};
use super::internal::NotSent;

use super::protocol::{
    ConnectionPayload, ConnectionRequest, ConnectionResponse, ForwardedMessage, MessageError, ServerMessage,
};
use super::server::{Output, RequestId, Server, To};
use super::sidekick::{self, Sidekick};
use crate::http::{Request, Response};
use crate::hub::{HttpRequest, Mount, PubSub};
use crate::raw;
use crate::wire::ion::{Raw, RawBuf};

/// A server, its Sidekick and the application's state, on one hub; see the [module](self).
pub struct Host<S = (), X = (), D = ()> {
    server: Server<S, X, D>,
    sidekick: Sidekick,
    app: S,
    topics: Vec<Topics>,
    requests: u64,
}

impl<S: 'static, X: 'static, D: 'static> Host<S, X, D> {
    /// A server and its Sidekick. The server's connection to it has to be
    /// [`DirectServerToSidekick`](super::connection::DirectServerToSidekick).
    pub const fn new(server: Server<S, X, D>, sidekick: Sidekick, app: S) -> Self {
        Self { server, sidekick, app, topics: Vec::new(), requests: 0 }
    }

    /// With a channel that is mounted as topics too.
    #[must_use]
    pub fn topics(mut self, topics: Topics) -> Self {
        self.topics.push(topics);
        self
    }

    /// The application's state.
    pub const fn app(&mut self) -> &mut S {
        &mut self.app
    }

    /// Sends a message to all who are in a room, on both wires.
    ///
    /// # Errors
    /// It cannot be sent, or the Sidekick does not take it.
    pub fn send_message<C: Channel>(
        &mut self,
        hub: &mut PubSub<'_>,
        params: &C::Params,
        message: &C::ServerMessage,
    ) -> Result<(), NotSent> {
        let id = self.server.send_message::<C>(hub.now(), params, message).map_err(NotSent::Send)?;
        let result = self.drain(hub, |output| match output {
            Output::Sent { id: of, result } if of == id => Some(result),
            _ => None,
        });
        result.unwrap_or(Ok(())).map_err(NotSent::Sidekick)
    }

    /// Answers a request to the server.
    pub fn respond(&mut self, hub: &mut PubSub<'_>, request: &Request<'_>) -> Response {
        let id = self.next_request();
        self.server.handle_request(hub.now(), &mut self.app, id, request);
        self.response(hub, id)
    }

    /// Lets somebody into a room, or not, without a token: gives the context.
    fn enter(
        &mut self,
        hub: &mut PubSub<'_>,
        channel: &str,
        params: Params,
        data: Raw<'_>,
    ) -> Result<Option<RawBuf>, MessageError<'static>> {
        let failed = || MessageError { fault: Fault::Server, message: "join crashed".into() };
        let request = ConnectionRequest { channel: channel.into(), params, data: Some(data) };
        let body = request.encode().map_err(|_| failed())?;
        let request = Request::new("POST", "/?type=connect", &[], body.as_bytes());
        let id = self.next_request();
        self.server.handle_request(hub.now(), &mut self.app, id, &request);
        let (mut context, mut response) = (None, None);
        while let Some(output) = self.server.poll_output() {
            match output {
                // The Sidekick need not know: who is in a topic is known by the hub.
                Output::Call { id: call, to: To::Connection, request } => {
                    let payload = ConnectionPayload::decode(request.body()).map_err(|_| failed())?;
                    context = payload.context.map(Raw::to_owned);
                    self.server.handle_response(hub.now(), call, Ok(&Answer::new(200, "OK")));
                }
                Output::Respond { id: of, response: with } if of == id => response = Some(with),
                output => drop(self.perform(hub, output)),
            }
        }
        let response = response.ok_or_else(failed)?;
        let text = std::str::from_utf8(response.bytes()).map_err(|_| failed())?;
        match ConnectionResponse::decode(text).map_err(|_| failed())?.result {
            Ok(_) => Ok(context),
            Err(error) => Err(MessageError { fault: error.fault, message: error.message.into_owned().into() }),
        }
    }

    /// What becomes of a message to a channel.
    fn process(&mut self, hub: &mut PubSub<'_>, message: &ForwardedMessage<'_>) -> Result<(), MessageError<'static>> {
        let id = self.next_request();
        self.server.process_channel_message(hub.now(), &mut self.app, id, message);
        let result = self.drain(hub, |output| match output {
            Output::Processed { id: of, result } if of == id => Some(result),
            _ => None,
        });
        result.unwrap_or_else(|| Err(MessageError { fault: Fault::Server, message: "no answer".into() }))
    }

    /// Brings what Covenant clients have sent to the server.
    fn settle(&mut self, hub: &mut PubSub<'_>) {
        while let Some(call) = self.sidekick.poll_call() {
            let result = match ForwardedMessage::decode(&call.body) {
                Ok(message) => self.process(hub, &message),
                Err(_) => Err(MessageError { fault: Fault::Client, message: "The message cannot be read".into() }),
            };
            self.sidekick.handle_response(hub, call.id, result);
        }
    }

    fn response(&mut self, hub: &mut PubSub<'_>, id: RequestId) -> Response {
        let response = self.drain(hub, |output| match output {
            Output::Respond { id: of, response } if of == id => Some(response),
            _ => None,
        });
        response.unwrap_or_else(|| Response::text(500, "no answer"))
    }

    /// Does all that is to be done, and finds the one thing that is looked for.
    fn drain<T>(&mut self, hub: &mut PubSub<'_>, mut wanted: impl FnMut(Output) -> Option<T>) -> Option<T> {
        let mut found = None;
        while let Some(output) = self.server.poll_output() {
            if let Some(output) = self.perform(hub, output) {
                found = found.or_else(|| wanted(output));
            }
        }
        found
    }

    /// Tells the Sidekick what the server has for it, and Phoenix clients too; gives back what is for somebody else.
    fn perform(&mut self, hub: &mut PubSub<'_>, output: Output) -> Option<Output> {
        let Output::Call { id, to, request } = output else { return Some(output) };
        let path = match to {
            To::Connection => "/connection",
            To::Message => "/message",
            To::Resources => "/resources",
        };
        let response = self.sidekick.handle_post(hub, path, request.body());
        if to == To::Message
            && let Ok(message) = ServerMessage::decode(request.body())
        {
            self.broadcast(hub, &message);
        }
        self.server.handle_response(hub.now(), id, Ok(&Answer::new(response.status(), response.bytes())));
        None
    }

    /// Sends a message to those who are in the room by a topic.
    fn broadcast(&self, hub: &mut PubSub<'_>, message: &ServerMessage<'_>) {
        let Some(topics) = self.topics.iter().find(|topics| topics.is_of(&message.channel)) else { return };
        let Some(topic) = topics.topic(&message.params) else { return };
        if hub.subscriber_count(&topic) == 0 {
            return;
        }
        if let Some(payload) = json::from_ion(message.data.unwrap_or(Raw::NULL)) {
            // Text is always sent; there is nothing else here.
            let _ = hub.broadcast_event(&topic, topics::MESSAGE, payload.as_payload());
        }
    }

    const fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

/// A mount for the WebSockets of Covenant clients, where the hub's state is a [`Host`]; the original has them at `/socket`.
pub fn mount<S: 'static, X: 'static, D: 'static>(path: &str) -> Mount<Host<S, X, D>> {
    sidekick::mount(path)
        .on_text(|raw: &mut raw::Raw<'_, Host<S, X, D>>, text| {
            let conn = raw.conn();
            let (host, mut hub) = raw.split();
            host.sidekick.handle_text(&mut hub, conn, text);
            host.settle(&mut hub);
        })
        .on_binary(|raw: &mut raw::Raw<'_, Host<S, X, D>>, data| {
            let conn = raw.conn();
            let (host, mut hub) = raw.split();
            host.sidekick.handle_binary(&mut hub, conn, data);
            host.settle(&mut hub);
        })
}

/// Answers requests to the server, whatever their path. Give it to `Builder::on_request`, or call it from a hook of your own.
pub fn handle_request<S: 'static, X: 'static, D: 'static>(
    http: &mut HttpRequest<'_, Host<S, X, D>>,
    request: &Request<'_>,
) -> Option<Response> {
    let (host, mut hub) = http.split();
    Some(host.respond(&mut hub, request))
}

impl<S, X, D> AsMut<Sidekick> for Host<S, X, D> {
    fn as_mut(&mut self) -> &mut Sidekick {
        &mut self.sidekick
    }
}

impl<S, X, D> fmt::Debug for Host<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("server", &self.server).field("topics", &self.topics).finish_non_exhaustive()
    }
}
