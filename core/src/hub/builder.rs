//! Building a hub: what is wrong with a set of mounts is said here, not when a client finds it.

use std::collections::HashSet;
use std::fmt;

use super::metrics::Metrics;
use super::mount::{Mount, Protocol};
use super::{Fault, FaultHandler, Hub, RequestHandler, Served};
use crate::http::{Request, Route, RouteError};
use crate::hub::{Answer, HttpRequest};
use crate::limits::Capacity;
use crate::log::{Listener, Record};
use crate::state::State;
use crate::topic::{Pattern, PatternError, Routes, RoutesError};

/// What a hub is made of. Its seed has no default: a driver takes it from the operating system, a test fixes it.
pub struct Builder<S = ()> {
    mounts: Vec<Mount<S>>,
    capacity: Capacity,
    preallocate: bool,
    on_request: Option<Box<RequestHandler<S>>>,
    on_fault: Option<Box<FaultHandler>>,
    on_log: Option<Box<Listener>>,
    metrics: Option<Box<str>>,
    seed: Option<[u8; 32]>,
}

impl<S> Default for Builder<S> {
    fn default() -> Self {
        Self {
            mounts: Vec::new(),
            capacity: Capacity::default(),
            preallocate: false,
            on_request: None,
            on_fault: None,
            on_log: None,
            metrics: None,
            seed: None,
        }
    }
}

impl<S> Builder<S> {
    /// Adds a mount. Of several that match a path, the one added first serves it; two of the same path are refused when the hub
    /// is built.
    #[must_use]
    pub fn mount(mut self, mount: Mount<S>) -> Self {
        self.mounts.push(mount);
        self
    }

    /// Every bound of the hub.
    #[must_use]
    pub const fn capacity(mut self, capacity: Capacity) -> Self {
        self.capacity = capacity;
        self
    }

    /// Takes the memory for the tables when the hub is built, instead of growing in steps up to the bounds.
    #[must_use]
    pub const fn preallocate(mut self) -> Self {
        self.preallocate = true;
        self
    }

    /// Answers HTTP requests that no mount takes: a page, `/health`. `None` after `HttpRequest::defer` means later; an error
    /// is a failure of the handler, told to [`on_fault`](Self::on_fault) and answered 500. Without this handler they are
    /// answered 404.
    ///
    /// ```
    /// use chanson_core::Hub;
    /// use chanson_core::http::Response;
    ///
    /// let builder = Hub::<()>::builder().on_request(|_, request| match request.path() {
    ///     "/health" => Response::text(200, "ok"),
    ///     _ => Response::text(404, "not found"),
    /// });
    /// ```
    #[must_use]
    pub fn on_request<F, A>(mut self, handler: F) -> Self
    where
        F: Fn(&mut HttpRequest<'_, S>, &Request<'_>) -> A + Send + Sync + 'static,
        A: Answer,
    {
        self.on_request = Some(Box::new(move |http, request| handler(http, request).into_answer()));
        self
    }

    /// Hears of every handler that failed, with the error or the panic's text: the place for a log line. (A panic also
    /// runs the program's panic hook before it is caught.)
    #[must_use]
    pub fn on_fault(mut self, handler: impl Fn(&Fault<'_>) + Send + Sync + 'static) -> Self {
        self.on_fault = Some(Box::new(handler));
        self
    }

    /// Hears of what happens, a hundred records of each level at once and ten a second in the long run. A driver hands them
    /// to the `log` crate unless this is set.
    ///
    /// ```
    /// # use chanson_core::Hub;
    /// let builder = Hub::<()>::builder().on_log(|record| eprintln!("{:?} {record}", record.level));
    /// ```
    #[must_use]
    pub fn on_log(mut self, listener: impl Fn(&Record<'_>) + Send + Sync + 'static) -> Self {
        self.on_log = Some(Box::new(listener));
        self
    }

    /// The same unless a listener is set already; for drivers.
    #[must_use]
    pub fn on_log_if_unset(self, listener: impl Fn(&Record<'_>) + Send + Sync + 'static) -> Self {
        if self.on_log.is_some() { self } else { self.on_log(listener) }
    }

    /// Answers `GET` on this path with all counters and gauges, in the text format that Prometheus reads. Anybody who reaches
    /// the server may ask: keep the path from the outside, at a proxy for instance.
    #[must_use]
    pub fn metrics(mut self, path: &str) -> Self {
        self.metrics = Some(path.into());
        self
    }

    /// What all randomness grows from: tokens, `phx_ref`s, the keys of hash tables. It has to be unpredictable and
    /// never the same again, except in tests.
    #[must_use]
    pub const fn seed(mut self, seed: [u8; 32]) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The same with this seed unless one is set already; for drivers, which know where to get one.
    #[must_use]
    pub const fn seed_if_unset(mut self, seed: [u8; 32]) -> Self {
        if self.seed.is_none() {
            self.seed = Some(seed);
        }
        self
    }

    /// The hub.
    ///
    /// # Errors
    /// A path, a topic pattern or a set of them that makes no sense, named; no seed.
    pub fn build(self) -> Result<Hub<S>, BuildError> {
        let seed = self.seed.ok_or(BuildError::NoSeed)?;
        if self.mounts.len() > MOST || self.mounts.iter().any(|mount| mount.channel_count() > MOST) {
            return Err(BuildError::TooMany);
        }
        self.mounts.iter().try_for_each(|mount| can_match(mount, &self.capacity))?;
        let mut paths = HashSet::new();
        if let Some(again) = self.mounts.iter().find(|mount| !paths.insert(&mount.path)) {
            return Err(BuildError::SamePath(again.path.clone()));
        }
        let served = self.mounts.into_iter().map(Served::new).collect::<Result<Vec<_>, _>>()?;
        let mut state = State::new(self.capacity, seed, self.on_log);
        if self.preallocate {
            state.conns.preallocate();
            state.pubsub.preallocate(state.capacity.connections);
        }
        let metrics = self.metrics.map(|path| Metrics { path, write: None });
        let (on_request, on_fault) = (self.on_request, self.on_fault);
        Ok(Hub { mounts: served, on_request, on_fault, metrics, state, stopping: false })
    }
}

impl<S> fmt::Debug for Builder<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("mounts", &self.mounts).finish_non_exhaustive()
    }
}

/// No topic or event of a channel is beyond what clients may send.
fn can_match<S>(mount: &Mount<S>, capacity: &Capacity) -> Result<(), BuildError> {
    let Protocol::Channels(channels) = &mount.protocol else { return Ok(()) };
    for channel in channels {
        let never =
            |name: &str, why| Err(BuildError::NeverMatches { path: mount.path.clone(), name: name.into(), why });
        let pattern = channel.pattern();
        if pattern.strip_suffix('*').unwrap_or(pattern).len() > capacity.topic_bytes {
            return never(pattern, "it is longer than `Capacity::topic_bytes`");
        }
        for event in channel.events() {
            if matches!(event, "phx_join" | "phx_leave") {
                return never(event, "there are handlers of their own for joins and leaves");
            }
            if event.len() > capacity.event_bytes {
                return never(event, "it is longer than `Capacity::event_bytes`");
            }
        }
    }
    Ok(())
}

impl<S> Served<S> {
    fn new(mount: Mount<S>) -> Result<Self, BuildError> {
        if let Some(what) = mount.misplaced {
            return Err(BuildError::Misplaced(mount.path, what));
        }
        let route = Route::socket(&mount.path).map_err(|error| BuildError::Path(mount.path.clone(), error))?;
        let patterns = match &mount.protocol {
            Protocol::Channels(channels) => channels
                .iter()
                .map(|channel| {
                    Pattern::new(channel.pattern())
                        .map_err(|error| BuildError::Pattern(channel.pattern().into(), error))
                })
                .collect::<Result<Vec<_>, _>>()?,
            Protocol::Raw(_) => Vec::new(),
        };
        let topics = Routes::new(&patterns).map_err(|error| BuildError::Topics(mount.path.clone(), error))?;
        Ok(Self { mount, route, topics })
    }
}

/// Most mounts of a hub, and most channels of a mount: they are numbered in 16 bits.
const MOST: usize = u16::MAX as usize;

/// Why a hub cannot be built. The text says all of it, down to what is wrong with a path or a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BuildError {
    /// No seed was given; see [`Builder::seed`].
    NoSeed,
    /// More than 65,535 mounts, or channels on one mount.
    TooMany,
    /// A mount's path is no path.
    Path(Box<str>, RouteError),
    /// Two mounts have this path, and nobody would ever get to the second. Channels of one path belong on one mount.
    SamePath(Box<str>),
    /// A channel's pattern is no pattern.
    Pattern(Box<str>, PatternError),
    /// The channels of the mount at this path do not stand together: one can never match.
    Topics(Box<str>, RoutesError),
    /// The mount at this path has another protocol than what was registered on it is for: a channel on a raw mount, or
    /// `on_text` on one of channels.
    Misplaced(Box<str>, &'static str),
    /// A channel of the mount at this path is for a topic, or has a handler for an event, that can never be.
    NeverMatches {
        /// The mount's path.
        path: Box<str>,
        /// The channel's pattern, or the event.
        name: Box<str>,
        /// Why not.
        why: &'static str,
    },
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSeed => f.write_str("no seed for the hub's randomness"),
            Self::TooMany => f.write_str("more than 65,535 mounts, or channels on one mount"),
            Self::Path(path, error) => write!(f, "mount `{path}`: {error}"),
            Self::SamePath(path) => write!(f, "mount `{path}`: another one has the same path and comes first"),
            Self::Pattern(pattern, error) => write!(f, "channel `{pattern}`: {error}"),
            Self::Misplaced(path, what) => write!(f, "mount `{path}`: `{what}` is nothing for its protocol"),
            Self::Topics(path, error) => write!(f, "mount `{path}`: {error}"),
            Self::NeverMatches { path, name, why } => write!(f, "mount `{path}`: `{name}` never matches: {why}"),
        }
    }
}

impl std::error::Error for BuildError {}
