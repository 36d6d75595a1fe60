//! A table with a column per CPU: `/proc/interrupts` and `/proc/softirqs`.
//!
//! * Source: `show_interrupts` in the kernel's kernel/irq/proc.c, `show_softirqs` in fs/proc/softirqs.c. The first line
//!   names the CPUs; each further one has a name, a colon, a count per CPU and perhaps some text.
//! * Cost: a big machine has hundreds of rows of hundreds of counts. What the rows are about and the order they have on
//!   the page are kept as long as names and texts stay the same.

use common::error::BadField;
use common::fields::{Words, lines, parse_u64};
use common::fuzzing::{Parser, eat};

use super::MOST_CPUS;
use super::cpu_labels::CpuLabels;

/// A table, and what its rows are about.
pub(crate) struct CpuTable<T> {
    cpus: CpuLabels,
    n_cpus: usize,
    rows: Vec<Row<T>>,
    /// The counts of all rows, one row after the other.
    counts: Vec<u64>,
    /// The places of the rows that are about something, in their order on the page.
    order: Vec<usize>,
}

struct Row<T> {
    name: Vec<u8>,
    text: Vec<u8>,
    /// `None` for a row that is not shown.
    about: Option<T>,
}

impl<T> Default for CpuTable<T> {
    fn default() -> Self {
        Self { cpus: CpuLabels::default(), n_cpus: 0, rows: Vec::new(), counts: Vec::new(), order: Vec::new() }
    }
}

/// Lines that are reported in one reading, should the file be altogether unreadable.
const MOST_FAULTS: usize = 8;

impl<T: Ord> CpuTable<T> {
    /// Takes in a text. `about` tells from the name and the text of a row what it is about, and is asked again when
    /// either changes; a row it knows nothing of is left out.
    ///
    /// Gives the rows that are malformed.
    ///
    /// Fails when there is no line that names the CPUs.
    pub(crate) fn read(
        &mut self,
        text: &[u8],
        mut about: impl FnMut(&[u8], &[u8]) -> Option<T>,
    ) -> Result<Vec<BadField>, BadField> {
        let header = lines(text).next().map_or(&b""[..], |(_, header)| header);
        self.cpus.update(cpu_numbers(header));
        self.n_cpus = cpu_numbers(header).count();
        if self.n_cpus == 0 {
            return Err(BadField::new(1, "header", "the names of the CPUs", header));
        }
        self.counts.clear();
        let mut bad_rows = Vec::new();
        let (mut at, mut changed) = (0, false);
        for (number, line) in lines(text).skip(1) {
            let Parts { name, text } = match parse_row(number, line, self.n_cpus, &mut self.counts) {
                Ok(Some(row)) => row,
                Ok(None) => continue,
                Err(bad) => {
                    if bad_rows.len() < MOST_FAULTS {
                        bad_rows.push(bad);
                    }
                    continue;
                }
            };
            if self.rows.get(at).is_none_or(|row| row.name != name || row.text != text) {
                self.rows.truncate(at);
                self.rows.push(Row { name: name.to_vec(), text: text.to_vec(), about: about(name, text) });
                changed = true;
            }
            at += 1;
        }
        changed |= self.rows.len() > at;
        self.rows.truncate(at);
        if changed {
            self.sort();
        }
        Ok(bad_rows)
    }

    fn sort(&mut self) {
        let rows = &self.rows;
        let about = |place: &usize| rows.get(*place).and_then(|row| row.about.as_ref());
        self.order.clear();
        self.order.extend((0..rows.len()).filter(|place| about(place).is_some()));
        self.order.sort_by_key(about);
    }

    /// The CPU as a label value, what it is about, and the count: CPU by CPU, and for each in the order of what the
    /// rows are about.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &T, u64)> {
        self.cpus.iter().flat_map(move |(cpu, column)| {
            self.order.iter().filter_map(move |&place| {
                let about = self.rows.get(place)?.about.as_ref()?;
                let count = self.counts.get(place * self.n_cpus + column)?;
                Some((cpu, about, *count))
            })
        })
    }

    /// What each row is about and the sum of its counts, in the order of what the rows are about.
    pub(crate) fn sums(&self) -> impl Iterator<Item = (&T, f64)> {
        self.order.iter().filter_map(|&place| {
            let about = self.rows.get(place)?.about.as_ref()?;
            let counts = self.counts.get(place * self.n_cpus..(place + 1) * self.n_cpus)?;
            Some((about, counts.iter().map(|&count| count as f64).sum()))
        })
    }
}

/// The numbers of the CPUs in the first line. A column without one is called by its place.
fn cpu_numbers(header: &[u8]) -> impl Iterator<Item = u32> + Clone {
    let number = |word: &[u8]| u32::try_from(parse_u64(word.strip_prefix(b"CPU")?)?).ok();
    Words::of(header).zip(0..).map(move |(word, place)| number(word).unwrap_or(place)).take(MOST_CPUS)
}

/// What a row has beside its counts.
struct Parts<'t> {
    name: &'t [u8],
    text: &'t [u8],
}

/// The name and the text of a row, whose counts go to the end of `counts`.
///
/// `None` for a row with a single word where there are several CPUs: what it counts, it counts for all of them (ERR, MIS).
fn parse_row<'t>(
    number: u32,
    line: &'t [u8],
    n_cpus: usize,
    counts: &mut Vec<u64>,
) -> Result<Option<Parts<'t>>, BadField> {
    let Some(colon) = line.iter().position(|&b| b == b':') else { return Ok(None) };
    let (name, rest) = (line.get(..colon).unwrap_or_default(), line.get(colon + 1..).unwrap_or_default());
    let (mut words, start) = (Words::new(number, rest), counts.len());
    for _ in 0..n_cpus {
        match words.u64("count") {
            Ok(count) => counts.push(count),
            Err(bad) => {
                counts.truncate(start);
                let n_words = Words::of(rest).take(2).count();
                return if n_words < 2.min(n_cpus) { Ok(None) } else { Err(bad) };
            }
        }
    }
    Ok(Some(Parts { name: name.trim_ascii(), text: words.rest() }))
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new(
    "table of CPUs",
    |bytes| {
        let mut table = CpuTable::default();
        eat(table.read(bytes, |name, text| (!text.is_empty()).then(|| [name, text].concat())));
        table.iter().for_each(eat);
    },
    b"           CPU0       CPU2       \n  0:         45          0  IR-IO-APIC    2-edge      timer\n120:      1 22345  IR-PCI-MSI-0000:00:1f.2  0-edge  ahci, x\n NMI:          7          9   Non-maskable interrupts\n ERR:          3\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(table: &mut CpuTable<String>, text: &str) -> Vec<String> {
        let bad = table.read(text.as_bytes(), |name, text| {
            (!text.is_empty()).then(|| format!("{}/{}", String::from_utf8_lossy(name), String::from_utf8_lossy(text)))
        });
        let mut shown: Vec<String> = match bad {
            Ok(bad) => bad.iter().map(|bad| format!("! {bad}")).collect(),
            Err(bad) => return vec![format!("! {bad}")],
        };
        shown.extend(table.iter().map(|(cpu, about, count)| format!("{cpu} {about} {count}")));
        shown
    }

    #[test]
    fn good() {
        let mut table = CpuTable::default();
        let text = "      CPU0  CPU2  CPU10\n  b:  1  2  3  some  text\n  a: 4 18446744073709551615 6 x\n";
        let want = [
            "0 a/x 4",
            "0 b/some  text 1",
            "10 a/x 6",
            "10 b/some  text 3",
            "2 a/x 18446744073709551615",
            "2 b/some  text 2",
        ];
        assert_eq!(shown(&mut table, text), want);
        assert_eq!(shown(&mut table, text), want, "what is kept is the same");
        assert_eq!(shown(&mut table, "CPU1\nERR: 7\nMIS: 1 x\nno row\n"), ["1 MIS/x 1"]);
        assert_eq!(shown(&mut table, "CPU1\nMIS: 2 x\na: 3 y"), ["1 MIS/x 2", "1 a/y 3"]);
        assert_eq!(shown(&mut table, "CPU1\nMIS: 2 x\n"), ["1 MIS/x 2"]);
        assert_eq!(shown(&mut table, "CPU1\nMIS: 2 z\r\n"), ["1 MIS/z 2"]);
    }

    #[test]
    fn cut_short() {
        let mut table = CpuTable::default();
        assert_eq!(shown(&mut table, ""), ["! 1: header: expected the names of the CPUs, found \"\""]);
        assert!(shown(&mut table, "CPU0 CPU1").is_empty());
        assert_eq!(shown(&mut table, "CPU0 CPU1\n1: 2 3 x\n2: 4"), ["0 1/x 2", "1 1/x 3"]);
        let bad = "! 2: count: expected a whole number, found \"\"";
        assert_eq!(shown(&mut table, "CPU0 CPU1 CPU2\n1: 2 3"), [bad]);
    }

    #[test]
    fn garbage_costs_its_row() {
        let want = [
            "! 2: count: expected a whole number, found \"-2\"",
            "! 3: count: expected a whole number, found \"0x3\"",
            "0 \u{fffd}/y 4",
            "1 \u{fffd}/y 5",
        ];
        let mut table = CpuTable::default();
        let text = b"? CPUx\n1: -2 3 x\n2: 1 0x3\n\xff: 4 5 y\n";
        let bad = table.read(text, |name, text| {
            Some([&String::from_utf8_lossy(name), "/", &String::from_utf8_lossy(text)].concat())
        });
        let mut got: Vec<String> = bad.unwrap().iter().map(|bad| format!("! {bad}")).collect();
        got.extend(table.iter().map(|(cpu, about, count)| format!("{cpu} {about} {count}")));
        assert_eq!(got, want);
    }
}
