//! Plays the committed corpus to the bodies of the fuzz targets, in bounded memory. What a fuzzer once found to be wrong is
//! a unit test of its own, but stays in the corpus too.
#![allow(unsafe_code, reason = "an allocator that counts")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use chanson_tests::fuzz::{TARGETS, Target};

/// A test for each target, and their names.
macro_rules! targets {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            play_all(stringify!($name));
        })*

        const NAMES: &[&str] = &[$(stringify!($name)),*];
    };
}

targets! {
    c_api covenant_server deflate endpoint http_request http_response hub ion ion_values session_client session_server sharded
    sidekick topics wire_binary wire_v1 wire_v2 ws_client ws_server
}

/// Programs, corpora and dictionaries are those of the targets.
#[test]
fn every_target_has_its_files() {
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    assert_eq!(names, NAMES.iter().map(|name| (*name).to_owned()).collect());
    for folder in ["corpus", "dict", "fuzz_targets"] {
        let found: BTreeSet<String> = entries(&root().join(folder)).iter().map(|path| stem(path)).collect();
        assert_eq!(found, names, "fuzz/{folder}");
    }
}

fn play_all(name: &str) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("it is a target");
    let files = entries(&root().join("corpus").join(name));
    // Debug builds need more than a test's 2 MiB to read what is nested as deep as ION may be.
    let thread = std::thread::Builder::new().stack_size(16 << 20);
    let play = || {
        for file in &files {
            let data = std::fs::read(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let _told = Told(file);
            play(target, &data);
        }
    };
    std::thread::scope(|scope| {
        let played = thread.spawn_scoped(scope, play).expect("a thread can be had").join();
        assert!(played.is_ok(), "{name} does not hold");
    });
}

fn play(target: &Target, data: &[u8]) {
    let before = LIVE.get();
    PEAK.set(before);
    (target.run)(data);
    let peak = PEAK.get() - before;
    let most = target.memory + 64 * data.len();
    assert!(
        peak <= most,
        "{peak} bytes were allocated at a time for an input of {}, where {most} are allowed",
        data.len()
    );
    // Nothing is kept but what is kept for ever, once.
    (target.run)(data);
    let kept = LIVE.get();
    (target.run)(data);
    assert_eq!(LIVE.get(), kept, "each run keeps something");
}

/// Names the input when something panics.
struct Told<'a>(&'a Path);

impl Drop for Told<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the input is {}", self.0.display());
        }
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz")
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("a folder can be read").path()).collect();
    paths.sort();
    paths
}

fn stem(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

struct Counting;

thread_local! {
    /// Bytes that this thread has allocated and not given back, now and at most.
    static LIVE: Cell<usize> = const { Cell::new(0) };
    static PEAK: Cell<usize> = const { Cell::new(0) };
}

fn count(more: usize, less: usize) {
    // A thread that is going down has no counter any more; nobody asks for it either.
    let _ = LIVE.try_with(|live| {
        let now = live.get().wrapping_add(more).wrapping_sub(less);
        live.set(now);
        let _ = PEAK.try_with(|peak| peak.set(peak.get().max(now)));
    });
}

// SAFETY: every call is handed on to the system's allocator as it came; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 0);
        // SAFETY: the caller's promises are those that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(0, layout.size());
        // SAFETY: `at` is from `System` with this layout, since `alloc` and `realloc` give nothing else.
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size, layout.size());
        // SAFETY: as for `dealloc`.
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;
