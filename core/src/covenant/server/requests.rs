//! What comes by HTTP: which kind of request it is, and what its handler makes of it.

use std::borrow::Cow;

use super::calls::{Job, To};
use super::define::guard;
use super::failure::Failed;
use super::finish::{Then, Way};
use super::scope::{Headers, Origin, Scope, Sends};
use super::{RequestId, Server, words};
use crate::covenant::contract::{Fault, Kind};
use crate::covenant::protocol::{
    ConnectionPayload, ConnectionRequest, DecodeError, ForwardedMessage, MessageError, ProcedureRequest,
    ProcedureResponse, ResourceUpdate,
};
use crate::http::{Request, Response};

impl<S: 'static, X: 'static, D: 'static> Server<S, X, D> {
    pub(super) fn route(&mut self, app: &mut S, id: RequestId, request: &Request<'_>) {
        if let Some(refusal) = self.check(request) {
            return self.respond(id, refusal);
        }
        // As fetch reads a body: what is no UTF-8 becomes U+FFFD.
        let body = String::from_utf8_lossy(request.body());
        let kind = request.query_params().find(|(name, _)| name == "type");
        match kind.as_ref().map_or("procedure", |(_, kind)| &**kind) {
            "connect" => self.connect(app, id, request, &body),
            "procedure" => self.procedure(app, id, request, &body),
            "channel" => self.channel(app, id, request, &body),
            _ => self.respond(id, Response::text(404, "Not Found")),
        }
    }

    /// What is wrong with a request whatever it is about.
    fn check(&self, request: &Request<'_>) -> Option<Response> {
        if request.method() != "POST" {
            return Some(Response::text(404, "Covenant servers only handle POST requests"));
        }
        let body = request.body();
        let framed = ["content-length", "transfer-encoding"].iter().any(|name| request.header(name).is_some());
        match () {
            () if body.is_empty() && !framed => Some(Response::text(411, "Length Required")),
            () if body.len() > self.config.max_body => Some(Response::text(413, "Content Too Large")),
            () if self.jobs.is_full() => Some(Response::text(503, "Too many requests are waiting")),
            () => None,
        }
    }

    fn connect(&mut self, app: &mut S, id: RequestId, request: &Request<'_>, body: &str) {
        let ConnectionRequest { channel, params, data } = match ConnectionRequest::decode(body) {
            Ok(asked) => asked,
            Err(error) => return self.unreadable(id, "Invalid connection request", &error, body),
        };
        let mut sends = Sends::new(self.config.sends_per_request);
        let scope = Scope { app, sends: &mut sends, now: self.now };
        let context = match self.channels.get(&*channel) {
            Some(definition) => guard(|| (definition.connect)(scope, request, &params, data)),
            None => Err(Failed::Refused(format!("Channel {channel} not found"), Fault::Server)),
        };
        let context = match context {
            Ok(context) => context,
            Err(Failed::Refused(reason, cause)) => return self.refuse(id, &channel, params, &reason, cause),
            Err(failed) => {
                self.report(&format!("channel {channel}"), failed.message());
                return self.oops(id, failed.message());
            }
        };
        let token = words::token(&mut self.random);
        let payload = ConnectionPayload {
            token: Cow::Borrowed(&token),
            channel: Cow::Borrowed(&channel),
            params: params.clone(),
            context: Some(context.as_raw()),
        };
        match payload.encode() {
            Ok(payload) => {
                let mut steps = messages(sends);
                steps.push((To::Connection, payload));
                let then = Then::Connected { id, channel: channel.into_owned(), params, token };
                self.begin(Job { steps: steps.into(), then });
            }
            Err(error) => self.oops(id, &error.to_string()),
        }
    }

    fn procedure(&mut self, app: &mut S, id: RequestId, request: &Request<'_>, body: &str) {
        let mut headers = Headers::new();
        let ProcedureRequest { procedure, inputs } = match ProcedureRequest::decode(body) {
            Ok(called) => called,
            Err(error) => {
                let why = words::unreadable("Failed to parse body as a ProcedureRequestBody", &error, body);
                return self.fail(id, headers, &format!("Error parsing request body: {why}"), 400);
            }
        };
        let mut sends = Sends::new(self.config.sends_per_request);
        let scope = Scope { app, sends: &mut sends, now: self.now };
        let origin = Origin { request, procedure: &procedure, inputs };
        let (outcome, kind) = match self.procedures.get(&*procedure) {
            Some(definition) => {
                let outcome = guard(|| (definition.run)(scope, origin, &mut headers, &self.generators));
                (outcome, definition.kind)
            }
            None => (Err(Failed::Coded(format!("Procedure {procedure} not found"), 404)), Kind::Query),
        };
        let outcome = match outcome {
            Ok(outcome) => outcome,
            Err(failed) => {
                if matches!(failed, Failed::Thrown(_)) {
                    self.report(&format!("procedure {procedure}"), failed.message());
                }
                return self.fail(id, headers, failed.message(), failed.code());
            }
        };
        let resources: Vec<_> = outcome.resources.into_iter().map(Cow::Owned).collect();
        let update = (kind == Kind::Mutation).then(|| ResourceUpdate { resources: resources.clone() }.encode());
        let answer = ProcedureResponse::Ok { data: Some(outcome.data.as_raw()), resources };
        match (answer.encode(), update.transpose()) {
            (Ok(body), Ok(update)) => {
                let then = Then::Answered { id, procedure: procedure.into_owned(), headers, body, update };
                self.begin(Job { steps: messages(sends).into(), then });
            }
            (Err(error), _) | (_, Err(error)) => self.fail(id, headers, &error.to_string(), 500),
        }
    }

    fn channel(&mut self, app: &mut S, id: RequestId, request: &Request<'_>, body: &str) {
        let shown = request.header("authorization").unwrap_or_default();
        if !self.secret.as_ref().is_some_and(|secret| secret.admits(shown.as_bytes())) {
            return self.respond(id, Response::text(401, "Key didn't match"));
        }
        match ForwardedMessage::decode(body) {
            Ok(message) => self.process(app, Way::Http(id), &message),
            Err(error) => self.unreadable(id, "Invalid channel message", &error, body),
        }
    }

    pub(super) fn process(&mut self, app: &mut S, way: Way, message: &ForwardedMessage<'_>) {
        let mut sends = Sends::new(self.config.sends_per_request);
        let scope = Scope { app, sends: &mut sends, now: self.now };
        let channel = &*message.channel;
        let result = match self.channels.get(channel) {
            Some(definition) => guard(|| (definition.message)(scope, &message.params, message.data, message.context)),
            None => Err(Failed::Refused(format!("Channel {channel} not found"), Fault::Server)),
        };
        match result {
            Ok(()) => self.begin(Job { steps: messages(sends).into(), then: Then::Heard(way) }),
            Err(failed) => {
                if !matches!(failed, Failed::Refused(..)) {
                    self.report(&format!("channel {channel}"), failed.message());
                }
                let error = MessageError { fault: failed.fault(), message: failed.message().to_owned().into() };
                self.heard(way, Err(error));
            }
        }
    }

    fn unreadable(&mut self, id: RequestId, what: &str, error: &DecodeError, body: &str) {
        self.oops(id, &words::unreadable(what, error, body));
    }
}

/// What a handler sent, as the Sidekick is to be told.
fn messages(sends: Sends) -> Vec<(To, String)> {
    sends.bodies.into_iter().map(|body| (To::Message, body)).collect()
}
