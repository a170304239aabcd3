//! A server that does to each connection what it is told, and is well in the end.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use chanson_tests::client::accept;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    /// How many connections there were.
    count: Arc<AtomicUsize>,
}

impl Server {
    /// The deed is done to the first `times` connections, each closed behind it; those that follow are served well.
    pub(crate) fn start(times: usize, deed: impl Fn(&mut TcpStream) + Send + Sync + 'static) -> Self {
        let deed = Arc::new(deed);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, count) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&count);
        // It ends with the program.
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (Ok(mut stream), before) = (stream, counter.fetch_add(1, Ordering::SeqCst)) else { continue };
                stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
                let deed = Arc::clone(&deed);
                thread::spawn(move || if before < times { deed(&mut stream) } else { serve(&mut stream) });
            }
        });
        Self { address, count }
    }

    pub(crate) fn connections(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Says so much, if somebody is there.
pub(crate) fn say(stream: &mut TcpStream, bytes: impl AsRef<[u8]>) -> bool {
    stream.write_all(bytes.as_ref()).is_ok()
}

/// Reads the head of a request; its key.
pub(crate) fn head(stream: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let text = String::from_utf8(head).ok()?;
    let key = text.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))?;
    Some(key.to_owned())
}

/// A proper answer to an upgrade.
pub(crate) fn agreement(key: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        accept(key)
    )
}

/// Upgrades, and is as good as its word until now.
pub(crate) fn upgrade(stream: &mut TcpStream) -> bool {
    let Some(key) = head(stream) else { return false };
    say(stream, agreement(&key))
}

/// Until the client goes.
pub(crate) fn linger(stream: &mut TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(1..) = stream.read(&mut buffer) {}
}

/// A frame of a server.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(len as u8),
        len @ 126..65536 => frame.extend([126, (len >> 8) as u8, len as u8]),
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

pub(crate) fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// The next text of the client, skipping everything else.
pub(crate) fn hear(stream: &mut TcpStream) -> Option<String> {
    loop {
        let mut start = [0; 2];
        stream.read_exact(&mut start).ok()?;
        let len = match start[1] & 0x7f {
            126 => {
                let mut len = [0; 2];
                stream.read_exact(&mut len).ok()?;
                u64::from(u16::from_be_bytes(len))
            }
            127 => {
                let mut len = [0; 8];
                stream.read_exact(&mut len).ok()?;
                u64::from_be_bytes(len)
            }
            len => u64::from(len),
        };
        let mut mask = [0; 4];
        stream.read_exact(&mut mask).ok()?;
        let mut payload = vec![0; len as usize];
        stream.read_exact(&mut payload).ok()?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        if start[0] & 0xf == 1 {
            return String::from_utf8(payload).ok();
        }
    }
}

/// Upgrades, and answers the first join well: its ref.
pub(crate) fn join(stream: &mut TcpStream) -> Option<String> {
    if !upgrade(stream) {
        return None;
    }
    answer(stream)
}

/// Answers the next message `ok`; its ref.
fn answer(stream: &mut TcpStream) -> Option<String> {
    let message: serde_json::Value = serde_json::from_str(&hear(stream)?).ok()?;
    let (join, number, topic) = (&message[0], &message[1], &message[2]);
    let reply = format!(r#"[{join},{number},{topic},"phx_reply",{{"status":"ok","response":{{}}}}]"#);
    say(stream, text(&reply)).then(|| join.to_string())
}

fn serve(stream: &mut TcpStream) {
    if upgrade(stream) {
        while answer(stream).is_some() {}
    }
}
