//! The texts of bcachefs: tables for people, with numbers for people.

use common::error::BadField;
use common::fields::{Words, lines, parse_f64, parse_u64};
use common::fuzzing::{Parser, eat};

/// A number as the file system prints it for people: digits, a fraction, and a letter for the power of 1024. Whole
/// numbers are what is kept.
pub(super) fn human(text: &[u8]) -> Option<f64> {
    let power = |letter: &u8| match letter.to_ascii_lowercase() {
        b'k' => Some(1),
        b'm' => Some(2),
        b'g' => Some(3),
        b't' => Some(4),
        b'p' => Some(5),
        b'e' => Some(6),
        _ => None,
    };
    let (digits, power) = match text.split_last() {
        Some((last, digits)) if !last.is_ascii_digit() => (digits, power(last)?),
        _ => (text, 0),
    };
    if !digits.first()?.is_ascii_digit() {
        return None;
    }
    let n = parse_f64(digits).filter(|n| n.is_finite())?;
    Some((n * 1024_f64.powi(power)).trunc())
}

/// The family of a file below `counters`: what cannot stand in a name becomes one `_`, with those around it.
pub(super) fn name_of_counter(file: &[u8]) -> String {
    let mut name = String::from("node_bcachefs_");
    let mut rest = file;
    while let Some(&first) = rest.first() {
        let is_plain = first.is_ascii_alphanumeric();
        let n = rest.iter().take_while(|b| b.is_ascii_alphanumeric() == is_plain).count();
        let (run, tail) = rest.split_at_checked(n).unwrap_or((rest, b""));
        if is_plain || run.iter().all(|&b| b == b'_') {
            name.extend(run.iter().map(|&b| char::from(b)));
        } else {
            name.push('_');
        }
        rest = tail;
    }
    name.push_str("_total");
    name
}

/// The number of a file below `counters`: of its two lines, the one that goes back to when the file system was made.
pub(super) fn since_creation(text: &[u8]) -> Result<f64, BadField> {
    const PREFIX: &[u8] = b"since filesystem creation:";
    let found = lines(text).find_map(|(number, line)| Some((number, line.trim_ascii().strip_prefix(PREFIX)?)));
    let (number, value) = found.unwrap_or((1, b""));
    let value = value.trim_ascii();
    human(value).ok_or_else(|| BadField::new(number, "since filesystem creation", "a number", value))
}

/// The rows of `compression_stats`: algorithm, bytes compressed and uncompressed.
pub(super) fn compression(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], f64, f64), BadField>> {
    rows(text).map(|(number, name, compressed, uncompressed)| {
        Ok((name, size(number, "compressed", compressed)?, size(number, "uncompressed", uncompressed)?))
    })
}

/// The rows of `btree_write_stats`: reason, writes and their average size.
pub(super) fn writes(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], f64, f64), BadField>> {
    rows(text).map(|(number, name, n, bytes)| Ok((name, whole(number, "nr", n)?, size(number, "size", bytes)?)))
}

/// The rows below a header that have at least three words, without the colon after the first one.
fn rows(text: &[u8]) -> impl Iterator<Item = (u32, &[u8], &[u8], &[u8])> {
    lines(text).skip(1).filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let (name, a, b) = (words.next()?, words.next()?, words.next()?);
        Some((number, name.strip_suffix(b":").unwrap_or(name), a, b))
    })
}

fn size(number: u32, field: &'static str, word: &[u8]) -> Result<f64, BadField> {
    human(word).ok_or_else(|| BadField::new(number, field, "a number", word))
}

fn whole(number: u32, field: &'static str, word: &[u8]) -> Result<f64, BadField> {
    parse_u64(word).map(|n| n as f64).ok_or_else(|| BadField::new(number, field, "a whole number", word))
}

/// The rows of `errors`: kind and number; a time follows.
pub(super) fn errors(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], f64), BadField>> {
    lines(text).filter_map(|(number, line)| {
        let mut words = Words::new(number, line);
        let (kind, n) = (words.next()?, words.next()?);
        Some(whole(number, "errors", n).map(|n| (kind, n)))
    })
}

/// The rows of `io_done`: operation, what the data was, bytes.
pub(super) fn io_done(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], &[u8], f64), BadField>> {
    let mut operation = None;
    lines(text).filter_map(move |(number, line)| {
        match line.trim_ascii() {
            b"read:" => operation = Some(&b"read"[..]),
            b"write:" => operation = Some(b"write"),
            line => {
                let (data_type, bytes) = pair(line)?;
                let operation = operation?;
                return Some(whole(number, "bytes", bytes).map(|n| (operation, data_type, n)));
            }
        }
        None
    })
}

/// The rows of `io_errors`: kind and number. Only of the block that goes back to when the file system was made.
pub(super) fn io_errors(text: &[u8]) -> impl Iterator<Item = Result<(&[u8], f64), BadField>> {
    let is_head = |line: &[u8]| line.trim_ascii().starts_with(b"IO errors since ");
    let is_wanted = |line: &[u8]| line.trim_ascii().starts_with(b"IO errors since filesystem creation");
    let block = lines(text).skip_while(move |(_, line)| !is_wanted(line)).skip(1);
    block.take_while(move |(_, line)| !is_head(line)).filter_map(|(number, line)| {
        let (kind, n) = pair(line)?;
        Some(whole(number, "errors", n).map(|n| (kind, n)))
    })
}

/// What stands before and after the first colon.
fn pair(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = line.iter().position(|&b| b == b':')?;
    Some((line.get(..at)?.trim_ascii(), line.get(at + 1..)?.trim_ascii()))
}

/// For the fuzzer.
pub(in crate::collectors) const PARSER: Parser = Parser::new(
    "bcachefs",
    |bytes| {
        eat((human(bytes), name_of_counter(bytes), since_creation(bytes)));
        compression(bytes).for_each(eat);
        writes(bytes).for_each(eat);
        errors(bytes).for_each(eat);
        io_done(bytes).for_each(eat);
        io_errors(bytes).for_each(eat);
    },
    b"since mount: 1.5k\nsince filesystem creation: 2.25M\nlz4:  48.9G 71.2G 62.5k\nread:\nsb : 86016\n\
      IO errors since filesystem creation\n  read: 8\nIO errors since 8 y ago\n  read: 1\n",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_for_people() {
        for (text, want) in
            [("0", 0.0), ("2.05G", 2_201_170_739.0), ("1.5k", 1536.0), ("100K", 102_400.0), ("720", 720.0)]
        {
            assert_eq!(human(text.as_bytes()), Some(want), "{text}");
        }
        for bad in ["", "k", "1x", "-1", "nan", "inf", "1.2.3", "+1", ".5"] {
            assert_eq!(human(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn names_of_families() {
        for (file, want) in [
            ("btree_node_read", "btree_node_read"),
            ("a__b", "a__b"),
            ("a.b", "a_b"),
            ("a._b", "a_b"),
            ("a-.-b", "a_b"),
            ("_x", "_x"),
            ("\"\n", "_"),
        ] {
            assert_eq!(name_of_counter(file.as_bytes()), format!("node_bcachefs_{want}_total"));
        }
    }

    #[test]
    fn since_the_file_system_was_made() {
        let text = b"since mount:                   3\nsince filesystem creation:     1.5k\n";
        assert_eq!(since_creation(text), Ok(1536.0));
        for (bad, line, found) in [("", 1, ""), ("since mount: 3", 1, ""), ("\nsince filesystem creation: x", 2, "x")] {
            let want = format!("{line}: since filesystem creation: expected a number, found \"{found}\"");
            assert_eq!(since_creation(bad.as_bytes()).unwrap_err().to_string(), want);
        }
    }

    #[track_caller]
    fn check<T>(rows: impl Iterator<Item = Result<T, BadField>>, show: impl Fn(T) -> String, want: &[&str]) {
        let got: Vec<String> = rows.map(|row| row.map_or_else(|bad| bad.to_string(), &show)).collect();
        assert_eq!(got, want);
    }

    fn lossy(text: &[u8]) -> String {
        String::from_utf8_lossy(text).into_owned()
    }

    #[test]
    fn tables() {
        let show = |(name, a, b): (&[u8], f64, f64)| format!("{} {a} {b}", lossy(name));
        check(
            compression(b"type compressed uncompressed\nlz4 1k 2k 62.5k\nnone\ngzip: x 1\nzstd: 0 0"),
            show,
            &["lz4 1024 2048", "4: compressed: expected a number, found \"x\"", "zstd 0 0"],
        );
        check(
            writes(b" nr size\ninitial: 3 100k\ninterior: 1.5k 2\n"),
            show,
            &["initial 3 102400", "3: nr: expected a whole number, found \"1.5k\""],
        );
        check(writes(b""), show, &[]);
        check(
            errors(b"bset_bad_csum 2 1767112063\nalone\nnew 18446744073709551615\nbad -1 0"),
            |(kind, n)| format!("{} {n}", lossy(kind)),
            &["bset_bad_csum 2", "new 18446744073709552000", "4: errors: expected a whole number, found \"-1\""],
        );
    }

    #[test]
    fn sections() {
        check(
            io_done(b"sb : 1\nread:\nsb          :       86016\nuser :x\nnothing\n write: \nsb:1\n"),
            |(operation, data_type, n)| format!("{} {} {n}", lossy(operation), lossy(data_type)),
            &["read sb 86016", "4: bytes: expected a whole number, found \"x\"", "write sb 1"],
        );
        let show = |(kind, n): (&[u8], f64)| format!("{} {n}", lossy(kind));
        check(
            io_errors(b"IO errors since 8 y ago\n read: 9\nIO errors since filesystem creation\n  read:    8\n\n  checksum:5\nIO errors since 1 s ago\n read:1"),
            show,
            &["read 8", "checksum 5"],
        );
        check(io_errors(b"IO errors since filesystem creation\n read"), show, &[]);
        check(io_errors(b""), show, &[]);
    }
}
