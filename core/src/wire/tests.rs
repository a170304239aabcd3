//! What both versions look like, byte for byte, and that everything survives the way there and back.

use proptest::prelude::*;

use super::*;
use crate::json::tests::any_json;

fn text(encode: impl FnOnce(&mut Vec<u8>) -> Result<Kind, EncodeError>) -> String {
    let mut out = Vec::new();
    assert_eq!(encode(&mut out), Ok(Kind::Text));
    String::from_utf8(out).unwrap()
}

fn binary(encode: impl FnOnce(&mut Vec<u8>) -> Result<Kind, EncodeError>) -> Vec<u8> {
    let mut out = Vec::new();
    assert_eq!(encode(&mut out), Ok(Kind::Binary));
    out
}

fn json(text: &str) -> Payload<'_> {
    Payload::Json(Json::new(text).unwrap())
}

#[test]
fn any_patch_of_the_two_versions_is_taken() {
    for (param, vsn) in [
        (None, Some(Vsn::V1)),
        (Some("1.0.0"), Some(Vsn::V1)),
        (Some("1.0.19"), Some(Vsn::V1)),
        (Some("2.0.0"), Some(Vsn::V2)),
        (Some("2.0.123456789012345678901234567890"), Some(Vsn::V2)),
        (Some("2.0.0+build.5-x"), Some(Vsn::V2)),
    ] {
        assert_eq!(Vsn::from_param(param), vsn, "{param:?}");
    }
    for refused in [
        "",
        "1",
        "2",
        "9",
        "2.0",
        "2.0.",
        "1.1.0",
        "2.1.0",
        "3.0.0",
        "2.0.0-rc.1",
        " 2.0.0",
        "2.0.0 ",
        "2.0.00",
        "2.0.01",
        "02.0.0",
        "2.0.0.0",
        "2.0.+1",
        "2.0.-1",
        "2.0.0+",
        "2.0.0+a..b",
        "2.0.0+a+b",
        "2.0.0+é",
        "2.0.x",
        "[2.0.0]",
    ] {
        assert_eq!(Vsn::from_param(Some(refused)), None, "{refused}");
    }
}

#[test]
fn server_text_has_the_forms_of_the_reference() {
    let (one, two, room) = (Ref::Json("\"1\""), Ref::Json("2"), "room:a");
    assert_eq!(
        text(|out| encode_reply(Vsn::V2, out, one, two, room, "ok", json("{}"))),
        r#"["1",2,"room:a","phx_reply",{"status":"ok","response":{}}]"#
    );
    assert_eq!(
        text(|out| encode_reply(Vsn::V1, out, one, two, room, "err\"or", json(r#"{"reason":"no"}"#))),
        r#"{"topic":"room:a","event":"phx_reply","payload":{"status":"err\"or","response":{"reason":"no"}},"ref":2}"#
    );
    assert_eq!(text(|out| encode_push(Vsn::V2, out, one, room, "e", json("1.0"))), r#"["1",null,"room:a","e",1.0]"#);
    assert_eq!(
        text(|out| encode_push(Vsn::V1, out, one, room, "e", json("[1]"))),
        r#"{"topic":"room:a","event":"e","payload":[1],"ref":null}"#
    );
    assert_eq!(text(|out| encode_broadcast(Vsn::V2, out, room, "e", json("{}"))), r#"[null,null,"room:a","e",{}]"#);
    assert_eq!(
        text(|out| Ok(encode_control(Vsn::V2, out, one, one, "a\n\u{1}", "phx_close", Json::EMPTY))),
        r#"["1","1","a\n\u0001","phx_close",{}]"#
    );
    assert_eq!(
        text(|out| Ok(encode_control(Vsn::V1, out, one, one, "a", "phx_close", Json::EMPTY))),
        r#"{"topic":"a","event":"phx_close","payload":{},"ref":"1"}"#
    );
}

/// Source: conformance `v2_binary_reply_to_text_push`, `v2_binary_empty_data`.
#[test]
fn server_binary_is_the_bytes_of_the_reference() {
    let reply = |join_ref, ref_, data| {
        binary(|out| encode_reply(Vsn::V2, out, join_ref, ref_, "room:bin", "ok", Payload::Binary(data)))
    };
    let one = Ref::Json("\"1\"");
    assert_eq!(reply(one, Ref::Text("2"), b"data"), b"\x01\x01\x01\x08\x0212room:binokdata");
    assert_eq!(reply(one, Ref::Null, b"data"), b"\x01\x01\x00\x08\x021room:binokdata");
    assert_eq!(reply(one, Ref::Json("77"), b"data"), b"\x01\x01\x02\x08\x02177room:binokdata");
    assert_eq!(reply(one, Ref::Json(r#""\u0032""#), b""), b"\x01\x01\x01\x08\x0212room:binok");
    let broadcast = binary(|out| encode_broadcast(Vsn::V2, out, "room:bin", "bin_out", Payload::Binary(b"")));
    assert_eq!(broadcast, b"\x02\x08\x07room:binbin_out");
    let push = binary(|out| encode_push(Vsn::V2, out, one, "room:bin", "bin_out", Payload::Binary(b"\xff")));
    assert_eq!(push, b"\x00\x01\x08\x071room:binbin_out\xff");
}

#[test]
fn what_has_no_binary_form_is_refused_and_nothing_written() {
    let data = Payload::Binary(b"x");
    let long = "t".repeat(256);
    let mut out = b"before".to_vec();
    let refused = [
        encode_reply(Vsn::V1, &mut out, Ref::Null, Ref::Null, "t", "ok", data),
        encode_push(Vsn::V1, &mut out, Ref::Null, "t", "e", data),
        encode_broadcast(Vsn::V1, &mut out, "t", "e", data),
        encode_broadcast(Vsn::V2, &mut out, &long, "e", data),
        encode_push(Vsn::V2, &mut out, Ref::Text(&long), "t", "e", data),
        encode_reply(Vsn::V2, &mut out, Ref::Null, Ref::Json("[1]"), "t", "ok", data),
        encode_reply(Vsn::V2, &mut out, Ref::Json(r#"{"k":1}"#), Ref::Null, "t", "ok", data),
        encode_reply(Vsn::V2, &mut out, Ref::Json(r#""\ud800""#), Ref::Null, "t", "ok", data),
    ];
    let (unsupported, too_large) = (EncodeError::BinaryUnsupported, EncodeError::TooLarge { len: 256, max: 255 });
    let expected = [[unsupported; 3].as_slice(), &[too_large; 2], &[EncodeError::RefNotText; 3]].concat();
    assert_eq!(refused.map(Result::unwrap_err), expected.as_slice());
    assert_eq!(out, b"before");
    assert!(encode_broadcast(Vsn::V2, &mut out, &long[1..], "e", data).is_ok());
}

#[test]
fn vsn_2_text_is_an_array_of_five_or_more() {
    let message = decode_text(Vsn::V2, " \n[ \"1\" ,\t\"2\",\"room:lobby\" , \"ping\",\r\n{ \"x\" : 1 } ] \n").unwrap();
    assert_eq!((message.join_ref, message.ref_), (Ref::Text("1"), Ref::Text("2")));
    assert_eq!((message.topic, message.event), ("room:lobby".into(), "ping".into()));
    assert_eq!(message.payload, json("{ \"x\" : 1 }"));
    assert!(decode_text(Vsn::V2, r#"["1","2","room:lobby","ping",{"x":1},"extra",7]"#).is_ok());
    let odd = decode_text(Vsn::V2, r#"[true,{"k":"v"},"a","b",null]"#).unwrap();
    assert_eq!((odd.join_ref, odd.ref_), (Ref::Json("true"), Ref::Json(r#"{"k":"v"}"#)));
}

#[test]
fn vsn_1_text_is_an_object_whose_first_fields_count() {
    let message = decode_text(
        Vsn::V1,
        r#"{"more":[{}],"\\u0074opic":"no","\u0074opic":"a\"b","event":"e","topic":5,"payload":1,"payload":2,"ref":null,"join_ref":"7"}"#,
    )
    .unwrap();
    assert_eq!((message.topic, message.event), ("a\"b".into(), "e".into()));
    assert_eq!((message.join_ref, message.ref_), (Ref::Text("7"), Ref::Null));
    assert_eq!(message.payload, json("1"));
}

#[test]
fn each_broken_rule_has_a_name() {
    use DecodeError::*;
    for (vsn, text, error) in [
        (Vsn::V2, "", MalformedJson),
        (Vsn::V2, "[", MalformedJson),
        (Vsn::V2, r#"["1","2","t","e",{}] x"#, MalformedJson),
        (Vsn::V2, r#"["1","2","t","e",{},]"#, MalformedJson),
        (Vsn::V2, "\u{feff}[null,null,\"t\",\"e\",{}]", MalformedJson),
        (Vsn::V2, "[]", NotAnArrayOfFive),
        (Vsn::V2, r#"["1","2","t","e"]"#, NotAnArrayOfFive),
        (Vsn::V2, "null", NotAnArrayOfFive),
        (Vsn::V2, r#"{"topic":"t"}"#, NotAnArrayOfFive),
        (Vsn::V2, r#"["1","2",null,"e",{}]"#, TopicNotString),
        (Vsn::V2, r#"["1","2","t",5,{}]"#, EventNotString),
        (Vsn::V2, r#"["1","2","\ud800","e",{}]"#, LoneSurrogate),
        (Vsn::V1, "{", MalformedJson),
        (Vsn::V1, "{,}", MalformedJson),
        (Vsn::V1, r#"{"a":1,}"#, MalformedJson),
        (Vsn::V1, "[]", NotAnObject),
        (Vsn::V1, "42", NotAnObject),
        (Vsn::V1, r#"{"event":"e","payload":{},"ref":"2"}"#, MissingTopic),
        (Vsn::V1, r#"{"topic":"t","payload":{},"ref":"2"}"#, MissingEvent),
        (Vsn::V1, r#"{"topic":"t","event":"e","ref":"2"}"#, MissingPayload),
        (Vsn::V1, r#"{"topic":"t","event":"e","payload":{}}"#, MissingRef),
        (Vsn::V1, r#"{"topic":{},"event":"e","payload":{},"ref":"2"}"#, TopicNotString),
    ] {
        assert_eq!(decode_text(vsn, text).unwrap_err(), error, "{text}");
    }
    for (vsn, data, error) in [
        (Vsn::V2, &b""[..], MalformedBinary),
        (Vsn::V2, b"\x00\x01\x01", MalformedBinary),
        (Vsn::V2, b"\x00\x01\x01\xff\x0312room:bin", MalformedBinary),
        (Vsn::V2, b"\x09\x01\x01\x08\x0312room:binbinx", MalformedBinary),
        (Vsn::V2, b"\x01\x01\x01\x08\x0312room:binbinx", MalformedBinary),
        (Vsn::V2, b"\x00\x01\x01\x02\x0312\xff\xfebinx", BinaryNotUtf8),
        (Vsn::V2, b"\x00\x01\x01\x08\x031\xffroom:binackx", BinaryNotUtf8),
        (Vsn::V1, b"\x00\x01\x01\x08\x0312room:binbinx", MalformedJson),
        (Vsn::V1, b"\"\xff\"", BinaryNotUtf8),
    ] {
        assert_eq!(decode_binary(vsn, data).unwrap_err(), error, "{data:?}");
    }
}

#[test]
fn binary_from_a_client_has_no_null_refs() {
    let message = decode_binary(Vsn::V2, b"\x00\x01\x01\x08\x0312room:binbin\xff\x00").unwrap();
    assert_eq!((message.join_ref, message.ref_), (Ref::Text("1"), Ref::Json("\"2\"")));
    assert_eq!((message.topic, message.event), ("room:bin".into(), "bin".into()));
    assert_eq!(message.payload, Payload::Binary(b"\xff\x00"));
    let bare = decode_binary(Vsn::V2, &[0; 5]).unwrap();
    assert_eq!((bare.join_ref, bare.ref_, bare.payload), (Ref::Text(""), Ref::Text(""), Payload::Binary(b"")));
    assert!(!bare.ref_.is_null());
    let text = decode_binary(Vsn::V1, br#"{"topic":"t","event":"e","payload":{},"ref":"2"}"#).unwrap();
    assert_eq!(text.payload, json("{}"));
}

#[test]
fn refs_are_compared_by_type_and_value() {
    let same = [
        ("\"1\"", r#""\u0031""#),
        ("\"\"", "\"\""),
        (r#""\ud800""#, r#""\ud800""#),
        ("1", "1"),
        ("0", "-0"),
        ("1.0", "10e-1"),
        ("1e400", "1e400"),
        ("true", "true"),
        ("[1]", "[1]"),
        ("null", "null"),
    ];
    let different = [
        ("\"1\"", "1"),
        ("1", "1.0"),
        ("\"\"", "null"),
        ("0.0", "-0.0"),
        ("1e400", "1e401"),
        ("true", "false"),
        ("\"true\"", "true"),
        (r#""\ud800""#, r#""\ud801""#),
        ("123456789012345678901", "123456789012345678902"),
        ("\"null\"", "null"),
    ];
    for (pairs, equal) in [(&same, true), (&different, false)] {
        for (a, b) in pairs.map(|(a, b)| (Ref::from_json(a), Ref::from_json(b))) {
            assert_eq!(a == b, equal, "{a:?} {b:?}");
            assert_eq!(b == a, equal, "{a:?} {b:?}");
            assert_eq!(RefBuf::from(a) == RefBuf::from(b), equal, "{a:?} {b:?}");
        }
    }
    assert!(
        Ref::Text("1") != Ref::Json("1") && Ref::Text("") != Ref::Null && Ref::Text("a") == Ref::Json("\"\\u0061\"")
    );
}

#[test]
fn owned_refs_are_small_and_errors_too() {
    assert!(size_of::<RefBuf>() <= 24);
    assert!(size_of::<DecodeError>() <= 1 && size_of::<EncodeError>() <= 24);
    assert!(RefBuf::default().as_ref().is_null());
}

fn any_ref() -> impl Strategy<Value = RefBuf> {
    prop_oneof![
        Just(RefBuf::default()),
        "[0-9]{1,6}".prop_map(|text| RefBuf::from(Ref::Text(&text))),
        any::<String>().prop_map(|text| RefBuf::from(Ref::Text(&text))),
        any_json().prop_map(|text| RefBuf::from(Ref::from_json(&text))),
    ]
}

fn any_vsn() -> impl Strategy<Value = Vsn> {
    prop_oneof![Just(Vsn::V1), Just(Vsn::V2)]
}

/// At most 255 bytes, as binary frames can carry.
fn short() -> impl Strategy<Value = String> {
    "\\PC{0,60}"
}

/// An element of a message: as clients write it, and otherwise.
fn any_element() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => "\"[a-z0-9:é]{0,20}\"",
        2 => Just("null".to_owned()),
        2 => any_json(),
        1 => "\"[a\\\\\"u\t]{0,4}\"",
        1 => "[a\", ]{0,3}",
    ]
}

proptest! {
    #[test]
    fn what_a_client_says_in_text_is_heard(
        vsn in any_vsn(), refs in (any_ref(), any_ref()), topic in any::<String>(), event in any::<String>(), payload in any_json(),
    ) {
        let said = Message {
            join_ref: refs.0.as_ref(), ref_: refs.1.as_ref(), topic: topic.into(), event: event.into(), payload: json(&payload),
        };
        let sent = text(|out| encode_message(vsn, out, &said));
        prop_assert_eq!(decode_text(vsn, &sent).unwrap(), said.clone());
        prop_assert_eq!(decode_server_text(vsn, &sent).unwrap(), said);
    }

    /// What clients write is read by a short cut, which white space before it bars.
    #[test]
    fn both_ways_to_read_an_array_agree(elements in prop::collection::vec(any_element(), 4..7), end in "\\]|\\] |\\]x|") {
        let text = format!("[{}{end}", elements.join(","));
        let barred = format!(" {text}");
        prop_assert_eq!(decode_text(Vsn::V2, &text), decode_text(Vsn::V2, &barred));
    }

    #[test]
    fn what_a_client_says_in_binary_is_heard(
        refs in (short(), short()), topic in short(), event in short(), data in any::<Vec<u8>>(),
    ) {
        let said = Message {
            join_ref: Ref::Text(&refs.0), ref_: Ref::Text(&refs.1), topic: topic.into(), event: event.into(),
            payload: Payload::Binary(&data),
        };
        let sent = binary(|out| encode_message(Vsn::V2, out, &said));
        prop_assert_eq!(decode_binary(Vsn::V2, &sent).unwrap(), said);
    }

    #[test]
    fn what_a_server_says_in_text_is_heard(
        vsn in any_vsn(), refs in (any_ref(), any_ref()), topic in any::<String>(), word in any::<String>(), payload in any_json(),
    ) {
        let (join_ref, ref_) = (refs.0.as_ref(), refs.1.as_ref());
        let heard_join_ref = if vsn == Vsn::V1 { Ref::Null } else { join_ref };
        let message = |join_ref, ref_, event, payload| Message {
            join_ref, ref_, topic: topic.as_str().into(), event: Cow::Owned(event), payload,
        };

        let sent = text(|out| encode_push(vsn, out, join_ref, &topic, &word, json(&payload)));
        let push = message(heard_join_ref, Ref::Null, word.clone(), json(&payload));
        prop_assert_eq!(decode_server_text(vsn, &sent).unwrap(), push);

        let sent = text(|out| encode_broadcast(vsn, out, &topic, &word, json(&payload)));
        let broadcast = message(Ref::Null, Ref::Null, word.clone(), json(&payload));
        prop_assert_eq!(decode_server_text(vsn, &sent).unwrap(), broadcast);

        let sent = text(|out| encode_reply(vsn, out, join_ref, ref_, &topic, &word, json(&payload)));
        let body = format!("{{\"status\":{},\"response\":{payload}}}", String::from_utf8({
            let mut out = Vec::new();
            json::escape_into(&mut out, &word);
            out
        }).unwrap());
        let reply = message(heard_join_ref, ref_, "phx_reply".to_owned(), json(&body));
        prop_assert_eq!(decode_server_text(vsn, &sent).unwrap(), reply);
    }

    #[test]
    fn what_a_server_says_in_binary_is_heard(
        refs in ("[0-9a-z]{1,9}", "[0-9a-z]{1,9}"), topic in short(), word in short(), data in any::<Vec<u8>>(),
    ) {
        let (join_ref, ref_) = (Ref::Text(&refs.0), Ref::Text(&refs.1));
        let payload = Payload::Binary(&data);
        let message = |join_ref, ref_, event: &str| Message {
            join_ref, ref_, topic: topic.as_str().into(), event: Cow::Owned(event.to_owned()), payload,
        };
        let sent = binary(|out| encode_push(Vsn::V2, out, join_ref, &topic, &word, payload));
        prop_assert_eq!(decode_server_binary(Vsn::V2, &sent), Ok((message(join_ref, Ref::Null, &word), None)));
        let sent = binary(|out| encode_broadcast(Vsn::V2, out, &topic, &word, payload));
        prop_assert_eq!(decode_server_binary(Vsn::V2, &sent), Ok((message(Ref::Null, Ref::Null, &word), None)));
        let sent = binary(|out| encode_reply(Vsn::V2, out, join_ref, ref_, &topic, &word, payload));
        let heard = decode_server_binary(Vsn::V2, &sent);
        prop_assert_eq!(heard, Ok((message(join_ref, ref_, "phx_reply"), Some(word.as_str()))));
    }

    #[test]
    fn refs_survive_being_owned(text in any::<String>(), literal in any_json(), digits in "[0-9]{0,40}") {
        for ref_ in [Ref::Text(&text), Ref::from_json(&literal), Ref::Text(&digits), Ref::Null] {
            let owned = RefBuf::from(ref_);
            prop_assert_eq!(owned.as_ref(), ref_);
            prop_assert_eq!(&RefBuf::from(owned.as_ref()), &owned);
            let (mut a, mut b) = (Vec::new(), Vec::new());
            ref_.write_json(&mut a);
            owned.as_ref().write_json(&mut b);
            prop_assert_eq!(a, b);
            prop_assert_eq!(ref_.plain(), owned.as_ref().plain());
        }
    }

    #[test]
    fn nothing_that_comes_is_more_than_an_error(
        vsn in any_vsn(), bytes in any::<Vec<u8>>(), sizes in any::<[u8; 4]>(), kind in 0..4_u8, text in any::<String>(),
    ) {
        let framed = [&[kind][..], &sizes.map(|size| size % 16), &bytes].concat();
        for data in [&bytes, &framed] {
            let _ = decode_binary(vsn, data);
            let _ = decode_server_binary(vsn, data);
        }
        let _ = decode_text(vsn, &text);
    }

    #[test]
    fn a_damaged_message_is_an_error_or_valid(
        vsn in any_vsn(), ref_ in any_ref(), topic in "[a-z\"\\\\é]{0,8}", payload in any_json(),
        at in any::<prop::sample::Index>(), with in r#"[\[\]{}",:0-9.eE\\u ]"#, kind in 0..3,
    ) {
        let said = Message {
            join_ref: Ref::Null, ref_: ref_.as_ref(), topic: topic.into(), event: "e".into(), payload: json(&payload),
        };
        let mut sent: Vec<char> = text(|out| encode_message(vsn, out, &said)).chars().collect();
        let at = at.index(sent.len());
        let with = with.chars().next().unwrap();
        match kind {
            0 => sent.insert(at, with),
            1 => sent[at] = with,
            _ => { sent.remove(at); }
        }
        let sent: String = sent.into_iter().collect();
        match decode_text(vsn, &sent) {
            Ok(heard) => prop_assert!(json::validate(&sent).is_ok() && heard.payload.json().is_some()),
            Err(DecodeError::MalformedJson) => prop_assert!(json::validate(&sent).is_err()),
            Err(_) => prop_assert!(json::validate(&sent).is_ok()),
        }
    }
}
