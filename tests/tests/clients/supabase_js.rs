//! Supabase's npm client `@supabase/realtime-js` against the realtime example: subscriptions, broadcast with its
//! acknowledgements, presence, tokens, and a server that is killed and comes back.

use chanson_tests::script;
use chanson_tests::tools::{Rooms, example};

fn talk(vsn: &str) {
    let Some(mut script) = script::node("supabase.mjs") else { return };
    let server = Rooms::start_binary(&example("chanson-mio", "realtime"), &[]);
    script.arg(format!("ws://{}/realtime/v1", server.address())).arg(vsn);
    script::run(script, server, drop);
}

#[test]
fn the_client_works_with_its_own_serializer() {
    talk("2.0.0");
}

#[test]
fn the_client_works_with_vsn_1() {
    talk("1.0.0");
}
