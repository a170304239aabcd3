//! Heads of requests and of answers to an upgrade.

use chanson_core::http::{Request, Response};
use chanson_core::session::{Event, Session};
use tungstenite::handshake::derive_accept_key;

use super::session::{at, client, config, pending};
use super::variant;

/// Requests, one behind the other. Each that is accepted is a request in the strictest reading: written again in the
/// plainest form it is the same request.
pub fn http_request(data: &[u8]) {
    let (requests, mut session) = serve(data);
    for request in &requests {
        let (again, _) = serve(&request.write());
        assert_eq!(again, std::slice::from_ref(request), "read, written and read");
    }
    // What is sent is a response to each, and perhaps one that refuses the next, or says to go on.
    let sent = pending(&mut session);
    let responses = sent.windows(9).filter(|window| window == b"HTTP/1.1 ").count();
    assert!(responses >= requests.len() && responses <= 2 * requests.len() + 2, "{responses}");
    session.handle_eof(at(2));
    while session.poll_event().is_some() {}
    session.handle_eof(at(2));
    while session.poll_event().is_some() {}
    assert!(session.is_finished());
}

/// What a server answers to our upgrade. The first byte says whether a subprotocol was asked for.
pub fn http_response(data: &[u8]) {
    let Some((choice, bytes)) = variant(data) else { return };
    let mut session = client(if choice & 1 == 1 { &["phoenix", "other"] } else { &[] });
    let request = String::from_utf8(pending(&mut session)).expect("the request is text");
    let (_, key) = request.split_once("Sec-WebSocket-Key: ").expect("it has a key");
    let accept = derive_accept_key(key.split("\r\n").next().unwrap_or_default().as_bytes());
    session.advance(at(1), request.len());
    session.handle_bytes(at(1), bytes);
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let (mut answers, mut ends) = (0, 0);
    for now in 1..4 {
        while let Some(event) = session.poll_event() {
            assert_eq!(ends, 0, "nothing stands behind the end");
            match event {
                Event::Open { protocol } => {
                    answers += 1;
                    assert!(contains(&accept) && contains("HTTP/1.1 101"), "agreed to what nobody said");
                    match protocol {
                        None => assert_eq!(choice & 1, 0),
                        Some(protocol) => assert!(choice & 1 == 1 && ["phoenix", "other"].contains(&protocol)),
                    }
                }
                Event::Refused(head) => {
                    answers += 1;
                    assert!((200..1000).contains(&head.status()));
                }
                Event::Closed(_) => ends += 1,
                _ => assert_eq!(answers, 1, "a message before the answer"),
            }
        }
        session.handle_eof(at(now));
    }
    assert!(session.is_finished() && answers <= 1 && ends == 1);
}

/// The requests that a session takes from these bytes, each answered at once, and the session.
fn serve(bytes: &[u8]) -> (Vec<Owned>, Session) {
    let mut session = Session::server(at(0), &config());
    session.handle_bytes(at(1), bytes);
    let mut requests = Vec::new();
    loop {
        match session.poll_event() {
            Some(Event::Request(request)) => {
                requests.push(Owned::check(&request));
                session.respond(at(1), &Response::new(204)).expect("it is pending");
            }
            Some(Event::Closed(_)) => assert!(session.poll_event().is_none(), "nothing stands behind the end"),
            Some(event) => panic!("not upgraded: {event:?}"),
            None => return (requests, session),
        }
    }
}

/// A request without what says how long its body is.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Owned {
    method: String,
    target: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Owned {
    fn check(request: &Request<'_>) -> Self {
        let count = |wanted: &str| request.headers().filter(|(name, _)| name.eq_ignore_ascii_case(wanted)).count();
        let is_token =
            |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':');
        assert!(is_token(request.method()) && request.target().bytes().all(|byte| byte.is_ascii_graphic()));
        assert!(count("host") <= 1 && count("content-length") + count("transfer-encoding") <= 1);
        assert!(request.headers().count() <= 20 && request.body().len() <= 1000);
        assert!(request.body().is_empty() || count("content-length") + count("transfer-encoding") == 1);
        for (name, value) in request.headers() {
            assert!(is_token(name), "{name}");
            assert!(value.iter().all(|byte| *byte == b'\t' || !byte.is_ascii_control()), "{name}");
        }
        if request.websocket().is_ok() {
            assert_eq!((request.method(), count("sec-websocket-key"), count("sec-websocket-version")), ("GET", 1, 1));
            assert_eq!(count("host"), 1);
        }
        assert!(request.target().contains(request.path()) || request.path() == "/");
        assert!(request.target().ends_with(request.query()));
        let framing = ["content-length", "transfer-encoding", "expect"];
        let headers =
            request.headers().filter(|(name, _)| !framing.iter().any(|known| name.eq_ignore_ascii_case(known)));
        Self {
            method: request.method().into(),
            target: request.target().into(),
            headers: headers.map(|(name, value)| (name.into(), value.into())).collect(),
            body: request.body().into(),
        }
    }

    /// Of HTTP/1.0 if there is no Host.
    fn write(&self) -> Vec<u8> {
        let has_host = self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("host"));
        let version = if has_host { "HTTP/1.1" } else { "HTTP/1.0" };
        let mut out = format!("{} {} {version}\r\n", self.method, self.target).into_bytes();
        for (name, value) in &self.headers {
            out.extend_from_slice(name.as_bytes());
            out.push(b':');
            out.extend_from_slice(value);
            out.extend_from_slice(b"\r\n");
        }
        if !self.body.is_empty() {
            out.extend_from_slice(format!("Content-Length:{}\r\n", self.body.len()).as_bytes());
        }
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(&self.body);
        out
    }
}
