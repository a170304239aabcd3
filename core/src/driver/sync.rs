//! What handles and inbox share threads with: the standard library's, or loom's when a test under `--cfg loom` tries
//! every order in which threads can take their turns.

use std::sync::mpsc::TryRecvError;
pub(super) use std::sync::mpsc::TrySendError;

#[cfg(not(all(test, loom)))]
pub(super) use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

#[cfg(not(all(test, loom)))]
use std::sync::mpsc::{Receiver as Ours, Sender as Theirs, channel};

#[cfg(all(test, loom))]
use self::model::{Receiver as Ours, Sender as Theirs, channel};

/// A channel that holds `capacity` items at most and makes room for them as they come. (The standard library's makes it at the
/// start.)
pub(super) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let (sender, receiver) = channel();
    let waiting = Arc::new(AtomicUsize::new(0));
    (Sender { sender, waiting: Arc::clone(&waiting), capacity }, Receiver { receiver, waiting })
}

pub(super) struct Sender<T> {
    sender: Theirs<T>,
    /// How many items wait, or are about to.
    waiting: Arc<AtomicUsize>,
    capacity: usize,
}

impl<T> Sender<T> {
    pub(super) fn try_send(&self, item: T) -> Result<(), TrySendError<T>> {
        let more = |waiting| if waiting < self.capacity { Some(waiting + 1) } else { None };
        // What waits when the receiver goes is not counted down.
        if self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return Err(TrySendError::Full(item));
        }
        self.sender.send(item).map_err(|error| {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            TrySendError::Disconnected(error.0)
        })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), waiting: Arc::clone(&self.waiting), capacity: self.capacity }
    }
}

pub(super) struct Receiver<T> {
    receiver: Ours<T>,
    waiting: Arc<AtomicUsize>,
}

impl<T> Receiver<T> {
    /// How many items wait, or are about to.
    pub(super) fn len(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
        let item = self.receiver.try_recv()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Ok(item)
    }
}

#[cfg(all(test, loom))]
pub(super) use self::model::*;

/// loom's own channel says nothing of a receiver that has gone: this is one as plain as can be.
#[cfg(all(test, loom))]
mod model {
    use std::collections::VecDeque;
    use std::sync::mpsc::{SendError, TryRecvError};

    pub(in crate::driver) use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    pub(in crate::driver) use loom::sync::{Arc, Mutex};

    pub(super) fn channel<T>() -> (Sender<T>, Receiver<T>) {
        let queue = Arc::new(Mutex::new(Some(VecDeque::new())));
        (Sender(Arc::clone(&queue)), Receiver(queue))
    }

    /// `None` when the receiver has gone.
    type Queue<T> = Arc<Mutex<Option<VecDeque<T>>>>;

    pub(super) struct Sender<T>(Queue<T>);

    pub(super) struct Receiver<T>(Queue<T>);

    impl<T> Sender<T> {
        pub(super) fn send(&self, item: T) -> Result<(), SendError<T>> {
            match &mut *self.0.lock().expect("no thread panics with it") {
                None => Err(SendError(item)),
                Some(queue) => {
                    queue.push_back(item);
                    Ok(())
                }
            }
        }
    }

    impl<T> Clone for Sender<T> {
        fn clone(&self) -> Self {
            Self(Arc::clone(&self.0))
        }
    }

    impl<T> Receiver<T> {
        pub(super) fn try_recv(&self) -> Result<T, TryRecvError> {
            let mut queue = self.0.lock().expect("no thread panics with it");
            queue.as_mut().and_then(VecDeque::pop_front).ok_or(TryRecvError::Empty)
        }
    }

    impl<T> Drop for Receiver<T> {
        fn drop(&mut self) {
            let rest = self.0.lock().expect("no thread panics with it").take();
            drop(rest);
        }
    }
}
