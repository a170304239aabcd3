//! What the application's threads and the client's own have in common.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::time;

use chanson_core::covenant::client::{
    CallId, Client, CommandError, Event, ListenId, ProcedureError, Returned, SendError, SendId, Token,
};
use chanson_core::covenant::protocol::ChannelError;
use chanson_core::time::Instant;
use chanson_core::wire::ion::RawBuf;
use crossbeam_channel::Sender;

use crate::client::bell::Bell;
use crate::client::dial::Input;

pub(super) struct Shared {
    state: Mutex<State>,
    /// The Sidekick was reached or lost, or the client has ended.
    changed: Condvar,
    inputs: Sender<Input>,
    /// Wakes the client's thread.
    bell: Bell,
    start: time::Instant,
    /// The client's own.
    pub(super) thread: OnceLock<ThreadId>,
    pub(super) callback_panics: AtomicU64,
}

pub(super) struct State {
    pub(super) core: Client,
    connects: BTreeMap<CallId, Sender<Result<Token, ChannelError<'static>>>>,
    calls: BTreeMap<CallId, Sender<Result<Returned, ProcedureError>>>,
    sends: BTreeMap<SendId, Sender<Result<(), SendError>>>,
    rooms: BTreeMap<Token, OnMessage>,
    listeners: BTreeMap<ListenId, OnFetched>,
    on_event: Option<OnEvent>,
    /// Whether nothing is to be begun any more.
    pub(super) ending: bool,
}

/// A callback; shared, so that it can be called when nothing else is locked.
pub(super) type OnMessage = Arc<Mutex<dyn FnMut(RawBuf) + Send>>;
pub(super) type OnFetched = Arc<Mutex<dyn FnMut(Result<Returned, ProcedureError>) + Send>>;
pub(super) type OnEvent = Arc<Mutex<dyn FnMut(Event) + Send>>;

/// What the client's thread is to tell when it holds no lock.
pub(super) enum Told {
    Message(OnMessage, RawBuf),
    Fetched(OnFetched, Result<Returned, ProcedureError>),
    Event(OnEvent, Event),
}

impl Shared {
    pub(super) fn new(core: Client, inputs: Sender<Input>) -> Self {
        let state = State {
            core,
            connects: BTreeMap::new(),
            calls: BTreeMap::new(),
            sends: BTreeMap::new(),
            rooms: BTreeMap::new(),
            listeners: BTreeMap::new(),
            on_event: None,
            ending: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            inputs,
            bell: Bell::new(),
            start: time::Instant::now(),
            thread: OnceLock::new(),
            callback_panics: AtomicU64::new(0),
        }
    }

    /// Nothing here panics while it is locked but a server in this program, which has caught it: what a poisoned lock holds
    /// is good.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub(super) fn now(&self) -> Instant {
        Instant::from_nanos(u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX))
    }

    /// Has the client's thread look for what there is to do.
    pub(super) fn wake(&self) {
        self.bell.ring(|| drop(self.inputs.try_send(Input::Wake)));
    }

    /// The client's thread has taken its inputs, and looks: see [`Bell::rise`].
    pub(super) fn rise(&self) {
        self.bell.rise();
    }

    pub(super) fn is_own_thread(&self) -> bool {
        self.thread.get() == Some(&std::thread::current().id())
    }

    /// Asks something of the core; `None` when the client has ended.
    pub(super) fn with_core<T>(&self, ask: impl FnOnce(&mut State, Instant) -> T) -> Option<T> {
        let mut state = self.lock();
        if state.ending {
            return None;
        }
        let answer = ask(&mut state, self.now());
        drop(state);
        self.wake();
        Some(answer)
    }

    /// Waits until the Sidekick is reached, for so long; whether it is.
    pub(super) fn wait_online(&self, timeout: time::Duration) -> bool {
        let until = time::Instant::now().checked_add(timeout);
        let mut state = self.lock();
        while !state.core.is_online() {
            let left = until.map(|until| until.saturating_duration_since(time::Instant::now()));
            if state.ending || self.is_own_thread() || left.is_some_and(|left| left.is_zero()) {
                return false;
            }
            // Without a `left` the clock cannot say when it is over.
            let left = left.unwrap_or(time::Duration::MAX);
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(super) fn changed(&self) {
        self.changed.notify_all();
    }

    /// On the client's thread: tells what has happened.
    pub(super) fn tell(&self, told: Vec<Told>) {
        for told in told {
            let told = || match told {
                Told::Message(callback, data) => lock(&callback)(data),
                Told::Fetched(callback, result) => lock(&callback)(result),
                Told::Event(callback, event) => lock(&callback)(event),
            };
            if catch_unwind(AssertUnwindSafe(told)).is_err() {
                self.callback_panics.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Takes leave: no more is begun, and the Sidekick is told.
    pub(super) fn begin_to_end(&self) {
        let mut state = self.lock();
        state.ending = true;
        let now = self.now();
        state.core.disconnect(now);
        drop(state);
        self.wake();
    }

    /// It has ended: whoever waits learns it.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        state.ending = true;
        // Callbacks may hold anything, so they go when nothing is locked.
        let (connects, calls, sends) =
            (std::mem::take(&mut state.connects), std::mem::take(&mut state.calls), std::mem::take(&mut state.sends));
        let (rooms, listeners) = (std::mem::take(&mut state.rooms), std::mem::take(&mut state.listeners));
        let on_event = state.on_event.take();
        drop(state);
        drop((connects, calls, sends, rooms, listeners, on_event));
        self.changed();
    }
}

impl State {
    pub(super) fn await_token(&mut self, call: CallId, waiter: Sender<Result<Token, ChannelError<'static>>>) {
        self.connects.insert(call, waiter);
    }

    pub(super) fn await_return(&mut self, call: CallId, waiter: Sender<Result<Returned, ProcedureError>>) {
        self.calls.insert(call, waiter);
    }

    pub(super) fn await_sent(&mut self, send: SendId, waiter: Sender<Result<(), SendError>>) {
        self.sends.insert(send, waiter);
    }

    pub(super) fn subscribe(&mut self, now: Instant, token: Token, callback: OnMessage) -> Result<(), CommandError> {
        self.core.subscribe(now, token)?;
        self.rooms.insert(token, callback);
        Ok(())
    }

    /// Gives the callback, which is to be dropped when nothing is locked.
    pub(super) fn unsubscribe(&mut self, now: Instant, token: Token) -> (Option<OnMessage>, Result<(), CommandError>) {
        (self.rooms.remove(&token), self.core.unsubscribe(now, token))
    }

    pub(super) fn listen(&mut self, listen: ListenId, callback: OnFetched) {
        self.listeners.insert(listen, callback);
    }

    /// Gives the callback, which is to be dropped when nothing is locked.
    pub(super) fn unlisten(&mut self, now: Instant, listen: ListenId) -> Option<OnFetched> {
        // It may have ended.
        let _ = self.core.unlisten(now, listen);
        self.listeners.remove(&listen)
    }

    pub(super) fn on_event(&mut self, callback: OnEvent) -> Option<OnEvent> {
        self.on_event.replace(callback)
    }

    /// What has happened: for whoever waits at once, for callbacks later. Whether the Sidekick was reached or lost.
    pub(super) fn drain(&mut self, told: &mut Vec<Told>) -> bool {
        let mut changed = false;
        while let Some(event) = self.core.poll_event() {
            // Whoever does not wait any more need not know.
            match event {
                Event::Connected { call, token } => drop(self.connects.remove(&call).map(|to| to.send(Ok(token)))),
                Event::Refused { call, error } => drop(self.connects.remove(&call).map(|to| to.send(Err(error)))),
                Event::Returned { call, result } => drop(self.calls.remove(&call).map(|to| to.send(result))),
                Event::Sent { send } => drop(self.sends.remove(&send).map(|to| to.send(Ok(())))),
                Event::SendFailed { send, error } => drop(self.sends.remove(&send).map(|to| to.send(Err(error)))),
                Event::Message { token, data } => {
                    told.extend(self.rooms.get(&token).map(|callback| Told::Message(Arc::clone(callback), data)));
                }
                Event::Fetched { listen, result } => {
                    let callback = self.listeners.get(&listen);
                    told.extend(callback.map(|callback| Told::Fetched(Arc::clone(callback), result)));
                }
                event => {
                    changed |= matches!(event, Event::Online | Event::Offline { .. });
                    told.extend(self.on_event.as_ref().map(|callback| Told::Event(Arc::clone(callback), event)));
                }
            }
        }
        changed
    }
}

/// A callback that has panicked may be called again.
fn lock<T: ?Sized>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
