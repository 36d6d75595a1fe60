//! The section `logstash`: whom to ask, and how.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use common::upstream::{Pem, Place, TlsOptions, Url};
use common::web::tls::{MAX_PEM_BYTES, parse_certificates, parse_private_key};

use super::reading::{Entry, Place as At, Reading, Text};
use super::{Credentials, Instance, Secret};

/// The reference's, for everything that is asked in one scrape.
const USUAL_TIMEOUT: Duration = Duration::from_secs(2);

/// A password is a line.
const MAX_PASSWORD_BYTES: u64 = 64 << 10;

pub(super) fn resolve(reading: &mut Reading<'_>, entry: Option<Entry>) -> Vec<Instance> {
    let Some(mut section) = reading.section(entry) else { return usual(USUAL_TIMEOUT).into_iter().collect() };
    let other = section.take("timeout");
    if let Some(entry) = &other {
        reading.warn(&entry.at, "not a key of the Go exporter; it stands for httpTimeout here");
    }
    let (timeout, other) = (reading.duration(section.take("httpTimeout")), reading.duration(other));
    let timeout = timeout.or(other).unwrap_or(USUAL_TIMEOUT);
    let mut entries = reading.list(section.take("instances"));
    if let Some(servers) = section.take("servers") {
        reading.warn(&servers.at, "an old name: use logstash.instances");
        entries.extend(reading.list(Some(servers)));
    }
    section.end(reading);
    let instances: Vec<_> = entries.into_iter().filter_map(|entry| instance(reading, entry, timeout)).collect();
    refuse_doubles(reading, &instances);
    if instances.is_empty() {
        return usual(timeout).into_iter().collect();
    }
    instances.into_iter().map(|(_, instance)| instance).collect()
}

/// Asked when the file names nobody, as the reference does.
fn usual(timeout: Duration) -> Option<Instance> {
    // Cannot fail, and would only leave out what is asked when nothing else is.
    base("http://localhost:9600").ok().map(|url| {
        let name = usual_name(&url.to_string());
        Instance { name, url, timeout, tls: TlsOptions::default(), credentials: None }
    })
}

/// A base URL: no query, and a path without the slash at its end.
///
/// # Errors
/// What was expected.
pub fn base(text: &str) -> Result<Url, String> {
    let mut url = Url::parse(text, "/")?;
    if url.path.contains('?') || text.contains('#') {
        return Err("expected a URL such as http://localhost:9600, found a query or a fragment".to_owned());
    }
    url.path = url.path.trim_end_matches('/').to_owned();
    Ok(url)
}

/// The URL with an underscore in the place of each run of characters that are neither letters nor digits.
pub fn usual_name(url: &str) -> String {
    let mut name = String::with_capacity(url.len());
    for c in url.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => name.push(c),
            _ if name.ends_with('_') => {}
            _ => name.push('_'),
        }
    }
    name
}

fn instance(reading: &mut Reading<'_>, entry: Entry, timeout: Duration) -> Option<(At, Instance)> {
    let at = entry.at.clone();
    let mut section = reading.item(entry)?;
    let url = reading.text(section.take("url"));
    let name = reading.text(section.take("name"));
    let timeout = reading.duration(section.take("timeout")).unwrap_or(timeout);
    let tls = tls(reading, section.take("tls_config"));
    let own = credentials(reading, section.take("basic_auth"));
    section.end(reading);
    let Some(text) = url else {
        reading.mistake(&at, "expected url, found none");
        return None;
    };
    let mut url = base(&text.value).map_err(|what| reading.mistake(&text.at, what)).ok()?;
    let inside = url.credentials.take();
    let inside = inside.map(|(username, password)| Credentials { username, password: password.into() });
    if let Some((at, _)) = tls.as_ref().filter(|_| !matches!(url.place, Place::Host { tls: true, .. })) {
        reading.warn(at, "of no effect with a url that is not https");
    }
    if let Some((at, _)) = own.as_ref().filter(|_| inside.is_some()) {
        reading.warn(at, "taken instead of the credentials in url");
    }
    let instance = Instance {
        name: name.map_or_else(|| usual_name(&url.to_string()), |name| name.value),
        url,
        timeout,
        tls: tls.map(|(_, tls)| tls).unwrap_or_default(),
        credentials: own.map(|(_, own)| own).or(inside),
    };
    Some((at, instance))
}

fn refuse_doubles(reading: &mut Reading<'_>, instances: &[(At, Instance)]) {
    let mut lines = HashMap::new();
    for (at, instance) in instances {
        if let Some(line) = lines.insert((instance.url.to_string(), &instance.name), at.line) {
            let what = format!("expected a url or name other than in line {line}: the series would be the same");
            reading.mistake(at, what);
        }
    }
}

fn tls(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<(At, TlsOptions)> {
    let mut section = reading.section(entry)?;
    let ca = reading.text(section.take("ca_file"));
    let server_name = reading.text(section.take("server_name"));
    let insecure = reading.switch(section.take("insecure_skip_verify")).unwrap_or(false);
    let (cert, key) = (reading.text(section.take("cert_file")), reading.text(section.take("key_file")));
    let versions = [("TLS10", 10), ("TLS11", 11), ("TLS12", 12), ("TLS13", 13)];
    let version = reading.pick(section.take("min_version"), &versions);
    let at = section.at.clone();
    section.end(reading);

    if let Some((at, _)) = version.as_ref().filter(|(_, version)| *version < 12) {
        reading.warn(at, "TLS 1.0 and 1.1 are broken and not spoken here: TLS12 is the least");
    }
    let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:".contains(&byte);
    if let Some(name) = server_name.as_ref().filter(|name| !name.value.bytes().all(is_of_a_name)) {
        reading.mistake(&name.at, format_args!("expected a host name or an address, found {:?}", name.value));
    }
    let certificates = |text: &[u8]| parse_certificates(text).map(|_| ());
    let ca = ca.and_then(|name| pem(reading, &name, certificates));
    let identity = match (cert, key) {
        (Some(cert), Some(key)) => {
            let cert = pem(reading, &cert, certificates);
            cert.zip(pem(reading, &key, |text| parse_private_key(text).map(|_| ())))
        }
        (Some(one), None) | (None, Some(one)) => {
            reading.mistake(&one.at, "expected cert_file and key_file, found only this one");
            None
        }
        (None, None) => None,
    };
    let tls = TlsOptions {
        ca,
        server_name: server_name.map(|name| name.value),
        insecure,
        identity,
        tls13_only: version.is_some_and(|(_, version)| version > 12),
    };
    Some((at, tls))
}

fn pem(reading: &mut Reading<'_>, name: &Text, check: impl FnOnce(&[u8]) -> Result<(), String>) -> Option<Pem> {
    let text = reading.file(name, MAX_PEM_BYTES, |text| check(&text).map(|()| text))?;
    Some(Pem { path: PathBuf::from(&name.value), text })
}

fn credentials(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<(At, Credentials)> {
    let mut section = reading.section(entry)?;
    let username = reading.text(section.take("username"));
    let (password, file) = (reading.text(section.take("password")), reading.text(section.take("password_file")));
    let at = section.at.clone();
    section.end(reading);

    if let (Some(_), Some(file)) = (&password, &file) {
        reading.mistake(&file.at, "expected either this or password, found both");
        return None;
    }
    let has_password = password.is_some() || file.is_some();
    let password = match file {
        Some(name) => Some(reading.file(&name, MAX_PASSWORD_BYTES, line_of_file)?),
        None => password.map(|password| password.value),
    };
    let Some(username) = username else {
        if has_password {
            reading.mistake(&at, "expected username beside the password, found none");
        }
        return None;
    };
    if username.value.contains(':') {
        reading.mistake(&username.at, "expected a user name without a colon (RFC 7617)");
        return None;
    }
    Some((at, Credentials { username: username.value, password: Secret::from(password.unwrap_or_default()) }))
}

/// A password as it stands in a file, without the newline that editors put at its end.
fn line_of_file(bytes: Vec<u8>) -> Result<String, String> {
    let mut text = String::from_utf8(bytes).map_err(|_| "expected UTF-8 text")?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    if text.is_empty() { Err("expected a password, found nothing".into()) } else { Ok(text) }
}
