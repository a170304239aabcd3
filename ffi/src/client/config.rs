//! Where a client connects to, with what, and how patient it is.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use chanson_core::client::{Backoff, Capacity, Config};
use chanson_core::wire::Vsn;

use super::event::chanson_on_client_event;
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::config::init_sized;
use crate::handle::guard;
use crate::text::{c_text, chanson_header, chanson_str, list};

/// How long to wait before the next try. All 0 is the default, which `max_attempts` and `jitter_percent` may still change.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_backoff {
    /// The first waits, one after the other, in milliseconds. NULL, with `then_ms` 0: those of phoenix.js.
    pub steps_ms: *const u64,
    /// How many.
    pub step_count: usize,
    /// The wait behind them, each time, in milliseconds.
    pub then_ms: u64,
    /// No more than so many tries after each loss; 0: there is no end.
    pub max_attempts: u32,
    /// Each wait is shortened at random by up to so many per cent (0 to 100), so that clients which lost their server together
    /// do not come back together.
    pub jitter_percent: u32,
}

/// Where a client connects to, with what, and how patient it is. Begin with `chanson_client_config_default` and set `url`.
/// Everything is copied.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_client_config {
    /// `sizeof(chanson_client_config)`; set by `chanson_client_config_default`.
    pub size: usize,
    /// The server's socket: `ws://` or `wss://`, host, port, path (`ws://127.0.0.1:4000/socket`); NUL-terminated. `/websocket` is appended
    /// to the path unless it ends so.
    pub url: *const c_char,
    /// The version of the wire format: 2, or 1, which has no binary payloads. 2.
    pub vsn: i32,
    /// Query parameters for the server's `on_connect`, names and values.
    pub params: *const chanson_header,
    /// How many.
    pub param_count: usize,
    /// Headers of the upgrade request.
    pub headers: *const chanson_header,
    /// How many.
    pub header_count: usize,
    /// A token for the server's `on_connect` that travels as a subprotocol (phoenix.js 1.8's `authToken`), NUL-terminated.
    /// NULL: none.
    pub auth_token: *const c_char,
    /// How long an answer to a join or a push is waited for, in milliseconds. 10 s.
    pub timeout_ms: u64,
    /// How often a heartbeat is sent, and how long its answer is waited for, in milliseconds. 30 s.
    pub heartbeat_interval_ms: u64,
    /// How long the transport may take to come up, and then as long again the handshake, in milliseconds. 10 s.
    pub connect_timeout_ms: u64,
    /// How long the end of a closed connection is waited for, in milliseconds. 2 s.
    pub close_timeout_ms: u64,
    /// When to try again after a connection was lost or refused. 10, 50, 100, 150, 200, 250, 500, 1000, 2000 ms, then 5 s.
    pub reconnect: chanson_backoff,
    /// When to try again after a join was refused, was not answered or has crashed. 1, 2, 5 s, then 10 s.
    pub rejoin: chanson_backoff,
    /// Channels, joined or trying to. 256.
    pub channels: usize,
    /// Length of a topic in bytes. 1024.
    pub topic_bytes: usize,
    /// Length of an event's name in bytes. 1024.
    pub event_bytes: usize,
    /// Pushes that wait: for an answer, or to be sent once the channel is joined. 1024.
    pub pushes: usize,
    /// Bytes of payloads that wait to be sent once their channels are joined. 1 MiB.
    pub buffered_bytes: usize,
    /// Bytes that wait for the transport, beyond which pushes and joins are refused. 1 MiB.
    pub queued_bytes: usize,
    /// Length of a message from the server in bytes. 8 MiB.
    pub message_bytes: usize,
    /// Memory of one channel's presences, about. 4 MiB.
    pub presence_bytes: usize,
    /// Hears of everything that happens, inside `chanson_client_poll`. NULL: nobody does, but callbacks of pushes.
    pub on_event: chanson_on_client_event,
    /// Comes with it.
    pub user: *mut c_void,
    /// For `wss://`: a file with the certificates (PEM) of whom to trust, NUL-terminated, or NULL for `ca_pem`; where both are
    /// empty, those whom the operating system trusts.
    pub ca_file: *const c_char,
    /// The certificates themselves.
    pub ca_pem: chanson_str,
    /// For `wss://`: trusts ANYBODY, and with that whoever sits between. For experiments on one machine.
    pub danger_accept_invalid_certs: bool,
}

/// What `chanson_client_config_default` calls, as `chanson_config_init` is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_client_config_init(config: *mut chanson_client_config, size: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_client_config_default()) })
}

/// What `chanson_client_config_init` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_client_config_default() -> chanson_client_config {
    let capacity = Capacity::default();
    let backoff =
        chanson_backoff { steps_ms: std::ptr::null(), step_count: 0, then_ms: 0, max_attempts: 0, jitter_percent: 0 };
    chanson_client_config {
        size: size_of::<chanson_client_config>(),
        url: std::ptr::null(),
        vsn: 2,
        params: std::ptr::null(),
        param_count: 0,
        headers: std::ptr::null(),
        header_count: 0,
        auth_token: std::ptr::null(),
        timeout_ms: 10_000,
        heartbeat_interval_ms: 30_000,
        connect_timeout_ms: 10_000,
        close_timeout_ms: 2_000,
        reconnect: backoff,
        rejoin: backoff,
        channels: capacity.channels,
        topic_bytes: capacity.topic_bytes,
        event_bytes: capacity.event_bytes,
        pushes: capacity.pushes,
        buffered_bytes: capacity.buffered_bytes,
        queued_bytes: capacity.queued_bytes,
        message_bytes: capacity.message_bytes,
        presence_bytes: capacity.presence_bytes,
        on_event: None,
        user: std::ptr::null_mut(),
        ca_file: std::ptr::null(),
        ca_pem: chanson_str::new(""),
        danger_accept_invalid_certs: false,
    }
}

impl chanson_client_config {
    /// # Safety
    /// Its pointers are NULL or as long as they say.
    pub(super) unsafe fn config(&self) -> Result<Config, Refusal> {
        let argument = |error: &dyn std::fmt::Display| Refusal::new(CHANSON_ERR_ARGUMENT, error);
        // SAFETY: as the caller promises.
        let (url, params, headers) = unsafe {
            (c_text(self.url)?, list(self.params, self.param_count)?, list(self.headers, self.header_count)?)
        };
        let vsn = match self.vsn {
            1 => Vsn::V1,
            2 => Vsn::V2,
            _ => return Err(CHANSON_ERR_ARGUMENT.into()),
        };
        let mut config = Config::new(url).map_err(|error| argument(&error))?.with_vsn(vsn);
        // SAFETY: as the caller promises.
        unsafe {
            for param in params {
                config = config.with_param(param.name.text()?, param.value.text()?);
            }
            for header in headers {
                let (name, value) = (header.name.text()?, header.value.text()?);
                config = config.with_header(name, value).map_err(|error| argument(&error))?;
            }
            if !self.auth_token.is_null() {
                config = config.with_auth_token(c_text(self.auth_token)?);
            }
            Ok(self
                .trusting(config)?
                .with_timeout(Duration::from_millis(self.timeout_ms))
                .with_heartbeat_interval(Duration::from_millis(self.heartbeat_interval_ms))
                .with_connect_timeout(Duration::from_millis(self.connect_timeout_ms))
                .with_close_timeout(Duration::from_millis(self.close_timeout_ms))
                .with_reconnect(self.reconnect.backoff(Backoff::RECONNECT)?)
                .with_rejoin(self.rejoin.backoff(Backoff::REJOIN)?)
                .with_capacity(self.capacity()))
        }
    }

    /// # Safety
    /// Its pointers are NULL or as long as they say.
    #[cfg(feature = "tls")]
    unsafe fn trusting(&self, config: Config) -> Result<Config, Refusal> {
        use chanson_core::tls::Connector;
        // SAFETY: as the caller promises.
        let connector = unsafe {
            if self.danger_accept_invalid_certs {
                Connector::danger_accept_invalid_certs()
            } else if !self.ca_file.is_null() {
                Connector::with_ca_file(c_text(self.ca_file)?)
            } else if self.ca_pem.len > 0 {
                Connector::with_ca_pem(self.ca_pem.text()?.as_bytes())
            } else {
                return Ok(config);
            }
        };
        Ok(config.with_tls(connector.map_err(crate::tls::refused)?))
    }

    #[cfg(not(feature = "tls"))]
    fn trusting(&self, config: Config) -> Result<Config, Refusal> {
        let asked = self.danger_accept_invalid_certs || !self.ca_file.is_null() || self.ca_pem.len > 0;
        if asked { Err(CHANSON_ERR_NOT_ALLOWED.into()) } else { Ok(config) }
    }

    fn capacity(&self) -> Capacity {
        Capacity::default()
            .with_channels(self.channels)
            .with_topic_bytes(self.topic_bytes)
            .with_event_bytes(self.event_bytes)
            .with_pushes(self.pushes)
            .with_buffered_bytes(self.buffered_bytes)
            .with_queued_bytes(self.queued_bytes)
            .with_message_bytes(self.message_bytes)
            .with_presence_bytes(self.presence_bytes)
    }
}

impl chanson_backoff {
    /// # Safety
    /// `steps_ms` is NULL or as long as it says.
    unsafe fn backoff(&self, default: Backoff) -> Result<Backoff, Refusal> {
        // SAFETY: as the caller promises.
        let steps = unsafe { list(self.steps_ms, self.step_count) }?;
        let jitter = u8::try_from(self.jitter_percent).ok().filter(|percent| *percent <= 100);
        let mut backoff = default;
        if !steps.is_empty() || self.then_ms > 0 {
            let steps: Vec<Duration> = steps.iter().copied().map(Duration::from_millis).collect();
            backoff = Backoff::steps(steps, Duration::from_millis(self.then_ms));
        }
        if self.max_attempts > 0 {
            backoff = backoff.with_max_attempts(self.max_attempts);
        }
        Ok(backoff.with_jitter(jitter.ok_or(CHANSON_ERR_ARGUMENT)?))
    }
}
