//! `oauth2`.

use common::yaml::{Node, Value};
use serde_json::Value as Json;

use super::reading::{Entry, Reading};
use super::scalar::{self, Plain};
use super::{OAuth2, client, tls};

/// The grant for which there is a key instead of a secret.
const JWT: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";

pub(super) fn read(reading: &mut Reading<'_>, entry: Option<Entry>) -> Option<OAuth2> {
    let mut section = reading.section(entry)?;
    let grant_type = reading.word(section.take("grant_type"));
    let by_jwt = grant_type == JWT;
    let algorithm = section.take("signature_algorithm");
    let algorithm_at = algorithm.as_ref().map(|entry| entry.at.clone());
    let oauth2 = OAuth2 {
        client_id: reading.word(section.take("client_id")),
        client_secret: reading.given(&mut section, "client_secret", by_jwt),
        client_certificate_key_id: reading.word(section.take("client_certificate_key_id")),
        client_certificate_key: reading.given(&mut section, "client_certificate_key", !by_jwt),
        signature_algorithm: reading.word(algorithm),
        iss: reading.word(section.take("iss")),
        audience: reading.word(section.take("audience")),
        claims: claims(reading, section.take("claims")),
        scopes: reading.texts(section.take("scopes")),
        token_url: reading.word(section.take("token_url")),
        endpoint_params: reading.named_texts(section.take("endpoint_params")),
        tls: tls::read(reading, section.take("tls_config")),
        proxy: client::proxy(reading, &mut section),
        grant_type,
    };
    for (key, value) in [("client_id", &oauth2.client_id), ("token_url", &oauth2.token_url)] {
        if value.is_empty() {
            reading.mistake(&section.at, format_args!("expected {key}"));
        }
    }
    if let Some(at) = algorithm_at
        && by_jwt
        && !matches!(oauth2.signature_algorithm.as_str(), "" | "RS256" | "RS384" | "RS512")
    {
        reading.mistake(&at, "expected one of RS256, RS384, RS512");
    }
    section.end(reading);
    Some(oauth2)
}

fn claims(reading: &mut Reading<'_>, entry: Option<Entry>) -> Vec<(String, Json)> {
    let pairs = reading.pairs(entry);
    let mut claims = Vec::new();
    for (name, entry) in pairs {
        match json(entry.node) {
            Some(value) => claims.push((name, value)),
            None => {
                reading.mistake(&entry.at, "expected what JSON has a form for: text, number, list, keys and values")
            }
        }
    }
    claims
}

/// A node as JSON; the levels of a node are bounded already.
fn json(node: Node) -> Option<Json> {
    Some(match node.value {
        Value::Null => Json::Null,
        Value::Binary(bytes) => Json::String(String::from_utf8(bytes).ok()?),
        Value::Scalar(text, true) => Json::String(text),
        Value::Scalar(text, false) => match scalar::plain(&text) {
            Plain::Null => Json::Null,
            Plain::Bool(value) => Json::Bool(value),
            Plain::Int(number) => match (i64::try_from(number), u64::try_from(number)) {
                (Ok(number), _) => number.into(),
                (_, Ok(number)) => number.into(),
                _ => return None,
            },
            Plain::Float(number) => Json::Number(serde_json::Number::from_f64(number)?),
            Plain::Time if text.len() == 10 => Json::String(text + "T00:00:00Z"),
            Plain::Time | Plain::Text => Json::String(text),
        },
        Value::List(list) => Json::Array(list.into_iter().map(json).collect::<Option<_>>()?),
        Value::Map(map) => {
            Json::Object(map.into_iter().map(|(key, _, node)| Some((key, json(node)?))).collect::<Option<_>>()?)
        }
    })
}
