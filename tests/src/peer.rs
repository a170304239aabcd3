//! Peers over TCP: one that says whatever it is told to, and a good one that measures how it is served.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crate::client::{self, Incoming, Reader};

/// Nothing takes that long unless it is broken.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A connection of which nothing is known to be right.
#[derive(Debug)]
pub struct Peer {
    stream: TcpStream,
    reader: Reader,
}

impl Peer {
    /// A connection on which nothing was said.
    ///
    /// # Panics
    /// When there is none to be had.
    pub fn connect(server: SocketAddr) -> Self {
        Self::try_connect(server).unwrap_or_else(|e| panic!("no connection to {server}: {e}"))
    }

    /// The same, where the server may refuse it.
    ///
    /// # Errors
    /// There is none to be had.
    pub fn try_connect(server: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&server, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, reader: Reader::default() })
    }

    /// A WebSocket on that path.
    ///
    /// # Panics
    /// When it is refused.
    pub fn open(server: SocketAddr, path: &str) -> Self {
        let mut peer = Self::connect(server);
        peer.send(&client::handshake(path, &server.to_string(), &[]));
        assert_eq!(peer.status(), Some(101), "{path}");
        peer
    }

    /// A WebSocket that has joined a topic.
    ///
    /// # Panics
    /// When it is refused.
    pub fn joined(server: SocketAddr, topic: &str) -> Self {
        let mut peer = Self::open(server, SOCKET);
        peer.send(&client::text(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#)));
        let answer = peer.text();
        assert!(answer.as_ref().is_some_and(|text| text.contains(r#""status":"ok""#)), "{topic}: {answer:?}");
        peer
    }

    /// Its socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Sends bytes, whatever they are; whether the socket took them all.
    pub fn send(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).is_ok()
    }

    /// Sends no more.
    pub fn half_close(&mut self) {
        // If it fails the server has ended it already.
        let _ = self.stream.shutdown(Shutdown::Write);
    }

    /// The status of the response that comes; `None` when the connection ends without one.
    ///
    /// # Panics
    /// When neither comes, or what comes is no HTTP.
    pub fn status(&mut self) -> Option<u16> {
        loop {
            if let Some(head) = self.reader.head().expect("an HTTP response") {
                return Some(head.status);
            }
            if !self.receive() {
                return None;
            }
        }
    }

    /// What comes next on a WebSocket; `None` at the end.
    ///
    /// # Panics
    /// When neither comes, or what comes is nothing that a server may send.
    pub fn incoming(&mut self) -> Option<Incoming> {
        loop {
            match self.reader.incoming() {
                Some(Incoming::Wrong(what)) => panic!("the server sent {what}"),
                Some(incoming) => return Some(incoming),
                None if !self.receive() => return None,
                None => {}
            }
        }
    }

    /// The next text; `None` at the end.
    pub fn text(&mut self) -> Option<String> {
        loop {
            match self.incoming()? {
                Incoming::Text(text) => return Some(text),
                Incoming::Close(_) => return None,
                _ => {}
            }
        }
    }

    /// Reads until the server closes, and says with which code; `None` when the connection ends without a close frame.
    pub fn close_code(&mut self) -> Option<u16> {
        loop {
            if let Incoming::Close(close) = self.incoming()? {
                return Some(close.map_or(1005, |close| close.code));
            }
        }
    }

    /// Reads to the end of the connection and throws away what comes.
    ///
    /// # Panics
    /// When it does not end.
    pub fn drain(&mut self) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(1..) = self.read(&mut buffer) {}
    }

    fn receive(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let count = self.read(&mut buffer).unwrap_or(0);
        self.reader.feed(&buffer[..count]);
        count > 0
    }

    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let result = self.stream.read(buffer);
        let waited = result.as_ref().is_err_and(|e| matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut));
        assert!(!waited, "the server neither says anything nor ends the connection");
        result
    }
}

/// A client that asks and is answered, over and over, on a thread of its own.
#[derive(Debug)]
pub struct Pinger {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<Pings>,
}

/// How a [`Pinger`] was served.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pings {
    /// How many answers it got.
    pub count: usize,
    /// How long it waited for the one that took longest.
    pub longest: Duration,
    /// The code that the server closed with, if it has (1006: it has ended without any).
    pub closed: Option<u16>,
}

impl Pinger {
    /// Joins `topic` and begins.
    pub fn start(server: SocketAddr, topic: &str) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let (mut peer, until, topic) = (Peer::joined(server, topic), Arc::clone(&stop), topic.to_owned());
        let thread = thread::spawn(move || {
            let mut pings = Pings::default();
            while !until.load(Ordering::Relaxed) && pings.closed.is_none() {
                pings.once(&mut peer, &topic);
                thread::sleep(Duration::from_millis(20));
            }
            pings
        });
        Self { stop, thread }
    }

    /// Whether the server has closed it.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Ends it, and says how it was served.
    ///
    /// # Panics
    /// When what it got was wrong.
    pub fn stop(self) -> Pings {
        self.stop.store(true, Ordering::Relaxed);
        self.thread.join().expect("the client was served")
    }
}

impl Pings {
    fn once(&mut self, peer: &mut Peer, topic: &str) {
        let (start, number) = (Instant::now(), self.count + 2);
        peer.send(&client::text(&format!(r#"["1","{number}","{topic}","ping",{{}}]"#)));
        let answer = format!(r#"["1","{number}","{topic}","phx_reply",{{"status":"ok","response":{{}}}}]"#);
        loop {
            match peer.incoming() {
                Some(Incoming::Text(text)) if is_same(&text, &answer) => break,
                Some(Incoming::Close(close)) => self.closed = Some(close.map_or(1005, |close| close.code)),
                None => _ = self.closed.get_or_insert(1006),
                // Broadcasts of others.
                Some(_) => continue,
            }
            if self.closed.is_some() {
                return;
            }
        }
        self.count += 1;
        self.longest = self.longest.max(start.elapsed());
    }
}

/// The order of the two keys differs between hosts.
fn is_same(text: &str, answer: &str) -> bool {
    text == answer || text.replace(r#"{"response":{},"status":"ok"}"#, r#"{"status":"ok","response":{}}"#) == answer
}

/// Where channels are.
pub const SOCKET: &str = "/socket/websocket?vsn=2.0.0";
