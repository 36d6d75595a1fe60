//! What an upstream says, and how rudely.

use std::io::{self, Write};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::latch::Latch;

/// Between two drips of an endless body: slow enough that no size limit ends it, fast enough that no idle limit does.
const DRIP: Duration = Duration::from_millis(20);

/// One answer, to be given any number of times.
#[derive(Debug, Clone)]
pub struct Answer {
    status: u16,
    headers: Vec<(String, String)>,
    body: Arc<[u8]>,
    form: Form,
    closes: bool,
    pub(super) gate: Option<Latch>,
}

/// How the body goes out.
#[derive(Debug, Clone, Copy)]
enum Form {
    Counted,
    CutShort { sent: usize },
    Chunked { piece: usize },
    ChunksEndEarly { piece: usize, sent: usize },
    Drips,
    Floods,
    Silent,
    SilentAfter { sent: usize },
    Raw,
    HangsUp,
}

/// What happens to the connection after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Another request may follow.
    Keep,
    /// It ends in an orderly way.
    Close,
    /// It breaks off.
    Break,
    /// Nothing is said any more until the client goes.
    Silence,
}

impl Answer {
    /// 200 with a body of any kind.
    pub fn ok(content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::status(200, body).header("Content-Type", content_type)
    }

    /// 200 with plain text.
    pub fn text(body: impl Into<Vec<u8>>) -> Self {
        Self::ok("text/plain", body)
    }

    /// 200 with a JSON document.
    pub fn json(document: &Value) -> Self {
        Self::ok("application/json", document.to_string())
    }

    /// Any status with a body.
    pub fn status(status: u16, body: impl Into<Vec<u8>>) -> Self {
        let body: Vec<u8> = body.into();
        Self { status, headers: Vec::new(), body: body.into(), form: Form::Counted, closes: false, gate: None }
    }

    /// 302 to another place.
    pub fn redirect(to: &str) -> Self {
        Self::status(302, "").header("Location", to)
    }

    /// Bytes instead of HTTP, then the end.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::status(0, bytes).form(Form::Raw)
    }

    /// Closes the connection without a word.
    pub fn hang_up() -> Self {
        Self::status(0, "").form(Form::HangsUp)
    }

    /// Takes the request and says nothing until the client goes.
    pub fn silence() -> Self {
        Self::status(0, "").form(Form::Silent)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Promises the whole body, sends `sent` bytes of it and breaks off.
    #[must_use]
    pub fn cut_short(self, sent: usize) -> Self {
        self.form(Form::CutShort { sent })
    }

    /// Promises the whole body, sends `sent` bytes of it and says nothing until the client goes.
    #[must_use]
    pub fn silent_after(self, sent: usize) -> Self {
        self.form(Form::SilentAfter { sent })
    }

    /// Sends the body in chunks of `piece` bytes.
    #[must_use]
    pub fn chunked(self, piece: usize) -> Self {
        self.form(Form::Chunked { piece })
    }

    /// As [`Answer::chunked`], breaking off after `sent` bytes.
    #[must_use]
    pub fn chunks_end_early(self, piece: usize, sent: usize) -> Self {
        self.form(Form::ChunksEndEarly { piece, sent })
    }

    /// Sends the body again and again, a little at a time, until the client goes.
    #[must_use]
    pub fn dripping(self) -> Self {
        self.form(Form::Drips)
    }

    /// Sends the body again and again, as fast as the client takes it, until the client goes.
    #[must_use]
    pub fn flooding(self) -> Self {
        self.form(Form::Floods)
    }

    /// Ends the connection after the answer, and says so.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.closes = true;
        self
    }

    /// Waits for the latch before the first byte.
    #[must_use]
    pub fn gated(mut self, latch: &Latch) -> Self {
        self.gate = Some(latch.clone());
        self
    }

    fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// Writes it; `bodiless` when it answers a HEAD request.
    pub(super) fn write(&self, to: &mut impl Write, bodiless: bool) -> io::Result<Next> {
        let body = &*self.body;
        let kept = if self.closes { Next::Close } else { Next::Keep };
        let next = match self.form {
            Form::HangsUp => Next::Break,
            Form::Silent => Next::Silence,
            Form::Raw => to.write_all(body).map(|()| Next::Break)?,
            _ if bodiless => self.head(to).map(|()| kept)?,
            form => {
                self.head(to)?;
                match form {
                    Form::CutShort { sent } => to.write_all(part(body, sent)).map(|()| Next::Break)?,
                    Form::SilentAfter { sent } => to.write_all(part(body, sent)).map(|()| Next::Silence)?,
                    Form::Chunked { piece } => {
                        chunks(to, body, piece)?;
                        to.write_all(b"0\r\n\r\n")?;
                        kept
                    }
                    Form::ChunksEndEarly { piece, sent } => {
                        chunks(to, part(body, sent), piece).map(|()| Next::Break)?
                    }
                    Form::Drips => for_ever(to, body, || thread::sleep(DRIP))?,
                    Form::Floods => for_ever(to, body, || ())?,
                    _ => to.write_all(body).map(|()| kept)?,
                }
            }
        };
        to.flush()?;
        Ok(next)
    }

    fn head(&self, to: &mut impl Write) -> io::Result<()> {
        let length = match self.form {
            Form::Chunked { .. } | Form::ChunksEndEarly { .. } | Form::Drips | Form::Floods => {
                "Transfer-Encoding: chunked".to_owned()
            }
            _ => format!("Content-Length: {}", self.body.len()),
        };
        let mut head = format!("HTTP/1.1 {} {}\r\n{length}\r\n", self.status, reason(self.status));
        if self.closes {
            head.push_str("Connection: close\r\n");
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        head.push_str("\r\n");
        to.write_all(head.as_bytes())
    }
}

fn part(body: &[u8], sent: usize) -> &[u8] {
    &body[..sent.min(body.len())]
}

fn chunks(to: &mut impl Write, body: &[u8], piece: usize) -> io::Result<()> {
    body.chunks(piece).try_for_each(|chunk| {
        write!(to, "{:x}\r\n", chunk.len())?;
        to.write_all(chunk)?;
        to.write_all(b"\r\n")
    })
}

/// Ends with the error that writing to a client who has gone is.
fn for_ever(to: &mut impl Write, body: &[u8], pause: impl Fn()) -> io::Result<Next> {
    assert!(!body.is_empty(), "an endless body needs something to repeat: an empty chunk would end it");
    loop {
        chunks(to, body, body.len())?;
        to.flush()?;
        pause();
    }
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        302 => "Found",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Whatever",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &Answer, want: (&str, Next)) {
        let mut written = Vec::new();
        let next = answer.write(&mut written, false).unwrap();
        assert_eq!((String::from_utf8(written).unwrap().as_str(), next), want);
    }

    #[test]
    fn counted() {
        check(&Answer::status(200, "hi"), ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Next::Keep));
        let closing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\nX: y\r\n\r\n";
        check(&Answer::status(404, "").header("X", "y").closing(), (closing, Next::Close));
    }

    #[test]
    fn cut_short() {
        let head = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        check(&Answer::status(200, "hello").cut_short(2), (&format!("{head}he"), Next::Break));
        check(&Answer::status(200, "hello").silent_after(0), (head, Next::Silence));
    }

    #[test]
    fn chunked() {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let (hello, pieces) = (Answer::status(200, "hello"), "4\r\nhell\r\n1\r\no\r\n");
        check(&hello.clone().chunked(4), (&format!("{head}{pieces}0\r\n\r\n"), Next::Keep));
        check(&hello.chunks_end_early(4, 4), (&format!("{head}4\r\nhell\r\n"), Next::Break));
    }

    #[test]
    fn not_http() {
        check(&Answer::raw("SSH-2.0\r\n"), ("SSH-2.0\r\n", Next::Break));
        check(&Answer::hang_up(), ("", Next::Break));
        check(&Answer::silence(), ("", Next::Silence));
    }

    #[test]
    fn head_has_no_body() {
        let mut written = Vec::new();
        assert_eq!(Answer::status(200, "hi").write(&mut written, true).unwrap(), Next::Keep);
        assert!(written.ends_with(b"Content-Length: 2\r\n\r\n"));
    }
}
