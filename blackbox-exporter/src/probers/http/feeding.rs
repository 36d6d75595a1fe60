//! What here reads bytes of peers, for the table of parsers.

use hyper::header::{self, HeaderMap, HeaderValue};

use super::cookies::Jar;
use super::decoder::Decoder;
use super::target::Url;
use super::{date, oauth2, proxy, tunnel};
use crate::config;

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n')
}

/// A URL, and below it what its answers lead to, one after the other.
pub(crate) fn urls(bytes: &[u8]) {
    let mut lines = lines(bytes).map(String::from_utf8_lossy);
    let Ok(mut url) = Url::of_target(&lines.next().unwrap_or_default(), false) else { return };
    for location in lines {
        let Ok((next, _)) = url.join(&location) else { continue };
        url = next;
        drop((url.port(), url.to_string(), url.without_query()));
        assert!(url.path.starts_with('/'), "a path that no request line can hold: {}", url.path);
    }
}

/// A `Set-Cookie` per line, then what is sent back.
pub(crate) fn cookies(bytes: &[u8]) {
    let Ok(url) = Url::absolute("http://a.example.test/x/y?z") else { return };
    let mut headers = HeaderMap::new();
    for value in lines(bytes).take(300).filter_map(|line| HeaderValue::from_bytes(line).ok()) {
        headers.append(header::SET_COOKIE, value);
    }
    let mut jar = Jar::default();
    jar.store(&headers, &url, &url.host);
    drop(jar.header(&url, &url.host));
    date::parse(&String::from_utf8_lossy(bytes));
}

/// The answer of a proxy to CONNECT.
pub(crate) fn connect(bytes: &[u8]) {
    tunnel::feed(bytes);
}

/// The answer of a token server: kind, then the text.
pub(crate) fn token(bytes: &[u8]) {
    let at = bytes.iter().position(|b| *b == b'\n').unwrap_or(bytes.len());
    let (kind, text) = bytes.split_at(at);
    oauth2::feed(&String::from_utf8_lossy(kind), text);
}

/// A target, `no_proxy`, and the URL of a proxy.
pub(crate) fn proxies(bytes: &[u8]) {
    let mut lines = lines(bytes).map(String::from_utf8_lossy);
    let mut line = || lines.next().unwrap_or_default().into_owned();
    let Ok(url) = Url::of_target(&line(), false) else { return };
    let config = config::Proxy { no_proxy: line(), url: Some(config::Secret(line())), ..config::Proxy::default() };
    drop(proxy::choose(&config, &url, None));
}

/// A body: its compression by the first byte, in pieces as long as the second says.
pub(crate) fn body(bytes: &[u8]) {
    let [kind, size, packed @ ..] = bytes else { return };
    let compression = ["gzip", "deflate", "br"].get(usize::from(*kind) % 3).copied().unwrap_or_default();
    let Some(mut decoder) = Decoder::new(compression) else { return };
    let (mut pieces, mut out) = (packed.chunks(usize::from(*size).max(1)), [0; 512]);
    // A bomb is as long as it likes.
    for _ in 0..10_000 {
        match decoder.read(&mut out) {
            Ok(0) => return,
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::WouldBlock => match pieces.next() {
                Some(piece) => decoder.feed(piece.to_vec().into()),
                None => decoder.end(),
            },
            Err(_) => return,
        }
    }
}
