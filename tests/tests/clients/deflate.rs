//! npm `ws` and Chromium, which offer permessage-deflate by themselves, against the mounts that accept it.

use chanson_tests::tools::{Host, Rooms, require};
use chanson_tests::{on_each_host, script};

fn ws_talks_compressed(host: Host) {
    let Some(mut script) = script::node("deflate.mjs") else { return };
    let Some(server) = Rooms::start(host, &[]) else { return };
    script.arg(format!("ws://{}", server.address()));
    script::run(script, server, drop);
}

fn a_page_talks_compressed(host: Host) {
    let (Some(_), Some(mut script)) = (require("chromium"), script::node("deflate_browser.mjs")) else { return };
    let Some(server) = Rooms::start(host, &[]) else { return };
    script.arg(format!("ws://{}", server.address()));
    script::run(script, server, drop);
}

on_each_host! {
    ws_talks_compressed
    a_page_talks_compressed
}
