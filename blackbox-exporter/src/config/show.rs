//! The configuration in force as YAML, secrets hidden.
//!
//! * Keys, their order and the layout are those of the Go exporter's `/config` and debug answer; what is as it would be
//!   without its key is left out, but for the few keys that it always shows.
//! * Differs from the Go exporter: what may hold a secret prints as `<secret>`: `body`, `send`, certificates in the file,
//!   gRPC metadata, the values of headers and fields whose names speak of credentials, the user of a URL that has no
//!   password. An empty expression prints as `""`, an empty list of response codes as `[]`, since a missing one is
//!   something else.

mod tree;

use super::scalar::{show_duration, show_size};
use super::tls::version_word;
use super::url::without_secrets;
use super::{
    Authorization, BasicAuth, Dns, Given, Grpc, HeaderRule, HeaderValues, Http, HttpClient, Icmp, IpSelection, Module,
    OAuth2, Proxy, QueryResponse, RecordRules, Settings, Tcp, Tls, Unix, WebSocket,
};
use crate::cel::Program;
use crate::regexp::Regexp;
use tree::{Fields, Value, secret};

/// Blanks per level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indent {
    /// As in the answer to `debug=true`.
    Two,
    /// As on `/config`.
    Four,
}

/// A whole configuration.
pub fn show_settings(settings: &Settings) -> String {
    let mut modules = Fields::default();
    for (name, module) in &settings.modules {
        modules.always(name, Value::Map(fields(module)));
    }
    let mut all = Fields::default();
    all.always("modules", Value::Map(modules.sorted()));
    tree::write(&all, Indent::Four)
}

/// One module.
pub fn show_module(module: &Module, indent: Indent) -> String {
    tree::write(&fields(module), indent)
}

fn fields(module: &Module) -> Fields {
    let mut out = Fields::default();
    out.text("prober", &module.prober);
    out.bare("timeout", (module.timeout != 0.0).then(|| show_duration(module.timeout)));
    out.fields("http", http(&module.http));
    out.fields("tcp", tcp(&module.tcp));
    out.fields("icmp", icmp(&module.icmp));
    out.fields("dns", dns(&module.dns));
    out.fields("grpc", grpc(&module.grpc));
    out.fields("unix", unix(&module.unix));
    // The release that the Go exporter is compared in has no such section to show in other modules.
    let shown = websocket(&module.websocket);
    if module.prober == "websocket" || shown != websocket(&WebSocket::default()) {
        out.fields("websocket", shown);
    }
    out
}

/// Whether a name is that of a credential.
pub(crate) fn is_credential(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    ["auth", "cookie", "token", "secret", "key", "passw", "credential", "session", "signature", "jwt", "assertion"]
        .iter()
        .any(|word| name.contains(word))
}

/// A text under a name that may say that it is a secret.
fn under(name: &str, text: &str) -> Value {
    if is_credential(name) && !text.is_empty() { secret() } else { Value::Text(text.to_owned()) }
}

fn named(pairs: &[(String, String)]) -> Fields {
    Fields(pairs.iter().map(|(name, text)| (name.clone(), under(name, text))).collect()).sorted()
}

fn regexps(list: &[Regexp]) -> impl Iterator<Item = Value> {
    list.iter().map(|regexp| Value::Text(regexp.source().to_owned()))
}

fn ip(out: &mut Fields, ip: &IpSelection) {
    out.text("preferred_ip_protocol", &ip.preferred);
    out.flag("ip_protocol_fallback", ip.fallback);
}

/// The keys of something given in one of three ways; inline it is shown when it is `public`.
fn given(out: &mut Fields, name: &str, given: Option<&Given>, public: bool) {
    match given {
        Some(Given::Inline(text)) if public => out.text(name, &text.0),
        Some(Given::Inline(_)) => out.hidden(name, true),
        Some(Given::File(path)) => out.text(&format!("{name}_file"), &path.to_string_lossy()),
        Some(Given::Ref(reference)) => out.text(&format!("{name}_ref"), reference),
        None => {}
    }
}

fn tls(tls: &Tls) -> Fields {
    let mut out = Fields::default();
    if *tls == Tls::default() {
        return out;
    }
    let rank = |given: &Option<Given>| match given {
        Some(Given::Inline(_)) | None => 0,
        Some(Given::File(_)) => 1,
        Some(Given::Ref(_)) => 2,
    };
    let mut parts = [("ca", &tls.ca), ("cert", &tls.cert), ("key", &tls.key)];
    parts.sort_by_key(|(_, part)| rank(part));
    for (name, part) in parts {
        given(&mut out, name, part.as_ref(), false);
    }
    out.text("server_name", &tls.server_name);
    out.always("insecure_skip_verify", Value::Bare(tls.insecure_skip_verify.to_string()));
    out.text("min_version", tls.min_version.map_or("", version_word));
    out.text("max_version", tls.max_version.map_or("", version_word));
    out
}

fn proxy(out: &mut Fields, proxy: &Proxy) {
    if let Some(url) = &proxy.url {
        out.always("proxy_url", Value::Text(without_secrets(&url.0)));
    }
    out.text("no_proxy", &proxy.no_proxy);
    out.flag("proxy_from_environment", proxy.from_environment);
    let headers = proxy.connect_headers.iter();
    let headers = headers.map(|(name, values)| (name.clone(), Value::List(values.iter().map(|_| secret()).collect())));
    out.fields("proxy_connect_header", Fields(headers.collect()).sorted());
}

fn basic_auth(auth: &BasicAuth) -> Value {
    let mut out = Fields::default();
    given(&mut out, "username", auth.username.as_ref(), true);
    given(&mut out, "password", auth.password.as_ref(), false);
    Value::Map(out)
}

fn authorization(authorization: &Authorization) -> Fields {
    let mut out = Fields::default();
    out.text("type", &authorization.kind);
    given(&mut out, "credentials", authorization.credentials.as_ref(), false);
    out
}

fn oauth2(oauth2: &OAuth2) -> Fields {
    let mut out = Fields::default();
    out.text("client_id", &oauth2.client_id);
    given(&mut out, "client_secret", oauth2.client_secret.as_ref(), false);
    out.text("client_certificate_key_id", &oauth2.client_certificate_key_id);
    given(&mut out, "client_certificate_key", oauth2.client_certificate_key.as_ref(), false);
    out.text("grant_type", &oauth2.grant_type);
    out.text("signature_algorithm", &oauth2.signature_algorithm);
    out.text("iss", &oauth2.iss);
    out.text("audience", &oauth2.audience);
    let claims = oauth2.claims.iter();
    let claims = claims.map(|(name, value)| (name.clone(), if is_credential(name) { secret() } else { json(value) }));
    out.fields("claims", Fields(claims.collect()).sorted());
    out.texts("scopes", &oauth2.scopes);
    out.text("token_url", &without_secrets(&oauth2.token_url));
    out.fields("endpoint_params", named(&oauth2.endpoint_params));
    out.fields("tls_config", tls(&oauth2.tls));
    proxy(&mut out, &oauth2.proxy);
    out
}

fn json(value: &serde_json::Value) -> Value {
    match value {
        serde_json::Value::String(text) => Value::Text(text.clone()),
        serde_json::Value::Array(list) => Value::List(list.iter().map(json).collect()),
        serde_json::Value::Object(map) => {
            let shown = |name: &str, value| if is_credential(name) { secret() } else { json(value) };
            Value::Map(Fields(map.iter().map(|(name, value)| (name.clone(), shown(name, value))).collect()).sorted())
        }
        value => Value::Bare(value.to_string()),
    }
}

fn headers(headers: &[(String, HeaderValues)]) -> Fields {
    let shown = headers.iter().map(|(name, values)| {
        let mut out = Fields::default();
        out.list("values", values.values.iter().map(|value| under(name, value)));
        out.list("secrets", values.secrets.iter().map(|_| secret()));
        out.list("files", values.files.iter().map(|path| Value::Text(path.to_string_lossy().into_owned())));
        (name.clone(), Value::Map(out))
    });
    Fields(shown.collect()).sorted()
}

fn client(out: &mut Fields, client: &HttpClient) {
    if let Some(auth) = &client.basic_auth {
        out.always("basic_auth", basic_auth(auth));
    }
    out.fields("authorization", client.authorization.as_ref().map(authorization).unwrap_or_default());
    out.fields("oauth2", client.oauth2.as_deref().map(oauth2).unwrap_or_default());
    out.fields("tls_config", tls(&client.tls));
    out.always("follow_redirects", Value::Bare(client.follow_redirects.to_string()));
    out.always("enable_http2", Value::Bare(client.enable_http2.to_string()));
    proxy(out, &client.proxy);
    out.fields("http_headers", headers(&client.http_headers));
}

fn header_rules(rules: &[HeaderRule]) -> impl Iterator<Item = Value> {
    rules.iter().map(|rule| {
        let mut out = Fields::default();
        out.text("header", &rule.header);
        out.text("regexp", rule.regexp.source());
        out.flag("allow_missing", rule.allow_missing);
        Value::Map(out)
    })
}

fn http(http: &Http) -> Fields {
    let mut out = Fields::default();
    out.list("valid_status_codes", http.valid_status_codes.iter().map(|code| Value::Bare(code.to_string())));
    out.texts("valid_http_versions", &http.valid_http_versions);
    ip(&mut out, &http.ip);
    out.flag("skip_resolve_phase_with_proxy", http.skip_resolve_phase_with_proxy);
    out.flag("fail_if_ssl", http.fail_if_ssl);
    out.flag("fail_if_not_ssl", http.fail_if_not_ssl);
    out.text("method", &http.method);
    out.fields("headers", named(&http.headers));
    out.list("fail_if_body_matches_regexp", regexps(&http.fail_if_body_matches));
    out.list("fail_if_body_not_matches_regexp", regexps(&http.fail_if_body_not_matches));
    let source = |program: &Option<Program>| program.as_ref().map_or("", Program::source).to_owned();
    out.text("fail_if_body_json_matches_cel", &source(&http.fail_if_body_json_matches_cel));
    out.text("fail_if_body_json_not_matches_cel", &source(&http.fail_if_body_json_not_matches_cel));
    out.list("fail_if_header_matches", header_rules(&http.fail_if_header_matches));
    out.list("fail_if_header_not_matches", header_rules(&http.fail_if_header_not_matches));
    out.hidden("body", !http.body.is_empty());
    out.text("body_file", &http.body_file.as_ref().map(|path| path.to_string_lossy()).unwrap_or_default());
    let n_own = out.0.len();
    client(&mut out, &http.client);
    out.text("compression", &http.compression);
    out.bare("body_size_limit", (http.body_size_limit > 0).then(|| show_size(http.body_size_limit)));
    out.flag("enable_http3", http.enable_http3);
    // Two keys are always shown, but not of a section in which nothing at all is set.
    let only_switches = n_own == 0 && out.0.len() == 2;
    if only_switches && !http.client.follow_redirects && !http.client.enable_http2 { Fields::default() } else { out }
}

fn step(step: &QueryResponse) -> Value {
    let mut out = Fields::default();
    if let Some(expect) = &step.expect {
        out.always("expect", Value::Text(expect.source().to_owned()));
    }
    if !step.expect_bytes.is_empty() {
        out.always(
            "expect_bytes",
            match std::str::from_utf8(&step.expect_bytes) {
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => Value::Bare(format!("!!binary {}", base64(&step.expect_bytes))),
            },
        );
    }
    if let Some(labels) = &step.labels {
        let labels = labels.iter().map(|(name, value)| {
            let mut out = Fields::default();
            out.text("name", name);
            out.text("value", value);
            Value::Map(out)
        });
        out.always("labels", Value::List(labels.collect()));
    }
    out.hidden("send", !step.send.is_empty());
    out.flag("starttls", step.starttls);
    Value::Map(out)
}

fn base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

fn tcp(tcp: &Tcp) -> Fields {
    let mut out = Fields::default();
    ip(&mut out, &tcp.ip);
    out.text("source_ip_address", &tcp.source_ip_address);
    out.list("query_response", tcp.query_response.iter().map(step));
    out.flag("tls", tcp.tls);
    out.fields("tls_config", tls(&tcp.tls_config));
    out
}

fn unix(unix: &Unix) -> Fields {
    let mut out = Fields::default();
    out.list("query_response", unix.query_response.iter().map(step));
    out.flag("tls", unix.tls);
    out.fields("tls_config", tls(&unix.tls_config));
    out
}

fn icmp(icmp: &Icmp) -> Fields {
    let defaults = Icmp::default();
    let mut out = Fields::default();
    ip(&mut out, &icmp.ip);
    out.text("source_ip_address", &icmp.source_ip_address);
    out.number("payload_size", icmp.payload_size);
    out.flag("dont_fragment", icmp.dont_fragment);
    out.number("ttl", i64::from(icmp.ttl));
    out.bare("packets", (icmp.packets != defaults.packets).then(|| icmp.packets.to_string()));
    let interval = (icmp.packet_interval != defaults.packet_interval).then(|| show_duration(icmp.packet_interval));
    out.bare("packet_interval", interval);
    out.bare("max_loss_ratio", (icmp.max_loss_ratio > 0.0).then(|| icmp.max_loss_ratio.to_string()));
    out
}

fn rules(rules: &RecordRules) -> Fields {
    let mut out = Fields::default();
    out.texts("fail_if_matches_regexp", &rules.matches);
    out.texts("fail_if_all_match_regexp", &rules.all_match);
    out.texts("fail_if_not_matches_regexp", &rules.not_matches);
    out.texts("fail_if_none_matches_regexp", &rules.none_matches);
    out
}

fn dns(dns: &Dns) -> Fields {
    let mut out = Fields::default();
    ip(&mut out, &dns.ip);
    out.flag("dns_over_tls", dns.dns_over_tls);
    out.fields("tls_config", tls(&dns.tls_config));
    out.text("source_ip_address", &dns.source_ip_address);
    out.text("transport_protocol", &dns.transport_protocol);
    out.text("query_class", &dns.query_class.0);
    out.text("query_name", &dns.query_name);
    out.text("query_type", &dns.query_type.0);
    out.flag("recursion_desired", dns.recursion_desired);
    if let Some(rcodes) = &dns.valid_rcodes {
        out.always("valid_rcodes", Value::List(rcodes.iter().map(|rcode| Value::Text(rcode.clone())).collect()));
    }
    out.fields("validate_answer_rrs", rules(&dns.validate_answer));
    out.fields("validate_authority_rrs", rules(&dns.validate_authority));
    out.fields("validate_additional_rrs", rules(&dns.validate_additional));
    out.number("edns_udp_size", i64::from(dns.edns_udp_size));
    out.flag("retry_truncated_over_tcp", dns.retry_truncated_over_tcp);
    out
}

fn grpc(grpc: &Grpc) -> Fields {
    let mut out = Fields::default();
    out.text("service", &grpc.service);
    out.flag("tls", grpc.tls);
    out.fields("tls_config", tls(&grpc.tls_config));
    out.flag("ip_protocol_fallback", grpc.ip.fallback);
    out.text("preferred_ip_protocol", &grpc.ip.preferred);
    let metadata = grpc.metadata.iter();
    let metadata =
        metadata.map(|(name, values)| (name.clone(), Value::List(values.iter().map(|_| secret()).collect())));
    out.fields("metadata", Fields(metadata.collect()).sorted());
    out
}

fn websocket(websocket: &WebSocket) -> Fields {
    let mut out = Fields::default();
    let shown = |config: &HttpClient| {
        let mut out = Fields::default();
        client(&mut out, config);
        out
    };
    let nothing = HttpClient { follow_redirects: false, enable_http2: false, ..HttpClient::default() };
    let config = shown(&websocket.client);
    if config != shown(&HttpClient::default()) && config != shown(&nothing) {
        out.fields("http_config", config);
    }
    out.fields("headers", headers(&websocket.headers));
    out.list("query_response", websocket.query_response.iter().map(step));
    ip(&mut out, &websocket.ip);
    out
}
