//! A client of a Covenant server and its Sidekick: blocking calls, and callbacks for what comes.
//!
//! ```
//! use chanson_core::covenant::connection::DirectClientToServer;
//! use chanson_core::covenant::contract::{Channel, Contract};
//! use chanson_core::covenant::internal::{InternalServer, InternalSidekick};
//! use chanson_core::covenant::server::Server;
//! use chanson_std::covenant::client::{Client, Config};
//! use std::collections::BTreeMap;
//! use std::sync::mpsc;
//!
//! struct Chat;
//! impl Channel for Chat {
//!     const NAME: &str = "chat";
//!     type Params = BTreeMap<String, String>;
//!     type ClientMessage = String;
//!     type ServerMessage = String;
//!     type ConnectionRequest = String;
//!     type Context = String;
//! }
//!
//! // A server and a Sidekick in this program; with `HttpClientToServer` and `HttpClientToSidekick` they are elsewhere.
//! let sidekick = InternalSidekick::new(chanson_std::covenant::seed()?);
//! let contract = Contract::new().channel::<Chat>()?;
//! let mut server = Server::<()>::builder(contract)
//!     .seed(chanson_std::covenant::seed()?)
//!     .build(sidekick.connection_from_server())?;
//! server.define_channel::<Chat>(
//!     |_, name| Ok(name),
//!     |message, text| {
//!         let said = format!("{}: {text}", message.context());
//!         Ok(message.send_message::<Chat>(message.params(), &said)?)
//!     },
//! )?;
//! let server = InternalServer::new(server, ());
//! let process = server.clone();
//! sidekick.set_server_callback(move |now, message| process.process_channel_message(now, message));
//!
//! let config = Config::new(DirectClientToServer::new(&server), sidekick.connection_from_client());
//! let client = Client::start(config)?;
//! let room = BTreeMap::from([("roomId".to_owned(), "room1".to_owned())]);
//! let chat = client.connect::<Chat>(&room, &"ann".into())?;
//! let (heard, hears) = mpsc::channel();
//! chat.subscribe(move |message| drop(heard.send(message)))?;
//! chat.send(&"Hello!".into())?;
//! assert_eq!(hears.recv()??, "ann: Hello!");
//! chat.unsubscribe();
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What happens by itself
//!
//! The Sidekick is connected to, and again after a loss; subscriptions are made again, with another token of the server's, and
//! remote listeners look again. Messages that are sent meanwhile wait.
//!
//! # Threads
//!
//! A client has one thread, which calls the callbacks, two more if the Sidekick is reached by a socket, and one for each
//! request that the server has not answered, up to [`http::Config::threads`](crate::http::Config).

mod error;
mod listening;
mod room;
mod shared;
mod turn;

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

pub use chanson_core::covenant::client::{
    Capacity, CommandError, Config, Event, ProcedureError, Returned, SendError, Stats as CoreStats,
};
use chanson_core::covenant::client::{Client as Core, Output};
use chanson_core::covenant::contract::{Channel, Kind, Procedure};
use chanson_core::time::Instant;
use crossbeam_channel::bounded;

pub use self::error::{BeginError, CallError, EnterError, StartError, TellError};
pub use self::listening::Listening;
pub use self::room::Room;
use self::shared::Shared;
use crate::http::{self, Caller};
use crate::sys;

/// A client; see the [module](self).
///
/// Dropping it tells the Sidekick, and all its threads but those that wait for the server have ended then; that takes no longer
/// than twice `Config::close_timeout` and a second. [`Room`]s and [`Listening`]s may outlive it, and say `Ended`. On its own
/// thread, in a callback, `drop` does not wait.
pub struct Client {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What a procedure returned.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply<T> {
    /// The data.
    pub data: T,
    /// What it looked at or has changed.
    pub resources: Vec<Box<str>>,
}

/// Counters of a client; see [`Client::stats`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// What was received and dropped.
    pub core: CoreStats,
    /// Panics of callbacks.
    pub callback_panics: u64,
}

impl Client {
    /// Starts a client and returns at once. It connects to the Sidekick by itself, if there is one. At `https://` those are
    /// trusted whom the operating system trusts, unless `Config::with_tls` names others.
    ///
    /// # Errors
    /// For a Sidekick at `https://` [`StartError::NoTls`] without the feature `tls`, and `StartError::Roots` with it when nobody
    /// is trusted; the operating system has no thread or no randomness to give.
    pub fn start(config: Config) -> Result<Self, StartError> {
        Self::start_with(config, http::Config::default())
    }

    /// The same with another way to call the server. Where that does not say whom to trust, it is whom `config` trusts.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(config: Config, calls: http::Config) -> Result<Self, StartError> {
        #[cfg(feature = "tls")]
        let config = match config.wants_tls() {
            true => config.with_tls(chanson_core::tls::Connector::system().map_err(StartError::Roots)?),
            false => config,
        };
        #[cfg(feature = "tls")]
        let calls = match (&calls.tls, config.connector()) {
            (None, Some(connector)) => calls.with_tls(connector.clone()),
            _ => calls,
        };
        let timeouts = (config.connect_timeout, config.close_timeout);
        let core = Core::new(config, sys::seed()?);
        let inputs = bounded(turn::WAITING);
        let shared = Arc::new(Shared::new(core, inputs.0.clone()));
        let socket = shared.prepare()?;
        let answers = Arc::downgrade(&shared);
        let caller = Caller::new(calls, move |id, result| {
            let Some(shared) = answers.upgrade() else { return };
            let answered = |core: &mut Core, now| core.handle_answer(now, id, result.as_ref().map_err(|error| *error));
            shared.with_core(|state, now| answered(&mut state.core, now));
        });
        let thread = turn::start(Arc::clone(&shared), inputs, caller, socket, timeouts)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Asks the server for a place in a room, and waits for its answer.
    ///
    /// # Errors
    /// It is refused, or the server could not be asked.
    pub fn connect<C: Channel>(
        &self,
        params: &C::Params,
        request: &C::ConnectionRequest,
    ) -> Result<Room<C>, EnterError> {
        if self.shared.is_own_thread() {
            return Err(EnterError::OwnThread);
        }
        let (waiter, token) = bounded(1);
        let asked = self.shared.with_core(|state, now| {
            let call = state.core.connect::<C>(now, params, request)?;
            state.await_token(call, waiter);
            Ok::<_, CommandError>(())
        });
        asked.ok_or(EnterError::Ended)??;
        let token = token.recv().map_err(|_| EnterError::Ended)?.map_err(EnterError::Refused)?;
        Ok(Room::new(&self.shared, token))
    }

    /// Calls a procedure, a query or a mutation, and waits for what it returns. After a mutation what listens here to one of
    /// its resources looks again.
    ///
    /// # Errors
    /// It failed, or the server could not be asked; see [`CallError`].
    pub fn call<P: Procedure>(&self, inputs: &P::Input) -> Result<Reply<P::Output>, CallError> {
        if self.shared.is_own_thread() {
            return Err(CallError::OwnThread);
        }
        let (waiter, returned) = bounded(1);
        let asked = self.shared.with_core(|state, now| {
            let call = match P::KIND {
                Kind::Query => state.core.query::<P>(now, inputs)?,
                Kind::Mutation => state.core.mutate::<P>(now, inputs)?,
            };
            state.await_return(call, waiter);
            Ok::<_, CommandError>(())
        });
        asked.ok_or(CallError::Ended)??;
        let returned = returned.recv().map_err(|_| CallError::Ended)?.map_err(CallError::Procedure)?;
        reply::<P>(returned).map_err(CallError::Procedure)
    }

    /// Makes a query now, and again each time that what it looked at has changed; each time `callback` is called with the
    /// result, on the client's thread. With `remote` changes by other clients count, of which the Sidekick tells.
    ///
    /// # Errors
    /// `Full`, `NotIon`, …: see [`CommandError`].
    pub fn listen<P: Procedure>(
        &self,
        inputs: &P::Input,
        remote: bool,
        mut callback: impl FnMut(Result<Reply<P::Output>, ProcedureError>) + Send + 'static,
    ) -> Result<Listening, BeginError> {
        let callback = move |result: Result<Returned, _>| callback(result.and_then(reply::<P>));
        let begun = self.shared.with_core(|state, now| {
            let listen = state.core.listen::<P>(now, inputs, remote)?;
            state.listen(listen, Arc::new(std::sync::Mutex::new(callback)));
            Ok::<_, CommandError>(listen)
        });
        Ok(Listening::new(&self.shared, begun.ok_or(BeginError::Ended)??))
    }

    /// Has `callback` called, on the client's thread, with what is nobody's answer: the Sidekick was reached or lost, a
    /// subscription was made (again) or has ended. Another call puts another callback in its place.
    ///
    /// Callbacks hold up the client, so they should not take long; calls that wait are refused there with `OwnThread`. A panic
    /// is caught and counted.
    pub fn on_event(&self, callback: impl FnMut(Event) + Send + 'static) {
        let callback = Arc::new(std::sync::Mutex::new(callback));
        // What it holds may be anything, so it goes when nothing is locked.
        drop(self.shared.with_core(|state, _| state.on_event(callback)));
    }

    /// Whether the Sidekick is reached.
    pub fn is_online(&self) -> bool {
        self.shared.lock().core.is_online()
    }

    /// Waits until the Sidekick is reached, but not for longer than `timeout`; whether it is. Nothing has to wait for that.
    pub fn wait_online(&self, timeout: Duration) -> bool {
        self.shared.wait_online(timeout)
    }

    /// Closes the connection to the Sidekick, and opens none before [`reconnect`](Self::reconnect). Does not wait.
    pub fn disconnect(&self) {
        self.shared.with_core(|state, now| state.core.disconnect(now));
    }

    /// Connects to the Sidekick again after [`disconnect`](Self::disconnect), or when the limit of tries was reached.
    pub fn reconnect(&self) {
        self.shared.with_core(|state, now| state.core.open(now));
    }

    /// Counters.
    pub fn stats(&self) -> Stats {
        let callback_panics = self.shared.callback_panics.load(Ordering::Relaxed);
        Stats { core: self.shared.lock().core.stats(), callback_panics }
    }
}

impl Shared {
    /// Whether a socket is needed to reach the Sidekick, to which the way is begun.
    fn prepare(self: &Arc<Self>) -> Result<bool, StartError> {
        let mut state = self.lock();
        let woken = Arc::downgrade(self);
        state.core.wake_by(Arc::new(move || {
            if let Some(shared) = woken.upgrade() {
                shared.wake();
            }
        }));
        state.core.open(Instant::ORIGIN);
        match state.core.peek_output() {
            Some(Output::Connect { tls: true, .. }) => Err(StartError::NoTls),
            Some(Output::Connect { .. }) => Ok(true),
            _ => Ok(false),
        }
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
        f.debug_struct("Client").field("online", &self.is_online()).finish_non_exhaustive()
    }
}

fn reply<P: Procedure>(returned: Returned) -> Result<Reply<P::Output>, ProcedureError> {
    let data = returned.output::<P>()?;
    Ok(Reply { data, resources: returned.resources })
}

/// The type of a channel, without a value of it.
type Of<C> = PhantomData<fn() -> C>;
