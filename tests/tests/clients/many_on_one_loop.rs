//! `chanson_mio::Clients` against the rooms server of every driver: many join, all hear what one says, and all are back
//! after the server was killed and started again.

use std::collections::HashSet;
use std::time::{Duration, Instant};

use chanson_mio::{ClientId, Clients};
use chanson_tests::on_each_host;
use chanson_tests::tools::{Host, Rooms};

use chanson_core::client::{ChannelId, Config, Event};
use serde_json::json;

fn all_hear_and_all_come_back(host: Host) {
    let Some(server) = Rooms::start(host, &[]) else { return };
    let mut clients = Clients::new().expect("an event queue");
    let config = Config::new(&format!("ws://{}/socket", server.address())).expect("an address");
    for _ in 0..CLIENTS {
        let id = clients.add(config.clone()).expect("no TLS is asked for");
        clients
            .act(id, |client, now| client.join(now, "room:many", json!({})))
            .expect("it is there")
            .expect("there is room");
    }
    let (speaker, channel) = all_join(&mut clients);
    all_hear(&mut clients, speaker, channel, 1);
    let _server = server.again(drop);
    let (speaker, channel) = all_join(&mut clients);
    all_hear(&mut clients, speaker, channel, 2);
}

on_each_host! {
    all_hear_and_all_come_back
}

/// Turns until everybody has joined (once more); the last to do so, and its channel.
fn all_join(clients: &mut Clients) -> (ClientId, ChannelId) {
    let (mut joined, mut last) = (HashSet::new(), None);
    turn_until(clients, "everybody to join", |id, event| {
        if let Event::Joined { channel, .. } = event {
            joined.insert(id);
            last = Some((id, *channel));
        }
        joined.len() == CLIENTS
    });
    last.expect("somebody has joined")
}

/// One speaks; everybody hears it once.
fn all_hear(clients: &mut Clients, speaker: ClientId, channel: ChannelId, number: u32) {
    let payload = json!({ "number": number });
    clients
        .act(speaker, |client, now| client.push(now, channel, "new_msg", &payload))
        .expect("it is there")
        .expect("there is room");
    let mut heard = HashSet::new();
    turn_until(clients, "everybody to hear it", |id, event| {
        if let Event::Message { event, payload, .. } = event
            && **event == *"new_msg"
        {
            let said: serde_json::Value = payload.as_payload().parse().expect("JSON");
            assert_eq!(said["number"], number);
            assert!(heard.insert(id), "{id:?} heard it twice");
        }
        heard.len() == CLIENTS
    });
}

fn turn_until(clients: &mut Clients, what: &str, mut done: impl FnMut(ClientId, &Event) -> bool) {
    let deadline = Instant::now() + LIMIT;
    loop {
        clients.poll(Duration::from_millis(100)).expect("events can be waited for");
        while let Some((id, event)) = clients.poll_event() {
            if done(id, &event) {
                return;
            }
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
    }
}

const CLIENTS: usize = 50;

/// Ten times what is expected, and more.
const LIMIT: Duration = Duration::from_secs(60);
