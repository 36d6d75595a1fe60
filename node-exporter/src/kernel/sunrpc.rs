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
