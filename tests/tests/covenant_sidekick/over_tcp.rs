//! The program `covenant-sidekick`, and a server that does as the recorded one did.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use chanson_tests::tools::{Rooms, binary};
use chanson_tests::transport::{Received, Tcp, TcpConn, Transport};

use crate::player::{Called, Stage, play};
use crate::recorded;

#[test]
fn what_was_recorded_is_said_by_the_program() {
    for scenario in &recorded::all() {
        play(&mut OverTcp::start(), scenario);
    }
}

struct OverTcp {
    tcp: Tcp,
    /// Where the sidekick brings messages to.
    server: Option<TcpListener>,
    called: Option<TcpStream>,
    _program: Rooms,
}

impl OverTcp {
    fn start() -> Self {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        server.set_nonblocking(true).unwrap();
        let url = format!("http://{}/api/covenant", server.local_addr().unwrap());
        let flags = ["--secret", "sidekick-secret", "--auth-delay", "50", "--server-url", &url];
        let flags = [flags.as_slice(), &["--server-secret", "server-secret"]].concat();
        let program = Rooms::start_binary(&binary("chanson-mio", "covenant-sidekick"), &flags);
        Self { tcp: program.tcp(), server: Some(server), called: None, _program: program }
    }
}

impl Stage for OverTcp {
    fn call(&mut self) -> Option<Called> {
        let (server, start) = (self.server.as_ref()?, Instant::now());
        let mut stream = loop {
            match server.accept() {
                Ok((stream, _)) => break stream,
                Err(_) if start.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(2)),
                Err(error) => panic!("no request in time: {error}"),
            }
        };
        stream.set_nonblocking(false).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let called = read_request(&mut stream);
        self.called = Some(stream);
        Some(called)
    }

    fn answer(&mut self, answer: Option<(u16, &str)>) {
        let mut stream = self.called.take().expect("there was a request");
        if let Some((status, body)) = answer {
            let length = if status == 204 { String::new() } else { format!("Content-Length: {}\r\n", body.len()) };
            let head = format!("HTTP/1.1 {status} X\r\n{length}Connection: close\r\n\r\n{body}");
            stream.write_all(head.as_bytes()).unwrap();
        }
    }

    fn leave(&mut self) {
        self.server = None;
    }
}

fn read_request(stream: &mut TcpStream) -> Called {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(head) = request.parse(&bytes).unwrap() {
            assert_eq!(request.method, Some("POST"));
            let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
            let headers: Vec<_> = request.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
            let length = headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length")).unwrap();
            if let Some(body) = bytes.get(head..head + length.1.parse::<usize>().unwrap()) {
                return Called { target: request.path.unwrap().to_owned(), headers, body: text(body) };
            }
        }
        let count = stream.read(&mut buffer).unwrap();
        assert!(count > 0, "the request ends in its middle");
        bytes.extend_from_slice(&buffer[..count]);
    }
}

impl Transport for OverTcp {
    type Conn = TcpConn;

    fn connect(&mut self) -> TcpConn {
        self.tcp.connect()
    }

    fn send(&mut self, conn: &mut TcpConn, bytes: &[u8]) {
        self.tcp.send(conn, bytes);
    }

    fn receive(&mut self, conn: &mut TcpConn, within: Duration) -> Received {
        self.tcp.receive(conn, within)
    }

    fn wait(&mut self, time: Duration) {
        self.tcp.wait(time);
    }

    fn cut(&mut self, conn: TcpConn) {
        self.tcp.cut(conn);
    }

    fn host(&self) -> String {
        self.tcp.host()
    }

    fn now(&self) -> Duration {
        self.tcp.now()
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
