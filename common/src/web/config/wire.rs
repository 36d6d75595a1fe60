//! The words of the file, before anybody has asked whether they make sense.

use super::Mistake;
use crate::yaml::{self, Node, YamlError};

/// A value and its line in the file.
#[derive(Default)]
pub(super) struct Spanned<T> {
    pub(super) value: T,
    /// Line number from 1.
    pub(super) line: u64,
}

type Text = Option<Spanned<String>>;
/// Keys and their values in the order of the file.
type Pairs = Vec<(String, Spanned<String>)>;

#[derive(Default)]
pub(super) struct File {
    pub(super) tls_server_config: Option<Tls>,
    pub(super) http_server_config: Http,
    pub(super) basic_auth_users: Pairs,
    pub(super) rate_limit: Rate,
}

#[derive(Default)]
pub(super) struct Tls {
    pub(super) cert: Text,
    pub(super) key: Text,
    pub(super) client_ca: Text,
    pub(super) cert_file: Text,
    pub(super) key_file: Text,
    pub(super) client_ca_file: Text,
    pub(super) client_auth_type: Text,
    pub(super) client_allowed_sans: Vec<String>,
    pub(super) min_version: Text,
    pub(super) max_version: Text,
    pub(super) cipher_suites: Vec<Spanned<String>>,
    pub(super) prefer_server_cipher_suites: Option<bool>,
    pub(super) curve_preferences: Vec<Spanned<String>>,
}

#[derive(Default)]
pub(super) struct Http {
    pub(super) http2: Option<bool>,
    pub(super) headers: Pairs,
}

#[derive(Default)]
pub(super) struct Rate {
    pub(super) interval: Text,
    pub(super) burst: Option<Spanned<u32>>,
}

/// Reads the YAML; an empty document is an empty file.
pub(super) fn read(text: &str) -> Result<File, Mistake> {
    file(text).map_err(|YamlError { line, key, what }| Mistake::new(line, key, what))
}

fn file(text: &str) -> Result<File, YamlError> {
    let mut file = File::default();
    for (key, line, node) in yaml::parse(text)?.into_map("")? {
        match key.as_str() {
            "tls_server_config" if matches!(node.value, yaml::Value::Null) => {}
            "tls_server_config" => file.tls_server_config = Some(tls(node)?),
            "http_server_config" => file.http_server_config = http(node)?,
            "basic_auth_users" => file.basic_auth_users = pairs(node, &key)?,
            "rate_limit" => file.rate_limit = rate(node)?,
            _ => {
                let known = ["basic_auth_users", "http_server_config", "rate_limit", "tls_server_config"];
                return Err(unknown(&key, line, &known));
            }
        }
    }
    Ok(file)
}

/// The keys of `tls_server_config`.
pub const TLS_KEYS: &[&str] = &[
    "cert",
    "cert_file",
    "cipher_suites",
    "client_allowed_sans",
    "client_auth_type",
    "client_ca",
    "client_ca_file",
    "curve_preferences",
    "key",
    "key_file",
    "max_version",
    "min_version",
    "prefer_server_cipher_suites",
];

pub(super) fn tls(node: Node) -> Result<Tls, YamlError> {
    let mut tls = Tls::default();
    for (key, line, node) in node.into_map("tls_server_config")? {
        match key.as_str() {
            "cert" => tls.cert = text(node, &key)?,
            "cert_file" => tls.cert_file = text(node, &key)?,
            "cipher_suites" => tls.cipher_suites = list(node, &key)?,
            "client_allowed_sans" => {
                tls.client_allowed_sans = list(node, &key)?.into_iter().map(|name| name.value).collect();
            }
            "client_auth_type" => tls.client_auth_type = text(node, &key)?,
            "client_ca" => tls.client_ca = text(node, &key)?,
            "client_ca_file" => tls.client_ca_file = text(node, &key)?,
            "curve_preferences" => tls.curve_preferences = list(node, &key)?,
            "key" => tls.key = text(node, &key)?,
            "key_file" => tls.key_file = text(node, &key)?,
            "max_version" => tls.max_version = text(node, &key)?,
            "min_version" => tls.min_version = text(node, &key)?,
            "prefer_server_cipher_suites" => tls.prefer_server_cipher_suites = node.into_bool(&key)?,
            _ => return Err(unknown(&key, line, TLS_KEYS)),
        }
    }
    Ok(tls)
}

fn http(node: Node) -> Result<Http, YamlError> {
    let mut http = Http::default();
    for (key, line, node) in node.into_map("http_server_config")? {
        match key.as_str() {
            "http2" => http.http2 = node.into_bool(&key)?,
            "headers" => http.headers = pairs(node, &key)?,
            _ => return Err(unknown(&key, line, &["headers", "http2"])),
        }
    }
    Ok(http)
}

fn rate(node: Node) -> Result<Rate, YamlError> {
    let mut rate = Rate::default();
    for (key, line, node) in node.into_map("rate_limit")? {
        let at = node.line;
        match key.as_str() {
            "interval" => rate.interval = text(node, &key)?,
            "burst" => rate.burst = node.into_u32(&key)?.map(|value| Spanned { value, line: at }),
            _ => return Err(unknown(&key, line, &["burst", "interval"])),
        }
    }
    Ok(rate)
}

fn text(node: Node, key: &str) -> Result<Text, YamlError> {
    let line = node.line;
    Ok(node.into_text(key)?.map(|value| Spanned { value, line }))
}

fn list(node: Node, key: &str) -> Result<Vec<Spanned<String>>, YamlError> {
    let some = |item: Node| {
        let line = item.line;
        text(item, key)?.ok_or_else(|| YamlError::new(line, key, "expected text, found nothing"))
    };
    node.into_list(key)?.into_iter().map(some).collect()
}

fn pairs(node: Node, key: &str) -> Result<Pairs, YamlError> {
    let some = |(name, line, node): (String, u64, Node)| {
        let value = text(node, &name)?.ok_or_else(|| YamlError::new(line, &name, "expected text, found nothing"))?;
        Ok((name, value))
    };
    node.into_map(key)?.into_iter().map(some).collect()
}

fn unknown(key: &str, line: u64, known: &[&str]) -> YamlError {
    YamlError::new(line, "", format!("unknown key {key:?}, expected one of {}", known.join(", ")))
}
