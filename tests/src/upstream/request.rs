//! What a client asked an upstream for.

use std::io::{self, BufRead, Read};

/// No program under test asks with more than this.
const MAX_HEAD_BYTES: u64 = 64 * 1024;

/// More of a body than this is not kept.
const MAX_BODY_BYTES: u64 = 1024 * 1024;

/// One request as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// GET, HEAD and the like.
    pub method: String,
    /// Path and query, undecoded.
    pub target: String,
    /// The headers in the order sent.
    pub headers: Vec<(String, String)>,
    /// The first megabyte of the body.
    pub body: Vec<u8>,
}

impl Received {
    /// Reads one request; `None` when the client has gone instead.
    ///
    /// # Errors
    ///
    /// When the connection fails or ends inside a request, or what comes is not HTTP/1.
    pub fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut head = from.take(MAX_HEAD_BYTES);
        let Some(first) = line(&mut head)? else { return Ok(None) };
        let mut words = first.split(' ');
        let (Some(method), Some(target), Some("HTTP/1.1" | "HTTP/1.0"), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(wrong("request line", &first));
        };
        let (method, target) = (method.to_owned(), target.to_owned());
        let mut received = Self { method, target, headers: Vec::new(), body: Vec::new() };
        loop {
            let header = line(&mut head)?.ok_or(io::ErrorKind::UnexpectedEof)?;
            if header.is_empty() {
                break;
            }
            let (name, value) = header.split_once(':').ok_or_else(|| wrong("header", &header))?;
            received.headers.push((name.to_owned(), value.trim().to_owned()));
        }
        let length = received.header("content-length").map_or(Ok(0), str::parse);
        let length = length.map_err(|_| wrong("content-length", &received.target))?;
        from.take(length.min(MAX_BODY_BYTES)).read_to_end(&mut received.body)?;
        io::copy(&mut from.take(length.saturating_sub(MAX_BODY_BYTES)), &mut io::sink())?;
        Ok(Some(received))
    }

    /// The target without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a header, its name in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// One line without its end; `None` at the end of what there is.
fn line(from: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Ok(None);
    }
    match line.strip_suffix("\r\n") {
        Some(whole) => Ok(Some(whole.to_owned())),
        None => Err(wrong("end of line", &line)),
    }
}

fn wrong(what: &str, found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: found {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, want: Result<Option<(&str, usize)>, io::ErrorKind>) {
        let got = Received::read(&mut text.as_bytes()).map_err(|e| e.kind());
        let got = got.map(|found| found.map(|found| (found.path().to_owned(), found.headers.len())));
        assert_eq!(got, want.map(|found| found.map(|(path, headers)| (path.to_owned(), headers))));
    }

    #[test]
    fn whole() {
        check("GET /a?b=c HTTP/1.1\r\nHost: x\r\nX: y\r\n\r\n", Ok(Some(("/a", 2))));
    }

    #[test]
    fn nobody_there() {
        check("", Ok(None));
    }

    #[test]
    fn cut_short() {
        check("GET /a HTTP/1.1\r\nHost: x\r\n", Err(io::ErrorKind::UnexpectedEof));
        check("GET /a HT", Err(io::ErrorKind::InvalidData));
    }

    #[test]
    fn garbage() {
        check("\u{16}\u{3}\u{1} not http\r\n\r\n", Err(io::ErrorKind::InvalidData));
    }

    #[test]
    fn a_body_does_not_become_the_next_request() {
        let mut two = &b"POST /a HTTP/1.1\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\n\r\n"[..];
        assert_eq!(Received::read(&mut two).unwrap().unwrap().path(), "/a");
        assert_eq!(Received::read(&mut two).unwrap().unwrap().path(), "/b");
    }
}
