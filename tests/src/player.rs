//! Says the client's part of a scenario to a server and compares what the server says.
//!
//! - Text is compared as JSON (see [`crate::json`]); the strings that `vary` names are free, but one recorded
//!   `phx_ref` must stand for one and the same `phx_ref` everywhere.
//! - Order counts within a connection and not between connections.
//! - Of a close frame the code counts, and that the TCP connection ends after it; its reason is free.
//! - Of an HTTP response the status counts, and the headers in `COMPARED` where the scenario has them; every upgrade
//!   must have the right accept key, and a subprotocol only where the scenario has it.
//! - After the last step every connection that is still open is asked for an answer, twice: what arrives before it
//!   and no step expected is a mismatch. Then it is closed, and must be closed by the server in turn.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::time::Duration;

use crate::client::{self, Head, Incoming, Reader};
use crate::json::Json;
use crate::scenario::{Action, Close, Response, Scenario, Step, Text};
use crate::transport::{Received, Transport};

/// How to play.
#[derive(Clone, Debug)]
pub struct Options {
    /// Mounts under another path than the recording's: `("/limited", "/rates")`.
    pub paths: Vec<(String, String)>,
    /// How long to wait for what must come. A generous limit, not an expectation.
    pub patience: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { paths: Vec::new(), patience: Duration::from_secs(10) }
    }
}

/// A server that said something else than the scenario.
#[derive(Debug)]
pub struct Failure {
    /// The scenario's name and what it shows.
    pub scenario: String,
    /// The step, counted from 0, or that it was after the last.
    pub step: String,
    /// What should have come.
    pub expected: String,
    /// What came.
    pub got: String,
    /// All that was said until then.
    pub log: Vec<String>,
    /// The machine let the client wait much longer than it wanted to.
    pub late: bool,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}\n  {}", self.scenario, self.step)?;
        writeln!(f, "  expected  {}\n  got       {}\n  so far:", shortened(&self.expected), shortened(&self.got))?;
        self.log.iter().try_for_each(|line| writeln!(f, "    {line}"))
    }
}

/// Plays a scenario. If it has variants, each is as good as its steps.
/// # Errors: the first mismatch; with variants, that of its steps.
pub fn play<T: Transport>(transport: &mut T, scenario: &Scenario, options: &Options) -> Result<(), Box<Failure>> {
    let first = play_steps(transport, scenario, &scenario.steps, options);
    match first {
        Err(_) if scenario.variants.iter().any(|v| play_steps(transport, scenario, v, options).is_ok()) => Ok(()),
        result => result,
    }
}

fn play_steps<T: Transport>(
    transport: &mut T,
    scenario: &Scenario,
    steps: &[Step],
    options: &Options,
) -> Result<(), Box<Failure>> {
    let start = transport.now();
    let log = Log { start, lines: Vec::new(), late: false };
    let mut player = Player { transport, options, conns: BTreeMap::new(), refs: Refs::default(), log };
    let result = player.all(steps);
    player.cut_all();
    let Log { lines, late, .. } = player.log;
    result.map_err(|(step, mismatch)| {
        Box::new(Failure {
            scenario: format!("{}: {}", scenario.name, scenario.about),
            step,
            expected: mismatch.expected,
            got: mismatch.got,
            log: lines,
            late,
        })
    })
}

struct Player<'a, T: Transport> {
    transport: &'a mut T,
    options: &'a Options,
    conns: BTreeMap<String, Conn<T::Conn>>,
    refs: Refs,
    log: Log,
}

/// A connection and what is known of it.
struct Conn<C> {
    conn: C,
    reader: Reader,
    key: String,
    /// The answer to the request was a WebSocket.
    upgraded: bool,
    dialect: Dialect,
    /// The server's end has come.
    ended: bool,
    close_sent: bool,
    /// The client is within a message or a frame, so that it can say nothing else.
    within: Within,
    last_sent: Duration,
}

#[derive(Clone, Copy, PartialEq)]
enum Dialect {
    V1,
    V2,
    /// No channels: a ping is all that can be asked.
    Plain,
}

#[derive(Clone, Copy, PartialEq)]
enum Within {
    Nothing,
    Message,
    Frame,
}

struct Log {
    start: Duration,
    lines: Vec<String>,
    late: bool,
}

struct Mismatch {
    expected: String,
    got: String,
}

type Check = Result<(), Mismatch>;

fn mismatch<T>(expected: impl Into<String>, got: impl Into<String>) -> Result<T, Mismatch> {
    Err(Mismatch { expected: expected.into(), got: got.into() })
}

impl<T: Transport> Player<'_, T> {
    fn all(&mut self, steps: &[Step]) -> Result<(), (String, Mismatch)> {
        for (n, step) in steps.iter().enumerate() {
            let refused = steps[n + 1..].iter().find(|later| later.conn == step.conn);
            let refused = refused.is_some_and(|later| matches!(later.action, Action::HttpResponse(_)));
            let before = self.transport.now();
            let result = self.step(step, refused);
            let pauses = matches!(step.action, Action::Wait(_) | Action::Quiet(_) | Action::Closed { .. });
            self.log.late |= !pauses && self.transport.now() - before > LATE;
            result.map_err(|e| (format!("step {n}: {}", shortened(&format!("{step:?}"))), e))?;
        }
        self.nothing_else().map_err(|e| ("after the last step".to_owned(), e))?;
        self.say_goodbye().map_err(|e| ("closing after the last step".to_owned(), e))
    }

    fn step(&mut self, step: &Step, refused: bool) -> Check {
        let name = step.conn.as_str();
        match &step.action {
            Action::Open { path, headers, opened } => {
                let path = self.mapped(path);
                let bytes = client::handshake(&path, &self.transport.host(), headers);
                self.request(name, &path, client::KEY, &bytes);
                if refused { Ok(()) } else { self.opened(name, opened) }
            }
            Action::Http(request) => {
                let mut request = request.clone();
                request.path = self.mapped(&request.path);
                let key = request.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-key"));
                let key = key.map(|(_, key)| key.clone()).unwrap_or_default();
                let bytes = client::request(&request, &self.transport.host());
                self.request(name, &request.path, &key, &bytes);
                Ok(())
            }
            Action::HttpResponse(response) => self.response(name, response),
            Action::Send(texts) => {
                let bytes: Vec<u8> = texts.iter().flat_map(|text| client::text(text)).collect();
                self.send(name, &texts.join("  +  "), &bytes)
            }
            Action::SendSplit(text, at) => {
                let bytes = client::text(text);
                let (head, tail) = bytes.split_at(*at);
                self.send(name, &format!("{text} (the first {at} bytes)"), head)?;
                // The server's side of TCP must see two reads, and what it has of the frame is nothing to answer.
                self.transport.wait(SPLIT);
                self.send(name, "(the rest)", tail)
            }
            Action::SendBinary(bytes) => self.send(name, &hex(bytes), &client::data(2, bytes)),
            Action::SendFrame(frame) => {
                let label = format!("frame fin {} rsv {} opcode {}", frame.fin, frame.rsv, frame.opcode);
                self.send(name, &label, &client::frame(frame))?;
                if frame.opcode < 8 {
                    self.conn(name)?.within = if frame.fin { Within::Nothing } else { Within::Message };
                }
                Ok(())
            }
            Action::SendBytes(bytes) => {
                self.send(name, &format!("bytes {}", hex(bytes)), bytes)?;
                self.conn(name)?.within = Within::Frame;
                Ok(())
            }
            Action::SendClose(close) => {
                self.send(name, &format!("close {close:?}"), &client::close(close.as_ref()))?;
                self.conn(name)?.close_sent = true;
                Ok(())
            }
            Action::Drop => match self.incoming(name, Duration::ZERO)? {
                Came::Nothing => {
                    self.log.say(self.transport.now(), name, ">", "(the end of the connection)");
                    self.cut(name);
                    Ok(())
                }
                got => mismatch("nothing before the connection is dropped", got.to_string()),
            },
            Action::Recv(text) => match self.incoming(name, self.options.patience)? {
                Came::Incoming(Incoming::Text(got)) => self.refs.compare(text, &got),
                got => mismatch(text.json.as_str(), got.to_string()),
            },
            Action::RecvBinary(bytes) => self.exactly(name, Incoming::Binary(bytes.clone())),
            Action::RecvPong(bytes) => self.exactly(name, Incoming::Pong(bytes.clone())),
            Action::Closed { code, after } => self.closed(name, *code, *after),
            Action::Quiet(time) => match self.incoming(name, *time)? {
                Came::Nothing => Ok(()),
                got => mismatch(format!("nothing for {} ms", time.as_millis()), got.to_string()),
            },
            Action::Wait(time) => {
                let before = self.transport.now();
                self.transport.wait(*time);
                self.log.late |= self.transport.now() - before > *time + LATE;
                Ok(())
            }
        }
    }

    fn mapped(&self, path: &str) -> String {
        let moved = self.options.paths.iter().find_map(|(from, to)| {
            let rest = path.strip_prefix(from.as_str())?;
            (rest.is_empty() || rest.starts_with(['/', '?'])).then(|| format!("{to}{rest}"))
        });
        moved.unwrap_or_else(|| path.to_owned())
    }

    fn request(&mut self, name: &str, path: &str, key: &str, bytes: &[u8]) {
        self.cut(name);
        let mut conn = self.transport.connect();
        let now = self.transport.now();
        self.log.say(now, name, ">", &String::from_utf8_lossy(bytes));
        self.transport.send(&mut conn, bytes);
        let conn = Conn {
            conn,
            reader: Reader::default(),
            key: key.to_owned(),
            upgraded: false,
            dialect: Dialect::of(path),
            ended: false,
            close_sent: false,
            within: Within::Nothing,
            last_sent: now,
        };
        self.conns.insert(name.to_owned(), conn);
    }

    fn opened(&mut self, name: &str, headers: &BTreeMap<String, String>) -> Check {
        self.response(name, &Response { status: 101, headers: headers.clone(), body: String::new() })
    }

    fn response(&mut self, name: &str, expected: &Response) -> Check {
        let head = self.head(name)?;
        if head.status != expected.status {
            return mismatch(format!("status {}", expected.status), format!("{head:?}"));
        }
        for (header, value) in expected.headers.iter().filter(|(header, _)| is_compared(header, head.status)) {
            if head.headers.get(header) != Some(value) {
                return mismatch(format!("{header}: {value}"), format!("{head:?}"));
            }
        }
        if head.status == 101 { self.upgraded(name, &head, expected) } else { Ok(()) }
    }

    fn upgraded(&mut self, name: &str, head: &Head, expected: &Response) -> Check {
        let conn = self.conn(name)?;
        conn.upgraded = true;
        let accept = client::accept(&conn.key);
        if head.headers.get("sec-websocket-accept") != Some(&accept) {
            return mismatch(format!("sec-websocket-accept: {accept}"), format!("{head:?}"));
        }
        for unasked in ["sec-websocket-protocol", "sec-websocket-extensions"] {
            if head.headers.contains_key(unasked) && !expected.headers.contains_key(unasked) {
                return mismatch(format!("no {unasked}"), format!("{head:?}"));
            }
        }
        Ok(())
    }

    fn head(&mut self, name: &str) -> Result<Head, Mismatch> {
        let deadline = self.transport.now() + self.options.patience;
        loop {
            let now = self.transport.now();
            let conn = find(&mut self.conns, name)?;
            match conn.reader.head() {
                Ok(Some(head)) => {
                    self.log.say(now, name, "<", &format!("{head:?}"));
                    return Ok(head);
                }
                Err(e) => return mismatch("an HTTP response", e),
                Ok(None) => {}
            }
            match self.transport.receive(&mut conn.conn, deadline.saturating_sub(now)) {
                Received::Bytes(bytes) => conn.reader.feed(&bytes),
                Received::End => return mismatch("an HTTP response", "the end of the connection"),
                Received::Nothing if now < deadline => {}
                Received::Nothing => return mismatch("an HTTP response", "nothing"),
            }
        }
    }

    fn send(&mut self, name: &str, label: &str, bytes: &[u8]) -> Check {
        let now = self.transport.now();
        let conn = find(&mut self.conns, name)?;
        self.log.say(now, name, ">", label);
        conn.last_sent = now;
        self.transport.send(&mut conn.conn, bytes);
        Ok(())
    }

    /// What comes next on a connection. Pings are answered and not reported: a server may send them.
    fn incoming(&mut self, name: &str, within: Duration) -> Result<Came, Mismatch> {
        let deadline = self.transport.now() + within;
        loop {
            let now = self.transport.now();
            let conn = find(&mut self.conns, name)?;
            match conn.reader.incoming() {
                Some(Incoming::Ping(payload)) => {
                    self.log.say(now, name, "<", "ping");
                    self.transport.send(&mut conn.conn, &client::data(10, &payload));
                    continue;
                }
                Some(incoming) => {
                    let came = Came::Incoming(incoming);
                    self.log.say(now, name, "<", &came.to_string());
                    return Ok(came);
                }
                None if conn.ended => return Ok(Came::End),
                None => {}
            }
            match self.transport.receive(&mut conn.conn, deadline.saturating_sub(now)) {
                Received::Bytes(bytes) => conn.reader.feed(&bytes),
                Received::End => {
                    self.log.say(now, name, "<", "the end of the connection");
                    conn.ended = true;
                }
                Received::Nothing if now < deadline => {}
                Received::Nothing => return Ok(Came::Nothing),
            }
        }
    }

    fn exactly(&mut self, name: &str, expected: Incoming) -> Check {
        match self.incoming(name, self.options.patience)? {
            Came::Incoming(got) if got == expected => Ok(()),
            got => mismatch(Came::Incoming(expected).to_string(), got.to_string()),
        }
    }

    fn closed(&mut self, name: &str, code: u16, after: Option<Duration>) -> Check {
        let longest = after.unwrap_or_default() * 10 + self.options.patience;
        let got = match self.incoming(name, longest)? {
            Came::Incoming(Incoming::Close(close)) => close.map_or(1005, |close| close.code),
            Came::End => 1006,
            got => return mismatch(format!("closed with {code}"), got.to_string()),
        };
        let waited = self.transport.now() - self.conn(name)?.last_sent;
        if got != code {
            return mismatch(format!("closed with {code}"), format!("closed with {got}"));
        }
        // Recorded to the nearest 100 ms.
        if after.is_some_and(|after| waited + Duration::from_millis(100) < after) {
            return mismatch(format!("closed after {after:?}"), format!("closed after {waited:?}"));
        }
        if !self.conn(name)?.close_sent {
            let answer = Close { code, reason: String::new() };
            self.send(name, "close", &client::close((code != 1005).then_some(&answer)))?;
        }
        self.ends(name)
    }

    /// The TCP connection must end now.
    fn ends(&mut self, name: &str) -> Check {
        match self.incoming(name, self.options.patience)? {
            Came::End => {
                self.cut(name);
                Ok(())
            }
            got => mismatch("the end of the connection", got.to_string()),
        }
    }

    /// Asks every open connection for an answer. Twice, since what one connection said first may be on its way to
    /// another that has already answered.
    fn nothing_else(&mut self) -> Check {
        let names: Vec<String> = self.conns.iter().filter(|(_, conn)| conn.upgraded).map(|c| c.0.clone()).collect();
        for round in 1..=2 {
            for name in &names {
                self.nothing_else_on(name, round)?;
            }
        }
        Ok(())
    }

    fn nothing_else_on(&mut self, name: &str, round: u32) -> Check {
        let conn = self.conn(name)?;
        let answer = match (conn.dialect, conn.within) {
            _ if conn.close_sent => return mismatch("a step that sees the connection closed", "none"),
            (_, Within::Frame) => return Ok(()),
            (Dialect::Plain, _) | (_, Within::Message) => {
                let payload = format!("end-{round}").into_bytes();
                self.send(name, "ping", &client::data(9, &payload))?;
                Incoming::Pong(payload)
            }
            (dialect, Within::Nothing) => {
                let (question, answer) = dialect.heartbeat(&format!("end-{round}"));
                self.send(name, &question, &client::text(&question))?;
                Incoming::Text(answer)
            }
        };
        let got = match self.incoming(name, self.options.patience)? {
            Came::Incoming(got) => got,
            Came::End => return mismatch("a connection that is alive", "the end of the connection"),
            Came::Nothing => return mismatch("a connection that is alive", "no answer"),
        };
        let as_expected = match (&answer, &got) {
            (Incoming::Text(answer), Incoming::Text(got)) => Json::parse(answer) == Json::parse(got),
            (answer, got) => answer == got,
        };
        if as_expected { Ok(()) } else { mismatch("nothing else", format!("on {name}: {}", Came::Incoming(got))) }
    }

    /// Closes what is open, so that the server has forgotten this scenario before the next one.
    fn say_goodbye(&mut self) -> Check {
        let open = self.conns.iter().filter(|(_, conn)| conn.upgraded && conn.within != Within::Frame);
        let open: Vec<String> = open.map(|(name, _)| name.clone()).collect();
        let close = Close { code: 1000, reason: String::new() };
        for name in &open {
            self.send(name, "close", &client::close(Some(&close)))?;
            self.conn(name)?.close_sent = true;
        }
        for name in &open {
            loop {
                // Connections that close tell others of it, presence for one.
                match self.incoming(name, self.options.patience)? {
                    Came::Incoming(Incoming::Close(Some(Close { code: 1000, .. }))) => break,
                    Came::Incoming(Incoming::Text(_) | Incoming::Binary(_)) => {}
                    got => return mismatch("a close frame with 1000", got.to_string()),
                }
            }
            self.ends(name)?;
        }
        Ok(())
    }

    fn conn(&mut self, name: &str) -> Result<&mut Conn<T::Conn>, Mismatch> {
        find(&mut self.conns, name)
    }

    fn cut(&mut self, name: &str) {
        if let Some(conn) = self.conns.remove(name) {
            self.transport.cut(conn.conn);
        }
    }

    fn cut_all(&mut self) {
        while let Some((_, conn)) = self.conns.pop_first() {
            self.transport.cut(conn.conn);
        }
    }
}

fn find<'a, C>(conns: &'a mut BTreeMap<String, Conn<C>>, name: &str) -> Result<&'a mut Conn<C>, Mismatch> {
    conns.get_mut(name).map_or_else(|| mismatch(format!("a connection {name}"), "there is none"), Ok)
}

impl Dialect {
    fn of(path: &str) -> Self {
        let query = path.split_once('?').map_or("", |(_, query)| query);
        let vsn = query.split('&').filter_map(|pair| pair.strip_prefix("vsn=")).next_back();
        match vsn {
            _ if path.starts_with("/echo") => Self::Plain,
            Some(vsn) if vsn.starts_with('2') => Self::V2,
            _ => Self::V1,
        }
    }

    /// A heartbeat and its answer.
    fn heartbeat(self, reference: &str) -> (String, String) {
        let ok = r#"{"status":"ok","response":{}}"#;
        if self == Self::V2 {
            let question = format!(r#"[null,"{reference}","phoenix","heartbeat",{{}}]"#);
            (question, format!(r#"[null,"{reference}","phoenix","phx_reply",{ok}]"#))
        } else {
            let question = format!(r#"{{"topic":"phoenix","event":"heartbeat","payload":{{}},"ref":"{reference}"}}"#);
            (question, format!(r#"{{"topic":"phoenix","event":"phx_reply","payload":{ok},"ref":"{reference}"}}"#))
        }
    }
}

/// Which recorded string that varies stands for which of ours.
#[derive(Default)]
struct Refs {
    ours: HashMap<String, String>,
    theirs: HashMap<String, String>,
}

impl Refs {
    fn compare(&mut self, expected: &Text, got: &str) -> Check {
        let Ok(mut ours) = Json::parse(got) else { return mismatch(expected.json.as_str(), got) };
        let mut theirs = Json::parse(&expected.json).map_err(|at| Mismatch {
            expected: format!("a scenario with JSON in it, not {} (at byte {at})", expected.json),
            got: got.to_owned(),
        })?;
        for pointer in &expected.vary {
            let their = theirs.pointer_mut(pointer).map(|value| std::mem::replace(value, Json::Null));
            let our = ours.pointer_mut(pointer).map(|value| std::mem::replace(value, Json::Null));
            let their = their.and_then(|value| value.as_string()).unwrap_or_default();
            let Some(our) = our.and_then(|value| value.as_string()) else {
                return mismatch(format!("a string at {pointer} as in {}", expected.json), got);
            };
            let same = self.ours.entry(their.clone()).or_insert_with(|| our.clone()) == &our;
            let only = self.theirs.entry(our.clone()).or_insert_with(|| their.clone()) == &their;
            if !same || !only {
                let known = self.ours.get(&their).map_or("", String::as_str);
                return mismatch(format!("the {their} at {pointer} is ours {known} and no other"), got);
            }
        }
        match &expected.verbatim {
            _ if ours != theirs => mismatch(expected.json.as_str(), got),
            Some(part) if !got.contains(part) => mismatch(format!("with exactly {part} in it"), got),
            _ => Ok(()),
        }
    }
}

/// What came on a connection.
enum Came {
    Incoming(Incoming),
    End,
    Nothing,
}

impl fmt::Display for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming(Incoming::Text(text)) => f.write_str(text),
            Self::Incoming(Incoming::Binary(bytes)) => write!(f, "binary {}", hex(bytes)),
            Self::Incoming(Incoming::Ping(bytes)) => write!(f, "ping {}", hex(bytes)),
            Self::Incoming(Incoming::Pong(bytes)) => write!(f, "pong {}", hex(bytes)),
            Self::Incoming(Incoming::Close(None)) => f.write_str("close without a code"),
            Self::Incoming(Incoming::Close(Some(close))) => write!(f, "close {} {:?}", close.code, close.reason),
            Self::Incoming(Incoming::Wrong(wrong)) => write!(f, "what no server may send: {wrong}"),
            Self::End => f.write_str("the end of the connection"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

impl Log {
    fn say(&mut self, now: Duration, name: &str, direction: &str, what: &str) {
        let time = (now - self.start).as_millis();
        self.lines.push(format!("{time:>6} ms  {name} {direction} {}", shortened(what)));
    }
}

fn is_compared(header: &str, status: u16) -> bool {
    // A refusal may or may not name the subprotocol that an acceptance would have had.
    COMPARED.contains(&header) && (status == 101 || header != "sec-websocket-protocol")
}

fn hex(bytes: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(bytes)
}

fn shortened(text: &str) -> String {
    let text = text.escape_debug().to_string().replace("\\\"", "\"");
    if text.len() <= SHORT {
        return text;
    }
    let head: String = text.chars().take(SHORT * 2 / 3).collect();
    let tail: Vec<char> = text.chars().rev().take(SHORT / 3).collect();
    format!("{head} … {} ({} bytes)", tail.into_iter().rev().collect::<String>(), text.len())
}

/// The response headers that are part of the protocol.
const COMPARED: &[&str] = &["sec-websocket-protocol", "sec-websocket-extensions", "sec-websocket-version", "allow"];

/// Between the two writes of a frame that is sent in two.
const SPLIT: Duration = Duration::from_millis(20);

/// More than this over the time that something should take, and the machine was too busy for a test of times.
const LATE: Duration = Duration::from_millis(250);

/// The longest text in a report.
const SHORT: usize = 600;

#[cfg(test)]
mod mirror;
#[cfg(test)]
mod tests;
