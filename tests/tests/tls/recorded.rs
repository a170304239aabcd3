//! Recorded conversations, over TLS.

use chanson_tests::player::Options;
use chanson_tests::runner::play_all;
use chanson_tests::tls::Authority;
use chanson_tests::tools::{Host, tls_example};
use chanson_tests::{expect, on_each_driver};

fn phoenix_musts_are_answered_as_recorded(host: Host) {
    let authority = Authority::new(&format!("recorded-{host:?}"));
    let rooms = rooms(host);
    play_all(&expect::musts(), WORKERS, &Options::default(), || {
        let server = authority.rooms(&rooms);
        (authority.transport(server.address()), server)
    });
}

pub(crate) fn rooms(host: Host) -> std::path::PathBuf {
    match host {
        Host::Mio => tls_example("chanson-mio", "rooms"),
        _ => tls_example("chanson-std", "rooms_threads"),
    }
}

on_each_driver! {
    phoenix_musts_are_answered_as_recorded
}

/// Servers at a time. They mostly wait for nothing to happen.
const WORKERS: usize = 6;
