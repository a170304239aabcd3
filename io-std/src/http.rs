//! A small HTTP caller: requests of Covenant's parties to one another, performed on worker threads.
//!
//! What is to be asked is a [`Post`], which the state machines of `chanson_core::covenant` describe; what comes of it is told
//! on a worker thread, from where it finds its way back to whoever turns the state machine.
//!
//! ```
//! use std::sync::mpsc;
//! use chanson_core::covenant::connection::{CallError, Headers, Post};
//! use chanson_std::http::{Caller, Config};
//!
//! let (done, results) = mpsc::channel();
//! let caller = Caller::new(Config::default(), move |id, result| drop(done.send((id, result))));
//!
//! // Nobody listens at port 1.
//! let post = Post::new("http://127.0.0.1:1/message".parse()?, Headers::ion(), "{}".into());
//! caller.call(7, post).map_err(|refused| refused.error)?;
//! assert_eq!(results.recv()?, (7, Err(CallError::Unreachable)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use std::fmt;
use std::io::{self, Read as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use chanson_core::covenant::connection::{Answer, CallError, Post};
use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use ureq::Agent;
#[cfg(feature = "tls")]
use {chanson_core::tls::Connector, std::sync::OnceLock};

/// How a caller treats its requests.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// How many requests are under way at a time: each has a thread, which is started when it is needed. 16.
    pub threads: usize,
    /// How many more may wait for a thread. 1024.
    pub queue: usize,
    /// How long a request may take, from looking up the host to the end of the answer, once it has a thread. 10 s.
    pub timeout: Duration,
    /// How many bytes the body of an answer may have. 1 MiB.
    pub max_body: usize,
    /// How long a connection is kept for further requests. 3 s, which is less than servers usually keep one (Node.js: 5 s): a
    /// request must not meet a connection that is just being closed.
    pub keep_alive: Duration,
    /// Whom to trust where an address is `https://`. `None`: whom the operating system trusts.
    #[cfg(feature = "tls")]
    pub tls: Option<Connector>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            threads: 16,
            queue: 1024,
            timeout: Duration::from_secs(10),
            max_body: 1 << 20,
            keep_alive: Duration::from_secs(3),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }
}

impl Config {
    /// With this many [`threads`](Self::threads); at least one.
    #[must_use]
    pub const fn with_threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// With this [`queue`](Self::queue).
    #[must_use]
    pub const fn with_queue(mut self, queue: usize) -> Self {
        self.queue = queue;
        self
    }

    /// With this [`timeout`](Self::timeout).
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// With this [`max_body`](Self::max_body).
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// With this [`keep_alive`](Self::keep_alive).
    #[must_use]
    pub const fn with_keep_alive(mut self, keep_alive: Duration) -> Self {
        self.keep_alive = keep_alive;
        self
    }

    /// With this [`tls`](Self::tls).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_tls(mut self, connector: Connector) -> Self {
        self.tls = Some(connector);
        self
    }
}

/// Performs requests on worker threads, each known by what the caller calls it by: a `T`.
///
/// Nothing here waits but the workers. Connections are kept and used again; proxies are not used. Redirects that keep method
/// and body (307, 308) are followed within the origin (scheme, host and port), five times at most; any other is the answer, with
/// its [`location`](Answer::location). When the last clone is dropped, the requests that wait are still made; nobody waits for that.
pub struct Caller<T> {
    jobs: Sender<(T, Post)>,
    shared: Arc<Shared<T>>,
}

struct Shared<T> {
    jobs: Receiver<(T, Post)>,
    agent: Agent,
    /// The one for `https://`, made when it is first needed, for whom to trust takes a while to read.
    #[cfg(feature = "tls")]
    secure: OnceLock<Option<Agent>>,
    config: Config,
    done: Box<Done<T>>,
    /// How many threads there are.
    threads: Mutex<usize>,
    /// How many requests were taken whose end was not yet told.
    pending: AtomicUsize,
}

type Done<T> = dyn Fn(T, Result<Answer, CallError>) + Send + Sync;

impl<T: Send + 'static> Caller<T> {
    /// One that tells what came of requests by `done`, which is called on a worker's thread and should not wait for long.
    pub fn new(config: Config, done: impl Fn(T, Result<Answer, CallError>) + Send + Sync + 'static) -> Self {
        let (sender, jobs) = bounded(config.queue.max(1));
        let agent = agent(&config);
        let (threads, pending) = (Mutex::new(0), AtomicUsize::new(0));
        Self {
            jobs: sender,
            shared: Arc::new(Shared {
                jobs,
                agent,
                #[cfg(feature = "tls")]
                secure: OnceLock::new(),
                config,
                done: Box::new(done),
                threads,
                pending,
            }),
        }
    }

    /// Performs a request, soon.
    ///
    /// # Errors
    /// [`CallError::Full`] when too many wait already, or the system has no thread to give. Nothing will be told of this one;
    /// its name is given back.
    pub fn call(&self, name: T, post: Post) -> Result<(), Refused<T>> {
        let before = self.shared.pending.fetch_add(1, Ordering::AcqRel);
        if self.shared.ensure_thread(before + 1).is_err() {
            self.shared.pending.fetch_sub(1, Ordering::AcqRel);
            return Err(Refused { name, error: CallError::Full });
        }
        self.jobs.try_send((name, post)).map_err(|error| {
            self.shared.pending.fetch_sub(1, Ordering::AcqRel);
            let (TrySendError::Full((name, _)) | TrySendError::Disconnected((name, _))) = error;
            Refused { name, error: CallError::Full }
        })
    }

    /// How many requests have been taken and not yet been told of.
    pub fn pending(&self) -> usize {
        self.shared.pending.load(Ordering::Acquire)
    }
}

impl<T> Clone for Caller<T> {
    fn clone(&self) -> Self {
        Self { jobs: self.jobs.clone(), shared: Arc::clone(&self.shared) }
    }
}

impl<T> fmt::Debug for Caller<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pending = self.shared.pending.load(Ordering::Acquire);
        f.debug_struct("Caller").field("config", &self.shared.config).field("pending", &pending).finish_non_exhaustive()
    }
}

/// A request that was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused<T> {
    /// What it was called by.
    pub name: T,
    /// Why not.
    pub error: CallError,
}

impl<T: Send + 'static> Shared<T> {
    /// There are as many threads as requests, up to the bound.
    fn ensure_thread(self: &Arc<Self>, requests: usize) -> io::Result<()> {
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        if *threads >= requests.min(self.config.threads.max(1)) {
            return Ok(());
        }
        // It has no sender: the jobs end when the last caller goes, and with them the threads.
        let (shared, jobs) = (Arc::clone(self), self.jobs.clone());
        let spawned =
            thread::Builder::new().name("chanson-http".into()).stack_size(STACK).spawn(move || shared.work(&jobs));
        match spawned {
            Ok(_) => *threads += 1,
            // The others will come to it.
            Err(_) if *threads > 0 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// The agent for `https://`.
    #[cfg(feature = "tls")]
    fn secure(&self) -> Result<&Agent, CallError> {
        self.secure.get_or_init(|| secure_agent(&self.config)).as_ref().ok_or(CallError::NotTrusted)
    }

    #[cfg(not(feature = "tls"))]
    #[expect(clippy::unused_self, reason = "as the one with TLS")]
    fn secure(&self) -> Result<&Agent, CallError> {
        Err(CallError::NoTls)
    }

    fn work(&self, jobs: &Receiver<(T, Post)>) {
        for (name, post) in jobs {
            let agent = if post.url().is_tls() { self.secure() } else { Ok(&self.agent) };
            let result = agent.and_then(|agent| perform(agent, &post, &self.config));
            // A worker outlives a panic of what it tells, which has gone through the program's panic hook.
            drop(catch_unwind(AssertUnwindSafe(|| (self.done)(name, result))));
            self.pending.fetch_sub(1, Ordering::AcqRel);
        }
    }
}

fn agent(config: &Config) -> Agent {
    settings(config).build().new_agent()
}

/// `None` when nobody is trusted.
#[cfg(feature = "tls")]
fn secure_agent(config: &Config) -> Option<Agent> {
    use ureq::tls::{Certificate, RootCerts, TlsConfig};
    let connector = config.tls.clone().or_else(|| Connector::system().ok())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = TlsConfig::builder().unversioned_rustls_crypto_provider(provider);
    let tls = match connector.roots() {
        Some(roots) => {
            let roots: Vec<_> = roots.map(|root| Certificate::from_der(root).to_owned()).collect();
            tls.root_certs(RootCerts::Specific(Arc::new(roots)))
        }
        None => tls.disable_verification(true),
    };
    Some(settings(config).tls_config(tls.build()).build().new_agent())
}

fn settings(config: &Config) -> ureq::config::ConfigBuilder<ureq::typestate::AgentScope> {
    Agent::config_builder()
        .http_status_as_error(false)
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .max_idle_age(config.keep_alive)
        .max_idle_connections(config.threads)
        .max_idle_connections_per_host(config.threads)
        .user_agent(concat!("chanson/", env!("CARGO_PKG_VERSION")))
        .accept("*/*")
}

/// Redirects included, within one time limit.
fn perform(agent: &Agent, post: &Post, config: &Config) -> Result<Answer, CallError> {
    let end = Instant::now().checked_add(config.timeout);
    let mut answer = ask(agent, post, config.timeout, config.max_body)?;
    let mut moved = post.redirected(&answer);
    for _ in 0..REDIRECTS {
        let Some(post) = moved else { break };
        let left = end.map_or(config.timeout, |end| end.saturating_duration_since(Instant::now()));
        if left.is_zero() {
            return Err(CallError::TimedOut);
        }
        answer = ask(agent, &post, left, config.max_body)?;
        moved = post.redirected(&answer);
    }
    Ok(answer)
}

fn ask(agent: &Agent, post: &Post, timeout: Duration, max_body: usize) -> Result<Answer, CallError> {
    let mut request = agent.post(post.url().as_str()).config().timeout_global(Some(timeout)).build();
    for (name, value) in post.headers() {
        request = request.header(name, value);
    }
    let mut response = request.send(post.body()).map_err(|error| why(&error))?;
    let status = response.status();
    let location = response.headers().get("location").filter(|_| status.is_redirection());
    let location = location.and_then(|value| value.to_str().ok()).map(Box::from);
    // One byte more tells a body that is too long from one that just fits. Behind it the connection is of no further use.
    let mut body = Vec::new();
    let limit = max_body as u64 + 1;
    response.body_mut().as_reader().take(limit).read_to_end(&mut body).map_err(|error| io_reason(&error))?;
    if body.len() > max_body {
        return Err(CallError::TooLong);
    }
    let mut answer = Answer::new(status.as_u16(), body);
    answer.location = location;
    Ok(answer)
}

fn why(error: &ureq::Error) -> CallError {
    match error {
        ureq::Error::Timeout(_) => CallError::TimedOut,
        ureq::Error::Io(error) => io_reason(error),
        ureq::Error::HostNotFound | ureq::Error::ConnectionFailed | ureq::Error::BadUri(_) => CallError::Unreachable,
        ureq::Error::LargeResponseHeader(..) => CallError::TooLong,
        #[cfg(feature = "tls")]
        ureq::Error::Rustls(_) | ureq::Error::Tls(_) => CallError::NotTrusted,
        _ => CallError::NotHttp,
    }
}

fn io_reason(error: &io::Error) -> CallError {
    if let Some(inner) = error.get_ref().and_then(|inner| inner.downcast_ref()) {
        return why(inner);
    }
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => CallError::TimedOut,
        io::ErrorKind::UnexpectedEof
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::ConnectionAborted
        | io::ErrorKind::BrokenPipe => CallError::HungUp,
        // So what rustls says comes, from below.
        #[cfg(feature = "tls")]
        io::ErrorKind::InvalidData => CallError::NotTrusted,
        _ => CallError::Unreachable,
    }
}

/// How often a request may be sent on.
const REDIRECTS: u32 = 5;

/// Bytes of stack of each worker.
const STACK: usize = 256 << 10;
