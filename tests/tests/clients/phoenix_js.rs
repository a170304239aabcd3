//! The npm `phoenix` client against the rooms server: joins, pushes, replies, timeouts, broadcasts, binary payloads,
//! presence, heartbeats, and a server that is killed and comes back.

use chanson_tests::node;
use chanson_tests::on_each_host;
use chanson_tests::tools::{Host, Rooms, rooms};

fn talk(host: Host, module: &str, vsn: &str) {
    let Some(binary) = rooms(host) else { return };
    if node::scripts().is_none() {
        return;
    }
    let server = Rooms::start_binary(binary, &[]);
    let url = format!("ws://{}/socket", server.address());
    node::run("phoenix.mjs", &[module, &url, vsn], server, |server| {
        let port = server.address().port().to_string();
        drop(server);
        Rooms::start_binary(binary, &["--port", &port])
    });
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
