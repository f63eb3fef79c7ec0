#![no_main]
libfuzzer_sys::fuzz_target!(|input: &[u8]| sockeye_fuzz::push::run(input));
