//! A scripted WebSocket client: the handshake, frames, and what came.

use std::collections::VecDeque;

use data_encoding::BASE64;

use super::HttpResponse;
use crate::random::Random;
use crate::ws::{self, Control, Data, Decoder, Role};

/// What came to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incoming {
    /// A text message.
    Text(String),
    /// A binary message.
    Binary(Vec<u8>),
    /// A ping, answered already.
    Ping(Vec<u8>),
    /// A pong.
    Pong(Vec<u8>),
    /// The connection has ended; the last that comes.
    Closed {
        /// The code of the server's close frame: 1005 if it had none, 1006 if there was no such frame.
        code: u16,
        /// Its reason.
        reason: String,
    },
}

/// How far a client has come.
#[derive(Debug)]
enum Stage {
    /// The request is sent; the key in it.
    Handshake(String),
    Refused(HttpResponse),
    Open,
    /// The server's close frame has come, or the transport has ended.
    Closed(u16),
}

#[derive(Debug)]
pub(super) struct WebSocket {
    stage: Stage,
    decoder: Decoder,
    input: Vec<u8>,
    pub(super) inbox: VecDeque<Incoming>,
    /// The response that opened it.
    opened: Option<HttpResponse>,
    /// Whether our close frame is sent.
    closing: bool,
}

impl WebSocket {
    /// A client, and the request that it begins with.
    pub(super) fn new(target: &str, headers: &[(&str, &str)], random: &mut Random) -> (Self, Vec<u8>) {
        let mut key = [0; 16];
        random.fill(&mut key);
        let key = BASE64.encode(&key);
        let mut request = format!("GET {target} HTTP/1.1\r\n");
        let usual = [
            ("Host", "localhost"),
            ("Upgrade", "websocket"),
            ("Connection", "Upgrade"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", &*key),
        ];
        let given = |name: &str| headers.iter().any(|(given, _)| given.eq_ignore_ascii_case(name));
        for (name, value) in usual.iter().filter(|(name, _)| !given(name)).chain(headers) {
            request.push_str(&format!("{name}: {value}\r\n"));
        }
        request.push_str("\r\n");
        let client = Self {
            stage: Stage::Handshake(key),
            decoder: Decoder::new(Role::Client, usize::MAX),
            input: Vec::new(),
            inbox: VecDeque::new(),
            opened: None,
            closing: false,
        };
        (client, request.into_bytes())
    }

    /// Bytes came; appends to `out` what is to be answered.
    pub(super) fn handle_bytes(&mut self, bytes: &[u8], random: &mut Random, out: &mut Vec<u8>) {
        self.input.extend_from_slice(bytes);
        if let Stage::Handshake(_) = self.stage {
            self.handle_response();
        }
        if let Stage::Open = self.stage {
            self.handle_frames(random, out);
        }
    }

    /// The transport has ended.
    pub(super) fn handle_end(&mut self) {
        if let Stage::Handshake(_) | Stage::Open = self.stage {
            self.end(1006, "");
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    pub(super) fn is_undecided(&self) -> bool {
        matches!(self.stage, Stage::Handshake(_))
    }

    pub(super) const fn refusal(&self) -> Option<&HttpResponse> {
        match &self.stage {
            Stage::Refused(response) => Some(response),
            _ => None,
        }
    }

    pub(super) const fn opened(&self) -> Option<&HttpResponse> {
        self.opened.as_ref()
    }

    pub(super) const fn closed(&self) -> Option<u16> {
        match self.stage {
            Stage::Closed(code) => Some(code),
            _ => None,
        }
    }

    /// Whether frames may be sent at all.
    pub(super) fn is_upgraded(&self) -> bool {
        matches!(self.stage, Stage::Open | Stage::Closed(_)) && self.opened.is_some()
    }

    /// Our close frame; sent once.
    pub(super) fn close(&mut self, code: u16, random: &mut Random, out: &mut Vec<u8>) {
        if !std::mem::replace(&mut self.closing, true) {
            ws::close(code, "", Some(mask(random)), out);
        }
    }

    fn handle_response(&mut self) {
        let Some((response, len)) = HttpResponse::parse(&self.input) else { return };
        let Stage::Handshake(key) = &self.stage else { return };
        let accept = tungstenite::handshake::derive_accept_key(key.as_bytes());
        let accepted = response.status == 101 && response.header("sec-websocket-accept") == Some(&accept);
        self.input.drain(..len);
        if accepted {
            (self.stage, self.opened) = (Stage::Open, Some(response));
        } else {
            self.stage = Stage::Refused(response);
        }
    }

    fn handle_frames(&mut self, random: &mut Random, out: &mut Vec<u8>) {
        let mut start = 0;
        let end = loop {
            match self.decoder.decode(&mut self.input[start..]) {
                Ok((used, item)) => {
                    start += used;
                    match item {
                        Some(ws::Incoming::Text(text)) => self.inbox.push_back(Incoming::Text(text.into())),
                        Some(ws::Incoming::Binary(data)) => self.inbox.push_back(Incoming::Binary(data.into())),
                        Some(ws::Incoming::Ping(data)) => {
                            ws::control(Control::Pong, data, Some(mask(random)), out);
                            self.inbox.push_back(Incoming::Ping(data.into()));
                        }
                        Some(ws::Incoming::Pong(data)) => self.inbox.push_back(Incoming::Pong(data.into())),
                        Some(ws::Incoming::Close { code, reason }) => break Some((code, reason.to_owned())),
                        Some(ws::Incoming::Compressed { .. }) | None => break None,
                    }
                }
                // The server broke a rule: as any client, we say so and go.
                Err(error) => break Some((error.code(), error.reason().to_owned())),
            }
        };
        self.input.drain(..start);
        if let Some((code, reason)) = end {
            self.close(code, random, out);
            self.end(code, &reason);
        }
    }

    fn end(&mut self, code: u16, reason: &str) {
        self.stage = Stage::Closed(code);
        self.inbox.push_back(Incoming::Closed { code, reason: reason.into() });
    }
}

/// A data frame.
pub(super) fn message(kind: Data, payload: &[u8], random: &mut Random, out: &mut Vec<u8>) {
    ws::data(kind, payload, Some(mask(random)), out);
}

/// A ping.
pub(super) fn ping(payload: &[u8], random: &mut Random, out: &mut Vec<u8>) {
    ws::control(Control::Ping, payload, Some(mask(random)), out);
}

fn mask(random: &mut Random) -> [u8; 4] {
    let mut key = [0; 4];
    random.fill(&mut key);
    key
}
