//! The server: answers clients that want into rooms or call procedures, and the Sidekick that brings their messages.
//!
//! A state machine. The host hands it whole HTTP requests, each with a number of the host's own, and performs what
//! [`poll_output`](Server::poll_output) says: answers to those requests, and calls to the Sidekick, whose results come back by
//! [`handle_response`](Server::handle_response). (`chanson_std::covenant` does all of that.)
//!
//! ```
//! use chanson_core::covenant::connection::{Answer, HttpServerToSidekick};
//! use chanson_core::covenant::contract::{Channel, Contract, Fault, Kind, Procedure};
//! use chanson_core::covenant::server::{Output, RequestId, Server};
//! use chanson_core::{http::Request, time::Instant};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct Room { room_id: String }
//! #[derive(Serialize, Deserialize)]
//! struct Login { token: String }
//! #[derive(Serialize, Deserialize)]
//! #[serde(rename_all = "camelCase")]
//! struct User { user_id: String }
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
//!     type Context = User;
//! }
//!
//! struct Count;
//! impl Procedure for Count {
//!     const NAME: &str = "count";
//!     const KIND: Kind = Kind::Mutation;
//!     type Input = ();
//!     type Output = u32;
//! }
//!
//! let contract = Contract::new().channel::<Chat>()?.procedure::<Count>()?;
//! let sidekick = HttpServerToSidekick::new("http://127.0.0.1:3001", "s1")?;
//! // The application's state is a number here; every handler can reach it.
//! let mut server = Server::<u32>::builder(contract).seed([7; 32]).secret("s2").build(sidekick)?;
//! server.define_channel::<Chat>(
//!     |client, login| match login.token.as_str() {
//!         "bad" => Err(client.reject("Invalid token", Fault::Client)),
//!         token => Ok(User { user_id: token.to_owned() }),
//!     },
//!     |message, say| {
//!         let said = Said { sender_id: message.context().user_id.clone(), text: say.text };
//!         Ok(message.send_message::<Chat>(message.params(), &said)?)
//!     },
//! )?;
//! server.define_procedure::<Count>(
//!     |call, ()| {
//!         *call.app() += 1;
//!         Ok(*call.app())
//!     },
//!     |_| vec!["count".to_owned()],
//! )?;
//! server.assert_all_defined()?;
//!
//! // What a host does, with the sockets left out.
//! let (now, mut count) = (Instant::ORIGIN, 0);
//! let body = r#"{ "channel": "chat", "params": { "roomId": "room1" }, "data": { "token": "ann" } }"#;
//! let request = Request::new("POST", "/api/covenant?type=connect", &[], body.as_bytes());
//! server.handle_request(now, &mut count, RequestId(1), &request);
//!
//! let Some(Output::Call { id, request, .. }) = server.poll_output() else { panic!("the Sidekick is told first") };
//! assert_eq!(request.url().as_str(), "http://127.0.0.1:3001/connection");
//! server.handle_response(now, id, Ok(&Answer::new(200, "OK")));
//!
//! let Some(Output::Respond { id, response }) = server.poll_output() else { panic!("then the client") };
//! assert_eq!((id, response.status()), (RequestId(1), 200));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Answers later
//!
//! A handler whose answer needs a database puts it off: it takes a promise by `defer`, gives it to whoever asks the database,
//! and fails with it (`Err(deferred.into())`). The answer is given by [`Server::answer_connection`],
//! [`Server::answer_message`] or [`Server::answer_procedure`]. Nobody else waits for that.
//!
//! # What is answered
//!
//! As the npm package `@covenant-rpc/server` 2.3.0 answers, with its statuses and words, but:
//!
//! - when the Sidekick does not take a new connection, the client is told an error with fault `server`;
//! - a procedure or a message whose own messages do not reach the Sidekick fails with fault `server`;
//! - `?type=channel` without the secret is 401, an unreadable call of a procedure 400, an unknown `?type=` 404;
//! - params that the channel's type does not have are refused;
//! - a body that is too long is 413, a POST without any 411, and 503 is the answer when too many requests wait.
//!
//! The Sidekick being away ends nothing else.

mod builder;
mod calls;
mod conclude;
mod define;
mod failure;
mod finish;
mod output;
mod requests;
mod scope;
mod words;

use std::collections::{BTreeMap, VecDeque};
use std::fmt;

pub use self::builder::{Builder, Config, NoSeed};
pub use self::calls::{CallId, SidekickError, To};
pub use self::conclude::Deferred;
pub use self::failure::{Failure, error, reject};
pub use self::output::{Incident, Output, RequestId, SendId};
pub use self::scope::{Call, Connecting, Done, Message, SendError};

use self::calls::{Job, Jobs};
use self::conclude::Later;
use self::define::{ChannelDefinition, Generators, ProcedureDefinition};
use self::finish::Then;
use crate::covenant::connection::{Answer, CallError, ServerToSidekick};
use crate::covenant::contract::{Channel, Contract, ContractError, Params, Procedure};
use crate::covenant::protocol::ForwardedMessage;
use crate::covenant::secret::Secret;
use crate::http::Request;
use crate::quietly;
use crate::random::Random;
use crate::time::Instant;

/// A server, of a contract's channels and procedures.
///
/// `S` is the application's state, `X` what the context generator makes of a call, `D` what is derived from that.
pub struct Server<S = (), X = (), D = ()> {
    contract: Contract,
    config: Config,
    secret: Option<Secret>,
    sidekick: Box<dyn ServerToSidekick>,
    generators: Generators<S, X, D>,
    channels: BTreeMap<&'static str, ChannelDefinition<S>>,
    procedures: BTreeMap<&'static str, ProcedureDefinition<S, X, D>>,
    on_incident: Option<Box<OnIncident>>,
    jobs: Jobs<Then>,
    later: Later,
    /// How many requests have run a handler.
    tickets: u64,
    outputs: VecDeque<Output>,
    random: Random,
    /// How many messages were sent by `send_message`.
    sends: u64,
    now: Instant,
}

type OnIncident = dyn Fn(&Incident<'_>) + Send;

impl<S: 'static> Server<S> {
    /// A server to be made.
    pub fn builder(contract: Contract) -> Builder<S> {
        Builder::new(contract)
    }
}

impl<S: 'static, X: 'static, D: 'static> Server<S, X, D> {
    /// Says what a channel does: who may come in, and what becomes of what they send.
    ///
    /// `on_connect` gives what the server wants to know again with each message of that client, or fails by
    /// [`reject`](Connecting::reject); `on_message` may fail by [`error`](Message::error).
    ///
    /// # Errors
    /// The contract has no such channel, or it is defined already.
    pub fn define_channel<C: Channel>(
        &mut self,
        on_connect: impl Fn(&mut Connecting<'_, S, C>, C::ConnectionRequest) -> Result<C::Context, Failure> + Send + 'static,
        on_message: impl Fn(&mut Message<'_, S, C>, C::ClientMessage) -> Result<(), Failure> + Send + 'static,
    ) -> Result<(), ContractError> {
        check(C::NAME, self.contract.has_channel(C::NAME), self.channels.contains_key(C::NAME))?;
        self.channels.insert(C::NAME, ChannelDefinition::new::<C, _, _>(on_connect, on_message));
        Ok(())
    }

    /// Says what a procedure does, and which resources it has then looked at (a query) or changed (a mutation: whoever listens
    /// to them is told).
    ///
    /// # Errors
    /// The contract has no such procedure, or it is defined already.
    pub fn define_procedure<P: Procedure>(
        &mut self,
        procedure: impl Fn(&mut Call<'_, S, X, D>, &P::Input) -> Result<P::Output, Failure> + Send + 'static,
        resources: impl Fn(Done<'_, P::Input, X, P::Output>) -> Vec<String> + Send + 'static,
    ) -> Result<(), ContractError> {
        let declared = self.contract.procedure_kind(P::NAME) == Some(P::KIND);
        check(P::NAME, declared, self.procedures.contains_key(P::NAME))?;
        self.procedures.insert(P::NAME, ProcedureDefinition::new::<P, _, _>(procedure, resources));
        Ok(())
    }

    /// Whether all that is in the contract is defined: what is not is answered "not found".
    ///
    /// # Errors
    /// The first that is not, by name.
    pub fn assert_all_defined(&self) -> Result<(), ContractError> {
        let procedures = self.contract.procedures().map(|(name, _)| name);
        if let Some(name) = procedures.into_iter().find(|name| !self.procedures.contains_key(name)) {
            return Err(ContractError::ProcedureNotDefined(name));
        }
        match self.contract.channels().find(|name| !self.channels.contains_key(name)) {
            Some(name) => Err(ContractError::ChannelNotDefined(name)),
            None => Ok(()),
        }
    }

    /// A whole request has come. It is answered by one [`Output::Respond`] with its `id`, now or when the Sidekick has
    /// answered. The path does not matter: what is here is for the host to say.
    pub fn handle_request(&mut self, now: Instant, app: &mut S, id: RequestId, request: &Request<'_>) {
        self.tick(now);
        self.route(app, id, request);
    }

    /// A message of a client has come by another way than HTTP, from a Sidekick in the same program say. One
    /// [`Output::Processed`] with its `id` follows.
    pub fn process_channel_message(
        &mut self,
        now: Instant,
        app: &mut S,
        id: RequestId,
        message: &ForwardedMessage<'_>,
    ) {
        self.tick(now);
        self.process(app, finish::Way::Direct(id), message);
    }

    /// Sends a message to all who are in a room. One [`Output::Sent`] follows, when it has arrived at the Sidekick or could
    /// not. Messages that are under way at the same time may overtake one another; within a handler they do not.
    ///
    /// # Errors
    /// See [`SendError`]; nothing is sent.
    pub fn send_message<C: Channel>(
        &mut self,
        now: Instant,
        params: &C::Params,
        message: &C::ServerMessage,
    ) -> Result<SendId, SendError> {
        self.tick(now);
        if self.is_full() {
            return Err(SendError::Full);
        }
        let body = scope::encode::<C>(params, message, &Params::new())?;
        let id = SendId(self.sends);
        self.sends += 1;
        self.begin(Job { steps: [(To::Message, body)].into(), then: Then::Sent(id) });
        Ok(id)
    }

    /// A call has its result. One that nobody waits for any more changes nothing.
    pub fn handle_response(&mut self, now: Instant, id: CallId, result: Result<&Answer, CallError>) {
        self.tick(now);
        if let Some(progress) = self.jobs.resume(self.now, &*self.sidekick, id, result) {
            self.proceed(progress);
        }
    }

    /// Time has passed: calls that are late count as not answered, and answers that were put off for too long as failures.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.tick(now);
        while let Some(id) = self.jobs.late(self.now) {
            self.handle_response(now, id, Err(CallError::TimedOut));
        }
        self.expire();
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) at the latest; `None`: nothing is waited for.
    pub fn poll_timeout(&self) -> Option<Instant> {
        [self.jobs.deadline(), self.later.deadline()].into_iter().flatten().min()
    }

    /// What to do next. To be called until it is `None`, after each turn.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// How many requests wait for the Sidekick or were put off, and messages of [`send_message`](Self::send_message) are under
    /// way; a server that is to end takes no more requests and waits until this is 0.
    pub fn waiting(&self) -> usize {
        self.jobs.len() + self.later.len()
    }

    /// What it serves.
    pub const fn contract(&self) -> &Contract {
        &self.contract
    }

    fn is_full(&self) -> bool {
        self.waiting() >= self.config.waiting
    }

    fn tick(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    fn report(&self, place: &str, text: &str) {
        if let Some(hear) = &self.on_incident {
            // It may panic; nobody can be told of that.
            quietly(|| hear(&Incident { place, text }));
        }
    }
}

const fn check(name: &'static str, declared: bool, defined: bool) -> Result<(), ContractError> {
    match declared {
        true if defined => Err(ContractError::Twice(name)),
        true => Ok(()),
        false => Err(ContractError::NotDeclared(name)),
    }
}

impl<S, X, D> fmt::Debug for Server<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.jobs.len() + self.later.len();
        f.debug_struct("Server").field("contract", &self.contract).field("waiting", &waiting).finish_non_exhaustive()
    }
}
