//! Where a bus is: `unix:path=/run/dbus/system_bus_socket;unix:abstract=x,guid=…`.
//!
//! Source: the D-Bus specification, "Server Addresses". Of the transports, the two kinds of unix sockets are known here:
//! the others start programs, or are not for a system's own bus.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::ffi::OsStrExt;

use common::fuzzing::{Parser, eat};

use super::connection::Failure;

/// A unix socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Address {
    /// A file.
    Path(Vec<u8>),
    /// A name without a file.
    Abstract(Vec<u8>),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => write!(f, "{}", OsStr::from_bytes(path).display()),
            Self::Abstract(name) => write!(f, "@{}", name.escape_ascii()),
        }
    }
}

/// The addresses in `text`, or what is wrong with each; their order is that in which they are to be tried.
pub(super) fn parse(text: &str) -> impl Iterator<Item = Result<Address, Failure>> {
    text.split(';').filter(|address| !address.is_empty()).map(parse_one)
}

fn parse_one(text: &str) -> Result<Address, Failure> {
    let bad = |expected: &str| Failure::Address(format!("expected {expected}, found {text:?}"));
    let Some(("unix", pairs)) = text.split_once(':') else { return Err(bad("a unix address")) };
    let mut found = None;
    for pair in pairs.split(',').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or_else(|| bad("key=value"))?;
        let kind = match key {
            "path" => Address::Path,
            "abstract" => Address::Abstract,
            // For servers, or of no use to a client that knows whom it asks.
            _ => continue,
        };
        let value = unescape(value).ok_or_else(|| bad("%xx"))?;
        if found.replace(kind(value)).is_some() {
            return Err(bad("path= or abstract=, once"));
        }
    }
    found.ok_or_else(|| bad("path= or abstract="))
}

/// Resolves `%xx`; bytes that should have been escaped are taken as they are.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut out = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => hex(bytes.next()?)? << 4 | hex(bytes.next()?)?,
            byte => byte,
        });
    }
    Some(out)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|n| u8::try_from(n).ok())
}

/// For the fuzzer.
pub(crate) const PARSER: Parser = Parser::new(
    "D-Bus address",
    |bytes| eat(parse(&String::from_utf8_lossy(bytes)).collect::<Vec<_>>()),
    b"unix:path=/run/dbus/system%5fbus,guid=0123;unix:abstract=%2ftmp%2fx;tcp:host=localhost,port=1",
);

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> Vec<String> {
        parse(text).map(|address| address.map_or_else(|e| format!("! {e}"), |a| a.to_string())).collect()
    }

    #[test]
    fn addresses() {
        assert_eq!(shown("unix:path=/run/a%20b%2C,guid=00;;unix:guid=1,abstract=x%00y"), ["/run/a b,", "@x\\x00y"]);
        assert_eq!(shown(""), [""; 0]);
    }

    #[test]
    fn others() {
        for (text, expected) in [
            ("tcp:host=h,port=1", "a unix address"),
            ("unix", "a unix address"),
            ("unix:", "path= or abstract="),
            ("unix:runtime=yes", "path= or abstract="),
            ("unix:path=/a,abstract=b", "path= or abstract=, once"),
            ("unix:path", "key=value"),
            ("unix:path=/a%2", "%xx"),
            ("unix:path=/a%zz", "%xx"),
        ] {
            assert_eq!(shown(text), [format!("! expected {expected}, found {text:?}")]);
        }
    }
}
