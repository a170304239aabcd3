//! Plays many scenarios.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::player::{Failure, Options, play};
use crate::scenario::Scenario;
use crate::transport::Transport;

/// Plays scenarios on so many servers at a time: each worker asks `server` for one of its own, with whatever keeps
/// it alive, and plays on it one scenario after the other. Topics of different scenarios have the same names, so no
/// two of them may be on one server at once; waiting for nothing to happen goes on in parallel.
///
/// # Panics
/// When a server said something else, with a report of each such scenario.
pub fn play_all<T: Transport, G>(
    scenarios: &[Scenario],
    workers: usize,
    options: &Options,
    server: impl Fn() -> (T, G) + Sync,
) {
    let next = AtomicUsize::new(0);
    let failures = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..workers.min(scenarios.len()) {
            scope.spawn(|| {
                let (mut transport, _alive) = server();
                while let Some(scenario) = scenarios.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(failure) = play_in_time(&mut transport, scenario, options) {
                        failures.lock().expect("no worker panics with it").push(failure);
                    }
                }
            });
        }
    });
    report(&failures.into_inner().expect("no worker panicked with it"), scenarios.len());
}

/// Plays each scenario in a fresh world.
///
/// # Panics
/// When a world said something else, with a report of each such scenario.
pub fn play_each<T: Transport>(scenarios: &[Scenario], options: &Options, mut world: impl FnMut() -> T) {
    let failures: Vec<_> = scenarios.iter().filter_map(|s| play(&mut world(), s, options).err()).collect();
    report(&failures, scenarios.len());
}

/// A scenario in which an idle timeout runs against the client's clock is played again if the machine was too busy
/// to keep that clock.
fn play_in_time<T: Transport>(transport: &mut T, scenario: &Scenario, options: &Options) -> Result<(), Box<Failure>> {
    let mut result = play(transport, scenario, options);
    for _ in 0..2 {
        match &result {
            Err(failure) if failure.late && scenario.is_timed() && transport.is_real_time() => {
                result = play(transport, scenario, options);
            }
            _ => break,
        }
    }
    result
}

fn report(failures: &[Box<Failure>], played: usize) {
    let reports: String = failures.iter().map(|failure| format!("\n{failure}")).collect();
    assert!(failures.is_empty(), "{} of {played} scenarios went another way:\n{reports}", failures.len());
}
