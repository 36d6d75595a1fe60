//! Through a proxy: CONNECT (RFC 9110, section 9.3.6) and SOCKS 5 (RFC 1928, RFC 1929).
//!
//! * CONNECT has the exporter's own `User-Agent` and `proxy_connect_header`, and nothing of the module's `headers`.
//! * Differs from the Go exporter: that `User-Agent` says who asks, instead of how it is made.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_socks::tcp::Socks5Stream;

use super::proxy::Proxy;
use super::stream::Stream;
use super::target::Url;
use crate::config::Secret;
use crate::reason::{Failure, Phase, Reason};

/// Bytes of a proxy's answer.
const MOST_ANSWER_BYTES: usize = 64 << 10;

/// The value of a `Proxy-Authorization`; a proxy's URL without user has none.
pub(super) fn authorization(proxy: &Proxy) -> Option<String> {
    let (user, password) = proxy.url.user.as_ref()?;
    Some(format!("Basic {}", BASE64_STANDARD.encode(format!("{user}:{}", password.0))))
}

fn failed(what: impl std::fmt::Display) -> Failure {
    Failure::new(Phase::Proxy, Reason::Proxy, format!("proxy: {what}"))
}

/// Asks an HTTP proxy for a way to `host` and `port`.
pub(super) async fn connect(
    stream: &mut Stream,
    proxy: &Proxy,
    host: &str,
    port: u16,
    headers: &[(String, Vec<Secret>)],
) -> Result<(), Failure> {
    let place = Url::host_with_port(host, port);
    let mut request = format!("CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n");
    let user_agent = (super::request::user_agent(), "User-Agent");
    let own = headers.iter().any(|(name, _)| name.eq_ignore_ascii_case(user_agent.1));
    let mut header = |name: &str, value: &str| {
        let sendable = |text: &str| !text.bytes().any(|b| b.is_ascii_control() && b != b'\t');
        if !sendable(name) || !sendable(value) {
            return Err(failed(format!("the header {name:?} of proxy_connect_header cannot be sent")));
        }
        request.push_str(&format!("{name}: {value}\r\n"));
        Ok(())
    };
    if !own {
        header(user_agent.1, user_agent.0)?;
    }
    let authorization = authorization(proxy);
    for (name, values) in headers {
        let is = |other: &str| name.eq_ignore_ascii_case(other);
        // What is here already, and what only somebody who knows the message can say.
        let taken = is("Proxy-Authorization") && authorization.is_some();
        if taken || ["Host", "Content-Length", "Transfer-Encoding", "Trailer"].into_iter().any(is) {
            continue;
        }
        for value in values {
            header(name, value.0.trim())?;
        }
    }
    if let Some(value) = &authorization {
        header("Proxy-Authorization", value)?;
    }
    request.push_str("\r\n");
    let broken = |e: std::io::Error| failed(e);
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    stream.flush().await.map_err(broken)?;
    let mut answer = Vec::new();
    loop {
        // Byte by byte from the kernel would be dear, but what follows the answer is not ours: it has to be nothing.
        let mut piece = [0; 512];
        let n = stream.read(&mut piece).await.map_err(broken)?;
        answer.extend(piece.iter().take(n));
        match parse(&answer) {
            Answer::Cut if n == 0 => {
                return Err(failed("expected an answer to CONNECT, found the end of the connection"));
            }
            Answer::Cut if answer.len() > MOST_ANSWER_BYTES => return Err(failed("the answer to CONNECT has no end")),
            Answer::Cut => {}
            Answer::Garbage => return Err(failed("expected an HTTP answer to CONNECT, found something else")),
            Answer::Status(200, rest) if rest == answer.len() => return Ok(()),
            Answer::Status(200, _) => return Err(failed("expected nothing behind the answer to CONNECT")),
            Answer::Status(code, rest) if (100..200).contains(&code) => {
                answer.drain(..rest.min(answer.len()));
            }
            Answer::Status(code, _) => return Err(failed(format!("expected status 200 for CONNECT, found {code}"))),
        }
    }
}

/// Asks a SOCKS 5 proxy for a way to `host` and `port`; a name is resolved there.
pub(super) async fn socks(stream: Stream, proxy: &Proxy, host: &str, port: u16) -> Result<Stream, Failure> {
    let socks = match &proxy.url.user {
        Some((user, password)) => {
            Socks5Stream::connect_with_password_and_socket(stream, (host, port), user, &password.0).await
        }
        None => Socks5Stream::connect_with_socket(stream, (host, port)).await,
    };
    Ok(Box::new(socks.map_err(failed)?.into_inner()))
}

#[derive(Debug, PartialEq, Eq)]
enum Answer {
    /// There is more to come.
    Cut,
    /// It is not HTTP.
    Garbage,
    /// The status, and how many bytes the header block has.
    Status(u16, usize),
}

/// Reads the header block of an answer.
fn parse(bytes: &[u8]) -> Answer {
    let begins = b"HTTP/1.";
    let n = bytes.len().min(begins.len());
    if bytes.get(..n) != begins.get(..n) {
        return Answer::Garbage;
    }
    let Some(end) = end_of_head(bytes) else { return Answer::Cut };
    // `HTTP/1.1 200`, and a reason that may be missing.
    let line = bytes.split(|b| *b == b'\n').next().unwrap_or_default().trim_ascii_end();
    let code = line.get(8..12).and_then(|code| code.strip_prefix(b" ")).and_then(|code| std::str::from_utf8(code).ok());
    let ends = matches!(line.get(12), None | Some(b' '));
    match code.and_then(|code| code.parse().ok()) {
        Some(code) if ends => Answer::Status(code, end),
        _ => Answer::Garbage,
    }
}

/// Where a header block ends: behind an empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    let (mut end, mut first) = (0, true);
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        end += line.len();
        if !line.ends_with(b"\n") {
            return None;
        }
        if !first && line.trim_ascii().is_empty() {
            return Some(end);
        }
        first = false;
    }
    None
}

/// For the table of parsers.
pub(super) fn feed(bytes: &[u8]) {
    if let Answer::Status(_, end) = parse(bytes) {
        assert!(end <= bytes.len(), "a head cannot end behind what came");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        for (bytes, want) in [
            (&b""[..], Answer::Cut),
            (b"HTTP", Answer::Cut),
            (b"HTTP/1.1 200 OK\r\n", Answer::Cut),
            (b"HTTP/1.1 200 OK\r\n\r\n", Answer::Status(200, 19)),
            (b"HTTP/1.0 403\nA: b\n\nrest", Answer::Status(403, 19)),
            (b"HTTP/1.1 20x OK\r\n\r\n", Answer::Garbage),
            (b"HTTP/1.1 2000\r\n\r\n", Answer::Garbage),
            (b"HTTP/1.1\r\n\r\n", Answer::Garbage),
            (b"HTTP/2 200\r\n\r\n", Answer::Garbage),
            (b"\x05\x00", Answer::Garbage),
        ] {
            assert_eq!(parse(bytes), want, "{}", String::from_utf8_lossy(bytes));
        }
    }
}
