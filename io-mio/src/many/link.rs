//! Between the hub's thread and a worker.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use chanson_core::ConnId;
use chanson_core::driver::{Bell, Config, Stats};
use chanson_core::endpoint::{Inputs, Outputs, Shard};
use crossbeam_channel::{Receiver, Sender, TryRecvError, TrySendError, bounded};
use mio::net::TcpStream;

use super::lock;
use super::worker::Worker;
use crate::server::Clock;

/// What a worker is sent at a time: connections that are its own from now on, then what the hub has to say.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) connections: Vec<(ConnId, TcpStream)>,
    pub(super) outputs: Outputs,
}

/// What all threads of a server have in common.
pub(super) struct Shared {
    /// By worker: what it has counted until the end of its last turn.
    stats: Box<[Mutex<Stats>]>,
    /// Bytes that wait in all workers together, and the most there ever were.
    queued: AtomicUsize,
    most_queued: AtomicUsize,
    max_queued: usize,
}

impl Shared {
    pub(super) fn new(workers: usize, max_queued: usize) -> Self {
        let stats = (0..workers).map(|_| Mutex::default()).collect();
        Self { stats, queued: AtomicUsize::new(0), most_queued: AtomicUsize::new(0), max_queued }
    }

    /// Adds what workers have counted.
    pub(super) fn add_to(&self, stats: &mut Stats) {
        self.stats.iter().for_each(|of_one| stats.add(&lock(of_one)));
        let most = &mut stats.endpoint.most_queued_bytes;
        *most = (*most).max(self.most_queued.load(Ordering::Relaxed));
    }

    pub(super) fn set_stats(&self, worker: usize, stats: Stats) {
        *lock(&self.stats[worker]) = stats;
    }

    pub(super) fn queued(&self) -> usize {
        self.queued.load(Ordering::Relaxed)
    }

    /// What waits in a worker has changed; whether that makes it too much for all.
    pub(super) fn recount(&self, before: usize, after: usize) -> bool {
        let change = after.wrapping_sub(before);
        let all = self.queued.fetch_add(change, Ordering::Relaxed).wrapping_add(change);
        if after > before {
            self.most_queued.fetch_max(all, Ordering::Relaxed);
        }
        all > self.max_queued
    }
}

/// The hub's end.
pub(super) struct Link {
    to: Sender<Batch>,
    from: Receiver<Inputs>,
    /// The worker's.
    bell: Arc<Bell>,
    flags: Arc<Flags>,
    /// What is to be sent next.
    pub(super) next: Batch,
    /// Whether `next` could not be sent since the worker is behind.
    behind: bool,
    /// What the hub has not done with yet.
    pub(super) inputs: Option<Inputs>,
    /// `None` once it was asked how it ended.
    thread: Option<JoinHandle<io::Result<()>>>,
}

/// The worker's end.
pub(super) struct Ends {
    pub(super) from: Receiver<Batch>,
    pub(super) to: Sender<Inputs>,
    pub(super) flags: Arc<Flags>,
    pub(super) bell: Arc<Bell>,
    /// The hub's.
    pub(super) hub: Arc<Bell>,
}

/// What each end has to know before it sleeps, beside what is in the channels. To be set before the bell is rung.
#[derive(Default)]
pub(super) struct Flags {
    /// Whether the worker is to ring when it has taken a batch.
    full: AtomicBool,
    /// Whether the hub has ended.
    ended: AtomicBool,
    /// Whether the worker has.
    gone: AtomicBool,
}

impl Ends {
    /// Whether there is something to take.
    pub(super) fn has_come(&self) -> bool {
        !self.from.is_empty() || self.flags.ended.load(Ordering::Acquire)
    }

    /// A batch was taken, for which the hub may have waited.
    pub(super) fn made_room(&self) {
        if self.flags.full.swap(false, Ordering::AcqRel) {
            self.hub.ring();
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.flags.gone.store(true, Ordering::Release);
        self.hub.ring();
    }
}

/// The worker has ended, which it does not do by itself.
#[derive(Debug)]
pub(super) struct Gone;

impl Link {
    pub(super) fn start(
        index: usize,
        shard: Shard,
        config: &Config,
        clock: Clock,
        hub: Arc<Bell>,
        shared: Arc<Shared>,
    ) -> io::Result<Self> {
        let ((to, batches), (inputs, from)) = (bounded(BATCHES), bounded(INPUTS));
        let flags = Arc::<Flags>::default();
        let (poll, bell) = Worker::poll()?;
        let ends = Ends { from: batches, to: inputs, flags: Arc::clone(&flags), bell: Arc::clone(&bell), hub };
        let worker = Worker::new(index, shard, config.clone(), clock, poll, shared, ends);
        let thread = std::thread::Builder::new().name(format!("chanson-io-{}", index + 1)).spawn(|| worker.run())?;
        Ok(Self { to, from, bell, flags, next: Batch::default(), behind: false, inputs: None, thread: Some(thread) })
    }

    /// Whether something has come that was not looked at.
    pub(super) fn has_inputs(&self) -> bool {
        self.inputs.is_some() || !self.from.is_empty() || self.is_gone()
    }

    pub(super) const fn is_behind(&self) -> bool {
        self.behind
    }

    /// Whether the worker is behind no more.
    pub(super) fn caught_up(&self) -> bool {
        self.behind && !self.to.is_full()
    }

    /// The next batch of inputs, if one has come.
    pub(super) fn receive(&mut self) -> Result<bool, Gone> {
        if self.inputs.is_none() {
            match self.from.try_recv() {
                Ok(inputs) => self.inputs = Some(inputs),
                Err(TryRecvError::Empty) if !self.is_gone() => return Ok(false),
                Err(_) => return Err(Gone),
            }
        }
        Ok(true)
    }

    /// Sends the next batch and wakes the worker, unless it is behind. Not while there is nothing to be sent.
    pub(super) fn send(&mut self) -> Result<(), Gone> {
        self.behind = false;
        let batch = std::mem::take(&mut self.next);
        if let Err(error) = self.to.try_send(batch) {
            // From now on the worker rings; it may have made room just before.
            self.flags.full.swap(true, Ordering::AcqRel);
            match self.to.try_send(error.into_inner()) {
                Ok(()) => {}
                Err(TrySendError::Full(batch)) => (self.next, self.behind) = (batch, true),
                Err(TrySendError::Disconnected(_)) => return Err(Gone),
            }
        }
        self.bell.ring();
        Ok(())
    }

    /// The same, and waits for the worker if it has to.
    pub(super) fn send_within(&mut self, patience: Duration) {
        self.bell.ring();
        if let Err(error) = self.to.send_timeout(std::mem::take(&mut self.next), patience) {
            self.next = error.into_inner();
            // Once more, so that the worker rings when it has made room. If it has gone the next turn says so.
            drop(self.send());
            return;
        }
        self.behind = false;
        self.bell.ring();
    }

    /// Whether the worker has ended by itself.
    pub(super) fn is_gone(&self) -> bool {
        self.flags.gone.load(Ordering::Acquire)
    }

    /// How it ended; `None`: it panicked.
    pub(super) fn take_result(&mut self) -> Option<io::Error> {
        self.thread.take()?.join().ok()?.err()
    }

    /// The worker ends when it has done all that it was sent.
    pub(super) fn end(self) -> Option<JoinHandle<io::Result<()>>> {
        drop((self.to, self.from));
        self.flags.ended.store(true, Ordering::Release);
        self.bell.ring();
        self.thread
    }
}

/// Batches that wait for a worker. The hub lets no more come of what it takes in than fits into one without sending it, which is
/// a quarter of a megabyte or one message.
const BATCHES: usize = 8;

/// Batches that wait for the hub: a shard sends fewer than that without an answer.
const INPUTS: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    impl Link {
        /// With the worker's end, and room for one batch.
        pub(crate) fn without_worker(hub: Arc<Bell>) -> (Self, Ends) {
            let ((to, batches), (inputs, from)) = (bounded(1), bounded(1));
            let (flags, bell) = (Arc::<Flags>::default(), Arc::new(Bell::new(|| Ok(()))));
            let ends = Ends { from: batches, to: inputs, flags: flags.clone(), bell: bell.clone(), hub };
            let link =
                Self { to, from, bell, flags, next: Batch::default(), behind: false, inputs: None, thread: None };
            (link, ends)
        }
    }

    #[test]
    fn a_hub_that_has_waited_in_vain_is_woken_when_there_is_room() {
        let rung = Arc::new(AtomicUsize::new(0));
        let hub = Arc::new(Bell::new({
            let rung = Arc::clone(&rung);
            move || {
                rung.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        }));
        let (mut link, ends) = Link::without_worker(hub.clone());
        link.send_within(Duration::ZERO);
        assert!(!link.is_behind());
        link.send_within(Duration::ZERO);
        assert!(link.is_behind() && !link.caught_up());
        hub.lie_down();
        assert!(ends.from.try_recv().is_ok());
        ends.made_room();
        assert_eq!((link.caught_up(), rung.load(Ordering::Relaxed)), (true, 1));
    }
}
