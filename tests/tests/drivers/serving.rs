//! Messages, commands and late answers over real sockets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::driver::Server;
use crate::common::{Client, hub, room, wait_until};
use chanson_core::{Accept, Channel, Hub, Mount, Refuse, Reply, Ticket};
use serde_json::json;

#[test]
fn an_echo_comes_back() {
    let server = Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap();
    let mut client = Client::joined(server.local_addr(), "room:a");
    for n in 2..50 {
        client.echo("room:a", n);
    }
}

#[test]
fn a_broadcast_of_a_handle_reaches_all_who_joined() {
    let server = Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap();
    let mut clients: Vec<_> = (0..5).map(|_| Client::joined(server.local_addr(), "room:a")).collect();
    let mut other = Client::joined(server.local_addr(), "room:b");
    let handle = server.handle();
    std::thread::spawn(move || handle.broadcast("room:a", "news", json!({ "n": 1 }))).join().unwrap().unwrap();
    for client in &mut clients {
        assert_eq!(client.hear(), r#"[null,null,"room:a","news",{"n":1}]"#);
    }
    other.echo("room:b", 2);
}

#[test]
fn a_handle_is_told_what_it_asks() {
    let room = Channel::new("room:*").join(|socket, _| {
        socket.track("ann", json!({ "on": true }))?;
        Ok(Reply::empty())
    });
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(room));
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let _client = Client::joined(server.local_addr(), "room:a");
    let handle = server.handle();
    assert_eq!(handle.subscriber_count("room:a").unwrap().recv(), Ok(1));
    assert_eq!(handle.subscriber_count("room:b").unwrap().recv(), Ok(0));
    let list = handle.presence("room:a").unwrap().recv().unwrap();
    let list = list.as_payload().json().unwrap().as_str().to_owned();
    assert!(list.contains(r#""key":"ann""#) && list.contains(r#""on":true"#), "{list}");
    assert_eq!((handle.stats().endpoint.hub.joins, handle.stats().accepted), (1, 1));
}

#[test]
fn answers_come_from_another_thread() {
    struct App(std::sync::mpsc::Sender<(Ticket, bool)>);
    let room = Channel::<App>::new("room:*").on("ask", |socket, _| {
        let ticket = socket.defer()?;
        socket.app().0.send((ticket, false)).map_err(|_| chanson_core::error::CommandError::NotAllowed)
    });
    let mount = Mount::channels("/socket").channel(room).on_connect(|connect| {
        let ticket = connect.defer()?;
        connect.app().0.send((ticket, true)).map_err(|_| Refuse::default())
    });
    let server = Server::bind("127.0.0.1:0", Hub::builder().mount(mount)).unwrap();
    let (sender, tickets) = std::sync::mpsc::channel();
    let server = server.spawn_with(App(sender)).unwrap();
    let handle = server.handle();
    let answerer = std::thread::spawn(move || {
        for (ticket, connect) in tickets {
            match connect {
                true => handle.answer_connect(ticket, Ok(Accept::new().id("u"))).unwrap(),
                false => handle.answer(ticket, Ok(Reply::json(&json!({ "late": true })))).unwrap(),
            }
        }
    });
    let mut client = Client::joined(server.local_addr(), "room:a");
    client.say(r#"["1","2","room:a","ask",{}]"#);
    assert_eq!(client.hear(), r#"["1","2","room:a","phx_reply",{"status":"ok","response":{"late":true}}]"#);
    server.handle().disconnect("u").unwrap();
    assert_eq!(client.close_code(), 1001);
    server.shutdown();
    drop(server.join().unwrap());
    answerer.join().unwrap();
}

#[test]
fn a_game_loop_pumps_the_server() {
    struct World {
        moves: u32,
    }
    let game = Channel::<World>::new("room:*").on("move", |socket, msg| {
        socket.app().moves += 1;
        socket.reply(msg.payload)
    });
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(game));
    let mut server = Server::bind("127.0.0.1:0", hub).unwrap();
    let addr = server.local_addr();
    let player = std::thread::spawn(move || {
        let mut client = Client::joined(addr, "room:a");
        let mut ticks = 0;
        for n in 2..12 {
            client.say(&format!(r#"["1","{n}","room:a","move",{{}}]"#));
            let reply = format!(r#"["1","{n}","room:a","phx_reply",{{"status":"ok","response":{{}}}}]"#);
            while client.hear() != reply {
                ticks += 1;
            }
        }
        ticks
    });
    let mut world = World { moves: 0 };
    let start = std::time::Instant::now();
    while !player.is_finished() {
        server.poll_with(&mut world, Duration::ZERO).unwrap();
        server.act(&mut world, |hub, world| hub.broadcast("room:a", "tick", json!({ "moves": world.moves }))).unwrap();
        std::thread::sleep(Duration::from_millis(2));
        assert!(start.elapsed() < crate::common::PATIENCE);
    }
    assert!(player.join().unwrap() > 0);
    assert_eq!(world.moves, 10);
}

#[test]
fn a_loop_with_a_pace_of_its_own_keeps_it_whatever_is_said() {
    let mut server = Server::bind("127.0.0.1:0", hub()).unwrap();
    let addr = server.local_addr();
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let player = std::thread::spawn(move || {
        let mut client = Client::joined(addr, "room:a");
        let (mut talked, mut ticks) = (0, 0);
        while !stopped.load(Ordering::Acquire) {
            client.say(r#"["1","2","room:a","echo",{}]"#);
            while !client.hear().contains("phx_reply") {
                ticks += 1;
            }
            talked += 1;
        }
        (talked, ticks)
    });
    let (mut next, tick) = (server.now(), Duration::from_millis(20));
    let start = next;
    for n in 1..=10 {
        next += tick;
        server.run_until(next).unwrap();
        assert!(server.now() - start >= tick * n);
        server.act(&mut (), |hub, ()| hub.broadcast("room:a", "tick", json!(n))).unwrap();
    }
    // A moment that has passed is one turn.
    server.run_until(start).unwrap();
    stop.store(true, Ordering::Release);
    while !player.is_finished() {
        server.run_until(server.now() + tick).unwrap();
    }
    let (talked, ticks) = player.join().unwrap();
    assert!(talked > 10, "it says much more than there are ticks: {talked}");
    assert!((1..=10).contains(&ticks), "{ticks}");
    server.abort(&mut ());
    // One that has ended does not wait.
    server.run_until(server.now() + Duration::from_secs(1000)).unwrap();
}

#[test]
fn a_turn_with_a_wait_of_zero_does_not_sleep_and_one_with_a_wait_does() {
    let mut server = Server::bind("127.0.0.1:0", hub()).unwrap();
    let start = std::time::Instant::now();
    for _ in 0..100 {
        server.poll(Duration::ZERO).unwrap();
    }
    assert!(start.elapsed() < Duration::from_secs(2));
    let start = std::time::Instant::now();
    server.poll(Duration::from_millis(50)).unwrap();
    server.poll(Duration::from_millis(50)).unwrap();
    assert!(start.elapsed() >= Duration::from_millis(50), "at most the first turn has something to do");
    assert_eq!(server.poll_timeout(), None);
    server.act(&mut (), |hub, ()| hub.broadcast("room:a", "x", json!({}))).unwrap();
    assert!(server.poll_timeout().is_some_and(|due| due <= server.now()));
}

#[test]
fn a_handle_makes_a_turn_that_waits_return() {
    let mut server = Server::bind("127.0.0.1:0", hub()).unwrap();
    let (handle, start) = (server.handle(), std::time::Instant::now());
    let finished = Arc::new(AtomicBool::new(false));
    let finish = Arc::clone(&finished);
    let worker = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        finish.store(true, Ordering::Release);
        handle.wake();
    });
    while !finished.load(Ordering::Acquire) {
        server.poll(Duration::from_secs(30)).unwrap();
    }
    worker.join().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[test]
fn other_mounts_and_pages_share_the_port() {
    let feed = Mount::raw("/feed").on_open(|raw| raw.subscribe("news"));
    let hub = Hub::builder()
        .mount(feed)
        .mount(Mount::channels("/socket").channel(room()))
        .on_request(|_, request| chanson_core::http::Response::text(200, request.path()));
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let (mut feed, _) = tungstenite::connect(format!("ws://{addr}/feed")).unwrap();
    let mut client = Client::joined(addr, "room:a");
    wait_until("a subscriber", || server.handle().subscriber_count("news").unwrap().recv() == Ok(1));
    server.handle().publish("news", "extra!").unwrap();
    assert_eq!(feed.read().unwrap().into_text().unwrap().as_str(), "extra!");
    client.echo("room:a", 2);
    assert!(
        crate::common::exchange(addr, b"GET /page HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").ends_with("/page")
    );
}
