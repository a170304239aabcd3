//! The two threads that wait for the socket: one connects and reads, one writes. They live as long as the client does, know
//! nothing of channels, and say what happened to the client's own thread.

use std::io;
use std::net::{Shutdown, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use socket2::{Domain, Protocol, Socket, Type};

use super::cancel::Cancel;
use crate::threads;

/// What happened, for the client's own thread; each but the first with the number of its attempt.
#[derive(Debug)]
pub(crate) enum Input {
    /// Somebody wants something.
    Wake,
    Connected(u64, Arc<Socket>),
    NotConnected(u64, io::Error),
    /// So many bytes came; the buffer is to be given back.
    Bytes(u64, Box<[u8]>, usize),
    /// The server sends no more.
    Eof(u64),
    Failed(u64),
    /// So many bytes have left.
    Sent(u64, usize),
    /// The batch is done with: these were its last bytes, or it can never be sent.
    Written(u64, Vec<u8>, Option<usize>),
}

/// One try to have a connection, and that connection.
#[derive(Debug)]
pub(super) struct Attempt {
    pub(super) number: u64,
    host: Box<str>,
    port: u16,
    timeout: Duration,
    /// What is being connected, or is.
    socket: Cancel<Socket>,
}

impl Attempt {
    pub(super) fn new(number: u64, host: Box<str>, port: u16, timeout: Duration) -> Arc<Self> {
        Arc::new(Self { number, host, port, timeout, socket: Cancel::new() })
    }

    /// Ends it, whatever its state. On Linux this interrupts a connect too; elsewhere that takes up to its timeout, and what
    /// comes of it is of no interest to anyone.
    pub(super) fn cancel(&self) {
        // If it fails, there is nothing to end (any more).
        self.socket.cancel(|socket| drop(socket.shutdown(Shutdown::Both)));
    }

    fn is_cancelled(&self) -> bool {
        self.socket.is_cancelled()
    }

    /// Tries one address after the other, each for its share of the time that is left.
    fn connect(&self) -> io::Result<Arc<Socket>> {
        let start = Instant::now();
        let addrs: Vec<SocketAddr> = (&*self.host, self.port).to_socket_addrs()?.collect();
        let mut last = io::Error::new(io::ErrorKind::NotFound, "the name has no address");
        for (index, addr) in addrs.iter().enumerate() {
            let left = self.timeout.saturating_sub(start.elapsed());
            match self.connect_to(*addr, left / (addrs.len() - index) as u32) {
                Ok(socket) => return Ok(socket),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn connect_to(&self, addr: SocketAddr, timeout: Duration) -> io::Result<Arc<Socket>> {
        let socket = Arc::new(Socket::new(Domain::for_address(addr), Type::STREAM, Some(Protocol::TCP))?);
        if !self.socket.hold(&socket) {
            return Err(io::Error::new(io::ErrorKind::Interrupted, "cancelled"));
        }
        socket.connect_timeout(&addr.into(), timeout)?;
        // A system that looks for a free port of its own may find the one it is to connect to, when nobody listens there.
        if socket.local_addr()?.as_socket() == Some(addr) {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        // Without it small messages may come late; a socket that cannot have it works all the same.
        drop(socket.set_tcp_nodelay(true));
        Ok(socket)
    }
}

/// Connects and reads, one attempt after the other, into the buffers that it is lent.
pub(super) fn connect_and_read(
    attempts: &Receiver<Arc<Attempt>>,
    lent: &Receiver<Box<[u8]>>,
    inputs: &Sender<Input>,
) -> Option<()> {
    let mut spare = None;
    for attempt in attempts.iter().filter(|attempt| !attempt.is_cancelled()) {
        let number = attempt.number;
        let socket = match attempt.connect() {
            Ok(socket) => socket,
            Err(error) => {
                inputs.send(Input::NotConnected(number, error)).ok()?;
                continue;
            }
        };
        inputs.send(Input::Connected(number, Arc::clone(&socket))).ok()?;
        loop {
            let mut buffer = match spare.take() {
                Some(buffer) => buffer,
                None => lent.recv().ok()?,
            };
            let end = match threads::read_some(&*socket, &mut buffer) {
                Ok(count @ 1..) => {
                    inputs.send(Input::Bytes(number, buffer, count)).ok()?;
                    continue;
                }
                Ok(_) => Input::Eof(number),
                Err(_) => Input::Failed(number),
            };
            spare = Some(buffer);
            inputs.send(end).ok()?;
            break;
        }
    }
    Some(())
}

/// A batch for the writer.
pub(super) type Batch = (u64, Arc<Socket>, Vec<u8>);

/// Writes the batches that it is given, and tells after each piece.
pub(super) fn write(batches: &Receiver<Batch>, inputs: &Sender<Input>) -> Option<()> {
    for (number, socket, batch) in batches {
        let tell = |count| inputs.send(Input::Sent(number, count)).is_ok();
        let last = threads::write_all(&*socket, &batch, tell);
        inputs.send(Input::Written(number, batch, last)).ok()?;
    }
    Some(())
}
