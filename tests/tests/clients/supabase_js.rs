//! Supabase's npm client `@supabase/realtime-js` against the realtime example: subscriptions, broadcast with its
//! acknowledgements, presence, tokens, and a server that is killed and comes back.

use chanson_tests::tools::{Host, Rooms, example};
use chanson_tests::{on_each_driver, script};

fn talk(host: Host, vsn: &str) {
    let Some(mut script) = script::node("supabase.mjs") else { return };
    let binary = match host {
        Host::Mio | Host::MioThreads => example("chanson-mio", "realtime"),
        Host::Threads => example("chanson-std", "realtime_threads"),
        Host::C => unreachable!("the example is one of the drivers'"),
    };
    let server = Rooms::start_binary(&binary, &[]);
    script.arg(format!("ws://{}/realtime/v1", server.address())).arg(vsn);
    script::run(script, server, drop);
}

fn the_client_works_with_its_own_serializer(host: Host) {
    talk(host, "2.0.0");
}

fn the_client_works_with_vsn_1(host: Host) {
    talk(host, "1.0.0");
}

on_each_driver! {
    the_client_works_with_its_own_serializer
    the_client_works_with_vsn_1
}
