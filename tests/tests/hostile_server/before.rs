//! What goes wrong before there is a WebSocket.

use std::net::Shutdown;
use std::thread::sleep;
use std::time::Duration;

use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;

use crate::server::{agreement, head, linger, say};
use crate::victim::survives;

/// Each as a test on each driver.
macro_rules! deeds {
    ($($name:ident |$stream:ident| $deed:expr;)*) => {
        $(fn $name(host: Host) {
            survives(host, |$stream| {
                let _ = $deed;
            });
        })*

        on_each_driver! { $($name)* }
    };
}

deeds! {
    a_connection_that_is_closed_at_once |stream| stream.shutdown(Shutdown::Both);
    a_connection_that_is_closed_behind_the_request |stream| head(stream);
    an_end_without_an_answer |stream| {
        head(stream);
        let _ = stream.shutdown(Shutdown::Write);
        linger(stream)
    };
    silence |stream| linger(stream);
    garbage |stream| {
        say(stream, [0xde, 0xad, 0xbe, 0xef].repeat(1000));
        linger(stream)
    };
    a_greeting_of_another_protocol |stream| {
        say(stream, "SSH-2.0-OpenSSH_9.9\r\n");
        linger(stream)
    };
    a_head_that_never_ends |stream| {
        say(stream, "HTTP/1.1 101 Switching Protocols\r\n");
        while say(stream, format!("X-{}: y\r\n", "x".repeat(1000))) {}
    };
    a_line_that_never_ends |stream| {
        while say(stream, [b'x'; 4096]) {}
    };
    a_head_that_drips |stream| {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle() {
            if !say(stream, [*byte]) {
                break;
            }
            sleep(Duration::from_millis(20));
        }
    };
    many_interim_answers |stream| {
        while say(stream, "HTTP/1.1 100 Continue\r\n\r\n".repeat(100)) {}
    };
    an_error_with_a_body_without_end |stream| {
        head(stream);
        say(stream, "HTTP/1.1 500 Oh\r\n\r\n");
        while say(stream, [b'x'; 4096]) {}
    };
    a_body_that_is_said_to_be_huge |stream| {
        head(stream);
        say(stream, format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", u64::MAX));
        linger(stream)
    };
    a_redirection |stream| {
        head(stream);
        say(stream, "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")
    };
    a_wrong_accept |stream| {
        head(stream);
        say(stream, agreement("dGhlIHNhbXBsZSBub25jZQ=="));
        linger(stream)
    };
    an_agreement_without_headers |stream| {
        head(stream);
        say(stream, "HTTP/1.1 101 Switching Protocols\r\n\r\n");
        linger(stream)
    };
    an_extension_that_was_not_offered |stream| {
        let key = head(stream).unwrap_or_default();
        say(stream, agreement(&key).replace("\r\n\r\n", "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n"));
        linger(stream)
    };
    a_subprotocol_that_was_not_offered |stream| {
        let key = head(stream).unwrap_or_default();
        say(stream, agreement(&key).replace("\r\n\r\n", "\r\nSec-WebSocket-Protocol: soap\r\n\r\n"));
        linger(stream)
    };
}
