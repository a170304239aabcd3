//! What a driver does, turn by turn.

use std::io::IoSlice;
use std::net::{Ipv4Addr, SocketAddr};

use super::client::WebSocket;
use super::link::Link;
use super::{Pipe, World};
use crate::endpoint::BUSY;
use crate::time::Instant;

impl<S> World<S> {
    /// Opens a transport. One too many gets the answer that drivers give, and is shut down.
    pub(super) fn open_pipe(&mut self, websocket: Option<WebSocket>) -> usize {
        let at = self.pipes.len();
        // Addresses for documentation (RFC 5737).
        let peer = SocketAddr::from((Ipv4Addr::new(192, 0, 2, 1), 1024 + (at % 60_000) as u16));
        let conn = self.endpoint.handle_connect(self.now, Some(peer)).ok();
        let mut to_client = Link::default();
        match conn {
            Some(conn) => {
                if self.by_conn.len() <= conn.index() {
                    self.by_conn.resize(conn.index() + 1, 0);
                }
                self.by_conn[conn.index()] = at;
            }
            None => {
                let due = self.now + self.latency;
                to_client.push(due, BUSY.to_vec());
                to_client.end(due);
            }
        }
        self.pipes.push(Pipe {
            conn,
            to_server: Link::default(),
            to_client,
            websocket,
            received: Vec::new(),
            wants_write: false,
            paused: false,
            lost: false,
            shut: false,
        });
        at
    }

    /// When something happens next, later than now.
    pub(super) fn next_event(&self) -> Option<Instant> {
        self.next_arrival().into_iter().chain(self.endpoint.poll_timeout()).min()
    }

    fn next_arrival(&self) -> Option<Instant> {
        let arrives = |pipe: &Pipe| {
            let to_server = pipe.conn.and_then(|_| pipe.to_server.next_after(self.now));
            let to_client = pipe.to_client.next_after(self.now).filter(|_| !pipe.paused && !pipe.lost);
            to_server.into_iter().chain(to_client).min()
        };
        self.pipes.iter().filter_map(arrives).min()
    }

    /// Time passes until bytes arrive somewhere; false when none are on their way.
    pub(super) fn pass_to_arrival(&mut self) -> bool {
        let arrival = self.next_arrival();
        if let Some(arrival) = arrival {
            self.run_for(arrival - self.now);
        }
        arrival.is_some()
    }

    /// Does all that can be done now.
    pub(super) fn settle(&mut self) {
        for _ in 0..MAX_STEPS {
            let due = self.endpoint.poll_timeout().is_some_and(|at| at <= self.now);
            if due {
                self.endpoint.handle_timeout(self.now, &mut self.app);
                let next = self.endpoint.poll_timeout();
                assert!(next.is_none_or(|next| next > self.now), "a time limit that does not move: {next:?}");
            }
            if !self.step() && !due {
                return;
            }
        }
        panic!("no rest after {MAX_STEPS} steps at {:?}", self.now);
    }

    /// One turn of the server, then one of each client; whether anything happened.
    fn step(&mut self) -> bool {
        let mut moved = false;
        for at in 0..self.pipes.len() {
            moved |= self.server_reads(at);
        }
        while let Some(conn) = self.endpoint.poll_writable() {
            let pipe = self.by_conn.get(conn.index()).and_then(|at| self.pipes.get_mut(*at));
            if let Some(pipe) = pipe.filter(|pipe| pipe.conn == Some(conn)) {
                pipe.wants_write = true;
            }
        }
        for at in 0..self.pipes.len() {
            moved |= self.server_writes(at);
        }
        if self.endpoint.holds_back() {
            self.endpoint.resume(self.now, &mut self.app);
            moved = true;
        }
        for at in 0..self.pipes.len() {
            moved |= self.client_reads(at);
        }
        moved
    }

    fn server_reads(&mut self, at: usize) -> bool {
        let (now, pipe) = (self.now, &mut self.pipes[at]);
        let Some(conn) = pipe.conn else { return false };
        if self.endpoint.wants_bytes(conn) {
            let mut bytes = pipe.to_server.take(now, self.chunk);
            if !bytes.is_empty() {
                let len = bytes.len();
                self.endpoint.handle_buffer(now, &mut self.app, conn, &mut bytes, len);
                return true;
            }
        }
        let ended = pipe.to_server.take_end(now);
        if ended {
            self.endpoint.handle_eof(now, &mut self.app, conn);
        }
        ended
    }

    fn server_writes(&mut self, at: usize) -> bool {
        let (now, due, pipe) = (self.now, self.now + self.latency, &mut self.pipes[at]);
        let Some(conn) = pipe.conn.filter(|_| pipe.wants_write) else { return false };
        let mut moved = false;
        loop {
            let room = self.socket_buffer.saturating_sub(pipe.to_client.len()).min(self.chunk);
            let mut slices = [IoSlice::new(&[]); 16];
            let count = self.endpoint.pending(conn, &mut slices);
            pipe.wants_write = count > 0;
            if count == 0 || room == 0 {
                break;
            }
            let bytes: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.iter().copied()).take(room).collect();
            let sent = bytes.len();
            pipe.to_client.push(due, bytes);
            self.endpoint.advance(now, conn, sent);
            moved = true;
        }
        if self.endpoint.is_done_sending(conn) {
            pipe.to_client.end(due);
        }
        if self.endpoint.is_finished(conn) {
            pipe.to_client.end(due);
            pipe.conn = None;
            self.endpoint.handle_close(now, &mut self.app, conn);
            moved = true;
        }
        moved
    }

    fn client_reads(&mut self, at: usize) -> bool {
        let (now, due, pipe) = (self.now, self.now + self.latency, &mut self.pipes[at]);
        if pipe.paused || pipe.lost {
            return false;
        }
        let bytes = pipe.to_client.take(now, self.chunk);
        let mut moved = !bytes.is_empty();
        match &mut pipe.websocket {
            Some(websocket) => {
                let mut answer = Vec::new();
                websocket.handle_bytes(&bytes, &mut self.random, &mut answer);
                pipe.to_server.push(due, answer);
            }
            None => pipe.received.extend_from_slice(&bytes),
        }
        if pipe.to_client.take_end(now) {
            moved = true;
            pipe.shut = true;
            if let Some(websocket) = &mut pipe.websocket {
                websocket.handle_end();
                pipe.to_server.end(due);
            }
        }
        moved
    }
}

/// So many turns at one moment are more than any script needs.
const MAX_STEPS: usize = 1_000_000;
