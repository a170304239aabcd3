//! How many instructions does a unit of work take, and how does that grow? Counted by valgrind, so the answer is the same
//! however busy the machine is, and more than it may be is an error: run it where a change is tested.
//!
//! ```text
//! cargo bench -p chanson-core --bench instructions
//! ```
//!
//! The program runs itself under callgrind, which counts inside of `measured` alone and writes a file each time that this
//! returns. (The harness that there is for this, gungraun, wants a
//! runner of 176 crates installed besides, and cannot hold two sizes against each other.)
//! Without valgrind it says so; with `CI=true` that is an error.

mod cases;
#[path = "../worlds/mod.rs"]
mod worlds;

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use cases::{CEILINGS, MEASURED};

fn main() -> ExitCode {
    if std::env::var_os(COUNTED).is_some() {
        cases::run();
        return ExitCode::SUCCESS;
    }
    if Command::new("valgrind").arg("--version").output().is_err() {
        eprintln!("SKIPPED: instructions are not counted, since there is no valgrind");
        return ExitCode::from(u8::from(std::env::var_os("CI").is_some_and(|ci| ci == "true")));
    }
    let counts = count();
    show(&counts);
    let mut broken = 0;
    for (name, ceiling) in CEILINGS {
        let actual = ceiling.of(&counts);
        let verdict = if actual <= ceiling.max() { "ok" } else { "TOO MANY" };
        broken += u32::from(actual > ceiling.max());
        println!("{verdict:>8}  {actual:>7.1} of {:>7.1}  {name}", ceiling.max());
    }
    ExitCode::from(u8::from(broken > 0))
}

/// What was counted for one unit of work at one size.
pub(crate) struct Count {
    series: String,
    size: u64,
    instructions: f64,
}

/// Counts; setups are not counted.
///
/// # Panics
/// When valgrind fails, or its files are not as they should be.
fn count() -> Vec<Count> {
    let folder = Folder::new();
    let program = std::env::current_exe().expect("a program has a path");
    let output = Command::new("valgrind")
        .arg("--tool=callgrind")
        .arg(format!("--toggle-collect={MEASURED}"))
        .arg(format!("--dump-after={MEASURED}"))
        .arg(format!("--callgrind-out-file={}", folder.0.join("dump").display()))
        .arg(program)
        .env(COUNTED, "1")
        .output()
        .expect("it was there a moment ago");
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let mut counts: Vec<Count> = Vec::new();
    for (index, line) in said.lines().enumerate() {
        let words: Vec<&str> = line.split('\t').collect();
        let [series, size, units] = words[..] else { panic!("{line:?} is not what the cases say") };
        let (size, units): (u64, f64) = (size.parse().expect("a number"), units.parse().expect("a number"));
        let instructions = total(&folder.0.join(format!("dump.{}", index + 1))) as f64 / units;
        counts.push(Count { series: series.to_owned(), size, instructions });
    }
    counts
}

/// The sum that a file of callgrind's ends with.
fn total(dump: &Path) -> u64 {
    let text = std::fs::read_to_string(dump).unwrap_or_else(|error| panic!("{}: {error}", dump.display()));
    let total = text.lines().find_map(|line| line.strip_prefix("totals: ").or_else(|| line.strip_prefix("summary: ")));
    total.and_then(|total| total.trim().parse().ok()).expect("callgrind sums up what it has counted")
}

/// The table: a line for each series, a column for each size.
fn show(counts: &[Count]) {
    let mut shown: Vec<&str> = Vec::new();
    for Count { series, .. } in counts {
        if !shown.contains(&&**series) {
            shown.push(series);
            let figures = counts.iter().filter(|count| count.series == *series);
            let figures: Vec<String> =
                figures.map(|count| format!("{}: {:.0}", count.size, count.instructions)).collect();
            println!("{series}\n          {}", figures.join("   "));
        }
    }
    println!();
}

/// A folder for callgrind's files, gone with its value.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("chanson-instructions-{}", std::process::id()));
        std::fs::create_dir_all(&path).expect("there is a place for temporary files");
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).ok();
    }
}

/// Set for the process that is counted.
const COUNTED: &str = "CHANSON_COUNTED";
