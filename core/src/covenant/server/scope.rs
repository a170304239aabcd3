//! What handlers see.

use std::borrow::Cow;
use std::fmt;

use super::conclude::Deferred;
use super::failure::{self, Failure};
use crate::covenant::contract::{Channel, Fault, Params, ParamsError};
use crate::covenant::protocol::ServerMessage;
use crate::http::{HeaderError, Request, Response};
use crate::time::Instant;
use crate::wire::ion::{self, Raw, RawBuf};

/// What every handler can do: reach the application's state, send messages.
pub(super) struct Scope<'a, S> {
    pub(super) app: &'a mut S,
    pub(super) effects: &'a mut Effects,
    pub(super) now: Instant,
}

impl<S> Scope<'_, S> {
    /// The same for a part of the time.
    pub(super) const fn borrow(&mut self) -> Scope<'_, S> {
        Scope { app: self.app, effects: self.effects, now: self.now }
    }
}

/// What a handler has done besides what it makes.
#[derive(Debug)]
pub(super) struct Effects {
    /// Messages that it has sent, as the Sidekick gets them.
    pub(super) bodies: Vec<String>,
    max: usize,
    /// The params of the request, as they came.
    given: Params,
    /// What its promise would be.
    pub(super) ticket: Deferred,
    /// Whether it made one.
    pub(super) deferred: bool,
}

impl Effects {
    pub(super) const fn new(max: usize, given: Params, ticket: Deferred) -> Self {
        Self { bodies: Vec::new(), max, given, ticket, deferred: false }
    }

    fn push<C: Channel>(&mut self, params: &C::Params, message: &C::ServerMessage) -> Result<(), SendError> {
        if self.bodies.len() >= self.max {
            return Err(SendError::Full);
        }
        self.bodies.push(encode::<C>(params, message, &self.given)?);
        Ok(())
    }
}

/// A message to a room, as the Sidekick gets it. To the room of `given` it goes with its params in that order: for the
/// original's Sidekick another order is another room.
pub(super) fn encode<C: Channel>(
    params: &C::Params,
    message: &C::ServerMessage,
    given: &Params,
) -> Result<String, SendError> {
    let params = Params::from_typed(params).map_err(SendError::Params)?;
    let params = if params == *given { given.clone() } else { params };
    let data = RawBuf::from_serialize(message).map_err(|error| SendError::Message(error.kind()))?;
    let message = ServerMessage { channel: Cow::Borrowed(C::NAME), params, data: Some(data.as_raw()) };
    message.encode().map_err(|error| SendError::Message(error.kind()))
}

/// Why a message was not sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendError {
    /// Too many messages wait already, of this handler or of the server.
    Full,
    /// The params do not name a room.
    Params(ParamsError),
    /// The message cannot be written as ION.
    Message(ion::ErrorKind),
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("too many messages wait to be sent"),
            Self::Params(error) => error.fmt(f),
            Self::Message(error) => write!(f, "the message cannot be sent: {error}"),
        }
    }
}

impl std::error::Error for SendError {}

/// A client that wants into a room, as `on_connect` sees it.
pub struct Connecting<'a, S, C: Channel> {
    scope: Scope<'a, S>,
    params: &'a C::Params,
    request: &'a Request<'a>,
}

impl<'a, S, C: Channel> Connecting<'a, S, C> {
    pub(super) const fn new(scope: Scope<'a, S>, params: &'a C::Params, request: &'a Request<'a>) -> Self {
        Self { scope, params, request }
    }

    /// Which room.
    pub const fn params(&self) -> &'a C::Params {
        self.params
    }

    /// The HTTP request that it came with.
    pub const fn request(&self) -> &'a Request<'a> {
        self.request
    }

    /// The failure that refuses the client, with the reason that it is told.
    pub fn reject(&self, reason: impl Into<String>, cause: Fault) -> Failure {
        failure::reject(reason, cause)
    }
}

/// A message of a client, as `on_message` sees it.
pub struct Message<'a, S, C: Channel> {
    scope: Scope<'a, S>,
    params: &'a C::Params,
    context: &'a C::Context,
}

impl<'a, S, C: Channel> Message<'a, S, C> {
    pub(super) const fn new(scope: Scope<'a, S>, params: &'a C::Params, context: &'a C::Context) -> Self {
        Self { scope, params, context }
    }

    /// To which room.
    pub const fn params(&self) -> &'a C::Params {
        self.params
    }

    /// What `on_connect` said of the client.
    pub const fn context(&self) -> &'a C::Context {
        self.context
    }

    /// The failure that tells the client that its message was not taken, and whose fault that is.
    pub fn error(&self, reason: impl Into<String>, cause: Fault) -> Failure {
        failure::reject(reason, cause)
    }
}

/// A call of a procedure, as its handler sees it, and before that the context generator and the derivation (for which what
/// they make is still `()`).
pub struct Call<'a, S, X = (), D = ()> {
    scope: Scope<'a, S>,
    origin: Origin<'a>,
    headers: &'a mut Headers,
    context: &'a X,
    derived: &'a D,
}

/// Where a call comes from.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) request: &'a Request<'a>,
    pub(super) procedure: &'a str,
    pub(super) inputs: Option<Raw<'a>>,
}

impl<'a, S, X, D> Call<'a, S, X, D> {
    pub(super) const fn new(
        scope: Scope<'a, S>,
        origin: Origin<'a>,
        headers: &'a mut Headers,
        context: &'a X,
        derived: &'a D,
    ) -> Self {
        Self { scope, origin, headers, context, derived }
    }

    /// What the context generator made of this call.
    pub const fn ctx(&self) -> &'a X {
        self.context
    }

    /// What the derivation made of that.
    pub const fn derived(&self) -> &'a D {
        self.derived
    }

    /// The HTTP request that it came with: its headers say who calls.
    pub const fn request(&self) -> &'a Request<'a> {
        self.origin.request
    }

    /// The procedure's name.
    pub const fn procedure(&self) -> &'a str {
        self.origin.procedure
    }

    /// What it is called with, as it came.
    pub const fn raw_inputs(&self) -> Option<Raw<'a>> {
        self.origin.inputs
    }

    /// Sets a header of the answer, in the place of one of that name. It stays when the procedure fails.
    ///
    /// # Errors
    /// The name is no token, the value holds control characters, or it is a header that says where the message ends or what
    /// becomes of the connection.
    pub fn set_header(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        self.headers.set(name, value)
    }

    /// Takes a header of the answer away.
    pub fn delete_header(&mut self, name: &str) {
        self.headers.delete(name);
    }

    /// The failure that answers with this message, and with this code as the HTTP status too (500 in the place of what can
    /// be no status of an error's answer).
    pub fn error(&self, message: impl Into<String>, code: u16) -> Failure {
        failure::error(message, code)
    }
}

macro_rules! in_scope {
    ($([$($generics:tt)*] $type:ty;)*) => {$(
        impl<$($generics)*> $type {
            /// The application's own state.
            pub const fn app(&mut self) -> &mut S {
                self.scope.app
            }

            /// Sends a message to all who are in a room. They leave in the order in which they are sent when the handler has
            /// returned; whoever waits for its answer gets it when they have arrived at the Sidekick, and an error with fault
            /// `server` when one does not.
            ///
            /// # Errors
            /// See [`SendError`]; nothing is sent.
            pub fn send_message<T: Channel>(
                &mut self,
                params: &T::Params,
                message: &T::ServerMessage,
            ) -> Result<(), SendError> {
                self.scope.effects.push::<T>(params, message)
            }

            /// Puts the answer off: let the handler fail with this, and answer later. What it has sent until then leaves when
            /// it is answered well.
            pub const fn defer(&mut self) -> Deferred {
                self.scope.effects.deferred = true;
                self.scope.effects.ticket
            }

            /// Now, as the host counts.
            pub const fn now(&self) -> Instant {
                self.scope.now
            }
        }
    )*};
}

in_scope! {
    [S, C: Channel] Connecting<'_, S, C>;
    [S, C: Channel] Message<'_, S, C>;
    [S, X, D] Call<'_, S, X, D>;
}

impl<S, C: Channel> fmt::Debug for Connecting<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connecting").field("channel", &C::NAME).finish_non_exhaustive()
    }
}

impl<S, C: Channel> fmt::Debug for Message<'_, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Message").field("channel", &C::NAME).finish_non_exhaustive()
    }
}

impl<S, X, D> fmt::Debug for Call<'_, S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Call").field("procedure", &self.origin.procedure).finish_non_exhaustive()
    }
}

/// What a procedure has done, as `resources` sees it, which names what it looked at or changed.
#[derive(Debug)]
#[non_exhaustive]
pub struct Done<'a, I, X, O> {
    /// What it was called with.
    pub inputs: &'a I,
    /// What the context generator made of the call.
    pub ctx: &'a X,
    /// What it answers.
    pub outputs: &'a O,
}

impl<'a, I, X, O> Done<'a, I, X, O> {
    pub(super) const fn new(inputs: &'a I, ctx: &'a X, outputs: &'a O) -> Self {
        Self { inputs, ctx, outputs }
    }
}

/// The headers of a procedure's answer.
#[derive(Debug)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    pub(super) fn new() -> Self {
        Self(vec![(CONTENT_TYPE.into(), ION.into())])
    }

    fn set(&mut self, name: &str, value: &str) -> Result<(), HeaderError> {
        let value = value.trim_matches([' ', '\t']);
        Response::new(200).header(name.to_owned(), value.to_owned())?;
        self.delete(name);
        self.0.push((name.into(), value.into()));
        Ok(())
    }

    fn delete(&mut self, name: &str) {
        self.0.retain(|(each, _)| !each.eq_ignore_ascii_case(name));
    }

    /// The response with these headers and this text.
    pub(super) fn response(mut self, status: u16, body: String) -> Response {
        let place = self.0.iter().position(|(name, _)| name.eq_ignore_ascii_case(CONTENT_TYPE));
        // What fetch's Response says of a string when its maker says nothing.
        let kind = place.map_or_else(|| "text/plain;charset=UTF-8".into(), |place| self.0.remove(place).1);
        let response = Response::new(status).body(kind, body);
        let response = self.0.into_iter().fold(response, |response, (name, value)| response?.header(name, value));
        response.expect("headers were checked when they were set")
    }
}

const CONTENT_TYPE: &str = "Content-Type";
pub(super) const ION: &str = "application/json";
