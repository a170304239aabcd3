//! Plain HTTP over real sockets.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};

use super::driver::{Running, Server};
use crate::common::{PATIENCE, exchange, room};
use chanson_core::http::Response;
use chanson_core::{Hub, Mount, Ticket};

struct App(Sender<Ticket>);

/// `/big/N` is answered with N bytes, `/later` by whoever takes its ticket, anything else with its body and path.
fn server() -> (Running<App>, Receiver<Ticket>) {
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(room())).on_request(|http, request| {
        if request.path() == "/later" {
            let ticket = http.defer().ok()?;
            let app: &mut App = http.app();
            app.0.send(ticket).ok()?;
            return None;
        }
        if let Some(length) = request.path().strip_prefix("/big/") {
            return Response::new(200).body("text/plain", vec![b'x'; length.parse().ok()?]).ok();
        }
        Some(Response::text(200, &format!("{}|{}", request.path(), String::from_utf8_lossy(request.body()))))
    });
    let (sender, tickets) = channel();
    (Server::bind("127.0.0.1:0", hub).unwrap().spawn_with(App(sender)).unwrap(), tickets)
}

fn connect(server: &Running<App>) -> TcpStream {
    let stream = TcpStream::connect(server.local_addr()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Reads one response and gives its body.
fn body(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).unwrap();
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).unwrap();
    String::from_utf8(body).unwrap()
}

#[test]
fn a_connection_is_kept_alive() {
    let (server, _tickets) = server();
    let mut stream = connect(&server);
    for n in 0..20 {
        write!(stream, "POST /{n} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi").unwrap();
        assert_eq!(body(&mut stream), format!("/{n}|hi"));
    }
    assert_eq!(server.handle().stats().accepted, 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let (server, _tickets) = server();
    let mut stream = connect(&server);
    let requests: String = (0..200).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    stream.write_all(requests.as_bytes()).unwrap();
    for n in 0..200 {
        assert_eq!(body(&mut stream), format!("/{n}|"));
    }
}

#[test]
fn pipelined_requests_with_big_answers_do_not_stall() {
    let (server, _tickets) = server();
    let mut stream = connect(&server);
    let requests: String = (0..50).map(|n| format!("GET /big/{} HTTP/1.1\r\nHost: a\r\n\r\n", 60_000 + n)).collect();
    stream.write_all(requests.as_bytes()).unwrap();
    for n in 0..50 {
        assert_eq!(body(&mut stream).len(), 60_000 + n);
    }
}

#[test]
fn requests_behind_a_late_answer_wait_and_are_answered() {
    let (server, tickets) = server();
    let mut stream = connect(&server);
    // More than is read ahead of an answer, so that reading stops and has to go on again.
    let rest: String = (0..2000).map(|n| format!("GET /{n} HTTP/1.1\r\nHost: a\r\n\r\n")).collect();
    stream.write_all(format!("GET /later HTTP/1.1\r\nHost: a\r\n\r\n{rest}").as_bytes()).unwrap();
    let ticket = tickets.recv_timeout(PATIENCE).unwrap();
    server.handle().answer_request(ticket, Response::text(200, "at last")).unwrap();
    assert_eq!(body(&mut stream), "at last");
    for n in 0..2000 {
        assert_eq!(body(&mut stream), format!("/{n}|"));
    }
}

#[test]
fn a_client_that_sends_no_more_is_still_answered() {
    let (server, _tickets) = server();
    let mut stream = connect(&server);
    stream.write_all(b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /big/3000000 HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    assert_eq!(body(&mut stream), "/a|");
    assert_eq!(body(&mut stream).len(), 3_000_000);
    assert_eq!(stream.read(&mut [0]).unwrap(), 0);
    crate::common::wait_until("the end", || server.handle().stats().endpoint.hub.connections == 0);
}

#[test]
fn what_cannot_be_read_is_answered_and_the_connection_closed() {
    let (server, _tickets) = server();
    let answer = exchange(server.local_addr(), b"nonsense\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let answer = exchange(server.local_addr(), b"GET /socket HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer}");
}

#[test]
fn metrics_tell_of_the_whole_server() {
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(room())).metrics("/metrics");
    let server: Running = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let answer = exchange(server.local_addr(), b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = exchange(server.local_addr(), b"GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let value = |name: &str| {
        let line = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.unwrap_or_else(|| panic!("no {name} in {answer}")).parse::<u64>().unwrap()
    };
    assert_eq!(value("chanson_connections"), 1, "the hub's own numbers are of now");
    assert!(value("chanson_accepted_total") >= 1 && value("chanson_turns_total") >= 1);
    assert!(value("chanson_bytes_in_total") > 0 && value("chanson_bytes_out_total") > 0);
}
