//! Each rule of the format with its good, cut-short and garbage text.

use super::*;
use crate::yaml;

const HASH: &str = "$2y$10$abcdefghijklmnopqrstuuABCDEFGHIJKLMNOPQRSTUVWXYZ0123C";

#[track_caller]
fn good(text: &str) -> WebConfig {
    parse(Path::new("/etc/web.yml"), text).unwrap_or_else(|e| panic!("{e}"))
}

#[track_caller]
fn bad(text: &str, want: &str) {
    match parse(Path::new("/etc/web.yml"), text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(e) => assert_eq!(e.to_string(), format!("/etc/web.yml:{want}")),
    }
}

fn tls(more: &str) -> String {
    format!("tls_server_config:\n  cert_file: a.crt\n  key_file: /k/a.key\n{more}")
}

#[test]
fn empty_is_plain() {
    for text in ["", "\n", "# nothing\n", "---\n", "{}", "tls_server_config:\n", "basic_auth_users:\n"] {
        let config = good(text);
        assert!(config.tls.is_none() && config.users.is_empty() && config.headers.is_empty(), "{text:?}");
        assert!(config.rate_limit.is_none() && config.http2 && config.warnings.is_empty(), "{text:?}");
    }
    assert_eq!(good("tls_server_config: {}").warnings, ["tls_server_config names no certificate, so TLS is off"]);
}

#[test]
fn yaml_mistakes() {
    bad(
        "nonsense: 1\n",
        "1: unknown key \"nonsense\", expected one of basic_auth_users, http_server_config, rate_limit, tls_server_config",
    );
    bad("rate_limit:\n  brust: 1\n", "2: unknown key \"brust\", expected one of burst, interval");
    bad("http_server_config:\n  http2: maybe\n", "2: http2: expected true or false");
    bad("basic_auth_users: secret\n", "1: basic_auth_users: expected keys and values");
    let cut = parse(Path::new("w.yml"), "tls_server_config: {cert: \"secret").unwrap_err().to_string();
    assert!(cut.starts_with("w.yml:") && !cut.contains("secret"), "{cut}");
    bad("rate_limit: {}\nrate_limit: {}\n", "2: rate_limit: key \"rate_limit\" is given twice");
}

#[test]
fn files_are_relative_to_the_configuration() {
    let settings = good(&tls("")).tls.unwrap();
    assert!(matches!(&settings.cert.source, PemSource::File(path) if path == Path::new("/etc/a.crt")));
    assert!(matches!(&settings.key.source, PemSource::File(path) if path == Path::new("/k/a.key")));
    assert!(settings.tls12 && settings.tls13 && settings.prefer_server_order);
    assert_eq!(settings.client_auth, ClientAuth::NoClientCert);
}

#[test]
fn pairs() {
    bad(
        "tls_server_config:\n  cert_file: a\n",
        "2: tls_server_config.cert_file: expected key or key_file beside the certificate",
    );
    bad("tls_server_config:\n  key_file: a\n", "2: tls_server_config: expected cert or cert_file, found neither");
    bad(
        "tls_server_config:\n  client_auth_type: RequestClientCert\n",
        "2: tls_server_config: expected cert or cert_file, found neither",
    );
    bad(
        &tls("  cert: x\n"),
        "2: tls_server_config.cert_file: expected either this or tls_server_config.cert, found both",
    );
    bad(&tls("  key: x\n"), "3: tls_server_config.key_file: expected either this or tls_server_config.key, found both");
    bad(
        &tls("  client_ca: x\n  client_ca_file: y\n"),
        "5: tls_server_config.client_ca_file: expected either this or tls_server_config.client_ca, found both",
    );
}

#[test]
fn client_auth() {
    bad(
        &tls("  client_ca_file: y\n"),
        "4: tls_server_config.client_ca_file: expected a client_auth_type that asks for certificates beside it, found NoClientCert",
    );
    bad(
        &tls("  client_auth_type: RequireAndVerifyClientCert\n"),
        "4: tls_server_config.client_auth_type: expected client_ca or client_ca_file, to verify client certificates against",
    );
    bad(
        &tls("  client_auth_type: no\n"),
        "4: tls_server_config.client_auth_type: expected one of NoClientCert, RequestClientCert, RequireAnyClientCert, RequireClientCert, VerifyClientCertIfGiven, RequireAndVerifyClientCert, found \"no\"",
    );
    let settings = good(&tls("  client_auth_type: RequireClientCert\n")).tls.unwrap();
    assert_eq!(settings.client_auth, ClientAuth::RequireAnyClientCert);
    let config = good(&tls("  client_auth_type: RequestClientCert\n  client_allowed_sans: [a]\n"));
    assert_eq!(config.warnings, ["client_allowed_sans protects only with client_auth_type RequireAndVerifyClientCert"]);
}

#[test]
fn tls_versions() {
    let both = |text: &str| good(&tls(text)).tls.map(|tls| (tls.tls12, tls.tls13)).unwrap();
    assert_eq!(both("  min_version: TLS13\n"), (false, true));
    assert_eq!(both("  max_version: TLS12\n"), (true, false));
    assert_eq!(both("  min_version: TLS10\n"), (true, true));
    assert_eq!(good(&tls("  min_version: TLS11\n")).warnings.len(), 1);
    bad(
        &tls("  max_version: TLS11\n"),
        "4: tls_server_config.max_version: expected TLS12 or TLS13 (older versions are not spoken), found \"TLS11\"",
    );
    bad(
        &tls("  min_version: TLS13\n  max_version: TLS12\n"),
        "5: tls_server_config.max_version: expected at least min_version, found \"TLS12\"",
    );
    bad(
        &tls("  min_version: SSL3\n"),
        "4: tls_server_config.min_version: expected one of TLS10, TLS11, TLS12, TLS13, found \"SSL3\"",
    );
}

#[test]
fn suites_and_curves() {
    let config = good(&tls(
        "  cipher_suites: [TLS_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_RSA_WITH_AES_128_CBC_SHA]\n  curve_preferences: [CurveP521, X25519]\n",
    ));
    let settings = config.tls.unwrap();
    assert_eq!(settings.cipher_suites.unwrap(), ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256"]);
    assert_eq!(settings.curves.unwrap(), [Curve::X25519]);
    assert_eq!(config.warnings.len(), 2, "{:?}", config.warnings);
    bad(
        &tls("  max_version: TLS12\n  cipher_suites:\n  - TLS_RSA_WITH_AES_128_CBC_SHA\n"),
        "6: tls_server_config.cipher_suites: expected one of the suites available for TLS 1.2 when max_version is TLS12",
    );
    bad(
        &tls("  curve_preferences: [CurveP521]\n"),
        "4: tls_server_config.curve_preferences: expected CurveP256, CurveP384 or X25519 among them, found only CurveP521",
    );
    let unknown = parse(Path::new("w"), &tls("  cipher_suites: [RC4]\n")).unwrap_err().to_string();
    assert!(
        unknown.contains("expected one of TLS_AES_128_GCM_SHA256, ") && unknown.ends_with("found \"RC4\""),
        "{unknown}"
    );
}

#[test]
fn headers() {
    let config = good(
        "http_server_config:\n  http2: false\n  headers:\n    X-Frame-Options: deny\n    Strict-Transport-Security: max-age=1\n",
    );
    assert!(!config.http2);
    assert_eq!(config.headers.get("x-frame-options").unwrap(), "deny");
    bad(
        "http_server_config:\n  headers:\n    X-Frame-Options: allow\n",
        "3: http_server_config.headers.X-Frame-Options: expected deny or sameorigin, found \"allow\"",
    );
    bad(
        "http_server_config:\n  headers:\n    Server: x\n",
        "3: http_server_config.headers.Server: expected one of the headers Strict-Transport-Security, X-Content-Type-Options, X-Frame-Options, X-XSS-Protection, Content-Security-Policy",
    );
    bad(
        "http_server_config:\n  headers:\n    Content-Security-Policy: \"a\\nb\"\n",
        "3: http_server_config.headers.Content-Security-Policy: expected a header value on one line of visible characters",
    );
}

#[test]
fn users() {
    let config = good(&format!("basic_auth_users:\n  alice: {HASH}\n"));
    assert_eq!(config.users["alice"].cost(), 10);
    assert!(!format!("{config:?}").contains("2y"), "{config:?}");
    bad(
        "basic_auth_users:\n  bob: hunter2\n",
        "2: basic_auth_users.bob: expected a bcrypt hash starting with $2a$, $2b$ or $2y$",
    );
    bad(
        &format!("basic_auth_users:\n  bob: {}\n", &HASH[..50]),
        "2: basic_auth_users.bob: expected a bcrypt hash of 60 characters, for example from htpasswd -nBC 10 user",
    );
    bad(
        &format!("basic_auth_users:\n  bob: {}\n", HASH.replace("$10$", "$99$")),
        "2: basic_auth_users.bob: expected a bcrypt hash with a cost from 4 to 31",
    );
    bad(
        &format!("basic_auth_users:\n  \"a:b\": {HASH}\n"),
        "2: basic_auth_users.a:b: expected a user name without a colon (RFC 7617)",
    );
}

#[test]
fn a_password_as_it_is() {
    let hash = PasswordHash::of_plain_text("secret").unwrap();
    assert_eq!(hash.cost(), 4);
    assert!(bcrypt::verify("secret", hash.text()).unwrap() && !bcrypt::verify("Secret", hash.text()).unwrap());
}

#[test]
fn tls_settings_of_another_configuration() {
    let of = |text: &str| tls_settings(yaml::parse(text).unwrap(), Path::new(""));
    let (settings, warnings) = of("cert_file: a.crt\nkey_file: b.key\nmin_version: TLS10\n").unwrap();
    assert!(matches!(settings.unwrap().cert.source, PemSource::File(path) if path == Path::new("a.crt")));
    assert_eq!(warnings.len(), 1);
    assert!(of("{}").unwrap().0.is_none());
    let e = of("cert_file: a\n").unwrap_err();
    assert_eq!((e.line, e.key.as_str()), (1, "tls_server_config.cert_file"));
}

#[test]
fn spare_salt_bits_are_cleared() {
    let set: PasswordHash = HASH.replace("uuABC", "uxABC").parse().unwrap();
    assert_eq!(set.text(), HASH);
}

#[test]
fn rate() {
    let want = RateLimit { interval: Duration::from_millis(100), burst: 3 };
    assert_eq!(good("rate_limit:\n  interval: 100ms\n  burst: 3\n").rate_limit, Some(want));
    assert_eq!(good("rate_limit:\n  interval: 0\n").rate_limit, None);
    assert_eq!(good("rate_limit:\n  burst: 3\n").rate_limit, None);
    bad(
        "rate_limit:\n  interval: 5\n  burst: 3\n",
        "2: rate_limit.interval: expected a duration such as 100ms or 1m30s, found \"5\"",
    );
    bad(
        "rate_limit:\n  interval: 5s\n",
        "2: rate_limit.burst: expected at least 1 with an interval: 0 refuses every request",
    );
    bad("rate_limit:\n  interval: 5s\n  burst: -1\n", "3: burst: expected a whole number, 0 or more");
}

#[test]
fn inline_keys_stay_out_of_debug() {
    let config = good("tls_server_config:\n  cert: CERTTEXT\n  key: |\n    KEYTEXT\n");
    assert!(!format!("{config:?}").contains("KEYTEXT"));
}
