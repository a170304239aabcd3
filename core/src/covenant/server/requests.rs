//! What comes by HTTP: which kind of request it is, and what its handler makes of it.

use super::conclude::{Asked, Deferred, Made};
use super::define::guard;
use super::failure::Failed;
use super::finish::Way;
use super::scope::{Effects, Headers, Origin, Scope};
use super::{RequestId, Server, words};
use crate::covenant::contract::{Fault, Kind, Params};
use crate::covenant::protocol::{ConnectionRequest, DecodeError, ForwardedMessage, ProcedureRequest};
use crate::http::{Request, Response};

impl<S: 'static, X: 'static, D: 'static> Server<S, X, D> {
    pub(super) fn route(&mut self, app: &mut S, id: RequestId, request: &Request<'_>) {
        if let Some(refusal) = self.check(request) {
            return self.respond(id, refusal);
        }
        // As fetch reads a body: without a byte order mark, and what is no UTF-8 becomes U+FFFD.
        let body = String::from_utf8_lossy(request.body());
        let body = body.strip_prefix('\u{feff}').unwrap_or(&body);
        let kind = request.query_params().find(|(name, _)| name == "type");
        match kind.as_ref().map_or("procedure", |(_, kind)| &**kind) {
            "connect" => self.connect(app, id, request, body),
            "procedure" => self.procedure(app, id, request, body),
            "channel" => self.channel(app, id, request, body),
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
            () if self.is_full() => Some(Response::text(503, "Too many requests are waiting")),
            () => None,
        }
    }

    fn connect(&mut self, app: &mut S, id: RequestId, request: &Request<'_>, body: &str) {
        let ConnectionRequest { channel, params, data } = match ConnectionRequest::decode(body) {
            Ok(asked) => asked,
            Err(error) => return self.unreadable(id, "Invalid connection request", &error, body),
        };
        let mut effects = self.effects(params.clone());
        let scope = Scope { app, effects: &mut effects, now: self.now };
        let context = match self.channels.get(&*channel) {
            Some(definition) => guard(|| (definition.connect)(scope, request, &params, data)),
            None => Err(Failed::Refused(format!("Channel {channel} not found"), Fault::Server)),
        };
        let asked = Asked::Connection { id, channel: channel.into_owned(), params };
        self.conclude(asked, effects, context.map(Made::Context));
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
        let mut effects = self.effects(Params::new());
        let scope = Scope { app, effects: &mut effects, now: self.now };
        let origin = Origin { request, procedure: &procedure, inputs };
        let (outcome, kind) = match self.procedures.get(&*procedure) {
            Some(definition) => {
                let outcome = guard(|| (definition.run)(scope, origin, &mut headers, &self.generators));
                (outcome, definition.kind)
            }
            None => (Err(Failed::Coded(format!("Procedure {procedure} not found"), 404)), Kind::Query),
        };
        let asked = Asked::Procedure { id, procedure: procedure.into_owned(), kind, headers };
        self.conclude(asked, effects, outcome.map(Made::Outcome));
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
        let mut effects = self.effects(message.params.clone());
        let scope = Scope { app, effects: &mut effects, now: self.now };
        let channel = &*message.channel;
        let result = match self.channels.get(channel) {
            Some(definition) => guard(|| (definition.message)(scope, &message.params, message.data, message.context)),
            None => Err(Failed::Refused(format!("Channel {channel} not found"), Fault::Server)),
        };
        let asked = Asked::Message { way, channel: channel.to_owned() };
        self.conclude(asked, effects, result.map(|()| Made::Nothing));
    }

    fn effects(&mut self, given: Params) -> Effects {
        self.tickets += 1;
        Effects::new(self.config.sends_per_request, given, Deferred::new(self.tickets))
    }

    fn unreadable(&mut self, id: RequestId, what: &str, error: &DecodeError, body: &str) {
        self.oops(id, &words::unreadable(what, error, body));
    }
}
