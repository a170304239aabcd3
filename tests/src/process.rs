//! What a process holds, as Linux tells it. Elsewhere nothing is known, and nothing is asserted.

use std::fs;
use std::time::Duration;

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of memory that are resident.
    pub resident: u64,
    /// Open file descriptors.
    pub files: usize,
    /// The time it has computed so far.
    pub computed: Duration,
}

impl Usage {
    /// Of the process with that id; `None` where it cannot be known.
    pub fn of(pid: u32) -> Option<Self> {
        let pages = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
        let pages: u64 = pages.split(' ').nth(1)?.parse().ok()?;
        let files = fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count();
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name, which may hold anything, the times are the 12th and 13th.
        let mut times = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let mut ticks = || times.next()?.parse::<u64>().ok();
        let computed = Duration::from_millis((ticks()? + ticks()?) * MILLIS_PER_TICK);
        Some(Self { resident: pages * PAGE, files, computed })
    }
}

/// Both are so on all machines that Rust's first-tier Linux targets have by default.
const PAGE: u64 = 4096;
const MILLIS_PER_TICK: u64 = 10;

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn what_this_process_holds_is_known() {
        let before = Usage::of(std::process::id()).unwrap();
        assert!(before.resident > 100_000 && before.files >= 3, "{before:?}");
        let _files: Vec<_> = (0..50).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let memory = vec![1_u8; 64 << 20];
        let after = Usage::of(std::process::id()).unwrap();
        assert!(after.resident > before.resident + (32 << 20) && after.files >= before.files + 50, "{after:?}");
        drop(memory);
    }
}
