//! The npm `phoenix` client against the rooms server: joins, pushes, replies, timeouts, broadcasts, binary payloads,
//! presence, heartbeats, and a server that is killed and comes back.

use chanson_tests::tools::{Host, Rooms};
use chanson_tests::{on_each_host, script};

fn talk(host: Host, module: &str, vsn: &str) {
    let Some(mut script) = script::node("phoenix.mjs") else { return };
    let Some(server) = Rooms::start(host, &[]) else { return };
    script.arg(module).arg(format!("ws://{}/socket", server.address())).arg(vsn);
    script::run(script, server, drop);
}

fn the_newest_client_works_with_vsn_2(host: Host) {
    talk(host, "phoenix", "2.0.0");
}

fn the_newest_client_works_with_vsn_1(host: Host) {
    talk(host, "phoenix", "1.0.0");
}

fn the_client_of_phoenix_1_7_works_with_vsn_2(host: Host) {
    talk(host, "phoenix-1.7", "2.0.0");
}

fn the_client_of_phoenix_1_7_works_with_vsn_1(host: Host) {
    talk(host, "phoenix-1.7", "1.0.0");
}

on_each_host! {
    the_newest_client_works_with_vsn_2
    the_newest_client_works_with_vsn_1
    the_client_of_phoenix_1_7_works_with_vsn_2
    the_client_of_phoenix_1_7_works_with_vsn_1
}
