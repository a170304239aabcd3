//! What hubs, mounts and channels are made of, as structs that can grow: each begins with its size, which its `_init` function
//! sets.
//!
//! A program and the library may have been built with different headers, and then such a struct has two sizes. So none is given
//! or taken by value: who reads or writes one heeds the size that its owner told, and the functions `_default` of C are part of
//! the header, and so of the program. A new field goes to the end and begins a word of its own, since what pads a shorter struct
//! has no value; hence one that ends in a `bool` has that word filled up first.

use std::ffi::{c_char, c_void};
use std::time::Duration;

use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::{Capacity, Mount, Origin};

use crate::app::App;
use crate::callback::{
    chanson_on_close, chanson_on_connect, chanson_on_event, chanson_on_fault, chanson_on_join, chanson_on_leave,
    chanson_on_log, chanson_on_message, chanson_on_open, chanson_on_request,
};
use crate::code::Refusal;
use crate::code::chanson_code::{self, *};
use crate::handle::guard;

/// The bounds of a hub, and what is called for all of it. Begin with `chanson_config_default` or
/// `chanson_config_for_connections` and change what you like. Bounds are limits, not reservations.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_config {
    /// `sizeof(chanson_config)`; set by the functions above.
    pub size: usize,
    /// Open connections. 1024.
    pub connections: usize,
    /// Topics with at least one subscriber, at a time. 64.
    pub topics: usize,
    /// Subscribers of one topic. 256.
    pub subscribers_per_topic: usize,
    /// Topics that one connection is joined to, at a time. 16.
    pub joins_per_connection: usize,
    /// Joins of all connections together. 16384.
    pub joins: usize,
    /// Presences tracked in all topics together. 512.
    pub presences: usize,
    /// Length of a topic in bytes. 128.
    pub topic_bytes: usize,
    /// Length of an event's name in bytes. 128.
    pub event_bytes: usize,
    /// Length of a `ref` or `join_ref` in bytes. 1024.
    pub ref_bytes: usize,
    /// Length of the key that a presence is tracked under, in bytes. 256.
    pub presence_key_bytes: usize,
    /// Length of a presence's meta as JSON text, in bytes. 16 KiB.
    pub presence_meta_bytes: usize,
    /// Tickets for answers to come, at a time. 1024.
    pub tickets: usize,
    /// Tickets for answers to come on one connection, at a time. 64.
    pub tickets_per_connection: usize,
    /// Named values kept for one connection. 32.
    pub assigns_per_connection: usize,
    /// Events kept while the join they are for waits for its answer. 16.
    pub pending_events_per_join: usize,
    /// Bytes waiting to be sent to one connection. 1 MiB.
    pub queued_bytes_per_connection: usize,
    /// Bytes waiting to be sent, over all connections. 256 MiB.
    pub queued_bytes: usize,
    /// Commands from other threads that wait to be carried out. 1024.
    pub commands: usize,
    /// 32 bytes that all randomness grows from, copied; NULL: from the operating system. Only a test has reason to set it.
    pub seed: *const u8,
    /// Answers HTTP requests that no mount takes; NULL: they are answered 404.
    pub on_request: chanson_on_request,
    /// Hears of every handler that failed: the place for a log line. May be NULL.
    pub on_fault: chanson_on_fault,
    /// Hears of what happens, failures too: the library's log. A hundred records of each level at once and ten a second in the
    /// long run. May be NULL.
    pub on_log: chanson_on_log,
    /// Comes with each of them.
    pub user: *mut c_void,
    /// A path on which `GET` is answered with all counters and gauges, in the text format that Prometheus reads; NUL-terminated,
    /// copied; NULL for none. Anybody who reaches the server may ask.
    pub metrics: *const c_char,
}

/// A mount: a path with its protocol, its checks and its limits. Begin with `chanson_mount_config_default`. Mounted at
/// `/socket`, both `/socket` and `/socket/websocket` are answered. A segment `:name` of the path is a parameter.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_mount_config {
    /// `sizeof(chanson_mount_config)`; set by `chanson_mount_config_default`.
    pub size: usize,
    /// The path, NUL-terminated, copied. `/socket`.
    pub path: *const c_char,
    /// Whether it is a raw WebSocket without channels, for `on_open` to `on_close`.
    pub raw: bool,
    /// Which pages may connect, NUL-terminated, copied. NULL: those of the same host; `*`: any; else a list divided by
    /// commas: `example.com` (any scheme and port), `//*.example.com`, `https://example.com:8443`.
    pub origins: *const c_char,
    /// Longest message to take, in bytes; a longer one closes the connection with 1009. 64 KiB.
    pub max_message: usize,
    /// How long a peer may be silent before its connection is closed (1001), in milliseconds; 0: for ever. 60 s.
    pub idle_timeout_ms: u64,
    /// How long a deferred answer may take, in milliseconds. 30 s.
    pub ticket_limit_ms: u64,
    /// Most topics that one connection of this mount may join; 0: as many as the hub lets.
    pub max_joins: usize,
    /// Messages that a connection may send at once after a silence, heartbeats not counted; 0: no limit of rate.
    pub rate_burst: u32,
    /// Messages per second that it may send in the long run.
    pub rate_per_second: u32,
    /// Whether one message more closes the connection (1008) instead of being answered `{"reason":"rate_limited"}`.
    pub rate_disconnects: bool,
    /// Messages in a row that may be refused (topics or events that nobody serves, refused joins, messages beyond the rate)
    /// before the connection is closed (1008); 0: any number. 1000.
    pub max_offences: u16,
    /// Decides who may connect, before the upgrade. NULL: everybody whose origin is right.
    pub on_connect: chanson_on_connect,
    /// A raw connection has opened. May be NULL.
    pub on_open: chanson_on_open,
    /// A message came on a raw connection. May be NULL.
    pub on_message: chanson_on_message,
    /// A raw connection has ended. May be NULL.
    pub on_close: chanson_on_close,
    /// Comes with each of them.
    pub user: *mut c_void,
    /// Whether messages are compressed for clients that offer permessage-deflate (RFC 7692): a broadcast once, however many get
    /// it. `CHANSON_ERR_NOT_ALLOWED` in a library that was built without.
    pub deflate: bool,
    /// Whether messages, in both directions, may refer to earlier ones (context takeover): shorter, but each connection then
    /// has a compression and up to 64 KiB of its own.
    pub deflate_takeover: bool,
    /// 1 (fast) to 9 (short). 6.
    pub deflate_level: u8,
    /// Messages of fewer bytes are sent as they are. 256.
    pub deflate_threshold: usize,
}

/// A channel: a topic pattern and what is done for its topics. Begin with `chanson_channel_config_default`.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct chanson_channel_config {
    /// `sizeof(chanson_channel_config)`; set by `chanson_channel_config_default`.
    pub size: usize,
    /// The topic, or `prefix:*` for all that begin so; NUL-terminated, copied. `*`.
    pub pattern: *const c_char,
    /// Decides on a join. NULL: every join is ok with `{}`.
    pub on_join: chanson_on_join,
    /// Hears of the end of a join, whatever ended it. May be NULL.
    pub on_leave: chanson_on_leave,
    /// Handles every event that has no callback of its own by `chanson_builder_on`. NULL: such an event is answered
    /// `{"reason":"unmatched event"}`.
    pub on_event: chanson_on_event,
    /// Comes with each of them.
    pub user: *mut c_void,
}

/// What `chanson_config_default` calls: sets a struct that is `size` bytes long in the caller's header. No more than that is
/// written, and what a newer header has more than this library knows is 0. `CHANSON_ERR_ARGUMENT` for a size that no header
/// gives.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_config_init(config: *mut chanson_config, size: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_config_default()) })
}

/// What `chanson_config_for_connections` calls, as `chanson_config_init` is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_config_init_for_connections(
    config: *mut chanson_config,
    size: usize,
    connections: usize,
) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_config_for_connections(connections)) })
}

/// What `chanson_config_init` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_config_default() -> chanson_config {
    config(&Capacity::default())
}

/// What `chanson_config_init_for_connections` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_config_for_connections(connections: usize) -> chanson_config {
    config(&Capacity::for_connections(connections))
}

fn config(c: &Capacity) -> chanson_config {
    chanson_config {
        size: size_of::<chanson_config>(),
        connections: c.connections,
        topics: c.topics,
        subscribers_per_topic: c.subscribers_per_topic,
        joins_per_connection: c.joins_per_connection,
        joins: c.joins,
        presences: c.presences,
        topic_bytes: c.topic_bytes,
        event_bytes: c.event_bytes,
        ref_bytes: c.ref_bytes,
        presence_key_bytes: c.presence_key_bytes,
        presence_meta_bytes: c.presence_meta_bytes,
        tickets: c.tickets,
        tickets_per_connection: c.tickets_per_connection,
        assigns_per_connection: c.assigns_per_connection,
        pending_events_per_join: c.pending_events_per_join,
        queued_bytes_per_connection: c.queued_bytes_per_connection,
        queued_bytes: c.queued_bytes,
        commands: c.commands,
        seed: std::ptr::null(),
        on_request: None,
        on_fault: None,
        on_log: None,
        user: std::ptr::null_mut(),
        metrics: std::ptr::null(),
    }
}

/// What `chanson_mount_config_default` calls, as `chanson_config_init` is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_mount_config_init(config: *mut chanson_mount_config, size: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_mount_config_default()) })
}

/// What `chanson_mount_config_init` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_mount_config_default() -> chanson_mount_config {
    chanson_mount_config {
        size: size_of::<chanson_mount_config>(),
        path: c"/socket".as_ptr(),
        raw: false,
        origins: std::ptr::null(),
        max_message: 64 * 1024,
        idle_timeout_ms: 60_000,
        ticket_limit_ms: 30_000,
        max_joins: 0,
        rate_burst: 0,
        rate_per_second: 0,
        rate_disconnects: false,
        max_offences: 1000,
        on_connect: None,
        on_open: None,
        on_message: None,
        on_close: None,
        user: std::ptr::null_mut(),
        deflate: false,
        deflate_takeover: false,
        deflate_level: 6,
        deflate_threshold: 256,
    }
}

/// What `chanson_channel_config_default` calls, as `chanson_config_init` is called.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn chanson_channel_config_init(config: *mut chanson_channel_config, size: usize) -> chanson_code {
    // SAFETY: as the caller promises.
    guard(|| unsafe { init_sized(config, size, chanson_channel_config_default()) })
}

/// What `chanson_channel_config_init` sets. In C this is a function of the header.
#[must_use]
pub fn chanson_channel_config_default() -> chanson_channel_config {
    chanson_channel_config {
        size: size_of::<chanson_channel_config>(),
        pattern: c"*".as_ptr(),
        on_join: None,
        on_leave: None,
        on_event: None,
        user: std::ptr::null_mut(),
    }
}

impl chanson_config {
    pub(crate) fn capacity(&self) -> Capacity {
        Capacity::default()
            .with_connections(self.connections)
            .with_topics(self.topics)
            .with_subscribers_per_topic(self.subscribers_per_topic)
            .with_joins_per_connection(self.joins_per_connection)
            .with_joins(self.joins)
            .with_presences(self.presences)
            .with_topic_bytes(self.topic_bytes)
            .with_event_bytes(self.event_bytes)
            .with_ref_bytes(self.ref_bytes)
            .with_presence_key_bytes(self.presence_key_bytes)
            .with_presence_meta_bytes(self.presence_meta_bytes)
            .with_tickets(self.tickets)
            .with_tickets_per_connection(self.tickets_per_connection)
            .with_assigns_per_connection(self.assigns_per_connection)
            .with_pending_events_per_join(self.pending_events_per_join)
            .with_queued_bytes_per_connection(self.queued_bytes_per_connection)
            .with_queued_bytes(self.queued_bytes)
            .with_commands(self.commands)
    }
}

impl chanson_mount_config {
    /// Whether this build of the library can do what is asked for.
    pub(crate) const fn is_possible(&self) -> bool {
        !self.deflate || cfg!(feature = "deflate")
    }

    #[cfg(feature = "deflate")]
    fn compress(&self, mount: Mount<App>) -> Mount<App> {
        let deflate = chanson_core::deflate::Deflate::new()
            .level(self.deflate_level)
            .threshold(self.deflate_threshold)
            .server_context_takeover(self.deflate_takeover)
            .client_context_takeover(self.deflate_takeover);
        if self.deflate { mount.deflate(deflate) } else { mount }
    }

    #[cfg(not(feature = "deflate"))]
    fn compress(&self, mount: Mount<App>) -> Mount<App> {
        mount
    }

    /// The limits and checks of a mount, but for its callbacks.
    pub(crate) fn limits(&self, mount: Mount<App>, origins: Option<&str>) -> Mount<App> {
        let mut mount = self
            .compress(mount)
            .origin(match origins {
                None => Origin::Same,
                Some("*") => Origin::Any,
                Some(list) => Origin::list(list.split(',').map(str::trim).filter(|entry| !entry.is_empty())),
            })
            .max_message(self.max_message)
            .idle_timeout(Duration::from_millis(self.idle_timeout_ms))
            .max_offences(self.max_offences)
            .ticket_limit(Duration::from_millis(self.ticket_limit_ms));
        if self.max_joins > 0 {
            mount = mount.max_joins(self.max_joins);
        }
        if self.rate_burst > 0 {
            let action = if self.rate_disconnects { RateAction::Disconnect } else { RateAction::Drop };
            mount = mount.rate_limit(RateLimit { burst: self.rate_burst, per_second: self.rate_per_second, action });
        }
        mount
    }
}

/// A struct of the host's that says its size: as much of it as is there over the defaults, so that a program which was built
/// with an older header is understood.
///
/// # Safety
/// `given` is NULL, or has at its beginning a `usize` and, from there on, as many bytes as that says.
pub(crate) unsafe fn read_sized<T: Copy>(given: *const T, default: T) -> Result<T, Refusal> {
    if given.is_null() {
        return Err(CHANSON_ERR_NULL.into());
    }
    if !given.is_aligned() {
        return Err(CHANSON_ERR_ARGUMENT.into());
    }
    // SAFETY: as the caller promises.
    let size = unsafe { given.cast::<usize>().read() };
    if size < 2 * size_of::<usize>() {
        return Err(Refusal::new(CHANSON_ERR_ARGUMENT, "the struct's size is not set; begin with its default"));
    }
    // No struct ends within a word; if one says that it does, half a pointer is not taken.
    let whole = size.min(size_of::<T>()) / size_of::<usize>() * size_of::<usize>();
    let mut result = default;
    // SAFETY: `size` bytes can be read as the caller promises, and no more than fit are written. Every struct that is read so
    // holds numbers, pointers and callbacks, `bool`s apart, which a C compiler writes as 0 or 1.
    unsafe {
        std::ptr::copy_nonoverlapping(given.cast::<u8>(), (&raw mut result).cast(), whole);
    }
    Ok(result)
}

/// A struct of the host's that is `size` bytes long: set to as much of `value` as fits, its size to `size`, and what lies behind
/// what is known to 0.
///
/// # Safety
/// `out` is NULL or has `size` bytes that can be written to. `T` begins with a `usize`.
pub(crate) unsafe fn init_sized<T: Copy>(out: *mut T, size: usize, value: T) -> Result<(), Refusal> {
    if out.is_null() {
        return Err(CHANSON_ERR_NULL.into());
    }
    if !out.is_aligned() || size < 2 * size_of::<usize>() {
        return Err(CHANSON_ERR_ARGUMENT.into());
    }
    // SAFETY: aligned, and `size` bytes can be written, which are more than the first word.
    unsafe {
        out.cast::<usize>().write(size);
        write_sized(out, value)
    }
}

/// A struct that the host lends to be filled and that says its size: as much as fits, so that a program which was built with
/// an older header is not written over. What one of a newer header has more is 0.
///
/// # Safety
/// `out` is NULL, or has at its beginning a `usize` and, from there on, as many bytes as that says, which can be written to.
/// `T` begins with a `usize`.
pub(crate) unsafe fn write_sized<T: Copy>(out: *mut T, value: T) -> Result<(), Refusal> {
    if out.is_null() {
        return Err(CHANSON_ERR_NULL.into());
    }
    if !out.is_aligned() {
        return Err(CHANSON_ERR_ARGUMENT.into());
    }
    // SAFETY: as the caller promises.
    let size = unsafe { out.cast::<usize>().read() };
    if size < 2 * size_of::<usize>() {
        return Err(Refusal::new(CHANSON_ERR_ARGUMENT, "the struct's size is not set"));
    }
    // SAFETY: `size` bytes can be written as the caller promises, and no more are read than `value` has. The size stays.
    unsafe {
        let (head, known) = (size_of::<usize>(), size.min(size_of::<T>()));
        let from = (&raw const value).cast::<u8>().add(head);
        std::ptr::copy_nonoverlapping(from, out.cast::<u8>().add(head), known - head);
        std::ptr::write_bytes(out.cast::<u8>().add(known), 0, size - known);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structs_of_older_and_newer_headers_are_understood() {
        #[repr(C)]
        #[derive(Clone, Copy)]
        struct Grown {
            size: usize,
            first: u64,
            second: u64,
        }
        let default = Grown { size: size_of::<Grown>(), first: 1, second: 2 };
        let read = |size| {
            let given = Grown { size, first: 10, second: 20 };
            // SAFETY: `size` is at most what is there.
            unsafe { read_sized(&given, default) }.map(|grown| (grown.first, grown.second))
        };
        assert_eq!(read(24).unwrap(), (10, 20));
        assert_eq!(read(16).unwrap(), (10, 2), "an older header has not got the last field");
        assert_eq!(read(0).unwrap_err().code, CHANSON_ERR_ARGUMENT);
        let newer = [32_usize, 10, 20, 30];
        // SAFETY: as many bytes as the first word says.
        let grown = unsafe { read_sized(newer.as_ptr().cast::<Grown>(), default) }.unwrap();
        assert_eq!((grown.first, grown.second), (10, 20), "a newer header has one more");

        let mut older = [16_usize, 0, 0];
        // SAFETY: as many bytes as the first word says, and more.
        unsafe { write_sized(older.as_mut_ptr().cast::<Grown>(), default) }.unwrap();
        assert_eq!(older, [16, 1, 0]);
        let mut newer = [32_usize, 7, 7, 7, 7];
        // SAFETY: as above.
        unsafe { write_sized(newer.as_mut_ptr().cast::<Grown>(), default) }.unwrap();
        assert_eq!(newer, [32, 1, 2, 0, 7]);

        for (size, expected) in [(16, [16, 1, 7, 7, 7]), (24, [24, 1, 2, 7, 7]), (32, [32, 1, 2, 0, 7])] {
            let mut made = [7_usize; 5];
            // SAFETY: there are as many bytes, and more.
            unsafe { init_sized(made.as_mut_ptr().cast::<Grown>(), size, default) }.unwrap();
            assert_eq!(made, expected);
        }
        // SAFETY: nothing is written.
        let refused = unsafe { init_sized(older.as_mut_ptr().cast::<Grown>(), 8, default) };
        assert_eq!((refused.unwrap_err().code, older), (CHANSON_ERR_ARGUMENT, [16, 1, 0]));
    }
}
