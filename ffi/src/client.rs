//! A client of a channels server, on an event loop of its own that the host pumps.

mod command;
mod config;
mod event;

use std::collections::BTreeMap;
use std::ffi::c_char;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chanson_core::Client;
use chanson_core::client::Event;
use chanson_core::time::Instant;
use chanson_mio::{AddError, ClientId, Clients};

pub use self::command::*;
pub use self::config::*;
pub use self::event::*;
use self::event::{Hearer, Told, aborted, channel_of, push_of};
use crate::callback::User;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::read_sized;
use crate::handle::{self, Opaque, enter, guard, put};
use crate::hub::millis_up;

/// A client of a channels server: one connection at a time, any number of channels on it. Its loop turns when
/// `chanson_client_poll` is called, on the thread that calls it; callbacks run inside, and may call the client but for polling
/// and freeing it. A connection that is lost or cannot be had is opened again by itself, as the config says, and channels join
/// again.
///
/// Names are looked up on threads that end with the lookup; a numeric address needs none. Without TLS in the library `wss://` is refused.
pub struct chanson_client {
    _opaque: [u8; 0],
}

impl Opaque for chanson_client {
    type Inner = Pump;
    const KIND: u64 = 0x0043_6863_6c69_656e;
}

/// What is behind a client.
pub(crate) struct Pump {
    clients: Clients,
    id: ClientId,
    on_event: Option<Hearer>,
    replies: Replies,
    /// The topics of channels, for as long as there are events of them.
    topics: BTreeMap<u64, Arc<str>>,
    /// Whether events are being told, outside of the claim on the handle; or the client is being freed.
    taken: Arc<AtomicBool>,
    /// What was lent to the host until its next call.
    lent: String,
}

/// The callbacks of pushes that have not had their end. Each is called once, at the latest when this is dropped.
#[derive(Default)]
struct Replies(BTreeMap<u64, Hearer>);

impl Drop for Replies {
    fn drop(&mut self) {
        for (push, (callback, user)) in std::mem::take(&mut self.0) {
            // SAFETY: the host gave this callback, which takes these arguments.
            unsafe { callback(std::ptr::null_mut(), &aborted(push), user.get()) }
        }
    }
}

/// Events that are to be told, and the sign that they are being told.
struct Telling {
    told: Vec<Told>,
    taken: Arc<AtomicBool>,
}

impl Drop for Telling {
    fn drop(&mut self) {
        self.taken.store(false, Ordering::Release);
    }
}

impl Pump {
    /// Has the client do something.
    fn act<T>(&mut self, act: impl FnOnce(&mut Client, Instant) -> T) -> Result<T, Refusal> {
        Ok(self.clients.act(self.id, act)?)
    }

    /// The client, to ask.
    fn client(&self) -> Result<&Client, Refusal> {
        Ok(self.clients.client(self.id).ok_or(CHANSON_ERR_UNKNOWN_CONN)?)
    }

    fn turn(&mut self, timeout_ms: i32) -> Result<Telling, Refusal> {
        if self.taken.load(Ordering::Acquire) {
            return Err(CHANSON_ERR_BUSY.into());
        }
        let wait = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
        self.clients.poll(wait).map_err(|error| Refusal::new(CHANSON_ERR_IO, error))?;
        let now = self.clients.now();
        let mut told = Vec::new();
        while let Some((_, event)) = self.clients.poll_event() {
            told.push(self.look_up(event, now));
        }
        self.taken.store(true, Ordering::Release);
        Ok(Telling { told, taken: Arc::clone(&self.taken) })
    }

    /// Who is to be told, and what else.
    fn look_up(&mut self, event: Event, now: Instant) -> Told {
        let channel = channel_of(&event).map(|channel| channel.to_bits());
        let topic = match (&event, channel) {
            (Event::Closed { .. }, Some(channel)) => self.topics.remove(&channel),
            (_, Some(channel)) => self.topics.get(&channel).cloned(),
            _ => None,
        };
        let error = match event {
            Event::ConnectFailed { .. } => self.clients.transport_error(self.id).map(ToString::to_string),
            _ => None,
        };
        let reply = push_of(&event).and_then(|push| self.replies.0.remove(&push));
        Told { event, topic, hearer: reply.or(self.on_event), error, now }
    }
}

/// A client, which begins to connect; free it with `chanson_client_free`. It may join and push at once: that waits for the
/// connection. `*client` is NULL when it is refused, with no details kept.
///
/// `CHANSON_ERR_ARGUMENT` for an address that is none, a bad header, a `vsn` that does not exist; `…_NOT_ALLOWED` for `wss://` without TLS in
/// the library;
/// `…_IO` when the operating system has no room.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_new(
    config: *const chanson_client_config,
    client: *mut *mut chanson_client,
) -> chanson_code {
    guard(|| {
        // SAFETY: as the caller promises.
        unsafe {
            put(client, std::ptr::null_mut())?;
            let given = read_sized(config, chanson_client_config_default())?;
            let config = given.config()?;
            let io = |error| Refusal::new(CHANSON_ERR_IO, error);
            let mut clients = Clients::new().map_err(io)?;
            let id = clients.add(config).map_err(|error| match error {
                AddError::WithoutTls => Refusal::new(CHANSON_ERR_NOT_ALLOWED, error),
                _ => Refusal::new(CHANSON_ERR_IO, error),
            })?;
            let pump = Pump {
                clients,
                id,
                on_event: given.on_event.map(|on_event| (on_event, User(given.user))),
                replies: Replies::default(),
                topics: BTreeMap::new(),
                taken: Arc::new(AtomicBool::new(false)),
                lent: String::new(),
            };
            put(client, handle::make(pump))
        }
    })
}

/// Frees a client: its connection is cut. To part in good order call `chanson_client_disconnect` and poll until
/// `chanson_client_is_settled`. Callbacks of pushes that have not had their end are called with `ABORTED`, with NULL as the
/// client. NULL is nothing. `CHANSON_ERR_BUSY` from inside a callback of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_free(client: *mut chanson_client) -> chanson_code {
    if client.is_null() {
        return CHANSON_OK;
    }
    let mut taken = None;
    // SAFETY: as the caller promises.
    let code = unsafe {
        enter(client, |pump| {
            if pump.taken.swap(true, Ordering::AcqRel) {
                return Err(CHANSON_ERR_BUSY.into());
            }
            taken = Some(Arc::clone(&pump.taken));
            Ok(())
        })
    };
    // One that has failed can still be freed.
    if code != CHANSON_OK && code != CHANSON_ERR_PANIC {
        return code;
    }
    // SAFETY: as the caller promises.
    let code = unsafe { handle::free(client) };
    if let (CHANSON_ERR_BUSY, Some(taken)) = (code, taken) {
        taken.store(false, Ordering::Release);
    }
    code
}

/// What was refused last and why, NUL-terminated, good until the next call on the client.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_error(client: *const chanson_client) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { handle::detail(client, &[chanson_client::KIND]) }
}

/// One turn: waits until something happens, but not longer than `timeout_ms` (0: not at all, negative: for as long as it
/// takes), does what there is to do, tells the callbacks what happened, and returns. `CHANSON_ERR_IO` when the operating system
/// refuses to wait; nothing that a server does is an error here. `CHANSON_ERR_BUSY` from inside a callback of its own.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_poll(client: *mut chanson_client, timeout_ms: i32) -> chanson_code {
    let mut telling = None;
    // SAFETY: as the caller promises.
    let code = unsafe {
        enter(client, |pump| {
            telling = Some(pump.turn(timeout_ms)?);
            Ok(())
        })
    };
    let Some(telling) = telling else { return code };
    // The handle is free again: callbacks may call the client. `taken` keeps it from being freed meanwhile.
    guard(|| {
        for told in &telling.told {
            // SAFETY: the host gave these callbacks, which take these arguments.
            unsafe { told.tell(client) };
        }
        Ok(())
    })
}

/// In how many milliseconds the next turn is due at the latest, even if nothing happens; `CHANSON_EMPTY`: never. For hosts that
/// wait for themselves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_poll_timeout(client: *mut chanson_client, in_ms: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            let due = pump.clients.poll_timeout().ok_or(CHANSON_EMPTY)?;
            put(in_ms, millis_up(due).saturating_sub(pump.clients.now().as_millis()))
        })
    }
}

/// A file descriptor that becomes readable when a turn is due because something happened: wait for it in a loop of your own,
/// together with `chanson_client_poll_timeout`, then poll with a timeout of 0. -1 where there is none: on Windows, and for a
/// client that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_fd(client: *const chanson_client) -> i32 {
    let mut fd = -1;
    // SAFETY: as the caller promises.
    unsafe {
        enter(client, |pump| {
            fd = fd_of(&pump.clients);
            Ok(())
        });
    }
    fd
}

#[cfg(unix)]
fn fd_of(clients: &Clients) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(clients)
}

#[cfg(not(unix))]
const fn fd_of(_: &Clients) -> i32 {
    -1
}
