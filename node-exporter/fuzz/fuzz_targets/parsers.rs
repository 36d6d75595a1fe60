//! The first byte picks a parser, the rest is what it gets.

#![no_main]

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use node_exporter::fuzzing::PARSERS;

fuzz_target!(|bytes: &[u8]| {
    let Some((&pick, rest)) = bytes.split_first() else { return };
    if let Some(parser) = PARSERS.get(usize::from(pick)) {
        (parser.feed)(rest);
    }
});

// Now and then an input starts over from a good text, so that no corpus has to be kept for the fuzzer to get inside.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let (plant, pick) = (seed % 64 == 0, (seed / 64) as usize % PARSERS.len());
    let good = PARSERS[pick].good;
    if !plant || good.len() >= max_size {
        return fuzzer_mutate(data, size, max_size);
    }
    data[0] = pick as u8;
    data[1..=good.len()].copy_from_slice(good);
    1 + good.len()
});
