//! Telling the application what happens: by its callback, or by the queue that it reads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};

use chanson_core::client::Event;

use super::events::Queue;
use crate::sync::{AtomicU64, Mutex, MutexGuard, Ordering};

pub(super) struct Teller {
    pub(super) queue: Arc<Queue>,
    callback: Mutex<Option<Callback>>,
    panics: AtomicU64,
}

pub(super) type Callback = Box<dyn FnMut(Event) + Send>;

impl Teller {
    pub(super) fn new() -> Self {
        Self { queue: Arc::new(Queue::new()), callback: Mutex::new(None), panics: AtomicU64::new(0) }
    }

    /// On any thread. What waits is told when the client's thread [runs](Self::run) the callback.
    pub(super) fn set(&self, callback: Option<Callback>) {
        let before = std::mem::replace(&mut *self.lock(), callback);
        // What it holds may be anything, so it goes when nothing is locked.
        drop(before);
    }

    /// On the client's thread: tells one more.
    pub(super) fn tell(&self, event: Event) {
        self.queue.push(event);
        self.run();
    }

    /// On the client's thread: hands the callback, if there is one, all events that wait.
    pub(super) fn run(&self) {
        // It is taken out, so that it may set another one.
        let Some(mut callback) = self.lock().take() else { return };
        while let Some(event) = self.queue.try_pop() {
            self.guard(|| callback(event));
            if self.lock().is_some() {
                return self.run();
            }
        }
        let mut place = self.lock();
        if place.is_none() {
            *place = Some(callback);
        }
    }

    /// A panic of the application's ends with what it was doing.
    pub(super) fn guard(&self, run: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(run)).is_err() {
            self.panics.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn panics(&self) -> u64 {
        self.panics.load(Ordering::Relaxed)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Callback>> {
        self.callback.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
