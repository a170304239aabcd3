//! From names to addresses, on threads: the system's resolver waits, and the loop must not.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};

use mio::Waker;

use super::ClientId;

/// What asks the system; a test puts something else in its place.
pub(super) type Resolve = fn(&str, u16) -> io::Result<Vec<SocketAddr>>;

/// Names that are being looked up, each once, whoever waits for it. A thread lives as long as its lookup.
pub(super) struct Lookups {
    resolve: Resolve,
    pub(super) waiting: BTreeMap<Name, BTreeSet<ClientId>>,
    /// Names that wait for others to be done.
    queue: VecDeque<Name>,
    pub(super) running: usize,
    sender: Sender<Answer>,
    answers: Receiver<Answer>,
    waker: Arc<Waker>,
}

type Name = (Box<str>, u16);
type Answer = (Name, io::Result<Vec<SocketAddr>>);

impl Lookups {
    pub(super) fn new(waker: Waker) -> Self {
        let (sender, answers) = mpsc::channel();
        let (waiting, queue) = (BTreeMap::new(), VecDeque::new());
        Self { resolve: system, waiting, queue, running: 0, sender, answers, waker: Arc::new(waker) }
    }

    #[cfg(test)]
    pub(super) fn set_resolve(&mut self, resolve: Resolve) {
        self.resolve = resolve;
    }

    /// Looks up a name for a client. The answer raises an event.
    pub(super) fn ask(&mut self, id: ClientId, host: &str, port: u16) {
        let name: Name = (host.into(), port);
        if let Some(waiting) = self.waiting.get_mut(&name) {
            waiting.insert(id);
            return;
        }
        self.waiting.insert(name.clone(), BTreeSet::from([id]));
        self.queue.push_back(name);
        self.begin();
    }

    /// The next answer, and who waits for it.
    pub(super) fn take(&mut self) -> Option<(BTreeSet<ClientId>, io::Result<Vec<SocketAddr>>)> {
        let (name, result) = self.answers.try_recv().ok()?;
        self.running -= 1;
        self.begin();
        Some((self.waiting.remove(&name).unwrap_or_default(), result))
    }

    fn begin(&mut self) {
        while self.running < MAX_THREADS
            && let Some(name) = self.queue.pop_front()
        {
            self.running += 1;
            let (sender, waker, resolve) = (self.sender.clone(), Arc::clone(&self.waker), self.resolve);
            let asked = name.clone();
            let thread = std::thread::Builder::new().name("chanson-lookup".into()).spawn(move || {
                let result = resolve(&asked.0, asked.1);
                answer(&sender, &waker, (asked, result));
            });
            if let Err(error) = thread {
                answer(&self.sender, &self.waker, (name, Err(error)));
            }
        }
    }
}

/// If nobody listens any more, or the loop cannot be woken, then the clients' time limits have the last word.
fn answer(sender: &Sender<Answer>, waker: &Waker, answer: Answer) {
    drop(sender.send(answer));
    drop(waker.wake());
}

/// An address that needs no lookup.
pub(super) fn numeric(host: &str, port: u16) -> Option<SocketAddr> {
    host.parse::<IpAddr>().ok().map(|ip| SocketAddr::new(ip, port))
}

fn system(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    (host, port).to_socket_addrs().map(Iterator::collect)
}

/// Lookups at a time; more names wait.
pub(super) const MAX_THREADS: usize = 8;
