//! What clients send comes to the server, whatever kind of server that is.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use chanson_tests::client::{self, Incoming};
use chanson_tests::transport::Transport as _;

use crate::program::{PATIENCE, Socket, connection, hear_on_stderr, post, send, start, subscriber};
use crate::server::{Server, answer, taken};

/// The number that is a message's data.
fn data(body: &str) -> u32 {
    let text = body.split("\"data\": ").nth(1).unwrap();
    text[..text.find(|c: char| !c.is_ascii_digit()).unwrap()].parse().unwrap()
}

#[test]
fn a_burst_to_a_slow_server_arrives_as_a_whole() {
    let (arrived, arrivals) = mpsc::channel();
    let server = Server::start(move |_, body| {
        thread::sleep(Duration::from_millis(50));
        arrived.send(data(body)).ok()?;
        taken()
    });
    let program = start(&["--server-url", &server.url("/")]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    for n in 0..500 {
        send(&mut tcp, &mut socket, "t", &n.to_string());
    }
    let mut all: Vec<u32> = (0..500).map(|_| arrivals.recv_timeout(PATIENCE).unwrap()).collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..500), "each once");
    // Nothing was said meanwhile: what is heard next is about this.
    socket.say(&mut tcp, r#"{ "type": "listen", "resources": ["a"] }"#);
    assert!(socket.hear_text(&mut tcp).contains("listening"));
}

#[test]
fn messages_of_a_token_arrive_in_order() {
    let (arrived, arrivals) = mpsc::channel();
    let server = Server::start(move |_, body| {
        // The sooner ones take longer.
        thread::sleep(Duration::from_millis(20_u64.saturating_sub(data(body).into())));
        arrived.send(data(body)).ok()?;
        taken()
    });
    let program = start(&["--server-url", &server.url("/"), "--order-wait", "60000"]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    for n in 0..20 {
        send(&mut tcp, &mut socket, "t", &n.to_string());
    }
    let all: Vec<u32> = (0..20).map(|_| arrivals.recv_timeout(PATIENCE).unwrap()).collect();
    assert!(all.into_iter().eq(0..20));
}

#[test]
fn a_client_whose_messages_hang_holds_nobody_up() {
    let (arrived, arrivals) = mpsc::channel();
    let (_open, closed) = mpsc::channel::<()>();
    let closed = std::sync::Mutex::new(closed);
    let server = Server::start(move |_, body| {
        if data(body) > 0 {
            arrived.send(()).ok()?;
            return taken();
        }
        // Until the test ends.
        let _ = closed.lock().unwrap().recv();
        None
    });
    let program = start(&["--server-url", &server.url("/"), "--max-in-flight", "8", "--order-wait", "0"]);
    let mut tcp = program.tcp();
    let (mut slow, mut quick) = (subscriber(&mut tcp, "slow"), subscriber(&mut tcp, "quick"));
    for _ in 0..100 {
        send(&mut tcp, &mut slow, "slow", "0");
    }
    // When this is answered, the sidekick has read all that came before it.
    slow.say(&mut tcp, r#"{ "type": "listen", "resources": ["a"] }"#);
    assert!(slow.hear_text(&mut tcp).contains("listening"));
    send(&mut tcp, &mut quick, "quick", "1");
    arrivals.recv_timeout(PATIENCE).expect("it does not wait for the others, which take half a minute");
}

#[test]
fn a_server_that_has_moved_is_followed_where_it_is_the_same() {
    let (arrived, arrivals) = mpsc::channel();
    let server = Server::start(move |head, _| match head.split(' ').nth(1)? {
        "/api?type=channel" => {
            Some("HTTP/1.1 308 X\r\nLocation: /api/?type=channel\r\nContent-Length: 0\r\n\r\n".to_owned())
        }
        "/api/?type=channel" => {
            arrived.send(head.to_ascii_lowercase().contains("authorization: bearer t\r\n")).ok()?;
            taken()
        }
        _ => Some("HTTP/1.1 307 X\r\nLocation: https://elsewhere.test/?hush\r\nContent-Length: 0\r\n\r\n".to_owned()),
    });
    let program = start(&["--server-url", &server.url("/api"), "--server-secret", "t"]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    send(&mut tcp, &mut socket, "t", "1");
    assert_eq!(arrivals.recv_timeout(PATIENCE), Ok(true));

    let program = start(&["--server-url", &server.url("/other"), "--server-secret", "t"]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    send(&mut tcp, &mut socket, "t", "1");
    assert!(socket.hear_text(&mut tcp).contains("Received: 307 - Temporary Redirect"));
    hear_on_stderr(
        &program,
        "Got bad response sending message: 307 - Temporary Redirect, to \"https://elsewhere.test/\"",
    );
    assert!(!program.stderr().contains("hush"));
}

#[test]
fn a_server_that_does_not_let_the_sidekick_in_is_told_of_once() {
    let server = Server::start(|_, body| match data(body) {
        0 => taken(),
        1 => answer("400 Bad Request", r#"{ "fault": "client", "message": "too loud" }"#),
        _ => answer("401 Unauthorized", "no"),
    });
    let program = start(&["--server-url", &server.url("/")]);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    send(&mut tcp, &mut socket, "t", "1");
    assert!(socket.hear_text(&mut tcp).contains("too loud"));
    for _ in 0..3 {
        send(&mut tcp, &mut socket, "t", "2");
        assert!(socket.hear_text(&mut tcp).contains("Received: 401 - Unauthorized"));
    }
    send(&mut tcp, &mut socket, "t", "0");
    hear_on_stderr(&program, "the server takes messages again");
    let said = program.stderr();
    assert_eq!(said.matches("Got bad response sending message: 401 - Unauthorized").count(), 1, "{said}");
    assert!(!said.contains("too loud"), "{said}");
}

#[cfg(unix)]
#[test]
fn at_the_end_clients_are_told_and_what_they_sent_is_brought_to_the_server() {
    let ((arrived, arrivals), (go, gone)) = (mpsc::channel(), mpsc::channel::<()>());
    let gone = std::sync::Mutex::new(gone);
    let server = Server::start(move |_, body| {
        arrived.send(data(body)).ok()?;
        let _ = gone.lock().unwrap().recv();
        taken()
    });
    let flags = ["--server-url", &server.url("/"), "--order-wait", "60000", "--drain", "60000"];
    let mut program = start(&flags);
    let mut tcp = program.tcp();
    let mut socket = subscriber(&mut tcp, "t");
    send(&mut tcp, &mut socket, "t", "1");
    send(&mut tcp, &mut socket, "t", "2");
    assert_eq!(arrivals.recv_timeout(PATIENCE), Ok(1));
    crate::program::signal(&program);
    assert!(matches!(socket.hear(&mut tcp), Incoming::Close(Some(close)) if close.code == 1012));
    tcp.send(&mut socket.conn, &client::close(None));
    drop(go);
    assert_eq!(arrivals.recv_timeout(PATIENCE), Ok(2));
    assert!(program.child().wait().unwrap().success());
}

#[cfg(unix)]
#[test]
fn the_end_takes_no_longer_than_it_may() {
    let (_open, closed) = mpsc::channel::<()>();
    let closed = std::sync::Mutex::new(closed);
    let server = Server::start(move |_, _| {
        let _ = closed.lock().unwrap().recv();
        None
    });
    let drain = Duration::from_secs(5);
    let mut program = start(&["--server-url", &server.url("/"), "--drain", "5000"]);
    let mut tcp = program.tcp();
    assert_eq!(post(&mut tcp, "/connection", "S", &connection("t")), 200);
    // Neither does the client say goodbye, nor does the server answer.
    let mut socket = Socket::open(&mut tcp);
    send(&mut tcp, &mut socket, "t", "1");
    socket.say(&mut tcp, r#"{ "type": "listen", "resources": ["a"] }"#);
    assert!(socket.hear_text(&mut tcp).contains("listening"));
    let start = Instant::now();
    crate::program::signal(&program);
    assert!(program.child().wait().unwrap().success());
    let took = start.elapsed();
    assert!(took >= drain.mul_f32(0.9) && took < drain * 2, "{took:?}");
    hear_on_stderr(&program, "messages of clients that were not brought to the server, or not answered: 1");
}
