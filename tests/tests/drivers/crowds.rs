//! Many clients, and some that misbehave.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::driver::{Config, Server};
use crate::common::{Client, PATIENCE, exchange, hub, room, wait_until};
use chanson_core::limits::Capacity;
use chanson_core::{Channel, Hub, Mount, endpoint, session};
use serde_json::json;
use tungstenite::Message;

#[test]
fn one_too_many_is_answered_503_and_room_is_used_again() {
    let hub = hub().capacity(Capacity::default().with_connections(2));
    let server = Server::bind("127.0.0.1:0", hub).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let mut first = Client::joined(addr, "room:a");
    let second = Client::joined(addr, "room:a");
    let request = b"GET /socket HTTP/1.1\r\nHost: a\r\n\r\n";
    for _ in 0..100 {
        assert!(exchange(addr, request).starts_with("HTTP/1.1 503 "));
    }
    first.echo("room:a", 2);
    drop(second);
    wait_until("room", || server.handle().stats().endpoint.hub.connections == 1);
    Client::joined(addr, "room:a").echo("room:a", 2);
    wait_until("the count of all", || server.handle().stats().turned_away == 100);
}

#[test]
fn a_peer_that_does_not_read_is_closed_and_others_are_served() {
    let session = session::Config::default().with_close_timeout(Duration::from_millis(200));
    let config = Config::default().with_endpoint(endpoint::Config::default().with_session(session));
    let server = Server::bind_with("127.0.0.1:0", hub(), config).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let mut other = Client::joined(addr, "room:b");
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut flooder = Client::joined(addr, "room:a");
            let text = "x".repeat(60_000);
            let message = format!(r#"["1","2","room:a","echo",{{"text":"{text}"}}]"#);
            // Its answers are never read; at last sending fails, since the server has closed.
            while flooder.0.send(Message::text(message.as_str())).is_ok() {}
            done.store(true, Ordering::Release);
        });
        let mut n = 1;
        while !done.load(Ordering::Acquire) {
            n += 1;
            other.echo("room:b", n);
        }
    });
    wait_until("the count of one", || server.handle().stats().endpoint.slow_consumers == 1);
    other.echo("room:b", 1_000_000);
    wait_until("the end", || server.handle().stats().endpoint.hub.connections == 1);
    wait_until("the last bytes", || server.handle().stats().endpoint.queued_bytes == 0);
}

#[test]
fn any_number_of_commands_may_be_allowed() {
    let server = Server::bind("127.0.0.1:0", hub().capacity(Capacity::default().with_commands(usize::MAX))).unwrap();
    let server = server.spawn().unwrap();
    let (mut listener, handle) = (Client::joined(server.local_addr(), "room:a"), server.handle());
    for n in 0..5000 {
        handle.broadcast("room:a", "n", json!(n)).unwrap();
    }
    for n in 0..5000 {
        assert_eq!(listener.hear(), format!(r#"[null,null,"room:a","n",{n}]"#));
    }
}

#[test]
fn readers_are_not_taken_for_slow_ones_by_one_full_turn() {
    // 1.5 MB for each receiver in one turn, against a bound of 1 MiB: the sockets are written to in between.
    let hub = hub().capacity(Capacity::default().with_commands(2000));
    let config = Config::default().with_commands_per_turn(2000);
    let mut server = Server::bind_with("127.0.0.1:0", hub, config).unwrap();
    let addr = server.local_addr();
    let listeners: Vec<_> = (0..2)
        .map(|_| {
            std::thread::spawn(move || {
                let mut listener = Client::joined(addr, "room:a");
                for _ in 0..1500 {
                    assert!(listener.hear().starts_with(r#"[null,null,"room:a","n","#));
                }
            })
        })
        .collect();
    while server.hub().stats().joins < 2 {
        server.poll(PATIENCE).unwrap();
    }
    let (handle, payload) = (server.handle(), json!({ "text": "x".repeat(1000) }));
    for _ in 0..1500 {
        handle.broadcast("room:a", "n", &payload).unwrap();
    }
    server.poll(Duration::ZERO).unwrap();
    assert_eq!(server.stats().commands, 1500);
    while !listeners.iter().all(std::thread::JoinHandle::is_finished) {
        server.poll(Duration::from_millis(10)).unwrap();
    }
    listeners.into_iter().for_each(|listener| listener.join().unwrap());
    assert_eq!(server.stats().endpoint.slow_consumers, 0);
}

#[test]
fn readers_are_not_taken_for_slow_ones_by_what_is_said_at_once() {
    // Always more than 1 MiB, the bound: by the host, by one handler, and in answer to what one peer asks in a row.
    let talkative = Channel::new("talk:*")
        .on("much", |socket, _| {
            let text = "x".repeat(60_000);
            (0..40).try_for_each(|n| socket.push("piece", json!([n, text])))
        })
        .on("long", |socket, _| socket.reply(json!("x".repeat(15_000))));
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(room()).channel(talkative));
    let mut server = Server::bind("127.0.0.1:0", hub).unwrap();
    let addr = server.local_addr();
    let reader = std::thread::spawn(move || {
        let mut reader = Client::joined(addr, "room:a");
        for n in 0..1500 {
            assert!(reader.hear().starts_with(&format!(r#"[null,null,"room:a","n",[{n},"#)));
        }
        reader.say(r#"["2","2","talk:a","phx_join",{}]"#);
        assert!(reader.hear().starts_with(r#"["2","2","talk:a","phx_reply",{"status":"ok""#));
        reader.say(r#"["2","3","talk:a","much",{}]"#);
        for n in 0..40 {
            assert!(reader.hear().starts_with(&format!(r#"["2",null,"talk:a","piece",[{n},"#)));
        }
        (0..120).for_each(|n| reader.0.write(Message::text(format!(r#"["2","{n}","talk:a","long",{{}}]"#))).unwrap());
        reader.0.flush().unwrap();
        for n in 0..120 {
            assert!(reader.hear().starts_with(&format!(r#"["2","{n}","talk:a","phx_reply""#)));
        }
        reader.echo("room:a", 1);
    });
    while server.hub().stats().joins < 1 {
        server.poll(PATIENCE).unwrap();
    }
    let text = "x".repeat(1000);
    server.act(&mut (), |hub, ()| (0..1500).try_for_each(|n| hub.broadcast("room:a", "n", json!([n, text])))).unwrap();
    while !reader.is_finished() {
        server.poll(Duration::from_millis(10)).unwrap();
    }
    reader.join().unwrap();
    let stats = server.stats().endpoint;
    assert_eq!((stats.slow_consumers, stats.dropped), (0, 0));
    assert!(stats.most_queued_bytes_of_one <= (1 << 20) + 128 * 1024, "{}", stats.most_queued_bytes_of_one);
}

#[test]
fn much_said_at_once_is_not_disturbed_by_others_who_talk() {
    let mut server = Server::bind("127.0.0.1:0", hub()).unwrap();
    let addr = server.local_addr();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reader = Client::joined(addr, "room:a");
            (0..3 * 1500)
                .for_each(|n| assert!(reader.hear().starts_with(&format!(r#"[null,null,"room:a","n",[{n},"#))));
        });
        for _ in 0..4 {
            scope.spawn(|| {
                let mut talker = Client::joined(addr, "room:b");
                let mut n = 1;
                while !done.load(Ordering::Acquire) {
                    n += 1;
                    talker.echo("room:b", n);
                }
            });
        }
        while server.hub().stats().joins < 5 {
            server.poll(PATIENCE).unwrap();
        }
        let text = "x".repeat(1000);
        for from in [0, 1500, 3000] {
            let mut all = from..from + 1500;
            server
                .act(&mut (), |hub, ()| all.try_for_each(|n| hub.broadcast("room:a", "n", json!([n, text]))))
                .unwrap();
            server.poll(Duration::ZERO).unwrap();
        }
        while !reader.is_finished() {
            server.poll(Duration::from_millis(1)).unwrap();
        }
        done.store(true, Ordering::Release);
        while server.hub().stats().joins > 0 {
            server.poll(Duration::from_millis(1)).unwrap();
        }
        reader.join().unwrap();
    });
    assert_eq!(server.stats().endpoint.slow_consumers, 0);
}

#[test]
fn readers_are_not_taken_for_slow_ones_where_many_leave_at_once() {
    let channel = Channel::new("room:*").leave(|socket, _| socket.broadcast_from("left", json!("x".repeat(60_000))));
    let hub = Hub::builder().mount(Mount::channels("/socket").channel(channel));
    let mut server = Server::bind("127.0.0.1:0", hub).unwrap();
    let addr = server.local_addr();
    let reader = std::thread::spawn(move || {
        let mut reader = Client::joined(addr, "room:a");
        (0..40).for_each(|_| assert!(reader.hear().starts_with(r#"[null,null,"room:a","left""#)));
    });
    let leavers = std::thread::spawn(move || (0..40).map(|_| Client::joined(addr, "room:a")).collect::<Vec<_>>());
    while server.hub().stats().joins < 41 {
        server.poll(PATIENCE).unwrap();
    }
    drop(leavers.join().unwrap());
    while !reader.is_finished() {
        server.poll(Duration::from_millis(1)).unwrap();
    }
    reader.join().unwrap();
}

#[test]
fn clients_killed_in_the_middle_of_broadcasts_disturb_nobody() {
    let server = Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let mut survivor = Client::joined(addr, "room:a");
    let handle = server.handle();
    let count = 1500;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 0..count {
                while handle.broadcast("room:a", "n", json!(n)).is_err() {
                    std::thread::yield_now();
                }
                std::thread::sleep(Duration::from_micros(200));
            }
        });
        scope.spawn(|| {
            for _ in 0..100 {
                // Goes with bytes unread, so it is a reset that the server sees.
                let victim = Client::connect(addr);
                let mut stream = victim.0.get_ref();
                // An unmasked frame would be refused; a masked one with a mask of noughts is its own text.
                let text = br#"["1","1","room:a","phx_join",{}]"#;
                stream.write_all(&[&[0x81, 0x80 | text.len() as u8, 0, 0, 0, 0], &text[..]].concat()).unwrap();
                stream.read_exact(&mut [0; 1]).unwrap();
            }
        });
        for n in 0..count {
            assert_eq!(survivor.hear(), format!(r#"[null,null,"room:a","n",{n}]"#));
        }
    });
    wait_until("the victims' end", || server.handle().stats().endpoint.hub.connections == 1);
    wait_until("one join", || server.handle().stats().endpoint.hub.joins == 1);
}

#[test]
fn a_message_larger_than_what_is_read_at_once_comes_through() {
    for share in [1, 7, 4096, 1 << 20] {
        let config = Config::default().with_read_per_turn(share);
        let server = Server::bind_with("127.0.0.1:0", hub(), config).unwrap().spawn().unwrap();
        let mut client = Client::joined(server.local_addr(), "room:a");
        let text = "y".repeat(if share == 1 { 2_000 } else { 60_000 });
        client.say(&format!(r#"["1","2","room:a","new_msg",{{"text":"{text}"}}]"#));
        client.say(r#"["1","3","room:a","echo",{}]"#);
        assert_eq!(client.hear(), format!(r#"[null,null,"room:a","new_msg",{{"text":"{text}"}}]"#));
        assert_eq!(client.hear(), r#"["1","3","room:a","phx_reply",{"status":"ok","response":{}}]"#);
    }
}

#[test]
fn a_half_closed_client_is_let_go() {
    let server = Server::bind("127.0.0.1:0", hub()).unwrap().spawn().unwrap();
    let mut client = Client::joined(server.local_addr(), "room:a");
    client.say(r#"["1","2","room:a","echo",{}]"#);
    client.0.get_ref().shutdown(std::net::Shutdown::Write).unwrap();
    wait_until("the end", || server.handle().stats().endpoint.hub.connections == 0);
}

#[test]
fn a_burst_of_connections_is_served() {
    let config = Config::default().with_accepts_per_turn(3);
    let server = Server::bind_with("127.0.0.1:0", hub(), config).unwrap().spawn().unwrap();
    let addr = server.local_addr();
    let mut streams: Vec<_> = (0..300).map(|_| TcpStream::connect(addr).unwrap()).collect();
    for stream in &mut streams {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.write_all(b"GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    }
    for stream in &mut streams {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 404 "), "{answer}");
    }
}
