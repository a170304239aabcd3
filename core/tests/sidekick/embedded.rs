//! A sidekick in a program that has more to do.

use super::*;
use chanson_core::covenant::protocol::{ResourceUpdate, ServerMessage};
use chanson_core::http::Response;
use chanson_core::{Channel, Mount};

struct Program {
    sidekick: Sidekick,
    visits: u32,
}

impl AsMut<Sidekick> for Program {
    fn as_mut(&mut self) -> &mut Sidekick {
        &mut self.sidekick
    }
}

/// The sidekick below a path of its own, beside channels and pages; the program's own parts talk to its clients.
fn program() -> World<Program> {
    let lobby = Channel::<Program>::new("lobby").on("visit", |socket, _| socket.app().visits += 1);
    let hub = Hub::builder()
        .seed([7; 32])
        .mount(sidekick::mount("/covenant"))
        .mount(Mount::channels("/phoenix").channel(lobby))
        .on_request(|http, request| match request.path() {
            "/visits" => Some(Response::text(200, &http.app().visits.to_string())),
            "/shout" => {
                let data = chanson_core::wire::ion::RawBuf::from_serialize("everybody out").ok()?;
                let message = ServerMessage {
                    channel: "chat".into(),
                    params: [("roomId", "room1")].into(),
                    data: Some(data.as_raw()),
                };
                let (program, mut hub) = http.split();
                program.sidekick.post_message(&mut hub, &message).ok()?;
                program.sidekick.update_resources(&mut hub, &ResourceUpdate { resources: vec!["a".into()] });
                Some(Response::text(200, "said"))
            }
            _ => sidekick::handle_request(http, request),
        })
        .build();
    World::with_app(hub.unwrap(), Program { sidekick: Sidekick::new(config()), visits: 0 })
}

#[test]
fn it_stands_beside_other_things() {
    let mut world = program();
    let phoenix = world.connect("/phoenix?vsn=2.0.0");
    world.send(phoenix, r#"["1","1","lobby","phx_join",{}]"#);
    world.send(phoenix, r#"["1","2","lobby","visit",{}]"#);
    let body = format!(r#"{{ "token": "t1", {CHAT} }}"#);
    assert_eq!(world.request("POST", "/connection", &[SECRET], body.as_bytes()).unwrap().status, 200);
    let ann = world.connect("/covenant");
    world.send(ann, r#"{ "type": "subscribe", "token": "t1" }"#);
    world.send(ann, r#"{ "type": "listen", "resources": ["a"] }"#);
    world.recv(ann);
    assert_eq!(world.request("GET", "/visits", &[], b"").unwrap().text(), "1");
    assert_eq!(world.request("GET", "/shout", &[], b"").unwrap().text(), "said");
    assert_eq!(
        world.recv(ann),
        [
            format!(r#"{{ "type": "message", {CHAT}, "data": "everybody out" }}"#),
            r#"{ "type": "updated", "resource": "a" }"#.to_owned(),
        ]
    );
    assert_eq!(world.request("GET", "/nothing", &[], b"").unwrap().text(), "Not Found");
}

#[test]
fn who_is_there_can_be_asked() {
    let mut world = world();
    let (ann, _bob) = (subscriber(&mut world, "t1"), subscriber(&mut world, "t2"));
    world.send(ann, r#"{ "type": "listen", "resources": ["a"] }"#);
    let (room, elsewhere) = ([("roomId", "room1")].into(), [("roomId", "room2")].into());
    let counts = world.act(|hub, sidekick| {
        let hub = hub.pubsub();
        let in_room = sidekick.subscriber_count(&hub, "chat", &room);
        (in_room, sidekick.subscriber_count(&hub, "chat", &elsewhere), sidekick.listener_count(&hub, "a"))
    });
    assert_eq!(counts, (2, 0, 1));
}

#[test]
fn a_message_too_long_to_be_told_is_refused() {
    let mut world = world();
    // The body can just be read; what comes of it is longer.
    let empty = format!(r#"{{ {CHAT}, "data": "" }}"#);
    let body = empty.replace(r#""""#, &format!(r#""{}""#, "x".repeat((16 << 20) - empty.len())));
    let post = |world: &mut World<Sidekick>| {
        world.act(|hub, sidekick| sidekick.handle_post(&mut hub.pubsub(), "/message", &body).status())
    };
    assert_eq!(post(&mut world), 200, "there is nobody to tell");
    let ann = subscriber(&mut world, "t1");
    assert_eq!(post(&mut world), 413);
    assert_eq!(world.recv(ann), [""; 0]);
}
