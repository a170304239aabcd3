//! Whole conversations through the C functions.

mod world;

use std::ffi::{c_char, c_void};
use std::ptr::{null, null_mut};
use std::time::{Duration, Instant};

use chanson::chanson_code::*;
use chanson::chanson_next::*;
use chanson::chanson_verdict::*;
use chanson::*;
use world::*;

// --- a room ---

/// What the room has seen.
#[derive(Default)]
struct Room {
    ticket: u64,
    /// How many states were made and dropped.
    made: usize,
    dropped: usize,
    /// The reasons of leaves.
    left: Vec<i32>,
    faults: Vec<(String, bool)>,
    /// What calls gave in callbacks.
    codes: Vec<chanson_code>,
}

/// The state of one join, which counts its end.
struct State {
    room: *mut Room,
}

unsafe extern "C" fn drop_state(state: *mut c_void) {
    unsafe {
        let state = Box::from_raw(state.cast::<State>());
        (*state.room).dropped += 1;
    }
}

unsafe extern "C" fn on_connect(connect: *mut chanson_connect, _: *mut c_void) -> i32 {
    unsafe {
        let mut name = NO_STR;
        if chanson_connect_param(connect, c"user".as_ptr(), &mut name) == CHANSON_ERR_NOT_FOUND {
            return CHANSON_REFUSE as i32;
        }
        assert_eq!(chanson_connect_set_assign(connect, c"user".as_ptr(), name), OK);
        assert_eq!(chanson_connect_set_id(connect, name), OK);
    }
    CHANSON_DONE as i32
}

unsafe extern "C" fn on_join(socket: *mut chanson_socket, join: *const chanson_join, room: *mut c_void) -> i32 {
    unsafe {
        if read((*join).topic) == "room:closed" {
            assert_eq!(chanson_socket_refuse_reason(socket, c"closed".as_ptr()), OK);
            return CHANSON_REFUSE as i32;
        }
        let state = Box::new(State { room: room.cast() });
        user::<Room>(room).made += 1;
        assert_eq!(chanson_socket_set_state(socket, Box::into_raw(state).cast(), Some(drop_state)), OK);
        let mut name = NO_STR;
        assert_eq!(chanson_socket_assign(socket, c"user".as_ptr(), &mut name), OK);
        assert_eq!(chanson_socket_track(socket, name, json(r#"{"on":true}"#)), OK);
        assert_eq!(chanson_socket_push_presence_state(socket), OK);
        assert_eq!(chanson_socket_reply(socket, (*join).payload), OK);
    }
    CHANSON_DONE as i32
}

unsafe extern "C" fn on_event(socket: *mut chanson_socket, event: *const chanson_event, room: *mut c_void) -> i32 {
    unsafe {
        let room = user::<Room>(room);
        let event = &*event;
        let verdict = match read(event.event).as_str() {
            "echo" => {
                room.codes.push(chanson_socket_reply(socket, event.payload));
                room.codes.push(chanson_socket_reply(socket, event.payload));
                CHANSON_DONE
            }
            "shout" => {
                room.codes.push(chanson_socket_broadcast(socket, text("shout"), event.payload));
                CHANSON_DONE
            }
            "others" => {
                room.codes.push(chanson_socket_broadcast_from(socket, text("others"), event.payload));
                CHANSON_DONE
            }
            "later" => {
                room.codes.push(chanson_socket_defer(socket, &mut room.ticket));
                CHANSON_LATER
            }
            "fresh" => {
                let state = Box::new(State { room });
                room.made += 1;
                room.codes.push(chanson_socket_set_state(socket, Box::into_raw(state).cast(), Some(drop_state)));
                CHANSON_DONE
            }
            "crash" => CHANSON_CRASH,
            "fail" => CHANSON_FAIL,
            "odd" => return 77,
            "no" => CHANSON_REFUSE,
            _ => CHANSON_UNMATCHED,
        };
        verdict as i32
    }
}

unsafe extern "C" fn on_leave(socket: *mut chanson_socket, leave: *const chanson_leave, room: *mut c_void) -> i32 {
    unsafe {
        let room = user::<Room>(room);
        room.left.push((*leave).reason);
        let state = chanson_socket_state(socket).cast::<State>();
        assert!(std::ptr::eq((*state).room, room), "the state is there until the leave callback has returned");
    }
    CHANSON_DONE as i32
}

unsafe extern "C" fn on_fault(fault: *const chanson_fault, room: *mut c_void) {
    unsafe { user::<Room>(room).faults.push((read((*fault).event), (*fault).crashed)) }
}

unsafe fn room_builder(room: &mut Room) -> *mut chanson_builder {
    let user = pointer(room);
    let mount = chanson_mount_config { on_connect: Some(on_connect), user, ..chanson_mount_config_default() };
    let channel = chanson_channel_config {
        pattern: c"room:*".as_ptr(),
        on_join: Some(on_join),
        on_event: Some(on_event),
        on_leave: Some(on_leave),
        user,
        ..chanson_channel_config_default()
    };
    let config = chanson_config { on_fault: Some(on_fault), user, ..chanson_config_default() };
    unsafe { builder_with(&config, &[mount], &channel) }
}

const OPEN: i32 = chanson_output_kind::CHANSON_OUTPUT_OPEN as i32;
const REFUSED: i32 = chanson_output_kind::CHANSON_OUTPUT_REFUSE as i32;
const RESPOND: i32 = chanson_output_kind::CHANSON_OUTPUT_RESPOND as i32;

fn for_all(sent: &[(Vec<u64>, String)]) -> Vec<&str> {
    sent.iter().map(|(_, message)| message.as_str()).collect()
}

#[test]
fn a_hub_moves_messages() {
    let mut room = Room::default();
    unsafe {
        let builder = room_builder(&mut room);
        let mut hub = null_mut();
        assert_eq!(chanson_hub_new(builder, &mut hub), OK);
        assert_eq!(chanson_builder_free(builder), OK);
        let world = World { hub };
        assert_eq!(world.open("/socket/websocket?vsn=2.0.0").1, REFUSED, "no user");
        let (ann, open) = world.open("/socket/websocket?vsn=2.0.0&user=ann");
        assert_eq!(open, OPEN);
        world.say(ann, r#"["1","1","room:closed","phx_join",{}]"#);
        world.say(ann, r#"["1","1","room:1","phx_join",{"n":1}]"#);
        let sent = world.sent();
        assert_eq!(
            for_all(&sent)[..2],
            [
                r#"["1","1","room:closed","phx_reply",{"status":"error","response":{"reason":"closed"}}]"#,
                r#"["1","1","room:1","phx_reply",{"status":"ok","response":{"n":1}}]"#,
            ]
        );
        assert!(sent[2].1.contains(r#""presence_state""#) || sent[3].1.contains(r#""presence_state""#), "{sent:?}");
        let (bob, _) = world.open("/socket/websocket?vsn=2.0.0&user=bob");
        world.say(bob, r#"["1","1","room:1","phx_join",{}]"#);
        world.sent();
        let mut who = NO_STR;
        assert_eq!(chanson_hub_presence(hub, text("room:1"), &mut who), OK);
        let who = read(who);
        assert!(who.starts_with(r#"[{"key":"ann","meta":{"on":true"#) && who.contains(r#""key":"bob""#), "{who}");

        world.say(ann, r#"["1","2","room:1","echo",[1, 2]]"#);
        let reply = r#"["1","2","room:1","phx_reply",{"status":"ok","response":[1, 2]}]"#;
        assert_eq!(world.sent(), [(vec![ann], reply.to_owned())]);
        assert_eq!(std::mem::take(&mut room.codes), [CHANSON_OK, CHANSON_ERR_ANSWERED]);
        world.say(ann, r#"["1",null,"room:1","shout",3]"#);
        assert_eq!(world.sent(), [(vec![ann, bob], r#"[null,null,"room:1","shout",3]"#.to_owned())]);
        world.say(ann, r#"["1",null,"room:1","others",4]"#);
        assert_eq!(world.sent(), [(vec![bob], r#"[null,null,"room:1","others",4]"#.to_owned())]);
        assert_eq!(chanson_hub_broadcast_from(hub, ann, text("room:1"), text("e"), json("5")), OK);
        assert_eq!(world.sent(), [(vec![bob], r#"[null,null,"room:1","e",5]"#.to_owned())]);

        world.say(bob, r#"["1","2","room:1","later",{}]"#);
        assert_eq!(world.sent(), []);
        assert_eq!(chanson_hub_answer(hub, room.ticket, true, chanson_binary(null(), 3)), CHANSON_ERR_NULL);
        assert_eq!(chanson_hub_answer_request(hub, room.ticket, null()), CHANSON_ERR_NULL);
        assert_eq!(chanson_hub_answer_connect(hub, room.ticket, null()), CHANSON_ERR_WRONG_KIND);
        assert_eq!(chanson_hub_answer(hub, room.ticket, true, json(r#"{"done":1}"#)), OK);
        assert_eq!(chanson_hub_answer(hub, room.ticket, true, json("{}")), CHANSON_ERR_EXPIRED);
        let reply = r#"["1","2","room:1","phx_reply",{"status":"ok","response":{"done":1}}]"#;
        assert_eq!(world.sent(), [(vec![bob], reply.to_owned())]);
        for (event, answer) in [("no", "refused"), ("what", "unmatched event")] {
            world.say(bob, &format!(r#"["1","3","room:1","{event}",{{}}]"#));
            let reply =
                format!(r#"["1","3","room:1","phx_reply",{{"status":"error","response":{{"reason":"{answer}"}}}}]"#);
            assert_eq!(world.sent(), [(vec![bob], reply)]);
        }

        let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..chanson_stats::default() };
        assert_eq!(chanson_hub_stats(hub, &mut stats), OK);
        assert_eq!(
            (stats.connections, stats.joins, stats.presences, stats.refused, stats.refused_joins),
            (3, 2, 2, 1, 1)
        );
        let mut short = chanson_stats { size: 2 * size_of::<usize>(), topics: 77, ..chanson_stats::default() };
        assert_eq!(chanson_hub_stats(hub, &mut short), OK);
        assert_eq!((short.connections, short.topics), (3, 77), "an older header has not got the rest");
        assert_eq!(chanson_hub_stats(hub, &mut chanson_stats::default()), CHANSON_ERR_ARGUMENT);

        let mut count = 0;
        assert_eq!(chanson_hub_disconnect(hub, text("bob"), &mut count), OK);
        assert_eq!(count, 1);
        assert_eq!(room.left, [chanson_leave_reason::CHANSON_DISCONNECTED as i32]);
        assert_eq!((room.made, room.dropped), (2, 1));
        assert_eq!(chanson_hub_free(hub), OK);
        assert_eq!((room.made, room.dropped), (2, 2), "what remains is dropped with the hub");
        assert_eq!(room.left.len(), 1, "and nobody is told");
    }
}

#[test]
fn a_state_is_dropped_once_whatever_ends_it() {
    for end in ["fresh", "phx_leave", "phx_join", "crash", "fail", "odd"] {
        let mut room = Room::default();
        unsafe {
            let builder = room_builder(&mut room);
            let mut hub = null_mut();
            assert_eq!(chanson_hub_new(builder, &mut hub), OK);
            let world = World { hub };
            let (ann, _) = world.open("/socket/websocket?vsn=2.0.0&user=ann");
            world.say(ann, r#"["1","1","room:1","phx_join",{}]"#);
            let join_ref = if end == "phx_join" { 2 } else { 1 };
            world.say(ann, &format!(r#"["{join_ref}","2","room:1","{end}",{{}}]"#));
            assert_eq!(room.dropped, 1, "{end}");
            let more = usize::from(matches!(end, "fresh" | "phx_join"));
            assert_eq!(room.made, 1 + more, "{end}");
            let failed = match end {
                "crash" | "odd" => vec![(end.to_owned(), true)],
                "fail" => vec![(end.to_owned(), false)],
                _ => vec![],
            };
            assert_eq!(room.faults, failed, "{end}");
            let sent = world.sent();
            assert_eq!(sent.iter().any(|(_, message)| message.contains("phx_error")), !failed.is_empty(), "{end}");
            assert_eq!((chanson_hub_free(hub), chanson_builder_free(builder)), (OK, OK));
            assert_eq!(room.dropped, room.made, "{end}");
        }
    }
}

/// Callbacks that give this verdict, and what is heard of it.
struct Failing {
    verdict: i32,
    faults: Vec<(String, String, bool)>,
    log: Vec<String>,
}

unsafe extern "C" fn fails_to_connect(_: *mut chanson_connect, failing: *mut c_void) -> i32 {
    unsafe { user::<Failing>(failing).verdict }
}

unsafe extern "C" fn fails_to_join(_: *mut chanson_socket, join: *const chanson_join, failing: *mut c_void) -> i32 {
    let fails = unsafe { read((*join).topic) } == "fails";
    if fails { unsafe { user::<Failing>(failing).verdict } } else { CHANSON_DONE as i32 }
}

unsafe extern "C" fn fails_to_handle(_: *mut chanson_socket, _: *const chanson_event, failing: *mut c_void) -> i32 {
    unsafe { user::<Failing>(failing).verdict }
}

unsafe extern "C" fn fails_to_answer(_: *mut chanson_http, _: *const chanson_request, failing: *mut c_void) -> i32 {
    unsafe { user::<Failing>(failing).verdict }
}

unsafe extern "C" fn hears_of_failures(fault: *const chanson_fault, failing: *mut c_void) {
    unsafe {
        let fault = &*fault;
        user::<Failing>(failing).faults.push((read(fault.event), read(fault.text), fault.crashed));
    }
}

unsafe extern "C" fn hears_of_all(level: i32, line: chanson_str, failing: *mut c_void) {
    if level == chanson_level::CHANSON_LOG_ERROR as i32 {
        unsafe { user::<Failing>(failing).log.push(read(line)) }
    }
}

#[test]
fn a_handler_that_fails_has_not_crashed() {
    let odd = "the handler gave 77, which is nothing that it may say";
    for (verdict, text, crashed) in [
        (CHANSON_FAIL as i32, "the handler gave the failure code", false),
        (CHANSON_LATER as i32, "later, but no ticket was taken", false),
        (CHANSON_CRASH as i32, "the handler gave the crash code", true),
        (77, odd, true),
    ] {
        let mut failing = Failing { verdict, faults: Vec::new(), log: Vec::new() };
        let user = pointer(&mut failing);
        let mount = chanson_mount_config_default();
        let closed = chanson_mount_config {
            path: c"/closed".as_ptr(),
            on_connect: Some(fails_to_connect),
            user,
            ..chanson_mount_config_default()
        };
        let channel = chanson_channel_config {
            on_join: Some(fails_to_join),
            on_event: Some(fails_to_handle),
            user,
            ..chanson_channel_config_default()
        };
        let (on_request, on_fault) = (Some(fails_to_answer as _), Some(hears_of_failures as _));
        let on_log = Some(hears_of_all as _);
        let config = chanson_config { on_request, on_fault, on_log, user, ..chanson_config_default() };
        unsafe {
            let builder = builder_with(&config, &[mount, closed], &channel);
            let mut hub = null_mut();
            assert_eq!(chanson_hub_new(builder, &mut hub), OK);
            let world = World { hub };
            let mut answer: chanson_output = std::mem::zeroed();
            answer.size = size_of::<chanson_output>();
            let mut conn = 0;
            for (target, kind) in [("/closed?vsn=2.0.0", REFUSED), ("/other", RESPOND)] {
                assert_eq!(chanson_hub_connect(hub, 1, null(), &mut conn), OK);
                let request = request("GET", target);
                let open = if kind == REFUSED { chanson_hub_open } else { chanson_hub_request };
                assert_eq!(open(hub, 1, conn, &request, &mut answer), OK);
                assert_eq!((answer.kind, answer.status), (kind, 500), "{text}");
            }
            let (conn, _) = world.open("/socket/websocket?vsn=2.0.0");
            world.say(conn, r#"["1","1","fails","phx_join",{}]"#);
            world.say(conn, r#"["2","2","t","phx_join",{}]"#);
            world.say(conn, r#"["2","3","t","e",{}]"#);
            let heard = [
                r#"["1","1","fails","phx_reply",{"status":"error","response":{"reason":"join crashed"}}]"#,
                r#"["2","2","t","phx_reply",{"status":"ok","response":{}}]"#,
                r#"["2","2","t","phx_error",{"reason":"channel_crash"}]"#,
            ];
            assert_eq!(for_all(&world.sent()), heard);
            assert_eq!((chanson_hub_free(hub), chanson_builder_free(builder)), (OK, OK));
        }
        let expected = ["connect", "request", "phx_join", "e"].map(|event| (event.into(), text.into(), crashed));
        assert_eq!(failing.faults, expected);
        let how = if crashed { "panicked" } else { "failed" };
        assert_eq!(failing.log.len(), 4);
        for line in failing.log {
            assert!(line.ends_with(&format!(" {how}: {text}")), "{line}");
        }
    }
}

// --- endpoint ---

/// All that waits to be sent to a session, as `writev` would take it, a few bytes at a time.
unsafe fn drain(session: chanson_session) -> Vec<u8> {
    let mut taken = Vec::new();
    unsafe {
        loop {
            let mut iov = [chanson_iovec { data: null(), len: 0 }; 3];
            let mut count = 0;
            assert_eq!(chanson_session_pending_iov(session, iov.as_mut_ptr(), 3, &mut count), OK);
            let bytes: Vec<u8> = iov[..count]
                .iter()
                .flat_map(|piece| std::slice::from_raw_parts(piece.data.cast::<u8>(), piece.len).to_vec())
                .collect();
            let sent = bytes.len().min(7);
            taken.extend(&bytes[..sent]);
            if sent == 0 {
                return taken;
            }
            assert_eq!(chanson_session_advance(session, 5, sent), OK);
        }
    }
}

#[test]
fn an_endpoint_moves_bytes() {
    let mut room = Room::default();
    unsafe {
        let builder = room_builder(&mut room);
        let mut endpoint = null_mut();
        assert_eq!(chanson_endpoint_new(builder, null(), &mut endpoint), OK);
        let none = chanson_session { endpoint: null_mut(), conn: 0 };
        let mut sessions = [none; 2];
        let mut hosts = [0_u8; 2];
        for (n, name) in ["ann", "bob"].into_iter().enumerate() {
            let host = pointer(&mut hosts[n]);
            assert_eq!(chanson_endpoint_connect(endpoint, 1, null(), host, &mut sessions[n]), OK);
            assert_eq!(chanson_session_user(sessions[n]), host);
            let mut bytes = upgrade(&format!("/socket/websocket?vsn=2.0.0&user={name}")).into_bytes();
            bytes.extend(frame(r#"["1","1","room:1","phx_join",{}]"#));
            for byte in bytes {
                assert_eq!(chanson_session_bytes(sessions[n], 2, pointer(&mut { byte }).cast_const(), 1), OK);
            }
            let answer = String::from_utf8_lossy(&drain(sessions[n])).into_owned();
            assert!(answer.starts_with("HTTP/1.1 101 ") && answer.contains(r#""status":"ok""#), "{answer}");
        }
        drain(sessions[0]);
        let mut writable = none;
        while chanson_endpoint_poll_writable(endpoint, &mut writable) == OK {}
        let bytes = frame(r#"["1",null,"room:1","shout","hi"]"#);
        assert_eq!(chanson_session_bytes(sessions[0], 3, bytes.as_ptr().cast(), bytes.len()), OK);
        let expected = br#"[null,null,"room:1","shout","hi"]"#;
        for _ in 0..2 {
            assert_eq!(chanson_endpoint_poll_writable(endpoint, &mut writable), OK);
            let frame = drain(writable);
            assert_eq!(frame[..2], [0x81, expected.len() as u8]);
            assert_eq!(frame[2..], *expected);
        }
        assert_eq!(chanson_endpoint_poll_writable(endpoint, &mut writable), CHANSON_EMPTY);
        let mut at_ms = 0;
        assert_eq!(chanson_endpoint_poll_timeout(endpoint, &mut at_ms), OK);
        assert!((1..=60_003).contains(&at_ms), "by then somebody is idle: {at_ms}");

        // A deferred answer, by the hub that the endpoint lends.
        let bytes = frame(r#"["1","9","room:1","later",{}]"#);
        assert_eq!(chanson_session_bytes(sessions[1], 4, bytes.as_ptr().cast(), bytes.len()), OK);
        let hub = chanson_endpoint_hub(endpoint);
        assert_eq!(chanson_hub_answer(hub, room.ticket, false, json(r#"{"reason":"late"}"#)), OK);
        let answer = String::from_utf8_lossy(&drain(sessions[1])).into_owned();
        assert!(answer.contains(r#"{"status":"error","response":{"reason":"late"}}"#), "{answer}");
        let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..chanson_stats::default() };
        assert_eq!(chanson_hub_stats(hub, &mut stats), OK);
        assert_eq!((stats.connections, stats.queued_bytes, stats.accepted), (2, 0, 0));

        assert_eq!(chanson_session_close(sessions[0], 6), OK);
        assert_eq!(room.left, [chanson_leave_reason::CHANSON_DISCONNECTED as i32]);
        assert!(String::from_utf8_lossy(&drain(sessions[1])).contains("presence_diff"), "bob is told");
        assert!(chanson_session_user(sessions[0]).is_null());
        assert_eq!((chanson_endpoint_free(endpoint), chanson_builder_free(builder)), (OK, OK));
        assert_eq!((room.made, room.dropped), (2, 2));
    }
}

/// A transport that takes so many bytes at a time, and none for now when it is out of numbers.
struct Pipe {
    session: chanson_session,
    takes: Vec<isize>,
    taken: Vec<u8>,
}

unsafe extern "C" fn take(iov: *const chanson_iovec, count: usize, pipe: *mut c_void) -> isize {
    unsafe {
        let pipe = user::<Pipe>(pipe);
        assert!(chanson_session_user(pipe.session).is_null(), "the endpoint is in use");
        assert_eq!(chanson_session_advance(pipe.session, 9, 1), CHANSON_ERR_BUSY);
        let pieces = std::slice::from_raw_parts(iov, count);
        let bytes: Vec<u8> = pieces
            .iter()
            .flat_map(|piece| std::slice::from_raw_parts(piece.data.cast::<u8>(), piece.len).to_vec())
            .collect();
        let takes = pipe.takes.pop().unwrap_or(0);
        pipe.taken.extend(&bytes[..usize::try_from(takes).unwrap_or(0).min(bytes.len())]);
        takes
    }
}

#[test]
fn a_session_transmits_as_the_transport_takes() {
    const BLOCKED: u32 = CHANSON_NEXT_BLOCKED as u32;
    const WANTS: u32 = CHANSON_NEXT_WANTS_BYTES as u32;
    let mut room = Room::default();
    unsafe {
        let builder = room_builder(&mut room);
        let mut endpoint = null_mut();
        assert_eq!(chanson_endpoint_new(builder, null(), &mut endpoint), OK);
        let mut session = chanson_session { endpoint, conn: 0 };
        let mut host = 0_u8;
        assert_eq!(chanson_endpoint_connect(endpoint, 1, null(), pointer(&mut host), &mut session), OK);
        let mut pipe = Pipe { session, takes: vec![], taken: vec![] };
        let mut next = u32::MAX;
        let mut transmit = |session, takes: &[isize], next: &mut u32| {
            pipe.takes = takes.iter().rev().copied().collect();
            let code = chanson_session_transmit(session, 2, Some(take), pointer(&mut pipe), next);
            (code, std::mem::take(&mut pipe.taken))
        };
        assert_eq!((transmit(session, &[], &mut next), next), ((OK, vec![]), WANTS), "nothing is pending");

        let hello = upgrade("/socket/websocket?vsn=2.0.0&user=ann");
        assert_eq!(chanson_session_bytes(session, 2, hello.as_ptr().cast(), hello.len()), OK);
        let (code, mut taken) = transmit(session, &[3, 4], &mut next);
        assert_eq!((code, taken.as_slice(), next), (OK, b"HTTP/1.".as_slice(), BLOCKED | WANTS));
        // More than there was is all there was.
        let (code, rest) = transmit(session, &[isize::MAX], &mut next);
        taken.extend(rest);
        assert_eq!((code, next, taken.ends_with(b"\r\n\r\n")), (OK, WANTS, true));

        // Many pieces at once, in order.
        let join = frame(r#"["1","1","room:1","phx_join",{}]"#);
        assert_eq!(chanson_session_bytes(session, 3, join.as_ptr().cast(), join.len()), OK);
        let hub = chanson_endpoint_hub(endpoint);
        let payload = |n: usize| format!("\"{n}{}\"\0", "x".repeat(5000));
        for n in 0..100 {
            let payload = payload(n);
            let code = chanson_hub_broadcast_str(hub, c"room:1".as_ptr(), c"n".as_ptr(), payload.as_ptr().cast());
            assert_eq!(code, OK);
        }
        let (code, taken) = transmit(session, &[isize::MAX; 300], &mut next);
        assert_eq!((code, next), (OK, WANTS));
        let text = String::from_utf8_lossy(&taken).into_owned();
        let found: Vec<usize> = (0..100).filter_map(|n| text.find(payload(n).trim_end_matches('\0'))).collect();
        assert!(found.len() == 100 && found.is_sorted());

        // A transport that has failed, and a session that is over.
        let code = chanson_hub_broadcast_str(hub, c"room:1".as_ptr(), c"n".as_ptr(), null());
        assert_eq!((code, transmit(session, &[-1], &mut next).0, next), (OK, CHANSON_ERR_IO, 0));
        assert_eq!(read_c(chanson_endpoint_error(endpoint)), "the transport has failed");
        assert_eq!(chanson_session_eof(session, 4), OK);
        assert_eq!(transmit(session, &[isize::MAX; 9], &mut next).0, OK);
        assert_ne!(next & CHANSON_NEXT_FINISHED as u32, 0);
        let missing = chanson_session_transmit(session, 5, None, null_mut(), &mut next);
        assert_eq!(missing, CHANSON_ERR_NULL);
        assert_eq!(chanson_session_transmit(session, 5, Some(take), null_mut(), null_mut()), CHANSON_ERR_NULL);
        assert_eq!(chanson_session_close(session, 6), OK);
        assert_eq!(transmit(session, &[1], &mut next).0, CHANSON_ERR_UNKNOWN_CONN);
        assert_eq!((chanson_endpoint_free(endpoint), chanson_builder_free(builder)), (OK, OK));
    }
}

// --- server and client ---

/// What a client has heard: kind, reason, topic, and what is of interest.
struct Heard {
    events: Vec<(i32, i32, String, String)>,
    channel: u64,
    /// The ends of pushes.
    ends: Vec<(i32, bool, String)>,
    /// Ends after the client was freed.
    orphans: usize,
}

impl Heard {
    fn new() -> *mut Self {
        Box::into_raw(Box::new(Self { events: vec![], channel: u64::MAX, ends: vec![], orphans: 0 }))
    }
}

unsafe extern "C" fn hear(client: *mut chanson_client, event: *const chanson_client_event, heard: *mut c_void) {
    unsafe {
        let (event, heard) = (&*event, user::<Heard>(heard));
        let (name, key) = (read(event.event), read(event.key));
        let more = match (name.is_empty(), key.is_empty()) {
            (false, _) => format!("{name} {}", read_payload(event.payload)),
            (_, false) => key,
            _ => read_payload(event.payload),
        };
        heard.events.push((event.kind, event.reason, read(event.topic), more));
        // A callback may call its client.
        if event.kind == CHANSON_CLIENT_CONNECTED as i32 && heard.channel == u64::MAX {
            let joined = chanson_client_join_str(client, c"room:1".as_ptr(), c"{\"n\":1}".as_ptr(), &mut heard.channel);
            assert_eq!(joined, OK);
            assert_eq!(chanson_client_track_presence(client, heard.channel), OK);
            let user = pointer(heard);
            let pushed =
                chanson_client_push_str(client, heard.channel, c"echo".as_ptr(), c"[7]".as_ptr(), Some(ended), user);
            assert_eq!(pushed, OK);
        }
    }
}

unsafe extern "C" fn ended(client: *mut chanson_client, event: *const chanson_client_event, heard: *mut c_void) {
    unsafe {
        let (event, heard) = (&*event, user::<Heard>(heard));
        heard.orphans += usize::from(client.is_null());
        heard.ends.push((event.kind, event.ok, read_payload(event.payload)));
    }
}

use chanson_client_event_kind::*;
use chanson_client_reason::*;

/// Turns server and client until something is so.
unsafe fn until(server: *mut chanson_server, client: *mut chanson_client, so: impl Fn() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < Duration::from_secs(30), "it takes too long");
        unsafe {
            assert_eq!(chanson_server_poll(server, 0), OK);
            assert_eq!(chanson_client_poll(client, 1), OK);
        }
    }
}

unsafe fn kinds(heard: *const Heard) -> Vec<i32> {
    unsafe { (*heard).events.iter().map(|event| event.0).collect() }
}

#[test]
fn a_client_talks_to_a_server() {
    let mut room = Room::default();
    let heard = Heard::new();
    unsafe {
        let builder = room_builder(&mut room);
        let mut server = null_mut();
        assert_eq!(chanson_server_bind(builder, c"127.0.0.1:0".as_ptr(), null(), &mut server), OK);
        let remote = chanson_server_remote(server);
        let url = format!("ws://127.0.0.1:{}/socket\0", chanson_server_port(server));
        let param = chanson_header { name: text("user"), value: text("ann") };
        let waits = [1, 2];
        let config = chanson_client_config {
            url: url.as_ptr().cast::<c_char>(),
            params: &param,
            param_count: 1,
            reconnect: chanson_backoff {
                steps_ms: waits.as_ptr(),
                step_count: 2,
                then_ms: 3,
                max_attempts: 4,
                jitter_percent: 50,
            },
            on_event: Some(hear),
            user: heard.cast(),
            ..chanson_client_config_default()
        };
        let mut client = null_mut();
        assert_eq!(chanson_client_new(&config, &mut client), OK);
        #[cfg(unix)]
        assert!(chanson_client_fd(client) >= 0 && chanson_server_fd(server) >= 0);
        until(server, client, || {
            !(*heard).ends.is_empty() && kinds(heard).contains(&(CHANSON_CLIENT_PRESENCE_SYNC as i32))
        });
        assert_eq!((*heard).ends, [(CHANSON_CLIENT_REPLY as i32, true, "[7]".to_owned())]);
        let events = std::mem::take(&mut (*heard).events);
        let joined = (CHANSON_CLIENT_JOINED as i32, 0, "room:1".to_owned(), r#"{"n":1}"#.to_owned());
        assert!(events.contains(&joined), "{events:?}");
        let came = (CHANSON_CLIENT_PRESENCE_JOIN as i32, 0, "room:1".to_owned(), "ann".to_owned());
        assert!(events.contains(&came), "{events:?}");
        let channel = (*heard).channel;
        assert!(chanson_client_is_connected(client) && chanson_client_is_joined(client, channel));
        assert_eq!(chanson_client_channel(client, text("room:1")), channel);
        let mut lent = NO_STR;
        assert_eq!(chanson_client_topic(client, channel, &mut lent), OK);
        assert_eq!(read(lent), "room:1");
        assert_eq!(chanson_client_presence(client, channel, &mut lent), OK);
        let list = read(lent);
        assert!(list.starts_with(r#"[{"key":"ann","metas":[{"#) && list.contains(r#""on":true"#), "{list}");

        // From outside of the server's thread, if there were one.
        assert_eq!(chanson_remote_broadcast(remote, text("room:1"), text("news"), json("[1]")), OK);
        let news = (CHANSON_CLIENT_MESSAGE as i32, 0, "room:1".to_owned(), "news [1]".to_owned());
        until(server, client, || (*heard).events.contains(&news));
        let (mut asked, mut who, mut count) = (null_mut(), null_mut(), 0);
        assert_eq!(chanson_remote_subscriber_count(remote, text("room:1"), &mut asked), OK);
        assert_eq!(chanson_remote_presence(remote, text("room:1"), &mut who), OK);
        assert_eq!(chanson_query_count(asked, 1, &mut count), CHANSON_EMPTY, "the server has not turned");
        assert_eq!(chanson_query_count(who, -1, &mut count), CHANSON_ERR_WRONG_KIND);
        assert_eq!(chanson_query_presence(asked, -1, &mut lent), CHANSON_ERR_WRONG_KIND);
        assert_eq!(chanson_server_poll(server, 0), OK);
        for _ in 0..2 {
            assert_eq!((chanson_query_count(asked, -1, &mut count), count), (OK, 1), "an answer stays");
            assert_eq!(chanson_query_presence(who, 0, &mut lent), OK);
            assert!(read(lent).starts_with(r#"[{"key":"ann","meta":{"#), "{}", read(lent));
        }
        assert_eq!((chanson_query_free(asked), chanson_query_free(who)), (OK, OK));
        let mut ping = 0;
        assert_eq!(chanson_client_ping(client, &mut ping), OK);
        until(server, client, || kinds(heard).contains(&(CHANSON_CLIENT_PONG as i32)));

        // Pushes without a callback end as events; one that is not answered in time; one that is deferred.
        let ends = heard.cast();
        assert_eq!(chanson_client_push_str(client, channel, c"what".as_ptr(), null(), None, null_mut()), OK);
        until(server, client, || kinds(heard).contains(&(CHANSON_CLIENT_REPLY as i32)));
        (*heard).ends.clear();
        let (late, none) = (text("later"), json("{}"));
        let mut push = u64::MAX;
        assert_eq!(chanson_client_push_within(client, channel, late, none, 5, Some(ended), ends, &mut push), OK);
        assert_ne!(push, u64::MAX);
        until(server, client, || !(*heard).ends.is_empty());
        assert_eq!((&(*heard).ends)[0].0, CHANSON_CLIENT_TIMEOUT as i32);
        room.ticket = 0;
        assert_eq!(chanson_client_push(client, channel, late, none, Some(ended), ends, null_mut()), OK);
        let ticket = &raw const room.ticket;
        until(server, client, || *ticket != 0);
        assert_eq!(chanson_remote_answer(remote, *ticket, false, json(r#"{"reason":"no"}"#)), OK);
        until(server, client, || (*heard).ends.len() == 2);
        assert_eq!((&(*heard).ends)[1], (CHANSON_CLIENT_REPLY as i32, false, r#"{"reason":"no"}"#.to_owned()));

        // It is thrown out, comes back and joins again.
        (*heard).events.clear();
        assert_eq!(chanson_remote_disconnect(remote, text("ann")), OK);
        until(server, client, || kinds(heard).contains(&(CHANSON_CLIENT_JOINED as i32)));
        let lost = (CHANSON_CLIENT_DISCONNECTED as i32, CHANSON_REASON_CONNECTION as i32);
        assert_eq!(((&(*heard).events)[0].0, (&(*heard).events)[0].1), lost);
        assert_eq!((&(*heard).events)[1].1, CHANSON_REASON_CONNECTION as i32, "the channel's");
        let mut stats = chanson_stats { size: size_of::<chanson_stats>(), ..chanson_stats::default() };
        assert_eq!(chanson_remote_stats(remote, &mut stats), OK);
        assert_eq!((stats.accepted, stats.opened, stats.commands), (2, 2, 5));

        // A push that waits when its channel is left, and one when the client is freed.
        (*heard).ends.clear();
        assert_eq!(chanson_client_push(client, channel, late, none, Some(ended), ends, null_mut()), OK);
        assert_eq!(chanson_client_leave(client, channel), OK);
        assert_eq!(chanson_client_leave(client, channel), CHANSON_ERR_NOT_JOINED);
        assert_eq!(read_c(chanson_client_error(client)), "not joined to that topic");
        let closed = (CHANSON_CLIENT_CLOSED as i32, CHANSON_REASON_LEFT as i32, "room:1".to_owned(), "{}".to_owned());
        until(server, client, || (*heard).events.contains(&closed));
        assert_eq!((*heard).ends, [(CHANSON_CLIENT_ABORTED as i32, false, "{}".to_owned())]);
        let mut other = 0;
        assert_eq!(chanson_client_join_str(client, c"room:closed".as_ptr(), null(), &mut other), OK);
        let refused = (CHANSON_CLIENT_JOIN_FAILED as i32, CHANSON_REASON_REFUSED as i32);
        until(server, client, || (*heard).events.iter().any(|event| (event.0, event.1) == refused));
        assert_eq!(chanson_client_push(client, other, late, none, Some(ended), ends, null_mut()), OK);
        let mut counters: chanson_client_counters = std::mem::zeroed();
        counters.size = size_of::<chanson_client_counters>();
        assert_eq!(chanson_client_stats(client, &mut counters), OK);
        assert_eq!((counters.open_pushes, counters.undecodable), (1, 0));

        // Parting in good order.
        (*heard).events.clear();
        assert_eq!(chanson_client_disconnect(client), OK);
        until(server, client, || chanson_client_is_settled(client));
        assert_eq!(kinds(heard), [CHANSON_CLIENT_DISCONNECTED as i32], "the channel that was refused is not joined");
        assert_eq!(((*heard).orphans, (*heard).ends.len()), (0, 1));
        assert_eq!(chanson_client_free(client), OK);
        assert_eq!(((*heard).orphans, (*heard).ends.len()), (1, 2));
        assert_eq!((&(*heard).ends)[1].0, CHANSON_CLIENT_ABORTED as i32);

        assert_eq!(chanson_server_shutdown(server), OK);
        assert_eq!(chanson_server_poll(server, 0), OK);
        assert!(chanson_server_is_finished(server) && chanson_remote_is_closed(remote));
        assert_eq!((chanson_server_free(server), chanson_remote_free(remote)), (OK, OK));
        assert_eq!(chanson_builder_free(builder), OK);
        assert_eq!(room.made, room.dropped);
        drop(Box::from_raw(heard));
    }
}

#[test]
fn a_client_that_cannot_connect_says_why_and_gives_up() {
    let heard = Heard::new();
    unsafe {
        let mut room = Room::default();
        let builder = room_builder(&mut room);
        let mut server = null_mut();
        assert_eq!(chanson_server_bind(builder, c"127.0.0.1:0".as_ptr(), null(), &mut server), OK);
        let url = format!("ws://127.0.0.1:{}/socket\0", chanson_server_port(server));
        let mut config = chanson_client_config {
            url: url.as_ptr().cast::<c_char>(),
            on_event: Some(told),
            user: heard.cast(),
            ..chanson_client_config_default()
        };
        (config.reconnect.then_ms, config.reconnect.max_attempts) = (1, 2);
        let mut client = null_mut();
        assert_eq!(chanson_client_new(&config, &mut client), OK);
        until(server, client, || (*heard).events.len() == 3);
        let refused = |retry: &str| {
            let text = format!("403 {retry} the server refused the connection with status 403");
            (CHANSON_CLIENT_CONNECT_FAILED as i32, CHANSON_REASON_REFUSED as i32, String::new(), text)
        };
        assert_eq!((*heard).events, [refused("soon"), refused("soon"), refused("never")]);
        // Told to try once more, with what was missing.
        (*heard).events.clear();
        assert_eq!(chanson_client_set_param(client, c"user".as_ptr(), c"ann".as_ptr()), OK);
        assert_eq!(chanson_client_connect(client), OK);
        until(server, client, || !(*heard).events.is_empty());
        assert_eq!((&(*heard).events)[0].0, CHANSON_CLIENT_CONNECTED as i32);
        assert_eq!(chanson_server_free(server), OK);
        (*heard).events.clear();
        let begin = Instant::now();
        while (*heard).events.len() < 3 {
            assert!(begin.elapsed() < Duration::from_secs(30));
            assert_eq!(chanson_client_poll(client, 10), OK);
        }
        let last = &(&(*heard).events)[2];
        assert_eq!((last.0, last.1), (CHANSON_CLIENT_CONNECT_FAILED as i32, CHANSON_REASON_TRANSPORT as i32));
        assert!(last.3.starts_with("0 never ") && last.3.to_lowercase().contains("refused"), "{}", last.3);
        assert_eq!((chanson_client_free(client), chanson_builder_free(builder)), (OK, OK));
        drop(Box::from_raw(heard));
    }

    unsafe extern "C" fn told(_: *mut chanson_client, event: *const chanson_client_event, heard: *mut c_void) {
        unsafe {
            let event = &*event;
            let retry = if event.retry_in_ms < 0 { "never" } else { "soon" };
            let more = format!("{} {retry} {}", event.code, read(event.text));
            user::<Heard>(heard).events.push((event.kind, event.reason, String::new(), more));
        }
    }
}

unsafe extern "C" fn on_log(level: i32, line: chanson_str, lines: *mut c_void) {
    unsafe { user::<Vec<(i32, String)>>(lines).push((level, read(line))) }
}

#[test]
fn the_log_is_a_callback_and_metrics_are_a_path() {
    let mut lines: Vec<(i32, String)> = Vec::new();
    let config = chanson_config {
        on_log: Some(on_log),
        user: pointer(&mut lines),
        metrics: c"/metrics".as_ptr(),
        ..chanson_config_default()
    };
    unsafe {
        let builder = builder_with(&config, &[chanson_mount_config_default()], &chanson_channel_config_default());
        let mut hub = null_mut();
        assert_eq!(chanson_hub_new(builder, &mut hub), OK);
        assert_eq!(chanson_builder_free(builder), OK);
        let world = World { hub };
        let (conn, _) = world.open("/socket/websocket?vsn=2.0.0&token=secret");
        assert_eq!(chanson_hub_close(hub, 0, conn, 1006), OK);
        assert_eq!(lines.len(), 2, "{lines:?}");
        assert!(lines.iter().all(|(level, line)| *level == 3 && !line.contains("secret")), "{lines:?}");
        assert!(
            lines[0].1.ends_with(r#": open at "/socket""#) && lines[1].1.ends_with(": the transport ended"),
            "{lines:?}"
        );

        let mut conn = 0;
        assert_eq!(chanson_hub_connect(hub, 0, null(), &mut conn), OK);
        let request = chanson_request {
            size: size_of::<chanson_request>(),
            method: text("GET"),
            target: text("/metrics"),
            path: NO_STR,
            headers: null(),
            header_count: 0,
            body: null(),
            body_len: 0,
        };
        let mut answer: chanson_output = std::mem::zeroed();
        answer.size = size_of::<chanson_output>();
        assert_eq!(chanson_hub_request(hub, 0, conn, &request, &mut answer), OK);
        let body = std::slice::from_raw_parts(answer.body.cast::<u8>(), answer.body_len);
        assert_eq!((answer.status, answer.header_count), (200, 1));
        assert!(std::str::from_utf8(body).unwrap().contains("\nchanson_opened_total 1\n"));
        assert_eq!(chanson_hub_free(hub), OK);
    }
}
