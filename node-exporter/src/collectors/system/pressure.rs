//! Time lost because CPU, memory, I/O or interrupts were short, from `/proc/pressure`.
//!
//! * Source: kernel Documentation/accounting/psi.rst; Linux 4.20, `irq` since 6.1.
//! * Units: files have microseconds, we export seconds.
//! * Absent when: the kernel is built without PSI or started without it (`psi=1` switches it on): no data. One resource
//!   that the kernel does not follow has no samples.
//! * Differs from the Go exporter: a malformed file costs its own samples.

use common::collector::{Collector, Row, Scrape};
use common::error::{BadField, CollectError};
use common::exposition::{Desc, Page};
use common::fields::{Words, lines, parse_u64};
use common::fuzzing::{Parser, eat};

use crate::fs::KeptFile;

/// The row in the table.
pub(in crate::collectors) const ROW: Row = Row::on("pressure", "time lost to shortages, /proc/pressure", &[], |args| {
    Ok(Box::new(Pressure {
        resources: RESOURCES.map(|(name, lines)| Resource {
            file: KeptFile::of_proc(args, &format!("pressure/{name}")).in_one_piece(),
            lines,
        }),
    }))
});

const CPU_WAITING: Desc =
    Desc::counter("node_pressure_cpu_waiting_seconds_total", "Seconds in which some task waited for a CPU.", &[]);
const IO_WAITING: Desc =
    Desc::counter("node_pressure_io_waiting_seconds_total", "Seconds in which some task waited for I/O.", &[]);
const IO_STALLED: Desc = Desc::counter(
    "node_pressure_io_stalled_seconds_total",
    "Seconds in which no task got anywhere because of I/O.",
    &[],
);
const MEMORY_WAITING: Desc =
    Desc::counter("node_pressure_memory_waiting_seconds_total", "Seconds in which some task waited for memory.", &[]);
const MEMORY_STALLED: Desc = Desc::counter(
    "node_pressure_memory_stalled_seconds_total",
    "Seconds in which no task got anywhere for lack of memory.",
    &[],
);
const IRQ_STALLED: Desc = Desc::counter(
    "node_pressure_irq_stalled_seconds_total",
    "Seconds in which no task got anywhere because of interrupts.",
    &[],
);

/// A first word, and the family its line goes to.
type Line = (&'static str, &'static Desc<'static>);

const RESOURCES: [(&str, &[Line]); 4] = [
    ("cpu", &[("some", &CPU_WAITING)]),
    ("io", &[("some", &IO_WAITING), ("full", &IO_STALLED)]),
    ("memory", &[("some", &MEMORY_WAITING), ("full", &MEMORY_STALLED)]),
    ("irq", &[("full", &IRQ_STALLED)]),
];

struct Pressure {
    resources: [Resource; RESOURCES.len()],
}

struct Resource {
    file: KeptFile,
    lines: &'static [Line],
}

impl Collector for Pressure {
    fn update(&mut self, cx: &mut Scrape, page: &mut Page) -> Result<(), CollectError> {
        let mut any = false;
        for Resource { file, lines } in &mut self.resources {
            let text = match file.read_if_present() {
                Ok(Some(text)) => text,
                Ok(None) => continue,
                Err(e) => {
                    any = true;
                    cx.fault(e);
                    continue;
                }
            };
            any = true;
            let mut bad_lines = Vec::new();
            for &(word, desc) in *lines {
                match total_seconds(text, word) {
                    Ok(seconds) => page.sample::<&str>(desc, &[], seconds),
                    Err(bad) => bad_lines.push(bad),
                }
            }
            for bad in bad_lines {
                cx.fault(bad.in_file(file.path()));
            }
        }
        if any { Ok(()) } else { Err(CollectError::no_data("the kernel keeps no pressure stall information")) }
    }
}

/// The total of the line that begins with `word`.
fn total_seconds(text: &[u8], word: &'static str) -> Result<f64, BadField> {
    let mut words = lines(text).map(|(number, line)| (number, Words::new(number, line)));
    let line = words.find_map(|(number, mut words)| (words.next()? == word.as_bytes()).then_some((number, words)));
    let Some((number, mut words)) = line else { return Err(BadField::new(1, word, "a line of this name", b"")) };
    let total = words.find_map(|word| word.strip_prefix(b"total=")).unwrap_or_default();
    let microseconds = parse_u64(total).ok_or_else(|| BadField::new(number, "total", "a whole number", total))?;
    // In two steps, as the Go exporter does: the last digits depend on it.
    Ok(microseconds as f64 / 1000.0 / 1000.0)
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "pressure",
    |bytes| eat(total_seconds(bytes, "full")),
    b"some avg10=0.12 avg60=0.34 avg300=0.05 total=12345678\nfull avg10=0.00 avg60=0.01 avg300=0.00 total=345678\n",
);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::check;

    const SOME: &str = "some avg10=0.00 avg60=0.18 avg300=0.10 total=14036781\n";
    const FULL: &str = "full avg10=0.00 avg60=0.00 avg300=0.00 total=8494\n";

    #[test]
    fn good() {
        let both = format!("{SOME}{FULL}");
        check(
            &ROW,
            &[
                ("proc/pressure/cpu", &both),
                ("proc/pressure/io", &both),
                ("proc/pressure/memory", &both),
                ("proc/pressure/irq", FULL),
            ],
            &[
                "node_pressure_cpu_waiting_seconds_total 14.036781000000001",
                "node_pressure_io_stalled_seconds_total 0.008494",
                "node_pressure_io_waiting_seconds_total 14.036781000000001",
                "node_pressure_irq_stalled_seconds_total 0.008494",
                "node_pressure_memory_stalled_seconds_total 0.008494",
                "node_pressure_memory_waiting_seconds_total 14.036781000000001",
            ],
            &[],
        );
    }

    #[test]
    fn absent() {
        check(&ROW, &[("proc/x", "")], &[], &["no data: the kernel keeps no pressure stall information"]);
        check(
            &ROW,
            &[("proc/pressure/cpu", SOME)],
            &["node_pressure_cpu_waiting_seconds_total 14.036781000000001"],
            &[],
        );
    }

    #[test]
    fn cut_short_and_garbage() {
        check(
            &ROW,
            &[
                ("proc/pressure/cpu", ""),
                ("proc/pressure/io", "some total=2000000\nfull avg10=0.00"),
                ("proc/pressure/memory", "some total=x\nfull total=1000000\n"),
                ("proc/pressure/irq", "\u{1} :\n"),
            ],
            &["node_pressure_io_waiting_seconds_total 2", "node_pressure_memory_stalled_seconds_total 1"],
            &[
                "proc/pressure/cpu:1: some: expected a line of this name, found \"\"",
                "proc/pressure/io:2: total: expected a whole number, found \"\"",
                "proc/pressure/memory:1: total: expected a whole number, found \"x\"",
                "proc/pressure/irq:1: full: expected a line of this name, found \"\"",
            ],
        );
    }
}
