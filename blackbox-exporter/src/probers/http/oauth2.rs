//! An access token for one probe (RFC 6749, section 4.4), or one for a signed assertion (RFC 7523).
//!
//! * Asked for once per probe; the client says who it is in a header first, and in the form when that is refused.
//! * It goes before any other `Authorization` a module or a target has.
//! * No message shows anything of the answer.
//! * Differs from the Go exporter: the deadline holds here as well, and a redirect is an answer without a token;
//!   an answer need not be compressed.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use hyper::Method;
use hyper::header::{self, HeaderMap, HeaderValue};
use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RsaKeyPair};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::{Map, Value, json};

use super::body::{self, Plan};
use super::credentials;
use super::dial::{To, Way};
use super::exchange::exchange;
use super::facts::Trip;
use super::request::{Payload, Template};
use super::stream::FirstByte;
use super::target::Url;
use crate::config::{IpSelection, OAuth2};
use crate::module::Module;
use crate::network::Network;
use crate::reason::{Failure, Phase, Progress, Reason};
use crate::tls;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Seconds for which an assertion is valid.
const ASSERTION_SECONDS: u64 = 600;
const MOST_ANSWER_BYTES: u64 = 1 << 20;

fn failed(what: impl std::fmt::Display) -> Failure {
    Failure::new(Phase::Token, Reason::Token, format!("token: {what}"))
}

/// The `Authorization` that a token server gives.
pub(super) async fn authorization(
    module: &Module,
    oauth2: &OAuth2,
    network: &Arc<Network>,
    progress: &Progress,
    user_agent: Option<&HeaderValue>,
) -> Result<HeaderValue, Failure> {
    progress.enter(Phase::Token);
    let url = Url::absolute(&oauth2.token_url).map_err(|e| failed(format!("token_url: {e}")))?;
    // Where the token's connection is does not matter to whoever asks where the probe is.
    let (own_progress, ip) = (Progress::default(), IpSelection::default());
    let way = Way {
        network,
        progress: &own_progress,
        ip: &ip,
        proxy: &oauth2.proxy,
        tls: &oauth2.tls,
        kept: (&module.token_tls, &module.token_proxy_tls),
        alpn: &[b"h2", b"http/1.1"],
    };
    let mut headers = HeaderMap::new();
    if let Some(user_agent) = user_agent {
        headers.insert(header::USER_AGENT, user_agent.clone());
    }
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    let mut form = form(oauth2)?;
    if oauth2.grant_type == JWT_BEARER {
        return ask(&way, oauth2, &url, &headers, &form).await?.ok_or_else(|| failed("the server gives none"));
    }
    let secret = crate::given::text(oauth2.client_secret.as_ref())?;
    let pair = format!("{}:{}", encoded(&oauth2.client_id), encoded(&secret));
    let basic = credentials::value(format!("Basic {}", BASE64_STANDARD.encode(pair)).as_bytes())?;
    headers.insert(header::AUTHORIZATION, basic);
    if let Some(token) = ask(&way, oauth2, &url, &headers, &form).await? {
        return Ok(token);
    }
    headers.remove(header::AUTHORIZATION);
    form.push(("client_id".to_owned(), oauth2.client_id.clone()));
    if !secret.is_empty() {
        form.push(("client_secret".to_owned(), secret));
    }
    ask(&way, oauth2, &url, &headers, &form).await?.ok_or_else(|| failed("the server gives none"))
}

/// The fields of the form but those that say who the client is.
fn form(oauth2: &OAuth2) -> Result<Vec<(String, String)>, Failure> {
    let mut form = Vec::new();
    if oauth2.grant_type == JWT_BEARER {
        form.push(("grant_type".to_owned(), JWT_BEARER.to_owned()));
        form.push(("assertion".to_owned(), assertion(oauth2)?));
    } else {
        form.push(("grant_type".to_owned(), "client_credentials".to_owned()));
        if !oauth2.scopes.is_empty() {
            form.push(("scope".to_owned(), oauth2.scopes.join(" ")));
        }
    }
    for (key, value) in &oauth2.endpoint_params {
        match form.iter_mut().find(|(known, _)| known == key) {
            Some(known) if key == "grant_type" => known.1.clone_from(value),
            Some(_) => return Err(failed(format!("endpoint_params: expected no {key:?}, which is set already"))),
            None => form.push((key.clone(), value.clone())),
        }
    }
    Ok(form)
}

/// One request; `None` is an answer without a token.
async fn ask(
    way: &Way<'_>,
    oauth2: &OAuth2,
    url: &Url,
    headers: &HeaderMap,
    form: &[(String, String)],
) -> Result<Option<HeaderValue>, Failure> {
    let text: Vec<String> = form.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
    let payload = Payload::sized(text.join("&").into());
    let template = Template { method: Method::POST, headers: headers.clone(), body: payload };
    let server_name = Some(oauth2.tls.server_name.as_str()).filter(|name| !name.is_empty()).unwrap_or(&url.host);
    let to = To { url, address: None, server_name };
    let opened = way.open(to, &mut Trip::default(), &tls::Facts::default()).await.map_err(|e| failed(&e))?;
    let (head, mut body) = exchange(opened, &template, url, &url.authority(), &FirstByte::default(), way.progress)
        .await
        .map_err(|e| failed(&e))?;
    if !(200..300).contains(&head.status) {
        return Ok(None);
    }
    let plan = Plan { compression: "", limit: MOST_ANSWER_BYTES, keep: Some(&way.network.budget) };
    let kept = body::read(&mut body, plan, &mut 0).await.map_err(|unread| failed(&unread.failure))?;
    let kind = head.headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let Some((kind, token)) = parse(kind, &kept.bytes) else { return Ok(None) };
    credentials::value(format!("{kind} {token}").as_bytes()).map(Some)
}

/// Kind and token of an answer; `None` when there is no token in it.
fn parse(content_type: &str, bytes: &[u8]) -> Option<(String, String)> {
    let content_type = content_type.split(';').next().unwrap_or_default().trim();
    let (kind, token) = if matches!(content_type, "application/x-www-form-urlencoded" | "text/plain") {
        let text = std::str::from_utf8(bytes).ok()?;
        let field = |key: &str| {
            let mut pairs = text.trim().split('&').filter_map(|pair| pair.split_once('='));
            pairs.find(|(known, _)| *known == key).map(|(_, value)| common::query::decode(value))
        };
        (field("token_type"), field("access_token")?)
    } else {
        let document: Value = serde_json::from_slice(bytes).ok()?;
        let field = |key: &str| document.get(key).and_then(Value::as_str).map(str::to_owned);
        if field("error").is_some_and(|error| !error.is_empty()) {
            return None;
        }
        (field("token_type"), field("access_token")?)
    };
    let kind = match kind.unwrap_or_default() {
        kind if kind.is_empty() || kind.eq_ignore_ascii_case("bearer") => "Bearer".to_owned(),
        kind if kind.eq_ignore_ascii_case("mac") => "MAC".to_owned(),
        kind if kind.eq_ignore_ascii_case("basic") => "Basic".to_owned(),
        kind => kind,
    };
    (!token.is_empty()).then_some((kind, token))
}

/// Text of a form (`application/x-www-form-urlencoded`).
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for b in text.bytes() {
        match b {
            b' ' => out.push('+'),
            b if b.is_ascii_alphanumeric() || b"-._~".contains(&b) => out.push(char::from(b)),
            b => out.push_str(&format!("%{b:02X}")),
        }
    }
    out
}

/// A signed assertion that this is the client.
fn assertion(oauth2: &OAuth2) -> Result<String, Failure> {
    let pem = crate::given::text(oauth2.client_certificate_key.as_ref())?;
    let (algorithm, padding): (_, &dyn ring::signature::RsaEncoding) = match oauth2.signature_algorithm.as_str() {
        "RS384" => ("RS384", &RSA_PKCS1_SHA384),
        "RS512" => ("RS512", &RSA_PKCS1_SHA512),
        _ => ("RS256", &RSA_PKCS1_SHA256),
    };
    let broken = || failed("client_certificate_key: expected an RSA private key in PEM");
    let key = match PrivateKeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| broken())? {
        PrivateKeyDer::Pkcs1(der) => RsaKeyPair::from_der(der.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(der) => RsaKeyPair::from_pkcs8(der.secret_pkcs8_der()),
        _ => return Err(broken()),
    };
    let key = key.map_err(|_| broken())?;
    let random = SystemRandom::new();
    let no_random = |_| Failure::new(Phase::Token, Reason::Internal, "token: the system has no random numbers");
    let mut id = [0; 16];
    random.fill(&mut id).map_err(no_random)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let or = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", json!(or(&oauth2.iss, &oauth2.client_id))),
        ("sub", json!(oauth2.client_id)),
        ("aud", json!(or(&oauth2.audience, &oauth2.token_url))),
        ("jti", json!(id.iter().map(|b| format!("{b:02x}")).collect::<String>())),
        ("iat", json!(now)),
        ("exp", json!(now + ASSERTION_SECONDS)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    if !oauth2.scopes.is_empty() {
        claims.insert("scope".to_owned(), json!(oauth2.scopes.join(" ")));
    }
    for (name, value) in &oauth2.claims {
        claims.insert(name.clone(), value.clone());
    }
    let mut head = json!({"alg": algorithm, "typ": "JWT"});
    if let (Some(head), false) = (head.as_object_mut(), oauth2.client_certificate_key_id.is_empty()) {
        head.insert("kid".to_owned(), json!(oauth2.client_certificate_key_id));
    }
    let part = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&head), part(&Value::Object(claims)));
    let mut signature = vec![0; key.public().modulus_len()];
    key.sign(padding, &random, signed.as_bytes(), &mut signature).map_err(no_random)?;
    Ok(format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature)))
}

/// For the table of parsers.
pub(super) fn feed(content_type: &str, bytes: &[u8]) {
    drop(parse(content_type, bytes));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let json = "application/json;charset=utf-8";
        for (kind, text, want) in [
            (json, r#"{"access_token":"t","token_type":"bearer"}"#, Some(("Bearer", "t"))),
            ("", r#"{"access_token":"t","token_type":"Odd","more":[1]}"#, Some(("Odd", "t"))),
            ("text/plain", "token_type=mac&access_token=a%2Bb", Some(("MAC", "a+b"))),
            (json, r#"{"access_token":""}"#, None),
            (json, r#"{"access_token":"t","error":"no"}"#, None),
            (json, r#"{"access_token":"t","error":""}"#, Some(("Bearer", "t"))),
            (json, r#"{"access_token":5}"#, None),
            (json, "[]", None),
            (json, "{", None),
            ("text/plain", "\u{1}", None),
        ] {
            let got = parse(kind, text.as_bytes());
            assert_eq!(got.as_ref().map(|(kind, token)| (kind.as_str(), token.as_str())), want, "{text}");
        }
    }

    #[test]
    fn forms() {
        let mut oauth2 = OAuth2 { scopes: vec!["a".to_owned(), "b c".to_owned()], ..OAuth2::default() };
        oauth2.endpoint_params = vec![("grant_type".to_owned(), "x".to_owned()), ("y".to_owned(), "&".to_owned())];
        let form = form(&oauth2).unwrap();
        let text: Vec<_> = form.iter().map(|(key, value)| format!("{}={}", encoded(key), encoded(value))).collect();
        assert_eq!(text.join("&"), "grant_type=x&scope=a+b+c&y=%26");
        oauth2.endpoint_params = vec![("scope".to_owned(), "x".to_owned())];
        assert_eq!(super::form(&oauth2).unwrap_err().reason, Reason::Token);
    }
}
