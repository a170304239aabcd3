//! Requests that are wrong, and what each of them is answered.

use std::net::SocketAddr;

use chanson_tests::client::{KEY, handshake};
use chanson_tests::on_each_host;
use chanson_tests::peer::{Peer, SOCKET};
use chanson_tests::tools::Host;

use crate::siege::{LITTLE, besiege};

/// What is wrong, the request, its status, and whether that is the end of the connection.
type Case = (String, Vec<u8>, u16, bool);

fn requests_that_are_wrong_are_answered_so(host: Host) {
    besiege(host, &["--origin", "same"], LITTLE, |address| {
        let mut cases = unreadable(address);
        cases.extend(refused(address));
        for (what, request, status, ends) in cases {
            let mut peer = Peer::connect(address);
            peer.send(&request);
            assert_eq!(peer.status(), Some(status), "{what}");
            if ends {
                peer.drain();
            }
        }
    });
}

/// What may be a request or the end of one, depending on who reads: it is answered once, and nothing behind it is read.
fn unreadable(address: SocketAddr) -> Vec<Case> {
    let long = "x".repeat(8 * 1024);
    let many = "X: 1\r\n".repeat(64);
    let lines = [
        ("no Host", String::new(), 400),
        ("two Hosts", format!("Host: {address}\r\nHost: {address}\r\n"), 400),
        ("a Host with a space", "Host: a b\r\n".into(), 400),
        ("a Host with a path", "Host: a/b\r\n".into(), 400),
        ("a Host with a user", "Host: u@a\r\n".into(), 400),
        ("a Host with a port that is none", "Host: a:b\r\n".into(), 400),
        ("two Content-Lengths", "Host: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n".into(), 400),
        ("the same Content-Length twice", "Host: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n".into(), 400),
        ("a Content-Length with a sign", "Host: a\r\nContent-Length: +1\r\n".into(), 400),
        ("a Content-Length that does not fit", format!("Host: a\r\nContent-Length: {}\r\n", "9".repeat(30)), 400),
        ("both framings", "Host: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n".into(), 400),
        ("another coding", "Host: a\r\nTransfer-Encoding: gzip, chunked\r\n".into(), 400),
        ("a coding that hides", "Host: a\r\nTransfer-Encoding : chunked\r\n".into(), 400),
        ("a folded line", "Host: a\r\nX: 1\r\n folded\r\n".into(), 400),
        ("a bare LF", "Host: a\r\nX: 1\nY: 2\r\n".into(), 400),
        ("a bare CR", "Host: a\r\nX: 1\rY: 2\r\n".into(), 400),
        ("a NUL", "Host: a\r\nX: \0\r\n".into(), 400),
        ("a name with a space", "Host: a\r\nX Y: 1\r\n".into(), 400),
        ("a body too long", "Host: a\r\nContent-Length: 65537\r\n".into(), 413),
        ("an expectation", "Host: a\r\nExpect: a-miracle\r\n".into(), 417),
        ("a head too long", format!("Host: a\r\nX: {long}\r\n"), 431),
        ("headers too many", format!("Host: a\r\n{many}"), 431),
    ];
    let lines = lines.into_iter().map(|(what, lines, status)| {
        (what.to_owned(), format!("POST / HTTP/1.1\r\n{lines}\r\n").into_bytes(), status, true)
    });
    let chunked = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
    let hello = [0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3];
    let bytes: [(&str, Vec<u8>, u16); 12] = [
        ("a TLS hello", hello.to_vec(), 400),
        ("one byte of a TLS hello", vec![0x16], 400),
        ("an SSH client", b"SSH-2.0-OpenSSH_9.6\r\n".to_vec(), 400),
        ("an HTTP/2 client", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), 505),
        ("a WebSocket frame", vec![0x81, 0x80, 0, 0, 0, 0], 400),
        ("empty lines", b"\r\n\r\n\r\n".to_vec(), 400),
        ("no version", b"GET /\r\n\r\n".to_vec(), 400),
        ("HTTP/3", b"GET / HTTP/3.0\r\nHost: a\r\n\r\n".to_vec(), 505),
        ("a target without end", vec![b'x'; 1 << 20], 431),
        ("a chunk that is none", format!("{chunked}zz\r\n").into_bytes(), 400),
        ("a chunk too long", format!("{chunked}fffffffffffffff\r\n").into_bytes(), 413),
        ("a chunk longer than it says", format!("{chunked}1\r\nab\r\n0\r\n\r\n").into_bytes(), 400),
    ];
    let bytes = bytes.into_iter().map(|(what, bytes, status)| (what.to_owned(), bytes, status, true));
    lines.chain(bytes).collect()
}

/// What is a request, and none that opens a WebSocket.
fn refused(address: SocketAddr) -> Vec<Case> {
    let own = [
        ("Host", address.to_string()),
        ("Upgrade", "websocket".into()),
        ("Connection", "Upgrade".into()),
        ("Sec-WebSocket-Key", KEY.into()),
        ("Sec-WebSocket-Version", "13".into()),
    ];
    let head = |start: &str, headers: &[(&str, String)]| {
        let lines: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{start}\r\n{lines}\r\n").into_bytes()
    };
    let get = format!("GET {SOCKET} HTTP/1.1");
    let changed = |name: &str, value: &str| {
        let with = |&(found, ref own): &(&'static str, String)| {
            (found, if found == name { value.to_owned() } else { own.clone() })
        };
        head(&get, &own.iter().map(with).collect::<Vec<_>>())
    };
    let without = |name: &str| {
        let others = own.iter().filter(|(found, _)| *found != name).cloned();
        head(&get, &others.collect::<Vec<_>>())
    };
    let added = |name, value: &str| head(&get, &[&own[..], &[(name, value.to_owned())]].concat());
    let cases = [
        ("no Upgrade", without("Upgrade"), 400),
        ("another Upgrade", changed("Upgrade", "h2c"), 400),
        ("two Upgrades", added("Upgrade", "h2c"), 400),
        ("no Connection", without("Connection"), 400),
        ("a Connection that closes", changed("Connection", "close"), 400),
        ("no version", without("Sec-WebSocket-Version"), 400),
        ("an old version", changed("Sec-WebSocket-Version", "8"), 426),
        ("two versions", added("Sec-WebSocket-Version", "13"), 426),
        ("no key", without("Sec-WebSocket-Key"), 400),
        ("two keys", added("Sec-WebSocket-Key", KEY), 400),
        ("a key too short", changed("Sec-WebSocket-Key", "c2hvcnQ="), 400),
        ("a key that is none", changed("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25j!Q=="), 400),
        ("HTTP/1.0", head(&format!("GET {SOCKET} HTTP/1.0"), &own), 400),
        ("another method", head(&format!("POST {SOCKET} HTTP/1.1"), &own), 405),
        ("a method in small letters", head(&format!("get {SOCKET} HTTP/1.1"), &own), 405),
        ("another path", head("GET /nothing HTTP/1.1", &own), 404),
        ("a path that climbs", head("GET /../socket/websocket HTTP/1.1", &own), 404),
        ("another vsn", head("GET /socket/websocket?vsn=9 HTTP/1.1", &own), 403),
        ("a page of elsewhere", added("Origin", "http://evil.test"), 403),
        ("a page that hides", added("Origin", "null"), 403),
        ("a page of a name that begins so", added("Origin", "http://127.0.0.1.evil.test"), 403),
        ("a refused client", head("GET /socket/websocket?refuse=1 HTTP/1.1", &own), 403),
        ("no token", head("GET /auth/websocket?vsn=2.0.0 HTTP/1.1", &own), 403),
        ("a page of here", added("Origin", "http://127.0.0.1"), 101),
    ];
    cases.into_iter().map(|(what, request, status)| (what.to_owned(), request, status, false)).collect()
}

fn a_refused_version_is_told_which_would_do(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let request = handshake(SOCKET, &address.to_string(), &[]);
        let request = String::from_utf8(request).unwrap().replace("Version: 13", "Version: 25\r\nConnection: close");
        let mut peer = Peer::connect(address);
        peer.send(request.as_bytes());
        let mut answer = String::new();
        std::io::Read::read_to_string(&mut peer.stream(), &mut answer).unwrap();
        assert!(
            answer.starts_with("HTTP/1.1 426 ") && answer.contains("\r\nSec-WebSocket-Version: 13\r\n"),
            "{answer}"
        );
    });
}

/// What comes behind a request that cannot be read is not taken for another one.
fn nothing_is_smuggled(host: Host) {
    besiege(host, &[], LITTLE, |address| {
        let inner = "GET /health HTTP/1.1\r\nHost: a\r\n\r\n";
        for lines in [
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
            "Content-Length: 5\r\nContent-Length: 0\r\n",
            "Transfer-Encoding: chunked\r\n\tX: 1\r\n",
        ] {
            let mut peer = Peer::connect(address);
            peer.send(format!("POST /health HTTP/1.1\r\nHost: a\r\n{lines}\r\n0\r\n\r\n{inner}{inner}").as_bytes());
            let mut answer = String::new();
            std::io::Read::read_to_string(&mut peer.stream(), &mut answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
            assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
        }
    });
}

on_each_host! {
    requests_that_are_wrong_are_answered_so
    a_refused_version_is_told_which_would_do
    nothing_is_smuggled
}
