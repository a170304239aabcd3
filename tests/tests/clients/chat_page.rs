//! The page of the chat example, in headless Chromium: two tabs talk, see each other come and go and type, and survive
//! a restart of the server.

use chanson_tests::node;
use chanson_tests::tools::{Rooms, example, require};

#[test]
fn two_tabs_talk_and_survive_a_restart() {
    if require("chromium").is_none() || node::scripts().is_none() {
        return;
    }
    let chat = example("chanson-mio", "chat");
    let server = Rooms::start_binary(&chat, &[]);
    let url = format!("http://{}/", server.address());
    node::run("chat.mjs", &[&url], server, |server| {
        let port = server.address().port().to_string();
        server.stop();
        Rooms::start_binary(&chat, &["--port", &port])
    });
}
