//! Servers that clients' messages are brought to.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

/// A server on threads, which ends with the test's process.
pub(crate) struct Server(SocketAddr);

impl Server {
    /// One that answers head and body of each request with that; `None` ends the connection.
    pub(crate) fn start(treat: impl Fn(&str, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        let (listener, treat) = (TcpListener::bind("127.0.0.1:0").unwrap(), Arc::new(treat));
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let treat = Arc::clone(&treat);
                thread::spawn(move || serve(&stream.unwrap(), &*treat));
            }
        });
        Self(address)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.0)
    }
}

/// An answer with that status and body.
pub(crate) fn answer(status: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

/// The message was taken.
pub(crate) fn taken() -> Option<String> {
    Some("HTTP/1.1 204 No Content\r\n\r\n".to_owned())
}

fn serve(mut stream: &TcpStream, treat: &dyn Fn(&str, &str) -> Option<String>) {
    let mut reader = BufReader::new(stream);
    while let Some((head, body)) = read_request(&mut reader) {
        let Some(answer) = treat(&head, &body) else { return };
        if stream.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<(String, String)> {
    let (mut head, mut length) = (String::new(), 0);
    while !head.ends_with("\r\n\r\n") {
        let before = head.len();
        reader.read_line(&mut head).ok().filter(|count| *count > 0)?;
        if let Some(value) = head[before..].to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}
