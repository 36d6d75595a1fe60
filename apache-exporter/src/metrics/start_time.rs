//! When httpd started: now less the uptime, which httpd gives in whole seconds.
//!
//! * Two scrapes of one httpd can therefore differ by a second. Within one answer nothing can be done about that; a
//!   program that scrapes again and again keeps a [`StartTime`].

use crate::status::Status;

/// More than rounding and a slow answer make of one start; httpd itself does not restart faster.
const SAME_START_SECONDS: f64 = 2.5;

/// The start as rounded from one answer, in seconds since the epoch; `now` is the time of the answer.
pub(super) fn of(status: &Status, now: f64) -> Option<f64> {
    let uptime = status.server_uptime_seconds.or(status.uptime_seconds)?;
    Some((now - uptime).round()).filter(|start| start.is_finite())
}

/// Remembers the start across scrapes, so that rounding does not look like a restart.
#[derive(Clone, Copy, Debug, Default)]
pub struct StartTime {
    held: Option<f64>,
}

impl StartTime {
    /// `now` moved by as much as keeps the start where it was; to be given to [`encode`](super::encode).
    pub fn steady(&mut self, status: &Status, now: f64) -> f64 {
        let Some(start) = of(status, now) else { return now };
        let held = self.held.filter(|held| (held - start).abs() < SAME_START_SECONDS).unwrap_or(start);
        self.held = Some(held);
        now + (held - start)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(uptime: &str) -> Status {
        crate::status::parse(format!("ServerUptimeSeconds: {uptime}\nBusyWorkers: 1\n").as_bytes()).unwrap()
    }

    #[test]
    fn a_start_is_held_until_it_moves() {
        let mut start = StartTime::default();
        for (uptime, now, want) in [
            ("0", 1000.4, Some(1000.0)),
            ("1", 1001.9, Some(1000.0)),
            ("60", 1060.2, Some(1000.0)),
            ("", 1061.0, None),
            ("61", 1062.0, Some(1000.0)),
            ("3", 1070.0, Some(1067.0)),
            ("4", 1071.9, Some(1067.0)),
        ] {
            let status = status(uptime);
            let now = start.steady(&status, now);
            assert_eq!(of(&status, now), want, "{uptime}");
        }
    }

    #[test]
    fn either_uptime_serves() {
        let only = crate::status::parse(b"Uptime: 10\nBusyWorkers: 1\n").unwrap();
        assert_eq!(of(&only, 100.0), Some(90.0));
        assert_eq!(of(&status("x"), 100.0), None);
    }
}
