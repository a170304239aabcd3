//! A client that offers compression.

use chanson_core::deflate::Deflate;
use chanson_std::Client;
use chanson_std::client::Config;
use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;
use serde_json::json;

use crate::common::{PATIENCE, message, serve};

fn messages_go_both_ways_compressed_where_it_is_agreed_on(host: Host) {
    let server = serve(host);
    let connect = |path: &str, deflate: Option<Deflate>| {
        let config = Config::new(&format!("ws://{}{path}", server.local_addr())).unwrap().with_timeout(PATIENCE);
        let client = Client::connect(deflate.into_iter().fold(config, Config::with_deflate)).unwrap();
        let room = client.join("room:a", json!({})).unwrap();
        (client, room)
    };
    let takeover = Deflate::new().server_context_takeover(true).client_context_takeover(true);
    let text = "many words that are said again and again, ".repeat(500);
    let traffic = || {
        let stats = server.handle().stats().endpoint;
        (stats.bytes_in, stats.bytes_out)
    };
    for (path, deflate, compressed) in [
        ("/deflate", Some(Deflate::new()), true),
        ("/deflate", Some(takeover), true),
        ("/deflate", None, false),
        ("/socket", Some(Deflate::new()), false),
    ] {
        let (client, room) = connect(path, deflate);
        let events = client.events();
        let before = traffic();
        for n in 0..3 {
            let reply = room.push("echo", json!({ "n": n, "text": text })).unwrap();
            assert_eq!(reply.response.as_payload().len(), text.len() + 17);
            room.send("new_msg", json!({ "text": text, "n": n })).unwrap();
            let _ = message(&events);
        }
        let after = traffic();
        let (came, left) = (after.0 - before.0, after.1 - before.1);
        assert_eq!((came < 4000, left < 4000), (compressed, compressed), "{path} {deflate:?}: {came} in, {left} out");
    }
}

on_each_driver! {
    messages_go_both_ways_compressed_where_it_is_agreed_on
}
