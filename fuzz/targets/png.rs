#![no_main]

libfuzzer_sys::fuzz_target!(|file: &[u8]| fuzz::decode_png(file));
