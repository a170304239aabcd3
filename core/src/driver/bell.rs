//! Waking a thread that sleeps, and only then.

use std::fmt;
use std::io;

use super::sync::{AtomicBool, Ordering};

/// By which threads wake one that takes what they send it. Who sends [rings](Self::ring) when it has; who receives says
/// [when it is about to sleep](Self::lie_down) and looks once more whether something has come; and if not, it sleeps. So a
/// thread that is awake is not woken, which costs a system call, and none sleeps while there is something for it to do.
///
/// ```
/// use std::sync::{Arc, mpsc::channel};
/// use chanson_core::driver::Bell;
///
/// let (sender, receiver) = channel();
/// let sleeper = std::thread::current();
/// let bell = Arc::new(Bell::new(move || Ok(sleeper.unpark())));
/// let ringer = bell.clone();
/// std::thread::spawn(move || {
///     sender.send("news").expect("there is a receiver");
///     ringer.ring();
/// });
/// let news = loop {
///     bell.lie_down();
///     match receiver.try_recv() {
///         Ok(news) => break news,
///         Err(_) => std::thread::park(),
///     }
/// };
/// bell.get_up();
/// assert_eq!(news, "news");
/// ```
pub struct Bell {
    asleep: AtomicBool,
    wake: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
}

impl Bell {
    /// `wake` makes the thread's sleep end, also one that has not begun yet.
    pub fn new(wake: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self { asleep: AtomicBool::new(false), wake: Box::new(wake) }
    }

    /// Something was sent: wakes the receiver if it sleeps or is about to.
    pub fn ring(&self) {
        if self.asleep.swap(false, Ordering::AcqRel) && (self.wake)().is_err() {
            // The next one tries again.
            self.asleep.store(true, Ordering::Release);
        }
    }

    /// The receiver is about to sleep. It has to look now whether something has come: who sends later, rings it awake.
    pub fn lie_down(&self) {
        self.asleep.swap(true, Ordering::AcqRel);
    }

    /// The receiver is awake, and will look before it sleeps again.
    pub fn get_up(&self) {
        // Not a plain store: what was sent before a ring that found nobody asleep has to be seen behind this.
        self.asleep.swap(false, Ordering::AcqRel);
    }
}

impl fmt::Debug for Bell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bell").finish_non_exhaustive()
    }
}
