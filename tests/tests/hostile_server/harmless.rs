//! What may be said to a client without harm: it goes on.

use chanson_core::client::Event;
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;

use crate::server::{Server, frame, hear, join, linger, say, text, upgrade};
use crate::victim::events_until;

fn what_makes_no_sense_is_passed_over(host: Host) {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let huge_ref = r#"[null,"99999999999999999999","room:a","phx_reply",{"status":"ok","response":{}}]"#;
    let harmless = [
        text("nonsense").repeat(1000),
        text(&deep),
        text(r#"["1","1","room:a","phx_reply",{"status":"ok"}]"#).repeat(100),
        text(huge_ref),
        text(r#"["7",null,"nowhere","phx_error",{}]"#).repeat(1000),
        frame(0x82, &[0xff; 300]).repeat(100),
        frame(0x89, &[b'p'; 125]).repeat(20_000),
    ];
    for bytes in harmless {
        let server = Server::start(1, move |stream| {
            let Some(join) = join(stream) else { return };
            say(stream, &bytes);
            // This says that the client has come so far.
            say(stream, text(&format!(r#"[{join},null,"room:a","over",{{}}]"#)));
            while hear(stream).is_some() {}
        });
        let over = |event: &Event| matches!(event, Event::Message { event, .. } if &**event == "over");
        let events = events_until(host, server.address, over, 0);
        assert_eq!(server.connections(), 1, "{events:?}");
    }
}

fn a_join_that_is_refused_and_ended_over_and_over_is_not_told_more_often(host: Host) {
    let server = Server::start(1, |stream| {
        if upgrade(stream) {
            let error = r#"["1","1","room:a","phx_reply",{"status":"error","response":{"reason":"no"}}]"#;
            say(stream, text(error).repeat(500));
            say(stream, text(r#"["1",null,"room:a","phx_error",{}]"#).repeat(500));
            say(stream, text(r#"["1",null,"room:a","phx_close",{}]"#));
            linger(stream);
        }
    });
    let events = events_until(host, server.address, |event| matches!(event, Event::Closed { .. }), 0);
    let failed =
        events.iter().filter(|event| matches!(event, Event::JoinFailed { .. } | Event::Errored { .. })).count();
    assert!((1..=1000).contains(&failed), "{failed} failures are told");
}

on_each_driver! {
    what_makes_no_sense_is_passed_over
    a_join_that_is_refused_and_ended_over_and_over_is_not_told_more_often
}
