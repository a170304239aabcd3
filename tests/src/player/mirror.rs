//! The player against a server that does just what a scenario says: every scenario must pass then, and none may when
//! the server does anything else.

use std::collections::VecDeque;

use super::*;
use crate::scenario::Frame;
use crate::{expect, zzz};

/// Says a scenario's server part, each step once the client has done what stands before it.
struct Mirror<'a> {
    steps: &'a [Step],
    /// Which of `steps` each connection begins with, in the order of connecting.
    opens: VecDeque<usize>,
    /// The client's writes so far.
    writes: usize,
    clock: Duration,
}

struct MirrorConn {
    name: String,
    next: usize,
    last_sent: Duration,
    open: bool,
    closed: bool,
    pending: VecDeque<Received>,
}

impl<'a> Mirror<'a> {
    fn new(steps: &'a [Step]) -> Self {
        let opens = (0..steps.len()).filter(|n| opens(&steps[*n])).collect();
        Self { steps, opens, writes: 0, clock: Duration::ZERO }
    }

    /// How many writes of the client come before a step.
    fn writes_before(&self, n: usize) -> usize {
        self.steps[..n].iter().map(writes).sum()
    }

    fn head(&self, conn: &MirrorConn, status: u16, headers: &BTreeMap<String, String>) -> Received {
        let key = match &self.steps[conn.next.saturating_sub(1)].action {
            Action::Http(request) => request.headers.iter().find(|h| h.0.eq_ignore_ascii_case("sec-websocket-key")),
            _ => None,
        };
        let accept = client::accept(key.map_or(client::KEY, |(_, key)| key));
        let headers = headers.iter().filter(|(name, _)| *name != "sec-websocket-accept");
        let lines: String = headers.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let head = format!("HTTP/1.1 {status} X\r\nSec-WebSocket-Accept: {accept}\r\n{lines}\r\n");
        Received::Bytes(head.into_bytes())
    }

    /// What the server does next on a connection, if it is its turn.
    fn turn(&self, conn: &mut MirrorConn, until: Duration) -> Option<Duration> {
        let rest = conn.next..self.steps.len();
        let own = rest.into_iter().filter(|n| self.steps[*n].conn == conn.name);
        let n = own.take_while(|n| !opens(&self.steps[*n])).find(|n| writes(&self.steps[*n]) == 0)?;
        if self.writes_before(n) > self.writes {
            return None;
        }
        let mut at = self.clock;
        match &self.steps[n].action {
            Action::HttpResponse(response) => {
                conn.pending.push_back(self.head(conn, response.status, &response.headers));
                conn.open = response.status == 101;
            }
            Action::Recv(text) => conn.pending.push_back(server(1, text.json.as_bytes())),
            Action::RecvBinary(bytes) => conn.pending.push_back(server(2, bytes)),
            Action::RecvPong(bytes) => conn.pending.push_back(server(10, bytes)),
            Action::Closed { code, after } => {
                at = at.max(conn.last_sent + after.unwrap_or_default());
                if at > until {
                    return None;
                }
                let code = (*code != 1005).then(|| code.to_be_bytes().to_vec());
                conn.pending.extend([server(8, &code.unwrap_or_default()), Received::End]);
                conn.closed = true;
            }
            _ => {}
        }
        conn.next = n + 1;
        Some(at)
    }
}

impl Transport for Mirror<'_> {
    type Conn = MirrorConn;

    fn connect(&mut self) -> MirrorConn {
        let start = self.opens.pop_front().expect("the scenario opens no more");
        let (name, next, last_sent) = (self.steps[start].conn.clone(), start + 1, self.clock);
        let mut conn = MirrorConn { name, next, last_sent, open: false, closed: false, pending: VecDeque::new() };
        let then = self.steps[next..].iter().find(|step| step.conn == conn.name);
        let answered = then.is_some_and(|step| matches!(step.action, Action::HttpResponse(_)));
        if let (Action::Open { opened, .. }, false) = (&self.steps[start].action, answered) {
            conn.pending.push_back(self.head(&conn, 101, opened));
        }
        conn
    }

    fn send(&mut self, conn: &mut MirrorConn, bytes: &[u8]) {
        conn.last_sent = self.clock;
        let over = self.writes_before(self.steps.len()) == self.writes;
        if !conn.closed && !over {
            self.writes += 1;
        } else if !conn.closed {
            while self.turn(conn, self.clock).is_some() {}
            let bytes = unmasked(bytes);
            let reference =
                String::from_utf8_lossy(&bytes).split('"').find(|s| s.starts_with("end-")).map(str::to_owned);
            match reference {
                Some(reference) => {
                    let dialect = if bytes.starts_with(b"[") { Dialect::V2 } else { Dialect::V1 };
                    conn.pending.push_back(server(1, dialect.heartbeat(&reference).1.as_bytes()));
                }
                None if bytes.starts_with(b"end-") => conn.pending.push_back(server(10, &bytes)),
                None => conn.pending.extend([server(8, &bytes), Received::End]),
            }
        }
    }

    fn receive(&mut self, conn: &mut MirrorConn, within: Duration) -> Received {
        let until = self.clock + within;
        while conn.pending.is_empty() {
            match self.turn(conn, until) {
                Some(at) => self.clock = at,
                None => {
                    self.clock = until;
                    return Received::Nothing;
                }
            }
        }
        match conn.pending.pop_front() {
            None | Some(Received::End) => {
                conn.pending.push_back(Received::End);
                Received::End
            }
            Some(received) => received,
        }
    }

    fn wait(&mut self, time: Duration) {
        self.clock += time;
    }

    fn cut(&mut self, _conn: MirrorConn) {}

    fn host(&self) -> String {
        "mirror".into()
    }

    fn now(&self) -> Duration {
        self.clock
    }
}

fn opens(step: &Step) -> bool {
    matches!(step.action, Action::Open { .. } | Action::Http(_))
}

fn writes(step: &Step) -> usize {
    match &step.action {
        Action::SendSplit(..) => 2,
        Action::Open { .. } | Action::Http(_) | Action::Send(_) | Action::SendBinary(_) => 1,
        Action::SendFrame(_) | Action::SendBytes(_) | Action::SendClose(_) => 1,
        _ => 0,
    }
}

fn server(opcode: u8, payload: &[u8]) -> Received {
    Received::Bytes(client::frame(&Frame { fin: true, rsv: 0, opcode, mask: false, payload: payload.to_vec() }))
}

/// The payload of a short masked frame.
fn unmasked(frame: &[u8]) -> Vec<u8> {
    let (mask, payload) = frame[2..].split_at(4);
    payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn all() -> Vec<Scenario> {
    let all = [expect::musts(), expect::free(), zzz::over_rooms(), zzz::rate_limited()].concat();
    assert!(all.len() > 260);
    all
}

/// Plays a scenario's steps against a server that does `server` instead.
fn against(server: &[Step], scenario: &Scenario) -> Result<(), Box<Failure>> {
    let scenario = Scenario { variants: Vec::new(), ..scenario.clone() };
    play(&mut Mirror::new(server), &scenario, &Options::default())
}

#[test]
fn every_scenario_passes_against_a_server_that_does_what_it_says() {
    for scenario in all() {
        against(&scenario.steps, &scenario).unwrap_or_else(|failure| panic!("{failure}"));
        for steps in &scenario.variants {
            let variant = Scenario { steps: steps.clone(), ..scenario.clone() };
            against(steps, &variant).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }
}

#[test]
fn no_scenario_passes_when_the_server_leaves_something_out() {
    for scenario in all() {
        for n in (0..scenario.steps.len()).filter(|n| is_message(&scenario.steps[*n])) {
            let mut server = scenario.steps.clone();
            server.remove(n);
            assert!(against(&server, &scenario).is_err(), "{} without step {n}", scenario.name);
        }
    }
}

#[test]
fn no_scenario_passes_when_the_server_says_something_twice() {
    for scenario in all() {
        for n in (0..scenario.steps.len()).filter(|n| is_message(&scenario.steps[*n])) {
            let mut server = scenario.steps.clone();
            server.insert(n, scenario.steps[n].clone());
            assert!(against(&server, &scenario).is_err(), "{} with step {n} twice", scenario.name);
        }
    }
}

#[test]
fn no_scenario_passes_when_the_server_closes_with_another_code() {
    for scenario in all() {
        for n in 0..scenario.steps.len() {
            let mut server = scenario.steps.clone();
            if let Action::Closed { code, .. } = &mut server[n].action {
                *code = 4999;
                assert!(against(&server, &scenario).is_err(), "{} with another code in step {n}", scenario.name);
            }
        }
    }
}

fn is_message(step: &Step) -> bool {
    matches!(step.action, Action::Recv(_) | Action::RecvBinary(_) | Action::RecvPong(_))
}
