//! What does an event cost from message to reply, a broadcast per subscriber, and a join with its leave?

use std::io::IoSlice;

use chanson_core::http::Request;
use chanson_core::time::Instant;
use chanson_core::ws::{self, Data};
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Json, Mount, Output};
use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

const NOW: Instant = Instant::ORIGIN;
const TARGETS: [&str; 2] = ["/socket", "/socket?vsn=2.0.0"];

/// A chat message such that the whole of the text is about 200 bytes.
const PAYLOAD: &str = r#"{"body":"So long, and thanks for all the fish. They were a bit salty, though.","user":"arthur","id":424242,"at":1755648000.25,"tags":["sea",null,true]}"#;

fn hub() -> Hub {
    let room = Channel::new("room:*")
        .on("ping", |socket, msg| socket.reply(msg.payload))
        .on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
    let capacity = Capacity::for_connections(10_000);
    let mount = Mount::channels("/socket").channel(room);
    Hub::builder().seed([7; 32]).capacity(capacity).mount(mount).build().expect("the hub makes sense")
}

fn connect(hub: &mut Hub, target: &str) -> ConnId {
    let conn = hub.handle_connect(NOW, None).expect("there is room");
    hub.handle_open(NOW, &mut (), conn, &Request::new("GET", target, &[], b""));
    conn
}

fn member(hub: &mut Hub, target: &str) -> ConnId {
    let conn = connect(hub, target);
    hub.handle_text(NOW, &mut (), conn, &message(target, "phx_join", "{}"));
    conn
}

fn members(hub: &mut Hub, target: &str, count: usize) {
    for _ in 0..count {
        member(hub, target);
    }
}

fn message(target: &str, event: &str, payload: &str) -> String {
    match target == TARGETS[0] {
        true => format!(r#"{{"topic":"room:lobby","event":"{event}","payload":{payload},"ref":"12"}}"#),
        false => format!(r#"["4","12","room:lobby","{event}",{payload}]"#),
    }
}

/// Takes all there is to do; how many deliveries that was.
fn drain(hub: &mut Hub) -> usize {
    let mut delivered = 0;
    while let Some(output) = hub.poll_output() {
        if let Output::Deliver { to, frame } = output {
            delivered += to.len();
            black_box(frame.bytes());
        }
    }
    delivered
}

/// One event to its handler, and the reply encoded.
#[divan::bench(args = TARGETS)]
fn reply_200_bytes(bencher: Bencher<'_, '_>, target: &str) {
    let mut hub = hub();
    let conn = member(&mut hub, target);
    let text = message(target, "ping", PAYLOAD);
    drain(&mut hub);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        hub.handle_text(NOW, &mut (), conn, black_box(&text));
        drain(&mut hub)
    });
}

#[divan::bench]
fn heartbeat(bencher: Bencher<'_, '_>) {
    let mut hub = hub();
    let conn = member(&mut hub, TARGETS[1]);
    drain(&mut hub);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        hub.handle_text(NOW, &mut (), conn, black_box(r#"[null,"99","phoenix","heartbeat",{}]"#));
        drain(&mut hub)
    });
}

/// The same reply, from the bytes that came to those that go.
#[divan::bench]
fn reply_200_bytes_through_an_endpoint(bencher: Bencher<'_, '_>) {
    let (mut endpoint, conns) = endpoint(1);
    let bytes = frame(&message(TARGETS[1], "ping", PAYLOAD));
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        endpoint.handle_bytes(NOW, &mut (), conns[0], black_box(&bytes));
        write_all(&mut endpoint)
    });
}

/// Published by the application and handed out.
#[divan::bench(args = [1, 16, 256, 4096])]
fn broadcast_200_bytes_to(bencher: Bencher<'_, '_>, subscribers: usize) {
    let mut hub = hub();
    members(&mut hub, TARGETS[1], subscribers);
    drain(&mut hub);
    let payload = Json::new(PAYLOAD).expect("it is JSON");
    bencher.counter(ItemsCount::new(subscribers)).bench_local(|| {
        hub.broadcast("room:lobby", "new_msg", black_box(payload)).expect("it is text");
        drain(&mut hub)
    });
}

/// The same, to the sockets.
#[divan::bench(args = [1, 16, 256, 4096])]
fn broadcast_200_bytes_through_an_endpoint_to(bencher: Bencher<'_, '_>, subscribers: usize) {
    let (mut endpoint, _) = endpoint(subscribers);
    let payload = Json::new(PAYLOAD).expect("it is JSON");
    let bytes = broadcast_to_all(&mut endpoint, payload);
    bencher
        .counter(ItemsCount::new(subscribers))
        .counter(BytesCount::new(bytes))
        .bench_local(|| broadcast_to_all(&mut endpoint, black_box(payload)));
}

/// Among 256 others in the topic.
#[divan::bench(args = TARGETS)]
fn join_and_leave(bencher: Bencher<'_, '_>, target: &str) {
    let mut hub = hub();
    members(&mut hub, target, 256);
    let conn = connect(&mut hub, target);
    let (join, leave) = (message(target, "phx_join", "{}"), message(target, "phx_leave", "{}"));
    drain(&mut hub);
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        hub.handle_text(NOW, &mut (), conn, black_box(&join));
        hub.handle_text(NOW, &mut (), conn, black_box(&leave));
        drain(&mut hub)
    });
}

fn broadcast_to_all(endpoint: &mut Endpoint, payload: Json<'_>) -> usize {
    endpoint.act(NOW, &mut (), |hub, ()| hub.broadcast("room:lobby", "new_msg", payload)).expect("it is text");
    write_all(endpoint)
}

/// An endpoint with so many members of the topic.
fn endpoint(members: usize) -> (Endpoint, Vec<ConnId>) {
    let mut endpoint = Endpoint::new(hub());
    let request = b"GET /socket?vsn=2.0.0 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let join = frame(&message(TARGETS[1], "phx_join", "{}"));
    let conns = (0..members)
        .map(|_| {
            let conn = endpoint.handle_connect(NOW, None).expect("there is room");
            endpoint.handle_bytes(NOW, &mut (), conn, request);
            endpoint.handle_bytes(NOW, &mut (), conn, &join);
            write_all(&mut endpoint);
            conn
        })
        .collect();
    (endpoint, conns)
}

fn frame(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    ws::data(Data::Text, text.as_bytes(), Some([1, 2, 3, 4]), &mut bytes);
    bytes
}

/// Sends all that is to be sent, as if the sockets took all of it; how many bytes.
fn write_all(endpoint: &mut Endpoint) -> usize {
    let mut written = 0;
    while let Some(conn) = endpoint.poll_writable() {
        loop {
            let mut slices = [IoSlice::new(&[]); 16];
            let count = endpoint.pending(conn, &mut slices);
            let sent: usize = black_box(&slices[..count]).iter().map(|slice| slice.len()).sum();
            if sent == 0 {
                break;
            }
            endpoint.advance(NOW, conn, sent);
            written += sent;
        }
    }
    written
}
