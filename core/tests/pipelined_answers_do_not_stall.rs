//! Requests behind answers that wait to be sent are held back, and go on by themselves once those have left.
#![allow(missing_docs, clippy::unwrap_used)]

use std::io::IoSlice;

use chanson_core::http::Response;
use chanson_core::time::Instant;
use chanson_core::{Endpoint, Hub};

#[test]
fn requests_that_were_held_back_go_on() {
    let hub: Hub = Hub::builder()
        .seed([7; 32])
        .on_request(|_, _| Response::new(200).body("text/plain", vec![b'x'; 60_000]).ok())
        .build()
        .unwrap();
    let mut endpoint = Endpoint::new(hub);
    let (now, app) = (Instant::ORIGIN, &mut ());
    let conn = endpoint.handle_connect(now, None).unwrap();
    endpoint.handle_bytes(now, app, conn, &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10));
    let mut sent = 0;
    for _ in 0..20 {
        while let Some(conn) = endpoint.poll_writable() {
            let mut slices = [IoSlice::new(&[]); 4];
            let count = endpoint.pending(conn, &mut slices);
            let bytes = slices[..count].iter().map(|slice| slice.len()).sum();
            endpoint.advance(now, conn, bytes);
            sent += bytes;
        }
        if endpoint.poll_timeout().is_some_and(|due| due <= now) {
            endpoint.handle_timeout(now, app);
        }
    }
    assert!(sent > 600_000, "{sent}");
    assert!(endpoint.poll_timeout().is_some_and(|due| due > now), "then nothing is due");
}
