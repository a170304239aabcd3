//! Requests to the server, and its answers.
//!
//! Source: `@covenant-rpc/client` 2.1.0 `interfaces/http.js`. As there the body counts and not the status.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::timers::{Due, Timer};
use super::{CallId, Client, CommandError, Event, ListenId, Output, ProcedureError, Returned, Token};
use crate::covenant::connection::{Answer, CallError};
use crate::covenant::contract::{ChannelError, Fault, Params};
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
    pub(super) fn error(&self, fault: Fault, message: impl Into<String>) -> ChannelError {
        let (channel, params) = (self.channel.to_string(), self.params.clone());
        ChannelError { channel, params, fault, message: message.into() }
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
        let body = ConnectBody { channel: &wish.channel, params: &wish.params, data: wish.data.as_raw() };
        let body = self.encode(&body)?;
        let post = self.config.server.connect(body);
        Ok(self.call(purpose(wish), post))
    }

    /// Asks for a token once more; it could be asked for before.
    pub(super) fn ask_again(&mut self, token: Token, wish: Wish) {
        let body = ConnectBody { channel: &wish.channel, params: &wish.params, data: wish.data.as_raw() };
        let body = self.encode(&body).expect("it was written before, when the token was asked for first");
        let post = self.config.server.connect(body);
        self.call(Purpose::Renew(token, wish), post);
    }

    /// Calls a procedure.
    pub(super) fn run(&mut self, purpose: Purpose, procedure: &str, inputs: Raw<'_>) -> Result<CallId, CommandError> {
        let body = self.encode(&ProcedureBody { procedure, inputs })?;
        let post = self.config.server.procedure(body);
        Ok(self.call(purpose, post))
    }

    fn call(&mut self, purpose: Purpose, post: crate::covenant::connection::Post) -> CallId {
        let id = CallId(self.next_id());
        let mut timer = None;
        self.timers.set(&mut timer, self.now, self.config.call_timeout, Due::Call(id));
        self.calls.counted += usize::from(purpose.is_counted());
        self.calls.open.insert(id, Call { purpose, timer });
        self.outputs.push_back(Output::Call { id, post });
        id
    }

    pub(super) fn encode(&self, value: &impl Serialize) -> Result<String, CommandError> {
        let max = self.config.capacity.send_bytes;
        let text = ion::to_string(value).map_err(|_| CommandError::NotIon)?;
        if text.len() > max {
            return Err(CommandError::TooLarge { len: text.len(), max });
        }
        Ok(text)
    }

    /// A request has come to its end.
    pub(super) fn answered(&mut self, id: CallId, result: Result<&Answer, CallError>) {
        let Some(mut call) = self.calls.remove(id) else { return };
        self.timers.clear(&mut call.timer);
        match call.purpose {
            Purpose::Connect(wish) => {
                let event = match read_token(&wish, result) {
                    Ok(text) => self.granted(wish, &text).map(|token| Event::Connected { call: id, token }),
                    Err(error) => Err(error),
                };
                self.events.push_back(event.unwrap_or_else(|error| Event::Refused { call: id, error }));
            }
            Purpose::Renew(token, wish) => self.renewed(&token, read_token(&wish, result)),
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

#[derive(Serialize)]
struct ConnectBody<'a> {
    channel: &'a str,
    params: &'a Params,
    data: Raw<'a>,
}

#[derive(Serialize)]
struct ProcedureBody<'a> {
    procedure: &'a str,
    inputs: Raw<'a>,
}

/// `channelConnectionResponseSchema`.
#[derive(Deserialize)]
struct ConnectAnswer {
    result: ConnectResult,
}

#[derive(Deserialize)]
struct ConnectResult {
    #[serde(rename = "type")]
    kind: String,
    token: Option<String>,
    error: Option<ChannelError>,
}

/// `procedureResponseSchema`.
#[derive(Deserialize)]
struct ProcedureAnswer {
    status: String,
    data: Option<RawBuf>,
    resources: Option<Vec<Box<str>>>,
    error: Option<ErrorAnswer>,
}

#[derive(Deserialize)]
struct ErrorAnswer {
    message: String,
    code: f64,
}

fn read_token(wish: &Wish, result: Result<&Answer, CallError>) -> Result<String, ChannelError> {
    let failed = |what: String| wish.error(Fault::Server, format!("Unknown error connecting to channel: {what}"));
    let answer = result.map_err(|error| failed(error.to_string()))?;
    let text = text(answer).map_err(&failed)?;
    match ion::from_str(text).map(|ConnectAnswer { result }| result) {
        Ok(ConnectResult { kind, token: Some(token), .. }) if kind == "OK" => Ok(token),
        Ok(ConnectResult { kind, error: Some(error), .. }) if kind == "ERROR" => Err(error),
        _ if Raw::new(text).is_err() => Err(failed(status(answer))),
        _ => Err(wish.error(Fault::Server, format!("Bad response from server: {}", shown(text)))),
    }
}

fn read_returned(result: Result<&Answer, CallError>) -> Result<Returned, ProcedureError> {
    let failed = |what: String| ProcedureError::new(400, format!("Unknown error fetching from the server: {what}"));
    let answer = result.map_err(|error| failed(error.to_string()))?;
    let text = text(answer).map_err(failed)?;
    match ion::from_str(text) {
        Ok(ProcedureAnswer { status, data, resources: Some(resources), .. }) if status == "OK" => {
            Ok(Returned { data: data.unwrap_or_else(|| Raw::NULL.to_owned()), resources })
        }
        Ok(ProcedureAnswer { status, error: Some(error), .. }) if status == "ERR" => {
            // JavaScript's numbers may be anything; what is no status stands for a server's mistake.
            let is_status = (100.0..1000.0).contains(&error.code);
            Err(ProcedureError::new(if is_status { error.code as u16 } else { 500 }, error.message))
        }
        _ if Raw::new(text).is_err() => Err(failed(status(answer))),
        _ => Err(ProcedureError::new(500, format!("Bad response from server: {}", shown(text)))),
    }
}

fn text(answer: &Answer) -> Result<&str, String> {
    std::str::from_utf8(&answer.body).map_err(|_| status(answer))
}

/// What is known of an answer that is no ION.
fn status(answer: &Answer) -> String {
    format!("the answer is no ION ({})", answer.status_text())
}

/// The beginning of a text.
fn shown(text: &str) -> &str {
    let end = (0..=text.len().min(200)).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
