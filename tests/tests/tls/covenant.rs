//! Covenant's HTTP caller with a server of ours.

use std::sync::mpsc;
use std::time::Duration;

use chanson_core::covenant::connection::{CallError, Headers, Post};
use chanson_core::driver::Config;
use chanson_core::tls::Connector;
use chanson_std::http::{self, Caller};
use chanson_tests::tls::Authority;
use chanson_tests::tools::Host;

use crate::common::serve;

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
