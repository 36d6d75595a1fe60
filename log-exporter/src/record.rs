//! Lines of log files as records: the format of the CRI, and docker's `json-file`.
//!
//! * CRI (kubernetes `pkg/kubelet/kuberuntime/logs`, cri-api): `<RFC 3339 time> <stdout|stderr> <tags> <content>`, single spaces,
//!   tags separated by colons, the first one `F` for a full line or `P` for a part that the next record of its stream goes on
//!   with. The content is bytes.
//! * docker: a JSON object per line with `log`, `stream` and `time`; a line that goes on has no newline at the end of `log`.

use std::borrow::Cow;

use common::time::parse_time;
use serde_json::value::RawValue;

/// Which output of the container a line comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Stdout = 0,
    /// Standard error.
    Stderr = 1,
    /// The line did not say.
    Unknown = 2,
}

impl Stream {
    /// All of them, each at its own number.
    pub const ALL: [Self; 3] = [Self::Stdout, Self::Stderr, Self::Unknown];

    /// Value of the label `stream`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::Unknown => "unknown",
        }
    }

    /// The stream of that name.
    pub fn of(name: &[u8]) -> Option<Self> {
        match name {
            b"stdout" => Some(Self::Stdout),
            b"stderr" => Some(Self::Stderr),
            _ => None,
        }
    }
}

/// One line of a log file, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record<'l> {
    /// RFC 3339, as it was written; [`seconds_of`] reads it.
    pub time: Cow<'l, [u8]>,
    /// Where the program wrote it.
    pub stream: Stream,
    /// Whether the message ends here.
    pub is_full: bool,
    /// What the program wrote.
    pub content: Cow<'l, [u8]>,
}

/// The shortest time there is, `2026-11-22T10:00:00Z`, and the longest: nine digits of a second and an offset.
const TIME_BYTES: (usize, usize) = (20, 35);

/// Reads a line, without its newline; `None` when it has neither format.
pub fn parse(line: &[u8]) -> Option<Record<'_>> {
    if let Some((head, content)) = parse_head(line) {
        let Head { time, stream, is_full } = head;
        return Some(Record { time: Cow::Borrowed(time), stream, is_full, content: Cow::Borrowed(content) });
    }
    if line.first() == Some(&b'{') { parse_docker(line) } else { None }
}

/// What stands before the content of a CRI line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head<'l> {
    /// RFC 3339, as it was written.
    pub time: &'l [u8],
    /// Where the program wrote it.
    pub stream: Stream,
    /// Whether the message ends with this line.
    pub is_full: bool,
}

/// Parts a CRI line into head and content. The time is not read, only looked at.
#[inline]
pub fn parse_head(line: &[u8]) -> Option<(Head<'_>, &[u8])> {
    let (least, most) = TIME_BYTES;
    let end = least + line.get(least..line.len().min(most + 1))?.iter().position(|byte| *byte == b' ')?;
    let (time, rest) = (line.get(..end)?, line.get(end + 1..)?);
    let (Some(b'T'), Some(b'-'), Some(b':')) = (time.get(10), time.get(4), time.get(13)) else { return None };
    let stream = match rest.get(..7)? {
        b"stdout " => Stream::Stdout,
        b"stderr " => Stream::Stderr,
        _ => return None,
    };
    let rest = rest.get(7..)?;
    let is_full = match rest.first()? {
        b'F' => true,
        b'P' => false,
        _ => return None,
    };
    // Further tags, of which none is known yet.
    let content = match rest.get(1) {
        Some(b' ') => rest.get(2..)?,
        None => &[],
        Some(b':') => match memchr::memchr(b' ', rest) {
            Some(at) => rest.get(at + 1..)?,
            None => &[],
        },
        Some(_) => return None,
    };
    Some((Head { time, stream, is_full }, content))
}

/// A line of docker's `json-file`.
fn parse_docker(line: &[u8]) -> Option<Record<'_>> {
    let members: std::collections::HashMap<&str, &RawValue> = serde_json::from_slice(line).ok()?;
    let text = |name: &str| -> Option<Cow<'_, [u8]>> {
        let raw = members.get(name)?.get();
        let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
        if inner.contains('\\') {
            return serde_json::from_str::<String>(raw).ok().map(|text| Cow::Owned(text.into_bytes()));
        }
        Some(Cow::Borrowed(inner.as_bytes()))
    };
    let (mut content, stream, time) = (text("log")?, text("stream")?, text("time")?);
    let is_full = content.ends_with(b"\n");
    if is_full {
        match &mut content {
            Cow::Owned(text) => drop(text.pop()),
            Cow::Borrowed(text) => *text = text.strip_suffix(b"\n").unwrap_or(text),
        }
    }
    Some(Record { time, stream: Stream::of(&stream)?, is_full, content })
}

impl Record<'_> {
    /// When it was written, in seconds since 1970; `None` when what is written is no time.
    pub fn seconds(&self) -> Option<f64> {
        seconds_of(&self.time)
    }
}

/// Seconds since 1970 of a [time](Record::time).
pub fn seconds_of(time: &[u8]) -> Option<f64> {
    parse_time(std::str::from_utf8(time).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIME: &str = "2026-11-22T10:00:00.123456789Z";

    fn cri(line: &str) -> Option<(Stream, bool, String)> {
        let record = parse(line.as_bytes())?;
        Some((record.stream, record.is_full, String::from_utf8_lossy(&record.content).into_owned()))
    }

    #[test]
    fn lines_of_the_cri() {
        let good = |rest: &str| cri(&format!("{TIME} {rest}")).unwrap();
        assert_eq!(good("stdout F hello world"), (Stream::Stdout, true, "hello world".to_owned()));
        assert_eq!(good("stderr P half"), (Stream::Stderr, false, "half".to_owned()));
        assert_eq!(good("stdout F "), (Stream::Stdout, true, String::new()));
        assert_eq!(good("stdout F"), (Stream::Stdout, true, String::new()));
        assert_eq!(good("stdout F   two blanks"), (Stream::Stdout, true, "  two blanks".to_owned()));
        assert_eq!(good("stdout P:new:tags x y"), (Stream::Stdout, false, "x y".to_owned()));
        for time in ["2026-11-22T10:00:00Z", "2026-11-22T10:00:00.1+01:00", "2026-11-22T10:00:00.123456789+01:00"] {
            assert_eq!(cri(&format!("{time} stdout F x")), Some((Stream::Stdout, true, "x".to_owned())), "{time}");
        }
    }

    #[test]
    fn lines_cut_short_and_garbage() {
        let line = format!("{TIME} stdout F x");
        for end in 0..line.len() - 2 {
            assert_eq!(cri(&line[..end]), None, "{end}");
        }
        for line in [
            "stdout F x",
            "2026-11-22T10:00:00Z stdin F x",
            "2026-11-22T10:00:00Z stdout X x",
            "2026-11-22T10:00:00Z stdout Full x",
            "2026-11-22T10:00:00Z  stdout F x",
            "{",
            "{}",
            r#"{"log":1,"stream":"stdout","time":"x"}"#,
            r#"{"log":"x","stream":"stdin","time":"x"}"#,
            "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(cri(line), None, "{line}");
        }
    }

    #[test]
    fn lines_of_docker() {
        let good = |log: &str| cri(&format!(r#"{{"log":"{log}","stream":"stderr","time":"{TIME}"}}"#)).unwrap();
        assert_eq!(good(r"a \u003cb\u003e \\ c\n"), (Stream::Stderr, true, r"a <b> \ c".to_owned()));
        assert_eq!(good("part"), (Stream::Stderr, false, "part".to_owned()));
        assert_eq!(good(r"\n"), (Stream::Stderr, true, String::new()));
    }
}
