//! Many seeds.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use chanson_tests::simulation::{Failure, Options, Summary, run};

#[test]
fn it_holds_for_every_seed() {
    if let Some(seed) = number("CHANSON_SEED") {
        let mut options = Options::default();
        options.trace = true;
        let summary = run(seed, options).unwrap_or_else(|failure| panic!("{failure}"));
        eprintln!("{summary:?}");
        return;
    }
    let seeds = seeds();
    let count = seeds.end - seeds.start;
    let sum = run_all(seeds).unwrap_or_else(|failure| panic!("{failure}"));
    eprintln!("{count} seeds: {sum:?}");
    let happened = [
        sum.connected,
        sum.connect_failed,
        sum.disconnected,
        sum.joined,
        sum.ended,
        sum.messages,
        sum.presences,
        sum.replies,
        sum.timeouts,
        sum.pongs,
        sum.aborted,
        sum.full,
        sum.slow,
        sum.refused,
        sum.restarts,
        sum.fouls,
        sum.turned_away,
        sum.offenders,
        sum.violations,
        sum.rate_limited,
    ];
    assert!(count < 100 || happened.iter().all(|times| *times > 0), "something never happens: {sum:?}");
    assert_eq!(sum.pushes, sum.replies + sum.timeouts + sum.pongs + sum.aborted, "each push has one end");
}

#[test]
fn a_seed_is_always_the_same_run() {
    for seed in 0..20 {
        assert_eq!(run(seed, Options::default()).unwrap(), run(seed, Options::default()).unwrap());
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn seeds() -> Range<u64> {
    let text = std::env::var("CHANSON_SEEDS").unwrap_or_default();
    match text.split_once("..") {
        Some((start, end)) => start.parse().expect("a number")..end.parse().expect("a number"),
        None => 0..text.parse().unwrap_or(2000),
    }
}

/// Runs them on all processors; the failure of the first seed that fails.
fn run_all(seeds: Range<u64>) -> Result<Summary, Box<Failure>> {
    let (next, failed) = (AtomicU64::new(seeds.start), AtomicU64::new(u64::MAX));
    let work = || {
        let (mut sum, mut failure) = (Summary::default(), None);
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end.min(failed.load(Ordering::Relaxed)) {
                return (sum, failure);
            }
            match run(seed, Options::default()) {
                Ok(summary) => sum += summary,
                Err(found) => {
                    failed.fetch_min(seed, Ordering::Relaxed);
                    failure = Some(found);
                }
            }
        }
    };
    let threads = std::thread::available_parallelism().map_or(2, usize::from);
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let mut sum = Summary::default();
        let mut failures = Vec::new();
        for worker in workers {
            let (summary, failure) = worker.join().expect("its panic was told");
            sum += summary;
            failures.extend(failure);
        }
        match failures.into_iter().min_by_key(|failure| failure.seed) {
            Some(failure) => Err(Box::new(failure)),
            None => Ok(sum),
        }
    })
}
