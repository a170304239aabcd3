//! What the server says, over HTTP.

use super::{Refusal, Sidekick};
use crate::covenant::protocol::{ConnectionPayload, DecodeError, ResourceUpdate, ServerMessage};
use crate::http::{Request, Response};
use crate::hub::{HttpRequest, PubSub};
use crate::wire::ion::{Error, ErrorKind};

/// Answers `POST /connection`, `/message` and `/resources`; 404 everything else. Give it to `Builder::on_request`, or call it
/// from a hook of your own.
///
/// Source: @covenant-rpc/server 2.3.0 `sidekick/webserver.js`, transcripts `http_*`; beyond it, 411 for a body without a
/// length, 400 for a token or a room with too long a name and 503 for too many tokens.
pub fn handle_request<S: AsMut<Sidekick>>(http: &mut HttpRequest<'_, S>, request: &Request<'_>) -> Option<Response> {
    if request.method() != "POST" || !PATHS.contains(&request.path()) {
        return Some(not_found());
    }
    let (app, mut hub) = http.split();
    let sidekick = app.as_mut();
    if sidekick.config.secret.admits(request.header("authorization").unwrap_or_default().as_bytes()) {
        return Some(sidekick.answer(&mut hub, request));
    }
    sidekick.counts.unauthorized += 1;
    let (delay, refusal) = (sidekick.config.auth_delay, Response::text(401, "Key didn't match"));
    if delay.is_zero() {
        return Some(refusal);
    }
    // Without a ticket nothing is said of the secret: trying many at once shall be no quicker.
    http.answer_after(delay, refusal).err().map(|_| Response::text(503, "Too many requests are waiting").close())
}

const PATHS: [&str; 3] = ["/connection", "/message", "/resources"];

impl Sidekick {
    fn answer(&mut self, hub: &mut PubSub<'_>, request: &Request<'_>) -> Response {
        if request.header("content-length").is_none() && request.header("transfer-encoding").is_none() {
            return Response::text(411, "Length Required");
        }
        match simdutf8::basic::from_utf8(request.body()) {
            Ok(body) => self.handle_post(hub, request.path(), body),
            Err(_) => Response::text(400, "The body is not UTF-8"),
        }
    }

    /// What the server asks, already known to be the server: a body for `/connection`, `/message` or `/resources`. For a
    /// server in this program; over HTTP it is [`handle_request`] that knows the server.
    pub fn handle_post(&mut self, hub: &mut PubSub<'_>, path: &str, body: &str) -> Response {
        let done = match path {
            "/connection" => self.post_connection(hub, body),
            "/message" => ServerMessage::decode(body)
                .map_err(|error| unreadable(body, &error, "Did not recieve message in correct schema"))
                .and_then(|message| self.post_message(hub, &message).map_err(|refusal| refused(413, refusal))),
            "/resources" => self.post_resources(hub, body),
            _ => Err(not_found()),
        };
        done.err().unwrap_or_else(|| Response::text(200, "OK"))
    }

    fn post_connection(&mut self, hub: &PubSub<'_>, body: &str) -> Result<(), Response> {
        let payload = ConnectionPayload::decode(body)
            .map_err(|error| unreadable(body, &error, "Did not recieve payload in correct schema"))?;
        self.add_connection(hub, &payload)
            .map_err(|refusal| refused(if refusal == Refusal::TooManyTokens { 503 } else { 400 }, refusal))
    }

    /// The original reads JSON here and ION elsewhere.
    fn post_resources(&mut self, hub: &mut PubSub<'_>, body: &str) -> Result<(), Response> {
        if serde_json::from_str::<serde::de::IgnoredAny>(body).is_err() {
            return Err(Response::text(400, "Invalid JSON"));
        }
        let update = ResourceUpdate::decode(body).map_err(|_| Response::text(400, "Invalid body schema"))?;
        self.update_resources(hub, &update);
        Ok(())
    }
}

fn refused(status: u16, refusal: Refusal) -> Response {
    Response::text(status, &refusal.to_string())
}

fn not_found() -> Response {
    Response::text(404, "Not Found")
}

fn unreadable(body: &str, error: &DecodeError, schema: &str) -> Response {
    match error {
        DecodeError::Ion(error) => Response::text(400, &format!("Error parsing ION: Error: {}", words(body, error))),
        DecodeError::Schema(_) => Response::text(400, schema),
    }
}

/// As the original's parser says it, for the error that is most frequent.
fn words(body: &str, error: &Error) -> String {
    let found = error.position().and_then(|at| Some((body.get(..at)?, body.get(at..)?.chars().next()?)));
    match found {
        Some((before, found)) if error.kind() == ErrorKind::Unexpected => {
            format!("Unexpected character '{found}' at position {}", before.encode_utf16().count())
        }
        _ => error.to_string(),
    }
}
