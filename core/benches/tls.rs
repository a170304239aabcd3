//! What TLS costs at the server's end: a broadcast to so many connections, to the last byte that is to be written, compressed
//! (once for all) and not; and the memory of a connection that is idle.

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::IoSlice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant as Clock;

use chanson_core::client::{Client, Config};
use chanson_core::deflate::Deflate;
use chanson_core::time::Instant;
use chanson_core::tls::{Acceptor, Connector, Identity};
use chanson_core::{Capacity, Channel, ConnId, Endpoint, Hub, Mount, endpoint};
use serde_json::{Value, json};

struct Counting;

static HELD: AtomicUsize = AtomicUsize::new(0);

// SAFETY: as the system's.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: as promised by the caller.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const CONNECTIONS: usize = 1000;
const NOW: Instant = Instant::ORIGIN;

fn take(endpoint: &mut Endpoint, conn: ConnId, mut to: impl FnMut(&[u8])) -> usize {
    let mut all = 0;
    loop {
        let mut slices = [IoSlice::new(&[]); 64];
        let count = endpoint.pending(conn, &mut slices);
        let sent = slices[..count].iter().map(|slice| slice.len()).sum();
        slices[..count].iter().for_each(|slice| to(slice));
        if sent == 0 {
            return all;
        }
        endpoint.advance(NOW, conn, sent);
        all += sent;
    }
}

/// Brings a connection to `room:a`.
fn join(endpoint: &mut Endpoint, connector: Option<&Connector>, deflate: bool) -> ConnId {
    let url = if connector.is_some() { "wss://a.test/socket" } else { "ws://a.test/socket" };
    let mut config = Config::new(url).expect("a URL");
    if let Some(connector) = connector {
        config = config.with_tls(connector.clone());
    }
    if deflate {
        config = config.with_deflate(Deflate::new());
    }
    let mut client = Client::new(config, [3; 32]);
    client.connect(NOW);
    while client.poll_output().is_some() {}
    client.handle_connected(NOW);
    let conn = endpoint.handle_connect(NOW, None).expect("there is room");
    client.join(NOW, "room:a", json!({})).expect("there is room");
    loop {
        let mut slices = [IoSlice::new(&[]); 16];
        let count = client.pending(&mut slices);
        let up: Vec<u8> = slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
        client.advance(NOW, up.len());
        endpoint.handle_bytes(NOW, &mut (), conn, &up);
        let mut down = Vec::new();
        take(endpoint, conn, |bytes| down.extend_from_slice(bytes));
        client.handle_bytes(NOW, &down);
        if up.is_empty() && down.is_empty() {
            return conn;
        }
    }
}

/// A short message, and about 4 kB as an application has it: a list of things that have the same fields.
fn payloads() -> [Value; 2] {
    let thing = |n: u64| {
        let number = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        json!({
            "id": number >> 20,
            "name": format!("player {}", number % 1000),
            "position": [(number >> 8) as u16, (number >> 24) as u16],
            "alive": !number.is_multiple_of(3),
        })
    };
    [json!("x".repeat(100)), json!({ "players": (0..52).map(thing).collect::<Vec<_>>() })]
}

/// How many records of TLS there are in these bytes.
fn records(mut bytes: &[u8]) -> usize {
    let mut count = 0;
    while let [_, _, _, high, low, rest @ ..] = bytes {
        bytes = &rest[usize::from(*high) << 8 | usize::from(*low)..];
        count += 1;
    }
    count
}

fn measure(name: &str, tls: Option<(&Acceptor, &Connector)>, deflate: bool) -> Vec<f64> {
    let hub: Hub = Hub::builder()
        .seed([7; 32])
        .capacity(Capacity::for_connections(CONNECTIONS))
        .mount(Mount::channels("/socket").deflate(Deflate::new()).channel(Channel::new("room:*")))
        .build()
        .expect("a hub");
    let mut config = endpoint::Config::default();
    if let Some((acceptor, _)) = tls {
        config = config.with_tls(acceptor.clone());
    }
    let mut endpoint = Endpoint::with_config(hub, config);
    let first = join(&mut endpoint, tls.map(|(_, connector)| connector), deflate);
    let (held, start) = (HELD.load(Ordering::Relaxed), Clock::now());
    for _ in 1..CONNECTIONS {
        join(&mut endpoint, tls.map(|(_, connector)| connector), deflate);
    }
    let each = (HELD.load(Ordering::Relaxed) - held) / (CONNECTIONS - 1);
    println!("{name}: {each} bytes held by an idle connection, {:?} to connect {CONNECTIONS}", start.elapsed());
    let mut costs = Vec::new();
    for payload in payloads() {
        let len = payload.to_string().len();
        let mut wire = Vec::new();
        let start = Clock::now();
        const ROUNDS: u32 = 200;
        for _ in 0..ROUNDS {
            endpoint.act(NOW, &mut (), |hub, _| hub.broadcast("room:a", "news", &payload)).expect("it is sent");
            wire.clear();
            while let Some(conn) = endpoint.poll_writable() {
                take(&mut endpoint, conn, |bytes| {
                    if conn == first {
                        wire.extend_from_slice(bytes);
                    }
                    std::hint::black_box(bytes);
                });
            }
        }
        let nanos = start.elapsed().as_nanos() as f64 / f64::from(ROUNDS) / CONNECTIONS as f64;
        let records = if tls.is_some() { format!(" in {} records", records(&wire)) } else { String::new() };
        println!("{name}: {nanos:.0} ns for each delivery of {len} bytes, {} on the wire{records}", wire.len());
        costs.push(nanos);
    }
    costs
}

fn main() {
    let made = rcgen::generate_simple_self_signed(["a.test".to_owned()]).expect("a certificate");
    let chain = made.cert.pem();
    let identity =
        Identity::from_pem(chain.as_bytes(), made.signing_key.serialize_pem().as_bytes()).expect("an identity");
    let acceptor = Acceptor::new([identity]).expect("an acceptor");
    let connector = Connector::with_ca_pem(chain.as_bytes()).expect("a connector");
    let both = Some((&acceptor, &connector));
    let plain = measure("plain", None, false);
    measure("plain, compressed", None, true);
    let tls = measure("tls", both, false);
    measure("tls, compressed", both, true);
    println!("ratio: {:.1} for the short message, {:.1} for the long one", tls[0] / plain[0], tls[1] / plain[1]);
}
