//! A small blocking HTTP/1.1 client, and plain sockets for rude ones.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use flate2::read::GzDecoder;

use crate::wait::DEADLINE;

/// One request; sent exactly as built, so it can be wrong on purpose.
#[derive(Debug, Clone)]
pub struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
}

/// One answer, its chunks joined and not yet decompressed.
#[derive(Debug)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The headers in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body as it was transferred.
    pub body: Vec<u8>,
}

impl Request {
    /// Any method.
    pub fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned(), headers: Vec::new() }
    }

    /// GET.
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A scrape by a Prometheus that waits as many seconds for the page.
    pub fn scrape_within(path: &str, seconds: f64) -> Self {
        Self::get(path).header("X-Prometheus-Scrape-Timeout-Seconds", &seconds.to_string())
    }

    /// Adds credentials.
    #[must_use]
    pub fn basic(self, user: &str, password: &str) -> Self {
        self.header("Authorization", &basic_auth(user, password))
    }

    /// Sends it on a connection of its own and reads the answer.
    ///
    /// # Errors
    ///
    /// When the connection fails or what comes back is not HTTP.
    pub fn send(&self, address: SocketAddr) -> io::Result<Response> {
        let mut socket = connect(address)?;
        socket.write_all(self.text().as_bytes())?;
        Response::read(&mut BufReader::new(socket), self.method == "HEAD")
    }

    /// The bytes of the request; the connection ends with the answer.
    pub fn text(&self) -> String {
        let headers: String = self.headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{} {} HTTP/1.1\r\nHost: exporter\r\nConnection: close\r\n{headers}\r\n", self.method, self.path)
    }
}

/// The value of an Authorization header.
pub fn basic_auth(user: &str, password: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut value = "Basic ".to_owned();
    for three in format!("{user}:{password}").as_bytes().chunks(3) {
        let bits = three.iter().fold(0, |bits, byte| bits << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let known = digit <= three.len();
            value.push(if known { char::from(DIGITS[bits >> (18 - 6 * digit) & 63]) } else { '=' });
        }
    }
    value
}

/// `text` as a part of a URL, with every byte encoded that could mean something there.
pub fn percent_encoded(text: &str) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'_' => char::from(byte).to_string(),
        other => format!("%{other:02X}"),
    };
    text.bytes().map(encode).collect()
}

/// A plain socket that gives up reading and writing only when the program has hung.
///
/// # Errors
///
/// When nobody listens.
pub fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, DEADLINE)?;
    socket.set_read_timeout(Some(DEADLINE))?;
    socket.set_write_timeout(Some(DEADLINE))?;
    Ok(socket)
}

impl Response {
    /// Reads one answer; `bodiless` when it answers a HEAD request.
    ///
    /// # Errors
    ///
    /// When the connection fails, ends early, or does not speak HTTP/1.1.
    pub fn read(from: &mut impl BufRead, bodiless: bool) -> io::Result<Self> {
        let first = line(from)?;
        let mut words = first.splitn(3, ' ');
        let (version, status) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        if version != "HTTP/1.1" {
            return Err(wrong("status line", &first));
        }
        let status = status.parse().map_err(|_| wrong("status line", &first))?;
        let headers = headers(from)?;
        let mut answer = Self { status, headers, body: Vec::new() };
        if bodiless {
            return Ok(answer);
        }
        answer.body = if answer.header("transfer-encoding").is_some_and(|coding| coding == "chunked") {
            chunks(from)?
        } else if let Some(length) = answer.header("content-length") {
            let mut body = vec![0; length.parse().map_err(|_| wrong("content-length", length))?];
            from.read_exact(&mut body)?;
            body
        } else {
            let mut body = Vec::new();
            from.read_to_end(&mut body)?;
            body
        };
        Ok(answer)
    }

    /// The value of a header, its name in any letter case.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// Whether the body is gzip.
    pub fn is_gzip(&self) -> bool {
        self.header("content-encoding") == Some("gzip")
    }

    /// The body, decompressed when its headers say so; panics when it is not UTF-8.
    #[track_caller]
    pub fn text(&self) -> String {
        let mut bytes = Vec::new();
        if self.is_gzip() {
            GzDecoder::new(self.body.as_slice()).read_to_end(&mut bytes).expect("the body is gzip as its header says");
        } else {
            bytes.clone_from(&self.body);
        }
        String::from_utf8(bytes).expect("the body is UTF-8")
    }
}

fn headers(from: &mut impl BufRead) -> io::Result<Vec<(String, String)>> {
    let mut headers = Vec::new();
    loop {
        let header = line(from)?;
        if header.is_empty() {
            return Ok(headers);
        }
        let (name, value) = header.split_once(':').ok_or_else(|| wrong("header", &header))?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
}

fn chunks(from: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    loop {
        let size = line(from)?;
        let size = usize::from_str_radix(&size, 16).map_err(|_| wrong("chunk size", &size))?;
        let start = body.len();
        body.resize(start + size, 0);
        from.read_exact(&mut body[start..])?;
        if size == 0 {
            headers(from)?; // trailers
            return Ok(body);
        }
        let end = line(from)?;
        if !end.is_empty() {
            return Err(wrong("end of chunk", &end));
        }
    }
}

fn line(from: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    from.read_line(&mut line).map_err(|e| match e.kind() {
        io::ErrorKind::WouldBlock => io::Error::new(io::ErrorKind::TimedOut, format!("no answer within {DEADLINE:?}")),
        _ => e,
    })?;
    let whole = line.strip_suffix("\r\n").map(str::to_owned);
    whole.ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, format!("the answer ends after {line:?}")))
}

fn wrong(what: &str, found: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}: found {found:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, want: Result<(u16, &str), io::ErrorKind>) {
        let got = Response::read(&mut answer.as_bytes(), false);
        let got = got.map(|answer| (answer.status, answer.text())).map_err(|e| e.kind());
        assert_eq!(got, want.map(|(status, text)| (status, text.to_owned())));
    }

    #[test]
    fn counted() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", Ok((200, "hi")));
    }

    #[test]
    fn counted_but_cut_short() {
        check("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn chunked() {
        check("HTTP/1.1 404 No\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n1\r\n!\r\n0\r\n\r\n", Ok((404, "hi!")));
    }

    #[test]
    fn chunked_but_cut_short() {
        check("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n", Err(io::ErrorKind::UnexpectedEof));
    }

    #[test]
    fn credentials() {
        for (password, want) in [("", "YTo="), ("b", "YTpi"), ("bc", "YTpiYw=="), ("\u{ff}", "YTrDvw==")] {
            assert_eq!(basic_auth("a", password), format!("Basic {want}"));
        }
    }

    #[test]
    fn not_http() {
        check("SSH-2.0\r\n", Err(io::ErrorKind::InvalidData));
    }
}
