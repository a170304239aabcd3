//! A client in the manner of the zzz framework's own: a plain WebSocket to `/socket` without a version, messages of
//! four fields, and presence that is asked for and answered as a list.

use std::net::TcpStream;
use std::time::Duration;

use chanson_tests::on_each_host;
use chanson_tests::tools::{Host, Rooms};
use serde_json::{Value, json};
use tungstenite::stream::MaybeTlsStream;
use tungstenite::{Message, WebSocket, connect};

struct Plain(WebSocket<MaybeTlsStream<TcpStream>>);

impl Plain {
    fn connect(server: &Rooms) -> Self {
        let (socket, response) = connect(format!("ws://{}/socket", server.address())).unwrap();
        assert!(!response.headers().contains_key("sec-websocket-protocol"));
        if let MaybeTlsStream::Plain(stream) = socket.get_ref() {
            stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        }
        Self(socket)
    }

    fn say(&mut self, topic: &str, event: &str, payload: Value, reference: &str) {
        let message = json!({ "topic": topic, "event": event, "payload": payload, "ref": reference });
        self.0.send(Message::text(message.to_string())).unwrap();
    }

    /// The next message that is no diff: this client asks who is there.
    fn hear(&mut self) -> Value {
        loop {
            let message: Value = serde_json::from_str(self.0.read().unwrap().to_text().unwrap()).unwrap();
            let mut fields: Vec<&str> = message.as_object().unwrap().keys().map(String::as_str).collect();
            fields.sort_unstable();
            assert_eq!(fields, ["event", "payload", "ref", "topic"]);
            if message["event"] != "presence_diff" {
                return message;
            }
        }
    }

    fn join(&mut self, topic: &str, user: &str) {
        self.say(topic, "phx_join", json!({ "user": user }), "1");
        assert_eq!(self.hear(), reply(topic, "ok", json!({}), "1"));
    }

    fn who(&mut self, topic: &str) -> Value {
        self.say(topic, "who", json!({}), "w");
        let message = self.hear();
        assert_eq!(message["event"], "presence_state");
        assert_eq!(message["ref"], Value::Null);
        message["payload"].clone()
    }
}

fn reply(topic: &str, status: &str, response: Value, reference: &str) -> Value {
    let payload = json!({ "status": status, "response": response });
    json!({ "topic": topic, "event": "phx_reply", "payload": payload, "ref": reference })
}

fn a_plain_client_joins_talks_and_asks_who_is_there(host: Host) {
    let Some(server) = Rooms::start(host, &[]) else { return };
    let (mut ann, mut bob) = (Plain::connect(&server), Plain::connect(&server));
    ann.join("room:plain", "ann");
    bob.join("room:plain", "bob");

    ann.say("room:plain", "new_msg", json!({ "body": "hi" }), "2");
    let message = json!({ "topic": "room:plain", "event": "new_msg", "payload": { "body": "hi" }, "ref": null });
    assert_eq!(ann.hear(), message);
    assert_eq!(bob.hear(), message);
    bob.say("room:plain", "typing", json!({ "who": "bob" }), "3");
    assert_eq!(ann.hear()["event"], "typing");

    let is_here = |user: &str| json!({ "key": user, "meta": { "user": user } });
    assert_eq!(ann.who("room:plain"), json!([is_here("ann"), is_here("bob")]));
    bob.say("room:plain", "phx_leave", json!({}), "4");
    assert_eq!(bob.hear(), reply("room:plain", "ok", json!({}), "4"));
    assert_eq!(bob.hear()["event"], "phx_close");
    assert_eq!(ann.who("room:plain"), json!([is_here("ann")]));

    ann.say("phoenix", "heartbeat", json!({}), "5");
    assert_eq!(ann.hear(), reply("phoenix", "ok", json!({}), "5"));
}

on_each_host! {
    a_plain_client_joins_talks_and_asks_who_is_there
}
