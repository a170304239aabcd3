//! How a request ends: what is answered when the Sidekick was told all that it has to be, or was not.

use std::borrow::Cow;
use std::collections::BTreeMap;

use super::calls::{Job, Progress, SidekickError, To};
use super::scope::{Headers, ION};
use super::{Output, RequestId, SendId, Server};
use crate::covenant::contract::{Fault, Params};
use crate::covenant::protocol::{ChannelError, ConnectionResponse, MessageError, ProcedureResponse};
use crate::http::Response;
use crate::wire::ion;

/// What is to be done when the Sidekick was told, or was not.
#[derive(Debug)]
pub(super) enum Then {
    /// The client gets its token.
    Connected { id: RequestId, channel: String, params: Params, token: String },
    /// A procedure's answer goes out, and then what has changed.
    Answered { id: RequestId, procedure: String, headers: Headers, body: String, update: Option<String> },
    /// A client's message was heard.
    Heard(Way),
    /// A message of the application.
    Sent(SendId),
    /// Resources have changed: nobody waits for that.
    Updated { procedure: String },
}

/// By which way a client's message came.
#[derive(Clone, Copy, Debug)]
pub(super) enum Way {
    Http(RequestId),
    Direct(RequestId),
}

impl<S: 'static, X: 'static, D: 'static> Server<S, X, D> {
    pub(super) fn begin(&mut self, job: Job<Then>) {
        let progress = self.jobs.begin(self.now, &*self.sidekick, job);
        self.proceed(progress);
    }

    pub(super) fn proceed(&mut self, progress: Progress<Then>) {
        match progress {
            Progress::Call(id, to, request) => self.outputs.push_back(Output::Call { id, to, request }),
            Progress::Done(then, result) => self.finish(then, result),
        }
    }

    fn finish(&mut self, then: Then, result: Result<(), SidekickError>) {
        match then {
            Then::Connected { id, channel, params, token } => match result {
                Ok(()) => {
                    let (channel, token) = (Cow::Owned(channel), Ok(Cow::Owned(token)));
                    let response = ConnectionResponse { channel, params, result: token };
                    self.respond_ion(id, 200, response.encode());
                }
                Err(error) => {
                    self.report(&format!("channel {channel}"), &error.to_string());
                    self.refuse(id, &channel, params, &error.to_string(), Fault::Server);
                }
            },
            Then::Answered { id, procedure, headers, body, update } => match result {
                Ok(()) => {
                    self.respond(id, headers.response(201, body));
                    if let Some(update) = update {
                        let then = Then::Updated { procedure };
                        self.begin(Job { steps: [(To::Resources, update)].into(), then });
                    }
                }
                Err(error) => {
                    self.report(&format!("procedure {procedure}"), &error.to_string());
                    self.fail(id, headers, &error.to_string(), 500);
                }
            },
            Then::Heard(way) => {
                let result = result.map_err(|error| {
                    self.report("message", &error.to_string());
                    MessageError { fault: Fault::Server, message: error.to_string().into() }
                });
                self.heard(way, result);
            }
            Then::Sent(id) => self.outputs.push_back(Output::Sent { id, result }),
            Then::Updated { procedure } => {
                if let Err(error) = result {
                    self.report(&format!("procedure {procedure}"), &error.to_string());
                }
            }
        }
    }

    /// The client is not let in.
    pub(super) fn refuse(&mut self, id: RequestId, channel: &str, params: Params, message: &str, fault: Fault) {
        let error = ChannelError {
            channel: Cow::Borrowed(channel),
            params: params.clone(),
            fault,
            message: Cow::Borrowed(message),
        };
        let response = ConnectionResponse { channel: Cow::Borrowed(channel), params, result: Err(error) };
        self.respond_ion(id, 400, response.encode());
    }

    /// A procedure fails.
    pub(super) fn fail(&mut self, id: RequestId, headers: Headers, message: &str, code: u16) {
        // fetch's Response takes no other status for an answer with a body; the client goes by the code in the body.
        let status = if (200..=599).contains(&code) && !matches!(code, 204 | 205 | 304) { code } else { 500 };
        let body = ProcedureResponse::Err { message: Cow::Borrowed(message), code };
        let response = headers.response(status, body.encode().unwrap_or_default());
        self.respond(id, response);
    }

    /// A client's message was heard, or not.
    pub(super) fn heard(&mut self, way: Way, result: Result<(), MessageError<'static>>) {
        match (way, result) {
            (Way::Http(id), Ok(())) => self.respond(id, Response::new(204)),
            (Way::Http(id), Err(error)) => self.respond_ion(id, 400, error.encode()),
            (Way::Direct(id), result) => self.outputs.push_back(Output::Processed { id, result }),
        }
    }

    /// Something is wrong that has no form of its own.
    pub(super) fn oops(&mut self, id: RequestId, text: &str) {
        self.respond_ion(id, 500, ion::to_string(&BTreeMap::from([("error", text)])));
    }

    fn respond_ion(&mut self, id: RequestId, status: u16, body: Result<String, ion::Error>) {
        let response = match body {
            Ok(body) => Response::new(status).body(ION, body),
            Err(error) => Ok(Response::text(500, &error.to_string())),
        };
        self.respond(id, response.unwrap_or_else(|_| Response::new(500)));
    }

    pub(super) fn respond(&mut self, id: RequestId, response: Response) {
        self.outputs.push_back(Output::Respond { id, response });
    }
}
