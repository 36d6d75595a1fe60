//! The opening handshake of WebSocket, RFC 6455 section 4: an HTTP/1.1 request, and whether the answer to it opens one.

use hyper::HeaderMap;
use hyper::header::{
    AUTHORIZATION, CONNECTION, HOST, HeaderName, HeaderValue, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_EXTENSIONS,
    SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, UPGRADE, USER_AGENT,
};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::reason::{Failure, Phase, Reason};

/// Headers that belong to the handshake.
const RESERVED: [HeaderName; 5] =
    [UPGRADE, CONNECTION, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, SEC_WEBSOCKET_EXTENSIONS];

const AGENT: &str = concat!("Blackbox-Exporter/", env!("CARGO_PKG_VERSION"));

/// The headers of the request: `authorization` first, then those of the module, names with their values.
///
/// # Errors
/// One of them belongs to the handshake, or cannot be sent.
pub(super) fn headers(
    host: &str,
    key: &str,
    authorization: Option<HeaderValue>,
    configured: &[(String, Vec<String>)],
) -> Result<HeaderMap, Failure> {
    let mut headers = HeaderMap::new();
    headers.insert(HOST, value("Host", host)?);
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization);
    }
    for (name, values) in configured {
        let unnamed = |_| Failure::module(format!("headers: {name:?} cannot be the name of a header"));
        let header = HeaderName::from_bytes(name.as_bytes()).map_err(unnamed)?;
        if RESERVED.contains(&header) {
            return Err(Failure::module(format!("headers: {name} belongs to the handshake")));
        }
        for text in values {
            let value = value(name, text)?;
            if header == HOST {
                headers.insert(HOST, value);
                break;
            }
            headers.append(&header, value);
        }
    }
    headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
    headers.insert(UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(CONNECTION, HeaderValue::from_static("Upgrade"));
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    headers.insert(SEC_WEBSOCKET_KEY, value("Sec-WebSocket-Key", key)?);
    Ok(headers)
}

/// A value, hidden from whoever prints it.
pub(super) fn value(name: &str, text: &str) -> Result<HeaderValue, Failure> {
    let mut value = HeaderValue::from_bytes(text.as_bytes())
        .map_err(|_| Failure::module(format!("headers: the value of {name} cannot be sent")))?;
    value.set_sensitive(true);
    Ok(value)
}

/// Whether an answer opens a WebSocket.
///
/// # Errors
/// It does not, and why.
pub(super) fn accepted(status: u16, headers: &HeaderMap, key: &str) -> Result<(), Failure> {
    if status != 101 {
        let what = format!("status of the upgrade: expected 101, found {status}");
        return Err(Failure::new(Phase::Check, Reason::Status, what));
    }
    let names = |header: HeaderName, word: &str| {
        let values = headers.get_all(header);
        let mut words = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        words.any(|found| found.trim().eq_ignore_ascii_case(word))
    };
    let accept = headers.get(SEC_WEBSOCKET_ACCEPT).map(|accept| accept.as_bytes());
    let missing = match () {
        () if !names(UPGRADE, "websocket") => "Upgrade: websocket",
        () if !names(CONNECTION, "upgrade") => "Connection: upgrade",
        () if accept != Some(derive_accept_key(key.as_bytes()).as_bytes()) => "the Sec-WebSocket-Accept of the key",
        () => return Ok(()),
    };
    let what = format!("answer to the upgrade: expected {missing}, found none or another");
    Err(Failure::new(Phase::Check, Reason::Protocol, what))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(configured: &[(&str, &[&str])]) -> Result<HeaderMap, Failure> {
        let configured: Vec<_> = configured
            .iter()
            .map(|(name, values)| ((*name).to_owned(), values.iter().map(ToString::to_string).collect()))
            .collect();
        headers("example.test:1", "key", Some(HeaderValue::from_static("Basic x")), &configured)
    }

    #[test]
    fn requests() {
        let headers = ask(&[]).unwrap();
        for (name, want) in [
            ("host", "example.test:1"),
            ("authorization", "Basic x"),
            ("upgrade", "websocket"),
            ("connection", "Upgrade"),
            ("sec-websocket-version", "13"),
            ("sec-websocket-key", "key"),
        ] {
            assert_eq!(headers[name], want, "{name}");
        }
        assert!(headers["user-agent"].to_str().unwrap().starts_with("Blackbox-Exporter/"));
        let headers = ask(&[("hOST", &["a", "b"]), ("X-Two", &["1", "2"]), ("User-Agent", &["me"])]).unwrap();
        assert_eq!((&headers["host"], &headers["user-agent"]), (&"a".parse().unwrap(), &"me".parse().unwrap()));
        assert_eq!(headers.get_all("x-two").iter().count(), 2);
        assert!(ask(&[("Sec-WebSocket-Protocol", &["chat"])]).is_ok());
        for (name, text) in [("upgrade", "x"), ("Sec-WebSocket-Key", "x"), ("a b", "x"), ("", "x"), ("a", "x\ny")] {
            assert_eq!(ask(&[(name, &[text])]).unwrap_err().reason, Reason::Module, "{name}");
        }
    }

    #[test]
    fn answers() {
        // The example of RFC 6455, section 1.3.
        let (key, accept) = ("dGhlIHNhbXBsZSBub25jZQ==", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        for (status, upgrade, connection, accept, want) in [
            (101, "websocket", "Upgrade", accept, None),
            (101, "WebSocket", "keep-alive, upgrade", accept, None),
            (200, "websocket", "Upgrade", accept, Some(Reason::Status)),
            (101, "h2c", "Upgrade", accept, Some(Reason::Protocol)),
            (101, "websocket", "close", accept, Some(Reason::Protocol)),
            (101, "websocket", "Upgrade", "another", Some(Reason::Protocol)),
        ] {
            let headers = HeaderMap::from_iter([
                (UPGRADE, upgrade.parse().unwrap()),
                (CONNECTION, connection.parse().unwrap()),
                (SEC_WEBSOCKET_ACCEPT, accept.parse().unwrap()),
            ]);
            let found = accepted(status, &headers, key).err().map(|failure| failure.reason);
            assert_eq!(found, want, "{status} {upgrade} {connection}");
        }
        assert!(accepted(101, &HeaderMap::new(), key).is_err());
    }
}
