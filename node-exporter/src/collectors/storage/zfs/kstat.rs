//! The texts of the Solaris porting layer: a header line, a line of columns, then a line per statistic.
//!
//! Format: OpenZFS module/os/linux/spl/spl-kstat.c.

use common::error::BadField;
use common::fields::{Words, lines, parse_i64, parse_u64};
use common::fuzzing::{Parser, eat};

const SIGNED: &[u8] = b"3";
const UNSIGNED: &[u8] = b"4";

/// No file has more statistics than this; what comes after is not looked at.
const MOST: usize = 1024;

/// The statistics of a file of names: name and value. A line that is no number, such as a text, is left out.
///
/// Fails when the columns are not named, because nothing is known about the lines then.
pub(super) fn named(text: &[u8]) -> Result<impl Iterator<Item = Result<(&[u8], f64), BadField>>, BadField> {
    Ok(rows(text)?.filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let (name, kind, value) = (words.next()?, words.next()?, words.next()?);
        let (expected, value_of) = match kind {
            UNSIGNED => ("a whole number without sign", parse_u64(value).map(|n| n as f64)),
            SIGNED => ("a whole number", parse_i64(value).map(|n| n as f64)),
            _ => return None,
        };
        Some(value_of.map(|n| (name, n)).ok_or_else(|| BadField::new(number, "value", expected, value)))
    }))
}

/// The text in the row of that name, from its third word to the end of the line.
pub(super) fn text_of<'t>(text: &'t [u8], wanted: &[u8]) -> Result<Option<&'t [u8]>, BadField> {
    Ok(rows(text)?.find_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let _kind = (words.next()? == wanted).then(|| words.next())?;
        Some(words.rest()).filter(|text| !text.is_empty())
    }))
}

/// What follows the line that names the columns.
fn rows(text: &[u8]) -> Result<impl Iterator<Item = (u32, &[u8])>, BadField> {
    let mut rest = lines(text);
    let is_header = |(_, line): (u32, &[u8])| Words::of(line).eq([&b"name"[..], b"type", b"data"]);
    if !rest.any(is_header) {
        let found = text.split(|&b| b == b'\n').next().unwrap_or_default();
        return Err(BadField::new(1, "header", "name type data", found.get(..64).unwrap_or(found)));
    }
    Ok(rest.take(MOST))
}

/// The columns of the old file `io` and their values.
pub(super) fn columns(text: &[u8]) -> Result<impl Iterator<Item = (&[u8], f64)>, BadField> {
    let mut rest = lines(text);
    let header = rest.find(|(_, line)| line.starts_with(b"nread")).map_or(&b""[..], |(_, line)| line);
    let (number, values) = rest.next().unwrap_or((1, b""));
    let n = Words::of(header).count();
    let mut words = Words::new(number, values);
    for _ in 0..n.max(1) {
        words.u64("value")?;
    }
    let values = Words::of(values).filter_map(parse_u64).map(|n| n as f64);
    Ok(Words::of(header).zip(values).take(MOST))
}

/// Families whose names the module gives, remembered by their place in the file.
pub(super) struct Names {
    /// What their names begin with.
    prefix: &'static str,
    made: Vec<(Vec<u8>, String)>,
}

impl Names {
    pub(super) fn new(prefix: &'static str) -> Self {
        Self { prefix, made: Vec::new() }
    }

    /// The family of the statistic `name`, which stands at place `at`.
    pub(super) fn family(&mut self, at: usize, name: &[u8]) -> &str {
        let known = self.made.get(at).is_some_and(|(made_of, _)| made_of == name);
        if !known {
            let made = (name.to_vec(), family(self.prefix, name));
            match self.made.get_mut(at) {
                Some(slot) => *slot = made,
                None => self.made.push(made),
            }
        }
        self.made.get(at).or(self.made.last()).map_or("", |(_, family)| family)
    }
}

/// What follows the last dot of the name, after the prefix; what cannot stand in a name of a family becomes `_`.
fn family(prefix: &str, name: &[u8]) -> String {
    let field = name.rsplit(|&b| b == b'.').next().unwrap_or_default();
    let field = field.iter().map(|&b| if b.is_ascii_alphanumeric() { char::from(b) } else { '_' });
    prefix.chars().chain(field).collect()
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "kstat",
    |bytes| {
        let mut names = Names::new("x_");
        if let Ok(all) = named(bytes) {
            for (at, (name, n)) in all.flatten().enumerate() {
                eat((names.family(at, name), n));
            }
        }
        eat(text_of(bytes, b"dataset_name"));
        eat(columns(bytes).map(Iterator::count));
    },
    b"41 1 0x01 7 2160 5214 81231\nname                            type data\ndataset_name                    7    tank/a b\n\
      writes                          4    12\nmemory_available_bytes          3    -4096\n\
      nread nwritten reads writes wtime wlentime wupdate rtime rlentime rupdate wcnt rcnt\n1 2 3 4 5 6 7 8 9 10 11 12\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: &[&str]) {
        let show = |row: Result<(&[u8], f64), BadField>| match row {
            Ok((name, n)) => format!("{} {n}", String::from_utf8_lossy(name)),
            Err(bad) => bad.to_string(),
        };
        let got: Vec<String> = match named(text.as_bytes()) {
            Ok(rows) => rows.map(show).collect(),
            Err(bad) => vec![bad.to_string()],
        };
        assert_eq!(got, want);
    }

    #[test]
    fn good() {
        check(
            "5 1 0x01 3 4 5 6\nname type data\nhits 4 7\nmemory_available_bytes 3 -4096\nguid 7 x y\nlist 6 9\r\nmax 4 18446744073709551615",
            &["hits 7", "memory_available_bytes -4096", "max 18446744073709552000"],
        );
        let text = b"\nname type data\ndataset_name  7    tank/two  blanks \nreads 4 1\n";
        assert_eq!(text_of(text, b"dataset_name"), Ok(Some(&b"tank/two  blanks"[..])));
        assert_eq!(text_of(text, b"reads"), Ok(Some(&b"1"[..])));
        assert_eq!(text_of(text, b"none"), Ok(None));
    }

    #[test]
    fn cut_short() {
        check("", &["1: header: expected name type data, found \"\""]);
        check("5 1 0x01 3", &["1: header: expected name type data, found \"5 1 0x01 3\""]);
        check("name type data\nhits 4\nmisses 4 1", &["misses 1"]);
        assert_eq!(text_of(b"name type data\ndataset_name 7", b"dataset_name"), Ok(None));
    }

    #[test]
    fn garbage() {
        check(
            "name type data\nhits 4 -1\nmisses 4 0x1\n\u{1} 4 5\n",
            &[
                "2: value: expected a whole number without sign, found \"-1\"",
                "3: value: expected a whole number without sign, found \"0x1\"",
                "\u{1} 5",
            ],
        );
    }

    #[test]
    fn old_columns() {
        let show = |text: &[u8]| match columns(text) {
            Ok(all) => all.map(|(name, n)| format!("{}={n} ", String::from_utf8_lossy(name))).collect(),
            Err(bad) => bad.to_string(),
        };
        assert_eq!(show(b"12 3 0x00\nnread nwritten\n4 5\n"), "nread=4 nwritten=5 ");
        assert_eq!(show(b"nread nwritten\n4"), "2: value: expected a whole number, found \"\"");
        assert_eq!(show(b"nread nwritten\nx y"), "2: value: expected a whole number, found \"x\"");
        assert_eq!(show(b""), "1: value: expected a whole number, found \"\"");
    }

    #[test]
    fn names_of_families() {
        for (name, want) in
            [("erpt-dropped", "x_erpt_dropped"), ("kstat.zfs.misc.arcstats.hits", "x_hits"), ("ä", "x___"), ("", "x_")]
        {
            assert_eq!(family("x_", name.as_bytes()), want);
        }
        let mut names = Names::new("x_");
        assert_eq!(names.family(0, b"a"), "x_a");
        assert_eq!(names.family(1, b"b"), "x_b");
        assert_eq!(names.family(0, b"c"), "x_c");
        assert_eq!(names.family(9, b"d"), "x_d");
    }
}
