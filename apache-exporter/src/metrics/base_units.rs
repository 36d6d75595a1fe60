//! The totals once more, in bytes, seconds and ratios, and the time of the start.
//!
//! * Absent when: the answer lacks the key; nothing is 0 for want of one.
//! * Differs from the Go exporter: it has none of these.

use common::exposition::{Desc, Page};

use super::{Part, labelled, open, several, single, start_time, value};
use crate::status::Status;

static START: Desc<'static> =
    Desc::gauge("apache_start_time_seconds", "When httpd started, in seconds since the epoch.", &[]);
static SENT: Desc<'static> = Desc::counter("apache_sent_bytes_total", "Data sent since the start.", &[]);
static DURATION: Desc<'static> =
    Desc::counter("apache_request_duration_seconds_total", "Time spent on requests since the start.", &[]);
static CPU: Desc<'static> =
    Desc::counter("apache_cpu_seconds_total", "CPU time of the workers and of their children.", &["mode"]);
static LOAD: Desc<'static> =
    Desc::gauge("apache_cpu_load_ratio", "CPU time per time since the start, 1 being one CPU.", &[]);

pub(super) static BASE_UNITS: Part = Part {
    families: &[
        open(&START, "seconds"),
        single(&SENT, "bytes", &[value(|status| Some(status.sent_kib? * 1024.0))]),
        single(&DURATION, "seconds", &[value(|status| Some(status.duration_ms? / 1000.0))]),
        several(
            &CPU,
            "seconds",
            &[
                labelled(&["children_system"], |status| status.cpu_children_system_seconds),
                labelled(&["children_user"], |status| status.cpu_children_user_seconds),
                labelled(&["system"], |status| status.cpu_system_seconds),
                labelled(&["user"], |status| status.cpu_user_seconds),
            ],
        ),
        single(&LOAD, "ratio", &[value(|status| Some(status.cpu_load_percent? / 100.0))]),
    ],
    rest: encode_start,
};

fn encode_start(status: &Status, now: f64, page: &mut Page) {
    if let Some(start) = start_time::of(status, now) {
        page.sample::<&str>(&START, &[], start);
    }
}
