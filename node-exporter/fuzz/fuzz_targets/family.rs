//! A family of parsers as a fuzz target: the first byte picks a parser, the rest is what it gets.

/// The target for a family of [`node_exporter::fuzzing`].
#[macro_export]
macro_rules! family {
    ($family:ident) => {
        use common::fuzzing::{feed_picked, plant};
        use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
        use node_exporter::fuzzing::$family;

        fuzz_target!(|bytes: &[u8]| feed_picked($family, bytes));

        fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
            plant($family, data, max_size, seed).unwrap_or_else(|| fuzzer_mutate(data, size, max_size))
        });
    };
}
