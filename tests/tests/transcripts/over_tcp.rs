//! The rooms server over TCP answers as it was recorded, or as it is meant to instead.

use chanson_tests::player::Options;
use chanson_tests::runner::play_all;
use chanson_tests::scenario::Scenario;
use chanson_tests::tools::{Rooms, rooms};
use chanson_tests::{expect, zzz};

fn play(scenarios: &[Scenario]) {
    let Some(binary) = rooms() else { return };
    play_all(scenarios, WORKERS, &Options::default(), || {
        let server = Rooms::start_binary(binary, &[]);
        (server.tcp(), server)
    });
}

#[test]
fn phoenix_musts_are_answered_as_recorded() {
    play(&expect::musts());
}

#[test]
fn free_scenarios_are_answered_our_way() {
    play(&expect::free());
}

#[test]
fn zzz_scenarios_are_answered_our_way() {
    play(&zzz::over_rooms());
}

/// Servers at a time. They mostly wait for nothing to happen.
const WORKERS: usize = 6;
