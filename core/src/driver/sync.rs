//! What handles and inbox share threads with: the standard library's, or loom's when a test under `--cfg loom` tries
//! every order in which threads can take their turns.

#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
    mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
};

#[cfg(all(test, loom))]
pub(super) use self::model::*;

/// loom has no bounded channel: this is one as plain as can be.
#[cfg(all(test, loom))]
mod model {
    use std::collections::VecDeque;
    pub(in crate::driver) use std::sync::mpsc::{TryRecvError, TrySendError};

    pub(in crate::driver) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(in crate::driver) use loom::sync::{Arc, Mutex};

    pub(in crate::driver) fn sync_channel<T>(capacity: usize) -> (SyncSender<T>, Receiver<T>) {
        let queue = Arc::new(Mutex::new(Some(VecDeque::new())));
        (SyncSender { queue: Arc::clone(&queue), capacity }, Receiver { queue })
    }

    /// `None` when the receiver has gone.
    type Queue<T> = Arc<Mutex<Option<VecDeque<T>>>>;

    pub(in crate::driver) struct SyncSender<T> {
        queue: Queue<T>,
        capacity: usize,
    }

    pub(in crate::driver) struct Receiver<T> {
        queue: Queue<T>,
    }

    impl<T> SyncSender<T> {
        pub(in crate::driver) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
            match &mut *self.queue.lock().expect("no thread panics with it") {
                None => Err(TrySendError::Disconnected(item)),
                Some(queue) if queue.len() >= self.capacity => Err(TrySendError::Full(item)),
                Some(queue) => {
                    queue.push_back(item);
                    Ok(())
                }
            }
        }
    }

    impl<T> Clone for SyncSender<T> {
        fn clone(&self) -> Self {
            Self { queue: Arc::clone(&self.queue), capacity: self.capacity }
        }
    }

    impl<T> Receiver<T> {
        pub(in crate::driver) fn try_recv(&self) -> Result<T, TryRecvError> {
            let mut queue = self.queue.lock().expect("no thread panics with it");
            queue.as_mut().and_then(VecDeque::pop_front).ok_or(TryRecvError::Empty)
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            let rest = self.queue.lock().expect("no thread panics with it").take();
            drop(rest);
        }
    }
}
