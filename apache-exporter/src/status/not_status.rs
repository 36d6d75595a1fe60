//! Answers that are no status, and what to do about each.

use std::fmt;

/// What an answer looks like that holds no status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStatus {
    /// A page for people: `?auto` was left out, or the path is another one's.
    Html,
    /// Nothing at all.
    Empty,
    /// nginx's stub_status.
    Nginx,
    /// Begins as a status and has no scoreboard: the connection broke, or something on the way cut it.
    CutShort,
    /// Anything else.
    Other {
        /// Its first line, 60 characters at most.
        start: String,
    },
}

impl NotStatus {
    /// What can be told from the first bytes, before any line is read.
    pub(super) fn at_first_sight(body: &[u8]) -> Option<Self> {
        let text = without_mark(body);
        let begins = |start: &[u8]| text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
        if text.is_empty() {
            Some(Self::Empty)
        } else if begins(b"<!doctype") || begins(b"<html") || begins(b"<?xml") {
            Some(Self::Html)
        } else if begins(b"Active connections:") {
            Some(Self::Nginx)
        } else {
            None
        }
    }

    /// What `body` is, once its lines were read and `known` of them were ours.
    pub(super) fn of(body: &[u8], known: usize) -> Self {
        let text = without_mark(body);
        if known > 0 {
            return Self::CutShort;
        }
        if text.starts_with(b"<") {
            return Self::Html;
        }
        let line = text.split(|b| matches!(b, b'\n' | b'\r')).next().unwrap_or_default();
        let start = String::from_utf8_lossy(line.get(..240).unwrap_or(line)).chars().take(60).collect();
        Self::Other { start }
    }
}

/// Without blanks and the byte order mark some editors put first.
fn without_mark(body: &[u8]) -> &[u8] {
    let body = body.trim_ascii();
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start()
}

impl fmt::Display for NotStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Html => f.write_str(
                "expected the text of mod_status, found an HTML page: end the URI in ?auto, and check that its path \
                 is the one with `SetHandler server-status`",
            ),
            Self::Empty => f.write_str("expected the text of mod_status, found an empty answer"),
            Self::Nginx => f.write_str(
                "expected the text of mod_status, found nginx's stub_status: point the URI at an Apache httpd",
            ),
            Self::CutShort => f.write_str(
                "expected the text of mod_status, found its beginning without a Scoreboard line: the answer was cut \
                 on its way",
            ),
            Self::Other { start } => write!(
                f,
                "expected the text of mod_status, found {start:?}: check that the URI leads to the location with \
                 `SetHandler server-status`"
            ),
        }
    }
}

impl std::error::Error for NotStatus {}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    #[track_caller]
    fn check(body: &[u8], want: NotStatus, says: &str) {
        let got = parse(body).unwrap_err();
        assert!(got.to_string().contains(says), "{got}");
        assert_eq!(got, want);
    }

    #[test]
    fn each_kind_is_told_apart() {
        check(b"", NotStatus::Empty, "empty");
        check(b" \r\n\t", NotStatus::Empty, "empty");
        check(b"<!DOCTYPE HTML PUBLIC>\n<html>BusyWorkers: 1\n", NotStatus::Html, "?auto");
        check(b"\xef\xbb\xbf\n<HTML lang=en>", NotStatus::Html, "?auto");
        check(b"<p>Total accesses: 1014</p>", NotStatus::Html, "?auto");
        check(b"Active connections: 1 \nserver accepts handled requests\n 1 1 1\n", NotStatus::Nginx, "nginx");
        check(b"localhost\nServerVersion: Apache/2.4.62\nTotal Acc", NotStatus::CutShort, "cut");
        check(b"pong\nand more", NotStatus::Other { start: "pong".to_owned() }, "\"pong\"");
        let long = [b"\xc3\xa9".repeat(200), b"\xff".repeat(9)].concat();
        check(&long, NotStatus::Other { start: "\u{e9}".repeat(60) }, "SetHandler");
    }
}
