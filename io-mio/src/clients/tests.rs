//! Names with several addresses, and names that do not resolve; over sockets, with a resolver of our own.

use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use chanson_core::client::{Backoff, Config, ConnectError, Event};
use chanson_core::{Channel, Hub, Mount};

use super::{ClientId, Clients};
use crate::{Running, Server};

const PATIENCE: Duration = Duration::from_secs(20);

/// `ports-1-2` is a host with these ports, `none` one without an address, another is none.
fn resolve(host: &str, _: u16) -> io::Result<Vec<SocketAddr>> {
    if host == "none" {
        return Ok(Vec::new());
    }
    let ports = host.strip_prefix("ports-").ok_or(ErrorKind::HostUnreachable)?;
    Ok(ports.split('-').map(|port| SocketAddr::from(([127, 0, 0, 1], port.parse().unwrap()))).collect())
}

fn clients() -> Clients {
    let mut clients = Clients::new().unwrap();
    clients.lookups.set_resolve(resolve);
    clients
}

fn config(host: &str) -> Config {
    let config = Config::new(&format!("ws://{host}/socket")).unwrap();
    config.with_reconnect(Backoff::RECONNECT.with_max_attempts(0))
}

fn server() -> (Running, u16) {
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(Channel::new("room:*")));
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let port = server.local_addr().port();
    (server, port)
}

/// A port where nobody listens.
fn refused() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn next(clients: &mut Clients) -> (ClientId, Event) {
    let start = std::time::Instant::now();
    loop {
        if let Some(event) = clients.poll_event() {
            return event;
        }
        assert!(start.elapsed() < PATIENCE, "no event comes");
        clients.poll(PATIENCE).unwrap();
    }
}

fn failed() -> Event {
    Event::ConnectFailed { error: ConnectError::Transport, retry_at: None }
}

#[test]
fn addresses_are_tried_in_turn() {
    let (_server, port) = server();
    let mut clients = clients();
    let id = clients.add(config(&format!("ports-{}-{}-{port}", refused(), refused()))).unwrap();
    assert_eq!(next(&mut clients), (id, Event::Connected));
    assert!(clients.transport_error(id).is_none());
}

#[test]
#[cfg(target_os = "linux")]
fn an_address_that_does_not_answer_has_its_share_of_the_time() {
    let (_server, port) = server();
    let hole = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    hole.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    hole.listen(0).unwrap();
    let addr = hole.local_addr().unwrap().as_socket().unwrap();
    // It takes one that it does not accept, and answers no others.
    let _only = std::net::TcpStream::connect(addr).unwrap();

    let mut clients = clients();
    let timeout = Duration::from_millis(600);
    let host = format!("ports-{}-{port}", addr.port());
    let id = clients.add(config(&host).with_connect_timeout(timeout)).unwrap();
    assert_eq!(next(&mut clients), (id, Event::Connected));
    assert!(clients.now().as_millis() >= 300);

    let alone = clients.add(config(&addr.to_string()).with_connect_timeout(timeout)).unwrap();
    let event = Event::ConnectFailed { error: ConnectError::Timeout, retry_at: None };
    assert_eq!(next(&mut clients), (alone, event));
    assert!(clients.is_settled(alone));
}

#[test]
fn names_without_an_address() {
    let mut clients = clients();
    let last = refused();
    for (host, kind) in [
        ("unknown".to_owned(), ErrorKind::HostUnreachable),
        ("none".to_owned(), ErrorKind::NotFound),
        (format!("ports-{last}-{last}"), ErrorKind::ConnectionRefused),
    ] {
        let id = clients.add(config(&host)).unwrap();
        assert_eq!(next(&mut clients), (id, failed()), "{host}");
        assert_eq!(clients.transport_error(id).unwrap().kind(), kind, "{host}");
        assert!(clients.is_settled(id));
    }
}

#[test]
fn many_names_are_looked_up_a_few_at_a_time_and_each_once() {
    let mut clients = clients();
    for n in 0..100 {
        clients.add(config(&format!("unknown-{}", n / 2))).unwrap();
    }
    assert_eq!((clients.lookups.running, clients.lookups.waiting.len()), (super::lookup::MAX_THREADS, 50));
    for _ in 0..100 {
        assert_eq!(next(&mut clients).1, failed());
    }
    assert_eq!((clients.lookups.running, clients.lookups.waiting.len()), (0, 0));
}

#[test]
fn who_was_removed_or_has_hung_up_is_not_called() {
    let (_server, port) = server();
    let mut clients = clients();
    let host = format!("ports-{port}");
    let [gone, quiet, third] = [0; 3].map(|_| clients.add(config(&host)).unwrap());
    clients.remove(gone).unwrap();
    clients.act(quiet, |client, now| client.disconnect(now)).unwrap();
    let events = [next(&mut clients), next(&mut clients)];
    let cancelled = Event::ConnectFailed { error: ConnectError::Cancelled, retry_at: None };
    assert!(events.contains(&(quiet, cancelled)) && events.contains(&(third, Event::Connected)), "{events:?}");
    assert_eq!((clients.sockets.len(), clients.lookups.running), (1, 0));
}
