//! What goes wrong on a WebSocket.

use std::net::{Shutdown, TcpStream};

use chanson_tests::on_each_driver;
use chanson_tests::tools::Host;

use crate::server::{frame, linger, say, text, upgrade};
use crate::victim::survives;

/// Each as a test on each driver.
macro_rules! deeds {
    ($($name:ident |$stream:ident| $deed:expr;)*) => {
        $(fn $name(host: Host) {
            survives(host, |$stream| {
                if upgrade($stream) {
                    let _ = $deed;
                    linger($stream);
                }
            });
        })*

        on_each_driver! { $($name)* }
    };
}

deeds! {
    an_end |stream| stream.shutdown(Shutdown::Write);
    an_end_in_a_frame |stream| {
        say(stream, [0x81, 100, b'x']);
        stream.shutdown(Shutdown::Write)
    };
    a_frame_that_is_masked |stream| say(stream, [0x81, 0x81, 1, 2, 3, 4, b'x']);
    a_reserved_bit |stream| say(stream, [0xc1, 0]);
    a_reserved_opcode |stream| say(stream, [0x83, 0]);
    a_continuation_of_nothing |stream| say(stream, [0x80, 0]);
    a_ping_that_is_too_long |stream| say(stream, frame(0x89, &[0; 126]));
    a_ping_in_pieces |stream| say(stream, [0x09, 0]);
    text_that_is_none |stream| say(stream, frame(0x81, b"\xff"));
    a_close_code_that_is_none |stream| say(stream, [0x88, 2, 0, 1]);
    a_length_that_is_not_the_shortest |stream| say(stream, [0x81, 126, 0, 1, b'x']);
    a_length_beyond_all_bounds |stream| say(stream, [0x82, 127, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    a_length_that_is_negative |stream| say(stream, [0x82, 127, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]);
    a_message_beyond_the_bound |stream| {
        say(stream, [0x82, 127, 0, 0, 0, 0, 0x40, 0, 0, 0]);
        flood(stream, &[b'x'; 65536])
    };
    a_message_in_pieces_without_end |stream| {
        say(stream, frame(0x01, b"["));
        flood(stream, &frame(0x00, &[b'x'; 60_000]))
    };
    a_message_in_tiny_pieces_without_end |stream| {
        say(stream, frame(0x02, b"["));
        flood(stream, &frame(0x00, &[b'x'; 16]).repeat(10_000))
    };
    a_close_and_then_a_flood |stream| {
        say(stream, frame(0x88, &1011_u16.to_be_bytes()));
        flood(stream, &text("more").repeat(1000))
    };
    a_normal_close_is_a_loss |stream| say(stream, frame(0x88, &[]));
}

/// As long as somebody is there.
fn flood(stream: &mut TcpStream, bytes: &[u8]) {
    while say(stream, bytes) {}
}
