//! Covenant over TLS: the sidekick, servers and clients, ours and the published ones, and the HTTP caller by itself.

use std::fs;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use chanson_core::covenant::client::ConnectError;
use chanson_core::covenant::connection::{CallError, Headers, HttpClientToServer, HttpClientToSidekick, Post};
use chanson_core::driver::Config;
use chanson_core::error::TlsError;
use chanson_core::tls::Connector;
use chanson_std::covenant::client::{Client, Config as ClientConfig, Event};
use chanson_std::http::{self, Caller};
use chanson_tests::tls::Authority;
use chanson_tests::tools::{Host, Rooms, free_port, require, tls_binary, tls_example};
use chanson_tests::transport::{Received, Transport};
use chanson_tests::{client, script};

use crate::common::serve;
use crate::contract::{Chat, login, room, said, say};

#[test]
fn the_http_caller_calls_those_whom_it_trusts() {
    let (authority, other) = (Authority::new("caller"), Authority::new("caller-other"));
    let server = serve(Host::Mio, Config::default().with_tls(authority.acceptor()));
    let url = format!("https://localhost:{}/message", server.local_addr().port());
    let call = |connector: Connector| {
        let (done, results) = mpsc::channel();
        let config = http::Config::default().with_tls(connector);
        let caller = Caller::new(config, move |(), result| drop(done.send(result)));
        let post = Post::new(url.parse().unwrap(), Headers::ion(), "{}".into());
        caller.call((), post).map_err(|refused| refused.error).unwrap();
        results.recv_timeout(Duration::from_secs(60)).unwrap()
    };
    assert_eq!(call(authority.connector()).unwrap().status, 404);
    assert_eq!(call(Connector::danger_accept_invalid_certs().unwrap()).unwrap().status, 404);
    assert_eq!(call(other.connector()), Err(CallError::NotTrusted));
}

/// A program that is started with a port, and flags of its own before all others.
struct Program(PathBuf, Vec<String>);

impl Program {
    fn start(&self, port: u16, flags: &[&str]) -> Rooms {
        let all: Vec<_> = self.1.iter().map(String::as_str).chain(flags.iter().copied()).collect();
        Rooms::start_on(port, &self.0, &all)
    }
}

/// The sidekick that trusts whom `authority` does, at `https://`, and the server that it knows.
struct Parties {
    authority: Authority,
    server_url: String,
    sidekick_url: String,
    misled_url: String,
    _all: [Rooms; 3],
}

impl Parties {
    fn start(name: &str, server: impl FnOnce(&Authority) -> Program) -> Self {
        let authority = Authority::new(name);
        let (ca, cert) = (authority.ca().display().to_string(), authority.cert().display().to_string());
        let tls = ["--tls-cert", &cert, "--tls-key", &cert];
        let (server, port) = (server(&authority), free_port());
        let url = |port: u16| format!("https://localhost:{port}/api/covenant");
        let server_url = url(port);
        let to_server = ["--server-url", &server_url, "--server-ca", &ca, "--server-secret", "S2"];
        // The order is kept however slow this machine is.
        let own = ["--secret", "S1", "--auth-delay", "50", "--order-wait", "60000"];
        let flags = [&own, &to_server[..], &tls].concat();
        let sidekick = Rooms::start_binary(&tls_binary("chanson-mio", "covenant-sidekick"), &flags);
        let sidekick_url = format!("https://localhost:{}", sidekick.address().port());
        let to_sidekick = ["--sidekick-url", &sidekick_url, "--server-secret", "S2", "--sidekick-secret"];
        let running = server.start(port, &[&tls, &to_sidekick[..], &["S1"]].concat());
        let misled = server.start(0, &[&tls, &to_sidekick[..], &["wrong"]].concat());
        let misled_url = url(misled.address().port());
        Self { authority, server_url, sidekick_url, misled_url, _all: [sidekick, running, misled] }
    }

    fn ours(name: &str) -> Self {
        Self::start(name, |authority| {
            let ca = ["--sidekick-ca".to_owned(), authority.ca().display().to_string()];
            Program(tls_example("chanson-std", "covenant_server"), ca.to_vec())
        })
    }

    /// The published client talks to them.
    fn talk(&self, flags: &[&str]) {
        let Some(mut script) = script::bun("covenant.mjs") else { return };
        script.env("NODE_EXTRA_CA_CERTS", self.authority.ca());
        script.args(["--server", &self.server_url, "--sidekick", &self.sidekick_url]);
        script.args(["--misled-server", &self.misled_url, "--sidekick-secret", "S1", "--server-secret", "S2"]);
        script::run_alone(
            {
                script.args(flags);
                script
            },
            || panic!("nothing is to be restarted"),
        );
    }
}

#[test]
fn the_published_client_works_with_our_server_and_sidekick() {
    Parties::ours("cov-ours").talk(&[]);
}

#[test]
fn the_published_client_and_server_work_with_our_sidekick() {
    if script::bun("covenant.mjs").is_none() {
        return;
    }
    // Whom it trusts is said by the environment.
    let Some(env) = require("env") else { return };
    let parties = Parties::start("cov-original", |authority| {
        let trust = format!("NODE_EXTRA_CA_CERTS={}", authority.ca().display());
        let script = script::js("covenant_server.mjs");
        Program(env, vec![trust, script::bun_program().display().to_string(), script.display().to_string()])
    });
    parties.talk(&["--original-server"]);
}

#[test]
fn our_client_works_and_tells_who_is_not_trusted() {
    let parties = Parties::ours("cov-client");
    let start = |connector: Connector| {
        let server = HttpClientToServer::new(&parties.server_url).unwrap();
        let sidekick = HttpClientToSidekick::new(&parties.sidekick_url).unwrap();
        Client::start(ClientConfig::new(server, sidekick).with_tls(connector)).unwrap()
    };
    let client = start(parties.authority.connector());
    assert!(client.wait_online(PATIENCE));
    let (heard, hears) = mpsc::channel();
    let chat = client.connect::<Chat>(&room("a"), &login("ann")).unwrap();
    chat.subscribe(move |message| drop(heard.send(message.unwrap()))).unwrap();
    chat.send(&say("hello")).unwrap();
    assert_eq!(hears.recv_timeout(PATIENCE).unwrap(), said("ann", "hello"));

    let stranger = start(Authority::new("cov-stranger").connector());
    let (told, tells) = mpsc::channel();
    stranger.on_event(move |event| drop(told.send(event)));
    let refused = stranger.connect::<Chat>(&room("a"), &login("ann")).unwrap_err();
    assert!(refused.to_string().contains("there is no TLS with whoever is there"), "{refused}");
    match tells.recv_timeout(PATIENCE).unwrap() {
        Event::ConnectFailed { error, .. } => assert_eq!(error, ConnectError::Tls(TlsError::UnknownIssuer)),
        other => panic!("{other:?}"),
    }
}

/// The example's server and clients meet at a sidekick that they know by a file of authorities.
#[test]
fn the_chat_example_trusts_a_file() {
    let (authority, port) = (Authority::new("cov-chat"), free_port().to_string());
    let (ca, cert) = (authority.ca().display().to_string(), authority.cert().display().to_string());
    let url = format!("http://127.0.0.1:{port}/api/covenant");
    let flags =
        ["--secret", "S", "--tls-cert", &cert, "--tls-key", &cert, "--server-url", &url, "--server-secret", "T"];
    let running = Rooms::start_binary(&tls_binary("chanson-mio", "covenant-sidekick"), &flags);
    let sidekick = format!("https://localhost:{}", running.address().port());
    let flags = ["--port", &port, "--sidekick", &sidekick, "--secret", "S", "--server-secret", "T"];
    for (more, heard) in [(&["--ca", &ca][..], true), (&[], false)] {
        let mut chat = Command::new(tls_example("chanson-std", "covenant_chat"));
        // Nobody is trusted but whom the file names.
        chat.args(flags).args(more).env("SSL_CERT_FILE", Authority::new("cov-chat-other").ca());
        let mut chat = chat.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        chat.stdin.take().unwrap().write_all(b"ann hello\n").unwrap();
        let said = String::from_utf8(chat.wait_with_output().unwrap().stdout).unwrap();
        assert_eq!(said.contains("ann hears ann: hello"), heard, "{said}");
    }
}

#[test]
fn the_sidekick_shows_new_certificates_and_keeps_who_is_there() {
    let authority = Authority::new("cov-renewal");
    let files = ["chain", "key"].map(|name| authority.cert().with_file_name(format!("{name}.pem")));
    let write = |pem: &str| files.iter().for_each(|file| fs::write(file, pem).unwrap());
    write(&authority.issue(&["elsewhere.test", "127.0.0.1"]));
    let [chain, key] = files.each_ref().map(|file| file.display().to_string());
    let flags = ["--secret", "S", "--tls-cert", &chain, "--tls-key", &key];
    let sidekick = Rooms::start_binary(&tls_binary("chanson-mio", "covenant-sidekick"), &flags);
    let mut old = authority.transport_to("127.0.0.1", sidekick.address());
    let mut conn = old.connect();
    old.send(&mut conn, &client::handshake("/socket", "a", &[]));
    assert!(matches!(old.receive(&mut conn, PATIENCE), Received::Bytes(_)));

    let answers = |authority: &Authority| {
        let mut new = authority.transport(sidekick.address());
        let mut conn = new.connect();
        new.send(&mut conn, b"GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n");
        matches!(new.receive(&mut conn, PATIENCE), Received::Bytes(_))
    };
    assert!(!answers(&authority), "it is for another host");
    // A key that is not there yet, then all.
    fs::write(&files[0], authority.issue(&["localhost"])).unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    assert!(!answers(&authority));
    write(&authority.issue(&["localhost"]));
    let end = Instant::now() + PATIENCE;
    while !answers(&authority) {
        assert!(Instant::now() < end, "it does not come: {}", sidekick.stderr());
        std::thread::sleep(Duration::from_millis(50));
    }
    let said = sidekick.stderr();
    assert!(
        said.contains("was not renewed: the private key does not belong") && said.contains("was renewed"),
        "{said}"
    );
    old.send(&mut conn, &client::text(r#"{ "type": "listen", "resources": [] }"#));
    assert!(matches!(old.receive(&mut conn, PATIENCE), Received::Bytes(_)));
}

#[test]
fn the_sidekick_says_who_spoke_without_tls() {
    let authority = Authority::new("cov-plain");
    let cert = authority.cert().display().to_string();
    let flags = ["--secret", "S", "--tls-cert", &cert, "--tls-key", &cert];
    let sidekick = Rooms::start_binary(&tls_binary("chanson-mio", "covenant-sidekick"), &flags);
    let mut tcp = sidekick.tcp();
    let mut conn = tcp.connect();
    tcp.send(&mut conn, b"GET /socket HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(matches!(tcp.receive(&mut conn, PATIENCE), Received::Bytes(_)));
    let end = Instant::now() + PATIENCE;
    while !sidekick.stderr().contains("a plain HTTP request on a port that speaks TLS") {
        assert!(Instant::now() < end, "it is not said: {}", sidekick.stderr());
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Nothing takes that long unless it is broken.
const PATIENCE: Duration = Duration::from_secs(60);
