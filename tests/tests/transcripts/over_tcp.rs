//! The rooms server over TCP answers as it was recorded, or as it is meant to instead.

use chanson_tests::on_each_host;
use chanson_tests::player::Options;
use chanson_tests::runner::play_all;
use chanson_tests::scenario::Scenario;
use chanson_tests::tools::{Host, Rooms, rooms};
use chanson_tests::{expect, zzz};

fn play(host: Host, scenarios: &[Scenario]) {
    let Some(binary) = rooms(host) else { return };
    play_all(scenarios, WORKERS, &Options::default(), || {
        let server = Rooms::start_binary(binary, &[]);
        (server.tcp(), server)
    });
}

fn phoenix_musts_are_answered_as_recorded(host: Host) {
    play(host, &expect::musts());
}

fn free_scenarios_are_answered_our_way(host: Host) {
    play(host, &expect::free());
}

fn zzz_scenarios_are_answered_our_way(host: Host) {
    play(host, &zzz::over_rooms());
}

on_each_host! {
    phoenix_musts_are_answered_as_recorded
    free_scenarios_are_answered_our_way
    zzz_scenarios_are_answered_our_way
}

/// Servers at a time. They mostly wait for nothing to happen.
const WORKERS: usize = 6;
