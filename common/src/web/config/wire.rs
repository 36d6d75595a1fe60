//! The words of the file as serde reads them, and its complaints in our wording.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::{Error, Options, Spanned};

use super::Mistake;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct File {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Option<Http>,
    pub(super) basic_auth_users: Option<BTreeMap<String, Spanned<Secret>>>,
    pub(super) rate_limit: Option<Rate>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tls {
    pub(super) cert: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) client_ca: Option<Spanned<String>>,
    pub(super) cert_file: Option<Spanned<String>>,
    pub(super) key_file: Option<Spanned<String>>,
    pub(super) client_ca_file: Option<Spanned<String>>,
    pub(super) client_auth_type: Option<Spanned<String>>,
    pub(super) client_allowed_sans: Option<Vec<String>>,
    pub(super) min_version: Option<Spanned<String>>,
    pub(super) max_version: Option<Spanned<String>>,
    pub(super) cipher_suites: Option<Vec<Spanned<String>>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Http {
    pub(super) http2: Option<bool>,
    pub(super) headers: Option<BTreeMap<String, Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Rate {
    pub(super) interval: Option<Spanned<String>>,
    pub(super) burst: Option<Spanned<u32>>,
}

/// A text without Debug, so that it cannot reach a log by accident.
#[derive(Deserialize)]
pub(super) struct Secret(pub(super) String);

/// Reads the YAML; an empty document is an empty file.
pub(super) fn read(text: &str) -> Result<File, Mistake> {
    let mut options = Options::default();
    // A snippet would print the lines around a mistake, and these may hold keys and hashes.
    options.with_snippet = false;
    serde_saphyr::from_str_with_options::<Option<File>>(text, options)
        .map(Option::unwrap_or_default)
        .map_err(|e| in_our_words(&e, text))
}

/// Values are left out of every message here: the one in the wrong place may be a key or a hash.
fn in_our_words(error: &Error, text: &str) -> Mistake {
    let what = match error.without_snippet() {
        Error::SerdeUnknownField { field, expected, .. } => {
            let mut expected = expected.clone();
            expected.sort_unstable();
            format!("unknown key {field:?}, expected one of {}", expected.join(", "))
        }
        Error::SerdeInvalidType { expected, .. } | Error::SerdeInvalidValue { expected, .. } => {
            format!("expected {}", plain(expected))
        }
        Error::Unexpected { expected, .. } => format!("expected {expected}"),
        Error::InvalidScalar { ty, .. } => format!("expected {}", plain(ty)),
        Error::DuplicateMappingKey { key: Some(key), .. } => format!("key {key:?} is given twice"),
        Error::DuplicateMappingKey { .. } => "a key is given twice".into(),
        Error::NullIntoString { .. } => "expected text, found nothing".into(),
        Error::MultipleDocuments { .. } => "expected one YAML document, found several".into(),
        Error::Eof { .. } => "the text ends too early".into(),
        _ => "expected valid YAML".into(),
    };
    let line = error.location().map_or(0, |location| location.line());
    let key = usize::try_from(line).ok().and_then(|n| text.lines().nth(n.checked_sub(1)?)).map_or("", key_of);
    // An unknown key is in the message already.
    let key = if matches!(error.without_snippet(), Error::SerdeUnknownField { .. }) { "" } else { key };
    Mistake::new(line, key, what)
}

/// serde says `struct Tls` where the file's author thinks of a section.
fn plain(expected: &str) -> &str {
    if expected.starts_with("struct ") { "a section of keys and values" } else { expected }
}

/// The key a line starts with, or nothing.
fn key_of(line: &str) -> &str {
    let is_key = |key: &&str| !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    line.split_once(':').map(|(key, _)| key.trim()).filter(is_key).unwrap_or("")
}
