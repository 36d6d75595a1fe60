//! The first byte picks a parser, the rest is what it gets.

#![no_main]

use common::fuzzing::{feed_picked, plant};
use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use log_exporter::fuzzing::PARSERS;

fuzz_target!(|bytes: &[u8]| feed_picked(PARSERS, bytes));

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    plant(PARSERS, data, max_size, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
});
