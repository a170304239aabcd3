//! The client `phoenix-channels-python-client` of PyPI against the rooms server: joins, pushes, replies, broadcasts,
//! crashes, heartbeats, and a server that is killed and comes back.

use chanson_tests::tools::{Host, Rooms};
use chanson_tests::{on_each_host, script};

fn talk(host: Host, vsn: &str) {
    let Some(mut script) = script::python("phoenix_client.py") else { return };
    let Some(server) = Rooms::start(host, &[]) else { return };
    script.arg(format!("ws://{}/socket", server.address())).arg(vsn);
    script::run(script, server, drop);
}

fn the_client_works_with_vsn_2(host: Host) {
    talk(host, "2.0");
}

fn the_client_works_with_vsn_1(host: Host) {
    talk(host, "1.0");
}

on_each_host! {
    the_client_works_with_vsn_2
    the_client_works_with_vsn_1
}
