//! Whatever is handed to a function that may not be: it says so, and nothing happens.

mod world;

use std::collections::BTreeSet;
use std::ffi::{c_char, c_void};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chanson::chanson_code::*;
use chanson::*;
use world::*;

const NO_PAYLOAD: chanson_payload = chanson_payload { kind: 0, data: null(), len: 0 };

/// What a function is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Acceptor,
    Builder,
    /// A hub of the host's own.
    Hub,
    /// Any hub.
    Command,
    Endpoint,
    Session,
    Server,
    Remote,
    Query,
    Client,
    Connect,
    Socket,
    Raw,
    Http,
}

use Kind::*;

impl Kind {
    /// Whether what is for this takes a handle of `other`.
    fn takes(self, other: Self) -> bool {
        match self {
            Command => matches!(other, Hub | Endpoint | Server),
            Session => other == Endpoint,
            kind => kind == other,
        }
    }
}

/// What a function gives.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Out {
    Code(chanson_code),
    Value(u64),
    Text(String),
}

use Out::*;

impl From<chanson_code> for Out {
    fn from(code: chanson_code) -> Self {
        Code(code)
    }
}

impl From<*const c_char> for Out {
    fn from(text: *const c_char) -> Self {
        Text(unsafe { read_c(text) })
    }
}

impl<T> From<*mut T> for Out {
    fn from(pointer: *mut T) -> Self {
        Value(pointer.addr() as u64)
    }
}

macro_rules! values {
    ($($type:ty)*) => {$(
        impl From<$type> for Out {
            fn from(value: $type) -> Self {
                Value(value as u64)
            }
        }
    )*};
}

values! { bool i32 u16 u64 usize }

struct Function {
    name: &'static str,
    kind: Kind,
    /// Calls it with a handle, and with nothing else.
    call: fn(*mut c_void) -> Out,
}

impl Function {
    /// What it gives when a handle is refused with this code.
    fn refusal(&self, code: chanson_code) -> Out {
        match (self.call)(null_mut()) {
            Code(_) => Code(code),
            Value(value) => Value(value),
            Text(_) => chanson_code_text(code as i32).into(),
        }
    }

    fn frees(&self) -> bool {
        self.name.ends_with("_free")
    }
}

fn for_kind(kind: Kind) -> impl Iterator<Item = &'static Function> {
    FUNCTIONS.iter().filter(move |function| function.kind.takes(kind))
}

fn at(endpoint: *mut c_void) -> chanson_session {
    chanson_session { endpoint: endpoint.cast(), conn: u64::MAX }
}

macro_rules! f {
    ($kind:ident, $name:ident, |$p:ident| ($($argument:expr),*)) => {
        Function { name: stringify!($name), kind: $kind, call: |$p| unsafe { $name($($argument),*) }.into() }
    };
}

/// Functions without a handle, tried by `functions_without_a_handle_take_nothing`, or whose handle is not looked at.
const WITHOUT: &[&str] = &[
    "chanson_acceptor_new",
    "chanson_binary",
    "chanson_builder_new",
    "chanson_busy_response",
    "chanson_channel_config_init",
    "chanson_client_config_init",
    "chanson_client_new",
    "chanson_code_text",
    "chanson_config_init",
    "chanson_config_init_for_connections",
    "chanson_conn_index",
    "chanson_endpoint_config_init",
    "chanson_endpoint_hub",
    "chanson_json",
    "chanson_mount_config_init",
    "chanson_server_config_init",
    "chanson_server_hub",
    "chanson_str_of",
    "chanson_version",
];

const FUNCTIONS: &[Function] = &[
    f!(Acceptor, chanson_acceptor_free, |p| (p.cast())),
    f!(Acceptor, chanson_acceptor_error, |p| (p.cast())),
    f!(Acceptor, chanson_acceptor_set, |p| (p.cast(), null(), 0)),
    f!(Builder, chanson_builder_free, |p| (p.cast())),
    f!(Builder, chanson_builder_error, |p| (p.cast())),
    f!(Builder, chanson_builder_mount, |p| (p.cast(), null(), null_mut())),
    f!(Builder, chanson_builder_channel, |p| (p.cast(), null(), null_mut())),
    f!(Builder, chanson_builder_on, |p| (p.cast(), 0, null(), None, null_mut())),
    f!(Builder, chanson_builder_serve, |p| (p.cast(), 0, 0)),
    f!(Client, chanson_client_free, |p| (p.cast())),
    f!(Client, chanson_client_error, |p| (p.cast())),
    f!(Client, chanson_client_poll, |p| (p.cast(), 0)),
    f!(Client, chanson_client_poll_timeout, |p| (p.cast(), null_mut())),
    f!(Client, chanson_client_fd, |p| (p.cast())),
    f!(Client, chanson_client_connect, |p| (p.cast())),
    f!(Client, chanson_client_disconnect, |p| (p.cast())),
    f!(Client, chanson_client_is_connected, |p| (p.cast())),
    f!(Client, chanson_client_is_settled, |p| (p.cast())),
    f!(Client, chanson_client_set_param, |p| (p.cast(), null(), null())),
    f!(Client, chanson_client_set_auth_token, |p| (p.cast(), null())),
    f!(Client, chanson_client_join, |p| (p.cast(), NO_STR, NO_PAYLOAD, null_mut())),
    f!(Client, chanson_client_join_str, |p| (p.cast(), null(), null(), null_mut())),
    f!(Client, chanson_client_set_join_params, |p| (p.cast(), u64::MAX, NO_PAYLOAD)),
    f!(Client, chanson_client_leave, |p| (p.cast(), u64::MAX)),
    f!(Client, chanson_client_channel, |p| (p.cast(), NO_STR)),
    f!(Client, chanson_client_topic, |p| (p.cast(), u64::MAX, null_mut())),
    f!(Client, chanson_client_is_joined, |p| (p.cast(), u64::MAX)),
    f!(Client, chanson_client_push, |p| (p.cast(), u64::MAX, NO_STR, NO_PAYLOAD, None, null_mut(), null_mut())),
    f!(Client, chanson_client_push_within, |p| (
        p.cast(),
        u64::MAX,
        NO_STR,
        NO_PAYLOAD,
        0,
        None,
        null_mut(),
        null_mut()
    )),
    f!(Client, chanson_client_push_str, |p| (p.cast(), u64::MAX, null(), null(), None, null_mut())),
    f!(Client, chanson_client_ping, |p| (p.cast(), null_mut())),
    f!(Client, chanson_client_track_presence, |p| (p.cast(), u64::MAX)),
    f!(Client, chanson_client_presence, |p| (p.cast(), u64::MAX, null_mut())),
    f!(Client, chanson_client_stats, |p| (p.cast(), null_mut())),
    f!(Command, chanson_hub_error, |p| (p.cast())),
    f!(Command, chanson_hub_broadcast, |p| (p.cast(), NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Command, chanson_hub_broadcast_str, |p| (p.cast(), null(), null(), null())),
    f!(Command, chanson_hub_broadcast_from, |p| (p.cast(), u64::MAX, NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Command, chanson_hub_push, |p| (p.cast(), u64::MAX, NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Command, chanson_hub_publish, |p| (p.cast(), NO_STR, NO_STR)),
    f!(Command, chanson_hub_answer, |p| (p.cast(), u64::MAX, false, NO_PAYLOAD)),
    f!(Command, chanson_hub_answer_connect, |p| (p.cast(), u64::MAX, null())),
    f!(Command, chanson_hub_answer_request, |p| (p.cast(), u64::MAX, null())),
    f!(Command, chanson_hub_disconnect, |p| (p.cast(), NO_STR, null_mut())),
    f!(Command, chanson_hub_close_conn, |p| (p.cast(), u64::MAX, 0)),
    f!(Command, chanson_hub_shutdown, |p| (p.cast())),
    f!(Command, chanson_hub_subscriber_count, |p| (p.cast(), NO_STR, null_mut())),
    f!(Command, chanson_hub_presence, |p| (p.cast(), NO_STR, null_mut())),
    f!(Command, chanson_hub_is_awaited, |p| (p.cast(), u64::MAX)),
    f!(Command, chanson_hub_is_joined, |p| (p.cast(), u64::MAX, NO_STR)),
    f!(Connect, chanson_connect_error, |p| (p.cast())),
    f!(Connect, chanson_connect_param, |p| (p.cast(), null(), null_mut())),
    f!(Connect, chanson_connect_header, |p| (p.cast(), null(), null_mut())),
    f!(Connect, chanson_connect_path, |p| (p.cast(), null_mut())),
    f!(Connect, chanson_connect_auth_token, |p| (p.cast(), null_mut())),
    f!(Connect, chanson_connect_peer, |p| (p.cast(), null_mut())),
    f!(Connect, chanson_connect_conn, |p| (p.cast())),
    f!(Connect, chanson_connect_set_id, |p| (p.cast(), NO_STR)),
    f!(Connect, chanson_connect_set_assign, |p| (p.cast(), null(), NO_STR)),
    f!(Connect, chanson_connect_defer, |p| (p.cast(), null_mut())),
    f!(Builder, chanson_endpoint_new, |p| (p.cast(), null(), null_mut())),
    f!(Endpoint, chanson_endpoint_free, |p| (p.cast())),
    f!(Endpoint, chanson_endpoint_error, |p| (p.cast())),
    f!(Endpoint, chanson_endpoint_connect, |p| (p.cast(), 0, null(), null_mut(), null_mut())),
    f!(Endpoint, chanson_endpoint_timeout, |p| (p.cast(), 0)),
    f!(Endpoint, chanson_endpoint_poll_timeout, |p| (p.cast(), null_mut())),
    f!(Endpoint, chanson_endpoint_poll_writable, |p| (p.cast(), null_mut())),
    f!(Session, chanson_session_bytes, |p| (at(p), 0, null(), 0)),
    f!(Session, chanson_session_eof, |p| (at(p), 0)),
    f!(Session, chanson_session_close, |p| (at(p), 0)),
    f!(Session, chanson_session_pending, |p| (at(p), null_mut(), null_mut())),
    f!(Session, chanson_session_pending_iov, |p| (at(p), null_mut(), 0, null_mut())),
    f!(Session, chanson_session_advance, |p| (at(p), 0, 0)),
    f!(Session, chanson_session_transmit, |p| (at(p), 0, None, null_mut(), null_mut())),
    f!(Session, chanson_session_commit, |p| (at(p), 0)),
    f!(Session, chanson_session_is_finished, |p| (at(p))),
    f!(Session, chanson_session_is_done_sending, |p| (at(p))),
    f!(Session, chanson_session_wants_bytes, |p| (at(p))),
    f!(Session, chanson_session_user, |p| (at(p))),
    f!(Session, chanson_session_set_user, |p| (at(p), null_mut())),
    f!(Http, chanson_http_error, |p| (p.cast())),
    f!(Http, chanson_http_respond, |p| (p.cast(), null())),
    f!(Http, chanson_http_respond_text, |p| (p.cast(), 0, null())),
    f!(Http, chanson_http_defer, |p| (p.cast(), null_mut())),
    f!(Http, chanson_http_broadcast, |p| (p.cast(), NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Http, chanson_http_disconnect, |p| (p.cast(), NO_STR, null_mut())),
    f!(Http, chanson_http_conn, |p| (p.cast())),
    f!(Builder, chanson_hub_new, |p| (p.cast(), null_mut())),
    f!(Hub, chanson_hub_free, |p| (p.cast())),
    f!(Hub, chanson_hub_connect, |p| (p.cast(), 0, null(), null_mut())),
    f!(Hub, chanson_hub_open, |p| (p.cast(), 0, u64::MAX, null(), null_mut())),
    f!(Hub, chanson_hub_request, |p| (p.cast(), 0, u64::MAX, null(), null_mut())),
    f!(Hub, chanson_hub_text, |p| (p.cast(), 0, u64::MAX, null(), 0)),
    f!(Hub, chanson_hub_binary, |p| (p.cast(), 0, u64::MAX, null(), 0)),
    f!(Hub, chanson_hub_alive, |p| (p.cast(), 0, u64::MAX)),
    f!(Hub, chanson_hub_close, |p| (p.cast(), 0, u64::MAX, 0)),
    f!(Hub, chanson_hub_timeout, |p| (p.cast(), 0)),
    f!(Hub, chanson_hub_poll_timeout, |p| (p.cast(), null_mut())),
    f!(Hub, chanson_hub_poll_output, |p| (p.cast(), null_mut())),
    f!(Raw, chanson_raw_error, |p| (p.cast())),
    f!(Raw, chanson_raw_send, |p| (p.cast(), NO_PAYLOAD)),
    f!(Raw, chanson_raw_subscribe, |p| (p.cast(), NO_STR)),
    f!(Raw, chanson_raw_unsubscribe, |p| (p.cast(), NO_STR)),
    f!(Raw, chanson_raw_broadcast, |p| (p.cast(), NO_STR, NO_STR)),
    f!(Raw, chanson_raw_broadcast_from, |p| (p.cast(), NO_STR, NO_STR)),
    f!(Raw, chanson_raw_close, |p| (p.cast(), 0)),
    f!(Raw, chanson_raw_conn, |p| (p.cast())),
    f!(Raw, chanson_raw_param, |p| (p.cast(), null(), null_mut())),
    f!(Raw, chanson_raw_assign, |p| (p.cast(), null(), null_mut())),
    f!(Server, chanson_server_remote, |p| (p.cast())),
    f!(Remote, chanson_remote_clone, |p| (p.cast())),
    f!(Remote, chanson_remote_free, |p| (p.cast())),
    f!(Remote, chanson_remote_broadcast, |p| (p.cast(), NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Remote, chanson_remote_broadcast_str, |p| (p.cast(), null(), null(), null())),
    f!(Remote, chanson_remote_broadcast_from, |p| (p.cast(), u64::MAX, NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Remote, chanson_remote_push, |p| (p.cast(), u64::MAX, NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Remote, chanson_remote_publish, |p| (p.cast(), NO_STR, NO_STR)),
    f!(Remote, chanson_remote_answer, |p| (p.cast(), u64::MAX, false, NO_PAYLOAD)),
    f!(Remote, chanson_remote_answer_connect, |p| (p.cast(), u64::MAX, null())),
    f!(Remote, chanson_remote_answer_request, |p| (p.cast(), u64::MAX, null())),
    f!(Remote, chanson_remote_disconnect, |p| (p.cast(), NO_STR)),
    f!(Remote, chanson_remote_shutdown, |p| (p.cast())),
    f!(Remote, chanson_remote_stats, |p| (p.cast(), null_mut())),
    f!(Remote, chanson_remote_is_closed, |p| (p.cast())),
    f!(Remote, chanson_remote_subscriber_count, |p| (p.cast(), NO_STR, null_mut())),
    f!(Remote, chanson_remote_presence, |p| (p.cast(), NO_STR, null_mut())),
    f!(Query, chanson_query_count, |p| (p.cast(), -1, null_mut())),
    f!(Query, chanson_query_presence, |p| (p.cast(), -1, null_mut())),
    f!(Query, chanson_query_free, |p| (p.cast())),
    f!(Builder, chanson_server_bind, |p| (p.cast(), null(), null(), null_mut())),
    f!(Server, chanson_server_free, |p| (p.cast())),
    f!(Server, chanson_server_error, |p| (p.cast())),
    f!(Server, chanson_server_poll, |p| (p.cast(), 0)),
    f!(Server, chanson_server_poll_timeout, |p| (p.cast(), null_mut())),
    f!(Server, chanson_server_fd, |p| (p.cast())),
    f!(Server, chanson_server_address, |p| (p.cast(), null_mut())),
    f!(Server, chanson_server_port, |p| (p.cast())),
    f!(Server, chanson_server_shutdown, |p| (p.cast())),
    f!(Server, chanson_server_is_finished, |p| (p.cast())),
    f!(Socket, chanson_socket_error, |p| (p.cast())),
    f!(Socket, chanson_socket_push, |p| (p.cast(), NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_push_str, |p| (p.cast(), null(), null())),
    f!(Socket, chanson_socket_broadcast, |p| (p.cast(), NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_broadcast_str, |p| (p.cast(), null(), null())),
    f!(Socket, chanson_socket_broadcast_from, |p| (p.cast(), NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_broadcast_from_str, |p| (p.cast(), null(), null())),
    f!(Socket, chanson_socket_push_to, |p| (p.cast(), u64::MAX, NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_push_on, |p| (p.cast(), NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_broadcast_on, |p| (p.cast(), NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_broadcast_from_on, |p| (p.cast(), NO_STR, NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_reply, |p| (p.cast(), NO_PAYLOAD)),
    f!(Socket, chanson_socket_reply_str, |p| (p.cast(), null())),
    f!(Socket, chanson_socket_reply_with, |p| (p.cast(), NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_refuse, |p| (p.cast(), NO_PAYLOAD)),
    f!(Socket, chanson_socket_refuse_reason, |p| (p.cast(), null())),
    f!(Socket, chanson_socket_defer, |p| (p.cast(), null_mut())),
    f!(Socket, chanson_socket_track, |p| (p.cast(), NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_update, |p| (p.cast(), NO_STR, NO_PAYLOAD)),
    f!(Socket, chanson_socket_untrack, |p| (p.cast(), NO_STR)),
    f!(Socket, chanson_socket_presence_meta, |p| (p.cast(), NO_STR, null_mut())),
    f!(Socket, chanson_socket_push_presence_state, |p| (p.cast())),
    f!(Socket, chanson_socket_presence_list, |p| (p.cast(), null_mut())),
    f!(Socket, chanson_socket_topic, |p| (p.cast(), null_mut())),
    f!(Socket, chanson_socket_join_ref, |p| (p.cast(), null_mut())),
    f!(Socket, chanson_socket_param, |p| (p.cast(), null(), null_mut())),
    f!(Socket, chanson_socket_assign, |p| (p.cast(), null(), null_mut())),
    f!(Socket, chanson_socket_set_assign, |p| (p.cast(), null(), NO_STR)),
    f!(Socket, chanson_socket_id, |p| (p.cast(), null_mut())),
    f!(Socket, chanson_socket_peer, |p| (p.cast(), null_mut())),
    f!(Socket, chanson_socket_conn, |p| (p.cast())),
    f!(Socket, chanson_socket_is_joined, |p| (p.cast(), NO_STR)),
    f!(Socket, chanson_socket_subscriber_count, |p| (p.cast(), NO_STR)),
    f!(Socket, chanson_socket_now, |p| (p.cast())),
    f!(Socket, chanson_socket_set_state, |p| (p.cast(), null_mut(), None)),
    f!(Socket, chanson_socket_state, |p| (p.cast())),
    f!(Socket, chanson_socket_stop, |p| (p.cast())),
    f!(Socket, chanson_socket_close, |p| (p.cast(), 0)),
    f!(Socket, chanson_socket_disconnect, |p| (p.cast(), NO_STR, null_mut())),
    f!(Command, chanson_hub_stats, |p| (p.cast(), null_mut())),
];

#[test]
fn every_function_is_tried() {
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let source = std::fs::read_to_string(path).unwrap();
            found.extend(source.split("extern \"C\" fn chanson_").skip(1).map(|rest| {
                let end = rest.find(|c: char| c != '_' && !c.is_ascii_alphanumeric()).unwrap();
                format!("chanson_{}", &rest[..end])
            }));
        }
    }
    let tried: BTreeSet<String> =
        FUNCTIONS.iter().map(|function| function.name).chain(WITHOUT.iter().copied()).map(str::to_owned).collect();
    assert_eq!(tried.len(), FUNCTIONS.len() + WITHOUT.len(), "each once");
    assert_eq!(found, tried);
}

#[test]
fn null_is_refused() {
    for function in FUNCTIONS {
        let expected = match (function.call)(null_mut()) {
            Code(_) if function.frees() => Code(CHANSON_OK),
            Code(_) => Code(CHANSON_ERR_NULL),
            Text(_) => Text("NULL where a pointer has to be".to_owned()),
            // 0, false, NULL, true of what has ended, -1, no connection.
            Value(value) => {
                assert!(value <= 1 || value as u32 == u32::MAX || value == u64::MAX, "{}", function.name);
                Value(value)
            }
        };
        assert_eq!((function.call)(null_mut()), expected, "{}", function.name);
    }
}

#[test]
fn functions_without_a_handle_take_nothing() {
    unsafe {
        assert!(chanson_str_of(null()).data.is_null());
        assert_eq!((chanson_json(null()).kind, chanson_json(null()).len), (0, 0));
        assert_eq!(chanson_binary(null(), 0).kind, 1);
        assert_eq!(read_c(chanson_code_text(-1)), "no such code");
        assert!(chanson_conn_index(u64::MAX) > 0);
        assert!(chanson_endpoint_hub(null_mut()).is_null() && chanson_server_hub(null_mut()).is_null());
        assert!(read_c(chanson_busy_response()).starts_with("HTTP/1.1 503"));
        let mut client = null_mut();
        assert_eq!(chanson_client_new(null(), null_mut()), CHANSON_ERR_NULL);
        assert_eq!(chanson_client_new(null(), &mut client), CHANSON_ERR_NULL);
        let mut config = chanson_client_config_default();
        assert_eq!(chanson_client_new(&config, &mut client), CHANSON_ERR_NULL, "no address");
        for (url, code) in [
            (c"http://a.test/", CHANSON_ERR_ARGUMENT),
            (c"", CHANSON_ERR_ARGUMENT),
            (c"\xff", CHANSON_ERR_UTF8),
            #[cfg(not(feature = "tls"))]
            (c"wss://127.0.0.1:1/socket", CHANSON_ERR_NOT_ALLOWED),
        ] {
            config.url = url.as_ptr();
            assert_eq!(chanson_client_new(&config, &mut client), code, "{url:?}");
            assert!(client.is_null());
        }
        config.url = c"ws://127.0.0.1:1/socket".as_ptr();
        let bad: [fn(&mut chanson_client_config); 6] = [
            |config| config.vsn = 3,
            |config| config.size = 0,
            |config| config.reconnect.jitter_percent = 101,
            |config| config.rejoin.step_count = usize::MAX,
            |config| config.param_count = 1,
            |config| (config.headers, config.header_count) = (std::ptr::dangling(), usize::MAX),
        ];
        for bad in bad {
            let mut config = config;
            bad(&mut config);
            let code = chanson_client_new(&config, &mut client);
            assert!(matches!(code, CHANSON_ERR_ARGUMENT | CHANSON_ERR_NULL), "{code:?}");
            assert!(client.is_null());
        }
        for header in ["Host", "a b", "Sec-WebSocket-Key"] {
            let header = chanson_header { name: text(header), value: text("x") };
            (config.headers, config.header_count) = (&header, 1);
            assert_eq!(chanson_client_new(&config, &mut client), CHANSON_ERR_ARGUMENT);
        }
        let config = chanson_config { size: 0, ..chanson_config_for_connections(10) };
        assert!(chanson_builder_new(&config).is_null(), "no size");
        assert_eq!(chanson_config_init_for_connections(null_mut(), 99, 10), CHANSON_ERR_NULL);
        inits_take_nothing(chanson_config_init);
        inits_take_nothing(chanson_mount_config_init);
        inits_take_nothing(chanson_channel_config_init);
        inits_take_nothing(chanson_endpoint_config_init);
        inits_take_nothing(chanson_server_config_init);
        inits_take_nothing(chanson_client_config_init);

        let builder = chanson_builder_new(null());
        let endpoint = chanson_endpoint_config { size: 0, ..chanson_endpoint_config_default() };
        let config = chanson_server_config { endpoint: &endpoint, ..chanson_server_config_default() };
        let mut server = null_mut();
        let address = c"127.0.0.1:0".as_ptr();
        assert_eq!(chanson_server_bind(builder, address, &config, &mut server), CHANSON_ERR_ARGUMENT);
        for threads in [0, 1025] {
            let config = chanson_server_config { threads, ..chanson_server_config_default() };
            assert_eq!(chanson_server_bind(builder, address, &config, &mut server), CHANSON_ERR_ARGUMENT);
        }
        for nowhere in [c"192.0.2.1:1", c"no port"] {
            assert_eq!(chanson_server_bind(builder, nowhere.as_ptr(), null(), &mut server), CHANSON_ERR_IO);
            let why = format!("cannot listen on {}: ", nowhere.to_str().unwrap());
            assert!(server.is_null() && read_c(chanson_builder_error(builder)).starts_with(&why));
        }
        assert_eq!(chanson_builder_free(builder), OK);
    }
}

/// Nothing is written to a struct that is not there, lies where none can, or has no room for anything.
unsafe fn inits_take_nothing<T>(init: unsafe extern "C" fn(*mut T, usize) -> chanson_code) {
    let word = size_of::<usize>();
    let mut memory = [7_usize; 100];
    let config = memory.as_mut_ptr().cast::<T>();
    unsafe {
        assert_eq!(init(null_mut(), word * 100), CHANSON_ERR_NULL);
        assert_eq!(init(config.byte_add(1), word * 99), CHANSON_ERR_ARGUMENT);
        for size in [0, 1, word, 2 * word - 1] {
            assert_eq!(init(config, size), CHANSON_ERR_ARGUMENT);
        }
    }
    assert_eq!(memory, [7; 100]);
}

/// What the callbacks of these tests look at.
struct Probe {
    /// What each callback was handed, last.
    views: Vec<(Kind, *mut c_void)>,
    /// A handle that is in use while they run.
    busy: Option<(Kind, *mut c_void)>,
    /// Whether to try all functions with what they are handed.
    try_all: bool,
    ran: usize,
}

impl Probe {
    fn new() -> Self {
        Self { views: Vec::new(), busy: None, try_all: false, ran: 0 }
    }

    fn hear(&mut self, kind: Kind, view: *mut c_void) -> i32 {
        self.ran += 1;
        self.views.retain(|(other, _)| *other != kind);
        self.views.push((kind, view));
        if let Some((kind, handle)) = self.busy {
            in_use(kind, handle);
            let handle = Sent(handle);
            std::thread::scope(|scope| scope.spawn(move || in_use(kind, handle.get())).join().expect("no panic"));
        }
        if self.try_all {
            for function in for_kind(kind) {
                let out = (function.call)(view);
                assert!(!refused(&out), "{}: {out:?}", function.name);
            }
        }
        0
    }
}

/// Whether the handle itself was not taken.
fn refused(out: &Out) -> bool {
    matches!(out, Code(CHANSON_ERR_PANIC | CHANSON_ERR_HANDLE | CHANSON_ERR_BUSY))
}

/// Every function refuses a handle that is in use.
fn in_use(kind: Kind, handle: *mut c_void) {
    for function in for_kind(kind) {
        assert_eq!((function.call)(handle), function.refusal(CHANSON_ERR_BUSY), "{}", function.name);
    }
}

unsafe extern "C" fn on_connect(connect: *mut chanson_connect, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Connect, connect.cast())
}

unsafe extern "C" fn on_event(socket: *mut chanson_socket, _: *const chanson_event, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Socket, socket.cast())
}

unsafe extern "C" fn on_join(socket: *mut chanson_socket, _: *const chanson_join, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Socket, socket.cast())
}

unsafe extern "C" fn on_leave(socket: *mut chanson_socket, _: *const chanson_leave, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Socket, socket.cast())
}

unsafe extern "C" fn on_open(raw: *mut chanson_raw, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Raw, raw.cast())
}

unsafe extern "C" fn on_message(raw: *mut chanson_raw, _: *const chanson_payload, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Raw, raw.cast())
}

unsafe extern "C" fn on_request(http: *mut chanson_http, _: *const chanson_request, probe: *mut c_void) -> i32 {
    unsafe { user::<Probe>(probe) }.hear(Http, http.cast())
}

unsafe fn probed(probe: &mut Probe) -> *mut chanson_builder {
    let user = pointer(probe);
    let mount = chanson_mount_config { on_connect: Some(on_connect), user, ..chanson_mount_config_default() };
    let raw = chanson_mount_config {
        path: c"/raw".as_ptr(),
        raw: true,
        on_open: Some(on_open),
        on_message: Some(on_message),
        ..mount
    };
    let channel = chanson_channel_config {
        on_join: Some(on_join),
        on_event: Some(on_event),
        on_leave: Some(on_leave),
        user,
        ..chanson_channel_config_default()
    };
    let config = chanson_config { on_request: Some(on_request), user, ..chanson_config_default() };
    unsafe { builder_with(&config, &[mount, raw], &channel) }
}

/// Has each callback run at least once.
unsafe fn stir(hub: *mut chanson_hub) {
    let world = World { hub };
    unsafe {
        let (conn, _) = world.open("/socket/websocket?vsn=2.0.0");
        world.say(conn, r#"["1","1","t","phx_join",{}]"#);
        world.say(conn, r#"["1","2","t","e",{}]"#);
        world.sent();
        let (raw, _) = world.open("/raw");
        world.say(raw, "hello");
        world.sent();
        let mut conn = 0;
        assert_eq!(chanson_hub_connect(hub, 2, null(), &mut conn), OK);
        let mut answer: chanson_output = std::mem::zeroed();
        answer.size = size_of::<chanson_output>();
        assert_eq!(chanson_hub_request(hub, 2, conn, &request("GET", "/other"), &mut answer), OK);
        for conn in [conn, raw] {
            assert_eq!(chanson_hub_close(hub, 3, conn, 1006), OK);
        }
        world.sent();
    }
}

#[test]
fn handles_of_another_type_and_views_that_are_over_are_refused() {
    let mut probe = Probe::new();
    unsafe {
        let builder = probed(&mut probe);
        let (mut hub, mut endpoint, mut server, mut client) = (null_mut(), null_mut(), null_mut(), null_mut());
        assert_eq!(chanson_hub_new(builder, &mut hub), OK);
        assert_eq!(chanson_endpoint_new(builder, null(), &mut endpoint), OK);
        assert_eq!(chanson_server_bind(builder, c"127.0.0.1:0".as_ptr(), null(), &mut server), OK);
        let remote = chanson_server_remote(server);
        let url = c"ws://127.0.0.1:1/socket";
        let config = chanson_client_config { url: url.as_ptr(), ..chanson_client_config_default() };
        assert_eq!(chanson_client_new(&config, &mut client), OK);
        stir(hub);
        assert_eq!(probe.views.len(), 4, "one of each");
        let mut query = null_mut();
        assert_eq!(chanson_remote_subscriber_count(remote, text("t"), &mut query), OK);
        let handles: [(Kind, *mut c_void); 7] = [
            (Builder, builder.cast()),
            (Hub, hub.cast()),
            (Endpoint, endpoint.cast()),
            (Server, server.cast()),
            (Remote, remote.cast()),
            (Query, query.cast()),
            (Client, client.cast()),
        ];
        for function in FUNCTIONS {
            for (_, handle) in handles.iter().filter(|(kind, _)| !function.kind.takes(*kind)) {
                assert_eq!((function.call)(*handle), function.refusal(CHANSON_ERR_HANDLE), "{}", function.name);
            }
            for (kind, view) in &probe.views {
                let out = (function.call)(*view);
                // The details of what was refused in the callback can still be read.
                if !(function.kind == *kind && matches!(out, Text(_))) {
                    assert_eq!(out, function.refusal(CHANSON_ERR_HANDLE), "{}", function.name);
                }
            }
        }
        // The right handles, and nothing else.
        for (kind, handle) in handles {
            for function in for_kind(kind).filter(|function| !function.frees()) {
                let out = (function.call)(handle);
                assert!(!refused(&out), "{}: {out:?}", function.name);
                if let (Value(made), true) =
                    (out, ["chanson_server_remote", "chanson_remote_clone"].contains(&function.name))
                {
                    assert_eq!(chanson_remote_free(std::ptr::with_exposed_provenance_mut(made as usize)), OK);
                }
            }
        }
        assert_eq!(chanson_hub_free(chanson_endpoint_hub(endpoint)), CHANSON_ERR_HANDLE, "it is lent");
        assert_eq!(chanson_hub_free(chanson_server_hub(server)), CHANSON_ERR_HANDLE);
        assert_eq!(chanson_builder_free(builder), OK);
        assert_eq!(chanson_query_free(query), OK);
        assert_eq!(chanson_remote_subscriber_count(remote, text("t"), &mut query), OK);
        assert_eq!(chanson_server_free(server), OK);
        let mut count = 1;
        assert_eq!(chanson_query_count(query, -1, &mut count), CHANSON_ERR_CLOSED, "nobody answers any more");
        assert_eq!((count, chanson_query_free(query)), (0, OK));
        query = std::ptr::dangling_mut();
        assert_eq!(chanson_remote_presence(remote, text("t"), &mut query), CHANSON_ERR_CLOSED);
        assert!(query.is_null());
        assert!(chanson_remote_is_closed(remote));
        assert_eq!(chanson_remote_broadcast(remote, text("t"), text("e"), NO_PAYLOAD), CHANSON_ERR_CLOSED);
        let other = chanson_remote_clone(remote);
        assert_eq!((chanson_remote_free(remote), chanson_remote_free(other)), (OK, OK));
        assert_eq!(chanson_hub_free(hub), OK);
        assert_eq!(chanson_endpoint_free(endpoint), OK);
        assert_eq!(chanson_client_free(client), OK);
    }
}

#[test]
fn callbacks_may_call_with_nothing() {
    let mut probe = Probe { try_all: true, ..Probe::new() };
    unsafe {
        let builder = probed(&mut probe);
        let mut hub = null_mut();
        assert_eq!(chanson_hub_new(builder, &mut hub), OK);
        stir(hub);
        assert!(probe.ran >= 5, "{}", probe.ran);
        assert_eq!((chanson_hub_free(hub), chanson_builder_free(builder)), (OK, OK));
    }
}

#[test]
fn a_handle_in_use_is_busy() {
    let mut probe = Probe::new();
    unsafe {
        let builder = probed(&mut probe);
        let mut hub = null_mut();
        assert_eq!(chanson_hub_new(builder, &mut hub), OK);
        probe.busy = Some((Hub, hub.cast()));
        stir(hub);
        assert!(probe.ran >= 5);
        assert_eq!(chanson_hub_free(hub), OK);

        let mut endpoint = null_mut();
        assert_eq!(chanson_endpoint_new(builder, null(), &mut endpoint), OK);
        (probe.busy, probe.ran) = (Some((Endpoint, endpoint.cast())), 0);
        let mut session = chanson_session { endpoint: null_mut(), conn: 0 };
        assert_eq!(chanson_endpoint_connect(endpoint, 1, null(), NONE, &mut session), OK);
        for bytes in [
            upgrade("/socket/websocket?vsn=2.0.0").into_bytes(),
            frame(r#"["1","1","t","phx_join",{}]"#),
            frame(r#"["1","2","t","e",{}]"#),
        ] {
            assert_eq!(chanson_session_bytes(session, 1, bytes.as_ptr().cast(), bytes.len()), OK);
        }
        assert_eq!(probe.ran, 3);
        assert_eq!(chanson_session_close(session, 2), OK);
        assert_eq!(probe.ran, 4, "the leave");
        for function in FUNCTIONS.iter().filter(|function| function.kind == Session) {
            if let Code(code) = (function.call)(endpoint.cast()) {
                assert_eq!(code, CHANSON_ERR_UNKNOWN_CONN, "{}", function.name);
            }
        }
        assert_eq!(chanson_session_bytes(session, 3, null(), 0), CHANSON_ERR_UNKNOWN_CONN);
        assert_eq!((chanson_endpoint_free(endpoint), chanson_builder_free(builder)), (OK, OK));
    }
}

#[test]
fn a_second_thread_is_told_that_a_server_is_busy_and_a_remote_is_not() {
    let mut probe = Probe::new();
    unsafe {
        let builder = probed(&mut probe);
        let mut server = null_mut();
        assert_eq!(chanson_server_bind(builder, c"127.0.0.1:0".as_ptr(), null(), &mut server), OK);
        let remote = chanson_server_remote(server);
        let (sent, watch) = (Sent(server), Sent(remote));
        let polling = std::thread::spawn(move || {
            // While the other thread is trying, it is this one that may be told so.
            while !chanson_remote_is_closed(watch.get()) {
                assert!(matches!(chanson_server_poll(sent.get(), 1000), CHANSON_OK | CHANSON_ERR_BUSY));
            }
        });
        let begin = Instant::now();
        let hub = chanson_server_hub(server);
        while chanson_hub_broadcast_str(hub, c"t".as_ptr(), c"e".as_ptr(), null()) != CHANSON_ERR_BUSY {
            assert!(begin.elapsed() < Duration::from_secs(30));
            std::thread::sleep(Duration::from_millis(1));
        }
        let many: Vec<_> = (0..4)
            .map(|_| {
                let remote = Sent(remote);
                std::thread::spawn(move || {
                    for _ in 0..100 {
                        let code =
                            chanson_remote_broadcast_str(remote.get(), c"t".as_ptr(), c"e".as_ptr(), c"{}".as_ptr());
                        assert!(matches!(code, CHANSON_OK | CHANSON_ERR_FULL), "{code:?}");
                    }
                })
            })
            .collect();
        many.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(chanson_remote_shutdown(remote), OK);
        polling.join().unwrap();
        let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..chanson_stats::default() };
        assert_eq!(chanson_hub_stats(chanson_server_hub(server), &mut stats), OK);
        assert!(stats.commands > 0 && stats.commands <= 400 && stats.failed_commands == 0);
        assert_eq!((chanson_server_free(server), chanson_remote_free(remote)), (OK, OK));
        assert_eq!(chanson_builder_free(builder), OK);
    }
}

#[test]
fn a_client_is_neither_polled_nor_freed_from_its_own_callback() {
    unsafe extern "C" fn on_event(client: *mut chanson_client, event: *const chanson_client_event, ran: *mut c_void) {
        unsafe {
            *user::<usize>(ran) += 1;
            assert_eq!((*event).kind, chanson_client_event_kind::CHANSON_CLIENT_CONNECT_FAILED as i32);
            assert_eq!(chanson_client_poll(client, 0), CHANSON_ERR_BUSY);
            assert_eq!(chanson_client_free(client), CHANSON_ERR_BUSY);
            for function in
                for_kind(Client).filter(|function| !function.frees() && function.name != "chanson_client_poll")
            {
                let out = (function.call)(client.cast());
                assert!(!refused(&out), "{}: {out:?}", function.name);
            }
        }
    }
    let mut count = 0_usize;
    let ran = &raw mut count;
    unsafe {
        let config = chanson_client_config {
            url: c"ws://127.0.0.1:1/socket".as_ptr(),
            on_event: Some(on_event),
            user: ran.cast(),
            ..chanson_client_config_default()
        };
        let mut client = null_mut();
        assert_eq!(chanson_client_new(&config, &mut client), OK);
        let begin = Instant::now();
        while ran.read() == 0 {
            assert_eq!(chanson_client_poll(client, 100), OK);
            assert!(begin.elapsed() < Duration::from_secs(30));
        }
        assert_eq!(chanson_client_free(client), OK);
    }
}

#[test]
fn a_second_thread_is_told_that_a_client_is_busy() {
    unsafe {
        // It is listened, but nobody answers.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("ws://{}/socket\0", listener.local_addr().unwrap());
        let config = chanson_client_config { url: url.as_ptr().cast::<c_char>(), ..chanson_client_config_default() };
        let mut client = null_mut();
        assert_eq!(chanson_client_new(&config, &mut client), OK);
        let (sent, done) = (Sent(client), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let sent = &sent;
                while !done.load(Ordering::Acquire) {
                    assert!(matches!(chanson_client_poll(sent.get(), 100), CHANSON_OK | CHANSON_ERR_BUSY));
                }
            });
            let begin = Instant::now();
            while chanson_client_connect(client) != CHANSON_ERR_BUSY {
                assert!(begin.elapsed() < Duration::from_secs(30));
                std::thread::sleep(Duration::from_millis(1));
            }
            done.store(true, Ordering::Release);
        });
        assert_eq!(chanson_client_free(client), OK);
    }
}
