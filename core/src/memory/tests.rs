use std::time::Duration;

use super::{HttpResponse, Incoming, World};
use crate::channel::{Channel, Refuse};
use crate::http::Response;
use crate::hub::{Hub, Mount};
use crate::limits::Capacity;

const SOCKET: &str = "/socket/websocket?vsn=2.0.0";
const JOIN: &str = r#"["1","1","room:a","phx_join",{}]"#;
const JOINED: &str = r#"["1","1","room:a","phx_reply",{"status":"ok","response":{}}]"#;

fn world() -> World {
    let room = Channel::new("room:*").on("echo", |socket, msg| socket.reply(msg.payload));
    let socket = Mount::channels("/socket").channel(room).on_connect(|connect| {
        if connect.param("refuse").is_some() {
            return Err(Refuse::default());
        }
        if connect.param("later").is_some() {
            connect.defer()?;
        }
        Ok(())
    });
    let hub = Hub::builder().seed([7; 32]).mount(socket).on_request(|_, _| Response::text(200, "ok"));
    World::new(hub.capacity(Capacity::default().with_connections(3)).build().unwrap())
}

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

#[test]
fn latency_delays_both_ways() {
    let mut world = world();
    world.latency(Duration::from_millis(20));
    let a = world.connect(SOCKET);
    assert_eq!(world.now().as_millis(), 40);
    world.send(a, JOIN);
    world.run_for(Duration::from_millis(39));
    assert!(world.recv(a).is_empty());
    world.run_for(Duration::from_millis(1));
    assert_eq!(world.recv(a), [JOINED]);
}

#[test]
fn a_byte_at_a_time_makes_no_difference() {
    let mut world = world();
    world.chunk(1);
    let a = world.connect(SOCKET);
    world.send_all(a, [JOIN, r#"["1","2","room:a","echo",{"n":1}]"#]);
    assert_eq!(world.recv(a), [JOINED, r#"["1","2","room:a","phx_reply",{"status":"ok","response":{"n":1}}]"#]);
}

#[test]
fn one_that_does_not_read_gets_it_later() {
    let mut world = world();
    world.socket_buffer(10);
    let a = world.connect(SOCKET);
    world.pause(a);
    world.send_all(a, [JOIN, JOIN]);
    assert!(world.recv(a).is_empty());
    assert!(world.stats().queued_bytes > 0);
    world.resume(a);
    assert_eq!((world.recv(a).len(), world.stats().queued_bytes), (3, 0));
}

#[test]
fn a_refusal_is_seen_as_it_is() {
    let mut world = world();
    let refused = world.try_connect("/socket?vsn=2.0.0&refuse", &[]).unwrap_err();
    assert_eq!((refused.status, refused.header("Content-length")), (403, Some("0")));
}

#[test]
fn one_too_many_is_answered_503() {
    let mut world = world();
    let all: Vec<_> = (0..3).map(|_| world.connect(SOCKET)).collect();
    assert_eq!(world.try_connect(SOCKET, &[]).unwrap_err().status, 503);
    world.cut(all[1]);
    world.connect(SOCKET);
}

#[test]
fn undecided_is_neither_open_nor_refused() {
    let mut world = world();
    let a = world.dial("/socket?later", &[]);
    world.send(a, JOIN);
    assert_eq!((world.is_open(a), world.refusal(a), world.closed(a)), (false, None, None));
    world.run_for(secs(30));
    assert_eq!(world.refusal(a).map(|response| response.status), Some(503));
}

#[test]
fn a_cut_is_told_and_a_loss_is_not() {
    let mut world = world();
    let (a, b) = (world.connect(SOCKET), world.connect(SOCKET));
    world.cut(a);
    assert_eq!((world.closed(a), world.conn(a), world.stats().hub.connections), (Some(1006), None, 1));
    assert_eq!(world.next(a), Some(Incoming::Closed { code: 1006, reason: String::new() }));
    world.lose(b);
    world.send(b, JOIN);
    world.run_for(secs(59));
    assert_eq!((world.closed(b), world.stats().hub.connections), (None, 1));
    world.run_for(secs(3));
    assert_eq!((world.closed(b), world.stats().hub.connections), (None, 0));
}

#[test]
fn a_close_is_answered_and_the_transport_shut() {
    let mut world = world();
    let a = world.connect(SOCKET);
    world.close(a, 4000);
    assert_eq!((world.closed(a), world.is_shut(a), world.conn(a)), (Some(4000), true, None));
    world.send(a, JOIN);
    assert!(world.quiet_within(3));
}

#[test]
fn control_frames_come_in_order() {
    let mut world = world();
    let a = world.connect(SOCKET);
    world.ping(a, b"1");
    world.send(a, JOIN);
    world.ping(a, b"2");
    let came: Vec<_> = std::iter::from_fn(|| world.next(a)).collect();
    let pong = |data: &[u8]| Incoming::Pong(data.into());
    assert_eq!(came, [pong(b"1"), Incoming::Text(JOINED.into()), pong(b"2")]);
}

#[test]
fn requests_are_answered() {
    let mut world = world();
    let ok = world.request("GET", "/health", &[], b"").unwrap();
    assert_eq!((ok.status, ok.text()), (200, "ok"));
    assert_eq!(world.request("HEAD", "/health", &[], b"").unwrap().body, b"");
    let transport = world.open_transport();
    world.write(transport, b"nonsense\r\n\r\n");
    let (response, _) = HttpResponse::parse(&world.read(transport)).unwrap();
    assert_eq!((response.status, world.is_shut(transport)), (400, true));
}

#[test]
fn everything_comes_to_rest() {
    let mut world = world();
    let a = world.connect(SOCKET);
    assert!(!world.quiet_within(0));
    assert!(world.quiet_within(10));
    assert_eq!((world.closed(a), world.now().as_millis() / 1000), (Some(1001), 62));
}
