//! What a hub has to tell its operator: records of what happened, at a rate that fills no disk.

use std::fmt;

use crate::id::ConnId;
use crate::limits::{Bucket, RateAction, RateLimit};
use crate::time::Instant;

/// How much a record matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A handler failed.
    Error,
    /// Something that the operator may have to do something about: a bound was reached, a peer did not read, a ticket was
    /// never answered.
    Warn,
    /// A peer was refused, or broke a rule.
    Info,
    /// Connections come and go.
    Debug,
}

/// Something that happened. It holds nothing that a peer may keep secret: no payload, no header, no query.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Record<'a> {
    /// How much it matters.
    pub level: Level,
    /// On which connection, if on one.
    pub conn: Option<ConnId>,
    /// What. What peers said in it (topics, events, paths) is quoted and escaped.
    pub text: fmt::Arguments<'a>,
    /// How many records of this level were left out before it, since there were too many.
    pub left_out: u64,
}

impl fmt::Display for Record<'_> {
    /// As one line: `ConnId(3v1): closed by the peer (1001)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(conn) = self.conn {
            write!(f, "{conn:?}: ")?;
        }
        f.write_fmt(self.text)?;
        match self.left_out {
            0 => Ok(()),
            count => write!(f, " ({count} more were left out)"),
        }
    }
}

/// Whoever listens.
pub(crate) type Listener = dyn Fn(&Record<'_>) + Send + Sync;

/// Hands records to whoever listens, [`BURST`] of each level at once and [`PER_SECOND`] in the long run, so that neither a peer
/// nor a handler that always fails can fill a disk.
#[derive(Default)]
pub(crate) struct Journal {
    listener: Option<Box<Listener>>,
    levels: [(Bucket, u64); 4],
}

impl Journal {
    pub(crate) fn new(listener: Option<Box<Listener>>) -> Self {
        Self { listener, ..Self::default() }
    }

    pub(crate) fn record(&mut self, now: Instant, level: Level, conn: Option<ConnId>, text: fmt::Arguments<'_>) {
        let Some(listener) = &self.listener else { return };
        let (bucket, left_out) = &mut self.levels[level as usize];
        if !bucket.take(now, &RATE) {
            *left_out += 1;
            return;
        }
        let record = Record { level, conn, text, left_out: std::mem::take(left_out) };
        // What listens may panic; nobody can be told of that.
        crate::quietly(|| listener(&record));
    }
}

const BURST: u32 = 100;
const PER_SECOND: u32 = 10;
const RATE: RateLimit = RateLimit { burst: BURST, per_second: PER_SECOND, action: RateAction::Drop };

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[test]
    fn a_flood_of_records_is_cut_by_level() {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&lines);
        let listener = move |record: &Record<'_>| heard.lock().unwrap().push((record.level, record.to_string()));
        let mut journal = Journal::new(Some(Box::new(listener)));
        for n in 0..1000 {
            journal.record(Instant::ORIGIN, Level::Info, None, format_args!("flood {n}"));
        }
        journal.record(Instant::ORIGIN, Level::Error, Some(ConnId::new(3, 0)), format_args!("another level"));
        journal.record(Instant::from_millis(100), Level::Info, None, format_args!("later"));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.len(), 102);
        assert_eq!(lines[99], (Level::Info, "flood 99".to_owned()));
        assert_eq!(lines[100], (Level::Error, "ConnId(3v0): another level".to_owned()));
        assert_eq!(lines[101], (Level::Info, "later (900 more were left out)".to_owned()));
    }
}
