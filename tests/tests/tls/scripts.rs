//! Node's TLS with our servers: the npm `phoenix` client, and `ws` by itself, compressed too.

use chanson_tests::tls::Authority;
use chanson_tests::tools::Host;
use chanson_tests::{on_each_host, script};

use crate::recorded::rooms;

/// Runs a script that trusts the server, with these arguments: `URL` stands for that of the server.
fn run(host: Host, name: &str, arguments: &[&str]) {
    let (Some(mut script), Some(rooms)) = (script::node(name), rooms(host)) else { return };
    let authority = Authority::new(&format!("{name}-{host:?}"));
    let server = authority.rooms_with(&rooms, host.flags());
    let url = format!("wss://localhost:{}", server.address().port());
    script.env("NODE_EXTRA_CA_CERTS", authority.ca());
    script.args(arguments.iter().map(|argument| argument.replace("URL", &url)));
    script::run(script, server, drop);
}

fn the_phoenix_client_works(host: Host) {
    run(host, "phoenix.mjs", &["phoenix", "URL/socket", "2.0.0"]);
}

fn ws_talks_compressed(host: Host) {
    run(host, "deflate.mjs", &["URL"]);
}

fn ws_works_with_either_version(host: Host) {
    let (Some(mut script), Some(rooms)) = (script::node("tls.mjs"), rooms(host)) else { return };
    let authority = Authority::new(&format!("ws-{host:?}"));
    let server = authority.rooms_with(&rooms, host.flags());
    script.arg(server.address().port().to_string()).arg(authority.ca());
    script::run(script, server, drop);
}

on_each_host! {
    the_phoenix_client_works
    ws_talks_compressed
    ws_works_with_either_version
}
