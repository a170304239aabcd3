//! Offences, records and counters.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use chanson_core::http::Request;
use chanson_core::limits::{RateAction, RateLimit};
use chanson_core::log::Level;
use chanson_core::memory::World;
use chanson_core::time::Instant;
use chanson_core::{Channel, Hub, Mount, Refuse};

fn world(mount: Mount) -> World {
    World::new(Hub::builder().seed([7; 32]).mount(mount).build().unwrap())
}

fn room() -> Channel {
    let deny = |_: &mut chanson_core::Socket<'_>, join: chanson_core::Join<'_>| match join.topic {
        "room:closed" => Err(Refuse::default()),
        _ => Ok(chanson_core::Reply::empty()),
    };
    Channel::new("room:*").join(deny).on("ping", |socket, msg| socket.reply(msg.payload))
}

const OFFENCES: [&str; 3] = [
    r#"[null,"2","nowhere","hello",{}]"#,
    r#"["2","2","room:closed","phx_join",{}]"#,
    r#"["1","2","room:a","what is this",{}]"#,
];

#[test]
fn a_thousand_offences_in_a_row_are_the_end() {
    for offence in OFFENCES {
        let mut world = world(Mount::channels("/socket").channel(room()));
        let conn = world.connect("/socket?vsn=2.0.0");
        world.send(conn, r#"["1","1","room:a","phx_join",{}]"#);
        for _ in 0..999 {
            world.send(conn, offence);
        }
        assert_eq!(world.closed(conn), None, "{offence}");
        world.send(conn, offence);
        assert_eq!(world.closed(conn), Some(1008), "{offence}");
        assert_eq!(world.stats().hub.offenders, 1);
    }
}

#[test]
fn a_good_message_begins_the_count_anew_and_a_heartbeat_does_not() {
    let mut world = world(Mount::channels("/socket").channel(room()).max_offences(3));
    let conn = world.connect("/socket?vsn=2.0.0");
    world.send(conn, r#"["1","1","room:a","phx_join",{}]"#);
    for good in [r#"["1","3","room:a","ping",{}]"#, r#"["9","9","room:b","phx_join",{}]"#] {
        world.send(conn, OFFENCES[0]);
        world.send(conn, OFFENCES[2]);
        world.send(conn, good);
    }
    world.send(conn, OFFENCES[1]);
    world.send(conn, OFFENCES[2]);
    world.send(conn, r#"[null,"3","phoenix","heartbeat",{}]"#);
    assert_eq!(world.closed(conn), None);
    world.send(conn, OFFENCES[0]);
    assert_eq!(world.closed(conn), Some(1008));
}

#[test]
fn messages_beyond_the_rate_are_offences() {
    let limit = RateLimit { burst: 5, per_second: 1, action: RateAction::Drop };
    let mut world = world(Mount::channels("/socket").channel(room()).rate_limit(limit).max_offences(10));
    let conn = world.connect("/socket?vsn=2.0.0");
    for _ in 0..4 {
        world.send(conn, r#"["1","1","room:a","phx_join",{}]"#);
    }
    world.send(conn, r#"["1","1","room:a","ping",{}]"#);
    for _ in 0..9 {
        world.send(conn, r#"["1","1","room:a","ping",{}]"#);
    }
    assert_eq!((world.closed(conn), world.stats().hub.rate_limited), (None, 9));
    world.send(conn, r#"["1","1","room:a","ping",{}]"#);
    assert_eq!(world.closed(conn), Some(1008));
}

#[test]
fn offences_can_be_switched_off() {
    let mut world = world(Mount::channels("/socket").channel(room()).max_offences(0));
    let conn = world.connect("/socket?vsn=2.0.0");
    for _ in 0..70_000 {
        world.send(conn, r#"[null,null,"nowhere","hello",{}]"#);
    }
    assert_eq!(world.closed(conn), None);
}

#[test]
fn records_tell_what_happened_and_no_secrets() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&lines);
    let crash = |_: &mut chanson_core::Socket<'_>, _: chanson_core::Event<'_>| Err::<(), _>("out of cheese");
    let hub: Hub = Hub::builder()
        .seed([7; 32])
        .mount(Mount::channels("/socket").channel(room().on("crash", crash)).idle_timeout(Duration::from_secs(5)))
        .on_log(move |record| heard.lock().unwrap().push((record.level, record.to_string())))
        .build()
        .unwrap();
    let mut world = World::new(hub);
    let conn = world.connect("/socket?vsn=2.0.0&token=hunter2");
    let id = world.conn(conn).unwrap();
    world.send(conn, r#"["1","1","room:a","phx_join",{"password":"hunter2"}]"#);
    world.send(conn, r#"["1","2","room:a","crash",{"password":"hunter2"}]"#);
    world.run_for(Duration::from_secs(6));
    let lines = lines.lock().unwrap();
    let expected = [
        (Level::Debug, r#"open at "/socket""#),
        (Level::Error, r#"the handler of "crash" on "room:a" failed: out of cheese"#),
        (Level::Debug, "closed for silence (1001)"),
    ];
    assert_eq!(lines.len(), expected.len(), "{lines:?}");
    for ((level, line), (expected_level, text)) in lines.iter().zip(expected) {
        assert_eq!((*level, line.strip_prefix(&format!("{id:?}: "))), (expected_level, Some(text)));
        assert!(!line.contains("hunter2"));
    }
}

#[test]
fn metrics_are_where_they_were_asked_for() {
    let mut hub: Hub = Hub::builder().seed([7; 32]).metrics("/metrics").build().unwrap();
    let (now, app) = (Instant::ORIGIN, &mut ());
    let conn = hub.handle_connect(now, None).unwrap();
    let answer = hub.handle_request(now, app, conn, &Request::new("GET", "/metrics?x=1", &[], b"")).unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers().next(), Some(("Content-Type", "text/plain; version=0.0.4; charset=utf-8")));
    let text = std::str::from_utf8(answer.bytes()).unwrap();
    assert!(text.starts_with("# HELP chanson_connections "), "{text}");
    assert!(text.contains("\nchanson_connections 1\n") && text.contains("\nchanson_opened_total 0\n"), "{text}");
    for (method, path) in [("POST", "/metrics"), ("GET", "/metric"), ("GET", "/metrics/")] {
        assert_eq!(hub.handle_request(now, app, conn, &Request::new(method, path, &[], b"")).unwrap().status(), 404);
    }
}
