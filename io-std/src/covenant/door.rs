//! Where requests come in, on the thread of the HTTP server.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use chanson_core::Ticket;
use chanson_core::covenant::connection::{Answer, CallError};
use chanson_core::covenant::server::{CallId, SendError, SendId, Server};
use chanson_core::driver;
use chanson_core::http::{Request, Response};
use chanson_core::hub::HttpRequest;
use chanson_core::time::Instant;
use crossbeam_channel::{Receiver, Sender, unbounded};

use super::Config;
use super::service::{Service, Told};

/// Takes requests for a service. Cheap to clone.
///
/// `S`, `X`, `D` are those of its [`Server`].
pub struct Door<S = (), X = (), D = ()> {
    way: Way<S, X, D>,
}

impl<S, X, D> Door<S, X, D> {
    /// A door, and what makes the service behind it.
    pub fn new(config: Config) -> (Self, Inbox<S, X, D>) {
        let (sender, inputs) = unbounded();
        let way = Way { inputs: sender, gate: Arc::new(Gate::new(&config)) };
        (Self { way: way.clone() }, Inbox { inputs, way, config })
    }

    /// Takes a request, to be answered later: the value of an `on_request` handler. It is 503 at once when too many wait, or
    /// the service has ended or is about to.
    pub fn take<T>(&self, http: &mut HttpRequest<'_, T>, request: &Request<'_>) -> Option<Response> {
        let bytes = request.body().len();
        let taken = http.defer().is_ok_and(|ticket| self.way.send(bytes, Input::Request(ticket, Owned::new(request))));
        if taken { None } else { Some(Response::text(503, "Too many requests are waiting")) }
    }
}

impl<S, X, D> Clone for Door<S, X, D> {
    fn clone(&self) -> Self {
        Self { way: self.way.clone() }
    }
}

impl<S, X, D> fmt::Debug for Door<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Door").field("way", &self.way).finish_non_exhaustive()
    }
}

/// What a [`Service`] is made of: the other side of a [`Door`].
pub struct Inbox<S = (), X = (), D = ()> {
    pub(super) inputs: Receiver<Input<S, X, D>>,
    pub(super) way: Way<S, X, D>,
    pub(super) config: Config,
}

impl<S: Send + 'static, X: 'static, D: 'static> Inbox<S, X, D> {
    /// Starts the service: a thread that has the server and the application's state, and answers by the HTTP server's handle.
    ///
    /// # Errors
    /// The operating system has no thread to give.
    pub fn serve(self, server: Server<S, X, D>, app: S, http: driver::Handle) -> io::Result<Service<S, X, D>> {
        Service::start(self, server, app, http)
    }
}

impl<S, X, D> fmt::Debug for Inbox<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox").field("config", &self.config).finish_non_exhaustive()
    }
}

/// What the service's thread hears.
pub(super) enum Input<S, X, D> {
    Request(Ticket, Owned),
    Result(CallId, Result<Answer, CallError>),
    Send(Box<Sending<S, X, D>>, Told),
    Act(Box<Acting<S, X, D>>),
    /// No more requests come.
    Stop,
}

type Sending<S, X, D> = dyn FnOnce(&mut Server<S, X, D>, Instant) -> Result<SendId, SendError> + Send;
type Acting<S, X, D> = dyn FnOnce(&mut Server<S, X, D>, Instant, &mut S) + Send;

/// The way to the service's thread.
pub(super) struct Way<S, X, D> {
    inputs: Sender<Input<S, X, D>>,
    gate: Arc<Gate>,
}

impl<S, X, D> Way<S, X, D> {
    /// Whether there was room for it, of so many bytes.
    pub(super) fn send(&self, bytes: usize, input: Input<S, X, D>) -> bool {
        if !self.gate.enter(bytes) {
            return false;
        }
        let sent = self.inputs.send(input).is_ok();
        if !sent {
            self.gate.leave(bytes);
        }
        sent
    }

    /// What always has room, as there are bounds elsewhere.
    pub(super) fn tell(&self, input: Input<S, X, D>) {
        // A thread that has ended needs to know nothing.
        drop(self.inputs.send(input));
    }

    /// What was sent has been taken.
    pub(super) fn leave(&self, bytes: usize) {
        self.gate.leave(bytes);
    }

    /// Whether nothing is on its way.
    pub(super) fn is_empty(&self) -> bool {
        self.gate.waiting.load(Ordering::Acquire) == 0
    }

    /// Nothing is sent any more.
    pub(super) fn close(&self) {
        self.gate.closed.store(true, Ordering::Release);
        self.tell(Input::Stop);
    }
}

impl<S, X, D> Clone for Way<S, X, D> {
    fn clone(&self) -> Self {
        Self { inputs: self.inputs.clone(), gate: Arc::clone(&self.gate) }
    }
}

impl<S, X, D> fmt::Debug for Way<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.gate.fmt(f)
    }
}

/// How much may wait.
#[derive(Debug)]
struct Gate {
    closed: AtomicBool,
    waiting: AtomicUsize,
    bytes: AtomicUsize,
    max_waiting: usize,
    max_bytes: usize,
}

impl Gate {
    const fn new(config: &Config) -> Self {
        Self {
            closed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            max_waiting: config.requests,
            max_bytes: config.request_bytes,
        }
    }

    fn enter(&self, bytes: usize) -> bool {
        let waiting = self.waiting.fetch_add(1, Ordering::AcqRel);
        let before = self.bytes.fetch_add(bytes, Ordering::AcqRel);
        // As with queues of frames, one is always taken when nothing waits, whatever its length.
        let fits = waiting < self.max_waiting && (before == 0 || before + bytes <= self.max_bytes);
        let open = fits && !self.closed.load(Ordering::Acquire);
        if !open {
            self.leave(bytes);
        }
        open
    }

    fn leave(&self, bytes: usize) {
        self.waiting.fetch_sub(1, Ordering::AcqRel);
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
    }
}

/// A request that lives on its own.
pub(super) struct Owned {
    method: String,
    target: String,
    headers: Vec<(String, String)>,
    pub(super) body: Vec<u8>,
}

impl Owned {
    fn new(request: &Request<'_>) -> Self {
        let headers = request.headers().map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into()));
        Self {
            method: request.method().to_owned(),
            target: request.target().to_owned(),
            headers: headers.collect(),
            body: request.body().to_vec(),
        }
    }

    /// The request, borrowed by `look`.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Request<'_>) -> T) -> T {
        let headers: Vec<_> = self.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        look(&Request::new(&self.method, &self.target, &headers, &self.body))
    }
}
