//! A certificate and a web configuration file for tests.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::tools::{run, tool};

/// Name and password in the configuration [`web_config`] writes.
pub const USER: (&str, &str) = ("scraper", "open sesame: \"äöü\"");

/// Makes `cert.pem` and `key.pem` for localhost and 127.0.0.1 in `folder`.
#[track_caller]
pub fn certificate(folder: &Path) {
    run(Command::new(tool("openssl"))
        .current_dir(folder)
        .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
        .args(["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost"])
        .args(["-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]));
}

/// As [`certificate`], in the form of X.509 version 1, which has no place for names beside the subject.
#[track_caller]
pub fn certificate_of_version_1(folder: &Path) {
    let openssl = |args: &str| {
        run(Command::new(tool("openssl")).current_dir(folder).args(args.split(' ')));
    };
    openssl("req -new -newkey rsa:2048 -nodes -keyout key.pem -out request.pem -subj /CN=localhost");
    openssl("x509 -req -in request.pem -signkey key.pem -days 2 -out cert.pem");
}

/// What a TLS server needs to use the certificate in `folder`.
#[track_caller]
pub fn server_config(folder: &Path) -> Arc<ServerConfig> {
    let certificate = CertificateDer::from_pem_file(folder.join("cert.pem")).expect("openssl wrote a certificate");
    let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).expect("openssl wrote a key");
    let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().expect("the provider has suites for both versions");
    let config = builder.with_no_client_auth().with_single_cert(vec![certificate], key);
    Arc::new(config.expect("the key is the certificate's"))
}

/// Writes `web.yml` beside a certificate: TLS, and one [`USER`].
#[track_caller]
pub fn web_config(folder: &Path) -> PathBuf {
    certificate(folder);
    // The least cost: what is tested is the check, not how long it takes.
    let hash = bcrypt::hash(USER.1, 4).expect("bcrypt hashes any password");
    let (user, _) = USER;
    let file = folder.join("web.yml");
    let yaml = format!(
        "tls_server_config:\n  cert_file: cert.pem\n  key_file: key.pem\nbasic_auth_users:\n  {user}: '{hash}'\n"
    );
    std::fs::write(&file, yaml).expect("the folder is writable");
    file
}
