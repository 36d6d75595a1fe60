//! From the units of the API to those of a family.

/// As the API has it.
pub(super) fn same(value: f64) -> Option<f64> {
    Some(value)
}

/// Where −1 stands for what is not known, or has no limit.
pub(super) fn known(value: f64) -> Option<f64> {
    (value >= 0.0).then_some(value)
}

/// Milliseconds to seconds.
pub(super) fn seconds(millis: f64) -> Option<f64> {
    Some(millis / 1e3)
}

/// Milliseconds to whole seconds, cut off, where they are known.
pub(super) fn whole_seconds(millis: f64) -> Option<f64> {
    known(millis).map(|millis| (millis / 1e3).trunc())
}

/// Microseconds to seconds, where they are known.
pub(super) fn seconds_of_micros(micros: f64) -> Option<f64> {
    known(micros / 1e6)
}

/// Nanoseconds to seconds, where they are known.
pub(super) fn seconds_of_nanos(nanos: f64) -> Option<f64> {
    known(nanos / 1e9)
}

/// Percent to a ratio.
pub(super) fn ratio(percent: f64) -> Option<f64> {
    Some(percent / 100.0)
}

/// 1 for whatever there is.
pub(super) fn one(_: f64) -> Option<f64> {
    Some(1.0)
}

/// Nothing for 0.
pub(super) fn nonzero(value: f64) -> Option<f64> {
    (value != 0.0).then_some(value)
}
