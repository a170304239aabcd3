//! Making a server.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use super::calls::Jobs;
use super::conclude::Later;
use super::define::{ContextGenerator, Derivation, Generators};
use super::{Call, Failure, Incident, Server};
use crate::covenant::connection::ServerToSidekick;
use crate::covenant::contract::Contract;
use crate::covenant::secret::Secret;
use crate::random::Random;
use crate::time::Instant;

/// Bounds and time limits of a server.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Bytes that the body of a request may have; beyond, it is answered 413. A driver may know a lower bound. 1 MiB.
    pub max_body: usize,
    /// Requests that wait for the Sidekick or were put off, and messages of [`Server::send_message`] that are under way, at a
    /// time; beyond, requests are answered 503. 1024.
    pub waiting: usize,
    /// Messages that one handler may send. 256.
    pub sends_per_request: usize,
    /// How long the Sidekick may take to answer a call. 10 s.
    pub call_timeout: Duration,
    /// How long an answer may be put off. 20 s, as a driver's HTTP server may have a limit of its own, of 30 s.
    pub answer_limit: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_body: 1 << 20,
            waiting: 1024,
            sends_per_request: 256,
            call_timeout: Duration::from_secs(10),
            answer_limit: Duration::from_secs(20),
        }
    }
}

impl Config {
    /// With this [`max_body`](Self::max_body).
    #[must_use]
    pub const fn with_max_body(mut self, bytes: usize) -> Self {
        self.max_body = bytes;
        self
    }

    /// With this [`waiting`](Self::waiting).
    #[must_use]
    pub const fn with_waiting(mut self, requests: usize) -> Self {
        self.waiting = requests;
        self
    }

    /// With this [`sends_per_request`](Self::sends_per_request).
    #[must_use]
    pub const fn with_sends_per_request(mut self, messages: usize) -> Self {
        self.sends_per_request = messages;
        self
    }

    /// With this [`call_timeout`](Self::call_timeout).
    #[must_use]
    pub const fn with_call_timeout(mut self, timeout: Duration) -> Self {
        self.call_timeout = timeout;
        self
    }

    /// With this [`answer_limit`](Self::answer_limit).
    #[must_use]
    pub const fn with_answer_limit(mut self, limit: Duration) -> Self {
        self.answer_limit = limit;
        self
    }
}

/// What a server is made of. Its seed has no default: a driver takes it from the operating system, a test fixes it.
pub struct Builder<S = (), X = (), D = ()> {
    contract: Contract,
    config: Config,
    seed: Option<[u8; 32]>,
    secret: Option<Secret>,
    on_incident: Option<Box<super::OnIncident>>,
    context: Box<ContextGenerator<S, X>>,
    derivation: Box<Derivation<S, X, D>>,
}

impl<S: 'static> Builder<S> {
    pub(super) fn new(contract: Contract) -> Self {
        Self {
            contract,
            config: Config::default(),
            seed: None,
            secret: None,
            on_incident: None,
            context: Box::new(|_| Ok(())),
            derivation: Box::new(|_| Ok(())),
        }
    }
}

impl<S: 'static, X: 'static> Builder<S, X> {
    /// What is known of whoever calls a procedure: made of each call before its handler runs, which sees it as
    /// [`Call::ctx`]. When it fails, the call does.
    #[must_use]
    pub fn context_generator<Y: 'static>(
        self,
        make: impl Fn(&mut Call<'_, S>) -> Result<Y, Failure> + Send + 'static,
    ) -> Builder<S, Y> {
        let Self { contract, config, seed, secret, on_incident, .. } = self;
        let derivation = Box::new(|_: &mut Call<'_, S, Y>| Ok(()));
        Builder { contract, config, seed, secret, on_incident, context: Box::new(make), derivation }
    }

    /// What follows from the context, and is wanted by many handlers: made after it, seen as [`Call::derived`].
    #[must_use]
    pub fn derivation<E: 'static>(
        self,
        make: impl Fn(&mut Call<'_, S, X>) -> Result<E, Failure> + Send + 'static,
    ) -> Builder<S, X, E> {
        let Self { contract, config, seed, secret, on_incident, context, .. } = self;
        Builder { contract, config, seed, secret, on_incident, context, derivation: Box::new(make) }
    }
}

impl<S: 'static, X: 'static, D: 'static> Builder<S, X, D> {
    /// Every bound and time limit.
    #[must_use]
    pub const fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The secret that the Sidekick shows with clients' messages (`?type=channel`). Without one these are not taken by HTTP.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(Secret::new(secret));
        self
    }

    /// What tokens grow from. It has to be unpredictable and never the same again, except in tests.
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

    /// Hears of what nobody else is told in full: handlers that failed or panicked, and what the Sidekick was not told. The
    /// place for a log line.
    #[must_use]
    pub fn on_incident(mut self, hear: impl Fn(&Incident<'_>) + Send + 'static) -> Self {
        self.on_incident = Some(Box::new(hear));
        self
    }

    /// The server, on which channels and procedures are then defined.
    ///
    /// # Errors
    /// No seed was given.
    pub fn build(self, sidekick: impl ServerToSidekick) -> Result<Server<S, X, D>, NoSeed> {
        let seed = self.seed.ok_or(NoSeed)?;
        Ok(Server {
            contract: self.contract,
            secret: self.secret,
            sidekick: Box::new(sidekick),
            generators: Generators { context: self.context, derivation: self.derivation },
            channels: BTreeMap::new(),
            procedures: BTreeMap::new(),
            on_incident: self.on_incident,
            jobs: Jobs::new(self.config.call_timeout),
            later: Later::default(),
            tickets: 0,
            config: self.config,
            outputs: VecDeque::new(),
            random: Random::new(seed),
            sends: 0,
            now: Instant::ORIGIN,
        })
    }
}

impl<S, X, D> fmt::Debug for Builder<S, X, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("contract", &self.contract)
            .field("config", &self.config)
            .finish_non_exhaustive()
    }
}

/// No seed was given for the server's tokens; see [`Builder::seed`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoSeed;

impl fmt::Display for NoSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no seed for the server's tokens")
    }
}

impl std::error::Error for NoSeed {}
