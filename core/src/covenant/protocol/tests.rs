use super::*;

fn params(list: &[(&str, &str)]) -> Params {
    list.iter().copied().collect()
}

/// As the published packages write them.
#[test]
fn what_a_client_says_is_read_and_written_as_recorded() {
    for text in [
        r#"{ "type": "subscribe", "token": "t" }"#,
        r#"{ "type": "unsubscribe", "token": "t" }"#,
        r#"{ "type": "send", "token": "t", "channel": "lobby", "params": {}, "data": { "text": "hi" } }"#,
        r#"{ "type": "send", "token": "t", "channel": "chat", "params": { "roomId": "room1" } }"#,
        r#"{ "type": "send", "token": "t", "channel": "chat", "params": {}, "data": null }"#,
        r#"{ "type": "send", "token": "t", "channel": "d", "params": {}, "data": map { 2: set { NaN } } }"#,
        r#"{ "type": "listen", "resources": ["a", "b"] }"#,
        r#"{ "type": "unlisten", "resources": [] }"#,
    ] {
        assert_eq!(Incoming::decode(text).unwrap().encode().unwrap(), text);
    }
}

#[test]
fn what_the_sidekick_says_is_read_and_written_as_recorded() {
    for text in [
        r#"{ "type": "subscribed", "channel": "chat", "params": { "roomId": "room1" } }"#,
        r#"{ "type": "unsubscribed", "channel": "chat", "params": { "roomId": "room1" } }"#,
        r#"{ "type": "message", "channel": "lobby", "params": {}, "data": { "at": date:2024-02-29T12:34:56.789Z } }"#,
        r#"{ "type": "message", "channel": "lobby", "params": {} }"#,
        r#"{ "type": "listening", "resources": ["a"] }"#,
        r#"{ "type": "unlistening", "resources": ["a"] }"#,
        r#"{ "type": "updated", "resource": "todo/list" }"#,
        r#"{ "type": "error", "error": { "channel": "chat", "params": {}, "fault": "sidekick", "message": "\"é\"" } }"#,
    ] {
        assert_eq!(Outgoing::decode(text).unwrap().encode().unwrap(), text);
    }
}

#[test]
fn the_bodies_are_read_and_written_as_recorded() {
    let text = r#"{ "token": "t", "channel": "chat", "params": { "roomId": "r" }, "context": { "userId": "ann" } }"#;
    assert_eq!(ConnectionPayload::decode(text).unwrap().encode().unwrap(), text);
    let text = r#"{ "channel": "chat", "params": { "roomId": "r" }, "data": { "text": "x" } }"#;
    assert_eq!(ServerMessage::decode(text).unwrap().encode().unwrap(), text);
    let text = r#"{ "resources": ["a", "b"] }"#;
    assert_eq!(ResourceUpdate::decode(text).unwrap().encode().unwrap(), text);
    let text = r#"{ "params": {}, "channel": "chat", "data": 1, "context": { "userId": "ann" } }"#;
    assert_eq!(ForwardedMessage::decode(text).unwrap().encode().unwrap(), text);
}

#[test]
fn order_white_space_unknown_and_repeated_properties_do_not_matter() {
    let text = "{\"x\":{\"type\":1},\"params\":{\"b\":\"2\",\"a\":\"1\"},\"data\":[1, 2 ],\n\
                \"type\":\"no\",\"token\":\"t\",\"channel\":\"chat\",\"\\u0074ype\":\"send\"}";
    let expected = params(&[("a", "1"), ("b", "2")]);
    let Incoming::Send { params, data, .. } = Incoming::decode(text).unwrap() else { panic!("another message") };
    assert_eq!((params, data.unwrap().as_str()), (expected, "[1, 2 ]"));
}

#[test]
fn what_a_message_does_not_have_may_be_anything() {
    let text = r#"{ "type": "listen", "resources": [], "token": 5, "params": "none" }"#;
    assert_eq!(Incoming::decode(text), Ok(Incoming::Listen { resources: Vec::new() }));
}

#[test]
fn half_a_surrogate_pair_passes_in_data_and_nowhere_else() {
    let text = r#"{ "type": "send", "token": "t", "channel": "c", "params": {}, "data": "\ud800" }"#;
    assert_eq!(Incoming::decode(text).unwrap().encode().unwrap(), text);
    let text = r#"{ "type": "subscribe", "token": "\ud800" }"#;
    assert_eq!(Incoming::decode(text), Err(DecodeError::Schema("token")));
}

#[test]
fn errors_say_whether_it_was_the_text_or_the_type() {
    let schema = |text| match Incoming::decode(text) {
        Err(DecodeError::Schema(name)) => name,
        other => panic!("{other:?}"),
    };
    assert_eq!(schema("[]"), "object");
    assert_eq!(schema("map {}"), "object");
    assert_eq!(schema("{}"), "type");
    assert_eq!(schema(r#"{"type":"dance"}"#), "type");
    assert_eq!(schema(r#"{"type":"subscribe"}"#), "token");
    assert_eq!(schema(r#"{"type":"subscribe","token":null}"#), "token");
    assert_eq!(schema(r#"{"type":"send","token":"t","channel":"c","params":{"a":1}}"#), "params");
    assert_eq!(schema(r#"{"type":"send","token":"t","channel":"c","params":["a"]}"#), "params");
    assert_eq!(schema(r#"{"type":"listen","resources":["a",1]}"#), "resources");
    assert_eq!(schema(r#"{"type":"listen","resources":set{"a"}}"#), "resources");
    for text in ["", "{nope", "[1, nope", "not ION", r#"{"type":"listen","resources":[]}x"#] {
        assert!(matches!(Incoming::decode(text), Err(DecodeError::Ion(_))), "{text}");
    }
    assert!(matches!(
        Outgoing::decode(r#"{"type":"error","error":{"channel":"c","params":{},"fault":"nobody","message":"m"}}"#),
        Err(DecodeError::Schema("fault"))
    ));
}

#[test]
fn what_clients_and_the_server_say_is_read_and_written_as_recorded() {
    let text = r#"{ "channel": "chat", "params": { "roomId": "r" }, "data": { "token": "ann" } }"#;
    assert_eq!(ConnectionRequest::decode(text).unwrap().encode().unwrap(), text);
    for text in [
        r#"{ "channel": "chat", "params": { "roomId": "r" }, "result": { "type": "OK", "token": "t" } }"#,
        r#"{ "channel": "c", "params": {}, "result": { "type": "ERROR", "error": { "channel": "c", "params": {}, "message": "Invalid token", "fault": "client" } } }"#,
    ] {
        assert_eq!(ConnectionResponse::decode(text).unwrap().encode().unwrap(), text);
    }
    for text in [r#"{ "procedure": "todos", "inputs": null }"#, r#"{ "procedure": "todos" }"#] {
        assert_eq!(ProcedureRequest::decode(text).unwrap().encode().unwrap(), text);
    }
    for text in [
        r#"{ "status": "OK", "data": null, "resources": ["todo/list"] }"#,
        r#"{ "status": "ERR", "error": { "message": "kaput", "code": 500 } }"#,
    ] {
        assert_eq!(ProcedureResponse::decode(text).unwrap().encode().unwrap(), text);
    }
    let odd = r#"{ "status": "ERR", "error": { "message": "", "code": -1.5 } }"#;
    assert_eq!(ProcedureResponse::decode(odd), Ok(ProcedureResponse::Err { message: "".into(), code: 500 }));
    for bad in [r#"{ "status": "OK", "data": null }"#, r#"{ "status": "ERR" }"#, r#"{ "status": "YES" }"#] {
        assert!(matches!(ProcedureResponse::decode(bad), Err(DecodeError::Schema(_))), "{bad}");
    }
}

#[test]
fn tokens_are_not_shown() {
    for text in [
        r#"{ "type": "subscribe", "token": "hush" }"#,
        r#"{ "type": "unsubscribe", "token": "hush" }"#,
        r#"{ "type": "send", "token": "hush", "channel": "c", "params": {} }"#,
    ] {
        let shown = format!("{:?}", Incoming::decode(text).unwrap());
        assert!(!shown.contains("hush"), "{shown}");
    }
    let payload = r#"{ "token": "hush", "channel": "c", "params": {}, "context": "hush" }"#;
    let shown = format!("{:?}", ConnectionPayload::decode(payload).unwrap());
    assert!(!shown.contains("hush"), "{shown}");
}
