#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| chanson_tests::fuzz::sharded(data));
