//! Every recorded conversation of the npm `phoenix` client (1.8.16), played with our client in its place.
//!
//! Refs are compared up to renaming: phoenix.js takes two for each channel object and one for each callback, which is an
//! accident. That they grow, that a new one is used where it uses a new one, and the order of all frames is compared.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chanson_core::AsJson;
use chanson_core::client::{Backoff, ChannelId, Closing, Config, Event, JoinError, PushId};
use chanson_core::error::CommandError;
use serde_json::{Value, json};

use crate::scripted::{Scripted, Sent};

/// What is not played, and why.
const EXPLAINED: [(&str, &str); 1] = [(
    "connect_vsn1",
    "phoenix.js changes the query only and still writes vsn 2 arrays, which no server reads; ours writes vsn 1 objects \
     (behaviour.rs, `version_1_is_spoken_in_objects`)",
)];

/// How many there are, so that none is lost.
const SCENARIOS: usize = 24;

#[test]
fn all_recorded_conversations() {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/data/phoenix_js");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert_eq!(paths.len(), SCENARIOS);
    let (mut failures, mut played) = (Vec::new(), 0);
    for path in paths {
        let scenario: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let name = scenario["name"].as_str().unwrap().to_owned();
        if EXPLAINED.iter().any(|(explained, _)| *explained == name) {
            continue;
        }
        played += 1;
        let result = std::panic::catch_unwind(|| Player::new(&name).play(scenario["steps"].as_array().unwrap()));
        if let Err(panic) = result {
            let text = panic.downcast_ref::<String>().cloned();
            failures.push(format!("{name}: {}", text.or(panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap()));
        }
    }
    assert_eq!(failures, [""; 0]);
    assert_eq!(played + EXPLAINED.len(), SCENARIOS);
}

struct Player {
    name: String,
    world: Scripted,
    begun: bool,
    channels: BTreeMap<String, ChannelId>,
    /// The events of pushes.
    pushes: BTreeMap<PushId, String>,
    /// Pushes that were called for and not seen on the wire.
    called: usize,
    /// Our refs by recorded ones.
    refs: BTreeMap<String, String>,
    last: Option<CommandError>,
}

impl Player {
    fn new(name: &str) -> Self {
        let ms = Duration::from_millis;
        let mut config = Config::new("ws://127.0.0.1:4000/socket")
            .unwrap()
            .with_timeout(ms(1000))
            .with_rejoin(Backoff::steps([], ms(150)))
            .with_reconnect(Backoff::steps([], ms(100)));
        match name {
            "connect" => {
                for (key, value) in
                    [("token", "a b&c"), ("ü", "✓"), ("list[0]", "1"), ("list[1]", "2"), ("nested[k]", "1")]
                {
                    config = config.with_param(key, value);
                }
            }
            "connect_auth_token" => config = config.with_auth_token("tok>en?1"),
            "heartbeat" => config = config.with_heartbeat_interval(ms(150)),
            _ => {}
        }
        Self {
            name: name.to_owned(),
            world: Scripted::new(config),
            begun: false,
            channels: BTreeMap::new(),
            pushes: BTreeMap::new(),
            called: 0,
            refs: BTreeMap::new(),
            last: None,
        }
    }

    fn play(mut self, steps: &[Value]) {
        for (at, step) in steps.iter().enumerate() {
            let refused = steps.get(at + 1).is_some_and(|next| next.get("http_response").is_some());
            self.step(step, refused);
        }
        let patience = if self.name == "heartbeat" { 0 } else { 500 };
        self.world.run_for(patience);
        self.world.sent.retain(|(_, sent)| *sent != Sent::Shut);
        assert!(self.world.sent.is_empty(), "nothing more is sent: {:?}", self.world.sent);
    }

    fn step(&mut self, step: &Value, refused: bool) {
        let text = |key: &str| step[key].as_str();
        if let Some(call) = text("call") {
            self.call(call);
        } else if let Some(saw) = text("saw") {
            self.saw(saw);
        } else if let Some(path) = text("open") {
            self.open(step, path, refused);
        } else if let Some(expected) = text("send") {
            self.send(step, expected);
        } else if let Some(text) = text("recv") {
            let text = self.renamed(text);
            self.world.text(&text);
        } else if step.get("send_close").is_some() {
            let (conn, sent) = self.world.next_sent_on();
            assert_eq!(
                (conn.to_string(), sent),
                (step["conn"].as_str().unwrap().into(), Sent::Close(1005, String::new()))
            );
        } else if let Some(status) = step["http_response"]["status"].as_u64() {
            self.world.bytes(format!("HTTP/1.1 {status} no\r\nContent-Length: 0\r\n\r\n").as_bytes());
        } else if let Some(code) = step["closed"]["code"].as_u64() {
            match code {
                1006 => self.world.drop_transport(),
                code => self.world.close(code as u16, step["closed"]["reason"].as_str().unwrap()),
            }
            self.expect_close_reply(code);
        } else {
            panic!("unknown step {step}");
        }
    }

    /// A browser answers a close frame out of sight.
    fn expect_close_reply(&mut self, code: u64) {
        if code != 1006 {
            assert_eq!(self.world.next_sent(), Sent::Close(code as u16, String::new()));
        }
    }

    fn call(&mut self, call: &str) {
        let now = self.world.now;
        if call.contains("disconnect()") {
            self.world.client.disconnect(now);
        }
        if call.contains("connect()") {
            self.begun = true;
            self.world.client.connect(now);
        }
        if call.contains(".join()") {
            let params = if call.contains("{user: 'ann'}") { json!({"user": "ann"}) } else { json!({}) };
            self.join("room:1", &params);
        }
        if call.contains("leave(") && !call.contains("after leave") {
            self.world.client.leave(now, self.channels["room:1"]).unwrap();
        }
        if let Some(rest) = call.strip_prefix("push('") {
            let (event, rest) = rest.split_once('\'').unwrap();
            let n = rest.split_once("n: ").and_then(|(_, n)| n.split_once('}')).map(|(n, _)| n.parse::<u64>().unwrap());
            let payload = n.map_or(json!({}), |n| json!({ "n": n }));
            let timeout = if rest.contains("150") { 150 } else { 1000 };
            self.push(event, &payload, timeout);
            self.called += 1;
        }
        if call == "ping(cb)" {
            self.world.client.ping(now).unwrap();
        }
        if call.contains("after leave") {
            assert_eq!(self.last.take(), Some(CommandError::NotJoined), "which sends nothing");
        }
    }

    fn join(&mut self, topic: &str, params: &Value) {
        let now = self.world.now;
        let id = self.world.client.join(now, topic, AsJson(params)).unwrap();
        self.channels.insert(topic.to_owned(), id);
    }

    fn push(&mut self, event: &str, payload: &Value, timeout: u64) {
        let (now, timeout) = (self.world.now, Duration::from_millis(timeout));
        match self.world.client.push_with_timeout(now, self.channels["room:1"], event, payload, timeout) {
            Ok(push) => drop(self.pushes.insert(push, event.to_owned())),
            Err(error) => self.last = Some(error),
        }
    }

    fn open(&mut self, step: &Value, path: &str, refused: bool) {
        if !std::mem::replace(&mut self.begun, true) {
            let now = self.world.now;
            self.world.client.connect(now);
        }
        let (conn, sent) = self.world.next_sent_on();
        let Sent::Open(head) = sent else { panic!("{sent:?} instead of an upgrade") };
        assert_eq!(conn.to_string(), step["conn"].as_str().unwrap());
        assert_eq!(head.lines().next().unwrap(), format!("GET {path} HTTP/1.1"));
        let mut headers = String::new();
        for header in step["headers"].as_array().into_iter().flatten() {
            let (name, value) = (header[0].as_str().unwrap(), header[1].as_str().unwrap());
            assert!(head.lines().any(|line| line == format!("{name}: {value}")), "{head}");
            if name == "Sec-WebSocket-Protocol" {
                headers = "Sec-WebSocket-Protocol: phoenix\r\n".to_owned();
            }
        }
        if !refused {
            let agreement = self.world.agreement(&headers);
            self.world.bytes(agreement.as_bytes());
        }
    }

    fn send(&mut self, step: &Value, expected: &str) {
        let expected: Value = serde_json::from_str(expected).unwrap();
        let (topic, event) = (expected[2].as_str().unwrap(), expected[3].as_str().unwrap());
        match event {
            // Joins and pushes that the recording does not name as calls.
            "phx_join" if !self.channels.contains_key(topic) => self.join(topic, &expected[4]),
            "phx_join" if self.name == "join_params_function" => {
                self.world.client.set_join_params(self.channels[topic], &expected[4]).unwrap();
            }
            "phx_join" | "phx_leave" | "heartbeat" => {}
            _ if self.called > 0 => self.called -= 1,
            _ => self.push(event, &expected[4], 1000),
        }
        let (conn, sent) = self.world.next_sent_on();
        let Sent::Text(actual) = sent else { panic!("{sent:?} instead of {expected}") };
        let actual: Value = serde_json::from_str(&actual).unwrap();
        assert_eq!(conn.to_string(), step["conn"].as_str().unwrap());
        for at in [0, 1] {
            self.same_ref(&expected[at], &actual[at], &expected);
        }
        for at in [2, 3, 4] {
            assert_eq!(actual[at], expected[at], "{expected}");
        }
        // The reference evaluates params at each join; the next one counts further.
        if self.name == "join_params_function" && event == "phx_join" {
            let next = expected[4]["n"].as_u64().unwrap() + 1;
            self.world.client.set_join_params(self.channels[topic], json!({ "n": next })).unwrap();
        }
    }

    fn same_ref(&mut self, expected: &Value, actual: &Value, message: &Value) {
        let (Some(expected), Some(actual)) = (expected.as_str(), actual.as_str()) else {
            assert_eq!(expected, actual, "{message}");
            return;
        };
        let number = |text: &str| text.parse::<u64>().unwrap();
        if let Some(known) = self.refs.get(expected) {
            assert_eq!(known, actual, "{message}");
        } else {
            assert!(self.refs.values().all(|used| number(used) < number(actual)), "refs grow: {message}");
            self.refs.insert(expected.to_owned(), actual.to_owned());
        }
    }

    /// A message of the server with our refs in place of the recorded ones.
    fn renamed(&self, text: &str) -> String {
        let mut message: Value = serde_json::from_str(text).unwrap();
        for at in [0, 1] {
            if let Some(known) = message[at].as_str() {
                message[at] = json!(self.refs[known]);
            }
        }
        message.to_string()
    }

    /// Lets time run until the application has been told; what the recording did not look at is passed over.
    fn saw(&mut self, saw: &str) {
        // `ping 2: ok …` is the answer to a push of `ping`.
        let (label, rest) = saw.split_once(": ").unwrap_or((saw, ""));
        let label = label.trim_end_matches(|c: char| c == ' ' || c.is_ascii_digit());
        let wanted = if rest.is_empty() { saw.to_owned() } else { format!("{label}: {rest}") };
        loop {
            let event = self.world.next_event();
            let told = self.told(event);
            if told == Some(wanted.clone()) {
                return;
            }
        }
    }

    /// How the recording writes an event down.
    fn told(&mut self, event: Event) -> Option<String> {
        let json = |payload: &chanson_core::PayloadBuf| {
            let text = payload.as_payload().json().unwrap().as_str().to_owned();
            serde_json::from_str::<Value>(&text).unwrap().to_string()
        };
        Some(match event {
            Event::Joined { response, .. } => format!("join: ok {}", json(&response)),
            Event::JoinFailed { error: JoinError::Refused(response), .. } => format!("join: error {}", json(&response)),
            Event::JoinFailed { error: JoinError::Timeout, .. } => "join: timeout".to_owned(),
            Event::Reply { push, status, response, .. } => {
                format!("{}: {} {}", self.pushes[&push], status.as_str(), json(&response))
            }
            Event::Timeout { push, .. } => format!("{}: timeout", self.pushes[&push]),
            Event::Disconnected { reason, .. } => format!("socket onClose {}", reason.code()),
            Event::Closed { channel, by: Closing::Left } => {
                // A leave is ok at once: the next `saw` is of the same event.
                let again = Event::Closed { channel, by: Closing::Replaced };
                self.world.events.push_front(again);
                "onClose".to_owned()
            }
            Event::Closed { by: Closing::Replaced, .. } => "leave: ok {}".to_owned(),
            Event::Pong { .. } => "ping answered".to_owned(),
            _ => return None,
        })
    }
}
