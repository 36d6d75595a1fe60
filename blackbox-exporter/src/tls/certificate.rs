//! What one certificate says: how long it is good, and the labels that describe it.
//!
//! * Source: RFC 5280; the bytes are the server's, and anything may be in them. What cannot be read is not there.
//! * Units: seconds of Unix time.
//! * Labels as the Go exporter writes them; of the alternative names only DNS names.

use std::fmt::Write as _;

use ring::digest::{SHA256, SHA256_OUTPUT_LEN, digest};
use x509_cert::Certificate;
use x509_cert::der::asn1::AnyRef;
use x509_cert::der::{Decode, Reader as _, SliceReader, Tag, TagNumber, Tagged as _};
use x509_cert::name::Name;
use x509_cert::time::Time;

use super::name;

/// When a certificate begins and when it is over, both included, in seconds of Unix time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: u64,
    pub(super) not_after: u64,
}

impl Validity {
    /// Of a certificate in DER; `None` when it is none.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let validity = Certificate::from_der(der).ok()?.tbs_certificate.validity;
        let seconds = |time: Time| time.to_unix_duration().as_secs();
        Some(Self { not_before: seconds(validity.not_before), not_after: seconds(validity.not_after) })
    }
}

/// SHA-256 of a certificate.
pub(super) type Fingerprint = [u8; SHA256_OUTPUT_LEN];

/// The fingerprint of a certificate in DER.
pub(super) fn fingerprint(der: &[u8]) -> Fingerprint {
    // As long as SHA-256 makes it, always.
    Fingerprint::try_from(digest(&SHA256, der).as_ref()).unwrap_or_default()
}

/// Labels of `probe_ssl_last_chain_info`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Labels {
    pub(super) fingerprint: String,
    pub(super) issuer: String,
    pub(super) serial: String,
    pub(super) subject: String,
    pub(super) names: String,
}

impl Labels {
    /// Of a certificate in DER; `None` when it is none.
    pub(super) fn parse(der: &[u8]) -> Option<Self> {
        let tbs = Certificate::from_der(der).ok()?.tbs_certificate;
        let serial = tbs.serial_number.as_bytes();
        // A byte for the sign is no part of the number.
        let sign = serial.iter().take_while(|byte| **byte == 0).count();
        let alternative = tbs.extensions.iter().flatten().find(|found| found.extn_id == SUBJECT_ALT_NAME);
        let names = alternative.map(|found| dns_names(found.extn_value.as_bytes())).unwrap_or_default();
        Some(Self {
            fingerprint: hex(&fingerprint(der)),
            issuer: name::text(&tbs.issuer),
            serial: hex(serial.get(sign..).unwrap_or_default()),
            subject: name::text(&tbs.subject),
            names: names.join(","),
        })
    }
}

const SUBJECT_ALT_NAME: x509_cert::der::oid::ObjectIdentifier =
    x509_cert::der::oid::ObjectIdentifier::new_unwrap("2.5.29.17");

/// The DNS names among alternative names (RFC 5280, section 4.2.1.6); up to the first that cannot be read. Names of other
/// kinds are passed over as they are: authorities write them in ways that no parser of theirs takes.
fn dns_names(der: &[u8]) -> Vec<String> {
    const DNS_NAME: TagNumber = TagNumber::N2;
    let Ok(list) = AnyRef::from_der(der) else { return Vec::new() };
    let Ok(mut reader) = SliceReader::new(list.value()) else { return Vec::new() };
    let names = std::iter::from_fn(|| match reader.is_finished() {
        true => None,
        false => AnyRef::decode(&mut reader).ok(),
    });
    let dns = names.filter(|name| matches!(name.tag(), Tag::ContextSpecific { number: DNS_NAME, .. }));
    dns.map(|name| String::from_utf8_lossy(name.value()).into_owned()).collect()
}

/// Lower case, two digits for each byte.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// For the fuzzer: everything that reads certificates, and names apart from them.
pub(crate) fn feed(bytes: &[u8]) {
    drop((Validity::parse(bytes), Labels::parse(bytes), dns_names(bytes)));
    drop(Name::from_der(bytes).map(|found| name::text(&found)));
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, SerialNumber, date_time_ymd};

    fn made(serial: &[u8]) -> Vec<u8> {
        let mut params = CertificateParams::new(vec!["b.test".to_owned(), "*.a.test".to_owned()]).unwrap();
        params.subject_alt_names.insert(1, SanType::IpAddress("192.0.2.1".parse().unwrap()));
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CountryName, "NL");
        params.distinguished_name.push(DnType::CommonName, "b");
        params.serial_number = Some(SerialNumber::from_slice(serial));
        (params.not_before, params.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2060, 1, 1));
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    #[test]
    fn times() {
        let want = Validity { not_before: 1_577_836_800, not_after: 2_840_140_800 };
        assert_eq!(Validity::parse(&made(&[1])), Some(want));
    }

    #[test]
    fn labels() {
        let der = made(&[0xab, 0x0c]);
        let labels = Labels::parse(&der).unwrap();
        assert_eq!((labels.subject.as_str(), labels.names.as_str()), ("CN=b,C=NL", "b.test,*.a.test"));
        assert_eq!(labels.issuer, labels.subject);
        assert_eq!(labels.fingerprint, hex(digest(&SHA256, &der).as_ref()));
        for (serial, want) in [(&[0xab, 0x0c][..], "ab0c"), (&[10], "0a"), (&[8, 0], "0800"), (&[0], "")] {
            assert_eq!(Labels::parse(&made(serial)).unwrap().serial, want);
        }
    }

    #[test]
    fn alternative_names_of_any_kind() {
        // b.test; a directory name without its own wrapping; a.test; one that is cut short.
        let der = [&[0x30, 22, 0x82, 6][..], b"b.test", &[0xa4, 2, 0x30, 0, 0x82, 6], b"a.test", &[0x82, 9]].concat();
        assert_eq!(dns_names(&der), ["b.test", "a.test"]);
        assert_eq!((dns_names(&[]), dns_names(&der[..9])), (vec![], vec![]));
    }

    #[test]
    fn cut_short_and_garbage() {
        let der = made(&[1]);
        for end in 0..der.len() {
            assert_eq!((Validity::parse(&der[..end]), Labels::parse(&der[..end])), (None, None), "{end}");
        }
        for at in 0..der.len() {
            let mut der = der.clone();
            der[at] ^= 0xff;
            // Anything but a panic.
            let _ = (Validity::parse(&der), Labels::parse(&der));
        }
    }
}
