//! Each section with its good, incomplete and wrong texts.

use super::*;
use std::collections::HashMap;
use std::fs;

use common::web::WebConfigFile;
use common::web::config::ClientAuth;

/// The files that the texts below name; what is not here is not there.
fn files() -> HashMap<String, Vec<u8>> {
    let key = rcgen::KeyPair::generate().unwrap();
    let cert = rcgen::CertificateParams::new(["h".to_owned()]).unwrap().self_signed(&key).unwrap();
    let text = |text: &str| text.as_bytes().to_vec();
    [
        ("ca.crt", cert.pem().into_bytes()),
        ("my.crt", cert.pem().into_bytes()),
        ("my.key", key.serialize_pem().into_bytes()),
        ("nonsense", text("nonsense hunter2")),
        ("password", text("hunter2\n")),
        ("password-dos", text("hunter2\r\n")),
        ("password-bare", text(" hunter2 ")),
        ("empty", text("\n")),
        ("bytes", b"\xff\xfe".to_vec()),
        ("users", text("# who\n\nalice:secret\n bob :a:b\r\n")),
        ("users-cut", text("alice:secret\nbobhunter2")),
        ("users-twice", text("alice:hunter2\nalice:b\n")),
        ("users-none", text("# nobody\n")),
    ]
    .map(|(name, text)| (name.to_owned(), text))
    .into()
}

fn parsed(text: &str) -> Result<Settings, String> {
    let files = files();
    let parsed = parse(Path::new("c.yml"), text, &mut |path, most_bytes| {
        let bytes = files.get(&path.display().to_string()).ok_or("not there")?;
        assert!(bytes.len() as u64 <= most_bytes);
        Ok(bytes.clone())
    });
    let told = format!("{parsed:?}");
    assert!(!told.contains("hunter2"), "{told}");
    parsed.map_err(|e| e.to_string())
}

#[track_caller]
fn good(text: &str, warnings: &[&str]) -> Settings {
    let settings = parsed(text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(settings.warnings, warnings);
    settings
}

#[track_caller]
fn one(text: &str, warnings: &[&str]) -> Instance {
    good(text, warnings).instances.pop().unwrap()
}

#[track_caller]
fn bad(text: &str, want: &str) {
    assert_eq!(parsed(text).err().unwrap_or_default(), want, "{text}");
}

/// One instance with some keys more.
fn instance(keys: &str) -> String {
    format!("logstash: {{instances: [{{url: 'https://h', {keys}}}]}}")
}

#[test]
fn defaults() {
    for text in ["", "{}", "logstash:", "logstash: {instances: []}", "server:\nlogging:\nkubernetes:\n", "logging: {}"]
    {
        let settings = good(text, &[]);
        assert_eq!((settings.instances.len(), settings.server.listen.as_str()), (1, ":9198"));
        let Instance { name, url, timeout, tls, credentials } = &settings.instances[0];
        assert_eq!((name.as_str(), url), ("http_localhost_9600", &Url::parse("http://localhost:9600", "").unwrap()));
        assert_eq!((timeout.as_secs(), tls, credentials), (2, &TlsOptions::default(), &None));
        assert_eq!(settings.logging, Logging::default());
        assert!(settings.server.web.tls.is_none() && settings.server.web.users.is_empty() && settings.server.web.http2);
    }
}

#[test]
fn yaml_mistakes() {
    bad("logstash: [", "c.yml:1: expected valid YAML: unclosed bracket '['");
    bad("a: 1\na: 2\n", "c.yml:2: a: key \"a\" is given twice");
    bad("word", "c.yml:1: expected keys and values");
    bad("logstash: word", "c.yml:1: logstash: expected keys and values");
    bad("logstash: {instances: word}", "c.yml:1: logstash.instances: expected a list");
    bad("logstash: {instances: [word]}", "c.yml:1: logstash.instances[0]: expected keys and values");
    bad(
        "logstash: {instances: [{url: [hunter2]}]}",
        "c.yml:1: logstash.instances[0].url: expected text\nc.yml:1: logstash.instances[0]: expected url, found none",
    );
}

#[test]
fn unknown_keys_are_warnings() {
    good(
        "Logstash: {}\nlogstash:\n  nonsense: 1\n  instances:\n  - url: http://h\n    \"a\\nb\": 1\n    tls_config:\n      sni: x\n    \
         basic_auth: {user: x}\n    host: y\nserver: {x: 1, basic_auth: {users: {a: b}, y: 1}}\nlogging: {file: z}\n",
        &[
            "c.yml:3: logstash.nonsense: unknown key, of no effect",
            "c.yml:8: logstash.instances[0].tls_config.sni: unknown key, of no effect",
            "c.yml:9: logstash.instances[0].basic_auth.user: unknown key, of no effect",
            "c.yml:6: logstash.instances[0].a\\nb: unknown key, of no effect",
            "c.yml:10: logstash.instances[0].host: unknown key, of no effect",
            "c.yml:7: logstash.instances[0].tls_config: of no effect with a url that is not https",
            "c.yml:11: server.basic_auth.y: unknown key, of no effect",
            "c.yml:11: server.x: unknown key, of no effect",
            "c.yml:12: logging.file: unknown key, of no effect",
            "c.yml:1: Logstash: unknown key, of no effect",
        ],
    );
}

#[test]
fn instances_and_servers() {
    let settings = good(
        "logstash:\n  httpTimeout: 1m\n  servers: [{url: 'http://b:1/'}]\n  instances:\n  - {url: 'http://a', name: A}\n  - {url: 'http://a', timeout: 500ms}\n",
        &["c.yml:3: logstash.servers: an old name: use logstash.instances"],
    );
    let told = settings.instances.iter().map(|i| format!("{} {} {:?}", i.name, i.url, i.timeout));
    assert_eq!(told.collect::<Vec<_>>(), ["A http://a 60s", "http_a http://a 500ms", "http_b_1_ http://b:1/ 60s"]);
    bad(
        "logstash:\n  instances:\n  - url: http://a\n  - url: http://u:p@a\n  servers:\n  - {url: 'http://b', name: http_a}\n",
        "c.yml:4: logstash.instances[1]: expected a url or name other than in line 3: the series would be the same",
    );
    bad("logstash: {instances: [~]}", "c.yml:1: logstash.instances[0]: expected url, found none");
    bad("logstash: {instances: [{url: ''}]}", "c.yml:1: logstash.instances[0]: expected url, found none");
    bad(
        "logstash: {instances: [{url: 'ftp://bob:hunter2@h'}]}",
        "c.yml:1: logstash.instances[0].url: expected a URL that begins with http://, https:// or unix:",
    );
}

#[test]
fn instances_share_by_anchors() {
    let settings = good(
        "common: &c {tls_config: {insecure_skip_verify: true}}\nlogstash:\n  instances:\n  - {<<: *c, url: 'https://a'}\n  - {<<: *c, url: 'https://b'}\n",
        &["c.yml:1: common: unknown key, of no effect"],
    );
    assert!(settings.instances.iter().all(|instance| instance.tls.insecure));
}

#[test]
fn timeouts() {
    assert_eq!(one("logstash: {httpTimeout: 1m30s}", &[]).timeout.as_secs(), 90);
    let warning = "c.yml:1: logstash.timeout: not a key of the Go exporter; it stands for httpTimeout here";
    assert_eq!(one("logstash: {timeout: 5s}", &[warning]).timeout.as_secs(), 5);
    assert_eq!(one("logstash: {timeout: 5s, httpTimeout: 7s}", &[warning]).timeout.as_secs(), 7);
    for (text, found) in [("5", "5"), ("0s", "0s"), ("-1s", "-1s"), ("soon", "soon"), ("'5'", "5")] {
        let want = format!("c.yml:1: logstash.httpTimeout: expected a duration such as 2s or 500ms, found {found:?}");
        bad(&format!("logstash: {{httpTimeout: {text}}}"), &want);
    }
    bad("logstash: {httpTimeout: [2s]}", "c.yml:1: logstash.httpTimeout: expected text");
}

#[test]
fn client_tls() {
    let keys = "ca_file: ca.crt, server_name: x.y, cert_file: my.crt, key_file: my.key, min_version: TLS13";
    let tls = one(&instance(&format!("tls_config: {{{keys}}}")), &[]).tls;
    let begins = |pem: &common::upstream::Pem, with: &str| pem.text.starts_with(with.as_bytes());
    let ca = tls.ca.unwrap();
    assert!(ca.path == Path::new("ca.crt") && begins(&ca, "-----BEGIN CERTIFICATE"));
    let (cert, key) = tls.identity.unwrap();
    assert!(begins(&cert, "-----BEGIN CERTIFICATE") && begins(&key, "-----BEGIN PRIVATE KEY"));
    assert_eq!((tls.server_name.as_deref(), tls.tls13_only, tls.insecure), (Some("x.y"), true, false));
    let empty = "tls_config: {ca_file: '', server_name: '', cert_file: ~, key_file: ~, insecure_skip_verify: false}";
    assert_eq!(one(&instance(empty), &[]).tls, TlsOptions::default());
    let old = "c.yml:1: logstash.instances[0].tls_config.min_version: TLS 1.0 and 1.1 are broken and not spoken here: TLS12 is the least";
    assert!(!one(&instance("tls_config: {min_version: TLS11}"), &[old]).tls.tls13_only);
    for (keys, want) in [
        ("ca_file: none", "ca_file: none: not there"),
        ("ca_file: nonsense", "ca_file: nonsense: expected a PEM certificate, found no BEGIN CERTIFICATE"),
        ("ca_file: my.key", "ca_file: my.key: expected a PEM certificate, found no BEGIN CERTIFICATE"),
        ("cert_file: my.crt", "cert_file: expected cert_file and key_file, found only this one"),
        ("key_file: my.key", "key_file: expected cert_file and key_file, found only this one"),
        (
            "cert_file: my.crt, key_file: my.crt",
            "key_file: my.crt: expected a PEM private key, found no BEGIN PRIVATE KEY",
        ),
        ("insecure_skip_verify: 1", "insecure_skip_verify: expected true or false"),
        ("min_version: SSL3", "min_version: expected one of TLS10, TLS11, TLS12, TLS13, found \"SSL3\""),
        ("server_name: 'a b'", "server_name: expected a host name or an address, found \"a b\""),
    ] {
        bad(
            &instance(&format!("tls_config: {{{keys}}}")),
            &format!("c.yml:1: logstash.instances[0].tls_config.{want}"),
        );
    }
}

#[test]
fn credentials() {
    let of = |text: &str, warnings: &[&str]| {
        one(text, warnings).credentials.map(|c| format!("{}:{}", c.username, c.password.text()))
    };
    let with = |keys: &str| of(&instance(&format!("basic_auth: {{{keys}}}")), &[]);
    assert_eq!(with("username: bob, password: hunter2").as_deref(), Some("bob:hunter2"));
    assert_eq!(with("username: bob, password_file: password").as_deref(), Some("bob:hunter2"));
    assert_eq!(with("username: bob, password_file: password-dos").as_deref(), Some("bob:hunter2"));
    assert_eq!(with("username: bob, password_file: password-bare").as_deref(), Some("bob: hunter2 "));
    assert_eq!(with("username: bob").as_deref(), Some("bob:"));
    let warning = "c.yml:1: logstash.instances[0].basic_auth.password:…: unknown key, of no effect";
    assert_eq!(of(&instance("basic_auth: {username: bob, password:hunter2}"), &[warning]).as_deref(), Some("bob:"));
    assert_eq!(with("username: 7, password: 007").as_deref(), Some("7:007"));
    assert_eq!(with("username: '', password: '', password_file: ''"), None);
    let url = "logstash: {instances: [{url: 'https://eve:hunter2@h', name: n, basic_auth: {username: bob}}]}";
    let warning = "c.yml:1: logstash.instances[0].basic_auth: taken instead of the credentials in url";
    assert_eq!(of(url, &[warning]).as_deref(), Some("bob:"));
    assert_eq!(of(&url.replace("username: bob", ""), &[]).as_deref(), Some("eve:hunter2"));
    for (keys, want) in [
        ("password: hunter2", ": expected username beside the password, found none"),
        ("username: 'a:b', password: hunter2", ".username: expected a user name without a colon (RFC 7617)"),
        (
            "username: a, password: hunter2, password_file: password",
            ".password_file: expected either this or password, found both",
        ),
        ("username: a, password_file: none", ".password_file: none: not there"),
        ("username: a, password_file: empty", ".password_file: empty: expected a password, found nothing"),
        ("username: a, password_file: bytes", ".password_file: bytes: expected UTF-8 text"),
        ("username: a, password: [hunter2]", ".password: expected text"),
    ] {
        bad(&instance(&format!("basic_auth: {{{keys}}}")), &format!("c.yml:1: logstash.instances[0].basic_auth{want}"));
    }
}

#[test]
fn address_and_limits() {
    let listen = |text: &str| good(&format!("server: {{{text}}}"), &[]).server.listen;
    assert_eq!(listen("port: 80"), ":80");
    assert_eq!(listen("host: 127.0.0.1, port: 0"), "127.0.0.1:9198");
    assert_eq!(listen("host: '::1'"), "[::1]:9198");
    assert_eq!(listen("host: '[::]'"), "[::]:9198");
    assert_eq!(listen("host: ''"), ":9198");
    let text = "server: {read_timeout_seconds: 3, write_timeout_seconds: 4, max_connections: 5}";
    let limits = good(text, &[]).server.limits();
    assert_eq!((limits.header_read.as_secs(), limits.write_stall.as_secs(), limits.connections), (3, 4, 5));
    let usual = good("server: {read_timeout_seconds: 0, max_connections: 0}", &[]).server.limits();
    assert_eq!((usual.header_read, usual.connections), (Limits::default().header_read, Limits::default().connections));
    bad("server: {port: 65536}", "c.yml:1: server.port: expected at most 65535, found 65536");
    bad("server: {port: -1}", "c.yml:1: server.port: expected a whole number, 0 or more");
    bad("server: {port: '80'}", "c.yml:1: server.port: expected a whole number, 0 or more");
    bad("server: {host: 'a:b'}", "c.yml:1: server.host: expected a host name or an address, found \"a:b\"");
    bad("server: []", "c.yml:1: server: expected keys and values");
}

#[test]
fn server_tls() {
    let with = |keys: &str| format!("server:\n  tls_server_config:\n    cert_file: a.crt\n    key_file: a.key\n{keys}");
    let text = with(
        "    client_auth_type: RequireAndVerifyClientCert\n    client_ca_file: ca\n    min_version: TLS13\n    max_version: ''\n",
    );
    let tls = good(&text, &[]).server.web.tls.unwrap();
    assert_eq!((tls.client_auth, tls.tls12, tls.tls13), (ClientAuth::RequireAndVerifyClientCert, false, true));
    let suites =
        "    cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]\n    curve_preferences: [X25519]\n    x: y\n";
    let tls = good(&with(suites), &["c.yml:7: server.tls_server_config.x: unknown key, of no effect"]).server.web.tls;
    assert!(tls.is_some_and(|tls| tls.cipher_suites.is_some_and(|suites| suites.len() == 1)));
    good(
        &with("    min_version: TLS10\n"),
        &[
            "c.yml:2: server.tls_server_config: min_version: TLS 1.0 and 1.1 are broken and not spoken here; clients need TLS 1.2 or 1.3",
        ],
    );
    bad(
        "server:\n  tls_server_config: {}\n",
        "c.yml:2: server.tls_server_config: expected cert_file and key_file, found neither",
    );
    bad(
        "server:\n  tls_server_config: {cert_file: a, key_file: ''}\n",
        "c.yml:2: server.tls_server_config.cert_file: expected key or key_file beside the certificate",
    );
    bad(
        "server:\n  tls_server_config: {key_file: a}\n",
        "c.yml:2: server.tls_server_config: expected cert or cert_file, found neither",
    );
    bad(
        &with("    client_auth_type: VerifyClientCertIfGiven\n"),
        "c.yml:5: server.tls_server_config.client_auth_type: expected client_ca or client_ca_file, to verify client certificates against",
    );
    bad(&with("    min_version: [hunter2]\n"), "c.yml:5: server.tls_server_config.min_version: expected text");
}

#[test]
fn server_users() {
    let users = |text: &str, warnings: &[&str]| {
        let web = good(&format!("server: {{basic_auth: {text}}}"), warnings).server.web;
        let is =
            |user: &str, password| web.users.get(user).is_some_and(|h| bcrypt::verify(password, h.text()).unwrap());
        let known = [("alice", "secret"), ("bob", "a:b"), ("carol", "007")].map(|(user, password)| is(user, password));
        (web.users.len(), known)
    };
    assert_eq!(users("{users: {alice: secret, carol: 007}}", &[]), (2, [true, false, true]));
    assert_eq!(users("{users_file: users}", &[]), (2, [true, true, false]));
    assert_eq!(users("~", &[]), (0, [false; 3]));
    assert_eq!(users("{users: {}}", &["c.yml:1: server.basic_auth: no user is named, so everyone may ask"]).0, 0);
    let long = format!("{{users: {{alice: {}}}}}", "x".repeat(73));
    let warning = "c.yml:1: server.basic_auth.users.alice: only the first 72 bytes of a password count";
    assert_eq!(users(&long, &[warning]).0, 1);
    for (text, want) in [
        ("{users: {a: b}, users_file: users}", "users_file: expected either this or users, found both"),
        ("{users: {a:hunter2}}", "users.a:…: expected a password, found nothing"),
        ("{users: {a: ''}}", "users.a: expected a password, found nothing"),
        ("{users: {a: ~}}", "users.a: expected a password, found nothing"),
        ("{users: {a: [hunter2]}}", "users.a: expected text"),
        ("{users: {'a:b': c}}", "users.a:…: expected a user name, without a colon (RFC 7617)"),
        ("{users: [hunter2]}", "users: expected keys and values"),
        ("{users_file: none}", "users_file: none: not there"),
        ("{users_file: users-cut}", "users_file: users-cut: line 2: expected user:password"),
        ("{users_file: users-twice}", "users_file: users-twice: line 2: expected each user once"),
        ("{users_file: users-none}", "users_file: users-none: expected user:password lines, found none"),
        ("{users_file: bytes}", "users_file: bytes: expected UTF-8 text"),
    ] {
        bad(&format!("server: {{basic_auth: {text}}}"), &format!("c.yml:1: server.basic_auth.{want}"));
    }
}

#[test]
fn logging_and_kubernetes() {
    let logging = good("logging: {level: debug, format: text}", &[]).logging;
    assert_eq!(logging, Logging { level: Some("debug"), format: Some("logfmt") });
    assert_eq!(good("logging: {format: json}", &[]).logging, Logging { level: None, format: Some("json") });
    bad("logging: {level: loud}", "c.yml:1: logging.level: expected one of debug, info, warn, error, found \"loud\"");
    bad("logging: {format: logfmt}", "c.yml:1: logging.format: expected one of text, json, found \"logfmt\"");
    let warning = "c.yml:1: kubernetes: the controller that discovers instances is not part of this program";
    good("kubernetes: {enabled: true, namespaces: [a], resources: {pods: {enabled: true}}}", &[warning]);
    good("kubernetes: {resyncPeriod: 10m}", &[warning]);
    good("kubernetes: {enabled: false, resyncPeriod: 10m}", &[]);
}

#[test]
fn every_mistake_is_told_at_once() {
    bad(
        "logstash:\n  httpTimeout: x\n  instances:\n  - url: h\n  - name: n\nserver:\n  port: x\n  basic_auth: {users_file: none}\nlogging: {level: 1}\n",
        "c.yml:2: logstash.httpTimeout: expected a duration such as 2s or 500ms, found \"x\"\n\
         c.yml:4: logstash.instances[0].url: expected a URL that begins with http://, https:// or unix:\n\
         c.yml:5: logstash.instances[1]: expected url, found none\n\
         c.yml:7: server.port: expected a whole number, 0 or more\n\
         c.yml:8: server.basic_auth.users_file: none: not there\n\
         c.yml:9: logging.level: expected one of debug, info, warn, error, found \"1\"",
    );
}

#[test]
fn cut_short_and_garbage_never_panic() {
    let text = "logstash:\n  httpTimeout: 2s\n  instances:\n  - url: 'https://u:p@[::1]:9600/x'\n    tls_config: {ca_file: ca.crt}\n    \
                basic_auth: {username: a, password_file: password}\nserver:\n  basic_auth: {users_file: users}\n  tls_server_config: {cert_file: a, key_file: b}\n";
    for end in 0..text.len() {
        let _either = parsed(&text[..end]);
        let _either = parsed(&format!("{}\u{0}[{{: &*é{}", &text[..end], &text[end..]));
    }
}

#[test]
fn a_file_is_followed_with_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("c.yml"), folder.path().join("password"));
    let text = format!(
        "logstash: {{instances: [{{url: 'http://h', basic_auth: {{username: a, password_file: {}}}}}]}}",
        password.display()
    );
    fs::write(&file, text).unwrap();
    let mistakes = open(&file, true).unwrap_err();
    assert!(
        mistakes.len() == 1 && mistakes[0].to_string().ends_with("password: No such file or directory (os error 2)")
    );
    fs::write(&password, "one\n").unwrap();
    let watched = open(&file, true).unwrap();
    let present = || watched.current().instances[0].credentials.clone().unwrap().password;
    assert_eq!(present().text(), "one");
    fs::write(&password, "two\n").unwrap();
    watched.check();
    assert_eq!(present().text(), "two");
    fs::write(&password, "").unwrap();
    watched.check();
    assert_eq!((present().text(), watched.outcome().last_reload_successful), ("two", false));
}

#[test]
fn the_web_face_takes_the_settings() {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (cert, key) = (folder.path().join("a.crt"), folder.path().join("a.key"));
    fs::write(&cert, made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let text =
        format!("server:\n  tls_server_config:\n    cert_file: {}\n    key_file: {}\n", cert.display(), key.display());
    let settings = good(&text, &[]);
    let web = WebConfigFile::from_settings(Path::new("c.yml"), settings.server.web.clone()).unwrap();
    assert!(web.with_tls() && web.http2() && web.current().is_ok());
    fs::remove_file(&key).unwrap();
    let e = WebConfigFile::from_settings(Path::new("c.yml"), settings.server.web).unwrap_err().to_string();
    assert!(e.starts_with("c.yml:4: tls_server_config.key_file: ") && e.contains("No such file"), "{e}");
}
