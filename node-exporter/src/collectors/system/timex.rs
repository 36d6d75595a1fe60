//! How the kernel steers its clock: adjtimex(2).
//!
//! * Source: adjtimex(2); kernel include/uapi/linux/timex.h.
//! * Units: the kernel counts microseconds, or nanoseconds in nano mode, and parts per million shifted by 16 bits; we
//!   export seconds, hertz and ratios.
//! * Absent when: a sandbox forbids the call (EPERM): no data.
//! * Differs from the Go exporter: nothing.

use common::collector::{Collector, Row, Scrape};
use common::error::{CollectError, is_denied};
use common::exposition::{Desc, Page};

use crate::kernel;

/// The row in the table.
pub(in crate::collectors) const ROW: Row =
    Row::on("timex", "state of the clock discipline, adjtimex(2)", &[], |_| Ok(Box::new(Timex)));

const SYNC_STATUS: Desc =
    Desc::gauge("node_timex_sync_status", "1 if the clock is kept in step with a reliable source, else 0.", &[]);
const OFFSET: Desc = Desc::gauge("node_timex_offset_seconds", "Time the clock still has to be shifted by.", &[]);
const FREQUENCY: Desc = Desc::gauge(
    "node_timex_frequency_adjustment_ratio",
    "Speed of the clock relative to its oscillator, as it is adjusted.",
    &[],
);
const MAXERROR: Desc = Desc::gauge("node_timex_maxerror_seconds", "Largest error the clock can have.", &[]);
const ESTERROR: Desc = Desc::gauge("node_timex_estimated_error_seconds", "Error the clock probably has.", &[]);
const STATUS: Desc = Desc::gauge("node_timex_status", "Status bits of the clock discipline (STA_*).", &[]);
const CONSTANT: Desc = Desc::gauge("node_timex_loop_time_constant", "Time constant of the phase-locked loop.", &[]);
const TICK: Desc = Desc::gauge("node_timex_tick_seconds", "Time between two ticks of the clock.", &[]);
const PPS_FREQUENCY: Desc =
    Desc::gauge("node_timex_pps_frequency_hertz", "Frequency of the pulse-per-second signal.", &[]);
const PPS_JITTER: Desc = Desc::gauge("node_timex_pps_jitter_seconds", "Jitter of the pulse-per-second signal.", &[]);
const PPS_SHIFT: Desc =
    Desc::gauge("node_timex_pps_shift_seconds", "Interval of the pulse-per-second calibration.", &[]);
const PPS_STABILITY: Desc =
    Desc::gauge("node_timex_pps_stability_hertz", "Mean change of the pulse-per-second frequency.", &[]);
const PPS_JITTER_TOTAL: Desc =
    Desc::counter("node_timex_pps_jitter_total", "Pulses whose jitter was beyond the limit.", &[]);
const PPS_CALIBRATION: Desc =
    Desc::counter("node_timex_pps_calibration_total", "Intervals of pulse-per-second calibration.", &[]);
const PPS_ERROR: Desc = Desc::counter("node_timex_pps_error_total", "Failed pulse-per-second calibrations.", &[]);
const PPS_EXCEEDED: Desc = Desc::counter(
    "node_timex_pps_stability_exceeded_total",
    "Calibrations whose frequency wandered beyond the limit.",
    &[],
);
const TAI_OFFSET: Desc = Desc::gauge("node_timex_tai_offset_seconds", "International atomic time minus UTC.", &[]);

/// Parts per million with 16 bits of fraction.
const PPM16: f64 = 1_000_000.0 * 65_536.0;
const MICROS: f64 = 1e6;
const NANOS: f64 = 1e9;

struct Timex;

impl Collector for Timex {
    fn update(&mut self, _cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        match kernel::timex::read() {
            Ok((state, timex)) => encode(state, &timex, page),
            Err(e) if is_denied(&e) => return Err(CollectError::no_data("adjtimex is not permitted here")),
            Err(e) => return Err(CollectError::call("adjtimex", &e)),
        }
        Ok(())
    }
}

fn encode(state: i32, timex: &libc::timex, page: &mut Page) {
    let unit = if timex.status & libc::STA_NANO == 0 { MICROS } else { NANOS };
    let samples = [
        (&SYNC_STATUS, if state == libc::TIME_ERROR { 0.0 } else { 1.0 }),
        (&OFFSET, timex.offset as f64 / unit),
        (&FREQUENCY, 1.0 + timex.freq as f64 / PPM16),
        (&MAXERROR, timex.maxerror as f64 / MICROS),
        (&ESTERROR, timex.esterror as f64 / MICROS),
        (&STATUS, f64::from(timex.status)),
        (&CONSTANT, timex.constant as f64),
        (&TICK, timex.tick as f64 / MICROS),
        (&PPS_FREQUENCY, timex.ppsfreq as f64 / PPM16),
        (&PPS_JITTER, timex.jitter as f64 / unit),
        (&PPS_SHIFT, f64::from(timex.shift)),
        (&PPS_STABILITY, timex.stabil as f64 / PPM16),
        (&PPS_JITTER_TOTAL, timex.jitcnt as f64),
        (&PPS_CALIBRATION, timex.calcnt as f64),
        (&PPS_ERROR, timex.errcnt as f64),
        (&PPS_EXCEEDED, timex.stbcnt as f64),
        (&TAI_OFFSET, f64::from(timex.tai)),
    ];
    for (desc, value) in samples {
        page.sample::<&str>(desc, &[], value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rig::text_of;
    use crate::samples::samples_of;

    #[test]
    fn every_figure_or_none() {
        let (page, errors) = samples_of(&ROW, &[], &[]);
        let n = page.lines().filter(|line| !line.starts_with('#')).count();
        // Some sandboxes forbid the call.
        assert!((n, errors.len()) == (17, 0) || (n, errors.len()) == (0, 1), "{page}{errors:?}");
    }

    #[test]
    fn nanoseconds_are_told_by_a_status_bit() {
        let Ok((_, mut timex)) = kernel::timex::read() else { return };
        let offset = |timex: &libc::timex| {
            let mut page = Page::default();
            encode(libc::TIME_ERROR, timex, &mut page);
            let text = text_of(&page);
            assert!(text.contains("\nnode_timex_sync_status 0\n"));
            text.lines().find_map(|line| line.strip_prefix("node_timex_offset_seconds ").map(str::to_owned)).unwrap()
        };
        (timex.offset, timex.status) = (-1500, 0);
        assert_eq!(offset(&timex), "-0.0015");
        timex.status = libc::STA_NANO;
        assert_eq!(offset(&timex), "-1.5e-06");
    }
}
