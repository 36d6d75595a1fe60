//! What a host may hold in place of the file or folder a collector expects.

use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use common::fuzzing::Dice;

use crate::trees::copy;

const NUMBERS: &[&[u8]] = &[
    b"9007199254740993",
    b"18446744073709551615",
    b"18446744073709551616",
    b"9223372036854775808",
    b"4294967296",
    b"-1",
    b"-9223372036854775808",
    b"0x1f",
    b"1f",
    b"max",
    b"NaN",
    b"1e3",
    b"1.5",
    b"+5",
    b"007",
    b"1_000",
    b"",
];

const WORDS: &[&[u8]] = &[b"x", b"a\"b", b"b\\s", b"\xff\xfe", b"a\\040b", b":", b"-", b"=", b"()", b""];

const NAMES: &[&[u8]] =
    &[b"a b", b"q\"x", b"b\\s", b"n\xff\xfe", b"\xc3\xa4", b"x:1", b"..x", b"d-1.2", b"UPPER", b"0", b"two\nlines"];

/// What was done to one file or folder.
pub(crate) enum Mutation {
    /// A number became another.
    Number(String),
    /// A word became another, or went.
    Word(String),
    /// Cut behind this many bytes.
    Cut(usize),
    /// This line went, or stands twice.
    Line(usize, &'static str),
    /// The same words in other white space.
    Space(&'static str),
    /// Nothing in it, or nothing of meaning.
    Garbage(usize),
    /// Something else stands in its place.
    Stead(&'static str),
    /// The folder has another name.
    Renamed(String),
    /// A hundred more of the folder.
    Copied,
}

impl fmt::Display for Mutation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(told) => write!(f, "another number, {told}"),
            Self::Word(told) => write!(f, "another word, {told}"),
            Self::Cut(at) => write!(f, "a cut behind {at} bytes"),
            Self::Line(number, what) => write!(f, "line {number} {what}"),
            Self::Space(what) => write!(f, "other white space: {what}"),
            Self::Garbage(n) => write!(f, "{n} bytes of garbage"),
            Self::Stead(what) => write!(f, "{what} in its place"),
            Self::Renamed(name) => write!(f, "the name {name}"),
            Self::Copied => f.write_str("a hundred copies"),
        }
    }
}

/// A path while something else stands there; [`restore`](Self::restore) puts back what was.
pub(crate) struct Spoilt<'s> {
    path: PathBuf,
    stash: &'s Path,
    others: Vec<PathBuf>,
}

impl<'s> Spoilt<'s> {
    /// Takes away what is at `path`; `stash` is a place for it outside of the tree.
    pub(crate) fn removed(path: &Path, stash: &'s Path) -> Self {
        fs::rename(path, stash).unwrap();
        Self { path: path.to_owned(), stash, others: Vec::new() }
    }

    /// Puts an empty folder in place of what is at `path`.
    pub(crate) fn by_folder(path: &Path, stash: &'s Path) -> (Self, Mutation) {
        let spoilt = Self::removed(path, stash);
        fs::create_dir(path).unwrap();
        (spoilt, Mutation::Stead("an empty folder"))
    }

    /// Mutates the file at `path`.
    pub(crate) fn file(path: &Path, stash: &'s Path, dice: &mut Dice) -> (Self, Mutation) {
        let good = fs::read(path).unwrap();
        let spoilt = Self::removed(path, stash);
        let mutation = match dice.below(16) {
            0..5 => spoilt.number(&good, dice),
            5 | 6 => spoilt.word(&good, dice),
            7 => {
                let at = dice.below(good.len() + 1);
                spoilt.write(good.get(..at).unwrap_or_default());
                Mutation::Cut(at)
            }
            8 | 9 => spoilt.line(&good, dice),
            10 | 11 => spoilt.space(&good, dice),
            12 => {
                let n = dice.pick(&[0, 1, 10, 300]);
                let bytes: Vec<u8> = (0..n).map(|_| u8::try_from(dice.below(256)).unwrap()).collect();
                spoilt.write(&bytes);
                Mutation::Garbage(n)
            }
            _ => spoilt.stead(dice),
        };
        (spoilt, mutation)
    }

    /// Renames the folder at `path`, puts something else there, or a hundred copies beside it.
    pub(crate) fn folder(path: &Path, stash: &'s Path, dice: &mut Dice) -> (Self, Mutation) {
        let mut spoilt = Self { path: path.to_owned(), stash, others: Vec::new() };
        match dice.below(8) {
            0..3 => {
                let name = dice.pick(NAMES);
                let to = path.with_file_name(std::ffi::OsStr::from_bytes(name));
                fs::rename(path, stash).unwrap();
                copy(stash, &to, &mut Vec::new());
                spoilt.others.push(to);
                (spoilt, Mutation::Renamed(name.escape_ascii().to_string()))
            }
            3 | 4 => {
                for n in 1..=100 {
                    let mut name = path.file_name().unwrap().to_owned();
                    name.push(format!("{n:03}"));
                    let to = path.with_file_name(name);
                    copy(path, &to, &mut Vec::new());
                    spoilt.others.push(to);
                }
                (spoilt, Mutation::Copied)
            }
            5 => {
                fs::rename(path, stash).unwrap();
                spoilt.write(b"x\n");
                (spoilt, Mutation::Stead("a file"))
            }
            _ => {
                fs::rename(path, stash).unwrap();
                let mutation = spoilt.stead(dice);
                (spoilt, mutation)
            }
        }
    }

    /// Puts back what was.
    pub(crate) fn restore(self) {
        for other in &self.others {
            fs::remove_dir_all(other).unwrap();
        }
        if fs::symlink_metadata(self.stash).is_err() {
            return;
        }
        match fs::symlink_metadata(&self.path) {
            Ok(there) if there.is_dir() => fs::remove_dir(&self.path).unwrap(),
            Ok(_) => fs::remove_file(&self.path).unwrap(),
            Err(_) => {}
        }
        fs::rename(self.stash, &self.path).unwrap();
    }

    fn write(&self, bytes: &[u8]) {
        fs::write(&self.path, bytes).unwrap();
    }

    fn replace(&self, good: &[u8], (start, end): (usize, usize), new: &[u8]) {
        let (before, rest) = (good.get(..start).unwrap(), good.get(end..).unwrap());
        self.write(&[before, new, rest].concat());
    }

    fn number(&self, good: &[u8], dice: &mut Dice) -> Mutation {
        let spans = spans(good, |b| b.is_ascii_digit());
        let (start, end) = dice.pick(&spans);
        let new = dice.pick(NUMBERS);
        self.replace(good, (start, end), new);
        Mutation::Number(told(good, (start, end), new))
    }

    fn word(&self, good: &[u8], dice: &mut Dice) -> Mutation {
        let spans = spans(good, |b| !b.is_ascii_whitespace());
        let (start, end) = dice.pick(&spans);
        let new = dice.pick(WORDS);
        self.replace(good, (start, end), new);
        Mutation::Word(told(good, (start, end), new))
    }

    fn line(&self, good: &[u8], dice: &mut Dice) -> Mutation {
        let lines = || good.split_inclusive(|&b| b == b'\n').enumerate();
        let at = dice.below(lines().count());
        let (what, times) = dice.pick(&[("gone", 0), ("twice", 2)]);
        let kept = lines().flat_map(|(n, line)| std::iter::repeat_n(line, if n == at { times } else { 1 }));
        self.write(&kept.collect::<Vec<_>>().concat());
        Mutation::Line(at + 1, what)
    }

    fn space(&self, good: &[u8], dice: &mut Dice) -> Mutation {
        let lines = || good.split(|&b| b == b'\n');
        let (what, text) = match dice.below(4) {
            0 => ("CRLF", lines().collect::<Vec<_>>().join(&b"\r\n"[..])),
            1 => ("at the ends of lines", lines().collect::<Vec<_>>().join(&b" \t\n"[..])),
            2 => ("no final newline", good.trim_ascii_end().to_vec()),
            _ => ("a blank line at the end", [good, b"\n"].concat()),
        };
        self.write(&text);
        Mutation::Space(what)
    }

    fn stead(&self, dice: &mut Dice) -> Mutation {
        let root = rustix::process::geteuid().is_root();
        match dice.below(if root { 3 } else { 4 }) {
            0 => {
                fs::create_dir(&self.path).unwrap();
                Mutation::Stead("an empty folder")
            }
            1 => {
                symlink("nowhere/at/all", &self.path).unwrap();
                Mutation::Stead("a link to nowhere")
            }
            2 => {
                symlink(self.path.file_name().unwrap(), &self.path).unwrap();
                Mutation::Stead("a link to itself")
            }
            _ => {
                self.write(b"1\n");
                fs::set_permissions(&self.path, fs::Permissions::from_mode(0o0)).unwrap();
                Mutation::Stead("what may not be read")
            }
        }
    }
}

/// From where to where in `text` bytes of a kind stand together; one empty span if nowhere.
fn spans(text: &[u8], kind: impl Fn(u8) -> bool) -> Vec<(usize, usize)> {
    let mut spans = Vec::new();
    let mut start = None;
    for (at, &b) in text.iter().chain(b"\n").enumerate() {
        let within = kind(b) && at < text.len();
        match start {
            None if within => start = Some(at),
            Some(from) if !within => {
                spans.push((from, at));
                start = None;
            }
            _ => {}
        }
    }
    if spans.is_empty() {
        spans.push((0, 0));
    }
    spans
}

fn told(good: &[u8], (start, end): (usize, usize), new: &[u8]) -> String {
    let line = good.get(..start).unwrap().iter().filter(|&&b| b == b'\n').count() + 1;
    format!("line {line}: {} -> {}", good.get(start..end).unwrap().escape_ascii(), new.escape_ascii())
}
