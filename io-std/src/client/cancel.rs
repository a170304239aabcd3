//! Something that is begun by one thread and cancelled by another, whenever that is.

use std::sync::{Arc, PoisonError};

use crate::sync::{AtomicBool, Mutex, Ordering};

/// What is held so can be ended by another thread.
#[derive(Debug)]
pub(super) struct Cancel<T> {
    cancelled: AtomicBool,
    held: Mutex<Option<Arc<T>>>,
}

impl<T> Cancel<T> {
    pub(super) fn new() -> Self {
        Self { cancelled: AtomicBool::new(false), held: Mutex::new(None) }
    }

    /// Holds it from now on, instead of what was held. Whether to go on with it: if not, it was cancelled before.
    pub(super) fn hold(&self, held: &Arc<T>) -> bool {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(held));
        !self.is_cancelled()
    }

    /// Whoever holds something goes on with nothing else, and `end` is called with what is held.
    pub(super) fn cancel(&self, end: impl FnOnce(&T)) {
        // First this: then whoever has not been held yet looks here behind it.
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(held) = &*self.held.lock().unwrap_or_else(PoisonError::into_inner) {
            end(held);
        }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::SeqCst)
    }
}
