//! Presences that are made to need more than they are.

use chanson_core::client::Event;
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;

use crate::server::{Server, hear, join, say, text};
use crate::victim::events_until;

fn many_under_one_key_before_the_state(host: Host) {
    overflows(host, |join| {
        let mut out: Vec<u8> = (0..30_000).flat_map(|n| text(&diff(join, n))).collect();
        out.extend(text(&format!(r#"[{join},null,"room:a","presence_state",{{}}]"#)));
        out
    });
}

fn many_under_one_key_one_by_one(host: Host) {
    overflows(host, |join| {
        // Nearly as many as there may be: a client whose events are taken at once meets that bound, another one before that the
        // bound of what waits to be told. Each of the diffs makes it copy all of them.
        let metas: Vec<String> = (0..3_000).map(|n| format!(r#"{{"phx_ref":"s{n}"}}"#)).collect();
        let state = format!(r#"[{join},null,"room:a","presence_state",{{"k":{{"metas":[{}]}}}}]"#, metas.join(","));
        let diffs = (0..20_000).flat_map(|n| text(&diff(join, n)));
        text(&state).into_iter().chain(diffs).collect()
    });
}

fn a_state_of_empty_metas(host: Host) {
    overflows(host, |join| {
        let metas = "{},".repeat(2_000_000);
        text(&format!(r#"[{join},null,"room:a","presence_state",{{"k":{{"metas":[{metas}{{}}]}}}}]"#))
    });
}

on_each_driver! {
    many_under_one_key_before_the_state
    many_under_one_key_one_by_one
    a_state_of_empty_metas
}

/// The client says that there are too many, in little memory, and stays connected.
#[track_caller]
fn overflows(host: Host, attack: fn(&str) -> Vec<u8>) {
    let server = Server::start(1, move |stream| {
        let Some(join) = join(stream) else { return };
        say(stream, attack(&join));
        while hear(stream).is_some() {}
    });
    events_until(host, server.address, |event| matches!(event, Event::PresenceOverflow { .. }), 0);
    assert_eq!(server.connections(), 1);
}

fn diff(join: &str, n: usize) -> String {
    format!(
        r#"[{join},null,"room:a","presence_diff",{{"joins":{{"k":{{"metas":[{{"phx_ref":"{n}"}}]}}}},"leaves":{{}}}}]"#
    )
}
