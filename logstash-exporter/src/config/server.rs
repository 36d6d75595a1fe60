//! The section `server`: our own address, TLS and users.
//!
//! The reference has its passwords in plain text. They are hashed as they are read, so that the web face knows one way to
//! compare passwords, and holds none.

use std::net::Ipv6Addr;
use std::path::Path;
use std::time::Duration;

use common::web::config::{PasswordHash, TLS_KEYS, TlsSettings, WebConfig, tls_settings};
use common::yaml::{Node, Value};

use super::Server;
use super::reading::{Entry, Place, Reading, Text};

const USUAL_PORT: u32 = 9198;

/// bcrypt looks at no more of a password.
const MOST_PASSWORD_BYTES: usize = 72;

/// A line per user.
const MAX_USERS_BYTES: u64 = 1 << 20;

/// Longer waits are no limit any more.
const MAX_SECONDS: u32 = 24 * 60 * 60;

pub(super) fn resolve(reading: &mut Reading<'_>, entry: Option<Entry>) -> Server {
    let mut server = Server {
        listen: format!(":{USUAL_PORT}"),
        web: WebConfig { http2: true, ..WebConfig::default() },
        read_timeout: None,
        write_timeout: None,
        max_connections: None,
    };
    let Some(mut section) = reading.section(entry) else { return server };
    let host = reading.text(section.take("host"));
    let port = reading.number(section.take("port"), u32::from(u16::MAX)).unwrap_or(USUAL_PORT);
    let host = host.and_then(|host| checked_host(reading, host)).unwrap_or_default();
    server.listen = format!("{host}:{port}");
    server.web.tls = tls(reading, section.take("tls_server_config"));
    users(reading, section.take("basic_auth"), &mut server.web);
    let mut seconds = |key| {
        let seconds = reading.number(section.take(key), MAX_SECONDS);
        seconds.map(|seconds| Duration::from_secs(u64::from(seconds)))
    };
    server.read_timeout = seconds("read_timeout_seconds");
    server.write_timeout = seconds("write_timeout_seconds");
    let connections = reading.number(section.take("max_connections"), u32::MAX);
    server.max_connections = connections.and_then(|connections| usize::try_from(connections).ok());
    section.end(reading);
    server
}

/// A host as it stands before a port: an IPv6 address in brackets.
fn checked_host(reading: &mut Reading<'_>, host: Text) -> Option<String> {
    let bare = host.value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(&host.value);
    if bare.parse::<Ipv6Addr>().is_ok() {
        return Some(format!("[{bare}]"));
    }
    if host.value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte)) {
        return Some(host.value);
    }
    reading.mistake(&host.at, format_args!("expected a host name or an address, found {:?}", host.value));
    None
}

/// The section as the web face reads it in its own configuration, which knows the keys of this one and some more.
fn tls(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<TlsSettings> {
    let section = reading.section(entry)?;
    let at = section.at.clone();
    let mut known = Vec::new();
    for (key, entry) in section.into_entries() {
        if !TLS_KEYS.contains(&key.as_str()) {
            reading.warn(&entry.at, "unknown key, of no effect");
            continue;
        }
        // The reference takes an empty text for none everywhere.
        if !matches!(&entry.node.value, Value::Scalar(text, _) if text.is_empty()) {
            known.push((key, entry.at.line, entry.node));
        }
    }
    match tls_settings(Node { line: at.line, value: Value::Map(known) }, Path::new("")) {
        Ok((settings, warnings)) => {
            if settings.is_none() {
                reading.mistake(&at, "expected cert_file and key_file, found neither");
            }
            for warning in warnings.iter().filter(|_| settings.is_some()) {
                reading.warn(&at, warning);
            }
            settings
        }
        Err(e) => {
            let below = e.key.strip_prefix("tls_server_config").unwrap_or(&e.key).trim_start_matches('.');
            let key = if below.is_empty() { at.key } else { format!("{}.{below}", at.key) };
            reading.mistake(&Place { key, line: e.line }, e.what);
            None
        }
    }
}

fn users(reading: &mut Reading<'_>, entry: Option<Entry>, web: &mut WebConfig) {
    let Some(mut section) = reading.section(entry) else { return };
    let listed = reading.section(section.take("users"));
    let file = reading.text(section.take("users_file"));
    let at = section.at.clone();
    section.end(reading);
    if let (Some(_), Some(file)) = (&listed, &file) {
        reading.mistake(&file.at, "expected either this or users, found both");
        return;
    }
    let mut plain = Vec::new();
    for (user, entry) in listed.into_iter().flat_map(|listed| listed.into_entries().collect::<Vec<_>>()) {
        match &entry.node.value {
            Value::Null => reading.mistake(&entry.at, "expected a password, found nothing"),
            Value::Scalar(text, _) if text.is_empty() => {
                reading.mistake(&entry.at, "expected a password, found nothing")
            }
            _ => plain.extend(reading.text(Some(entry)).map(|password| (password.at, user, password.value))),
        }
    }
    if let Some(name) = &file {
        let in_file = reading.file(name, MAX_USERS_BYTES, |bytes| users_of_file(&bytes)).unwrap_or_default();
        plain.extend(in_file.into_iter().map(|(user, password)| (name.at.clone(), user, password)));
    } else if plain.is_empty() {
        reading.warn(&at, "no user is named, so everyone may ask");
    }
    for (at, user, password) in plain {
        if user.is_empty() || user.contains(':') {
            reading.mistake(&at, "expected a user name, without a colon (RFC 7617)");
            continue;
        }
        if password.len() > MOST_PASSWORD_BYTES {
            reading.warn(&at, format_args!("only the first {MOST_PASSWORD_BYTES} bytes of a password count"));
        }
        match PasswordHash::of_plain_text(&password) {
            Some(hash) => drop(web.users.insert(user, hash)),
            None => reading.mistake(&at, "the system gives no random bytes"),
        }
    }
}

/// `user:password` lines; empty ones and those that begin with `#` are skipped.
fn users_of_file(bytes: &[u8]) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "expected UTF-8 text")?;
    let mut users: Vec<(String, String)> = Vec::new();
    for (line, number) in text.lines().zip(1..) {
        if line.trim().is_empty() || line.trim_start().starts_with('#') {
            continue;
        }
        match line.split_once(':').map(|(user, password)| (user.trim(), password)) {
            Some((user, password)) if !user.is_empty() && !password.is_empty() => {
                if users.iter().any(|(known, _)| known == user) {
                    return Err(format!("line {number}: expected each user once"));
                }
                users.push((user.to_owned(), password.to_owned()));
            }
            _ => return Err(format!("line {number}: expected user:password")),
        }
    }
    if users.is_empty() { Err("expected user:password lines, found none".into()) } else { Ok(users) }
}
