//! TLS: certificates and who may show them, versions, HTTP/2 by ALPN, files that are wrong.

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use tokio_rustls::TlsConnector;

use super::*;

/// An authority, and certificates signed by it, as PEM.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn issue(&self, name: SanType) -> Identity {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names.push(name);
        let key = KeyPair::generate().unwrap();
        Identity { cert: params.signed_by(&key, &self.0).unwrap(), key }
    }
}

struct Identity {
    cert: rcgen::Certificate,
    key: KeyPair,
}

fn dns(name: &str) -> SanType {
    SanType::DnsName(name.try_into().unwrap())
}

/// A folder with `ca.crt`, `a.crt`, `a.key` for `localhost`.
fn tls_folder(ca: &Authority) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("ca.crt"), ca.0.pem()).unwrap();
    write_identity(folder.path(), &ca.issue(dns("localhost")));
    folder
}

fn write_identity(folder: &Path, identity: &Identity) {
    fs::write(folder.join("a.crt"), identity.cert.pem()).unwrap();
    fs::write(folder.join("a.key"), identity.key.serialize_pem()).unwrap();
}

const TLS: &str = "tls_server_config:\n  cert_file: a.crt\n  key_file: a.key\n";

fn connector(ca: &Authority, identity: Option<&Identity>, alpn: &[&[u8]]) -> TlsConnector {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(ca.0.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let builder = builder.with_root_certificates(roots);
    let mut config = match identity {
        Some(own) => {
            let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(own.key.serialize_der()));
            builder.with_client_auth_cert(vec![own.cert.der().clone()], key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    TlsConnector::from(Arc::new(config))
}

/// The status of `/`, or `None` when the handshake failed. With TLS 1.3 the client learns of a refused certificate
/// only when it reads.
async fn tls_get(server: &Server, connector: &TlsConnector) -> Option<u16> {
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = within(connector.connect(name, server.connect().await)).await.ok()?;
    try_ask(&mut stream, "/", "").await.ok().map(|answer| answer.status)
}

#[tokio::test]
async fn tls_with_http1_and_http2() {
    let ca = Authority::new("ca");
    let server = Server::start_in(tls_folder(&ca), Some(TLS), Limits::default());
    assert_eq!(tls_get(&server, &connector(&ca, None, &[])).await, Some(200));
    assert_eq!(tls_get(&server, &connector(&ca, None, &[b"http/1.1"])).await, Some(200));
    assert_eq!(tls_get(&server, &connector(&Authority::new("other"), None, &[])).await, None);

    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&ca, None, &[b"h2", b"http/1.1"]).connect(name, server.connect().await).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    for _ in 0..3 {
        let request = hyper::Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
        let answer = within(send.send_request(request)).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(within(answer.into_body().collect()).await.unwrap().to_bytes(), "hello\n");
    }
    drop(send);
    within(driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn http2_can_be_switched_off_and_plain_http_gets_a_hint() {
    let ca = Authority::new("ca");
    let config = format!("{TLS}http_server_config:\n  http2: false\n");
    let server = Server::start_in(tls_folder(&ca), Some(&config), Limits::default());
    let name = ServerName::try_from("localhost").unwrap();
    let connector = connector(&ca, None, &[b"h2", b"http/1.1"]);
    let stream = connector.connect(name, server.connect().await).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(server.get("/", "").await.status, 400);
}

#[tokio::test]
async fn a_handshake_that_stops_is_closed() {
    let ca = Authority::new("ca");
    let limits = Limits { handshake: Duration::from_millis(50), ..Limits::default() };
    let server = Server::start_in(tls_folder(&ca), Some(TLS), limits);
    let (mut silent, mut half) = (server.connect().await, server.connect().await);
    half.write_all(b"\x16\x03\x01").await.unwrap();
    closed(&mut silent).await;
    closed(&mut half).await;
}

#[tokio::test]
async fn stopping_ends_idle_http2_connections() {
    let ca = Authority::new("ca");
    let mut server = Server::start_in(tls_folder(&ca), Some(TLS), Limits::default());
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&ca, None, &[b"h2"]).connect(name, server.connect().await).await.unwrap();
    let (mut send, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get("https://localhost/slow").body(Empty::<Bytes>::new()).unwrap();
    let answer = tokio::spawn(send.send_request(request));
    server.slow_requests(1).await;
    server.stop();
    server.release.notify_one();
    assert_eq!(within(answer).await.unwrap().unwrap().status(), 200);
    within(server.done).await.unwrap().unwrap();
    within(driver).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_http2_client_without_a_window_is_closed() {
    let ca = Authority::new("ca");
    let limits = Limits { write_stall: Duration::from_millis(100), ..Limits::default() };
    let server = Server::start_in(tls_folder(&ca), Some(TLS), limits);
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&ca, None, &[b"h2"]).connect(name, server.connect().await).await.unwrap();
    let (mut send, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(0)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    let driver = tokio::spawn(connection);
    let request = hyper::Request::get("https://localhost/").body(Empty::<Bytes>::new()).unwrap();
    let answer = within(send.send_request(request)).await.unwrap();
    assert_eq!(answer.status(), 200);
    assert!(within(answer.into_body().collect()).await.is_err());
    let _either = within(driver).await.unwrap();
}

#[tokio::test]
async fn client_certificates() {
    let (ca, other) = (Authority::new("ca"), Authority::new("other"));
    let (ours, stranger) = (ca.issue(dns("prom.example")), other.issue(dns("prom.example")));
    let by_ip = ca.issue(SanType::IpAddress("10.0.0.7".parse().unwrap()));
    let (none, ours, stranger, by_ip) = (
        connector(&ca, None, &[]),
        connector(&ca, Some(&ours), &[]),
        connector(&ca, Some(&stranger), &[]),
        connector(&ca, Some(&by_ip), &[]),
    );
    // The mode and what happens to: no certificate, ours, a stranger's, ours with another name.
    let ok = Some(200);
    let sans = "  client_allowed_sans: [prom.example]\n";
    let cases = [
        ("NoClientCert\n", "", "", [ok, ok, ok, ok]),
        ("RequestClientCert\n", "", "", [ok, ok, ok, ok]),
        ("RequireAnyClientCert\n", "", "", [None, ok, ok, ok]),
        ("RequireClientCert\n", "", sans, [None, ok, ok, None]),
        ("VerifyClientCertIfGiven\n", "  client_ca_file: ca.crt\n", "", [ok, ok, None, ok]),
        ("RequireAndVerifyClientCert\n", "  client_ca_file: ca.crt\n", "", [None, ok, None, ok]),
        ("RequireAndVerifyClientCert\n", "  client_ca_file: ca.crt\n", sans, [None, ok, None, None]),
    ];
    let server = Server::start_in(tls_folder(&ca), Some(TLS), Limits::default());
    for (mode, authority, sans, want) in cases {
        // The policy is part of what a rewrite changes.
        server.rewrite(&format!("{TLS}  client_auth_type: {mode}{authority}{sans}"));
        let mut got = [None; 4];
        for (got, connector) in got.iter_mut().zip([&none, &ours, &stranger, &by_ip]) {
            *got = tls_get(&server, connector).await;
        }
        assert_eq!(got, want, "{mode}{authority}{sans}");
    }
}

#[tokio::test]
async fn a_new_certificate_is_used_without_a_restart() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let server = Server::start_in(tls_folder(&old), Some(TLS), Limits::default());
    let (trusts_old, trusts_new) = (connector(&old, None, &[]), connector(&new, None, &[]));
    assert_eq!(tls_get(&server, &trusts_old).await, Some(200));
    let folder = server.folder.path().to_owned();
    write_identity(&folder, &new.issue(dns("localhost")));
    assert_eq!(tls_get(&server, &trusts_new).await, Some(200));
    assert_eq!(tls_get(&server, &trusts_old).await, None);
    fs::write(folder.join("a.key"), "not a key").unwrap();
    assert_eq!(tls_get(&server, &trusts_new).await, None);
    write_identity(&folder, &new.issue(dns("localhost")));
    assert_eq!(tls_get(&server, &trusts_new).await, Some(200));
    server.rewrite("");
    assert_eq!(tls_get(&server, &trusts_new).await, None, "TLS cannot be switched off by a rewrite");
}

#[tokio::test]
async fn tls_versions_and_suites() {
    let ca = Authority::new("ca");
    let more = "  max_version: TLS12\n  cipher_suites: [TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384]\n  curve_preferences: [CurveP384]\n";
    let server = Server::start_in(tls_folder(&ca), Some(&format!("{TLS}{more}")), Limits::default());
    let name = ServerName::try_from("localhost").unwrap();
    let stream = connector(&ca, None, &[]).connect(name, server.connect().await).await.unwrap();
    let session = stream.get_ref().1;
    assert_eq!(session.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
    let suite = session.negotiated_cipher_suite().unwrap().suite();
    assert_eq!(suite, rustls::CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    let group = session.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::secp384r1);
}

/// What a wrong file is told, with the place of the configuration's folder taken out.
#[track_caller]
fn check_files(cert: &str, key: &str, want: &str) {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.crt"), cert).unwrap();
    fs::write(folder.path().join("a.key"), key).unwrap();
    let file = folder.path().join("web.yml");
    fs::write(&file, TLS).unwrap();
    let got = WebConfigFile::open(&file).unwrap_err().to_string();
    assert_eq!(got.replace(&format!("{}/", folder.path().display()), ""), want);
}

#[test]
fn wrong_files_are_named() {
    let ca = Authority::new("ca");
    let (one, two) = (ca.issue(dns("a")), ca.issue(dns("a")));
    let (cert, key) = (one.cert.pem(), one.key.serialize_pem());
    check_files(
        "",
        &key,
        "web.yml:2: tls_server_config.cert_file: a.crt: expected a PEM certificate, found no BEGIN CERTIFICATE",
    );
    check_files(
        &key,
        &key,
        "web.yml:2: tls_server_config.cert_file: a.crt: expected a PEM certificate, found no BEGIN CERTIFICATE",
    );
    let cut = &cert[..cert.len() / 2];
    check_files(
        cut,
        &key,
        "web.yml:2: tls_server_config.cert_file: a.crt: expected PEM certificates, found no END line",
    );
    check_files(
        &cert,
        &cert,
        "web.yml:3: tls_server_config.key_file: a.key: expected a PEM private key, found no BEGIN PRIVATE KEY",
    );
    let encrypted = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    check_files(
        &cert,
        &encrypted,
        "web.yml:3: tls_server_config.key_file: a.key: expected a private key without a password, found an encrypted one",
    );
    let other = two.key.serialize_pem();
    check_files(
        &cert,
        &other,
        "web.yml:3: tls_server_config.key_file: a.key: expected the private key of the certificate, found another",
    );
}
