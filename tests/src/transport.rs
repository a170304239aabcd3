//! How bytes get to a server and back.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// A way to a server: TCP, or a world in memory whose clock moves only in [`receive`](Transport::receive) and
/// [`wait`](Transport::wait).
pub trait Transport {
    /// A connection.
    type Conn;

    /// Opens a connection.
    fn connect(&mut self) -> Self::Conn;

    /// Gives all of `bytes` to the server. A connection that has ended swallows them: what the server said before
    /// its end can still be received, and that is what the player looks at.
    fn send(&mut self, conn: &mut Self::Conn, bytes: &[u8]);

    /// What the server sends, waiting for it no longer than `within`. Nothing that came is ever lost by a timeout.
    fn receive(&mut self, conn: &mut Self::Conn, within: Duration) -> Received;

    /// Lets that much time pass.
    fn wait(&mut self, time: Duration);

    /// Ends the connection at once, without a word.
    fn cut(&mut self, conn: Self::Conn);

    /// The server's address as it stands in a Host header.
    fn host(&self) -> String;

    /// The time since some moment in the past.
    fn now(&self) -> Duration;

    /// Whether time is the machine's: a test can then come late through no fault of the server's.
    fn is_real_time(&self) -> bool {
        false
    }
}

/// What [`Transport::receive`] got.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Bytes, at least one.
    Bytes(Vec<u8>),
    /// The server's end of the connection, also when it is a reset. It stays so.
    End,
    /// Nothing in that time.
    Nothing,
}

/// A server reached over TCP.
#[derive(Debug)]
pub struct Tcp {
    server: SocketAddr,
    start: Instant,
}

/// A TCP connection. A thread of its own reads it, so that a server that answers while it is being written to
/// cannot block both.
#[derive(Debug)]
pub struct TcpConn {
    stream: TcpStream,
    received: Receiver<Vec<u8>>,
}

impl Tcp {
    /// A way to that server.
    pub fn new(server: SocketAddr) -> Self {
        Self { server, start: Instant::now() }
    }
}

impl Transport for Tcp {
    type Conn = TcpConn;

    fn connect(&mut self) -> TcpConn {
        let stream = TcpStream::connect_timeout(&self.server, Duration::from_secs(10)).expect("the server listens");
        stream.set_nodelay(true).expect("TCP_NODELAY");
        stream.set_write_timeout(Some(Duration::from_secs(10))).expect("10 s is a timeout");
        let (sender, received) = channel();
        let mut reading = stream.try_clone().expect("a socket can be cloned");
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            while let Ok(n @ 1..) = reading.read(&mut buffer) {
                if sender.send(buffer[..n].to_vec()).is_err() {
                    break;
                }
            }
        });
        TcpConn { stream, received }
    }

    fn send(&mut self, conn: &mut TcpConn, bytes: &[u8]) {
        // A server may have closed while a message too large for it was still on its way.
        let _ = conn.stream.write_all(bytes);
    }

    fn receive(&mut self, conn: &mut TcpConn, within: Duration) -> Received {
        match conn.received.recv_timeout(within) {
            Ok(bytes) => Received::Bytes(bytes),
            Err(RecvTimeoutError::Timeout) => Received::Nothing,
            Err(RecvTimeoutError::Disconnected) => Received::End,
        }
    }

    fn wait(&mut self, time: Duration) {
        thread::sleep(time);
    }

    fn cut(&mut self, conn: TcpConn) {
        let _ = conn.stream.shutdown(Shutdown::Both);
    }

    fn host(&self) -> String {
        self.server.to_string()
    }

    fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn is_real_time(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const LONG: Duration = Duration::from_secs(10);

    fn serve(server: impl FnOnce(TcpStream) + Send + 'static) -> Tcp {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || server(listener.accept().unwrap().0));
        Tcp::new(address)
    }

    #[test]
    fn bytes_go_both_ways_and_the_end_stays() {
        let mut tcp = serve(|mut stream| {
            let mut bytes = [0; 5];
            stream.read_exact(&mut bytes).unwrap();
            stream.write_all(&bytes).unwrap();
        });
        let mut conn = tcp.connect();
        assert_eq!(tcp.receive(&mut conn, Duration::ZERO), Received::Nothing);
        tcp.send(&mut conn, b"hello");
        assert_eq!(tcp.receive(&mut conn, LONG), Received::Bytes(b"hello".to_vec()));
        assert_eq!(tcp.receive(&mut conn, LONG), Received::End);
        assert_eq!(tcp.receive(&mut conn, LONG), Received::End);
        tcp.cut(conn);
    }

    #[test]
    fn what_a_server_says_while_it_is_written_to_is_not_lost() {
        let mut tcp = serve(|mut stream| {
            stream.read_exact(&mut [0; 16]).unwrap();
            stream.write_all(b"too big").unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let _ = std::io::copy(&mut stream.take(1 << 20), &mut std::io::sink());
        });
        let mut conn = tcp.connect();
        tcp.send(&mut conn, &vec![0; 16 << 20]);
        assert_eq!(tcp.receive(&mut conn, LONG), Received::Bytes(b"too big".to_vec()));
        assert_eq!(tcp.receive(&mut conn, LONG), Received::End);
    }
}
