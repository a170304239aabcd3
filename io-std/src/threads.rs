//! What the threads do that wait for sockets. They know nothing of channels, and end when the other end of theirs is gone.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread::{Builder, JoinHandle};

use chanson_core::ConnId;
use crossbeam_channel::{Receiver, Sender};

use crate::sys;

/// What happened, for the hub's thread.
pub(crate) enum Input {
    Accepted(TcpStream, SocketAddr),
    AcceptFailed,
    /// So many bytes came; the buffer is to be given back.
    Bytes(ConnId, Box<[u8]>, usize),
    /// The peer sends no more.
    Eof(ConnId),
    Failed(ConnId),
    /// A handle has something to say.
    Wake,
}

/// What a writer has done.
pub(crate) struct Sent {
    pub(crate) conn: ConnId,
    pub(crate) count: usize,
    /// The batch, when it is done with: all is sent, or can never be.
    pub(crate) batch: Option<Vec<u8>>,
    pub(crate) failed: bool,
}

/// Starts a thread that needs little room.
pub(crate) fn start(name: &str, stack: usize, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    Builder::new().name(name.to_owned()).stack_size(stack).spawn(run)
}

/// Reads into the buffers that it is lent.
pub(crate) fn read(conn: ConnId, stream: &Arc<TcpStream>, lent: &Receiver<Box<[u8]>>, inputs: &Sender<Input>) {
    for mut buffer in lent {
        let count = loop {
            match (&**stream).read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        let input = match count {
            Ok(0) => Input::Eof(conn),
            Ok(count) => Input::Bytes(conn, buffer, count),
            Err(_) => Input::Failed(conn),
        };
        let last = !matches!(input, Input::Bytes(..));
        if inputs.send(input).is_err() || last {
            return;
        }
    }
}

/// Writes the batches that it is given, and tells of each piece that has left, since a slow peer is given time for those.
pub(crate) fn write(conn: ConnId, stream: &Arc<TcpStream>, batches: &Receiver<Vec<u8>>, sent: &Sender<Sent>) {
    for batch in batches {
        let mut at = 0_usize;
        let failed = loop {
            let piece = &batch[at..batch.len().min(at.saturating_add(sys::PIECE))];
            match (&**stream).write(piece) {
                Err(error) if is_passing(error.kind()) => {}
                Ok(count @ 1..) if at + count == batch.len() => break false,
                Ok(count @ 1..) => {
                    at += count;
                    if sent.send(Sent { conn, count, batch: None, failed: false }).is_err() {
                        return;
                    }
                }
                _ => break true,
            }
        };
        let count = if failed { 0 } else { batch.len() - at };
        if sent.send(Sent { conn, count, batch: Some(batch), failed }).is_err() || failed {
            return;
        }
    }
}

/// Whether to try once more.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
