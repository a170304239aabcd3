//! What the server, a client and a wire do when it is their turn.

use std::io::IoSlice;
use std::time::Duration;

use chanson_core::client::Output;
use chanson_core::endpoint::BUSY;

use super::mischief::{Meddler, Mischief};
use super::tap::Tap;
use super::wire::Wire;
use super::world::World;

impl World {
    // --- the server ---

    pub(super) fn server_turn(&mut self) -> Result<bool, String> {
        let mut moved = false;
        if self.endpoint.poll_timeout().is_some_and(|at| at <= self.now) {
            self.endpoint.handle_timeout(self.now, &mut self.ledger);
            moved = true;
            let (endpoint, hub) = (self.endpoint.poll_timeout(), self.endpoint.hub().poll_timeout());
            if endpoint.into_iter().chain(hub).any(|next| next <= self.now) {
                return Err(format!("a timeout of the server does not move: {endpoint:?}, of the hub {hub:?}"));
            }
        }
        while let Some(conn) = self.endpoint.poll_writable() {
            if let Some(wire) = self.wires.iter_mut().find(|wire| wire.conn == Some(conn)) {
                wire.wants_write = true;
                moved = true;
            }
        }
        Ok(moved || self.endpoint.holds_back())
    }

    // --- clients ---

    pub(super) fn peer_turn(&mut self, index: usize) -> Result<bool, String> {
        if self.peers[index].frozen.is_some() {
            return Ok(false);
        }
        let mut moved = false;
        let client = &mut self.peers[index].client;
        if client.poll_timeout().is_some_and(|at| at <= self.now) {
            client.handle_timeout(self.now);
            moved = true;
            if let Some(next) = client.poll_timeout().filter(|next| *next <= self.now) {
                return Err(format!("a timeout of client {index} does not move: {next:?}"));
            }
        }
        while let Some(output) = self.peers[index].client.poll_output() {
            moved = true;
            self.trace(|| format!("client {index}: {output:?}"));
            match output {
                Output::Connect { .. } => self.begin_wire(index)?,
                Output::Close => self.let_go(index)?,
                output => return Err(format!("unknown: {output:?}")),
            }
        }
        while let Some(event) = self.peers[index].client.poll_event() {
            moved = true;
            self.trace(|| format!("client {index}: {event:?}"));
            self.peers[index].hear(self.now, event, &self.ledger).map_err(|what| format!("client {index}: {what}"))?;
        }
        Ok(moved | self.client_writes(index))
    }

    fn begin_wire(&mut self, peer: usize) -> Result<(), String> {
        if self.wires.iter().any(|wire| wire.peer == peer && wire.held) {
            return Err(format!("client {peer} has a transport and asks for another"));
        }
        self.serial += 1;
        let vsn = self.peers[peer].vsn;
        let meddler = self.plan.meddles().then(|| Meddler::new(vsn));
        let tap = self.options.taps.then(|| Tap::new(vsn));
        let mut wire = Wire::new(self.serial, peer, self.now, self.shape.storm, &mut self.random, (tap, meddler));
        if self.fine {
            wire.mend();
        }
        self.wires.push(wire);
        Ok(())
    }

    fn let_go(&mut self, peer: usize) -> Result<(), String> {
        let Some(wire) = self.wires.iter_mut().find(|wire| wire.peer == peer && wire.held) else {
            return Err(format!("client {peer} has no transport and shuts it down"));
        };
        wire.held = false;
        wire.to_client.clear();
        wire.to_server.end(self.now + wire.delay);
        Ok(())
    }

    fn client_writes(&mut self, index: usize) -> bool {
        let Some(wire) = self.wires.iter_mut().find(|wire| wire.peer == index && wire.held && wire.opens.is_none())
        else {
            return false;
        };
        let client = &mut self.peers[index].client;
        let room = wire.buffer.saturating_sub(wire.to_server.len()).min(wire.chunk);
        let bytes = take(room, |slices| client.pending(slices));
        if bytes.is_empty() || !wire.readable {
            return false;
        }
        client.advance(self.now, bytes.len());
        wire.to_server.push(self.now + wire.delay, bytes);
        true
    }

    // --- wires ---

    pub(super) fn wire_turn(&mut self, serial: u64) -> Result<bool, String> {
        let Some(at) = self.wires.iter().position(|wire| wire.serial == serial) else { return Ok(false) };
        if self.wires[at].opens.is_some_and(|opens| opens <= self.now) && !self.wires[at].lost {
            self.open(at)?;
            return Ok(true);
        }
        if self.wires[at].breaks() {
            self.wires[at].cut(self.now, &mut self.random);
        }
        Ok(self.server_reads(at) | self.server_writes(at)? | self.client_reads(at))
    }

    fn open(&mut self, at: usize) -> Result<(), String> {
        let peer = self.wires[at].peer;
        if self.peers[peer].frozen.is_some() {
            // The kernel of the machine takes the connection up; the client hears of it later. As simple: later.
            self.wires[at].opens = Some(self.now + Duration::from_secs(1));
            return Ok(());
        }
        self.wires[at].opens = None;
        let (held, now) = (self.wires[at].held, self.clock());
        if self.away {
            self.wires[at].readable = false;
            if held {
                self.peers[peer].client.handle_error(now);
            }
            return Ok(());
        }
        if !held {
            return Ok(());
        }
        match self.endpoint.handle_connect(now, None) {
            Ok(conn) => {
                self.trace(|| format!("client {peer} is {conn:?}"));
                self.wires[at].conn = Some(conn);
                self.peers[peer].conn = Some((self.ledger.server, conn));
            }
            Err(error) => {
                let stats = self.endpoint.stats().hub;
                if stats.connections < self.shape.capacity.connections {
                    return Err(format!("a connection was refused without need: {error} {stats:?}"));
                }
                let (due, wire) = (self.now + self.wires[at].delay, &mut self.wires[at]);
                wire.to_client.push(due, BUSY.to_vec());
                wire.to_client.end(due);
            }
        }
        self.peers[peer].client.handle_connected(now);
        Ok(())
    }

    fn server_reads(&mut self, at: usize) -> bool {
        let now = self.clock();
        let wire = &mut self.wires[at];
        let Some(conn) = wire.conn.filter(|_| !wire.lost) else { return false };
        let mut moved = false;
        if self.endpoint.wants_bytes(conn) {
            let bytes = wire.to_server.take(self.now, wire.chunk);
            if !bytes.is_empty() {
                self.endpoint.handle_bytes(now, &mut self.ledger, conn, &bytes);
                moved = true;
            }
        }
        if wire.to_server.take_end(self.now) {
            self.endpoint.handle_eof(now, &mut self.ledger, conn);
            moved = true;
        }
        if wire.to_server.take_reset(self.now) {
            // Neither reading nor writing works any more.
            self.endpoint.handle_eof(now, &mut self.ledger, conn);
            self.endpoint.handle_eof(now, &mut self.ledger, conn);
            self.close(at);
            moved = true;
        }
        moved
    }

    fn server_writes(&mut self, at: usize) -> Result<bool, String> {
        let (now, wire) = (self.now, &mut self.wires[at]);
        let Some(conn) = wire.conn.filter(|_| wire.wants_write) else { return Ok(false) };
        let due = now + wire.delay;
        let room =
            if wire.held { wire.buffer.saturating_sub(wire.to_client.len()).min(wire.chunk) } else { usize::MAX };
        let mut bytes = take(room, |slices| self.endpoint.pending(conn, slices));
        let moved = !bytes.is_empty();
        if moved {
            self.endpoint.advance(now, conn, bytes.len());
            if let Some(meddler) = &mut wire.meddler {
                bytes = meddler.pass(&bytes, &mut self.plan)?;
            }
            if let Some(tap) = &mut wire.tap {
                tap.listen(&bytes, &mut self.ledger, conn)?;
            }
            if wire.held {
                wire.to_client.push(due, bytes);
            }
        } else {
            wire.wants_write = self.endpoint.pending(conn, &mut [IoSlice::new(&[]); 1]) > 0;
        }
        if self.endpoint.is_done_sending(conn) {
            self.wires[at].to_client.end(due);
        }
        if self.endpoint.is_finished(conn) {
            self.wires[at].to_client.end(due);
            self.close(at);
            return Ok(true);
        }
        Ok(moved)
    }

    /// The server's end of the wire is no more.
    fn close(&mut self, at: usize) {
        let Some(conn) = self.wires[at].conn.take() else { return };
        if !self.plan.strikes(Mischief::Keep) {
            self.endpoint.handle_close(self.now, &mut self.ledger, conn);
        }
        self.ledger.owed.remove(&conn);
    }

    fn client_reads(&mut self, at: usize) -> bool {
        let now = self.clock();
        let wire = &mut self.wires[at];
        let peer = &mut self.peers[wire.peer];
        if !wire.held || !wire.readable || wire.opens.is_some() || wire.lost || peer.paused || peer.frozen.is_some() {
            return false;
        }
        let bytes = wire.to_client.take(self.now, wire.chunk);
        if !bytes.is_empty() {
            peer.client.handle_bytes(now, &bytes);
            return true;
        }
        if wire.to_client.take_reset(self.now) {
            wire.readable = false;
            peer.client.handle_error(now);
            return true;
        }
        let ended = wire.to_client.take_end(self.now);
        if ended {
            peer.client.handle_eof(now);
        }
        ended
    }
}

/// So much of what is pending.
fn take<'a>(room: usize, pending: impl FnOnce(&mut [IoSlice<'a>]) -> usize) -> Vec<u8> {
    let mut slices = [IoSlice::new(&[]); 16];
    let count = pending(&mut slices);
    let mut taken = Vec::new();
    for slice in &slices[..count] {
        let part = slice.len().min(room - taken.len());
        taken.extend_from_slice(&slice[..part]);
    }
    taken
}
