//! Where ours differs from the recorded Phoenix server on purpose.
//!
//! Every scenario that is not a must stands here once, with what ours does instead and why. A scenario that is a must
//! is played as it was recorded and cannot stand here.

use crate::json::payload_text;
use crate::scenario::{Action, Scenario, phoenix_index, steps};

/// The scenarios that must be answered as they were recorded, and are.
pub fn musts() -> Vec<Scenario> {
    phoenix_index().into_iter().filter(|e| e.must).map(|e| Scenario::load("phoenix", &e.scenario)).collect()
}

/// The other scenarios, as ours is expected to answer them.
pub fn free() -> Vec<Scenario> {
    let free = phoenix_index().into_iter().filter(|entry| !entry.must);
    free.map(|entry| ours(&entry.scenario, Scenario::load("phoenix", &entry.scenario))).collect()
}

/// The row of a scenario.
///
/// # Panics
/// When a free scenario has none: someone has to decide what ours does.
fn ours(name: &str, mut scenario: Scenario) -> Scenario {
    let row = FREE.iter().find(|(row, ..)| *row == name);
    let (_, ours, _why) = row.unwrap_or_else(|| panic!("{name} is free: what does ours do? (tests/src/expect.rs)"));
    match *ours {
        Same => {}
        Closes(code) => match &mut scenario.steps.last_mut().expect("steps").action {
            Action::Closed { code: theirs, .. } => *theirs = code,
            action => panic!("{name} ends with {action:?} and not with a close"),
        },
        Status(status, header) => {
            scenario.steps.truncate(1);
            let headers = header.map_or(String::new(), |(name, value)| format!(r#""{name}":"{value}""#));
            scenario.then(&format!(
                r#"{{"conn":"{}","http_response":{{"status":{status},"headers":{{{headers}}}}}}}"#,
                scenario.steps[0].conn
            ));
        }
        Opens => {
            scenario.steps.truncate(1);
            let conn = scenario.steps[0].conn.clone();
            if matches!(scenario.steps[0].action, Action::Http(_)) {
                scenario.then(&format!(r#"{{"conn":"{conn}","http_response":{{"status":101}}}}"#));
            }
            scenario.then(&format!(r#"{{"conn":"{conn}","send":"[null,\"1\",\"phoenix\",\"heartbeat\",{{}}]"}}"#));
            let ok = r#"{\"status\":\"ok\",\"response\":{}}"#;
            scenario.then(&format!(r#"{{"conn":"{conn}","recv":"[null,\"1\",\"phoenix\",\"phx_reply\",{ok}]"}}"#));
        }
        Echoes => echoes(&mut scenario),
        Then(keep, lines) => {
            scenario.steps.truncate(keep);
            scenario.then(lines);
            scenario.variants.clear();
        }
        Either(keep, variants) => {
            let mut variants: Vec<_> = variants.iter().map(|lines| steps(lines)).collect();
            for variant in &mut variants {
                variant.splice(..0, scenario.steps[..keep].iter().cloned());
            }
            scenario.steps = variants.remove(0);
            scenario.variants = variants;
        }
        OpensAt(at, extension) => match &mut scenario.steps[0].action {
            Action::Open { path, opened, .. } => {
                *path = at.to_owned();
                opened.insert("sec-websocket-extensions".to_owned(), extension.to_owned());
            }
            action => panic!("{name} begins with {action:?}"),
        },
    }
    scenario
}

/// What a push carried comes back byte for byte, to all who get it.
fn echoes(scenario: &mut Scenario) {
    let mut payload = None;
    for step in &mut scenario.steps {
        match &mut step.action {
            Action::Send(texts) if texts.iter().all(|text| !text.contains("phx_join")) => {
                payload = texts.last().and_then(|text| payload_text(text)).map(str::to_owned);
            }
            Action::Recv(expected) => {
                let Some(payload) = &payload else { continue };
                let theirs = payload_text(&expected.json).expect("a message has a payload");
                let reply = theirs.starts_with("{\"response\":");
                let ours = if reply { format!(r#"{{"response":{payload},"status":"ok"}}"#) } else { payload.clone() };
                expected.json = expected.json.replacen(theirs, &ours, 1);
                expected.verbatim = Some(payload.clone());
            }
            _ => {}
        }
    }
}

/// What ours does in a free scenario.
#[derive(Clone, Copy, Debug)]
enum Ours {
    /// The same.
    Same,
    /// The same, but the close at the end has this code.
    Closes(u16),
    /// Answers the request with this status, and this header.
    Status(u16, Option<(&'static str, &'static str)>),
    /// Answers the request with a WebSocket that works.
    Opens,
    /// Answers with the payloads as they were sent.
    Echoes,
    /// The same for so many steps, and then this.
    Then(usize, &'static str),
    /// The same for so many steps, and then one of these.
    Either(usize, &'static [&'static str]),
    /// The same at another path, with this extension agreed on.
    OpensAt(&'static str, &'static str),
}

use Ours::*;

const UPGRADES: &str = "what an upgrade needs is RFC 6455's, the status is ours: 426 only for another version";
const ROUTES: &str = "one path, one mount: nothing is normalised but slashes";
const IDLE: &str = "an idle connection is closed with 1001, a code that every phoenix.js reconnects after";
const CLOSES: &str = "a valid close code is answered with itself, an invalid one with 1002";
const UNMATCHED: &str = "an event without a handler is answered, and the join lives on";
const VERBATIM: &str = "payloads go through byte for byte";
const ENVELOPE: &str = "topic, event and refs of a binary message must be text: it cannot be decoded";
const SEQUENTIAL: &str = "what stands behind a leave is handled in order, as if it had come later";
const V1_BINARY: &str = "binary on vsn 1 is read as JSON, as the reference does";
const LIMITS: &str = "limits count the payload of the whole message, and /socket takes 2 MiB";
const PASSED_OVER: &str = "a binary broadcast passes vsn 1 subscribers over, and its sender lives";
const PRESENCE: &str = "the order of metas under one key is free, and here each key has one";
const CORNER: &str = "what a handler does about it is its own business; nobody else may be hurt";

const FREE: &[(&str, Ours, &str)] = &[
    (
        "binary_broadcast_to_v1",
        Then(
            7,
            r#"{"conn":"b","recv_hex":"020707726f6f6d3a627662696e5f6f757478"}
            {"conn":"b","recv_hex":"01010107023132726f6f6d3a62766f6b78"}
            {"conn":"a","quiet_ms":50}
            {"conn":"b","send":"[\"1\",\"3\",\"room:bv\",\"new_msg\",{\"n\":1}]"}
            {"conn":"b","recv":"[null,null,\"room:bv\",\"new_msg\",{\"n\":1}]"}
            {"conn":"a","recv":"{\"topic\":\"room:bv\",\"event\":\"new_msg\",\"payload\":{\"n\":1},\"ref\":null}"}"#,
        ),
        PASSED_OVER,
    ),
    (
        "binary_broadcast_to_v1_among_v2",
        Then(
            10,
            r#"{"conn":"c","recv_hex":"020707726f6f6d3a62776e65775f6d736778"}
            {"conn":"b","recv_hex":"020707726f6f6d3a62776e65775f6d736778"}
            {"conn":"a","quiet_ms":50}
            {"conn":"b","send":"[\"1\",\"2\",\"room:bw\",\"ping\",{\"n\":1}]"}
            {"conn":"b","recv":"[\"1\",\"2\",\"room:bw\",\"phx_reply\",{\"response\":{\"n\":1},\"status\":\"ok\"}]"}"#,
        ),
        PASSED_OVER,
    ),
    ("connect_refused_reason", Same, "the status is the protocol, the body is free"),
    (
        "deflate_on",
        OpensAt("/deflate-takeover/websocket?vsn=2.0.0", "permessage-deflate"),
        "the mount with context takeover, as recorded; the client's window is not mentioned where it is the largest",
    ),
    ("http_bad_key", Status(400, None), UPGRADES),
    ("http_bad_vsn_plain", Status(400, None), "what is no upgrade is not asked for its version"),
    ("http_deeper_path", Same, ROUTES),
    ("http_double_slash", Same, ROUTES),
    ("http_head", Status(405, Some(("allow", "GET"))), UPGRADES),
    ("http_large_header", Same, "a head of more than 8 KiB is too large"),
    ("http_longpoll_off", Same, ROUTES),
    ("http_lower_case", Same, UPGRADES),
    ("http_no_connection", Same, UPGRADES),
    ("http_no_key", Same, UPGRADES),
    ("http_no_upgrade", Same, UPGRADES),
    ("http_no_version", Same, UPGRADES),
    ("http_options", Status(405, Some(("allow", "GET"))), UPGRADES),
    ("http_path_case", Same, ROUTES),
    ("http_path_percent", Same, ROUTES),
    ("http_plain_get", Same, UPGRADES),
    ("http_post", Status(405, Some(("allow", "GET"))), UPGRADES),
    ("http_socket_path", Opens, "some clients leave /websocket out"),
    ("http_unknown_path", Same, ROUTES),
    ("http_upgrade_other", Same, UPGRADES),
    ("http_version_12", Status(426, Some(("sec-websocket-version", "13"))), UPGRADES),
    ("idle_broadcast_does_not_keep", Closes(1001), IDLE),
    ("idle_heartbeat_keeps", Closes(1001), IDLE),
    ("idle_partial_frame", Closes(1001), IDLE),
    ("idle_timeout_no_data", Closes(1001), IDLE),
    (
        "origin_listed",
        Then(
            0,
            r#"{"conn":"a","open":"/strict/websocket?vsn=2.0.0","headers":[["Origin","https://localhost:444"]]}
            {"conn":"a","send":"[null,\"1\",\"phoenix\",\"heartbeat\",{}]"}
            {"conn":"a","recv":"[null,\"1\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
        ),
        "the rooms server has no /listed; /strict is a list of one host",
    ),
    (
        "origin_listed_sub",
        Then(
            0,
            r#"{"conn":"a","open":"/strict/websocket?vsn=2.0.0","headers":[["Origin","https://www.localhost"]]}
            {"conn":"a","http_response":{"status":403}}"#,
        ),
        "the rooms server has no /listed; /strict is a list of one host",
    ),
    ("origin_strict_empty", Same, "an empty origin is not that of a browser's page"),
    ("origin_strict_host_header", Same, "/strict names its host, the Host header does not count there"),
    ("origin_strict_same", Same, "any scheme and port of the host"),
    ("origin_strict_upper", Opens, "a host's case does not matter"),
    ("query_bad_utf8", Opens, "a parameter that nobody asks for may be anything"),
    (
        "subprotocol_match",
        Then(
            0,
            r#"{"conn":"a","open":"/socket/websocket?vsn=2.0.0","headers":[["Sec-WebSocket-Protocol","other, phx"]]}
            {"conn":"a","send":"[null,\"1\",\"phoenix\",\"heartbeat\",{}]"}
            {"conn":"a","recv":"[null,\"1\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
        ),
        "subprotocols that nobody knows are ignored, and no header is answered",
    ),
    (
        "subprotocol_server_order",
        Then(
            0,
            r#"{"conn":"a","open":"/socket/websocket?vsn=2.0.0","headers":[["Sec-WebSocket-Protocol","chat, phoenix"]],"opened_headers":{"sec-websocket-protocol":"phoenix"}}
            {"conn":"a","send":"[null,\"1\",\"phoenix\",\"heartbeat\",{}]"}
            {"conn":"a","recv":"[null,\"1\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
        ),
        "the one subprotocol we know is phoenix.js's own",
    ),
    ("subprotocol_unconfigured", Same, "subprotocols that nobody knows are ignored, and no header is answered"),
    ("v1_binary_json_on_v1", Same, V1_BINARY),
    ("v1_binary_on_v1", Same, V1_BINARY),
    (
        "v1_binary_reply_on_v1",
        Either(
            4,
            &[
                r#"{"conn":"a","recv":"{\"topic\":\"room:bin\",\"event\":\"phx_error\",\"payload\":{\"reason\":\"channel_crash\"},\"ref\":null}"}"#,
                r#"{"conn":"a","send":"{\"topic\":\"room:bin\",\"event\":\"ping\",\"payload\":{},\"ref\":\"3\"}"}
                {"conn":"a","recv":"{\"topic\":\"room:bin\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":\"3\"}"}"#,
            ],
        ),
        CORNER,
    ),
    ("v1_event_unknown_crashes", Then(4, V1_UNMATCHED), UNMATCHED),
    ("v1_huge_frame", Same, LIMITS),
    ("v1_idle_timeout", Closes(1001), IDLE),
    ("v1_join_null_refs", Same, "null stays null"),
    ("v1_payload_duplicate_keys", Echoes, VERBATIM),
    ("v1_payload_escapes", Echoes, VERBATIM),
    ("v1_payload_not_object_broadcast", Same, "a payload may be any JSON value"),
    ("v1_payload_not_object_push", Same, "a payload may be any JSON value"),
    ("v1_payload_numbers", Echoes, VERBATIM),
    ("v1_payload_numbers_broadcast", Echoes, VERBATIM),
    (
        "v1_presence_crash",
        Then(
            12,
            r#"{"conn":"b","recv":"{\"topic\":\"presence:p7-v1\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"error\",\"response\":{\"reason\":\"unmatched event\"}},\"ref\":\"2\"}"}
            {"conn":"a","quiet_ms":50}"#,
        ),
        UNMATCHED,
    ),
    ("v1_presence_rejoin", Same, PRESENCE),
    (
        "v1_presence_untrack",
        Then(
            9,
            r#"{"conn":"a","recv":"{\"topic\":\"presence:p6-v1\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"error\",\"response\":{\"reason\":\"unmatched event\"}},\"ref\":\"3\"}"}"#,
        ),
        UNMATCHED,
    ),
    ("v1_presence_update", Same, PRESENCE),
    (
        "v1_race_leave_join",
        Then(
            4,
            r#"{"conn":"a","recv":"{\"topic\":\"room:rc\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":\"2\"}"}
            {"conn":"a","recv":"{\"topic\":\"room:rc\",\"event\":\"phx_close\",\"payload\":{},\"ref\":null}"}
            {"conn":"a","recv":"{\"topic\":\"room:rc\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":\"3\"}"}
            {"conn":"a","send":"{\"topic\":\"room:rc\",\"event\":\"ping\",\"payload\":{},\"ref\":\"4\"}"}
            {"conn":"a","recv":"{\"topic\":\"room:rc\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":\"4\"}"}"#,
        ),
        SEQUENTIAL,
    ),
    (
        "v1_race_ping_close",
        Then(
            5,
            r#"{"conn":"a","recv":"{\"topic\":\"room:rc\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":\"2\"}"}
            {"conn":"a","closed":{"code":1000,"reason":""}}"#,
        ),
        SEQUENTIAL,
    ),
    ("v1_race_ping_leave", Same, SEQUENTIAL),
    ("v2_bad_binary_ref_utf8", Then(4, r#"{"conn":"a","closed":{"code":1011,"reason":""}}"#), ENVELOPE),
    (
        "v2_bad_event_empty",
        Then(
            4,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:lobby\",\"phx_reply\",{\"response\":{\"reason\":\"unmatched event\"},\"status\":\"error\"}]"}
            {"conn":"a","send":"[null,\"99\",\"phoenix\",\"heartbeat\",{}]"}
            {"conn":"a","recv":"[null,\"99\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
        ),
        UNMATCHED,
    ),
    (
        "v2_bad_event_number",
        Then(4, r#"{"conn":"a","closed":{"code":1011,"reason":""}}"#),
        "a topic or event that is no string cannot be decoded",
    ),
    (
        "v2_bad_huge_exponent",
        Then(
            4,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:lobby\",\"phx_reply\",{\"response\":{\"x\":1e400},\"status\":\"ok\"}]","verbatim":"{\"x\":1e400}"}"#,
        ),
        VERBATIM,
    ),
    (
        "v2_bad_lone_surrogate",
        Then(
            4,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:lobby\",\"phx_reply\",{\"response\":{\"x\":\"\\ud800\"},\"status\":\"ok\"}]","verbatim":"{\"x\":\"\\ud800\"}"}"#,
        ),
        VERBATIM,
    ),
    (
        "v2_bad_topic_null_join",
        Then(4, r#"{"conn":"a","closed":{"code":1011,"reason":""}}"#),
        "a topic or event that is no string cannot be decoded",
    ),
    (
        "v2_binary_empty_event",
        Then(
            4,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:bin\",\"phx_reply\",{\"response\":{\"reason\":\"unmatched event\"},\"status\":\"error\"}]"}"#,
        ),
        UNMATCHED,
    ),
    (
        "v2_binary_event_text_payload",
        Either(
            4,
            &[
                r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:bin\",\"phx_reply\",{\"response\":{\"reason\":\"unmatched event\"},\"status\":\"error\"}]"}"#,
                r#"{"conn":"a","recv":"[\"1\",\"1\",\"room:bin\",\"phx_error\",{\"reason\":\"channel_crash\"}]"}"#,
            ],
        ),
        CORNER,
    ),
    (
        "v2_binary_reply_ref_too_long",
        Either(
            4,
            &[
                r#"{"conn":"a","recv":"[\"1\",\"1\",\"room:bin\",\"phx_error\",{\"reason\":\"channel_crash\"}]"}"#,
                r#"{"conn":"a","send":"[\"1\",\"3\",\"room:bin\",\"ping\",{}]"}
                {"conn":"a","recv":"[\"1\",\"3\",\"room:bin\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
            ],
        ),
        CORNER,
    ),
    (
        "v2_event_unknown_crashes",
        Then(
            4,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:lobby\",\"phx_reply\",{\"response\":{\"reason\":\"unmatched event\"},\"status\":\"error\"}]"}
            {"conn":"a","send":"[\"1\",\"3\",\"room:lobby\",\"ping\",{}]"}
            {"conn":"a","recv":"[\"1\",\"3\",\"room:lobby\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","send":"[\"1\",null,\"room:lobby\",\"no_such_event\",{}]"}
            {"conn":"a","quiet_ms":50}"#,
        ),
        UNMATCHED,
    ),
    (
        "v2_frame_limit",
        Then(
            4,
            r#"{"conn":"a","recv":"[null,\"1\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","send_fill":{"head":"[null,\"2\",\"phoenix\",\"heartbeat\",{\"s\":\"","char":"x","count":983,"tail":"\"}]"}}
            {"conn":"a","recv":"[null,\"2\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","send_fill":{"head":"[null,\"3\",\"phoenix\",\"heartbeat\",{\"s\":\"","char":"x","count":984,"tail":"\"}]"}}
            {"conn":"a","closed":{"code":1009,"reason":""}}
            {"conn":"b","open":"/small/websocket?vsn=2.0.0"}
            {"conn":"b","send_frame":{"fin":0,"rsv":0,"opcode":1,"mask":1,"payload_fill":{"head":"[null,\"4\",\"phoenix\",\"heartbeat\",{\"s\":\"","char":"x","count":474,"tail":""}}}
            {"conn":"b","send_frame":{"fin":1,"rsv":0,"opcode":0,"mask":1,"payload_fill":{"head":"","char":"x","count":509,"tail":"\"}]"}}}
            {"conn":"b","recv":"[null,\"4\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"b","send_frame":{"fin":0,"rsv":0,"opcode":1,"mask":1,"payload_fill":{"head":"[null,\"5\",\"phoenix\",\"heartbeat\",{\"s\":\"","char":"x","count":474,"tail":""}}}
            {"conn":"b","send_frame":{"fin":1,"rsv":0,"opcode":0,"mask":1,"payload_fill":{"head":"","char":"x","count":510,"tail":"\"}]"}}}
            {"conn":"b","closed":{"code":1009,"reason":""}}"#,
        ),
        LIMITS,
    ),
    ("v2_huge_frame", Same, LIMITS),
    ("v2_idle_timeout", Closes(1001), IDLE),
    (
        "v2_join_null_join_ref",
        Then(
            3,
            r#"{"conn":"a","send":"[null,\"6\",\"room:lobby\",\"ping\",{\"x\":1}]"}
            {"conn":"a","recv":"[null,\"6\",\"room:lobby\",\"phx_reply\",{\"response\":{\"x\":1},\"status\":\"ok\"}]"}
            {"conn":"a","send":"[\"5\",\"7\",\"room:lobby\",\"ping\",{}]"}
            {"conn":"a","quiet_ms":50}
            {"conn":"a","send":"[null,\"8\",\"room:lobby\",\"push\",{\"x\":1}]"}
            {"conn":"a","recv":"[null,null,\"room:lobby\",\"pushed\",{\"x\":1}]"}
            {"conn":"a","send":"[null,\"9\",\"room:lobby\",\"phx_leave\",{}]"}
            {"conn":"a","recv":"[null,\"9\",\"room:lobby\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","recv":"[null,null,\"room:lobby\",\"phx_close\",{}]"}"#,
        ),
        "a join with join_ref null stays one in all that follows",
    ),
    ("v2_join_null_refs", Same, "null stays null"),
    ("v2_payload_duplicate_keys", Echoes, VERBATIM),
    ("v2_payload_escapes", Echoes, VERBATIM),
    (
        "v2_payload_not_object_broadcast",
        Then(
            7,
            r#"{"conn":"a","recv":"[null,null,\"room:pb\",\"new_msg\",\"text\"]"}
            {"conn":"b","recv":"[null,null,\"room:pb\",\"new_msg\",\"text\"]"}"#,
        ),
        "a payload may be any JSON value",
    ),
    (
        "v2_payload_not_object_push",
        Then(4, r#"{"conn":"a","recv":"[\"1\",null,\"room:pp\",\"pushed\",[1,2]]"}"#),
        "a payload may be any JSON value",
    ),
    ("v2_payload_numbers", Echoes, VERBATIM),
    ("v2_payload_numbers_broadcast", Echoes, VERBATIM),
    (
        "v2_presence_crash",
        Then(
            12,
            r#"{"conn":"b","recv":"[\"1\",\"2\",\"presence:p7-v2\",\"phx_reply\",{\"response\":{\"reason\":\"unmatched event\"},\"status\":\"error\"}]"}
            {"conn":"a","quiet_ms":50}"#,
        ),
        UNMATCHED,
    ),
    ("v2_presence_rejoin", Same, PRESENCE),
    (
        "v2_presence_untrack",
        Then(
            9,
            r#"{"conn":"a","recv":"[\"1\",\"3\",\"presence:p6-v2\",\"phx_reply\",{\"response\":{\"reason\":\"unmatched event\"},\"status\":\"error\"}]"}"#,
        ),
        UNMATCHED,
    ),
    ("v2_presence_update", Same, PRESENCE),
    (
        "v2_race_leave_join",
        Then(
            4,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:rc\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","recv":"[\"1\",\"1\",\"room:rc\",\"phx_close\",{}]"}
            {"conn":"a","recv":"[\"3\",\"3\",\"room:rc\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","send":"[\"3\",\"4\",\"room:rc\",\"ping\",{}]"}
            {"conn":"a","recv":"[\"3\",\"4\",\"room:rc\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
        ),
        SEQUENTIAL,
    ),
    (
        "v2_race_ping_close",
        Then(
            5,
            r#"{"conn":"a","recv":"[\"1\",\"2\",\"room:rc\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}
            {"conn":"a","closed":{"code":1000,"reason":""}}"#,
        ),
        SEQUENTIAL,
    ),
    ("v2_race_ping_leave", Same, SEQUENTIAL),
    ("vsn_spaces", Same, "a version is taken as it stands"),
    ("vsn_twice", Same, "the last of two counts"),
    ("ws_close_1000", Same, CLOSES),
    ("ws_close_1005", Same, CLOSES),
    ("ws_close_1006", Same, CLOSES),
    ("ws_close_1015", Same, CLOSES),
    ("ws_close_1016", Same, CLOSES),
    ("ws_close_2999", Same, CLOSES),
    ("ws_close_4000", Closes(4000), CLOSES),
    ("ws_close_5000", Closes(1002), CLOSES),
    ("ws_close_999", Same, CLOSES),
    ("ws_close_empty", Closes(1005), "a close without a code is answered with one without a code"),
    (
        "ws_empty_fragments",
        Then(
            4,
            r#"{"conn":"a","quiet_ms":50}
            {"conn":"a","send_frame":{"fin":1,"rsv":0,"opcode":0,"mask":1,"payload_fill":{"head":"null,\"1\",\"phoenix\",\"heartbeat\",{}","char":"]","count":1,"tail":""}}}
            {"conn":"a","recv":"[null,\"1\",\"phoenix\",\"phx_reply\",{\"response\":{},\"status\":\"ok\"}]"}"#,
        ),
        "an empty fragment is a fragment",
    ),
    ("ws_fragments_too_big", Then(2, r#"{"conn":"a","closed":{"code":1009,"reason":""}}"#), LIMITS),
];

const V1_UNMATCHED: &str = r#"{"conn":"a","recv":"{\"topic\":\"room:lobby\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"error\",\"response\":{\"reason\":\"unmatched event\"}},\"ref\":\"2\"}"}
    {"conn":"a","send":"{\"topic\":\"room:lobby\",\"event\":\"ping\",\"payload\":{},\"ref\":\"3\"}"}
    {"conn":"a","recv":"{\"topic\":\"room:lobby\",\"event\":\"phx_reply\",\"payload\":{\"status\":\"ok\",\"response\":{}},\"ref\":\"3\"}"}"#;

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_free_scenario_has_one_row_and_no_must_has_one() {
        let index = phoenix_index();
        let free: BTreeSet<&str> = index.iter().filter(|e| !e.must).map(|e| e.scenario.as_str()).collect();
        let rows: BTreeSet<&str> = FREE.iter().map(|row| row.0).collect();
        assert_eq!(free, rows);
        assert_eq!(FREE.len(), rows.len());
    }

    #[test]
    fn every_row_can_be_applied() {
        assert_eq!(musts().len() + free().len(), phoenix_index().len());
    }

    #[test]
    fn an_echo_is_what_was_sent() {
        let played = free();
        let numbers = played.iter().find(|s| s.name == "v2_payload_numbers").unwrap();
        let texts: Vec<_> = numbers
            .steps
            .iter()
            .filter_map(|step| match &step.action {
                Action::Recv(text) => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(texts[0].verbatim, None, "the join");
        assert_eq!(texts[2].json, r#"["1","3","room:lobby","phx_reply",{"response":{"n":-0},"status":"ok"}]"#);
        assert_eq!(texts[2].verbatim.as_deref(), Some(r#"{"n":-0}"#));
    }
}
