//! The endpoint, at byte level: the host has sockets and a loop of its own.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use chanson_core::endpoint::{Config, SlowConsumer};
use chanson_core::session;
use chanson_core::{ConnId, Endpoint};

use crate::app::{App, Core, Level};
use crate::builder::chanson_builder;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::{init_sized, read_sized};
use crate::handle::{self, Opaque, enter, guard, put};
use crate::hub::{chanson_hub, millis_up, read_peer};
use crate::session::chanson_session;
use crate::tls::{chanson_acceptor, secure};

/// A hub and the sessions of its connections: bytes in, bytes out. One thread at a time may be in it; a second one, and a
/// callback of its own, is answered `CHANSON_ERR_BUSY`.
pub struct chanson_endpoint {
    _opaque: [u8; 0],
}

impl Opaque for chanson_endpoint {
    type Inner = Core;
    const KIND: u64 = 0x0043_6865_6e64_706f;
}

/// Time limits and bounds of connections at byte level. Begin with `chanson_endpoint_config_default`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_endpoint_config {
    /// `sizeof(chanson_endpoint_config)`; set by `chanson_endpoint_config_default`.
    pub size: usize,
    /// How long a request may take to come, however steadily it drips, in milliseconds. 5 s.
    pub handshake_timeout_ms: u64,
    /// How long a connection without WebSocket may be idle between two requests, in milliseconds. 15 s.
    pub keep_alive_timeout_ms: u64,
    /// How long the peer's end is waited for, in milliseconds. 2 s.
    pub close_timeout_ms: u64,
    /// Bytes that the head of a request may have. 8 KiB.
    pub max_head: usize,
    /// Headers that a request may have. 64.
    pub max_headers: usize,
    /// Bytes that the body of a request may have. 64 KiB.
    pub max_body: usize,
    /// What happens to a peer that does not read, once `queued_bytes_per_connection` wait for it: it is closed (1013); or, if
    /// this is set, messages are dropped until it has read.
    pub drop_newest: bool,
    /// TLS on all connections, by an acceptor that has an identity. NULL: none.
    pub acceptor: *mut chanson_acceptor,
}

/// What `chanson_endpoint_config_default` calls, as `chanson_config_init` is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_config_init(
    config: *mut chanson_endpoint_config,
    size: usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_endpoint_config_default()) })
}

/// What `chanson_endpoint_config_init` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_endpoint_config_default() -> chanson_endpoint_config {
    let session = session::Config::default();
    let millis = |limit: Duration| u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
    chanson_endpoint_config {
        size: size_of::<chanson_endpoint_config>(),
        handshake_timeout_ms: millis(session.handshake_timeout),
        keep_alive_timeout_ms: millis(session.keep_alive_timeout),
        close_timeout_ms: millis(session.close_timeout),
        max_head: session.max_head,
        max_headers: session.max_headers,
        max_body: session.max_body,
        drop_newest: false,
        acceptor: std::ptr::null_mut(),
    }
}

impl chanson_endpoint_config {
    /// # Safety
    /// `acceptor` is NULL or an acceptor.
    pub(crate) unsafe fn config(&self) -> Result<Config, Refusal> {
        let session = session::Config::default()
            .with_handshake_timeout(Duration::from_millis(self.handshake_timeout_ms))
            .with_keep_alive_timeout(Duration::from_millis(self.keep_alive_timeout_ms))
            .with_close_timeout(Duration::from_millis(self.close_timeout_ms))
            .with_max_head(self.max_head)
            .with_max_headers(self.max_headers)
            .with_max_body(self.max_body);
        let policy = if self.drop_newest { SlowConsumer::DropNewest } else { SlowConsumer::Close };
        let config = Config::default().with_session(session).with_slow_consumer(policy);
        // SAFETY: as the caller promises.
        unsafe { secure(config, self.acceptor) }
    }
}

/// What the host keeps with its connections, by their index.
#[derive(Default)]
pub(crate) struct Users(Vec<*mut c_void>);

impl Users {
    pub(crate) fn set(&mut self, conn: ConnId, user: *mut c_void) {
        let index = conn.index();
        if index >= self.0.len() {
            self.0.resize(index + 1, std::ptr::null_mut());
        }
        self.0[index] = user;
    }

    pub(crate) fn get(&self, conn: ConnId) -> *mut c_void {
        self.0.get(conn.index()).copied().unwrap_or(std::ptr::null_mut())
    }
}

/// An endpoint from a builder, which stays as it is; free it with `chanson_endpoint_free`. `config` may be NULL for the
/// defaults. `CHANSON_ERR_BUILD` when the mounts and channels make no hub: `chanson_builder_error` says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_new(
    builder: *mut chanson_builder,
    config: *const chanson_endpoint_config,
    endpoint: *mut *mut chanson_endpoint,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            put(endpoint, std::ptr::null_mut())?;
            let mut given = chanson_endpoint_config_default();
            if !config.is_null() {
                given = read_sized(config, given)?;
            }
            let made = Endpoint::with_config(plan.hub()?, given.config()?);
            put(endpoint, handle::make(Core::new(Level::Endpoint(Box::new(made), Users::default()))))
        })
    }
}

/// Frees an endpoint and all that it has, at once: nobody is told, and no callback runs but those that drop state. Its sessions
/// and its hub are gone. NULL is nothing. `CHANSON_ERR_BUSY` from inside a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_free(endpoint: *mut chanson_endpoint) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(endpoint) }
}

/// What was refused last and why, NUL-terminated, good until the next call on the endpoint.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_error(endpoint: *const chanson_endpoint) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { handle::detail(endpoint, &[chanson_endpoint::KIND]) }
}

/// The endpoint's hub, for commands: lent for as long as the endpoint lives, not to be freed. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_endpoint_hub(endpoint: *mut chanson_endpoint) -> *mut chanson_hub {
    // What is behind both is the same; the head says which it is.
    endpoint.cast()
}

/// # Safety
/// As `enter`.
pub(crate) unsafe fn with(
    endpoint: *mut chanson_endpoint,
    act: impl FnOnce(&mut Endpoint<App>, &mut App, &mut Users) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(endpoint, |core| match &mut core.level {
            Level::Endpoint(endpoint, users) => act(endpoint, &mut core.app, users),
            _ => Err(CHANSON_ERR_HANDLE.into()),
        })
    }
}

/// A transport came up: `*session` is its connection. `peer` is its address and port (`192.0.2.1:5000`,
/// `[2001:db8::1]:5000`), NUL-terminated, or NULL. `user` comes back by `chanson_session_user`.
///
/// `CHANSON_ERR_FULL` when there are too many: send `chanson_busy_response` and close.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_connect(
    endpoint: *mut chanson_endpoint,
    now_ms: u64,
    peer: *const c_char,
    user: *mut c_void,
    session: *mut chanson_session,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(endpoint, |core| {
            let now = core.tick(now_ms);
            let Level::Endpoint(inner, users) = &mut core.level else { return Err(CHANSON_ERR_HANDLE.into()) };
            if session.is_null() {
                return Err(CHANSON_ERR_NULL.into());
            }
            let conn = inner.handle_connect(now, read_peer(peer)?)?;
            users.set(conn, user);
            put(session, chanson_session { endpoint, conn: conn.to_bits() })
        })
    }
}

/// Time passed. Call it at `chanson_endpoint_poll_timeout` at the latest; too early does no harm.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_timeout(endpoint: *mut chanson_endpoint, now_ms: u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(endpoint, |core| {
            let now = core.tick(now_ms);
            let Level::Endpoint(endpoint, _) = &mut core.level else { return Err(CHANSON_ERR_HANDLE.into()) };
            endpoint.handle_timeout(now, &mut core.app);
            Ok(())
        })
    }
}

/// When to call `chanson_endpoint_timeout` at the latest, in the milliseconds that the host counts; `CHANSON_EMPTY` when
/// nothing is waiting.
///
/// At once also when more is to be said to a connection than is queued for it at a time: send what is pending before.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_poll_timeout(
    endpoint: *mut chanson_endpoint,
    at_ms: *mut u64,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { with(endpoint, |endpoint, _, _| put(at_ms, millis_up(endpoint.poll_timeout().ok_or(CHANSON_EMPTY)?))) }
}

/// The next connection that has something to send, or is to be shut down: each once a turn. `CHANSON_EMPTY` when that is all.
/// Send what is pending, then look at `chanson_session_is_finished`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_endpoint_poll_writable(
    endpoint: *mut chanson_endpoint,
    session: *mut chanson_session,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        with(endpoint, |inner, _, _| {
            if session.is_null() {
                return Err(CHANSON_ERR_NULL.into());
            }
            let conn = inner.poll_writable().ok_or(CHANSON_EMPTY)?;
            put(session, chanson_session { endpoint, conn: conn.to_bits() })
        })
    }
}
