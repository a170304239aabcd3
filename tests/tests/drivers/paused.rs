//! A server whose whole process slept (a laptop's lid, a debugger) does not take its peers for silent: what they said
//! meanwhile is heard before time is counted.
#![cfg(unix)]

use std::process::Command;
use std::time::Duration;

use chanson_tests::on_each_host;
use chanson_tests::tools::{Host, Rooms};

use crate::common::Client;

fn a_pause_of_the_server_is_not_the_peers_silence(host: Host) {
    let Some(mut server) = Rooms::start(host, &[]) else { return };
    let mut clients: Vec<_> = (0..20).map(|_| Client::at(server.address(), "/short")).collect();
    clients.iter_mut().for_each(|client| heartbeat(client, 1));
    let pid = server.child().id().to_string();
    let signal = |name: &str| assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    signal("-STOP");
    clients.iter_mut().for_each(|client| ask(client, 2));
    // Twice the idle timeout of this mount.
    std::thread::sleep(Duration::from_secs(3));
    signal("-CONT");
    for client in &mut clients {
        hear(client, 2);
        heartbeat(client, 3);
    }
}

fn ask(client: &mut Client, n: u32) {
    client.say(&format!(r#"[null,"{n}","phoenix","heartbeat",{{}}]"#));
}

fn hear(client: &mut Client, n: u32) {
    assert_eq!(client.hear(), format!(r#"[null,"{n}","phoenix","phx_reply",{{"status":"ok","response":{{}}}}]"#));
}

fn heartbeat(client: &mut Client, n: u32) {
    ask(client, n);
    hear(client, n);
}

on_each_host! {
    a_pause_of_the_server_is_not_the_peers_silence
}
