//! A small world of certificates: a root (10 years), an intermediate (30 days), and leaves (400 days) that are in order
//! or wrong in one way each; and a TLS [`Server`] that shows them.
//!
//! In its folder, which goes with the [`Pki`]: `root.pem`, `intermediate.pem`, and for each [`Leaf`] `<name>.pem` (the
//! leaf and the intermediate) and `<name>.key`.

mod server;

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};

pub use server::{Hello, Server, Session};

const DAY: i64 = 86_400;

/// The leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaf {
    /// For localhost, `*.example.test`, 127.0.0.1 and ::1; serial number 0xab0cdef012.
    Good,
    /// As the good one, but its time was over yesterday.
    Expired,
    /// As the good one, but its time begins tomorrow.
    NotYetValid,
    /// For other.test alone.
    OtherName,
    /// For localhost, but only by its common name.
    NoSan,
    /// As the good one, signed by itself.
    SelfSigned,
    /// A client's, not good for a server.
    Client,
}

impl Leaf {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::Good, Self::Expired, Self::NotYetValid, Self::OtherName, Self::NoSan, Self::SelfSigned, Self::Client];

    /// What its files are called.
    pub fn name(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Expired => "expired",
            Self::NotYetValid => "not-yet-valid",
            Self::OtherName => "other-name",
            Self::NoSan => "no-san",
            Self::SelfSigned => "self-signed",
            Self::Client => "client",
        }
    }

    /// Days from now to when it begins and when it is over.
    fn days(self) -> (i64, i64) {
        match self {
            Self::Expired => (-400, -1),
            Self::NotYetValid => (1, 401),
            _ => (-1, 400),
        }
    }
}

/// The certificates and their folder, which is removed with it.
#[derive(Debug)]
pub struct Pki {
    folder: tempfile::TempDir,
    made: i64,
    shared: Vec<CertificateDer<'static>>,
    leaves: Vec<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
}

/// What a [`Server`] shows and asks for.
#[derive(Clone, Debug)]
pub struct Shows {
    /// Whose certificate.
    pub leaf: Leaf,
    /// How much of leaf, intermediate and root is sent: 1 to 3 of them.
    pub n_certificates: usize,
    /// Versions that it speaks.
    pub versions: &'static [&'static SupportedProtocolVersion],
    /// Protocols that it speaks, the best first; empty for none said.
    pub alpn: &'static [&'static str],
    /// Whether it wants a certificate of the client.
    pub asks_for_client: bool,
}

impl Default for Shows {
    /// The good leaf and the intermediate, TLS 1.2 and 1.3.
    fn default() -> Self {
        Self { leaf: Leaf::Good, n_certificates: 2, versions: rustls::ALL_VERSIONS, alpn: &[], asks_for_client: false }
    }
}

impl Pki {
    /// Makes all of them.
    #[track_caller]
    pub fn new() -> Self {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970").as_secs();
        let made = i64::try_from(now).expect("the clock is not lost");
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("the folder is writable");

        let root = CertifiedIssuer::self_signed(authority("Root", made, 3650), key()).expect("a root");
        let intermediate = CertifiedIssuer::signed_by(authority("Intermediate", made, 30), key(), &root);
        let intermediate = intermediate.expect("an intermediate");
        write("root.pem", &root.pem());
        write("intermediate.pem", &intermediate.pem());
        let leaves = Leaf::ALL.into_iter().map(|leaf| {
            let (params, key) = (params(leaf, made), key());
            let signed = match leaf {
                Leaf::SelfSigned => params.self_signed(&key),
                _ => params.signed_by(&key, &intermediate),
            };
            let signed = signed.expect("a leaf");
            let chain = match leaf {
                Leaf::SelfSigned => signed.pem(),
                _ => signed.pem() + &intermediate.pem(),
            };
            write(&format!("{}.pem", leaf.name()), &chain);
            write(&format!("{}.key", leaf.name()), &key.serialize_pem());
            (signed.der().clone(), PrivatePkcs8KeyDer::from(key.serialize_der()).into())
        });
        let leaves = leaves.collect();
        Self { made, shared: vec![intermediate.der().clone(), root.der().clone()], leaves, folder }
    }

    /// A file of the folder.
    #[track_caller]
    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).to_str().expect("temporary folders have plain names").to_owned()
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// When a leaf is over, in seconds of Unix time.
    pub fn not_after(&self, leaf: Leaf) -> f64 {
        (self.made + leaf.days().1 * DAY) as f64
    }

    /// When the intermediate is over, in seconds of Unix time: before each leaf that is in order.
    pub fn intermediate_not_after(&self) -> f64 {
        (self.made + 30 * DAY) as f64
    }

    /// A leaf, the intermediate and the root; or the one that signed itself alone.
    #[track_caller]
    pub fn chain(&self, leaf: Leaf) -> Vec<CertificateDer<'static>> {
        let (own, _) = self.leaf(leaf);
        let others = if leaf == Leaf::SelfSigned { &[] } else { self.shared.as_slice() };
        std::iter::once(own).chain(others).cloned().collect()
    }

    /// What a TLS server needs.
    #[track_caller]
    pub fn server_config(&self, shows: &Shows) -> Arc<ServerConfig> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider));
        let builder = builder.with_protocol_versions(shows.versions).expect("the provider has suites for them");
        let builder = if shows.asks_for_client {
            let mut roots = RootCertStore::empty();
            let [_, root] = self.shared.as_slice() else { panic!("there are an intermediate and a root") };
            roots.add(root.clone()).expect("the root is an authority");
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
            builder.with_client_cert_verifier(verifier.expect("there is a root"))
        } else {
            builder.with_no_client_auth()
        };
        let mut chain = self.chain(shows.leaf);
        chain.truncate(shows.n_certificates);
        let (_, key) = self.leaf(shows.leaf);
        let mut config = builder.with_single_cert(chain, key.clone_key()).expect("the key is the leaf's");
        config.alpn_protocols = shows.alpn.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
        Arc::new(config)
    }

    #[track_caller]
    fn leaf(&self, leaf: Leaf) -> &(CertificateDer<'static>, PrivateKeyDer<'static>) {
        let at = Leaf::ALL.iter().position(|known| *known == leaf);
        at.and_then(|at| self.leaves.get(at)).expect("all leaves were made")
    }
}

impl Default for Pki {
    fn default() -> Self {
        Self::new()
    }
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn set_days(params: &mut CertificateParams, made: i64, (first, last): (i64, i64)) {
    let at = |days: i64| {
        let seconds = u64::try_from(made + days * DAY).expect("the clock is not lost");
        date_time_ymd(1970, 1, 1) + Duration::from_secs(seconds)
    };
    (params.not_before, params.not_after) = (at(first), at(last));
}

fn authority(name: &str, made: i64, days: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::OrganizationName, "Test");
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    set_days(&mut params, made, (-2, days));
    params
}

fn params(leaf: Leaf, made: i64) -> CertificateParams {
    let names: &[&str] = match leaf {
        Leaf::OtherName => &["other.test"],
        Leaf::NoSan | Leaf::Client => &[],
        _ => &["localhost", "*.example.test"],
    };
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    let mut params = CertificateParams::new(names).expect("the names are plain");
    if !matches!(leaf, Leaf::OtherName | Leaf::NoSan | Leaf::Client) {
        for ip in ["127.0.0.1", "::1"] {
            params.subject_alt_names.push(SanType::IpAddress(ip.parse().expect("an address")));
        }
    }
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "localhost");
    params.serial_number = Some(SerialNumber::from_slice(&[0xab, 0x0c, 0xde, 0xf0, 0x12]));
    params.extended_key_usages = vec![match leaf {
        Leaf::Client => ExtendedKeyUsagePurpose::ClientAuth,
        _ => ExtendedKeyUsagePurpose::ServerAuth,
    }];
    set_days(&mut params, made, leaf.days());
    params
}
