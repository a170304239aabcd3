//! The event-loop server, pumped by the host.

use std::ffi::c_char;
use std::net::ToSocketAddrs as _;
use std::time::Duration;

use chanson_mio::{Config, Server};

use crate::app::{App, Core, Level};
use crate::builder::chanson_builder;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::{init_sized, read_sized};
use crate::endpoint::{chanson_endpoint_config, chanson_endpoint_config_default};
use crate::handle::{self, Opaque, enter, guard, put};
use crate::hub::{chanson_hub, millis_up};
use crate::text::{c_text, chanson_str};

/// A server with sockets and an event loop in it, which turns when `chanson_server_poll` is called, on the thread that calls
/// it; callbacks run inside. One thread at a time may be in it; for others there is `chanson_remote`.
pub struct chanson_server {
    _opaque: [u8; 0],
}

impl Opaque for chanson_server {
    type Inner = Core;
    const KIND: u64 = 0x0043_6873_6572_7665;
}

/// How a server treats its sockets. Begin with `chanson_server_config_default`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_server_config {
    /// `sizeof(chanson_server_config)`; set by `chanson_server_config_default`.
    pub size: usize,
    /// Time limits at byte level, and what happens to peers that do not read; copied. NULL: the defaults.
    pub endpoint: *const chanson_endpoint_config,
    /// How long a shutdown waits for peers to take what they are owed and to say goodbye, in milliseconds. 5 s.
    pub drain_ms: u64,
    /// Connections that the operating system keeps until they are accepted. 1024.
    pub backlog: u32,
    /// Connections accepted in one turn. 128.
    pub accepts_per_turn: u32,
    /// Bytes read from one connection before the others have their turn. 80 KiB.
    pub read_per_turn: usize,
    /// Commands of remotes carried out in one turn. 256.
    pub commands_per_turn: usize,
    /// Threads, from 1 to 1024: that which polls has the hub and runs all callbacks, the others, which the server starts, have the
    /// sockets. 1: one does all.
    pub threads: usize,
    /// For how long the operating system tries to bring bytes to a peer that does not acknowledge them, or has no room for them,
    /// before it ends the connection (`TCP_USER_TIMEOUT`; Linux only), in milliseconds; 0: as long as the system likes, a quarter
    /// of an hour and more. 60 s.
    pub tcp_user_timeout_ms: u64,
    /// After how much silence of a peer the operating system asks whether it is still there (TCP keep-alive), in milliseconds,
    /// rounded up to seconds; 0: never. Of use where connections have no idle timeout. 0.
    pub tcp_keepalive_ms: u64,
}

/// What `chanson_server_config_default` calls, as `chanson_config_init` is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_config_init(config: *mut chanson_server_config, size: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_server_config_default()) })
}

/// What `chanson_server_config_init` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_server_config_default() -> chanson_server_config {
    let config = Config::default();
    chanson_server_config {
        size: size_of::<chanson_server_config>(),
        endpoint: std::ptr::null(),
        drain_ms: millis(config.drain),
        backlog: config.backlog,
        accepts_per_turn: u32::try_from(config.accepts_per_turn).unwrap_or(u32::MAX),
        read_per_turn: config.read_per_turn,
        commands_per_turn: config.commands_per_turn,
        threads: config.threads,
        tcp_user_timeout_ms: config.tcp_user_timeout.map_or(0, millis),
        tcp_keepalive_ms: config.tcp_keepalive.map_or(0, millis),
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// A server that listens on `address` (`127.0.0.1:4000`, port 0: any), NUL-terminated, made from a builder, which stays as it
/// is; free it with `chanson_server_free`. `config` may be NULL for the defaults.
///
/// `CHANSON_ERR_IO` when the address cannot be had, `…_BUILD` when the mounts and channels make no hub; `chanson_builder_error`
/// says why.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_bind(
    builder: *mut chanson_builder,
    address: *const c_char,
    config: *const chanson_server_config,
    server: *mut *mut chanson_server,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(builder, |plan| {
            put(server, std::ptr::null_mut())?;
            let mut given = chanson_server_config_default();
            if !config.is_null() {
                given = read_sized(config, given)?;
            }
            let mut endpoint = chanson_endpoint_config_default();
            if !given.endpoint.is_null() {
                endpoint = read_sized(given.endpoint, endpoint)?;
            }
            if !(1..=MAX_THREADS).contains(&given.threads) {
                return Err(Refusal::new(CHANSON_ERR_ARGUMENT, format!("threads: from 1 to {MAX_THREADS}")));
            }
            let (user_timeout, keepalive) = (given.tcp_user_timeout_ms, given.tcp_keepalive_ms);
            let config = Config::default()
                .with_endpoint(endpoint.config()?)
                .with_drain(Duration::from_millis(given.drain_ms))
                .with_backlog(given.backlog)
                .with_accepts_per_turn(given.accepts_per_turn as usize)
                .with_read_per_turn(given.read_per_turn)
                .with_commands_per_turn(given.commands_per_turn)
                .with_threads(given.threads)
                .with_tcp_user_timeout((user_timeout > 0).then(|| Duration::from_millis(user_timeout)))
                .with_tcp_keepalive((keepalive > 0).then(|| Duration::from_secs(keepalive.div_ceil(1000))));
            let address = c_text(address)?;
            let addresses = address
                .to_socket_addrs()
                .map_err(|error| Refusal::new(CHANSON_ERR_IO, format!("cannot listen on {address}: {error}")))?;
            let bound = Server::bind_with(addresses.as_slice(), plan.hub()?, config);
            let bound = bound.map_err(|error| Refusal::new(CHANSON_ERR_IO, error))?;
            put(server, handle::make(Core::new(Level::Server(Box::new(bound)))))
        })
    }
}

/// Frees a server: its sockets are closed at once. To part in good order call `chanson_server_shutdown` and poll until
/// `chanson_server_is_finished`. NULL is nothing. `CHANSON_ERR_BUSY` from inside a callback.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_free(server: *mut chanson_server) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe { handle::free(server) }
}

/// What was refused last and why, NUL-terminated, good until the next call on the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_error(server: *const chanson_server) -> *const c_char {
    // SAFETY: as the caller promises.
    unsafe { handle::detail(server, &[chanson_server::KIND]) }
}

/// The server's hub, for commands: lent for as long as the server lives, not to be freed. NULL for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn chanson_server_hub(server: *mut chanson_server) -> *mut chanson_hub {
    // What is behind both is the same; the head says which it is.
    server.cast()
}

/// # Safety
/// As `enter`.
pub(crate) unsafe fn with(
    server: *const chanson_server,
    act: impl FnOnce(&mut Server<App>, &mut App) -> Result<(), Refusal>,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(server, |core| match &mut core.level {
            Level::Server(server) => act(server, &mut core.app),
            _ => Err(CHANSON_ERR_HANDLE.into()),
        })
    }
}

/// One turn: waits until something happens, but not longer than `timeout_ms` (0: not at all, negative: for as long as it
/// takes), does what there is to do, and returns. `CHANSON_ERR_IO` when the operating system refuses to wait; nothing that a
/// client does is an error here.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_poll(server: *mut chanson_server, timeout_ms: i32) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, app| {
            let wait = u64::try_from(timeout_ms).ok().map(Duration::from_millis);
            server.poll_with(app, wait).map_err(|error| Refusal::new(CHANSON_ERR_IO, error))
        })
    }
}

/// In how many milliseconds the next turn is due at the latest, even if nothing happens; `CHANSON_EMPTY`: never. For hosts that
/// wait for themselves.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_poll_timeout(server: *mut chanson_server, in_ms: *mut u64) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, _| {
            let due = server.poll_timeout().ok_or(CHANSON_EMPTY)?;
            put(in_ms, millis_up(due).saturating_sub(server.now().as_millis()))
        })
    }
}

/// A file descriptor that becomes readable when a turn is due because something happened: wait for it in a loop of your own,
/// together with `chanson_server_poll_timeout`, then poll with a timeout of 0. -1 where there is none: on Windows, and for a
/// server that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_fd(server: *const chanson_server) -> i32 {
    let mut fd = -1;
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, _| {
            fd = fd_of(server);
            Ok(())
        });
    }
    fd
}

#[cfg(unix)]
fn fd_of(server: &Server<App>) -> i32 {
    std::os::fd::AsRawFd::as_raw_fd(server)
}

#[cfg(not(unix))]
const fn fd_of(_: &Server<App>) -> i32 {
    -1
}

/// Where it listens, as address and port; lent until the next call on the server.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_address(
    server: *mut chanson_server,
    address: *mut chanson_str,
) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        enter(server, |core| match &core.level {
            Level::Server(server) => {
                core.lent.text = server.local_addr().to_string();
                put(address, chanson_str::new(&core.lent.text))
            }
            _ => Err(CHANSON_ERR_HANDLE.into()),
        })
    }
}

/// The port that it listens on; 0 for a server that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_port(server: *const chanson_server) -> u16 {
    let mut port = 0;
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, _| {
            port = server.local_addr().port();
            Ok(())
        });
    }
    port
}

/// Ends the server: it accepts no more, closes every connection with 1012 (clients come back), and waits for them while it is
/// polled, no longer than `drain_ms`. Called once more it cuts what is left.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_shutdown(server: *mut chanson_server) -> chanson_code {
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, app| {
            server.shutdown(app);
            Ok(())
        })
    }
}

/// Whether it has ended: nothing more comes of polling it. True for a server that is none.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_server_is_finished(server: *const chanson_server) -> bool {
    let mut finished = true;
    // SAFETY: as the caller promises.
    unsafe {
        with(server, |server, _| {
            finished = server.is_finished();
            Ok(())
        });
    }
    finished
}

/// As many threads a server may have.
const MAX_THREADS: usize = 1024;
