//! The npm `phoenix` client against the rooms server: joins, pushes, replies, timeouts, broadcasts, binary payloads,
//! presence, heartbeats, and a server that is killed and comes back.

use chanson_tests::script;
use chanson_tests::tools::Rooms;

fn talk(module: &str, vsn: &str) {
    let Some(mut script) = script::node("phoenix.mjs") else { return };
    let Some(server) = Rooms::start(&[]) else { return };
    script.arg(module).arg(format!("ws://{}/socket", server.address())).arg(vsn);
    script::run(script, server, drop);
}

#[test]
fn the_newest_client_works_with_vsn_2() {
    talk("phoenix", "2.0.0");
}

#[test]
fn the_newest_client_works_with_vsn_1() {
    talk("phoenix", "1.0.0");
}

#[test]
fn the_client_of_phoenix_1_7_works_with_vsn_2() {
    talk("phoenix-1.7", "2.0.0");
}

#[test]
fn the_client_of_phoenix_1_7_works_with_vsn_1() {
    talk("phoenix-1.7", "1.0.0");
}
