//! The C interface: whatever is called, with whatever handles, texts, payloads and lengths, from wherever, is done or
//! refused with the code that says why; what is lent can be read for as long as the header says; nothing is left.
//!
//! Sockets are not in it: servers and clients are made of the same parts, with a driver that has tests of its own.

mod callbacks;
mod endpoint;
mod host;
mod hub;
mod words;

use std::ffi::{CString, c_void};
use std::ptr::{null, null_mut};

use arbitrary::{Arbitrary, Unstructured};
use chanson::chanson_code::*;
use chanson::*;

use self::endpoint::Endpoint;
use self::host::{Host, read_c, response, touch};
use self::hub::Hub;
use self::words::{Right, c_text, handle, payload, text};

/// Calls, one after the other, each of eight bytes; some take more bytes that are what a peer sends.
pub fn c_api(data: &[u8]) {
    let mut input = Unstructured::new(data);
    let Ok(shape) = input.arbitrary::<u8>() else { return };
    let mut world = World::new(shape);
    while let Ok(call) = input.arbitrary::<Call>() {
        world.act(&call, &mut input);
        world.check();
        if input.is_empty() {
            break;
        }
    }
    world.end(shape & 1 == 1);
}

/// What is called, and with what.
#[derive(Clone, Copy, Debug, Arbitrary)]
struct Call {
    what: u8,
    /// Which handle, and whether it is right: see [`handle`].
    handle: u8,
    conn: u8,
    a: u8,
    b: u8,
    payload: u8,
    number: u16,
}

struct World {
    builder: *mut chanson_builder,
    hub: Hub,
    endpoint: Endpoint,
    /// It is lent to callbacks, so it is never borrowed across a call.
    host: *mut Host,
    /// In milliseconds.
    now: u64,
}

impl World {
    fn new(shape: u8) -> Self {
        let host = Box::into_raw(Box::new(Host::new()));
        // SAFETY: everything that is pointed to is there, and copied; the host lives longer than the rest.
        unsafe {
            let builder = builder(host.cast(), shape);
            let hub = Hub::new(builder);
            let endpoint = Endpoint::new(builder, shape);
            (*host).busy = [hub.handle.cast(), endpoint.handle.cast()];
            Self { builder, hub, endpoint, host, now: 1 }
        }
    }

    fn act(&mut self, call: &Call, input: &mut Unstructured<'_>) {
        match call.what {
            0..=31 => self.plan(call, input),
            32..=47 => self.build(call),
            48..=95 => self.command(call),
            96..=127 => self.pass(call),
            128..=191 => self.hub.act(call, self.now, input, self.builder.cast()),
            _ => self.endpoint.act(call, self.now, input, self.builder.cast()),
        }
    }

    /// What the next callback does.
    fn plan(&mut self, call: &Call, input: &mut Unstructured<'_>) {
        let calls = (0..call.a % 6).map_while(|_| input.arbitrary().ok()).collect();
        let verdict = if call.b % 16 == 15 { i32::from(call.number) - 300 } else { i32::from(call.b % 6) };
        // SAFETY: no callback runs.
        let plans = unsafe { &mut (*self.host).plans };
        if plans.len() < 32 {
            plans.push_back((calls, verdict));
        }
    }

    /// Something is added to the builder, or another hub is made of what it has become, and freed.
    fn build(&mut self, call: &Call) {
        let (builder, right) = handle(call.handle, self.builder, self.hub.handle.cast());
        let (mut number, mut hub) = (0, null_mut());
        let mut channel = chanson_channel_config { pattern: c_text(call.a), ..chanson_channel_config_default() };
        let mut mount = chanson_mount_config {
            path: c_text(call.a),
            raw: call.number & 1 == 1,
            origins: c_text(call.b),
            max_message: usize::from(call.number),
            idle_timeout_ms: u64::from(call.number) << 56,
            rate_burst: u32::from(call.conn),
            rate_per_second: u32::MAX,
            deflate: call.number & 2 == 2,
            deflate_level: call.conn,
            ..chanson_mount_config_default()
        };
        if call.b == 0xff {
            (channel.size, mount.size) = (usize::from(call.conn), usize::from(call.conn) % 40);
        }
        // SAFETY: handles are right or refused, and so is everything else; sizes are at most the true ones or refused.
        let code = unsafe {
            match call.what % 6 {
                0 => chanson_builder_mount(builder, if call.a == 0xff { null() } else { &mount }, &mut number),
                1 => {
                    channel.size = channel.size.min(size_of::<chanson_channel_config>());
                    chanson_builder_channel(builder, if call.a == 0xff { null() } else { &channel }, &mut number)
                }
                2 => {
                    let user = self.host.cast();
                    chanson_builder_on(builder, u32::from(call.conn), c_text(call.a), Some(callbacks::on_event), user)
                }
                3 => chanson_builder_serve(builder, u32::from(call.conn), u32::from(call.b)),
                4 => {
                    let config = chanson_config { size: usize::from(call.number), ..chanson_config_default() };
                    let made = chanson_builder_new(if call.number < 300 { &config } else { null() });
                    assert_eq!(made.is_null(), call.number < 16, "its size is {}", call.number);
                    chanson_builder_free(made);
                    return;
                }
                _ => chanson_hub_new(builder, &mut hub),
            }
        };
        check(code, right, call);
        // SAFETY: as above; the hub is NULL or new.
        unsafe {
            read_c(chanson_builder_error(builder));
            assert_eq!(chanson_hub_free(hub), CHANSON_OK);
        }
    }

    /// What an application wants of either hub.
    fn command(&mut self, call: &Call) {
        let endpoint = call.conn & 1 == 1;
        let right = if endpoint { chanson_endpoint_hub(self.endpoint.handle) } else { self.hub.handle };
        let (hub, right) = handle(call.handle, right, self.builder.cast());
        let conn = if endpoint { self.endpoint.conn(call.number) } else { self.hub.conn(call.number) };
        // SAFETY: no callback runs.
        let tickets = unsafe { &mut (*self.host).tickets };
        let ticket = match usize::from(call.number).checked_rem(tickets.len() + 1) {
            Some(at) if at < tickets.len() => tickets[at],
            _ => u64::from(call.number) << (call.conn % 48),
        };
        if tickets.len() > 16 {
            tickets.clear();
        }
        let (a, b, p) = (text(call.a), text(call.b), payload(call.payload));
        let (mut count, mut list) = (0, chanson_str { data: null(), len: 0 });
        let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..chanson_stats::default() };
        if call.b == 0xff {
            stats.size = usize::from(call.a);
        }
        stats.size = stats.size.min(size_of::<chanson_stats>());
        let accept = chanson_accept {
            size: if call.b == 0xff { usize::from(call.a) } else { size_of::<chanson_accept>() },
            id: a,
            assigns: null(),
            assign_count: usize::from(call.b == 0xfe),
        };
        // SAFETY: handles are right or refused, texts and payloads static or refused, places and structs are there.
        let code = unsafe {
            match call.what % 16 {
                0 => chanson_hub_broadcast(hub, a, b, p),
                1 => {
                    chanson_hub_broadcast_str(hub, c_text(call.a), c_text(call.b), c"{\"from\":\"the host\"}".as_ptr())
                }
                2 => chanson_hub_broadcast_from(hub, conn, a, b, p),
                3 => chanson_hub_push(hub, conn, a, b, p),
                4 => chanson_hub_publish(hub, a, b),
                5 | 6 => chanson_hub_answer(hub, ticket, call.a & 1 == 0, p),
                7 => chanson_hub_answer_connect(hub, ticket, if call.a & 1 == 0 { &accept } else { null() }),
                8 => chanson_hub_answer_request(hub, ticket, &response(call)),
                9 => chanson_hub_disconnect(hub, a, if call.b & 1 == 0 { &mut count } else { null_mut() }),
                10 => chanson_hub_close_conn(hub, conn, call.number),
                11 if call.number == 0 => chanson_hub_shutdown(hub),
                11 | 12 => chanson_hub_subscriber_count(hub, a, &mut count),
                13 => chanson_hub_presence(hub, a, &mut list),
                14 => {
                    chanson_hub_is_joined(hub, conn, a);
                    return;
                }
                _ => chanson_hub_stats(hub, &mut stats),
            }
        };
        check(code, right, call);
        if code == CHANSON_OK {
            touch(&[list]);
        }
        // SAFETY: as above.
        read_c(unsafe { chanson_hub_error(hub) });
    }

    /// Time passes, now and then to where it ends.
    fn pass(&mut self, call: &Call) {
        match call.what {
            127 => self.now = u64::MAX >> (call.conn % 64),
            // It does not go back.
            126 => self.now = self.now.saturating_sub(u64::from(call.number)),
            125 => return self.poke_stale(),
            _ => self.now = self.now.saturating_add(u64::from(call.number) * u64::from(call.conn % 8)),
        }
        self.hub.timeout(self.now);
        self.endpoint.timeout(self.now);
    }

    /// Views that were lent once.
    fn poke_stale(&mut self) {
        // SAFETY: no callback runs, and the hubs that lent them are there.
        unsafe {
            for view in &(*self.host).stale {
                assert_eq!(view.poke(), CHANSON_ERR_HANDLE);
                read_c(view.error());
            }
        }
    }

    fn check(&mut self) {
        self.endpoint.check();
        self.hub.check();
    }

    /// All go, or all is freed as it is.
    fn end(mut self, orderly: bool) {
        if orderly {
            self.hub.end(self.now);
            self.endpoint.end(self.now);
        }
        // SAFETY: all is used for the last time; the host goes last.
        unsafe {
            let codes = (
                chanson_hub_free(self.hub.handle),
                chanson_builder_free(self.builder),
                chanson_endpoint_free(self.endpoint.handle),
            );
            assert_eq!(codes, (CHANSON_OK, CHANSON_OK, CHANSON_OK));
            let host = Box::from_raw(self.host);
            assert_eq!(host.states.get(), 0, "each state is dropped once");
        }
    }
}

/// That a code is that of the handle, or at least no defect.
#[track_caller]
fn check(code: chanson_code, right: Right, call: &Call) {
    match right {
        Right::Null => assert_eq!(code, CHANSON_ERR_NULL, "{call:?}"),
        Right::No => assert_eq!(code, CHANSON_ERR_HANDLE, "{call:?}"),
        Right::Yes => {
            let wrong = matches!(code, CHANSON_ERR_PANIC | CHANSON_ERR_HANDLE | CHANSON_ERR_BUSY);
            assert!(!wrong, "{code:?} of {call:?}");
        }
    }
}

/// Small bounds, a mount with channels, one without, and all callbacks there are.
///
/// # Safety
/// `host` lives longer than what is made of it.
unsafe fn builder(user: *mut c_void, shape: u8) -> *mut chanson_builder {
    let seed = [7_u8; 32];
    let metrics = CString::new("/metrics").expect("it has no NUL");
    let config = chanson_config {
        connections: MOST_CONNECTIONS,
        topics: MOST_TOPICS,
        subscribers_per_topic: 3,
        joins_per_connection: 2,
        joins: MOST_JOINS,
        presences: MOST_PRESENCES,
        topic_bytes: 20,
        event_bytes: 20,
        ref_bytes: 30,
        presence_key_bytes: 20,
        presence_meta_bytes: 100,
        tickets: MOST_TICKETS,
        tickets_per_connection: 2,
        assigns_per_connection: 2,
        pending_events_per_join: 2,
        queued_bytes_per_connection: QUEUED_BY_ONE,
        queued_bytes: QUEUED,
        seed: seed.as_ptr(),
        on_request: Some(callbacks::on_request),
        on_fault: Some(callbacks::on_fault),
        on_log: Some(callbacks::on_log),
        user,
        metrics: metrics.as_ptr(),
        ..chanson_config_default()
    };
    let channels = chanson_mount_config {
        max_message: 1000,
        rate_burst: 30,
        rate_per_second: 5,
        max_offences: 20,
        on_connect: Some(callbacks::on_connect),
        user,
        deflate: shape & 2 == 2,
        ..chanson_mount_config_default()
    };
    let raw = chanson_mount_config {
        path: c"/raw".as_ptr(),
        raw: true,
        on_open: Some(callbacks::on_open),
        on_message: Some(callbacks::on_message),
        on_close: Some(callbacks::on_close),
        ..channels
    };
    let room = chanson_channel_config {
        pattern: c"room:*".as_ptr(),
        on_join: Some(callbacks::on_join),
        on_leave: Some(callbacks::on_leave),
        on_event: Some(callbacks::on_event),
        user,
        ..chanson_channel_config_default()
    };
    let any = chanson_channel_config { pattern: c"any:*".as_ptr(), ..chanson_channel_config_default() };
    // SAFETY: all is there, and is copied.
    unsafe {
        let builder = chanson_builder_new(&config);
        let numbers = [0, 1].map(|number| (number, [&channels, &raw][number as usize], [&room, &any][number as usize]));
        for (number, mount, channel) in numbers {
            assert_eq!(chanson_builder_mount(builder, mount, null_mut()), CHANSON_OK);
            assert_eq!(chanson_builder_channel(builder, channel, null_mut()), CHANSON_OK);
            assert_eq!(chanson_builder_serve(builder, 0, number), CHANSON_OK);
        }
        builder
    }
}

/// What both hubs hold stays within bounds.
fn check_stats(stats: &chanson_stats, connections: usize) {
    assert_eq!(stats.connections, connections, "{stats:?}");
    assert!(stats.topics <= MOST_TOPICS && stats.joins <= MOST_JOINS, "{stats:?}");
    assert!(stats.presences <= MOST_PRESENCES && stats.tickets <= MOST_TICKETS, "{stats:?}");
    assert!(stats.queued_bytes <= QUEUED + connections * LONGEST, "{stats:?}");
    assert!(stats.queued_bytes <= connections * (QUEUED_BY_ONE + LONGEST), "{stats:?}");
}

/// The counters of a hub of any kind.
fn stats(hub: *mut chanson_hub) -> chanson_stats {
    let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..chanson_stats::default() };
    // SAFETY: the handle is right.
    assert_eq!(unsafe { chanson_hub_stats(hub, &mut stats) }, CHANSON_OK);
    stats
}

const MOST_CONNECTIONS: usize = 4;
const MOST_TOPICS: usize = 3;
const MOST_JOINS: usize = 5;
const MOST_PRESENCES: usize = 3;
const MOST_TICKETS: usize = 3;
const QUEUED_BY_ONE: usize = 3000;
const QUEUED: usize = 8000;
/// More than there may be of answers to plain requests beyond these bounds, and what is reserved for others and close frames.
const LONGEST: usize = 80 << 10;
