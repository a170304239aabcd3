//! What the application's threads and the client's own have in common.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;
use std::{io, time};

use chanson_core::client::{self, ChannelId, ConnectError, Event, PushId};
use chanson_core::time::Instant;
use chanson_core::{PayloadBuf, ToPayload};
use crossbeam_channel::Sender;

use super::bell::Bell;
use super::dial::Input;
use super::tell::{Callback, Teller};
use super::{JoinError, NotConnected, PushError, Reply};

pub(super) struct Shared {
    state: Mutex<State>,
    /// The connection has come or gone, or the client has ended.
    changed: Condvar,
    pub(super) teller: Teller,
    inputs: Sender<Input>,
    /// How long an answer is waited for, unless told otherwise.
    pub(super) timeout: time::Duration,
    /// Wakes the client's thread.
    bell: Bell,
    start: time::Instant,
    /// The client's own.
    pub(super) thread: OnceLock<ThreadId>,
}

pub(super) struct State {
    pub(super) core: client::Client,
    pushes: BTreeMap<PushId, Then>,
    joins: BTreeMap<ChannelId, Sender<Result<PayloadBuf, JoinError>>>,
    /// How the last try to connect ended, if it did not go well.
    failure: Option<ConnectError>,
    /// What the operating system said to that.
    pub(super) system: Option<Arc<io::Error>>,
    /// Whether there is a connection or will be another try.
    wanted: bool,
    /// Whether nothing is to be begun any more.
    pub(super) ending: bool,
}

/// What is to be done with the end of a push.
pub(super) type Then = Box<dyn FnOnce(Result<Reply, PushError>) + Send>;

/// What the client's thread is to tell when it holds no lock.
pub(super) enum Told {
    Event(Event),
    Push(Then, Result<Reply, PushError>),
    Join(Sender<Result<PayloadBuf, JoinError>>, Result<PayloadBuf, JoinError>),
}

impl Shared {
    pub(super) fn new(core: client::Client, inputs: Sender<Input>, timeout: time::Duration) -> Self {
        let state = State {
            core,
            pushes: BTreeMap::new(),
            joins: BTreeMap::new(),
            failure: None,
            system: None,
            wanted: true,
            ending: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            teller: Teller::new(),
            inputs,
            timeout,
            bell: Bell::new(),
            start: time::Instant::now(),
            thread: OnceLock::new(),
        }
    }

    /// Nothing here panics while it is locked, so what a poisoned lock holds is good.
    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Asks something of the core, unless the client has ended.
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

    /// Pushes, and has the end told to `then`. `ToPayload` is somebody else's code, so nothing is locked meanwhile.
    pub(super) fn push(
        &self,
        channel: ChannelId,
        event: &str,
        payload: impl ToPayload,
        timeout: time::Duration,
        then: Then,
    ) -> Result<(), PushError> {
        let mut scratch = Vec::new();
        let payload = payload.to_payload(&mut scratch)?;
        let pushed = self.with_core(|state, now| {
            let push = state.core.push_with_timeout(now, channel, event, payload, timeout)?;
            state.pushes.insert(push, then);
            Ok(())
        });
        pushed.unwrap_or(Err(PushError::Ended))
    }

    /// The same when nobody cares.
    pub(super) fn send(&self, channel: ChannelId, event: &str, payload: impl ToPayload) -> Result<(), PushError> {
        let mut scratch = Vec::new();
        let payload = payload.to_payload(&mut scratch)?;
        let pushed = self.with_core(|state, now| {
            // What goes out at once need not be remembered until an answer comes, or none does.
            let timeout = if state.core.is_joined(channel) { time::Duration::ZERO } else { self.timeout };
            state.core.push_with_timeout(now, channel, event, payload, timeout)?;
            Ok(())
        });
        pushed.unwrap_or(Err(PushError::Ended))
    }

    // --- connected or not ---

    /// Waits until there is a connection, for so long.
    pub(super) fn wait_connected(&self, timeout: time::Duration) -> Result<(), NotConnected> {
        let until = time::Instant::now().checked_add(timeout);
        let mut state = self.lock();
        while !state.core.is_connected() {
            let left = until.map(|until| until.saturating_duration_since(time::Instant::now()));
            if !state.wanted || state.ending || self.is_own_thread() || left.is_some_and(|left| left.is_zero()) {
                return Err(state.not_connected());
            }
            // Without a `left` the clock cannot say when it is over.
            let left = left.unwrap_or(time::Duration::MAX);
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        Ok(())
    }

    pub(super) fn connection_changed(&self) {
        self.changed.notify_all();
    }

    // --- telling ---

    pub(super) fn set_callback(&self, callback: Option<Callback>) {
        self.teller.set(callback);
        self.wake();
    }

    /// On the client's thread: tells what has happened.
    pub(super) fn tell(&self, told: Vec<Told>) {
        self.teller.run();
        for told in told {
            match told {
                Told::Event(event) => self.teller.tell(event),
                Told::Push(then, result) => self.teller.guard(|| then(result)),
                // Whoever does not wait any more need not know.
                Told::Join(waiter, result) => drop(waiter.send(result)),
            }
        }
    }

    /// On any thread: joins that failed before the core was asked.
    pub(super) fn tell_joins(told: Vec<Told>) {
        for told in told {
            if let Told::Join(waiter, result) = told {
                drop(waiter.send(result));
            }
        }
    }

    /// The client is no longer wanted: nothing more is begun, and its thread ends when the server has been told.
    pub(super) fn begin_to_end(&self) {
        self.with_core(|state, now| {
            state.core.disconnect(now);
            state.ending = true;
        });
        self.connection_changed();
    }

    /// On the client's thread, at its end: nobody waits any more.
    pub(super) fn end(&self) {
        let mut state = self.lock();
        (state.ending, state.wanted) = (true, false);
        let mut told = Vec::new();
        state.drain(&mut told);
        let pushes = std::mem::take(&mut state.pushes).into_values();
        told.extend(pushes.map(|then| Told::Push(then, Err(PushError::Ended))));
        let joins = std::mem::take(&mut state.joins).into_values();
        told.extend(joins.map(|waiter| Told::Join(waiter, Err(JoinError::Ended))));
        drop(state);
        self.connection_changed();
        self.tell(told);
        // What it holds may hold the client.
        self.set_callback(None);
        self.teller.queue.close();
    }
}

impl State {
    /// Why there is no connection.
    pub(super) fn not_connected(&self) -> NotConnected {
        NotConnected { error: self.failure.clone(), system: self.system.clone(), retrying: self.wanted && !self.ending }
    }

    pub(super) const fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// There will be no connection by itself, or there will.
    pub(super) fn want(&mut self, wanted: bool) -> Vec<Told> {
        self.wanted = wanted;
        if wanted {
            return Vec::new();
        }
        let error = self.not_connected();
        let joins = std::mem::take(&mut self.joins).into_values();
        joins.map(|waiter| Told::Join(waiter, Err(JoinError::NotConnected(error.clone())))).collect()
    }

    /// The end of a join is to be told.
    pub(super) fn await_join(&mut self, channel: ChannelId, waiter: Sender<Result<PayloadBuf, JoinError>>) {
        self.joins.insert(channel, waiter);
    }

    /// Nobody waits for it any more.
    pub(super) fn forget_join(&mut self, channel: ChannelId) {
        self.joins.remove(&channel);
    }

    /// Takes what has happened from the core, with those whom it concerns. Whether the connection has come or gone.
    pub(super) fn drain(&mut self, told: &mut Vec<Told>) -> bool {
        let mut changed = false;
        while let Some(event) = self.core.poll_event() {
            let (push, end) = match event {
                Event::Reply { push, status, response, .. } => (push, Ok(Reply { status, response })),
                Event::Timeout { push, .. } => (push, Err(PushError::Timeout)),
                Event::Aborted { push, .. } => (push, Err(PushError::Closed)),
                event => {
                    changed |= self.note(event, told);
                    continue;
                }
            };
            told.extend(self.pushes.remove(&push).map(|then| Told::Push(then, end)));
        }
        changed
    }

    /// An event that is for everyone: whether the connection has come or gone.
    fn note(&mut self, event: Event, told: &mut Vec<Told>) -> bool {
        let (mut changed, mut joined) = (false, None);
        match &event {
            Event::Connected => {
                (self.failure, self.system, self.wanted, changed) = (None, None, true, true);
            }
            Event::ConnectFailed { error, retry_at } => {
                self.failure = Some(error.clone());
                (self.wanted, changed) = (retry_at.is_some(), true);
            }
            Event::Disconnected { retry_at, .. } => (self.wanted, changed) = (retry_at.is_some(), true),
            Event::Joined { channel, response } => joined = Some((*channel, Ok(response.clone()))),
            Event::JoinFailed { channel, error: client::JoinError::Refused(answer) } => {
                joined = Some((*channel, Err(JoinError::Refused(answer.clone()))));
            }
            Event::JoinFailed { channel, .. } => joined = Some((*channel, Err(self.not_answered()))),
            Event::Closed { channel, by } => joined = Some((*channel, Err(JoinError::Closed(by.clone())))),
            _ => {}
        }
        told.push(Told::Event(event));
        if let Some((channel, result)) = joined
            && let Some(waiter) = self.joins.remove(&channel)
        {
            told.push(Told::Join(waiter, result));
        }
        if changed && !self.wanted {
            told.extend(self.want(false));
        }
        changed
    }

    /// A join that was not answered may have had no connection to be answered on.
    pub(super) fn not_answered(&self) -> JoinError {
        if self.core.is_connected() { JoinError::Timeout } else { JoinError::NotConnected(self.not_connected()) }
    }
}
