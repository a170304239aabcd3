//! Requests to the server, and its answers.
//!
//! Source: `@covenant-rpc/client` 2.1.0 `interfaces/http.js`. As there the body counts and not the status.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::timers::{Due, Timer};
use super::{CallId, Client, CommandError, Event, ListenId, Output, ProcedureError, Returned, Token};
use crate::covenant::connection::{Answer, CallError, Post};
use crate::covenant::contract::{Fault, Params};
use crate::covenant::protocol::{
    ChannelError, ConnectionRequest, ConnectionResponse, ProcedureRequest, ProcedureResponse,
};
use crate::wire::ion::{self, Raw, RawBuf};

/// What is asked for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// A token for the application.
    Connect(Wish),
    /// Another token for a subscription.
    Renew(Token, Wish),
    Query,
    Mutate,
    /// A query that is listened to.
    Fetch(ListenId),
}

/// A channel, its params, and what to ask for it with.
#[derive(Clone, Debug)]
pub(super) struct Wish {
    pub(super) channel: Box<str>,
    pub(super) params: Params,
    pub(super) data: RawBuf,
}

impl Wish {
    pub(super) fn error(&self, fault: Fault, message: impl Into<Cow<'static, str>>) -> ChannelError<'static> {
        let (channel, params) = (self.channel.to_string().into(), self.params.clone());
        ChannelError { channel, params, fault, message: message.into() }
    }

    fn request(&self) -> ConnectionRequest<'_> {
        let (channel, params) = ((&*self.channel).into(), self.params.clone());
        ConnectionRequest { channel, params, data: Some(self.data.as_raw()) }
    }
}

#[derive(Debug)]
struct Call {
    purpose: Purpose,
    timer: Option<Timer>,
}

/// The requests that are not answered.
#[derive(Debug, Default)]
pub(super) struct Calls {
    open: BTreeMap<CallId, Call>,
    /// Those that the application asked for.
    counted: usize,
}

impl Calls {
    pub(super) const fn counted(&self) -> usize {
        self.counted
    }

    /// How many tokens may come.
    pub(super) fn connecting(&self) -> usize {
        self.open.values().filter(|call| matches!(call.purpose, Purpose::Connect(_))).count()
    }

    fn remove(&mut self, id: CallId) -> Option<Call> {
        let call = self.open.remove(&id)?;
        self.counted -= usize::from(call.purpose.is_counted());
        Some(call)
    }
}

impl Purpose {
    const fn is_counted(&self) -> bool {
        matches!(self, Self::Connect(_) | Self::Query | Self::Mutate)
    }
}

impl Client {
    /// Asks for a token.
    pub(super) fn ask_token(&mut self, purpose: fn(Wish) -> Purpose, wish: Wish) -> Result<CallId, CommandError> {
        let body = self.check(wish.request().encode())?;
        let post = self.config.server.connect(body);
        Ok(self.call(purpose(wish), post))
    }

    /// Asks for a token once more; it could be asked for before.
    pub(super) fn ask_again(&mut self, token: Token, wish: Wish) {
        let body = wish.request().encode().expect("it was written before, when the token was asked for first");
        let post = self.config.server.connect(body);
        self.call(Purpose::Renew(token, wish), post);
    }

    /// The request that calls a procedure.
    pub(super) fn procedure_body(&self, procedure: &str, inputs: Raw<'_>) -> Result<String, CommandError> {
        self.check(ProcedureRequest { procedure: procedure.into(), inputs: Some(inputs) }.encode())
    }

    /// Calls a procedure.
    pub(super) fn run(&mut self, purpose: Purpose, body: String) -> CallId {
        let post = self.config.server.procedure(body);
        self.call(purpose, post)
    }

    fn call(&mut self, purpose: Purpose, post: Post) -> CallId {
        let id = CallId(self.next_id());
        let mut timer = None;
        self.timers.set(&mut timer, self.now, self.config.call_timeout, Due::Call(id));
        self.calls.counted += usize::from(purpose.is_counted());
        self.calls.open.insert(id, Call { purpose, timer });
        match self.config.server.answer(self.now, &post) {
            Some(answer) => self.direct.push_back((id, answer)),
            None => self.outputs.push_back(Output::Call { id, post }),
        }
        id
    }

    fn check(&self, body: Result<String, ion::Error>) -> Result<String, CommandError> {
        let (body, max) = (body.map_err(|_| CommandError::NotIon)?, self.config.capacity.send_bytes);
        if body.len() > max {
            return Err(CommandError::TooLarge { len: body.len(), max });
        }
        Ok(body)
    }

    /// A request has come to its end.
    pub(super) fn answered(&mut self, id: CallId, result: Result<&Answer, CallError>) {
        let Some(mut call) = self.calls.remove(id) else { return };
        self.timers.clear(&mut call.timer);
        match call.purpose {
            Purpose::Connect(wish) => {
                let event = match read_token(&wish, result) {
                    Ok(text) => Event::Connected { call: id, token: self.granted(wish, &text) },
                    Err(error) => Event::Refused { call: id, error },
                };
                self.events.push_back(event);
            }
            Purpose::Renew(token, wish) => self.renewed(token, read_token(&wish, result)),
            Purpose::Query => {
                let result = read_returned(result);
                self.events.push_back(Event::Returned { call: id, result });
            }
            Purpose::Mutate => {
                let result = read_returned(result);
                let changed = result.as_ref().map(|returned| returned.resources.clone()).unwrap_or_default();
                self.events.push_back(Event::Returned { call: id, result });
                self.refetch(&changed);
            }
            Purpose::Fetch(listen) => self.fetched(listen, read_returned(result)),
        }
    }

    pub(super) fn call_timed_out(&mut self, id: CallId) {
        self.answered(id, Err(CallError::TimedOut));
    }
}

fn read_token(wish: &Wish, result: Result<&Answer, CallError>) -> Result<String, ChannelError<'static>> {
    let failed = |what: String| wish.error(Fault::Server, format!("Unknown error connecting to channel: {what}"));
    let answer = result.map_err(|error| failed(error.to_string()))?;
    let text = text(answer).map_err(failed)?;
    match ConnectionResponse::decode(text) {
        Ok(response) => response.result.map(Cow::into_owned).map_err(ChannelError::into_owned),
        Err(_) => Err(wish.error(Fault::Server, format!("Bad response from server: {}", shown(text)))),
    }
}

fn read_returned(result: Result<&Answer, CallError>) -> Result<Returned, ProcedureError> {
    let failed = |what: String| ProcedureError::new(400, format!("Unknown error fetching from the server: {what}"));
    let answer = result.map_err(|error| failed(error.to_string()))?;
    let text = text(answer).map_err(failed)?;
    match ProcedureResponse::decode(text) {
        Ok(ProcedureResponse::Ok { data, resources }) => Ok(Returned {
            data: data.unwrap_or(Raw::NULL).to_owned(),
            resources: resources.into_iter().map(Into::into).collect(),
        }),
        Ok(ProcedureResponse::Err { message, code }) => Err(ProcedureError::new(code, message)),
        Err(_) => Err(ProcedureError::new(500, format!("Bad response from server: {}", shown(text)))),
    }
}

/// The body, which is ION.
fn text(answer: &Answer) -> Result<&str, String> {
    let text = std::str::from_utf8(&answer.body).ok().filter(|text| Raw::new(text).is_ok());
    text.ok_or_else(|| format!("the answer is no ION ({})", answer.status_text()))
}

/// The beginning of a text.
fn shown(text: &str) -> &str {
    let end = (0..=text.len().min(200)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
