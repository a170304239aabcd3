//! What the threads do that wait for sockets. They know nothing of channels, and end when the other end of theirs is gone.

use std::io::{self, ErrorKind, Read, Write};
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
    Bytes(ConnId, Vec<u8>, usize),
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
pub(crate) fn read(conn: ConnId, stream: &Arc<TcpStream>, lent: &Receiver<Vec<u8>>, inputs: &Sender<Input>) {
    for mut buffer in lent {
        let input = match read_some(&**stream, &mut buffer) {
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

/// Writes the batches that it is given, which the socket did not take at once, and tells of each piece that has left, since a slow
/// peer is given time for those.
pub(crate) fn write(conn: ConnId, stream: &Arc<TcpStream>, batches: &Receiver<Vec<u8>>, sent: &Sender<Sent>) {
    for batch in batches {
        let tell = |count| sent.send(Sent { conn, count, batch: None, failed: false }).is_ok();
        let last = write_all(&**stream, &batch, tell);
        let (count, failed) = (last.unwrap_or(0), last.is_none());
        if sent.send(Sent { conn, count, batch: Some(batch), failed }).is_err() || failed {
            return;
        }
    }
}

/// Reads what there is, when there is something.
pub(crate) fn read_some(mut from: impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        match from.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Writes a batch. `tell` is told the size of each piece but the last, and says whether to go on; the size of the last one
/// is returned, or `None` when it could not be written.
pub(crate) fn write_all(mut to: impl Write, batch: &[u8], mut tell: impl FnMut(usize) -> bool) -> Option<usize> {
    let mut at = 0_usize;
    loop {
        let piece = &batch[at..batch.len().min(at.saturating_add(sys::PIECE))];
        match to.write(piece) {
            Err(error) if is_passing(error.kind()) => {}
            Ok(count @ 1..) if at + count == batch.len() => return Some(count),
            Ok(count @ 1..) => {
                at += count;
                if !tell(count) {
                    return None;
                }
            }
            _ => return None,
        }
    }
}

/// Whether to try once more.
const fn is_passing(kind: ErrorKind) -> bool {
    matches!(kind, ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut)
}
