//! Broadcasts wait for one another until somebody asks what there is to send, and leave as one piece.

use std::io::IoSlice;

use proptest::prelude::*;

use super::slow_consumers::{UPGRADE, masked};
use super::*;
use chanson_core::error::CommandError;
use chanson_core::http::Response;
use chanson_core::time::Instant;
use chanson_core::{Capacity, ConnId, Endpoint, Json};

const NOW: Instant = Instant::ORIGIN;

struct Bare {
    endpoint: Endpoint<App>,
    app: App,
    callers: Vec<ConnId>,
    members: Vec<ConnId>,
}

impl Bare {
    /// Whose callers broadcast what they post.
    fn new(capacity: Capacity, callers: usize, members: usize) -> Self {
        let room = room()
            .on("both", |socket, msg| {
                socket.broadcast("new_msg", msg.payload)?;
                socket.reply(msg.payload)?;
                socket.broadcast("new_msg", msg.payload)
            })
            .on("to_all", |socket, msg| {
                for conn in socket.app().members.clone() {
                    // Some may have left.
                    socket.push_to(conn, "alone", msg.payload).ok();
                }
                Ok::<_, CommandError>(())
            })
            .on("stop", |socket, _| {
                socket.stop();
                Ok::<_, CommandError>(())
            });
        let hub = builder().mount(Mount::channels("/socket").channel(room)).capacity(capacity);
        let hub = hub.on_request(|http, request| {
            let posted = std::str::from_utf8(request.body()).map_err(|_| "no UTF-8")?;
            http.broadcast("room:a", "posted", Json::new(posted)?)?;
            Ok::<_, Box<dyn std::error::Error>>(Response::text(200, "told"))
        });
        let endpoint = Endpoint::new(hub.build().unwrap());
        let mut bare = Self { endpoint, app: App::default(), callers: vec![], members: vec![] };
        bare.callers = (0..callers).map(|_| bare.endpoint.handle_connect(NOW, None).unwrap()).collect();
        for _ in 0..members {
            let conn = bare.endpoint.handle_connect(NOW, None).unwrap();
            bare.members.push(conn);
            bare.app.members.push(conn);
            bare.bytes(conn, UPGRADE);
            bare.bytes(conn, &masked(r#"["1","1","room:a","phx_join",{}]"#));
            bare.take(conn);
        }
        while bare.endpoint.poll_writable().is_some() {}
        bare
    }

    fn bytes(&mut self, conn: ConnId, bytes: &[u8]) {
        self.endpoint.handle_bytes(NOW, &mut self.app, conn, bytes);
    }

    fn post(&mut self, caller: usize, body: &str) {
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", body.len());
        self.bytes(self.callers[caller], (head + body).as_bytes());
    }

    /// What is pending for a connection, and in how many pieces.
    fn take(&mut self, conn: ConnId) -> (String, usize) {
        let mut slices = [IoSlice::new(&[]); 64];
        let count = self.endpoint.pending(conn, &mut slices);
        let all: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        self.endpoint.advance(NOW, conn, all.len());
        (String::from_utf8_lossy(&all).into_owned(), count)
    }
}

/// What a member is sent for that post.
fn told(body: &str) -> String {
    sent("posted", body)
}

fn sent(event: &str, body: &str) -> String {
    let text = broadcast(event, body);
    format!("\u{fffd}{}{text}", char::from(text.len() as u8))
}

#[test]
fn those_of_many_callers_are_one_piece_in_their_order() {
    let mut bare = Bare::new(Capacity::default(), 3, 2);
    for (caller, body) in ["1", "2", "3"].into_iter().enumerate() {
        bare.post(caller, body);
    }
    assert_eq!(bare.endpoint.poll_timeout(), Some(NOW), "there is something to send");
    let mut writable: Vec<ConnId> = std::iter::from_fn(|| bare.endpoint.poll_writable()).collect();
    writable.sort();
    assert_eq!(writable, [&*bare.callers, &*bare.members].concat());
    for conn in bare.members.clone() {
        assert_eq!(bare.take(conn), ([told("1"), told("2"), told("3")].concat(), 1));
    }
    for conn in bare.callers.clone() {
        let (answer, _) = bare.take(conn);
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\ntold"), "{answer}");
    }
    // Callers may have said more.
    bare.endpoint.handle_timeout(NOW, &mut bare.app);
    assert_ne!(bare.endpoint.poll_timeout(), Some(NOW));
}

#[test]
fn whoever_asks_what_is_pending_sees_them() {
    let mut bare = Bare::new(Capacity::default(), 1, 2);
    bare.post(0, "1");
    let (one, other) = (bare.members[0], bare.members[1]);
    assert_eq!(bare.take(other).0, told("1"));
    bare.post(0, "2");
    let mut sent = 0;
    let next = bare.endpoint.transmit(NOW, one, |slices| {
        sent = slices.iter().map(|slice| slice.len()).sum();
        Ok(sent)
    });
    // What is as good as one character here is one byte there.
    assert_eq!((sent, next.unwrap().blocked), (2 * (told("1").len() - 2), false));
}

#[test]
fn what_a_member_does_meanwhile_stands_behind_them() {
    let ping = masked(r#"["1","2","room:a","ping","and I"]"#);
    // Each is answered with one of its kind, which is empty too.
    let (asked, close) = (b"\x89\x80\0\0\0\0", b"\x88\x80\0\0\0\0");
    let replied = r#"["1","2","room:a","phx_reply",{"status":"ok","response":"and I"}]"#;
    for (said, answered) in [(&ping[..], replied), (asked, "\u{fffd}\0"), (close, "\u{fffd}\0")] {
        let mut bare = Bare::new(Capacity::default(), 2, 2);
        bare.post(0, "1");
        bare.post(1, "2");
        let member = bare.members[0];
        bare.bytes(member, said);
        bare.post(0, "3");
        let (text, _) = bare.take(member);
        let before = [told("1"), told("2")].concat();
        let rest = text.strip_prefix(&before).unwrap_or_else(|| panic!("{text:?}"));
        let at = rest.find(answered).unwrap_or_else(|| panic!("{rest:?}"));
        assert!(rest.find(&told("3")).is_none_or(|three| at < three), "{rest:?}");
        assert_eq!(rest.contains(&told("3")), said != close);
        assert_eq!(bare.take(bare.members[1]).0, [told("1"), told("2"), told("3")].concat());
    }
}

#[test]
fn what_the_host_and_time_do_stands_behind_them() {
    let mut bare = Bare::new(Capacity::default(), 1, 1);
    let member = bare.members[0];
    bare.post(0, "1");
    bare.endpoint.act(NOW, &mut bare.app, |hub, _| hub.broadcast("room:a", "posted", Json::new("2").unwrap())).unwrap();
    bare.post(0, "3");
    // Long after it was last heard of.
    bare.endpoint.handle_timeout(Instant::from_millis(3_600_000), &mut bare.app);
    let (text, _) = bare.take(member);
    let rest = text.strip_prefix(&[told("1"), told("2"), told("3")].concat()).unwrap_or_else(|| panic!("{text:?}"));
    assert!(rest.starts_with("\u{fffd}"), "the close frame: {rest:?}");
}

#[test]
fn a_caller_that_becomes_a_member_gets_what_comes_then() {
    let mut bare = Bare::new(Capacity::default(), 2, 1);
    bare.post(0, "1");
    let caller = bare.callers[1];
    bare.bytes(caller, &[UPGRADE, &masked(r#"["1","1","room:a","phx_join",{}]"#)].concat());
    bare.post(0, "2");
    let (text, _) = bare.take(caller);
    assert!(!text.contains(&told("1")) && text.ends_with(&told("2")), "{text:?}");
    assert_eq!(bare.take(bare.members[0]).0, [told("1"), told("2")].concat());
}

#[test]
fn one_that_goes_takes_nothing_from_the_others() {
    let mut bare = Bare::new(Capacity::default(), 1, 3);
    bare.post(0, "1");
    bare.endpoint.handle_close(NOW, &mut bare.app, bare.members[1]);
    bare.post(0, "2");
    for member in [0, 2] {
        assert_eq!(bare.take(bare.members[member]).0, [told("1"), told("2")].concat());
    }
    assert_eq!(bare.app.log, ["room:a Disconnected(TransportEof)"]);
}

#[test]
fn one_that_does_not_read_is_closed_by_them_too() {
    let bound = 20 * told("1").len();
    let mut bare = Bare::new(Capacity::default().with_queued_bytes_per_connection(bound), 1, 2);
    let (slow, quick) = (bare.members[0], bare.members[1]);
    let mut heard = 0;
    for n in 0..200 {
        bare.post(0, "1");
        bare.post(0, "2");
        while bare.endpoint.poll_writable().is_some() {}
        heard += bare.take(quick).0.len();
        if bare.endpoint.poll_timeout() == Some(NOW) {
            bare.endpoint.handle_timeout(NOW, &mut bare.app);
        }
        if !bare.app.log.is_empty() {
            assert!((9..20).contains(&n), "{n}");
            break;
        }
    }
    assert_eq!(bare.app.log, ["room:a Disconnected(SlowConsumer)"]);
    assert!(heard >= bound);
    assert_eq!(bare.endpoint.hub().subscriber_count("room:a"), 1);
    let (last, _) = bare.take(slow);
    assert!(last.contains("\u{3}\u{fffd}"), "1013: {last:?}");
}

#[test]
fn those_of_many_members_are_one_piece_to_all_others() {
    let mut bare = Bare::new(Capacity::default(), 1, 40);
    let said = |n: usize| masked(&format!(r#"["1",null,"room:a","new_msg",{n}]"#));
    let all = |to: usize| (0..to).map(|n| sent("new_msg", &n.to_string())).collect::<String>();
    for n in 0..10 {
        bare.bytes(bare.members[n], &said(n));
    }
    for n in 10..40 {
        assert_eq!(bare.take(bare.members[n]), (all(10), 1));
    }
    for n in 0..10 {
        assert_eq!(bare.take(bare.members[n]).0, all(10));
    }
    // More of them than are looked for.
    for n in 0..40 {
        bare.bytes(bare.members[n], &said(n % 10));
    }
    // What is for one alone stands behind them there, too.
    bare.bytes(bare.members[39], b"\x89\x80\0\0\0\0");
    for n in 0..39 {
        assert_eq!(bare.take(bare.members[n]).0, all(10).repeat(4));
    }
    assert_eq!(bare.take(bare.members[39]).0, all(10).repeat(4) + "\u{fffd}\0");
}

#[test]
fn a_host_that_sends_when_something_is_held_back_makes_nobody_slow() {
    for len in [10, 300, 1000, 5000] {
        let capacity = Capacity::default().with_queued_bytes_per_connection(4096).with_queued_bytes(10 * 4096);
        let mut bare = Bare::new(capacity, 1, 5);
        let text = format!("\"{}\"", "x".repeat(len));
        for n in 0..200 {
            match n % 2 {
                0 => bare.post(0, &text),
                _ => {
                    let payload = Json::new(&text).unwrap();
                    bare.endpoint.act(NOW, &mut bare.app, |hub, _| hub.broadcast("room:a", "n", payload)).unwrap();
                }
            }
            while bare.endpoint.holds_back() {
                while let Some(conn) = bare.endpoint.poll_writable() {
                    bare.take(conn);
                }
                bare.endpoint.resume(NOW, &mut bare.app);
            }
        }
        assert_eq!((bare.endpoint.stats().slow_consumers, bare.app.log.len()), (0, 0), "{len}");
    }
}

#[test]
fn a_timer_that_is_late_is_seen_though_something_waits() {
    let mut bare = Bare::new(Capacity::default(), 1, 2);
    let due = bare.endpoint.poll_timeout().unwrap();
    let late = Instant::from_millis(3_600_000);
    let member = bare.members[0];
    bare.endpoint.handle_bytes(late, &mut bare.app, member, &masked(r#"["1",null,"room:a","new_msg",1]"#));
    assert!(due < late && bare.endpoint.poll_timeout() == Some(due));
}

/// What happens to an endpoint with a caller, five members, and a room of its own for each of two of them.
#[derive(Clone, Debug)]
enum Step {
    /// A member says that, with or without a ref.
    Say(usize, &'static str, bool),
    Rejoin(usize),
    Join(usize, &'static str),
    Ping(usize),
    Close(usize),
    Eof(usize),
    Gone(usize),
    Post,
    Act(&'static str),
    /// Somebody asks what there is to send.
    Send,
}

fn step() -> impl Strategy<Value = Step> {
    let events = prop::sample::select(vec!["new_msg", "new_msg", "from", "both", "ping", "to_all", "stop", "nothing"]);
    prop_oneof![
        20 => (0..5_usize, events, any::<bool>()).prop_map(|(member, event, waits)| Step::Say(member, event, waits)),
        2 => (0..5_usize).prop_map(Step::Rejoin),
        2 => (0..5_usize, prop::sample::select(vec!["room:b", "room:c"])).prop_map(|(member, topic)| Step::Join(member, topic)),
        2 => (0..5_usize).prop_map(Step::Ping),
        1 => (0..5_usize).prop_map(Step::Close),
        1 => (0..5_usize).prop_map(Step::Eof),
        1 => (0..5_usize).prop_map(Step::Gone),
        4 => Just(Step::Post),
        4 => prop::sample::select(vec!["room:a", "room:b"]).prop_map(Step::Act),
        3 => Just(Step::Send),
    ]
}

impl Bare {
    fn step(&mut self, n: usize, step: &Step) {
        let member = |member: &usize| self.members[*member];
        match step {
            Step::Say(by, event, waits) => {
                let ref_ = if *waits { format!("\"{n}\"") } else { "null".into() };
                self.bytes(member(by), &masked(&format!(r#"["1",{ref_},"room:a","{event}",{n}]"#)));
            }
            Step::Rejoin(by) => self.bytes(member(by), &masked(r#"["1","1","room:a","phx_join",{}]"#)),
            Step::Join(by, topic) => {
                self.bytes(member(by), &masked(&format!(r#"["1","1","{topic}","phx_join",{{}}]"#)))
            }
            Step::Ping(by) => self.bytes(member(by), b"\x89\x80\0\0\0\0"),
            Step::Close(by) => self.bytes(member(by), b"\x88\x80\0\0\0\0"),
            Step::Eof(by) => self.endpoint.handle_eof(NOW, &mut self.app, self.members[*by]),
            Step::Gone(by) => self.endpoint.handle_close(NOW, &mut self.app, self.members[*by]),
            Step::Post => self.post(0, &n.to_string()),
            Step::Act(topic) => {
                let payload = n.to_string();
                let payload = Json::new(&payload).unwrap();
                self.endpoint.act(NOW, &mut self.app, |hub, _| hub.broadcast(topic, "acted", payload)).unwrap();
            }
            Step::Send => {}
        }
    }

    /// What each member is sent, behind what it was sent before.
    fn send(&mut self, sent: &mut [String]) {
        while let Some(conn) = self.endpoint.poll_writable() {
            let (text, _) = self.take(conn);
            if let Some(at) = self.members.iter().position(|member| *member == conn) {
                sent[at] += &text;
            }
        }
        if self.endpoint.poll_timeout() == Some(NOW) {
            self.endpoint.handle_timeout(NOW, &mut self.app);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Whoever waits hears the same, in the same order, as who is told of everything at once.
    #[test]
    fn what_waits_is_what_would_have_been_sent_at_once(steps in prop::collection::vec(step(), 1..60)) {
        let (mut patient, mut eager) = (Bare::new(Capacity::default(), 1, 5), Bare::new(Capacity::default(), 1, 5));
        let (mut late, mut early) = (vec![String::new(); 5], vec![String::new(); 5]);
        for (n, step) in steps.iter().enumerate() {
            // One that has ended is sent nothing more, so all is sent before.
            if matches!(step, Step::Send | Step::Eof(_) | Step::Gone(_)) {
                patient.send(&mut late);
            }
            patient.step(n, step);
            eager.step(n, step);
            eager.send(&mut early);
        }
        patient.send(&mut late);
        eager.send(&mut early);
        prop_assert_eq!(late, early);
        prop_assert_eq!(patient.app.log, eager.app.log);
    }
}
