//! Certificates that mod_md manages.
//!
//! * Source: the `Managed...` lines of mod_md, httpd 2.4.54 and later; since 2.4.69 only with `MDServerStatus On`.
//! * Units: certificates, staplings, words.
//! * Before 2.4.63 some of these lines lack their line feed, so that the next key follows the value: [`pieces`].

use std::collections::BTreeMap;

use common::error::BadField;

use super::balancer::{self, index};
use super::number::{Read, Row, fill};
use super::text::decode;

/// What mod_md says of its work.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Md {
    /// Certificates configured.
    pub certificates_total: Option<f64>,
    /// Those that are valid.
    pub certificates_ok: Option<f64>,
    /// Those to be renewed.
    pub certificates_renew: Option<f64>,
    /// Those whose renewal failed.
    pub certificates_errored: Option<f64>,
    /// Those renewed and waiting for a restart.
    pub certificates_ready: Option<f64>,
    /// Staplings configured.
    pub staplings_total: Option<f64>,
    /// Those that are valid.
    pub staplings_ok: Option<f64>,
    /// Those to be renewed.
    pub staplings_renew: Option<f64>,
    /// Those whose renewal failed.
    pub staplings_errored: Option<f64>,
    /// Domains by index.
    pub domains: BTreeMap<u64, Domain>,
}

/// A managed domain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Domain {
    /// Its name.
    pub name: Option<String>,
    /// `good`, `expired`, `error`, `incomplete` or `missing information`, without what follows a colon.
    pub status: Option<String>,
}

pub(super) const PREFIX: &[u8] = b"Managed";

const KEYS: &[Row<Md>] = &[
    Row { key: "ManagedCertificatesTotal", read: Read::Count, slot: |md| &mut md.certificates_total },
    Row { key: "ManagedCertificatesOK", read: Read::Count, slot: |md| &mut md.certificates_ok },
    Row { key: "ManagedCertificatesRenew", read: Read::Count, slot: |md| &mut md.certificates_renew },
    Row { key: "ManagedCertificatesErrored", read: Read::Count, slot: |md| &mut md.certificates_errored },
    Row { key: "ManagedCertificatesReady", read: Read::Count, slot: |md| &mut md.certificates_ready },
    Row { key: "ManagedStaplingsTotal", read: Read::Count, slot: |md| &mut md.staplings_total },
    Row { key: "ManagedStaplingsOK", read: Read::Count, slot: |md| &mut md.staplings_ok },
    Row { key: "ManagedStaplingsRenew", read: Read::Count, slot: |md| &mut md.staplings_renew },
    Row { key: "ManagedStaplingsErrored", read: Read::Count, slot: |md| &mut md.staplings_errored },
];

const DOMAIN: &[u8] = b"ManagedDomain[";
const STAPLING: &[u8] = b"ManagedStapling[";

/// What can begin in the middle of a line of mod_md, its line feed lost.
const STARTS: &[&[u8]] = &[
    b"ManagedCertificates",
    DOMAIN,
    b"ManagedStaplings",
    STAPLING,
    balancer::PREFIX,
    b"TLSSessionCacheStatus",
    b"ModCacheSocacheStatus",
];

/// The lines that `line` was meant to be: one, unless it is mod_md's.
pub(super) fn pieces(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let glued = line.starts_with(PREFIX);
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest.take()?;
        let is_start = |at: &usize| line.get(*at..).is_some_and(|tail| STARTS.iter().any(|key| tail.starts_with(key)));
        let Some(at) = (1..line.len()).find(|at| glued && is_start(at)) else { return Some(line) };
        let (piece, tail) = line.split_at(at);
        rest = Some(tail);
        Some(piece)
    })
}

/// Takes one line whose key begins with [`PREFIX`]; `false` when it is none of mod_md's.
pub(super) fn take(md: &mut Md, line: u32, key: &[u8], value: &[u8]) -> Result<bool, BadField> {
    if let Some((at, rest)) = key.strip_prefix(DOMAIN).and_then(index) {
        match rest {
            b"Domain" => md.domains.entry(at).or_default().name = decode(value),
            b"Status" => {
                let word = value.split(|b| *b == b':').next().unwrap_or_default();
                md.domains.entry(at).or_default().status = decode(word);
            }
            // Names, authority, dates, retries: known, and no figures.
            _ => {}
        }
        return Ok(true);
    }
    Ok(key.starts_with(STAPLING) || fill(KEYS, md, line, key, value)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: &[&str]) {
        let got: Vec<_> = pieces(line.as_bytes()).map(|piece| String::from_utf8_lossy(piece).into_owned()).collect();
        assert_eq!(got, want);
    }

    #[test]
    fn lost_line_feeds() {
        check("ManagedCertificatesTotal: 3", &["ManagedCertificatesTotal: 3"]);
        check(
            "ManagedCertificatesTotal: 3ManagedCertificatesOK: 2ManagedDomain[0]Domain: a.example",
            &["ManagedCertificatesTotal: 3", "ManagedCertificatesOK: 2", "ManagedDomain[0]Domain: a.example"],
        );
        check(
            "ManagedStapling[0]Status: goodTLSSessionCacheStatus",
            &["ManagedStapling[0]Status: good", "TLSSessionCacheStatus"],
        );
        check("Server Built: ManagedDomain[0]Domain: x", &["Server Built: ManagedDomain[0]Domain: x"]);
        check("", &[""]);
    }

    #[test]
    fn domains_and_counts() {
        let mut md = Md::default();
        let lines = [
            ("ManagedCertificatesOK", "1", "Ok(true)"),
            ("ManagedCertificatesNew", "1", "Ok(false)"),
            ("ManagedDomain[7]Domain", "a.example", "Ok(true)"),
            ("ManagedDomain[7]Status", "incomplete: no account yet", "Ok(true)"),
            ("ManagedDomain[7]Names[0]", "a.example", "Ok(true)"),
            ("ManagedDomain[x]Status", "good", "Ok(false)"),
            ("ManagedStapling[0]Status", "good", "Ok(true)"),
        ];
        for (key, value, want) in lines {
            assert_eq!(format!("{:?}", take(&mut md, 1, key.as_bytes(), value.as_bytes())), want, "{key}");
        }
        let bad = take(&mut md, 9, b"ManagedStaplingsOK", b"none").unwrap_err();
        assert_eq!(bad.to_string(), "9: ManagedStaplingsOK: expected a number from 0, found \"none\"");
        assert_eq!((md.certificates_ok, md.staplings_ok), (Some(1.0), None));
        let domain = Domain { name: Some("a.example".to_owned()), status: Some("incomplete".to_owned()) };
        assert_eq!(md.domains, BTreeMap::from([(7, domain)]));
    }
}
