//! The client `phoenix-channels-python-client` of PyPI against the rooms server: joins, pushes, replies, broadcasts,
//! crashes, heartbeats, and a server that is killed and comes back.

use chanson_tests::script;
use chanson_tests::tools::Rooms;

fn talk(vsn: &str) {
    let Some(mut script) = script::python("phoenix_client.py") else { return };
    let Some(server) = Rooms::start(&[]) else { return };
    script.arg(format!("ws://{}/socket", server.address())).arg(vsn);
    script::run(script, server, drop);
}

#[test]
fn the_client_works_with_vsn_2() {
    talk("2.0");
}

#[test]
fn the_client_works_with_vsn_1() {
    talk("1.0");
}
