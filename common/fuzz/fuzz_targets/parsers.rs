//! The first byte picks a parser, the rest is what it gets.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((&pick, rest)) = bytes.split_first() else { return };
    if let Some(parser) = common::fuzzing::PARSERS.get(usize::from(pick)) {
        (parser.feed)(rest);
    }
});
