//! A server in memory: an endpoint of the core, with a clock that moves only when the client waits.

use std::io::IoSlice;
use std::time::Duration;

use chanson_core::time::Instant;
use chanson_core::{ConnId, Endpoint, Hub};

use crate::transport::{Received, Transport};

/// The host's own state, when it has things to do at times of its own.
pub trait App: Sized {
    /// When it has something to do next.
    fn next_due(&self) -> Option<Instant> {
        None
    }

    /// Does what is due; called once a turn.
    fn act(&mut self, _hub: &mut Hub<Self>, _now: Instant) {}
}

impl App for () {}

/// An endpoint and a clock.
pub struct Memory<S = ()> {
    endpoint: Endpoint<S>,
    app: S,
    now: Duration,
    wires: Vec<Wire>,
}

/// What is on its way to a client.
struct Wire {
    conn: ConnId,
    bytes: Vec<u8>,
    ended: bool,
}

impl<S: App> Memory<S> {
    /// A server with that hub.
    pub fn new(hub: Hub<S>, app: S) -> Self {
        Self { endpoint: Endpoint::new(hub), app, now: Duration::ZERO, wires: Vec::new() }
    }

    fn instant(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.now.as_nanos()).unwrap_or(u64::MAX))
    }

    /// Ends a turn: carries what the server has to send to the clients.
    fn finish_turn(&mut self) {
        let now = self.instant();
        self.endpoint.act(now, &mut self.app, |hub, app| app.act(hub, now));
        while let Some(conn) = self.endpoint.poll_writable() {
            let mut wire = self.wires.iter_mut().find(|wire| wire.conn == conn);
            loop {
                let mut slices = [IoSlice::new(&[]); 16];
                let count = self.endpoint.pending(conn, &mut slices);
                let sent = slices[..count].iter().map(|slice| slice.len()).sum();
                if sent == 0 {
                    break;
                }
                if let Some(wire) = &mut wire {
                    slices[..count].iter().for_each(|slice| wire.bytes.extend_from_slice(slice));
                }
                self.endpoint.advance(now, conn, sent);
            }
            let finished = self.endpoint.is_finished(conn);
            if let Some(wire) = wire {
                wire.ended |= finished || self.endpoint.is_done_sending(conn);
            }
            if finished {
                self.endpoint.handle_close(now, &mut self.app, conn);
            }
        }
    }

    /// Lets time pass until something happens or `end` is reached; says whether it was something.
    fn step(&mut self, end: Duration) -> bool {
        let next = self.endpoint.poll_timeout().into_iter().chain(self.app.next_due()).min();
        let next = next.map(|at| Duration::from_nanos(at.as_nanos()));
        match next.filter(|at| *at <= end) {
            Some(at) => {
                self.now = self.now.max(at);
                let now = self.instant();
                self.endpoint.handle_timeout(now, &mut self.app);
                self.finish_turn();
                true
            }
            None => {
                self.now = self.now.max(end);
                false
            }
        }
    }
}

impl<S: App> Transport for Memory<S> {
    type Conn = ConnId;

    fn connect(&mut self) -> ConnId {
        let conn = self.endpoint.handle_connect(self.instant(), None).expect("there is room");
        self.wires.push(Wire { conn, bytes: Vec::new(), ended: false });
        conn
    }

    fn send(&mut self, conn: &mut ConnId, bytes: &[u8]) {
        let now = self.instant();
        self.endpoint.handle_bytes(now, &mut self.app, *conn, bytes);
        self.finish_turn();
    }

    fn receive(&mut self, conn: &mut ConnId, within: Duration) -> Received {
        let end = self.now + within;
        loop {
            let wire = self.wires.iter_mut().find(|wire| wire.conn == *conn).expect("it is connected");
            if !wire.bytes.is_empty() {
                return Received::Bytes(std::mem::take(&mut wire.bytes));
            }
            if wire.ended {
                return Received::End;
            }
            if !self.step(end) {
                return Received::Nothing;
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        let end = self.now + time;
        while self.step(end) {}
    }

    fn cut(&mut self, conn: ConnId) {
        let now = self.instant();
        self.wires.retain(|wire| wire.conn != conn);
        self.endpoint.handle_close(now, &mut self.app, conn);
        self.finish_turn();
    }

    fn host(&self) -> String {
        "127.0.0.1:4000".into()
    }

    fn now(&self) -> Duration {
        self.now
    }
}
