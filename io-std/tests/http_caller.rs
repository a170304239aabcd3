//! The HTTP caller against servers that behave, and others.
#![cfg(feature = "covenant")]
#![allow(clippy::unwrap_used, reason = "these are tests, their helpers too")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use chanson_core::covenant::connection::{Answer, CallError, Headers, Post};
use chanson_std::http::{Caller, Config};

type Results = Receiver<(u32, Result<Answer, CallError>)>;

fn caller(config: Config) -> (Caller<u32>, Results) {
    let (done, results) = mpsc::channel();
    (Caller::new(config, move |name, result| drop(done.send((name, result)))), results)
}

fn post(addr: SocketAddr, body: &str) -> Post {
    let headers = Headers::ion().with_secret("s1").unwrap();
    Post::new(format!("http://{addr}/message?a=1").parse().unwrap(), headers, body.into())
}

fn next(results: &Results) -> (u32, Result<Answer, CallError>) {
    results.recv_timeout(Duration::from_secs(20)).expect("every request is told of")
}

/// A request is counted until it has been told of, which is a moment later than whoever was told hears of it.
fn none_pending(caller: &Caller<u32>) {
    let begin = Instant::now();
    while caller.pending() > 0 {
        assert!(begin.elapsed() < Duration::from_secs(20));
        thread::sleep(Duration::from_millis(1));
    }
}

/// A server that treats each connection so.
fn server(treat: impl Fn(TcpStream) + Send + Sync + Copy + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || treat(stream.unwrap()));
        }
    });
    addr
}

/// Head and body of the next request; `None` at the end.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(String, String)> {
    let (mut head, mut len) = (String::new(), 0);
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|n| *n > 0)?;
        if line == "\r\n" {
            break;
        }
        let lower = line.to_ascii_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            len = value.trim().parse().unwrap();
        }
        head.push_str(&line);
    }
    let mut body = vec![0; len];
    reader.read_exact(&mut body).ok()?;
    Some((head, String::from_utf8(body).unwrap()))
}

fn answer(stream: &mut TcpStream, status: &str, body: &str) {
    write!(stream, "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
}

/// Says on each connection which request of this connection it was, and what came.
fn echo(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    for count in 1.. {
        let Some((head, body)) = read_request(&mut reader) else { return };
        let status = if body == "no" { "401 Unauthorized" } else { "200 OK" };
        answer(&mut stream, status, &format!("{count} {body} {head}"));
    }
}

#[test]
fn a_request_is_made_as_described_and_connections_are_used_again() {
    let (addr, (caller, results)) = (server(echo), caller(Config::default()));
    for (n, body) in [(1, "{ \"a\": \"é\" }"), (2, "two")] {
        caller.call(n, post(addr, body)).unwrap();
        let (name, result) = next(&results);
        let answer = result.unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        assert_eq!((name, answer.status), (n, 200));
        assert!(text.starts_with(&format!("{n} {body} POST /message?a=1 HTTP/1.1\r\n")), "{text}");
        let lower = text.to_ascii_lowercase();
        for header in
            ["content-type: application/json", "authorization: bearer s1", &format!("content-length: {}", body.len())]
        {
            assert_eq!(lower.matches(header).count(), 1, "{header} in {text}");
        }
    }
    caller.call(3, post(addr, "no")).unwrap();
    assert_eq!(next(&results).1.unwrap().status, 401);
}

#[test]
fn what_can_go_wrong_is_told_apart() {
    let config = Config::default().with_timeout(Duration::from_millis(500)).with_max_body(1000);
    let (caller, results) = caller(config);
    let ask = |addr| {
        caller.call(1, post(addr, "x")).unwrap();
        next(&results).1
    };
    // Nobody listens at port 1.
    assert_eq!(ask(SocketAddr::from(([127, 0, 0, 1], 1))), Err(CallError::Unreachable));
    let hangs_up = server(|stream| {
        read_request(&mut BufReader::new(stream));
    });
    assert_eq!(ask(hangs_up), Err(CallError::HungUp));
    let half = server(|mut stream| {
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf").unwrap();
    });
    assert_eq!(ask(half), Err(CallError::HungUp));
    let silent = server(|stream| {
        let mut reader = BufReader::new(stream);
        while read_request(&mut reader).is_some() {}
    });
    assert_eq!(ask(silent), Err(CallError::TimedOut));
    let slow = server(|mut stream| {
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n").unwrap();
        while stream.write_all(b"x").is_ok() {
            thread::sleep(Duration::from_millis(100));
        }
    });
    assert_eq!(ask(slow), Err(CallError::TimedOut), "drop by drop");
    let other = server(|mut stream| {
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        stream.write_all(b"220 smtp.test ready\r\n\r\n").unwrap();
    });
    assert_eq!(ask(other), Err(CallError::NotHttp));
    let long = server(|mut stream| {
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        answer(&mut stream, "200 OK", &"x".repeat(1001));
    });
    assert_eq!(ask(long), Err(CallError::TooLong));
    let just = server(|mut stream| {
        read_request(&mut BufReader::new(stream.try_clone().unwrap()));
        answer(&mut stream, "200 OK", &"x".repeat(1000));
    });
    assert_eq!(ask(just).unwrap().body.len(), 1000);
    caller.call(1, Post::new("https://127.0.0.1/".parse().unwrap(), Headers::ion(), String::new())).unwrap();
    let refused = if cfg!(feature = "tls") { CallError::Unreachable } else { CallError::NoTls };
    assert_eq!(next(&results).1, Err(refused));
    none_pending(&caller);
}

/// Sends `/N` on to `/N-1`, in its own way for each kind of redirect, and others elsewhere.
fn sends_on(mut stream: TcpStream) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((head, body)) = read_request(&mut reader) {
        let path = head.split(' ').nth(1).unwrap();
        let (status, location) = match path.trim_start_matches('/').parse::<u32>() {
            Ok(0) => {
                answer(&mut stream, "200 OK", &format!("{body} {head}"));
                continue;
            }
            Ok(n) => (308, format!("/{}", n - 1)),
            Err(_) if path == "/other" => (307, "http://127.0.0.1:1/".to_owned()),
            Err(_) => (302, "/0".to_owned()),
        };
        write!(stream, "HTTP/1.1 {status} X\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").unwrap();
    }
}

#[test]
fn redirects_within_the_origin_are_followed_with_everything_and_others_are_told() {
    let (addr, (caller, results)) = (server(sends_on), caller(Config::default()));
    let ask = |path: &str| {
        let url = format!("http://{addr}/{path}").parse().unwrap();
        caller.call(1, Post::new(url, Headers::ion().with_secret("s1").unwrap(), "hi".into())).unwrap();
        next(&results).1.unwrap()
    };
    for path in ["1", "5"] {
        let answer = ask(path);
        let text = String::from_utf8(answer.body).unwrap();
        assert_eq!((answer.status, answer.location), (200, None));
        assert!(text.starts_with("hi POST /0 HTTP/1.1\r\n"), "{text}");
        assert!(text.to_ascii_lowercase().contains("authorization: bearer s1\r\n"), "{text}");
    }
    for (path, status, location) in [("6", 308, "/0"), ("other", 307, "http://127.0.0.1:1/"), ("get", 302, "/0")] {
        let answer = ask(path);
        assert_eq!((answer.status, answer.location.as_deref()), (status, Some(location)));
    }
}

#[test]
fn requests_under_way_and_waiting_are_bounded() {
    let silent = server(|stream| {
        let mut reader = BufReader::new(stream);
        while read_request(&mut reader).is_some() {}
    });
    let config = Config::default().with_threads(2).with_queue(3).with_timeout(Duration::from_secs(1));
    let (caller, results) = caller(config);
    let begin = Instant::now();
    let mut taken = 0;
    while caller.call(taken, post(silent, "x")).is_ok() {
        taken += 1;
        assert!(taken <= 5, "two under way and three that wait");
        assert!(begin.elapsed() < Duration::from_secs(1));
    }
    assert!(taken >= 3);
    let refused = caller.call(99, post(silent, "x")).map_err(|refused| (refused.name, refused.error));
    assert!(matches!(refused, Err((99, CallError::Full)) | Ok(())));
    let all = taken + u32::from(refused.is_ok());
    for _ in 0..all {
        assert_eq!(next(&results).1, Err(CallError::TimedOut));
    }
    assert!(results.recv_timeout(Duration::from_millis(50)).is_err(), "each is told of once");
    none_pending(&caller);
}

#[test]
fn what_waits_is_made_though_the_caller_is_dropped() {
    let (addr, (caller, results)) = (server(echo), caller(Config::default().with_threads(1)));
    for n in 0..5 {
        caller.call(n, post(addr, "x")).unwrap();
    }
    drop(caller);
    let names: Vec<u32> = (0..5).map(|_| next(&results).0).collect();
    assert_eq!(names, [0, 1, 2, 3, 4]);
    let end = results.recv_timeout(Duration::from_secs(20));
    assert_eq!(end, Err(mpsc::RecvTimeoutError::Disconnected), "and its threads end");
}

#[test]
fn a_panic_in_what_is_told_does_not_end_a_worker() {
    let addr = server(echo);
    let (done, results) = mpsc::channel();
    let caller = Caller::new(Config::default().with_threads(1), move |name: u32, _| {
        assert_ne!(name, 1, "a panic on purpose");
        done.send(name).ok();
    });
    caller.call(1, post(addr, "x")).unwrap();
    caller.call(2, post(addr, "x")).unwrap();
    assert_eq!(results.recv_timeout(Duration::from_secs(20)), Ok(2));
}
