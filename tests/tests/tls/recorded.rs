//! Recorded conversations, over TLS.

use std::path::PathBuf;

use chanson_tests::player::Options;
use chanson_tests::runner::play_all;
use chanson_tests::scenario::Scenario;
use chanson_tests::tls::Authority;
use chanson_tests::tools::{Host, tls_example};
use chanson_tests::{c, expect, on_each_host};

fn play(host: Host, name: &str, scenarios: &[Scenario]) {
    let Some(rooms) = rooms(host) else { return };
    let authority = Authority::new(&format!("{name}-{host:?}"));
    play_all(scenarios, WORKERS, &Options::default(), || {
        let server = authority.rooms_with(&rooms, host.flags());
        (authority.transport(server.address()), server)
    });
}

fn phoenix_musts_are_answered_as_recorded(host: Host) {
    play(host, "musts", &expect::musts());
}

fn free_scenarios_are_answered_our_way(host: Host) {
    play(host, "free", &expect::free());
}

/// A rooms server that has TLS; `None` without a C compiler for that in C.
pub(crate) fn rooms(host: Host) -> Option<PathBuf> {
    match host {
        Host::Mio | Host::MioThreads => Some(tls_example("chanson-mio", "rooms")),
        Host::Threads => Some(tls_example("chanson-std", "rooms_threads")),
        Host::C => c::tls_example("rooms"),
    }
}

on_each_host! {
    phoenix_musts_are_answered_as_recorded
    free_scenarios_are_answered_our_way
}

/// Servers at a time. They mostly wait for nothing to happen.
const WORKERS: usize = 6;
