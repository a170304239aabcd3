//! `openssl s_client` with our servers.

use std::io::{Read, Write};
use std::process::{Command, Stdio};

use chanson_core::driver::Config;
use chanson_core::tls::Acceptor;
use chanson_tests::on_each_driver;
use chanson_tests::tls::{Authority, identity};
use chanson_tests::tools::{Host, require};

use crate::common::serve;

/// What it says when it asks for a page with these flags.
fn ask(port: u16, authority: &Authority, flags: &[&str]) -> Option<String> {
    let mut child = Command::new(require("openssl")?)
        .args(["s_client", "-connect", &format!("127.0.0.1:{port}"), "-verify_return_error", "-CAfile"])
        .arg(authority.ca())
        .args(["-alpn", "http/1.1", "-ign_eof"])
        .args(flags)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // When it does not connect, it does not read.
    let _ = stdin.write_all(b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    let mut errors = child.stderr.take().unwrap();
    let errors = std::thread::spawn(move || {
        let mut text = Vec::new();
        errors.read_to_end(&mut text).unwrap();
        text
    });
    let mut said = Vec::new();
    child.stdout.take().unwrap().read_to_end(&mut said).unwrap();
    child.wait().unwrap();
    said.extend(errors.join().unwrap());
    Some(String::from_utf8_lossy(&said).into_owned())
}

fn both_versions_are_spoken_and_older_ones_are_not(host: Host) {
    let authority = Authority::new(&format!("versions-{host:?}"));
    let server = serve(host, Config::default().with_tls(authority.acceptor()));
    let port = server.local_addr().port();
    for (flag, name) in [("-tls1_2", "TLSv1.2"), ("-tls1_3", "TLSv1.3")] {
        let Some(said) = ask(port, &authority, &[flag, "-servername", "localhost"]) else { return };
        assert!(said.contains("Verify return code: 0 (ok)") && said.contains(name), "{said}");
        assert!(said.contains("ALPN protocol: http/1.1"), "{said}");
        assert!(said.contains("HTTP/1.1 404 Not Found"), "{said}");
        assert!(!said.contains("unexpected eof"), "there is a close_notify: {said}");
    }
    let Some(said) = ask(port, &authority, &["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"]) else { return };
    assert!(!said.contains("HTTP/1.1 404") && said.contains("alert"), "{said}");
}

fn the_certificate_is_the_one_for_the_name(host: Host) {
    let authority = Authority::new(&format!("names-{host:?}"));
    let identities = ["localhost", "*.b.test"].map(|name| identity(&authority.issue(&[name])));
    let server = serve(host, Config::default().with_tls(Acceptor::new(identities).unwrap()));
    let port = server.local_addr().port();
    for (name, good) in [("localhost", true), ("www.b.test", true), ("c.test", false)] {
        let Some(said) = ask(port, &authority, &["-servername", name, "-verify_hostname", name]) else { return };
        assert_eq!(said.contains("HTTP/1.1 404"), good, "{name}: {said}");
    }
    let Some(said) = ask(port, &authority, &["-noservername", "-verify_hostname", "localhost"]) else { return };
    assert!(said.contains("HTTP/1.1 404"), "{said}");
}

on_each_driver! {
    both_versions_are_spoken_and_older_ones_are_not
    the_certificate_is_the_one_for_the_name
}
