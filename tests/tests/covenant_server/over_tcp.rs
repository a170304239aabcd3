//! The example `covenant_server`, and a sidekick that does as the recorded one did.

use std::collections::{HashMap, VecDeque};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use chanson_core::memory::HttpResponse;
use chanson_tests::tools::{Rooms, example};

use crate::player::{Said, Stage, play};
use crate::recorded::{self, Http};

#[test]
fn what_was_recorded_is_said_by_the_example() {
    for scenario in &recorded::all() {
        play(&mut OverTcp::start(&scenario.sidekick_secret, scenario.sidekick_listens), scenario);
    }
}

/// The example, built once.
pub(crate) fn binary() -> &'static std::path::Path {
    static BUILT: OnceLock<std::path::PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| example("chanson-std", "covenant_server"))
}

/// The example with a sidekick in this process.
pub(crate) struct OverTcp {
    pub(crate) program: Rooms,
    conns: HashMap<u32, TcpStream>,
    pub(crate) sidekick: Option<FakeSidekick>,
    called: VecDeque<Sender<Reply>>,
}

impl OverTcp {
    pub(crate) fn start(sidekick_secret: &str, sidekick_listens: bool) -> Self {
        let (mut url, mut sidekick) = ("http://127.0.0.1:1".to_owned(), None);
        if sidekick_listens {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            url = format!("http://{}", listener.local_addr().unwrap());
            sidekick = Some(FakeSidekick::start(listener));
        }
        let mut flags = vec!["--sidekick-url", &url, "--sidekick-secret", sidekick_secret];
        flags.extend(["--server-secret", "server-secret", "--drain-ms", "600000"]);
        let program = Rooms::start_binary(binary(), &flags);
        Self { program, conns: HashMap::new(), sidekick, called: VecDeque::new() }
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.program.address()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }
}

impl Stage for OverTcp {
    fn ask(&mut self, conn: u32, request: &Http) {
        if !self.conns.contains_key(&conn) {
            self.conns.insert(conn, self.connect());
        }
        let mut text = format!("{} {} HTTP/1.1\r\n", request.method, request.target);
        for (name, value) in request.headers.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("content-length")) {
            text.push_str(&format!("{name}: {value}\r\n"));
        }
        text.push_str(&format!("Content-Length: {}\r\n\r\n{}", request.body.len(), request.body));
        (&self.conns[&conn]).write_all(text.as_bytes()).unwrap();
    }

    fn response(&mut self, conn: u32) -> Said {
        read_response(&self.conns[&conn])
    }

    fn call(&mut self) -> Option<Said> {
        let (said, reply) = self.sidekick.as_ref()?.next();
        self.called.push_back(reply);
        Some(said)
    }

    fn answer(&mut self, answer: Option<(u16, &str)>) {
        // A sidekick that cannot be reached has nothing to answer.
        if let Some(reply) = self.called.pop_front() {
            reply.send(answer.map(|(status, body)| (status, body.to_owned()))).unwrap();
        }
    }
}

fn read_response(mut stream: &TcpStream) -> Said {
    let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        if let Some((response, len)) = HttpResponse::parse(&bytes) {
            assert_eq!(len, bytes.len(), "nothing follows");
            let kinds = response.header("content-type").map(|value| ("Content-Type".to_owned(), value.to_owned()));
            let (headers, body) = (kinds.into_iter().collect(), response.text().to_owned());
            return Said { target: String::new(), status: response.status, headers, body };
        }
        match stream.read(&mut buffer).unwrap() {
            0 => panic!("the connection ended: {}", String::from_utf8_lossy(&bytes)),
            len => bytes.extend_from_slice(&buffer[..len]),
        }
    }
}

type Reply = Option<(u16, String)>;

/// Takes requests, and hands them over together with who waits for the answer.
pub(crate) struct FakeSidekick {
    requests: Receiver<(Said, Sender<Reply>)>,
}

impl FakeSidekick {
    fn start(listener: TcpListener) -> Self {
        let (sender, requests) = mpsc::channel();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let sender = sender.clone();
                thread::spawn(move || serve(stream.unwrap(), &sender));
            }
        });
        Self { requests }
    }

    pub(crate) fn next(&self) -> (Said, Sender<Reply>) {
        self.requests.recv_timeout(PATIENCE).expect("the sidekick is asked")
    }
}

fn serve(mut stream: TcpStream, sender: &Sender<(Said, Sender<Reply>)>) {
    let mut bytes = Vec::new();
    while let Some(said) = read_request(&mut stream, &mut bytes) {
        let (reply, answer) = mpsc::channel();
        // Nobody takes requests any more: the test has ended, or this sidekick cannot be reached.
        if sender.send((said, reply)).is_err() {
            return;
        }
        let Ok(Some((status, body))) = answer.recv() else { return };
        write!(stream, "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    }
}

fn read_request(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<Said> {
    let mut buffer = [0; 4096];
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut request = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(head) = request.parse(bytes).unwrap() {
            assert_eq!(request.method, Some("POST"));
            let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap();
            let headers: Vec<_> = request.headers.iter().map(|h| (h.name.to_owned(), text(h.value))).collect();
            let mut said = Said { target: request.path.unwrap().to_owned(), status: 0, headers, body: String::new() };
            let length: usize = said.header("content-length").unwrap().parse().unwrap();
            if bytes.len() >= head + length {
                said.body = text(&bytes[head..head + length]);
                bytes.drain(..head + length);
                return Some(said);
            }
        }
        match stream.read(&mut buffer) {
            Ok(len @ 1..) => bytes.extend_from_slice(&buffer[..len]),
            _ => return None,
        }
    }
}

/// How long anything may take at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
