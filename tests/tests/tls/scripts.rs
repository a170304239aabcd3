//! Node's TLS with our servers: the npm `phoenix` client, and `ws` by itself.

use chanson_tests::tls::Authority;
use chanson_tests::tools::Host;
use chanson_tests::{on_each_driver, script};

use crate::recorded::rooms;

fn the_phoenix_client_works(host: Host) {
    let authority = Authority::new(&format!("phoenix-{host:?}"));
    let Some(mut script) = script::node("phoenix.mjs") else { return };
    let server = authority.rooms(&rooms(host));
    script.env("NODE_EXTRA_CA_CERTS", authority.ca());
    script.arg("phoenix").arg(format!("wss://localhost:{}/socket", server.address().port())).arg("2.0.0");
    script::run(script, server, drop);
}

fn ws_works_with_either_version(host: Host) {
    let authority = Authority::new(&format!("ws-{host:?}"));
    let Some(mut script) = script::node("tls.mjs") else { return };
    let server = authority.rooms(&rooms(host));
    script.arg(server.address().port().to_string()).arg(authority.ca());
    script::run(script, server, drop);
}

on_each_driver! {
    the_phoenix_client_works
    ws_works_with_either_version
}
