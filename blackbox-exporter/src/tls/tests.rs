//! Handshakes over pipes in memory, with rustls and by hand.

use common::exposition::Page;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, SanType, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::config::Secret;

type Change = fn(&mut CertificateParams);

fn ends(params: &mut CertificateParams, days: i64) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let end = now.checked_add_signed(days * 86_400).unwrap();
    params.not_before = date_time_ymd(2000, 1, 1);
    params.not_after = date_time_ymd(1970, 1, 1) + Duration::from_secs(end);
}

/// A chain of root, intermediate and leaf, each of which can be changed before it is made.
struct Chain {
    root_pem: String,
    server: ServerConfig,
}

impl Chain {
    fn new(changes: [Change; 3], n_certificates: usize, versions: &[&'static SupportedProtocolVersion]) -> Self {
        let [of_root, of_intermediate, of_leaf] = changes;
        let authority = |days: i64, name: &str, change: Change| {
            let mut params = CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            ends(&mut params, days);
            change(&mut params);
            params
        };
        let key = || KeyPair::generate().unwrap();
        let root = CertifiedIssuer::self_signed(authority(3650, "R", of_root), key()).unwrap();
        let intermediate = CertifiedIssuer::signed_by(authority(30, "I", of_intermediate), key(), &root).unwrap();
        let mut params = CertificateParams::new(vec!["localhost".to_owned(), "*.a.test".to_owned()]).unwrap();
        params.subject_alt_names.push(SanType::IpAddress("127.0.0.1".parse().unwrap()));
        ends(&mut params, 400);
        of_leaf(&mut params);
        let own = key();
        let leaf = params.signed_by(&own, &intermediate).unwrap();
        let chain = vec![leaf.der().clone(), intermediate.der().clone(), root.der().clone()];
        let server = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                chain.into_iter().take(n_certificates).collect(),
                PrivatePkcs8KeyDer::from(own.serialize_der()).into(),
            )
            .unwrap();
        Self { root_pem: root.pem(), server }
    }

    fn plain() -> Self {
        Self::new([|_| (), |_| (), |_| ()], 2, rustls::ALL_VERSIONS)
    }

    fn config(&self) -> config::Tls {
        config::Tls { ca: Some(Given::Inline(Secret(self.root_pem.clone()))), ..config::Tls::default() }
    }

    /// What a handshake came to, and the names and values on the page, days from now instead of times.
    async fn shake(self, config: &config::Tls, name: &str) -> (Result<(), Reason>, String) {
        let (ours, theirs) = duplex(100_000);
        let acceptor = TlsAcceptor::from(Arc::new(self.server));
        let serving = tokio::spawn(async move {
            // Whether the client is content is seen at its end.
            let _ = acceptor.accept(theirs).await;
        });
        let facts = Facts::default();
        let client = Kept::default().client(config, &[]).unwrap();
        let shaken = client.connect(ours, name, &facts).await.map(drop).map_err(|failure| failure.reason);
        serving.await.unwrap();
        (shaken, summary(&facts))
    }
}

fn summary(facts: &Facts) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
    let mut words: Vec<String> = Vec::new();
    for line in shown(facts, With { last_chain: true, cipher: true }).lines().filter(|line| !line.starts_with('#')) {
        let (name, value) = line.rsplit_once(' ').unwrap();
        let name = name.trim_start_matches("probe_ssl_").trim_start_matches("probe_tls_");
        words.push(match name.split_once('{') {
            None => format!("{name} {}", ((value.parse::<f64>().unwrap() - now) / 86_400.0).round()),
            Some(("last_chain_info", _)) => "info".to_owned(),
            Some((_, labels)) => labels.split('"').nth(1).unwrap().to_owned(),
        });
    }
    words.join(", ")
}

fn shown(facts: &Facts, with: With) -> String {
    use common::exposition::{Format, Merge};
    let mut page = Page::default();
    facts.write(&mut page, with);
    page.finish();
    let mut text = Vec::new();
    Merge::default().write(&[&page], Format::Text, &mut |piece| text.extend_from_slice(piece));
    String::from_utf8(text).unwrap()
}

#[tokio::test]
async fn a_chain_in_order_is_on_the_page() {
    let want = "earliest_cert_expiry 30, last_chain_expiry_timestamp_seconds 30, info, TLS_AES_128_GCM_SHA256, TLS 1.3";
    for name in ["localhost", "b.a.test", "127.0.0.1", "LOCALHOST"] {
        let chain = Chain::plain();
        let config = chain.config();
        assert_eq!(chain.shake(&config, name).await, (Ok(()), want.to_owned()), "{name}");
    }
}

#[tokio::test]
async fn the_last_chain_has_the_root_and_the_first_end_only_what_was_sent() {
    let changes: [Change; 3] = [|params| ends(params, 10), |params| ends(params, 30), |params| ends(params, 20)];
    let chain = Chain::new(changes, 2, &[&rustls::version::TLS12]);
    let config = chain.config();
    let (shaken, page) = chain.shake(&config, "localhost").await;
    assert_eq!(shaken, Ok(()));
    let want = "earliest_cert_expiry 20, last_chain_expiry_timestamp_seconds 10, info, \
                TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, TLS 1.2";
    assert_eq!(page, want);
}

/// Certificates that are not taken: they are on the page all the same, and with `insecure_skip_verify` the rest as well.
#[tokio::test]
async fn what_is_wrong_is_named_and_shown() {
    let none: Change = |_| ();
    let past: Change = |params| ends(params, -10);
    type Case = (&'static str, [Change; 3], usize, &'static str, Reason, &'static str, bool);
    let table: [Case; 8] = [
        ("leaf over", [none, none, past], 2, "localhost", Reason::CertificateExpired, "-10", false),
        ("leaf over, other name", [none, none, past], 2, "x.test", Reason::CertificateExpired, "-10", false),
        ("intermediate over", [none, past, none], 2, "localhost", Reason::CertificateExpired, "-10", false),
        ("root over", [past, none, none], 2, "localhost", Reason::CertificateExpired, "30", false),
        (
            "to come",
            [none, none, |params| params.not_before = date_time_ymd(2090, 1, 1)],
            2,
            "localhost",
            Reason::CertificateNotYetValid,
            "30",
            false,
        ),
        ("other name", [none, none, none], 2, "x.test", Reason::CertificateName, "30", true),
        ("name with a port", [none, none, none], 2, "b.a.test:123", Reason::CertificateName, "30", true),
        ("no intermediate", [none, none, none], 1, "localhost", Reason::CertificateUntrusted, "400", false),
    ];
    for (what, changes, n_certificates, name, reason, earliest, is_chain) in table {
        let chain = || Chain::new(changes, n_certificates, rustls::ALL_VERSIONS);
        let (one, other) = (chain(), chain());
        let config = one.config();
        let (shaken, page) = one.shake(&config, name).await;
        assert_eq!(
            (shaken, page.as_str()),
            (Err(reason), &*format!("earliest_cert_expiry {earliest}, info")),
            "{what}"
        );
        let config = config::Tls { insecure_skip_verify: true, ..other.config() };
        let (shaken, page) = other.shake(&config, name).await;
        let last = if is_chain { "last_chain_expiry_timestamp_seconds 30, " } else { "" };
        let want = format!("earliest_cert_expiry {earliest}, {last}info, TLS_AES_128_GCM_SHA256, TLS 1.3");
        assert_eq!((shaken, page), (Ok(()), want), "{what}");
    }
    let chain = Chain::plain();
    let config = Chain::plain().config();
    assert_eq!(chain.shake(&config, "localhost").await.0, Err(Reason::CertificateUntrusted));
    let use_of_client: Change = |params| params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    let chain = Chain::new([none, none, use_of_client], 2, rustls::ALL_VERSIONS);
    let config = chain.config();
    assert_eq!(chain.shake(&config, "localhost").await.0, Err(Reason::CertificateInvalid));
}

#[tokio::test]
async fn families_are_chosen() {
    let (ours, theirs) = duplex(100_000);
    let chain = Chain::plain();
    let client = Kept::default().client(&chain.config(), &[]).unwrap();
    let facts = Facts::default();
    assert_eq!(shown(&facts, With { last_chain: true, cipher: true }), "");
    let acceptor = TlsAcceptor::from(Arc::new(chain.server));
    let (_, shaken) = tokio::join!(acceptor.accept(theirs), client.connect(ours, "localhost", &facts));
    shaken.unwrap();
    let page = shown(&facts, With { last_chain: false, cipher: false });
    assert!(page.contains("probe_tls_version_info") && page.contains("probe_ssl_earliest_cert_expiry"), "{page}");
    assert!(!page.contains("cipher") && !page.contains("chain_expiry"), "{page}");
}

#[tokio::test]
async fn versions() {
    let chain = Chain::new([|_| (), |_| (), |_| ()], 2, &[&rustls::version::TLS12]);
    let config = config::Tls { min_version: Some(TlsVersion::Tls13), ..chain.config() };
    assert_eq!(chain.shake(&config, "localhost").await.0, Err(Reason::TlsHandshake));

    let made = |min, max| {
        let config = config::Tls { min_version: min, max_version: max, ..Chain::plain().config() };
        Kept::default().client(&config, &[]).map_err(|failure| failure.reason)
    };
    let new = made(Some(TlsVersion::Tls13), Some(TlsVersion::Tls12));
    assert_eq!(new.map(drop), Err(Reason::Module));
    assert_eq!(made(None, Some(TlsVersion::Tls11)).map(drop), Err(Reason::Module));
    let twelve = made(None, Some(TlsVersion::Tls12)).unwrap();
    assert_eq!(twelve.for_quic(&Facts::default()).map(drop).map_err(|failure| failure.reason), Err(Reason::Module));
}

#[tokio::test]
async fn what_is_not_tls() {
    for (said, reason) in [
        (&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], Reason::TlsHandshake),
        (b"", Reason::Closed),
        (b"22", Reason::TlsHandshake),
    ] {
        let (ours, mut theirs) = duplex(1000);
        let client = Kept::default().client(&config::Tls::default(), &[]).unwrap();
        theirs.write_all(said).await.unwrap();
        theirs.shutdown().await.unwrap();
        let failure = client.connect(ours, "localhost", &Facts::default()).await.map(drop).unwrap_err();
        assert_eq!((failure.phase, failure.reason), (Phase::Tls, reason), "{failure}");
    }
}

/// A server of the old days shows its certificates in the clear.
#[tokio::test]
async fn old_versions() {
    let chain = |names: &str| {
        let mut params = CertificateParams::new(vec![names.to_owned()]).unwrap();
        ends(&mut params, 5);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap()
    };
    let talk = |der: Vec<u8>| async move {
        let (ours, mut theirs) = duplex(100_000);
        tokio::spawn(async move {
            // Whatever it is greeted with.
            theirs.read_u8().await.unwrap();
            let sized = |bytes: &[u8]| [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat();
            let hello = [&[3, 2][..], &[7; 32], &[0, 0xc0, 0x13, 0]].concat();
            let messages = [
                [&[2][..], &sized(&hello)].concat(),
                [&[11][..], &sized(&sized(&sized(&der)))].concat(),
                vec![14, 0, 0, 0],
            ];
            let messages = messages.concat();
            theirs.write_all(&[22, 3, 2]).await.unwrap();
            theirs.write_all(&(messages.len() as u16).to_be_bytes()).await.unwrap();
            theirs.write_all(&messages).await.unwrap();
            let mut rest = Vec::new();
            let _ = theirs.read_to_end(&mut rest).await;
        });
        Ok::<_, Failure>(ours)
    };
    let good = chain("localhost");
    let allowed = |ca: String| config::Tls {
        ca: Some(Given::Inline(Secret(ca))),
        min_version: Some(TlsVersion::Tls10),
        ..config::Tls::default()
    };
    for (config, der, want, page) in [
        (
            allowed(good.pem()),
            good.der(),
            Ok(None),
            "earliest_cert_expiry 5, last_chain_expiry_timestamp_seconds 5, info, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS 1.1",
        ),
        (
            allowed(good.pem()),
            chain("x.test").der(),
            Err(Reason::CertificateName),
            "earliest_cert_expiry 5, info, TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA, TLS 1.1",
        ),
        (
            config::Tls { max_version: Some(TlsVersion::Tls10), ..allowed(good.pem()) },
            good.der(),
            Err(Reason::TlsHandshake),
            "",
        ),
        (config::Tls { min_version: None, ..allowed(good.pem()) }, good.der(), Err(Reason::TlsHandshake), ""),
    ] {
        let client = Kept::default().client(&config, &[]).unwrap();
        let facts = Facts::default();
        let stream = talk(der.to_vec()).await.unwrap();
        let got = client.connect_any(stream, "localhost", &facts, || talk(der.to_vec())).await;
        assert_eq!(
            (got.map(|stream| stream.map(drop)).map_err(|failure| failure.reason), summary(&facts).as_str()),
            (want, page)
        );
        if want.is_ok() {
            let failure = too_old(&facts);
            assert_eq!((failure.phase, failure.reason), (Phase::Tls, Reason::TlsVersion));
            assert!(failure.what.contains("TLS 1.1"), "{failure}");
        }
    }
}

#[test]
fn files_are_read_again_when_they_change() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ca.pem");
    let config = config::Tls { ca: Some(Given::File(file.clone())), ..config::Tls::default() };
    let kept = Kept::default();
    let reason = |kept: &Kept| kept.client(&config, &[]).map(drop).map_err(|failure| failure.to_string());
    assert!(reason(&kept).unwrap_err().contains("ca.pem: No such file"));
    std::fs::write(&file, "no PEM").unwrap();
    assert!(reason(&kept).unwrap_err().ends_with("ca.pem: expected PEM certificates, found none"));
    std::fs::write(&file, Chain::plain().root_pem).unwrap();
    let first = kept.client(&config, &[]).unwrap();
    std::fs::write(&file, Chain::plain().root_pem).unwrap();
    assert!(!Arc::ptr_eq(&first, &kept.client(&config, &[]).unwrap()));
    let inline = Kept::default();
    let config = Chain::plain().config();
    let first = inline.client(&config, &[]).unwrap();
    assert!(Arc::ptr_eq(&first, &inline.client(&config, &[]).unwrap()));
}

#[test]
fn settings_that_cannot_be_used() {
    let key = KeyPair::generate().unwrap();
    let other = KeyPair::generate().unwrap().serialize_pem();
    let cert = CertificateParams::new(vec!["c".to_owned()]).unwrap().self_signed(&key).unwrap().pem();
    let inline = |text: &str| Some(Given::Inline(Secret(text.to_owned())));
    let with = |cert, key| config::Tls { cert, key, ..config::Tls::default() };
    for (config, want) in [
        (with(inline(&cert), inline(&key.serialize_pem())), None),
        (with(inline(&cert), inline(&other)), Some("tls_config: cert and key do not go together")),
        (with(inline(&cert), inline("x")), Some("tls_config.key: expected a PEM private key without a password")),
        (with(inline("x"), inline(&other)), Some("tls_config.cert: expected PEM certificates, found none")),
        (
            with(inline(&cert), Some(Given::Ref("r".to_owned()))),
            Some("tls_config.key_ref: r: there is no store of secrets"),
        ),
        (config::Tls { ca: inline("x"), ..config::Tls::default() }, Some("tls_config.ca: expected PEM certificates")),
    ] {
        let got = Kept::default().client(&config, &[]).map(drop);
        match (got, want) {
            (Ok(()), None) => {}
            (Err(failure), Some(want)) if failure.what.starts_with(want) && failure.reason == Reason::Module => {}
            (got, want) => panic!("expected {want:?}, found {got:?}"),
        }
    }
}
