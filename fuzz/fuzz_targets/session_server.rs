#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| chanson_tests::fuzz::session_server(data));
