//! What the RPC layer counts for NFS: lines of a key and numbers.
//!
//! Format: kernel net/sunrpc/stats.c, `rpc_proc_show` and `svc_seq_show`.

use common::error::BadField;
use common::fields::{Words, lines, parse_u64};

/// One line.
#[derive(Clone, Debug)]
pub(crate) struct Line<'t> {
    /// Its first word.
    pub(crate) key: &'t [u8],
    words: Words<'t>,
}

/// The lines of a text; empty ones are left out.
pub(crate) fn parse(text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    lines(text).filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        Some(Line { key: words.next()?, words })
    })
}

impl Line<'_> {
    /// The first `N` numbers, each of which is one of what `field` names; what follows is not looked at.
    pub(crate) fn numbers<const N: usize>(&self, field: &'static str) -> Result<[f64; N], BadField> {
        let (mut words, mut numbers) = (self.words.clone(), [0.0; N]);
        for number in &mut numbers {
            *number = words.u64(field)? as f64;
        }
        Ok(numbers)
    }

    /// The calls of each procedure, which the line begins with the number of. At least `least` have to be there, as many
    /// as there are in a version of the protocol; newer kernels only add some.
    pub(crate) fn calls(&self, least: usize) -> Result<impl Iterator<Item = f64>, BadField> {
        let mut words = self.words.clone();
        let n = usize::try_from(words.u64("number of procedures")?).unwrap_or(usize::MAX);
        let (rest, mut all) = (words.clone(), words.clone());
        let mut found = 0;
        while !all.rest().is_empty() && found < n {
            all.u64("calls")?;
            found += 1;
        }
        if found < n.max(least) {
            // The complaint names the line and the number that is not there.
            all.u64("calls")?;
        }
        Ok(rest.filter_map(parse_u64).take(n).map(|calls| calls as f64))
    }
}

/// A version of the protocol, whose calls one line has by procedure.
pub(crate) struct Version {
    /// First word of the line.
    pub(crate) key: &'static str,
    /// The version as a label.
    pub(crate) label: &'static str,
    /// In the order of their numbers; those without a name are not told.
    pub(crate) procedures: &'static [&'static str],
    /// How many of them there have to be; `None` where the line begins with calls and not with the number of procedures.
    pub(crate) least: Option<usize>,
}

/// What a text tells.
pub(crate) enum Told<'l> {
    /// A line that is of no version.
    Line(&'l Line<'l>),
    /// How often a procedure of a version was called.
    Calls {
        /// The version as a label.
        version: &'static str,
        /// The name of the procedure.
        procedure: &'static str,
        /// How often.
        calls: f64,
    },
}

/// Tells all of a text to `each`, which says whether it knows a line; gives the lines that are malformed.
///
/// Once a line was understood, what this kernel does not know was never called: 0.
pub(crate) fn tell<const N: usize>(
    text: &[u8],
    versions: &[Version; N],
    each: &mut dyn FnMut(Told<'_>) -> Result<bool, BadField>,
) -> Vec<BadField> {
    let (mut problems, mut spoken, mut understood) = (Vec::new(), [false; N], false);
    for line in parse(text) {
        let known = versions.iter().zip(&mut spoken).find(|(version, _)| version.key.as_bytes() == line.key);
        let told = match known {
            Some((version, spoken)) => {
                *spoken = true;
                version.tell(Some(&line), each)
            }
            None => each(Told::Line(&line)),
        };
        match told {
            Ok(known) => understood |= known,
            Err(bad) => problems.push(bad),
        }
    }
    let silent = versions.iter().zip(spoken).filter(|(_, spoken)| understood && !spoken);
    problems.extend(silent.filter_map(|(version, _)| version.tell(None, each).err()));
    problems
}

impl Version {
    fn tell(
        &self,
        line: Option<&Line<'_>>,
        each: &mut dyn FnMut(Told<'_>) -> Result<bool, BadField>,
    ) -> Result<bool, BadField> {
        let (mut by_number, mut alone) = (None, None);
        match (line, self.least) {
            (Some(line), Some(least)) => by_number = Some(line.calls(least)?),
            (Some(line), None) => alone = Some(line.numbers::<1>("calls")?),
            (None, _) => {}
        }
        let calls = by_number.into_iter().flatten().chain(alone.into_iter().flatten()).chain(std::iter::repeat(0.0));
        for (&procedure, calls) in self.procedures.iter().zip(calls).filter(|(procedure, _)| !procedure.is_empty()) {
            each(Told::Calls { version: self.label, procedure, calls })?;
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn calls(text: &str, least: usize) -> Result<Vec<f64>, String> {
        let line = parse(text.as_bytes()).next().unwrap();
        line.calls(least).map(Iterator::collect).map_err(|bad| bad.to_string())
    }

    #[test]
    fn good() {
        let all: Vec<_> = parse(b"net 1 2 3 4\n\nproc2 2 7 8").collect();
        assert_eq!(all.iter().map(|line| line.key).collect::<Vec<_>>(), [&b"net"[..], b"proc2"]);
        assert_eq!(all[0].numbers::<3>("packets"), Ok([1.0, 2.0, 3.0]));
        assert_eq!(calls("proc2 2 7 8", 2), Ok(vec![7.0, 8.0]));
        assert_eq!(calls("proc4 1 7 8\r\n", 0), Ok(vec![7.0]));
        assert_eq!(calls("proc4 0", 0), Ok(vec![]));
    }

    #[test]
    fn cut_short() {
        let none = "1: calls: expected a whole number, found \"\"".to_owned();
        assert_eq!(calls("proc2 2 7", 0), Err(none.clone()));
        assert_eq!(calls("proc2 1 7", 2), Err(none));
        assert_eq!(calls("proc2", 2), Err("1: number of procedures: expected a whole number, found \"\"".to_owned()));
    }

    #[test]
    fn garbage() {
        assert_eq!(calls("proc2 2 7 -8", 0), Err("1: calls: expected a whole number, found \"-8\"".to_owned()));
        let line = parse(b"net 18446744073709551616").next().unwrap();
        let bad = "1: packets: expected a whole number, found \"18446744073709551616\"";
        assert_eq!(line.numbers::<1>("packets").unwrap_err().to_string(), bad);
        assert_eq!(
            calls("proc2 18446744073709551615 7", 0),
            Err("1: calls: expected a whole number, found \"\"".to_owned())
        );
        assert_eq!(parse(b" \n\t\n").count(), 0);
    }
}
