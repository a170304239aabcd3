//! The server's end of its handles.

use std::fmt;
use std::io;

use super::command::Command;
use super::handle::Shared;
use super::sync::{Arc, Receiver, bounded};
use super::{Handle, Stats};
use crate::endpoint::Act;
use crate::hub::Hub;
use crate::time::Instant;

/// What [`Handle`]s ask for, at the server's end. When it is dropped or [closed](Self::close), nothing said to a handle is
/// heard any more.
pub struct Inbox {
    handle: Handle,
    /// `None` at the end. Dropping it drops what waits in it, so that whoever waits for an answer learns that none comes.
    commands: Option<Receiver<Command>>,
    shared: Arc<Shared>,
    /// How many wishes for a shutdown have been passed on, and how many had come when the turn began.
    stops: usize,
    stops_seen: usize,
    /// How many commands may still be carried out in this turn.
    left: usize,
    more: bool,
}

impl Inbox {
    /// For so many commands at a time (`Capacity::commands`). `wake` is called from the threads of handles when there is
    /// something to do, and has to make the server's loop turn; a burst of commands calls it once.
    pub fn new(capacity: usize, wake: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self::with_others(capacity, wake, |_| {})
    }

    /// The same for a server that counts on other threads as well: `others` adds that to what the server's own thread
    /// [has set](Self::set_stats), whenever somebody asks.
    pub fn with_others(
        capacity: usize,
        wake: impl Fn() -> io::Result<()> + Send + Sync + 'static,
        others: impl Fn(&mut Stats) + Send + Sync + 'static,
    ) -> Self {
        let shared = Arc::new(Shared::new(wake, others));
        let (sender, commands) = bounded(capacity);
        let handle = Handle::new(sender, Arc::clone(&shared));
        Self { handle, commands: Some(commands), shared, stops: 0, stops_seen: 0, left: 0, more: false }
    }

    /// Another handle.
    pub fn handle(&self) -> Handle {
        self.handle.clone()
    }

    /// The server's loop has turned, and carries out `most` commands; all that wait when it was asked to shut down, since that
    /// stands behind them.
    pub fn begin_turn(&mut self, most: usize) {
        self.shared.rise();
        self.stops_seen = self.shared.stops();
        let waiting = || self.commands.as_ref().map_or(0, Receiver::len);
        self.left = if self.stops_seen > self.stops { waiting() } else { most }.max(1);
    }

    /// Carries out the next command of this turn: about how many bytes that makes the hub send to each receiver, or `None` if
    /// there was none.
    pub fn obey<S>(
        &mut self,
        now: Instant,
        endpoint: &mut impl Act<S>,
        app: &mut S,
        stats: &mut Stats,
    ) -> Option<usize> {
        let command = self.next()?;
        let bytes = command.bytes() + OVERHEAD;
        stats.commands += 1;
        if !endpoint.act(now, app, |hub, app| command.run(now, hub, app)) {
            stats.failed_commands += 1;
        }
        Some(bytes)
    }

    /// The next command of this turn.
    pub(super) fn next(&mut self) -> Option<Command> {
        let commands = self.commands.as_ref()?;
        self.more = self.left == 0 && commands.len() > 0;
        if self.left == 0 {
            return None;
        }
        let command = commands.try_recv().ok()?;
        self.left -= 1;
        Some(command)
    }

    /// Whether somebody wants the server to shut down, once for each time that it was said. To be asked when all commands of
    /// the turn are carried out.
    pub const fn take_stop(&mut self) -> bool {
        let wanted = self.stops < self.stops_seen;
        if wanted {
            self.stops += 1;
        }
        wanted
    }

    /// Whether there may be something to do that `wake` was not called for.
    pub fn has_more(&self) -> bool {
        self.more || self.shared.stops() > self.stops
    }

    /// What handles tell when they are asked for counters.
    pub fn set_stats(&self, stats: Stats) {
        self.shared.set_stats(stats);
    }

    /// Has the hub write all of the server's counters where its builder said that metrics are: the hub's as they are, the
    /// others as they were at the end of the last turn.
    pub fn write_metrics<S>(&self, hub: &mut Hub<S>) {
        let shared = Arc::clone(&self.shared);
        hub.set_metrics_writer(move |hub| {
            let mut stats = shared.stats();
            stats.endpoint.hub = *hub;
            stats.to_prometheus()
        });
    }

    /// The server has ended.
    pub fn close(&mut self) {
        (self.commands, self.more, self.left) = (None, false, 0);
        self.shared.close();
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Inbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("closed", &self.commands.is_none()).finish_non_exhaustive()
    }
}

/// What a command counts as, beside its payload.
const OVERHEAD: usize = 128;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::driver::HandleError;
    use crate::endpoint::Endpoint;

    #[test]
    fn what_was_full_is_closed_at_the_end() {
        let mut inbox = Inbox::new(1, || Ok(()));
        let handle = inbox.handle();
        assert_eq!(handle.publish("a", "1"), Ok(()));
        assert_eq!(handle.publish("a", "2"), Err(HandleError::Full));
        inbox.close();
        assert_eq!(handle.publish("a", "3"), Err(HandleError::Closed));
    }

    /// Though others give commands for as long as it goes on.
    #[test]
    fn a_turn_that_ends_the_server_takes_what_has_come() {
        let mut endpoint: Endpoint = Endpoint::new(Hub::builder().seed([7; 32]).build().expect("there is a seed"));
        let mut inbox = Inbox::new(usize::MAX, || Ok(()));
        let handle = inbox.handle();
        (0..10).for_each(|_| handle.publish("a", "1").expect("there is room"));
        handle.shutdown();
        inbox.begin_turn(3);
        let mut count = 0;
        while inbox.obey(Instant::ORIGIN, &mut endpoint, &mut (), &mut Stats::default()).is_some() {
            handle.publish("a", "1").expect("there is room");
            count += 1;
        }
        assert_eq!((count, inbox.take_stop()), (10, true));
    }
}
