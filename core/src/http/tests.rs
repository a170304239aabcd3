//! Requests read and refused, upgrades, responses.

use super::*;

const LIMITS: Limits = Limits { head: 1024, headers: 8, body: 100 };

/// What a reader makes of the pieces: each request as "method target body", and the status it stumbles over.
fn read(pieces: &[&[u8]]) -> (Vec<String>, Result<Progress, u16>) {
    let (mut reader, mut input, mut requests) = (Reader::default(), Vec::new(), Vec::new());
    let mut last = Progress::More;
    for piece in pieces {
        input.extend_from_slice(piece);
        loop {
            let (used, progress) = match reader.read(&input, &LIMITS) {
                Ok(read) => read,
                Err(status) => return (requests, Err(status)),
            };
            if progress == Progress::Complete {
                let request = reader.request(&input[..used]);
                let body = String::from_utf8_lossy(request.body());
                requests.push(format!("{} {} {body}", request.method(), request.target()));
                reader.reset();
            }
            input.drain(..used);
            last = progress;
            if progress != Progress::Complete {
                break;
            }
        }
    }
    (requests, Ok(last))
}

fn status(bytes: &[u8]) -> Result<Progress, u16> {
    let whole = read(&[bytes]);
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    let cut = read(&single);
    assert_eq!((&whole.0, whole.1.is_err()), (&cut.0, cut.1.is_err()), "{}", bytes.escape_ascii());
    whole.1
}

/// A GET with these lines between the request line and the end of the head.
fn get(lines: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\n{lines}\r\n").into_bytes()
}

#[test]
fn pipelined_requests_with_and_without_bodies() {
    let bytes = b"\r\nGET /a?b=c HTTP/1.1\r\nHost: h\r\n\r\n\
        POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello\
        POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: Chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\nT: 1\r\n\r\n\
        POST /d HTTP/1.1\r\nhOST: h\r\ncontent-length:0\r\n\r\n\
        GET /e HTTP/1.0\r\n\r\n";
    let expected = ["GET /a?b=c ", "POST /b hello", "POST /c abcde", "POST /d ", "GET /e "];
    assert_eq!(read(&[bytes]), (expected.map(String::from).to_vec(), Ok(Progress::More)));
    for cut in 0..bytes.len() {
        let (left, right) = bytes.split_at(cut);
        assert_eq!(read(&[left, right]).0, expected, "{cut}");
    }
    let single: Vec<&[u8]> = bytes.chunks(1).collect();
    assert_eq!(read(&single).0, expected);
}

#[test]
fn smuggling_is_refused() {
    for lines in [
        "Host: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n",
        "Host: h\r\nContent-Length: 1\r\nContent-Length: 2\r\n",
        "Host: h\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        "Host: h\r\nContent-Length: 1, 1\r\n",
        "Host: h\r\nContent-Length: +1\r\n",
        "Host: h\r\nContent-Length: -1\r\n",
        "Host: h\r\nContent-Length: 0x1\r\n",
        "Host: h\r\nContent-Length: 1 1\r\n",
        "Host: h\r\nContent-Length:\r\n",
        "Host: h\r\nContent-Length: 99999999999999999999999\r\n",
        "Host: h\r\nTransfer-Encoding: gzip\r\n",
        "Host: h\r\nTransfer-Encoding: gzip, chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked, chunked\r\n",
        "Host: h\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        "Host: h\r\nTransfer-Encoding: xchunked\r\n",
        "Host: h\r\nTransfer-Encoding:\r\n",
        "Host: h\r\nTransfer-Encoding : chunked\r\n",
        "Host: h\r\nX: 1\r\n folded\r\n",
        "Host: h\r\n\tfolded\r\n",
        " X: before the first\r\nHost: h\r\n",
        "Host: h\r\nX: 1\nY: 2\r\n",
        "Host: h\r\nX: 1\rY: 2\r\n",
        "Host: h\r\nX: a\0b\r\n",
        "Host: h\r\nX : 1\r\n",
        "Host: h\r\nno colon\r\n",
        "Host: h\r\n: no name\r\n",
        "Host: h\r\nX\u{e9}: 1\r\n",
        "Host: h\r\nHost: h\r\n",
        "Host: h\r\nHost: i\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: a:b\r\n",
        "Host: a:1:2\r\n",
        "Host: http://a\r\n",
        "Host: u@a\r\n",
        "Host: a, b\r\n",
        "Host: [::1\r\n",
        "Host: ::1]\r\n",
        "Host: []\r\n",
        "Host: [::1]80\r\n",
        "Host: <a>\r\n",
        "Host: \u{e9}\r\n",
        "",
    ] {
        assert_eq!(status(&get(lines)), Err(400), "{lines:?}");
    }
    assert_eq!(status(b"GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n"), Err(400));
    assert_eq!(status(b"GET / HTTP/1.0\r\nHost: a\r\nHost: a\r\n\r\n"), Err(400));
    assert_eq!(status(b"GET / HTTP/1.1\nHost: h\n\n"), Err(400));
    assert_eq!(status(b"GET / HTTP/1.1\r\nHost: h\r\n\n"), Err(400));
}

#[test]
fn hosts() {
    for host in
        ["", "a", "a:", "a:80", "A-b_c.example", "127.0.0.1:4000", "[::1]", "[::1]:80", "[v1.a:b]", "%C3%A9.test"]
    {
        assert_eq!(status(&get(&format!("Host: {host}\r\n"))), Ok(Progress::More), "{host}");
    }
}

#[test]
fn debug_output_tells_no_secrets() {
    let body = b"secret-body";
    let headers = [("Authorization", "Bearer secret-token"), ("Host", "h")];
    let request = Request::new("POST", "/path?token=secret-query", &headers, body);
    let shown = format!("{request:?}");
    assert!(shown.contains("/path") && !shown.contains("secret"), "{shown}");

    let mut reader = Reader::default();
    let bytes = b"POST / HTTP/1.1\r\nHost: h\r\nCookie: secret\r\nContent-Length: 20\r\n\r\nsecret";
    reader.read(bytes, &LIMITS).unwrap();
    let shown = format!("{reader:?}");
    assert!(shown.contains("kept_bytes") && !shown.contains("secret") && !shown.contains("115, 101, 99"), "{shown}");

    let head = Head::parse(b"HTTP/1.1 401 No\r\nSet-Cookie: secret\r\n\r\n", 8).unwrap();
    let shown = format!("{head:?}");
    assert!(shown.contains("401") && !shown.contains("secret") && !shown.contains("115, 101, 99"), "{shown}");
}

#[test]
fn request_lines() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
    ] {
        assert_eq!(status(format!("{line}\r\nHost: h\r\n\r\n").as_bytes()), Err(400), "{line}");
    }
    for line in
        ["GET / http/1.1", "GET / HTTP/1.10", "GET / HTTP/a.1", "GET\t/\tHTTP/1.1", "GET / HTTP", "G@T / HTTP/1.1"]
    {
        assert_eq!(status(format!("{line}\r\nHost: h\r\n\r\n").as_bytes()), Err(400), "{line}");
    }
    assert_eq!(status(b"PRI * HTTP/2.0\r\n"), Err(505), "at the end of the line");
    assert_eq!(status(b"GET / HTTP/1.2\r\n"), Err(505));
    assert_eq!(status(b"SSH-2.0-OpenSSH_9.6\r\n"), Err(400));
    assert_eq!(status(b"\x16"), Err(400), "a TLS hello");
    assert_eq!(status(b"\r\n\r\n"), Err(400), "one empty line is ignored, no more");
    assert_eq!(status(b"\x81"), Err(400));
    assert_eq!(status(b"\n"), Err(400));
}

#[test]
fn bounds() {
    let head = |len: usize| get(&format!("Host: h\r\nX: {}\r\n", "x".repeat(len)));
    let room = LIMITS.head - head(0).len();
    assert_eq!(read(&[&head(room)]).0.len(), 1);
    assert_eq!(status(&head(room + 1)), Err(431));
    assert_eq!(status(&[b'x'; 1024]), Err(431), "without any line");
    let headers = |count: usize| get(&format!("Host: h\r\n{}", "X: 1\r\n".repeat(count - 1)));
    assert_eq!(read(&[&headers(8)]).0.len(), 1);
    assert_eq!(status(&headers(9)), Err(431));
    assert_eq!(status(&get("Host: h\r\nContent-Length: 101\r\n")), Err(413));
    assert_eq!(status(&get("Host: h\r\nContent-Length: 100\r\n")), Ok(Progress::More));
    let chunked = |body: &str| [get("Host: h\r\nTransfer-Encoding: chunked\r\n"), body.as_bytes().to_vec()].concat();
    assert_eq!(status(&chunked("65\r\n")), Err(413));
    assert_eq!(status(&chunked(&"1\r\nx\r\n".repeat(101))), Err(413));
    assert_eq!(status(&chunked("zz\r\n")), Err(400));
}

#[test]
fn expectations() {
    let head = get("Host: h\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n");
    assert_eq!(read(&[&head]).1, Ok(Progress::Continue));
    assert_eq!(read(&[&head, b"h"]).1, Ok(Progress::More), "said once");
    assert_eq!(read(&[&[&head[..], b"h"].concat()]).1, Ok(Progress::More), "the client did not wait");
    assert_eq!(read(&[&get("Host: h\r\nExpect: 100-continue\r\n")]).0.len(), 1, "nothing to wait for");
    assert_eq!(status(&get("Host: h\r\nExpect: a-miracle\r\n")), Err(417));
    assert_eq!(read(&[b"GET / HTTP/1.0\r\nExpect: a-miracle\r\n\r\n"]).0.len(), 1);
}

#[test]
fn parts_of_a_request() {
    let headers = [("Host", "h"), ("X-One", "1"), ("x-one", "2"), ("Sec-WebSocket-Protocol", "phoenix, a ,,b")];
    let more = [&headers[..], &[("sec-websocket-protocol", "c")]].concat();
    let request = Request::new("GET", "/a/b?x=1&y=%C3%A9+z&x=2?3", &more, b"body");
    assert_eq!((request.path(), request.query()), ("/a/b", "x=1&y=%C3%A9+z&x=2?3"));
    let params: Vec<_> = request.query_params().map(|(name, value)| format!("{name}:{value}")).collect();
    assert_eq!(params, ["x:1", "y:é z", "x:2?3"]);
    assert_eq!(request.header("X-ONE"), Some("1"));
    assert_eq!(request.header("absent"), None);
    assert_eq!(request.protocols().collect::<Vec<_>>(), ["phoenix", "a", "b", "c"]);
    assert_eq!(request.headers().count(), 5);
    assert_eq!(request.body(), b"body");
    for (target, path, query) in [
        ("http://h:1/a?b", "/a", "b"),
        ("http://h", "/", ""),
        ("http://h?b", "/", "b"),
        ("*", "*", ""),
        ("/a://b", "/a://b", ""),
        ("/?", "/", ""),
    ] {
        let request = Request::new("GET", target, &[], b"");
        assert_eq!((request.path(), request.query()), (path, query), "{target}");
    }
}

#[test]
fn a_header_that_cannot_be_read_is_not_missing() {
    let mut reader = Reader::default();
    let bytes = b"GET / HTTP/1.1\r\nHost: h\r\nOrigin: \xff\r\nX: \t a b \t\r\n\r\n";
    let (used, _) = reader.read(bytes, &LIMITS).unwrap();
    let request = reader.request(&bytes[..used]);
    assert_eq!(request.header("origin"), Some("\u{fffd}"));
    assert_eq!(request.header("x"), Some("a b"));
    assert!(request.headers().any(|(name, value)| name == "Origin" && value == b"\xff"));
}

const UPGRADE: [(&str, &str); 4] = [
    ("Upgrade", "h2c, WebSocket"),
    ("Connection", "keep-alive, Upgrade"),
    ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ("Sec-WebSocket-Version", "13"),
];

#[test]
fn upgrades() {
    type Headers = Vec<(&'static str, &'static str)>;
    let with = |change: &dyn Fn(&mut Headers)| {
        let mut headers = UPGRADE.to_vec();
        change(&mut headers);
        Request::new("GET", "/", &headers, b"").websocket()
    };
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|headers| headers[2].1 = "AAAAAAAAAAAAAAAAAAAAAB=="), Ok(()), "left-over bits");
    for missing in [0, 1, 3] {
        let result = with(&|headers| _ = headers.remove(missing));
        assert_eq!(result, Err(UpgradeError::NotAnUpgrade), "{missing}");
    }
    assert_eq!(with(&|headers| headers[0].1 = "websockets"), Err(UpgradeError::NotAnUpgrade));
    assert_eq!(with(&|headers| headers[1].1 = "close"), Err(UpgradeError::NotAnUpgrade));
    for version in ["12", "14", "", "13, 8"] {
        assert_eq!(with(&|headers| headers[3].1 = version), Err(UpgradeError::Version), "{version}");
    }
    assert_eq!(with(&|headers| _ = headers.remove(2)), Err(UpgradeError::Key));
    assert_eq!(with(&|headers| headers.push(headers[2])), Err(UpgradeError::Key));
    for key in [
        "",
        "dGhlIHNhbXBsZSBub25jZQ",
        "dGhlIHNhbXBsZSBub25jZQ=",
        "dGhlIHNhbXBsZSBub25jZQAA",
        "dGhlIHNhbXBsZSBub25j!Q==",
    ] {
        assert_eq!(with(&|headers| headers[2].1 = key), Err(UpgradeError::Key), "{key}");
    }
    assert_eq!(Request::new("POST", "/", &UPGRADE, b"").websocket(), Err(UpgradeError::Method));
    assert_eq!(with(&|headers| headers.push(headers[0])), Err(UpgradeError::NotAnUpgrade), "two of them");
    assert_eq!(with(&|headers| headers.push(("Transfer-Encoding", "chunked"))), Err(UpgradeError::NotAnUpgrade));
    assert_eq!(Request::new("GET", "/", &UPGRADE, b"body").websocket(), Err(UpgradeError::NotAnUpgrade));
}

#[test]
fn refused_upgrades_say_what_would_do() {
    let has = |error: UpgradeError, name, value| error.response().headers().any(|header| header == (name, value));
    assert_eq!(UpgradeError::Method.response().status(), 405);
    assert!(has(UpgradeError::Method, "Allow", "GET"));
    assert_eq!(UpgradeError::Version.response().status(), 426);
    assert!(has(UpgradeError::Version, "Sec-WebSocket-Version", "13"));
    assert_eq!(UpgradeError::NotAnUpgrade.response().status(), 400);
    assert_eq!(UpgradeError::Key.response().status(), 400);
}

#[test]
fn responses() {
    let text = |response: &Response, head, persistence| String::from_utf8(response.encode(head, persistence)).unwrap();
    let hello = Response::text(200, "hello").header("X-A", "1").unwrap();
    let headers = "HTTP/1.1 200 OK\r\nContent-Type: text/plain; charset=utf-8\r\nX-A: 1\r\nContent-Length: 5\r\n";
    assert_eq!(text(&hello, false, Persistence::Implicit), format!("{headers}\r\nhello"));
    assert_eq!(text(&hello, false, Persistence::Close), format!("{headers}Connection: close\r\n\r\nhello"));
    assert_eq!(text(&hello, true, Persistence::KeepAlive), format!("{headers}Connection: keep-alive\r\n\r\n"));
    assert_eq!(text(&Response::new(204), false, Persistence::Implicit), "HTTP/1.1 204 No Content\r\n\r\n");
    let not_modified = Response::new(304).body("text/html", "x").unwrap();
    assert!(text(&not_modified, false, Persistence::Implicit).ends_with("text/html\r\n\r\n"));
    assert_eq!(text(&Response::new(599), false, Persistence::Implicit), "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n");
    assert_eq!(Response::new(101).status(), 500);
    let json = Response::text(200, "gone").body("application/json", "{}").unwrap();
    assert_eq!(json.headers().collect::<Vec<_>>(), [("Content-Type", "application/json")]);
    assert_eq!(json.bytes(), b"{}");
}

#[test]
fn headers_cannot_be_injected() {
    let add = |name: &'static str, value: &'static str| Response::new(200).header(name, value).err();
    assert_eq!(add("X", "a\r\nSet-Cookie: b"), Some(HeaderError::Value));
    for value in ["a\nb", "a\rb", "a\0b", "\x7f"] {
        assert_eq!(add("X", value), Some(HeaderError::Value));
    }
    for name in ["", "X Y", "X:", "X\r\n", "é"] {
        assert_eq!(add(name, "v"), Some(HeaderError::Name));
    }
    for name in ["Content-Length", "transfer-encoding", "CONNECTION"] {
        assert_eq!(add(name, "v"), Some(HeaderError::Reserved));
    }
    assert_eq!(Response::new(200).body("a\r\nb: c", "").err(), Some(HeaderError::Value));
    assert_eq!(add("X", "a\tb é"), None);
    assert_eq!(switching_protocols("key", Some("a\r\nb"), None), None);
    assert_eq!(switching_protocols("key", Some(""), None), None);
}

proptest::proptest! {
    #[test]
    fn garbage_does_no_harm(bytes in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..100), lines in "[ -~\r\n]{0,60}") {
        let _ = status(&bytes);
        let _ = status(&get(&lines));
        let chunked = get("Host: h\r\nTransfer-Encoding: chunked\r\n");
        let _ = status(&[&chunked[..], &bytes].concat());
        let _ = status(&[&chunked[..], lines.as_bytes()].concat());
    }
}

#[test]
fn pairs_of_a_query_are_what_they_are_to_the_url_standard() {
    for query in
        ["", "a", "a=b", "a=b&c=d", "&&a=b&&c&", "=", "=b", "a==b=", "%61=%2B+x&y=z", "a=%ff&b=\u{e9}", "a&=b%"]
    {
        let target = format!("/?{query}");
        let request = Request::new("GET", &target, &[], b"");
        let pairs: Vec<_> = request.query_pairs().collect();
        assert_eq!(pairs, request.query_params().collect::<Vec<_>>(), "{query}");
    }
}
