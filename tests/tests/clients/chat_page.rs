//! The page of the chat example, in headless Chromium: two tabs talk, see each other come and go and type, and survive
//! a restart of the server.

use chanson_tests::script;
use chanson_tests::tools::{Rooms, example, require};

#[test]
fn two_tabs_talk_and_survive_a_restart() {
    let (Some(_), Some(mut script)) = (require("chromium"), script::node("chat.mjs")) else { return };
    let server = Rooms::start_binary(&example("chanson-mio", "chat"), &[]);
    script.arg(format!("http://{}/", server.address()));
    script::run(script, server, Rooms::stop);
}
