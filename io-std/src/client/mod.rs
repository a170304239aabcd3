//! A client of a channels server: threads inside, blocking calls outside.
//!
//! [`Client`] and [`Channel`] are what a program holds; the rest is what they say, and what they are told.

pub(crate) mod bell;
mod cancel;
mod channel;
pub(crate) mod dial;
mod error;
mod events;
#[cfg(all(test, loom))]
mod models;
mod shared;
mod tell;
mod turn;
pub(crate) mod wire;

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use chanson_core::client::{Client as Core, Output};
use chanson_core::time::Instant;
use chanson_core::{Payload, PayloadBuf, ToPayload};
use crossbeam_channel::bounded;

pub use self::channel::{Channel, Reply};
pub use self::error::{JoinError, NotConnected, PushError, StartError};
pub use self::events::Events;
use self::shared::Shared;
use self::turn::Timeouts;
use crate::sys;
pub use chanson_core::client::{
    Backoff, Capacity, Cause, ChannelId, Closing, Config, ConnectError, Event, Presence, Status, UrlError,
};
pub use chanson_core::error::CommandError;

/// A client of a channels server, which connects, joins again and beats its heart by itself.
///
/// Threads may share it: every call takes `&self`, and none holds up another. Dropping it ends it, see
/// [below](#dropping-it).
///
/// ```
/// use chanson_core::{Channel, Hub, Mount};
/// use chanson_std::client::{Config, Event};
/// use chanson_std::{Client, Server};
/// use serde_json::json;
///
/// let room = Channel::new("room:*").on("new_msg", |socket, msg| {
///     socket.broadcast("new_msg", msg.payload)?;
///     socket.reply(json!({ "heard": true }))
/// });
/// let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
/// let server = Server::bind("127.0.0.1:0", hub)?.spawn()?;
///
/// let client = Client::connect(Config::new(&format!("ws://{}/socket", server.local_addr()))?)?;
/// let lobby = client.join("room:lobby", json!({}))?;
/// let reply = lobby.push("new_msg", json!({ "text": "hi" }))?;
/// assert!(reply.is_ok());
///
/// let said = client.events().find_map(|event| match event {
///     Event::Message { channel, event, payload } if channel == lobby.id() => Some((event, payload)),
///     _ => None,
/// });
/// let (event, payload) = said.expect("what is said in a room is heard by everyone there");
/// assert_eq!((&*event, payload.as_payload().json().unwrap().as_str()), ("new_msg", r#"{"text":"hi"}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What happens
///
/// is told by [events](Self::events), which a thread of yours reads when it likes, or which a
/// [callback](Self::on_event) is called with. Joins are told of there, too; the answer to a push is no event, but what the
/// push gives.
///
/// # Dropping it
///
/// closes the connection in good order: what was sent before leaves before, the server is told, and all threads have ended
/// when `drop` returns. That takes no longer than twice `Config::close_timeout` and a second, and hardly any time if the
/// server is well. (A thread that waits for a name to be resolved cannot be interrupted: it is left behind, touches nothing,
/// and ends when the system has answered. Other systems than Linux do not let a connect be interrupted either.)
/// [`Channel`]s may outlive it, and say [`PushError::Ended`]. On its own thread, in a callback, `drop` does not wait.
pub struct Client {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// How a channel is joined; see [`Client::join_with`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct JoinOptions {
    /// How long an answer is waited for; `None`: `Config::timeout`.
    pub timeout: Option<Duration>,
    /// Whether the list of [presences](Channel::presence) is kept. If not, what the server says of them comes as messages
    /// (`presence_state`, `presence_diff`). True.
    pub presence: bool,
}

impl Default for JoinOptions {
    fn default() -> Self {
        Self { timeout: None, presence: true }
    }
}

impl JoinOptions {
    /// The same with another [`timeout`](Self::timeout).
    #[must_use]
    pub const fn with_timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// The same with another [`presence`](Self::presence).
    #[must_use]
    pub const fn with_presence(mut self, presence: bool) -> Self {
        self.presence = presence;
        self
    }
}

/// Counters of a client; see [`Client::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// What was received and dropped.
    pub core: chanson_core::client::Stats,
    /// Events that were dropped since nobody read them; see [`Events`].
    pub lost_events: u64,
    /// Panics of callbacks.
    pub callback_panics: u64,
}

impl Client {
    /// Starts a client and returns at once. It connects by itself, tries again as `Config::reconnect` says, and does so
    /// too after a loss.
    ///
    /// ```
    /// use chanson_std::client::{Config, StartError};
    /// use chanson_std::Client;
    /// use std::time::Duration;
    ///
    /// // Nobody is there.
    /// let client = Client::connect(Config::new("ws://127.0.0.1:9/socket")?)?;
    /// let error = client.wait_connected(Duration::from_millis(200)).unwrap_err();
    /// assert!(error.retrying);
    ///
    /// # #[cfg(not(feature = "tls"))] {
    /// let error = Client::connect(Config::new("wss://example.org/socket")?).unwrap_err();
    /// assert!(matches!(error, StartError::NoTls));
    /// # }
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// For a `wss://` address [`StartError::NoTls`] without the feature `tls`, and `StartError::Roots` with it when nobody is
    /// trusted and `Config::with_tls` was not called; the operating system has no thread or no randomness to give.
    pub fn connect(config: Config) -> Result<Self, StartError> {
        let (timeout, connect, close) = (config.timeout, config.connect_timeout, config.close_timeout);
        #[cfg(feature = "tls")]
        let config = match config.wants_tls() {
            true => config.with_tls(chanson_core::tls::Connector::system().map_err(StartError::Roots)?),
            false => config,
        };
        let mut core = Core::new(config, sys::seed()?);
        core.connect(Instant::ORIGIN);
        let first = core.poll_output();
        if let Some(Output::Connect { tls: true, .. }) = first {
            return Err(StartError::NoTls);
        }
        let inputs = bounded(turn::WAITING);
        let shared = Arc::new(Shared::new(core, inputs.0.clone(), timeout));
        let thread = turn::start(Arc::clone(&shared), inputs, first, Timeouts { connect, close })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Waits until there is a connection, but not for longer than `timeout`. Joins and pushes need not wait for it: they
    /// wait themselves. On the client's own thread it does not wait.
    ///
    /// # Errors
    /// There was none in that time, or there will be none without [`reconnect`](Self::reconnect).
    pub fn wait_connected(&self, timeout: Duration) -> Result<(), NotConnected> {
        self.shared.wait_connected(timeout)
    }

    /// Whether there is a connection.
    pub fn is_connected(&self) -> bool {
        self.shared.lock().core.is_connected()
    }

    /// Why there is no connection; `None` when there is one.
    pub fn not_connected(&self) -> Option<NotConnected> {
        let state = self.shared.lock();
        (!state.core.is_connected()).then(|| state.not_connected())
    }

    // --- joining ---

    /// Joins a topic and waits until that is done. A channel that has the topic already is left.
    ///
    /// Once joined it stays so: it is joined again by itself, with the same params, after every loss.
    ///
    /// # Errors
    /// It was refused, was not answered within `Config::timeout`, or could not be asked for: see [`JoinError`]. There is
    /// no channel then, and it is not tried again.
    pub fn join(&self, topic: &str, params: impl ToPayload) -> Result<Channel, JoinError> {
        self.join_with(topic, params, &JoinOptions::default())
    }

    /// The same with options.
    ///
    /// # Errors
    /// As [`join`](Self::join).
    pub fn join_with(&self, topic: &str, params: impl ToPayload, options: &JoinOptions) -> Result<Channel, JoinError> {
        if self.shared.is_own_thread() {
            return Err(JoinError::OwnThread);
        }
        let timeout = options.timeout.unwrap_or(self.shared.timeout);
        // `ToPayload` is somebody else's code, so nothing is locked meanwhile.
        let mut scratch = Vec::new();
        let params = params.to_payload(&mut scratch).map_err(JoinError::Command)?;
        let (waiter, answer) = bounded(1);
        let begun = self.shared.with_core(|state, now| {
            if !state.is_wanted() {
                return Err(JoinError::NotConnected(state.not_connected()));
            }
            let id = begin_join(&mut state.core, now, topic, params, timeout, options).map_err(JoinError::Command)?;
            state.await_join(id, waiter);
            Ok(id)
        });
        let id = begun.unwrap_or(Err(JoinError::Ended))?;
        let answer = answer.recv_timeout(timeout).unwrap_or_else(|_| Err(self.shared.lock().not_answered()));
        if answer.is_err() {
            self.shared.with_core(|state, now| {
                state.forget_join(id);
                // It may have closed.
                let _ = state.core.leave(now, id);
            });
        }
        answer.map(|response| Channel::new(&self.shared, id, topic, response))
    }

    /// Begins to join a topic, and does not wait: `Joined` or `JoinFailed` follows among the [events](Self::events), and after
    /// a failure it is tried again by itself, until [`leave`](Channel::leave). Pushes wait for the join. For callbacks, and
    /// for programs that want to be in a room whenever that is possible.
    ///
    /// # Errors
    /// `Full`, `TooLarge` and so on, see `chanson_core::Client::join`; `NotAllowed` also when the client is ending.
    pub fn start_join(
        &self,
        topic: &str,
        params: impl ToPayload,
        options: &JoinOptions,
    ) -> Result<Channel, CommandError> {
        let timeout = options.timeout.unwrap_or(self.shared.timeout);
        let mut scratch = Vec::new();
        let params = params.to_payload(&mut scratch)?;
        let begun = self
            .shared
            .with_core(|state, now| begin_join(&mut state.core, now, topic, params, timeout, options))
            .unwrap_or(Err(CommandError::NotAllowed))?;
        Ok(Channel::new(&self.shared, begun, topic, PayloadBuf::EMPTY))
    }

    /// The channel of a topic, if there is one: joined, or trying to be.
    pub fn channel(&self, topic: &str) -> Option<Channel> {
        let id = self.shared.lock().core.channel(topic)?;
        Some(Channel::new(&self.shared, id, topic, PayloadBuf::EMPTY))
    }

    // --- what happens ---

    /// A reader of what happens, from the beginning. See [`Events`] for what holds when nobody reads.
    pub fn events(&self) -> Events {
        Events(Arc::clone(&self.shared.teller.queue))
    }

    /// Has every event handed to `callback`, on the client's thread, in place of [`events`](Self::events): first those
    /// that wait there, then each as it comes. Another call puts another callback in its place.
    ///
    /// While it runs the client does nothing else, heartbeats included, so it should not take long. It may send,
    /// [`push_then`](Channel::push_then) and [`start_join`](Self::start_join); calls that wait are refused with `OwnThread`.
    /// A panic is caught and counted, and the next event comes nevertheless.
    ///
    /// ```
    /// use chanson_core::{Channel, Hub, Mount};
    /// use chanson_std::client::{Config, Event};
    /// use chanson_std::{Client, Server};
    /// use serde_json::json;
    /// use std::sync::mpsc;
    ///
    /// # let room = Channel::new("room:*").on("new_msg", |socket, msg| socket.broadcast("new_msg", msg.payload));
    /// # let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
    /// # let server = Server::bind("127.0.0.1:0", hub)?.spawn()?;
    /// # let url = format!("ws://{}/socket", server.local_addr());
    /// let (heard, hears) = mpsc::channel();
    /// let client = Client::connect(Config::new(&url)?)?;
    /// client.on_event(move |event| {
    ///     if let Event::Message { event, payload, .. } = event {
    ///         drop(heard.send(format!("{event} {:?}", payload.as_payload())));
    ///     }
    /// });
    /// let lobby = client.join("room:lobby", json!({}))?;
    /// lobby.send("new_msg", json!({ "text": "hi" }))?;
    /// assert!(hears.recv()?.starts_with("new_msg "));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn on_event(&self, callback: impl FnMut(Event) + Send + 'static) {
        self.shared.set_callback(Some(Box::new(callback)));
    }

    /// Now, as this client counts (`retry_at` in events): the time since it was made.
    pub fn now(&self) -> Instant {
        self.shared.now()
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        Stats {
            core: self.shared.lock().core.stats(),
            lost_events: self.shared.teller.queue.lost(),
            callback_panics: self.shared.teller.panics(),
        }
    }

    // --- for the next connection ---

    /// Closes the connection, and opens none before [`reconnect`](Self::reconnect). Does not wait. Channels stay, and join
    /// again then; pushes wait for that until their time is up; joins that are waited for fail.
    pub fn disconnect(&self) {
        let told = self.shared.with_core(|state, now| {
            state.core.disconnect(now);
            state.want(false)
        });
        self.shared.connection_changed();
        Shared::tell_joins(told.unwrap_or_default());
    }

    /// Connects again after [`disconnect`](Self::disconnect), or when the limit of tries was reached. Does nothing when there
    /// is a connection or one is tried for.
    pub fn reconnect(&self) {
        self.shared.with_core(|state, now| {
            state.core.connect(now);
            state.want(true)
        });
    }

    /// Another value for a query parameter, from the next connection on.
    pub fn set_param(&self, name: &str, value: &str) {
        self.shared.lock().core.set_param(name, value);
    }

    /// Another token, or none, from the next connection on; see `Config::with_auth_token`.
    pub fn set_auth_token(&self, token: Option<&str>) {
        self.shared.lock().core.set_auth_token(token);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.shared.begin_to_end();
        if let Some(thread) = self.thread.take()
            && !self.shared.is_own_thread()
        {
            // If it has panicked, it has ended.
            drop(thread.join());
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("connected", &self.is_connected()).finish_non_exhaustive()
    }
}

fn begin_join(
    core: &mut Core,
    now: Instant,
    topic: &str,
    params: Payload<'_>,
    timeout: Duration,
    options: &JoinOptions,
) -> Result<ChannelId, CommandError> {
    let id = core.join_with_timeout(now, topic, params, timeout)?;
    if options.presence {
        core.track_presence(id)?;
    }
    Ok(id)
}
