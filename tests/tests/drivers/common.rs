//! What the tests have in common: a client, and patience.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use chanson_core::hub::Builder;
use chanson_core::{Channel, Hub, Mount};
use tungstenite::{Message, WebSocket};

/// Nothing takes that long unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn room<S: 'static>() -> Channel<S> {
    Channel::new("room:*")
        .on("echo", |socket, msg| socket.reply(msg.payload))
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload))
}

pub(crate) fn hub() -> Builder {
    Hub::builder().mount(Mount::channels("/socket").channel(room()))
}

pub(crate) struct Client(pub(crate) WebSocket<TcpStream>);

impl Client {
    pub(crate) fn connect(addr: SocketAddr) -> Self {
        Self::at(addr, "/socket")
    }

    pub(crate) fn at(addr: SocketAddr, mount: &str) -> Self {
        let stream = TcpStream::connect(addr).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self(tungstenite::client(format!("ws://{addr}{mount}/websocket?vsn=2.0.0"), stream).unwrap().0)
    }

    pub(crate) fn joined(addr: SocketAddr, topic: &str) -> Self {
        let mut client = Self::connect(addr);
        client.say(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#));
        assert_eq!(client.hear(), format!(r#"["1","1","{topic}","phx_reply",{{"status":"ok","response":{{}}}}]"#));
        client
    }

    pub(crate) fn say(&mut self, text: &str) {
        self.0.send(Message::text(text)).unwrap();
    }

    pub(crate) fn hear(&mut self) -> String {
        match self.0.read().unwrap() {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// Asks and is answered: all that was said before has been dealt with.
    pub(crate) fn echo(&mut self, topic: &str, n: usize) {
        self.say(&format!(r#"["1","{n}","{topic}","echo",{{"n":{n}}}]"#));
        let expected = format!(r#"["1","{n}","{topic}","phx_reply",{{"status":"ok","response":{{"n":{n}}}}}]"#);
        assert_eq!(self.hear(), expected);
    }

    /// Reads until the close frame, and says its code.
    pub(crate) fn close_code(&mut self) -> u16 {
        loop {
            if let Message::Close(frame) = self.0.read().unwrap() {
                return frame.unwrap().code.into();
            }
        }
    }
}

/// Sends bytes and reads to the end.
pub(crate) fn exchange(addr: SocketAddr, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8(answer).unwrap()
}

pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "waited too long: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}
