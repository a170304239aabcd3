//! What does one message cost to read and to write, and one topic to route?

use chanson_core::topic::{Pattern, Routes};
use chanson_core::wire::{Ref, Vsn, bench, decode_binary, decode_text};
use chanson_core::{Json, Payload};
use divan::{Bencher, black_box};

fn main() {
    divan::main();
}

/// A chat message such that the whole of the text is about 200 bytes.
const PAYLOAD: &str = r#"{"body":"So long, and thanks for all the fish. They were a bit salty, though.","user":"arthur","id":424242,"at":1755648000.25,"tags":["sea",null,true]}"#;

const VSNS: [Vsn; 2] = [Vsn::V1, Vsn::V2];

fn message(vsn: Vsn) -> String {
    match vsn {
        Vsn::V1 => format!(r#"{{"topic":"room:lobby","event":"new_msg","payload":{PAYLOAD},"ref":"12"}}"#),
        Vsn::V2 => format!(r#"["4","12","room:lobby","new_msg",{PAYLOAD}]"#),
    }
}

#[divan::bench(args = VSNS)]
fn decode_200_bytes(bencher: Bencher<'_, '_>, vsn: Vsn) {
    let text = message(vsn);
    bencher.bench_local(|| decode_text(vsn, black_box(&text)).is_ok());
}

#[divan::bench]
fn decode_heartbeat() -> bool {
    decode_text(Vsn::V2, black_box(r#"[null,"99","phoenix","heartbeat",{}]"#)).is_ok()
}

#[divan::bench]
fn decode_binary_200_bytes(bencher: Bencher<'_, '_>) {
    let data = [b"\x00\x01\x02\x0a\x07412room:lobbynew_msg".as_slice(), &[0xa5; 160]].concat();
    bencher.bench_local(|| decode_binary(Vsn::V2, black_box(&data)).is_ok());
}

#[divan::bench(args = VSNS)]
fn encode_reply(bencher: Bencher<'_, '_>, vsn: Vsn) {
    let mut out = Vec::with_capacity(1024);
    bencher.bench_local(|| {
        out.clear();
        let refs = [Ref::Json(black_box(r#""4""#)), Ref::Json(r#""12""#)];
        bench::reply(vsn, &mut out, refs, black_box("room:lobby"), Json::EMPTY)
    });
}

#[divan::bench(args = VSNS)]
fn encode_broadcast_200_bytes(bencher: Bencher<'_, '_>, vsn: Vsn) {
    let mut out = Vec::with_capacity(1024);
    let payload = Json::new(PAYLOAD).expect("it is JSON");
    bencher.bench_local(|| {
        out.clear();
        bench::broadcast(vsn, &mut out, black_box("room:lobby"), "new_msg", Payload::Json(black_box(payload)))
    });
}

#[divan::bench(args = ["room17:lobby", "exact:42", "unknown:1"])]
fn find_among_200_patterns(bencher: Bencher<'_, '_>, topic: &str) {
    let texts = (0..100).flat_map(|n| [format!("room{n}:*"), format!("exact:{n}")]);
    let patterns: Vec<_> = texts.map(|text| Pattern::new(&text).expect("it is a pattern")).collect();
    let routes = Routes::new(&patterns).expect("none shadows another");
    bencher.bench_local(|| routes.find(black_box(topic)));
}
