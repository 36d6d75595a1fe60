//! The `--web.config.file` format of the Prometheus exporters: YAML text to checked settings.
//!
//! * Sections: `tls_server_config`, `http_server_config`, `basic_auth_users`, `rate_limit`; unknown keys are errors.
//! * Relative file names are relative to the directory of the configuration file. This module opens no file.
//! * An empty file, and one without TLS keys, means plain HTTP.
//! * Secrets: private keys and password hashes appear in no message and no Debug output.
//! * Differs from the Go exporters, always to the safe side and with a warning: TLS 1.0 and 1.1 are not spoken,
//!   curve P-521 and the CBC and RSA key exchange cipher suites are not available.

mod duration;
mod wire;

use wire::Spanned;
pub use wire::TLS_KEYS;

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use crate::yaml::{Node, YamlError};

/// What the file says, every rule checked.
#[derive(Debug, Clone, Default)]
pub struct WebConfig {
    /// `None` is plain HTTP.
    pub tls: Option<TlsSettings>,
    /// Whether TLS clients may choose HTTP/2.
    pub http2: bool,
    /// Headers to set on every answer.
    pub headers: HeaderMap,
    /// Users and their password hashes; empty means everyone may ask.
    pub users: BTreeMap<String, PasswordHash>,
    /// `None` is no limit.
    pub rate_limit: Option<RateLimit>,
    /// Settings that work but not as written, one sentence each.
    pub warnings: Vec<String>,
}

/// A token bucket over all requests of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// One more request becomes allowed per this time.
    pub interval: Duration,
    /// At most this many unused requests are kept.
    pub burst: u32,
}

/// The TLS half of the file.
#[derive(Debug, Clone)]
pub struct TlsSettings {
    /// The server's certificate chain.
    pub cert: Pem,
    /// The private key of the first certificate.
    pub key: Pem,
    /// Who may sign client certificates.
    pub client_ca: Option<Pem>,
    /// What is asked of clients.
    pub client_auth: ClientAuth,
    /// When not empty, a client certificate needs one of these as a DNS, IP, e-mail or URI name, exactly.
    pub client_allowed_sans: Vec<String>,
    /// Whether TLS 1.2 may be spoken.
    pub tls12: bool,
    /// Whether TLS 1.3 may be spoken.
    pub tls13: bool,
    /// TLS 1.2 cipher suites to offer, IANA names, in order; `None` is every one available.
    pub cipher_suites: Option<Vec<&'static str>>,
    /// Key exchange groups in order of preference; `None` is every one available.
    pub curves: Option<Vec<Curve>>,
    /// Whether our order of cipher suites wins over the client's.
    pub prefer_server_order: bool,
}

/// Where PEM text comes from, and where the configuration says so.
#[derive(Debug, Clone)]
pub struct Pem {
    /// The text itself or the file that holds it.
    pub source: PemSource,
    /// The key in the configuration, for messages, for example `tls_server_config.cert_file`.
    pub key: &'static str,
    /// Its line in the configuration, from 1.
    pub line: u64,
}

/// PEM text, or the file that holds it.
#[derive(Clone)]
pub enum PemSource {
    /// Written into the configuration.
    Inline(String),
    /// A file, relative names already resolved.
    File(PathBuf),
}

impl fmt::Debug for PemSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(..)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// What is asked of clients, named as in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ClientAuth {
    /// No certificate is asked for.
    #[default]
    NoClientCert,
    /// Asked for, not required, not checked.
    RequestClientCert,
    /// Required, not checked against an authority.
    RequireAnyClientCert,
    /// Asked for; one that is given must be signed by the client authority.
    VerifyClientCertIfGiven,
    /// Required and checked: the only one that keeps strangers out.
    RequireAndVerifyClientCert,
}

impl ClientAuth {
    const NAMES: &[(&'static str, Self)] = &[
        ("NoClientCert", Self::NoClientCert),
        ("RequestClientCert", Self::RequestClientCert),
        ("RequireAnyClientCert", Self::RequireAnyClientCert),
        ("RequireClientCert", Self::RequireAnyClientCert),
        ("VerifyClientCertIfGiven", Self::VerifyClientCertIfGiven),
        ("RequireAndVerifyClientCert", Self::RequireAndVerifyClientCert),
    ];

    /// Whether certificates are checked against the client authority.
    #[must_use]
    pub fn verifies(self) -> bool {
        matches!(self, Self::VerifyClientCertIfGiven | Self::RequireAndVerifyClientCert)
    }

    /// Whether a client without a certificate is refused.
    #[must_use]
    pub fn requires(self) -> bool {
        matches!(self, Self::RequireAnyClientCert | Self::RequireAndVerifyClientCert)
    }
}

/// A key exchange group we can offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    /// secp256r1.
    P256,
    /// secp384r1.
    P384,
    /// Curve25519.
    X25519,
}

/// bcrypt knows no lower one: about a millisecond.
const LEAST_COST: u32 = 4;

/// A well-formed bcrypt hash; its text appears nowhere but in comparisons.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    text: String,
    cost: u32,
}

impl PasswordHash {
    /// The text as configured, for comparison only.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The hash of a password that a configuration holds as it is, at the least cost: whoever reads the configuration
    /// needs to break no hash. Only the first 72 bytes count. `None` when the system gives no random bytes.
    #[must_use]
    pub fn of_plain_text(password: &str) -> Option<Self> {
        bcrypt::hash(password, LEAST_COST).ok()?.parse().ok()
    }

    /// The work factor: a comparison costs 2^cost rounds.
    #[must_use]
    pub fn cost(&self) -> u32 {
        self.cost
    }
}

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl FromStr for PasswordHash {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !["$2a$", "$2b$", "$2y$"].iter().any(|prefix| text.starts_with(prefix)) {
            return Err("a bcrypt hash starting with $2a$, $2b$ or $2y$");
        }
        let text = without_spare_salt_bits(text);
        let parts: bcrypt::HashParts =
            text.parse().map_err(|_| "a bcrypt hash of 60 characters, for example from htpasswd -nBC 10 user")?;
        if !(4..=31).contains(&parts.get_cost()) {
            return Err("a bcrypt hash with a cost from 4 to 31");
        }
        Ok(Self { cost: parts.get_cost(), text })
    }
}

/// A salt is 128 bits in 22 characters of 6; some older tools left the 4 spare bits set. Go ignores them, our library
/// refuses them, so they are cleared here.
fn without_spare_salt_bits(text: &str) -> String {
    const LAST_SALT_CHARACTER: usize = 28;
    const ALPHABET: &str = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    let cleared = |c| {
        let value = ALPHABET.find(c)?;
        ALPHABET.chars().nth(value & !0b1111)
    };
    text.char_indices().map(|(at, c)| if at == LAST_SALT_CHARACTER { cleared(c).unwrap_or(c) } else { c }).collect()
}

/// One mistake in the configuration or in a file it names: place first, then what was expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebConfigError {
    /// The configuration file.
    pub file: PathBuf,
    /// Line in it, from 1; `None` when the whole file is meant.
    pub line: Option<u64>,
    /// The key, for example `tls_server_config.cert_file`; empty when the whole file is meant.
    pub key: String,
    /// What was expected, what was found.
    pub what: String,
}

impl fmt::Display for WebConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.file.display())?;
        if let Some(line) = self.line {
            write!(f, "{line}:")?;
        }
        if !self.key.is_empty() {
            write!(f, " {}:", self.key)?;
        }
        write!(f, " {}", self.what)
    }
}

impl std::error::Error for WebConfigError {}

/// A mistake before the file's name is known to it.
struct Mistake {
    line: Option<u64>,
    key: String,
    what: String,
}

impl Mistake {
    fn new(line: u64, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self { line: (line > 0).then_some(line), key: key.into(), what: what.into() }
    }

    fn at<T>(value: &Spanned<T>, key: impl Into<String>, what: impl Into<String>) -> Self {
        Self::new(value.line, key, what)
    }
}

/// Checks the text of a configuration file; `file` gives messages a place and relative names a directory.
///
/// # Errors
/// The first mistake.
pub fn parse(file: &Path, text: &str) -> Result<WebConfig, WebConfigError> {
    let directory = file.parent().unwrap_or(Path::new(""));
    wire::read(text).and_then(|wire| resolve(wire, directory)).map_err(|Mistake { line, key, what }| WebConfigError {
        file: file.into(),
        line,
        key,
        what,
    })
}

/// Checks a `tls_server_config` that stands in another program's configuration. Gives the settings, `None` when it names
/// no certificate, and its warnings; file names are relative to `directory`.
///
/// # Errors
/// The first mistake.
pub fn tls_settings(node: Node, directory: &Path) -> Result<(Option<TlsSettings>, Vec<String>), YamlError> {
    let mut warnings = Vec::new();
    let settings = resolve_tls(wire::tls(node)?, directory, &mut warnings)
        .map_err(|Mistake { line, key, what }| YamlError { line: line.unwrap_or(0), key, what })?;
    Ok((settings, warnings))
}

fn resolve(wire: wire::File, directory: &Path) -> Result<WebConfig, Mistake> {
    let mut warnings = Vec::new();
    let tls = wire.tls_server_config.map(|tls| resolve_tls(tls, directory, &mut warnings)).transpose()?.flatten();
    let http = wire.http_server_config;
    let headers = resolve_headers(http.headers)?;
    let users = resolve_users(wire.basic_auth_users)?;
    let rate_limit = resolve_rate(wire.rate_limit)?;
    Ok(WebConfig { tls, http2: http.http2.unwrap_or(true), headers, users, rate_limit, warnings })
}

fn resolve_tls(wire: wire::Tls, directory: &Path, warnings: &mut Vec<String>) -> Result<Option<TlsSettings>, Mistake> {
    let (cert_keys, key_keys) = (
        ["tls_server_config.cert", "tls_server_config.cert_file"],
        ["tls_server_config.key", "tls_server_config.key_file"],
    );
    let ca_keys = ["tls_server_config.client_ca", "tls_server_config.client_ca_file"];
    let auth_line = wire.client_auth_type.as_ref().map_or(0, |name| name.line);
    let client_auth = match &wire.client_auth_type {
        Some(name) if !name.value.is_empty() => pick(name, "tls_server_config.client_auth_type", ClientAuth::NAMES)?,
        _ => ClientAuth::NoClientCert,
    };
    let client_ca = pem(wire.client_ca, wire.client_ca_file, ca_keys, directory)?;
    let cert = pem(wire.cert, wire.cert_file, cert_keys, directory)?;
    let key = pem(wire.key, wire.key_file, key_keys, directory)?;
    let (cert, key) = match (cert, key) {
        (Some(cert), Some(key)) => (cert, key),
        (None, None) if client_ca.is_none() && client_auth == ClientAuth::NoClientCert => {
            warnings.push("tls_server_config names no certificate, so TLS is off".into());
            return Ok(None);
        }
        (Some(cert), None) => {
            return Err(Mistake::new(cert.line, cert.key, "expected key or key_file beside the certificate"));
        }
        (None, key) => {
            let line = key.map_or(auth_line.max(client_ca.map_or(0, |ca| ca.line)), |key| key.line);
            return Err(Mistake::new(line, "tls_server_config", "expected cert or cert_file, found neither"));
        }
    };
    match &client_ca {
        Some(ca) if client_auth == ClientAuth::NoClientCert => {
            let what = "expected a client_auth_type that asks for certificates beside it, found NoClientCert";
            return Err(Mistake::new(ca.line, ca.key, what));
        }
        None if client_auth.verifies() => {
            let what = "expected client_ca or client_ca_file, to verify client certificates against";
            return Err(Mistake::new(auth_line, "tls_server_config.client_auth_type", what));
        }
        _ => {}
    }
    let client_allowed_sans = wire.client_allowed_sans;
    if !client_allowed_sans.is_empty() && client_auth != ClientAuth::RequireAndVerifyClientCert {
        warnings.push("client_allowed_sans protects only with client_auth_type RequireAndVerifyClientCert".into());
    }
    let (tls12, tls13) = versions(wire.min_version, wire.max_version, warnings)?;
    let suites_line = wire.cipher_suites.first().map_or(0, |s| s.line);
    let cipher_suites = suites(wire.cipher_suites, warnings)?;
    if tls12 && !tls13 && cipher_suites.as_ref().is_some_and(Vec::is_empty) {
        let what = "expected one of the suites available for TLS 1.2 when max_version is TLS12";
        return Err(Mistake::new(suites_line, "tls_server_config.cipher_suites", what));
    }
    let curves = curves(wire.curve_preferences, warnings)?;
    let prefer_server_order = wire.prefer_server_cipher_suites.unwrap_or(true);
    Ok(Some(TlsSettings {
        cert,
        key,
        client_ca,
        client_auth,
        client_allowed_sans,
        tls12,
        tls13,
        cipher_suites,
        curves,
        prefer_server_order,
    }))
}

/// The inline text or the file of one PEM value; both is a mistake, an empty text is none.
fn pem(
    inline: Option<Spanned<String>>,
    file: Option<Spanned<String>>,
    keys: [&'static str; 2],
    directory: &Path,
) -> Result<Option<Pem>, Mistake> {
    let present = |value: &Spanned<String>| !value.value.is_empty();
    let [inline_key, file_key] = keys;
    match (inline.filter(present), file.filter(present)) {
        (Some(_), Some(file)) => {
            Err(Mistake::at(&file, file_key, format!("expected either this or {inline_key}, found both")))
        }
        (Some(text), None) => Ok(Some(Pem { line: text.line, source: PemSource::Inline(text.value), key: inline_key })),
        (None, Some(name)) => {
            let path = directory.join(&name.value);
            Ok(Some(Pem { source: PemSource::File(path), key: file_key, line: name.line }))
        }
        (None, None) => Ok(None),
    }
}

/// Finds a name in a table, or lists the table.
fn pick<T: Copy>(name: &Spanned<String>, key: &str, table: &[(&'static str, T)]) -> Result<T, Mistake> {
    let found = table.iter().find(|(known, _)| *known == name.value).map(|(_, value)| *value);
    found.ok_or_else(|| {
        let known: Vec<&str> = table.iter().map(|(known, _)| *known).collect();
        Mistake::at(name, key, format!("expected one of {}, found {:?}", known.join(", "), name.value))
    })
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Version {
    Tls10,
    Tls11,
    Tls12,
    Tls13,
}

const VERSIONS: &[(&str, Version)] =
    &[("TLS10", Version::Tls10), ("TLS11", Version::Tls11), ("TLS12", Version::Tls12), ("TLS13", Version::Tls13)];

fn versions(
    min: Option<Spanned<String>>,
    max: Option<Spanned<String>>,
    warnings: &mut Vec<String>,
) -> Result<(bool, bool), Mistake> {
    let (min_key, max_key) = ("tls_server_config.min_version", "tls_server_config.max_version");
    let low = min.map_or(Ok(Version::Tls12), |name| pick(&name, min_key, VERSIONS))?;
    if low < Version::Tls12 {
        warnings
            .push("min_version: TLS 1.0 and 1.1 are broken and not spoken here; clients need TLS 1.2 or 1.3".into());
    }
    let Some(name) = max else {
        return Ok((low <= Version::Tls12, true));
    };
    let high = pick(&name, max_key, VERSIONS)?;
    if high < Version::Tls12 {
        let what = format!("expected TLS12 or TLS13 (older versions are not spoken), found {:?}", name.value);
        return Err(Mistake::at(&name, max_key, what));
    }
    if high < low {
        return Err(Mistake::at(&name, max_key, format!("expected at least min_version, found {:?}", name.value)));
    }
    Ok((low <= Version::Tls12, high == Version::Tls13))
}

/// Names the Go exporters accept; `true` where our TLS library has the TLS 1.2 suite, or it is a TLS 1.3 suite, which
/// are always on.
const SUITES: &[(&str, (&str, bool))] = &[
    ("TLS_AES_128_GCM_SHA256", ("", true)),
    ("TLS_AES_256_GCM_SHA384", ("", true)),
    ("TLS_CHACHA20_POLY1305_SHA256", ("", true)),
    suite("TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256", true),
    suite("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", true),
    suite("TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256", true),
    suite("TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", true),
    suite("TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384", true),
    suite("TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", true),
    suite("TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA", false),
    suite("TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA", false),
    suite("TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", false),
    suite("TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA", false),
    suite("TLS_RSA_WITH_AES_128_CBC_SHA", false),
    suite("TLS_RSA_WITH_AES_256_CBC_SHA", false),
    suite("TLS_RSA_WITH_AES_128_GCM_SHA256", false),
    suite("TLS_RSA_WITH_AES_256_GCM_SHA384", false),
];

const fn suite(name: &'static str, available: bool) -> (&'static str, (&'static str, bool)) {
    (name, (name, available))
}

fn suites(names: Vec<Spanned<String>>, warnings: &mut Vec<String>) -> Result<Option<Vec<&'static str>>, Mistake> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut chosen = Vec::new();
    for name in names {
        match pick(&name, "tls_server_config.cipher_suites", SUITES)? {
            ("", _) => {}
            (suite, true) => chosen.push(suite),
            (suite, false) => warnings.push(format!("cipher_suites: {suite} is weak and not available here, left out")),
        }
    }
    if chosen.is_empty() {
        warnings.push("cipher_suites leaves nothing for TLS 1.2, so clients need TLS 1.3".into());
    }
    Ok(Some(chosen))
}

const CURVES: &[(&str, Option<Curve>)] = &[
    ("CurveP256", Some(Curve::P256)),
    ("CurveP384", Some(Curve::P384)),
    ("CurveP521", None),
    ("X25519", Some(Curve::X25519)),
];

fn curves(names: Vec<Spanned<String>>, warnings: &mut Vec<String>) -> Result<Option<Vec<Curve>>, Mistake> {
    let key = "tls_server_config.curve_preferences";
    let Some(line) = names.first().map(|name| name.line) else {
        return Ok(None);
    };
    let chosen = names.iter().map(|name| pick(name, key, CURVES)).collect::<Result<Vec<_>, _>>()?;
    let available: Vec<Curve> = chosen.iter().copied().flatten().collect();
    if available.is_empty() {
        return Err(Mistake::new(
            line,
            key,
            "expected CurveP256, CurveP384 or X25519 among them, found only CurveP521",
        ));
    }
    if available.len() < chosen.len() {
        warnings.push("curve_preferences: CurveP521 is not available here, left out".into());
    }
    Ok(Some(available))
}

/// Headers that may be set, and their values when not free.
const HEADERS: &[(&str, &[&str])] = &[
    ("Strict-Transport-Security", &[]),
    ("X-Content-Type-Options", &["nosniff"]),
    ("X-Frame-Options", &["deny", "sameorigin"]),
    ("X-XSS-Protection", &[]),
    ("Content-Security-Policy", &[]),
];

fn resolve_headers(wire: Vec<(String, Spanned<String>)>) -> Result<HeaderMap, Mistake> {
    let mut headers = HeaderMap::new();
    for (name, value) in wire {
        let key = format!("http_server_config.headers.{name}");
        let Some((_, allowed)) = HEADERS.iter().find(|(known, _)| *known == name) else {
            let known: Vec<&str> = HEADERS.iter().map(|(known, _)| *known).collect();
            return Err(Mistake::at(&value, key, format!("expected one of the headers {}", known.join(", "))));
        };
        if !allowed.is_empty() && !allowed.contains(&value.value.as_str()) {
            let what = format!("expected {}, found {:?}", allowed.join(" or "), value.value);
            return Err(Mistake::at(&value, key, what));
        }
        match (HeaderName::try_from(name), HeaderValue::try_from(&value.value)) {
            (Ok(header), Ok(text)) => headers.insert(header, text),
            _ => {
                return Err(Mistake::at(&value, key, "expected a header value on one line of visible characters"));
            }
        };
    }
    Ok(headers)
}

fn resolve_users(wire: Vec<(String, Spanned<String>)>) -> Result<BTreeMap<String, PasswordHash>, Mistake> {
    let mut users = BTreeMap::new();
    for (name, hash) in wire {
        let key = format!("basic_auth_users.{name}");
        if name.contains(':') {
            return Err(Mistake::at(&hash, key, "expected a user name without a colon (RFC 7617)"));
        }
        match hash.value.parse() {
            Ok(checked) => users.insert(name, checked),
            Err(expected) => return Err(Mistake::at(&hash, key, format!("expected {expected}"))),
        };
    }
    Ok(users)
}

fn resolve_rate(wire: wire::Rate) -> Result<Option<RateLimit>, Mistake> {
    let Some(interval) = wire.interval else {
        return Ok(None);
    };
    let expected = "expected a duration such as 100ms or 1m30s";
    let time = duration::parse(&interval.value).ok_or_else(|| {
        Mistake::at(&interval, "rate_limit.interval", format!("{expected}, found {:?}", interval.value))
    })?;
    if time.is_zero() {
        return Ok(None);
    }
    match wire.burst {
        Some(burst) if burst.value > 0 => Ok(Some(RateLimit { interval: time, burst: burst.value })),
        _ => {
            let line = wire.burst.map_or(interval.line, |burst| burst.line);
            Err(Mistake::new(line, "rate_limit.burst", "expected at least 1 with an interval: 0 refuses every request"))
        }
    }
}

#[cfg(test)]
mod tests;
