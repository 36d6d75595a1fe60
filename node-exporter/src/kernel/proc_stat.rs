//! Parser of `/proc/stat`, which the collectors cpu and stat share.
//!
//! * Source: kernel Documentation/filesystems/proc.rst, "Miscellaneous kernel statistics in /proc/stat".
//! * Units: the times are in ticks of user space, 1/100 s on every architecture; here they are seconds.
//! * A line that is not as it should be costs itself.

use common::error::BadField;
use common::fields::{Words, lines, parse_f64, parse_u64};
use common::fuzzing::{Parser, eat};

use super::MOST_CPUS;

/// Ticks of user space in a second: fixed to 100 as part of the kernel's interface.
const USER_HZ: f64 = 100.0;

/// The columns of a CPU's line, in order.
const COLUMNS: [&str; 10] =
    ["user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal", "guest", "guest_nice"];

/// Seconds a CPU has spent, by column: user, nice, system, idle, iowait, irq, softirq, steal, guest, guest_nice.
pub(crate) type CpuTimes = [f64; COLUMNS.len()];

/// The line of one CPU.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct CpuLine {
    /// Number of the CPU.
    pub(crate) number: u32,
    /// What it did; columns that an old kernel does not have are 0.
    pub(crate) times: CpuTimes,
}

/// The lines of the CPUs, without the one that sums them up.
///
/// They stand together at the beginning, so the long line of the interrupts is not even looked at.
pub(crate) fn cpu_lines(text: &[u8]) -> impl Iterator<Item = Result<CpuLine, BadField>> {
    lines(text)
        .skip_while(|(_, line)| !line.starts_with(b"cpu"))
        .take_while(|(_, line)| line.starts_with(b"cpu"))
        .filter_map(|(number, line)| parse_cpu(number, line).transpose())
        .take(MOST_CPUS)
}

/// The line that sums up all CPUs, those that are off included; `None` if there is none.
pub(crate) fn total_line(text: &[u8]) -> Option<Result<CpuTimes, BadField>> {
    let (number, line) = lines(text).find(|(_, line)| line.starts_with(b"cpu"))?;
    let mut words = Words::new(number, line).peekable();
    if words.next() != Some(b"cpu") || words.peek().is_none() {
        return None;
    }
    Some(parse_times(number, words))
}

fn parse_cpu(line_number: u32, line: &[u8]) -> Result<Option<CpuLine>, BadField> {
    let mut words = Words::new(line_number, line).peekable();
    let digits = words.next().and_then(|word| word.strip_prefix(b"cpu")).unwrap_or_default();
    if digits.is_empty() || words.peek().is_none() {
        return Ok(None);
    }
    let number = parse_u64(digits).and_then(|number| u32::try_from(number).ok());
    let number = number.ok_or_else(|| BadField::new(line_number, "number of the CPU", "a whole number", digits))?;
    Ok(Some(CpuLine { number, times: parse_times(line_number, words)? }))
}

fn parse_times<'t>(line_number: u32, words: impl Iterator<Item = &'t [u8]>) -> Result<CpuTimes, BadField> {
    let mut times = CpuTimes::default();
    for ((time, word), column) in times.iter_mut().zip(words).zip(COLUMNS) {
        let ticks = parse_f64(word).ok_or_else(|| BadField::new(line_number, column, "a number", word))?;
        *time = ticks / USER_HZ;
    }
    Ok(times)
}

/// A figure that may be missing or malformed.
pub(crate) type Reading<T> = Option<Result<T, BadField>>;

/// The vectors of soft interrupts, in the order of the kernel.
pub(crate) const VECTORS: [&str; 10] =
    ["hi", "timer", "net_tx", "net_rx", "block", "block_iopoll", "tasklet", "sched", "hrtimer", "rcu"];

/// The figures about the system as a whole.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    /// Seconds from the epoch to the start of the system.
    pub(crate) boot_time: Reading<f64>,
    /// Interrupts serviced.
    pub(crate) interrupts: Reading<f64>,
    /// Context switches.
    pub(crate) context_switches: Reading<f64>,
    /// Processes and threads created.
    pub(crate) forks: Reading<f64>,
    /// Tasks that run or could.
    pub(crate) running: Reading<f64>,
    /// Tasks that wait for a disk or the like.
    pub(crate) blocked: Reading<f64>,
    /// Soft interrupts serviced, by vector.
    pub(crate) softirqs: Reading<[f64; VECTORS.len()]>,
}

/// Everything but the CPUs.
pub(crate) fn totals(text: &[u8]) -> Totals {
    let mut totals = Totals::default();
    for (number, line) in lines(text) {
        let mut words = Words::new(number, line);
        match words.next() {
            Some(b"btime") => totals.boot_time = Some(figure(words, "boot time")),
            Some(b"intr") => totals.interrupts = Some(figure(words, "interrupts")),
            Some(b"ctxt") => totals.context_switches = Some(figure(words, "context switches")),
            Some(b"processes") => totals.forks = Some(figure(words, "forks")),
            Some(b"procs_running") => totals.running = Some(figure(words, "running tasks")),
            Some(b"procs_blocked") => totals.blocked = Some(figure(words, "blocked tasks")),
            Some(b"softirq") => totals.softirqs = Some(softirqs(words)),
            _ => {}
        }
    }
    totals
}

fn figure(mut words: Words<'_>, field: &'static str) -> Result<f64, BadField> {
    words.u64(field).map(|n| n as f64)
}

fn softirqs(mut words: Words<'_>) -> Result<[f64; VECTORS.len()], BadField> {
    words.u64("soft interrupts")?;
    let mut counts = [0.0; VECTORS.len()];
    for (count, vector) in counts.iter_mut().zip(VECTORS) {
        *count = words.u64(vector)? as f64;
    }
    Ok(counts)
}

/// For the fuzzer.
pub(crate) const CPU_LINES_PARSER: Parser = Parser::new(
    "CPU lines of stat",
    |bytes| {
        eat(total_line(bytes));
        cpu_lines(bytes).for_each(eat);
    },
    b"cpu  10 2 3 4 5 6 7 8 9 10\ncpu0 10 2 3 4 5 6 7 8 9 10\ncpu17 1 2 3 4\nintr 7 0\n",
);

/// For the fuzzer.
pub(crate) const TOTALS_PARSER: Parser =
    Parser::new("totals of stat", |bytes| eat(totals(bytes)), b"cpu0 1 2 3 4\nintr 70 1 2\nctxt 81\nbtime 1755000000\nprocesses 9\nprocs_running 3\nprocs_blocked 1\nsoftirq 55 1 2 3 4 5 6 7 8 9 10\n");

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let show = |line: Result<CpuLine, BadField>| match line {
            Ok(line) => format!("{} {:?}", line.number, line.times),
            Err(bad) => bad.to_string(),
        };
        assert_eq!(cpu_lines(text.as_bytes()).map(show).collect::<Vec<_>>(), want);
    }

    #[test]
    fn cpus() {
        check(
            "cpu  7 7 7 7\ncpu0 100 2 3 4 5 6 7 8 9 10 11\ncpu12 1 2 3 4\nintr 5 1 2\ncpu3 1\n",
            &[
                "0 [1.0, 0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.1]",
                "12 [0.01, 0.02, 0.03, 0.04, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]",
            ],
        );
    }

    #[test]
    fn all_cpus() {
        assert_eq!(
            total_line(b"x 1\ncpu  100 2\ncpu0 1\n"),
            Some(Ok([1.0, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]))
        );
        let bad = total_line(b"cpu x").map(|bad| bad.unwrap_err().to_string());
        assert_eq!(bad.as_deref(), Some("1: user: expected a number, found \"x\""));
        assert!([&b""[..], b"cpu", b"cpu0 1 2\n"].iter().all(|text| total_line(text).is_none()));
    }

    #[test]
    fn cpus_cut_short() {
        check("", &[]);
        check("cpu", &[]);
        check("cpu0", &[]);
        check("cpu0 1 2\ncpu1", &["0 [0.01, 0.02, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]"]);
    }

    #[test]
    fn a_bad_line_costs_itself() {
        check(
            "cpu0 1 x\ncpux 1\ncpu99999999999 1\ncpu1 200\n",
            &[
                "1: nice: expected a number, found \"x\"",
                "2: number of the CPU: expected a whole number, found \"x\"",
                "3: number of the CPU: expected a whole number, found \"99999999999\"",
                "1 [2.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0]",
            ],
        );
    }

    #[test]
    fn whole_system() {
        let got = totals(
            b"cpu 1\nintr 12 3 4 x\nctxt 5\nbtime 6\nprocesses 7\nprocs_running 8\nprocs_blocked 9\n\
              softirq 55 1 2 3 4 5 6 7 8 9 10 11\n",
        );
        assert_eq!(got.interrupts, Some(Ok(12.0)));
        assert_eq!(got.context_switches, Some(Ok(5.0)));
        assert_eq!(got.boot_time, Some(Ok(6.0)));
        assert_eq!(got.forks, Some(Ok(7.0)));
        assert_eq!(got.running, Some(Ok(8.0)));
        assert_eq!(got.blocked, Some(Ok(9.0)));
        assert_eq!(got.softirqs, Some(Ok([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])));
    }

    #[test]
    fn whole_system_cut_short_and_garbage() {
        let got = totals(b"ctxt -5\nsoftirq 3 1 2\nintr");
        let text = |bad: Option<Result<f64, BadField>>| bad.unwrap().unwrap_err().to_string();
        assert_eq!(text(got.context_switches), "1: context switches: expected a whole number, found \"-5\"");
        assert_eq!(got.softirqs.unwrap().unwrap_err().to_string(), "2: net_tx: expected a whole number, found \"\"");
        assert_eq!(text(got.interrupts), "3: interrupts: expected a whole number, found \"\"");
        assert_eq!(got.boot_time, None);
        assert!(totals(b"\xff\0\xfe").forks.is_none());
    }
}
