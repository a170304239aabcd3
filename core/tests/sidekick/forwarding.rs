//! Messages of clients on their way to the server.

use super::*;
use std::time::Duration;

const PARAMS: &str = r#"{ "roomId": "room1" }"#;

#[test]
fn a_message_goes_to_the_server_with_the_context_of_its_token() {
    let mut world = world();
    let ann = world.connect("/socket");
    announce(&mut world, "t1", CHAT, "ann");
    let data = r#"{ "when": date:2001-02-03T04:05:06.007Z, "s": set { 1, map {  } }, "é": "\ud800" }"#;
    for _ in 0..2 {
        send(&mut world, ann, "t1", CHAT, data);
        let call = calls(&mut world).remove(0);
        let expected =
            format!(r#"{{ "params": {PARAMS}, "channel": "chat", "data": {data}, "context": {{ "userId": "ann" }} }}"#);
        assert_eq!(call.body, expected);
        respond(&mut world, &call, Ok(Answer::new(204, "")));
        subscribe(&mut world, ann, "t1");
    }
    assert_eq!(stats(&world).calls, 0);
    assert_eq!(world.recv(ann).len(), 2, "subscribed, then refused; nothing about the messages");
}

#[test]
fn what_is_absent_stays_absent() {
    let mut world = world();
    let ann = world.connect("/socket");
    post_ok(&mut world, "/connection", &format!(r#"{{ "token": "t1", {CHAT} }}"#));
    world.send(ann, &format!(r#"{{ "type": "send", "token": "t1", {CHAT} }}"#));
    assert_eq!(calls(&mut world)[0].body, format!(r#"{{ "params": {PARAMS}, "channel": "chat" }}"#));
}

#[test]
fn what_the_server_says_is_wrong_reaches_the_client_as_it_was_said() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    for (response, fault, words) in [
        (Ok(Answer::new(400, r#"{ "fault": "client", "message": "no" }"#)), "client", "no"),
        (Ok(Answer::new(400, r#"{"message":"é","fault":"sidekick"}"#)), "sidekick", "é"),
        (
            Ok(Answer::new(500, "oops")),
            "server",
            "Failed to send message to server. Received: 500 - Internal Server Error",
        ),
        (Ok(Answer::new(401, "")), "server", "Failed to send message to server. Received: 401 - Unauthorized"),
        (Ok(Answer::new(302, b"\xff".to_vec())), "server", "Failed to send message to server. Received: 302 - Found"),
        (
            Ok(Answer::new(400, r#"{ "fault": "nobody", "message": "no" }"#)),
            "server",
            "Failed to send message to server. Received: 400 - Bad Request",
        ),
        (Err(CallError::Unreachable), "server", "Failed to send message to server: cannot be reached"),
        (
            Err(CallError::HungUp),
            "server",
            "Failed to send message to server: the connection ended before the answer had come",
        ),
    ] {
        send(&mut world, ann, "t1", CHAT, "1");
        let call = calls(&mut world).remove(0);
        respond(&mut world, &call, response);
        assert_eq!(world.recv(ann), [error("chat", PARAMS, fault, words)]);
    }
    assert_eq!((stats(&world).calls, stats(&world).failed_calls), (0, 8));
}

#[test]
fn messages_set_out_in_order_and_do_not_wait_for_answers_where_that_is_wanted() {
    let mut world = world_with(config().with_order_wait(Duration::ZERO), Capacity::default());
    let (ann, bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    for n in 0..3 {
        send(&mut world, ann, "t1", CHAT, &n.to_string());
    }
    send(&mut world, bob, "t2", CHAT, "9");
    let out = calls(&mut world);
    let data = |n| format!(r#""data": {n},"#);
    let said: Vec<bool> = out.iter().zip([0, 9, 1, 2]).map(|(call, n)| call.body.contains(&data(n))).collect();
    assert_eq!(said, [true; 4], "connections take turns, each has its order");
    for call in out.iter().rev() {
        respond(&mut world, call, Ok(Answer::new(204, "")));
        respond(&mut world, call, Err(CallError::TimedOut));
    }
    assert_eq!((stats(&world).calls, stats(&world).failed_calls), (0, 0), "a result counts once");
    assert!(world.recv(ann).is_empty());
}

#[test]
fn messages_of_one_token_go_one_after_the_other_and_others_do_not_wait() {
    let mut world = world();
    let (ann, bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    for n in 0..3 {
        send(&mut world, ann, "t1", CHAT, &n.to_string());
    }
    send(&mut world, bob, "t2", CHAT, "9");
    let first = calls(&mut world);
    assert_eq!(first.len(), 2);
    assert!(first[0].body.contains(r#""data": 0"#) && first[1].body.contains(r#""data": 9"#));
    respond(&mut world, &first[1], Ok(Answer::new(204, "")));
    assert!(calls(&mut world).is_empty());
    respond(&mut world, &first[0], Err(CallError::TimedOut));
    let second = calls(&mut world);
    assert!(second.len() == 1 && second[0].body.contains(r#""data": 1"#));
    respond(&mut world, &first[0], Ok(Answer::new(204, "")));
    assert!(calls(&mut world).is_empty(), "a result counts once");
    respond(&mut world, &second[0], Ok(Answer::new(204, "")));
    assert!(calls(&mut world)[0].body.contains(r#""data": 2"#));
}

/// The host's turn: what is due, and what is to be sent.
fn turn(world: &mut World<Sidekick>) -> Vec<Call> {
    let now = world.now();
    world.app_mut().handle_timeout(now);
    calls(world)
}

#[test]
fn a_client_that_sends_much_at_once_loses_nothing_and_a_slow_server_is_asked_about_several() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    for n in 0..2000 {
        send(&mut world, ann, "t1", CHAT, &n.to_string());
    }
    assert!(world.recv(ann).is_empty(), "nothing is refused");
    let (start, mut out, mut next) = (world.now(), turn(&mut world), 0);
    while !out.is_empty() {
        assert!(out[0].body.contains(&format!(r#""data": {next},"#)));
        next += out.len();
        world.run_for(Duration::from_millis(50));
        out.iter().for_each(|call| respond(&mut world, call, Ok(Answer::new(204, ""))));
        out = turn(&mut world);
        assert!(out.len() <= 64, "others have room");
    }
    assert_eq!((next, stats(&world).calls), (2000, 0));
    let took = world.now() - start;
    assert!(took < Duration::from_millis(250 + 50 * (2000 / 64 + 2)), "{took:?}");
}

#[test]
fn a_connection_whose_messages_hang_does_not_keep_others_from_the_server() {
    let mut world = world();
    let (ann, bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    for _ in 0..500 {
        send(&mut world, ann, "t1", CHAT, "1");
    }
    assert_eq!(turn(&mut world).len(), 1);
    let due = world.app().poll_timeout().unwrap();
    world.run_for(due - world.now());
    assert_eq!(turn(&mut world).len(), 63, "a quarter");
    assert_eq!(world.app().poll_timeout(), None);
    send(&mut world, bob, "t2", CHAT, "2");
    let out = calls(&mut world);
    assert!(out.len() == 1 && out[0].body.contains(r#""data": 2"#), "at once");
}

#[test]
fn what_was_sent_goes_to_the_server_though_its_sender_has_left() {
    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    send(&mut world, ann, "t1", CHAT, "1");
    send(&mut world, ann, "t1", CHAT, "2");
    unsubscribe(&mut world, ann, "t1");
    world.close(ann, 1000);
    let call = calls(&mut world).remove(0);
    respond(&mut world, &call, Ok(Answer::new(500, "")));
    let call = calls(&mut world).remove(0);
    assert!(call.body.contains(r#""data": 2"#) && call.body.contains(r#""userId": "t1""#));
    respond(&mut world, &call, Ok(Answer::new(204, "")));
    let stats = stats(&world);
    assert_eq!((stats.calls, stats.call_bytes, stats.active_connections), (0, 0, 0));
}

#[test]
fn a_server_in_this_program_answers_without_http() {
    use chanson_core::covenant::contract::Fault;
    use chanson_core::covenant::protocol::MessageError;

    let mut world = world();
    let ann = subscriber(&mut world, "t1");
    send(&mut world, ann, "t1", CHAT, "1");
    let call = calls(&mut world).remove(0);
    let refused = MessageError { fault: Fault::Client, message: "too loud".into() };
    world.act(|hub, sidekick| sidekick.handle_response(&mut hub.pubsub(), call.id, Err(refused)));
    assert_eq!(world.recv(ann), [error("chat", PARAMS, "client", "too loud")]);
}
